"""`estafette rules` as processes: what is known, what is wrong with it, and how an edition is added."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.store.placement import discard
from schemas import editions
from schemas.editions import MANIFEST
from schemas.rulebooks import facturx, fr
from tests.gateway.console import SAMPLES, Ended, estafette
from tests.schemas.skeleton import Assert, Rule, stylesheet

MEMBERS = [
    "name", "layer", "kind", "publisher", "edition", "since", "until", "in_force", "state", "says", "sha256", "origin",
    "path", "known_wrong",
]  # fmt: skip
SHEET = "BR-FR-Flux2-Schematron-CII.xslt"
SINCE = ("--edition", "1.4.0.05", "--since", "2026-09-02")


def objects(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.out.decode().splitlines()]


def rules(folder: Path | None, *arguments: str | Path) -> Ended:
    env = {"ESTAFETTE_RULES": str(folder), "ESTAFETTE_LANGUAGE": "en"} if folder else {"ESTAFETTE_LANGUAGE": "en"}
    return estafette("rules", *arguments, env=env)


def ours(folder: Path, *, rule: str = "OUR-01", test: str = "false()", name: str = SHEET) -> Path:
    """A new edition of BR-FR for CII, with one rule."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_bytes(stylesheet((Rule("/*", (Assert(test, rule, "fatal"),)),)))
    return file


def test_every_edition_is_listed() -> None:
    listed = objects(rules(None, "list", "--format", "json"))
    assert len(listed) == 22
    for one in listed:
        assert list(one) == [*MEMBERS, "compiled"]
        assert (one["state"], one["in_force"], one["says"]) == ("ready", True, None)
        assert len(one["sha256"]) == 64
        assert Path(one["path"]).is_file()
        assert one["compiled"] in (None,) if one["kind"] == "xsd" else one["compiled"] in (True, False)
    text = rules(None, "list").text
    assert "br-fr-cdv" in text
    assert "pyfrctc" in text
    assert "ESTAFETTE_RULES names no folder" in text
    assert "en vigueur" in estafette("rules", "list", "--language", "fr").text


def test_the_rules_known_to_be_wrong_are_listed_with_their_sources() -> None:
    ended = rules(None, "list", "--known-wrong", "--format", "json")
    assert ended.code == 0
    found = {one["rule"]: one for one in objects(ended)}
    assert found["CII-SR-465"]["effect"] == "warning"
    assert found["CII-SR-465"]["effect_in_facturx"] == "explained"
    assert all("https://" in one["source"] and one["says"]["fr"] and one["since"] for one in found.values())
    assert "Réputée" in estafette("explain", "--language", "fr", "CII-SR-475").text
    assert "a warning; Factur-X: as published" in rules(None, "list", "--known-wrong").text


def test_check_loads_everything_and_keeps_it_compiled() -> None:
    ended = rules(None, "check", "--format", "json")
    assert ended.code == 0, ended.text
    checked = objects(ended)
    assert {one["verdict"] for one in checked} == {"ok"}
    assert {one["compiled"] for one in checked if one["kind"] == "schematron"} == {True}


def test_an_edition_is_added_and_judges_from_its_day_on(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    file = ours(tmp_path / "new")
    added = rules(folder, "add", file, *SINCE, "--format", "json")
    assert added.code == 0, added.err
    (one,) = objects(added)
    assert (one["name"], one["edition"], one["state"], one["since"]) == ("br-fr-cii", "1.4.0.05", "added", "2026-09-02")
    kept = folder / "br-fr-cii" / one["sha256"][:12] / SHEET
    assert kept.read_bytes() == file.read_bytes()
    (entry,) = editions.listed(str(folder))
    assert (entry.publisher, entry.sha256, entry.file) == ("FNFE-MPE", one["sha256"], str(kept.relative_to(folder)))
    env = {"ESTAFETTE_RULES": str(folder)}
    judged = estafette("validate", "--french", "--format", "json", SAMPLES / "cii/invoice-simple.xml", env=env)
    assert judged.code == 1
    assert [finding["rule"] for finding in objects(judged)[0]["findings"]] == ["OUR-01"]
    listed = [one for one in objects(rules(folder, "list", "--format", "json")) if one["name"] == "br-fr-cii"]
    assert [(one["edition"], one["in_force"], one["origin"]) for one in listed] == [
        ("BR-FR-Flux2 CII 1.4.0", False, "factur-x 7.8"),
        ("1.4.0.05", True, "the operator's folder"),
    ]
    assert rules(folder, "check").code == 0
    again = rules(folder, "add", file, *SINCE, "--format", "json")
    assert (again.code, objects(again)[0]["state"]) == (0, "known")
    assert len(editions.listed(str(folder))) == 1


def test_what_is_unknown_to_the_engine_is_refused_by_name_and_line_and_nothing_is_added(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    good = ours(tmp_path / "new")
    bad = ours(tmp_path / "new", test="unparsed-text('x')", name="BR-FR-Flux2-Schematron-UBL.xslt")
    ended = rules(folder, "add", tmp_path / "new", *SINCE, "--format", "json")
    assert ended.code == 1
    refused = {one["path"]: one for one in objects(ended)}
    assert refused[str(bad)]["state"] == "refused"
    assert "unparsed-text" in refused[str(bad)]["says"]
    assert "line" in refused[str(bad)]["says"]
    assert refused[str(good)]["state"] == "left"
    assert not folder.exists()
    text = rules(folder, "add", bad, *SINCE)
    assert (text.code, "REFUSED" in text.text) == (1, True)


def test_two_files_of_one_release_are_not_taken_for_one_edition(tmp_path: Path) -> None:
    ours(tmp_path / "release" / "new")
    ours(tmp_path / "release" / "old", rule="OUR-02")
    ended = rules(tmp_path / "rules", "add", tmp_path / "release", *SINCE)
    assert (ended.code, "--replace" in ended.text, (tmp_path / "rules").exists()) == (1, True, False)


def test_other_bytes_of_an_edition_are_put_in_force_only_when_asked_and_the_old_stay(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    assert rules(folder, "add", ours(tmp_path / "a"), *SINCE).code == 0
    other = ours(tmp_path / "b", rule="OUR-02")
    refused = rules(folder, "add", other, *SINCE)
    assert (refused.code, "--replace" in refused.text) == (1, True)
    earlier = ("--edition", "1.4.0.05", "--since", "2026-09-01", "--replace")
    assert "would not come in force" in rules(folder, "add", other, *earlier).text
    assert rules(folder, "add", other, *SINCE, "--replace").code == 0
    env = {"ESTAFETTE_RULES": str(folder)}
    judged = estafette("validate", "--french", "--format", "json", SAMPLES / "cii/invoice-simple.xml", env=env)
    assert [finding["rule"] for finding in objects(judged)[0]["findings"]] == ["OUR-02"]
    assert len(editions.listed(str(folder))) == 2


def test_an_artefact_is_added_with_what_it_reads_beside_itself(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    sheet = editions.find(facturx.chain("urn:factur-x.eu:1p0:minimum")[1].artefact)
    schema = editions.find(fr.FLUX10_XSD.artefact)
    for loaded, name in ((sheet, "facturx-minimum"), (schema, "xsd-flux10")):
        ended = rules(folder, "add", loaded.path, *SINCE, "--format", "json")
        assert ended.code == 0, ended.text
        assert [(one["name"], one["sha256"]) for one in objects(ended)] == [(name, loaded.sha256)]
    assert len(list((folder / "xsd-flux10").rglob("*.xsd"))) == 5
    elsewhere = tmp_path / "elsewhere"
    ended = rules(elsewhere, "add", folder, "--format", "json")
    assert (ended.code, [one["state"] for one in objects(ended)]) == (0, ["added", "added"])
    assert editions.listed(str(elsewhere)) == editions.listed(str(folder))


def test_of_two_who_add_at_once_neither_loses(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    files = [ours(tmp_path / f"new{number}", rule=f"OUR-{number}") for number in range(4)]
    code = (
        "import datetime, sys; from pathlib import Path; from gateway.commands.rules_add import Wish, add, found\n"
        "wish = Wish(None, None, sys.argv[3], datetime.date(2026, 9, 2), None, False)\n"
        "assert not any(one.fault for one in add(found([sys.argv[2]], wish), wish, Path(sys.argv[1])))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(folder), str(file), f"1.{number}"])
        for number, file in enumerate(files)
    ]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0, 0]
    assert {one.edition for one in editions.listed(str(folder))} == {"1.0", "1.1", "1.2", "1.3"}


def test_the_installed_editions_are_kept_and_told_by_the_same_name(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    ended = rules(folder, "add", "--installed", "--format", "json")
    assert (ended.code, {one["state"] for one in objects(ended)}) == (0, {"added"}), ended.err
    document = SAMPLES / "cii/invoice-simple.xml"
    kept = estafette("validate", "--french", "--format", "json", document, env={"ESTAFETTE_RULES": str(folder)})
    assert kept.out == estafette("validate", "--french", "--format", "json", document).out
    listed = objects(rules(folder, "list", "--format", "json"))
    assert [one["origin"] for one in listed if one["in_force"]] == ["the operator's folder"] * 22
    assert "say which files" in rules(folder, "add").err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.xslt"], "no such file"),
        (["FOLDER"], "no file there has the name of an official one"),
        (["FOLDER/ours.xslt"], "Say --name"),
        (["FOLDER/ours.xslt", "--name", "br-fr-cii"], "--edition and --since"),
        (["FOLDER/ours.xslt", "--name", "br-xx"], "Say --name"),
        (["FOLDER/ours.xslt", "--since", "soon"], "a day is written"),
    ],
)
def test_what_says_too_little_is_refused_in_words(tmp_path: Path, arguments: list[str], says: str) -> None:
    ours(tmp_path, name="ours.xslt")
    ended = rules(tmp_path / "rules", "add", *(one.replace("FOLDER", str(tmp_path)) for one in arguments))
    assert (ended.code, says in ended.err) == (2, True), ended.err
    assert "ESTAFETTE_RULES names no folder" in rules(None, "add", tmp_path, *SINCE).err


def test_check_names_what_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    assert rules(folder, "add", ours(tmp_path / "new"), *SINCE).code == 0
    (kept,) = folder.rglob(SHEET)
    kept.write_bytes(kept.read_bytes() + b"\n")
    ended = rules(folder, "check")
    assert ended.code == 1
    assert "is not what rules.toml says" in ended.text
    (folder / MANIFEST).write_text("[[edition")
    ended = rules(folder, "check")
    assert (ended.code, "cannot be read" in ended.err) == (2, True)


def test_without_pyfrctc_messages_stay_unjudged_and_check_says_so(tmp_path: Path) -> None:
    """In an environment that has only what the project itself needs."""
    packages = Path(editions.place_of("facturx") or "").parent.parent
    assert packages.name == "site-packages"
    bare = tmp_path / "packages"
    bare.mkdir()
    for path in packages.iterdir():
        if not path.name.startswith("pyfrctc"):
            (bare / path.name).symlink_to(path)
    env = {"PYTHONPATH": f"{Path(__file__).parents[2]}:{bare}", "PYTHONNOUSERSITE": "1", "ESTAFETTE_LANGUAGE": "en"}

    def run(*arguments: str | Path) -> Ended:
        import subprocess

        line = [sys.executable, "-S", "-m", "gateway", *map(str, arguments)]
        done = subprocess.run(line, capture_output=True, env=env, timeout=120, check=False)
        return Ended(done.returncode, done.stdout, done.stderr.decode())

    judged = run("validate", "--format", "json", SAMPLES / "cdar/approved.xml", SAMPLES / "flux10/payments.xml")
    assert judged.code == 2, judged.err
    for one in objects(judged):
        assert one["verdict"] == "unjudged"
        assert [layer["verdict"] for layer in one["layers"]] == ["passed", "skipped", "skipped"]
        assert "neither in the package pyfrctc nor in the operator's folder" in one["layers"][1]["reason"]
    checked = run("rules", "check")
    assert checked.code == 0, checked.text
    assert "documents of this kind stay unjudged" in checked.text
    absent = [one for one in objects(run("rules", "list", "--format", "json")) if one["state"] == "absent"]
    assert [one["name"] for one in absent] == ["xsd-cdar", "br-fr-cdv", "xsd-flux10", "flux10"]


def test_an_empty_archive_changes_nothing(reachable: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("ESTAFETTE_DATA", str(reachable / "data"))
    monkeypatch.setenv("ESTAFETTE_LANGUAGE", "en")
    monkeypatch.delenv("ESTAFETTE_RULES", raising=False)
    try:
        assert main(["account", "create", "Atelier", "--siren", "100000108"]) == 0
        capsys.readouterr()
        assert main(["rules", "rehearse", "br-fr-cii BR-FR-Flux2 CII 1.4.0", "--format", "json"]) == 0
        assert json.loads(capsys.readouterr().out) == {
            "kind": "summary", "editions": ["FNFE-MPE BR-FR-Flux2 CII 1.4.0 (br-fr-cii)"], "documents": 0,
            "concerned": 0, "changed": 0, "unjudged": 0, "unjudged_before": 0,
        }  # fmt: skip
        assert main(["rules", "replay", "--last", "5"]) == 0
        assert main(["rules", "replay", "019ab000-0000-7000-8000-000000000000"]) == 2
        assert "there is no document" in capsys.readouterr().err
        assert main(["rules", "replay"]) == 2
        assert main(["rules", "rehearse", "9.9"]) == 2
        assert "no edition 9.9 is here. Known: br-fr-cdv" in capsys.readouterr().err
    finally:
        discard(reachable / "data")


def test_help_teaches(capsys: Any) -> None:
    for arguments in (
        ["rules", "--help"],
        *(["rules", name, "--help"] for name in ("list", "check", "add", "rehearse", "replay")),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        assert "it could not be done" in (said := capsys.readouterr().out) or "examples:" in said


def test_no_file_is_left_where_none_was_asked_for(tmp_path: Path) -> None:
    shutil.copy(editions.find(fr.BR_FR_CII.artefact).path, tmp_path / SHEET)
    before = sorted(tmp_path.rglob("*"))
    assert rules(tmp_path, "list").code == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_a_rule_of_a_syntax_is_explained_from_the_sentence_of_the_installed_artefact() -> None:
    told = json.loads(estafette("explain", "--format", "json", "UBL-CR-137").text)
    assert told["says"]["en"] == "The norm does not use Signature at this place."
    assert told["title"]["fr"] == "Signature : inutilisé ici"
    several = json.loads(estafette("explain", "--format", "json", "FX-SCH-A-000390").text)
    assert several["says"]["en"].startswith("The Factur-X level does not allow"), "one id, another rule in each level"
