"""The arithmetic of an invoice: line net amounts, the VAT breakdown (BG-23) and the totals (BG-22).

The one rounding policy of this project: calculate exactly, round once, half up (away from zero), to two decimals, at
the terms where EN 16931-1 says so: BT-131, the amounts of percentages, BT-117. Everything else is a sum of such
amounts and needs no rounding. VAT is calculated on the taxable amount of each category and rate, never line by line.

`complete` fills what is absent and keeps what is given; a given amount that differs by a cent is a finding, all at
once. It also fills what follows without doubt: a base amount for a percentage, rate 0 for categories that have no
other, the only possible exemption code of categories AE, K, G and O, of net price, gross price and discount the
one that the others give.

BT-114, decided: when the amount due (BT-115) is given, the rounding amount is not, and the two differ by at most
0.05, the difference is by its very definition the rounding amount. It is filled in, and an INFO finding says so. No
other difference is ever explained away. BT-111 is calculated where the exchange rate is given (BT-X-260), and is not
checked, as rates are rounded.

Lines under others (Factur-X EXTENDED): only those whose subtype is DETAIL or absent count. A GROUP line has the sum of
the DETAIL and GROUP lines right under it; INFORMATION lines are left as they are.
"""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeVar

from schemas.finding import Finding, Severity
from schemas.invoice import (
    AllowanceOrCharge,
    Invoice,
    Line,
    LineAllowanceOrCharge,
    LogisticsCharge,
    Price,
    Totals,
    VatBreakdown,
)

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
ROUNDING_LIMIT = Decimal("0.05")
"""The largest difference between BT-115 and what was calculated that is taken as a rounding amount (BT-114)."""

_EXACT = decimal.Context(prec=100, rounding=decimal.ROUND_HALF_UP)
"""Enough digits for any product of values that `schemas.json_form` and `schemas.binding` let in."""
_ZERO_RATED = frozenset({"Z", "E", "AE", "K", "G"})
"""VAT categories whose rate is 0 (BR-Z-05, BR-E-05, BR-AE-05, BR-IC-05, BR-G-05)."""
_NO_RATE = "O"
_COUNTING = frozenset({"", "DETAIL"})
"""Line subtypes (BT-X-8) of lines whose amounts count."""
_EXEMPTION_CODES = {"AE": "VATEX-EU-AE", "K": "VATEX-EU-IC", "G": "VATEX-EU-G", "O": "VATEX-EU-O"}

_Key = tuple[str, Decimal | None]
_Any = TypeVar("_Any", AllowanceOrCharge, LineAllowanceOrCharge)


@dataclass(frozen=True, slots=True)
class Completion:
    """An invoice with its amounts filled in, and what does not add up."""

    invoice: Invoice
    findings: tuple[Finding, ...] = ()
    """FATAL: an amount that does not agree or cannot be calculated. INFO: what was filled in and why."""


def round_amount(value: Decimal) -> Decimal:
    """Half up, away from zero, to two decimals: the rounding of every amount of an invoice."""
    return value.quantize(CENT, context=_EXACT)


def counts(line: Line) -> bool:
    """Whether a line is part of the totals: not a subtotal (GROUP), and not for information."""
    return line.kind in _COUNTING


def complete(invoice: Invoice) -> Completion:
    """The invoice with absent amounts calculated and given ones checked to the cent."""
    with decimal.localcontext(_EXACT):
        return _Work().invoice(invoice)


@dataclass(frozen=True, slots=True)
class _Found:
    """What is there, what should be, and what to do about it."""

    found: str | None = None
    expected: str | None = None
    fix: str | None = None


@dataclass(slots=True)
class _Work:
    """One completion in progress; holds the findings gathered so far."""

    findings: list[Finding] = field(default_factory=list)

    def invoice(self, invoice: Invoice) -> Completion:
        lines = tuple(
            self._line(line, f"/lines/{at}") if counts(line) else line for at, line in enumerate(invoice.lines)
        )
        lines = self._groups(lines)
        net = _sum([line.net_amount for line in lines if counts(line)])
        allowances = self._document_adjustments(invoice.allowances, net, "/allowances", ("BT-92", "BT-96"))
        charges = self._document_adjustments(invoice.charges, net, "/charges", ("BT-99", "BT-103"))
        invoice = replace(invoice, lines=lines, allowances=allowances, charges=charges)
        invoice = replace(invoice, vat_breakdown=self._breakdown(invoice))
        invoice = replace(invoice, totals=self._totals(invoice))
        return Completion(invoice, tuple(self.findings))

    def _line(self, line: Line, path: str) -> Line:
        price = self._price(line.price, f"{path}/price")
        base = None
        if line.quantity is not None and price.net is not None and price.base_quantity != 0:
            base = round_amount(line.quantity * price.net / (price.base_quantity or 1))
        allowances = self._adjustments(line.allowances, base, f"{path}/allowances", "BT-136")
        charges = self._adjustments(line.charges, base, f"{path}/charges", "BT-141")
        vat = replace(line.vat, rate=self._rate(line.vat.category, line.vat.rate, f"{path}/vat/rate", "BT-152"))
        net = None
        if base is not None:
            net = base - _sum([one.amount for one in allowances]) + _sum([one.amount for one in charges])
        elif line.net_amount is None:
            missing = "quantity" if line.quantity is None else "net price (with a base quantity other than 0)"
            self._absent("BT-131", f"{path}/net_amount", f"Give the {missing} of the line, or its net amount.")
        net = self._agree("BT-131", f"{path}/net_amount", line.net_amount, net)
        return replace(line, price=price, allowances=allowances, charges=charges, vat=vat, net_amount=net)

    def _groups(self, lines: tuple[Line, ...]) -> tuple[Line, ...]:
        """The lines with the net amounts of subtotals, the innermost first."""
        if not any(line.kind == "GROUP" for line in lines):
            return lines
        done, under = list(lines), _children(lines)
        for at in _from_within(lines):
            if lines[at].kind != "GROUP" or not (inner := [done[child] for child in under.get(lines[at].id, ())]):
                continue
            amounts = [one.net_amount for one in inner if counts(one) or one.kind == "GROUP"]
            total = None if None in amounts else _sum(amounts)
            net = self._agree("BT-131", f"/lines/{at}/net_amount", lines[at].net_amount, total, "BT-131 and BT-X-8")
            done[at] = replace(lines[at], net_amount=net)
        return tuple(done)

    def _price(self, price: Price, path: str) -> Price:
        if price.gross is None:
            if price.net is None or price.discount is None:
                return price
            return replace(price, gross=price.net + price.discount)
        net = price.gross - (price.discount or 0)
        net -= _sum([one.amount for one in price.more_discounts]) - _sum([one.amount for one in price.charges])
        if price.net is None:
            return replace(price, net=net)
        if abs(price.net - net) >= CENT / 2:
            rule = "BT-146 and BT-X-302" if price.more_discounts or price.charges else ""
            self._differs("BT-146", f"{path}/net", price.net, net, rule)
        return price

    def _adjustments(self, several: Sequence[_Any], base: Decimal | None, path: str, term: str) -> tuple[_Any, ...]:
        """Allowances or charges with the amounts that a percentage gives; `base` is what it is taken of if not told."""
        done = []
        for at, one in enumerate(several):
            calculated = None
            base_amount = one.base
            if one.percentage is not None:
                base_amount = one.base if one.base is not None else base
                if base_amount is not None:
                    calculated = round_amount(base_amount * one.percentage / 100)
            where = f"{path}/{at}/amount"
            if calculated is None and one.amount is None:
                self._absent(term, where, "Give an amount, or a percentage with its base amount.")
            amount = self._agree(term, where, one.amount, calculated)
            done.append(replace(one, amount=amount, base=base_amount if one.amount is None else one.base))
        return tuple(done)

    def _document_adjustments(
        self, several: tuple[AllowanceOrCharge, ...], net: Decimal, path: str, terms: tuple[str, str]
    ) -> tuple[AllowanceOrCharge, ...]:
        done = self._adjustments(several, net, path, terms[0])
        return tuple(
            replace(one, vat_rate=self._rate(one.vat_category, one.vat_rate, f"{path}/{at}/vat_rate", terms[1]))
            for at, one in enumerate(done)
        )

    def _rate(self, category: str, rate: Decimal | None, path: str, term: str) -> Decimal | None:
        """The rate as given, or 0 where the category has no other."""
        if rate is None and category in _ZERO_RATED:
            return Decimal(0)
        if rate is None and category and category != _NO_RATE:
            self._absent(term, path, f"Give the VAT rate; category {category} has no rate of its own.")
        return rate

    def _breakdown(self, invoice: Invoice) -> tuple[VatBreakdown, ...]:
        """BG-23: given rows kept in their order and filled, then the categories and rates that are missing."""
        taxable: dict[_Key, Decimal] = {}
        for line in invoice.lines:
            if counts(line):
                _add(taxable, (line.vat.category, line.vat.rate), line.net_amount)
        for charge in invoice.charges:
            _add(taxable, (charge.vat_category, charge.vat_rate), charge.amount)
        for allowance in invoice.allowances:
            _add(taxable, (allowance.vat_category, allowance.vat_rate), -(allowance.amount or ZERO))
        for at, logistics in enumerate(invoice.logistics_charges):
            if len(logistics.taxes) == 1:
                tax, where = logistics.taxes[0], f"/logistics_charges/{at}/taxes/0/rate"
                _add(taxable, (tax.category, self._rate(tax.category, tax.rate, where, "BT-X-274")), logistics.amount)
            else:
                fix = "Give one VAT category and rate for each logistics charge, so that its VAT can be calculated."
                self._absent("BT-X-273", f"/logistics_charges/{at}/taxes", fix)
        given: dict[_Key, list[int]] = {}
        rows = [
            replace(row, rate=self._rate(row.category, row.rate, f"/vat_breakdown/{at}/rate", "BT-119"))
            for at, row in enumerate(invoice.vat_breakdown)
        ]
        for at, row in enumerate(rows):
            given.setdefault((row.category, row.rate), []).append(at)
        if invoice.lines:
            for key, places in given.items():
                self._taxable(rows, key, places, taxable.pop(key, None))
            rows += [VatBreakdown(category=key[0], rate=key[1], taxable_amount=sum_) for key, sum_ in taxable.items()]
        return tuple(self._tax(row, f"/vat_breakdown/{at}") for at, row in enumerate(rows))

    def _taxable(self, rows: list[VatBreakdown], key: _Key, places: list[int], calculated: Decimal | None) -> None:
        """Checks or fills BT-116 of the rows of one category and rate."""
        path = f"/vat_breakdown/{places[0]}/taxable_amount"
        known = [rows[at].taxable_amount for at in places]
        if calculated is None:
            says = f"No line, allowance or charge has VAT category {key[0]} with this rate."
            self._fatal("BT-116", says, path, _Found(_text(known[0])))
        elif None not in known:
            if _sum(known) != calculated:
                self._differs("BT-116", path, _sum(known), calculated)
        elif len(places) == 1:
            rows[places[0]] = replace(rows[places[0]], taxable_amount=calculated)
        else:
            self._absent("BT-116", path, "Several rows share this category and rate: give each taxable amount.")

    def _tax(self, row: VatBreakdown, path: str) -> VatBreakdown:
        tax = None
        if row.taxable_amount is not None and (row.rate is not None or row.category == _NO_RATE):
            tax = round_amount(row.taxable_amount * (row.rate or 0) / 100)
        tax = self._agree("BT-117", f"{path}/tax_amount", row.tax_amount, tax)
        code = row.exemption_code
        if not code and not row.exemption_reason:
            code = _EXEMPTION_CODES.get(row.category, "")
        return replace(row, tax_amount=tax, exemption_code=code)

    def _totals(self, invoice: Invoice) -> Totals:
        """BG-22, each amount from the amounts above it as they stand after checking."""
        given = invoice.totals
        lines = self._agree(
            "BT-106",
            "/totals/lines",
            given.lines,
            _sum([line.net_amount for line in invoice.lines if counts(line)]) if invoice.lines else None,
        )
        allowances = self._sum_of(invoice.allowances, "BT-107", "/totals/allowances", given.allowances)
        charges = self._sum_of(
            (*invoice.charges, *invoice.logistics_charges), "BT-108", "/totals/charges", given.charges
        )
        without = None if lines is None else lines - (allowances or ZERO) + (charges or ZERO)
        without = self._agree("BT-109", "/totals/without_vat", given.without_vat, without)
        if without is None:
            self._absent("BT-109", "/totals/without_vat", "Give the total without VAT, or the lines.")
        vat = _sum([row.tax_amount for row in invoice.vat_breakdown]) if invoice.vat_breakdown else None
        vat = self._agree("BT-110", "/totals/vat", given.vat, vat)
        with_vat = None if without is None else without + (vat or ZERO)
        with_vat = self._agree("BT-112", "/totals/with_vat", given.with_vat, with_vat)
        foreign = invoice.tax_currency not in ("", invoice.currency)
        in_tax_currency = given.vat_in_tax_currency
        if foreign and in_tax_currency is None:
            in_tax_currency = _exchanged(invoice, vat)
        if foreign and in_tax_currency is None:
            fix = f"Give the VAT total in {invoice.tax_currency}, or the exchange rate to calculate it with."
            self._absent("BT-111", "/totals/vat_in_tax_currency", fix)
        done = replace(
            given,
            lines=lines,
            allowances=allowances,
            charges=charges,
            without_vat=without,
            vat=vat,
            vat_in_tax_currency=in_tax_currency,
            with_vat=with_vat,
        )
        return self._due(done, _sum([one.amount for one in invoice.third_party_payments]))

    def _due(self, totals: Totals, for_others: Decimal) -> Totals:
        """BT-115, and BT-114 where it is what is missing."""
        if totals.with_vat is None or (totals.lines is None and totals.due is not None):
            return totals  # MINIMUM has neither BT-106 nor what was paid (BT-113), so BT-115 stands as it is given
        due = totals.with_vat - (totals.paid or ZERO) + (totals.rounding or ZERO) + for_others
        if totals.due is not None and totals.rounding is None and 0 < abs(totals.due - due) <= ROUNDING_LIMIT:
            rounding = totals.due - due
            says = "The amount due differs from the total by a rounding amount, which was filled in."
            self.findings.append(
                Finding(
                    "TOTALS-BT-114",
                    Severity.INFO,
                    "totals",
                    says,
                    ("BT-114", "BT-115"),
                    "/totals/rounding",
                    found=None,
                    expected=str(rounding),
                )
            )
            return replace(totals, rounding=rounding)
        rule = "BT-115 and BG-34" if for_others else ""
        return replace(totals, due=self._agree("BT-115", "/totals/due", totals.due, due, rule))

    def _sum_of(
        self, several: tuple[AllowanceOrCharge | LogisticsCharge, ...], term: str, path: str, given: Decimal | None
    ) -> Decimal | None:
        if not several and not given:
            return given
        rule = "BT-108 and BG-X-42" if any(isinstance(one, LogisticsCharge) for one in several) else ""
        return self._agree(term, path, given, _sum([one.amount for one in several]), rule)

    def _agree(
        self, term: str, path: str, given: Decimal | None, calculated: Decimal | None, rule: str = ""
    ) -> Decimal | None:
        """The given amount, checked by the rule of its term or another; the calculated one when none is given."""
        if given is None:
            return calculated
        if calculated is not None and given != calculated:
            self._differs(term, path, given, calculated, rule)
        return given

    def _differs(self, term: str, path: str, found: Decimal, expected: Decimal, rule: str = "") -> None:
        says = f"{_RULES[rule or term]} The amount given does not agree with it."
        fix = "Correct the amount or what it is calculated from, or leave it out to have it calculated."
        self._fatal(term, says, path, _Found(_text(found), _text(expected), fix))

    def _absent(self, term: str, path: str, fix: str) -> None:
        self._fatal(term, "The value is absent and cannot be calculated.", path, _Found(fix=fix))

    def _fatal(self, term: str, says: str, path: str, what: _Found) -> None:
        self.findings.append(
            Finding(
                f"TOTALS-{term}",
                Severity.FATAL,
                "totals",
                says,
                (term,),
                path,
                found=what.found,
                expected=what.expected,
                fix=what.fix,
            )
        )


_RULES = {
    "BT-92": "BT-92 = BT-93 × BT-94 ÷ 100, rounded.",
    "BT-99": "BT-99 = BT-100 × BT-101 ÷ 100, rounded.",
    "BT-106": "BT-106 = sum of BT-131.",
    "BT-107": "BT-107 = sum of BT-92.",
    "BT-108": "BT-108 = sum of BT-99.",
    "BT-108 and BG-X-42": "BT-108 = sum of BT-99 and BT-X-272.",
    "BT-109": "BT-109 = BT-106 - BT-107 + BT-108.",
    "BT-110": "BT-110 = sum of BT-117.",
    "BT-112": "BT-112 = BT-109 + BT-110.",
    "BT-115": "BT-115 = BT-112 - BT-113 + BT-114.",
    "BT-115 and BG-34": "BT-115 = BT-112 - BT-113 + BT-114 + sum of BT-179.",
    "BT-116": "BT-116 = sum of BT-131 - BT-92 + BT-99 of the same VAT category and rate.",
    "BT-117": "BT-117 = BT-116 × BT-119 ÷ 100, rounded.",
    "BT-131": "BT-131 = BT-129 × BT-146 ÷ BT-149, rounded, - sum of BT-136 + sum of BT-141.",
    "BT-136": "BT-136 = BT-137 × BT-138 ÷ 100, rounded.",
    "BT-141": "BT-141 = BT-142 × BT-143 ÷ 100, rounded.",
    "BT-146": "BT-146 = BT-148 - BT-147.",
    "BT-146 and BT-X-302": "BT-146 = BT-148 - sum of BT-147 + sum of BT-X-302.",
    "BT-131 and BT-X-8": "BT-131 of a GROUP line = sum of BT-131 of the DETAIL and GROUP lines right under it.",
}


def _children(lines: tuple[Line, ...]) -> dict[str, list[int]]:
    """Line identifier → places of the lines right under it."""
    under: dict[str, list[int]] = {}
    for at, line in enumerate(lines):
        if line.parent_id:
            under.setdefault(line.parent_id, []).append(at)
    return under


def _from_within(lines: tuple[Line, ...]) -> list[int]:
    """The places of the lines, the deepest first; lines in a ring have no depth and are left out."""
    place: dict[str, int] = {}
    for at, line in enumerate(lines):
        place.setdefault(line.id, at)
    depth: dict[int, int | None] = {}
    for start in range(len(lines)):
        way: dict[int, None] = {}
        on: int | None = start
        while on is not None and on not in depth and on not in way:
            way[on] = None
            on = place.get(lines[on].parent_id) if lines[on].parent_id else None
        above: int | None = -1
        if on is not None:
            above = depth.get(on)  # None in a ring
        for one in reversed(way):
            above = None if above is None else above + 1
            depth[one] = above
    return [at for at, _ in sorted(((at, level) for at, level in depth.items() if level is not None), key=_outward)]


def _outward(place: tuple[int, int]) -> int:
    return -place[1]


def _exchanged(invoice: Invoice, vat: Decimal | None) -> Decimal | None:
    """BT-111 by the exchange rate between the two currencies of the invoice, if it is given."""
    exchange = invoice.exchange
    if vat is None or exchange is None or exchange.rate is None:
        return None
    fits = (exchange.source, exchange.target) == (invoice.currency, invoice.tax_currency)
    return round_amount(vat * exchange.rate) if fits else None


def _sum(amounts: Sequence[Decimal | None]) -> Decimal:
    return sum((one for one in amounts if one is not None), ZERO)


def _add(sums: dict[_Key, Decimal], key: _Key, value: Decimal | None) -> None:
    sums[key] = sums.get(key, ZERO) + (value if value is not None else ZERO)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")
