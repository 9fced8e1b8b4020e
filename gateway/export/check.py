#!/usr/bin/env python3
"""Check an export of Estafette, offline and without Estafette: python check.py EXPORT.zip [--key KEY]

It needs Python 3.9 or later; where there are proofs, the package `cryptography` and verify.py, which lies in the export
and beside this program once it is unpacked. It ends with 0 only if the ZIP holds exactly the files of its manifest,
each with its SHA-256, index.json names the documents with the same hashes, every proof verifies by one key: the one
you gave, or that of the first proof, which is told: compare it with the one the operator publishes; and where there is
a seal (seal.json, JAdES), it is over this manifest and its certificate signed it. Whose certificate that is, is told;
whether to trust its issuer is not judged here.
KEY: the key's line (name+id+base64), its PEM, its SHA-256, or a file that has one of these.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MANIFEST, INDEX, SEAL = "manifest.json", "index.json", "seal.json"
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
    for name in sorted(set(named) ^ (set(names) - {MANIFEST, SEAL})):
        raise Wrong(f"{name} is {'missing' if name in named else 'not named in the manifest'}")
    index = json.loads(archive.read(INDEX))
    proved = {document["proof"]: document for document in index["documents"] if document.get("proof")}
    proofs, key = 0, given
    for done, name in enumerate(names):
        tell(done, len(names))
        if name in (MANIFEST, SEAL):
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
    seal = _sealed(archive.read(SEAL), archive.read(MANIFEST), verify) if SEAL in names else ""
    return f"{len(index['documents'])} documents, {len(named)} files and {proofs} proofs hold{by}{seal}"


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


def _sealed(data: bytes, manifest: bytes, verify: Verify | None) -> str:
    """The seal is over this manifest, and its certificate's key signed it (RFC 7515, flattened; RS256 and ES256)."""
    try:
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    except ImportError as missing:
        raise Wrong(f"{SEAL} cannot be checked without the package cryptography") from missing
    try:
        seal = json.loads(data)
        if json.dumps(seal, sort_keys=True, separators=(",", ":")).encode() != data:
            raise Wrong(f"{SEAL} is not written in its one form")
        header = json.loads(_bytes(seal["protected"]))
        own = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0], validate=True))
        told, signature, key = json.loads(_bytes(seal["payload"])), _bytes(seal["signature"]), own.public_key()
        signed = f"{seal['protected']}.{seal['payload']}".encode()
        if header["alg"] == "ES256" and isinstance(key, ec.EllipticCurvePublicKey) and len(signature) == 64:
            pair = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
            key.verify(encode_dss_signature(*pair), signed, ec.ECDSA(hashes.SHA256()))
        elif header["alg"] == "RS256" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        else:
            raise Wrong(f"{SEAL} is signed in a way that is not taken")
    except InvalidSignature as wrong:
        raise Wrong(f"{SEAL} is not signed by its certificate's key") from wrong
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as odd:
        raise Wrong(f"{SEAL} is no seal: {type(odd).__name__}") from odd
    if told.get("manifest") != hashlib.sha256(manifest).hexdigest():
        raise Wrong(f"{SEAL} is the seal of another manifest")
    by = f"; sealed by {own.subject.rfc4514_string()}"
    return f"{by}, {_stamped(seal, verify)}" if "header" in seal else by


def _stamped(seal: Any, verify: Verify | None) -> str:
    """Its timestamp is of its signature, by the same program that checks those of proofs."""
    if verify is None:
        raise Wrong(f"the timestamp in {SEAL} cannot be checked without verify.py")
    try:
        (one,) = json.loads(_bytes(seal["header"]["etsiU"][0]))["sigTst"]["tstTokens"]
        token = base64.b64decode(one["val"], validate=True)
        return str(sys.modules[verify.__module__].stamp_of(token, seal["signature"].encode(), set()))
    except Exception as wrong:
        raise Wrong(f"the timestamp in {SEAL} does not hold: {wrong}") from wrong


def _bytes(text: str) -> bytes:
    """base64url without fill, in its one form. Raises ValueError."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise ValueError("it is not written as base64url")
    return data


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
