"""UN/CEFACT Cross Industry Invoice (CII D22B): the table of EN 16931-3-3 and Factur-X EXTENDED, and the format of it.

Reads every Factur-X level, XRechnung and plain EN 16931, and writes what the invoice has, in the order of the D22B
schema; D16B has the same namespaces and order. What a profile has no place for is taken out before, by
`schemas.profiles`. The tag names and their order are the schema's; the field names are those of `schemas.invoice`.
Where the document is cut differently from the model, the functions of `views` say how.
"""

from __future__ import annotations

from schemas.binding import Binding, Group, Leaf, Node
from schemas.format import Format
from schemas.formats.cii.header import AGREEMENT, DELIVERY, SETTLEMENT
from schemas.formats.cii.line import LINE
from schemas.formats.cii.syntax import SYNTAX, day

_ROOT = "rsm:CrossIndustryInvoice"

_CONTEXT = Group(
    "rsm:ExchangedDocumentContext",
    (
        Leaf("ram:TestIndicator/udt:Indicator", "is_test"),
        Leaf("ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID", "process"),
        Leaf("ram:GuidelineSpecifiedDocumentContextParameter/ram:ID", "profile"),
    ),
    required=True,
)

_DOCUMENT = Group(
    "rsm:ExchangedDocument",
    (
        Leaf("ram:ID", "number"),
        Leaf("ram:Name", "document_name"),
        Leaf("ram:TypeCode", "type_code"),
        day("ram:IssueDateTime", "issue_date"),
        Leaf("ram:CopyIndicator/udt:Indicator", "is_copy"),
        Leaf("ram:LanguageID", "language"),
        Group(
            "ram:IncludedNote",
            (Leaf("ram:ContentCode", "code"), Leaf("ram:Content", "text"), Leaf("ram:SubjectCode", "subject")),
            "notes",
        ),
        Group("ram:EffectiveSpecifiedPeriod", (day("ram:CompleteDateTime", "contractual_due_date"),)),
    ),
    required=True,
)

TABLE: tuple[Node, ...] = (
    _CONTEXT,
    _DOCUMENT,
    Group("rsm:SupplyChainTradeTransaction", (LINE, AGREEMENT, DELIVERY, SETTLEMENT), required=True),
)

_BINDING = Binding(SYNTAX, _ROOT, TABLE)

FORMAT = Format(
    name="cii",
    title="UN/CEFACT Cross Industry Invoice (CII D22B)",
    media_type="application/xml",
    root=(SYNTAX.namespaces["rsm"], "CrossIndustryInvoice"),
    read=_BINDING.read,
    write=_BINDING.write,
)
