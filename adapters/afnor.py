"""Any French approved platform, over AFNOR XP Z12-013 Flow Service 1.3.0: documents out, and what comes back or in.

What comes is statuses and verdicts on what was sent, and the invoices that others send to the account's participants.

Decisions, each against a failure seen in the field:

- A time-out, a lost connection or a 5xx after sending leaves the outcome unknown, never refused. A repeated consignment
  is looked up by its trackingId before anything is sent, and what is found is the success of the earlier attempt.
- "Already there" with the same bytes is success; with other bytes it is a refusal. The bytes are compared by hash, by
  downloading the original when the platform tells no hash.
- What is about us (401, 403, a wrong address) or about the moment (429, 5xx) is Unreachable; only what is about the
  document (400, 409, 413, 415, 422) is Refused.
- Polling goes back behind the last flow seen, because `updatedAfter` is strict and platforms publish late: two seconds
  each time, five minutes once a minute, two days once a day. The gateway drops what it has. Flows whose content cannot
  be had now are left out, and the next wide poll goes back to the oldest of them: they hold up none of the others.
  After three days they are handed over without it. An invoice is given up only three days after its content was first
  refused: however old it is, it is worth the wait.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from adapters import http
from adapters.afnor_flow import (
    ALREADY_THERE,
    dumped,
    findings_of,
    id_of,
    instant,
    invoice_of,
    key_of,
    looks_whole,
    name_of,
    plain,
    says_already_there,
    stamp,
    verdict_of,
)
from adapters.afnor_probe import probe
from adapters.afnor_settings import Settings
from adapters.bearer import Bearer
from adapters.port import (
    Arrival,
    ArrivalKind,
    Capabilities,
    Collected,
    Consignment,
    ElectronicAddress,
    Receipt,
    Refused,
    Route,
    Stored,
    Unreachable,
)
from schemas.finding import Finding, Severity

log = logging.getLogger(__name__)

SCHEMES = {
    "0225": "is an address of the French directory, which every approved platform reaches",
    "0002": "is a SIREN, which the French directory knows",
    "0009": "is a SIRET, which the French directory knows",
}
"""Schemes of electronic addresses (EAS) that are served, with the reason in words."""

PAGE = 100
"""Flows asked for at once; the standard's limit."""
OVERLAP = timedelta(minutes=5)
"""How far a wide poll goes back behind the last flow seen: what a platform publishes late is found by it."""
WIDE_EVERY = timedelta(minutes=1)
"""How often a poll is wide, at most."""
WIDE_PAGE = timedelta(seconds=3)
"""How much rarer for each page that the last wide poll had: on a busy platform it is most of the work."""
DEEP, DEEP_EVERY = timedelta(days=2), timedelta(days=1)
"""How far a deep poll goes back, and how often one is: what is published a day late is found, too."""
TIES = timedelta(seconds=2)
"""How far every other poll goes back: flows of the same instant are not lost, a busy platform is not listed anew."""
GIVE_UP_AFTER = timedelta(days=3)
"""A flow whose content could not be had for so long is handed over without it."""
FILE_LIMIT = 100_000_000
"""Bytes of a file that is read back, at most; the standard's limit for one flow."""
STATUS_LIMIT = 20_000_000
"""Bytes of a status message, at most."""
JSON_LIMIT = 4_000_000
CUT_OFF = timedelta(minutes=3)
"""A content that looks cut off is asked for again for so long, and is then taken for what the platform has."""
PATIENCE = timedelta(minutes=10)
"""So long is the first one waited for of a flow that is said to be there already."""
SOUGHT_BACK, SOUGHT_PAGES = timedelta(days=7), 200
"""How far back where that is not known, and through how many pages, an earlier attempt is looked for where a search by
its id is of no use."""
SOUGHT_BEFORE = timedelta(hours=1)
"""How much before the first attempt that begins: clocks differ."""
DOWNLOADS = 8
"""Contents fetched at the same time."""
PAGE_BYTES = 256_000_000
"""Contents of one page, at most; what would be more is left for the next poll."""
STRIKES = 3
"""Downloads in a row that may fail before the platform is taken to be away."""
KNOWN_LIMIT = 100_000
"""Ids of arrivals remembered as stored by the gateway, so that they are not fetched again within the overlap."""

_TAKEN = (200, 201, 202)
_REFUSALS = (400, 409, 413, 415, 422)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = timedelta(milliseconds=1)
_BARE = "#without-content"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a poll stands, as the cursor keeps it."""

    since: datetime | None = None
    """Everything up to here was handed over; None: nothing was."""
    after: datetime | None = None
    """Lower bound of the poll under way; None between two polls."""
    page: str | None = None
    """The platform's own bookmark within the poll."""
    high: datetime | None = None
    """The latest update seen in this poll."""
    left: datetime | None = None
    """The earliest update of a flow whose content could not be had, since the last wide poll began."""
    wide: datetime | None = None
    """When the last wide poll began."""
    deep: datetime | None = None
    """When the last deep poll began."""
    pages: int = 0
    """Of the poll under way, those before."""
    width: int = 0
    """Pages of the last wide poll."""
    odd: bool = False
    """A page of the poll under way was not in the order of updates."""
    anew: bool = False
    """The poll under way began again for that."""
    mark: str = ""
    """Changes with each page that brought something, so that a cursor given back proves that page was stored."""


class _Left(Exception):
    """The content of one flow cannot be had now."""


class _Full(Exception):
    """The page holds enough; the flow is as good as not asked for."""


class Afnor:
    """One approved platform, as a network."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._client = http.Client(settings.allow, calls_per_second=settings.calls_per_second)
        self._bearer = Bearer(settings.login, self._client, now)
        self._known: dict[str, None] = {}
        self._handed: tuple[str, tuple[str, ...]] | None = None
        self._failed: dict[str, datetime] = {}
        self._can: Capabilities | None = None
        """What the platform said it can do, since it was last asked; None: it was not."""

    @property
    def name(self) -> str:
        """afnor, or afnor-… for a connection of its own."""
        return self._settings.name

    async def probe(self) -> Capabilities:
        """Ask what the platform can do; nothing is changed by it. Raises Unreachable."""
        self._can = await probe(self._call, self._now())
        return self._can

    async def find(self, address: ElectronicAddress) -> Route | None:
        """French addresses go to the platform, which asks the directory itself when it takes the invoice."""
        why = SCHEMES.get(address.scheme)
        if why is None or not address.value:
            return None
        return Route(self.name, address, f"the buyer's electronic address {why} (scheme {address.scheme})")

    async def send(self, consignment: Consignment) -> Receipt:
        """Hand over, once; a repeated consignment is looked for first. Raises Unreachable, Refused."""
        if consignment.repeated:
            receipt = await self._earlier(consignment, {})
            if receipt is not None:
                return receipt
        answer = await self._call("POST", "/v1/flows", _parts(consignment), delivers=True)
        body = http.members_of(answer.body)
        if answer.status in _TAKEN:
            if not id_of(body):
                raise Unreachable("the platform took the flow but told no flowId", unknown=True)
            return self._receipt(body, answer.body, already_there=False)
        if answer.status in _REFUSALS and says_already_there(body):
            receipt = await self._earlier(consignment, body)
            if receipt is None:
                raise Unreachable("the platform says it has this content, but shows no such flow", unknown=True)
            return receipt
        if answer.status in _REFUSALS:
            raise _refusal(answer, body)
        raise self._away(answer, delivers=True)

    async def collect(self, cursor: str | None) -> Collected:
        """One page of what is new; flows whose content cannot be had are left for the next poll. Raises Unreachable."""
        return await self.collect_unstored(cursor, _nothing)

    async def collect_unstored(self, cursor: str | None, stored: Stored) -> Collected:
        """The same, without what is stored: no process fetches what another has. Raises Unreachable."""
        self._confirm(cursor)
        place = _begun(_read_cursor(cursor), self._now())
        after = place.after or _EPOCH
        question: dict[str, Any] = {"limit": PAGE, "where": {"updatedAfter": stamp(after)}}
        if place.page is not None:
            question["cursor"] = place.page
        answer = await self._call("POST", "/v1/flows/search", question)
        if answer.status in (400, 422) and place.page is not None:
            log.warning("the platform no longer knows its bookmark; the poll starts again")
            return Collected((), _write_cursor(_again(place)), more=True)
        found = self._results(answer)
        arrivals, left = await self._arrivals(found, stored)
        updates = [at for flow in found if (at := instant(flow.get("updatedAt"))) is not None]
        seen = replace(
            place,
            after=after,
            page=http.members_of(answer.body).get("nextCursor") or None,
            high=max([*updates, *([place.high] if place.high else [])], default=None),
            left=min([*left, *([place.left] if place.left else [])], default=None),
            pages=place.pages + 1,
            odd=place.odd or updates != sorted(updates),
            mark=uuid4().hex[:12] if arrivals else place.mark,
        )
        following, more = _onward(seen, full=len(found) >= PAGE, last=max(updates, default=None))
        text = _write_cursor(following)
        self._handed = (text, tuple(arrival.network_id for arrival in arrivals))
        return Collected(arrivals, text, more)

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()

    async def _earlier(self, consignment: Consignment, hint: Mapping[str, Any]) -> Receipt | None:
        """The flow an earlier attempt left, found by trackingId or by the `instance` of an error; None: there is none.

        Raises Unreachable (unknown) when it cannot be asked, Refused when the platform has other bytes under our id.
        """
        try:
            found = await self._tracked(consignment)
            found.sort(key=lambda flow: (verdict_of(flow) == "Error", str(flow.get("submittedAt", ""))))
            pointed = str(hint.get("instance") or "").rstrip("/").rpartition("/")[2]
            if not found and pointed:
                answer = await self._call("GET", f"/v1/flows/{quote(pointed, safe='')}")
                flow = http.members_of(answer.body) if answer.status == 200 else {}
                found = [flow] if id_of(flow) else []
            if not found:
                return None
            same = await self._same_bytes(found[0], consignment)
        except Unreachable as away:
            raise Unreachable(away.reason, away.retry_in, unknown=True) from away
        if not same:
            log.error("the platform has other content under the id of a consignment")
            says = "The platform has other content under the id of this consignment."
            finding = Finding("PLATFORM-OTHER-CONTENT", Severity.FATAL, "network", says, found=id_of(found[0]))
            raise Refused("the platform has other content under this id", (finding,))
        return self._receipt(found[0], dumped(found[0]), already_there=True)

    async def _tracked(self, consignment: Consignment) -> list[Mapping[str, Any]]:
        """The flows that bear our id; looked for among all recent ones where the platform does not search by it.

        A platform that passes the criterion over shows flows of other ids: to take that for "there is none" would send
        the document twice.
        """
        if self._can is not None and self._can.answers in (200, 400, 422) and not self._can.tracking:
            return await self._among_recent(consignment)
        where = {"trackingId": consignment.id}
        answer = await self._call("POST", "/v1/flows/search", {"limit": PAGE, "where": where})
        if answer.status not in (400, 422):
            results = self._results(answer)
            found = [flow for flow in results if flow.get("trackingId") == consignment.id and id_of(flow)]
            if found or not results:
                return found
        log.warning("the platform does not search by trackingId: its recent flows are gone through")
        return await self._among_recent(consignment)

    async def _among_recent(self, consignment: Consignment) -> list[Mapping[str, Any]]:
        """A recent flow that bears our id, or no id but our file's name and bytes. Raises Unreachable."""
        since = consignment.since - SOUGHT_BEFORE if consignment.since else self._now() - SOUGHT_BACK
        question: dict[str, Any] = {"limit": PAGE, "where": {"updatedAfter": stamp(since)}}
        for _ in range(SOUGHT_PAGES):
            answer = await self._call("POST", "/v1/flows/search", question)
            page = self._results(answer)
            for flow in filter(id_of, page):
                if flow.get("trackingId") == consignment.id:
                    return [flow]
                unnamed = not flow.get("trackingId") and flow.get("flowDirection") != "In"
                if unnamed and flow.get("name") == consignment.name[:255] and await self._same_bytes(flow, consignment):
                    return [flow]
            cursor = http.members_of(answer.body).get("nextCursor")
            last = max((at for flow in page if (at := instant(flow.get("updatedAt"))) is not None), default=since)
            if not cursor and (len(page) < PAGE or last - _STEP <= since):
                return []
            since = last if cursor else last - _STEP
            question |= {"cursor": cursor} if cursor else {"where": {"updatedAfter": stamp(since)}}
        raise Unreachable("the platform does not search by trackingId, and shows more flows than can be gone through")

    async def _same_bytes(self, flow: Mapping[str, Any], consignment: Consignment) -> bool:
        """Whether a flow holds our bytes; where the platform gives no original, our id on the flow is the proof."""
        told = flow.get("sha256")
        if isinstance(told, str) and told:
            return told.lower() == consignment.sha256
        path = f"/v1/flows/{quote(id_of(flow), safe='')}?docType=Original"
        answer = await self._call("GET", path, limit=FILE_LIMIT + 1)
        if answer.status == 200:
            return sha256(answer.body).hexdigest() == consignment.sha256
        if answer.status == 404:
            return flow.get("trackingId") == consignment.id
        raise self._away(answer)

    def _receipt(self, flow: Mapping[str, Any], evidence: bytes, *, already_there: bool) -> Receipt:
        at = instant(flow.get("submittedAt")) or self._now()
        return Receipt(id_of(flow), at, evidence, "application/json", already_there)

    def _confirm(self, cursor: str | None) -> None:
        """The gateway gave back the cursor of a page: it has stored what that page brought."""
        if self._handed is None or self._handed[0] != cursor:
            return
        self._remember(self._handed[1])
        self._handed = None

    def _remember(self, ids: Iterable[str]) -> None:
        self._known |= dict.fromkeys(ids)
        while len(self._known) > KNOWN_LIMIT:
            del self._known[next(iter(self._known))]

    def _results(self, answer: http.Answer) -> list[Mapping[str, Any]]:
        if answer.status != 200:
            raise self._away(answer)
        results = http.members_of(answer.body).get("results")
        if not isinstance(results, list):
            raise Unreachable("the platform's search answer has no results")
        return [flow for flow in results if isinstance(flow, dict)]

    async def _arrivals(self, found: list[Mapping[str, Any]], stored: Stored) -> tuple[list[Arrival], list[datetime]]:
        """What the flows bring, oldest first, and when those were updated that cannot be had now."""
        wanted = await self._wanted(found, stored)
        wanted.sort(key=lambda flow: id_of(flow) in self._failed)  # what failed before is tried last
        gate, strikes, held = asyncio.Semaphore(DOWNLOADS), 0, 0

        async def _one(flow: Mapping[str, Any]) -> Arrival | None:
            nonlocal strikes, held
            async with gate:
                try:
                    if held > PAGE_BYTES:
                        raise _Full
                    if strikes >= STRIKES:
                        raise _Left("the platform is away")
                    arrival = await self._arrival(flow)
                    held, strikes = held + len(arrival.data), 0
                except _Full:
                    return None
                except Unreachable as away:
                    strikes += 1
                    return self._leave(flow, away.reason)
                except _Left as reason:
                    return self._leave(flow, str(reason))
            self._failed.pop(id_of(flow), None)
            return arrival

        brought = await asyncio.gather(*(_one(flow) for flow in wanted))
        left = [
            instant(flow.get("updatedAt")) or self._now()
            for flow, arrival in zip(wanted, brought, strict=True)
            if arrival is None
        ]
        return sorted((a for a in brought if a is not None), key=lambda a: (a.at, a.network_id)), left

    async def _wanted(self, found: list[Mapping[str, Any]], stored: Stored) -> list[Mapping[str, Any]]:
        """The flows that bring something which is not stored, each once."""
        keyed = {key: flow for flow in found if (key := key_of(flow))}
        new = {key: flow for key, flow in keyed.items() if not {key, id_of(flow) + _BARE} & self._known.keys()}
        there = await stored([*new, *(id_of(flow) + _BARE for flow in new.values())]) if new else frozenset[str]()
        self._remember(there)
        return [flow for key, flow in new.items() if not {key, id_of(flow) + _BARE} & there]

    def _leave(self, flow: Mapping[str, Any], reason: str) -> Arrival | None:
        """None for the next poll; after three days what is known of the flow, so that a person sees it."""
        id, updated = id_of(flow), instant(flow.get("updatedAt"))
        log.warning("flow %s is left for the next poll: %s", id, reason)
        first = self._failed.setdefault(id, self._now())
        while len(self._failed) > KNOWN_LIMIT:
            del self._failed[next(iter(self._failed))]
        invoice = invoice_of(flow) is not None
        since = first if invoice else updated or first
        if self._now() - since < GIVE_UP_AFTER:
            return None
        at, kind = updated or self._now(), ArrivalKind.INVOICE if invoice else ArrivalKind.STATUS
        return Arrival(id + _BARE, kind, at, "application/json", dumped(flow), name=name_of(flow))

    async def _arrival(self, flow: Mapping[str, Any]) -> Arrival:
        """One flow as an arrival. Raises Unreachable, _Left."""
        id, at = id_of(flow), instant(flow.get("updatedAt")) or self._now()
        if (media_type := invoice_of(flow)) is not None:
            data, recipient = await self._content(id, FILE_LIMIT), self._settings.recipient
            return Arrival(id, ArrivalKind.INVOICE, at, media_type, data, recipient=recipient, name=name_of(flow))
        if flow.get("flowDirection") == "In":
            return Arrival(id, ArrivalKind.STATUS, at, "application/xml", await self._content(id, STATUS_LIMIT))
        refused = () if verdict_of(flow) == "Ok" else findings_of(flow)
        if refused and all(ALREADY_THERE in finding.rule.lower() for finding in refused):
            refused = await self._repeated(flow, refused)
        return Arrival(
            network_id=str(key_of(flow)),
            kind=ArrivalKind.ACKNOWLEDGEMENT,
            at=at,
            media_type="application/json",
            data=dumped(flow),
            consignment=str(flow["trackingId"]),
            refused=refused,
        )

    async def _content(self, id: str, limit: int) -> bytes:
        """The content of a flow: the original, or the converted one where the original is absent."""
        for form in ("Original", "Converted"):
            answer = await self._call("GET", f"/v1/flows/{quote(id, safe='')}?docType={form}", limit=limit)
            if answer.status == 200 and answer.body:
                if looks_whole(answer.body) or self._waited(id) >= CUT_OFF:
                    return answer.body
                raise _Left("its content looks cut off")
            if answer.status in (429, 503):
                raise self._away(answer)
            if answer.status not in (200, 404):
                raise _Left(f"{form} is answered with {answer.status}")
        raise _Left("it has neither an original nor a converted content")

    async def _repeated(self, flow: Mapping[str, Any], refused: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Why a flow is refused that the platform says to have already: not at all where it is a transport duplicate,
        the same consignment under another flowId, which may be listed late. Raises Unreachable, _Left.
        """
        where = {"trackingId": str(flow["trackingId"])}
        answer = await self._call("POST", "/v1/flows/search", {"limit": PAGE, "where": where})
        twins = [twin for twin in self._results(answer) if twin.get("trackingId") == flow["trackingId"]]
        if any(id_of(twin) != id_of(flow) and verdict_of(twin) != "Error" for twin in twins):
            return ()
        if self._waited(id_of(flow)) < PATIENCE:
            raise _Left("it is said to be there already, and what is there is not listed")
        return refused

    def _waited(self, id: str) -> timedelta:
        """How long ago a flow was left for the first time."""
        now = self._now()
        return now - self._failed.get(id, now)

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | tuple[http.Part, ...] | None = None,
        *,
        delivers: bool = False,
        limit: int = JSON_LIMIT,
    ) -> http.Answer:
        """One call with a valid token; a token that is refused (401) is renewed once. Raises Unreachable."""
        headers = {"Accept": "*/*", "Request-Id": str(uuid4())}
        if self._settings.organization:
            headers["Organization-Id"] = self._settings.organization
        data: bytes | tuple[http.Part, ...] = body if isinstance(body, tuple) else b""
        if isinstance(body, Mapping):
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        url, seconds = f"{self._settings.url}{path}", self._settings.seconds * (2 if delivers else 1)
        request = http.Request(method, url, headers, data, delivers=delivers, seconds=seconds, limit=limit)
        return await self._bearer.send(request)

    def _away(self, answer: http.Answer, *, delivers: bool = False) -> Unreachable:
        """What an answer means that says nothing about the document; after a 5xx it may have been taken anyway."""
        unknown = delivers and answer.status >= 500 and answer.status != 503
        code = str(http.members_of(answer.body).get("errorCode") or "")
        shown = f" ({code})" if code.isascii() and code.isprintable() and 0 < len(code) < 60 else ""
        retry_in = answer.retry_in(self._now())
        return Unreachable(f"the platform answered {answer.status}{shown}", retry_in, unknown=unknown)


def _begun(place: _Place, now: datetime) -> _Place:
    """The poll under way; a new one when none is: wide or deep when the last such one is long enough ago."""
    if place.after is not None:
        return place
    began = now.replace(microsecond=0)
    wide_every = max(WIDE_EVERY, min(WIDE_PAGE * place.width, OVERLAP / 2))
    wide, deep = _over(place.wide, now, wide_every), _over(place.deep, now, DEEP_EVERY)
    if place.since is None or not (wide or deep):
        after = place.since - TIES if place.since else _EPOCH
        return replace(place, after=after, wide=place.wide or began, deep=place.deep or began)
    after = place.since - (DEEP if deep else OVERLAP)
    after = min(after, place.left - TIES) if place.left else after
    return replace(place, after=after, left=None, wide=began, deep=began if deep else place.deep)


def _again(place: _Place) -> _Place:
    """The poll under way without the bookmark, which the platform no longer knows: on from the latest flow seen.

    Not from its beginning: a long poll that loses its bookmark now and then would never come to its end. Where the
    pages are not in the order of updates, earlier flows may be on those to come: then from its beginning, once.
    """
    if place.odd and not place.anew:
        return replace(place, page=None, anew=True)
    after = max(at for at in (place.after, place.high - TIES if place.high else None, _EPOCH) if at)
    return replace(place, page=None, after=after)


def _is_wide(place: _Place) -> bool:
    return place.since is not None and place.after is not None and place.after <= place.since - OVERLAP


def _over(last: datetime | None, now: datetime, every: timedelta) -> bool:
    return last is None or not timedelta(0) <= now - last < every


async def _nothing(ids: Sequence[str]) -> frozenset[str]:
    """Nothing is known to be stored."""
    return frozenset()


def _onward(seen: _Place, *, full: bool, last: datetime | None) -> tuple[_Place, bool]:
    """Where to go on after a page, and whether there is another one right now."""
    if seen.page is not None:
        return seen, True
    if full and last is not None and seen.after is not None:
        # Platforms that still page by date (1.2.0 and before) give no bookmark with a full page.
        step = last - _STEP
        return replace(seen, after=step if step > seen.after else max(last, seen.after + _STEP)), True
    since = max((at for at in (seen.high, seen.since) if at is not None), default=None)
    width = seen.pages if _is_wide(seen) else seen.width
    place = _Place(since=since, wide=seen.wide, deep=seen.deep, width=width, left=seen.left, mark=seen.mark)
    return place, False


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _parts(consignment: Consignment) -> tuple[http.Part, ...]:
    info = {
        "trackingId": consignment.id,
        "name": consignment.name[:255],
        "flowSyntax": consignment.syntax,
        "processingRule": consignment.rule,
        "sha256": consignment.sha256,
    } | ({"flowProfile": consignment.profile} if consignment.profile else {})
    return (
        http.Part("flowInfo", json.dumps(info, ensure_ascii=False).encode(), "application/json"),
        http.Part("file", consignment.data, consignment.media_type, consignment.plain_name[:255]),
    )


def _refusal(answer: http.Answer, body: Mapping[str, Any]) -> Refused:
    code = plain(body.get("errorCode"), 100, f"HTTP-{answer.status}")
    said = body.get("errorMessage") or body.get("detail") or body.get("title")
    says = plain(said, 2000, f"answered {answer.status}")
    details = body.get("details")
    expected = plain(details, 2000) or None if isinstance(details, str) else None
    finding = Finding(code, Severity.FATAL, "network", says, expected=expected)
    return Refused(f"the platform refuses the flow: {code}", (finding,))


def _write_cursor(place: _Place) -> str:
    values = {name: getattr(place, name) for name in _Place.__slots__}
    shown = {name: stamp(v) if isinstance(v, datetime) else v for name, v in values.items() if v}
    return json.dumps(shown, separators=(",", ":"))


def _read_cursor(text: str | None) -> _Place:
    values = http.members_of((text or "").encode())
    return _Place(
        since=instant(values.get("since")),
        after=instant(values.get("after")),
        page=values.get("page"),
        high=instant(values.get("high")),
        left=instant(values.get("left")),
        wide=instant(values.get("wide")),
        deep=instant(values.get("deep")),
        pages=_count(values.get("pages")),
        width=_count(values.get("width")),
        odd=values.get("odd") is True,
        anew=values.get("anew") is True,
        mark=str(values.get("mark") or ""),
    )
