"""All scenarios, in the order they are played: what hands flows in comes before what searches and reads them."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.conformance import (
    acknowledgements,
    directory,
    encoding,
    errors,
    health,
    limits,
    paging,
    published,
    reading,
    refusals,
    search,
    statuses,
    submit,
    token,
    webhooks,
)
from adapters.conformance.verdict import Scenario, Text

SCENARIOS: tuple[Scenario, ...] = (
    *token.SCENARIOS,
    *health.SCENARIOS,
    *submit.SCENARIOS,
    *refusals.SCENARIOS,
    *acknowledgements.SCENARIOS,
    *statuses.SCENARIOS,
    *search.SCENARIOS,
    *paging.SCENARIOS,
    *reading.SCENARIOS,
    *webhooks.SCENARIOS,
    *directory.SCENARIOS,
    *limits.SCENARIOS,
    *encoding.SCENARIOS,
    *errors.SCENARIOS,
    *published.SCENARIOS,
)

FAMILIES: Mapping[str, Text] = {
    "token": Text("Access tokens", "Jetons d'accès"),
    "health": Text("Health check", "Contrôle de santé"),
    "submit": Text("Handing flows in", "Dépôt de flux"),
    "refusals": Text("Refusing what is wrong", "Refus de ce qui est faux"),
    "acknowledgements": Text("Acknowledgements", "Acquittements"),
    "statuses": Text("Life-cycle messages", "Messages de cycle de vie"),
    "search": Text("Searching", "Recherche"),
    "paging": Text("Paging", "Pagination"),
    "reading": Text("Reading flows", "Lecture des flux"),
    "webhooks": Text("Webhooks", "Webhooks"),
    "directory": Text("Directory Service", "Annuaire"),
    "limits": Text("Limits", "Limites"),
    "encoding": Text("Times and texts", "Dates et textes"),
    "errors": Text("Errors", "Erreurs"),
    "published": Text("The published description", "Description publiée"),
}
"""Families by the name of their module."""
