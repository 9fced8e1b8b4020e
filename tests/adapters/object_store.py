"""A small object store with Object Lock, written from the documented behaviour of S3: signatures are checked by code of
its own, every PUT makes a version, and a version under COMPLIANCE cannot be removed before its date.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web

from tests.bench.stage import free_port

ACCESS_KEY, SECRET, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-west-3"


@dataclass(frozen=True)
class Version:
    """One version of an object."""

    id: str
    data: bytes
    mode: str
    until: datetime


@dataclass
class Store:
    """One bucket."""

    url: str
    host: str
    locks: bool = True
    """The bucket has versions and Object Lock."""
    status: int = 0
    """Answer this instead of doing anything; 0: do it."""
    kept: dict[str, list[Version]] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        """One request."""
        body = await request.read()
        if self.status:
            return web.Response(status=self.status, text="<Error><Code>AccessDenied</Code></Error>")
        complaint = _complaint(request, body)
        if complaint:
            return web.Response(status=403, text=f"<Error><Code>{complaint}</Code></Error>")
        key = request.path.partition("/archive/")[2]
        if request.method == "DELETE":
            return self._delete(key, request.query["versionId"])
        if base64.b64encode(hashlib.md5(body).digest()).decode() != request.headers.get("Content-MD5", ""):
            return web.Response(status=400, text="<Error><Code>BadDigest</Code></Error>")
        if not self.locks:
            return web.Response(status=400, text="<Error><Code>InvalidRequest</Code>no Object Lock</Error>")
        until = datetime.fromisoformat(request.headers["x-amz-object-lock-retain-until-date"])
        version = Version(f"v{sum(map(len, self.kept.values())) + 1}", body,
                          request.headers["x-amz-object-lock-mode"], until)  # fmt: skip
        self.kept.setdefault(key, []).append(version)
        return web.Response(status=200, headers={"x-amz-version-id": version.id})

    def _delete(self, key: str, version: str) -> web.Response:
        (found,) = [one for one in self.kept[key] if one.id == version]
        if found.mode == "COMPLIANCE" and datetime.now(UTC) < found.until:
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
        self.kept[key].remove(found)
        return web.Response(status=204)


def _complaint(request: web.Request, body: bytes) -> str:
    """What is wrong with the signature (Signature Version 4, the steps of its description)."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, SignedHeaders=([^,]+), "
        r"Signature=([0-9a-f]{64})",
        request.headers.get("Authorization", ""),
    )
    if found is None:
        return "AuthorizationHeaderMalformed"
    access, day, region, names, signature = found.groups()
    if (access, region) != (ACCESS_KEY, REGION):
        return "InvalidAccessKeyId"
    wanted = {"host", "x-amz-date", "x-amz-content-sha256"}
    wanted |= {name.lower() for name in request.headers if name.lower().startswith("x-amz-")}
    if not wanted <= set(names.split(";")):
        return "UnsignedHeaders"
    if request.headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
        return "XAmzContentSHA256Mismatch"
    stamp = request.headers["x-amz-date"]
    lines = [request.method, request.raw_path.partition("?")[0], request.query_string]
    lines += [f"{name}:{' '.join(request.headers[name].split())}" for name in names.split(";")]
    lines += ["", names, hashlib.sha256(body).hexdigest()]
    told = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            stamp,
            f"{day}/{region}/s3/aws4_request",
            hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        ]
    )
    key = ("AWS4" + SECRET).encode()
    for step in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    right = hmac.new(key, told.encode(), hashlib.sha256).hexdigest()
    return "" if stamp.startswith(day) and hmac.compare_digest(right, signature) else "SignatureDoesNotMatch"


@asynccontextmanager
async def object_store() -> AsyncIterator[Store]:
    """A store on a free port of the loopback."""
    port = free_port()
    made = Store(f"http://127.0.0.1:{port}/archive", f"127.0.0.1:{port}")
    application = web.Application()
    application.router.add_route("*", "/archive/{key:.*}", made.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield made
    finally:
        await runner.cleanup()
