"""A ZIP that is sent while it is written: no seeking back, Zip64 where it is needed, a hash of every file on the way.

Names are made of ASCII letters, digits and `-_.`, never begin with a dot, and each is used once, so that any system
unpacks them where they belong.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import tempfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import IO

from signing.chain import canonical

MANIFEST = "manifest.json"
"""The SHA-256 and size of every file but itself and the seal."""
SEAL = "seal.json"
"""The last file, where there is one: the organisation's seal over the manifest."""

Seal = Callable[[str], Awaitable[bytes | None]]
"""The SHA-256 of a manifest into its seal; None: there is none."""

CHUNK = 1 << 20
_SPARE = 1 << 22
"""Bytes of a temporary file that stay in memory."""

_COMPRESSED = ("application/pdf", "application/zip", "image/")
_ENDINGS = {"application/pdf": "pdf", "application/xml": "xml", "text/xml": "xml", "application/json": "json"}


class _Sink(io.RawIOBase):
    """What the ZIP writes into, and what is sent takes out."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Keep bytes until they are taken."""
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """Everything since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


class Packer:
    """Writes one ZIP; what each call returns is to be sent at once, in order."""

    def __init__(self, at: datetime) -> None:
        """`at`: the date that every file gets."""
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._at = max(at, at.replace(year=1980)) if at.year < 1980 else at
        self._listed = spare()
        self.files = 0
        self.manifest = ""
        """SHA-256 of the manifest, once it is written."""

    async def add(self, name: str, data: bytes, media_type: str) -> bytes:
        """A file whose bytes are at hand."""
        return await asyncio.to_thread(self._add, name, data, media_type)

    async def pour(self, name: str, source: IO[bytes]) -> AsyncIterator[bytes]:
        """A file whose bytes wait in another; read from its beginning."""
        source.seek(0)
        digest, size = sha256(), 0
        entry = self._entry(name)
        entry.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(entry, "w", force_zip64=True) as file:
            while chunk := await asyncio.to_thread(source.read, CHUNK):
                digest.update(chunk)
                size += len(chunk)
                await asyncio.to_thread(file.write, chunk)
                yield self._sink.taken()
        self._list(name, digest.hexdigest(), size)
        yield self._sink.taken()

    async def end(self, seal: Seal) -> AsyncIterator[bytes]:
        """The manifest, the seal over it where there is one, and the directory of the ZIP."""
        with spare() as manifest:
            digest = sha256()
            for part in self._manifest():
                manifest.write(part)
                digest.update(part)
            self.manifest = digest.hexdigest()
            async for sent in self.pour(MANIFEST, manifest):
                yield sent
        self._listed.close()
        if (sealed := await seal(self.manifest)) is not None:
            yield await asyncio.to_thread(self._add, SEAL, sealed, "application/json")
        await asyncio.to_thread(self._zip.close)
        yield self._sink.taken()

    def close(self) -> None:
        """Let go of what waits; also where it broke off."""
        self._listed.close()

    def _add(self, name: str, data: bytes, media_type: str) -> bytes:
        entry = self._entry(name)
        if not media_type.startswith(_COMPRESSED):
            entry.compress_type = zipfile.ZIP_DEFLATED
        entry.file_size = len(data)
        self._zip.writestr(entry, data)
        self._list(name, sha256(data).hexdigest(), len(data))
        return self._sink.taken()

    def _entry(self, name: str) -> zipfile.ZipInfo:
        at = self._at
        entry = zipfile.ZipInfo(name, (at.year, at.month, at.day, at.hour, at.minute, at.second))
        entry.create_system, entry.external_attr = 3, 0o644 << 16
        return entry

    def _list(self, name: str, digest: str, size: int) -> None:
        if name in (MANIFEST, SEAL):
            return
        line = canonical(name) + b":" + canonical({"sha256": digest, "size": size})
        self._listed.write((b",\n" if self.files else b"") + line)
        self.files += 1

    def _manifest(self) -> Iterator[bytes]:
        yield b'{"form":"estafette-export/1","files":{\n'
        self._listed.seek(0)
        while chunk := self._listed.read(CHUNK):
            yield chunk
        yield b"\n}}\n"


def spare() -> IO[bytes]:
    """A temporary file, in memory while it is small."""
    return tempfile.SpooledTemporaryFile(max_size=_SPARE)


def name_of(number: str | None, identifier: object, media_type: str) -> str:
    """A file name for a document: its number as far as it is plain, and its id, which makes it the only one."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", number or "").strip("-")[:60]
    ending = _ENDINGS.get(media_type.partition(";")[0].strip(), "bin")
    return f"{plain}_{identifier}.{ending}" if plain else f"{identifier}.{ending}"


def json_line(members: object) -> bytes:
    """One object on one line."""
    return json.dumps(members, ensure_ascii=False).encode()
