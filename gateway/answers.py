"""Statuses that an account says of its documents: who may say what and when, and the message that says it.

The issuer of a document completes, cancels and reports what was paid; who receives it takes it in hand, approves,
disputes, suspends or refuses it, and says that the payment is on its way. What contradicts what was said before is
refused with every reason at once. The message is written, judged by the official rules, and only then admitted: it
walks the line as a document of its own, and leaves by the network of the document it speaks of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from gateway.addressee import siren
from gateway.collected import due_on_receipt
from gateway.compute import Interrupted
from gateway.errors import Busy, Conflict, Rejected
from gateway.lifecycle import Kept, Role, Stage
from gateway.resources import Resources
from gateway.store import answers, documents, journal
from gateway.store.accounts import Account
from gateway.store.documents import Document, EventRow
from gateway.store.identifiers import new_id
from gateway.store.journal import Submission
from schemas.catalogue import FORMATS
from schemas.finding import Finding, Severity, Verdict
from schemas.formats import cdar
from schemas.formats.cdar import Amount, Reason, Status, StatusMessage, dates
from schemas.invoice import CREDIT_NOTE_TYPES, SELF_BILLED_TYPES, Invoice, Party
from schemas.judge import judge
from schemas.xml import Unreadable
from signing.chain import instant

RECEIVER = frozenset({"204", "205", "206", "207", "208", "210"})
"""What who receives an invoice says of it."""
ISSUER = frozenset({"209", "220", "224", "225", "226", "227", "228"})
"""What who issued it says."""
COLLECTED = "212"
"""What the seller says of a payment."""
ONCE = frozenset({"204", "205", "210", "220"})
"""What makes no sense twice."""
DECIDED = frozenset({"approved", "partly_approved", "payment_sent", "paid"})
"""What excludes a refusal."""
TRIES = 5
"""How often an answer is looked at anew because something happened to the document meanwhile."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an account wants to say."""

    status: Status
    reasons: tuple[Reason, ...] = ()
    amounts: tuple[Amount, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that says it."""

    by: str
    """Public id of the credential, or operator."""
    key: str | None
    """Idempotency-Key."""
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of it."""

    message: UUID
    replayed: bool


async def answer(wanted: Wanted, document_id: UUID, asked: Asked, account: Account, resources: Resources) -> Answered:
    """Say it, once for its Idempotency-Key. Raises NotFound, Rejected with each reason, KeyReused, Busy."""
    for _ in range(TRIES):
        async with resources.pool.account(account.id) as connection:
            if asked.key is not None and (before := await journal.known(connection, asked.key, asked.fingerprint)):
                return Answered(before, replayed=True)
            document = await documents.get(connection, document_id)
            told = await documents.events(connection, document_id)
        invoice = await read_invoice(document, account, resources)
        paid_before = await collected(document, account, resources) if wanted.status.code == COLLECTED else {}
        if wrong := tuple(complaints(wanted, document, told, invoice, paid_before)):
            raise Rejected("this cannot be said of the document", wrong)
        assert invoice is not None
        now = resources.clock.now()
        message_id = new_id(now)
        data = cdar.write(compose(wanted, document, invoice, now, message_id))
        await hold(data, resources)
        submission = _submission(document, data, now, message_id, asked)
        facts = facts_of(wanted, now, "account")
        try:
            async with resources.pool.account(account.id) as connection:
                await answers.say(connection, submission, facts, by=asked.by, version=document.version)
        except Conflict:
            continue
        return Answered(message_id, replayed=False)
    raise Busy("the document changes all the time; try again")


def facts_of(wanted: Wanted, at: datetime, source: str) -> dict[str, Any]:
    """The status event of what is said: codes and no words."""
    facts: dict[str, Any] = {
        "status": wanted.status.name,
        "code": wanted.status.code,
        "at": instant(at),
        "source": source,
    }
    if wanted.reasons:
        facts["reasons"] = [reason.code for reason in wanted.reasons]
    return facts


async def read_invoice(document: Document, account: Account, resources: Resources) -> Invoice | None:
    """The document in our model; None where it could not be read."""
    format_ = str(document.facts.get(str(Stage.PARSED), {}).get("format"))
    content = document.content(Role.XML) or document.content(Role.DATA) or document.content(Role.SUBMISSION)
    if format_ not in FORMATS or content is None:
        return None
    async with resources.pool.account(account.id) as connection:
        data = await documents.read(connection, content.sha256)
    return await parsed(data, format_, resources)


async def collected(document: Document, account: Account, resources: Resources) -> dict[Decimal, Decimal]:
    """What the account itself said was collected of a document (212), by normalized VAT rate. Raises Busy."""
    async with resources.pool.account(account.id) as connection:
        messages = await answers.said(connection, document.id, COLLECTED)
    try:
        return await resources.compute(_collected, messages) if messages else {}
    except Interrupted as interrupted:
        raise Busy("the messages could not be read; try again") from interrupted


def _collected(messages: Sequence[bytes]) -> dict[Decimal, Decimal]:
    """For a worker process; a message that cannot be read was judged before it was sent, so there is none."""
    return by_rate(one for data in messages for one in cdar.read(data).amounts)


def by_rate(amounts: Iterable[Amount]) -> dict[Decimal, Decimal]:
    """What amounts say was collected, VAT included, by normalized VAT rate."""
    found: dict[Decimal, Decimal] = {}
    for one in amounts:
        if one.kind == "MEN" and one.amount is not None:
            rate = (one.rate or Decimal(0)).normalize()
            found[rate] = found.get(rate, Decimal(0)) + one.amount
    return found


def nameable(invoice: Invoice) -> bool:
    """Whether a status message can name an invoice and both its parties."""
    return bool(invoice.number and invoice.issue_date and siren(invoice.seller) and siren(invoice.buyer))


async def parsed(data: bytes, format_: str, resources: Resources) -> Invoice | None:
    """Bytes in our model; None where they cannot be read. Raises Busy."""
    if format_ not in FORMATS:
        return None
    try:
        return await resources.compute(_read, format_, data)
    except Unreadable:
        return None
    except Interrupted as interrupted:
        raise Busy("the invoice could not be read; try again") from interrupted


def _read(format_: str, data: bytes) -> Invoice:
    """For a worker process."""
    return FORMATS[format_].read(data).invoice


async def hold(data: bytes, resources: Resources) -> None:
    """Hold a message against the official rules. Raises Rejected with what they say, Busy when they could not."""
    try:
        report = await resources.compute(judge, data, folder=resources.rules)
    except Interrupted as interrupted:
        raise Busy("the message could not be judged; try again") from interrupted
    if report.verdict is Verdict.INVALID:
        raise Rejected("the message breaks rules", report.findings)
    if report.verdict is not Verdict.VALID:
        raise Busy("the message could not be judged; try again")


def _submission(document: Document, data: bytes, now: datetime, message_id: UUID, asked: Asked) -> Submission:
    return Submission(
        account_id=document.account_id,
        document_id=message_id,
        participant=document.participant,
        format=cdar.FORMAT.name,
        kept=(Kept(Role.SUBMISSION, "application/xml", data),),
        at=now,
        key=asked.key,
        fingerprint=asked.fingerprint,
        origin={"about": str(document.id), "source": "account", "by": asked.by},
        about=document.id,
    )


def fingerprint(*parts: str, body: bytes) -> bytes:
    """What makes a request the same again."""
    return sha256("\n".join(parts).encode() + b"\0" + sha256(body).digest()).digest()


# What may be said -----------------------------------------------------------------------------------------------------


def complaints(
    wanted: Wanted,
    document: Document,
    told: Sequence[EventRow],
    invoice: Invoice | None,
    before: Mapping[Decimal, Decimal],
) -> Iterator[Finding]:
    """Everything that keeps a status from being said of a document now; `before`: what `collected` tells."""
    said = [event for event in told if event.outcome == "status"]
    yield from _of_document(document, invoice)
    yield from _of_speaker(wanted.status, document)
    if (first := first_of(told)) is not None and document.inbound:
        yield _twice(wanted.status, first)
    else:
        yield from _of_state(wanted.status, document, said)
    yield from _of_reasons(wanted)
    yield from _of_amounts(wanted, document, invoice)
    if wanted.status.code == COLLECTED and invoice is not None:
        yield from _of_total(wanted, document, invoice, before)


def _of_document(document: Document, invoice: Invoice | None) -> Iterator[Finding]:
    if document.about is not None:
        yield _finding("DOCUMENT", "A status is said of an invoice, not of a status message.", fix="Name the invoice.")
    elif invoice is None or not (invoice.number and invoice.issue_date and siren(invoice.seller)):
        yield _finding(
            "DOCUMENT",
            "A status message names the invoice by its number, its date and its seller's SIREN; this one lacks them.",
            fix="Tell the other side in another way.",
        )
    elif not siren(invoice.buyer):
        yield _finding("DOCUMENT", "The invoice names no French buyer: nobody can be told.", fix="No status is due.")


def _of_speaker(status: Status, document: Document) -> Iterator[Finding]:
    """The issuer and the receiver each have their own; payments go by seller and buyer (self-billing swaps them)."""
    seller = is_seller(document)
    if status.code in RECEIVER and not document.inbound:
        yield _speaker(status, "who receives the invoice says this; the account issued it")
    elif status.code in ISSUER and document.inbound:
        yield _speaker(status, "who issued the invoice says this; the account received it")
    elif status.code == "212" and not seller:
        yield _speaker(status, "the seller says that it was paid; the account is the buyer: say payment_sent (211)")
    elif status.code == "211" and seller != (document.type_code in CREDIT_NOTE_TYPES):
        yield _speaker(status, "who pays says this: the buyer, and for a credit note the seller")
    elif status.code not in RECEIVER | ISSUER | {"211", "212"}:
        yield _speaker(status, "this is said by a platform, the public portal or a third party")


def is_seller(document: Document) -> bool:
    """Whether the account is the seller of a document."""
    return document.inbound == (document.type_code in SELF_BILLED_TYPES)


def own_side(document: Document, invoice: Invoice) -> Party:
    """The party of an invoice for which the account speaks."""
    return invoice.seller if is_seller(document) else invoice.buyer


def _speaker(status: Status, why: str) -> Finding:
    return _finding(
        "SPEAKER",
        f"The account cannot say {status.name} ({status.code}) of this document: {why}.",
        path="/status",
        found=status.name,
    )


def first_of(told: Sequence[EventRow]) -> str | None:
    """The document that an invoice is a second copy of, as its journal says; None: it is none."""
    for event in told:
        if (first := event.facts.get("same_bytes_as") or event.facts.get("first")) is not None:
            return str(first)
    return None


def _twice(status: Status, first: str) -> Finding:
    """A message names an invoice by its number: said of a duplicate, it would be heard of the first one."""
    why = "it came before, and the other side would take it as said of the first one"
    return _state(status, why, fix=f"Say it of document {first}.")


def _of_state(status: Status, document: Document, said: Sequence[EventRow]) -> Iterator[Finding]:
    names = [str(event.facts.get("status")) for event in said]
    ended = next((event for event in reversed(said) if _ends(event)), None)
    if ended is not None:
        yield _state(status, f"it was {_when(ended)}, and nothing may follow: a new invoice takes a new number")
        return
    if document.halted is not None and not (document.inbound and status.code == "210"):
        yield _state(status, f"it has ended: {document.halted}", fix=_HALTED if document.inbound else "")
    elif not document.inbound and not document.stage.reaches(Stage.DELIVERED):
        yield _state(status, "it has not been handed over yet", fix="Say it once the document is delivered.")
    before = next((event for event in said if event.facts.get("code") == status.code), None)
    if status.code in ONCE and before is not None:
        yield _state(status, f"it was {_when(before)} already", fix="Nothing more is to be said.")
    if status.code == "210" and (decided := next((event for event in said if _name(event) in DECIDED), None)):
        yield _state(status, f"it was {_when(decided)}", fix="Dispute it (207), and ask for a credit note there.")
    if status.code == "204" and (other := next((event for event in said if _handled(event)), None)):
        yield _state(status, f"it was {_when(other)}, which says more", fix="Nothing more is to be said.")
    if status.code == "209" and "suspended" not in names:
        yield _state(status, "it was never suspended (208), and completing answers that", fix="Nothing is to be said.")
    emitted = any(event.facts.get("code") == "212" and event.facts.get("source") == "gateway" for event in said)
    if status.code == "212" and emitted:
        fix = "Report the payment (POST …/payments), or its reversal by a negative amount."
        yield _state(status, "the gateway says it by itself, for each payment that is reported", fix=fix)


_HALTED = "Refuse it (210), with its reason."


def _ends(event: EventRow) -> bool:
    status = cdar.named(_name(event))
    return status is not None and status.ends


def _handled(event: EventRow) -> bool:
    status = cdar.named(_name(event))
    return status is not None and status.code in RECEIVER - {"204"}


def _name(event: EventRow) -> str:
    return str(event.facts.get("status"))


def _when(event: EventRow) -> str:
    status = cdar.status_of(str(event.facts.get("code", "")))
    return f"{status.label_en.lower()} ({status.code}) on {str(event.facts.get('at', instant(event.at)))[:10]}"


def _state(status: Status, why: str, *, fix: str = "") -> Finding:
    says = f"{status.label_en} ({status.code}) cannot be said of this document now: {why}."
    return _finding("STATE", says, path="/status", found=status.name, fix=fix)


def _of_reasons(wanted: Wanted) -> Iterator[Finding]:
    status = wanted.status
    allowed = status.reasons
    if status.needs_reason and not any(reason.code for reason in wanted.reasons):
        says = f"{status.label_en} ({status.code}) is said with a reason (BR-FR-CDV-15)."
        yield _finding("REASON", says, path="/reasons", expected=", ".join(allowed), fix="Give a reason of the list.")
    for place, reason in enumerate(wanted.reasons):
        path = f"/reasons/{place}"
        if reason.code and reason.code not in (allowed or cdar.REASONS):
            says = f"This is no reason for {status.name} ({status.code}) (BR-FR-CDV-CL-09)."
            listed = ", ".join(allowed or cdar.REASONS)
            yield _finding("REASON", says, path=f"{path}/code", found=reason.code, expected=listed)
        if reason.action and reason.action not in cdar.ACTIONS:
            says = "This is no action that can be asked for (BR-FR-CDV-CL-10)."
            yield _finding("ACTION", says, path=f"{path}/action", found=reason.action, expected=", ".join(cdar.ACTIONS))
    if status.needs_comment and not any(reason.comment for reason in wanted.reasons):
        says = f"{status.label_en} ({status.code}) is said with a comment for people (G7.25)."
        yield _finding("COMMENT", says, path="/comment", fix="Say in a sentence what is wrong.")


def _of_amounts(wanted: Wanted, document: Document, invoice: Invoice | None) -> Iterator[Finding]:
    status, collected = wanted.status, [one for one in wanted.amounts if one.kind == "MEN"]
    for place, one in enumerate(wanted.amounts):
        path = f"/amounts/{place}"
        if one.kind not in cdar.KINDS:
            expected = ", ".join(cdar.KINDS)
            yield _finding(
                "AMOUNT", "This is no kind of amount.", path=f"{path}/kind", found=one.kind, expected=expected
            )
        if one.currency != document.currency:
            says = "An amount is in the currency of its invoice."
            yield _finding(
                "AMOUNT", says, path=f"{path}/currency", found=one.currency, expected=document.currency or ""
            )
    if status.code != COLLECTED or invoice is None:
        return
    rates = {(part.rate or 0) for part in invoice.vat_breakdown}
    if not collected:
        says = "What was paid is said by VAT rate, VAT included (BR-FR-CDV-14)."
        fix = "Give an amount with its rate; or report the payment (POST …/payments), which is shared out by itself."
        yield _finding("AMOUNT", says, path="/amounts", fix=fix)
    for place, one in enumerate(wanted.amounts):
        if one.kind == "MEN" and one.rate not in rates:
            says = "An amount that was paid names a VAT rate of the invoice (BT-119)."
            listed = ", ".join(sorted(f"{rate:f}" if rate else "0" for rate in rates))
            found = None if one.rate is None else f"{one.rate:f}"
            yield _finding("AMOUNT", says, path=f"/amounts/{place}/rate", found=found, expected=listed)


def _of_total(
    wanted: Wanted, document: Document, invoice: Invoice, before: Mapping[Decimal, Decimal]
) -> Iterator[Finding]:
    """All messages together never tell more than the invoice asks for, in all and at each rate."""
    now = by_rate(wanted.amounts)
    together = {rate: before.get(rate, Decimal(0)) + amount for rate, amount in now.items()}
    whole: dict[Decimal, Decimal] = {}
    for part in invoice.vat_breakdown:
        rate = (part.rate or Decimal(0)).normalize()
        amount = (part.taxable_amount or Decimal(0)) + (part.tax_amount or Decimal(0))
        whole[rate] = whole.get(rate, Decimal(0)) + amount
    fix = "Say only what was not said before; what is given back is a negative amount." if any(before.values()) else ""
    if abs(sum({**before, **together}.values(), Decimal(0))) > abs(document.total or Decimal(0)):
        says = "More was paid than the invoice asks for (BT-112), with what was said before."
        yield _finding("AMOUNT", says, path="/amounts", fix=fix)
    elif any(abs(amount) > abs(whole[rate]) for rate, amount in together.items() if rate in whole):
        says = "More was paid at a VAT rate than the invoice asks for at it (BG-23), with what was said before."
        yield _finding("AMOUNT", says, path="/amounts", fix=fix)


def _finding(
    rule: str, says: str, *, path: str = "", found: str | None = None, expected: str | None = None, fix: str = ""
) -> Finding:
    return Finding(
        rule=f"HOUSE-STATUS-{rule}",
        severity=Severity.FATAL,
        layer="house",
        says=says,
        path=path,
        found=found,
        expected=expected,
        fix=fix,
    )


# The message ----------------------------------------------------------------------------------------------------------


def compose(wanted: Wanted, document: Document, invoice: Invoice, at: datetime, message_id: UUID) -> StatusMessage:
    """The message between platforms that says it. The invoice names both parties' SIRENs."""
    at = at.replace(microsecond=0)
    status, seller = wanted.status, is_seller(document)
    own, other = own_side(document, invoice), invoice.buyer if seller else invoice.seller
    stamp = f"{dates.legal(at):%Y%m%d%H%M%S}"
    mandatory = status.code == "210" or (status.code == "212" and due_on_receipt(invoice))
    return StatusMessage(
        code=status.code,
        at=at,
        number=invoice.number,
        seller=siren(invoice.seller),
        id=f"{invoice.number}_{status.code}_{stamp}#{invoice.type_code}_{message_id.hex[-12:]}",
        issuer=cdar.Party("SE" if seller else "BY", siren(own), "0002", own.name),
        reasons=tuple(_labelled(reason) for reason in wanted.reasons),
        amounts=wanted.amounts,
        issued_at=at,
        type_code=invoice.type_code,
        issue_date=invoice.issue_date,
        received_at=document.created_at.replace(microsecond=0),
        recipients=(_recipient("BY" if seller else "SE", other), *((cdar.PORTAL,) if mandatory else ())),
    )


def _labelled(reason: Reason) -> Reason:
    word, action = cdar.REASONS.get(reason.code), cdar.ACTIONS.get(reason.action)
    return Reason(
        code=reason.code,
        comment=reason.comment,
        label=reason.label or (word.label_fr if word else ""),
        action=reason.action,
        action_label=reason.action_label or (action.label_fr if action else ""),
        subject=reason.subject,
        data=reason.data,
    )


def _recipient(role: str, party: Party) -> cdar.Party:
    """The other side, at its electronic address; without one, at its SIREN, where the directory knows it."""
    number = siren(party)
    endpoint = party.endpoint
    address, scheme = (endpoint.value, endpoint.scheme or "0225") if endpoint is not None else (number, "0225")
    return cdar.Party(role, number, "0002", party.name, address, scheme)
