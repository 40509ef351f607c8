"""The catalogue in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rag.archive import private_files
from rag.archive.tables.database import Database, Held, Row, Statements
from rag.errors import StorageError
from rag.language.tokens import fold

_PATIENCE = 30  # seconds that SQLite waits for a lock held by another process


class SqliteDatabase(Database[sqlite3.Connection]):
    """One SQLite file, in WAL mode."""

    engine = "SQLite"
    choice = "folder with --data-dir"
    shared = False
    begin_snapshot = "BEGIN"
    sought = "fold(a.title || ' ' || a.outlet || ' ' || v.byline || ' ' || a.id)"
    errors = (sqlite3.Error,)

    def __init__(self, path: Path) -> None:
        """Does not open the file yet."""
        super().__init__(str(path), str(path.parent))
        self.path = path

    # --- errors -------------------------------------------------------------------------------

    def damaged(self, why: str) -> StorageError:
        """The error for content that Dateline cannot have written; `why` completes the sentence."""
        return StorageError(
            f"The catalogue {self.path} cannot be used: {why}. It is damaged: replace it with a backup, and remove "
            "catalogue.sqlite-wal unless it belongs to the same backup. Nothing was changed; dateline doctor lists the "
            "damage."
        )

    def foreign(self) -> StorageError:
        """The error for a database of another program."""
        return self.damaged("it is a database of another program")

    def _explained(self, error: Exception, begun: bool) -> StorageError:
        name = getattr(error, "sqlite_errorname", None) or ""
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "decode to UTF-8" in str(error):
            return self.damaged(str(error))
        if name == "SQLITE_FULL":
            advice = "The disk is full: free some space"
        else:
            advice = "Check the free space and the write permission of the folder"
        return StorageError(
            f"The catalogue {self.path} cannot be used: {error}. {advice}; data stored earlier is intact."
        )

    def _is_away(self, error: Exception) -> bool:
        return False  # there is no server

    # --- the whole file -----------------------------------------------------------------------

    def begin_use(self, left: Sequence[Path]) -> None:
        """Makes the file, private to its owner. Raises StorageError where it is gone and there is something `left`."""
        with self.reported():
            log = self.path.with_name(f"{self.path.name}-wal")
            if not self.path.exists() or not self.path.stat().st_size:
                left = [*left, *([log] if log.exists() and log.stat().st_size else [])]
                if left:
                    raise self.lost("is empty" if self.path.exists() else "is missing", left)
            private_files.make_folder(self.path.parent)
            private_files.make_file(self.path)
            private_files.tighten(*[self.path.with_name(f"{self.path.name}{end}") for end in ("", "-wal", "-shm")])

    def tables(self, schema: str = "") -> set[str]:
        """The names of the tables that there are; a file has no schemas."""
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        return set(self.read(sql, (), lambda row: str(row[0])))

    def create(self, db: Statements, schema: str) -> None:
        """Makes the tables of a schema that are not there yet."""
        for statement in schema.split(";\n"):
            db.execute(statement)

    def wrong_pages(self, most: int, *, quickly: bool) -> list[str]:
        """What SQLite finds wrong with the pages of the file, `quickly` in about 1 s per GB.

        Only the slow way finds an index that disagrees with its table, which would hide an article.
        """
        check = "quick_check" if quickly else "integrity_check"
        found = self.read(f"PRAGMA {check}({most})", (), lambda row: str(row[0]))
        return [line for one in found if one != "ok" for line in one.splitlines()]

    @contextmanager
    def hold(self, name: str, *, together: bool = False) -> Iterator[Held]:
        """Holds nothing: the locks of the folder do."""
        yield Held(True)

    # --- connections --------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA journal_mode=WAL")
            # FULL: a committed transaction survives a power cut (sqlite.org/pragma.html#pragma_synchronous).
            db.execute("PRAGMA synchronous=FULL")
            db.create_function("fold", 1, fold, deterministic=True)
        except BaseException:
            db.close()
            raise
        return db

    def _fetched(self, db: sqlite3.Connection, sql: str, values: Sequence[Any]) -> Sequence[Row]:
        return db.execute(sql, values).fetchall()

    def _statements(self, db: sqlite3.Connection) -> Statements:
        return db

    def _begin(self, db: sqlite3.Connection) -> None:
        db.execute("BEGIN IMMEDIATE")

    def _commit(self, db: sqlite3.Connection) -> None:
        db.execute("COMMIT")

    def _rolled_back(self, db: sqlite3.Connection) -> bool:
        """Whether a rollback succeeded. After some errors, such as a full disk, SQLite has already rolled back."""
        with suppress(sqlite3.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")
            return True
        return False
