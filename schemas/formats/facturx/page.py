"""The readable page: an invoice typeset by Typst as PDF/A-3a and PDF/UA-1.

The template gets ready texts as JSON and formats nothing. Fonts are the TrueType files beside this module and no other
(fonts with CFF outlines fail the strict PDF/A check). The compiler stays warm in its process: it keeps fonts, template
and what it laid out lately, up to ten times what one invoice needs; after a long one it is made to forget.
"""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path

import typst
from segno import helpers

from schemas.formats.facturx.lettering import FONTS, drawable
from schemas.formats.facturx.sheet import IBAN_FORM, compose
from schemas.invoice import CREDIT_NOTE_TYPES, CreditTransfer, Invoice

TEMPLATES = Path(__file__).parent / "templates"
STANDARDS = ("a-3a", "ua-1")
LONG = 100
"""Lines of an invoice after which the compiler is made to forget it."""
_KEPT = 10
"""Documents the compiler remembers parts of."""

QR_LIMIT = Decimal("999999999.99")
"""The most an EPC069-12 code can ask for, in euro."""
TRANSFERS = frozenset({"", "1", "30", "31", "42", "58", "ZZZ"})
"""Means of payment (UNTDID 4461) that leave it to the buyer to transfer; with others the money comes by itself."""


def typeset(invoice: Invoice, *, language: str = "fr", created: datetime) -> bytes:
    """The page as PDF/A-3a, PDF/UA-1. The same invoice, language and instant give the same bytes."""
    sheet = drawable(compose(invoice, language))
    sheet["qr"] = payment_code(invoice) or ""
    made = _compiler().compile(
        sys_inputs={"sheet": json.dumps(sheet, ensure_ascii=False)},
        format="pdf",
        pdf_standards=list(STANDARDS),  # type: ignore[arg-type]  # the stub wants one closed type for the list
        timestamp=int(created.timestamp()),
    )
    assert isinstance(made, bytes)
    if len(invoice.lines) > LONG:
        _forget()
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
    if payment is None or invoice.type_code in CREDIT_NOTE_TYPES or len(payment.transfers) != 1:
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
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])


@cache
def _compiler(template: str = "invoice.typ") -> typst.Compiler:
    return typst.Compiler(str(TEMPLATES / template), root=str(TEMPLATES), font_paths=_fonts())


def _forget() -> None:
    """Lets the compiler drop what it keeps of a long invoice, some 100 kB a line: it does so after ten others."""
    for _ in range(_KEPT + 1):
        _compiler("blank.typ").compile(format="svg")
