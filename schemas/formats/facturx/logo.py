"""A logo: PNG, JPEG or SVG, small enough for every page and harmless to whoever opens it.

An SVG is a program as much as a picture: it is taken with shapes, gradients and clips, and refused with anything that
fetches, runs, animates or needs a font. A JPEG in CMYK is refused because the page is in sRGB, as PDF/A wants it.
Whatever is taken here has yet to be typeset once before it is kept (`page.prove`).
"""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from schemas.finding import Finding, Severity
from schemas.xml import Unreadable, name_of, parse

SIZE_LIMIT = 200_000
"""Bytes; each page carries them."""
SIDE_LIMIT = 4_000
"""Pixels of one side."""
AREA_LIMIT = 4_000_000
"""Pixels in all."""
ELEMENTS_LIMIT = 5_000
"""Elements of an SVG."""
TEXT_LIMIT = 200
"""Characters of what a logo says."""

SVG = "http://www.w3.org/2000/svg"
_SHAPES = frozenset(
    ("svg", "g", "defs", "title", "desc", "metadata", "path", "rect", "circle", "ellipse", "line", "polyline",
     "polygon", "linearGradient", "radialGradient", "stop", "clipPath", "symbol", "use", "style")
)  # fmt: skip
_SILENT = frozenset(("title", "desc", "metadata"))
"""What an SVG says of itself; nothing in it is drawn."""
_REFERENCE = re.compile(r"url\(\s*['\"]?(?!['\"]?#)", re.IGNORECASE)
_FETCHES = re.compile(r"@import|@font-face|expression\(|javascript:|\\", re.IGNORECASE)
_START_OF_FRAME = frozenset((0xC0, 0xC1, 0xC2))
_END_OF_IMAGE = b"\xff\xd9"
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
_MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture and what it says to those who do not see it (PDF/UA)."""

    data: bytes
    format: str
    """png, jpeg or svg."""
    text: str

    @property
    def media_type(self) -> str:
        """As HTTP names the format."""
        return _MEDIA_TYPES[self.format]

    def as_svg(self) -> str:
        """As an SVG, the one form in which text alone hands a picture to the typesetter."""
        if self.format == "svg":
            return self.data.decode("utf-8-sig")
        width, height = size_of(self.data)
        return (
            f'<svg xmlns="{SVG}" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
            f'<image width="{width}" height="{height}" '
            f'href="data:{self.media_type};base64,{b64encode(self.data).decode()}"/></svg>'
        )


def read(data: bytes, text: str) -> Logo:
    """A logo of bytes and what it says. Raises Unreadable (HOUSE-LOGO) with the reason."""
    says = " ".join(text.split())
    if not says or len(says) > TEXT_LIMIT or not says.isprintable():
        raise _refusal(f"A logo has a text for those who do not see it, 1 to {TEXT_LIMIT} printable characters.")
    if len(data) > SIZE_LIMIT:
        raise _refusal(f"A logo has at most {SIZE_LIMIT:,} bytes.", found=f"{len(data):,}")
    found = _format(data)
    if found == "svg":
        _check_svg(data)
    else:
        if found == "jpeg" and not data.rstrip(b"\0").endswith(_END_OF_IMAGE):
            raise _refusal("The JPEG ends before its end.")
        width, height = size_of(data)
        if not 0 < width <= SIDE_LIMIT or not 0 < height <= SIDE_LIMIT or width * height > AREA_LIMIT:
            raise _refusal(
                f"A logo has at most {SIDE_LIMIT:,} pixels on a side and {AREA_LIMIT:,} in all.",
                found=f"{width} × {height}",
            )
    return Logo(data, found, says)


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG or JPEG in pixels. Raises Unreadable."""
    if _format(data) == "png":
        if len(data) < 33 or data[12:16] != b"IHDR":
            raise _refusal("The PNG is damaged.")
        width, height = struct.unpack(">II", data[16:24])
        return int(width), int(height)
    for marker, segment in _segments(data):
        if marker in _START_OF_FRAME and len(segment) >= 6:
            _, height, width, channels = struct.unpack(">BHHB", segment[:6])
            if channels not in (1, 3):
                raise _refusal("A JPEG logo is in RGB or gray, not in CMYK.", found=f"{channels} channels")
            return int(width), int(height)
    raise _refusal("The JPEG is damaged, or of a kind that few programs read.")


def _format(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        return "svg"
    raise _refusal("A logo is a PNG, a JPEG or an SVG.")


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers of a JPEG with their content, as far as its picture."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _ALONE or marker == 0xFF:
            place += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        yield marker, data[place + 4 : place + 2 + length]
        if marker == 0xDA:
            return
        place += 2 + max(length, 2)


def _check_svg(data: bytes) -> None:
    """Refuse what fetches, runs, animates or needs a font. Raises Unreadable."""
    root = parse(data).getroot()
    if name_of(root) != (SVG, "svg"):
        raise _refusal("The root of an SVG is svg in its namespace.", found=name_of(root)[1])
    for count, element in enumerate(root.iter(), start=1):
        if count > ELEMENTS_LIMIT:
            raise _refusal(f"An SVG logo has at most {ELEMENTS_LIMIT:,} elements.")
        namespace, name = name_of(element)
        if namespace != SVG:
            if not any(name_of(above)[1] in _SILENT for above in element.iterancestors()) and not _editors(element):
                raise _refusal("An SVG logo holds nothing but SVG.", found=name)
            continue
        if name not in _SHAPES:
            raise _refusal(
                "An SVG logo is made of shapes, gradients and clips.",
                found=name,
                fix="Convert text to paths; leave out pictures, filters, masks, animation and scripts.",
            )
        _check_texts(element, name)


def _editors(element: etree._Element) -> bool:
    """Whether it is what a drawing program keeps for itself, which nobody draws."""
    namespace = name_of(element)[0]
    return "sodipodi" in namespace or "inkscape" in namespace


def _check_texts(element: etree._Element, name: str) -> None:
    for key, value in element.attrib.items():
        bare = str(key).rpartition("}")[2].lower()
        text = str(value)
        if bare.startswith("on") or (bare == "href" and not text.startswith("#")) or bare == "src":
            raise _refusal("An SVG logo runs nothing and fetches nothing.", found=f"{name}/@{bare}")
        if _REFERENCE.search(text) or _FETCHES.search(text):
            raise _refusal("An SVG logo refers to nothing outside of itself.", found=f"{name}/@{bare}")
    style = element.text or "" if name == "style" else ""
    if _REFERENCE.search(style) or _FETCHES.search(style):
        raise _refusal("An SVG logo refers to nothing outside of itself.", found="style")


def _refusal(says: str, *, found: str | None = None, fix: str | None = None) -> Unreadable:
    return Unreadable((Finding("HOUSE-LOGO", Severity.FATAL, "house", says, found=found, fix=fix),))
