"""What is taken out of a page so that the strict check of PDF/A-3 accepts it, and nothing anyone sees.

The checker approves only what it knows. Some of what it does not know is optional, or says where a reader opens the
file rather than what stands on the page; that is removed, for the page of ours (`make_strict`) and, more of it, for a
PDF that a caller supplies (`drop_unseen`). Contents, fonts, images and colours are never touched: a PDF that would need
that is not mended but refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pikepdf import Array, Dictionary, Name, Pdf, Stream, String

from schemas.formats.facturx.door import dictionary, items

_PROGRAMS = ("/FontFile", "/FontFile2", "/FontFile3")


def make_strict(pdf: Pdf) -> None:
    """What Typst writes and the checker does not read: optional CIDSets, destinations of outlines kept apart."""
    for number, generation in pdf.get_xref_table():
        item = pdf.get_object(number, generation)
        if isinstance(item, Stream) or not isinstance(item, Dictionary | Array):
            continue
        written = item.unparse(resolved=True)  # most objects hold neither, and this tells without taking them apart
        if b"/CIDSet" in written:
            _remove_within(item, "/CIDSet")
        if b"/Dest" in written and "/Title" in item and isinstance(item.get("/Dest"), Array):
            item["/Dest"] = Array(items(item["/Dest"]))


def tidy_fonts(pdf: Pdf) -> None:
    """What font programs carry of themselves, and how their descriptions are put together; no glyph is touched."""
    for font in _fonts(pdf):
        _tidy(font)


def drop_unseen(pdf: Pdf) -> None:
    """What PDFs of others hold besides.

    The files attached to the document leave here too: the caller has read them, and puts them back with what PDF/A-3
    asks of each.
    """
    tidy_fonts(pdf)
    catalog = dictionary(pdf.Root)
    assert catalog is not None
    _remove(catalog, "/AF")
    _remove(dictionary(catalog.get("/Names")), "/EmbeddedFiles")
    _remove(dictionary(pdf.trailer), "/DocChecksum")
    if catalog.get("/PageMode") == Name.UseAttachments:  # allowed by the standard
        _remove(catalog, "/PageMode")
    if _is_jump(catalog.get("/OpenAction")):
        _remove(catalog, "/OpenAction")
    form = dictionary(catalog.get("/AcroForm"))
    if form is not None and not items(form.get("/Fields")):
        _remove(catalog, "/AcroForm")


def intends_other_colours(pdf: Pdf) -> bool:
    """Whether colours without a profile are meant for a printing press or in gray, not for a screen."""
    intents = [dictionary(intent) for intent in items(pdf.Root.get("/OutputIntents"))]
    profiles = [intent.get("/DestOutputProfile") for intent in intents if intent is not None]
    return any(isinstance(profile, Stream) and profile.get("/N") in (1, 4) for profile in profiles)


def _fonts(pdf: Pdf) -> Iterator[Dictionary]:
    """Every font, and the descendant fonts that stand inside another."""
    for item in _dictionaries(pdf):
        if item.get("/Type") == Name.Font:
            yield item
            for descendant in items(item.get("/DescendantFonts")):
                font = dictionary(descendant)
                if font is not None and not font.is_indirect:
                    yield font


def _dictionaries(pdf: Pdf) -> Iterator[Dictionary]:
    return (item for item in map(dictionary, pdf.objects) if item is not None)


def _tidy(font: Dictionary) -> None:
    """No metadata at font programs, strings in place, and no entry that means something in descendant fonts only."""
    if font.get("/Subtype") == Name.Type0:
        _remove(font, "/CIDToGIDMap")
    system = dictionary(font.get("/CIDSystemInfo"))
    if system is not None:
        font["/CIDSystemInfo"] = Dictionary({key: _direct(value) for key, value in system.items()})
    descriptor = dictionary(font.get("/FontDescriptor"))
    for key in _PROGRAMS if descriptor is not None else ():
        program = descriptor.get(key) if descriptor is not None else None
        if isinstance(program, Stream):
            _remove(program.stream_dict, "/Metadata")
            _remove(program.stream_dict, "/Type")


def _direct(value: Any) -> Any:
    return String(bytes(value)) if isinstance(value, String) else value


def _is_jump(value: Any) -> bool:
    """A destination, or an action that goes to one and does nothing after."""
    action = dictionary(value)
    if action is not None:
        return action.get("/S") == Name.GoTo and "/Next" not in action
    return isinstance(value, Array | String | Name)


def _remove_within(item: Any, key: str) -> None:
    """Also from the dictionaries inside, which are no objects of their own."""
    found = dictionary(item)
    _remove(found, key)
    for value in found.values() if found is not None else items(item):
        if not getattr(value, "is_indirect", False):
            _remove_within(value, key)


def _remove(item: Dictionary | None, key: str) -> None:
    if item is not None and key in item:
        del item[key]
