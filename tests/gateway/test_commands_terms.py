"""`estafette terms` and `estafette interest` as an accountant meets them, on a data folder of their own."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import settings
from gateway.__main__ import main
from gateway.main import open_gateway
from gateway.stages.receive import Handed, Request, receive
from gateway.store import accounts
from gateway.store.placement import discard
from gateway.worker import Worker

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "json" / "invoice-simple.json"
CUSTOMER = "812046373"


@pytest.fixture
def account(reachable: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    monkeypatch.setenv("ESTAFETTE_DATA", str(reachable / "data"))
    monkeypatch.chdir(reachable)
    assert main(["account", "create", "Quatre Vents", "--siren", "100000108", "--format", "json"]) == 0
    yield json.loads(capsys.readouterr().out)["account"]
    discard(reachable / "data")


async def _issue(account: str) -> str:
    async with open_gateway(settings.read(os.environ), os.environ, attach=True) as gateway:
        (account_id,) = await accounts.every_id(gateway.resources.pool)
        found = await accounts.get(gateway.resources.pool, account_id)
        request = Request(found.participants[0], None, "POST", "/v1/documents")
        handed = Handed(SAMPLE.read_bytes(), "application/json")
        admission = await receive(handed, request, found, gateway.resources)
        await Worker(gateway.resources, 4).drain()
        return str(admission.document_id)


def test_terms_are_shown_set_and_taken_back_and_interest_follows_them(
    account: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wish = tmp_path / "terms.json"

    def said(*options: str, code: int = 0) -> tuple[str, str]:
        assert main(list(options)) == code
        told = capsys.readouterr()
        return told.out, told.err

    assert said("terms", account) == ("", "")
    wish.write_text('{"days": 30}')
    assert "(all others)" in said("terms", account, "--set", str(wish))[0]
    wish.write_text('{"days": 75, "late_rate": "10.00"}')
    out, err = said("terms", account, "--customer", CUSTOMER, "--set", str(wish), code=1)
    assert out.startswith(CUSTOMER)
    assert "L441-10" in err
    listed = [json.loads(line) for line in said("terms", account, "--format", "json")[0].splitlines()]
    assert [one["customer"] for one in listed] == [None, CUSTOMER]
    wish.write_text('{"day": 30}')
    assert "Did you mean days?" in said("terms", account, "--set", str(wish), code=2)[1]
    assert said("terms", account, "--set", str(tmp_path / "none.json"), code=2)[1].count("\n") == 1

    document = asyncio.run(_issue(account))
    agreed = json.loads(said("interest", document, "--until", "2026-11-13", "--format", "json")[0])
    assert [(row["rate"], row["basis"], row["days"]) for row in agreed["rows"]] == [("10.00", "agreed", 30)]
    by_law = json.loads(said("interest", document, "--until", "2026-11-13", "--rate", "legal", "--format", "json")[0])
    assert [(row["rate"], row["basis"]) for row in by_law["rows"]] == [("12.40", "default")]
    table = said("interest", document, "--until", "2026-11-13")[0]
    assert "2026-10-15  2026-11-13     30   10.00  agreed" in table
    assert "fixed indemnity          40.00 EUR" in table
    assert "nothing was late" in said("interest", document, "--until", "2026-10-14")[0]
    assert "not known" in said("interest", document, "--until", "2027-01-01", code=2)[1]
    assert said("terms", account, "--customer", CUSTOMER, "--remove") == ("", "")
