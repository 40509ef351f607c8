"""What the commands of the terminal share: how one is declared, what it prints, and its exit codes."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from rag.errors import DatelineError

DONE, NOTHING, USAGE = 0, 1, 2  # exit codes: done; nothing was found or kept; wrong usage or settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A subcommand of `dateline`.

    `add_arguments` declares its options. `run` gets them parsed, always with `data_dir`, `archive` and `json`, and
    gives the exit code; it imports what it needs, so that `dateline --help` answers at once. Raises DatelineError
    kinds.
    """

    name: str
    help: str
    run: Callable[[argparse.Namespace], int]
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """The options that may stand before or behind the name of any command."""
    parser.add_argument("--data-dir", metavar="DIR", default=argparse.SUPPRESS, help="folder of the archive")
    parser.add_argument("--archive", metavar="NAME", default=argparse.SUPPRESS, help="one of several archives in it")
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def day(value: str) -> date:
    """The type of options that take a day, in ISO 8601."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{value}' is no day; expected one such as 2025-03-01") from None


def print_json(data: Any) -> None:
    """Prints data as JSON on standard output."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")


def print_text(text: str) -> None:
    """Prints text on standard output, without control characters."""
    sys.stdout.write(without_control_characters(text) + "\n")


def print_note(text: str) -> None:
    """Prints a line about the command itself on standard error, without control characters."""
    sys.stderr.write(without_control_characters(text) + "\n")


@contextmanager
def log_on_standard_error(log: logging.Logger) -> Iterator[None]:
    """Within it, what `log` is told is written to standard error, a line for each record of INFO and above."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


def counted(number: int, noun: str) -> str:
    """`1 passage`, `1,200 passages`: a number and what it counts."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def without_control_characters(text: str) -> str:
    """The text without what could steer a terminal: articles and file names come from anywhere."""
    return "".join(c for c in text if c in "\n\t" or (ord(c) >= 32 and not 127 <= ord(c) < 160))


def fail(error: DatelineError, *, as_json: bool) -> int:
    """Prints an error in one line on standard error, with `as_json` also as JSON on standard output; its exit code."""
    sys.stderr.write(f"dateline: {error}\n")
    if as_json:
        print_json({"error": {"type": type(error).__name__, "message": str(error)}})
    return error.exit_code
