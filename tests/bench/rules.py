"""How fast the official rules run, beside SaxonC on the same documents in the same run.

    python -m tests.bench.rules [--lines 5,100,2000] [--sheets NAME,…] [--folder FOLDER]

An invoice of ours is given as many lines as asked, so that its sums hold. Each time is the median of several runs of
parsing and judging, in processor time of one thread, so that what else the machine does is not counted; both engines
have their stylesheets compiled beforehand. The garbage collector is set as in the gateway's worker processes. SaxonC is
asked last, in the same process and thread.
"""

from __future__ import annotations

import argparse
import copy
import gc
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal

from lxml import etree

from schemas import xml
from schemas.schematron import store, tree
from schemas.schematron.program import Program
from tests.conformance import saxon
from tests.conformance.rules import CII, SAMPLES, SHEETS, UBL, find

DEFAULT = "facturx-en16931,br-fr-cii,extended-ctc-fr-cii,facturx-extended,en16931-ubl,br-fr-ubl,extended-ctc-fr-ubl"
PAIRS = (("facturx-en16931", "br-fr-cii"), ("en16931-ubl", "br-fr-ubl"))
"""Layers that the gateway runs one after the other on one tree."""


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


def median(run: Callable[[], object], least: int = 3, seconds: float = 2.0) -> float:
    """Milliseconds, over as many runs as fit into some seconds."""
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < least or (time.perf_counter() - started < seconds and len(times) < 200):
        began = time.thread_time()
        run()
        times.append((time.thread_time() - began) * 1000)
    return statistics.median(times)


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="rules", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lines", default="5,100,2000")
    parser.add_argument("--sheets", default=DEFAULT)
    parser.add_argument("--folder")
    parser.add_argument("--alone", action="store_true", help="without SaxonC")
    asked = parser.parse_args(arguments)
    sheets = {sheet.name: sheet for sheet in SHEETS if sheet.name in asked.sheets.split(",")}
    programs = {name: store.load(find(sheet, asked.folder)) for name, sheet in sheets.items()}
    gc.collect()
    gc.freeze()
    groups = [(name,) for name in sheets] + [pair for pair in PAIRS if set(pair) <= set(sheets)]
    print(f"{'':34}{'lines':>7}{'SaxonC ms':>11}{'ours ms':>10}{'ratio':>8}{'  tree':>8}")
    for group in groups:
        kind = UBL if group[0].endswith("ubl") else CII
        for lines in map(int, asked.lines.split(",")):
            data = invoice(kind, lines)
            own = median(lambda: _ours(group, programs, data))  # noqa: B023
            alone = median(lambda: tree.read(data).discard(), seconds=0.5)  # noqa: B023
            theirs = 0.0
            if not asked.alone:
                paths = [find(sheets[name], asked.folder) for name in group]
                theirs = median(lambda: _saxon(paths, data))  # noqa: B023
            name = " + ".join(group)
            print(f"{name:34}{lines:7}{theirs:11.2f}{own:10.2f}{theirs / own:8.1f}{alone:8.2f}", flush=True)
    return 0


def _ours(group: tuple[str, ...], programs: dict[str, Program], data: bytes) -> None:
    document = tree.read(data)
    for name in group:
        programs[name].judge(document)
    document.discard()


def _saxon(paths: list[str], data: bytes) -> None:
    again = bytes(bytearray(data))  # the oracle keeps the tree of the bytes it was given last; these are new ones
    for path in paths:
        saxon.run(path, again)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
