#!/usr/bin/env python3
"""Check a proof of Estafette, offline and without Estafette: python verify.py ZIP_OR_FOLDER [--key LINE]

It needs Python 3.9 or later and the package `cryptography`, and nothing else. It prints what each check saw and ends
with 0 only if all hold. What they show, from the bytes to the signature:

 1. container    the files are those that the index names, each with its SHA-256, and the ZIP holds nothing beside them
 2. contents     every document, report, receipt and status that the events name is there and has its SHA-256
 3. events       from the first, without a gap: the SHA-256 of each covers itself, its contents and the event before
 4. leaves       the leaf of each event is SHA-256(salt, hash of the event)
 5. tree         each leaf is in the hash tree whose root the checkpoint tells (RFC 9162)
 6. checkpoint   the checkpoint is signed (Ed25519, C2SP signed note)
 7. time         no event is later than the checkpoint
 8. key          whose key it is: with --key, the one you have from elsewhere; without, the one in the proof, and you
                 should compare it with what the operator publishes or with a checkpoint that was kept outside
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

INDEX, EVENTS, CHECKPOINT, KEYS = "index.json", "events.json", "checkpoint.txt", "keys.txt"
FORM = "estafette-proof/1"
LARGEST = 1_000_000_000


class Wrong(Exception):
    """A check that does not hold; the message names what is wrong."""


def sha256(data: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def canonical(value: Any) -> bytes:
    """The one byte form of a JSON value (RFC 8785, for what events are made of)."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def strict_json(name: str, data: bytes) -> Any:
    """A JSON file that is written in its one form, so that no bit of it can differ unseen."""
    try:
        value = json.loads(data.decode())
    except ValueError as error:
        raise Wrong(f"{name} is not JSON: {error}") from error
    if canonical(value) != data:
        raise Wrong(f"{name} is not in canonical form")
    return value


# 1. The container ----------------------------------------------------------------------------------------------------


def files_of(path: Path) -> dict[str, bytes]:
    """Name and bytes of every file of a ZIP or a folder."""
    if path.is_dir():
        return {one.relative_to(path).as_posix(): one.read_bytes() for one in sorted(path.rglob("*")) if one.is_file()}
    data = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if sum(one.file_size for one in entries) > LARGEST:
                raise Wrong("the ZIP is larger than a proof can be")
            found = {one.filename: archive.read(one) for one in entries}
    except Wrong:
        raise
    except Exception as error:
        raise Wrong(f"the ZIP is damaged: {error}") from error
    if zipped(found, [one.filename for one in entries]) != data:
        raise Wrong("the ZIP holds something beside its files, or was not written by Estafette")
    return found


def zipped(files: dict[str, bytes], order: Sequence[str]) -> bytes:
    """The ZIP as Estafette writes it: stored, without dates, nothing between and nothing after."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in order:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, files[name])
    return stream.getvalue()


def check_container(files: dict[str, bytes]) -> tuple[str, str]:
    """The index and what it names."""
    if INDEX not in files:
        raise Wrong(f"{INDEX} is missing")
    index = strict_json(INDEX, files[INDEX])
    if not isinstance(index, dict) or index.get("form") != FORM or set(index) != {"form", "document", "files"}:
        raise Wrong(f"{INDEX} is not that of a proof in the form {FORM}")
    named, there = set(index["files"]), set(files) - {INDEX}
    for name in sorted(named ^ there):
        raise Wrong(f"{name} is {'missing' if name in named else 'not named in the index'}")
    for name in sorted(named):
        if sha256(files[name]).hex() != index["files"][name]:
            raise Wrong(f"{name} is not the file that the index names")
    return index["document"], f"{len(named)} files"


# 2. to 4. Contents, events, leaves -----------------------------------------------------------------------------------


def check_contents(files: dict[str, bytes], events: list[Any]) -> str:
    """Every content that an event names, under its hash, and none beside them."""
    named = {digest for event in events for _, digest in event["entries"]}
    there = {name.split("/")[1].split(".")[0]: name for name in files if name.startswith("contents/")}
    for digest in sorted(named):
        if digest not in there:
            raise Wrong(f"the content {digest} is missing")
        if sha256(files[there[digest]]).hex() != digest:
            raise Wrong(f"{there[digest]} is not the content of that hash")
    for digest in sorted(set(there) - named):
        raise Wrong(f"{there[digest]} belongs to no event")
    return f"{len(named)} contents"


def check_events(document: str, events: list[Any]) -> str:
    """The chain, recomputed from what each event says."""
    prior = bytes(32)
    for number, event in enumerate(events, start=1):
        if event["seq"] != number:
            raise Wrong(f"event {number} is missing")
        body = {name: event[name] for name in ("seq", "at", "stage", "outcome", "facts", "entries")}
        prior = sha256(prior + canonical({**body, "document": document}))
        if prior.hex() != event["hash"]:
            raise Wrong(f"event {number} is not what was written")
    if not events:
        raise Wrong("there are no events")
    return f"{len(events)} events, {events[0]['at']} to {events[-1]['at']}"


def check_leaves(events: list[Any]) -> list[bytes]:
    """What stands in the tree for each event."""
    return [sha256(b"\x00" + sha256(raw(event["salt"]) + raw(event["hash"]))) for event in events]


def raw(text: Any) -> bytes:
    """32 bytes from hexadecimal."""
    if not isinstance(text, str) or not re.fullmatch(r"[0-9a-f]{64}", text):
        raise Wrong("a hash is not 64 hexadecimal digits")
    return bytes.fromhex(text)


# 5. The tree ---------------------------------------------------------------------------------------------------------


def check_tree(events: list[Any], leaves: list[bytes], size: int, root: bytes) -> str:
    """Each leaf at its place, by its path (RFC 9162, 2.1.3.2)."""
    for number, event in enumerate(events):
        made = leaves[number]
        index, path = event["leaf"], [raw(one) for one in event["path"]]
        if not isinstance(index, int) or not 0 <= index < size:
            raise Wrong(f"event {event['seq']} is not covered by the checkpoint")
        last = size - 1
        for one in path:
            if last == 0:
                raise Wrong(f"the path of event {event['seq']} is too long")
            if index & 1 or index == last:
                made = sha256(b"\x01" + one + made)
                while not index & 1 and index:
                    index, last = index >> 1, last >> 1
            else:
                made = sha256(b"\x01" + made + one)
            index, last = index >> 1, last >> 1
        if last or made != root:
            raise Wrong(f"event {event['seq']} is not in the tree of the checkpoint")
    return f"{len(events)} leaves in a tree of {size}"


# 6. to 8. The checkpoint and its key ---------------------------------------------------------------------------------


def key_of(line: str) -> tuple[str, bytes, bytes]:
    """Name, id and public key of a line name+id+base64."""
    parts = line.strip().split("+", 2)
    try:
        public = base64.b64decode(parts[2], validate=True)
        held = sha256(parts[0].encode() + b"\n" + public)[:4].hex()
    except (IndexError, ValueError) as error:
        raise Wrong(f"no key in the line {line.strip()!r}") from error
    if len(public) != 33 or public[:1] != b"\x01" or held != parts[1]:
        raise Wrong(f"the key in the line {line.strip()!r} does not hold together")
    return parts[0], bytes.fromhex(parts[1]), public[1:]


def check_checkpoint(note: str, key: tuple[str, bytes, bytes]) -> tuple[int, bytes, str, str]:
    """Size, root, instant and the key's name, once the key is found to have signed them for its own archive."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    found = re.fullmatch(
        r"(([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n([0-9T:.-]{26}Z)\n)\n((?:\u2014 \S+ \S+\n)+)", note
    )
    if not found:
        raise Wrong("it is not a checkpoint in its one form")
    for line in found[6].splitlines():
        name, encoded = line.split(" ")[1:]
        signature = base64.b64decode(encoded)
        if base64.b64encode(signature).decode() != encoded:
            raise Wrong("a signature is not in its one form")
        known, key_id, public = key
        if (known, key_id) == (name, signature[:4]):
            try:
                Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], found[1].encode())
            except InvalidSignature:
                continue
            if base64.b64encode(base64.b64decode(found[4])).decode() != found[4]:
                raise Wrong("its root is not in its one form")
            if found[2] != known:
                raise Wrong(f"it is of the archive {found[2]}, and the key is that of {known}")
            return int(found[3]), base64.b64decode(found[4]), found[5], name
    raise Wrong("the key has not signed it")


def check_time(events: list[Any], at: str) -> str:
    """Instants are written in one form, so that they sort as text."""
    for event in events:
        if event["at"] > at:
            raise Wrong(f"event {event['seq']} says {event['at']}, which is after the checkpoint ({at})")
    return f"all of it was there on {at}"


# All of it -----------------------------------------------------------------------------------------------------------


def verify(path: Path, given: str | None = None) -> Iterator[tuple[str, str]]:
    """Run the checks in order; gives a line for each. The first that does not hold ends with Wrong."""
    step = "container"
    try:
        files = files_of(path)
        document, said = check_container(files)
        yield step, said
        step = "events"
        told = strict_json(EVENTS, files[EVENTS])
        events = told["events"]
        members = {"seq", "at", "stage", "outcome", "facts", "entries", "hash", "salt", "leaf", "path"}
        if set(told) != {"events"} or any(set(event) != members for event in events):
            raise Wrong(f"{EVENTS} has other members than a proof has")
        said = check_events(document, events)
        step = "contents"
        yield step, check_contents(files, events)
        yield "events", said
        step = "leaves"
        leaves = check_leaves(events)
        yield step, f"{len(leaves)} leaves"
        step = "checkpoint"
        line = given or files[KEYS].decode()
        size, root, at, name = check_checkpoint(files[CHECKPOINT].decode(), key_of(line))
        step = "tree"
        yield step, check_tree(events, leaves, size, root)
        yield "checkpoint", f"signed by {name}"
        step = "time"
        yield step, check_time(events, at)
        yield "key", "the one you gave" if given else f"the one in the proof; compare it: {line.strip()}"
    except Wrong as wrong:
        raise Wrong(f"{step}: {wrong}") from wrong
    except Exception as error:
        raise Wrong(f"{step}: it is not as a proof is: {type(error).__name__}: {error}") from error


def main() -> int:
    """Print what each check saw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("proof", type=Path, help="the ZIP, or a folder with what was in it")
    parser.add_argument("--key", help="the line of the key that you trust: name+id+base64")
    options = parser.parse_args()
    try:
        for name, said in verify(options.proof, options.key):
            print(f"holds   {name:<11} {said}")
    except (Wrong, OSError) as wrong:
        print(f"FAILS   {wrong}")
        return 1
    print("The proof holds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
