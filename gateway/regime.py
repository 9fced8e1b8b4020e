"""Which regime an invoice falls under, and the sentence that explains its route, in English and in French. Pure.

The regimes are the processing rules of XP Z12-013. Who hands an invoice in may say one; else the invoice itself says
it (note BAR, BR-FR-20: it has no word for public bodies, so that its B2B yields to the directory); else it follows from
who buys: a public body (B2G), a business in France (B2B), one abroad (B2BInt), nobody with an identifier of a business
(B2C). What no French seller issues, and what is exempt of VAT as article 261 of the CGI says, is outside (OutOfScope).

Guadeloupe, Martinique and La Réunion are France here, as for VAT; the other territories are abroad (CGI 294).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.port import ElectronicAddress
from gateway.addressee import siren
from gateway.reach import Level, Reach, Reachability
from schemas.invoice import Invoice, Party
from schemas.parties import is_business

B2B, B2BINT, B2C, B2G, OUT_OF_SCOPE, ARCHIVE_ONLY = "B2B", "B2BInt", "B2C", "B2G", "OutOfScope", "ArchiveOnly"
FRANCE = frozenset({"FR", "GP", "MQ", "RE"})
BAR = {
    "B2B": B2B,
    "B2BINT": B2BINT,
    "B2C": B2C,
    "B2CINT": B2C,
    "OUTOFSCOPE": OUT_OF_SCOPE,
    "ARCHIVEONLY": ARCHIVE_ONLY,
}
"""What a note of subject BAR may say."""
_EXEMPT = "VATEX-FR-CGI261"


@dataclass(frozen=True, slots=True)
class Sentence:
    """The same in both languages."""

    english: str
    french: str

    def into(self, language: str) -> str:
        """In French for fr, else in English."""
        return self.french if language == "fr" else self.english


@dataclass(frozen=True, slots=True)
class Regime:
    """A processing rule, and why it is this one."""

    rule: str
    by: str
    """submission, invoice, directory or buyer: what tells it."""
    why: Sentence


def signs(invoice: Invoice) -> dict[str, Any]:
    """What tells the regime of an invoice: codes and truths, no text of it. Facts of its event."""
    said = (note.text.strip().upper() for note in invoice.notes if note.subject.strip().upper() == "BAR")
    found = {
        "bar": next((text for text in said if text in BAR), ""),
        "seller_country": _country(invoice.seller),
        "buyer_country": _country(invoice.buyer),
        "siren": bool(siren(invoice.buyer)) or any(one.scheme in ("0002", "0009") for one in invoice.buyer.ids),
        "business": is_business(invoice.buyer),
        "exempt": bool(invoice.vat_breakdown)
        and all(
            one.category == "O" or one.exemption_code.strip().upper().startswith(_EXEMPT)
            for one in invoice.vat_breakdown
        ),
    }
    return {name: value for name, value in found.items() if value}


def regime(said: str | None, marks: Mapping[str, Any], reach: Reach) -> Regime:
    """The regime of an outbound invoice.

    `said`: the processing rule of the submission; `marks`: what `signs` found; `reach`: what is known of its address.
    """
    if said:
        return Regime(said, "submission", Sentence("the submission says so", "la remise le dit"))
    bar, listed = BAR.get(str(marks.get("bar", ""))), reach.verdict is Reachability.ACTIVE
    if bar is not None and not (bar == B2B and listed):
        return Regime(bar, "invoice", Sentence("the invoice says so (note BAR)", "la facture le dit (note BAR)"))
    seller, buyer = str(marks.get("seller_country", "")), str(marks.get("buyer_country", ""))
    if seller and seller not in FRANCE and bar is None:
        why = Sentence("the seller is not established in France", "le vendeur n'est pas établi en France")
        return Regime(OUT_OF_SCOPE, "invoice", why)
    if reach.public:
        why = Sentence(
            "the directory names the buyer a public body, reached over Chorus Pro",
            "l'annuaire désigne l'acheteur comme entité publique, jointe par Chorus Pro",
        )
        return Regime(B2G, "directory", why)
    if marks.get("exempt") and bar is None:
        why = Sentence(
            "all of it is exempt of VAT or outside it (CGI 261)",
            "tout y est exonéré ou hors champ de TVA (CGI 261)",
        )
        return Regime(OUT_OF_SCOPE, "invoice", why)
    french = bool(marks.get("siren")) or reach.asked is not None
    return _by_buyer(buyer, french, bool(marks.get("business")), reach)


def _by_buyer(country: str, french: bool, business: bool, reach: Reach) -> Regime:
    listed = reach.verdict is Reachability.ACTIVE
    abroad = bool(country) and country not in FRANCE
    if french and (listed or not abroad):
        told = Sentence("the buyer has a SIREN", "l'acheteur a un SIREN")
        if listed:
            told = Sentence("the buyer is in the French directory", "l'acheteur figure dans l'annuaire français")
        return Regime(B2B, "directory" if listed else "buyer", told)
    if abroad and (business or french):
        why = Sentence(
            f"the buyer is a business abroad ({country})", f"l'acheteur est une entreprise à l'étranger ({country})"
        )
        return Regime(B2BINT, "buyer", why)
    if business and not country:
        why = Sentence("the buyer has an identifier, and no SIREN", "l'acheteur a un identifiant, et pas de SIREN")
        return Regime(B2BINT, "buyer", why)
    why = Sentence("the buyer has no SIREN: a consumer", "l'acheteur n'a pas de SIREN : un consommateur")
    return Regime(B2C, "buyer", why)


_NAMES = {
    B2B: Sentence("invoice between businesses in France (B2B)", "facture entre entreprises en France (B2B)"),
    B2BINT: Sentence("invoice to a business abroad (B2BInt)", "facture à une entreprise à l'étranger (B2BInt)"),
    B2C: Sentence("invoice to a consumer (B2C)", "facture à un particulier (B2C)"),
    B2G: Sentence("invoice to a public body (B2G)", "facture à une entité publique (B2G)"),
    OUT_OF_SCOPE: Sentence("invoice outside the French mandate (OutOfScope)", "facture hors du champ (OutOfScope)"),
}
_LEVELS = {
    Level.COMPANY: Sentence("of its company (SIREN)", "de son entreprise (SIREN)"),
    Level.FACILITY: Sentence("of its facility (SIRET)", "de son établissement (SIRET)"),
    Level.CODE: Sentence("of a routing code of its facility", "d'un code de routage de son établissement"),
    Level.SUFFIX: Sentence("of a suffix of its company", "d'un suffixe de son entreprise"),
}


def sentence(found: Regime, network: str, address: ElectronicAddress, reach: Reach) -> Sentence:
    """Why a document goes this way: regime, network and address, without naming anybody."""
    name = _NAMES.get(found.rule, Sentence(f"processing rule {found.rule}", f"règle de traitement {found.rule}"))
    way = _way(network, address, reach)
    english = f"{name.english}, as {found.why.english}: {way.english}"
    return Sentence(english[:1].upper() + english[1:], f"{_upper(name.french)}, car {found.why.french} : {way.french}")


def _way(network: str, address: ElectronicAddress, reach: Reach) -> Sentence:
    if reach.verdict is Reachability.ACTIVE and reach.asked is not None and reach.told is not None:
        level, told = _LEVELS[reach.asked.level], reach.told
        day = told.at.date().isoformat()
        english = f"by {network}, at the active line {level.english}, says {told.source} on {day}"
        french = f"par {network}, à la ligne active {level.french}, dit {told.source} le {day}"
        if told.stale:
            english += ", which is away now"
            french += ", qui ne répond pas en ce moment"
        return Sentence(english, french)
    if address.scheme == "EM":
        return Sentence("its electronic address is an e-mail address", "son adresse électronique est un courriel")
    scheme = address.scheme
    english = f"by {network}, which serves addresses of scheme {scheme}"
    french = f"par {network}, qui dessert le schéma {scheme}"
    if reach.refuses:
        english += ", though the directory shows no active line there"
        french += ", bien que l'annuaire n'y montre aucune ligne active"
    return Sentence(english, french)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _country(party: Party) -> str:
    code = party.address.country.strip().upper() if party.address is not None else ""
    return code if len(code) == 2 and code.isascii() and code.isalpha() else ""
