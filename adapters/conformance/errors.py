"""Errors: their codes and their one shape, also for what the service does not have."""

from __future__ import annotations

from adapters.conformance import expect
from adapters.conformance.counterpart import TOKEN, Counterpart, Exchange, fails, members, shown
from adapters.conformance.verdict import Scenario, Skips, Text

_GIVEAWAYS = ("Traceback (most", "at java.", "at org.", "Exception in thread", "SQLSTATE", "ORA-0", "node_modules")
"""What an error has in it that shows the inside of a server."""


async def unknown_address(it: Counterpart) -> None:
    """An address that does not exist is answered with 404.

    OpenAPI 1.3.0, Error404Response.
    """
    expect.status(await it.call("GET", "/v1/no-such-thing"), 404)


async def wrong_method(it: Counterpart) -> None:
    """A method that an address does not take is refused (405), without a breakdown.

    RFC 9110, 15.5.6; OpenAPI 1.3.0 knows no PUT /v1/flows.
    """
    answer = await it.call("PUT", "/v1/flows", {})
    if not 400 <= answer.status < 500:
        raise fails(Text("HTTP 405, or another refusal", "HTTP 405, ou un autre refus"), shown(answer))


async def are_json(it: Counterpart) -> None:
    """Each error is JSON.

    OpenAPI 1.3.0, Error4xxResponse and Error5xxResponse: application/json.
    """
    for one in _errors(it):
        if not one.answer.media_type.endswith("json"):
            raise fails("application/json", f"{_name(one)} {one.answer.status}: {one.answer.media_type}")


async def bear_a_code(it: Counterpart) -> None:
    """Each error has an errorCode.

    OpenAPI 1.3.0, schema Error: errorCode is required.
    """
    for one in _errors(it):
        code = members(one.answer).get("errorCode")
        if not isinstance(code, str) or not code:
            raise fails("errorCode", f"{_name(one)} {one.answer.status}: {', '.join(sorted(members(one.answer)))}")


async def say_what_is_wrong(it: Counterpart) -> None:
    """Each refusal (400, 413, 422) has an errorMessage that a developer can act on.

    OpenAPI 1.3.0, schema Error: errorMessage contains information on the error.
    """
    refusals = [one for one in _errors(it) if one.answer.status in (400, 413, 422)]
    if not refusals:
        raise Skips(Text("nothing was refused", "rien n'a été refusé"))
    for one in refusals:
        if not members(one.answer).get("errorMessage"):
            raise fails("errorMessage", f"{_name(one)} {one.answer.status}: {shown(one.answer)}")


async def show_no_insides(it: Counterpart) -> None:
    """No error shows a stack or a query.

    OpenAPI 1.3.0, errorMessage: a trade-off between clarity and security shall be found.
    """
    for one in _errors(it):
        text = one.answer.body[:20_000].decode("utf-8", "replace")
        if found := [mark for mark in _GIVEAWAYS if mark in text]:
            raise fails(Text("nothing of the kind", "rien de tel"), f"{_name(one)} {one.answer.status}: {found[0]}")


async def none_of_the_server(it: Counterpart) -> None:
    """Nothing that was asked here was answered with 500.

    OpenAPI 1.3.0, Error500Response is for failures of the service; a wrong question is a 400 or 422.
    """
    for one in it.exchanges:
        if one.answer.status == 500:
            raise fails(Text("no server error", "pas d'erreur du serveur"), f"{_name(one)}: {shown(one.answer)}")


def _errors(it: Counterpart) -> list[Exchange]:
    """The errors of known operations. Raises Skips when there were none."""
    found = [one for one in it.exchanges if one.answer.status >= 400 and one.service != TOKEN and one.operation]
    if not found:
        raise Skips(Text("there was no error", "aucune erreur n'est survenue"))
    return found


def _name(one: Exchange) -> str:
    return f"{one.method} {one.operation or '?'}"


SCENARIOS = (
    Scenario(unknown_address, "Une adresse inexistante reçoit 404"),
    Scenario(wrong_method, "Une méthode non prévue est refusée (405), sans panne"),
    Scenario(are_json, "Chaque erreur est en JSON"),
    Scenario(bear_a_code, "Chaque erreur porte un errorCode"),
    Scenario(say_what_is_wrong, "Chaque refus (400, 413, 422) porte un errorMessage utile au développeur"),
    Scenario(show_no_insides, "Aucune erreur ne montre de pile ni de requête"),
    Scenario(none_of_the_server, "Rien de ce qui a été demandé ici n'a reçu 500"),
)
