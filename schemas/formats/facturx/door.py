"""The only door to PDF: bytes become a document that is whole, open to read, and holds nothing that could act.

What received PDFs go through before anything of them is read. Decisions:

- Nothing is repaired: a header not at the very beginning, a damaged cross reference, bytes after the end are refused,
  because another reader would repair them in another way and show another invoice.
- Encryption is refused even where no password is needed: what cannot be read by everyone cannot be checked.
- Every object is looked through, reachable or not, for scripts, actions that leave the document, media, forms that
  build themselves and streams kept elsewhere. Links (URI) and jumps inside the document are let through.
- Several revisions are taken: one in ten valid invoices of the public corpora has them. `revisions` tells how many.
- What streams unpack to is bounded by qpdf's own limits, which hold for the whole process. The bound is low, because a
  byte of an object stream can become a hundred in memory: 100 kB of PDF would else fill gigabytes. Attachments may be
  larger and are unpacked here (`unpacked`). How many values a PDF holds is bounded too.

It refuses with findings (`Unreadable`), and what it lets through is never rewritten.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Object, Pdf, Stream

from schemas.finding import Finding, Severity
from schemas.xml import Unreadable

SIZE_LIMIT = 50_000_000
"""Bytes of one PDF."""
UNPACKED_LIMIT = 4_000_000
"""Bytes one stream of the PDF's own structure may unpack to."""
ATTACHMENT_LIMIT = 32_000_000
"""Bytes one attachment may unpack to; the largest XML we take has 20 million."""
VALUES_LIMIT = 3_000_000
"""Entries of all arrays and dictionaries together. Our own tagged page has 125 for each line of an invoice, so there is
room for more lines than the largest XML we take can hold; the richest PDF of the public corpora has 8,070."""
NESTING_LIMIT = 100
"""Arrays and dictionaries inside each other."""

_ACTIONS = frozenset(
    "/" + name
    for name in (
        *("JavaScript", "Launch", "SubmitForm", "ImportData", "GoToR", "GoToE", "GoTo3DView"),
        *("Rendition", "RichMediaExecute", "Movie", "Sound"),
    )
)
_ANNOTATIONS = frozenset(("/RichMedia", "/3D", "/Movie", "/Sound", "/Screen"))
_KEYS = frozenset(("/JS", "/JavaScript", "/AA", "/XFA", "/RichMediaContent", "/RichMediaSettings"))
_HARMLESS = "xref entry for the xref stream itself is missing"
"""Warning of qpdf on all that PDFBox 3 writes; no object is concerned, and readers agree on it."""
_BLANK = b" \t\r\n\x0c\x00"

pikepdf.settings.set_qpdf_limits(
    doc_max_warnings=50,
    parser_max_nesting=NESTING_LIMIT,
    parser_max_container_size=200_000,
    max_stream_filters=4,
    flate_max_memory=UNPACKED_LIMIT,
    png_max_memory=UNPACKED_LIMIT,
    tiff_max_memory=UNPACKED_LIMIT,
    run_length_max_memory=UNPACKED_LIMIT,
    dct_max_memory=64_000_000,
)


def refusal(
    rule: str, says: str, *, found: str | None = None, expected: str | None = None, fix: str | None = None
) -> Unreadable:
    """A PDF that is not taken, as one fatal finding."""
    return Unreadable((Finding(rule, Severity.FATAL, "pdf", says, found=found, expected=expected, fix=fix),))


@contextmanager
def opened(data: bytes) -> Iterator[Pdf]:
    """A PDF that was looked through, to be read only.

    Raises Unreadable: PDF-SIZE, PDF-SYNTAX, PDF-TRAILING, PDF-ENCRYPTED, PDF-ACTIVE; also for damage met while reading.
    """
    with examined(data) as (pdf, active):
        if active:
            raise refusal(
                "PDF-ACTIVE",
                "The PDF holds something that could act, reach out or change what is shown.",
                found=active,
                fix="Print the document to a plain PDF and attach the invoice to that.",
            )
        yield pdf


@contextmanager
def examined(data: bytes) -> Iterator[tuple[Pdf, str]]:
    """A PDF that was looked through, and the first thing in it that could act, or an empty text.

    For those who tell what a PDF is; who takes something of it uses `opened`. Raises the same but for PDF-ACTIVE.
    """
    _check_ends(data)
    try:
        with pikepdf.open(BytesIO(data), attempt_recovery=False, suppress_warnings=True) as pdf:
            if pdf.is_encrypted:
                raise refusal("PDF-ENCRYPTED", "The PDF is encrypted.", fix="Send it without encryption.")
            active = _Walk().through(pdf)
            # A part that we cannot read may be one that others read.
            if warnings := [one for one in pdf.get_warnings() if _HARMLESS not in str(one)]:
                says = "The PDF is damaged: a part of it cannot be read, or unpacks to too much."
                found = str(warnings[0]).rpartition(">, ")[2][:200]
                raise refusal("PDF-SYNTAX", says, found=found, fix="Send it again, whole.")
            yield pdf, active
    except pikepdf.PasswordError:
        raise refusal("PDF-ENCRYPTED", "The PDF is protected by a password.", fix="Send it unprotected.") from None
    except (pikepdf.PdfError, ValueError, RuntimeError, TypeError, OverflowError, RecursionError) as broken:
        raise refusal("PDF-SYNTAX", "The PDF is damaged or incomplete.", fix="Send it again, whole.") from broken


def revisions(data: bytes) -> int:
    """How often the file was written: 1, and one more for each update appended to it."""
    return max(1, data.count(b"%%EOF") - data.count(b"/Linearized", 0, 1024))


def _check_ends(data: bytes) -> None:
    if len(data) > SIZE_LIMIT:
        raise refusal("PDF-SIZE", f"A PDF has at most {SIZE_LIMIT} bytes.", found=str(len(data)))
    if not data.startswith(b"%PDF-"):
        raise refusal("PDF-SYNTAX", "The bytes do not start as a PDF does.", expected="%PDF- at the very beginning")
    end = data.rfind(b"%%EOF")
    if end < 0:
        raise refusal("PDF-SYNTAX", "The PDF is incomplete: it has no end.", fix="Send it again, whole.")
    after = data[end + 5 :].strip(_BLANK)
    if after:
        raise refusal("PDF-TRAILING", "Bytes follow the end of the PDF.", found=f"{len(after)} bytes")


class _Walk:
    """One look through all objects of a PDF, which ends when there are too many values."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = VALUES_LIMIT

    def through(self, pdf: Pdf) -> str:
        """The first thing found that could act, or an empty text. Raises Unreadable: PDF-SIZE."""
        for number, generation in pdf.get_xref_table():  # one after the other; `pdf.objects` would unpack all at once
            item = pdf.get_object(number, generation)
            self._count(0)
            if isinstance(item, Stream):
                if "/F" in item.stream_dict:
                    return "a stream kept in another file"
                found = self._inside(item.stream_dict, 0)
            else:
                found = self._inside(item, 0)
            if found:
                return found
        return self._inside(pdf.trailer, 0)

    def _inside(self, item: Any, depth: int) -> str:
        """Looks through one object; what it refers to is an object of its own and comes by itself."""
        if depth > NESTING_LIMIT:
            return "objects nested too deep to look through"
        if isinstance(item, Dictionary):
            self._count(len(item))
            for key, value in item.items():
                if found := _active_entry(key, value) or self._below(value, depth):
                    return found
        elif isinstance(item, Array):
            self._count(len(item))
            for value in item:
                if found := self._below(value, depth):
                    return found
        return ""

    def _below(self, value: Any, depth: int) -> str:
        return "" if getattr(value, "is_indirect", False) else self._inside(value, depth + 1)

    def _count(self, values: int) -> None:
        self._left -= values + 1
        if self._left < 0:
            raise refusal("PDF-SIZE", f"The PDF holds more than {VALUES_LIMIT} values; no more are read.")


def _active_entry(key: str, value: Any) -> str:
    if key in _KEYS:
        return key.removeprefix("/")
    if not isinstance(value, Name):
        return ""
    name = str(value)
    bad = (
        (key == "/S" and name in _ACTIONS)
        or (key == "/Subtype" and name in _ANNOTATIONS)
        or (key == "/FS" and name == "/URL")
    )
    return name.removeprefix("/") if bad else ""


# Reading what may be anything ----------------------------------------------------------------------------------------


def dictionary(value: Any) -> Dictionary | None:
    """The value if it is a dictionary."""
    return value if isinstance(value, Dictionary) and not isinstance(value, Stream) else None


def items(value: Any) -> list[Any]:
    """The items of an array; none if it is something else."""
    return list(value) if isinstance(value, Array) else []


def text(value: Any) -> str:
    """A string as text, a name without its slash, anything else as nothing."""
    if isinstance(value, Name):
        return str(value).removeprefix("/")
    return str(value) if isinstance(value, str | pikepdf.String) else ""


def unpacked(stream: Stream) -> bytes:
    """The bytes of an attachment. Raises Unreadable: PDF-SIZE, PDF-SYNTAX."""
    found = stream.get("/Filter")
    filters = items(found) if isinstance(found, Array) else [found]
    try:
        if filters == [Name.FlateDecode] and stream.get("/DecodeParms") is None:
            data, whole = _inflated(stream.read_raw_bytes())
        else:
            data, whole = stream.read_bytes(), True
    except (pikepdf.PdfError, zlib.error) as broken:
        raise refusal("PDF-SYNTAX", "An attachment of the PDF is damaged.", fix="Send it again, whole.") from broken
    if len(data) > ATTACHMENT_LIMIT:
        raise refusal("PDF-SIZE", f"An attachment of the PDF unpacks to more than {ATTACHMENT_LIMIT} bytes.")
    if not whole:
        raise refusal("PDF-SYNTAX", "An attachment of the PDF is incomplete.", fix="Send it again, whole.")
    return data


def _inflated(packed: bytes) -> tuple[bytes, bool]:
    """What packed bytes unpack to, one byte beyond the limit at most, and whether that is all there is."""
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(packed, ATTACHMENT_LIMIT + 1)
    return data, unpacker.eof or not packed


def leaves(root: Any) -> Iterator[tuple[str, Any]]:
    """Every key and value of a name tree, in order; a tree that bites its tail ends all the same."""
    seen: set[tuple[int, int]] = set()
    todo: list[Any] = [root]
    while todo:
        node = dictionary(todo.pop())
        if node is None or _met(node, seen):
            continue
        names = items(node.get("/Names"))
        yield from ((text(key), value) for key, value in zip(names[::2], names[1::2], strict=False))
        todo.extend(reversed(items(node.get("/Kids"))))


def _met(node: Object, seen: set[tuple[int, int]]) -> bool:
    if not node.is_indirect:
        return False
    if node.objgen in seen:
        return True
    seen.add(node.objgen)
    return False
