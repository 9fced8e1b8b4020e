"""Keeps rules linear: a predicate that compares with something from outside is looked up instead of searched for.

`/Invoice/Line[ID = $x]` inside a rule on every line would look at every line for every line. Where the nodes are a
sequence that stays the same for the whole document (or for all documents, in a code list), the generated code asks an
index for those that match. Where a key cannot be computed there is no index, and each node is tested in its turn.

A path that goes on after such a sequence, `/Invoice/Line/Tax[Code = "S"]`, is gathered first, once for a document,
where nothing in it depends on who asks: the official rules ask the same of each of nine VAT categories.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from schemas.schematron.code import EXACTS, TEXTS, Card, Code, Kind, Scope, free, risky, settled, unquoted
from schemas.schematron.expression import Binary, Expression
from schemas.schematron.walk import Walk

if TYPE_CHECKING:
    from schemas.schematron.coder import Coder

_STABLE = re.compile(r"(?:memo|ready)\((s|CODES), M\d+, \d+\)|\w+(?:\.parent)*\.kids\.get\(T\d+, \(\)\)")


def narrow(coder: Coder, walk: Walk, predicate: Expression, scope: Scope, *, placed: bool) -> bool:
    """Let a walk ask an index for the nodes that a predicate can hold for, where there is one to ask; whether it then
    reaches only those that the predicate holds for, so that nothing is left to be tested.

    `placed`: a place follows in the same step. It counts within each turn of the loops outside, which nodes that are
    gathered no longer have."""
    if not (isinstance(predicate, Binary) and predicate.operator == "=") or walk.source is None:
        return False
    gathered = _gathered(walk) if walk.clauses and not placed else ""
    stable = None if walk.clauses else _STABLE.fullmatch(walk.source)
    if not gathered and (not stable or any(map(risky, walk.conditions))):
        return False
    for key, wanted in ((predicate.left, predicate.right), (predicate.right, predicate.left)):
        if "." in free(wanted) or "." not in free(key) or free(key) - {"."}:
            continue
        if (pair := _values(coder, walk, key, wanted, scope)) is None:
            continue
        keys, probe = pair
        if gathered:
            walk.regain(f"ready({coder.memo(gathered).partition('(')[2]}")
        number = coder.keys.setdefault(settled(keys), len(coder.keys))
        if risky(probe):
            probe = f"lambda: {probe}"
        owner = (stable and stable[1]) or "s"
        whole = not walk.conditions
        function = "chosen" if whole else "narrowed"
        walk.source = f"{function}({owner}, {number}, {walk.source}, J{number}, {probe})"
        return whole
    return False


def _gathered(walk: Walk) -> str:
    """Python that makes what a walk has reached one after the other; empty where that is not the same for all."""
    source = walk.reached()
    names = unquoted(source)
    bound = set(_BOUND.findall(names))
    if walk.foreign or not source.startswith("[") or _LAMBDA.search(names) or set(_LOCAL.findall(names)) - bound:
        return ""
    return f"({source[1:-1]})"


_BOUND = re.compile(r"\bfor (\w+) in ")
_LOCAL = re.compile(r"(?<![.\w])(?!s\b|each\b|f\d)[a-z]\d*\b")
_LAMBDA = re.compile(r"\blambda\b|\bCODES\b")


def _values(coder: Coder, walk: Walk, key: Expression, wanted: Expression, scope: Scope) -> tuple[str, str] | None:
    """The keys of a node `n` and the values wanted, both as Python sequences; None where they do not compare simply."""
    node = Code("n", walk.kind, Card.ONE, walk.element)
    one = coder.values(key, replace(scope, focus=node), unordered=True)
    other = coder.values(wanted, scope, unordered=True)
    simple = (one.kind in TEXTS and other.kind in TEXTS) or (one.kind in EXACTS and other.kind in EXACTS)
    if not simple or Kind.BOOLEAN in (one.kind, other.kind):
        return None
    return _sequence(one), _sequence(other)


def _sequence(code: Code) -> str:
    if code.card is Card.MANY:
        return code.source
    return f"({code.source},)" if code.card is Card.ONE else f"listed({code.source})"
