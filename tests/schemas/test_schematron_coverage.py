"""Nearly every assertion of every official stylesheet fires on documents of ours, and then SaxonC has said the same.

The documents are kept under tests/samples/oracle/aimed with what SaxonC said of them (`python -m
tests.conformance.coverage` looks for them and asks). Here our engine is asked alone: id, flag, role, location and text
of all that fires must be SaxonC's. The assertions that fire on none are listed, each with the reason why it cannot, and
the reasons are held to the rules themselves.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache

import pytest

from schemas.schematron import store
from schemas.schematron.program import Program
from tests.conformance.coverage import Kept, alone, fired, kept, schema_of
from tests.conformance.rules import SHEETS, Sheet, find, ours, sealed
from tests.schemas.aimed import Target, targets
from tests.schemas.unreachable import holds_always, is_kept_out, is_shadowed

LEAST = 0.95
"""The share of the assertions of a stylesheet that must fire."""


class Reason(StrEnum):
    """Why an assertion fires on no document."""

    HOLDS = "it holds whatever the document is: true(), a thing or its opposite, what its own context has asked for"
    SHADOWED = "a stronger rule of the same pattern, for the same elements, is always the one that is applied"
    KEPT_OUT = "a rule on an element further up does not let the pattern go on inside it"
    ERROR = "it asks that something be there once; two of it end another rule in an error, so that there is no report"


REST: dict[str, dict[Reason, dict[int, str]]] = {
    "facturx-minimum": {},
    "facturx-basicwl": {
        Reason.HOLDS: {17: "BR-CO-05", 24: "BR-CO-06", 97: "CII-SR-464", 112: "BR-AF-09", 114: "BR-AG-09"},
        Reason.ERROR: {311: "FX-SCH-A-000190", 312: "FX-SCH-A-000191", 317: "FX-SCH-A-000193"},
    },
    "facturx-basic": {
        Reason.HOLDS: {
            21: "FX-SCH-A-000064",
            28: "FX-SCH-A-000071",
            56: "FX-SCH-A-000216",
            62: "FX-SCH-A-000222",
            127: "FX-SCH-A-000349",
            147: "FX-SCH-A-000146",
            150: "FX-SCH-A-000148",
        },
        Reason.ERROR: {378: "FX-SCH-A-000190", 379: "FX-SCH-A-000191", 384: "FX-SCH-A-000193"},
    },
    "facturx-en16931": {
        Reason.HOLDS: {
            21: "BR-CO-05",
            28: "BR-CO-06",
            56: "BR-CO-07",
            62: "BR-CO-08",
            130: "CII-SR-464",
            150: "BR-AF-09",
            153: "BR-AG-09",
        },
        Reason.ERROR: {
            243: "FX-SCH-A-000558",
            250: "FX-SCH-A-000559",
            253: "FX-SCH-A-000561",
            260: "FX-SCH-A-000562",
            263: "FX-SCH-A-000564",
            273: "FX-SCH-A-000565",
            504: "FX-SCH-A-000190",
            505: "FX-SCH-A-000191",
            509: "FX-SCH-A-000290",
            511: "FX-SCH-A-000193",
        },
    },
    "facturx-extended": {
        Reason.HOLDS: {
            43: "BR-CO-05",
            81: "BR-CO-07",
            152: "CII-SR-464",
            166: "BR-AF-09",
            167: "BR-AG-09",
            987: "",
            1147: "",
            1382: "",
        },
        Reason.ERROR: {
            261: "FX-SCH-A-000558",
            269: "FX-SCH-A-000640",
            272: "FX-SCH-A-000561",
            280: "FX-SCH-A-000643",
            283: "FX-SCH-A-000564",
            294: "FX-SCH-A-000647",
            1039: "FX-SCH-A-000190",
            1040: "FX-SCH-A-000191",
            1044: "FX-SCH-A-000290",
            1046: "FX-SCH-A-000193",
            1384: "FX-SCH-A-000382",
        },
        Reason.KEPT_OUT: {
            571: "FX-SCH-A-000037",
            573: "FX-SCH-A-000413",
            1176: "FX-SCH-A-001053",
            1178: "FX-SCH-A-001055",
            1453: "FX-SCH-A-001167",
            1455: "FX-SCH-A-001169",
        },
    },
    "extended-ctc-fr-cii": {
        Reason.HOLDS: {9: "BR-CO-05", 16: "BR-CO-06", 78: "BR-CO-07", 84: "BR-CO-08", 745: "BR-EXT-CL-07"},
        Reason.SHADOWED: {117: "BR-AF-09", 127: "BR-AG-09", 657: "CII-DT-010", 658: "CII-DT-011", 659: "CII-DT-012"},
        Reason.ERROR: {
            618: "CII-SR-477",
            619: "CII-SR-478",
            620: "CII-SR-479",
            621: "CII-SR-480",
            622: "CII-SR-481",
            623: "CII-SR-482",
            625: "CII-SR-484",
            628: "CII-SR-487",
        },
    },
    "br-fr-cii": {
        Reason.SHADOWED: {127: "BR-FR-DEC-01_BT-111"},
    },
    "en16931-ubl": {
        Reason.HOLDS: {8: "BR-CO-05", 15: "BR-CO-06", 108: "BR-CO-07", 114: "BR-CO-08"},
        Reason.ERROR: {917: "UBL-SR-09", 923: "UBL-SR-15", 950: "UBL-SR-27", 954: "UBL-SR-22"},
    },
    "extended-ctc-fr-ubl": {
        Reason.HOLDS: {9: "BR-CO-05", 16: "BR-CO-06", 102: "BR-CO-07", 108: "BR-CO-08"},
        Reason.ERROR: {887: "UBL-SR-09", 893: "UBL-SR-15", 915: "UBL-SR-27", 919: "UBL-SR-22"},
    },
    "br-fr-ubl": {
        Reason.SHADOWED: {52: "BR-FR-16_BT-103", 131: "BR-FR-DEC-01_BT-111"},
    },
    "br-fr-cdv": {
        Reason.HOLDS: {
            1: "BR-FR-CDV-01_MDG-3",
            4: "BR-FR-CDV-04_MDG-4",
            5: "BR-FR-CDV-05_MDG-9",
            6: "BR-FR-CDV-06_MDT-21",
            11: "BR-FR-CDV-10_MDT-87",
        },
        Reason.SHADOWED: {8: "BR-FR-CDV-07_MDT-38_no"},
    },
    "flux10": {},
}
"""Stylesheet → reason → the place of each assertion that never fires, and its id."""

MOST = {"br-fr-cdv": 36 / 42}
"""Where fewer can fire than must: of the 42 assertions of this one, 6 are shown below to be unable to."""


@cache
def _targets(sheet: Sheet) -> tuple[Target, ...]:
    return targets(schema_of(sheet))


@cache
def _program(sheet: Sheet) -> Program:
    return store.load(find(sheet), store.default_cache())


def _shown(rows: tuple[Kept, ...]) -> set[int]:
    return {number for row in rows if not row.alone for number in row.fires}


sheets = pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)


@sheets
def test_our_engine_says_of_each_document_what_the_oracle_said(sheet: Sheet) -> None:
    path, rows = find(sheet), kept(sheet)
    differing = [row.fires for row in rows if sealed(ours(path, row.xml.encode())) != row.verdict]
    assert rows
    assert differing == []
    assert all(row.verdict == "error" for row in rows if row.alone)


@sheets
def test_nearly_every_assertion_fires(sheet: Sheet) -> None:
    rows = kept(sheet)
    seen = set[int]()
    for row in rows:
        if not row.alone:
            numbers = fired(_program(sheet), row.xml.encode())
            assert numbers is not None
            assert set(row.fires) <= numbers
            seen |= numbers
    total = len(_targets(sheet))
    unfired = {target.number: target.assertion.id for target in _targets(sheet) if target.number not in seen}
    listed = {number: name for group in REST[sheet.name].values() for number, name in group.items()}
    assert unfired == listed
    assert len(seen) / total >= MOST.get(sheet.name, LEAST)
    proved = sum(len(REST[sheet.name].get(reason, ())) for reason in (Reason.HOLDS, Reason.SHADOWED, Reason.KEPT_OUT))
    assert len(seen) / (total - proved) >= LEAST


@sheets
def test_the_reasons_hold(sheet: Sheet) -> None:
    ends = {number: row for row in kept(sheet) if row.alone for number in row.fires}
    schema, path = schema_of(sheet), find(sheet)
    for reason, group in REST[sheet.name].items():
        for number in group:
            target = _targets(sheet)[number]
            match reason:
                case Reason.HOLDS:
                    assert holds_always(target), number
                case Reason.SHADOWED:
                    assert is_shadowed(target), number
                case Reason.KEPT_OUT:
                    assert is_kept_out(target), number
                case Reason.ERROR:
                    data = ends[number].xml.encode()
                    assert fired(alone(schema, target, path), data), number
                    assert fired(_program(sheet), data) is None, number


@sheets
def test_nothing_that_fires_is_called_unable_to(sheet: Sheet) -> None:
    for number in _shown(kept(sheet)):
        target = _targets(sheet)[number]
        assert not holds_always(target), number
        assert not is_shadowed(target), number
        assert not is_kept_out(target), number
