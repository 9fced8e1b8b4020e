"""A bank's CSV, read by a mapping that the account gives: which column says what, how dates and decimals are written.

No two banks write the same columns, and a guess that is wrong books wrongly: nothing is guessed but the separator.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any

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

ENCODINGS = ("utf-8", "iso-8859-1", "iso-8859-15", "windows-1252", "cp850")
THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
"""Currencies of ISO 4217 with a thousandth; in any other, three digits after the mark are a group read wrongly."""
_SPACES = "[ \\u00a0\\u202f\\u2009']"


def _written(decimal: str) -> re.Pattern[str]:
    """How an amount is written: thousands are grouped by one mark, and by it alone, before exactly three digits; else
    `1,50` would be read as 150.
    """
    groups = (
        f"[0-9]{{1,3}}(?P<mark>{_SPACES}|[{'.' if decimal == ',' else ','}])[0-9]{{3}}(?:(?P=mark)[0-9]{{3}}){{0,4}}"
    )
    return re.compile(f"(?P<sign>[+-])?(?P<whole>{groups}|[0-9]{{1,15}})(?:[{decimal}](?P<part>[0-9]{{1,3}}))?")


@dataclass(frozen=True, slots=True)
class Mapping_:
    """How one bank writes its CSV. A column is named by its heading."""

    booked_on: str
    amount: str = ""
    """Signed; or empty, and then credit and debit are two columns."""
    credit: str = ""
    debit: str = ""
    value_on: str = ""
    currency: str = ""
    """A column, or a code of three capital letters for all rows."""
    account: str = ""
    """A column, or an account number for all rows."""
    text: str = ""
    reference: str = ""
    end_to_end: str = ""
    party: str = ""
    party_account: str = ""
    date_format: str = "%Y-%m-%d"
    """As strptime has it: %d/%m/%Y."""
    decimal: str = "."
    """The mark before the decimals; the other one and spaces group thousands."""
    separator: str = ""
    """Between columns; empty: the one of the heading among ; , tab and |."""
    encoding: str = "utf-8"
    skip: int = 0
    """Lines above the headings."""

    @staticmethod
    def from_json(members: Mapping[str, Any]) -> Mapping_:
        """The mapping that a JSON object describes. Raises ValueError with what is wrong."""
        known = {one.name for one in fields(Mapping_)}
        wrong = sorted(set(members) - known)
        if wrong:
            raise ValueError(f"a mapping has no {', '.join(wrong)}")
        for name, value in members.items():
            if not isinstance(value, int if name == "skip" else str) or isinstance(value, bool):
                raise ValueError(f"{name} is {'a number' if name == 'skip' else 'a text'}")
        if not members.get("booked_on") or not (members.get("amount") or members.get("credit")):
            raise ValueError("a mapping names booked_on, and amount or credit and debit")
        if members.get("encoding", "utf-8") not in ENCODINGS:
            raise ValueError(f"encoding is one of {', '.join(ENCODINGS)}")
        if members.get("decimal", ".") not in (".", ","):
            raise ValueError("decimal is . or ,")
        if len(members.get("separator", "")) > 1 or members.get("separator") in ('"', "\r", "\n"):
            raise ValueError("separator is one sign, and no quotation mark")
        if not 0 <= members.get("skip", 0) <= 100:
            raise ValueError("skip is 0 to 100")
        return Mapping_(**members)


def read(data: bytes, mapping: Mapping_) -> Reading:
    """The one statement of a file for each account and currency in it."""
    try:
        text = data.decode(mapping.encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        return Reading("csv", (), (finding("BANK-ENCODING", row=row, expected=mapping.encoding),))
    lines = text.splitlines(keepends=True)[mapping.skip :]
    separator = mapping.separator or max(";,\t|", key=lambda sign: lines[0].count(sign) if lines else 0)
    rows = csv.reader(io.StringIO("".join(lines), newline=""), delimiter=separator)
    work = _Reader(mapping)
    try:
        work.read(rows)
    except csv.Error as error:
        work.findings.append(finding("BANK-RECORD", row=rows.line_num + mapping.skip, found=str(error)))
    if not work.found and not work.findings:
        work.findings.append(finding("BANK-NONE", row=1))
    statements = tuple(
        Statement("csv", account, currency, tuple(entries), row=entries[0].row)
        for (account, currency), entries in work.found.items()
    )
    return Reading("csv", statements, work.findings.sorted())


class _Reader:
    def __init__(self, mapping: Mapping_) -> None:
        self.mapping = mapping
        self.found: dict[tuple[str, str], list[Entry]] = {}
        self.findings = Findings()
        self._columns: dict[str, int] = {}
        self._written = _written(mapping.decimal)

    def read(self, rows: Any) -> None:
        """All rows, the headings first."""
        self._headings(next(rows, []))
        if self.findings:
            return
        for count, row in enumerate(rows, 1):
            if count > ENTRY_LIMIT:
                self.findings.append(finding("BANK-ENTRIES", row=rows.line_num, expected=ENTRY_LIMIT))
                return
            if any(cell.strip() for cell in row):
                self._row(row, rows.line_num + self.mapping.skip)

    def _headings(self, headings: list[str]) -> None:
        self._columns = {heading.strip(): place for place, heading in enumerate(headings)}
        m = self.mapping
        asked = (m.booked_on, m.amount, m.credit, m.debit, m.value_on, m.text, m.reference, m.end_to_end, m.party)
        for name in (*asked, m.party_account):
            if name and name not in self._columns:
                self.findings.append(finding("BANK-COLUMN", row=1 + m.skip, expected=name))

    def _cell(self, row: list[str], name: str) -> str:
        place = self._columns.get(name, -1) if name else -1
        return row[place].strip() if 0 <= place < len(row) else ""

    def _row(self, row: list[str], at: int) -> None:
        m = self.mapping
        booked_on, value_on = self._day(self._cell(row, m.booked_on), at), None
        if self._cell(row, m.value_on):
            value_on = self._day(self._cell(row, m.value_on), at)
        currency = self._cell(row, m.currency) if m.currency in self._columns else m.currency
        amount = self._money(row, at)
        if amount is not None and -int(amount.as_tuple().exponent) > (3 if currency.upper() in THREE_DECIMALS else 2):
            self.findings.append(finding("BANK-AMOUNT", row=at, found=amount))
        if booked_on is None or amount is None:
            return
        account = self._cell(row, m.account) if m.account in self._columns else m.account
        transaction = Transaction(
            amount, given(self._cell(row, m.end_to_end)), (), plain(self._cell(row, m.text)),
            plain(self._cell(row, m.party)), compact(self._cell(row, m.party_account)),
        )  # fmt: skip
        entry = Entry(booked_on, amount, (transaction,), value_on, given(self._cell(row, m.reference)), False, at)
        self.found.setdefault((compact(account), currency.upper()), []).append(entry)

    def _day(self, text: str, at: int) -> date | None:
        try:
            return datetime.strptime(text, self.mapping.date_format).date()  # noqa: DTZ007 - a date, no moment
        except ValueError:
            self.findings.append(finding("BANK-DATE", row=at, found=text, expected=self.mapping.date_format))
            return None

    def _money(self, row: list[str], at: int) -> Decimal | None:
        m = self.mapping
        if m.amount:
            return self._number(self._cell(row, m.amount), at)
        credit, debit = self._cell(row, m.credit), self._cell(row, m.debit)
        if bool(credit) == bool(debit):
            self.findings.append(finding("BANK-SIGN", row=at))
            return None
        number = self._number(credit or debit, at)
        if number is None:
            return None
        return abs(number) if credit else -abs(number)

    def _number(self, text: str, at: int) -> Decimal | None:
        found = self._written.fullmatch(text.replace("\u2212", "-"))
        if found is None:
            self.findings.append(finding("BANK-AMOUNT", row=at, found=text))
            return None
        whole = re.sub("[^0-9]", "", found["whole"])
        return Decimal(f"{found['sign'] or ''}{whole}.{found['part'] or '0'}")
