"""The judges in Java: veraPDF and the validator of Mustang, brought by Maven, pinned by checksums, asked in one go.

They are no need of the gateway and no dependency of the project. Maven brings them by their names alone, with its own
settings, into a folder of the user's cache; each archive must have the checksum noted in java/<judge>.lock, and there
may be no other. Each judge is started once for all files, by a small program of ours that speaks lines.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lxml import etree

JAVA = Path(__file__).parent / "java"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
MINUTES = 30
"""How long one judge may take for everything."""


class Absent(Exception):
    """A judge cannot be asked here; the message says what is missing."""


class Broken(Exception):
    """A judge is not the one that was pinned, or did not answer as it should."""


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive a judge is made of."""

    group: str
    artifact: str
    version: str
    classifier: str
    checksum: str
    """SHA-256."""

    @property
    def file_name(self) -> str:
        """As Maven names it."""
        return "-".join(filter(None, (self.artifact, self.version, self.classifier))) + ".jar"


@dataclass(frozen=True, slots=True)
class Judge:
    """One judge, named by its program and its lock."""

    name: str

    @property
    def program(self) -> Path:
        """Our program that asks it."""
        return JAVA / f"{self.name}.java"

    @property
    def lock(self) -> Path:
        """The list of its archives."""
        return JAVA / f"{self.name}.lock"

    @property
    def folder(self) -> Path:
        """Where its archives are kept; another lock has another folder."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        mark = hashlib.sha256(self.lock.read_bytes()).hexdigest()[:12]
        return cache / "estafette" / "conformance" / f"{self.name}-{mark}"


VERA = Judge("verapdf")
MUSTANG = Judge("mustang")


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a judge says of one file."""

    passed: bool
    findings: tuple[str, ...] = ()
    """Why it did not pass."""
    content: tuple[str, ...] = field(default=())
    """What it says of the XML inside, which is told apart: other rules judge that."""


# Installing ----------------------------------------------------------------------------------------------------------


def archives(judge: Judge) -> tuple[Archive, ...]:
    """What a judge is made of, from its lock: a checksum and group:artifact:version[:classifier] in each line."""
    found = []
    for line in judge.lock.read_text(encoding="ascii").splitlines():
        checksum, _, name = line.partition("  ")
        group, artifact, version, *classifier = name.split(":")
        found.append(Archive(group, artifact, version, "".join(classifier), checksum))
    return tuple(found)


def install(judge: Judge) -> None:
    """Bring a judge, if it is not there yet. Raises Absent, Broken."""
    if shutil.which("java") is None:
        raise Absent("Java is not installed here")
    if not judge.folder.is_dir():
        _fetch(judge)
    pinned = {(one.file_name, one.checksum) for one in archives(judge)}
    there = {(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in judge.folder.iterdir()}
    if pinned != there:
        names = sorted({name for name, _ in pinned ^ there})
        raise Broken(f"{judge.folder} is not what was pinned: {', '.join(names[:5])}. Delete it to fetch it anew.")


def _fetch(judge: Judge) -> None:
    """Let Maven copy the archives next to their place, and move them there once all have come."""
    if shutil.which("mvn") is None:
        raise Absent(f"Maven, which brings {judge.name}, is not installed here")
    partial = judge.folder.with_suffix(f".{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        (partial / "pom.xml").write_text(_order(judge), encoding="utf-8")
        command = ["mvn", "-q", "-B", "-f", str(partial / "pom.xml"), COPY, "-DexcludeTransitive=true"]
        command.append(f"-DoutputDirectory={partial / 'jars'}")
        done = subprocess.run(command, capture_output=True, text=True, timeout=MINUTES * 60, check=False)
        if done.returncode:
            told = [line for line in done.stdout.splitlines() if "ERROR" in line]
            raise Absent(f"Maven could not bring {judge.name}: {(told or ['it gives no reason'])[0]}")
        (partial / "jars").rename(judge.folder)
    finally:
        shutil.rmtree(partial)


def _order(judge: Judge) -> str:
    """What Maven is to copy: the archives of the lock and no others."""
    dependencies = "".join(
        f"""
  <dependency>
   <groupId>{one.group}</groupId><artifactId>{one.artifact}</artifactId><version>{one.version}</version>
   {f"<classifier>{one.classifier}</classifier>" if one.classifier else ""}
   <exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>
  </dependency>"""
        for one in archives(judge)
    )
    return f"""<project>
 <modelVersion>4.0.0</modelVersion>
 <groupId>estafette</groupId><artifactId>{judge.name}</artifactId><version>1</version><packaging>pom</packaging>
 <dependencies>{dependencies}
 </dependencies>
</project>
"""


# Asking --------------------------------------------------------------------------------------------------------------


def verapdf(asked: Sequence[tuple[Path, str]]) -> Iterator[Opinion]:
    """What veraPDF says of each file by one of its profiles (3a, 3b, ua1), in order. Raises Broken."""
    findings: list[str] = []
    answers = 0
    for line in lines(VERA, [f"{flavour}\t{path}" for path, flavour in asked]):
        kind, *parts = line.split("\t")
        if kind == "#finding":
            rule, where, says = parts
            findings.append(f"{rule} at {where}: {says}")
        elif kind == "#verdict":
            flavour, verdict, assertions = parts
            if flavour != asked[answers][1] or (verdict == "pass" and (findings or not int(assertions))):
                raise Broken(f"veraPDF answered out of turn: {line}")
            yield Opinion(verdict == "pass", tuple(findings))
            findings, answers = [], answers + 1
    if answers != len(asked):
        raise Broken(f"veraPDF judged {answers} of {len(asked)} files")


def mustang(paths: Sequence[Path]) -> Iterator[Opinion]:
    """What Mustang says of each file, in order. Raises Broken."""
    answers = 0
    for line in lines(MUSTANG, list(map(str, paths))):
        kind, _, report = line.partition("\t")
        if kind == "#report":
            yield opinion(base64.b64decode(report))
            answers += 1
    if answers != len(paths):
        raise Broken(f"Mustang judged {answers} of {len(paths)} files")


def opinion(report: bytes) -> Opinion:
    """The container passes when its part is valid and nothing is said outside the part of the XML."""
    try:
        root = etree.fromstring(report)
    except etree.XMLSyntaxError:
        return Opinion(False, ("no report that can be read",))
    said = [*root.iterfind("pdf/messages/*"), *root.iterfind("messages/*")]
    status = root.find("pdf/summary")
    valid = status is not None and status.get("status") == "valid"
    part = root.find("pdf")
    text = "no part on PDF" if part is None else " ".join("".join(map(str, part.itertext())).split())
    findings = [f"{one.tag}: {one.text}" for one in said] or ([] if valid else [text[:600]])
    content = [f"{one.tag}: {one.text}" for one in root.iterfind("xml/messages/*") if one.tag != "notice"]
    return Opinion(not findings, tuple(findings), tuple(content))


def lines(judge: Judge, questions: Sequence[str]) -> Iterator[str]:
    """The lines a judge gives while it is asked. It ends when the caller stops listening, and after `MINUTES`."""
    command = ["java", "-Xmx2g", "-Djava.awt.headless=true", "-cp", f"{judge.folder}/*", str(judge.program)]
    with tempfile.TemporaryFile() as asked:
        asked.write("".join(f"{question}\n" for question in questions).encode())
        asked.seek(0)
        process = subprocess.Popen(
            command, stdin=asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
        )
        assert process.stdout is not None
        too_long = threading.Timer(MINUTES * 60, process.kill)
        too_long.start()
        try:
            yield from (line.rstrip("\n") for line in process.stdout)
            process.wait(60)
        finally:
            too_long.cancel()
            process.kill()
            process.stdout.close()
            process.wait()
    if process.returncode:
        raise Broken(f"{judge.name} ended with code {process.returncode}")
