"""What scenarios hold answers to: a status, an error in the standard's shape, a page of flows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from adapters import http
from adapters.conformance.counterpart import fails, members, shown
from adapters.conformance.verdict import Text

ACCEPTED = (200, 201, 202, 204)


def status(answer: http.Answer, *codes: int) -> None:
    """The answer has one of these codes. Raises Fails."""
    if answer.status not in codes:
        raise fails(Text(f"HTTP {_either(codes, 'or')}", f"HTTP {_either(codes, 'ou')}"), shown(answer))


def error(answer: http.Answer, *codes: int) -> str:
    """An error with one of these codes, as JSON with errorCode; returns that. Raises Fails."""
    status(answer, *codes)
    code = members(answer).get("errorCode")
    if not isinstance(code, str) or not code:
        says = Text("a JSON body with errorCode", "un corps JSON avec errorCode")
        raise fails(says, f"HTTP {answer.status} {answer.media_type}, {', '.join(sorted(members(answer))[:8])}")
    return code


def refused(answer: http.Answer) -> str:
    """Any refusal that lays the fault on the caller (4xx, but for access and limits). Raises Fails."""
    if not 400 <= answer.status < 500 or answer.status in (401, 403, 429):
        raise fails(Text("a refusal (HTTP 400 or 422)", "un refus (HTTP 400 ou 422)"), shown(answer))
    return error(answer, answer.status)


def no_breakdown(answer: http.Answer) -> None:
    """Whatever the platform makes of it, it is no server error. Raises Fails."""
    if answer.status >= 500:
        raise fails(Text("no server error", "pas d'erreur du serveur"), shown(answer))


def results(answer: http.Answer) -> list[dict[str, Any]]:
    """The flows of a search. Raises Fails."""
    status(answer, 200)
    found = members(answer).get("results")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise fails(Text("results: a list of flows", "results : une liste de flux"), shown(answer))
    return found


def each(flows: Iterable[Mapping[str, Any]], name: str, values: Iterable[object]) -> None:
    """Each flow's member is one of these values. Raises Fails."""
    wanted = list(values)
    for flow in flows:
        if flow.get(name) not in wanted:
            says = ", ".join(map(str, wanted))
            raise fails(f"{name} = {says}", f"{name} = {printable(flow.get(name))}")


def equal(name: str, found: object, expected: object) -> None:
    """A value is the one expected. Raises Fails."""
    if found != expected:
        raise fails(f"{name} = {printable(expected)}", f"{name} = {printable(found)}")


def printable(value: object) -> str:
    """A value of the platform on one line of bounded length."""
    text = str(value)
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:120]


def _either(codes: tuple[int, ...], word: str) -> str:
    return f" {word} ".join(map(str, codes))
