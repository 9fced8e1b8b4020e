"""A gateway to test: real database, real sockets, real worker processes, a network that is a folder."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator

from adapters.directory import Directory
from adapters.port import Collected, Consignment, ElectronicAddress, Networks, Receipt, Route
from adapters.webhook import Post
from gateway.api import application, description
from gateway.clock import Clock, SettableClock
from gateway.compute import Compute
from gateway.resources import Resources
from gateway.settings import Settings
from gateway.store import accounts
from gateway.store.accounts import Account, Scope
from gateway.store.identifiers import new_id
from gateway.store.pool import Pool
from gateway.worker import Worker
from tests.gateway.ground import NOTARY

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PEPPER = b"the pepper of the tests"
SIRENS = ("404833048", "732829320", "552100554", "784671695")
"""SIRENs with a right check digit."""


class Folder:
    """A network that keeps what it is handed in a folder: every address is reached, nothing ever comes back."""

    name = "folder"

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    async def find(self, address: ElectronicAddress) -> Route | None:
        return Route(self.name, address, "everything goes into the folder")

    async def send(self, consignment: Consignment) -> Receipt:
        path = self._path / consignment.id
        there = path.exists()
        path.write_bytes(consignment.data)
        return Receipt(consignment.id, self._clock.now(), b'{"kept": true}', "application/json", there)

    async def collect(self, cursor: str | None) -> Collected:
        return Collected((), cursor or "0", False)

    async def close(self) -> None:
        return None


@dataclass
class Api:
    """A served gateway and what the tests need to play with it."""

    client: TestClient[Any, Any]
    resources: Resources
    worker: Worker
    settings: Settings
    rung: list[bool] = field(default_factory=list)

    async def account(self, *, number: int = 0, french: bool = False, original: str = "as_submitted") -> Account:
        """A new account."""
        now = self.resources.clock.now()
        return await accounts.create(
            self.resources.pool,
            new_id(now),
            name=f"Account {number}",
            siren=SIRENS[number],
            french=french,
            original=original,
            now=now,
        )

    async def key(self, account: Account, *scopes: Scope) -> dict[str, str]:
        """The Authorization header of a new API key; all scopes when none is named."""
        made = await accounts.issue(
            self.resources.pool,
            account.id,
            PEPPER,
            kind="key",
            scopes=frozenset(scopes or Scope),
            now=self.resources.clock.now(),
        )
        return {"Authorization": f"Bearer {made.public_id}.{made.secret}"}

    async def submit(
        self, headers: dict[str, str], data: bytes, media_type: str = "application/xml", **more: str
    ) -> aiohttp.ClientResponse:
        """Hand a submission in; underscores in header names are hyphens."""
        named = {name.replace("_", "-"): value for name, value in more.items()}
        body = io.BytesIO(data) if len(data) > 1_000_000 else data
        everything = {**headers, "Content-Type": media_type, **named}
        return await self.client.post("/v1/documents", data=body, headers=everything)


@pytest.fixture(scope="session")
def compute() -> Iterator[Compute]:
    """Two worker processes for all tests of the session."""
    made = Compute(2, 120)
    yield made
    made.close()


@asynccontextmanager
async def serving(
    pool: Pool,
    compute: Compute,
    clock: Clock,
    folder: Path,
    *,
    rules: str | None = None,
    directory: Directory | None = None,
    **settings: Any,
) -> AsyncIterator[Api]:
    """A gateway that listens, with a worker that is run by hand."""
    set_ = replace(Settings(requests_per_second=100_000, uploads_at_once=1_000), **settings)
    networks = Networks((Folder(folder, clock),))
    courier = Post(clock.now)
    resources = Resources(pool, networks, clock, compute, NOTARY, rules=rules, courier=courier, directory=directory)
    rung: list[bool] = []
    app = application.create(resources, set_, ring=lambda: rung.append(True), pepper=PEPPER)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(courier.close)
        client = await stack.enter_async_context(TestClient(TestServer(app), auto_decompress=False))
        yield Api(client, resources, Worker(resources, 4), set_, rung)


@pytest.fixture
async def api(pool: Pool, compute: Compute, clock: SettableClock, tmp_path: Path) -> AsyncIterator[Api]:
    """A served gateway with generous limits."""
    async with serving(pool, compute, clock, tmp_path) as served:
        yield served


def sample(name: str) -> bytes:
    """The bytes of a sample of ours."""
    return (SAMPLES / name).read_bytes()


def small(text: str) -> bytes:
    """The smallest thing the door takes: the root of a CII invoice, which no rule will like."""
    namespace = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
    return f'<a:CrossIndustryInvoice xmlns:a="{namespace}">{text}</a:CrossIndustryInvoice>'.encode()


def numbered(number: str) -> bytes:
    """A valid invoice under a number of its own."""
    members = json.loads(sample("json/invoice-simple.json"))
    return json.dumps({**members, "number": number}).encode()


async def problem(response: aiohttp.ClientResponse, status: int, name: str) -> dict[str, Any]:
    """The problem that an answer is, of this status and type, in the shape of the contract."""
    text = await response.text()
    assert response.status == status, text
    assert response.content_type == "application/problem+json"
    members: dict[str, Any] = json.loads(text)
    assert members["type"] == f"/problems/{name}", text
    assert members["status"] == status
    conforms(members, "Problem")
    return members


async def answered(response: aiohttp.ClientResponse, status: int, schema: str | None = None) -> dict[str, Any]:
    """The JSON of an answer, held against the contract."""
    text = await response.text()
    assert response.status == status, text
    members: dict[str, Any] = json.loads(text)
    if schema is not None:
        conforms(members, schema)
    return members


_described = description.described()


def conforms(members: Any, schema: str) -> None:
    """Hold a value against a schema of the contract."""
    root = {"$ref": f"#/components/schemas/{schema}", "components": _described["components"]}
    faults = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(root).iter_errors(members)]
    assert not faults, faults


def digest(data: bytes) -> str:
    """SHA-256 as hexadecimal digits."""
    return sha256(data).hexdigest()
