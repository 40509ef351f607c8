"""`python -m eval fuzz`: every reader and cleaner on generated hostile input, for a given time.

Properties of each input: the readers give only articles and rejections, within a time limit; texts are clean; uncitable
spans and passages lie within the text, in order; reading the input again gives the same ids.
"""

from __future__ import annotations

import re
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from eval.datasets.hostile_inputs import generate, strategies
from ingest.chunking import passage_spans
from ingest.cleaning.text import clean
from ingest.readers.files import ReadOptions, Rejected, read, read_bytes
from rag.schema import Article

LIMIT = 5.0  # seconds of CPU time for one input of a few kilobytes
_ROUND = 100  # inputs of one kind before the next kind
_OPTIONS = ReadOptions(max_bytes=5_000_000)


class TooSlow(BaseException):
    """Raised at the time limit. Not an Exception, because readers turn exceptions into rejections."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises TooSlow within the block after so much CPU time. Works in the main thread only.

    The timer is not that of pytest-timeout, so a test may use both.
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TooSlow(f"more than {seconds:g} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def problem(name: str, data: bytes, seconds: float = LIMIT) -> str:
    """The property that an input violates; "" when it violates none."""
    try:
        with time_limit(seconds):
            first = _items(name, data)
            found = next((wrong for item in first if (wrong := _wrong(item))), "")
            if not found and [_identity(item) for item in first] != [_identity(item) for item in _items(name, data)]:
                found = "read again, it gives other ids"
            return found
    except TooSlow:
        return f"it takes more than {seconds:g} s"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]


def _items(name: str, data: bytes) -> list[object]:
    if not name.endswith(".zip"):
        return list(read_bytes(data, name, _OPTIONS))
    with tempfile.TemporaryDirectory(prefix="dateline-fuzz-") as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return list(read([path], _OPTIONS))


def _identity(item: object) -> object:
    return item.id if isinstance(item, Article) else getattr(item, "reason", None)


def _wrong(item: object) -> str:
    if isinstance(item, Rejected):
        return "" if item.reason and len(item.message) < 3000 else "a rejection without a reason, or a very long one"
    if not isinstance(item, Article):
        return f"it gives {type(item).__name__}, expected an article or a rejection"
    if clean(item.text) != item.text or "\n" in item.title or not item.id:
        return "its text is not clean, its title has lines, or it has no id"
    at = 0
    for start, end in item.uncitable:
        if not at <= start < end <= len(item.text):
            return f"the span {start}–{end} of what may not be cited is out of order or of the text"
        at = end
    spans = passage_spans(item)
    return "" if all(0 <= start < end <= len(item.text) for start, end in spans) else "a passage is outside of the text"


@dataclass(slots=True)
class Findings:
    """Inputs and slowest CPU seconds by kind, and the failures, each with the file it was written to."""

    inputs: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)


def run(seconds: float, seed: int, out: Path) -> Findings:
    """Generates inputs of each kind in turn for so many seconds, and writes those that fail to the folder `out`."""
    kinds = strategies()
    out.mkdir(parents=True, exist_ok=True)
    found, ends, number = Findings(), time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        for kind, strategy in kinds.items():
            if time.monotonic() >= ends:
                break
            _round(kind, strategy, f"{seed}-{number}", found, out)
        number += 1
    return found


def _round(kind: str, strategy: Any, seed: str, found: Findings, out: Path) -> None:
    def once(made: tuple[str, bytes]) -> None:
        began = time.process_time()
        wrong = problem(*made)
        found.inputs[kind] += 1
        found.slowest[kind] = max(found.slowest.get(kind, 0.0), time.process_time() - began)
        if wrong:
            path = out / f"{kind}-{seed}-{found.inputs[kind]}-{re.sub(r'[^a-z.]', '', made[0])}"
            path.write_bytes(made[1])
            found.failures.append((path.name, wrong))

    generate(strategy, once, count=_ROUND, seed=seed)
