"""The Directory Service as served, held against its published OpenAPI file by Schemathesis.

A few examples here; `make conformance-directory` asks for 200 of each operation (ESTAFETTE_DIRECTORY_EXAMPLES).
"""

from __future__ import annotations

import json
import os

import pytest

from tests.conformance.service_run import service_run
from tests.conftest import STANDARDS
from tests.gateway.api.conftest import Api
from tests.gateway.api.test_afnor_directory import HALL, OURS, SCHOOL, SITE, TOWN, furnished

PUBLISHED = STANDARDS / "xp-z12-013" / "directory-service-1.3.0.json"
EXAMPLES = int(os.environ.get("ESTAFETTE_DIRECTORY_EXAMPLES", "16"))

FILTERS = {
    "POST /v1/siren/search": [
        {},
        {"businessName": {"op": "contains", "value": "e"}},
        {"entityType": {"value": "Public"}},
    ],
    "POST /v1/siret/search": [{}, {"siren": {"op": "strict", "value": TOWN}}, {"postalCode": {"value": "59000"}}],
    "POST /v1/routing-code/search": [
        {},
        {"siret": {"value": HALL}},
        {"routingIdentifier": {"op": "contains", "value": ""}},
    ],
    "POST /v1/directory-line/search": [{}, {"siren": {"value": TOWN}}, {"addressingSuffix": {"value": "FACTURES"}}],
}
KEYS = {
    "GET /v1/siren/code-insee:{siren}": [{"siren": OURS}, {"siren": TOWN}],
    "GET /v1/siret/code-insee:{siret}": [{"siret": HALL}, {"siret": SITE}, {"siret": SCHOOL}],
    "GET /v1/routing-code/siret:{siret}/code:{routing-identifier}": [
        {"siret": HALL, "routing-identifier": "SERVICE-1"},
        {"siret": SITE, "routing-identifier": "STORE/2"},
    ],
    "GET /v1/directory-line/code:{addressing-identifier}": [
        {"addressing-identifier": one} for one in (OURS, f"{OURS}_FACTURES", f"{TOWN}_{HALL}_SERVICE-1")
    ],
}  # fmt: skip


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="no published OpenAPI file beside this checkout")
async def test_every_answer_is_as_published(api: Api) -> None:
    _, key = await furnished(api)
    known = {"authorization": key["Authorization"], "filters": FILTERS, "keys": KEYS}
    url = str(api.client.make_url("/afnor-directory"))
    told = await service_run("directory_service", PUBLISHED, url, known, EXAMPLES)
    assert len(told) == 9
    for operation, codes in told.items():
        assert codes.get("200", 0) >= min(EXAMPLES // 4, 1), (operation, codes)
        assert sum(codes.values()) >= min(EXAMPLES // 2, 1), operation
    for operation in (*FILTERS, *KEYS):
        assert "400" in told[operation] or "404" in told[operation], operation
    print(json.dumps(told, indent=2))
