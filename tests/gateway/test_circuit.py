"""A network that is away rests, takes up nobody's attempts and nobody's place, and is found again."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from gateway.circuit import ASKED_LIMIT, FAILURES, RESTS, Circuit, failed
from gateway.lifecycle import WAITS, Done, Later, News, Stage
from gateway.stages import deliver
from gateway.store import networks, tasks
from gateway.store.journal import commit
from tests.gateway.ground import NOON, admitted, open_account, parsed, step

SECOND = timedelta(seconds=1)


def test_other_documents_open_the_circuit_and_one_alone_never_does() -> None:
    circuit, poisoned = Circuit("afnor"), uuid4()
    for hours in range(50):
        circuit = failed(circuit, poisoned, NOON + timedelta(hours=hours), "no answer", None)
    assert (circuit.failures, circuit.rest_until, circuit.since) == (1, None, NOON)
    for number in range(FAILURES - 1):
        assert circuit.room(NOON, 4) == 4
        circuit = failed(circuit, UUID(int=number), NOON, "no answer", None)
    assert circuit.rest_until == NOON + RESTS[0] * SECOND
    assert circuit.room(NOON, 4) == 0
    assert circuit.room(NOON + RESTS[0] * SECOND, 4) == 1, "half open: one tries"


def test_two_poisoned_documents_in_turn_never_open_it() -> None:
    circuit, pair = Circuit("afnor"), (uuid4(), uuid4())
    for number in range(50):
        circuit = failed(circuit, pair[number % 2], NOON, "no answer", None)
    assert (circuit.failures, circuit.rest_until) == (2, None)


def test_rests_grow_with_each_try_and_not_with_what_was_under_way() -> None:
    circuit = Circuit("afnor")
    for number in range(FAILURES + 10):
        circuit = failed(circuit, UUID(int=number), NOON, "no answer", None)
    assert (circuit.rests, circuit.rest_until) == (1, NOON + RESTS[0] * SECOND)
    now, waits = NOON, []
    for number in range(100, 110):
        assert circuit.rest_until is not None
        now = circuit.rest_until
        circuit = failed(circuit, UUID(int=number), now, "no answer", None)
        waits.append((circuit.rest_until - now) // SECOND)
    assert waits == [*RESTS[1:], *[RESTS[-1]] * (11 - len(RESTS))]


def test_what_a_network_asks_for_is_given_at_once_and_up_to_an_hour() -> None:
    circuit = failed(Circuit("afnor"), uuid4(), NOON, "429", timedelta(hours=20))
    assert circuit.rest_until == NOON + ASKED_LIMIT, "one document's answer keeps those of all"
    circuit = failed(Circuit("afnor"), uuid4(), NOON, "429", timedelta(minutes=40))
    assert circuit.rest_until == NOON + timedelta(minutes=40)
    sooner = failed(circuit, uuid4(), NOON, "429", SECOND)
    assert sooner.rest_until == circuit.rest_until, "what was under way shortens nothing"


async def routed(pool, account, number: int, network: str = "afnor") -> UUID:
    """A document in the queue of a network."""
    document_id = (await admitted(pool, account.id, str(number).encode())).document_id
    (claim,) = await tasks.claim_of(pool, NOON, {"": 1})
    found = parsed(f"F-{number}")
    way = Done({"network": network, "consignment": f"c-{number}", "sha256": "00" * 32})
    await commit(pool, claim, [step(Stage.PARSED, found), step(Stage.ROUTED, way)], go_on=False)
    return document_id


async def test_each_queue_has_its_own_places(pool) -> None:
    account = await open_account(pool)
    for number in range(6):
        await routed(pool, account, number, "afnor" if number < 4 else "mail")
    ours = (await admitted(pool, account.id, b"ours")).document_id
    claims = await tasks.claim_of(pool, NOON, {"": 5, "afnor": 2, "mail": 0})
    assert sorted(claim.network for claim in claims) == ["", "afnor", "afnor"]
    assert ours in {claim.document_id for claim in claims}
    assert [c.network for c in await tasks.claim_of(pool, NOON, {"": 5, "mail": 9})] == ["mail", "mail"]
    assert len(await tasks.claim_of(pool, NOON, {"afnor": 9})) == 2


async def test_a_network_that_comes_back_tries_all_at_once_and_counts_no_attempt(pool) -> None:
    account = await open_account(pool)
    for number in range(3):
        await routed(pool, account, number)
    tried = News("attempt", {"attempt": 1})
    claims = await tasks.claim_of(pool, NOON, {"afnor": 9})
    for claim in claims:
        await commit(pool, claim, [step(Stage.DELIVERED, Later(timedelta(hours=5), "away", (tried,)))], go_on=False)
    for number in range(FAILURES):
        await networks.did_not_take(pool, "afnor", UUID(int=number), NOON, "away", None)
    assert not await tasks.claim_of(pool, NOON + SECOND, {"afnor": 9})
    (standing,) = await networks.standing(pool)
    assert (standing.waiting, standing.circuit.failures) == (3, FAILURES)
    await networks.took(pool, "afnor", NOON + SECOND)
    (circuit,) = await networks.circuits(pool)
    assert circuit == Circuit("afnor")
    again = await tasks.claim_of(pool, NOON + SECOND, {"afnor": 9})
    assert [claim.attempts for claim in again] == [2, 2, 2], "more than one: a repetition is told; not three"


async def test_success_while_the_circuit_is_closed_wakes_nobody(pool) -> None:
    account = await open_account(pool)
    await routed(pool, account, 1)
    (claim,) = await tasks.claim_of(pool, NOON, {"afnor": 9})
    later = Later(timedelta(hours=5), "away", (News("attempt", {"attempt": 1}),))
    await commit(pool, claim, [step(Stage.DELIVERED, later)], go_on=False)
    await networks.did_not_take(pool, "afnor", claim.document_id, NOON, "away", None)
    await networks.took(pool, "afnor", NOON)
    assert not await tasks.claim_of(pool, NOON + timedelta(hours=4), {"afnor": 9})


def test_waits_are_spread_and_never_shorter() -> None:
    drawn = [deliver._drawn(str(uuid4()), attempt) for _ in range(500) for attempt in range(1, len(WAITS) + 1)]
    assert 0 <= min(drawn) < 0.05
    assert 0.95 < max(drawn) <= 1
    assert deliver._drawn("c-1", 1) == deliver._drawn("c-1", 1) != deliver._drawn("c-1", 2)
