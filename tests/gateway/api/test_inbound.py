"""What the account received elsewhere is brought in over HTTP: kept valid or not, once, and seen once."""

from __future__ import annotations

from typing import Any

from gateway.commands import demo_invoices
from tests.gateway.api.conftest import SIRENS, Api, answered, problem


def invoice(number: str, buyer: str = SIRENS[0], **changes: Any) -> bytes:
    """A CII of the demo's seller to a buyer."""
    members = demo_invoices.invoice(number, demo_invoices.buyer_that_accepts())
    members["buyer"]["legal_id"]["value"] = members["buyer"]["endpoint"]["value"] = buyer
    members.update(changes)
    return demo_invoices.written(members, "cii")


async def brought(api: Api, key: dict[str, str], data: bytes, **headers: str) -> Any:
    """Bring a document in."""
    return await api.client.post(
        "/v1/inbound", data=data, headers={**key, "Content-Type": "application/xml", **headers}
    )


async def listed(api: Api, key: dict[str, str], query: str) -> list[dict[str, Any]]:
    """A page of documents."""
    found: list[dict[str, Any]] = (await answered(await api.client.get(f"/v1/documents?{query}", headers=key), 200))[
        "documents"
    ]
    return found


async def test_what_is_brought_in_is_judged_archived_and_seen(api: Api) -> None:
    key = await api.key(await api.account())
    shown = await answered(await brought(api, key, invoice("F-1"), **{"Idempotency-Key": "in-1"}), 202, "Document")
    assert (shown["direction"], shown["participant"], shown["seen"]) == ("inbound", SIRENS[0], None)
    assert shown["came"] == {"network": "api", "network_id": shown["id"]}
    again = await brought(api, key, invoice("F-1"), **{"Idempotency-Key": "in-1"})
    assert (await answered(again, 202, "Document"))["id"] == shown["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    await api.worker.drain()
    where = f"/v1/documents/{shown['id']}"
    shown = await answered(await api.client.get(where, headers=key), 200, "Document")
    assert (shown["stage"], shown["waits_for"]) == ("routed", "the account has not seen it yet")

    assert [one["id"] for one in await listed(api, key, "direction=inbound&seen=false")] == [shown["id"]]
    assert await listed(api, key, "direction=outbound") == []
    first = await answered(await api.client.post(f"{where}/seen", headers=key), 200, "DocumentSummary")
    assert first["seen"]["by"].startswith("estk_")
    second = await answered(await api.client.post(f"{where}/seen", headers=key), 200, "DocumentSummary")
    assert second["seen"] == first["seen"]
    await api.worker.drain()
    shown = await answered(await api.client.get(where, headers=key), 200, "Document")
    assert (shown["stage"], shown["waits_for"]) == ("delivered", "the account has not decided on it yet")
    told = await answered(await api.client.get(f"{where}/events", headers=key), 200)
    assert [one["facts"] for one in told["events"] if one["outcome"] == "seen"] == [{"by": first["seen"]["by"]}]
    assert await listed(api, key, "direction=inbound&seen=false") == []
    assert [one["id"] for one in await listed(api, key, "seen=true")] == [shown["id"]]


async def test_what_breaks_rules_is_kept_and_told(api: Api) -> None:
    key = await api.key(await api.account())
    broken = await brought(api, key, invoice("F-2", currency="XXZ"), Prefer="wait=30")
    shown = await answered(broken, 202, "Document")
    await api.worker.drain()
    shown = await answered(await api.client.get(broken.headers["Location"], headers=key), 200, "Document")
    assert shown["halted"]["reason"] == "the document breaks rules"
    assert shown["halted"]["findings"]
    assert [one["id"] for one in await listed(api, key, "direction=inbound&seen=false")] == [shown["id"]]
    await answered(await api.client.post(f"{broken.headers['Location']}/seen", headers=key), 200, "DocumentSummary")


async def test_a_duplicate_is_kept_and_names_the_first(api: Api) -> None:
    key = await api.key(await api.account())
    first = await answered(await brought(api, key, invoice("F-3")), 202, "Document")
    await api.worker.drain()
    for data in (invoice("F-3"), invoice("F-3").replace(b"<rsm:", b" <rsm:", 1)):
        second = await brought(api, key, data)
        await api.worker.drain()
        shown = await answered(await api.client.get(second.headers["Location"], headers=key), 200, "Document")
        assert shown["halted"]["reason"] == "a duplicate: this invoice came before"
        assert [one["rule"] for one in shown["halted"]["findings"]] == ["HOUSE-RECEIVED-TWICE"]
        assert first["id"] in shown["halted"]["findings"][0]["fix"]
        assert shown["number"] == "F-3"


async def test_what_cannot_be_read_is_refused_at_the_door(api: Api) -> None:
    key = await api.key(await api.account())
    await problem(await brought(api, key, b"<a"), 400, "malformed")
    await problem(await brought(api, key, b"<a/>"), 415, "unknown-format")
    as_json = await api.client.post("/v1/inbound", data=b"{}", headers={**key, "Content-Type": "application/json"})
    assert as_json.status in (400, 415)
    assert await listed(api, key, "direction=inbound") == []


async def test_only_what_came_in_can_be_seen_and_only_by_its_account(api: Api) -> None:
    key = await api.key(await api.account())
    other = await api.key(await api.account(number=1))
    sent = await api.submit(key, invoice("F-4", SIRENS[1]), "application/xml")
    await problem(await api.client.post(f"{sent.headers['Location']}/seen", headers=key), 409, "conflict")
    came = await brought(api, key, invoice("F-5"))
    await problem(await api.client.post(f"{came.headers['Location']}/seen", headers=other), 404, "not-found")
    assert await listed(api, other, "direction=inbound") == []


async def test_an_account_says_what_is_done_about_what_breaks_rules(api: Api) -> None:
    key = await api.key(await api.account())
    assert (await answered(await api.client.get("/v1/account", headers=key), 200, "Account"))[
        "invalid_inbound"
    ] == "propose"
    put = await api.client.put("/v1/account/inbound", json={"invalid": "send"}, headers=key)
    assert await answered(put, 200) == {"invalid": "send"}
    assert (await answered(await api.client.get("/v1/account", headers=key), 200, "Account"))[
        "invalid_inbound"
    ] == "send"
    for wrong in ({"invalid": "maybe"}, {}, {"invalid": 1}):
        await problem(await api.client.put("/v1/account/inbound", json=wrong, headers=key), 400, "malformed")
