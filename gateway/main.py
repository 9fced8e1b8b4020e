"""The composition root: settings and environment become a running gateway. Nothing below this page reads either."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from adapters import catalogue
from adapters.port import Network, Networks, Problem, TimestampAuthority
from gateway.api.afnor.webhooks import flow_body
from gateway.chores import Chores
from gateway.clock import SystemClock
from gateway.compute import Compute
from gateway.errors import Misconfigured
from gateway.resources import Ages, Notary, Resources, Sealer
from gateway.settings import Settings, read_secret
from gateway.store import accounts, archive_keys, generations, migrate, tree
from gateway.store.archive_keys import Keyring
from gateway.store.embedded import Cluster
from gateway.store.pool import Pool, connect
from gateway.webhooks import Telling
from gateway.worker import Worker
from schemas import judge
from signing import checkpoint
from signing.checkpoint import Verifier
from signing.trust import Trust

log = logging.getLogger(__name__)

T = TypeVar("T")

DOCUMENTS_PER_PROCESS = 4
"""Documents under way for each worker process: while one computes, others wait for the database or a network."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway whose database is open and current."""

    settings: Settings
    resources: Resources
    pepper: bytes

    def worker(self) -> Worker:
        """The worker of this process."""
        return Worker(self.resources, max(1, self.settings.workers) * DOCUMENTS_PER_PROCESS)

    def chores(self, worker: Worker) -> Chores:
        """The chores of this process; they ring the worker."""
        backups = timedelta(days=self.settings.backup_days)
        return Chores(
            self.resources,
            self.settings.poll_every,
            worker.ring,
            backups=backups,
            renewal_hash=self.settings.renewal_hash,
            telling=Telling(self.pepper, partial(flow_body, self.resources)),
        )


@asynccontextmanager
async def database(settings: Settings, *, attach: bool = False) -> AsyncIterator[Pool]:
    """The database of the settings, started if it is the embedded one, migrated, checked. Raises Misconfigured.

    With `attach`, an embedded one that a gateway on this machine already runs is used as it runs.
    """
    if settings.database_url:
        async with opened(settings, settings.database_url) as pool:
            yield pool
        return
    async with embedded(settings, attach=attach) as cluster, opened(settings, cluster) as pool:
        yield pool


def embedded(settings: Settings, *, attach: bool = False) -> Cluster:
    """The private cluster of the settings, to be started."""
    return Cluster(settings.data, attach=attach, account=settings.database_account or None)


@asynccontextmanager
async def opened(settings: Settings, server: Cluster | str) -> AsyncIterator[Pool]:
    """The database of a server that runs, migrated and checked. Raises Misconfigured."""
    keys = read_keys(settings)
    file = settings.database_password_file
    password = read_secret(file) if isinstance(server, str) and file else None
    pool = await connect(server, keys=keys, password=password, max_size=settings.pool_size)
    async with _closing(pool):
        await _current(pool, keys)
        yield pool


async def _current(pool: Pool, keys: Keyring | None) -> None:
    """Migrate the database, and see that its contents can be opened. Raises Misconfigured."""
    await migrate.apply(pool)
    await generations.present(pool, _now())
    if keys is None:
        await archive_keys.check_unlocked(pool)
        return
    await keys.check(pool)
    await keys.renew(pool, _now())


def read_networks(environment: Mapping[str, str]) -> Networks:
    """The networks that are configured. Raises Misconfigured with every complaint."""
    return _sound(catalogue.build(environment, _now))


@asynccontextmanager
async def open_gateway(
    settings: Settings, environment: Mapping[str, str], *, attach: bool = False, warm: bool = False
) -> AsyncIterator[Gateway]:
    """Everything a gateway needs, given back at the end. Raises Misconfigured with every complaint.

    With `warm`, worker processes load the rules when they start, and no document waits for it.
    """
    networks = read_networks(environment)
    directory = _sound(catalogue.directory(environment, _now))
    providers = _sound(catalogue.providers(environment))
    authorities = _sound(catalogue.authorities(environment))
    sealer = _sound(read_sealer(environment, authorities))
    custodians = _sound(catalogue.custodians(environment, _now))
    revocations, courier = catalogue.revocations(environment), catalogue.courier(environment, _now)
    messenger = catalogue.messenger(environment, _now)
    held = (
        *networks.all,
        *authorities,
        *custodians,
        revocations,
        courier,
        *((messenger,) if messenger else ()),
        *((sealer.key, sealer.revocations) if sealer else ()),
        *((directory,) if directory else ()),
        *providers.values(),
    )
    async with database(settings, attach=attach) as pool, _closed(held):
        pepper = read_pepper(settings)
        await accounts.check_pepper(pool, pepper, _now())
        rules = str(settings.rules) if settings.rules else None
        loading = partial(judge.warm, rules) if warm else None
        compute = Compute(max(1, settings.workers), settings.compute_seconds, loading)
        required = settings.checkpoint_stamp == "required"
        notary = replace(
            read_notary(settings),
            custodians=custodians,
            authorities=authorities,
            revocations=revocations,
            stamps_required=required,
        )
        notary = replace(notary, former=read_verifiers(settings, notary)[1:])
        await check_notary(pool, settings, notary)
        resources = Resources(
            pool,
            networks,
            SystemClock(),
            compute,
            notary,
            sealer=sealer,
            trust=read_trust(settings),
            language=settings.language,
            rules=rules,
            courier=courier,
            messenger=messenger,
            directory=directory,
            ages=read_ages(settings),
            providers=providers,
            unlisted=settings.directory_unlisted,
        )
        try:
            yield Gateway(settings, resources, pepper)
        finally:
            compute.close()


def read_ages(settings: Settings) -> Ages:
    """How long what a directory answered is believed."""
    return Ages(
        timedelta(hours=settings.directory_fresh_hours),
        timedelta(minutes=settings.directory_none_minutes),
        timedelta(days=settings.directory_stale_days),
    )


def read_keys(settings: Settings) -> Keyring | None:
    """What locks the contents: the operator's folder, or one in the data folder beside the embedded database.

    A database of its own may belong to gateways whose data folders do not last: there the folder must be named.
    """
    if settings.archive_keys is None and settings.database_url:
        log.warning("contents are kept open: name a folder that all gateways share (ESTAFETTE_ARCHIVE_KEYS)")
        return None
    return Keyring(settings.archive_keys or settings.data / "secrets" / "archive")


def read_pepper(settings: Settings) -> bytes:
    """The key under which secrets are hashed: the operator's file, or one made in the data folder at first start."""
    path, _ = secret_files(settings)
    if settings.pepper_file is None and not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_once(path, secrets.token_hex(32))
    return read_secret(path).encode()


def secret_files(settings: Settings) -> tuple[Path, Path]:
    """What no backup holds and no restore does without, beside the archive keys: the pepper, the checkpoints' key."""
    folder = settings.data / "secrets"
    return settings.pepper_file or folder / "pepper", settings.checkpoint_key_file or folder / "checkpoint.pem"


def read_notary(settings: Settings) -> Notary:
    """Who signs the checkpoints: the operator's key, or one made in the data folder at first start.

    Without a name of its own the archive is named after its key. Raises Misconfigured.
    """
    _, path = secret_files(settings)
    if settings.checkpoint_key_file is None and not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_once(path, checkpoint.generate().decode().rstrip("\n"))
    pem = read_secret(path).encode()
    try:
        key = checkpoint.signer("estafette", pem)
        name = settings.origin or f"estafette-{key.verifier.public.hex()[:16]}"
        return Notary(checkpoint.signer(name, pem), settings.checkpoint_copies)
    except checkpoint.UnusableKey as wrong:
        raise Misconfigured(f"the checkpoint key {path.name} cannot be used: {wrong}") from wrong


def read_sealer(
    environment: Mapping[str, str], authorities: tuple[TimestampAuthority, ...]
) -> tuple[Sealer | None, tuple[Problem, ...]]:
    """Who seals originals, None without a key, and every complaint about its settings."""
    key, problems = catalogue.sealing_key(environment)
    return (Sealer(key, authorities, catalogue.revocations(environment)) if key else None), problems


def read_trust(settings: Settings) -> Trust:
    """Whose seals and timestamps are believed. Raises Misconfigured."""
    bundles = []
    for path in (settings.seal_roots, settings.timestamp_roots):
        try:
            bundles.append(path.read_bytes() if path else b"")
        except OSError as unreadable:
            raise Misconfigured(f"the root certificates in {path} cannot be read") from unreadable
    try:
        return Trust(*bundles)
    except ValueError as wrong:
        raise Misconfigured(f"the root certificates cannot be read: {wrong}") from wrong


def read_verifiers(settings: Settings, notary: Notary) -> tuple[Verifier, ...]:
    """The keys whose checkpoints are believed: the one that signs now, and those that signed before."""
    known = [notary.signer.verifier]
    if settings.checkpoint_keys is not None:
        try:
            lines = settings.checkpoint_keys.read_text(encoding="utf-8").split("\n")
            known += [checkpoint.verifier(line) for line in lines if line.strip() and not line.startswith("#")]
        except (OSError, ValueError) as wrong:
            raise Misconfigured(f"the former checkpoint keys cannot be read: {wrong}") from wrong
    return tuple(known)


async def check_notary(pool: Pool, settings: Settings, notary: Notary) -> None:
    """All gateways of one archive sign with one key. Raises Misconfigured when the last signature is a stranger's."""
    async with pool.worker() as connection:
        latest = await tree.last(connection)
    if latest is None:
        return
    try:
        checkpoint.read(latest.note, read_verifiers(settings, notary))
    except checkpoint.NotProved as wrong:
        raise Misconfigured(
            f"the last checkpoint of this archive cannot be believed ({wrong}): give every gateway the same "
            "ESTAFETTE_CHECKPOINT_KEY_FILE and ESTAFETTE_ORIGIN, and name former keys in ESTAFETTE_CHECKPOINT_KEYS"
        ) from wrong


def _write_once(path: Path, text: str) -> None:
    """Write a secret that nobody else may read, unless another process was first."""
    try:
        with open(path, "x", encoding="utf-8", opener=_private) as file:
            file.write(text + "\n")
    except FileExistsError:
        log.info("another process made %s first", path.name)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def _closing(pool: Pool) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await pool.close()


def _sound(found: tuple[T, tuple[Problem, ...]]) -> T:
    """What was configured. Raises Misconfigured with every complaint about it."""
    configured, problems = found
    if problems:
        complaints = "\n  ".join(f"{one.setting}: {one.says}" for one in problems)
        raise Misconfigured(f"the settings cannot be used:\n  {complaints}")
    return configured


@asynccontextmanager
async def _closed(adapters: Sequence[Network | TimestampAuthority]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await asyncio.gather(*(adapter.close() for adapter in adapters), return_exceptions=True)
