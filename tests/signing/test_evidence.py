"""Evidence over the years: trees over any hash, and chains of renewals that outlive authorities and algorithms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signing import evidence, timestamp
from signing import tree as arithmetic
from signing.chain import canonical
from signing.evidence import HASHES, Covered, Renewal
from signing.trust import Evidence, Trust
from tests.signing.authority import Person, answer, person, rsa

START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
YEAR = timedelta(days=365)


@pytest.mark.parametrize("algorithm", list(HASHES))
def test_a_tree_over_any_hash_proves_each_of_its_entries(algorithm: str) -> None:
    for size in range(1, 40):
        entries = [bytes([number]) * 3 for number in range(size)]
        covered = Covered(0, size, size, evidence.root(algorithm, entries))
        for index, entry in enumerate(entries):
            steps = evidence.path(algorithm, entries, index)
            assert evidence.included(algorithm, entry, index, covered, steps)
            assert not evidence.included(algorithm, entry + b"x", index, covered, steps)
            assert not evidence.included(algorithm, entry, index, covered, [*steps, bytes(32)])
            if size > 1:
                assert not evidence.included(algorithm, entry, (index + 1) % size, covered, steps)
                assert not evidence.included(algorithm, entry, index, covered, steps[:-1])
        with pytest.raises(IndexError):
            evidence.path(algorithm, entries, size)


def test_over_sha256_it_is_the_tree_of_the_archive() -> None:
    entries = [str(number).encode() for number in range(100)]
    frontier = arithmetic.Frontier()
    for entry in entries:
        list(frontier.add(arithmetic.leaf(entry)))
    assert evidence.root("sha256", entries) == frontier.root
    assert evidence.root("sha256", []) == arithmetic.EMPTY


class Years:
    """Twenty-one years: an authority each seven, gone two years later, and three changes of the hash."""

    def __init__(self) -> None:
        self.authorities: list[tuple[Person, Person]] = []
        for decade in range(3):
            since = START - timedelta(days=1) + YEAR * 7 * decade
            until = since + YEAR * 9
            root = person(f"Root {decade}", since=since, until=until)
            stamper = person(
                f"Authority {decade}", root, stamps=True, since=since, until=until,
                key=rsa.generate_private_key(65537, 2048),
            )  # fmt: skip
            self.authorities.append((root, stamper))
        self.trust = Trust(authorities=b"".join(root.pem for root, _ in self.authorities))
        self.chain: list[Renewal] = []
        self.tokens: dict[int, bytes] = {}
        self.entries: list[bytes] = []

    def stamp(self, digest: bytes, at: datetime) -> bytes:
        """A token of the authority of that time."""
        decade = min(2, int((at - START) / (YEAR * 7)))
        asked = timestamp.request(digest, 7)
        return timestamp.accept(asked, answer(asked.der, at, self.authorities[decade][1])).der

    def year(self, number: int, algorithm: str) -> None:
        """A year: a checkpoint is stamped, ten objects come, and everything is renewed."""
        at = START + YEAR * number
        self.tokens[number] = self.stamp(evidence.digest("sha256", str(number).encode()), at)
        self.entries += [f"{number}/{one}".encode() for one in range(10)]
        begin = self.chain[-1].told["stamps"]["end"] if self.chain else 0
        tokens = self.stamps(begin, number + 1)
        objects = None
        if algorithm != "sha256":
            done = [r.told["objects"]["end"] for r in self.chain if r.told["algorithm"] == algorithm]
            first, end = max(done, default=0), len(self.entries)
            objects = Covered(first, end, end - first, self.objects(algorithm, first, end))
        known = {person_.certificate for pair in self.authorities for person_ in pair}
        material = Evidence(tuple(one.public_bytes(evidence_encoding()) for one in sorted(known, key=str)))
        value = evidence.value(
            len(self.chain) + 1,
            algorithm=algorithm,
            prior=self.chain[-1] if self.chain else None,
            stamps=Covered(begin, number + 1, len(tokens), evidence.root(algorithm, tokens)),
            material=material,
            objects=objects,
        )
        token = self.stamp(evidence.imprint(value, algorithm), at + timedelta(hours=1))
        self.chain.append(Renewal(len(self.chain) + 1, value, token, material))

    def stamps(self, begin: int, end: int) -> Sequence[bytes]:
        """The tokens of these checkpoints."""
        return [token for number, token in sorted(self.tokens.items()) if begin <= number < end]

    def run_of(self, algorithm: str, begin: int, end: int) -> evidence.Stamped:
        """What they come to."""
        return evidence.stamped(algorithm, self.stamps(begin, end))

    def objects(self, algorithm: str, begin: int, end: int) -> bytes:
        """The root over the objects."""
        return evidence.root(algorithm, [evidence.digest(algorithm, one) for one in self.entries[begin:end]])

    def judged(self, now: datetime, chain: Sequence[Renewal] | None = None) -> evidence.Judged:
        """The verdict on the chain."""
        return evidence.verify(self.chain if chain is None else chain, self.trust, now, self.run_of, self.objects)


def evidence_encoding() -> Any:
    """DER."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.DER


ALGORITHMS = ["sha256"] * 6 + ["sha384"] * 5 + ["sha512"] * 5 + ["sha3-512"] * 5


@pytest.fixture(scope="module")
def years() -> Years:
    made = Years()
    for number, algorithm in enumerate(ALGORITHMS):
        made.year(number, algorithm)
    return made


def test_every_proof_holds_on_the_days_of_twenty_one_years(years: Years) -> None:
    for number in range(0, len(ALGORITHMS), 2):
        for days in (1, 364):
            now = START + YEAR * number + timedelta(days=days)
            chain = years.chain[: number + 1]
            told = years.judged(now, chain)
            assert (told.held, told.indeterminate, told.complaints) == (number + 1, (), ()), (number, days)


def test_without_renewal_the_first_stamp_is_not_believed_any_more(years: Years) -> None:
    now = START + YEAR * 10
    assert years.judged(now, years.chain[:1]).indeterminate
    assert years.judged(now, years.chain[:10]).indeterminate == ()


def test_an_object_is_proved_under_the_hash_of_the_day(years: Years) -> None:
    told = years.chain[-1].told
    first = next(one.told["objects"] for one in years.chain if one.told["algorithm"] == told["algorithm"])
    hashed = [evidence.digest(told["algorithm"], one) for one in years.entries[first["begin"] : first["end"]]]
    covered = Covered(first["begin"], first["end"], first["count"], bytes.fromhex(first["root"]))
    steps = evidence.path(told["algorithm"], hashed, 3)
    assert evidence.included(told["algorithm"], hashed[3], 3, covered, steps)


def _flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_what_is_changed_in_the_chain_is_named(years: Years) -> None:
    now = START + YEAR * 21
    for number in (1, 9, 21):
        one = years.chain[number - 1]
        for place in (10, len(one.value) // 2, len(one.value) - 20):
            changed = replace(one, value=_flip(one.value, place))
            chain = [*years.chain[: number - 1], changed, *years.chain[number:]]
            assert any(f"renewal {number}:" in says for says in years.judged(now, chain).complaints), place
        forged = replace(one, material=Evidence(one.material.certificates[1:]))
        chain = [*years.chain[: number - 1], forged, *years.chain[number:]]
        assert any("revocation data are not those" in says for says in years.judged(now, chain).complaints)
    for number in (3, 17):
        chain = [*years.chain[: number - 1], *years.chain[number:]]
        assert any("not the next one" in says for says in years.judged(now, chain).complaints)


def test_a_chain_made_anew_without_the_authority_does_not_hold(years: Years) -> None:
    """An operator rewrites an old value and everything after it, and has stamps of his own authority only."""
    stranger = person("Stranger root", since=START, until=START + YEAR * 40)
    stamper = person("Stranger", stranger, stamps=True, since=START, until=START + YEAR * 40,
                     key=rsa.generate_private_key(65537, 2048))  # fmt: skip
    last = years.chain[-1]
    told = {**last.told, "stamps": {**last.told["stamps"]}}
    value = canonical(told | {"algorithm": "sha512"})
    asked = timestamp.request(evidence.imprint(value, "sha512"), 7)
    token = timestamp.accept(asked, answer(asked.der, START + YEAR * 20, stamper)).der
    found = years.judged(START + YEAR * 21, [*years.chain[:-1], Renewal(last.number, value, token, last.material)])
    assert found.complaints
    assert found.indeterminate


def test_stamps_and_objects_that_were_changed_are_named(years: Years) -> None:
    now = START + YEAR * 21
    for number in (0, 12):
        kept = years.tokens[number]
        years.tokens[number] = years.tokens[number + 1]
        assert any("the stamps are not those" in says for says in years.judged(now).complaints)
        years.tokens[number] = kept
    kept = years.entries[5]
    years.entries[5] = b"another"
    assert any("the objects are not those" in says for says in years.judged(now).complaints)
    years.entries[5] = kept
    assert years.judged(now).complaints == ()


def test_a_stamp_is_due_in_the_last_year_of_its_certificate(years: Years) -> None:
    token = years.tokens[0]
    _, end = evidence.ends(token)
    assert not evidence.is_due(token, end - timedelta(days=366))
    assert evidence.is_due(token, end - timedelta(days=364))
    short = person("Short root", since=START, until=START + timedelta(days=200))
    stamper = person("Short", short, stamps=True, since=START, until=START + timedelta(days=200),
                     key=rsa.generate_private_key(65537, 2048))  # fmt: skip
    asked = timestamp.request(bytes(32), 7)
    made = timestamp.accept(asked, answer(asked.der, START, stamper)).der
    assert not evidence.is_due(made, START + timedelta(days=99))
    assert evidence.is_due(made, START + timedelta(days=101))
