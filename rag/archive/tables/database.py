"""A small pool of connections to one SQLite file. Each is borrowed for one read or one transaction and returned.

A connection per thread would leak where every request runs in a new thread: nothing would close it, and each holds two
file descriptors.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from rag.errors import StorageError

_READERS = 8  # most concurrent reads; further reads wait for one of them to finish, which takes milliseconds
_PATIENCE = 30  # seconds that SQLite waits for a lock held by another process
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

_Made = TypeVar("_Made")


class Database:
    """A pool of connections to one SQLite file. Thread-safe; in WAL mode, readers never wait for the writer.

    Every method raises StorageError when the file is damaged, the disk is full or the database is closed.
    """

    def __init__(self, path: Path, prepare: Callable[[sqlite3.Connection], object]) -> None:
        """Does not open the file yet. `prepare` is called with each new connection."""
        self.path = path
        self._prepare = prepare
        self._write = threading.RLock()
        self._writer: sqlite3.Connection | None = None
        self._pool = threading.Lock()  # guards the next four attributes
        self._idle: list[sqlite3.Connection] = []
        self._lent = 0
        self._waiting: deque[Future[None]] = deque()  # each completes when its thread may borrow a connection
        self._closed = False
        self._of_thread = threading.local()  # `db`: the connection of this thread's open transaction

    # --- reading and writing ------------------------------------------------------------------

    def read(self, sql: str, values: Sequence[Any], made: Callable[[sqlite3.Row], _Made]) -> list[_Made]:
        """The result of `made` for each row. Raises StorageError when `made` rejects a row, which is then damaged."""
        held = getattr(self._of_thread, "db", None)
        try:
            if held is not None:
                rows = held.execute(sql, values).fetchall()
            else:
                rows = self._read_with_one_of_the_pool(sql, values)
        except (sqlite3.Error, OSError) as error:
            raise self._explained(error) from error
        try:
            return [made(row) for row in rows]
        except _UNREADABLE as error:
            raise self.damaged(f"a row holds an invalid value: {error}") from error

    def _read_with_one_of_the_pool(self, sql: str, values: Sequence[Any]) -> list[sqlite3.Row]:
        db = self._borrowed()
        sound = False
        try:
            rows = db.execute(sql, values).fetchall()
            sound = True
        finally:
            self._give_back(db if sound else None)
            if not sound:
                db.close()  # its state is unknown after an error
        return rows

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction, rolled back on any exception, KeyboardInterrupt too. Reads of this thread see its changes."""
        with self._write, self.reported():
            assert not self.in_transaction  # SQLite does not nest transactions
            db = self._opened_writer()
            outer = getattr(self._of_thread, "db", None)
            try:
                db.execute("BEGIN IMMEDIATE")
                self._of_thread.db = db
                yield db
                db.execute("COMMIT")
            except BaseException as error:
                if not self._rolled_back(db) or isinstance(error, sqlite3.Error):
                    self._close_writer()
                raise
            finally:
                self._of_thread.db = outer

    @contextmanager
    def snapshot(self) -> Iterator[Callable[[str, Sequence[Any]], Sequence[sqlite3.Row]]]:
        """A function that reads rows (SQL, values), all from one state of the database, whatever is written meanwhile.

        Errors of the database are StorageErrors; what the body does with files it has to report itself.
        """
        self._check_open()
        with self.reported():
            db = self._connect()
            try:
                db.execute("BEGIN")
                db.execute("SELECT 1 FROM meta").fetchall()  # SQLite fixes the state with the first read
                yield lambda sql, values: db.execute(sql, values).fetchall()
            finally:
                db.close()

    @property
    def in_transaction(self) -> bool:
        """Whether the calling thread has an open transaction."""
        db = getattr(self._of_thread, "db", None)
        return db is not None and db.in_transaction

    def close(self) -> None:
        """Closes every connection; one in use is closed when its read ends. Waits for a running transaction."""
        with self._pool:
            self._closed = True
            idle, self._idle = self._idle, []
            while self._waiting:
                self._waiting.popleft().set_result(None)
        for db in idle:
            db.close()
        with self._write:
            self._close_writer()

    # --- errors -------------------------------------------------------------------------------

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Converts errors of SQLite and the file system to StorageError."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._explained(error) from error

    def damaged(self, why: str) -> StorageError:
        """The error for content that Dateline cannot have written; `why` completes the sentence."""
        return StorageError(
            f"The catalogue {self.path} cannot be used: {why}. It is damaged: replace it with a backup, and remove "
            "catalogue.sqlite-wal unless it belongs to the same backup. Nothing was changed; dateline doctor lists the "
            "damage."
        )

    def _explained(self, error: sqlite3.Error | OSError) -> StorageError:
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

    # --- connections --------------------------------------------------------------------------

    def _borrowed(self) -> sqlite3.Connection:
        """A connection of the pool; waits for one when all of them are in use."""
        with self._pool:
            self._check_open()
            turn: Future[None] | None = None
            if self._lent < _READERS:
                self._lent += 1
            else:
                turn = Future()
                self._waiting.append(turn)
        if turn is not None:
            self._wait_for(turn)
        try:
            with self._pool:
                self._check_open()
                if self._idle:
                    return self._idle.pop()
            return self._connect()
        except BaseException:
            self._give_back(None)
            raise

    def _wait_for(self, turn: Future[None]) -> None:
        try:
            turn.result()
        except BaseException:  # such as KeyboardInterrupt
            with self._pool:
                handed_over = turn not in self._waiting
                if not handed_over:
                    self._waiting.remove(turn)
            if handed_over:
                self._give_back(None)
            raise

    def _give_back(self, db: sqlite3.Connection | None) -> None:
        """Returns a connection to the pool; None when it was closed or never opened.

        The right to borrow passes to the thread that has waited longest. If any thread could take it, one that reads in
        a loop would take it again before a waiting thread woke up, for minutes.
        """
        with self._pool:
            if db is not None and not self._closed:
                self._idle.append(db)
                db = None
            if self._waiting:
                self._waiting.popleft().set_result(None)
            else:
                self._lent -= 1
        if db is not None:
            db.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError(f"The catalogue {self.path} was closed. Open the archive again.")

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA journal_mode=WAL")
            # FULL: a committed transaction survives a power cut (sqlite.org/pragma.html#pragma_synchronous).
            db.execute("PRAGMA synchronous=FULL")
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _opened_writer(self) -> sqlite3.Connection:
        self._check_open()
        if self._writer is None:
            self._writer = self._connect()
        return self._writer

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @staticmethod
    def _rolled_back(db: sqlite3.Connection) -> bool:
        """Whether a rollback succeeded. After some errors, such as a full disk, SQLite has already rolled back."""
        with suppress(sqlite3.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")
            return True
        return False
