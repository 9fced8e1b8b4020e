"""`estafette network`: which networks are configured, for whom, and what each one says it can do.

A gateway asks the same at its start and logs the answers. Nothing depends on them: they tell a person, before the first
invoice, that credentials are wrong or that a platform speaks an older edition.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapters.port import Capabilities, Network, Networks, Probed, Unreachable
from gateway.commands import terminal
from gateway.commands.terminal import Told
from gateway.errors import Misconfigured
from gateway.main import read_networks
from gateway.settings import Settings

log = logging.getLogger(__name__)

PATIENCE = 120.0
"""Seconds after which a network that is asked at the start of a gateway is left."""

EXAMPLES = """\
examples:
  estafette network check                    asks each network; changes nothing
  estafette network check --format json

One platform for everybody is set by ESTAFETTE_AFNOR_*. A gateway of several companies has one connection for each, a
file NAME.toml in the folder ESTAFETTE_AFNOR_PLATFORMS; the network is then called afnor-NAME:

  participants = ["100000108"]               SIRENs whose documents go this way
  url = "https://api.example.com/afnor-flow"
  token_url = "https://auth.example.com/token"
  client_id = "…"
  client_secret_file = "NAME.secret"         beside this file, or an absolute path
  token_auth = "basic"                       or "form"
  calls_per_second = 5                       0: as often as there is something to ask
  organization = ""  seconds = 30  recipient = ""

`estafette conformance URL` holds a platform against the whole standard.
Exit code 0: all that can be asked answered. 1: some did not, or not well. 2: nothing is configured, or wrongly.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking one network."""

    name: str
    participants: Sequence[str]
    """For whom it is; empty: for everybody."""
    can: Capabilities | None
    """None: it cannot be asked, or did not answer."""
    away: str = ""
    """Why it did not answer."""

    @property
    def well(self) -> bool:
        """Whether nothing speaks against using it."""
        return not self.away and (self.can is None or (self.can.healthy and self.can.answers == 200))


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "network",
        description="Which networks are configured, for whom, and what each one says it can do.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("action", choices=("check",), help="check: ask each network what it can do")
    terminal.add_format(it)
    terminal.add_language(it)
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Ask all, print the answers. Raises Misconfigured."""
    language = terminal.language_of(options, os.environ)
    found = asyncio.run(_ask_all())
    for one in found:
        if options.format == "json":
            terminal.print_json(_members(one))
        else:
            whom = ", ".join(one.participants) or Told("everybody", "tous").into(language)
            print(terminal.printable(f"{one.name:20} {whom:20} {_said(one).into(language)}"))
    return 0 if all(one.well for one in found) else 1


async def _ask_all() -> list[Asked]:
    networks = read_networks(os.environ)
    if not networks.all:
        raise Misconfigured(
            "no network is configured: set ESTAFETTE_AFNOR_*, _MAIL_*, _IMAP_*, _SFTP_*, _PUSH_* or _FOLDER_*"
        )
    try:
        return await asyncio.gather(*(ask(network, networks) for network in networks.all))
    finally:
        for network in networks.all:
            await network.close()


async def ask(network: Network, networks: Networks) -> Asked:
    """Ask one network what it can do."""
    whom = sorted(networks.only.get(network.name, ()))
    if not isinstance(network, Probed):
        return Asked(network.name, whom, None)
    try:
        return Asked(network.name, whom, await network.probe())
    except Unreachable as away:
        return Asked(network.name, whom, None, away.reason)


async def tell(networks: Networks) -> None:
    """Ask each network at the start of a gateway and log what it says; a network that is silent is left."""
    try:
        async with asyncio.timeout(PATIENCE):
            for one in await asyncio.gather(*(ask(network, networks) for network in networks.all)):
                log.log(logging.INFO if one.well else logging.WARNING, "network %s: %s", one.name, _said(one).english)
    except TimeoutError:
        log.warning("not all networks said what they can do")


def _said(one: Asked) -> Told:
    can = one.can
    if one.away:
        return Told(f"does not answer: {one.away}", f"ne répond pas : {one.away}")
    if can is None:
        return Told("cannot be asked", "ne peut pas être interrogé")
    if can.answers != 200:
        return Told(f"answers searches with {can.answers}", f"répond aux recherches par {can.answers}")
    edition = can.edition or "?"
    english, french = [f"edition {edition}"], [f"édition {edition}"]
    if not can.healthy:
        english.append("its health check says it is not up")
        french.append("son contrôle de santé dit qu'elle n'est pas disponible")
    english.append(
        "finds a delivery by our id" if can.tracking else "finds no delivery by our id: flows are gone through"
    )
    french.append(
        "retrouve un dépôt par notre identifiant" if can.tracking else "ne le retrouve pas : on parcourt les flux"
    )
    english.append("webhooks" if can.webhooks else "no webhooks: it is polled")
    french.append("webhooks" if can.webhooks else "pas de webhooks : elle est interrogée")
    return Told("; ".join(english), "; ".join(french))


def _members(one: Asked) -> dict[str, Any]:
    can = one.can
    return {
        "network": one.name,
        "participants": list(one.participants),
        "well": one.well,
        "away": one.away or None,
        "healthy": can.healthy if can else None,
        "edition": can.edition or None if can else None,
        "tracking": can.tracking if can else None,
        "webhooks": can.webhooks if can else None,
    }
