"""What this gateway can be configured for, one line each: networks, timestamp authorities, sealing keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from adapters import (
    afnor,
    afnor_directory,
    afnor_settings,
    folder,
    imap,
    key_file,
    mail,
    pay_stripe,
    pay_url,
    push,
    remote_key,
    revocation,
    s3,
    timestamp,
    token_key,
    webhook,
    witness,
)
from adapters.directory import Directory
from adapters.dropped import is_siren
from adapters.http import ALLOW_NAME, allow_list, allowed
from adapters.port import (
    Courier,
    Custodian,
    Messenger,
    Network,
    Networks,
    PaymentProvider,
    Problem,
    RevocationSource,
    TimestampAuthority,
)
from signing.keys import SigningKey

Now = Callable[[], datetime]


def build(environment: Mapping[str, str], now: Now) -> tuple[Networks, tuple[Problem, ...]]:
    """The configured networks, and every complaint about their settings. `now` tells the time as aware UTC.

    What is wrong with ESTAFETTE_EGRESS_ALLOW is told here, whatever is configured: all others who read it rely on that.
    """
    problems: list[Problem] = []
    networks: list[Network] = []
    if (platform := afnor_settings.from_environment(environment, problems)) is not None:
        networks.append(afnor.Afnor(platform, now))
    connections = afnor_settings.connections(environment, problems)
    networks += [afnor.Afnor(one, now) for one in connections]
    inbox = imap.from_environment(environment, problems)
    mailbox = imap.Mailbox(inbox, now) if inbox is not None else None
    if (server := mail.from_environment(environment, problems)) is not None:
        networks.append(mail.Mail(server, now, mailbox))
    elif mailbox is not None:
        networks.append(mailbox)
    if (folders := folder.from_environment(environment, problems)) is not None:
        networks.append(folder.Folder(folders, now))
    if (pushed := push.from_environment(environment, problems)) is not None:
        networks.append(push.Push(pushed, now))
    if any(name.startswith("ESTAFETTE_SFTP_") for name in environment):
        from adapters import sftp  # its library takes a third of a second to load

        if (there := sftp.from_environment(environment, problems)) is not None:
            networks.append(sftp.Sftp(there, now))
    try:
        allow_list(environment.get(ALLOW_NAME, ""))
    except ValueError as wrong:
        if (complaint := Problem(ALLOW_NAME, str(wrong))) not in problems:
            problems.append(complaint)
    only = {one.name: one.participants for one in connections}
    return Networks(tuple(networks), only), tuple(problems)


def directory(environment: Mapping[str, str], now: Now) -> tuple[Directory | None, tuple[Problem, ...]]:
    """The configured directory, None without one, and every complaint about its settings."""
    problems: list[Problem] = []
    settings = afnor_directory.from_environment(environment, problems)
    return afnor_directory.AfnorDirectory(settings, now) if settings else None, tuple(problems)


def authorities(environment: Mapping[str, str]) -> tuple[tuple[TimestampAuthority, ...], tuple[Problem, ...]]:
    """The configured timestamp authorities in order of preference, and every complaint about their settings."""
    problems: list[Problem] = []
    settings = timestamp.from_environment(environment, problems)
    return timestamp.authorities(settings) if settings else (), tuple(problems)


KEYS = {key_file.NAME: key_file, token_key.MODULE: token_key, remote_key.URL_NAME: remote_key}
"""Where a sealing key may be, by the setting that says so."""


def sealing_key(environment: Mapping[str, str]) -> tuple[SigningKey | None, tuple[Problem, ...]]:
    """The configured sealing key, None without one, and every complaint about its settings."""
    problems: list[Problem] = []
    named = [name for name in KEYS if environment.get(name)]
    if len(named) > 1:
        return None, (Problem(named[1], f"is one sealing key too many beside {named[0]}"),)
    found: list[SigningKey | None] = [KEYS[name].from_environment(environment, problems) for name in named]
    return next(iter(found), None), tuple(problems)


def revocations(environment: Mapping[str, str]) -> RevocationSource:
    """Who asks for revocations."""
    return revocation.Revocations(allowed(environment))


def courier(environment: Mapping[str, str], now: Now) -> Courier:
    """Who posts to the webhooks of accounts."""
    return webhook.Post(now, allowed(environment))


def messenger(environment: Mapping[str, str], now: Now) -> Messenger | None:
    """Who brings letters to people, None without a mail server; its problems are told with the networks'."""
    server = mail.from_environment(environment, [])
    return mail.Correspondence(server, now) if server is not None else None


def custodians(environment: Mapping[str, str], now: Now) -> tuple[tuple[Custodian, ...], tuple[Problem, ...]]:
    """Who keeps copies of checkpoints outside, and every complaint about their settings."""
    problems: list[Problem] = []
    found: list[Custodian] = []
    if (bucket := s3.from_environment(environment, problems)) is not None:
        found.append(s3.Bucket(bucket, now))
    if (seers := witness.from_environment(environment, problems)) is not None:
        found += witness.overseers(seers)
    if recipients := mail.recipients_from_environment(environment, problems):
        server = mail.from_environment(environment, [])  # its own problems are told with the networks'
        found += [mail.Letters(server, recipients, now)] if server is not None else []
    return tuple(found), tuple(problems)


PAY_NAME = "ESTAFETTE_PAY_FILE"
"""A JSON list of who takes payments for which legal entity; secrets stand in files beside it."""


def providers(environment: Mapping[str, str]) -> tuple[Mapping[str, PaymentProvider], tuple[Problem, ...]]:
    """Who takes payments, by the SIREN of the legal entity, and every complaint about their settings."""
    path = Path(environment[PAY_NAME]) if environment.get(PAY_NAME) else None
    if path is None:
        return {}, ()
    try:
        entries = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}, (Problem(PAY_NAME, f"{path.name} cannot be read as JSON"),)
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        return {}, (Problem(PAY_NAME, f"{path.name} is a list of objects with participant and provider"),)
    allow = allowed(environment)
    problems: list[Problem] = []
    found: dict[str, PaymentProvider] = {}
    for at, one in enumerate(entries, start=1):
        name, siren = f"{PAY_NAME} (entry {at})", one.get("participant")
        if not isinstance(siren, str) or not is_siren(siren) or siren in found:
            problems.append(Problem(name, "participant is a SIREN, nine digits, and each stands once"))
            continue
        made: PaymentProvider | None = None
        if one.get("provider") == pay_url.NAME:
            made = pay_url.from_members(one, path.parent, name, problems)
        elif one.get("provider") == pay_stripe.NAME:
            made = pay_stripe.from_members(one, path.parent, name, problems, allow)
        else:
            problems.append(Problem(name, f"provider is {pay_url.NAME} or {pay_stripe.NAME}"))
        if made is not None:
            found[siren] = made
    return found, tuple(problems)
