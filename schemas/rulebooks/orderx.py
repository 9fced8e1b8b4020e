"""Order-X 1.0, three profiles: which XSD an order answers to, told by the profile it declares.

An order is its buyer's document, and a seller delivers it also where it breaks rules; so what is said here is for the
seller to know. A profile that Order-X does not know is judged by the richest. The rules that Order-X publishes beside
its XSD are compiled for XSLT 1.0, which counts and compares otherwise than our engine; they are not run, and no order
is called valid by them.
"""

from __future__ import annotations

import datetime

from schemas.rulebook import Artefact, Kind, Rules

PROFILES = {
    "urn:order-x.eu:1p0:basic": "basic",
    "urn:order-x.eu:1p0:comfort": "comfort",
    "urn:order-x.eu:1p0:extended": "extended",
}
"""Profile as declared → its name."""


def xsd(profile: str) -> Rules:
    """The XSD for an order of this profile."""
    level = PROFILES.get(profile, "extended")
    file = f"orderx-{level}/SCRDMCCBDACIOMessageStructure_100pD20B.xsd"
    return Rules(
        "xsd",
        Artefact(Kind.XSD, "Order-X", f"1.0 {level}", file, datetime.date(2021, 6, 1), name=f"xsd-orderx-{level}"),
    )
