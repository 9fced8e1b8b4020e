"""The words for what parties and platforms say about an invoice: our name, the French code, labels, and what it means.

The codes are those of the French life cycle (XP Z12-012; DGFiP external specifications, tables 2, 6, 8 to 10). Codes
that are not in this table are kept and shown as "unknown": since BR-FR-CDV 1.4.0 the list is only a warning, so
partners may agree on codes of their own.

A document never walks back. Each status has a rank, how far the invoice has come, and the status that counts is the one
of the highest rank heard so far, in whatever order they arrive. The norm publishes no matrix of transitions; the order
here is: transmission as prescribed (200, 201, 202, 203), then what the buyer says from doubt to payment, then the ends.
Rank 0 says something (a factor, another object than the invoice) but nothing about how far the invoice is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from schemas.formats.cdar.reasons import ALLOWED


class Speaker(StrEnum):
    """Who says a status (DGFiP external specifications, tables 8 to 10; XP Z12-014 annex A)."""

    SELLER = "seller"
    BUYER = "buyer"
    ISSUING_PLATFORM = "issuing_platform"
    RECEIVING_PLATFORM = "receiving_platform"
    PORTAL = "portal"
    THIRD = "third"
    """A main contractor, a project manager, a factor."""


@dataclass(frozen=True, slots=True)
class Status:
    """One thing that can be said."""

    code: str
    """MDT-105."""
    name: str
    """Ours, the same in API, journal and log."""
    label_fr: str
    label_en: str
    rank: int
    """How far the invoice has come; 0 when it does not tell."""
    ends: bool = False
    """Nothing may follow: this invoice is over, a new one takes a new number."""
    reached: bool = False
    """Said only once the invoice lies before the buyer."""
    transmission: bool = False
    """Said by a platform about the carrying (MDT-77 = 305), not by a party about the invoice (23)."""
    document_status: str = ""
    """MDT-88 as the published examples pair it with the code; empty where none does, and then it is not written."""
    needs_reason: bool = False
    """MDT-113 is required (BR-FR-CDV-15)."""

    @property
    def speakers(self) -> tuple[Speaker, ...]:
        """Who may say it; empty for a code that we do not know."""
        return SPEAKERS.get(self.code, ())

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons it may bear (BR-FR-CDV-CL-09); empty: any of the list, or none."""
        return ALLOWED.get(self.code, ())

    @property
    def needs_comment(self) -> bool:
        """A comment (MDT-126) goes with it (G7.25)."""
        return self.code in ("208", "210")

    @property
    def phase(self) -> str:
        """MDT-77: 305 transmission, 23 processing."""
        return "305" if self.transmission else "23"


_SELLER, _BUYER = (Speaker.SELLER,), (Speaker.BUYER,)
_ISSUING, _RECEIVING, _PORTAL = (Speaker.ISSUING_PLATFORM,), (Speaker.RECEIVING_PLATFORM,), (Speaker.PORTAL,)
SPEAKERS: Mapping[str, tuple[Speaker, ...]] = {
    **dict.fromkeys(("200", "201"), _ISSUING),
    **dict.fromkeys(("202", "203", "221"), _RECEIVING),
    "213": (*_ISSUING, *_RECEIVING),
    **dict.fromkeys(("204", "205", "206", "207", "208", "210"), _BUYER),
    "211": (*_BUYER, *_SELLER),
    "220": (*_SELLER, *_BUYER),
    **dict.fromkeys(("209", "212", "227"), _SELLER),
    "214": (Speaker.THIRD,),
    **dict.fromkeys(("224", "225", "226", "228"), (*_SELLER, Speaker.THIRD)),
    **dict.fromkeys(("250", "251", "300", "301", "400", "401", "500", "601"), _PORTAL),
    "501": (*_PORTAL, *_ISSUING, *_RECEIVING),
}
"""Who may say what. 211 is the seller's when it refunds; 220 the buyer's when a corrective invoice replaces it."""


UNKNOWN = "unknown"

STATUSES = (
    Status("200", "deposited", "Déposée", "Deposited", 10, transmission=True, document_status="10"),
    Status("201", "issued", "Émise par la plateforme", "Issued by the platform", 20, transmission=True),
    Status(
        "202",
        "received",
        "Reçue par la plateforme",
        "Received by the platform",
        30,
        transmission=True,
        document_status="43",
    ),
    Status("221", "routing_error", "Erreur de routage", "Routing error", 35, transmission=True),
    Status(
        "203",
        "made_available",
        "Mise à disposition",
        "Made available",
        40,
        reached=True,
        transmission=True,
        document_status="48",
    ),
    Status("204", "in_hand", "Prise en charge", "In hand", 50, reached=True, document_status="45"),
    Status("214", "endorsed", "Visée", "Endorsed", 55, reached=True),
    Status("208", "suspended", "Suspendue", "Suspended", 60, reached=True, needs_reason=True),
    Status("209", "completed", "Complétée", "Completed", 65, reached=True),
    Status("207", "disputed", "En litige", "Disputed", 70, reached=True, document_status="46", needs_reason=True),
    Status("206", "partly_approved", "Approuvée partiellement", "Partly approved", 75, reached=True, needs_reason=True),
    Status("205", "approved", "Approuvée", "Approved", 80, reached=True, document_status="1"),
    Status("211", "payment_sent", "Paiement transmis", "Payment sent", 90, reached=True, document_status="47"),
    Status("212", "paid", "Encaissée", "Paid", 100, reached=True, document_status="47"),
    Status("220", "cancelled", "Annulée", "Cancelled", 110, ends=True),
    Status("210", "refused", "Refusée", "Refused", 120, True, True, document_status="50", needs_reason=True),
    Status(
        "213",
        "rejected",
        "Rejetée",
        "Rejected",
        130,
        ends=True,
        transmission=True,
        document_status="8",
        needs_reason=True,
    ),
    Status("501", "inadmissible", "Irrecevable", "Inadmissible", 140, ends=True, transmission=True, needs_reason=True),
    Status("224", "direct_payment_asked", "Demande de paiement direct", "Direct payment asked", 0),
    Status("225", "factored", "Affacturée", "Factored", 0),
    Status("226", "factored_confidentially", "Affacturée confidentiel", "Factored confidentially", 0),
    Status("227", "account_to_pay_changed", "Changement de compte à payer", "Account to pay changed", 0),
    Status("228", "not_factored", "Non affacturée", "Not factored", 0),
    Status("250", "tax_data_deposited", "Déposée (flux 1)", "Tax data deposited", 0, transmission=True),
    Status("251", "tax_data_rejected", "Rejetée (flux 1)", "Tax data rejected", 0, transmission=True),
    Status("300", "report_deposited", "Déposée (flux 10)", "Report deposited", 0, transmission=True),
    Status("301", "report_rejected", "Rejetée (flux 10)", "Report rejected", 0, transmission=True),
    Status("400", "directory_line_accepted", "Acceptée (annuaire)", "Directory line accepted", 0, transmission=True),
    Status("401", "directory_line_rejected", "Rejetée (annuaire)", "Directory line rejected", 0, transmission=True),
    Status("500", "admissible", "Recevable", "Admissible", 0, transmission=True),
    Status("601", "status_rejected", "Rejeté (statut)", "Status rejected", 0, transmission=True),
)
"""Every code that the published sources name."""

_BY_CODE: Mapping[str, Status] = {status.code: status for status in STATUSES}
_BY_NAME: Mapping[str, Status] = {status.name: status for status in STATUSES}


def status_of(code: str) -> Status:
    """The status of a code; one named "unknown", which ends nothing and ranks nowhere, for a code we do not know."""
    return _BY_CODE.get(code) or Status(code, UNKNOWN, f"Statut {code}", f"Status {code}", 0)


def named(name: str) -> Status | None:
    """The status of one of our names; None for "unknown" and what is no name of ours."""
    return _BY_NAME.get(name)


def further(furthest: str | None, name: str) -> str | None:
    """The name that counts after hearing `name`; the same whatever the order of hearing. None while nothing counts."""
    before = _BY_NAME.get(furthest) if furthest else None
    heard = _BY_NAME.get(name)
    if heard is None or heard.rank == 0:
        return furthest
    return heard.name if before is None or heard.rank > before.rank else before.name


def reached_buyer(name: str) -> bool:
    """Whether this status is only said once the invoice lies before the buyer (203 or further)."""
    status = _BY_NAME.get(name)
    return status is not None and status.reached
