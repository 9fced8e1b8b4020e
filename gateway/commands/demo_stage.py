"""What the demo stands on: programs of their own on loopback, and sessions with them as any business software has."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

PATIENCE = 90.0
"""Seconds that any one step of the demo may take before it is called a failure."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach one of the demo's gateways."""

    url: str
    client_id: str
    client_secret: str
    api_key: str


@dataclass(frozen=True, slots=True)
class Company:
    """Who runs a gateway of the demo."""

    name: str
    siren: str
    folder: str
    """Its data folder, and its log beside, in the demo's folder."""
    credentials: str
    """File of its credentials in the platform's data folder."""


class Failed(Exception):
    """The demo did not show what it should."""


async def until(session: aiohttp.ClientSession, identifier: str, goal: str) -> Mapping[str, Any]:
    """Poll a document until it stands at a stage or shows a status."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        document = await get(session, f"/v1/documents/{identifier}")
        if goal in (document["stage"], document.get("status")):
            return document
        if document.get("halted"):
            raise Failed(f"document {identifier} halted: {document['halted']}")
        await asyncio.sleep(0.2)
    raise Failed(f"document {identifier} did not come to {goal!r} in {PATIENCE:.0f} s")


async def timeline(session: aiohttp.ClientSession, title: str, identifier: str) -> None:
    """Print what a document went through."""
    events = (await get(session, f"/v1/documents/{identifier}/events"))["events"]
    print(f"{title}   document {identifier}")
    for event in events:
        facts = event["facts"]
        what = event["stage"] if event["outcome"] in ("done", "skipped", "halted") else event["outcome"]
        detail = _detail(event["outcome"], facts)
        print(f"  {event['at'][11:23]}  {what:<13} {detail}")
    print()


def _detail(outcome: str, facts: Mapping[str, Any]) -> str:
    if outcome == "status":
        code = f"{facts['code']} " if "code" in facts else ""
        return f"{code}{facts['status'].replace('_', ' ')} (said by {facts['source']})"
    if outcome == "payment":
        return f"paid on {facts['paid_on']}"
    if outcome == "seen":
        return "by the account's software"
    shown = [str(facts[name]) for name in ("verdict", "format", "reason", "network_id") if name in facts]
    return ("skipped: " if outcome == "skipped" else "") + "; ".join(shown)


async def get(session: aiohttp.ClientSession, path: str) -> dict[str, Any]:
    """What an address of the API answers. Raises Failed."""
    async with session.get(path) as answer:
        body: dict[str, Any] = await answer.json()
        if answer.status != 200:
            raise Failed(f"GET {path} was answered {answer.status}: {body.get('detail', body)}")
        return body


async def post(session: aiohttp.ClientSession, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What an address of the API answers to some JSON. Raises Failed."""
    async with session.post(path, json=body) as answer:
        said: dict[str, Any] = await answer.json()
        if answer.status not in (200, 201, 202):
            raise Failed(f"POST {path} was answered {answer.status}: {json.dumps(said, ensure_ascii=False)[:2000]}")
        return said


@asynccontextmanager
async def session(access: Access) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with an access token, got by client credentials as any client would."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(access.url, timeout=timeout) as opened:
        form = {"grant_type": "client_credentials"}
        login = base64.b64encode(f"{access.client_id}:{access.client_secret}".encode()).decode()
        headers = {"Authorization": f"Basic {login}"}
        async with opened.post("/oauth2/token", data=form, headers=headers) as answer:
            if answer.status != 200:
                raise Failed(f"no access token: {answer.status}")
            token = (await answer.json())["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(access.url, headers=headers, timeout=timeout) as opened:
        yield opened


@asynccontextmanager
async def platform(out: Path, port: int, companies: Sequence[str]) -> AsyncIterator[str]:
    """A simulated platform with these companies among its clients; its address."""
    arguments = ("platform", "--port", str(port), "--data", str(out / "platform"))
    named = tuple(word for siren in companies for word in ("--company", siren))
    async with _program((*arguments, *named), out / "platform.log", dict(os.environ)) as url:
        yield url


@asynccontextmanager
async def gateway(out: Path, company: Company, environment: Mapping[str, str], port: int) -> AsyncIterator[str]:
    """A company's gateway; its address."""
    settings = {**environment, "ESTAFETTE_PORT": str(port)}
    async with _program(("serve",), out / f"{company.folder}.log", settings) as url:
        yield url


def environment(out: Path, company: Company, platform_url: str, language: str) -> dict[str, str]:
    """The settings of a company's gateway, a client of the platform; none of the surroundings' own."""
    known = json.loads((out / "platform" / company.credentials).read_text(encoding="utf-8"))
    secret = out / f"{company.folder}-secret"
    secret.touch(mode=0o600)
    secret.write_text(known["client_secret"], encoding="utf-8")
    return {name: value for name, value in os.environ.items() if not name.startswith("ESTAFETTE_")} | {
        "ESTAFETTE_DATA": str(out / company.folder),
        "ESTAFETTE_LANGUAGE": language,
        "ESTAFETTE_POLL_SECONDS": "1",
        "ESTAFETTE_AFNOR_URL": f"{platform_url}/afnor-flow",
        "ESTAFETTE_AFNOR_DIRECTORY_URL": f"{platform_url}/afnor-directory",
        "ESTAFETTE_AFNOR_TOKEN_URL": f"{platform_url}/oauth2/token",
        "ESTAFETTE_AFNOR_CLIENT_ID": known["client_id"],
        "ESTAFETTE_AFNOR_CLIENT_SECRET_FILE": str(secret),
        "ESTAFETTE_EGRESS_ALLOW": platform_url.removeprefix("http://"),
    }


async def open_account(company: Company, url: str, environment: Mapping[str, str]) -> Access:
    """Open a company's account by the command."""
    create = ("account", "create", company.name, "--siren", company.siren, "--format", "json")
    account = json.loads(await _once(create, environment))
    return Access(url, account["client_id"], account["client_secret"], account["api_key"])


@asynccontextmanager
async def _program(arguments: tuple[str, ...], log: Path, environment: Mapping[str, str]) -> AsyncIterator[str]:
    """Run `estafette …` until the block ends; yields the address it says it listens on."""
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *arguments, stdout=asyncio.subprocess.PIPE, stderr=file, env=environment
        )
        try:
            assert process.stdout is not None
            line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode()
            if "http://" not in line:
                raise Failed(f"`estafette {arguments[0]}` did not start; {log.name} says why")
            yield "http://" + line.split("http://", 1)[1].split()[0]
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), 30)
                except TimeoutError:
                    process.kill()
                    await process.wait()


async def _once(arguments: tuple[str, ...], environment: Mapping[str, str]) -> str:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "gateway", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=environment)
    said, complaint = await asyncio.wait_for(process.communicate(), PATIENCE)
    if process.returncode:
        raise Failed(f"`estafette {arguments[0]}`: {complaint.decode(errors='replace')[-1500:]}")
    return said.decode()


def short(path: Path) -> str:
    """A path as it is shown: from here on, where it lies here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
