"""What docker/ says is held against what the program takes; `make docker-check` does the steps themselves."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml

from adapters import catalogue
from gateway import settings
from gateway.__main__ import parser
from gateway.errors import Misconfigured
from tests.house import container, docker, dockerfile
from tests.house.dockerfile import NotUnderstood

IMAGE = "estafette:local"


class Asked(dict[str, str]):
    """An environment that remembers which names it was asked for."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.names.add(key)
        return super().get(key, default)


@pytest.fixture(scope="module")
def image() -> dockerfile.Stage:
    return dockerfile.stages(container.DOCKERFILE.read_text(encoding="utf-8"))[-1]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(container.COMPOSE.read_text(encoding="utf-8"))
    return read


def ours(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in compose["services"].items() if service["image"] == IMAGE}


def test_the_image_is_not_root_and_knows_how_it_is(image: dockerfile.Stage) -> None:
    assert 0 not in image.user()
    assert image.health()[0] == "python3"
    assert "/health/ready" in image.health()[-1]
    environment = image.environment()
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"
    volume = image.last("VOLUME")
    assert volume is not None
    assert volume.command() == (environment["ESTAFETTE_DATA"],)
    exposed = image.last("EXPOSE")
    assert exposed is not None
    assert exposed.text == environment["ESTAFETTE_PORT"]


def test_the_image_sets_what_the_gateway_reads(image: dockerfile.Stage) -> None:
    environment = {name: value for name, value in image.environment().items() if name.startswith("ESTAFETTE_")}
    asked = Asked(environment)
    read = settings.read(asked)
    assert set(environment) <= asked.names
    assert (read.host, read.port, read.data) == ("0.0.0.0", 8320, Path("/data"))
    name, *words = image.command()
    assert name == "estafette"
    assert parser(words[0]).parse_args(words).command == "serve"


def test_the_image_installs_hashed_packages_only() -> None:
    steps = [
        step for stage in dockerfile.stages(container.DOCKERFILE.read_text(encoding="utf-8")) for step in stage.steps
    ]
    installs = [
        words for step in steps if step.name == "RUN" for words in re.findall(r"pip (?:install|wheel)[^&]*", step.text)
    ]
    assert len(installs) == 4
    for words in installs:
        assert ("--require-hashes --only-binary :all:" in words) != ("--no-index --no-deps" in words), words
    assert sum("-r requirements.lock" in words for words in installs) == 1


@pytest.mark.parametrize("path", [docker.JUDGES, container.ROOT / "docker" / "build.lock"], ids=lambda path: path.name)
def test_each_lock_is_hashed_and_names_no_registry(path: Path) -> None:
    lock = path.read_text(encoding="utf-8")
    assert "://" not in lock
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==\S+ ", entry)
        assert "--hash=sha256:" in entry


def test_the_image_is_built_with_what_the_project_is_set_up_with() -> None:
    def versions(path: str) -> dict[str, str]:
        return dict(
            re.findall(r"^([a-z0-9-]+)==(\S+)", (container.ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
        )

    tools = versions("tests/requirements.lock")
    assert versions("docker/build.lock").items() <= tools.items()


def test_the_context_holds_the_project_and_no_secret() -> None:
    ignored = dockerfile.ignored((container.ROOT / ".dockerignore").read_text(encoding="utf-8"))

    def sent(path: str) -> bool:
        return not ignored.keeps_away(PurePosixPath(path))

    assert sent("gateway/main.py")
    assert sent("schemas/formats/facturx/templates/invoice.typ")
    assert sent("docker/build.lock")
    for path in (
        "docker/secrets/pepper",
        ".git/config",
        ".venv/bin/python",
        "tests/conftest.py",
        "estafette-data/secrets/pepper",
        "gateway/__pycache__/main.cpython-311.pyc",
        "gateway/api/__pycache__/auth.cpython-311.pyc",
    ):
        assert not sent(path), path


def test_a_folder_of_the_context_is_copied_without_what_is_ignored(tmp_path: Path) -> None:
    (container.ROOT / "gateway" / "__pycache__").mkdir(exist_ok=True)
    count = docker.copy_context("gateway", tmp_path)
    copied = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert count == len(copied)
    assert {Path("main.py"), Path("api/openapi.yaml")} <= copied
    assert not [path for path in copied if "__pycache__" in path.parts]
    assert docker.copy_context("docker/secrets", tmp_path) == 0


def test_only_plain_copies_are_made(tmp_path: Path) -> None:
    for text in ("COPY gateway there", "COPY gate* there/", "COPY alone/"):
        (stage,) = dockerfile.stages(f"FROM debian:bookworm-slim\n{text}")
        with pytest.raises(NotUnderstood):
            docker.steps(stage, tmp_path, {}, {})
    (stage,) = dockerfile.stages("FROM debian:bookworm-slim\nCOPY tests there/")
    with pytest.raises(container.Failed, match="no tests"):
        docker.steps(stage, tmp_path, {}, {})


def test_every_service_is_hardened(compose: dict[str, Any], image: dockerfile.Stage) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service
        assert service["image"] == IMAGE or service["user"] not in ("root", "0", "0:0"), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        for needed, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            other = compose["services"][needed]
            assert "healthcheck" in other or other["image"] == IMAGE
    assert compose["services"]["postgres"]["image"] == "postgres:18"
    assert str(image.user()[1]) in compose["services"]["postgres"]["group_add"]


def test_secrets_are_files_and_each_is_read(compose: dict[str, Any]) -> None:
    readme = (container.ROOT / "docker" / "secrets" / "README").read_text(encoding="utf-8")
    for name, secret in compose["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert name in readme
    for name, service in compose["services"].items():
        words = [*service.get("environment", {}).values(), *service.get("command", [])]
        used = {found for word in words for found in re.findall(r"/run/secrets/(\w+)", word)}
        assert used == set(service.get("secrets", [])), name
        for key, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|PEPPER", key) or value.startswith("/run/secrets/"), key


async def test_the_services_are_given_settings_that_exist_and_fit(compose: dict[str, Any], tmp_path: Path) -> None:
    for name in compose["secrets"]:
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text("secret")
    seen = set()
    for name, service in ours(compose).items():
        given = {
            key: value.replace("/run/secrets", str(tmp_path)) for key, value in service.get("environment", {}).items()
        }
        options = parser(service["command"][0]).parse_args(service["command"])
        seen.add(options.command)
        if options.command == "platform":
            assert not given
            continue
        asked = Asked(given)
        read = settings.read(asked)
        networks, problems = catalogue.build(asked, lambda: datetime.now(UTC))
        assert not problems, name
        assert {network.name for network in networks.all} == {"afnor", "mail"}
        for network in networks.all:
            await network.close()
        assert set(given) <= asked.names, name
        assert read.database_password_file is not None
        assert settings.read_secret(read.database_password_file) == "secret"
    assert seen == {"serve", "work", "platform"}
    assert (
        sum(service["command"][0] == "serve" for service in compose["services"].values() if "command" in service) == 2
    )


def test_the_services_find_each_other(compose: dict[str, Any]) -> None:
    services = compose["services"]
    platform = parser("platform").parse_args(services["platform"]["command"])
    postgres = services["postgres"]["environment"]
    for name, service in ours(compose).items():
        if name == "platform":
            continue
        given = service["environment"]
        place = f"platform:{platform.port}"
        assert given["ESTAFETTE_AFNOR_URL"] == f"http://{place}/afnor-flow"
        assert given["ESTAFETTE_AFNOR_TOKEN_URL"] == f"http://{place}/oauth2/token"
        assert given["ESTAFETTE_EGRESS_ALLOW"] == place
        assert given["ESTAFETTE_AFNOR_CLIENT_ID"] == platform.client_id
        assert given["ESTAFETTE_AFNOR_CLIENT_SECRET_FILE"] == str(platform.client_secret_file)
        assert given["ESTAFETTE_MAIL_HOST"] in services
        user, database = postgres["POSTGRES_USER"], postgres["POSTGRES_DB"]
        assert given["ESTAFETTE_DATABASE_URL"] == f"postgresql://{user}@postgres:5432/{database}"
        assert given["ESTAFETTE_DATABASE_PASSWORD_FILE"] == postgres["POSTGRES_PASSWORD_FILE"]


@pytest.fixture
def platform(compose: dict[str, Any], tmp_path: Path) -> Iterator[str]:
    """The simulated platform as compose.yaml starts it, on a free port of loopback; its address."""
    secret = tmp_path / "afnor_client_secret"
    secret.touch(mode=0o600)
    secret.write_text("a secret of the operator's\n")
    told = {
        "--host=0.0.0.0": "--host=127.0.0.1",
        "--port=8330": "--port=0",
        "--data=/data": f"--data={tmp_path / 'data'}",
        "--client-secret-file=/run/secrets/afnor_client_secret": f"--client-secret-file={secret}",
    }
    words = compose["services"]["platform"]["command"]
    assert set(told) <= set(words)
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", *(told.get(word, word) for word in words)],
        cwd=container.ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


def test_the_platform_admits_the_client_that_the_gateways_bear(platform: str, compose: dict[str, Any]) -> None:
    def ask(secret: str) -> dict[str, Any]:
        client = compose["services"]["gateway-1"]["environment"]["ESTAFETTE_AFNOR_CLIENT_ID"]
        form = f"grant_type=client_credentials&client_id={client}&client_secret={secret}"
        with urlopen(Request(f"{platform}/oauth2/token", form.encode()), timeout=20) as answer:
            read: dict[str, Any] = json.load(answer)
            return read

    assert ask("a+secret+of+the+operator's")["access_token"]
    with pytest.raises(HTTPError, match="401") as refused:
        ask("another")
    refused.value.close()


@pytest.mark.parametrize("words", [["--client-id=a"], ["--client-secret-file=nowhere"]])
def test_the_platform_takes_both_parts_of_a_login_or_none(words: list[str]) -> None:
    options = parser("platform").parse_args(["platform", *words])
    with pytest.raises(Misconfigured, match="go together"):
        options.run(options, settings.read({}))


@pytest.mark.parametrize(
    "text",
    [
        "RUN true",
        "FROM a\nADD b /",
        "FROM a\nONBUILD RUN true",
        "FROM a\nARG b",
        'FROM a\nSHELL ["/bin/bash"]',
        "FROM a\nRUN --mount=type=cache true",
        "FROM a\nCOPY --chown=1:1 b c/",
        "FROM a\nRUN true \\",
        "FROM a\nRUN cat <<EOF",
        "# syntax=docker/dockerfile:1\nFROM a",
        "FROM a b",
        "FROM a\nUSER",
        "",
    ],
)
def test_what_is_not_read_is_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        dockerfile.stages(text)


def test_a_dockerfile_is_read_as_an_engine_reads_it() -> None:
    first, last = dockerfile.stages(
        "FROM debian:bookworm-slim AS build\n# a note\nRUN one \\\n  # another\n\n && two\\\nthree\n"
        'FROM debian:bookworm-slim\nENV A=1 B="2 3"\nENV A=4\nCOPY --from=build /a /b /c/\nUSER 7:8\nWORKDIR /w\n'
        'HEALTHCHECK --interval=1m30s CMD ["a"]\nENTRYPOINT ["e", "f"]\nCMD ["g"]\n'
    )
    assert (first.name, first.base) == ("build", "debian:bookworm-slim")
    assert [(step.line, step.text) for step in first.steps] == [(3, "one  && twothree")]
    assert last.environment() == {"A": "4", "B": "2 3"}
    assert (last.user(), last.folder(), last.command(), last.health()) == ((7, 8), "/w", ("e", "f", "g"), ("a",))
    copy, check = last.last("COPY"), last.last("HEALTHCHECK")
    assert copy is not None
    assert (copy.flags, copy.words()) == ({"from": "build"}, ("/a", "/b", "/c/"))
    assert check is not None
    assert container.seconds(check.flags["interval"]) == 90
    for wrong in ("FROM a\nENV A=$B", "FROM a\nENV A b"):
        with pytest.raises(NotUnderstood):
            dockerfile.stages(wrong)[0].environment()
    with pytest.raises(NotUnderstood):
        dockerfile.stages("FROM a\nUSER postgres")[0].user()
    with pytest.raises(NotUnderstood):
        dockerfile.stages("FROM a\nHEALTHCHECK NONE")[0].health()
    with pytest.raises(NotUnderstood):
        dockerfile.stages("FROM a\nCMD serve")[0].command()


@pytest.mark.parametrize("pattern", ["a[b]", "a/**/b", "a?", "**"])
def test_a_pattern_that_is_not_read_is_refused(pattern: str) -> None:
    with pytest.raises(NotUnderstood):
        dockerfile.ignored(pattern)


def test_the_check_fails_where_it_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(container.Failed, match="need root"):
        docker.check_steps()
