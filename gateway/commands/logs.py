"""How the gateway logs: one line per stage, never a payload, a name or an amount."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from gateway.settings import Settings

_EXTRA = ("document", "stage", "outcome", "ms", "network", "trace", "status", "method", "route")
"""Members a log line may carry; everything else is left out (allow-first)."""


class _Lines(logging.Formatter):
    """One line per record, as text or as a JSON object."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the allowed members only."""
        members = {name: getattr(record, name) for name in _EXTRA if hasattr(record, name)}
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        trace = "\n" + self.formatException(record.exc_info) if record.exc_info else ""
        if self._as_json:
            line = {"at": at, "level": record.levelname.lower(), "says": record.getMessage() + trace, **members}
            return json.dumps(line, ensure_ascii=False)
        shown = " ".join(f"{name}={value}" for name, value in members.items())
        return f"{at} {record.levelname:<7} {record.getMessage()} {shown}".rstrip() + trace


def configure(settings: Settings, level: int = logging.INFO) -> None:
    """Send log lines to standard error in the format of the settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(as_json=settings.log_format == "json"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
