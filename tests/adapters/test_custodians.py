"""Keepers of checkpoints over real sockets: an object store that locks, a witness that cosigns, a mailbox."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from yarl import URL

from adapters import catalogue, mail, s3
from adapters.port import Custodian, Note, Problem, Refused, Unreachable
from signing import checkpoint
from signing.checkpoint import Checkpoint, NotProved, Witness, cosigned, witness
from signing.tree import Frontier, consistency, leaf
from tests.adapters.conftest import now
from tests.adapters.harnesses import Mailbox
from tests.adapters.object_store import ACCESS_KEY, REGION, SECRET, Store, object_store
from tests.adapters.overseer import Observer, observer

SIGNER = checkpoint.signer("archive.example.org", checkpoint.generate())
AT = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


def note(size: int, old: int = 0, salt: bytes = b"") -> Note:
    """The checkpoint of a tree of so many leaves, with the proof from an older one."""
    nodes: dict[tuple[int, int], bytes] = {}
    frontier = Frontier()
    for number in range(size):
        for level, index, hashed in frontier.add(leaf(salt + str(number).encode())):
            nodes[level, index] = hashed
    path = tuple(consistency(old, size, lambda *at: nodes[at])) if 0 < old < size else ()
    text = SIGNER.sign(Checkpoint("archive.example.org", size, frontier.root, AT))
    return Note(size, size, AT, text, old, path)


# The object store ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[tuple[Store, Custodian]]:
    async with object_store() as made:
        secret = tmp_path / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        environment = {
            "ESTAFETTE_S3_URL": made.url,
            "ESTAFETTE_S3_REGION": REGION,
            "ESTAFETTE_S3_ACCESS_KEY": ACCESS_KEY,
            "ESTAFETTE_S3_SECRET_FILE": str(secret),
            "ESTAFETTE_EGRESS_ALLOW": made.host,
        }
        (one,), problems = catalogue.custodians(environment, now)
        assert not problems
        yield made, one
        await one.close()


async def test_a_checkpoint_is_locked_for_ten_years(store: tuple[Store, Custodian]) -> None:
    made, one = store
    kept = await one.keep(note(5))
    assert kept.evidence == b"v1"
    assert kept.knows is None
    (name,) = made.kept
    assert name == "checkpoints/20261125T090000000000Z-5.txt"
    ((version,),) = made.kept.values()
    assert version.data == note(5).text.encode()
    assert version.mode == "COMPLIANCE"
    assert version.until == AT + timedelta(days=3653)
    assert await one.keep(note(5)) is not None, "the same again is a success"


async def test_nobody_removes_it_in_time(store: tuple[Store, Custodian]) -> None:
    made, one = store
    await one.keep(note(5))
    (key,) = made.kept
    assert made._delete(key, "v1").status == 403


@pytest.mark.parametrize("status", [403, 404, 400, 501])
async def test_a_store_that_refuses_is_told_as_such(store: tuple[Store, Custodian], status: int) -> None:
    made, one = store
    made.status = status
    with pytest.raises(Refused, match=str(status)):
        await one.keep(note(5))


@pytest.mark.parametrize("status", [500, 503, 429, 301])
async def test_a_store_that_is_away_is_unreachable(store: tuple[Store, Custodian], status: int) -> None:
    made, one = store
    made.status = status
    with pytest.raises(Unreachable):
        await one.keep(note(5))


async def test_a_bucket_that_locks_nothing_is_refused(store: tuple[Store, Custodian]) -> None:
    made, one = store
    made.locks = False
    with pytest.raises(Refused):
        await one.keep(note(5))
    assert not made.kept


async def test_another_secret_is_refused_by_the_store(store: tuple[Store, Custodian], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("another")
    with pytest.raises(Refused, match="403"):
        await store[1].keep(note(5))


def test_the_signature_is_that_of_the_published_example() -> None:
    """The example "PUT Object" of the description of Signature Version 4 for S3."""
    body = b"Welcome to Amazon S3."
    headers = {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
    put = s3.Put(URL("https://examplebucket.s3.amazonaws.com/test%24file.text", encoded=True), headers, body)
    at = datetime(2013, 5, 24, tzinfo=UTC)
    signed = s3.sign(put, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", at)
    assert signed["x-amz-content-sha256"] == "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
    assert signed["authorization"].endswith(
        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    )


# The witness ---------------------------------------------------------------------------------------------------------


@pytest.fixture
async def seer(tmp_path: Path) -> AsyncIterator[tuple[Observer, Custodian]]:
    async with observer(SIGNER.verifier) as made:
        keys = tmp_path / "witnesses"
        keys.write_text(f"# who cosigns\n{made.public.line()}\n")
        environment = {
            "ESTAFETTE_WITNESS_URLS": made.url,
            "ESTAFETTE_WITNESS_KEYS": str(keys),
            "ESTAFETTE_EGRESS_ALLOW": made.host,
        }
        (one,), problems = catalogue.custodians(environment, now)
        assert not problems
        yield made, one
        await one.close()


async def test_a_witness_cosigns_a_tree_that_grows(seer: tuple[Observer, Custodian]) -> None:
    made, one = seer
    old = 0
    for size in (1, 2, 3, 7, 8, 13, 64, 65):
        kept = await one.keep(note(size, old))
        at = cosigned(note(size).text, kept.evidence.decode(), made.public)
        assert at.year == 2026
        old = size
    assert made.seen[0] == 65
    assert one.name == "witness:127.0.0.1/w"


async def test_a_witness_that_saw_another_size_says_which(seer: tuple[Observer, Custodian]) -> None:
    _, one = seer
    await one.keep(note(5))
    told = await one.keep(note(9, 3))
    assert told.knows == 5
    assert (await one.keep(note(9, 5))).knows is None


async def test_a_rewritten_past_is_not_cosigned(seer: tuple[Observer, Custodian]) -> None:
    _, one = seer
    await one.keep(note(5))
    with pytest.raises(Refused, match="rewritten"):
        await one.keep(note(9, 5, b"another past"))
    with pytest.raises(Refused, match="another tree of the same size"):
        await one.keep(note(5, 5, b"another past"))


async def test_a_cosignature_of_a_stranger_is_refused(seer: tuple[Observer, Custodian]) -> None:
    made, one = seer
    made.key = Ed25519PrivateKey.generate()
    with pytest.raises(Refused, match="WITNESS_KEYS"):
        await one.keep(note(5))


@pytest.mark.parametrize("status", [404, 403])
async def test_a_witness_that_does_not_know_us_says_so(seer: tuple[Observer, Custodian], status: int) -> None:
    made, one = seer
    made.status = status
    with pytest.raises(Refused):
        await one.keep(note(5))
    made.status = 500
    with pytest.raises(Unreachable):
        await one.keep(note(5))


def test_a_cosignature_holds_for_its_note_and_key_only() -> None:
    made = Observer("", "", ())
    text = note(5).text
    line = made._cosigned(text.partition("\n\n")[0] + "\n")
    assert cosigned(text, line, made.public).tzinfo is UTC
    other = Witness("another.example.org", made.public.public)
    raw = base64.b64decode(line.split(" ")[2])
    for changed in (
        (note(6).text, line, made.public),
        (text, line, other),
        (text, line.replace(made.public.name, other.name), other),
        (text, "", made.public),
        *(
            (text, f"— {made.public.name} {base64.b64encode(raw[:i] + bytes([raw[i] ^ 1]) + raw[i + 1 :]).decode()}",
             made.public)
            for i in range(len(raw))
        ),
    ):  # fmt: skip
        with pytest.raises(NotProved):
            cosigned(*changed)
    assert witness(made.public.line()) == made.public
    with pytest.raises(checkpoint.UnusableKey):
        witness(SIGNER.verifier.line())


# The mailbox ---------------------------------------------------------------------------------------------------------


async def test_a_letter_carries_the_note_exactly() -> None:
    kept = Mailbox()
    async with kept.serving() as port:
        environment = {
            "ESTAFETTE_MAIL_HOST": "127.0.0.1",
            "ESTAFETTE_MAIL_PORT": str(port),
            "ESTAFETTE_MAIL_FROM": "archive@example.com",
            "ESTAFETTE_MAIL_TLS": "none",
            "ESTAFETTE_CHECKPOINT_MAIL": "compta@example.org, audit@example.org",
        }
        (one,), problems = catalogue.custodians(environment, now)
        assert not problems
        assert (await one.keep(note(5))).evidence == b"250 2.0.0 kept\n250 2.0.0 kept"
    messages = [message_from_bytes(data, policy=policy.default) for data in kept.kept]
    assert [message["To"] for message in messages] == ["compta@example.org", "audit@example.org"]
    assert messages[0]["Message-ID"] == messages[1]["Message-ID"], "its reader can tell a repetition"
    (attachment,) = messages[0].iter_attachments()
    assert (
        sha256(attachment.get_content().replace("\r\n", "\n").encode()).digest()
        == sha256(note(5).text.encode()).digest()
    )
    with pytest.raises(Unreachable):
        await one.keep(note(6))
    assert one.every == timedelta(days=1)


def test_settings_are_told_wrong_all_at_once(tmp_path: Path) -> None:
    nothing, problems = catalogue.custodians(
        {
            "ESTAFETTE_S3_URL": "http://store.example.org/bucket",
            "ESTAFETTE_S3_MODE": "SOMETIMES",
            "ESTAFETTE_S3_DAYS": "0",
            "ESTAFETTE_WITNESS_URLS": "https://10.0.0.1/w",
            "ESTAFETTE_CHECKPOINT_MAIL": "nobody",
        },
        now,
    )
    assert nothing == ()
    assert {problem.setting for problem in problems} == {
        *(f"ESTAFETTE_S3_{name}" for name in ("URL", "REGION", "ACCESS_KEY", "SECRET_FILE", "MODE", "DAYS")),
        "ESTAFETTE_WITNESS_URLS",
        "ESTAFETTE_WITNESS_KEYS",
        "ESTAFETTE_CHECKPOINT_MAIL",
    }
    assert catalogue.custodians({}, now) == ((), ())
    found: list[Problem] = []
    assert mail.recipients_from_environment({"ESTAFETTE_CHECKPOINT_MAIL": "a@example.org"}, found)
    assert "MAIL_HOST" in found[0].says
    assert replace(note(5), old=1).file_name == note(5).file_name
