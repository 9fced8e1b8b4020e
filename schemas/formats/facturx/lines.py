"""The table of lines: ready texts, the sums to carry over, and which figures make its columns as wide as they are.

Lines under another line (EXTENDED) stand indented below it. A line that sums up others or only informs is no part of
the sums that are carried over, as it is none of BT-106.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from schemas.formats.facturx.lettering import advance
from schemas.formats.facturx.remaining import classification, details, remaining
from schemas.formats.facturx.wording import Writer
from schemas.invoice import Invoice, Line, LineAllowanceOrCharge, LineVat, Price

UNCOUNTED = frozenset(("GROUP", "INFORMATION"))
"""Kinds of line (BT-X-8) whose amount is in other lines or in none."""
DETAIL = "DETAIL"
"""The kind of line that is an ordinary one: told by its place."""

_DEEPEST = 6
"""Steps by which a line is indented at most."""
_STRONG = 120
"""Signs of a name that is set in bold; a longer one is a description."""
_WIDE = 60
"""Signs of figures in one line beyond which the name beside them gets too narrow to read."""
_WIDEST = 3
"""Figures of a column of which the typesetter takes the widest: those that may be, as far as is known here."""
_DOUBT = 1e6
_BOLD, _SMALL = 8.5 * 1.15, 7.5 * 1.03
"""Size in points, and how much wider than the regular face without kerning a text can be."""

_LINE = frozenset(
    ("id", "note", "note_subject", "note_code", "object_id", "quantity", "unit", "net_amount", "order_line",
     "accounting_reference", "period", "allowances", "charges", "price", "vat", "item", "parent_id", "kind")
)  # fmt: skip
_ITEM = frozenset(
    ("name", "description", "seller_id", "buyer_id", "standard_id", "classifications", "origin", "attributes", "parts",
     "instances")
)  # fmt: skip
_PRICE = frozenset(("net", "discount", "gross", "base_quantity", "base_unit"))


def table(invoice: Invoice, writer: Writer) -> dict[str, Any]:
    """The table of lines; where figures would squeeze the names, quantity and price move below the name."""
    words = writer.words
    heads = [words["line"], words["item"], words["quantity"], writer.headed("unit_price"), words["vat"]]
    heads.append(writer.headed("net_amount"))
    rows = list(_lines(invoice, writer))
    widths = [max(map(len, column)) for column in zip(*(row["figures"] for row in rows), strict=True)]
    wide = sum(widths) + max((len(row["id"]) for row in rows), default=0) > _WIDE
    if wide:
        heads = [*heads[:2], *heads[4:]]
        for row in rows:
            quantity, price, *row["figures"] = row["figures"]
            told = ((words["quantity"], quantity), (words["unit_price"], price))
            row["details"].insert(0, " · ".join(f"{label} {text}" for label, text in told if text))
            row["sure"] = _sure(row["name"], row["details"])
    return {"columns": heads, "widest": _widest(rows), "lines": rows}


def _widest(rows: list[dict[str, Any]]) -> list[list[str]]:
    """For the column of numbers and each column of figures, the texts that make it as wide as it is."""
    columns = zip(*((row["id"], *row["figures"], row["running"]) for row in rows), strict=True)
    found = [sorted(set(column), key=lambda text: (-advance(text), text))[:_WIDEST] for column in columns]
    return [*found[:-2], [*found[-2], *found[-1]]] if found else []


def _lines(invoice: Invoice, writer: Writer) -> Iterator[dict[str, Any]]:
    running: Decimal | None = Decimal(0)
    above: list[str] = []
    for place, line in enumerate(invoice.lines, start=1):
        if line.kind not in UNCOUNTED:
            running = None if running is None or line.net_amount is None else running + line.net_amount
        while above and above[-1] != line.parent_id:
            above.pop()
        level = len(above)
        name, _, rest = line.item.name.partition("\n")
        told = [text for text in (rest, *_details(line, writer, placed=level > 0)) if text]
        yield {
            "id": line.id,
            "level": min(level, _DEEPEST),
            "name": name,
            "strong": len(name) <= _STRONG,
            "details": told,
            "sure": _sure(name, told),
            "figures": [
                writer.quantity(line.quantity, line.unit) or writer.unit(line.unit),
                _price(line.price, line.unit, writer),
                writer.rate(line.vat.category, line.vat.rate),
                writer.amount(line.net_amount),
            ],
            "counts": line.kind not in UNCOUNTED,
            "running": writer.amount(running) if place < len(invoice.lines) else "",
        }
        above.append(line.id)


def _sure(name: str, told: list[str]) -> float:
    """Points in which name and details stand in one line each without doubt; more than a page where there is doubt."""
    if any("\n" in text for text in told):
        return _DOUBT
    widths = [_BOLD * advance(name), *(_SMALL * advance(text) for text in told)]
    return max(widths) / 1000


def _details(line: Line, writer: Writer, *, placed: bool) -> Iterator[str]:
    """What stands below the name. `placed`: the line stands below its parent, which need not be named."""
    words, item = writer.words, line.item
    if line.kind not in ("", DETAIL):
        yield writer.coded("line_kinds", line.kind)
    if line.parent_id and not placed:
        yield f"{words['parent']} {line.parent_id}"
    yield item.description
    subject = writer.coded("subjects", line.note_subject)
    yield " · ".join(part for part in (subject, line.note, line.note_code) if part)
    yield " · ".join(
        f"{label} {value}"
        for label, value in (
            (words["reference"], item.seller_id),
            (words["buyer_item"], item.buyer_id),
            (words["standard_item"], writer.identifier(item.standard_id)),
            (words["origin"], writer.coded("countries", item.origin)),
            (words["order_line"], line.order_line),
            (words["object"], writer.identifier(line.object_id)),
            (words["accounting"], line.accounting_reference),
        )
        if value
    )
    yield from _of_item(line, writer)
    if line.period:
        yield f"{words['period']} {writer.period(line.period)}"
        yield line.period.description
    yield from _of_price(line.price, writer)
    for allowance in line.allowances:
        yield f"{words['allowance']} {_adjustment(allowance, writer)}"
    for charge in line.charges:
        yield f"{words['charge']} {_adjustment(charge, writer)}"
    yield _of_vat(line.vat, writer)
    yield from (f"{label} {text}".strip() for label, text in remaining(line, _LINE, writer))


def _of_item(line: Line, writer: Writer) -> Iterator[str]:
    words, item = writer.words, line.item
    yield " · ".join(f"{label} {text}".strip() for label, text in remaining(item, _ITEM, writer))
    for one in item.classifications:
        yield f"{words['classification']} {classification(one)}"
    for attribute in item.attributes:
        more = details(attribute, ("name", "value"), writer)
        yield writer.named(attribute.name, " · ".join(part for part in (attribute.value, more) if part))
    for instance in item.instances:
        yield details(instance, (), writer)
    for part in item.parts:
        yield f"{words['part']} {details(part, (), writer)}"


def _of_price(price: Price, writer: Writer) -> Iterator[str]:
    words = writer.words
    gross = f"{words['gross_price']} {writer.money(price.gross)}" if price.gross is not None else ""
    discount = f"{words['discount']} {writer.money(price.discount)}" if price.discount is not None else ""
    yield ", ".join(part for part in (gross, discount) if part)
    yield from (f"{label} {text}".strip() for label, text in remaining(price, _PRICE, writer))


def _of_vat(vat: LineVat, writer: Writer) -> str:
    told = remaining(vat, ("category", "rate", "exemption_reason", "exemption_code"), writer)
    why = writer.exemption(vat.exemption_reason, vat.exemption_code)
    return " · ".join(part for part in (why, *(f"{label} {text}" for label, text in told)) if part)


def _price(price: Price, unit: str, writer: Writer) -> str:
    """The net price, with what it is for where that is not one unit of what is invoiced."""
    implied = price.base_quantity in (None, Decimal(1)) and price.base_unit in ("", unit)
    base = writer.quantity(price.base_quantity, price.base_unit) or writer.unit(price.base_unit)
    return writer.amount(price.net) + ("" if implied else f" / {base}")


def _adjustment(one: LineAllowanceOrCharge, writer: Writer) -> str:
    code = f"({one.reason_code})" if one.reason_code else ""
    base = f"× {writer.money(one.base)}" if one.base is not None else ""
    more = details(one, ("amount", "base", "percentage", "reason", "reason_code"), writer)
    why = " ".join(part for part in (one.reason, code, writer.percent(one.percentage), base, more) if part)
    return writer.named(writer.money(one.amount), why)
