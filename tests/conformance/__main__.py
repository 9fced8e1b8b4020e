"""`make conformance`: makes the specimens, holds each to every judge, and says how many passed.

It ends with 0 when every judge passed every specimen, with 1 when one did not, and with 2 when nothing failed but a
judge could not be asked, for example because Java is absent: that is not a pass. What Mustang says of the XML inside is
told apart and changes nothing, because its rules are not those of the profile.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance import judges, own
from tests.conformance.judges import Absent, Broken, Opinion
from tests.conformance.specimens import Specimen, specimens

COUNT = 200
SEED = 16931
SHOWN = 5
"""Findings shown of one judge."""


@dataclass(slots=True)
class Tally:
    """What one judge said of all it was asked."""

    judge: str
    passed: int = 0
    asked: int = 0
    findings: list[str] = field(default_factory=list)
    content: Counter[str] = field(default_factory=Counter)
    """What was said of the XML, told apart."""
    sound: int = 0
    """Of how many nothing was said to be wrong in the XML."""
    absent: str = ""
    """Why it could not be asked."""

    def count(self, name: str, opinion: Opinion) -> None:
        """Take in one opinion."""
        self.asked += 1
        self.passed += opinion.passed
        if not opinion.passed:
            told = opinion.findings or ("no reason told",)
            self.findings.append(f"{name}: {told[0]}" + (f" (and {len(told) - 1} more)" if told[1:] else ""))
        self.sound += not any(one.startswith(("error", "fatal", "exception")) for one in opinion.content)
        self.content.update(one.partition("(")[0][:90] for one in opinion.content)


def main(arguments: Sequence[str]) -> int:
    """Run everything; the code is for `make`."""
    parser = argparse.ArgumentParser(prog="conformance", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=COUNT, help=f"specimens to make (default {COUNT})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"where chance starts (default {SEED})")
    parser.add_argument("--keep", type=Path, help="folder to leave the PDFs in")
    options = parser.parse_args(arguments)
    if options.count < 1:
        parser.error("there is nothing to judge")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        tallies = list(_judged(options.count, options.seed, folder))
    return told(tallies)


def _judged(count: int, start: int, folder: Path) -> Iterator[Tally]:
    """The tally of each judge."""
    ours = {name: Tally(name) for name in own.CHECKS}
    made: list[tuple[Specimen, Path]] = []
    for specimen in specimens(count, start):
        path = folder / f"{specimen.name}.pdf"
        path.write_bytes(specimen.pdf)
        for name, check in own.CHECKS.items():
            ours[name].count(specimen.name, check(specimen))
        made.append((specimen, path))
        progress("made and checked", len(made), count)
    yield from ours.values()
    yield _looked_at([specimen for specimen, _ in made if specimen.wrapped])
    yield from _asked_vera(made)
    everything = [(specimen.name, path) for specimen, path in made]
    yield asked("Mustang, container", everything, judges.MUSTANG, judges.mustang)


def _looked_at(wrapped: Sequence[Specimen]) -> Tally:
    tally = Tally("looks as before (page of others)")
    try:
        for specimen in wrapped:
            tally.count(specimen.name, own.looks(specimen))
    except Absent as missing:
        tally.absent = str(missing)
    return tally


def _asked_vera(made: Sequence[tuple[Specimen, Path]]) -> Iterator[Tally]:
    names = {"3a": "veraPDF, PDF/A-3a (our page)", "ua1": "veraPDF, PDF/UA-1 (our page)",
             "3b": "veraPDF, PDF/A-3b (page of others)"}  # fmt: skip
    for flavour, name in names.items():
        files = [(specimen.name, path) for specimen, path in made if flavour in specimen.flavours]

        def ask(paths: Sequence[Path], flavour: str = flavour) -> Iterator[Opinion]:
            return judges.verapdf([(path, flavour) for path in paths])

        if files:
            yield asked(name, files, judges.VERA, ask)


def asked(
    name: str,
    files: Sequence[tuple[str, Path]],
    judge: judges.Judge,
    ask: Callable[[Sequence[Path]], Iterator[Opinion]],
) -> Tally:
    """Ask a judge, which must refuse a spoiled specimen first: one that passes everything judges nothing."""
    tally = Tally(name)
    try:
        judges.install(judge)
        spoiled = files[0][1].with_suffix(".spoiled.pdf")
        own.spoil(files[0][1], spoiled)
        (control,) = ask([spoiled])
        spoiled.unlink()
        if control.passed:
            raise Broken(f"{name} passes a PDF without any metadata")
        for (specimen, _), opinion in zip(files, ask([path for _, path in files]), strict=True):
            tally.count(specimen, opinion)
            progress(name, tally.asked, len(files))
    except Absent as missing:
        tally.absent = str(missing)
    return tally


def progress(what: str, done: int, of: int) -> None:
    """Tell how far it is, on the standard error."""
    if sys.stderr.isatty():
        print(f"\r{what}: {done} of {of}", end="\n" if done == of else "", file=sys.stderr, flush=True)
    elif done == of or done % 50 == 0:
        print(f"{what}: {done} of {of}", file=sys.stderr, flush=True)


def told(tallies: Sequence[Tally]) -> int:
    """Print the summary; what `make` is told."""
    width = max(len(tally.judge) for tally in tallies)
    for tally in tallies:
        result = f"not asked: {tally.absent}" if tally.absent else f"{tally.passed} of {tally.asked}"
        print(f"{tally.judge:<{width}}  {result}")
        for finding in tally.findings[:SHOWN]:
            print(f"{'':<{width}}  - {finding[:300]}")
    for tally in tallies:
        if tally.content:
            print(f"{tally.judge}: it finds no error in the XML of {tally.sound}; told apart, its rules are not ours")
    for says, times in sum((tally.content for tally in tallies), Counter()).most_common(SHOWN):
        print(f"Mustang on the XML, told apart: {times} x {says}")
    if any(tally.passed != tally.asked for tally in tallies):
        print("FAILED")
        return 1
    if any(tally.absent or not tally.asked for tally in tallies):
        print("INCOMPLETE: not every judge could be asked, so this says nothing about them")
        return 2
    print("passed: every judge, every specimen")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
