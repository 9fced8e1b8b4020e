"""The compatibility sheet: of the simulated platform, of our own face, and of a platform that does everything wrong."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from adapters.conformance import facts
from adapters.conformance.catalogue import FAMILIES, SCENARIOS
from adapters.conformance.counterpart import DIRECTORY, FLOW, Access, Counterpart
from adapters.conformance.shape import complaint
from adapters.conformance.sheet import Away, Sheet, play
from adapters.conformance.verdict import Needs, Result
from adapters.http import Answer
from adapters.port import Arrival, ArrivalKind
from adapters.webhook import Post
from gateway import webhooks
from gateway.__main__ import main
from gateway.api.afnor.webhooks import flow_body
from gateway.api.keys import RESOURCES
from gateway.clock import SystemClock
from gateway.compute import Compute
from gateway.store import accounts, arrivals
from gateway.store.accounts import Account, Scope
from gateway.store.arrivals import Owner
from gateway.store.pool import Pool
from tests.adapters.conftest import Running, start
from tests.conftest import STANDARDS
from tests.gateway.api.conftest import PEPPER, SIRENS, Api, sample, serving
from tests.gateway.api.test_afnor_flows import answered, hand_in
from tests.gateway.console import estafette

PUBLISHED = STANDARDS / "xp-z12-013"
SELLER, BUYER = "100000108", "100000207"


def now() -> datetime:
    return datetime.now(UTC)


def described() -> Mapping[str, Mapping[str, Any]]:
    """The published files where they stand beside this checkout; else our own facts."""
    if not PUBLISHED.is_dir():
        return {FLOW: facts.FLOW_SERVICE, DIRECTORY: facts.DIRECTORY_SERVICE}
    names = {FLOW: "flow-service-1.3.0.json", DIRECTORY: "directory-service-1.3.0.json"}
    return {service: json.loads((PUBLISHED / name).read_text(encoding="utf-8")) for service, name in names.items()}


async def sheet_of(access: Access, descriptions: Mapping[str, Mapping[str, Any]] | None = None) -> Sheet:
    return await play(Counterpart(access, now, descriptions or described()))


def of(sheet: Sheet, result: Result) -> dict[str, str]:
    """The scenarios that ended so, with what was found."""
    return {
        verdict.scenario.name: f"{verdict.expected and verdict.expected.english} / "
        f"{verdict.found and verdict.found.english}"
        for verdict in sheet.verdicts
        if verdict.result is result
    }


def access_of(platform: Running, **more: Any) -> Access:
    """How the conformance run reaches a simulated platform."""
    known = platform.settings
    values: dict[str, Any] = {
        "url": known.url,
        "token_url": known.token_url,
        "client_id": known.client_id,
        "secret_file": known.secret_file,
        "allow": known.allow,
        "seller": SELLER,
        "buyer": BUYER,
        "rate": 10_000.0,
        "patience": 5.0,
    }
    return Access(**{**values, **more})


@pytest.fixture
async def simulated(tmp_path: Path) -> AsyncIterator[Running]:
    from adapters.platform.server import Manners

    running = await start(tmp_path / "platform", Manners(pace=0.05))
    yield running
    await running.stop()


def test_each_scenario_says_what_it_asks_for_and_where():
    names = [scenario.name for scenario in SCENARIOS]
    assert len(names) == len(set(names)) > 150
    assert list(FAMILIES) == list(dict.fromkeys(name.partition(".")[0] for name in names))
    for scenario in SCENARIOS:
        assert scenario.says.english != scenario.place
        assert re.search(r"OpenAPI 1\.3\.0|RFC \d{4}|XP Z12-01", scenario.place), scenario.name
        assert scenario.french
        assert scenario.french != scenario.says.english


def test_without_leave_nothing_is_changed():
    """A scenario that hands in, subscribes, burdens or removes says so; the others call what only reads."""
    reading = [one.name for one in SCENARIOS if one.needs is Needs.NOTHING]
    assert not [name for name in reading if name.startswith(("submit.", "refusals."))]


async def test_the_simulated_platform(simulated: Running):
    directory = simulated.url + "/afnor-directory"
    sheet = await sheet_of(access_of(simulated, submit=True, directory_url=directory, burst=20))
    assert set(of(sheet, Result.FAILED)) == {
        "refusals.broken_schema",  # it judges no document
        "webhooks.are_listed",  # it has no webhooks
        "published.subscribing",
    }, of(sheet, Result.FAILED)
    assert not of(sheet, Result.UNKNOWN)
    skipped = {name for name in of(sheet, Result.SKIPPED) if not name.startswith("webhooks.")}
    assert skipped <= {"refusals.too_large", "token.expired", "limits.say_how_long", "paging.loses_no_ties"}
    told = {line.name: line.value for line in sheet.capabilities}
    assert told["edition"] == "1.3.0"
    assert (told["cursors"], told["tracking"], told["originals"], told["webhooks"]) == ("yes", "yes", "yes", "no")
    assert told["duplicates"] == "acknowledgement"
    assert dict(sheet.settings)["ESTAFETTE_AFNOR_URL"] == simulated.settings.url
    assert len(await simulated.deliveries()) > 20


async def test_only_reading_hands_nothing_in(simulated: Running):
    sheet = await sheet_of(access_of(simulated))
    assert sheet.submitted == 0
    assert not await simulated.deliveries()
    assert set(of(sheet, Result.FAILED)) == {"webhooks.are_listed", "published.subscribing"}
    assert sheet.counts[Result.PASSED] > 60


@asynccontextmanager
async def working(api: Api) -> AsyncIterator[None]:
    """The line runs, and what is to be posted is posted."""
    told = webhooks.Telling(PEPPER, partial(flow_body, api.resources))

    async def turn() -> None:
        while True:
            await api.worker.drain()
            await webhooks.spread(api.resources)
            claimed = await webhooks.due(api.resources, 50)
            await asyncio.gather(*(webhooks.post(api.resources, one, told) for one in claimed))
            await asyncio.sleep(0.05)

    task = asyncio.create_task(turn())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_our_own_face(pool: Pool, compute: Compute, tmp_path: Path):
    port = unused_port()
    async with serving(pool, compute, SystemClock(), tmp_path) as api:
        courier = Post(now, frozenset({f"127.0.0.1:{port}"}))
        api.resources = replace(api.resources, courier=courier)
        api.worker = type(api.worker)(api.resources, 4)
        assert api.client.app is not None
        api.client.app._state[RESOURCES] = api.resources  # an application that runs refuses to be changed
        account = await api.account(original="facturx")
        made = await accounts.issue(
            pool, account.id, PEPPER, kind="client", scopes=frozenset(Scope), now=api.resources.clock.now()
        )
        secret = tmp_path / "secret"
        secret.touch(mode=0o600)
        secret.write_text(made.secret, encoding="utf-8")
        server = str(api.client.make_url("")).rstrip("/")
        access = Access(
            url=f"{server}/afnor-flow",
            token_url=f"{server}/oauth2/token",
            client_id=made.public_id,
            secret_file=secret,
            directory_url=f"{server}/afnor-directory",
            allow=frozenset({server.removeprefix("http://")}),
            seller=SIRENS[0],
            buyer=SIRENS[1],
            known=SIRENS[0],
            submit=True,
            callback=f"http://127.0.0.1:{port}/hook",
            listen=("127.0.0.1", port),
            rate=10_000.0,
            patience=8.0,
        )
        await _approved(api, account, await api.key(account))
        async with working(api):
            sheet = await sheet_of(access)
        await courier.close()
    assert not of(sheet, Result.FAILED)
    assert not of(sheet, Result.UNKNOWN)
    skipped = {name for name in of(sheet, Result.SKIPPED) if not name.startswith("directory.")}
    assert skipped <= {
        "token.expired",
        "refusals.too_large",
        "paging.loses_no_ties",
        "limits.hold_against_a_burst",
        "limits.say_how_long",
        "published.directory",
    }
    told = {line.name: line.value for line in sheet.capabilities}
    assert told == {
        "edition": "1.3.0",
        "cursors": "yes",
        "tracking": "yes",
        "duplicates": "door",
        "originals": "yes",
        "webhooks": "yes",
        "signature": "digest",
    }


async def _approved(api: Api, account: Account, key: dict[str, str]) -> None:
    """An invoice of the account that its buyer has approved."""
    handed = await answered(await hand_in(api, key), 202)
    await api.worker.drain()
    at = api.resources.clock.now()
    arrival = Arrival("approved", ArrivalKind.STATUS, at, "application/xml", sample("cdar/approved.xml"))
    await arrivals.keep(api.resources.pool, "folder", Owner(account.id, UUID(handed["flowId"])), arrival, at)
    await api.worker.drain()


class Wrong:
    """A platform that answers, and nearly always wrongly: filters, limits, hashes and tokens are nothing to it."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.asked = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if request.path == "/token":
            return web.json_response({"access_token": "t", "expires_in": "soon"})
        if request.path == "/v1/healthcheck":
            return web.Response(status=500, text="Traceback (most recent call last): the database is down")
        if self.asked % 40 == 0 and request.path != "/v1/flows/search":
            return web.Response(status=429, text="slow down")
        if request.method == "POST" and request.path == "/v1/flows":
            return await self._taken(request)
        if request.path == "/v1/flows/search":
            again = [self._flow(id) for id in list(self.kept)[:1]]
            found = [self._flow(id) for id in self.kept] + again
            return web.Response(body=json.dumps({"results": found, "nextCursor": "x"}), content_type="text/html")
        if request.path.startswith("/v1/flows/"):
            id = request.path.rpartition("/")[2]
            if request.query.get("docType", "Metadata") == "Metadata":
                return web.json_response(self._flow(id))
            return web.Response(body=f"made anew {self.asked}".encode(), content_type="text/plain")
        return web.Response(text="ok")

    async def _taken(self, request: web.Request) -> web.Response:
        id = f"{self.asked:x}".rjust(70, "0")
        self.kept[id] = await request.read()
        return web.json_response({"flowId": id, "submittedAt": "25/11/2026"}, status=202)

    def _flow(self, id: str) -> dict[str, Any]:
        later = (now() + timedelta(days=400)).replace(tzinfo=None).isoformat()
        said = {"status": "Fine", "details": [{"level": "Bad"}]}
        return {
            "flowId": id, "submittedAt": later, "updatedAt": "2020-01-01T00:00:00Z", "acknowledgement": said,
            "flowSyntax": "CII", "flowType": "Invoice", "flowDirection": "Sideways",
        }  # fmt: skip


@asynccontextmanager
async def wrongly() -> AsyncIterator[str]:
    """Where a platform stands that does everything wrong."""
    application = web.Application(client_max_size=10_000_000)
    application.router.add_route("*", "/{path:.*}", Wrong().serve)
    async with TestServer(application) as server:
        yield str(server.make_url("")).rstrip("/")


async def test_a_platform_that_does_everything_wrong(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("s", encoding="utf-8")
    async with wrongly() as url:
        access = Access(
            url=url,
            token_url=f"{url}/token",
            client_id="c",
            secret_file=secret,
            allow=frozenset({url.removeprefix("http://")}),
            directory_url=url,
            seller=SELLER,
            buyer=BUYER,
            submit=True,
            callback="http://127.0.0.1:9/hook",
            burst=45,
            rate=10_000.0,
            patience=0.2,
        )
        sheet = await sheet_of(access, {FLOW: facts.FLOW_SERVICE, DIRECTORY: facts.DIRECTORY_SERVICE})
    failed = of(sheet, Result.FAILED)
    assert not of(sheet, Result.UNKNOWN)
    assert set(of(sheet, Result.PASSED)) == {
        "acknowledgements.moves_the_update",
        "encoding.bodies_are_json",
        "encoding.clocks_agree",
        "encoding.texts_are_utf8",
        "encoding.times_are_no_future",
        "limits.hold_against_a_burst",
        "paging.the_same_page_again",
        "reading.converted",
        "reading.metadata",
        "reading.metadata_by_default",
        "reading.original",
        "search.answers_a_page",
        "search.by_both_directions",
        "search.by_longest_tracking_id",
        "search.by_type",
        "search.by_types_of_this_edition",
        "search.limit_of_a_hundred",
        "search.negative_limit",
        "search.unknown_member",
        "search.with_a_zero_byte",
        "search.with_accents",
        "submit.file_before_info",
        "submit.longest_tracking_id",
        "submit.profile_basic",
        "submit.profile_cius",
        "submit.profile_extended",
        "submit.without_hash",
        "submit.without_rule",
        "submit.without_tracking_id",
        "token.secret_in_form",
        "token.secret_in_header",
        "token.serves_many_calls",
    }, "only what asks for no more than an answer"
    assert len(failed) > 100
    assert failed["search.limit_of_one"].startswith("≤ 1 / ")
    assert failed["refusals.wrong_hash"].endswith("(ChecksumMismatch) / taken: acknowledgement Fine None")
    assert failed["submit.twice_at_once"] == "one flow / 2 flows"
    assert failed["limits.say_how_long"].startswith("Retry-After / ")
    assert "GET /v1/healthcheck HTTP 500: text/plain ∉ application/json" in failed["published.health"]
    told = {line.name: line.value for line in sheet.capabilities}
    assert (told["edition"], told["cursors"], told["tracking"], told["webhooks"]) == ("unknown", "no", "no", "no")


@web.middleware
async def bent(request: web.Request, handler: Any) -> web.StreamResponse:
    """The simulated platform as one of edition 1.2.0 would be, whose `updatedAfter` is not strict, and lazy besides."""
    if not request.path.endswith("/flows/search"):
        return await _bent_file(request, await handler(request))
    try:
        asked = json.loads(await request.read())
    except (ValueError, RecursionError):
        return await handler(request)
    where = asked.get("where") if isinstance(asked, dict) else None
    if isinstance(where, dict):
        new_types = set(map(str, where.get("flowType", ()))) & {"StatePaymentReport", "StateTransactionReportLC"}
        if new_types or len(str(where.get("trackingId", ""))) > 36:
            return web.json_response({"errorCode": "UNKNOWN", "errorMessage": "not in 1.2.0"}, status=400)
        where.pop("trackingId", None)
        if "updatedAfter" in where and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+\d\d:\d\d)", where["updatedAfter"]):
            zoneless = datetime.fromisoformat(where["updatedAfter"]).replace(tzinfo=UTC)
            where["updatedAfter"] = (zoneless - timedelta(microseconds=1)).isoformat()
        request._read_bytes = json.dumps({**asked, "where": where or {"updatedAfter": "1970-01-01T00:00:00Z"}}).encode()
    answer = await handler(request)
    told = json.loads(answer.body) if answer.status == 200 else None
    if told is None:
        return answer
    told.pop("nextCursor", None)
    for flow in told["results"]:
        if flow["acknowledgement"]["status"] == "Error":
            flow["acknowledgement"].pop("details")
    return web.json_response(told)


async def _bent_file(request: web.Request, answer: Any) -> Any:
    if answer.status == 200 and request.query.get("docType") == "Original" and b"CrossDomain" in answer.body:
        return web.Response(body=answer.body.replace(b"CrossDomain", b"CrissCross"), content_type="application/xml")
    return answer


async def test_a_platform_of_the_edition_before(tmp_path: Path):
    from adapters.platform import server
    from adapters.platform.server import Manners

    application = server.create(tmp_path / "old", Manners(pace=0.02, token_seconds=1))
    application.middlewares.insert(0, bent)
    known = json.loads((tmp_path / "old" / "credentials.json").read_text(encoding="utf-8"))
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(known["client_secret"], encoding="utf-8")
    async with TestServer(application) as served:
        url = str(served.make_url("")).rstrip("/")
        allow = frozenset({url.removeprefix("http://")})
        access = Access(
            f"{url}/afnor-flow", f"{url}/oauth2/token", known["client_id"], secret, allow=allow, seller=SELLER,
            buyer=BUYER, submit=True, rate=10_000.0, patience=2.0,
        )  # fmt: skip
        sheet = await sheet_of(access)
    failed = of(sheet, Result.FAILED)
    assert not of(sheet, Result.UNKNOWN)
    assert "token.expired" in of(sheet, Result.PASSED)
    assert {name for name in failed if not name.startswith(("published.", "webhooks."))} == {
        "acknowledgements.error_says_why",
        "paging.by_cursor",
        "reading.is_what_its_syntax_says",
        "refusals.broken_schema",
        "search.after_is_strict",
        "search.by_longest_tracking_id",
        "search.by_tracking_id",
        "search.by_types_of_this_edition",
        "search.by_unknown_tracking_id",
        "search.in_another_time_zone",
        "search.without_criterion",
        "statuses.bear_known_codes",
        "statuses.can_be_read",
        "statuses.name_the_invoice",
        "submit.is_found_by_tracking_id",
    }, failed
    told = {line.name: line.value for line in sheet.capabilities}
    assert (told["edition"], told["cursors"], told["tracking"]) == ("1.2.0", "no", "no")


def junk(draw: random.Random, depth: int = 0) -> Any:
    """Any JSON, with the names that a platform's answers have."""
    choice = draw.randrange(12)
    if choice < 3 and depth < 3:
        names = (
            "flowId",
            "results",
            "updatedAt",
            "acknowledgement",
            "details",
            "status",
            "nextCursor",
            "siren",
            "count",
        )
        return {draw.choice(names): junk(draw, depth + 1) for _ in range(6)}
    if choice < 5 and depth < 3:
        return [junk(draw, depth + 1) for _ in range(draw.randrange(4))]
    texts = ("", "x", "é" * 70, "\ud800", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
    return draw.choice((None, True, -1, 10**30, 1.5, *texts))


@pytest.mark.parametrize("seed", range(5))
async def test_no_answer_is_too_odd_for_a_verdict(seed: int, tmp_path: Path):
    draw = random.Random(seed)
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("s", encoding="utf-8")

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/token":
            return web.json_response({"access_token": "t", "expires_in": draw.choice((3600, "x", None, -1))})
        body = junk(draw)
        body = body if isinstance(body, dict) else {"results": body}
        if request.path.endswith("search") and draw.random() < 0.7:
            odd = {"flowId": draw.choice(("a", 7, None)), "updatedAt": draw.choice(("2026-11-25T12:00:00Z", "x", 5))}
            body["results"] = [odd | {"flowSyntax": draw.choice(("CII", "CDAR", 3)), "acknowledgement": junk(draw, 1)}]
        status, kind = draw.choice((200, 200, 202, 400, 404, 422, 500)), draw.choice(("application/json", "text/plain"))
        headers = {"Date": draw.choice(("x", "Wed, 25 Nov 2026 12:00:00 GMT")), "Retry-After": "z"}
        return web.Response(body=json.dumps(body).encode(), content_type=kind, status=status, headers=headers)

    application = web.Application(client_max_size=10_000_000)
    application.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(application) as server:
        url = str(server.make_url("")).rstrip("/")
        allow = frozenset({url.removeprefix("http://")})
        access = Access(
            url, f"{url}/token", "c", secret, url, allow=allow, seller=SELLER, buyer=BUYER, submit=True,
            callback="http://127.0.0.1:9/", rate=100_000.0, patience=0.05,
        )  # fmt: skip
        sheet = await sheet_of(access, {FLOW: facts.FLOW_SERVICE, DIRECTORY: facts.DIRECTORY_SERVICE})
    assert not of(sheet, Result.UNKNOWN)
    assert sheet.counts[Result.FAILED] > 40


async def test_a_platform_that_is_away_gives_no_sheet(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("s", encoding="utf-8")
    port = unused_port()
    url = f"http://127.0.0.1:{port}"
    with pytest.raises(Away):
        await sheet_of(Access(url, f"{url}/token", "c", secret, allow=frozenset({f"127.0.0.1:{port}"}), rate=10_000.0))


TOLD = {"flowId": "f", "submittedAt": "2026-11-25T12:00:00Z", "name": "n", "flowSyntax": "CII"}


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="no published OpenAPI files beside this checkout")
@pytest.mark.parametrize(
    ("path", "code", "body", "says"),
    [
        ("/v1/flows", 202, TOLD, None),
        ("/v1/flows", 202, {k: v for k, v in TOLD.items() if k != "submittedAt"}, "submittedAt missing"),
        ("/v1/flows", 202, {**TOLD, "flowId": "f" * 65}, "65 signs > 64"),
        ("/v1/flows", 202, {**TOLD, "submittedAt": "2026-11-25 12:00"}, "no date-time"),
        ("/v1/flows", 202, {**TOLD, "flowSyntax": "X"}, "X ∉"),
        ("/v1/flows", 202, {**TOLD, "flowId": 7}, "/flowId: int ≠ string"),
        ("/v1/flows", 409, {"errorCode": "TWICE"}, "HTTP 409 ∉"),
        ("/v1/flows", 422, {"errorMessage": "no"}, "errorCode missing"),
        ("/v1/flows", 422, {"errorCode": "X", "errorMessage": None}, None),
        ("/v1/flows/search", 200, {"results": [{}]}, "/results/0: "),
        ("/v1/flows/search", 200, {"limit": 101, "results": []}, "/limit: 101 ∉"),
        ("/v1/flows/search", 200, {"limit": True, "results": []}, "/limit: bool ≠ integer"),
    ],
)  # fmt: skip
def test_our_own_facts_say_what_the_published_file_says(path, code, body, says):
    answer = Answer(code, {}, json.dumps(body).encode(), "application/json")
    for description in (described()[FLOW], facts.FLOW_SERVICE):
        found = complaint(description, "POST", path, answer)
        assert (found is None) if says is None else (says in str(found)), found


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="no published OpenAPI files beside this checkout")
def test_our_own_facts_know_the_operations_and_lists_of_the_published_file():
    for service, own in ((FLOW, facts.FLOW_SERVICE), (DIRECTORY, facts.DIRECTORY_SERVICE)):
        published = described()[service]
        methods = ("get", "post", "put", "patch", "delete")
        assert {(path, m) for path, ops in published["paths"].items() for m in ops if m in methods} == {
            (path, m) for path, ops in own["paths"].items() for m in ops
        }
    schemas = described()[FLOW]["components"]["schemas"]
    assert set(schemas["FlowType"]["enum"]) == set(facts.TYPES)
    assert set(schemas["ProcessingRule"]["enum"]) == set(facts.RULES)
    assert set(schemas["FlowProfile"]["enum"]) == set(facts.PROFILES)
    assert set(schemas["FlowSyntax"]["enum"]) == set(facts.SYNTAXES)


def arguments(platform: Running, *more: str) -> list[str]:
    known = platform.settings
    return [
        "conformance", f"{known.url}/v1", "--token-url", known.token_url, "--client-id", known.client_id,
        "--client-secret-file", str(known.secret_file), "--rate", "1000", "--patience", "1", *more,
    ]  # fmt: skip


async def told_by(*given: str) -> Any:
    return await asyncio.to_thread(estafette, *given)


async def test_the_command_prints_the_sheet(simulated: Running):
    ended = await told_by(*arguments(simulated, "--language", "fr"))
    assert ended.code == 1, ended.err
    assert "Lecture seule" in ended.err
    assert "ÉCHEC    are_listed : " in ended.text or "ÉCHEC    are_listed: " in ended.text
    assert f"ESTAFETTE_AFNOR_URL={simulated.settings.url}\n" in ended.text
    assert "0 fichiers déposés" in ended.text
    secret = simulated.settings.secret_file.read_text(encoding="utf-8")
    assert secret not in ended.text + ended.err


async def test_the_command_speaks_to_programs(simulated: Running):
    ended = await told_by(*arguments(simulated, "--format", "json"))
    lines = [json.loads(line) for line in ended.text.splitlines()]
    assert len(lines) == len(SCENARIOS) + 1
    assert {line["result"] for line in lines[:-1]} == {"passed", "failed", "skipped"}
    assert lines[-1]["counts"]["unknown"] == 0
    assert lines[-1]["submitted"] == 0
    assert lines[-1]["settings"]["ESTAFETTE_AFNOR_URL"] == simulated.settings.url


async def test_nothing_is_sent_before_somebody_agreed(simulated: Running):
    ended = await told_by(*arguments(simulated, "--submit", "--seller", SELLER, "--buyer", BUYER))
    assert ended.code == 2
    assert f"from SIREN {SELLER} to SIREN {BUYER}" in ended.err
    assert not await simulated.deliveries()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--submit",), "--submit needs --seller and --buyer"),
        (("--seller", "12"), "a SIREN has nine digits"),
        (("--large",), "--large needs --submit"),
        (("--rate", "0"), "--rate takes more than 0"),
        (("--listen", "here"), "--listen takes HOST:PORT"),
        (("--openapi", "/nowhere.json"), "is no OpenAPI file"),
    ],
)
def test_what_cannot_be_run_is_said(capsys, more, says):
    given = ["conformance", "http://127.0.0.1:9/x", "--client-id", "c", "--client-secret-file", "s", *more]
    assert main(given) == 2
    assert says in capsys.readouterr().err


def test_an_address_of_elsewhere_is_asked_by_https_only(tmp_path, capsys):
    secret = tmp_path / "s"
    secret.touch(mode=0o600)
    secret.write_text("s", encoding="utf-8")
    assert main(["conformance", "http://10.0.0.1/x", "--client-id", "c", "--client-secret-file", str(secret)]) == 2
    assert "only https is spoken" in capsys.readouterr().err
