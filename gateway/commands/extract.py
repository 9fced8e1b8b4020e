"""`estafette extract`: the invoice out of a PDF, and with --all every file that a PDF or an XML carries.

Names inside a document are somebody else's: what is written has a name without folders, hidden beginnings or signs that
mean something, and never leaves the folder that was named.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.commands import batch, files, terminal
from gateway.commands.batch import BAD, FAILED, GOOD
from gateway.commands.files import Source, Unusable
from gateway.commands.terminal import Told, printable, shown
from gateway.settings import Settings

if TYPE_CHECKING:
    from schemas.invoice import Invoice
    from schemas.xml import Unreadable

EXAMPLES = """\
examples:
  estafette extract invoice.pdf                  the XML of a Factur-X, ZUGFeRD or Order-X, on standard output
  estafette extract invoices/ -o xml/            of a folder of PDFs
  estafette extract --all out/ invoice.pdf       the XML and every other file that the PDF carries
  estafette extract --all out/ invoice.xml       the supporting documents (BG-24) inside a CII, UBL or JSON

The XML comes byte for byte; where several files could be it, it is told which was taken and why, or that none can be.
With --all each of several documents gets a folder of its own.

Exit code 0: done. 1: some carry nothing of the kind, or cannot be read. 2: some files could not be read or written.
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was taken out of a document."""

    name: str
    """As the document calls it."""
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """What one document carries, or why there is nothing. Picklable."""

    files: tuple[Taken, ...] = ()
    why: str = ""
    """Which file was taken for the invoice, and why."""
    reason: Told | None = None
    findings: tuple[dict[str, Any], ...] = ()


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "extract",
        description="Take the invoice out of a PDF; with --all every file that a PDF, or an invoice in XML or JSON, "
        "carries.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files.add_paths(it, "a PDF (with --all an XML or JSON too)")
    files.add_output(it, "where the XML goes")
    it.add_argument("--all", metavar="FOLDER", dest="folder", help="put every file into this folder")
    terminal.add_language(it)
    terminal.add_format(it)
    batch.add_jobs(it)
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Take out what was asked for, of each document."""
    if options.folder is not None and options.output is not None:
        raise Unusable(Told("--all names the folder already; leave --output out", "--all suffit ; retirez --output"))
    language = terminal.language_of(options, os.environ)
    everything = options.folder is not None
    sources = files.found(options.paths, files.ENDINGS if everything else (".pdf",))
    places = _places(sources, options)
    read = files.identities(sources)
    aside = files.STANDARD in places.values()

    def take(source: Source, result: Found | Unusable) -> int:
        found = Found(reason=result.told) if isinstance(result, Unusable) else result
        code = GOOD if found.reason is None else FAILED if isinstance(result, Unusable) else BAD
        written: list[str] = []
        try:
            for one, where in _named(found, places[id(source)], everything):
                files.write(where, one.data, force=options.force, sources=read)
                written.append(shown(where))
        except Unusable as unusable:
            found, code = Found(found.files, found.why, unusable.told), FAILED
        if options.format == "json":
            terminal.print_json(_as_json(source, found, written, code), sys.stderr if aside else sys.stdout)
        else:
            _tell(source, found, written, language)
        return code

    job = everything_in if everything else invoice_in
    return batch.each(job, sources, take, jobs=options.jobs, seconds=settings.compute_seconds)


def invoice_in(source: Source) -> Found:
    """The invoice a PDF carries. Raises Unusable."""
    from schemas.formats.facturx.extract import extract
    from schemas.xml import Unreadable

    data = source.read()
    if not data.startswith(b"%PDF-"):
        says = "it is no PDF; --all takes the attachments out of an XML or JSON"
        return Found(reason=Told(says, "ce n'est pas un PDF ; --all extrait les pièces jointes d'un XML ou JSON"))
    try:
        found = extract(data)
    except Unreadable as unreadable:
        return _nothing(unreadable)
    return Found((Taken(found.name, "application/xml", found.xml),), found.taken)


def everything_in(source: Source) -> Found:
    """Every file a document carries, the invoice first. Raises Unusable."""
    from schemas import json_form
    from schemas.catalogue import FORMATS, recognise
    from schemas.xml import Unreadable

    data = source.read()
    try:
        if data.startswith(b"%PDF-"):
            return _of_pdf(data)
        recognised = recognise(data)
        if recognised.xml is None:
            invoice = json_form.read(data)
        else:
            invoice = FORMATS[recognised.syntax].read(recognised.xml).invoice
    except Unreadable as unreadable:
        return _nothing(unreadable)
    carried = tuple(_supporting(invoice))
    none = Told("it carries no supporting document", "elle ne porte aucune pièce jointe")
    return Found(carried, reason=None if carried else none)


def _of_pdf(data: bytes) -> Found:
    """All files of a PDF, whichever of them is the invoice. Raises Unreadable."""
    from schemas.formats.facturx import door
    from schemas.formats.facturx.extract import embedded_files, extract
    from schemas.xml import Unreadable

    with door.opened(data) as pdf:
        carried = tuple(Taken(one.name, one.media_type, one.data) for one in embedded_files(pdf))
    if not carried:
        return Found(reason=Told("it carries no file", "il ne porte aucun fichier"))
    try:
        found = extract(data)
    except Unreadable as none:
        return Found(carried, str(none))
    first = tuple(one for one in carried if one.data == found.xml)
    others = tuple(one for one in carried if one.data != found.xml)
    known = {one.data for one in carried}
    inside = tuple(one for one in _inside(found.xml) if one.data not in known)
    return Found((*first, *others, *inside), found.taken)


def _inside(xml: bytes) -> Iterator[Taken]:
    """The supporting documents inside the XML of a PDF; none where our model cannot read it."""
    from schemas.catalogue import FORMATS, recognise
    from schemas.xml import Unreadable

    try:
        invoice = FORMATS[recognise(xml).syntax].read(xml).invoice
    except Unreadable:
        return
    yield from _supporting(invoice)


def _supporting(invoice: Invoice) -> Iterator[Taken]:
    for one in invoice.attachments:
        if one.content:
            yield Taken(one.filename or one.id, one.media_type, one.content)


def _nothing(unreadable: Unreadable) -> Found:
    """Why nothing could be taken."""
    findings = tuple(finding.as_json() for finding in unreadable.findings)
    return Found(reason=Told(unreadable.findings[0].says, unreadable.findings[0].says), findings=findings)


def _places(sources: list[Source], options: argparse.Namespace) -> dict[int, str]:
    """Where each source's files go, by its identity: a file for the XML, a folder with --all."""
    if options.folder is None:
        chosen = files.destinations(sources, options.output, ".xml")
    elif len(sources) == 1 and not sources[0].folder:
        chosen = [options.folder]
    else:
        chosen = files.destinations(sources, os.path.join(options.folder, ""), "")
    return dict(zip(map(id, sources), chosen, strict=True))


def _named(found: Found, place: str, everything: bool) -> Iterator[tuple[Taken, str]]:
    """Each file and where it goes."""
    taken: dict[str, int] = {}
    for one in found.files:
        yield one, os.path.join(place, files.safe_name(one.name, taken)) if everything else place


def _as_json(source: Source, found: Found, written: list[str], code: int) -> dict[str, Any]:
    """One document for programs; every member is always there."""
    outputs = [*written, *[None] * (len(found.files) - len(written))]
    return {
        "path": source.name,
        "outcome": {GOOD: "done", BAD: "refused"}.get(code, "failed"),
        "taken": found.why,
        "files": [
            {"name": one.name, "media_type": one.media_type, "size": len(one.data), "output": output}
            for one, output in zip(found.files, outputs, strict=True)
        ],
        "reason": found.reason.english if found.reason else None,
        "findings": list(found.findings),
    }


def _tell(source: Source, found: Found, written: list[str], language: str) -> None:
    """One document for people; of what went to standard output nothing is said."""
    for one, where in zip(found.files, written, strict=False):
        if where != files.STANDARD:
            size = f"{len(one.data)} {'octets' if language == 'fr' else 'bytes'}"
            print(printable(f"{source.name} → {where}  ({one.media_type or '-'}, {size})"))
    if found.reason is not None:
        batch.complain(source, found.reason, language)
        for finding in found.findings[1:]:
            print(printable(f"  {finding['rule']}: {finding['says']}"), file=sys.stderr)
