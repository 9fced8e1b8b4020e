"""Throws mutated documents at the official rules: `python -m tests.fuzz.rules --count 1000000 --log fuzz.jsonl`.

Every input must end in one of four ways: refused as unreadable, refused by its XSD, judged by its rules, or "could not
be evaluated". All else is a failure: an exception, an answer that takes too long, memory that grows over a limit, and
an error of Python's own inside a rule, also where the engine has turned it into a finding. Inputs are seeded: trimmed
samples of ours and the small odd documents that are aimed at each rule, with elements, values and attributes changed,
and the same with bytes turned over, which the door to XML must mostly refuse.

An input goes the way of a submission: the one verdict (`schemas.judge`), which parses it, asks its XSD and then its
rules. What the XSD refuses would never meet a rule, so the rules are then asked directly as well; the whole verdict on
such a document is mostly the work of explaining the XSD, and is asked for one in `EXPLAINED`.

Inputs come in blocks, each from its own seed. With `--log` a line is kept for each block that is done: a run that is
broken off goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import re
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType

from lxml import etree

from schemas import rulebook, xml
from schemas.catalogue import chain, opened
from schemas.judge import judge
from schemas.rulebook import Rules
from schemas.schematron import tree
from tests.conformance.coverage import kept
from tests.conformance.rules import CDAR, CII, FLUX10, SAMPLES, SHEETS, UBL
from tests.schemas.mutants import mutants

BLOCK = 500
"""Inputs of one seed."""
SHARES = (CII,) * 6 + (UBL,) * 4 + (CDAR,) * 5 + (FLUX10,) * 5
"""Which kind the blocks are of, in turn."""
ODD = 6_000
"""Bytes of a document aimed at rules that inputs are made from."""
EXPLAINED = 50
"""Of so many inputs that the XSD refuses, one is given to the whole verdict."""
SLOW = 5
"""Seconds of processor time that one small input may take."""
MEMORY = 1 << 30
"""Bytes that a process may have resident."""

_WHILE = re.compile(r"(\w+) while a rule was computed")
_ARITHMETIC = ("InvalidOperation", "DivisionByZero", "Overflow", "OverflowError", "ZeroDivisionError")


class Failure(Exception):
    """An input ended as none may."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of one block."""

    block: int
    ends: dict[str, int]
    failures: tuple[str, ...]
    resident: int
    """The most bytes the process ever had resident."""


@cache
def seeds(kind: str) -> tuple[bytes, ...]:
    """What the inputs of one kind are made from: our samples, whole and with much of what is optional left out, and
    documents that are aimed at rules."""
    dice = random.Random(kind)
    found = []
    for path in sorted((SAMPLES / kind).glob("*.xml")):
        data = xml.serialise(xml.parse(path.read_bytes()))
        found.append(data)
        found += [_trimmed(dice, data, share) for share in (0.5, 0.8, 1.0)]
    odd = [each.xml.encode() for sheet in SHEETS if sheet.kind == kind for each in kept(sheet)]
    return (*found, *(each for each in odd if len(each) < ODD))


def _trimmed(dice: random.Random, data: bytes, share: float) -> bytes:
    """A document without a share of the elements that its XSD can spare."""
    root = etree.fromstring(data)
    document = opened(data, messages=True).recognised
    gate = _gate(rulebook.find(chain(document.syntax, document.profile, False)[0].artefact).path)
    if not gate.validate(root):
        return data
    for element in list(root.iter(etree.Element)):
        parent = element.getparent()
        if parent is None or dice.random() > share:
            continue
        place = parent.index(element)
        parent.remove(element)
        if not gate.validate(root):
            parent.insert(place, element)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def inputs(kind: str, seed: str, count: int) -> Iterator[bytes]:
    """`count` inputs made of the seeds of one kind."""
    dice = random.Random(seed)
    given = seeds(kind)
    for number in range(count):
        (mutant,) = mutants(dice.choice(given), dice.randrange(1 << 40), 1)
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


def one(data: bytes, number: int) -> str:
    """How one input ends. Raises whatever should not have been raised, and Failure."""
    try:
        document = opened(data, messages=True)
    except xml.Unreadable:
        _verdict(data, number)
        return "unreadable"
    if document.tree is None:
        return _verdict(data, number)
    xsd, *rules = chain(document.recognised.syntax, document.recognised.profile, number % 2 == 0)
    if _gate(rulebook.find(xsd.artefact).path).validate(document.tree):
        return _verdict(data, number)
    if number % EXPLAINED == 0:
        _verdict(data, number)
    return f"refused by the XSD, {_ruled(rules, document.tree)}"


def _verdict(data: bytes, number: int) -> str:
    """The whole way; every other invoice as one between French businesses."""
    report = judge(data, french=number % 2 == 0)
    return end_of(finding.says for finding in report.findings if finding.rule.startswith(rulebook.ENGINE))


def _ruled(layers: Sequence[Rules], parsed: etree._ElementTree) -> str:
    """The rules alone."""
    try:
        light = tree.read(xml.serialise(parsed))
    except tree.Unparsable:
        return "unreadable"
    try:
        said = [finding for rules in layers for finding in rulebook.apply(rules, parsed, light)[1]]
    finally:
        light.discard()
    return end_of(finding.says for finding in said if finding.rule.startswith(rulebook.ENGINE))


def end_of(errors: Iterator[str]) -> str:
    """How the rules ended, by what the engine says of itself. Raises Failure."""
    unjudged = list(errors)
    for says in unjudged:
        inside = _WHILE.search(says)
        if "could not be evaluated" not in says or (inside and inside[1] not in _ARITHMETIC):
            raise Failure(says)
    return "not evaluated" if unjudged else "judged"


@cache
def _gate(file: str) -> etree.XMLSchema:
    return etree.XMLSchema(file=file)


def _late(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"more than {SLOW} s of processor time")


def block(task: tuple[int, int, Path | None]) -> Ended:
    """All inputs of one block, in a process of its own kind: each is timed, the memory is limited."""
    seed, number, keep = task
    kind = SHARES[number % len(SHARES)]
    resource.setrlimit(resource.RLIMIT_AS, (4 * MEMORY, resource.RLIM_INFINITY))
    signal.signal(signal.SIGVTALRM, _late)
    ends, failures = Counter[str](), []
    for place, data in enumerate(inputs(kind, f"{seed}:{number}", BLOCK)):
        signal.setitimer(signal.ITIMER_VIRTUAL, SLOW)
        try:
            ends[one(data, place)] += 1
        except Exception as error:
            ends["failed"] += 1
            failures.append(f"{kind} {seed}:{number}:{place}: {type(error).__name__}: {error}")
            if keep:
                (keep / f"{kind}-{seed}-{number}-{place}.xml").write_bytes(data)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if resident > MEMORY:
        failures.append(f"{kind} {seed}:{number}: {resident >> 20} MB resident")
    return Ended(number, dict(ends), tuple(failures), resident)


def _done(log: Path | None, seed: int) -> dict[int, Ended]:
    """The blocks that a log says are done."""
    lines = log.read_text(encoding="utf-8").splitlines() if log and log.is_file() else []
    rows = [json.loads(line) for line in lines]
    return {
        row["block"]: Ended(row["block"], row["ends"], tuple(row["failures"]), row["resident"])
        for row in rows
        if row["seed"] == seed
    }


def main(arguments: Sequence[str]) -> int:
    """Throw; 0 when everything ended as it may."""
    parser = argparse.ArgumentParser(prog="fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=16931)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--log", type=Path, help="file of the blocks that are done; a run goes on after them")
    parser.add_argument("--keep", type=Path, help="folder for inputs that fail")
    asked = parser.parse_args(arguments)
    done = _done(asked.log, asked.seed)
    missing = [number for number in range(-(-asked.count // BLOCK)) if number not in done]
    began = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(asked.processes, maxtasksperchild=200) as pool:
        for ended in pool.imap_unordered(block, ((asked.seed, number, asked.keep) for number in missing)):
            done[ended.block] = ended
            for failure in ended.failures:
                print(failure, flush=True)
            if asked.log:
                row = {"seed": asked.seed, "block": ended.block, "ends": ended.ends}
                more = {"failures": ended.failures, "resident": ended.resident, "after": time.monotonic() - began}
                with asked.log.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(row | more) + "\n")
    total = sum((Counter(ended.ends) for ended in done.values()), Counter[str]())
    failed = sum(len(ended.failures) for ended in done.values())
    most = max((ended.resident for ended in done.values()), default=0) >> 20
    print(f"{total.total()} inputs: {dict(total)}; {failed} failed; at most {most} MB resident")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
