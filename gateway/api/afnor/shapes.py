"""Flows in the shapes of XP Z12-013 1.3.0: FullFlowInfo, Flow, and the acknowledgement from a document's findings.

A broken rule is told by its own id (the list of reason codes is open); the standard's codes stand where they say the
same: InvalidSchema, AlreadyExistingFlow, InvoiceLCRuleError, OtherTechnicalError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.api.afnor.checks import SYNTAXES
from gateway.stages import deliver
from gateway.store.flows import ERROR, STATUS_MESSAGE, UNDEFINED, Flow

DETAILS_LIMIT = 50
"""Details of one acknowledgement; what is beyond is counted in a last one."""
_MESSAGE_LIMIT = 1_000

_DUPLICATES = ("HOUSE-NUMBER-USED", "HOUSE-RECEIVED-TWICE")


def flow_id(flow: Flow) -> str:
    """The document's id, and for a status message received for it the number of its event behind that."""
    return f"{flow.document_id}-{flow.seq}" if flow.seq else str(flow.document_id)


def full_info(flow: Flow, sha256: str) -> dict[str, Any]:
    """FullFlowInfo: the answer to who handed a flow in."""
    shape = {"flowId": flow_id(flow), "submittedAt": stamp(flow.submitted_at), "sha256": sha256}
    assert flow.info is not None, "it was handed in as a flow"
    given = {
        "trackingId": flow.info.tracking_id,
        "name": flow.info.name,
        "processingRule": flow.info.rule,
        "flowSyntax": flow.info.syntax,
        "flowProfile": flow.info.profile,
    }
    return shape | {name: value for name, value in given.items() if value is not None}


def whole(flow: Flow, report: Mapping[str, Any] | None) -> dict[str, Any]:
    """Flow. `report` is the newest report on its document, None when there is none or it is not needed."""
    tracked = flow.info is not None and flow.info.tracking_id is not None
    return {
        "flowId": flow_id(flow),
        **({"trackingId": flow.info.tracking_id} if tracked and flow.info else {}),
        "name": name(flow),
        "submittedAt": stamp(flow.submitted_at),
        "updatedAt": stamp(flow.updated_at),
        "flowSyntax": syntax(flow),
        "flowProfile": profile(flow),
        "flowType": flow.type,
        "flowDirection": flow.direction,
        "processingRule": flow.rule,
        "processingRuleSource": "Input" if flow.info and flow.info.rule not in (None, UNDEFINED) else "Computed",
        "acknowledgement": _acknowledgement(flow, report),
    }


def name(flow: Flow) -> str:
    """The file's name as given, else after the document's number, or the message's."""
    if flow.info is not None and flow.info.name:
        return flow.info.name
    number = flow.number or str(flow.parsed.get("message") or flow.document_id)
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in number)[:80]
    if flow.seq:
        return f"{plain}_{flow.code or 'status'}.xml"
    return f"{plain}.pdf" if syntax(flow) == "Factur-X" else f"{plain}.xml"


def syntax(flow: Flow) -> str:
    """flowSyntax: of the file that docType=Original gives."""
    if flow.seq:
        return "CDAR"
    return {"json": "CII", "pdf": "Factur-X"}.get(flow.format) or SYNTAXES.get(flow.format, "CII")


def profile(flow: Flow) -> str:
    """flowProfile: as given, else by the document's own (BT-24)."""
    if flow.seq or flow.format == STATUS_MESSAGE:
        return UNDEFINED
    if flow.info is not None and flow.info.profile is not None:
        return flow.info.profile
    return deliver.flow_profile(str(flow.parsed.get("profile", ""))) or UNDEFINED


def stamp(at: datetime) -> str:
    """An instant as RFC 3339 in UTC with microseconds, always: texts compare as their instants do."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _acknowledgement(flow: Flow, report: Mapping[str, Any] | None) -> dict[str, Any]:
    details = _of_status(flow) if flow.seq else _of_document(flow, report)
    return {"status": flow.ack} | ({"details": details} if details else {})


def _of_status(flow: Flow) -> list[dict[str, str]]:
    """What is wrong with a status message that was received: it counts all the same."""
    if flow.ack == ERROR:
        return [_detail("Error", "file", "InvalidSchema", "The message cannot be read as CDAR.")]
    return [
        _detail("Warning", "file", "InvoiceLCRuleError", f"The message breaks the rule {rule}.")
        for rule in flow.broken[:DETAILS_LIMIT]
    ]


def _of_document(flow: Flow, report: Mapping[str, Any] | None) -> list[dict[str, str]]:
    findings = list((report or {}).get("findings", []))
    fatal = flow.ack == ERROR
    shown = [_of_finding(flow, one, fatal) for one in findings[:DETAILS_LIMIT]]
    if len(findings) > DETAILS_LIMIT:
        more = f"There are {len(findings) - DETAILS_LIMIT} more findings."
        shown.append(_detail("Warning", "file", "OtherTechnicalError", more))
    if fatal and not any(one["level"] == "Error" for one in shown):
        says = f"The document ended: {flow.halted}."
        shown.insert(0, _detail("Error", "file", "OtherTechnicalError", says))
    return shown


def _of_finding(flow: Flow, finding: Mapping[str, Any], fatal: bool) -> dict[str, str]:
    level = "Error" if fatal and finding.get("severity") == "fatal" else "Warning"
    terms = ", ".join(_texts(finding.get("terms", ())))
    place = str(finding.get("path") or terms or "file")
    return _detail(level, place[:500], _reason_code(flow, finding), str(finding.get("says") or finding["rule"]))


def _texts(values: object) -> Iterable[str]:
    return [str(value) for value in values] if isinstance(values, list | tuple) else []


def _reason_code(flow: Flow, finding: Mapping[str, Any]) -> str:
    rule, layer = str(finding.get("rule", "")), str(finding.get("layer", ""))
    if "xsd" in layer or rule.startswith(("XSD", "XML-", "FORMAT-", "PDF-")):
        return "InvalidSchema"
    if rule in _DUPLICATES:
        return "AlreadyExistingFlow"
    if flow.format == STATUS_MESSAGE:
        return "InvoiceLCRuleError"
    return rule[:100] or "OtherTechnicalError"


def _detail(level: str, item: str, code: str, says: str) -> dict[str, str]:
    return {"level": level, "item": item, "reasonCode": code, "reasonMessage": says[:_MESSAGE_LIMIT]}
