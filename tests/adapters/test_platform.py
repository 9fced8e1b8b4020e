"""The simulated platform: each answer as published, each buyer as the table says, nothing lost by a kill."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from stdnum.fr import siren

from adapters.platform import buyers, ledger, reading, server
from schemas.formats import cdar
from schemas.xml import Unreadable
from tests.adapters.conftest import SAMPLES, Running, invoice
from tests.adapters.openapi import PUBLISHED, Published
from tests.conftest import CORPUS

Start = Callable[..., Awaitable[Running]]
EVERYTHING = {"updatedAfter": "1970-01-01T00:00:00Z"}


class Caller:
    """Speaks HTTP to a platform and holds every answer against the published description, where it is there."""

    def __init__(self, running: Running, session: aiohttp.ClientSession) -> None:
        self.running = running
        self.session = session
        self.published = Published() if PUBLISHED.is_file() else None
        self.token = ""

    async def login(self, secret: str | None = None) -> int:
        """Get a token; the status of the answer."""
        settings = self.running.settings
        secret = settings.secret_file.read_text() if secret is None else secret
        async with self.session.post(
            settings.token_url,
            data={"grant_type": "client_credentials"},
            headers={"Authorization": f"Basic {b64encode(f'{settings.client_id}:{secret}'.encode()).decode()}"},
        ) as answer:
            self.token = (await answer.json()).get("access_token", "")
            return answer.status

    async def call(self, method: str, path: str, template: str = "", **more: Any) -> tuple[int, Any, Any]:
        """Status, body (read as JSON when it is) and headers of one call."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = f"{self.running.settings.url}{path}"
        async with self.session.request(method, url, headers=headers, **more) as answer:
            body = await answer.read()
            assert answer.headers[server.HEADER] == server.SAYS
            if self.published is not None:
                self.published.judge(method, template or path, answer.status, answer.content_type, body)
            read = json.loads(body) if answer.content_type == "application/json" else body
            return answer.status, read, answer.headers

    async def deposit(self, data: bytes, **info: Any) -> tuple[int, Any, Any]:
        """POST /v1/flows."""
        form = aiohttp.FormData()
        whole = {"name": "f.xml", "flowSyntax": "CII", **info}
        form.add_field("flowInfo", json.dumps(whole), content_type="application/json")
        form.add_field("file", data, content_type="application/xml", filename="f.xml")
        return await self.call("POST", "/v1/flows", data=form)

    async def search(self, **where: Any) -> list[dict[str, Any]]:
        """Everything a search finds, page by page."""
        found: list[dict[str, Any]] = []
        question: dict[str, Any] = {"where": where or EVERYTHING, "limit": 7}
        while True:
            status, page, _ = await self.call("POST", "/v1/flows/search", json=question)
            assert status == 200
            found += page["results"]
            if "nextCursor" not in page:
                return found
            question["cursor"] = page["nextCursor"]

    async def file(self, flow: str, form: str = "Original") -> tuple[int, Any, Any]:
        """GET /v1/flows/{flowId}."""
        return await self.call("GET", f"/v1/flows/{flow}?docType={form}", "/v1/flows/{flowId}")

    async def codes(self, deposit: str) -> list[str]:
        """The status codes that came for a deposit, in their order."""
        flows = [
            flow for flow in await self.search(flowType=["CustomerInvoiceLC"]) if flow["flowId"].startswith(deposit)
        ]
        files = [(await self.file(flow["flowId"]))[1] for flow in flows]
        return [cdar.read(data).code for data in files]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as opened:
        yield opened


@pytest.fixture
async def caller(platform: Running, session: aiohttp.ClientSession) -> Caller:
    made = Caller(platform, session)
    assert await made.login() == 200
    return made


def test_the_buyers_bear_valid_numbers_and_say_what_the_norm_allows() -> None:
    for number, buyer in buyers.BUYERS.items():
        assert siren.is_valid(number)
        for step in buyer.steps:
            assert bool(step.reason) == cdar.status_of(step.code).needs_reason, step
    assert buyers.of("552100554") is buyers.PAYS


async def test_a_deposit_is_told_back_and_judged(caller: Caller) -> None:
    data = invoice()
    digest = sha256(data).hexdigest()
    status, body, _ = await caller.deposit(
        data, trackingId="t-1", sha256=digest, processingRule="B2B", flowProfile="CIUS", name="é.xml"
    )
    assert status == 202
    assert body["flowId"]
    assert (body["trackingId"], body["sha256"], body["name"]) == ("t-1", digest, "é.xml")
    (flow,) = await caller.search(trackingId="t-1")
    assert flow["flowId"] == body["flowId"]
    assert flow["acknowledgement"] == {"status": "Ok"}
    assert (flow["flowType"], flow["flowDirection"], flow["processingRuleSource"]) == (
        "CustomerInvoice",
        "Out",
        "Input",
    )
    assert (await caller.file(body["flowId"]))[1] == data
    assert (await caller.file(body["flowId"], "Metadata"))[1] == flow
    assert (await caller.file(body["flowId"], "Converted"))[0] == 404
    assert (await caller.file(body["flowId"], "ReadableView"))[0] == 404


async def test_it_says_what_it_is(caller: Caller) -> None:
    status, body, headers = await caller.call("GET", "/v1/healthcheck")
    assert status == 200
    assert "not a real approved platform" in (body["simulator"], headers[server.HEADER])


async def test_files_come_with_a_name(caller: Caller) -> None:
    _, body, _ = await caller.deposit(invoice(), name="Fé 1.xml")
    _, _, headers = await caller.file(body["flowId"])
    assert headers["Content-Disposition"] == 'attachment;filename="F__1.xml"'


@pytest.mark.parametrize(
    ("buyer", "codes"),
    [
        ("100000207", ["200", "202", "203", "205", "211"]),
        ("732829320", ["200", "202", "203", "205", "211"]),
        ("100000215", ["200", "202", "203", "210"]),
        ("100000223", ["200", "202", "203", "204", "207"]),
        ("100000231", ["200", "202", "203"]),
        ("100000280", ["200", "213"]),
        ("100000330", []),
        ("100000348", ["200", "202", "203", "299", "205"]),
    ],
)
async def test_each_buyer_does_what_its_number_says(caller: Caller, buyer: str, codes: list[str]) -> None:
    status, body, _ = await caller.deposit(invoice(buyer))
    assert status == 202
    assert await caller.codes(body["flowId"]) == codes


async def test_a_refusal_carries_its_reason(caller: Caller) -> None:
    _, body, _ = await caller.deposit(invoice("100000215", "F-77"))
    _, data, _ = await caller.file(f"{body['flowId']}-lc-3")
    message = cdar.read(data)
    assert (message.code, message.number, message.seller) == ("210", "F-77", "523847192")
    assert message.reasons[0].code == "TRANSAC_INC"
    assert message.reasons[0].comment
    assert message.issuer == cdar.Party("BY", "100000215", "0002", "Librairie du Canal SARL")


async def test_a_payment_is_for_what_is_due(caller: Caller) -> None:
    _, body, _ = await caller.deposit(invoice())
    message = cdar.read((await caller.file(f"{body['flowId']}-lc-4"))[1])
    (amount,) = message.amounts
    assert (message.code, amount.kind, str(amount.amount), amount.currency) == ("211", "MPA", "4780.80", "EUR")


@pytest.mark.parametrize(("name", "syntax"), [("cii/credit-note.xml", "CII"), ("ubl", "UBL")])
async def test_credit_notes_and_ubl_are_read(caller: Caller, name: str, syntax: str) -> None:
    paths = [SAMPLES / name] if name.endswith(".xml") else sorted((SAMPLES / name).glob("*.xml"))
    assert paths
    for path in paths:
        _, body, _ = await caller.deposit(path.read_bytes(), flowSyntax=syntax)
        flow = (await caller.file(body["flowId"], "Metadata"))[1]
        assert flow["acknowledgement"] == {"status": "Ok"}, path.name
        assert len(await caller.codes(body["flowId"])) == 5


async def test_an_unreadable_invoice_gets_an_error_and_no_status(caller: Caller) -> None:
    for data, syntax in ((b"<a/>", "CII"), (b"nothing", "UBL"), (invoice(), "UBL"), (b"%PDF-1.7 broken", "Factur-X")):
        status, body, _ = await caller.deposit(data, flowSyntax=syntax)
        assert status == 202
        flow = (await caller.file(body["flowId"], "Metadata"))[1]
        assert flow["acknowledgement"]["status"] == "Error"
        assert flow["acknowledgement"]["details"][0]["reasonCode"] == "InvalidSchema"
        assert not await caller.codes(body["flowId"])


async def test_the_same_content_again_is_reported_as_the_norm_says(caller: Caller) -> None:
    _, first, _ = await caller.deposit(invoice(), trackingId="t")
    status, second, _ = await caller.deposit(invoice(), trackingId="t")
    assert status == 202
    assert second["flowId"] != first["flowId"]
    flows = {flow["flowId"]: flow["acknowledgement"] for flow in await caller.search(trackingId="t")}
    assert flows[first["flowId"]] == {"status": "Ok"}
    assert flows[second["flowId"]]["details"][0]["reasonCode"] == "AlreadyExistingFlow"
    assert len(await caller.codes(first["flowId"])) == 5
    assert not await caller.codes(second["flowId"])
    (delivery,) = await caller.running.deliveries()
    assert (delivery["flowId"], delivery["duplicates"]) == (first["flowId"], 1)


async def test_of_two_at_once_only_one_is_the_first(caller: Caller) -> None:
    await asyncio.gather(*(caller.deposit(invoice()) for _ in range(8)))
    (delivery,) = await caller.running.deliveries()
    assert delivery["duplicates"] == 7


async def test_busy_and_failing_come_first(caller: Caller) -> None:
    for buyer, status in (("100000256", 429), ("100000264", 500)):
        answers = [await caller.deposit(invoice(buyer)) for _ in range(3)]
        assert [answer[0] for answer in answers] == [status, status, 202]
        assert (answers[0][2].get("Retry-After") == "7") == (status == 429)


async def test_failing_after_it_took_the_invoice(caller: Caller) -> None:
    assert (await caller.deposit(invoice("100000298"), trackingId="t"))[0] == 500
    assert len(await caller.search(trackingId="t")) == 1


async def test_silence_after_it_took_the_invoice(start_platform: Start, session: aiohttp.ClientSession) -> None:
    caller = Caller(await start_platform(silence=0.1), session)
    await caller.login()
    with pytest.raises(aiohttp.ClientError):
        await caller.deposit(invoice("100000249"), trackingId="t")
    (flow,) = await caller.search(trackingId="t")
    assert flow["acknowledgement"] == {"status": "Ok"}


async def test_already_there_and_refused(caller: Caller) -> None:
    status, body, _ = await caller.deposit(invoice("100000272"), trackingId="t")
    assert (status, body["errorCode"]) == (422, "AlreadyExistingFlow")
    (flow,) = await caller.search(trackingId="t")
    assert body["instance"].endswith(flow["flowId"])
    status, body, _ = await caller.deposit(invoice("100000322"), trackingId="u")
    assert (status, body["errorCode"]) == (422, "FlowTypeError")
    assert not await caller.search(trackingId="u")


@pytest.mark.parametrize(
    ("info", "data", "status", "code"),
    [
        ({"sha256": "0" * 64}, invoice(), 422, "ChecksumMismatch"),
        ({}, b"", 422, "EmptyFlow"),
        ({"sha256": "X"}, b"x", 400, "INVALID_FIELD"),
        ({"flowSyntax": "XML"}, b"x", 400, "INVALID_FIELD"),
        ({"flowSyntax": None}, b"x", 400, "INVALID_FIELD"),
        ({"flowProfile": "Gold"}, b"x", 400, "INVALID_FIELD"),
        ({"processingRule": 3}, b"x", 400, "INVALID_FIELD"),
        ({"name": "n" * 256}, b"x", 400, "INVALID_FIELD"),
        ({"name": ""}, b"x", 400, "INVALID_FIELD"),
        ({"trackingId": "t" * 65}, b"x", 400, "INVALID_FIELD"),
    ],
)
async def test_a_wrong_deposit(caller: Caller, info: dict[str, Any], data: bytes, status: int, code: str) -> None:
    answer = await caller.deposit(data, **info)
    assert (answer[0], answer[1]["errorCode"]) == (status, code)
    assert not await caller.running.deliveries()


async def test_a_deposit_without_its_parts(caller: Caller) -> None:
    for more in (
        {"data": b"x"},
        {"json": {}},
        {"data": aiohttp.FormData({"flowInfo": "{}"}, default_to_multipart=True)},
    ):
        status, body, _ = await caller.call("POST", "/v1/flows", **more)
        assert (status, bool(body["errorMessage"])) == (400, True)


async def test_a_file_above_the_limit(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FILE_LIMIT", 1000)
    status, body, _ = await caller.deposit(b"x" * 70_000)
    assert (status, body["errorCode"]) == (413, "FILE_SIZE_EXCEEDED")


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"where": {}},
        {"where": []},
        {"where": {"unknown": 1}},
        {"where": EVERYTHING, "limit": 0},
        {"where": EVERYTHING, "limit": 101},
        {"where": EVERYTHING, "limit": True},
        {"where": EVERYTHING, "cursor": "none of ours"},
        {"where": EVERYTHING, "cursor": 3},
        {"where": {"updatedAfter": "yesterday"}},
        {"where": {"updatedAfter": 3}},
        {"where": {"flowType": "CustomerInvoice"}},
        {"where": {"flowType": ["Invoice"]}},
        {"where": {"flowDirection": [[]]}},
        {"where": {"ackStatus": "Fine"}},
        [],
        "text",
    ],
)
async def test_a_wrong_search(caller: Caller, question: Any) -> None:
    status, body, _ = await caller.call("POST", "/v1/flows/search", json=question)
    assert status == 400
    assert body["errorCode"]
    assert (await caller.call("POST", "/v1/flows/search", data=b"{"))[0] == 400


async def test_a_search_takes_its_criteria_together(caller: Caller) -> None:
    _, paid, _ = await caller.deposit(invoice(), trackingId="t", processingRule="B2B")
    _, broken, _ = await caller.deposit(b"<a/>", processingRule="B2G")
    everything = await caller.search()
    assert len(everything) == 7
    assert [flow["flowId"] for flow in await caller.search(ackStatus="Error")] == [broken["flowId"]]
    assert [flow["flowId"] for flow in await caller.search(processingRule=["B2G", "B2C"])] == [broken["flowId"]]
    assert len(await caller.search(flowDirection=["In"])) == 5
    assert len(await caller.search(flowDirection=["In", "Out"])) == 7
    assert [f["flowId"] for f in await caller.search(flowDirection=["Out"], ackStatus="Ok")] == [paid["flowId"]]
    last = everything[-1]["updatedAt"]
    assert not await caller.search(updatedAfter=last), "the comparison is strict"
    assert len(await caller.search(updatedBefore=last)) < 7
    assert not await caller.search(updatedAfter="9999-12-31T23:59:59+00:00")
    assert len(await caller.search(updatedAfter="0001-01-01T00:00:00Z")) == 7


async def test_paging_loses_and_repeats_nothing_when_times_tie(caller: Caller) -> None:
    for number in range(30):
        await caller.deposit(invoice(number=f"F-{number}"))
    found = [flow["flowId"] for flow in await caller.search()]
    assert len(found) == len(set(found)) == 30 * 6


async def test_statuses_come_one_after_the_other(start_platform: Start, session: aiohttp.ClientSession) -> None:
    clock = [datetime(2026, 11, 24, 12, tzinfo=UTC)]
    caller = Caller(await start_platform(pace=10.0, now=lambda: clock[0]), session)
    await caller.login()
    _, body, _ = await caller.deposit(invoice(), trackingId="t")
    seen = []
    for _ in range(13):
        (flow,) = await caller.search(trackingId="t")
        seen.append((flow["acknowledgement"]["status"], len(await caller.codes(body["flowId"]))))
        clock[0] += timedelta(seconds=5)
    assert seen == [
        ("Pending", 0),
        ("Ok", 0),
        *[("Ok", 1)] * 2,
        *[("Ok", 2)] * 2,
        *[("Ok", 3)] * 2,
        *[("Ok", 4)] * 2,
        *[("Ok", 5)] * 3,
    ]


async def test_access(platform: Running, session: aiohttp.ClientSession) -> None:
    caller = Caller(platform, session)
    assert (await caller.call("POST", "/v1/flows/search", json={"where": EVERYTHING}))[0] == 401
    assert await caller.login("wrong") == 401
    caller.token = "made-up"
    assert (await caller.call("GET", "/v1/healthcheck"))[0] == 200, "the health of a platform is no secret"
    assert (await caller.call("POST", "/v1/flows/search", json={"where": EVERYTHING}))[0] == 401
    async with session.post(platform.settings.token_url, data={"grant_type": "password"}) as answer:
        assert answer.status == 400
    login = {"client_id": "demo", "client_secret": platform.settings.secret_file.read_text()}
    async with session.post(platform.settings.token_url, data={"grant_type": "client_credentials", **login}) as answer:
        assert answer.status == 200
        assert answer.headers[server.HEADER] == server.SAYS


async def test_a_token_ends(start_platform: Start, session: aiohttp.ClientSession) -> None:
    clock = [datetime(2026, 11, 24, 12, tzinfo=UTC)]
    caller = Caller(await start_platform(token_seconds=60, now=lambda: clock[0]), session)
    await caller.login()
    assert (await caller.call("POST", "/v1/flows/search", json={"where": EVERYTHING}))[0] == 200
    clock[0] += timedelta(seconds=60)
    assert (await caller.call("POST", "/v1/flows/search", json={"where": EVERYTHING}))[0] == 401


async def test_what_is_not_there(caller: Caller) -> None:
    assert (await caller.file("nothing", "Metadata"))[0] == 404
    assert (await caller.file("nothing-lc-0"))[0] == 404
    _, body, _ = await caller.deposit(invoice("100000231"))
    assert (await caller.file(f"{body['flowId']}-lc-3"))[0] == 404
    assert (await caller.file(f"{body['flowId']}-lc-x"))[0] == 404
    assert (await caller.file(body["flowId"], "Everything"))[0] == 400
    async with caller.session.get(f"{caller.running.url}/elsewhere") as answer:
        assert answer.status == 404
        assert (await answer.json())["errorCode"] == "MISSING_RESOURCE"


async def test_contents_of_statuses(caller: Caller) -> None:
    _, body, _ = await caller.deposit(invoice("100000306"))
    assert (await caller.file(f"{body['flowId']}-lc-0"))[0] == 404
    assert cdar.read((await caller.file(f"{body['flowId']}-lc-0", "Converted"))[1]).code == "200"
    _, body, _ = await caller.deposit(invoice("100000314"))
    assert (await caller.file(f"{body['flowId']}-lc-0"))[0] == 500


async def test_a_restart_changes_nothing(start_platform: Start, session: aiohttp.ClientSession) -> None:
    first = await start_platform()
    caller = Caller(first, session)
    await caller.login()
    await caller.deposit(invoice(), trackingId="t")
    await caller.deposit(invoice(), trackingId="t")
    await caller.deposit(b"<a/>")
    before, deliveries = await caller.search(), await first.deliveries()
    with pytest.raises(BlockingIOError):
        server.create(first.folder)
    await first.runner.cleanup()
    second = await start_platform(pace=99.0)
    assert second.settings.secret_file.read_text() == first.settings.secret_file.read_text()
    again = Caller(second, session)
    await again.login()
    assert await again.search() == before
    assert await second.deliveries() == deliveries


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    opened = ledger.open_ledger(tmp_path)
    deposit = ledger.Deposit("a", datetime.now(UTC), "demo", "n", "CII", "0" * 64, 1, 0.2)
    asyncio.run(_keep(opened, deposit))
    with (tmp_path / ledger.FLOWS).open("ab") as file:
        file.write(b'{"id":"b","at":"2026')
    opened = ledger.open_ledger(tmp_path)
    assert list(opened.flows) == ["a"]
    asyncio.run(_keep(opened, ledger.Deposit("c", datetime.now(UTC), "demo", "n", "CII", "1" * 64, 1, 0.2)))
    opened = ledger.open_ledger(tmp_path)
    assert list(opened.flows) == ["a", "c"]
    asyncio.run(opened.close())


async def _keep(opened: ledger.Ledger, deposit: ledger.Deposit) -> None:
    await opened.keep(deposit, b"x")
    await opened.close()


def test_credentials_are_for_the_owner_only(tmp_path: Path) -> None:
    made = ledger.credentials(tmp_path)
    assert (tmp_path / ledger.CREDENTIALS).stat().st_mode & 0o777 == 0o600
    assert ledger.credentials(tmp_path) == made


def test_the_seller_and_the_buyer_are_told_by_legal_id_or_address() -> None:
    read = reading.read(invoice(), "CII")
    assert (read.seller, read.buyer, read.number) == ("523847192", "100000207", "F-1")
    for data, syntax in ((b"<a/>", "CII"), (invoice(), "UBL")):
        with pytest.raises(Unreadable):
            reading.read(data, syntax)
    assert reading._siren("", "100000207_ACHATS") == "100000207"
    assert reading._siren("100 000 207", "") == "100000207"
    assert reading._siren("DE123", "buyer@example.org") == ""


@pytest.mark.corpus
def test_every_valid_invoice_of_the_corpus_is_read() -> None:
    syntaxes = {"facturx-pdf": "Factur-X", "cii": "CII", "ubl-invoice": "UBL", "ubl-creditnote": "UBL"}
    rows = [json.loads(line) for line in (CORPUS / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    chosen = [row for row in rows if row["label"] == "valid" and row["kind"] in syntaxes]
    assert len(chosen) > 500
    for row in chosen:
        read = reading.read((CORPUS / row["path"]).read_bytes(), syntaxes[row["kind"]])
        assert read.number, row["path"]
        assert read.total, row["path"]
        assert read.issue_date, row["path"]


@pytest.mark.slow
async def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    """The program itself, killed ten times while it is written to: each 202 is still there, with its bytes."""
    folder, acknowledged = tmp_path / "data", {}
    for round in range(10):
        async with _program(folder) as (process, running):
            caller = Caller(running, session)
            await caller.login()
            writers = [asyncio.create_task(_write(caller, f"{round}-{n}", acknowledged)) for n in range(4)]
            await asyncio.sleep(0.15)
            process.send_signal(signal.SIGKILL)
            await asyncio.gather(*writers)
    async with _program(folder) as (process, running):
        caller = Caller(running, session)
        await caller.login()
        assert len(acknowledged) > 20
        for flow, digest in acknowledged.items():
            status, data, _ = await caller.file(flow)
            assert status == 200
            assert sha256(data).hexdigest() == digest
        assert set(acknowledged) <= {str(delivery["flowId"]) for delivery in await running.deliveries()}
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def _write(caller: Caller, mark: str, acknowledged: dict[str, str]) -> None:
    for place in range(1000):
        data = invoice(number=f"F-{mark}-{place}")
        try:
            status, body, _ = await caller.deposit(data)
        except (aiohttp.ClientError, ConnectionError):
            return
        assert status == 202
        acknowledged[body["flowId"]] = sha256(data).hexdigest()


@asynccontextmanager
async def _program(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, Running]]:
    """The platform as a process of its own, killed at the latest when the block ends."""
    code = "import asyncio,pathlib,sys; from adapters.platform import server; "
    code += "asyncio.run(server.run('127.0.0.1', 0, pathlib.Path(sys.argv[1])))"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(folder), stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        assert server.SAYS in line
        url = "http://" + line.split("http://")[1].strip()
        known = json.loads((folder / "credentials.json").read_text())
        secret = folder / "secret"
        secret.write_text(known["client_secret"])
        yield process, Running(folder, url, server_settings(url, known["client_id"], secret), None)  # type: ignore[arg-type]
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def server_settings(url: str, client: str, secret: Path) -> Any:
    """What a client needs to speak to a platform."""
    from adapters.afnor import Settings

    return Settings(
        f"{url}/afnor-flow", f"{url}/oauth2/token", client, secret, frozenset({url.removeprefix("http://")})
    )
