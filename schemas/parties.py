"""Who takes part in an invoice: addresses, contacts and parties, with the ids their fields have in each group.

EN 16931 knows the seller, the buyer, the payee and the seller's tax representative, each with some fields of a party.
The extensions give fifteen parties all of them: one class, and a table of ids. The ids of an address are seven numbers
in a row in every group, so the table has the first.
"""

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.terms import Code, Identifier, Profile, Text, term

FRENCH_SCHEMES = frozenset({"0002", "0009", "0225"})
"""Schemes (EAS) of SIREN, SIRET and electronic addresses in the French directory; each begins with a SIREN."""


@dataclass(frozen=True, slots=True)
class _Role:
    """The ids of one party of the extensions: numbers of BT-X-…, 0 where there is none."""

    group: str
    name: int
    trading_name: int
    ids: int
    legal_id: int
    vat_id: int
    endpoint: int
    role: int
    address: tuple[str, int]
    """Group, and number of the post code; line 1, 2, 3, city, country and subdivision follow."""
    contact: tuple[str, str]
    """Group, and the ids of name, department, type, telephone, fax and email (numbers of BT-X-…)."""
    legal_address: tuple[str, int] = ("", 0)
    tax_id: int = 0
    legal_information: int = 0
    french: tuple[str, int] = ("", 0)
    """Group, and number of the name in EXT-FR-FE-…; the other twenty-two follow in `_FRENCH_ORDER`."""
    french_address: int = 0
    """Where only the address follows that order: the number that its name would have."""
    french_fields: tuple[tuple[str, int], ...] = ()
    """Fields whose numbers do not follow that order."""


_ROLES = (
    _Role("BG-X-49", 335, 336, 337, 339, 340, 341, 545, ("BG-X-52", 348), ("BG-X-51", "342 343 347 344 345 346"),
          ("BG-X-53", 355), french=("EXT-FR-FE-BG-03", 66)),
    _Role("BG-X-54", 362, 363, 364, 366, 367, 368, 546, ("BG-X-56", 375), ("BG-X-55", "369 370 371 372 373 374"),
          ("BG-X-57", 382)),
    _Role("BG-X-18", 128, 130, 126, 129, 144, 143, 548, ("BG-X-21", 136), ("BG-X-20", "131 132 320 133 134 135"),
          ("BG-X-60", 396)),
    _Role("BG-X-62", 406, 407, 408, 410, 411, 412, 549, ("BG-X-65", 419), ("BG-X-64", "413 414 415 416 417 418"),
          ("BG-X-66", 426), french=("EXT-FR-FE-BG-01", 3)),
    _Role("BG-X-27", 164, 166, 162, 165, 180, 179, 551, ("BG-X-29", 172), ("BG-X-28", "167 168 322 169 170 171"),
          ("BG-X-68", 440)),
    _Role("BG-X-30", 183, 185, 181, 184, 199, 198, 552, ("BG-X-32", 191), ("BG-X-31", "186 187 323 188 189 190"),
          ("BG-X-69", 447)),
    _Role("BG-X-33", 207, 209, 205, 208, 223, 222, 553, ("BG-X-35", 215), ("BG-X-34", "210 211 324 212 213 214"),
          ("BG-X-70", 454), french=("EXT-FR-FE-BG-05", 112)),
    _Role("BG-X-36", 226, 228, 224, 227, 242, 241, 554, ("BG-X-38", 234), ("BG-X-37", "229 230 325 231 232 233"),
          ("BG-X-71", 461), french=("EXT-FR-FE-BG-04", 89)),
    _Role("BG-X-73", 476, 477, 478, 480, 481, 482, 483, ("BG-X-75", 490), ("BG-X-74", "484 485 486 487 488 489"),
          ("BG-X-76", 497), french=("EXT-FR-FE-BG-02", 43)),
    _Role("BG-X-77", 504, 505, 506, 508, 509, 510, 511, ("BG-X-79", 518), ("BG-X-78", "512 513 514 515 516 517"),
          ("BG-X-80", 525)),
    _Role("BG-X-90", 569, 573, 567, 572, 587, 586, 570, ("BG-X-92", 579), ("BG-X-91", "574 574-1 575 576 577 578"),
          tax_id=588, legal_information=571, french=("EXT-FR-FE-BG-12", 0), french_address=159,
          french_fields=(("name", 164), ("legal_id", 167), ("vat_id", 168))),
    _Role("BG-X-7", 50, 52, 48, 51, 66, 65, 541, ("BG-X-9", 58), ("BG-X-8", "54 54-1 315 55 56 57"),
          french=("EXT-FR-FE-BG-10", 0), french_address=139, french_fields=(("name", 149), ("ids", 146))),
    _Role("BG-X-10", 69, 71, 67, 70, 84, 83, 542, ("BG-X-12", 76), ("BG-X-11", "72 72-1 316 73 74 75")),
    _Role("BG-X-93", 595, 599, 593, 598, 614, 613, 596, ("BG-X-95", 606), ("BG-X-94", "600 601 602 603 604 605"),
          tax_id=615, legal_information=597),
)  # fmt: skip
"""Sales agent, buyer tax representative, end user, buyer agent, ultimate ship-to, ship-from, invoicer, invoicee, payer,
payee of payment terms; then of a line: seller, ship-to, ultimate ship-to, manufacturer of the item."""

_FRENCH_ORDER = (
    *("name", "role", "trading_name", "ids", "ids-scheme", "legal_id", "legal_id-scheme", "vat_id", "vat_id-scheme"),
    *("endpoint", "endpoint-scheme", "address", "line1", "line2", "line3", "city", "post_code", "subdivision"),
    *("country", "contact", "contact_name", "phone", "email"),
)
"""The order of the numbers EXT-FR-FE-… of a party."""

_ADDRESSES = (  # group and number of the post code in BT-X-…, number of the name in EXT-FR-FE-…
    *((one.address, one.french[1] or one.french_address) for one in _ROLES),
    *((one.legal_address, 0) for one in _ROLES),
    (("BG-X-14", 100), 0),  # the seller's legal address, the buyer's, the tax representative's, the ship-to's, payee's
    (("BG-X-15", 108), 0),
    (("BG-X-59", 389), 0),
    (("BG-X-67", 433), 0),
    (("BG-X-72", 469), 0),
    (("BG-X-40", 249), 20),  # the payee's address
)
_CONTACTS = (
    *((one.contact, one.french[1]) for one in _ROLES),
    (("BG-X-17", "120 121 319 122 123 124"), 0),  # the contact of the tax representative, the ship-to, the payee
    (("BG-X-26", "155 156 321 157 158 159"), 0),
    (("BG-X-39", "244 245 326 246 247 248"), 20),
)


def _x(number: int | str) -> str:
    return f"BT-X-{number}" if number else ""


def _french(first: int, field: str) -> str:
    """The id of a field in EXTENDED-CTC-FR; "" when the party is not part of it, or the field."""
    if not first or field not in _FRENCH_ORDER:
        return ""
    return f"EXT-FR-FE-{first + _FRENCH_ORDER.index(field):02}"


def _address(place: int, first: str, second: str, third: str, fourth: str) -> Mapping[str, str]:
    """Ids of one address field, `place` numbers after the post code, in all groups that have an address."""
    more = {group: _x(number + place) for (group, number), _ in _ADDRESSES if group}
    return {"BG-5": first, "BG-8": second, "BG-12": third, "BG-15": fourth, **more}


def _french_address(field: str) -> Mapping[str, str]:
    return {group: _french(first, field) for (group, _), first in _ADDRESSES if first}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A postal address: BG-5, BG-8, BG-12, BG-15, and those of the parties of the extensions."""

    line1: Text = term(
        _address(1, "BT-35", "BT-50", "BT-64", "BT-75"), "Address line 1", french=_french_address("line1")
    )
    line2: Text = term(
        _address(2, "BT-36", "BT-51", "BT-65", "BT-76"), "Address line 2", french=_french_address("line2")
    )
    line3: Text = term(
        _address(3, "BT-162", "BT-163", "BT-164", "BT-165"), "Address line 3", french=_french_address("line3")
    )
    city: Text = term(_address(4, "BT-37", "BT-52", "BT-66", "BT-77"), "City", french=_french_address("city"))
    post_code: Text = term(
        _address(0, "BT-38", "BT-53", "BT-67", "BT-78"), "Post code", french=_french_address("post_code")
    )
    subdivision: Text = term(
        _address(6, "BT-39", "BT-54", "BT-68", "BT-79"), "Country subdivision", french=_french_address("subdivision")
    )
    country: Code = term(
        _address(5, "BT-40", "BT-55", "BT-69", "BT-80"), "Country code", "1..1", french=_french_address("country")
    )


def _contact(place: int, seller: str, buyer: str) -> Mapping[str, str]:
    """Ids of one contact field, the one at `place` in the lists of numbers, in all groups that have a contact."""
    more = {group: _x(numbers.split()[place]) for (group, numbers), _ in _CONTACTS}
    return {"BG-6": seller, "BG-9": buyer, **more}


def _french_contact(field: str) -> Mapping[str, str]:
    return {group: _french(first, field) for (group, _), first in _CONTACTS if first}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person or office to speak to: BG-6, BG-9, and those of the parties of the extensions."""

    name: Text = term(_contact(0, "BT-41", "BT-56"), "Contact point", french=_french_contact("contact_name"))
    phone: Text = term(_contact(3, "BT-42", "BT-57"), "Contact telephone number", french=_french_contact("phone"))
    email: Text = term(_contact(5, "BT-43", "BT-58"), "Contact email address", french=_french_contact("email"))
    # Beyond EN 16931. A department without a person is the contact point itself, so it stands in `name`.
    department: Text = term(_contact(1, "BT-41-0", "BT-56-0"), "Contact department")
    type_code: Code = term(_contact(2, "BT-X-317", "BT-X-318"), "Contact type code")
    fax: Text = term(_contact(4, "BT-X-107", "BT-X-115"), "Contact fax number")


def _party(field: str, seller: str, buyer: str = "") -> Mapping[str, str]:
    """Ids of one field of a party as seller (BG-4), as buyer (BG-7) and as each party of the extensions."""
    more = {}
    for one in _ROLES:
        value = getattr(one, field)
        more[one.group] = value[0] if isinstance(value, tuple) else _x(value)
    return {"BG-4": seller, "BG-7": buyer, **more}


def _french_party(field: str) -> Mapping[str, str]:
    """Its ids in EXTENDED-CTC-FR."""
    found = {}
    for one in _ROLES:
        own = dict(one.french_fields).get(field)
        if one.french[0]:
            found[one.group] = f"EXT-FR-FE-{own}" if own else _french(one.french[1], field)
    return found


def french_group(group: str) -> str:
    """Id in EXTENDED-CTC-FR of a party of the extensions, by its id in Factur-X; "" when it is no part of it."""
    return next((one.french[0] for one in _ROLES if one.group == group), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """The seller (BG-4), the buyer (BG-7), or a party of the extensions.

    In France the SIREN is `legal_id` (scheme 0002), a SIRET is one of `ids` (scheme 0009), `endpoint` has scheme 0225.
    """

    name: Text = term(_party("name", "BT-27", "BT-44"), "Name", "1..1", french=_french_party("name"))
    trading_name: Text = term(
        _party("trading_name", "BT-28", "BT-45"), "Trading name", french=_french_party("trading_name")
    )
    ids: tuple[Identifier, ...] = term(
        _party("ids", "BT-29", "BT-46"), "Identifier", "0..n", (), french=_french_party("ids")
    )
    legal_id: Identifier | None = term(
        _party("legal_id", "BT-30", "BT-47"),
        "Legal registration identifier",
        default=None,
        french=_french_party("legal_id"),
    )
    vat_id: Text = term(_party("vat_id", "BT-31", "BT-48"), "VAT identifier", french=_french_party("vat_id"))
    tax_id: Text = term(_party("tax_id", "BT-32"), "Tax registration identifier")
    legal_information: Text = term(_party("legal_information", "BT-33", "BT-X-334"), "Additional legal information")
    endpoint: Identifier | None = term(
        _party("endpoint", "BT-34", "BT-49"), "Electronic address", default=None, french=_french_party("endpoint")
    )
    address: Address | None = term(
        _party("address", "BG-5", "BG-8"), "Postal address", "1..1", None, french=_french_party("address")
    )
    contact: Contact | None = term(
        _party("contact", "BG-6", "BG-9"), "Contact", default=None, french=_french_party("contact")
    )
    # Beyond EN 16931.
    role: Code = term(_party("role", "BT-X-543", "BT-X-544"), "Role code", french=_french_party("role"))
    legal_address: Address | None = term(
        _party("legal_address", "BG-X-14", "BG-X-15"), "Address of legal registration", default=None
    )
    more_contacts: tuple[Contact, ...] = term(
        _party("contact", "BG-6", "BG-9"), "Further contact", "0..n", (), profile=Profile.EXTENDED
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Payee:
    """BG-10: who is paid, when that is not the seller."""

    name: Text = term("BT-59", "Payee name", "1..1")
    ids: tuple[Identifier, ...] = term("BT-60", "Payee identifier", "0..n", ())
    legal_id: Identifier | None = term("BT-61", "Payee legal registration identifier", default=None)
    # Beyond EN 16931.
    role: Code = term("BT-X-468", "Payee role code", french="EXT-FR-FE-26")
    trading_name: Text = term("BT-X-243", "Payee trading name")
    vat_id: Text = term("BT-X-257", "Payee VAT identifier", french="EXT-FR-FE-27")
    endpoint: Identifier | None = term("BT-X-256", "Payee electronic address", default=None, french="EXT-FR-FE-29")
    address: Address | None = term("BG-X-40", "Payee postal address", default=None, french="EXT-FR-FE-31")
    contact: Contact | None = term("BG-X-39", "Payee contact", default=None, french="EXT-FR-FE-39")
    legal_address: Address | None = term("BG-X-72", "Payee address of legal registration", default=None)
    more_contacts: tuple[Contact, ...] = term("BG-X-39", "Payee further contact", "0..n", (), profile=Profile.EXTENDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRepresentative:
    """BG-11: who answers for the seller's VAT."""

    name: Text = term("BT-62", "Seller tax representative name", "1..1")
    vat_id: Text = term("BT-63", "Seller tax representative VAT identifier", "1..1")
    address: Address | None = term("BG-12", "Seller tax representative postal address", "1..1", None)
    # Beyond EN 16931.
    ids: tuple[Identifier, ...] = term("BT-X-116", "Seller tax representative identifier", "0..n", ())
    legal_id: Identifier | None = term(
        "BT-X-118", "Seller tax representative legal registration identifier", default=None
    )
    trading_name: Text = term("BT-X-119", "Seller tax representative trading name")
    endpoint: Identifier | None = term("BT-X-125", "Seller tax representative electronic address", default=None)
    contact: Contact | None = term("BG-X-17", "Seller tax representative contact", default=None)
    role: Code = term("BT-X-547", "Seller tax representative role code")
    legal_address: Address | None = term(
        "BG-X-59", "Seller tax representative address of legal registration", default=None
    )
    more_contacts: tuple[Contact, ...] = term(
        "BG-X-17", "Seller tax representative further contact", "0..n", (), profile=Profile.EXTENDED
    )


def identifier_of(party: Party) -> str:
    """The identifier a party is known by: legal identifier, else VAT number, tax number, other id, name."""
    others = (party.vat_id, party.tax_id, *(one.value for one in party.ids), party.name)
    return next((text for text in (party.legal_id.value if party.legal_id else "", *others) if text), "")


def is_business(party: Party) -> bool:
    """Whether a party has an identifier that a consumer has not: a legal one, a VAT or tax number, a SIREN or SIRET.

    Any other identifier (BT-46), of a party abroad too, tells nothing: it may be the seller's number of a customer or
    the number of a person. What only the law between businesses gives is then not claimed; who sells to a business
    abroad names its VAT number or its entry in a register.
    """
    schemes = [one.scheme for one in (*party.ids, party.endpoint) if one is not None and one.value.strip()]
    legal = party.legal_id is not None and bool(party.legal_id.value.strip())
    return legal or bool(party.vat_id.strip() or party.tax_id.strip()) or not FRENCH_SCHEMES.isdisjoint(schemes)
