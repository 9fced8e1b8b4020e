"""Handing specimens in, each with a number of its own, and following what becomes of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from adapters import http
from adapters.conformance import expect, specimens
from adapters.conformance.counterpart import Counterpart, fails, members, shown
from adapters.conformance.specimens import CIUS, Specimen
from adapters.conformance.verdict import Skips, Text

EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Deposit:
    """One file that was handed in."""

    specimen: Specimen
    info: Mapping[str, Any]
    answer: http.Answer

    @property
    def flow_id(self) -> str:
        """The platform's id of it; empty when it was not taken."""
        return str(members(self.answer).get("flowId") or "")


def parties(it: Counterpart) -> tuple[str, str]:
    """SIREN of the seller and the buyer."""
    return it.access.seller, it.access.buyer


async def specimen(it: Counterpart, format_: str = "cii", profile: str = CIUS) -> Specimen:
    """A new invoice."""
    count = it.kept["number"] = it.kept.get("number", 0) + 1
    run = it.kept.setdefault("run", f"{int(it.now().timestamp()):x}")
    number = f"ESSAI-{run}-{count:02d}"
    return await asyncio.to_thread(specimens.invoice, number, parties(it), it.now(), format_, profile)


def info_of(file: Specimen, **changes: Any) -> dict[str, Any]:
    """flowInfo of a file; a member that is None is left out."""
    given = {
        "trackingId": file.number[:64],
        "name": file.name,
        "flowSyntax": file.syntax,
        "processingRule": "B2B" if file.syntax != "CDAR" else None,
        "sha256": file.sha256,
    } | changes
    return {name: value for name, value in given.items() if value is not None}


async def hand_in(it: Counterpart, file: Specimen, **changes: Any) -> Deposit:
    """Hand a file in, with these changes to its flowInfo. Raises Unreachable."""
    info = info_of(file, **changes)
    return Deposit(file, info, await post(it, (_info(json.dumps(info, ensure_ascii=False)), _file(file))))


async def post(it: Counterpart, body: object, headers: Mapping[str, str | None] | None = None) -> http.Answer:
    """POST /v1/flows with any body. Raises Unreachable."""
    it.submitted += 1
    it.forget()
    return await it.call("POST", "/v1/flows", body, headers)


def form(file: Specimen, info: str | None, *, with_file: bool = True, reverse: bool = False) -> tuple[http.Part, ...]:
    """The parts of a form; `info` as text, None: without it."""
    parts = [*([] if info is None else [_info(info)]), *([_file(file)] if with_file else [])]
    return tuple(reversed(parts) if reverse else parts)


async def handed_in(it: Counterpart, format_: str) -> Deposit:
    """The invoice in this format that was handed in before, or a new one; taken or not."""
    key = f"deposit {format_}"
    if key not in it.kept:
        it.kept[key] = await hand_in(it, await specimen(it, format_))
    found = it.kept[key]
    assert isinstance(found, Deposit)
    return found


async def first(it: Counterpart, format_: str = "cii") -> Deposit:
    """The same; it was taken. Raises Skips otherwise."""
    found = await handed_in(it, format_)
    if found.answer.status != 202 or not found.flow_id:
        says = shown(found.answer)
        raise Skips(Text(f"no invoice was taken: {says}", f"aucune facture n'a été prise : {says}"))
    return found


async def flow(it: Counterpart, flow_id: str, doc_type: str | None = None) -> http.Answer:
    """GET /v1/flows/{flowId}. Raises Unreachable."""
    query = f"?docType={doc_type}" if doc_type else ""
    return await it.call("GET", f"/v1/flows/{quote(flow_id, safe='')}{query}")


async def judged(it: Counterpart, flow_id: str) -> dict[str, Any]:
    """The flow once it is no longer Pending; as it is, when that takes too long. Raises Fails, Unreachable."""
    loop = asyncio.get_running_loop()
    end = loop.time() + it.access.patience
    while True:
        answer = await flow(it, flow_id)
        expect.status(answer, 200)
        body = members(answer)
        if acknowledgement(body).get("status") != "Pending" or loop.time() > end:
            return body
        await asyncio.sleep(min(1.0, it.access.patience / 10))


async def turned_away(it: Counterpart, deposit: Deposit, *codes: str) -> str:
    """The flow is refused, at the door or by its acknowledgement; returns what was said, which names one of the codes
    when some are given. Raises Fails, Unreachable.
    """
    if deposit.answer.status in expect.ACCEPTED:
        body = await judged(it, deposit.flow_id)
        said = reasons(body)
        if acknowledgement(body).get("status") != "Error":
            raise fails(_refusal(codes), Text(f"taken: {body_shown(body)}", f"pris : {body_shown(body)}"))
    else:
        said = [expect.refused(deposit.answer)]
    plain = [_letters(one) for one in said]
    if codes and not any(_letters(code) in one for code in codes for one in plain):
        raise fails(_refusal(codes), ", ".join(said) or shown(deposit.answer))
    return ", ".join(said)


def acknowledgement(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A flow's acknowledgement; empty when there is none."""
    found = body.get("acknowledgement")
    return found if isinstance(found, dict) else {}


def reasons(body: Mapping[str, Any]) -> list[str]:
    """The reason codes of a flow's acknowledgement."""
    details = acknowledgement(body).get("details")
    return [str(one.get("reasonCode")) for one in details or () if isinstance(one, dict)]


def names_repetition(body: Mapping[str, Any]) -> bool:
    """Whether a flow was refused as one that was there already."""
    return any("alreadyexist" in _letters(one) for one in reasons(body))


def body_shown(body: Mapping[str, Any]) -> str:
    """A flow in few words."""
    return f"acknowledgement {acknowledgement(body).get('status')} {' '.join(reasons(body))}".strip()[:200]


def _refusal(codes: tuple[str, ...]) -> Text:
    told = f" ({', '.join(codes)})" if codes else ""
    return Text(f"refused, at once or by its acknowledgement{told}", f"refus, immédiat ou par l'acquittement{told}")


def _letters(code: str) -> str:
    return "".join(sign for sign in code.lower() if sign.isalnum())


def _info(text: str) -> http.Part:
    return http.Part("flowInfo", text.encode(), "application/json")


def _file(file: Specimen) -> http.Part:
    return http.Part("file", file.data, file.media_type, file.name)
