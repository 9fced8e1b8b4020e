"""Reads a Dockerfile and a .dockerignore: the part of both formats that ours use, and an error for everything else.

What is not understood is refused, so that a step which `make docker-check` would leave out or run differently from a
container engine cannot pass unseen: no variables outside RUN, no ADD, ARG, ONBUILD or SHELL, no parser directives.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

INSTRUCTIONS = {
    "FROM", "RUN", "COPY", "ENV", "LABEL", "USER", "WORKDIR", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
    "ENTRYPOINT", "CMD",
}  # fmt: skip
FLAGS = {
    "COPY": {"from"},
    "HEALTHCHECK": {"interval", "timeout", "start-period", "start-interval", "retries"},
}


class NotUnderstood(ValueError):
    """The file says something that is not read here; with its line."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction."""

    line: int
    name: str
    text: str
    """What follows the name and the flags, on one line."""
    flags: dict[str, str] = field(default_factory=dict)

    def command(self) -> tuple[str, ...]:
        """Its words in the form of a JSON list, the only one taken for what runs in the image."""
        try:
            words = json.loads(self.text)
        except ValueError:
            words = None
        if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
            raise NotUnderstood(f"line {self.line}: {self.name} is not a list of words in JSON")
        return tuple(words)

    def words(self) -> tuple[str, ...]:
        """Its words, apart by spaces. Raises NotUnderstood on variables."""
        return tuple(shlex.split(self._plain()))

    def pairs(self) -> dict[str, str]:
        """NAME=value pairs. Raises NotUnderstood."""
        pairs = [word.partition("=") for word in self.words()]
        if not all(name and sign for name, sign, _ in pairs):
            raise NotUnderstood(f"line {self.line}: {self.name} takes NAME=value")
        return {name: value for name, _, value in pairs}

    def _plain(self) -> str:
        if "$" in self.text:
            raise NotUnderstood(f"line {self.line}: variables are not read in {self.name}")
        return self.text


@dataclass(frozen=True, slots=True)
class Stage:
    """One FROM and what follows it."""

    base: str
    name: str
    steps: tuple[Instruction, ...]

    def last(self, name: str) -> Instruction | None:
        """The instruction of this name that counts: the last one."""
        return next((step for step in reversed(self.steps) if step.name == name), None)

    def environment(self) -> dict[str, str]:
        """What ENV leaves set."""
        return {name: value for step in self.steps if step.name == "ENV" for name, value in step.pairs().items()}

    def user(self) -> tuple[int, int]:
        """User and group of what runs in the image, in numbers. Raises NotUnderstood."""
        step = self.last("USER")
        if step is None:
            return 0, 0
        found = re.fullmatch(r"(\d+):(\d+)", step.text)
        if found is None:
            raise NotUnderstood(f"line {step.line}: USER takes two numbers, USER:GROUP")
        return int(found[1]), int(found[2])

    def folder(self) -> str:
        """The working folder of what runs in the image."""
        step = self.last("WORKDIR")
        return "/" if step is None else step.words()[0]

    def command(self) -> tuple[str, ...]:
        """ENTRYPOINT and CMD."""
        steps = [step for step in (self.last("ENTRYPOINT"), self.last("CMD")) if step is not None]
        return tuple(word for step in steps for word in step.command())

    def health(self) -> tuple[str, ...]:
        """The command of the health check. Raises NotUnderstood when there is none."""
        step = self.last("HEALTHCHECK")
        if step is None or not step.text.startswith("CMD "):
            raise NotUnderstood("there is no HEALTHCHECK CMD")
        return Instruction(step.line, step.name, step.text.removeprefix("CMD ").strip()).command()


def stages(text: str) -> tuple[Stage, ...]:
    """The stages of a Dockerfile. Raises NotUnderstood."""
    found: list[Stage] = []
    for step in _instructions(text):
        if step.name == "FROM":
            words = step.words()
            if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
                raise NotUnderstood(f"line {step.line}: FROM takes IMAGE or IMAGE AS NAME")
            found.append(Stage(words[0], words[2] if len(words) == 3 else str(len(found)), ()))
        elif not found:
            raise NotUnderstood(f"line {step.line}: {step.name} before FROM")
        else:
            stage = found.pop()
            found.append(Stage(stage.base, stage.name, (*stage.steps, step)))
    if not found:
        raise NotUnderstood("there is no FROM")
    return tuple(found)


def _instructions(text: str) -> Sequence[Instruction]:
    found: list[Instruction] = []
    lines = text.splitlines()
    if lines and re.match(r"#\s*(syntax|escape|check)\s*=", lines[0], re.IGNORECASE):
        raise NotUnderstood("line 1: parser directives are not read")
    parts: list[str] = []
    first = 0
    for number, line in enumerate(lines, start=1):
        bare = line.strip()
        if not bare or bare.startswith("#"):  # also within an instruction, as the format says
            continue
        first = first if parts else number
        if bare.endswith("\\"):
            parts.append(line.rstrip()[:-1])
            continue
        found.append(_instruction(first, "".join([*parts, line]).strip()))
        parts = []
    if parts:
        raise NotUnderstood(f"line {first}: the instruction does not end")
    return found


def _instruction(line: int, text: str) -> Instruction:
    name, _, rest = text.partition(" ")
    if name not in INSTRUCTIONS:
        raise NotUnderstood(f"line {line}: {name} is not an instruction that is read here")
    flags: dict[str, str] = {}
    rest = rest.strip()
    while (flag := re.match(r"--([a-z-]+)(?:=(\S+))?\s+", rest)) is not None:
        if flag[1] not in FLAGS.get(name, set()) or flag[2] is None:
            raise NotUnderstood(f"line {line}: {name} --{flag[1]} is not read here")
        flags[flag[1]] = flag[2]
        rest = rest[flag.end() :]
    if not rest:
        raise NotUnderstood(f"line {line}: {name} says nothing")
    if "<<" in rest:
        raise NotUnderstood(f"line {line}: here-documents are not read")
    return Instruction(line, name, rest, flags)


@dataclass(frozen=True, slots=True)
class Ignored:
    """What a .dockerignore keeps from the engine."""

    rules: tuple[tuple[bool, str], ...]
    """(whether it is kept away, pattern), the last one that fits decides."""

    def keeps_away(self, path: PurePosixPath) -> bool:
        """Whether a path of the context, or a folder it lies in, is kept away."""
        away = False
        for out, pattern in self.rules:
            if any(_fits(place, pattern) for place in (path, *path.parents) if place != PurePosixPath()):
                away = out
        return away


def ignored(text: str) -> Ignored:
    """Read a .dockerignore: names, paths, `*` within a name, `**/` before a name, `!`. Raises NotUnderstood."""
    rules = []
    for number, line in enumerate(text.splitlines(), start=1):
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        kept = pattern.startswith("!")
        pattern = pattern.removeprefix("!").strip("/")
        if not re.fullmatch(r"(\*\*/)?[\w.*-]+(/[\w.*-]+)*", pattern) or "**" in pattern.removeprefix("**/"):
            raise NotUnderstood(f".dockerignore line {number}: this pattern is not read here")
        rules.append((not kept, pattern))
    return Ignored(tuple(rules))


def _fits(path: PurePosixPath, pattern: str) -> bool:
    if pattern.startswith("**/"):
        pattern = pattern.removeprefix("**/")
        path = PurePosixPath(*path.parts[-len(PurePosixPath(pattern).parts) :])
    wanted = PurePosixPath(pattern).parts
    return len(wanted) == len(path.parts) and all(map(fnmatchcase, path.parts, wanted))
