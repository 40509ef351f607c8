"""A few threads of the archive, on which a search runs one of its steps while the calling thread runs another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

_THREADS = 4

_Result = TypeVar("_Result")


class SideThreads:
    """Runs calls beside the calling thread. Thread-safe; the threads start when they are first needed."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="search")

    @contextmanager
    def beside(self, call: Callable[[], _Result]) -> Iterator[Callable[[], _Result]]:
        """A context during which `call` runs on another thread; the function it gives returns or raises its result.

        A call that no thread has begun when its result is asked for runs in the calling thread, so a search never waits
        for the steps of others. No call is left running when the context ends.
        """
        begun = self._begun(call)
        try:
            yield lambda: call() if begun is None or begun.cancel() else begun.result()
        finally:
            if begun is not None and not begun.cancel():
                wait([begun])

    def _begun(self, call: Callable[[], _Result]) -> Future[_Result] | None:
        try:
            return self._executor.submit(call)
        except RuntimeError:  # closed, or the interpreter is shutting down
            return None

    def close(self) -> None:
        """Ends the threads after their calls; later calls run in the calling thread."""
        self._executor.shutdown()
