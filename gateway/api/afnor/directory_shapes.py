"""Things of the directory in the shapes of XP Z12-013 1.3.0. A member that is not known is left out, never null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.store.directory import Address, Code, Facility, Line, PublicBody, Status, Unit

Shape = dict[str, Any]

_BODY = {  # the member of b2gAdditionalData, and the field that asks for it
    "pm": "pmStatus",
    "pmOnly": "pmOnly",
    "managesPaymentStatus": "managesPaymentStatus",
    "managesLegalCommitmentCode": "managesLegalCommitment",
    "managesLegalCommitmentOrServiceCode": "managesLegalCommitmentOrService",
    "serviceCodeStatus": "serviceCodeStatus",
}


def unit(one: Unit, fields: frozenset[str] = frozenset()) -> Shape:
    """legalUnitPayloadHistory, and legalUnitPayloadIncluded. `fields`: those that are asked for; empty: all."""
    return _some(
        {
            "siren": one.siren,
            "businessName": one.name,
            "entityType": _chosen(one.public, "Public", "PrivateVatRegistered"),
            "administrativeStatus": _standing(one.closed),
            "instructions": _instructions(one.no_prospecting),
        },
        fields,
    )


def facility(one: Facility, fields: frozenset[str] = frozenset()) -> Shape:
    """facilityPayloadHistory without its legal unit."""
    shape = _facility(one) | _known({"siretInstructions": _instructions(one.no_prospecting)})
    body = _known(_body(one.public_body))
    if fields:
        body = {name: value for name, value in body.items() if _BODY[name] in fields}
    return _some(shape, fields) | ({"b2gAdditionalData": body} if body else {})


def facility_included(one: Facility) -> Shape:
    """facilityPayloadIncluded: the same, one member under another name."""
    body = _known(_body(one.public_body))
    shape = _facility(one) | {"instructions": _instructions(one.no_prospecting), "b2gAdditionalData": body or None}
    return _known(shape)


def code(one: Code, fields: frozenset[str] = frozenset()) -> Shape:
    """routingCodePayloadHistoryLegalUnitFacility without its facility and legal unit."""
    shape = {"siret": one.siret, **_code(one), "managesLegalCommitmentCode": one.commitment}
    return _some(shape, fields)


def line(one: Line, fields: frozenset[str], *, upcoming: bool) -> Shape:
    """A directory line without what it is related to.

    No field names the platform and the status, so both are always told. A line that is not in force yet has no
    platform now, says the operation that tells one line, and knows no other word for it: `upcoming` is False there.
    """
    shape = {
        "addressingIdentifier": one.address,
        "siren": one.siren,
        "siret": one.siret,
        "routingIdentifier": one.identifier,
        "addressingSuffix": one.suffix,
    }
    hidden = one.status is Status.UPCOMING and not upcoming
    always = {"platformType": one.platform, "directoryLineStatus": str(Status.DISABLED if hidden else one.status)}
    return _some(shape, fields) | _known(always)


def code_included(one: Code) -> Shape:
    """The routing code of a directory line, its commitment under the name it has there and the one it has elsewhere."""
    return _known(
        {**_code(one), "managesLegalCommitment": one.commitment, "managesLegalCommitmentCode": one.commitment}
    )


def _facility(one: Facility) -> Shape:
    return {
        "siret": one.siret,
        "siren": one.siren,
        "name": one.name,
        "facilityType": _chosen(one.main, "P", "S"),
        "administrativeStatus": _standing(one.closed),
        "address": _address(one.address),
    }


def _code(one: Code) -> Shape:
    return {
        "routingIdentifier": one.identifier,
        "routingIdentifierType": one.scheme,
        "routingCodeName": one.name,
        "administrativeStatus": _standing(one.closed),
        "address": _address(one.address),
    }


def _body(one: PublicBody) -> Shape:
    return {
        "pm": one.project_manager,
        "pmOnly": one.project_manager_only,
        "managesPaymentStatus": one.payment_status,
        "managesLegalCommitmentCode": one.commitment,
        "managesLegalCommitmentOrServiceCode": one.commitment_or_service,
        "serviceCodeStatus": one.service_code,
    }


def _address(one: Address) -> Shape | None:
    shape = _known(
        {
            "addressLine1": one.line1,
            "addressLine2": one.line2,
            "addressLine3": one.line3,
            "postalCode": one.postal_code,
            "countrySubdivision": one.subdivision,
            "locality": one.locality,
            "countryCode": one.country,
            "countryName": one.country_name,
        }
    )
    return shape or None


def _instructions(forbidden: bool | None) -> Shape | None:
    return None if forbidden is None else {"isSalesProspectingForbidden": forbidden}


def _standing(closed: bool | None) -> str | None:
    return _chosen(closed, "C", "A")


def _chosen(value: bool | None, yes: str, no: str) -> str | None:
    return None if value is None else yes if value else no


def _some(shape: Mapping[str, Any], fields: frozenset[str]) -> Shape:
    return {name: value for name, value in _known(shape).items() if not fields or name in fields}


def _known(shape: Mapping[str, Any]) -> Shape:
    return {name: value for name, value in shape.items() if value is not None}
