"""How a long run reports its progress."""

from __future__ import annotations

import time
from collections.abc import Callable

# Called with (name of the step, items done, items in all); `done` starts again at 1 with each new name.
Progress = Callable[[str, int, int], None]
SECONDS = 5.0  # between two lines


def silent(name: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""


def progress_lines(write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> Progress:
    """A Progress that writes lines such as `retrieval: 120 of 1,190`, at least SECONDS apart and none before that.

    `clock` gives seconds.
    """
    latest = clock()

    def report(name: str, done: int, total: int) -> None:
        nonlocal latest
        if clock() - latest >= SECONDS:
            latest = clock()
            write(f"{name}: {done:,} of {total:,}\n")

    return report
