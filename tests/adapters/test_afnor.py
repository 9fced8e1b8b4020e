"""The AFNOR client: what it makes of a platform's answers, and that its polls lose and repeat nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapters import afnor, afnor_flow, afnor_settings, catalogue
from adapters.afnor import Afnor, Settings
from adapters.port import ArrivalKind, Consignment, ElectronicAddress, Problem, Receipt, Refused, Unreachable
from schemas.formats import cdar
from tests.adapters.conftest import Running, consignment, now

Start = Callable[..., Awaitable[Running]]


async def everything(client: Afnor, cursor: str | None = None) -> tuple[list[Any], str]:
    """All arrivals since the cursor, and the cursor after them."""
    arrivals: list[Any] = []
    for _ in range(200):
        page = await client.collect(cursor)
        arrivals += page.arrivals
        cursor = page.cursor
        if not page.more:
            return arrivals, cursor
    raise AssertionError("collecting did not end")


def codes(arrivals: list[Any]) -> list[str]:
    """The status codes among arrivals."""
    return [cdar.read(arrival.data).code for arrival in arrivals if arrival.kind is ArrivalKind.STATUS]


# --- against the simulated platform


async def test_a_delivery_and_what_comes_of_it(platform: Running) -> None:
    client, sent = platform.client(), consignment()
    receipt = await client.send(sent)
    told = json.loads(receipt.evidence)
    assert (told["trackingId"], told["sha256"], told["name"]) == (sent.id, sent.sha256, sent.name)
    assert (told["processingRule"], told["flowProfile"], told["flowSyntax"]) == ("B2B", "CIUS", "CII")
    arrivals, _ = await everything(client)
    verdict = next(a for a in arrivals if a.kind is ArrivalKind.ACKNOWLEDGEMENT)
    assert (verdict.network_id, verdict.consignment, verdict.refused) == (f"{receipt.network_id}#ack:Ok", sent.id, ())
    assert codes(arrivals) == ["200", "202", "203", "205", "211"]
    assert len({a.network_id for a in arrivals}) == 6


@pytest.mark.parametrize("buyer", ["100000249", "100000298"], ids=["silence", "500 after taking"])
async def test_an_unknown_outcome_is_looked_up_and_not_sent_again(platform: Running, buyer: str) -> None:
    client, sent = platform.client(), consignment(buyer)
    with pytest.raises(Unreachable) as caught:
        await client.send(sent)
    assert caught.value.unknown
    receipt = await client.send(replace(sent, repeated=True))
    assert receipt.already_there
    (delivery,) = await platform.deliveries()
    assert (delivery["flowId"], delivery["duplicates"]) == (receipt.network_id, 0)


async def test_a_repetition_of_what_never_arrived_is_sent(platform: Running) -> None:
    client = platform.client()
    receipt = await client.send(consignment(repeated=True))
    assert not receipt.already_there
    assert len(await platform.deliveries()) == 1


async def test_already_there_with_the_same_bytes_is_success(platform: Running) -> None:
    client, sent = platform.client(), consignment("100000272")
    receipt = await client.send(sent)
    assert receipt.already_there
    (delivery,) = await platform.deliveries()
    assert delivery["flowId"] == receipt.network_id


async def test_busy_says_how_long_to_wait(platform: Running) -> None:
    client, sent = platform.client(), consignment("100000256")
    for _ in range(2):
        with pytest.raises(Unreachable) as caught:
            await client.send(sent)
        assert caught.value.retry_in == timedelta(seconds=7)
        assert not caught.value.unknown
    assert (await client.send(sent)).network_id


async def test_a_failure_before_taking_is_unknown_too(platform: Running) -> None:
    client, sent = platform.client(), consignment("100000264")
    for repeated in (False, True):
        with pytest.raises(Unreachable) as caught:
            await client.send(replace(sent, repeated=repeated))
        assert caught.value.unknown
    assert not (await client.send(replace(sent, repeated=True))).already_there
    assert len(await platform.deliveries()) == 1


async def test_a_refusal_names_its_code(platform: Running) -> None:
    with pytest.raises(Refused) as caught:
        await platform.client().send(consignment("100000322"))
    (finding,) = caught.value.findings
    assert (finding.rule, finding.layer) == ("FlowTypeError", "network")
    assert "Simulated refusal" in finding.says


async def test_a_flow_that_is_refused_later(platform: Running) -> None:
    client, sent = platform.client(), consignment("100000330")
    await client.send(sent)
    ((verdict,), _) = await everything(client)
    assert verdict.consignment == sent.id
    assert [finding.rule for finding in verdict.refused] == ["VirusFound"]


async def test_a_transport_duplicate_is_no_refusal(platform: Running) -> None:
    client, sent = platform.client(), consignment()
    first, second = await client.send(sent), await client.send(sent)
    assert first.network_id != second.network_id
    arrivals, _ = await everything(client)
    verdicts = [a for a in arrivals if a.kind is ArrivalKind.ACKNOWLEDGEMENT]
    assert {a.network_id for a in verdicts} == {f"{first.network_id}#ack:Ok", f"{second.network_id}#ack:Error"}
    assert all(not a.refused for a in verdicts)


async def test_the_converted_status_stands_in_for_the_original(platform: Running) -> None:
    client = platform.client()
    await client.send(consignment("100000306"))
    assert len(codes((await everything(client))[0])) == 5


async def test_a_poisoned_item_does_not_block_the_others(platform: Running) -> None:
    client = platform.client()
    await client.send(consignment("100000314", "F-0"))
    for number in range(1, 6):
        await client.send(consignment(number=f"F-{number}"))
    arrivals, cursor = await everything(client)
    assert len(codes(arrivals)) == 25
    assert len(arrivals) == 25 + 6
    again, after = await everything(client, cursor)
    assert not again, "what was stored is not fetched again; what failed still fails"
    assert json.loads(after)["since"] == json.loads(cursor)["since"], "the poisoned ones hold the cursor"
    await client.send(consignment(number="F-6"))
    assert len(codes((await everything(client, after))[0])) == 5


async def test_after_three_days_what_is_known_is_handed_over(platform: Running) -> None:
    client = platform.client()
    await client.send(consignment("100000314"))
    late = Afnor(platform.settings, lambda: now() + timedelta(days=3, minutes=1))
    arrivals, cursor = await everything(late)
    given_up = [a for a in arrivals if a.network_id.endswith("#without-content")]
    assert len(given_up) == 5
    assert all(json.loads(a.data)["flowSyntax"] == "CDAR" for a in given_up)
    assert not (await everything(late, cursor))[0]
    await late.close()


async def test_paging_brings_each_arrival_once(platform: Running) -> None:
    client = platform.client()
    for number in range(40):
        await client.send(consignment(number=f"F-{number}"))
    arrivals, cursor = await everything(client)
    ids = [a.network_id for a in arrivals]
    assert len(ids) == len(set(ids)) == 40 * 6
    assert not (await everything(client, cursor))[0]
    another = [a.network_id for a in (await everything(platform.client(), None))[0]]
    assert sorted(another) == sorted(ids), "the same arrivals bear the same ids for everybody"


async def test_a_page_that_was_not_stored_comes_again(platform: Running) -> None:
    client = platform.client()
    await client.send(consignment())
    first = await client.collect(None)
    second = await client.collect(None)
    assert [a.network_id for a in first.arrivals] == [a.network_id for a in second.arrivals]
    assert not (await client.collect(second.cursor)).arrivals


async def test_what_is_published_late_is_found_within_a_minute(start_platform: Start) -> None:
    clock = [datetime(2026, 11, 24, 12, tzinfo=UTC)]
    running = await start_platform(now=lambda: clock[0])
    client = Afnor(running.settings, lambda: clock[0])
    await client.send(consignment(number="F-1"))
    _, cursor = await everything(client)
    clock[0] -= timedelta(minutes=4)  # as if the platform published with an earlier time than it had shown before
    await client.send(consignment(number="F-2"))
    clock[0] += timedelta(minutes=4, seconds=10)
    early, cursor = await everything(client, cursor)
    clock[0] += timedelta(minutes=1)
    late, cursor = await everything(client, cursor)
    assert (len(early), len(late)) == (0, 6)
    clock[0] += timedelta(minutes=1)
    assert not (await everything(client, cursor))[0]
    await client.close()


async def test_a_token_that_is_no_longer_known_is_renewed(start_platform: Start) -> None:
    first = await start_platform()
    client = first.client()
    await client.send(consignment(number="F-1"))
    first.runner.app[__import__("adapters.platform.server", fromlist=["PLATFORM"]).PLATFORM].tokens.clear()
    await client.send(consignment(number="F-2"))
    assert len(await first.deliveries()) == 2


async def test_wrong_credentials_refuse_no_document(platform: Running) -> None:
    platform.settings.secret_file.write_text("wrong", encoding="utf-8")
    with pytest.raises(Unreachable) as caught:
        await platform.client().send(consignment())
    assert not caught.value.unknown
    assert "401" in caught.value.reason
    platform.settings.secret_file.chmod(0o604)
    with pytest.raises(Unreachable, match="chmod"):
        await platform.client().send(consignment())


async def test_the_secret_may_go_into_the_form(platform: Running) -> None:
    client = Afnor(replace(platform.settings, secret_in_form=True), now)
    assert (await client.send(consignment())).network_id
    await client.close()


# --- against a platform that answers as it is told


class Scripted:
    """A platform of a few lines whose answers a test writes; it keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[web.Response]] = {}
        self.asked: list[tuple[str, Mapping[str, str], Any]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            return web.json_response({"access_token": "t", "expires_in": 60})
        body = await request.json() if request.content_type == "application/json" else None
        self.asked.append((f"{request.method} {request.path_qs}", dict(request.headers), body))
        waiting = self.answers.get(f"{request.method} {request.path}", [])
        if not waiting:
            return web.json_response({"errorCode": "MISSING_RESOURCE"}, status=404)
        return waiting.pop(0)

    def will(self, call: str, *bodies: Any, status: int = 200) -> None:
        """What the next calls are answered with."""
        for body in bodies:
            given = body if isinstance(body, bytes) else json.dumps(body).encode()
            made = web.Response(body=given, status=status, content_type="application/json")
            self.answers.setdefault(call, []).append(made)


def afternoon() -> datetime:
    """An hour after NOON."""
    return datetime(2026, 11, 24, 13, tzinfo=UTC)


@pytest.fixture
async def scripted(tmp_path: Path) -> AsyncIterator[tuple[Scripted, Afnor]]:
    script = Scripted()
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", script.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"127.0.0.1:{runner.addresses[0][1]}"
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("word", encoding="utf-8")
    base = f"http://{host}"
    client = Afnor(
        Settings(base, f"{base}/token", "me", secret, frozenset({host}), organization="123", seconds=2.0), afternoon
    )
    yield script, client
    await client.close()
    await runner.cleanup()


def flow(id: str, at: str, **more: Any) -> dict[str, Any]:
    """A status flow as a platform lists it."""
    known = {"flowDirection": "In", "flowType": "CustomerInvoiceLC", "flowSyntax": "CDAR", "name": "n"}
    return {"flowId": id, "submittedAt": at, "updatedAt": at, "acknowledgement": {"status": "Ok"}, **known, **more}


POST, SEARCH = "POST /v1/flows", "POST /v1/flows/search"
NOON = "2026-11-24T12:00:00Z"


async def outcome(client: Afnor, sent: Consignment) -> Receipt | Unreachable | Refused:
    """What sending comes to."""
    try:
        return await client.send(sent)
    except (Unreachable, Refused) as ended:
        return ended


@pytest.mark.parametrize("status", [100 + 300, 409, 413, 415, 422])
async def test_what_is_about_the_document_is_a_refusal(scripted: tuple[Scripted, Afnor], status: int) -> None:
    script, client = scripted
    script.will(POST, {"errorCode": "InvalidSchema", "errorMessage": "no", "details": "line 3"}, status=status)
    ended = await outcome(client, consignment())
    assert isinstance(ended, Refused)
    assert (ended.findings[0].rule, ended.findings[0].expected) == ("InvalidSchema", "line 3")
    script.will(POST, b"<html>", status=status)
    ended = await outcome(client, consignment())
    assert isinstance(ended, Refused)
    assert ended.findings[0].rule == f"HTTP-{status}"


@pytest.mark.parametrize(
    ("status", "body", "unknown"),
    [
        (500, {"errorCode": "INTERNAL_ERROR"}, True),
        (502, b"<html>", True),
        (504, b"", True),
        (503, b"", False),
        (429, b"", False),
        (401, b"", False),
        (403, {"errorCode": "FORBIDDEN_ACCESS"}, False),
        (404, b"", False),
        (405, b"", False),
        (302, b"", False),
        (202, b"not json", True),
        (202, {"name": "no id"}, True),
        (202, [], True),
        (200, b"", True),
        (422, {"errorCode": "AlreadyExistingFlow"}, True),
        (409, {"errorCode": "FLOW_ALREADY_EXISTS", "details": "already existing"}, True),
    ],
)
async def test_what_is_not_about_the_document_is_never_a_refusal(
    scripted: tuple[Scripted, Afnor], status: int, body: Any, unknown: bool
) -> None:
    script, client = scripted
    script.will(POST, body, body, status=status)
    script.will(SEARCH, {"results": []}, {"results": []})
    ended = await outcome(client, consignment())
    assert isinstance(ended, Unreachable)
    assert ended.unknown is unknown


async def test_a_look_up_that_fails_leaves_the_outcome_unknown(scripted: tuple[Scripted, Afnor]) -> None:
    script, client = scripted
    for status in (400, 403, 429, 500, 503):
        script.will(SEARCH, {"errorCode": "X"}, status=status)
        ended = await outcome(client, consignment(repeated=True))
        assert isinstance(ended, Unreachable)
        assert ended.unknown
    assert not any(call.startswith("POST /v1/flows ") for call, _, _ in script.asked), "nothing was sent"


async def test_the_flow_that_an_error_points_at(scripted: tuple[Scripted, Afnor]) -> None:
    script, client = scripted
    sent = consignment()
    error = {"errorCode": "AlreadyExistingFlow", "instance": "/flows/abc"}
    script.will(POST, error, error, status=422)
    script.will(SEARCH, {"results": []}, {"results": []})
    script.will("GET /v1/flows/abc", {"flowId": "abc", "submittedAt": NOON}, sent.data)
    receipt = await client.send(sent)
    assert (receipt.network_id, receipt.already_there) == ("abc", True)
    script.will("GET /v1/flows/abc", {"flowId": "abc", "submittedAt": NOON}, b"other bytes")
    ended = await outcome(client, sent)
    assert isinstance(ended, Refused)
    assert ended.findings[0].rule == "PLATFORM-OTHER-CONTENT"


async def test_a_found_flow_is_compared_by_hash(scripted: tuple[Scripted, Afnor]) -> None:
    script, client = scripted
    sent = consignment(repeated=True)
    known = flow("abc", NOON, trackingId=sent.id, flowDirection="Out")
    script.will(SEARCH, {"results": [known | {"sha256": sent.sha256}]})
    assert (await client.send(sent)).already_there
    script.will(SEARCH, {"results": [known | {"sha256": "0" * 64}]})
    assert isinstance(await outcome(client, sent), Refused)
    script.will(SEARCH, {"results": [known]})
    assert (await client.send(sent)).network_id == "abc", "without an original, our id on the flow is the proof"
    foreign = {"results": [flow("foreign", NOON, trackingId="another")]}
    script.will(SEARCH, foreign, foreign)
    script.will(POST, {"flowId": "new", "submittedAt": NOON}, status=202)
    assert (await client.send(sent)).network_id == "new", "a platform that ignores the criterion is not believed"


async def test_where_a_search_by_our_id_is_of_no_use_the_recent_flows_are_gone_through(
    scripted: tuple[Scripted, Afnor],
) -> None:
    script, client = scripted
    sent = consignment(repeated=True)
    foreign = [flow(f"f-{n}", f"2026-11-24T11:{n % 60:02}:00Z", trackingId=f"t-{n}") for n in range(100)]
    ours = flow("ours", "2026-11-24T12:30:00Z", trackingId=sent.id, sha256=sent.sha256, flowDirection="Out")
    script.will(SEARCH, {"results": foreign}, {"results": foreign}, {"results": [ours]})
    receipt = await client.send(sent)
    assert (receipt.network_id, receipt.already_there) == ("ours", True), "passed over: the second page has it"
    assert script.asked[1][2]["where"] == {"updatedAfter": "2026-11-17T13:00:00.000000Z"}
    assert script.asked[2][2]["where"] == {"updatedAfter": "2026-11-24T11:58:59.999000Z"}
    script.will(SEARCH, {"errorCode": "UNKNOWN_FIELD"}, status=400)
    nameless = {k: v for k, v in ours.items() if k not in ("trackingId", "sha256")} | {"name": sent.name}
    script.will(SEARCH, {"results": [nameless | {"flowId": "other"}, nameless], "nextCursor": "next"})
    script.will("GET /v1/flows/other", b"another file of this name")
    script.will("GET /v1/flows/ours", sent.data, sent.data)
    assert (await client.send(sent)).network_id == "ours", "refused: found by name and bytes"
    script.will(SEARCH, {"results": foreign}, *[{"results": []}] * 3, {"results": [ours]})
    assert not (await client.probe()).tracking
    assert (await client.send(sent)).network_id == "ours", "known since the probe: nothing is asked in vain"
    assert "updatedAfter" in script.asked[-1][2]["where"]
    script.answers.clear()
    endless = {"results": [flow("f", NOON, trackingId="t")], "nextCursor": "again"}
    script.will(SEARCH, *[endless] * afnor.SOUGHT_PAGES)
    ended = await outcome(client, sent)
    assert isinstance(ended, Unreachable)
    assert ended.unknown, "what cannot be gone through is not taken for what is not there"


async def test_an_earlier_attempt_is_looked_for_from_when_there_can_have_been_one(
    scripted: tuple[Scripted, Afnor],
) -> None:
    """A week of a busy platform's flows is more than can be gone through, and a repetition waited for ever."""
    script, client = scripted
    sent = replace(consignment(repeated=True), since=datetime(2026, 11, 24, 11, 30, tzinfo=UTC))
    script.will(SEARCH, {"errorCode": "UNKNOWN_FIELD"}, status=400)
    script.will(SEARCH, {"results": [flow("ours", NOON, trackingId=sent.id, sha256=sent.sha256)]})
    assert (await client.send(sent)).already_there
    assert script.asked[1][2]["where"] == {"updatedAfter": "2026-11-24T10:30:00.000000Z"}


async def test_headers_of_a_call(scripted: tuple[Scripted, Afnor]) -> None:
    script, client = scripted
    script.will(SEARCH, {"results": []})
    await client.collect(None)
    ((_, headers, body),) = script.asked
    assert (headers["Authorization"], headers["Organization-Id"]) == ("Bearer t", "123")
    assert len(headers["Request-Id"]) == 36
    assert body == {"limit": 100, "where": {"updatedAfter": "1970-01-01T00:00:00.000000Z"}}


async def test_what_failed_is_fetched_later(scripted: tuple[Scripted, Afnor], monkeypatch: pytest.MonkeyPatch) -> None:
    """By the next wide poll, which goes back to it; those in between are held up by nothing."""
    script, client = scripted
    listed = {"results": [flow("a", "2026-11-24T12:00:00Z"), flow("b", "2026-11-24T12:10:00Z")]}
    script.will(SEARCH, listed, {"results": []}, listed)
    script.will("GET /v1/flows/b", b"<b/>")
    first = await client.collect(None)
    assert [a.network_id for a in first.arrivals] == ["b"]
    told = json.loads(first.cursor)
    assert (told["since"], told["left"]) == ("2026-11-24T12:10:00.000000Z", "2026-11-24T12:00:00.000000Z")
    between = await client.collect(first.cursor)
    assert script.asked[-1][2]["where"]["updatedAfter"] == "2026-11-24T12:09:58.000000Z"
    monkeypatch.setattr(client, "_now", lambda: afternoon() + afnor.WIDE_EVERY)
    script.will("GET /v1/flows/a", b"<a/>")
    second = await client.collect(between.cursor)
    assert [(a.network_id, a.data) for a in second.arrivals] == [("a", b"<a/>")]
    told = json.loads(second.cursor)
    assert (told["since"], told.get("left")) == ("2026-11-24T12:10:00.000000Z", None)
    assert script.asked[-2][2]["where"]["updatedAfter"] == "2026-11-24T11:59:58.000000Z"


async def test_a_bookmark_that_is_lost_again_and_again_ends_all_the_same(scripted: tuple[Scripted, Afnor]) -> None:
    """Each page is a step, whatever becomes of its bookmark: a poll that began anew each time came to no end."""
    script, client = scripted
    cursor: str | None = '{"since":"2026-11-24T12:30:00Z","left":"2026-11-24T12:00:00Z","deep":"2026-11-24T12:59:00Z"}'
    found = []
    for minute in range(0, 30, 10):
        at = f"2026-11-24T12:{minute:02}:00Z"
        script.will(SEARCH, {"results": [flow(f"f{minute}", at)], "nextCursor": "x"})
        script.will(f"GET /v1/flows/f{minute}", b"<a/>")
        page = await client.collect(cursor)
        found += [arrival.network_id for arrival in page.arrivals]
        script.will(SEARCH, {"errorCode": "X"}, status=400)
        page = await client.collect(page.cursor)
        assert page.more
        cursor = page.cursor
    asked = [body["where"]["updatedAfter"][11:19] for _, _, body in script.asked if body and "cursor" not in body]
    assert asked == ["11:59:58", "11:59:58", "12:09:58"]
    script.will(SEARCH, {"results": []})
    page = await client.collect(cursor)
    assert not page.more
    assert script.asked[-1][2]["where"]["updatedAfter"][11:19] == "12:19:58"
    assert found == ["f0", "f10", "f20"]
    assert json.loads(page.cursor)["since"] == "2026-11-24T12:30:00.000000Z", "it never goes back"


async def test_what_concerns_others_is_left_alone(scripted: tuple[Scripted, Afnor]) -> None:
    script, client = scripted
    script.will(
        SEARCH,
        {
            "results": [
                flow("a", NOON, flowType="MultiFlowReport", flowSyntax="FRR"),
                flow("b", NOON, flowType="StateCustomerInvoiceLC"),
                flow("f", NOON, flowType="SupplierInvoice", flowSyntax="CDAR"),
                flow("g", NOON, flowType="SupplierInvoice", flowSyntax="CII", flowDirection="Out"),
                flow("h", NOON, flowType="SupplierInvoice", flowSyntax="CII", acknowledgement={"status": "Error"}),
                flow("i", NOON, flowType="SupplierInvoice", flowSyntax="CII", acknowledgement={"status": "Pending"}),
                flow("j\u0000", NOON, flowType="SupplierInvoice", flowSyntax="CII"),
                flow("c", NOON, acknowledgement={"status": "Pending"}),
                flow("d", NOON, flowDirection="Out"),
                flow("", NOON),
                flow("e", NOON, flowDirection="Out", trackingId="t", acknowledgement=None),
                "nonsense",
            ]
        },
    )
    page = await client.collect(None)
    assert (page.arrivals, page.more) == ([], False)
    assert not [call for call, _, _ in script.asked if call.startswith("GET")]


async def test_an_invoice_comes_in_whatever_its_platform_calls_it(scripted: tuple[Scripted, Afnor]) -> None:
    script, client = scripted
    script.will(
        SEARCH,
        {
            "results": [
                flow("a", NOON, flowType="SupplierInvoice", flowSyntax="Factur-X", name="f\n.pdf"),
                flow("b", NOON, flowType="CustomerInvoice", flowSyntax="UBL"),
                flow("c", NOON, flowType="Undefined", flowSyntax="CII", acknowledgement=None),
                flow("d", NOON, flowType="SupplierInvoiceLC"),
            ]
        },
    )
    script.will("GET /v1/flows/a", {}, status=404)  # the original is absent, a converted one is there
    for name in "aabcd":
        script.will(f"GET /v1/flows/{name}", f"<{name}/>".encode())
    found = {one.network_id: one for one in (await client.collect(None)).arrivals}
    assert {name: (one.kind, one.media_type, one.data) for name, one in found.items()} == {
        "a": (ArrivalKind.INVOICE, "application/pdf", b"<a/>"),
        "b": (ArrivalKind.INVOICE, "application/xml", b"<b/>"),
        "c": (ArrivalKind.INVOICE, "application/xml", b"<c/>"),
        "d": (ArrivalKind.STATUS, "application/xml", b"<d/>"),
    }
    assert found["a"].name == "f.pdf"
    assert [call for call, _, _ in script.asked if "/a?" in call] == [
        "GET /v1/flows/a?docType=Original",
        "GET /v1/flows/a?docType=Converted",
    ]


async def test_an_old_invoice_is_not_given_up_because_it_is_old(scripted: tuple[Scripted, Afnor]) -> None:
    script, client = scripted
    days = [timedelta(0)]
    client._now = lambda: afternoon() + days[0]  # the only clock it has
    old = flow("a", "2026-10-01T12:00:00Z", flowType="SupplierInvoice", flowSyntax="CII")
    script.will(SEARCH, *[{"results": [old]}] * 3)
    for passed in (timedelta(0), timedelta(days=2)):
        days[0] = passed
        assert (await client.collect(None)).arrivals == []
    days[0] = timedelta(days=3)
    (bare,) = (await client.collect(None)).arrivals
    assert (bare.kind, bare.network_id) == (ArrivalKind.INVOICE, "a#without-content")
    assert json.loads(bare.data)["flowId"] == "a"


async def test_an_error_without_details_still_refuses(scripted: tuple[Scripted, Afnor]) -> None:
    script, client = scripted
    error = {"status": "Error"}
    script.will(SEARCH, {"results": [flow("a", NOON, flowDirection="Out", trackingId="t", acknowledgement=error)]})
    ((arrival,), _) = await everything(client)
    assert [finding.rule for finding in arrival.refused] == ["PLATFORM-ERROR"]


async def test_a_duplicate_whose_first_is_nowhere_is_refused(
    scripted: tuple[Scripted, Afnor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one may be listed late: it is waited for, and a refusal that is none ends nothing."""
    script, client = scripted
    error = {"status": "Error", "details": [{"reasonCode": "AlreadyExistingFlow", "reasonMessage": "m", "item": "i"}]}
    second = flow("a", NOON, flowDirection="Out", trackingId="t", acknowledgement=error)
    first = flow("b", NOON, flowDirection="Out", trackingId="t")
    script.will(SEARCH, {"results": [second]}, {"results": [second]})
    arrivals, cursor = await everything(client)
    assert not arrivals
    monkeypatch.setattr(client, "_now", lambda: afternoon() + afnor.WIDE_EVERY)
    script.will(SEARCH, {"results": [second]}, {"results": [second, first]})
    ((arrival,), _) = await everything(client, cursor)
    assert not arrival.refused, "the first one is there: a transport duplicate"
    script.will(SEARCH, {"results": [second | {"flowId": "c"}]}, {"results": [second | {"flowId": "c"}]})
    arrivals, cursor = await everything(client)
    assert not arrivals
    monkeypatch.setattr(client, "_now", lambda: afternoon() + afnor.WIDE_EVERY + afnor.PATIENCE)
    script.will(SEARCH, {"results": [second | {"flowId": "c"}]}, {"results": [second | {"flowId": "c"}]})
    ((arrival,), _) = await everything(client, cursor)
    assert [finding.rule for finding in arrival.refused] == ["AlreadyExistingFlow"]


async def test_a_content_that_is_cut_off_is_asked_for_again(
    scripted: tuple[Scripted, Afnor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is taken as it is once it stays so: it is somebody's invoice, however broken."""
    script, client = scripted
    listed = {"results": [flow("a", NOON)]}
    script.will(SEARCH, *[listed] * 4)
    script.will("GET /v1/flows/a", b"<a><b/>", b"<a><b/></a>")
    arrivals, cursor = await everything(client)
    assert not arrivals
    monkeypatch.setattr(client, "_now", lambda: afternoon() + afnor.WIDE_EVERY)
    ((arrival,), _) = await everything(client, cursor)
    assert arrival.data == b"<a><b/></a>"
    script.will("GET /v1/flows/a", b"<a><b/>", b"<a><b/>")
    _, cursor = await everything(client)
    monkeypatch.setattr(client, "_now", lambda: afternoon() + afnor.WIDE_EVERY + afnor.CUT_OFF)
    ((arrival,), _) = await everything(client, cursor)
    assert arrival.data == b"<a><b/>"


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"<a/>", True),
        (b"<?xml version='1.0'?>\n<x:a b='>'><c/></x:a>\n", True),
        (b"\xef\xbb\xbf<a>t</a><!-- end -->", True),
        (b"<a><b></b>", False),
        (b"<a><b/>", False),
        (b"<a>t</", False),
        (b"<a", False),
        (b"%PDF-1.7\n...\n%%EOF\n", True),
        (b"%PDF-1.7\n...", False),
        ("<a><b/>".encode("utf-16"), True),
        (b"a;b;c", True),
        (b"", True),
    ],
)
def test_what_looks_cut_off(data: bytes, whole: bool) -> None:
    assert afnor_flow.looks_whole(data) is whole


async def test_what_was_stored_is_not_fetched(scripted: tuple[Scripted, Afnor]) -> None:
    script, client = scripted
    script.will(SEARCH, {"results": [flow("a", NOON), flow("b", NOON), flow("b", NOON)]})
    script.will("GET /v1/flows/b", b"<b/>")

    async def stored(ids: Sequence[str]) -> frozenset[str]:
        assert set(ids) >= {"a", "b"}
        return frozenset({"a"})

    page = await client.collect_unstored(None, stored)
    assert [arrival.network_id for arrival in page.arrivals] == ["b"]
    assert not [call for call, _, _ in script.asked if "flows/a" in call]


async def test_once_a_day_a_poll_goes_back_two_days(
    scripted: tuple[Scripted, Afnor], monkeypatch: pytest.MonkeyPatch
) -> None:
    script, client = scripted
    script.will(SEARCH, *[{"results": []}] * 4)
    since = '{"since":"2026-11-24T12:00:00Z","wide":"2026-11-24T12:59:30Z","deep":"%s"}'
    for deep, after in (
        ("2026-11-23T13:00:30Z", "2026-11-24T11:59:58.000000Z"),
        ("2026-11-23T13:00:00Z", "2026-11-22T12:00:00.000000Z"),
    ):
        page = await client.collect(since % deep)
        assert script.asked[-1][2]["where"] == {"updatedAfter": after}
        assert not page.more
    assert json.loads(page.cursor)["deep"] == "2026-11-24T13:00:00.000000Z"


async def test_a_bookmark_that_is_no_longer_known(scripted: tuple[Scripted, Afnor]) -> None:
    script, client = scripted
    script.will(SEARCH, {"results": [flow("a", NOON)], "nextCursor": "x"})
    script.will("GET /v1/flows/a", b"<a/>", b"<a/>")
    first = await client.collect(None)
    assert first.more
    script.will(SEARCH, {"errorCode": "X"}, status=400)
    second = await client.collect(first.cursor)
    assert second.more
    script.will(SEARCH, {"results": [flow("a", NOON)]})
    third = await client.collect(second.cursor)
    assert not third.more
    assert not third.arrivals, "it was stored with the first page"
    assert [body.get("cursor") for _, _, body in script.asked if body] == [None, "x", None]


async def test_a_bookmark_lost_among_pages_in_no_order_begins_the_poll_again_once(
    scripted: tuple[Scripted, Afnor],
) -> None:
    """Going on from the latest flow seen passed over the earlier ones, which were on the pages to come."""
    script, client = scripted
    script.will(SEARCH, {"results": [flow("late", NOON), flow("early", "2026-11-24T09:00:00Z")], "nextCursor": "x"})
    script.will("GET /v1/flows/late", b"<a/>")
    script.will("GET /v1/flows/early", b"<a/>")
    page = await client.collect(None)
    for again in ("1970-01-01T00:00:00.000000Z", "2026-11-24T11:59:58.000000Z"):
        script.will(SEARCH, {"errorCode": "X"}, status=400)
        page = await client.collect(page.cursor)
        script.will(SEARCH, {"results": [flow("late", NOON)], "nextCursor": "y"})
        page = await client.collect(page.cursor)
        assert script.asked[-1][2]["where"] == {"updatedAfter": again}


async def test_a_flow_without_a_time_that_cannot_be_had_is_asked_for_again(scripted: tuple[Scripted, Afnor]) -> None:
    script, client = scripted
    timeless = {name: value for name, value in flow("a", NOON).items() if name != "updatedAt"}
    script.will(SEARCH, {"results": [timeless]})
    script.will("GET /v1/flows/a", {"errorCode": "X"}, status=500)
    page = await client.collect(None)
    assert not page.arrivals
    assert json.loads(page.cursor)["left"] == "2026-11-24T13:00:00.000000Z"


async def test_a_platform_that_pages_by_date(scripted: tuple[Scripted, Afnor]) -> None:
    """1.2.0: full pages without a bookmark; ties at the border are not lost."""
    script, client = scripted
    at = [datetime(2026, 11, 24, 12, tzinfo=UTC) + timedelta(seconds=n // 3) for n in range(250)]
    flows = [flow(f"f{n}", at[n].isoformat(), flowDirection="Out", trackingId=f"t{n}") for n in range(250)]

    async def by_date(request: web.Request) -> web.StreamResponse:
        if request.path != "/v1/flows/search":
            return web.json_response({"access_token": "t"})
        after = datetime.fromisoformat((await request.json())["where"]["updatedAfter"])
        return web.json_response({"results": [f for f, when in zip(flows, at, strict=True) if when > after][:100]})

    script.answer = by_date  # type: ignore[method-assign]
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", by_date)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"127.0.0.1:{runner.addresses[0][1]}"
    settings = client._settings
    old = Afnor(replace(settings, url=f"http://{host}", token_url=f"http://{host}/t", allow=frozenset({host})), now)
    arrivals, cursor = await everything(old)
    assert {a.consignment for a in arrivals} == {f"t{n}" for n in range(250)}
    assert not (await everything(old, cursor))[0]
    await old.close()
    await runner.cleanup()


async def test_a_platform_that_is_away_is_not_asked_again_and_again(scripted: tuple[Scripted, Afnor]) -> None:
    script, client = scripted
    listed = {"results": [flow(f"f{n}", NOON) for n in range(99)]}
    script.will(SEARCH, listed)
    for n in range(99):
        script.will(f"GET /v1/flows/f{n}", {"errorCode": "RESOURCE_ERROR"}, status=503)
    page = await client.collect(None)
    assert not page.arrivals
    assert json.loads(page.cursor)["since"] == "2026-11-24T12:00:00.000000Z"
    assert len(script.asked) < 1 + 2 * afnor.DOWNLOADS


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"results": 3}', b"[" * 100_000])
async def test_a_search_answer_that_is_none(scripted: tuple[Scripted, Afnor], body: bytes) -> None:
    script, client = scripted
    script.will(SEARCH, body)
    with pytest.raises(Unreachable):
        await client.collect(None)


# --- settings


def settings_of(environment: dict[str, str]) -> tuple[Settings | None, list[Problem]]:
    """What an environment comes to."""
    problems: list[Problem] = []
    return afnor_settings.from_environment(environment, problems), problems


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("word\n", encoding="utf-8")
    return {
        "ESTAFETTE_AFNOR_URL": "https://platform.example/afnor-flow/",
        "ESTAFETTE_AFNOR_TOKEN_URL": "https://platform.example/token",
        "ESTAFETTE_AFNOR_CLIENT_ID": "me",
        "ESTAFETTE_AFNOR_CLIENT_SECRET_FILE": str(secret),
    }


def test_settings(environment: dict[str, str]) -> None:
    read, problems = settings_of(environment)
    assert not problems
    assert read is not None
    assert (read.url, read.seconds, read.organization) == ("https://platform.example/afnor-flow", 30.0, "")
    assert settings_of({}) == (None, [])


def test_all_complaints_at_once(environment: dict[str, str]) -> None:
    wrong = environment | {
        "ESTAFETTE_AFNOR_URL": "http://platform.example/",
        "ESTAFETTE_AFNOR_TOKEN_URL": "https://10.0.0.1/token",
        "ESTAFETTE_AFNOR_CLIENT_ID": "",
        "ESTAFETTE_AFNOR_CLIENT_SECRET_FILE": "/nonexistent/secret",
        "ESTAFETTE_AFNOR_SECONDS": "0",
        "ESTAFETTE_AFNOR_TOKEN_AUTH": "magic",
        "ESTAFETTE_EGRESS_ALLOW": "no-port",
    }
    read, problems = settings_of(wrong)
    assert read is None
    assert {problem.setting.removeprefix("ESTAFETTE_") for problem in problems} == {
        "AFNOR_URL",
        "AFNOR_TOKEN_URL",
        "AFNOR_CLIENT_ID",
        "AFNOR_CLIENT_SECRET_FILE",
        "AFNOR_SECONDS",
        "AFNOR_TOKEN_AUTH",
        "EGRESS_ALLOW",
    }
    assert not any("nonexistent" in problem.says for problem in problems)


async def test_the_catalogue(environment: dict[str, str]) -> None:
    networks, problems = catalogue.build({}, now)
    assert (networks.all, problems) == ((), ())
    mail = {"ESTAFETTE_MAIL_HOST": "mail.example", "ESTAFETTE_MAIL_FROM": "factures@example.com"}
    networks, problems = catalogue.build(environment | mail, now)
    assert ([network.name for network in networks.all], problems) == (["afnor", "mail"], ())
    assert networks.named("mail") is networks.all[1]
    route = await networks.all[0].find(ElectronicAddress("0009", "10000020700012"))
    assert route is not None
    assert "SIRET" in route.reason
    networks, problems = catalogue.build(environment | {"ESTAFETTE_MAIL_HOST": "mail.example"}, now)
    assert [network.name for network in networks.all] == ["afnor"]
    assert [problem.setting for problem in problems] == ["ESTAFETTE_MAIL_FROM"]
    for network in networks.all:
        await network.close()
