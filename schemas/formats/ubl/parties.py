"""The parties of a UBL invoice: one shape of cac:Party for all, and the places where they stand.

The agent and the service provider of a party are, in EXTENDED-CTC-FR, the sales agent and the invoicer (of the seller),
the buyer's agent and the invoicee (of the buyer). In the model they stand in the invoice, not in the party.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from schemas.binding import Context, Group, Leaf, Node, Scope, View
from schemas.formats.ubl.views import (
    Identification,
    Registration,
    merge_id,
    merge_location_id,
    merge_payee_id,
    merge_registration,
    merge_vat_id,
    spread_ids,
    spread_location_ids,
    spread_payee_ids,
    spread_registrations,
    spread_seller_ids,
    spread_vat_id,
)
from schemas.formats.ubl.vocabulary import VAT, VAT_SCHEME, has
from schemas.invoice import Invoice, Party


def _address(within: str = "", department: str = "") -> tuple[Node, ...]:
    """The children of an address; it may have a department, which in the model belongs to the contact."""
    return (
        Leaf("cbc:StreetName", f"{within}line1"),
        Leaf("cbc:AdditionalStreetName", f"{within}line2"),
        *((Leaf("cbc:Department", department),) if department else ()),
        Leaf("cbc:CityName", f"{within}city"),
        Leaf("cbc:PostalZone", f"{within}post_code"),
        Leaf("cbc:CountrySubentity", f"{within}subdivision"),
        Leaf("cac:AddressLine/cbc:Line", f"{within}line3"),
        Leaf("cac:Country/cbc:IdentificationCode", f"{within}country"),
    )


ADDRESS = _address()
_POSTAL_ADDRESS = Group("cac:PostalAddress", _address("address.", "contact.department"))

CONTACT: tuple[Node, ...] = (
    Leaf("cbc:Name", "name"),
    Leaf("cbc:Telephone", "phone"),
    Leaf("cbc:Telefax", "fax"),
    Leaf("cbc:ElectronicMail", "email"),
)

_PARTY_TAX_SCHEME = Group("cac:PartyTaxScheme", (Leaf("cbc:CompanyID", "id"), Leaf("cac:TaxScheme/cbc:ID", "scheme")))
_VAT_ID = View(_PARTY_TAX_SCHEME, Registration, merge_vat_id, spread_vat_id)
_REGISTRATION = View(_PARTY_TAX_SCHEME, Registration, merge_registration, spread_registrations)


def identification(
    spread: Callable[[Any, Invoice], Iterator[Identification]],
    merge: Callable[[Scope, Scope, Context], bool] = merge_id,
) -> View:
    """cac:PartyIdentification, once for each identifier."""
    return View(Group("cac:PartyIdentification", (Leaf("cbc:ID", "id"),)), Identification, merge, spread)


def party(ids: View) -> tuple[Node, ...]:
    """The children of cac:Party."""
    return (
        Leaf("cbc:EndpointID", "endpoint"),
        Leaf("cbc:IndustryClassificationCode", "role"),
        ids,
        Leaf("cac:PartyName/cbc:Name", "trading_name"),
        _POSTAL_ADDRESS,
        _REGISTRATION,
        Group(
            "cac:PartyLegalEntity",
            (
                Leaf("cbc:RegistrationName", "name"),
                Leaf("cbc:CompanyID", "legal_id"),
                Leaf("cbc:CompanyLegalForm", "legal_information"),
                Group("cac:RegistrationAddress", ADDRESS, "legal_address"),
            ),
        ),
        Group("cac:Contact", CONTACT, "contact"),
    )


PARTY = party(identification(spread_ids))


def _attached(tag: str, field: str) -> View:
    """A party of the invoice that stands in another party."""

    def merge(_scope: Scope, found: Scope, context: Context) -> bool:
        return bool(context.root.setdefault(field, found) is found)

    def spread(_party: Party, root: Invoice) -> Iterator[Party]:
        value = getattr(root, field)
        if value is not None:
            yield value

    return View(Group(tag, PARTY), Party, merge, spread)


def _trading(tag: str, field: str, ids: View, agent: str, provider: str) -> Group:
    others = _attached("cac:AgentParty", agent), _attached("cac:ServiceProviderParty/cac:Party", provider)
    return Group(f"{tag}/cac:Party", (*party(ids), *others), field, required=True)


PARTIES: tuple[Node, ...] = (
    _trading(
        "cac:AccountingSupplierParty",
        "seller",
        identification(spread_seller_ids, merge_payee_id),
        "sales_agent",
        "invoicer",
    ),
    _trading("cac:AccountingCustomerParty", "buyer", identification(spread_ids), "buyer_agent", "invoicee"),
    Group(
        "cac:PayeeParty",
        (
            Leaf("cbc:EndpointID", "endpoint"),
            Leaf("cbc:IndustryClassificationCode", "role"),
            identification(spread_payee_ids, merge_payee_id),
            Leaf("cac:PartyName/cbc:Name", "name"),
            _POSTAL_ADDRESS,
            _VAT_ID,
            Group(
                "cac:PartyLegalEntity",
                (Leaf("cbc:CompanyID", "legal_id"), Group("cac:RegistrationAddress", ADDRESS, "legal_address")),
            ),
            Group("cac:Contact", CONTACT, "contact"),
        ),
        "payee",
    ),
    Group(
        "cac:TaxRepresentativeParty",
        (
            Leaf("cbc:EndpointID", "endpoint"),
            Leaf("cbc:IndustryClassificationCode", "role"),
            identification(spread_ids),
            Leaf("cac:PartyName/cbc:Name", "name"),
            _POSTAL_ADDRESS,
            _VAT_ID,
            Group(
                "cac:PartyLegalEntity",
                (Leaf("cbc:CompanyID", "legal_id"), Group("cac:RegistrationAddress", ADDRESS, "legal_address")),
            ),
            Group("cac:Contact", CONTACT, "contact"),
        ),
        "tax_representative",
    ),
    Group(
        "cac:Delivery",
        (
            Leaf("cbc:ActualDeliveryDate", "delivery.date"),
            Group(
                "cac:DeliveryLocation",
                (
                    Leaf("cbc:ID", "delivery.location_id"),
                    Group("cac:Address", ADDRESS, "delivery.address"),
                ),
            ),
            Group(
                "cac:DeliveryParty",
                (
                    Leaf("cbc:EndpointID", "delivery.endpoint"),
                    Leaf("cbc:IndustryClassificationCode", "delivery.role"),
                    identification(spread_location_ids, merge_location_id),
                    Leaf("cac:PartyName/cbc:Name", "delivery.name"),
                    Group(
                        "cac:PartyTaxScheme",
                        (Leaf("cbc:CompanyID", "delivery.vat_id"), VAT_SCHEME),
                        when=has("cac:TaxScheme/cbc:ID", VAT),
                    ),
                    Group(
                        "cac:PartyLegalEntity",
                        (
                            Leaf("cbc:CompanyID", "delivery.legal_id"),
                            Group("cac:RegistrationAddress", ADDRESS, "delivery.legal_address"),
                        ),
                    ),
                    Group("cac:Contact", CONTACT, "delivery.contact"),
                ),
            ),
            Group("cac:Despatch/cac:DespatchParty", PARTY, "delivery.ship_from"),
        ),
    ),
)
"""Seller, buyer, payee, tax representative and delivery, in the order of both documents."""
