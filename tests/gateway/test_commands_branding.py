"""`estafette account branding` as an operator meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.store.placement import discard

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 3"><rect width="9" height="3" fill="#c8102e"/></svg>'


@pytest.fixture
def account(reachable: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("ESTAFETTE_DATA", str(reachable / "data"))
    assert main(["account", "create", "Atelier du Levant", "--siren", "100000108", "--format", "json"]) == 0
    yield json.loads(capsys.readouterr().out)["account"]
    discard(reachable / "data")


def test_a_page_is_dressed_piece_by_piece_and_what_is_wrong_is_told(account, tmp_path, capsys) -> None:
    picture = tmp_path / "logo.svg"
    picture.write_text(SVG)

    def said(*options: str, code: int = 0) -> str:
        assert main(["account", "branding", account, *options]) == code
        told = capsys.readouterr()
        return told.err if code else told.out

    assert json.loads(said("--format", "json")) == {"accent": "#1b4870", "logo": "", "pay_link": ""}
    said("--accent", "#C8102E")
    said("--logo", str(picture), "--logo-text", "Atelier du Levant")
    said("--pay-link", "https://pay.example/{number}")
    told = said()
    assert "#c8102e" in told
    assert "image/svg+xml" in told
    assert "https://pay.example/{number}" in told
    assert "come together" in said("--logo", str(picture), code=2)
    assert "cannot be read" in said("--logo", str(tmp_path / "none.svg"), "--logo-text", "x", code=2)
    assert "six hexadecimal digits" in said("--accent", "red", code=2)
    assert "https://" in said("--pay-link", "http://pay.example/", code=2)
    picture.write_text(SVG.replace("<rect", "<script/><rect"))
    assert "shapes" in said("--logo", str(picture), "--logo-text", "x", code=2)
    assert said() == told, "nothing of what was refused is kept"
    assert json.loads(said("--plain", "--format", "json"))["accent"] == "#1b4870"
