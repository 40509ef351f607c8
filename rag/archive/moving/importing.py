"""Fills a new archive from an export. Nothing is embedded; the indexer builds the indexes as usual.

Each part is one transaction that also stores how far the import has come, so that one that was killed goes on with the
next part, and nothing is stored twice. Until all is verified the archive refuses to be used.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.archive.archive import Archive
from rag.archive.moving import manifest as manifests
from rag.archive.moving import parts
from rag.archive.moving.contents import BY_NAME, CONTENTS, CORE, OWN, Content, Row
from rag.archive.moving.manifest import Manifest, Part, Sum, damaged, line_of
from rag.archive.tables.changes import IMPORTING
from rag.errors import ArchiveMismatch, StorageError

_ROWS_AT_ONCE = 500
_SET = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What was imported. `parts` were stored by this call, of `of_parts`; none where the archive held them already."""

    folder: Path
    archive: Path
    manifest: Manifest
    parts: int = 0
    passages: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return {
            "folder": str(self.folder),
            "archive": str(self.archive),
            "embedder": self.manifest.embedder,
            "articles": self.manifest.articles,
            "contents": {name: total.rows for name, total in self.manifest.contents.items()},
            "parts": self.parts,
            "of_parts": len(self.manifest.parts),
            "seconds": round(self.seconds, 3),
            "verified": [
                "SHA-256 of each part",
                "number and digest of the rows of each table, read back from the catalogue",
                "each article's digest, and each passage in its article with its vector",
                f"all {self.passages} passages in both indexes",
            ],
        }


def import_into(
    archive: Archive, folder: Path, *, embedder: str = "", progress: Callable[[Part], None] = lambda part: None
) -> ImportReport:
    """Fills a new archive from the export in a folder, or goes on where an import of it was interrupted.

    The archive has just been opened: nothing has asked it for its indexes, whose thread would see half of the articles.
    `embedder` is the name of the model that the settings choose, "" where they choose none. An archive that holds this
    very export stays as it is. Raises BadInput for a damaged file, which it names; ArchiveMismatch for another format,
    model or other articles; ArchiveBusy while another process writes to the archive or serves it; StorageError.
    """
    began = time.perf_counter()
    if archive.catalog.database.shared:
        raise ArchiveMismatch(
            "dateline import fills a folder, and DATELINE_CATALOG names a PostgreSQL database. Unset it and import "
            "into a new folder; or ingest the articles into the database."
        )
    manifest, fingerprint = manifests.read(folder)
    _check_embedder(manifest, embedder, "The settings name")
    for part in manifest.parts:
        parts.check(folder, part)
    report = ImportReport(folder=folder, archive=archive.folder, manifest=manifest)
    with archive.writing(importing=True):
        archive.own_indexes()  # a server would follow what is stored before all of it is there
        done = _begun(archive, manifest, fingerprint)
        if done is not None:
            for number, part in enumerate(manifest.parts[done:], done + 1):
                _store(archive, folder, part, _mark(fingerprint, number))
                report.parts += 1
                progress(part)
            if not _is_verified(archive):
                _verify(archive, manifest)
                archive.catalog.set_meta({IMPORTING: _mark(fingerprint, len(manifest.parts), verified=True)})
        report.passages = _indexed(archive)
        with archive.catalog.transaction() as db:
            db.execute("DELETE FROM meta WHERE key = ?", (IMPORTING,))
    report.seconds = time.perf_counter() - began
    return report


def _mark(fingerprint: str, done: int, *, verified: bool = False) -> str:
    return json.dumps({"export": fingerprint, "parts": done, "verified": verified})


def _is_verified(archive: Archive) -> bool:
    return bool(json.loads(archive.catalog.get_meta(IMPORTING) or "{}").get("verified"))


def _check_embedder(manifest: Manifest, chosen: str | None, who: str) -> None:
    if chosen and manifest.embedder and chosen != manifest.embedder:
        raise ArchiveMismatch(
            f"{who} the embedder '{chosen}', the vectors of the export are of '{manifest.embedder}'. Import it into a "
            "new archive without another DATELINE_EMBEDDER; dateline reindex moves it to another embedder then."
        )


# --- before -------------------------------------------------------------------------------------------


def _begun(archive: Archive, manifest: Manifest, fingerprint: str) -> int | None:
    """How many parts are stored already; None where the archive holds the whole export. Raises ArchiveMismatch."""
    catalog = archive.catalog
    stored = catalog.get_meta(IMPORTING)
    if stored is not None:
        mark = json.loads(stored)
        if mark["export"] != fingerprint:
            raise ArchiveMismatch(
                f"The import of another export into the archive at {archive.folder} is unfinished. Go on with that "
                "one, or name a new folder with --data-dir."
            )
        return int(mark["parts"])
    if any(_holds_any(archive, content) for content in OWN):
        if _core(archive) == {one.name: manifest.contents[one.name] for one in CORE}:
            return None
        raise ArchiveMismatch(
            f"The archive at {archive.folder} holds other articles than the export, and an import does not mix them. "
            "Name a new folder with --data-dir."
        )
    _check_embedder(manifest, archive.model, f"The archive at {archive.folder} was begun with")
    _check_space(archive.folder, manifest)
    with catalog.transaction() as db:
        # What an indexer has noted of the archive without articles does not hold of those that come.
        db.execute("DELETE FROM meta WHERE key != 'format'")
        db.execute("DELETE FROM followed")
        if manifest.embedder:  # an archive without one is taken for new, and let in
            db.execute(_SET, ("embedder", manifest.embedder))
        db.execute(_SET, (IMPORTING, _mark(fingerprint, 0)))
    return 0


def _holds_any(archive: Archive, content: Content) -> bool:
    return bool(archive.catalog.database.read(f"SELECT 1 FROM {content.table} LIMIT 1", (), lambda row: True))


def _core(archive: Archive) -> dict[str, object]:
    return {content.name: _total(archive, content) for content in CORE}


def _check_space(folder: Path, manifest: Manifest) -> None:
    needed, free = sum(part.unpacked_bytes for part in manifest.parts), shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(
            f"The export holds {needed:,} bytes, and {folder} has {free:,} bytes free. Free some space, or name "
            "another folder with --data-dir."
        )


# --- one part -----------------------------------------------------------------------------------------


def _store(archive: Archive, folder: Path, part: Part, mark: str) -> None:
    """Stores a part and the mark that it is stored, both or neither. Raises BadInput."""
    content = BY_NAME[part.content]
    waiting: list[Row] = []
    with archive.catalog.transaction() as db:
        for number, value in enumerate(parts.rows(folder, part), 1):
            try:
                waiting += content.checked(value)
            except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
                raise damaged(folder / part.name, f"row {number}: {error}") from error
            if len(waiting) >= _ROWS_AT_ONCE:
                content.store(db, waiting)
                waiting = []
        if waiting:
            content.store(db, waiting)
        db.execute(_SET, (IMPORTING, mark))


# --- after --------------------------------------------------------------------------------------------


def _total(archive: Archive, content: Content) -> object:
    found = Sum()
    with archive.catalog.database.snapshot() as read:
        for row in content.read(read):
            found.add(line_of(row))
    return found.total


def _verify(archive: Archive, manifest: Manifest) -> None:
    """Raises StorageError where the catalogue does not hold what the export says."""
    wrong = [content.name for content in CONTENTS if _total(archive, content) != manifest.contents[content.name]]
    count = archive.catalog.database.read("SELECT count(*) AS n FROM articles", (), lambda row: int(row["n"]))[0]
    if count != manifest.articles:
        wrong.append("articles")
    if (archive.model or "") != manifest.embedder:
        wrong.append("embedder")
    if wrong:
        raise _unusable(archive.folder, [f"{', '.join(wrong)} of the catalogue are not as its manifest says."])


def _indexed(archive: Archive) -> int:
    """Builds the indexes and compares them with the catalogue, which is checked first; the number of passages."""
    health = archive.health()
    if health.catalogue:
        raise _unusable(archive.folder, health.catalogue)
    if not health.sound or health.passages is None:
        raise StorageError(f"The indexes of {archive.folder} are not as its catalogue. Run: dateline rebuild")
    archive.wait_until_threaded()
    return health.passages


def _unusable(folder: Path, problems: Sequence[Any]) -> StorageError:
    return StorageError(
        f"What was imported into {folder} cannot be used: {problems[0]} The export was damaged before it was written. "
        "Delete this folder and export again from an archive that dateline doctor finds sound."
    )
