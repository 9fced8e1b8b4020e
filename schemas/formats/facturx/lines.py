"""The table of lines: ready texts, the sums to carry over, and which figures make its columns as wide as they are."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from schemas.formats.facturx.lettering import advance
from schemas.formats.facturx.wording import Writer
from schemas.invoice import Invoice, Line, LineAllowanceOrCharge, Price

_WIDE = 60
"""Signs of figures in one line beyond which the name beside them gets too narrow to read."""
_WIDEST = 3
"""Figures of a column of which the typesetter takes the widest: those that may be, as far as is known here."""
_DOUBT = 1e6
_BOLD, _SMALL = 8.5 * 1.15, 7.5 * 1.03
"""Size in points, and how much wider than the regular face without kerning a text can be."""


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
            row["details"].insert(0, f"{words['quantity']} {quantity} · {words['unit_price']} {price}")
    return {"columns": heads, "widest": _widest(rows), "lines": rows}


def _widest(rows: list[dict[str, Any]]) -> list[list[str]]:
    """For the column of numbers and each column of figures, the texts that make it as wide as it is."""
    columns = zip(*((row["id"], *row["figures"], row["running"]) for row in rows), strict=True)
    found = [sorted(set(column), key=lambda text: (-advance(text), text))[:_WIDEST] for column in columns]
    return [*found[:-2], [*found[-2], *found[-1]]] if found else []


def _lines(invoice: Invoice, writer: Writer) -> Iterator[dict[str, Any]]:
    running: Decimal | None = Decimal(0)
    for place, line in enumerate(invoice.lines, start=1):
        running = None if running is None or line.net_amount is None else running + line.net_amount
        details = [text for text in _details(line, writer) if text]
        yield {
            "id": line.id,
            "level": 0,
            "name": line.item.name,
            "details": details,
            "sure": _sure(line.item.name, details),
            "figures": [
                writer.quantity(line.quantity, line.unit) or writer.unit(line.unit),
                _price(line.price, line.unit, writer),
                writer.rate(line.vat.category, line.vat.rate),
                writer.amount(line.net_amount),
            ],
            "running": writer.amount(running) if place < len(invoice.lines) else "",
        }


def _sure(name: str, details: list[str]) -> float:
    """Points in which name and details stand in one line each without doubt; more than a page where there is doubt."""
    if "\n" in name or any("\n" in text for text in details):
        return _DOUBT
    widths = [_BOLD * advance(name), *(_SMALL * advance(text) for text in details)]
    return max(widths) / 1000


def _details(line: Line, writer: Writer) -> Iterator[str]:
    words, item, price = writer.words, line.item, line.price
    yield item.description
    yield line.note
    yield " · ".join(
        f"{label} {value}"
        for label, value in (
            (words["reference"], item.seller_id),
            (words["buyer_item"], item.buyer_id),
            (words["standard_item"], writer.identifier(item.standard_id)),
            (words["origin"], item.origin),
            (words["order_line"], line.order_line),
            (words["object"], writer.identifier(line.object_id)),
            (words["accounting"], line.accounting_reference),
        )
        if value
    )
    for one in item.classifications:
        scheme = " ".join(part for part in (one.scheme, one.version) if part)
        yield f"{words['classification']} {one.value}{f' ({scheme})' if scheme else ''}"
    for attribute in item.attributes:
        yield f"{attribute.name} : {attribute.value}"
    if line.period:
        yield f"{words['period']} {writer.period(line.period)}"
    gross = f"{words['gross_price']} {writer.money(price.gross)}" if price.gross is not None else ""
    discount = f"{words['discount']} {writer.money(price.discount)}" if price.discount is not None else ""
    yield ", ".join(part for part in (gross, discount) if part)
    for allowance in line.allowances:
        yield f"{words['allowance']} {_adjustment(allowance, writer)}"
    for charge in line.charges:
        yield f"{words['charge']} {_adjustment(charge, writer)}"


def _price(price: Price, unit: str, writer: Writer) -> str:
    """The net price, with what it is for where that is not one unit of what is invoiced."""
    implied = price.base_quantity in (None, Decimal(1)) and price.base_unit in ("", unit)
    base = writer.quantity(price.base_quantity, price.base_unit) or writer.unit(price.base_unit)
    return writer.amount(price.net) + ("" if implied else f" / {base}")


def _adjustment(one: LineAllowanceOrCharge, writer: Writer) -> str:
    code = f"({one.reason_code})" if one.reason_code else ""
    base = f"× {writer.money(one.base)}" if one.base is not None else ""
    why = " ".join(part for part in (one.reason, code, writer.percent(one.percentage), base) if part)
    return f"{writer.money(one.amount)}{' : ' + why if why else ''}"
