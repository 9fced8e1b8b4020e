"""E-mail: what is in a message, what may be an address, and which settings are complained about."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import ClassVar

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from adapters import mail
from adapters.mail import Mail, Settings
from adapters.port import Consignment, ElectronicAddress, Problem, Refused, Route, Unreachable
from tests.adapters.conftest import consignment, now
from tests.adapters.harnesses import Mailbox


def to(address: str, **more: object) -> Consignment:
    """A consignment for an e-mail address."""
    return replace(consignment(), route=Route("mail", ElectronicAddress("EM", address), "a test"), **more)  # type: ignore[arg-type]


@pytest.fixture
async def box() -> AsyncIterator[tuple[Mailbox, Mail]]:
    """A mail server without TLS and the client for it."""
    kept = Mailbox()
    async with kept.serving() as port:
        yield kept, Mail(Settings("127.0.0.1", port, "factures@example.com", tls="none", seconds=5.0), now)


async def test_the_message(box: tuple[Mailbox, Mail]) -> None:
    kept, network = box
    data = bytes(range(256)) * 300
    sent = to(
        "good@example.org",
        data=data,
        media_type="application/pdf",
        name="Facture n° 12.pdf",
        subject="Facture 12 de Société Générale des Eaux\r\nBcc: other@example.org",
    )
    receipt = await network.send(sent)
    message = message_from_bytes(kept.kept[0], policy=policy.default)
    assert receipt.network_id == message["Message-ID"] == f"<{sent.id}@example.com>"
    assert receipt.evidence == b"250 2.0.0 kept"
    assert (message["From"], message["To"]) == ("factures@example.com", "good@example.org")
    assert message["Bcc"] is None
    assert message["Subject"].startswith("Facture 12 de Société Générale des Eaux")
    assert message["Date"]
    (attachment,) = message.iter_attachments()
    assert attachment.get_content() == data
    assert (attachment.get_filename(), attachment.get_content_type()) == ("Facture n° 12.pdf", "application/pdf")
    text = message.get_body()
    assert text is not None
    assert "Facture 12" in text.get_content()
    assert kept.kept[0].isascii()
    assert max(map(len, kept.kept[0].split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    "address", ["a@b", "comptes.clients+factures@sub.example.org", "o'neil@example.org", "x" * 64 + "@e.fr"]
)
def test_addresses(address: str) -> None:
    assert mail.is_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "@b",
        "a@",
        "a@b@c",
        "a b@c",
        '"a"@b',
        "a@b\r\nBcc: c@d",
        "a@b\n",
        "\na@b",
        "a..b@c",
        ".a@b",
        "a.@b",
        "a@-b",
        "a@b-",
        "a@b..c",
        "a@[127.0.0.1]",
        "é@example.org",
        "a@exämple.org",
        "a@b,c@d",
        "<a@b>",
        "x" * 65 + "@e.fr",
        "a@" + "b." * 126 + "cc",
    ],
)
async def test_what_is_no_address_is_neither_served_nor_sent_to(box: tuple[Mailbox, Mail], address: str) -> None:
    kept, network = box
    assert not mail.is_address(address)
    assert await network.find(ElectronicAddress("EM", address)) is None
    with pytest.raises(Refused) as caught:
        await network.send(to(address))
    assert caught.value.findings[0].terms == ("BT-49",)
    assert not kept.kept


async def test_a_server_that_does_not_speak_tls_gets_no_mail(box: tuple[Mailbox, Mail]) -> None:
    kept, network = box
    for tls in ("starttls", "tls"):
        with pytest.raises(Unreachable) as caught:
            await Mail(replace(network._settings, tls=tls, seconds=1.0), now).send(to("good@example.org"))
        assert not caught.value.unknown
    assert not kept.kept


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # TLS from the first byte is not seen
@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_tls_with_a_password(certificate: Path, tls: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    secret = certificate.with_name("password")
    secret.touch(mode=0o600)
    secret.write_text("word\n", encoding="utf-8")
    kept = Mailbox()

    def admitted(server: object, session: object, envelope: object, mechanism: str, data: object) -> AuthResult:
        given = (getattr(data, "login", b""), getattr(data, "password", b""))
        return AuthResult(success=given == (b"me", b"word"))

    def protocol() -> SMTP:
        return SMTP(
            kept,
            tls_context=context if tls == "starttls" else None,
            require_starttls=tls == "starttls",
            authenticator=admitted,
            auth_required=True,
            auth_require_tls=tls == "starttls",
        )

    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", 0, ssl=context if tls == "tls" else None
    )
    port = server.sockets[0].getsockname()[1]
    trusting = Settings("127.0.0.1", port, "a@example.com", tls, "me", secret, ca_file=certificate, seconds=2.0)
    assert (await Mail(trusting, now).send(to("good@example.org"))).network_id
    assert len(kept.kept) == 1
    with pytest.raises(Unreachable) as caught:
        await Mail(replace(trusting, ca_file=None), now).send(to("good@example.org"))
    assert not caught.value.unknown
    secret.write_text("wrong", encoding="utf-8")
    with pytest.raises(Unreachable) as caught:
        await Mail(trusting, now).send(to("good@example.org"))
    assert not caught.value.unknown
    assert len(kept.kept) == 1
    server.close()
    await server.wait_closed()


def test_settings(tmp_path: Path) -> None:
    problems: list[Problem] = []
    assert mail.from_environment({}, problems) is None
    good = {"ESTAFETTE_MAIL_HOST": "mail.example", "ESTAFETTE_MAIL_FROM": "a@example.com"}
    for tls, port in (("", 587), ("tls", 465), ("none", 25)):
        read = mail.from_environment(good | {"ESTAFETTE_MAIL_TLS": tls}, problems)
        assert read is not None
        assert read.port == port
    assert not problems
    wrong = {
        "ESTAFETTE_MAIL_PORT": "70000",
        "ESTAFETTE_MAIL_FROM": "Sender <a@example.com>",
        "ESTAFETTE_MAIL_TLS": "maybe",
        "ESTAFETTE_MAIL_USER": "me",
        "ESTAFETTE_MAIL_CA_FILE": str(tmp_path / "none"),
    }
    assert mail.from_environment(wrong, problems) is None
    assert {problem.setting.removeprefix("ESTAFETTE_MAIL_") for problem in problems} == {
        "HOST",
        "PORT",
        "FROM",
        "TLS",
        "USER",
        "CA_FILE",
    }


def test_a_password_is_not_sent_in_the_clear(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.touch(mode=0o644)
    secret.write_text("word", encoding="utf-8")
    problems: list[Problem] = []
    environment = {
        "ESTAFETTE_MAIL_HOST": "mail.example",
        "ESTAFETTE_MAIL_FROM": "a@example.com",
        "ESTAFETTE_MAIL_TLS": "none",
        "ESTAFETTE_MAIL_USER": "me",
        "ESTAFETTE_MAIL_PASSWORD_FILE": str(secret),
    }
    assert mail.from_environment(environment, problems) is None
    assert [problem.setting for problem in problems] == ["ESTAFETTE_MAIL_TLS", "ESTAFETTE_MAIL_PASSWORD_FILE"]


class Reporting(SMTP):
    """A server that offers delivery notifications, and keeps what is asked for."""

    asked: ClassVar[list[str]] = []

    async def smtp_MAIL(self, arg: str) -> None:
        self.asked.append(arg)
        await super().smtp_MAIL(" ".join(word for word in arg.split(" ") if not word.startswith(("RET=", "ENVID="))))

    async def smtp_RCPT(self, arg: str) -> None:
        self.asked.append(arg)
        await super().smtp_RCPT(" ".join(word for word in arg.split(" ") if not word.startswith(("NOTIFY=", "ORCPT="))))


class Offering(Mailbox):
    """The handler of one that offers them."""

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-DSN", responses[-1]]


@pytest.mark.parametrize("notify", [True, False])
async def test_delivery_notifications_are_asked_for_where_they_are_offered(notify: bool) -> None:
    kept, Reporting.asked = Offering(), []
    sent = to("good+a=b@example.org")
    async with kept.serving(Reporting) as port:
        settings = Settings("127.0.0.1", port, "a@example.com", tls="none", seconds=5.0, notify=notify, receipts=notify)
        await Mail(settings, now).send(sent)
    (message,) = map(message_from_bytes, kept.kept)
    sender, recipient = Reporting.asked
    assert f"SIZE={len(kept.kept[0])}" in sender
    assert (f"RET=HDRS ENVID={sent.id}" in sender) == notify
    assert ("NOTIFY=SUCCESS,DELAY,FAILURE ORCPT=rfc822;good+2Ba+3Db@example.org" in recipient) == notify
    assert (message["Disposition-Notification-To"] == "a@example.com") == notify


async def test_a_message_that_is_too_big_for_the_server_is_refused_with_the_reason() -> None:
    kept = Mailbox()
    async with kept.serving(data_size_limit=1_000) as port:
        with pytest.raises(Refused) as caught:
            await Mail(Settings("127.0.0.1", port, "a@example.com", tls="none", seconds=5.0), now).send(
                to("good@example.org")
            )
    assert caught.value.findings[0].rule == "SMTP-552"
    assert not kept.kept


async def test_what_a_server_says_is_told_without_the_address() -> None:
    class Talking(Mailbox):
        async def handle_RCPT(
            self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
        ) -> str:
            return f"550 5.1.1 <{address}>: no such mailbox"

    async with Talking().serving() as port:
        with pytest.raises(Refused) as caught:
            await Mail(Settings("127.0.0.1", port, "a@example.com", tls="none", seconds=5.0), now).send(
                to("jeanne@example.org")
            )
    (finding,) = caught.value.findings
    assert "no such mailbox" in finding.says
    assert "jeanne" not in finding.says + caught.value.reason
