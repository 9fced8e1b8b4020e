"""What a Schematron says, whatever form it was published in: patterns of rules, their assertions, and their functions.

The readers (`sheet`, `source`) make it, the compiler (`program`) takes it. Expressions are parsed already, so that an
artefact with one the engine does not know is refused while it is read, with its line.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.schematron.expression import Expression, Name


@dataclass(frozen=True, slots=True)
class Let:
    """A variable of a rule, of a function or of the whole schema."""

    name: Name
    value: Expression
    line: int


@dataclass(frozen=True, slots=True)
class Assertion:
    """One assert, or one report (`fires_when` true)."""

    id: str
    """Empty where the publisher gave none."""
    flag: str
    role: str
    test: Expression
    fires_when: bool
    message: tuple[str | Expression, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Rule:
    """What is asserted of the nodes that match a context."""

    context: Expression
    body: tuple[Let | Assertion, ...]
    goes_on: bool
    """Whether the pattern also looks at what is inside a node that the rule was applied to."""
    line: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """Rules of which, for each node, the first that matches is applied."""

    rules: tuple[Rule, ...]
    """By precedence, the strongest first."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function, with the sequence type it was declared with."""

    name: Name
    type: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the artefact."""

    name: Name
    parameters: tuple[Parameter, ...]
    variables: tuple[Let, ...]
    types: tuple[str, ...]
    """The declared type of each variable, empty where none is."""
    result: Expression
    returns: str
    line: int


@dataclass(frozen=True, slots=True)
class Schema:
    """A whole artefact."""

    patterns: tuple[Pattern, ...]
    variables: tuple[Let, ...]
    functions: tuple[Function, ...]
