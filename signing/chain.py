"""The hash chain of a document's events: canonical bytes, and the hash that ties an event to the one before.

hash = SHA-256(prior ‖ canonical JSON of the event). Canonical JSON follows RFC 8785 for the values events are made of:
strings, integers, booleans, null, lists and maps with ASCII keys; anything else is refused rather than guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

GENESIS = bytes(32)
"""The prior hash of a first event."""


def canonical(value: Any) -> bytes:
    """The one byte form of a value (RFC 8785). Raises TypeError for floats, dates and other values that have none."""
    _refuse_strangers(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def link(prior: bytes, event: Mapping[str, Any]) -> bytes:
    """The hash of an event that follows `prior` (32 bytes)."""
    if len(prior) != 32:
        raise ValueError("the prior hash has 32 bytes")
    return sha256(prior + canonical(event)).digest()


def salted(salt: bytes, hashed: bytes) -> bytes:
    """What stands for an event in the hash tree: SHA-256(salt ‖ hash of the event); both have 32 bytes."""
    if len(salt) != 32 or len(hashed) != 32:
        raise ValueError("salt and hash have 32 bytes each")
    return sha256(salt + hashed).digest()


def instant(at: datetime) -> str:
    """An instant as events hold it: UTC, microseconds, Z."""
    if at.tzinfo is None:
        raise ValueError("an instant is aware")
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _refuse_strangers(value: Any) -> None:
    if value is None or isinstance(value, bool | int | str):
        return
    if isinstance(value, Mapping):
        for key, member in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise TypeError(f"canonical JSON here takes ASCII keys only, not {key!r}")
            _refuse_strangers(member)
    elif isinstance(value, list | tuple):
        for member in value:
            _refuse_strangers(member)
    else:
        raise TypeError(f"no canonical JSON for {type(value).__name__}")
