"""The Directory Service: who is who, and which address is reached; it is only read."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from adapters import http
from adapters.conformance import expect
from adapters.conformance.counterpart import DIRECTORY, Counterpart, fails, members
from adapters.conformance.verdict import Needs, Scenario, Skips, Text

NOBODY = "100000447"
"""A SIREN whose check digit holds, in a range that holds no company."""


async def is_up(it: Counterpart) -> None:
    """The health check answers 200.

    Directory OpenAPI 1.3.0, GET /v1/healthcheck.
    """
    expect.status(await _ask(it, "GET", "/v1/healthcheck"), 200)


async def needs_a_token(it: Counterpart) -> None:
    """Without a token the directory answers 401.

    Directory OpenAPI 1.3.0, Error401Response.
    """
    answer = await it.call("GET", f"/v1/siren/code-insee:{NOBODY}", headers={"Authorization": None}, service=DIRECTORY)
    expect.error(answer, 401)


async def siren(it: Counterpart) -> None:
    """A company is found by its SIREN.

    Directory OpenAPI 1.3.0, GET /v1/siren/code-insee:{siren}.
    """
    answer = await _ask(it, "GET", f"/v1/siren/code-insee:{_known(it)}")
    expect.status(answer, 200)
    expect.equal("siren", members(answer).get("siren"), _known(it))


async def siren_search(it: Counterpart) -> None:
    """A search by SIREN gives that company.

    Directory OpenAPI 1.3.0, POST /v1/siren/search, filters.siren strict.
    """
    found = await _search(it, "siren", siren=("strict", _known(it)))
    if not found:
        raise fails(f"siren {_known(it)}", Text("an empty list", "une liste vide"))
    expect.each(found, "siren", [_known(it)])


async def unknown_siren(it: Counterpart) -> None:
    """A SIREN that nobody has is answered with 404.

    Directory OpenAPI 1.3.0, Error404Response.
    """
    expect.error(await _ask(it, "GET", f"/v1/siren/code-insee:{NOBODY}"), 404)


async def odd_siren(it: Counterpart) -> None:
    """What is no SIREN is refused.

    Directory OpenAPI 1.3.0, schema siren: ^([0-9]{9})$.
    """
    expect.error(await _ask(it, "GET", "/v1/siren/code-insee:12AB"), 400, 404, 422)


async def siren_search_for_nobody(it: Counterpart) -> None:
    """A search that finds nothing answers 200 with an empty list.

    Directory OpenAPI 1.3.0: 200; 204 and 206 are gone since 1.3.0.
    """
    if found := await _search(it, "siren", siren=("strict", NOBODY)):
        raise fails(Text("an empty list", "une liste vide"), str(len(found)))


async def chosen_fields(it: Counterpart) -> None:
    """Only the fields that are asked for are answered.

    Directory OpenAPI 1.3.0, fields.
    """
    body = members(await _ask(it, "GET", f"/v1/siren/code-insee:{_known(it)}?fields=siren"))
    expect.equal("siren", body.get("siren"), _known(it))
    if "businessName" in body:
        raise fails("siren", ", ".join(sorted(body)))


async def siret_search(it: Counterpart) -> None:
    """A search for establishments by SIREN gives those of that company.

    Directory OpenAPI 1.3.0, POST /v1/siret/search.
    """
    found = await _search(it, "siret", siren=("strict", _known(it)))
    it.kept["siret"] = next((str(one["siret"]) for one in found if one.get("siret")), None)
    for one in found:
        if not str(one.get("siret", "")).startswith(_known(it)):
            raise fails(f"siret {_known(it)}…", f"siret = {expect.printable(one.get('siret'))}")


async def siret(it: Counterpart) -> None:
    """An establishment is found by its SIRET.

    Directory OpenAPI 1.3.0, GET /v1/siret/code-insee:{siret}.
    """
    known = it.kept.get("siret")
    if not known:
        raise Skips(Text("no establishment is known", "aucun établissement n'est connu"))
    answer = await _ask(it, "GET", f"/v1/siret/code-insee:{known}")
    expect.status(answer, 200)
    expect.equal("siret", members(answer).get("siret"), known)


async def unknown_siret(it: Counterpart) -> None:
    """A SIRET that nobody has is answered with 404.

    Directory OpenAPI 1.3.0, Error404Response.
    """
    expect.error(await _ask(it, "GET", f"/v1/siret/code-insee:{NOBODY}00000"), 404)


async def routing_code_search(it: Counterpart) -> None:
    """A search for routing codes answers a list, which may be empty.

    Directory OpenAPI 1.3.0, POST /v1/routing-code/search.
    """
    await _search(it, "routing-code", siret=("strict", str(it.kept.get("siret") or f"{_known(it)}00000")))


async def unknown_routing_code(it: Counterpart) -> None:
    """A routing code that nobody has is answered with 404.

    Directory OpenAPI 1.3.0, GET /v1/routing-code/siret:{siret}/code:{routing-identifier}.
    """
    expect.error(await _ask(it, "GET", f"/v1/routing-code/siret:{NOBODY}00000/code:NONE"), 404)


async def line_search(it: Counterpart) -> None:
    """A search by SIREN gives the lines of that company's addresses.

    Directory OpenAPI 1.3.0, POST /v1/directory-line/search.
    """
    found = await _search(it, "directory-line", siren=("strict", _known(it)))
    it.kept["line"] = next((one for one in found if one.get("addressingIdentifier")), None)
    if not found:
        raise fails(Text("a line", "une ligne"), Text("an empty list", "une liste vide"))
    expect.each(found, "siren", [_known(it)])


async def line(it: Counterpart) -> None:
    """A line is found by its address, and says whether it is in force.

    Directory OpenAPI 1.3.0, GET /v1/directory-line/code:{addressing-identifier}: directoryLineStatus.
    """
    known = it.kept.get("line")
    if not known:
        raise Skips(Text("no line is known", "aucune ligne n'est connue"))
    answer = await _ask(it, "GET", f"/v1/directory-line/code:{quote(known['addressingIdentifier'], safe='')}")
    expect.status(answer, 200)
    body = members(answer)
    expect.equal("addressingIdentifier", body.get("addressingIdentifier"), known["addressingIdentifier"])
    it.facts["line_status"] = "directoryLineStatus" in body


async def unknown_line(it: Counterpart) -> None:
    """An address that nobody has is answered with 404.

    Directory OpenAPI 1.3.0, Error404Response: the buyer cannot be reached there.
    """
    expect.error(await _ask(it, "GET", f"/v1/directory-line/code:{NOBODY}_NONE"), 404)


async def line_with_company(it: Counterpart) -> None:
    """With include the company comes along.

    Directory OpenAPI 1.3.0, include: siren, siret, routingCode.
    """
    known = it.kept.get("line")
    if not known:
        raise Skips(Text("no line is known", "aucune ligne n'est connue"))
    path = f"/v1/directory-line/code:{quote(known['addressingIdentifier'], safe='')}?include=siren"
    answer = await _ask(it, "GET", path)
    expect.status(answer, 200)
    if "legalUnit" not in members(answer):
        raise fails("legalUnit", ", ".join(sorted(members(answer))))


async def limit_of_one(it: Counterpart) -> None:
    """A limit of 1 gives one line at most.

    Directory OpenAPI 1.3.0, limit and ignore.
    """
    body = {"filters": {"siren": {"op": "strict", "value": _known(it)}}, "limit": 1, "ignore": 0}
    found = _results(await _ask(it, "POST", "/v1/directory-line/search", body))
    if len(found) > 1:
        raise fails("≤ 1", str(len(found)))


async def unknown_operator(it: Counterpart) -> None:
    """An operator that is none is refused.

    Directory OpenAPI 1.3.0, strict, contains, startWith.
    """
    body = {"filters": {"siren": {"op": "almost", "value": _known(it)}}}
    expect.error(await _ask(it, "POST", "/v1/siren/search", body), 400, 422)


async def broken_json(it: Counterpart) -> None:
    """A body that is no JSON is refused.

    Directory OpenAPI 1.3.0, Error400Response.
    """
    headers = {"Content-Type": "application/json"}
    answer = await it.call("POST", "/v1/siren/search", b'{"filters":', headers, service=DIRECTORY)
    expect.error(answer, 400)


def _known(it: Counterpart) -> str:
    """The SIREN that the directory is asked about. Raises Skips."""
    if not (known := it.access.known or it.access.buyer or it.access.seller):
        raise Skips(Text("--known names no SIREN to ask about", "--known ne nomme aucun SIREN à chercher"))
    return known


async def _ask(it: Counterpart, method: str, path: str, body: object = None) -> http.Answer:
    return await it.call(method, path, body, service=DIRECTORY)


async def _search(it: Counterpart, what: str, **filters: tuple[str, str]) -> list[dict[str, Any]]:
    body = {"filters": {name: {"op": op, "value": value} for name, (op, value) in filters.items()}}
    return _results(await _ask(it, "POST", f"/v1/{what}/search", body))


def _results(answer: http.Answer) -> list[dict[str, Any]]:
    return expect.results(answer)


SCENARIOS = tuple(
    Scenario(play, french, Needs.DIRECTORY)
    for play, french in (
        (is_up, "Le contrôle de santé répond 200"),
        (needs_a_token, "Sans jeton, l'annuaire répond 401"),
        (siren, "Une entreprise se trouve par son SIREN"),
        (siren_search, "La recherche par SIREN donne cette entreprise"),
        (unknown_siren, "Un SIREN que personne n'a reçoit 404"),
        (odd_siren, "Ce qui n'est pas un SIREN est refusé"),
        (siren_search_for_nobody, "Une recherche sans résultat répond 200 avec une liste vide"),
        (chosen_fields, "Seuls les champs demandés sont répondus"),
        (siret_search, "La recherche d'établissements par SIREN donne ceux de l'entreprise"),
        (siret, "Un établissement se trouve par son SIRET"),
        (unknown_siret, "Un SIRET que personne n'a reçoit 404"),
        (routing_code_search, "La recherche de codes de routage répond une liste, vide peut-être"),
        (unknown_routing_code, "Un code de routage que personne n'a reçoit 404"),
        (line_search, "La recherche par SIREN donne les lignes d'adresse de l'entreprise"),
        (line, "Une ligne se trouve par son adresse, et dit si elle est en vigueur"),
        (unknown_line, "Une adresse que personne n'a reçoit 404"),
        (line_with_company, "Avec include, l'entreprise vient avec la ligne"),
        (limit_of_one, "Une limite de 1 donne au plus une ligne"),
        (unknown_operator, "Un opérateur inexistant est refusé"),
        (broken_json, "Un corps qui n'est pas du JSON est refusé"),
    )
)
