"""A sealing key in a file of this machine: PKCS#12, or PEM with the key and its certificates.

It is read once at start, refused where everybody may read the file, and held in memory from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from asn1crypto import x509

from adapters.port import Problem, read_private, read_secret
from signing import keys
from signing.keys import PrivateKey, UnusableKey

NAME = "ESTAFETTE_SEAL_KEY_FILE"
_PASSPHRASE = "ESTAFETTE_SEAL_PASSPHRASE_FILE"  # noqa: S105 - the name of a setting


class KeyFile:
    """A key in our hands."""

    def __init__(self, key: PrivateKey) -> None:
        """`key`: as it was read."""
        self._key = key

    @property
    def name(self) -> str:
        """The kind of key, for events."""
        return "file"

    async def chain(self) -> tuple[x509.Certificate, ...]:
        """The sealer's certificate, then those that lead to a root."""
        return self._key.chain

    async def sign(self, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest, made beside the event loop."""
        return await asyncio.to_thread(self._key.sign, digest)

    async def close(self) -> None:
        """Nothing is held open."""


def from_environment(environment: Mapping[str, str], problems: list[Problem]) -> KeyFile | None:
    """The key of ESTAFETTE_SEAL_KEY_FILE; None when it is not set, or cannot be used, as `problems` then tells."""
    path = environment.get(NAME, "")
    if not path:
        return None
    secret = environment.get(_PASSPHRASE, "")
    try:
        passphrase = read_secret(Path(secret)).encode() if secret else None
    except ValueError as wrong:
        problems.append(Problem(_PASSPHRASE, str(wrong)))
        return None
    try:
        return KeyFile(keys.read(read_private(Path(path)), passphrase))
    except UnusableKey as wrong:
        problems.append(Problem(NAME, f"the sealing key cannot be used: {wrong}"))
    except ValueError as wrong:
        problems.append(Problem(NAME, str(wrong)))
    return None
