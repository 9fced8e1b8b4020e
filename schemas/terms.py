"""The words in which the model is written: kinds of value, the business term of a field, and the ladder of profiles.

A field of the model is an ordinary dataclass field made by `term`, whose metadata say which business term of EN 16931-1
or of its extensions it is. From these metadata come the ids in findings, the tables of the syntaxes, the JSON form and
its schema, and what a profile can hold. The extensions have ids of their own: BT-X-… and BG-X-… in Factur-X EXTENDED,
EXT-FR-FE-… in EXTENDED-CTC-FR; terms that Factur-X EXTENDED 1.09 took over from the revision of EN 16931-1 have numbers
above BT-165 and BG-32.
"""

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default

from __future__ import annotations

import datetime
import enum
import re
import typing
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

Amount: TypeAlias = Annotated[Decimal, "amount"]
"""Money, at most two decimals."""
UnitPrice: TypeAlias = Annotated[Decimal, "price"]
"""Money for one unit, any number of decimals."""
Quantity: TypeAlias = Annotated[Decimal, "quantity"]
Percentage: TypeAlias = Annotated[Decimal, "percentage"]
Code: TypeAlias = Annotated[str, "code"]
Text: TypeAlias = Annotated[str, "text"]
Date: TypeAlias = Annotated[datetime.date, "date"]
Binary: TypeAlias = Annotated[bytes, "binary"]
Indicator: TypeAlias = Annotated[bool, "indicator"]
"""Yes or no."""

Ids: TypeAlias = str | Mapping[str, str]
"""The id of a term, or, for a shape used by several groups, group id → id of the term in that group."""


class Profile(enum.StrEnum):
    """The ladder of profiles: each holds all terms of those before it, and its own."""

    MINIMUM = "MINIMUM"
    BASIC_WL = "BASIC WL"
    BASIC = "BASIC"
    EN16931 = "EN 16931"
    EXTENDED_CTC_FR = "EXTENDED-CTC-FR"
    EXTENDED = "EXTENDED"

    def holds(self, other: Profile) -> bool:
        """Whether a term whose lowest profile is `other` has a place in this one."""
        return _RANK[other] <= _RANK[self]


_RANK = {one: rank for rank, one in enumerate(Profile)}


def _numbers(prefix: str, numbers: str) -> frozenset[str]:
    return frozenset(f"{prefix}-{number}" for number in numbers.split())


_MINIMUM = _numbers("BT", "1 2 3 5 10 13 23 24 27 30 31 32 40 44 47 109 110 112 115") | _numbers("BG", "4 5 7 22")
_BASIC_WL = (
    _numbers("BT", "6 8 9 12 16 19 20 21 22 25 26 28 29 34 35 36 37 38 39 46 48 49 50 51 52 53 54 55 59 60 61 62")
    | _numbers("BT", "63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 81 83 84 89 90 91 92 93 94 95 96 97 98 99")
    | _numbers("BT", "100 101 102 103 104 105 106 107 108 111 113 116 117 118 119 120 121 162 163 164 165")
    | _numbers("BG", "1 3 8 10 11 12 13 14 15 16 17 19 20 21 23")
)
_BASIC = _numbers(
    "BT", "126 127 129 130 131 134 135 136 139 140 141 144 145 146 147 148 149 150 151 152 153 157"
) | _numbers("BG", "25 26 27 28 29 30 31")
_NORM = re.compile(r"B[TG]-([0-9]+)(?:-[0-9]+)?")


def lowest(term_id: str, french: str = "") -> Profile:
    """The lowest profile with the term of this id; `french` is its id in EXTENDED-CTC-FR, if it has one.

    Told by the schemas of the Factur-X levels and what their rules mark as not used; a test walks both.
    """
    for ids, profile in ((_MINIMUM, Profile.MINIMUM), (_BASIC_WL, Profile.BASIC_WL), (_BASIC, Profile.BASIC)):
        if term_id in ids:
            return profile
    if (found := _NORM.fullmatch(term_id)) and int(found[1]) <= (165 if term_id[1] == "T" else 32):
        return Profile.EN16931
    return Profile.EXTENDED_CTC_FR if french else Profile.EXTENDED


def term(
    ids: Ids,
    name: str,
    cardinality: str = "0..1",
    default: Any = "",
    *,
    french: Ids = "",
    profile: Profile | None = None,
) -> Any:
    """A field that is the business term (or group) `ids`, with its name and cardinality.

    `french` is its id in EXTENDED-CTC-FR where that differs. `profile` is given where the lowest profile does not
    follow from the id: a term that stands once in EN 16931 and repeats in an extension, a field without a term.
    """
    metadata = {"ids": ids, "name": name, "cardinality": cardinality}
    if french:
        metadata["french"] = french
    if profile is not None:
        metadata["profile"] = profile
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier and the scheme that gives it meaning (an ICD or EAS code, a UNTDID 1153 code); "" for none."""

    value: Text = ""
    scheme: Code = ""


@dataclass(frozen=True, slots=True)
class Classification:
    """BT-158: a code for what the item is, the list it comes from (UNTDID 7143) and the version of that list."""

    value: Text = ""
    scheme: Code = ""
    version: Text = ""
    name: Text = term("BT-X-13", "Item classification name")


@dataclass(frozen=True, slots=True)
class Measure:
    """A number and its unit (UN/ECE Recommendation 20 and 21)."""

    value: Quantity | None = None
    unit: Code = ""


VALUES: Mapping[type[Any], str] = {Identifier: "identifier", Classification: "classification", Measure: "measure"}
"""Dataclasses that are one value, not a group of terms, and the kind they are."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a field of the model holds, taken from its annotation."""

    kind: str
    cls: type[Any]
    """The dataclass of a group, identifier, classification or measure, else the Python type of the value."""
    many: bool
    optional: bool
    """Whether None may stand in it."""


_SHAPES: dict[type[Any], dict[str, Shape]] = {}


def shapes(cls: type[Any]) -> dict[str, Shape]:
    """Field name → shape, for one dataclass of the model; computed once."""
    if cls not in _SHAPES:
        hints = typing.get_type_hints(cls, include_extras=True)
        _SHAPES[cls] = {one.name: _shape(hints[one.name]) for one in fields(cls)}
    return _SHAPES[cls]


def _shape(hint: Any) -> Shape:
    many = optional = False
    kind = ""
    if typing.get_origin(hint) is tuple:
        many, hint = True, typing.get_args(hint)[0]
    for part in typing.get_args(hint) if type(None) in typing.get_args(hint) else ():
        if part is type(None):
            optional = True
        else:
            hint = part
    if typing.get_origin(hint) is Annotated:
        hint, kind = typing.get_args(hint)
    if is_dataclass(hint):
        kind = VALUES.get(typing.cast(Any, hint), "group")
    return Shape(kind=kind, cls=hint, many=many, optional=optional)


def id_of(one: Field[Any], group: str) -> str:
    """Id of the term in field `one` when its class stands in `group`; "" where the norm has no such term."""
    return _in_group(one.metadata.get("ids", ""), group)


def french_id_of(one: Field[Any], group: str) -> str:
    """Id of the same term in EXTENDED-CTC-FR; "" where that has none of its own."""
    return _in_group(one.metadata.get("french", ""), group)


def profile_of(one: Field[Any], group: str) -> Profile | None:
    """The lowest profile that has a place for field `one` when its class stands in `group`; None when none has."""
    explicit: Profile | None = one.metadata.get("profile")
    term_id = id_of(one, group)
    return explicit or (lowest(term_id, french_id_of(one, group)) if term_id else None)


def _in_group(ids: Ids, group: str) -> str:
    return ids if isinstance(ids, str) else ids.get(group, "")
