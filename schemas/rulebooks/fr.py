"""France (XP Z12-012): the profile EXTENDED-CTC-FR, and BR-FR-Flux2, the rules for invoices between French businesses.

BR-FR is a layer over the base rules and is applied when the caller asks for it: a document from or to elsewhere owes it
nothing. EXTENDED-CTC-FR replaces the base rules where BT-24 declares it, in CII and in UBL.
"""

from __future__ import annotations

import datetime

from schemas.rulebook import Artefact, Kind, Rules

EXTENDED_CTC_FR = "urn:cen.eu:en16931:2017#conformant#urn.cpro.gouv.fr:1p0:extended-ctc-fr"
"""BT-24 of the French extension."""

_SINCE = datetime.date(2026, 9, 1)
_PUBLISHER = "FNFE-MPE"


def _sheet(layer: str, edition: str, file: str) -> Rules:
    return Rules(layer, Artefact(Kind.SCHEMATRON, _PUBLISHER, edition, file, _SINCE))


EXTENDED_CII = _sheet("extended-ctc-fr", "EXTENDED-CTC-FR CII 1.4.0", "cii-extended-ctc-fr/EXTENDED-CTC-FR-CII.xslt")
EXTENDED_UBL = _sheet("extended-ctc-fr", "EXTENDED-CTC-FR UBL 1.4.0", "ubl-2.1/EXTENDED-CTC-FR-UBL.xslt")
BR_FR_CII = _sheet("br-fr", "BR-FR-Flux2 CII 1.4.0", "cii-schematron-fr-ctc/BR-FR-Flux2-Schematron-CII.xslt")
BR_FR_UBL = _sheet("br-fr", "BR-FR-Flux2 UBL 1.4.0", "ubl-2.1/BR-FR-Flux2-Schematron-UBL.xslt")
