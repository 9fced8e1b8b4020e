"""The hash tree against a second implementation, written from the text of RFC 9162 and sharing no code with ours."""

from __future__ import annotations

import os
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import tree

SIZES = 1024 if os.environ.get("ESTAFETTE_TEST_WHOLE") else 96
"""All pairs of sizes up to this one; 1,024 takes half a minute."""


# The second implementation: sections 2.1.1, 2.1.3.1 and 2.1.4.1, as they stand, recursive. ---------------------------


def mth(entries: list[bytes]) -> bytes:
    """MTH(D_n)."""
    if not entries:
        return sha256().digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = cut(len(entries))
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def cut(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


class Ranges:
    """MTH of ranges of one list, each computed once."""

    def __init__(self, entries: list[bytes]) -> None:
        self._entries = entries
        self._known: dict[tuple[int, int], bytes] = {}

    def mth(self, begin: int, end: int) -> bytes:
        if (begin, end) not in self._known:
            if end - begin == 1:
                made = sha256(b"\x00" + self._entries[begin]).digest()
            else:
                k = begin + cut(end - begin)
                made = sha256(b"\x01" + self.mth(begin, k) + self.mth(k, end)).digest()
            self._known[begin, end] = made
        return self._known[begin, end]

    def path(self, m: int, begin: int, end: int) -> list[bytes]:
        """PATH(m, D[begin:end])."""
        if end - begin == 1:
            return []
        k = cut(end - begin)
        if m < k:
            return [*self.path(m, begin, begin + k), self.mth(begin + k, end)]
        return [*self.path(m - k, begin + k, end), self.mth(begin, begin + k)]

    def subproof(self, m: int, begin: int, end: int, whole: bool) -> list[bytes]:
        """SUBPROOF(m, D[begin:end], b)."""
        if m == end - begin:
            return [] if whole else [self.mth(begin, end)]
        k = cut(end - begin)
        if m <= k:
            return [*self.subproof(m, begin, begin + k, whole), self.mth(begin + k, end)]
        return [*self.subproof(m - k, begin + k, end, False), self.mth(begin, begin + k)]


# The tests -----------------------------------------------------------------------------------------------------------


class Kept:
    """A tree as its keeper has it: full nodes, and the root at every size."""

    def __init__(self, entries: list[bytes]) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.roots = [tree.EMPTY]
        frontier = tree.Frontier()
        for entry in entries:
            for level, index, hashed in frontier.add(tree.leaf(entry)):
                assert (level, index) not in self.nodes, "a full node is made once"
                self.nodes[level, index] = hashed
            self.roots.append(frontier.root)

    def __call__(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]


ENTRIES = [f"entry {number}".encode() for number in range(1024)]


@pytest.fixture(scope="module")
def kept() -> Kept:
    return Kept(ENTRIES)


def test_root_of_every_size_is_that_of_the_rfc(kept: Kept) -> None:
    ranges = Ranges(ENTRIES)
    assert kept.roots[0] == mth([])
    assert kept.roots[7] == mth(ENTRIES[:7])
    for size in range(1, 1025):
        assert kept.roots[size] == ranges.mth(0, size) == tree.root(size, kept)


def test_every_inclusion_proof_is_that_of_the_rfc_and_holds(kept: Kept) -> None:
    ranges = Ranges(ENTRIES)
    for size in range(1, SIZES + 1):
        for index in range(size):
            path = tree.inclusion(index, size, kept)
            assert path == ranges.path(index, 0, size)
            assert tree.included(tree.leaf(ENTRIES[index]), index, size, path, kept.roots[size])


def test_every_consistency_proof_is_that_of_the_rfc_and_holds(kept: Kept) -> None:
    ranges = Ranges(ENTRIES)
    for new in range(1, SIZES + 1):
        for old in range(1, new + 1):
            path = tree.consistency(old, new, kept)
            assert path == ranges.subproof(old, 0, new, True)
            assert tree.consistent(old, new, kept.roots[old], kept.roots[new], path)


@given(st.data())
def test_a_changed_proof_does_not_hold(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 300))
    whole = Kept(ENTRIES[:size])
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion(index, size, whole)
    hashed, root = tree.leaf(ENTRIES[index]), whole.roots[size]
    at, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
    bent = bytearray(path[at])
    bent[bit // 8] ^= 1 << bit % 8
    assert not tree.included(hashed, index, size, [*path[:at], bytes(bent), *path[at + 1 :]], root)
    assert not tree.included(hashed, index, size, path[:-1], root)
    assert not tree.included(hashed, index, size, [*path, path[0]], root)
    assert not tree.included(tree.leaf(b"another"), index, size, path, root)
    for other in {index ^ 1, 0, size - 1} - {index}:
        assert not tree.included(hashed, other, size, path, root)


@given(st.data())
def test_a_changed_history_does_not_hold(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 300))
    old = data.draw(st.integers(1, new - 1))
    whole = Kept(ENTRIES[:new])
    changed = data.draw(st.integers(0, old - 1))
    other = Kept([*ENTRIES[:changed], b"rewritten", *ENTRIES[changed + 1 : new]])
    honest = tree.consistency(old, new, whole)
    forged = tree.consistency(old, new, other)
    assert tree.consistent(old, new, whole.roots[old], whole.roots[new], honest)
    for path in (honest, forged):
        assert not tree.consistent(old, new, whole.roots[old], other.roots[new], path)
        assert not tree.consistent(old, new, other.roots[old], whole.roots[new], path)
    assert not tree.consistent(old, new, whole.roots[old], whole.roots[new], honest[:-1])
    assert not tree.consistent(old, new, whole.roots[old], whole.roots[new], [*honest, honest[0]])


def test_an_edge_continues_where_it_was_kept(kept: Kept) -> None:
    for size in (0, 1, 2, 3, 7, 8, 255, 256, 700):
        frontier = tree.edge(size, kept)
        for entry in ENTRIES[size : size + 20]:
            list(frontier.add(tree.leaf(entry)))
        assert frontier.root == kept.roots[size + 20]


def test_impossible_proofs_are_refused(kept: Kept) -> None:
    with pytest.raises(IndexError):
        tree.inclusion(5, 5, kept)
    with pytest.raises(IndexError):
        tree.consistency(6, 5, kept)
    with pytest.raises(IndexError):
        tree.consistency(0, 5, kept)
    with pytest.raises(ValueError, match="one hash for each bit"):
        tree.Frontier(3, [tree.EMPTY])
    assert not tree.included(tree.EMPTY, 0, 0, [], tree.EMPTY)
    assert not tree.consistent(0, 3, tree.EMPTY, kept.roots[3], [])
    assert not tree.included(tree.leaf(ENTRIES[0]), 0, 2, [b"short"], kept.roots[2])
