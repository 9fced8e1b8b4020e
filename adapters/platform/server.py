"""The simulated approved platform's server: the sender's operations of XP Z12-013 Flow Service 1.3.0, and its pretence.

Every answer bears X-Estafette-Simulator, so that nobody takes it for a real platform. What it adds to the standard is
`GET /simulator/deliveries`, which shows tests and demos what was received and how often.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import logging
import secrets
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from aiohttp import BodyPartReader, web

from adapters.platform import buyers, directory, flows, ledger, questions, reading
from adapters.platform.chaos import LATEST, TIE, Chaos, Fault, odd_message, shortened_answer
from schemas.xml import Unreadable

BASE = "/afnor-flow"
"""Where the Flow Service stands."""
HEADER = "X-Estafette-Simulator"
SAYS = "not a real approved platform"
FILE_LIMIT = 100_000_000
"""Bytes of one flow's file, as the standard says."""
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
STRIDE = 50
"""Deposits looked at between two looks whether a page is full."""
REQUEST_LIMIT = FILE_LIMIT + 1_000_000

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Manners:
    """How the platform plays; what a test may turn."""

    pace: float = 0.2
    """Seconds between the statuses of an invoice; half of it until the platform's own verdict."""
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    silence: float = 5.0
    """Seconds a silent buyer's call stays open before it is cut."""
    refusals: int = 2
    """How many times a busy or failing buyer's call is turned away before it is taken."""
    retry_after: int = 1
    """Seconds told with a 429."""
    token_seconds: int = 3600
    """How long an access token is good for."""
    chaos: Chaos | None = None
    """What goes wrong besides; None: nothing does."""

    def clock(self) -> datetime:
        """What the platform takes the time to be."""
        return self.now() if self.chaos is None else self.chaos.shown(self.now())


@dataclass(slots=True)
class Platform:
    """What the handlers share."""

    ledger: ledger.Ledger
    manners: Manners
    secrets: dict[str, str]
    """Client id → its secret."""
    companies: dict[str, str] = field(default_factory=dict)
    """SIREN → the client that acts for it; who is not here is played by the scripted buyers."""
    tokens: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    """Access token → when it ends, and whose it is. Not kept: after a restart clients ask anew."""
    turned_away: Counter[str] = field(default_factory=Counter)
    """Content hash → how often its call was turned away."""
    asked: int = 0
    """Calls so far, token calls left out."""


PLATFORM: web.AppKey[Platform] = web.AppKey("platform", Platform)
CLIENT: web.RequestKey[str] = web.RequestKey("client", str)
"""Under which a request says whose token it bears."""


def create(
    data: Path,
    manners: Manners | None = None,
    login: tuple[str, str] | None = None,
    companies: Sequence[str] = (),
) -> web.Application:
    """The application over a data folder. Raises BlockingIOError when another platform has the folder open.

    `login` is the client id and secret to admit, for gateways that cannot read the data folder; without it they are
    made and kept there. `companies`: SIREN of each company that is a client of its own, with its secret in the data
    folder: invoices for it come to it, and are played by no script.
    """
    application = web.Application(client_max_size=REQUEST_LIMIT, middlewares=[_middleware])
    kept = ledger.open_ledger(data)
    known = dict([login or ledger.credentials(data)])
    acting: dict[str, str] = {}
    for siren in companies:
        acting[siren], known[acting[siren]] = ledger.credentials(data, siren)
    manners = manners or Manners()
    application[PLATFORM] = Platform(kept, manners, known, acting)
    application[directory.DIRECTORY] = directory.Directory(manners.clock, manners.refusals, manners.retry_after)
    application.on_cleanup.append(_close)
    application.router.add_routes(
        [
            web.post("/oauth2/token", _token),
            web.post(f"{BASE}/v1/flows", _deposit),
            web.post(f"{BASE}/v1/flows/search", _search),
            web.get(f"{BASE}/v1/flows/{{flowId}}", _flow, allow_head=False),
            web.get(f"{BASE}/v1/healthcheck", _health, allow_head=False),
            web.get("/simulator/deliveries", _deliveries, allow_head=False),
            *directory.routes(),
        ]
    )
    return application


async def run(
    host: str,
    port: int,
    data: Path,
    login: tuple[str, str] | None = None,
    companies: Sequence[str] = (),
    *,
    chaos: int | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; says its address on standard output once it listens. `chaos`: seed of the faults
    that it plays besides."""
    manners = Manners() if chaos is None else Manners(chaos=Chaos(chaos), token_seconds=30)
    application = create(data, manners, login=login, companies=companies)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        await web.TCPSite(runner, host, port).start()
        shown = f"[{host}]" if ":" in host else host
        print(f"simulated approved platform ({SAYS}) on http://{shown}:{runner.addresses[0][1]}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


async def _close(application: web.Application) -> None:
    await application[PLATFORM].ledger.close()


@web.middleware
async def _middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Access, errors in the standard's shape, and the header on everything."""
    try:
        asks = request.path.startswith(f"{BASE}/v1/flows") or directory.guarded(request.path)
        if asks and not _admitted(request):
            answer: web.StreamResponse = problem(401, "INVALID_TOKEN", "A valid bearer token is required")
            answer.headers["WWW-Authenticate"] = "Bearer"
        else:
            answer = await _served(request, handler)
    except questions.Wrong as wrong:
        answer = problem(400, wrong.code, wrong.says)
    except web.HTTPRequestEntityTooLarge:
        answer = problem(413, "FILE_SIZE_EXCEEDED", "The file is bigger than 100 MB")
    except web.HTTPException as other:
        code = "MISSING_RESOURCE" if other.status == 404 else f"HTTP_{other.status}"
        answer = problem(other.status, code, other.reason)
    except OSError:
        log.exception("the disk does not take it")
        answer = problem(503, "RESOURCE_ERROR", "The disk does not take it")
    except Exception:
        log.exception("a request failed")
        answer = problem(500, "INTERNAL_ERROR", "Something went wrong in the simulated platform")
    if not answer.prepared:
        answer.headers[HEADER] = SAYS
    return answer


async def _served(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The handler's answer, and what chaos makes of it; a deposit meets its own, by what it brings."""
    platform = request.app[PLATFORM]
    chaos = platform.manners.chaos
    if chaos is None or not request.path.startswith(f"{BASE}/v1/flows"):
        return await handler(request)
    platform.asked += 1
    if request.path == f"{BASE}/v1/flows":
        return await handler(request)
    what = f"call {platform.asked}" if request.method == "POST" else request.path_qs
    if (instead := chaos.before(what, platform.manners.now())) is not None:
        return instead
    return await chaos.after(request, what, await handler(request))


def problem(status: int, code: str, says: str, **more: str) -> web.Response:
    """An error in the shape of the standard."""
    return web.json_response({"errorCode": code, "errorMessage": says, "type": "about:blank"} | more, status=status)


def _admitted(request: web.Request) -> bool:
    platform = request.app[PLATFORM]
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    ends, client = platform.tokens.get(token, (EARLIEST, "")) if scheme.lower() == "bearer" else (EARLIEST, "")
    request[CLIENT] = client
    chaos = platform.manners.chaos
    if client and chaos is not None and chaos.strikes(Fault.FORGOTTEN, f"token of call {platform.asked}"):
        del platform.tokens[token]
        return False
    return platform.manners.clock() < ends


async def _token(request: web.Request) -> web.Response:
    """OAuth2 client credentials (RFC 6749, 4.4): the client in the Authorization header or in the form."""
    platform = request.app[PLATFORM]
    form = await request.post()
    client, secret = str(form.get("client_id", "")), str(form.get("client_secret", ""))
    scheme, _, login = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client, _, secret = map(unquote, base64.b64decode(login, validate=True).decode().partition(":"))
        except (binascii.Error, UnicodeDecodeError):
            client = secret = ""
    if form.get("grant_type") != "client_credentials":
        return web.json_response({"error": "unsupported_grant_type"}, status=400)
    known = platform.secrets.get(client, "")
    if not hmac.compare_digest(secret.encode(), known.encode()) or not known:
        return web.json_response({"error": "invalid_client"}, status=401, headers={"WWW-Authenticate": "Basic"})
    now = platform.manners.clock()
    platform.tokens = {token: granted for token, granted in platform.tokens.items() if granted[0] > now}
    token = secrets.token_urlsafe(32)
    platform.tokens[token] = (now + timedelta(seconds=platform.manners.token_seconds), client)
    answer = {"access_token": token, "token_type": "Bearer", "expires_in": platform.manners.token_seconds}
    return web.json_response(answer, headers={"Cache-Control": "no-store"})


async def _health(request: web.Request) -> web.Response:
    return web.json_response({"status": "up", "simulator": SAYS})


async def _deposit(request: web.Request) -> web.StreamResponse:
    """POST /v1/flows."""
    platform = request.app[PLATFORM]
    info, data = await _parts(request)
    digest = await asyncio.to_thread(ledger.digest, data)
    if info.sha256 is not None and info.sha256 != digest:
        return problem(422, "ChecksumMismatch", "The file does not have the sha256 that was given")
    if not data:
        return problem(422, "EmptyFlow", "The file is empty")
    delivered = await asyncio.to_thread(_read, data, info.syntax)
    client = request[CLIENT]
    recipient = platform.companies.get(delivered.buyer) if delivered else None
    buyer = buyers.of(delivered.buyer) if delivered and recipient is None else buyers.PAYS
    twin = platform.ledger.twin_of(client, digest)
    turned = await _turned_away(request, platform, buyer, digest) if twin is None else None
    if turned is not None:
        return turned
    deposit = ledger.Deposit(
        id=secrets.token_hex(16),
        at=platform.manners.clock().astimezone(UTC),
        client=client,
        name=info.name,
        syntax=info.syntax,
        sha256=digest,
        size=len(data),
        pace=platform.manners.pace,
        tracking=info.tracking,
        rule=info.rule,
        profile=info.profile,
        twin=twin,
        delivered=delivered,
        recipient=recipient,
    )
    if info.syntax == "CDAR":
        deposit = await asyncio.to_thread(_tied, platform, deposit, data)
    await platform.ledger.keep(deposit, data)
    answer = await _taken(request, platform, buyer, deposit)
    chaos = platform.manners.chaos
    return answer if chaos is None else await chaos.after(request, digest, answer)


async def _taken(
    request: web.Request, platform: Platform, buyer: buyers.Buyer, deposit: ledger.Deposit
) -> web.StreamResponse:
    """The answer once the deposit is on disk; a second deposit of the same bytes is always answered plainly."""
    if deposit.twin is None:
        match buyer.transport:
            case buyers.Transport.SILENT:
                await asyncio.sleep(platform.manners.silence)
                if request.transport is not None:
                    request.transport.abort()
            case buyers.Transport.FAILING_AFTER:
                return problem(500, "INTERNAL_ERROR", "Simulated failure after the flow was taken")
            case buyers.Transport.DUPLICATE:
                where = f"{BASE}/v1/flows/{deposit.id}"
                says = "The flow has already been sent and received"
                return problem(422, "AlreadyExistingFlow", says, instance=where)
            case _:
                pass
    told = flows.full_info(deposit)
    if (chaos := platform.manners.chaos) is not None:
        if chaos.strikes(Fault.SAYS_TWIN, deposit.sha256):
            return problem(422, "AlreadyExistingFlow", "The flow has already been sent and received")
        if chaos.strikes(Fault.NO_ID, deposit.sha256):
            return shortened_answer(told)
    return web.json_response(told, status=202)


async def _turned_away(
    request: web.Request, platform: Platform, buyer: buyers.Buyer, digest: str
) -> web.StreamResponse | None:
    """The answer of a call that is not taken (yet); None when it is taken."""
    chaos = platform.manners.chaos
    if chaos is not None and (instead := chaos.before(digest, platform.manners.now())) is not None:
        return instead
    if buyer.transport is buyers.Transport.HANGING:
        await asyncio.sleep(platform.manners.silence)
        if request.transport is not None:
            request.transport.abort()
        return problem(504, "TIMEOUT", "Simulated silence")
    if buyer.transport is buyers.Transport.REFUSING:
        return problem(422, "FlowTypeError", "Simulated refusal: this flow is not taken")
    if buyer.transport not in (buyers.Transport.BUSY, buyers.Transport.FAILING):
        return None
    platform.turned_away[digest] += 1
    if platform.turned_away[digest] > platform.manners.refusals:
        del platform.turned_away[digest]
        return None
    if buyer.transport is buyers.Transport.FAILING:
        return problem(500, "INTERNAL_ERROR", "Simulated failure before the flow was taken")
    answer = problem(429, "TOO_MANY_REQUESTS", "Simulated overload")
    answer.headers["Retry-After"] = str(platform.manners.retry_after)
    return answer


async def _parts(request: web.Request) -> tuple[questions.Info, bytes]:
    """flowInfo and file. Raises Wrong, HTTPRequestEntityTooLarge."""
    if not request.content_type.startswith("multipart/form-data"):
        raise questions.Wrong("INVALID_CONTENT_TYPE", "multipart/form-data with flowInfo and file is required")
    limits = {"flowInfo": 100_000, "file": FILE_LIMIT}
    parts: dict[str, bytes] = {}
    try:
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name in limits and part.name not in parts:
                parts[part.name] = await _content(part, limits[part.name])
    except (ValueError, AssertionError):
        raise questions.Wrong("INVALID_CONTENT", "the multipart body cannot be read") from None
    if "flowInfo" not in parts or "file" not in parts:
        raise questions.Wrong("MISSING_REQUIRED_FIELD", "flowInfo and file are required")
    return questions.info(parts["flowInfo"]), parts["file"]


async def _content(part: BodyPartReader, limit: int) -> bytes:
    content = bytearray()
    while chunk := await part.read_chunk(65_536):
        content += chunk
        if len(content) > limit:
            raise web.HTTPRequestEntityTooLarge(limit, len(content))
    return bytes(content)


def _read(data: bytes, syntax: str) -> reading.Delivered | None:
    if syntax not in flows.INVOICES:
        return None
    try:
        return reading.read(data, syntax)
    except Unreadable:
        return None


def _tied(platform: Platform, deposit: ledger.Deposit, data: bytes) -> ledger.Deposit:
    """A status message with the invoice it speaks of, and the client on the other side of that."""
    try:
        named = reading.about(data)
    except Unreadable:
        return deposit
    invoice = platform.ledger.spoken_of(deposit.client, named.seller, named.number)
    if invoice is None:
        return deposit
    by_seller = invoice.client == deposit.client
    other = invoice.recipient if by_seller else invoice.client
    return replace(deposit, about=invoice.id, by_seller=by_seller, recipient=other)


async def _search(request: web.Request) -> web.Response:
    """POST /v1/flows/search, oldest first, with bookmarks."""
    platform = request.app[PLATFORM]
    search = questions.search(await request.read())
    chaos = platform.manners.chaos
    if chaos is not None and search.cursor is not None and chaos.strikes(Fault.BOOKMARK, f"bookmark {platform.asked}"):
        raise questions.Wrong("INVALID_FIELD", "the cursor is no longer known")
    found = sorted(_matching(platform, search, request[CLIENT]), key=_order)
    page = found[: search.limit]
    told = [seen.body for seen in page] if chaos is None else chaos.page([seen.body for seen in page], platform.asked)
    answer: dict[str, Any] = {"limit": search.limit, "filters": search.where, "results": told}
    if len(found) > len(page):
        answer["nextCursor"] = questions.cursor_after(*_order(page[-1]))
    return web.json_response(answer)


def _order(seen: flows.Seen) -> tuple[datetime, str]:
    return seen.updated, seen.id


def _matching(platform: Platform, search: questions.Search, client: str) -> list[flows.Seen]:
    """The flows of a page and some that follow, in no order; one more than the page at least, when there is one.

    Each client sees its own.
    """
    kept, now = platform.ledger, platform.manners.clock()
    slack = LATEST + TIE if platform.manners.chaos is not None else timedelta(0)
    start = max((at for at in (search.after, search.cursor and search.cursor[0]) if at), default=None)
    tracking = search.where.get("trackingId")
    if tracking is not None:
        ids = kept.tracked.get(tracking, [])
    else:
        ids = list(kept.since(start - flows.longest(kept.slowest) - slack if start else EARLIEST))
    found: list[flows.Seen] = []
    for place, id in enumerate(ids):
        deposit = kept.flows[id]
        # Nothing of this deposit or a later one is older than it: a full page is complete without them.
        looks = place % STRIDE == 0 and tracking is None
        if looks and sum(seen.updated < deposit.at - slack for seen in found) > search.limit:
            break
        for seen in _seen(platform, deposit, now, client):
            if _fits(seen, search) and (search.cursor is None or _order(seen) > search.cursor):
                found.append(seen)
    return found


def _seen(platform: Platform, deposit: ledger.Deposit, now: datetime, client: str) -> Iterator[flows.Seen]:
    chaos = platform.manners.chaos
    return flows.seen(deposit, now, client) if chaos is None else chaos.seen(deposit, now, client)


def _fits(seen: flows.Seen, search: questions.Search) -> bool:
    body, where = seen.body, search.where
    return (
        (search.after is None or seen.updated > search.after)
        and (search.before is None or seen.updated < search.before)
        and all(
            body[name] in where[name] for name in ("processingRule", "flowType", "flowDirection") if where.get(name)
        )
        and where.get("trackingId", body.get("trackingId")) == body.get("trackingId")
        and where.get("ackStatus", body["acknowledgement"]["status"]) == body["acknowledgement"]["status"]
    )


async def _flow(request: web.Request) -> web.StreamResponse:
    """GET /v1/flows/{flowId}."""
    platform = request.app[PLATFORM]
    wanted = request.query.get("docType", "Metadata")
    if wanted not in questions.DOC_TYPES:
        raise questions.Wrong("INVALID_FIELD", f"docType is one of {', '.join(questions.DOC_TYPES)}")
    id = request.match_info["flowId"]
    deposit = platform.ledger.flows.get(flows.owner(id))
    visible = _seen(platform, deposit, platform.manners.clock(), request[CLIENT]) if deposit else ()
    seen = next((seen for seen in visible if seen.id == id), None)
    if seen is None:
        return problem(404, "MISSING_RESOURCE", "There is no such flow")
    if wanted == "Metadata":
        return web.json_response(seen.body)
    if seen.step is not None and seen.deposit.delivered is not None:
        return await _status_file(seen, wanted, platform.manners.chaos)
    if wanted == "Original" or (wanted == "ReadableView" and seen.deposit.syntax == "Factur-X"):
        data = await asyncio.to_thread(platform.ledger.content, seen.deposit.sha256)
        return _file(data, seen.deposit.name)
    return problem(404, "MISSING_RESOURCE", f"There is no {wanted} of this flow")


async def _status_file(seen: flows.Seen, wanted: str, chaos: Chaos | None) -> web.Response:
    assert seen.deposit.delivered is not None
    assert seen.step is not None
    scripted = seen.deposit.recipient is None
    contents = buyers.of(seen.deposit.delivered.buyer).contents if scripted else buyers.Contents.ORIGINAL
    if contents is buyers.Contents.BROKEN:
        return problem(500, "INTERNAL_ERROR", "Simulated failure of this one download")
    if wanted != ("Converted" if contents is buyers.Contents.CONVERTED else "Original"):
        return problem(404, "MISSING_RESOURCE", f"There is no {wanted} of this flow")
    if seen.odd:
        data = await asyncio.to_thread(odd_message, seen)
    else:
        data = await asyncio.to_thread(flows.status_message, seen.deposit, seen.step)
    return _file(data if chaos is None else chaos.content(data, seen.id), seen.body["name"])


def _file(data: bytes, name: str) -> web.Response:
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    headers = {"Content-Disposition": f'attachment;filename="{safe}"'}
    return web.Response(body=data, content_type="application/octet-stream", headers=headers)


async def _deliveries(request: web.Request) -> web.Response:
    """What was received: each content once, with how often it came again."""
    kept = request.app[PLATFORM].ledger
    deliveries = [
        {
            "flowId": deposit.id,
            "trackingId": deposit.tracking,
            "sha256": deposit.sha256,
            "name": deposit.name,
            "submittedAt": flows.stamp(deposit.at),
            "duplicates": kept.repeats.get(deposit.id, 0),
        }
        for deposit in kept.flows.values()
        if deposit.twin is None
    ]
    chaos = request.app[PLATFORM].manners.chaos
    struck = {str(fault): count for fault, count in sorted(chaos.struck.items()) if count} if chaos is not None else {}
    text = json.dumps(
        {"simulator": SAYS, "count": len(deliveries), "struck": struck, "deliveries": deliveries}, ensure_ascii=False
    )
    return web.Response(text=text, content_type="application/json")
