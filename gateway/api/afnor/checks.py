"""Holding what a caller says of a flow against its bytes, at the door: a contradiction is refused before it is stored.

What the bytes are worth is judged down the line and told by the acknowledgement. Here it is only seen to it that they
are what flowInfo says: syntax, profile, and as much of the processing rule as the parties' countries decide.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.api.afnor.answers import Wrong
from gateway.stages import deliver
from gateway.store.flows import UNDEFINED, FlowInfo
from schemas.catalogue import FORMATS, MESSAGES, opened
from schemas.invoice import Invoice
from schemas.xml import Unreadable

SYNTAXES = {**deliver.SYNTAXES, "cdar": "CDAR", "flux10": "FRR"}
"""Our format names in the words of XP Z12-013."""

FRENCH = frozenset(("FR", "GF", "GP", "MQ", "RE", "YT", "BL", "MF", "PM", "NC", "PF", "WF", "TF"))
"""Country codes of parties that bear a SIREN: France and its territories overseas."""

UNTAKEN_RULES = {
    "ArchiveOnly": "what is archived here is delivered too; ArchiveOnly is not taken",
    "NotApplicable": "an invoice has a processing rule; NotApplicable is for messages",
}


@dataclass(frozen=True, slots=True)
class Examined:
    """What the bytes of a flow are."""

    format: str
    profile: str
    """BT-24, or a message's guideline."""
    seller_country: str = ""
    """BT-40; empty: not read, or not there."""
    buyer_country: str = ""
    """BT-55."""
    buyer_siren: bool = False
    """BT-47 is a SIREN."""


def examine(data: bytes, parties: bool) -> Examined:
    """Look at the bytes, and with `parties` into the invoice. Pure, for a worker process. Raises Unreadable."""
    recognised = opened(data, messages=True).recognised
    if not parties or recognised.format in MESSAGES or recognised.xml is None:
        return Examined(recognised.format, recognised.profile)
    try:
        invoice: Invoice = FORMATS[recognised.syntax].read(recognised.xml).invoice
    except Unreadable:  # the rules say better what is wrong with it
        return Examined(recognised.format, recognised.profile)
    seller, buyer = invoice.seller.address, invoice.buyer.address
    legal = invoice.buyer.legal_id
    return Examined(
        recognised.format,
        recognised.profile,
        seller.country if seller else "",
        buyer.country if buyer else "",
        legal is not None and legal.scheme == "0002",
    )


def hold(info: FlowInfo, found: Examined) -> None:
    """Hold flowInfo against what the bytes are. Raises Wrong."""
    syntax = SYNTAXES.get(found.format)
    if syntax is None:
        raise Wrong(422, "FlowTypeError", "a flow is CII, UBL, Factur-X or CDAR")
    if syntax != info.syntax:
        raise Wrong(422, "FlowTypeError", f"flowSyntax says {info.syntax}, and the file is {syntax}")
    if found.format in MESSAGES:
        return
    profile = deliver.flow_profile(found.profile)
    if info.profile not in (None, UNDEFINED) and profile and profile != info.profile:
        raise Wrong(
            422, "FlowTypeError", f"flowProfile says {info.profile}, and the file's profile (BT-24) is {profile}"
        )
    if info.rule in UNTAKEN_RULES:
        raise Wrong(422, "PROCESSING_RULE_ERROR", UNTAKEN_RULES[info.rule])
    if complaint := _rule_complaint(info.rule, found):
        raise Wrong(422, "PROCESSING_RULE_ERROR", f"processingRule says {info.rule}, and {complaint}")


def _rule_complaint(rule: str | None, found: Examined) -> str | None:
    """Why the processing rule cannot be meant; None: nothing in the invoice speaks against it."""
    abroad = bool(found.buyer_country) and found.buyer_country not in FRENCH
    within = found.buyer_country in FRENCH and found.seller_country in FRENCH
    match rule:
        case "B2B" | "B2G" if abroad:
            return f"the buyer's country (BT-55) is {found.buyer_country}"
        case "B2BInt" | "B2GInt" if within:
            return "seller and buyer (BT-40, BT-55) are both in France"
        case "B2C" if found.buyer_siren:
            return "the buyer is a company: it has a SIREN (BT-47)"
        case _:
            return None
