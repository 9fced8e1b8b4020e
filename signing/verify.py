#!/usr/bin/env python3
"""Check a proof of Estafette, offline and without Estafette: python verify.py ZIP_OR_FOLDER [--key KEY]

It needs Python 3.9 or later and the package `cryptography`. It tells what each check saw, and ends with 0 if all hold:
 1. container    the files are those that the index names, each with its SHA-256, and nothing is beside them
 2. events       from the first, without a gap: the SHA-256 of each covers itself, its contents and the event before
 3. contents     every document, report, receipt and status that the events name is there and has its SHA-256
 4. record       each payment told is that of its event
 5. checkpoint   it is signed (Ed25519, C2SP note) by the archive's key, as is the index of all files; no event is later
 6. tree         the leaf of each event, SHA-256(salt, its hash), is in the tree of the checkpoint (RFC 9162)
 7. timestamps   each token (RFC 3161) is of this checkpoint, and its authority's certificate signed it
 8. seals        each seal and timestamp in a sealed PDF (PAdES) is of its bytes, and its certificate signed it
 9. key          the one you gave (--key), or the one in the proof: then compare it with what the operator publishes
Not judged here: whether to trust the issuer of a certificate; seals in XML (take xmlsec1 or the EU's DSS for them)."""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any, Iterator  # noqa: UP035

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

INDEX, EVENTS, CHECKPOINT, KEYS = "index.json", "events.json", "checkpoint.txt", "keys.txt"
RECORD, SIGNATURE, FORM, LARGEST = "record.json", "signature.txt", "estafette-proof/2", 1_000_000_000
SAID = ("seq", "at", "stage", "outcome", "facts", "entries")
MEMBERS = {*SAID, "hash", "salt", "leaf", "path"}
DIGEST, KIND = bytes.fromhex("06092a864886f70d010904"), bytes.fromhex("06092a864886f70d010903")  # OIDs in DER
STAMP, TSTINFO = bytes.fromhex("060b2a864886f70d010910020e"), bytes.fromhex("060b2a864886f70d0109100104")
PSS, STAMPING = bytes.fromhex("06092a864886f70d01010a"), bytes.fromhex("06082b06010505070308")
HASHES = {bytes.fromhex(f"060960864801650304020{n + 1}"): f"sha{bits}" for n, bits in enumerate((256, 384, 512))}


class Wrong(Exception):
    """A check that does not hold; the message names what is wrong."""


def need(holds: bool, says: str) -> None:
    """Ends with Wrong unless it holds."""
    if not holds:
        raise Wrong(says)


def sha256(data: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def canonical(value: Any) -> bytes:
    """The one byte form of a JSON value (RFC 8785, for what events are made of)."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def strict_json(name: str, data: bytes) -> Any:
    """A JSON file that is written in its one form, so that no bit of it can differ unseen."""
    need(canonical(json.loads(data.decode())) == data, f"{name} is not in canonical form")
    return json.loads(data.decode())


def files_of(path: Path) -> dict[str, bytes]:
    """Name and bytes of every file of a ZIP or a folder."""
    if path.is_dir():
        return {one.relative_to(path).as_posix(): one.read_bytes() for one in sorted(path.rglob("*")) if one.is_file()}
    with zipfile.ZipFile(io.BytesIO(data := path.read_bytes())) as archive:
        need(sum(one.file_size for one in archive.infolist()) <= LARGEST, "the ZIP is larger than a proof can be")
        found = {name: archive.read(name) for name in archive.namelist()}
        need(zipped(found, archive.namelist()) == data, "the ZIP holds more than its files, or is not of Estafette")
    return found


def zipped(files: dict[str, bytes], order: list[str]) -> bytes:
    """The ZIP as Estafette writes it: stored, without dates, nothing between and nothing after."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in order:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, files[name])
    return stream.getvalue()


def check_container(proof: Any) -> str:
    """Every file is as the index says, and none is beside them."""
    proof.files = files = files_of(proof.path)
    pair = sha256(files.get(INDEX, b"")).hex().encode() in files.get(SIGNATURE, b"")
    need(pair, f"{INDEX} or {SIGNATURE} is missing, or the one is not of the other")
    index = strict_json(INDEX, files[INDEX])
    need(index["form"] == FORM and len(index) == 3, f"{INDEX} is not that of a proof in the form {FORM}")
    for name in sorted(set(index["files"]) ^ (set(files) - {INDEX, SIGNATURE})):
        raise Wrong(f"{name} is {'missing' if name in index['files'] else 'not named in the index'}")
    for name in sorted(index["files"]):
        need(sha256(files[name]).hex() == index["files"][name], f"{name} is not the file that the index names")
    proof.document = index["document"]
    return f"{len(files)} files"


def check_events(proof: Any) -> str:
    """The chain, recomputed from what each event says."""
    proof.events, prior = strict_json(EVENTS, proof.files[EVENTS])["events"], bytes(32)
    for number, event in enumerate(proof.events, start=1):
        need(event["seq"] == number and set(event) == MEMBERS, f"event {number} is missing, or has other members")
        prior = sha256(prior + canonical({**{name: event[name] for name in SAID}, "document": proof.document}))
        need(prior.hex() == event["hash"], f"event {number} is not what was written")
    return f"{len(proof.events)} events, {proof.events[0]['at']} to {proof.events[-1]['at']}"


def check_contents(proof: Any) -> str:
    """Every content that an event names, under its hash, and none beside them."""
    named = {digest for event in proof.events for _, digest in event["entries"]}
    there = {name.split("/")[1].split(".")[0]: name for name in proof.files if name.startswith("contents/")}
    for digest in sorted(named):
        need(sha256(proof.files.get(there.get(digest), b"")).hex() == digest, f"the content {digest} is missing")
    need(set(there) <= named, f"{', '.join(there[one] for one in sorted(set(there) - named))} belongs to no event")
    return f"{len(named)} contents"


def check_record(proof: Any) -> str:
    """Each payment is that of one event, which holds its SHA-256 (those of older releases do not)."""
    payments = strict_json(RECORD, proof.files[RECORD])["payments"]
    told = {one["facts"]["payment"]: one["facts"].get("sha256") for one in proof.events if one["outcome"] == "payment"}
    for one in payments:
        kept = told.pop(one["id"], "no event")
        need(kept in (None, sha256(canonical(one)).hex()), f"the payment {one['id']} is not that of its event")
    need(not told, f"a payment is missing: {', '.join(sorted(told))}")
    return f"{len(payments)} payments"


def signed(proof: Any, file: str) -> list[str]:
    """The lines of a signed note, after the name of the key name+id+base64 that is found to have signed them."""
    known, proof.reading = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+(\S+)", proof.line), file
    public = base64.b64decode(known[3]) if known else b""
    if not known or public[:1] != b"\x01" or sha256(f"{known[1]}\n".encode() + public)[:4].hex() != known[2]:
        raise Wrong(f"no key in the line {proof.line!r}, or one that does not hold together")
    text, name, encoded = re.findall("(?s)^(.*\n)\n\u2014 (\\S+) (\\S+)\n$", proof.files[file].decode())[0]
    signature = base64.b64decode(encoded)
    told = (name, signature[:4].hex(), base64.b64encode(signature).decode())
    need(told == (*known.groups()[:2], encoded), f"the key has not signed {file}")
    ed25519.Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature[4:], text.encode())
    return [known[1], *text.splitlines()]


def is_key(given: str, line: str) -> bool:
    """Whether what you gave is this key: its line, its PEM, or the SHA-256 of its 32 bytes or of its DER."""
    spki = bytes.fromhex("302a300506032b6570032100") + base64.b64decode(line.split("+", 2)[2])[1:]
    told = {line, sha256(spki[12:]).hex(), sha256(spki).hex(), base64.b64encode(spki).decode()}
    return bool(told & {one.strip() for one in given.split("-----")})


def check_checkpoint(proof: Any) -> str:
    """The archive's key has signed it, and no event is later: instants are written in one form and sort as text."""
    proof.line = proof.files[KEYS].decode().strip()
    need(not proof.given or is_key(proof.given, proof.line), "it is signed by another key than the one you gave")
    name, proof.origin, proof.size, proof.root, proof.at = signed(proof, CHECKPOINT)
    need(proof.origin == name, f"it is of the archive {proof.origin}, and the key is that of {name}")
    late = ", ".join(f"event {one['seq']} says {one['at']}" for one in proof.events if one["at"] > proof.at)
    need(not late, f"{late}, which is after the checkpoint ({proof.at})")
    index = [name, f"{name} proof", proof.document, sha256(proof.files[INDEX]).hex(), proof.at]
    need(signed(proof, SIGNATURE) == index, f"{SIGNATURE} is not of {INDEX}")
    return f"signed by {name}, as is the index: all of it was there on {proof.at}"


def check_tree(proof: Any) -> str:
    """The leaf of each event at its place, by its path (RFC 9162, 2.1.3.2)."""
    for event in proof.events:
        made = sha256(b"\x00" + sha256(bytes.fromhex(event["salt"] + event["hash"])))
        index, last = event["leaf"], int(proof.size) - 1
        need(0 <= index <= last, f"event {event['seq']} is not covered by the checkpoint")
        for one in map(bytes.fromhex, event["path"]):
            right = index & 1 or index == last
            made = sha256(b"\x01" + (one + made if right else made + one))
            while right and not index & 1 and index:
                index, last = index >> 1, last >> 1
            index, last = index >> 1, last >> 1
        need(last == 0 and made == base64.b64decode(proof.root), f"event {event['seq']} is not in the tree signed")
    return f"{len(proof.events)} leaves in a tree of {proof.size}"


def der(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """The DER elements that follow each other: tag, value, whole."""
    found, at = [], 0
    while at < len(data) - 1:
        size, start = data[at + 1], at + 2
        if size & 0x80:
            size, start = int.from_bytes(data[start : start + (size & 0x7F)], "big"), start + (size & 0x7F)
        found.append((data[at], data[start : start + size], data[at : start + size]))
        at = start + size
    return found


def check_cms(message: bytes, outside: bytes, seen: set[bytes]) -> tuple[x509.Certificate, bytes, bytes, list[Any]]:
    """Whose certificate signed it (CMS, RFC 5652), the bytes that were signed, the signature, what is beside it."""
    fields = der(der(der(der(message)[0][1])[1][1])[0][1])
    (_, _, kind), *inner = der(fields[2][1])
    content = der(inner[0][1])[0][1] if inner else outside
    ((_, signer, _),) = der(fields[-1][1])
    _, (_, sid, _), algorithm, attributes, method, (_, signature, _), *beside = der(signer)
    told = {der(one)[0][2]: der(der(one)[1][1])[0] for _, one, _ in der(attributes[1])}
    name = HASHES[der(algorithm[1])[0][2]]
    need(told[KIND][2] == kind and told[DIGEST][1] == hashlib.new(name, content).digest(), "it signs other bytes")
    seen.update(there := [whole for tag, value, _ in fields if tag == 0xA0 for _, _, whole in der(value)])
    issuer, serial = der(sid)
    own: Any = next(one for one in map(x509.load_der_x509_certificate, there) if one.issuer.public_bytes() == issuer[2]
               and one.serial_number == int.from_bytes(serial[1], "big"))  # fmt: skip
    key, chosen, covered = own.public_key(), getattr(hashes, name.upper())(), b"\x31" + attributes[2][1:]
    pad: Any = padding.PSS(padding.MGF1(chosen), padding.PSS.AUTO) if PSS in method[2] else padding.PKCS1v15()
    key.verify(signature, covered, *((ec.ECDSA(chosen),) if hasattr(key, "curve") else (pad, chosen)))
    return own, content, signature, beside


def stamp_of(token: bytes, data: bytes, seen: set[bytes]) -> str:
    """When these bytes were there, and who says so."""
    own, content, _, _ = check_cms(token, b"", seen)
    imprint, _, at = der(der(content)[0][1])[2:5]
    algorithm, digest = der(imprint[1])
    need(hashlib.new(HASHES[der(algorithm[1])[0][2]], data).digest() == digest[1], "a timestamp is of something else")
    usage = own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value.public_bytes()
    need(STAMPING in usage, "the certificate of a timestamp is not one for timestamps")
    return f"of {at[1].decode()} by {own.subject.rfc4514_string()}"


def seals_of(pdf: bytes, seen: set[bytes]) -> Iterator[str]:
    """What each signature and timestamp in a PDF says of the bytes it covers."""
    for one in re.finditer(rb"/ByteRange\s*\[\s*0\s+(\d+)\s+(\d+)\s+(\d+)\s*\]", pdf):
        until, since, size = map(int, one.groups())
        if not re.fullmatch(rb"<[0-9A-Fa-f]+>", pdf[until:since]):
            continue  # words of the document, and no seal
        message, covered = bytes.fromhex(pdf[until + 1 : since - 1].decode()), pdf[:until] + pdf[since : since + size]
        part = f", THE FIRST {since + size} OF {len(pdf)} BYTES ALONE" if since + size < len(pdf) else ""
        if TSTINFO in message[:99]:
            yield f"a timestamp {stamp_of(message, covered, seen)}{part}"
            continue
        own, _, signature, beside = check_cms(message, covered, seen)
        yield f"sealed by {own.subject.rfc4514_string()}{part}"
        for kind, values in (der(attribute) for _, value, _ in beside for _, attribute, _ in der(value)):
            if kind[2] == STAMP:
                yield f"its timestamp {stamp_of(der(values[1])[0][2], signature, seen)}"


def check_timestamps(proof: Any) -> str:
    """Each token is of the checkpoint's bytes."""
    note, tokens = proof.files[CHECKPOINT], (name for name in sorted(proof.files) if name.startswith("timestamps/"))
    told = [stamp_of(proof.files[name], note, proof.seen) for name in tokens]
    return "; ".join(told) or "none: the time of the checkpoint is what its keeper says"


def check_seals(proof: Any) -> str:
    """The sealed PDFs; and the certificates are those of the seals and timestamps."""
    sealed = [digest for one in proof.events if one["stage"] == "sealed" for _, digest in one["entries"]]
    told = [said for one in sealed for said in seals_of(proof.files.get(f"contents/{one}.pdf", b""), proof.seen)]
    need(bool(told) or not any(f"contents/{one}.pdf" in proof.files for one in sealed), "a sealed PDF bears no seal")
    kept = {f"certificates/{sha256(one).hex()}.cer" for one in proof.seen}
    for name in sorted(kept ^ {one for one in proof.files if one.startswith("certificates/")}):
        raise Wrong(f"{name} is missing, or is in no seal and no timestamp")
    return "; ".join(told) or ("a seal that is not in a PDF is not checked here" if sealed else "none")


CHECKS = (check_container, check_events, check_contents, check_record, check_checkpoint, check_tree,
          check_timestamps, check_seals)  # fmt: skip


def verify(path: Path, given: str | None = None) -> Iterator[tuple[str, str]]:
    """Run the checks in order; gives a line for each. The first that does not hold ends with Wrong."""
    proof = argparse.Namespace(path=path, given=given, seen=set())
    for check in CHECKS:
        step, proof.reading = check.__name__.partition("_")[2], "it"
        try:
            yield step, check(proof)
        except Exception as error:
            says = {Wrong: str(error), InvalidSignature: f"the key has not signed {proof.reading}"}.get(type(error))
            raise Wrong(f"{step}: {says or f'{proof.reading} is odd: {type(error).__name__}: {error}'}") from error
    yield "key", "the one you gave" if given else f"the one in the proof; compare it: {proof.line}"


def main() -> int:
    """Print what each check saw; 0 when all hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("proof", type=Path, help="the ZIP, or a folder with what was in it")
    parser.add_argument("--key", help="the key that you trust: its line name+id+base64, its PEM, or its SHA-256")
    options = parser.parse_args()
    try:
        for name, said in verify(options.proof, options.key):
            print(f"holds   {name:<11} {said}")
    except Wrong as wrong:
        print(f"FAILS   {wrong}")
        return 1
    print("The proof holds.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
