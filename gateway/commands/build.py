"""`estafette build`: a Factur-X of an invoice, judged before it is given away."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.commands import files, look, making
from gateway.commands.batch import BAD, FAILED
from gateway.commands.files import Unusable
from gateway.commands.making import Made
from gateway.commands.terminal import Told, shown
from gateway.settings import Settings

if TYPE_CHECKING:
    from schemas.invoice import Attachment

EXAMPLES = """\
examples:
  estafette build invoice.json -o invoice.pdf                from JSON, CII or UBL, with our page
  estafette build --french invoices/ -o out/                 a folder; judged by the French rules too
  estafette build invoice.xml --pdf printed.pdf -o fx.pdf    around a PDF of your own, made PDF/A-3 as it looks
  estafette build invoice.json --attach order.pdf --language en -o invoice.pdf

  estafette build invoice.json --logo logo.svg --accent '#8a1538' -o invoice.pdf

A PDF of your own that cannot be PDF/A-3 without changing how it looks goes along as an attachment of our page, and that
is told. A CII goes into its PDF byte for byte. An invoice that breaks the rules of its profile is not built, and every
finding is named; --unchecked builds it all the same.

Exit code 0: all built. 1: some refused, and why. 2: some could not be read, judged or written.
"""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "build",
        description="Make a Factur-X (PDF/A-3 that carries its invoice as XML) of an invoice in JSON, CII or UBL.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument(
        "--pdf", metavar="FILE", help="a PDF to put the invoice into, instead of our page (one invoice only)"
    )
    it.add_argument(
        "--profile",
        help="profile of the result: minimum, basicwl, basic, en16931, extended, extended-ctc-fr, or any BT-24; "
        "that of the invoice by default",
    )
    it.add_argument(
        "--attach", metavar="FILE", action="append", default=[], help="a supporting document (BG-24); may come again"
    )
    it.add_argument("--french", action="store_true", help="judge by the rules between French businesses too (BR-FR)")
    it.add_argument("--unchecked", action="store_true", help="build also what breaks the rules")
    look.add_options(it)
    making.add_options(it, "where the Factur-X goes")
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Build each invoice."""
    wish = replace(making.wish_of(options, settings, "facturx"), presentation=look.of(options))
    sources = files.found(options.paths)
    if options.pdf is not None:
        if len(sources) != 1:
            raise Unusable(Told("--pdf goes with one invoice", "--pdf va avec une seule facture"))
        wish = replace(wish, supplied=files.beside(options.pdf))
    if options.attach:
        wish = replace(wish, attachments=tuple(map(_attachment, options.attach)))
    folder = str(settings.rules) if settings.rules else None
    check = None if options.unchecked else partial(judged, french=options.french, folder=folder)
    return making.run(options, settings, sources, "facturx", making.job_of(wish, check))


def judged(data: bytes, *, french: bool, folder: str | None) -> Made | None:
    """What the rules have against a Factur-X that was made; None when it is valid."""
    from schemas.finding import Verdict
    from schemas.judge import judge

    report = judge(data, french=french, folder=folder)
    match report.verdict:
        case Verdict.VALID:
            return None
        case Verdict.INVALID:
            told = Told(
                "it breaks the rules; --unchecked builds it all the same",
                "elle enfreint les règles ; --unchecked passe outre",
            )
            return making.refused_by(report.findings, told, BAD)
        case _:
            return making.refused_by(report.findings, Told("it could not be judged", "elle n'a pu être jugée"), FAILED)


def _attachment(path: str) -> Attachment:
    """A supporting document of a file. Raises Unusable."""
    from schemas.conversion import attachment_of

    name = shown(Path(path).name)
    try:
        return attachment_of(name, files.beside(path))
    except ValueError as error:
        dit = f"{name} : EN 16931 n'admet pas ce type de fichier (PDF, PNG, JPEG, CSV, XLSX, ODS)"
        raise Unusable(Told(str(error), dit)) from error
