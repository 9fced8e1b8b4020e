"""How fast the official rules run, beside SaxonC on the same documents in the same run (`make bench-rules`).

    python -m tests.bench.rules [--lines 5,50,500,2000,5000] [--sheets NAME,…] [--folder FOLDER] [--plot FILE]

An invoice of ours is given as many lines as asked, so that its sums hold. Each time is the best of several runs of
parsing and judging, in processor time of one thread, so that what else the machine does is counted as little as can be.
Both engines have their stylesheets compiled beforehand; SaxonC is asked after ours, for each invoice. The garbage
collector is set as in the gateway's worker processes. Last comes how the time grows with ten times the lines.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

from lxml import etree

from schemas import xml
from schemas.schematron import store, tree
from schemas.schematron.program import Program
from tests.bench import curve
from tests.conformance import saxon
from tests.conformance.rules import CII, SAMPLES, SHEETS, UBL, Sheet, find

OUT = Path("bench-out") / "rules.json"
DEFAULT = "facturx-en16931,br-fr-cii,extended-ctc-fr-cii,facturx-extended,en16931-ubl,br-fr-ubl,extended-ctc-fr-ubl"
PAIRS = (("facturx-en16931", "br-fr-cii"), ("en16931-ubl", "br-fr-ubl"))
"""Layers that the gateway runs one after the other on one tree."""
TITLES = {PAIRS[0]: "Factur-X EN 16931 and BR-FR", PAIRS[1]: "UBL EN 16931 and BR-FR"}


@dataclass(frozen=True, slots=True)
class Measured:
    """Some layers on one invoice: milliseconds of processor time, the best of the runs."""

    layers: str
    lines: int
    ours: float
    tree: float
    """Parsing and building the tree, and taking it apart; it is part of `ours`."""
    saxon: float
    """0: SaxonC was not asked."""


def invoice(kind: str, lines: int) -> bytes:
    """Our simple invoice with so many lines; sums that the rules check are those of the lines."""
    root = etree.fromstring((SAMPLES / kind / "invoice-simple.xml").read_bytes())
    name = "IncludedSupplyChainTradeLineItem" if kind == CII else "InvoiceLine"
    found = list(root.iter(f"{{*}}{name}"))
    first, parent = found[0], found[0].getparent()
    assert parent is not None
    place = parent.index(first)
    for line in found:
        parent.remove(line)
    for number in range(lines):
        line = copy.deepcopy(first)
        next(line.iter("{*}LineID", "{*}ID")).text = str(number + 1)
        parent.insert(place + number, line)
    net = Decimal(next(first.iter("{*}LineTotalAmount", "{*}LineExtensionAmount")).text or "0") * lines
    _sums(root, net)
    return xml.serialise(etree.ElementTree(root))


def _sums(root: etree._Element, net: Decimal) -> None:
    """The totals of an invoice of one rate without allowances."""
    rate = Decimal(next(root.iter("{*}RateApplicablePercent", "{*}Percent")).text or "0")
    tax = (net * rate / 100).quantize(Decimal("0.01"))
    totals = {
        "BasisAmount": net,
        "CalculatedAmount": tax,
        "TaxBasisTotalAmount": net,
        "TaxTotalAmount": tax,
        "GrandTotalAmount": net + tax,
        "DuePayableAmount": net + tax,
        "TaxableAmount": net,
        "TaxAmount": tax,
        "TaxExclusiveAmount": net,
        "TaxInclusiveAmount": net + tax,
        "PayableAmount": net + tax,
    }
    for name, amount in totals.items():
        for element in root.iter(f"{{*}}{name}"):
            element.text = str(amount)
    summary = next(root.iter("{*}SpecifiedTradeSettlementHeaderMonetarySummation", "{*}LegalMonetaryTotal"))
    next(summary.iter("{*}LineTotalAmount", "{*}LineExtensionAmount")).text = str(net)


def best(runs: Sequence[Callable[[], object]], least: int = 3, seconds: float = 2.0) -> list[float]:
    """Milliseconds of each, the best of as many turns as fit into some seconds."""
    found = [float("inf")] * len(runs)
    started, turns = time.perf_counter(), 0
    while turns < least or (time.perf_counter() - started < seconds and turns < 300):
        for place, run in enumerate(runs):
            began = time.thread_time()
            run()
            found[place] = min(found[place], (time.thread_time() - began) * 1000)
        turns += 1
    return found


def measured(
    groups: Sequence[tuple[str, ...]], sizes: Sequence[int], folder: str | None, *, alone: bool
) -> Iterator[Measured]:
    """Each group of layers on each size of invoice."""
    sheets = {sheet.name: sheet for sheet in SHEETS}
    programs = {name: store.load(find(sheets[name], folder)) for group in groups for name in group}
    gc.collect()
    gc.freeze()
    for group in groups:
        for lines in sizes:
            yield _measured(group, lines, programs, sheets, folder, alone=alone)


def _measured(
    group: tuple[str, ...],
    lines: int,
    programs: dict[str, Program],
    sheets: dict[str, Sheet],
    folder: str | None,
    *,
    alone: bool,
) -> Measured:
    data = invoice(UBL if group[0].endswith("ubl") else CII, lines)
    paths = [find(sheets[name], folder) for name in group]
    ours, light = best((lambda: _ours([programs[name] for name in group], data), lambda: _ours([], data)))
    (theirs,) = (0.0,) if alone else best((lambda: _saxon(paths, data),))
    return Measured(" + ".join(group), lines, round(ours, 3), round(light, 3), round(theirs, 2))


def _ours(programs: Sequence[Program], data: bytes) -> None:
    with tree.uncollected():
        document = tree.read(data)
        for program in programs:
            program.judge(document)
        document.discard()


def _saxon(paths: list[str], data: bytes) -> None:
    again = bytes(bytearray(data))  # the oracle keeps the tree of the bytes it was given last; these are new ones
    for path in paths:
        saxon.run(path, again)


def plotted(results: Sequence[Measured]) -> str:
    """The curves of the pairs of layers, ours and SaxonC's."""
    panels = []
    for pair, title in TITLES.items():
        rows = [one for one in results if one.layers == " + ".join(pair) and one.saxon]
        if rows:
            curves = {
                "Estafette": [(one.lines, one.ours) for one in rows],
                "SaxonC 13": [(one.lines, one.saxon) for one in rows],
            }
            panels.append(curve.Panel(title, curves))
    says = "Milliseconds to judge an invoice by the official rules, against its number of lines: Estafette and SaxonC"
    return curve.svg(panels, "lines of the invoice", "ms of processor time, parsing included", says)


def _growth(results: Sequence[Measured]) -> Iterator[str]:
    """How many times longer an invoice takes that has ten times the lines."""
    for short in results:
        for long_ in results:
            if long_.layers == short.layers and long_.lines == 10 * short.lines:
                growth = long_.ours / short.ours
                yield f"{short.layers:34}{short.lines:7} to {long_.lines} lines: {growth:.1f} times the time, ours"


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write JSON and, where asked, the plot."""
    parser = argparse.ArgumentParser(prog="rules", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lines", default="5,50,500,2000,5000")
    parser.add_argument("--sheets", default=DEFAULT)
    parser.add_argument("--folder")
    parser.add_argument("--alone", action="store_true", help="without SaxonC")
    parser.add_argument("--plot", type=Path, help="an SVG to write the curves of the pairs of layers to")
    asked = parser.parse_args(arguments)
    OUT.parent.mkdir(exist_ok=True)
    names = asked.sheets.split(",")
    sizes = sorted(map(int, asked.lines.split(",")))
    groups = [*((name,) for name in names), *(pair for pair in PAIRS if set(pair) <= set(names))]
    print(f"{'':34}{'lines':>7}{'SaxonC ms':>11}{'ours ms':>10}{'ratio':>8}{'  tree':>8}")
    results = []
    for one in measured(groups, sizes, asked.folder, alone=asked.alone):
        ratio = one.saxon / one.ours
        print(f"{one.layers:34}{one.lines:7}{one.saxon:11.2f}{one.ours:10.2f}{ratio:8.1f}{one.tree:8.2f}", flush=True)
        results.append(one)
    print("\n".join(_growth(results)))
    OUT.write_text(json.dumps([asdict(one) for one in results], indent=1) + "\n")
    if asked.plot:
        asked.plot.write_text(plotted(results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
