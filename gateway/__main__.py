"""The command `estafette`: one sub-command per thing an operator or an accountant does.

Only the module of the command that was asked for is imported: help and small answers come at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from gateway import settings
from gateway.commands import terminal
from gateway.commands.files import Unusable
from gateway.errors import GatewayError


@dataclass(frozen=True, slots=True)
class Command:
    """One sub-command."""

    module: str
    """Its module in gateway.commands, which has `add(commands)` and sets `run`."""
    says: str
    """What it does, for the list of commands."""


COMMANDS: Mapping[str, Command] = {
    "validate": Command("validate", "judge invoices by the official rules"),
    "build": Command("build", "make a Factur-X of an invoice, with our page or around a PDF"),
    "convert": Command("convert", "write an invoice in another format, losing nothing unasked"),
    "extract": Command("extract", "take the invoice and the attachments out of a PDF or an XML"),
    "inspect": Command("inspect", "say what a file is, and whether its page says what its XML says"),
    "page": Command("page", "typeset the readable page of an invoice"),
    "order": Command("order", "read orders: Order-X, UBL or JSON, and say whether they can be kept"),
    "explain": Command("explain", "say what a rule means and how to mend what breaks it"),
    "rules": Command("rules", "list, check and add editions of the official rules, and rehearse them on the archive"),
    "serve": Command("serve", "run the gateway: API, workers and chores"),
    "work": Command("work", "run workers and chores only, on the same database as the gateways"),
    "account": Command("account", "open an account; its secrets are shown once"),
    "demo": Command("demo", "show the main job: invoices through a simulated platform to buyers and another gateway"),
    "platform": Command("platform", "run the simulated approved platform (demos and tests only)"),
    "network": Command("network", "which networks are configured, for whom, and what each one can do"),
    "conformance": Command("conformance", "hold a platform against AFNOR XP Z12-013 and print its compatibility sheet"),
    "inbound": Command("inbound", "invoices that came for nobody known: list, look, assign to an account, or drop"),
    "address": Command("address", "look addresses up in the French directory: one, or a whole customer file"),
    "answer": Command("answer", "say a status of a document: approved, refused, disputed, paid, or show all of them"),
    "terms": Command("terms", "payment terms of an account and its customers: show, set, take back"),
    "interest": Command("interest", "what late payment of a document costs, row by row"),
    "receivables": Command("receivables", "what is owed: by age, by document, by week; give something up"),
    "reminders": Command("reminders", "remind customers: preview, on, off, pause, and cases for a person"),
    "prove": Command("prove", "write the proof of a document, which a stranger checks offline"),
    "archive": Command("archive", "search the archive, see who read in it, make its index anew"),
    "export": Command("export", "export the archive: a table, the originals, or all that a tax audit asks for"),
    "audit": Command("audit", "recompute every chain and hash, reconcile what was accepted with what became of it"),
    "backup": Command("backup", "write the embedded database into one file while everything runs"),
    "restore": Command("restore", "put a backup onto an empty machine, compare and audit it"),
    "retention": Command("retention", "how long documents are kept: what ends, legal holds, purge, renewal"),
    "statements": Command("statements", "bank statements: check, import, and decide what their lines pay"),
    "settings": Command("show_settings", "list every setting with its value, origin and meaning"),
}

DESCRIPTION = """\
Estafette, the self-hosted e-invoicing gateway: takes an invoice, makes it a lawful electronic invoice,
delivers it once, proves it, and follows it until it is paid.

  on files        estafette validate --french invoices/      verdicts, with every finding and what to do about it
                  estafette build invoice.json -o out.pdf    a Factur-X from JSON, CII or UBL
                  estafette convert --to ubl invoice.pdf     CII, UBL, Factur-X, JSON, without loss
                  estafette explain BR-CO-15                 what a rule means
                  estafette rules list                       which editions of the official rules judge
                  estafette inspect invoice.pdf              what it is, and whether page and XML agree
  the gateway     estafette demo                     five invoices, two gateways and a simulated platform
                  estafette serve                    the gateway, with its own PostgreSQL in ./estafette-data
                  estafette account create NAME --siren 123456782
                                                     a client_id and a client_secret, shown once
  then            curl -X POST http://127.0.0.1:8320/v1/documents ...      (see README.md, or /docs in a browser)
"""

EPILOGUE = """\
The commands on files need neither server nor database. `estafette COMMAND --help` shows examples.
Settings are read from ESTAFETTE_* (estafette settings lists them all, with their meaning and origin).
Exit codes: 0 done, 1 the answer is no, 2 it could not be done.
"""

BROKEN_PIPE = 141
"""Exit code when whoever reads our output went away: 128 and the number of SIGPIPE, as a shell counts."""


def parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """The command line: every command by its name, the chosen one with its options."""
    top = argparse.ArgumentParser(
        prog="estafette",
        description=DESCRIPTION,
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        if name == chosen:
            import_module(f"gateway.commands.{command.module}").add(commands)
        else:
            commands.add_parser(name, help=command.says)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what cannot be done is told in words, without a traceback."""
    terminal.prepare()
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser(given[0] if given and given[0] in COMMANDS else None).parse_args(given)
    try:
        code = int(options.run(options, settings.read(os.environ)))
        if sys.stdout is not None:  # None: closed by whoever started us
            sys.stdout.flush()
        return code
    except GatewayError as error:
        print(f"estafette: {error.detail}", file=sys.stderr)
        return 2
    except Unusable as error:
        language = terminal.language_of(options, os.environ)
        print(f"estafette: {terminal.printable(error.told.into(language))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _silence()
        return BROKEN_PIPE
    except OSError as error:  # of the file system or of standard output; what a command can say better, it has said
        _silence()
        print(f"estafette: {error.strerror or error}", file=sys.stderr)
        return 2


def _silence() -> None:
    """What is still to be flushed to standard output goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
