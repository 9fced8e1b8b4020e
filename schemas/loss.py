"""What of an invoice is missing or changed in a copy of it: each value by its term, its name and a JSON pointer.

Two invoices are compared, not two tables: whatever the reason is for which a syntax, a profile or a translation does
not hold a value, it shows here, and nothing has to be listed by hand. What a copy has beyond the invoice is no loss.
Values of a field that repeats may come back in another order where a syntax sorts them; that is no loss either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias

from schemas.invoice import Invoice, id_of, shapes, terms

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """One value, or one whole group, that the copy does not have as the invoice has it."""

    term: str
    """BT-… or BG-…; empty where no norm gives the field an id."""
    name: str
    """The term's name, for people; the name of the field where the norm has no term."""
    pointer: str
    """Where it stands in the JSON form of the invoice (RFC 6901)."""
    changed: bool
    """Whether the copy has another value in its place; otherwise it has none."""


def losses(invoice: Invoice, copy: Invoice) -> tuple[Loss, ...]:
    """All that `copy` does not hold as `invoice` does, in the order of the model. Empty when nothing is lost."""
    return tuple(_within(invoice, copy, "", ()))


def _within(value: Any, copy: Any, group: str, path: Path) -> Iterator[Loss]:
    """The losses among the fields of one dataclass."""
    for one in fields(value):
        shape, term = shapes(type(value))[one.name], id_of(one, group)
        here, there, at = getattr(value, one.name), getattr(copy, one.name), (*path, one.name)
        if here == there or _empty(here):
            continue
        name = _name(term, group, one.name)
        if shape.many:
            yield from _among(here, there, (term or group, name), at)
        else:
            yield from _between(here, there, (term or group, name), at)


def _between(here: Any, there: Any, term: tuple[str, str], at: Path) -> Iterator[Loss]:
    """The losses of one value that differs: those inside it where both sides have one, else the value itself."""
    if not is_dataclass(here):
        yield Loss(*term, _pointer(at), not _empty(there))
    elif _empty(there):
        yield Loss(*term, _pointer(at), False)
    else:
        yield from _within(here, there, term[0], at)


def _among(here: tuple[Any, ...], there: tuple[Any, ...], term: tuple[str, str], at: Path) -> Iterator[Loss]:
    """The losses among the values of a field that repeats: first equals are paired, then what is left, in order."""
    unpaired = Counter(there)
    missing: list[tuple[int, Any]] = []
    for place, value in enumerate(here):
        if unpaired[value]:
            unpaired[value] -= 1
        else:
            missing.append((place, value))
    rest = list(unpaired.elements())
    for number, (place, value) in enumerate(missing):
        if number < len(rest):
            yield from _between(value, rest[number], term, (*at, place))
        else:
            yield Loss(*term, _pointer((*at, place)), False)


def _empty(value: Any) -> bool:
    """Whether nothing is said: no text, no value, or a group in which nothing is said."""
    if value is None or value in ("", (), b""):
        return True
    return is_dataclass(value) and all(_empty(getattr(value, one.name)) for one in fields(value))


def _name(term: str, group: str, field: str) -> str:
    known = terms().get(term) or terms().get(group)
    return known.name if known and term else field.replace("_", " ")


def _pointer(path: Path) -> str:
    return "".join(f"/{step}" for step in path)
