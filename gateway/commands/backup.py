"""`estafette backup`: the embedded database into one file, while the gateway runs; `--check` reads such a file."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any

from gateway import backup
from gateway.backup import Checked, Damaged, Manifest, Notary, Progress
from gateway.clock import SystemClock
from gateway.commands import files, terminal
from gateway.commands.files import Unusable
from gateway.commands.terminal import Drawn, Told
from gateway.main import embedded, opened, read_notary, read_verifiers, secret_files
from gateway.settings import Settings
from signing.chain import instant

EXAMPLES = """\
examples:
  estafette backup /mnt/backups/2026-11-25.estafette       while the gateway runs, or while it does not
  estafette backup --check /mnt/backups/2026-11-25.estafette
  estafette restore /mnt/backups/2026-11-25.estafette      onto an empty machine (see its --help)

The file holds the database as of one moment, and a thousand questions with their answers of that moment, which
restore asks again. It does NOT hold the keys: copy the folder `secrets` of the data folder (or the files you named in
ESTAFETTE_PEPPER_FILE, ESTAFETTE_CHECKPOINT_KEY_FILE, ESTAFETTE_ARCHIVE_KEYS) to another safe place, and again each
month when the archive has a new key. Without them the backup opens nothing; who has both reads everything.

A database of your own (ESTAFETTE_DATABASE_URL) is backed up by its own tools: pg_basebackup with WAL archiving, or
pg_dump -Fc. README.md, "Backup and restore", says what to do after putting one back.
Exit code 0: the backup is whole. 1: the file is no whole backup (--check). 2: it could not be done.
"""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "backup",
        description="Write the embedded database into one file while everything runs, or check such a file.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("file", metavar="FILE", help="where the backup goes; with --check, the one to read")
    it.add_argument("--check", action="store_true", help="read a backup from its first byte to its last")
    it.add_argument("--force", action="store_true", help="overwrite what is there already")
    terminal.add_language(it)
    terminal.add_format(it)
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Back up, or check."""
    drawn = Drawn()
    if options.check:
        try:
            checked = backup.check(Path(options.file), lambda done: drawn.show(f"{done >> 20} MiB"))
            signed = _signed(checked, settings)
        except Damaged as damaged:
            drawn.clear()
            print(f"{terminal.shown(options.file)}: {terminal.printable(str(damaged))}")
            return 1
        drawn.clear()
        _tell(options, checked.manifest, settings, signed=signed)
        return 0
    if settings.database_url:
        raise Unusable(
            Told(
                "this gateway uses a database of its own (ESTAFETTE_DATABASE_URL): back it up with pg_basebackup and "
                "WAL archiving, or pg_dump -Fc; see README.md",
                "cette passerelle utilise sa propre base (ESTAFETTE_DATABASE_URL) : sauvegardez-la par pg_basebackup "
                "et archivage des WAL, ou pg_dump -Fc ; voir README.md",
            )
        )
    with files.written(options.file, force=options.force) as beside:
        manifest = asyncio.run(_make(settings, beside, drawn))
    _settle(Path(options.file).parent)
    drawn.clear()
    _tell(options, manifest, settings, signed=True)
    return 0


def _settle(folder: Path) -> None:
    """The name too is on the disk before it is said that there is a backup."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _signed(checked: Checked, settings: Settings) -> bool:
    """Whether a key of this archive signed the backup; False where there is no key here. Raises Damaged."""
    if not secret_files(settings)[1].exists():
        return False
    backup.believe(checked, read_verifiers(settings, read_notary(settings)))
    return True


async def _make(settings: Settings, path: Path, drawn: Drawn) -> Manifest:
    told = Progress(lambda done: drawn.show(f"{done >> 20} MiB"), lambda done: drawn.show(f"{done} questions asked"))
    async with embedded(settings, attach=True) as cluster, opened(settings, cluster) as pool:
        notary = Notary(read_notary(settings).signer, SystemClock().now)
        return await backup.make(cluster, pool, path, notary, told)


def _tell(options: argparse.Namespace, manifest: Manifest, settings: Settings, *, signed: bool) -> None:
    keys = settings.archive_keys or settings.data / "secrets" / "archive"
    apart = [*map(str, secret_files(settings)), *(f"{keys / name}.key" for name in manifest.archive_keys)]
    if options.format == "json":
        members = {
            "file": options.file,
            "taken_at": instant(manifest.taken_at),
            "documents": manifest.documents,
            "leaves": manifest.leaves,
            "bytes": manifest.size,
            "sha256": manifest.sha256,
            "questions": len(manifest.asked),
            "tables": len(manifest.tables),
            "signature_checked": signed,
            "not_in_it": apart,
        }
        terminal.print_json(members)
        return
    name, asked = terminal.shown(options.file), len(manifest.asked) + len(manifest.tables)
    if terminal.language_of(options, os.environ) == "fr":
        print(
            f"{name} : {manifest.documents} documents au {instant(manifest.taken_at)}, {manifest.size >> 20} Mio, "
            f"{asked} questions avec leurs réponses"
        )
        if not signed:
            print("Signature non vérifiée : la clé des points de contrôle n'est pas ici.")
        print("Les clés n'y sont pas ; à conserver à part :")
    else:
        print(
            f"{name}: {manifest.documents} documents as of {instant(manifest.taken_at)}, {manifest.size >> 20} MiB, "
            f"{asked} questions with their answers"
        )
        if not signed:
            print("Its signature was not checked: the key of the checkpoints is not here.")
        print("The keys are not in it; keep apart:")
    for one in apart:
        print(f"  {terminal.shown(one)}")
