"""`estafette conformance URL`: a compatibility sheet of any platform of AFNOR XP Z12-013, this gateway's face included.

Without --submit nothing is handed in: a real platform is only read. What --submit will send is said before it is sent,
and is sent only after a person agreed, or with --yes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from adapters.conformance import facts
from adapters.conformance.catalogue import FAMILIES, SCENARIOS
from adapters.conformance.counterpart import DIRECTORY, FLOW, Access, Counterpart
from adapters.conformance.sheet import Away, Sheet, play
from adapters.conformance.verdict import Result, Text, Verdict
from adapters.http import allow_list
from gateway.commands import terminal
from gateway.errors import Misconfigured
from gateway.settings import Settings

FILES = 55
"""Files that --submit hands in, about; most of them are meant to be refused."""
_LOCAL = frozenset(("127.0.0.1", "localhost", "::1"))
_MARKS = {Result.PASSED: "ok", Result.FAILED: "FAILED", Result.SKIPPED: "skipped", Result.UNKNOWN: "UNKNOWN"}
_MARQUES = {Result.PASSED: "ok", Result.FAILED: "ÉCHEC", Result.SKIPPED: "omis", Result.UNKNOWN: "INCONNU"}

EXAMPLES = """\
examples:
  estafette platform &                           the simulated platform; its credentials are in ./estafette-platform
  estafette conformance http://127.0.0.1:8330/afnor-flow --client-id ID --client-secret-file FILE
  estafette conformance https://api.example.com/afnor-flow --token-url https://auth.example.com/token \\
      --client-id ID --client-secret-file secret --directory https://api.example.com/afnor-directory --known 100000207
  estafette conformance URL … --submit --seller 100000108 --buyer 100000207       hands invoices in, too
  estafette conformance URL … --openapi flow-service-1.3.0.json --format json > sheet.jsonl

URL is the base of the Flow Service, up to and without /v1. What is not given is taken from ESTAFETTE_AFNOR_* where that
is set. Only a token is asked for and flows are searched and read, five calls a second, unless more is allowed:

  --submit        hands in some fifty invoices, credit notes and messages of one euro, numbered ESSAI-…, from --seller
                  to --buyer; most are wrong on purpose and must be refused. Name participants of a test account.
  --callback URL  subscribes this address, which must lead to --listen HOST:PORT of this machine, and removes it again
  --burst N       makes N calls at once to see how a limit is told
  --large         uploads 105 MB once (with --submit)

Each scenario ends as: ok; FAILED, with what was expected, what was found, and where the standard says so; skipped, with
the reason; UNKNOWN, when the platform gave no answer to judge. The end of the sheet says what our client will do with
this platform, and which settings suit it.
Exit code 0: all that was played passed. 1: some failed or are unknown. 2: it could not be run.
"""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "conformance",
        help="hold a platform against AFNOR XP Z12-013 and print its compatibility sheet",
        description=f"Play {len(SCENARIOS)} scenarios of AFNOR XP Z12-013 1.3.0 (Flow Service, Directory Service) "
        "against a platform and print its compatibility sheet.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("url", help="base of the Flow Service, up to and without /v1")
    it.add_argument("--token-url", help="where tokens are given; by default /oauth2/token of the same host")
    it.add_argument("--client-id", help="by default ESTAFETTE_AFNOR_CLIENT_ID")
    it.add_argument("--client-secret-file", type=Path, help="by default ESTAFETTE_AFNOR_CLIENT_SECRET_FILE")
    it.add_argument("--secret-in-form", action="store_true", help="show the secret in the form, not in the header")
    it.add_argument("--organization", help="Organization-Id to send; by default ESTAFETTE_AFNOR_ORGANIZATION")
    it.add_argument("--directory", metavar="URL", help="base of the Directory Service; by default it is not asked")
    it.add_argument("--openapi", metavar="FILE", type=Path, action="append", default=[],
                    help="published OpenAPI file that answers are held to; once for each service")  # fmt: skip
    it.add_argument("--submit", action="store_true", help="hand flows in as well; needs --seller and --buyer")
    it.add_argument("--seller", metavar="SIREN", default="", help="in whose name")
    it.add_argument("--buyer", metavar="SIREN", default="", help="to whom")
    it.add_argument("--known", metavar="SIREN", default="", help="whom the directory knows; by default --buyer")
    it.add_argument("--yes", action="store_true", help="do not ask before handing in")
    it.add_argument("--callback", metavar="URL", default="", help="address that the platform can post events to")
    it.add_argument("--listen", metavar="HOST:PORT", default="", help="where --callback comes in on this machine")
    it.add_argument("--large", action="store_true", help="upload 105 MB once")
    it.add_argument("--burst", metavar="N", type=int, default=0, help="calls at once, to see a limit")
    it.add_argument("--rate", type=float, default=5.0, help="calls a second, at most (5)")
    it.add_argument("--patience", type=float, default=30.0, help="seconds to wait for verdicts, events, limits (30)")
    terminal.add_format(it)
    terminal.add_language(it)
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Play, print the sheet. Raises Misconfigured."""
    language = terminal.language_of(options, os.environ)
    access = _access(options)
    descriptions = _descriptions(options.openapi)
    _announce(access, language)
    if access.submit and not options.yes and not _agreed(language):
        return 2
    counterpart = Counterpart(access, lambda: datetime.now(UTC), descriptions)
    as_json = options.format == "json"
    drawn = terminal.Drawn()
    done = 0

    def told(verdict: Verdict) -> None:
        nonlocal done
        done += 1
        drawn.show(f"{done}/{len(SCENARIOS)}  {verdict.scenario.name}")

    try:
        sheet = asyncio.run(play(counterpart, told))
    except Away as away:
        drawn.clear()
        print(f"estafette: {_SAYS['away'].into(language)}: {terminal.printable(str(away))}", file=sys.stderr)
        return 2
    except OSError as taken:
        raise Misconfigured(f"--listen: {taken.strerror or taken}") from taken
    drawn.clear()
    if as_json:
        _print_json(sheet, language)
    else:
        _print(sheet, language)
    return 1 if sheet.counts[Result.FAILED] or sheet.counts[Result.UNKNOWN] else 0


_SAYS = {
    "away": Text("the platform does not answer", "la plateforme ne répond pas"),
    "sends": Text(
        "This hands about {files} files in at {url}: invoices, credit notes and messages of one euro, numbered "
        "ESSAI-…, from SIREN {seller} to SIREN {buyer}. Most are wrong on purpose. Take a test account.",
        "Ceci dépose environ {files} fichiers sur {url} : factures, avoirs et messages d'un euro, numérotés ESSAI-…, "
        "du SIREN {seller} au SIREN {buyer}. La plupart sont faux exprès. Prenez un compte d'essai.",
    ),
    "reads": Text("Only reading: nothing is handed in at {url}.", "Lecture seule : rien n'est déposé sur {url}."),
    "agree": Text("Go on? [y/N] ", "Continuer ? [o/N] "),
    "not": Text(
        "nothing was sent: agree at the question, or give --yes", "rien n'a été envoyé : acceptez, ou donnez --yes"
    ),
    "expected": Text("expected:", "attendu :"),
    "found": Text("found:", "trouvé :"),
    "place": Text("asked for by:", "demandé par :"),
    "client": Text("What our client does with this platform", "Ce que notre client fait de cette plateforme"),
    "settings": Text("Settings that suit it", "Réglages qui conviennent"),
    "counts": Text(
        "{passed} passed, {failed} failed, {unknown} unknown, {skipped} skipped; {calls} calls, {submitted} files "
        "handed in",
        "{passed} réussis, {failed} en échec, {unknown} inconnus, {skipped} omis ; {calls} appels, {submitted} "
        "fichiers déposés",
    ),
}


def _access(options: argparse.Namespace) -> Access:
    """What the options say, filled up from the settings of the AFNOR client. Raises Misconfigured."""
    url = options.url.rstrip("/").removesuffix("/v1")
    token_url = options.token_url or _setting("TOKEN_URL") or _beside(url, "/oauth2/token")
    client, secret_file = options.client_id or _setting("CLIENT_ID"), options.client_secret_file
    if secret_file is None and _setting("CLIENT_SECRET_FILE"):
        secret_file = Path(_setting("CLIENT_SECRET_FILE"))
    complaints = [
        *([] if client else ["--client-id is missing"]),
        *([] if secret_file is not None else ["--client-secret-file is missing"]),
        *([] if all(map(_is_siren, (options.seller, options.buyer, options.known))) else ["a SIREN has nine digits"]),
        *(["--submit needs --seller and --buyer"] if options.submit and not (options.seller and options.buyer) else []),
        *(["--large needs --submit"] if options.large and not options.submit else []),
        *(["--rate takes more than 0, --patience and --burst 0 or more"]
          if options.rate <= 0 or options.patience < 0 or options.burst < 0 else []),
    ]  # fmt: skip
    if complaints:
        raise Misconfigured("; ".join(complaints))
    directory = (options.directory or "").rstrip("/").removesuffix("/v1")
    return Access(
        url=url,
        token_url=token_url,
        client_id=client,
        secret_file=secret_file,
        directory_url=directory,
        organization=options.organization or _setting("ORGANIZATION"),
        secret_in_form=options.secret_in_form or _setting("TOKEN_AUTH") == "form",
        allow=_allowed(url, token_url, directory),
        seller=options.seller,
        buyer=options.buyer,
        known=options.known,
        submit=options.submit,
        large=options.large,
        burst=options.burst,
        callback=options.callback,
        listen=_listen(options.listen),
        rate=options.rate,
        patience=options.patience,
    )


def _is_siren(text: str) -> bool:
    """Whether it is one, or is not given."""
    return not text or (len(text) == 9 and text.isascii() and text.isdigit())


def _setting(name: str) -> str:
    return os.environ.get(f"ESTAFETTE_AFNOR_{name}", "").strip()


def _beside(url: str, path: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{path}"


def _allowed(*urls: str) -> frozenset[str]:
    """The addresses that may be private: those of this machine that were typed, those that the setting names."""
    try:
        named = allow_list(os.environ.get("ESTAFETTE_EGRESS_ALLOW", ""))
    except ValueError as wrong:
        raise Misconfigured(f"ESTAFETTE_EGRESS_ALLOW: {wrong}") from wrong
    own = set()
    for url in filter(None, urls):
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as wrong:
            raise Misconfigured(f"{terminal.printable(url)} is no address") from wrong
        if parts.hostname in _LOCAL:
            own.add(f"[{parts.hostname}]:{port}" if ":" in parts.hostname else f"{parts.hostname}:{port}")
    return named | own


def _listen(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    if not text:
        return None
    if not host or not port.isdigit() or int(port) > 65_535:
        raise Misconfigured("--listen takes HOST:PORT")
    return host.strip("[]"), int(port)


def _descriptions(files: list[Path]) -> dict[str, dict[str, Any]]:
    """What answers are held to: the named files, our own facts for the services that none is named for."""
    found = {FLOW: facts.FLOW_SERVICE, DIRECTORY: facts.DIRECTORY_SERVICE}
    for file in files:
        try:
            description = json.loads(file.read_text(encoding="utf-8"))
            paths = description["paths"].keys()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as wrong:
            raise Misconfigured(f"{terminal.shown(str(file))} is no OpenAPI file in JSON") from wrong
        found[FLOW if "/v1/flows" in paths else DIRECTORY] = description
    return found


def _announce(access: Access, language: str) -> None:
    says = _SAYS["sends" if access.submit else "reads"].into(language)
    told = says.format(files=FILES, url=access.url, seller=access.seller, buyer=access.buyer)
    print(terminal.printable(told), file=sys.stderr)


def _agreed(language: str) -> bool:
    """Whether a person says yes; where nobody can, nobody did."""
    if sys.stdin is not None and sys.stdin.isatty():
        print(_SAYS["agree"].into(language), end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes", "o", "oui"):
            return True
    print(f"estafette: {_SAYS['not'].into(language)}", file=sys.stderr)
    return False


def _print(sheet: Sheet, language: str) -> None:
    marks = _MARQUES if language == "fr" else _MARKS
    family = ""
    for verdict in sheet.verdicts:
        name, _, rest = verdict.scenario.name.partition(".")
        if name != family:
            family = name
            print(f"\n{FAMILIES[name].into(language)}")
        says = verdict.scenario.says.into(language)
        print(terminal.printable(f"  {marks[verdict.result]:8} {rest}: {says}"))
        for label, text in (("expected", verdict.expected), ("found", verdict.found)):
            if text is not None:
                shown = text.into(language)
                reason = verdict.result is not Result.FAILED
                print(
                    terminal.printable(
                        f"           {shown}" if reason else f"           {_SAYS[label].into(language)} {shown}"
                    )
                )
        if verdict.result is Result.FAILED:
            print(terminal.printable(f"           {_SAYS['place'].into(language)} {verdict.scenario.place}"))
    print(f"\n{_SAYS['client'].into(language)}")
    for line in sheet.capabilities:
        print(terminal.printable(f"  {line.says.into(language)}"))
    print(f"\n{_SAYS['settings'].into(language)}")
    for setting, value in sheet.settings:
        print(terminal.printable(f"  {setting}={value}"))
    counts = {str(result): sheet.counts[result] for result in Result}
    print("\n" + _SAYS["counts"].into(language).format(**counts, calls=sheet.calls, submitted=sheet.submitted))


def _print_json(sheet: Sheet, language: str) -> None:
    """One object for each scenario, and a last one for the sheet."""
    for verdict in sheet.verdicts:
        terminal.print_json(
            {
                "scenario": verdict.scenario.name,
                "result": str(verdict.result),
                "says": verdict.scenario.says.into(language),
                "place": verdict.scenario.place,
                "expected": verdict.expected.into(language) if verdict.expected else None,
                "found": verdict.found.into(language) if verdict.found else None,
                "seconds": round(verdict.seconds, 3),
            }
        )
    terminal.print_json(
        {
            "sheet": sheet.url,
            "at": sheet.at.isoformat(timespec="seconds"),
            "counts": {str(result): sheet.counts[result] for result in Result},
            "calls": sheet.calls,
            "submitted": sheet.submitted,
            "capabilities": {line.name: line.value for line in sheet.capabilities},
            "settings": dict(sheet.settings),
        }
    )
