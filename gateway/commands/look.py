"""How a page made on the command line looks: its logo, its colour, its link to pay; plain where nothing is said."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.commands import files
from gateway.commands.files import Unusable
from gateway.commands.terminal import Told, shown

if TYPE_CHECKING:
    from schemas.formats.facturx.presentation import Presentation


def add_options(it: argparse.ArgumentParser) -> None:
    """The options of a page's look."""
    it.add_argument("--logo", metavar="FILE", help="a logo for our page: PNG, JPEG or SVG, at most 200 000 bytes")
    it.add_argument("--logo-text", metavar="TEXT", help="what the logo says to those who do not see it")
    it.add_argument("--accent", metavar="COLOUR", help="colour of titles and rules: # and six hexadecimal digits")
    it.add_argument("--pay-link", metavar="URL", help="https://…, with the places {number}, {amount} and {currency}")


def of(options: argparse.Namespace) -> Presentation:
    """What the options ask for, proved on a page. Raises Unusable."""
    from schemas.formats import facturx
    from schemas.formats.facturx import logo
    from schemas.formats.facturx.presentation import ACCENT, PLAIN, Presentation, checked_accent, checked_link
    from schemas.xml import Unreadable

    if not (options.logo or options.accent or options.pay_link):
        return PLAIN
    try:
        picture = None
        if options.logo:
            picture = logo.read(files.beside(options.logo), options.logo_text or shown(Path(options.logo).stem))
        accent = checked_accent(options.accent) if options.accent else ACCENT
        link = checked_link(options.pay_link) if options.pay_link else ""
        return facturx.prove(Presentation(accent, picture, link))
    except Unreadable as refused:
        says = "; ".join(f"{one.says} {one.fix or ''}".strip() for one in refused.findings)
        raise Unusable(Told(says, says)) from refused
    except ValueError as wrong:
        raise Unusable(Told(str(wrong), str(wrong))) from wrong
