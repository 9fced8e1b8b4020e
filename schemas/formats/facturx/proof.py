"""What has been checked of PDFs alike: a page of ours that brings nothing new need not be checked in full again.

The strict check of PDF/A takes three times as long as typesetting. Our pages come from one template, one typesetter and
one set of fonts, so that they differ in little but numbers, strings and glyphs. Here a finished PDF is read back and
taken apart into shapes: each object, and each line of each content stream, without its numbers, strings and references.
A PDF all of whose shapes stand in PDFs that passed the full check in this process holds no construct that was not
checked; any other is checked in full. Whatever the reading does not expect (a long number, an overlong string, a colour
profile, a media type, a picture that is not plainly packed, any name) stays in its shape and so is new.

Left to the typesetter, which refuses to make what breaks PDF/A-3a, is that the glyphs shown are in the fonts. PDFs of
others are not judged in this way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from pikepdf import Name, Object, Pdf, Stream

from schemas.formats.facturx.door import dictionary
from schemas.xml import Unreadable, name_of, parse

Shape = bytes
"""An object or a line of content without what differs harmlessly."""

SHAPES_LIMIT = 20_000
"""Shapes kept; a page of ours has some two hundred. Beyond, everything is forgotten and checked anew."""
NESTING_LIMIT = 28
"""Graphics states saved inside each other (ISO 19005-3, 6.1.13)."""
STRING_LIMIT = 32_767
"""Bytes of a string (ISO 19005-3, 6.1.13)."""

_TEXT = rb"\((?:[^\\()]++|\\.|\((?:[^\\()]++|\\.|\((?:[^\\()]++|\\.)*+\))*+\))*+\)|<[0-9A-Fa-f]*+>"
_NUMBER = rb"(?<![^\s\[\]<>()])(?:[+-]?\d{1,9}+(?:\.\d{0,12}+)?+|null)(?=[\s\[\]<>()/])"
_STRING = re.compile(_TEXT, re.DOTALL)
_OPERANDS = re.compile(rb"(?:(?:" + _TEXT + rb"|" + _NUMBER + rb")\s*+)++", re.DOTALL)
"""Strings, numbers and null in a row. A number longer than these digits is none of them."""
_REFERENCES = re.compile(rb"(?:(?<![^\s\[])\d{1,7} \d{1,5} R(?![^\s\]]) ?+)++")
_AGAIN = re.compile(rb"(<< [^<>]{1,300} >> |0 \[ R \] |0 R |0 m 0 l )\1+")
"""What is repeated as often as a table has cells or a code has dots."""
_SUBSET = re.compile(rb"/[A-Z]{6}\+")
_BETWEEN = b"\n%\n"
"""Parts objects that are looked at in one go; written by qpdf, none holds a comment."""
_LINE = re.compile(rb"[\r\n]+")
_PROGRAMS = ("/FontFile", "/FontFile2", "/FontFile3")
_PACKET = re.compile(rb"<\?xpacket.*?\?>", re.DOTALL)


class Proof:
    """The shapes that passed the full check in this process."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: set[Shape] = set()

    def covers(self, found: frozenset[Shape]) -> bool:
        """Whether nothing of it is new."""
        return found <= self._seen

    def add(self, found: frozenset[Shape]) -> None:
        """Remember the shapes of a PDF that passed the full check."""
        if len(self._seen) + len(found) > SHAPES_LIMIT:
            self._seen.clear()
        self._seen |= found


def shapes(pdf: Pdf, head: bytes) -> frozenset[Shape]:
    """The shapes of a PDF and of its first bytes, whole: every object, reachable or not."""
    found = set(_objects(pdf))
    found.add(b"trailer " + _plain(pdf.trailer.unparse(resolved=True)))
    found.add(b"head " + head)
    return frozenset(found)


def _objects(pdf: Pdf) -> Iterator[Shape]:
    streams: list[Stream] = []
    programs: set[tuple[int, int]] = set()
    written: list[bytes] = []
    for number, generation in pdf.get_xref_table():
        item = pdf.get_object(number, generation)
        if isinstance(item, Stream):
            streams.append(item)
            item = item.stream_dict
        raw = item.unparse(resolved=True)
        if b"/FontFile" in raw:
            programs.update(_programs(item))
        written.append(raw)
    yield from _plain(_BETWEEN.join(written)).split(_BETWEEN)
    for stream in streams:
        yield from _program(stream) if stream.objgen in programs else _content(stream)


def _programs(descriptor: Object) -> Iterator[tuple[int, int]]:
    """Where the programs of a font are."""
    found = dictionary(descriptor)
    for key in _PROGRAMS if found is not None else ():
        program = descriptor.get(key)
        if isinstance(program, Stream):
            yield program.objgen


def _program(stream: Stream) -> Iterator[Shape]:
    """The tables of a font; its glyphs are those of ours that a text needs."""
    data = stream.read_bytes()
    count = int.from_bytes(data[4:6])
    tables = b" ".join(data[12 + 16 * place : 16 + 16 * place] for place in range(min(count, 64)))
    yield b"font " + data[:4] + tables


def _content(stream: Stream) -> Iterator[Shape]:
    """What stands inside a stream, by its kind."""
    kind = stream.get("/Type")
    if kind in (Name.ObjStm, Name.XRef, Name.EmbeddedFile):
        return  # the objects of the first come by themselves, and a file inside is bytes to PDF/A
    if kind == Name.Metadata:
        yield _tags(stream.read_bytes())
    elif stream.get("/Subtype") == Name.Image:
        if stream.get("/Filter") != Name.FlateDecode:
            yield b"image " + hashlib.sha256(stream.read_raw_bytes()).digest()
    elif "/N" in stream:
        yield b"profile " + hashlib.sha256(stream.read_bytes()).digest()
    else:
        yield from _lines(stream.read_bytes())


def _lines(content: bytes) -> Iterator[Shape]:
    """The lines of a content stream or of a table of characters, each once."""
    lines = _LINE.split(_plain(content))
    deepest = depth = 0
    for line in lines:
        depth += line.startswith(b"q ") - (line == b"Q")
        deepest = max(deepest, depth)
    yield b"nested" if deepest <= NESTING_LIMIT else b"nested too deep: " + hashlib.sha256(content).digest()
    yield from set(lines)


def _tags(packet: bytes) -> Shape:
    """The elements of a packet of metadata in their order; one that is no XML is a shape of its own."""
    try:
        tree = parse(_PACKET.sub(b"", packet).strip())
    except Unreadable:
        return b"packet " + hashlib.sha256(packet).digest()
    return b"packet " + " ".join(":".join(name_of(element)) for element in tree.iter("{*}*")).encode()


def _plain(raw: bytes) -> Shape:
    """Without strings, numbers and references that keep the limits, and with what repeats once."""
    if len(raw) > STRING_LIMIT and any(len(text) > STRING_LIMIT for text in _STRING.findall(raw)):
        return b"long string " + hashlib.sha256(raw).digest()
    text = _OPERANDS.sub(b"0 ", _REFERENCES.sub(b"R ", raw))
    return _AGAIN.sub(rb"\1", _SUBSET.sub(b"/SUBSET+", text))
