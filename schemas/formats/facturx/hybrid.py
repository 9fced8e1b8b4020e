"""What the standards ask of a hybrid PDF beside its XML: names, levels and claims that have to agree with it.

Factur-X 1 and ZUGFeRD 2 (one standard under two names), ZUGFeRD 1, XRechnung inside a PDF, and Order-X each give the
attachment its name and say what the XMP claims. A difference does not change what the XML says, but readers go by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.formats.facturx import xmp
from schemas.formats.facturx.examination import Attachment
from schemas.formats.facturx.pdfa import DATA_ONLY, version_of

_ZF2 = "urn:zugferd:pdfa:CrossIndustryDocument:invoice:2p0#"
_ZF1 = "urn:ferd:pdfa:CrossIndustryDocument:invoice:1p0#"
_OX = "urn:factur-x:pdfa:CrossIndustryDocument:1p0#"
_XML = ("text/xml", "application/xml")
_ANY = ("Data", "Source", "Alternative")
_ORDERS = {"220": "ORDER", "230": "ORDER_CHANGE", "231": "ORDER_RESPONSE"}


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the XMP says of the XML; a text is empty where nothing is said."""

    namespace: str
    type: str
    file_name: str
    version: str
    level: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that PDF and XML say differently."""

    what: str
    """xmp, type, level, version, namespace, file-name, standard-name, relationship, media-type, associated."""
    claimed: str
    """What the PDF says; empty when nothing."""
    expected: str
    """What follows from the XML and its standard."""


@dataclass(frozen=True, slots=True)
class Standard:
    """What a profile asks for."""

    name: str = ""
    """The profile for people; empty when it is not known."""
    level: str = ""
    """ConformanceLevel; empty when the standard has none for it."""
    namespaces: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """What the attachment may be called."""
    version: str = ""
    """Empty when the profile does not tell it."""
    type: str = ""
    """Empty where the type of the document decides."""

    @property
    def known(self) -> bool:
        """Whether there is anything to hold a PDF against."""
        return bool(self.level)


def standard_of(format_name: str, profile: str) -> Standard:
    """What a document of a format (cii, order-x, zugferd-1, …) and profile (BT-24) asks for; nothing when unknown."""
    name, level = _named(profile.lower())
    family = _FAMILIES.get(format_name)
    if family is None or not level:
        return Standard(name)
    namespaces, names, kind = family
    if level == "XRECHNUNG":
        version = version_of(profile)
        return Standard(name, level, namespaces, ("xrechnung.xml",), "" if version == "1.0" else version, kind)
    return Standard(name, level, namespaces, names, "1.0", kind)


_FAMILIES = {
    "cii": ((xmp.FX, _ZF2), ("factur-x.xml", "zugferd-invoice.xml"), "INVOICE"),
    "zugferd-1": ((_ZF1,), ("ZUGFeRD-invoice.xml",), "INVOICE"),
    "order-x": ((_OX,), ("order-x.xml",), ""),
}
"""Format → namespaces of the XMP, names of the attachment, type of the document (empty: its code decides)."""

_LEVELS = {"minimum": "MINIMUM", "basicwl": "BASIC WL", "basic": "BASIC", "en16931": "EN 16931", "extended": "EXTENDED",
           "comfort": "COMFORT", "komfort": "COMFORT"}  # fmt: skip
_PROFILES = (
    (re.compile(r"urn:cen\.eu:en16931:2017"), "EN 16931", "EN 16931"),
    (re.compile(r".*extended-ctc-fr"), "EXTENDED-CTC-FR", "EXTENDED"),
    (re.compile(r".*xrechnung(?:[_:](?P<version>\d\.\d))?.*extension.*"), "XRechnung Extension {version}", "XRECHNUNG"),
    (re.compile(r".*xrechnung(?:_(?P<version>\d\.\d))?"), "XRechnung {version}", "XRECHNUNG"),
    (re.compile(r".*peppol\.eu.*:(?P<kind>self)?billing:3\.0.*"), "Peppol BIS {kind} 3", ""),
    (re.compile(r".*en16931-ctc-fr"), "EN 16931 CTC-FR", "EN 16931"),
    (re.compile(r".*cius-ro:(?P<version>[\d.]+)"), "CIUS-RO {version}", "EN 16931"),
    (re.compile(r"urn\.cpro\.gouv\.fr:1p0:cdv:.*"), "CDV", ""),
    (re.compile(r"(?:.*[#:])?factur-x\.eu:1p0:(?P<level>\w+)"), "Factur-X {level}", "{level}"),
    (re.compile(r"(?:.*[#:])?zugferd\.de:2p\d:(?P<level>\w+)"), "ZUGFeRD 2 {level}", "{level}"),
    (re.compile(r"urn:ferd:.*:1p0:(?P<level>\w+)"), "ZUGFeRD 1 {level}", "{level}"),
    (re.compile(r"urn:order-x\.eu:1p0:(?P<level>\w+)"), "Order-X {level}", "{level}"),
)
"""Shape of a profile in small letters, its name for people, its level; from the first that fits."""


def _named(profile: str) -> tuple[str, str]:
    """Name and level of a profile; empty when it is not known."""
    for shape, name, level in _PROFILES:
        found = shape.fullmatch(profile)
        if found is None:
            continue
        parts = found.groupdict()
        said = _LEVELS.get(parts.get("level") or "", "")
        if "{level}" in name and not said:
            return "", ""
        kind = "Self-Billing" if parts.get("kind") else "Billing"
        told = {"level": said, "version": parts.get("version") or "", "kind": kind}
        return name.format(**told).strip(), level.format(**told)
    return "", ""


def mismatches(
    claims: xmp.Claims, described: bool, taken: Attachment, standard: Standard, type_code: str
) -> tuple[Mismatch, ...]:
    """Where the PDF differs from its XML. `described`: whether there is an XMP packet; `type_code`: of an order."""
    return (*_of_xmp(claims, described, taken, standard, type_code), *_of_attachment(taken, standard))


def _of_xmp(
    claims: xmp.Claims, described: bool, taken: Attachment, standard: Standard, type_code: str
) -> Iterator[Mismatch]:
    if not claims.namespace:
        yield Mismatch("xmp", "" if not described else "no properties of a hybrid document", standard.namespaces[0])
        return
    kind = standard.type or _ORDERS.get(type_code, "")
    pairs = (
        ("namespace", claims.namespace, standard.namespaces),
        ("type", claims.document_type, (kind,) if kind else ()),
        ("file-name", claims.file_name, (taken.name,)),
        ("version", claims.version, (standard.version,) if standard.version else ()),
        ("level", claims.level, (standard.level,)),
    )
    for what, claimed, expected in pairs:
        if expected and claimed not in expected:
            yield Mismatch(what, claimed, expected[0])


def _of_attachment(taken: Attachment, standard: Standard) -> Iterator[Mismatch]:
    relationships = ("Data",) if standard.level in DATA_ONLY else _ANY
    if taken.name not in standard.names:
        yield Mismatch("standard-name", taken.name, standard.names[0])
    if taken.relationship not in relationships:
        yield Mismatch("relationship", taken.relationship, " or ".join(relationships))
    if taken.media_type not in _XML:
        yield Mismatch("media-type", taken.media_type, _XML[0])
    if not taken.associated:
        yield Mismatch("associated", "", "listed in /AF of the document")
