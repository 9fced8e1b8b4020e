"""Where compiled rules take a shorter way than their words, odd documents get the oracle's verdict too.

Each shorter way relies on what most documents are: one child of a name, one value to go by, a key that can be computed.
The documents here are those of which that is not so, beside the ordinary one.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from schemas.schematron import store, tree
from schemas.schematron.values import DynamicError
from tests.conformance import saxon
from tests.schemas.skeleton import Assert, Rule, written

Findings = list[tuple[str, str]] | str

_CATEGORIES = tuple(
    Rule(f"x:line/x:tax[x:code = '{code}'][upper-case(x:type) = 'VAT']", (Assert("x:rate = 0", f"CATEGORY-{code}"),))
    for code in ("Z", "E", "S")
)
_NORMAL = tuple(
    Rule(f"x:line/x:tax[normalize-space(x:code) = '{code}']", (Assert("x:rate", f"NORMAL-{code}"),))
    for code in ("Z", "E", "S")
)
_OTHER = Rule("x:line/x:tax", (Assert("x:code = 'X'", "OTHER"),))

_TOP = Rule(
    "/x:a",
    (
        Assert("count(x:line/x:tax[x:code = 'S']) = 1", "ONE-S"),
        Assert("count(x:line/x:tax[x:code = 'Z']) = 0", "NO-Z"),
        Assert("count(x:line/x:tax[x:code = 'E']) >= 1", "SOME-E"),
        Assert("count(x:line) != 0", "SOME-LINE"),
        Assert("(x:line | x:other)[x:id = $id]/x:tax[x:code = 'S']", "OF-ID-S"),
        Assert("(x:line | x:other)[x:id = $id]/x:tax[x:code = 'Z']", "OF-ID-Z"),
        Assert("not((x:line | x:other)/x:absent)", "ABSENT"),
        Assert("sum(for $tax in x:line/x:tax return xs:decimal($tax/x:rate)) * 100 div 100 = 30.50", "SUM"),
    ),
    {"id": "x:id"},
)
_DEEP = Rule(
    "x:line",
    (
        Assert("normalize-space(x:deep/x:in/x:text) != ''", "FILLED"),
        Assert("normalize-space(x:deep/x:in/x:text) = ''", "BLANK"),
    ),
)
_MANY = Rule(
    "x:line",
    (
        Assert("x:deep/x:in/x:text = 'word'", "SAYS"),
        Assert("x:deep/x:in/x:text != 'word'", "SAYS-OTHER"),
        Assert("x:deep/x:in/x:text/@at", "BEARS"),
        Assert("x:deep/x:in/x:text", "REACHES"),
        Assert("//x:line[xs:decimal(x:rate) = 2.50]", "COMPUTED"),
        Assert("//x:line[x:id = 'B']", "BY-ID"),
    ),
)
_PLACES = (
    Rule(
        "x:line",
        (
            Assert("count(/x:a/x:line/x:tax[x:code = $code][1]) = 1", "FIRST-OF-CODE"),
            Assert("count(//x:line/x:tax[x:code = $code][1]/x:rate) = 2", "FIRST-OF-CODE-RATE"),
            Assert("count(/x:a/x:line/x:tax[x:code = $code][x:rate][1]) = 2", "FIRST-OF-CODE-WITH-RATE"),
            Assert("count(../x:line/x:tax[x:code = 'Z'][2]) = 1", "SECOND-Z"),
            Assert("count(/x:a/x:line/x:tax[1][x:code = $code]) = 1", "FIRST-IS-OF-CODE"),
        ),
        {"code": "x:id"},
    ),
    Rule(
        "/x:a",
        (
            Assert("count(/x:a/x:line/x:tax[x:code = 'S'][1]) = 1", "FIRST-S"),
            Assert("count(//x:line/x:tax[x:code = 'S'][x:rate][1]/x:rate) = 2", "FIRST-S-RATE"),
            Assert("count(x:line/(x:tax | x:absent)[x:code = 'S'][1]) = 1", "FIRST-S-OF-EACH"),
            Assert("count((x:line/x:tax)[x:code = 'S'][1]) = 0", "FIRST-S-OF-ALL"),
        ),
    ),
)
_NAMED = (
    (
        Rule("x:*[local-name() = 'line'][@at]", (Assert("false()", "LINE-AT"),)),
        Rule("x:*[local-name() = 'other'][@at]", (Assert("false()", "OTHER-AT"),)),
        Rule("x:*", (Assert("x:id", "ANY"),)),
    ),
    (
        Rule("x:*[local-name() = 'line'][x:id = 'A']", (Assert("false()", "LINE-A"),)),
        Rule("x:*[x:id = 'A']", (Assert("false()", "ANY-A"),)),
        Rule("x:*[x:id = 'B']", (Assert("false()", "ANY-B"),)),
        Rule("x:line", (Assert("false()", "LINE"),)),
    ),
    (Rule("x:*[local-name() = 'tax']", (Assert("false()", "TAX"),)),),
    (Rule("x:*[local-name() = 'other']", (Assert("false()", "OTHER-ELEMENT"),)),),
)
_LITERALS = Rule(
    "/x:a",
    (
        Assert("x:id = 'v1'", "IS-V1"),
        Assert("x:id = 'v2'", "IS-V2"),
        Assert("//x:line[x:id = 'x12']", "SOME-X12"),
        Assert("//x:line[x:id = 'x13']", "SOME-X13"),
        Assert("x:line/x:id = ('v1', 'w2')", "V1-OR-W2"),
        Assert("concat(x:id[1], 'v3') = 'v1v3'", "WITH-V3"),
        Assert("contains(' x1 x2 x3 ', concat(' ', x:id[1], ' '))", "LISTED"),
        Assert("""x:id = "'v1" """, "WITH-QUOTE"),
        Assert("x:line[x:id = 'v1']/x:tax[x:code = 'x7']/x:rate", "LINE-V1-TAX-X7"),
        Assert(r"matches(x:id[1], '\\v1|^y\d$')", "MATCHES"),
    ),
)
_SHEETS = {
    "categories": ((*_CATEGORIES, _OTHER), _NORMAL),
    "top": ((_TOP,),),
    "deep": ((_DEEP,),),
    "many": ((_MANY,),),
    "places": (_PLACES,),
    "named": _NAMED,
    "literals": ((_LITERALS,),),
}


def _tax(code: str, rate: str = "<x:rate>0</x:rate>", kind: str = "<x:type>vat</x:type>") -> str:
    return f"<x:tax>{code}{kind}{rate}</x:tax>"


def _code(*codes: str) -> str:
    return "".join(f"<x:code>{code}</x:code>" for code in codes)


def _a(*inside: str, id_: str = "<x:id>A</x:id>") -> str:
    return f"<x:a xmlns:x='urn:x'>{id_}{''.join(inside)}</x:a>"


def _line(*inside: str, id_: str = "A") -> str:
    return f"<x:line><x:id>{id_}</x:id>{''.join(inside)}</x:line>"


_RATE = "<x:rate>20.50</x:rate>"
DOCUMENTS = {
    "ordinary": _a(_line(_tax(_code("S"), _RATE)), _line(_tax(_code("E"), "<x:rate>10</x:rate>"), id_="B")),
    "nothing": _a(id_=""),
    "two codes": _a(_line(_tax(_code("S", "Z"), _RATE))),
    "two codes, one twice": _a(_line(_tax(_code("Z", "Z", "E")))),
    "no code": _a(_line(_tax("", _RATE))),
    "an unknown code": _a(_line(_tax(_code("Q"), _RATE))),
    "a code in spaces": _a(_line(_tax(_code(" S "), _RATE))),
    "two types": _a(_line(_tax(_code("S"), _RATE, "<x:type>vat</x:type><x:type>vat</x:type>"))),
    "another type": _a(_line(_tax(_code("S"), _RATE, "<x:type>gst</x:type>"))),
    "two ids": _a(_line(_tax(_code("Z")), id_="B"), id_="<x:id>A</x:id><x:id>B</x:id>"),
    "many lines": _a(*(_line(_tax(_code("S" if n % 2 else "Z"), "<x:rate>1</x:rate>"), id_=str(n)) for n in range(20))),
    "a rate that is none": _a(_line(_tax(_code("S"), "<x:rate>much</x:rate>"))),
    "two rates": _a(_line(_tax(_code("S"), "<x:rate>1</x:rate><x:rate>2</x:rate>"))),
    "lines with rates": _a(*(_line(f"<x:rate>{n}.50</x:rate>", id_=str(n)) for n in range(12))),
    "lines of which one has no rate": _a(*(_line(f"<x:rate>{n or 'x'}</x:rate>", id_=str(n)) for n in range(12))),
    "a rate found before one that is none": _a(_line("<x:rate>2.5</x:rate>"), _line("<x:rate>x</x:rate>")),
    "a text": _a(_line("<x:deep><x:in><x:text at='1'>word</x:text></x:in></x:deep>")),
    "a blank text": _a(_line("<x:deep><x:in><x:text> \n\t</x:text></x:in></x:deep>")),
    "a text of a space that is none": _a(_line("<x:deep><x:in><x:text>\u00a0</x:text></x:in></x:deep>")),
    "an empty text": _a(_line("<x:deep><x:in><x:text/></x:in></x:deep>")),
    "two texts": _a(_line("<x:deep><x:in><x:text>a</x:text><x:text>word</x:text></x:in></x:deep>")),
    "the second of two": _a(_line("<x:deep/><x:deep><x:in/><x:in><x:text at=''>word</x:text></x:in></x:deep>")),
    "two that are empty": _a(_line("<x:deep><x:in/></x:deep><x:deep/>")),
    "a text in parts": _a(_line("<x:deep><x:in><x:text>wo<x:b>rd</x:b></x:text></x:in></x:deep>")),
    "no rates": _a(*(_line(_tax(_code(code), "")) for code in "ZES"), id_=""),
    "other, absent": _a("<x:other><x:id>A</x:id><x:absent/></x:other>"),
    "two taxes of a code in each line": _a(
        *(
            _line(*(_tax(_code(code), f"<x:rate>{n}</x:rate>") for code in "SSZZ"), id_=id_)
            for n, id_ in enumerate("SZQ")
        )
    ),
    "taxes of a code in two lines": _a(
        _line(_tax(_code("S"), ""), _tax(_code("S"), _RATE), id_="S"), _line(_tax(_code("Z")), _tax(_code("S"), _RATE))
    ),
    "lines and others, some with a mark": _a(
        "<x:line/><x:line at='1'/><x:other/><x:other at=''/>", _line(id_="B"), _line(id_="C")
    ),
    "an id like a name": _a(_line(id_="x12"), id_="<x:id>v1</x:id>"),
    "another like a name": _a(_line(_tax(_code("x7")), id_="v1"), id_="<x:id>v2</x:id>"),
    "an id like a name that names become": _a(_line(_tax(_code("y1")), id_="y0"), id_="<x:id>y0</x:id>"),
    "an id like a name in a list": _a(_line(id_="x13"), id_="<x:id>x2</x:id>"),
    "an id with a quote": _a(_line(id_="w2"), id_="<x:id>'v1</x:id>"),
    "other with a tax": _a(f"<x:other><x:id>A</x:id>{_tax(_code('S'), _RATE)}</x:other>", _line(_tax(_code("Z")))),
}


def _oracle(paths: dict[str, str]) -> dict[tuple[str, str], Findings]:
    answers: dict[tuple[str, str], Findings] = {}
    for sheet, path in paths.items():
        for name, document in DOCUMENTS.items():
            try:
                answers[sheet, name] = sorted((each.id, each.location) for each in saxon.run(path, document.encode()))
            except saxon.DynamicError:
                answers[sheet, name] = "error"
    return answers


def _ours(path: str, document: str) -> Findings:
    try:
        return sorted((each.id, each.location) for each in store.load(path).judge(tree.read(document.encode())))
    except DynamicError:
        return "error"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[Findings, Findings]]:
    folder = tmp_path_factory.mktemp("shortcuts")
    paths = {name: written(folder, *patterns, name=f"{name}.xslt") for name, patterns in _SHEETS.items()}
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        theirs = pool.submit(_oracle, paths).result(timeout=240)
    return {(sheet, name): (_ours(paths[sheet], DOCUMENTS[name]), said) for (sheet, name), said in theirs.items()}


def test_odd_documents_get_the_oracles_verdict(answers: dict[tuple[str, str], tuple[Findings, Findings]]) -> None:
    differing = {case: (ours, oracles) for case, (ours, oracles) in answers.items() if ours != oracles}
    assert differing == {}


def test_the_documents_are_not_all_alike(answers: dict[tuple[str, str], tuple[Findings, Findings]]) -> None:
    fired = {rule for _, oracles in answers.values() if oracles != "error" for rule, _ in oracles}
    all_ = {each.id for patterns in _SHEETS.values() for rules in patterns for rule in rules for each in rule.asserts}
    assert all_ - fired == set()
    for sheet in _SHEETS:
        kinds = {str(oracles) for (own, _), (_, oracles) in answers.items() if own == sheet}
        assert len(kinds) > 3, sheet
