"""What no official rule checks: check digits of numbers that people retype, currencies of amounts, the page of a PDF.

A wrong check digit is a slip of the hand in most cases, but registers have made exceptions, and a page can be read in
more ways than one. So these are warnings and never refuse a document. The length and shape of the same numbers is the
business of the official rules. An amount in another currency than its invoice contradicts it: what is to be paid is
then no longer clear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from lxml import etree
from stdnum import iban
from stdnum.eu import vat
from stdnum.fr import siren, siret

from schemas.finding import Finding, Layer, LayerVerdict, Severity
from schemas.likeness import Likeness, Standing
from schemas.loss import Loss
from schemas.xml import PREFIXES, Twins, line_of, path_of, select

NAME = "house"

_SPACES = {prefix: namespace for namespace, prefix in PREFIXES.items()}


@dataclass(frozen=True, slots=True)
class _Check:
    """One kind of number: where it stands in CII and UBL, its shape, and its check digits."""

    rule: str
    where: etree.XPath
    shape: re.Pattern[str]
    holds: Callable[[str], bool]
    terms: tuple[str, ...]
    """The terms as seller, buyer, payee, tax representative, place of delivery, elsewhere; empty: no such term."""
    says: str


def _at(*paths: str) -> etree.XPath:
    return etree.XPath(" | ".join(paths), namespaces=_SPACES)


_EU = "|".join(sorted(code.upper() for code in vat.MEMBER_STATES - {"gr"} | {"el"}))

_CHECKS = (
    _Check(
        "HOUSE-SIREN",
        _at("//ram:*[@schemeID='0002']", "//cbc:CompanyID[@schemeID='0002']", "//cbc:ID[@schemeID='0002']"),
        re.compile(r"[0-9]{9}"),
        lambda text: bool(siren.is_valid(text)),
        ("BT-30", "BT-47", "BT-61", "", "", ""),
        "The check digit of this SIREN is wrong.",
    ),
    _Check(
        "HOUSE-SIRET",
        _at("//ram:*[@schemeID='0009']", "//cbc:ID[@schemeID='0009']"),
        re.compile(r"[0-9]{14}"),
        lambda text: bool(siret.is_valid(text)),
        ("BT-29", "BT-46", "BT-60", "", "BT-71", ""),
        "The check digit of this SIRET is wrong.",
    ),
    _Check(
        "HOUSE-VAT",
        _at("//ram:ID[@schemeID='VA']", "//cac:PartyTaxScheme[cac:TaxScheme/cbc:ID='VAT']/cbc:CompanyID"),
        re.compile(rf"(?:{_EU})[0-9A-Z+*]{{2,13}}"),
        lambda text: bool(vat.is_valid(text)),
        ("BT-31", "BT-48", "", "BT-63", "", ""),
        "This is no VAT number of the country it begins with: its length or its check digits are wrong.",
    ),
    _Check(
        "HOUSE-IBAN",
        _at(
            "//ram:PayeePartyCreditorFinancialAccount/ram:IBANID",
            "//ram:PayerPartyDebtorFinancialAccount/ram:IBANID",
            "//cac:PayeeFinancialAccount/cbc:ID",
            "//cac:PayerFinancialAccount/cbc:ID",
        ),
        re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}"),
        lambda text: bool(iban.is_valid(text, check_country=False)),
        ("", "", "", "", "", "BT-84"),
        "The check digits of this IBAN are wrong.",
    ),
)

_PARTIES = {
    "SellerTradeParty": 0,
    "BuyerTradeParty": 1,
    "PayeeTradeParty": 2,
    "SellerTaxRepresentativeTradeParty": 3,
    "ShipToTradeParty": 4,
    "AccountingSupplierParty": 0,
    "AccountingCustomerParty": 1,
    "PayeeParty": 2,
    "TaxRepresentativeParty": 3,
    "DeliveryLocation": 4,
    "PayerPartyDebtorFinancialAccount": 6,
    "PayerFinancialAccount": 6,
}


def apply(tree: etree._ElementTree) -> tuple[Layer, tuple[Finding, ...]]:
    """The house rules on an invoice in CII or UBL; warnings only, so the layer always passes."""
    return Layer(NAME, "", LayerVerdict.PASSED), tuple(_warnings(tree))


CURRENCY = "HOUSE-CURRENCY"
NOT_IN_CII = "HOUSE-NOT-IN-CII"
"""The rule on amounts in a currency that is not the invoice's (BT-5), nor that of its accounting where that may be."""
_amounts = _at("//ram:*[@currencyID]", "//cbc:*[@currencyID][not(ancestor::ext:UBLExtensions)]")
_currency = _at("//ram:InvoiceCurrencyCode", "/*/cbc:DocumentCurrencyCode")
_accounting = _at("//ram:TaxCurrencyCode", "/*/cbc:TaxCurrencyCode")
_tax_totals = _at("//ram:TaxTotalAmount", "/*/cac:TaxTotal/cbc:TaxAmount")
"""Where the total of VAT stands: in the currency of the invoice (BT-110) and in that of its accounting (BT-111)."""

PAGE = "HOUSE-PDF-"
"""Beginning of the rules on the readable page; the business term follows, or SCAN, UNREAD, HIDDEN."""


def of_page(values: tuple[Likeness, ...], hidden: bool) -> tuple[Finding, ...]:
    """A warning for each value of the invoice that the page does not state, or states otherwise.

    `hidden`: some text of the page is drawn so that nobody sees it, and a value may have been found there.
    """
    says = "Some text of the page is drawn so that nobody sees it; what was found may stand there only."
    unseen = (Finding(f"{PAGE}HIDDEN", Severity.INFO, NAME, says),) if hidden else ()
    return unseen + tuple(
        Finding(
            f"{PAGE}{one.term}",
            Severity.WARNING,
            NAME,
            _page_says(one),
            terms=(one.term,),
            found=one.instead or None,
            expected=one.value,
        )
        for one in values
        if one.standing is not Standing.FOUND
    )


def without_page(reason: str) -> Finding:
    """The page could not be held against the XML: it is a picture where no reason is given, else it was not read."""
    if reason:
        says = f"Whether the page says what the XML says could not be told: {reason}."
        return Finding(f"{PAGE}UNREAD", Severity.WARNING, NAME, says)
    says = "The page has no text, as a scan has none; whether it says what the XML says could not be told."
    return Finding(f"{PAGE}SCAN", Severity.INFO, NAME, says)


def left_out(lost: Iterable[Loss]) -> tuple[Finding, ...]:
    """What a JSON invoice says and the XML made of it has no place for."""
    return tuple(
        Finding(
            NOT_IN_CII,
            Severity.WARNING,
            NAME,
            f"The XML has no place for {one.name} ({one.term or 'no term of the norm'}): it stays in the JSON alone.",
            (one.term,) if one.term else (),
            one.pointer,
        )
        for one in lost
    )


def _page_says(one: Likeness) -> str:
    if one.standing is Standing.CONTRADICTED:
        return f"The page states another value for {one.name} ({one.term}) than the XML."
    return f"The page does not state {one.name} ({one.term}) as the XML has it."


def _warnings(tree: etree._ElementTree) -> Iterator[Finding]:
    twins = Twins()
    yield from _numbers(tree, twins)
    yield from _currencies(tree, twins)


def _numbers(tree: etree._ElementTree, twins: Twins) -> Iterator[Finding]:
    """The numbers whose check digits are wrong."""
    for check in _CHECKS:
        for element in select(check.where, tree):
            number = re.sub(r"\s", "", element.text or "")
            if check.shape.fullmatch(number) and not check.holds(number):
                yield Finding(
                    check.rule,
                    Severity.WARNING,
                    NAME,
                    check.says,
                    terms=_terms(check, element),
                    path=path_of(element, twins=twins),
                    line=line_of(element),
                    found=number,
                )


def _currencies(tree: etree._ElementTree, twins: Twins) -> Iterator[Finding]:
    """The amounts in another currency than the invoice's; an invoice that names none is refused by other rules."""
    currency, accounting = (
        next(((element.text or "").strip() for element in select(code, tree)), "") for code in (_currency, _accounting)
    )
    totals = set(select(_tax_totals, tree))
    for element in select(_amounts, tree) if currency else ():
        found = (element.get("currencyID") or "").strip()
        if found != currency and not (found == accounting and element in totals):
            yield Finding(
                CURRENCY,
                Severity.WARNING,
                NAME,
                "This amount is in another currency than the invoice.",
                terms=("BT-5",),
                path=path_of(element, "currencyID", twins),
                line=line_of(element),
                found=found,
                expected=currency,
            )


def _terms(check: _Check, element: etree._Element) -> tuple[str, ...]:
    """The business term of a number, told by the party it stands in; none where the norm has no term for it."""
    for ancestor in element.iterancestors():
        place = _PARTIES.get(etree.QName(ancestor).localname)
        if place is not None:
            term = check.terms[place] if place < len(check.terms) else "BT-91"
            return (term,) if term else ()
    return (check.terms[-1],) if check.terms[-1] else ()
