"""Build: make the original, what is sealed, archived and delivered.

An account asks either for Factur-X or for its documents as submitted. A submission is never rewritten: a Factur-X stays
as it came, and a CII goes into its PDF byte for byte. Where Factur-X would lose something (the model does not hold an
element, a UBL does not survive its translation into CII) the original stays as submitted, and the event says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway import paying
from gateway.compute import Interrupted
from gateway.lifecycle import (
    INTERRUPTIONS_LIMIT,
    Done,
    Halted,
    Kept,
    Later,
    News,
    Outcome,
    Role,
    Skipped,
    Stage,
    wait_before,
)
from gateway.resources import Resources, Work, digest
from gateway.store import branding
from schemas.catalogue import FORMATS
from schemas.finding import Finding, Severity, Verdict
from schemas.formats import facturx
from schemas.formats.facturx.presentation import Presentation
from schemas.judge import judge
from schemas.loss import Loss, losses
from schemas.xml import Unreadable

REASONS_LIMIT = 5
"""Reasons told why a submitted PDF is not the page of its Factur-X; values told that a translation would lose."""


@dataclass(frozen=True, slots=True)
class Built:
    """The original and how it came about."""

    format: str
    """facturx, cii, ubl-invoice or ubl-creditnote."""
    media_type: str
    data: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Order:
    """What to build; picklable."""

    submission: bytes
    format: str
    """Of the submission: json, cii, ubl-invoice, ubl-creditnote, facturx, pdf."""
    xml: bytes
    """The structured invoice that was judged."""
    xml_format: str
    original: str
    """facturx or as_submitted."""
    french: bool
    rules: str | None
    language: str
    created: datetime
    presentation: Presentation
    """How the account's pages look."""


async def run(work: Work, resources: Resources) -> Outcome:
    """Make the original in a worker process; what somebody else issued, and a status message, is its own original."""
    if work.document.inbound:
        return await _as_it_is(work, resources, "what is received is never rewritten")
    if work.document.about is not None:
        return await _as_it_is(work, resources, "a status message is its own original")
    parsed = work.facts(Stage.PARSED)
    order = Order(
        submission=await work.read(Role.SUBMISSION, resources),
        format=work.document.format,
        xml=await work.structured(resources),
        xml_format=parsed["format"],
        original=work.account.original,
        french=work.account.french,
        rules=resources.rules,
        language=resources.language,
        created=work.document.created_at.replace(microsecond=0),
        presentation=await branding.read(resources.pool, work.account.id),
    )
    try:
        order = await _with_link(order, work, resources)
        built = await resources.compute(build, order)
    except Unreadable as unreadable:
        return Halted("the original cannot be built", unreadable.findings)
    except Interrupted as interrupted:
        if work.attempts >= INTERRUPTIONS_LIMIT:
            return Halted("could not be built: the building process died each time", facts={"attempts": work.attempts})
        attempt = News("attempt", {"attempt": work.attempts, "outcome": "interrupted", "reason": str(interrupted)})
        wait = wait_before(work.attempts)
        assert wait is not None
        return Later(wait, f"could not be built: {interrupted}", (attempt,))
    facts: Mapping[str, Any] = {
        "format": built.format,
        "sha256": digest(built.data),
        "size": len(built.data),
        "from": digest(order.submission),
        "reason": built.reason,
    }
    return Done(facts, (Kept(Role.ORIGINAL, built.media_type, built.data),))


async def _with_link(order: Order, work: Work, resources: Resources) -> Order:
    """With the link to pay of whoever takes payments for the legal entity, where it lasts. Raises Interrupted."""
    provider = resources.providers.get(work.document.participant)
    if provider is None or (work.document.amount_due or 0) <= 0:
        return order
    reference = await resources.compute(paying.reference_in, order.xml, order.xml_format)
    link = provider.printed(paying.payable(work.document, work.document.amount_due, reference), resources.clock.now())
    return replace(order, presentation=replace(order.presentation, pay_link=link.url)) if link else order


async def _as_it_is(work: Work, resources: Resources, why: str) -> Skipped:
    data = await work.read(Role.SUBMISSION, resources)
    media_type = "application/pdf" if data.startswith(b"%PDF-") else "application/xml"
    facts = {"format": work.document.format, "sha256": digest(data), "size": len(data)}
    return Skipped(why, facts, (Kept(Role.ORIGINAL, media_type, data),))


def build(order: Order) -> Built:
    """The original of a submission. Pure, for a worker process. Raises Unreadable when there can be none."""
    if order.format == "facturx":
        return Built("facturx", "application/pdf", order.submission, "kept as submitted: it is a Factur-X already")
    as_submitted = Built(order.xml_format, "application/xml", order.xml, "kept as submitted: the account asks for it")
    if order.original == "as_submitted" and order.format != "pdf":
        return as_submitted
    return _facturx(order, as_submitted)


def _facturx(order: Order, as_submitted: Built) -> Built:
    reading = FORMATS[order.xml_format].read(order.xml)
    if reading.unknown:
        return _kept(
            order, as_submitted, f"Factur-X would not show {len(reading.unknown)} elements, first {reading.unknown[0]}"
        )
    xml = order.xml
    if order.xml_format != "cii":
        xml = FORMATS["cii"].write(reading.invoice)
        report = judge(xml, french=order.french, folder=order.rules, hybrid=True)
        if report.verdict is not Verdict.VALID:
            return _kept(order, as_submitted, f"its translation into CII does not pass: {_first(report.findings)}")
        if lost := losses(reading.invoice, FORMATS["cii"].read(xml).invoice):
            return _kept(order, as_submitted, f"its translation into CII would lose {_named(lost)}")
    supplied = order.submission if order.format == "pdf" else None
    made = facturx.make(
        reading.invoice,
        xml,
        language=order.language,
        created=order.created,
        supplied=supplied,
        presentation=order.presentation,
    )
    return Built("facturx", "application/pdf", made.pdf, _told(order.format, made))


def _told(submitted: str, made: facturx.Made) -> str:
    """How the original came about: from what, on whose page and why, and what of the submitted PDF is left out."""
    told = [f"made from {submitted}"]
    if made.preventions:
        reasons = " ".join(finding.says for finding in made.preventions[:REASONS_LIMIT])
        more = len(made.preventions) - REASONS_LIMIT
        told.append(f"on our own page, the PDF going along as {facturx.SUBMITTED}: {reasons}")
        told.extend([f"{more} more reasons"] if more > 0 else [])
    if made.replaced:
        told.append(f"the invoice it carried is replaced: {', '.join(made.replaced)}")
    return "; ".join(told)


def _kept(order: Order, as_submitted: Built, why: str) -> Built:
    if order.format == "pdf":
        says = f"No Factur-X can be made of the PDF and its data: {why}."
        raise Unreadable((Finding("HOUSE-PDF-DATA", Severity.FATAL, "house", says, fix="Send the data alone."),))
    return Built(as_submitted.format, as_submitted.media_type, as_submitted.data, f"kept as submitted: {why}")


def _named(lost: tuple[Loss, ...]) -> str:
    """The first values by term, name and place in the model, never by what they say."""
    named = [f"{one.term} {one.name} ({one.pointer})".lstrip() for one in lost[:REASONS_LIMIT]]
    more = len(lost) - REASONS_LIMIT
    return ", ".join([*named, *([f"{more} more"] if more > 0 else [])])


def _first(findings: tuple[Finding, ...]) -> str:
    return findings[0].rule if findings else "could not be judged"
