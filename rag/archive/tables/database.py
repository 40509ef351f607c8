"""One SQLite file and the few connections to it: taken for one read or one transaction, and given back.

A connection for each thread would never be closed again where every request comes in a thread of its own; each holds
two file descriptors.
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

_READERS = 8  # reads at once; a ninth waits for one of them, which take milliseconds
_PATIENCE = 30  # seconds that SQLite waits for a lock of another process
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

_Made = TypeVar("_Made")


class Database:
    """The connections to one SQLite file. Safe for many threads; readers never wait for a writer (WAL).

    Every method raises StorageError when the file is damaged, the disk full, or the database closed.
    """

    def __init__(self, path: Path, prepare: Callable[[sqlite3.Connection], object]) -> None:
        """Opens nothing yet. `prepare` is called with each new connection."""
        self.path = path
        self._prepare = prepare
        self._write = threading.RLock()
        self._writer: sqlite3.Connection | None = None
        self._pool = threading.Lock()  # guards the four that follow
        self._idle: list[sqlite3.Connection] = []
        self._lent = 0
        self._waiting: deque[Future[None]] = deque()  # done when the loan of one that ended is handed over
        self._closed = False
        self._of_thread = threading.local()  # the connection of the transaction that this thread is in

    # --- reading and writing ------------------------------------------------------------------

    def read(self, sql: str, values: Sequence[Any], made: Callable[[sqlite3.Row], _Made]) -> list[_Made]:
        """What `made` makes of each row. A row that it cannot be made of is damage: StorageError."""
        held = getattr(self._of_thread, "db", None)  # the transaction that this thread is in
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
            raise self.damaged(f"a row has a value that was never written: {error}") from error

    def _read_with_one_of_the_pool(self, sql: str, values: Sequence[Any]) -> list[sqlite3.Row]:
        db = self._borrowed()
        sound = False
        try:
            rows = db.execute(sql, values).fetchall()
            sound = True
        finally:
            self._give_back(db if sound else None)
            if not sound:
                db.close()  # after an error nobody knows what state it is in
        return rows

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; rolled back on any error, including an interrupt. Reads of this thread within it see it."""
        with self._write, self.reported():
            assert not self.in_transaction  # SQLite has none within another
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

    @property
    def in_transaction(self) -> bool:
        """Whether the calling thread is within a transaction."""
        db = getattr(self._of_thread, "db", None)
        return db is not None and db.in_transaction

    def close(self) -> None:
        """Closes every connection: one that a thread is reading from, when it has read; it waits for a transaction."""
        with self._pool:
            self._closed = True
            idle, self._idle = self._idle, []
            while self._waiting:
                self._waiting.popleft().set_result(None)
        for db in idle:
            db.close()
        with self._write:
            self._close_writer()

    # --- what went wrong ----------------------------------------------------------------------

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Turns what SQLite and the file system raise into StorageError."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._explained(error) from error

    def damaged(self, why: str) -> StorageError:
        """The error for content that cannot be what was written."""
        return StorageError(
            f"The catalogue {self.path} cannot be used: {why}. It is damaged: put a backup of it in its place (with "
            "no catalogue.sqlite-wal beside it, unless that is of the same backup). Nothing was changed; "
            "dateline doctor says how much is damaged."
        )

    def _explained(self, error: sqlite3.Error | OSError) -> StorageError:
        name = getattr(error, "sqlite_errorname", None) or ""
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "decode to UTF-8" in str(error):
            return self.damaged(str(error))
        if name == "SQLITE_FULL":
            advice = "The disk is full: free some space"
        else:
            advice = "Check free space and write permission of the folder"
        return StorageError(
            f"The catalogue {self.path} cannot be used: {error}. {advice}; what was stored before is unharmed."
        )

    # --- connections --------------------------------------------------------------------------

    def _borrowed(self) -> sqlite3.Connection:
        """A connection of the pool; waits its turn while all of them read."""
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
        except BaseException:  # an interrupt
            with self._pool:
                handed_over = turn not in self._waiting
                if not handed_over:
                    self._waiting.remove(turn)
            if handed_over:
                self._give_back(None)
            raise

    def _give_back(self, db: sqlite3.Connection | None) -> None:
        """Ends a loan; None where the connection is of no more use.

        The loan goes to whoever waits longest: were it free for all, a thread that reads one thing after another would
        take it again before one that waits has woken, for minutes on end.
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
            # FULL: a commit that was reported survives a power cut (sqlite.org/pragma.html#pragma_synchronous).
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
        """Takes a transaction back. SQLite has done so itself after some errors, a full disk among them."""
        with suppress(sqlite3.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")
            return True
        return False
