"""Measure what seals cost (`make bench-seal`): each step, form, level and kind of key, and the line with and without.

The steps are timed alone, in one process. The line is a gateway with its workers, its durable database and the
simulated platform, each a program of its own, with a timestamp authority, a responder and lists in another; it is fed a
burst for each policy, and its throughput is what was delivered between the first arrival and the last delivery.

    python -m tests.bench.seal --times 30 --documents 120
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from adapters import catalogue
from gateway import settings
from gateway.commands import demo_invoices
from gateway.main import database
from gateway.store.pool import Pool
from schemas.formats import cii, facturx
from signing import pdf
from signing.chain import canonical
from signing.json_seal import verify as verify_json
from signing.keys import PrivateKey, SigningKey
from signing.pdf_verdict import verify
from signing.trust import Trust
from signing.xml_verdict import verify as verify_xml
from tests.adapters.test_keys import MODULE, Service
from tests.bench import line, load, readings
from tests.bench.load import Target
from tests.bench.stage import Stage, build, free_port
from tests.schemas.sample_invoice import invoice
from tests.signing.authority import NOW, Published, person, published, root, seal_key
from tests.signing.sealed import REASON, seal_json, seal_pdf, seal_xml, token
from tests.signing.test_long_term import known

OUT = Path("bench-out") / "seal.json"
KINDS: Mapping[str, Callable[[], ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
    "RSA-3072": lambda: rsa.generate_private_key(65537, 3072),
    "RSA-4096": lambda: rsa.generate_private_key(65537, 4096),
}
POLICIES = ("none", "seal", "timestamp", "long_term", "archival")
DRAIN = 120.0
"""Seconds to wait for a burst."""


def timed(times: int, work: Callable[[], object]) -> float:
    """Milliseconds of processor time of one call: the median, after one that loads what is needed."""
    work()
    took = []
    for _ in range(times):
        started = time.process_time()
        work()
        took.append((time.process_time() - started) * 1000)
    return round(median(took), 2)


# Steps ---------------------------------------------------------------------------------------------------------------


def steps(times: int) -> dict[str, dict[str, float]]:
    """What each form and level takes to make and to verify with a P-256 key; nobody is asked over a network."""
    one = invoice()
    as_cii = cii.FORMAT.write(one)
    made = facturx.build(one, as_cii, created=NOW)
    page = made if isinstance(made, bytes) else made.pdf
    as_ubl = demo_invoices.written(line.invoice(10), "ubl-invoice")
    people = Published("http://127.0.0.1:1")
    key, evidence, stamper = seal_key(), known(people), people.stamper
    trust = Trust(root().pem, people.stamper_root.pem)
    told: dict[str, dict[str, float]] = {}
    for level in ("B-B", "B-T", "B-LT", "B-LTA"):
        make = partial(seal_pdf, page, level, key, evidence=evidence, stamper=stamper)
        sealed = make()
        told[f"PAdES {level}"] = {
            "seal": timed(times, make) - _stamping(times, people, 2 if level == "B-LTA" else level != "B-B"),
            "verify": timed(times, partial(verify, sealed, trust, NOW)),
            "bytes": float(len(sealed) - len(page)),
        }
    for name, data in (("XAdES in a UBL", as_ubl), ("XAdES beside a CII", as_cii)):
        for level in ("B-B", "B-T", "B-LT"):
            make = partial(seal_xml, data, level, key, evidence=evidence, stamper=stamper)
            sealed, beside = make(), (data if "CII" in name else None)
            told[f"{name} {level}"] = {
                "seal": timed(times, make) - _stamping(times, people, level != "B-B"),
                "verify": timed(times, partial(verify_xml, sealed, trust, NOW, beside=beside)),
                "bytes": float(len(sealed) - (0 if beside else len(data))),
            }
    evidence_ = canonical({"manifest": bytes(32).hex(), "documents": 1})
    for level in ("B-B", "B-T"):
        make = partial(seal_json, evidence_, level, key, stamper=stamper)
        sealed = make()
        told[f"JAdES {level}"] = {
            "seal": timed(times, make) - _stamping(times, people, level != "B-B"),
            "verify": timed(times, partial(verify_json, sealed, trust, NOW)),
            "bytes": float(len(sealed) - len(evidence_)),
        }
    return {name: {what: round(value, 2) for what, value in row.items()} for name, row in told.items()}


def _stamping(times: int, people: Published, stamps: int) -> float:
    """What the authority's own work takes, which is not ours."""
    return stamps * timed(times, lambda: token(bytes(32), NOW, people.stamper)) if stamps else 0.0


def in_hand(times: int) -> dict[str, dict[str, float]]:
    """What each kind of key takes to sign, and to seal a PDF and an XML at B-B."""
    one = invoice()
    as_cii = cii.FORMAT.write(one)
    made = facturx.build(one, as_cii, created=NOW)
    page = made if isinstance(made, bytes) else made.pdf
    told = {}
    for name, make in KINDS.items():
        key: PrivateKey = seal_key(person(name, root(), key=make()))
        told[name] = {
            "sign": timed(times, partial(key.sign, bytes(32))),
            "PAdES B-B": timed(times, partial(pdf.seal, page, key, at=NOW, reason=REASON)),
            "XAdES B-B": timed(times, partial(seal_xml, as_cii, "B-B", key)),
        }
        if name != "P-384":  # whose digest is not the one that evidence is sealed by
            told[name]["JAdES B-B"] = timed(times, partial(seal_json, b"{}", "B-B", key))
    return told


# Keys elsewhere ------------------------------------------------------------------------------------------------------


async def elsewhere(times: int, folder: Path) -> dict[str, float]:
    """Milliseconds of one signature by a token (SoftHSM) and by a signing service on this machine's loopback."""
    told = {}
    for kind in ("P-256", "RSA-2048"):
        one = person("Elsewhere", root(), key=KINDS[kind]())
        if MODULE and shutil.which("softhsm2-util"):
            told[f"token (SoftHSM) {kind}"] = await _signing(_token(folder, kind, one.secret, one.pem), times)
        service = Service(one)
        application = web.Application()
        application.router.add_post("/csc/v2/{method:.+}", service.answer)
        runner = web.AppRunner(application)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        environment = {
            "ESTAFETTE_SEAL_REMOTE_URL": f"http://127.0.0.1:{port}/csc/v2",
            "ESTAFETTE_SEAL_REMOTE_CREDENTIAL": "our-seal",
            "ESTAFETTE_SEAL_REMOTE_TOKEN_FILE": _secret(folder, "token", b"let-me-in"),
            "ESTAFETTE_SEAL_REMOTE_PIN_FILE": _secret(folder, "pin", b"1234"),
            "ESTAFETTE_EGRESS_ALLOW": f"127.0.0.1:{port}",
        }
        told[f"service on the loopback {kind}"] = await _signing(environment, times)
        await runner.cleanup()
    return told


async def _signing(environment: Mapping[str, str], times: int) -> float:
    key, problems = catalogue.sealing_key(environment)
    assert key is not None, problems
    try:
        return await _median_signature(key, times)
    finally:
        await key.close()


async def _median_signature(key: SigningKey, times: int) -> float:
    await key.sign(bytes(32))
    took = []
    for number in range(times):
        started = time.perf_counter()
        await key.sign(sha256(bytes([number % 256])).digest())
        took.append((time.perf_counter() - started) * 1000)
    return round(median(took), 2)


def _token(folder: Path, kind: str, secret: bytes, pem: bytes) -> dict[str, str]:
    """A SoftHSM token with this key."""
    tokens = folder / "tokens"
    tokens.mkdir(exist_ok=True)
    (folder / "softhsm.conf").write_text(f"directories.tokendir = {tokens}\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm.conf")
    (folder / "key.pem").write_bytes(secret)
    (folder / f"{kind}.pem").write_bytes(pem + root().pem)
    for arguments in (
        ("--init-token", "--free", "--label", kind, "--pin", "1234", "--so-pin", "5678"),
        ("--import", str(folder / "key.pem"), "--token", kind, "--label", "our-seal", "--id", "01", "--pin", "1234"),
    ):
        subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True)
    return {
        "ESTAFETTE_SEAL_PKCS11_MODULE": MODULE,
        "ESTAFETTE_SEAL_PKCS11_TOKEN": kind,
        "ESTAFETTE_SEAL_PKCS11_KEY": "our-seal",
        "ESTAFETTE_SEAL_PKCS11_PIN_FILE": _secret(folder, "pin", b"1234"),
        "ESTAFETTE_SEAL_PKCS11_CERTIFICATES": str(folder / f"{kind}.pem"),
    }


def _secret(folder: Path, name: str, data: bytes) -> str:
    path = folder / name
    path.touch(mode=0o600)
    path.write_bytes(data)
    return str(path)


# The line ------------------------------------------------------------------------------------------------------------


async def through_the_line(documents: int, folder: Path) -> dict[str, dict[str, float]]:
    """Documents a second under each policy, of a burst of JSON made into Factur-X and of UBL as submitted."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.seal", "--authorities", str(folder / "authorities.json"), stdout=None
    )
    try:
        told = await _told(folder / "authorities.json")
        port = told["url"].rpartition(":")[2]
        stage = await build(
            folder,
            workers=2,
            settings={
                "ESTAFETTE_LOG_FORMAT": "json",
                "ESTAFETTE_SEAL_KEY_FILE": _secret(folder, "seal.pem", told["pem"].encode()),
                "ESTAFETTE_SEAL_ROOTS": _secret(folder, "roots.pem", told["root"].encode()),
                "ESTAFETTE_TIMESTAMP_ROOTS": _secret(folder, "time.pem", told["time"].encode()),
                "ESTAFETTE_TIMESTAMP_URLS": f"{told['url']}/stamp",
            },
        )
        environment = dict(stage.environment)
        environment["ESTAFETTE_EGRESS_ALLOW"] += f",127.0.0.1:{port}"
        stage.environment = stage.gateway.environment = environment
        try:
            await stage.gateway.start()
            async with database(settings.read(stage.environment), attach=True) as pool:
                return await _bursts(stage, pool, documents)
        finally:
            await stage.close()
    finally:
        process.terminate()
        await process.wait()


async def _bursts(stage: Stage, pool: Pool, documents: int) -> dict[str, dict[str, float]]:
    members = line.invoice(10)
    as_json = json.dumps(members, ensure_ascii=False).encode()
    as_ubl = demo_invoices.written(members, "ubl-invoice")
    told: dict[str, dict[str, float]] = {}
    for form, original, media_type, template in (
        ("JSON to Factur-X", "facturx", "application/json", as_json),
        ("UBL as submitted", "as_submitted", "application/xml", as_ubl),
    ):
        for policy in POLICIES:
            opened = await stage.account(
                f"{form} {policy}", "--siren", demo_invoices.SELLER_SIREN, "--original", original, "--seal", policy
            )
            account, key = UUID(opened["account"]), opened["api_key"]
            await _burst(stage, pool, (account, key), (media_type, template), (0, 10))
            told[f"{form}, {policy}"] = await _burst(
                stage, pool, (account, key), (media_type, template), (10, documents)
            )
            print(f"{form}, {policy}: {told[f'{form}, {policy}']}", flush=True)
    return told


async def _burst(
    stage: Stage, pool: Pool, account: tuple[UUID, str], what: tuple[str, bytes], numbers: tuple[int, int]
) -> dict[str, float]:
    """Hand in so many at once and wait for the last delivery."""
    first, count = numbers

    def make(number: int) -> bytes:
        return what[1].replace(b"NUMBER", f"B-{number:07}".encode())

    target = Target(f"{stage.url}/v1/documents", account[1], what[0], make)
    answers = await load.feed(target, count / 2, 2.0, first=first)
    deadline = time.monotonic() + DRAIN
    while await readings.under_way(pool, account[0]) and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    taken = [answer.document for answer in answers if answer.document is not None]
    journal = await readings.journal(pool, account[0], taken)
    delivered = journal.after.get("delivered", ())
    if len(delivered) != len(answers):
        raise AssertionError(f"{len(delivered)} of {len(answers)} documents were delivered")
    return {"documents": len(delivered), "per second": round(len(delivered) / (journal.last - journal.first), 1)}


async def _told(path: Path) -> dict[str, str]:
    """What the authorities say of themselves once they answer."""
    async with asyncio.timeout(30):
        while not path.exists():
            await asyncio.sleep(0.05)
    told: dict[str, str] = json.loads(path.read_text())
    return told


async def authorities(path: Path) -> None:
    """Answer until ended; at most an hour."""
    async with published(lambda: datetime.now(UTC).replace(microsecond=0)) as made:
        told = {
            "url": made.url,
            "pem": made.pem.decode(),
            "root": made.root.pem.decode(),
            "time": made.stamper_root.pem.decode(),
        }
        partial_ = path.with_suffix(".partial")
        partial_.write_text(json.dumps(told))
        partial_.rename(path)
        await asyncio.sleep(3600)


def main() -> int:
    """Everything, printed and kept as JSON."""
    parser = argparse.ArgumentParser(prog="bench-seal", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=30, help="calls of each step")
    parser.add_argument("--documents", type=int, default=120, help="of each burst; 0: the line is not measured")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--authorities", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.authorities:
        asyncio.run(authorities(options.authorities))
        return 0
    told: dict[str, Any] = {"steps": steps(options.times), "keys": in_hand(options.times)}
    with tempfile.TemporaryDirectory() as temporary:
        mine = timed(options.times, lambda: token(bytes(32), NOW))
        print(f"The timestamp authority of the line's bursts takes {mine} ms of processor time for a token, beside us.")
        told["elsewhere"] = asyncio.run(elsewhere(options.times, Path(temporary)))
    for name, rows in told.items():
        print(f"\n{name}, ms of {'time' if name == 'elsewhere' else 'processor time'}:")
        for row, figures in rows.items():
            print(f"  {row:<28} {figures}")
    if options.documents:
        print("\nthe line:")
        with tempfile.TemporaryDirectory() as temporary:
            told["line"] = asyncio.run(through_the_line(options.documents, Path(temporary)))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(told, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
