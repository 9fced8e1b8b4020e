"""UN/CEFACT Cross Industry Invoice (CII D22B): the table of EN 16931-3-3, and the format made of it.

Reads every Factur-X level, XRechnung and plain EN 16931, and writes EN 16931 in the order of the D22B schema. D16B has
the same namespaces and order. The tag names and their order are the schema's; the field names are those of
`schemas.invoice`. Where the document is cut differently from the model, the functions of `views` say how.
"""

from __future__ import annotations

import datetime
import re

from schemas.binding import Binding, Codec, Fixed, Group, Leaf, Node, Syntax, View
from schemas.format import Format
from schemas.formats.cii.views import (
    Means,
    Tax,
    TaxTotal,
    merge_means,
    merge_tax,
    merge_tax_total,
    spread_means,
    spread_tax,
    spread_tax_total,
)
from schemas.invoice import Identifier

_ROOT = "rsm:CrossIndustryInvoice"
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}")


def _decode_date(text: str) -> datetime.date:
    if re.fullmatch(r"[0-9]{8}", text := text.strip()):
        try:
            return datetime.date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError:
            pass
    raise ValueError("a day of the calendar, YYYYMMDD (format 102)")


_SYNTAX = Syntax(
    namespaces={
        "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
        "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
        "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
        "qdt": "urn:un:unece:uncefact:data:standard:QualifiedDataType:100",
    },
    date=Codec(_decode_date, lambda day: f"{day.year:04}{day.month:02}{day.day:02}"),
    currency_path="rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeSettlement/ram:InvoiceCurrencyCode",
    currency_attribute="currencyID",
    amounts_carry_currency=False,
)
_has = _SYNTAX.has

_TO_2005 = {"5": "3", "29": "35", "72": "432"}
_TO_2475 = {value: key for key, value in _TO_2005.items()}
_TAX_POINT = Codec(lambda text: _TO_2005.get(text.strip(), text.strip()), lambda code: _TO_2475.get(code, code))
"""BT-8: CII uses UNTDID 2475, the model (and UBL) UNTDID 2005."""


def _day(tag: str, path: str, date_type: str = "udt") -> Leaf:
    """A date in format 102."""
    return Leaf(f"{tag}/{date_type}:DateTimeString", path, fixed={"format": "102"})


def _schemed(identifier: Identifier) -> bool:
    return bool(identifier.scheme)


def _plain(identifier: Identifier) -> bool:
    return not identifier.scheme


def _iban(account: str) -> bool:
    return bool(_IBAN.fullmatch(account.replace(" ", "").upper()))


def _never(_value: object) -> bool:
    """Of two elements for one term the other one is written: BT-149 beside the gross price, BT-41 as a department."""
    return False


def _no_iban(account: str) -> bool:
    return not _iban(account)


def _document(tag: str, path: str) -> Leaf:
    return Leaf(f"{tag}/ram:IssuerAssignedID", path)


_ADDRESS = (
    Leaf("ram:PostcodeCode", "post_code"),
    Leaf("ram:LineOne", "line1"),
    Leaf("ram:LineTwo", "line2"),
    Leaf("ram:LineThree", "line3"),
    Leaf("ram:CityName", "city"),
    Leaf("ram:CountryID", "country"),
    Leaf("ram:CountrySubDivisionName", "subdivision"),
)

_CONTACT = (
    Leaf("ram:PersonName", "name"),
    Leaf("ram:DepartmentName", "name", where=_never),
    Leaf("ram:TelephoneUniversalCommunication/ram:CompleteNumber", "phone"),
    Leaf("ram:EmailURIUniversalCommunication/ram:URIID", "email", ignored=("schemeID",)),
)


def _ids(path: str) -> tuple[Node, ...]:
    """Identifiers without scheme come before those with one."""
    return Leaf("ram:ID", path, where=_plain), Leaf("ram:GlobalID", path, where=_schemed)


def _registration(scheme: str, path: str) -> Group:
    return Group(
        "ram:SpecifiedTaxRegistration",
        (Leaf("ram:ID", path, fixed={"schemeID": scheme}),),
        when=_has("ram:ID@schemeID", scheme),
    )


_PARTY = (
    *_ids("ids"),
    Leaf("ram:Name", "name"),
    Leaf("ram:Description", "legal_information"),
    Group(
        "ram:SpecifiedLegalOrganization",
        (Leaf("ram:ID", "legal_id"), Leaf("ram:TradingBusinessName", "trading_name")),
    ),
    Group("ram:DefinedTradeContact", _CONTACT, "contact"),
    Group("ram:PostalTradeAddress", _ADDRESS, "address"),
    Leaf("ram:URIUniversalCommunication/ram:URIID", "endpoint"),
    _registration("VA", "vat_id"),
    _registration("FC", "tax_id"),
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


_PRODUCT = Group(
    "ram:SpecifiedTradeProduct",
    (
        Leaf("ram:GlobalID", "standard_id"),
        Leaf("ram:SellerAssignedID", "seller_id"),
        Leaf("ram:BuyerAssignedID", "buyer_id"),
        Leaf("ram:Name", "name"),
        Leaf("ram:Description", "description"),
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
    required=True,
)

_LINE_AGREEMENT = Group(
    "ram:SpecifiedLineTradeAgreement",
    (
        Leaf("ram:BuyerOrderReferencedDocument/ram:LineID", "order_line"),
        Group(
            "ram:GrossPriceProductTradePrice",
            (
                Leaf("ram:ChargeAmount", "price.gross"),
                Leaf("ram:BasisQuantity", "price.base_quantity", {"unitCode": "price.base_unit"}, where=_never),
                Group(
                    "ram:AppliedTradeAllowanceCharge",
                    (
                        Fixed("ram:ChargeIndicator/udt:Indicator", "false", ("0",)),
                        Leaf("ram:ActualAmount", "price.discount"),
                    ),
                ),
            ),
        ),
        Group(
            "ram:NetPriceProductTradePrice",
            (
                Leaf("ram:ChargeAmount", "price.net"),
                Leaf("ram:BasisQuantity", "price.base_quantity", {"unitCode": "price.base_unit"}),
            ),
        ),
    ),
    required=True,
)

_LINE_SETTLEMENT = Group(
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
        Group(
            "ram:BillingSpecifiedPeriod",
            (_day("ram:StartDateTime", "start"), _day("ram:EndDateTime", "end")),
            "period",
        ),
        _allowance("allowances", False, ()),
        _allowance("charges", True, ()),
        Leaf("ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount", "net_amount"),
        Group(
            "ram:AdditionalReferencedDocument",
            (
                Leaf("ram:IssuerAssignedID", "object_id.value"),
                Fixed("ram:TypeCode", "130"),
                Leaf("ram:ReferenceTypeCode", "object_id.scheme"),
            ),
            when=_has("ram:TypeCode", "130"),
        ),
        Leaf("ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID", "accounting_reference"),
    ),
    required=True,
)

_LINE = Group(
    "ram:IncludedSupplyChainTradeLineItem",
    (
        Group(
            "ram:AssociatedDocumentLineDocument",
            (Leaf("ram:LineID", "id"), Leaf("ram:IncludedNote/ram:Content", "note")),
            required=True,
        ),
        _PRODUCT,
        _LINE_AGREEMENT,
        Group(
            "ram:SpecifiedLineTradeDelivery",
            (Leaf("ram:BilledQuantity", "quantity", {"unitCode": "unit"}),),
            required=True,
        ),
        _LINE_SETTLEMENT,
    ),
    "lines",
)

_AGREEMENT = Group(
    "ram:ApplicableHeaderTradeAgreement",
    (
        Leaf("ram:BuyerReference", "buyer_reference"),
        Group("ram:SellerTradeParty", _PARTY, "seller", required=True),
        Group("ram:BuyerTradeParty", _PARTY, "buyer", required=True),
        Group(
            "ram:SellerTaxRepresentativeTradeParty",
            (
                Leaf("ram:Name", "name"),
                Group("ram:PostalTradeAddress", _ADDRESS, "address"),
                _registration("VA", "vat_id"),
            ),
            "tax_representative",
        ),
        _document("ram:SellerOrderReferencedDocument", "sales_order"),
        _document("ram:BuyerOrderReferencedDocument", "purchase_order"),
        _document("ram:ContractReferencedDocument", "contract"),
        Group(
            "ram:AdditionalReferencedDocument",
            (Leaf("ram:IssuerAssignedID", "tender"), Fixed("ram:TypeCode", "50")),
            when=_has("ram:TypeCode", "50"),
        ),
        Group(
            "ram:AdditionalReferencedDocument",
            (
                Leaf("ram:IssuerAssignedID", "object_id.value"),
                Fixed("ram:TypeCode", "130"),
                Leaf("ram:ReferenceTypeCode", "object_id.scheme"),
            ),
            when=_has("ram:TypeCode", "130"),
        ),
        Group(
            "ram:AdditionalReferencedDocument",
            (
                Leaf("ram:IssuerAssignedID", "id"),
                Leaf("ram:URIID", "url"),
                Fixed("ram:TypeCode", "916"),
                Leaf("ram:Name", "description"),
                Leaf(
                    "ram:AttachmentBinaryObject",
                    "content",
                    {"mimeCode": "media_type", "filename": "filename"},
                ),
            ),
            "attachments",
            when=_has("ram:TypeCode", "916"),
        ),
        Group(
            "ram:SpecifiedProcuringProject",
            (Leaf("ram:ID", "project"), Fixed("ram:Name", "Project reference", ("?",))),
        ),
    ),
    required=True,
)

_DELIVERY = Group(
    "ram:ApplicableHeaderTradeDelivery",
    (
        Group(
            "ram:ShipToTradeParty",
            (
                *_ids("delivery.location_id"),
                Leaf("ram:Name", "delivery.name"),
                Group("ram:PostalTradeAddress", _ADDRESS, "delivery.address"),
            ),
        ),
        Group(
            "ram:ActualDeliverySupplyChainEvent",
            (_day("ram:OccurrenceDateTime", "delivery.date"),),
        ),
        _document("ram:DespatchAdviceReferencedDocument", "despatch_advice"),
        _document("ram:ReceivingAdviceReferencedDocument", "receiving_advice"),
    ),
    required=True,
)

_PAYMENT_MEANS = View(
    Group(
        "ram:SpecifiedTradeSettlementPaymentMeans",
        (
            Leaf("ram:TypeCode", "means_code"),
            Leaf("ram:Information", "means_text"),
            Group(
                "ram:ApplicableTradeSettlementFinancialCard",
                (Leaf("ram:ID", "card.number"), Leaf("ram:CardholderName", "card.holder")),
            ),
            Leaf("ram:PayerPartyDebtorFinancialAccount/ram:IBANID", "debited"),
            Group(
                "ram:PayeePartyCreditorFinancialAccount",
                (
                    Leaf("ram:IBANID", "transfer.account", where=_iban),
                    Leaf("ram:AccountName", "transfer.name"),
                    Leaf("ram:ProprietaryID", "transfer.account", where=_no_iban),
                ),
            ),
            Leaf("ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID", "transfer.bank"),
        ),
    ),
    Means,
    merge_means,
    spread_means,
)

_TAX = View(
    Group(
        "ram:ApplicableTradeTax",
        (
            Leaf("ram:CalculatedAmount", "tax_amount"),
            Fixed("ram:TypeCode", "VAT"),
            Leaf("ram:ExemptionReason", "exemption_reason"),
            Leaf("ram:BasisAmount", "taxable_amount"),
            Leaf("ram:CategoryCode", "category"),
            Leaf("ram:ExemptionReasonCode", "exemption_code"),
            Leaf("ram:TaxPointDate/udt:DateString", "tax_point_date", fixed={"format": "102"}),
            Leaf("ram:DueDateTypeCode", "tax_point_code", codec=_TAX_POINT),
            Leaf("ram:RateApplicablePercent", "rate"),
        ),
    ),
    Tax,
    merge_tax,
    spread_tax,
)

_TOTALS = Group(
    "ram:SpecifiedTradeSettlementHeaderMonetarySummation",
    (
        Leaf("ram:LineTotalAmount", "totals.lines"),
        Leaf("ram:ChargeTotalAmount", "totals.charges"),
        Leaf("ram:AllowanceTotalAmount", "totals.allowances"),
        Leaf("ram:TaxBasisTotalAmount", "totals.without_vat"),
        View(
            Leaf("ram:TaxTotalAmount", "amount", {"currencyID": "currency"}),
            TaxTotal,
            merge_tax_total,
            spread_tax_total,
        ),
        Leaf("ram:RoundingAmount", "totals.rounding"),
        Leaf("ram:GrandTotalAmount", "totals.with_vat"),
        Leaf("ram:TotalPrepaidAmount", "totals.paid"),
        Leaf("ram:DuePayableAmount", "totals.due"),
    ),
)

_SETTLEMENT = Group(
    "ram:ApplicableHeaderTradeSettlement",
    (
        Leaf("ram:CreditorReferenceID", "payment.direct_debit.creditor"),
        Leaf("ram:PaymentReference", "payment.remittance"),
        Leaf("ram:TaxCurrencyCode", "tax_currency"),
        Leaf("ram:InvoiceCurrencyCode", "currency"),
        Group(
            "ram:PayeeTradeParty",
            (*_ids("ids"), Leaf("ram:Name", "name"), Leaf("ram:SpecifiedLegalOrganization/ram:ID", "legal_id")),
            "payee",
        ),
        _PAYMENT_MEANS,
        _TAX,
        Group(
            "ram:BillingSpecifiedPeriod",
            (_day("ram:StartDateTime", "start"), _day("ram:EndDateTime", "end")),
            "delivery.period",
        ),
        _allowance("allowances", False, (_ALLOWANCE_VAT,)),
        _allowance("charges", True, (_ALLOWANCE_VAT,)),
        Group(
            "ram:SpecifiedTradePaymentTerms",
            (
                Leaf("ram:Description", "payment_terms"),
                _day("ram:DueDateDateTime", "due_date"),
                Leaf("ram:DirectDebitMandateID", "payment.direct_debit.mandate"),
            ),
        ),
        _TOTALS,
        Group(
            "ram:InvoiceReferencedDocument",
            (
                Leaf("ram:IssuerAssignedID", "number"),
                _day("ram:FormattedIssueDateTime", "issue_date", "qdt"),
            ),
            "preceding",
        ),
        Leaf("ram:ReceivableSpecifiedTradeAccountingAccount/ram:ID", "accounting_reference"),
    ),
    required=True,
)

_TABLE: tuple[Node, ...] = (
    Group(
        "rsm:ExchangedDocumentContext",
        (
            Leaf("ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID", "process"),
            Leaf("ram:GuidelineSpecifiedDocumentContextParameter/ram:ID", "profile"),
        ),
        required=True,
    ),
    Group(
        "rsm:ExchangedDocument",
        (
            Leaf("ram:ID", "number"),
            Leaf("ram:TypeCode", "type_code"),
            _day("ram:IssueDateTime", "issue_date"),
            Group(
                "ram:IncludedNote",
                (Leaf("ram:Content", "text"), Leaf("ram:SubjectCode", "subject")),
                "notes",
            ),
        ),
        required=True,
    ),
    Group("rsm:SupplyChainTradeTransaction", (_LINE, _AGREEMENT, _DELIVERY, _SETTLEMENT), required=True),
)

_BINDING = Binding(_SYNTAX, _ROOT, _TABLE)

FORMAT = Format(
    name="cii",
    title="UN/CEFACT Cross Industry Invoice (CII D22B)",
    media_type="application/xml",
    root=(_SYNTAX.namespaces["rsm"], "CrossIndustryInvoice"),
    read=_BINDING.read,
    write=_BINDING.write,
)
