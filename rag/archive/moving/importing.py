"""Fills a new archive from an export. Nothing is embedded; the indexer builds the indexes as usual.

Each part is one transaction that also stores how far the import has come, so that one that was killed goes on with the
next part, and nothing is stored twice. Until all is verified the archive refuses to be used.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

from rag.archive import integrity
from rag.archive.archive import Archive
from rag.archive.moving import manifest as manifests
from rag.archive.moving import parts
from rag.archive.moving.contents import BY_NAME, CONTENTS, CORE, FOLLOWED, OWN, Content, Row
from rag.archive.moving.manifest import Manifest, Part, Sum, Total, damaged, line_of
from rag.archive.tables.changes import IMPORTING, VECTORS_IN
from rag.archive.tables.database import Statements
from rag.archive.tables.table import SET_META
from rag.errors import ArchiveBusy, ArchiveMismatch, StorageError

_ROWS_AT_ONCE = 500
_TURN_SECONDS = 10.0  # for which others may go on to look for near-duplicates or stories, of which there are none yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far an unfinished import has come, as the catalogue keeps it. `command` goes on with it, "" for a plain
    dateline import; `nuls`: a row held a NUL, which the database does not store."""

    export: str  # SHA-256 of its manifest
    parts: int = 0
    verified: bool = False
    command: str = ""
    nuls: bool = False

    def write(self, db: Statements) -> None:
        """Stores it with what else the transaction stores."""
        db.execute(SET_META, (IMPORTING, json.dumps(asdict(self))))


def mark_of(archive: Archive) -> Mark | None:
    """That of the archive; None where no import is unfinished."""
    stored = archive.catalog.get_meta(IMPORTING)
    return None if stored is None else Mark(**json.loads(stored))


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What was imported, and into which archive. `parts` were stored by this call, of those that there are; none where
    the archive held them already. `passages` is None where the indexes were not built."""

    folder: Path
    archive: str
    manifest: Manifest
    parts: int = 0
    passages: int | None = None
    seconds: float = 0.0

    @property
    def verified(self) -> list[str]:
        """What was compared."""
        found = [
            "SHA-256 of each part",
            "number and digest of the rows of each table, read back from the catalogue",
            "each article's digest, and each passage in its article with its vector",
        ]
        return found if self.passages is None else [*found, f"all {self.passages} passages in both indexes"]

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return {
            "folder": str(self.folder),
            "archive": self.archive,
            "embedder": self.manifest.embedder,
            "articles": self.manifest.articles,
            "contents": {name: total.rows for name, total in self.manifest.contents.items()},
            "parts": self.parts,
            "of_parts": len(self.manifest.parts),
            "seconds": round(self.seconds, 3),
            "verified": self.verified,
        }


def import_into(
    archive: Archive,
    folder: Path,
    *,
    embedder: str = "",
    progress: Callable[[Part], None] = lambda part: None,
    command: str = "",
    indexed: bool = True,
    finish: Callable[[], object] = lambda: None,
) -> ImportReport:
    """Fills a new archive from the export in a folder, or goes on where an import of it was interrupted.

    The archive has just been opened: nothing has asked it for its indexes, whose thread would see half of the articles.
    `embedder` is the name of the model that the settings choose, "" where they choose none. An archive that holds this
    very export stays as it is. `command` is that of a move, which begins anew where it left an import of an earlier
    export. With `indexed` the indexes of the folder are built, or else when it is first used. `finish` is called before
    the archive may be used, unless it held all of the export already.

    Raises BadInput for a damaged file, which it names; ArchiveMismatch for another format, model or other articles;
    ArchiveBusy while another process writes to the archive or serves it; StorageError.
    """
    began = time.perf_counter()
    manifest, fingerprint = manifests.read(folder)
    _check_embedder(manifest, embedder, "The settings name")
    for part in manifest.parts:
        parts.check(folder, part)
    report = ImportReport(folder=folder, archive=archive.place, manifest=manifest)
    with archive.writing(importing=True):
        archive.own_indexes()  # a server would follow what is stored before all of it is there
        with _alone(archive):
            _fill(archive, report, Mark(export=fingerprint, command=command), progress)
        if indexed:
            report.passages = _indexed(archive)
        elif problems := integrity.problems(archive.catalog):
            raise _unusable(archive, problems)
        if mark_of(archive) is not None:
            finish()
            with archive.catalog.transaction() as db:
                db.execute("DELETE FROM meta WHERE key = ?", (IMPORTING,))
    report.seconds = time.perf_counter() - began
    return report


@contextmanager
def _alone(archive: Archive) -> Iterator[None]:
    """Keeps processes with other folders on the same database from making near-duplicates and stories of half of the
    articles, beside those that are imported. Raises ArchiveBusy."""
    with ExitStack() as held:
        for name in FOLLOWED:
            until = time.monotonic() + _TURN_SECONDS
            while True:
                with ExitStack() as attempt:
                    if attempt.enter_context(archive.catalog.database.hold(name)):
                        held.enter_context(attempt.pop_all())
                        break
                if time.monotonic() > until:
                    raise ArchiveBusy(
                        f"Another process looks for near-duplicates or stories in {archive.place}. Stop it and try "
                        "again."
                    )
                time.sleep(0.1)
        yield


def _fill(archive: Archive, report: ImportReport, new: Mark, progress: Callable[[Part], None]) -> None:
    """Stores the parts that are not stored yet, and compares all that is stored with the manifest."""
    manifest = report.manifest
    mark = _begun(archive, report.folder, manifest, new)
    if mark is None:
        return
    for number, part in enumerate(manifest.parts[mark.parts :], mark.parts + 1):
        mark = _store(archive, report.folder, part, replace(mark, parts=number))
        report.parts += 1
        progress(part)
    if not mark.verified:
        _verify(archive, report.folder, manifest, mark)
        with archive.catalog.transaction() as db:
            archive.catalog.database.count_on(db)
            replace(mark, verified=True).write(db)


def _check_embedder(manifest: Manifest, chosen: str | None, who: str) -> None:
    if chosen and manifest.embedder and chosen != manifest.embedder:
        raise ArchiveMismatch(
            f"{who} the embedder '{chosen}', the vectors of the export are of '{manifest.embedder}'. Import it into a "
            "new archive without another DATELINE_EMBEDDER; dateline reindex moves it to another embedder then."
        )


# --- before -------------------------------------------------------------------------------------------


def _begun(archive: Archive, folder: Path, manifest: Manifest, new: Mark) -> Mark | None:
    """How far the import has come; None where the archive holds the whole export. Raises ArchiveMismatch."""
    mark = mark_of(archive)
    if mark is not None:
        if mark.export == new.export and mark.command == new.command:
            return mark
        if mark.command != new.command:
            archive.check_whole()  # which raises
        if not new.command:
            raise ArchiveMismatch(
                f"The import of another export into the archive at {archive.place} is unfinished. Go on with that "
                f"one, or name another {archive.catalog.database.choice}."
            )
    elif any(_holds_any(archive, content) for content in OWN):
        if _holds(archive, folder, manifest):
            return None
        raise _other_articles(archive)
    else:
        _check_embedder(manifest, archive.model, f"The archive at {archive.place} was begun with")
    _check_space(archive, manifest)
    with archive.catalog.transaction() as db:
        # Of an earlier export of the same move; and what an indexer has noted of the archive without articles.
        for table in ["articles", *(content.table for content in OWN)]:
            db.execute(f"DELETE FROM {table}")
        # The collection of this archive in Milvus stays its own, to be filled anew instead of left behind.
        db.execute("DELETE FROM meta WHERE key NOT IN ('format', ?)", (VECTORS_IN,))
        db.execute("DELETE FROM followed")
        if manifest.embedder:  # an archive without one is taken for new, and let in
            db.execute(SET_META, ("embedder", manifest.embedder))
        new.write(db)
    return new


def check_target(archive: Archive, source: Archive, command: str) -> None:
    """Raises ArchiveMismatch, before an export is made for it, where an archive cannot take what the source holds."""
    mark = mark_of(archive)
    if mark is not None and mark.command != command:
        archive.check_whole()
    changes = BY_NAME["changes"]
    taken = mark is None and any(_holds_any(archive, content) for content in OWN)
    if taken and total(archive, changes) != total(source, changes):
        raise _other_articles(archive)


def _other_articles(archive: Archive) -> ArchiveMismatch:
    return ArchiveMismatch(
        f"The archive at {archive.place} holds other articles than the export, and an import does not mix them. "
        f"Name a new {archive.catalog.database.choice}."
    )


def _holds_any(archive: Archive, content: Content) -> bool:
    return bool(archive.catalog.database.read(f"SELECT 1 FROM {content.table} LIMIT 1", (), lambda row: True))


def _holds(archive: Archive, folder: Path, manifest: Manifest) -> bool:
    found = {content.name: total(archive, content) for content in CORE}
    if found == {name: manifest.contents[name] for name in found}:
        return True
    # In PostgreSQL without the NULs that it may have held. Other articles are seldom as many.
    as_many = all(one.rows == manifest.contents[name].rows for name, one in found.items())
    if not archive.catalog.database.shared or not as_many:
        return False
    changed = _without_nuls(folder, manifest)
    return found == {name: changed[name] for name in found}


def _check_space(archive: Archive, manifest: Manifest) -> None:
    if archive.catalog.database.shared:  # on a disk that is not seen from here
        return
    needed, free = sum(part.unpacked_bytes for part in manifest.parts), shutil.disk_usage(archive.folder).free
    if needed > free:
        raise StorageError(
            f"The export holds {needed:,} bytes, and {archive.folder} has {free:,} bytes free. Free some space, or "
            "name another folder with --data-dir."
        )


# --- one part -----------------------------------------------------------------------------------------


def _store(archive: Archive, folder: Path, part: Part, mark: Mark) -> Mark:
    """Stores a part and the mark that it is stored, both or neither; that mark. Raises BadInput."""
    content, database = BY_NAME[part.content], archive.catalog.database
    waiting: list[Row] = []
    with archive.catalog.transaction() as db:
        for number, value in enumerate(parts.rows(folder, part), 1):
            try:
                if database.shared and _has_nul(value):
                    value, mark = content.without_nuls(value), replace(mark, nuls=True)
                waiting += content.checked(value)
            except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
                raise damaged(folder / part.name, f"row {number}: {error}") from error
            if len(waiting) >= _ROWS_AT_ONCE:
                content.store(database, db, waiting)
                waiting = []
        if waiting:
            content.store(database, db, waiting)
        mark.write(db)
    return mark


def _has_nul(row: object) -> TypeGuard[Row]:
    return isinstance(row, dict) and any(isinstance(value, str) and "\0" in value for value in row.values())


# --- after --------------------------------------------------------------------------------------------


def total(archive: Archive, content: Content) -> Total:
    """The rows of a kind that the catalogue holds now, and their digest."""
    found = Sum()
    with archive.catalog.database.snapshot() as read:
        for row in content.read(read):
            found.add(line_of(row))
    return found.total


def _without_nuls(folder: Path, manifest: Manifest) -> dict[str, Total]:
    """What the contents of the manifest are without NULs, by name. Reads all parts."""
    found = {content.name: Sum() for content in CONTENTS}
    for part in manifest.parts:
        for value in parts.rows(folder, part):
            row: Any = BY_NAME[part.content].without_nuls(value) if _has_nul(value) else value
            found[part.content].add(line_of(row))
    return {name: one.total for name, one in found.items()}


def _verify(archive: Archive, folder: Path, manifest: Manifest, mark: Mark) -> None:
    """Raises StorageError where the catalogue does not hold what the export says."""
    expected = _without_nuls(folder, manifest) if mark.nuls else manifest.contents
    wrong = [content.name for content in CONTENTS if total(archive, content) != expected[content.name]]
    count = archive.catalog.database.read("SELECT count(*) AS n FROM articles", (), lambda row: int(row["n"]))[0]
    if count != manifest.articles:
        wrong.append("articles")
    if (archive.model or "") != manifest.embedder:
        wrong.append("embedder")
    if wrong:
        raise _unusable(archive, [f"{', '.join(wrong)} of the catalogue are not as its manifest says."])


def _indexed(archive: Archive) -> int:
    """Builds the indexes and compares them with the catalogue; the number of passages."""
    health = archive.health()
    if health.catalogue:
        raise _unusable(archive, health.catalogue)
    if not health.sound or health.passages is None:
        raise StorageError(f"The indexes of {archive.folder} are not as its catalogue. Run: dateline rebuild")
    archive.wait_until_threaded()
    return health.passages


def _unusable(archive: Archive, problems: Sequence[Any]) -> StorageError:
    return StorageError(
        f"What was imported into {archive.place} cannot be used: {problems[0]} The export was damaged before it was "
        f"written. Name a new {archive.catalog.database.choice}, and export again from an archive that dateline doctor "
        "finds sound."
    )
