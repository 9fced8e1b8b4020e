"""Proofs over HTTP: they hold for a stranger with a bare Python, and one flipped bit anywhere makes them fail."""

from __future__ import annotations

import base64
import io
import json
import random
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
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
from signing.chain import canonical
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


async def test_one_flipped_bit_anywhere_makes_it_fail(api: Api, tmp_path: Path) -> None:
    path, _ = await proved(api, tmp_path)
    whole = path.read_bytes()
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        entries = archive.infolist()
        heads = [one.header_offset for one in entries]
        files = {one.filename: archive.read(one) for one in entries}
    places = [chance.randrange(len(whole) * 8) for _ in range(150)]
    places += [(head + chance.randrange(30)) * 8 + chance.randrange(8) for head in heads]  # the ZIP's own fields
    places += [(len(whole) - 1 - chance.randrange(600)) * 8 + chance.randrange(8) for _ in range(50)]
    for bit in places:
        bent = bytearray(whole)
        bent[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bent)
        with pytest.raises(Wrong):
            list(verify(path))
    for name, data in files.items():  # a bit of each file, in a ZIP that is in order again
        bent = bytearray(data)
        bent[chance.randrange(len(bent))] ^= 1 << chance.randrange(8)
        path.write_bytes(zipped({**files, name: bytes(bent)}, list(files)))
        with pytest.raises(Wrong) as told:
            list(verify(path))
        assert name in str(told.value) or name in ("index.json", "signature.txt"), (seed, name, told.value)


FORGERIES = {
    "an event left out": ("events", r"^events: event 2 is missing"),
    "what an event says": ("facts", r"^events: event 2 is not what was written"),
    "a content in place of another": ("content", r"^contents: the content .* is missing"),
    "a content of no event": ("extra", r"^contents: .* belongs to no event"),
    "a salt": ("salt", r"^tree: event 1 is not in the tree"),
    "a path that is too long": ("path", r"^tree: event 1 is not in the tree"),
    "a checkpoint of another size": ("size", r"^checkpoint: the key has not signed it"),
    "a later checkpoint's time": ("time", r"^checkpoint: the key has not signed it"),
    "a second key": ("keys", r"^checkpoint: no key in the line"),
    "another archive's name": ("origin", r"^checkpoint: the key has not signed it"),
    "another document": ("document", r"^events: event 1 is not what was written"),
    "the verifier": ("verifier", r"^container: verify.py is missing"),
    "another verifier": ("another", r"^checkpoint: signature.txt is not of index.json"),
    "another story": ("story", r"^checkpoint: signature.txt is not of index.json"),
    "another record": ("record", r"^checkpoint: signature.txt is not of index.json"),
    "a payment of no event": ("payment", r"^record: the payment .* is not that of its event"),
    "a certificate of nothing": ("certificate", r"^checkpoint: signature.txt is not of index.json"),
    "a timestamp that is none": ("timestamp", r"^checkpoint: signature.txt is not of index.json"),
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
