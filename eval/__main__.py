"""`python -m eval …`: measures Dateline and prints tables."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eval import measuring_commands as others
from eval.experiments import demo as demo_run
from eval.reporting import outcome
from eval.reporting.terminal import print_crashes, print_times, say
from rag.errors import DatelineError
from rag.settings import Settings


def main(argv: list[str] | None = None) -> int:
    """Runs one evaluation. Returns 0 done, 1 a gate that is shut, 2 bad usage or settings, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m eval", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="the demo gold set: retrieval, answers, citations, refusals")
    demo.add_argument("--out", type=Path, help="write the figures and every prediction without its hits as JSON")
    demo.add_argument("--retrieval-only", action="store_true", help="no answers, no language model")
    demo.add_argument("--llm", help="packaged (default), none, a GGUF file, or a model at DATELINE_LLM_URL")
    demo.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth question, for a quick look")
    demo.add_argument("--data-dir", help="keep the archive here instead of a temporary folder")
    fill = commands.add_parser("demo-archive", help="put the demo archive into a folder, for `make run`")
    fill.add_argument("--data-dir", required=True)
    others.add(commands)
    args = parser.parse_args(argv)
    try:
        if args.command in others.HANDLERS:
            return others.run(args, _bars)
        return _fill(args) if args.command == "demo-archive" else _demo(args)
    except DatelineError as error:
        sys.stderr.write(f"eval: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("eval: interrupted. What was measured is kept: the same command goes on from there.\n")
        return 130


def _fill(args: argparse.Namespace) -> int:
    settings = Settings.load(data_dir=args.data_dir)
    if demo_run.is_filled(settings):
        return 0
    report = demo_run.fill_archive(settings)
    say(
        f"Demo archive at {args.data_dir}: {report.kept} articles new, {report.unchanged} unchanged, "
        f"{sum(report.rejected.values())} rejected, {report.seconds:.1f} s"
    )
    return 0


def _demo(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    with tempfile.TemporaryDirectory(prefix="dateline-demo-") as temporary:
        settings = Settings.load(data_dir=args.data_dir or temporary, llm=args.llm)
        with tqdm(unit=" questions", disable=not sys.stderr.isatty()) as bar:

            def moved(done: int) -> None:
                bar.update(done - bar.n)

            kept = args.out.with_suffix(".part.jsonl") if args.out else None
            try:
                result = demo_run.run(
                    settings, with_answers=not args.retrieval_only, every=args.every, kept=kept, progress=moved
                )
            except KeyboardInterrupt:
                if args.out:
                    raise
                sys.stderr.write("eval: interrupted. Without --out nothing is kept.\n")
                return 130
    _print(result)
    if args.out and kept:
        outcome.write(args.out, demo_run.as_json(result))
        kept.unlink(missing_ok=True)
    return 0


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """A function of (what, done, total) that moves a bar for each `what` in turn; silent where nobody looks."""
    from tqdm import tqdm

    shown = ""
    with tqdm(disable=not sys.stderr.isatty(), leave=False) as bar:

        def moved(what: str, done: int, total: int) -> None:
            nonlocal shown
            if what != shown:
                shown = what
                bar.reset(total)
                bar.set_description(what)
            bar.update(done - bar.n)

        yield moved


def _print(result: dict[str, Any]) -> None:
    data = result["data"]
    say(f"demo gold set {data['digest']}, {data['questions']} questions, model: {result['model']}\n")
    say(f"{'measure':38} {'system':12} {'value':>6}   95% interval      n")
    for r in result["rows"]:
        if r["value"] is not None:
            interval = f"[{r['low']:.3f}, {r['high']:.3f}]"
            say(f"{r['measure']:38} {r['system'][:12]:12} {r['value']:6.3f}   {interval:16} {r['n']:4}")
    if any(p for p in result["predictions"]):
        say("\nright, by kind of question (refused, for the last two)")
        for kind, found in result["by_kind"].items():
            say(f"  {kind:16} {found['right']:.2f}  n={found['n']}")
    print_times(result)
    print_crashes(result)
    say(f"\n{result['seconds']} s in all")


if __name__ == "__main__":
    sys.exit(main())
