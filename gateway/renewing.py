"""The renewal chore: stamps get a younger stamp before their certificates end, the archive a stronger hash before its
own weakens (RFC 4998).

A renewal is made when a stamp's certificate ends in less than a year (and half its life is over), or when the operator
names another hash (ESTAFETTE_RENEWAL_HASH). What it covers is read from its bytes. Certificates and revocation data of
all that it renews are collected first: where they cannot be had it waits, visibly, and goes on without them only in the
last month, as a renewal without them is worth more than none.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from adapters.port import Unreachable
from gateway import sealing
from gateway.compute import Compute, beside
from gateway.resources import Resources
from gateway.sealing import Missing
from gateway.store import custody, renewals, tree
from gateway.store.pool import Pool
from gateway.store.tree import Signed
from signing import evidence, revocation, timestamp
from signing.chain import canonical
from signing.evidence import HASHES, Covered, Growing, Judged, Renewal, Stamped
from signing.revocation import Signers
from signing.timestamp import NoTimestamp, Token
from signing.trust import NO_EVIDENCE, Evidence, Trust

log = logging.getLogger(__name__)

NAME = "renewal"
"""Among those that fail."""
PAUSE = timedelta(days=30)
"""Between two renewals, as an authority may stamp with an old certificate for long."""
LAST_MONTH = timedelta(days=30)

_Roots = dict[tuple[str, int, int], bytes]
"""Roots over runs of objects, by algorithm and places."""
_Runs = Mapping[tuple[str, int, int], Stamped]
"""Runs of stamps, by algorithm and numbers of checkpoints."""
_NO_STAMPS = Stamped(0, b"", ())


class Waits(Exception):
    """A renewal cannot be made now; the message says why."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What the next renewal covers."""

    chain: tuple[Renewal, ...]
    stamps: Stamped
    """Since the last one."""
    begin: int
    end: int
    """Numbers of their checkpoints: the first, and after the last."""
    latest: Signed

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """What it renews: of each authority one token, as one certificate signed them all."""
        return (*(one.token for one in self.chain[-1:]), *self.stamps.ones)


async def run(resources: Resources, algorithm: str, *, at_once: bool = False) -> Renewal | None:
    """Renew what is due, with `at_once` whatever there is; None when nothing is. Raises Waits."""
    now = resources.clock.now()
    subject = await _subject(resources, algorithm)
    if subject is None:
        return None
    if not (at_once or await asyncio.to_thread(_due, subject, algorithm, now)):
        await _vouch(resources, subject, now)
        return None
    try:
        made = await _renewed(resources, subject, algorithm, now)
    except Waits as waits:
        await custody.note_trouble(resources.pool, NAME, str(waits), now)
        raise
    await custody.works(resources.pool, NAME)
    if (folder := resources.notary.copies) is not None:
        try:
            await asyncio.to_thread(_copy, folder, made)
        except OSError as unable:
            await custody.note_trouble(resources.pool, NAME, f"no copy outside: {unable.strerror}", now)
            log.error("a renewal could not be copied outside: %s", unable.strerror)
    log.info("evidence renewed", extra={"renewal": made.number, "algorithm": algorithm})
    return made


async def _vouch(resources: Resources, subject: Subject, now: datetime) -> None:
    """Keep what issuers say today of those who signed what will be renewed: they may be gone by then."""
    for signer in await asyncio.to_thread(_signers, subject.tokens):
        try:
            found = await _published(resources, signer, now)
        except Waits as vain:
            log.warning("revocation data cannot be had: %s", vain)
            continue
        await renewals.vouch(resources.pool, sha256(signer.certificate).digest(), found, now)


async def audit(
    pool: Pool, trust: Trust, now: datetime, copies: Path | None = None, compute: Compute | None = None
) -> Judged:
    """Judge the chain of renewals, hold it against the copies outside, and hash every object anew that is kept under a
    renewed hash.
    """
    async with pool.worker(snapshot=True) as connection:
        chain = await renewals.chain(connection)
        wrong = [f"an object hashed with {one} is of no leaf" for one in await renewals.strangers(connection)]
    roots, missing = await _roots(pool, chain)
    runs: dict[tuple[str, int, int], Stamped] = {}
    for one in _readable(chain):
        run, algorithm = one.told["stamps"], one.told["algorithm"]
        runs[algorithm, run["begin"], run["end"]] = await _stamps(pool, algorithm, run["begin"], run["end"], compute)
    found = await beside(compute, _verified, chain, trust, now, (runs, roots))
    wrong += missing
    wrong += await _changed(pool, chain)
    if copies is not None:
        wrong += await asyncio.to_thread(_outside, copies, chain)
    return Judged(found.held, found.indeterminate, (*found.complaints, *wrong))


def _verified(chain: Sequence[Renewal], trust: Trust, now: datetime, known: tuple[_Runs, _Roots]) -> Judged:
    """The verdict on the chain. Pure, for a worker process."""
    runs, roots = known
    return evidence.verify(chain, trust, now, lambda *run: runs.get(run, _NO_STAMPS), lambda *run: roots.get(run, b""))


async def _stamps(pool: Pool, algorithm: str, begin: int, end: int | None, compute: Compute | None) -> Stamped:
    """What the stamps on checkpoints of these numbers come to, read page by page."""
    tree, ones = evidence.Growing(algorithm), dict[bytes, bytes]()
    async for page in custody.pages(pool, begin, end):
        found = await beside(compute, evidence.tokens, algorithm, [one.token for one, _ in page])
        tree.add_leaves(found.leaves)
        ones = {**found.ones, **ones}
    return Stamped(tree.count, tree.root, tuple(ones.values()))


def _copy(folder: Path, one: Renewal) -> None:
    """Whole or not at all, under the number of the renewal."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"renewal-{one.number:06}.json"
    new = path.with_suffix(".new")
    new.write_bytes(_written(one))
    new.replace(path)


def _written(one: Renewal) -> bytes:
    """The one form of a copy."""
    return canonical({"value": one.value.decode(), "token": one.token.hex()})


def _outside(folder: Path, chain: Sequence[Renewal]) -> list[str]:
    """What is wrong with the chain as the copies outside tell it: a renewal that is another, or not there any more."""
    complaints = []
    known = {f"renewal-{one.number:06}.json": one for one in chain}
    for path in sorted(folder.glob("renewal-*.json")):
        one = known.get(path.name)
        try:
            if one is None:
                complaints.append(f"the copy {path.name} tells of a renewal that is not there any more")
            elif path.read_bytes() != _written(one):
                complaints.append(f"renewal {one.number} is not the one of the copy {path.name}")
        except (OSError, UnicodeDecodeError) as wrong:
            complaints.append(f"the copy {path.name} cannot be compared: {type(wrong).__name__}")
    return complaints


async def _subject(resources: Resources, algorithm: str) -> Subject | None:
    async with resources.pool.worker(snapshot=True) as connection:
        chain = await renewals.chain(connection)
        latest, newest = await tree.last(connection), await custody.newest(connection)
    begin = chain[-1].told["stamps"]["end"] if chain else 0
    end = max(begin, newest + 1)
    stamps = await _stamps(resources.pool, algorithm, begin, end, resources.compute)
    return Subject(chain, stamps, begin, end, latest) if latest is not None and (stamps.count or chain) else None


def _due(subject: Subject, algorithm: str, now: datetime) -> bool:
    last = subject.chain[-1] if subject.chain else None
    if algorithm not in {one.told["algorithm"] for one in subject.chain} | {"sha256"}:
        return True
    if last is not None and now - timestamp.read(last.token).at < PAUSE:
        return False
    ends = {evidence.ends(token): token for token in subject.tokens}
    return any(evidence.is_due(token, now) for token in ends.values())


async def _renewed(resources: Resources, subject: Subject, algorithm: str, now: datetime) -> Renewal:
    objects = None
    if algorithm != "sha256":
        objects = await _objects(resources.pool, subject, algorithm)
    kept = await _material(resources, subject.tokens, now)
    prior = subject.chain[-1] if subject.chain else None
    stamps = Covered(subject.begin, subject.end, subject.stamps.count, subject.stamps.root)
    number = len(subject.chain) + 1
    value = evidence.value(number, algorithm=algorithm, prior=prior, stamps=stamps, material=kept, objects=objects)
    token, authority = await _stamped(resources, evidence.imprint(value, algorithm), now)
    made = Renewal(number, value, token.der, kept)
    await renewals.keep(resources.pool, made, checkpoint=subject.latest.number, at=token.at, authority=authority)
    return made


async def _objects(pool: Pool, subject: Subject, algorithm: str) -> Covered:
    """Hash every object anew that no renewal of this algorithm covers yet."""
    before = [one.told["objects"] for one in subject.chain if one.told["algorithm"] == algorithm]
    begin = max((run["end"] for run in before if run), default=0)
    end = subject.latest.size
    async for found in renewals.hashed(pool, algorithm, begin, end):
        if not all(one.sound for one in found):
            raise Waits(f"the archive is damaged at place {found[0].place}: run the audit")
        await renewals.keep_entries(pool, algorithm, found)
    try:
        objects = await _grown(pool, algorithm, begin, end)
    except ValueError as wrong:
        raise Waits(str(wrong)) from wrong
    return Covered(begin, end, objects.count, objects.root)


async def _grown(pool: Pool, algorithm: str, begin: int, end: int) -> Growing:
    """The tree over the kept entries of these places. Raises ValueError where one is missing."""
    grown = Growing(algorithm)
    async for page in renewals.entries(pool, algorithm, begin, end):
        await asyncio.to_thread(grown.add, *page)
    return grown


async def _stamped(resources: Resources, digest: bytes, now: datetime) -> tuple[Token, str]:
    """A token of the first authority whose own certificate lasts; else of the one that lasts longest. Raises Waits."""
    reasons: list[str] = []
    found: list[tuple[datetime, Token, str]] = []
    for authority in resources.notary.authorities:
        asked = timestamp.request(digest, secrets.randbits(62))
        try:
            token = timestamp.accept(asked, await authority.stamp(asked.der))
            ends = evidence.ends(token.der)[1]
        except (Unreachable, NoTimestamp) as vain:
            reasons.append(vain.reason if isinstance(vain, Unreachable) else f"{authority.name}: {vain}")
            continue
        if not evidence.is_due(token.der, now):
            return token, authority.name
        found.append((ends, token, authority.name))
    if not found:
        raise Waits("; ".join(reasons) or "no timestamp authority is configured")
    _, token, name = max(found, key=lambda one: one[0])
    return token, name


async def _material(resources: Resources, tokens: Sequence[bytes], now: datetime) -> Evidence:
    """By what everybody who signed these tokens is judged: what is published today, or was kept last. Raises Waits."""
    gathered, lacking = NO_EVIDENCE, []
    for signer in await asyncio.to_thread(_signers, tokens):
        name = sha256(signer.certificate).digest()
        try:
            found = await _published(resources, signer, now)
            await renewals.vouch(resources.pool, name, found, now)
        except Waits as vain:
            async with resources.pool.worker() as connection:
                kept = await renewals.vouched(connection, name)
            if kept is None:
                lacking.append(str(vain))
            found = kept or Evidence((signer.certificate, *signer.others))
        gathered += found
    if lacking and min(evidence.ends(token)[1] for token in tokens) - now > LAST_MONTH:
        raise Waits(f"revocation data cannot be had: {'; '.join(lacking)}")
    for one in lacking:
        log.warning("evidence is renewed without revocation data: %s", one)
    return gathered


def _signers(tokens: Sequence[bytes]) -> list[Signers]:
    """Who signed these tokens, each once."""
    return list({one.certificate: one for one in map(revocation.signers, tokens)}.values())


async def _published(resources: Resources, signer: Signers, now: datetime) -> Evidence:
    """What issuers say today of a signer's chain. Raises Waits when that does not complete it."""
    roots = resources.trust.stampers
    try:
        path, found = await sealing.published(signer, roots, resources.notary.revocations)
    except Missing as missing:
        raise Waits(str(missing)) from missing
    if roots:
        judged = await asyncio.to_thread(revocation.judged, signer, roots, now, found)
        if not (judged.trusted and judged.good):
            raise Waits(f"{path[0].subject.human_friendly}: {judged.sub}, {judged.saw}")
    return found


async def _roots(pool: Pool, chain: Sequence[Renewal]) -> tuple[_Roots, list[str]]:
    """The root over the kept entries of each run of objects."""
    roots: _Roots = {}
    wrong: list[str] = []
    for one in _readable(chain):
        run, algorithm = one.told["objects"], one.told["algorithm"]
        if run is None or algorithm not in HASHES:
            continue
        try:
            grown = await _grown(pool, algorithm, run["begin"], run["end"])
        except ValueError as missing:
            wrong.append(f"renewal {one.number}: {missing}")
            continue
        roots[algorithm, run["begin"], run["end"]] = grown.root
    return roots, wrong


def _readable(chain: Sequence[Renewal]) -> list[Renewal]:
    """Those whose value can be read; what is wrong with the others is told where the chain is judged."""
    found = []
    for one in chain:
        with suppress(ValueError):
            _ = one.told
            found.append(one)
    return found


async def _changed(pool: Pool, chain: Sequence[Renewal]) -> list[str]:
    """Objects that are not what was hashed anew then; those that lost contents at the end of their retention are not
    looked at.
    """
    complaints: list[str] = []
    sizes: dict[str, int] = {}
    for one in _readable(chain):
        if (run := one.told["objects"]) is not None:
            sizes[one.told["algorithm"]] = max(run["end"], sizes.get(one.told["algorithm"], 0))
    for algorithm, size in sizes.items():
        async for found in renewals.hashed(pool, algorithm, 0, size):
            kept = await renewals.entries_at(pool, algorithm, [one.place for one in found])
            complaints += [
                f"the object at place {one.place} is not what was hashed with {algorithm}"
                for one in found
                if one.whole and kept.get(one.place) not in (None, one.entry)  # a missing one is told already
            ]
    return complaints
