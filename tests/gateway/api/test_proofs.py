"""Proofs over HTTP: they hold for a stranger with a bare Python, and one flipped bit anywhere makes them fail."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pypdf
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.store import payments
from gateway.store.documents import Payment
from signing import checkpoint, tree
from signing.chain import canonical, instant
from signing.verify import Wrong, check_record, verify, zipped
from tests.gateway.api.conftest import Api, answered, problem, sample
from tests.gateway.ground import NOTARY

VERIFIER = Path(__file__).resolve().parents[3] / "signing" / "verify.py"


async def proved(api: Api, path: Path) -> tuple[Path, dict[str, str]]:
    """A delivered document's proof in a file, and the caller's header."""
    key = await api.key(await api.account(original="facturx"))
    location = (await api.submit(key, sample("json/invoice-simple.json"), "application/json")).headers["Location"]
    await api.worker.drain()
    response = await api.client.get(f"{location}/proof", headers=key)
    data = await response.read()
    assert response.status == 200, data
    assert response.content_type == "application/zip"
    (path / "proof.zip").write_bytes(data)
    return path / "proof.zip", key


async def test_a_stranger_checks_a_proof_without_us(api: Api, tmp_path: Path) -> None:
    path, key = await proved(api, tmp_path)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist()[:4] == ["README.txt", "story.pdf", "index.json", "signature.txt"]
        assert any(name.endswith(".pdf") for name in archive.namelist())
        (tmp_path / "verify.py").write_bytes(archive.read("verify.py"))
        archive.extractall(tmp_path / "folder")
    for what in ("proof.zip", "folder"):
        run = subprocess.run(
            [sys.executable, "-I", "verify.py", what], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert run.stdout.count("holds") == 10, run.stdout  # nine lines and the last
        assert "The proof holds." in run.stdout
    shown = await answered(await api.client.get("/v1/checkpoint", headers=key), 200, "Checkpoint")
    assert [name for name, _ in verify(path, shown["key"])][-1] == "key"
    stranger = checkpoint.signer("archive.example.org", checkpoint.generate()).verifier.line()
    with pytest.raises(Wrong, match=r"^checkpoint: it is signed by another key than the one you gave"):
        list(verify(path, stranger))
    public = checkpoint.verifier(shown["key"]).public
    found = Ed25519PublicKey.from_public_bytes(public)
    forms = [found.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(), sha256(public).hexdigest()]
    forms.append(sha256(found.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest())
    for form in (*forms, f"  {shown['key']}\n"):
        assert dict(verify(path, form))["key"] == "the one you gave"
    other = Ed25519PublicKey.from_public_bytes(checkpoint.verifier(stranger).public)
    for form in (forms[1][:-1] + "g", shown["key"].partition("+")[2],
                 other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()):  # fmt: skip
        with pytest.raises(Wrong, match="another key"):
            list(verify(path, form))


def test_the_verifier_is_short_and_stands_alone() -> None:
    text = VERIFIER.read_text()
    assert len(text.splitlines()) <= 300
    imports = {
        line.split()[1].split(".")[0] for line in text.splitlines() if line.strip().startswith(("import ", "from "))
    }
    assert imports - set(sys.stdlib_module_names) == {"cryptography"}


STRANGER = """
import json, random, sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
def forbid(event, _arguments):
    if event.startswith("socket."):
        raise RuntimeError("a verifier asks nobody")
sys.addaudithook(forbid)
import verify
from pathlib import Path
whole, told = Path("proof.zip"), []
lines = list(verify.verify(whole, sys.argv[3]))
files, chance = verify.files_of(whole), random.Random(24)
for name, data in files.items():
    places = {(at, bit) for at in (0, len(data) - 1) for bit in range(8)}
    places |= {(chance.randrange(len(data)), chance.randrange(8)) for _ in range(int(sys.argv[4]))}
    for at, bit in sorted(places):
        bent = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
        Path("bent.zip").write_bytes(verify.zipped({**files, name: bent}, list(files)))
        try:
            list(verify.verify(Path("bent.zip")))
            told.append((name, at, bit, "it holds"))
        except verify.Wrong as wrong:
            if name not in str(wrong):
                told.append((name, at, bit, str(wrong)))
ours = [one for one in sys.modules if one.partition(".")[0] in ("gateway", "signing", "schemas", "adapters", "site")]
print(json.dumps({"lines": len(lines), "files": len(files), "told": told, "ours": ours}))
"""
"""What a stranger's machine runs: Python, one package, the verifier out of the proof, and no network."""


async def test_on_a_machine_without_us_a_bit_of_any_file_is_found_and_the_file_is_named(
    api: Api, tmp_path: Path
) -> None:
    path, _ = await proved(api, tmp_path)
    bare = tmp_path / "packages"
    bare.mkdir()
    for name in ("cryptography", "cffi", "_cffi_backend"):  # the one package, with what it is built on
        found = find_spec(name)
        if found is not None and found.origin is not None:
            origin = Path(found.origin)
            (bare / (name if origin.name == "__init__.py" else origin.name)).symlink_to(
                origin.parent if origin.name == "__init__.py" else origin
            )
    with zipfile.ZipFile(path) as archive:
        (tmp_path / "verify.py").write_bytes(archive.read("verify.py"))
        key = archive.read("keys.txt").decode().strip()
    alone = ["unshare", "-rn"] if await asyncio.to_thread(_may_be_alone) else []
    ended = await asyncio.to_thread(
        subprocess.run,
        [*alone, sys._base_executable, "-I", "-S", "-c", STRANGER, str(bare), str(tmp_path), key, "3"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120, env={},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    seen = json.loads(ended.stdout)
    assert seen["lines"] == 9
    assert seen["files"] > 12
    assert seen["told"] == []
    assert seen["ours"] == []


def _may_be_alone() -> bool:
    """Whether this machine lets us into a network of our own."""
    return (
        shutil.which("unshare") is not None and subprocess.run(["unshare", "-rn", "true"], check=False).returncode == 0
    )


async def test_one_flipped_bit_anywhere_of_the_zip_makes_it_fail(api: Api, tmp_path: Path) -> None:
    path, _ = await proved(api, tmp_path)
    whole = path.read_bytes()
    chance = random.Random(25)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        heads = [one.header_offset for one in archive.infolist()]
    places = [chance.randrange(len(whole) * 8) for _ in range(150)]
    places += [(head + chance.randrange(30)) * 8 + chance.randrange(8) for head in heads]  # the ZIP's own fields
    places += [(len(whole) - 1 - chance.randrange(600)) * 8 + chance.randrange(8) for _ in range(50)]
    for bit in places:
        bent = bytearray(whole)
        bent[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bent)
        with pytest.raises(Wrong):
            list(verify(path))


FORGERIES = {
    "an event left out": ("events", r"^events: event 2 is missing"),
    "what an event says": ("facts", r"^events: event 2 is not what was written"),
    "a content in place of another": ("content", r"^contents: the content .* is missing"),
    "a content of no event": ("extra", r"^contents: .* belongs to no event"),
    "a salt": ("salt", r"^tree: event 1 is not in the tree"),
    "a path that is too long": ("path", r"^tree: event 1 is not in the tree"),
    "a checkpoint of another size": ("size", r"^checkpoint: the key has not signed checkpoint.txt"),
    "a later checkpoint's time": ("time", r"^checkpoint: the key has not signed checkpoint.txt"),
    "a second key": ("keys", r"^checkpoint: no key in the line"),
    "another archive's name": ("origin", r"^checkpoint: the key has not signed checkpoint.txt"),
    "another document": ("document", r"^events: event 1 is not what was written"),
    "the verifier": ("verifier", r"^container: verify.py is missing"),
    "another verifier": ("another", r"^checkpoint: the key has not signed signature.txt"),
    "another story": ("story", r"^checkpoint: the key has not signed signature.txt"),
    "another record": ("record", r"^checkpoint: the key has not signed signature.txt"),
    "a payment of no event": ("payment", r"^record: the payment .* is not that of its event"),
    "a certificate of nothing": ("certificate", r"^checkpoint: the key has not signed signature.txt"),
    "a timestamp that is none": ("timestamp", r"^checkpoint: the key has not signed signature.txt"),
    "no signature": ("signature", r"^container: index.json or signature.txt is missing"),
    "no proof": ("form", r"^container: index.json is not that of a proof"),
}


@pytest.mark.parametrize("what", list(FORGERIES))
async def test_a_forged_proof_with_a_right_index_is_told(api: Api, tmp_path: Path, what: str) -> None:
    kind, says = FORGERIES[what]
    path, _ = await proved(api, tmp_path)
    with zipfile.ZipFile(path) as archive:
        files = {one.filename: archive.read(one) for one in archive.infolist()}
    events = json.loads(files["events.json"])["events"]
    index = json.loads(files["index.json"])
    match kind:
        case "events":
            del events[1]
        case "facts":
            events[1]["facts"]["format"] = "ubl-invoice"
        case "content":
            name = next(one for one in files if one.startswith("contents/"))
            files[f"contents/{sha256(b'forged').hexdigest()}.xml"] = b"forged"
            del files[name]
        case "extra":
            files[f"contents/{sha256(b'forged').hexdigest()}.xml"] = b"forged"
        case "salt":
            events[0]["salt"] = "00" * 32
        case "path":
            events[0]["path"].append("00" * 32)
        case "size":
            lines = files["checkpoint.txt"].decode().split("\n")
            files["checkpoint.txt"] = "\n".join([lines[0], str(int(lines[1]) + 1), *lines[2:]]).encode()
        case "time":
            files["checkpoint.txt"] = files["checkpoint.txt"].replace(b"2026-", b"2027-", 1)
        case "keys":
            stranger = checkpoint.signer("archive.example.org", checkpoint.generate()).verifier.line()
            files["keys.txt"] += f"{stranger}\n".encode()
        case "origin":
            files["checkpoint.txt"] = b"other" + files["checkpoint.txt"]
        case "document":
            index["document"] = "01a2105e-10c9-7083-9aca-514487a6ab22"
        case "verifier":
            del files["verify.py"]
        case "form":
            index["form"] = "estafette-proof/1"
        case "another":
            files["verify.py"] += b"# in order\n"
        case "story":
            files["story.pdf"] = files["story.pdf"].replace(b"%PDF", b"%pdf", 1)
        case "record":
            files["record.json"] = files["record.json"].replace(b'"number":"', b'"number":"X', 1)
        case "payment":
            record = json.loads(files["record.json"])
            record["payments"].append({"id": "01a2105e-10c9-7083-9aca-514487a6ab22", "amount": "1.00"})
            files["record.json"] = canonical(record)
        case "certificate":
            files[f"certificates/{sha256(b'x').hexdigest()}.cer"] = b"x"
        case "timestamp":
            files["timestamps/one.tst"] = b"x"
        case "signature":
            del files["signature.txt"]
    files["events.json"] = canonical({"events": events})
    if kind != "verifier":
        index["files"] = {
            name: sha256(data).hexdigest()
            for name, data in files.items()
            if name not in ("index.json", "signature.txt")
        }
    files["index.json"] = canonical(index)
    if kind in ("salt", "path"):  # even with the key, a leaf does not get into the tree
        name, digest = NOTARY.signer.verifier.name, sha256(files["index.json"]).hexdigest()
        at = files["checkpoint.txt"].decode().split("\n")[3]
        files["signature.txt"] = NOTARY.signer.vouch(f"{name} proof\n{index['document']}\n{digest}\n{at}\n").encode()
    elif kind != "signature":  # without the key, its text alone
        lines = files["signature.txt"].decode().split("\n")
        files["signature.txt"] = "\n".join([*lines[:2], sha256(files["index.json"]).hexdigest(), *lines[3:]]).encode()
    path.write_bytes(zipped(files, list(files)))
    with pytest.raises(Wrong, match=says):
        list(verify(path))


async def test_a_key_does_not_vouch_for_another_archive(api: Api, tmp_path: Path) -> None:
    path, _ = await proved(api, tmp_path)
    with zipfile.ZipFile(path) as archive:
        files = {one.filename: archive.read(one) for one in archive.infolist()}
    stranger = checkpoint.signer("elsewhere.example", checkpoint.generate())
    told = checkpoint.read(files["checkpoint.txt"].decode(), [checkpoint.verifier(files["keys.txt"].decode())])
    files["checkpoint.txt"] = stranger.sign(told).encode()
    files["keys.txt"] = f"{stranger.verifier.line()}\n".encode()
    index = json.loads(files["index.json"])
    index["files"] |= {name: sha256(files[name]).hexdigest() for name in ("checkpoint.txt", "keys.txt")}
    files["index.json"] = canonical(index)
    text = (
        f"elsewhere.example proof\n{index['document']}\n{sha256(files['index.json']).hexdigest()}\n{instant(told.at)}\n"
    )
    files["signature.txt"] = stranger.vouch(text).encode()
    path.write_bytes(zipped(files, list(files)))
    with pytest.raises(Wrong, match=r"^checkpoint: it is of the archive archive.example.org, and the key is that of"):
        list(verify(path))


def plain(text: str) -> str:
    """Letters and signs alone."""
    return "".join(one for one in text.lower().replace("’", "'") if one.isprintable() and not one.isspace())


async def test_the_same_state_gives_the_same_bytes_and_tells_its_story(api: Api, tmp_path: Path) -> None:
    """French and English, as PDF/A-3; the number, who, and what is not proved stand on it."""
    path, key = await proved(api, tmp_path)
    with zipfile.ZipFile(path) as archive:
        document = json.loads(archive.read("index.json"))["document"]
        page = archive.read("story.pdf")
    again = await api.client.get(f"/v1/documents/{document}/proof", headers=key)
    assert await again.read() == path.read_bytes()
    text = " ".join(one.extract_text() for one in pypdf.PdfReader(io.BytesIO(page)).pages)
    number = json.loads(sample("json/invoice-simple.json"))["number"]
    for words in (number, document, "Ce qui n'est pas prouvé", "What is not proved", "Comment le vérifier", "EN 16931"):
        assert plain(words) in plain(text), (words, text)
    assert b"pdfaid:part" in page


def test_a_payment_is_held_to_its_event() -> None:
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    paid = Payment(UUID(int=7), Decimal("10.00"), "EUR", date(2026, 11, 24), "VIR 42", at)
    facts = {"payment": str(paid.id), "sha256": payments.digest(paid)}
    proof = SimpleNamespace(events=[{"outcome": "payment", "facts": facts}])

    def told(*stated: dict[str, str]) -> str:
        proof.files = {"record.json": canonical({"payments": list(stated)})}
        return check_record(proof)

    right = payments.stated(paid)
    assert told(right) == "1 payments"
    for stated in ([{**right, "amount": "99.00"}], [], [right, right], [{**right, "id": str(UUID(int=8))}]):
        with pytest.raises(Wrong, match=r"the payment .* is not that of its event|a payment is missing"):
            told(*stated)
    facts.pop("sha256")  # an event of an older release
    assert told({**right, "amount": "99.00"}) == "1 payments"


async def test_a_checkpoint_is_shown_to_begin_with_an_older_one(api: Api, tmp_path: Path) -> None:
    _, key = await proved(api, tmp_path)
    old = await answered(await api.client.get("/v1/checkpoint", headers=key), 200, "Checkpoint")
    await api.submit(key, sample("cii/invoice-simple.xml"))
    await api.worker.drain()
    response = await api.client.get(f"/v1/checkpoint?from={old['size']}", headers=key)
    new = await answered(response, 200, "Checkpoint")
    assert new["size"] > old["size"]
    path = [base64.b64decode(one) for one in new["consistency"]]
    roots = [base64.b64decode(one["root"]) for one in (old, new)]
    assert tree.consistent(old["size"], new["size"], roots[0], roots[1], path)
    known = checkpoint.verifier(new["key"])
    assert checkpoint.read(new["note"], [known]).root == roots[1]
    await problem(await api.client.get(f"/v1/checkpoint?from={new['size'] + 1}", headers=key), 400, "malformed")


async def test_nobody_gets_the_proof_of_another_account(api: Api) -> None:
    mine, other = await api.key(await api.account()), await api.key(await api.account(number=1))
    location = (await api.submit(mine, sample("json/invoice-simple.json"), "application/json")).headers["Location"]
    await problem(await api.client.get(f"{location}/proof", headers=other), 404, "not-found")


async def test_before_anything_is_published_there_is_no_checkpoint(api: Api) -> None:
    key = await api.key(await api.account())
    await problem(await api.client.get("/v1/checkpoint", headers=key), 404, "not-found")
