"""The files that scenarios hand in: invoices and a status message of our own making, between two SIRENs.

Each invoice has a number of its own, says that it is a test, and asks for one euro: nobody takes it for a debt.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

from schemas import json_form
from schemas.catalogue import FORMATS
from schemas.conversion import Wish, convert
from schemas.formats import cdar

BASIC = "urn:cen.eu:en16931:2017#compliant#urn:factur-x.eu:1p0:basic"
CIUS = "urn:cen.eu:en16931:2017"
EXTENDED = "urn:cen.eu:en16931:2017#conformant#urn.cpro.gouv.fr:1p0:extended-ctc-fr"

FLOW_SYNTAXES = {"cii": "CII", "ubl-invoice": "UBL", "ubl-creditnote": "UBL", "facturx": "Factur-X"}
"""Formats of ours in the words of XP Z12-013."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """One file to hand in."""

    number: str
    """BT-1; of a status message its own id."""
    syntax: str
    """flowSyntax."""
    name: str
    """File name."""
    media_type: str
    data: bytes

    @property
    def sha256(self) -> str:
        """The fingerprint of the file."""
        return sha256(self.data).hexdigest()


def invoice(
    number: str, parties: tuple[str, str], now: datetime, format_: str = "cii", profile: str = CIUS
) -> Specimen:
    """An invoice, or a credit note, in one of FLOW_SYNTAXES. `parties`: SIREN of seller and buyer.

    For a thread: a Factur-X is typeset.
    """
    members = _members(number, parties, now, profile, credit=format_ == "ubl-creditnote")
    form = json.dumps(members, ensure_ascii=False).encode()
    if format_ == "facturx":
        made = convert(form, Wish("facturx", now.replace(microsecond=0)))
        return Specimen(number, "Factur-X", f"{number}.pdf", "application/pdf", made.data)
    data = FORMATS[format_].write(json_form.read(form))
    return Specimen(number, FLOW_SYNTAXES[format_], f"{number}.xml", "application/xml", data)


def paid(about: Specimen, parties: tuple[str, str], now: datetime) -> Specimen:
    """The seller's message that an invoice was paid (212), one euro of VAT at 20 % included."""
    at = now.replace(microsecond=0)
    seller, buyer = parties
    amount = cdar.Amount("MEN", Decimal("1.20"), rate=Decimal(20), on=at.date())
    message = cdar.StatusMessage(
        code="212",
        at=at,
        number=about.number,
        seller=seller,
        id=f"{about.number}_212_{at:%Y%m%d%H%M%S}",
        issuer=cdar.Party("SE", seller, "0002", _NAMES[0]),
        amounts=(amount,),
        issued_at=at,
        type_code="380",
        issue_date=at.date(),
        received_at=at,
        recipients=(cdar.Party("BY", buyer, "0002", _NAMES[1], buyer), cdar.PORTAL),
    )
    return Specimen(message.id, "CDAR", f"{about.number}_212.xml", "application/xml", cdar.write(message))


_NAMES = ("Essai de conformité, vendeur", "Essai de conformité, acheteur")


def _members(number: str, parties: tuple[str, str], now: datetime, profile: str, *, credit: bool) -> dict[str, Any]:
    today = now.date()
    members: dict[str, Any] = {
        "number": number,
        "issue_date": today.isoformat(),
        "type_code": "381" if credit else "380",
        "currency": "EUR",
        "process": "B1",
        "profile": profile,
        "payment_terms": "Essai de conformité : rien n'est dû.",
        "notes": [
            {"subject": "PMT", "text": "Indemnité forfaitaire pour frais de recouvrement en cas de retard : 40 €."},
            {"subject": "PMD", "text": "Pénalités de retard : taux de la BCE majoré de 10 points."},
            {"subject": "AAB", "text": "Pas d'escompte pour paiement anticipé."},
            {"subject": "BAR", "text": "B2B"},
        ],
        "seller": _party(0, parties[0]) | {"vat_id": _vat(parties[0])},
        "buyer": _party(1, parties[1]),
        "delivery": {"date": today.isoformat()},
        "payment": {"means_code": "30", "transfers": [{"account": "FR7630006000011234567890189"}]},
        "lines": [
            {
                "id": "1",
                "quantity": "1",
                "unit": "H87",
                "price": {"net": "1.00"},
                "vat": {"category": "S", "rate": "20"},
                "item": {"name": "Essai de conformité d'une plateforme"},
            }
        ],
    }
    if credit:
        members["preceding"] = [{"number": f"{number}-0", "issue_date": today.isoformat()}]
    else:
        members["due_date"] = (today + timedelta(days=30)).isoformat()
    return members


def _party(place: int, siren: str) -> dict[str, Any]:
    return {
        "name": _NAMES[place],
        "legal_id": {"value": siren, "scheme": "0002"},
        "endpoint": {"value": siren, "scheme": "0225"},
        "address": {"line1": "1 rue de l'Essai", "post_code": "75001", "city": "Paris", "country": "FR"},
    }


def _vat(siren: str) -> str:
    return f"FR{(12 + 3 * (int(siren) % 97)) % 97:02d}{siren}"
