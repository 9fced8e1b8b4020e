"""Reading orders and drafting the invoices of their deliveries: pure, for a worker process.

A draft is judged by the rules of the line before anything is recorded, so that a delivery whose invoice would be
refused is told so at once, with every finding. This is a courtesy and no gate: where the rules could not run the
delivery is recorded, and the line judges its invoice as any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from schemas import json_form, orders
from schemas.catalogue import FORMATS
from schemas.finding import Finding, LayerVerdict, Report, Severity, Verdict
from schemas.invoice import Invoice
from schemas.invoicing import NUMBERLESS, Dispatch, DispatchLine, Setting, differences, draft, over
from schemas.judge import judge
from schemas.order import Order
from schemas.parties import identifier_of
from schemas.payment_terms import LAYER, Agreed


@dataclass(frozen=True, slots=True)
class Read:
    """An order as read."""

    format: str
    order: Order
    form: Mapping[str, Any]
    buyer: str
    seller: str
    unknown: tuple[str, ...]
    findings: tuple[Finding, ...]
    """What keeps it from being kept."""
    remarks: tuple[Finding, ...]
    """What somebody should know: amounts that do not agree, official rules that are broken."""


@dataclass(frozen=True, slots=True)
class Question:
    """A delivery to draft the invoice of; picklable."""

    order: Mapping[str, Any]
    """The order's JSON form."""
    body: bytes
    """The call."""
    before: Mapping[str, Decimal]
    """Line → what the deliveries before this one took."""
    today: date
    french: bool
    rules: str | None
    previous: Mapping[str, Any] | None = None
    """Of a correction: what the calls before said."""
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    """Of a correction: what was delivered."""
    keep_number: bool = False
    """Of a correction: whether the number is free again."""
    agreed: Agreed = field(default_factory=Agreed)
    """What was agreed on paying with whom the order is invoiced to."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The drafted invoice, or why there is none."""

    invoice: bytes
    """JSON form; its number is NUMBERLESS where the call gives none."""
    shown: Mapping[str, Any]
    """The same as members, for who asks what was drafted."""
    number: str
    """BT-1; empty: none was given."""
    issue_date: date
    delivered_on: date | None
    despatch_advice: str
    quantities: Mapping[str, Decimal]
    whole: bool
    call: Mapping[str, Any]
    findings: tuple[Finding, ...]
    """Fatal ones; none: the invoice can be issued."""
    remarks: tuple[Finding, ...]
    checked: tuple[Mapping[str, Any], ...]
    """The layers of rules that were run."""


def read(data: bytes, rules: str | None = None) -> Read:
    """An order of any format, and what keeps it from being kept. Raises Unreadable."""
    taken = orders.read(data)
    order = taken.order
    findings = orders.check(order)
    return Read(
        taken.format,
        order,
        json_form.as_members(order),
        identifier_of(order.buyer),
        identifier_of(order.seller),
        taken.unknown,
        findings,
        () if findings else (*differences(order), *orders.official(taken, rules)),
    )


def customers(order: Mapping[str, Any]) -> tuple[str, ...]:
    """Identifiers of whom an order (in its JSON form) may be invoiced to: SIRENs for SIRETs."""
    parties = {name: order[name] for name in ("buyer", "invoicee") if name in order}
    found = json_form.form(parties, Order, partial=True)
    named = [identifier_of(party) for party in (found.buyer, found.invoicee) if party is not None]
    return tuple(one[:9] if len(one) == 14 and one.isdigit() else one for one in named if one)


def answer(question: Question) -> Answer:
    """Draft and judge. Raises Unreadable when the call cannot be read."""
    order = json_form.form(dict(question.order), Order, partial=True)
    dispatch = json_form.form(json_form.loads(question.body), Dispatch, partial=True)
    told: list[Finding] = []
    if question.previous is not None:
        told.extend(_changed(dispatch, question))
        dispatch = _corrected(dispatch, question)
    drafted = draft(order, dispatch, Setting(question.before, question.today, question.french, question.agreed))
    told.extend(drafted.findings)
    invoice, remarks = json_form.write(drafted.invoice), list(drafted.remarks)
    checked: tuple[Mapping[str, Any], ...] = ()
    if not told:
        report = _judged(invoice, drafted.invoice, question)
        checked = tuple(layer.as_json() for layer in report.layers)
        if report.verdict is Verdict.INVALID:
            told.extend(report.findings)
        elif report.verdict is Verdict.VALID:
            known = {remark.rule for remark in remarks if remark.layer == LAYER}
            remarks.extend(one for one in report.findings if one.layer != LAYER or one.rule not in known)
    number = drafted.invoice.number
    return Answer(
        invoice,
        json_form.as_members(drafted.invoice),
        "" if number == NUMBERLESS else number,
        drafted.invoice.issue_date or question.today,
        dispatch.date,
        dispatch.despatch_advice,
        drafted.quantities,
        drafted.whole,
        json_form.as_members(dispatch),
        tuple(told),
        tuple(remarks),
        checked,
    )


def _judged(data: bytes, invoice: Invoice, question: Question) -> Report:
    """What the line would say of the invoice; where already its JSON form is at fault, with what the rules say too."""
    report = judge(data, french=question.french, folder=question.rules)
    if all(layer.verdict is not LayerVerdict.FAILED for layer in report.layers if layer.name == "json"):
        return report
    own = [replace(finding, path=f"/invoice{finding.path}") for finding in report.findings]
    further = judge(FORMATS["cii"].write(invoice), french=question.french, folder=question.rules, hybrid=True)
    others = [replace(finding, line=None) for finding in further.findings]
    return replace(further, verdict=Verdict.INVALID, findings=(*own, *others))


def _corrected(dispatch: Dispatch, question: Question) -> Dispatch:
    """What the calls before said, with what this one says, for the quantities that were delivered."""
    before = json_form.form(dict(question.previous or {}), Dispatch, partial=True)
    if before.invoice is not None and not question.keep_number:
        before = replace(before, invoice=replace(before.invoice, number=""))
    first = {line.line: line for line in before.lines}
    now = {line.line: line for line in dispatch.lines}
    lines = tuple(
        replace(
            over(first.get(name, DispatchLine(line=name)), now.get(name)),
            line=name,
            quantity=quantity,
        )
        for name, quantity in question.quantities.items()
    )
    joined = over(replace(before, lines=()), replace(dispatch, lines=()))
    return replace(joined, lines=lines, allow_over_delivery=True)


def _changed(dispatch: Dispatch, question: Question) -> Iterator[Finding]:
    """A correction mends the invoice, not what was delivered."""
    if len(dispatch.lines) > len(question.quantities):
        found, expected = f"{len(dispatch.lines)} lines", f"at most {len(question.quantities)}"
        yield _same("its lines and quantities stay", "BT-129", "/lines", found, expected)
        return
    before = json_form.form(dict(question.previous or {}), Dispatch, partial=True)
    if dispatch.date not in (None, before.date):
        yield _same("its date stays", "BT-72", "/date", str(dispatch.date), str(before.date))
    if dispatch.despatch_advice not in ("", before.despatch_advice):
        found, expected = dispatch.despatch_advice, before.despatch_advice
        yield _same("its despatch advice stays", "BT-16", "/despatch_advice", found[:100], expected[:100])
    for at, line in enumerate(dispatch.lines):
        delivered = question.quantities.get(line.line)
        if delivered is None or line.quantity not in (None, delivered):
            found, expected = f"{line.line[:100]}: {line.quantity}", str(delivered or "nothing")
            yield _same("its lines and quantities stay", "BT-129", f"/lines/{at}", found, expected)


def _same(what: str, term: str, path: str, found: str, expected: str) -> Finding:
    says = f"A correction is of the same delivery: {what} as it was."
    return Finding("DELIVERY-SAME", Severity.FATAL, "delivery", says, (term,), path, found=found, expected=expected)
