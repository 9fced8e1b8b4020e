"""How approved platforms are reached: one from the environment for everybody, and one file for each further connection.

A platform binds its token to one company, so a gateway of several companies has several connections: a folder
(ESTAFETTE_AFNOR_PLATFORMS) holds one TOML file for each, which names the participants that it is for. The file's name
is the name of the network, so it stays as long as documents that went by it are of interest.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters import http
from adapters.bearer import Login
from adapters.dropped import is_siren
from adapters.port import Problem, secret_complaint

NAME = "afnor"
"""The name of the connection that the environment describes; those of files are called afnor-… after their file."""
FOLDER = "ESTAFETTE_AFNOR_PLATFORMS"
FILE_LIMIT = 65_536
CONNECTIONS_LIMIT = 1_000

_STEM = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_NEEDED = ("url", "token_url", "client_id", "client_secret_file")
_TEXTS = (*_NEEDED, "organization", "token_auth", "recipient")
_MEMBERS = frozenset((*_TEXTS, "seconds", "calls_per_second", "participants"))


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach one platform."""

    url: str
    """Base of the Flow Service, up to and without /v1."""
    token_url: str
    client_id: str
    secret_file: Path
    allow: frozenset[str] = frozenset()
    """host:port pairs that may be private or speak http."""
    organization: str = ""
    """Organization-Id sent with each call; empty: none."""
    secret_in_form: bool = False
    """Whether the client's secret goes into the form of the token call; else into its Authorization header, as RFC 6749
    prefers."""
    seconds: float = 30.0
    """Time for one call; a delivery gets twice that."""
    recipient: str = ""
    """SIREN of who receives invoices that do not tell for whom they are; empty: a person tells."""
    name: str = NAME
    """Of the network."""
    participants: frozenset[str] = frozenset()
    """SIREN of those whose documents go this way; empty: everybody's that no other connection is for."""
    calls_per_second: float = 0.0
    """How often the platform may be called by one process; 0: as often as there is something to ask."""

    @property
    def login(self) -> Login:
        """Where a token is asked for, and as whom."""
        return Login(self.token_url, self.client_id, self.secret_file, self.secret_in_form, self.seconds)


def from_environment(environment: Mapping[str, str], problems: list[Problem]) -> Settings | None:
    """Settings from ESTAFETTE_AFNOR_*; None when none is set, or when they cannot be used, as `problems` then tells."""
    given: dict[str, Any] = {
        name: environment.get(f"ESTAFETTE_AFNOR_{name.upper()}", "").strip()
        for name in (*_TEXTS, "seconds", "calls_per_second")
    }
    if not any(given[name] for name in _NEEDED) or _only_of_the_directory(given, environment):
        return None
    found: list[Problem] = []
    try:
        allow = http.allow_list(environment.get(http.ALLOW_NAME, ""))
    except ValueError as wrong:
        allow = frozenset()
        found.append(Problem(http.ALLOW_NAME, str(wrong)))
    given = {name: value for name, value in given.items() if value}
    said = [(f"ESTAFETTE_AFNOR_{name.upper()}", says) for name, says in _complaints(given, allow, Path())]
    found += [Problem(setting, says) for setting, says in said]
    problems.extend(found)
    return None if found else _made(given, allow, Path(), NAME)


def connections(environment: Mapping[str, str], problems: list[Problem]) -> tuple[Settings, ...]:
    """The connections of the folder ESTAFETTE_AFNOR_PLATFORMS, by name; what is wrong with any goes to `problems`."""
    folder = environment.get(FOLDER, "").strip()
    if not folder:
        return ()
    allow = http.allowed(environment)
    made, found = [], list[Problem]()
    try:
        files = sorted(Path(folder).glob("*.toml"))
    except OSError:
        files = []
    if not files or len(files) > CONNECTIONS_LIMIT:
        found.append(Problem(FOLDER, f"names a folder with 1 to {CONNECTIONS_LIMIT} files *.toml"))
    for file in files[:CONNECTIONS_LIMIT]:
        given, wrong = _read(file)
        wrong += [] if wrong else [f"{name}: {says}" for name, says in _complaints(given, allow, file.parent)]
        found += [Problem(f"{FOLDER}, {file.name}", says) for says in wrong]
        if not wrong:
            made.append(_made(given, allow, file.parent, f"{NAME}-{file.stem}"))
    found += [Problem(FOLDER, says) for says in _shared(made)]
    problems.extend(found)
    return () if found else tuple(made)


def _read(file: Path) -> tuple[dict[str, Any], list[str]]:
    """The members of a connection's file, and what is wrong with it as a whole."""
    if not _STEM.fullmatch(file.stem):
        return {}, ["its name is made of a-z, 0-9 and -, at most 40"]
    try:
        if file.stat().st_size > FILE_LIMIT:
            return {}, [f"it has more than {FILE_LIMIT} bytes"]
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}, ["it cannot be read as TOML"]
    wrong = [f"{name}: is no member of a connection" for name in sorted(given.keys() - _MEMBERS)]
    wrong += [f"{name}: must be a text" for name in _TEXTS if not isinstance(given.get(name, ""), str)]
    sirens = given.get("participants")
    if not isinstance(sirens, list) or not sirens or not all(isinstance(one, str) and is_siren(one) for one in sirens):
        wrong.append('participants: must be a list of SIRENs, for example ["100000108"]')
    return given, wrong


def _complaints(given: Mapping[str, Any], allow: frozenset[str], folder: Path) -> Iterator[tuple[str, str]]:
    """What is wrong with the members of one connection: the member, and why."""
    for name in _NEEDED:
        if not given.get(name):
            yield name, "is needed for the platform"
    for name in ("url", "token_url"):
        if given.get(name) and (complaint := http.complaint(given[name], allow)):
            yield name, complaint
    if (secret := given.get("client_secret_file")) and (complaint := secret_complaint(folder / secret)):
        yield "client_secret_file", complaint
    if given.get("token_auth", "basic") not in ("basic", "form"):
        yield "token_auth", "must be basic or form"
    seconds = str(given.get("seconds", "30"))
    if not (seconds.isascii() and seconds.isdigit() and 1 <= int(seconds) <= 600):
        yield "seconds", "must be a whole number from 1 to 600"
    if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", str(given.get("calls_per_second", "0")), re.ASCII):
        yield "calls_per_second", "must be a number from 0 (no limit) to 9999"
    if given.get("recipient") and not is_siren(given["recipient"]):
        yield "recipient", "must be a SIREN: nine digits"


def _made(given: Mapping[str, Any], allow: frozenset[str], folder: Path, name: str) -> Settings:
    return Settings(
        url=given["url"].rstrip("/"),
        token_url=given["token_url"],
        client_id=given["client_id"],
        secret_file=folder / given["client_secret_file"],
        allow=allow,
        organization=given.get("organization", ""),
        secret_in_form=given.get("token_auth") == "form",
        seconds=float(given.get("seconds", 30)),
        recipient=given.get("recipient", ""),
        name=name,
        participants=frozenset(given.get("participants", ())),
        calls_per_second=float(given.get("calls_per_second", 0)),
    )


def _shared(made: list[Settings]) -> Iterator[str]:
    """A participant has one connection: nobody could say by which of two a document goes."""
    owners: dict[str, str] = {}
    for one in made:
        for siren in sorted(one.participants):
            if siren in owners:
                yield f"{siren} stands in two connections: {owners[siren]} and {one.name}"
            owners[siren] = one.name


def _only_of_the_directory(given: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
    """Whether the credentials are for the directory alone, and flows go by connections."""
    return not given["url"] and all(environment.get(name) for name in ("ESTAFETTE_AFNOR_DIRECTORY_URL", FOLDER))
