"""The command line of `python -m eval`: measures Dateline and prints tables."""

from __future__ import annotations

import argparse

from eval.commands import experiments, performance, results, upkeep
from eval.reporting import outcome
from eval.reporting.terminal import warn
from rag.errors import DatelineError


def main(argv: list[str] | None = None) -> int:
    """Runs one command. Returns 0 done, 1 a failed gate, 2 bad usage or settings, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m eval", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in (experiments, results, performance, upkeep):
        group.add(commands)
    args = parser.parse_args(argv)
    outcome.provenance()
    try:
        return int(args.handler(args))
    except DatelineError as error:
        warn(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        warn("interrupted. What was measured is kept: the same command continues from there.")
        return 130
