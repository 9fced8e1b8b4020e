"""The readable page: an invoice typeset by Typst as PDF/A-3a and PDF/UA-1.

The template gets ready texts as JSON and formats nothing. Fonts are the TrueType files beside this module and no other
(fonts with CFF outlines fail the strict PDF/A check). Every text is made drawable first: a character that no font has
becomes a visible box, one without a shape of its own is left out, so that neither an error nor a silent gap can come of
it. The compiler stays warm in its process: fonts and template are read once.
"""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import datetime
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import typst
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # it has no types
from segno import helpers

from schemas.formats.facturx.sheet import CREDIT_NOTES, IBAN_FORM, compose
from schemas.invoice import CreditTransfer, Invoice

HERE = Path(__file__).parent
STANDARDS = ("a-3a", "ua-1")
MISSING = "□"
"""Stands for a character that no font has."""

QR_LIMIT = Decimal("999999999.99")
"""The most an EPC069-12 code can ask for, in euro."""
TRANSFERS = frozenset({"", "1", "30", "31", "42", "58", "ZZZ"})
"""Means of payment (UNTDID 4461) that leave it to the buyer to transfer; with others the money comes by itself."""

_LONG = re.compile(r"\S{24,}")
_STEP = re.compile(r"(\S{12})(?=\S)")
_BREAK = "\u200b"


def typeset(invoice: Invoice, *, language: str = "fr", created: datetime) -> bytes:
    """The page as PDF/A-3a, PDF/UA-1. The same invoice, language and instant give the same bytes."""
    sheet = _drawable(compose(invoice, language))
    sheet["qr"] = payment_code(invoice) or ""
    made = _compiler().compile(
        sys_inputs={"sheet": json.dumps(sheet, ensure_ascii=False)},
        format="pdf",
        pdf_standards=list(STANDARDS),  # type: ignore[arg-type]  # the stub wants one closed type for the list
        timestamp=int(created.timestamp()),
    )
    assert isinstance(made, bytes)
    return made


def payment_code(invoice: Invoice) -> str | None:
    """The SEPA credit transfer code (EPC069-12) as SVG.

    None where a transfer would be wrong or no one account is meant: a credit note, a debit or card that pays already,
    no IBAN, several accounts, another currency, nothing due.
    """
    due, transfer = invoice.totals.due, _account(invoice)
    if transfer is None or invoice.currency != "EUR" or due is None or not Decimal(0) < due <= QR_LIMIT:
        return None
    payee = invoice.payee.name if invoice.payee else invoice.seller.name
    name = " ".join((transfer.name or payee).split())[:70]
    told = " ".join(((invoice.payment.remittance if invoice.payment else "") or invoice.number).split())
    try:
        code = helpers.make_epc_qr(
            name=name,
            iban=transfer.account.replace(" ", ""),
            amount=due.quantize(Decimal("0.01")),
            text=told[:140],
            bic=transfer.bank or None,
        )
    except ValueError:
        return None
    out = BytesIO()
    code.save(out, kind="svg", border=1, xmldecl=False, svgns=True, nl=False)
    return out.getvalue().decode()


def _account(invoice: Invoice) -> CreditTransfer | None:
    """The one account to pay into, where the invoice asks to be paid and it is an IBAN."""
    payment = invoice.payment
    if payment is None or invoice.type_code in CREDIT_NOTES or len(payment.transfers) != 1:
        return None
    (transfer,) = payment.transfers
    return transfer if payment.means_code in TRANSFERS and _is_iban(transfer.account) else None


def _is_iban(account: str) -> bool:
    """Whether it is an IBAN by form and check digits (ISO 13616)."""
    compact = account.replace(" ", "")
    if not IBAN_FORM.fullmatch(compact):
        return False
    return int("".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])) % 97 == 1


@cache
def _compiler() -> typst.Compiler:
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(HERE / "fonts")])
    return typst.Compiler(str(HERE / "templates" / "invoice.typ"), root=str(HERE / "templates"), font_paths=fonts)


@cache
def _glyphs() -> frozenset[int]:
    """Characters that can be drawn in regular and in bold."""
    faces: dict[bool, set[int]] = {False: set(), True: set()}
    for path in sorted((HERE / "fonts").glob("*.ttf")):
        with TTFont(path, lazy=True) as face:
            faces["Bold" in path.stem].update(face.getBestCmap())
    return frozenset(faces[False] & faces[True])


def _drawable(value: Any) -> Any:
    """The same texts with what the fonts cannot draw made visible, what has no shape removed, and room to break.

    A character for private use counts as one that cannot be drawn: it means nothing to others, and PDF/A-3a forbids it.
    """
    if isinstance(value, str):
        shown = "".join(_shape(character) for character in unicodedata.normalize("NFC", value))
        return _LONG.sub(lambda found: _STEP.sub(rf"\1{_BREAK}", found[0]), shown)
    if isinstance(value, dict):
        return {key: _drawable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_drawable(item) for item in value]
    return value


def _shape(character: str) -> str:
    if character in "\n\u2028\u2029":
        return "\n"
    if character == "\t" or unicodedata.category(character) == "Zs":
        return character if ord(character) in _glyphs() else " "
    if unicodedata.category(character) in ("Cc", "Cf"):
        return ""
    if ord(character) in _glyphs() and unicodedata.category(character) != "Co":
        return character
    return "" if unicodedata.category(character) in ("Mn", "Me") else MISSING
