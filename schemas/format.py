"""What a format is: how it is recognised, read into the model and written from it.

A format never loses silently: what the model does not know is listed in `Reading.unknown` by element path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.invoice import Invoice
from schemas.loss import Loss, losses


@dataclass(frozen=True, slots=True)
class Reading:
    """A document read into the model."""

    invoice: Invoice
    unknown: tuple[str, ...] = ()
    """Paths of elements with content that the model does not hold, in document order, each path once."""


@dataclass(frozen=True, slots=True)
class Format:
    """One syntax of invoices."""

    name: str
    """The name used in the API, the CLI and the journal: cii, ubl-invoice, ubl-creditnote."""
    title: str
    """For people."""
    media_type: str
    root: tuple[str, str]
    """Namespace and local name of the root element."""
    read: Callable[[bytes], Reading]
    """Bytes into the model. Raises `schemas.xml.Unreadable` with its findings when the bytes cannot be read."""
    write: Callable[[Invoice], bytes]
    """The model into bytes: UTF-8, schema order, same input same bytes."""


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of document that is no invoice and is judged by rules all the same."""

    name: str
    """The name used in the API and the CLI: cdar, flux10."""
    title: str
    """For people."""
    root: tuple[str, str]
    """Namespace and local name of the root element."""
    first: tuple[str, ...] = ()
    """Names of the first element inside, one of which is there; empty: the root tells enough."""
    day: str = ""
    """Where the day of the document stands, as an XPath."""
    profile: str = ""
    """Where it names the rules it follows, as an XPath; empty: it names none."""


def unheld(format: Format, invoice: Invoice) -> tuple[Loss, ...]:
    """What of the invoice this syntax cannot hold: it is written and read again, and what does not come back is named.

    Raises what `write` and `read` raise: ValueError for a character that XML cannot carry, `schemas.xml.Unreadable` for
    a value that no XML reader takes.
    """
    return losses(invoice, format.read(format.write(invoice)).invoice)
