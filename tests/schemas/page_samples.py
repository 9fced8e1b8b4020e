"""The invoices whose pages are kept as pictures: each shows what the page must master, all companies are invented."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal

from schemas.formats.facturx.logo import read as logo
from schemas.formats.facturx.presentation import PLAIN, Presentation
from schemas.invoice import (
    Address,
    AdvancePayment,
    AllowanceOrCharge,
    Attachment,
    Attribute,
    Contact,
    CreditTransfer,
    CurrencyExchange,
    Delivery,
    DeliveryTerms,
    Identifier,
    Invoice,
    InvoiceReference,
    Item,
    Line,
    LineAllowanceOrCharge,
    LineDelivery,
    LineReference,
    LineVat,
    LogisticsCharge,
    Measure,
    Note,
    Party,
    Payee,
    Payment,
    PaymentAdjustment,
    PaymentTerms,
    Period,
    Preceding,
    Price,
    Reference,
    Tax,
    TaxRepresentative,
    ThirdPartyPayment,
    Totals,
    VatBreakdown,
)

IBAN = "FR7630006000011234567890189"
EXTENDED = "urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended"
NOTES = (
    Note(subject="PMT", text="Indemnité forfaitaire pour frais de recouvrement en cas de retard : 40 €."),
    Note(subject="PMD", text="En cas de retard, pénalités au taux de trois fois l'intérêt légal."),
    Note(subject="AAB", text="Pas d'escompte pour paiement anticipé."),
    Note(subject="REG", text="RCS Lyon 123 456 782 – SARL au capital de 20 000 €."),
    Note(subject="BAR", text="B2B"),
)


def D(text: str) -> Decimal:
    return Decimal(text)


SELLER = Party(
    name="Atelier des Tilleuls SARL",
    legal_id=Identifier("123456782", "0002"),
    ids=(Identifier("12345678200017", "0009"),),
    vat_id="FR11123456782",
    endpoint=Identifier("123456782", "0225"),
    address=Address(line1="3 rue des Tilleuls", city="Lyon", post_code="69003", country="FR"),
    contact=Contact(name="Claire Martin", phone="+33 4 78 00 00 00", email="factures@tilleuls.example"),
)
BUYER = Party(
    name="Moulins Réunis SA",
    legal_id=Identifier("987654324", "0002"),
    vat_id="FR14987654324",
    endpoint=Identifier("987654324", "0225"),
    address=Address(line1="12 quai du Moulin", line2="Bâtiment C", city="Nantes", post_code="44000", country="FR"),
)


def line(
    number: str, name: str, quantity: str, each: str, net: str, *, rate: str = "20", unit: str = "C62", **more: object
) -> Line:
    known = {"item": Item(name=name), "vat": LineVat(category="S", rate=D(rate)), "price": Price(net=D(each))}
    return Line(id=number, quantity=D(quantity), unit=unit, net_amount=D(net), **{**known, **more})  # type: ignore[arg-type]


def totals(net: str, vat: str, gross: str, **more: Decimal) -> Totals:
    known = {"lines": D(net), "without_vat": D(net), "vat": D(vat), "with_vat": D(gross), "due": D(gross)}
    return Totals(**{**known, **more})


def breakdown(*rows: tuple[str, str, str]) -> tuple[VatBreakdown, ...]:
    return tuple(
        VatBreakdown(category="S", rate=D(rate), taxable_amount=D(base), tax_amount=D(tax)) for rate, base, tax in rows
    )


SHORT = Invoice(
    number="F-2026-0412",
    issue_date=date(2026, 10, 1),
    type_code="380",
    currency="EUR",
    due_date=date(2026, 10, 31),
    purchase_order="BC-88120",
    process="M1",
    profile="urn:cen.eu:en16931:2017",
    payment_terms="30 jours nets.",
    notes=NOTES,
    seller=SELLER,
    buyer=BUYER,
    delivery=Delivery(date=date(2026, 9, 29)),
    payment=Payment(
        means_code="58",
        remittance="F-2026-0412",
        transfers=(CreditTransfer(account=IBAN, name="Atelier des Tilleuls", bank="AGRIFRPP"),),
    ),
    lines=(
        line("1", "Table de réunion en chêne massif", "1", "1840.00", "1840.00",
             item=Item(name="Table de réunion en chêne massif", description="240 × 100 cm, piètement acier noir",
                       seller_id="TR-240")),
        line("2", "Chaise, assise en frêne", "8", "145.00", "1160.00",
             item=Item(name="Chaise, assise en frêne", seller_id="CH-07")),
        line("3", "Livraison et montage", "3.5", "60.00", "210.00", unit="HUR"),
    ),
    vat_breakdown=breakdown(("20", "3210.00", "642.00")),
    totals=totals("3210.00", "642.00", "3852.00"),
)  # fmt: skip

CREDIT = replace(
    SHORT,
    number="AV-2026-0031",
    type_code="381",
    issue_date=date(2026, 10, 12),
    due_date=None,
    process="B1",
    payment_terms="",
    preceding=(Preceding(number="F-2026-0412", issue_date=date(2026, 10, 1)),),
    lines=(
        line("1", "Chaise, assise en frêne", "2", "145.00", "290.00",
             item=Item(name="Chaise, assise en frêne", description="Reprise de deux chaises livrées avec un défaut",
                       seller_id="CH-07")),
    ),
    vat_breakdown=breakdown(("20", "290.00", "58.00")),
    totals=totals("290.00", "58.00", "348.00"),
)  # fmt: skip

DEPOSIT = replace(
    SHORT,
    number="FA-2026-0009",
    type_code="386",
    process="S4",
    contract="CTR-2026-17",
    payment_terms="Acompte de 30 % à la commande, payable à réception.",
    due_date=date(2026, 10, 8),
    delivery=None,
    tax_point_code="432",
    lines=(line("1", "Acompte de 30 % sur l'aménagement de la salle du conseil", "1", "5400.00", "5400.00"),),
    vat_breakdown=breakdown(("20", "5400.00", "1080.00")),
    totals=totals("5400.00", "1080.00", "6480.00", paid=D("1000.00"), due=D("5480.00")),
)

EXEMPT = replace(
    SHORT,
    number="F-2026-0420",
    process="M1",
    lines=(
        line("1", "Formation au bois cintré", "2", "450.00", "900.00", unit="DAY", rate="0",
             vat=LineVat(category="E", rate=D("0"))),
        line("2", "Plateau brut, livré à Turin", "4", "310.00", "1240.00", vat=LineVat(category="K", rate=D("0"))),
        line("3", "Pose en sous-traitance", "12", "55.00", "660.00", unit="HUR",
             vat=LineVat(category="AE", rate=D("0"))),
        line("4", "Manuel d'entretien", "10", "18.00", "180.00", rate="5.5"),
        line("5", "Huile de finition, bidon", "6", "24.90", "149.40", unit="LTR"),
    ),
    allowances=(
        AllowanceOrCharge(amount=D("7.47"), base=D("149.40"), percentage=D("5"), vat_category="S", vat_rate=D("20"),
                          reason="Remise de fidélité", reason_code="95"),
    ),
    charges=(
        AllowanceOrCharge(amount=D("32.00"), vat_category="S", vat_rate=D("20"), reason="Port", reason_code="FC"),
    ),
    vat_breakdown=(
        VatBreakdown(category="E", rate=D("0"), taxable_amount=D("900.00"), tax_amount=D("0.00"),
                     exemption_code="VATEX-FR-CGI261-4"),
        VatBreakdown(category="K", rate=D("0"), taxable_amount=D("1240.00"), tax_amount=D("0.00"),
                     exemption_reason="Exonération de TVA, article 262 ter, I du CGI", exemption_code="VATEX-EU-IC"),
        VatBreakdown(category="AE", rate=D("0"), taxable_amount=D("660.00"), tax_amount=D("0.00"),
                     exemption_code="VATEX-EU-AE"),
        *breakdown(("5.5", "180.00", "9.90"), ("20", "173.93", "34.79")),
    ),
    totals=totals("3129.40", "44.69", "3198.62", allowances=D("7.47"), charges=D("32.00"), without_vat=D("3153.93")),
    attachments=(
        Attachment(id="PV-12", description="Procès-verbal de réception", filename="pv-12.pdf",
                   media_type="application/pdf", content=b"%PDF-"),
        Attachment(id="PHOTOS", description="Photos de la pose", url="https://tilleuls.example/p/420"),
    ),
)  # fmt: skip

FOREIGN = replace(
    SHORT,
    number="F-2026-0433",
    currency="USD",
    tax_currency="EUR",
    profile=EXTENDED,
    payment=Payment(means_code="30", remittance="F-2026-0433", transfers=(CreditTransfer(account="US-002-7781-04"),)),
    buyer=Party(
        name="Harbour Lights Ltd",
        vat_id="FR62909090909",
        address=Address(line1="4 Quay Street", city="Boston", post_code="02110", subdivision="MA", country="US"),
    ),
    tax_representative=TaxRepresentative(
        name="Fiscalité & Conseil SAS", vat_id="FR33400500600",
        address=Address(line1="9 rue du Port", city="Marseille", post_code="13002", country="FR"),
    ),
    lines=(line("1", "Comptoir d'accueil, noyer", "1", "8200.00", "8200.00"),),
    vat_breakdown=breakdown(("20", "8200.00", "1640.00")),
    totals=totals("8200.00", "1640.00", "9840.00", vat_in_tax_currency=D("1506.20"), rounding=D("0.00")),
    exchange=CurrencyExchange(source="USD", target="EUR", rate=D("0.91842"), date=date(2026, 9, 30)),
)  # fmt: skip

_WOODS = ("Chêne", "Hêtre", "Frêne", "Noyer", "Merisier", "Érable")


def long(count: int) -> Invoice:
    """An invoice of so many lines, some with a description."""
    lines = []
    for number in range(1, count + 1):
        wood = _WOODS[number % len(_WOODS)]
        details = f"Séchage contrôlé, lot {2600 + number}" if number % 3 == 0 else ""
        price = D("12.40") + number % 17
        quantity = D(number % 9 + 1)
        item = Item(name=f"{wood}, avivé {18 + number % 4 * 9} mm", description=details, seller_id=f"AV-{number:04}")
        lines.append(line(str(number), "", str(quantity), str(price), str(price * quantity), unit="MTK", item=item))
    net = sum((one.net_amount or D("0") for one in lines), D("0"))
    vat = (net * D("0.2")).quantize(D("0.01"))
    return replace(
        SHORT,
        number="F-2026-0500",
        lines=tuple(lines),
        vat_breakdown=breakdown(("20", str(net), str(vat))),
        totals=totals(str(net), str(vat), str(net + vat)),
    )


TEXTS = replace(
    SHORT,
    number="FACTURE-2026/0007-AB-12345678901234",
    purchase_order="COMMANDE-CADRE-2026-0000000000000042",
    buyer_reference="Service des achats, bâtiment C, bureau 214",
    seller=replace(SELLER, name="Société nouvelle des ateliers de menuiserie et d'agencement des Tilleuls et Fils"),
    buyer=replace(BUYER, name="مطاحن المتحدة – מאפיית הצפון"),
    lines=(
        line("1", "", "1", "1234567890.12", "1234567890.12", item=Item(
            name="Aménagement complet d'un plateau de bureaux, études, fabrication, pose et reprises comprises",
            description="Comprend les relevés sur place, les plans d'exécution, la fabrication en atelier, la "
                        "livraison par étage sans ascenseur, la pose, les ajustements et l'enlèvement des emballages. "
                        "Les réserves levées le 12 septembre 2026 sont incluses ; celles du lot électricité ne le "
                        "sont pas.\nGarantie : deux ans pièces et main-d'œuvre.",
            seller_id="LOT-AGENCEMENT-000000000000000000001"),
            note="Voir le compte rendu de chantier n° 14."),
        line("2", "", "-3.125", "0.0421", "-0.13", unit="KGM", item=Item(
            name="🌳 Reprise de copeaux « Grünspan » – ½ sac, Żółć, Ωμέγα, Київ", origin="PL",
            attributes=(Attribute(name="Humidité", value="12 %"),))),
        line("3", "", "1000", "0.55", "550.00", unit="XYZ",
             item=Item(name="Vis-à-tête-fraisée-Ø4×40-acier-zingué-bleu")),
    ),
    vat_breakdown=breakdown(("20", "1234568439.99", "246913688.00")),
    totals=totals("1234568439.99", "246913688.00", "1481482127.99"),
    notes=(*NOTES, Note(subject="AAI", text=" ".join(["Le bois est un matériau vivant : sa teinte évolue."] * 6))),
)  # fmt: skip

SUBLINES = replace(
    SHORT,
    number="F-2026-0611",
    profile=EXTENDED,
    process="B1",
    due_date=None,
    payment_terms="Paiement en deux fois.",
    contract="CTR-2026-17",
    contract_date=date(2026, 2, 3),
    purchase_order_date=date(2026, 8, 28),
    quotation=Reference(number="DV-2026-118", date=date(2026, 8, 12)),
    delivery_terms=DeliveryTerms(code="DAP", location="Nantes", country="FR"),
    payer=Party(name="Holding des Moulins SAS", legal_id=Identifier("552100554", "0002"),
                address=Address(line1="1 place Royale", city="Nantes", post_code="44000", country="FR")),
    sales_agent=Party(name="Agence Loire Bois", address=Address(city="Angers", post_code="49000", country="FR"),
                      contact=Contact(name="Paul Roy", phone="+33 2 41 00 00 00")),
    payee=Payee(name="Affacturage de l'Ouest SA", legal_id=Identifier("784671695", "0002")),
    delivery=Delivery(
        name="Moulins Réunis, dépôt sud", date=date(2026, 9, 29), location_id=Identifier("98765432400025", "0009"),
        address=Address(line1="ZA des Fresnes", city="Rezé", post_code="44400", country="FR"),
        delivery_note=Reference(number="BL-77120", date=date(2026, 9, 29)),
        ship_from=Party(name="Scierie de la Loire", address=Address(city="Roanne", post_code="42300", country="FR")),
    ),
    lines=(
        line("1", "", "1", "2600.00", "2600.00", kind="GROUP", item=Item(name="Ensemble « Accueil »")),
        line("1.1", "", "2", "900.00", "1800.00", parent_id="1", kind="DETAIL",
             item=Item(name="Banque d'accueil", brand="Tilleuls", model="BA-2", batch_ids=("L-0926",)),
             price=Price(net=D("900.00"), gross=D("1000.00"), discount=D("100.00"), discount_reason="Tarif cadre"),
             delivery=LineDelivery(despatch_advice=LineReference(number="BL-77120", line="3"))),
        line("1.2", "", "4", "200.00", "800.00", parent_id="1", kind="DETAIL", item=Item(name="Fauteuil"),
             charges=(LineAllowanceOrCharge(amount=D("0.00"), reason="Tissu ignifugé", reason_code="ADR"),)),
        line("1.2.1", "", "4", "0.00", "0.00", parent_id="1.2", kind="INFORMATION", item=Item(name="dont écotaxe")),
        line("2", "", "10", "12.00", "120.00", item=Item(name="Cire d'entretien"), period=Period(
            start=date(2026, 9, 1), end=date(2026, 9, 30))),
    ),
    logistics_charges=(
        LogisticsCharge(description="Transport sous température", amount=D("80.00"),
                        taxes=(Tax(category="S", rate=D("20")),)),
    ),
    vat_breakdown=breakdown(("20", "2800.00", "560.00")),
    totals=totals("2720.00", "560.00", "3360.00", charges=D("80.00"), without_vat=D("2800.00"), paid=D("360.00"),
                  due=D("3000.00")),
    advance_payments=(
        AdvancePayment(amount=D("360.00"), date=date(2026, 9, 2),
                       taxes=(Tax(category="S", rate=D("20"), amount=D("60.00")),),
                       invoice=InvoiceReference(number="FA-2026-0007", issue_date=date(2026, 9, 1))),
    ),
    third_party_payments=(ThirdPartyPayment(description="Consignes de palettes", amount=D("48.00")),),
    more_payment_terms=(
        PaymentTerms(text="Première échéance", due_date=date(2026, 10, 15), partial_amount=D("1500.00"),
                     discount=PaymentAdjustment(percentage=D("2"), period=Measure(D("8"), "DAY"))),
        PaymentTerms(text="Solde", due_date=date(2026, 11, 30), partial_amount=D("1500.00"),
                     penalty=PaymentAdjustment(percentage=D("10.15"))),
    ),
)  # fmt: skip

MINIMUM = Invoice(
    number="471102",
    issue_date=date(2026, 10, 1),
    type_code="380",
    currency="EUR",
    process="S1",
    profile="urn:factur-x.eu:1p0:minimum",
    seller=Party(name="Atelier des Tilleuls SARL", legal_id=Identifier("123456782", "0002"),
                 address=Address(country="FR")),
    buyer=Party(name="Moulins Réunis SA", legal_id=Identifier("987654324", "0002")),
    totals=Totals(without_vat=D("120.00"), vat=D("24.00"), with_vat=D("144.00"), due=D("144.00")),
)  # fmt: skip

SELF_BILLED = replace(
    SHORT,
    number="AF-2026-0077",
    type_code="389",
    payment=Payment(means_code="59", means_text="Prélèvement", remittance="AF-2026-0077"),
)

MARK = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 64">'
    b'<circle cx="32" cy="32" r="30" fill="#f6c343"/><path d="M32 10v44M20 26l12-10 12 10M16 40l16-12 16 12" '
    b'stroke="#5b3a00" stroke-width="5" fill="none" stroke-linecap="round"/>'
    b'<rect x="80" y="14" width="150" height="14" rx="7" fill="#5b3a00"/>'
    b'<rect x="80" y="38" width="96" height="10" rx="5" fill="#f6c343"/></svg>'
)
BRANDED = Presentation("#f6c343", logo(MARK, "Atelier des Tilleuls"), "https://payer.example/t/{number}?m={amount}")
ONLINE = Presentation("#1b4870", None, "https://payer.example/t/{number}?m={amount}&d={currency}")

PICTURES: dict[str, tuple[Invoice, str, Presentation, Iterable[int]]] = {
    "short": (SHORT, "fr", PLAIN, (1,)),
    "credit-note": (CREDIT, "fr", PLAIN, (1,)),
    "deposit": (DEPOSIT, "fr", PLAIN, (1,)),
    "exemptions": (EXEMPT, "fr", PLAIN, (1,)),
    "foreign-currency": (FOREIGN, "fr", ONLINE, (1,)),
    "long": (long(300), "fr", PLAIN, (1, 2, -2)),
    "texts": (TEXTS, "fr", PLAIN, (1,)),
    "sub-lines": (SUBLINES, "fr", PLAIN, (1, 2)),
    "english": (EXEMPT, "en", PLAIN, (1,)),
    "german": (SHORT, "de", PLAIN, (1,)),
    "branded": (SHORT, "fr", BRANDED, (1,)),
    "self-billed": (SELF_BILLED, "fr", PLAIN, (1,)),
    "minimum": (MINIMUM, "fr", PLAIN, (1,)),
}
"""Name of the picture → invoice, language, presentation, and which pages are kept."""
