"""Whether the page says what the invoice says: tolerant of every honest way to write it, and not of another value."""

from __future__ import annotations

import datetime
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import FORMATS
from schemas.formats import cii
from schemas.formats.facturx import build, page_text
from schemas.formats.facturx.page import typeset
from schemas.formats.facturx.page_text import Legible
from schemas.invoice import Address, CreditTransfer, Invoice, Party, Payment, Totals
from schemas.likeness import Likeness, Standing, compare
from tests.conftest import CORPUS
from tests.schemas import hybrid_pdf as made
from tests.schemas.sample_invoice import invoice

IBAN = "FR7630006000011234567890189"
OTHER_IBAN = "DE89370400440532013000"
FOUND, NOT_FOUND, CONTRADICTED = Standing.FOUND, Standing.NOT_FOUND, Standing.CONTRADICTED


def one(term: str, text: str, **changes: object) -> Likeness:
    """The sample invoice with some fields changed, held against a text: what is said of one term."""
    return next(each for each in compare(replace(invoice(), **changes), text) if each.term == term)  # type: ignore[arg-type]


def total(text: str, value: str) -> Standing:
    """What is said of BT-112 when it has a value."""
    return one("BT-112", text, totals=Totals(with_vat=Decimal(value))).standing


@pytest.mark.parametrize(
    "text",
    [
        "1234.56", "1 234,56", "1\u00a0234,56", "1\u202f234,56", "1\u2009234,56 €", "1.234,56", "1,234.56", "1'234.56",
        "1’234.56", "€1,234.5600", "EUR 1.234,56.", "1 2 3 4 , 5 6", "１２３４．５６", "١٬٢٣٤٫٥٦", "-1 234,56",
        "1234,56EUR", "Total TTC 1 234,56 €", "Total TTC : EUR 1.234,56",
    ],
)  # fmt: skip
def test_an_amount_is_found_however_it_is_written(text: str) -> None:
    assert total(f"Facture\n{text}\nMerci", "1234.56") is FOUND


@pytest.mark.parametrize("text", ["11234,56", "1234,567", "1234,5", "234,56", "1234.56.01", "1235,56", "123,456", ""])
def test_another_amount_is_not_taken_for_it(text: str) -> None:
    assert total(text, "1234.56") is NOT_FOUND


@pytest.mark.parametrize("text", ["12,00", "1.2000", "120.0", "12.00"])
def test_decimals_are_not_taken_for_a_group(text: str) -> None:
    assert total(text, "1200.00") is NOT_FOUND
    assert total("12,34,567.00", "1234567") is FOUND


@pytest.mark.parametrize("text", ["1000", "1 000,00", "1.000,-", "1,000.0", "1000 €"])
def test_a_round_amount_needs_no_decimals(text: str) -> None:
    assert total(text, "1000.00") is FOUND


@pytest.mark.parametrize(
    ("term", "text", "instead"),
    [
        ("BT-112", "Total TTC 9 999,00 €\nsomewhere 1 200,00", "9 999,00"),
        ("BT-112", "Total with VAT: EUR 1,200.01", "1,200.01"),
        ("BT-109", "Gesamtbetrag netto 999,00", "999,00"),
        ("BT-110", "Total TVA 20 % 199,00", "199,00"),
        ("BT-115", "Net à payer : 12 000,00 €", "12 000,00"),
        ("BT-9", "Date d'échéance 30/11/2026", "2026-11-30"),
        ("BT-9", "Due date: 2026-11-01 (31/10/2026 at the latest?)", "2026-11-01"),
        ("BT-9", "Échéance :\n30/11/2026", "2026-11-30"),
        ("BT-115", "Net à payer\n12,00 €", "12,00"),
        ("BT-2", "Rechnungsdatum 02.10.2026", "2026-10-02"),
        ("BT-1", "Facture N° F-2026-0002", "F-2026-0002"),
        ("BT-1", "Invoice number: A17", "A17"),
        ("BT-27", "Atelier des Tilleul SARL", "Atelier des Tilleul SARL"),
        ("BT-84", f"IBAN {OTHER_IBAN[:4]} {OTHER_IBAN[4:]}", OTHER_IBAN),
    ],
)
def test_what_the_page_states_instead_is_told(term: str, text: str, instead: str) -> None:
    said = one(term, text)
    assert (said.standing, said.instead) == (CONTRADICTED, instead)


def test_one_of_several_named_values_is_enough() -> None:
    text = "Échéance 30/09/2026 : acompte\nÉchéance 31/10/2026 : solde\nTotal TTC 600,00\nTotal TTC 1 200,00"
    assert one("BT-9", text).standing is FOUND
    assert one("BT-112", text).standing is FOUND


def test_a_value_below_one_label_is_not_contradicted_by_another() -> None:
    assert one("BT-9", "Échéance\n31/10/2026\nacompte, échéance 15/10/2026").standing is FOUND


def test_columns_of_labels_and_values_accuse_nobody() -> None:
    assert one("BT-9", "Date de facture\nÉchéance\n01/10/2026\n31/10/2026").standing is FOUND


@pytest.mark.parametrize(
    "text",
    [
        "05.03.2018", "5/3/2018", "05-03-18", "2018-03-05", "20180305", "5 mars 2018", "5. März 2018", "05 mar. 2018",
        "5th March 2018", "March 5, 2018", "5 de marzo de 2018", "5 marzo 2018", "5-mrt-2018", "5 marca 2018",
        "05 . 03 . 2018", "5. MÄRZ 2018", "0 5 / 0 3 / 2 0 1 8", "Invoice Date 03/05/2018",
    ],
)  # fmt: skip
def test_a_date_is_found_however_it_is_written(text: str) -> None:
    assert one("BT-2", f"text {text} text", issue_date=datetime.date(2018, 3, 5)).standing is FOUND


@pytest.mark.parametrize("text", ["15.03.2018", "05.03.20189", "5 mai 2018", "facture 03/05/2018", "2018-03-051", ""])
def test_another_date_is_not_taken_for_it(text: str) -> None:
    assert one("BT-2", text, issue_date=datetime.date(2018, 3, 5)).standing is NOT_FOUND


def test_the_first_of_a_month_in_french() -> None:
    assert one("BT-2", "Lyon, le 1er août 2026", issue_date=datetime.date(2026, 8, 1)).standing is FOUND


@pytest.mark.parametrize("text", ["F-2026-0001", "f–2026–0001", "F - 2026 - 0001", "NoF-2026-0001vom 1.1."])
def test_a_number_is_found(text: str) -> None:
    expected = NOT_FOUND if text.startswith("No") else FOUND  # a letter before a letter may be of the same number
    assert one("BT-1", f"Facture {text}").standing is expected


@pytest.mark.parametrize("text", ["F-2026-00011", "XF-2026-0001", "F-2026"])
def test_a_number_is_no_part_of_a_longer_one(text: str) -> None:
    assert one("BT-1", f"x {text} x").standing is NOT_FOUND


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Société Générale Énergie", "SOCIETE GENERALE\nENERGIE SA"),
        ("Office & Co.", "O\ufb03ce & Co"),
        ("Müller GmbH", "M u l l e r  G m b H"),
        ("L'Atelier", "L’Atelier"),
        ("شركة النور", "شركة النور"),
        ("שלום בעמ", "מעב םולש"),
        ("Straße AG", "STRASSE AG"),
        ("Hyphen-ated", "Hyphen\u00ad-\nated"),
    ],
)
def test_a_name_is_found_however_it_is_set(name: str, text: str) -> None:
    assert one("BT-27", f"x {text} y", seller=Party(name=name)).standing is FOUND


@pytest.mark.parametrize("text", [IBAN, "FR76 3000 6000 0112 3456 7890 189", "FR76-3000-6000-0112-3456-7890-189",
                                  "F R 7 6 30006 00001 12345678901 89"])  # fmt: skip
def test_an_account_is_found_however_it_is_grouped(text: str) -> None:
    assert one("BT-84", f"Banque : {text} BIC X").standing is FOUND


def test_an_account_in_a_country_s_own_form_is_no_iban_and_contradicts_none() -> None:
    payment = Payment(means_code="30", transfers=(CreditTransfer(account="12-34-56 12345678"),))
    assert one("BT-84", f"IBAN {OTHER_IBAN}", payment=payment).standing is NOT_FOUND
    assert one("BT-84", "Sort code 12-34-56, account 12345678", payment=payment).standing is FOUND


def test_an_iban_with_a_slip_is_not_found_by_its_groups() -> None:
    payment = Payment(means_code="30", transfers=(CreditTransfer(account="DE77 3707 0060 0321 9870 01"),))
    assert one("BT-84", "IBAN DE77 3707 0060 0321 9870 00, 01/2026", payment=payment).standing is CONTRADICTED


def test_what_the_invoice_lacks_is_not_looked_for() -> None:
    assert compare(Invoice(), "Total TTC 1,00") == ()


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=400),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9),
    st.dates(),
)
def test_no_text_breaks_it(text: str, amount: Decimal, day: datetime.date) -> None:
    changed = replace(invoice(), number=text[:20], totals=Totals(with_vat=amount), due_date=day)
    assert all(each.standing in Standing for each in compare(changed, text * 3))
    written = compare(changed, f"{text}\n{amount:,.2f}\n{day.isoformat()}\n")
    assert {each.standing for each in written if each.term == "BT-112" and "total" not in text.casefold()} <= {FOUND}


def test_the_largest_text_takes_little_time() -> None:
    for text in ("aa11" + "a" * 26 + " ", "1 ", "total ttc ", "Atelier des Tilleux "):
        assert len(compare(invoice(), text * (250_000 // len(text)))) == 10


def test_a_number_without_end_is_found_and_costs_no_pattern() -> None:
    number = "F-" + "2026-0001/" * 40_000
    tracemalloc.start()
    try:
        assert one("BT-1", f"Facture {number[:99]} {number[99:]}", number=number).standing is FOUND
        assert one("BT-1", f"Facture n° {number[:-1]}", number=number).standing is CONTRADICTED
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000


@pytest.mark.parametrize("amount", ["9" * 41, "1" * 39 + ".25", "1E+999999", "0." + "1" * 41])
def test_an_amount_that_nobody_writes_is_not_looked_for(amount: str) -> None:
    assert total(amount, amount) is NOT_FOUND


def test_zeros_without_end_are_no_digits() -> None:
    assert total("Total TTC 12,00", "12." + "0" * 1000) is FOUND


def _invoices() -> Iterator[Invoice]:
    """Invoices of ours: short and long, large amounts, names that break over lines or are written to the left."""
    plain = invoice()
    yield plain
    yield replace(plain, lines=plain.lines * 120)
    yield replace(plain, type_code="381", number="AV/2026/" + "7" * 40)
    large = Totals(
        lines=Decimal("123456789.01"), without_vat=Decimal("123456789.01"), vat=Decimal("24691357.80"),
        with_vat=Decimal("148148146.81"), due=Decimal("-1.05"), paid=Decimal("148148147.86"),
    )  # fmt: skip
    yield replace(plain, totals=large)
    yield replace(plain, seller=replace(plain.seller, name="Compagnie Générale " * 6 + "d'Électricité & Cie"))
    yield replace(plain, buyer=Party(name="Łódź Žižkov ﬁn Ørsted", address=Address(city="Łódź", country="PL")))
    yield replace(
        plain,
        payment=Payment(means_code="58", transfers=tuple(CreditTransfer(account=one) for one in (IBAN, OTHER_IBAN))),
    )


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("number", range(7))
def test_our_own_page_says_all_of_it(number: int, language: str) -> None:
    wanted = list(_invoices())[number]
    made_at = datetime.datetime(2026, 11, 24, tzinfo=UTC)
    pdf = build(wanted, cii.FORMAT.write(wanted), language=language, created=made_at)
    page = page_text.read(pdf)
    assert page.legible is Legible.TEXT
    assert [each for each in compare(wanted, page.text) if each.standing is not FOUND] == []


def test_a_page_without_text_is_not_one_that_could_not_be_read() -> None:
    assert page_text.read(made.built()).legible is Legible.NO_TEXT
    assert page_text.read(made.page()).legible is Legible.NO_TEXT
    for broken in (b"", b"%PDF-1.7 nothing %%EOF", made.built()[:-200]):
        unread = page_text.read(broken)
        assert (unread.legible, unread.text) == (Legible.UNREAD, "")
        assert unread.reason


@pytest.mark.parametrize(
    ("mode", "hidden"), [(b"", False), (b"0 Tr", False), (b"4 Tr", False), (b"3 Tr", True), (b"7 Tr", True)]
)
def test_text_that_nobody_sees_is_told(mode: bytes, hidden: bool) -> None:
    content = b"BT /F1 9 Tf %s (Facture F-2026-0001, Atelier des Tilleuls SARL, Lyon) Tj ET" % mode
    found = page_text.read(made.built(made.drawn(content, Font=made.unembedded)))
    assert (found.legible, found.hidden) == (Legible.TEXT, hidden)


@pytest.mark.parametrize(
    "content",
    [b"BT /F1 9 Tf " + b"(ab) Tj " * 200_000 + b"ET", b"[" * 1_000_000, b"1 " * 2_000_000, b"q Q " * 3_000_000],
    ids=["text", "nested", "numbers", "states"],
)
def test_a_page_made_to_be_slow_is_left_unread(content: bytes) -> None:
    assert page_text.read(made.built(made.drawn(content, Font=made.unembedded))).legible is Legible.UNREAD


def test_many_pages_of_nothing_are_left_unread() -> None:
    def copied(pdf: made.Pdf) -> None:
        made.drawn(b"1 " * 100_000)(pdf)
        for _ in range(100):
            pdf.pages.append(pdf.pages[0])

    assert "drawn by more than" in page_text.read(made.built(copied)).reason


def test_forms_that_multiply_are_left_unread() -> None:
    def multiplied(pdf: made.Pdf) -> None:
        form: object = None
        for _ in range(8):
            kind = {"Type": made.Name.XObject, "Subtype": made.Name.Form, "BBox": made.Array([0, 0, 9, 9])}
            resources = made.Dictionary(XObject=made.Dictionary(X=form)) if form is not None else made.Dictionary()
            form = pdf.make_indirect(made.Stream(pdf, b"/X Do " * 10, Resources=resources, **kind))
        made.drawn(b"/X Do " * 10, XObject=made.Dictionary(X=form))(pdf)

    assert page_text.read(made.built(multiplied)).legible is Legible.UNREAD


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public corpus (../shared/corpus) is not here")
def test_our_page_of_invoices_of_others_says_all_of_it() -> None:
    rows = [json.loads(line) for line in (CORPUS / "manifest.jsonl").read_text().splitlines()]
    valid = [row for row in rows if row["kind"] in FORMATS and row["label"] == "valid"]
    checked = 0
    for row in valid[::12]:
        wanted = FORMATS[row["kind"]].read((CORPUS / row["path"]).read_bytes()).invoice
        page = page_text.read(typeset(wanted, created=datetime.datetime(2026, 11, 24, tzinfo=UTC)))
        assert [each for each in compare(wanted, page.text) if each.standing is not FOUND] == [], row["path"]
        checked += 1
    assert checked >= 30


def _last_digit(text: str) -> str:
    """The same with its last digit one higher."""
    at = max(place for place, sign in enumerate(text) if sign.isdigit())
    return f"{text[:at]}{(int(text[at]) + 1) % 10}{text[at + 1 :]}"


def test_every_changed_value_is_noticed_on_our_page() -> None:
    whole = invoice()
    page = page_text.read(typeset(whole, created=datetime.datetime(2026, 11, 24, tzinfo=UTC))).text
    assert whole.issue_date is not None
    assert whole.due_date is not None
    assert whole.payment is not None
    more, later = Decimal("10.01"), datetime.timedelta(3)
    names = ("without_vat", "vat", "with_vat", "due")
    changed = replace(
        whole,
        number=_last_digit(whole.number),
        issue_date=whole.issue_date + later,
        due_date=whole.due_date + later,
        seller=replace(whole.seller, name=whole.seller.name.replace("Tilleuls", "Tilleulx")),
        buyer=replace(whole.buyer, name=whole.buyer.name.replace("Moulins", "Poulins")),
        totals=replace(whole.totals, **{name: getattr(whole.totals, name) + more for name in names}),
        payment=replace(whole.payment, transfers=(CreditTransfer(account=_last_digit(IBAN)),)),
    )
    assert [each.term for each in compare(changed, page) if each.standing is FOUND] == []
