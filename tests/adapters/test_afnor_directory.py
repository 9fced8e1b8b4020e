"""The directory client: what it makes of a directory's answers, and that no failure is taken for "not there"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pyfrctc
import pytest
from aiohttp import web
from pyfrctc import pyfrctc as peer
from stdnum.fr import siren as siren_number
from stdnum.fr import siret as siret_number

from adapters import catalogue
from adapters.afnor_directory import AfnorDirectory, Settings
from adapters.bearer import Login
from adapters.directory import LineStanding, Receiver
from adapters.platform import companies
from adapters.port import Problem, Unreachable
from tests.adapters.conftest import Running, now
from tests.adapters.openapi import PUBLISHED, Published

Start = Callable[..., Awaitable[Running]]
CLOSED_LINE, OPEN_LINE = "100000397_10000039700024", "100000397_10000039700016"


@pytest.fixture
async def directory(platform: Running) -> AsyncIterator[AfnorDirectory]:
    made = AfnorDirectory(settings_of(platform), now)
    yield made
    await made.close()


def settings_of(running: Running, **changes: Any) -> Settings:
    """How to reach the directory of a running platform."""
    known = running.settings
    login = Login(known.token_url, known.client_id, known.secret_file)
    return replace(Settings(f"{running.url}/afnor-directory", login, known.allow, seconds=5.0), **changes)


def test_the_companies_bear_valid_numbers() -> None:
    for siren, company in companies.COMPANIES.items():
        assert siren_number.is_valid(siren)
        assert all(siret_number.is_valid(siren + nic) for nic in company.facilities)
        for line in company.lines:
            assert line.identifier.startswith(siren)
            parts = line.identifier.split("_")
            assert line.suffix or len(parts) == 1 or parts[1] in [siren + nic for nic in company.facilities]
    assert siret_number.is_valid(f"812046373{companies.main_facility('812046373')}")


async def test_two_directories_of_one_host_have_names_of_their_own(platform: Running) -> None:
    names = [AfnorDirectory(settings_of(platform, url=f"https://pa.example/{one}/"), now).name for one in ("a", "b")]
    assert names == ["pa.example/a", "pa.example/b"]


async def test_an_active_line(directory: AfnorDirectory) -> None:
    line = await directory.line("812046373_81204637300017")
    assert line is not None
    assert (line.standing, line.receiver, line.siren) == (LineStanding.ENABLED, Receiver.APPROVED, "812046373")
    assert (line.siret, line.public) == ("81204637300017", False)


async def test_a_line_that_ended_and_the_active_one_beside_it(directory: AfnorDirectory) -> None:
    today = now().date()
    ended = await directory.line(CLOSED_LINE)
    assert ended is not None
    assert (ended.standing, ended.ends) == (LineStanding.DISABLED, today - timedelta(days=25))
    found = await directory.lines("100000397")
    assert found.complete
    assert {line.address: line.standing for line in found.lines} == {
        CLOSED_LINE: LineStanding.DISABLED,
        OPEN_LINE: LineStanding.ENABLED,
    }
    (of_facility,) = (await directory.lines("100000397", "10000039700016")).lines
    assert of_facility.address == OPEN_LINE


async def test_a_line_to_come_is_told_by_the_search(directory: AfnorDirectory) -> None:
    line = await directory.line("100000405")
    assert line is not None
    assert line.standing is LineStanding.DISABLED
    (coming,) = (await directory.lines("100000405")).lines
    assert (coming.standing, coming.begins) == (LineStanding.UPCOMING, now().date() + timedelta(days=30))


async def test_who_is_not_there_is_none(directory: AfnorDirectory) -> None:
    assert await directory.unit("100000447") is None
    assert await directory.line("100000447") is None
    assert await directory.facility("10000044700019") is None
    assert await directory.routing_code("10000041300011", "NONE") is None
    assert (await directory.lines("100000447")).lines == ()


async def test_companies_facilities_and_routing_codes(directory: AfnorDirectory) -> None:
    unit = await directory.unit("100000470")
    assert unit is not None
    assert (unit.name, unit.public, unit.closed) == ("Ancienne Maison", False, True)
    facility = await directory.facility("10000042100014")
    assert facility is not None
    assert (facility.siren, facility.needs_commitment, facility.closed) == ("100000421", True, False)
    code = await directory.routing_code("10000041300011", "ACHATS")
    assert code is not None
    assert (code.name, code.closed) == ("Service des achats", False)
    line = await directory.line("100000421_10000042100014_SERV1")
    assert line is not None
    assert (line.receiver, line.public, line.routing_code) == (Receiver.STATE, True, "SERV1")


async def test_a_busy_directory_is_left_alone_as_long_as_it_says(start_platform: Start) -> None:
    running = await start_platform(refusals=1, retry_after=60)
    time = [now()]
    directory = AfnorDirectory(settings_of(running), lambda: time[0])
    with pytest.raises(Unreachable) as caught:
        await directory.line("100000454")
    assert caught.value.retry_in == timedelta(seconds=60)
    time[0] += timedelta(seconds=20)
    with pytest.raises(Unreachable) as caught:  # nobody else is asked about either
        await directory.line("812046373")
    assert caught.value.retry_in == timedelta(seconds=40)
    time[0] += timedelta(seconds=41)
    line = await directory.line("100000454")
    assert line is not None
    await directory.close()


async def test_all_facilities_of_a_company_and_all_codes_of_a_facility(directory: AfnorDirectory) -> None:
    known = {siren: one for siren, one in companies.COMPANIES.items() if one.temper is companies.Temper.PLAIN}
    for siren, company in known.items():
        told = await directory.facilities(siren)
        assert told.complete
        assert {one.siret for one in told.facilities} == {siren + nic for nic in company.facilities}
        for one in told.facilities:
            assert one == await directory.facility(one.siret)
            codes = await directory.routing_codes(one.siret)
            assert codes.complete
            for code in codes.codes:
                assert code == await directory.routing_code(one.siret, code.code)
        assert {
            code.name for one in told.facilities[:1] for code in (await directory.routing_codes(one.siret)).codes
        } == {*company.codes.values()}
    assert any(company.codes for company in known.values())


async def test_a_failing_directory_says_nothing_of_anybody(directory: AfnorDirectory) -> None:
    with pytest.raises(Unreachable, match="answered 500"):
        await directory.line("100000462")


@pytest.fixture
async def odd(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[AfnorDirectory]]]:
    """A directory that answers every question with what the test says."""
    runners: list[web.AppRunner] = []
    made: list[AfnorDirectory] = []

    async def begin(*answers: web.Response) -> AfnorDirectory:
        left = list(answers)

        async def answer(request: web.Request) -> web.Response:
            return left.pop(0)

        async def token(request: web.Request) -> web.Response:
            return web.json_response({"access_token": "t", "expires_in": 60})

        application = web.Application()
        application.router.add_post("/token", token)
        application.router.add_route("*", "/d/{rest:.*}", answer)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        secret = tmp_path / "secret"
        secret.touch(mode=0o600)
        secret.write_text("s")
        base = f"http://127.0.0.1:{port}"
        settings = Settings(
            f"{base}/d", Login(f"{base}/token", "c", secret), frozenset({f"127.0.0.1:{port}"}), seconds=5.0
        )
        made.append(AfnorDirectory(settings, now))
        return made[-1]

    yield begin
    for client in made:
        await client.close()
    for runner in runners:
        await runner.cleanup()


async def test_a_failure_is_about_its_question_and_a_gateway_error_about_all(
    odd: Callable[..., Awaitable[AfnorDirectory]],
) -> None:
    """Any 5xx kept everybody from asking for a quarter of a minute: one address that the platform stumbles over."""
    directory = await odd(web.Response(status=500), page([], 0), web.Response(status=502))
    with pytest.raises(Unreachable, match="500"):
        await directory.line("812046373")
    assert (await directory.lines("812046373")).complete
    for _ in range(2):
        with pytest.raises(Unreachable, match="502"):
            await directory.lines("812046373")


async def test_after_a_rest_one_question_tries_first(odd: Callable[..., Awaitable[AfnorDirectory]]) -> None:
    directory, time = await odd(web.Response(status=503), web.Response(status=503), page([], 0), page([], 0)), [now()]
    directory._now = lambda: time[0]
    with pytest.raises(Unreachable):
        await directory.lines("812046373")
    time[0] += timedelta(seconds=16)
    told = await asyncio.gather(*(directory.lines("812046373") for _ in range(8)), return_exceptions=True)
    assert all(isinstance(one, Unreachable) for one in told), "one asked, and the others were spared"
    time[0] += timedelta(seconds=16)
    assert (await directory.lines("812046373")).complete
    assert (await directory.lines("812046373")).complete


@pytest.mark.parametrize("status", [400, 422])
async def test_an_address_that_is_refused_is_decided_by_the_search(
    odd: Callable[..., Awaitable[AfnorDirectory]], status: int
) -> None:
    """It was taken for a directory that is away, and the document waited three days for it."""
    refused = [web.json_response({"errorCode": "INVALID"}, status=status) for _ in range(4)]
    many = [page([row(f"812046373_{number}{at:03}") for at in range(100)], 4000) for number in range(5)]
    lines = page([row("812046373_a", "Disabled"), row("812046373_a"), row("812046373_B")], 3)
    directory = await odd(refused[0], lines, refused[1], page([], 0), refused[2], page([], 0), refused[3], *many)
    line = await directory.line("812046373_A")
    assert line is not None
    assert (line.address, line.standing) == ("812046373_a", LineStanding.ENABLED)
    assert await directory.line("812046373_A") is None
    assert await directory.unit("812046373") is None
    with pytest.raises(Unreachable, match=str(status)):
        await directory.line("812046373_A")


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=404, text="Not Found"),
        web.json_response({"message": "no route"}, status=404),
        web.json_response({"errorCode": "FORBIDDEN_ACCESS"}, status=403),
        web.json_response({"errorCode": "X"}, status=501),
        web.Response(status=200, text="<html>"),
        web.json_response({}),
        web.json_response([]),
        web.json_response({"addressingIdentifier": "812046374", "directoryLineStatus": "Enabled"}),
        web.json_response({"addressingIdentifier": "812046373"}),
        web.json_response({"addressingIdentifier": "812046373", "directoryLineStatus": "Paused"}),
        web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
    ],
    ids=["no route", "no code", "forbidden", "not done", "html", "empty", "list", "other", "no status", "odd", "moved"],
)
async def test_what_is_no_answer_is_never_taken_for_one(
    odd: Callable[..., Awaitable[AfnorDirectory]], answer: web.Response
) -> None:
    with pytest.raises(Unreachable):
        await (await odd(web.Response(status=answer.status, headers=answer.headers, body=answer.body))).line(
            "812046373"
        )


def row(address: str, standing: str = "Enabled") -> dict[str, str]:
    """A line of a search."""
    return {"addressingIdentifier": address, "directoryLineStatus": standing, "siren": address[:9]}


def page(rows: list[dict[str, str]], total: int) -> web.Response:
    """A page of a search."""
    return web.json_response({"results": rows, "totalNumberOfResults": total})


async def test_pages_that_are_shorter_than_asked_for_are_read_to_the_end(
    odd: Callable[..., Awaitable[AfnorDirectory]],
) -> None:
    directory = await odd(
        page([row("812046373")], 3),
        page([row("812046373_A")], 3),
        page([row("812046373_B"), row("812046373", "Upcoming")], 3),
    )
    found = await directory.lines("812046373")
    assert found.complete
    assert [(line.address, line.standing.value) for line in found.lines] == [
        ("812046373", "enabled"),
        ("812046373_A", "enabled"),
        ("812046373_B", "enabled"),
        ("812046373", "upcoming"),
    ]


async def test_the_first_of_many_lines_are_told_as_such(odd: Callable[..., Awaitable[AfnorDirectory]]) -> None:
    pages = [page([row(f"812046373_{number}{at:03}") for at in range(100)], 4000) for number in range(5)]
    found = await (await odd(*pages)).lines("812046373")
    assert (len(found.lines), found.complete) == (500, False)


async def test_a_total_that_is_not_managed_ends_with_a_short_page(
    odd: Callable[..., Awaitable[AfnorDirectory]],
) -> None:
    found = await (await odd(page([row("812046373")], -1))).lines("812046373")
    assert (len(found.lines), found.complete) == (1, True)


async def test_lines_of_other_companies_are_no_answer(odd: Callable[..., Awaitable[AfnorDirectory]]) -> None:
    with pytest.raises(Unreachable, match="cannot be read"):
        await (await odd(page([row("812046374")], 1))).lines("812046373")


def test_the_settings_tell_all_that_is_wrong(tmp_path: Path) -> None:
    assert catalogue.directory({}, now) == (None, ())
    made, problems = catalogue.directory({"ESTAFETTE_AFNOR_DIRECTORY_URL": "http://10.0.0.1/x"}, now)
    assert made is None
    assert {problem.setting for problem in problems} == {
        "ESTAFETTE_AFNOR_DIRECTORY_URL",
        "ESTAFETTE_AFNOR_TOKEN_URL",
        "ESTAFETTE_AFNOR_CLIENT_ID",
        "ESTAFETTE_AFNOR_CLIENT_SECRET_FILE",
    }
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("s")
    environment = {
        "ESTAFETTE_AFNOR_DIRECTORY_URL": "https://directory.example.org/afnor-directory/",
        "ESTAFETTE_AFNOR_TOKEN_URL": "https://login.example.org/token",
        "ESTAFETTE_AFNOR_CLIENT_ID": "c",
        "ESTAFETTE_AFNOR_CLIENT_SECRET_FILE": str(secret),
    }
    made, problems = catalogue.directory(environment, now)
    assert made is not None
    assert (made.name, problems) == ("directory.example.org/afnor-directory", ())
    says = "must be a whole number from 1 to 120"
    wrong = environment | {"ESTAFETTE_AFNOR_DIRECTORY_SECONDS": "0"}
    assert catalogue.directory(wrong, now)[1] == (Problem("ESTAFETTE_AFNOR_DIRECTORY_SECONDS", says),)
    own = environment | {"ESTAFETTE_AFNOR_DIRECTORY_CLIENT_ID": "d"}  # a login of its own is a whole one
    assert {problem.setting for problem in catalogue.directory(own, now)[1]} == {
        "ESTAFETTE_AFNOR_DIRECTORY_TOKEN_URL",
        "ESTAFETTE_AFNOR_DIRECTORY_CLIENT_SECRET_FILE",
    }
    secret.chmod(0o644)
    (problem,) = catalogue.directory(environment, now)[1]
    assert problem.setting == "ESTAFETTE_AFNOR_CLIENT_SECRET_FILE"


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published descriptions are not beside this checkout")
async def test_the_simulated_directory_answers_as_published(platform: Running) -> None:
    published = Published(PUBLISHED.with_name("directory-service-1.3.0.json"))
    siren = {"filters": {"siren": {"op": "strict", "value": "100000421"}}, "limit": 5, "include": ["siren"]}
    calls: list[tuple[str, str, str, Any, int]] = [
        ("GET", "/v1/siren/code-insee:100000421", "/v1/siren/code-insee:{siren}", None, 200),
        ("GET", "/v1/siren/code-insee:100000447", "/v1/siren/code-insee:{siren}", None, 404),
        ("GET", "/v1/siren/code-insee:12", "/v1/siren/code-insee:{siren}", None, 400),
        ("GET", "/v1/siret/code-insee:10000042100014?include=siren", "/v1/siret/code-insee:{siret}", None, 200),
        ("POST", "/v1/siren/search", "/v1/siren/search", siren, 200),
        ("POST", "/v1/siret/search", "/v1/siret/search", siren, 200),
        ("POST", "/v1/directory-line/search", "/v1/directory-line/search", siren, 200),
        ("POST", "/v1/directory-line/search", "/v1/directory-line/search", {"filters": {"x": 1}}, 400),
        ("POST", "/v1/routing-code/search", "/v1/routing-code/search", {"limit": 2}, 200),
        (
            "GET",
            "/v1/routing-code/siret:10000041300011/code:ACHATS",
            "/v1/routing-code/siret:{siret}/code:{routing-identifier}",
            None,
            200,
        ),
        (
            "GET",
            "/v1/directory-line/code:100000421_10000042100014_SERV1?include=siren,siret,routingCode",
            "/v1/directory-line/code:{addressing-identifier}",
            None,
            200,
        ),
        ("GET", "/v1/healthcheck", "/v1/healthcheck", None, 200),
    ]
    async with aiohttp.ClientSession() as session:
        login = {
            "grant_type": "client_credentials",
            "client_id": platform.settings.client_id,
            "client_secret": platform.settings.secret_file.read_text(),
        }
        async with session.post(platform.settings.token_url, data=login) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
        for method, path, template, body, status in calls:
            url = f"{platform.url}/afnor-directory{path}"
            async with session.request(method, url, json=body, headers=headers) as answer:
                assert answer.status == status, (path, await answer.text())
                published.judge(method, template, answer.status, answer.content_type, await answer.read())
        async with session.get(f"{platform.url}/afnor-directory/v1/siren/code-insee:100000421") as answer:
            assert answer.status == 401


async def test_pyfrctc_reads_the_simulated_directory(platform: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    known = {"afnor_base_url": platform.url, "token_url": platform.settings.token_url, "label": "Simulated"}
    monkeypatch.setitem(peer.PLATFORMS, "simulated", known)

    def _ask() -> dict[str, Any]:
        session = pyfrctc.get_session(
            "simulated",
            "client_credentials",
            "test",
            lambda _method: {"access_token": None, "expires_at": None},
            lambda _token: None,
            client_id=platform.settings.client_id,
            client_secret=platform.settings.secret_file.read_text(),
        )
        try:
            return {
                "health": pyfrctc.healthcheck(session, type="directory"),
                "lines": pyfrctc.get_directory_lines_parsed(session, "100000397"),
                "coming": pyfrctc.get_directory_lines_parsed(session, "100000405"),
                "codes": pyfrctc.get_directory_lines_parsed(session, "10000041300011"),
                "unit": pyfrctc.get_directory_siren(session, "100000470"),
                "none": pyfrctc.get_directory_siren(session, "100000447"),
                "facility": pyfrctc.get_directory_siret(session, "10000042100014"),
            }
        finally:
            session.close()

    told = await asyncio.to_thread(_ask)
    assert told["health"]
    assert {name: line["state"] for name, line in told["lines"].items()} == {
        CLOSED_LINE: "disabled",
        OPEN_LINE: "active",
    }
    assert [line["state"] for line in told["coming"].values()] == ["upcoming"]
    assert sorted(line["routing_code"] for line in told["codes"].values()) == ["ACHATS", "TRAVAUX"]
    assert told["unit"]["administrativeStatus"] == "C"
    assert told["none"] is False
    assert told["facility"]["siren"] == "100000421"
