"""The orders this gateway takes: Order-X alone or inside a PDF, UBL Order, and our JSON form of orders.

An order is told by its content, as invoices are. `read` takes whatever has the shape of an order; `check` says whether
it is one that can be kept and delivered, with everything that is wrong at once: an order without a number, a line
without quantity, two lines of one name, a response to an order, a test.

These are filled in where the JSON form leaves them out: type 220, line ids 1, 2, 3…, unit C62 (one).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from schemas import json_form, rulebook
from schemas.finding import Finding, Severity
from schemas.formats import orderx, ublorder
from schemas.formats.facturx import extract
from schemas.json_form import pointer
from schemas.order import CHANGE_TYPE, ORDER_TYPE, RESPONSE_TYPE, Order, OrderReading
from schemas.parties import identifier_of
from schemas.rulebooks import orderx as rulebook_of_orders
from schemas.xml import name_of, parse, refusal

JSON = "json"
LAYER = "order"
LINES_LIMIT = 10_000
"""Lines of one order that is kept."""
REMARKS_LIMIT = 100
"""Official findings kept of one order."""
_LENGTH = 200
"""Characters of a number or identifier; no index and no network would take more."""
_CANCELLATION = "1"
"""UNTDID 1225: the message cancels an order."""
_READERS = {orderx.ROOT: (orderx.NAME, orderx.read), ublorder.ROOT: (ublorder.NAME, ublorder.read)}


@dataclass(frozen=True, slots=True)
class Taken:
    """A document that has the shape of an order."""

    format: str
    """order-x, ubl-order or json."""
    order: Order
    unknown: tuple[str, ...] = ()
    """Paths of what the model does not hold; kept in the bytes only."""
    container: bool = False
    """Whether it came inside a PDF."""
    xml: bytes | None = None
    """The order as XML; None for JSON."""


def read(data: bytes) -> Taken:
    """Bytes into an order. Raises Unreadable: FORMAT-EMPTY, FORMAT-UNKNOWN, and what the readers of XML, JSON and PDF
    refuse."""
    if not data.strip(b" \t\r\n\x00"):
        raise refusal("FORMAT-EMPTY", "There is nothing to read: the document is empty.", layer="format")
    start = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if start.startswith((b"{", b"[")):
        return Taken(JSON, _filled(json_form.form(json_form.loads(data), Order, partial=True)))
    if start.startswith(b"%PDF-"):
        return replace(_of_xml(extract.extract(data).xml, "The XML in the PDF is"), container=True)
    return _of_xml(data, "The document is")


def check(order: Order) -> tuple[Finding, ...]:
    """What keeps an order from being kept and delivered; empty when nothing does."""
    return (*_kind(order), *_missing(order), *_lines(order))


def official(taken: Taken, folder: str | None = None) -> tuple[Finding, ...]:
    """What the publisher's own XSD says of an Order-X. Warnings: an order that breaks it can be delivered.

    Where it could not run it says so (ENGINE-…). For UBL orders and JSON there is none here, and nothing is said.
    """
    if taken.format != orderx.NAME or taken.xml is None:
        return ()
    _, said = rulebook.apply(rulebook_of_orders.xsd(taken.order.profile), parse(taken.xml), b"", folder)
    return tuple(replace(finding, severity=Severity.WARNING) for finding in said[:REMARKS_LIMIT])


def _of_xml(data: bytes, begin: str) -> Taken:
    root = name_of(parse(data).getroot())
    known = _READERS.get(root)
    if known is None:
        where = f"in the namespace {root[0][:200]}" if root[0] else "in no namespace"
        says = (
            f"{begin} XML with the root element {root[1][:100]} {where}. "
            f"Taken are {orderx.TITLE}, {ublorder.TITLE} and our JSON form of orders."
        )
        raise refusal("FORMAT-UNKNOWN", says, layer="format", line=1)
    name, reader = known
    reading: OrderReading = reader(data)
    return Taken(name, reading.order, reading.unknown, xml=data)


def _filled(order: Order) -> Order:
    lines = tuple(
        replace(line, id=line.id or str(number), unit=line.unit or json_form.ONE)
        for number, line in enumerate(order.lines, start=1)
    )
    return replace(order, type_code=order.type_code or ORDER_TYPE, lines=lines)


def _kind(order: Order) -> Iterator[Finding]:
    """An order, and neither a response, a change, a cancellation nor a test."""
    kinds = {RESPONSE_TYPE: "a response to an order", CHANGE_TYPE: "a change of an order"}
    if order.type_code in kinds:
        says = f"This is {kinds[order.type_code]}, not an order."
        yield _finding("ORDER-TYPE", says, "/type_code", found=order.type_code, expected=ORDER_TYPE)
    if order.purpose == _CANCELLATION:
        says = "This cancels an order. Close the order it names instead."
        yield _finding("ORDER-PURPOSE", says, "/purpose", found=order.purpose)
    if order.is_test:
        says = "This order says of itself that it is a test; no invoice may come of it."
        yield _finding("ORDER-TEST", says, "/is_test", found="true", expected="false")


def _missing(order: Order) -> Iterator[Finding]:
    wanted = (
        (order.number, "number", "the order's number", ("BT-13",)),
        (order.issue_date, "issue_date", "the day of the order", ()),
        (order.currency, "currency", "the currency", ("BT-5",)),
        (order.seller.name, "seller/name", "the seller's name", ("BT-27",)),
        (order.buyer.name, "buyer/name", "the buyer's name", ("BT-44",)),
        (order.lines, "lines", "at least one line", ()),
    )
    for value, path, what, terms in wanted:
        if not value:
            yield _finding("ORDER-MISSING", f"The order lacks {what}.", f"/{path}", terms)
    for value, path, terms in (
        (order.number, "number", ("BT-13",)),
        (order.currency, "currency", ("BT-5",)),
        (identifier_of(order.buyer), "buyer", ("BT-47",)),
        (identifier_of(order.seller), "seller", ("BT-30",)),
    ):
        if len(value) > _LENGTH:
            says = f"The value is longer than {_LENGTH} characters."
            yield _finding("ORDER-LENGTH", says, f"/{path}", terms, found=f"{len(value)} characters")


def _lines(order: Order) -> Iterator[Finding]:
    if len(order.lines) > LINES_LIMIT:
        says = f"The order has more than {LINES_LIMIT} lines."
        yield _finding("ORDER-LENGTH", says, "/lines", found=str(len(order.lines)))
        return
    named = Counter(line.id for line in order.lines)
    for at, line in enumerate(order.lines):
        here: tuple[str | int, ...] = ("lines", at)
        if not line.id:
            yield _finding("ORDER-MISSING", "The line lacks its identifier.", pointer((*here, "id")), ("BT-132",))
        elif named[line.id] > 1:
            says = "Several lines of the order have this identifier, so no delivery could name one of them."
            yield _finding("ORDER-LINE-TWICE", says, pointer((*here, "id")), ("BT-132",), found=line.id[:100])
        if len(line.id) > _LENGTH:
            says = f"The value is longer than {_LENGTH} characters."
            yield _finding("ORDER-LENGTH", says, pointer((*here, "id")), ("BT-132",))
        if line.quantity is None:
            yield _finding("ORDER-MISSING", "The line lacks its quantity.", pointer((*here, "quantity")), ("BT-129",))
        elif line.quantity <= 0:
            says = "An ordered quantity is more than nothing."
            where = pointer((*here, "quantity"))
            yield _finding("ORDER-QUANTITY", says, where, ("BT-129",), found=str(line.quantity), expected="above 0")
        if not line.item.name:
            says = "The line lacks the name of its item."
            yield _finding("ORDER-MISSING", says, pointer((*here, "item", "name")), ("BT-153",))


def _finding(
    rule: str,
    says: str,
    path: str,
    terms: tuple[str, ...] = (),
    *,
    found: str | None = None,
    expected: str | None = None,
) -> Finding:
    return Finding(rule, Severity.FATAL, LAYER, says, terms, path, found=found, expected=expected)
