"""Commands that measure: demo, retrieval, ablations, answers, behaviour, stories, check, pages, timelines and all."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from eval.commands.options import LLM_HELP, add_cache, add_sample, cached_embedder, opened_llm, positive, vector_cache
from eval.reporting.terminal import print_result, print_table, say, shown_progress, warn
from rag.errors import SettingsError
from rag.settings import Settings

BEHAVIOURS = ("rgb", "ramdocs", "bipia", "trecqa", "mtragun")
PROBLEMS_SHOWN = 20


def add(commands: Any) -> None:
    """Adds the parsers of these commands, each with the function that runs it as `handler`."""
    _add_demo(commands)
    _add_retrieval(commands)
    _add_ablation(commands)
    _add_ablation_of_answers(commands)
    _add_answers(commands)
    _add_behaviour(commands)
    _add_stories(commands)
    _add_check(commands)
    _add_pages(commands)
    _add_timelines(commands)
    _add_all(commands)


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo", help="the demo archive: retrieval, answers, citations, refusals, an editor's view"
    )
    demo.add_argument("--out", type=Path, help="write figures and predictions to this JSON file")
    demo.add_argument("--retrieval-only", action="store_true", help="no answers, no language model")
    demo.add_argument("--llm", help=LLM_HELP)
    demo.add_argument("--every", type=positive, default=1, metavar="N", help="only every Nth question")
    demo.add_argument("--data-dir", help="keep the archive here instead of in a temporary folder")
    demo.set_defaults(handler=_demo)


def _demo(args: argparse.Namespace) -> int:
    from eval.experiments import demo
    from eval.reporting import outcome, tables

    kept = args.out.with_suffix(".part.jsonl") if args.out else None
    with tempfile.TemporaryDirectory(prefix="dateline-demo-") as temporary, shown_progress() as progress:
        settings = Settings.load(data_dir=args.data_dir or temporary, catalog="", llm=args.llm)
        try:
            result = demo.run(
                settings, with_answers=not args.retrieval_only, every=args.every, kept=kept, progress=progress
            )
        except KeyboardInterrupt:
            if args.out:
                raise
            warn("interrupted. Without --out no answer is kept.")
            return 130
    print_result(result)
    if result["by_kind"]:
        print_table(tables.by_kind(result["by_kind"]))
    if result["editor"]:
        print_table(tables.of_editor(result["editor"]))
    if args.out and kept:
        outcome.write(args.out, demo.as_json(result))
        kept.unlink(missing_ok=True)
    return 0


def _add_retrieval(commands: Any) -> None:
    one = commands.add_parser("retrieval", help="a data set in BEIR layout: Dateline's retriever beside baselines")
    one.add_argument("--data", type=Path, required=True, help="folder with corpus.jsonl[.gz], queries and qrels")
    one.add_argument("--queries", type=Path, help="take queries and qrels from this set: the same in another language")
    one.add_argument("--split", help="test, dev, … (default: the first that exists)")
    one.add_argument("--out", type=Path, required=True, help="folder for archive, rankings and figures; reused")
    one.add_argument("--systems", help="some of dateline,dense,words,bm25,plain-llamaindex (default: all)")
    add_sample(one)
    add_cache(one)
    one.set_defaults(handler=_retrieval)


def _retrieval(args: argparse.Namespace) -> int:
    from eval.datasets import beir
    from eval.experiments import retrieval

    data = beir.load(args.data, args.split, args.queries)
    _warn_of_problems(data.problems)
    if not data.qrels:
        raise SettingsError(f"{args.data} names no relevant article, so retrieval cannot be scored. Try: eval answers.")
    settings = Settings.load(llm="none")
    cache = vector_cache(settings, args.cache)
    systems = args.systems.split(",") if args.systems else retrieval.SYSTEMS
    with shown_progress() as progress:
        embedder = cached_embedder(settings, cache)
        result = retrieval.run(
            data, args.out, settings, embedder, cache=cache, systems=systems, every=args.every, limit=args.limit,
            progress=progress,
        )  # fmt: skip
    print_result(result)
    return 0


def _add_ablation(commands: Any) -> None:
    one = commands.add_parser("ablation", help="the fusion of vectors and words, part by part, over several sets")
    one.add_argument("--data", type=Path, required=True, nargs="+", help="folders in BEIR layout")
    one.add_argument("--out", type=Path, required=True, help="folder for archives and figures; reused")
    add_sample(one)
    add_cache(one)
    one.set_defaults(handler=_ablation)


def _ablation(args: argparse.Namespace) -> int:
    from eval.ablation import fusion
    from eval.datasets import beir
    from eval.reporting import tables

    sets = [beir.load(folder) for folder in args.data]
    for data in sets:
        _warn_of_problems(data.problems)
        if not data.qrels:
            raise SettingsError(f"{data.folder} names no relevant article, so its retrieval cannot be scored.")
    settings = Settings.load(llm="none")
    embedder = cached_embedder(settings, vector_cache(settings, args.cache))
    with shown_progress() as progress:
        result = fusion.run(
            sets, args.out, settings, embedder, every=args.every, limit=args.limit, progress=progress
        )  # fmt: skip
    say(f"ablation, {embedder.name}, weight of the product {result['settings']['dense_weight']}")
    for table in tables.of_ablation(result):
        print_table(table)
    return 0


def _add_ablation_of_answers(commands: Any) -> None:
    one = commands.add_parser("ablation-answers", help="the editor's questions without a model, one part off at a time")
    one.add_argument("--out", type=Path, help="write the figures to this JSON file")
    one.add_argument("--every", type=positive, default=1, metavar="N", help="only every Nth question")
    one.set_defaults(handler=_ablation_of_answers)


def _ablation_of_answers(args: argparse.Namespace) -> int:
    from eval.ablation import answering
    from eval.reporting import outcome

    with tempfile.TemporaryDirectory(prefix="dateline-ablation-") as folder, shown_progress() as progress:
        result = answering.run(Settings.load(data_dir=folder, llm="none"), every=args.every, progress=progress)
    print_result(result)
    if args.out:
        outcome.write(args.out, json.dumps(result, indent=1, ensure_ascii=False))
    return 0


def _add_answers(commands: Any) -> None:
    one = commands.add_parser("answers", help="every question through the assistant: answers, citations, refusals")
    one.add_argument("--data", type=Path, required=True, help="folder in BEIR layout, or JSON Lines of questions")
    one.add_argument("--split", help="test, dev, … (default: the first that exists)")
    one.add_argument("--out", type=Path, required=True, help="folder for archive, predictions and figures; reused")
    one.add_argument("--archive", type=Path, help="ask this archive instead of ingesting the corpus")
    one.add_argument("--llm", help=LLM_HELP)
    add_sample(one)
    one.add_argument("--judge", metavar="MODEL", help="a model at --judge-url that grades the answers")
    one.add_argument("--judge-url", default="", help="OpenAI-compatible; its key is read from DATELINE_JUDGE_KEY")
    one.add_argument("--judge-may-be-same", action="store_true", help="let the answering model grade itself")
    add_cache(one)
    one.set_defaults(handler=_answers)


def _answers(args: argparse.Namespace) -> int:
    from eval.datasets import beir
    from eval.experiments import answers

    data = beir.load(args.data, args.split) if args.data.is_dir() else beir.questions(args.data)
    _warn_of_problems(data.problems)
    if not data.corpus and not args.archive:
        raise SettingsError(f"{args.data} holds questions only. Name the archive to ask with --archive.")
    # Taken out of the environment, because Settings refuses names with this prefix that it does not know.
    key = os.environ.pop("DATELINE_JUDGE_KEY", "")
    settings = Settings.load(llm=args.llm)
    with shown_progress() as progress, opened_llm(settings) as llm:
        judge = _judge(args, key, llm.name if llm else "")
        result = answers.run(
            data, args.out, settings, cached_embedder(settings, vector_cache(settings, args.cache)), llm,
            archive_dir=args.archive, every=args.every, limit=args.limit, judge=judge, progress=progress,
        )  # fmt: skip
    print_result(result)
    return 0


def _judge(args: argparse.Namespace, key: str, answering: str) -> Any:
    from eval.metrics.judge import Judge

    if not args.judge:
        return None
    if not args.judge_url:
        raise SettingsError("--judge needs --judge-url, the endpoint that offers the model.")
    return Judge.open(args.judge_url, args.judge, key, answering, may_be_same=args.judge_may_be_same)


def _add_behaviour(commands: Any) -> None:
    one = commands.add_parser("behaviour", help="public protocols: noise, refusal, conflict, attacks, conversation")
    one.add_argument("set", choices=BEHAVIOURS)
    one.add_argument("--data", type=Path, required=True, help="the file of the set")
    one.add_argument("--out", type=Path, required=True, help="folder for predictions and figures; reused")
    one.add_argument("--corpus", type=Path, help="mtragun: the folder of its passages, in BEIR layout")
    one.add_argument("--llm", help=LLM_HELP)
    add_sample(one)
    add_cache(one)
    one.set_defaults(handler=_behaviour)


def _behaviour(args: argparse.Namespace) -> int:
    from eval.protocols import behaviour

    settings = Settings.load(llm="none" if args.set == behaviour.TRECQA else args.llm)
    with shown_progress() as progress, opened_llm(settings) as llm:
        result = behaviour.run(
            args.set, args.data, args.out, settings, cached_embedder(settings, vector_cache(settings, args.cache)), llm,
            corpus=args.corpus, every=args.every, limit=args.limit, progress=progress,
        )  # fmt: skip
    _warn_of_problems(result["data"]["problems"])
    say(result["protocol"])
    print_result(result)
    return 0


def _add_stories(commands: Any) -> None:
    one = commands.add_parser("stories", help="articles on one event together, beside single links on cosines")
    which = one.add_mutually_exclusive_group(required=True)
    which.add_argument("--demo", action="store_true", help="the demo archive, whose stories are labelled")
    which.add_argument("--data", type=Path, help="folder with timelines/ and retrieval/: one long story among others")
    one.add_argument("--out", type=Path, help="write the figures to this JSON file")
    add_cache(one)
    one.set_defaults(handler=_stories)


def _stories(args: argparse.Namespace) -> int:
    from eval.experiments import stories
    from eval.reporting import outcome

    with tempfile.TemporaryDirectory(prefix="dateline-stories-") as temporary:
        settings = Settings.load(data_dir=temporary, catalog="", llm="none")
        data = stories.demo() if args.demo else stories.mixed(args.data)
        result = stories.run(data, settings, cached_embedder(settings, vector_cache(settings, args.cache)))
    print_result(result)
    if args.out:
        outcome.write(args.out, json.dumps(result, ensure_ascii=False, indent=1))
    return 0


def _add_check(commands: Any) -> None:
    one = commands.add_parser("check", help="verdicts on true sentences and on planted errors, beside words alone")
    one.add_argument("--shared", type=Path, help="folder with behaviour/, rewrites/ and others (default: demo only)")
    one.add_argument("--tuning", action="store_true", help="the half of the articles on which limits are chosen")
    one.add_argument("--most", type=positive, default=150, metavar="N", help="pairs of one kind, language and source")
    one.add_argument("--out", type=Path, help="write the figures to this JSON file")
    one.set_defaults(handler=_check)


def _check(args: argparse.Namespace) -> int:
    from eval.experiments import check
    from eval.reporting import outcome

    if args.shared and not args.shared.is_dir():
        raise SettingsError(f"--shared is '{args.shared}', which is no folder.")
    with shown_progress() as progress:
        result = check.run(args.shared, progress, args.most, testing=not args.tuning)
    print_result(result)
    if args.out:
        outcome.write(args.out, json.dumps(result, ensure_ascii=False, indent=1))
    return 0


def _add_pages(commands: Any) -> None:
    one = commands.add_parser("ingest-pages", help="text, titles and days of saved pages, beside plain trafilatura")
    one.add_argument("--data", type=Path, required=True, help="article-extraction-benchmark, or newspaper4k's pages")
    one.add_argument("--out", type=Path, required=True, help="folder for figures")
    one.set_defaults(handler=_pages)


def _pages(args: argparse.Namespace) -> int:
    from eval.experiments import pages

    with shown_progress() as progress:
        result = pages.run(args.data, args.out, progress)
    print_result(result)
    return 0


def _add_timelines(commands: Any) -> None:
    one = commands.add_parser("timelines", help="a timeline of dated articles beside a journalist's and a plain one")
    one.add_argument("--data", type=Path, required=True, help="folder with articles.jsonl.gz and timeline.jsonl")
    one.add_argument("--out", type=Path, required=True, help="folder for the timeline and figures")
    add_cache(one)
    one.set_defaults(handler=_timelines)


def _timelines(args: argparse.Namespace) -> int:
    from eval.experiments import timelines

    settings = Settings.load(llm="none")
    result = timelines.run(args.data, args.out, cached_embedder(settings, vector_cache(settings, args.cache)))
    say(f"{result['articles']} articles, {result['days']} days, {result['embedder']}")
    for system, figures in result["systems"].items():
        say(f"{system:10}" + "".join(f"  {name} {value:.3f}" for name, value in figures.items()))
    return 0


def _add_all(commands: Any) -> None:
    one = commands.add_parser("all", help="every data set that needs no language model, several at once")
    one.add_argument("--shared", type=Path, required=True, help="folder with retrieval/, pages/ and behaviour/")
    one.add_argument("--out", type=Path, required=True, help="folder that gets a folder for each set")
    one.add_argument("--at-once", type=int, default=0, metavar="N", help="sets in parallel (default: one a core)")
    add_cache(one)
    one.set_defaults(handler=_all)


def _all(args: argparse.Namespace) -> int:
    from eval.experiments import all_sets
    from eval.reporting import outcome

    found, left_out = all_sets.evaluations(args.shared.absolute())
    for name, why in left_out.items():
        warn(f"{name} is left out: {why}")
    cache = vector_cache(Settings.load(), args.cache)
    began, before = time.perf_counter(), cache.count()

    def report(one: all_sets.Finished) -> None:
        say(f"{one.evaluation.name:40} {one.seconds:6.0f} s" + (f"   failed: {one.last}" if one.code else ""))

    extra = ["--cache", str(args.cache.absolute())] if args.cache else []
    done = all_sets.run(found, args.out.absolute(), extra, at_once=args.at_once, on_finish=report)
    seconds = time.perf_counter() - began
    result = all_sets.result(done, left_out, seconds, cache.count() - before)
    outcome.write(args.out / outcome.RESULT, json.dumps(result, ensure_ascii=False, indent=1))
    say(f"{len(done)} sets in {seconds:.0f} s. Figures: {args.out}/*/result.json")
    failed = [one.evaluation.name for one in done if one.code]
    if failed:
        warn(f"failed: {', '.join(failed)}; see {all_sets.LOG} beside each.")
    return 1 if failed else 0


def _warn_of_problems(problems: Any) -> None:
    for problem in problems[:PROBLEMS_SHOWN]:
        warn(str(problem))
