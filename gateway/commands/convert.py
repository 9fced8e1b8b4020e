"""`estafette convert`: an invoice in another format, without losing anything unasked."""

from __future__ import annotations

import argparse
from typing import Any

from gateway.commands import files, making
from gateway.settings import Settings

EXAMPLES = """\
examples:
  estafette convert --to ubl invoice.pdf                     the UBL of a Factur-X, on standard output
  estafette convert --to cii invoices/ -o out/               a folder with its folders
  estafette convert --to json invoice.xml | jq .totals       the invoice as JSON, all totals calculated
  cat invoice.json | estafette convert --to facturx - -o invoice.pdf
  estafette convert --to cii --profile basic --allow-loss invoice.xml -o basic.xml

An invoice that is in the format already comes back byte for byte. Supporting documents (BG-24) go along at every step.
Where anything would be lost nothing is written and all of it is named, unless --allow-loss says that it may be.
What is written follows the XSD of its profile; `estafette validate` tells whether it keeps all rules.

Exit code 0: all converted. 1: some refused, and why. 2: some could not be read or written.
"""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "convert",
        description="Write an invoice (JSON, CII, UBL, Factur-X) in another format.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument(
        "--to",
        required=True,
        choices=("cii", "ubl", "facturx", "json"),
        help="the format; ubl is an invoice or a credit note, by its type (BT-3)",
    )
    it.add_argument(
        "--profile",
        help="profile of the result: minimum, basicwl, basic, en16931, extended, extended-ctc-fr, or any BT-24; "
        "that of the invoice by default",
    )
    making.add_options(it, "where the result goes")
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Convert each invoice."""
    job = making.job_of(making.wish_of(options, settings, options.to))
    return making.run(options, settings, files.found(options.paths), options.to, job)
