"""Checkpoints in an object store (S3) under Object Lock: nobody replaces or deletes them in time, not even we.

Each note is one object, written once under its own name, with a retention date in the request itself. The store must
have Object Lock on for the bucket, and says so by accepting that; an answer without a version id is not believed, as a
bucket without versions can lock nothing.

The request is signed by hand (AWS Signature Version 4, one PUT), so that it leaves through the one guarded client:
aiobotocore would bring its own way out, past the address guard, and 20 MB of service descriptions for this one call.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5, sha256
from pathlib import Path
from urllib.parse import quote

from yarl import URL

from adapters.http import Answer, Client, Request, allowed, complaint
from adapters.port import Custody, Note, Problem, Refused, Unreachable, read_secret, secret_complaint
from schemas.finding import Finding, Severity

MODES = ("COMPLIANCE", "GOVERNANCE")
"""COMPLIANCE: nobody removes it before its date, not even the root of the store; GOVERNANCE: a named right can."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The operator's bucket."""

    url: str
    """Of the bucket: https://bucket.s3.region.example or https://store.example/bucket."""
    region: str
    access_key: str
    secret_file: Path
    mode: str = "COMPLIANCE"
    days: int = 3_653
    """How long an object is locked; ten years by default."""
    prefix: str = "checkpoints/"
    every: timedelta = timedelta(minutes=1)
    allow: frozenset[str] = frozenset()
    """host:port pairs that may be private and may speak http."""
    seconds: float = 30.0


def from_environment(environment: Mapping[str, str], problems: list[Problem]) -> Settings | None:
    """Settings from ESTAFETTE_S3_*; None when none is set, or when they cannot be used, as `problems` then tells."""
    names = ("URL", "REGION", "ACCESS_KEY", "SECRET_FILE", "MODE", "DAYS", "PREFIX")
    given = {name: environment.get(f"ESTAFETTE_S3_{name}", "").strip() for name in names}
    if not any(given.values()):
        return None
    allow = allowed(environment)
    mode, days = given["MODE"] or "COMPLIANCE", given["DAYS"] or "3653"
    found = [
        Problem(f"ESTAFETTE_S3_{name}", says)
        for wrong, name, says in (
            (not given["URL"], "URL", "is needed for copies in an object store"),
            (bool(given["URL"]) and complaint(given["URL"], allow), "URL", complaint(given["URL"], allow)),
            (not given["REGION"], "REGION", "is needed; a store without regions takes us-east-1"),
            (not given["ACCESS_KEY"], "ACCESS_KEY", "is needed"),
            (not given["SECRET_FILE"], "SECRET_FILE", "is needed"),
            (mode not in MODES, "MODE", f"must be one of {', '.join(MODES)}"),
            (not (days.isascii() and days.isdigit() and 0 < int(days) <= 36_500), "DAYS", "must be days, up to 36500"),
        )
        if wrong
    ]
    if given["SECRET_FILE"] and (unusable := secret_complaint(Path(given["SECRET_FILE"]))):
        found.append(Problem("ESTAFETTE_S3_SECRET_FILE", unusable))
    problems.extend(found)
    if found:
        return None
    return Settings(
        given["URL"],
        given["REGION"],
        given["ACCESS_KEY"],
        Path(given["SECRET_FILE"]),
        mode,
        int(days),
        given["PREFIX"] or "checkpoints/",
        allow=allow,
    )


class Bucket:
    """A bucket under Object Lock, as a keeper of checkpoints."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        """`now` tells the time as aware UTC."""
        self._settings = settings
        self._now = now
        self._client = Client(settings.allow)

    @property
    def name(self) -> str:
        """s3: and the host."""
        return f"s3:{URL(self._settings.url).host}"

    @property
    def every(self) -> timedelta:
        """A minute: an object each second would be a million a fortnight."""
        return self._settings.every

    async def keep(self, note: Note) -> Custody:
        """Put the note under its own name, locked. Raises Unreachable, Refused."""
        now = self._now()
        url = URL(self._settings.url.rstrip("/") + "/" + quote(self._settings.prefix + note.file_name), encoded=True)
        body = note.text.encode()
        headers = {
            "content-type": "text/plain; charset=utf-8",
            "content-md5": base64.b64encode(md5(body, usedforsecurity=False).digest()).decode(),
            "x-amz-object-lock-mode": self._settings.mode,
            "x-amz-object-lock-retain-until-date": _instant(note.at + timedelta(days=self._settings.days)),
        }
        try:
            secret = read_secret(self._settings.secret_file)
        except ValueError as wrong:
            raise Unreachable(f"{self.name}: {wrong}") from wrong
        signed = sign(Put(url, headers, body), self._settings.access_key, secret, self._settings.region, now)
        answer = await self._client.send(
            Request("PUT", str(url), signed, body, seconds=self._settings.seconds, limit=65_536)
        )
        return self._kept(answer)

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.close()

    def _kept(self, answer: Answer) -> Custody:
        if answer.status == 200:
            version = answer.headers.get("x-amz-version-id", "")
            if version in ("", "null"):
                says = "The store names no version of the object, so the bucket has no versions and locks nothing."
                raise Refused(f"{self.name}: no Object Lock", (_finding("S3-NO-LOCK", says),))
            return Custody(version.encode(), "text/plain")
        if answer.status in (400, 401, 403, 404, 409, 412, 501):
            says = answer.body[:500].decode("utf-8", "replace")
            raise Refused(f"{self.name}: answered {answer.status}", (_finding(f"S3-{answer.status}", says),))
        raise Unreachable(f"{self.name}: answered {answer.status}")


@dataclass(frozen=True, slots=True)
class Put:
    """What is signed: a PUT of these bytes."""

    url: URL
    headers: Mapping[str, str]
    """Names in lower case; all are signed."""
    body: bytes


def sign(put: Put, access_key: str, secret: str, region: str, now: datetime) -> dict[str, str]:
    """The headers with those of AWS Signature Version 4 for the service s3."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    port = "" if put.url.is_default_port() else f":{put.url.port}"
    payload = sha256(put.body).hexdigest()
    headers = {
        **put.headers,
        "host": f"{put.url.raw_host}{port}",
        "x-amz-content-sha256": payload,
        "x-amz-date": stamp,
    }
    names = sorted(headers)
    canonical = "\n".join(
        [
            "PUT",
            put.url.raw_path,
            "",
            *(f"{name}:{headers[name].strip()}" for name in names),
            "",
            ";".join(names),
            payload,
        ]
    )
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    told = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), sha256)
    signature = hmac.digest(key, told.encode(), sha256).hex()
    credential = f"Credential={access_key}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {credential}"}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _finding(rule: str, says: str) -> Finding:
    return Finding(rule, Severity.FATAL, "network", " ".join(says.split()) or "it says nothing")
