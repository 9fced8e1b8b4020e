"""The route table, the contract and the page say the same, and the contract is valid OpenAPI 3.1."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway import errors
from gateway.api import application, description, problems
from gateway.errors import GatewayError
from gateway.store.accounts import Scope
from tests.gateway.api.conftest import Api

METHODS = ("get", "post", "put", "patch", "delete")


@cache
def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """Every operation of the contract."""
    return {
        (method.upper(), path): item[method]
        for path, item in description.contract()["paths"].items()
        for method in METHODS
        if method in item
    }


def test_the_route_table_is_the_contract() -> None:
    assert {(route.method, route.path) for route in application.ROUTES} == set(operations())
    assert len({(route.method, route.path) for route in application.ROUTES}) == len(application.ROUTES)


def test_each_operation_names_the_scope_its_route_asks_for() -> None:
    for route in application.ROUTES:
        operation = operations()[route.method, route.path]
        wanted = [{"bearer": [str(route.scope)]}] if route.scope else operation["security"]
        assert operation["security"] == wanted, route.path
        if route.scope is None:
            assert all("bearer" not in one for one in operation["security"]), route.path
        else:
            assert {"401", "403", "429", "500", "503"} <= set(operation["responses"]), route.path
    assert description.contract()["components"]["schemas"]["Scope"]["enum"] == list(Scope)


def test_the_contract_is_valid() -> None:
    described = json.loads(json.dumps(description.described(), default=str))
    assert described["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(described).iter_errors()) == []
    assert "Invoice.Line_BG25" in described["components"]["schemas"]
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(described)))
    assert all(reference.startswith("#/components/") for reference in references)


def test_the_words_of_the_contract_are_those_of_the_code() -> None:
    from gateway.api.contents import FORMS, KEPT
    from gateway.lifecycle import Stage

    schemas = description.contract()["components"]["schemas"]
    assert schemas["Stage"]["enum"] == list(Stage)
    parameters = operations()["GET", "/v1/documents/{id}/content"]["parameters"]
    forms = next(one["schema"]["enum"] for one in parameters if one.get("name") == "as")
    assert forms == [*KEPT, *FORMS] or set(forms) == {*KEPT, *FORMS}


def test_every_error_has_its_row() -> None:
    def below(kind: type[GatewayError]) -> set[type[GatewayError]]:
        return {kind, *(deeper for child in kind.__subclasses__() for deeper in below(child))}

    known = {kind for kind in below(GatewayError) if kind.__module__ == errors.__name__}
    assert known - {GatewayError, errors.WithFindings} == set(problems.TABLE)
    names = [row.name for row in problems.TABLE.values()]
    assert len(set(names)) == len(names)
    assert len(problems.PROBLEMS) == len(names) + 4


async def test_the_contract_is_served(api: Api) -> None:
    as_json = await api.client.get("/openapi.json")
    as_yaml = await api.client.get("/openapi.yaml")
    assert await as_json.json() == json.loads(json.dumps(yaml.safe_load(await as_yaml.text()), default=str))
    again = await api.client.get("/openapi.json", headers={"If-None-Match": as_json.headers["ETag"]})
    assert again.status == 304


async def test_the_schema_of_the_json_form_has_an_address(api: Api) -> None:
    answer = await api.client.get("/v1/schemas/invoice.json")
    assert answer.headers["Content-Type"] == "application/schema+json"
    schema = json.loads(await answer.read())
    assert schema["properties"]["number"]["description"] == "BT-1 Invoice number"
    assert schema["$defs"]["Line_BG25"]["properties"]["parent_id"]["description"] == "BT-X-304 Parent line identifier"


async def test_the_page_comes_from_here_and_may_load_nothing_else(api: Api) -> None:
    page = await api.client.get("/docs")
    text = await page.text()
    assert page.status == 200
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "unsafe" not in policy
    assert "http:" not in policy
    links = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert links
    for link in links:
        assert (await api.client.get(link)).status == 200, link
    for name in ("page.html", "page.js", "page.css"):
        content = (files("gateway.api") / "page" / name).read_text(encoding="utf-8")
        assert not re.search(r"https?:|url\(|@import|[\"'`]//", content), name
        assert "innerHTML" not in content
    assert not re.search(r"<script>|\son\w+=|<style|\sstyle=", text)


async def test_each_type_of_problem_is_explained(api: Api) -> None:
    for name, row in problems.PROBLEMS.items():
        told = await (await api.client.get(f"/problems/{name}")).json()
        assert told == {"type": row.type, "status": row.status, "title": {"en": row.en, "fr": row.fr}}
    assert (await api.client.get("/problems/none")).status == 404
