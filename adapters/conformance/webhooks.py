"""Webhooks: subscribe, be told of a flow with a signature that holds, and unsubscribe."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from hashlib import sha256
from typing import Any

from adapters.conformance import deposits, expect
from adapters.conformance.counterpart import Counterpart, fails, members, shown
from adapters.conformance.listener import Mailbox, Posted
from adapters.conformance.verdict import Needs, Scenario, Skips, Text

NOBODY = "00000000-0000-4000-8000-000000000000"
SLACK = 300
"""Seconds that a signature's timestamp may be off."""


async def are_listed(it: Counterpart) -> None:
    """The subscriptions of the client are listed.

    OpenAPI 1.3.0, GET /v1/webhooks: count and webhooks.
    """
    answer = await it.call("GET", "/v1/webhooks")
    it.facts["webhooks"] = False
    if answer.status == 403:
        raise Skips(Text("the client may not look at webhooks", "le client n'a pas le droit de voir les webhooks"))
    expect.status(answer, 200)
    count = members(answer).get("count")
    if not isinstance(count, int):
        raise fails("count: 0, 1, …", f"count = {expect.printable(count)}")
    it.facts["webhooks"] = True


async def unknown_is_not_found(it: Counterpart) -> None:
    """Unsubscribing what does not exist is answered with 404.

    OpenAPI 1.3.0, DELETE /v1/webhooks/{webhookUid}, Error404Response.
    """
    answer = await it.call("DELETE", f"/v1/webhooks/{NOBODY}")
    if answer.status == 403:
        raise Skips(Text("the client may not look at webhooks", "le client n'a pas le droit de voir les webhooks"))
    expect.error(answer, 404)


async def subscribed(it: Counterpart) -> None:
    """A subscription is made with its id and a signing key of 256 bits at least.

    OpenAPI 1.3.0, POST /v1/webhooks: webhookId, signingKey (256 or 512 bits).
    """
    answer = await it.call("POST", "/v1/webhooks", {"callbackUrl": it.access.callback})
    if answer.status == 400:
        raise Skips(
            Text(f"it does not take --callback: {shown(answer)}", f"elle ne prend pas --callback : {shown(answer)}")
        )
    expect.status(answer, 201)
    body = members(answer)
    it.kept["webhook"] = body.get("webhookId")
    it.kept["key"] = _key(body.get("signingKey"))
    if len(it.kept["key"]) < 32:
        raise fails("signingKey: ≥ 256 bits", f"{8 * len(it.kept['key'])} bits")


async def is_in_the_list(it: Counterpart) -> None:
    """The new subscription is in the list, without its key.

    OpenAPI 1.3.0, GET /v1/webhooks; the key is returned at creation and should be kept.
    """
    id = _webhook(it)
    text = (await it.call("GET", "/v1/webhooks")).body.decode("utf-8", "replace")
    if id not in text:
        raise fails(f"webhookId {expect.printable(id)}", Text("not in the list", "pas dans la liste"))
    if base64.b64encode(it.kept["key"]).decode() in text:
        raise fails(Text("no signingKey", "pas de signingKey"), "signingKey")


async def tells_of_a_flow(it: Counterpart) -> None:
    """An invoice that is handed in is told to the subscription, as a flow.

    OpenAPI 1.3.0, WebhookCallback: POST with a Flow.
    """
    posted = await _posted(it)
    try:
        body = json.loads(posted.body)
    except ValueError:
        raise fails("JSON", f"{len(posted.body)} B") from None
    if not isinstance(body, dict) or not body.get("flowId"):
        raise fails("flowId", expect.printable(body))


async def signature_holds(it: Counterpart) -> None:
    """The signature of an event holds with the key of the subscription.

    OpenAPI 1.3.0, POST /v1/webhooks: HMAC-SHA-256 over the SHA-256 of body, @ and epoch seconds, in base64.
    """
    posted = await _posted(it)
    given, stamp = (posted.headers.get(f"afnor-signature{end}", "") for end in ("", "-timestamp"))
    fingerprint = sha256(posted.body + b"@" + stamp.encode())
    forms = {"digest": fingerprint.digest(), "hexdigest": fingerprint.hexdigest().encode()}
    for name, form in forms.items():
        made = base64.b64encode(hmac.digest(it.kept["key"], form, sha256)).decode()
        if hmac.compare_digest(made.rstrip("="), given.rstrip("=")):
            it.facts["signature"] = name
            return
    raise fails("Afnor-Signature", Text(f"another one ({len(given)} signs)", f"une autre ({len(given)} signes)"))


async def signature_is_fresh(it: Counterpart) -> None:
    """The timestamp of an event is the present, in seconds.

    OpenAPI 1.3.0, Afnor-Signature-Timestamp: epoch time in seconds.
    """
    stamp = (await _posted(it)).headers.get("afnor-signature-timestamp", "")
    if not stamp.isdigit() or abs(int(stamp) - it.now().timestamp()) > SLACK + it.access.patience:
        raise fails(str(int(it.now().timestamp())), expect.printable(stamp) or "–")


async def without_an_address(it: Counterpart) -> None:
    """A subscription without callbackUrl is refused.

    OpenAPI 1.3.0, WebhookParams: callbackUrl is required.
    """
    expect.error(await it.call("POST", "/v1/webhooks", {"flowDirection": "In"}), 400, 422)


async def to_no_address(it: Counterpart) -> None:
    """A subscription to what is no address is refused.

    OpenAPI 1.3.0, WebhookParams.callbackUrl: uri.
    """
    expect.error(await it.call("POST", "/v1/webhooks", {"callbackUrl": "nowhere"}), 400, 422)


async def unsubscribed(it: Counterpart) -> None:
    """A subscription is removed, and is not found afterwards.

    OpenAPI 1.3.0, DELETE /v1/webhooks/{webhookUid}: 204.
    """
    id = _webhook(it)
    expect.status(await it.call("DELETE", f"/v1/webhooks/{id}"), 204)
    it.kept.pop("webhook")
    expect.status(await it.call("DELETE", f"/v1/webhooks/{id}"), 404)


async def clean_up(it: Counterpart) -> None:
    """Remove the subscription when the scenario that does it did not come to it. Raises Unreachable."""
    if it.kept.get("webhook"):
        await it.call("DELETE", f"/v1/webhooks/{it.kept.pop('webhook')}")


def _webhook(it: Counterpart) -> str:
    if not it.kept.get("webhook"):
        raise Skips(Text("there is no subscription", "il n'y a pas d'abonnement"))
    return str(it.kept["webhook"])


async def _posted(it: Counterpart) -> Posted:
    """An event of the subscription; a new invoice is handed in when none came yet. Raises Skips, Fails."""
    _webhook(it)
    mailbox: Any = it.kept.get("mailbox")
    if not isinstance(mailbox, Mailbox):
        raise Skips(Text("nobody listens (--listen)", "personne n'écoute (--listen)"))
    if not mailbox.posted and not it.access.submit:
        raise Skips(Text("nothing happens without --submit", "rien ne se passe sans --submit"))
    if not mailbox.posted and not it.kept.get("waited"):
        it.kept["waited"] = True
        await deposits.hand_in(it, await deposits.specimen(it))
        await mailbox.wait(1, it.access.patience)
    if not mailbox.posted:
        seconds = f"{it.access.patience:.0f} s"
        raise fails(Text("an event", "un événement"), Text(f"none in {seconds}", f"aucun en {seconds}"))
    return mailbox.posted[0]


def _key(text: object) -> bytes:
    try:
        return base64.b64decode(str(text or ""), validate=True)
    except binascii.Error:
        return str(text).encode()


SCENARIOS = (
    Scenario(are_listed, "Les abonnements du client sont listés"),
    Scenario(unknown_is_not_found, "Résilier ce qui n'existe pas reçoit 404"),
    Scenario(without_an_address, "Un abonnement sans callbackUrl est refusé", Needs.CALLBACK),
    Scenario(to_no_address, "Un abonnement à ce qui n'est pas une adresse est refusé", Needs.CALLBACK),
    Scenario(subscribed, "Un abonnement se crée avec son identifiant et une clé d'au moins 256 bits", Needs.CALLBACK),
    Scenario(is_in_the_list, "Le nouvel abonnement est dans la liste, sans sa clé", Needs.CALLBACK),
    Scenario(tells_of_a_flow, "Une facture déposée est dite à l'abonné, comme flux", Needs.CALLBACK),
    Scenario(signature_holds, "La signature d'un événement tient avec la clé de l'abonnement", Needs.CALLBACK),
    Scenario(signature_is_fresh, "L'horodatage d'un événement est le présent, en secondes", Needs.CALLBACK),
    Scenario(unsubscribed, "Un abonnement se résilie, et n'existe plus ensuite", Needs.CALLBACK),
)
