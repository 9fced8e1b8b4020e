"""An invoice of ours that keeps every rule: EN 16931, Factur-X and BR-FR; tests break it at one place."""

from __future__ import annotations

import datetime
from decimal import Decimal

from schemas.invoice import (
    Address,
    CreditTransfer,
    Identifier,
    Invoice,
    Item,
    Line,
    LineVat,
    Note,
    Party,
    Payment,
    Price,
    Totals,
    VatBreakdown,
)

SELLER_SIREN = "123456782"
BUYER_SIREN = "987654324"


def invoice() -> Invoice:
    """Ten hours of work at 100 euros, between two French companies."""
    return Invoice(
        number="F-2026-0001",
        issue_date=datetime.date(2026, 10, 1),
        type_code="380",
        currency="EUR",
        due_date=datetime.date(2026, 10, 31),
        notes=(
            Note(subject="PMT", text="Indemnité forfaitaire pour frais de recouvrement : 40 euros."),
            Note(subject="PMD", text="Pénalités de retard : trois fois le taux d'intérêt légal."),
            Note(subject="AAB", text="Pas d'escompte pour paiement anticipé."),
            Note(subject="BAR", text="B2B"),
        ),
        process="S1",
        profile="urn:cen.eu:en16931:2017",
        seller=Party(
            name="Atelier des Tilleuls SARL",
            legal_id=Identifier(SELLER_SIREN, "0002"),
            vat_id="FR11123456782",
            endpoint=Identifier(SELLER_SIREN, "0225"),
            address=Address(line1="3 rue des Tilleuls", city="Lyon", post_code="69003", country="FR"),
        ),
        buyer=Party(
            name="Moulins Réunis SA",
            legal_id=Identifier(BUYER_SIREN, "0002"),
            vat_id="FR14987654324",
            endpoint=Identifier(BUYER_SIREN, "0225"),
            address=Address(line1="12 quai du Moulin", city="Nantes", post_code="44000", country="FR"),
        ),
        payment=Payment(means_code="30", transfers=(CreditTransfer(account="FR7630006000011234567890189"),)),
        totals=Totals(
            lines=Decimal("1000.00"),
            without_vat=Decimal("1000.00"),
            vat=Decimal("200.00"),
            with_vat=Decimal("1200.00"),
            due=Decimal("1200.00"),
        ),
        vat_breakdown=(
            VatBreakdown(
                taxable_amount=Decimal("1000.00"), tax_amount=Decimal("200.00"), category="S", rate=Decimal("20")
            ),
        ),
        lines=(
            Line(
                id="1",
                quantity=Decimal("10"),
                unit="HUR",
                net_amount=Decimal("1000.00"),
                price=Price(net=Decimal("100.00")),
                vat=LineVat(category="S", rate=Decimal("20")),
                item=Item(name="Étude de faisabilité"),
            ),
        ),
    )
