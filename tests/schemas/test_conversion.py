"""Any invoice into any form: whole, or refused with everything that would be lost; supporting documents go along."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from schemas import json_form
from schemas.catalogue import FORMATS
from schemas.conversion import (
    PROFILES,
    TARGETS,
    Cause,
    Lossy,
    Lost,
    Unwritable,
    Wish,
    attachment_of,
    convert,
    profile_of,
    told,
)
from schemas.finding import FINDINGS_LIMIT, Verdict
from schemas.formats.facturx import pdfa
from schemas.formats.facturx.extract import Embedded, extract
from schemas.invoice import CREDIT_NOTE_TYPES, Invoice
from schemas.judge import judge
from schemas.loss import losses
from schemas.xml import Unreadable
from tests.schemas.sample_invoice import invoice
from tests.schemas.strategies import invoices

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NOTE = attachment_of("note.csv", b"a;b\n1;2\n")
NAMES = ("credit-note", "invoice-foreign-currency", "invoice-multi-vat", "invoice-simple")


def wish(to: str, **more: Any) -> Wish:
    return Wish(to, NOON, **more)


def read_text(pdf: bytes) -> str:
    """The text of a PDF, which carries no file."""
    reader = PdfReader(BytesIO(pdf))
    assert not reader.attachments
    return "".join(page.extract_text() for page in reader.pages)


def with_note() -> Invoice:
    return replace(invoice(), attachments=(NOTE,))


@pytest.mark.parametrize("name", NAMES)
def test_every_form_of_a_sample_leads_to_every_other(name: str) -> None:
    """The same invoice in three syntaxes, each into five forms and on from there: one JSON in the end."""
    forms = [
        (SAMPLES / f"{kind}/{name}.{kind if kind == 'json' else 'xml'}").read_bytes() for kind in ("cii", "ubl", "json")
    ]
    wanted = convert(forms[0], wish("json")).data
    forms.append(convert(forms[2], wish("facturx")).data)
    for data in forms:
        for to in TARGETS:
            made = convert(data, wish(to))
            assert made.losses == ()
            if to != "page":
                assert convert(made.data, wish("json")).data == wanted
            else:
                assert made.data.startswith(b"%PDF-")
                assert "jointes" not in read_text(made.data)


def test_what_is_in_the_form_already_is_not_rewritten() -> None:
    """Not even its white space: the bytes are somebody's original."""
    for kind, to in (("cii", "cii"), ("ubl", "ubl")):
        odd = (SAMPLES / f"{kind}/invoice-simple.xml").read_bytes().replace(b"?>", b"?>\n\n<!-- as it came -->\n", 1)
        made = convert(odd, wish(to))
        assert (made.data, made.unchanged) == (odd, True)
        pdf = convert(odd, wish("facturx"))
        if kind == "cii":
            assert extract(pdf.data).xml == odd
        again = convert(pdf.data, Wish("facturx", datetime(2027, 1, 1, tzinfo=UTC)))
        assert (again.data, again.unchanged) == (pdf.data, True)


def test_the_same_wish_gives_the_same_bytes() -> None:
    data = json_form.write(with_note())
    for to in TARGETS:
        assert convert(data, wish(to)).data == convert(data, wish(to)).data


def test_supporting_documents_survive_every_step() -> None:
    data = json_form.write(with_note())
    for to in ("ubl", "facturx", "cii", "json", "facturx", "ubl", "cii", "facturx"):
        made = convert(data, wish(to))
        assert made.losses == ()
        data = made.data
        if to == "facturx":
            assert [file.data for file in extract(data).others] == [NOTE.content]
    assert json_form.read(convert(data, wish("json")).data).attachments == (NOTE,)


def in_pdf(*files: Embedded, profile: str = "urn:cen.eu:en16931:2017", xml: bytes | None = None) -> bytes:
    """A Factur-X whose PDF carries files that its XML does not know."""
    page = convert(json_form.write(invoice()), wish("page")).data
    xml = xml or FORMATS["cii"].write(replace(invoice(), profile=profile))
    return pdfa.attach(page, xml, pdfa.Description(profile, "t", "a", NOON), files)


def test_files_that_only_the_pdf_carries_become_supporting_documents() -> None:
    assert NOTE.content is not None
    pdf = in_pdf(Embedded("note.csv", "text/csv", NOTE.content, description="what was done"))
    for to in ("cii", "ubl", "json"):
        made = convert(pdf, wish(to))
        assert made.losses == ()
        (one,) = json_form.read(convert(made.data, wish("json")).data).attachments
        assert (one.content, one.filename, one.description) == (NOTE.content, "note.csv", "what was done")
    assert convert(pdf, wish("facturx")).data == pdf


@pytest.mark.parametrize(
    ("file", "profile"),
    [
        (Embedded("data.bin", "application/octet-stream", b"\x00\x01"), "urn:cen.eu:en16931:2017"),
        (Embedded("note.csv", "text/csv", b"a;b"), PROFILES["basic"]),
    ],
)
def test_files_that_cannot_go_along_are_named(file: Embedded, profile: str) -> None:
    """One whose kind EN 16931 does not allow; one beside a level that has no supporting documents."""
    pdf = in_pdf(file, profile=profile)
    with pytest.raises(Lossy) as refused:
        convert(pdf, wish("cii"))
    assert refused.value.losses == (Lost(Cause.FILE, name=file.name),)
    made = convert(pdf, wish("cii", accept_losses=True))
    assert made.data == extract(pdf).xml
    assert made.losses == refused.value.losses


STRANGERS = {
    "ubl": (b"<cbc:IssueDate>", b"<cbc:UUID>u-1</cbc:UUID><cbc:IssueDate>", "/Invoice/cbc:UUID"),
    "cii": (
        b"<ram:TypeCode>380",
        b"<ram:LanguageID>fr</ram:LanguageID><ram:TypeCode>380",
        "/rsm:CrossIndustryInvoice/rsm:ExchangedDocument/ram:LanguageID",
    ),
}


@pytest.mark.parametrize("to", ["cii", "ubl", "json", "facturx"])
def test_what_the_model_does_not_know_is_named_by_its_path(to: str) -> None:
    before, after, path = STRANGERS["ubl"]
    data = (SAMPLES / "ubl/invoice-simple.xml").read_bytes().replace(before, after, 1)
    if to == "ubl":
        assert convert(data, wish(to)).data == data
        return
    with pytest.raises(Lossy) as refused:
        convert(data, wish(to))
    assert [(one.cause, one.path) for one in refused.value.losses] == [(Cause.UNKNOWN, path)]
    assert path in str(refused.value)
    made = convert(data, wish(to, accept_losses=True))
    assert made.losses == refused.value.losses


def test_the_page_is_made_of_every_invoice_and_says_what_it_does_not_show() -> None:
    before, after, path = STRANGERS["ubl"]
    data = FORMATS["ubl-invoice"].write(with_note()).replace(before, after, 1)
    made = convert(data, wish("page"))
    assert [(one.cause, one.what) for one in made.losses] == [
        (Cause.UNKNOWN, path),
        (Cause.PAGE, "BT-125 note.csv"),
    ]


def test_what_a_syntax_cannot_hold_is_named_by_term_and_place() -> None:
    """UBL reads a note that begins like a subject code as one: the change is told, not made."""
    noted = replace(invoice().notes[0], subject="", text="#AB# is a part number")
    data = json_form.write(replace(invoice(), notes=(noted,)))
    with pytest.raises(Lossy) as refused:
        convert(data, wish("ubl"))
    (lost,) = refused.value.losses
    assert (lost.cause, lost.term, lost.pointer, lost.changed) == (Cause.SYNTAX, "BT-22", "/notes/0/text", True)


def test_what_would_break_its_schema_is_not_written() -> None:
    """Minimum has no lines, UBL demands one: no UBL can be made, whatever losses are accepted."""
    lines = replace(invoice(), lines=(), profile=PROFILES["minimum"])
    data = FORMATS["cii"].write(lines)
    with pytest.raises(Unwritable) as refused:
        convert(data, wish("ubl", accept_losses=True))
    assert refused.value.findings[0].rule == "XSD"
    assert refused.value.findings[0].line is None
    assert "InvoiceLine" in refused.value.findings[0].says


def test_what_a_profile_has_no_place_for_is_named_and_left_out_only_when_accepted() -> None:
    data = FORMATS["ubl-invoice"].write(replace(with_note(), project="Pier 4", payee=None))
    with pytest.raises(Lossy) as refused:
        convert(data, wish("cii", profile=PROFILES["basic"]))
    named = {one.term: one for one in refused.value.losses}
    assert {"BT-11", "BG-24"} <= set(named)
    assert (named["BT-11"].cause, named["BT-11"].lowest, named["BT-11"].pointer) == (
        Cause.PROFILE,
        "EN 16931",
        "/project",
    )
    made = convert(data, wish("cii", profile=PROFILES["basic"], accept_losses=True))
    assert made.losses == refused.value.losses
    assert made.profile == PROFILES["basic"]
    assert judge(made.data).verdict is Verdict.VALID
    assert b"Pier 4" not in made.data


def test_a_richer_profile_takes_everything() -> None:
    data = FORMATS["cii"].write(with_note())
    for name in ("extended", "extended-ctc-fr"):
        made = convert(data, wish("cii", profile=PROFILES[name]))
        assert made.losses == ()
        assert judge(made.data).verdict is Verdict.VALID, judge(made.data).findings


@pytest.mark.parametrize("level", ["minimum", "basicwl", "basic"])
def test_a_factur_x_of_a_lower_profile_keeps_its_files_and_names_what_its_data_lacks(level: str) -> None:
    data = json_form.write(replace(with_note(), project="Pier 4"))
    with pytest.raises(Lossy) as refused:
        convert(data, wish("facturx", profile=PROFILES[level]))
    assert "BG-24" not in {one.term for one in refused.value.losses}
    made = convert(data, wish("facturx", profile=PROFILES[level], accept_losses=True))
    found = extract(made.data)
    assert [file.data for file in found.others] == [NOTE.content]
    assert b"Pier 4" not in found.xml
    assert found.claims.level == {"minimum": "MINIMUM", "basicwl": "BASIC WL", "basic": "BASIC"}[level]
    text = "".join(page.extract_text() for page in PdfReader(BytesIO(made.data)).pages)
    assert ("Pier 4" in text) == (level != "basic")
    assert judge(made.data).verdict is Verdict.VALID, judge(made.data).findings


def test_a_document_that_holds_more_than_it_declares_is_not_written_as_it_declares() -> None:
    """JSON of an EN 16931 invoice with a term of the extension: named, not refused by a schema nobody asked about."""
    line = replace(invoice().lines[0], kind="DETAIL")
    data = json_form.write(replace(invoice(), lines=(line,)))
    with pytest.raises(Lossy) as refused:
        convert(data, wish("cii"))
    assert {one.cause for one in refused.value.losses} == {Cause.PROFILE}
    assert convert(data, wish("json")).losses == ()
    with pytest.raises(Lossy):
        convert(data, wish("json", profile=PROFILES["basic"]))
    assert judge(convert(data, wish("cii", accept_losses=True)).data).verdict is Verdict.VALID


def test_attaching_a_document_keeps_the_rest() -> None:
    data = (SAMPLES / "cii/invoice-simple.xml").read_bytes()
    made = convert(data, wish("facturx", attachments=(NOTE,)))
    assert judge(made.data, french=True).verdict is Verdict.VALID
    (file,) = extract(made.data).others
    assert (file.name, file.data) == ("note.csv", NOTE.content)
    before, after = (FORMATS["cii"].read(one).invoice for one in (data, extract(made.data).xml))
    assert losses(before, after) == ()
    for name, content in (("note.txt", b"a"), ("note.csv", b""), ("note", b"a")):
        with pytest.raises(ValueError, match="EN 16931"):
            attachment_of(name, content)


def test_profiles_have_names() -> None:
    assert profile_of("") == ""
    assert profile_of("EN16931") == "urn:cen.eu:en16931:2017"
    assert profile_of("urn:somebody:else") == "urn:somebody:else"
    with pytest.raises(ValueError, match="no such profile"):
        profile_of("luxury")


def test_what_is_raised_crosses_processes_and_what_is_told_is_bounded() -> None:
    lossy = Lossy(Lost(Cause.UNKNOWN, path=f"/a/{number}") for number in range(FINDINGS_LIMIT + 5))
    assert pickle.loads(pickle.dumps(lossy)).losses == lossy.losses
    assert "and 1000 more" in str(lossy)
    members = told(lossy.losses)
    assert (len(members["losses"]), members["uncounted"]) == (FINDINGS_LIMIT, 5)
    json.dumps(members)
    unwritable = pickle.loads(pickle.dumps(Unwritable(())))
    assert isinstance(unwritable, Unwritable)


ONLY_EMPTY = "mark-and-comment.xml"
"""No attack that a reader minds: a byte order mark, a comment, and an invoice that says nothing."""


@pytest.mark.parametrize("path", sorted((SAMPLES / "attacks").iterdir()), ids=lambda path: path.name)
def test_an_attack_is_refused_with_findings(path: Path) -> None:
    for to in ("ubl", "facturx") if path.name == ONLY_EMPTY else TARGETS:
        with pytest.raises(Unreadable) as refused:
            convert(path.read_bytes(), wish(to))
        assert refused.value.findings


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(invoices(), st.sampled_from(["cii", "ubl"]), st.sampled_from(["cii", "ubl", "json"]))
def test_nothing_is_lost_in_silence(one: Invoice, by: str, to: str) -> None:
    """Whatever the invoice holds: what the result lacks of it is exactly what was named, and without losses nothing."""
    syntax = "cii" if by == "cii" else "ubl-creditnote" if one.type_code in CREDIT_NOTE_TYPES else "ubl-invoice"
    data = FORMATS[syntax].write(one)
    there = FORMATS[syntax].read(data).invoice
    try:
        made = convert(data, wish(to, accept_losses=True))
    except Unwritable:
        return
    if to == "json":
        assert made.data == json_form.write(there)
        return
    named = {(loss.term, loss.pointer) for loss in losses(there, FORMATS[made.format].read(made.data).invoice)}
    assert {(lost.term, lost.pointer) for lost in made.losses} == named
    if named:
        with pytest.raises(Lossy):
            convert(data, wish(to))
