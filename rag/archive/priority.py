"""Gives searches priority over background work.

Python runs one thread at a time, and Chroma holds the global interpreter lock while it writes. The indexer therefore
works in small steps and pauses before each while a search runs, so that a search waits for one step at most.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

_LONGEST_PAUSE = 0.05  # seconds; while searches never stop, the indexer still gets up to 20 steps per second
_REST = 0.5  # seconds, which work of some 27 ms that nobody waits for leaves to the searches
_RECENT = 2.0  # seconds without a search after which steps are large
_SMALL, _LARGE = 12, 160  # passages per step: about 15 and 100 to 140 ms of CPU at 384 dimensions


class Stopped(Exception):
    """The archive is being closed; the next start completes the interrupted work."""


class Priority:
    """Counts the running searches, so that background work can pause for them. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._searching = 0
        self._last_search = -_RECENT
        self._stopped = False

    @contextmanager
    def search(self) -> Iterator[None]:
        """A context in which a search counts as running."""
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
        """Returns as soon as no search runs, at most after 50 ms."""
        with self._changed:
            self._changed.wait_for(lambda: not self._searching, timeout=_LONGEST_PAUSE)

    def next_step(self) -> int:
        """Waits as `give_way`; returns how many passages the next step may write. Raises Stopped after `stop`."""
        self.give_way()
        if self._stopped:
            raise Stopped
        return _SMALL if self.is_searched() else _LARGE

    def is_searched(self) -> bool:
        """Whether a search runs or has ended within the last two seconds."""
        with self._changed:
            return bool(self._searching) or monotonic() - self._last_search < _RECENT

    def rest(self, interrupted: Callable[[], bool]) -> bool:
        """For work that nobody waits for: where searches run, returns true after half a second, or as soon as it is
        `interrupted`; else false at once. Raises Stopped."""
        until = monotonic() + _REST
        searched = self.is_searched()
        while searched and monotonic() < until and not interrupted() and not self._stopped:
            with self._changed:
                self._changed.wait(_LONGEST_PAUSE)
        if self._stopped:
            raise Stopped
        return searched

    def stop(self) -> None:
        """Makes the background work end at its next step."""
        self._stopped = True
