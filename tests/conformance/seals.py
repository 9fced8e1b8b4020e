"""`make conformance-seals`: holds sealed documents of every form, level and kind of key against other implementations.

DSS, the validator of the European Commission (by Maven), judges all of it; xmlsec1 the XML, pdfsig the PDFs, and
veraPDF whether a sealed PDF is still the PDF/A that it was. Each must refuse a spoiled document first: a judge that
passes everything judges nothing. Where Debian's packages are missing and may be installed, they are. It ends with 0
when every judge passed everything, with 1 when one did not, and with 2 when nothing failed but a judge could not be
asked.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from tests.conformance import judges
from tests.conformance.__main__ import Tally, progress, told
from tests.conformance.judges import Absent, Broken, Opinion
from tests.conformance.sealed_specimens import Sealed, publish, sealed
from tests.signing.authority import NOW

DSS = judges.Judge("dss")
PACKAGES = {"xmlsec1": "xmlsec1", "pdfsig": "poppler-utils", "softhsm2-util": "softhsm2"}
"""Programs and the Debian packages that bring them; the last one is for the tests of tokens."""
AT = NOW + timedelta(hours=1)
PROFILES = {
    "PAdES": {"B-B": "PAdES-BASELINE-B", "B-T": "PAdES-BASELINE-T", "B-LT": "PAdES-BASELINE-LT",
              "B-LTA": "PAdES-BASELINE-LTA"},
    "XAdES": {"B-B": "XAdES-BASELINE-B", "B-T": "XAdES-BASELINE-T", "B-LT": "XAdES-BASELINE-LT"},
    "JAdES": {"B-B": "JAdES-BASELINE-B", "B-T": "JAdES-BASELINE-T"},
}  # fmt: skip
"""What DSS calls our levels."""

Ask = Callable[[Sequence[tuple[Sealed, Path]]], Iterator[Opinion]]


def main(arguments: Sequence[str]) -> int:
    """Run everything; the code is for `make`."""
    parser = argparse.ArgumentParser(prog="conformance-seals", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pdfs", type=int, default=6, help="PDFs to seal at each level by each kind of key")
    parser.add_argument("--seed", type=int, default=16931, help="where chance starts")
    parser.add_argument("--keep", type=Path, help="folder to leave the documents in")
    options = parser.parse_args(arguments)
    bring()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        made = list(_written(sealed(options.pdfs, options.seed), folder))
        pdfs = [one for one in made if one[0].form == "PAdES"]
        xmls = [one for one in made if one[0].form == "XAdES"]
        jsons = [one for one in made if one[0].form == "JAdES"]
        tallies = [
            asked("DSS, PAdES", pdfs, _dss, lambda: judges.install(DSS)),
            asked("DSS, XAdES", xmls, _dss, lambda: judges.install(DSS)),
            asked("DSS, JAdES", jsons, _dss, lambda: judges.install(DSS)),
            asked("pdfsig, PAdES", pdfs, _pdfsig, lambda: _needs("pdfsig")),
            asked("xmlsec1, XAdES", xmls, _xmlsec, lambda: _needs("xmlsec1")),
            asked("veraPDF, sealed PDF/A", [one for one in pdfs if one[0].flavour], _vera, _vera_there, control=False),
        ]
    return told(tallies)


def bring() -> None:
    """Install what is missing, where this is Debian and we may."""
    missing = sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *missing]
        subprocess.run(["apt-get", "update", "--quiet"], capture_output=True, timeout=600, check=False)
        subprocess.run(command, capture_output=True, timeout=600, check=False)


def asked(
    name: str,
    made: Sequence[tuple[Sealed, Path]],
    ask: Ask,
    there: Callable[[], None],
    *,
    control: bool = True,
) -> Tally:
    """Ask a judge about everything, after one spoiled document that it must refuse."""
    tally = Tally(name)
    try:
        there()
        if control:
            one, path = made[0]
            spoiled = path.with_name(f"spoiled-{path.name}")
            spoiled.write_bytes(_spoiled(one.data))
            (opinion,) = ask([(one, spoiled)])
            spoiled.unlink()
            if opinion.passed:
                raise Broken(f"{name} passes a document that was changed after it was sealed")
        for (one, _), opinion in zip(made, ask(made), strict=True):
            tally.count(one.name, opinion)
            progress(name, tally.asked, len(made))
    except Absent as missing:
        tally.absent = str(missing)
    return tally


def _written(made: Iterator[Sealed], folder: Path) -> Iterator[tuple[Sealed, Path]]:
    """Each in a folder of its own, with the document beside it, and what is known in that of its people."""
    published: dict[int, Path] = {}
    for one in made:
        place = folder / one.name
        place.mkdir(parents=True)
        (place / one.name).write_bytes(one.data)
        if one.beside is not None:
            (place / "original.xml").write_bytes(one.beside)
        if id(one.people) not in published:
            published[id(one.people)] = folder / f"known-{len(published)}"
            publish(one.people, published[id(one.people)])
        (place / "known").symlink_to(published[id(one.people)].resolve())
        yield one, place / one.name


def _spoiled(data: bytes) -> bytes:
    """One bit of the document, or one letter of it, is another."""
    if data.startswith(b"%PDF"):
        at = data.index(b"stream") + 20
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    for word in (b"<cbc:ID>", b"<ds:DigestValue>", b'"payload":"'):
        if word in data:
            at = data.index(word) + len(word)
            return data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :]
    raise Broken("there is nothing to spoil")


def _dss(made: Sequence[tuple[Sealed, Path]]) -> Iterator[Opinion]:
    questions = [
        f"{path}\t{path.parent / 'original.xml' if one.beside is not None else ''}\t{path.parent / 'known'}\t"
        f"{AT:%Y-%m-%dT%H:%M:%SZ}"
        for one, path in made
    ]
    findings: list[str] = []
    answers = 0
    for line in judges.lines(DSS, questions):
        kind, *parts = line.split("\t")
        if kind == "#finding":
            findings.append(parts[0])
        elif kind == "#verdict":
            one = made[answers][0]
            verdict, sub, level = parts
            if verdict == "TOTAL_PASSED" and level != PROFILES[one.form][one.level]:
                findings.append(f"it takes it for {level}")
            passed = verdict == "TOTAL_PASSED" and not findings
            yield Opinion(passed, () if passed else (f"{verdict} {sub}", *findings))
            findings, answers = [], answers + 1
    if answers != len(made):
        raise Broken(f"DSS judged {answers} of {len(made)} documents")


def _pdfsig(made: Sequence[tuple[Sealed, Path]]) -> Iterator[Opinion]:
    for _, path in made:
        run = subprocess.run(["pdfsig", "-nocert", path], capture_output=True, text=True, timeout=60, check=False)
        said = run.stdout
        valid = "Signature Validation: Signature is Valid." in said and "is Invalid" not in said
        yield Opinion(valid, () if valid else (" ".join(said.split())[:300],))


def _xmlsec(made: Sequence[tuple[Sealed, Path]]) -> Iterator[Opinion]:
    command = ["xmlsec1", "--verify", "--enabled-key-data", "x509", "--trusted-pem", "known/root.pem",
               "--verification-time", f"{NOW:%Y-%m-%d %H:%M:%S}",
               "--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"]  # fmt: skip
    for _, path in made:
        run = subprocess.run(
            [*command, path.name], cwd=path.parent, capture_output=True, text=True, timeout=60, check=False
        )
        good = run.returncode == 0 and "SignedInfo References (ok/all): 2/2" in run.stderr
        yield Opinion(good, () if good else (" ".join(run.stderr.split())[:300],))


def _vera(made: Sequence[tuple[Sealed, Path]]) -> Iterator[Opinion]:
    return judges.verapdf([(path, one.flavour) for one, path in made])


def _vera_there() -> None:
    judges.install(judges.VERA)


def _needs(program: str) -> None:
    if shutil.which(program) is None:
        raise Absent(f"{program} is not installed here (Debian: apt-get install {PACKAGES[program]})")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
