"""OASIS UBL 2.1 invoice and credit note: the table of EN 16931-3-2, and the two formats made of it.

The two documents differ in a few names and in the order of some elements; `_table` builds both. Tag names and order
are the schema's; field names are those of `schemas.invoice`. Where the document is cut differently from the model, the
functions of `views` say how. What UBL forces on us:

- a payment means needs a code: where the model has none, "1" (instrument not defined, UNTDID 4461) is written;
- a credit note has its due date (BT-9) inside a payment means: without payment, one with code 1 holds it;
- an order reference needs a number: where the model has a sales order only, "NA" is written, and read as none;
- a gross price without discount is written with a discount of 0, which is read as none; one of zero is written 0.00;
- a VAT breakdown needs a total: where BT-110 is missing, the sum of the breakdown is written;
- a tax registration says its scheme: VAT is a VAT identifier, any other is BT-32, which is written as TAX;
- the subject of a note (BT-21) is written in front of its text, as #PMT#text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from schemas.binding import Binding, Codec, Fixed, Group, Leaf, Node, Syntax, View, iso_date
from schemas.format import Format
from schemas.formats.ubl.views import (
    Discount,
    Identification,
    Means,
    NoteText,
    Order,
    Registration,
    TaxTotal,
    merge_discount,
    merge_id,
    merge_means,
    merge_note,
    merge_order,
    merge_registration,
    merge_tax_total,
    merge_vat_id,
    spread_discount,
    spread_ids,
    spread_means,
    spread_means_of_invoice,
    spread_notes,
    spread_order,
    spread_payee_ids,
    spread_registrations,
    spread_seller_ids,
    spread_tax_total,
    spread_vat_id,
)
from schemas.invoice import CREDIT_NOTE_TYPES, Invoice


def _syntax(document: str) -> Syntax:
    oasis = "urn:oasis:names:specification:ubl:schema:xsd"
    return Syntax(
        namespaces={
            "": f"{oasis}:{document}-2",
            "cac": f"{oasis}:CommonAggregateComponents-2",
            "cbc": f"{oasis}:CommonBasicComponents-2",
        },
        date=Codec(iso_date, lambda day: day.isoformat()),
        currency_path="cbc:DocumentCurrencyCode",
        currency_attribute="currencyID",
        amounts_carry_currency=True,
    )


_has = _syntax("Invoice").has


def _amount(tag: str, path: str) -> Leaf:
    """An amount that names a currency of its own."""
    return Leaf(tag, path, {"currencyID": "currency"})


_VAT = Fixed("cac:TaxScheme/cbc:ID", "VAT")

_ADDRESS = (
    Leaf("cbc:StreetName", "line1"),
    Leaf("cbc:AdditionalStreetName", "line2"),
    Leaf("cbc:CityName", "city"),
    Leaf("cbc:PostalZone", "post_code"),
    Leaf("cbc:CountrySubentity", "subdivision"),
    Leaf("cac:AddressLine/cbc:Line", "line3"),
    Leaf("cac:Country/cbc:IdentificationCode", "country"),
)

_PARTY_TAX_SCHEME = Group("cac:PartyTaxScheme", (Leaf("cbc:CompanyID", "id"), Leaf("cac:TaxScheme/cbc:ID", "scheme")))
_VAT_ID = View(_PARTY_TAX_SCHEME, Registration, merge_vat_id, spread_vat_id)
_REGISTRATION = View(_PARTY_TAX_SCHEME, Registration, merge_registration, spread_registrations)


def _identification(spread: Callable[[Any, Invoice], Iterator[Identification]]) -> View:
    return View(Group("cac:PartyIdentification", (Leaf("cbc:ID", "id"),)), Identification, merge_id, spread)


def _party(identification: View) -> tuple[Node, ...]:
    return (
        Leaf("cbc:EndpointID", "endpoint"),
        identification,
        Leaf("cac:PartyName/cbc:Name", "trading_name"),
        Group("cac:PostalAddress", _ADDRESS, "address"),
        _REGISTRATION,
        Group(
            "cac:PartyLegalEntity",
            (
                Leaf("cbc:RegistrationName", "name"),
                Leaf("cbc:CompanyID", "legal_id"),
                Leaf("cbc:CompanyLegalForm", "legal_information"),
            ),
        ),
        Group(
            "cac:Contact",
            (Leaf("cbc:Name", "name"), Leaf("cbc:Telephone", "phone"), Leaf("cbc:ElectronicMail", "email")),
            "contact",
        ),
    )


_ALLOWANCE_VAT = Group("cac:TaxCategory", (Leaf("cbc:ID", "vat_category"), Leaf("cbc:Percent", "vat_rate"), _VAT))


def _allowance(into: str, charge: bool, tax: tuple[Node, ...]) -> Group:
    """An allowance or a charge: twins told apart by their indicator."""
    spellings = ("true", "1") if charge else ("false", "0")
    return Group(
        "cac:AllowanceCharge",
        (
            Fixed("cbc:ChargeIndicator", spellings[0], spellings[1:]),
            Leaf("cbc:AllowanceChargeReasonCode", "reason_code"),
            Leaf("cbc:AllowanceChargeReason", "reason"),
            Leaf("cbc:MultiplierFactorNumeric", "percentage"),
            Leaf("cbc:Amount", "amount"),
            Leaf("cbc:BaseAmount", "base"),
            *tax,
        ),
        into,
        when=_has("cbc:ChargeIndicator", *spellings),
    )


_ALLOWANCES = (_allowance("allowances", False, (_ALLOWANCE_VAT,)), _allowance("charges", True, (_ALLOWANCE_VAT,)))

_ITEM = Group(
    "cac:Item",
    (
        Leaf("cbc:Description", "item.description"),
        Leaf("cbc:Name", "item.name"),
        Leaf("cac:BuyersItemIdentification/cbc:ID", "item.buyer_id"),
        Leaf("cac:SellersItemIdentification/cbc:ID", "item.seller_id"),
        Leaf("cac:StandardItemIdentification/cbc:ID", "item.standard_id"),
        Leaf("cac:OriginCountry/cbc:IdentificationCode", "item.origin"),
        Group(
            "cac:CommodityClassification",
            (Leaf("cbc:ItemClassificationCode", "value", {"listID": "scheme", "listVersionID": "version"}),),
            "item.classifications",
        ),
        Group(
            "cac:ClassifiedTaxCategory",
            (Leaf("cbc:ID", "vat.category"), Leaf("cbc:Percent", "vat.rate"), _VAT),
        ),
        Group(
            "cac:AdditionalItemProperty",
            (Leaf("cbc:Name", "name"), Leaf("cbc:Value", "value")),
            "item.attributes",
        ),
    ),
    required=True,
)

_PRICE = Group(
    "cac:Price",
    (
        Leaf("cbc:PriceAmount", "price.net"),
        Leaf("cbc:BaseQuantity", "price.base_quantity", {"unitCode": "price.base_unit"}),
        View(
            Group(
                "cac:AllowanceCharge",
                (
                    Fixed("cbc:ChargeIndicator", "false", ("0",)),
                    Leaf("cbc:Amount", "discount"),
                    Leaf("cbc:BaseAmount", "gross"),
                ),
            ),
            Discount,
            merge_discount,
            spread_discount,
        ),
    ),
)


def _line(document: str, quantity: str) -> Group:
    return Group(
        f"cac:{document}Line",
        (
            Leaf("cbc:ID", "id"),
            Leaf("cbc:Note", "note"),
            Leaf(f"cbc:{quantity}", "quantity", {"unitCode": "unit"}),
            Leaf("cbc:LineExtensionAmount", "net_amount"),
            Leaf("cbc:AccountingCost", "accounting_reference"),
            Group("cac:InvoicePeriod", (Leaf("cbc:StartDate", "start"), Leaf("cbc:EndDate", "end")), "period"),
            Leaf("cac:OrderLineReference/cbc:LineID", "order_line"),
            Group(
                "cac:DocumentReference",
                (Leaf("cbc:ID", "object_id"), Fixed("cbc:DocumentTypeCode", "130")),
                when=_has("cbc:DocumentTypeCode", "130"),
            ),
            _allowance("allowances", False, ()),
            _allowance("charges", True, ()),
            _ITEM,
            _PRICE,
        ),
        "lines",
    )


def _reference(kind: str, path: str) -> Leaf:
    return Leaf(f"cac:{kind}/cbc:ID", path)


def _additional(credit: bool) -> tuple[Node, ...]:
    """cac:AdditionalDocumentReference: BT-18, in a credit note also BT-11, and the supporting documents BG-24."""
    project = Group(
        "cac:AdditionalDocumentReference",
        (Leaf("cbc:ID", "project"), Fixed("cbc:DocumentTypeCode", "50")),
        when=_has("cbc:DocumentTypeCode", "50"),
    )
    return (
        Group(
            "cac:AdditionalDocumentReference",
            (Leaf("cbc:ID", "object_id"), Fixed("cbc:DocumentTypeCode", "130")),
            when=_has("cbc:DocumentTypeCode", "130"),
        ),
        *((project,) if credit else ()),
        Group(
            "cac:AdditionalDocumentReference",
            (
                Leaf("cbc:ID", "id"),
                Fixed("cbc:DocumentTypeCode", "916", written=False),
                Leaf("cbc:DocumentDescription", "description"),
                Group(
                    "cac:Attachment",
                    (
                        Leaf(
                            "cbc:EmbeddedDocumentBinaryObject",
                            "content",
                            {"mimeCode": "media_type", "filename": "filename"},
                        ),
                        Leaf("cac:ExternalReference/cbc:URI", "url"),
                    ),
                ),
            ),
            "attachments",
        ),
    )


def _references(credit: bool) -> tuple[Node, ...]:
    contract, tender = (
        _reference("ContractDocumentReference", "contract"),
        _reference("OriginatorDocumentReference", "tender"),
    )
    preceding = Group(
        "cac:BillingReference",
        (
            Group(
                "cac:InvoiceDocumentReference",
                (Leaf("cbc:ID", "number"), Leaf("cbc:IssueDate", "issue_date")),
            ),
        ),
        "preceding",
    )
    return (
        View(
            Group(
                "cac:OrderReference",
                (Leaf("cbc:ID", "purchase_order"), Leaf("cbc:SalesOrderID", "sales_order")),
            ),
            Order,
            merge_order,
            spread_order,
        ),
        preceding,
        _reference("DespatchDocumentReference", "despatch_advice"),
        _reference("ReceiptDocumentReference", "receiving_advice"),
        *((contract, *_additional(credit), tender) if credit else (tender, contract, *_additional(credit))),
        *(() if credit else (_reference("ProjectReference", "project"),)),
    )


_PARTIES: tuple[Node, ...] = (
    Group("cac:AccountingSupplierParty/cac:Party", _party(_identification(spread_seller_ids)), "seller", required=True),
    Group("cac:AccountingCustomerParty/cac:Party", _party(_identification(spread_ids)), "buyer", required=True),
    Group(
        "cac:PayeeParty",
        (
            _identification(spread_payee_ids),
            Leaf("cac:PartyName/cbc:Name", "name"),
            Leaf("cac:PartyLegalEntity/cbc:CompanyID", "legal_id"),
        ),
        "payee",
    ),
    Group(
        "cac:TaxRepresentativeParty",
        (Leaf("cac:PartyName/cbc:Name", "name"), Group("cac:PostalAddress", _ADDRESS, "address"), _VAT_ID),
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
                    Group("cac:Address", _ADDRESS, "delivery.address"),
                ),
            ),
            Leaf("cac:DeliveryParty/cac:PartyName/cbc:Name", "delivery.name"),
        ),
    ),
)


def _payment_means(credit: bool) -> View:
    return View(
        Group(
            "cac:PaymentMeans",
            (
                Leaf("cbc:PaymentMeansCode", "means_code", {"name": "means_text"}),
                *((Leaf("cbc:PaymentDueDate", "due_date"),) if credit else ()),
                Leaf("cbc:PaymentID", "remittance"),
                Group(
                    "cac:CardAccount",
                    (
                        Leaf("cbc:PrimaryAccountNumberID", "card.number"),
                        Fixed("cbc:NetworkID", "NA"),
                        Leaf("cbc:HolderName", "card.holder"),
                    ),
                ),
                Group(
                    "cac:PayeeFinancialAccount",
                    (
                        Leaf("cbc:ID", "transfer.account"),
                        Leaf("cbc:Name", "transfer.name"),
                        Leaf("cac:FinancialInstitutionBranch/cbc:ID", "transfer.bank"),
                    ),
                ),
                Group(
                    "cac:PaymentMandate",
                    (
                        Leaf("cbc:ID", "direct_debit.mandate"),
                        Leaf("cac:PayerFinancialAccount/cbc:ID", "direct_debit.account"),
                    ),
                ),
            ),
        ),
        Means,
        merge_means,
        spread_means if credit else spread_means_of_invoice,
    )


_TAX_TOTAL = View(
    Group(
        "cac:TaxTotal",
        (
            _amount("cbc:TaxAmount", "amount"),
            Group(
                "cac:TaxSubtotal",
                (
                    Leaf("cbc:TaxableAmount", "taxable_amount"),
                    Leaf("cbc:TaxAmount", "tax_amount"),
                    Group(
                        "cac:TaxCategory",
                        (
                            Leaf("cbc:ID", "category"),
                            Leaf("cbc:Percent", "rate"),
                            Leaf("cbc:TaxExemptionReasonCode", "exemption_code"),
                            Leaf("cbc:TaxExemptionReason", "exemption_reason"),
                            _VAT,
                        ),
                    ),
                ),
                "breakdown",
            ),
        ),
    ),
    TaxTotal,
    merge_tax_total,
    spread_tax_total,
)

_TOTALS = Group(
    "cac:LegalMonetaryTotal",
    (
        Leaf("cbc:LineExtensionAmount", "totals.lines"),
        Leaf("cbc:TaxExclusiveAmount", "totals.without_vat"),
        Leaf("cbc:TaxInclusiveAmount", "totals.with_vat"),
        Leaf("cbc:AllowanceTotalAmount", "totals.allowances"),
        Leaf("cbc:ChargeTotalAmount", "totals.charges"),
        Leaf("cbc:PrepaidAmount", "totals.paid"),
        Leaf("cbc:PayableRoundingAmount", "totals.rounding"),
        Leaf("cbc:PayableAmount", "totals.due"),
    ),
    required=True,
)


def _table(credit: bool) -> tuple[Node, ...]:
    """The table of a credit note or of an invoice, in the order of its schema."""
    tax_point, notes = (
        Leaf("cbc:TaxPointDate", "tax_point_date"),
        View(Leaf("cbc:Note", "text"), NoteText, merge_note, spread_notes),
    )
    start: tuple[Node, ...] = (
        Leaf("cbc:DueDate", "due_date"),
        Leaf("cbc:InvoiceTypeCode", "type_code"),
        notes,
        tax_point,
    )
    if credit:
        start = (tax_point, Leaf("cbc:CreditNoteTypeCode", "type_code"), notes)
    return (
        Fixed("cbc:UBLVersionID", "2.1", written=False),
        Leaf("cbc:CustomizationID", "profile"),
        Leaf("cbc:ProfileID", "process"),
        Leaf("cbc:ID", "number"),
        Leaf("cbc:IssueDate", "issue_date"),
        *start,
        Leaf("cbc:DocumentCurrencyCode", "currency"),
        Leaf("cbc:TaxCurrencyCode", "tax_currency"),
        Leaf("cbc:AccountingCost", "accounting_reference"),
        Leaf("cbc:BuyerReference", "buyer_reference"),
        Group(
            "cac:InvoicePeriod",
            (
                Leaf("cbc:StartDate", "delivery.period.start"),
                Leaf("cbc:EndDate", "delivery.period.end"),
                Leaf("cbc:DescriptionCode", "tax_point_code"),
            ),
        ),
        *_references(credit),
        *_PARTIES,
        _payment_means(credit),
        Leaf("cac:PaymentTerms/cbc:Note", "payment_terms"),
        *_ALLOWANCES,
        _TAX_TOTAL,
        _TOTALS,
        _line("CreditNote", "CreditedQuantity") if credit else _line("Invoice", "InvoicedQuantity"),
    )


_INVOICE = Binding(_syntax("Invoice"), "Invoice", _table(credit=False))
_CREDIT_NOTE = Binding(_syntax("CreditNote"), "CreditNote", _table(credit=True))

INVOICE = Format(
    name="ubl-invoice",
    title="OASIS UBL 2.1 invoice",
    media_type="application/xml",
    root=(_syntax("Invoice").namespaces[""], "Invoice"),
    read=_INVOICE.read,
    write=_INVOICE.write,
)
CREDIT_NOTE = Format(
    name="ubl-creditnote",
    title="OASIS UBL 2.1 credit note",
    media_type="application/xml",
    root=(_syntax("CreditNote").namespaces[""], "CreditNote"),
    read=_CREDIT_NOTE.read,
    write=_CREDIT_NOTE.write,
)


def format_for(type_code: str) -> Format:
    """The UBL document that an invoice of this type (BT-3) is written as."""
    return CREDIT_NOTE if type_code in CREDIT_NOTE_TYPES else INVOICE
