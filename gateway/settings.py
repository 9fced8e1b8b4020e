"""Every setting of the gateway, read once from ESTAFETTE_* by the composition root.

All complaints are gathered and told at once. Secrets are paths to files, never values. Adapters bring their own
settings (ESTAFETTE_<ADAPTER>_*), of which this page knows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from adapters import port
from gateway.errors import Misconfigured


def setting(name: str, default: Any, says: str) -> Any:
    """A setting: the variable's name after ESTAFETTE_, its default, and what it is for, with unit and reason."""
    return field(default=default, metadata={"name": f"ESTAFETTE_{name}", "says": says})


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator can set."""

    data: Path = setting("DATA", Path("estafette-data"), "folder of the embedded PostgreSQL and of generated secrets")
    database_url: str = setting(
        "DATABASE_URL", "", "PostgreSQL 16 or later to use instead of the embedded one; without a password"
    )
    database_password_file: Path | None = setting(
        "DATABASE_PASSWORD_FILE", None, "file that holds the password for DATABASE_URL"
    )
    database_account: str = setting(
        "DATABASE_ACCOUNT",
        "",
        "when root: the account the embedded PostgreSQL runs as; postgres or nobody by default",
    )
    rules: Path | None = setting(
        "RULES", None, "folder of rule artefacts that go before those of the installed package, under the same names"
    )
    host: str = setting("HOST", "127.0.0.1", "address the API listens on; put a TLS proxy in front before widening it")
    port: int = setting("PORT", 8320, "port the API listens on")
    workers: int = setting("WORKERS", 2, "worker processes for parsing, rules and typesetting; 0: only the API")
    pepper_file: Path | None = setting(
        "PEPPER_FILE", None, "key under which secrets are hashed; made in the data folder when not set"
    )
    checkpoint_key_file: Path | None = setting(
        "CHECKPOINT_KEY_FILE",
        None,
        "key (Ed25519: PEM or 64 hexadecimal digits) that signs checkpoints; made in the data folder when not set",
    )
    checkpoint_keys: Path | None = setting(
        "CHECKPOINT_KEYS", None, "file with the public lines of keys that signed before, one a line, for the audit"
    )
    checkpoint_copies: Path | None = setting(
        "CHECKPOINT_COPIES",
        None,
        "folder that gets a copy of the checkpoints, best on another machine: it shows a rewritten or older archive",
    )
    checkpoint_stamp: str = setting(
        "CHECKPOINT_STAMP",
        "if_possible",
        "if_possible: checkpoints are stamped when an authority answers; required: nothing leaves before one did",
    )
    archive_keys: Path | None = setting(
        "ARCHIVE_KEYS",
        None,
        "folder of the keys that lock the archive's contents, shared by its gateways, copied apart from the database; "
        "by default in the data folder, or with DATABASE_URL none: contents are kept open",
    )
    renewal_hash: str = setting(
        "RENEWAL_HASH",
        "sha256",
        "sha256, or a stronger hash with which the whole archive is hashed anew: sha384, sha512 or sha3-512",
    )
    backup_days: int = setting(
        "BACKUP_DAYS",
        35,
        "how long backups are kept, in days: so long after a purge the keys of what was purged are destroyed",
    )
    seal_roots: Path | None = setting(
        "SEAL_ROOTS", None, "file with the root certificates (PEM) of the seals that are believed"
    )
    timestamp_roots: Path | None = setting(
        "TIMESTAMP_ROOTS", None, "file with the root certificates (PEM) of the timestamp authorities that are believed"
    )
    origin: str = setting("ORIGIN", "", "name of the archive in its checkpoints, for example archive.example.org")
    language: str = setting("LANGUAGE", "fr", "language of the readable page: de, en or fr")
    poll_seconds: int = setting("POLL_SECONDS", 30, "how often each network is asked for statuses, in seconds")
    directory_fresh_hours: int = setting(
        "DIRECTORY_FRESH_HOURS", 24, "how long it is believed that an address has an active line, in hours"
    )
    directory_none_minutes: int = setting(
        "DIRECTORY_NONE_MINUTES", 60, "how long it is believed that an address has no active line, in minutes"
    )
    directory_stale_days: int = setting(
        "DIRECTORY_STALE_DAYS", 7, "how old an answer may serve while the directory is away, in days; older is dropped"
    )
    directory_unlisted: str = setting(
        "DIRECTORY_UNLISTED",
        "halt",
        "halt: an invoice whose address has no active line ends before it takes a number; send: the platform decides",
    )
    compute_seconds: int = setting("COMPUTE_SECONDS", 120, "how long one parsing, judging or typesetting may take")
    requests_per_second: int = setting("REQUESTS_PER_SECOND", 100, "requests one credential may make each second")
    uploads_at_once: int = setting("UPLOADS_AT_ONCE", 10, "submissions one credential may have under way at once")
    pool_size: int = setting("POOL_SIZE", 20, "database connections of one process, at most")
    log_format: str = setting("LOG_FORMAT", "text", "json (one object a line) or text")

    @property
    def poll_every(self) -> timedelta:
        """Pause between two collections."""
        return timedelta(seconds=self.poll_seconds)


_CHOICES = {"log_format": ("json", "text"), "checkpoint_stamp": ("if_possible", "required"),
            "directory_unlisted": ("halt", "send"),
            "renewal_hash": ("sha256", "sha384", "sha512", "sha3-512")}  # fmt: skip
_LEAST = {"port": 0, "workers": 0, "pool_size": 4, "uploads_at_once": 1, "requests_per_second": 1, "poll_seconds": 1}


def read(environment: Mapping[str, str]) -> Settings:
    """Settings from the environment. Raises Misconfigured with every complaint."""
    values: dict[str, Any] = {}
    complaints: list[str] = []
    for item in fields(Settings):
        name = item.metadata["name"]
        text = environment.get(name, "")
        if text == "":
            continue
        try:
            values[item.name] = _value(item.name, item.default, text)
        except ValueError as wrong:
            complaints.append(f"{name}: {wrong}")
    if complaints:
        raise Misconfigured("the settings cannot be used:\n  " + "\n  ".join(complaints))
    return Settings(**values)


def read_secret(path: Path) -> str:
    """The content of a secret's file without its line end. Raises Misconfigured."""
    try:
        return port.read_secret(path)
    except ValueError as wrong:
        raise Misconfigured(f"a secret cannot be used: {wrong}") from wrong


def describe(settings: Settings, environment: Mapping[str, str]) -> list[tuple[str, str, str, str]]:
    """Name, value, origin and meaning of each setting, for `estafette settings`."""
    rows = []
    for item in fields(Settings):
        name = item.metadata["name"]
        value = getattr(settings, item.name)
        origin = "environment" if environment.get(name) else "default"
        rows.append((name, "" if value is None else str(value), origin, item.metadata["says"]))
    return rows


def _value(name: str, default: Any, text: str) -> Any:
    if name in _CHOICES and text not in _CHOICES[name]:
        raise ValueError(f"must be one of {', '.join(_CHOICES[name])}, not {text!r}")
    if name == "language" and text not in ("fr", "en"):
        from schemas.formats.facturx.wording import languages  # it loads the model: the commands would be slower

        if text not in languages():
            raise ValueError(f"must be one of {', '.join(languages())}, not {text!r}")
    if isinstance(default, int):
        if not text.isascii() or not text.isdigit():
            raise ValueError(f"must be a whole number, not {text!r}")
        number = int(text)
        if number < _LEAST.get(name, 1):
            raise ValueError(f"must be at least {_LEAST.get(name, 1)}")
        return number
    if name == "database_url":
        if not text.startswith(("postgresql://", "postgres://")):
            raise ValueError("must start with postgresql://")
        return text
    return Path(text) if default is None or isinstance(default, Path) else text
