"""`estafette page`: the readable page of an invoice as PDF, for people; the data stays where it is."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from gateway.commands import files, look, making
from gateway.settings import Settings

EXAMPLES = """\
examples:
  estafette page invoice.xml -o invoice.pdf                  the page of a CII or UBL invoice, PDF/A-3a and PDF/UA-1
  estafette page --language en invoices/ -o pages/           a folder, in English
  curl -s URL | estafette page - > invoice.pdf

The page is a view: it carries no XML, so that no software takes it for a second original (`estafette build` makes a
Factur-X). It is made of every invoice that can be read; what it does not show is named.

Exit code 0: all made. 1: some cannot be read. 2: some files could not be read or written.
"""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "page",
        description="Typeset the readable page of an invoice (JSON, CII, UBL, Factur-X).",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    look.add_options(it)
    making.add_options(it, "where the page goes", lossy=False)
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Typeset each page."""
    wish = replace(making.wish_of(options, settings, "page"), presentation=look.of(options))
    return making.run(options, settings, files.found(options.paths), "page", making.job_of(wish))
