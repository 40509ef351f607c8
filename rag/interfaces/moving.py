"""The commands that move an archive: `dateline export`, `dateline import` and `dateline move`."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from rag.terminal import DONE, Command, counted, print_json, print_note, print_text

if TYPE_CHECKING:
    from rag.archive.archive import Archive
    from rag.archive.moving.manifest import Manifest, Part
    from rag.settings import Settings


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the export")


def _export(args: argparse.Namespace) -> int:
    from rag.archive.archive import Archive
    from rag.archive.installation import existing
    from rag.archive.moving.exporting import export
    from rag.settings import Settings

    with closing(Archive(existing(Settings.load(data_dir=args.data_dir, archive=args.archive)))) as archive:
        report = export(archive, args.folder.expanduser().absolute(), progress=_told)
    if args.json:
        print_json(report.as_dict())
        return DONE
    print_text(
        f"Exported {_counts(report.manifest)} to {report.folder}: {len(report.manifest.parts)} parts, "
        f"{report.bytes:,} bytes, in {report.seconds:.1f} s.\n"
        "Verified: each passage has its vector; each part was read back and has its SHA-256."
    )
    return DONE


def _import(args: argparse.Namespace) -> int:
    from rag.archive.archive import Archive
    from rag.archive.moving.importing import import_into
    from rag.settings import Settings

    settings = Settings.load(data_dir=args.data_dir, archive=args.archive)
    with closing(Archive(settings, may_be_new=True)) as archive:
        folder = args.folder.expanduser().absolute()
        report = import_into(archive, folder, embedder=_chosen_embedder(settings), progress=_told)
    if args.json:
        print_json(report.as_dict())
        return DONE
    print_text(
        f"The archive at {report.archive} holds {_counts(report.manifest)} of {report.folder}; nothing was embedded. "
        f"{report.parts} of {len(report.manifest.parts)} parts were stored now, in {report.seconds:.1f} s.\n"
        f"Verified: {'; '.join(report.verified)}."
    )
    return DONE


def _add_move(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", required=True, metavar="TARGET", help="postgresql://user@host/name, or a new folder")
    parser.add_argument(
        "--through",
        type=Path,
        metavar="FOLDER",
        help="where there is space for an export (else: folder of the archive)",
    )


def _move(args: argparse.Namespace) -> int:
    from rag.archive.installation import existing
    from rag.archive.moving.move import move
    from rag.serving.shared_keys import keys_of
    from rag.settings import Settings

    def carry(old: Archive, new: Archive) -> None:
        keys_of(new).take_along(keys_of(old))

    settings = existing(Settings.load(data_dir=args.data_dir, archive=args.archive))
    report = move(settings, args.to, args.through, progress=_told, carry=carry)
    if args.json:
        print_json(report.as_dict())
        return DONE
    imported = report.imported
    keys = (
        "The API keys were taken along."
        if report.carried
        else "It held all of that already: its API keys are as they were."
    )
    place = (
        "the address of --to in DATELINE_CATALOG"
        if "://" in args.to
        else f"--data-dir {Path(args.to).expanduser().absolute()}"
    )
    use = place + settings.archive_option
    print_text(
        f"The archive at {report.target} holds {_counts(imported.manifest)} of the one at {report.source}, which is as "
        f"it was; nothing was embedded. {imported.parts} of {len(imported.manifest.parts)} parts were stored now, in "
        f"{imported.seconds:.1f} s.\n"
        f"Verified: {'; '.join(imported.verified)}.\n"
        f"{keys} Use it from now on with {use}. Its indexes are built at the first start: dateline doctor builds and "
        "checks them."
    )
    return DONE


def _counts(manifest: Manifest) -> str:
    rows = {name: total.rows for name, total in manifest.contents.items()}
    return (
        f"{counted(manifest.articles, 'article')} ({counted(rows['versions'], 'version')}), "
        f"{counted(rows['passages'], 'passage')}, {counted(rows['vectors'], 'vector')} and {rows['stories']:,} "
        f"{'story' if rows['stories'] == 1 else 'stories'}"
    )


def _chosen_embedder(settings: Settings) -> str:
    """The name of the embedder that the settings choose; "" where they leave it to the archive."""
    from rag.models.embeddings import open_embedder

    if settings.embedder == "packaged" and not settings.embedder_url:
        return ""
    return open_embedder(settings).name


def _told(part: Part) -> None:
    if sys.stderr.isatty():
        print_note(f"{part.name}: {part.rows:,} rows")


COMMANDS = (
    Command(
        name="export",
        help="write the whole archive, with its vectors, to a folder of files",
        run=_export,
        add_arguments=_add_folder,
    ),
    Command(
        name="import",
        help="fill a new archive from an export, without embedding, or go on with it",
        run=_import,
        add_arguments=_add_folder,
    ),
    Command(
        name="move",
        help="fill a PostgreSQL database, or a new folder, with the whole archive, without embedding, or go on with it",
        run=_move,
        add_arguments=_add_move,
    ),
)
