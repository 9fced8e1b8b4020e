"""Bank statements kept once, and what they pay: booked where it is certain, proposed where it is not, and undone."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

import pytest

from adapters.port import Networks
from gateway import banking
from gateway.banking import Options
from gateway.clock import SettableClock
from gateway.compute import Compute, Interrupted
from gateway.errors import Conflict, Malformed, NotFound, Rejected
from gateway.matching.telling import digest
from gateway.matching.values import Part
from gateway.resources import Resources
from gateway.store import bank_audit, bank_balances, documents, statements
from gateway.store.accounts import Account
from gateway.store.pool import Pool
from schemas.bank.reading import read
from schemas.bank.statement import Statement
from schemas.remittance import reference
from tests.conftest import CORPUS
from tests.gateway.ground import NOON, NOTARY, open_account
from tests.gateway.sold import Sale, paid, sold
from tests.schemas.bank.test_reading import FRENCH, NAMESPACE_ONLY, corpus
from tests.schemas.bank.written import IBAN, Move, camt, cfonb, csv, mt940

DAY = date(2026, 11, 18)
PLAIN = Options()
BUYER = "Librairie du Port"


@pytest.fixture
def resources(pool: Pool, clock: SettableClock) -> Resources:
    return Resources(pool, Networks(()), clock, None, NOTARY)  # type: ignore[arg-type]


@pytest.fixture
async def account(pool: Pool) -> Account:
    return await open_account(pool)


async def imported(resources: Resources, account: Account, data: bytes, options: Options = PLAIN) -> tuple[int, int]:
    """How many entries and lines a file adds."""
    _, kept, _ = await banking.take(resources, account.id, data, options, "operator:test")
    return sum(one.entries - one.known for one in kept), sum(one.lines for one in kept)


async def entries(resources: Resources, account: Account) -> Counter[tuple[date, Decimal, str]]:
    async with resources.pool.account(account.id) as connection:
        rows = await connection.fetch(
            "select e.booked_on, e.amount, l.text from bank_entry e join bank_line l using (account_id, entry_id)"
        )
    return Counter((row["booked_on"], row["amount"], row["text"]) for row in rows)


async def shown(resources: Resources, account: Account, state: str | None = None) -> list[statements.Shown]:
    async with resources.pool.account(account.id) as connection:
        return (await statements.lines(connection, state, None, None, 100))[0]


async def payments(resources: Resources, account: Account, document: UUID) -> list[Decimal]:
    async with resources.pool.account(account.id) as connection:
        return sorted((one.amount for one in await documents.payments(connection, document)), reverse=True)


# --- the same line never twice ----------------------------------------------------------------------------------------


def moves(chance: random.Random, count: int) -> list[Move]:
    """A few days of entries; many look alike, and a bank may give references or not."""
    referenced = chance.random() < 0.4
    made = []
    for place in range(count):
        day = date(2026, 11, 2) + timedelta(days=place // 4)
        amount = chance.choice(("10.00", "10.00", "25.00", "-10.00"))
        text = chance.choice(("LOYER", "LOYER", "ABONNEMENT 7", ""))
        made.append(Move(day, amount, text, f"REF{place}" if referenced else ""))
    return made


def pieces(chance: random.Random, all_: list[Move], number: int = 7) -> list[bytes]:
    """The same as statements that follow each other, numbered by the bank."""
    cuts = sorted({0, len(all_), *(chance.randrange(len(all_)) for _ in range(3))})
    made, opening = [], Decimal(1000)
    for page, (start, end) in enumerate(pairwise(cuts), 1):
        part = all_[start:end]
        made.append(camt(part, str(opening), number=f"{number}/{page}"))
        opening += sum((Decimal(one.amount) for one in part), Decimal(0))
    return made


@pytest.mark.parametrize("seed", range(16))
async def test_a_file_three_times_in_pieces_and_in_any_order_changes_nothing(
    resources: Resources, account: Account, seed: int
) -> None:
    chance = random.Random(seed)
    all_ = moves(chance, chance.randrange(4, 16))
    whole = camt(all_, number="7")
    expected = Counter((one.day, Decimal(one.amount), one.text) for one in all_)
    files = [whole, whole, whole, *pieces(chance, all_), *pieces(chance, all_, 20)]
    days = sorted({one.day for one in all_})
    late = days[len(days) // 2]
    before = sum((Decimal(one.amount) for one in all_ if one.day < late), Decimal(1000))
    files.append(camt([one for one in all_ if one.day >= late], str(before), number="90"))
    chance.shuffle(files)
    for data in files:
        await imported(resources, account, data)
    assert await entries(resources, account) == expected


@pytest.mark.parametrize("seed", range(6))
async def test_pieces_alone_are_the_whole(resources: Resources, account: Account, seed: int) -> None:
    """Look-alikes of one day in two statements that follow each other are two, whichever came first."""
    chance = random.Random(100 + seed)
    all_ = [replace(one, amount=one.amount.lstrip("-")) for one in moves(chance, 12)]
    files = pieces(chance, all_)
    chance.shuffle(files)
    for data in files:
        await imported(resources, account, data)
    assert await entries(resources, account) == Counter((one.day, Decimal(one.amount), one.text) for one in all_)


async def test_the_same_bookings_in_other_formats_are_known(resources: Resources, account: Account) -> None:
    all_ = [
        Move(DAY, "120.00", "F2026-0042", "R1", "E2E-1"),
        Move(DAY, "120.00", "F2026-0043", "R2", "E2E-2"),
        Move(DAY, "-80.50", "loyer de novembre", "R3"),
    ]
    assert await imported(resources, account, camt(all_)) == (3, 3)
    for data, options in (
        (mt940(all_), Options()),
        (cfonb(all_), Options()),
        (csv(all_), Options(mapping=FRENCH)),
        (camt(all_, version="08"), Options()),
        (mt940([replace(one, reference="") for one in all_]), Options()),
    ):
        assert await imported(resources, account, data, options) == (0, 0)
    assert await imported(resources, account, camt([replace(all_[0], reference="R9", end_to_end="")], number="8")) == (
        1,
        1,
    )


async def test_a_batch_told_whole_first_and_in_detail_later_counts_once(resources: Resources, account: Account) -> None:
    whole = camt([Move(DAY, "300.00", "REMISE", "B1")])
    detail = b'<TxDtls><Amt Ccy="EUR">%s</Amt><RmtInf><Ustrd>%s</Ustrd></RmtInf></TxDtls>'
    start, end = whole.index(b"<TxDtls>"), whole.index(b"</NtryDtls>")
    detailed = whole[:start] + detail % (b"120.00", b"F1") + detail % (b"180.00", b"F2") + whole[end:]
    assert await imported(resources, account, whole) == (1, 1)
    assert await imported(resources, account, detailed) == (0, 2)
    assert await imported(resources, account, whole) == (0, 0)
    assert sorted(one.line.amount for one in await shown(resources, account)) == [Decimal(120), Decimal(180)]


async def test_imports_at_once_are_one_after_the_other(resources: Resources, account: Account) -> None:
    all_ = [Move(DAY, "10.00", "LOYER") for _ in range(5)]
    files = [camt(all_, number=str(number)) for number in (1, 1, 3, 5, 7)]
    await asyncio.gather(*(imported(resources, account, data) for data in files))
    assert sum((await entries(resources, account)).values()) == 5


async def test_what_cannot_be_read_is_refused_whole(resources: Resources, account: Account) -> None:
    broken = camt([Move(DAY, "10.00")]).replace(b"<BookgDt><Dt>2026-11-18", b"<BookgDt><Dt>2026-13-18")
    with pytest.raises(Rejected) as refused:
        await imported(resources, account, broken)
    assert [one.rule for one in refused.value.findings] == ["BANK-DATE"]
    assert await entries(resources, account) == Counter()


@pytest.mark.corpus
async def test_every_valid_file_of_the_corpus_is_imported_once(resources: Resources, account: Account) -> None:
    files = [CORPUS / one["path"] for one in corpus("valid") if one["path"] not in NAMESPACE_ONLY]
    first = second = 0
    for path in files:
        data = path.read_bytes()
        piece = path.suffix == ".sta" and b":25:" not in data
        options = Options(account=IBAN if piece else "", currency="EUR")
        first += (await imported(resources, account, data, options))[0]
        second += (await imported(resources, account, data, options))[0]
    assert len(files) >= 48
    assert first > 150
    assert second == 0


# --- what it pays -----------------------------------------------------------------------------------------------------


async def test_what_is_certain_is_booked_once(resources: Resources, account: Account) -> None:
    by_reference = await sold(resources.pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    by_number = await sold(resources.pool, account.id, Sale("F2026-0043", "80.00"), NOON, delivered=True)
    data = camt([
        Move(DAY, "120.00", reference("100000108", "F2026-0042", 2026), "R1"),
        Move(DAY, "80.00", "FACTURE F2026 0043", "R2"),
        Move(DAY, "5.00", "REMISE CB", "R3", party="Caisse", party_account="FR7699"),
        Move(DAY, "-30.00", "ELECTRICITE", "R4", party="EDF"),
    ])  # fmt: skip
    for _ in range(3):
        await imported(resources, account, data)
    await imported(resources, account, mt940([Move(DAY, "120.00", "", "R1")]))
    assert await payments(resources, account, by_reference) == [Decimal(120)]
    assert await payments(resources, account, by_number) == [Decimal(80)]
    assert [one async for one in bank_audit.complaints(resources.pool, account.id)] == []
    states = Counter(one.state for one in await shown(resources, account))
    assert states == {"booked": 2, "unmatched": 2}
    (one,) = [one for one in await shown(resources, account, "booked") if one.parts[0][0] == by_number]
    assert ("number", "F2026-0043") in one.reasons


async def test_a_booking_is_undone_and_not_made_again(resources: Resources, account: Account) -> None:
    document = await sold(resources.pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    data = camt([Move(DAY, "120.00", "F2026-0042", "R1")])
    await imported(resources, account, data)
    (one,) = await shown(resources, account, "booked")
    assert one.match_id is not None
    for _ in range(2):
        await banking.undo(resources, account.id, one.match_id, "operator:test")
    assert await payments(resources, account, document) == [Decimal(120), Decimal(-120)]
    await imported(resources, account, data)
    await banking.settle(resources, account.id)
    assert await payments(resources, account, document) == [Decimal(120), Decimal(-120)]
    (line,) = await shown(resources, account, "unmatched")
    with pytest.raises(Conflict):
        await banking.accept(resources, account.id, one.match_id, "operator:test")
    chosen = (Part(document, Decimal(120)),)
    await banking.assign(resources, account.id, line.line.id, "operator:test", chosen)
    assert sum(await payments(resources, account, document)) == Decimal(120)
    assert [one async for one in bank_audit.complaints(resources.pool, account.id)] == []
    with pytest.raises(Conflict):
        await banking.assign(resources, account.id, line.line.id, "operator:test", chosen)


async def test_two_of_the_same_amount_are_for_a_person(resources: Resources, account: Account) -> None:
    documents_ = [await sold(resources.pool, account.id, Sale(f"F2026-00{n}"), NOON, delivered=True) for n in (42, 51)]
    await imported(resources, account, camt([Move(DAY, "120.00", "", "R1", party=BUYER)]))
    (one,) = await shown(resources, account, "proposed")
    assert one.match_id is not None
    assert {one.parts[0][0], *one.alternatives} == set(documents_)
    assert ("ambiguous", "1") in one.reasons
    await banking.accept(resources, account.id, one.match_id, "operator:test", (Part(documents_[1], Decimal(120)),))
    assert await payments(resources, account, documents_[0]) == []
    assert await payments(resources, account, documents_[1]) == [Decimal(120)]
    # what a person chose teaches who pays from that account, and leaves one invoice of that amount
    await imported(resources, account, camt([Move(DAY, "120.00", "", "R2", party="")], number="2"))
    assert await payments(resources, account, documents_[0]) == [Decimal(120)]


async def test_a_refused_proposal_is_not_made_again(resources: Resources, account: Account) -> None:
    await sold(resources.pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    await imported(resources, account, camt([Move(DAY, "120.00", "", "R1", party="")]))
    (one,) = await shown(resources, account, "proposed")
    assert one.match_id is not None
    for _ in range(2):
        await banking.refuse(resources, account.id, one.match_id, "operator:test")
    await banking.settle(resources, account.id)
    assert [line.state for line in await shown(resources, account)] == ["unmatched"]
    with pytest.raises(Conflict):
        await banking.accept(resources, account.id, one.match_id, "operator:test")


async def test_nothing_of_a_statement_that_does_not_add_up_is_booked(resources: Resources, account: Account) -> None:
    document = await sold(resources.pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    await imported(resources, account, camt([Move(DAY, "120.00", "F2026-0042", "R1")], closing="1119.00"))
    (one,) = await shown(resources, account, "proposed")
    assert ("unsound", "") in one.reasons
    assert await payments(resources, account, document) == []


async def test_a_payment_that_was_typed_in_meanwhile_is_not_booked_again(
    resources: Resources, account: Account
) -> None:
    document = await sold(resources.pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    await paid(resources.pool, account.id, document, "120.00", NOON)
    await imported(resources, account, camt([Move(DAY, "120.00", "F2026-0042", "R1")]))
    (one,) = await shown(resources, account, "proposed")
    assert ("closed", "F2026-0042") in one.reasons
    assert await payments(resources, account, document) == [Decimal(120)]


async def test_a_returned_payment_is_taken_back(resources: Resources, account: Account) -> None:
    document = await sold(resources.pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    await imported(resources, account, camt([Move(DAY, "120.00", "F2026-0042", "R1", "E2E-42")]))
    back = camt([Move(DAY + timedelta(days=2), "-120.00", "RETOUR", "R2", "E2E-42")], "1120.00", number="2")
    await imported(resources, account, back.replace(b"<Sts>BOOK", b"<RvslInd>true</RvslInd><Sts>BOOK"))
    assert await payments(resources, account, document) == [Decimal(120), Decimal(-120)]


def returned(move: Move, opening: str, number: str) -> bytes:
    """A statement in which the bank takes something back."""
    return camt([move], opening, number=number).replace(b"<Sts>BOOK", b"<RvslInd>true</RvslInd><Sts>BOOK")


async def test_a_return_that_is_told_twice_is_taken_back_once(resources: Resources, account: Account) -> None:
    """A notice and a statement book it on other days, so they are two lines: together, or one after the other."""
    document = await sold(resources.pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    await imported(resources, account, camt([Move(DAY, "120.00", "F2026-0042", "R1", "E2E-42")]))
    both = [Move(DAY + timedelta(days=n), "-120.00", "RETOUR", f"B{n}", "E2E-42") for n in (2, 3)]
    data = camt(both, "1120.00", number="2").replace(b"<Sts>BOOK", b"<RvslInd>true</RvslInd><Sts>BOOK")
    await imported(resources, account, data)
    third = Move(DAY + timedelta(days=4), "-120.00", "RETOUR", "B4", "E2E-42")
    await imported(resources, account, returned(third, "880.00", "3"))
    assert await payments(resources, account, document) == [Decimal(120), Decimal(-120)]


async def test_what_the_bank_took_back_is_not_undone_beside(resources: Resources, account: Account) -> None:
    document = await sold(resources.pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    await imported(resources, account, camt([Move(DAY, "120.00", "F2026-0042", "R1", "E2E-42")]))
    back = returned(Move(DAY + timedelta(days=2), "-120.00", "RETOUR", "R2", "E2E-42"), "1120.00", "2")
    await imported(resources, account, back)
    matches = {one.line.amount: one.match_id for one in await shown(resources, account, "booked")}
    first, second = matches[Decimal(120)], matches[Decimal(-120)]
    assert first is not None
    assert second is not None
    with pytest.raises(Conflict):
        await banking.undo(resources, account.id, first, "operator:test")
    await banking.undo(resources, account.id, second, "operator:test")
    await banking.undo(resources, account.id, first, "operator:test")
    assert sum(await payments(resources, account, document)) == 0


async def test_what_was_taken_back_by_hand_is_not_taken_back_by_the_bank(
    resources: Resources, account: Account
) -> None:
    document = await sold(resources.pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    await imported(resources, account, camt([Move(DAY, "120.00", "F2026-0042", "R1", "E2E-42")]))
    await paid(resources.pool, account.id, document, "-120.00", NOON)
    back = returned(Move(DAY + timedelta(days=2), "-120.00", "RETOUR", "R2", "E2E-42"), "1120.00", "2")
    await imported(resources, account, back)
    assert await payments(resources, account, document) == [Decimal(120), Decimal(-120)]
    assert [one.line.amount for one in await shown(resources, account, "proposed")] == [Decimal(-120)]


async def test_what_is_given_back_on_a_credit_note_pays_it(resources: Resources, account: Account) -> None:
    credit = await sold(resources.pool, account.id, Sale("A2026-0007", "50.00", "381"), NOON, delivered=True)

    async def balance() -> Decimal:
        async with resources.pool.account(account.id) as connection:
            return (await bank_balances.balances(connection, [credit]))[credit].balance

    assert await balance() == -50
    await imported(resources, account, camt([Move(DAY, "-50.00", "AVOIR A2026-0007", "R1")]))
    (one,) = await shown(resources, account)
    chosen = (Part(credit, Decimal(-50)),)
    match_id = await banking.assign(resources, account.id, one.line.id, "operator:test", chosen)
    assert await payments(resources, account, credit) == [Decimal(50)]
    assert await balance() == 0
    assert [one async for one in bank_audit.complaints(resources.pool, account.id)] == []
    await banking.undo(resources, account.id, match_id, "operator:test")
    assert await balance() == -50
    assert [one async for one in bank_audit.complaints(resources.pool, account.id)] == []


async def test_a_payment_reported_while_it_is_matched_is_not_booked_beside(
    resources: Resources, account: Account, pool: Pool
) -> None:
    """Matching holds no lock of the database, and what it found is held against what is owed by then."""
    await imported(resources, account, camt([Move(DAY, "120.00", "F2026-0042", "R1")]))
    document = await sold(pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    async with pool.account(account.id) as connection:
        await statements.lock(connection, account.id)
        run = asyncio.create_task(banking.settle(resources, account.id))
        async with pool.owner() as watching, asyncio.timeout(20):
            while not await watching.fetchval(
                "select exists (select from pg_locks where locktype = 'advisory' and not granted and database = "
                "(select oid from pg_database where datname = current_database()))"
            ):
                await asyncio.sleep(0.02)
        await paid(pool, account.id, document, "120.00", NOON)
    assert await run == banking.Run(0, 1)
    assert await payments(resources, account, document) == [Decimal(120)]


async def test_a_decision_stands_when_matching_after_it_fails(resources: Resources, account: Account) -> None:
    await sold(resources.pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    await imported(resources, account, camt([Move(DAY, "120.00", "", "R1", party="")]))
    (one,) = await shown(resources, account, "proposed")
    assert one.match_id is not None
    late = Compute(1, 0.01)
    try:
        slow = replace(resources, compute=late)
        with pytest.raises(Interrupted):
            await banking.settle(slow, account.id)
        await banking.refuse(slow, account.id, one.match_id, "operator:test")
    finally:
        late.close()
    assert [line.state for line in await shown(resources, account)] == ["unmatched"]


async def test_expenses_are_not_matched_again_with_every_run(resources: Resources, account: Account) -> None:
    await sold(resources.pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    spent = [Move(DAY, f"-{n}.00", "ELECTRICITE", f"D{n}") for n in (30, 120)]
    await imported(resources, account, camt([Move(DAY, "120.00", "F2026-0042", "R1"), *spent]))
    async with resources.pool.account(account.id) as connection:
        assert [one.amount for one in await statements.open_lines(connection)] == [Decimal(-120)]


async def test_what_never_was_is_taken_back_on_its_own_day(resources: Resources, account: Account) -> None:
    document = await sold(resources.pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    await imported(resources, account, camt([Move(DAY, "120.00", "F2026-0042", "R1")]))
    (one,) = await shown(resources, account, "booked")
    assert one.match_id is not None
    await banking.undo(resources, account.id, one.match_id, "operator:test")
    async with resources.pool.account(account.id) as connection:
        assert [each.paid_on for each in await documents.payments(connection, document)] == [DAY, DAY]


async def test_the_rest_of_a_line_is_shown(resources: Resources, account: Account) -> None:
    document = await sold(resources.pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    await imported(resources, account, camt([Move(DAY, "200.00", "", "R1", party="")]))
    (one,) = await shown(resources, account, "unmatched")
    assert one.unassigned == 200
    await banking.assign(resources, account.id, one.line.id, "operator:test", [Part(document, Decimal(120))])
    (one,) = await shown(resources, account, "booked")
    assert one.unassigned == 80


async def test_what_a_person_chooses_must_fit(resources: Resources, account: Account, pool: Pool) -> None:
    document = await sold(pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    dollars = await sold(pool, account.id, Sale("F2026-0043", currency="USD"), NOON, delivered=True)
    await imported(resources, account, camt([Move(DAY, "100.00", "", "R1", party="")]))
    (one,) = await shown(resources, account, "unmatched")

    async def chosen(*parts: Part) -> None:
        await banking.assign(resources, account.id, one.line.id, "operator:test", parts)

    for wrong in (
        (),
        (Part(document, Decimal(101)),),
        (Part(document, Decimal(-1)),),
        (Part(document, Decimal(1)),) * 2,
    ):
        with pytest.raises(Malformed):
            await chosen(*wrong)
    with pytest.raises(Conflict):
        await chosen(Part(dollars, Decimal(100)))
    with pytest.raises(NotFound):
        await banking.assign(resources, account.id, document, "operator:test", [Part(document, Decimal(1))])
    with pytest.raises(NotFound):
        await banking.undo(resources, account.id, document, "operator:test")
    await chosen(Part(document, Decimal(100)))


async def test_an_account_sees_and_decides_its_own(resources: Resources, account: Account, pool: Pool) -> None:
    await sold(pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    await imported(resources, account, camt([Move(DAY, "120.00", "", "R1", party="")]))
    (one,) = await shown(resources, account, "proposed")
    other = await open_account(pool, "Other", siren="100000207")
    assert await shown(resources, other) == []
    assert one.match_id is not None
    with pytest.raises(NotFound):
        await banking.accept(resources, other.id, one.match_id, "operator:test")


def test_a_digest_tells_what_is_said_and_not_where() -> None:
    (one,) = read(camt([Move(DAY, "10.00", "A")])).statements
    moved = Statement(**{name: getattr(one, name) for name in Statement.__slots__} | {"row": 99})
    assert digest(one) == digest(moved)
    assert digest(one) != digest(replace(one, closing=Decimal(1)))


@pytest.mark.parametrize(
    ("tampering", "complaint"),
    [
        ("delete from payment", "its payment is missing"),
        ("delete from bank_decision", "no decision tells of it"),
        ("update bank_line set amount = amount + 1", "do not make its amount"),
    ],
)
async def test_the_audit_sees_what_was_tampered_with(
    resources: Resources, account: Account, tampering: str, complaint: str
) -> None:
    await sold(resources.pool, account.id, Sale("F2026-0042"), NOON, delivered=True)
    await imported(resources, account, camt([Move(DAY, "120.00", "F2026-0042", "R1")]))
    async with resources.pool.owner() as connection:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(tampering)
    assert any(complaint in one for one in [one async for one in bank_audit.complaints(resources.pool, account.id)])
