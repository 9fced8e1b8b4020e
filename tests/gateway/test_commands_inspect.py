"""`estafette inspect` as a process: what it tells of files of every kind, in both languages, and how it ends."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.catalogue import FORMATS
from schemas.formats import facturx
from schemas.formats.facturx import page, pdfa
from tests.gateway.console import SAMPLES, estafette
from tests.schemas.sample_invoice import invoice
from tests.signing.sealed import seal_pdf

AT = datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC)
MEMBERS = ["path", "kind", "size", "sha256", "format", "title", "profile", "profile_name", "number", "taken", "refused",
           "content", "pdf", "page", "seals"]  # fmt: skip


def _sound() -> bytes:
    return facturx.build(invoice(), FORMATS["cii"].write(invoice()), created=AT)


def _torn() -> bytes:
    """A Factur-X whose page is of an invoice with another number and another due date."""
    other = replace(invoice(), number="F-2026-0002", due_date=datetime.date(2026, 12, 31))
    described = pdfa.Description(other.profile, "Facture", "Atelier", AT)
    return pdfa.attach(page.typeset(invoice(), created=AT), FORMATS["cii"].write(other), described)


def objects(out: bytes) -> list[dict[str, Any]]:
    """The objects of a machine-readable answer, each in the shape that is promised."""
    found = [json.loads(line) for line in out.decode().splitlines()]
    assert all(list(one) == MEMBERS for one in found)
    return found


def test_a_sound_factur_x_ends_with_zero(tmp_path: Path) -> None:
    path = tmp_path / "f.pdf"
    path.write_bytes(_sound())
    ended = estafette("inspect", path)
    assert (ended.code, ended.err) == (0, "")
    for part in ("Factur-X / ZUGFeRD 2, EN 16931, number F-2026-0001", "would be taken", "by its standard name",
                 "agrees with the XML", "PDF/A-3A; passed (3b)", "states 10 of 10 values"):  # fmt: skip
        assert part in ended.text


def test_a_page_that_disagrees_ends_with_one_in_both_languages(tmp_path: Path) -> None:
    path = tmp_path / "f.pdf"
    path.write_bytes(_torn())
    english = estafette("inspect", path)
    assert english.code == 1
    assert "states 8 of 10 values of the XML" in english.text
    assert "BT-9 Payment due date: XML 2026-12-31; the page states 2026-10-31" in english.text
    french = estafette("inspect", "--language", "fr", path)
    assert "8 valeurs du XML sur 10 y figurent" in french.text
    assert "BT-9 Date d'échéance : XML 2026-12-31 ; la page indique 2026-10-31" in french.text


def test_folders_and_standard_input_give_one_object_each(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(_sound())
    (tmp_path / "b.xml").write_bytes((SAMPLES / "cii/invoice-simple.xml").read_bytes())
    ended = estafette(
        "inspect", "--format", "json", tmp_path, "-", stdin=(SAMPLES / "attacks/zugferd-1.xml").read_bytes()
    )
    first, second, third = objects(ended.out)
    assert (first["format"], first["taken"], second["format"], second["pdf"]) == ("facturx", "yes", "cii", None)
    assert (third["path"], third["format"], third["taken"], ended.code) == ("-", "zugferd-1", "no", 1)


def test_attacks_are_told_and_none_ends_the_run() -> None:
    paths = sorted(path for path in (SAMPLES / "attacks").iterdir() if path.is_file())
    ended = estafette("inspect", "--format", "json", *paths)
    found = objects(ended.out)
    assert [one["path"] for one in found] == [str(path) for path in paths]
    assert ended.code == 1
    assert all(one["taken"] == "no" and one["refused"] for one in found if "mark-and-comment" not in one["path"])


def test_what_is_not_there_ends_with_two(tmp_path: Path) -> None:
    ended = estafette("inspect", tmp_path / "nowhere.pdf", SAMPLES / "cii/invoice-simple.xml")
    assert ended.code == 2
    assert "there is no such file" in ended.err
    assert "QV-2026-0142" in ended.text


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: b"", "an empty file"),
        (lambda: b"PK\x03\x04", "neither XML, JSON nor PDF"),
        (lambda: b"%PDF-1.7", "PDF-SYNTAX"),
        (lambda: b"<a>\x1b]0;x\x07</a>", "would NOT be taken"),
    ],
)
def test_what_is_no_invoice_is_told_in_words(make: Callable[[], bytes], says: str) -> None:
    ended = estafette("inspect", "-", stdin=make())
    assert ended.code == 1
    assert says in ended.text
    assert "\x1b" not in ended.text


def test_help_teaches() -> None:
    told = estafette("inspect", "--help").text
    for part in ("examples:", "Exit code 0", "contradicted", "--format", "--language"):
        assert part in told


def test_what_its_seal_is_worth_is_told(tmp_path: Path) -> None:
    sealed = seal_pdf(_sound(), "B-LTA", at=datetime.datetime.now(datetime.UTC).replace(microsecond=0))
    at = 11  # in the comment behind the first line, which breaks nothing but the seal
    (tmp_path / "good.pdf").write_bytes(sealed)
    (tmp_path / "bad.pdf").write_bytes(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])
    good, bad = (estafette("inspect", "--format", "json", tmp_path / f"{name}.pdf") for name in ("good", "bad"))
    (told,) = objects(good.out)
    assert told["seals"]["indication"] == "indeterminate", "the sealer is not known here"
    assert (told["seals"]["sub"], told["seals"]["level"]) == ("NO_CERTIFICATE_CHAIN_FOUND", "B-LTA")
    assert bad.code == 1
    assert objects(bad.out)[0]["seals"]["sub"] == "HASH_FAILURE"
    assert b"DOES NOT HOLD" in estafette("inspect", "--language", "en", tmp_path / "bad.pdf").out
