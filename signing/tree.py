"""The hash tree over everything that was recorded: RFC 9162, section 2, over SHA-256.

A tree of n leaves has one root. An inclusion proof shows, in about log2(n) hashes, that a leaf is in it; a consistency
proof shows that a later tree has everything the earlier one had, in the same place. Neither shows anything about the
other leaves.

Whoever keeps the tree keeps the roots of its full subtrees and nothing else: the node (level, index) covers the leaves
index·2^level to (index + 1)·2^level - 1 and is complete once they all are. Such a node never changes, so a growing tree
only ever adds rows. Proofs are made from a function that looks a full node up; `Frontier` says which nodes a new leaf
completes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

HASH_SIZE = 32
EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""

Node: TypeAlias = tuple[int, int, bytes]
"""Level (0 for leaves), index in the level, hash of 32 bytes."""
Lookup: TypeAlias = Callable[[int, int], bytes]
"""The hash of the full node at (level, index). Raises whatever its store raises where there is none."""


def leaf(data: bytes) -> bytes:
    """The hash of a leaf; its prefix tells it from the hash of a node."""
    return sha256(b"\x00" + data).digest()


def join(left: bytes, right: bytes) -> bytes:
    """The hash of a node with these two below it."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """The right edge of a growing tree: what must be known to add a leaf, and nothing more."""

    size: int = 0
    """Leaves so far."""
    edge: list[bytes] | None = None
    """Hashes of the full subtrees that make up the tree, the largest and leftmost first; one for each bit of `size`."""

    def __post_init__(self) -> None:
        self.edge = list(self.edge or ())
        if self.size < 0 or len(self.edge) != self.size.bit_count():
            raise ValueError("the edge of a tree has one hash for each bit of its size")

    def add(self, hashed: bytes) -> Iterator[Node]:
        """Add a leaf by its hash; gives every node this completes, the leaf first. The iterator must be exhausted."""
        assert self.edge is not None
        level, index = 0, self.size
        yield level, index, hashed
        while index & 1:
            hashed = join(self.edge.pop(), hashed)
            level, index = level + 1, index >> 1
            yield level, index, hashed
        self.edge.append(hashed)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root of the tree as it is."""
        return _folded(self.edge or ())


def edge(size: int, lookup: Lookup) -> Frontier:
    """The right edge of the tree of `size` leaves, from its kept nodes."""
    return Frontier(size, [lookup(level, index) for level, index in _full(0, size)])


def root(size: int, lookup: Lookup) -> bytes:
    """The root of the tree of the first `size` leaves."""
    return edge(size, lookup).root


def inclusion(index: int, size: int, lookup: Lookup) -> list[bytes]:
    """The proof that leaf `index` is in the tree of the first `size` leaves. Raises IndexError when it cannot be."""
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} is not in a tree of {size} leaves")
    path: list[bytes] = []
    for begin, end in _descent(index, size):
        path.append(_subtree(begin, end, lookup))
    return path[::-1]


def consistency(old: int, new: int, lookup: Lookup) -> list[bytes]:
    """The proof that the tree of `new` leaves begins with the tree of `old`. Raises IndexError for impossible sizes."""
    if not 0 < old <= new:
        raise IndexError(f"no tree of {new} leaves begins with one of {old}")
    path: list[bytes] = []
    begin, end, whole = 0, new, True
    while end > old:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(_subtree(middle, end, lookup))
            end = middle
        else:
            path.append(_subtree(begin, middle, lookup))
            begin, whole = middle, False
    if not whole:
        path.append(_subtree(begin, end, lookup))
    return path[::-1]


def included(hashed: bytes, index: int, size: int, path: Sequence[bytes], expected: bytes) -> bool:
    """Whether the proof holds: the leaf of this hash is at `index` of the tree of `size` leaves with this root."""
    if not 0 <= index < size or any(len(one) != HASH_SIZE for one in path):
        return False
    at, last, made = index, size - 1, hashed
    for one in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            made = join(one, made)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            made = join(made, one)
        at, last = at >> 1, last >> 1
    return last == 0 and made == expected


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the proof holds: the tree of `new` leaves with `new_root` begins with that of `old` with `old_root`."""
    if not 0 < old <= new or any(len(one) != HASH_SIZE for one in path):
        return False
    if old == new:
        return not path and old_root == new_root
    steps = list(path)
    if old.bit_count() == 1:
        steps.insert(0, old_root)
    if not steps:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = steps[0]
    for one in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = join(one, before), join(one, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = join(after, one)
        at, last = at >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _split(size: int) -> int:
    """The largest power of two below `size` (at least 2): where RFC 9162 cuts a tree."""
    return 1 << (size - 1).bit_length() - 1


def _descent(index: int, size: int) -> Iterator[tuple[int, int]]:
    """From the root down to a leaf: the leaves [begin, end) of the sibling at each cut."""
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            yield middle, end
            end = middle
        else:
            yield begin, middle
            begin = middle


def _full(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The full nodes that make up the leaves [begin, end), left to right; `begin` is where such a subtree may begin."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        yield level, begin >> level
        begin += 1 << level


def _subtree(begin: int, end: int, lookup: Lookup) -> bytes:
    """The root over the leaves [begin, end)."""
    return _folded([lookup(level, index) for level, index in _full(begin, end)])


def _folded(edge: Iterable[bytes]) -> bytes:
    """The root over full subtrees, the largest first."""
    made: bytes | None = None
    for one in reversed(list(edge)):
        made = one if made is None else join(one, made)
    return EMPTY if made is None else made
