"""Timestamp authorities over real sockets: an answer is handed on as it came, everything else is Unreachable."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from adapters import catalogue
from adapters.port import TimestampAuthority, Unreachable
from tests.bench.stage import free_port


@pytest.fixture
async def authority() -> AsyncIterator[tuple[TimestampAuthority, dict[str, object]]]:
    """An authority, and how it answers: status, body, media type."""
    manners: dict[str, object] = {"status": 200, "body": b"answer", "content_type": "application/timestamp-reply"}

    async def stamp(request: web.Request) -> web.Response:
        assert request.content_type == "application/timestamp-query"
        manners["question"] = await request.read()
        names = ("status", "body", "content_type")
        return web.Response(**{name: manners[name] for name in names})  # type: ignore[arg-type]

    application = web.Application()
    application.router.add_post("/tsa", stamp)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    environment = {
        "ESTAFETTE_TIMESTAMP_URLS": f"http://127.0.0.1:{port}/tsa",
        "ESTAFETTE_EGRESS_ALLOW": f"127.0.0.1:{port}",
    }
    (one,), problems = catalogue.authorities(environment)
    assert not problems
    yield one, manners
    await one.close()
    await runner.cleanup()


async def test_a_question_goes_out_and_the_answer_comes_back(
    authority: tuple[TimestampAuthority, dict[str, object]],
) -> None:
    one, manners = authority
    assert one.name == "127.0.0.1"
    assert await one.stamp(b"question") == b"answer"
    assert manners["question"] == b"question"


@pytest.mark.parametrize(
    "manner",
    [
        {"status": 503},
        {"status": 302},
        {"content_type": "text/html"},
        {"body": b"x" * 70_000},
    ],
)
async def test_what_is_no_answer_is_unreachable(
    authority: tuple[TimestampAuthority, dict[str, object]], manner: dict[str, object]
) -> None:
    one, manners = authority
    manners.update(manner)
    with pytest.raises(Unreachable):
        await one.stamp(b"question")


def test_settings_are_told_wrong_all_at_once() -> None:
    found, problems = catalogue.authorities(
        {"ESTAFETTE_TIMESTAMP_URLS": "http://tsa.example.org:81/ https://10.0.0.1/ http://tsa.example.org/"}
    )
    assert found == ()
    assert [problem.setting for problem in problems] == ["ESTAFETTE_TIMESTAMP_URLS"] * 2
    assert "only https" in problems[0].says
    assert "not public" in problems[1].says
    assert catalogue.authorities({}) == ((), ())
