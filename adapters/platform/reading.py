"""What the simulated platform must know of a delivered document: who to whom, which number, how much.

It opens CII, UBL and Factur-X by small look-ups of its own, so that a fault in the gateway's readers and writers is not
mirrored by the platform that judges their work. It runs in a thread: parsing does not belong on the event loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.xml import Unreadable, name_of, parse

_NAMESPACES = {
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}
_TRADE = "rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTrade"
_SUM = f"{_TRADE}Settlement/ram:SpecifiedTradeSettlementHeaderMonetarySummation"
_CII = {
    "number": "rsm:ExchangedDocument/ram:ID",
    "type_code": "rsm:ExchangedDocument/ram:TypeCode",
    "issue_date": "rsm:ExchangedDocument/ram:IssueDateTime/udt:DateTimeString",
    "seller": f"{_TRADE}Agreement/ram:SellerTradeParty/ram:SpecifiedLegalOrganization/ram:ID",
    "seller_name": f"{_TRADE}Agreement/ram:SellerTradeParty/ram:Name",
    "seller_address": f"{_TRADE}Agreement/ram:SellerTradeParty/ram:URIUniversalCommunication/ram:URIID",
    "buyer": f"{_TRADE}Agreement/ram:BuyerTradeParty/ram:SpecifiedLegalOrganization/ram:ID",
    "buyer_name": f"{_TRADE}Agreement/ram:BuyerTradeParty/ram:Name",
    "buyer_address": f"{_TRADE}Agreement/ram:BuyerTradeParty/ram:URIUniversalCommunication/ram:URIID",
    "currency": f"{_TRADE}Settlement/ram:InvoiceCurrencyCode",
    "total": f"{_SUM}/ram:DuePayableAmount",
}
_PARTY = "cac:Accounting{}Party/cac:Party/"
_UBL = {
    "number": "cbc:ID",
    "type_code": "cbc:InvoiceTypeCode",
    "issue_date": "cbc:IssueDate",
    "seller": _PARTY.format("Supplier") + "cac:PartyLegalEntity/cbc:CompanyID",
    "seller_name": _PARTY.format("Supplier") + "cac:PartyLegalEntity/cbc:RegistrationName",
    "seller_address": _PARTY.format("Supplier") + "cbc:EndpointID",
    "buyer": _PARTY.format("Customer") + "cac:PartyLegalEntity/cbc:CompanyID",
    "buyer_name": _PARTY.format("Customer") + "cac:PartyLegalEntity/cbc:RegistrationName",
    "buyer_address": _PARTY.format("Customer") + "cbc:EndpointID",
    "currency": "cbc:DocumentCurrencyCode",
    "total": "cac:LegalMonetaryTotal/cbc:PayableAmount",
}
_ROOTS = {
    (_NAMESPACES["rsm"], "CrossIndustryInvoice"): ("CII", _CII),
    ("urn:oasis:names:specification:ubl:schema:xsd:Invoice-2", "Invoice"): ("UBL", _UBL),
    ("urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2", "CreditNote"): (
        "UBL",
        _UBL | {"type_code": "cbc:CreditNoteTypeCode"},
    ),
}


_CDAR = (
    "urn:un:unece:uncefact:data:standard:CrossDomainAcknowledgementAndResponse:100",
    "CrossDomainAcknowledgementAndResponse",
)
_ABOUT = "{*}AcknowledgementDocument/{*}ReferenceReferencedDocument"


@dataclass(frozen=True, slots=True)
class About:
    """Which invoice a status message speaks of, as far as the platform looks."""

    number: str
    seller: str
    """SIREN."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivered invoice, as far as the platform looks; each text as found, empty where absent."""

    syntax: str
    """CII or UBL: of the XML itself, also inside a PDF."""
    number: str = ""
    type_code: str = ""
    issue_date: str = ""
    """YYYYMMDD."""
    seller: str = ""
    """SIREN."""
    seller_name: str = ""
    seller_address: str = ""
    buyer: str = ""
    """SIREN."""
    buyer_name: str = ""
    buyer_address: str = ""
    currency: str = ""
    total: str = ""
    """Amount due (BT-115), a decimal number."""


def read(data: bytes, syntax: str) -> Delivered:
    """The invoice in the bytes, of the declared syntax. Raises Unreadable when it is none or of another syntax."""
    xml = _attached(data) if syntax == "Factur-X" else data
    root = parse(xml).getroot()
    known = _ROOTS.get(name_of(root))
    if known is None or known[0] != ("CII" if syntax == "Factur-X" else syntax):
        raise Unreadable(())
    texts: dict[str, Any] = {
        name: (root.findtext(path, namespaces=_NAMESPACES) or "").strip() for name, path in known[1].items()
    }
    texts["issue_date"] = texts["issue_date"].replace("-", "")
    for side in ("seller", "buyer"):
        texts[side] = _siren(texts[side], texts[f"{side}_address"])
    return Delivered(syntax=known[0], **texts)


def about(data: bytes) -> About:
    """The invoice that a status message speaks of. Raises Unreadable when the bytes are none."""
    root = parse(data).getroot()
    if name_of(root) != _CDAR:
        raise Unreadable(())
    number = (root.findtext(f"{_ABOUT}/{{*}}IssuerAssignedID") or "").strip()
    seller = (root.findtext(f"{_ABOUT}/{{*}}IssuerTradeParty/{{*}}GlobalID") or "").strip()
    return About(number, _siren(seller, ""))


def _siren(legal: str, address: str) -> str:
    """The SIREN of a party: its legal id, else the beginning of its electronic address (scheme 0225 starts with it)."""
    for text in (legal, address):
        digits = text.replace(" ", "")[:9]
        if len(digits) == 9 and digits.isascii() and digits.isdigit():
            return digits
    return ""


def _attached(pdf: bytes) -> bytes:
    from schemas.formats.facturx.extract import extract  # the PDF library is loaded only where a PDF comes in

    xml: bytes = extract(pdf).xml
    return xml
