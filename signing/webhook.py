"""Signatures of the messages that webhooks get: Standard Webhooks 1.0, and as XP Z12-013 has them.

A webhook's secret is derived from the installation's pepper, the webhook and a number that grows when it is changed. So
none is stored, a stolen database signs nothing, and every gateway of an installation derives the same.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from uuid import UUID

PREFIX = "whsec_"
"""How a secret is written begins with this; the rest is the key in base64."""


def key(pepper: bytes, webhook_id: UUID, number: int) -> bytes:
    """The key of a webhook's secret of this number, from 1: 32 bytes."""
    return hmac.digest(pepper, f"estafette webhook {webhook_id} {number}".encode(), sha256)


def written(secret: bytes) -> str:
    """A key as it is handed to the account."""
    return PREFIX + base64.b64encode(secret).decode()


def signature(message_id: str, stamp: str, body: bytes, secret: bytes) -> str:
    """One signature of a message, as its header has it. `stamp`: seconds since 1970, as the header has them."""
    signed = f"{message_id}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, sha256)).decode()


def headers(message_id: str, at: datetime, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The three headers of a message: one signature by each key, so that a secret can be changed without a gap."""
    stamp = str(int(at.timestamp()))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(signature(message_id, stamp, body, one) for one in keys),
    }


def afnor_headers(at: datetime, body: bytes, secret: bytes) -> dict[str, str]:
    """The two headers of XP Z12-013 1.3.0: HMAC-SHA-256 over the SHA-256 of body, "@" and the seconds since 1970.

    The standard does not say how the fingerprint goes into the HMAC; here its 32 bytes do.
    """
    stamp = str(int(at.timestamp()))
    fingerprint = sha256(body + b"@" + stamp.encode()).digest()
    signature = base64.b64encode(hmac.digest(secret, fingerprint, sha256)).decode()
    return {"Afnor-Signature": signature, "Afnor-Signature-Timestamp": stamp}
