"""Plays the scenarios against one platform and says what our client will do with it.

A run that gets no answer to its first calls is given up: nothing can be said then. What a platform answers is never
trusted to be in shape: a scenario that trips over it is unknown, which is no pass.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.conformance import webhooks
from adapters.conformance.catalogue import SCENARIOS
from adapters.conformance.counterpart import Access, Counterpart
from adapters.conformance.listener import listening
from adapters.conformance.verdict import Fails, Needs, Result, Scenario, Skips, Text, Verdict
from adapters.port import Unreachable

log = logging.getLogger(__name__)

LOST = 4
"""Scenarios without an answer from the beginning on, after which the run is given up."""

_WITHOUT = {
    Needs.SUBMIT: Text("it hands flows in: only with --submit", "il dépose des flux : seulement avec --submit"),
    Needs.CALLBACK: Text(
        "it needs an address that the platform can post to (--callback and --listen)",
        "il faut une adresse que la plateforme puisse joindre (--callback et --listen)",
    ),
    Needs.LARGE: Text(
        "it uploads 105 MB: only with --submit --large", "il dépose 105 Mo : seulement avec --submit --large"
    ),
    Needs.BURST: Text("it asks fast: only with --burst N", "il interroge vite : seulement avec --burst N"),
    Needs.DIRECTORY: Text("no Directory Service is named (--directory)", "aucun annuaire n'est nommé (--directory)"),
}


class Away(Exception):
    """The platform does not answer at all; says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the summary: what the platform has, and what our client does with it."""

    name: str
    """For programs."""
    value: str
    """For programs: yes, no, unknown, or a word."""
    says: Text


@dataclass(frozen=True, slots=True)
class Sheet:
    """What came of a run."""

    url: str
    at: datetime
    verdicts: Sequence[Verdict]
    capabilities: Sequence[Line]
    settings: Sequence[tuple[str, str]]
    """What to configure: name and value."""
    submitted: int
    """Files that were handed in."""
    calls: int

    @property
    def counts(self) -> Counter[Result]:
        """How many scenarios ended how."""
        return Counter(verdict.result for verdict in self.verdicts)


async def play(it: Counterpart, told: Callable[[Verdict], None] = lambda _: None) -> Sheet:
    """Play all scenarios; `told` hears of each as it ends. Raises Away, OSError when nobody can listen."""
    started, verdicts = it.now(), []
    async with AsyncExitStack() as stack:
        stack.push_async_callback(it.close)
        if it.access.callback and it.access.listen is not None:
            it.kept["mailbox"] = await stack.enter_async_context(listening(*it.access.listen))
        for scenario in SCENARIOS:
            verdict = await _ended(it, scenario)
            verdicts.append(verdict)
            if len(verdicts) == LOST and not it.exchanges:
                raise Away(verdict.found.english if verdict.found else "it does not answer")
            told(verdict)
        try:
            await webhooks.clean_up(it)
        except Unreachable:
            log.warning("a subscription could not be removed")
    lines = tuple(capabilities(it.facts))
    return Sheet(it.access.url, started, verdicts, lines, tuple(settings(it)), it.submitted, len(it.exchanges))


async def _ended(it: Counterpart, scenario: Scenario) -> Verdict:
    """How one scenario ends."""
    if not allowed(it.access, scenario.needs):
        return Verdict(scenario, Result.SKIPPED, found=_WITHOUT[scenario.needs])
    began = asyncio.get_running_loop().time()

    def verdict(result: Result, expected: Text | None = None, found: Text | None = None) -> Verdict:
        return Verdict(scenario, result, expected, found, asyncio.get_running_loop().time() - began)

    try:
        await scenario.play(it)
    except Fails as wrong:
        return verdict(Result.FAILED, wrong.expected, wrong.found)
    except Skips as skipped:
        return verdict(Result.SKIPPED, found=skipped.reason)
    except Unreachable as away:
        return verdict(Result.UNKNOWN, found=Text(f"no answer: {away.reason}", f"pas de réponse : {away.reason}"))
    except Exception as odd:
        log.exception("scenario %s", scenario.name)
        kind = type(odd).__name__
        return verdict(Result.UNKNOWN, found=Text(f"an answer out of shape ({kind})", f"une réponse informe ({kind})"))
    return verdict(Result.PASSED)


def allowed(access: Access, needs: Needs) -> bool:
    """Whether the operator allowed what a scenario needs."""
    match needs:
        case Needs.SUBMIT:
            return access.submit
        case Needs.LARGE:
            return access.submit and access.large
        case Needs.CALLBACK:
            return bool(access.callback)
        case Needs.BURST:
            return access.burst > 0
        case Needs.DIRECTORY:
            return bool(access.directory_url)
        case _:
            return True


def capabilities(facts: dict[str, Any]) -> Iterator[Line]:
    """What the platform can do and what our client makes of it."""
    edition = _edition(facts)
    told = edition or "unknown"
    yield Line("edition", told, Text(f"It speaks edition {told}.", f"Elle parle l'édition {edition or 'inconnue'}."))
    yield _choice(
        facts.get("cursors"), "cursors",
        Text("New flows are paged by cursor.", "Les nouveaux flux sont lus page à page, par curseur."),
        Text("New flows are read by date, with an overlap, and told apart by id: none is lost, some are read twice.",
             "Les nouveaux flux sont lus par date, avec recouvrement, et distingués par identifiant."),
    )  # fmt: skip
    yield _choice(
        facts.get("tracking"), "tracking",
        Text("After a lost answer a flow is looked for by its trackingId before anything is sent again.",
             "Après une réponse perdue, un flux est cherché par son trackingId avant tout nouvel envoi."),
        Text("After a lost answer the flows since then are gone through, as the search by trackingId is of no use.",
             "Après une réponse perdue, les flux récents sont parcourus, la recherche par trackingId étant inutile."),
    )  # fmt: skip
    yield _duplicates(facts.get("duplicates"))
    yield _choice(
        facts.get("originals"), "originals",
        Text("The original is fetched.", "L'original est lu."),
        Text("The converted file is fetched for want of an original.", "Le fichier converti est lu faute d'original."),
    )  # fmt: skip
    yield _choice(
        facts.get("webhooks"), "webhooks",
        Text("Webhooks exist; our client polls all the same, and loses nothing when one does not come.",
             "Les webhooks existent ; notre client interroge quand même, et ne perd rien si l'un manque."),
        Text("Without webhooks our client polls.", "Sans webhooks, notre client interroge."),
    )  # fmt: skip
    if (signature := facts.get("signature")) is not None:
        yield Line("signature", str(signature), Text(
            f"Its signature is over the fingerprint's {signature}.",
            f"Sa signature porte sur le {signature} de l'empreinte.",
        ))  # fmt: skip


def settings(it: Counterpart) -> Iterator[tuple[str, str]]:
    """The lines of the configuration that suit this platform."""
    access = it.access
    yield "ESTAFETTE_AFNOR_URL", access.url
    yield "ESTAFETTE_AFNOR_TOKEN_URL", access.token_url
    yield "ESTAFETTE_AFNOR_CLIENT_ID", access.client_id
    yield "ESTAFETTE_AFNOR_CLIENT_SECRET_FILE", str(access.secret_file)
    in_form = access.secret_in_form if it.facts.get("secret_in_header") is None else not it.facts["secret_in_header"]
    if in_form:
        yield "ESTAFETTE_AFNOR_TOKEN_AUTH", "form"
    if access.organization:
        yield "ESTAFETTE_AFNOR_ORGANIZATION", access.organization
    if access.directory_url:
        yield "ESTAFETTE_AFNOR_DIRECTORY_URL", access.directory_url
    slowest = max((one.spent for one in it.exchanges), default=0.0)
    if slowest > 10:
        yield "ESTAFETTE_AFNOR_SECONDS", str(min(600, int(slowest * 3)))
    if access.allow:
        yield "ESTAFETTE_EGRESS_ALLOW", ",".join(sorted(access.allow))


def _edition(facts: dict[str, Any]) -> str:
    """1.3.0 by what is new in it, 1.2.0 where that is refused; empty when it was not seen."""
    news = [facts[name] for name in ("new_types", "long_ids", "cursors") if facts.get(name) is not None]
    if not news or not facts.get("holds_types"):
        return ""  # what takes any value of a list has no edition
    return "1.3.0" if news.count(True) * 2 > len(news) else "1.2.0"


def _choice(value: bool | None, name: str, yes: Text, no: Text) -> Line:
    if value is None:
        return Line(name, "unknown", Text(f"{name}: nothing is known yet.", f"{name} : on ne sait pas encore."))
    return Line(name, "yes" if value else "no", yes if value else no)


def _duplicates(where: object) -> Line:
    says = {
        "door": Text("A repetition is refused at the door and taken for the success that it is.",
                     "Une répétition est refusée d'emblée, et comprise comme le succès qu'elle est."),
        "acknowledgement": Text("A repetition is refused by its acknowledgement and taken for the success that it is.",
                                "Une répétition est refusée par l'acquittement, et comprise comme un succès."),
    }.get(str(where))  # fmt: skip
    if says is None:
        says = Text("How a repetition is told is not known.", "Comment une répétition est dite n'est pas connu.")
        return Line("duplicates", "unknown", says)
    return Line("duplicates", str(where), says)
