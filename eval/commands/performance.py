"""The commands about speed, memory and endurance: bench, which measures, and capacity, which reckons from it."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from eval.commands.options import LLM_HELP, positive, quantity
from eval.reporting.terminal import print_table, say, shown_progress
from rag.errors import SettingsError
from rag.settings import Settings


def add(commands: Any) -> None:
    """Adds the parsers of these commands, each with the function that runs it as `handler`."""
    _add_bench(commands)
    _add_capacity(commands)


def _add_bench(commands: Any) -> None:
    one = commands.add_parser("bench", help="speed, memory and disk, beside the plain baseline")
    one.add_argument("what", choices=("ingest", "query", "busy", "size", "large", "answer", "load", "soak", "several"))
    one.add_argument("--out", type=Path, required=True, help="folder for figures; load and soak also take a .json file")
    one.add_argument("--requests", type=int, default=2000, help="load and soak: how many (default %(default)s)")
    one.add_argument("--model-requests", type=int, default=24, help="load: answers of the model; 0 leaves them out")
    one.add_argument("--data", type=Path, help="ingest, size: a data set in BEIR layout instead of generated text")
    one.add_argument(
        "--sizes", default="1000,10000", help="passages, separated by commas; several: notices (default %(default)s)"
    )
    one.add_argument("--archives", type=Path, help="large: folder that keeps the filled archives for the next run")
    one.add_argument("--questions", type=int, default=20, help="answer: how many of the demo questions")
    one.add_argument("--llm", help=f"answer and load: {LLM_HELP}")
    one.set_defaults(handler=_bench)


def _bench(args: argparse.Namespace) -> int:
    from eval.performance import bench, large, load, several, size, soak
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
        elif args.what == "size":
            result = size.bench_size(settings, args.out, args.data, sizes[0], progress)
        elif args.what == "large":
            result = large.bench_large(settings, args.out, sizes, args.archives, progress)
        elif args.what == "load":
            result = load.run(settings, args.out, args.requests, args.model_requests, progress)
        elif args.what == "several":
            result = several.run(settings, args.out, sizes[0], progress)
        elif args.what == "soak":
            result = soak.run(settings, args.out, args.requests, progress)
        else:
            result = bench.bench_answer(settings, args.out, args.questions, progress)
    print_table(tables.of_result(result))
    for name, exponent in (result.get("slopes") or {}).items():
        if exponent is None:
            continue
        say(f"{name} grows as passages^{tables.number(exponent)}")
    return 0


def _add_capacity(commands: Any) -> None:
    one = commands.add_parser(
        "capacity", help="disk, memory, hours and machines of large archives, from measured figures"
    )
    one.add_argument("--machine-gb", type=quantity, help="memory of a machine (default 16)")
    one.add_argument("--fill", type=quantity, help="share of it that may be filled (default 0.7)")
    one.add_argument("--latency-ms", type=quantity, help="within which 95%% of the searches are answered (default 500)")
    one.add_argument("--queries", type=quantity, help="searches a second (default 10)")
    one.add_argument("--ingest-machines", type=positive, help="machines that embed (default 10)")
    one.add_argument("--machine-price", type=quantity, help="what a machine costs an hour, in any currency")
    one.add_argument("--write", action="store_true", help="put the tables into docs/capacity.md")
    one.set_defaults(handler=_capacity)


def _capacity(args: argparse.Namespace) -> int:
    from eval.performance import capacity, capacity_page
    from eval.reporting import published

    names = [field.name for field in fields(capacity.Assumed)]
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if args.write and given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise SettingsError(f"--write puts the tables of the default assumptions into the page. Leave out {options}.")
    if given.get("fill", 0) > 1:
        raise SettingsError(f"--fill is {given['fill']:g}, expected a share up to 1, such as 0.7.")
    made = capacity_page.made(capacity.measured_in(published.FOLDER), capacity.Assumed(**given))
    if args.write:
        published.write(capacity_page.PAGE, made, capacity_page.BEGIN)
        say(f"Written: {capacity_page.PAGE}")
    else:
        say(made)
    return 0
