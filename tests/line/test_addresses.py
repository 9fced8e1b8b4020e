"""The whole line with a directory: who takes a number, who waits, which way each goes, and what its journal tells."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from adapters import catalogue
from gateway.commands import demo_invoices, rules_again
from gateway.compute import Compute
from gateway.lifecycle import Role, Stage
from gateway.store.documents import Document
from gateway.store.pool import Pool
from gateway.worker import Worker
from tests.line.conftest import Line, open_line

CLOSED, OPEN = "100000397_10000039700024", "100000397_10000039700016"


@pytest.fixture
async def directed(
    pool: Pool, compute: Compute, platform: tuple[str, dict[str, str]], tmp_path: Path
) -> AsyncIterator[Line]:
    """A line that looks addresses up at the platform's directory."""
    url, credentials = platform
    secret = tmp_path / "secret"
    async with open_line(pool, compute, url, credentials, secret) as line:
        environment = {
            "ESTAFETTE_AFNOR_DIRECTORY_URL": f"{url}/afnor-directory",
            "ESTAFETTE_AFNOR_TOKEN_URL": f"{url}/oauth2/token",
            "ESTAFETTE_AFNOR_CLIENT_ID": credentials["client_id"],
            "ESTAFETTE_AFNOR_CLIENT_SECRET_FILE": str(secret),
            "ESTAFETTE_EGRESS_ALLOW": url.removeprefix("http://"),
        }
        directory, problems = catalogue.directory(environment, lambda: datetime.now(UTC))
        assert directory is not None, problems
        yield with_(line, directory=directory)
        await directory.close()


def with_(line: Line, **changes: object) -> Line:
    """The same line with other resources."""
    resources = replace(line.resources, **changes)  # type: ignore[arg-type]
    return Line(resources, Worker(resources, 4), line.account, line.platform_url)


async def submitted(line: Line, number: str, address: str, **buyer_: object) -> UUID:
    """An invoice to this address."""
    buyer = demo_invoices.buyer_that_accepts()
    buyer["legal_id"]["value"], buyer["endpoint"]["value"] = address[:9], address
    buyer |= buyer_
    data = json.dumps(demo_invoices.invoice(number, buyer)).encode()
    return await line.submit(data, "json", "application/json")


def self_billed(number: str, address: str) -> bytes:
    """An invoice that the account issues as its own customer, to a seller with this address."""
    members = demo_invoices.invoice(number, demo_invoices.buyer_that_accepts())
    members["type_code"] = "389"
    members["buyer"]["legal_id"]["value"] = members["buyer"]["endpoint"]["value"] = demo_invoices.SELLER_SIREN
    members["seller"]["legal_id"]["value"] = address[:9]
    members["seller"]["endpoint"] = {"value": address, "scheme": "0225"}
    return json.dumps(members).encode()


async def findings(line: Line, document_id: UUID) -> list[dict[str, str]]:
    """What the report finds fatal."""
    found = json.loads(await line.read(document_id, Role.REPORT))["findings"]
    return [one for one in found if one["severity"] == "fatal"]


async def numbers(line: Line) -> list[str]:
    """Numbers that are taken."""
    async with line.pool.account(line.account.id) as connection:
        return [row["number"] for row in await connection.fetch("select number from invoice_number order by number")]


def routed(document: Document) -> dict[str, object]:
    """The facts of its route."""
    return dict(document.facts[str(Stage.ROUTED)])


async def test_a_self_billed_invoice_goes_to_the_seller_and_his_address_is_looked_up(directed: Line) -> None:
    """It went to the buyer's address, which is the account's own, and nobody was asked about the seller's."""
    sent = await directed.until(
        await directed.submit(self_billed("S-1", OPEN), "json", "application/json"), Stage.DELIVERED
    )
    assert sent.halted is None, sent
    assert (sent.buyer_scheme, sent.buyer_address) == ("0225", OPEN)
    assert routed(sent)["directory"]["verdict"] == "active"  # type: ignore[index]
    closed = await directed.submit(self_billed("S-2", CLOSED), "json", "application/json")
    wrong = await directed.until(closed, Stage.VALIDATED)
    assert wrong.halted == "nobody receives at the seller's address"
    (found,) = await findings(directed, closed)
    assert (found["rule"], found["terms"]) == ("HOUSE-ADDRESS-INACTIVE", ["BT-34"])
    assert "buyer" not in found["fix"]


async def test_an_address_with_an_active_line_is_routed_and_says_why(directed: Line) -> None:
    document = await directed.until(await submitted(directed, "F-1", OPEN), Stage.DELIVERED)
    facts = routed(document)
    assert (facts["network"], facts["rule"], facts["rule_by"]) == ("afnor", "B2B", "directory")
    assert str(facts["reason"]).startswith("Invoice between businesses in France (B2B), as the buyer is in the French")
    assert str(facts["reason_fr"]).startswith("Facture entre entreprises en France (B2B), car l'acheteur figure dans")
    told = facts["directory"]
    assert isinstance(told, dict)
    assert (told["verdict"], told["level"], told["platform"], told["stale"]) == ("active", "facility", "WK", False)
    assert "asked_at" in told
    assert OPEN not in json.dumps(facts)  # an event outlives what may be erased


async def test_an_ended_line_takes_no_number_and_names_the_nearest(directed: Line) -> None:
    wrong = await directed.until(await submitted(directed, "F-1", CLOSED), Stage.DELIVERED)
    assert (wrong.stage, wrong.halted) == (Stage.PARSED, "nobody receives at the buyer's address")
    (found,) = await findings(directed, wrong.id)
    assert found["rule"] == "HOUSE-ADDRESS-INACTIVE"
    assert found["says"].endswith(f"; nearest active: {OPEN}.")
    assert (found["found"], found["terms"]) == (CLOSED, ["BT-49"])
    assert await numbers(directed) == []
    right = await directed.until(await submitted(directed, "F-1", OPEN), Stage.DELIVERED)
    assert right.halted is None
    assert await numbers(directed) == ["F-1"]


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("100000405", "HOUSE-ADDRESS-UPCOMING"),
        ("100000413_10000041300011", "HOUSE-ADDRESS-UNKNOWN"),
        ("100000447", "HOUSE-ADDRESS-UNKNOWN"),
        ("100000439", "HOUSE-ADDRESS-INACTIVE"),
    ],
)
async def test_nobody_receives(directed: Line, address: str, rule: str) -> None:
    document = await directed.until(await submitted(directed, "F-1", address), Stage.DELIVERED)
    assert [one["rule"] for one in await findings(directed, document.id)] == [rule]
    assert await numbers(directed) == []


async def test_a_public_body_is_b2g(directed: Line) -> None:
    document = await directed.until(await submitted(directed, "F-1", "100000421_10000042100014_SERV1"), Stage.DELIVERED)
    facts = routed(document)
    assert (facts["rule"], facts["rule_by"]) == ("B2G", "directory")
    assert "Chorus Pro" in str(facts["reason_fr"])
    (flow,) = await directed.delivered()
    assert flow["trackingId"] == facts["consignment"]


async def test_a_directory_that_fails_makes_the_document_wait(directed: Line) -> None:
    document = await directed.until_tried(await submitted(directed, "F-1", "100000462"))
    assert (document.stage, document.halted) == (Stage.ARCHIVED, None)
    assert str(document.waits_for).startswith("the directory cannot be asked")
    attempts = [event.facts for event in await directed.events(document.id) if event.outcome == "attempt"]
    assert attempts[-1]["outcome"] == "unreachable"
    assert await directed.delivered() == []
    validated = document.facts[str(Stage.VALIDATED)]["address"]
    assert validated == {"verdict": "unanswered", "level": "company"}


async def test_what_is_remembered_serves_while_the_directory_is_away(directed: Line, tmp_path: Path) -> None:
    first = await directed.until(await submitted(directed, "F-1", OPEN), Stage.DELIVERED)
    assert first.halted is None
    environment = {
        "ESTAFETTE_AFNOR_DIRECTORY_URL": "http://127.0.0.1:9/afnor-directory",  # nobody listens there
        "ESTAFETTE_AFNOR_TOKEN_URL": "http://127.0.0.1:9/oauth2/token",
        "ESTAFETTE_AFNOR_CLIENT_ID": "c",
        "ESTAFETTE_AFNOR_CLIENT_SECRET_FILE": str(tmp_path / "secret"),
        "ESTAFETTE_EGRESS_ALLOW": "127.0.0.1:9",
    }
    gone, problems = catalogue.directory(environment, lambda: datetime.now(UTC))
    assert gone is not None, problems
    line = with_(directed, directory=gone)
    second = await line.until(await submitted(line, "F-2", OPEN), Stage.DELIVERED)
    assert second.halted is None
    waiting = await line.until_tried(await submitted(line, "F-3", "812046373"))
    assert (waiting.stage, waiting.halted) == (Stage.ARCHIVED, None)
    await gone.close()


async def test_a_line_that_begins_soon_is_waited_for(directed: Line) -> None:
    document = await directed.until_tried(await submitted(directed, "F-1", "100000496"))
    assert (document.stage, document.halted) == (Stage.ARCHIVED, None)
    assert str(document.waits_for).startswith("its line begins on ")
    assert document.facts[str(Stage.VALIDATED)]["address"]["verdict"] == "upcoming"
    assert await numbers(directed) == ["F-1"]
    async with directed.pool.account(directed.account.id) as connection:
        due = await connection.fetchval("select due from task where document_id = $1", document.id)
    assert timedelta(hours=1) <= due - datetime.now(UTC) <= timedelta(days=2, minutes=1)


async def test_send_lets_the_platform_decide(directed: Line) -> None:
    line = with_(directed, unlisted="send")
    document = await line.until(await submitted(line, "F-1", CLOSED), Stage.DELIVERED)
    assert document.stage.reaches(Stage.DELIVERED)
    assert "no active line there" in str(routed(document)["reason"])
    assert document.facts[str(Stage.VALIDATED)]["address"]["verdict"] == "ended"


async def test_without_a_directory_the_scheme_decides_as_before(line: Line) -> None:
    document = await line.until(await line.invoice("F-1", "100000447"), Stage.DELIVERED)
    assert document.halted is None
    facts = routed(document)
    assert facts["directory"] == {"verdict": "unasked", "level": "company"}
    assert (facts["rule"], facts["rule_by"]) == ("B2B", "invoice")  # its note BAR
    assert "address" not in document.facts[str(Stage.VALIDATED)]


async def test_the_verdict_of_what_nobody_receives_is_replayed_to_the_byte(directed: Line) -> None:
    document = await directed.until(await submitted(directed, "F-1", CLOSED), Stage.DELIVERED)
    assert json.loads(await directed.read(document.id, Role.REPORT))["verdict"] == "invalid"
    found = await rules_again.newest(directed.pool, 1)
    (again,) = [one async for one in rules_again.replays(directed.pool, directed.resources.compute, found, None)]
    assert (again["state"], again["verdict"]) == ("same", "valid")
