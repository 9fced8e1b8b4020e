"""Draws times against sizes as an SVG that can be read on a light page and on a dark one, both axes logarithmic.

It is written by hand, because a curve of ten points is no reason for a plotting library. Colours follow the reader's
scheme, each curve is named where it ends, and the form of its marks tells it apart without any colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes: a title, and curves by name; the first is ours."""

    title: str
    curves: Mapping[str, Points]


_WIDTH, _HEIGHT = 330, 250
_LEFT, _TOP, _GAP = 56, 52, 132
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #57606a } .title { font-weight: 600; fill: #1f2328 }
.grid { stroke: #d0d7de; stroke-width: 1 } .curve { fill: none; stroke-width: 2 }
.c0 { stroke: #0969da } .m0 { fill: #0969da } .c1 { stroke: #bc4c00; stroke-dasharray: 6 4 } .m1 { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 } .title { fill: #f0f6fc } .grid { stroke: #3d444d }
.c0 { stroke: #4493f8 } .m0 { fill: #4493f8 } .c1 { stroke: #db6d28 } .m1 { fill: #db6d28 } }
"""


def svg(panels: Sequence[Panel], across: str, up: str, says: str) -> str:
    """The drawing: panels side by side on the same axes; `across` and `up` name these, `says` is for screen readers."""
    points = [point for panel in panels for curve in panel.curves.values() for point in curve]
    low, high = _decades([y for _, y in points])
    ends = (math.log10(min(x for x, _ in points)), math.log10(max(x for x, _ in points)))
    width = _LEFT + len(panels) * (_WIDTH + _GAP)
    height = _TOP + _HEIGHT + 48
    box = f'viewBox="0 0 {width} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="{escape(says)}">',
        f"<style>{_STYLE}</style>",
        f'<text x="8" y="16">{escape(up)}</text>',
    ]
    for place, panel in enumerate(panels):
        parts += _panel(panel, _LEFT + place * (_WIDTH + _GAP), (low, high), ends)
    parts.append(f'<text x="{_LEFT}" y="{height - 8}">{escape(across)}</text></svg>')
    return "\n".join(parts) + "\n"


def _decades(values: Sequence[float]) -> tuple[int, int]:
    return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))


def _panel(panel: Panel, left: float, decades: tuple[int, int], ends: tuple[float, float]) -> list[str]:
    low, high = decades

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - ends[0]) / (ends[1] - ends[0])
        return left + across * _WIDTH, _TOP + (high - math.log10(y)) / (high - low) * _HEIGHT

    parts = [f'<text class="title" x="{left}" y="{_TOP - 12}">{escape(panel.title)}</text>']
    for power in range(low, high + 1):
        _, y = place(10 ** ends[0], 10.0**power)
        parts.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{left + _WIDTH}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(10.0**power)}</text>')
    for size in sorted({x for curve in panel.curves.values() for x, _ in curve}):
        x, y = place(size, 10.0**low)
        parts.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{_number(size)}</text>')
    for number, (name, curve) in enumerate(panel.curves.items()):
        parts += _curve(number, name, [place(*point) for point in curve], curve[-1][1])
    return parts


def _curve(number: int, name: str, places: Points, last: float) -> list[str]:
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline class="curve c{number}" points="{line}"/>']
    for x, y in places:
        mark = f'<circle class="m{number}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        if number:
            mark = f'<rect class="m{number}" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
        parts.append(mark)
    x, y = places[-1]
    parts.append(f'<text class="m{number}" x="{x + 10:.1f}" y="{y:.1f}">{escape(name)}</text>')
    parts.append(f'<text x="{x + 10:.1f}" y="{y + 15:.1f}">{_number(round(last))} ms</text>')
    return parts


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"
