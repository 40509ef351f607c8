"""Commands that work on finished results: compare, report, keep and table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from eval.reporting.terminal import print_table, say


def add(commands: Any) -> None:
    """Adds the parsers of these commands, each with the function that runs it as `handler`."""
    one = commands.add_parser("compare", help="is run B better than run A? Each is OUT or OUT:system")
    one.add_argument("a", metavar="A")
    one.add_argument("b", metavar="B")
    one.set_defaults(handler=_compare)

    one = commands.add_parser("report", help="one HTML page about one or more runs: tables, plots, misses")
    one.add_argument("outs", nargs="+", type=Path, metavar="OUT", help="folders given as --out, or result files")
    one.add_argument("--html", type=Path, help="where to write it (default: report.html in the first OUT)")
    one.add_argument("--markdown", action="store_true", help="print the tables as Markdown instead")
    one.set_defaults(handler=_report)

    one = commands.add_parser("keep", help="copy the figures of runs into eval/results, without paths")
    one.add_argument("outs", nargs="+", type=Path, metavar="OUT", help="folders given as --out")
    one.add_argument("--into", type=Path, help="another folder (default: eval/results)")
    one.set_defaults(handler=_keep)

    one = commands.add_parser("table", help="print the tables that are made from eval/results")
    one.add_argument("--write", action="store_true", help="put them into README.md and docs/figures.md")
    one.set_defaults(handler=_table)


def _compare(args: argparse.Namespace) -> int:
    from eval.reporting import compare

    for pair, differences in compare.compare(args.a, args.b).items():
        print_table(compare.table(pair, differences))
        if not any(difference.found for difference in differences):
            say("No difference is found.")
        for line in compare.flips(args.a, args.b, pair, differences[0]) if differences else []:
            say(line)
    return 0


def _report(args: argparse.Namespace) -> int:
    from eval.reporting import html_report, outcome, tables

    if args.markdown:
        found = tables.of_results([outcome.load(path) for path in args.outs])
        say("\n\n".join(tables.markdown(table) for table in found))
        return 0
    first = args.outs[0] if args.outs[0].is_dir() else args.outs[0].parent
    page = args.html or first / "report.html"
    html_report.write(args.outs, page)
    say(f"Written: {page}")
    return 0


def _keep(args: argparse.Namespace) -> int:
    from eval.reporting import published

    for path in published.keep(args.outs, args.into or published.FOLDER):
        say(f"Written: {path}")
    return 0


def _table(args: argparse.Namespace) -> int:
    from eval.reporting import published

    for page, made in ((published.README, published.summary()), (published.FIGURES, published.figures())):
        if args.write:
            published.write(page, made)
            say(f"Written: {page}")
        else:
            say(made)
    return 0
