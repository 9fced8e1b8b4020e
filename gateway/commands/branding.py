"""`estafette account branding`: the logo, the colour and the link to pay of an account's pages."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from gateway.clock import SystemClock
from gateway.errors import NotFound
from gateway.main import database
from gateway.settings import Settings
from gateway.store import accounts, branding
from schemas.formats import facturx
from schemas.formats.facturx import logo
from schemas.formats.facturx.presentation import PLAIN, Presentation, checked_accent, checked_link
from schemas.xml import Unreadable


def add(actions: Any) -> None:
    """Tell the command `account` about it."""
    it: argparse.ArgumentParser = actions.add_parser(
        "branding",
        help="show or set the logo, colour and link to pay of an account's pages",
        description="What is named is set, the rest stays; without any of it, shows what is set.",
    )
    it.add_argument("account", type=UUID, help="id of the account, as `account create` printed it")
    it.add_argument("--plain", action="store_true", help="begin from the plain page instead of what is set")
    it.add_argument("--accent", metavar="COLOUR", help="colour of titles and rules: # and six hexadecimal digits")
    it.add_argument("--logo", type=Path, metavar="FILE", help="PNG, JPEG or SVG, at most 200 000 bytes")
    it.add_argument("--logo-text", metavar="TEXT", help="what the logo says to those who do not see it")
    it.add_argument(
        "--pay-link", metavar="URL", help="https://…, with the places {number}, {amount} and {currency}; '' for none"
    )
    it.add_argument("--format", choices=("text", "json"), default="text", help="how to print the answer")
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Set what is asked for and print what is set then."""
    if (options.logo is None) != (options.logo_text is None):
        return _refused("a logo and its text come together: --logo and --logo-text")
    try:
        found = asyncio.run(_set(options, settings))
    except OSError as unable:
        return _refused(f"{options.logo} cannot be read: {unable.strerror}")
    except (ValueError, NotFound) as wrong:
        return _refused(str(wrong))
    except Unreadable as refused:
        return _refused("; ".join(f"{one.says} {one.fix or ''}".strip() for one in refused.findings))
    members = {
        "accent": found.accent,
        "logo": f"{found.logo.media_type}, {len(found.logo.data)} bytes: {found.logo.text}" if found.logo else "",
        "pay_link": found.pay_link,
    }
    if options.format == "json":
        print(json.dumps(members, ensure_ascii=False))
    else:
        for name, value in members.items():
            print(f"{name:<14} {value or '-'}")
    return 0


async def _set(options: argparse.Namespace, settings: Settings) -> Presentation:
    """Raises what keeps it from being set: OSError, ValueError, Unreadable, NotFound."""
    async with database(settings, attach=True) as pool:
        await accounts.get(pool, options.account)
        before = await branding.read(pool, options.account)
        wanted = PLAIN if options.plain else before
        if options.accent is not None:
            wanted = replace(wanted, accent=checked_accent(options.accent))
        if options.pay_link is not None:
            wanted = replace(wanted, pay_link=checked_link(options.pay_link) if options.pay_link else "")
        if options.logo is not None:
            with options.logo.open("rb") as file:
                data = file.read(logo.SIZE_LIMIT + 1)
            wanted = replace(wanted, logo=logo.read(data, options.logo_text))
        if wanted != before:
            wanted = facturx.prove(wanted)
            await branding.write(pool, options.account, wanted, SystemClock().now())
    return wanted


def _refused(says: str) -> int:
    print(f"estafette: {says}", file=sys.stderr)
    return 2
