"""What the catalogue needs of a database, and the reads and transactions that are the same for each engine.

The SQL of the catalogue is written once, in what SQLite and PostgreSQL have in common, with `?` for each value.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from rag.archive.tables.pool import Pool
from rag.errors import StorageError
from rag.schema import Article

_READERS = 8  # most concurrent reads; further reads wait for one of them to finish, which takes milliseconds
UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

_Made = TypeVar("_Made")
_Connection = TypeVar("_Connection", bound=Any)


class Row(Protocol):
    """A row; its values by name and by number."""

    def __getitem__(self, key: Any, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


class Result(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """How many rows it has changed."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> list[Any]:
        """All further rows."""


class Statements(Protocol):
    """What an open transaction takes."""

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Result:
        """The result of one statement."""

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]], /) -> object:
        """Runs a statement for each row of values."""


class Held:
    """A lock that was asked for: true where this process got it."""

    def __init__(self, got: bool, kept: Callable[[], bool] = lambda: True) -> None:
        """`kept` tells whether it is still held, which ends with the connection that holds it."""
        self._got, self.kept = got, kept

    def __bool__(self) -> bool:
        return self._got


class Database(ABC, Generic[_Connection]):
    """A pool of connections to one database. Thread-safe; readers never wait for the writer.

    Every method raises StorageError when the database fails or is closed. Only one transaction runs at a time, of all
    processes, so the numbers of the change log are in the order of the commits.
    """

    engine: str  # its name in messages
    choice: str  # what a user names to use another archive: "folder with --data-dir"
    shared: bool  # whether processes with other folders, on other machines too, may use the same database
    sought: str  # an SQL expression: what the list of articles is searched in, folded; of `articles a`, `versions v`
    errors: tuple[type[Exception], ...]  # what the engine raises
    begin_snapshot: str  # begins a transaction that reads one state
    pauses: tuple[float, ...] = ()  # seconds between the attempts to reach the server again

    def __init__(self, place: str, folder: str, patience: float | None = None) -> None:
        """Opens nothing yet. Messages name the database by `place`, and the archive that it belongs to by `folder`.

        `patience`: how many seconds a read waits for a connection while all are in use; None: as long as it takes.
        """
        self.place, self.folder = place, folder
        self.address = folder  # what leads to this archive and no other, without secrets
        self.of_installation = folder  # the same, where a name tells it from others there
        self._write = threading.RLock()
        self._writer: _Connection | None = None
        self._pool: Pool[_Connection] = Pool(lambda: self._connect(), self._check_open, _READERS, patience)
        self._of_thread = threading.local()  # `db`: the connection of this thread's open transaction

    # --- reading and writing ------------------------------------------------------------------

    def read(self, sql: str, values: Sequence[Any], made: Callable[[Any], _Made]) -> list[_Made]:
        """The result of `made` for each row. Raises StorageError when `made` rejects a row, which is then damaged."""
        held = getattr(self._of_thread, "db", None)
        with self.reported():
            if held is not None:
                rows = self._fetched(held, sql, values)
            else:
                rows = self._repeated(lambda: self._read_with_one_of_the_pool(sql, values))
        try:
            return [made(row) for row in rows]
        except UNREADABLE as error:
            raise self.damaged(f"a row holds an invalid value: {error}") from error

    def _read_with_one_of_the_pool(self, sql: str, values: Sequence[Any]) -> Sequence[Row]:
        db = self._pool.borrowed()
        sound = False
        try:
            rows = self._fetched(db, sql, values)
            sound = True
        finally:
            self._pool.give_back(db if sound else None)
            if not sound:
                db.close()  # its state is unknown after an error
        return rows

    def _repeated(self, attempt: Callable[[], _Made]) -> _Made:
        """The result of `attempt`, which is made again after a pause while the server is away."""
        for pause in self.pauses:
            try:
                return attempt()
            except self.errors as error:
                if not self._is_away(error):
                    raise
            self._pool.drop_idle()
            time.sleep(pause)
        return attempt()

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        """A transaction, rolled back on any exception, KeyboardInterrupt too. Reads of this thread see its changes."""
        with self._write:
            assert not self.in_transaction  # they do not nest
            with self.reported():
                db = self._repeated(self._begun)
            with self.reported(begun=True):
                try:
                    self._of_thread.db = db
                    yield self._statements(db)
                    self._commit(db)
                except BaseException as error:
                    if not self._rolled_back(db) or isinstance(error, self.errors):
                        self._close_writer()
                    raise
                finally:
                    self._of_thread.db = None

    def _begun(self) -> _Connection:
        self._check_open()
        if self._writer is None:
            self._writer = self._connect()
        try:
            self._begin(self._writer)
        except BaseException:
            self._close_writer()
            raise
        return self._writer

    @contextmanager
    def snapshot(self) -> Iterator[Callable[[str, Sequence[Any]], Sequence[Row]]]:
        """A function that reads rows (SQL, values), all from one state of the database, whatever is written meanwhile.

        Errors of the database are StorageErrors; what the body does with files it has to report itself.
        """
        self._check_open()
        with self.reported():
            db = self._connect()
            try:
                db.execute(self.begin_snapshot)
                self._fetched(db, "SELECT 1 FROM meta", ())  # the first read fixes the state
                yield lambda sql, values: self._fetched(db, sql, values)
            finally:
                db.close()

    @property
    def in_transaction(self) -> bool:
        """Whether the calling thread has an open transaction."""
        return getattr(self._of_thread, "db", None) is not None

    def close(self) -> None:
        """Closes every connection; one in use is closed when its read ends. Waits for a running transaction."""
        self._pool.close()
        with self._write:
            self._close_writer()

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._pool.shut(self._writer)
            self._writer = None

    # --- errors -------------------------------------------------------------------------------

    @contextmanager
    def reported(self, *, begun: bool = False) -> Iterator[None]:
        """Converts errors of the engine and of the operating system to StorageError. `begun`: in a transaction."""
        try:
            yield
        except Exception as error:
            if isinstance(error, (OSError, *self.errors)):
                raise self._explained(error, begun) from error
            raise

    def _check_open(self) -> None:
        if self._pool.closed:
            raise StorageError(f"The catalogue {self.place} was closed. Open the archive again.")

    @abstractmethod
    def damaged(self, why: str) -> StorageError:
        """The error for content that Dateline cannot have written; `why` completes the sentence."""

    @abstractmethod
    def foreign(self) -> StorageError:
        """The error for a database of another program."""

    @abstractmethod
    def _explained(self, error: Exception, begun: bool) -> StorageError:
        """What a user is told of an error of the engine or the operating system; `begun`: in a transaction."""

    @abstractmethod
    def _is_away(self, error: Exception) -> bool:
        """Whether the server was not reached and may be back in a moment."""

    # --- the whole database -------------------------------------------------------------------

    @abstractmethod
    def begin_use(self, left: Sequence[Path]) -> None:
        """Prepares the first connection. `left` are what is left of indexes that were made from this catalogue.

        Raises StorageError, and changes nothing, where there are such and the place of the catalogue is empty.
        """

    def lost(self, how: str, left: Sequence[Path]) -> StorageError:
        """The error for a catalogue that is gone while its indexes are there; `how` it is."""
        names = " and ".join(str(one) for one in left)
        return StorageError(
            f"The catalogue {self.place} {how}, but {names} {'is' if len(left) == 1 else 'are'} not: articles were "
            "stored here. Put the catalogue back from a backup. Only if all articles are to be ingested again: delete "
            f"{names}. Nothing was changed."
        )

    @abstractmethod
    def tables(self, schema: str = "") -> set[str]:
        """The names of the tables that there are, in another schema where one is named and the engine has such."""

    @abstractmethod
    def create(self, db: Statements, schema: str) -> None:
        """Makes the tables of a schema, written for SQLite, that are not there yet."""

    def note_sought(self, db: Statements, articles: Sequence[Article]) -> None:
        """Stores what the list of articles finds each of these by, where `sought` does not compute it.

        An article of which another version is the present one is left as it is.
        """
        return

    def count_on(self, db: Statements) -> None:
        """Makes the numbers of passages and changes go on after the highest there is, where rows were stored with
        numbers of their own and the database does not see to it."""
        return

    @abstractmethod
    def wrong_pages(self, most: int, *, quickly: bool) -> list[str]:
        """At most `most` faults of the stored form, as sentences; those of the content are not looked for."""

    @abstractmethod
    def hold(self, name: str, *, together: bool = False) -> AbstractContextManager[Held]:
        """A context that holds a lock of this name against every process that uses the database, and gives whether it
        does: false where another one holds it. Several hold it `together`. Where the database is not `shared`, the
        locks of the folder do this, and it gives a true one."""

    # --- connections --------------------------------------------------------------------------

    @abstractmethod
    def _connect(self) -> _Connection:
        """A new connection."""

    @abstractmethod
    def _fetched(self, db: _Connection, sql: str, values: Sequence[Any]) -> Sequence[Row]:
        """All rows that a query gives."""

    @abstractmethod
    def _statements(self, db: _Connection) -> Statements:
        """The connection as those see it who write."""

    @abstractmethod
    def _begin(self, db: _Connection) -> None:
        """Begins a transaction, as the only writer."""

    @abstractmethod
    def _commit(self, db: _Connection) -> None:
        """Commits the transaction."""

    @abstractmethod
    def _rolled_back(self, db: _Connection) -> bool:
        """Whether a rollback succeeded."""
