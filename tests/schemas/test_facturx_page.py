"""The readable page: nothing of the invoice is left out, nothing breaks it, the same invoice gives the same bytes."""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from time import process_time
from typing import Any

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfReader

from schemas.formats.facturx import build, page, paying, pdfa
from schemas.formats.facturx.extract import extract
from schemas.formats.facturx.lettering import families
from schemas.invoice import (
    Address,
    Attachment,
    Card,
    Classification,
    CreditTransfer,
    DirectDebit,
    Identifier,
    Invoice,
    Item,
    Line,
    LineVat,
    Note,
    Payee,
    Payment,
    Preceding,
    Price,
    Totals,
    id_of,
    shapes,
)
from schemas.json_form import read
from schemas.xml import Unreadable
from tests.schemas.sample_invoice import invoice as sample
from tests.schemas.strategies import invoices

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
SAMPLES = Path(__file__).parents[1] / "samples" / "json"
WHOLE = [path for path in sorted(SAMPLES.glob("*.json")) if "broken" not in path.name]
LANGUAGES = ("fr", "en", "de")
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def text_of(pdf: bytes) -> str:
    """All text of a PDF without white space and break opportunities, which the layout places as it likes."""
    whole = "".join(one.extract_text() for one in PdfReader(BytesIO(pdf)).pages)
    return "".join(whole.replace("\u200b", "").split())


def text(invoice: Invoice, language: str = "fr") -> str:
    return text_of(page.typeset(invoice, language=language, created=AT))


def pages(invoice: Invoice, language: str = "fr") -> list[str]:
    pdf = page.typeset(invoice, language=language, created=AT)
    return ["".join(one.extract_text().split()) for one in PdfReader(BytesIO(pdf)).pages]


def lines(count: int) -> tuple[Line, ...]:
    vat = LineVat(category="S", rate=Decimal(20))
    return tuple(
        Line(id=str(number), quantity=Decimal(number), unit="C62", net_amount=Decimal(number), vat=vat,
             price=Price(net=Decimal(1)), item=Item(name=f"Article {number}", description="Deux lignes\nde texte"))
        for number in range(1, count + 1)
    )  # fmt: skip


# Nothing left out ----------------------------------------------------------------------------------------------------


def every_term() -> Invoice:
    """An invoice that has every term of the model, repeated groups twice, and no value twice."""
    count = itertools.count(1)

    def value(kind: str, term: str) -> Any:
        number = next(count)
        match kind:
            case "amount":
                return Decimal(100_000 + number) + Decimal("0.07")
            case "price":
                return Decimal(200_000 + number) + Decimal("0.1234")
            case "quantity":
                return Decimal(300_000 + number) + Decimal("0.125")
            case "percentage":
                return Decimal(number) + Decimal("0.03")
            case "date":
                return date(2026, 1, 1) + timedelta(days=number)
            case "binary":
                return b"%d" % number
            case "indicator":
                return True
            case "code":
                return f"Z{number:03}"
            case _:
                return f"Marque{number:03}"

    def made(cls: Any, group: str) -> Any:
        found = {}
        for one in fields(cls):
            shape, term = shapes(cls)[one.name], id_of(one, group)
            if cls not in (Identifier, Classification) and not term:
                continue  # the buyer has no tax registration
            items = [
                made(shape.cls, term)
                if shape.kind in ("group", "identifier", "classification")
                else value(shape.kind, term)
                for _ in range(2 if shape.many else 1)
            ]
            found[one.name] = tuple(items) if shape.many else items[0]
        return cls(**found)

    invoice = made(Invoice, "")
    assert isinstance(invoice, Invoice)
    return invoice


def written(value: Any, language: str) -> str:
    """How a value must stand on the page, without white space."""
    if isinstance(value, datetime | date):
        day = {"fr": "%d/%m/%Y", "de": "%d.%m.%Y"}.get(language, "")
        return value.strftime(day) if day else f"{value.day}{MONTHS[value.month - 1]}{value.year}"
    if isinstance(value, Decimal):
        figures = f"{value:,f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"
        figures = figures.replace("-", "\u2212")
        if language == "en":
            return figures
        return figures.translate({ord(","): "." if language == "de" else "", ord("."): ","})
    return "".join(unicodedata.normalize("NFC", str(value)).split())


def values(group: Any, identifier: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every value of a model: id of its term, its kind, the value."""
    for one in fields(group):
        shape, found = shapes(type(group))[one.name], getattr(group, one.name)
        term = id_of(one, identifier) or identifier
        for item in found if shape.many else (found,):
            if item in (None, "", b""):
                continue
            if shape.kind in ("group", "identifier", "classification"):
                yield from values(item, term)
            else:
                yield term, shape.kind, item


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_term_of_the_model_is_on_the_page(language: str) -> None:
    invoice = every_term()
    printed = text(invoice, language)
    missing = [
        (term, value)
        for term, kind, value in values(invoice)
        if kind not in ("binary", "indicator") and written(value, language) not in printed
    ]
    assert missing == []
    assert len(list(values(invoice))) > 250


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_every_value_of_the_samples_is_on_the_page(path: Path, language: str) -> None:
    invoice = read(path.read_bytes())
    printed = text(invoice, language)
    missing = [
        (term, value)
        for term, kind, value in values(invoice)
        if kind not in ("binary", "code") and written(value, language) not in printed
    ]
    assert missing == []


def test_what_the_layout_has_no_place_for_is_printed_by_the_name_of_its_term(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the model gets a term that the layout does not know yet."""
    from schemas.formats.facturx import lines as table
    from schemas.formats.facturx import sheet

    monkeypatch.setattr(sheet, "_LAID_OUT", sheet._LAID_OUT - {"buyer_reference"})
    monkeypatch.setattr(table, "_LINE", table._LINE - {"order_line"})
    line = replace(sample().lines[0], order_line="POSTE-40")
    printed = text(replace(sample(), buyer_reference="SERVICE-7", lines=(line,)))
    assert "BuyerreferenceSERVICE-7" in printed.replace("\n", "")
    assert "ReferencedpurchaseorderlinereferencePOSTE-40" in printed


def test_codes_that_have_words_are_told_in_words() -> None:
    printed = text(replace(sample(), process="M1", payment=Payment(means_code="58")))
    for words in ("Pénalitésderetard", "VirementSEPA", "Biensetservices", "France", "SIREN"):
        assert words in printed


def test_a_line_tells_a_vat_category_that_its_rate_does_not_imply() -> None:
    line = replace(sample().lines[0], vat=LineVat(category="AE", rate=Decimal(0)))
    printed = text(replace(sample(), lines=(line,)))
    assert "0%AE" in printed
    assert "Autoliquidation" in printed


# Languages -----------------------------------------------------------------------------------------------------------


def keys(value: Any, at: str = "") -> set[str]:
    if isinstance(value, dict):
        return {f"{at}/{key}" for key in value}.union(*(keys(item, f"{at}/{key}") for key, item in value.items()))
    return set()


def test_all_languages_have_the_same_words() -> None:
    folder = Path(page.__file__).parent / "templates"
    files = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    assert set(files) >= set(LANGUAGES)
    first, *others = files.values()
    for other in others:
        assert keys(other) == keys(first)


def test_numbers_and_dates_follow_the_language() -> None:
    invoice = replace(sample(), totals=replace(sample().totals, due=Decimal("1234567.5")), due_date=date(2026, 3, 5))
    reader = PdfReader(BytesIO(page.typeset(invoice, created=AT)))
    french = reader.pages[0].extract_text()
    assert "1\u202f234\u202f567,50" in french
    assert "05/03/2026" in french
    english = text(invoice, "en")
    assert "1,234,567.50" in english
    assert "5Mar2026" in english
    assert reader.trailer["/Root"]["/Lang"] == "fr"


def test_another_language_is_one_more_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from schemas.formats.facturx import wording

    for path in wording.TEMPLATES.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    words = json.loads((tmp_path / "en.json").read_text(encoding="utf-8"))
    words["kinds"]["380"], words["formats"]["date"] = "Factuur", "{day:02}-{month:02}-{year:04}"
    (tmp_path / "nl.json").write_text(json.dumps(words), encoding="utf-8")
    monkeypatch.setattr(wording, "TEMPLATES", tmp_path)
    wording.languages.cache_clear()
    try:
        reader = PdfReader(BytesIO(page.typeset(sample(), language="nl", created=AT)))
    finally:
        wording.languages.cache_clear()
        wording._file.cache_clear()
    assert "Factuur" in reader.pages[0].extract_text()
    assert "01-10-2026" in reader.pages[0].extract_text()
    assert reader.trailer["/Root"]["/Lang"] == "nl"


def test_an_unknown_language_is_french() -> None:
    assert page.typeset(sample(), language="xx", created=AT) == page.typeset(sample(), language="fr", created=AT)


@pytest.mark.parametrize(
    ("code", "french", "english"),
    [
        ("380", "Facture", "Invoice"),
        ("381", "Avoir", "Credit note"),
        ("386", "Facture d'acompte", "Prepayment invoice"),
        ("384", "Facture rectificative", "Corrected invoice"),
    ],
)
def test_the_title_tells_what_kind_it_is(code: str, french: str, english: str) -> None:
    invoice = replace(sample(), type_code=code)
    for language, kind in (("fr", french), ("en", english)):
        reader = PdfReader(BytesIO(page.typeset(invoice, language=language, created=AT)))
        assert reader.metadata is not None
        assert reader.metadata.title == f"{kind} F-2026-0001"
        assert kind in reader.pages[0].extract_text().replace("\n", " ")


def test_self_billing_is_told_on_the_page() -> None:
    assert "Autofacturation" in text(replace(sample(), type_code="389"))


# Odd text ------------------------------------------------------------------------------------------------------------


def named(name: str) -> Invoice:
    return replace(sample(), lines=(replace(sample().lines[0], item=Item(name=name)),))


def test_a_character_without_a_glyph_is_a_visible_box() -> None:
    assert "avant□après" in text(named("avant\U0001f9fe après"))
    assert "avant□après" in text(named("avant\ue000 après")), "private use means nothing to a reader"


def test_what_has_no_shape_or_turns_the_reading_direction_is_removed() -> None:
    assert "total100,00" in text(named("to\u202etal\x07 1\u200f00\u2066,00"))


def test_text_of_other_scripts_is_drawn() -> None:
    printed = text(named("Žluťoučký kůň, ΑΘΗΝΑ, Київ, ½ → ≤"))
    for word in ("Žluťoučký", "ΑΘΗΝΑ", "Київ", "→"):
        assert word in printed


def test_every_character_of_the_plane_is_drawn_or_replaced() -> None:
    """All in one note, each followed by a space: no character makes the strict build fail."""
    every = " ".join(chr(code) for code in range(1, 0x3400))  # what follows are scripts of which the fonts have little
    every += " ".join(chr(code) for code in range(0xA000, 0x11000, 7) if not 0xD800 <= code < 0xE000)
    assert page.typeset(replace(sample(), notes=(Note(text=every),)), created=AT).startswith(b"%PDF-")


def test_an_accent_is_drawn_with_its_letter_or_left_out() -> None:
    assert "q\u0301" in text(named("q\u0301")), "one font has both"
    assert "\u0301" not in text(named(" \u0301 \U0001d53e\u1de6")), "no letter, or no font that has both"


@settings(max_examples=30)
@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=50, max_size=400))
def test_any_text_can_be_drawn(odd: str) -> None:
    assert page.typeset(replace(sample(), notes=(Note(text=odd),)), created=AT).startswith(b"%PDF-")


@settings(max_examples=30)
@given(st.text(st.sampled_from(sorted(map(chr, frozenset().union(*families())))), min_size=50, max_size=400))
def test_any_mixture_of_what_the_fonts_have_can_be_drawn(odd: str) -> None:
    assert page.typeset(replace(sample(), notes=(Note(text=odd),)), created=AT).startswith(b"%PDF-")


def test_markup_is_text() -> None:
    odd = '#panic("x") *gras* _x_ $a$ <a> @b // c /* d */ [e] \\ `f` = g'
    assert "".join(odd.split()) in text(named(odd))


def painted(invoice: Invoice) -> list[tuple[int, ...]]:
    """For each page the box that is painted on, in millimetres: left, top, right, bottom."""
    made = page._compiler().compile(sys_inputs=page.inputs(invoice, "fr"), format="png", ppi=50.8)
    boxes = []
    for picture in made if isinstance(made, list) else [made]:
        assert isinstance(picture, bytes)
        with Image.open(BytesIO(picture)) as image:
            box = image.convert("L").point(lambda shade: 255 if shade < 250 else 0).getbbox()
            assert box is not None
            boxes.append(tuple(side // 2 for side in box))
    return boxes


LONG = "x" * 300
CROWDED = {
    "names": replace(named(LONG), seller=replace(sample().seller, name=LONG), number=LONG),
    "address": replace(
        sample(), buyer=replace(sample().buyer, vat_id=LONG, address=Address(line1=LONG, city=LONG, country="FR"))
    ),
    "references": replace(sample(), purchase_order=LONG, contract=LONG, profile=LONG, payment_terms=LONG),
    "notes": replace(sample(), notes=(Note(text="https://exemple.example/" + LONG, subject="AAI"),)),
    "attachments": replace(sample(), attachments=(Attachment(id=LONG, url=LONG),)),
    "figures": replace(
        sample(),
        totals=Totals(**{one.name: Decimal("1" * 17 + ".25") for one in fields(Totals)}),
        lines=(
            Line(
                id="1" * 40,
                quantity=Decimal("1" * 17 + ".2525"),
                unit="XYZ",
                price=Price(net=Decimal("1" * 15 + ".123456"), base_quantity=Decimal("1" * 15), base_unit="KGM"),
                net_amount=Decimal("1" * 17 + ".25"),
                vat=LineVat(category="AE", rate=Decimal("12.25")),
                item=Item(name="Une désignation qui doit rester lisible"),
            ),
        ),
    ),
    "accounts": replace(
        sample(),
        payment=Payment(
            means_code="30",
            remittance=LONG,
            transfers=tuple(CreditTransfer(account=f"COMPTE-{number}", name=LONG) for number in range(30)),
        ),
    ),
    "one tall line": named("mot " * 3000),
    "one tall note": replace(sample(), notes=(Note(text="mot " * 3000, subject="AAI"),)),
}


@pytest.mark.parametrize("name", CROWDED)
def test_nothing_runs_out_of_the_page(name: str) -> None:
    for left, top, right, bottom in painted(CROWDED[name]):
        assert left >= 14
        assert right <= 210 - 14
        assert top >= 8
        assert bottom <= 297 - 6
    printed = text(CROWDED[name])
    texts = [value for _, kind, value in values(CROWDED[name]) if kind == "text" and len(value) < 1000]
    assert [value for value in texts if written(value, "fr") not in printed] == []


def test_a_column_of_huge_figures_leaves_the_name_readable() -> None:
    assert "Unedésignationquidoitresterlisible" in text(CROWDED["figures"])


# Many lines ----------------------------------------------------------------------------------------------------------


def test_a_long_invoice_repeats_its_heading_and_counts_its_pages() -> None:
    found = pages(replace(sample(), lines=lines(200)))
    count = len(found)
    assert count > 3
    for number, one in enumerate(found, start=1):
        assert f"{number}/{count}" in one
    assert sum("Désignation" in one for one in found) >= count - 1
    whole = "".join(found)
    assert [f"Article{number}" for number in range(1, 201) if f"Article{number}" not in whole] == []


def test_sums_are_carried_from_page_to_page_until_the_last_line() -> None:
    found = pages(replace(sample(), lines=lines(200)), "en")
    out = [re.search(r"Carriedforward([\d,]+\.\d\d)", one) for one in found]
    brought = [re.search(r"Broughtforward([\d,]+\.\d\d)", one) for one in found]
    last = next(place for place, one in enumerate(found) if "Article200" in one)
    assert last > 2
    for place, one in enumerate(found):
        assert bool(out[place]) == (place < last)
        assert bool(brought[place]) == (0 < place <= last)
        drawn = [int(number) for number in re.findall(r"Article(\d+)Deux", one)]
        if place < last:
            carried = out[place]
            assert carried is not None
            assert carried[1] == f"{sum(range(1, max(drawn) + 1)):,}.00"
        if 0 < place <= last:
            assert brought[place][1] == out[place - 1][1]  # type: ignore[index]


def test_the_time_for_a_page_grows_as_its_lines_do() -> None:
    page.typeset(sample(), created=AT)
    spent = []
    for count in (200, 1600):
        start = process_time()
        page.typeset(replace(sample(), lines=lines(count)), created=AT)
        spent.append(process_time() - start)
    assert spent[1] < 8 * 2.5 * spent[0]


def test_sums_are_carried_over_but_not_after_the_last_line() -> None:
    found = pages(replace(sample(), lines=lines(60)))
    assert "Àreporter" in found[0]
    carried = re.search(r"Àreporter([\d\s]+,\d\d)", found[0])
    assert carried is not None
    assert f"Report{carried[1]}" in found[1]
    assert "Àreporter" not in found[-1]


@pytest.mark.parametrize("count", [13, 14, 15, 16, 17, 30, 33, 34, 35, 36, 37])
def test_totals_never_stand_on_a_page_without_a_line(count: int) -> None:
    """However many lines there are: the last ones go over with the totals when those have no room."""
    found = pages(replace(sample(), lines=lines(count)))
    (totals,) = [one for one in found if "Totaldeslignes" in one]
    assert f"Article{count}Deux" in totals
    drawn = [int(number) for one in found for number in re.findall(r"Article(\d+)Deux", one)]
    assert drawn == list(range(1, count + 1))


def test_a_line_taller_than_a_page_breaks_and_sums_go_on() -> None:
    tall = replace(lines(1)[0], id="99", item=Item(name="Cahier", description="clause " * 2500))
    found = pages(replace(sample(), lines=(*lines(30), tall, *lines(30))))
    brought = [one for one in found if "Report465,00" in one]
    assert len(brought) == 1
    assert sum("clause" in one for one in found) > 1
    after = next(place for place, one in enumerate(found) if "Report466,00" in one)
    assert after > found.index(brought[0])
    assert sum(one.count("clause") for one in found) == 2500


def test_a_head_taller_than_a_page_leaves_the_lines_whole() -> None:
    long = replace(sample(), buyer=replace(sample().buyer, name="Nom " * 900), lines=lines(40))
    found = pages(long)
    drawn = [int(number) for one in found for number in re.findall(r"Article(\d+)Deux", one)]
    assert drawn == list(range(1, 41))
    assert sum("Désignation" in one for one in found) > 1


def test_lines_that_do_not_count_are_not_carried_over() -> None:
    from tests.schemas.page_samples import SUBLINES

    many = tuple(
        replace(one, id=f"{number}-{one.id}", parent_id=f"{number}-{one.parent_id}" if one.parent_id else "")
        for number in range(12)
        for one in SUBLINES.lines
    )
    found = pages(replace(SUBLINES, lines=many))
    carried = re.search(r"Àreporter([\d\s]+,\d\d)", found[0])
    assert carried is not None
    told = Decimal("".join(carried[1].split()).replace(",", "."))
    sums, running = set(), Decimal(0)
    for one in many:
        if one.kind in ("", "DETAIL"):
            running += one.net_amount or 0
        sums.add(running)
    assert told in sums
    assert told < running


def test_long_invoices_do_not_fill_the_memory_of_the_process() -> None:
    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

    def work(number: int) -> None:
        page.typeset(replace(sample(), number=str(number), lines=lines(200)), created=AT)

    work(0)
    before = resident()
    for number in range(1, 11):
        work(number)
    assert resident() - before < 60, "megabytes; without forgetting it is over 200"


def test_a_short_invoice_has_one_page() -> None:
    for path in WHOLE:
        assert len(pages(read(path.read_bytes()))) == 1


# Paying --------------------------------------------------------------------------------------------------------------

IBAN = "FR7630006000011234567890189"


def paid_by(account: str = IBAN, means: str = "30", **more: Any) -> Invoice:
    return replace(sample(), payment=Payment(means_code=means, transfers=(CreditTransfer(account=account),)), **more)


def test_a_transfer_in_euros_has_its_code_and_the_code_is_drawn() -> None:
    asked, drawing = paying.code(paid_by())
    assert asked == "transfer"
    assert drawing.startswith("<svg")
    reader = PdfReader(BytesIO(page.typeset(paid_by(), created=AT)))
    drawn = reader.pages[0].get_contents()
    assert drawn is not None
    without = PdfReader(BytesIO(page.typeset(replace(paid_by(), payment=None), created=AT))).pages[0].get_contents()
    assert without is not None
    assert len(drawn.get_data()) > len(without.get_data()) + 2000
    assert not list(reader.pages[0].images), "a vector, not a picture"


@pytest.mark.parametrize(
    "invoice",
    [
        paid_by(currency="USD"),
        paid_by(account="12345678"),
        paid_by(account="FR7630006000011234567890188"),
        paid_by(means="59"),
        paid_by(means="48"),
        paid_by(type_code="381"),
        paid_by(type_code="261"),
        paid_by(totals=replace(sample().totals, due=Decimal(0))),
        paid_by(totals=replace(sample().totals, due=Decimal("-5"))),
        paid_by(totals=replace(sample().totals, due=None)),
        replace(sample(), payment=Payment(means_code="30")),
        replace(sample(), payment=Payment(means_code="49", direct_debit=DirectDebit(account=IBAN))),
        replace(sample(), payment=Payment(means_code="48", card=Card(number="1234"))),
    ],
    ids=[
        "other currency", "no IBAN", "IBAN with a wrong check digit", "collected", "paid by card", "credit note",
        "credit note by the buyer", "nothing due", "owed by the seller", "no amount", "no account",
        "direct debit", "card",
    ],
)  # fmt: skip
def test_no_code_where_a_transfer_would_be_wrong(invoice: Invoice) -> None:
    assert paying.transfer(invoice) is None


def test_the_code_pays_the_payee() -> None:
    payment = Payment(means_code="30", transfers=(CreditTransfer(account=IBAN, name="Affactureur"),))
    by_name = paying.transfer(replace(sample(), payment=payment))
    assert paying.transfer(paid_by(payee=Payee(name="Affactureur"))) == by_name
    assert paying.transfer(paid_by()) != by_name


def test_line_breaks_in_a_name_do_not_shift_what_the_code_says() -> None:
    straight = paid_by(seller=replace(sample().seller, name="Nom DE89370400440532013000"))
    assert paying.transfer(paid_by(seller=replace(sample().seller, name="Nom\nDE89370400440532013000"))) == (
        paying.transfer(straight)
    )


# The container -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_the_page_becomes_a_factur_x_that_passes_the_check(path: Path) -> None:
    invoice = read(path.read_bytes())
    made = build(invoice, b"<invoice/>", language="fr", created=AT)
    assert pdfa.check(made) == ()
    assert extract(made).xml == b"<invoice/>"


def test_the_container_is_titled_in_its_language() -> None:
    made = build(replace(sample(), type_code="386"), b"<invoice/>", language="en", created=AT)
    metadata = PdfReader(BytesIO(made)).metadata
    assert metadata is not None
    assert (metadata.title, metadata.author) == ("Prepayment invoice F-2026-0001", "Atelier des Tilleuls SARL")


def unembedded() -> bytes:
    """A PDF in a font that it does not bring along, which PDF/A forbids."""
    with pikepdf.new() as pdf:
        sheet = pdf.add_blank_page(page_size=(200, 200))
        font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
        sheet.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
        sheet.Contents = pdf.make_stream(b"BT /F1 12 Tf 20 100 Td (Facture) Tj ET")
        out = BytesIO()
        pdf.save(out, deterministic_id=True)
    return out.getvalue()


def test_a_supplied_pdf_that_cannot_be_pdfa_goes_along_with_our_page() -> None:
    made = build(sample(), b"<invoice/>", created=AT, supplied=unembedded())
    assert pdfa.check(made) == ()
    assert [(one.name, one.data) for one in extract(made).others] == [("submitted.pdf", unembedded())]
    assert "AtelierdesTilleuls" in text_of(made)


def test_a_supplied_pdf_that_is_damaged_is_refused() -> None:
    with pytest.raises(Unreadable):
        build(sample(), b"<invoice/>", created=AT, supplied=unembedded()[:300])


def test_what_the_invoice_brings_along_is_attached_and_listed() -> None:
    brought = Attachment(
        id="PJ-1", description="BON_LIVRAISON", content=b"a;b\n", media_type="text/csv", filename="b.csv"
    )
    made = build(replace(sample(), attachments=(brought,)), b"<invoice/>", created=AT)
    assert [(one.name, one.data) for one in extract(made).others] == [("b.csv", b"a;b\n")]
    assert "b.csv" in text_of(made)


def test_the_page_claims_level_a_and_accessibility() -> None:
    reader = PdfReader(BytesIO(page.typeset(sample(), created=AT)))
    packet = reader.trailer["/Root"]["/Metadata"].get_data()
    assert b"<pdfaid:conformance>A<" in packet
    assert b"pdfuaid:part" in packet
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]


def test_the_same_invoice_gives_the_same_bytes() -> None:
    again = replace(sample(), preceding=(Preceding(number="F-0"),))
    first = page.typeset(again, created=AT)
    assert page.typeset(sample(), created=AT) != first
    assert page.typeset(again, created=AT) == first
    page._compiler.cache_clear()
    assert page.typeset(again, created=AT) == first


@settings(max_examples=25)
@given(invoices())
def test_any_invoice_can_be_typeset(invoice: Invoice) -> None:
    assert page.typeset(invoice, created=AT).startswith(b"%PDF-")
