"""Throws mutated documents at the official rules: `python -m tests.fuzz.rules --count 1000000`.

Every input must end in one of three ways: refused as unreadable, judged, or "could not be evaluated". All else, and
an answer that takes too long, is a failure; the input is then kept in the folder named by `--keep`. Inputs are seeded:
mutants of our samples as XML, and the same with bytes turned over, which the door to XML must mostly refuse.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from schemas import rulebook, xml
from schemas.schematron import store, tree
from schemas.schematron.program import Program
from schemas.schematron.values import DynamicError
from tests.conformance.rules import CDAR, CII, SAMPLES, SHEETS, UBL, find
from tests.schemas.mutants import mutants

SLOW = 5.0
"""Seconds of processor time that one small document may take under all stylesheets of its kind."""


def inputs(kind: str, seed: int, count: int) -> Iterator[bytes]:
    """`count` inputs made of our samples of one kind."""
    dice = random.Random(seed)
    samples = [path.read_bytes() for path in sorted((SAMPLES / kind).glob("*.xml"))]
    for number in range(count):
        (mutant,) = mutants(dice.choice(samples), dice.randrange(1 << 40), 1)
        yield _turned(dice, mutant.data) if number % 4 == 3 else mutant.data


def _turned(dice: random.Random, data: bytes) -> bytes:
    """A few bytes changed, dropped or repeated."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        place = dice.randrange(len(changed))
        match dice.randrange(3):
            case 0:
                changed[place] = dice.choice(b"<>&\"'/= \x00\xff0a")
            case 1:
                del changed[place : place + dice.randint(1, 20)]
            case _:
                changed[place:place] = changed[place : place + dice.randint(1, 40)]
    return bytes(changed)


def one(data: bytes, programs: Sequence[Program]) -> str:
    """How one input ends. Raises whatever should not have been raised, and TimeoutError."""
    began = time.thread_time()
    try:
        document = tree.read(xml.serialise(xml.parse(data)))
    except xml.Unreadable:
        return "unreadable"
    ends = set()
    for program in programs:
        try:
            program.judge(document)
            ends.add("judged")
        except DynamicError as error:
            if error.__cause__ is not None and not isinstance(error.__cause__, ArithmeticError):
                raise
            ends.add("not evaluated")
    if time.thread_time() - began > SLOW:
        raise TimeoutError(f"more than {SLOW} s")
    return "not evaluated" if "not evaluated" in ends else "judged"


def installed(kind: str) -> list[Program]:
    """The programs of the installed stylesheets of one kind."""
    programs = []
    for sheet in SHEETS:
        if sheet.kind == kind:
            try:
                programs.append(store.load(find(sheet, None), store.default_cache()))
            except rulebook.Missing:
                continue
    return programs


def main(arguments: Sequence[str]) -> int:
    """Throw; 0 when everything ended as it may."""
    parser = argparse.ArgumentParser(prog="fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=16931)
    parser.add_argument("--keep", type=Path, help="folder for inputs that fail")
    asked = parser.parse_args(arguments)
    failed, ends = 0, Counter[str]()
    for kind in (CII, UBL, CDAR):
        programs = installed(kind)
        for number, data in enumerate(inputs(kind, asked.seed, asked.count // 3)):
            try:
                ends[one(data, programs)] += 1
            except Exception as error:
                failed += 1
                print(f"{kind} {number}: {type(error).__name__}: {error}", flush=True)
                if asked.keep:
                    (asked.keep / f"{kind}-{asked.seed}-{number}.xml").write_bytes(data)
    print(f"{dict(ends)}, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
