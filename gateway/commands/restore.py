"""`estafette restore`: a backup onto an empty machine, audited, with a thousand questions asked again."""

from __future__ import annotations

import argparse
import asyncio
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway import backup, nightly
from gateway.backup import Checked, Damaged, Known, Manifest
from gateway.clock import SystemClock
from gateway.commands import terminal
from gateway.commands.files import Unusable
from gateway.commands.terminal import Drawn, Told
from gateway.compute import Compute
from gateway.errors import Misconfigured
from gateway.main import (
    check_notary,
    embedded,
    opened,
    read_keys,
    read_notary,
    read_pepper,
    read_trust,
    read_verifiers,
    secret_files,
)
from gateway.nightly import Believed, Whole
from gateway.settings import Settings
from gateway.store import accounts, dumping, migrate
from gateway.store.pool import connect
from signing.chain import instant

EXAMPLES = """\
on an empty machine:
  1. install Estafette (the release that made the backup, or a later one)
  2. copy the folder `secrets` back into the data folder (ESTAFETTE_DATA), or the key files to where settings name them
  3. estafette restore /mnt/backups/2026-11-25.estafette
  4. estafette serve

It refuses a database that is not empty, a file that is no whole backup, keys that are missing or are others', and a
backup of a later release. Then it asks the thousand questions of the backup again and audits everything.

What came after the backup is not in it. Documents that were under way at that moment may have been delivered since:
each is looked for at its platform before it is handed over again, and one that had to be sealed anew is set aside for
a person to look. Pollers of the feed are told where to go on (409 `restored`). Copies of checkpoints that were kept
outside show how much is lost: they know more leaves than the archive does now. What was collected from a folder lies
in `done/` of it, by the day (UTC) on which it was taken: before `estafette serve`, move the files of the backup's day
and later back into the folder. One that is in the backup is known by its name and bytes, and makes no second document.
Exit code 0: all answers are the same and the audit is clean. 1: they are not. 2: it could not be done.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a restore came to."""

    manifest: Manifest
    differ: tuple[str, ...]
    """Answers that are not those of the backup, by their names."""
    audit: Whole
    lost: Known
    under_way: int
    """Documents that were not handed over yet."""

    @property
    def sound(self) -> bool:
        """Whether everything is as it was."""
        return not self.differ and self.audit.clean


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "restore",
        description="Put a backup into the empty embedded database, ask its questions again and audit everything.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("file", metavar="FILE", help="a backup that `estafette backup` made")
    terminal.add_language(it)
    terminal.add_format(it)
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Restore, and say what came of it."""
    if settings.database_url:
        raise Unusable(
            Told(
                "this gateway uses a database of its own (ESTAFETTE_DATABASE_URL): put it back with its own tools",
                "cette passerelle utilise sa propre base (ESTAFETTE_DATABASE_URL) : restaurez-la par ses outils",
            )
        )
    drawn, path = Drawn(), Path(options.file)
    try:
        checked = backup.check(path, lambda done: drawn.show(f"{done >> 20} MiB checked"))
        _fits(settings, checked.manifest)
        backup.believe(checked, read_verifiers(settings, read_notary(settings)))
        outcome = asyncio.run(_restore(settings, path, checked, drawn))
    except Damaged as damaged:
        says = f"{terminal.shown(options.file)}: {damaged}"
        raise Unusable(Told(says, f"{terminal.shown(options.file)} : {damaged}")) from damaged
    finally:
        drawn.clear()
    _tell(options, outcome)
    return 0 if outcome.sound else 1


def _fits(settings: Settings, manifest: Manifest) -> None:
    """Whether this release and the keys here are those of the backup, before anything is made. Raises Misconfigured."""
    if unknown := backup.newer(manifest):
        raise Misconfigured(
            f"the backup was made by release {manifest.release}, which knows {', '.join(unknown)}; install that one"
        )
    gone = [f"{path}: it is not there" for path in secret_files(settings) if not path.exists()]
    if manifest.archive_keys and (keys := read_keys(settings)) is not None:
        gone += asyncio.run(keys.unusable(manifest.archive_keys))
    if gone:
        raise Misconfigured("the keys of this backup are not here; put them back first:\n  " + "\n  ".join(gone))
    if manifest.pepper_check and accounts.pepper_check(read_pepper(settings)).hex() != manifest.pepper_check:
        raise Misconfigured("the pepper is not the one of this backup: no credential would open")
    read_notary(settings)


async def _restore(settings: Settings, path: Path, checked: Checked, drawn: Drawn) -> Outcome:
    manifest = checked.manifest
    async with embedded(settings) as cluster:
        bare = await connect(cluster)
        try:
            if not await dumping.is_empty(bare):
                raise Misconfigured(
                    f"the database in {settings.data} is not empty; name an empty data folder (ESTAFETTE_DATA)"
                )
            await migrate.roles(bare)
            await backup.put_back(cluster, path, checked, lambda done: drawn.show(f"{done >> 20} MiB put back"))
            drawn.show("looking at what was put back", at_once=True)
            await dumping.refresh(bare)
            differ = await backup.compare(bare, manifest, lambda done: drawn.show(f"{done} questions asked again"))
        finally:
            await bare.close()
        async with opened(settings, cluster) as pool:
            now, notary = SystemClock().now(), read_notary(settings)
            await accounts.check_pepper(pool, read_pepper(settings), now)
            await check_notary(pool, settings, notary)
            drawn.show("auditing", at_once=True)
            processes = os.cpu_count() or 1
            compute = Compute(processes, settings.compute_seconds)
            try:
                keys = read_verifiers(settings, notary)
                believed = Believed(keys, read_trust(settings), now, settings.checkpoint_copies, compute, processes)
                found = await nightly.everything(pool, believed)
            finally:
                compute.close()
            known = backup.lost(settings.checkpoint_copies, keys, found.tree.leaves)
            under_way = await dumping.under_way(pool)
    return Outcome(manifest, tuple(differ), _but_for(found, known), known, under_way)


def _but_for(found: Whole, known: Known) -> Whole:
    """The audit without what copies outside tell of events that came after the backup: that is the loss, and told."""
    told = tuple(f"the copy {name} tells of " for name in known.names)
    complaints = tuple(one for one in found.tree.complaints if not one.startswith(told))
    return replace(found, tree=replace(found.tree, complaints=complaints))


def _tell(options: argparse.Namespace, outcome: Outcome) -> None:
    manifest, audit = outcome.manifest, outcome.audit
    asked = len(manifest.asked) + len(manifest.tables)
    if options.format == "json":
        members = {
            "sound": outcome.sound,
            "taken_at": instant(manifest.taken_at),
            "documents": manifest.documents,
            "questions": len(manifest.asked),
            "tables": len(manifest.tables),
            "differ": list(outcome.differ),
            "under_way": outcome.under_way,
            "lost": {"events": outcome.lost.leaves, "copies": list(outcome.lost.names)},
            "audit": {"clean": audit.clean, "leaves": audit.tree.leaves, "complaints": list(audit.complaints)},
        }
        terminal.print_json(members)
        return
    french = terminal.language_of(options, os.environ) == "fr"
    at = instant(manifest.taken_at)
    if french:
        print(f"{manifest.documents} documents au {at} ; {asked} réponses, {len(outcome.differ)} différentes")
        print(f"audit : {'sans reproche' if audit.clean else 'EN DÉFAUT'}, {audit.tree.leaves} feuilles")
    else:
        print(f"{manifest.documents} documents as of {at}; {asked} answers, {len(outcome.differ)} of them other")
        print(f"audit: {'clean' if audit.clean else 'NOT CLEAN'}, {audit.tree.leaves} leaves")
    for one in (*outcome.differ, *audit.complaints):
        print(f"  {terminal.printable(one)}")
    for line in advice(manifest.taken_at, outcome.lost, outcome.under_way, french=french):
        print(line)


def advice(taken_at: datetime, lost: Known, under_way: int, *, french: bool) -> list[str]:
    """What is not in a backup of that moment, and what to do about that; lines for people."""
    at, day = instant(taken_at), f"{taken_at.astimezone(UTC):%Y-%m-%d}"
    if french:
        says = [
            f"Ce qui a été accepté ou dit après {at} n'y est pas. Avant « estafette serve », reposez les gels posés "
            "depuis ; les émetteurs renvoient leurs documents.",
            "Un dossier de dépôt (ESTAFETTE_FOLDER_IN, ESTAFETTE_SFTP_IN) ne renvoie rien : remettez-y, avant de "
            f"démarrer, les fichiers de « done/{day} » et des jours suivants, et dans la boîte mail les messages "
            "de ces jours (ESTAFETTE_IMAP_DONE) ; ceux que l'archive connaît ne font pas de second document.",
            f"{under_way} documents étaient en route : chacun est recherché auprès de sa plateforme avant d'être remis "
            "(par courriel il repart sous le même Message-ID).",
        ]
        if lost.names:
            says.append(
                f"{len(lost.names)} copies de points de contrôle en savent plus : {lost.leaves} événements perdus. "
                "Rangez-les dans un dossier à part, elles en sont la preuve ; sinon chaque audit les nommera :"
            )
    else:
        says = [
            f"What was accepted or said after {at} is not in it. Before `estafette serve`, set again the legal holds "
            "that were set since; senders send their documents again.",
            "A folder that is collected from (ESTAFETTE_FOLDER_IN, ESTAFETTE_SFTP_IN) sends nothing again: before you "
            f"start, move the files of `done/{day}` and later days back into it, and the messages of those days "
            "(ESTAFETTE_IMAP_DONE) back into the mailbox; those that the archive knows make no second document.",
            f"{under_way} documents were under way: each is looked for at its platform before it is handed over; by "
            "e-mail it goes again under the same Message-ID.",
        ]
        if lost.names:
            says.append(
                f"{len(lost.names)} copies of checkpoints know more: {lost.leaves} events are lost. Put them into a "
                "folder of their own, they are the evidence of it; until then each audit names them:"
            )
    return [*says, *(f"  {terminal.printable(name)}" for name in lost.names)]
