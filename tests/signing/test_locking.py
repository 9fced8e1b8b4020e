"""Locked contents: they open under their key, for their account and hash, and under nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from signing.locking import LockedContent, WrongKey, lock, new_key, rewrapped, unlock

KEY, ABOUT = new_key(), b"account" + bytes(32)
DATA = b"an invoice " * 100


@pytest.mark.parametrize("data", [b"", b"x", DATA])
def test_what_is_locked_opens_again(data: bytes) -> None:
    locked = lock(data, KEY, ABOUT)
    assert unlock(locked, KEY, ABOUT) == data
    assert len(locked.wrapped) == 60
    assert len(locked.data) == len(data) + 28
    assert lock(data, KEY, ABOUT) != locked, "each has a key of its own"


def test_it_opens_under_no_other_key_for_no_other_content_and_with_no_bit_changed() -> None:
    locked = lock(DATA, KEY, ABOUT)
    for one, key, about in (
        (locked, new_key(), ABOUT),
        (locked, KEY, ABOUT + b"x"),
        (LockedContent(locked.data[:60], locked.data), KEY, ABOUT),
        (LockedContent(locked.wrapped, b""), KEY, ABOUT),
        (LockedContent(b"", b""), KEY, ABOUT),
        (LockedContent(lock(DATA, KEY, ABOUT).wrapped, locked.data), KEY, ABOUT),
        *((replace(locked, wrapped=_flipped(locked.wrapped, place)), KEY, ABOUT) for place in range(60)),
        *((replace(locked, data=_flipped(locked.data, place)), KEY, ABOUT) for place in range(0, len(locked.data), 7)),
    ):
        with pytest.raises(WrongKey):
            unlock(one, key, about)


def test_rewrapping_moves_the_key_and_leaves_the_bytes() -> None:
    locked, after = lock(DATA, KEY, ABOUT), new_key()
    moved = replace(locked, wrapped=rewrapped(locked.wrapped, KEY, after, ABOUT))
    assert unlock(moved, after, ABOUT) == DATA
    with pytest.raises(WrongKey):
        unlock(moved, KEY, ABOUT)
    with pytest.raises(WrongKey):
        rewrapped(locked.wrapped, after, KEY, ABOUT)


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
