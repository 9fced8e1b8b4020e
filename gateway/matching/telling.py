"""What a statement says, in the form in which it is compared: its digest, and what tells its entries apart."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from gateway.matching.naming import bare
from gateway.matching.pairing import New
from schemas.bank.statement import Entry, Statement, Transaction
from signing.chain import canonical


@dataclass(frozen=True, slots=True)
class Told:
    """A statement, and the form in which it is compared."""

    statement: Statement
    digest: bytes
    news: tuple[New, ...]
    """Of its entries, in their order."""


def told(statement: Statement) -> Told:
    """A statement in the form in which it is compared. Slow for a large one: beside the event loop."""
    return Told(statement, digest(statement), tuple(_new(one, statement) for one in statement.entries))


def digest(statement: Statement) -> bytes:
    """SHA-256 of what a statement says, wherever in a file it stands."""
    said = {
        "of": [statement.format, statement.account, statement.currency, statement.number],
        "span": [str(statement.starts_on), str(statement.ends_on), str(statement.opening), str(statement.closing)],
        "entries": [
            [str(one.booked_on), str(one.value_on), str(one.amount), one.currency, one.reference, str(one.reversal)]
            + [_said(part) for part in one.transactions]
            for one in statement.entries
        ],
    }
    return sha256(canonical(said)).digest()


def _said(one: Transaction) -> list[Any]:
    texts = [one.end_to_end, one.text, one.party, one.party_account, str(one.charges)]
    return [str(one.amount), *texts, list(one.structured)]


def _new(one: Entry, statement: Statement) -> New:
    """An entry by what tells it apart."""
    ends = [part.end_to_end for part in one.transactions if part.end_to_end]
    text = "".join(bare(" ".join((*part.structured, part.text))) for part in one.transactions)
    party = bare(one.transactions[0].party) if len(one.transactions) == 1 else ""
    end = bare(ends[0]) if len(ends) == len(one.transactions) == 1 else ""
    currency, reference = one.currency or statement.currency, bare(one.reference)
    return New(currency, one.booked_on, one.amount, reference, end, text, party, statement.format)
