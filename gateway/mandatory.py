"""What the gateway says by itself, because the law or the account's policy wants it: payments (212), refusals (210).

A payment of an invoice whose VAT falls due on receipt is told to the other side and to the administration (CGI 290 A),
by VAT rate, and its reversal by negative amounts. The message is written into the line in the same transaction as the
payment's own event, so that neither is ever there without the other, whatever dies in between. What the account said
by itself before is not told again: the first payments that are reported are those.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from gateway import answers
from gateway.answers import Wanted
from gateway.collected import Share, due_on_receipt, shares
from gateway.lifecycle import Emitted, News, Stage
from gateway.resources import Resources, Work
from gateway.store import payments
from gateway.store.answers import MAIL
from gateway.store.documents import Payment
from gateway.store.identifiers import new_id
from schemas.formats import cdar
from schemas.formats.cdar import Amount, Reason
from schemas.invoice import CREDIT_NOTE_TYPES, Invoice

PARTLY = "partly_paid"
"""What a 212 says that leaves something to pay, or that gives back; it does not count as the furthest status."""
REFUSED_INVALID = "invalid"
"""Cause of a refusal by the account's policy."""
COMMENT_RULES = 10
"""Rules named in the comment of a refusal."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the gateway says by itself, for the journal and for the other side."""

    news: tuple[News, ...] = ()
    emitted: tuple[Emitted, ...] = ()


async def paid(work: Work, resources: Resources) -> Said:
    """One event for each payment that has none yet, and its 212 where the VAT falls due by it."""
    untold = [payment for payment in work.payments if str(payment.id) not in work.payments_told]
    if not untold:
        return Said()
    collected = await _collected(work, untold, resources)
    news, emitted = list[News](), list[Emitted]()
    for payment in untold:
        news.append(News("payment", _facts(payment)))
        if payment.id in collected:
            said, one = collected[payment.id]
            news.append(said)
            emitted.append(one)
    return Said(tuple(news), tuple(emitted))


async def _collected(work: Work, untold: list[Payment], resources: Resources) -> dict[object, tuple[News, Emitted]]:
    """The messages of the payments by which VAT falls due, by the payments' ids."""
    document = work.document
    if not _concerned(work):
        return {}
    invoice = await answers.parsed(await work.structured(resources), work.facts(Stage.PARSED)["format"], resources)
    if invoice is None or not answers.nameable(invoice) or not due_on_receipt(invoice):
        return {}
    by_id = {str(payment.id): payment for payment in work.payments}
    told = [by_id[one] for one in work.payments_told if one in by_id]
    order = [payment for payment in (*told, *untold) if payment.currency == document.currency]
    said = await answers.collected(document, work.account, resources)
    each = shares(invoice, [payment.amount for payment in order], said)
    due, found = document.amount_due or Decimal(0), dict[object, tuple[News, Emitted]]()
    for place, (payment, parts) in enumerate(zip(order, each, strict=True)):
        if parts and payment in untold:
            whole = sum((one.amount for one in order[: place + 1]), Decimal(0)) >= due
            found[payment.id] = _said(work, invoice, payment, parts, resources, whole=whole)
    return found


def _concerned(work: Work) -> bool:
    """Whether a payment of the document may have to be told: an invoice that the account issued over a platform."""
    document, network = work.document, work.facts(Stage.DELIVERED).get("network")
    return (
        work.account.french
        and answers.is_seller(document)
        and network not in (None, MAIL)
        and document.about is None
        and document.type_code not in CREDIT_NOTE_TYPES
    )


def _said(
    work: Work, invoice: Invoice, payment: Payment, parts: tuple[Share, ...], resources: Resources, *, whole: bool
) -> tuple[News, Emitted]:
    amounts = tuple(
        Amount("MEN", part.amount, payment.currency, part.rate, payment.paid_on, changed=False) for part in parts
    )
    wanted = Wanted(cdar.status_of("212"), amounts=amounts)
    news, emitted = _emission(work, invoice, wanted, f"payment:{payment.id}", resources)
    if whole:
        return news, emitted
    return News(news.kind, {**news.facts, "status": PARTLY}), emitted


def _emission(work: Work, invoice: Invoice, wanted: Wanted, cause: str, resources: Resources) -> tuple[News, Emitted]:
    now = resources.clock.now()
    message_id = new_id(now)
    data = cdar.write(answers.compose(wanted, work.document, invoice, now, message_id))
    facts = {**answers.facts_of(wanted, now, "gateway"), "message": str(message_id), "cause": cause}
    return News("status", facts), Emitted(message_id, cause, data)


def _facts(payment: Payment) -> dict[str, object]:
    return {
        "payment": str(payment.id),
        "paid_on": payment.paid_on.isoformat(),
        "sha256": payments.digest(payment),
        "status": "paid",
        "source": "account",
    }


async def refusal(work: Work, reason: str, rules: tuple[str, ...], resources: Resources) -> Said:
    """The refusal (210) of an inbound document, where its account wants such sent; nothing where it cannot be named.

    `reason`: of MDT-113; `rules`: those it breaks, told in the comment.
    """
    if work.account.invalid_inbound != "send":
        return Said()
    format_ = str(work.facts(Stage.PARSED).get("format"))
    invoice = await answers.parsed(await work.structured(resources), format_, resources)
    if invoice is None or not answers.nameable(invoice):
        return Said()
    named = ", ".join(rules[:COMMENT_RULES]) + (", …" if len(rules) > COMMENT_RULES else "")
    wanted = Wanted(cdar.status_of("210"), (Reason(reason, f"Règles non respectées : {named}", action="NIN"),))
    news, emitted = _emission(work, invoice, wanted, REFUSED_INVALID, resources)
    return Said((news,), (emitted,))
