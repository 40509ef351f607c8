"""How a long run reports its progress."""

from __future__ import annotations

from collections.abc import Callable

# Called with (name of the step, items done, items in all); `done` starts again at 1 with each new name.
Progress = Callable[[str, int, int], None]


def silent(name: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""
