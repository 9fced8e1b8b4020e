"""The contract between the gateway and everybody else: what a network does, and the values it trades in.

The gateway drives: it sends, it collects. An adapter returns values and raises two exceptions, `Unreachable` and
`Refused`; it never retries by itself, never calls the gateway back and keeps no state that matters.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from schemas.finding import Finding


@dataclass(frozen=True, slots=True)
class ElectronicAddress:
    """Where a participant is reached (BT-34, BT-49): an identifier and its scheme from the EAS list."""

    scheme: str
    """0225 (French directory address), 0002 (SIREN), 0009 (SIRET), EM (e-mail), …"""
    value: str


@dataclass(frozen=True, slots=True)
class Route:
    """A way to a participant: network, address and what the network takes."""

    network: str
    """Name of the adapter: afnor, mail."""
    address: ElectronicAddress
    reason: str
    """The sentence that explains the choice."""


@dataclass(frozen=True, slots=True)
class Consignment:
    """What is handed over: one document's bytes for one route."""

    id: str
    """At most 36 characters, derived from document and route, the same for every attempt: a repetition can be told."""
    route: Route
    name: str
    """File name."""
    syntax: str
    """Factur-X, CII, UBL or CDAR, in the words of XP Z12-013."""
    media_type: str
    data: bytes
    sha256: str
    """64 lower-case hexadecimal digits of `data`."""
    organization: str
    """SIREN of the sender."""
    subject: str
    """A line for people: kind and number of the document, name of the sender."""
    repeated: bool = False
    """An earlier attempt may have arrived: ask before sending again."""
    since: datetime | None = None
    """Before this no attempt was made; None: it is not known."""
    profile: str = ""
    """Basic, CIUS or Extended-CTC-FR, in the words of XP Z12-013; empty when it is not said."""
    rule: str = "B2B"
    """Its processing rule, in the words of XP Z12-013: as the account said, else between businesses in France."""

    @property
    def plain_name(self) -> str:
        """The file name in ASCII letters, digits, - _ and dots, for who takes no other; as long as the name."""
        return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in self.name)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The network's proof that it took a consignment."""

    network_id: str
    """The network's own id: a flow id, a message id."""
    at: datetime
    """When the network says it took it."""
    evidence: bytes
    """The network's answer, as it came."""
    evidence_type: str
    """Its media type."""
    already_there: bool = False
    """The network had the same bytes already: a repetition was recognised."""


class ArrivalKind(StrEnum):
    """What a network brings."""

    STATUS = "status"
    """A life-cycle status message (CDAR) about a document we sent."""
    ACKNOWLEDGEMENT = "acknowledgement"
    """The network's technical verdict on a consignment."""
    INVOICE = "invoice"
    """An invoice or credit note that somebody else issued."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Bytes a network brings, before they are interpreted."""

    network_id: str
    """Unique in the network for ever; the same arrival collected twice bears the same id."""
    kind: ArrivalKind
    at: datetime
    """When the network says it came about."""
    media_type: str
    data: bytes
    consignment: str | None = None
    """Id of the consignment it answers, when the network says so; else the bytes tell (seller and invoice number)."""
    refused: tuple[Finding, ...] = ()
    """For an acknowledgement: why the network refuses the consignment; empty when it accepts it. Where all are INFO it
    does neither yet, and they say why: delayed, handed on, sent back.
    """
    recipient: str = ""
    """For an invoice that does not tell it itself: SIREN of the participant it is for; empty when nobody knows."""
    name: str = ""
    """File name as the network gives it; empty when it gives none."""


@dataclass(frozen=True, slots=True)
class Collected:
    """One page of arrivals and where to go on."""

    arrivals: Sequence[Arrival]
    cursor: str
    """Opaque to the gateway, which stores it with the arrivals in one transaction."""
    more: bool
    """There is another page right now."""


class Unreachable(Exception):
    """Not now: try again. `unknown` means that the consignment may have arrived."""

    def __init__(self, reason: str, retry_in: timedelta | None = None, *, unknown: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_in = retry_in
        self.unknown = unknown


class Refused(Exception):
    """Never: the network will not take this consignment, and says why."""

    def __init__(self, reason: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.findings = tuple(findings)


class Network(Protocol):
    """Carries documents to participants and brings back what they say."""

    @property
    def name(self) -> str:
        """The adapter's name in the catalogue."""
        ...

    async def find(self, address: ElectronicAddress) -> Route | None:
        """The route to this address, None when the network does not serve it. Raises Unreachable."""
        ...

    async def send(self, consignment: Consignment) -> Receipt:
        """Hand over, once: the same id with the same bytes again is a success. Raises Unreachable, Refused."""
        ...

    async def collect(self, cursor: str | None) -> Collected:
        """What came since the cursor (None: from the beginning), oldest first, none lost. Raises Unreachable."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


Stored = Callable[[Sequence[str]], Awaitable[frozenset[str]]]
"""Tells which of a network's ids the gateway has stored already, in whatever process."""


@runtime_checkable
class Selective(Protocol):
    """A network that asks what is stored before it fetches contents."""

    async def collect_unstored(self, cursor: str | None, stored: Stored) -> Collected:
        """As `Network.collect`, without what is stored. Raises Unreachable, and what `stored` raises."""
        ...


@dataclass(frozen=True, slots=True)
class Problem:
    """A complaint about an adapter's settings, gathered at start."""

    setting: str
    says: str


def read_secret(path: Path) -> str:
    """The content of a secret's file without its line end. Raises ValueError with what is wrong."""
    try:
        text = read_private(path).decode().strip()
    except UnicodeDecodeError as unreadable:
        raise ValueError(f"the file {path.name} cannot be read as text") from unreadable
    if not text:
        raise ValueError(f"the file {path.name} is empty")
    return text


def secret_complaint(path: Path) -> str:
    """What is wrong with a secret's file; empty when it can be used."""
    try:
        read_secret(path)
    except ValueError as wrong:
        return str(wrong)
    return ""


def read_private(path: Path) -> bytes:
    """The bytes of a file that not everybody may read. Raises ValueError with what is wrong."""
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as unreadable:
        raise ValueError(f"the file {path.name} cannot be read") from unreadable
    if mode & 0o007:
        raise ValueError(f"the file {path.name} can be read by everybody; take that right away (chmod o-rwx)")
    if not data:
        raise ValueError(f"the file {path.name} is empty")
    return data


def one_line(value: object) -> str:
    """What somebody else wrote on one line, without line ends and other control characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(value)).split())


class TimestampAuthority(Protocol):
    """Says when something was there (RFC 3161)."""

    @property
    def name(self) -> str:
        """The host, for events and logs."""
        ...

    async def stamp(self, query: bytes) -> bytes:
        """The answer (TimeStampResp, DER) to a question (TimeStampReq, DER). Raises Unreachable."""
        ...

    async def close(self) -> None:
        """Give back the connections."""
        ...


class RevocationSource(Protocol):
    """Says what issuers publish of revoked certificates (OCSP, lists)."""

    async def fetch(self, url: str, question: bytes) -> bytes:
        """The answer to an OCSP question (DER), or the list at the address where there is none. Raises Unreachable."""
        ...

    async def close(self) -> None:
        """Give back the connections."""
        ...


@dataclass(frozen=True, slots=True)
class Note:
    """A signed checkpoint of the archive, for somebody else to keep."""

    number: int
    """Of the checkpoint, from 1."""
    size: int
    """Leaves of the tree."""
    at: datetime
    text: str
    """The signed note (C2SP tlog-checkpoint)."""
    old: int = 0
    """Leaves of the tree that the keeper has seen before; 0: none."""
    consistency: tuple[bytes, ...] = ()
    """The proof that this tree begins with the old one; empty where there is none before."""

    @property
    def file_name(self) -> str:
        """Sorts by time; the same note always has the same."""
        return f"{self.at:%Y%m%dT%H%M%S%fZ}-{self.size}.txt"


@dataclass(frozen=True, slots=True)
class Custody:
    """What a keeper of checkpoints answered."""

    evidence: bytes
    """Its answer, as it came: the id of a version, a cosignature, a mail server's words."""
    media_type: str
    knows: int | None = None
    """It has seen a tree of so many leaves and wants to be shown the way from there; None: it keeps the note now."""


class Custodian(Protocol):
    """Keeps copies of checkpoints outside, so that a rewritten or older archive is found out."""

    @property
    def name(self) -> str:
        """The same for ever: what it kept is noted under it."""
        ...

    @property
    def every(self) -> timedelta:
        """How often it wants the newest checkpoint, at most."""
        ...

    async def keep(self, note: Note) -> Custody:
        """Hand a checkpoint over; the same again is a success. Raises Unreachable, Refused."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that goes with a letter."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to a person: a reminder."""

    id: str
    """The same for every attempt: a repetition can be told."""
    recipient: str
    """An e-mail address."""
    subject: str
    text: str
    language: str
    """fr, en."""
    enclosed: tuple[Enclosure, ...] = ()


class Messenger(Protocol):
    """Brings letters to people."""

    @property
    def name(self) -> str:
        """Name of the adapter."""
        ...

    def takes(self, recipient: str) -> bool:
        """Whether it can write to this address."""
        ...

    async def write(self, letter: Letter) -> Receipt:
        """Hand a letter over, once. Raises Unreachable (`unknown` where it may have left), Refused."""
        ...

    async def close(self) -> None:
        """Give back what it holds."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """How an endpoint answered a message."""

    status: int
    """Of HTTP; 200 to 299: it was taken."""
    retry_in: timedelta | None = None
    """How long it asks to be left alone; None: it does not say."""


class Courier(Protocol):
    """Posts messages to the endpoints that accounts name for their own systems."""

    def complaint(self, url: str) -> str:
        """Why an address cannot be posted to; empty when it can."""
        ...

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Post a JSON message once. Raises Unreachable."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a network says it can do, when it was asked."""

    at: datetime
    healthy: bool
    """Its health check answered that it is up."""
    edition: str
    """Of its interface, as far as that can be told; empty: it cannot."""
    tracking: bool
    """It finds a delivery by our own id, so that an unknown outcome is cleared up at once."""
    webhooks: bool
    """It can tell events; nothing depends on it."""
    answers: int
    """HTTP status of its answer to a question that everybody may ask: 200, or why not."""


@runtime_checkable
class Probed(Protocol):
    """A network that can be asked what it can do."""

    async def probe(self) -> Capabilities:
        """What it can do; nothing is changed by asking. Raises Unreachable."""
        ...


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks this gateway is configured for, in order of preference."""

    all: tuple[Network, ...] = field(default=())
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Name of a network → SIREN of the participants it is for; one that is not here is for everybody."""

    def named(self, name: str) -> Network | None:
        """The network of this name, None when it is not configured."""
        return next((network for network in self.all if network.name == name), None)

    def serving(self, participants: Iterable[str]) -> tuple[Network, ...]:
        """The networks for these participants: first those that are for them alone, then those for everybody."""
        theirs = frozenset(participants)
        own = tuple(network for network in self.all if self.only.get(network.name, frozenset()) & theirs)
        return (*own, *(network for network in self.all if network.name not in self.only))


@dataclass(frozen=True, slots=True)
class Payable:
    """What a customer is asked to pay."""

    document: str
    """Id of the document."""
    number: str
    """Of the invoice (BT-1)."""
    amount: Decimal
    """Above nothing, at most two decimals."""
    currency: str
    reference: str
    """Remittance reference (BT-83); empty: there is none."""


@dataclass(frozen=True, slots=True)
class PayLink:
    """Where a customer pays, and until when."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentNotice:
    """What a payment provider tells, its signature checked; nothing of it is believed of the document yet."""

    id: str
    """The provider's own, the same however often it is told."""
    kind: str
    """The provider's word for what happened."""
    payment: str
    """The provider's id of the payment: one payment may be told of by several notices."""
    document: str = ""
    """Id of the document, as the link bore it; empty: it names none."""
    number: str = ""
    """Number of the invoice, where the notice names no document."""
    amount: Decimal | None = None
    currency: str = ""
    paid_on: date | None = None
    stray: str = ""
    """Why a person has to look whatever the document says: a refund, a dispute, an amount that cannot be read."""


class PaymentProvider(Protocol):
    """Takes payments for a legal entity, and tells of them."""

    name: str
    """At most 20 characters: url, stripe."""

    def printed(self, payable: Payable, now: datetime) -> PayLink | None:
        """A link that lasts and can stand on a page; None: the provider's links do not."""
        ...

    async def link(self, payable: Payable, now: datetime) -> PayLink:
        """A link to pay; the same again within its time. Raises Unreachable, Refused."""
        ...

    def notice(self, headers: Mapping[str, str], body: bytes, now: datetime) -> PaymentNotice | None:
        """What a notice says; header names are in lower case. None: it concerns no payment.

        Raises Refused where it is not signed as agreed, is too old or cannot be read.
        """
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
