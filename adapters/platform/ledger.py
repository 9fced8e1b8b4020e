"""What the simulated platform received, on disk before it is acknowledged: one line per flow, one file per content.

`flows.jsonl` is only ever appended to. A last line torn by a crash was never acknowledged and is cut off at start.
Lines that come in at the same moment share one fsync. Everything else that can be seen (verdicts, statuses) is derived
from these lines and the time, so there is nothing else to lose.
"""

from __future__ import annotations

import asyncio
import bisect
import fcntl
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from adapters.platform.reading import Delivered

FLOWS = "flows.jsonl"
CREDENTIALS = "credentials.json"


@dataclass(frozen=True, slots=True)
class Deposit:
    """One flow as a client handed it over."""

    id: str
    at: datetime
    """When it was taken, aware, UTC."""
    client: str
    name: str
    syntax: str
    sha256: str
    size: int
    pace: float
    """Seconds between the things that follow, as they were set when it was taken."""
    tracking: str | None = None
    rule: str | None = None
    """processingRule as given."""
    profile: str | None = None
    """flowProfile as given."""
    twin: str | None = None
    """Id of the earlier flow with the same bytes of the same client."""
    delivered: Delivered | None = None
    """None when the bytes are no invoice that can be read."""
    recipient: str | None = None
    """The client to whom it goes: who acts for the buyer, or the other side of what a status speaks of; None: nobody
    but the scripted buyers."""
    about: str | None = None
    """Of a status message: id of the invoice it speaks of, where the platform carried that one."""
    by_seller: bool = False
    """Of a status message: it comes from who sent the invoice."""


@dataclass(slots=True)
class Ledger:
    """The flows of one data folder. Not to be opened twice; opening it takes a lock for as long as it is open."""

    folder: Path
    lock: int
    journal: int
    flows: dict[str, Deposit] = field(default_factory=dict)
    ordered: list[tuple[datetime, str]] = field(default_factory=list)
    """(at, id), sorted."""
    first: dict[tuple[str, str], str] = field(default_factory=dict)
    """(client, sha256) → id of the first flow with that content."""
    tracked: dict[str, list[str]] = field(default_factory=dict)
    """trackingId → ids, in the order of taking."""
    named: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """(seller's SIREN, number) → ids of the invoices of that name, in the order of taking."""
    repeats: dict[str, int] = field(default_factory=dict)
    """Id of a first flow → how many more came with the same content."""
    slowest: float = 0.0
    """The longest pace of any flow, in seconds."""
    closed: bool = False
    _pending: list[tuple[bytes, asyncio.Future[None]]] = field(default_factory=list)
    _writer: asyncio.Task[None] | None = None

    async def keep(self, deposit: Deposit, data: bytes) -> None:
        """Have content and line on disk, then make the flow visible. Raises OSError when the disk does not take them.

        The content counts as known from the first moment, so that of two calls at once only one is the first.
        """
        key = (deposit.client, deposit.sha256)
        if deposit.twin is None:
            self.first.setdefault(key, deposit.id)
        try:
            await asyncio.to_thread(self._keep_content, deposit.sha256, data)
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._pending.append((_line(deposit), done))
            if self._writer is None or self._writer.done():
                self._writer = asyncio.create_task(self._write())
            await done
        except OSError:
            if self.first.get(key) == deposit.id:
                del self.first[key]
            raise
        self._index(deposit)

    def twin_of(self, client: str, digest: str) -> str | None:
        """Id of the flow that brought these bytes first; None when they are new."""
        return self.first.get((client, digest))

    def spoken_of(self, client: str, seller: str, number: str) -> Deposit | None:
        """The newest invoice of this name that the client sent or was sent; None when there is none."""
        found = (self.flows[id] for id in reversed(self.named.get((seller, number), [])))
        return next((one for one in found if client in (one.client, one.recipient)), None)

    def since(self, at: datetime) -> Sequence[str]:
        """Ids of flows taken at this instant or later, oldest first."""
        return [id for _, id in self.ordered[bisect.bisect_left(self.ordered, (at, "")) :]]

    def content(self, digest: str) -> bytes:
        """The bytes of a content."""
        return (self.folder / "content" / digest).read_bytes()

    async def close(self) -> None:
        """Finish writing and give the folder back; harmless when done twice."""
        if self._writer is not None:
            await self._writer
        if not self.closed:
            self.closed = True
            os.close(self.journal)
            os.close(self.lock)

    async def _write(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            try:
                await asyncio.to_thread(_append, self.journal, b"".join(line for line, _ in batch))
            except OSError as full:
                for _, done in batch:
                    if not done.done():
                        done.set_exception(full)
                continue
            for _, done in batch:
                if not done.done():
                    done.set_result(None)

    def _keep_content(self, digest: str, data: bytes) -> None:
        path = self.folder / "content" / digest
        if path.exists():
            return
        draft = path.with_name(f".{digest}.{secrets.token_hex(4)}")
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        _sync_folder(path.parent)

    def _index(self, deposit: Deposit) -> None:
        if deposit.twin is not None and self.first.get((deposit.client, deposit.sha256)) is None:
            deposit = replace(deposit, twin=None)  # the first one was lost in a crash before it was acknowledged
        self.flows[deposit.id] = deposit
        self.slowest = max(self.slowest, deposit.pace)
        bisect.insort(self.ordered, (deposit.at, deposit.id))
        if deposit.delivered is not None:
            self.named.setdefault((deposit.delivered.seller, deposit.delivered.number), []).append(deposit.id)
        if deposit.tracking:
            self.tracked.setdefault(deposit.tracking, []).append(deposit.id)
        if deposit.twin is None:
            self.first.setdefault((deposit.client, deposit.sha256), deposit.id)
        else:
            self.repeats[deposit.twin] = self.repeats.get(deposit.twin, 0) + 1


def open_ledger(folder: Path) -> Ledger:
    """The ledger of a folder, made when it is new. Raises BlockingIOError when another platform has it open."""
    (folder / "content").mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        journal = os.open(folder / FLOWS, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        os.close(lock)
        raise
    _sync_folder(folder)
    ledger = Ledger(folder, lock, journal)
    whole = 0
    with (folder / FLOWS).open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            ledger._index(_deposit(json.loads(line)))
            whole += len(line)
    os.ftruncate(journal, whole)
    os.lseek(journal, 0, os.SEEK_END)
    return ledger


def credentials(folder: Path, company: str = "") -> tuple[str, str]:
    """Client id and secret of this platform, made at first start in a file that only its owner may read.

    `company`: SIREN of a company that is a client of its own; its file is named after it.
    """
    path = folder / (f"company-{company}.json" if company else CREDENTIALS)
    if not path.exists():
        client = f"company-{company}" if company else "demo"
        made = {"client_id": client, "client_secret": secrets.token_urlsafe(24)}
        draft = path.with_suffix(".draft")
        with open(draft, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            json.dump(made, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        _sync_folder(folder)
    known: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return known["client_id"], known["client_secret"]


def digest(data: bytes) -> str:
    """SHA-256 as 64 lower-case hexadecimal digits."""
    return sha256(data).hexdigest()


def _append(journal: int, lines: bytes) -> None:
    """Write all of it and wait for the disk; on failure nothing of it stays."""
    start = os.lseek(journal, 0, os.SEEK_END)
    try:
        view = memoryview(lines)
        while view:
            view = view[os.write(journal, view) :]
        os.fsync(journal)
    except OSError:
        os.ftruncate(journal, start)
        raise


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _line(deposit: Deposit) -> bytes:
    fields: dict[str, Any] = asdict(deposit) | {"at": deposit.at.isoformat()}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _deposit(fields: dict[str, Any]) -> Deposit:
    delivered = fields.pop("delivered")
    at = datetime.fromisoformat(fields.pop("at"))
    return Deposit(at=at, delivered=Delivered(**delivered) if delivered else None, **fields)
