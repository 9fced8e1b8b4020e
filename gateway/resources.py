"""What a stage may reach, and the document it works on.

A stage gets both as arguments and returns an outcome; it writes nothing. `Work` carries the document as it will be
after the stages already run under this claim, so that several pure stages can be committed together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from adapters.directory import Directory
from adapters.port import Courier, Custodian, Messenger, Networks, PaymentProvider, RevocationSource, TimestampAuthority
from gateway.clock import Clock
from gateway.compute import Compute
from gateway.errors import NotFound
from gateway.lifecycle import Done, Halted, Kept, Later, Outcome, Role, Skipped, Stage
from gateway.store import documents, generations
from gateway.store.accounts import Account
from gateway.store.documents import Document, Payment, WaitingArrival
from gateway.store.pool import Pool
from signing.checkpoint import Checkpoint, Signer, Verifier
from signing.keys import SigningKey
from signing.trust import Trust


@dataclass(frozen=True, slots=True)
class Notary:
    """Who signs what the hash tree was, and where copies of it go."""

    signer: Signer
    copies: Path | None = None
    """A folder outside the database, best on another machine; None: no copies are made."""
    custodians: tuple[Custodian, ...] = ()
    """Who else keeps checkpoints: an object store, witnesses, people by e-mail."""
    authorities: tuple[TimestampAuthority, ...] = ()
    """Each stamps the checkpoints."""
    revocations: RevocationSource | None = None
    """Says what was revoked of the authorities' certificates; None: nobody is asked."""
    stamps_required: bool = False
    """Nothing leaves before a stamped checkpoint covers it."""
    former: tuple[Verifier, ...] = ()
    """Keys that signed before: their checkpoints are believed."""

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        """The keys whose checkpoints are believed."""
        return (self.signer.verifier, *self.former)

    def sign(self, size: int, root: bytes, at: datetime) -> str:
        """The signed note of a checkpoint."""
        return self.signer.sign(Checkpoint(self.signer.verifier.name, size, root, at))


@dataclass(frozen=True, slots=True)
class Sealer:
    """The key that seals originals, the authorities that say when, and who says what was revoked."""

    key: SigningKey
    authorities: tuple[TimestampAuthority, ...] = ()
    """In order of preference; the first that answers is taken."""
    revocations: RevocationSource | None = None
    """None: seals get no data to verify by."""


@dataclass(frozen=True, slots=True)
class Ages:
    """How long what a directory answered is believed."""

    fresh: timedelta = timedelta(hours=24)
    """That an address has an active line."""
    none: timedelta = timedelta(hours=1)
    """That it has none."""
    stale: timedelta = timedelta(days=7)
    """When the directory is away; what is older is dropped."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a stage may reach."""

    pool: Pool
    networks: Networks
    clock: Clock
    compute: Compute
    notary: Notary
    sealer: Sealer | None = None
    """Who seals originals; None: no key is configured."""
    trust: Trust = field(default_factory=Trust)
    """Whose seals and timestamps are believed."""
    language: str = "fr"
    """Language of the readable page, one of `wording.languages`."""
    rules: str | None = None
    """The operator's folder of rule artefacts; None: those of the installed package."""
    courier: Courier | None = None
    """Who posts to the webhooks of accounts; None: this process posts none."""
    messenger: Messenger | None = None
    """Who brings letters to customers; None: they wait."""
    directory: Directory | None = None
    """Says who is reached where in France; None: nobody is asked, and addresses go by their scheme."""
    ages: Ages = Ages()
    """How long its answers are believed."""
    providers: Mapping[str, PaymentProvider] = field(default_factory=dict)
    """Who takes payments for a legal entity, by its SIREN."""
    unlisted: str = "halt"
    """What becomes of an invoice whose address has no active line: halt, or send it and let the platform tell."""


@dataclass(frozen=True, slots=True)
class Work:
    """One document under a claim."""

    document: Document
    account: Account
    attempts: int
    """Tries of the coming stage, this one included."""
    arrivals: tuple[WaitingArrival, ...] = ()
    payments: tuple[Payment, ...] = ()
    payments_told: tuple[str, ...] = ()
    """Ids of the payments the journal tells of already, in its order."""
    made: tuple[Kept, ...] = field(default=())
    """What earlier stages of this claim keep and is not committed yet."""
    lost_sight: bool = False
    """The database was put back or moved since the document was accepted, and this is not delivered yet: it may be."""
    known: dict[str, bytes] = field(default_factory=dict, repr=False)
    """Contents read under this claim, by their SHA-256."""

    async def read(self, role: Role, resources: Resources) -> bytes:
        """The newest content in this role. Raises NotFound."""
        for kept in reversed(self.made):
            if kept.role is role:
                return kept.data
        reference = self.document.content(role)
        if reference is None:
            raise NotFound(f"the document has no {role}")
        if reference.sha256 not in self.known:
            async with resources.pool.account(self.account.id) as connection:
                self.known[reference.sha256] = await documents.read(connection, reference.sha256)
        return self.known[reference.sha256]

    def has(self, role: Role) -> bool:
        """Whether there is a content in this role."""
        return self.document.content(role) is not None or any(kept.role is role for kept in self.made)

    @property
    def submitted(self) -> Role:
        """The content that states the invoice as the caller sent it: the data beside a PDF, or the submission."""
        return Role.DATA if self.has(Role.DATA) else Role.SUBMISSION

    async def structured(self, resources: Resources) -> bytes:
        """The structured invoice: taken out of what was submitted or written from it, or that itself."""
        return await self.read(Role.XML if self.has(Role.XML) else self.submitted, resources)

    @property
    def original(self) -> str:
        """SHA-256 of the original as it stands: sealed, or as it was built."""
        digest_: str = self.facts(Stage.SEALED).get("sha256") or self.facts(Stage.BUILT)["sha256"]
        return digest_

    def facts(self, stage: Stage) -> dict[str, Any]:
        """What a stage found."""
        return dict(self.document.facts.get(str(stage), {}))

    def after(self, stage: Stage, outcome: Outcome) -> Work:
        """The work as the next stage of this claim sees it."""
        match outcome:
            case Done(facts=facts, keep=keep, columns=columns):
                document = replace(
                    self.document, stage=stage, facts={**self.document.facts, str(stage): dict(facts)}, **columns
                )
                return replace(self, document=document, made=(*self.made, *keep), attempts=1, arrivals=())
            case Skipped(facts=facts, keep=keep):
                document = replace(self.document, stage=stage, facts={**self.document.facts, str(stage): dict(facts)})
                return replace(self, document=document, made=(*self.made, *keep), attempts=1)
            case Later() | Halted():
                return self


async def load(resources: Resources, account: Account, document_id: Any, attempts: int) -> Work:
    """Read a document and what waits for it. Raises NotFound."""
    async with resources.pool.account(account.id) as connection:
        document = await documents.get(connection, document_id)
        late = document.stage.reaches(Stage.ROUTED)
        waiting = await documents.arrivals(connection, document_id) if late else ()
        paid = await documents.payments(connection, document_id) if late else ()
        told = await documents.payments_told(connection, document_id) if paid else ()
        to_send = document.stage is Stage.ROUTED and not document.inbound
        lost_sight = to_send and await generations.lost_sight_of(connection, document_id)
    return Work(document, account, attempts, waiting, paid, told, lost_sight=lost_sight)


def digest(data: bytes) -> str:
    """SHA-256 as 64 lower-case hexadecimal digits."""
    return sha256(data).hexdigest()
