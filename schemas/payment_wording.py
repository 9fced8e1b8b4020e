"""How payment terms are said on an invoice: BT-20 and the notes PMT, PMD and AAB, in French, English or both. Pure.

French law wants three things said on every invoice between businesses: the conditions of a discount for early payment
(or that there is none), the rate of late-payment interest, and the fixed indemnity (C. com. L441-9 I). XP Z12-012 has
one note for each (BR-FR-05), and each once (BR-FR-06): two languages are therefore said in one note.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from schemas.rulebooks.fr_payment import PUBLIC, PaymentLaw

INDEMNITY_NOTE, PENALTY_NOTE, DISCOUNT_NOTE = "PMT", "PMD", "AAB"
"""UNTDID 4451 codes of the notes that BR-FR-05 wants."""
LANGUAGES = ("fr", "en")
_BETWEEN = " / "


@dataclass(frozen=True, slots=True)
class Saying:
    """What is to be said, as values."""

    law: PaymentLaw
    late_rate: Decimal | None
    """Percent a year; None: the rate of the law."""
    indemnity: Decimal
    """Euro."""
    discount: tuple[Decimal, date | None, int] | None
    """Percent, the last day on which it is granted (None: not known yet), days; None: there is no discount."""
    parts: tuple[tuple[Decimal | None, Decimal, date], ...] = ()
    """Amount (None: not known), percent and day of each instalment; empty: the whole at once."""
    due: date | None = None
    days: int = 0
    end_of_month: str = ""
    month_day: int | None = None
    from_delivery: bool = False
    currency: str = ""


def in_languages(say: Callable[[str], str], languages: tuple[str, ...]) -> str:
    """The same in each language, in one line."""
    return _BETWEEN.join(say(language) for language in languages or LANGUAGES[:1])


def terms(saying: Saying, language: str) -> str:
    """BT-20: when what is to be paid."""
    told = _instalments(saying, language) if saying.parts else _period(saying, language)
    return f"{told} {discount(saying, language)}" if saying.discount else told


def discount(saying: Saying, language: str) -> str:
    """AAB: the discount for early payment, or that there is none."""
    if saying.discount is None:
        return {
            "fr": "Aucun escompte n'est accordé en cas de paiement anticipé.",
            "en": "No discount is granted for early payment.",
        }[language]
    percentage, until, days = saying.discount
    rate = _percent(percentage, language)
    if until is None:
        return {
            "fr": f"Escompte de {rate} pour tout paiement dans les {days} jours.",
            "en": f"A discount of {rate} is granted for payment within {days} days.",
        }[language]
    return {
        "fr": f"Escompte de {rate} pour tout paiement reçu au plus tard le {_day(until, language)}.",
        "en": f"A discount of {rate} is granted for payment received by {_day(until, language)}.",
    }[language]


def penalty(saying: Saying, language: str) -> str:
    """PMD: what late payment costs by the day, and from when."""
    if saying.law in PUBLIC:
        return {
            "fr": "Tout retard de paiement fait courir de plein droit, dès le lendemain de l'échéance, des intérêts "
            "moratoires au taux des opérations principales de refinancement de la Banque centrale européenne majoré "
            "de 8 points de pourcentage (articles L2192-13 et R2192-31 du code de la commande publique).",
            "en": "Late payment bears interest from the day after the due date, without notice, at the rate of the "
            "European Central Bank's main refinancing operations plus 8 percentage points (French public procurement "
            "code, L2192-13 and R2192-31).",
        }[language]
    if saying.late_rate is not None:
        rate = _percent(saying.late_rate, language)
        return {
            "fr": f"Tout retard de paiement rend exigibles, dès le lendemain de l'échéance et sans rappel, des "
            f"pénalités au taux annuel de {rate}, au moins égal à trois fois le taux d'intérêt légal (article L441-10 "
            "du code de commerce).",
            "en": f"Late payment bears penalties from the day after the due date, without notice, at {rate} a year, at "
            "least three times the French legal interest rate (French commercial code, L441-10).",
        }[language]
    return {
        "fr": "Tout retard de paiement rend exigibles, dès le lendemain de l'échéance et sans rappel, des pénalités au "
        "taux d'intérêt appliqué par la Banque centrale européenne à son opération de refinancement la plus récente "
        "majoré de 10 points de pourcentage (article L441-10 du code de commerce).",
        "en": "Late payment bears penalties from the day after the due date, without notice, at the rate of the "
        "European Central Bank's most recent refinancing operation plus 10 percentage points (French commercial code, "
        "L441-10).",
    }[language]


def indemnity(saying: Saying, language: str) -> str:
    """PMT: the fixed sum for the cost of recovery."""
    articles = {
        "fr": "articles L2192-13 et D2192-35 du code de la commande publique"
        if saying.law in PUBLIC
        else "articles L441-10 et D441-5 du code de commerce",
        "en": "French public procurement code, L2192-13 and D2192-35"
        if saying.law in PUBLIC
        else "French commercial code, L441-10 and D441-5",
    }[language]
    sum_ = _number(saying.indemnity, language)
    return {
        "fr": f"Tout retard de paiement entraîne de plein droit une indemnité forfaitaire pour frais de recouvrement "
        f"de {sum_} € ({articles}).",
        "en": f"Late payment entails a fixed indemnity for recovery costs of EUR {sum_} ({articles}).",
    }[language]


def note(saying: Saying, subject: str, language: str) -> str:
    """The note of one of the three subjects."""
    return _NOTES[subject](saying, language)


_NOTES: Mapping[str, Callable[[Saying, str], str]] = {
    INDEMNITY_NOTE: indemnity,
    PENALTY_NOTE: penalty,
    DISCOUNT_NOTE: discount,
}


def _period(saying: Saying, language: str) -> str:
    due = saying.due
    start = {
        "fr": "la date de livraison" if saying.from_delivery else "la date de facture",
        "en": "the date of delivery" if saying.from_delivery else "the invoice date",
    }[language]
    days = saying.days
    if days == 0 and not saying.end_of_month and saying.month_day is None and due is not None:
        return {"fr": f"Paiement comptant, le {_day(due, language)}.", "en": f"Payment due on {_day(due, language)}."}[
            language
        ]
    how = {
        ("fr", ""): f"Paiement à {days} jours à compter de {start}",
        ("fr", "before"): f"Paiement à {days} jours à compter de la fin du mois de {start}",
        ("fr", "after"): f"Paiement à la fin du mois, {days} jours après {start}",
        ("en", ""): f"Payment within {days} days from {start}",
        ("en", "before"): f"Payment within {days} days from the end of the month of {start}",
        ("en", "after"): f"Payment by the end of the month, {days} days after {start}",
    }[language, saying.end_of_month]
    if saying.month_day is not None:
        how += {"fr": f", le {saying.month_day} du mois", "en": f", on day {saying.month_day} of the month"}[language]
    if due is None:
        return f"{how}."
    return {"fr": f"{how}, soit le {_day(due, language)}.", "en": f"{how}: by {_day(due, language)}."}[language]


def _instalments(saying: Saying, language: str) -> str:
    told = []
    for amount, percentage, day in saying.parts:
        share = _percent(percentage, language)
        what = share if amount is None else f"{share} ({_number(amount, language, 2)} {saying.currency})"
        told.append({"fr": f"{what} le {_day(day, language)}", "en": f"{what} on {_day(day, language)}"}[language])
    listed = "; ".join(told) if language == "en" else " ; ".join(told)
    count = len(told)
    return {"fr": f"Paiement en {count} échéances : {listed}.", "en": f"Payment in {count} instalments: {listed}."}[
        language
    ]


def _day(day: date, language: str) -> str:
    return day.strftime("%d/%m/%Y") if language == "fr" else day.isoformat()


def _percent(value: Decimal, language: str) -> str:
    return f"{_number(value, language)} %" if language == "fr" else f"{_number(value, language)}%"


def _number(value: Decimal, language: str, decimals: int | None = None) -> str:
    """Without zeros at the end, or with so many decimals."""
    text = format(value.normalize(), "f") if decimals is None else format(value, f".{decimals}f")
    return text.replace(".", ",") if language == "fr" else text
