"""Searches before background work.

Python runs one thread at a time, and Chroma holds Python's global lock while it writes. So the indexer works in small
steps and pauses before each while a search runs; a search then waits for one step at most.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

_LONGEST_PAUSE = 0.05  # seconds; under uninterrupted searches the indexer makes at least 20 steps a second
_RECENT = 2.0  # seconds without a search after which steps are large
_SMALL, _LARGE = 8, 100  # passages a step: about 10 and 100 ms at 384 dimensions on 2 cores


class Stopped(Exception):
    """The archive is being closed; the work that was begun is finished by the next start."""


class Priority:
    """Counts the running searches and lets background work pause for them. Safe for many threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._searching = 0
        self._last_search = -_RECENT
        self._stopped = False

    @contextmanager
    def search(self) -> Iterator[None]:
        """Held while a search runs."""
        with self._changed:
            self._searching += 1
        try:
            yield
        finally:
            with self._changed:
                self._searching -= 1
                self._last_search = monotonic()
                self._changed.notify_all()

    def give_way(self) -> None:
        """Returns when no search runs, after 50 ms at the latest."""
        with self._changed:
            self._changed.wait_for(lambda: not self._searching, timeout=_LONGEST_PAUSE)

    def next_step(self) -> int:
        """Gives way; how many passages the next step may write. Raises Stopped after `stop`."""
        self.give_way()
        if self._stopped:
            raise Stopped
        return _LARGE if monotonic() - self._last_search > _RECENT else _SMALL

    def stop(self) -> None:
        """Ends the work at its next step."""
        self._stopped = True
