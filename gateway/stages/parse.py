"""Parse: bytes into the model, as far as the line needs it: who, whom, number, dates, amounts.

A structured document that cannot be read into the model is not refused here: the rules say better what is wrong
(`validate`), and it is refused there at the latest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway import addressee, filling
from gateway.lifecycle import Done, Halted, Kept, Outcome, Role
from gateway.regime import signs
from gateway.resources import Resources, Work, digest
from gateway.sought import Sought, sought
from schemas import json_form
from schemas.catalogue import FORMATS, recognise
from schemas.finding import Finding, Severity
from schemas.formats import cdar
from schemas.formats.cdar import StatusMessage
from schemas.invoice import Invoice, Party
from schemas.xml import Unreadable

_TEXT_LIMIT = 200
"""Characters of an identifier; French numbers have 35 (BR-FR-01), addresses 125 (BR-FR-25)."""

_BOUNDED = (
    ("number", "BT-1", "The invoice number"),
    ("type_code", "BT-3", "The type code"),
    ("currency", "BT-5", "The currency code"),
    ("seller", "BT-30", "The seller's identifier"),
    ("buyer", "BT-47", "The buyer's identifier"),
    ("buyer_scheme", "BT-49-1", "The scheme of the buyer's electronic address"),
    ("buyer_address", "BT-49", "The buyer's electronic address"),
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What the line needs of a document."""

    format: str
    """Of the structured invoice: cii, ubl-invoice or ubl-creditnote."""
    profile: str
    columns: Mapping[str, Any] = field(default_factory=dict)
    xml: bytes | None = None
    """The structured invoice when it is not the submission itself."""
    unknown: tuple[str, ...] = ()
    """Element paths that the model does not hold."""
    unreadable: tuple[Finding, ...] = ()
    """Why the model could not be read; the rules decide then."""
    sought: Sought | None = None
    """How it is found in the archive; None when the model could not be read."""
    marks: Mapping[str, Any] = field(default_factory=dict)
    """What tells its regime."""

    @property
    def oversized(self) -> tuple[Finding, ...]:
        """What is longer than any identifier is: no index, no file name and no network would take it."""
        return tuple(
            Finding(
                rule="HOUSE-LENGTH",
                severity=Severity.FATAL,
                layer="house",
                says=f"{name} is longer than {_TEXT_LIMIT} characters.",
                terms=(term,),
                found=f"{len(self.columns[column])} characters",
                expected=f"at most {_TEXT_LIMIT} characters",
            )
            for column, term, name in _BOUNDED
            if len(self.columns.get(column) or "") > _TEXT_LIMIT
        )


async def run(work: Work, resources: Resources) -> Outcome:
    """Read the submission, or the data that came beside a PDF; of a status message, what it says and to whom."""
    if work.document.about is not None:
        return await _message(work, resources)
    data = await work.read(work.submitted, resources)
    try:
        parsed = await resources.compute(parse, data, inbound=work.document.inbound)
        filled = await filling.completed(data, parsed.columns.get("buyer") or "", work, resources)
        if filled is not None and filled.data:
            parsed = await resources.compute(parse, filled.data, inbound=work.document.inbound)
    except Unreadable as unreadable:
        return Halted("the submission cannot be read", unreadable.findings)
    if parsed.oversized:
        return Halted("the submission cannot be taken", parsed.oversized)
    facts: dict[str, Any] = {"format": parsed.format, "profile": parsed.profile[:_TEXT_LIMIT]}
    if parsed.unknown:
        facts["unknown"] = len(parsed.unknown)
    if parsed.unreadable:
        facts["unreadable"] = [finding.rule for finding in parsed.unreadable]
    if parsed.marks and not work.document.inbound:
        facts["marks"] = dict(parsed.marks)
    keep: tuple[Kept, ...] = ()
    if filled is not None:
        facts["payment_terms"] = filled.facts
    if filled is not None and filled.data:
        keep = (Kept(Role.DATA, "application/json", filled.data),)
    if parsed.xml is not None:
        facts["xml"] = digest(parsed.xml)
        keep += (Kept(Role.XML, "application/xml", parsed.xml),)
    return Done(facts, keep, columns=parsed.columns, sought=parsed.sought)


async def _message(work: Work, resources: Resources) -> Outcome:
    try:
        message = await resources.compute(cdar.read, await work.read(Role.SUBMISSION, resources))
    except Unreadable as unreadable:
        return Halted("the submission cannot be read", unreadable.findings)
    facts = {"format": cdar.FORMAT.name, "profile": message.guideline, "code": message.code, "message": message.id}
    return Done(facts, columns=columns_of_message(message))


def columns_of_message(message: StatusMessage) -> dict[str, str]:
    """What a status message's row shows of its bytes: where it goes; without a scheme, by the French directory."""
    to = next((party for party in message.recipients if party.address), None)
    return {"buyer_scheme": to.address_scheme or "0225", "buyer_address": to.address} if to else {}


def parse(data: bytes, *, inbound: bool = False) -> Parsed:
    """Bytes into what the line needs. Pure, for a worker process. `inbound`: it came. Raises Unreadable."""
    recognised = recognise(data)
    if recognised.format == "json":
        invoice = json_form.read(data)
        written = FORMATS["cii"].write(invoice)
        columns = columns_of(invoice, inbound=inbound)
        return Parsed("cii", invoice.profile or "", columns, written, sought=sought(invoice), marks=signs(invoice))
    name = "cii" if recognised.format == "facturx" else recognised.format
    xml = recognised.xml if recognised.format == "facturx" else None
    try:
        reading = FORMATS[name].read(xml or data)
    except Unreadable as unreadable:
        return Parsed(name, recognised.profile, {}, xml, unreadable=unreadable.findings)
    invoice = reading.invoice
    return Parsed(
        name,
        recognised.profile,
        columns_of(invoice, inbound=inbound),
        xml,
        reading.unknown,
        sought=sought(invoice),
        marks=signs(invoice),
    )


def columns_of(invoice: Invoice, *, inbound: bool = False) -> dict[str, Any]:
    """What the document's row shows of an invoice.

    The address is the buyer's (BT-49); of a self-billed invoice that the account sends the seller's (BT-34), to whom it
    goes: the buyer's is the account's own.
    """
    address = (invoice.buyer if inbound else addressee.recipient(invoice)).endpoint
    return {
        "number": invoice.number or None,
        "type_code": invoice.type_code or None,
        "issue_date": invoice.issue_date,
        "seller": identifier_of(invoice.seller),
        "buyer": identifier_of(invoice.buyer),
        "buyer_scheme": address.scheme if address else None,
        "buyer_address": address.value if address else None,
        "currency": invoice.currency or None,
        "total": invoice.totals.with_vat,
        "amount_due": invoice.totals.due,
        "due_date": invoice.due_date,
    }


def identifier_of(party: Party) -> str:
    """The identifier a party is known by: SIREN (BT-30, BT-47), else VAT number, tax number, other id, name."""
    others = [party.vat_id, party.tax_id, *(identifier.value for identifier in party.ids), party.name]
    legal = party.legal_id.value if party.legal_id else None
    return next((text for text in [legal, *others] if text), "")
