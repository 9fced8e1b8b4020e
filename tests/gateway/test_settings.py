"""Settings: read once, every complaint at once, secrets only from files that others cannot read."""

from dataclasses import fields
from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.settings import Settings, describe, read, read_secret


def test_defaults_work_without_any_variable():
    assert read({}) == Settings()


def test_values_are_read():
    found = read({"ESTAFETTE_PORT": "9000", "ESTAFETTE_DATA": "/srv/data", "ESTAFETTE_LANGUAGE": "en"})
    assert (found.port, found.data, found.language) == (9000, Path("/srv/data"), "en")


def test_all_complaints_are_told_at_once():
    wrong = {
        "ESTAFETTE_PORT": "x",
        "ESTAFETTE_LANGUAGE": "xx",
        "ESTAFETTE_DATABASE_URL": "mysql://",
        "ESTAFETTE_POOL_SIZE": "1",
    }
    with pytest.raises(Misconfigured) as refused:
        read(wrong)
    for name in wrong:
        assert name in refused.value.detail


def test_every_setting_has_its_name_and_its_words():
    for item in fields(Settings):
        assert item.metadata["name"].startswith("ESTAFETTE_")
        assert item.metadata["says"]


def test_the_table_tells_the_origin():
    environment = {"ESTAFETTE_PORT": "9000"}
    rows = {name: (value, origin) for name, value, origin, _ in describe(read(environment), environment)}
    assert rows["ESTAFETTE_PORT"] == ("9000", "environment")
    assert rows["ESTAFETTE_HOST"] == ("127.0.0.1", "default")


def test_a_secret_is_read_from_a_private_file(tmp_path):
    secret = tmp_path / "pepper"
    secret.write_text("s3cret\n")
    secret.chmod(0o600)
    assert read_secret(secret) == "s3cret"


@pytest.mark.parametrize("mode", [0o604, 0o606, 0o644])
def test_a_secret_that_everybody_can_read_is_refused(tmp_path, mode):
    secret = tmp_path / "pepper"
    secret.write_text("s3cret")
    secret.chmod(mode)
    with pytest.raises(Misconfigured, match="everybody"):
        read_secret(secret)


def test_a_missing_or_empty_secret_is_refused(tmp_path):
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_secret(tmp_path / "none")
    empty = tmp_path / "empty"
    empty.touch(mode=0o600)
    with pytest.raises(Misconfigured, match="is empty"):
        read_secret(empty)
