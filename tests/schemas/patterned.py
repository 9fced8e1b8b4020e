"""Writes a text that a regular expression describes, more or less: for the patterns that rules hold values against."""

from __future__ import annotations

import random
from re import _constants as constants  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]

from tests.schemas.mutants import VALUES


def written_by(dice: random.Random, pattern: str) -> str:
    """A text that a regular expression describes, more or less."""
    try:
        return _drawn(dice, parser.parse(pattern.replace(r"\p{L}", "A").replace("-[", "[")))
    except Exception:  # a pattern of XPath that Python does not know: then any text
        return dice.choice(VALUES)


def _drawn(dice: random.Random, parts: object) -> str:
    return "".join(_piece(dice, operator, argument) for operator, argument in parts)  # type: ignore[attr-defined]


def _piece(dice: random.Random, operator: object, argument: object) -> str:
    match operator:
        case constants.LITERAL:
            return chr(argument)  # type: ignore[arg-type]
        case constants.NOT_LITERAL | constants.ANY:
            return "x"
        case constants.IN:
            return _member(dice, argument)
        case constants.MAX_REPEAT | constants.MIN_REPEAT:
            least, most, inner = argument  # type: ignore[misc]
            return "".join(_drawn(dice, inner) for _ in range(dice.randint(least, min(int(most), least + 4))))
        case constants.BRANCH:
            return _drawn(dice, dice.choice(argument[1]))  # type: ignore[index]
        case constants.SUBPATTERN:
            return _drawn(dice, argument[-1])  # type: ignore[index]
        case _:
            return ""


def _member(dice: random.Random, members: object) -> str:
    operator, argument = dice.choice(list(members))  # type: ignore[call-overload]
    match operator:
        case constants.RANGE:
            return chr(dice.randint(argument[0], min(argument[1], argument[0] + 60)))
        case constants.CATEGORY:
            return dice.choice({"CATEGORY_DIGIT": "0123456789", "CATEGORY_SPACE": " "}.get(str(argument), "aZ9"))
        case constants.LITERAL:
            return chr(argument)
        case _:
            return "x"
