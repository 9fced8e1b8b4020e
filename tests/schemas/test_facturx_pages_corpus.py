"""The page says every value of its XML: own samples, the hardest public invoices, and every eighth of all valid ones.

`python -m tests.conformance.pages` goes through all of them and prints the figures.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from schemas.catalogue import FORMATS
from schemas.formats.facturx.extract import extract
from schemas.xml import Unreadable
from tests.conformance.pages import compare, documents, stands
from tests.conftest import CORPUS
from tests.schemas.page_samples import PICTURES
from tests.schemas.sample_invoice import invoice as sample

SAMPLES = Path(__file__).parents[1] / "samples"
HARDEST = (
    "fnfe-facturx-1.08/EXTENDED/Facture_F20260031-LE_FOURNISSEUR-POUR-LE_CLIENT_EXTENDED.pdf",
    "kosit-xrechnung-testsuite/business-cases/extension/04.03a-INVOICE_ubl.xml",
    "peppol-bis3/snippets/Snippet-full.xml",
    "phive-zugferd/2.5.2/en16931/factur-x-4.xml",
    "zugferd-corpus/XML-Rechnung/CII/not_validating_full_invoice_based_onTest_EeISI_300_CENfullmodel.cii.xml",
)
UNREADABLE = "date-"
"""In the names of documents whose dates no calendar has; their label is that of rules which do not look."""


@pytest.mark.parametrize(
    "path", sorted(SAMPLES.glob("[cu]*/*voice*.xml")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_the_page_of_a_sample_says_all_of_its_xml(path: Path) -> None:
    found = compare(path.name, path.read_bytes())
    assert found.missing == ()
    assert found.values > 40


@pytest.mark.parametrize("language", ["fr", "en", "de"])
@pytest.mark.parametrize("name", ["sub-lines", "exemptions", "foreign-currency", "credit-note", "deposit"])
def test_the_page_of_an_invoice_of_ours_says_all_of_its_xml(name: str, language: str) -> None:
    assert compare(name, FORMATS["cii"].write(PICTURES[name][0]), language).missing == ()


def test_what_is_missing_is_noticed() -> None:
    xml = FORMATS["cii"].write(sample())
    other = xml.replace(b"rue des Tilleuls", b"rue des Ormes")
    assert other != xml
    assert stands("Line", "3 rue des Tilleuls", "3ruedesTilleuls", "fr")
    assert not stands("Line", "3 rue des Ormes", "3ruedesTilleuls", "fr")
    assert not stands("Amount", "1000.00", "999,00", "fr")
    assert stands("Amount", "1000.00", "1000,00", "fr")


@pytest.mark.corpus
@pytest.mark.parametrize("name", HARDEST)
def test_the_page_of_a_hard_invoice_says_all_of_its_xml(name: str) -> None:
    data = (CORPUS / name).read_bytes()
    assert compare(name, extract(data).xml if name.endswith(".pdf") else data).missing == ()


@pytest.mark.corpus
def test_the_pages_of_the_corpus_say_all_of_their_xml() -> None:
    wrong = []
    for name, xml in islice(documents("valid"), 0, None, 8):
        try:
            found = compare(name, xml)
        except Unreadable:
            assert UNREADABLE in name
            continue
        wrong += [f"{name}: {value}" for value in found.missing]
    assert wrong == []
