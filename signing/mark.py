"""The mark of a seal that is seen on a page: a line in a frame below all text, drawn as outlines of letters.

Outlines need no font in the document, so a PDF/A stays one; what they say is also in the field's own words, for those
who cannot see it. PDF/UA it is no longer, as a field that is seen would have to stand in the structure of the document,
which a seal must not touch: a mark is only made where it is asked for. A letter that the face has not is left out.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

from fontTools.pens.basePen import BasePen  # type: ignore[import-untyped]  # it has no types
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # the same
from pyhanko.pdf_utils import layout
from pyhanko.pdf_utils.content import RawContent
from pyhanko.stamp import StaticStampStyle

SIZE, LEADING, MARGIN = 6.0, 7.0, 4.0
"""Points: of the letters, from line to line, around the lines."""
WIDEST = 400.0
"""Points of a mark, at most; longer lines are cut."""
RIGHT, BELOW = 40.0, 6.0
"""Points between the mark and the edges of the page."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What to draw, and with which face."""

    lines: tuple[str, ...]
    face: bytes
    """A TrueType font."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A mark as the content of a form, and its size in points."""

    content: bytes
    width: float
    height: float

    def box(self, page_width: float) -> tuple[int, int, int, int]:
        """Where it stands on a page of that width: below, right."""
        right = int(page_width - RIGHT)
        return int(right - self.width), int(BELOW), right, int(BELOW + self.height)

    def style(self) -> StaticStampStyle:
        """The appearance that the library puts into the field."""
        size = layout.BoxConstraints(width=int(self.width), height=int(self.height))
        place = layout.SimpleBoxLayoutRule(
            x_align=layout.AxisAlignment.ALIGN_MIN,
            y_align=layout.AxisAlignment.ALIGN_MIN,
            margins=layout.Margins(0, 0, 0, 0),
        )
        return StaticStampStyle(
            border_width=0, background=RawContent(self.content, box=size), background_layout=place, background_opacity=1
        )


def drawn(mark: Mark) -> Drawn:
    """The mark as paths in black, with a frame."""
    with TTFont(io.BytesIO(mark.face), lazy=True) as face:
        glyphs, letters, scale = face.getGlyphSet(), face.getBestCmap(), SIZE / face["head"].unitsPerEm
        parts, widest = [], 0.0
        for number, line in enumerate(reversed(mark.lines)):
            at = MARGIN
            for letter in line:
                name = letters.get(ord(letter))
                if name is None or at > WIDEST:
                    continue
                pen = _Paths(glyphs)
                glyphs[name].draw(pen)
                shift = f"{scale:.5f} 0 0 {scale:.5f} {at:.2f} {MARGIN + number * LEADING + 1.5:.2f} cm"
                parts.append(f"q {shift} {' '.join(pen.steps)} f Q" if pen.steps else "")
                at += glyphs[name].width * scale
            widest = max(widest, at)
    width, height = widest + MARGIN, 2 * MARGIN + len(mark.lines) * LEADING
    frame = f"q 0.5 w 0 G 0.5 0.5 {int(width) - 1} {int(height) - 1} re S Q"
    return Drawn(f"q 0 g {' '.join(filter(None, parts))} Q {frame}".encode(), width, height)


class _Paths(BasePen):  # type: ignore[misc]  # it has no types
    """Writes the outline of a letter as operators of a page."""

    def __init__(self, glyphs: object) -> None:
        super().__init__(glyphs)
        self.steps: list[str] = []

    def _moveTo(self, pt: tuple[float, float]) -> None:
        self.steps.append(f"{_numbers(pt)} m")

    def _lineTo(self, pt: tuple[float, float]) -> None:
        self.steps.append(f"{_numbers(pt)} l")

    def _curveToOne(self, pt1: tuple[float, float], pt2: tuple[float, float], pt3: tuple[float, float]) -> None:
        self.steps.append(f"{_numbers(pt1)} {_numbers(pt2)} {_numbers(pt3)} c")

    def _closePath(self) -> None:
        self.steps.append("h")


def _numbers(point: tuple[float, float]) -> str:
    return " ".join(_each(point))


def _each(point: tuple[float, float]) -> Iterator[str]:
    yield from (f"{value:.0f}" for value in point)
