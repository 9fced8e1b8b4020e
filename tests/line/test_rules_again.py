"""Verdicts of the archive made again: the same to the byte, or told why not; and what a new edition would change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.commands import demo_invoices, rules_again
from gateway.lifecycle import Role, Stage
from gateway.worker import Worker
from schemas.editions import MANIFEST
from signing.chain import canonical
from tests.schemas.skeleton import Assert, Rule, stylesheet


async def _gathered(results: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one async for one in results]


def _edition(folder: Path, since: str, test: str) -> str:
    """An edition of BR-FR for CII with one rule; its SHA-256."""
    data = stylesheet((Rule("/*", (Assert(test, "OUR-01", "fatal"),)),))
    (folder / "ours.xslt").write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    (folder / MANIFEST).write_text(
        '[[edition]]\nname = "br-fr-cii"\nkind = "schematron"\npublisher = "us"\nedition = "2"\nfile = "ours.xslt"\n'
        f'sha256 = "{sha256}"\nsince = {since}\n'
    )
    return sha256


async def test_every_kept_verdict_is_made_again_to_the_byte(line: Any) -> None:
    documents = [await line.invoice(f"R-{syntax}", syntax=syntax) for syntax in ("json", "cii", "ubl-invoice")]
    broken = demo_invoices.broken()
    documents.append(await line.submit(broken.data, "json", broken.media_type))
    for document in documents:
        await line.until_tried(document)
    kept = await line.read(documents[0], Role.REPORT)
    assert kept == canonical(json.loads(kept))
    found = await rules_again.newest(line.pool, 10)
    assert [identifier for _, identifier in found] == documents[::-1]
    results = await _gathered(rules_again.replays(line.pool, line.resources.compute, found, None))
    assert [one["state"] for one in results] == ["same"] * 4
    assert [one["verdict"] for one in results] == ["invalid", "valid", "valid", "valid"]
    assert await rules_again.named(line.pool, documents[:1]) == [(found[-1][0], documents[0])]


async def test_a_verdict_is_replayed_by_its_own_edition_and_missed_when_that_is_gone(line: Any, tmp_path: Path) -> None:
    _edition(tmp_path, "2026-09-01", "true()")
    resources = replace(line.resources, rules=str(tmp_path))
    line.worker = Worker(resources, 4)
    document = await line.invoice("R-1")
    await line.until_tried(document)
    layers = {one["name"]: one["edition"] for one in json.loads(await line.read(document, Role.REPORT))["layers"]}
    assert layers["br-fr"].startswith("us 2 (")
    found = await rules_again.newest(line.pool, 1)
    (with_it,) = await _gathered(rules_again.replays(line.pool, resources.compute, found, str(tmp_path)))
    assert with_it["state"] == "same"
    (without,) = await _gathered(rules_again.replays(line.pool, resources.compute, found, None))
    assert (without["state"], "us 2 (" in without["says"].english) == ("gone", True)


async def test_a_rehearsal_tells_what_an_edition_would_change(line: Any, tmp_path: Path) -> None:
    sha256 = _edition(tmp_path, "2031-01-01", "false()")
    documents = [await line.invoice("R-1"), await line.invoice("R-2", syntax="ubl-invoice")]
    for document in documents:
        await line.until_tried(document)
    found = await rules_again.newest(line.pool, 10)
    compute = line.resources.compute
    ubl, cii = await _gathered(rules_again.rehearsals(line.pool, compute, found, str(tmp_path), (sha256,)))
    assert (cii["document"], cii["before"], cii["after"]) == (str(documents[0]), "valid", "invalid")
    assert (cii["appearing"], cii["disappearing"], cii["concerned"], cii["changed"]) == (
        ["OUR-01 fatal"],
        [],
        True,
        True,
    )
    assert (ubl["before"], ubl["after"], ubl["concerned"], ubl["changed"]) == ("valid", "valid", False, False)
    again = await _gathered(rules_again.rehearsals(line.pool, compute, found, str(tmp_path), ("0" * 64,)))
    assert [one["changed"] for one in again] == [False, False], "an edition not yet in force changes nothing by itself"


async def test_a_missing_artefact_keeps_the_document_waiting_until_it_is_there(line: Any, tmp_path: Path) -> None:
    _edition(tmp_path, "2026-09-01", "true()")
    sheet = tmp_path / "ours.xslt"
    data = sheet.read_bytes()
    sheet.unlink()
    line.resources = replace(line.resources, rules=str(tmp_path))
    line.worker = Worker(line.resources, 4)
    document = await line.invoice("M-1")
    waiting = await line.until_tried(document)
    assert (waiting.stage, waiting.halted) == (Stage.PARSED, None)
    tried = [one.facts for one in await line.events(document) if one.outcome == "attempt"]
    assert [one["outcome"] for one in tried] == ["unjudged"]
    assert waiting.content(Role.REPORT) is None
    sheet.write_bytes(data)
    async with line.pool.owner() as connection:
        await connection.execute("update task set due = now()")
    judged = await line.until_tried(document)
    assert judged.stage.reaches(Stage.VALIDATED)
    assert (judged.halted, judged.facts["validated"]["verdict"]) == (None, "valid")


async def test_a_rule_that_errs_never_lets_a_document_pass(line: Any, tmp_path: Path) -> None:
    _edition(tmp_path, "2026-09-01", "xs:decimal(name()) gt 0")
    line.resources = replace(line.resources, rules=str(tmp_path))
    line.worker = Worker(line.resources, 4)
    waiting = await line.until_tried(await line.invoice("M-2"))
    assert (waiting.stage, waiting.halted) == (Stage.PARSED, None)
    assert "ENGINE-ERROR" in [one.facts for one in await line.events(waiting.id)][-1]["reason"]


async def test_statuses_are_judged_and_count_whatever_the_verdict(line: Any, tmp_path: Path) -> None:
    sheet = tmp_path / "cdar-schematron" / "BR-FR-CDV-Schematron-CDAR.xslt"
    for made, verdict in (("", "valid"), ("<no/>", "unjudged")):
        if made:
            sheet.parent.mkdir()
            sheet.write_text(made)
        line.resources = replace(line.resources, rules=str(tmp_path) if made else None)
        line.worker = Worker(line.resources, 4)
        document = await line.invoice(f"S-{verdict}")
        await line.until(document, Stage.ACKNOWLEDGED, "payment_sent")
        said = [one.facts for one in await line.events(document) if one.outcome == "status" and "code" in one.facts]
        assert said
        assert {one["verdict"] for one in said} == {verdict}, [one.get("broken") for one in said]


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda kept: kept, "same"),
        (lambda kept: {**kept, "findings": [{**kept["findings"][0], "fix": "other words"}]}, "reworded"),
        (lambda kept: {**kept, "findings": [{**kept["findings"][0], "severity": "info"}]}, "other"),
        (lambda kept: {**kept, "verdict": "valid"}, "other"),
        (
            lambda kept: {**kept, "layers": [{"name": "br-fr", "edition": "x (000000000000)", "verdict": "passed"}]},
            "gone",
        ),
        (
            lambda kept: {**kept, "layers": [{**kept["layers"][0], "edition": "operator's file for x (123456789abc)"}]},
            "reworded",
        ),
    ],
)
def test_how_two_verdicts_stand_to_each_other(change: Any, state: str) -> None:
    kept = {
        "verdict": "invalid",
        "layers": [{"name": "br-fr", "edition": "x (123456789abc)", "verdict": "failed"}],
        "findings": [{"rule": "R", "severity": "fatal", "path": "/a", "fix": "words"}],
    }
    result = rules_again.held(change(kept), kept)
    assert result["state"] == state
    if state in ("other", "gone"):
        assert result["says"].english != result["says"].french


def test_what_no_edition_judges_is_counted_by_itself() -> None:
    """Unjudged before and after is neither changed nor unchanged, and no rehearsal that has it ends with 0."""
    verdicts = (("valid", "valid"), ("valid", "unjudged"), ("unjudged", "unjudged"))
    results = [{"before": one, "after": two, "concerned": True, "changed": one != two} for one, two in verdicts]
    count = rules_again.counted([*results, {"failed": "gone"}])
    assert count == {"documents": 4, "concerned": 3, "changed": 1, "unjudged": 3, "unjudged_before": 1}
