"""The HTTP API: the application, and its route table with every address on one page.

`openapi.yaml` is its contract; a test holds the two against each other. Documents are never parsed on the event loop,
request bodies are never decompressed, and every address but those marked open has a guard (`auth`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from gateway.api import (
    accounts,
    addresses,
    archive,
    branding,
    contents,
    conversions,
    deliveries,
    description,
    directory,
    documents,
    exports,
    feed,
    health,
    inbound,
    inspections,
    metrics,
    oauth,
    orders,
    paying,
    payment_terms,
    payments,
    problems,
    proofs,
    receivables,
    reference,
    reminders,
    retention,
    statements,
    statuses,
    validations,
    webhooks,
)
from gateway.api.afnor import answers as national
from gateway.api.afnor import directory as national_directory
from gateway.api.afnor import flows
from gateway.api.afnor import webhooks as flow_webhooks
from gateway.api.auth import Route, guarded
from gateway.api.feed import FEED, Feed
from gateway.api.keys import CLOSING, EXPORTING, PEPPER, PROVING, RESOURCES, RING, SETTINGS
from gateway.api.limits import LIMITS, Limits
from gateway.api.metrics import METRICS, Metrics
from gateway.resources import Resources
from gateway.settings import Settings
from gateway.stages.receive import SIZE_LIMIT
from gateway.store.accounts import Scope

OPEN = None
"""No credential is asked for."""

ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/documents", documents.submit, Scope.SUBMIT),
    Route("GET", "/v1/documents", documents.listed, Scope.READ),
    Route("GET", "/v1/documents/{id}", documents.read, Scope.READ),
    Route("POST", "/v1/documents/{id}/seen", inbound.mark_seen, Scope.SUBMIT),
    Route("GET", "/v1/documents/{id}/events", documents.events, Scope.READ),
    Route("GET", "/v1/documents/{id}/report", documents.report, Scope.READ),
    Route("GET", "/v1/documents/{id}/content", contents.content, Scope.READ),
    Route("GET", "/v1/documents/{id}/proof", proofs.bundle, Scope.READ),
    Route("POST", "/v1/documents/{id}/statuses", statuses.say, Scope.SUBMIT),
    Route("GET", "/v1/documents/{id}/statuses", statuses.listed, Scope.READ),
    Route("POST", "/v1/documents/{id}/payments", payments.record, Scope.SUBMIT),
    Route("GET", "/v1/documents/{id}/payments", payments.listed, Scope.READ),
    Route("GET", "/v1/documents/{id}/interest", payment_terms.interest, Scope.READ),
    Route("POST", "/v1/documents/{id}/pay-link", paying.link, Scope.SUBMIT),
    Route("GET", "/v1/payment-notices", paying.listed, Scope.READ),
    Route("POST", "/v1/payment-notices/{participant}/{provider}/{notice}/looked-at", paying.looked_at, Scope.SUBMIT),
    Route("POST", "/payment-notices/{participant}", paying.notice, OPEN),
    Route("GET", "/v1/documents/{id}/receivable", receivables.read, Scope.READ),
    Route("POST", "/v1/documents/{id}/write-offs", receivables.write_off, Scope.ADMIN),
    Route("POST", "/v1/statements", statements.submit, Scope.SUBMIT),
    Route("POST", "/v1/statements/checks", statements.check, Scope.SUBMIT),
    Route("GET", "/v1/statements", statements.listed, Scope.READ),
    Route("GET", "/v1/statements/lines", statements.lines, Scope.READ),
    Route("POST", "/v1/statements/lines/{id}/match", statements.assign, Scope.SUBMIT),
    Route("POST", "/v1/statements/matches/{id}/accept", statements.accept, Scope.SUBMIT),
    Route("POST", "/v1/statements/matches/{id}/refuse", statements.refuse, Scope.SUBMIT),
    Route("POST", "/v1/statements/matches/{id}/undo", statements.undo, Scope.SUBMIT),
    Route("GET", "/v1/receivables", receivables.listed, Scope.READ),
    Route("GET", "/v1/receivables.csv", receivables.as_csv, Scope.READ),
    Route("GET", "/v1/customers", receivables.customers, Scope.READ),
    Route("GET", "/v1/reports/receivables", receivables.report, Scope.READ),
    Route("GET", "/v1/reports/receivables.svg", receivables.plot, Scope.READ),
    Route("GET", "/v1/documents/{id}/reminders", reminders.of_document, Scope.READ),
    Route("PUT", "/v1/documents/{id}/reminders/pause", reminders.pause, Scope.SUBMIT),
    Route("DELETE", "/v1/documents/{id}/reminders/pause", reminders.resume, Scope.SUBMIT),
    Route("POST", "/v1/documents/{id}/reminders/cases/{kind}/close", reminders.close_case, Scope.SUBMIT),
    Route("GET", "/v1/reminders", reminders.listed, Scope.READ),
    Route("GET", "/v1/reminders/preview", reminders.preview, Scope.READ),
    Route("GET", "/v1/reminders/settings", reminders.read_settings, Scope.READ),
    Route("PUT", "/v1/reminders/settings", reminders.write_settings, Scope.ADMIN),
    Route("GET", "/v1/reminders/letters/{id}", reminders.letter, Scope.READ),
    Route("GET", "/v1/reminder-cases", reminders.cases, Scope.READ),
    Route("GET", "/v1/plans", reminders.plans, Scope.READ),
    Route("PUT", "/v1/plans/{name}", reminders.write_plan, Scope.ADMIN),
    Route("DELETE", "/v1/plans/{name}", reminders.drop_plan, Scope.ADMIN),
    Route("GET", "/v1/customers/{customer}/litigation.zip", receivables.litigation, Scope.ARCHIVE),
    Route("GET", "/v1/customers/{customer}/reminders", reminders.read_customer, Scope.READ),
    Route("PUT", "/v1/customers/{customer}/reminders", reminders.write_customer, Scope.ADMIN),
    Route("GET", "/v1/late-payment-rates", payment_terms.late_rates, Scope.READ),
    Route("GET", "/v1/payment-terms", payment_terms.listed, Scope.READ),
    Route("PUT", "/v1/payment-terms", payment_terms.write, Scope.ADMIN),
    Route("DELETE", "/v1/payment-terms", payment_terms.remove, Scope.ADMIN),
    Route("GET", "/v1/customers/{customer}/payment-terms", payment_terms.read_customer, Scope.READ),
    Route("PUT", "/v1/customers/{customer}/payment-terms", payment_terms.write_customer, Scope.ADMIN),
    Route("DELETE", "/v1/customers/{customer}/payment-terms", payment_terms.remove_customer, Scope.ADMIN),
    Route("POST", "/v1/inbound", inbound.submit, Scope.SUBMIT),
    Route("POST", "/v1/orders", orders.submit, Scope.SUBMIT),
    Route("GET", "/v1/orders", orders.listed, Scope.READ),
    Route("GET", "/v1/orders/{id}", orders.read, Scope.READ),
    Route("GET", "/v1/orders/{id}/content", orders.content, Scope.READ),
    Route("POST", "/v1/orders/{id}/close", orders.close, Scope.SUBMIT),
    Route("POST", "/v1/orders/{id}/deliveries", deliveries.deliver, Scope.SUBMIT),
    Route("GET", "/v1/orders/{id}/deliveries/{delivery}", deliveries.read, Scope.READ),
    Route("POST", "/v1/orders/{id}/deliveries/{delivery}/corrections", deliveries.correct, Scope.SUBMIT),
    Route("GET", "/v1/addresses/{value}", addresses.read, Scope.SUBMIT),
    Route("POST", "/v1/addresses/checks", addresses.check, Scope.SUBMIT),
    Route("GET", "/v1/events", feed.events, Scope.READ),
    Route("GET", "/v1/webhooks", webhooks.listed, Scope.ADMIN),
    Route("POST", "/v1/webhooks", webhooks.create, Scope.ADMIN),
    Route("GET", "/v1/webhooks/{id}", webhooks.read, Scope.ADMIN),
    Route("DELETE", "/v1/webhooks/{id}", webhooks.remove, Scope.ADMIN),
    Route("POST", "/v1/webhooks/{id}/secret", webhooks.renew_secret, Scope.ADMIN),
    Route("POST", "/v1/webhooks/{id}/test", webhooks.test, Scope.ADMIN),
    Route("POST", "/v1/webhooks/{id}/again", webhooks.again, Scope.ADMIN),
    Route("GET", "/v1/webhooks/{id}/attempts", webhooks.attempts, Scope.ADMIN),
    Route("GET", "/v1/archive", archive.search, Scope.ARCHIVE),
    Route("GET", "/v1/archive/documents.csv", exports.as_csv, Scope.ARCHIVE),
    Route("GET", "/v1/archive/documents.zip", exports.as_zip, Scope.ARCHIVE),
    Route("GET", "/v1/archive/tax-audit.zip", exports.for_tax_audit, Scope.ARCHIVE),
    Route("GET", "/v1/archive/reads", archive.reads, Scope.ARCHIVE),
    Route("GET", "/v1/checkpoint", proofs.checkpoint, Scope.READ),
    Route("GET", "/v1/retention", retention.read, Scope.READ),
    Route("PUT", "/v1/retention", retention.write, Scope.ADMIN),
    Route("GET", "/v1/retention/due", retention.due, Scope.READ),
    Route("GET", "/v1/holds", retention.listed, Scope.READ),
    Route("POST", "/v1/holds", retention.hold, Scope.ADMIN),
    Route("POST", "/v1/holds/{id}/release", retention.release, Scope.ADMIN),
    Route("POST", "/v1/validations", validations.validate, Scope.SUBMIT),
    Route("GET", "/v1/rules/{id}", reference.rule, Scope.READ),
    Route("GET", "/v1/terms/{id}", reference.term, Scope.READ),
    Route("POST", "/v1/inspections", inspections.create, Scope.SUBMIT),
    Route("POST", "/v1/conversions", conversions.create, Scope.SUBMIT),
    Route("GET", "/v1/account", accounts.read, Scope.READ),
    Route("POST", "/v1/account/participants", accounts.add_participant, Scope.ADMIN),
    Route("POST", "/v1/account/credentials", accounts.issue_credential, Scope.ADMIN),
    Route("DELETE", "/v1/account/credentials/{public_id}", accounts.revoke_credential, Scope.ADMIN),
    Route("PUT", "/v1/account/inbound", accounts.answer_invalid, Scope.ADMIN),
    Route("GET", "/v1/account/branding", branding.read, Scope.READ),
    Route("PUT", "/v1/account/branding", branding.write, Scope.ADMIN),
    Route("DELETE", "/v1/account/branding", branding.remove, Scope.ADMIN),
    Route("GET", "/v1/directory", directory.read, Scope.READ),
    Route("PUT", "/v1/directory/facilities/{siret}", directory.put_facility, Scope.ADMIN),
    Route("DELETE", "/v1/directory/facilities/{siret}", directory.withdraw_facility, Scope.ADMIN),
    Route("PUT", "/v1/directory/routing-codes/{siret}/{code}", directory.put_code, Scope.ADMIN),
    Route("DELETE", "/v1/directory/routing-codes/{siret}/{code}", directory.withdraw_code, Scope.ADMIN),
    Route("PUT", "/v1/directory/lines/{address}", directory.put_line, Scope.ADMIN),
    Route("DELETE", "/v1/directory/lines/{address}", directory.withdraw_line, Scope.ADMIN),
    Route("POST", "/oauth2/token", oauth.token, OPEN),
    Route("POST", "/auth-service/{custId}/token", oauth.token, OPEN),
    Route("POST", "/afnor-flow/v1/flows", flows.submit, Scope.SUBMIT),
    Route("POST", "/afnor-flow/v1/flows/search", flows.search, Scope.READ),
    Route("GET", "/afnor-flow/v1/flows/{flowId}", flows.read, Scope.READ),
    Route("GET", "/afnor-flow/v1/webhooks", flow_webhooks.listed, Scope.ADMIN),
    Route("POST", "/afnor-flow/v1/webhooks", flow_webhooks.create, Scope.ADMIN),
    Route("DELETE", "/afnor-flow/v1/webhooks/{webhookUid}", flow_webhooks.remove, Scope.ADMIN),
    Route("GET", "/afnor-flow/v1/healthcheck", flows.healthcheck, OPEN),
    Route("POST", "/afnor-directory/v1/siren/search", national_directory.search_units, Scope.READ),
    Route("GET", "/afnor-directory/v1/siren/code-insee:{siren}", national_directory.read_unit, Scope.READ),
    Route("POST", "/afnor-directory/v1/siret/search", national_directory.search_facilities, Scope.READ),
    Route("GET", "/afnor-directory/v1/siret/code-insee:{siret}", national_directory.read_facility, Scope.READ),
    Route("POST", "/afnor-directory/v1/routing-code/search", national_directory.search_codes, Scope.READ),
    Route(
        "GET",
        "/afnor-directory/v1/routing-code/siret:{siret}/code:{routingIdentifier}",
        national_directory.read_code,
        Scope.READ,
    ),
    Route("POST", "/afnor-directory/v1/directory-line/search", national_directory.search_lines, Scope.READ),
    Route(
        "GET",
        "/afnor-directory/v1/directory-line/code:{addressingIdentifier}",
        national_directory.read_line,
        Scope.READ,
    ),
    Route("GET", "/afnor-directory/v1/healthcheck", flows.healthcheck, OPEN),
    Route("GET", "/health/live", health.live, OPEN),
    Route("GET", "/health/ready", health.ready, OPEN),
    Route("GET", "/metrics", metrics.metrics, OPEN),
    Route("GET", "/problems/{name}", problems.explain, OPEN),
    Route("GET", "/openapi.json", description.as_json, OPEN),
    Route("GET", "/openapi.yaml", description.as_yaml, OPEN),
    Route("GET", "/v1/schemas/invoice.json", description.invoice_schema, OPEN),
    Route("GET", "/docs", description.page, OPEN),
    Route("GET", "/docs/page.js", description.part("page.js"), OPEN),
    Route("GET", "/docs/page.css", description.part("page.css"), OPEN),
)

_HTTP = {"auto_decompress": False, "keepalive_timeout": 75.0, "max_line_size": 8_190, "max_field_size": 8_190}
"""How aiohttp reads requests: bodies as they come, heads within limits."""

EXPORTS_AT_ONCE = 2
"""Exports that one process makes at once; others are told to come back."""

PROOFS_AT_ONCE = 2
"""Proofs that one process makes at once; others wait their turn."""

_ENVELOPE = 1024 * 1024
"""Bytes that a multipart body may add to its submission, as far as aiohttp counts; `bodies` counts closer."""


def create(resources: Resources, settings: Settings, *, ring: Callable[[], None], pepper: bytes) -> web.Application:
    """The application over open resources. `ring` tells the worker that something was admitted."""
    application = web.Application(
        middlewares=[metrics.measured, problems.problems, national.answers],
        client_max_size=SIZE_LIMIT + _ENVELOPE,
        handler_args=_HTTP,
    )
    application[RESOURCES] = resources
    application[SETTINGS] = settings
    application[RING] = ring
    application[PEPPER] = pepper
    application[LIMITS] = Limits(settings)
    application[METRICS] = Metrics()
    application[FEED] = Feed(resources.pool)
    application[CLOSING] = asyncio.Event()
    application[EXPORTING] = asyncio.Semaphore(EXPORTS_AT_ONCE)
    application[PROVING] = asyncio.Semaphore(PROOFS_AT_ONCE)
    application.on_shutdown.append(_let_go)
    for route in ROUTES:
        handler = guarded(route)
        for method in (route.method, "HEAD") if route.method == "GET" else (route.method,):
            application.router.add_route(method, route.path, handler, expect_handler=problems.expected)
    return application


async def _let_go(application: web.Application) -> None:
    """The gateway stops: whoever waits is answered now."""
    application[CLOSING].set()
    await application[FEED].close()
