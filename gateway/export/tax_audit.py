"""The export for a tax audit (contrôle fiscal): all documents of a period, their proofs, and the audit trail that links
order, delivery, invoice, statuses and payment in both directions (piste d'audit fiable, CGI 289 VII 1°; BOI-TVA-DECLA-
30-20-30-20). No authority has published a form for it: this one is plain files that anybody opens, with a checker.

    README.txt            what it is, in French and English
    index.html            every document and its chain, to read
    index.csv, index.json the same for programs; every column is explained in index.json
    trail.csv             one line for each link of a chain
    left-out.csv          what is not given, and why; it is there also when it is empty
    documents/            the originals, exactly as they were sealed and sent
    orders/               the orders that documents invoice, exactly as they came
    proofs/               the proof of each document, which convinces who trusts neither us nor the operator
    check.py, verify.py   check every file, and every proof, offline
    manifest.json         the SHA-256 of every file
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from importlib import resources as files
from types import TracebackType
from uuid import UUID

from gateway import proof
from gateway.errors import Busy, Corrupt, Gone, NotFound
from gateway.export import page, table
from gateway.export.documents import (
    ENDED,
    File,
    Progress,
    What,
    counted,
    every,
    index_head,
    indexed,
    limited,
    original,
    seal_of,
)
from gateway.export.links import LINK_COLUMNS, LinkRow, links, trail_members
from gateway.export.packing import Packer, json_line, name_of, spare
from gateway.export.table import COLUMNS, FILE_COLUMNS, Look
from gateway.resources import Resources
from gateway.store import archive, documents, trail
from gateway.store.archive import Found
from gateway.store.trail import OrderWhole, Trail

AT_ONCE = 4
"""Documents whose originals and proofs are made at the same time, and so are in memory."""

LEFT_OUT_COLUMNS = ("document", "number", "what", "why")


async def as_zip(resources: Resources, what: What, look: Look, progress: Progress) -> AsyncGenerator[bytes, None]:
    """The whole of it, as it is made."""
    packer, it = Packer(what.at), _Waiting(what, look)
    try:
        with it:
            async for found in limited(every(resources, what), progress):
                async with resources.pool.account(what.account_id) as connection:
                    trails = await trail.of(connection, found)
                for start in range(0, len(found), AT_ONCE):
                    some = found[start : start + AT_ONCE]
                    for given in await asyncio.gather(*(_given(resources, what, document) for document in some)):
                        async for sent in _document(packer, it, given, trails[given.document.id]):
                            yield sent
                        counted(progress, it.last)
            async for sent in _orders(resources, packer, it, progress):
                yield sent
            await _unread(resources, it, progress)
            async for sent in _rest(packer, it, progress):
                yield sent
        async for sent in packer.end(seal_of(resources, what, progress)):
            yield sent
        progress.manifest, progress.ended = packer.manifest, True
    finally:
        packer.close()


class _Waiting:
    """What comes at the end of the ZIP and grows until then."""

    def __init__(self, what: What, look: Look) -> None:
        self.what, self.look = what, look
        self.rows, self.members, self.links, self.left, self.page = (spare() for _ in range(5))
        self.orders: dict[UUID, None] = {}
        self.last = File("", "", "", None, "", "")
        self.documents = 0

    def __enter__(self) -> _Waiting:
        self.rows.write(table.header([*(one.name for one in COLUMNS), *FILE_COLUMNS, "proof"], self.look))
        self.links.write(table.header(LINK_COLUMNS, self.look))
        self.left.write(table.header(LEFT_OUT_COLUMNS, self.look))
        self.members.write(index_head(self.what))
        self.page.write(page.head(self.what))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self.rows, self.members, self.links, self.left, self.page):
            one.close()

    def leave_out(self, document: object, number: str | None, what: str, why: str) -> None:
        """Name what is not given."""
        self.left.write(table.row((str(document), number, what, why), self.look))

    def take(self, document: Found, file: File, proved: str, chain: Trail) -> None:
        """One document with its chain."""
        self.last = file
        self.rows.write(table.document_row(document, self.look, *file, proved))
        members = {**indexed(document, file), "proof": proved, "trail": trail_members(chain)}
        self.members.write((b",\n" if self.documents else b"") + json_line(members))
        for link in links(document, chain):
            self.link(link)
        self.page.write(page.document(document, file, proved, chain))
        if chain.order is not None:
            self.orders[chain.order.order_id] = None
        self.documents += 1

    def link(self, link: LinkRow) -> None:
        """One link of a chain."""
        self.links.write(table.row(link, self.look))


@dataclass(frozen=True, slots=True)
class _Given:
    """What there is of one document."""

    document: Found
    file: File
    data: bytes | None
    proof: bytes | None
    no_proof: str
    """Why there is no proof; empty: there is, or there need not be."""


async def _given(resources: Resources, what: What, document: Found) -> _Given:
    file, data = await original(resources, what, document)
    if document.erased_at is not None:
        return _Given(document, file, data, None, "")
    return _Given(document, file, data, *await _proof(resources, document))


async def _document(packer: Packer, it: _Waiting, given: _Given, chain: Trail) -> AsyncIterator[bytes]:
    document, file, proved = given.document, given.file, ""
    if given.data is not None:
        yield await packer.add(file.name, given.data, file.media_type)
    else:
        it.leave_out(document.id, document.number, "document", file.left_out)
    if given.proof is not None:
        proved = f"proofs/{name_of(document.number, document.id, 'application/zip').rpartition('.')[0]}.zip"
        yield await packer.add(proved, given.proof, "application/zip")
    elif given.no_proof:
        it.leave_out(document.id, document.number, "proof", given.no_proof)
        file = file if file.left_out else file._replace(left_out=f"proof: {given.no_proof}")
    it.take(document, file, proved, chain)


async def _proof(resources: Resources, document: Found) -> tuple[bytes | None, str]:
    try:
        return await proof.bundle(resources, document.account_id, document.id), ""
    except Gone:
        return None, ENDED
    except (Corrupt, NotFound) as damaged:
        return None, f"DAMAGED: {damaged.detail}"
    except Busy as busy:
        return None, f"not now: {busy.detail}"


async def _orders(resources: Resources, packer: Packer, it: _Waiting, progress: Progress) -> AsyncIterator[bytes]:
    """The orders, each with all that follows from it; links from their side."""
    it.members.write(b'\n], "orders": [\n')
    for number, order_id in enumerate(it.orders):
        data: bytes | None = None
        async with resources.pool.account(it.what.account_id) as connection:
            whole = await trail.order(connection, order_id)
            try:
                data = await documents.read(connection, whole.sha256)
            except Gone:
                it.leave_out(order_id, whole.number, "order", ENDED)
            except (Corrupt, NotFound) as damaged:
                it.leave_out(order_id, whole.number, "order", f"DAMAGED: {damaged.detail}")
                progress.damaged += 1
        name = f"orders/{name_of(whole.number, whole.id, whole.media_type)}" if data is not None else ""
        if data is not None:
            yield await packer.add(name, data, whole.media_type)
        it.members.write((b",\n" if number else b"") + json_line(_order(whole, name)))
        for link in _order_links(whole, name):
            it.link(link)
        it.page.write(page.order(whole, name, first=number == 0))


def _order(whole: OrderWhole, name: str) -> Mapping[str, object]:
    return {
        "order": str(whole.id),
        "number": whole.number,
        "buyer_name": whole.buyer_name,
        "ordered_on": whole.ordered_on.isoformat(),
        "currency": whole.currency,
        "total_without_vat": None if whole.total is None else f"{whole.total:f}",
        "state": whole.state,
        "file": name,
        "sha256": whole.sha256,
        "deliveries": list(whole.deliveries),
    }


def _order_links(whole: OrderWhole, name: str) -> list[LinkRow]:
    found = []
    for delivery in whole.deliveries:
        says = f"{delivery['delivery']} ({delivery['despatch_advice']})" if delivery["despatch_advice"] else ""
        found.append(
            LinkRow("order", str(whole.id), whole.number, "delivery", delivery["id"], says or str(delivery["delivery"]),
                    delivery["delivered_on"], "", "", name)
        )  # fmt: skip
        found += [
            LinkRow("delivery", delivery["id"], str(delivery["delivery"]), "invoice", one["document"], one["number"],
                    "", "", "", "")
            for one in delivery["invoices"]
        ]  # fmt: skip
    return found


async def _unread(resources: Resources, it: _Waiting, progress: Progress) -> None:
    """What was accepted in the time and nobody has read yet: its issue date is not known, it may belong here."""
    wanted = it.what.wanted
    async with resources.pool.account(it.what.account_id) as connection:
        waiting = await archive.unread(connection, wanted.accepted_from, wanted.accepted_until)
    for document_id in waiting:
        it.leave_out(document_id, None, "document", "accepted and not read yet: it may belong to this period")
        progress.left_out += 1
    if progress.goes_on:
        it.leave_out("", None, "documents", progress.goes_on)


async def _rest(packer: Packer, it: _Waiting, progress: Progress) -> AsyncIterator[bytes]:
    it.members.write(b"\n]}\n")
    it.page.write(page.foot(progress))
    for name, waiting in (
        ("index.html", it.page),
        ("index.csv", it.rows),
        ("index.json", it.members),
        ("trail.csv", it.links),
        ("left-out.csv", it.left),
    ):
        async for sent in packer.pour(name, waiting):
            yield sent
    yield await packer.add("README.txt", page.readme(it.what, progress).encode(), "text/plain")
    for name, module in (("check.py", "gateway.export"), ("verify.py", "signing")):
        yield await packer.add(name, (files.files(module) / name).read_bytes(), "text/x-python")
