"""The proof of a document: one ZIP that a stranger checks offline, trusting neither us nor the operator.

It holds the exact bytes of everything kept of the document, all its events, the path of each in the hash tree, the
signed checkpoint, and the program that checks all of it with Python and one package (`signing/verify.py`). The ZIP has
one form, so that not a bit of it can be changed unseen: files are stored, without dates, in this order.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from importlib import resources as files
from typing import Any
from uuid import UUID

from gateway.errors import Busy
from gateway.publish import publish
from gateway.resources import Resources
from gateway.store import documents, tree
from gateway.store.documents import ContentReference, Document
from gateway.store.tree import Proof
from signing.chain import canonical, instant
from signing.verify import CHECKPOINT, EVENTS, FORM, INDEX, KEYS, zipped

TRIES = 20
PAUSE = 0.25

_ENDINGS = {"application/pdf": "pdf", "application/xml": "xml", "text/xml": "xml", "application/json": "json"}

_README = """\
LA PREUVE D'UN DOCUMENT                                                     (English below)

Document {document}{number}
{count} événements du {first} au {last}, signés dans l'état de l'archive du {at}.

Pour vérifier, sans Estafette et sans réseau :

    pip install cryptography
    python verify.py CETTE_PREUVE.zip

Le programme verify.py est court et se lit. Qui ne se fie pas à celui-ci prend celui du dépôt d'Estafette, le même.
La dernière ligne nomme la clé qui a signé : comparez-la avec celle que l'exploitant publie.
Le dossier contents/ contient les octets exacts de ce qui a été reçu, produit, remis et répondu :

{contents}


THE PROOF OF A DOCUMENT

Document {document}{number}
{count} events from {first} to {last}, signed in the state of the archive of {at}.

To check it, without Estafette and without a network:

    pip install cryptography
    python verify.py THIS_PROOF.zip

The program verify.py is short and can be read. If you do not trust this one, take that of Estafette's repository, which
is the same. Its last line names the key that signed: compare it with the one the operator publishes.
The folder contents/ has the exact bytes of what was received, made, handed over and answered:

{contents}
"""


async def bundle(resources: Resources, account_id: UUID, document_id: UUID) -> bytes:
    """The ZIP. Raises NotFound, Corrupt, and Busy while the last events are not published yet."""
    for _ in range(TRIES):
        async with resources.pool.account(account_id) as connection:
            await tree.mend(connection, document_id)
        await publish(resources)
        async with resources.pool.account(account_id, snapshot=True) as connection:
            document = await documents.get(connection, document_id)
            proof = await tree.proof(connection, document_id)
            if proof is not None:
                kept = {one.sha256: await documents.read(connection, one.sha256) for one in document.contents}
                break
        await asyncio.sleep(PAUSE)
    else:
        raise Busy("the last events of the document are not published yet", timedelta(seconds=2))
    key = resources.notary.signer.verifier.line()
    return await asyncio.to_thread(_zip, document, proof, kept, key)


def _zip(document: Document, proof: Proof, kept: Mapping[str, bytes], key: str) -> bytes:
    names = {one.sha256: _name(one) for one in document.contents}
    members = {
        "README.txt": _readme(document, proof).encode(),
        EVENTS: canonical({"events": [_event(one) for one in proof.events]}),
        CHECKPOINT: proof.checkpoint.note.encode(),
        KEYS: f"{key}\n".encode(),
        **{names[digest]: kept[digest] for digest in names},
        "verify.py": (files.files("signing") / "verify.py").read_bytes(),
    }
    index = {
        "form": FORM,
        "document": str(document.id),
        "files": {name: sha256(data).hexdigest() for name, data in members.items()},
    }
    members = {"README.txt": members.pop("README.txt"), INDEX: canonical(index), **members}
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


def _name(one: ContentReference) -> str:
    ending = _ENDINGS.get(one.media_type.partition(";")[0].strip(), "bin")
    return f"contents/{one.sha256}.{ending}"


def _readme(document: Document, proof: Proof) -> str:
    first, last = proof.events[0], proof.events[-1]
    return _README.format(
        document=document.id,
        number=f", {json.dumps(document.number, ensure_ascii=False)}" if document.number else "",
        count=len(proof.events),
        first=instant(first.at),
        last=instant(last.at),
        at=instant(proof.checkpoint.at),
        contents="\n".join(f"    {one.role:<11} event {one.seq:<3} {_name(one)}" for one in document.contents),
    )
