"""E-mail: delivery of last resort, over the operator's own mail server; scheme EM, the invoice attached.

A mail server cannot be asked what it has, so a repeated consignment is sent again under the same Message-ID, by which
its reader can tell the repetition; its receipt never claims that it was there already. A connection lost after DATA is
an unknown outcome, never a refusal. Where the server offers it (RFC 3461) it is asked to report delivery, delay and
failure, under the consignment's id as envelope id; what then comes to the mailbox is tied by that id and the
Message-ID. Addresses are held to a strict grammar without quotes, spaces or line ends, so that nothing in an invoice
can write a header.

What the law wants to go over an approved platform is not for e-mail. This module does not know the law: it serves a
buyer whose own electronic address (BT-49) is an e-mail, and the sender answers for that choice.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path

import aiosmtplib

from adapters.message import masked
from adapters.port import (
    Collected,
    Consignment,
    Custody,
    ElectronicAddress,
    Letter,
    Network,
    Note,
    Problem,
    Receipt,
    Refused,
    Route,
    Unreachable,
    one_line,
    read_secret,
    secret_complaint,
)
from schemas.finding import Finding, Severity

log = logging.getLogger(__name__)

SCHEME = "EM"
"""E-mail in the EAS list."""
SUBJECT_LIMIT = 200
ADDRESS_LIMIT = 254

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_TLS = ("starttls", "tls", "none")
_YES_OR_NO = ("", "yes", "no")


@dataclass(frozen=True, slots=True)
class Settings:
    """The operator's mail server."""

    host: str
    port: int
    sender: str
    """The From address, also the envelope's."""
    tls: str = "starttls"
    """starttls (demanded, never optional), tls (from the first byte) or none."""
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    """Certificates of a private authority, PEM; None: those of the machine."""
    seconds: float = 30.0
    """Time for each answer of the server."""
    notify: bool = True
    """Ask for delivery notifications where the server offers them."""
    receipts: bool = False
    """Ask who reads the message to confirm it (RFC 8098); most programs then ask their user."""


def from_environment(environment: Mapping[str, str], problems: list[Problem]) -> Settings | None:
    """Settings from ESTAFETTE_MAIL_*; None when none is set, or when they cannot be used, as `problems` then tells."""
    names = ("HOST", "PORT", "FROM", "TLS", "USER", "PASSWORD_FILE", "CA_FILE", "NOTIFY", "RECEIPTS")
    given = {name: environment.get(f"ESTAFETTE_MAIL_{name}", "").strip() for name in names}
    if not any(given.values()):
        return None
    tls = given["TLS"] or "starttls"
    port = given["PORT"] or {"starttls": "587", "tls": "465"}.get(tls, "25")
    found = [
        Problem(f"ESTAFETTE_MAIL_{name}", says)
        for wrong, name, says in (
            (not given["HOST"], "HOST", "is needed for e-mail"),
            (not is_address(given["FROM"]), "FROM", "must be a plain e-mail address"),
            (tls not in _TLS, "TLS", f"must be one of {', '.join(_TLS)}"),
            (not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536), "PORT", "must be a port number"),
            (bool(given["USER"]) != bool(given["PASSWORD_FILE"]), "USER", "goes together with a PASSWORD_FILE"),
            (bool(given["USER"]) and tls == "none", "TLS", "must not be none where a password is sent"),
            (bool(given["CA_FILE"]) and not Path(given["CA_FILE"]).is_file(), "CA_FILE", "is no file"),
            *((given[name] not in _YES_OR_NO, name, "must be yes or no") for name in ("NOTIFY", "RECEIPTS")),
        )
        if wrong
    ]
    password_file = Path(given["PASSWORD_FILE"]) if given["PASSWORD_FILE"] else None
    if password_file is not None and (unusable := secret_complaint(password_file)):
        found.append(Problem("ESTAFETTE_MAIL_PASSWORD_FILE", unusable))
    problems.extend(found)
    if found:
        return None
    ca_file = Path(given["CA_FILE"]) if given["CA_FILE"] else None
    return Settings(
        given["HOST"], int(port), given["FROM"], tls, given["USER"], password_file, ca_file,
        notify=given["NOTIFY"] != "no", receipts=given["RECEIPTS"] == "yes",
    )  # fmt: skip


def is_address(text: str) -> bool:
    """Whether a text is an e-mail address of the plain kind: dot-atom, at sign, host name; ASCII, nothing else."""
    return len(text) <= ADDRESS_LIMIT and _ADDRESS.fullmatch(text) is not None


class Mail:
    """A mail server, as a network, and the mailbox that its answers come to."""

    def __init__(self, settings: Settings, now: Callable[[], datetime], mailbox: Network | None = None) -> None:
        """`mailbox`: what it collects is brought; None: nothing is."""
        self._settings = settings
        self._now = now
        self._mailbox = mailbox

    @property
    def name(self) -> str:
        """mail"""
        return "mail"

    async def find(self, address: ElectronicAddress) -> Route | None:
        """E-mail addresses (scheme EM) of the plain kind."""
        if address.scheme != SCHEME or not is_address(address.value):
            return None
        return Route(self.name, address, "the buyer's electronic address is an e-mail address (scheme EM)")

    async def send(self, consignment: Consignment) -> Receipt:
        """Hand over to the mail server, once. Raises Unreachable, Refused."""
        recipient = consignment.route.address.value
        if not is_address(recipient):
            says = "The electronic address is no e-mail address of the plain kind."
            raise Refused("no e-mail address", (Finding("MAIL-ADDRESS", Severity.FATAL, "network", says, ("BT-49",)),))
        id = f"<{consignment.id}@{self._settings.sender.rpartition('@')[2]}>"
        message = _message(consignment, self._settings, id, self._now())
        said = await self.hand_over(message, recipient, consignment.id)
        return Receipt(id, self._now(), said.encode(), "text/plain")

    async def collect(self, cursor: str | None) -> Collected:
        """What came to the mailbox: invoices, and reports on what was sent. Raises Unreachable."""
        if self._mailbox is None:
            return Collected((), cursor or "", more=False)
        return await self._mailbox.collect(cursor)

    async def close(self) -> None:
        """There is nothing to give back: each delivery has a connection of its own."""
        if self._mailbox is not None:
            await self._mailbox.close()

    async def hand_over(self, message: bytes, recipient: str, envelope_id: str = "") -> str:
        """One delivery over one connection; the server's last answer. Raises Unreachable, Refused.

        `envelope_id`: the server is asked to report on it; empty: it is not.
        """
        client = await self._client()
        sent = False
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                with suppress(aiosmtplib.SMTPHeloError):  # a server that knows HELO only has no extensions
                    await client.ehlo()
            for_sender, for_recipient = self._options(client, message, recipient, envelope_id)
            await client.mail(self._settings.sender, options=for_sender)
            await client.rcpt(recipient, options=for_recipient)
            sent = True
            answer = await client.data(message)
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError) as refused:
            raise _refused(refused.code, refused.message) from refused
        except aiosmtplib.SMTPResponseException as other:  # greeting, EHLO, STARTTLS, login: about us, not the document
            raise Unreachable(f"the mail server answered {other.code}") from other
        except (aiosmtplib.SMTPException, OSError) as lost:
            raise Unreachable(f"the mail server: {type(lost).__name__}", unknown=sent) from lost
        finally:
            client.close()
        return f"{answer.code} {answer.message}"

    def _options(
        self, client: aiosmtplib.SMTP, message: bytes, recipient: str, envelope_id: str
    ) -> tuple[list[str], list[str]]:
        """What is said beside the sender (RFC 1870, 3461) and beside the recipient."""
        size = [f"SIZE={len(message)}"] if client.supports_extension("size") else []
        if not (self._settings.notify and envelope_id and client.supports_extension("dsn")):
            return size, []
        plain = recipient.replace("+", "+2B").replace("=", "+3D")  # xtext; the grammar of addresses has nothing else
        return (
            [*size, "RET=HDRS", f"ENVID={envelope_id}"],
            ["NOTIFY=SUCCESS,DELAY,FAILURE", f"ORCPT=rfc822;{plain}"],
        )

    async def _client(self) -> aiosmtplib.SMTP:
        settings = self._settings
        try:
            secret = settings.password_file
            password = await asyncio.to_thread(read_secret, secret) if secret is not None else None
            context = None
            if settings.tls != "none":
                context = await asyncio.to_thread(ssl.create_default_context, cafile=settings.ca_file)
        except (ValueError, OSError) as wrong:
            raise Unreachable(f"the mail settings cannot be used: {type(wrong).__name__}") from wrong
        return aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.user or None,
            password=password,
            timeout=settings.seconds,
            use_tls=settings.tls == "tls",
            start_tls=settings.tls == "starttls",
            tls_context=context,
        )


class Correspondence:
    """Letters to people over a mail server: a messenger."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._mail = Mail(settings, now)
        self._settings = settings
        self._now = now

    @property
    def name(self) -> str:
        """mail"""
        return "mail"

    def takes(self, recipient: str) -> bool:
        """E-mail addresses of the plain kind."""
        return is_address(recipient)

    async def write(self, letter: Letter) -> Receipt:
        """Hand a letter to the mail server, once. Raises Unreachable, Refused."""
        if not is_address(letter.recipient):
            says = "The customer's address is no e-mail address of the plain kind."
            raise Refused("no e-mail address", (Finding("MAIL-ADDRESS", Severity.FATAL, "network", says),))
        id = f"<{letter.id}@{self._settings.sender.rpartition('@')[2]}>"
        said = await self._mail.hand_over(_to_person(letter, self._settings.sender, id, self._now()), letter.recipient)
        return Receipt(id, self._now(), said.encode(), "text/plain")

    async def close(self) -> None:
        """There is nothing to give back."""


class Letters:
    """Checkpoints as letters to people who keep them: a keeper of checkpoints by e-mail."""

    def __init__(self, settings: Settings, recipients: tuple[str, ...], now: Callable[[], datetime]) -> None:
        """`recipients`: addresses of the plain kind."""
        self._mail = Mail(settings, now)
        self._settings = settings
        self._recipients = recipients
        self._now = now

    @property
    def name(self) -> str:
        """mail"""
        return "mail"

    @property
    def every(self) -> timedelta:
        """A day: more would not be read."""
        return timedelta(days=1)

    async def keep(self, note: Note) -> Custody:
        """Send the note to each recipient. Raises Unreachable, Refused; what was sent may then come again."""
        said = [await self._mail.hand_over(_letter(note, self._settings.sender, to, self._now()), to)
                for to in self._recipients]  # fmt: skip
        return Custody("\n".join(said).encode(), "text/plain")

    async def close(self) -> None:
        """There is nothing to give back."""


def recipients_from_environment(environment: Mapping[str, str], problems: list[Problem]) -> tuple[str, ...]:
    """Who gets checkpoints by e-mail, from ESTAFETTE_CHECKPOINT_MAIL: addresses apart by commas or spaces."""
    name = "ESTAFETTE_CHECKPOINT_MAIL"
    given = tuple(environment.get(name, "").replace(",", " ").split())
    problems.extend(
        Problem(name, f"{one!r} is no e-mail address of the plain kind") for one in given if not is_address(one)
    )
    if given and not environment.get("ESTAFETTE_MAIL_HOST"):
        problems.append(Problem(name, "needs a mail server: ESTAFETTE_MAIL_HOST"))
    return given


def _letter(note: Note, sender: str, recipient: str, at: datetime) -> bytes:
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = f"Archive: {note.size}, {note.at:%Y-%m-%d %H:%M} UTC"
    message["Date"] = format_datetime(at)
    digest = sha256(note.text.encode()).hexdigest()
    message["Message-ID"] = f"<checkpoint-{digest[:32]}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        "Gardez ce message : il prouve ce que l'archive contenait à cette heure. Qui réécrirait l'archive après coup\n"
        "serait trahi par lui (estafette audit, avec ce fichier dans un dossier).\n\n"
        "Keep this message: it proves what the archive held at that time. Whoever rewrote the archive later would\n"
        "be found out by it (estafette audit, with this file in a folder).\n\n" + note.text,
        cte="base64",
    )
    message.add_attachment(
        note.text.encode(), maintype="text", subtype="plain", filename=note.file_name, params={"charset": "utf-8"}
    )
    message.set_boundary(f"=_{digest[:40]}")
    return message.as_bytes()


def _to_person(letter: Letter, sender: str, id: str, at: datetime) -> bytes:
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = sender
    message["To"] = letter.recipient
    message["Subject"] = _header(letter.subject)[:SUBJECT_LIMIT]
    message["Date"] = format_datetime(at)
    message["Message-ID"] = id
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = letter.language
    message.set_content(letter.text, cte="base64")
    for one in letter.enclosed:
        kind, _, subtype = one.media_type.partition("/")
        message.add_attachment(one.data, maintype=kind, subtype=subtype, filename=_header(one.name))
    message.set_boundary(f"=_{sha256(id.encode()).hexdigest()[:40]}")
    return message.as_bytes()


def _message(consignment: Consignment, settings: Settings, id: str, at: datetime) -> bytes:
    """The message, encoded so that every line is ASCII; the same consignment at the same time gives the same bytes."""
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = settings.sender
    message["To"] = consignment.route.address.value
    message["Subject"] = _header(consignment.subject)[:SUBJECT_LIMIT]
    message["Date"] = format_datetime(at)
    message["Message-ID"] = id
    message["Auto-Submitted"] = "auto-generated"
    if settings.receipts:
        message["Disposition-Notification-To"] = settings.sender
    message.set_content(
        f"Bonjour,\n\nVeuillez trouver ci-joint : {_header(consignment.subject)[:SUBJECT_LIMIT]}.\n\n"
        f"Please find attached: {_header(consignment.name)}.\n",
        cte="quoted-printable",
    )
    kind, _, subtype = consignment.media_type.partition("/")
    message.add_attachment(consignment.data, maintype=kind, subtype=subtype, filename=_header(consignment.name))
    boundary = f"=_{consignment.sha256[:40]}"
    message.set_boundary(boundary)
    return message.as_bytes()


def _header(text: str) -> str:
    """A text for a header: on one line, also without the line ends that an encoded word would bring.

    `email` reads a header that is set as if it had come: an invoice number =?utf-8?q?=0d=0aBcc:_…?= would write one.
    """
    return one_line(text).replace("=?", "= ?")


def _refused(code: int, said: str) -> Exception:
    """4xx is the moment's, 5xx is for good."""
    log.info("the mail server answered %d", code)
    if 400 <= code < 500:
        return Unreachable(f"the mail server answered {code}")
    finding = Finding(f"SMTP-{code}", Severity.FATAL, "network", masked(_header(said))[:2000] or f"answered {code}")
    return Refused(f"the mail server refuses the message ({code})", (finding,))
