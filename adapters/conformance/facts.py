"""What we know of the answers of XP Z12-013 1.3.0, for when the operator names no published file.

It is our own summary: which codes an operation may answer, and which members an answer must have.
"""

from __future__ import annotations

from typing import Any

SYNTAXES = ("CII", "UBL", "Factur-X", "CDAR", "FRR")
RULES = (
    "B2B", "B2BInt", "B2C", "B2G", "B2GInt", "OutOfScope", "B2GOutOfScope", "ArchiveOnly", "NotApplicable", "Undefined",
)  # fmt: skip
PROFILES = ("Basic", "CIUS", "Extended-CTC-FR", "Undefined")
TYPES = (
    "CustomerInvoice", "SupplierInvoice", "CustomerInvoiceLC", "SupplierInvoiceLC", "StateCustomerInvoiceLC",
    "StateSupplierInvoiceLC", "AggregatedCustomerTransactionReport", "UnitaryCustomerTransactionReport",
    "AggregatedCustomerPaymentReport", "UnitaryCustomerPaymentReport", "UnitarySupplierTransactionReport",
    "MultiFlowReport", "StateCustomerInvoice", "StateSupplierInvoice", "StateTransactionReport",
    "StateTransactionReportLC", "StatePaymentReport", "StatePaymentReportLC", "Undefined",
)  # fmt: skip

_TEXT: dict[str, Any] = {"type": "string"}
_ID: dict[str, Any] = {"type": "string", "maxLength": 64}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}


def _one_of(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


_DETAIL = _object(
    "item level reasonCode reasonMessage",
    item=_TEXT,
    level=_one_of("Error", "Warning"),
    reasonCode=_TEXT,
    reasonMessage=_TEXT,
)
_ACKNOWLEDGEMENT = _object(
    "status", status=_one_of("Pending", "Ok", "Error"), details={"type": "array", "minItems": 1, "items": _DETAIL}
)
_INFO: dict[str, Any] = {
    "flowId": _ID,
    "trackingId": _ID,
    "name": {"type": "string", "maxLength": 255},
    "submittedAt": _TIME,
    "flowSyntax": _one_of(*SYNTAXES),
    "processingRule": _one_of(*RULES),
    "flowProfile": _one_of(*PROFILES),
}
FULL_INFO = _object(
    "flowId submittedAt name flowSyntax", **_INFO, sha256={"type": "string", "pattern": "^[a-f0-9]{64}$"}
)
FLOW = _object(
    "flowId submittedAt name flowSyntax processingRule flowProfile acknowledgement flowDirection flowType "
    "processingRuleSource updatedAt",
    **_INFO,
    updatedAt=_TIME,
    flowType=_one_of(*TYPES),
    flowDirection=_one_of("In", "Out"),
    processingRuleSource=_one_of("Input", "Computed"),
    acknowledgement=_ACKNOWLEDGEMENT,
)
PAGE = _object(
    "results",
    limit={"type": "integer", "maximum": 100},
    nextCursor=_TEXT,
    filters={"type": "object"},
    results={"type": "array", "items": FLOW},
)
WEBHOOKS = _object("count", count={"type": "integer"}, webhooks={"type": "array", "items": {"type": "object"}})
WEBHOOK = _object(
    "webhookId signingKey", webhookId={"type": "string", "format": "uuid"}, signingKey=_TEXT, createdAt=_TIME
)
FOUND = _object(
    "results", totalNumberOfResults={"type": "integer"}, results={"type": "array", "items": {"type": "object"}}
)
ERROR = _object("errorCode", errorCode=_TEXT, errorMessage=_TEXT, type=_TEXT, instance=_TEXT, details=_TEXT)

_EVERYWHERE = (400, 401, 403, 500, 503)
_DIRECTORY = (*_EVERYWHERE, 404, 408, 422, 429, 501)


def _operation(good: dict[int, dict[str, Any] | None], bad: tuple[int, ...], *, file: bool = False) -> dict[str, Any]:
    responses: dict[str, Any] = {str(code): {"content": {"application/json": {"schema": ERROR}}} for code in bad}
    for code, schema in good.items():
        content = {} if schema is None else {"application/json": {"schema": schema}}
        if file:
            content["application/octet-stream"] = {}
        responses[str(code)] = {"content": content} if content else {}
    return {"responses": responses}


FLOW_SERVICE: dict[str, Any] = {
    "paths": {
        "/v1/flows": {"post": _operation({202: FULL_INFO}, (*_EVERYWHERE, 413, 422, 429))},
        "/v1/flows/search": {"post": _operation({200: PAGE}, (*_EVERYWHERE, 422, 429))},
        "/v1/flows/{flowId}": {"get": _operation({200: FLOW}, (*_EVERYWHERE, 404, 429), file=True)},
        "/v1/webhooks": {
            "get": _operation({200: WEBHOOKS}, (*_EVERYWHERE, 429)),
            "post": _operation({201: WEBHOOK}, (*_EVERYWHERE, 422, 429)),
        },
        "/v1/webhooks/{webhookUid}": {"delete": _operation({204: None}, (*_EVERYWHERE, 404, 429))},
        "/v1/healthcheck": {"get": _operation({200: None}, _EVERYWHERE)},
    }
}
DIRECTORY_SERVICE: dict[str, Any] = {
    "paths": {
        **{
            f"/v1/{what}/search": {"post": _operation({200: FOUND}, _DIRECTORY)}
            for what in ("siren", "siret", "routing-code", "directory-line")
        },
        **{
            path: {"get": _operation({200: {"type": "object"}}, _DIRECTORY)}
            for path in (
                "/v1/siren/code-insee:{siren}",
                "/v1/siret/code-insee:{siret}",
                "/v1/routing-code/siret:{siret}/code:{routing-identifier}",
                "/v1/directory-line/code:{addressing-identifier}",
            )
        },
        "/v1/healthcheck": {"get": _operation({200: None}, _EVERYWHERE)},
    }
}
