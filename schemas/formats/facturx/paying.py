"""The code that a banking app reads off the page: a SEPA credit transfer (EPC069-12), or the link to pay.

There is one code on a page, so that nobody pays twice: the transfer where one can be asked for, else the link.
"""

from __future__ import annotations

import re
from decimal import Decimal
from io import BytesIO

import segno

from schemas.formats.facturx.presentation import PLAIN, Presentation, pay_link
from schemas.formats.facturx.settling import IBAN_FORM
from schemas.invoice import CREDIT_NOTE_TYPES, CreditTransfer, Invoice
from schemas.remittance import is_reference, remainder

QR_LIMIT = Decimal("999999999.99")
"""The most an EPC069-12 code can ask for, in euro."""
PAYLOAD_LIMIT = 331
"""Bytes of an EPC069-12 code."""
TRANSFERS = frozenset({"", "1", "30", "31", "42", "58", "ZZZ"})
"""Means of payment (UNTDID 4461) that leave it to the buyer to transfer; with others the money comes by itself."""

_MASK = 3
"""All eight masks can be read. The standard wants the one of least penalty, and weighing them takes five milliseconds;
this one comes within four percent of it on average."""
_BANK = re.compile(r"[A-Z0-9]{8}(?:[A-Z0-9]{3})?")


def code(invoice: Invoice, presentation: Presentation = PLAIN) -> tuple[str, str]:
    """What the code asks for ("transfer", "link" or "") and the code as SVG."""
    asked = transfer(invoice)
    if asked is not None:
        return "transfer", _drawn(asked)
    link = pay_link(invoice, presentation)
    return ("link", _drawn(link.encode("ascii"))) if link and len(link) <= PAYLOAD_LIMIT else ("", "")


def transfer(invoice: Invoice) -> bytes | None:
    """What an EPC069-12 code says, in its version 002.

    None where a transfer would be wrong or no one account is meant: a credit note, a debit or card that pays already,
    no IBAN, several accounts or instalments, another currency, nothing due.
    """
    due, account = invoice.totals.due, _account(invoice)
    if account is None or invoice.currency != "EUR" or due is None or not Decimal("0.01") <= due <= QR_LIMIT:
        return None
    payee = invoice.payee.name if invoice.payee else invoice.seller.name
    name = _line(account.name or payee)[:70]
    told = _line((invoice.payment.remittance if invoice.payment else "") or invoice.number)[:140]
    bank = account.bank.replace(" ", "").upper()
    if not name or not told:
        return None
    structured = is_reference(told)
    lines = (
        "BCD", "002", "1", "SCT", bank if _BANK.fullmatch(bank) else "", name, account.account.replace(" ", ""),
        f"EUR{due.quantize(Decimal('0.01'))}", "", told.replace(" ", "").upper() if structured else "",
        "" if structured else told,
    )  # fmt: skip
    said = "\n".join(lines).rstrip("\n").encode("utf-8")
    return said if len(said) <= PAYLOAD_LIMIT else None


def is_iban(account: str) -> bool:
    """Whether it is an IBAN by form and check digits (ISO 13616)."""
    compact = account.replace(" ", "")
    return IBAN_FORM.fullmatch(compact) is not None and remainder(compact) == 1


def _account(invoice: Invoice) -> CreditTransfer | None:
    """The one account to pay into, where the invoice asks to be paid and it is an IBAN."""
    payment = invoice.payment
    if payment is None or invoice.type_code in CREDIT_NOTE_TYPES or len(payment.transfers) != 1:
        return None
    if invoice.more_payments or invoice.more_payment_terms or invoice.partial_payment is not None:
        return None
    (found,) = payment.transfers
    return found if payment.means_code in TRANSFERS and is_iban(found.account) else None


def _line(text: str) -> str:
    return " ".join(text.split())


def _drawn(said: bytes) -> str:
    made = segno.make_qr(said, error="m", boost_error=False, mask=_MASK)
    out = BytesIO()
    made.save(out, kind="svg", border=2, xmldecl=False, svgns=True, nl=False)
    return out.getvalue().decode()
