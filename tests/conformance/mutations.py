"""Asks SaxonC about mutants and keeps what it says: `python -m tests.conformance.mutations`.

Our engine is held to that in each test run, without SaxonC.

Each document of the public corpus, and of our samples of flux 10, has so many mutants of its own (`EACH`), made from
its name, the same for ever. What SaxonC said of each under each stylesheet of its kind is kept in a few letters, a
document a line. Differences that `tests.conformance.rules` lets pass, on mutants that the XSD refuses and no rule ever
sees, are counted. Without `--freeze` the command asks SaxonC again and compares.

It ends with 0 when our engine and SaxonC agree, else with 1. How many documents SaxonC judges otherwise than is kept is
told: it may come upon an error or not, by what it has judged before (`tests.conformance.rules.both`).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from tests.conformance.rules import (
    CDAR,
    CII,
    FLUX10,
    FROZEN,
    SHEETS,
    UBL,
    Sheet,
    both,
    documents,
    find,
    let_pass,
    sealed,
)
from tests.schemas.mutants import Mutant, mutants

MUTANTS = FROZEN / "mutants"
EACH = {CII: 6, UBL: 6, CDAR: 25, FLUX10: 500}
"""Mutants of each document."""
LARGEST = 60_000
"""Bytes of a document that has mutants."""
LETTERS = 4
"""Of base 64, for one verdict."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What SaxonC said of the mutants of one document, and where our engine differs."""

    sheet: str
    name: str
    verdicts: str
    let_pass: int
    differing: tuple[str, ...]


@cache
def originals(kind: str) -> tuple[tuple[str, bytes], ...]:
    """The documents of one kind that have mutants: those of the corpus, where there are any, as ours may change."""
    found = [each for each in documents(kind) if len(each[1]) <= LARGEST]
    return tuple([each for each in found if not each[0].startswith("samples/")] or found)


def mutants_of(kind: str, name: str, data: bytes) -> Iterator[Mutant]:
    """The mutants of one document."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:6])
    yield from mutants(data, seed, EACH[kind])


def letters(verdict: str) -> str:
    """A sealed verdict in a few letters."""
    return base64.urlsafe_b64encode(hashlib.sha256(verdict.encode()).digest())[:LETTERS].decode()


def kept(sheet: Sheet) -> dict[str, str]:
    """What is kept of one stylesheet: document → the verdicts on its mutants, one after the other."""
    file = MUTANTS / f"{sheet.name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def ask(task: tuple[Sheet, str, bytes]) -> Asked:
    """Both engines on the mutants of one document, in a child process."""
    sheet, name, data = task
    path = find(sheet)
    verdicts, passed, differing = [], 0, []
    for number, mutant in enumerate(mutants_of(sheet.kind, name, data)):
        theirs, own = both(path, mutant.data)
        verdicts.append(letters(sealed(theirs)))
        if sealed(theirs) == sealed(own):
            continue
        if let_pass(sheet, mutant.data, theirs, own):
            passed += 1
        else:
            differing.append(f"{sheet.name}, {name} #{number} ({mutant.name})")
    return Asked(sheet.name, name, "".join(verdicts), passed, tuple(differing))


def main(arguments: Sequence[str]) -> int:
    """Ask; the code is for `make`."""
    parser = argparse.ArgumentParser(prog="mutations", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sheet", action="append", help="only this stylesheet; may be given again")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--freeze", action="store_true", help="keep what SaxonC says")
    asked = parser.parse_args(arguments)
    code = 0
    with multiprocessing.get_context("spawn").Pool(asked.processes) as pool:
        for sheet in SHEETS:
            if asked.sheet and sheet.name not in asked.sheet:
                continue
            work = ((sheet, name, data) for name, data in originals(sheet.kind))
            answers = sorted(pool.imap_unordered(ask, work, 4), key=lambda answer: answer.name)
            known, said = kept(sheet), {answer.name: answer.verdicts for answer in answers}
            differing = [each for answer in answers for each in answer.differing]
            passed = sum(answer.let_pass for answer in answers)
            changed = sum(known.get(name) != verdicts for name, verdicts in said.items())
            print(
                f"{sheet.name}: {len(said) * EACH[sheet.kind]} mutants, {len(differing)} differ, {passed} let pass, "
                f"{changed} documents not as kept",
                *differing[:10],
                sep="\n    ",
                flush=True,
            )
            code = code or int(bool(differing))
            if asked.freeze:
                MUTANTS.mkdir(exist_ok=True)
                rows = (f"{json.dumps(name)}: {json.dumps(verdicts)}" for name, verdicts in said.items())
                (MUTANTS / f"{sheet.name}.json").write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
