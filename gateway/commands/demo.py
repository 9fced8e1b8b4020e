"""`estafette demo`: the main job, shown. Four invoices through a gateway and a simulated approved platform.

Both start as programs of their own, each on a free port of loopback with its own data folder. Three invoices go in
(JSON, CII, UBL), come out as Factur-X, are delivered once and get their statuses back; one is paid; a fourth, broken,
is refused with all its findings. At the end the proof of the paid one is made and checked. Everything the demo does, it
does over HTTP, as any business software would.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import shutil
import sys
import time
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

from gateway.commands import demo_invoices
from gateway.settings import Settings
from gateway.store.embedded import discard

MARK = ".estafette-demo"
"""A file that says that a folder was made by the demo and may be made anew."""

PROOF = "proof.zip"
"""The proof of the paid invoice, in the demo's folder."""

PATIENCE = 90.0
"""Seconds that any one step of the demo may take before it is called a failure."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the demo's gateway."""

    url: str
    client_id: str
    client_secret: str
    api_key: str


class Failed(Exception):
    """The demo did not show what it should."""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "demo",
        description="Start a gateway and a simulated approved platform on loopback, send four invoices through them "
        "and print what became of each. The folder is made anew each time; only one that the demo made is removed.",
    )
    it.add_argument("--out", type=Path, default=Path("demo-out"), help="folder for results and data folders")
    it.add_argument("--stay", action="store_true", help="keep both running afterwards, until Ctrl-C, to play with them")
    it.add_argument("--resume", action="store_true", help="start both again as the last demo left them, and keep them")
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Show it; 0 when everything came out as it should, 1 when not."""
    try:
        out = options.out.resolve()
        asyncio.run(_resume(out, settings.language) if options.resume else _demo(out, settings.language, options.stay))
    except KeyboardInterrupt:
        return 0
    except Failed as failed:
        print(f"\nThe demo failed: {failed}", file=sys.stderr)
        print(f"Logs: {options.out}/gateway.log, {options.out}/platform.log", file=sys.stderr)
        return 1
    return 0


async def _demo(out: Path, language: str, stay: bool) -> None:
    started = time.monotonic()
    _fresh(out)
    print("Estafette demo: a gateway and a simulated approved platform (it is not a real one) on this machine\n")
    async with _platform(out, 0) as platform, _gateway(out, platform, language, 0) as url:
        access = await _open_account(out, platform, url, language)
        print(f"  gateway   {access.url}   data in {_short(out / 'gateway')}")
        print(f"  platform  {platform['url']}   data in {_short(out / 'platform')}\n")
        async with _session(access) as session:
            await _show(session, out)
        print(f"Done in {time.monotonic() - started:.1f} s. Files to open: {_short(out / 'documents')}/\n")
        if not stay:
            print("To go on playing with what is there now:  estafette demo --resume   and then")
        await _play(access, stay=stay)


async def _resume(out: Path, language: str) -> None:
    """Start both as the last demo left them: same data, same ports, same credentials."""
    kept = out / "access.json"
    if not kept.exists():
        raise Failed(f"there is no demo to resume in {_short(out)}; run `estafette demo` first")
    known = json.loads(kept.read_text(encoding="utf-8"))
    access = Access(**known["access"])
    ports = [int(address.rsplit(":", 1)[1]) for address in (known["platform"], access.url)]
    async with _platform(out, ports[0]) as platform, _gateway(out, platform, language, ports[1]):
        print(f"gateway {access.url}, platform {platform['url']}")
        await _play(access, stay=True)


async def _play(access: Access, *, stay: bool) -> None:
    print(f"  curl -H 'Authorization: Bearer {access.api_key}' {access.url}/v1/documents")
    print(f"  client_id {access.client_id}   client_secret {access.client_secret}   API page {access.url}/docs")
    if stay:
        print("\nBoth keep running. Ctrl-C ends them.", flush=True)
        await asyncio.Event().wait()


async def _show(session: aiohttp.ClientSession, out: Path) -> None:
    """Submit, follow, pay, print."""
    (out / "documents").mkdir()
    invoices = demo_invoices.invoices()
    submitted = [(invoice, await _submit(session, invoice)) for invoice in invoices]
    for invoice, identifier in submitted:
        await _until(session, identifier, demo_invoices.GOAL)
        print(f"  in  {invoice.title}")
        await _save(session, invoice, identifier, out / "documents")
    paid = submitted[0][1]
    await _pay(session, paid)
    await _until(session, paid, "settled")
    refused = await _refused(session, demo_invoices.broken())
    print()
    for invoice, identifier in submitted:
        await _timeline(session, invoice.title, identifier)
    _findings(refused)
    await _prove(session, paid, out)


async def _submit(session: aiohttp.ClientSession, invoice: demo_invoices.Sample) -> str:
    headers = {"Content-Type": invoice.media_type, "Idempotency-Key": invoice.number}
    async with session.post("/v1/documents", data=invoice.data, headers=headers) as answer:
        body = await answer.json()
        if answer.status != 202:
            raise Failed(f"{invoice.title} was not accepted: {json.dumps(body, ensure_ascii=False)[:2000]}")
        return str(body["id"])


async def _refused(session: aiohttp.ClientSession, invoice: demo_invoices.Sample) -> Mapping[str, Any]:
    headers = {"Content-Type": invoice.media_type, "Prefer": "wait=60"}
    async with session.post("/v1/documents", data=invoice.data, headers=headers) as answer:
        problem: Mapping[str, Any] = await answer.json()
        if answer.status != 422 or not problem.get("findings"):
            raise Failed(f"the broken invoice was answered {answer.status}, not refused")
        return problem


async def _until(session: aiohttp.ClientSession, identifier: str, goal: str) -> Mapping[str, Any]:
    """Poll a document until it stands at a stage or shows a status."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        document = await _get(session, f"/v1/documents/{identifier}")
        if goal in (document["stage"], document.get("status")):
            return document
        if document.get("halted"):
            raise Failed(f"document {identifier} halted: {document['halted']}")
        await asyncio.sleep(0.2)
    raise Failed(f"document {identifier} did not come to {goal!r} in {PATIENCE:.0f} s")


async def _pay(session: aiohttp.ClientSession, identifier: str) -> None:
    document = await _get(session, f"/v1/documents/{identifier}")
    payment = {
        "amount": document["amount_due"],
        "currency": document["currency"],
        "paid_on": document["created_at"][:10],
        "reference": document["number"],
    }
    headers = {"Idempotency-Key": f"payment-{document['number']}"}
    async with session.post(f"/v1/documents/{identifier}/payments", json=payment, headers=headers) as answer:
        if answer.status not in (200, 201, 202):
            raise Failed(f"the payment was answered {answer.status}")


async def _save(session: aiohttp.ClientSession, invoice: demo_invoices.Sample, identifier: str, folder: Path) -> None:
    for form, suffix in (
        ("original", "pdf"),
        ("cii", "cii.xml"),
        ("ubl", "ubl.xml"),
        ("json", "json"),
        ("report", "report.json"),
    ):
        async with session.get(f"/v1/documents/{identifier}/content", params={"as": form}) as answer:
            if answer.status != 200:
                raise Failed(f"the {form} of {invoice.number} was answered {answer.status}: {await answer.text()}")
            (folder / f"{invoice.number}.{suffix}").write_bytes(await answer.read())


async def _timeline(session: aiohttp.ClientSession, title: str, identifier: str) -> None:
    events = (await _get(session, f"/v1/documents/{identifier}/events"))["events"]
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
    shown = [str(facts[name]) for name in ("verdict", "format", "reason", "network_id") if name in facts]
    return ("skipped: " if outcome == "skipped" else "") + "; ".join(shown)


async def _prove(session: aiohttp.ClientSession, identifier: str, out: Path) -> None:
    """Take the proof of a document and let the program that is in it check it, as a stranger would."""
    async with session.get(f"/v1/documents/{identifier}/proof") as answer:
        if answer.status != 200:
            raise Failed(f"the proof was answered {answer.status}: {await answer.text()}")
        (out / PROOF).write_bytes(await answer.read())
    with zipfile.ZipFile(out / PROOF) as archive:
        (out / "verify.py").write_bytes(archive.read("verify.py"))
    key = (await _get(session, "/v1/checkpoint"))["key"]
    command = (sys.executable, "-I", str(out / "verify.py"), str(out / PROOF), "--key", key)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    print(f"The proof of the first, {_short(out / PROOF)}, checked by the program in it:")
    print("".join(f"  {line}\n" for line in said.decode().splitlines()))
    if process.returncode:
        raise Failed("the proof does not hold")


def _findings(problem: Mapping[str, Any]) -> None:
    print(f"The broken one was refused (HTTP 422, {problem['title']}), with all its findings:")
    for finding in problem["findings"]:
        terms = ", ".join(finding.get("terms", ())) or "-"
        print(f"  {finding['rule']:<24} {terms:<14} {finding.get('path', '')}  {finding['says'][:110]}")
    print()


async def _get(session: aiohttp.ClientSession, path: str) -> dict[str, Any]:
    async with session.get(path) as answer:
        body: dict[str, Any] = await answer.json()
        if answer.status != 200:
            raise Failed(f"GET {path} was answered {answer.status}: {body.get('detail', body)}")
        return body


@asynccontextmanager
async def _session(access: Access) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with an access token, got by client credentials as any client would."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(access.url, timeout=timeout) as session:
        form = {"grant_type": "client_credentials"}
        login = base64.b64encode(f"{access.client_id}:{access.client_secret}".encode()).decode()
        headers = {"Authorization": f"Basic {login}"}
        async with session.post("/oauth2/token", data=form, headers=headers) as answer:
            if answer.status != 200:
                raise Failed(f"no access token: {answer.status}")
            token = (await answer.json())["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(access.url, headers=headers, timeout=timeout) as session:
        yield session


@asynccontextmanager
async def _platform(out: Path, port: int) -> AsyncIterator[Mapping[str, str]]:
    data = out / "platform"
    arguments = ("platform", "--port", str(port), "--data", str(data))
    async with _program(arguments, out / "platform.log", dict(os.environ)) as url:
        credentials = json.loads((data / "credentials.json").read_text(encoding="utf-8"))
        secret = out / "platform-secret"
        secret.touch(mode=0o600)
        secret.write_text(credentials["client_secret"], encoding="utf-8")
        yield {"url": url, "client_id": credentials["client_id"], "secret_file": str(secret)}


@asynccontextmanager
async def _gateway(out: Path, platform: Mapping[str, str], language: str, port: int) -> AsyncIterator[str]:
    environment = _environment(out, platform, language) | {"ESTAFETTE_PORT": str(port)}
    async with _program(("serve",), out / "gateway.log", environment) as url:
        yield url


def _environment(out: Path, platform: Mapping[str, str], language: str) -> dict[str, str]:
    """The gateway's settings; none of the surroundings' own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ESTAFETTE_")} | {
        "ESTAFETTE_DATA": str(out / "gateway"),
        "ESTAFETTE_LANGUAGE": language,
        "ESTAFETTE_POLL_SECONDS": "1",
        "ESTAFETTE_AFNOR_URL": f"{platform['url']}/afnor-flow",
        "ESTAFETTE_AFNOR_TOKEN_URL": f"{platform['url']}/oauth2/token",
        "ESTAFETTE_AFNOR_CLIENT_ID": platform["client_id"],
        "ESTAFETTE_AFNOR_CLIENT_SECRET_FILE": platform["secret_file"],
        "ESTAFETTE_EGRESS_ALLOW": platform["url"].removeprefix("http://"),
    }


async def _open_account(out: Path, platform: Mapping[str, str], url: str, language: str) -> Access:
    """Open the seller's account by the command, and keep its secrets for `--resume` in a file of ours alone."""
    create = ("account", "create", demo_invoices.SELLER, "--siren", demo_invoices.SELLER_SIREN, "--format", "json")
    account = json.loads(await _once(create, _environment(out, platform, language)))
    access = Access(url, account["client_id"], account["client_secret"], account["api_key"])
    kept = out / "access.json"
    kept.touch(mode=0o600)
    kept.write_text(json.dumps({"access": asdict(access), "platform": platform["url"]}), encoding="utf-8")
    return access


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


def _fresh(out: Path) -> None:
    """An empty folder for this run; one that the demo did not make is left alone."""
    if out.exists() and any(out.iterdir()):
        if not (out / MARK).exists():
            raise Failed(f"{out} is not empty and was not made by the demo; name another folder with --out")
        discard(out / "gateway")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).touch()


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
