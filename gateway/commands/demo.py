"""`estafette demo`: the main job, shown. Invoices through a gateway and a simulated approved platform, and to another.

Two gateways and the platform start as programs of their own, each on a free port of loopback with its own data folder.
Three invoices go in at the seller's (JSON, CII, UBL), come out as Factur-X, are delivered once and get their statuses
back; one is paid; a fourth, broken, is refused with all its findings. A fifth goes to a company that has a gateway too:
it comes in there, is seen, approved and paid, and the seller's timeline says so. The proof of the first is made and
checked. Then the money: from an order to what is paid (`demo_money`). What the demo does, it does over HTTP, as any
business software would; only the clock of reminders is moved from inside.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import time
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

from gateway.commands import demo_exchange, demo_invoices, demo_money, demo_stage
from gateway.commands.demo_stage import PATIENCE, Access, Company, Failed, get, short, timeline, until
from gateway.settings import Settings
from gateway.store.embedded import discard

MARK = ".estafette-demo"
"""A file that says that a folder was made by the demo and may be made anew."""

ACCESS = "access.json"
"""How to reach the gateways, in the demo's folder."""

PROOF = "proof.zip"
"""The proof of the paid invoice, in the demo's folder."""

SELLER = Company(demo_invoices.SELLER, demo_invoices.SELLER_SIREN, "gateway", "credentials.json")
BUYER = Company(
    demo_invoices.PARTNER, demo_invoices.PARTNER_SIREN, "buyer", f"company-{demo_invoices.PARTNER_SIREN}.json"
)


@dataclass(frozen=True, slots=True)
class Running:
    """What runs: the platform's address, and how to reach the two gateways."""

    platform: str
    seller: Access
    buyer: Access


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "demo",
        description="Start two gateways and a simulated approved platform on loopback, send five invoices through "
        "them and print what became of each. The folder is made anew each time; only one that the demo made is "
        "removed.",
    )
    it.add_argument("--out", type=Path, default=Path("demo-out"), help="folder for results and data folders")
    it.add_argument("--stay", action="store_true", help="keep all running afterwards, until Ctrl-C, to play with them")
    it.add_argument("--resume", action="store_true", help="start all again as the last demo left them, and keep them")
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
        print(f"Logs: {options.out}/gateway.log, buyer.log and platform.log there", file=sys.stderr)
        return 1
    return 0


async def _demo(out: Path, language: str, stay: bool) -> None:
    started = time.monotonic()
    _fresh(out)
    print("Estafette demo: two gateways and a simulated approved platform (it is not a real one) on this machine\n")
    async with _running(out, language, (0, 0, 0)) as running:
        print(f"  seller    {running.seller.url}   data in {short(out / SELLER.folder)}")
        print(f"  buyer     {running.buyer.url}   data in {short(out / BUYER.folder)}")
        print(f"  platform  {running.platform}   data in {short(out / 'platform')}\n")
        async with demo_stage.session(running.seller) as seller, demo_stage.session(running.buyer) as buyer:
            await _show(seller, buyer, out)
            environment = demo_stage.environment(out, SELLER, running.platform, language)
            await demo_money.money(demo_money.Place(seller, buyer, environment, out))
        print(f"Done in {time.monotonic() - started:.1f} s. Files to open: {short(out / 'documents')}/\n")
        if not stay:
            print("To go on playing with what is there now:  estafette demo --resume   and then")
        await _play(running.seller, stay=stay)


async def _resume(out: Path, language: str) -> None:
    """Start all as the last demo left them: same data, same ports, same credentials."""
    kept = out / ACCESS
    if not kept.exists():
        raise Failed(f"there is no demo to resume in {short(out)}; run `estafette demo` first")
    known = json.loads(kept.read_text(encoding="utf-8"))
    seller, buyer = Access(**known["access"]), Access(**known["buyer"])
    ports = [int(address.rsplit(":", 1)[1]) for address in (known["platform"], seller.url, buyer.url)]
    async with _running(out, language, ports, (seller, buyer)) as running:
        print(f"seller {running.seller.url}, buyer {running.buyer.url}, platform {running.platform}")
        await _play(running.seller, stay=True)


@asynccontextmanager
async def _running(
    out: Path, language: str, ports: Sequence[int], known: tuple[Access, Access] | None = None
) -> AsyncIterator[Running]:
    """The platform and both gateways; their accounts are opened where none are known yet."""
    async with demo_stage.platform(out, ports[0], [BUYER.siren]) as platform:
        theirs = [demo_stage.environment(out, company, platform, language) for company in (SELLER, BUYER)]
        async with (
            demo_stage.gateway(out, SELLER, theirs[0], ports[1]) as first,
            demo_stage.gateway(out, BUYER, theirs[1], ports[2]) as second,
        ):
            seller, buyer = known or (
                await demo_stage.open_account(SELLER, first, theirs[0]),
                await demo_stage.open_account(BUYER, second, theirs[1]),
            )
            running = Running(platform, seller, buyer)
            _keep(out, running)
            yield running


def _keep(out: Path, running: Running) -> None:
    """Keep the secrets for `--resume` in a file of ours alone."""
    kept = out / ACCESS
    kept.touch(mode=0o600)
    members = {"access": asdict(running.seller), "buyer": asdict(running.buyer), "platform": running.platform}
    kept.write_text(json.dumps(members), encoding="utf-8")


async def _play(access: Access, *, stay: bool) -> None:
    print(f"  curl -H 'Authorization: Bearer {access.api_key}' {access.url}/v1/documents")
    print(f"  client_id {access.client_id}   client_secret {access.client_secret}   API page {access.url}/docs")
    if stay:
        print("\nAll keep running. Ctrl-C ends them.", flush=True)
        await asyncio.Event().wait()


async def _show(session: aiohttp.ClientSession, buyer: aiohttp.ClientSession, out: Path) -> None:
    """Submit, follow, pay, print."""
    (out / "documents").mkdir()
    invoices = demo_invoices.invoices()
    submitted = [(invoice, await _submit(session, invoice)) for invoice in invoices]
    for invoice, identifier in submitted:
        await until(session, identifier, demo_invoices.GOAL)
        print(f"  in  {invoice.title}")
        await _save(session, invoice, identifier, out / "documents")
    paid = submitted[0][1]
    await _pay(session, paid)
    await until(session, paid, "settled")
    refused = await _refused(session, demo_invoices.broken())
    partner = demo_invoices.to_partner()
    exchanged = await _submit(session, partner)
    came = await demo_exchange.exchange(session, buyer, exchanged)
    print()
    for invoice, identifier in submitted:
        await timeline(session, invoice.title, identifier)
    _findings(refused)
    await timeline(session, f"{partner.title}, at the seller's", exchanged)
    await timeline(buyer, "the same, at the buyer's", came)
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


async def _pay(session: aiohttp.ClientSession, identifier: str) -> None:
    document = await get(session, f"/v1/documents/{identifier}")
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


async def _prove(session: aiohttp.ClientSession, identifier: str, out: Path) -> None:
    """Take the proof of a document and let the program that is in it check it, as a stranger would."""
    async with session.get(f"/v1/documents/{identifier}/proof") as answer:
        if answer.status != 200:
            raise Failed(f"the proof was answered {answer.status}: {await answer.text()}")
        (out / PROOF).write_bytes(await answer.read())
    with zipfile.ZipFile(out / PROOF) as archive:
        (out / "verify.py").write_bytes(archive.read("verify.py"))
    key = (await get(session, "/v1/checkpoint"))["key"]
    command = (sys.executable, "-I", str(out / "verify.py"), str(out / PROOF), "--key", key)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    print(f"The proof of the first, {short(out / PROOF)}, checked by the program in it:")
    print("".join(f"  {line}\n" for line in said.decode().splitlines()))
    if process.returncode:
        raise Failed("the proof does not hold")


def _findings(problem: Mapping[str, Any]) -> None:
    print(f"The broken one was refused (HTTP 422, {problem['title']}), with all its findings:")
    for finding in problem["findings"]:
        terms = ", ".join(finding.get("terms", ())) or "-"
        print(f"  {finding['rule']:<24} {terms:<14} {finding.get('path', '')}  {finding['says'][:110]}")
    print()


def _fresh(out: Path) -> None:
    """An empty folder for this run; one that the demo did not make is left alone."""
    if out.exists() and any(out.iterdir()):
        if not (out / MARK).exists():
            raise Failed(f"{out} is not empty and was not made by the demo; name another folder with --out")
        for company in (SELLER, BUYER):
            discard(out / company.folder)
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).touch()
