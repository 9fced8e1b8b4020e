"""Documents that make every assertion of every stylesheet fire: `python -m tests.conformance.coverage`.

They are kept, with what SaxonC said of them, under tests/samples/oracle/aimed, one a line; the command asks it again.
With `--search` they are looked for anew. For each assertion documents are tried (`tests.schemas.aimed`) until it fires;
the fewest that show all of them are cut down to what they need and joined where they stay as telling. For an assertion
that never fired, a document is kept on which its rule alone says it does and the whole stylesheet ends in an error,
where there is one. `tests/schemas/test_schematron_coverage.py` holds our engine to all of these and says why the others
cannot fire. The search is seeded and takes some minutes; it is run again when an artefact changes.

It ends with 0 when our engine, SaxonC and what is kept agree, else with 1.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from schemas.schematron import store, tree
from schemas.schematron.compile import compile_schema
from schemas.schematron.program import Program
from schemas.schematron.schema import Let, Pattern, Schema
from schemas.schematron.sheet import read
from schemas.schematron.values import DynamicError
from tests.conformance.rules import FROZEN, SHEETS, Sheet, both, documents, find, sealed
from tests.schemas.aimed import Target, attempt, merged, shrunk, targets

AIMED = FROZEN / "aimed"
LARGEST = 20_000
"""Bytes of a kept document."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One kept document."""

    xml: str
    verdict: str
    """What SaxonC said, as `sealed` writes it."""
    fires: tuple[int, ...]
    """The assertions it is kept for, by their number."""
    alone: bool
    """Whether they only fire when their rule stands alone, and the whole stylesheet ends in an error."""
    written: bool
    """Whether a person has written it, because no search came upon it; a new search leaves it."""


def kept(sheet: Sheet) -> tuple[Kept, ...]:
    """The documents kept for one stylesheet."""
    file = AIMED / f"{sheet.name}.jsonl"
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines() if file.is_file() else ())
    return tuple(
        Kept(row["xml"], row["verdict"], tuple(row["fires"]), row.get("alone", False), row.get("written", False))
        for row in rows
    )


def schema_of(sheet: Sheet) -> Schema:
    """The rules of a stylesheet, as read."""
    return read(Path(find(sheet)).read_bytes())


def alone(schema: Schema, target: Target, path: str) -> Program:
    """The program of one assertion without all others."""
    body = tuple(part for part in target.rule.body if isinstance(part, Let) or part is target.assertion)
    module = compile_schema(replace(schema, patterns=(Pattern((replace(target.rule, body=body),)),)))
    lists = {name: tree.read((Path(path).parent / file).read_bytes()) for name, file in module.documents}
    return Program(compile(module.source, "<alone>", "exec", dont_inherit=True), lists)


def fired(program: Program, data: bytes) -> set[int] | None:
    """The assertions that fire; None: a rule ended in an error."""
    document = tree.read(data)
    try:
        return {each.number for each in program.judge(document)}
    except DynamicError:
        return None
    finally:
        document.discard()


def search(sheet: Sheet, rounds: int, seed: int) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """Documents by the assertion they fire, and those by the assertion that only fires alone."""
    path = find(sheet)
    program = store.load(path, store.default_cache())
    schema = schema_of(sheet)
    bases = [data for name, data in documents(sheet.kind) if name.startswith("samples/")]
    aims = targets(schema)
    found: dict[int, bytes] = {}
    for turn in range(rounds):
        for target in aims:
            if target.number in found:
                continue
            data = attempt(schema, target, bases, random.Random(f"{seed}:{sheet.name}:{target.number}:{turn}"))
            if data is None or b"NaN" in data:  # which SaxonC compares otherwise than XPath says
                continue
            for number in fired(program, data) or ():
                if len(data) < len(found.get(number, data + b" ")):
                    found[number] = data
    ending: dict[int, bytes] = {}
    for target in aims:
        if target.number in found:
            continue
        single = alone(schema, target, path)
        for turn in range(60):
            data = attempt(schema, target, bases, random.Random(f"{seed}:{sheet.name}:{target.number}:alone:{turn}"))
            if data is not None and b"NaN" not in data and fired(single, data) and fired(program, data) is None:
                ending[target.number] = shrunk(
                    data, lambda each, one=single: bool(fired(one, each)) and fired(program, each) is None
                )
                break
    return _fewest(path, program, found), ending


def _fewest(path: str, program: Program, found: dict[int, bytes]) -> dict[int, bytes]:
    """Of all documents few that fire everything, cut down; by the first assertion each is kept for."""
    shows = {data: fired(program, data) or set() for data in set(found.values())}
    missing, chosen = set(found), {}
    while missing:
        best = max(shows, key=lambda data: (len(shows[data] & missing) / (300 + len(data)), data))
        wanted = frozenset(shows[best] & missing)
        chosen[min(wanted)] = shrunk(best, lambda each, wanted=wanted: wanted <= (fired(program, each) or set()))
        missing -= wanted
    return _together(path, program, chosen)


def _together(path: str, program: Program, chosen: dict[int, bytes]) -> dict[int, bytes]:
    """The same in fewer documents: each is put into an earlier one where all that they fire still does, and SaxonC
    agrees. It may compute parts of a rule in another order than we, and so come upon an error that we do not."""
    whole: list[tuple[int, bytes, set[int]]] = []
    for number, data in sorted(chosen.items()):
        wanted = fired(program, data) or set()
        for place, (first, before, fires) in enumerate(whole):
            candidates = (each for each in merged(before, data) if len(each) <= LARGEST)
            fit = (each for each in candidates if wanted | fires <= (fired(program, each) or set()))
            joined = next((each for each in fit if len(set(map(sealed, both(path, each)))) == 1), None)
            if joined is not None:
                whole[place] = (first, joined, wanted | fires)
                break
        else:
            whole.append((number, data, wanted))
    return {number: data for number, data, _ in whole}


def freeze(task: tuple[Sheet, int, int]) -> str:
    """Search, ask the oracle and keep, for one stylesheet, in a child process; what to print of it."""
    sheet, rounds, seed = task
    path = find(sheet)
    program = store.load(path, store.default_cache())
    found, ending = search(sheet, rounds, seed)
    rows, differing, seen = [], [], set[int]()
    for is_alone, group in ((False, found), (True, ending)):
        for number, data in sorted(group.items()):
            theirs, own = both(path, data)
            if sealed(theirs) != sealed(own):
                differing.append(f"    {number}: {data.decode()[:500]}")
            shown = {number} if is_alone else (fired(program, data) or set()) - seen
            seen |= set() if is_alone else shown
            row = {"fires": sorted(shown), "verdict": sealed(theirs), "xml": data.decode()}
            rows.append(json.dumps(row | ({"alone": True} if is_alone else {}), ensure_ascii=False))
    for written in (row for row in kept(sheet) if row.written):
        row = {"fires": written.fires, "verdict": sealed(both(path, written.xml.encode())[0]), "xml": written.xml}
        rows.append(json.dumps(row | {"written": True}, ensure_ascii=False))
        seen |= set(written.fires)
    AIMED.mkdir(exist_ok=True)
    (AIMED / f"{sheet.name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    share = 100 * len(seen) / len(program.ids)
    line = f"{sheet.name}: {len(seen)} of {len(program.ids)} fire ({share:.1f} %), {len(rows)} documents, "
    return "\n".join([f"{line}{len(differing)} differ from SaxonC", *differing])


def ask(sheet: Sheet) -> str:
    """Both engines on what is kept for one stylesheet, in a child process; what to print of it."""
    path, rows = find(sheet), kept(sheet)
    differing = []
    for row in rows:
        data = row.xml.encode()
        theirs, own = map(sealed, both(path, data))
        if not theirs == own == row.verdict:
            differing.append(f"    {row.fires[:3]}: SaxonC {theirs}, ours {own}, kept {row.verdict}")
    return "\n".join([f"{sheet.name}: {len(rows) - len(differing)} of {len(rows)} documents agree", *differing])


def main(arguments: Sequence[str]) -> int:
    """Ask, or search and keep; 0 when nothing differs from SaxonC."""
    parser = argparse.ArgumentParser(prog="coverage", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--search", action="store_true", help="look for the documents anew")
    parser.add_argument("--rounds", type=int, default=400, help="tries for each assertion (default 400)")
    parser.add_argument("--seed", type=int, default=16931)
    parser.add_argument("--sheet", action="append", help="only this stylesheet; may be given again")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args(arguments)
    sheets = [sheet for sheet in SHEETS if not asked.sheet or sheet.name in asked.sheet]
    code = 0
    with multiprocessing.get_context("spawn").Pool(asked.processes) as pool:
        work = [(sheet, asked.rounds, asked.seed) for sheet in sheets]
        for line in pool.imap_unordered(freeze, work) if asked.search else pool.imap_unordered(ask, sheets):
            print(line, flush=True)
            code = code or int("\n" in line)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
