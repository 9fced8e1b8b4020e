"""Witnesses of the archive's tree (C2SP tlog-witness): each looks whether the new tree begins with the one it saw, and
signs that it does.

A witness that has cosigned will not cosign a rewritten past, whoever asks. What is sent is the size it saw last, the
consistency proof from there and the checkpoint; what comes back is its cosignature, which is kept with the checkpoint.
Whether the cosignature holds is checked before it is believed (`signing.checkpoint.cosigned`), where its key is named.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from yarl import URL

from adapters.http import Answer, Client, Request, allowed, complaint
from adapters.port import Custody, Note, Problem, Refused, Unreachable
from schemas.finding import Finding, Severity
from signing.checkpoint import NotProved, UnusableKey, Witness, cosigned, witness

_URLS, _KEYS = "ESTAFETTE_WITNESS_URLS", "ESTAFETTE_WITNESS_KEYS"
_SIZE = "text/x.tlog.size"
_ANSWER_LIMIT = 65_536
PROOF_LIMIT = 63
"""Lines of a consistency proof, at most."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The operator's witnesses."""

    urls: tuple[str, ...]
    """The submission prefix of each."""
    keys: tuple[Witness, ...]
    """Whose cosignatures are believed."""
    every: timedelta = timedelta(minutes=1)
    allow: frozenset[str] = frozenset()
    seconds: float = 15.0


def from_environment(environment: Mapping[str, str], problems: list[Problem]) -> Settings | None:
    """Settings from ESTAFETTE_WITNESS_*; None without any, or where `problems` then tells why not."""
    urls = tuple(environment.get(_URLS, "").replace(",", " ").split())
    named = environment.get(_KEYS, "").strip()
    if not urls and not named:
        return None
    allow = allowed(environment)
    found = [Problem(_URLS, f"{url}: {said}") for url in urls if (said := complaint(url, allow))]
    if not urls:
        found.append(Problem(_URLS, "is needed beside ESTAFETTE_WITNESS_KEYS"))
    keys: tuple[Witness, ...] = ()
    try:
        lines = Path(named).read_text(encoding="utf-8").splitlines() if named else []
        keys = tuple(witness(line) for line in lines if line.strip() and not line.startswith("#"))
        if not keys:
            found.append(Problem(_KEYS, "names a file with a witness's public key on each line"))
    except (OSError, UnicodeDecodeError, UnusableKey) as wrong:
        found.append(Problem(_KEYS, f"cannot be read: {wrong}"))
    problems.extend(found)
    return None if found else Settings(urls, keys, allow=allow)


class Overseer:
    """One witness, as a keeper of checkpoints."""

    def __init__(self, url: str, settings: Settings) -> None:
        """`url`: one of the settings'."""
        self._url = url.rstrip("/")
        self._settings = settings
        self._client = Client(settings.allow)

    @property
    def name(self) -> str:
        """witness: and where it is."""
        url = URL(self._url)
        return f"witness:{url.host}{url.path.rstrip('/')}"

    @property
    def every(self) -> timedelta:
        """How often it is asked."""
        return self._settings.every

    async def keep(self, note: Note) -> Custody:
        """Ask for a cosignature. Raises Unreachable, Refused."""
        lines = [base64.b64encode(one).decode() for one in note.consistency]
        body = "\n".join([f"old {note.old}", *lines, "", note.text]).encode()
        answer = await self._client.send(
            Request("POST", f"{self._url}/add-checkpoint", {"Content-Type": "text/plain; charset=utf-8"}, body,
                    seconds=self._settings.seconds, limit=_ANSWER_LIMIT)
        )  # fmt: skip
        if answer.status == 200:
            return self._cosignature(note, answer)
        if answer.status == 409 and answer.media_type == _SIZE:
            said = answer.body.decode("ascii", "replace").strip()
            if said.isascii() and said.isdigit() and len(said) < 19:
                return Custody(answer.body, _SIZE, knows=int(said))
        if answer.status in (400, 403, 404, 409, 422):
            says = {
                403: "It does not believe the key that signed the checkpoint.",
                404: "It does not know this archive; its operator must add it.",
                409: "It has seen another tree of the same size: one of the two was rewritten.",
                422: "It does not believe that the tree begins with the one it saw: the past was rewritten.",
            }.get(answer.status, "It cannot read the checkpoint.")
            finding = Finding(f"WITNESS-{answer.status}", Severity.FATAL, "network", says)
            raise Refused(f"{self.name}: {says}", (finding,))
        raise Unreachable(f"{self.name}: answered {answer.status}")

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.close()

    def _cosignature(self, note: Note, answer: Answer) -> Custody:
        """The first line of the answer that one of the known keys made. Raises Refused."""
        for line in answer.body.decode("utf-8", "replace").split("\n"):
            for key in self._settings.keys:
                try:
                    cosigned(note.text, line, key)
                except NotProved:
                    continue
                return Custody(line.encode(), "text/plain")
        says = "Its answer bears no cosignature of a key that is named in ESTAFETTE_WITNESS_KEYS."
        raise Refused(f"{self.name}: {says}", (Finding("WITNESS-KEY", Severity.FATAL, "network", says),))


def overseers(settings: Settings) -> tuple[Overseer, ...]:
    """The witnesses of the settings, in their order."""
    return tuple(Overseer(url, settings) for url in settings.urls)
