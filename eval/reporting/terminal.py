"""What the commands print, and the language model that they open."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rag.models.chat import LLM, open_llm
from rag.settings import Settings

Progress = Callable[[str, int, int], None]
Bars = Callable[[], AbstractContextManager[Progress]]


def print_rows(result: Mapping[str, Any]) -> None:
    """The figures of a run: a line for each measure, the systems beside each other."""
    data = result["data"]
    left_out = f", {result['left_out']} left out" if result.get("left_out") else ""
    seconds = f", {result['seconds']:.0f} s" if result.get("seconds") else ""
    say(f"{result['command']} {data.get('name', '')} {data.get('digest', '')}{left_out}{seconds}")
    rows = {(r["measure"], r["system"]): r for r in result["rows"]}
    systems = list(dict.fromkeys(r["system"] for r in result["rows"]))
    say(f"{'measure':36} {'n':>5} " + " ".join(f"{s[:22]:>22}" for s in systems))
    for measure in dict.fromkeys(r["measure"] for r in result["rows"]):
        here = [rows.get((measure, system)) for system in systems]
        n = next((r["n"] for r in here if r), 0)
        say(f"{measure:36} {n:5} " + " ".join(f"{_cell(r):>22}" for r in here))
    print_crashes(result)


def print_crashes(result: Mapping[str, Any]) -> None:
    """A line for each system on which questions crashed."""
    for system, crashed in (result.get("crashed") or {}).items():
        say(f"{system}: {len(crashed)} questions crashed and count as misses: {', '.join(list(crashed)[:5])}")


def _cell(found: Mapping[str, Any] | None) -> str:
    if not found or found["value"] is None:
        return "-"
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def print_times(result: Mapping[str, Any]) -> None:
    """Percentiles of what was timed."""
    for name, found in (result.get("latency_ms") or {}).items():
        if found:
            say(f"{name:16} median {found['p50']:8.0f} ms   95% {found['p95']:8.0f} ms   n={found['n']:.0f}")


def say(text: str) -> None:
    """A line to standard output."""
    sys.stdout.write(text + "\n")


@contextmanager
def opened(settings: Settings) -> Iterator[LLM | None]:
    """The language model of the settings, closed at the end."""
    llm = open_llm(settings)
    try:
        yield llm
    finally:
        if llm is not None:
            llm.close()
