"""The five invoices of the demo: one seller, three buyers that the simulated platform plays, one that has a gateway
of its own, and one invoice that is broken.

They are written once, as JSON; the CII and the UBL are made from it by the same writers that serve the conversions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas import json_form
from schemas.catalogue import FORMATS

SELLER = "Atelier du Levant SAS"
SELLER_SIREN = "100000108"
"""Valid by its check digit, in a range that holds no company."""

PARTNER = "Ateliers du Ponant SAS"
PARTNER_SIREN = "100000389"
"""A buyer that has a gateway of its own."""

IBAN = "FR7630006000011234567890189"
"""The seller's, made up; its check digits hold."""

GOAL = "payment_sent"
"""The status in which the demo's buyers leave an invoice: they accept it and announce their payment."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One submission of the demo."""

    title: str
    number: str
    media_type: str
    data: bytes


def invoices() -> tuple[Sample, Sample, Sample]:
    """One invoice as JSON, one as CII, one as UBL."""
    year = _today().year
    as_json = invoice(f"FA-{year}-0101", buyer_that_accepts())
    as_cii = invoice(
        f"FA-{year}-0102", _buyer("Menuiserie Aubrac SAS", "100000363", "3 rue des Tilleuls", "12000 Rodez")
    )
    as_ubl = invoice(f"FA-{year}-0103", _buyer("Librairie du Quai SARL", "100000371", "8 quai de Seine", "76000 Rouen"))
    return (
        Sample("invoice 1, sent as JSON", as_json["number"], "application/json", _bytes(as_json)),
        Sample("invoice 2, sent as CII", as_cii["number"], "application/xml", written(as_cii, "cii")),
        Sample("invoice 3, sent as UBL", as_ubl["number"], "application/xml", written(as_ubl, "ubl-invoice")),
    )


def broken() -> Sample:
    """An invoice that breaks several rules at once: SIREN, VAT rate, business process, a note and an address."""
    wrong = invoice(f"FA-{_today().year}-0104", buyer_that_accepts())
    wrong["seller"]["legal_id"]["value"] = SELLER_SIREN[:-1]
    wrong["notes"] = [note for note in wrong["notes"] if note["subject"] != "AAB"]
    wrong["process"] = "X9"
    del wrong["buyer"]["endpoint"]
    wrong["lines"][0]["vat"]["rate"] = "17"
    return Sample("invoice 4, broken", wrong["number"], "application/json", _bytes(wrong))


def to_partner() -> Sample:
    """The invoice that goes from one gateway to another."""
    members = invoice(f"FA-{_today().year}-0105", _partner())
    return Sample("invoice 5, to a company with a gateway", members["number"], "application/json", _bytes(members))


def _partner() -> dict[str, Any]:
    return _buyer(PARTNER, PARTNER_SIREN, "4 quai du Commerce", "29200 Brest")


def buyer_that_accepts() -> dict[str, Any]:
    """The buyer whom the simulated platform lets accept and pay."""
    return _buyer("Boulangerie des Halles SARL", "100000207", "12 place du Marché", "69002 Lyon")


def invoice(number: str, buyer: dict[str, Any]) -> dict[str, Any]:
    """An invoice of the demo's seller; totals are left to the gateway."""
    today = _today()
    return {
        "number": number,
        "issue_date": today.isoformat(),
        "type_code": "380",
        "currency": "EUR",
        "due_date": (today + timedelta(days=30)).isoformat(),
        "purchase_order": "BC-2187",
        "process": "M1",
        "profile": "urn:cen.eu:en16931:2017",
        "payment_terms": "Paiement à 30 jours, sans escompte.",
        "notes": [
            {"subject": "PMT", "text": "Indemnité forfaitaire pour frais de recouvrement en cas de retard : 40 €."},
            {"subject": "PMD", "text": "Pénalités de retard : taux de la BCE majoré de 10 points."},
            {"subject": "AAB", "text": "Pas d'escompte pour paiement anticipé."},
            {"subject": "BAR", "text": "B2B"},
        ],
        "seller": {
            "name": SELLER,
            "legal_id": {"value": SELLER_SIREN, "scheme": "0002"},
            "vat_id": f"FR94{SELLER_SIREN}",
            "endpoint": {"value": SELLER_SIREN, "scheme": "0225"},
            "address": {"line1": "27 rue de la Fonderie", "post_code": "13002", "city": "Marseille", "country": "FR"},
            "contact": {
                "name": "Service facturation",
                "phone": "+33 4 91 00 00 00",
                "email": "factures@levant.example",
            },
        },
        "buyer": buyer,
        "delivery": {"date": (today - timedelta(days=2)).isoformat()},
        "payment": {
            "means_code": "30",
            "remittance": number,
            "transfers": [{"account": IBAN, "name": SELLER, "bank": "AGRIFRPP"}],
        },
        "lines": [
            _line("1", "Table d'atelier en chêne, 180 × 80 cm", "2", "H87", "645.00", "20"),
            _line("2", "Pose et réglage sur place", "3.5", "HUR", "58.00", "20"),
            _line("3", "Catalogue imprimé", "10", "H87", "4.20", "5.5"),
        ],
    }


def order() -> dict[str, Any]:
    """An order of the company with a gateway: services, of which VAT falls due when they are paid, and a handbook."""
    today = _today()
    members = invoice("", {**_partner(), "contact": {"name": "Achats", "phone": "+33 2 98 00 00 00"}})
    return {
        "number": f"BC-{today.year}-0311",
        "issue_date": (today - timedelta(days=7)).isoformat(),
        "currency": "EUR",
        "seller": members["seller"],
        "buyer": members["buyer"],
        "lines": [
            _line("1", "Révision des machines, avec manuels", "4", "HUR", "85.00", "20"),
            _line("2", "Formation au poste", "3", "HUR", "70.00", "20"),
            _line("3", "Manuel d'atelier", "2", "H87", "40.00", "5.5"),
        ],
    }


def dispatch(lines: Sequence[str]) -> dict[str, Any]:
    """The call by which these lines of the order are told as handed over, so that they are invoiced."""
    said = {
        "process": "S1",
        "payment": {"means_code": "30", "transfers": [{"account": IBAN, "name": SELLER, "bank": "AGRIFRPP"}]},
        "notes": [{"subject": "BAR", "text": "B2B"}],
    }
    return {"date": _today().isoformat(), "lines": [{"line": line} for line in lines], "invoice": said}


def _line(identifier: str, name: str, quantity: str, unit: str, price: str, rate: str) -> dict[str, Any]:
    return {
        "id": identifier,
        "quantity": quantity,
        "unit": unit,
        "price": {"net": price},
        "vat": {"category": "S", "rate": rate},
        "item": {"name": name},
    }


def _buyer(name: str, siren: str, street: str, town: str) -> dict[str, Any]:
    post_code, city = town.split(" ", 1)
    return {
        "name": name,
        "legal_id": {"value": siren, "scheme": "0002"},
        "endpoint": {"value": siren, "scheme": "0225"},
        "address": {"line1": street, "post_code": post_code, "city": city, "country": "FR"},
    }


def _bytes(members: dict[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False, indent=2).encode()


def written(members: dict[str, Any], syntax: str) -> bytes:
    """The invoice in another syntax, by the writers that serve the conversions."""
    return FORMATS[syntax].write(json_form.read(_bytes(members)))


def _today() -> Any:
    return datetime.now(UTC).date()
