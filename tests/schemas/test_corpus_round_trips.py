"""Every valid document of the corpus, read and written again: in its own syntax, and through the other one and back.

By default each document is read, written and read again, and every fourth is also judged by the official rules;
ESTAFETTE_TEST_WHOLE=1 judges them all. What the rules say must be the same before and after, rule by rule and as often.
Each exception stands in a table with its reason, and a test fails when it is no longer needed (of rules: when all are
judged).
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache

import pytest

from schemas.catalogue import FORMATS, recognise
from schemas.finding import Report, Severity
from schemas.format import Format, Reading
from schemas.formats.ubl import format_for
from schemas.invoice import Invoice
from schemas.judge import judge
from schemas.loss import losses
from schemas.rulebooks.fr import EXTENDED_CTC_FR
from schemas.xml import Unreadable
from tests.conftest import CORPUS

WHOLE = bool(os.environ.get("ESTAFETTE_TEST_WHOLE"))
EVERY = 1 if WHOLE else 4
COUNTS = {"cii": 183, "facturx-pdf": 115, "ubl-invoice": 214, "ubl-creditnote": 19}
"""How many valid documents there are: a corpus that shrinks must not pass in silence."""
FACTURX_EXTENDED = "urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.slow,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the public corpus (../shared/corpus) is not here"),
]

_NO_DAY = "a date in no calendar, which the official rules pass and our reader refuses"
UNREADABLE = {
    "en16931-oracles/brfr/gaps-fr/cii-date-20260231.xml": _NO_DAY,
    "en16931-oracles/brfr/gaps-fr/cii-date-20260431.xml": _NO_DAY,
    "en16931-oracles/brfr/gaps-fr/cii-date-suffix.xml": _NO_DAY,
    "en16931-oracles/gaps/CII_business_example_Z-date-20151399.xml": _NO_DAY,
    "en16931-oracles/gaps/CII_business_example_Z-date-20260231.xml": _NO_DAY,
    "en16931-oracles/gaps/CII_business_example_Z-date-20260431.xml": _NO_DAY,
}
"""Documents labelled valid that are not read."""

SILENCED = {
    "PEPPOL-EN16931-R008": "warns of empty elements: we write none beyond those the schema demands",
    "UBL-CR-001": "warns of UBLExtensions, which hold what no model can know",
    "UBL-CR-125": "warns of a media type told of a document that lies elsewhere; the norm has one for enclosed files",
    "UBL-CR-129": "warns of a file name told of a document that lies elsewhere; the norm has one for enclosed files",
    "UBL-CR-170": "warns of an Italian tax regime (TaxLevelCode), no term of the norm or its extensions",
    "UBL-CR-397": "warns of a registration name beside the one name that the norm gives the party delivered to",
    "UBL-CR-513": "warns of withholding tax, no term of the norm or its extensions",
    "UBL-CR-679": "warns of an attribute that says again which code list a VAT category is of",
}
"""Rules that speak before and not after, all of them of elements that `Reading.unknown` names (but for empty ones)."""

RAISED = {
    ("mustang/validator/X03_01_Abschlagsrechnung_SubInvoiceLine_u_LV_Nr.xml", "PEPPOL-EN16931-R008"): (
        "its GROUP lines have no price and no quantity: the elements that the schema demands stay empty"
    ),
}
"""Rules that speak after and not before."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of the corpus, read."""

    path: str
    xml: bytes
    format: Format
    reading: Reading
    judged: bool
    """Whether the rules are asked about it in this run."""

    @property
    def invoice(self) -> Invoice:
        """What it says."""
        return self.reading.invoice


@cache
def _documents(kind: str) -> tuple[Document, ...]:
    found = []
    with (CORPUS / "manifest.jsonl").open(encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["kind"] == kind and row["label"] == "valid"]
    assert len(rows) == COUNTS[kind]
    for place, row in enumerate(rows):
        if row["path"] in UNREADABLE:
            continue
        known = recognise((CORPUS / row["path"]).read_bytes())
        assert known.xml is not None
        format = FORMATS[known.syntax]
        found.append(Document(row["path"], known.xml, format, format.read(known.xml), place % EVERY == 0))
    return tuple(found)


def _counted(report: Report) -> Counter[str]:
    return Counter(finding.rule for finding in report.findings)


def _fatal(report: Report) -> set[str]:
    return {finding.rule for finding in report.findings if finding.severity is Severity.FATAL}


def test_what_is_not_read_is_still_not_read() -> None:
    for path in UNREADABLE:
        with pytest.raises(Unreadable):
            FORMATS["cii"].read((CORPUS / path).read_bytes())


@pytest.mark.parametrize("kind", COUNTS)
def test_written_in_its_own_syntax_a_document_says_the_same(kind: str) -> None:
    """The second reading equals the first, nothing in it is unknown, and the rules find what they found before."""
    differing: list[tuple[str, object]] = []
    whole = judged = 0
    for one in _documents(kind):
        written = one.format.write(one.invoice)
        again = one.format.read(written)
        whole += not one.reading.unknown
        if again != Reading(one.invoice):
            differing.append((one.path, (losses(one.invoice, again.invoice), again.unknown)))
        if not one.judged:
            continue
        judged += 1
        before, after = _counted(judge(one.xml)), _counted(judge(written))
        silenced, raised = before - after, after - before
        unknown = bool(one.reading.unknown) or silenced.keys() <= {"PEPPOL-EN16931-R008"}
        if not (silenced.keys() <= SILENCED.keys() and unknown):
            differing.append((one.path, ("silenced", dict(silenced))))
        if any((one.path, rule) not in RAISED for rule in raised):
            differing.append((one.path, ("raised", dict(raised))))
    count = len(_documents(kind))
    print(
        f"\n{kind}: {count - len(differing)} of {count} the same, {judged} judged; {whole} without an unknown element"
    )
    assert differing == []


@pytest.mark.skipif(not WHOLE, reason="only when all documents are judged")
def test_the_exceptions_are_still_needed() -> None:
    silenced: set[str] = set()
    raised: set[tuple[str, str]] = set()
    for kind in COUNTS:
        for one in _documents(kind):
            before, after = _counted(judge(one.xml)), _counted(judge(one.format.write(one.invoice)))
            silenced.update(before - after)
            raised.update((one.path, rule) for rule in after - before)
    assert silenced == SILENCED.keys()
    assert raised == RAISED.keys()


LOST = {
    ("en16931-oracles/brfr/gaps-fr/ubl-pmd-ws.xml", "BT-22"): (
        "a note of nothing but spaces behind its subject code, which a CII document does not have as a text"
    ),
}
"""Terms of EN 16931 that a document loses on its way through the other syntax."""


def _of_the_norm(term: str, pointer: str) -> bool:
    """Whether a loss is of EN 16931-1:2017; fields that repeat or refine its terms (more_…, a network, …-0) are not."""
    number = re.fullmatch(r"B([TG])-([0-9]+)", term)
    extension = re.search(r"/more_|/network$|/gross_base", pointer)
    return number is not None and extension is None and int(number[2]) <= (165 if number[1] == "T" else 32)


def _through_the_other(one: Document) -> tuple[Format, bytes, Invoice]:
    """The other syntax, the document in it, and what is read there."""
    other = format_for(one.invoice.type_code) if one.format.name == "cii" else FORMATS["cii"]
    between = other.write(one.invoice)
    reading = other.read(between)
    assert reading.unknown == (), one.path
    return other, between, reading.invoice


@pytest.mark.parametrize("kind", COUNTS)
def test_through_the_other_syntax_nothing_of_the_norm_is_lost(kind: str) -> None:
    """CII → UBL → CII and UBL → CII → UBL: all of EN 16931 comes back, and the same bytes where all comes back."""
    differing, complete = [], 0
    for one in _documents(kind):
        _, _, back = _through_the_other(one)
        lost = losses(one.invoice, back)
        named = {loss.term for loss in lost if _of_the_norm(loss.term, loss.pointer)}
        if {term for term in named if (one.path, term) not in LOST}:
            differing.append((one.path, lost))
        if one.format.read(one.format.write(back)) != Reading(back):
            differing.append((one.path, lost))
        complete += not lost
    count = len(_documents(kind))
    print(f"\n{kind}: {count - len(differing)} of {count} keep all of EN 16931, {complete} of them everything")
    assert differing == []


def test_what_is_lost_is_still_lost() -> None:
    for path, term in LOST:
        one = next(each for kind in COUNTS for each in _documents(kind) if each.path == path)
        assert term in {loss.term for loss in losses(one.invoice, _through_the_other(one)[2])}


def _wide(invoice: Invoice, format: Format) -> Invoice:
    """An invoice of a profile beyond EN 16931 under the profile beyond EN 16931 that the other syntax has."""
    if "extended" not in invoice.profile and "extension" not in invoice.profile:
        return invoice
    return replace(invoice, profile=FACTURX_EXTENDED if format.name == "cii" else EXTENDED_CTC_FR)


LINELESS = ("urn:factur-x.eu:1p0:minimum", "urn:factur-x.eu:1p0:basicwl")
"""Profiles without lines, which UBL demands: what is made of them in UBL is no valid invoice, and is not judged."""

_CHORUS = "its scheme is a code of Chorus Pro (1, 2): the rules of CII for a profile of its own do not ask for more"
_TWO_IDS = "gives the buyer two identifiers, where EN 16931 has one; the rules for UBL count them, those for CII do not"
REFUSED = {
    ("gobl-cii/convert/choruspro/out/invoice-de-fr-choruspro.xml", "BR-CL-11"): _CHORUS,
    ("gobl-cii/convert/choruspro/out/invoice-fr-fr-choruspro.xml", "BR-CL-11"): _CHORUS,
    ("kosit-xrechnung-testsuite/business-cases/extension/04.05a-INVOICE_uncefact.xml", "BR-CL-21"): (
        "its schemes are codes that the extension of XRechnung allows and EXTENDED-CTC-FR does not"
    ),
    ("kosit-xrechnung-testsuite/business-cases/extension/04.05a-INVOICE_uncefact.xml", "BR-FREXT-CL-10"): (
        "its schemes are codes that the extension of XRechnung allows and EXTENDED-CTC-FR does not"
    ),
    ("lunatech-fixtures/errors/cii_sans_endpoint.xml", "BR-61"): (
        "a credit transfer without account, which Factur-X EXTENDED allows and EXTENDED-CTC-FR does not"
    ),
    ("mustang/validator/invalidV2Profile.xml", "UBL-SR-16"): _TWO_IDS,
    ("zugferd-csharp/demodata/zugferd20/zugferd_2p0_EN16931_SEPA_Prenotification.xml", "UBL-SR-16"): _TWO_IDS,
    **{
        (f"zugferd-corpus/ZUGFeRDv2/correct/intarsys/EN16931/zugferd_2p0_EN16931_{name}.pdf", "UBL-SR-16"): _TWO_IDS
        for name in ("2_Teilrechnung", "AbweichenderZahlungsempf", "Einfach", "Gutschrift", "SEPA_Prenotification")
    },
    ("cen-en16931/test/testfiles/ubl-tc434-test-1.xml", "FX-SCH-A-000570"): (
        "gives the buyer a registration under another scheme than VAT, for which EN 16931 has no term"
    ),
    ("cen-en16931/ubl/examples/sample-discount-price.xml", "BR-53"): (
        "names the invoice currency as VAT accounting currency again: one total is both in UBL, CII wants two"
    ),
}
"""Fatal rules that a valid document breaks in the other syntax."""

_ADVANCES = "the tax of its advance payments has no place in UBL (it is named as lost), and CII demands it"
LESS = {
    "ferd-zugferd-2.4/4._EXTENDED/EXTENDED_Projektabschlussrechnung/EXTENDED_Projektabschlussrechnung.xml": _ADVANCES,
    "ferd-zugferd-2.4/4._EXTENDED/EXTENDED_Projektabschlussrechnung/EXTENDED_Projektabschlussrechnung_fx.pdf": (
        _ADVANCES
    ),
    "phive-zugferd/2.5.2/extended/factur-x-17.xml": _ADVANCES,
}
"""Documents about which the rules say other things after the way there and back."""


def _lineless(one: Document) -> bool:
    return one.invoice.profile in LINELESS and one.format.name == "cii"


def _said(one: Document) -> tuple[set[str], tuple[dict[str, int], dict[str, int]]]:
    """The fatal rules in the other syntax; what the rules no longer say after the way back, and what they say anew."""
    other, _, back = _through_the_other(one)
    fatal = set() if _lineless(one) else _fatal(judge(other.write(_wide(one.invoice, other))))
    written, home = one.format.write(one.invoice), one.format.write(back)
    if written == home:
        return fatal, ({}, {})
    before, after = _counted(judge(written)), _counted(judge(home))
    return fatal, (dict(before - after), dict(after - before))


@pytest.mark.parametrize("kind", COUNTS)
def test_the_rules_accept_it_in_the_other_syntax_and_say_the_same_after_the_way_back(kind: str) -> None:
    refused, changed, needed = [], [], set()
    judged = [one for one in _documents(kind) if one.judged]
    for one in judged:
        fatal, difference = _said(one)
        needed |= {(one.path, rule) for rule in fatal}
        if any((one.path, rule) not in REFUSED for rule in fatal):
            refused.append((one.path, sorted(fatal)))
        if any(difference):
            needed.add((one.path, ""))
            changed.append((one.path, difference))
    lineless = sum(_lineless(one) for one in judged)
    accepted = len(judged) - lineless - len({path for path, rule in needed if rule})
    print(f"\n{kind}: {accepted} of {len(judged) - lineless} accepted in the other syntax ({lineless} without lines);")
    print(f"{len(judged) - len(changed)} of {len(judged)} judged the same after the way back")
    assert refused == []
    assert [each for each in changed if each[0] not in LESS] == []
    paths = {one.path for one in judged}
    listed = {*REFUSED, *((path, "") for path in LESS)}
    assert needed == {each for each in listed if each[0] in paths}, "an exception that is no longer needed"
