"""How the invoice is settled, as the page tells it: terms, means, accounts, and what is paid beside its amount due."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from schemas.formats.facturx.remaining import details, in_words, remaining
from schemas.formats.facturx.wording import SPACE, Pairs, Writer, told
from schemas.invoice import AdvancePayment, CurrencyExchange, Invoice, Payment, PaymentTerms

IBAN_FORM = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
"""ISO 13616, without its check digits."""

LAID_OUT = frozenset(
    ("payment", "payment_terms", "contractual_due_date", "partial_payment", "penalty", "discount", "more_payments",
     "more_payment_terms", "advance_payments", "third_party_payments", "exchange")
)  # fmt: skip
"""Fields of the invoice that stand here."""

_MEANS = frozenset(("means_code", "means_text", "remittance", "transfers", "card", "direct_debit"))


def payment(invoice: Invoice, writer: Writer) -> list[Pairs]:
    """The payment block: the terms, then each way to pay; what is empty is left out."""
    words = writer.words
    first = [
        (words["terms"], invoice.payment_terms),
        (words["contractual_due_date"], writer.date(invoice.contractual_due_date)),
        (words["partial_payment"], writer.money(invoice.partial_payment)),
        (words["early"], in_words(invoice.discount, writer) if invoice.discount else ""),
        (words["late"], in_words(invoice.penalty, writer) if invoice.penalty else ""),
    ]
    ways = [_way(one, writer) for one in (invoice.payment, *invoice.more_payments) if one is not None]
    if ways:
        first += ways.pop(0)
    groups = [first, *(_terms(one, writer) for one in invoice.more_payment_terms), *ways]
    return [rows for group in groups if (rows := told(group))]


def extras(invoice: Invoice, writer: Writer) -> list[dict[str, Any]]:
    """What belongs to the totals and is no row of them: advance payments, payments for others, the rate of exchange."""
    words = writer.words
    found = [
        (words["advances"], [row for one in invoice.advance_payments for row in _advance(one, writer)]),
        (words["third_parties"], [(one.description, writer.money(one.amount)) for one in invoice.third_party_payments]),
        (words["exchange"], _exchange(invoice.exchange, writer) if invoice.exchange else []),
    ]
    return [{"name": name, "rows": rows} for name, group in found if (rows := told(group))]


def grouped(account: str) -> str:
    """An IBAN in groups of four; another account as it is."""
    compact = account.replace(" ", "")
    if not IBAN_FORM.fullmatch(compact):
        return account
    return " ".join(compact[place : place + 4] for place in range(0, len(compact), 4))


def _way(one: Payment, writer: Writer) -> Pairs:
    words = writer.words
    means, text = writer.coded("means", one.means_code), one.means_text
    same = text == writer.known("means", one.means_code)
    code = f" ({one.means_code})" if one.means_code else ""
    rows: Pairs = [(words["means"], means if same or not text else f"{text}{code}")]
    for transfer in one.transfers:
        iban = IBAN_FORM.fullmatch(transfer.account.replace(" ", ""))
        rows += [
            (words["account" if iban else "other_account"], grouped(transfer.account)),
            (words["account_name"], transfer.name),
            (words["bank"], transfer.bank),
            *remaining(transfer, ("account", "name", "bank"), writer),
        ]
    return [*rows, (words["remittance"], one.remittance), *_collected(one, writer), *remaining(one, _MEANS, writer)]


def _collected(one: Payment, writer: Writer) -> Iterator[tuple[str, str]]:
    words, card, debit = writer.words, one.card, one.direct_debit
    if card is not None:
        yield words["card"], " ".join(part for part in (card.number, card.holder) if part)
        yield from remaining(card, ("number", "holder"), writer)
    if debit is not None:
        yield words["mandate"], debit.mandate
        yield words["creditor"], debit.creditor
        yield words["debited"], grouped(debit.account)
        yield from remaining(debit, ("mandate", "creditor", "account"), writer)


def _terms(one: PaymentTerms, writer: Writer) -> Pairs:
    words = writer.words
    return [
        (words["terms"], one.text),
        (words["due_date"], writer.date(one.due_date)),
        (words["partial_payment"], writer.money(one.partial_amount)),
        (words["mandate"], one.mandate),
        (words["early"], in_words(one.discount, writer) if one.discount else ""),
        (words["late"], in_words(one.penalty, writer) if one.penalty else ""),
        *remaining(one, ("text", "due_date", "partial_amount", "mandate", "discount", "penalty"), writer),
    ]


def _exchange(one: CurrencyExchange, writer: Writer) -> Pairs:
    """1 USD  0,91842 EUR · 30/09/2026."""
    if one.rate is None:
        return remaining(one, (), writer)
    rate = f"{writer.number(one.rate)}{SPACE}{one.target}"
    return [(f"1{SPACE}{one.source}", " · ".join(part for part in (rate, writer.date(one.date)) if part))]


def _advance(one: AdvancePayment, writer: Writer) -> Iterator[tuple[str, str]]:
    name = " ".join(part for part in (writer.words["advance"], writer.date(one.date)) if part)
    yield (
        name,
        " · ".join(part for part in (writer.money(one.amount), details(one, ("amount", "date"), writer)) if part),
    )
