"""Locked contents: bytes under a key of their own, so that destroying the key erases every copy of them.

Each content has a data key (AES-256-GCM, random, used once). The data key is kept beside it, wrapped under an archive
key (AES-256-GCM too) that is kept elsewhere: in a file, never in the database. Who and what the bytes are, the account
and their SHA-256, is authenticated with both, so that a locked content cannot be put in the place of another.

Locking keeps a secret; it proves nothing. That bytes are the accepted ones is told by their SHA-256 in the journal.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_SIZE = 32
"""Bytes of a data key and of an archive key."""
_NONCE = 12


class WrongKey(ValueError):
    """Bytes that do not open under this key: they were changed, or belong to another key, account or content."""


@dataclass(frozen=True, slots=True)
class LockedContent:
    """A locked content, as it is kept."""

    wrapped: bytes
    """The data key under the archive key: nonce, cipher text, tag; 60 bytes."""
    data: bytes
    """The bytes under the data key: nonce, cipher text, tag; 28 bytes longer than what they hide."""


def new_key() -> bytes:
    """A random key of 256 bits."""
    return secrets.token_bytes(KEY_SIZE)


def lock(data: bytes, archive_key: bytes, about: bytes) -> LockedContent:
    """Lock bytes under a new data key; `about` says whose and what they are and is needed to open them."""
    data_key = new_key()
    return LockedContent(_hidden(archive_key, data_key, about), _hidden(data_key, data, about))


def unlock(sealed: LockedContent, archive_key: bytes, about: bytes) -> bytes:
    """The bytes. Raises WrongKey."""
    return _shown(_shown(archive_key, sealed.wrapped, about), sealed.data, about)


def rewrapped(wrapped: bytes, before: bytes, after: bytes, about: bytes) -> bytes:
    """The same data key under another archive key; the locked bytes stay as they are. Raises WrongKey."""
    return _hidden(after, _shown(before, wrapped, about), about)


def _hidden(key: bytes, data: bytes, about: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, data, about)


def _shown(key: bytes, data: bytes, about: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(data[:_NONCE], data[_NONCE:], about)
    except (InvalidTag, ValueError) as wrong:
        raise WrongKey("it does not open under this key") from wrong
