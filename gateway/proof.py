"""The proof of a document: one ZIP that a stranger checks offline, trusting neither us nor the operator.

It holds the exact bytes of everything kept of the document, all its events, the path of each in the hash tree, the
signed checkpoint with its timestamps, the certificates of seals and timestamps, the payments, a page that tells the
story in French and English, and the program that checks all of it with Python and one package (`signing/verify.py`).
An index names every file with its hash and is signed by the archive's key; the ZIP has one form. So not a bit of it can
be changed unseen, and the same state gives the same bytes.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from importlib import resources as files
from typing import Any
from uuid import UUID

from gateway.compute import Interrupted
from gateway.errors import Busy
from gateway.lifecycle import Role
from gateway.publish import publish
from gateway.resources import Resources
from gateway.store import custody, documents, payments, tree
from gateway.store.documents import ContentReference, Document, Payment
from gateway.store.tree import Proof
from schemas.catalogue import FORMATS, recognise
from schemas.formats import cdar
from schemas.formats.facturx import story
from schemas.invoice import Invoice
from schemas.xml import Unreadable
from signing import checkpoint
from signing.chain import canonical, instant
from signing.verify import CHECKPOINT, EVENTS, FORM, INDEX, KEYS, RECORD, SIGNATURE, seals_of, stamp_of, zipped

TRIES = 20
PAUSE = 0.25

STORY = "story.pdf"
"""The page for people."""

_ENDINGS = {"application/pdf": "pdf", "application/xml": "xml", "text/xml": "xml", "application/json": "json"}
_RECORDED = (
    "participant", "direction", "format", "stage", "halted", "status", "number", "type_code", "issue_date", "seller",
    "buyer", "currency", "total", "amount_due", "due_date",
)  # fmt: skip
"""What the record tells of the document's row."""


@dataclass(frozen=True, slots=True)
class Known:
    """Everything a proof is made of; picklable."""

    document: Document
    proof: Proof
    kept: Mapping[str, bytes]
    """Contents by their SHA-256."""
    payments: tuple[Payment, ...]
    """Those that an event tells of."""
    timestamps: Mapping[str, bytes]
    """Tokens of authorities over the checkpoint, by a name for a file."""
    key: str
    """The public line of the key that signs."""


async def bundle(resources: Resources, account_id: UUID, document_id: UUID) -> bytes:
    """The ZIP. Raises NotFound, Gone, Corrupt, and Busy while the last events are not published yet."""
    for _ in range(TRIES):
        async with resources.pool.account(account_id) as connection:
            await tree.mend(connection, document_id)
        await publish(resources)
        async with resources.pool.account(account_id, snapshot=True) as connection:
            document = await documents.get(connection, document_id)
            proof = await tree.proof(connection, document_id)
            if proof is not None and not _ours(resources, proof):  # stamped before the key was changed
                proof = await tree.proof(connection, document_id, stamped=False)
            if proof is not None and _ours(resources, proof):
                kept = {one.sha256: await documents.read(connection, one.sha256) for one in document.contents}
                stamps = await custody.stamps(connection, proof.checkpoint.number)
                told = await documents.payments_told(connection, document_id)
                paid = [one for one in await documents.payments(connection, document_id) if str(one.id) in told]
                break
        await asyncio.sleep(PAUSE)
    else:
        raise Busy("the last events of the document are not published yet", timedelta(seconds=2))
    key = resources.notary.signer.verifier.line()
    tokens = {f"{one.number}-{place}": one.token for place, one in enumerate(stamps, start=1)}
    known = Known(document, proof, kept, tuple(paid), tokens, key)
    try:
        certificates, page = await resources.compute(told_of, known)
    except Interrupted as interrupted:
        raise Busy(f"the proof could not be made now: {interrupted}") from interrupted
    return await asyncio.to_thread(_zip, resources, known, certificates, page)


def told_of(known: Known) -> tuple[frozenset[bytes], bytes]:
    """The certificates that seals and timestamps bear, and the page. Pure, for a worker process."""
    seen: set[bytes] = set()
    note = known.proof.checkpoint.note.encode()
    stamps = [stamp_of(token, note, seen) for _, token in sorted(known.timestamps.items())]
    sealed = {digest for one in known.proof.events if one.stage == "sealed" for _, digest in one.entries}
    pdfs = [
        known.kept[one.sha256]
        for one in known.document.contents
        if one.sha256 in sealed and _name(one).endswith(".pdf")
    ]
    seals = [said for pdf in pdfs for said in seals_of(pdf, seen)]
    return frozenset(seen), story.typeset(_story(known, tuple(stamps), tuple(seals)))


def _ours(resources: Resources, proof: Proof) -> bool:
    """Whether the key that signs now has signed the checkpoint: after a change of keys, the next one is waited for."""
    try:
        checkpoint.read(proof.checkpoint.note, [resources.notary.signer.verifier])
    except checkpoint.NotProved:
        return False
    return True


def _zip(resources: Resources, known: Known, certificates: frozenset[bytes], page: bytes) -> bytes:
    contents = {_name(one): known.kept[one.sha256] for one in known.document.contents}
    stamps = {f"timestamps/{name}.tst": token for name, token in sorted(known.timestamps.items())}
    holders = {f"certificates/{sha256(one).hexdigest()}.cer": one for one in certificates}
    members = {
        "README.txt": _readme(known).encode(),
        STORY: page,
        EVENTS: canonical({"events": [_event(one) for one in known.proof.events]}),
        RECORD: canonical(_record(known)),
        CHECKPOINT: known.proof.checkpoint.note.encode(),
        KEYS: f"{known.key}\n".encode(),
        **contents,
        **stamps,
        **dict(sorted(holders.items())),
        "verify.py": (files.files("signing") / "verify.py").read_bytes(),
    }
    index = canonical(
        {
            "form": FORM,
            "document": str(known.document.id),
            "files": {name: sha256(data).hexdigest() for name, data in members.items()},
        }
    )
    signer = resources.notary.signer
    lines = (f"{signer.verifier.name} proof", str(known.document.id), sha256(index).hexdigest())
    text = "".join(f"{line}\n" for line in (*lines, instant(known.proof.checkpoint.at)))
    front = {name: members.pop(name) for name in ("README.txt", STORY)}
    members = {**front, INDEX: index, SIGNATURE: signer.vouch(text).encode(), **members}
    return zipped(members, list(members))


def _event(one: tree.Proved) -> dict[str, Any]:
    return {
        "seq": one.seq,
        "at": instant(one.at),
        "stage": one.stage,
        "outcome": one.outcome,
        "facts": one.facts,
        "entries": [list(entry) for entry in one.entries],
        "hash": one.hash.hex(),
        "salt": one.salt.hex(),
        "leaf": one.place,
        "path": [step.hex() for step in one.path],
    }


def _record(known: Known) -> dict[str, Any]:
    """What the database shows of the document besides, as texts: a retelling, but for the payments."""
    row = {name: getattr(known.document, name) for name in _RECORDED}
    return {
        "document": {name: None if value is None else str(value) for name, value in row.items()},
        "contents": [
            {"event": one.seq, "role": str(one.role), "sha256": one.sha256, "media_type": one.media_type}
            for one in known.document.contents
        ],
        "payments": [payments.stated(one) for one in known.payments],
        "reminders": [],
    }


def _name(one: ContentReference) -> str:
    ending = _ENDINGS.get(one.media_type.partition(";")[0].strip(), "bin")
    return f"contents/{one.sha256}.{ending}"


# The story -----------------------------------------------------------------------------------------------------------


def _story(known: Known, stamps: tuple[str, ...], seals: tuple[str, ...]) -> story.Story:
    proof = known.proof
    numbers = {one.facts["payment"]: one.seq for one in proof.events if one.outcome == "payment"}
    stated = [payments.stated(one) for one in known.payments]
    return story.Story(
        document=str(known.document.id),
        archive=known.key.partition("+")[0],
        invoice=_invoice(known),
        steps=tuple(
            story.Step(one.seq, one.at, one.stage, one.outcome, one.facts, _label(one.facts)) for one in proof.events
        ),
        files=tuple(story.File(one.seq, str(one.role), one.sha256, one.size) for one in known.document.contents),
        payments=tuple((numbers[one["id"]], one) for one in stated),
        size=proof.checkpoint.size,
        root=base64.b64encode(proof.checkpoint.root).decode(),
        at=proof.checkpoint.at,
        key=known.key,
        timestamps=stamps,
        seals=seals,
    )


def _label(facts: Mapping[str, Any]) -> dict[str, str]:
    """What a status is called."""
    code, name = facts.get("code"), facts.get("status")
    status = cdar.status_of(str(code)) if code else cdar.named(str(name)) if name else None
    return {"fr": status.label_fr, "en": status.label_en} if status else {}


def _invoice(known: Known) -> Invoice | None:
    """The invoice as the structured data say it; None when they cannot be read."""
    for role in (Role.XML, Role.DATA, Role.SUBMISSION):
        reference = known.document.content(role)
        if reference is None:
            continue
        try:
            found = recognise(known.kept[reference.sha256])
            if found.format in FORMATS:
                return FORMATS[found.format].read(found.xml or known.kept[reference.sha256]).invoice
        except Unreadable:
            continue
    return None


# The readme ----------------------------------------------------------------------------------------------------------


_README = """\
LA PREUVE D'UN DOCUMENT                                                     (English below)

Document {document}{number}
{count} événements du {first} au {last}, signés dans l'état de l'archive du {at}.

À lire d'abord : story.pdf, qui raconte ce document en français et en anglais.
Pour vérifier, sans Estafette et sans réseau :

    pip install cryptography
    python verify.py CETTE_PREUVE.zip

Le programme verify.py est court et se lit. Qui ne se fie pas à celui-ci prend celui du dépôt d'Estafette, le même.
La dernière ligne nomme la clé qui a signé : comparez-la avec celle que l'exploitant publie.
Le dossier contents/ contient les octets exacts de ce qui a été reçu, produit, remis et répondu ; record.json redit la
fiche du document et ses paiements ; timestamps/ et certificates/ tiennent les horodatages et les certificats :

{contents}


THE PROOF OF A DOCUMENT

Document {document}{number}
{count} events from {first} to {last}, signed in the state of the archive of {at}.

To read first: story.pdf, which tells of this document in French and English.
To check it, without Estafette and without a network:

    pip install cryptography
    python verify.py THIS_PROOF.zip

The program verify.py is short and can be read. If you do not trust this one, take that of Estafette's repository, which
is the same. Its last line names the key that signed: compare it with the one the operator publishes.
The folder contents/ has the exact bytes of what was received, made, handed over and answered; record.json retells the
document's card and its payments; timestamps/ and certificates/ have the timestamps and the certificates:

{contents}
"""


def _readme(known: Known) -> str:
    document, events = known.document, known.proof.events
    return _README.format(
        document=document.id,
        number=f", {json.dumps(document.number, ensure_ascii=False)}" if document.number else "",
        count=len(events),
        first=instant(events[0].at),
        last=instant(events[-1].at),
        at=instant(known.proof.checkpoint.at),
        contents=_listed(document.contents),
    )


def _listed(contents: Sequence[ContentReference]) -> str:
    return "\n".join(f"    {one.role:<11} event {one.seq:<3} {_name(one)}" for one in contents)
