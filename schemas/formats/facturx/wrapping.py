"""A Factur-X around a PDF that the caller supplies, when that can be PDF/A-3 without changing how it looks.

What nobody sees is put right (see `mending`). Anything else that PDF/A-3b does not allow, or that the strict check does
not know, prevents it: the page is never touched, and each prevention is a finding that names the font, colour space,
transparency or form, and the page it is on. What the PDF carries goes along, but for an invoice: the new one replaces
it, and the result says so.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import Any

import pikepdf
from pikepdf import Dictionary, Name, Pdf, Stream, pdfa

from schemas.finding import Finding, Severity
from schemas.formats.facturx import door, mending, xmp
from schemas.formats.facturx.extract import NAMES, Embedded, embedded_files, extract, is_invoice
from schemas.formats.facturx.pdfa import Description, assembled, unknown_to_the_standard
from schemas.formats.facturx.unused import drop_unused
from schemas.xml import Unreadable

PREVENTION = "PDFA-"
"""How the rules of all preventions begin; other findings mean that a PDF is not to be passed on at all."""
PREVENTIONS_LIMIT = 50
"""Preventions told of one PDF; the same one on several pages is one."""
_REACHED_LIMIT = 200_000
"""Objects followed to tell on which page one is."""

logging.getLogger("fontTools").setLevel(logging.ERROR)  # it warns of each oddity in the fonts of others

_VERSION = "1.7"
"""Of PDF, on which PDF/A-3 stands."""
_OBJECT = re.compile(r"obj (\d+) (\d+)")
_COLOURS = re.compile(r"Device(?:CMYK|RGB|Gray|N)|Separation|Lab|Cal(?:RGB|Gray)|Indexed")
_HIDDEN, _PRINTED, _NOT_VIEWED = 2, 4, 32
"""Flags of what is on a page (ISO 32000-1, table 165)."""
_ELSEWHERE = frozenset(("/Parent", "/P", "/A", "/Dest", "/Popup", "/IRT", "/B"))
"""Entries of a page or of what is on it that lead to other pages."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """What was made around a PDF."""

    pdf: bytes
    replaced: tuple[str, ...]
    """Names of the invoices that the PDF carried and the new one replaces."""


def wrap(supplied: bytes, xml: bytes, description: Description, attachments: Sequence[Embedded] = ()) -> Wrapped:
    """A Factur-X around a PDF. Only level B is claimed, because only that was checked.

    Raises Unreadable: PDFA-… for what prevents it, and what the door refuses.
    """
    prepared, carried, replaced = _prepared(supplied)
    claims = xmp.Claims(part="3", conformance="B")
    data = assembled(prepared, xml, description, (*attachments, *carried), claims)
    _check(data)
    if extract(data).xml != xml:
        says = "The invoice put into the PDF is not the one read from it."
        raise Unreadable((_prevention("CONTAINER", says, "", "", "Let it go along as an attachment."),))
    return Wrapped(data, replaced)


def preventions(supplied: bytes) -> tuple[Finding, ...]:
    """What prevents that a PDF is the page of a Factur-X, named; nothing where it can be.

    Raises Unreadable for what the door refuses.
    """
    try:
        _check(_prepared(supplied)[0])
    except Unreadable as refused:
        if not prevented(refused):
            raise
        return refused.findings
    return ()


def prevented(refused: Unreadable) -> bool:
    """Whether a PDF was refused only as a page, so that it may go along with another."""
    return all(finding.rule.startswith(PREVENTION) for finding in refused.findings)


def _prepared(supplied: bytes) -> tuple[bytes, tuple[Embedded, ...], tuple[str, ...]]:
    """The PDF put right and without its files; its files; the names of invoices among them, which are left out."""
    with door.opened(supplied) as pdf:
        files = tuple(embedded_files(pdf))
        if found := tuple(_unmendable(pdf)):
            raise Unreadable(found)
        mending.flatten_forms(pdf)
        mending.make_strict(pdf)
        mending.drop_unseen(pdf)
        drop_unused(pdf)
        pdfa.prepare(pdf, "3b", output_intent=None if mending.keeps_intent(pdf) else "sRGB")
        later = pdf.pdf_version > _VERSION  # what only a later version knows, the check does not approve
        out = BytesIO()
        save = pdfa.resolve_save_kwargs("3b", deterministic_id=True)
        pdf.save(out, **{**save, "force_version": _VERSION if later else save["force_version"]})
    invoices = _invoices(supplied, files)
    return out.getvalue(), tuple(one for one in files if one.name not in invoices), invoices


def _check(data: bytes) -> None:
    """Hold a PDF against the rules of PDF/A-3b. Raises Unreadable: PDFA-…, each violation named."""
    findings = pdfa.validate_written(BytesIO(data), "3b").findings
    if violations := [one for one in findings if unknown_to_the_standard(one)]:
        with pikepdf.open(BytesIO(data)) as pdf:
            raise Unreadable(tuple(islice(_told(pdf, violations), PREVENTIONS_LIMIT)))


def _invoices(supplied: bytes, files: Sequence[Embedded]) -> tuple[str, ...]:
    """The files a reader could take for the invoice: those with a name of a standard, and the one we would take."""
    try:
        taken = extract(supplied).name
    except Unreadable:
        taken = ""
    return tuple(one.name for one in files if one.name.lower() in NAMES or (one.name == taken and is_invoice(one)))


# What is not mended ------------------------------------------------------------------------------------------------


def _unmendable(pdf: Pdf) -> Iterator[Finding]:
    """Signatures, which any change breaks; fields that each reader draws as it likes; what only print shows."""
    form = door.dictionary(pdf.Root.get("/AcroForm")) or Dictionary()
    signed = any(field.get("/FT") == Name.Sig and field.get("/V") is not None for field in _fields(form))
    if signed or "/Perms" in pdf.Root:
        says = "The PDF is signed, and any change breaks the signature."
        yield _prevention("SIGNED", says, "", "", "Let it go along as an attachment, as it is.")
    for number, page in enumerate(pdf.pages, 1):
        for each in door.items(page.obj.get("/Annots")):
            annotation = door.dictionary(each)
            if annotation is None:
                continue
            flags = annotation.get("/F", 0)
            hidden = isinstance(flags, int) and bool(flags & (_HIDDEN | _NOT_VIEWED))
            if annotation.get("/Subtype") == Name.Widget and not hidden and not _is_drawn(annotation):
                says = f"A form field on page {number} has no appearance of its own."
                name = door.text(annotation.get("/T"))
                yield _prevention("FORM", says, f"page {number}", name, "Print the form to a plain PDF.")
                return
            if isinstance(flags, int) and flags & (_HIDDEN | _PRINTED | _NOT_VIEWED) == _PRINTED | _NOT_VIEWED:
                says = f"Something on page {number} is printed but not shown."
                yield _prevention("PRINTED", says, f"page {number}", "", "Print the document to a plain PDF.")
                return


def _fields(form: Dictionary) -> Iterator[Dictionary]:
    """The fields of a form, whole trees of them; a tree that bites its tail ends all the same."""
    seen: set[tuple[int, int]] = set()
    todo = door.items(form.get("/Fields"))
    while todo:
        field = door.dictionary(todo.pop())
        if field is None or (field.is_indirect and field.objgen in seen):
            continue
        seen.add(field.objgen)
        yield field
        todo.extend(door.items(field.get("/Kids")))


def _is_drawn(widget: Dictionary) -> bool:
    appearance = door.dictionary(widget.get("/AP"))
    return appearance is not None and "/N" in appearance


# Telling -------------------------------------------------------------------------------------------------------------


def _told(pdf: Pdf, violations: Sequence[Any]) -> Iterator[Finding]:
    """What the checker found, told to the caller: the same thing once, with all its pages."""
    places = _pages_of_objects(pdf)
    pages: dict[tuple[str, str, str], list[int]] = {}
    for one in violations:
        at = _OBJECT.search(str(one.where))
        found = pdf.get_object(int(at[1]), int(at[2])) if at else None
        key = (one.rule.rpartition(":")[2], str(one.message), _name(found, str(one.message), str(one.where)))
        pages.setdefault(key, []).extend(places.get((int(at[1]), int(at[2])), ()) if at else ())
    for (rule, message, name), numbers in pages.items():
        where = _page_numbers(sorted(set(numbers)))
        says, fix = _words(rule, message, name)
        yield _prevention(rule, f"{says}{f' ({where})' if where else ''}.", where, name, fix)


def _words(rule: str, message: str, name: str) -> tuple[str, str]:
    """What a rule says, in our words where they are plainer, and what to do."""
    about = f"{rule} {message}".lower()
    if rule.startswith("6.2.11.4.1"):
        return f"The font {name or 'of a text'} is not embedded", "Embed every font, as TrueType or Type 1."
    if "font" in about:
        return f"The font {name}: {message}" if name else message, "Embed every font, as TrueType or Type 1."
    if rule.startswith("6.2.4") or "colour" in about or "shading" in about or "pattern" in about:
        fix = "Use plain colours in RGB or gray, or bring the output intent of the others along."
        return (f"The colour space {name} has no profile" if rule.startswith("6.2.4.3") and name else message), fix
    if rule.startswith("6.2.10") or "transparen" in about or "blend" in about:
        return f"Transparency: {message}", "Flatten transparency."
    return message, "Leave it out, or have the PDF made as PDF/A-3."


def _name(found: Any, message: str, where: str) -> str:
    """The font, colour space or the like that a violation is about; empty where it has no name."""
    item = found.stream_dict if isinstance(found, Stream) else door.dictionary(found)
    if item is not None and (name := door.text(item.get("/BaseFont") or item.get("/FontName"))):
        return name
    colour = _COLOURS.search(message)
    return colour[0] if colour else ""


def _prevention(rule: str, says: str, where: str, found: str, fix: str) -> Finding:
    return Finding(PREVENTION + rule, Severity.FATAL, "pdf", says, path=where, found=found or None, fix=fix)


def _page_numbers(numbers: Sequence[int]) -> str:
    if not numbers:
        return ""
    shown = ", ".join(map(str, numbers[:10])) + (", …" if len(numbers) > 10 else "")
    return f"page {shown}" if len(numbers) == 1 else f"pages {shown}"


def _pages_of_objects(pdf: Pdf) -> dict[tuple[int, int], list[int]]:
    """On which pages each object is used."""
    found: dict[tuple[int, int], list[int]] = {}
    reached = 0
    for number, page in enumerate(pdf.pages, 1):
        todo: list[Any] = [page.obj]
        seen: set[tuple[int, int]] = set()
        while todo and reached < _REACHED_LIMIT:
            item = todo.pop()
            reached += 1
            if getattr(item, "is_indirect", False):
                if item.objgen in seen:
                    continue
                seen.add(item.objgen)
                found.setdefault(item.objgen, []).append(number)
            todo.extend(_parts(item))
    return found


def _parts(item: Any) -> Iterator[Any]:
    entries = item.stream_dict if isinstance(item, Stream) else door.dictionary(item)
    if entries is not None:
        yield from (value for key, value in entries.items() if key not in _ELSEWHERE)
    else:
        yield from door.items(item)
