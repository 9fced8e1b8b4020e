"""The command line as an operator meets it: it teaches, refuses in words, and does what it says."""

from __future__ import annotations

import json

import pytest

from gateway.__main__ import COMMANDS, main, parser
from gateway.commands.logs import _Lines
from gateway.store.placement import discard
from schemas.finding import Verdict
from schemas.formats.facturx import pdfa
from schemas.formats.facturx.extract import extract
from schemas.judge import judge
from signing.verify import verify


@pytest.fixture
def data(reachable, monkeypatch):
    """A data folder of its own for the commands."""
    monkeypatch.setenv("ESTAFETTE_DATA", str(reachable / "data"))
    yield reachable / "data"
    discard(reachable / "data")


def test_help_teaches_every_command(capsys):
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert f"  {name} " in said or f"  {name}\n" in said
        assert command.says.partition(" ")[0] in said
        with pytest.raises(SystemExit) as ended:
            parser(name).parse_args([name, "--help"])
        assert ended.value.code == 0
        assert f"estafette {name}" in capsys.readouterr().out
    assert "account create" in said


def test_an_account_is_opened_and_its_secrets_are_shown_once(data, capsys):
    assert main(["account", "create", "Atelier du Levant", "--siren", "100 000 108", "--format", "json"]) == 0
    opened = json.loads(capsys.readouterr().out)
    assert opened["siren"] == "100000108"
    assert opened["client_id"].startswith("estc_")
    assert opened["api_key"].startswith("estk_")
    assert (data / "secrets" / "pepper").stat().st_mode & 0o077 == 0
    assert main(["account", "create", "Other", "--siren", "100000116"]) == 0
    assert "client_secret" in capsys.readouterr().out
    assert main(["audit", "--format", "json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["clean"] for line in lines] == [True] * 4
    assert [line["kind"] for line in lines] == ["account", "account", "tree", "outside"]
    assert (data / "secrets" / "checkpoint.pem").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["account", "create", "X", "--siren", "123"], "is not a SIREN"),
        (["account", "create", "X", "--siren", "100000107"], "is not a SIREN"),
        (["account", "create", "X", "--siren", "100000108", "--scopes", "submit,fly"], "no such scope: fly"),
    ],
)
def test_what_cannot_be_is_refused_in_words(data, capsys, arguments, says):
    assert main(arguments) == 2
    assert says in capsys.readouterr().err
    assert not data.exists()


def test_wrong_settings_are_told_without_a_traceback(monkeypatch, capsys):
    monkeypatch.setenv("ESTAFETTE_PORT", "many")
    assert main(["settings"]) == 2
    assert "ESTAFETTE_PORT: must be a whole number" in capsys.readouterr().err


def test_settings_are_listed_with_their_origin(monkeypatch, capsys):
    monkeypatch.setenv("ESTAFETTE_PORT", "9000")
    assert main(["settings"]) == 0
    said = capsys.readouterr().out
    assert "ESTAFETTE_PORT" in said
    assert "environment" in said


def test_the_demo_leaves_a_folder_alone_that_it_did_not_make(tmp_path, capsys):
    (tmp_path / "mine").write_text("keep")
    assert main(["demo", "--out", str(tmp_path)]) == 1
    assert "was not made by the demo" in capsys.readouterr().err
    assert (tmp_path / "mine").read_text() == "keep"
    assert main(["demo", "--resume", "--out", str(tmp_path)]) == 1


@pytest.mark.parametrize("as_json", [True, False])
def test_a_log_line_carries_only_what_is_allowed(as_json):
    import logging

    record = logging.makeLogRecord({"msg": "stage", "document": "d-1", "amount": "120.00", "buyer": "Somebody"})
    line = _Lines(as_json=as_json).format(record)
    assert "d-1" in line
    assert "120.00" not in line
    assert "Somebody" not in line
    if as_json:
        assert json.loads(line)["document"] == "d-1"


@pytest.mark.slow
def test_the_demo_shows_the_main_job_twice(reachable, capsys):
    out = reachable / "demo"
    for _ in range(2):
        assert main(["demo", "--out", str(out)]) == 0
        said = capsys.readouterr().out
        assert said.count("delivered") == 5  # the last one at both ends
        assert "what is received is never rewritten" in said
        assert "by the account's software" in said
        assert "205 approved (said by account)" in said
        assert "211 payment sent (said by account)" in said
        for status in ("deposited", "received", "made available", "approved", "payment sent"):
            assert said.count(status) >= 3, status
        assert "settled" in said
        assert "The broken one was refused" in said
        assert "The proof holds." in said
        for money in ("at once, 10 days", "is disputed by the buyer (207", "is not chased: its buyer disputes it",
                      "2 new lines, 0 known, 1 booked", "0 new lines, 2 known, 0 booked",
                      "212 said by the gateway itself, once: 84.40 EUR at 5.5 %, 408.00 EUR at 20 %"):  # fmt: skip
            assert money in said, money
        assert "échéance à venir" in said
        assert (out / "receivables.svg").read_text().startswith("<svg")
        assert b"F2026-000001.pdf" in (out / "reminder.eml").read_bytes()
        assert [name for name, _ in verify(out / "proof.zip")][-1] == "key"
        made = [path.read_bytes() for path in (out / "documents").glob("*.pdf")]
        assert len(made) == 3
        for pdf in made:
            invoice = extract(pdf)
            assert (invoice.name, invoice.relationship) == ("factur-x.xml", "Alternative")
            assert pdfa.check(pdf) == ()
            assert judge(invoice.xml, french=True).verdict is Verdict.VALID
    for company in ("gateway", "buyer"):
        discard(out / company)
