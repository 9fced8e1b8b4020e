"""How long documents are kept, by class and country, and by which law; when their active life ends. Pure.

A period is counted from the end of the financial year in which the document was issued (or came, if that is later), so
it is never shorter than the law asks, whichever act is applied. An account may keep its invoices longer, never shorter.
A country that is not named here keeps them ten years, the longest period of its neighbours.

| France | accounting: ten years, code de commerce, article L. 123-22 |
| | tax: six years, LPF article L. 102 B; ten from 1 January 2027 for periods that run then (loi 2026-534, article 36) |

What never became an invoice (it was refused before anything left) is no accounting document: it is kept for a year, for
disputes about the refusal, and then goes, as the law on personal data asks (GDPR, article 5(1)(e)).
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

ANNOUNCED_DAYS = 30
"""Days between the announcement of a purge and the purge: time for a hold, and to notice a clock that jumped."""


class DocumentClass(StrEnum):
    """What a document is to the law of retention."""

    INVOICE = "invoice"
    """An invoice or credit note that left, or may leave, or came; with its events, receipts, statuses and reports. What
    came stays one whatever is wrong with it: only its seller can say that it is none."""
    REFUSED = "refused"
    """A submission that was refused before anything of it left."""


@dataclass(frozen=True, slots=True)
class Law:
    """A period and where it is written."""

    years: int
    act: str


LONGEST = Law(10, "no act is named here for this country: the longest period of its neighbours")
INVOICES: Mapping[str, Law] = {
    "FR": Law(10, "code de commerce, art. L. 123-22; LPF, art. L. 102 B (loi 2026-534, art. 36)"),
}
"""By country (ISO 3166-1)."""
REFUSED = Law(1, "GDPR, art. 5(1)(e): no accounting document")


@dataclass(frozen=True, slots=True)
class Policy:
    """What an account has set."""

    country: str = "FR"
    year_ends: int = 12
    """Month in which its financial year ends."""
    invoice_years: int | None = None
    """Longer than the law; None: as the law says."""
    active_days: int = 365
    """Days after the end of the line in which its contents are read without a reason."""


def law(kind: DocumentClass, policy: Policy) -> Law:
    """The period of a class for an account: the law's, or its own where that is longer."""
    if kind is DocumentClass.REFUSED:
        return REFUSED
    found = INVOICES.get(policy.country, LONGEST)
    if policy.invoice_years is not None and policy.invoice_years > found.years:
        return Law(policy.invoice_years, f"the account's own period; at least {found.act}")
    return found


def kept_until(kind: DocumentClass, issued: date | None, received: date, policy: Policy) -> date:
    """The last day on which a document must be there."""
    period = law(kind, policy)
    if kind is DocumentClass.REFUSED:
        return _later(received, period.years)
    basis = max(issued, received) if issued else received
    year = basis.year if basis.month <= policy.year_ends else basis.year + 1
    return _month_end(year + period.years, policy.year_ends)


def readings_until(today: date, policy: Policy) -> date:
    """The last day whose readings of the archive go: of what could be read then, every document's period has ended."""
    year = today.year - law(DocumentClass.INVOICE, policy).years
    ends = (_month_end(one, policy.year_ends) for one in (year, year - 1))
    return next(day for day in ends if kept_until(DocumentClass.INVOICE, None, day, policy) < today)


def active_until(ended: datetime, policy: Policy) -> datetime:
    """Until when a document whose line ended then is read without a reason."""
    return ended + timedelta(days=policy.active_days)


def _later(day: date, years: int) -> date:
    """The same day years later; 29 February becomes 1 March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def _month_end(year: int, month: int) -> date:
    return date(year, month, monthrange(year, month)[1])
