"""What this gateway can be configured for, one line each: networks in order of preference, timestamp authorities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from adapters import afnor, mail, timestamp
from adapters.port import Network, Networks, Problem, TimestampAuthority

Now = Callable[[], datetime]


def build(environment: Mapping[str, str], now: Now) -> tuple[Networks, tuple[Problem, ...]]:
    """The configured networks, and every complaint about their settings. `now` tells the time as aware UTC."""
    problems: list[Problem] = []
    networks: list[Network] = []
    if (platform := afnor.from_environment(environment, problems)) is not None:
        networks.append(afnor.Afnor(platform, now))
    if (server := mail.from_environment(environment, problems)) is not None:
        networks.append(mail.Mail(server, now))
    return Networks(tuple(networks)), tuple(problems)


def authorities(environment: Mapping[str, str]) -> tuple[tuple[TimestampAuthority, ...], tuple[Problem, ...]]:
    """The configured timestamp authorities in order of preference, and every complaint about their settings."""
    problems: list[Problem] = []
    settings = timestamp.from_environment(environment, problems)
    return timestamp.authorities(settings) if settings else (), tuple(problems)
