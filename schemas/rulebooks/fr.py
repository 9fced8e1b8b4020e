"""France (XP Z12-012): the profile EXTENDED-CTC-FR, the rules for invoices between French businesses (BR-FR-Flux2), for
status messages (BR-FR-CDV) and for e-reporting (flux 10).

BR-FR is a layer over the base rules and is applied when the caller asks for it: a document from or to elsewhere owes it
nothing. EXTENDED-CTC-FR replaces the base rules where BT-24 declares it, in CII and in UBL. Status messages and flux 10
are French in themselves; their XSD and rules come from the package pyfrctc, which an operator may install, or from the
operator's folder. Without either they stay unjudged.
"""

from __future__ import annotations

import datetime

from schemas.rulebook import Artefact, Kind, Rules

EXTENDED_CTC_FR = "urn:cen.eu:en16931:2017#conformant#urn.cpro.gouv.fr:1p0:extended-ctc-fr"
"""BT-24 of the French extension."""

_SINCE = datetime.date(2026, 9, 1)
_PUBLISHER = "FNFE-MPE"


def _sheet(layer: str, edition: str, file: str, name: str, sha256: str) -> Rules:
    return Rules(layer, Artefact(Kind.SCHEMATRON, _PUBLISHER, edition, file, _SINCE, name=name, sha256=sha256))


EXTENDED_CII = _sheet(
    "extended-ctc-fr",
    "EXTENDED-CTC-FR CII 1.4.0",
    "cii-extended-ctc-fr/EXTENDED-CTC-FR-CII.xslt",
    "extended-ctc-fr-cii",
    "023775cdcc33e0553785108c1bd27a0a6edff6af123b0168d61adc3790af6fa1",
)
EXTENDED_UBL = _sheet(
    "extended-ctc-fr",
    "EXTENDED-CTC-FR UBL 1.4.0",
    "ubl-2.1/EXTENDED-CTC-FR-UBL.xslt",
    "extended-ctc-fr-ubl",
    "22587cdcf262a1ea1fd4ec79c7cb319d1d493190a9c7da0be7e9eeaaa4dcc840",
)
BR_FR_CII = _sheet(
    "br-fr",
    "BR-FR-Flux2 CII 1.4.0",
    "cii-schematron-fr-ctc/BR-FR-Flux2-Schematron-CII.xslt",
    "br-fr-cii",
    "cbefb2f3983312508108ebf7323f2bb1a80bfe54fce5eb8774cf5358ce6336df",
)
BR_FR_UBL = _sheet(
    "br-fr",
    "BR-FR-Flux2 UBL 1.4.0",
    "ubl-2.1/BR-FR-Flux2-Schematron-UBL.xslt",
    "br-fr-ubl",
    "04bdb89cc07b3cdc7a50f987ec7c8749a872da49aae7b66b79f47b6de219ac27",
)

CDAR_XSD = Rules(
    "xsd",
    Artefact(
        Kind.XSD,
        "UN/CEFACT CDAR",
        "D22B",
        "cdar-xsd/CrossDomainAcknowledgementAndResponse_100pD22B.xsd",
        datetime.date(2022, 12, 1),
        name="xsd-cdar",
        package="pyfrctc",
        sha256="223577adc12442dfab9b095c71655752c14c55981803bbff181a47a0926cdbf3",
    ),
)
BR_FR_CDV = Rules(
    "br-fr-cdv",
    Artefact(
        Kind.SCHEMATRON,
        _PUBLISHER,
        "BR-FR-CDV 1.4.0",
        "cdar-schematron/BR-FR-CDV-Schematron-CDAR.xslt",
        _SINCE,
        name="br-fr-cdv",
        package="pyfrctc",
        sha256="9ccbc00d9ca34b74d24e882d737ed5f7c6c8c9ae8e56577e5534da4201837fb0",
    ),
)
FLUX10_XSD = Rules(
    "xsd",
    Artefact(
        Kind.XSD,
        "DGFiP flux 10",
        "3.2",
        "frr-xsd/ereporting.xsd",
        datetime.date(2026, 4, 30),
        name="xsd-flux10",
        package="pyfrctc",
        sha256="8363e0c088bd586fd65bb056a5e5746d505115b4afc77983b9499aee147b4e0d",
    ),
)
FLUX10 = Rules(
    "flux10",
    Artefact(
        Kind.SCHEMATRON,
        _PUBLISHER,
        "flux 10",
        "frr-schematron/Flux10.xslt",
        _SINCE,
        name="flux10",
        package="pyfrctc",
        sha256="0f333725236ac2c806dfac7321ee1e8d399b2066bb366a6b8f4bbe61b4e01100",
    ),
)
