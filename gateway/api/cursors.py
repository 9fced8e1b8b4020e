"""Cursors of keyset pages: where the last row of a page stood, as one text that nobody needs to take apart."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, TypeVar

from gateway.errors import Malformed

T = TypeVar("T")


def write(*parts: Any) -> str:
    """The cursor of a place, whose parts are told as texts."""
    return base64.urlsafe_b64encode(json.dumps([str(part) for part in parts]).encode()).decode().rstrip("=")


def read(text: str | None, make: Callable[..., T]) -> T | None:
    """The place of a cursor, None without one; `make` takes its parts and raises ValueError. Raises Malformed."""
    if text is None:
        return None
    try:
        parts = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        if not isinstance(parts, list) or not all(isinstance(part, str) and "\0" not in part for part in parts):
            raise ValueError(text)
        return make(*parts)
    except (binascii.Error, ValueError, TypeError, RecursionError) as wrong:
        raise Malformed("the cursor is not one that we gave") from wrong
