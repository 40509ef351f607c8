"""Writes all of an archive that cannot be made again without embedding or asking the sources to a folder of files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rag.archive import private_files
from rag.archive.archive import Archive
from rag.archive.indexer import lock_file
from rag.archive.moving import parts
from rag.archive.moving.contents import CONTENTS, Content, Read
from rag.archive.moving.manifest import NAME, Manifest, Part, Total, is_part_name
from rag.errors import ArchiveBusy, ArchiveMissing, BadInput, SettingsError, StorageError

_LOCK = "export.lock"
_OWN = (_LOCK, NAME, f"{NAME}.new")
# A join: PostgreSQL compares every passage with every vector for a NOT IN that exceeds its memory.
_WITHOUT_VECTOR = "SELECT count(*) AS n FROM passages p LEFT JOIN vectors v ON v.hash = p.embedded WHERE v.hash IS NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written."""

    folder: Path
    manifest: Manifest
    seconds: float

    @property
    def bytes(self) -> int:
        """The size of all parts."""
        return sum(part.bytes for part in self.manifest.parts)

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return {
            "folder": str(self.folder),
            "embedder": self.manifest.embedder,
            "articles": self.manifest.articles,
            "contents": {name: total.rows for name, total in self.manifest.contents.items()},
            "parts": len(self.manifest.parts),
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "verified": ["each passage has its vector", "SHA-256 of each part, read back from the disk"],
        }


def export(
    archive: Archive,
    folder: Path,
    *,
    part_bytes: int = parts.PART_BYTES,
    progress: Callable[[Part], None] = lambda part: None,
) -> ExportReport:
    """Writes the archive as it is at this moment into a new or empty folder; an ingest may go on meanwhile.

    The manifest is written last. What an export left that was killed is deleted first: another moment is another
    export. Raises ArchiveMissing, ArchiveBusy, SettingsError for a folder that holds anything else, StorageError.
    """
    began = time.perf_counter()
    archive.check_whole()
    if not archive.catalog.last_change():
        raise ArchiveMissing(f"The archive at {archive.place} holds no article yet: there is nothing to export.")
    with _reported(folder), _prepared(folder):
        with archive.catalog.database.snapshot() as read, _reported(folder):
            _check_vectors(read, archive)
            manifest = _written(read, folder, part_bytes, progress)
        for part in manifest.parts:
            parts.check(folder, part)
        manifest.write(folder)
    return ExportReport(folder=folder, manifest=manifest, seconds=time.perf_counter() - began)


@contextmanager
def _reported(folder: Path) -> Iterator[None]:
    """Tells errors of the file system of those of the catalogue."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"The export {folder} cannot be written: {error.strerror or error}. Check free space and permissions, or "
            "name another folder; then run dateline export again. The archive is as it was."
        ) from error
    except BadInput as error:  # a part that reads otherwise than it was written
        raise StorageError(f"The export was not stored as it was written. {error}") from error


@contextmanager
def _prepared(folder: Path) -> Iterator[None]:
    """The folder, made or emptied of an unfinished export, and locked."""
    private_files.make_folder(folder)
    others = [one.name for one in folder.iterdir() if not (is_part_name(one.name) or one.name in _OWN)]
    if others:
        raise SettingsError(
            f"{folder} is not empty: it holds {sorted(others)[0]!r}. An export needs a new or an empty folder."
        )
    lock = lock_file(folder / _LOCK, 0.2)
    if lock is None:
        raise ArchiveBusy(f"Another dateline export writes to {folder}. Wait until it has finished.")
    try:
        if (folder / NAME).exists():  # seen with the lock held: another process may just have finished it
            raise SettingsError(
                f"{folder} holds a finished export, which is not written over. Name a new folder, or delete this one."
            )
        for left in folder.iterdir():
            if left.name != _LOCK:
                left.unlink()
        yield
    finally:
        with suppress(PermissionError):  # Windows deletes no open file
            (folder / _LOCK).unlink(missing_ok=True)  # before the release: who waits for it sees that it is gone
        lock.release()


def _check_vectors(read: Read, archive: Archive) -> None:
    missing = read(_WITHOUT_VECTOR, ())[0]["n"]
    if missing:
        raise StorageError(
            f"{missing} passages of {archive.place} have no vector, so they could not be imported. "
            "Run: dateline reindex"
        )


def _written(read: Read, folder: Path, part_bytes: int, progress: Callable[[Part], None]) -> Manifest:
    totals: dict[str, Total] = {}
    written: list[Part] = []
    for content in CONTENTS:
        writer = parts.Writer(folder, content.name, part_bytes)
        for part in writer.write(_sound(content, read)):
            progress(part)
        written += writer.parts
        totals[content.name] = writer.sum.total
    embedder = read("SELECT value FROM meta WHERE key = 'embedder'", ())
    return Manifest(
        embedder=embedder[0]["value"] if embedder else "",
        made_at=datetime.now().astimezone().isoformat(timespec="seconds"),
        articles=read("SELECT count(*) AS n FROM articles", ())[0]["n"],
        contents=totals,
        parts=tuple(written),
    )


def _sound(content: Content, read: Read) -> Iterator[dict[str, object]]:
    try:
        yield from content.read(read)
    except (ValueError, TypeError) as error:
        raise StorageError(
            f"The table {content.table} of the catalogue holds an invalid value: {error}. Nothing was exported; "
            "dateline doctor lists the damage."
        ) from error
