"""By which words a document is found in the archive: names, identifiers, items, notes, references. Pure.

Words are folded (no case, no accents, ligatures apart), so that `bureau` finds Bureau and `societe` finds Société. They
are kept as plain terms in a table of their own and not in a full-text index: row-level security lets an index answer
only through comparisons that leak nothing, and those of tsvector are not among them (measured: a plan over every row).
A term says of what it is by its beginning: a bare word of an item or note, `s~` and `b~` a word of the seller's or
buyer's name, `s#` and `b#` an identifier of theirs, `r#` a reference to another document.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.invoice import Invoice
from schemas.parties import Party

EDITION = 1
"""Of these rules; a row of the index that was made by an older one is made anew."""

TERMS_LIMIT = 400
"""Terms of one document: names and identifiers first, then references, items, notes."""

WORD_LIMIT = 40
"""Characters of a word; longer ones are cut, when written and when looked for."""

_NAME_LIMIT = 300
_REFERENCES_LIMIT = 100
_WORD = re.compile(r"[^\W_]+")
_APART = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ı": "i", "þ": "th", "ð": "d"})
_SIREN = re.compile(r"[0-9]{9}(?:[0-9]{5})?")
_FRENCH_VAT = re.compile(r"FR[0-9A-Z]{2}([0-9]{9})")

SELLER, BUYER = "s", "b"


@dataclass(frozen=True, slots=True)
class Sought:
    """How a document is found and shown in the archive, beside what its row shows already."""

    seller_name: str = ""
    buyer_name: str = ""
    terms: tuple[str, ...] = ()
    references: Mapping[str, Any] = field(default_factory=dict)
    """Numbers of what the invoice refers to: order, despatch_advice, contract, and preceding invoices."""


def words(text: str) -> list[str]:
    """The folded words of a text, in order."""
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_APART))
    plain = "".join(sign for sign in folded if not unicodedata.combining(sign))
    return [found[:WORD_LIMIT] for found in _WORD.findall(plain)]


def identifier(text: str) -> str:
    """An identifier without case, spaces and marks: `FR 12 345…` and `fr12345…` are one."""
    return "".join(sign for sign in text.upper() if sign.isalnum())[: 2 * WORD_LIMIT]


def sought(invoice: Invoice) -> Sought:
    """What an invoice is found by."""
    references = _references(invoice)
    terms = dict.fromkeys(_terms(invoice, references))
    terms.pop("", None)
    return Sought(
        invoice.seller.name[:_NAME_LIMIT],
        invoice.buyer.name[:_NAME_LIMIT],
        tuple(term for term, _ in zip(terms, range(TERMS_LIMIT), strict=False)),
        references,
    )


def party_terms(role: str, name: str, identifiers: Iterable[str]) -> Iterator[str]:
    """The terms of a party in the role `s` or `b`."""
    for text in identifiers:
        plain = identifier(text)
        if plain:
            yield f"{role}#{plain}"
        if _SIREN.fullmatch(plain):
            yield f"{role}#{plain[:9]}"
        elif french := _FRENCH_VAT.fullmatch(plain):
            yield f"{role}#{french[1]}"
    for word in words(name):
        yield f"{role}~{word}"


def _terms(invoice: Invoice, references: Mapping[str, Any]) -> Iterator[str]:
    for role, party in ((SELLER, invoice.seller), (BUYER, invoice.buyer)):
        yield from party_terms(role, f"{party.name} {party.trading_name}", _identifiers(party))
    for name in ("order", "despatch_advice", "contract"):
        if name in references:
            yield reference(references[name])
    for one in references.get("preceding", ()):
        yield reference(one["number"])
    for line in invoice.lines:
        yield from words(line.item.name)
    for note in invoice.notes:
        yield from words(note.text)


def reference(number: str) -> str:
    """The term of a reference to another document by its number."""
    return f"r#{identifier(number)}"


def _identifiers(party: Party) -> Iterator[str]:
    if party.legal_id:
        yield party.legal_id.value
    yield from (one.value for one in party.ids)
    yield from (party.vat_id, party.tax_id)
    if party.endpoint:
        yield party.endpoint.value
        yield f"{party.endpoint.scheme}{party.endpoint.value}"


def _references(invoice: Invoice) -> dict[str, Any]:
    named = {
        "order": invoice.purchase_order,
        "despatch_advice": invoice.despatch_advice,
        "contract": invoice.contract,
    }
    found: dict[str, Any] = {name: number[:_NAME_LIMIT] for name, number in named.items() if number}
    preceding = [
        {
            "number": one.number[:_NAME_LIMIT],
            **({"issue_date": one.issue_date.isoformat()} if one.issue_date else {}),
        }
        for one in invoice.preceding[:_REFERENCES_LIMIT]
        if one.number
    ]
    return {**found, "preceding": preceding} if preceding else found
