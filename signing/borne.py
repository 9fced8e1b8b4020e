"""What the seals that a document bears are worth, whatever its form."""

from __future__ import annotations

from datetime import datetime

from signing import pdf, pdf_verdict, xml_verdict
from signing.trust import Trust
from signing.verdict import Verdict


def verified(data: bytes, trust: Trust, now: datetime) -> Verdict | None:
    """The verdict on the seals of a PDF or an XML, None when it bears none. Not for where an event loop runs."""
    if data.startswith(b"%PDF-"):
        return pdf_verdict.verify(data, trust, now) if pdf.bears_seal(data) else None
    return xml_verdict.verify(data, trust, now).verdict if xml_verdict.bears_seal(data) else None
