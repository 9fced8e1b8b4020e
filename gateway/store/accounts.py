"""Accounts, the legal entities they act for, and the credentials that open them.

Secrets are 256 random bits, shown once, kept as HMAC-SHA-256 under the installation's pepper (a file); access tokens
are kept as SHA-256. A credential is found by its public id before its account is known: row-level security shows that
one row to the one who names it, and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from asyncpg import UniqueViolationError

from gateway.errors import Conflict, Misconfigured, NotFound, Unauthenticated
from gateway.store.pool import Connection, Pool

TOKEN_LIFE = timedelta(hours=1)
"""How long an access token opens the account."""


SEALS: Mapping[str, str] = {
    "none": "no seal",
    "seal": "a seal on each original (PAdES or XAdES, B-B)",
    "timestamp": "a seal with a timestamp of an authority (B-T); the document waits while none answers",
    "timestamp_if_possible": "the same, without the timestamp while no authority answers",
    "long_term": "with timestamp and the data to verify it by for years (B-LT); waits while they cannot be had",
    "long_term_if_possible": "the same, at the level that can be had",
    "archival": "with a timestamp over all of that besides (B-LTA, of PDFs); waits while it cannot be had",
    "archival_if_possible": "the same, at the level that can be had",
}
"""What an account may ask of the seals on its originals."""


INVALID_INBOUND: Mapping[str, str] = {
    "propose": "its refusal is proposed with it, and a person sends it",
    "send": "its refusal is sent at once, with the reason",
}
"""What an account may ask for where an inbound document breaks rules."""


class Scope(StrEnum):
    """What a credential may do."""

    SUBMIT = "submit"
    """Hand in documents, ask for verdicts, record payments."""
    READ = "read"
    """Read documents, their events and contents."""
    ARCHIVE = "archive"
    """Query the archive and its proofs."""
    ADMIN = "admin"
    """Manage the account's legal entities and credentials."""


@dataclass(frozen=True, slots=True)
class Account:
    """Our customer."""

    id: UUID
    name: str
    french: bool
    """Judge its documents by the French rules too."""
    original: str
    """What build makes of a submission: facturx or as_submitted."""
    participants: tuple[str, ...]
    """SIREN of each legal entity it may act for, the first one first."""
    seal: str = "none"
    """What it asks of the seals on its originals, one of SEALS."""
    seal_qualified: bool = False
    """Seal by a qualified certificate only, whose key is in a qualified device."""
    seal_visible: bool = False
    """Put a mark that is seen on the first page of a PDF."""
    invalid_inbound: str = "propose"
    """What is done about an inbound document that breaks rules, one of INVALID_INBOUND."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a caller presents, shown once."""

    public_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an account and what the credential lets it do."""

    account: Account
    public_id: str
    scopes: frozenset[Scope]


async def create(  # noqa: PLR0913 - an account's own members
    pool: Pool,
    account_id: UUID,
    *,
    name: str,
    siren: str,
    french: bool,
    original: str,
    now: datetime,
    seal: str = "none",
    seal_qualified: bool = False,
    seal_visible: bool = False,
) -> Account:
    """Open an account with its first legal entity."""
    async with pool.account(account_id) as connection:
        await connection.execute(
            "insert into account (account_id, name, french, original, created_at, seal, seal_qualified, seal_visible) "
            "values ($1, $2, $3, $4, $5, $6, $7, $8)",
            account_id,
            name,
            french,
            original,
            now,
            seal,
            seal_qualified,
            seal_visible,
        )
        await _insert_participant(connection, account_id, siren, name, now)
    return Account(account_id, name, french, original, (siren,), seal, seal_qualified, seal_visible)


async def add_participant(pool: Pool, account_id: UUID, *, siren: str, name: str, now: datetime) -> None:
    """Let the account act for one more legal entity. Raises Conflict when it already does."""
    async with pool.account(account_id) as connection:
        await _insert_participant(connection, account_id, siren, name, now)


async def get(pool: Pool, account_id: UUID) -> Account:
    """One account. Raises NotFound."""
    async with pool.account(account_id) as connection:
        return await _account(connection, account_id)


async def answer_invalid(pool: Pool, account_id: UUID, how: str) -> None:
    """Set what is done about an inbound document that breaks rules, one of INVALID_INBOUND. Raises NotFound."""
    async with pool.account(account_id) as connection:
        known = await connection.fetchval(
            "update account set invalid_inbound = $2 where account_id = $1 returning true", account_id, how
        )
    if not known:
        raise NotFound("there is no such account")


async def every_id(pool: Pool) -> list[UUID]:
    """The ids of all accounts, for chores that go through them one by one."""
    async with pool.worker() as connection:
        return [
            row["account_id"] for row in await connection.fetch("select account_id from account order by account_id")
        ]


async def issue(
    pool: Pool, account_id: UUID, pepper: bytes, *, kind: str, scopes: frozenset[Scope], now: datetime
) -> Credential:
    """Make a credential: kind `client` for OAuth2, `key` for an API key. The secret is returned this once."""
    public_id = ("estc_" if kind == "client" else "estk_") + secrets.token_hex(10)
    secret = secrets.token_urlsafe(32)
    async with pool.account(account_id) as connection:
        await connection.execute(
            "insert into credential (account_id, public_id, kind, secret_hmac, scopes, created_at) "
            "values ($1, $2, $3, $4, $5, $6)",
            account_id,
            public_id,
            kind,
            _hmac(pepper, secret),
            sorted(scopes),
            now,
        )
    return Credential(public_id, secret)


async def revoke(pool: Pool, account_id: UUID, public_id: str, now: datetime) -> None:
    """End a credential and its tokens at once. Raises NotFound."""
    async with pool.account(account_id) as connection:
        ended = await connection.fetchval(
            "update credential set revoked_at = $2 where public_id = $1 and revoked_at is null returning public_id",
            public_id,
            now,
        )
        if ended is None:
            raise NotFound("there is no such credential in force")
        await connection.execute("delete from token where public_id = $1", public_id)


async def open_with_secret(pool: Pool, pepper: bytes, public_id: str, secret: str, now: datetime) -> Caller:
    """Who presents this client id or API key. Raises Unauthenticated, the same for each reason."""
    async with pool.credential(public_id) as connection:
        row = await connection.fetchrow(
            "select account_id, secret_hmac, scopes, expires_at, revoked_at from credential where public_id = $1",
            public_id,
        )
    known = bytes(row["secret_hmac"]) if row else bytes(32)
    if not hmac.compare_digest(known, _hmac(pepper, secret)) or row is None or not _in_force(row, now):
        raise Unauthenticated("the credential is unknown, expired or revoked")
    account = await get(pool, row["account_id"])
    return Caller(account, public_id, frozenset(Scope(scope) for scope in row["scopes"]))


async def grant_token(pool: Pool, caller: Caller, scopes: frozenset[Scope], now: datetime) -> str:
    """An access token for TOKEN_LIFE with these scopes, which the credential must have; expired ones are swept."""
    token = "estt_" + secrets.token_urlsafe(32)
    async with pool.account(caller.account.id) as connection:
        await connection.execute("delete from token where expires_at < $1", now)
        await connection.execute(
            "insert into token (account_id, public_id, sha256, scopes, expires_at) values ($1, $2, $3, $4, $5)",
            caller.account.id,
            caller.public_id,
            hashlib.sha256(token.encode()).digest(),
            sorted(scopes),
            now + TOKEN_LIFE,
        )
    return token


async def open_with_token(pool: Pool, token: str, now: datetime) -> Caller:
    """Who presents this access token. Raises Unauthenticated."""
    digest = hashlib.sha256(token.encode()).digest()
    async with pool.credential(digest.hex()) as connection:
        row = await connection.fetchrow(
            "select account_id, public_id, scopes, expires_at from token where sha256 = $1", digest
        )
    if row is None or row["expires_at"] <= now:
        raise Unauthenticated("the access token is unknown or has expired")
    account = await get(pool, row["account_id"])
    return Caller(account, row["public_id"], frozenset(Scope(scope) for scope in row["scopes"]))


def pepper_check(pepper: bytes) -> bytes:
    """What a database keeps of its pepper, to know it again."""
    return _hmac(pepper, "estafette")


async def check_pepper(pool: Pool, pepper: bytes, now: datetime) -> None:
    """All gateways of one database share one pepper. Raises Misconfigured when this one has another."""
    check = pepper_check(pepper)
    async with pool.credential("") as connection:
        await connection.execute(
            "insert into installation (pepper_check, created_at) values ($1, $2) on conflict do nothing", check, now
        )
        known = await connection.fetchval("select pepper_check from installation")
    if not hmac.compare_digest(bytes(known), check):
        raise Misconfigured(
            "the pepper file is not the one this database was set up with: no credential would open; "
            "give every gateway the same ESTAFETTE_PEPPER_FILE"
        )


async def _insert_participant(connection: Connection, account_id: UUID, siren: str, name: str, now: datetime) -> None:
    try:
        await connection.execute(
            "insert into participant (account_id, siren, name, created_at) values ($1, $2, $3, $4)",
            account_id,
            siren,
            name,
            now,
        )
    except UniqueViolationError as known:
        raise Conflict(f"the account already acts for {siren}") from known


async def _account(connection: Connection, account_id: UUID) -> Account:
    row = await connection.fetchrow(
        """
        select name, french, original, seal, seal_qualified, seal_visible, invalid_inbound,
            array(select siren from participant order by created_at, siren) as participants from account
        where account_id = $1
        """,
        account_id,
    )
    if row is None:
        raise NotFound("there is no such account")
    return Account(
        account_id,
        row["name"],
        row["french"],
        row["original"],
        tuple(row["participants"]),
        row["seal"],
        row["seal_qualified"],
        row["seal_visible"],
        row["invalid_inbound"],
    )


def _in_force(row: dict[str, datetime | None], now: datetime) -> bool:
    expires = row["expires_at"]
    return row["revoked_at"] is None and (expires is None or expires > now)


def _hmac(pepper: bytes, secret: str) -> bytes:
    return hmac.new(pepper, secret.encode(), hashlib.sha256).digest()
