"""Measure making Factur-X against factur-x and drafthorse, in one run and alternating (`make bench-documents`).

The page is ours and the same for all, because neither peer makes one; each puts the same XML into the same PDF, without
judging the XML. Ours is measured as it is used: read back, and checked by the rules of PDF/A (`proof` says when in
full). The peers check nothing and make PDF/A of nothing; that stands beside the figures, as `verdict`: what the strict
check says of what each made.

    python -m tests.bench.documents --lines 5,100,600 --peers peers
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schemas.formats import cii, facturx
from schemas.formats.facturx import page, pdfa, sheet, wrapping
from schemas.invoice import Invoice
from tests.bench.syntaxes import Work, document, installed, timed

OUT = Path("bench-out") / "documents.json"
PAGE = Path(__file__).parents[1] / "samples" / "pdf" / "wrapped-chromium.pdf"
"""A page that a browser printed, which is no PDF/A."""
AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)

_REPETITIONS = 15
_FEWER = 5
"""Repetitions from a hundred lines on."""


@dataclass(frozen=True)
class Measured:
    """One work at one size: milliseconds, median of the repetitions, per library."""

    work: str
    lines: int
    bytes: int
    milliseconds: Mapping[str, float]
    spread: Mapping[str, float]
    """Third quartile less first, in milliseconds."""
    verdict: Mapping[str, str]
    """What the strict check of PDF/A-3b says of what was made, where something was."""

    def ratio(self, peer: str) -> float | None:
        """How many times our time the peer takes."""
        return round(self.milliseconds[peer] / self.milliseconds["estafette"], 1) if peer in self.milliseconds else None


def by_facturx(pdf: bytes, xml: bytes) -> Work:
    """The container by factur-x, which uses pypdf."""
    from facturx import generate_from_binary

    logging.getLogger("factur-x").setLevel(logging.ERROR)
    return lambda: generate_from_binary(
        pdf, xml, flavor="factur-x", level="en16931", check_xsd=False, check_schematron=False, lang="fr"
    )


def by_drafthorse(pdf: bytes, xml: bytes) -> Work:
    """The container by drafthorse, which uses pypdf."""
    from drafthorse.pdf import attach_xml  # type: ignore[import-not-found]

    return lambda: attach_xml(pdf, xml, level="EN 16931", lang="fr")


PEERS: Mapping[str, Callable[[bytes, bytes], Work]] = {"factur-x": by_facturx, "drafthorse": by_drafthorse}


def measured(lines: int, peers: Sequence[str]) -> list[Measured]:
    """Page, container, and both; the container also by the peers."""
    invoice = document(lines)
    xml = cii.FORMAT.write(invoice)
    typeset = page.typeset(invoice, language="fr", created=AT)
    described = _described(invoice)
    made = pdfa.attach(typeset, xml, described)
    containers: dict[str, Work] = {"estafette": lambda: pdfa.attach(typeset, xml, described)}
    containers |= {peer: PEERS[peer](typeset, xml) for peer in peers}
    works: Mapping[str, dict[str, Work]] = {
        "page": {"estafette": lambda: page.typeset(invoice, language="fr", created=AT)},
        "container": containers,
        "page + container": {"estafette": lambda: facturx.build(invoice, xml, created=AT)},
        "full check": {"estafette": lambda: pdfa.check(made)},
    }
    repetitions = _REPETITIONS if lines < 100 else _FEWER
    return [_measured(name, lines, work, repetitions) for name, work in works.items()]


def wrapped(peers: Sequence[str]) -> Measured:
    """A Factur-X around the page of a browser; ours is PDF/A afterwards."""
    invoice = document(5)
    xml, supplied, described = cii.FORMAT.write(invoice), PAGE.read_bytes(), _described(invoice)
    works: dict[str, Work] = {"estafette": lambda: wrapping.wrap(supplied, xml, described).pdf}
    works |= {peer: PEERS[peer](supplied, xml) for peer in peers}
    return _measured("around a page", 5, works, _REPETITIONS)


def _described(invoice: Invoice) -> pdfa.Description:
    return pdfa.Description(invoice.profile, sheet.title(invoice, "fr"), invoice.seller.name, AT, "fr")


def _measured(work: str, lines: int, works: Mapping[str, Work], repetitions: int) -> Measured:
    results = {name: one() for name, one in works.items()}
    times = timed(works, repetitions, 1)
    quartiles = {name: statistics.quantiles(found, n=4) for name, found in times.items()}
    return Measured(
        work,
        lines,
        max((len(one) for one in results.values() if isinstance(one, bytes)), default=0),
        {name: round(statistics.median(found), 2) for name, found in times.items()},
        {name: round(three - one, 2) for name, (one, _, three) in quartiles.items()},
        {name: _verdict(one) for name, one in results.items() if isinstance(one, bytes)},
    )


def _verdict(made: bytes) -> str:
    violations = pdfa.check(made)
    return f"{len(violations)} findings" if violations else "PDF/A-3"


def _told(one: Measured) -> str:
    cells = [f"{one.work:16} {one.lines:4} lines"]
    for name, milliseconds in one.milliseconds.items():
        ratio, verdict = one.ratio(name), one.verdict.get(name, "")
        cells.append(f"{name} {milliseconds:.1f} ms{f' ({ratio}×)' if name != 'estafette' else ''} {verdict}".rstrip())
    return "   ".join(cells)


def main() -> int:
    """Measure, print a line for each, and write all of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", default="5,100,600", help="numbers of lines, comma between them")
    parser.add_argument("--peers", help="a folder into which peers were installed")
    options = parser.parse_args()
    peers = installed(options.peers)
    results = [one for lines in options.lines.split(",") for one in measured(int(lines), peers)]
    results.append(wrapped(peers))
    for one in results:
        print(_told(one), flush=True)
    OUT.parent.mkdir(exist_ok=True)
    told: list[dict[str, Any]] = [asdict(one) for one in results]
    OUT.write_text(json.dumps(told, indent=1) + "\n")
    print(f"written to {OUT}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
