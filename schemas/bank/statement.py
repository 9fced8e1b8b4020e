"""A bank statement, whatever its format: the account, its balances, and the entries between them. Pure, picklable.

An entry is one booking of the bank; a batch that the bank details is one entry of several transactions. Amounts are
signed from the account's side: what comes in is positive. What the bank announces and has not booked is counted, and
is no entry: it may never happen.

A statement whose opening balance and entries do not make its closing balance is still read, for a person to look at;
`balanced` says no, and who books must not do it by itself. The same goes for what should have balances and has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from stdnum import iban as iban_numbers

from schemas.finding import Finding, Severity

SIZE_LIMIT = 20_000_000
"""Bytes of one file."""
ENTRY_LIMIT = 200_000
"""Transactions of one file."""
FINDINGS_LIMIT = 200
"""Findings of one file that are told, of each severity; a file of millions of faults is told no better by all."""
TEXT_LIMIT = 2_000
"""Characters kept of one text; a bank's are shorter."""

LAYER = "bank"

NOTHING_GIVEN = frozenset({"", "NOTPROVIDED", "NOT PROVIDED", "NONREF", "NOREF", "NONE", "EREF", "KREF+", "UNKNOWN"})
"""What banks write where there is no reference."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One payment inside an entry, or the entry itself where the bank details nothing."""

    amount: Decimal
    end_to_end: str = ""
    """The payer's own reference, carried from end to end; empty where none was given."""
    structured: tuple[str, ...] = ()
    """Structured remittance references, without spaces."""
    text: str = ""
    """Unstructured remittance information."""
    party: str = ""
    """Name of who paid, or was paid."""
    party_account: str = ""
    """Its IBAN or account number, without spaces."""
    charges: Decimal = Decimal(0)
    """Fees that the bank says it took off before it credited this; not negative."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One booking on the account."""

    booked_on: date
    amount: Decimal
    transactions: tuple[Transaction, ...]
    value_on: date | None = None
    reference: str = ""
    """The bank's own; empty where it gives none."""
    reversal: bool = False
    """It takes an earlier booking back."""
    row: int | None = None
    """Line of the file it stands at."""
    currency: str = ""
    """Only where it is another than its statement's."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a bank says of one account over one stretch of time."""

    format: str
    """camt.052, camt.053, camt.054, mt940, mt942, cfonb120, csv."""
    account: str
    """IBAN, or the number the bank uses, without spaces; empty where the file names none."""
    currency: str
    entries: tuple[Entry, ...]
    number: str = ""
    starts_on: date | None = None
    ends_on: date | None = None
    opening: Decimal | None = None
    closing: Decimal | None = None
    announced: int = 0
    """Entries that are not booked yet; they are not among the entries."""
    row: int | None = None

    def as_json(self) -> dict[str, Any]:
        """What it says in short: no entry."""
        return {
            "account": self.account,
            "currency": self.currency,
            "number": self.number,
            "entries": len(self.entries),
            "announced": self.announced,
            "opening": None if self.opening is None else f"{self.opening:f}",
            "closing": None if self.closing is None else f"{self.closing:f}",
            "balanced": self.balanced,
        }

    @property
    def expects_balances(self) -> bool:
        """Whether this kind of message must state both balances."""
        return self.format in ("camt.053", "mt940", "cfonb120")

    @property
    def balanced(self) -> bool | None:
        """Whether opening and entries make the closing balance; None: it states no two balances, and need not."""
        if self.opening is None or self.closing is None:
            return False if self.expects_balances else None
        if any(entry.currency for entry in self.entries):
            return False
        return self.opening + sum((entry.amount for entry in self.entries), Decimal(0)) == self.closing


@dataclass(frozen=True, slots=True)
class Reading:
    """What one file holds, and all that is wrong with it."""

    format: str
    """Empty when it was not recognised."""
    statements: tuple[Statement, ...]
    findings: tuple[Finding, ...]

    @property
    def readable(self) -> bool:
        """Whether it may be taken: nothing fatal was found."""
        return not any(finding.severity is Severity.FATAL for finding in self.findings)

    @property
    def sound(self) -> bool:
        """Whether it may be taken and booked from: readable, and no balance is wrong or missing."""
        return self.readable and all(statement.balanced is not False for statement in self.statements)

    def as_json(self) -> dict[str, Any]:
        """The one JSON shape of what a file says and what is wrong with it."""
        return {
            "format": self.format,
            "readable": self.readable,
            "sound": self.sound,
            "statements": [statement.as_json() for statement in self.statements],
            "findings": [finding.as_json() for finding in self.findings],
        }


TEXTS: Mapping[str, tuple[str, str]] = {
    "BANK-FORMAT": (
        "The file is no bank statement in camt.052, camt.053, camt.054, MT940, MT942, CFONB 120 or a known CSV.",
        "Le fichier n'est pas un relevé bancaire camt.052, camt.053, camt.054, MT940, MT942, CFONB 120 ou CSV connu.",
    ),
    "BANK-SIZE": ("The file is larger than what is read.", "Le fichier dépasse la taille lue."),
    "BANK-ENTRIES": ("The file has more entries than are read.", "Le fichier contient trop d'écritures."),
    "BANK-ENCODING": ("The text cannot be decoded.", "Le texte est illisible dans cet encodage."),
    "BANK-VERSION": (
        "The version of the message is not known; its entries are read by their names.",
        "La version du message n'est pas connue ; ses écritures sont lues par leurs noms.",
    ),
    "BANK-NONE": ("The file holds no statement.", "Le fichier ne contient aucun relevé."),
    "BANK-ACCOUNT": (
        "The statement does not say which account it is of.",
        "Le relevé n'indique pas de quel compte il s'agit.",
    ),
    "BANK-IBAN": ("The IBAN has wrong check digits.", "La clé de contrôle de l'IBAN est fausse."),
    "BANK-OTHER-ACCOUNT": (
        "The statement is of another account than the one named.",
        "Le relevé concerne un autre compte que celui indiqué.",
    ),
    "BANK-CURRENCY": ("A currency is missing or is no code of three letters.", "Une devise manque ou est incorrecte."),
    "BANK-CURRENCIES": (
        "An entry is in another currency than its statement.",
        "Une écriture est dans une autre devise que son relevé.",
    ),
    "BANK-AMOUNT": ("An amount cannot be read.", "Un montant est illisible."),
    "BANK-DATE": ("A date cannot be read or is missing.", "Une date manque ou est illisible."),
    "BANK-SIGN": (
        "An entry does not say whether it is a credit or a debit.",
        "Une écriture n'indique pas si elle est au crédit ou au débit.",
    ),
    "BANK-BALANCE": (
        "The opening balance and the entries do not make the closing balance; nothing is booked without a person.",
        "Le solde initial et les écritures ne donnent pas le solde final ; rien n'est comptabilisé sans une personne.",
    ),
    "BANK-NO-BALANCE": (
        "An opening or closing balance is missing, so nothing shows that the statement is whole; nothing is booked "
        "without a person.",
        "Un solde initial ou final manque : rien ne montre que le relevé est complet ; rien n'est comptabilisé sans "
        "une personne.",
    ),
    "BANK-CHAIN": (
        "A statement does not begin with the balance the one before it ended with.",
        "Un relevé ne commence pas au solde final du précédent.",
    ),
    "BANK-BATCH": (
        "The details of a batch do not add up to its amount; it is kept whole.",
        "Le détail d'une remise n'en donne pas le montant ; elle est gardée entière.",
    ),
    "BANK-COUNT": (
        "The statement has another number or sum of entries than it says.",
        "Le relevé contient un autre nombre ou total d'écritures que celui qu'il annonce.",
    ),
    "BANK-RECORD": ("A record cannot be read.", "Un enregistrement est illisible."),
    "BANK-ORDER": ("A record stands where none may.", "Un enregistrement n'est pas à sa place."),
    "BANK-UNENDED": ("A statement has no end.", "Un relevé n'a pas de fin."),
    "BANK-MORE": (
        "There is more that is wrong; only the first findings are told.",
        "D'autres anomalies existent ; seules les premières sont indiquées.",
    ),
    "BANK-COLUMN": ("A column of the mapping is not in the file.", "Une colonne attendue manque dans le fichier."),
}
"""What each rule says: English, French."""


def finding(
    rule: str,
    *,
    row: int | None = None,
    path: str = "",
    found: object = None,
    expected: object = None,
    fatal: bool = True,
) -> Finding:
    """A finding of ours at a line of the file."""
    return Finding(
        rule,
        Severity.FATAL if fatal else Severity.WARNING,
        LAYER,
        TEXTS[rule][0],
        path=path,
        line=row,
        found=None if found is None else str(found)[:200],
        expected=None if expected is None else str(expected),
    )


class Findings:
    """What is wrong, while one file is read: the first FINDINGS_LIMIT of each severity, and whether there is more.

    Warnings never crowd out what is fatal, so a file that is unreadable stays so.
    """

    def __init__(self, found: Iterable[Finding] = ()) -> None:
        self._kept: list[Finding] = []
        self._counts: Counter[Severity] = Counter()
        self._more = False
        for one in found:
            self.append(one)

    def append(self, one: Finding) -> None:
        """Keep one, if there is place for it."""
        if one.rule == "BANK-MORE":
            self._more = True
        elif self._counts[one.severity] < FINDINGS_LIMIT:
            self._counts[one.severity] += 1
            self._kept.append(one)
        else:
            self._more = True

    def sorted(self) -> tuple[Finding, ...]:
        """By their line; that there is more stands last."""
        more = [finding("BANK-MORE", expected=FINDINGS_LIMIT, fatal=False)] if self._more else []
        return (*sorted(self._kept, key=lambda one: one.line or 0), *more)

    def __bool__(self) -> bool:
        return bool(self._kept)


def says(one: Finding, language: str) -> str:
    """What a finding says: in French where it is asked for and known, else in English."""
    return TEXTS[one.rule][1] if language == "fr" and one.rule in TEXTS else one.says


def compact(text: str) -> str:
    """An account number or a reference without the spaces it is printed with, in capitals."""
    return "".join(text.split()).upper()


def given(text: str) -> str:
    """A reference on one line; empty where the bank writes that there is none."""
    plain = " ".join(text.split())[:TEXT_LIMIT]
    return "" if plain.upper() in NOTHING_GIVEN else plain


def plain(text: str) -> str:
    """A text of a bank: printable, lines kept, cut at the limit."""
    lines = (" ".join("".join(s if s.isprintable() else " " for s in one).split()) for one in text.splitlines())
    return "\n".join(line for line in lines if line)[:TEXT_LIMIT]


def is_iban(text: str) -> bool:
    """Whether it is an IBAN, by form, country and check digits."""
    return iban_numbers.is_valid(text, check_country=False)


def looks_like_iban(text: str) -> bool:
    """Whether it has the form of one: two letters, two digits, more."""
    return len(text) >= 15 and text[:2].isalpha() and text[2:4].isdigit() and text.isalnum()


def checked(statements: Iterable[Statement], *, account: str = "") -> Iterable[Finding]:
    """What every format must keep: an account, a currency, one currency, balances that add up and follow on."""
    last: dict[tuple[str, str], Statement] = {}
    for one in statements:
        yield from _account(one, account)
        nothing = not one.currency and not one.entries and one.opening is one.closing is None
        if nothing:
            continue
        if len(one.currency) != 3 or not one.currency.isascii() or not one.currency.isalpha():
            yield finding("BANK-CURRENCY", row=one.row, found=one.currency)
        if one.balanced is False and not any(entry.currency for entry in one.entries):
            if one.opening is None or one.closing is None:
                yield finding("BANK-NO-BALANCE", row=one.row, fatal=False)
            else:
                total = one.opening + sum((entry.amount for entry in one.entries), Decimal(0))
                yield finding("BANK-BALANCE", row=one.row, found=one.closing, expected=total, fatal=False)
        before = last.get((one.account, one.currency))
        if before and None not in (before.closing, one.opening) and before.closing != one.opening:
            yield finding("BANK-CHAIN", row=one.row, found=one.opening, expected=before.closing, fatal=False)
        if one.expects_balances:
            last[one.account, one.currency] = one


def _account(one: Statement, wanted: str) -> Iterable[Finding]:
    if not one.account:
        yield finding("BANK-ACCOUNT", row=one.row)
    elif wanted and one.account != wanted:
        yield finding("BANK-OTHER-ACCOUNT", row=one.row, found=one.account, expected=wanted)
    elif looks_like_iban(one.account) and not is_iban(one.account):
        yield finding("BANK-IBAN", row=one.row, found=one.account, fatal=False)
