"""OASIS UBL 2.1 invoice and credit note: the table of EN 16931-3-2, and the two formats made of it.

The two documents differ in a few names and in the order of some elements; `table` builds both. Tag names and order
are the schema's; field names are those of `schemas.invoice`. Terms of EXTENDED-CTC-FR stand where its rules look for
them, those of Factur-X EXTENDED where UBL has an element that means the same; what then has no place is told by
`schemas.format.unheld`, and a test lists it. Where the document is cut differently from the model, the functions of
`views` and `line_views` say how. What UBL forces on us:

- a payment means needs a code: where the model has none, "1" (instrument not defined, UNTDID 4461) is written;
- a credit note has its due date (BT-9) inside a payment means: without payment, one with code 1 holds it;
- a reference needs a number: where the model has a date or a sales order only, "NA" is written, and read as none, and
  so is the network of a card;
- a gross price without discount is written with a discount of 0, which is read as none; one of zero is written 0.00;
- a VAT breakdown needs a total: where BT-110 is missing, the sum of the breakdown is written;
- a tax registration says its scheme: VAT is a VAT identifier, any other is BT-32, which is written as TAX;
- one note has the texts of all payment terms: further ones say in their ID which of its lines are theirs;
- a logistics service charge is a charge, which says in its ID that it is one;
- the subject of a note (BT-21) is written in front of its text, as #PMT#text;
- a property of an item needs a name: one that has a code only is named by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from schemas.binding import Binding, Context, Fixed, Group, Leaf, Node, Scope, View
from schemas.format import Format
from schemas.formats.ubl import views
from schemas.formats.ubl.lines import ATTACHED, DELIVERY_TERMS, lines
from schemas.formats.ubl.parties import PARTIES, PARTY
from schemas.formats.ubl.vocabulary import UNSAID, VAT_SCHEME, amount, has, syntax
from schemas.invoice import CREDIT_NOTE_TYPES, Attachment, Invoice, ObjectReference

_CATEGORY = Group(
    "cac:TaxCategory",
    (
        Leaf("cbc:ID", "vat_category"),
        Leaf("cbc:Percent", "vat_rate"),
        Leaf("cbc:TaxExemptionReasonCode", "exemption_code"),
        Leaf("cbc:TaxExemptionReason", "exemption_reason"),
        VAT_SCHEME,
    ),
)


def _adjustment(spellings: tuple[str, str], *start: Leaf, code: Leaf, into: str = "") -> Group:
    """An allowance or a charge: twins told apart by their indicator."""
    return Group(
        "cac:AllowanceCharge",
        (
            *start,
            Fixed("cbc:ChargeIndicator", spellings[0], spellings[1:]),
            code,
            Leaf("cbc:AllowanceChargeReason", "reason"),
            Leaf("cbc:MultiplierFactorNumeric", "percentage"),
            Leaf("cbc:SequenceNumeric", "sequence"),
            Leaf("cbc:Amount", "amount"),
            Leaf("cbc:BaseAmount", "base"),
            _CATEGORY,
        ),
        into,
        when=has("cbc:ChargeIndicator", *spellings),
    )


_ALLOWANCES: tuple[Node, ...] = (
    _adjustment(("false", "0"), code=Leaf("cbc:AllowanceChargeReasonCode", "reason_code"), into="allowances"),
    View(
        _adjustment(
            ("true", "1"),
            Leaf("cbc:ID", "id"),
            code=Leaf("cbc:AllowanceChargeReasonCode", "code", {"listID": "code_list"}),
        ),
        views.Charge,
        views.merge_charge,
        views.spread_charges,
    ),
)


def _document(tag: str, number: str, date: str, kind: str = "") -> View:
    """A reference to one other document; UBL wants its number beside its date and its kind."""
    names = {name: field for name, field in {"number": number, "date": date, "kind": kind}.items() if field}

    def merge(scope: Scope, found: Scope, _context: Context) -> bool:
        if len(found) > 1 and found.get("number") == UNSAID:
            del found["number"]
        return views.put(scope, {names[name]: value for name, value in found.items()})

    def spread(invoice: Invoice, _root: Invoice) -> Iterator[views.DocumentReference]:
        one = views.DocumentReference(**{name: getattr(invoice, field) for name, field in names.items()})
        if one != views.DocumentReference():
            yield one if one.number else replace(one, number=UNSAID)

    children = (Leaf("cbc:ID", "number"), Leaf("cbc:IssueDate", "date"))
    more = (Leaf("cbc:DocumentType", "kind"),) if kind else ()
    return View(Group(tag, (*children, *more)), views.DocumentReference, merge, spread)


def _additional(credit: bool) -> tuple[Node, ...]:
    """cac:AdditionalDocumentReference: BT-18, in a credit note also BT-11, and the supporting documents BG-24."""
    project = Group(
        "cac:AdditionalDocumentReference",
        (Leaf("cbc:ID", "project"), Fixed("cbc:DocumentTypeCode", "50")),
        when=has("cbc:DocumentTypeCode", "50"),
    )
    return (
        View(
            Group(
                "cac:AdditionalDocumentReference",
                (Leaf("cbc:ID", "id"), Leaf("cbc:IssueDate", "date"), Fixed("cbc:DocumentTypeCode", "130")),
                when=has("cbc:DocumentTypeCode", "130"),
            ),
            ObjectReference,
            views.merge_object,
            views.spread_objects,
        ),
        *((project,) if credit else ()),
        View(
            Group(
                "cac:AdditionalDocumentReference",
                (
                    Leaf("cbc:ID", "id"),
                    Leaf("cbc:IssueDate", "date"),
                    Fixed("cbc:DocumentTypeCode", "916", written=False),
                    Leaf("cbc:DocumentDescription", "description"),
                    ATTACHED,
                ),
            ),
            Attachment,
            views.merge_attachment,
            views.spread_attachments,
        ),
    )


def _references(credit: bool) -> tuple[Node, ...]:
    contract = _document("cac:ContractDocumentReference", "contract", "contract_date", "contract_type")
    tender = View(
        Group("cac:OriginatorDocumentReference", (Leaf("cbc:ID", "number"), Leaf("cbc:IssueDate", "date"))),
        views.DocumentReference,
        views.merge_tender,
        views.spread_tenders,
    )
    preceding = Group(
        "cac:BillingReference",
        (
            Group(
                "cac:InvoiceDocumentReference",
                (
                    Leaf("cbc:ID", "number"),
                    Leaf("cbc:IssueDate", "issue_date"),
                    Leaf("cbc:DocumentTypeCode", "type_code"),
                ),
            ),
        ),
        "preceding",
    )
    return (
        View(
            Group(
                "cac:OrderReference",
                (
                    Leaf("cbc:ID", "purchase_order"),
                    Leaf("cbc:SalesOrderID", "sales_order"),
                    Leaf("cbc:IssueDate", "purchase_order_date"),
                ),
            ),
            views.Order,
            views.merge_order,
            views.spread_order,
        ),
        preceding,
        _document("cac:DespatchDocumentReference", "despatch_advice", "despatch_advice_date"),
        _document("cac:ReceiptDocumentReference", "receiving_advice", "receiving_advice_date"),
        *((contract, *_additional(credit), tender) if credit else (tender, contract, *_additional(credit))),
        *(() if credit else (Leaf("cac:ProjectReference/cbc:ID", "project"),)),
    )


def _payment_means(credit: bool) -> View:
    """cac:PaymentMeans; its due date is written in a credit note alone, which has no other place for it."""
    return View(
        Group(
            "cac:PaymentMeans",
            (
                Leaf("cbc:PaymentMeansCode", "means_code", {"name": "means_text"}),
                Leaf("cbc:PaymentDueDate", "due_date"),
                Leaf("cbc:PaymentID", "remittance"),
                Group(
                    "cac:CardAccount",
                    (
                        Leaf("cbc:PrimaryAccountNumberID", "card.number"),
                        Leaf("cbc:NetworkID", "card.network"),
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
                        Group("cac:PayerParty", PARTY, "payer"),
                        Group(
                            "cac:PayerFinancialAccount",
                            (
                                Leaf("cbc:ID", "direct_debit.account"),
                                Leaf("cbc:Name", "direct_debit.account_name"),
                                Leaf("cac:FinancialInstitutionBranch/cbc:ID", "direct_debit.bank"),
                            ),
                        ),
                    ),
                ),
            ),
        ),
        views.Means,
        views.merge_means,
        views.spread_means if credit else views.spread_means_of_invoice,
    )


def _lasting(tag: str, path: str) -> Group:
    """The period in which a discount or a penalty holds: its first day, or how long it is."""
    return Group(
        tag,
        (
            Leaf("cbc:StartDate", f"{path}.reference_date"),
            Leaf("cbc:DurationMeasure", f"{path}.period.value", {"unitCode": f"{path}.period.unit"}),
        ),
    )


_PAYMENT_TERMS = View(
    Group(
        "cac:PaymentTerms",
        (
            Leaf("cbc:ID", "id"),
            Leaf("cbc:Note", "text"),
            Leaf("cbc:SettlementDiscountPercent", "discount.percentage"),
            Leaf("cbc:PenaltySurchargePercent", "penalty.percentage"),
            Leaf("cbc:Amount", "partial_amount"),
            Leaf("cbc:SettlementDiscountAmount", "discount.amount"),
            Leaf("cbc:PenaltyAmount", "penalty.amount"),
            Leaf("cbc:PaymentDueDate", "due_date"),
            _lasting("cac:SettlementPeriod", "discount"),
            _lasting("cac:PenaltyPeriod", "penalty"),
        ),
    ),
    views.Terms,
    views.merge_terms,
    views.spread_terms,
)

_PREPAID = View(
    Group(
        "cac:PrepaidPayment",
        (
            Leaf("cbc:ID", "id"),
            Leaf("cbc:PaidAmount", "amount"),
            Leaf("cbc:ReceivedDate", "date"),
            Leaf("cbc:InstructionID", "instruction"),
        ),
    ),
    views.Prepaid,
    views.merge_prepaid,
    views.spread_prepaid,
)

_EXCHANGE = Group(
    "cac:TaxExchangeRate",
    (
        Leaf("cbc:SourceCurrencyCode", "source"),
        Leaf("cbc:TargetCurrencyCode", "target"),
        Leaf("cbc:CalculationRate", "rate"),
        Leaf("cbc:Date", "date"),
    ),
    "exchange",
)

_TAX_TOTAL = View(
    Group(
        "cac:TaxTotal",
        (
            amount("cbc:TaxAmount", "amount"),
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
                            VAT_SCHEME,
                        ),
                    ),
                ),
                "breakdown",
            ),
        ),
    ),
    views.TaxTotal,
    views.merge_tax_total,
    views.spread_tax_total,
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


def table(credit: bool) -> tuple[Node, ...]:
    """The table of a credit note or of an invoice, in the order of its schema."""
    tax_point, notes = (
        Leaf("cbc:TaxPointDate", "tax_point_date"),
        View(Leaf("cbc:Note", "text"), views.NoteText, views.merge_note, views.spread_notes),
    )
    start: tuple[Node, ...] = (
        Leaf("cbc:DueDate", "due_date"),
        Leaf("cbc:InvoiceTypeCode", "type_code", {"name": "document_name"}),
        notes,
        tax_point,
    )
    if credit:
        start = (tax_point, Leaf("cbc:CreditNoteTypeCode", "type_code", {"name": "document_name"}), notes)
    return (
        Fixed("cbc:UBLVersionID", "2.1", written=False),
        Leaf("cbc:CustomizationID", "profile"),
        Leaf("cbc:ProfileID", "process"),
        Leaf("cbc:ID", "number"),
        Leaf("cbc:CopyIndicator", "is_copy"),
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
                Leaf("cbc:Description", "delivery.period.description"),
            ),
        ),
        *_references(credit),
        *PARTIES,
        DELIVERY_TERMS,
        _payment_means(credit),
        _PAYMENT_TERMS,
        *((_EXCHANGE, *_ALLOWANCES) if credit else (_PREPAID, *_ALLOWANCES, _EXCHANGE)),
        _TAX_TOTAL,
        _TOTALS,
        *lines(credit),
    )


_INVOICE = Binding(syntax("Invoice"), "Invoice", table(credit=False))
_CREDIT_NOTE = Binding(syntax("CreditNote"), "CreditNote", table(credit=True))

INVOICE = Format(
    name="ubl-invoice",
    title="OASIS UBL 2.1 invoice",
    media_type="application/xml",
    root=(syntax("Invoice").namespaces[""], "Invoice"),
    read=_INVOICE.read,
    write=_INVOICE.write,
)
CREDIT_NOTE = Format(
    name="ubl-creditnote",
    title="OASIS UBL 2.1 credit note",
    media_type="application/xml",
    root=(syntax("CreditNote").namespaces[""], "CreditNote"),
    read=_CREDIT_NOTE.read,
    write=_CREDIT_NOTE.write,
)


def format_for(type_code: str) -> Format:
    """The UBL document that an invoice of this type (BT-3) is written as."""
    return CREDIT_NOTE if type_code in CREDIT_NOTE_TYPES else INVOICE
