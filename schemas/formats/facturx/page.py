"""The readable page: an invoice typeset by Typst as PDF/A-3a and PDF/UA-1.

The template gets ready texts as JSON and formats nothing. Fonts are the TrueType files beside this module and no other
(fonts with CFF outlines fail the strict PDF/A check). The compiler stays warm in its process: it keeps fonts, template
and what it laid out lately, up to ten times what one invoice needs; after a long one it is made to forget.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path

import typst

from schemas.formats.facturx import paying
from schemas.formats.facturx.lettering import FONTS, drawable
from schemas.formats.facturx.logo import Logo
from schemas.formats.facturx.presentation import PLAIN, Presentation, colours, pay_link
from schemas.formats.facturx.sheet import compose
from schemas.invoice import Invoice

TEMPLATES = Path(__file__).parent / "templates"
STANDARDS = ("a-3a", "ua-1")
LONG = 100
"""Lines of an invoice after which the compiler is made to forget it."""
_FINE = 400
"""Points to the inch of a picture that is printed."""
_KEPT = 10
"""Documents the compiler remembers parts of."""


def typeset(
    invoice: Invoice,
    *,
    language: str = "fr",
    created: datetime,
    presentation: Presentation = PLAIN,
    alone: bool = False,
) -> bytes:
    """The page as PDF/A-3a, PDF/UA-1. The same invoice, language, instant and presentation give the same bytes.

    `alone`: nothing will be attached to it, so it does not say that the data is.
    """
    made = compile_page("invoice.typ", inputs(invoice, language, presentation, alone=alone), created)
    if len(invoice.lines) > LONG:
        _forget()
    return made


def compile_page(template: str, given: dict[str, str], created: datetime) -> bytes:
    """A page of one of our templates as PDF/A-3a, PDF/UA-1; what it is given has been made drawable."""
    made = _compiler(template).compile(
        sys_inputs=given,
        format="pdf",
        pdf_standards=list(STANDARDS),  # type: ignore[arg-type]  # the stub wants one closed type for the list
        timestamp=int(created.timestamp()),
    )
    assert isinstance(made, bytes)
    return made


def inputs(
    invoice: Invoice, language: str, presentation: Presentation = PLAIN, *, alone: bool = False
) -> dict[str, str]:
    """What the template is given: the sheet as JSON, the code to pay by and the logo as SVG, each empty for none."""
    sheet = drawable(compose(invoice, language))
    if alone:
        sheet["labels"] = {**sheet["labels"], "structured": ""}
    asks, code = paying.code(invoice, presentation)
    link, logo = pay_link(invoice, presentation), presentation.logo
    sheet |= {
        "colours": colours(presentation),
        "logo": drawable(logo.text) if logo else "",
        "pay_link": {"url": link, "shown": drawable(link)},
        "code_asks": asks,
    }
    return {
        "sheet": json.dumps(sheet, ensure_ascii=False),
        "code": code,
        "logo": logo.as_svg() if logo else "",
    }


def picture(logo: Logo) -> bytes:
    """A logo as PNG, as large as a page shows it."""
    drawn = _compiler("logo.typ").compile(sys_inputs={"logo": logo.as_svg()}, format="png", ppi=_FINE)
    assert isinstance(drawn, bytes)
    return drawn


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])


@cache
def _compiler(template: str = "invoice.typ") -> typst.Compiler:
    return typst.Compiler(str(TEMPLATES / template), root=str(TEMPLATES), font_paths=_fonts())


def _forget() -> None:
    """Lets the compiler drop what it keeps of a long invoice, some 100 kB a line: it does so after ten others."""
    for _ in range(_KEPT + 1):
        _compiler("blank.typ").compile(format="svg")
