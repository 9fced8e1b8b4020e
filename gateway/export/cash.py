"""What is owed, for people: a table that a spreadsheet opens, and a plot of what is late and what is expected.

The plot is SVG without scripts, fonts or addresses: bars by age, and expected cash by week, for each currency.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from xml.sax.saxutils import escape

from gateway.export.table import Look, header, row
from gateway.store.receivables import BAND_NAMES, WEEKS, Receivable, Standing

COLUMNS = ("document", "number", "customer", "customer_name", "issue_date", "due_date", "due_assumed", "currency",
           "due", "credited", "paid", "written_off", "balance", "state", "days_late", "status")  # fmt: skip
"""Of the table: what the members of the API are called."""

_WIDTH, _HEIGHT, _LEFT, _TOP, _PANEL = 760, 250, 60, 46, 150
_BAR = "#2f6f9f"
_LATE = ("#2f6f9f", "#d9a441", "#d98041", "#c95b3c", "#a83232")
_LABELS = {"not_due": "not due", "1_30": "1–30 d", "31_60": "31–60 d", "61_90": "61–90 d", "over_90": "> 90 d"}


async def table(found: AsyncIterator[Receivable], today: date, look: Look) -> AsyncIterator[bytes]:
    """The lines of the table."""
    yield header(COLUMNS, look)
    async for one in found:
        yield row(
            [
                str(one.document_id), one.number, one.customer, one.name, one.issue_date, one.due_date,
                "yes" if one.due_assumed else "no", one.currency, one.due, one.credited, one.paid, one.written_off,
                one.balance, one.state(today), one.days_late(today), one.status,
            ],
            look,
        )  # fmt: skip


def plot(standings: Sequence[Standing], today: date) -> str:
    """The plot, one row of panels for each currency."""
    height = max(1, len(standings)) * _HEIGHT + 10
    says = f"What is owed on {today.isoformat()}, by age and by the week in which it is expected"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(says)}" font-family="sans-serif" font-size="11">',
        f"<title>{escape(says)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    if not standings:
        parts.append(f'<text x="{_LEFT}" y="{_TOP}">Nothing is owed.</text>')
    for place, one in enumerate(standings):
        parts += _currency(one, today, place * _HEIGHT)
    return "\n".join([*parts, "</svg>\n"])


def _currency(one: Standing, today: date, top: int) -> list[str]:
    dso = "" if one.dso is None else f", DSO {one.dso} days"
    title = f"{one.currency}: {_short(one.owed)} owed, {_short(one.owed - one.bands['not_due'])} late{dso}"
    ages = [(_LABELS[name], one.bands[name], _LATE[place]) for place, name in enumerate(BAND_NAMES)]
    monday = today - timedelta(days=today.weekday())
    due = {week: amount for week, amount, _ in one.weeks}
    weeks = [monday + timedelta(weeks=place) for place in range(WEEKS)]
    cash = [(week.strftime("%d/%m"), due.get(week, Decimal(0)), _BAR) for week in weeks]
    return [
        f'<text x="10" y="{top + 20}" font-size="14" font-weight="bold">{escape(title)}</text>',
        *_bars(ages, _LEFT, 230, top),
        *_bars(cash, _LEFT + 290, 400, top),
    ]


def _bars(bars: Sequence[tuple[str, Decimal, str]], left: int, width: int, top: int) -> list[str]:
    """One panel of bars, each with its amount where it is not nothing."""
    most = max((amount for _, amount, _ in bars), default=Decimal(0)) or Decimal(1)
    step, foot = width / len(bars), top + _TOP + _PANEL
    parts = [f'<line x1="{left}" y1="{foot}" x2="{left + width}" y2="{foot}" stroke="#555555"/>']
    for place, (label, amount, color) in enumerate(bars):
        height = amount / most * (_PANEL - 16)
        x, middle = left + place * step + step * 0.12, left + (place + 0.5) * step
        if amount > 0:
            parts.append(
                f'<rect x="{x:.1f}" y="{foot - height:.1f}" width="{step * 0.76:.1f}" height="{height:.1f}" '
                f'fill="{color}"/>'
            )
            parts.append(
                f'<text x="{middle:.1f}" y="{foot - height - 4:.1f}" text-anchor="middle" font-size="9">'
                f"{_short(amount)}</text>"
            )
        size = 11 if step > 40 else 8
        parts.append(
            f'<text x="{middle:.1f}" y="{foot + 15}" text-anchor="middle" font-size="{size}">{escape(label)}</text>'
        )
    return parts


def _short(amount: Decimal) -> str:
    """An amount as it fits over a bar."""
    for size, unit in ((Decimal(10) ** 9, "bn"), (Decimal(10) ** 6, "M"), (Decimal(1000), "k")):
        if abs(amount) >= size:
            return f"{amount / size:.1f}{unit}"
    return f"{amount:.0f}"
