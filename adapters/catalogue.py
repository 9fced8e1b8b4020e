"""The networks this gateway can be configured for, one line each, in order of preference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from adapters import afnor, mail
from adapters.port import Network, Networks, Problem

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
