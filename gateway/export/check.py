#!/usr/bin/env python3
"""Check an export of Estafette, offline and without Estafette: python check.py EXPORT.zip [--key KEY]

It needs Python 3.9 or later; where there are proofs, the package `cryptography` and verify.py, which lies in the export
and beside this program once it is unpacked. It ends with 0 only if the ZIP holds exactly the files of its manifest,
each with its SHA-256, index.json names the documents with the same hashes, and every proof verifies by one key: the one
you gave, or that of the first proof, which is told: compare it with the one the operator publishes.
KEY: the key's line (name+id+base64), its PEM, its SHA-256, or a file that has one of these.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MANIFEST, INDEX = "manifest.json", "index.json"
FORM = "estafette-export/1"
CHUNK = 1 << 20

KEYS = "keys.txt"

Verify = Callable[[Path, str | None], Iterator[Any]]
"""`verify` of verify.py: raises where a proof does not hold, or not by the key that is given."""


class Wrong(Exception):
    """A check that does not hold; the message names what is wrong."""


def check(
    path: Path,
    verify: Verify | None,
    tell: Callable[[int, int], None] = lambda done, of: None,
    key: str | None = None,
) -> str:
    """Check all of it; what was seen, in one line. Raises Wrong, without `verify` also where there is a proof.

    Every proof must be signed by `key`, or where none is given by the key of the first.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _check(archive, verify, tell, key)
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, EOFError, NotImplementedError) as unreadable:
        raise Wrong(f"the ZIP is damaged: {unreadable}") from unreadable
    except zipfile.zlib.error as unreadable:  # type: ignore[attr-defined]
        raise Wrong(f"the ZIP is damaged: {unreadable}") from unreadable


def _check(archive: zipfile.ZipFile, verify: Verify | None, tell: Callable[[int, int], None], given: str | None) -> str:
    names = archive.namelist()
    if len(set(names)) != len(names):
        raise Wrong("a file is in the ZIP twice")
    manifest = json.loads(archive.read(MANIFEST))
    if manifest.get("form") != FORM:
        raise Wrong(f"{MANIFEST} is not that of an export in the form {FORM}")
    named = manifest["files"]
    for name in sorted(set(named) ^ (set(names) - {MANIFEST})):
        raise Wrong(f"{name} is {'missing' if name in named else 'not named in the manifest'}")
    index = json.loads(archive.read(INDEX))
    proved = {document["proof"]: document for document in index["documents"] if document.get("proof")}
    proofs, key = 0, given
    for done, name in enumerate(names):
        tell(done, len(names))
        if name == MANIFEST:
            continue
        digest = hashlib.sha256()
        with archive.open(name) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        if digest.hexdigest() != named[name]["sha256"]:
            raise Wrong(f"{name} is not the file that the manifest names")
        if name.startswith("proofs/"):
            data = archive.read(name)
            key = _prove(name, data, verify, key)
            if name in proved:
                _proved(proved[name], data)
            proofs += 1
    for document in index["documents"]:
        _indexed(document, named)
    if given and not proofs:
        raise Wrong("there is no proof that the key you gave could have signed")
    by = "" if not proofs else " by the key you gave" if given else f" by the key {key}"
    return f"{len(index['documents'])} documents, {len(named)} files and {proofs} proofs hold{by}"


def _indexed(document: Any, named: Any) -> None:
    """A document's file is there under its hash, or it is told why not."""
    name = document["file"]
    if name and (name not in named or named[name]["sha256"] != document["sha256"]):
        raise Wrong(f"{name} is not the file that the index names")
    if not name and not document["left_out"]:
        raise Wrong(f"document {document['document']} is not there, and nothing says why")
    if document.get("proof") and document["proof"] not in named:
        raise Wrong(f"{document['proof']} is missing")


def _proved(document: Any, proof: bytes) -> None:
    """The proof beside a document is of this document, and of the bytes that are here."""
    with zipfile.ZipFile(io.BytesIO(proof)) as archive:
        index = json.loads(archive.read("index.json"))
    if index["document"] != document["document"]:
        raise Wrong(f"{document['proof']} is the proof of another document")
    if document["file"] and document["sha256"] not in index["files"].values():
        raise Wrong(f"{document['proof']} proves other bytes than {document['file']}")


def _prove(name: str, data: bytes, verify: Verify | None, key: str | None) -> str:
    """A proof holds by this key; the key by which it does."""
    if verify is None:
        raise Wrong(f"{name} cannot be checked without verify.py")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "proof.zip"
        path.write_bytes(data)
        try:
            for _ in verify(path, key):
                pass
        except Exception as wrong:
            raise Wrong(f"{name}: {wrong}") from wrong
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return key or archive.read(KEYS).decode().strip()


def main() -> int:
    """Check and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path)
    parser.add_argument("--key", type=key_of, help="the key that must have signed every proof")
    options = parser.parse_args()
    try:
        from verify import verify  # type: ignore[import-not-found]
    except ImportError:
        verify = None
    try:
        print(check(options.export, verify, key=options.key))
    except Wrong as wrong:
        print(f"FAILS   {wrong}")
        return 1
    return 0


def key_of(given: str) -> str:
    """The key as it is given, or as a file has it."""
    try:
        return Path(given).read_text(encoding="ascii").strip() if Path(given).is_file() else given
    except (OSError, ValueError) as unreadable:
        raise argparse.ArgumentTypeError(f"the key cannot be read: {unreadable}") from unreadable


if __name__ == "__main__":
    raise SystemExit(main())
