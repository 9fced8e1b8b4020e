"""Bank statements of every format: what they say, what is wrong with them and where."""

from __future__ import annotations

import json
import pickle
import random
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.bank.reading import read
from schemas.bank.statement import FINDINGS_LIMIT, TEXTS, Reading, is_iban, says
from schemas.bank.table import Mapping_
from tests.conftest import CORPUS
from tests.schemas.bank.written import IBAN, Move, camt, cfonb, csv, mt940

DAY = date(2026, 11, 18)
MOVES = (
    Move(DAY, "120.00", "F2026-0042", "R1", "E2E-1"),
    Move(DAY, "-80.50", "loyer", "R2"),
    Move(DAY, "1234.56", "F2026-0043 F2026-0044", "R3", "E2E-3"),
)
FRENCH = Mapping_(
    "Date", "Montant", text="Libellé", party="Tiers", reference="Référence", account=IBAN, currency="EUR",
    date_format="%d/%m/%Y", decimal=",", encoding="windows-1252",
)  # fmt: skip


def rules(reading: Reading) -> list[str]:
    return [one.rule for one in reading.findings]


@pytest.mark.parametrize("version", ["01", "02", "04", "06", "08", "10", "13"])
def test_every_version_of_camt_says_the_same(version: str) -> None:
    found = read(camt(MOVES, version=version))
    assert found.sound
    assert found.findings == ()
    assert found.statements[0].entries == read(camt(MOVES)).statements[0].entries


@pytest.mark.parametrize("data", [camt(MOVES), mt940(MOVES), cfonb(MOVES)], ids=["camt", "mt940", "cfonb"])
def test_the_formats_say_the_same(data: bytes) -> None:
    found = read(data)
    assert found.findings == ()
    (one,) = found.statements
    assert (one.account, one.currency, one.opening, one.closing) == (IBAN, "EUR", Decimal(1000), Decimal("2274.06"))
    assert one.balanced is True
    assert [entry.amount for entry in one.entries] == [Decimal("120.00"), Decimal("-80.50"), Decimal("1234.56")]
    assert [entry.reference for entry in one.entries] == ["R1", "R2", "R3"]
    assert [entry.booked_on for entry in one.entries] == [DAY] * 3
    assert one.entries[0].transactions[0].text == "F2026-0042"
    assert one.entries[0].transactions[0].party == "Librairie du Port"


def test_a_csv_is_read_by_its_mapping_alone() -> None:
    assert rules(read(csv(MOVES))) == ["BANK-FORMAT"]
    found = read(csv(MOVES), mapping=FRENCH)
    assert found.findings == ()
    assert [entry.amount for entry in found.statements[0].entries] == [
        Decimal("120.00"),
        Decimal("-80.50"),
        Decimal("1234.56"),
    ]
    assert found.statements[0].balanced is None
    wrong = csv(MOVES).replace(b"18/11/2026;-80,50", b"18-11-2026;-80,5x")
    assert [(one.rule, one.line) for one in read(wrong, mapping=FRENCH).findings] == [
        ("BANK-DATE", 3),
        ("BANK-AMOUNT", 3),
    ]
    assert rules(read(csv(MOVES).replace(b"Montant", b"Somme"), mapping=FRENCH)) == ["BANK-COLUMN"]


@pytest.mark.parametrize(
    ("decimal", "written", "expected"),
    [
        (".", "1,234.50", "1234.50"), (".", "1,234,567", "1234567"), (".", "-12.3", "-12.3"), (".", "1.234", None),
        (",", "1.234,50", "1234.50"), (",", "1 234,50", "1234.50"), (",", "1\u202f234\u202f567,50", "1234567.50"),
        (",", "\u22121234,50", "-1234.50"), (",", "+7", "7"),
        (".", "1,50", None), (".", "1.234,50", None), (".", "1,2345.00", None), (".", "12,34,567", None),
        (",", "1.50", None), (",", "1,234.50", None), (",", "1.234 567,00", None), (".", "1.500", None),
        (".", "\u00b2", None), (".", "", None),
    ],
)  # fmt: skip
def test_thousands_are_grouped_before_three_digits_alone(decimal: str, written: str, expected: str | None) -> None:
    """The other mark in any other place is a decimal mark: read as a group, 1,50 would be 150."""
    mapping = Mapping_("D", "M", account=IBAN, currency="EUR", decimal=decimal, separator=";")
    found = read(f"D;M\n2026-11-18;{written}\n".encode(), mapping=mapping)
    assert rules(found) == ([] if expected else ["BANK-AMOUNT"])
    amounts = [entry.amount for one in found.statements for entry in one.entries]
    assert expected is None or amounts == [Decimal(expected)]


def test_three_decimals_are_of_currencies_that_have_them() -> None:
    mapping = Mapping_("D", "M", account=IBAN, currency="TND", separator=";")
    (one,) = read(b"D;M\n2026-11-18;1.234\n", mapping=mapping).statements
    assert one.entries[0].amount == Decimal("1.234")


@pytest.mark.parametrize(
    "members",
    [{}, {"booked_on": "Date"}, {"booked_on": "D", "amount": "M", "column": "x"}, {"booked_on": "D", "amount": 1},
     {"booked_on": "D", "amount": "M", "separator": "||"}, {"booked_on": "D", "amount": "M", "separator": '"'},
     {"booked_on": "D", "amount": "M", "encoding": "ebcdic"}, {"booked_on": "D", "amount": "M", "skip": True}],
)  # fmt: skip
def test_a_mapping_that_cannot_be(members: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Mapping_.from_json(members)


def test_a_balance_that_is_wrong_is_told_and_keeps_from_booking() -> None:
    found = read(camt(MOVES, closing="2274.07"))
    (one,) = found.findings
    assert (one.rule, one.found, one.expected) == ("BANK-BALANCE", "2274.07", "2274.06")
    assert found.readable
    assert not found.sound


def test_all_that_is_wrong_is_told_at_once_with_its_line() -> None:
    lines = mt940(MOVES).decode().splitlines()
    lines[4] = lines[4].replace("120,00", "12O,00")
    lines[6] = lines[6].replace("261118", "261318")
    found = read("\n".join(lines).encode())
    assert [(one.rule, one.line) for one in found.findings] == [
        ("BANK-BALANCE", 1),
        ("BANK-RECORD", 5),
        ("BANK-DATE", 7),
    ]
    assert not found.readable


def test_a_batch_is_split_into_its_transactions_where_they_add_up() -> None:
    detail = b'<TxDtls><Amt Ccy="EUR">%s</Amt><RmtInf><Ustrd>%s</Ustrd></RmtInf></TxDtls>'
    whole = camt([Move(DAY, "300.00", "all", "B")])
    start, end = whole.index(b"<TxDtls>"), whole.index(b"</NtryDtls>")
    for last, parts in ((b"180.00", 2), (b"170.00", 1)):
        data = whole[:start] + detail % (b"120.00", b"F1") + detail % (last, b"F2") + whole[end:]
        found = read(data)
        assert len(found.statements[0].entries[0].transactions) == parts
        assert rules(found) == ([] if parts == 2 else ["BANK-BATCH"])


def test_what_is_announced_only_is_no_entry() -> None:
    (one,) = read(camt(MOVES[:1]).replace(b">BOOK<", b">PDNG<")).statements
    assert (one.entries, one.announced) == ((), 1)


def test_an_entry_in_another_currency_is_told_and_keeps_from_booking() -> None:
    data = camt(MOVES[:1]).replace(b'<Ntry><Amt Ccy="EUR">', b'<Ntry><Amt Ccy="USD">')
    found = read(data)
    assert rules(found) == ["BANK-CURRENCIES"]
    assert found.statements[0].entries[0].currency == "USD"
    assert not found.sound


def test_pages_of_one_mt940_are_one_statement() -> None:
    first, second = mt940(MOVES[:2], number="5/1").decode(), mt940(MOVES[2:], "1039.50", "5/2").decode()
    found = read((first.replace(":62F:", ":62M:") + "\n" + second.replace(":60F:", ":60M:")).encode())
    assert found.findings == ()
    (one,) = found.statements
    assert len(one.entries) == 3
    assert one.balanced


def test_the_account_that_is_asked_for_is_held_against_the_file() -> None:
    assert rules(read(camt(MOVES), account="FR1420041010050500013M02606")) == ["BANK-OTHER-ACCOUNT"]
    assert read(camt(MOVES), account="FR76 3000 6000 0112 3456 7890 189").findings == ()
    assert rules(read(camt(MOVES).replace(b"90189", b"90180"))) == ["BANK-IBAN"]


def test_the_french_key_makes_the_iban() -> None:
    (one,) = read(cfonb(MOVES)).statements
    assert one.account == IBAN
    assert is_iban(one.account)


@pytest.mark.parametrize(
    "data",
    [b"", b" \n", b"%PDF-1.7", b"PK\x03\x04", b"<a/>", b"<a", b"hello", b"\xff\xfe\x00", b":20:", b":61:", b"01", b"{}",
     b'<!DOCTYPE x [<!ENTITY a "b">]><Document>&a;</Document>',
     b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.03"/>'],
)  # fmt: skip
def test_what_is_no_statement_is_refused_with_a_reason(data: bytes) -> None:
    found = read(data)
    assert not found.readable
    assert not any(one.entries for one in found.statements)


def test_every_rule_speaks_both_languages() -> None:
    for one in read(camt(MOVES, closing="1.00")).findings:
        assert says(one, "fr") != says(one, "en") == one.says
    assert all(english and french and english != french for english, french in TEXTS.values())


@settings(max_examples=300)
@given(st.sampled_from([camt(MOVES), mt940(MOVES), cfonb(MOVES), csv(MOVES)]), st.randoms(use_true_random=False))
def test_a_damaged_file_is_judged_and_never_breaks_the_reader(data: bytes, chance: random.Random) -> None:
    broken = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(broken))
        broken[at : at + chance.choice((0, 1, 1, 30))] = bytes(chance.choices(range(256), k=chance.choice((0, 1, 2))))
    found = read(bytes(broken), mapping=FRENCH)
    assert pickle.loads(pickle.dumps(found)) == found
    assert all(isinstance(entry.amount, Decimal) for one in found.statements for entry in one.entries)


NAMESPACE_ONLY = {"camt-parser/052/valid_namespace.xml", "camt-parser/053/valid_namespace.xml"}
"""Labelled valid for their namespace: the document element is empty, so there is no statement in them."""


def test_of_many_faults_the_first_are_told_and_that_there_are_more() -> None:
    moves = [Move(DAY, "1.00", reference=f"R{n}") for n in range(3 * FINDINGS_LIMIT)]
    broken = camt(moves).replace(b"<Dt>2026-11-18</Dt></BookgDt>", b"<Dt>2026-13-18</Dt></BookgDt>")
    for data, mapping, rule in (
        (broken, None, "BANK-DATE"),
        (csv(moves).replace(b"18/11", b"18/13"), FRENCH, "BANK-DATE"),
        (cfonb(moves).replace(b"181126", b"181326"), None, "BANK-DATE"),
    ):
        found = read(data, mapping=mapping)
        told = [one for one in found.findings if one.rule == rule]
        assert len(told) == FINDINGS_LIMIT
        assert rules(found)[-1] == "BANK-MORE"
        assert not found.readable
    (*_, last) = [one for one in read(broken).findings if one.rule == "BANK-DATE"]
    assert f"Ntry[{FINDINGS_LIMIT}]" in last.path


def test_warnings_do_not_hide_what_is_fatal() -> None:
    moves = [Move(DAY, "1.00", reference=f"R{n}") for n in range(2 * FINDINGS_LIMIT)]
    data = camt(moves).replace(b'<Ntry><Amt Ccy="EUR">', b'<Ntry><Amt Ccy="USD">')
    last = data.rindex(b"<BookgDt><Dt>2026-11-18")
    found = read(data[:last] + data[last:].replace(b"2026-11-18", b"2026-13-18", 1))
    assert "BANK-DATE" in rules(found)
    assert not found.readable


def test_entries_that_cannot_be_read_count_towards_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schemas.bank.camt.ENTRY_LIMIT", 3)
    data = camt([Move(DAY, "1.00")] * 4)
    for written in (
        data,
        data.replace(b"CRDT</CdtDbtInd><Sts>", b"NONE</CdtDbtInd><Sts>"),
        data.replace(b">BOOK<", b">PDNG<"),
    ):
        assert "BANK-ENTRIES" in rules(read(written))


@pytest.mark.parametrize("count", ["\u00b2", "9" * 5000, "4"])
def test_a_count_that_is_none_is_told(count: str) -> None:
    summary = f"<TxsSummry><TtlNtries><NbOfNtries>{count}</NbOfNtries></TtlNtries></TxsSummry><Ntry>"
    assert rules(read(camt(MOVES).replace(b"<Ntry>", summary.encode(), 1))) == ["BANK-COUNT"]


@pytest.mark.parametrize(("place", "rule"), [(34, "BANK-DATE"), (19, "BANK-AMOUNT"), (2, "BANK-OTHER-ACCOUNT")])
def test_a_raised_two_is_no_digit(place: int, rule: str) -> None:
    first, second, *others = cfonb(MOVES).decode().splitlines()
    data = "\n".join([first, second[:place] + "\u00b2" + second[place + 1 :], *others]).encode()
    assert rule in rules(read(data))


def corpus(label: str) -> list[dict[str, str]]:
    manifest = CORPUS / "manifest.jsonl"
    if not manifest.is_file():
        return []
    found = (json.loads(line) for line in manifest.read_text("utf-8").splitlines())
    scopes = ("camt", "mt940", "cfonb")
    return [one for one in found if one.get("expected_scope") in scopes and one["label"] == label]


def judged(path: Path) -> Reading:
    """A file of the corpus; a piece of an MT940 has no account, which the caller then names."""
    data = path.read_bytes()
    piece = path.suffix == ".sta" and b":25:" not in data
    return read(data, account=IBAN if piece else "", currency="EUR")


@pytest.mark.corpus
def test_every_valid_file_of_the_corpus_can_be_imported() -> None:
    files = corpus("valid")
    assert len(files) >= 50
    refused = {one["path"] for one in files if not judged(CORPUS / one["path"]).readable}
    assert refused == NAMESPACE_ONLY


@pytest.mark.corpus
def test_the_balances_of_the_corpus_are_checked() -> None:
    statements = [one for file in corpus("valid") for one in judged(CORPUS / file["path"]).statements]
    balances = [one.balanced for one in statements]
    assert balances.count(True) >= 30
    for one in statements:
        if one.balanced:
            assert one.opening is not None
            assert one.opening + sum(entry.amount for entry in one.entries) == one.closing


DEFECTS = {
    "camt-parser/general/invalid_namespace.xml": "BANK-NONE",
    "cfonb-pennylane/end_of_statement_without_beginning.txt": "BANK-OTHER-ACCOUNT",
    "cfonb-pennylane/invalid_date.txt": "BANK-DATE",
    "cfonb-pennylane/new_statement_without_previous_ended.txt": "BANK-UNENDED",
    "cfonb-pennylane/operation.txt": "BANK-ORDER",
    "cfonb-pennylane/operation_already_defined.txt": "BANK-ORDER",
    "cfonb-pennylane/operation_detail_without_operation.txt": "BANK-ORDER",
    "cfonb-pennylane/operation_out_of_statement.txt": "BANK-ORDER",
    "cfonb-pennylane/operation_unstarted.txt": "BANK-ORDER",
    "mt940/betterplace/sepa_snippet_broken.sta": "BANK-RECORD",
}


@pytest.mark.corpus
@pytest.mark.parametrize("path", sorted(DEFECTS))
def test_what_is_wrong_in_the_corpus_is_named(path: str) -> None:
    found = judged(CORPUS / path)
    assert not found.readable
    assert DEFECTS[path] in rules(found)
    assert all(one.line for one in found.findings)
