"""`estafette build`, `convert`, `extract` and `page` as processes: what they write, refuse, and never overwrite."""

from __future__ import annotations

import json
import os
import pty
import shlex
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.commands.files import safe_name
from schemas.conversion import Wish, attachment_of, convert
from schemas.finding import Verdict
from schemas.formats.facturx import pdfa
from schemas.formats.facturx.extract import Embedded, extract
from schemas.judge import judge
from tests.gateway.console import ROOT, SAMPLES, command, environment, estafette

CII = SAMPLES / "cii/invoice-simple.xml"
UBL = SAMPLES / "ubl/invoice-simple.xml"
JSON = SAMPLES / "json/invoice-simple.json"
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STRANGER = b"<cbc:UUID>3e8b9a0c-0000-4000-8000-000000000001</cbc:UUID><cbc:IssueDate>"
MEMBERS = [
    "path", "outcome", "output", "size", "format", "media_type", "profile", "unchanged", "losses", "reason", "findings",
    "notes",
]  # fmt: skip


def told(text: bytes | str) -> list[dict[str, Any]]:
    """The objects of a machine-readable report."""
    return [json.loads(line) for line in (text if isinstance(text, str) else text.decode()).splitlines()]


def test_a_pipe_carries_an_invoice_through_every_form() -> None:
    ubl = estafette("convert", "--to", "ubl", "-", stdin=JSON.read_bytes())
    pdf = estafette("convert", "--to", "facturx", "-", stdin=ubl.out)
    xml = estafette("extract", "-", stdin=pdf.out)
    back = estafette("convert", "--to", "json", "-", stdin=xml.out)
    assert [one.code for one in (ubl, pdf, xml, back)] == [0, 0, 0, 0], [ubl.err, pdf.err, xml.err, back.err]
    assert [one.err for one in (ubl, pdf, xml, back)] == [""] * 4
    wish = Wish("json", NOON)
    assert back.out == convert(JSON.read_bytes(), wish).data
    assert judge(xml.out).verdict is Verdict.VALID


def test_what_is_in_the_format_comes_back_byte_for_byte() -> None:
    assert estafette("convert", "--to", "ubl", UBL).out == UBL.read_bytes()


def test_a_folder_becomes_a_folder_and_nothing_is_overwritten(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "ubl", tmp_path / "in/deep")
    shutil.copy(CII, tmp_path / "in/same.xml")
    shutil.copy(JSON, tmp_path / "in/same.json")
    arguments = ["convert", "--to", "cii", "--format", "json", "in", "-o", "out"]
    first = estafette(*arguments, cwd=tmp_path)
    assert first.code == 0, first.err
    reports = told(first.out)
    assert all(list(one) == MEMBERS for one in reports)
    written = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert written == sorted(one["output"] for one in reports)
    assert "out/same.json.xml" in written
    assert "out/same.xml.xml" in written
    assert "out/deep/credit-note.xml" in written
    assert (tmp_path / "out/same.xml.xml").read_bytes() == CII.read_bytes()
    for name in written:
        (tmp_path / name).write_bytes(b"mine")
    again = estafette(*arguments, cwd=tmp_path)
    assert again.code == 2
    assert {one["outcome"] for one in told(again.out)} == {"failed"}
    assert {(tmp_path / name).read_bytes() for name in written} == {b"mine"}
    assert estafette(*arguments, "--force", cwd=tmp_path).code == 0
    assert b"mine" not in {(tmp_path / name).read_bytes() for name in written}
    left = [path.name for path in (tmp_path / "out").rglob("*") if path.name.endswith(".part")]
    assert left == []


def test_a_source_is_never_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "a.xml"
    shutil.copy(UBL, mine)
    ended = estafette("convert", "--to", "cii", mine, "-o", mine, "--force")
    assert ended.code == 2
    assert mine.read_bytes() == UBL.read_bytes()
    folder = estafette("convert", "--to", "cii", tmp_path, "-o", tmp_path, "--force")
    assert folder.code == 2
    assert mine.read_bytes() == UBL.read_bytes()


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_source_that_is_read_later_is_not_overwritten_either(tmp_path: Path, force: tuple[str, ...]) -> None:
    """The first PDF carries a file that is called like the second."""
    page = convert(CII.read_bytes(), Wish("page", NOON)).data
    described = pdfa.Description("urn:cen.eu:en16931:2017", "t", "a", NOON)
    carried = (Embedded("b.pdf", "application/pdf", page), Embedded("c.pdf", "application/pdf", page))
    first, second = tmp_path / "in/a.pdf", tmp_path / "in/a/b.pdf"
    second.parent.mkdir(parents=True)
    first.write_bytes(pdfa.attach(page, CII.read_bytes(), described, carried))
    second.write_bytes(pdfa.attach(page, CII.read_bytes(), described))
    before = first.read_bytes(), second.read_bytes()
    ended = estafette("extract", "--all", "in", *force, "--format", "json", "in/a.pdf", "in/a/b.pdf", cwd=tmp_path)
    assert ended.code == 2
    assert (first.read_bytes(), second.read_bytes()) == before
    one, other = told(ended.out)
    assert (one["outcome"], other["outcome"]) == ("failed", "done")
    assert "source is never overwritten" in one["reason"]


def test_what_was_written_before_a_file_that_could_not_be_is_told(tmp_path: Path) -> None:
    page = convert(CII.read_bytes(), Wish("page", NOON)).data
    described = pdfa.Description("urn:cen.eu:en16931:2017", "t", "a", NOON)
    carried = (Embedded("b.pdf", "application/pdf", page), Embedded("c.pdf", "application/pdf", page))
    (tmp_path / "in.pdf").write_bytes(pdfa.attach(page, CII.read_bytes(), described, carried))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/b.pdf").write_bytes(b"mine")
    arguments = ("extract", "--all", "out", "in.pdf")
    ended = estafette(*arguments, "--format", "json", cwd=tmp_path)
    assert ended.code == 2
    (report,) = told(ended.out)
    assert [one["output"] for one in report["files"]] == ["out/factur-x.xml", None, None]
    assert "there already" in report["reason"]
    (tmp_path / "out/factur-x.xml").unlink()
    assert "out/factur-x.xml" in estafette(*arguments, cwd=tmp_path).text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["convert", "--to", "cii", CII, UBL], "--output"),
        (["convert", "--to", "cii", "-", "-"], "standard input can be read once"),
        (["convert", "--to", "cii", "--profile", "luxury", CII], "no such profile"),
        (["convert", "--to", "cii", CII, UBL, "-o", CII], "is a file"),
        (["build", CII, UBL, "--pdf", CII, "-o", "x"], "--pdf goes with one invoice"),
        (["build", CII, "--pdf", "absent.pdf"], "absent.pdf: there is no such file"),
        (["build", CII, "--attach", SAMPLES / "attacks/plain-text.txt"], "EN 16931 takes"),
        (["extract", "--all", "x", "-o", "y", CII], "--all"),
        (["page", CII, "--accent", "red"], "six hexadecimal digits"),
        (["page", CII, "--pay-link", "http://x"], "https"),
        (["page", CII, "--logo", JSON], "logo"),
        (["page", CII, "--logo", "absent.svg"], "absent.svg: there is no such file"),
        (["page", CII, "--language", "tlh"], "the page speaks"),
    ],
)
def test_what_cannot_be_asked_for_ends_with_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[Any], says: str
) -> None:
    """In this process: what is tried is words, and forty starts would take their time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANG", "C.UTF-8")
    assert main([str(one) for one in arguments]) == 2
    told = capsys.readouterr()
    assert says in told.err
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


def test_what_would_be_lost_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    source = tmp_path / "in.xml"
    source.write_bytes(UBL.read_bytes().replace(b"<cbc:IssueDate>", STRANGER, 1))
    refused = estafette("convert", "--to", "cii", source, "-o", tmp_path / "out.xml")
    assert refused.code == 1
    assert "/Invoice/cbc:UUID" in refused.err
    assert "--allow-loss" in refused.err
    assert not (tmp_path / "out.xml").exists()
    given = estafette(
        "convert",
        "--to",
        "cii",
        "--allow-loss",
        "--format",
        "json",
        source,
        "-o",
        tmp_path / "out.xml",
        "--language",
        "fr",
    )
    assert given.code == 0
    (report,) = told(given.out)
    assert [one["path"] for one in report["losses"]] == ["/Invoice/cbc:UUID"]
    assert judge((tmp_path / "out.xml").read_bytes()).verdict is Verdict.VALID
    piped = estafette("convert", "--to", "json", "--allow-loss", source, "--language", "fr")
    assert json.loads(piped.out)["number"]
    assert "perdu /Invoice/cbc:UUID: notre modèle" in piped.err


def test_what_cannot_be_read_is_told_with_every_finding() -> None:
    ended = estafette("convert", "--to", "cii", SAMPLES / "json/invoice-broken.json")
    assert ended.code == 1
    assert ended.out == b""
    assert ended.err.count("JSON-") > 5


def test_build_makes_a_valid_factur_x_with_its_attachments(tmp_path: Path) -> None:
    paper = tmp_path / "delivery note.pdf"
    page = estafette("page", UBL, "--language", "en")
    assert page.out.startswith(b"%PDF-")
    paper.write_bytes(page.out)
    out = tmp_path / "made" / "invoice.pdf"
    ended = estafette("build", "--french", JSON, "--attach", paper, "-o", out)
    assert ended.code == 0, ended.err
    assert "facturx" in ended.text
    data = out.read_bytes()
    assert judge(data, french=True).verdict is Verdict.VALID
    assert [file.name for file in extract(data).others] == ["delivery note.pdf"]
    taken = estafette("extract", "--all", tmp_path / "parts", "--format", "json", out)
    assert taken.code == 0, taken.err
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == ["delivery note.pdf", "factur-x.xml"]
    assert (tmp_path / "parts/delivery note.pdf").read_bytes() == page.out
    assert "standard name" in told(taken.out)[0]["taken"]
    inside = estafette("extract", "--all", tmp_path / "inside", tmp_path / "parts/factur-x.xml")
    assert inside.code == 0
    assert (tmp_path / "inside/delivery note.pdf").read_bytes() == page.out


LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="#123456"/></svg>'
)


def test_a_page_looks_as_asked_for_and_comes_again_byte_for_byte(tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text(LOGO)
    fixed = {"SOURCE_DATE_EPOCH": "1700000000"}
    arguments = ["page", JSON, "--logo", logo, "--accent", "#8A1538", "--language", "de"]
    first, again = (estafette(*arguments, env=fixed) for _ in range(2))
    assert first.code == 0, first.err
    assert first.out == again.out
    assert b"2023-11-14" in first.out
    plain = convert(JSON.read_bytes(), Wish("page", datetime.fromtimestamp(1_700_000_000, UTC), language="de"))
    assert plain.data != first.out
    assert estafette("page", JSON, env={"SOURCE_DATE_EPOCH": "yesterday"}).code == 2


def test_build_goes_around_a_supplied_pdf(tmp_path: Path) -> None:
    page = tmp_path / "page.pdf"
    assert estafette("page", CII, "-o", page).code == 0
    ended = estafette("build", CII, "--pdf", page, "-o", tmp_path / "fx.pdf", "--format", "json")
    assert ended.code == 0, ended.err
    (report,) = told(ended.out)
    assert len(report["notes"]) == 1
    made = extract((tmp_path / "fx.pdf").read_bytes())
    assert made.xml == CII.read_bytes()
    assert ("around" in report["notes"][0]) == (not made.others)


def test_build_refuses_what_breaks_the_rules(tmp_path: Path) -> None:
    broken = tmp_path / "broken.xml"
    broken.write_bytes(CII.read_bytes().replace(b">380<", b">999<", 1))
    refused = estafette("build", broken, "-o", tmp_path / "x.pdf")
    assert refused.code == 1
    assert "--unchecked" in refused.err
    assert "ram:TypeCode" in refused.err
    assert not (tmp_path / "x.pdf").exists()
    assert estafette("build", broken, "--unchecked", "-o", tmp_path / "x.pdf").code == 0
    assert extract((tmp_path / "x.pdf").read_bytes()).xml == broken.read_bytes()


def test_a_pdf_is_not_sent_to_a_terminal() -> None:
    master, slave = pty.openpty()
    with subprocess.Popen(
        command(["page", str(CII)]), stdout=slave, stderr=subprocess.PIPE, env=environment()
    ) as process:
        os.close(slave)
        _, said = process.communicate(timeout=60)
    os.close(master)
    assert process.returncode == 2
    assert b"--output" in said


def test_hostile_names_stay_in_the_folder(tmp_path: Path) -> None:
    """A PDF whose files are called like paths, twice the same, hidden, and like the invoice in another case."""
    names = ["../../escape.pdf", "/etc/absolute.pdf", "a\\b\\c.pdf", ".hidden.pdf", "c.pdf", "C.PDF"]
    names += ["nul\x00\x1b[31m.pdf", "con:trol?.pdf", "x" * 300 + ".pdf", "..", "Factur-X.XML"]
    page = convert(CII.read_bytes(), Wish("page", NOON)).data
    carried = [
        Embedded(name, "application/pdf", page + b"%" + str(number).encode()) for number, name in enumerate(names)
    ]
    described = pdfa.Description("urn:cen.eu:en16931:2017", "t", "a", NOON)
    hostile = tmp_path / "in.pdf"
    hostile.write_bytes(pdfa.attach(page, CII.read_bytes(), described, carried))
    odd = tmp_path / "odd.json"
    invoice = json.loads(JSON.read_bytes())
    plain = [name.replace("\x00", "").replace("\x1b", "") for name in names]
    member = {"content": "JVBERg==", "media_type": "application/pdf"}
    invoice["attachments"] = [{**member, "id": name, "filename": name} for name in plain]
    odd.write_bytes(json.dumps(invoice).encode())
    before = set(tmp_path.rglob("*"))
    for source, count in ((hostile, len(names) + 1), (odd, len(names))):
        out = tmp_path / f"out-{source.stem}"
        ended = estafette("extract", "--all", out, source)
        assert ended.code == 0, ended.err
        assert b"\x1b" not in ended.out
        made = set(tmp_path.rglob("*")) - before - {out}
        assert all(path.parent == out for path in made)
        assert len(made) == count
        assert all(path.name.isprintable() and not path.name.startswith(".") for path in made)
        before |= made | {out}
    assert not (tmp_path.parent / "escape.pdf").exists()


def test_many_files_of_one_name_take_no_more_time_than_others() -> None:
    """20,000 of them; counting up anew for each would take half a minute."""
    taken: dict[str, int] = {}
    names = ["plan-3.pdf", *["Plan.pdf", "plan.PDF"] * 10_000]
    start = time.process_time()
    free = [safe_name(name, taken) for name in names]
    assert time.process_time() - start < 5
    assert free[:5] == ["plan-3.pdf", "Plan.pdf", "plan-2.PDF", "Plan-4.pdf", "plan-5.PDF"]
    assert len({name.lower() for name in free}) == len(names)


def test_a_damaged_pdf_and_a_plain_one_are_refused(tmp_path: Path) -> None:
    plain = tmp_path / "plain.pdf"
    plain.write_bytes(convert(CII.read_bytes(), Wish("page", NOON)).data)
    truncated = SAMPLES / "attacks/truncated.pdf"
    ended = estafette("extract", "--format", "json", plain, truncated, CII, "-o", tmp_path / "out")
    assert ended.code == 1
    assert [one["outcome"] for one in told(ended.out)] == ["refused"] * 3
    assert [one["findings"][0]["rule"] for one in told(ended.out)[:2]] == ["PDF-NO-INVOICE", "PDF-SYNTAX"]
    assert not (tmp_path / "out").exists()
    assert estafette("extract", "--all", tmp_path / "out", plain).code == 1


def test_page_names_what_it_does_not_show(tmp_path: Path) -> None:
    invoice = json.loads(JSON.read_bytes())
    one = attachment_of("note.csv", b"a;b")
    assert one.content is not None
    invoice["attachments"] = [{"id": one.id, "content": "YTti", "media_type": one.media_type, "filename": one.filename}]
    ended = estafette("page", "-", "-o", tmp_path / "p.pdf", stdin=json.dumps(invoice).encode())
    assert ended.code == 0, ended.err
    assert "note.csv" in ended.text
    assert (tmp_path / "p.pdf").read_bytes().startswith(b"%PDF-")


def test_many_are_converted_over_processes_in_order(tmp_path: Path) -> None:
    for number in range(6):
        shutil.copy(UBL, tmp_path / f"{number}.xml")
    ended = estafette("convert", "--to", "cii", "--format", "json", "--jobs", "2", tmp_path, "-o", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert [Path(one["path"]).name for one in told(ended.out)] == [f"{number}.xml" for number in range(6)]
    assert len({path.read_bytes() for path in (tmp_path / "out").iterdir()}) == 1


def test_a_full_device_is_told() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    ended = estafette("convert", "--to", "cii", UBL, "-o", "/dev/full")
    assert ended.code == 2
    assert "the disk is full" in ended.err
    for arguments in (["convert", "--to", "cii", UBL], ["explain", "BR-01"]):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                command(arguments), stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=60, check=False
            )
        assert done.returncode == 2
        assert done.stderr.count(b"\n") == 1
        assert b"Traceback" not in done.stderr


def test_a_closed_input_or_output_is_told() -> None:
    """Not read as an empty document, not taken for written."""
    line = shlex.join(str(one) for one in command(["convert", "--to", "cii", "-"]))
    for redirected, says in (("<&-", b"standard input is closed"), (f"< {UBL} >&-", b"standard output is closed")):
        done = subprocess.run(
            ["sh", "-c", f"{line} {redirected}"], capture_output=True, env=environment(), timeout=60, check=False
        )
        assert done.returncode == 2, done.stderr
        assert says in done.stderr


def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    """Word for word and in their order, on our samples."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## On the command line")[2]
    lines = section.partition("```sh\n")[2].partition("```")[0].splitlines()
    (tmp_path / "invoices").mkdir()
    for source, name in ((JSON, "invoice.json"), (CII, "invoice.xml"), (UBL, "invoices/other.xml")):
        shutil.copy(source, tmp_path / name)
    (tmp_path / "own.pdf").write_bytes(convert(CII.read_bytes(), Wish("page", NOON)).data)
    assert len(lines) == 8
    for line in lines:
        program, *arguments = shlex.split(line, comments=True)
        assert program == "estafette"
        ended = estafette(*arguments, cwd=tmp_path)
        assert ended.code == 0, (line, ended.err)
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")}
    assert {"invoice.pdf", "fx.pdf", "out/factur-x.xml", "p.pdf"} <= made
