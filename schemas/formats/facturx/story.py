"""The page that tells a document's proof to people: who, what, when, each step, what is proved and what is not.

One PDF/A-3a, PDF/UA-1 with the story in French and then in English, for a tax inspector or a judge who has never heard
of hash trees. It is a retelling: what counts are the files beside it, and it says so. All words stand in
stories/<language>.json; what happened comes in as a `Story`, ready from the journal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

from schemas.formats.facturx.lettering import drawable
from schemas.formats.facturx.page import compile_page
from schemas.formats.facturx.wording import Writer
from schemas.invoice import CREDIT_NOTE_TYPES, Invoice, Party

LANGUAGES = ("fr", "en")
WORDS = Path(__file__).parent / "stories"
_SHORT = 300
"""Characters of one thing told; the events hold it whole."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event."""

    seq: int
    at: datetime
    stage: str
    outcome: str
    facts: Mapping[str, Any]
    label: Mapping[str, str] = field(default_factory=dict)
    """What the status it tells of is called, by language; empty when there is none, or none that is known."""


@dataclass(frozen=True, slots=True)
class File:
    """One content, as an event names it."""

    seq: int
    role: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Story:
    """What there is to tell of a document."""

    document: str
    archive: str
    """Name of the archive, as its checkpoints bear it."""
    invoice: Invoice | None
    """The invoice as its structured data state it; None when it cannot be read."""
    steps: tuple[Step, ...]
    files: tuple[File, ...]
    payments: tuple[tuple[int, Mapping[str, str]], ...]
    """Number of the event and what was stated."""
    size: int
    """Leaves of the tree."""
    root: str
    """Base64."""
    at: datetime
    """Of the checkpoint."""
    key: str
    timestamps: tuple[str, ...] = ()
    seals: tuple[str, ...] = field(default=())


def typeset(story: Story) -> bytes:
    """The page. The same story gives the same bytes."""
    pages = [_page(story, language) for language in LANGUAGES]
    told = {"title": pages[0]["title"], "archive": story.archive, "pages": pages}
    return compile_page("story.typ", {"story": json.dumps(drawable(told), ensure_ascii=False)}, story.at)


@cache
def _words(language: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((WORDS / f"{language}.json").read_text(encoding="utf-8"))
    return found


def _page(story: Story, language: str) -> dict[str, Any]:
    words = _words(language)
    labels = words["words"]
    invoice = story.invoice
    writer = Writer(language, invoice.currency if invoice else "")
    kind = "document" if invoice is None else "credit" if invoice.type_code in CREDIT_NOTE_TYPES else "invoice"
    name = invoice.number if invoice and invoice.number else story.document
    return {
        "language": language,
        "title": f"{labels[kind]} {name}",
        "about": f"{labels['archive']} {story.archive}",
        "labels": labels,
        "facts": _facts(story, writer, labels),
        "brief": _brief(story, words),
        "proves": words["proves"] if story.payments else words["proves"][:-1],
        "check": words["check"],
        "not": words["not"] if story.payments else words["not"][:-1],
        "steps": [[str(one.seq), _time(one.at), _stage(one, words), _said(one, words)[:_SHORT]] for one in story.steps],
        "payments": [
            [str(seq), one["paid_on"], f"{one['amount']} {one['currency']}", one["reference"]]
            for seq, one in story.payments
        ],
        "files": [
            [str(one.seq), words["roles"].get(one.role, one.role), f"{one.size} {labels['bytes']}", one.sha256]
            for one in story.files
        ],
        "technical": [
            [labels["checkpoint"], f"{_time(story.at)}, {story.size} {labels['leaves']}"],
            [labels["root"], story.root],
            [labels["key"], story.key],
            [labels["timestamps"], "; ".join(story.timestamps) or labels["none"]],
            [labels["seals"], "; ".join(story.seals) or labels["none"]],
        ],
    }


def _facts(story: Story, writer: Writer, labels: Mapping[str, str]) -> list[tuple[str, str]]:
    invoice = story.invoice
    rows: list[tuple[str, str]] = []
    if invoice is not None:
        rows = [
            (labels["seller"], _party(invoice.seller)),
            (labels["buyer"], _party(invoice.buyer)),
            (labels["issue_date"], writer.date(invoice.issue_date)),
            (labels["total"], writer.money(invoice.totals.with_vat)),
            (labels["due"], writer.money(invoice.totals.due)),
        ]
    return [*(row for row in rows if row[1]), (labels["state"], _time(story.at)), (labels["id"], story.document)]


def _party(party: Party) -> str:
    legal = party.legal_id.value if party.legal_id else party.vat_id
    return f"{party.name} ({legal})" if legal else party.name


def _brief(story: Story, words: Mapping[str, Any]) -> str:
    """The whole in one sentence."""
    forms = words["brief"]
    told, status = [], ""
    for one in story.steps:
        facts = {"at": _time(one.at), **{name: str(value) for name, value in one.facts.items() if name != "at"}}
        if one.outcome == "halted":
            told.append(_fill(forms["halted"], {**facts, "reason": _reason(one, words)}))
        elif one.outcome == "done" and one.stage in forms:
            told.append(_fill(forms[one.stage], facts))
        elif one.outcome == "status":
            status = _label(one, words)
    if status:
        told.append(_fill(forms["status"], {"label": status}))
    if any(one.stage == "settled" and one.outcome == "done" and one.facts.get("paid") for one in story.steps):
        told.append(forms["paid"])
    return ", ".join(told) + "."


def _stage(one: Step, words: Mapping[str, Any]) -> str:
    name = one.stage if one.outcome in ("done", "skipped") else one.outcome
    return str(words["stages"].get(name, name))


def _said(one: Step, words: Mapping[str, Any]) -> str:
    """One event in a sentence; what has no sentence is told by its own word."""
    said, facts = words["said"], {**one.facts, "outcome": one.outcome}
    name = one.stage if one.outcome == "done" else one.outcome
    if name == "status":
        facts |= {"label": _label(one, words), "at": str(one.facts.get("at", ""))[:19].replace("T", " ")}
        name = "status" if one.facts.get("code") else "status_plain"
    elif name == "reminder" and "step" in one.facts:
        name = "reminder_step"
    elif name == "settled" and not one.facts.get("paid"):
        name = "settled_open"
    elif name == "validated":
        facts["layers"] = _layers(one.facts.get("layers", ()))
    elif name == "acknowledged":
        facts["status"] = _label(one, words)
    elif name == "delivered":
        facts["network_at"] = str(one.facts.get("network_at", ""))[:19].replace("T", " ")
    if "format" in facts:
        facts["format"] = words["formats"].get(str(facts["format"]), facts["format"])
    facts["reason"] = _reason(one, words)
    return _fill(str(said.get(name, said["other"])), facts)


def _label(one: Step, words: Mapping[str, Any]) -> str:
    """What a status is called."""
    name = str(one.facts.get("status") or "—")
    return one.label.get(words["language"]) or str(words["statuses"].get(name, name))


def _reason(one: Step, words: Mapping[str, Any]) -> str:
    reason = str(one.facts.get("reason", ""))
    return str(words["reasons"].get(reason, reason)).rstrip(".")


def _layers(layers: Sequence[Mapping[str, Any]]) -> str:
    """The layers that passed, each with its edition."""
    passed = [one for one in layers if one.get("verdict") == "passed"]
    return ", ".join(f"{one['name']} {one.get('edition', '')}".strip() for one in passed)


def _fill(form: str, facts: Mapping[str, Any]) -> str:
    """A form with its places filled; a place of which nothing is known stays a dash."""
    names = [name for _, name, _, _ in Formatter().parse(form) if name]
    return form.format(**{name: facts.get(name) or "—" for name in names})


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
