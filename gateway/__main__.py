"""The command `estafette`: one sub-command per thing an operator does."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from gateway import settings
from gateway.commands import account, audit, demo, platform, serve, show_settings, work
from gateway.errors import GatewayError

COMMANDS = (serve, work, account, demo, platform, audit, show_settings)

DESCRIPTION = """\
Estafette, the self-hosted e-invoicing gateway: takes an invoice, makes it a lawful electronic invoice,
delivers it once, proves it, and follows it until it is paid.

  first steps     estafette demo                     four invoices through a gateway and a simulated platform
                  estafette serve                    the gateway, with its own PostgreSQL in ./estafette-data
                  estafette account create NAME --siren 123456782
                                                     a client_id and a client_secret, shown once
  then            curl -X POST http://127.0.0.1:8320/v1/documents ...      (see README.md, or /docs in a browser)
"""

EPILOGUE = """\
Settings are read from ESTAFETTE_* (estafette settings lists them all, with their meaning and origin).
Exit codes: 0 done, 1 the answer is no, 2 it could not be done.
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="estafette",
        description=DESCRIPTION,
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what cannot be done is told in words, without a traceback."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options, settings.read(os.environ)))
    except GatewayError as error:
        print(f"estafette: {error.detail}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
