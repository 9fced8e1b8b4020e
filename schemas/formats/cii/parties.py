"""The parties of a CII document: addresses, contacts and the one shape of ram:…TradeParty."""

from __future__ import annotations

from schemas.binding import Group, Leaf, Node, View
from schemas.formats.cii.syntax import has, ids, issued
from schemas.formats.cii.views import Office, merge_office, spread_office

ADDRESS = (
    Leaf("ram:PostcodeCode", "post_code"),
    Leaf("ram:LineOne", "line1"),
    Leaf("ram:LineTwo", "line2"),
    Leaf("ram:LineThree", "line3"),
    Leaf("ram:CityName", "city"),
    Leaf("ram:CountryID", "country"),
    Leaf("ram:CountrySubDivisionName", "subdivision"),
)

CONTACT = (
    Leaf("ram:PersonName", "name"),
    View(Leaf("ram:DepartmentName", "name"), Office, merge_office, spread_office),
    Leaf("ram:TypeCode", "type_code"),
    Leaf("ram:TelephoneUniversalCommunication/ram:CompleteNumber", "phone"),
    Leaf("ram:FaxUniversalCommunication/ram:CompleteNumber", "fax"),
    Leaf("ram:EmailURIUniversalCommunication/ram:URIID", "email", ignored=("schemeID",)),
)


def registration(scheme: str, path: str) -> Group:
    """A registration with the tax authorities: VA for VAT, FC for any other."""
    return Group(
        "ram:SpecifiedTaxRegistration",
        (Leaf("ram:ID", path, fixed={"schemeID": scheme}),),
        when=has("ram:ID@schemeID", scheme),
    )


def party(prefix: str = "", *, identifiers: tuple[Node, ...] = (), full: bool = False) -> tuple[Node, ...]:
    """The children of a party whose fields stand under `prefix` (delivery.); `full` with all that a seller has."""
    return (
        *(identifiers or ids(f"{prefix}ids")),
        Leaf("ram:Name", f"{prefix}name"),
        Leaf("ram:RoleCode", f"{prefix}role"),
        *((Leaf("ram:Description", f"{prefix}legal_information"),) if full else ()),
        Group(
            "ram:SpecifiedLegalOrganization",
            (
                Leaf("ram:ID", f"{prefix}legal_id"),
                Leaf("ram:TradingBusinessName", f"{prefix}trading_name"),
                Group("ram:PostalTradeAddress", ADDRESS, f"{prefix}legal_address"),
            ),
        ),
        Group("ram:DefinedTradeContact", CONTACT, f"{prefix}contact", more="more_contacts"),
        Group("ram:PostalTradeAddress", ADDRESS, f"{prefix}address"),
        Leaf("ram:URIUniversalCommunication/ram:URIID", f"{prefix}endpoint"),
        registration("VA", f"{prefix}vat_id"),
        *((registration("FC", f"{prefix}tax_id"),) if full else ()),
    )


PARTY = party(full=True)
REDUCED_PARTY = party()
"""The payee and the seller's tax representative."""
SHIP_TO = party("delivery.", identifiers=ids("delivery.location_id", "more_location_ids"))


def reference(tag: str, into: str) -> Group:
    """A document that the header refers to by number and date."""
    return Group(tag, (Leaf("ram:IssuerAssignedID", "number"), issued("date")), into)


def line_reference(tag: str, into: str) -> Group:
    """A line of another document."""
    return Group(tag, (Leaf("ram:IssuerAssignedID", "number"), Leaf("ram:LineID", "line"), issued("date")), into)
