"""What a part of the layout does not lay out itself, written out with its names, so that nothing is left out.

Each part names the fields it has a place for and prints `remaining` beside them: a term that the model gets tomorrow
stands on the page tomorrow, in the right part of it, under its name in the language of the page or, until somebody
translates it, under its English name in the norm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import Field, fields
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from schemas.formats.facturx.wording import Pairs, Writer
from schemas.invoice import (
    Address,
    Classification,
    Identifier,
    InvoiceReference,
    LineReference,
    Measure,
    ObjectReference,
    Period,
    Reference,
    shapes,
)

_SPOKEN = (InvoiceReference, LineReference, ObjectReference, Reference)
"""Groups that read as one phrase: "BL-7 ligne 3 du 01/02/2026"."""


def remaining(value: Any, laid_out: Collection[str], writer: Writer) -> Pairs:
    """Label and text of every value in the fields of a group that are not laid out; a group within is one text."""
    cls: Any = type(value)
    return [
        (label(value, one, writer), text)
        for one in _others(cls, frozenset(laid_out))
        if (found := getattr(value, one.name)) is not None and found not in ("", ())
        for text in _texts(cls, one, found, writer)
    ]


@cache
def _others(cls: type[Any], laid_out: frozenset[str]) -> tuple[Field[Any], ...]:
    return tuple(one for one in fields(cls) if one.name not in laid_out)


def in_words(value: Any, writer: Writer, laid_out: Collection[str] = ()) -> str:
    """A whole group in one text: each value after its label, where it needs one."""
    if isinstance(value, Address):
        return ", ".join(address(value, writer))
    if isinstance(value, Period):
        return " · ".join(part for part in (writer.period(value), value.description) if part)
    between = " " if isinstance(value, _SPOKEN) else " · "
    return between.join(f"{name} {text}".strip() for name, text in remaining(value, laid_out, writer))


def details(value: Any, laid_out: Collection[str], writer: Writer) -> str:
    """The remaining values of a group in one text, to stand behind what is laid out of it."""
    return in_words(value, writer, laid_out)


def label(owner: Any, one: Field[Any], writer: Writer) -> str:
    """The name of a field; empty where the value speaks for itself."""
    known = writer.table("fields")
    exact = known.get(f"{type(owner).__name__}.{one.name}")
    return known.get(one.name, str(one.metadata.get("name", ""))) if exact is None else exact


def address(found: Address | None, writer: Writer) -> list[str]:
    """The lines of an address as a letter has them."""
    if found is None:
        return []
    town = " ".join(part for part in (found.post_code, found.city) if part)
    country = writer.known("countries", found.country) or found.country
    last = ", ".join(part for part in (town, found.subdivision, country) if part)
    return [line for line in (found.line1, found.line2, found.line3, last) if line]


def _texts(cls: type[Any], one: Field[Any], found: Any, writer: Writer) -> Iterator[str]:
    shape = shapes(cls)[one.name]
    for item in found if shape.many else (found,):
        if isinstance(item, bytes):
            continue
        text = in_words(item, writer) if shape.kind == "group" else plain(item, shape.kind, writer)
        if text:
            yield text


def plain(value: Any, kind: str, writer: Writer) -> str:
    """One value that is no group."""
    match value:
        case bool():
            return writer.words["yes" if value else "no"]
        case Decimal() if kind in ("amount", "price"):
            return writer.money(value)
        case Decimal() if kind == "percentage":
            return writer.percent(value)
        case Decimal():
            return writer.number(value)
        case date():
            return writer.date(value)
        case Identifier():
            return writer.identifier(value)
        case Measure():
            return writer.quantity(value.value, value.unit) or writer.unit(value.unit)
        case Classification():
            return classification(value)
        case _:
            return str(value)


def classification(one: Classification) -> str:
    """A code for what an item is, with its list, the version of that and its name."""
    scheme = " ".join(part for part in (one.scheme, one.version) if part)
    return " ".join(part for part in (one.value, f"({scheme})" if scheme else "", one.name) if part)
