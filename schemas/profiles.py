"""The ladder of profiles: what of an invoice a profile has no place for, and the invoice without it.

A profile is asked for before a document is written, so that a loss is named before it happens: `beyond` names it,
`reduced` carries it out, and what `reduced` gives has nothing beyond. Which profile has which term is told in the
model (`schemas.terms.lowest`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

from schemas.invoice import Invoice, Profile, id_of, profile_of, shapes

URNS: Mapping[str, Profile] = {
    "urn:factur-x.eu:1p0:minimum": Profile.MINIMUM,
    "urn:factur-x.eu:1p0:basicwl": Profile.BASIC_WL,
    "urn:cen.eu:en16931:2017#compliant#urn:factur-x.eu:1p0:basic": Profile.BASIC,
    "urn:cen.eu:en16931:2017": Profile.EN16931,
    "urn:cen.eu:en16931:2017#conformant#urn.cpro.gouv.fr:1p0:extended-ctc-fr": Profile.EXTENDED_CTC_FR,
    "urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended": Profile.EXTENDED,
}
"""BT-24 → profile."""

_COMPLIANT = "urn:cen.eu:en16931:2017#compliant#"

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Beyond:
    """One value, or one whole group, that a profile has no place for."""

    term: str
    """BT-…, BG-…, BT-X-… or BG-X-…; that of the group around it where no norm gives the field an id."""
    name: str
    pointer: str
    """Where it stands in the JSON form of the invoice (RFC 6901)."""
    lowest: Profile | None
    """The lowest profile that has a place for it; None when no profile has."""


def named(specification: str) -> Profile | None:
    """The profile that a specification identifier (BT-24) asks for; None when it is not one of the ladder.

    A specification that only restricts EN 16931 (a CIUS such as XRechnung or Peppol BIS) has its terms.
    """
    found = URNS.get(specification.strip())
    return Profile.EN16931 if found is None and specification.strip().startswith(_COMPLIANT) else found


def beyond(invoice: Invoice, profile: Profile) -> tuple[Beyond, ...]:
    """All that has a value and no place in the profile, in the order of the model; a group as one."""
    return tuple(_beyond(invoice, "", (), profile))


def reduced(invoice: Invoice, profile: Profile) -> Invoice:
    """The invoice without what is `beyond` the profile; the very invoice when nothing is. BT-24 stays as it is."""
    made: Invoice = _reduced(invoice, "", profile)
    return made


def _holds(profile: Profile, least: Profile | None) -> bool:
    return least is not None and profile.holds(least)


def _beyond(value: Any, group: str, path: Path, profile: Profile) -> Iterator[Beyond]:
    for one in fields(value):
        content = getattr(value, one.name)
        if not one.metadata or content is None or content in ("", ()):
            continue
        shape, term, at = shapes(type(value))[one.name], id_of(one, group), (*path, one.name)
        if not _holds(profile, least := profile_of(one, group)):
            if not shape.many and shape.kind == "group" and content == type(content)():
                continue
            yield Beyond(term or group, one.metadata["name"], _pointer(at), least)
        elif shape.kind in ("group", "classification"):
            for number, inner in enumerate(content if shape.many else (content,)):
                yield from _beyond(inner, term, (*at, number) if shape.many else at, profile)


def _reduced(value: Any, group: str, profile: Profile) -> Any:
    changed: dict[str, Any] = {}
    for one in fields(value):
        content = getattr(value, one.name)
        if not one.metadata or content is None or content in ("", ()):
            continue
        shape, term = shapes(type(value))[one.name], id_of(one, group)
        if not _holds(profile, profile_of(one, group)):
            changed[one.name] = one.default
        elif shape.kind in ("group", "classification"):
            kept = _kept(content, term, profile) if shape.many else _reduced(content, term, profile)
            if shape.optional and kept is not content and kept == type(kept)():
                kept = None  # nothing of the group is left
            if kept is not content:
                changed[one.name] = kept
    return replace(value, **changed) if changed else value


def _kept(several: tuple[Any, ...], term: str, profile: Profile) -> tuple[Any, ...]:
    """The groups of which something is left; the same tuple when nothing is taken out of any."""
    kept = tuple(_reduced(one, term, profile) for one in several)
    if all(after is before for before, after in zip(several, kept, strict=True)):
        return several
    return tuple(one for one in kept if one != type(one)())


def _pointer(path: Path) -> str:
    return "".join(f"/{step}" for step in path)
