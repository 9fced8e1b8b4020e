"""A sample of `make conformance` without Java, and that it never calls a pass what was not judged."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from tests.conformance import __main__ as conformance
from tests.conformance import judges, own
from tests.conformance.__main__ import Tally
from tests.conformance.judges import Absent, Broken, Opinion
from tests.conformance.specimens import PROFILES, Specimen, specimens


@pytest.fixture(scope="module")
def made() -> list[Specimen]:
    """Twelve specimens of all profiles and nearly all kinds."""
    return list(specimens(12, conformance.SEED))


@pytest.mark.parametrize("name", own.CHECKS)
def test_a_sample_passes_what_is_always_there(made: list[Specimen], name: str) -> None:
    assert {specimen.profile for specimen in made} == set(PROFILES.values())
    assert any(specimen.wrapped for specimen in made)
    for specimen in made:
        opinion = own.CHECKS[name](specimen)
        assert opinion == Opinion(True), specimen.name


def test_the_checks_refuse_what_is_wrong(made: list[Specimen], tmp_path: Path) -> None:
    good = next(specimen for specimen in made if not specimen.wrapped)
    (tmp_path / "good.pdf").write_bytes(good.pdf)
    own.spoil(tmp_path / "good.pdf", tmp_path / "bad.pdf")
    bad = replace(good, pdf=(tmp_path / "bad.pdf").read_bytes())
    other_xml = replace(good, xml=good.xml + b" ")
    assert not own.strict(bad).passed
    assert own.container(bad).findings == tuple(
        f"the {part} is not as the standard has it" for part in ("XMP", "claims")
    )
    assert not own.container(other_xml).passed
    assert not own.repeated(bad).passed
    assert not own.qpdf(replace(good, pdf=good.pdf[: len(good.pdf) // 2])).passed


def test_the_same_seed_gives_the_same_specimens(made: list[Specimen]) -> None:
    again = list(islice(specimens(12, conformance.SEED), 3))
    assert [(one.name, one.xml, one.pdf) for one in again] == [(one.name, one.xml, one.pdf) for one in made[:3]]


def test_a_judge_that_is_absent_is_no_pass(capsys: pytest.CaptureFixture[str]) -> None:
    absent = Tally("veraPDF", absent="Java is not installed here")
    assert conformance.told([Tally("ours", 2, 2), absent]) == 2
    assert conformance.told([Tally("ours", 2, 2), Tally("veraPDF")]) == 2
    assert "passed:" not in capsys.readouterr().out
    assert conformance.told([Tally("ours", 1, 2), absent]) == 1
    assert "passed:" not in capsys.readouterr().out
    assert conformance.told([Tally("ours", 2, 2), Tally("veraPDF", 2, 2)]) == 0
    assert "passed:" in capsys.readouterr().out


def test_without_java_or_maven_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Absent, match="Java"):
        judges.install(judges.VERA)
    (tmp_path / "java").write_text("#!/bin/sh\n")
    (tmp_path / "java").chmod(0o755)
    with pytest.raises(Absent, match="Maven"):
        judges.install(judges.VERA)
    judges.VERA.folder.mkdir(parents=True)
    (judges.VERA.folder / "core.jar").write_bytes(b"another")
    with pytest.raises(Broken, match=r"core\.jar"):
        judges.install(judges.VERA)


@pytest.mark.parametrize("judge", [judges.VERA, judges.MUSTANG])
def test_every_archive_is_pinned(judge: judges.Judge) -> None:
    archives = judges.archives(judge)
    assert len({one.file_name for one in archives}) == len(archives) > 10
    assert all(re.fullmatch(r"[0-9a-f]{64}", one.checksum) and one.version for one in archives)
    assert judge.program.is_file()


def test_reports_of_mustang_are_read_strictly() -> None:
    valid = '<validation><pdf><summary status="valid"/></pdf>{}<xml><messages>{}</messages></xml></validation>'
    opinion = judges.opinion(valid.format("", "<error>BR-1</error><notice>n</notice>").encode())
    assert opinion == Opinion(True, (), ("error: BR-1",))
    assert not judges.opinion(valid.format("<messages><error>no XML</error></messages>", "").encode()).passed
    assert not judges.opinion(valid.replace("valid", "invalid", 3).encode()).passed
    assert not judges.opinion(b"").passed
    assert not judges.opinion(b"<validation/>").passed
