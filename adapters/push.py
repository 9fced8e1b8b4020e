"""HTTPS push: the bytes of a document posted to one address that the operator names, signed, once for its id.

For a buyer's own system, a portal, or another gateway that speaks no standard of ours. What the other side must know is
in the headers, the body is the document and nothing else:

- `webhook-id`, `webhook-timestamp`, `webhook-signature`: Standard Webhooks 1.0 over the body, by the secret both sides
  have in a file; a message whose signature does not hold, or that is old, is none of ours.
- `Idempotency-Key`: the id of the consignment, the same for every attempt. Who has it already answers as before and may
  say so (`Idempotency-Replayed: true`); who has other bytes under it answers 422 with a problem that names the key,
  which is an alarm.
- `Content-Disposition`, `Content-Type`, `Content-Digest` (RFC 9530), `Estafette-Recipient` (scheme:value),
  `Estafette-Sender` (SIREN), `Estafette-Syntax`.

Answers: 2xx: it is taken. 400, 406, 410, 411, 413, 415, 422 and the like: it is refused, and the body, a problem
(RFC 9457), says why. 401, 403, 404, 405, 407 and redirects speak of the address or the secret, not of the document: it
waits. 408, 425, 429 and 503 ask for patience. 409, with a problem or without, any other 5xx, and a lost answer leave
the outcome unknown: it is posted again under the same key. A network that cannot be asked cannot be certain: a receiver
that knows no keys gets it twice, and the receipt then does not say `already_there`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from adapters.http import Answer, Client, Request, allowed, complaint, members_of
from adapters.port import (
    Collected,
    Consignment,
    ElectronicAddress,
    Problem,
    Receipt,
    Refused,
    Route,
    Unreachable,
    one_line,
    read_secret,
)
from schemas.finding import Finding, Severity
from signing import webhook

log = logging.getLogger(__name__)

FINDINGS = 50
"""Reasons that are taken from one answer."""
TEXT_LIMIT = 2_000
KEY_BYTES = 24
"""The shortest secret, as Standard Webhooks has it."""
_OURS = frozenset({401, 402, 403, 404, 405, 407, 421, 426, 511})
"""Statuses that speak of the address, the secret or the account with it."""
_LATER = frozenset({408, 425, 429, 503})
_KEY = "idempotency"
"""What a 422 speaks of when the other side has other bytes under our key."""
_REPLAYED = ("idempotency-replayed", "idempotent-replayed")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to, with which secret, and for whom."""

    url: str
    secret_file: Path
    """The key of the signatures, as Standard Webhooks writes it: whsec_ and base64."""
    schemes: frozenset[str]
    """Schemes of electronic addresses (EAS) whose documents go there."""
    allow: frozenset[str] = frozenset()
    """host:port pairs that may be private and may speak http."""
    seconds: float = 60.0
    """Time for one delivery, its answer included."""


def from_environment(environment: Mapping[str, str], problems: list[Problem]) -> Settings | None:
    """Settings from ESTAFETTE_PUSH_*; None when none is set, or they cannot be used, as `problems` then tells."""
    names = ("URL", "SECRET_FILE", "SCHEMES")
    given = {name: environment.get(f"ESTAFETTE_PUSH_{name}", "").strip() for name in names}
    if not any(given.values()):
        return None
    found = [Problem(f"ESTAFETTE_PUSH_{name}", "is needed for the push") for name in names if not given[name]]
    allow = allowed(environment)
    if given["URL"] and (wrong := complaint(given["URL"], allow)):
        found.append(Problem("ESTAFETTE_PUSH_URL", wrong))
    if given["SECRET_FILE"]:
        try:
            _key(Path(given["SECRET_FILE"]))
        except ValueError as wrong_secret:
            found.append(Problem("ESTAFETTE_PUSH_SECRET_FILE", str(wrong_secret)))
    problems.extend(found)
    if found:
        return None
    schemes = frozenset(one.strip() for one in given["SCHEMES"].split(",") if one.strip())
    return Settings(given["URL"], Path(given["SECRET_FILE"]), schemes, allow)


class Push:
    """An address that documents are posted to, as a network."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._client = Client(settings.allow)

    @property
    def name(self) -> str:
        """push"""
        return "push"

    async def find(self, address: ElectronicAddress) -> Route | None:
        """The address, for the schemes that the operator named."""
        if address.scheme not in self._settings.schemes or not address.value:
            return None
        return Route(self.name, address, f"the operator pushes documents for scheme {address.scheme} over HTTPS")

    async def send(self, consignment: Consignment) -> Receipt:
        """Post it, once. Raises Unreachable, Refused."""
        settings = self._settings
        try:
            secret = await asyncio.to_thread(_key, settings.secret_file)
        except ValueError as wrong:
            raise Unreachable(f"the push settings cannot be used: {wrong}") from wrong
        headers = _headers(consignment) | webhook.headers(consignment.id, self._now(), consignment.data, [secret])
        request = Request("POST", settings.url, headers, consignment.data, delivers=True, seconds=settings.seconds)
        answer = await self._client.send(request)
        if 200 <= answer.status < 300:
            return self._receipt(consignment, answer)
        raise self._turned_away(answer)

    async def collect(self, cursor: str | None) -> Collected:
        """A push brings nothing."""
        return Collected((), cursor or "", more=False)

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.close()

    def _receipt(self, consignment: Consignment, answer: Answer) -> Receipt:
        again = any(answer.headers.get(name, "").strip().lower() in ("true", "1", "?1") for name in _REPLAYED)
        if answer.body:
            evidence, media_type = answer.body, answer.media_type
        else:
            told = {name: answer.headers[name] for name in ("date", "location") if name in answer.headers}
            evidence = json.dumps({"status": answer.status, **told}, sort_keys=True).encode()
            media_type = "application/json"
        return Receipt(consignment.id, self._now(), evidence, media_type, again)

    def _turned_away(self, answer: Answer) -> Exception:
        """What an answer means that does not say the document is taken."""
        status, problem = answer.status, _problem(answer)
        log.info("the push was answered with %d", status)
        retry_in = answer.retry_in(self._now())
        if status == 409:  # the same key is being worked on, which a problem may say (draft on Idempotency-Key)
            return Unreachable("the other side answered 409", retry_in, unknown=True)
        if 400 <= status < 500 and status not in _OURS | _LATER:
            return Refused(f"the other side refuses the document ({status})", _findings(status, problem))
        unknown = status >= 500 and status not in _LATER | _OURS
        return Unreachable(f"the other side answered {status}", retry_in, unknown=unknown)


def _headers(consignment: Consignment) -> dict[str, str]:
    """What the other side must know beside the document; ASCII, whatever the document's names are made of."""
    plain = consignment.plain_name[:100]
    digest = base64.b64encode(bytes.fromhex(consignment.sha256)).decode()
    address = consignment.route.address
    return {
        "Content-Type": consignment.media_type,
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{_quoted(consignment.name)}",
        "Content-Digest": f"sha-256=:{digest}:",
        "Idempotency-Key": consignment.id,
        "Estafette-Recipient": f"{_quoted(address.scheme)}:{_quoted(address.value)}",
        "Estafette-Sender": _quoted(consignment.organization),
        "Estafette-Syntax": _quoted(consignment.syntax),
        "Accept": "application/json, application/problem+json",
    }


def _quoted(text: str) -> str:
    return quote(text[:255], safe="@+-._:", errors="replace")


def _problem(answer: Answer) -> Mapping[str, Any]:
    """The problem (RFC 9457) an answer bears; empty where it bears none that can be read."""
    return members_of(answer.body) if answer.media_type.endswith("json") else {}


def _findings(status: int, problem: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Each reason of a problem: its `errors` or `findings`, else its own words; always at least one."""
    listed: list[Any] = next(
        (problem[name] for name in ("findings", "errors") if isinstance(problem.get(name), list)), []
    )
    other = status == 422 and _KEY in "".join(_text(problem, name) for name in ("type", "title", "detail")).lower()
    rule = "PUSH-OTHER-CONTENT" if other else f"PUSH-{status}"
    found = [
        Finding(
            _text(one, "rule", "code", limit=60) or rule, Severity.FATAL, "network",
            _text(one, "says", "detail", "message", "title") or f"answered {status}",
            path=_text(one, "pointer", "path", limit=500),
        )
        for one in listed[:FINDINGS] if isinstance(one, dict)
    ]  # fmt: skip
    own = _text(problem, "detail", "title") or f"The other side answered {status} and gives no reason."
    if other or not found:
        found.insert(0, Finding(rule, Severity.FATAL, "network", own))
    return tuple(found)


def _text(members: Mapping[str, Any], *names: str, limit: int = TEXT_LIMIT) -> str:
    """The first of the members that is a text, on one line."""
    said = next((members[name] for name in names if isinstance(members.get(name), str) and members[name]), "")
    return one_line(said)[:limit]


def _key(path: Path) -> bytes:
    """The key in a secret's file. Raises ValueError with what is wrong."""
    text = read_secret(path)
    try:
        key = base64.b64decode(text.removeprefix(webhook.PREFIX), validate=True)
    except binascii.Error as wrong:
        raise ValueError(f"the file {path.name} must hold {webhook.PREFIX} and a key in base64") from wrong
    if len(key) < KEY_BYTES:
        raise ValueError(f"the key in the file {path.name} has fewer than {KEY_BYTES} bytes")
    return key
