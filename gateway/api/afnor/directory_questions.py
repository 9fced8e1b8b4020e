"""What a caller may ask of the Directory Service, as XP Z12-013 1.3.0 says: filters, sorting, fields, relations.

A filter or a field that the standard does not know is refused: passed over, it would show other lines than those that
were asked for, and an invoice would go to one of them. So is a limit beyond ours: who pages by it would skip the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.api.afnor import questions
from gateway.api.afnor.answers import Wrong
from gateway.store.directory import Criterion, Op, Order, Search

LIMIT_DEFAULT, LIMIT = 50, 1_000
"""Results of one page. The standard names no default and no bound; clients hold 100 to be what all platforms give."""
SKIP_LIMIT = 2**31 - 1
SORTING_LIMIT = 20

_STRICT = (Op.STRICT,)
_ANY = (Op.STRICT, Op.CONTAINS, Op.START)
_EITHER = (Op.STRICT, Op.CONTAINS)
_CLOSED = {"A": False, "C": True}


@dataclass(frozen=True, slots=True)
class Filter:
    """How one member of `filters` is held and what it asks of the store."""

    name: str
    ops: tuple[Op, ...] = _STRICT
    """The first one where none is named."""
    limit: int = 0
    """Characters of its value."""
    values: Mapping[str, bool] | None = None
    """The values there may be; None: a text."""
    blank: bool = True
    """It may be of spaces alone."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One of the four kinds of things in the directory."""

    fields: Mapping[str, str]
    """Its fields in the standard's words, and what they are sorted by."""
    filters: Mapping[str, Filter]
    includes: tuple[str, ...] = ()
    also: Mapping[str, str] = field(default_factory=dict)
    """Names that the file's own examples give to fields."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One page of a search, in the store's words and as it is told back."""

    search: Search
    fields: frozenset[str]
    """The fields that are asked for; empty: all."""
    includes: frozenset[str]
    told: Mapping[str, Any]


_SIREN = Filter("siren", limit=9)
_SIRET = Filter("siret", limit=14)
_IDENTIFIER = Filter("identifier", _EITHER, 100, blank=False)
_STATUS = Filter("closed", values=_CLOSED)
_PLACE = {
    "addressLines": Filter("address", (Op.CONTAINS, Op.START), 600),
    "postalCode": Filter("postal_code", (Op.STRICT, Op.START), 5),
    "locality": Filter("locality", _ANY, 100),
}

UNITS = Resource(
    fields={
        "siren": "siren",
        "businessName": "name",
        "entityType": "public",  # false before true, as PrivateVatRegistered stands before Public
        "administrativeStatus": "closed",
        "instructions": "no_prospecting",
    },
    filters={
        "siren": _SIREN,
        "businessName": Filter("name", _ANY, 150),
        "entityType": Filter("public", values={"Public": True, "PrivateVatRegistered": False}),
        "administrativeStatus": _STATUS,
    },
)

FACILITIES = Resource(
    fields={
        "siret": "siret",
        "siren": "siren",
        "name": "name",
        "facilityType": "secondary",  # P before S
        "administrativeStatus": "closed",
        "siretInstructions": "no_prospecting",
        "address": "address",
        "pmStatus": "project_manager",
        "pmOnly": "project_manager_only",
        "managesPaymentStatus": "payment_status",
        "managesLegalCommitment": "commitment",
        "managesLegalCommitmentOrService": "commitment_or_service",
        "serviceCodeStatus": "service_code",
    },
    filters={
        "siret": _SIRET,
        "siren": _SIREN,
        "facilityType": Filter("main", values={"P": True, "S": False}),
        "name": Filter("name", _ANY, 100),
        "countrySubdivision": Filter("subdivision", limit=255),
        "administrativeStatus": _STATUS,
        **_PLACE,
    },
    includes=("siren",),
    also={"businessName": "name"},
)

CODES = Resource(
    fields={
        "siret": "siret",
        "routingIdentifierType": "scheme",
        "routingCodeName": "name",
        "routingIdentifier": "identifier",
        "managesLegalCommitmentCode": "commitment",
        "administrativeStatus": "closed",
        "address": "address",
    },
    filters={
        "routingIdentifier": _IDENTIFIER,
        "siret": _SIRET,
        "routingCodeName": Filter("name", _EITHER, 100, blank=False),
        "administrativeStatus": _STATUS,
        **_PLACE,
    },
    includes=("siren", "siret"),
    also={"managesLegalCommitment": "managesLegalCommitmentCode"},
)

LINES = Resource(
    fields={
        "addressingIdentifier": "address",
        "siren": "siren",
        "siret": "siret",
        "routingIdentifier": "identifier",
        "addressingSuffix": "suffix",
    },
    filters={
        "addressingIdentifier": Filter("address", _EITHER, 125),
        "siren": _SIREN,
        "siret": _SIRET,
        "routingIdentifier": _IDENTIFIER,
        "addressingSuffix": Filter("suffix", _EITHER, 100),
    },
    includes=("siren", "siret", "routingCode"),
)


def search(body: Mapping[str, Any], resource: Resource) -> Asked:
    """A search from its members; each may be left out. Raises Wrong."""
    limit = _number(body, "limit", LIMIT_DEFAULT, 1, LIMIT)
    skip = _number(body, "ignore", 0, 0, SKIP_LIMIT)
    criteria, filters = _criteria(body.get("filters", {}), resource)
    order, sorting = _order(body.get("sorting", []), resource)
    fields = _fields(body.get("fields", []), resource)
    includes = _includes(body.get("include", []), resource)
    told: dict[str, Any] = {"filters": filters, "sorting": sorting, "fields": fields, "include": includes}
    told = {name: value for name, value in told.items() if name in body and (name != "include" or resource.includes)}
    return Asked(
        Search(criteria, order, limit, skip),
        frozenset(fields),
        frozenset(includes),
        {**told, "limit": limit, "ignore": skip},
    )


def cut(query: Mapping[str, str], resource: Resource) -> tuple[frozenset[str], frozenset[str]]:
    """The fields and the relations that a GET asks for, each a list between commas. Raises Wrong."""
    fields, includes = ([one for one in query.get(name, "").split(",") if one] for name in ("fields", "include"))
    return frozenset(_fields(fields, resource)), frozenset(_includes(includes, resource))


def key(value: str, name: str, digits: int) -> str:
    """A SIREN or SIRET of a path. Raises Wrong."""
    if len(value) != digits or not value.isascii() or not value.isdigit():
        raise Wrong(400, "INVALID_FIELD", f"{name} has {digits} digits")
    return value


def identifier(value: str, name: str, limit: int) -> str:
    """An identifier of a path. Raises Wrong."""
    return questions.text(value, name, limit)


def _criteria(given: object, resource: Resource) -> tuple[list[Criterion], dict[str, Any]]:
    """What is asked for, and the same as given. Raises Wrong."""
    criteria, told = [], {}
    for name, member in _object(given, "filters").items():
        known = resource.filters.get(name)
        if known is None:
            raise Wrong(400, "INVALID_FIELD", f"filters has {', '.join(resource.filters)}, and no other")
        one = _object(member, name)
        op = _op(one.get("op", known.ops[0]), name, known)
        told[name] = {part: one[part] for part in ("op", "value") if part in one}
        if "value" in one:  # without one, nothing is asked
            criteria.append(Criterion(known.name, op, _value(one["value"], name, known)))
    return criteria, told


def _op(given: object, name: str, known: Filter) -> Op:
    if not isinstance(given, str) or given not in known.ops:
        raise Wrong(400, "INVALID_FIELD", f"op of {name} is one of {', '.join(known.ops)}")
    return Op(given)


def _value(given: object, name: str, known: Filter) -> str | bool:
    if known.values is None:
        text = questions.text(given, name, known.limit)
        if not known.blank and text != "" and text.isspace():
            raise Wrong(400, "INVALID_FIELD", f"{name} is not of spaces alone")
        return text
    if not isinstance(given, str) or given not in known.values:
        raise Wrong(400, "INVALID_FIELD", f"{name} is one of {', '.join(known.values)}")
    return known.values[given]


def _order(given: object, resource: Resource) -> tuple[list[Order], list[dict[str, str]]]:
    """What to sort by, and the same in the file's words. Raises Wrong."""
    order, told = [], []
    entries = _array(given, "sorting")
    if len(entries) > SORTING_LIMIT:
        raise Wrong(400, "INVALID_FIELD", f"sorting has at most {SORTING_LIMIT} entries")
    for member in entries:
        one = _object(member, "each entry of sorting")
        way = one.get("order", one.get("sortingOrder", "ascending"))  # its name up to 1.2.0
        if way not in ("ascending", "descending"):
            raise Wrong(400, "INVALID_FIELD", "order is ascending or descending")
        if "field" in one:  # without one, it asks for nothing
            (name,) = _fields([one["field"]], resource)
            order.append(Order(resource.fields[name], way == "descending"))
            told.append({"field": name, "order": way})
    return order, told


def _fields(given: object, resource: Resource) -> list[str]:
    names: list[str] = []
    for one in _array(given, "fields"):
        name = resource.also.get(one, one) if isinstance(one, str) else ""
        if name not in resource.fields:
            raise Wrong(400, "INVALID_FIELD", f"a field is one of {', '.join(resource.fields)}")
        names.append(name)
    return names


def _includes(given: object, resource: Resource) -> list[str]:
    if not resource.includes:  # legal units have no relations, and the file no member for them
        return []
    names = _array(given, "include")
    if not all(isinstance(one, str) and one in resource.includes for one in names):
        raise Wrong(400, "INVALID_FIELD", f"include is a list of {', '.join(resource.includes)}")
    return [str(one) for one in names]


def _number(body: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Wrong(400, "INVALID_FIELD", f"{name} is a whole number from {least} to {most}")
    return value


def _object(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Wrong(400, "INVALID_FIELD", f"{name} is an object")
    return value


def _array(value: object, name: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise Wrong(400, "INVALID_FIELD", f"{name} is a list")
    return value
