"""Software that was written for approved platforms, pointed at our server: pyfrctc, and our own client of platforms."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pyfrctc
import pytest
from pyfrctc import pyfrctc as client

from adapters.afnor import Afnor, Settings
from adapters.port import Arrival, ArrivalKind, Consignment, ElectronicAddress, Refused, Route
from gateway.store import arrivals
from gateway.store.arrivals import Owner
from tests.gateway.api.conftest import Api, sample
from tests.gateway.api.test_afnor_flows import CII, issue_client
from tests.gateway.api.test_afnor_search import at_one_instant

EPOCH = "1970-01-01T00:00:00Z"


@pytest.fixture
def platform(api: Api, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name under which pyfrctc knows our server: one line in its list of platforms."""
    base = str(api.client.make_url("")).rstrip("/")
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # a loopback without TLS
    known = {"afnor_base_url": base, "token_url": f"{base}/oauth2/token", "label": "Estafette"}
    monkeypatch.setitem(client.PLATFORMS, "estafette", known)
    return "estafette"


async def session_of(api: Api, platform: str, account_id: UUID) -> Any:
    """A session of pyfrctc by client credentials."""
    made = await issue_client(api, account_id)
    kept: dict[str, Any] = {}
    session = await asyncio.to_thread(
        pyfrctc.get_session,
        platform,
        "client_credentials",
        "test",
        lambda _method: {"access_token": None, "expires_at": None},
        kept.update,
        **made,
    )
    assert kept["access_token"].startswith("estt_")
    return session


async def test_pyfrctc_sends_and_reads_a_flow(api: Api, platform: str) -> None:
    account = await api.account(original="facturx")
    session = await session_of(api, platform, account.id)
    assert await asyncio.to_thread(pyfrctc.healthcheck, session, type="flow")
    sent = await asyncio.to_thread(pyfrctc.send_flow_parsed, session, CII, "F-1.xml", "CII", "B2B")
    assert sent["sha256"] == sha256(CII).hexdigest()
    assert sent["submitted_at"] == datetime(2026, 11, 24, 12, tzinfo=UTC).replace(tzinfo=None)
    flow_id = sent["flowId"]
    assert (await asyncio.to_thread(pyfrctc.get_flow_metadata_parsed, session, flow_id))["state"] == "sent"
    await api.worker.drain()
    flow = await asyncio.to_thread(pyfrctc.get_flow_metadata_parsed, session, flow_id)
    assert (flow["state"], flow["flow_direction"]) == ("done", "out")
    assert await asyncio.to_thread(pyfrctc.get_flow, session, flow_id, "Original") == CII
    for wanted in ("Converted", "ReadableView"):
        assert (await asyncio.to_thread(pyfrctc.get_flow, session, flow_id, wanted)).startswith(b"%PDF-")
    with pytest.raises(RuntimeError, match="AlreadyExistingFlow"):
        await asyncio.to_thread(pyfrctc.send_flow, session, CII, "F-1.xml", "CII", "B2B")
    with pytest.raises(RuntimeError, match="404"):
        await asyncio.to_thread(pyfrctc.get_flow, session, "none")
    session.close()


async def test_pyfrctc_reads_why_a_flow_is_refused(api: Api, platform: str) -> None:
    session = await session_of(api, platform, (await api.account()).id)
    wrong = CII.replace(b"<ram:TypeCode>380", b"<ram:TypeCode>999")
    sent = await asyncio.to_thread(pyfrctc.send_flow, session, wrong, "F-1.xml", "CII", "B2B")
    await api.worker.drain()
    (flow,) = await asyncio.to_thread(pyfrctc.search_flows_parsed, session, EPOCH, "out", ["CustomerInvoice"])
    assert (flow["flowId"], flow["state"]) == (sent["flowId"], "error")
    assert "Error on " in flow["ap_error_details"]
    session.close()


async def test_pyfrctc_pages_over_250_flows_of_one_instant(api: Api, platform: str) -> None:
    """It pages by `updatedAfter` alone, which is strict: it finds all because no two flows share an instant."""
    account = await api.account()
    session = await session_of(api, platform, account.id)
    made = await at_one_instant(api, account, 250)
    found = await asyncio.to_thread(pyfrctc.search_flows, session, EPOCH, "Out", None)
    assert len(found) == 250
    assert {flow["flowId"] for flow in found} == made
    session.close()


async def test_pyfrctc_collects_a_status_and_reads_it(api: Api, platform: str) -> None:
    account = await api.account()
    session = await session_of(api, platform, account.id)
    sent = await asyncio.to_thread(pyfrctc.send_flow, session, CII, "F-1.xml", "CII", "B2B")
    await api.worker.drain()
    now = api.resources.clock.now()
    data = sample("cdar/approved.xml")
    arrival = Arrival("n-1", ArrivalKind.STATUS, now, "application/xml", data)
    await arrivals.keep(api.resources.pool, "folder", Owner(account.id, UUID(sent["flowId"])), arrival, now)
    await api.worker.drain()
    (status,) = await asyncio.to_thread(pyfrctc.search_flows_parsed, session, EPOCH, "in", "CustomerInvoiceLC")
    message = await asyncio.to_thread(pyfrctc.get_flow, session, status["flowId"], "Original")
    assert message == data
    session.close()


# Our own client: one gateway takes another for its platform -----------------------------------------------------------


async def platform_client(api: Api, account_id: UUID, folder: Path) -> Afnor:
    """Our client of approved platforms, pointed at our server."""
    made = await issue_client(api, account_id)
    secret = folder / "secret"
    secret.write_text(made["client_secret"])
    secret.chmod(0o600)
    base = str(api.client.make_url("")).rstrip("/")
    settings = Settings(
        url=f"{base}/afnor-flow",
        token_url=f"{base}/oauth2/token",
        client_id=made["client_id"],
        secret_file=secret,
        allow=frozenset((f"{api.client.host}:{api.client.port}",)),
    )
    return Afnor(settings, api.resources.clock.now)


def consigned(data: bytes, *, id_: str = "c-1", repeated: bool = False) -> Consignment:
    """A consignment of these bytes."""
    route = Route("afnor", ElectronicAddress("0225", "732829320"), "a test")
    return Consignment(
        id=id_,
        route=route,
        name="F-1.xml",
        syntax="CII",
        media_type="application/xml",
        data=data,
        sha256=sha256(data).hexdigest(),
        organization="404833048",
        subject="F-1",
        repeated=repeated,
    )


async def test_our_client_takes_us_for_a_platform(api: Api, tmp_path: Path) -> None:
    account = await api.account()
    platform = await platform_client(api, account.id, tmp_path)
    try:
        first = await platform.send(consigned(CII))
        again = await platform.send(consigned(CII, repeated=True))
        assert (again.network_id, again.already_there) == (first.network_id, True)
        assert not first.already_there
        with pytest.raises(Refused, match="other content"):
            await platform.send(consigned(CII + b"\n", repeated=True))
        await api.worker.drain()
        now = api.resources.clock.now()
        arrival = Arrival("n-1", ArrivalKind.STATUS, now, "application/xml", sample("cdar/approved.xml"))
        await arrivals.keep(api.resources.pool, "folder", Owner(account.id, UUID(first.network_id)), arrival, now)
        await api.worker.drain()
        collected = await platform.collect(None)
        kinds = {one.kind: one for one in collected.arrivals}
        assert kinds[ArrivalKind.STATUS].data == sample("cdar/approved.xml")
        verdict = kinds[ArrivalKind.ACKNOWLEDGEMENT]
        assert (verdict.consignment, verdict.refused) == ("c-1", ())
        assert json.loads(verdict.data)["acknowledgement"]["status"] == "Ok"
    finally:
        await platform.close()
