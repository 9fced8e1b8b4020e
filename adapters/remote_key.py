"""A sealing key at a remote signing service, by the CSC API v2 (Cloud Signature Consortium; ETSI TS 119 432).

Only digests go out. A credential is asked for its certificates once; each seal is authorised (`credentials/authorize`,
with the PIN where the credential has one) and signed (`signatures/signHash`). What comes back is checked against the
certificate before it is used: a signature of another key is not ours. A failure is Unreachable and is tried again,
which at worst pays for a signature that nobody gets.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asn1crypto import x509
from yarl import URL

from adapters.http import Client, Request, allowed, complaint
from adapters.port import Problem, Unreachable, read_secret, secret_complaint
from signing.keys import Algorithm, algorithm_of, fits, from_pair, ordered

URL_NAME = "ESTAFETTE_SEAL_REMOTE_URL"
_CREDENTIAL, _TOKEN = "ESTAFETTE_SEAL_REMOTE_CREDENTIAL", "ESTAFETTE_SEAL_REMOTE_TOKEN_FILE"
_PIN = "ESTAFETTE_SEAL_REMOTE_PIN_FILE"
_SHA256 = "2.16.840.1.101.3.4.2.1"
_SIGNS = {Algorithm.RSA: "1.2.840.113549.1.1.11", Algorithm.EC: "1.2.840.10045.4.3.2"}
_ANSWER_LIMIT = 262_144


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the service is, and which key is ours."""

    url: str
    """Base address, up to and without /credentials."""
    credential: str
    token_file: Path
    """Holds the bearer token; read at each call, so that it may be changed."""
    pin_file: Path | None = None
    allow: frozenset[str] = frozenset()
    seconds: float = 20.0


class RemoteKey:
    """A key far away."""

    def __init__(self, settings: Settings) -> None:
        """`settings`: where it is."""
        self._settings = settings
        self._client = Client(settings.allow)
        self._known: tuple[x509.Certificate, ...] = ()

    @property
    def name(self) -> str:
        """The kind of key and its host, for events."""
        return f"remote {URL(self._settings.url).host}"

    async def chain(self) -> tuple[x509.Certificate, ...]:
        """The sealer's certificate, then those that lead to a root. Raises Unreachable."""
        if not self._known:
            told = await self._asked("credentials/info", {"certificates": "chain"})
            try:
                found = [
                    x509.Certificate.load(base64.b64decode(one), strict=True) for one in told["cert"]["certificates"]
                ]
                algorithm_of(found[0])
            except (KeyError, TypeError, ValueError, IndexError) as wrong:
                raise Unreachable(f"{self.name}: the credential has no certificate that can be read") from wrong
            self._known = ordered(tuple(found), found[0])
        return self._known

    async def sign(self, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest. Raises Unreachable."""
        certificate = (await self.chain())[0]
        algorithm = algorithm_of(certificate)
        hashes = {"hashes": [base64.b64encode(digest).decode()], "hashAlgorithmOID": _SHA256}
        asked: dict[str, Any] = {**hashes, "signAlgo": _SIGNS[algorithm], "operationMode": "S"}
        if self._settings.pin_file is not None:
            pin = {"authData": [{"id": "PIN", "value": read_secret(self._settings.pin_file)}]}
            allowed = await self._asked("credentials/authorize", {"numSignatures": 1, **hashes, **pin})
            asked["SAD"] = str(allowed.get("SAD", ""))
        told = await self._asked("signatures/signHash", asked)
        try:
            (signature,) = (base64.b64decode(one, validate=True) for one in told["signatures"])
        except (KeyError, TypeError, ValueError) as wrong:
            raise Unreachable(f"{self.name}: the answer holds no signature") from wrong
        if algorithm is Algorithm.EC and not fits(certificate, digest, signature):
            signature = from_pair(signature)
        if not fits(certificate, digest, signature):
            raise Unreachable(f"{self.name}: the signature is not that of the credential's key")
        return signature

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.close()

    async def _asked(self, method: str, members: Mapping[str, Any]) -> dict[str, Any]:
        body = json.dumps({"credentialID": self._settings.credential, **members}).encode()
        try:
            token = read_secret(self._settings.token_file)
        except ValueError as wrong:
            raise Unreachable(f"{self.name}: {wrong}") from wrong
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answer = await self._client.send(
            Request(
                "POST",
                f"{self._settings.url}/{method}",
                headers,
                body,
                seconds=self._settings.seconds,
                limit=_ANSWER_LIMIT,
            )
        )
        if answer.status != 200:
            raise Unreachable(f"{self.name}: {method} answered {answer.status}")
        try:
            told = json.loads(answer.body)
        except ValueError as wrong:
            raise Unreachable(f"{self.name}: {method} answered no JSON") from wrong
        if not isinstance(told, dict):
            raise Unreachable(f"{self.name}: {method} answered no object")
        return told


def from_environment(environment: Mapping[str, str], problems: list[Problem]) -> RemoteKey | None:
    """The key of ESTAFETTE_SEAL_REMOTE_*; None when it is not set, or cannot be used, as `problems` then tells."""
    url = environment.get(URL_NAME, "").rstrip("/")
    if not url:
        return None
    found = [Problem(name, f"is needed with {URL_NAME}") for name in (_CREDENTIAL, _TOKEN) if not environment.get(name)]
    allow = allowed(environment)
    if said := complaint(url, allow):
        found.append(Problem(URL_NAME, said))
    files = {name: Path(environment[name]) for name in (_TOKEN, _PIN) if environment.get(name)}
    found += [Problem(name, said) for name, path in files.items() if (said := secret_complaint(path))]
    problems.extend(found)
    if found:
        return None
    return RemoteKey(Settings(url, environment[_CREDENTIAL], files[_TOKEN], files.get(_PIN), allow))
