"""Logo, colour and link to pay: readable whatever is chosen, harmless whatever is sent, and on the page once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfReader

from schemas.formats import facturx
from schemas.formats.facturx import logo, page, paying, pdfa
from schemas.formats.facturx.presentation import (
    PLAIN,
    Presentation,
    checked_accent,
    checked_link,
    colours,
    contrast,
    pay_link,
)
from schemas.invoice import CreditTransfer, DirectDebit, Invoice, Payment, PaymentTerms
from schemas.xml import Unreadable
from tests.schemas.page_samples import BRANDED, CREDIT, IBAN, SHORT

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
LINKED = Presentation(pay_link="https://pay.example/{number}?m={amount}&d={currency}")
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 30">{}</svg>'
GRADIENT = SVG.format(
    '<defs><linearGradient id="a"><stop stop-color="#fff"/><stop offset="1"/></linearGradient></defs>'
    '<rect width="90" height="30" fill="url(#a)"/>'
).encode()


# Colour --------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 0xFFFFFF))
def test_text_can_be_read_in_and_on_every_colour(number: int) -> None:
    chosen = colours(Presentation(f"#{number:06x}"))
    assert chosen["accent"] == f"#{number:06x}"
    for ground in (chosen["tint"], "#ffffff"):
        assert contrast(chosen["ink"], ground) >= 4.5
    assert contrast(chosen["on_accent"], chosen["accent"]) >= 4.5


def test_a_colour_that_can_be_read_is_left_as_it_is() -> None:
    assert colours(PLAIN)["ink"] == PLAIN.accent
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


@pytest.mark.parametrize("text", ["", "red", "#12345", "#1234567", "#12345g", "rgb(0,0,0)"])
def test_what_is_no_colour_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        checked_accent(text)


# Link ----------------------------------------------------------------------------------------------------------------


def test_the_link_is_filled_and_what_fills_it_cannot_leave_its_place() -> None:
    assert pay_link(SHORT, LINKED) == "https://pay.example/F-2026-0412?m=3852.00&d=EUR"
    odd = replace(SHORT, number="é/?#@ &{amount}")
    assert pay_link(odd, LINKED) == "https://pay.example/%C3%A9%2F%3F%23%40%20%26%7Bamount%7D?m=3852.00&d=EUR"


def paid_by(payment: Payment | None) -> Invoice:
    return replace(SHORT, payment=payment)


@pytest.mark.parametrize(
    "invoice",
    [
        CREDIT,
        paid_by(Payment(means_code="59")),
        paid_by(Payment(means_code="49", direct_debit=DirectDebit(mandate="M"))),
        replace(SHORT, totals=replace(SHORT.totals, due=Decimal(0))),
        replace(SHORT, totals=replace(SHORT.totals, due=None)),
    ],
    ids=["credit note", "collected", "debited", "nothing due", "no amount"],
)
def test_there_is_no_link_where_nothing_is_to_be_paid_by_it(invoice: Invoice) -> None:
    assert pay_link(invoice, LINKED) == ""


@pytest.mark.parametrize(
    "text",
    [
        "http://pay.example/", "https://", "https:///x", "https://user@pay.example/", "https://{number}.example/",
        "https://pay.example:{amount}/", "https://pay.example/{iban}", "https://pay.example/{", "javascript:alert(1)",
        "https://pay.example/a b", "https://pay.example/\n", 'https://pay.example/"',
        "https://pay.example/" + "x" * 500,
        "https://pay.example\\@other.example/", "https://päy.example/",
    ],
)  # fmt: skip
def test_what_is_no_link_to_one_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="link"):
        checked_link(text)


def test_there_is_one_code_the_transfer_before_the_link() -> None:
    assert paying.code(SHORT, LINKED)[0] == "transfer"
    assert paying.code(paid_by(Payment(means_code="48")), LINKED)[0] == "link"
    assert paying.code(paid_by(Payment(means_code="48")), PLAIN) == ("", "")
    assert paying.code(paid_by(Payment(means_code="59")), LINKED) == ("", "")


def test_the_link_can_be_followed_on_the_page() -> None:
    reader = PdfReader(BytesIO(page.typeset(SHORT, created=AT, presentation=LINKED)))
    (annotation,) = [one.get_object() for one in reader.pages[0]["/Annots"]]
    assert annotation["/A"]["/URI"] == pay_link(SHORT, LINKED)
    assert annotation["/Contents"]
    assert pay_link(SHORT, LINKED) in reader.pages[0].extract_text().replace("\n", "").replace("\u200b", "")


# The transfer --------------------------------------------------------------------------------------------------------


def test_the_code_says_what_epc069_12_wants() -> None:
    said = paying.transfer(SHORT)
    assert said is not None
    assert said.decode().split("\n") == [
        "BCD", "002", "1", "SCT", "AGRIFRPP", "Atelier des Tilleuls", IBAN, "EUR3852.00", "", "", "F-2026-0412",
    ]  # fmt: skip


def told(remittance: str) -> Invoice:
    account = CreditTransfer(account=IBAN, name="A", bank="NOT A BIC")
    return paid_by(Payment(means_code="58", remittance=remittance, transfers=(account,)))


def test_a_creditor_reference_has_its_own_line() -> None:
    said = paying.transfer(told("RF18 5390 0754 7034"))
    assert said is not None
    assert said.decode().split("\n")[4:] == ["", "A", IBAN, "EUR3852.00", "", "RF18539007547034"]
    other = paying.transfer(told("RF19 5390 0754 7034"))
    assert other is not None
    assert other.decode().split("\n")[-2:] == ["", "RF19 5390 0754 7034"]


def test_instalments_and_several_ways_to_pay_have_no_code() -> None:
    assert paying.transfer(replace(SHORT, more_payment_terms=(PaymentTerms(text="Solde"),))) is None
    assert paying.transfer(replace(SHORT, more_payments=(Payment(means_code="30"),))) is None
    assert paying.transfer(replace(SHORT, partial_payment=Decimal(5))) is None


# Logo ----------------------------------------------------------------------------------------------------------------


def picture(kind: str, mode: str, size: tuple[int, int] = (90, 30)) -> bytes:
    out = BytesIO()
    Image.new(mode, size).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        picture("PNG", "RGB"), picture("PNG", "RGBA"), picture("PNG", "L"), picture("PNG", "LA"), picture("PNG", "P"),
        picture("PNG", "1"), picture("PNG", "I;16"), picture("JPEG", "RGB"), picture("JPEG", "L"),
        picture("PNG", "RGB", (1, 400)), picture("PNG", "RGB", (4000, 1)),
        SVG.format("<path d='M0 0h90v30z'/>").encode(),
        b"\xef\xbb\xbf" + SVG.format("<g opacity='.5'><circle r='9'/></g>").encode(), GRADIENT, SVG.format("").encode(),
    ],
)  # fmt: skip
def test_each_kind_of_logo_becomes_a_factur_x(data: bytes) -> None:
    kept = facturx.prove(replace(BRANDED, logo=logo.read(data, "Atelier")))
    made = facturx.build(SHORT, b"<invoice/>", created=AT, presentation=kept)
    assert pdfa.check(made) == ()
    assert made == facturx.build(SHORT, b"<invoice/>", created=AT, presentation=kept)
    reader = PdfReader(BytesIO(made))
    assert len(reader.pages) == 1
    assert b"Atelier" in b"".join(one.encode() for one in alternatives(reader))


def alternatives(reader: PdfReader) -> list[str]:
    """The alternative texts of a tagged PDF."""
    found: list[str] = []

    def walk(node: Any) -> None:
        node = node.get_object()
        if isinstance(node, list):
            for one in node:
                walk(one)
        elif isinstance(node, dict) and "/S" in node:
            found.extend([str(node["/Alt"])] if "/Alt" in node else [])
            if "/K" in node:
                walk(node["/K"])

    walk(reader.trailer["/Root"]["/StructTreeRoot"]["/K"])
    return found


def test_a_drawing_with_gradients_is_kept_as_a_picture() -> None:
    plain = facturx.prove(replace(BRANDED, logo=logo.read(SVG.format("<rect/>").encode(), "A")))
    assert plain.logo is not None
    assert plain.logo.format == "svg"
    pictured = facturx.prove(replace(BRANDED, logo=logo.read(GRADIENT, "A"))).logo
    assert pictured is not None
    assert (pictured.format, pictured.text) == ("png", "A")
    with Image.open(BytesIO(pictured.data)) as image:
        assert image.size == (756, 252), "16 mm tall at 400 points to the inch"
        assert image.mode == "RGBA"


@pytest.mark.parametrize(
    "inside",
    [
        "<script>1</script>", "<foreignObject/>", "<image href='data:image/png;base64,AAAA'/>", "<text>A</text>",
        "<filter id='f'/>", "<mask id='m'/>", "<animate/>", "<set/>", "<a href='#x'/>", "<use href='other.svg#x'/>",
        "<use xmlns:x='http://www.w3.org/1999/xlink' x:href='//h/x'/>", "<rect onload='x()'/>", "<b xmlns='urn:x'/>",
        "<rect style='fill:url(http://h/x#a)'/>", "<rect fill='URL( \"x#a\" )'/>", "<style>@import url(x);</style>",
        "<style>@font-face{src:local(x)}</style>", "<style>a{b:\\75rl(x)}</style>", "<rect" + "/><rect" * 6000 + "/>",
    ],
)  # fmt: skip
def test_an_svg_that_does_more_than_show_is_refused(inside: str) -> None:
    with pytest.raises(Unreadable):
        logo.read(SVG.format(inside).encode(), "A")


@pytest.mark.parametrize("inside", ["<rect fill='url(#a)'/>", "<use href='#a'/>", "<style>.a{fill:url(#a)}</style>"])
def test_an_svg_may_refer_to_itself(inside: str) -> None:
    assert logo.read(SVG.format(inside).encode(), "A").format == "svg"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "A"), (b"GIF89a", "A"), (b"%PDF-1.7", "A"), (b"x" * 300_000, "A"), (picture("JPEG", "CMYK"), "A"),
        (picture("PNG", "RGB", (4001, 1)), "A"), (picture("PNG", "RGB", (2001, 2000)), "A"),
        (b"\x89PNG\r\n\x1a\n", "A"), (picture("JPEG", "RGB")[:-400], "A"),
        (b"\xff\xd8\xff\xe0\x00\x02", "A"), (b"\xff\xd8\xff\xff\xff\xff", "A"), (picture("PNG", "RGB"), " "),
        (picture("PNG", "RGB"), "x" * 201), (picture("PNG", "RGB"), "a\x07"), (b"<html/>", "A"), (b"<svg/>", "A"),
    ],
)  # fmt: skip
def test_what_is_no_logo_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(Unreadable) as refused:
        logo.read(data, text)
    assert refused.value.findings[0].says


def test_a_damaged_picture_is_refused_when_it_is_proved() -> None:
    damaged = logo.read(picture("PNG", "RGB")[:60], "A")
    with pytest.raises(Unreadable) as refused:
        facturx.prove(replace(BRANDED, logo=damaged))
    assert refused.value.findings[0].rule == "HOUSE-LOGO"


@given(st.binary(max_size=300), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"<svg", b""]))
def test_any_bytes_are_a_logo_or_refused(data: bytes, begin: bytes) -> None:
    with suppress(Unreadable):
        assert logo.read(begin + data, "A").data == begin + data
