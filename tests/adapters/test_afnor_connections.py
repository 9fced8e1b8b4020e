"""Several connections to platforms, each for its own participants; and what a platform says it can do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters import afnor_settings, catalogue
from adapters.afnor import Afnor
from adapters.http import Client, Request
from adapters.port import ElectronicAddress, Probed, Problem
from tests.adapters.conftest import Running, consignment, now

GOOD = """\
url = "https://platform.example/afnor-flow/"
token_url = "https://platform.example/token"
client_id = "me"
client_secret_file = "levant.secret"
participants = ["100000108", "100000389"]
token_auth = "form"
calls_per_second = 2.5
seconds = 20
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    secret = tmp_path / "levant.secret"
    secret.touch(mode=0o600)
    secret.write_text("word\n", encoding="utf-8")
    (tmp_path / "levant.toml").write_text(GOOD, encoding="utf-8")
    return tmp_path


def read(folder: Path, **more: str) -> tuple[tuple[afnor_settings.Settings, ...], list[Problem]]:
    problems: list[Problem] = []
    made = afnor_settings.connections({"ESTAFETTE_AFNOR_PLATFORMS": str(folder), **more}, problems)
    return made, problems


def test_a_connection_is_a_file(folder: Path) -> None:
    (made,), problems = read(folder)
    assert not problems
    assert (made.name, made.url, made.secret_file) == (
        "afnor-levant", "https://platform.example/afnor-flow", folder / "levant.secret",
    )  # fmt: skip
    assert made.participants == {"100000108", "100000389"}
    assert (made.secret_in_form, made.calls_per_second, made.seconds) == (True, 2.5, 20.0)
    assert afnor_settings.connections({}, []) == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("url = ", "it cannot be read as TOML"),
        (GOOD.replace('"100000108"', '"1"'), "participants: must be a list of SIRENs"),
        (GOOD.replace("participants", "participant"), "participant: is no member"),
        (GOOD.replace("client_id", "# client_id"), "client_id: is needed"),
        (GOOD.replace('"me"', "7"), "client_id: must be a text"),
        (GOOD.replace("https://platform.example/token", "http://platform.example/token"), "token_url: "),
        (GOOD.replace("levant.secret", "none.secret"), "client_secret_file: the file none.secret cannot be read"),
        (GOOD.replace("2.5", "-1"), "calls_per_second: must be a number"),
        (GOOD.replace("20\n", "true\n"), "seconds: must be a whole number"),
        (GOOD.replace('"form"', '"magic"'), "token_auth: must be basic or form"),
        (GOOD + 'recipient = "12"\n', "recipient: must be a SIREN"),
    ],
)
def test_a_connection_that_cannot_be_used_stops_all(folder: Path, text: str, says: str) -> None:
    (folder / "ponant.toml").write_text(text, encoding="utf-8")
    made, problems = read(folder)
    assert made == ()
    assert any(says in problem.says for problem in problems), problems
    assert all(problem.setting == "ESTAFETTE_AFNOR_PLATFORMS, ponant.toml" for problem in problems)


def test_a_participant_has_one_connection(folder: Path) -> None:
    (folder / "ponant.toml").write_text(GOOD, encoding="utf-8")
    made, problems = read(folder)
    assert made == ()
    assert "100000108 stands in two connections: afnor-levant and afnor-ponant" in {one.says for one in problems}


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    assert [one.setting for one in read(tmp_path)[1]] == ["ESTAFETTE_AFNOR_PLATFORMS"]
    (tmp_path / "Être.toml").write_text(GOOD, encoding="utf-8")
    assert "its name is made of" in read(tmp_path)[1][0].says


async def test_documents_of_a_participant_go_by_its_own_connection(folder: Path) -> None:
    environment = {
        "ESTAFETTE_AFNOR_PLATFORMS": str(folder),
        "ESTAFETTE_AFNOR_URL": "https://other.example/afnor-flow",
        "ESTAFETTE_AFNOR_TOKEN_URL": "https://other.example/token",
        "ESTAFETTE_AFNOR_CLIENT_ID": "all",
        "ESTAFETTE_AFNOR_CLIENT_SECRET_FILE": str(folder / "levant.secret"),
    }
    networks, problems = catalogue.build(environment, now)
    assert not problems
    names = [one.name for one in networks.serving(("100000389",))]
    assert names == ["afnor-levant", "afnor"]
    assert [one.name for one in networks.serving(("404833048",))] == ["afnor"], "nobody goes by another's connection"
    route = await networks.serving(("100000389",))[0].find(ElectronicAddress("0225", "100000207"))
    assert route is not None
    assert networks.named(route.network) is networks.serving(("100000389",))[0]
    for network in networks.all:
        await network.close()


def test_the_directory_may_have_credentials_of_its_own(folder: Path) -> None:
    environment = {
        "ESTAFETTE_AFNOR_DIRECTORY_URL": "https://other.example/afnor-directory",
        "ESTAFETTE_AFNOR_TOKEN_URL": "https://other.example/token",
        "ESTAFETTE_AFNOR_CLIENT_ID": "all",
        "ESTAFETTE_AFNOR_CLIENT_SECRET_FILE": str(folder / "levant.secret"),
    }
    problems: list[Problem] = []
    connected = environment | {"ESTAFETTE_AFNOR_PLATFORMS": str(folder)}
    assert afnor_settings.from_environment(connected, problems) is None
    assert not problems
    assert catalogue.directory(connected, now)[0] is not None
    assert afnor_settings.from_environment(environment, problems) is None
    assert [one.setting for one in problems] == ["ESTAFETTE_AFNOR_URL"]


async def test_calls_are_no_faster_than_agreed() -> None:
    at: list[float] = []

    async def answer(request: web.Request) -> web.Response:
        at.append(asyncio.get_running_loop().time())
        return web.Response()

    application = web.Application()
    application.router.add_get("/", answer)
    async with TestServer(application) as server:
        client = Client(frozenset({f"127.0.0.1:{server.port}"}), calls_per_second=50)
        url = str(server.make_url("/"))
        await asyncio.gather(*(client.send(Request("GET", url, {})) for _ in range(6)))
        await client.close()
    assert at[-1] - at[0] > 4 * 0.02, "six calls take five pauses of 20 ms"


async def test_what_a_platform_can_do(platform: Running) -> None:
    client = platform.client()
    assert isinstance(client, Probed)
    found = await client.probe()
    assert (found.healthy, found.edition, found.tracking, found.webhooks, found.answers) == (
        True, "1.3.0", True, False, 200,
    )  # fmt: skip
    assert not await platform.deliveries(), "nothing is changed by asking"


@pytest.mark.parametrize(
    ("edition", "expected"),
    [("1.2.0", ("1.2.0", True)), ("careless", ("", False)), ("broken", ("", False))],
)
async def test_what_other_platforms_can_do(
    edition: str, expected: tuple[str, bool], tmp_path: Path, start_platform: Callable[..., Awaitable[Running]]
) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/token":
            return web.json_response({"access_token": "t", "expires_in": 60})
        if edition == "broken" or not request.path.endswith("/search"):
            return web.Response(status=500)
        where = (await request.json())["where"]
        new = where.get("flowType") in (["StatePaymentReport"], ["LoveLetter"]) or len(where.get("trackingId", "")) > 36
        if edition == "1.2.0":
            return web.json_response({"errorCode": "X"}, status=400) if new else web.json_response({"results": []})
        return web.json_response({"results": [{"flowId": "another"}]})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("word", encoding="utf-8")
    async with TestServer(application) as server:
        url = str(server.make_url("")).rstrip("/")
        settings = afnor_settings.Settings(url, f"{url}/token", "c", secret, frozenset({url.removeprefix("http://")}))
        client = Afnor(settings, now)
        found = await client.probe()
        await client.close()
    assert (found.edition, found.tracking) == expected
    assert not found.healthy


async def test_a_consignment_goes_by_the_connection_of_its_route(platform: Running) -> None:
    client = platform.client(name="afnor-levant")
    assert client.name == "afnor-levant"
    assert (await client.send(consignment())).network_id
