"""Moves an archive between a folder and PostgreSQL, through an export that is deleted when all is there."""

from __future__ import annotations

import shlex
import shutil
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rag.archive import private_files
from rag.archive.archive import Archive
from rag.archive.moving import manifest as manifests
from rag.archive.moving.contents import BY_NAME
from rag.archive.moving.exporting import export
from rag.archive.moving.importing import ImportReport, check_target, import_into, total
from rag.archive.moving.manifest import Part
from rag.errors import ArchiveBusy, BadInput, DatelineError, SettingsError, StorageError
from rag.settings import Settings

_BETWEEN = "moving"  # the folder of the export, which the page of a running server never shows
_EXPORT = "export"  # the export itself, in it
_COMMAND = "command"  # a file in it, with the command that goes on with the move
_QUEUE = "SELECT to_regclass('dateline_queue_pieces') IS NOT NULL AS present"  # tables of ingest.queue
_WAITING = "SELECT coalesce(sum(articles), 0) AS waiting FROM dateline_queue_pieces"
_LOGIN = "USER:PASSWORD@"  # in commands that are shown; no message holds the real ones


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveReport:
    """What was moved from where to where. `carried` is whether `carry` was called: not where all was there already."""

    source: str
    target: str
    imported: ImportReport
    carried: bool

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        told = self.imported.as_dict()
        return {"from": self.source, "to": self.target} | {
            key: told[key] for key in ("embedder", "articles", "contents", "parts", "of_parts", "seconds", "verified")
        }


def move(
    settings: Settings,
    to: str,
    through: Path | None = None,
    *,
    progress: Callable[[Part], None] = lambda part: None,
    carry: Callable[[Archive, Archive], object] = lambda old, new: None,
) -> MoveReport:
    """Fills a new archive with all that the archive of the settings holds, or goes on where that was interrupted.

    `to` is an address postgresql://… or a folder; a named archive keeps its name there. The export between the two
    takes space in `through`, by default the folder of the archive, and is deleted at the end. The archive stays as it
    is, and takes no article meanwhile. Nothing is embedded; the indexes of the new one are built when it is first
    used. `carry` takes along what is not of the archive itself, from the old one to the new, before that may be used.
    Raises SettingsError for a target that cannot be, ArchiveBusy while an ingest runs here or a server there, and what
    an export or an import raises.
    """
    database = "://" in to
    if to == settings.catalog or (not database and not settings.catalog and _same(Path(to), settings.data_dir)):
        raise _very_archive()
    with closing(Archive(settings)) as source:
        between = source.folder / _BETWEEN
        if through is not None:  # which other archives may be moved through, too
            mark = sha256(source.catalog.database.address.encode("utf-8", "surrogateescape")).hexdigest()[:8]
            between = through.expanduser().absolute() / f"{_BETWEEN}-{mark}"
        target = _target(settings, to, between)
        with source.writing(alone=True):  # no article comes in between, and no other move has the folder
            try:
                with closing(_made(target, between)) as new:
                    report = _moved(source, new, between, through, progress, carry)
            except DatelineError:
                if not (between / _EXPORT).exists():  # nothing was begun
                    with suppress(StorageError):
                        _delete(between)
                raise
            _delete(between)
    return report


def _moved(
    source: Archive,
    new: Archive,
    between: Path,
    through: Path | None,
    progress: Callable[[Part], None],
    carry: Callable[[Archive, Archive], object],
) -> MoveReport:
    _check_other(source, new)
    command = _command(source, _shown(new), through)
    check_target(new, source, command)
    _check_queue(source)
    _note(between / _COMMAND, command)
    folder, carried = between / _EXPORT, False
    if not _is_present(folder, source):
        _delete(folder)
        export(source, folder, progress=progress)

    def finish() -> None:
        nonlocal carried
        _check_queue(source)  # to which articles come at any time
        if not _is_present(folder, source):  # the lock of a database ends with its connection
            raise StorageError(
                f"The archive at {source.place} took in articles during the move, as its database was away in between. "
                "Run the same command again."
            )
        carry(source, new)
        carried = True

    imported = import_into(new, folder, progress=progress, command=command, indexed=False, finish=finish)
    return MoveReport(source=source.place, target=new.place, imported=imported, carried=carried)


def _check_other(source: Archive, new: Archive) -> None:
    """Raises SettingsError where two addresses, with and without the password, say, are of one database."""
    if source.catalog.database.shared and new.catalog.database.shared:
        name = f"move {uuid.uuid4().hex}"  # that nobody else holds
        with source.catalog.database.hold(name), new.catalog.database.hold(name) as other:
            if not other:
                raise _very_archive()


def _very_archive() -> SettingsError:
    return SettingsError(
        "--to names the very archive that is to be moved. To move a folder, name it with --data-dir and unset "
        "DATELINE_CATALOG; --to names where it shall go."
    )


def _check_queue(source: Archive) -> None:
    """Raises ArchiveBusy where articles wait for a worker, which would not be in the new archive."""
    read = source.catalog.database.read
    if not source.catalog.database.shared or read(_QUEUE, (), lambda row: bool(row["present"])) != [True]:
        return
    if waiting := read(_WAITING, (), lambda row: int(row["waiting"]))[0]:
        raise ArchiveBusy(
            f"{waiting} articles wait in the queue of {source.place}, and a move does not take the queue along. Let "
            "dateline worker store them, then run the same command again."
        )


def unfinished(folder: Path) -> str:
    """What is to be done about a move of the archive in a folder that was interrupted; "" where there is none."""
    try:
        command = (folder / _BETWEEN / _COMMAND).read_text(encoding="utf-8")
    except OSError:
        return ""
    return (
        f"A move of this archive is unfinished, or under way. This goes on with it: {command}\n"
        f"To give it up, delete {folder / _BETWEEN}, and what was stored in the new place."
    )


def _note(path: Path, command: str) -> None:
    try:
        private_files.make_file(path)
        path.write_text(command, encoding="utf-8")
    except OSError as error:
        raise _not_written(path.parent, error) from error


def _not_written(between: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{between}, for the time of the move, cannot be written: {error.strerror or error}. Name another folder with "
        "--through."
    )


def _target(settings: Settings, to: str, between: Path) -> Settings:
    """The settings of the new archive. Raises SettingsError."""
    if "://" not in to:
        return settings.with_catalog("", Path(to).expanduser().absolute())
    try:
        return settings.with_catalog(to, between / "folder")
    except SettingsError as error:
        raise SettingsError(str(error).replace("DATELINE_CATALOG is", "--to is")) from None


def _made(settings: Settings, between: Path) -> Archive:
    try:
        private_files.make_folder(between)
    except OSError as error:
        raise _not_written(between, error) from error
    return Archive(settings, may_be_new=True)


def _shown(archive: Archive) -> str:
    """The installation of an archive, which a named one is in under its name."""
    if archive.catalog.database.shared:
        return shlex.quote(archive.catalog.database.of_installation.replace("://", f"://{_LOGIN}", 1))
    return shlex.quote(str(archive.installation))


def _command(source: Archive, target: str, through: Path | None) -> str:
    """The command that goes on with the move. It is stored with what was moved, so it holds no password."""
    catalog = f"DATELINE_CATALOG={_shown(source)} " if source.catalog.database.shared else ""
    beside = f" --through {shlex.quote(str(through.expanduser().absolute()))}" if through else ""
    folder = shlex.quote(str(source.installation))
    return f"{catalog}dateline move --data-dir {folder}{source.option} --to {target}{beside}"


def _is_present(folder: Path, source: Archive) -> bool:
    """Whether there is a whole export of the archive as it is now: each change of an article has a number."""
    with suppress(BadInput):
        manifest, _ = manifests.read(folder)
        return manifest.contents["changes"] == total(source, BY_NAME["changes"])
    return False


def _delete(folder: Path) -> None:
    """Deletes what a move has written. Raises StorageError."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(
            f"{folder}, which the move has written, cannot be deleted: {error.strerror or error}. Delete it."
        ) from error


def _same(one: Path, other: Path) -> bool:
    return one.expanduser().resolve() == other.expanduser().resolve()
