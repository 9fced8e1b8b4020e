"""Reading one flow: what is known of it, and its files."""

from __future__ import annotations

from typing import Any

from adapters.conformance import deposits, expect
from adapters.conformance.counterpart import Counterpart, fails, members, shown
from adapters.conformance.verdict import Needs, Scenario, Skips, Text
from schemas.catalogue import opened
from schemas.xml import Unreadable

NOBODY = "00000000-0000-4000-8000-000000000000"
_SYNTAXES = {
    "cii": "CII",
    "ubl-invoice": "UBL",
    "ubl-creditnote": "UBL",
    "facturx": "Factur-X",
    "cdar": "CDAR",
    "flux10": "FRR",
}


async def metadata(it: Counterpart) -> None:
    """A flow found by a search can be read by its id.

    OpenAPI 1.3.0, GET /v1/flows/{flowId}.
    """
    one = await _one(it)
    answer = await deposits.flow(it, one["flowId"], "Metadata")
    expect.status(answer, 200)
    expect.equal("flowId", members(answer).get("flowId"), one["flowId"])


async def metadata_by_default(it: Counterpart) -> None:
    """Without docType the metadata are answered.

    OpenAPI 1.3.0, docType: default Metadata.
    """
    one = await _one(it)
    answer = await deposits.flow(it, one["flowId"])
    expect.status(answer, 200)
    expect.equal("flowId", members(answer).get("flowId"), one["flowId"])


async def says_what_the_search_said(it: Counterpart) -> None:
    """Read by its id a flow says what it said in the search.

    OpenAPI 1.3.0, schema Flow, the same in both operations.
    """
    one = await _one(it)
    body = members(await deposits.flow(it, one["flowId"]))
    for name in ("name", "flowSyntax", "flowDirection", "submittedAt", "trackingId", "flowType"):
        if body.get("updatedAt") == one.get("updatedAt") or name in ("submittedAt", "trackingId", "flowDirection"):
            expect.equal(name, body.get(name), one.get(name))


async def original(it: Counterpart) -> None:
    """The original, or else the converted file, of each kind of flow can be had.

    OpenAPI 1.3.0, docType Original: the document that has been initially sent.
    """
    for one in (await _by_syntax(it)).values():
        answer = await deposits.flow(it, one["flowId"], "Original")
        it.facts["originals"] = answer.status == 200 and it.facts.get("originals", True)
        if answer.status == 404:
            answer = await deposits.flow(it, one["flowId"], "Converted")
        expect.status(answer, 200)
        if not answer.body:
            raise fails(Text("a file", "un fichier"), f"flowSyntax {one.get('flowSyntax')}: 0 B")


async def is_what_its_syntax_says(it: Counterpart) -> None:
    """The original is a file of the flow's flowSyntax.

    OpenAPI 1.3.0, schema FlowSyntax: syntax of the original file.
    """
    for syntax, one in (await _by_syntax(it)).items():
        if deposits.acknowledgement(one).get("status") == "Error":
            continue
        answer = await deposits.flow(it, one["flowId"], "Original")
        if answer.status == 404:
            continue
        expect.status(answer, 200)
        try:
            found = _SYNTAXES.get(opened(answer.body, messages=True).recognised.format, "?")
        except Unreadable as unreadable:
            found = expect.printable(unreadable)
        expect.equal("flowSyntax", found, syntax)


async def is_binary(it: Counterpart) -> None:
    """A file comes as application/octet-stream.

    OpenAPI 1.3.0, FlowGetResponse: application/octet-stream.
    """
    answer = await _file(it, "Original")
    expect.equal("Content-Type", answer.media_type, "application/octet-stream")


async def bears_its_name(it: Counterpart) -> None:
    """A file says under which name it is to be saved.

    OpenAPI 1.3.0, FlowGetResponse: Content-Disposition, attachment;filename=…
    """
    said = (await _file(it, "Original")).headers.get("content-disposition", "")
    if "attachment" not in said or "filename" not in said:
        raise fails("attachment;filename=…", expect.printable(said) or "–")


async def is_the_same_again(it: Counterpart) -> None:
    """Read twice, the original has the same bytes.

    OpenAPI 1.3.0, docType Original; an archive holds its hash.
    """
    first = await _file(it, "Original")
    second = await _file(it, "Original")
    if first.body != second.body:
        raise fails(
            f"{len(first.body)} B", Text(f"{len(second.body)} other bytes", f"{len(second.body)} autres octets")
        )


async def converted(it: Counterpart) -> None:
    """The converted file is there, or 404 says that there is none.

    OpenAPI 1.3.0, docType Converted: optionally converted by the system.
    """
    one = await _one(it)
    answer = await deposits.flow(it, one["flowId"], "Converted")
    it.facts["converted"] = answer.status == 200
    expect.status(answer, 200, 404)


async def readable(it: Counterpart) -> None:
    """The readable file is a PDF, or 404 says that there is none.

    OpenAPI 1.3.0, docType ReadableView: optionally generated as the readable file.
    """
    found = [one for syntax, one in (await _by_syntax(it)).items() if syntax not in ("CDAR", "FRR")]
    if not found:
        raise Skips(Text("there is no invoice yet", "il n'y a encore aucune facture"))
    answer = await deposits.flow(it, found[0]["flowId"], "ReadableView")
    it.facts["readable"] = answer.status == 200
    expect.status(answer, 200, 404)
    if answer.status == 200 and not answer.body.lstrip()[:5].startswith((b"%PDF-", b"<html", b"<!DOC")):
        raise fails("%PDF-", expect.printable(answer.body[:10].decode("latin-1")))


async def unknown_doc_type(it: Counterpart) -> None:
    """A docType that is none is refused.

    OpenAPI 1.3.0, docType: enum.
    """
    one = await _one(it)
    expect.error(await deposits.flow(it, one["flowId"], "Everything"), 400, 422)


async def unknown(it: Counterpart) -> None:
    """A flow that does not exist is answered with 404.

    OpenAPI 1.3.0, GET /v1/flows/{flowId}, Error404Response.
    """
    expect.error(await deposits.flow(it, NOBODY), 404)


async def unknown_file(it: Counterpart) -> None:
    """The original of a flow that does not exist is answered with 404.

    OpenAPI 1.3.0, GET /v1/flows/{flowId}, Error404Response.
    """
    expect.error(await deposits.flow(it, NOBODY, "Original"), 404)


async def odd_id(it: Counterpart) -> None:
    """An id that is no UUID is answered with 404 or 400.

    OpenAPI 1.3.0, schema NotOnlyUuid: any text.
    """
    expect.error(await deposits.flow(it, "not-only-uuid"), 400, 404)


async def too_long_id(it: Counterpart) -> None:
    """An id of 65 characters is answered with 404 or 400.

    OpenAPI 1.3.0, schema NotOnlyUuid: maxLength 64.
    """
    expect.error(await deposits.flow(it, "f" * 65), 400, 404)


async def id_that_climbs(it: Counterpart) -> None:
    """An id that looks like a path shows no file of the server.

    OpenAPI 1.3.0, Error400Response, Error404Response.
    """
    answer = await it.call("GET", "/v1/flows/..%2F..%2F..%2Fetc%2Fpasswd?docType=Original")
    if not 400 <= answer.status < 500:
        raise fails("HTTP 400, 404", shown(answer))


async def gives_back_what_was_sent(it: Counterpart) -> None:
    """The original of an invoice that was handed in has the very bytes that were sent.

    OpenAPI 1.3.0, docType Original, and sha256 for its integrity.
    """
    await _gives_back(it, await deposits.first(it))


async def gives_back_a_pdf(it: Counterpart) -> None:
    """The original of a Factur-X that was handed in has the very bytes that were sent.

    OpenAPI 1.3.0, docType Original: a seal in the PDF would break otherwise.
    """
    await _gives_back(it, await deposits.first(it, "facturx"))


async def _gives_back(it: Counterpart, deposit: deposits.Deposit) -> None:
    """The original of a deposit has the bytes that were sent. Raises Fails."""
    answer = await deposits.flow(it, deposit.flow_id, "Original")
    expect.status(answer, 200)
    if answer.body != deposit.specimen.data:
        raise fails(
            f"{len(deposit.specimen.data)} B",
            Text(f"{len(answer.body)} other bytes", f"{len(answer.body)} autres octets"),
        )


async def _one(it: Counterpart) -> dict[str, Any]:
    """Any flow. Raises Skips when there is none."""
    return next(iter((await _by_syntax(it)).values()))


async def _by_syntax(it: Counterpart) -> dict[str, dict[str, Any]]:
    """One flow of each syntax, one that was not refused where there is any. Raises Skips when there is none."""
    flows = [one for one in await it.listing() if isinstance(one.get("flowId"), str)]
    if not flows:
        raise Skips(Text("there is no flow yet", "il n'y a encore aucun flux"))
    flows.sort(key=lambda one: deposits.acknowledgement(one).get("status") != "Ok", reverse=True)
    return {str(one.get("flowSyntax")): one for one in flows}


async def _file(it: Counterpart, doc_type: str) -> Any:
    """A file of any flow that has it. Raises Skips."""
    for one in (await _by_syntax(it)).values():
        answer = await deposits.flow(it, one["flowId"], doc_type)
        if answer.status == 200:
            return answer
    raise Skips(Text(f"no flow has an {doc_type}", f"aucun flux n'a de {doc_type}"))


SCENARIOS = (
    Scenario(metadata, "Un flux trouvé par une recherche se lit par son identifiant"),
    Scenario(metadata_by_default, "Sans docType, ce sont les métadonnées"),
    Scenario(says_what_the_search_said, "Lu par son identifiant, un flux dit ce qu'il disait dans la recherche"),
    Scenario(original, "L'original, sinon le fichier converti, de chaque sorte de flux s'obtient"),
    Scenario(is_what_its_syntax_says, "L'original est un fichier du flowSyntax annoncé"),
    Scenario(is_binary, "Un fichier vient en application/octet-stream"),
    Scenario(bears_its_name, "Un fichier dit sous quel nom l'enregistrer"),
    Scenario(is_the_same_again, "Lu deux fois, l'original a les mêmes octets"),
    Scenario(converted, "Le fichier converti est là, ou 404 dit qu'il n'y en a pas"),
    Scenario(readable, "Le lisible est un PDF, ou 404 dit qu'il n'y en a pas"),
    Scenario(unknown_doc_type, "Un docType inexistant est refusé"),
    Scenario(unknown, "Un flux inexistant reçoit 404"),
    Scenario(unknown_file, "L'original d'un flux inexistant reçoit 404"),
    Scenario(odd_id, "Un identifiant qui n'est pas un UUID reçoit 404 ou 400"),
    Scenario(too_long_id, "Un identifiant de 65 caractères reçoit 404 ou 400"),
    Scenario(id_that_climbs, "Un identifiant en forme de chemin ne montre aucun fichier du serveur"),
    Scenario(
        gives_back_what_was_sent, "L'original d'une facture déposée a exactement les octets envoyés", Needs.SUBMIT
    ),
    Scenario(gives_back_a_pdf, "L'original d'un Factur-X déposé a exactement les octets envoyés", Needs.SUBMIT),
)
