"""Evidence that outlives its algorithms and authorities, after RFC 4998: timestamps are renewed before their
certificates end, and the archive is hashed anew before its hash weakens.

A *renewal* is a few lines of canonical JSON with a timestamp over them. It covers what was before it: the renewal
before, the stamps on checkpoints since then (as the root of a tree of their tokens), and the certificates and
revocation data by which those can be judged for ever. A renewal of kind `hash_tree` covers besides every object of the
archive, hashed anew with another algorithm: each event with its contents, in the order of the leaves. What is true of
the first stamp today is then still shown when its authority is gone and SHA-256 is broken: each token is judged at the
instant of the next one, with the data kept in it, and only the last by what is known now (RFC 4998, 5.3).

The trees here are those of RFC 9162 over any of the hashes below; they are made on demand, and not kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from asn1crypto import cms
from pyhanko.sign.validation.generic_cms import extract_certs_for_validation

from signing import timestamp
from signing.chain import canonical
from signing.timestamp import NoTimestamp
from signing.trust import NO_EVIDENCE, Evidence, Trust
from signing.verdict import Indication

FORM = "estafette-renewal/1"

HASHES: Mapping[str, Callable[[bytes], Any]] = {
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
    "sha3-512": hashlib.sha3_512,
}
"""The hashes objects and tokens may be covered by."""

_STAMPED = ("sha256", "sha384", "sha512")

BEFORE = timedelta(days=365)
"""A timestamp is renewed when its certificate ends in less than so long, or in less than half of its life."""


_MEMBERS = {"form", "number", "kind", "algorithm", "prior", "stamps", "objects", "material"}
_RUN = {"begin", "end", "count", "root"}


class Kind(StrEnum):
    """What a renewal renews."""

    TIMESTAMP = "timestamp"
    """The stamps, under the same hash."""
    HASH_TREE = "hash_tree"
    """The stamps and the objects, under another hash (or objects that came since the last such)."""


@dataclass(frozen=True, slots=True)
class Covered:
    """A run of things and the root of the tree over them."""

    begin: int
    end: int
    """After the last; for stamps numbers of checkpoints, for objects places in the hash tree."""
    count: int
    root: bytes

    def as_json(self) -> dict[str, Any]:
        """As the value tells it."""
        return {"begin": self.begin, "end": self.end, "count": self.count, "root": self.root.hex()}


@dataclass(frozen=True, slots=True)
class Renewal:
    """A renewal as it is kept."""

    number: int
    """From 1."""
    value: bytes
    """What was stamped, in its canonical form."""
    token: bytes
    material: Evidence
    """By which the tokens it covers are judged."""

    @property
    def told(self) -> dict[str, Any]:
        """The members of the value. Raises ValueError when it is no renewal."""
        told = json.loads(self.value)
        if not isinstance(told, dict) or set(told) != _MEMBERS or told["form"] != FORM:
            raise ValueError("it is no renewal")
        runs = [told["stamps"], *([told["objects"]] if told["objects"] is not None else [])]
        if (
            told["algorithm"] not in HASHES
            or not all(isinstance(told[name], str) for name in ("kind", "prior", "material"))
            or not isinstance(told["number"], int)
            or not all(isinstance(run, dict) and set(run) == _RUN for run in runs)
            or not all(isinstance(run[name], int) for run in runs for name in ("begin", "end", "count"))
            or not all(isinstance(run["root"], str) for run in runs)
            or canonical(told) != self.value
        ):
            raise ValueError("it is no renewal in its canonical form")
        return told


def digest(algorithm: str, data: bytes) -> bytes:
    """The hash of data under an algorithm of HASHES. Raises KeyError."""
    made: bytes = HASHES[algorithm](data).digest()
    return made


class Growing:
    """The tree over entries that come one after the other (RFC 9162, 2.1.1): nothing is held but its right edge."""

    def __init__(self, algorithm: str) -> None:
        """`algorithm`: of HASHES."""
        self._algorithm = algorithm
        self._edge: list[bytes] = []
        self.count = 0

    def add(self, *entries: bytes) -> None:
        """These come next."""
        self.add_leaves(leaf(self._algorithm, entry) for entry in entries)

    def add_leaves(self, leaves: Iterable[bytes]) -> None:
        """The same, hashed already."""
        for made in leaves:
            index = self.count
            while index & 1:
                made, index = digest(self._algorithm, b"\x01" + self._edge.pop() + made), index >> 1  # noqa: PLW2901
            self._edge.append(made)
            self.count += 1

    @property
    def root(self) -> bytes:
        """The root over all that came."""
        if not self._edge:
            return digest(self._algorithm, b"")
        *others, top = self._edge
        for one in reversed(others):
            top = digest(self._algorithm, b"\x01" + one + top)
        return top


def leaf(algorithm: str, entry: bytes) -> bytes:
    """The leaf of an entry."""
    return digest(algorithm, b"\x00" + entry)


def root(algorithm: str, entries: Iterable[bytes]) -> bytes:
    """The root of the tree over these entries."""
    tree = Growing(algorithm)
    for entry in entries:
        tree.add(entry)
    return tree.root


@dataclass(frozen=True, slots=True)
class Tokens:
    """What many stamps come to; picklable."""

    leaves: tuple[bytes, ...]
    """Of each, in order."""
    ones: Mapping[bytes, bytes]
    """One token of each who signed, by certificate; one that cannot be read stands for itself."""


def tokens(algorithm: str, stamps: Sequence[bytes]) -> Tokens:
    """What these stamps come to. Reads each: not for where an event loop runs."""
    ones: dict[bytes, bytes] = {}
    for token in stamps:
        ones.setdefault(_signer(token), token)
    return Tokens(tuple(leaf(algorithm, token) for token in stamps), ones)


def _signer(token: bytes) -> bytes:
    try:
        found: bytes = extract_certs_for_validation(cms.ContentInfo.load(token)["content"]).signer_cert.dump()
    except Exception:  # of damaged bytes, the library's own kinds too
        return token
    return found


@dataclass(frozen=True, slots=True)
class Stamped:
    """A run of stamps: how many, the root over them, and one token of each who signed."""

    count: int
    root: bytes
    ones: tuple[bytes, ...]


def stamped(algorithm: str, stamps: Sequence[bytes]) -> Stamped:
    """A run of stamps that is at hand."""
    found, tree = tokens(algorithm, stamps), Growing(algorithm)
    tree.add_leaves(found.leaves)
    return Stamped(tree.count, tree.root, tuple(found.ones.values()))


def path(algorithm: str, entries: Sequence[bytes], index: int) -> list[bytes]:
    """The proof that an entry is at `index` of the tree over all of them. Raises IndexError."""
    if not 0 <= index < len(entries):
        raise IndexError("there is no such entry")
    found: list[bytes] = []
    begin, end = 0, len(entries)
    while end - begin > 1:
        middle = begin + (1 << (end - begin - 1).bit_length() - 1)
        if index < middle:
            found.append(root(algorithm, entries[middle:end]))
            end = middle
        else:
            found.append(root(algorithm, entries[begin:middle]))
            begin = middle
    return found[::-1]


def included(algorithm: str, entry: bytes, index: int, covered: Covered, steps: Sequence[bytes]) -> bool:
    """Whether the proof holds: the entry is at `index` of what is covered."""
    if not 0 <= index < covered.count:
        return False
    made, at, last = digest(algorithm, b"\x00" + entry), index, covered.count - 1
    for step in steps:
        if last == 0:
            return False
        if at & 1 or at == last:
            made = digest(algorithm, b"\x01" + step + made)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            made = digest(algorithm, b"\x01" + made + step)
        at, last = at >> 1, last >> 1
    return last == 0 and made == covered.root


def object_entry(algorithm: str, salt: bytes, event: Mapping[str, Any], contents: Sequence[tuple[str, str]]) -> bytes:
    """What stands for an event and its contents under an algorithm: salted, so that it tells nothing about them.

    `contents`: role and hash under this algorithm of each, in hexadecimal digits; `purged` in its place where the bytes
    are gone.
    """
    body = canonical({"event": event, "contents": sorted([role, hashed] for role, hashed in contents)})
    return digest(algorithm, salt + body)


def value(
    number: int,
    *,
    algorithm: str,
    prior: Renewal | None,
    stamps: Covered,
    material: Evidence,
    objects: Covered | None = None,
) -> bytes:
    """The lines of a renewal, to be stamped."""
    return canonical(
        {
            "form": FORM,
            "number": number,
            "kind": str(Kind.HASH_TREE if objects is not None else Kind.TIMESTAMP),
            "algorithm": algorithm,
            "prior": digest(algorithm, prior.value + prior.token).hex() if prior else "",
            "stamps": stamps.as_json(),
            "objects": objects.as_json() if objects else None,
            "material": digest(algorithm, canonical(material_json(material))).hex(),
        }
    )


def imprint(made: bytes, algorithm: str) -> bytes:
    """What an authority stamps of a value: authorities know the SHA-2 family."""
    return digest(algorithm if algorithm in _STAMPED else "sha512", made)


def material_json(material: Evidence) -> dict[str, list[str]]:
    """Certificates, lists and answers as hexadecimal digits."""
    return {
        "certificates": [one.hex() for one in material.certificates],
        "lists": [one.hex() for one in material.lists],
        "answers": [one.hex() for one in material.answers],
    }


def material(told: Mapping[str, Sequence[str]]) -> Evidence:
    """The same back. Raises ValueError, KeyError."""
    names = ("certificates", "lists", "answers")
    return Evidence(*(tuple(bytes.fromhex(one) for one in told[name]) for name in names))


def ends(token: bytes) -> tuple[datetime, datetime]:
    """When the life of the certificate that signed a token begins and ends. Raises NoTimestamp."""
    try:
        signer = extract_certs_for_validation(cms.ContentInfo.load(token)["content"]).signer_cert
        return signer.not_valid_before, signer.not_valid_after
    except Exception as wrong:
        raise NoTimestamp("the token cannot be read") from wrong


def is_due(token: bytes, now: datetime) -> bool:
    """Whether a token must be renewed soon: its certificate ends in less than a year and less than half its life."""
    begin, end = ends(token)
    return end - now < min(BEFORE, (end - begin) / 2)


@dataclass(frozen=True, slots=True)
class Judged:
    """What verifying a chain of renewals found."""

    held: int
    """Renewals whose links and tokens hold."""
    indeterminate: tuple[str, ...]
    """What could be neither believed nor refuted: no root is known, or no revocation data."""
    complaints: tuple[str, ...]


def verify(
    renewals: Sequence[Renewal],
    trust: Trust,
    now: datetime,
    stamps: Callable[[str, int, int], Stamped],
    objects: Callable[[str, int, int], bytes] | None = None,
) -> Judged:
    """Judge a chain of renewals, offline, each at the instant of the next.

    `stamps(algorithm, begin, end)`: the tokens on checkpoints of these numbers, in their order; `objects(…)`:
    the root over the entries that are kept of the objects of these places; None: objects are not looked at. Not to be
    called where an event loop runs.
    """
    complaints: list[str] = []
    unsure: list[str] = []
    held = 0
    prior: Renewal | None = None
    for one in renewals:
        following = renewals[one.number] if one.number < len(renewals) else None
        try:
            wrong = list(_links(one, prior, stamps, objects))
            at = timestamp.read(following.token).at if following else now
            for name, token, hashed, when, data in _tokens(one, following, stamps, at):
                verdict = timestamp.verify(token, hashed, trust, when, data)
                if verdict.indication is Indication.FAILED:
                    wrong.append(f"{name} does not hold: {verdict.sub}")
                elif verdict.indication is Indication.INDETERMINATE:
                    unsure.append(f"renewal {one.number}: {name}: {verdict.sub}")
        except (ValueError, KeyError, TypeError) as unreadable:
            wrong = [f"it cannot be read: {unreadable}"]
        complaints += [f"renewal {one.number}: {says}" for says in wrong]
        held += not wrong
        prior = one
    return Judged(held, tuple(unsure), tuple(complaints))


def _links(
    one: Renewal,
    prior: Renewal | None,
    stamps: Callable[[str, int, int], Stamped],
    objects: Callable[[str, int, int], bytes] | None,
) -> Iterator[str]:
    """What is wrong with what a renewal says that it covers."""
    told = one.told
    algorithm = told["algorithm"]
    if told["number"] != (prior.number + 1 if prior else 1) or one.number != told["number"]:
        yield "it is not the next one"
    if told["prior"] != (digest(algorithm, prior.value + prior.token).hex() if prior else ""):
        yield "it does not cover the renewal before"
    if told["material"] != digest(algorithm, canonical(material_json(one.material))).hex():
        yield "its certificates and revocation data are not those it covers"
    run = told["stamps"]
    found = stamps(algorithm, run["begin"], run["end"])
    if found.count != run["count"] or found.root.hex() != run["root"]:
        yield "the stamps are not those it covers"
    if (told["objects"] is not None) != (told["kind"] == Kind.HASH_TREE):
        yield "its kind and what it covers differ"
    if objects is not None and told["objects"] is not None:
        run = told["objects"]
        if objects(algorithm, run["begin"], run["end"]).hex() != run["root"]:
            yield "the objects are not those it covers"


def _tokens(
    one: Renewal, following: Renewal | None, stamps: Callable[[str, int, int], Stamped], at: datetime
) -> Iterator[tuple[str, bytes, bytes, datetime, Evidence]]:
    """What a renewal vouches for, and itself: each token with its digest, when to judge it and by which data."""
    own = timestamp.read(one.token)
    told = one.told
    yield (
        "its own stamp",
        one.token,
        imprint(one.value, told["algorithm"]),
        at,
        (following.material if following else NO_EVIDENCE),
    )
    run = told["stamps"]
    for token in stamps(told["algorithm"], run["begin"], run["end"]).ones:
        yield "a stamp it renews", token, timestamp.read(token).digest, own.at, one.material
