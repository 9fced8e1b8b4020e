"""The account's logo, colour and link to pay: set over HTTP, drawn on its pages, and never a reason to halt."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader

from tests.gateway.api.conftest import Api, answered, sample

ADDRESS = "/v1/account/branding"
PLAIN = {"accent": "#1b4870", "pay_link": "", "logo": None}
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 40"><rect width="120" height="40" rx="8" fill="#c8102e"/>'
    '<circle cx="20" cy="20" r="10" fill="#fff"/></svg>'
)


def picture(kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (60, 20)) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind)
    return out.getvalue()


def wish(data: bytes, text: str = "Atelier des Tilleuls") -> dict[str, Any]:
    return {"data": base64.b64encode(data).decode(), "text": text}


async def test_what_is_set_is_read_back_and_can_be_taken_back(api: Api) -> None:
    headers = await api.key(await api.account())
    assert await (await api.client.get(ADDRESS, headers=headers)).json() == PLAIN
    body = {
        "accent": "#C8102E",
        "pay_link": "https://pay.example/{number}?amount={amount}",
        "logo": wish(SVG.encode()),
    }
    told = await answered(await api.client.put(ADDRESS, json=body, headers=headers), 200, "Branding")
    assert told["accent"] == "#c8102e"
    assert told["pay_link"] == body["pay_link"]
    assert told["logo"] | {"sha256": ""} == {
        "media_type": "image/svg+xml", "size": len(SVG), "sha256": "", "text": "Atelier des Tilleuls",
    }  # fmt: skip
    assert await (await api.client.get(ADDRESS, headers=headers)).json() == told
    other = await api.key(await api.account(number=1))
    assert await (await api.client.get(ADDRESS, headers=other)).json() == PLAIN
    assert (await api.client.put(ADDRESS, json={"accent": "#000000"}, headers=headers)).status == 200
    assert (await (await api.client.get(ADDRESS, headers=headers)).json())["logo"] is None
    assert (await api.client.delete(ADDRESS, headers=headers)).status == 204
    assert await (await api.client.get(ADDRESS, headers=headers)).json() == PLAIN


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"accent": "red"}, "/accent"),
        ({"accent": 3}, "/accent"),
        ({"pay_link": "http://pay.example/"}, "/pay_link"),
        ({"pay_link": "https://{number}.example/"}, "/pay_link"),
        ({"pay_link": "https://a@pay.example/"}, "/pay_link"),
        ({"pay_link": "https://pay.example/{iban}"}, "/pay_link"),
        ({"logo": "x"}, "/logo"),
        ({"logo": {"data": "!", "text": "x"}}, "/logo"),
        ({"colour": "#000000"}, "/colour"),
    ],
)
async def test_what_is_wrong_is_named(api: Api, body: dict[str, Any], path: str) -> None:
    headers = await api.key(await api.account())
    answer = await api.client.put(ADDRESS, json=body, headers=headers)
    told = await answer.json()
    assert answer.status == 400
    assert path in [one.get("path") for one in told["findings"]]


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a",
        picture("JPEG", "CMYK"),
        picture(size=(5000, 10)),
        picture()[:60],
        SVG.replace("<circle", "<script>1</script><circle").encode(),
        SVG.replace("<circle", '<image href="https://elsewhere.example/a.png"/><circle').encode(),
        SVG.replace("<circle", '<use href="other.svg#a"/><circle').encode(),
        SVG.replace('fill="#fff"', 'fill="url(https://elsewhere.example/#a)"').encode(),
        SVG.replace('fill="#fff"', 'onclick="1"').encode(),
        SVG.replace("<circle", "<text>A</text><circle").encode(),
        SVG.replace("<circle", "<style>@import 'a.css';</style><circle").encode(),
        ('<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG).encode(),
        SVG[:-5].encode(),
    ],
)
async def test_a_logo_that_is_none_or_does_more_than_show_is_refused(api: Api, data: bytes) -> None:
    headers = await api.key(await api.account())
    answer = await api.client.put(ADDRESS, json={"logo": wish(data)}, headers=headers)
    told = await answer.json()
    assert answer.status == 400, told
    assert told["findings"]
    assert await (await api.client.get(ADDRESS, headers=headers)).json() == PLAIN


@pytest.mark.parametrize(
    "data",
    [picture(), picture("PNG", "RGBA"), picture("PNG", "L"), picture("PNG", "P"), picture("JPEG"), SVG.encode()],
    ids=["rgb", "alpha", "gray", "palette", "jpeg", "svg"],
)
async def test_the_logo_stands_on_the_pages_that_are_made_from_then_on(api: Api, data: bytes) -> None:
    account = await api.account(original="facturx")
    headers = await api.key(account)
    assert (await api.client.put(ADDRESS, json={"logo": wish(data)}, headers=headers)).status == 200
    submitted = await (await api.submit(headers, sample("cii/invoice-simple.xml"))).json()
    await api.worker.drain()
    address = f"/v1/documents/{submitted['id']}/content"
    original = await (await api.client.get(address, headers=headers)).read()
    reader = PdfReader(io.BytesIO(original))
    drawn = reader.pages[0]
    assert "Atelier des Tilleuls" in alternatives(reader)
    assert drawn.extract_text()


def alternatives(reader: PdfReader) -> list[str]:
    """The alternative texts of a tagged PDF."""
    found: list[str] = []
    seen: set[int] = set()

    def walk(node: Any) -> None:
        node = node.get_object() if hasattr(node, "get_object") else node
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, list):
            for one in node:
                walk(one)
        elif isinstance(node, dict):
            if "/Alt" in node:
                found.append(str(node["/Alt"]))
            if "/K" in node:
                walk(node["/K"])

    walk(reader.trailer["/Root"]["/StructTreeRoot"])
    return found
