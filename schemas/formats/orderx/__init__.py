"""Order-X 1.0 (UN/CEFACT SCRDMCCBDACIO, D20B): the table of its three profiles, and the format made of it.

BASIC and COMFORT are subsets of EXTENDED, so one table in the order of the EXTENDED schema reads all three, whether the
order stands alone or inside a PDF. What EXTENDED can say of packaging, batches and product models no invoice needs; the
model does not hold it, and the reading tells where it stood. A moment with hours and minutes (formats 203 and 205) is
read as its day, and told as well.
"""

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.binding import Binding, Codec, Context, Fixed, Group, Leaf, Node, Scope, Syntax, View
from schemas.invoice import AllowanceOrCharge, Amount, Code, Identifier, Percentage, Text, term
from schemas.order import Order, OrderReading

NAME = "order-x"
TITLE = "Order-X 1.0"
_ROOT = "rsm:SCRDMCCBDACIOMessageStructure"
_DAY = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:[0-9]{4}|[0-9]{6})?")


def _decode_date(text: str) -> datetime.date:
    if match := _DAY.fullmatch(text.strip()):
        try:
            return datetime.date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            pass
    raise ValueError("a day of the calendar, YYYYMMDD (format 102)")


_SYNTAX = Syntax(
    namespaces={
        "rsm": "urn:un:unece:uncefact:data:SCRDMCCBDACIOMessageStructure:100",
        "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:128",
        "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:128",
        "qdt": "urn:un:unece:uncefact:data:standard:QualifiedDataType:128",
    },
    date=Codec(_decode_date, lambda day: f"{day.year:04}{day.month:02}{day.day:02}"),
    currency_path="rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeSettlement/ram:OrderCurrencyCode",
    currency_attribute="currencyID",
    amounts_carry_currency=False,
)
_has = _SYNTAX.has

ROOT = (_SYNTAX.namespaces["rsm"], "SCRDMCCBDACIOMessageStructure")
"""Namespace and local name of the root element."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """ram:SpecifiedLogisticsServiceCharge: freight and the like, a charge (BG-21) that has a description."""

    description: Text = term("BT-104", "")
    amount: Amount | None = term("BT-99", "", default=None)
    category: Code = term("BT-102", "")
    rate: Percentage | None = term("BT-103", "", default=None)


def _merge_service(scope: Scope, found: Scope, _context: Context) -> bool:
    charge = AllowanceOrCharge(
        amount=found.get("amount"),
        reason=found.get("description", ""),
        vat_category=found.get("category", ""),
        vat_rate=found.get("rate"),
    )
    scope.setdefault("charges", []).append(charge)
    return True


def _none(_order: object, _root: object) -> Iterator[_Service]:
    """A charge is written as a charge."""
    return iter(())


def _plain(identifier: Identifier) -> bool:
    return not identifier.scheme


def _schemed(identifier: Identifier) -> bool:
    return bool(identifier.scheme)


def _never(_value: object) -> bool:
    """Of two elements for one field the other one is written."""
    return False


def _day(tag: str, path: str, date_type: str = "udt") -> Leaf:
    return Leaf(f"{tag}/{date_type}:DateTimeString", path, fixed={"format": "102"})


def _truth(tag: str, path: str) -> Leaf:
    return Leaf(f"{tag}/udt:Indicator", path)


def _document(tag: str, path: str) -> Leaf:
    return Leaf(f"{tag}/ram:IssuerAssignedID", path)


def _reference(tag: str, into: str) -> Group:
    return Group(
        tag,
        (
            Leaf("ram:IssuerAssignedID", "number"),
            Leaf("ram:LineID", "line"),
            _day("ram:FormattedIssueDateTime", "date", "qdt"),
        ),
        into,
    )


_NOTE = Group("ram:IncludedNote", (Leaf("ram:Content", "text"), Leaf("ram:SubjectCode", "subject")), "notes")

_ADDRESS = (
    Leaf("ram:PostcodeCode", "post_code"),
    Leaf("ram:LineOne", "line1"),
    Leaf("ram:LineTwo", "line2"),
    Leaf("ram:LineThree", "line3"),
    Leaf("ram:CityName", "city"),
    Leaf("ram:CountryID", "country"),
    Leaf("ram:CountrySubDivisionName", "subdivision"),
)


def _registration(scheme: str, path: str) -> Group:
    return Group(
        "ram:SpecifiedTaxRegistration",
        (Leaf("ram:ID", path, fixed={"schemeID": scheme}),),
        when=_has("ram:ID@schemeID", scheme),
    )


_PARTY: tuple[Node, ...] = (
    Leaf("ram:ID", "ids", where=_plain),
    Leaf("ram:GlobalID", "ids", where=_schemed),
    Leaf("ram:Name", "name"),
    Leaf("ram:Description", "legal_information"),
    Group(
        "ram:SpecifiedLegalOrganization",
        (Leaf("ram:ID", "legal_id"), Leaf("ram:TradingBusinessName", "trading_name")),
    ),
    Group(
        "ram:DefinedTradeContact",
        (
            Leaf("ram:PersonName", "name"),
            Leaf("ram:DepartmentName", "name", where=_never),
            Leaf("ram:TelephoneUniversalCommunication/ram:CompleteNumber", "phone"),
            Leaf("ram:EmailURIUniversalCommunication/ram:URIID", "email", ignored=("schemeID",)),
        ),
        "contact",
    ),
    Group("ram:PostalTradeAddress", _ADDRESS, "address"),
    Leaf("ram:URIUniversalCommunication/ram:URIID", "endpoint"),
    _registration("VA", "vat_id"),
    _registration("FC", "tax_id"),
)


def _party(tag: str, into: str, *, required: bool = False) -> Group:
    return Group(tag, _PARTY, into, required=required)


def _event(tag: str, into: str) -> Group:
    """When something is wanted: a day or a period."""
    return Group(
        tag,
        (
            _day("ram:OccurrenceDateTime", "date"),
            Group(
                "ram:OccurrenceSpecifiedPeriod",
                (_day("ram:StartDateTime", "start"), _day("ram:EndDateTime", "end")),
            ),
        ),
        into,
    )


_SHIPPING: tuple[Node, ...] = (
    _party("ram:ShipToTradeParty", "shipping.to"),
    _party("ram:UltimateShipToTradeParty", "shipping.final"),
    _party("ram:ShipFromTradeParty", "shipping.origin"),
)

_ALLOWANCE_VAT = Group(
    "ram:CategoryTradeTax",
    (
        Fixed("ram:TypeCode", "VAT"),
        Leaf("ram:CategoryCode", "vat_category"),
        Leaf("ram:RateApplicablePercent", "vat_rate"),
    ),
)


def _allowance(into: str, charge: bool, tax: tuple[Node, ...]) -> Group:
    """An allowance or a charge: twins told apart by their indicator."""
    spellings = ("true", "1") if charge else ("false", "0")
    return Group(
        "ram:SpecifiedTradeAllowanceCharge",
        (
            Fixed("ram:ChargeIndicator/udt:Indicator", spellings[0], spellings[1:]),
            Leaf("ram:CalculationPercent", "percentage"),
            Leaf("ram:BasisAmount", "base"),
            Leaf("ram:ActualAmount", "amount"),
            Leaf("ram:ReasonCode", "reason_code"),
            Leaf("ram:Reason", "reason"),
            *tax,
        ),
        into,
        when=_has("ram:ChargeIndicator/udt:Indicator", *spellings),
    )


def _documents(into: str) -> Group:
    return Group(
        "ram:AdditionalReferencedDocument",
        (
            Leaf("ram:IssuerAssignedID", "id"),
            Leaf("ram:URIID", "url"),
            Fixed("ram:TypeCode", "916"),
            Leaf("ram:Name", "description"),
            Leaf("ram:AttachmentBinaryObject", "content", {"mimeCode": "media_type", "filename": "filename"}),
        ),
        into,
    )


_OBJECT = Group(
    "ram:AdditionalReferencedDocument",
    (
        Leaf("ram:IssuerAssignedID", "object_id.value"),
        Fixed("ram:TypeCode", "130"),
        Leaf("ram:ReferenceTypeCode", "object_id.scheme"),
    ),
    when=_has("ram:TypeCode", "130"),
)

_ITEM_IDS: tuple[Node, ...] = (
    Leaf("ram:GlobalID", "standard_id"),
    Leaf("ram:SellerAssignedID", "seller_id"),
    Leaf("ram:BuyerAssignedID", "buyer_id"),
    Leaf("ram:Name", "name"),
    Leaf("ram:Description", "description"),
)

_PRODUCT = Group(
    "ram:SpecifiedTradeProduct",
    (
        *_ITEM_IDS,
        Group(
            "ram:ApplicableProductCharacteristic",
            (Leaf("ram:Description", "name"), Leaf("ram:Value", "value")),
            "attributes",
        ),
        Group(
            "ram:DesignatedProductClassification",
            (Leaf("ram:ClassCode", "value", {"listID": "scheme", "listVersionID": "version"}),),
            "classifications",
        ),
        Leaf("ram:OriginTradeCountry/ram:ID", "origin"),
    ),
    "item",
)

_BASIS = Leaf("ram:BasisQuantity", "price.base_quantity", {"unitCode": "price.base_unit"})

_LINE_AGREEMENT = Group(
    "ram:SpecifiedLineTradeAgreement",
    (
        Leaf("ram:BuyerOrderReferencedDocument/ram:LineID", "order_line"),
        _reference("ram:QuotationReferencedDocument", "quotation"),
        _reference("ram:ContractReferencedDocument", "contract"),
        _OBJECT,
        _documents("documents"),
        Group(
            "ram:GrossPriceProductTradePrice",
            (
                Leaf("ram:ChargeAmount", "price.gross"),
                Leaf(_BASIS.tag, _BASIS.path, _BASIS.attributes, where=_never),
                Group(
                    "ram:AppliedTradeAllowanceCharge",
                    (
                        Fixed("ram:ChargeIndicator/udt:Indicator", "false", ("0",)),
                        Leaf("ram:ActualAmount", "price.discount"),
                    ),
                ),
            ),
        ),
        Group("ram:NetPriceProductTradePrice", (Leaf("ram:ChargeAmount", "price.net"), _BASIS)),
        _reference("ram:CatalogueReferencedDocument", "catalogue"),
        _reference("ram:BlanketOrderReferencedDocument", "blanket_order"),
        _reference("ram:UltimateCustomerOrderReferencedDocument", "customer_order"),
    ),
    required=True,
)

_LINE = Group(
    "ram:IncludedSupplyChainTradeLineItem",
    (
        Group(
            "ram:AssociatedDocumentLineDocument",
            (Leaf("ram:LineID", "id"), Leaf("ram:LineStatusCode", "status"), _NOTE),
            required=True,
        ),
        _PRODUCT,
        Group("ram:SubstitutedReferencedProduct", _ITEM_IDS, "substituted"),
        _LINE_AGREEMENT,
        Group(
            "ram:SpecifiedLineTradeDelivery",
            (
                _truth("ram:PartialDeliveryAllowedIndicator", "partial_delivery"),
                Leaf("ram:RequestedQuantity", "quantity", {"unitCode": "unit"}),
                Leaf("ram:AgreedQuantity", "agreed_quantity", {"unitCode": "agreed_unit"}),
                *_SHIPPING,
                _event("ram:RequestedDespatchSupplyChainEvent", "shipping.despatch"),
                _event("ram:RequestedDeliverySupplyChainEvent", "shipping.requested"),
            ),
            required=True,
        ),
        Group(
            "ram:SpecifiedLineTradeSettlement",
            (
                Group(
                    "ram:ApplicableTradeTax",
                    (
                        Fixed("ram:TypeCode", "VAT"),
                        Leaf("ram:CategoryCode", "vat.category"),
                        Leaf("ram:RateApplicablePercent", "vat.rate"),
                    ),
                ),
                _allowance("allowances", False, ()),
                _allowance("charges", True, ()),
                Leaf("ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount", "net_amount"),
                Leaf("ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID", "accounting_reference"),
            ),
            required=True,
        ),
    ),
    "lines",
)

_TERMS = Group(
    "ram:ApplicableTradeDeliveryTerms",
    (
        Leaf("ram:DeliveryTypeCode", "code"),
        Leaf("ram:Description", "description"),
        Leaf("ram:FunctionCode", "function"),
        Group("ram:RelevantTradeLocation", (Leaf("ram:ID", "place_id"), Leaf("ram:Name", "place"))),
    ),
    "shipping.terms",
)

_AGREEMENT = Group(
    "ram:ApplicableHeaderTradeAgreement",
    (
        Leaf("ram:BuyerReference", "buyer_reference"),
        _party("ram:SellerTradeParty", "seller", required=True),
        _party("ram:BuyerTradeParty", "buyer", required=True),
        _party("ram:BuyerRequisitionerTradeParty", "requisitioner"),
        _party("ram:ProductEndUserTradeParty", "end_user"),
        _TERMS,
        _document("ram:SellerOrderReferencedDocument", "sales_order"),
        _document("ram:BuyerOrderReferencedDocument", "buyer_order"),
        _reference("ram:QuotationReferencedDocument", "quotation"),
        _document("ram:ContractReferencedDocument", "contract"),
        _reference("ram:RequisitionReferencedDocument", "requisition"),
        Group(
            "ram:AdditionalReferencedDocument",
            (Leaf("ram:IssuerAssignedID", "tender"), Fixed("ram:TypeCode", "50")),
            when=_has("ram:TypeCode", "50"),
        ),
        _OBJECT,
        _documents("attachments"),
        _party("ram:BuyerAgentTradeParty", "agent"),
        _reference("ram:CatalogueReferencedDocument", "catalogue"),
        _reference("ram:BlanketOrderReferencedDocument", "blanket_order"),
        _reference("ram:PreviousOrderReferencedDocument", "previous_order"),
        _reference("ram:PreviousOrderChangeReferencedDocument", "previous_change"),
        _reference("ram:PreviousOrderResponseReferencedDocument", "previous_response"),
        Group("ram:SpecifiedProcuringProject", (Leaf("ram:ID", "project"), Leaf("ram:Name", "project_name"))),
        _reference("ram:UltimateCustomerOrderReferencedDocument", "customer_orders"),
    ),
    required=True,
)

_SETTLEMENT = Group(
    "ram:ApplicableHeaderTradeSettlement",
    (
        Leaf("ram:TaxCurrencyCode", "tax_currency"),
        Leaf("ram:OrderCurrencyCode", "currency"),
        Leaf("ram:InvoiceCurrencyCode", "currency", where=_never),
        _party("ram:InvoicerTradeParty", "invoicer"),
        _party("ram:InvoiceeTradeParty", "invoicee"),
        Group(
            "ram:SpecifiedTradeSettlementPaymentMeans",
            (Leaf("ram:TypeCode", "means_code"), Leaf("ram:Information", "means_text")),
            "payment",
        ),
        Group(
            "ram:ApplicableTradeTax",
            (
                Leaf("ram:CalculatedAmount", "tax_amount"),
                Fixed("ram:TypeCode", "VAT"),
                Leaf("ram:ExemptionReason", "exemption_reason"),
                Leaf("ram:BasisAmount", "taxable_amount"),
                Leaf("ram:CategoryCode", "category"),
                Leaf("ram:ExemptionReasonCode", "exemption_code"),
                Leaf("ram:RateApplicablePercent", "rate"),
            ),
            "vat_breakdown",
        ),
        _allowance("allowances", False, (_ALLOWANCE_VAT,)),
        _allowance("charges", True, (_ALLOWANCE_VAT,)),
        View(
            Group(
                "ram:SpecifiedLogisticsServiceCharge",
                (
                    Leaf("ram:Description", "description"),
                    Leaf("ram:AppliedAmount", "amount"),
                    Group(
                        "ram:AppliedTradeTax",
                        (
                            Fixed("ram:TypeCode", "VAT"),
                            Leaf("ram:CategoryCode", "category"),
                            Leaf("ram:RateApplicablePercent", "rate"),
                        ),
                    ),
                ),
            ),
            _Service,
            _merge_service,
            _none,
        ),
        Leaf("ram:SpecifiedTradePaymentTerms/ram:Description", "payment_terms"),
        Group(
            "ram:SpecifiedTradeSettlementHeaderMonetarySummation",
            (
                Leaf("ram:LineTotalAmount", "totals.lines"),
                Leaf("ram:ChargeTotalAmount", "totals.charges"),
                Leaf("ram:AllowanceTotalAmount", "totals.allowances"),
                Leaf("ram:TaxBasisTotalAmount", "totals.without_vat"),
                Leaf("ram:TaxTotalAmount", "totals.vat", {"currencyID": "currency"}),
                Leaf("ram:RoundingAmount", "totals.rounding"),
                Leaf("ram:GrandTotalAmount", "totals.with_vat"),
                Leaf("ram:TotalPrepaidAmount", "totals.paid"),
                Leaf("ram:DuePayableAmount", "totals.due"),
            ),
        ),
        Leaf("ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID", "accounting_reference"),
    ),
    required=True,
)

_TABLE: tuple[Node, ...] = (
    Group(
        "rsm:ExchangedDocumentContext",
        (
            _truth("ram:TestIndicator", "is_test"),
            Leaf("ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID", "process"),
            Leaf("ram:GuidelineSpecifiedDocumentContextParameter/ram:ID", "profile"),
        ),
        required=True,
    ),
    Group(
        "rsm:ExchangedDocument",
        (
            Leaf("ram:ID", "number"),
            Leaf("ram:Name", "name"),
            Leaf("ram:TypeCode", "type_code"),
            Leaf("ram:StatusCode", "status"),
            _day("ram:IssueDateTime", "issue_date"),
            _truth("ram:CopyIndicator", "is_copy"),
            Leaf("ram:PurposeCode", "purpose"),
            Leaf("ram:RequestedResponseTypeCode", "response_wanted"),
            _NOTE,
            Group(
                "ram:EffectiveSpecifiedPeriod",
                (_day("ram:StartDateTime", "start"), _day("ram:EndDateTime", "end")),
                "valid",
            ),
        ),
        required=True,
    ),
    Group(
        "rsm:SupplyChainTradeTransaction",
        (
            _LINE,
            _AGREEMENT,
            Group(
                "ram:ApplicableHeaderTradeDelivery",
                (
                    *_SHIPPING,
                    _event("ram:RequestedDeliverySupplyChainEvent", "shipping.requested"),
                    _event("ram:RequestedDespatchSupplyChainEvent", "shipping.despatch"),
                ),
                required=True,
            ),
            _SETTLEMENT,
        ),
        required=True,
    ),
)

_BINDING = Binding(_SYNTAX, _ROOT, _TABLE, Order)


def read(data: bytes) -> OrderReading:
    """An Order-X document into the model. Raises Unreadable with its findings."""
    return OrderReading(*_BINDING.values(data))


def write(order: Order) -> bytes:
    """The model as Order-X: UTF-8, in the order of the EXTENDED schema. Raises ValueError for what XML cannot carry."""
    return _BINDING.write(order)
