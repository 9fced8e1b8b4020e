"""What goes wrong is answered in one shape, and tells the caller nothing that is not the caller's."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from gateway.api import problems
from gateway.compute import Interrupted
from gateway.errors import Busy, Corrupt, GatewayError, Misconfigured, TooMany, Unauthenticated
from tests.gateway.api.conftest import Api, problem


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("fr-FR,fr;q=0.9,en;q=0.8", "fr"),
        ("en-GB, fr;q=0.5", "en"),
        ("de, fr;q=0.3", "fr"),
        ("fr;q=0, en;q=0", "en"),
        ("fr;q=x", "fr"),
        ("*", "en"),
    ],
)
def test_titles_come_in_the_language_asked_for(header: str, language: str) -> None:
    request = make_mocked_request("GET", "/", headers={"Accept-Language": header})
    assert problems.language_of(request) == language


async def test_the_router_answers_in_the_same_shape(api: Api) -> None:
    missing = await problem(await api.client.get("/v1/nothing"), 404, "not-found")
    assert missing["instance"] == "/v1/nothing"
    wrong = await api.client.put("/v1/documents")
    assert (await problem(wrong, 405, "method"))["errorCode"] == "MethodNotAllowed"
    assert wrong.headers["Allow"] == "GET,HEAD,POST"
    await problem(await api.client.get("/v1/documents", headers={"Expect": "the impossible"}), 417, "http")


async def test_a_request_is_named_in_its_answer(api: Api) -> None:
    own = "0b0e7c1c-5c7e-4d57-9f0b-1f2d3c4b5a69"
    answer = await api.client.get("/v1/nothing", headers={"Request-Id": own})
    assert answer.headers["Request-Id"] == own
    assert (await answer.json())["trace"] == own.replace("-", "")
    traced = await api.client.get(
        "/v1/nothing", headers={"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    )
    assert (await traced.json())["trace"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    for nonsense in ("x", "00-" + "0" * 32 + "-00f067aa0ba902b7-01"):
        named = await api.client.get("/v1/nothing", headers={"traceparent": nonsense, "Request-Id": nonsense})
        assert len((await named.json())["trace"]) == 32


@pytest.mark.parametrize(
    ("error", "status", "name", "told"),
    [
        (RuntimeError("select * from secret"), 500, "unforeseen", None),
        (Interrupted("a worker process died"), 503, "busy", None),
        (Corrupt("content 12ab does not match its hash"), 500, "corrupt", None),
        (Misconfigured("the file /etc/secret"), 500, "misconfigured", None),
        (Busy("later", timedelta(seconds=90)), 503, "busy", "90"),
        (TooMany("slower", timedelta(milliseconds=10)), 429, "too-many", "1"),
        (Unauthenticated("who"), 401, "unauthenticated", None),
    ],
)
async def test_each_error_becomes_its_answer(
    caplog: pytest.LogCaptureFixture, error: Exception, status: int, name: str, told: str | None
) -> None:
    async def fails(_: web.Request) -> web.Response:
        raise error

    app = web.Application(middlewares=[problems.problems])
    app.router.add_get("/fails", fails)
    async with TestClient(TestServer(app)) as client:
        with caplog.at_level(logging.INFO):
            answer = await client.get("/fails")
        shown = await problem(answer, status, name)
    if told is not None:
        assert answer.headers["Retry-After"] == told
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    if status == 500:
        text = str(shown)
        assert "secret" not in text
        assert "12ab" not in text
        assert shown["trace"] in [getattr(record, "trace", None) for record in caplog.records]


def test_an_error_without_a_row_answers_like_the_one_above_it() -> None:
    class Deeper(TooMany):
        """A class somebody adds."""

    assert problems.row_of(Deeper("x")).status == 429
    assert issubclass(Deeper, GatewayError)
