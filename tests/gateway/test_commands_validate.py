"""`estafette validate` and `explain` as processes: their objects, their words, their exit codes."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.console import ROOT, SAMPLES, command, environment, estafette

MEMBERS = ["path", "format", "profile", "verdict", "layers", "findings"]
LAYER = ["name", "edition", "verdict", "reason"]
FINDING = ["rule", "severity", "layer", "terms", "path", "line", "found", "expected", "says", "fix", "place"]


def objects(out: bytes) -> list[dict[str, Any]]:
    """The objects of a machine-readable answer, one a line, each in the shape that is promised."""
    found = [json.loads(line) for line in out.decode().splitlines()]
    for one in found:
        assert list(one) == MEMBERS
        assert one["verdict"] in ("valid", "invalid", "unjudged")
        for layer in one["layers"]:
            assert list(layer) == LAYER
            assert layer["verdict"] in ("passed", "failed", "skipped")
            assert layer["verdict"] != "skipped" or layer["reason"]
        for finding in one["findings"]:
            assert list(finding) == FINDING
            assert finding["severity"] in ("fatal", "warning", "info")
    return found


def test_valid_documents_of_every_syntax_end_with_zero() -> None:
    paths = [
        SAMPLES / "cii/invoice-simple.xml",
        SAMPLES / "ubl/credit-note.xml",
        SAMPLES / "json/invoice-multi-vat.json",
    ]
    ended = estafette("validate", "--french", "--format", "json", *paths)
    assert ended.code == 0, ended.err
    told = objects(ended.out)
    assert [one["path"] for one in told] == [str(path) for path in paths]
    assert [(one["format"], one["verdict"]) for one in told] == [
        ("cii", "valid"),
        ("ubl-creditnote", "valid"),
        ("json", "valid"),
    ]
    assert all(any(layer["name"] == "br-fr" for layer in one["layers"]) for one in told)
    assert ended.err == ""


def test_a_broken_rule_ends_with_one_and_is_explained() -> None:
    broken = (SAMPLES / "cii/invoice-simple.xml").read_bytes().replace(b">380<", b">999<", 1)
    ended = estafette("validate", "--format", "json", "-", stdin=broken)
    assert ended.code == 1
    (told,) = objects(ended.out)
    assert told["path"] == "-"
    assert told["verdict"] == "invalid"
    fatal = [one for one in told["findings"] if one["severity"] == "fatal"]
    assert fatal
    assert all(one["line"] and one["path"] and one["fix"] for one in fatal)
    text = estafette("validate", "--language", "fr", "-", stdin=broken)
    assert text.code == 1
    assert "failed" not in text.text
    assert "INVALIDE" in text.text
    assert fatal[0]["rule"] in text.text
    assert "→" in text.text


def test_what_a_rule_compared_is_told_in_both_languages_and_as_members(tmp_path: Path) -> None:
    file = tmp_path / "long.xml"
    data = (SAMPLES / "ubl" / "invoice-simple.xml").read_bytes()
    start = data.index(b">", data.index(b"<cbc:TaxInclusiveAmount")) + 1
    file.write_bytes(data[:start] + b"1.23456" + data[data.index(b"<", start) :])
    (line,) = estafette("validate", str(file), "--format", "json").out.splitlines()
    found = {one["rule"]: one for one in json.loads(line)["findings"]}
    assert (found["BR-DEC-14"]["found"], found["BR-DEC-14"]["expected"]) == ("1.23456", "at most 2 decimals")
    assert found["BR-DEC-14"]["place"] == "/totals/with_vat"
    assert found["BR-CO-15"]["found"] == "1.23456"
    assert "found 1.23456, expected at most 2 decimals" in estafette("validate", str(file), "--language", "en").text
    assert "trouvé 1.23456, attendu au plus 2 décimales" in estafette("validate", str(file), "--language", "fr").text


def test_what_cannot_be_read_ends_with_two_and_stops_nobody(tmp_path: Path) -> None:
    good = SAMPLES / "cii/invoice-simple.xml"
    loop = tmp_path / "loop.xml"
    loop.symlink_to(loop)
    ended = estafette("validate", "--format", "json", tmp_path / "absent.xml", good, loop, "nul\x00l"[:3] + ".xml")
    assert ended.code == 2
    told = objects(ended.out)
    assert [one["verdict"] for one in told] == ["unjudged", "valid", "unjudged", "unjudged"]
    assert told[0]["findings"][0]["rule"] == "ENGINE-FILE"
    assert told[0]["layers"][0]["verdict"] == "skipped"
    assert "fichier introuvable" in estafette("validate", "--language", "fr", tmp_path / "absent.xml").text


def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads every file")
    secret = tmp_path / "secret.xml"
    secret.write_bytes(b"<a/>")
    secret.chmod(0)
    assert "permission denied" in estafette("validate", secret).text


def test_a_layer_that_cannot_run_is_never_a_pass(tmp_path: Path) -> None:
    from schemas.rulebooks.fr import BR_FR_CII

    broken = tmp_path / BR_FR_CII.artefact.file
    broken.parent.mkdir(parents=True)
    broken.write_text("<no-stylesheet/>")
    env = {"ESTAFETTE_RULES": str(tmp_path)}
    ended = estafette("validate", "--french", "--format", "json", SAMPLES / "cii/invoice-simple.xml", env=env)
    assert ended.code == 2
    assert [one["verdict"] for one in objects(ended.out)] == ["unjudged"]


def test_hostile_files_are_refused_one_by_one() -> None:
    """The whole folder of attacks, over several processes: each is told, in order, and none is valid."""
    ended = estafette("validate", "--format", "json", "--jobs", "2", SAMPLES / "attacks")
    told = objects(ended.out)
    names = sorted(path.name for path in (SAMPLES / "attacks").iterdir() if path.suffix in (".xml", ".json", ".pdf"))
    assert [Path(one["path"]).name for one in told] == names
    assert {one["verdict"] for one in told} == {"invalid"}
    assert all(one["findings"] for one in told)
    assert ended.code == 1


def test_folders_are_walked_in_order_and_hidden_things_left_alone(tmp_path: Path) -> None:
    for name in ("b/2.xml", "b/10.XML", "a.xml", ".hidden/x.xml", "b/.x.xml", "b/readme.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(SAMPLES / "cii/invoice-simple.xml", tmp_path / name)
    (tmp_path / "circle").symlink_to(tmp_path)
    ended = estafette("validate", "--format", "json", ".", cwd=tmp_path)
    assert [one["path"] for one in objects(ended.out)] == ["./a.xml", "./b/10.XML", "./b/2.xml"]
    assert ended.code == 0
    empty = tmp_path / "empty"
    empty.mkdir()
    assert estafette("validate", empty).code == 2


def test_names_that_are_no_text_are_shown_and_steer_no_terminal(tmp_path: Path) -> None:
    odd = [b"caf\xe9.xml", b"bell\x07\x1b[31m.xml", "na\u202eme.xml".encode()]
    for name in odd:
        shutil.copy(SAMPLES / "cii/invoice-simple.xml", os.fsencode(tmp_path) + b"/" + name)
    ended = estafette("validate", "--format", "json", tmp_path)
    assert ended.code == 0
    assert {Path(one["path"]).name for one in objects(ended.out)} == {
        "caf\\xe9.xml",
        "bell\x07\x1b[31m.xml",
        "na\u202eme.xml",
    }
    text = estafette("validate", tmp_path, env={"LC_ALL": "C"})
    assert b"\x1b" not in text.out
    assert b"\x07" not in text.out
    assert "\u202e" not in text.text


def test_a_document_steers_no_terminal_either() -> None:
    hostile = b'{"number": "A", "\\u009b31mred": 1}'
    told = estafette("validate", "-", stdin=hostile)
    assert told.code == 1
    assert "\u009b" not in told.text


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    paths = [str(SAMPLES / "cii/invoice-simple.xml")] * 400  # more than a pipe holds, so that it must notice
    with subprocess.Popen(
        command(["validate", "--format", "json", *paths]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"path"')
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(timeout=60) == 141
    assert said == b""


def test_many_files_show_how_far_they_are_to_a_person_only(tmp_path: Path) -> None:
    for number in range(5):
        shutil.copy(SAMPLES / "attacks/entity-bomb.xml", tmp_path / f"{number}.xml")
    master, slave = pty.openpty()
    with subprocess.Popen(
        command(["validate", "--format", "json", str(tmp_path)]),
        stdout=subprocess.DEVNULL,
        stderr=slave,
        env=environment(),
    ) as process:
        os.close(slave)
        assert process.wait(timeout=60) == 1
    assert b"5/5" in os.read(master, 65_536)
    os.close(master)
    assert estafette("validate", "--format", "json", tmp_path).err == ""


def test_many_files_use_more_than_one_process(tmp_path: Path) -> None:
    """Processor time of the children goes beyond that of one alone; told by the children themselves."""
    from functools import partial

    from gateway.commands.batch import each
    from gateway.commands.files import Source

    seen: list[int] = []

    def take(source: Source, result: Any) -> int:
        seen.append(result)
        return 0

    sources = [Source(str(number)) for number in range(8)]
    assert each(partial(_process, folder=str(tmp_path)), sources, take, jobs=2) == 0
    assert len(set(seen)) == 2
    assert os.getpid() not in seen


def _process(source: Any, folder: str) -> int:
    """The process that did it; each waits, a little, until another has begun too."""
    Path(folder, str(os.getpid())).touch()
    until = time.monotonic() + 5
    while len(os.listdir(folder)) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    return os.getpid()


def test_a_file_that_kills_its_process_is_told_and_stops_nobody() -> None:
    from gateway.commands.batch import FAILED, GOOD, each
    from gateway.commands.files import Source, Unusable

    told: dict[str, Any] = {}

    def take(source: Source, result: Any) -> int:
        told[source.path] = result
        return FAILED if isinstance(result, Unusable) else GOOD

    names = ["a", "b", "kill", "c", "d", "raise"]
    assert each(_deadly, [Source(name) for name in names], take, jobs=2, seconds=60) == FAILED
    assert list(told) == names
    assert [told[name] for name in "abcd"] == list("abcd")
    assert "ended twice" in told["kill"].told.english
    assert "KeyError" in told["raise"].told.english


def _deadly(source: Any) -> str:
    if source.path == "kill":
        os.kill(os.getpid(), 9)
    if source.path == "raise":
        raise KeyError("odd")
    return str(source.path)


def test_explain_speaks_both_languages_and_knows_its_layers() -> None:
    ended = estafette("explain", "br-co-15")
    assert ended.code == 0
    assert ended.text.startswith("BR-CO-15\n")
    for said in ("total with VAT", "total TTC", "BT-112", "EN 16931 UBL", "→"):
        assert said in ended.text
    told = json.loads(estafette("explain", "--format", "json", "BR-FR-03_BT-9").out)
    assert told["terms"] == ["BT-9"]
    assert {layer["name"] for layer in told["layers"]} == {"br-fr"}
    assert told["fix"]["fr"] == "Corrigez la date."


def test_explain_suggests_and_lists() -> None:
    unknown = estafette("explain", "BR-CO-115", "BR-01")
    assert unknown.code == 1
    assert "BR-CO-15" in unknown.err
    assert "BT-24" in unknown.text
    french = estafette("explain", "NO-SUCH\x1b[31m", "--language", "fr")
    assert french.code == 1
    assert "est inconnu" in french.err
    assert "\x1b" not in french.err
    families = estafette("explain")
    assert families.code == 0
    assert "BR-FR-MV-…" in families.text


@pytest.mark.parametrize("arguments", [["--help"], ["explain", "BR-01"], ["validate", "--help"]])
def test_small_answers_come_at_once(arguments: list[str]) -> None:
    """Nothing heavy is imported for them. Processor time is counted, which other work on the machine does not change;
    half a second is four times what they take."""
    with subprocess.Popen(command(arguments), stdout=subprocess.DEVNULL, env=environment()) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert usage.ru_utime + usage.ru_stime < 0.5


def test_the_installed_command_is_the_same() -> None:
    script = ROOT / ".venv" / "bin" / "estafette"
    if not script.exists():
        pytest.skip("not installed in .venv")
    done = subprocess.run([script, "explain", "BR-01"], capture_output=True, timeout=60, check=False, env=environment())
    assert done.returncode == 0
    assert b"BT-24" in done.stdout


def test_the_locale_chooses_the_language() -> None:
    path = SAMPLES / "cii/invoice-simple.xml"
    assert estafette("validate", path, env={"LANG": "fr_FR.UTF-8"}).text.startswith("valide ")
    assert estafette("validate", path, env={"LANG": "fr_FR.UTF-8", "ESTAFETTE_LANGUAGE": "en"}).text.startswith(
        "valid "
    )
    assert estafette("validate", path, "--language", "fr").text.startswith("valide ")


def test_an_interrupt_ends_it_quietly_and_leaves_no_process(tmp_path: Path) -> None:
    for number in range(1_500):
        shutil.copy(SAMPLES / "cii/invoice-multi-vat.xml", tmp_path / f"{number:04}.xml")
    with subprocess.Popen(
        command(["validate", "--format", "json", "--jobs", "2", str(tmp_path)]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
    assert said == b""
    assert not _anybody(process.pid)


def _anybody(session: int) -> bool:
    """Whether a process of a session is still there after a moment."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if not any(_session_of(entry) == session for entry in Path("/proc").glob("[0-9]*")):
            return False
        time.sleep(0.05)
    return True


def _session_of(process: Path) -> int:
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[3])
