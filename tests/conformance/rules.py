"""Holds our engine to SaxonC, finding by finding: `python -m tests.conformance.rules`.

For every official stylesheet, every document of the public corpus and of our samples that it concerns, seeded mutants
of them, and documents aimed at each of its rules, the assertions that fire must be the same: id, flag, role, location
and text. Both engines run in child processes, as SaxonC ends the process it is used wrongly in. Where both end in a
dynamic error they agree. Two differences are let pass, and counted, on documents that the XSD refuses and no rule ever
sees: one engine alone ends in an error, because the order in which parts of a rule are computed is free; and SaxonC
takes NaN for greater than any number, which XPath does not.

It ends with 0 when nothing differs, with 1 when something does, with 2 when a stylesheet is not there to be asked.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from pathlib import Path

from lxml import etree

from schemas import rulebook, xml
from schemas.rulebook import Artefact, Rules
from schemas.rulebooks import en16931, facturx, fr
from schemas.schematron import store, tree
from schemas.schematron.program import Program
from schemas.schematron.sheet import read
from schemas.schematron.values import DynamicError
from tests.conformance import saxon
from tests.schemas.aimed import aimed
from tests.schemas.mutants import mutants

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
SAMPLES = ROOT / "tests" / "samples"

FROZEN = SAMPLES / "oracle"
"""What the oracle said of the corpus, for tests that run without it; `--freeze` writes it."""

_SPEC = importlib.util.find_spec("pyfrctc")
FRENCH = str(Path((_SPEC.submodule_search_locations or [""])[0])) if _SPEC else None
"""The folder of the artefacts of CDAR and flux 10."""

CHUNK = 40
"""Documents handed to a child at once."""

CII, UBL, CDAR, FLUX10 = "cii", "ubl", "cdar", "flux10"
KINDS = {"cii": CII, "ubl-invoice": UBL, "ubl-creditnote": UBL, "cdar": CDAR}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One official stylesheet."""

    name: str
    kind: str
    file: str
    xsd: str = ""
    """The schema that decides whether a rule ever sees a document; empty: the one of its root element."""


def _file(rules: Rules) -> str:
    return rules.artefact.file


CDAR_XSD = "CrossDomainAcknowledgementAndResponse_100pD22B.xsd"
_UBL_XSD = {"Invoice": _file(en16931.INVOICE_XSD), "CreditNote": _file(en16931.CREDIT_NOTE_XSD)}

SHEETS = (
    *(
        Sheet(f"facturx-{level}", CII, _file(facturx.chain(profile)[1]), _file(facturx.chain(profile)[0]))
        for profile, level in list(facturx.PROFILES.items())[:5]
    ),
    Sheet("extended-ctc-fr-cii", CII, _file(fr.EXTENDED_CII), _file(facturx.D22B)),
    Sheet("br-fr-cii", CII, _file(fr.BR_FR_CII), _file(facturx.D22B)),
    Sheet("en16931-ubl", UBL, _file(en16931.UBL)),
    Sheet("extended-ctc-fr-ubl", UBL, _file(fr.EXTENDED_UBL)),
    Sheet("br-fr-ubl", UBL, _file(fr.BR_FR_UBL)),
    Sheet("br-fr-cdv", CDAR, "cdar-schematron/BR-FR-CDV-Schematron-CDAR.xslt", f"cdar-xsd/{CDAR_XSD}"),
    Sheet("flux10", FLUX10, "frr-schematron/Flux10.xslt", "frr-xsd/ereporting.xsd"),
)
"""The stylesheets; those of CDAR and flux 10 come from the package pyfrctc, which tests alone install."""


@dataclass(slots=True)
class Tally:
    """What came of one stylesheet."""

    documents: int = 0
    valid: int = 0
    """Documents that the XSD accepts."""
    verdicts: dict[str, str] = field(default_factory=dict)
    """Document → what the oracle says, as `sealed` writes it."""
    differing: list[str] = field(default_factory=list)
    errors: int = 0
    """Documents that the XSD refuses and that differ in a way that is let pass."""
    fired: set[int] = field(default_factory=set)
    """The assertions that fired at least once, by their number."""
    assertions: int = 0
    """How many there are."""


def documents(kind: str) -> Iterator[tuple[str, bytes]]:
    """The documents of one kind, in our samples and in the corpus, as the rules are given them."""
    for path in sorted((SAMPLES / kind).glob("*.xml")):
        yield from _clean(f"samples/{kind}/{path.name}", path.read_bytes())
    if CORPUS.is_dir():
        with (CORPUS / "manifest.jsonl").open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if KINDS.get(row["kind"]) == kind:
                    yield from _clean(row["path"], (CORPUS / row["path"]).read_bytes())


def _clean(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        yield name, xml.serialise(xml.parse(data))
    except xml.Unreadable:
        return


def find(sheet: Sheet, folder: str | None = None) -> str:
    """The path of a stylesheet, in the folder given or in the installed packages. Raises rulebook.Missing."""
    return _found(sheet.file, folder)


def schema_of(sheet: Sheet, root: str, folder: str | None = None) -> str:
    """The path of the XSD of documents with this root element, empty where there is none. Raises rulebook.Missing."""
    file = sheet.xsd or _UBL_XSD.get(root, "")
    return _found(file, folder) if file else ""


def _found(file: str, folder: str | None) -> str:
    return rulebook.find(Artefact(rulebook.Kind.SCHEMATRON, "", "", file, date(2020, 1, 1)), folder or FRENCH).path


Verdict = Counter[tuple[str, ...]] | str
"""Assertions by id, flag, role, location and text; or the error that ended the run."""


def both(path: str, data: bytes, fired: set[int] | None = None) -> tuple[Verdict, Verdict]:
    """What SaxonC says of a document that it meets first, and what our engine says.

    SaxonC learns: of a function that it has called some times it computes the variables at once, and then ends in an
    error where it did not before. So where it alone ends in one, the stylesheet is compiled anew and asked again.
    """
    theirs, own = _asked(path, data), ours(path, data, fired)
    if isinstance(theirs, str) and not isinstance(own, str):
        saxon.forget(path)
        theirs = _asked(path, data)
    return theirs, own


def _asked(path: str, data: bytes) -> Verdict:
    try:
        return Counter((each.id, each.flag, each.role, each.location, each.text) for each in saxon.run(path, data))
    except saxon.DynamicError as error:
        return f"error: {str(error)[:200]}"


_programs: dict[str, Program] = {}


def ours(path: str, data: bytes, fired: set[int] | None = None) -> Verdict:
    """What our engine says; the numbers of the assertions that fired are added to `fired`."""
    program = _programs.get(path) or _programs.setdefault(path, store.load(path, store.default_cache()))
    document = tree.read(data)
    try:
        found = program.judge(document)
    except DynamicError as error:
        return f"error: {str(error)[:200]}"
    finally:
        document.discard()
    if fired is not None:
        fired.update(each.number for each in found)
    return Counter((each.id, each.flag, each.role, each.location, each.text) for each in found)


_schemas: dict[str, etree.XMLSchema] = {}


def _is_valid(sheet: Sheet, data: bytes, folder: str | None) -> bool:
    root = etree.fromstring(data)
    file = schema_of(sheet, etree.QName(root).localname, folder)
    if file and file not in _schemas:
        _schemas[file] = etree.XMLSchema(file=file)
    return not file or _schemas[file].validate(root)


def compare(task: tuple[Sheet, str | None, list[tuple[str, bytes]]]) -> Tally:
    """Both engines on some documents, in a child process."""
    sheet, folder, given = task
    path, tally = find(sheet, folder), Tally()
    for name, data in given:
        valid = not name.startswith("aimed") and _is_valid(sheet, data, folder)
        tally.documents += 1
        tally.valid += valid
        theirs, own = both(path, data, tally.fired)
        tally.verdicts[name] = sealed(theirs)
        if theirs == own or (isinstance(theirs, str) and isinstance(own, str)):
            continue
        if not valid and _is_free(data, theirs, own):
            tally.errors += 1
            continue
        tally.differing.append(f"{name}: {_difference(theirs, own)}")
    tally.assertions = len(store.load(path, store.default_cache()).ids)
    return tally


def let_pass(sheet: Sheet, data: bytes, theirs: Verdict, own: Verdict) -> bool:
    """Whether two verdicts may differ: on a document that the XSD refuses, in one of the two ways that are known."""
    return _is_free(data, theirs, own) and not _is_valid(sheet, data, None)


def _is_free(data: bytes, theirs: Verdict, own: Verdict) -> bool:
    return isinstance(theirs, str) or isinstance(own, str) or b"NaN" in data


def _difference(theirs: Verdict, own: Verdict) -> str:
    if isinstance(theirs, str) or isinstance(own, str):
        return f"oracle {_short(theirs)}, ours {_short(own)}"
    missing, extra = theirs - own, own - theirs
    return f"missing {list(missing)[:2]}, too many {list(extra)[:2]}"


def sealed(verdict: Verdict) -> str:
    """A verdict in a few letters: how many assertions fired, and the digest of what they say and where."""
    if isinstance(verdict, str):
        return "error"
    lines = sorted(repr((key, times)) for key, times in verdict.items())
    return f"{sum(verdict.values())}:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:12]}"


def frozen(kind: str) -> dict[str, dict[str, str]]:
    """What the oracle said when it was last asked: document → stylesheet → verdict."""
    file = FROZEN / f"{kind}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _freeze(sheet: Sheet, verdicts: dict[str, str]) -> None:
    known = frozen(sheet.kind)
    for name, verdict in verdicts.items():
        known.setdefault(name, {})[sheet.name] = verdict
    rows = (f"{json.dumps(name)}: {json.dumps(known[name], sort_keys=True)}" for name in sorted(known))
    (FROZEN / f"{sheet.kind}.json").write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def _short(verdict: Verdict) -> str:
    return verdict if isinstance(verdict, str) else f"{sum(verdict.values())} assertions"


def _work(sheet: Sheet, seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """The documents of a stylesheet and `count` mutants of them in all, spread evenly."""
    originals = list(documents(sheet.kind))
    yield from originals
    small = [each for each in originals if len(each[1]) < 60_000]
    each_has = -(-count // len(small)) if small else 0
    for place, (name, data) in enumerate(small):
        for number, mutant in enumerate(mutants(data, seed * 100_003 + place, each_has)):
            yield f"{name} #{number} ({mutant.name})", mutant.data


def _aimed(sheet: Sheet, folder: str | None, seed: int, each: int) -> Iterator[tuple[str, bytes]]:
    """Documents aimed at each rule of a stylesheet."""
    schema = read(Path(find(sheet, folder)).read_bytes())
    bases = [data for name, data in documents(sheet.kind) if name.startswith("samples/")]
    for mutant in aimed(schema, bases, seed, each):
        yield f"aimed #{mutant.name}", mutant.data


def _chunks(documents: Iterator[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    chunk: list[tuple[str, bytes]] = []
    for each in documents:
        chunk.append(each)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def main(arguments: Sequence[str]) -> int:
    """Run everything; the code is for `make`."""
    parser = argparse.ArgumentParser(prog="rules", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=600, help="mutants for each stylesheet (default 600)")
    parser.add_argument("--aimed", type=int, default=4, help="documents aimed at each rule (default 4)")
    parser.add_argument("--seed", type=int, default=16931, help="where chance starts (default 16931)")
    parser.add_argument("--sheet", action="append", help="only this stylesheet; may be given again")
    parser.add_argument("--folder", default=os.environ.get("ESTAFETTE_RULES"), help="where other stylesheets lie")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--freeze", action="store_true", help="keep what the oracle says of the documents themselves")
    asked = parser.parse_args(arguments)
    code = 0
    with multiprocessing.get_context("spawn").Pool(asked.processes) as pool:
        for sheet in SHEETS:
            if asked.sheet and sheet.name not in asked.sheet:
                continue
            try:
                find(sheet, asked.folder)
            except rulebook.Missing as missing:
                print(f"{sheet.name}: not asked, {missing}", flush=True)
                code = code or 2
                continue
            made = chain(_work(sheet, asked.seed, asked.mutants), _aimed(sheet, asked.folder, asked.seed, asked.aimed))
            work = ((sheet, asked.folder, chunk) for chunk in _chunks(made))
            total = Tally()
            for tally in pool.imap_unordered(compare, work):
                _add(total, tally)
            print(
                f"{sheet.name}: {total.documents - len(total.differing)} of {total.documents} agree "
                f"({total.valid} follow the XSD; {total.errors} others may differ), "
                f"{len(total.fired)} of {total.assertions} assertions fired",
                flush=True,
            )
            for difference in total.differing[:10]:
                print(f"    {difference[:700]}", flush=True)
            if asked.freeze:
                _freeze(sheet, {name: said for name, said in total.verdicts.items() if " #" not in name})
            code = 1 if total.differing else code
    return code


def _add(total: Tally, tally: Tally) -> None:
    total.documents += tally.documents
    total.valid += tally.valid
    total.errors += tally.errors
    total.differing += tally.differing
    total.verdicts |= tally.verdicts
    total.fired |= tally.fired
    total.assertions = tally.assertions


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
