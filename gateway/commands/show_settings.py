"""`estafette settings`: every setting, its value, where it comes from and what it is for."""

from __future__ import annotations

import argparse
import os
from typing import Any

from gateway.settings import Settings, describe


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser("settings")
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Print the table."""
    for name, value, origin, says in describe(settings, os.environ):
        print(f"{name:<34} {value or '-':<28} {origin:<12} {says}")
    return 0
