"""Where in our model a finding belongs: the JSON pointer and the business term of an element of a CII or UBL invoice.

Who sent JSON, or works with the model, knows `/lines/2/net_amount`, not a path of twelve elements. The tables of the
syntaxes say which field an element is; they are walked once. Where a syntax is cut differently from the model, the term
of the element tells the field. A rule about something that is absent points at the document or a group; the first of
its terms then says which field in that group is meant.

A place is a help for people and their programs: where the table knows nothing of an element, the nearest group around
it is told, and the document as a whole ("") at last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

from lxml import etree

from schemas.formats import cii, ubl
from schemas.invoice import Invoice
from schemas.table import Fixed, Group, Leaf, Node, View, unchain
from schemas.terms import french_id_of, id_of, shapes
from schemas.xml import PREFIXES, Twins, element_at, name_of

MANY = "*"
"""Stands in a pattern for the place in a list."""

DEPTH = 8
"""Groups inside groups that are followed; the model has six."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one element of a syntax: its term, and the pattern of its pointer (/lines/*/net_amount)."""

    term: str
    pattern: str


@dataclass(slots=True)
class _Spot:
    known: Known
    when: Callable[[etree._Element], bool] | None = None
    children: dict[str, list[_Spot]] = field(default_factory=dict)
    attributes: dict[str, Known] = field(default_factory=dict)
    fixed: bool = False


def place(tree: etree._ElementTree, path: str, terms: Iterable[str], twins: Twins) -> str:
    """The JSON pointer into our model for a finding at a path of the tree about some terms; "" is the document as a
    whole. `twins`: see `schemas.xml.path_of`.
    """
    pattern, places = _pointed(tree, element_at(tree, path, twins) if path else None, twins)
    for term in terms:
        under = _under(pattern, patterns().get(term, ()))
        if under is not None:
            pattern = under
            break
    return _filled(pattern, places)


def known(steps: Iterable[str], choose: Callable[[str, list[Known]], Known]) -> Known:
    """What an element is that is named by its path alone, from the root; `choose` is asked where it has twins."""
    root, *rest = steps
    spot = _spots().get(root)
    found = Known("", "")
    for step in rest:
        several = spot.children.get(step, []) if spot else []
        if not several:
            return Known("", "")
        found = several[0].known if len(several) == 1 else choose(step, [one.known for one in several])
        spot = next(one for one in several if one.known == found)
    return found


_TRADE = "rsm:SupplyChainTradeTransaction"
_SHARED = {
    (
        "BT-18",
        "cii",
    ): f"{_TRADE}/ram:ApplicableHeaderTradeAgreement/ram:AdditionalReferencedDocument/ram:IssuerAssignedID",
    ("BT-21", "ubl"): "cbc:Note",
    ("BT-32", "ubl"): "cac:AccountingSupplierParty/cac:Party/cac:PartyTaxScheme/cbc:CompanyID",
    ("BT-90", "ubl"): "cac:AccountingSupplierParty/cac:Party/cac:PartyIdentification/cbc:ID",
    ("BT-111", "cii"): f"{_TRADE}/ram:ApplicableHeaderTradeSettlement"
    "/ram:SpecifiedTradeSettlementHeaderMonetarySummation/ram:TaxTotalAmount",
    ("BT-111", "ubl"): "cac:TaxTotal/cbc:TaxAmount",
    ("BT-127", "ubl"): "cac:InvoiceLine/cbc:Note",
    ("BT-128", "ubl"): "cac:InvoiceLine/cac:DocumentReference/cbc:ID",
    ("BT-149", "cii"): f"{_TRADE}/ram:IncludedSupplyChainTradeLineItem/ram:SpecifiedLineTradeAgreement"
    "/ram:NetPriceProductTradePrice/ram:BasisQuantity",
    ("BT-150", "cii"): f"{_TRADE}/ram:IncludedSupplyChainTradeLineItem/ram:SpecifiedLineTradeAgreement"
    "/ram:NetPriceProductTradePrice/ram:BasisQuantity/@unitCode",
}
"""Terms that share an element with another, which the functions of the syntax tell apart by what is in it."""


def elements(term: str, syntax: str) -> tuple[str, ...]:
    """Where a term stands in a syntax (cii, or ubl: an invoice), as paths from the root, as our tables have it."""
    root = {"cii": "rsm:CrossIndustryInvoice", "ubl": "ubl:Invoice"}[syntax]
    if (term, syntax) in _SHARED:
        return (f"/{root}/{_SHARED[term, syntax]}",)
    wanted = frozenset(patterns().get(term, ()))
    group = term.startswith(("BG", "EXT-FR-FE-BG"))
    return tuple(dict.fromkeys(_found(_spots()[root], f"/{root}", wanted, group=group)))


def _found(spot: _Spot, path: str, wanted: frozenset[str], *, group: bool) -> Iterator[str]:
    """The elements and attributes below a spot that are what is wanted: of a group the outermost, of a value those it
    stands in."""
    for tag, several in spot.children.items():
        for one in several:
            inner = list(_found(one, f"{path}/{tag}", wanted, group=group))
            outermost = one.known != spot.known if group else not inner
            if outermost and one.known.pattern in wanted and not _says_nothing(one):
                yield f"{path}/{tag}"
            yield from inner
    for name, known in spot.attributes.items():
        if known.pattern in wanted and known != spot.known:
            yield f"{path}/@{name}"


def _says_nothing(spot: _Spot) -> bool:
    """Whether what stands there is always the same, as the kind of a tax."""
    inner = [one for several in spot.children.values() for one in several]
    return spot.fixed or (bool(inner) and all(map(_says_nothing, inner)))


def _under(pattern: str, candidates: tuple[str, ...]) -> str | None:
    """The candidate that is inside the pattern, up to the next list; None when there is none."""
    for one in candidates:
        if one.startswith(f"{pattern}/"):
            return pattern + one[len(pattern) :].partition(f"/{MANY}")[0]
    return None


def _filled(pattern: str, places: list[int]) -> str:
    """The pattern with the places in its lists, up to the first list whose place is not known."""
    parts = pattern.split(f"/{MANY}")
    known = len(places) >= len(parts) - 1
    parts = parts if known else parts[: len(places) + 1]
    return "".join(part + (f"/{places[at]}" if at < len(parts) - 1 else "") for at, part in enumerate(parts))


def _pointed(tree: etree._ElementTree, element: etree._Element | None, twins: Twins) -> tuple[str, list[int]]:
    """The pattern of an element's pointer, and the places in its lists."""
    root = tree.getroot()
    spot = _spots().get(_name(root))
    if spot is None or element is None:
        return "", []
    way = [element, *element.iterancestors()]
    places: list[int] = []
    pattern = ""
    for at in reversed(way[:-1]):
        inner = _choose(spot, at)
        if inner is None:
            break
        spot = inner
        lists = spot.known.pattern.split("/").count(MANY)
        while len(places) < lists:
            places.append(_number(spot, at, twins))
        pattern, places = spot.known.pattern, places[:lists]
    return pattern, places


def _choose(spot: _Spot, element: etree._Element) -> _Spot | None:
    return next((one for one in spot.children.get(_name(element), ()) if one.when is None or one.when(element)), None)


def _number(spot: _Spot, element: etree._Element, twins: Twins) -> int:
    """How many elements of the same meaning stand before this one."""
    parent = element.getparent()
    if parent is None:
        return 0
    if spot.when is None:
        return (twins.place(element) or 1) - 1
    return twins.before(element, spot.when)


# --- the tables -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def patterns() -> dict[str, tuple[str, ...]]:
    """Term → the patterns of its pointers in the model, the plainest first."""
    found: dict[str, list[str]] = {}
    for term, pattern in _terms(Invoice, "", "", 0):
        found.setdefault(term, []).append(pattern)
    return {term: tuple(several) for term, several in found.items()}


def _terms(cls: type[Any], group: str, above: str, depth: int) -> Iterator[tuple[str, str]]:
    for one in fields(cls):
        shape = shapes(cls)[one.name]
        term = id_of(one, group)
        pattern = f"{above}/{one.name}" + (f"/{MANY}" if shape.many else "")
        for name in (term, french_id_of(one, group)):
            if name:
                yield name, pattern
        if shape.kind == "group" and depth < DEPTH:
            yield from _terms(shape.cls, term or group, pattern, depth + 1)


@lru_cache(maxsize=1)
def _spots() -> dict[str, _Spot]:
    """Root element → what is known of the elements below it."""
    tables = {
        "rsm:CrossIndustryInvoice": cii.TABLE,
        "ubl:Invoice": ubl.table(credit=False),
        "cn:CreditNote": ubl.table(credit=True),
    }
    made = {}
    for root, table in tables.items():
        spot = made[root] = _Spot(Known("", ""))
        _plant(spot, table, _Scope(Invoice, "", ""), root)
    return made


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where the fields of a table's nodes stand: a class of the model, the group it is, the pattern of its pointer."""

    cls: type[Any]
    group: str
    pattern: str
    around: _Scope | None = None
    """Of a view: the scope it is a view of; its own fields are found there by their terms."""


def _plant(spot: _Spot, nodes: Iterable[Node], scope: _Scope, path: str) -> None:
    for node in nodes:
        if isinstance(node, View):
            inner = _Scope(node.cls, node.group, scope.pattern, scope if scope.around is None else scope.around)
            _plant_one(spot, unchain(node.node), inner, path)
        else:
            _plant_one(spot, unchain(node), scope, path)


def _plant_one(spot: _Spot, node: Leaf | Fixed | Group, scope: _Scope, path: str) -> None:
    path = f"{path}/{node.tag}"
    made = _Spot(spot.known, fixed=isinstance(node, Fixed))
    spot.children.setdefault(node.tag, []).append(made)
    if isinstance(node, Leaf):
        made.known = _known(path, _field(scope, node.path)[0])
        made.attributes = {
            name: _known(f"{path}/@{name}", _field(scope, at)[0]) for name, at in node.attributes.items()
        }
    elif isinstance(node, Group):
        made.when = node.when
        known, inner = _field(scope, node.into) if node.into else (spot.known, scope)
        made.known = known
        _plant(made, node.children, inner, path)
        if not node.into:
            made.known = _around(made, spot.known)


def _field(scope: _Scope, path: str) -> tuple[Known, _Scope]:
    """What a field at a path of a scope is, and the scope inside it."""
    term = ""
    for name in path.split("."):
        one, shape = scope.cls.__dataclass_fields__[name], shapes(scope.cls)[name]
        term = id_of(one, scope.group)
        pattern = f"{scope.pattern}/{name}" + (f"/{MANY}" if shape.many else "")
        if scope.around is not None:
            term, pattern = _viewed(scope.around, term)
        scope = _Scope(shape.cls, term or scope.group, pattern, None if shape.kind == "group" else scope.around)
    return Known(term, scope.pattern), scope


def _viewed(scope: _Scope, term: str) -> tuple[str, str]:
    """The term and the pattern of a view's field: where its term stands in the scope, or what there is its like."""
    several = patterns().get(term, ())
    inside = [one for one in several if one.startswith(f"{scope.pattern}/")]
    if inside:
        return term, inside[0]
    for one in several:
        name = one.removesuffix(f"/{MANY}").rpartition("/")[2]
        like = scope.cls.__dataclass_fields__.get(name)
        if like is not None and scope.pattern:
            many = f"/{MANY}" if shapes(scope.cls)[name].many else ""
            return id_of(like, scope.group), f"{scope.pattern}/{name}{many}"
    return (term, several[0]) if several and not scope.pattern else ("", scope.pattern)


def _known(path: str, known: Known) -> Known:
    """The same, put right where a view serves elements of several meanings and has the term of one of them."""
    term = next((term for end, term in _TERMS_OF_VIEWS.items() if path.endswith(end)), None)
    return known if term is None else Known(term, patterns()[term][0])


_TERMS_OF_VIEWS = {
    "/cac:ContractDocumentReference/cbc:ID": "BT-12",
    "/cac:ContractDocumentReference/cbc:IssueDate": "BT-X-148",
    "/cac:ReceiptDocumentReference/cbc:ID": "BT-15",
    "/cac:ReceiptDocumentReference/cbc:IssueDate": "BT-X-201",
    "/cac:OriginatorDocumentReference/cbc:ID": "BT-17",
    "/cac:OriginatorDocumentReference/cbc:IssueDate": "BT-X-556",
    "/cac:DeliveryParty/cac:PartyIdentification/cbc:ID": "BT-71",
}


def _around(spot: _Spot, outer: Known) -> Known:
    """What an element that only holds others is: the list that most of its fields are in, else what is around it."""
    known = [one.known for several in spot.children.values() for one in several]
    if len(set(known)) == 1 and known[0].term:
        return known[0]
    inner = [one.pattern.removeprefix(outer.pattern) for one in known]
    lists = Counter(pattern.rpartition(f"/{MANY}")[0] for pattern in inner if MANY in pattern)
    field, times = lists.most_common(1)[0] if lists else ("", 0)
    return Known("", f"{outer.pattern}{field}/{MANY}") if times * 2 > len(inner) else outer


def _name(element: etree._Element) -> str:
    namespace, name = name_of(element)
    return f"{PREFIXES.get(namespace, MANY)}:{name}"
