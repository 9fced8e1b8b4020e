"""camt.052, camt.053 and camt.054 (ISO 20022), versions 01 to 13: read by local names, so that no XSD is needed.

Names of elements hardly moved between versions; where they did, both are looked for: a status is text or has a code
(from 08), a party is named directly or inside Pty (from 08), details of a transaction stand in NtryDtls (from 02) or in
the entry itself (01). A version that is not known is read in the same way, and told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal

from lxml import etree

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
from schemas.xml import Twins, line_of, name_of, parse, path_of

NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.(05[234])\.001\.([0-9]{2})")
NEWEST = 13
"""The newest version whose schema we have seen the names of."""
_STATEMENTS = {"052": "Rpt", "053": "Stmt", "054": "Ntfctn"}
_OPENING = ("OPBD", "PRCD")
_CLOSING = ("CLBD",)
_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{0,5})?")
_COUNT = re.compile("[0-9]{1,15}")
"""NbOfNtries: Max15NumericText."""
_BOOKED = "BOOK"


def read(data: bytes) -> Reading:
    """The statements of a message. Raises schemas.xml.Unreadable where it is no harmless XML."""
    root = parse(data).getroot()
    namespace, _ = name_of(root)
    known = NAMESPACE.fullmatch(namespace)
    if known is None:
        row = line_of(root)
        return Reading("", (), (finding("BANK-FORMAT", row=row, found=namespace or name_of(root)[1]),))
    kind, version = known[1], int(known[2])
    work = _Reader(f"camt.{kind}")
    if not 1 <= version <= NEWEST:
        work.findings.append(finding("BANK-VERSION", row=line_of(root), found=known[2], fatal=False))
    message = next(root.iterchildren("*"), None)
    told = [] if message is None else list(_all(message, _STATEMENTS[kind]))
    if not told:
        work.findings.append(finding("BANK-NONE", row=line_of(root)))
    statements = tuple(work.statement(one) for one in told)
    return Reading(f"camt.{kind}", statements, work.findings.sorted())


class _Reader:
    """What is read and what is wrong, while one message is walked through."""

    def __init__(self, format_: str) -> None:
        self.format = format_
        self.findings = Findings()
        self.count = 0
        self._twins = Twins()

    def wrong(
        self, rule: str, at: etree._Element, found: str = "", expected: object = None, *, fatal: bool = True
    ) -> None:
        """Keep a finding of a rule at an element, with its line and path."""
        path = path_of(at, twins=self._twins)
        self.findings.append(
            finding(rule, row=line_of(at), path=path, found=found or None, expected=expected, fatal=fatal)
        )

    def statement(self, at: etree._Element) -> Statement:
        """One Stmt, Rpt or Ntfctn; what of it cannot be read is kept as a finding, and left out."""
        account = _under(at, "Acct")
        balances = {_text(one, "Tp/CdOrPrtry/Cd") or _text(one, "Tp/Cd"): one for one in _all(at, "Bal")}
        opening, ccy_opening = self._balance(balances, _OPENING)
        closing, ccy_closing = self._balance(balances, _CLOSING)
        currency = _text(account, "Ccy") or ccy_opening or ccy_closing or self._first_currency(at)
        entries, announced = self._entries(at, currency)
        self._summary(at, entries, announced)
        return Statement(
            format=self.format,
            account=compact(_account_of(account)),
            currency=currency,
            entries=tuple(entries),
            number=_text(at, "ElctrncSeqNb") or _text(at, "LglSeqNb") or _text(at, "Id"),
            starts_on=self._day(at, "FrToDt/FrDtTm", "FrToDt/FrDt"),
            ends_on=self._day(at, "FrToDt/ToDtTm", "FrToDt/ToDt"),
            opening=opening,
            closing=closing,
            announced=announced,
            row=line_of(at),
        )

    def _entries(self, at: etree._Element, currency: str) -> tuple[list[Entry], int]:
        entries, announced = [], 0
        spare = self._day(at, "CreDtTm")
        for one in _all(at, "Ntry"):
            self.count += 1  # whether it can be read or not
            if self.count > ENTRY_LIMIT:
                self.wrong("BANK-ENTRIES", at, expected=ENTRY_LIMIT)
                break
            status = _text(one, "Sts/Cd") or _text(one, "Sts")
            if status != _BOOKED:
                announced += 1
                continue
            entry = self._entry(one, spare, currency)
            if entry is not None:
                self.count += len(entry.transactions) - 1
                entries.append(entry)
        return entries, announced

    def _entry(self, at: etree._Element, spare: date | None, currency: str) -> Entry | None:
        amount, holder = self._signed(at), _under(at, "Amt")
        other = "" if holder is None else holder.get("Ccy", "")
        if other and currency and other != currency:
            self.wrong("BANK-CURRENCIES", at, other, currency, fatal=False)
        value_on = self._day(at, "ValDt/Dt", "ValDt/DtTm")
        booked_on = self._day(at, "BookgDt/Dt", "BookgDt/DtTm") or value_on or spare
        if booked_on is None:
            self.wrong("BANK-DATE", at)
        if amount is None or booked_on is None:
            return None
        details = [one for group in _all(at, "NtryDtls") for one in _all(group, "TxDtls")] or list(_all(at, "TxDtls"))
        return Entry(
            booked_on=booked_on,
            amount=amount,
            transactions=self._transactions(at, amount, details),
            value_on=value_on,
            reference=given(
                _text(at, "AcctSvcrRef") or (_text(details[0], "Refs/AcctSvcrRef") if len(details) == 1 else "")
            ),
            reversal=_text(at, "RvslInd") in ("true", "1"),
            row=line_of(at),
            currency="" if other == currency else other,
        )

    def _transactions(
        self, at: etree._Element, amount: Decimal, details: list[etree._Element]
    ) -> tuple[Transaction, ...]:
        """The transactions of an entry; the entry itself where there are none, or where they do not add up to it."""
        info = plain(_text(at, "AddtlNtryInf"))
        if not details:
            return (Transaction(amount, text=info, charges=self._charges(at)),)
        if len(details) == 1:
            return (self._transaction(details[0], amount, info, self._charges(at)),)
        read = []
        for one in details:
            part = self._signed(one, like=amount, otherwise=_under(one, "AmtDtls/TxAmt"))
            read.append(self._transaction(one, part or Decimal(0), "", Decimal(0)))
        if sum((one.amount for one in read), Decimal(0)) == amount and all(one.amount for one in read):
            return tuple(read)
        self.wrong(
            "BANK-BATCH", at, found=str(sum((one.amount for one in read), Decimal(0))), expected=amount, fatal=False
        )
        text = plain("\n".join(one.text for one in read if one.text))
        return (Transaction(amount, structured=tuple(s for one in read for s in one.structured), text=text),)

    def _transaction(self, at: etree._Element, amount: Decimal, info: str, charges: Decimal) -> Transaction:
        other, account = ("Dbtr", "DbtrAcct") if amount >= 0 else ("Cdtr", "CdtrAcct")
        remittance = [text for one in _all(at, "RmtInf") for text in _texts(one, "Ustrd")]
        structured = [
            compact(text)
            for one in _all(at, "RmtInf")
            for part in _all(one, "Strd")
            for text in (
                _text(part, "CdtrRefInf/Ref"),
                _text(part, "CdtrRefInf/CdtrRef"),
                *(_text(document, "Nb") for document in _all(part, "RfrdDocInf")),
            )
            if text
        ]
        parties = _under(at, "RltdPties")
        extra = _text(at, "AddtlTxInf")
        return Transaction(
            amount=amount,
            end_to_end=given(_text(at, "Refs/EndToEndId")),
            structured=tuple(structured),
            text=plain("\n".join(remittance) or extra or info),
            party=plain(_text(parties, f"{other}/Pty/Nm") or _text(parties, f"{other}/Nm")),
            party_account=compact(_account_of(_under(parties, account))),
            charges=charges or self._charges(at),
        )

    def _charges(self, at: etree._Element) -> Decimal:
        """Fees that were taken off; what the entry says of them by record, or in one amount."""
        total = Decimal(0)
        for one in _all(at, "Chrgs"):
            records = list(_all(one, "Rcrd")) or [one]
            for record in records:
                amount = self._amount(_under(record, "Amt"))
                if amount is not None and _text(record, "CdtDbtInd") != "CRDT":
                    total += amount
        return total

    def _balance(self, balances: dict[str, etree._Element], codes: tuple[str, ...]) -> tuple[Decimal | None, str]:
        for code in codes:
            if code in balances:
                amount = _under(balances[code], "Amt")
                return self._signed(balances[code]), "" if amount is None else amount.get("Ccy", "")
        return None, ""

    def _signed(
        self, at: etree._Element, *, like: Decimal | None = None, otherwise: etree._Element | None = None
    ) -> Decimal | None:
        """The amount of an element with its sign; of a detail without a sign the one of its entry."""
        holder = _under(at, "Amt")
        if holder is None and otherwise is not None:
            holder = _under(otherwise, "Amt")
        amount = self._amount(holder)
        sign = _text(at, "CdtDbtInd")
        if amount is None:
            if like is None:
                self.wrong(
                    "BANK-AMOUNT", at if holder is None else holder, found="" if holder is None else holder.text or ""
                )
            return None
        if sign not in ("CRDT", "DBIT"):
            if like is None:
                self.wrong("BANK-SIGN", at, found=sign)
                return None
            return amount if like >= 0 else -amount
        return amount if sign == "CRDT" else -amount

    def _amount(self, at: etree._Element | None) -> Decimal | None:
        text = "" if at is None else (at.text or "").strip()
        return Decimal(text) if _NUMBER.fullmatch(text) else None

    def _day(self, at: etree._Element, *paths: str) -> date | None:
        """The first of the dates that is there."""
        for path in paths:
            text = _text(at, path)
            if not text:
                continue
            try:
                return date.fromisoformat(text[:10]) if len(text) == 10 else datetime.fromisoformat(text).date()
            except ValueError:
                try:
                    return date.fromisoformat(re.sub(r"(Z|[+-][0-9]{2}:[0-9]{2})$", "", text)[:10])
                except ValueError:
                    holder = _under(at, path)
                    self.wrong("BANK-DATE", at if holder is None else holder, found=text)
        return None

    def _first_currency(self, at: etree._Element) -> str:
        return next((a.get("Ccy", "") for one in _all(at, "Ntry") for a in _all(one, "Amt") if a.get("Ccy")), "")

    def _summary(self, at: etree._Element, entries: list[Entry], announced: int) -> None:
        """What the bank counted itself; only where it counts booked entries alone."""
        if announced or not entries:
            return
        count = _text(at, "TxsSummry/TtlNtries/NbOfNtries")
        if count and not (_COUNT.fullmatch(count) and int(count) == len(entries)):
            self.wrong("BANK-COUNT", at, found=str(len(entries)), expected=count[:35], fatal=False)


def _all(at: etree._Element | None, name: str) -> Iterator[etree._Element]:
    """The children of that local name."""
    if at is not None:
        yield from (one for one in at.iterchildren("*") if name_of(one)[1] == name)


def _under(at: etree._Element | None, path: str) -> etree._Element | None:
    """The first element at a path of local names."""
    for name in path.split("/"):
        at = next(_all(at, name), None)
    return at


def _text(at: etree._Element | None, path: str) -> str:
    found = _under(at, path)
    return "" if found is None else (found.text or "").strip()


def _texts(at: etree._Element, name: str) -> Iterator[str]:
    for one in _all(at, name):
        if text := (one.text or "").strip():
            yield text


def _account_of(at: etree._Element | None) -> str:
    """An IBAN, or whatever else the account is known by (BBAN and the proprietary ones are of version 01)."""
    paths = ("Id/IBAN", "Id/Othr/Id", "Id/BBAN", "Id/PrtryAcct/Id", "Id/UPIC")
    return next((text for path in paths if (text := _text(at, path))), "")
