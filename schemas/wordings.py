"""How pages name the terms of an invoice, and the months, in the languages of Europe that invoices come in.

Only labels that name one term and no other are here: a label that could mean two things would accuse an honest page.
"""

from __future__ import annotations

from collections.abc import Mapping

MONTHS = (
    "janvier january januar jänner gennaio enero januari janeiro styczeń stycznia",
    "février february februar feber febbraio febrero februari fevereiro luty lutego",
    "mars march märz marzo maart março marzec marca mrz mrt",
    "avril april aprile abril kwiecień kwietnia",
    "mai may maggio mayo mei maio maj maja",
    "juin june juni giugno junio junho czerwiec czerwca",
    "juillet july juli luglio julio julho lipiec lipca",
    "août aout august agosto augustus sierpień sierpnia",
    "septembre september settembre septiembre setembro wrzesień września",
    "octobre october oktober ottobre octubre outubro październik października",
    "novembre november noviembre novembro listopad listopada",
    "décembre december dezember dicembre diciembre dezembro grudzień grudnia",
)
"""January to December: each name in French, English, German, Italian, Spanish, Dutch, Portuguese and Polish."""

LABELS: Mapping[str, tuple[str, ...]] = {
    "BT-1": (
        *("facture n°", "facture no", "facture numéro", "numéro de facture", "n° de facture", "n° facture"),
        *("invoice number", "invoice no", "invoice no.", "invoice n°", "invoice #"),
        *("rechnungsnummer", "rechnungs-nr.", "rechnungs-nr", "rechnungsnr.", "rechnung nr.", "rechnung nr"),
        *("numero fattura", "fattura n.", "número de factura", "factura n.º", "factuurnummer", "numer faktury"),
    ),
    "BT-2": (
        *("date de facture", "date de la facture", "date facture", "date d'émission"),
        *("invoice date", "date of issue", "issue date", "invoice issue date"),
        *("rechnungsdatum", "belegdatum", "ausstellungsdatum"),
        *("data fattura", "fecha de factura", "fecha de emisión", "factuurdatum", "data wystawienia"),
    ),
    "BT-9": (
        *("date d'échéance", "échéance", "date limite de paiement", "à payer avant le", "à régler avant le"),
        *("due date", "payment due date", "payment due", "pay by", "payable by", "due on"),
        *("fälligkeitsdatum", "fälligkeit", "fällig am", "zahlbar bis"),
        *("data scadenza", "scadenza", "fecha de vencimiento", "vencimiento", "vervaldatum", "termin płatności"),
    ),
    "BT-109": (
        *("total ht", "total h.t.", "montant ht", "montant total ht", "total hors taxes", "total net ht"),
        *("total without vat", "total excl. vat", "total before tax", "total excluding vat", "net total"),
        *(
            "gesamtbetrag netto",
            "gesamtnetto",
            "summe netto",
            "nettosumme",
            "rechnungssumme ohne ust.",
            "totale imponibile",
        ),
    ),
    "BT-110": (
        *(
            "total tva",
            "total t.v.a.",
            "montant tva",
            "montant total tva",
            "montant de la tva",
            "total vat",
            "vat total",
        ),
        *("gesamtbetrag ust", "summe umsatzsteuer", "umsatzsteuer gesamt", "steuergesamtbetrag"),
    ),
    "BT-112": (
        *("total ttc", "total t.t.c.", "montant ttc", "montant total ttc", "total toutes taxes comprises"),
        *("total with vat", "total incl. vat", "total including vat", "grand total"),
        *("gesamtbetrag brutto", "bruttosumme", "gesamtbrutto", "rechnungssumme inkl. ust.", "bruttobetrag"),
    ),
    "BT-115": (
        *("net à payer", "montant à payer", "reste à payer", "montant dû", "solde à payer"),
        *("amount due", "balance due", "amount payable", "amount due for payment"),
        *("zahlbetrag", "zahlungsbetrag", "fälliger betrag", "zu zahlender betrag", "importo dovuto"),
    ),
}
"""Term → the labels that name it on pages."""
