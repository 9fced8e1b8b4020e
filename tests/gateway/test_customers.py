"""Reading customer files: which column names an address, and what spreadsheets did to it."""

from __future__ import annotations

import tracemalloc

import pytest

from gateway import customers
from gateway.errors import Malformed, TooLarge


@pytest.mark.parametrize(
    ("cell", "asked"),
    [
        ({"address": "812046373_X"}, ("0225", "812046373_X")),
        ({"address": "812046373"}, ("0002", "812046373")),
        ({"address": "81204637300017"}, ("0009", "81204637300017")),
        ({"address": "812046373", "scheme": "225"}, ("0225", "812046373")),
        ({"address": "a@example.org"}, ("EM", "a@example.org")),
        ({"address": "a@example.org", "scheme": "em"}, ("EM", "a@example.org")),
        ({"siret": "812 046 373 00017", "siren": "100000108"}, ("0009", "81204637300017")),
        ({"siret": "81204637300017", "code": "SERV1"}, ("0225", "812046373_81204637300017_SERV1")),
        ({"siren": "812046373"}, ("0002", "812046373")),
        ({"siren": "812.046.373", "suffix": "FACT"}, ("0225", "812046373_FACT")),
        ({"vat": "FR12812046373"}, ("0002", "812046373")),
        ({"vat": "fr 12 812046373"}, ("0002", "812046373")),
        ({"vat": "DE123456789"}, ("0002", "")),
        ({"siren": "5000005"}, ("0002", "005000005")),  # a spreadsheet took its zeros, and the check digit proves it
        ({"siren": "5000009"}, ("0002", "5000009")),
        ({"siret": "8,12046E+13"}, ("0009", "8,12046E+13")),
        ({}, ("0002", "")),
    ],
)
def test_the_address_of_a_row(cell: dict[str, str], asked: tuple[str, str]) -> None:
    assert customers.address_of(cell) == asked


@pytest.mark.parametrize(
    ("data", "comma"),
    [
        ("Nom;N° SIRET;Code routage\nMaison; 10000039700024 ;\n".encode(), True),
        ("Nom,Numéro SIRET,Routing code\r\nMaison,10000039700024,\r\n".encode(), False),
        (b"\xef\xbb\xbfNom\tSIRET\tCode routage\nMaison\t10000039700024\n", True),
        ("\n\nNom;N° SIRET;Code routage\n;;\nMaison;'10000039700024;\n;;\n".encode("cp1252"), True),
    ],
)
def test_a_file_is_read_whatever_wrote_it(data: bytes, comma: bool) -> None:
    table = customers.read(data)
    assert table.comma is comma
    (row,) = table.rows
    assert row[0] == "Maison"
    assert len(row) == 3
    assert table.address(row) == ("0009", "10000039700024")


def test_what_an_earlier_answer_added_goes() -> None:
    table = customers.read(b"siren,address_verdict,says,name\n812046373,ended,not reached,A\n")
    assert table.header == ("siren", "name")
    assert table.rows == (("812046373", "A"),)


def test_columns_can_be_named() -> None:
    data = "Client;Téléphone\n812046373;+33\n".encode()
    with pytest.raises(Malformed, match="no column names an address"):
        customers.read(data)
    table = customers.read(data, {"siren": "Client"})
    assert table.address(table.rows[0]) == ("0002", "812046373")
    with pytest.raises(Malformed, match="no column 'Nobody'"):
        customers.read(data, {"siren": "Nobody"})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"\n;;\n", "is empty"),
        (b"siren;siren\n1;2\n", "several columns may be the siren"),
        (b"siren;name\n812046373;A;B\n", "row 2 has more cells"),
        (b"siren;name\n812046373;" + b"x" * 200_000, "no CSV that can be read"),
        (b";".join(b"c%d" % at for at in range(201)), "more than 200 columns"),
    ],
)
def test_what_is_no_customer_file(data: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        customers.read(data)


def test_a_file_has_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(customers, "ROWS_LIMIT", 2)
    assert len(customers.read(b"siren\n1\n2\n").rows) == 2
    with pytest.raises(TooLarge):
        customers.read(b"siren\n1\n2\n3\n")
    with pytest.raises(TooLarge):
        customers.read(b"x" * (customers.SIZE_LIMIT + 1))


@pytest.mark.parametrize(
    "data",
    [
        b"siren;name\n" + b";" * 4_000_000,
        b"siren;name\n" + b'"\n";;;;;;;;' * 400_000,
        b";".join(b"siren" if at == 0 else b"c%d" % at for at in range(200)) + b"\n" + b"1\n" * 21_000,
    ],
    ids=["one wide row", "one wide row in quotes", "short rows under a wide head"],
)
def test_many_empty_cells_take_no_more_memory_than_the_file(data: bytes) -> None:
    """They were all taken apart before they were counted: 6 MB took 183 MB."""
    tracemalloc.start()
    try:
        with pytest.raises((Malformed, TooLarge)):
            customers.read(data)
        assert tracemalloc.get_traced_memory()[1] < 48_000_000
    finally:
        tracemalloc.stop()
