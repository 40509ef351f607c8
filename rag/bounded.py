"""Calls that may wait for ever, with a limit on the waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

_Given = TypeVar("_Given")


class Overdue(Exception):
    """A call did not come back within its time."""


class _Worker:
    def __init__(self) -> None:
        self.work: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[tuple[Any, BaseException | None]]] | None]
        self.work = SimpleQueue()
        # A daemon: one that waits for ever must not keep the process from ending.
        threading.Thread(target=self._run, name="bounded call", daemon=True).start()

    def _run(self) -> None:
        while (job := self.work.get()) is not None:
            call, answer = job
            try:
                answer.put((call(), None))
            except BaseException as error:  # also a panic of Rust, which is no Exception
                answer.put((None, error))
            del job, call, answer  # or what was given would live until the next call


class Bounded:
    """Runs calls in threads that are kept for the next one. Safe for many threads.

    A call that is overdue goes on in its thread; nobody sees what it gives, and its thread ends with it.
    """

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._guard = threading.Lock()
        self._closed = False

    def run(self, call: Callable[[], _Given], seconds: float) -> _Given:
        """What the call gives or raises. Raises Overdue after so many seconds."""
        with self._guard:
            worker = self._idle.pop() if self._idle else None
        worker = worker or _Worker()
        answer: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        worker.work.put((call, answer))
        try:
            given, error = answer.get(timeout=seconds)
        except BaseException as late:  # queue.Empty, or an interrupt
            worker.work.put(None)
            if isinstance(late, Exception):
                raise Overdue(f"it did not answer within {seconds:g} s") from None
            raise
        self._keep(worker)
        if error is not None:
            raise error
        return given  # type: ignore[no-any-return]

    def _keep(self, worker: _Worker) -> None:
        with self._guard:
            if not self._closed:
                self._idle.append(worker)
                return
        worker.work.put(None)

    def close(self) -> None:
        """Ends the threads that wait for work."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.work.put(None)
