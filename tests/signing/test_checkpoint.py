"""Checkpoints: what was signed is read back; what was touched is not believed, whatever was touched."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from signing.checkpoint import Checkpoint, NotProved, Signer, UnusableKey, generate, read, signer, verifier

AT = datetime(2026, 11, 25, 1, 2, 3, 456789, tzinfo=UTC)
CHECKPOINT = Checkpoint("archive.example.org/estafette", 12_345, bytes(range(32)), AT)


@pytest.fixture(scope="module")
def key() -> Signer:
    return signer("archive.example.org", generate())


def test_what_was_signed_is_read_back(key: Signer) -> None:
    note = key.sign(CHECKPOINT)
    assert read(note, [key.verifier]) == CHECKPOINT
    assert note.split("\n")[:2] == ["archive.example.org/estafette", "12345"]


def test_the_published_example_of_the_form_is_read() -> None:
    """The key of the signed-note page of Go's x/mod (sumdb/note): name, id and key belong together."""
    line = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    known = verifier(line)
    assert known.key_id.hex() == "c74f20a3"
    assert known.line() == line


def test_the_verifier_line_comes_back(key: Signer) -> None:
    assert verifier(key.verifier.line()) == key.verifier
    name, identifier, encoded = key.verifier.line().split("+", 2)
    for wrong in (
        f"other+{identifier}+{encoded}",
        f"{name}+00000000+{encoded}",
        f"{name}+{identifier}+!!",
        f"{name}+{identifier}+{base64.b64encode(b'short').decode()}",
        "",
    ):
        with pytest.raises(UnusableKey):
            verifier(wrong)


@given(st.data())
def test_every_changed_sign_is_found(data: st.DataObject) -> None:
    made = signer("archive.example.org", _PEM)
    note = made.sign(CHECKPOINT)
    at = data.draw(st.integers(0, len(note) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda sign: sign != note[at]))
    with pytest.raises(NotProved):
        read(note[:at] + other + note[at + 1 :], [made.verifier])


_PEM = generate()


def test_another_key_or_another_name_is_not_believed(key: Signer) -> None:
    note = key.sign(CHECKPOINT)
    stranger = signer("archive.example.org", generate())
    with pytest.raises(NotProved, match="none of the known keys"):
        read(note, [stranger.verifier])
    with pytest.raises(NotProved, match="none of the known keys"):
        read(note, [replace(key.verifier, name="other.example.org")])
    with pytest.raises(NotProved, match="none of the known keys"):
        read(note, [])
    assert read(note, [stranger.verifier, key.verifier]) == CHECKPOINT


def test_a_second_signature_of_a_stranger_does_no_harm(key: Signer) -> None:
    stranger = signer("witness.example.org", generate())
    second = stranger.sign(CHECKPOINT).rpartition("\n\n")[2]
    assert read(key.sign(CHECKPOINT) + second, [key.verifier]) == CHECKPOINT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "only one line\n",
        "origin\n12\n\n",
        "origin\n-1\nAAAA\n2026-11-25T01:02:03.000000Z\n\n— a b\n",
        "origin\n012\n" + base64.b64encode(bytes(32)).decode() + "\n2026-11-25T01:02:03.000000Z\n\n— a b\n",
        "origin\n12\n" + base64.b64encode(bytes(32)).decode() + "\n2026-13-25T01:02:03.000000Z\n\n— a b\n",
        "origin\n12\n" + base64.b64encode(bytes(31)).decode() + "\n2026-11-25T01:02:03.000000Z\n\n— a b\n",
    ],
)
def test_what_is_no_checkpoint_is_told(key: Signer, text: str) -> None:
    with pytest.raises(NotProved):
        read(text, [key.verifier])


def test_a_key_may_be_its_bare_bytes() -> None:
    secret = b"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"  # RFC 8032, 7.1, TEST 1
    made = signer("archive.example.org", secret)
    assert made.verifier.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert read(made.sign(CHECKPOINT), [made.verifier]) == CHECKPOINT


def test_unusable_keys_are_told() -> None:
    with pytest.raises(UnusableKey, match="cannot be read"):
        signer("name", b"no key")
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(UnusableKey, match="Ed25519"):
        signer("name", other)
    with pytest.raises(UnusableKey, match="neither white space"):
        signer("a name", generate())
