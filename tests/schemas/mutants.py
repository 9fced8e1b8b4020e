"""Documents with one thing wrong, made from good ones by a seeded generator.

Each mutant differs from its original in one to three places: an element deleted, doubled, blanked, moved or swapped
with another, a value or an attribute replaced by one of another type, by one from elsewhere in the same document, or by
one too long. The same seed makes the same mutants for ever, so that a difference found once can be found again.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lxml import etree

VALUES = (
    "", " ", "0", "1", "-1", "00", "0.0", "-0", "1.", ".5", "+7", "0.005", "0.015", "1.005", "19.6", "20", "20.00",
    "5.5", "100.555", "1e3", "1E-2", "NaN", "INF", "1_000", "１２", "12,50", "99999999999999999999.99",
    "123456789012345678901234", "true", "false", "TRUE", "2024-02-29", "2025-02-29", "2025-13-01", "2025-01-01Z",
    "20240229", "20250229", "20251301", "20250101", "202501", "EUR", "USD", "XXX", "FR", "DE", "ZZ", "EL", "GB", "GF",
    "S", "Z", "E", "AE", "K", "G", "O", "L", "M", "VAT", "vat", "VA", "FC", "102", "203", "380", "381", "384", "389",
    "261", "326", "386", "393", "471", "503", "751", "875", "B1", "S1", "M1", "S4", "B2", "0002", "0009", "0088",
    "0225", "9957", "EM", "AFL", "AAB", "PMD", "PMT", "AAI", "ABL", "TXD", "BAR", "SUR", "ADN", "DCL", "C62", "HUR",
    "KGM", "XX", "10", "30", "42", "49", "54", "57", "58", "59", "97", "1", "5", "29", "35", "432", "35#", "DETAIL",
    "GROUP", "INFORMATION", "VATEX-EU-AE", "VATEX-EU-O", "VATEX-FR-FRANCHISE", "B2B", "B2C", "a b", "a\u00a0b", "A;B",
    "a@b", "@", "é", "😀", "<&>", "\t", "-", "+", "/", "#1#", "1#2#3", "x" * 36, "x" * 101, "x" * 1025, "9" * 30,
    "0." + "1" * 25, "urn:cen.eu:en16931:2017", "SIRET", "732829320", "73282932000074", "FR44732829320",
    "DE123456789", "FR7630006000011234567890189",
)  # fmt: skip
"""Values that some rule somewhere treats in its own way."""

ATTRIBUTES = ("schemeID", "currencyID", "unitCode", "format", "listID", "mimeCode", "filename", "name", "languageID")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed document."""

    name: str
    """What was changed, enough to read a failure by."""
    data: bytes


def mutants(data: bytes, seed: int, count: int) -> Iterator[Mutant]:
    """`count` mutants of a document in XML. Every operation comes round; the places are drawn."""
    dice = random.Random(seed)
    original = etree.fromstring(data)
    for number in range(count):
        root = copy.deepcopy(original)
        names = []
        for turn in range(dice.choice((1, 1, 1, 2, 3))):
            operation = OPERATIONS[(number + turn) % len(OPERATIONS)]
            elements = [each for each in root.iter(etree.Element) if each is not root]
            if elements:
                names.append(f"{operation.__name__.strip('_')} {operation(dice, dice.choice(elements), root)}")
        yield Mutant("; ".join(names), etree.tostring(root, encoding="UTF-8", xml_declaration=True))


def _local(element: etree._Element) -> str:
    return etree.QName(element).localname


def _leaves(root: etree._Element) -> list[etree._Element]:
    return [each for each in root.iter(etree.Element) if not len(each)]


def _delete(dice: random.Random, element: etree._Element, root: etree._Element) -> str:
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)
    return _local(element)


def _double(dice: random.Random, element: etree._Element, root: etree._Element) -> str:
    element.addnext(copy.deepcopy(element))
    return _local(element)


def _blank(dice: random.Random, element: etree._Element, root: etree._Element) -> str:
    for child in list(element):
        element.remove(child)
    element.text = dice.choice((None, "", " ", "\n\t"))
    return _local(element)


def _retype(dice: random.Random, element: etree._Element, root: etree._Element) -> str:
    leaf = dice.choice(_leaves(root))
    leaf.text = dice.choice(VALUES)
    return f"{_local(leaf)} to {leaf.text[:20]!r}"


def _overflow(dice: random.Random, element: etree._Element, root: etree._Element) -> str:
    leaf = dice.choice(_leaves(root))
    text = leaf.text or ""
    leaf.text = dice.choice((text * 40, "9" * 40 + text, text + "0" * 30, text + ".123456789", f" {text} ", f"-{text}"))
    return _local(leaf)


def _swap(dice: random.Random, element: etree._Element, root: etree._Element) -> str:
    one, other = dice.choice(_leaves(root)), dice.choice(_leaves(root))
    one.text, other.text = other.text, one.text
    return f"{_local(one)} and {_local(other)}"


def _move(dice: random.Random, element: etree._Element, root: etree._Element) -> str:
    """An element to the end or the beginning of its parent."""
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)
    parent.insert(dice.choice((0, len(parent))), element)
    return _local(element)


def _borrow(dice: random.Random, element: etree._Element, root: etree._Element) -> str:
    """A value from the same document, of the same name where there is one, changed a little."""
    leaf = dice.choice(_leaves(root))
    twins = [each for each in _leaves(root) if each.tag == leaf.tag]
    text = dice.choice(twins if dice.random() < 0.7 else _leaves(root)).text or ""
    leaf.text = dice.choice((text, text.lower(), text.upper(), text[:-1], text + "1", text.strip()))
    return f"{_local(leaf)} to {leaf.text[:20]!r}"


def _attribute(dice: random.Random, element: etree._Element, root: etree._Element) -> str:
    bearing = [each for each in root.iter(etree.Element) if each.attrib]
    owner = dice.choice(bearing) if bearing and dice.random() < 0.8 else element
    name = (
        dice.choice(sorted(map(str, owner.attrib))) if owner.attrib and dice.random() < 0.8 else dice.choice(ATTRIBUTES)
    )
    if dice.random() < 0.3:
        owner.attrib.pop(name, None)
        return f"no {name} at {_local(owner)}"
    owner.set(name, dice.choice(VALUES))
    return f"{name} at {_local(owner)}"


def _add(dice: random.Random, element: etree._Element, root: etree._Element) -> str:
    """A copy of any element put beside another of the same parent's kind, as a sibling."""
    source = dice.choice([each for each in root.iter(etree.Element) if each is not root])
    element.addnext(copy.deepcopy(source))
    return f"{_local(source)} beside {_local(element)}"


OPERATIONS: tuple[Callable[[random.Random, etree._Element, etree._Element], str], ...] = (
    _delete,
    _double,
    _retype,
    _borrow,
    _blank,
    _attribute,
    _retype,
    _swap,
    _delete,
    _overflow,
    _borrow,
    _move,
    _retype,
    _add,
)
