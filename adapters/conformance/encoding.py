"""Times and texts in what was answered: offsets, clocks, lengths, UTF-8."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from adapters.conformance import expect
from adapters.conformance.counterpart import TOKEN, Counterpart, fails, flows_of, members
from adapters.conformance.verdict import Scenario, Skips, Text

SKEW = timedelta(minutes=5)
"""How far two clocks may differ before searches by time miss what is new."""
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def instant(value: object) -> datetime | None:
    """A date-time with an offset (RFC 3339), in UTC; None for anything else."""
    if not isinstance(value, str) or not _DATE_TIME.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


async def times_bear_an_offset(it: Counterpart) -> None:
    """Each submittedAt and updatedAt is a date-time with an offset.

    OpenAPI 1.3.0, format date-time; RFC 3339, 5.6: Z or ±hh:mm.
    """
    for flow in _flows(it):
        for name in ("submittedAt", "updatedAt"):
            if name in flow and instant(flow[name]) is None:
                raise fails("2026-11-25T12:00:00Z", f"{name} = {expect.printable(flow[name])}")


async def times_are_no_future(it: Counterpart) -> None:
    """No flow was updated in the future.

    OpenAPI 1.3.0, submittedAt: the caller's time reference, to avoid clock synchronization issues.
    """
    for flow in _flows(it):
        at = instant(flow.get("updatedAt"))
        if at is not None and at > it.now() + SKEW:
            raise fails(
                f"≤ {it.now().isoformat(timespec='seconds')}", f"updatedAt = {expect.printable(flow['updatedAt'])}"
            )


async def updated_after_submitted(it: Counterpart) -> None:
    """No flow was updated before it was submitted.

    OpenAPI 1.3.0, updatedAt: when the flow is submitted updatedAt is equal to submittedAt.
    """
    seen = False
    for flow in _flows(it):
        submitted, updated = instant(flow.get("submittedAt")), instant(flow.get("updatedAt"))
        if submitted is None or updated is None:
            continue
        seen = True
        if updated < submitted:
            raise fails(
                "updatedAt ≥ submittedAt", f"{expect.printable(flow.get('updatedAt'))} < {submitted.isoformat()}"
            )
    if not seen:
        raise Skips(Text("no flow bears both times", "aucun flux ne porte les deux dates"))


async def clocks_agree(it: Counterpart) -> None:
    """The platform's clock and ours agree to five minutes.

    RFC 9110, 6.6.1: header Date; OpenAPI 1.3.0 searches by time.
    """
    dated = [(one, one.answer.headers["date"]) for one in it.exchanges if "date" in one.answer.headers]
    if not dated:
        raise Skips(Text("no answer bears a date", "aucune réponse ne porte de date"))
    for one, text in dated:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            raise fails("Date: Wed, 25 Nov 2026 12:00:00 GMT", expect.printable(text)) from None
        if abs(date.replace(tzinfo=date.tzinfo or UTC) - one.at) > SKEW:
            raise fails(one.at.isoformat(timespec="seconds"), date.isoformat())


async def texts_are_utf8(it: Counterpart) -> None:
    """Each JSON answer is UTF-8.

    RFC 8259, 8.1.
    """
    for one in it.exchanges:
        if not one.answer.media_type.endswith("json"):
            continue
        try:
            one.answer.body.decode()
        except UnicodeDecodeError:
            raise fails("UTF-8", f"{one.method} {one.operation}: {one.answer.media_type}") from None


async def bodies_are_json(it: Counterpart) -> None:
    """What says that it is JSON is JSON.

    RFC 8259; OpenAPI 1.3.0, application/json.
    """
    for one in it.exchanges:
        if not one.answer.media_type.endswith("json") or not one.answer.body:
            continue
        try:
            json.loads(one.answer.body)
        except (ValueError, RecursionError):
            raise fails("JSON", f"{one.method} {one.operation}: {len(one.answer.body)} B") from None


async def ids_have_their_length(it: Counterpart) -> None:
    """No flowId has more than 64 characters.

    OpenAPI 1.3.0, schema NotOnlyUuid: maxLength 64.
    """
    for flow in _flows(it):
        id = flow.get("flowId")
        if not isinstance(id, str) or not 0 < len(id) <= 64:
            raise fails("flowId: 1…64", f"flowId = {expect.printable(id)}")


async def ids_are_unique(it: Counterpart) -> None:
    """No page of a search shows a flow twice.

    OpenAPI 1.3.0, flowId: unique identifier.
    """
    for one in it.exchanges:
        if one.operation == "/v1/flows/search" and one.answer.status == 200:
            ids = [str(flow.get("flowId")) for flow in flows_of(members(one.answer))]
            if twice := [id for id in ids if ids.count(id) > 1]:
                raise fails(Text("once", "une fois"), f"flowId {expect.printable(twice[0])} × {ids.count(twice[0])}")


def _flows(it: Counterpart) -> Iterator[dict[str, Any]]:
    """Every flow that was shown. Raises Skips when there was none."""
    seen = 0
    for one in it.exchanges:
        if (
            one.service == TOKEN
            or one.answer.status not in expect.ACCEPTED
            or not one.answer.media_type.endswith("json")
        ):
            continue
        body = members(one.answer)
        found = body.get("results")
        for flow in found if isinstance(found, list) else [body] if "flowId" in body else []:
            if isinstance(flow, dict) and one.operation.startswith("/v1/flows"):
                seen += 1
                yield flow
    if not seen:
        raise Skips(Text("no flow was shown", "aucun flux n'a été montré"))


SCENARIOS = (
    Scenario(times_bear_an_offset, "Chaque submittedAt et updatedAt est une date-heure avec décalage"),
    Scenario(times_are_no_future, "Aucun flux n'est mis à jour dans le futur"),
    Scenario(updated_after_submitted, "Aucun flux n'est mis à jour avant son dépôt"),
    Scenario(clocks_agree, "L'horloge de la plateforme et la nôtre s'accordent à cinq minutes près"),
    Scenario(texts_are_utf8, "Chaque réponse JSON est en UTF-8"),
    Scenario(bodies_are_json, "Ce qui se dit JSON est du JSON"),
    Scenario(ids_have_their_length, "Aucun flowId n'a plus de 64 caractères"),
    Scenario(ids_are_unique, "Aucune page de recherche ne montre deux fois un flux"),
)
