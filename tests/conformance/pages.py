"""The readable page held against the XML it was made of: what of the XML's values does its text not say?

The comparison reads the XML itself, not our model, so that a value the model lost without a word is found missing too;
elements that it names as unknown are left out, as they are told to whoever submits them. Run as a module
it goes through the public corpus: `python -m tests.conformance.pages` prints what could not be typeset, every value
that is missing, and the twelve hardest invoices (most different elements, longest, oddest) as a table.
"""

from __future__ import annotations

import json
import re
import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from io import BytesIO
from pathlib import Path

from lxml import etree
from pypdf import PdfReader

from schemas.catalogue import FORMATS
from schemas.formats.facturx import page
from schemas.formats.facturx.extract import extract
from schemas.formats.facturx.wording import Writer
from schemas.xml import Unreadable, name_of, parse
from tests.schemas.sample_invoice import invoice as sample

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
KINDS = ("cii", "ubl-invoice", "ubl-creditnote", "facturx-pdf")
AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
HARDEST = 12

_WORDS_ONLY = {
    "units": frozenset(("unitCode",)),
    "countries": frozenset(("CountryID", "IdentificationCode", "OriginTradeCountry")),
}
"""Codes that the page may tell in the reader's words alone, with the table of words."""
_SYNTAX = frozenset(
    ("currencyID", "format", "name", "listID", "listAgencyID", "listVersionID", "languageID", "schemeAgencyID",
     "schemeVersionID", "encodingCode", "schemaLocation", "characterSetCode", "uri")
)  # fmt: skip
"""Attributes that belong to the syntax or repeat what stands elsewhere; schemeVersionID is in the classification."""
_BINARY = frozenset(("AttachmentBinaryObject", "EmbeddedDocumentBinaryObject", "IncludedBinaryObject"))
_STRUCTURE = frozenset(
    ("ChargeIndicator", "Indicator", "TestIndicator", "CopyIndicator", "UBLVersionID", "LineCountNumeric")
)
_CONSTANT = frozenset(("VAT", "VA", "FC", "TAX", "true", "false", "DETAIL", "LOC"))
_PLACEHOLDERS = frozenset(("Project reference", "NA"))
"""What a syntax wants where the invoice has nothing to say."""
_TAX_POINTS = {"5": "3", "29": "35", "72": "432"}
"""Codes of BT-8 in CII, and those of the norm for the same."""
_REFERENCE_TYPES = frozenset(("916", "130", "50", "AAJ", "ACD"))


@dataclass(frozen=True, slots=True)
class Compared:
    """One invoice and its page."""

    name: str
    elements: int
    """Different element paths with a value."""
    values: int
    """Values compared."""
    lines: int
    pages: int
    size: int
    milliseconds: float
    """Of processor time, warm; nothing of this invoice is remembered."""
    missing: tuple[str, ...]


def compare(name: str, xml: bytes, language: str = "fr") -> Compared:
    """Typeset an invoice and look for each value of its XML in the text of the page."""
    root = name_of(parse(xml).getroot())
    reading = next(one for one in FORMATS.values() if one.root == root).read(xml)
    invoice = reading.invoice
    start = time.process_time()
    pdf = page.typeset(invoice, language=language, created=AT)
    spent = time.process_time() - start
    sheets = PdfReader(BytesIO(pdf)).pages
    printed = normal("".join(one.extract_text() for one in sheets))
    unknown = {re.sub(r"\[\d+\]|\w+:", "", path).strip("/").partition("/")[2] for path in reading.unknown}
    found = [one for one in values(xml) if not any(one[0] == path or one[0].startswith(f"{path}/") for path in unknown)]
    missing = tuple(f"{path} = {text[:80]}" for path, text in found if not stands(path, text, printed, language))
    paths = {path for path, _ in found}
    return Compared(name, len(paths), len(found), len(invoice.lines), len(sheets), len(pdf), spent * 1000, missing)


def normal(text: str) -> str:
    """Without white space and marks of the layout, composed."""
    return "".join(unicodedata.normalize("NFC", text).replace("\u200b", "").split())


def values(xml: bytes) -> Iterator[tuple[str, str]]:
    """Every value of an XML invoice that a reader could miss: path of its element or attribute, and the value."""
    root = parse(xml).getroot()
    for element in root.iter():
        names = [name_of(one)[1] for one in (element, *element.iterancestors())][::-1]
        if any(name in ("UBLExtensions", "Signature") for name in names):
            continue
        text = (element.text or "").strip()
        if text and not len(element) and not _structural(names, text):
            yield "/".join(names[1:]), text
        for key, value in element.attrib.items():
            bare = str(key).rpartition("}")[2]
            if bare not in _SYNTAX and str(value).strip() and names[-1] not in _BINARY | _STRUCTURE:
                yield "/".join([*names[1:], f"@{bare}"]), str(value).strip()


def _structural(names: list[str], text: str) -> bool:
    """Whether a value belongs to the syntax: which kind of reference, which kind of tax, whether a charge."""
    own, owner = names[-1], names[-2] if len(names) > 1 else ""
    if own in _BINARY | _STRUCTURE or (text in _CONSTANT and own in ("TypeCode", "ID", "LineStatusReasonCode")):
        return True
    if text in _PLACEHOLDERS or "/".join(names[-3:]) == "PartyTaxScheme/TaxScheme/ID":
        return True
    kind = own in ("TypeCode", "DocumentTypeCode", "ReferenceTypeCode") and text in _REFERENCE_TYPES
    return kind and "Document" in owner + own


def stands(path: str, text: str, printed: str, language: str) -> bool:
    """Whether a value stands in the text of a page."""
    own = path.rpartition("/")[2].lstrip("@")
    wanted = normal(re.sub(r"^#[A-Z]{3}#", "", text) if own == "Note" else text)
    if own == "DueDateTypeCode":
        wanted = normal(Writer(language, "EUR").known("tax_points", _TAX_POINTS.get(text, text)))
    if wanted in printed or any(form in printed for form in _forms(text, language)):
        return True
    for table, names in _WORDS_ONLY.items():
        if own in names and normal(Writer(language, "EUR").known(table, text)) in printed:
            return True
    if own == "schemeID" and (text in ("0002", "0009", "VA", "VAT", "FC", "UNCL5305") or "SIRE" in text):
        return True
    category = own in ("CategoryCode", "ID") and text == "S"
    return category or _drawable(text) in printed


def _forms(text: str, language: str) -> Iterator[str]:
    """How a number, a date or an account may be written."""
    writer = Writer(language, "EUR")
    for pattern in (r"(\d{4})(\d{2})(\d{2})", r"(\d{4})-(\d{2})-(\d{2})"):
        if day := re.fullmatch(pattern, text):
            with suppress(ValueError):
                yield normal(writer.date(date(*map(int, day.groups()))))
    with suppress(InvalidOperation):
        yield normal(writer.number(Decimal(text))).lstrip("\u2212-")


def _drawable(text: str) -> str:
    from schemas.formats.facturx.lettering import drawable

    return normal(str(drawable(text)))


def documents(*labels: str) -> Iterator[tuple[str, bytes]]:
    """The XML of every invoice of the corpus with one of these labels."""
    with (CORPUS / "manifest.jsonl").open(encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            if row["kind"] in KINDS and row["label"] in labels:
                data = (CORPUS / row["path"]).read_bytes()
                yield row["path"], extract(data).xml if row["kind"] == "facturx-pdf" else data


def main() -> int:
    """Print what is missing, what failed, and the hardest."""
    page.typeset(sample(), created=AT)  # so that the compiler is warm
    done: list[Compared] = []
    failed = 0
    for name, xml in documents("valid", *sys.argv[1:]):
        try:
            done.append(compare(name, xml))
        except (Unreadable, etree.LxmlError, RuntimeError) as wrong:
            failed += 1
            print(f"FAILED {name}: {type(wrong).__name__} {str(wrong)[:300]}")
    for one in done:
        for value in one.missing:
            print(f"MISSING {one.name}: {value}")
    whole = sum(not one.missing for one in done)
    print(f"{len(done)} typeset, {failed} failed; every value found on {whole} of {len(done)}")
    print("| invoice | elements | values | lines | pages | bytes | ms | found |\n|---|---|---|---|---|---|---|---|")
    for one in hardest(done):
        found = f"{one.values - len(one.missing)}/{one.values}"
        print(
            f"| {one.name} | {one.elements} | {one.values} | {one.lines} | {one.pages} | {one.size:,} "
            f"| {one.milliseconds:.1f} | {found} |"
        )
    return 1 if failed or whole < len(done) else 0


def hardest(done: list[Compared]) -> list[Compared]:
    """Most different elements first, two of each source at most, and the longest two among them."""
    unique: list[Compared] = []
    for one in sorted(done, key=lambda one: (-one.elements, -one.values, one.name)):
        source = one.name.partition("/")[0]
        if sum(other.name.startswith(f"{source}/") for other in unique) < 2:
            unique.append(one)
    longest = sorted(unique, key=lambda one: -one.lines)[:2]
    return [*longest, *(one for one in unique if one not in longest)][:HARDEST]


if __name__ == "__main__":
    sys.exit(main())
