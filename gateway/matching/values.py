"""What is matched: lines of bank statements, what is owed, what is known of payers; and a match with its reasons.

How sure a match is is told by reasons, never by a number: a person sees what speaks for it and what is missing. A match
is certain only where no other reading of the line is left, and only then is it booked without a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from schemas import remittance

STATES = ("unmatched", "proposed", "booked")
"""Of a line: nothing is known that it pays, a person is asked, or it is a payment."""


@dataclass(frozen=True, slots=True)
class Owed:
    """One invoice, and what is still owed on it; one that is settled is known too, so that it is not paid twice."""

    document_id: UUID
    number: str
    customer: str
    """Whose debt it is: SIREN or other identifier."""
    name: str
    """Of the customer; empty where it is not known."""
    seller: str
    currency: str
    balance: Decimal
    issued_on: date
    due_on: date

    @property
    def reference(self) -> str:
        """The structured remittance reference that the gateway writes on it."""
        return remittance.reference(self.seller, self.number, self.issued_on.year)


@dataclass(frozen=True, slots=True)
class Line:
    """One transaction on the bank account; what came in is positive."""

    id: UUID
    amount: Decimal
    currency: str
    booked_on: date
    end_to_end: str = ""
    structured: tuple[str, ...] = ()
    text: str = ""
    party: str = ""
    party_account: str = ""
    reference: str = ""
    """The bank's own."""
    reversal: bool = False
    charges: Decimal = Decimal(0)
    sound: bool = True
    """Its statement adds up; else nothing is certain."""


class Reason(NamedTuple):
    """One thing that speaks for a match, or against taking it for certain."""

    code: str
    """One of REASONS."""
    value: str = ""


class Part(NamedTuple):
    """What a line pays on one document; negative: what it takes back."""

    document_id: UUID
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Match:
    """What a line is taken to pay, and why."""

    line_id: UUID
    parts: tuple[Part, ...]
    reasons: tuple[Reason, ...]
    certain: bool
    """No other reading is left: it may be booked without a person."""
    alternatives: tuple[UUID, ...] = ()
    """Documents that it might pay instead."""


@dataclass(frozen=True, slots=True)
class Booked:
    """A line that was booked, and on what."""

    line: Line
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier matches that were confirmed taught."""

    payers: Mapping[str, frozenset[str]]
    """Account of a payer → the customers it paid for."""
    booked: tuple[Booked, ...] = ()
    """Payments that nothing has taken back."""


REASONS: Mapping[str, tuple[str, str]] = {
    "reference": ("it bears the reference {}", "il porte la référence {}"),
    "number": ("it names the invoice {}", "il cite la facture {}"),
    "number_near": ("it names {}, one slip away", "il cite {} à une faute près"),
    "number_end": ("it names the end of the number, {}", "il cite la fin du numéro, {}"),
    "end_to_end": ("its end-to-end reference names {}", "sa référence de bout en bout cite {}"),
    "amount": ("the amount is what is owed", "le montant est celui dû"),
    "sum": ("the amount is what {} invoices owe together", "le montant est la somme de {} factures"),
    "all_open": ("it is all the customer owes", "c'est tout ce que doit le client"),
    "payer": ("this account paid for the customer before", "ce compte a déjà payé pour ce client"),
    "name": ("the payer has the customer's name", "le payeur porte le nom du client"),
    "unique": ("no other open invoice has this amount", "aucune autre facture ouverte n'a ce montant"),
    "partial": ("it is a part; {} stay owed", "c'est un acompte ; il reste dû {}"),
    "fees": ("{} are missing, as fees taken off on the way", "il manque {}, comme des frais prélevés en route"),
    "discount": ("{} % are missing, paid before the due date", "il manque {} %, payé avant l'échéance"),
    "overpaid": ("it is {} more than is owed", "il dépasse de {} ce qui est dû"),
    "reversal": ("it takes back an earlier payment", "il annule un paiement antérieur"),
    "ambiguous": ("{} invoices would fit as well", "{} factures conviendraient aussi"),
    "other_payer": ("the payer is known for another customer", "le payeur est connu pour un autre client"),
    "closed": ("it names {}, on which nothing is owed", "il cite {}, sur laquelle rien n'est dû"),
    "stranger": ("it names {}, which is unknown here", "il cite {}, inconnue ici"),
    "chosen": ("a person chose it", "une personne l'a choisi"),
    "nobody": ("nothing tells who pays", "rien n'indique qui paie"),
    "unsound": ("its statement does not add up", "son relevé ne tombe pas juste"),
}
"""What each reason says: English, French."""


def told(reason: Reason, language: str) -> str:
    """A reason as a sentence."""
    english, french = REASONS[reason.code]
    return (french if language == "fr" else english).replace("{}", reason.value)
