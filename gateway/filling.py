"""What an account's payment terms fill into an invoice it hands in as JSON, before it is judged.

What came as CII, UBL or Factur-X is never rewritten. The JSON as it was handed in stays the submission; with what was
filled in it is kept beside it and is what is judged, so that whoever reads the invoice again reads the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gateway.resources import Resources, Work
from gateway.store import payment_terms
from schemas import json_form
from schemas.invoice import Invoice
from schemas.payment_terms import Agreed, fill

_FILLED = ("due_date", "payment_terms", "notes", "payment", "discount", "partial_payment", "more_payment_terms")
"""Members that terms may add to."""


@dataclass(frozen=True, slots=True)
class Completed:
    """An invoice with what its terms say; picklable."""

    data: bytes
    """Its JSON form; empty: nothing was filled in."""
    facts: dict[str, Any]
    """Business terms and rules, for the event: codes and dates, no words."""


async def completed(data: bytes, buyer: str, work: Work, resources: Resources) -> Completed | None:
    """The JSON of an invoice with what is agreed with its buyer; None where there is nothing to say of it.

    Raises Interrupted.
    """
    if work.document.inbound or not is_json(data):
        return None
    async with resources.pool.account(work.account.id) as connection:
        agreed = await payment_terms.agreed(connection, [buyer] if buyer else [])
    found: Completed = await resources.compute(complete, data, agreed, buyer)
    return found if found.facts else None


def is_json(data: bytes) -> bool:
    """Whether the bytes can only be JSON."""
    return data[:64].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").startswith(b"{")


def complete(data: bytes, agreed: Agreed, buyer: str) -> Completed:
    """Fill in what is lacking. Pure, for a worker process. Raises Unreadable."""
    whole = json_form.read(data)
    terms = agreed.of(buyer)
    filled = fill(whole, terms)
    facts: dict[str, Any] = {}
    if filled.terms:
        facts["filled"] = list(filled.terms)
    if filled.findings:
        facts["findings"] = [
            {"rule": one.rule, "severity": str(one.severity), "terms": list(one.terms), "found": one.found,
             "expected": one.expected}
            for one in filled.findings
        ]  # fmt: skip
    if facts and terms is not None:
        facts["of"] = "customer" if any(name == buyer for name, _ in agreed.customers) else "account"
    if not filled.terms:
        return Completed(b"", facts)
    given = json_form.form(json_form.loads(data), Invoice, partial=True)
    changes = {name: getattr(filled.invoice, name) for name in _FILLED}
    return Completed(json_form.write(replace(given, **changes)), facts)
