"""MT940 and MT942 (SWIFT, customer statement and interim report), as banks really write them. Pure.

Own code and not the library mt-940 (BSD, well kept): a file is judged here, so every fault is told with its line, and
the pages of one statement become one. What banks bend is taken as it comes: a missing :20:, lines folded in the middle
of a word, several :86: for one :61:, German (?20), Dutch (/REMI/) and free remittance, headers around the blocks, an
amount without decimals, a day that February does not have (the last one of the month is meant).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
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
    looks_like_iban,
    plain,
)

TAG = re.compile(r":([0-9]{2}[A-Z]?):(.*)", re.DOTALL)
_BALANCE = re.compile(
    r"(?P<sign>[CD])(?P<day>[0-9]{6})(?P<currency>[A-Z]{3})(?P<amount>[0-9][0-9]{0,14}(?:,[0-9]{0,4})?)"
)
_LINE = re.compile(
    r"(?P<value>[0-9]{6})(?P<entry>[0-9]{4})?[ ]{0,4}(?P<mark>RC|RD|EC|ED|C|D)(?P<funds>[A-Z])?"
    r"(?P<amount>[0-9]{1,15}(?:,[0-9]{0,4})?)(?P<type>[A-Z][A-Z0-9]{3}|[A-Z][A-Z0-9 ]{2})(?P<rest>.*)",
    re.DOTALL,
)
_KNOWN = frozenset(
    (
        "20",
        "21",
        "25",
        "28",
        "28C",
        "60F",
        "60M",
        "61",
        "62F",
        "62M",
        "64",
        "65",
        "86",
        "13",
        "13D",
        "34F",
        "90C",
        "90D",
    )
)
_SUBFIELD = re.compile(r"\?([0-9]{2})")
_SEPA = re.compile(r"(EREF|KREF|MREF|CRED|DEBT|SVWZ|ABWA|ABWE|IBAN|BIC|COAM|OAMT)\+")
_NAMED = re.compile(r"/(EREF|REMI|NAME|IBAN|BENM|ORDP|PREF|MARF|CSID|TRTP|ISDT|BIC|USTD|CNTP|RTRN|ADDR|ID)/")
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}(?![A-Z0-9])")
_ACCOUNT = re.compile(r"[A-Z0-9./-]{1,35}")
_CENTURY = 80
"""Years from here on are of the last century."""


@dataclass(slots=True)
class _Open:
    """A statement under way."""

    row: int
    account: str = ""
    number: str = ""
    opening: Decimal | None = None
    closing: Decimal | None = None
    currency: str = ""
    starts_on: date | None = None
    ends_on: date | None = None
    entries: list[Entry] = field(default_factory=list)
    interim: bool = False
    page: str = ""
    """M: the last balance was an intermediate one, so the statement goes on."""
    shared: bool = False
    """An :86: now is the statement's, not an entry's."""


def recognised(text: str) -> bool:
    """Whether the first tags are those of a statement message."""
    found = re.findall(r"(?m)^:([0-9]{2}[A-Z]?):", text[:20_000])
    return bool(found) and all(tag in _KNOWN for tag in found[:5])


def read(text: str) -> Reading:
    """The statements of a file."""
    work = _Reader()
    for row, tag, value in _fields(text):
        work.take(row, tag, value)
    work.end()
    format_ = "mt942" if work.done and all(one.format == "mt942" for one in work.done) else "mt940"
    if not work.done:
        work.findings.append(finding("BANK-NONE", row=1))
    return Reading(format_, tuple(work.done), work.findings.sorted())


def _fields(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, tag and value of each field, folded lines put together with line ends between."""
    row = 0
    tag = ""
    parts: list[str] = []
    for at, line in enumerate(text.splitlines(), 1):
        begun = TAG.match(line)
        if begun and begun[1] in _KNOWN:
            if tag:
                yield row, tag, "\n".join(parts)
            row, tag, parts = at, begun[1], [begun[2]]
        elif line.strip() in ("-", "-}", "-XXX") or line.startswith(("{", "-}")):
            if tag:
                yield row, tag, "\n".join(parts)
            tag, parts = "", []
        elif tag:
            parts.append(line)
    if tag:
        yield row, tag, "\n".join(parts)


class _Reader:
    """The statements of one file, field by field."""

    def __init__(self) -> None:
        self.done: list[Statement] = []
        self.findings = Findings()
        self._open: _Open | None = None
        self._count = 0

    def take(self, row: int, tag: str, value: str) -> None:
        """One field."""
        if tag == "20":
            self._begin(row)
            return
        repeated = self._open is not None and self._open.opening is not None and self._open.page != "next"
        if tag in ("60F", "60M") and repeated:
            self._begin(row)
        if self._open is None:
            self._open = _Open(row)
        match tag:
            case "25":
                self._account(self._open, row, value)
            case "28" | "28C":
                self._number(self._open, value)
            case "60F" | "60M":
                self._opening(self._open, row, value)
            case "62F" | "62M":
                self._closing(self._open, row, tag, value)
            case "61":
                self._line(self._open, row, value)
            case "86":
                self._details(self._open, value)
            case "34F" | "13" | "13D" | "90C" | "90D":
                self._open.interim = True
                if tag == "34F" and not self._open.currency:
                    self._open.currency = value[:3] if value[:3].isalpha() else ""

    def end(self) -> None:
        """The statement under way is all there is."""
        one, self._open = self._open, None
        if one is None:
            return
        interim = one.interim and one.opening is None and one.closing is None
        format_ = "mt942" if interim else "mt940"
        self.done.append(
            Statement(
                format_, one.account, one.currency, tuple(one.entries), one.number, one.starts_on, one.ends_on,
                one.opening, one.closing, 0, one.row,
            )
        )  # fmt: skip

    def _begin(self, row: int) -> None:
        """Another message: a new statement, unless the one under way goes on over a page."""
        if self._open is not None and self._open.page == "M":
            self._open.page = "next"
            return
        self.end()
        self._open = _Open(row)

    def _account(self, one: _Open, row: int, value: str) -> None:
        account, currency = compact(value.split("\n", maxsplit=1)[0]), ""
        tail = account[-3:]
        if not looks_like_iban(account) and tail.isalpha() and account[-4:-3].isdigit():
            account, currency = account[:-3], tail
        if not _ACCOUNT.fullmatch(account):
            self.findings.append(finding("BANK-RECORD", row=row, path="25", found=value.strip()))
            account = ""
        if one.page == "next" and account != one.account:
            self.findings.append(finding("BANK-UNENDED", row=one.row, fatal=False))
            self.end()
            one = self._open = _Open(row)
        one.account, one.currency = account, one.currency or currency

    def _number(self, one: _Open, value: str) -> None:
        one.number = one.number or value.split("\n", maxsplit=1)[0].strip()

    def _opening(self, one: _Open, row: int, value: str) -> None:
        amount, day, currency = self._balance(row, value)
        if one.page == "next":
            one.page = ""
            if amount is not None and amount != one.closing:
                self.findings.append(finding("BANK-CHAIN", row=row, found=amount, expected=one.closing, fatal=False))
            return
        one.opening, one.starts_on, one.currency = amount, day, currency or one.currency

    def _closing(self, one: _Open, row: int, tag: str, value: str) -> None:
        amount, day, currency = self._balance(row, value)
        if amount is not None and one.currency and currency != one.currency and one.opening is not None:
            self.findings.append(finding("BANK-CURRENCIES", row=row, found=currency, expected=one.currency))
        one.closing, one.ends_on, one.currency = amount, day, currency or one.currency
        one.page = "M" if tag == "62M" else ""
        one.shared = True

    def _balance(self, row: int, value: str) -> tuple[Decimal | None, date | None, str]:
        found = _BALANCE.fullmatch(value.strip())
        day = _day(found["day"]) if found else None
        if found is None or day is None:
            self.findings.append(finding("BANK-RECORD", row=row, path="60F/62F", found=value.strip()))
            return None, None, ""
        amount = _amount(found["amount"])
        return (amount if found["sign"] == "C" else -amount), day, found["currency"]

    def _line(self, one: _Open, row: int, value: str) -> None:
        one.shared = False
        first, _, more = value.partition("\n")
        found = _LINE.fullmatch(first.rstrip())
        value_on = _day(found["value"]) if found else None
        if found is None or value_on is None:
            rule = "BANK-RECORD" if found is None else "BANK-DATE"
            self.findings.append(finding(rule, row=row, path="61", found=first.strip()))
            return
        amount = _amount(found["amount"])
        mark = found["mark"]
        credit = mark in ("C", "RD", "EC")
        customer, _, bank = found["rest"].partition("//")
        self._count += 1
        if self._count == ENTRY_LIMIT + 1:
            self.findings.append(finding("BANK-ENTRIES", row=row, expected=ENTRY_LIMIT))
        if self._count > ENTRY_LIMIT or mark in ("EC", "ED"):  # expected ones are announced, not booked
            return
        name = customer[16:].strip() if len(customer) > 16 else ""
        signed = amount if credit else -amount
        text = plain(more) if more.strip() else ""
        account = next(iter(_IBAN.findall(compact(more))), "") if looks_like_iban(compact(more)) else ""
        transaction = Transaction(
            signed, end_to_end=given(customer[:16]), text="" if account else text, party=name, party_account=account
        )
        one.entries.append(
            Entry(
                _entry_day(found["entry"], value_on), signed, (transaction,), value_on, given(bank),
                mark in ("RC", "RD"), row,
            )
        )  # fmt: skip

    def _details(self, one: _Open, value: str) -> None:
        if one.shared or not one.entries:
            return
        last = one.entries[-1]
        one.entries[-1] = replace(last, transactions=(_remitted(last.transactions[0], value),))


def _remitted(one: Transaction, value: str) -> Transaction:
    """A transaction with what its :86: says: in German subfields, in Dutch words between slashes, or in free text."""
    joined = value.replace("\n", "")
    if len(_SUBFIELD.findall(joined)) >= 2:
        return _german(one, joined)
    if len(_NAMED.findall(joined)) >= 2:
        return _named(one, joined)
    text = plain("\n".join(part for part in (one.text, value) if part))
    name = re.search(r"/NAAM: ([^\n/]+)", value)
    account = re.search(r"REK: ([A-Z]{2}[0-9]{2}[A-Z0-9]+)", value)
    return replace(
        one,
        text=text,
        party=one.party or (name[1].strip() if name else ""),
        party_account=one.party_account or (account[1] if account else ""),
    )


def _german(one: Transaction, value: str) -> Transaction:
    """?20 to ?29 and ?60 to ?63: remittance, in which SEPA keys may stand; ?31 the account, ?32 and ?33 the name."""
    parts = _SUBFIELD.split(value)
    fields: dict[str, str] = {}
    for key, text in zip(parts[1::2], parts[2::2], strict=True):
        fields[key] = fields.get(key, "") + text
    said = "".join(fields.get(f"{n}", "") for n in (*range(20, 30), *range(60, 64)))
    keys = _SEPA.split(said)
    named = dict(zip(keys[1::2], keys[2::2], strict=True))
    text = named.get("SVWZ", "") or keys[0]
    name = " ".join(part.strip() for part in (fields.get("32", ""), fields.get("33", "")) if part.strip())
    account = compact(named.get("IBAN", "") or fields.get("38", "") or fields.get("31", ""))
    end_to_end = given(named.get("EREF", "")) or one.end_to_end
    return replace(one, end_to_end=end_to_end, text=plain(text), party=plain(name), party_account=account)


def _named(one: Transaction, value: str) -> Transaction:
    parts = _NAMED.split(value)
    named: dict[str, str] = {}
    for key, text in zip(parts[1::2], parts[2::2], strict=True):
        named.setdefault(key, text.strip(" /"))
    text = named.get("REMI", "") or named.get("USTD", "")
    return replace(
        one,
        end_to_end=given(named.get("EREF", "")) or one.end_to_end,
        text=plain(text),
        party=plain(named.get("NAME", "")) or one.party,
        party_account=compact(named.get("IBAN", "")) or one.party_account,
    )


def _amount(text: str) -> Decimal:
    return Decimal(text.replace(",", ".").rstrip("."))


def _day(text: str) -> date | None:
    """YYMMDD; a day after the end of its month is its last (banks book interest on 30 February)."""
    year, month, day = int(text[:2]), int(text[2:4]), int(text[4:6])
    year += 1900 if year >= _CENTURY else 2000
    if not 1 <= month <= 12 or not 1 <= day <= 31:
        return None
    return date(year, month, min(day, monthrange(year, month)[1]))


def _entry_day(text: str | None, value_on: date) -> date:
    """MMDD in the year that is nearest to the value date; the value date where there is none."""
    if not text:
        return value_on
    days = [_day(f"{year % 100:02d}{text}") for year in (value_on.year - 1, value_on.year, value_on.year + 1)]
    return min((day for day in days if day is not None), key=lambda day: abs(day - value_on), default=value_on)
