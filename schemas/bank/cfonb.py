"""CFONB 120 (relevé de compte sur support informatique): records of 120 signs, told apart by their first two digits.

01 is the old balance, 04 an entry, 05 a detail of it, 07 the new balance.

The last digit of an amount bears its sign in the manner of punched cards: { and A to I are +0 to +9, } and J to R are
-0 to -9; the number of decimals stands beside it. Bank, branch and account make the IBAN by the French key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from schemas.bank.statement import (
    ENTRY_LIMIT,
    Entry,
    Findings,
    Reading,
    Statement,
    Transaction,
    compact,
    finding,
    given,
    plain,
)
from schemas.remittance import remainder

LENGTH = 120
_FIRST = re.compile(r"0[1457][0-9]{5}.{4}[0-9 ]{5}[A-Z ]{3}[0-9 ]")
_AMOUNT = re.compile(r"([0-9 ]{13})([{}A-R])")
_PLUS, _MINUS = "{ABCDEFGHI", "}JKLMNOPQR"
_LETTERS = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "12345678912345678923456789", strict=True))
_NAMES = ("NPY", "NBE", "NPO", "NBU")
"""Details that name a party: payer, beneficiary, and for whom they act."""
_REFERENCES = ("RCN",)
_REMITTANCE = ("LIB", "LCC", "LC2", "LCS", "REF")


@dataclass(slots=True)
class _Written:
    """An entry under way."""

    row: int
    booked_on: date
    value_on: date | None
    amount: Decimal
    label: str
    reference: str
    details: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Open:
    """A statement under way."""

    row: int
    account: str
    own: str
    """The account's number without its bank and branch."""
    currency: str
    opening: Decimal | None
    starts_on: date | None
    entries: list[_Written] = field(default_factory=list)


def recognised(text: str) -> bool:
    """Whether the first line that says anything is a record."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return _FIRST.match(first) is not None and len(first.rstrip("\r\n")) <= LENGTH + 8


def read(text: str) -> Reading:
    """The statements of a file."""
    work = _Reader()
    for row, line in enumerate(text.splitlines(), 1):
        if line.strip(" \x1a\x00"):
            work.take(row, line.ljust(LENGTH))
    work.end(None)
    if not work.done and not work.findings:
        work.findings.append(finding("BANK-NONE", row=1))
    return Reading("cfonb120", tuple(work.done), work.findings.sorted())


class _Reader:
    """The statements of one file, record by record."""

    def __init__(self) -> None:
        self.done: list[Statement] = []
        self.findings = Findings()
        self._open: _Open | None = None
        self._count = 0
        self._skipping = False

    def take(self, row: int, line: str) -> None:
        """One record."""
        if len(line.rstrip()) > LENGTH:
            self.findings.append(finding("BANK-RECORD", row=row, found=f"{len(line.rstrip())}", expected=LENGTH))
            return
        match line[:2]:
            case "01":
                self._begin(row, line)
            case "04":
                self._entry(row, line)
            case "05":
                self._detail(row, line)
            case "07":
                self._close(row, line)
            case other:
                self.findings.append(finding("BANK-RECORD", row=row, found=other, expected="01, 04, 05, 07"))

    def end(self, line: tuple[int, str] | None) -> None:
        """The statement under way is all there is, with its last record or without."""
        one, self._open = self._open, None
        if one is None:
            return
        closing = ends_on = None
        if line is None:
            self.findings.append(finding("BANK-UNENDED", row=one.row))
        else:
            row, text = line
            closing, ends_on = self._amount(row, text), self._day(row, text[34:40])
        entries = tuple(_entry(written) for written in one.entries)
        self.done.append(
            Statement(
                "cfonb120", one.account, one.currency, entries, "", one.starts_on, ends_on, one.opening, closing, 0,
                one.row,
            )
        )  # fmt: skip

    def _begin(self, row: int, line: str) -> None:
        self.end(None)
        day, amount = self._day(row, line[34:40]), self._amount(row, line)
        self._open = _Open(row, account_of(line), line[21:32], line[16:19].strip(), amount, day)

    def _entry(self, row: int, line: str) -> None:
        self._skipping = self._open is None or not self._same(row, line)
        if self._open is None:
            self.findings.append(finding("BANK-ORDER", row=row, found="04", expected="01"))
        if self._open is None or self._skipping:
            return
        day, amount = self._day(row, line[34:40]), self._amount(row, line)
        value_on = self._day(row, line[42:48]) if line[42:48].strip() else None
        self._skipping = day is None or amount is None
        if day is None or amount is None:
            return
        self._count += 1
        if self._count == ENTRY_LIMIT + 1:
            self.findings.append(finding("BANK-ENTRIES", row=row, expected=ENTRY_LIMIT))
        if self._count <= ENTRY_LIMIT:
            label, reference = line[48:79], line[104:120]
            self._open.entries.append(_Written(row, day, value_on, amount, label, reference))

    def _detail(self, row: int, line: str) -> None:
        if self._skipping:
            return
        if self._open is None or not self._open.entries:
            self.findings.append(finding("BANK-ORDER", row=row, found="05", expected="04"))
            return
        self._open.entries[-1].details.append((line[45:48], line[48:118].rstrip()))

    def _close(self, row: int, line: str) -> None:
        if self._open is None:
            self.findings.append(finding("BANK-ORDER", row=row, found="07", expected="01"))
        elif self._same(row, line):
            self.end((row, line))

    def _same(self, row: int, line: str) -> bool:
        """Whether a record is of the account of its statement; a slip in its branch alone is told, and passes."""
        assert self._open is not None
        account = account_of(line)
        if account == self._open.account:
            return True
        alike = line[21:32] == self._open.own
        self.findings.append(
            finding("BANK-OTHER-ACCOUNT", row=row, found=account, expected=self._open.account, fatal=not alike)
        )
        return alike

    def _day(self, row: int, text: str) -> date | None:
        try:
            if not _digits(text):
                raise ValueError(text)
            year = int(text[4:6])
            return date(year + (1900 if year >= 80 else 2000), int(text[2:4]), int(text[:2]))
        except ValueError:
            self.findings.append(finding("BANK-DATE", row=row, found=text))
            return None

    def _amount(self, row: int, line: str) -> Decimal | None:
        found = _AMOUNT.fullmatch(line[90:104])
        if found is None or not _digits(line[19]):
            self.findings.append(finding("BANK-AMOUNT", row=row, found=line[90:104]))
            return None
        last, minus = found[2], found[2] in _MINUS
        digits = found[1].strip().replace(" ", "0") + str((_MINUS if minus else _PLUS).index(last))
        amount = Decimal(int(digits)).scaleb(-int(line[19]))
        return -amount if minus else amount


def _entry(one: _Written) -> Entry:
    said: dict[str, list[str]] = {}
    for key, text in one.details:
        said.setdefault(key.strip(), []).append(text)
    text = "\n".join([one.label, *(part for key in _REMITTANCE for part in said.get(key, ()))])
    name = next((said[key][0] for key in _NAMES if key in said), "")
    end_to_end = next((said[key][0][:35] for key in _REFERENCES if key in said), "")
    account = next((compact(said[key][0][:34]) for key in ("IBP", "IBE") if key in said), "")
    transaction = Transaction(one.amount, given(end_to_end), (), plain(text), plain(name), account)
    return Entry(one.booked_on, one.amount, (transaction,), one.value_on, given(one.reference), False, one.row)


def account_of(line: str) -> str:
    """The IBAN of a record's bank (3-7), branch (12-16) and account (22-32); their digits where they make none."""
    bank, branch, number = line[2:7], line[11:16], line[21:32].strip().upper()
    if not (_digits(bank) and _digits(branch) and number.isalnum() and number.isascii()):
        return compact(bank + branch + number)
    figures = "".join(_LETTERS.get(sign, sign) for sign in number)
    key = 97 - (89 * int(bank) + 15 * int(branch) + 3 * int(figures)) % 97
    basic = f"{bank}{branch}{number.rjust(11, '0')}{key:02d}"
    return f"FR{98 - remainder(f'FR00{basic}'):02d}{basic}"


def _digits(text: str) -> bool:
    """Whether it is 0 to 9 throughout: isdigit() alone takes a raised two for a digit, and int() does not."""
    return text.isascii() and text.isdigit()
