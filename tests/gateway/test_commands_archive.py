"""`estafette archive` and `estafette export` as an operator uses them, on a database of their own."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import settings
from gateway.__main__ import main
from gateway.main import open_gateway
from gateway.stages import receive
from gateway.stages.receive import Handed, Request
from gateway.store import accounts
from gateway.store.identifiers import new_id
from gateway.store.placement import discard
from tests.gateway.api.conftest import numbered, sample

SELLER = json.loads(sample("json/invoice-simple.json"))["seller"]["name"]
NUMBERS = ("F-1", "F-2", "F-3")


async def _fill() -> None:
    """Three invoices of one account, and another account without any."""
    async with open_gateway(settings.read(os.environ), os.environ) as gateway:
        resources = gateway.resources
        for name, siren in (("Atelier", "100000108"), ("Other", "100000116")):
            now = resources.clock.now()
            account = await accounts.create(
                resources.pool, new_id(now), name=name, siren=siren, french=False, original="as_submitted", now=now
            )
            for number in NUMBERS if name == "Atelier" else ():
                handed = Handed(numbered(number), "application/json")
                await receive.receive(handed, Request(siren, None, "POST", "/v1/documents"), account, resources)
        await gateway.worker().drain()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with a filled archive, for all tests of this page."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="estafette-cluster-"))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ESTAFETTE_DATA", str(folder / "data"))
        patch.setenv("ESTAFETTE_WORKERS", "1")
        patch.setenv("ESTAFETTE_LANGUAGE", "en")
        asyncio.run(_fill())
        yield folder
    discard(folder / "data")
    shutil.rmtree(folder, ignore_errors=True)


def json_lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_documents_are_found(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = ["--account", "100 000 108"]
    assert main(["archive", "search", *mine, "--number-prefix", "F-", "--format", "json"]) == 0
    assert sorted(str(one["number"]) for one in json_lines(capsys.readouterr().out)) == list(NUMBERS)
    assert main(["archive", "search", *mine, "--limit", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["archive", "search", *mine, "--number", "none", "--reason", "court", "--reference", "24/117"]) == 1
    assert main(["archive", "search", "--account", "100000116"]) == 1
    assert main(["archive", "search"]) == 2
    assert "--account" in capsys.readouterr().err
    assert main(["archive", "search", *mine, "--amount-min", "x", "--from", "1"]) == 2
    said = capsys.readouterr().err
    assert "--amount-min" in said
    assert "--issued-from" in said
    assert main(["archive", "reads", *mine, "--format", "json"]) == 0
    reads = json_lines(capsys.readouterr().out)
    assert [one["found"] for one in reads] == [0, 2, 3]
    assert (reads[0]["reason"], reads[0]["reference"]) == ("court", "24/117")
    assert all(str(one["who"]).startswith("operator:") for one in reads)


def test_the_index_is_made_anew(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["archive", "reindex", "--format", "json"]) == 0
    assert sorted(one["documents"] for one in json_lines(capsys.readouterr().out)) == [0, 0]  # type: ignore[type-var]
    assert main(["archive", "reindex", "--all"]) == 0
    assert "3 documents" in capsys.readouterr().out
    assert main(["archive", "search", "--account", "100000108", "--seller", SELLER, "--format", "json"]) == 0
    assert len(json_lines(capsys.readouterr().out)) == 3


def test_a_table_is_written_whole_or_not_at_all(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "new" / "table.csv"
    arguments = ["export", "--account", "100000108", "-o", str(place)]
    assert main([*arguments, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["documents"], told["whole"], told["file"]) == (3, True, str(place))
    rows = list(csv.DictReader(io.StringIO(place.read_text(encoding="utf-8"), newline="")))
    assert sorted(row["number"] for row in rows) == list(NUMBERS)
    assert main(arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*arguments, "--force", "--number", "F-1"]) == 0
    assert place.read_bytes().count(b"\r\n") == 2
    assert [path.name for path in place.parent.iterdir()] == ["table.csv"]
    for wrong in (["-o", str(tmp_path / "x.txt")], ["-o", str(tmp_path / "x.csv"), "--tax-audit"],
                  ["-o", str(tmp_path / "x.zip")], ["-o", "/dev/null/x.csv"]):  # fmt: skip
        assert main(["export", "--account", "100000108", *wrong]) == 2
    assert not list(tmp_path.glob("x*"))


def test_a_tax_audit_checks_itself_anywhere(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "audit.zip"
    arguments = ["export", "--account", "100000108", "--tax-audit", "--reason", "tax_audit", "-o", str(place)]
    assert main([*arguments, "--from", "2000-01-01", "--to", "2099-12-31"]) == 0
    assert "3 documents" in capsys.readouterr().out
    with zipfile.ZipFile(place) as archive:
        archive.extract("check.py", tmp_path)
        archive.extract("verify.py", tmp_path)
        assert len([name for name in archive.namelist() if name.startswith("proofs/")]) == 3
    ended = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; sys.path.insert(0, '.'); sys.argv[0] = 'check.py'; import check; "
         "sys.exit(check.main())", str(place)],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 documents" in ended.stdout
    assert "3 proofs hold" in ended.stdout


def test_a_table_goes_to_standard_output(data: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["export", "--account", "100000108", "-o", "-", "--number", "F-2"]) == 0
    assert capfdbinary.readouterr().out.count(b"\r\n") == 2
