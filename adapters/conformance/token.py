"""Access tokens: OAuth2 client credentials, and calls without a good one."""

from __future__ import annotations

import asyncio
import base64

from adapters.conformance import expect
from adapters.conformance.counterpart import Counterpart, fails, members, shown
from adapters.conformance.verdict import Scenario, Skips, Text

EPOCH = {"updatedAfter": "2100-01-01T00:00:00Z"}
NO_TOKEN = "not-a-token-of-this-platform"  # noqa: S105


async def grant(it: Counterpart) -> None:
    """Client id and secret give an access token of type Bearer.

    OpenAPI 1.3.0, securitySchemes OAuth2 (clientCredentials); RFC 6749, 4.4 and 5.1.
    """
    answer = await it.grant(in_form=it.access.secret_in_form)
    if answer.status != 200:
        answer = await it.grant(in_form=not it.access.secret_in_form)
    expect.status(answer, 200)
    body = members(answer)
    if not isinstance(body.get("access_token"), str) or str(body.get("token_type", "")).lower() != "bearer":
        raise fails("access_token, token_type = Bearer", ", ".join(sorted(body)))


async def tells_how_long_it_lasts(it: Counterpart) -> None:
    """The token says for how many seconds it is good.

    RFC 6749, 5.1: expires_in is recommended, and a number.
    """
    body = members(await it.grant(in_form=bool(it.facts.get("secret_in_form", it.access.secret_in_form))))
    lasts = body.get("expires_in")
    if not isinstance(lasts, int) or isinstance(lasts, bool) or lasts <= 0:
        raise fails("expires_in: 1, 2, …", f"expires_in: {expect.printable(lasts)}")
    it.facts["token_seconds"] = lasts


async def secret_in_header(it: Counterpart) -> None:
    """The client may show its secret in the Authorization header (Basic).

    RFC 6749, 2.3.1: the authorization server MUST support it.
    """
    answer = await it.grant()
    it.facts["secret_in_header"] = answer.status == 200
    expect.status(answer, 200)


async def secret_in_form(it: Counterpart) -> None:
    """The client may show its secret in the form.

    RFC 6749, 2.3.1: a server MAY support it; many clients know nothing else.
    """
    answer = await it.grant(in_form=True)
    if answer.status != 200:
        raise Skips(Text("not offered, and it need not be", "non proposé, et facultatif"))
    if not it.facts.get("secret_in_header", True):
        it.facts["secret_in_form"] = True


async def wrong_secret(it: Counterpart) -> None:
    """A wrong secret gets no token.

    RFC 6749, 5.2: 401 or 400 with error = invalid_client.
    """
    answer = await it.grant(secret="wrong-secret", in_form=it.access.secret_in_form)  # noqa: S106
    expect.status(answer, 400, 401)
    expect.equal("error", members(answer).get("error"), "invalid_client")


async def unknown_client(it: Counterpart) -> None:
    """An unknown client gets the same answer as a wrong secret.

    RFC 6749, 5.2 (invalid_client) and 10.10: nothing tells which of the two is wrong.
    """
    answer = await it.grant(client="nobody-of-this-name", in_form=it.access.secret_in_form)
    expect.status(answer, 400, 401)
    expect.equal("error", members(answer).get("error"), "invalid_client")


async def unknown_grant(it: Counterpart) -> None:
    """A grant that is none is refused.

    RFC 6749, 5.2: 400 with error = unsupported_grant_type.
    """
    answer = await it.grant(kind="estafette", in_form=it.access.secret_in_form)
    expect.status(answer, 400)
    expect.equal("error", members(answer).get("error"), "unsupported_grant_type")


async def is_not_stored(it: Counterpart) -> None:
    """The answer with a token may be kept by no cache.

    RFC 6749, 5.1: Cache-Control: no-store.
    """
    answer = await it.grant(in_form=it.access.secret_in_form)
    if answer.status != 200:
        answer = await it.grant(in_form=not it.access.secret_in_form)
    expect.status(answer, 200)
    if "no-store" not in answer.headers.get("cache-control", ""):
        raise fails("Cache-Control: no-store", f"Cache-Control: {answer.headers.get('cache-control', '')}")


async def serves_many_calls(it: Counterpart) -> None:
    """One token serves for many calls.

    RFC 6750, 2.1: the token is shown with each call.
    """
    for _ in range(2):
        expect.status(await it.search(EPOCH), 200)


async def missing(it: Counterpart) -> None:
    """A call without a token is refused with 401.

    OpenAPI 1.3.0, Error401Response: errorCode, for example MISSING_TOKEN.
    """
    answer = await it.call("POST", "/v1/flows/search", {"where": EPOCH}, {"Authorization": None})
    expect.error(answer, 401)


async def invalid(it: Counterpart) -> None:
    """A token that is none is refused with 401.

    OpenAPI 1.3.0, Error401Response; RFC 6750, 3.1 (invalid_token).
    """
    answer = await it.call("POST", "/v1/flows/search", {"where": EPOCH}, {"Authorization": f"Bearer {NO_TOKEN}"})
    expect.error(answer, 401)


async def wrong_scheme(it: Counterpart) -> None:
    """The token counts only as a bearer token.

    OpenAPI 1.3.0, security: BearerAuth.
    """
    token = base64.b64encode(f"{await it.token()}:".encode()).decode()
    answer = await it.call("POST", "/v1/flows/search", {"where": EPOCH}, {"Authorization": f"Basic {token}"})
    expect.error(answer, 401)


async def says_how_to_log_in(it: Counterpart) -> None:
    """A 401 says by which scheme one logs in.

    RFC 9110, 15.5.2: WWW-Authenticate must be there.
    """
    answer = await it.call("POST", "/v1/flows/search", {"where": EPOCH}, {"Authorization": None})
    expect.status(answer, 401)
    if "www-authenticate" not in answer.headers:
        raise fails("WWW-Authenticate: Bearer", Text("no such header", "en-tête absent"))


async def guards_every_flow(it: Counterpart) -> None:
    """Reading a flow without a token is refused with 401, whether it exists or not.

    OpenAPI 1.3.0, security of all operations.
    """
    answer = await it.call("GET", "/v1/flows/00000000-0000-0000-0000-000000000000", headers={"Authorization": None})
    expect.error(answer, 401)


async def expired(it: Counterpart) -> None:
    """A token that has ended is refused with 401.

    RFC 6750, 3.1: invalid_token, so that the client asks for a new one.
    """
    granted = members(await it.grant(in_form=bool(it.facts.get("secret_in_form", it.access.secret_in_form))))
    lasts, token = granted.get("expires_in"), granted.get("access_token")
    if not isinstance(lasts, int) or lasts > it.access.patience:
        says = f"{expect.printable(lasts)} s"
        raise Skips(
            Text(f"its token lasts {says}, longer than --patience", f"le jeton dure {says}, plus que --patience")
        )
    await asyncio.sleep(lasts + 0.5)
    answer = await it.call("POST", "/v1/flows/search", {"where": EPOCH}, {"Authorization": f"Bearer {token}"})
    if answer.status != 401:
        raise fails("HTTP 401", shown(answer))


SCENARIOS = (
    Scenario(grant, "L'identifiant et le secret du client donnent un jeton d'accès de type Bearer"),
    Scenario(tells_how_long_it_lasts, "Le jeton dit combien de secondes il vaut"),
    Scenario(secret_in_header, "Le client peut présenter son secret dans l'en-tête Authorization (Basic)"),
    Scenario(secret_in_form, "Le client peut présenter son secret dans le formulaire"),
    Scenario(wrong_secret, "Un secret faux n'obtient pas de jeton"),
    Scenario(unknown_client, "Un client inconnu reçoit la même réponse qu'un secret faux"),
    Scenario(unknown_grant, "Un grant_type inexistant est refusé"),
    Scenario(is_not_stored, "La réponse qui porte un jeton n'est gardée par aucun cache"),
    Scenario(serves_many_calls, "Un jeton sert à plusieurs appels"),
    Scenario(missing, "Un appel sans jeton est refusé par 401"),
    Scenario(invalid, "Un faux jeton est refusé par 401"),
    Scenario(wrong_scheme, "Le jeton ne vaut que comme jeton Bearer"),
    Scenario(says_how_to_log_in, "Un 401 dit par quel schéma on s'authentifie"),
    Scenario(guards_every_flow, "Lire un flux sans jeton est refusé par 401, qu'il existe ou non"),
    Scenario(expired, "Un jeton expiré est refusé par 401"),
)
