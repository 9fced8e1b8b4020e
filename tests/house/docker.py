"""`make docker-check`: runs the steps of docker/Dockerfile without a container engine, and starts what they make.

Each FROM becomes a Debian root made by debootstrap, each COPY, ENV and RUN is done in it by chroot. The result is then
started (tests/house/container.py), alone and as the services of docker/compose.yaml. Both files are held against their
formats by published judges.

Everything happens in mount and process namespaces of its own, so that nothing stays mounted or running however this
ends. What this machine needs to reach the network (proxies, certificates, settings of apt and pip) is lent to the RUN
steps and taken away before the start. It needs root; what cannot be checked fails, with the reason.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from tests.house import dockerfile
from tests.house.container import COMPOSE, DOCKERFILE, ROOT, Failed, devices, run, start, tail, timed
from tests.house.dockerfile import Instruction, NotUnderstood, Stage

JUDGES = ROOT / "tests" / "house" / "docker.lock"
"""The published judges of both formats, pinned: hadolint, and check-jsonschema with the schema of the Compose Spec."""

ENGINE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of the Debian image where a Dockerfile sets none."""
TOOLS = ("unshare", "setpriv", "mount", "chroot", "cp")
LENT = re.compile(
    r"(https?|ftp|all|no)_proxy|PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|TRUSTED_HOST|CERT|CLIENT_CERT|PROXY|"
    r"DEFAULT_TIMEOUT|RETRIES)|SSL_CERT_FILE|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE",
    re.IGNORECASE,
)
"""Variables of this machine that its network may need."""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
LENT_FOLDER = "run/machine"
LENT_APT = "etc/apt/apt.conf.d/00machine"
PIP_FILES = (
    (Path("/etc/pip.conf"), "etc/pip.conf"),
    (Path.home() / ".config/pip/pip.conf", "root/.config/pip/pip.conf"),
)


def main(arguments: Sequence[str]) -> int:
    """Check everything; the parts `build` and `start` are called by the check itself, in their namespaces."""
    match arguments:
        case []:
            parts: dict[str, Any] = {"published formats": check_formats, "steps and start": check_steps}
        case ["build", folder]:
            parts = {"steps": lambda: build(Path(folder))}
        case ["start", folder]:
            parts = {"start": lambda: start(Path(folder))}
        case _:
            print("usage: python -m tests.house.docker", file=sys.stderr)
            return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was made is taken away
    failed = False
    for name, part in parts.items():
        try:
            with timed(name):
                part()
        except (Failed, NotUnderstood) as why:
            print(f"== {name}: FAILED: {why}", flush=True)
            failed = True
    return 1 if failed else 0


# The published formats -----------------------------------------------------------------------------------------------


def check_formats() -> None:
    """Hold the Dockerfile against hadolint and compose.yaml against the Compose Specification's schema."""
    dockerfile.stages(DOCKERFILE.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="docker-check-") as folder:
        judges = Path(folder) / "judges"
        run(sys.executable, "-m", "venv", judges)
        run(judges / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--require-hashes", "--only-binary", ":all:", "-r", JUDGES)  # fmt: skip
        run(judges / "bin" / "hadolint", "--failure-threshold", "style", DOCKERFILE)
        print("hadolint finds nothing in the Dockerfile", flush=True)
        run(judges / "bin" / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


# The steps -----------------------------------------------------------------------------------------------------------


def check_steps() -> None:
    """Make the image's root and start it, in namespaces that take every mount and process with them."""
    if os.geteuid() != 0:
        raise Failed("the steps need root (chroot and mounts); run it as root, for example in a virtual machine")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise Failed(f"these programs are missing here: {', '.join(missing)}")
    if shutil.which("debootstrap") is None:
        if shutil.which("apt-get") is None:
            raise Failed("debootstrap is missing, and there is no apt-get to install it with")
        print("debootstrap is missing: it is installed by apt-get", flush=True)
        run("apt-get", "update", "--quiet", stdout=subprocess.DEVNULL)
        run("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "debootstrap",
            stdout=subprocess.DEVNULL)  # fmt: skip
    folder = Path(tempfile.mkdtemp(prefix="docker-check-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        run("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
            sys.executable, "-m", "tests.house.docker", "build", folder, patience=3600, cwd=ROOT)  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise Failed(f"{folder} could not be removed")


def build(folder: Path) -> None:
    """Do the steps of every stage, then start what the last one made."""
    found = dockerfile.stages(DOCKERFILE.read_text(encoding="utf-8"))
    roots: dict[str, Path] = {}
    for stage in found:
        base = debian(stage.base, folder)
        root = roots[stage.name] = folder / f"root-{len(roots)}"
        with timed(f"stage {stage.name}"):
            run("cp", "--archive", base, root)
            devices(root)
            environment = lend(root)
            try:
                steps(stage, root, environment, roots)
            finally:
                take_back(root)
    (last := folder / "last").symlink_to(roots[found[-1].name])
    size = sum(path.lstat().st_size for path in last.resolve().rglob("opt/**/*") if not path.is_symlink())
    print(f"what the build stage hands over weighs {size / 1e6:.0f} MB", flush=True)
    run("unshare", "--net", sys.executable, "-m", "tests.house.docker", "start", folder, cwd=ROOT)


def debian(image: str, folder: Path) -> Path:
    """A Debian root as the image has it, made once for each release. Raises Failed."""
    found = re.fullmatch(r"debian:([a-z]+)-slim", image)
    if found is None:
        raise Failed(f"only the images debian:RELEASE-slim are known here, not {image}")
    root = folder / f"debian-{found[1]}"
    if not root.exists():
        with timed(f"debootstrap {found[1]}"), (folder / "debootstrap.log").open("wb") as log:
            mirror = [*mirrors(found[1])][:1]
            run("debootstrap", "--variant=minbase", found[1], root, *mirror, stdout=log, stderr=log)
    return root


def mirrors(release: str) -> Iterator[str]:
    """Where this machine gets that release of Debian from, if it does; else debootstrap knows a place."""
    apt = Path("/etc/apt")
    for path in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))):
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            one = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s", line)
            if one is not None and one[2] == release:
                yield one[1]
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        for paragraph in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
            fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", paragraph, re.MULTILINE))
            if release in fields.get("Suites", "").split() and "deb" in fields.get("Types", "").split():
                yield from fields.get("URIs", "").split()


def steps(stage: Stage, root: Path, lent: Mapping[str, str], roots: Mapping[str, Path]) -> None:
    """Do the steps of a stage that change its root. Raises Failed, NotUnderstood."""
    folder, environment = "/", {"PATH": ENGINE_PATH, "HOME": "/root"}
    for step in stage.steps:
        match step.name:
            case "ENV":
                environment |= step.pairs()
            case "WORKDIR":
                (folder,) = step.words()
                inside(root, folder).mkdir(parents=True, exist_ok=True)
            case "COPY":
                copy(step, root, folder, roots)
            case "RUN":
                if any(before.name == "USER" and before.line < step.line for before in stage.steps):
                    raise NotUnderstood(f"line {step.line}: RUN after USER is not read here")
                print(f"line {step.line}: RUN {step.text[:90]}", flush=True)
                words = ("chroot", root, "/usr/bin/env", f"--chdir={folder}", "/bin/sh", "-c", step.text)
                log = root.parent / "run.log"
                try:
                    with log.open("wb") as output:
                        run(*words, env={**lent, **environment}, stdout=output, stderr=output)
                except Failed as why:
                    raise Failed(f"line {step.line}: {why}\n{tail(log)}") from why
            case _:
                pass  # about how it is run, not about what is in it


def copy(step: Instruction, root: Path, folder: str, roots: Mapping[str, Path]) -> None:
    """COPY: files into a folder, or what is in folders into one; from another stage, or from the context."""
    *sources, target = step.words()
    if not sources or any(sign in word for word in step.words() for sign in "*?["):
        raise NotUnderstood(f"line {step.line}: COPY takes plain names, and where they go")
    if not target.endswith("/"):
        raise NotUnderstood(f"line {step.line}: COPY goes to a folder here; end its name with a slash")
    place = inside(root, str(PurePosixPath(folder, target)))
    place.mkdir(parents=True, exist_ok=True)
    for source in sources:
        if "from" in step.flags:
            found = inside(roots[step.flags["from"]], source)
            run("cp", "--archive", f"{found}/." if found.is_dir() else found, place)
        elif not copy_context(source, place):
            raise Failed(f"line {step.line}: COPY finds no {source} in what .dockerignore leaves")


def copy_context(source: str, place: Path) -> int:
    """Copy what .dockerignore leaves of a file or folder of the project; how many files."""
    ignored = dockerfile.ignored((ROOT / ".dockerignore").read_text(encoding="utf-8"))
    whole = ROOT / source
    count = 0
    for path in [whole] if whole.is_file() else sorted(whole.rglob("*")):
        if path.is_file() and not ignored.keeps_away(PurePosixPath(path.relative_to(ROOT))):
            target = place / path.relative_to(whole if whole.is_dir() else whole.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
            count += 1
    return count


def inside(root: Path, path: str) -> Path:
    """A path of a root, seen from outside."""
    return root / path.lstrip("/")


# What this machine lends ---------------------------------------------------------------------------------------------


def lend(root: Path) -> dict[str, str]:
    """Give a root this machine's way to the network; the variables that its steps need for it."""
    folder = root / LENT_FOLDER
    folder.mkdir(parents=True)
    lent = {name: value for name, value in os.environ.items() if value and LENT.fullmatch(name)}
    if CERTIFICATES.is_file():  # the root's own, once it has some, know no authority of a proxy
        lent.setdefault("PIP_CERT", str(CERTIFICATES))
    for name, value in lent.items():
        path = Path(value)
        if path.is_absolute() and path.exists():
            copied = folder / name
            shutil.copytree(path, copied) if path.is_dir() else shutil.copyfile(path, copied)
            lent[name] = f"/{LENT_FOLDER}/{name}"
    for path, target in PIP_FILES:
        if path.is_file():
            (root / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, root / target)
    for name in ("resolv.conf", "hosts"):
        with suppress(FileNotFoundError):
            shutil.copyfile(Path("/etc") / name, root / "etc" / name)
    if shutil.which("apt-config") is not None:
        told = subprocess.run(["apt-config", "dump", "Acquire"], check=True, capture_output=True, timeout=60)
        (root / LENT_APT).write_bytes(told.stdout)
    return lent


def take_back(root: Path) -> None:
    """Leave in a root only what its steps made."""
    shutil.rmtree(root / LENT_FOLDER)
    for path in (LENT_APT, *(target for _, target in PIP_FILES)):
        (root / path).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
