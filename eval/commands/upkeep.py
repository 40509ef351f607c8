"""Commands around the measurements: gate, demo-archive, make-questions and fuzz."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import Any

from eval.commands.options import add_cache, cached_embedder, opened_llm, vector_cache
from eval.reporting.terminal import say, shown_progress, warn
from rag.errors import SettingsError
from rag.settings import Settings

FAILURES_SHOWN = 50


def add(commands: Any) -> None:
    """Adds the parsers of these commands, each with the function that runs it as `handler`."""
    _add_gate(commands)
    _add_demo_archive(commands)
    _add_make_questions(commands)
    _add_fuzz(commands)


def _add_gate(commands: Any) -> None:
    one = commands.add_parser("gate", help="fail when a figure falls below its floor")
    one.add_argument("--floors", type=Path, help="file of floors (default: the one of the project)")
    one.add_argument("--shared", type=Path, help="folder with retrieval/ and pages/: measure these data sets too")
    one.add_argument("--only", help="these sets alone, separated by commas: demo, onestopqa_articles, …")
    add_cache(one)
    one.add_argument("--update", action="store_true", help="move the floors to the measured values")
    one.add_argument("--lower", action="store_true", help="let --update lower floors")
    one.add_argument("--reason", default="", help="why a floor is lowered; kept in the file")
    one.set_defaults(handler=_gate)


def _gate(args: argparse.Namespace) -> int:
    from eval import gate

    path = args.floors or gate.FLOORS
    floors = gate.read_floors(path)
    settings = Settings.load(llm="none")
    sets = args.only.split(",") if args.only else gate.SETS if args.shared else gate.OWN
    embedder = cached_embedder(settings, vector_cache(settings, args.cache))
    with shown_progress() as progress:
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
    failures = gate.check(floors, measured)
    for line in failures:
        warn(line)
    say("The gate fails." if failures else "Every figure holds its floor.")
    return 1 if failures else 0


def _add_demo_archive(commands: Any) -> None:
    one = commands.add_parser("demo-archive", help="put the demo archive into a folder, for `make run`")
    one.add_argument("--data-dir", required=True)
    one.set_defaults(handler=_demo_archive)


def _demo_archive(args: argparse.Namespace) -> int:
    from eval.experiments import demo
    from ingest.cli import print_report

    settings = Settings.load(data_dir=args.data_dir)
    if demo.is_filled(settings):
        return 0
    report = demo.fill_archive(settings)
    say(f"Demo archive at {args.data_dir}")
    print_report(report)
    return 0


def _add_make_questions(commands: Any) -> None:
    one = commands.add_parser("make-questions", help="draft questions from your own articles, to accept or drop")
    one.add_argument("--archive", required=True, help="folder of the archive")
    one.add_argument("--out", type=Path, required=True, help="folder for the drafts and the data set")
    one.add_argument("--count", type=int, default=20, help="how many drafts (default %(default)s)")
    one.add_argument("--llm", help="packaged (default), a GGUF file, or a model at DATELINE_LLM_URL")
    one.add_argument("--accept", action="store_true", help="write the accepted drafts as a data set")
    one.set_defaults(handler=_make_questions)


def _make_questions(args: argparse.Namespace) -> int:
    from eval.experiments import make_questions
    from rag.archive.archive import Archive

    settings = Settings.load(data_dir=args.archive, llm="none" if args.accept else args.llm)
    with closing(Archive(settings)) as archive, opened_llm(settings) as llm:
        if args.accept:
            say(f"{make_questions.accept(archive, args.out)} questions written to {args.out}")
            return 0
        if llm is None:
            raise SettingsError("Drafting questions needs a language model; DATELINE_LLM is none.")
        with shown_progress() as progress:
            drafts, dropped = make_questions.make(archive, llm, args.out, args.count, progress)
    for draft in drafts:
        say(f"{draft['question']}\n    {draft['answer']}  ({draft['title']})")
    why = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
    say(f"{len(drafts)} drafts in {args.out / make_questions.DRAFTS}{f'; dropped: {why}' if why else ''}")
    say('Set "accept": true on the good ones, then run this again with --accept.')
    return 0


def _add_fuzz(commands: Any) -> None:
    one = commands.add_parser("fuzz", help="every reader on generated hostile input (needs the extra 'dev')")
    one.add_argument("--minutes", type=float, default=3.0, help="how long (default %(default)s)")
    one.add_argument("--seed", type=int, default=1)
    one.add_argument("--out", type=Path, required=True, help="folder for the inputs that fail, and for figures")
    one.set_defaults(handler=_fuzz)


def _fuzz(args: argparse.Namespace) -> int:
    from eval.performance import fuzz

    found = fuzz.run(60 * args.minutes, args.seed, args.out)
    say(f"{sum(found.inputs.values()):,} inputs, {len(found.failures)} failed, seed {args.seed}")
    for kind, count in found.inputs.items():
        say(f"  {kind:10} {count:8,}   slowest {found.slowest[kind]:.2f} s")
    for name, wrong in found.failures[:FAILURES_SHOWN]:
        say(f"  {args.out / name}: {wrong}")
    figures = {"seed": args.seed, "inputs": found.inputs, "slowest": found.slowest, "failures": found.failures}
    (args.out / "fuzz.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 1 if found.failures else 0
