"""Our CII → UBL held against that of phax/en16931-cii2ubl, leaf by leaf: each difference belongs to an explained class.

Run as a program it prints the table: `python -m tests.schemas.test_corpus_cii2ubl`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pytest
from lxml import etree

from schemas.formats.cii import FORMAT as CII
from schemas.formats.ubl import format_for
from schemas.xml import name_of, parse
from tests.conftest import CORPUS

REFERENCE = CORPUS / "cii2ubl"
SOURCES = (REFERENCE / "cii", REFERENCE / "cii" / "issues", CORPUS / "kosit-xrechnung-testsuite")
PAIRS = 28

pytestmark = pytest.mark.corpus


@dataclass(frozen=True, slots=True)
class Difference:
    """A leaf or an attribute that only one of the two conversions has."""

    document: str
    path: str
    ours: bool
    value: str
    source: str
    """The text of the CII document."""


def _tag(*ends: str) -> Callable[[Difference], bool]:
    return lambda one: one.path.endswith(ends)


def _is_of_another_edition(one: Difference) -> bool:
    """Whether a document of the test suite has the value where we have it, and has not where the reference has it."""
    if one.path.endswith("/PaymentMeansCode"):
        return one.document == "01.21a-INVOICE_uncefact"
    suite = one.document.endswith("_uncefact") and ("/PartyName/" in one.path or "FinancialAccount/" in one.path)
    return suite and (f">{one.value}<" in one.source) is one.ours


CLASSES: Mapping[str, tuple[str, Callable[[Difference], bool]]] = {
    "order": (
        "a sales order without order: UBL demands cac:OrderReference/cbc:ID; the reference leaves it empty, which "
        "PEPPOL-EN16931-R008 refuses, we write NA",
        _tag("/OrderReference/ID"),
    ),
    "card": (
        "UBL demands cbc:NetworkID for a card; the reference writes its own name for it, we write NA",
        _tag("/CardAccount/NetworkID"),
    ),
    "scheme": (
        "BT-32 may have any scheme but VAT; the reference keeps CII's FC, we write TAX, and both read as BT-32",
        lambda one: one.path.endswith("/PartyTaxScheme/TaxScheme/ID") and one.value in ("FC", "TAX"),
    ),
    "unknown scheme": (
        "a registration of scheme VAT, which CII does not know (it says VA): the reference takes it, we report it as "
        "an element outside the model, and the rules of CII refuse the document",
        lambda one: one.document == "CII_example1a" and "/PartyTaxScheme/" in one.path and not one.ours,
    ),
    "sign": (
        "a negative price: the reference turns the signs of price and quantity, we write what the invoice says, and "
        "BR-27 refuses it in either syntax",
        _tag("/InvoicedQuantity", "/CreditedQuantity", "/PriceAmount"),
    ),
    "base": (
        "gross and net price are said to be for different quantities: UBL has one, the reference takes that of the "
        "gross price, we that of the net price, which is the price that counts (BT-149)",
        _tag("/Price/BaseQuantity"),
    ),
    "exemption": (
        "a VAT exemption reason on a line (BT-X-96), beyond EN 16931: the reference drops it, we keep it",
        lambda one: one.ours and one.path.endswith("/ClassifiedTaxCategory/TaxExemptionReason"),
    ),
    "edition": (
        "the reference was made from an earlier edition of the XRechnung test suite, which had other trading names and "
        "accounts than our source (and in 01.21a no account and means 1)",
        _is_of_another_edition,
    ),
    "account": (
        "an account to pay into under means 10 (cash): the reference drops it, we keep it",
        lambda one: one.document == "issue34" and one.ours and "/PayeeFinancialAccount/" in one.path,
    ),
}
"""Class → why the two differ, and which differences are meant; the first class that fits counts."""


def _pairs() -> Iterator[tuple[str, Path, Path]]:
    """Name, CII document, UBL document that the reference made of it."""
    for made in sorted((REFERENCE / "generated").rglob("*-ubl.xml")):
        name = made.name.removesuffix("-ubl.xml")
        source = next(one for folder in SOURCES for one in sorted(folder.rglob(f"{name}.xml")))
        yield name, source, made


def _leaves(element: etree._Element, above: str = "") -> Iterator[tuple[str, str]]:
    """Path and value of every leaf and attribute; numbers without trailing zeros, spaces folded."""
    path = f"{above}/{name_of(element)[1]}"
    for attribute, value in element.items():
        yield f"{path}/@{attribute!s}", str(value)
    if not len(element):
        yield path, _folded(element.text or "")
    for child in element:
        yield from _leaves(child, path)


def _folded(text: str) -> str:
    try:
        return format(Decimal(text.strip()).normalize(), "f")
    except InvalidOperation:
        return " ".join(text.split())


def _tree(element: etree._Element) -> tuple[object, ...]:
    """The document without its order, for comparing which leaves stand together."""
    children = sorted((_tree(child) for child in element), key=repr)
    return name_of(element), sorted(element.items()), _folded(element.text or ""), children


def _compared() -> Iterator[tuple[str, tuple[Difference, ...], bool]]:
    """Name, differences, and whether the two trees are the same."""
    for name, source, made in _pairs():
        data = source.read_bytes()
        invoice = CII.read(data).invoice
        theirs = parse(made.read_bytes()).getroot()
        ours = parse(format_for(invoice.type_code).write(invoice)).getroot()
        mine, reference, text = Counter(_leaves(ours)), Counter(_leaves(theirs)), data.decode()
        found = [Difference(name, path, True, value, text) for path, value in (mine - reference).elements()]
        found += [Difference(name, path, False, value, text) for path, value in (reference - mine).elements()]
        yield name, tuple(found), _tree(ours) == _tree(theirs)


def _class_of(difference: Difference) -> str | None:
    return next((name for name, (_, fits) in CLASSES.items() if fits(difference)), None)


def test_every_difference_is_explained() -> None:
    compared = alike = 0
    unexplained: list[tuple[str, str, bool, str]] = []
    seen: set[str | None] = set()
    for name, differences, same in _compared():
        compared += 1
        alike += same
        classes = {one: _class_of(one) for one in differences}
        unexplained += [(name, one.path, one.ours, one.value) for one, kind in classes.items() if kind is None]
        seen.update(classes.values())
        assert same is (not differences), f"{name}: the same leaves stand together otherwise"
    print(f"\ncii2ubl: {alike} of {compared} without a difference")
    assert unexplained == []
    assert compared == PAIRS
    assert seen == set(CLASSES), "a class that is no longer needed"


def test_the_reference_reads_as_the_invoice_it_was_made_of() -> None:
    """Its UBL is read as the invoice that its CII says, wherever the leaves are the same, and into the same root."""
    alike = {name for name, differences, _ in _compared() if not differences}
    for name, source, made in _pairs():
        invoice = CII.read(source.read_bytes()).invoice
        reading = format_for(invoice.type_code).read(made.read_bytes())
        assert name not in alike or (reading.invoice, reading.unknown) == (invoice, ()), name


def _table() -> None:
    found: dict[str | None, list[Difference]] = defaultdict(list)
    alike = compared = 0
    for _, differences, same in _compared():
        compared, alike = compared + 1, alike + same
        for one in differences:
            found[_class_of(one)].append(one)
    print(f"{alike} of {compared} conversions are the same")
    for name, (why, _) in CLASSES.items():
        documents = len({one.document for one in found[name]})
        print(f"{name:15} {len(found[name]):4} leaves in {documents:2} documents: {why}")
    for one in found[None]:
        print("unexplained:", one.document, one.path, "ours" if one.ours else "theirs", one.value)


if __name__ == "__main__":
    _table()
