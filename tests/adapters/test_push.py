"""The push: what its answers mean, what it says of the document, and where it may not go."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from adapters import catalogue, push
from adapters.port import Consignment, ElectronicAddress, Problem, Refused, Route, Unreachable
from adapters.push import Push, Settings
from tests.adapters.conftest import consignment, now
from tests.adapters.harnesses import written

Answering = Callable[[web.Response], Push]
ADDRESS = ElectronicAddress("0088", "3700000000011")


def sent(**changes: object) -> Consignment:
    """A consignment for the push."""
    return replace(consignment(), route=Route("push", ADDRESS, "a test"), **changes)  # type: ignore[arg-type]


@pytest.fixture
async def answering(tmp_path: Path) -> AsyncIterator[Answering]:
    """The push to a server that gives one answer."""
    answers: list[web.Response] = []
    networks: list[Push] = []

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return answers[0]

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    at = f"127.0.0.1:{runner.addresses[0][1]}"
    secret = written(tmp_path / "secret", "whsec_" + base64.b64encode(b"k" * 32).decode())

    def make(answer: web.Response) -> Push:
        answers[:] = [answer]
        networks.append(Push(Settings(f"http://{at}/in", secret, frozenset({"0088"}), frozenset({at})), now))
        return networks[-1]

    yield make
    for network in networks:
        await network.close()
    await runner.cleanup()


@pytest.mark.parametrize("status", [400, 406, 410, 413, 415, 422, 451])
async def test_a_refusal_without_words_has_a_finding(answering: Answering, status: int) -> None:
    with pytest.raises(Refused) as caught:
        await answering(web.Response(status=status, text="<html>no</html>", content_type="text/html")).send(sent())
    (finding,) = caught.value.findings
    assert (finding.rule, finding.layer) == (f"PUSH-{status}", "network")
    assert str(status) in finding.says


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"title": "no", "detail": "the order\r\nis unknown"}, [("PUSH-422", "the order is unknown", "")]),
        (
            {"errors": [{"code": "A", "detail": "one", "pointer": "/a"}, {"message": "two"}, 3, {}]},
            [("A", "one", "/a"), ("PUSH-422", "two", ""), ("PUSH-422", "answered 422", "")],
        ),
        ({"findings": [{"rule": "BR-CO-15", "says": "wrong", "path": "/x"}]}, [("BR-CO-15", "wrong", "/x")]),
        ({"errors": "many", "title": 7}, [("PUSH-422", "The other side answered 422 and gives no reason.", "")]),
        (
            {"type": "https://developer.example.com/idempotency", "title": "Idempotency-Key is already used"},
            [("PUSH-OTHER-CONTENT", "Idempotency-Key is already used", "")],
        ),
        (
            {"title": "Idempotency-Key is already used", "errors": [{"code": "A", "detail": "one"}]},
            [("PUSH-OTHER-CONTENT", "Idempotency-Key is already used", ""), ("A", "one", "")],
        ),
        ([1], [("PUSH-422", "The other side answered 422 and gives no reason.", "")]),
    ],
)
async def test_a_problem_becomes_findings(
    answering: Answering, body: object, expected: list[tuple[str, str, str]]
) -> None:
    with pytest.raises(Refused) as caught:
        await answering(web.json_response(body, status=422, content_type="application/problem+json")).send(sent())
    assert [(one.rule, one.says, one.path) for one in caught.value.findings] == expected


@pytest.mark.parametrize(
    ("status", "unknown"),
    [
        *((status, False) for status in (301, 302, 307, 401, 403, 404, 405, 408, 425, 429, 503)),
        *((status, True) for status in (409, 500, 502, 504)),
    ],
)
async def test_what_says_nothing_of_the_document_waits(answering: Answering, status: int, unknown: bool) -> None:
    headers = {"Retry-After": "90", "Location": "https://elsewhere.example/"}
    with pytest.raises(Unreachable) as caught:
        await answering(web.Response(status=status, headers=headers)).send(sent())
    assert caught.value.unknown == unknown
    assert caught.value.retry_in == timedelta(seconds=90)


async def test_a_conflict_with_a_reason_is_still_being_worked_on(answering: Answering) -> None:
    problem = {"title": "A request is outstanding for this Idempotency-Key"}
    with pytest.raises(Unreachable) as caught:
        await answering(
            web.json_response(
                problem, status=409, headers={"Retry-After": "5"}, content_type="application/problem+json"
            )
        ).send(sent())
    assert (caught.value.unknown, caught.value.retry_in) == (True, timedelta(seconds=5))


async def test_an_answer_without_a_body_is_a_receipt_too(answering: Answering) -> None:
    receipt = await answering(web.Response(status=204, headers={"Location": "/d/1"})).send(sent())
    assert receipt.network_id == sent().id
    assert b'"status": 204' in receipt.evidence
    assert not receipt.already_there


async def test_an_endless_answer_leaves_the_outcome_unknown(answering: Answering) -> None:
    with pytest.raises(Unreachable) as caught:
        await answering(web.Response(status=200, body=b" " * 1_100_000)).send(sent())
    assert caught.value.unknown


async def test_private_addresses_are_not_pushed_to(tmp_path: Path) -> None:
    secret = written(tmp_path / "secret", "whsec_" + base64.b64encode(b"k" * 32).decode())
    for url in (
        "https://127.0.0.1:8443/",
        "https://localhost/",
        "http://example.org/",
        "https://10.0.0.1/",
        "ftp://a/",
    ):
        network = Push(Settings(url, secret, frozenset({"0088"})), now)
        with pytest.raises(Unreachable) as caught:
            await network.send(sent())
        assert not caught.value.unknown
        await network.close()


def test_settings_are_complained_of_all_at_once(tmp_path: Path) -> None:
    problems: list[Problem] = []
    assert push.from_environment({}, problems) is None
    weak = written(tmp_path / "weak", "whsec_" + base64.b64encode(b"k" * 23).decode())
    wrong = {"ESTAFETTE_PUSH_URL": "http://10.0.0.1/", "ESTAFETTE_PUSH_SECRET_FILE": str(weak)}
    assert push.from_environment(wrong, problems) is None
    assert {one.setting.removeprefix("ESTAFETTE_PUSH_") for one in problems} == {"URL", "SECRET_FILE", "SCHEMES"}
    for text in ("whsec_?", "whsec_é"):
        problems.clear()
        bad = {**wrong, "ESTAFETTE_PUSH_SECRET_FILE": str(written(tmp_path / "bad", text))}
        assert push.from_environment(bad, problems) is None
        assert "ESTAFETTE_PUSH_SECRET_FILE" in {one.setting for one in problems}
    good = {
        "ESTAFETTE_PUSH_URL": "http://10.0.0.1:9000/in",
        "ESTAFETTE_PUSH_SECRET_FILE": str(written(tmp_path / "good", "whsec_" + base64.b64encode(b"k" * 24).decode())),
        "ESTAFETTE_PUSH_SCHEMES": "0088, 0060",
        "ESTAFETTE_EGRESS_ALLOW": "10.0.0.1:9000",
    }
    networks, complaints = catalogue.build(good, now)
    assert not complaints
    assert [one.name for one in networks.all] == ["push"]
