"""What becomes of PDFs that callers could supply: `python -m tests.conformance.supplied [FOLDER …]`.

Every PDF of the folders (by default the public corpus and our samples) is taken as the page of a Factur-X, or the
reasons are counted. What is taken must look as before, pixel by pixel, and be PDF/A-3b to veraPDF and a container to
Mustang. It ends as `make conformance` does; a refusal is no failure.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from schemas.formats.facturx import pdfa, wrapping
from schemas.xml import Unreadable
from tests.conformance import judges, own
from tests.conformance.__main__ import Tally, asked, progress, told
from tests.conformance.judges import Absent, Opinion
from tests.schemas.hybrid_pdf import XML

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT.parent / "shared" / "corpus", ROOT / "tests" / "samples" / "pdf")
DESCRIBED = pdfa.Description("urn:cen.eu:en16931:2017", "Facture", "Atelier", datetime(2026, 11, 24, tzinfo=UTC))


def main(arguments: Sequence[str]) -> int:
    """Take every PDF; the code is that of `make conformance`."""
    parser = argparse.ArgumentParser(prog="supplied", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, default=list(FOLDERS))
    folders = parser.parse_args(arguments).folders
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix.lower() == ".pdf")
    if not paths:
        print("there is no PDF in these folders", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        taken, reasons, refused = _taken(paths, Path(temporary))
        print(f"{len(paths)} PDFs: {len(taken)} taken as they look, {refused} refused")
        for says, times in reasons.most_common():
            print(f"  {times:3} x {says}")
        if not taken:
            return 2
        files = [(before.name, after) for before, after in taken]
        tallies = [
            _looked_at(taken),
            asked("veraPDF, PDF/A-3b", files, judges.VERA, lambda some: judges.verapdf([(one, "3b") for one in some])),
            asked("Mustang, container", files, judges.MUSTANG, judges.mustang),
        ]
    return told(tallies)


def _taken(paths: Sequence[Path], folder: Path) -> tuple[list[tuple[Path, Path]], Counter[str], int]:
    """Which were taken, and where what was made of them is; how often each reason was given; how many were refused."""
    taken: list[tuple[Path, Path]] = []
    reasons: Counter[str] = Counter()
    refused = 0
    for number, path in enumerate(paths):
        try:
            made = wrapping.wrap(path.read_bytes(), XML, DESCRIBED).pdf
        except Unreadable as why:
            refused += 1
            reasons.update({finding.says.partition(" (page")[0].rstrip(".")[:100] for finding in why.findings})
        else:
            after = folder / f"{number}.pdf"
            after.write_bytes(made)
            taken.append((path, after))
        progress("taken or refused", number + 1, len(paths))
    return taken, reasons, refused


def _looked_at(taken: Sequence[tuple[Path, Path]]) -> Tally:
    tally = Tally("looks as before")
    try:
        for before, after in taken:
            same = own.drawn(before.read_bytes()) == own.drawn(after.read_bytes())
            tally.count(before.name, Opinion(same, () if same else ("it does not look as before",)))
            progress(tally.judge, tally.asked, len(taken))
    except Absent as missing:
        tally.absent = str(missing)
    return tally


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
