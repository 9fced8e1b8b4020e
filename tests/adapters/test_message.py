"""Messages: what is taken out of them, what keeps them shut, and what reports say of ours."""

from __future__ import annotations

import time
import tracemalloc
from datetime import UTC, datetime
from email.message import EmailMessage
from uuid import UUID

import pytest

from adapters.message import arrivals, open_message
from adapters.port import Arrival, ArrivalKind
from schemas.finding import Severity
from tests.adapters.harnesses import message

AT = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
OURS = str(UUID(int=0xE57AFE77E))
PDF, XML = b"%PDF-1.7\n...\n%%EOF\n", b"<a></a>"


def report(kind: str, body: str, *, third: bytes = b"", third_type: str = "text/rfc822-headers") -> bytes:
    """A report as servers write it: words, fields, and what it is about."""
    lines = [
        "From: MAILER-DAEMON@example.net",
        "To: factures@example.com",
        "Subject: Undelivered Mail Returned to Sender",
        f'Content-Type: multipart/report; report-type={kind.partition("/")[2]}; boundary="b"',
        "MIME-Version: 1.0",
        "",
        "--b",
        "Content-Type: text/plain",
        "",
        "I'm sorry to have to inform you.",
        "--b",
        f"Content-Type: {kind}",
        "",
        *body.splitlines(),
        "",
    ]
    told = "\r\n".join(lines).encode() + b"\r\n"
    if third:
        told += f"--b\r\nContent-Type: {third_type}\r\n\r\n".encode() + third + b"\r\n"
    return told + b"--b--\r\n"


def delivery(action: str, status: str = "", said: str = "", envelope: str = OURS) -> str:
    """The fields of a delivery status notification."""
    told = (
        f"Reporting-MTA: dns; mx.example.net\nOriginal-Envelope-Id: {envelope}\n"
        if envelope
        else "Reporting-MTA: dns; a\n"
    )
    told += f"\nFinal-Recipient: rfc822; buyer@example.org\nAction: {action}\n"
    return told + (f"Status: {status}\n" if status else "") + (f"Diagnostic-Code: smtp; {said}\n" if said else "")


def told(data: bytes, domain: str = "example.com") -> Arrival:
    """The one thing a report brings."""
    (arrival,) = arrivals(data, "m-1", AT, domain=domain)
    assert (arrival.network_id, arrival.at, arrival.data, arrival.media_type) == ("m-1", AT, data, "message/rfc822")
    return arrival


HEADERS = f"From: factures@example.com\r\nMessage-ID: <{OURS}@example.com>\r\nSubject: Facture\r\n".encode()


@pytest.mark.parametrize("kind", ["message/delivery-status", "message/global-delivery-status"])
@pytest.mark.parametrize(
    ("action", "status", "rules", "severity"),
    [
        ("failed", "5.1.1", ["DSN-5.1.1"], Severity.FATAL),
        ("Failed", "5.7.26 (policy)", ["DSN-5.7.26"], Severity.FATAL),
        ("failed", "", ["DSN-FAILED"], Severity.FATAL),
        ("failed", "4.4.7", ["DSN-4.4.7"], Severity.FATAL),
        ("delayed", "4.4.1", ["DSN-DELAYED"], Severity.INFO),
        ("relayed", "2.0.0", ["DSN-RELAYED"], Severity.INFO),
        ("expanded", "2.0.0", ["DSN-RELAYED"], Severity.INFO),
        ("eaten", "9.9.9", ["DSN-UNKNOWN"], Severity.INFO),
        ("delivered", "2.0.0", [], None),
    ],
)
def test_a_delivery_notification(
    kind: str, action: str, status: str, rules: list[str], severity: Severity | None
) -> None:
    data = report(kind, delivery(action, status, "550 5.1.1 <buyer@example.org>: no such user"), third=HEADERS)
    arrival = told(data)
    assert (arrival.kind, arrival.consignment) == (ArrivalKind.ACKNOWLEDGEMENT, OURS)
    assert [finding.rule for finding in arrival.refused] == rules
    assert {finding.severity for finding in arrival.refused} <= {severity}
    assert all("buyer@" not in finding.says for finding in arrival.refused)


@pytest.mark.parametrize(
    ("envelope", "third", "third_type", "expected"),
    [
        (OURS, b"", "", OURS),
        ("", HEADERS, "text/rfc822-headers", OURS),
        ("", HEADERS + b"\r\nwords\r\n", "message/rfc822", OURS),
        ("QQ123", HEADERS, "message/rfc822", OURS),
        ("", b"", "", None),
        ("", HEADERS.replace(b"@example.com>", b"@elsewhere.example>"), "message/rfc822", None),
        ("bad id '; drop", b"", "", None),
        ("", b"Message-ID: <" + b"x" * 5_000 + b"@example.com>\r\n", "message/rfc822", None),
    ],
)
def test_a_report_is_tied_by_envelope_or_message_id(
    envelope: str, third: bytes, third_type: str, expected: str | None
) -> None:
    data = report(
        "message/delivery-status", delivery("failed", "5.1.1", envelope=envelope), third=third, third_type=third_type
    )
    arrival = told(data)
    assert (arrival.kind, arrival.consignment) == (ArrivalKind.ACKNOWLEDGEMENT, expected)


def test_a_report_in_a_folder_is_tied_by_what_looks_like_ours() -> None:
    data = report("message/delivery-status", delivery("failed", "5.1.1", envelope=""), third=HEADERS)
    assert told(data, domain="").consignment == OURS


def test_one_recipient_of_several_is_enough() -> None:
    body = (
        delivery("failed", "5.1.1")
        + "\nFinal-Recipient: rfc822; second@example.org\nAction: delivered\nStatus: 2.0.0\n"
    )
    assert told(report("message/delivery-status", body)).refused == ()


@pytest.mark.parametrize(
    ("disposition", "rules"),
    [
        ("manual-action/MDN-sent-manually; displayed", []),
        ("automatic-action/MDN-sent-automatically; processed", []),
        ("automatic-action/MDN-sent-automatically; dispatched", []),
        ("manual-action/MDN-sent-manually; deleted", ["MDN-DELETED"]),
        ("automatic-action/MDN-sent-automatically; failed/error", ["MDN-UNKNOWN"]),
        ("manual-action/MDN-sent-manually; denied", ["MDN-UNKNOWN"]),
    ],
)
def test_a_disposition_notification(disposition: str, rules: list[str]) -> None:
    body = f"Final-Recipient: rfc822; b@example.org\nOriginal-Message-ID: <{OURS}@example.com>\n"
    body += f"Disposition: {disposition}\n"
    arrival = told(report("message/disposition-notification", body))
    assert (arrival.kind, arrival.consignment) == (ArrivalKind.ACKNOWLEDGEMENT, OURS)
    assert [finding.rule for finding in arrival.refused] == rules


def test_an_empty_report_is_a_report() -> None:
    for kind, rule in (("message/delivery-status", "DSN-UNKNOWN"), ("message/disposition-notification", "MDN-UNKNOWN")):
        arrival = told(report(kind, "Reporting-MTA: dns; a\n"))
        assert (arrival.kind, arrival.consignment) == (ArrivalKind.ACKNOWLEDGEMENT, None)
        assert [finding.rule for finding in arrival.refused] == [rule]


def test_our_own_invoice_that_comes_back_is_none_to_pay() -> None:
    ours = message(("f.pdf", "application/pdf", PDF))
    del ours["Message-ID"]
    ours["Message-ID"] = f"<{OURS}@example.com>"
    bounced = message(subject="Mail delivery failed")
    bounced.add_attachment(ours)
    arrival = told(bytes(bounced))
    assert (arrival.kind, arrival.consignment) == (ArrivalKind.ACKNOWLEDGEMENT, OURS)
    assert [finding.rule for finding in arrival.refused] == ["MAIL-RETURNED"]
    (forwarded,) = arrivals(bytes(bounced), "m", AT, domain="elsewhere.example")
    assert (forwarded.kind, forwarded.data) == (ArrivalKind.INVOICE, PDF)


def test_what_stands_beside_our_message_that_came_back_is_brought() -> None:
    ours = message(("f.pdf", "application/pdf", PDF))
    del ours["Message-ID"]
    ours["Message-ID"] = f"<{OURS}@example.com>"
    answer = message(
        ("credit.xml", "application/xml", XML), ("again.pdf", "application/pdf", PDF), subject="Re: Facture"
    )
    answer.add_attachment(ours)
    returned, beside = arrivals(bytes(answer), "m", AT, domain="example.com")
    assert (returned.kind, returned.network_id, returned.consignment) == (ArrivalKind.ACKNOWLEDGEMENT, "m", OURS)
    assert (beside.kind, beside.network_id, beside.data) == (ArrivalKind.INVOICE, "m/1", XML)
    answer.add_attachment(b"PK\x03\x04", maintype="application", subtype="zip", filename="more.zip")
    found = arrivals(bytes(answer), "m", AT, domain="example.com")
    assert [(one.network_id, one.data) for one in found[1:]] == [("m/1", XML), ("m/0", bytes(answer))]


@pytest.mark.parametrize(
    ("automatic", "rule"), [("", "MAIL-ANSWERED"), ("auto-replied", "MAIL-ANSWERED-AUTOMATICALLY")]
)
def test_an_answer_to_our_message_is_told_with_the_document(automatic: str, rule: str) -> None:
    answer = message(subject="Re: Facture")
    answer["In-Reply-To"] = f"<{OURS}@example.com>"
    if automatic:
        answer["Auto-Submitted"] = automatic
    arrival = told(bytes(answer))
    assert (arrival.kind, arrival.consignment) == (ArrivalKind.ACKNOWLEDGEMENT, OURS)
    assert [(one.rule, one.severity) for one in arrival.refused] == [(rule, Severity.INFO)]
    for elsewhere in ("", "elsewhere.example"):
        assert arrivals(bytes(answer), "m", AT, domain=elsewhere)[0].kind is ArrivalKind.INVOICE
    answer.add_attachment(PDF, maintype="application", subtype="pdf", filename="f.pdf")
    (attached,) = arrivals(bytes(answer), "m", AT, domain="example.com")
    assert (attached.kind, attached.data) == (ArrivalKind.INVOICE, PDF)


def encrypted() -> EmailMessage:
    """A message as PGP/MIME has it (RFC 3156)."""
    made = message(subject="Secret")
    made.set_content(b"Version: 1\n", maintype="application", subtype="pgp-encrypted")
    made.make_mixed()
    made.replace_header("Content-Type", 'multipart/encrypted; protocol="application/pgp-encrypted"')
    made.add_attachment(b"-----BEGIN PGP MESSAGE-----", maintype="application", subtype="octet-stream")
    return made


INLINE = EmailMessage()
INLINE["Subject"] = "Facture"
INLINE.set_content("-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n")


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (encrypted(), "[PGP] Secret.eml"),
        (INLINE, "[PGP] Facture.eml"),
        (message(("smime.p7m", "application/pkcs7-mime", b"\x30\x80")), "[S/MIME] Facture.eml"),
        (message(("winmail.dat", "application/octet-stream", b"\x78\x9f\x3e\x22")), "[TNEF] Facture.eml"),
        (message(("f.zip", "application/octet-stream", b"PK\x03\x04")), "[archive] Facture.eml"),
        (message(("f.bin", "application/x-7z-compressed", b"7z")), "[archive] Facture.eml"),
        (message(subject="Rien"), "Rien.eml"),
    ],
)
def test_what_is_shut_is_kept_and_told(made: EmailMessage, name: str) -> None:
    (arrival,) = arrivals(bytes(made), "m", AT, recipient="100000207")
    assert (arrival.kind, arrival.media_type, arrival.data) == (ArrivalKind.INVOICE, "message/rfc822", bytes(made))
    assert (arrival.name.replace("_", "/"), arrival.recipient) == (name, "100000207")


def test_an_archive_beside_an_invoice_is_not_lost() -> None:
    made = message(("f.pdf", "application/pdf", PDF), ("more.zip", "application/zip", b"PK\x03\x04"))
    found = arrivals(bytes(made), "m", AT)
    assert [(one.network_id, one.media_type, one.name) for one in found] == [
        ("m/1", "application/pdf", "f.pdf"),
        ("m", "message/rfc822", "[archive] Facture.eml"),
    ]


def test_a_file_that_is_not_taken_is_not_lost_beside_one_that_is() -> None:
    made = message(("f.pdf", "application/pdf", PDF), ("f.docx", "application/vnd.ms-word", b"PK"))
    found = arrivals(bytes(made), "m", AT)
    assert [(one.media_type, one.name) for one in found] == [
        ("application/pdf", "f.pdf"),
        ("message/rfc822", "[other files] Facture.eml"),
    ]


def test_a_pdf_is_known_by_its_bytes() -> None:
    (one,) = arrivals(bytes(message(("facture", "application/octet-stream", PDF))), "m", AT)
    assert (one.media_type, one.data, one.name) == ("application/pdf", PDF, "facture")


def test_pictures_of_the_letter_and_signatures_are_no_files() -> None:
    made = message(("f.pdf", "application/pdf", PDF), ("smime.p7s", "application/pkcs7-signature", b"0"))
    made.add_attachment(b"PNG", maintype="image", subtype="png", filename="l.png", cid="<l@a>", disposition="inline")
    assert [one.data for one in arrivals(bytes(made), "m", AT)] == [PDF]
    made.add_attachment(b"PNG", maintype="image", subtype="png", filename="scan.png")
    assert len(arrivals(bytes(made), "m", AT)) == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ('"../../etc/f.xml"', "f.xml"),
        ('"C:\\\\temp\\\\f.xml"', "f.xml"),
        ("=?utf-8?B?RmFjdHVyZSDDqS54bWw=?=", "Facture é.xml"),
        ('"=?no-such-charset?Q?f?=.xml"', "=?no-such-charset?Q?f?=.xml"),
        ('"=?utf-8?b?a?="', "=?utf-8?b?a?="),
        ('"a\x1b[2J\x07.xml"', "a [2J .xml"),
        ("''", "''"),
        ('"' + "x" * 400 + '.xml"', "x" * 196 + ".xml"),
    ],
)
def test_names_are_data(name: str, expected: str) -> None:
    head = f"Content-Type: application/xml\r\nContent-Disposition: attachment; filename={name}\r\n\r\n"
    (one,) = open_message(head.encode() + XML).attachments
    assert one.name == expected


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: =?utf-16?B?2AA=?=\r\n\r\nx",
        b"Subject: =?x-unknown?B?////?=\r\nContent-Type: text/plain; charset=x-unknown\r\n\r\nx",
        b"Subject: \xff\xfe\x00\r\n\r\nx",
        b"Subject: =?utf-8?b?a?=\r\n\r\nx",
        b"Content-Type: multipart/report; report-type=delivery-status\r\n\r\nno parts",
        b"Content-Type: message/rfc822\r\n\r\n" * 100 + b"x",
        b'Content-Type: text/plain; charset="utf-8\r\nContent-Transfer-Encoding: x-odd\r\n\r\nx',
        b"Content-Type: application/xml; name*0*=x''%ff; name*1=b\r\n\r\n",
        b"",
        b"\0" * 1_000,
    ],
)
def test_odd_messages_wait_for_a_person(data: bytes) -> None:
    (arrival,) = arrivals(data, "m", AT, domain="example.com")
    assert (arrival.kind, arrival.data) == (ArrivalKind.INVOICE, data)
    assert arrival.name.isprintable()
    assert arrival.name.encode()


@pytest.mark.parametrize("head", ["Content-Type: application/pdf; name", "Content-Disposition: attachment; filename"])
def test_a_header_that_takes_long_to_take_apart_is_not(head: str) -> None:
    data = f'{head}="{";" * 1_000_000}"\r\n\r\n'.encode() + PDF
    began = time.process_time()
    (arrival,) = arrivals(data, "m", AT)
    assert time.process_time() - began < 2
    assert (arrival.media_type, arrival.data, arrival.name) == ("message/rfc822", data, "[cannot be read] message.eml")
    within = f'{head}="{"x" * 2_000}.pdf"\r\nContent-Type: application/pdf\r\n\r\n'.encode() + PDF
    assert [one.data for one in open_message(within).attachments] == [PDF]


@pytest.mark.parametrize(
    "data",
    [
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\n" * 50_000,
        b"Content-Type: message/delivery-status\r\n\r\n" + b"A: b\r\n\r\n" * 50_000,
        report("message/global-delivery-status", "A: b\n\n" * 50_000),
    ],
)
def test_parts_are_counted_while_they_are_read(data: bytes) -> None:
    tracemalloc.start()
    (arrival,) = arrivals(data, "m", AT)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 30 * len(data)
    assert (arrival.data, arrival.name) == (data, "[more parts than are looked at] message.eml")


def test_depth_is_counted_while_it_is_read() -> None:
    levels = (f"Content-Type: multipart/mixed; boundary={n}\r\n\r\n--{n}\r\n".encode() for n in range(190))
    data = b"".join(levels) + b"\r\nx" * 300_000
    began = time.process_time()
    (arrival,) = arrivals(data, "m", AT)
    assert time.process_time() - began < 1
    assert (arrival.data, arrival.name) == (data, "[more parts than are looked at] message.eml")


def test_lines_are_counted_before_they_are_read() -> None:
    data = b"Subject: a\n\n" + b"\n" * 1_500_001
    began = time.process_time()
    (arrival,) = arrivals(data, "m", AT)
    assert time.process_time() - began < 0.5
    assert (arrival.data, arrival.name) == (data, "[more than 1500000 lines] message.eml")
