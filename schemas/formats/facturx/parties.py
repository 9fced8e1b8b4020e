"""Who stands on the page: the parties of an invoice, each with its address, its contacts and its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from schemas.formats.facturx.wording import Pairs, Writer, told
from schemas.invoice import Address, Contact, Identifier, Invoice, Party

_SIREN, _SIRET = "0002", "0009"


def party(found: Party, writer: Writer) -> dict[str, Any]:
    """The seller or the buyer."""
    words = writer.words
    lines = [*_address(found.address, writer), *_contact(found.contact)]
    if found.legal_information:
        lines.append(found.legal_information)
    ids = [
        (words["trading_name"], found.trading_name),
        _legal(found.legal_id, writer),
        *identifiers(found.ids, writer),
        (words["vat_id"], found.vat_id),
        (words["tax_id"], found.tax_id),
        (words["endpoint"], writer.identifier(found.endpoint)),
    ]
    return {"name": found.name, "lines": lines, "ids": told(ids)}


def behind_buyer(invoice: Invoice, writer: Writer) -> Iterator[dict[str, Any]]:
    """Where the goods went."""
    place = invoice.delivery
    if place is not None and (place.name or place.address or place.location_id):
        ids = identifiers((place.location_id,) if place.location_id else (), writer)
        yield _named(writer.words["deliver_to"], place.name, _address(place.address, writer), ids)


def behind_seller(invoice: Invoice, writer: Writer) -> Iterator[dict[str, Any]]:
    """Who is paid instead of the seller, and who answers for its VAT."""
    words, payee, agent = writer.words, invoice.payee, invoice.tax_representative
    if payee is not None:
        ids = [*identifiers(payee.ids, writer), _legal(payee.legal_id, writer)]
        yield _named(words["payee"], payee.name, [], ids)
    if agent is not None:
        yield _named(
            words["tax_representative"], agent.name, _address(agent.address, writer), [(words["vat_id"], agent.vat_id)]
        )


def identifiers(found: Iterable[Identifier], writer: Writer) -> Pairs:
    """Identifiers with their schemes; a SIRET is called so."""
    words, rows = writer.words, []
    for one in found:
        siret = one.scheme == _SIRET
        rows.append((words["siret" if siret else "id"], one.value if siret else writer.identifier(one)))
    return rows


def _address(address: Address | None, writer: Writer) -> list[str]:
    if address is None:
        return []
    town = " ".join(part for part in (address.post_code, address.city) if part)
    country = writer.known("countries", address.country) or address.country
    last = ", ".join(part for part in (town, address.subdivision, country) if part)
    lines = [address.line1, address.line2, address.line3, last]
    return [line for line in lines if line]


def _contact(contact: Contact | None) -> list[str]:
    if contact is None:
        return []
    first = " · ".join(text for text in (contact.name, contact.phone) if text)
    return [line for line in (first, contact.email) if line]


def _legal(one: Identifier | None, writer: Writer) -> tuple[str, str]:
    if one is not None and one.scheme == _SIREN:
        return writer.words["siren"], one.value
    return writer.words["legal_id"], writer.identifier(one)


def _named(label: str, name: str, lines: list[str], ids: Pairs) -> dict[str, Any]:
    return {"label": label, "name": name, "lines": lines, "ids": told(ids)}
