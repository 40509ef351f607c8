"""The archives of one installation: the one without a name, and any number of named ones beside it.

DATA_DIR                     the archive without a name
DATA_DIR/archives/NAME/      a named one: a folder as any archive has, with its own catalogue, keys, indexes and uploads
  or, with DATELINE_CATALOG, the schema dateline_NAME of the database; folders are made where they are missing then
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from rag.archive import private_files
from rag.archive.indexes import keyword_index, vector_index
from rag.errors import ArchiveAbsent, ArchiveMissing, StorageError
from rag.settings import ARCHIVES, SCHEMA_PREFIX, is_archive_name

if TYPE_CHECKING:
    from rag.settings import Settings

CATALOGUE = "catalogue.sqlite"
_CONTENTS = (CATALOGUE, vector_index.NAME, keyword_index.NAME)
_SHOWN = 20  # names in a message


def names(settings: Settings) -> list[str]:
    """The names of the archives that exist, sorted. Raises StorageError."""
    if settings.catalog:
        from rag.archive.tables.postgres import PostgresDatabase  # its driver is optional

        with closing(PostgresDatabase(settings.catalog)) as database:
            found = [name.removeprefix(SCHEMA_PREFIX) for name in database.schemas(SCHEMA_PREFIX)]
            return sorted(name.replace("_", "-") for name in found if is_archive_name(name.replace("_", "-")))
    folder = settings.of_archive("").folder / ARCHIVES
    try:
        return sorted(one.name for one in folder.iterdir() if is_archive_name(one.name) and _is_own(one))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(
            f"The folder of the archives {folder} cannot be read: {error.strerror or error}. Check its permissions."
        ) from error


def has_unnamed(settings: Settings) -> bool:
    """Whether there is an archive without a name. Raises StorageError."""
    if not settings.catalog:
        return (settings.of_archive("").folder / CATALOGUE).exists()
    from rag.archive.tables.postgres import PostgresDatabase

    with closing(PostgresDatabase(settings.catalog)) as database:
        return "versions" in database.tables()


def new_place(settings: Settings) -> Path | None:
    """The folder in which these settings would make a new archive without a name; None where it holds one, or what is
    left of one.

    None for a catalogue in PostgreSQL too, which says itself where there is no such database, for a named archive, and
    for a folder that cannot be looked into: opening the archive says why.
    """
    try:
        holds = any((settings.folder / name).exists() for name in _CONTENTS)
    except OSError:
        return None
    return None if holds or settings.catalog or settings.archive else settings.folder


def existing(settings: Settings) -> Settings:
    """The same settings, for what must not make an archive: a mistyped folder would be an empty one.

    Raises ArchiveAbsent, ArchiveMissing, StorageError.
    """
    if folder := new_place(settings):
        raise ArchiveAbsent(
            f"There is no archive at {folder}. {_named(settings)}Name the folder of one with --data-dir or "
            "DATELINE_DATA_DIR, or make one there: dateline ingest --data-dir "
            f"{shlex.quote(str(folder))} FILE-OR-FOLDER"
        )
    check_exists(settings)
    return settings


def _named(settings: Settings) -> str:
    """What is said of the named archives where the one without a name is missing."""
    present = names(settings)
    return f"There are archives with a name, for --archive NAME: {_shown(present)}. " if present else ""


def _shown(present: Sequence[str]) -> str:
    return ", ".join(present[:_SHOWN]) + (" …" if len(present) > _SHOWN else "")


def check_exists(settings: Settings) -> None:
    """Raises ArchiveMissing for a name that no archive of the installation has, StorageError."""
    if not settings.archive:
        return
    if not settings.catalog:
        _check_own(settings.folder)
    present = names(settings)
    if settings.archive not in present:
        there = f"There are: {_shown(present)}." if present else "There is no named archive yet."
        if settings.model_copy(update={"archive": ""}).folder.joinpath(CATALOGUE).exists():
            there += " The one without a name is used without --archive."
        raise ArchiveMissing(
            f"There is no archive '{settings.archive}'. {there} The first ingest makes one: "
            f"dateline ingest --archive {settings.archive} FILE-OR-FOLDER"
        )


def make_folder(settings: Settings) -> None:
    """Makes the folder of an archive where it is missing, for its owner alone. Raises StorageError."""
    folder = settings.folder
    try:
        for one in (folder.parent.parent, folder.parent) if settings.archive else ():
            private_files.make_folder(one)
        private_files.make_folder(folder)
    except OSError as error:
        raise StorageError(
            f"The archive folder {folder} cannot be made: {error.strerror or error}. "
            "Name another with --data-dir or DATELINE_DATA_DIR."
        ) from error
    if settings.archive:
        _check_own(folder)


def _is_own(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink()


def _check_own(folder: Path) -> None:
    """Raises StorageError where the place of a named archive holds something else. Two names that lead to one folder
    would be one archive with two sets of sessions and locks."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        kind = "a link" if folder.is_symlink() else "a file"
        raise StorageError(
            f"{folder} is {kind}; a named archive is a folder of its own there. Move it away, or give the archive "
            "another name with --archive."
        )
