"""The Flow Service of XP Z12-013 as we serve it: handing flows in, searching them, reading them."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import aiohttp

from tests.gateway.api.conftest import Api, sample

FLOWS = "/afnor-flow/v1/flows"
CII = sample("cii/invoice-simple.xml")


def multipart(info: Any, data: bytes | None, name: str = "a.xml") -> aiohttp.FormData:
    """The body of a flow; an info that is a text goes in as it is."""
    body = aiohttp.FormData()
    if info is not None:
        text = info if isinstance(info, str) else json.dumps(info)
        body.add_field("flowInfo", text, content_type="application/json")
    if data is not None:
        body.add_field("file", data, filename=name, content_type="application/xml")
    return body


async def hand_in(api: Api, key: dict[str, str], data: bytes | None = CII, **info: Any) -> aiohttp.ClientResponse:
    """Hand a flow in; what is None in `info` is left out."""
    members = {"name": "a.xml", "flowSyntax": "CII", **info}
    shown = {name: value for name, value in members.items() if value is not None}
    return await api.client.post(FLOWS, data=multipart(shown, data), headers=key)


async def answered(response: aiohttp.ClientResponse, status: int = 200) -> dict[str, Any]:
    """The JSON of an answer."""
    text = await response.text()
    assert response.status == status, text
    assert response.content_type == "application/json"
    members: dict[str, Any] = json.loads(text)
    return members


async def refused(response: aiohttp.ClientResponse, status: int, code: str) -> dict[str, Any]:
    """The error that an answer is, in the shape of the standard."""
    members = await answered(response, status)
    assert members["errorCode"] == code, members
    assert members["errorMessage"]
    return members


async def test_a_flow_goes_in_and_is_read(api: Api) -> None:
    key = await api.key(await api.account())
    digest = sha256(CII).hexdigest()
    taken = await answered(await hand_in(api, key, trackingId="t-1", processingRule="B2B", sha256=digest), 202)
    assert taken == {
        "flowId": taken["flowId"],
        "submittedAt": "2026-11-24T12:00:00.000000Z",
        "sha256": digest,
        "trackingId": "t-1",
        "name": "a.xml",
        "processingRule": "B2B",
        "flowSyntax": "CII",
    }
    assert api.rung
    flow = await answered(await api.client.get(f"{FLOWS}/{taken['flowId']}", headers=key))
    assert flow["acknowledgement"] == {"status": "Pending"}
    assert flow["updatedAt"] == flow["submittedAt"]
    await api.worker.drain()
    flow = await answered(await api.client.get(f"{FLOWS}/{taken['flowId']}", headers=key))
    assert flow["acknowledgement"]["status"] == "Ok"
    assert (flow["flowType"], flow["flowDirection"]) == ("CustomerInvoice", "Out")
    assert (flow["processingRule"], flow["processingRuleSource"]) == ("B2B", "Input")
    original = await api.client.get(f"{FLOWS}/{taken['flowId']}?docType=Original", headers=key)
    assert await original.read() == CII
