"""What the commands print: tables and progress. The only file of eval that imports rich."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from eval.reporting import tables
from eval.reporting.progress import Progress, progress_lines

WIDTH = 160  # of a table where the output is not a terminal: a file or a pipe


def say(text: str) -> None:
    """Prints a line to standard output."""
    sys.stdout.write(text + "\n")


def warn(text: str) -> None:
    """Prints a line to standard error, with the name of the program in front."""
    sys.stderr.write(f"eval: {text}\n")


def print_table(table: tables.Table) -> None:
    """Prints a table, the best value of a row in bold, its interval beside it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for number, head in enumerate(table.heads):
        shown.add_column(Text(head.text), justify="right" if number else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text(cell.plain, style="bold" if cell.best else "") for cell in row))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH).print(shown)


def print_result(result: Mapping[str, Any]) -> None:
    """Prints the figures of a run: what was measured on which data, the table, crashes, and latencies."""
    data = result["data"]
    left_out = f", {result['left_out']} left out" if result.get("left_out") else ""
    seconds = f", {result['seconds']:.0f} s" if result.get("seconds") else ""
    model = f", model: {result['model']}" if result.get("model") else ""
    say(f"{result['command']} {data.get('name', '')} {data.get('digest', '')}{model}{left_out}{seconds}")
    print_table(tables.of_result(result))
    for system, crashed in (result.get("crashed") or {}).items():
        say(f"{system}: {len(crashed)} questions crashed and count as misses: {', '.join(list(crashed)[:5])}")
    if any((result.get("latency_ms") or {}).values()):
        print_table(tables.latencies(result["latency_ms"]))


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A Progress that moves a bar on standard error, or writes a line now and then where that is not a terminal."""
    if not sys.stderr.isatty():
        yield progress_lines(sys.stderr.write)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(file=sys.stderr), transient=True) as bars:
        task = bars.add_task("", total=None)
        shown = ""

        def move(name: str, done: int, total: int) -> None:
            nonlocal shown
            if name != shown:
                shown = name
                bars.reset(task)
            bars.update(task, description=name, completed=done, total=total)

        yield move
