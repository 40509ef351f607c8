"""A small pool of database connections. Each is borrowed for one read or one transaction and returned.

A connection per thread would leak where every request runs in a new thread: nothing would close it, and each holds
file descriptors.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

_Connection = TypeVar("_Connection", bound=Any)


class Pool(Generic[_Connection]):
    """At most `most` connections, made by `connect` when they are needed. Thread-safe."""

    def __init__(
        self, connect: Callable[[], _Connection], check_open: Callable[[], object], most: int, patience: float | None
    ) -> None:
        """`check_open` raises once the pool is closed. `patience`: seconds to wait for a connection; None: as long as
        it takes."""
        self._connect, self._check_open = connect, check_open
        self.most, self._patience = most, patience
        self._guard = threading.Lock()  # guards the next four attributes
        self._idle: list[_Connection] = []
        self._lent = 0
        self._waiting: deque[Future[None]] = deque()  # each completes when its thread may borrow a connection
        self.closed = False
        self._closing = threading.Lock()

    def borrowed(self) -> _Connection:
        """A connection; waits for one when all of them are in use. Raises TimeoutError after `patience` seconds."""
        with self._guard:
            self._check_open()
            turn: Future[None] | None = None
            if self._lent < self.most:
                self._lent += 1
            else:
                turn = Future()
                self._waiting.append(turn)
        if turn is not None:
            self._wait_for(turn)
        try:
            with self._guard:
                self._check_open()
                if self._idle:
                    return self._idle.pop()
            return self._connect()
        except BaseException:
            self.give_back(None)
            raise

    def _wait_for(self, turn: Future[None]) -> None:
        try:
            turn.result(self._patience)
        except BaseException:  # such as KeyboardInterrupt
            with self._guard:
                handed_over = turn not in self._waiting
                if not handed_over:
                    self._waiting.remove(turn)
            if handed_over:
                self.give_back(None)
            raise

    def give_back(self, db: _Connection | None) -> None:
        """Returns a connection to the pool; None when it was closed or never opened.

        The right to borrow passes to the thread that has waited longest. If any thread could take it, one that reads in
        a loop would take it again before a waiting thread woke up, for minutes.
        """
        with self._guard:
            if db is not None and not self.closed:
                self._idle.append(db)
                db = None
            if self._waiting:
                self._waiting.popleft().set_result(None)
            else:
                self._lent -= 1
        if db is not None:
            self.shut(db)

    def drop_idle(self) -> None:
        """Closes the connections that nobody uses, as after the server has ended all of them."""
        with self._guard:
            idle, self._idle = self._idle, []
        for db in idle:
            self.shut(db)

    def shut(self, db: _Connection) -> None:
        """Closes a connection, one at a time: of two that SQLite closes at once neither is the last, which takes the
        write-ahead log along."""
        with self._closing:
            db.close()

    def close(self) -> None:
        """Closes every connection; one in use is closed when its read ends."""
        with self._guard:
            self.closed = True
            while self._waiting:
                self._waiting.popleft().set_result(None)
        self.drop_idle()
