"""Rules and business terms over the API: the same that `estafette explain` tells."""

from __future__ import annotations

import json

import pytest

from gateway.store.accounts import Scope
from tests.gateway.api.conftest import Api, answered, problem
from tests.gateway.console import estafette


@pytest.mark.parametrize(("kind", "name", "shape"), [("rules", "BR-CO-15", "Rule"), ("terms", "BT-49", "Term")])
async def test_what_is_asked_is_told_as_by_the_command(api: Api, kind: str, name: str, shape: str) -> None:
    key = await api.key(await api.account(), Scope.READ)
    told = await answered(await api.client.get(f"/v1/{kind}/{name}", headers=key), 200, shape)
    assert told == json.loads(estafette("explain", name, "--format", "json").out)
    assert told == await answered(await api.client.get(f"/v1/{kind}/{name.lower()}", headers=key), 200, shape)


async def test_a_rule_known_to_be_wrong_says_so(api: Api) -> None:
    key = await api.key(await api.account(), Scope.READ)
    told = await answered(await api.client.get("/v1/rules/CII-SR-465", headers=key), 200, "Rule")
    assert told["known_wrong"][0]["effect"] == "warning"
    assert "(not installed)" not in told["layers"][0]["edition"]


@pytest.mark.parametrize(("path", "near"), [("rules/BR-CO-99", "BR-CO-19"), ("terms/BT-4", "BT-94"), ("rules/%00", "")])
async def test_what_is_unknown_is_not_found_and_the_nearest_are_named(api: Api, path: str, near: str) -> None:
    key = await api.key(await api.account(), Scope.READ)
    assert near in (await problem(await api.client.get(f"/v1/{path}", headers=key), 404, "not-found"))["detail"]
    nobody = await api.client.get(f"/v1/{path}")
    await problem(nobody, 401, "unauthenticated")
