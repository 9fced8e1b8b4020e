"""Starts the root of an image as an engine would: its user, no privileges, a read-only root, no network but loopback.

Once as it is, with the PostgreSQL it brings; then as the services of docker/compose.yaml, with the settings, commands
and secrets which that file gives them. In the place of the images that are not ours stands, for the database, a server
of the same release; the mail catcher is left out, which nothing needs before the first e-mail.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import yaml

from tests.house import dockerfile
from tests.house.dockerfile import NotUnderstood, Stage

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
COMPOSE = ROOT / "docker" / "compose.yaml"
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
STEP_PATIENCE = 900
"""Seconds one step may take."""
STOP_PATIENCE = 30
"""Seconds a stopped container may take to end."""
SIREN = "100000108"
"""Valid by its check digit, in a range that holds no company."""


class Failed(Exception):
    """The check fails, or could not be made; with the reason."""


@dataclass(frozen=True, slots=True)
class Container:
    """The image, ready to be started any number of times."""

    stage: Stage
    view: Path
    """Its root as a container sees it."""

    def words(self, command: Sequence[str]) -> list[str]:
        """The words that run a command in it as the image's user, without privileges or a way to get any."""
        user, group = self.stage.user()
        return [
            "/usr/sbin/chroot", str(self.view), "/usr/bin/setpriv", f"--reuid={user}", f"--regid={group}",
            "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs",
            "/usr/bin/env", f"--chdir={self.stage.folder()}", *command,
        ]  # fmt: skip

    def ask(self, command: Sequence[str], env: Mapping[str, str], patience: float = 60) -> str:
        """Run a command to its end; what it wrote. Raises Failed with what it complained of."""
        ended = subprocess.run(
            self.words(command), env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=patience,
        )  # fmt: skip
        if ended.returncode != 0:
            raise Failed(f"{command[0]} ended with {ended.returncode}: {ended.stderr[-2000:]}")
        return ended.stdout

    @contextmanager
    def running(
        self, command: Sequence[str], env: Mapping[str, str], stop: signal.Signals = signal.SIGTERM
    ) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """Run a command until the end of the block, stop it, and hold that it ended well. Raises Failed.

        The block gets the process and its log; a Failed that leaves the block is told with the log's end.
        """
        log = self.view.parent / f"{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.words(command), env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            yield process, log
            process.send_signal(stop)
            code = process.wait(STOP_PATIENCE)
            if code != 0:
                raise Failed(f"{' '.join(command)} ended with {code} when it was stopped")
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(command)} did not end in {STOP_PATIENCE} s\n{tail(log)}") from None
        except Failed as why:
            raise Failed(f"{why}\n-- {' '.join(command)} said:\n{tail(log)}") from why
        finally:
            process.kill()
            process.wait()

    def wait_healthy(self, process: subprocess.Popen[bytes], health: Sequence[str], env: Mapping[str, str]) -> None:
        """Ask a health check as long as an engine would. Raises Failed."""
        step = self.stage.last("HEALTHCHECK")
        flags = step.flags if step is not None else {}
        begun = time.monotonic()
        patience = seconds(flags.get("start-period", "0s")) + seconds(flags.get("interval", "30s")) * 3
        said = ""
        while time.monotonic() < begun + patience:
            if process.poll() is not None:
                raise Failed(f"it ended by itself with {process.returncode}")
            try:
                self.ask(health, env, seconds(flags.get("timeout", "30s")))
            except (Failed, subprocess.TimeoutExpired) as not_yet:
                said = str(not_yet)[-300:]
            else:
                print(f"healthy after {time.monotonic() - begun:.1f} s", flush=True)
                return
            time.sleep(0.5)
        raise Failed(f"it was not healthy within {patience:.0f} s; the last answer: {said}")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say that something begins, and how long it took when it went well."""
    started = time.monotonic()
    print(f"== {what}", flush=True)
    yield
    print(f"== {what}: ok in {time.monotonic() - started:.1f} s", flush=True)


def run(*command: str | Path, patience: float = STEP_PATIENCE, **more: Any) -> None:
    """Run a command to its end. Raises Failed."""
    shown = " ".join(map(str, command[:2]))
    try:
        ended = subprocess.run(command, check=False, timeout=patience, stdin=subprocess.DEVNULL, **more)
    except (OSError, subprocess.TimeoutExpired) as unable:
        raise Failed(f"{shown}: {unable}") from unable
    if ended.returncode != 0:
        raise Failed(f"{shown} ended with {ended.returncode}")


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-40:])


def seconds(text: str) -> float:
    """A duration of the Dockerfile, in seconds."""
    found = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text)
    if not text or found is None:
        raise NotUnderstood(f"{text!r} is not a duration of minutes and seconds")
    return 60.0 * int(found[1] or 0) + int(found[2] or 0)


# The root ------------------------------------------------------------------------------------------------------------


def devices(root: Path) -> None:
    """Mount what an engine mounts: /proc and the harmless devices."""
    run("mount", "-t", "proc", "proc", root / "proc")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "dev", root / "dev")
    for name in DEVICES:
        (root / "dev" / name).touch()
        run("mount", "--bind", f"/dev/{name}", root / "dev" / name)
    for name, target in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        (root / "dev" / name).symlink_to(f"/proc/self/fd{target}")
    (root / "dev" / "shm").mkdir()
    run("mount", "-t", "tmpfs", "-o", "mode=1777,size=64m", "shm", root / "dev" / "shm")


def mounted(stage: Stage, folder: Path) -> Container:
    """The image's root, read-only but for its volume and /tmp, with the secrets and names that compose gives it."""
    root, view, volume, secrets = (folder / "last").resolve(), folder / "view", folder / "volume", folder / "secrets"
    step = stage.last("VOLUME")
    if step is None or len(step.command()) != 1:
        raise Failed("the image has not one volume")
    place = step.command()[0].lstrip("/")
    run("cp", "--archive", root / place, volume)  # a new volume is what the image has in its place
    secrets.mkdir(mode=0o755)
    compose = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    for name in compose["secrets"]:
        (secrets / name).write_text(os.urandom(32).hex())
        (secrets / name).chmod(0o640)
        os.chown(secrets / name, 0, stage.user()[1])
    (root / "run" / "secrets").mkdir()
    (root / "etc" / "hosts").write_text(f"127.0.0.1 localhost {' '.join(compose['services'])}\n")
    view.mkdir()
    run("mount", "--bind", root, view)
    run("mount", "-o", "remount,bind,ro", view)
    run("mount", "--bind", volume, view / place)
    run("mount", "--bind", secrets, view / "run" / "secrets")
    run("mount", "-o", "remount,bind,ro", view / "run" / "secrets")
    run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmp", view / "tmp")
    devices(view)
    return Container(stage, view)


def loopback() -> None:
    """Bring up the only network there is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        flags = struct.pack("16sH14x", b"lo", 0x1 | 0x40)  # up and running
        fcntl.ioctl(handle, 0x8914, flags)  # SIOCSIFFLAGS


# The start -----------------------------------------------------------------------------------------------------------


def start(folder: Path) -> None:
    """Start the image alone, twice over one volume, then as the services of compose.yaml. Raises Failed."""
    loopback()
    container = mounted(dockerfile.stages(DOCKERFILE.read_text(encoding="utf-8"))[-1], folder)
    with timed("what a container may do"):
        confined(container)
    stage = container.stage
    for turn in ("first start, with its own PostgreSQL", "second start, on the same volume"):
        with timed(turn), container.running(stage.command(), stage.environment()) as (process, _):
            container.wait_healthy(process, stage.health(), stage.environment())
    if not (folder / "volume" / "postgres" / "PG_VERSION").is_file():
        raise Failed("the database does not lie in the volume")
    with timed("the services of compose.yaml"):
        together(container, yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"])


def confined(container: Container) -> None:
    """Hold that it is not root, has no privileges, and can write on its volume and /tmp only. Raises Failed."""
    environment = container.stage.environment()
    if container.ask(["id", "-u"], environment).strip() == "0":
        raise Failed("the image runs as root")
    status = dict(re.findall(r"(\w+):\s+(\S+)", container.ask(["cat", "/proc/self/status"], environment)))
    if any(int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")) or status["NoNewPrivs"] != "1":
        raise Failed(f"it has privileges: {status}")
    look = "find / -xdev -path /data -prune -o -path /tmp -prune -o -type d -writable -print 2> /dev/null; true"
    writable = container.ask(["sh", "-c", look], environment).split()
    if writable:
        raise Failed(f"its root can be written: {writable[:5]}")
    container.ask(["touch", "/data/probe", "/tmp/probe"], environment)
    container.ask(["rm", "/data/probe", "/tmp/probe"], environment)


def together(container: Container, services: Mapping[str, Any]) -> None:
    """Start what compose.yaml makes of the image; hold that its gateways are one. Raises Failed."""
    image, (name, *_) = container.stage.environment(), container.stage.command()
    with ExitStack() as stack:
        stack.enter_context(postgres(container, services["postgres"]["environment"]))
        ports = {"gateway-1": 8320, "gateway-2": 8321}  # in containers each has a network of its own
        for service in ("platform", "gateway-1", "gateway-2", "workers"):
            given = services[service]
            port = {"ESTAFETTE_PORT": str(ports[service])} if service in ports else {}
            env = {**image, **given.get("environment", {}), **port}
            print(f"{service}: {' '.join(given['command'])}", flush=True)
            process, log = stack.enter_context(container.running((name, *given["command"]), env))
            check = given.get("healthcheck", {})
            if check.get("disable"):
                wait_said(process, log, b"Estafette works with")
            else:
                container.wait_healthy(process, check["test"][1:] if check else container.stage.health(), env)
        words = (name, "account", "create", "Atelier du Levant", f"--siren={SIREN}", "--format=json")
        key = json.loads(container.ask(words, image | services["gateway-1"]["environment"]))["api_key"]
        for service, port_number in ports.items():
            connection = HTTPConnection("127.0.0.1", port_number, timeout=20)
            connection.request("GET", "/v1/documents", headers={"Authorization": f"Bearer {key}"})
            status = connection.getresponse().status
            connection.close()
            if status != 200:
                raise Failed(f"{service} answers {status} to a key of the account")
        print("an account opened beside one gateway is known to both", flush=True)


@contextmanager
def postgres(container: Container, given: Mapping[str, str]) -> Iterator[None]:
    """A PostgreSQL of the image's own binaries, set up as compose.yaml tells the official image to set up its one."""
    env = container.stage.environment()
    (programs,) = (
        "/" + str(path.parent.relative_to(container.view))
        for path in (container.view / "opt").rglob("pginstall/bin/postgres")
    )
    user, folder = given["POSTGRES_USER"], "/data/compose-postgres"
    words = given["POSTGRES_INITDB_ARGS"].split()
    container.ask([f"{programs}/initdb", "-D", folder, "-U", user, f"--pwfile={given['POSTGRES_PASSWORD_FILE']}",
                   "--auth-local=reject", "--no-sync", *words], env)  # fmt: skip
    made = f"echo 'create database {given['POSTGRES_DB']}' | {programs}/postgres --single -D {folder} postgres"
    container.ask(["sh", "-c", made], env)
    command = [f"{programs}/postgres", "-D", folder, "-c", "listen_addresses=127.0.0.1",
               "-c", "unix_socket_directories=/tmp"]  # fmt: skip
    with container.running(command, env, signal.SIGINT) as (process, log):
        wait_said(process, log, b"ready to accept connections")
        yield


def wait_said(process: subprocess.Popen[bytes], log: Path, what: bytes) -> None:
    """Wait until a process says that it is there. Raises Failed."""
    deadline = time.monotonic() + 60
    while what not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failed("it did not say that it is there")
        time.sleep(0.1)
