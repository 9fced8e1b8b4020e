"""Handing flows in that are wrong: each is refused, at the door or by its acknowledgement, never taken in silence."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from adapters import http
from adapters.conformance import expect
from adapters.conformance.counterpart import Counterpart
from adapters.conformance.deposits import Deposit, form, hand_in, info_of, post, specimen, turned_away
from adapters.conformance.verdict import Needs, Scenario

BOUNDARY = "estafette-form"


async def wrong_hash(it: Counterpart) -> None:
    """A sha256 that is not the file's is refused as ChecksumMismatch.

    OpenAPI 1.3.0, FlowInfoExtension.sha256: it should be checked; ReasonCode ChecksumMismatch.
    """
    await turned_away(it, await hand_in(it, await specimen(it), sha256="0" * 64), "ChecksumMismatch")


async def hash_in_capitals(it: Counterpart) -> None:
    """A sha256 in capital letters is refused.

    OpenAPI 1.3.0, FlowInfoExtension.sha256: pattern ^[a-f0-9]{64}$.
    """
    file = await specimen(it)
    await turned_away(it, await hand_in(it, file, sha256=file.sha256.upper()))


async def short_hash(it: Counterpart) -> None:
    """A sha256 that is too short is refused.

    OpenAPI 1.3.0, FlowInfoExtension.sha256: pattern ^[a-f0-9]{64}$.
    """
    await turned_away(it, await hand_in(it, await specimen(it), sha256="abc"))


async def empty_file(it: Counterpart) -> None:
    """An empty file is refused as EmptyFlow.

    OpenAPI 1.3.0, ReasonCode EmptyFlow: the binary flow is empty.
    """
    file = replace(await specimen(it), data=b"")
    await turned_away(it, await hand_in(it, file))


async def no_xml(it: Counterpart) -> None:
    """A file that is no XML is refused.

    OpenAPI 1.3.0, ReasonCode InvalidSchema, FlowTypeError.
    """
    file = replace(await specimen(it), data=b"This is no invoice.")
    await turned_away(it, await hand_in(it, file))


async def broken_schema(it: Counterpart) -> None:
    """An invoice that its schema refuses is refused.

    OpenAPI 1.3.0, ReasonCode InvalidSchema.
    """
    file = await specimen(it)
    data = file.data.replace(b"<ram:IssueDateTime>", b"<ram:Unknown/><ram:IssueDateTime>", 1)
    await turned_away(it, await hand_in(it, replace(file, data=data)))


async def other_syntax(it: Counterpart) -> None:
    """An invoice in CII that is said to be UBL is refused.

    OpenAPI 1.3.0, ReasonCode FlowTypeError: the flow type and/or extension are not compliant.
    """
    await turned_away(it, await hand_in(it, await specimen(it), flowSyntax="UBL"))


async def entities(it: Counterpart) -> None:
    """An XML with a document type and entities is refused: nothing of the server is read into it.

    OpenAPI 1.3.0, FlowAckStatus: technical rules checks; UBL and CII have no document type.
    """
    file = await specimen(it)
    doctype = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
    declaration, _, rest = file.data.partition(b"?>")
    await turned_away(it, await hand_in(it, replace(file, data=declaration + b"?>" + doctype + rest)))


async def unknown_syntax(it: Counterpart) -> None:
    """A flowSyntax that is none is refused at the door.

    OpenAPI 1.3.0, schema FlowSyntax: enum.
    """
    _at_the_door(await hand_in(it, await specimen(it), flowSyntax="EDIFACT"))


async def unknown_profile(it: Counterpart) -> None:
    """A flowProfile that is none is refused at the door.

    OpenAPI 1.3.0, schema FlowProfile: enum.
    """
    _at_the_door(await hand_in(it, await specimen(it), flowProfile="Luxury"))


async def unknown_rule(it: Counterpart) -> None:
    """A processingRule that is none is refused at the door.

    OpenAPI 1.3.0, schema ProcessingRule: enum.
    """
    _at_the_door(await hand_in(it, await specimen(it), processingRule="B4B"))


async def without_name(it: Counterpart) -> None:
    """flowInfo without name is refused at the door.

    OpenAPI 1.3.0, CoreFlowInfo: name is required.
    """
    _at_the_door(await hand_in(it, await specimen(it), name=None))


async def without_syntax(it: Counterpart) -> None:
    """flowInfo without flowSyntax is refused at the door.

    OpenAPI 1.3.0, CoreFlowInfo: flowSyntax is required.
    """
    _at_the_door(await hand_in(it, await specimen(it), flowSyntax=None))


async def too_long_name(it: Counterpart) -> None:
    """A name of 256 characters is refused at the door.

    OpenAPI 1.3.0, CoreFlowInfo.name: maxLength 255.
    """
    _at_the_door(await hand_in(it, await specimen(it), name="x" * 252 + ".xml"))


async def too_long_tracking_id(it: Counterpart) -> None:
    """A trackingId of 65 characters is refused at the door.

    OpenAPI 1.3.0, schema NotOnlyUuid: maxLength 64.
    """
    file = await specimen(it)
    _at_the_door(await hand_in(it, file, trackingId=file.number.ljust(65, "x")))


async def tracking_id_as_number(it: Counterpart) -> None:
    """A trackingId that is no text is refused at the door.

    OpenAPI 1.3.0, schema NotOnlyUuid: string.
    """
    _at_the_door(await hand_in(it, await specimen(it), trackingId=20261125))


async def broken_info(it: Counterpart) -> None:
    """A flowInfo that is no JSON is refused with 400.

    OpenAPI 1.3.0, FlowPostRequest: flowInfo is application/json.
    """
    expect.error(await post(it, form(await specimen(it), '{"name": ')), 400)


async def without_info(it: Counterpart) -> None:
    """A form without flowInfo is refused.

    OpenAPI 1.3.0, FlowPostRequest: flowInfo is required.
    """
    expect.refused(await post(it, form(await specimen(it), None)))


async def without_file(it: Counterpart) -> None:
    """A form without a file is refused.

    OpenAPI 1.3.0, FlowPostRequest: file is required.
    """
    file = await specimen(it)
    expect.refused(await post(it, form(file, json.dumps(info_of(file)), with_file=False)))


async def no_form(it: Counterpart) -> None:
    """A body that is no form is refused.

    OpenAPI 1.3.0, FlowPostRequest: multipart/form-data.
    """
    file = await specimen(it)
    expect.refused(await post(it, file.data, {"Content-Type": "application/xml"}))


async def form_without_boundary(it: Counterpart) -> None:
    """A form without a boundary is refused without a breakdown.

    RFC 7578, 4.1: boundary is required.
    """
    expect.refused(await post(it, b"--x\r\n", {"Content-Type": "multipart/form-data"}))


async def cut_form(it: Counterpart) -> None:
    """A form that ends in the midst of the file is refused, or its file fails the hash.

    RFC 2046, 5.1.1: the closing boundary; what is cut must not be taken for an invoice.
    """
    file = await specimen(it)
    info = json.dumps(info_of(file)).encode()
    body = b"".join(
        (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="flowInfo"\r\n'.encode(),
            b"Content-Type: application/json\r\n\r\n" + info + b"\r\n",
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.xml"\r\n'.encode(),
            b"Content-Type: application/xml\r\n\r\n" + file.data[: len(file.data) // 2],
        )
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    await turned_away(it, Deposit(file, {}, await post(it, body, headers)))


async def too_large(it: Counterpart) -> None:
    """A file of more than 100 MB is refused with 413.

    OpenAPI 1.3.0, FlowPostRequest.file: max size = 100 MB; Error413Response.
    """
    file = await specimen(it)
    large = replace(file, data=file.data + b" " * 105_000_000)
    answer = await _upload(it, large)
    if answer.status in expect.ACCEPTED:
        await turned_away(it, Deposit(large, {}, answer), "FileSizeExceeded")
        return
    expect.error(answer, 413, 400, 422)


async def _upload(it: Counterpart, file: Any) -> http.Answer:
    return await post(it, form(file, json.dumps(info_of(file))))


def _at_the_door(deposit: Deposit) -> None:
    """What flowInfo says wrong is seen at once: there is nothing to wait for."""
    expect.refused(deposit.answer)


SCENARIOS = (
    *(
        Scenario(play, french, Needs.SUBMIT)
        for play, french in (
            (wrong_hash, "Un sha256 qui n'est pas celui du fichier est refusé : ChecksumMismatch"),
            (hash_in_capitals, "Un sha256 en majuscules est refusé"),
            (short_hash, "Un sha256 trop court est refusé"),
            (empty_file, "Un fichier vide est refusé : EmptyFlow"),
            (no_xml, "Un fichier qui n'est pas du XML est refusé"),
            (broken_schema, "Une facture que son schéma refuse est refusée"),
            (other_syntax, "Une facture CII annoncée UBL est refusée"),
            (entities, "Un XML avec type de document et entités est refusé : rien du serveur n'y est lu"),
            (unknown_syntax, "Un flowSyntax inexistant est refusé d'emblée"),
            (unknown_profile, "Un flowProfile inexistant est refusé d'emblée"),
            (unknown_rule, "Un processingRule inexistant est refusé d'emblée"),
            (without_name, "Un flowInfo sans name est refusé d'emblée"),
            (without_syntax, "Un flowInfo sans flowSyntax est refusé d'emblée"),
            (too_long_name, "Un name de 256 caractères est refusé d'emblée"),
            (too_long_tracking_id, "Un trackingId de 65 caractères est refusé d'emblée"),
            (tracking_id_as_number, "Un trackingId qui n'est pas un texte est refusé d'emblée"),
            (broken_info, "Un flowInfo qui n'est pas du JSON est refusé par 400"),
            (without_info, "Un formulaire sans flowInfo est refusé"),
            (without_file, "Un formulaire sans fichier est refusé"),
            (no_form, "Un corps qui n'est pas un formulaire est refusé"),
            (form_without_boundary, "Un formulaire sans boundary est refusé sans panne"),
            (cut_form, "Un formulaire coupé au milieu du fichier est refusé, ou son fichier manque le sha256"),
        )
    ),
    Scenario(too_large, "Un fichier de plus de 100 Mo est refusé par 413", Needs.LARGE),
)
