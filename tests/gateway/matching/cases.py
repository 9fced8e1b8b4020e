"""Cases of which the truth is known: a year of customers, invoices, and the lines their banks make of what they pay.

Numbers follow each other, so a slip often hits another invoice's number; subscriptions owe the same each month; banks
fold lines, drop marks, cut names and write words of their own around what the payer wrote.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from gateway.matching.values import Known, Line, Owed
from schemas.remittance import spaced

SELLER = "100000108"
START = date(2026, 1, 5)
_FIRST = ("Librairie", "Atelier", "Garage", "Boulangerie", "Menuiserie", "Clinique", "Transports", "Imprimerie", "Cave",
          "Pharmacie", "Brasserie", "Cabinet", "Pépinières", "Serrurerie", "Fromagerie", "Hôtel")  # fmt: skip
_SECOND = ("du Port", "Saint-Michel", "des Lilas", "Duval", "Moreau", "Lefèvre", "de l'Océan", "du Marché", "Bellevue",
           "des Alpes", "Garnier", "Roussel", "du Canal", "Montplaisir", "des Tilleuls", "Vauban", "Chevalier",
           "de la Gare", "Fontaine", "Beaulieu", "Marchand", "du Moulin", "Perrin", "Sorel")  # fmt: skip
_FORMS = ("SARL", "SAS", "SA", "EURL", "")


@dataclass
class Case:
    """What is owed, what is known, what came, and what it was for."""

    owed: list[Owed] = field(default_factory=list)
    payers: dict[str, frozenset[str]] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    truth: dict[UUID, dict[UUID, Decimal]] = field(default_factory=dict)
    kind: dict[UUID, str] = field(default_factory=dict)

    @property
    def known(self) -> Known:
        return Known(self.payers)


@dataclass(frozen=True)
class Customer:
    """One who pays."""

    id: str
    name: str
    account: str
    learned: bool
    subscription: Decimal | None


class Maker:
    """Makes one line after the other, of the kinds that come."""

    def __init__(self, seed: int, customers: int) -> None:
        self.chance = random.Random(seed)
        self.case = Case()
        self.number = 0
        self.ids = 0
        names = [f"{first} {second}" for first in _FIRST for second in _SECOND]
        self.chance.shuffle(names)
        self.customers = [self._customer(place, names[place % len(names)]) for place in range(customers)]

    def _customer(self, place: int, name: str) -> Customer:
        chance = self.chance
        form = chance.choice(_FORMS)
        account = f"FR76{chance.randrange(10**22):022d}A"
        learned = chance.random() < 0.75
        one = Customer(
            f"{200_000_000 + place}", f"{form} {name}".strip(), account, learned,
            Decimal(chance.choice((4900, 9900, 12000, 24000))) / 100 if chance.random() < 0.2 else None,
        )  # fmt: skip
        if learned:
            self.case.payers[account] = frozenset({one.id})
        return one

    def new_id(self) -> UUID:
        self.ids += 1
        return UUID(int=self.ids)

    def invoice(self, customer: Customer, amount: Decimal | None = None, *, settled: bool = False) -> Owed:
        """The next invoice of a customer."""
        chance = self.chance
        self.number += 1
        issued = START + timedelta(days=self.number // 8)
        if amount is None:
            amount = customer.subscription if customer.subscription and chance.random() < 0.7 else self.amount()
        one = Owed(
            self.new_id(), f"F2026-{self.number:05d}", customer.id, customer.name, SELLER, "EUR",
            Decimal(0) if settled else amount, issued, issued + timedelta(days=30),
        )  # fmt: skip
        self.case.owed.append(one)
        return one

    def amount(self) -> Decimal:
        chance = self.chance
        if chance.random() < 0.25:
            return Decimal(chance.randrange(1, 60)) * 50
        return Decimal(chance.randrange(2_000, 900_000)) / 100

    def pay(
        self,
        kind: str,
        customer: Customer,
        amount: Decimal,
        text: str,
        truth: dict[UUID, Decimal],
        *,
        days: int = 40,
        structured: tuple[str, ...] = (),
        end_to_end: str = "",
        known: bool = True,
    ) -> None:
        """A line as the bank writes it."""
        chance = self.chance
        at = START + timedelta(days=self.number // 8 + days)
        account = customer.account if known or chance.random() < 0.5 else f"DE89{chance.randrange(10**18):018d}"
        line = Line(
            self.new_id(), amount, "EUR", at, end_to_end, structured, self.written(text), self.called(customer.name),
            account,
        )  # fmt: skip
        self.case.lines.append(line)
        self.case.truth[line.id] = truth
        self.case.kind[line.id] = kind

    def written(self, text: str) -> str:
        """What a bank makes of a text."""
        chance = self.chance
        if not text:
            return chance.choice(("", "VIREMENT", "VIR SEPA RECU", "REGLEMENT", "facture", "merci"))
        match chance.randrange(6):
            case 0:
                text = text.upper()
            case 1:
                text = text.replace("-", " ")
            case 2:
                text = text.replace("-", "")
            case 3 if len(text) > 12:
                at = chance.randrange(5, len(text) - 2)
                text = f"{text[:at]}\n{text[at:]}"
        around = chance.choice(
            ("{}", "FACTURE {}", "VIR SEPA RECU /DE {}", "Fact. {} merci", "RGLT {} DU 12/03", "N°{}")
        )
        return around.replace("{}", text)

    def called(self, name: str) -> str:
        """What a bank makes of a name."""
        match self.chance.randrange(5):
            case 0:
                return name.upper()
            case 1:
                return name.upper()[:24]
            case 2:
                return f"{name.upper()} SARL"
            case 3:
                return ""
            case _:
                return name

    def slip(self, number: str) -> str:
        """A number as somebody types it wrongly: once."""
        chance = self.chance
        digits = [at for at, sign in enumerate(number) if sign.isdigit()]
        at = chance.choice(digits)
        match chance.randrange(5):
            case 0:
                return number[:at] + str(chance.randrange(10)) + number[at + 1 :]
            case 1 if at + 1 < len(number):
                return number[:at] + number[at + 1] + number[at] + number[at + 2 :]
            case 2:
                return number[:at] + number[at + 1 :]
            case 3:
                return number.replace("0", "O", 1)
            case _:
                return number[:at] + number[at] + number[at:]


def _reference(make: Maker, who: Customer) -> None:
    one = make.invoice(who)
    reference = one.reference if make.chance.random() < 0.5 else spaced(one.reference)
    structured = (reference,) if make.chance.random() < 0.6 else ()
    text = "" if structured else reference
    make.pay("reference", who, one.balance, text, {one.document_id: one.balance}, structured=structured, known=False)


def _number(make: Maker, who: Customer) -> None:
    one = make.invoice(who)
    end = one.number if make.chance.random() < 0.2 else ""
    make.pay("number", who, one.balance, "" if end else one.number, {one.document_id: one.balance}, end_to_end=end,
             known=False)  # fmt: skip


def _typo(make: Maker, who: Customer) -> None:
    one = make.invoice(who)
    make.pay("typo", who, one.balance, make.slip(one.number), {one.document_id: one.balance})


def _missing(make: Maker, who: Customer) -> None:
    one = make.invoice(who)
    make.pay("missing", who, one.balance, "", {one.document_id: one.balance})


def _sum(make: Maker, who: Customer) -> None:
    some = [make.invoice(who) for _ in range(make.chance.randrange(2, 5))]
    numbers = make.chance.choice((" ", ", ", " et ", "/")).join(one.number for one in some)
    total = sum((one.balance for one in some), Decimal(0))
    make.pay("sum", who, total, numbers, {one.document_id: one.balance for one in some})


def _split(make: Maker, who: Customer) -> None:
    one = make.invoice(who, make.amount() + 300)
    first = (one.balance * make.chance.randrange(20, 80) / 100).quantize(Decimal("0.01"))
    for share, days in ((first, 30), (one.balance - first, 60)):
        make.pay("split", who, share, one.number, {one.document_id: share}, days=days)


def _fees(make: Maker, who: Customer) -> None:
    one = make.invoice(who, make.amount() + 500)
    came = one.balance - make.chance.choice((Decimal(5), Decimal("7.50"), Decimal(15), Decimal("12.34")))
    make.pay("fees", who, came, one.number, {one.document_id: came})


def _discount(make: Maker, who: Customer) -> None:
    one = make.invoice(who, make.amount() + 100)
    came = one.balance - (one.balance * make.chance.choice((2, 3)) / 100).quantize(Decimal("0.01"))
    make.pay("discount", who, came, one.number, {one.document_id: came}, days=10)


def _same(make: Maker, who: Customer) -> None:
    amount = make.amount()
    some = [make.invoice(who, amount) for _ in range(2)]
    meant = make.chance.choice(some)
    make.pay("same", who, amount, "", {meant.document_id: amount})


def _other(make: Maker, who: Customer) -> None:
    """Money that is for no invoice: a refund, a subsidy, a sale at the counter."""
    stranger = replace(who, name="Caisse régionale", account="FR7699999000000000000000001")
    make.pay("other", stranger, make.amount(), make.chance.choice(("REMISE CB 1211", "SUBVENTION 2026", "")), {})


def _twice(make: Maker, who: Customer) -> None:
    one = make.invoice(who, settled=True)
    amount = make.amount()
    make.pay("twice", who, amount, one.number, {one.document_id: amount})


def _short_number(make: Maker, who: Customer) -> None:
    one = make.invoice(who)
    make.pay("short number", who, one.balance, one.number[-5:], {one.document_id: one.balance})


KINDS: tuple[tuple[int, Callable[[Maker, Customer], None]], ...] = (
    (17, _reference), (32, _number), (10, _typo), (9, _missing), (9, _sum), (5, _split), (4, _fees), (3, _discount),
    (2, _same), (3, _other), (1, _twice), (4, _short_number),
)  # fmt: skip
"""How many of a hundred are of which kind."""


def made(seed: int, lines: int, customers: int = 300) -> Case:
    """So many lines at least, in the order of their days, and some invoices that nobody pays."""
    make = Maker(seed, customers)
    weights = [weight for weight, _ in KINDS]
    while len(make.case.lines) < lines:
        who = make.chance.choice(make.customers)
        make.chance.choices(KINDS, weights)[0][1](make, who)
        if make.chance.random() < 0.1:
            make.invoice(make.chance.choice(make.customers))
    return make.case
