"""A bank's file, whatever it is, into statements and findings: recognised by its content, never by its name."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

from schemas.bank import camt, cfonb, swift, table
from schemas.bank.statement import SIZE_LIMIT, Findings, Reading, checked, compact, finding
from schemas.bank.table import Mapping_
from schemas.xml import Unreadable

_FALLBACK = "iso-8859-1"
"""Of MT940 and CFONB files that are no UTF-8: what banks write, and no byte fails."""


def read(data: bytes, *, account: str = "", currency: str = "", mapping: Mapping_ | None = None) -> Reading:
    """All that a file says and all that is wrong with it.

    `account` is the one it should be of: it fills in where the file names none, and contradicts where it names another;
    `currency` fills in likewise.
    `mapping` is how a CSV is to be read; without one no CSV is.
    """
    if len(data) > SIZE_LIMIT:
        return Reading("", (), (finding("BANK-SIZE", found=len(data), expected=SIZE_LIMIT),))
    found = _read(data, mapping)
    wanted = compact(account)
    statements = tuple(
        replace(one, account=one.account or wanted, currency=one.currency or currency) for one in found.statements
    )
    findings = Findings(chain(found.findings, checked(statements, account=wanted)))
    return Reading(found.format, statements, findings.sorted())


def _read(data: bytes, mapping: Mapping_ | None) -> Reading:
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<":
        try:
            return camt.read(data)
        except Unreadable as unreadable:
            return Reading("", (), unreadable.findings)
    if data[:4] in (b"%PDF", b"PK\x03\x04"):
        return Reading("", (), (finding("BANK-FORMAT", found=data[:4].decode("latin-1")),))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode(_FALLBACK)
    if swift.recognised(text):
        return swift.read(text)
    if cfonb.recognised(text):
        return cfonb.read(text)
    if mapping is not None:
        return table.read(data, mapping)
    return Reading("", (), (finding("BANK-FORMAT"),))
