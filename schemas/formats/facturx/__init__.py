"""The hybrid format: a readable PDF/A-3 page that carries its invoice as XML (Factur-X 1.09, ZUGFeRD 2.5).

What makes one is imported when one is made: reading and judging, which is all that most processes do, start without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from typst import TypstError

from schemas.finding import Finding, Severity
from schemas.formats.facturx.extract import Embedded
from schemas.formats.facturx.logo import read as read_logo
from schemas.formats.facturx.presentation import PLAIN, Presentation
from schemas.invoice import Invoice
from schemas.xml import Unreadable

NAME = "facturx"
SUBMITTED = "submitted.pdf"
"""Name under which a supplied PDF that cannot be the page goes along with ours."""


@dataclass(frozen=True, slots=True)
class Made:
    """A Factur-X, and what became of a PDF that the caller supplied as its page."""

    pdf: bytes
    preventions: tuple[Finding, ...] = ()
    """Why the supplied PDF is not the page but goes along as an attachment; empty where it is, or there is none."""
    replaced: tuple[str, ...] = ()
    """Names of the invoices that the supplied PDF carried and that the new one replaces."""


def build(
    invoice: Invoice,
    xml: bytes,
    *,
    language: str = "fr",
    created: datetime,
    supplied: bytes | None = None,
    presentation: Presentation = PLAIN,
) -> bytes:
    """As `make`, without what became of the supplied PDF."""
    return make(invoice, xml, language=language, created=created, supplied=supplied, presentation=presentation).pdf


def make(
    invoice: Invoice,
    xml: bytes,
    *,
    language: str = "fr",
    created: datetime,
    supplied: bytes | None = None,
    presentation: Presentation = PLAIN,
) -> Made:
    """A Factur-X of an invoice: our page, or the caller's own PDF where it can be made PDF/A-3 as it looks.

    Where it cannot, our page is used and the supplied PDF goes along as an attachment. Raises Unreadable where the
    supplied PDF is damaged, encrypted or active (such a file is passed on to nobody), and pdfa.NotPdfA when what was
    made does not pass the check, which is a defect of ours.
    """
    from schemas.formats.facturx import page, pdfa, sheet, wrapping

    title, author = sheet.title(invoice, language), invoice.seller.name or "-"
    described = pdfa.Description(invoice.profile, title, author, created, language)
    attachments, preventions = _attachments(invoice), tuple[Finding, ...]()
    if supplied is not None:
        try:
            wrapped = wrapping.wrap(supplied, xml, described, attachments)
        except Unreadable as refused:
            if not wrapping.prevented(refused):
                raise
            preventions = refused.findings
        else:
            return Made(wrapped.pdf, replaced=wrapped.replaced)
        attachments = (Embedded(SUBMITTED, "application/pdf", supplied, "Source", "as submitted"), *attachments)
    made = page.typeset(invoice, language=language, created=created, presentation=presentation)
    return Made(pdfa.attach(made, xml, described, attachments), preventions)


def prove(presentation: Presentation) -> Presentation:
    """What to keep of it: a Factur-X was made with it, so that no logo keeps a document from being built later.

    A drawing that the strict check cannot follow, as one with gradients, becomes a picture. Raises Unreadable.
    """
    from schemas.formats.facturx import page, pdfa

    try:
        _make_specimen(presentation)
    except pdfa.NotPdfA as refused:
        drawing = presentation.logo
        if drawing is None or drawing.format != "svg":
            raise _unfit() from refused
        pictured = replace(presentation, logo=read_logo(page.picture(drawing), drawing.text))
        try:
            _make_specimen(pictured)
        except (TypstError, pdfa.NotPdfA) as again:
            raise _unfit() from again
        return pictured
    except TypstError as refused:
        raise _unfit() from refused
    return presentation


def _make_specimen(presentation: Presentation) -> None:
    build(_SPECIMEN, b"<invoice/>", created=datetime(2000, 1, 1, tzinfo=UTC), presentation=presentation)


def _unfit() -> Unreadable:
    says = "The logo cannot be drawn in a PDF/A; it may be damaged."
    fix = "Save it anew as PNG or as plain SVG, in RGB."
    return Unreadable((Finding("HOUSE-LOGO", Severity.FATAL, "house", says, fix=fix),))


_SPECIMEN = Invoice(number="-", type_code="380", currency="EUR", profile="urn:cen.eu:en16931:2017")


def _attachments(invoice: Invoice) -> tuple[Embedded, ...]:
    """The supporting documents (BG-24) that the invoice brings along."""
    return tuple(
        Embedded(
            one.filename or one.id,
            one.media_type or "application/octet-stream",
            one.content,
            "Supplement",
            one.description or one.id,
        )
        for one in invoice.attachments
        if one.content
    )
