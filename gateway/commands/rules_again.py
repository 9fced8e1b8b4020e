"""`estafette rules rehearse` and `replay`: documents of the archive, judged once more.

A rehearsal judges each document twice: by the editions in force on its day, and with the edition to be tried; so it
tells what that edition changes, and nothing else. A replay judges by the very editions that a kept verdict names, and
holds the two against each other byte by byte. Neither writes anything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from gateway.commands import terminal
from gateway.commands.batch import BAD, FAILED, GOOD
from gateway.commands.terminal import Progress, Told
from gateway.compute import Compute, Interrupted
from gateway.errors import Corrupt, NotFound
from gateway.lifecycle import Role, Stage
from gateway.main import database
from gateway.settings import Settings
from gateway.store import accounts, documents
from gateway.store.accounts import Account
from gateway.store.documents import PAGE_LIMIT, Document, Filter
from gateway.store.pool import Pool
from gateway.store.reports import of_the_judge
from schemas.judge import judge
from signing.chain import canonical

if TYPE_CHECKING:
    from gateway.commands.rules import Known

Found: TypeAlias = tuple[Account, UUID]
"""A document and the account it belongs to."""
_AT_ONCE = 16
"""Documents in memory at a time."""


@dataclass(frozen=True, slots=True)
class Archived:
    """A document of the archive, as it was judged."""

    id: UUID
    format: str
    data: bytes
    page: bytes | None
    french: bool
    hybrid: bool
    report: bytes | None
    """The verdict kept with it; None: it has none yet."""


def rehearse(options: argparse.Namespace, settings: Settings, editions: Sequence[Known]) -> int:
    """Judge the last documents by these editions; 0: no verdict and no rule would change."""
    language = terminal.language_of(options, os.environ)
    pinned = tuple(one.loaded.sha256 for one in editions if one.loaded)
    names = [f"{one.artefact.publisher} {one.artefact.edition} ({one.artefact.name})" for one in editions]
    folder = str(settings.rules) if settings.rules else None
    count: Counter[str] = Counter()

    def take(result: dict[str, Any]) -> None:
        count.update(counted([result]))
        if result.get("changed") or "failed" in result:
            _tell_change(result, options, language)

    async def run() -> None:
        async with database(settings, attach=True) as pool:
            found = await newest(pool, options.last)
            await _all(settings, found, lambda compute: rehearsals(pool, compute, found, folder, pinned), take)

    asyncio.run(run())
    summary = {"kind": "summary", "editions": names, **{key: count[key] for key in _COUNTS}}
    if options.format == "json":
        terminal.print_json(summary)
    else:
        _tell_summary(summary, language)
    return FAILED if count["unjudged"] else BAD if count["changed"] else GOOD


def counted(results: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The figures of a rehearsal."""
    count = dict.fromkeys(_COUNTS, 0)
    for result in results:
        unjudged = "failed" in result or result["after"] == "unjudged"
        for key, holds in (
            ("documents", True),
            ("concerned", result.get("concerned", False)),
            ("changed", result.get("changed", False)),
            ("unjudged", unjudged),
            ("unjudged_before", unjudged and result.get("before") == "unjudged"),
        ):
            count[key] += bool(holds)
    return count


def rehearsals(
    pool: Pool, compute: Compute, found: Sequence[Found], folder: str | None, pinned: tuple[str, ...]
) -> AsyncIterator[dict[str, Any]]:
    """What the editions with these SHA-256 would change of each document."""
    marks = tuple(f"({sha256[:12]})" for sha256 in pinned)

    async def one(document: Archived) -> dict[str, Any]:
        before = await compute(_judged, document, folder, ())
        after = await compute(_judged, document, folder, pinned)
        return {"document": str(document.id), "format": document.format, **_difference(before, after, marks)}

    return _each(pool, found, one)


_COUNTS = ("documents", "concerned", "changed", "unjudged", "unjudged_before")
"""The last are those of the unjudged that the editions in force do not judge either: nothing is known of them."""


def replay(options: argparse.Namespace, settings: Settings) -> int:
    """Judge documents again by the editions their verdicts name; 0: each is the same, to the byte."""
    language = terminal.language_of(options, os.environ)
    folder = str(settings.rules) if settings.rules else None
    worst = GOOD

    def take(result: dict[str, Any]) -> None:
        nonlocal worst
        worst = max(worst, _CODES[result["state"]])
        if options.format == "json":
            terminal.print_json({**result, **({"says": result["says"].english} if result.get("says") else {})})
        else:
            says = f": {result['says'].into(language)}" if result.get("says") else ""
            print(f"{result['document']}: {_STATES[result['state']].into(language)}{says}")

    async def run() -> None:
        async with database(settings, attach=True) as pool:
            found = await (named(pool, options.documents) if options.documents else newest(pool, options.last))
            await _all(settings, found, lambda compute: replays(pool, compute, found, folder), take)

    asyncio.run(run())
    return worst


async def replays(
    pool: Pool, compute: Compute, found: Sequence[Found], folder: str | None
) -> AsyncIterator[dict[str, Any]]:
    """How the verdict on each document, made again by the editions it names, stands to the one that is kept."""

    async def one(document: Archived) -> dict[str, Any]:
        if document.report is None:
            return {"document": str(document.id), "state": "none"}
        kept = of_the_judge(json.loads(document.report))
        again = await compute(_judged, document, folder, _named_by(kept))
        return {"document": str(document.id), "verdict": kept["verdict"], **held(kept, again)}

    async for result in _each(pool, found, one):
        if "failed" in result:
            yield {"document": result["document"], "state": "gone", "says": Told(result["failed"], result["failed"])}
        else:
            yield result


_CODES = {"same": GOOD, "reworded": BAD, "other": BAD, "gone": FAILED, "none": FAILED}
_STATES = {
    "same": Told("the same verdict, to the byte", "le même verdict, à l'octet près"),
    "reworded": Told(
        "the same verdict in other words (another version of Estafette)",
        "le même verdict en d'autres termes (autre version d'Estafette)",
    ),
    "other": Told("ANOTHER VERDICT", "UN AUTRE VERDICT"),
    "gone": Told("cannot be judged as it was", "ne peut être rejugé à l'identique"),
    "none": Told("it was never judged", "il n'a jamais été jugé"),
}


def held(kept: Mapping[str, Any], again: Mapping[str, Any]) -> dict[str, Any]:
    """How a verdict stands to the kept one: same, reworded, other, or gone where an edition is no longer here. An
    edition is its bytes: that it is called otherwise today, or lies elsewhere, is another wording."""
    if canonical(kept) == canonical(again):
        return {"state": "same"}
    editions, here = _editions(kept), _editions(again)
    if lost := ", ".join(sorted(editions[key] for key in editions.keys() - here.keys())):
        return {"state": "gone", "says": Told(f"not here: {lost}", f"absent d'ici : {lost}")}
    if kept["verdict"] == again["verdict"] and _places(kept) == _places(again):
        return {"state": "reworded"}
    appearing, disappearing = _rules(again) - _rules(kept), _rules(kept) - _rules(again)
    came, went = (", ".join(sorted(rules)) for rules in (appearing, disappearing))
    says = f"{again['verdict']}; appearing: {came or 'nothing'}; disappearing: {went or 'nothing'}"
    verdict = _VERDICTS.get(again["verdict"], again["verdict"])
    dit = f"{verdict} ; apparaît : {came or 'rien'} ; disparaît : {went or 'rien'}"
    return {"state": "other", "says": Told(says, dit)}


_VERDICTS = {"valid": "valide", "invalid": "invalide", "unjudged": "non jugé"}


def _editions(report: Mapping[str, Any]) -> dict[str, str]:
    """What a report was judged by: the beginning of each SHA-256, or the whole label without one → the label."""
    labels = [layer["edition"] for layer in report["layers"] if layer["edition"]]
    return {match[1] if (match := _HASH.search(label)) else label: label for label in labels}


def _judged(document: Archived, folder: str | None, pinned: tuple[str, ...]) -> dict[str, Any]:
    """In a worker process."""
    report = judge(
        document.data,
        french=document.french,
        folder=folder,
        page=document.page,
        pinned=pinned,
        hybrid=document.hybrid,
    )
    return report.as_json()


def _difference(before: Mapping[str, Any], after: Mapping[str, Any], marks: tuple[str, ...]) -> dict[str, Any]:
    appearing, disappearing = sorted(_rules(after) - _rules(before)), sorted(_rules(before) - _rules(after))
    return {
        "before": before["verdict"],
        "after": after["verdict"],
        "appearing": appearing,
        "disappearing": disappearing,
        "concerned": any(layer["edition"].endswith(marks) for layer in after["layers"]),
        "changed": bool(appearing or disappearing or before["verdict"] != after["verdict"]),
    }


def _rules(report: Mapping[str, Any]) -> set[str]:
    """What a report finds, rule by rule, with the severity."""
    return {f"{finding['rule']} {finding['severity']}" for finding in report["findings"]}


def _places(report: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [tuple(finding.get(key) for key in ("rule", "severity", "path", "line")) for finding in report["findings"]]


_HASH = re.compile(r"\(([0-9a-f]{12})\)$")


def _named_by(kept: Mapping[str, Any]) -> tuple[str, ...]:
    """The editions that a report names, by the beginnings of their SHA-256."""
    found = (_HASH.search(layer["edition"]) for layer in kept["layers"])
    return tuple(match[1] for match in found if match)


def _tell_change(result: Mapping[str, Any], options: argparse.Namespace, language: str) -> None:
    if options.format == "json":
        terminal.print_json(result)
        return
    if "failed" in result:
        print(f"{result['document']}: {_STATES['gone'].into(language)}: {result['failed']}")
        return
    print(f"{result['document']} ({result['format']}): {result['before']} → {result['after']}")
    for sign, key in (("+", "appearing"), ("-", "disappearing")):
        if result[key]:
            print(f"  {sign} {', '.join(result[key])}")


def _tell_summary(summary: Mapping[str, Any], language: str) -> None:
    names = ", ".join(summary["editions"])
    says = (
        f"{names}: {summary['documents']} documents, {summary['concerned']} of them judged by it, "
        f"{summary['changed']} would change, {summary['unjudged']} could not be judged by it"
        f" ({summary['unjudged_before']} not before either)"
    )
    dit = (
        f"{names} : {summary['documents']} documents, dont {summary['concerned']} jugés par elle, "
        f"{summary['changed']} changeraient, {summary['unjudged']} n'ont pu être jugés par elle"
        f" (dont {summary['unjudged_before']} ne l'étaient pas davantage avant)"
    )
    print(dit if language == "fr" else says)


# The archive ----------------------------------------------------------------------------------------------------------


async def _all(
    settings: Settings,
    found: Sequence[Found],
    results: Callable[[Compute], AsyncIterator[dict[str, Any]]],
    take: Callable[[dict[str, Any]], None],
) -> None:
    """Give each result to `take`, and show how far it is."""
    progress = Progress(len(found))
    compute = Compute(max(1, settings.workers), settings.compute_seconds)
    try:
        async for result in results(compute):
            progress.clear()
            take(result)
            progress.step()
    finally:
        progress.clear()
        compute.close()


async def _each(
    pool: Pool, found: Sequence[Found], one: Callable[[Archived], Awaitable[dict[str, Any]]]
) -> AsyncIterator[dict[str, Any]]:
    """Do one thing to each document, some at a time; the results in the order of the documents."""

    async def done(account: Account, document_id: UUID) -> dict[str, Any]:
        try:
            return await one(await _archived(pool, account, document_id))
        except (NotFound, Corrupt) as gone:
            return {"document": str(document_id), "failed": gone.detail}
        except Interrupted as interrupted:
            return {"document": str(document_id), "failed": str(interrupted)}

    for start in range(0, len(found), _AT_ONCE):
        chunk = found[start : start + _AT_ONCE]
        for result in await asyncio.gather(*(done(account, identifier) for account, identifier in chunk)):
            yield result


async def newest(pool: Pool, last: int) -> list[Found]:
    """The newest documents of all accounts, newest first."""
    rows: list[tuple[Any, Account, UUID]] = []
    for account_id in await accounts.every_id(pool):
        account = await accounts.get(pool, account_id)
        left, after = last, None
        while left > 0:
            async with pool.account(account_id) as connection:
                page, after = await documents.page(connection, Filter(), after, min(left, PAGE_LIMIT))
            rows += [(document.created_at, account, document.id) for document in page]
            left -= len(page)
            if after is None:
                break
    rows.sort(key=lambda row: (row[0], row[2]), reverse=True)
    return [(account, identifier) for _, account, identifier in rows[:last]]


async def named(pool: Pool, wanted: Sequence[UUID]) -> list[Found]:
    """The documents, each with the account it belongs to. Raises NotFound."""
    every = [await accounts.get(pool, account_id) for account_id in await accounts.every_id(pool)]
    return [(await _owner(pool, every, identifier), identifier) for identifier in wanted]


async def _owner(pool: Pool, every: Sequence[Account], identifier: UUID) -> Account:
    for account in every:
        async with pool.account(account.id) as connection:
            try:
                await documents.get(connection, identifier)
            except NotFound:
                continue
            return account
    raise NotFound(f"there is no document {identifier}")


async def _archived(pool: Pool, account: Account, document_id: UUID) -> Archived:
    """The bytes that were judged, what was asked of the judge, and what it said. Raises NotFound."""
    async with pool.account(account.id) as connection:
        document = await documents.get(connection, document_id)
        submission = await _content(connection, document, Role.SUBMISSION)
        beside = await _content(connection, document, Role.DATA)
        report = await _content(connection, document, Role.REPORT)
        asked = await _asked(connection, document) if report is not None else {}
    two_parts = document.format == "pdf"
    return Archived(
        document_id,
        document.format,
        beside or submission or b"",
        submission if two_parts else None,
        bool(asked.get("french", account.french)),
        bool(asked.get("hybrid", two_parts or account.original == "facturx")),
        report,
    )


async def _content(connection: Any, document: Document, role: Role) -> bytes | None:
    reference = document.content(role)
    return None if reference is None else await documents.read(connection, reference.sha256)


async def _asked(connection: Any, document: Document) -> Mapping[str, Any]:
    """What the event that keeps the newest report says was asked; nothing where that was not written yet."""
    reference = document.content(Role.REPORT)
    seq = reference.seq if reference else 0
    for event in await documents.events(connection, document.id):
        if event.seq == seq and event.stage is Stage.VALIDATED:
            return dict(event.facts.get("asked", {}))
    return {}
