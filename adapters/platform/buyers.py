"""The buyers the simulated platform plays: who does what with an invoice, chosen by the buyer's SIREN.

The numbers are valid by their check digit and start with 10, a range that holds no company. A buyer that is not in the
table accepts and pays, so that any invoice works in a first run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Transport(StrEnum):
    """How the platform answers the call that delivers an invoice for this buyer."""

    PLAIN = "plain"
    """Takes it and says so."""
    SILENT = "silent"
    """Takes it, never answers, and closes the connection after a while (only the first time)."""
    BUSY = "busy"
    """Answers 429 with Retry-After first, takes it then."""
    FAILING = "failing"
    """Answers 500 first, without taking it, takes it then."""
    FAILING_AFTER = "failing-after"
    """Takes it, answers 500 all the same (only the first time)."""
    DUPLICATE = "duplicate"
    """Takes it, and answers that it was there already (422 AlreadyExistingFlow)."""
    REFUSING = "refusing"
    """Refuses it for good with 422."""
    HANGING = "hanging"
    """Never takes it and never answers, each time: the poisoned document that must not block the others."""


class Contents(StrEnum):
    """What can be downloaded of the status messages for this buyer's invoices."""

    ORIGINAL = "original"
    CONVERTED = "converted"
    """The original is absent (404), a converted one is there."""
    BROKEN = "broken"
    """Every download fails with 500: the poisoned item that must not block the others."""


@dataclass(frozen=True, slots=True)
class Step:
    """One status, and why."""

    code: str
    reason: str = ""
    """MDT-113; empty where the status needs none."""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Buyer:
    """One behaviour."""

    title: str
    steps: tuple[Step, ...]
    """Statuses in their order, one `pace` apart."""
    transport: Transport = Transport.PLAIN
    contents: Contents = Contents.ORIGINAL
    acknowledged: bool = True
    """The platform's own verdict is Ok; else Error, and no status follows."""


_TAKEN = (Step("200"), Step("202"), Step("203"))
_PAID = (*_TAKEN, Step("205"), Step("211"))

PAYS = Buyer("accepts and pays", _PAID)
"""What a buyer that is not in the table does."""

BUYERS: Mapping[str, Buyer] = {
    "100000207": PAYS,
    "100000215": Buyer(
        "refuses", (*_TAKEN, Step("210", "TRANSAC_INC", "Nous n'avons rien commandé à cette entreprise."))
    ),
    "100000223": Buyer(
        "disputes", (*_TAKEN, Step("204"), Step("207", "QTE_ERR", "Dix unités facturées, huit livrées."))
    ),
    "100000231": Buyer("never answers", _TAKEN),
    "100000249": Buyer("the call times out after the invoice was taken", _PAID, Transport.SILENT),
    "100000256": Buyer("the platform is busy at first (429)", _PAID, Transport.BUSY),
    "100000264": Buyer("the platform fails at first (500)", _PAID, Transport.FAILING),
    "100000272": Buyer("the platform says that it has the invoice already", _PAID, Transport.DUPLICATE),
    "100000280": Buyer("the buyer's platform rejects", (Step("200"), Step("213", "DEST_INC", "Destinataire inconnu."))),
    "100000298": Buyer("the platform fails (500) after it took the invoice", _PAID, Transport.FAILING_AFTER),
    "100000306": Buyer(
        "originals of statuses are absent, converted ones are there", _PAID, contents=Contents.CONVERTED
    ),
    "100000314": Buyer("statuses that cannot be downloaded", _PAID, contents=Contents.BROKEN),
    "100000322": Buyer("the platform refuses the call (422)", (), Transport.REFUSING),
    "100000330": Buyer("the platform takes the flow, then finds a virus in it", (), acknowledged=False),
    "100000355": Buyer("the call is never answered and nothing is taken", (), Transport.HANGING),
    "100000348": Buyer("says something under a code of its own", (*_TAKEN, Step("299"), Step("205"))),
}
"""By SIREN."""


def of(siren: str) -> Buyer:
    """How the buyer with this SIREN behaves."""
    return BUYERS.get(siren, PAYS)
