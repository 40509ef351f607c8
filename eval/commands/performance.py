"""The command that measures speed, memory and endurance: bench."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eval.commands.options import LLM_HELP
from eval.reporting.terminal import print_table, say, shown_progress
from rag.errors import SettingsError
from rag.settings import Settings


def add(commands: Any) -> None:
    """Adds the parser of bench with the function that runs it as `handler`."""
    one = commands.add_parser("bench", help="speed, memory and disk, beside the plain baseline")
    one.add_argument("what", choices=("ingest", "query", "busy", "answer", "load", "soak"))
    one.add_argument("--out", type=Path, required=True, help="folder for figures; load and soak also take a .json file")
    one.add_argument("--requests", type=int, default=2000, help="load and soak: how many (default %(default)s)")
    one.add_argument("--model-requests", type=int, default=24, help="load: answers of the model; 0 leaves them out")
    one.add_argument("--data", type=Path, help="ingest: a data set in BEIR layout instead of generated text")
    one.add_argument("--sizes", default="1000,10000", help="passages, separated by commas (default %(default)s)")
    one.add_argument("--questions", type=int, default=20, help="answer: how many of the demo questions")
    one.add_argument("--llm", help=f"answer and load: {LLM_HELP}")
    one.set_defaults(handler=_bench)


def _bench(args: argparse.Namespace) -> int:
    from eval.performance import bench, load, soak
    from eval.reporting import tables

    try:
        sizes = [int(size) for size in args.sizes.split(",")]
    except ValueError:
        raise SettingsError(f"--sizes is '{args.sizes}', expected whole numbers such as 1000,10000.") from None
    settings = Settings.load(llm=args.llm)
    with shown_progress() as progress:
        if args.what == "ingest":
            result = bench.bench_ingest(settings, args.out, args.data, sizes[0], progress)
        elif args.what == "query":
            result = bench.bench_query(settings, args.out, sizes, progress)
        elif args.what == "busy":
            result = bench.bench_busy(settings, args.out, sizes[0], progress)
        elif args.what == "load":
            result = load.run(settings, args.out, args.requests, args.model_requests, progress)
        elif args.what == "soak":
            result = soak.run(settings, args.out, args.requests, progress)
        else:
            result = bench.bench_answer(settings, args.out, args.questions, progress)
    print_table(tables.of_result(result))
    for name, exponent in (result.get("slopes") or {}).items():
        say(f"{name} grows as passages^{tables.number(exponent)}")
    return 0
