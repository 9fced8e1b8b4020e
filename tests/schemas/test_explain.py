"""Every assertion of every official artefact is explained, in both languages, and rightly."""

from __future__ import annotations

import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from schemas import explain, rulebook, sentences
from schemas.catalogue import artefacts
from schemas.judge import judge
from schemas.rulebook import Kind, Rules

TRANSACTIONS = (Path(__file__).parent.parent / "samples" / "flux10" / "transactions.xml").read_bytes()
ASSERTING = tuple(rules for rules in artefacts() if rules.artefact.kind is Kind.SCHEMATRON)


@pytest.mark.parametrize("rules", ASSERTING, ids=lambda rules: rules.artefact.file.rpartition("/")[2])
def test_every_assertion_is_explained_in_both_languages(rules: Rules) -> None:
    try:
        asserted = list(rulebook.asserted(rules))
    except rulebook.Missing as missing:
        pytest.skip(f"not installed: {missing}")
    assert len(asserted) > 30
    for rule, says in asserted:
        told = explain.explain(rule, says)
        assert told is not None, f"{rule}: {says}"
        assert not told.family, f"{rule} has its family's words alone: {says}"
        for english, french in (
            (told.title_english, told.title_french),
            (told.english, told.french),
            (told.fix_english, told.fix_french),
        ):
            assert english.strip(), rule
            assert french.strip(), rule
            assert english != french, rule


def test_all_twelve_artefacts_with_assertions_are_asked() -> None:
    assert len(ASSERTING) == 12


@pytest.mark.parametrize("name", ["norm", "france", "status", "reporting", "lists", "syntax", "families"])
def test_texts_are_whole(name: str) -> None:
    entries = tomllib.loads((explain.FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    assert entries
    for rule, entry in entries.items():
        assert set(entry) <= {"terms", "en", "fr"}, rule
        for language in ("en", "fr"):
            title, demand, fix = entry[language]
            assert len(title) <= 80, rule
            assert demand.endswith("."), rule
            assert fix.endswith("."), rule


@pytest.mark.parametrize(
    ("rule", "says", "demand", "fix"),
    [
        ("CII-SR-048", "ManufacturerAssignedID should not be present", "does not use ManufacturerAssignedID", "Leave"),
        ("UBL-CR-137", "A UBL invoice should not include the Signature", "does not use Signature", "Leave"),
        ("UBL-SR-03", "Despatch advice identifier shall occur maximum once", "at most once", "Keep"),
        ("FX-SCH-A-000566", "Element 'ram:URIID' must occur exactly 1 times.", "ram:URIID stands exactly once", "Give"),
        ("FX-SCH-A-1", "Element 'ram:ID' may occur at maximum 2 times.", "ram:ID stands at most 2 times", "Keep"),
        ("FX-SCH-A-2", "Attribute '@schemeID' is required in this context.", "needs its attribute @schemeID", "Add"),
        ("FX-SCH-A-3", "[BR-42]-Each allowance has a reason.", "Each allowance of a line has a reason", "Give"),
        ("BR-DEC-20", "", "VAT category tax amount (BT-117) has at most two decimals", "Round"),
        ("BR-CL-14", "", "ISO 3166-1", "Look"),
        ("BR-FXEXT-AE-08b", "", "reverse charge (AE): the base is lines", "Correct"),
        ("BR-FREXT-BR-22", "", "Each line that counts", "quantity"),
        ("BR-FR-05_BT-22-2", "", "subject PMD", "PMD"),
        ("BR-FR-01_EXT-FR-FE-136-1", "", "at most 35 characters", "Shorten"),
        ("BR-FR-01_EXT-FR-FE-136-2", "", "uses letters, digits", "Remove"),
        ("BR-FR-01_BT-1-2", "", "uses letters, digits", "Remove"),
        ("BR-FR-CDV-CL-03_MDT-40_23", "", "In the processing phase (23)", ""),
    ],
)  # fmt: skip
def test_a_rule_is_told_what_it_says(rule: str, says: str, demand: str, fix: str) -> None:
    told = explain.explain(rule, says)
    assert told is not None
    assert not told.family
    assert demand in told.english
    assert fix in told.fix_english


def test_a_sentence_of_another_shape_is_not_read() -> None:
    assert sentences.read("CII-SR-106", "ApplicableTradeDeliveryTerms should not be present except for one") is None
    assert sentences.read("BR-01", "Element 'ram:ID' must occur exactly 1 times.") is None
    told = explain.explain("CII-SR-999", "Something else is asked here")
    assert told is not None
    assert told.family


def test_ids_of_rules_without_one_do_not_change_with_the_amounts_of_a_document() -> None:
    found = []
    for amount in (b"91.00", b"97.31"):
        data = TRANSACTIONS.replace(b"<TaxExclusiveAmount>90.00<", b"<TaxExclusiveAmount>" + amount + b"<")
        assert data != TRANSACTIONS
        found.append([(one.rule, one.says) for one in judge(data).findings])
    (first, one), (second, other) = found[0][0], found[1][0]
    assert first == second == "FLUX10-G1.53"
    assert one != other, "the sentence names the amounts"
    assert [len(several) for several in found] == [1, 1]


def test_labels_and_digests_name_rules_without_an_id() -> None:
    assert rulebook.nameless("flux10", "[G1.53] The total (12) is wrong") == "FLUX10-G1.53"
    digests = [rulebook.nameless("facturx", f"Element '{name}' is marked as not used.") for name in "abc"]
    assert all(one.startswith("FACTURX-") and one != other for one, other in pairwise(digests))
    assert rulebook.nameless("facturx", "Element 'a' is marked as not used.") == digests[0]
