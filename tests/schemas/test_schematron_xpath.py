"""XPath in the rules has the oracle's values: each expression is asked of both engines, errors included."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from schemas.schematron import store, tree
from schemas.schematron.values import DynamicError
from tests.conformance import saxon
from tests.schemas.skeleton import Assert, Rule, written

DOCUMENT = """<x:a xmlns:x="urn:x" xmlns:y="urn:y" k="1" e="">
  <x:b c="1" d="">5</x:b><x:b c="2">7.50</x:b><x:b> text </x:b>
  <x:n>0.1</x:n><x:n>0.2</x:n><x:n>0.3</x:n><x:nan>NaN</x:nan><x:neg>-2.5</x:neg><x:big>12345678901234567890.123</x:big>
  <x:p><x:q><x:r>deep</x:r></x:q><x:q><x:r>deeper</x:r><x:p><x:q><x:r>deepest</x:r></x:q></x:p></x:q></x:p>
  <x:d>2024-02-29</x:d><x:dz>2024-02-29Z</x:dz><x:late>2024-03-01</x:late><x:odd>2023-02-29</x:odd>
  <x:t>true</x:t><x:f>0</x:f><x:empty/><x:space>  </x:space><x:mixed>one<x:i>two</x:i>three</x:mixed>
  <y:b>other</y:b><x:word>été 😀 ß</x:word><x:lines>1
2</x:lines>
</x:a>"""

SAMPLES = Path(__file__).parents[1] / "samples"
VALUES = tuple((SAMPLES / "xpath-values.txt").read_text(encoding="utf-8").splitlines())
ERRORS = tuple((SAMPLES / "xpath-errors.txt").read_text(encoding="utf-8").splitlines())
"""One expression a line."""
CASES = (*VALUES, *ERRORS)


_SEQUENCES = ("for ", "(x:b, x:n)", "(1, 2)", "distinct", "tokenize", "x:b/", "x:n/")
"""How expressions begin that have no truth value, being several values."""


def _sheet(folder: Path, number: int, expression: str) -> str:
    shown = f"<xsl:value-of select={quoteattr(expression)}/>"
    rule = Rule("/x:a", (Assert("true()", "VALUE", message=shown, report=True), Assert(f"({expression})", "TRUTH")))
    single = Rule("/x:a", (Assert("true()", "VALUE", message=shown, report=True),))
    many = expression.startswith(_SEQUENCES)
    return written(folder, (single if many else rule,), name=f"{number}.xslt")


def _oracle(paths: list[str]) -> list[str]:
    answers = []
    for path in paths:
        try:
            fired = saxon.run(path, DOCUMENT.encode())
            answers.append(str([(each.id, each.text) for each in fired]))
        except saxon.DynamicError:
            answers.append("error")
        except saxon.Unusable as error:
            answers.append(f"unusable: {error}")
    return answers


def _ours(path: str) -> str:
    try:
        fired = store.load(path).judge(tree.read(DOCUMENT.encode()))
        return str([(each.id, each.text) for each in fired])
    except DynamicError:
        return "error"
    except store.Unusable as error:
        return f"unusable: {error}"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    folder = tmp_path_factory.mktemp("xpath")
    paths = [_sheet(folder, number, expression) for number, expression in enumerate(CASES)]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        theirs = pool.submit(_oracle, paths).result(timeout=240)
    return {case: (_ours(path), said) for case, path, said in zip(CASES, paths, theirs, strict=True)}


def test_expressions_have_the_oracles_values(answers: dict[str, tuple[str, str]]) -> None:
    differing = {}
    for case, (ours, oracles) in answers.items():
        agreed = ours == oracles
        if oracles.startswith("unusable"):
            agreed = ours == "error" or ours.startswith("unusable")
        if not agreed:
            differing[case] = (ours, oracles)
    assert differing == {}
    assert len(answers) > 300


def test_the_errors_are_errors(answers: dict[str, tuple[str, str]]) -> None:
    for case in ERRORS:
        assert answers[case][0] == "error" or answers[case][0].startswith("unusable"), case
