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

_CATALOG = frozenset(
    "/" + name
    for name in (
        *(
            "Type",
            "Version",
            "Extensions",
            "Pages",
            "PageLabels",
            "PageLayout",
            "PageMode",
            "Names",
            "Dests",
            "Outlines",
        ),
        *("ViewerPreferences", "OpenAction", "AA", "URI", "Metadata", "StructTreeRoot", "MarkInfo", "Lang", "AcroForm"),
        *("OutputIntents", "OCProperties", "Requirements", "Collection", "NeedsRendering", "AF"),
    )
)
"""Entries of a catalog that a reader acts upon (ISO 32000-1, table 28)."""
_PAGE = frozenset(
    "/" + name
    for name in (
        *("Type", "Parent", "Resources", "MediaBox", "CropBox", "BleedBox", "TrimBox", "ArtBox", "Contents", "Rotate"),
        *("Group", "Annots", "AA", "Metadata", "StructParents", "Tabs", "UserUnit"),
    )
)
"""Entries of a page that say what it shows (ISO 32000-1, table 30); others are for slide shows, presses, programs."""
_MARK_INFO = frozenset(("/Marked", "/UserProperties", "/Suspects"))
_INTENT = ("/Type", "/OutputCondition", "/OutputConditionIdentifier", "/RegistryName", "/Info", "/DestOutputProfile")
_SHARED = ("/Pattern", "/Shading", "/XObject", "/ExtGState", "/ColorSpace", "/Font", "/Properties")
"""Parts of the resources of a page."""
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
    _keep_only(catalog, _CATALOG)
    if str(catalog.get("/Version", "")) > "/1.7":  # as the file is saved
        _remove(catalog, "/Version")
    _keep_only(dictionary(catalog.get("/MarkInfo")), _MARK_INFO)
    _remove(dictionary(catalog.get("/ViewerPreferences")), "/Type")
    for page in pdf.pages:
        found = dictionary(page.obj)
        _keep_only(found, _PAGE)
        if found is not None and not isinstance(found.get("/Tabs"), Name):
            _remove(found, "/Tabs")
    for item in pdf.objects:
        if isinstance(item, Stream):
            _keep_drawing(item)
        elif (found := dictionary(item)) is not None:
            _drop_empty(found)
    for part in _tree(dictionary(catalog.get("/PageLabels"))):
        _bring_in(part, "/Nums")


def keeps_intent(pdf: Pdf) -> bool:
    """Whether the PDF says itself what its colours are meant for, by a profile; that is then its intent for PDF/A too.

    Colours without a profile would else be shown by another one and look otherwise.
    """
    intents = [intent for intent in map(dictionary, items(pdf.Root.get("/OutputIntents"))) if intent is not None]
    profiled = [intent for intent in intents if isinstance(intent.get("/DestOutputProfile"), Stream)]
    if not profiled:
        return False
    chosen = next((intent for intent in profiled if intent.get("/S") == Name.GTS_PDFA1), profiled[0])
    kept = {key: chosen[key] for key in _INTENT if key in chosen}
    pdf.Root.OutputIntents = Array([Dictionary({**kept, "/S": Name.GTS_PDFA1})])
    return True


def flatten_forms(pdf: Pdf) -> None:
    """Draw the fields of forms on their pages as they look now; a field has an appearance, the caller saw to it."""
    form = dictionary(pdf.Root.get("/AcroForm"))
    if form is not None and items(form.get("/Fields")):
        pdf.flatten_annotations("screen")
    _remove(dictionary(pdf.Root), "/AcroForm")


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
    elif font.get("/Subtype") == Name.CIDFontType2 and "/CIDToGIDMap" not in font:
        font["/CIDToGIDMap"] = Name.Identity  # the default, which PDF/A wants said
    system = dictionary(font.get("/CIDSystemInfo"))
    if system is not None:
        font["/CIDSystemInfo"] = Dictionary({key: _direct(value) for key, value in system.items()})
    descriptor = dictionary(font.get("/FontDescriptor"))
    for key in _PROGRAMS if descriptor is not None else ():
        program = descriptor.get(key) if descriptor is not None else None
        if isinstance(program, Stream):
            _remove(program.stream_dict, "/Metadata")
            _remove(program.stream_dict, "/Type")


def _drop_empty(item: Dictionary) -> None:
    """Parts of resources that hold nothing; of patterns and shadings the checker approves not even these."""
    for resources in (item, dictionary(item.get("/Resources"))):
        for key in _SHARED if resources is not None else ():
            part = dictionary(resources.get(key)) if resources is not None else None
            if part is not None and not len(part):
                _remove(resources, key)


def _keep_only(item: Dictionary | None, kept: frozenset[str]) -> None:
    for key in [key for key in item.keys() if key not in kept] if item is not None else []:  # noqa: SIM118
        _remove(item, key)


def _keep_drawing(stream: Stream) -> None:
    """What a picture or a drawing says of itself and of the program that made it goes; what it shows stays."""
    if stream.get("/Type") == Name.XObject or stream.get("/Subtype") in (Name.Image, Name.Form):
        for key in ("/Metadata", "/PieceInfo", "/LastModified"):
            _remove(stream.stream_dict, key)
    _drop_empty(stream.stream_dict)


def _tree(root: Dictionary | None) -> Iterator[Dictionary]:
    """The nodes of a number tree; one that bites its tail ends all the same."""
    todo, met = [root], set[tuple[int, int]]()
    while todo:
        node = todo.pop()
        if node is None or (node.is_indirect and node.objgen in met):
            continue
        met.add(node.objgen)
        yield node
        todo.extend(map(dictionary, items(node.get("/Kids"))))


def _bring_in(node: Dictionary, key: str) -> None:
    """Dictionaries that stand elsewhere into the array that refers to them."""
    found = [dictionary(value) for value in items(node.get(key))]
    if any(one is not None and one.is_indirect for one in found):
        node[key] = Array(
            value if one is None else Dictionary(dict(one.items()))
            for value, one in zip(items(node.get(key)), found, strict=True)
        )


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
