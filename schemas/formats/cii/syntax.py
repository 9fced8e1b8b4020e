"""What all elements of a CII document have in common: namespaces, dates, codes, and elements that recur everywhere."""

from __future__ import annotations

import datetime
import re

from schemas.binding import Codec, Fixed, Group, Leaf, Node, Syntax, View, first_and_more
from schemas.invoice import AccountingReference, Identifier

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}")


def _decode_date(text: str) -> datetime.date:
    if re.fullmatch(r"[0-9]{8}", text := text.strip()):
        try:
            return datetime.date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError:
            pass
    raise ValueError("a day of the calendar, YYYYMMDD (format 102)")


_SETTLEMENT = "rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeSettlement"
SYNTAX = Syntax(
    namespaces={
        "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
        "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
        "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
        "qdt": "urn:un:unece:uncefact:data:standard:QualifiedDataType:100",
    },
    date=Codec(_decode_date, lambda day: f"{day.year:04}{day.month:02}{day.day:02}"),
    currency_path=f"{_SETTLEMENT}/ram:InvoiceCurrencyCode",
    currency_attribute="currencyID",
    amounts_carry_currency=False,
    tax_currency_path=f"{_SETTLEMENT}/ram:TaxCurrencyCode",
)
has = SYNTAX.has

_TO_2005 = {"5": "3", "29": "35", "72": "432"}
_TO_2475 = {value: key for key, value in _TO_2005.items()}
TAX_POINT = Codec(lambda text: _TO_2005.get(text.strip(), text.strip()), lambda code: _TO_2475.get(code, code))
"""BT-8: CII uses UNTDID 2475, the model (and UBL) UNTDID 2005."""

VAT = Fixed("ram:TypeCode", "VAT")


def day(tag: str, path: str, date_type: str = "udt") -> Leaf:
    """A date in format 102."""
    return Leaf(f"{tag}/{date_type}:DateTimeString", path, fixed={"format": "102"})


def issued(path: str) -> Leaf:
    """The issue date of a document that is referred to."""
    return day("ram:FormattedIssueDateTime", path, "qdt")


def measure(tag: str, path: str) -> Leaf:
    """A number with its unit."""
    return Leaf(tag, f"{path}.value", {"unitCode": f"{path}.unit"})


def schemed(identifier: Identifier) -> bool:
    """Whether an identifier says what gives it meaning."""
    return bool(identifier.scheme)


def plain(identifier: Identifier) -> bool:
    """Whether an identifier has its meaning between the parties."""
    return not identifier.scheme


def iban(account: str) -> bool:
    """Whether an account looks like an IBAN, spaces and case aside."""
    return bool(_IBAN.fullmatch(account.replace(" ", "").upper()))


def ids(path: str, more: str = "") -> tuple[Node, ...]:
    """Identifiers without scheme come before those with one."""
    return Leaf("ram:ID", path, where=plain, more=more), Leaf("ram:GlobalID", path, where=schemed, more=more)


def document(tag: str, path: str, *more: Node) -> Group:
    """A document that is referred to by its number."""
    return Group(tag, (Leaf("ram:IssuerAssignedID", path), *more))


PERIOD = (
    Leaf("ram:Description", "description"),
    day("ram:StartDateTime", "start"),
    day("ram:EndDateTime", "end"),
)

TAX = (
    Leaf("ram:CalculatedAmount", "amount"),
    VAT,
    Leaf("ram:ExemptionReason", "exemption_reason"),
    Leaf("ram:CategoryCode", "category"),
    Leaf("ram:ExemptionReasonCode", "exemption_code"),
    Leaf("ram:RateApplicablePercent", "rate"),
)

DELIVERY_TERMS = (
    Leaf("ram:DeliveryTypeCode", "code"),
    Group(
        "ram:RelevantTradeLocation",
        (Leaf("ram:CountryID", "country"), Leaf("ram:Name", "location")),
    ),
)


def allowance(into: str, charge: bool, tax: tuple[Node, ...], *, header: bool) -> Group:
    """An allowance or a charge, of the header or of a line: twins told apart by their indicator."""
    spellings = ("true", "1") if charge else ("false", "0")
    return Group(
        "ram:SpecifiedTradeAllowanceCharge",
        (
            Fixed("ram:ChargeIndicator/udt:Indicator", spellings[0], spellings[1:]),
            *((Leaf("ram:SequenceNumeric", "sequence"),) if header else ()),
            Leaf("ram:CalculationPercent", "percentage"),
            Leaf("ram:BasisAmount", "base"),
            *((measure("ram:BasisQuantity", "base_quantity"),) if header else ()),
            Leaf("ram:ActualAmount", "amount"),
            Leaf("ram:ReasonCode", "reason_code"),
            Leaf("ram:Reason", "reason"),
            *tax,
        ),
        into,
        when=has("ram:ChargeIndicator/udt:Indicator", *spellings),
    )


def accounting(group: str) -> View:
    """The buyer's accounts to book to, the first in the norm's own term: BT-19 of the document, BT-133 of a line."""
    held = {"id": "accounting_reference", "type_code": "accounting_type"}
    return View(
        Group(
            "ram:ReceivableSpecifiedTradeAccountingAccount",
            (Leaf("ram:ID", "id"), Leaf("ram:TypeCode", "type_code")),
        ),
        AccountingReference,
        *first_and_more(AccountingReference, held, "more_accounting_references"),
        group=group,
    )
