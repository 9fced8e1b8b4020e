"""Flux 10, the French e-reporting of transactions and payments to the public portal (DGFiP, annexe 6): recognised only.

It has no namespace, and its root has a common name; so what stands first inside is looked at too.
"""

from __future__ import annotations

from schemas.format import Message

FORMAT = Message(
    name="flux10",
    title="flux 10 (e-reporting)",
    root=("", "Report"),
    first=("ReportDocument", "TransactionsReport", "PaymentsReport"),
    day="ReportDocument/IssueDateTime/DateTimeString",
)
