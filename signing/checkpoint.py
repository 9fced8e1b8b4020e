"""A checkpoint: what the hash tree was at an instant, signed; a few lines of text that anybody can keep.

The form is the checkpoint of the C2SP (tlog-checkpoint, signed-note), which witnesses of transparency logs read too:

    <origin>
    <leaves, decimal>
    <root, base64>
    <instant, UTC>

    — <name of the key> <base64 of key id and signature>

The line with the instant is an extension line of ours; the signature is Ed25519 over all lines up to the empty one.
Whoever holds an old checkpoint can ask for the proof that a later tree begins with the old one (`tree.consistent`), so
a keeper who rewrites the past is found out by any copy that left the house.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from signing.chain import instant
from signing.tree import HASH_SIZE

_ED25519 = b"\x01"
"""The signature type of the signed-note form."""
_COSIGNATURE = b"\x04"
"""The type of a witness's cosignature (C2SP tlog-cosignature, version 1)."""
_SIGNATURE = re.compile(r"— (\S+) (\S+)")
_NAME = re.compile(r"[^\s+]{1,100}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")


class NotProved(Exception):
    """A checkpoint that cannot be believed; the message says why."""


class UnusableKey(ValueError):
    """Bytes that are no key of the kind that is wanted; the message says what was found."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the tree was."""

    origin: str
    """The name of the tree, unique in the world: a host name and a path, as a rule."""
    size: int
    """Leaves."""
    root: bytes
    at: datetime
    """Aware."""

    def text(self) -> str:
        """The signed lines."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n{instant(self.at)}\n"


@dataclass(frozen=True, slots=True)
class Verifier:
    """The public half of a key, and the name it signs under."""

    name: str
    public: bytes
    """Ed25519, 32 bytes."""

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell the keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def line(self) -> str:
        """The key as one line to hand out: name+id+base64, the verifier form of signed notes."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"


@dataclass(frozen=True, slots=True)
class Witness:
    """The public half of a witness's key, and its name."""

    name: str
    public: bytes
    """Ed25519, 32 bytes."""

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell the keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + _COSIGNATURE + self.public).digest()[:4]

    def line(self) -> str:
        """The key as one line to hand out."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_COSIGNATURE + self.public).decode()}"


class Signer:
    """A private key that signs checkpoints under a name."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        """`name`: without white space and plus signs. Raises UnusableKey."""
        if not _NAME.fullmatch(name):
            raise UnusableKey(f"a key's name has 1 to 100 signs and neither white space nor a plus sign: {name!r}")
        self._key = key
        public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.verifier = Verifier(name, public)

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note."""
        return self.vouch(checkpoint.text())

    def vouch(self, text: str) -> str:
        """The signed note of lines that are no checkpoint, as their second is no number. Each ends with a line end."""
        signature = base64.b64encode(self.verifier.key_id + self._key.sign(text.encode())).decode()
        return f"{text}\n— {self.verifier.name} {signature}\n"


def generate() -> bytes:
    """A new private key (Ed25519, PKCS#8, PEM)."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signer(name: str, secret: bytes) -> Signer:
    """The signer of a private key: PEM, not encrypted, or its 32 bytes as hexadecimal digits. Raises UnusableKey."""
    if re.fullmatch(rb"[0-9a-f]{64}", secret):
        return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret.decode())))
    try:
        key = serialization.load_pem_private_key(secret, password=None)
    except (ValueError, TypeError) as wrong:
        raise UnusableKey(f"the key cannot be read: {wrong}") from wrong
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableKey(f"an Ed25519 key is wanted, not {type(key).__name__.strip('_')}")
    return Signer(name, key)


def verifier(line: str) -> Verifier:
    """The verifier of the line that `Verifier.line` hands out. Raises UnusableKey."""
    name, key_id, raw = _split(line)
    found = Verifier(name, raw[1:])
    if raw[:1] != _ED25519 or len(raw) != 33 or found.key_id.hex() != key_id:
        raise UnusableKey("the line does not hold together: its id is not that of an Ed25519 key of this name")
    return found


def _split(line: str) -> tuple[str, str, bytes]:
    """Name, id and bytes of a public line. Raises UnusableKey."""
    name, _, rest = line.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        return name, key_id, _bytes(encoded)
    except ValueError as wrong:
        raise UnusableKey(f"no key in base64: {wrong}") from wrong


def witness(line: str) -> Witness:
    """The witness's key of the line that it hands out. Raises UnusableKey."""
    name, key_id, raw = _split(line)
    found = Witness(name, raw[1:])
    if raw[:1] != _COSIGNATURE or len(raw) != 33 or found.key_id.hex() != key_id:
        raise UnusableKey("the line does not hold together: its id is not that of a witness's key of this name")
    return found


def cosigned(note: str, line: str, key: Witness) -> datetime:
    """When a witness cosigned a note, by the line it answered. Raises NotProved."""
    found = _SIGNATURE.fullmatch(line)
    if found is None or found[1] != key.name:
        raise NotProved("the line is no signature of this witness")
    try:
        raw = _bytes(found[2])
        if len(raw) != 76 or raw[:4] != key.key_id:
            raise NotProved("the line is no cosignature of this key")
        seconds = int.from_bytes(raw[4:12])
        signed = f"cosignature/v1\ntime {seconds}\n{note.partition(chr(10) * 2)[0]}\n"
        Ed25519PublicKey.from_public_bytes(key.public).verify(raw[12:], signed.encode())
        return datetime.fromtimestamp(seconds, UTC)
    except (InvalidSignature, ValueError, OverflowError, OSError) as wrong:
        raise NotProved("the cosignature does not hold") from wrong


def read(note: str, keys: Iterable[Verifier]) -> Checkpoint:
    """The checkpoint of a note that one of the keys has signed. Raises NotProved."""
    text, signatures = _parts(note)
    checkpoint = _parsed(text)
    _check(text, signatures, keys)
    return checkpoint


def vouched(note: str, keys: Iterable[Verifier]) -> str:
    """The lines of a note that one of the keys has signed with `Signer.vouch`. Raises NotProved."""
    text, signatures = _parts(note)
    _check(text, signatures, keys)
    return text


def _parts(note: str) -> tuple[str, str]:
    """The lines that are signed, and those of the signatures. Raises NotProved."""
    text, empty, signatures = note.partition("\n\n")
    if not empty or not signatures.endswith("\n"):
        raise NotProved("it is no signed note: the empty line before the signatures, or the last line end, is missing")
    return text + "\n", signatures


def _check(text: str, signatures: str, keys: Iterable[Verifier]) -> None:
    """See that one of the keys has signed the text. Raises NotProved."""
    known = list(keys)
    for line in signatures.removesuffix("\n").split("\n"):
        found = _SIGNATURE.fullmatch(line)
        if found is None:
            raise NotProved("a line after the empty one is no signature")
        for key in known:
            if key.name == found[1] and _holds(key, found[2], text):
                return
    raise NotProved("none of the known keys has signed it")


def _parsed(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) != 5 or not lines[0] or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
        raise NotProved("it is no checkpoint: origin, size, root and instant are expected, a line each")
    try:
        root = _bytes(lines[2])
    except ValueError as wrong:
        raise NotProved("its root is no base64") from wrong
    if len(root) != HASH_SIZE or not _INSTANT.fullmatch(lines[3]):
        raise NotProved("its root has not 32 bytes, or its instant is none")
    try:
        checkpoint = Checkpoint(lines[0], int(lines[1]), root, datetime.fromisoformat(lines[3]))
    except ValueError as wrong:
        raise NotProved("its instant is none") from wrong
    if checkpoint.text() != text:
        raise NotProved("it is not written in the one form a checkpoint has")
    return checkpoint


def _holds(key: Verifier, encoded: str, text: str) -> bool:
    try:
        raw = _bytes(encoded)
        if raw[:4] != key.key_id:
            return False
        Ed25519PublicKey.from_public_bytes(key.public).verify(raw[4:], text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _bytes(encoded: str) -> bytes:
    """The bytes of a text in base64, which has one form only: no other signs, no bits left over. Raises ValueError."""
    raw = base64.b64decode(encoded, validate=True)
    if base64.b64encode(raw).decode() != encoded:
        raise ValueError("the base64 has bits left over")
    return raw
