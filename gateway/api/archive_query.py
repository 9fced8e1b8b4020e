"""What is asked of the archive, in the words of its API and of the commands: read whole, every fault told at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from gateway.api import queries
from gateway.api.access import REASONS
from gateway.errors import Unanswerable
from gateway.lifecycle import Stage
from gateway.sought import BUYER, SELLER, identifier, reference, words
from gateway.store import archive
from gateway.store.archive import GROUPS, SPREAD_LIMIT, Order, Sort, Wanted
from gateway.store.holds import REFERENCE
from gateway.store.pool import Connection
from schemas.finding import Finding, Severity
from schemas.invoice import CREDIT_NOTE_TYPES

T = TypeVar("T")

CRITERIA = (
    "issued_from", "issued_to", "accepted_from", "accepted_until", "party", "seller", "buyer", "number",
    "number_prefix", "refers_to", "text", "amount_min", "amount_max", "currency", "stage", "status", "halted",
    "direction", "kind", "type_code", "participant",
)  # fmt: skip
"""The parameters that choose documents; all that are given must hold."""

KINDS = ("invoice", "credit_note")
DIRECTIONS = ("outbound", "inbound")
LONGEST = 200

_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
_CODE = re.compile(r"[0-9A-Za-z]{1,10}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_STATUS = re.compile(r"[a-z][a-z0-9_]{0,60}")
_DIGITS_OF_AN_IDENTIFIER = 8
"""A text with so many digits is an identifier of a party, with fewer a part of its name."""
_LEAST_BEGINNING = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as it was read; words that are only begun are not spread yet."""

    wanted: Wanted
    beginnings: tuple[tuple[str, ...], ...]
    """Of each group of terms that only begin so, the beginnings."""
    order: Order
    reason: str
    """One of REASONS; empty: none is given."""
    reference: str
    """A case's number."""
    told: Mapping[str, str]
    """The parameters as they were given, for the record of who read what."""


class _Reader:
    """The parameters of one query, and what is wrong with them so far."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self.faults: list[Finding] = []

    def fault(self, name: str, says: str, expected: str) -> None:
        """Something is wrong with a parameter."""
        found = self._given.get(name)
        self.faults.append(
            Finding("QUERY", Severity.FATAL, "query", says, path=name, found=found and found[:100], expected=expected)
        )

    def take(self, name: str, read: Callable[[str], T], expected: str) -> T | None:
        """A parameter as `read` makes it, which raises ValueError; None when it is not given or wrong."""
        text = self._given.get(name)
        if text is None:
            return None
        try:
            if not 0 < len(text) <= LONGEST or not text.isprintable():
                raise ValueError
            return read(text)
        except (ValueError, OverflowError):
            self.fault(name, "This parameter cannot be read.", expected)
            return None

    def one_of(self, name: str, choices: tuple[str, ...]) -> str | None:
        """A parameter that is one of some words."""
        return self.take(name, lambda text: choices[choices.index(text)], f"one of {', '.join(choices)}")

    def like(self, name: str, pattern: re.Pattern[str], expected: str) -> str | None:
        """A parameter that matches a pattern."""
        return self.take(name, lambda text: _matching(pattern, text), expected)


def read(given: Mapping[str, str]) -> Asked:
    """The query in the parameters; names not its own are passed over. Raises Unanswerable with every fault."""
    it = _Reader(given)
    wanted = replace(_plain(it), **_codes(it), **_amounts(it, given))
    groups, beginnings = _terms(it)
    if len(groups) + len(beginnings) > GROUPS:
        says = f"The query has more than {GROUPS} words and identifiers together."
        it.fault("text", says, "fewer words")
    descending = (it.one_of("order", ("desc", "asc")) or "desc") == "desc"
    sort = Sort(it.one_of("sort", tuple(Sort)) or Sort.ISSUED)
    why = it.one_of("reason", REASONS) or ""
    case = it.like("reference", REFERENCE, "a case's number: letters, digits, dots, dashes, underscores, slashes") or ""
    if it.faults:
        raise Unanswerable("the query cannot be answered as it is asked", it.faults)
    told = {name: given[name] for name in (*CRITERIA, "sort", "order") if name in given}
    return Asked(replace(wanted, groups=groups), beginnings, Order(sort, descending), why, case, told)


async def spread(connection: Connection, account_id: UUID, asked: Asked) -> Wanted:
    """What is wanted, each beginning of a word spread to the words there are. Raises Unanswerable for too many."""
    groups = list(asked.wanted.groups)
    for beginnings in asked.beginnings:
        terms: list[str] = []
        for beginning in beginnings:
            terms += await archive.spread(connection, account_id, beginning)
        if len(terms) > SPREAD_LIMIT:
            it = _Reader(asked.told)
            it.fault("text", f"More than {SPREAD_LIMIT} words begin so.", "more letters before the *")
            raise Unanswerable("the query cannot be answered as it is asked", it.faults)
        groups.append(tuple(terms) or ("",))  # no term is empty: nothing begins so
    return replace(asked.wanted, groups=tuple(groups))


# Its parts -----------------------------------------------------------------------------------------------------------


def _plain(it: _Reader) -> Wanted:
    day = "a date, YYYY-MM-DD"
    instant = "an ISO 8601 instant with its offset, or a date"
    wanted = Wanted(
        issued_from=it.take("issued_from", _day, day),
        issued_to=it.take("issued_to", _day, day),
        accepted_from=it.take("accepted_from", queries.instant, instant),
        accepted_until=it.take("accepted_until", queries.instant, instant),
        number=it.take("number", str, "an invoice number"),
        number_prefix=it.take("number_prefix", str, "the beginning of invoice numbers"),
        stage=it.take("stage", Stage, f"one of {', '.join(Stage)}"),
        status=it.like("status", _STATUS, "a status, such as approved"),
        halted=it.take("halted", queries.truth, "true or false"),
        direction=it.one_of("direction", DIRECTIONS),
        participant=it.like("participant", _CODE, "the SIREN of a legal entity of the account"),
    )
    if wanted.issued_from and wanted.issued_to and wanted.issued_from > wanted.issued_to:
        it.fault("issued_to", "The period ends before it begins.", f"{wanted.issued_from} or later")
    if wanted.accepted_from and wanted.accepted_until and wanted.accepted_from >= wanted.accepted_until:
        it.fault("accepted_until", "The period ends before it begins.", f"after {wanted.accepted_from.isoformat()}")
    return wanted


def _codes(it: _Reader) -> dict[str, Any]:
    """Kind and type code are both about BT-3."""
    kind, code = it.one_of("kind", KINDS), it.like("type_code", _CODE, "a code of BT-3, such as 380")
    credit = tuple(sorted(CREDIT_NOTE_TYPES))
    if code is not None:
        if kind is not None and (kind == "credit_note") != (code in credit):
            it.fault("type_code", f"A document of this type is no {kind}.", "a type of that kind")
        return {"type_codes": (code,)}
    if kind is None:
        return {}
    return {"type_codes": credit} if kind == "credit_note" else {"other_type_codes": credit}


def _amounts(it: _Reader, given: Mapping[str, str]) -> dict[str, Any]:
    expected = "an amount with a decimal point"
    least = it.take("amount_min", lambda text: Decimal(_matching(_AMOUNT, text)), expected)
    most = it.take("amount_max", lambda text: Decimal(_matching(_AMOUNT, text)), expected)
    currency = it.like("currency", _CURRENCY, "a currency code of three capital letters (ISO 4217)")
    if "currency" not in given and ("amount_min" in given or "amount_max" in given):
        it.fault("currency", "Amounts are compared in one currency only, and none is named.", "for example EUR")
    if least is not None and most is not None and least > most:
        it.fault("amount_max", "The range ends before it begins.", f"{least} or more")
    return {"currency": currency, "amount_min": least, "amount_max": most}


def _terms(it: _Reader) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Groups of terms, and groups of beginnings of terms."""
    groups: list[tuple[str, ...]] = []
    beginnings: list[tuple[str, ...]] = []
    for name, roles in (("party", (SELLER, BUYER)), ("seller", (SELLER,)), ("buyer", (BUYER,))):
        text = it.take(name, str, "a name or an identifier")
        if text is not None:
            meant = _party(text, roles)
            groups += meant
            if not meant:
                it.fault(name, "There is no word in it.", "a name or an identifier")
    named = it.take("refers_to", str, "a number of an order, despatch advice, contract or earlier invoice")
    if named is not None:
        groups.append((reference(named),))
    for token in (it.take("text", str, "words") or "").split():
        found = words(token)
        if not found:
            it.fault("text", "There is a part without a word in it.", "words, of which the last letters may be a *")
            continue
        begun = token.endswith("*")
        if begun and len(found[-1]) < _LEAST_BEGINNING:
            it.fault("text", "There is too little before a *.", f"at least {_LEAST_BEGINNING} letters")
        for word in found[: -1 if begun else None]:
            groups.append(_anywhere(word))
        if begun:
            beginnings.append(_anywhere(found[-1]))
    return tuple(groups), tuple(beginnings)


def _anywhere(word: str) -> tuple[str, ...]:
    return word, f"{SELLER}~{word}", f"{BUYER}~{word}"


def _party(text: str, roles: tuple[str, ...]) -> list[tuple[str, ...]]:
    """An identifier of a party, or every word of its name."""
    plain = identifier(text)
    if "@" in text or ":" in text or sum(sign.isdigit() for sign in plain) >= _DIGITS_OF_AN_IDENTIFIER:
        return [tuple(f"{role}#{plain}" for role in roles)] if plain else []
    found = words(text)
    groups = [tuple(f"{role}~{word}" for role in roles) for word in found]
    if len(found) == 1:
        groups = [(*groups[0], *(f"{role}#{plain}" for role in roles))]
    return groups


def _day(text: str) -> date:
    return date.fromisoformat(_matching(_DAY, text))


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError
    return text
