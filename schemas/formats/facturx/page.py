"""The readable page: an invoice typeset by Typst as PDF/A-3a and PDF/UA-1.

The template gets ready texts as JSON and formats nothing. Fonts are the two TrueType files beside this module and no
other (fonts with CFF outlines fail the strict PDF/A check); a character they lack becomes a visible box rather than an
error or a silent gap. The compiler stays warm in its process: fonts and template are read once.
"""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import typst
from fontTools.ttLib import TTFont
from segno import helpers

from schemas.formats.facturx.sheet import compose
from schemas.invoice import Invoice

HERE = Path(__file__).parent
STANDARDS = ["a-3a", "ua-1"]
MISSING = "□"
"""Stands for a character that the font lacks."""

QR_LIMIT = Decimal("999999999.99")
"""The most an EPC069-12 code can ask for, in euro."""


def typeset(invoice: Invoice, *, language: str = "fr", created: datetime) -> bytes:
    """The page as PDF/A-3a, PDF/UA-1. The same invoice, language and instant give the same bytes."""
    sheet = _drawable(compose(invoice, language))
    sheet["qr"] = payment_code(invoice) or ""
    made = _compiler().compile(
        sys_inputs={"sheet": json.dumps(sheet, ensure_ascii=False)},
        format="pdf",
        pdf_standards=STANDARDS,
        timestamp=int(created.timestamp()),
    )
    assert isinstance(made, bytes)
    return made


def payment_code(invoice: Invoice) -> str | None:
    """The SEPA credit transfer code (EPC069-12) as SVG; None where one cannot be: no IBAN, other currency, nothing due."""
    due, payment = invoice.totals.due, invoice.payment
    if invoice.currency != "EUR" or due is None or not Decimal(0) < due <= QR_LIMIT or payment is None:
        return None
    transfer = next((one for one in payment.transfers if one.account[:2].isalpha()), None)
    name = (transfer.name or invoice.seller.name)[:70] if transfer else ""
    if transfer is None or not name:
        return None
    try:
        code = helpers.make_epc_qr(
            name=name,
            iban=transfer.account.replace(" ", ""),
            amount=due.quantize(Decimal("0.01")),
            text=(payment.remittance or invoice.number)[:140],
            bic=transfer.bank or None,
        )
    except ValueError:
        return None
    out = BytesIO()
    code.save(out, kind="svg", border=1, xmldecl=False, svgns=True, nl=False)
    return out.getvalue().decode()


@cache
def _compiler() -> typst.Compiler:
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(HERE / "fonts")])
    return typst.Compiler(str(HERE / "templates" / "invoice.typ"), root=str(HERE / "templates"), font_paths=fonts)


@cache
def _glyphs() -> frozenset[int]:
    """Characters that both faces have."""
    return frozenset.intersection(*(_characters(path) for path in sorted((HERE / "fonts").glob("*.ttf"))))


def _characters(path: Path) -> frozenset[int]:
    with TTFont(path, lazy=True) as face:
        return frozenset(face.getBestCmap())


def _drawable(value: Any) -> Any:
    """The same texts with what the font cannot draw made visible, and what has no shape removed."""
    if isinstance(value, str):
        return "".join(_shape(character) for character in unicodedata.normalize("NFC", value))
    if isinstance(value, dict):
        return {key: _drawable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_drawable(item) for item in value]
    return value


def _shape(character: str) -> str:
    if character in "\n\t":
        return " "
    if ord(character) in _glyphs():
        return character
    return "" if unicodedata.category(character) in ("Cc", "Cf", "Mn", "Me") else MISSING
