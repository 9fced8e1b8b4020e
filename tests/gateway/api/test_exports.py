"""Exports of the archive: what is in them is what was kept, what is not is named, and nothing in them acts."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import zipfile
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from adapters.key_file import KeyFile
from adapters.port import Unreachable
from gateway import retention
from gateway.clock import SettableClock
from gateway.export import documents as exported
from gateway.export import tax_audit
from gateway.export.check import Wrong, check
from gateway.export.documents import Progress, What
from gateway.export.packing import Packer, name_of
from gateway.export.table import COLUMNS, FILE_COLUMNS, Look, row, safe
from gateway.resources import Sealer
from gateway.store.archive import Order, Wanted
from signing import checkpoint, json_seal
from signing.chain import canonical, instant
from signing.trust import Trust
from signing.verdict import Indication
from signing.verify import verify, zipped
from tests.gateway.api import test_orders
from tests.gateway.api.conftest import Api, answered, problem, sample, small
from tests.gateway.tampering import Authority
from tests.signing.authority import person, root, seal_key

REASON = {"reason": "tax_audit", "reference": "2026/117"}


async def kept(api: Api, headers: dict[str, str], number: str, **more: Any) -> str:
    members = {**json.loads(sample("json/invoice-simple.json")), "number": number, **more}
    told = await answered(await api.submit(headers, json.dumps(members).encode(), "application/json"), 202)
    await api.worker.drain()
    identifier: str = told["id"]
    return identifier


async def fetched(api: Api, headers: dict[str, str], name: str, **query: str) -> bytes:
    answer = await api.client.get(f"/v1/archive/{name}", headers=headers, params=query)
    data = await answer.read()
    assert answer.status == 200, data
    return data


def opened(data: bytes) -> dict[str, bytes]:
    """Name and bytes of each file, once everything the ZIP says of itself holds."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def table(data: bytes, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""), delimiter=delimiter))


async def test_a_table_has_what_the_search_finds(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported, "PAGE", 2)
    headers = await api.key(await api.account())
    simple = json.loads(sample("json/invoice-simple.json"))
    for number in range(5):
        buyer = {**simple["buyer"], "name": '=HYPERLINK("http://x";"y")\n@SUM(1)'}
        await kept(api, headers, f"F-{number}", buyer=buyer)
    found = table(await fetched(api, headers, "documents.csv", number_prefix="F-", sort="accepted", order="asc"))
    assert len(found) == 5
    assert list(found[0]) == [column.name for column in COLUMNS]
    assert found[0]["buyer_name"].startswith("'=HYPERLINK")
    assert Decimal(found[0]["total"]) > 0
    french = await fetched(api, headers, "documents.csv", number="F-1", decimal="comma", bom="true")
    assert french.startswith(b"\xef\xbb\xbf")
    (line,) = table(french.removeprefix(b"\xef\xbb\xbf"), ";")
    assert line["total"] == found[0]["total"].replace(".", ",")
    assert table(await fetched(api, headers, "documents.csv", number="none")) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"), ("+33 1 23", "'+33 1 23"), ("-12", "'-12"), ("@SUM(A1)", "'@SUM(A1)"), ("  =1", "'  =1"),
        ("\t=1", "'\t=1"), ("\r=1", "'\r=1"), ("\n=1", "'\n=1"), ("＝1", "'＝1"), ("＠x", "'＠x"), ("a=1", "a=1"),
        ("a\x00b\x1bc", "a b c"), ("Société", "Société"), ("", ""), ("\x00=1", "' =1"),
    ],
)  # fmt: skip
def test_no_cell_acts(text: str, shown: str) -> None:
    assert safe(text) == shown
    line = row([text, Decimal("-12.50"), None, 3], Look(comma=True)).decode()
    (cells,) = csv.reader(io.StringIO(line, newline=""), delimiter=";")
    assert cells == [shown, "-12,50", "", "3"]


async def test_a_zip_has_the_originals_as_they_were_sent(api: Api, clock: SettableClock) -> None:
    headers = await api.key(await api.account())
    ids = {number: await kept(api, headers, number) for number in ("A/../../1", "A-2")}
    broken = (await answered(await api.submit(headers, small("broken")), 202))["id"]
    await api.worker.drain()
    clock.advance(timedelta(seconds=1))
    files = opened(await fetched(api, headers, "documents.zip", **REASON))
    index = json.loads(files["index.json"])
    assert set(index["columns"]) == {column.name for column in COLUMNS} | set(FILE_COLUMNS)
    assert {one["document"] for one in index["documents"]} == {*ids.values(), broken}
    for one in index["documents"]:
        wanted = "submission" if one["document"] == broken else "original"
        answer = await api.client.get(f"/v1/documents/{one['document']}/content?as={wanted}", headers=headers)
        assert files[one["file"]] == await answer.read()
        assert one["sha256"] == sha256(files[one["file"]]).hexdigest()
        assert (one["role"], one["left_out"]) == (wanted, "")
        assert one["document"] in one["file"]
        assert ".." not in one["file"]
    lines = table(files["index.csv"])
    assert [line["sha256"] for line in lines] == [one["sha256"] for one in index["documents"]]
    manifest = json.loads(files["manifest.json"])["files"]
    assert {name: one["sha256"] for name, one in manifest.items()} == {
        name: sha256(data).hexdigest() for name, data in files.items() if name != "manifest.json"
    }


async def test_documents_are_given_for_a_reason_only_and_each_export_is_recorded(api: Api) -> None:
    headers = await api.key(await api.account())
    await kept(api, headers, "F-1")
    for name in ("documents.zip", "tax-audit.zip"):
        told = await problem(await api.client.get(f"/v1/archive/{name}", headers=headers), 422, "unanswerable")
        assert [one["path"] for one in told["findings"]] == ["reason"]
    await problem(await api.client.get("/v1/archive/documents.csv?decimal=x", headers=headers), 400, "malformed")
    await problem(await api.client.get("/v1/archive/documents.csv?limit=1", headers=headers), 400, "malformed")
    files = opened(await fetched(api, headers, "documents.zip", number="F-1", **REASON))
    reads = (await answered(await api.client.get("/v1/archive/reads", headers=headers), 200))["reads"]
    assert {one["query"]["export"]: (one["what"], one["found"], one["whole"], one["reason"]) for one in reads} == {
        "begins": ("zip", 0, False, REASON["reason"]),
        "ends": ("zip", 1, True, REASON["reason"]),
    }
    ended = next(one for one in reads if one["query"]["export"] == "ends")
    assert ended["query"]["manifest"] == sha256(files["manifest.json"]).hexdigest()


async def test_an_export_that_breaks_off_is_cut(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported, "PAGE", 1)
    headers = await api.key(await api.account())
    for number in range(3):
        await kept(api, headers, f"F-{number}")
    whole = exported.archive.search
    turns = iter(range(10))

    async def search(*arguments: Any) -> Any:
        if next(turns) == 2:
            raise RuntimeError("the disk is gone")
        return await whole(*arguments)

    monkeypatch.setattr(exported.archive, "search", search)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await fetched(api, headers, "documents.csv")
    monkeypatch.undo()
    reads = (await answered(await api.client.get("/v1/archive/reads", headers=headers), 200))["reads"]
    broke = next(one for one in reads if one["query"]["export"] == "broke off")
    assert (broke["found"], broke["whole"]) == (2, False)


async def test_too_many_exports_at_once_are_told_to_come_back(api: Api) -> None:
    from gateway.api.keys import EXPORTING

    headers = await api.key(await api.account())
    turns = api.client.server.app[EXPORTING]  # type: ignore[attr-defined]
    async with turns, turns:
        await problem(await api.client.get("/v1/archive/documents.csv", headers=headers), 503, "busy")
    assert await fetched(api, headers, "documents.csv")


async def paid(api: Api, headers: dict[str, str], document: str) -> None:
    payment = {"amount": "1.00", "currency": "EUR", "paid_on": "2026-11-24", "reference": "=VIR 1"}
    answer = await api.client.post(f"/v1/documents/{document}/payments", headers=headers, json=payment)
    assert answer.status == 201, await answer.text()
    await api.worker.drain()


async def test_a_tax_audit_has_the_chain_and_holds(api: Api, clock: SettableClock, tmp_path: Path) -> None:
    headers = await api.key(await api.account())
    first = await kept(api, headers, "F-1", purchase_order="CMD-9")
    await paid(api, headers, first)
    clock.advance(timedelta(seconds=1))
    credit = await kept(api, headers, "A-1", type_code="381", preceding=[{"number": "F-1", "issue_date": "2026-11-20"},
                                                                          {"number": "F-0"}])  # fmt: skip
    clock.advance(timedelta(seconds=1))
    unread = (await answered(await api.submit(headers, small("waits")), 202))["id"]
    clock.advance(timedelta(seconds=1))
    path = tmp_path / "audit.zip"
    path.write_bytes(await fetched(api, headers, "tax-audit.zip", sort="accepted", order="asc", **REASON))
    files = opened(path.read_bytes())
    index = json.loads(files["index.json"])
    assert [one["document"] for one in index["documents"]] == [first, credit]
    chain, of_credit = (one["trail"] for one in index["documents"])
    assert [one["document"] for one in chain["corrected_by"]] == [credit]
    assert [one["document"] for one in of_credit["corrects"]] == [first]
    assert [(one["amount"], one["paid_on"]) for one in chain["payments"]] == [("1.00", "2026-11-24")]
    links = {(line["from_id"], line["to_kind"], line["to_id"] or line["to_says"]) for line in table(files["trail.csv"])}
    assert {(first, "order", "CMD-9"), (first, "corrected_by", credit), (credit, "corrects", first),
            (credit, "corrects", "F-0")} <= links  # fmt: skip
    assert "'=VIR 1" in files["trail.csv"].decode()
    assert [(one["document"], one["what"]) for one in table(files["left-out.csv"])] == [(unread, "document")]
    page = files["index.html"].decode()
    assert "<script" not in page
    assert f'href="#d{credit}"' in page
    assert "F-1" in files["README.txt"].decode() or "2 documents" in files["README.txt"].decode()
    assert check(path, verify).startswith("2 documents")
    with pytest.raises(Wrong, match="without"):
        check(path, None)


async def test_a_document_beside_the_proof_of_another_is_found(api: Api, clock: SettableClock, tmp_path: Path) -> None:
    """Nobody signs the manifest: who writes it anew must still show a proof of the very bytes."""
    headers = await api.key(await api.account())
    for number in ("F-1", "F-2"):
        await kept(api, headers, number)
    clock.advance(timedelta(seconds=1))
    files = opened(await fetched(api, headers, "tax-audit.zip", **REASON))
    first, second = (name for name in sorted(files) if name.startswith("documents/"))
    one, other = (name for name in sorted(files) if name.startswith("proofs/"))

    def rewritten(changed: dict[str, bytes]) -> Path:
        index, manifest = json.loads(changed["index.json"]), json.loads(changed["manifest.json"])
        for document in index["documents"]:
            document["sha256"] = sha256(changed[document["file"]]).hexdigest()
        changed["index.json"] = json.dumps(index).encode()
        for name in manifest["files"]:
            manifest["files"][name]["sha256"] = sha256(changed[name]).hexdigest()
        changed["manifest.json"] = json.dumps(manifest).encode()
        with zipfile.ZipFile(path := tmp_path / "forged.zip", "w") as archive:
            for name, data in changed.items():
                archive.writestr(name, data)
        return path

    assert check(rewritten(dict(files)), verify)
    with pytest.raises(Wrong, match="proves other bytes"):
        check(rewritten({**files, first: b"forged", second: files[second]}), verify)
    with pytest.raises(Wrong, match="proof of another document"):
        check(rewritten({**files, one: files[other], other: files[one]}), verify)


async def test_every_proof_of_an_export_is_by_one_key(api: Api, clock: SettableClock, tmp_path: Path) -> None:
    headers = await api.key(await api.account())
    for number in ("F-1", "F-2"):
        await kept(api, headers, number)
    clock.advance(timedelta(seconds=1))
    (tmp_path / "own.zip").write_bytes(await fetched(api, headers, "tax-audit.zip", **REASON))
    line = api.resources.notary.signer.verifier.line()
    assert check(tmp_path / "own.zip", verify).endswith(f"2 proofs hold by the key {line}")
    assert check(tmp_path / "own.zip", verify, key=line).endswith("2 proofs hold by the key you gave")
    stranger = checkpoint.signer("archive.example.org", checkpoint.generate())
    with pytest.raises(Wrong, match=r"^proofs/.*: checkpoint: it is signed by another key than the one you gave"):
        check(tmp_path / "own.zip", verify, key=stranger.verifier.line())
    files = opened((tmp_path / "own.zip").read_bytes())
    second = [name for name in files if name.startswith("proofs/")][1]
    forged = opened(files[second])
    told = checkpoint.read(forged["checkpoint.txt"].decode(), [api.resources.notary.signer.verifier])
    forged["checkpoint.txt"] = stranger.sign(told).encode()
    forged["keys.txt"] = f"{stranger.verifier.line()}\n".encode()
    index = json.loads(forged["index.json"])
    index["files"] |= {name: sha256(forged[name]).hexdigest() for name in ("checkpoint.txt", "keys.txt")}
    forged["index.json"] = canonical(index)
    text = f"archive.example.org proof\n{index['document']}\n{sha256(forged['index.json']).hexdigest()}\n"
    forged["signature.txt"] = stranger.vouch(text + f"{instant(told.at)}\n").encode()
    (tmp_path / "proof.zip").write_bytes(zipped(forged, list(forged)))
    list(verify(tmp_path / "proof.zip"))  # it holds by itself
    files[second] = (tmp_path / "proof.zip").read_bytes()
    manifest = json.loads(files["manifest.json"])
    manifest["files"][second]["sha256"] = sha256(files[second]).hexdigest()
    files["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(tmp_path / "forged.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    with pytest.raises(Wrong, match="signed by another key"):
        check(tmp_path / "forged.zip", verify)


async def test_a_flipped_bit_in_an_export_is_found(api: Api, clock: SettableClock, tmp_path: Path) -> None:
    headers = await api.key(await api.account())
    await kept(api, headers, "F-1")
    clock.advance(timedelta(seconds=1))
    files = opened(await fetched(api, headers, "tax-audit.zip", **REASON))
    path = tmp_path / "tampered.zip"

    def written(changed: dict[str, bytes]) -> Path:
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in changed.items():
                archive.writestr(name, data)
        return path

    assert check(written(files), verify)
    for name, data in files.items():
        flipped = data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
        with pytest.raises(Wrong):
            check(written({**files, name: flipped}), verify)
        if name != "manifest.json":
            with pytest.raises(Wrong, match="missing"):
                check(written({one: two for one, two in files.items() if one != name}), verify)
    with pytest.raises(Wrong, match="not named"):
        check(written({**files, "more.txt": b"x"}), verify)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Wrong, match="damaged"):
        check(path, verify)


async def test_the_chain_begins_with_the_order(api: Api, clock: SettableClock, tmp_path: Path) -> None:
    headers = await api.key(await api.account())
    order = await test_orders.kept(api, headers)
    await answered(await test_orders.deliver(api, headers, order, test_orders.call(note="BL-7")), 201)
    await api.worker.drain()
    clock.advance(timedelta(seconds=1))
    path = tmp_path / "audit.zip"
    path.write_bytes(await fetched(api, headers, "tax-audit.zip", **REASON))
    files = opened(path.read_bytes())
    index = json.loads(files["index.json"])
    (document,), (kept_order,) = index["documents"], index["orders"]
    assert document["trail"]["order"]["order"] == order.rpartition("/")[2] == kept_order["order"]
    assert document["trail"]["order"]["despatch_advice"] == "BL-7"
    assert kept_order["deliveries"][0]["invoices"][0]["document"] == document["document"]
    assert sha256(files[kept_order["file"]]).hexdigest() == kept_order["sha256"]
    kinds = [(line["from_kind"], line["to_kind"]) for line in table(files["trail.csv"])]
    assert {("invoice", "order"), ("invoice", "delivery"), ("order", "delivery"), ("delivery", "invoice")} <= set(kinds)
    assert check(path, verify)


async def unsealed(_manifest: str) -> bytes | None:
    """No seal."""
    return None


@pytest.mark.parametrize("stamped", [False, True])
@pytest.mark.parametrize("kind", ["zip", "tax_audit"])
async def test_an_export_bears_the_organisations_seal(
    api: Api, clock: SettableClock, tmp_path: Path, kind: str, stamped: bool
) -> None:
    account = await api.account()
    await kept(api, await api.key(account), "F-1")
    clock.advance(timedelta(seconds=1))
    clock_tower = Authority(clock)
    sealer = Sealer(KeyFile(seal_key()), (clock_tower,) if stamped else ())
    trust = Trust(root().pem, clock_tower.root.pem)
    resources = replace(api.resources, sealer=sealer, trust=trust)
    made = tax_audit.as_zip if kind == "tax_audit" else exported.as_zip
    what, progress = What(account.id, Wanted(), Order(), clock.now()), Progress()
    path = tmp_path / "sealed.zip"
    path.write_bytes(b"".join([part async for part in made(resources, what, Look(), progress)]))
    assert (progress.whole, progress.unsealed) == (True, "")
    files = opened(path.read_bytes())
    assert list(files)[-2:] == ["manifest.json", "seal.json"]
    said = check(path, verify)
    assert "; sealed by CN=" in said
    assert ("by CN=Time" in said) == stamped, said
    reading = await asyncio.to_thread(json_seal.verify, files["seal.json"], trust, clock.now())
    assert (reading.verdict.indication, reading.verdict.level) == (Indication.PASSED, "B-T" if stamped else "B-B")
    told = json.loads(reading.evidence)
    assert told["manifest"] == sha256(files["manifest.json"]).hexdigest() == progress.manifest
    assert (told["documents"], told["whole"]) == (1, True)

    def written(changed: dict[str, bytes]) -> Path:
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in changed.items():
                archive.writestr(name, data)
        return path

    seal = json.loads(files["seal.json"])
    with pytest.raises(Wrong, match=r"^seal.json is the seal of another manifest"):
        check(written({**files, "manifest.json": files["manifest.json"] + b" "}), verify)
    for name in ("payload", "protected", "signature"):
        bent = seal[name][:40] + ("A" if seal[name][40] != "A" else "B") + seal[name][41:]
        sealed = json.dumps({**seal, name: bent}, sort_keys=True, separators=(",", ":")).encode()
        with pytest.raises(Wrong, match=r"seal.json"):
            check(written({**files, "seal.json": sealed}), verify)
    with pytest.raises(Wrong, match="one form"):
        check(written({**files, "seal.json": files["seal.json"] + b" "}), verify)
    if stamped:
        other = {**seal, "signature": seal["signature"][:-2] + seal["signature"][-2:]}
        token = json.loads(urlsafe_b64decode(seal["header"]["etsiU"][0] + "=="))
        data = bytearray(b64decode(token["sigTst"]["tstTokens"][0]["val"]))
        data[-9] ^= 1
        token["sigTst"]["tstTokens"][0]["val"] = b64encode(data).decode()
        written_ = urlsafe_b64encode(json.dumps(token, separators=(",", ":")).encode()).rstrip(b"=").decode()
        other["header"] = {"etsiU": [written_]}
        sealed = json.dumps(other, sort_keys=True, separators=(",", ":")).encode()
        with pytest.raises(Wrong, match=r"the timestamp in seal.json does not hold"):
            check(written({**files, "seal.json": sealed}), verify)


async def test_an_export_does_not_wait_for_a_key_or_an_authority_that_is_away(
    api: Api, clock: SettableClock, tmp_path: Path
) -> None:
    account = await api.account()
    await kept(api, await api.key(account), "F-1")
    clock.advance(timedelta(seconds=1))

    class Away:
        name = "time.example.org"

        async def stamp(self, query: bytes) -> bytes:
            raise Unreachable("time.example.org answers 503")

        async def close(self) -> None:
            """Nothing."""

    ended = seal_key(person("Ended", root(), until=clock.now() - timedelta(days=1)))
    for sealer, says in ((Sealer(KeyFile(seal_key()), (Away(),)), "its seal has no timestamp: "),
                         (Sealer(KeyFile(ended)), "it is not sealed: ")):  # fmt: skip
        what, progress = What(account.id, Wanted(), Order(), clock.now()), Progress()
        parts = exported.as_zip(replace(api.resources, sealer=sealer), what, Look(), progress)
        (tmp_path / "x.zip").write_bytes(b"".join([part async for part in parts]))
        assert progress.whole
        assert progress.unsealed.startswith(says)
        assert ("sealed by" in check(tmp_path / "x.zip", verify)) == ("timestamp" in says)


async def test_a_zip_of_more_files_than_old_ones_hold(tmp_path: Path) -> None:
    """Zip64: more than 65,535 files, written without seeking back."""
    from tests.gateway.ground import NOON

    packer, path = Packer(NOON), tmp_path / "large.zip"
    with path.open("wb") as file:
        for number in range(66_000):
            file.write(packer._add(f"documents/{number}", b"", "text/plain"))
        async for part in packer.end(unsealed):
            file.write(part)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == 66_001
        assert len(json.loads(archive.read("manifest.json"))["files"]) == 66_000


def test_names_stay_where_they_are_unpacked() -> None:
    for number in ("../../etc/passwd", "C:\\x", "con", "", None, ".hidden", "é" * 300, "a/b|c?", "\x00"):
        name = name_of(number, "019ab", "application/pdf")
        assert name.endswith("019ab.pdf")
        assert len(name) < 80
        assert not set(name) & set('/\\:*?"<>|\x00')
        assert not name.startswith(".")
        assert name.isascii()


async def test_what_is_restricted_is_opened_with_an_event_and_what_ended_is_named(
    api: Api, clock: SettableClock
) -> None:
    headers = await api.key(await api.account())
    refused = (await answered(await api.submit(headers, small("refused")), 202))["id"]
    await api.worker.drain()
    clock.advance(timedelta(days=100))
    index = json.loads(opened(await fetched(api, headers, "documents.zip", **REASON))["index.json"])
    assert [(one["document"], one["left_out"]) for one in index["documents"]] == [(refused, "")]
    clock.advance(timedelta(days=300))
    opened(await fetched(api, headers, "documents.zip", **REASON))
    told = await answered(await api.client.get(f"/v1/documents/{refused}/events", headers=headers), 200)
    readings = [event["facts"] for event in told["events"] if event["outcome"] == "read"]
    assert [(one["what"], one["reason"], one["reference"]) for one in readings] == [("zip", *REASON.values())]
    clock.advance(timedelta(days=400))
    assert (await retention.run(api.resources, timedelta(days=35))).announced == 1
    clock.advance(timedelta(days=31))
    assert (await retention.run(api.resources, timedelta(days=35))).purged == 1
    clock.advance(timedelta(seconds=1))
    for name in ("documents.zip", "tax-audit.zip"):
        files = opened(await fetched(api, headers, name, **REASON))
        (one,) = json.loads(files["index.json"])["documents"]
        assert (one["document"], one["file"]) == (refused, "")
        assert one["left_out"].startswith("its retention ended")
        assert not [file for file in files if file.startswith(("documents/", "proofs/"))]
    assert [line["document"] for line in table(files["left-out.csv"])] == [refused]
    reads = (await answered(await api.client.get("/v1/archive/reads?limit=1", headers=headers), 200))["reads"]
    assert reads[0]["whole"] or reads[0]["query"]["export"] == "begins"
    page = await answered(await api.client.get("/v1/archive", headers=headers), 200, "ArchivePage")
    assert page["documents"][0]["erased_at"]


async def test_what_is_damaged_is_named_and_the_export_is_not_whole(api: Api, clock: SettableClock) -> None:
    headers = await api.key(await api.account())
    good, bad = await kept(api, headers, "F-1"), await kept(api, headers, "F-2")
    clock.advance(timedelta(seconds=1))
    async with api.resources.pool.owner() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        changed = await connection.execute(
            """
            update content_data set data = set_byte(data, 20, get_byte(data, 20) # 1) where sha256 in (
                select sha256 from entry where document_id = $1 and role = 'original')
            """,
            UUID(bad),
        )
        assert changed == "UPDATE 1"
    for name in ("documents.zip", "tax-audit.zip"):
        files = opened(await fetched(api, headers, name, **REASON))
        told = {one["document"]: one["left_out"] for one in json.loads(files["index.json"])["documents"]}
        assert told[good] == ""
        assert told[bad].startswith("DAMAGED")
        assert not [file for file in files if bad in file]
        clock.advance(timedelta(seconds=1))
        reads = (await answered(await api.client.get("/v1/archive/reads?limit=2", headers=headers), 200))["reads"]
        ended = next(one for one in reads if one["query"]["export"] == "ends")
        assert (ended["found"], ended["whole"]) == (2, False)
    assert {(one["document"], one["what"]) for one in table(files["left-out.csv"])} == {
        (bad, "document"),
        (bad, "proof"),
    }
