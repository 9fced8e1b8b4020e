"""The Flow Service of XP Z12-013 as we serve it: handing flows in, searching them, reading them."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from adapters.port import Arrival, ArrivalKind, Consignment, Receipt
from gateway.compute import Compute
from gateway.store import accounts, arrivals
from gateway.store.accounts import Scope
from gateway.store.arrivals import Owner
from gateway.store.pool import Pool
from tests.gateway.api.conftest import PEPPER, SAMPLES, Api, numbered, sample, serving

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


async def issue_client(api: Api, account_id: UUID) -> dict[str, str]:
    """A new OAuth2 client, as a form names it."""
    made = await accounts.issue(
        api.resources.pool,
        account_id,
        PEPPER,
        kind="client",
        scopes=frozenset((Scope.SUBMIT, Scope.READ)),
        now=api.resources.clock.now(),
    )
    return {"client_id": made.public_id, "client_secret": made.secret}


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


async def test_the_files_of_a_flow(api: Api) -> None:
    key = await api.key(await api.account(original="facturx"))
    flow_id = (await answered(await hand_in(api, key), 202))["flowId"]
    early = await api.client.get(f"{FLOWS}/{flow_id}?docType=Converted", headers=key)
    await refused(early, 404, "MISSING_RESOURCE")
    await api.worker.drain()
    files = {}
    for wanted in ("Original", "Converted", "ReadableView"):
        response = await api.client.get(f"{FLOWS}/{flow_id}?docType={wanted}", headers=key)
        assert response.status == 200, await response.text()
        assert response.content_type == "application/octet-stream"
        assert response.headers["Content-Disposition"].startswith('attachment;filename="a.')
        files[wanted] = await response.read()
    assert files["Original"] == CII
    assert files["Converted"].startswith(b"%PDF-")
    assert files["ReadableView"].startswith(b"%PDF-")


async def test_nothing_was_converted_where_the_copy_is_the_submission(api: Api) -> None:
    key = await api.key(await api.account(original="as_submitted"))
    flow_id = (await answered(await hand_in(api, key), 202))["flowId"]
    await api.worker.drain()
    await refused(await api.client.get(f"{FLOWS}/{flow_id}?docType=Converted", headers=key), 404, "MISSING_RESOURCE")


async def test_what_came_in_our_own_form_is_shown_in_a_syntax_of_the_standard(api: Api) -> None:
    key = await api.key(await api.account(original="facturx"))
    submitted = await api.submit(key, numbered("N-1"), "application/json")
    flow_id = json.loads(await submitted.text())["id"]
    await api.worker.drain()
    flow = await answered(await api.client.get(f"{FLOWS}/{flow_id}", headers=key))
    assert (flow["flowSyntax"], flow["name"], flow["processingRuleSource"]) == ("CII", "N-1.xml", "Computed")
    original = await (await api.client.get(f"{FLOWS}/{flow_id}?docType=Original", headers=key)).read()
    assert b"CrossIndustryInvoice" in original


ABROAD = CII.replace(b"<ram:CountryID>FR", b"<ram:CountryID>DE")

REFUSALS: tuple[tuple[dict[str, Any], bytes | None, int, str], ...] = (
    ({"sha256": "0" * 64}, CII, 422, "ChecksumMismatch"),
    ({"sha256": "XYZ"}, CII, 400, "INVALID_FIELD"),
    ({}, b"", 422, "EmptyFlow"),
    ({"flowSyntax": "UBL"}, CII, 422, "FlowTypeError"),
    ({"flowSyntax": "Factur-X"}, CII, 422, "FlowTypeError"),
    ({"flowSyntax": "PDF"}, CII, 400, "INVALID_FIELD"),
    ({"flowSyntax": None}, CII, 400, "MISSING_REQUIRED_FIELD"),
    ({"name": None}, CII, 400, "MISSING_REQUIRED_FIELD"),
    ({"name": "a" * 256}, CII, 400, "INVALID_FIELD"),
    ({"name": "a\u0000b"}, CII, 400, "INVALID_FIELD"),
    ({"name": "\ud800"}, CII, 400, "INVALID_FIELD"),
    ({"trackingId": "t" * 65}, CII, 400, "INVALID_FIELD"),
    ({"trackingId": 7}, CII, 400, "INVALID_FIELD"),
    ({"flowProfile": "Basic"}, CII, 422, "FlowTypeError"),
    ({"processingRule": "ArchiveOnly"}, CII, 422, "PROCESSING_RULE_ERROR"),
    ({"processingRule": "B2BInt"}, CII, 422, "PROCESSING_RULE_ERROR"),
    ({"processingRule": "B2C"}, CII, 422, "PROCESSING_RULE_ERROR"),
    ({"processingRule": "B2B"}, ABROAD, 422, "PROCESSING_RULE_ERROR"),
    ({}, CII[:-20], 422, "InvalidSchema"),
    ({}, b"plain text", 422, "FlowTypeError"),
    ({}, numbered("J-1"), 422, "FlowTypeError"),
    ({"flowSyntax": "FRR"}, None, 400, "MISSING_REQUIRED_FIELD"),
)


async def test_what_is_not_what_it_says_is_refused(api: Api) -> None:
    key = await api.key(await api.account())
    for info, data, status, code in REFUSALS:
        await refused(await hand_in(api, key, data, **info), status, code)
    listed = await api.client.get("/v1/documents", headers=key)
    assert json.loads(await listed.text())["documents"] == []


async def test_e_reporting_is_refused_by_name(api: Api) -> None:
    key = await api.key(await api.account())
    data = sorted((SAMPLES / "flux10").glob("*.xml"))[0].read_bytes()
    says = await refused(await hand_in(api, key, data, flowSyntax="FRR"), 422, "FlowTypeError")
    assert "CII, UBL" in says["errorMessage"]


async def test_a_body_that_is_no_flow_is_refused(api: Api) -> None:
    key = await api.key(await api.account())
    form = multipart({"name": "a", "flowSyntax": "CII"}, CII)
    form.add_field("more", "x")
    twice = multipart('{"name": "a", "name": "b", "flowSyntax": "CII"}', CII)
    for body in (multipart("{", CII), multipart("[]", CII), twice, form):
        await refused(await api.client.post(FLOWS, data=body, headers=key), 400, "INVALID_REQUEST")
    without = await api.client.post(FLOWS, data=multipart(None, CII), headers=key)
    await refused(without, 400, "MISSING_REQUIRED_FIELD")
    plain = await api.client.post(FLOWS, data=CII, headers={**key, "Content-Type": "application/xml"})
    await refused(plain, 400, "INVALID_CONTENT_TYPE")


async def test_who_asks_and_may_not_is_told_in_the_standards_shape(api: Api) -> None:
    account = await api.account()
    none = await api.client.post(f"{FLOWS}/search", json={"where": {"trackingId": "a"}})
    await refused(none, 401, "MISSING_TOKEN")
    assert none.headers["WWW-Authenticate"].startswith("Bearer")
    wrong = {"Authorization": "Bearer nothing"}
    await refused(await api.client.get(f"{FLOWS}/a", headers=wrong), 401, "INVALID_TOKEN")
    reader = await api.key(account, Scope.READ)
    await refused(await hand_in(api, reader), 403, "FORBIDDEN_ACCESS")
    other = {**await api.key(account), "Organization-Id": "732829320"}
    await refused(await hand_in(api, other), 403, "FORBIDDEN_ACCESS")


async def test_another_accounts_flow_is_not_there(api: Api) -> None:
    key = await api.key(await api.account())
    flow_id = (await answered(await hand_in(api, key), 202))["flowId"]
    stranger = await api.key(await api.account(number=1))
    for id_ in (flow_id, f"{flow_id}-1", "nothing", flow_id.upper() + "x", "%00"):
        await refused(await api.client.get(f"{FLOWS}/{id_}", headers=stranger), 404, "MISSING_RESOURCE")
    await refused(await api.client.get(f"{FLOWS}/{flow_id}-1", headers=key), 404, "MISSING_RESOURCE")
    assert (await answered(await hand_in(api, stranger), 202))["flowId"] != flow_id


async def test_the_same_content_is_one_flow(api: Api) -> None:
    key = await api.key(await api.account())
    first = await answered(await hand_in(api, key, trackingId="t"), 202)
    assert await answered(await hand_in(api, key, trackingId="t", name="b.xml"), 202) == first
    for tracking in (None, "u"):
        says = await refused(await hand_in(api, key, trackingId=tracking), 422, "AlreadyExistingFlow")
        assert says["instance"] == f"{FLOWS}/{first['flowId']}"
    assert json.loads(await (await api.client.get(says["instance"], headers=key)).text())["trackingId"] == "t"


async def test_the_same_content_handed_in_natively_is_there_already(api: Api) -> None:
    key = await api.key(await api.account())
    native = json.loads(await (await api.submit(key, CII)).text())["id"]
    says = await refused(await hand_in(api, key, trackingId="t"), 422, "AlreadyExistingFlow")
    assert says["instance"].endswith(native)


@pytest.mark.parametrize("tracking", [None, "t"])
async def test_twice_at_once_is_one_document(api: Api, tracking: str | None) -> None:
    key = await api.key(await api.account())
    answers = await asyncio.gather(*(hand_in(api, key, trackingId=tracking) for _ in range(20)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses == ([202] * 20 if tracking else [202] + [422] * 19)
    listed = json.loads(await (await api.client.get("/v1/documents", headers=key)).text())["documents"]
    assert len(listed) == 1


async def test_what_ended_here_may_be_handed_in_again(api: Api) -> None:
    key = await api.key(await api.account())
    wrong = CII.replace(b"<ram:TypeCode>380", b"<ram:TypeCode>999")
    first = await answered(await hand_in(api, key, wrong, trackingId="t"), 202)
    await api.worker.drain()
    flow = await answered(await api.client.get(f"{FLOWS}/{first['flowId']}", headers=key))
    assert flow["acknowledgement"]["status"] == "Error"
    again = await answered(await hand_in(api, key, wrong, trackingId="t"), 202)
    assert again["flowId"] == first["flowId"]
    anew = await answered(await hand_in(api, key, wrong, trackingId="u"), 202)
    assert anew["flowId"] != first["flowId"]


async def test_an_acknowledgement_names_what_is_wrong(api: Api) -> None:
    key = await api.key(await api.account())
    wrong = CII.replace(b"<ram:TypeCode>380", b"<ram:TypeCode>999")
    rules = (await answered(await hand_in(api, key, wrong), 202))["flowId"]
    schema = CII.replace(b"<ram:IssueDateTime>", b"<ram:Unknown/><ram:IssueDateTime>")
    shape = (await answered(await hand_in(api, key, schema), 202))["flowId"]
    await api.worker.drain()
    told = {}
    for flow_id in (rules, shape):
        flow = await answered(await api.client.get(f"{FLOWS}/{flow_id}", headers=key))
        assert flow["acknowledgement"]["status"] == "Error"
        told[flow_id] = flow["acknowledgement"]["details"]
        assert all(set(one) == {"level", "item", "reasonCode", "reasonMessage"} for one in told[flow_id])
    assert {one["reasonCode"] for one in told[shape]} == {"InvalidSchema"}
    assert "FX-SCH-A-000555" in {one["reasonCode"] for one in told[rules] if one["level"] == "Error"}


async def test_a_number_that_is_used_is_an_error(api: Api) -> None:
    key = await api.key(await api.account())
    await hand_in(api, key)
    await api.worker.drain()
    second = (await answered(await hand_in(api, key, CII + b"\n"), 202))["flowId"]
    await api.worker.drain()
    flow = await answered(await api.client.get(f"{FLOWS}/{second}", headers=key))
    codes = [one["reasonCode"] for one in flow["acknowledgement"]["details"] if one["level"] == "Error"]
    assert codes == ["AlreadyExistingFlow"]


async def test_a_status_that_is_received_is_a_flow(api: Api) -> None:
    account = await api.account()
    key = await api.key(account)
    invoice = (await answered(await hand_in(api, key, trackingId="t"), 202))["flowId"]
    await api.worker.drain()
    owner = Owner(account.id, UUID(invoice))
    now = api.resources.clock.now()
    for id_, name in (("n-1", "approved"), ("n-2", "no-code")):
        data = sample(f"cdar/{name}.xml")
        arrival = Arrival(id_, ArrivalKind.STATUS, now, "application/xml", data)
        await arrivals.keep(api.resources.pool, "folder", owner, arrival, now)
    await api.worker.drain()
    found = await api.client.post(f"{FLOWS}/search", json={"where": {"flowDirection": ["In"]}}, headers=key)
    flows = (await answered(found))["results"]
    assert [(flow["flowType"], flow["acknowledgement"]["status"]) for flow in flows] == [
        ("CustomerInvoiceLC", "Ok"),
        ("Undefined", "Error"),
    ]
    good = flows[0]
    assert good["flowId"].startswith(f"{invoice}-")
    assert (good["flowSyntax"], good["name"][-8:]) == ("CDAR", "_205.xml")
    assert "trackingId" not in good
    assert await answered(await api.client.get(f"{FLOWS}/{good['flowId']}", headers=key)) == good
    original = await api.client.get(f"{FLOWS}/{good['flowId']}?docType=Original", headers=key)
    assert await original.read() == sample("cdar/approved.xml")
    for wanted in ("Converted", "ReadableView"):
        answer = await api.client.get(f"{FLOWS}/{good['flowId']}?docType={wanted}", headers=key)
        await refused(answer, 404, "MISSING_RESOURCE")


async def test_the_health_is_told_to_everybody(api: Api) -> None:
    answer = await api.client.get("/afnor-flow/v1/healthcheck")
    assert (answer.status, await answer.read()) == (200, b"")


async def test_tokens_are_given_where_the_standard_shows(api: Api) -> None:
    account = await api.account()
    made = await issue_client(api, account.id)
    for path, status in (
        ("/oauth2/token", 200),
        ("/auth-service/404833048/token", 200),
        ("/auth-service/1/token", 401),
    ):
        answer = await api.client.post(path, data={"grant_type": "client_credentials", **made})
        assert answer.status == status, path
        if status == 200:
            token = json.loads(await answer.text())["access_token"]
            key = {"Authorization": f"Bearer {token}"}
            assert (await api.client.get(f"{FLOWS}/none", headers=key)).status == 404


async def test_who_asks_too_often_is_told_when_to_come_back(
    pool: Pool, compute: Compute, clock: Any, tmp_path: Any
) -> None:
    async with serving(pool, compute, clock, tmp_path, requests_per_second=2) as slow:
        key = await slow.key(await slow.account())
        answers = [await slow.client.get(f"{FLOWS}/none", headers=key) for _ in range(5)]
        limited = next(answer for answer in answers if answer.status == 429)
        await refused(limited, 429, "TOO_MANY_REQUESTS")
        assert int(limited.headers["Retry-After"]) >= 1


async def test_a_file_that_is_too_large_is_refused_by_its_length(api: Api) -> None:
    key = await api.key(await api.account())
    headers = {**key, "Content-Type": "multipart/form-data; boundary=b", "Content-Length": str(200 * 1024 * 1024)}
    await refused(await api.client.post(FLOWS, data=b"", headers=headers), 413, "FileSizeExceeded")


async def test_an_organization_sees_its_own_flows(api: Api) -> None:
    account = await api.account()
    now = api.resources.clock.now()
    await accounts.add_participant(api.resources.pool, account.id, siren="732829320", name="Other", now=now)
    key = await api.key(account)
    one, other = ({**key, "Organization-Id": siren} for siren in ("404833048", "732829320"))
    first = (await answered(await hand_in(api, one), 202))["flowId"]
    second = (await answered(await hand_in(api, other, CII + b"\n"), 202))["flowId"]
    where = {"where": {"flowDirection": ["Out"]}}
    for headers, seen in ((key, [first, second]), (one, [first]), (other, [second])):
        found = await answered(await api.client.post(f"{FLOWS}/search", json=where, headers=headers))
        assert [flow["flowId"] for flow in found["results"]] == seen
    for wanted in ("Metadata", "Original"):
        answer = await api.client.get(f"{FLOWS}/{first}?docType={wanted}", headers=other)
        await refused(answer, 404, "MISSING_RESOURCE")
        assert (await api.client.get(f"{FLOWS}/{first}?docType={wanted}", headers=one)).status == 200


async def test_a_processing_rule_goes_with_the_document(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[str] = []
    network = api.resources.networks.all[0]
    send = network.send

    async def noted(consignment: Consignment) -> Receipt:
        handed.append(consignment.rule)
        return await send(consignment)

    monkeypatch.setattr(network, "send", noted)
    key = await api.key(await api.account())
    await answered(await hand_in(api, key, processingRule="OutOfScope"), 202)
    await api.worker.drain()
    await answered(await hand_in(api, key, sample("cii/invoice-multi-vat.xml"), processingRule="Undefined"), 202)
    await api.worker.drain()
    assert handed == ["OutOfScope", "B2B"]


async def test_what_came_in_is_a_flow_too(api: Api) -> None:
    account = await api.account(number=1)
    key = await api.key(account)
    for data in (CII, CII.replace(b"<ram:TypeCode>380", b"<ram:TypeCode>999")):
        headers = {**key, "Content-Type": "application/xml"}
        assert (await api.client.post("/v1/inbound", data=data, headers=headers)).status == 202
    await api.worker.drain()
    asked = {"where": {"flowDirection": ["In"], "flowType": ["SupplierInvoice"]}}
    found = await answered(await api.client.post(f"{FLOWS}/search", json=asked, headers=key))
    flows = {flow["acknowledgement"]["status"]: flow for flow in found["results"]}
    assert set(flows) == {"Ok", "Error"}
    assert flows["Error"]["acknowledgement"]["details"]
    original = await api.client.get(f"{FLOWS}/{flows['Ok']['flowId']}?docType=Original", headers=key)
    assert await original.read() == CII
    page = await api.client.get(f"{FLOWS}/{flows['Ok']['flowId']}?docType=ReadableView", headers=key)
    assert (await page.read()).startswith(b"%PDF-")
    # the same bytes may be issued by the account itself: what came in is no flow of its own
    assert (await hand_in(api, key, processingRule="B2B")).status == 202
