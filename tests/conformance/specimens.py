"""Hybrid PDFs to be judged: every profile and language, short and long invoices, odd content, logos, pages of others.

The same seed gives the same specimens. The content of a profile is cut to what it can hold; amounts of odd content need
not add up, because it is the container and the page that are judged.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from PIL import Image

from schemas.catalogue import FORMATS
from schemas.formats import facturx
from schemas.formats.facturx import page, pdfa, sheet, wrapping
from schemas.formats.facturx.extract import Embedded
from schemas.formats.facturx.logo import Logo
from schemas.formats.facturx.presentation import PLAIN, Presentation
from schemas.formats.facturx.wording import languages
from schemas.invoice import Address, Attachment, Contact, Identifier, Invoice, Item, Line, LineVat, Party, Price, Totals
from schemas.totals import complete
from tests.schemas.hybrid_pdf import built, drawn, in_tree
from tests.schemas.sample_invoice import invoice as sample
from tests.schemas.strategies import invoices

EN16931 = "urn:cen.eu:en16931:2017"
PROFILES = {
    "minimum": "urn:factur-x.eu:1p0:minimum",
    "basic-wl": "urn:factur-x.eu:1p0:basicwl",
    "basic": f"{EN16931}#compliant#urn:factur-x.eu:1p0:basic",
    "en16931": EN16931,
    "extended": f"{EN16931}#conformant#urn:factur-x.eu:1p0:extended",
    "extended-ctc-fr": f"{EN16931}#conformant#urn.cpro.gouv.fr:1p0:extended-ctc-fr",
    "xrechnung": f"{EN16931}#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0",
}
PAGES = Path(__file__).parents[1] / "samples" / "pdf"
"""Pages that common programs made of texts of ours."""
AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)

_ODD = (
    "œuvre d’été — 1 500 € ½",
    "שלום עולם 123",
    "مرحبا بالعالم ٤٥٦",
    "数量と価格 請求書",
    "😀👩‍👩‍👧‍👦🏳️‍🌈",
    "a\u202eevil\u202c b",
    "e\u0301\u0302\u0303\u0304\u0305\u0306 z\u0335",
    "\u200b\u200d\ufeff\u00ad",
    "\ue000\uf8ff\U000f0000",
    "ﷺ ﬁ ǆ ß ẞ İ ı",
    "क्षत्रिय ไทย ខ្មែរ",
    "𝔘𝔫𝔦 🀄 𐌰 \U0001f9ff",
    "W" * 300,
    "ab " * 200,
    "<b>&amp;</b> ]]> <!-- \\ #let x = 1 $a$ *b* _c_ `d`",
    "\t\n\r x",
    "@label <label> // /* */ [a](b)",
    "%PDF-1.7 endobj endstream",
    "(unbalanced \\( ) parenthesis",
    "\u2028\u2029",
)


@dataclass(frozen=True, slots=True)
class Specimen:
    """One hybrid PDF and how it came about."""

    name: str
    profile: str
    """BT-24."""
    xml: bytes
    pdf: bytes
    supplied: bytes
    """The page, where it is another's; empty where it is ours."""
    make: Callable[[], bytes]
    """Makes the PDF again."""

    @property
    def wrapped(self) -> bool:
        """Whether the page is another's; only PDF/A-3b is claimed then."""
        return bool(self.supplied)

    @property
    def flavours(self) -> tuple[str, ...]:
        """The profiles of veraPDF that it claims to keep."""
        return ("3b",) if self.wrapped else ("3a", "ua1")


def specimens(count: int, start: int) -> Iterator[Specimen]:
    """So many specimens, of each kind of content in each profile before any comes again."""
    drawn_by_chance = _drawn(count, start)
    kinds = list(_KINDS)
    for number in range(count):
        chance = random.Random(f"{start}-{number}")
        profile = list(PROFILES)[number % len(PROFILES)]
        kind = kinds[(number // len(PROFILES) + number) % len(kinds)]
        language = languages()[(number // len(PROFILES) + number // len(kinds)) % len(languages())]
        whole = _KINDS[kind](chance) if kind != "every-field" else drawn_by_chance[number % len(drawn_by_chance)]
        invoice = held(replace(whole, profile=PROFILES[profile]), profile)
        supplied = _page(number // len(kinds), chance) if kind == "wrapped" else b""
        look = _presentation(chance) if kind == "short" else PLAIN
        yield _specimen(f"{number:03}-{profile}-{kind}-{language}", invoice, language, supplied or look)


def _specimen(name: str, invoice: Invoice, language: str, look: bytes | Presentation) -> Specimen:
    """One of a supplied page, or of ours in some presentation."""
    xml = FORMATS["cii"].write(invoice)
    read = FORMATS["cii"].read(xml).invoice
    described = pdfa.Description(read.profile, sheet.title(read, language), read.seller.name, AT, language)
    carried = (Embedded("annexe é.txt", "text/plain", b"annexe", "Supplement"),)

    def make() -> bytes:
        if isinstance(look, bytes):
            return wrapping.wrap(look, xml, described, carried).pdf
        return facturx.build(read, xml, language=language, created=AT, presentation=look)

    return Specimen(name, read.profile, xml, make(), look if isinstance(look, bytes) else b"", make)


def _presentation(chance: random.Random) -> Presentation:
    """A logo of any kind or none, any colour, a link or none."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 20"><path d="M2 2h50v9z" fill="#c36"/></svg>'
    logos = [
        None,
        Logo(_picture("PNG", "RGBA"), "png", "Atelier"),
        Logo(_picture("PNG", "L"), "png", "Atelier"),
        Logo(_picture("JPEG", "RGB"), "jpeg", "Atelier"),
        Logo(svg, "svg", "Atelier"),
    ]
    link = chance.choice(("", "https://pay.example.org/{number}?a={amount}&c={currency}"))
    return Presentation(f"#{chance.randrange(2**24):06x}", chance.choice(logos), link)


def _picture(kind: str, mode: str) -> bytes:
    out = BytesIO()
    Image.linear_gradient("L").convert(mode).resize((90, 40)).save(out, kind)
    return out.getvalue()


# What a profile holds ------------------------------------------------------------------------------------------------


def held(invoice: Invoice, profile: str) -> Invoice:
    """The invoice without what its profile cannot hold."""
    if profile not in ("minimum", "basic-wl", "basic"):
        return invoice
    lines = tuple(map(_basic_line, invoice.lines)) if profile == "basic" else ()
    seller, buyer = replace(invoice.seller, contact=None), replace(invoice.buyer, contact=None)
    less = replace(invoice, lines=lines, seller=seller, buyer=buyer, attachments=(), tax_representative=None)
    if profile != "minimum":
        return less
    totals = invoice.totals
    return Invoice(
        number=invoice.number, issue_date=invoice.issue_date, type_code=invoice.type_code, currency=invoice.currency,
        buyer_reference=invoice.buyer_reference, purchase_order=invoice.purchase_order, process=invoice.process,
        profile=invoice.profile,
        seller=Party(name=seller.name, legal_id=seller.legal_id, vat_id=seller.vat_id,
                     address=Address(country=seller.address.country) if seller.address else None),
        buyer=Party(name=buyer.name, legal_id=buyer.legal_id),
        totals=Totals(without_vat=totals.without_vat, vat=totals.vat, with_vat=totals.with_vat, due=totals.due),
    )  # fmt: skip


def _basic_line(line: Line) -> Line:
    item = Item(name=line.item.name, standard_id=line.item.standard_id)
    return replace(line, item=item, order_line="", accounting_reference="", object_id=None)


# Kinds of content ----------------------------------------------------------------------------------------------------


def _line(number: int, chance: random.Random, price: Decimal | None = None) -> Line:
    rate = Decimal(chance.choice(("20", "10", "5.5", "2.1")))
    net = price or Decimal(chance.randrange(1, 10**6)) / 100
    description = chance.choice(("", "Deux lignes\nde texte", "Une description plus longue " * chance.randrange(1, 9)))
    return Line(
        id=str(number), quantity=Decimal(chance.randrange(1, 500)), unit=chance.choice(("C62", "HUR", "KGM", "MTR")),
        price=Price(net=net), vat=LineVat(category="S", rate=rate),
        item=Item(name=f"Article {number}", description=description, seller_id=f"A-{number:05}"),
    )  # fmt: skip


def _with_lines(count: int, chance: random.Random) -> Invoice:
    lines = tuple(_line(number, chance) for number in range(1, count + 1))
    return complete(replace(sample(), lines=lines, totals=Totals(), vat_breakdown=())).invoice


def _short(chance: random.Random) -> Invoice:
    return _with_lines(chance.randrange(1, 7), chance)


def _long(chance: random.Random) -> Invoice:
    return _with_lines(chance.randrange(100, 700), chance)


def _odd_texts(chance: random.Random) -> Invoice:
    """Every text of the sample is replaced, half of them by characters drawn from all of Unicode."""
    contact = Contact(name="x", phone="x", email="x")
    invoice = replace(_with_lines(3, chance), payment_terms="x", buyer_reference="x", contract="x", project="x")
    seller, buyer = replace(invoice.seller, contact=contact), replace(invoice.buyer, contact=contact)
    found = _reworded(replace(invoice, seller=seller, buyer=buyer), chance)
    assert isinstance(found, Invoice)
    return replace(found, currency="EUR", type_code="380")


def _reworded(value: Any, chance: random.Random) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        kept = {
            one.name: _reworded(getattr(value, one.name), chance)
            for one in fields(value)
            if one.name not in ("country", "category", "unit", "scheme", "subject", "means_code", "process")
        }
        return replace(value, **kept)
    if isinstance(value, tuple):
        return tuple(_reworded(one, chance) for one in value)
    if isinstance(value, str) and value:
        return chance.choice(_ODD[:7]) + (chance.choice(_ODD) if chance.random() < 0.5 else _any_signs(chance))
    return value


def _any_signs(chance: random.Random) -> str:
    """Characters of any plane that XML can hold."""
    signs = (chr(chance.randrange(0x20, 0x3134F if chance.random() < 0.5 else 0x600)) for _ in range(24))
    return "".join(sign for sign in signs if unicodedata.category(sign) not in ("Cc", "Cs", "Cn"))


def _huge(chance: random.Random) -> Invoice:
    """Amounts as long as the model takes, prices with many decimals, negative ones."""
    invoice = _with_lines(4, chance)
    huge = Decimal(10**16 - 1) + Decimal("0.99")
    lines = (
        replace(invoice.lines[0], net_amount=huge, price=Price(net=Decimal("9999999999.123456"))),
        replace(invoice.lines[1], net_amount=-huge, quantity=Decimal("-999999999.9999")),
        replace(invoice.lines[2], quantity=Decimal("0.0001"), net_amount=Decimal("0.00")),
        replace(invoice.lines[3], price=Price(net=Decimal("0.000001"), base_quantity=Decimal(10**9))),
    )
    totals = Totals(lines=huge, without_vat=-huge, vat=huge, with_vat=huge, rounding=Decimal("-0.01"), due=huge)
    return replace(invoice, lines=lines, totals=totals)


def _attachments(chance: random.Random) -> Invoice:
    names = ["plan.pdf", "Plan.PDF", "été €.csv", "../../x.png", "factur-x.xml", "שלום.txt", "a" * 200 + ".txt", ""]
    types = ["application/pdf", "text/csv", "image/png", "image/jpeg", "", "application/vnd.oasis.opendocument.text"]
    found = tuple(
        Attachment(id=f"A{number}", description=chance.choice(_ODD[:6]), filename=chance.choice(names),
                   media_type=chance.choice(types), content=chance.randbytes(chance.randrange(1, 40_000)))
        for number in range(chance.randrange(1, 9))
    )  # fmt: skip
    linked = Attachment(id="L", url="https://example.org/annexe.pdf")
    return replace(_short(chance), attachments=(*found, linked))


def _credit_note(chance: random.Random) -> Invoice:
    return replace(_short(chance), type_code=chance.choice(("381", "261", "396")), number=f"AV-{chance.randrange(99)}")


def _foreign_currency(chance: random.Random) -> Invoice:
    invoice = replace(_short(chance), currency=chance.choice(("USD", "JPY", "CHF", "BHD")), tax_currency="EUR")
    buyer = Party(name="Overseas Trading Ltd", address=Address(line1="1 Quay", city="Valletta", country="MT"),
                  vat_id="MT12345634", endpoint=Identifier("MT12345634", "9943"))  # fmt: skip
    totals = replace(invoice.totals, vat_in_tax_currency=Decimal("12.34"))
    return replace(invoice, totals=totals, buyer=buyer, due_date=date(2026, 12, 31) + timedelta(chance.randrange(99)))


_KINDS: dict[str, Callable[[random.Random], Invoice]] = {
    "short": _short,
    "long": _long,
    "odd-texts": _odd_texts,
    "every-field": _short,  # replaced by what is drawn from the shapes of the model
    "huge": _huge,
    "attachments": _attachments,
    "credit-note": _credit_note,
    "foreign-currency": _foreign_currency,
    "wrapped": _short,
}


def _drawn(count: int, start: int) -> list[Invoice]:
    """Invoices drawn from the shapes of the model, any field, any text, any number."""
    found: list[Invoice] = []

    @seed(start)
    @settings(
        max_examples=max(2, count // len(_KINDS)), database=None, phases=[Phase.generate], deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(invoices())
    def draw(invoice: Invoice) -> None:
        found.append(invoice)

    draw()
    return found


def _page(number: int, chance: random.Random) -> bytes:
    """A page that another program made: those of tests/samples/pdf in turn, one drawn by hand, one of ours."""
    pages = [path.read_bytes() for path in sorted(PAGES.glob("wrapped-*.pdf"))]
    pages.append(
        built(drawn(b"1 0 0 rg 10 10 50 50 re f"), in_tree(("plan.txt", b"plan"), ("factur-x.xml", b"<old/>")))
    )
    pages.append(page.typeset(_short(chance), language="fr", created=AT))
    return pages[number % len(pages)]
