"""The words of a reminder: French and English, from a service before the due date to a formal notice. Pure.

A letter is built of fixed sentences and a table; nothing of an invoice but its number, dates and amounts goes in, each
on one line. A formal notice (code civil, article 1344) names the debt, its cause and a time to pay in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from gateway.dunning import Tone

NOTICE_DAYS = 8
"""Days to pay in after a formal notice."""


@dataclass(frozen=True, slots=True)
class Line:
    """One invoice that a letter speaks of."""

    number: str
    issue_date: date
    due_date: date
    due: Decimal
    """What it asked for (BT-115)."""
    balance: Decimal
    """What is still owed."""
    interest: Decimal | None = None
    """Interest for late payment up to the letter's day; None: it is not told."""
    indemnity: Decimal = Decimal(0)
    """The fixed indemnity, in euro, told with the interest."""
    fee: Decimal = Decimal(0)
    pay_at: str = ""
    """A link to pay by; empty: there is none."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a letter is to be."""

    sender: str
    recipient: str
    """The customer's name; may be empty."""
    tone: Tone
    language: str
    currency: str
    on: date


_SUBJECTS: Mapping[str, Mapping[Tone, str]] = {
    "fr": {
        Tone.ADVANCE: "{sender} : échéance à venir, {numbers}",
        Tone.DUE: "{sender} : échéance ce jour, {numbers}",
        Tone.FRIENDLY: "{sender} : rappel, {numbers}",
        Tone.FIRM: "{sender} : deuxième rappel, {numbers}",
        Tone.LAST: "{sender} : dernier rappel avant mise en demeure, {numbers}",
        Tone.FORMAL: "{sender} : mise en demeure de payer, {numbers}",
    },
    "en": {
        Tone.ADVANCE: "{sender}: due soon, {numbers}",
        Tone.DUE: "{sender}: due today, {numbers}",
        Tone.FRIENDLY: "{sender}: reminder, {numbers}",
        Tone.FIRM: "{sender}: second reminder, {numbers}",
        Tone.LAST: "{sender}: last reminder before formal notice, {numbers}",
        Tone.FORMAL: "{sender}: formal notice to pay, {numbers}",
    },
}

_BODIES: Mapping[str, Mapping[Tone, str]] = {
    "fr": {
        Tone.ADVANCE: "Nous vous rappelons l'échéance prochaine ci-dessous. Si quelque chose manque pour la régler ou "
        "si vous contestez un point, répondez à ce message dès maintenant : nous le traiterons avant l'échéance.",
        Tone.DUE: "L'échéance ci-dessous est arrivée. Si le paiement est parti, ne tenez pas compte de ce message.",
        Tone.FRIENDLY: "Sauf erreur de notre part, nous n'avons pas encore reçu le paiement ci-dessous. Il s'agit "
        "sans doute d'un oubli. S'il est parti entre-temps, ne tenez pas compte de ce message.",
        Tone.FIRM: "Malgré notre rappel, la somme ci-dessous reste due. Merci de la régler sans délai, ou de "
        "nous dire ce qui s'y oppose.",
        Tone.LAST: "La somme ci-dessous reste due malgré nos rappels. Sans règlement ni réponse de votre part, nous "
        "vous adresserons une mise en demeure.",
        Tone.FORMAL: "Par la présente, nous vous mettons en demeure de payer la somme ci-dessous dans un délai de "
        "{days} jours à compter de ce jour (article 1344 du code civil). À défaut, nous engagerons les démarches de "
        "recouvrement sans autre avis.",
    },
    "en": {
        Tone.ADVANCE: "The amount below falls due soon. If anything is missing for its payment, or if you disagree "
        "with it, please answer this message now: we shall deal with it before the due date.",
        Tone.DUE: "The amount below is due today. If the payment has left, please disregard this message.",
        Tone.FRIENDLY: "Unless we are mistaken, we have not received the payment below yet. It may have been "
        "overlooked. If it has left meanwhile, please disregard this message.",
        Tone.FIRM: "In spite of our reminder the amount below is still owed. Please pay it without delay, or tell us "
        "what stands in the way.",
        Tone.LAST: "The amount below is still owed in spite of our reminders. Without payment or an answer from you we "
        "shall serve a formal notice.",
        Tone.FORMAL: "We hereby give you formal notice to pay the amount below within {days} days of this day. Failing "
        "this, we shall begin recovery without further notice.",
    },
}

_WORDS: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "hello": "Bonjour,",
        "to": "À l'attention de {name},",
        "line": "Facture {number} du {issued}, échéance {due} : {balance} {currency}",
        "part": " (sur {whole} {currency})",
        "fee": "  frais convenus : {amount} {currency}",
        "interest": "  intérêts de retard au {on} : {amount} {currency} ; indemnité forfaitaire de recouvrement : "
        "{indemnity} EUR (article L441-10 du code de commerce)",
        "pay": "  payer en ligne : {link}",
        "total": "Total à payer : {amount} {currency}",
        "enclosed": "Ci-joint : {what}. Les coordonnées de paiement y figurent.",
        "enclosed_one": "la facture",
        "enclosed_many": "les {count} factures",
        "bye": "Cordialement,",
    },
    "en": {
        "hello": "Dear customer,",
        "to": "For the attention of {name},",
        "line": "Invoice {number} of {issued}, due {due}: {balance} {currency}",
        "part": " (of {whole} {currency})",
        "fee": "  agreed fee: {amount} {currency}",
        "interest": "  interest for late payment up to {on}: {amount} {currency}; fixed indemnity for recovery: "
        "{indemnity} EUR (French commercial code, article L441-10)",
        "pay": "  pay online: {link}",
        "total": "Total to pay: {amount} {currency}",
        "enclosed": "Enclosed: {what}. Payment details are on it.",
        "enclosed_one": "the invoice",
        "enclosed_many": "the {count} invoices",
        "bye": "Kind regards,",
    },
}

_WITH_COSTS = (Tone.LAST, Tone.FORMAL)
"""Tones that tell interest and indemnity, and ask for them in a formal notice."""


def tells_costs(tone: Tone) -> bool:
    """Whether a letter of this tone tells interest and indemnity."""
    return tone in _WITH_COSTS


def subject(lines: Sequence[Line], wish: Wish) -> str:
    """The subject of a letter."""
    numbers = ", ".join(_plain(line.number) for line in lines[:3]) + (", …" if len(lines) > 3 else "")
    return _SUBJECTS[wish.language][wish.tone].format(sender=_plain(wish.sender), numbers=numbers)


def text(lines: Sequence[Line], wish: Wish, enclosed: int) -> str:
    """The body of a letter; `enclosed`: how many invoices come with it."""
    words = _WORDS[wish.language]
    told = [words["to"].format(name=_plain(wish.recipient)) if wish.recipient else words["hello"], ""]
    told += [_BODIES[wish.language][wish.tone].format(days=NOTICE_DAYS), ""]
    for line in lines:
        told += _line(line, wish)
    total = sum((_asked(line, wish) for line in lines), Decimal(0))
    told += ["", words["total"].format(amount=amount(total, wish.language), currency=wish.currency), ""]
    if enclosed:
        what = words["enclosed_one"] if enclosed == 1 else words["enclosed_many"].format(count=enclosed)
        told += [words["enclosed"].format(what=what), ""]
    return "\n".join([*told, words["bye"], _plain(wish.sender), ""])


def _line(line: Line, wish: Wish) -> list[str]:
    words, language = _WORDS[wish.language], wish.language
    first = words["line"].format(
        number=_plain(line.number),
        issued=day(line.issue_date, language),
        due=day(line.due_date, language),
        balance=amount(line.balance, language),
        currency=wish.currency,
    )
    if line.balance != line.due:
        first += words["part"].format(whole=amount(line.due, language), currency=wish.currency)
    told = [first]
    if line.fee:
        told.append(words["fee"].format(amount=amount(line.fee, language), currency=wish.currency))
    if line.interest is not None:
        told.append(
            words["interest"].format(
                on=day(wish.on, language),
                amount=amount(line.interest, language),
                currency=wish.currency,
                indemnity=amount(line.indemnity, language),
            )
        )
    if line.pay_at:
        told.append(words["pay"].format(link=line.pay_at))
    return told


def _asked(line: Line, wish: Wish) -> Decimal:
    """What the total asks for: the debt and the agreed fee; the costs of delay in a formal notice only."""
    costs = Decimal(0)
    if wish.tone is Tone.FORMAL and line.interest is not None:
        costs = line.interest + (line.indemnity if wish.currency == "EUR" else 0)
    return line.balance + line.fee + costs


def amount(value: Decimal, language: str) -> str:
    """An amount as people write it."""
    written = f"{value:,.2f}" if value == value.quantize(Decimal("0.01")) else f"{value:,f}"
    return written.replace(",", "\u202f").replace(".", ",") if language == "fr" else written


def day(value: date, language: str) -> str:
    """A day as people write it."""
    return value.strftime("%d/%m/%Y") if language == "fr" else value.strftime("%d %B %Y").lstrip("0")


def _plain(value: str) -> str:
    """A text on one line, without what cannot be printed."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in value).split())[:200]
