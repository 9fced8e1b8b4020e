"""Resources that a PDF offers to its pages and no page uses: they are left out, since PDF/A judges them all the same.

Many programs list colour spaces, masks and patterns in case they need them, and select a font before they show a text
in another. Names are looked for in all contents as bytes, so that a name inside a text keeps its resource as well; a
font is unused only when its contents, read operator by operator, show no text in it. Contents are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf, Stream, String

from schemas.formats.facturx.door import dictionary, items, refusal

CONTENT_LIMIT = 50_000_000
"""Bytes of contents, each counted as often as a page shows it; a page of ours has 40,000."""

_PARTS = ("/XObject", "/ColorSpace", "/Font", "/ExtGState", "/Pattern", "/Shading", "/Properties")
_KEPT = frozenset((*_PARTS, "/ProcSet"))
_IMPLIED = frozenset(("DefaultGray", "DefaultRGB", "DefaultCMYK"))
"""Colour spaces used without being named (ISO 32000-1, 8.6.5.6)."""
_NAME = re.compile(rb"/([^\x00\t\n\f\r /\[\]<>(){}%]+)")
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_SHOWING = frozenset(("Tj", "TJ", "'", '"'))
_PROGRAMS = ("/FontFile", "/FontFile2", "/FontFile3")


@dataclass(slots=True)
class _Shared:
    """One dictionary of resources, with all contents that draw from it."""

    resources: Dictionary
    contents: list[Any] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


def drop_unused(pdf: Pdf) -> None:
    """Leave out the resources no content names, and put another font where one is selected but shows nothing.

    Raises Unreadable: PDFA-SIZE where there is more content than is looked through.
    """
    groups, inherited = _groups(pdf)
    kept = {font.Resources.objgen for font in _drawn_fonts(pdf) if dictionary(font.get("/Resources")) is not None}
    for group in groups:
        if group.resources.is_indirect and group.resources.objgen in kept:
            continue
        for key in [key for key in group.resources.keys() if key not in _KEPT]:  # noqa: SIM118
            del group.resources[key]
        for key in _PARTS:
            _leave_out(group.resources, key, group.names | inherited | _IMPLIED)
        if not inherited:
            _replace_unshown(pdf, group)


def _groups(pdf: Pdf) -> tuple[list[_Shared], set[str]]:
    """Each dictionary of resources once, and the names in contents that draw from those of whoever draws them."""
    shared: dict[tuple[int, int], _Shared] = {}
    alone: list[_Shared] = []
    inherited: set[str] = set()
    left = CONTENT_LIMIT
    for owner, content, data in _contents(pdf):
        left -= len(data)
        if left < 0:
            says = f"The pages have more than {CONTENT_LIMIT} bytes of content."
            raise refusal("PDFA-SIZE", says, fix="Send fewer pages, and the others as an attachment.")
        resources = dictionary(owner.get("/Resources"))
        names = {_unescaped(name) for name in _NAME.findall(data)}
        if resources is None:
            inherited |= names
            continue
        group = shared.setdefault(resources.objgen, _Shared(resources)) if resources.is_indirect else _Shared(resources)
        if not resources.is_indirect:
            alone.append(group)
        group.contents.append(content)
        group.names |= names
    return [*shared.values(), *alone], inherited


def _contents(pdf: Pdf) -> Iterator[tuple[Any, Any, bytes]]:
    """Everything that draws: what owns its resources, what pikepdf parses, and its bytes."""
    for page in pdf.pages:
        found = page.obj.get("/Contents")
        streams = [found] if isinstance(found, Stream) else items(found)
        yield page.obj, page, b"\n".join(one.read_bytes() for one in streams if isinstance(one, Stream))
    for item in pdf.objects:
        if isinstance(item, Stream) and (item.get("/Subtype") == Name.Form or "/PatternType" in item):
            yield item, item, item.read_bytes()
    for font in _drawn_fonts(pdf):
        for _, stream in (dictionary(font.get("/CharProcs")) or Dictionary()).items():
            if isinstance(stream, Stream):
                yield font, stream, stream.read_bytes()


def _drawn_fonts(pdf: Pdf) -> Iterator[Dictionary]:
    """Fonts whose glyphs are contents."""
    for item in pdf.objects:
        font = dictionary(item)
        if font is not None and font.get("/Type") == Name.Font and font.get("/Subtype") == Name.Type3:
            yield font


def _leave_out(resources: Dictionary, key: str, used: set[str] | frozenset[str]) -> None:
    """A new dictionary takes the place of the old, which another may share."""
    part = dictionary(resources.get(key))
    if part is None:
        return
    left = {name: value for name, value in part.items() if name.removeprefix("/") in used}
    if len(left) < len(part):
        resources[key] = Dictionary(left)


def _replace_unshown(pdf: Pdf, group: _Shared) -> None:
    """Fonts that are not embedded but only selected give their name to one that is embedded."""
    fonts = dictionary(group.resources.get("/Font"))
    if fonts is None:
        return
    outside = [name for name, font in fonts.items() if not _is_embedded(font)]
    embedded = [font for _, font in fonts.items() if _is_embedded(font)]
    if not outside or not embedded:
        return
    states = dictionary(group.resources.get("/ExtGState")) or Dictionary()
    if any("/Font" in state for _, state in states.items() if dictionary(state) is not None):
        return  # a graphics state selects a font as well
    shown: set[str] = set()
    for content in group.contents:
        found = _shown(content)
        if found is None:
            return
        shown |= found
    replaced = {name: embedded[0] if name in outside and name not in shown else font for name, font in fonts.items()}
    group.resources["/Font"] = Dictionary(replaced)


def _shown(content: Any) -> set[str] | None:
    """The fonts that texts are shown in; None where that is not told by this content alone."""
    shown: set[str] = set()
    font, saved = "", list[str]()
    for instruction in pikepdf.parse_content_stream(content):
        operands, name = instruction.operands, str(instruction.operator)
        if name == "q":
            saved.append(font)
        elif name == "Q" and saved:
            font = saved.pop()
        elif name == "Tf" and operands:
            font = str(operands[0])
        elif name in _SHOWING and _has_text(list(operands)):
            if not font:
                return None
            shown.add(font)
    return shown


def _has_text(operands: Sequence[Any]) -> bool:
    return any(
        (isinstance(one, String) and len(bytes(one)) > 0) or (isinstance(one, Array) and _has_text(list(one)))
        for one in operands
    )


def _is_embedded(font: Any) -> bool:
    """Whether a font brings its program, or draws its glyphs itself."""
    found = dictionary(font)
    if found is None or found.get("/Subtype") == Name.Type3:
        return False
    inner = [one for one in (dictionary(each) for each in items(found.get("/DescendantFonts"))) if one is not None]
    descriptors = [dictionary(one.get("/FontDescriptor")) for one in inner or [found]]
    return all(one is not None and any(key in one for key in _PROGRAMS) for one in descriptors)


def _unescaped(name: bytes) -> str:
    """A name as pikepdf tells it."""
    return _ESCAPED.sub(lambda code: bytes((int(code[1], 16),)), name).decode("utf-8", "surrogateescape")
