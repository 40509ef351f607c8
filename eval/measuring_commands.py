"""The commands that measure: retrieval, answers, behaviour, ingest-pages. Each parses, calls one function, prints."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eval import upkeep_commands as upkeep
from eval.experiments import fuzz
from eval.reporting import outcome
from eval.reporting.terminal import Bars, opened, print_rows, print_times, say
from eval.systems.vector_cache import RememberedEmbedder, Vectors
from rag.errors import SettingsError
from rag.models.embeddings import LazyEmbedder
from rag.settings import Settings

BEHAVIOURS = ("rgb", "ramdocs", "bipia", "trecqa", "mtragun")


def add(commands: Any) -> None:
    """Adds the parsers of all commands beside the demo; `run` answers to their names."""
    _add_retrieval(commands)
    _add_answers(commands)
    _add_behaviour(commands)
    _add_pages(commands)
    upkeep.add(commands)
    fuzz.add(commands)


def run(args: argparse.Namespace, bars: Bars) -> int:
    """Runs the command that was parsed. Returns the exit code; raises DatelineError kinds."""
    outcome.provenance()
    return int(HANDLERS[args.command](args, bars))


def add_sample(parser: argparse.ArgumentParser) -> None:
    """Adds --every and --limit, the two ways to name a sample."""
    parser.add_argument("--every", type=_positive, default=1, metavar="N", help="1 in N questions, evenly spread")
    parser.add_argument("--limit", type=_positive, metavar="N", help="at most N questions, evenly spread")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1 on")
    return int(text)


def add_cache(parser: argparse.ArgumentParser) -> None:
    """Adds --cache; `remembered` opens what it names."""
    parser.add_argument("--cache", type=Path, help="folder of embeddings kept between runs (default: the user's cache)")


def remembered(settings: Settings, folder: Path | None) -> tuple[Vectors, RememberedEmbedder]:
    """The kept vectors, and the embedder of the settings over them. Raises StorageError."""
    kept = Vectors(folder or settings.model_cache / "eval")
    return kept, RememberedEmbedder(LazyEmbedder(settings.embedder), kept)


def _add_retrieval(commands: Any) -> None:
    from eval.experiments.retrieval import SYSTEMS

    one = commands.add_parser("retrieval", help="a data set in BEIR layout: our retriever beside plain baselines")
    one.add_argument("--data", type=Path, required=True, help="folder with corpus.jsonl[.gz], queries and qrels")
    one.add_argument("--split", help="test, dev, … (default: the first that is there)")
    one.add_argument("--out", type=Path, required=True, help="folder of archive, runs and figures; kept and reused")
    one.add_argument("--systems", default=",".join(SYSTEMS), help="some of %(default)s")
    add_cache(one)


def _retrieval(args: argparse.Namespace, bars: Bars) -> int:
    from eval.datasets import beir as datasets
    from eval.experiments import retrieval

    data = datasets.load(args.data, args.split)
    for problem in data.problems[:20]:
        sys.stderr.write(f"eval: {problem}\n")
    if not data.qrels:
        raise SettingsError(f"{args.data} names no relevant article, so retrieval cannot be scored. Try: eval answers.")
    settings = Settings.load(llm="none")
    with bars() as progress:
        kept, embedder = remembered(settings, args.cache)
        result = retrieval.run(
            data, args.out, settings, embedder, kept=kept, systems=args.systems.split(","), progress=progress
        )
    print_rows(result)
    return 0


def _add_answers(commands: Any) -> None:
    one = commands.add_parser(
        "answers", help="every question through the assistant: answers, citations, refusals, times"
    )
    one.add_argument(
        "--data", type=Path, required=True, help="folder in BEIR layout, or a JSON Lines file of questions"
    )
    one.add_argument("--split")
    one.add_argument("--out", type=Path, required=True, help="folder of archive, predictions and figures")
    one.add_argument("--archive", type=Path, help="ask this archive instead of ingesting the corpus")
    one.add_argument("--llm", help="packaged (default), none, a GGUF file, or a model at DATELINE_LLM_URL")
    add_sample(one)
    one.add_argument("--judge", metavar="MODEL", help="a model at --judge-url that grades the answers")
    one.add_argument("--judge-url", default="", help="OpenAI-compatible; its key is read from DATELINE_JUDGE_KEY")
    one.add_argument("--judge-may-be-same", action="store_true", help="let the answering model grade itself")
    add_cache(one)


def _answers(args: argparse.Namespace, bars: Bars) -> int:
    from eval.datasets import beir as datasets
    from eval.experiments import answers

    data = datasets.load(args.data, args.split) if args.data.is_dir() else datasets.questions(args.data)
    for problem in data.problems[:20]:
        sys.stderr.write(f"eval: {problem}\n")
    if not data.corpus and not args.archive:
        raise SettingsError(f"{args.data} holds questions only. Name the archive to ask with --archive.")
    # Settings know DATELINE_ names only; the judge's key is not one of them.
    key = os.environ.pop("DATELINE_JUDGE_KEY", "")
    settings = Settings.load(llm=args.llm)
    with bars() as progress, opened(settings) as llm:
        judge = _judge(args, key, llm.name if llm else "")
        result = answers.run(
            data, args.out, settings, remembered(settings, args.cache)[1], llm, archive_dir=args.archive,
            every=args.every, limit=args.limit, judge=judge, progress=progress,
        )  # fmt: skip
    print_rows(result)
    print_times(result)
    return 0


def _judge(args: argparse.Namespace, key: str, answering: str) -> Any:
    from eval.metrics.judge import Judge

    if not args.judge:
        return None
    if not args.judge_url:
        raise SettingsError("--judge needs --judge-url, the endpoint that offers the model.")
    return Judge.open(args.judge_url, args.judge, key, answering, may_be_same=args.judge_may_be_same)


def _add_pages(commands: Any) -> None:
    one = commands.add_parser("ingest-pages", help="pages to articles: text, titles, days, beside plain trafilatura")
    one.add_argument("--data", type=Path, required=True, help="article-extraction-benchmark, or newspaper4k's pages")
    one.add_argument("--out", type=Path, required=True)


def _pages(args: argparse.Namespace, bars: Bars) -> int:
    from eval.experiments import pages

    with bars() as progress:
        result = pages.run(args.data, args.out, progress)
    print_rows(result)
    return 0


def _add_behaviour(commands: Any) -> None:
    one = commands.add_parser("behaviour", help="public sets on noise, refusal, conflict, attacks, conversation")
    one.add_argument("set", choices=BEHAVIOURS)
    one.add_argument("--data", type=Path, required=True, help="the file of the set")
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--corpus", type=Path, help="mtragun: the folder of its passages, in BEIR layout")
    one.add_argument("--llm", help="packaged (default), none, a GGUF file, or a model at DATELINE_LLM_URL")
    add_sample(one)
    add_cache(one)


def _behaviour(args: argparse.Namespace, bars: Bars) -> int:
    from eval.protocols import behaviour

    settings = Settings.load(llm="none" if args.set == "trecqa" else args.llm)
    with bars() as progress, opened(settings) as llm:
        result = behaviour.run(
            args.set, args.data, args.out, settings, remembered(settings, args.cache)[1], llm,
            corpus=args.corpus, every=args.every, limit=args.limit, progress=progress,
        )  # fmt: skip
    for problem in result["data"]["problems"][:20]:
        sys.stderr.write(f"eval: {problem}\n")
    say(result["protocol"])
    print_rows(result)
    print_times(result)
    return 0


HANDLERS: dict[str, Callable[[argparse.Namespace, Bars], int]] = {
    "retrieval": _retrieval,
    "answers": _answers,
    "behaviour": _behaviour,
    "ingest-pages": _pages,
    "fuzz": fuzz.command,
    **upkeep.HANDLERS,
}
