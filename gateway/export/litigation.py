"""The litigation file of one customer: what it owes, invoices, proofs of delivery, statuses, reminders, interest.

    owed.csv              every document on which something is owed, or is the customer's
    reminders.csv         what each invoice has heard, and what became of each letter
    letters/              the letters as they were written
    calculations/         interest and indemnity of each late invoice, day by day; or why there is none
    originals/            the invoices and credit notes as issued
    proofs/               the proof of each: contents, receipts, statuses, payments, letters, checked offline

What cannot be given is told in left-out.csv with its reason, never passed over.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from gateway import lateness, proof
from gateway.errors import GatewayError
from gateway.export import cash
from gateway.export.packing import Packer, name_of
from gateway.export.table import Look, header, row
from gateway.lifecycle import Role
from gateway.resources import Resources
from gateway.store import accounts, documents, receivables, reminders
from gateway.store.accounts import Account
from gateway.store.receivables import Receivable, Wanted

README = """\
DOSSIER CONTENTIEUX / LITIGATION FILE

Compte / account: {account}
Client / customer: {customer}
Établi le / made on: {on}

owed.csv          ce qui est dû, par document / what is owed, by document
reminders.csv     les relances et leur sort / reminders, and what became of them
letters/          les lettres / the letters
calculations/     intérêts et indemnité, jour par jour / interest and indemnity, day by day
originals/        les factures et avoirs émis / invoices and credit notes as issued
proofs/           la preuve de chacun, vérifiable sans nous / the proof of each, checked without us
left-out.csv      ce qui manque, et pourquoi / what is missing, and why
manifest.json     SHA-256 de chaque fichier / of every file
"""
_REMINDERS = ("document", "number", "step", "said_on", "balance", "currency", "fee", "letter", "channel", "tone",
              "state", "sent_at", "message_id", "reason")  # fmt: skip


@dataclass(slots=True)
class Given:
    """How far it came."""

    documents: int = 0
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    """Document, what of it, and why."""


async def as_zip(
    resources: Resources, account_id: UUID, customer: str, on: date, given: Given
) -> AsyncGenerator[bytes, None]:
    """The ZIP, in parts. Raises NotFound without such an account."""
    account = await accounts.get(resources.pool, account_id)
    wanted = Wanted(on, None, customer)
    owed = [one async for one in receivables.everything(resources.pool, account_id, wanted)]
    packer = Packer(resources.clock.now())
    try:
        text = README.format(account=account.name, customer=customer, on=on.isoformat())
        yield await packer.add("README.txt", text.encode(), "text/plain")
        async with aclosing(_told(resources, account, owed, on)) as tables:
            async for name, data in tables:
                yield await packer.add(name, data, "text/plain")
        for one in owed:
            async for name, data, media_type in _document(resources, account, one, on, given):
                yield await packer.add(name, data, media_type)
            given.documents += 1
        lines = [row(each, Look()) for each in given.left_out]
        yield await packer.add(
            "left-out.csv", header(("document", "what", "why"), Look()) + b"".join(lines), "text/csv"
        )
        async for part in packer.end(_unsealed):
            yield part
    finally:
        packer.close()


async def _unsealed(_: str) -> None:
    """It bears no seal of its own: the proofs in it are signed."""
    return


async def _told(
    resources: Resources, account: Account, owed: list[Receivable], on: date
) -> AsyncGenerator[tuple[str, bytes], None]:
    """The tables, and the letters."""

    async def each() -> AsyncIterator[Receivable]:
        for one in owed:
            yield one

    yield "owed.csv", b"".join([line async for line in cash.table(each(), on, Look())])
    letters: dict[UUID, str] = {}
    lines = [header(_REMINDERS, Look())]
    for one in owed:
        async with resources.pool.account(account.id) as connection:
            heard = await reminders.said_of(connection, one.document_id)
        for said in heard:
            letter = said.letter
            letters[letter.id] = letter.sha256
            lines.append(row([
                str(one.document_id), one.number, said.step, said.said_on, said.balance, one.currency, said.fee,
                str(letter.id), letter.channel, letter.tone, letter.state, letter.sent_at, letter.network_id,
                letter.reason,
            ], Look()))  # fmt: skip
    yield "reminders.csv", b"".join(lines)
    for letter_id, sha256 in letters.items():
        async with resources.pool.account(account.id) as connection:
            members = json.loads(await documents.read(connection, sha256))
        text = f"To: {members['to']}\nSubject: {members['subject']}\n\n{members['text']}"
        yield f"letters/{letter_id}.txt", text.encode()


async def _document(
    resources: Resources, account: Account, one: Receivable, on: date, given: Given
) -> AsyncIterator[tuple[str, bytes, str]]:
    """The original, the calculation and the proof of one document; what fails is told."""
    async with resources.pool.account(account.id) as connection:
        document = await documents.get(connection, one.document_id)
    kept = document.content(Role.ORIGINAL) or document.content(Role.SUBMISSION)
    if kept is not None:
        try:
            async with resources.pool.account(account.id) as connection:
                data = await documents.read(connection, kept.sha256)
            yield f"originals/{name_of(one.number, one.document_id, kept.media_type)}", data, kept.media_type
        except GatewayError as gone:
            given.left_out.append((str(one.document_id), "original", gone.detail))
    if one.balance > 0:
        try:
            found = await lateness.calculated(document, account, resources, lateness.Asked(on))
            members = json.dumps(found.as_json(one.currency), indent=2).encode()
            name = f"calculations/{name_of(one.number, one.document_id, 'application/json')}"
            yield name, members, "application/json"
        except GatewayError as unable:
            given.left_out.append((str(one.document_id), "calculation", unable.detail))
    try:
        proved = await proof.bundle(resources, account.id, one.document_id)
        name = name_of(one.number, one.document_id, "application/zip").rpartition(".")[0]
        yield f"proofs/{name}.zip", proved, "application/zip"
    except GatewayError as unable:
        given.left_out.append((str(one.document_id), "proof", unable.detail))
