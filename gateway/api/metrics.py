"""Metrics for Prometheus: how the API is used and how far the line is behind. Nothing of any account is in them.

The registry belongs to the application, so that two applications in one process do not count into each other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from adapters.port import ArrivalKind
from gateway.api.keys import RESOURCES
from gateway.api.problems import TRACE, Handler
from gateway.lifecycle import Stage
from gateway.store import audits, custody, figures, networks
from gateway.store.audits import AuditRun, State

log = logging.getLogger(__name__)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_OF_NETWORKS = {
    "resting": "1: the network is left alone for now, because it does not take what is handed over, or asks for it.",
    "failing_seconds": "How long the network has not taken a document; 0: it takes them.",
    "waiting": "Documents that wait to be handed over to the network.",
    "conflicts": "Consignments under whose id the network has other bytes: somebody must look.",
}
_SILENT = ("/health/live", "/health/ready", "/metrics")
"""Asked every few seconds by machines; not worth a log line each."""


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "estafette_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "estafette_request_seconds",
            "Seconds from the head of a request to its answer, waiting included.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.submissions = Counter(
            "estafette_submissions",
            "Submissions by answer: admitted, replayed, or the name of the problem.",
            ("answer",),
            registry=self.registry,
        )
        self.due = Gauge(
            "estafette_tasks_due",
            "Documents whose next stage is due, by that stage.",
            ("stage",),
            registry=self.registry,
        )
        self.oldest = Gauge(
            "estafette_task_oldest_due_seconds",
            "How long the longest overdue task has been due; 0 when none is.",
            registry=self.registry,
        )
        self.strays = Gauge(
            "estafette_strays",
            "What networks brought that is nobody's, by kind; an invoice waits for a person (estafette inbound).",
            ("kind",),
            registry=self.registry,
        )
        self.networks = {
            name: Gauge(f"estafette_network_{name}", says, ("network",), registry=self.registry)
            for name, says in _OF_NETWORKS.items()
        }
        self.failing = Gauge(
            "estafette_outside_failing_seconds",
            "How long a keeper of checkpoints or a timestamp authority has been failing; without a line: it works.",
            ("name",),
            registry=self.registry,
        )

        self.audit_at = Gauge(
            "estafette_audit_last_timestamp_seconds",
            "When the last nightly audit ended; 0: never.",
            registry=self.registry,
        )
        self.audit_clean = Gauge(
            "estafette_audit_clean", "1: the last nightly audit found nothing wrong.", registry=self.registry
        )
        self.audit_complaints = Gauge(
            "estafette_audit_complaints", "What the last nightly audit found wrong.", registry=self.registry
        )

    def audited(self, run: AuditRun | None) -> None:
        """Tell of the last nightly audit."""
        self.audit_at.set(run.ended_at.timestamp() if run else 0)
        self.audit_clean.set(1 if run and run.state is State.CLEAN else 0)
        self.audit_complaints.set(run.complaints if run else 0)

    def stray(self, strays: Mapping[ArrivalKind, int]) -> None:
        """Tell of what is nobody's."""
        for kind, count in strays.items():
            self.strays.labels(kind).set(count)

    def stand(self, standings: Sequence[networks.Standing], now: datetime) -> None:
        """Tell of how networks take what is handed over."""
        for one in standings:
            circuit = one.circuit
            resting = circuit.rest_until is not None and now < circuit.rest_until
            failing = (now - circuit.since).total_seconds() if circuit.since is not None else 0.0
            told = {"resting": float(resting), "failing_seconds": max(0.0, failing), "waiting": float(one.waiting)}
            for name, value in (told | {"conflicts": float(circuit.conflicts)}).items():
                self.networks[name].labels(circuit.name).set(value)

    def render(self, backlog: figures.Backlog, failing: Mapping[str, float]) -> bytes:
        """The exposition text, with what the database says now."""
        self.failing.clear()
        for name, seconds in failing.items():
            self.failing.labels(name).set(seconds)
        for stage in Stage:
            self.due.labels(stage).set(backlog.due.get(stage, 0))
        self.oldest.set(backlog.oldest.total_seconds())
        return generate_latest(self.registry)


METRICS = web.AppKey("metrics", Metrics)


@web.middleware
async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count and log each request, by its route and never by its address."""
    started = time.perf_counter()
    status = 499
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "none"
    try:
        response = await handler(request)
        status = response.status
        return response
    finally:
        took = time.perf_counter() - started
        counters = request.app[METRICS]
        counters.requests.labels(request.method if resource else "other", route, str(status)).inc()
        counters.seconds.labels(route).observe(took)
        if route not in _SILENT:
            told = {"method": request.method, "route": route, "status": status, "ms": round(took * 1000, 1)}
            log.info("request", extra={**told, "trace": request.get(TRACE, "")})


async def metrics(request: web.Request) -> web.Response:
    """The metrics of this process, and the backlog of the installation."""
    resources = request.app[RESOURCES]
    now = resources.clock.now()
    backlog = await figures.backlog(resources.pool, now)
    async with resources.pool.worker() as connection:
        troubles = await custody.troubles(connection)
        audited = await audits.last(connection)
    failing = {one.name: max(0.0, (now - one.since).total_seconds()) for one in troubles}
    request.app[METRICS].audited(audited)
    request.app[METRICS].stray(await figures.strays(resources.pool))
    request.app[METRICS].stand(await networks.standing(resources.pool), now)
    body = request.app[METRICS].render(backlog, failing)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
