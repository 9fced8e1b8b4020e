"""A status message as values: what it says, of which invoice, who says it, why, and with which amounts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from schemas.formats.cdar.vocabulary import Status, status_of

RSM = "urn:un:unece:uncefact:data:standard:CrossDomainAcknowledgementAndResponse:100"
RAM = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
UDT = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"
QDT = "urn:un:unece:uncefact:data:standard:QualifiedDataType:100"
NAMESPACES = {"rsm": RSM, "ram": RAM, "udt": UDT, "qdt": QDT}
ROOT = (RSM, "CrossDomainAcknowledgementAndResponse")

GUIDELINE = "urn.cpro.gouv.fr:1p0:CDV:invoice"
"""MDT-3 of a message between platforms."""
PORTAL_GUIDELINE = "urn.cpro.gouv.fr:1p0:CDV:einvoicingF2"
"""MDT-3 of a message to the public portal alone."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A datum the message states (MDG-43): most often an amount."""

    kind: str
    """MDT-207: MEN collected, MPA paid, DIV a wrong datum, DVA the right one, …"""
    amount: Decimal | None = None
    """MDT-215, VAT included for MEN and MPA; negative for a refund."""
    currency: str = "EUR"
    """ISO 4217; EUR where the message names none."""
    rate: Decimal | None = None
    """MDT-224, a rate in per cent; of VAT for MEN."""
    on: date | None = None
    """The day of the payment."""
    term: str = ""
    """MDT-206, the business term meant: BT-152, …"""
    changed: bool | None = None
    """MDT-209."""
    name: str = ""
    """MDT-211."""
    location: str = ""
    """MDT-213, where in the invoice's XML it stands."""
    text: str = ""
    """MDT-214, a value in words."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why (MDG-37)."""

    code: str
    """MDT-113: DEST_ERR, TX_TVA_ERR, …; empty when only a comment is given."""
    comment: str = ""
    """MDT-126, what a person wrote; for people."""
    label: str = ""
    """MDT-114, the label of the code as the other side wrote it."""
    action: str = ""
    """MDT-121, what is asked: NOA, PIN, NIN, CNF, CNP, CNA, OTH."""
    action_label: str = ""
    """MDT-122, the same in words."""
    subject: str = ""
    """MDT-128, of what the comment speaks (UNTDID 4451)."""
    data: tuple[Amount, ...] = ()
    """What of the invoice is meant: the wrong datum and the right one."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who issued a message, or to whom it goes."""

    role: str
    """SE seller, BY buyer, WK platform, DFH the public portal, …"""
    id: str = ""
    scheme: str = ""
    """0002 SIREN, 0238 platform number."""
    name: str = ""
    address: str = ""
    """MDT-73, the electronic address."""
    address_scheme: str = "0225"
    """Empty where the message names none: 0225 is meant."""


PORTAL = Party("DFH", "0000", "0238", "PPF")
"""The public portal as the recipient of a message (BR-FR-CDV-02)."""


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """What a party or a platform says about one invoice."""

    code: str
    """MDT-105, kept also when `status_of` does not know it."""
    at: datetime
    """When the status was set (MDT-78), aware, UTC."""
    number: str
    """MDT-87, the invoice's number (BT-1)."""
    seller: str
    """MDT-129, the seller's SIREN (BT-30); empty when the message names none (allowed for 501)."""
    id: str
    """MDT-4, the message's own id."""
    issuer: Party
    """Who says it (MDG-10)."""
    reasons: tuple[Reason, ...] = ()
    amounts: tuple[Amount, ...] = ()
    """What is stated besides the reasons."""
    issued_at: datetime | None = None
    """When the message was made (MDT-8), aware, UTC."""
    type_code: str = ""
    """MDT-91, the invoice's type (BT-3)."""
    issue_date: date | None = None
    """MDT-100, the invoice's date (BT-2)."""
    received_at: datetime | None = None
    """MDT-95, when the invoice was taken by the platform, aware, UTC."""
    recipients: tuple[Party, ...] = ()
    """To whom the message goes (MDG-17)."""
    guideline: str = GUIDELINE
    """MDT-3."""
    process: str = "REGULATED"
    """MDT-2; empty: it is left out, as for the public portal."""
    name: str = ""
    """MDT-5."""
    sender: Party = Party("WK")
    """Which platform sends it (MDG-9)."""
    reference: str = ""
    """MDT-97: for the public portal the guideline again."""
    phase: str | None = None
    """MDT-77: 305 transmission, 23 processing; None: that of the status."""
    document_status: str | None = None
    """MDT-88; None: that of the status; empty: it is left out."""
    label: str | None = None
    """MDT-106; None: the French label of the status; empty: it is left out."""

    @property
    def status(self) -> Status:
        """The status in our words."""
        return status_of(self.code)

    @property
    def for_portal(self) -> bool:
        """Whether it is the variant for the public portal alone."""
        return self.guideline == PORTAL_GUIDELINE


def to_portal(message: StatusMessage, *, id: str, sender: Party) -> StatusMessage:
    """The same said to the public portal: `id` is the flow's, `sender` the platform (0238).

    Raises ValueError for a status that the portal does not take.
    """
    if message.code not in PORTAL_CODES:
        raise ValueError(f"the public portal takes {', '.join(PORTAL_CODES)}, not {message.code}")
    return replace(
        message,
        id=id,
        sender=sender,
        recipients=(PORTAL,),
        guideline=PORTAL_GUIDELINE,
        process="",
        reference=PORTAL_GUIDELINE,
    )


PORTAL_CODES = ("200", "210", "212", "213")
"""What the public portal takes (G7.44)."""
