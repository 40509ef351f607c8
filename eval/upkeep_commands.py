"""The commands that run many sets, judge runs and guard them: all, compare, report, bench, gate, make-questions."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from eval.reporting.terminal import Bars, opened, say
from eval.systems.vector_cache import RememberedEmbedder, Vectors
from rag.errors import SettingsError
from rag.models.embeddings import LazyEmbedder
from rag.settings import Settings


def add(commands: Any) -> None:
    """Adds the parsers; HANDLERS answer to their names."""
    _add_all(commands)
    _add_compare(commands)
    _add_report(commands)
    _add_kept(commands)
    _add_bench(commands)
    _add_gate(commands)
    _add_make_questions(commands)


def _add_all(commands: Any) -> None:
    one = commands.add_parser("all", help="every set of a folder that needs no language model, several at once")
    one.add_argument("--shared", type=Path, required=True, help="folder with retrieval/, pages/ and behaviour/")
    one.add_argument("--out", type=Path, required=True, help="folder that gets a folder for each set")
    one.add_argument("--at-once", type=int, default=0, metavar="N", help="sets side by side (default: one a core)")
    one.add_argument("--cache", type=Path, help="folder of embeddings kept between runs (default: the user's cache)")


def _all(args: argparse.Namespace, bars: Bars) -> int:
    from eval.experiments import everything
    from eval.reporting import outcome

    found, left_out = everything.jobs(args.shared.absolute())
    for name, why in left_out.items():
        sys.stderr.write(f"eval: {name} is left out: {why}\n")
    vectors = Vectors(args.cache or Settings.load().model_cache / "eval")
    began, before = time.perf_counter(), vectors.count()

    def told(done: everything.Done) -> None:
        say(f"{done.job.name:40} {done.seconds:6.0f} s" + ("" if done.code == 0 else f"   failed: {done.last}"))

    extra = ["--cache", str(args.cache.absolute())] if args.cache else []
    done = everything.run(found, args.out.absolute(), extra, at_once=args.at_once, told=told)
    seconds = time.perf_counter() - began
    result = everything.result(done, left_out, seconds, vectors.count() - before)
    outcome.write(args.out / outcome.RESULT, json.dumps(result, ensure_ascii=False, indent=1))
    say(f"{len(done)} sets, {seconds:.0f} s in all. Figures: {args.out}/*/result.json")
    failed = [one.job.name for one in done if one.code != 0]
    if failed:
        sys.stderr.write(f"eval: failed: {', '.join(failed)}; what they said is in {everything.LOG} beside each.\n")
    return 1 if failed else 0


def _add_compare(commands: Any) -> None:
    one = commands.add_parser("compare", help="is run B better than run A? OUT, or OUT:system")
    one.add_argument("a", metavar="A")
    one.add_argument("b", metavar="B")


def _compare(args: argparse.Namespace, bars: Bars) -> int:
    from eval.reporting import compare

    say(compare.as_text(args.a, args.b, compare.compare(args.a, args.b)))
    return 0


def _add_report(commands: Any) -> None:
    one = commands.add_parser("report", help="one HTML page of one or more runs: tables, plots, misses")
    one.add_argument("outs", nargs="+", type=Path, metavar="OUT", help="folders given as --out, or result files")
    one.add_argument("--html", type=Path, help="where to write it (default: report.html in the first OUT)")
    one.add_argument("--markdown", action="store_true", help="print tables for a README instead")


def _report(args: argparse.Namespace, bars: Bars) -> int:
    from eval.reporting import html_report as report
    from eval.reporting import outcome, tables

    if args.markdown:
        say(tables.markdown([outcome.load(path) for path in args.outs]))
        return 0
    first = args.outs[0] if args.outs[0].is_dir() else args.outs[0].parent
    page = args.html or first / "report.html"
    report.write(args.outs, page)
    say(f"Written: {page}")
    return 0


def _add_kept(commands: Any) -> None:
    one = commands.add_parser("keep", help="copy the figures of runs into eval/results, without paths")
    one.add_argument("outs", nargs="+", type=Path, metavar="OUT", help="folders given as --out")
    one.add_argument("--into", type=Path, help="another folder (default: eval/results)")
    two = commands.add_parser("table", help="print the README's tables, made from eval/results")
    two.add_argument("--write", action="store_true", help="put them into README.md")


def _keep(args: argparse.Namespace, bars: Bars) -> int:
    from eval.reporting import published as kept

    for path in kept.keep(args.outs, args.into or kept.FOLDER):
        say(f"Written: {path}")
    return 0


def _table(args: argparse.Namespace, bars: Bars) -> int:
    from eval.reporting import published as kept

    if args.write:
        kept.write_readme()
        say(f"Written: {kept.README}")
        return 0
    say(kept.section())
    return 0


def _add_bench(commands: Any) -> None:
    one = commands.add_parser("bench", help="speed, memory and disk, beside the plain baseline")
    one.add_argument("what", choices=("ingest", "query", "answer", "load", "soak"))
    one.add_argument("--out", type=Path, required=True)
    one.add_argument(
        "--requests", type=int, default=2000, help="load: half searches, half extraction answers; soak: all kinds"
    )
    one.add_argument("--model-requests", type=int, default=24, help="load: answers of the model; 0 leaves it out")
    one.add_argument("--data", type=Path, help="ingest: a data set in BEIR layout instead of generated text")
    one.add_argument("--sizes", default="1000,10000", help="passages, parted by commas (default %(default)s)")
    one.add_argument("--questions", type=int, default=20, help="answer: how many of the demo set")
    one.add_argument("--llm", help="answer: packaged (default), none, a GGUF file, or a model at DATELINE_LLM_URL")


def _bench(args: argparse.Namespace, bars: Bars) -> int:
    from eval.performance import bench
    from eval.performance import load as bench_load
    from eval.performance import soak as bench_soak

    try:
        sizes = [int(size) for size in args.sizes.split(",")]
    except ValueError:
        raise SettingsError(f"--sizes is '{args.sizes}', expected whole numbers like 1000,10000.") from None
    settings = Settings.load(llm=args.llm)
    with bars() as progress:
        if args.what == "ingest":
            result = bench.bench_ingest(settings, args.out, args.data, sizes[0], progress)
        elif args.what == "query":
            result = bench.bench_query(settings, args.out, sizes, progress)
        elif args.what == "load":
            result = bench_load.run(settings, args.out, args.requests, args.model_requests, progress)
        elif args.what == "soak":
            result = bench_soak.run(settings, args.out, args.requests, progress)
        else:
            result = bench.bench_answer(settings, args.out, args.questions, progress)
    for row in result["rows"]:
        say(f"{row['system']:18} {row['measure']:28} {row['value']:12.2f}")
    for name, ratio in result["ratios_to_plain"].items():
        say(f"{'ratio to plain':18} {name:28} {ratio:12.2f}")
    for name, exponent in (result.get("slopes") or {}).items():
        say(f"{'grows as x^':18} {name:28} {exponent if exponent is not None else float('nan'):12.2f}")
    return 0


def _add_gate(commands: Any) -> None:
    one = commands.add_parser("gate", help="fail when a figure falls below its floor")
    one.add_argument("--floors", type=Path, help="file of floors (default: the one of the project)")
    one.add_argument("--shared", type=Path, help="folder with retrieval/ and pages/: measure what is there too")
    one.add_argument("--only", help="these sets alone, parted by commas: demo, onestopqa_articles, …")
    one.add_argument("--cache", type=Path, help="folder of embeddings kept between runs (default: the user's cache)")
    one.add_argument("--update", action="store_true", help="move the floors to what is measured")
    one.add_argument("--lower", action="store_true", help="let --update lower floors")
    one.add_argument("--reason", default="", help="why a floor is lowered; kept in the file")


def _gate(args: argparse.Namespace, bars: Bars) -> int:
    from eval import gate

    path = args.floors or gate.FLOORS
    floors = gate.read_floors(path)
    settings = Settings.load(llm="none")
    sets = args.only.split(",") if args.only else gate.SETS if args.shared else [gate.DEMO]
    kept = Vectors(args.cache or settings.model_cache / "eval")
    with bars() as progress:
        embedder = RememberedEmbedder(LazyEmbedder(settings.embedder), kept)
        measured = gate.measure(settings, embedder, args.shared, sets, progress)
    if args.only and (lacking := [name for name in sets if name not in measured]):
        raise SettingsError(f"--only names {lacking[0]}, which is not in --shared ({args.shared}).")
    for name, found in measured.items():
        for figure, (value, n) in found.figures.items():
            say(f"{name:24} {figure:40} {value:.4f}  n={n}")
    if args.update:
        new = gate.updated(floors, measured, lower=args.lower, reason=args.reason)
        path.write_text(json.dumps(new, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        say(f"Floors written: {path}")
        return 0
    wrong = gate.check(floors, measured)
    for line in wrong:
        sys.stderr.write(f"eval: {line}\n")
    say("The gate is shut." if wrong else "Every figure stands.")
    return 1 if wrong else 0


def _add_make_questions(commands: Any) -> None:
    one = commands.add_parser("make-questions", help="draft questions from your own articles, to accept or drop")
    one.add_argument("--archive", required=True, help="folder of the archive")
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--count", type=int, default=20)
    one.add_argument("--llm", help="packaged (default), a GGUF file, or a model at DATELINE_LLM_URL")
    one.add_argument("--accept", action="store_true", help="write the accepted drafts as a data set")


def _make_questions(args: argparse.Namespace, bars: Bars) -> int:
    from eval.experiments import make_questions
    from rag.archive.archive import Archive

    settings = Settings.load(data_dir=args.archive, llm="none" if args.accept else args.llm)
    with closing(Archive(settings)) as archive, opened(settings) as llm:
        if args.accept:
            say(f"{make_questions.accept(archive, args.out)} questions written to {args.out}")
            return 0
        if llm is None:
            raise SettingsError("Drafting questions needs a language model; DATELINE_LLM is none.")
        with bars() as progress:
            drafts, dropped = make_questions.make(archive, llm, args.out, args.count, progress)
    for draft in drafts:
        say(f"{draft['question']}\n    {draft['answer']}  ({draft['title']})")
    why = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
    say(f"{len(drafts)} drafts in {args.out / make_questions.DRAFTS}{f'; dropped: {why}' if why else ''}")
    say('Set "accept": true on the good ones, then run this again with --accept.')
    return 0


HANDLERS: dict[str, Callable[[argparse.Namespace, Bars], int]] = {
    "all": _all,
    "compare": _compare,
    "report": _report,
    "keep": _keep,
    "table": _table,
    "bench": _bench,
    "gate": _gate,
    "make-questions": _make_questions,
}
