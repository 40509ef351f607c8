"""`python -m eval bench ingest|query|busy|answer`: speed, memory and disk, beside the plain baseline."""

from __future__ import annotations

import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from eval.datasets import beir, generated
from eval.datasets import demo as demo_set
from eval.datasets.beir import Document
from eval.experiments import predictions
from eval.experiments.answers import summaries
from eval.metrics.answers import Prediction, contains_answer
from eval.metrics.statistics import percentiles
from eval.reporting import outcome
from eval.reporting.progress import Progress
from ingest.pipeline import ingest
from ingest.readers.files import ReadOptions, read
from rag.answering.retrieval.retriever import Retriever
from rag.archive.archive import Archive
from rag.archive.catalog import Catalog
from rag.archive.installation import CATALOGUE
from rag.archive.priority import Priority
from rag.archive.stories.follower import LINKED, StoryFollower
from rag.assistant import Assistant
from rag.models.chat import OpenAIChat, open_llm
from rag.models.embeddings import open_embedder
from rag.schema import Article, Filters
from rag.settings import Settings

OURS, PLAIN = "dateline", "plain-llamaindex"
QUERIES = 200
ROUNDS = 5  # of `bench_query`, of which the median counts
EMBEDDED = 256

Timed = Callable[[Callable[[str], Any]], dict[str, float]]  # measures of a function that searches for a question


def bench_ingest(settings: Settings, out: Path, data: Path | None, size: int, progress: Progress) -> dict[str, Any]:
    """From articles to a searchable archive with the real embedder: seconds, passages a second, memory, disk."""
    began = time.perf_counter()
    measured = {}
    for number, (name, work) in enumerate(((OURS, _ingest_ours), (PLAIN, _ingest_plain)), start=1):
        measured[name] = in_a_process(work, settings, data, size)
        progress("bench ingest", number, 2)
    name = data.resolve().name if data else f"generated, {size} passages"
    return _save(out, "bench ingest", {"name": name}, settings, measured, began, {})


def bench_query(settings: Settings, out: Path, sizes: Sequence[int], progress: Progress) -> dict[str, Any]:
    """Milliseconds of a search over archives of growing size, made of generated text and vectors.

    The time to embed the question, which does not depend on the size, is left out for both systems. They are timed in
    turns, in a new process each time, as the speed of a machine changes within the minutes that filling them takes.
    """
    began = time.perf_counter()
    measured: dict[str, dict[str, float]] = {OURS: {}, PLAIN: {}}
    growth: dict[str, list[tuple[float, float]]] = {}
    for number, size in enumerate(sizes):
        rounds: dict[str, list[dict[str, float]]] = {OURS: [], PLAIN: []}
        with tempfile.TemporaryDirectory(prefix="dateline-bench-") as folder:
            for at in range(ROUNDS):
                for name, work in ((OURS, _query_ours), (PLAIN, _query_plain)):
                    rounds[name].append(in_a_process(work, settings, None, size, _timed, folder=Path(folder) / name))
                progress("bench query", number * ROUNDS + at + 1, ROUNDS * len(sizes))
        for name, of_rounds in rounds.items():
            found = _of_rounds(of_rounds)
            measured[name] |= {f"{measure} at {size:,}": value for measure, value in found.items()}
            growth.setdefault(f"{name} p50", []).append((float(size), found["query p50 ms"]))
            growth.setdefault(f"{name} disk", []).append((float(size), found["disk MB"]))
    more = {"growth": growth, "slopes": {name: slope(points) for name, points in growth.items()}}
    data = {"name": "generated", "sizes": list(sizes), "rounds": ROUNDS}
    return _save(out, "bench query", data, settings, measured, began, more)


def _of_rounds(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each time over the rounds that have it, and the most of anything else."""
    return {
        measure: float(
            (np.median if measure.startswith("query") else max)([one[measure] for one in rounds if measure in one])
        )
        for measure in rounds[0]
    }


def bench_busy(settings: Settings, out: Path, size: int, progress: Progress) -> dict[str, Any]:
    """Milliseconds of a search as in `bench_query`, first at rest, then while as many processes compute as there are
    cores; and how many times the median at rest the 95th percentile beside them is.
    """
    began = time.perf_counter()
    measured = {}
    for number, (name, work) in enumerate(((OURS, _query_ours), (PLAIN, _query_plain)), start=1):
        found = in_a_process(work, settings, None, size, _timed_at_rest_and_busy)
        measured[name] = {measure: value for measure, value in found.items() if "p50" in measure or "p95" in measure}
        progress("bench busy", number, 2)
    data = {"name": "generated", "sizes": [size], "questions": QUERIES, "busy processes": _cores()}
    return _save(out, "bench busy", data, settings, measured, began, {})


def bench_answer(settings: Settings, out: Path, count: int, progress: Progress) -> dict[str, Any]:
    """Demo questions to the assistant, and to the query engine of llama-index with its defaults and the same model.

    Measures milliseconds to the sources, to the first word and to the end, and memory. The questions are a spread
    sample of the answerable ones without history, which that engine does not take.
    """
    began = time.perf_counter()
    known = {q.id: q for q in demo_set.load() if q.answerable and not q.history}
    questions = [known[key] for key in predictions.spread(list(known), limit=count)]
    with tempfile.TemporaryDirectory(prefix="dateline-bench-") as folder:
        own = settings.model_copy(update={"data_dir": Path(folder) / "archive", "catalog": ""})
        llm = open_llm(own)
        embedder = open_embedder(own)
        try:
            with closing(Archive(own)) as archive:
                ingest(read([demo_set.ARCHIVE], ReadOptions()), archive, embedder)
                found = _answers(Assistant(archive, embedder, llm, own), questions, progress)
                articles = archive.catalog.articles(Filters(), limit=10_000)
            measured = {OURS: _flat(summaries(found)["latency_ms"], [one["right"] for one in found])}
            measured[OURS]["memory MB"] = peak_memory()
            if isinstance(llm, OpenAIChat):
                documents = [Document(id=one.id, title=one.title, text=one.text) for one in articles]
                measured[PLAIN] = _plain_answers(documents, Path(folder), llm, questions, progress)
        finally:
            if llm is not None:
                llm.close()
    data = {"name": "demo", "digest": demo_set.digest(), "questions": len(questions)}
    return _save(out, "bench answer", data, own, measured, began, {"model": llm.name if llm else "extraction"})


def _answers(assistant: Assistant, questions: Sequence[demo_set.DemoQuestion], progress: Progress) -> list[Prediction]:
    assistant.warm_up()
    found = []
    for number, question in enumerate(questions, start=1):
        answer, error = predictions.ask(assistant, question.text)
        found.append(predictions.prediction(question.id, question.text, answer, error=error, answers=question.answers))
        progress("bench answer", number, len(questions))
    return found


def _plain_answers(
    documents: Sequence[Document], folder: Path, llm: OpenAIChat, questions: Sequence[demo_set.DemoQuestion],
    progress: Progress,
) -> dict[str, float]:  # fmt: skip
    from eval.systems.baselines import PlainLlamaIndex, plain_llm

    plain_model = plain_llm(llm)
    first, total, right = [], [], []
    with closing(PlainLlamaIndex(documents, folder, "bench")) as plain:
        plain.search(questions[0].text, 1)  # loads what is loaded lazily, as warm_up does
        for number, question in enumerate(questions, start=1):
            text, to_first, to_end = plain.ask(question.text, plain_model)
            first += [to_first] if to_first is not None else []
            total.append(to_end)
            right.append(contains_answer(text, question.answers))
            progress("bench answer, plain", number, len(questions))
    return _flat({"to first word": percentiles(first), "in total": percentiles(total)}, right)


def _flat(times: Mapping[str, Mapping[str, float]], right: Sequence[float | None]) -> dict[str, float]:
    found = {f"{name} {q} ms": v for name, one in times.items() for q, v in one.items() if q != "n"}
    return {"answer contains gold": float(np.mean([one or 0.0 for one in right])), **found}


def _save(
    out: Path, command: str, data: dict[str, Any], settings: Settings, measured: dict[str, dict[str, float]],
    began: float, more: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Saves values that were measured once, and so have no interval."""
    rows = [
        outcome.once(measure, system, value) for system, found in measured.items() for measure, value in found.items()
    ]
    ratios = {m: v / measured[PLAIN][m] for m, v in measured[OURS].items() if measured.get(PLAIN, {}).get(m)}
    return outcome.save(
        out, command, rows, {}, data=data, settings=settings, ratios_to_plain=ratios,
        seconds=time.perf_counter() - began, **more,
    )  # fmt: skip


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """The exponent b of y = a · x^b, fitted to logarithms: 0 is constant, 1 linear. None for one point."""
    usable = [(x, y) for x, y in points if x > 0 and y > 0]
    if len(usable) < 2:
        return None
    x, y = np.log(np.array(usable)).T
    return float(np.polyfit(x, y, 1)[0])


def in_a_process(
    work: Callable[..., dict[str, float]], *arguments: Any, folder: Path | None = None
) -> dict[str, float]:
    """Runs `work` in a new process, so that its memory can be measured; adds `memory MB` and `disk MB`. It has the
    `folder` to itself, or one that is deleted.

    The memory is the peak of that process and, if it has ended others, that of the largest of them, which is counted
    from what that process had when it started the other.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_with_memory, (folder, work, *arguments))


def _with_memory(kept: Path | None, work: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    with nullcontext(kept) if kept else tempfile.TemporaryDirectory(prefix="dateline-bench-") as folder:
        found = work(Path(folder), *arguments)
        disk = sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file()) / 1e6
    return {**found, "disk MB": disk, "memory MB": peak_memory() + _peak_memory(resource.RUSAGE_CHILDREN)}


def peak_memory() -> float:
    """The highest resident memory of this process so far, in MB."""
    return _peak_memory(resource.RUSAGE_SELF)


def _peak_memory(of: int) -> float:
    return resource.getrusage(of).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def articles_of(data: Path | None, size: int) -> list[Article]:
    """The articles of a data set in BEIR layout, or generated ones with so many passages."""
    if data is None:
        return list(generated.articles(size))
    return [Article(id=d.id, title=d.title, text=d.text, source=d.id) for d in beir.load(data).corpus.values()]


def _documents(data: Path | None, size: int) -> list[Document]:
    return [Document(id=a.id, title=a.title, text=a.text) for a in articles_of(data, size)]


def _ingest_ours(folder: Path, settings: Settings, data: Path | None, size: int) -> dict[str, float]:
    articles = articles_of(data, size)
    embedder = open_embedder(settings)
    embedder.embed_queries(["load"])
    with closing(Archive(settings.model_copy(update={"data_dir": folder, "catalog": ""}))) as archive:
        report = ingest(articles, archive, embedder)
        archive.wait_until_indexed()
    return {
        "seconds": report.seconds,
        "articles a second": len(articles) / report.seconds,
        "passages a second": report.passages_per_second,
        "embedded texts a second": _rate(embedder.embed_passages, [article.text for article in articles]),
    }


def _ingest_plain(folder: Path, settings: Settings, data: Path | None, size: int) -> dict[str, float]:
    from eval.systems.baselines import PlainLlamaIndex, plain_embedding

    documents, embedding = _documents(data, size), plain_embedding()
    embedding.get_text_embedding("load")
    began = time.perf_counter()
    PlainLlamaIndex(documents, folder, "bench", embedding).close()
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "articles a second": len(documents) / seconds,
        "embedded texts a second": _rate(embedding.get_text_embedding_batch, [one.text for one in documents]),
    }


def _rate(embed: Callable[[list[str]], Any], texts: Sequence[str]) -> float:
    """Texts of passage length per second through the embedder alone; both systems get the same texts."""
    cut = [" ".join(text.split()[:150]) for text in texts][:EMBEDDED]
    began = time.perf_counter()
    embed(cut)
    return len(cut) / (time.perf_counter() - began)


def _query_ours(folder: Path, settings: Settings, data: Path | None, size: int, timed: Timed) -> dict[str, float]:
    embedder, own = generated.HashEmbedder(), settings.model_copy(update={"data_dir": folder, "catalog": ""})
    found = {}
    with closing(Archive(own)) as archive:
        if not archive.catalog.count_passages():
            found["fill s"] = ingest(generated.articles(size), archive, embedder).seconds
            archive.wait_until_indexed()
    leave_stories(own)
    with closing(Archive(own)) as archive:
        read_into_memory(archive)
        return {**found, **timed(Retriever(archive, embedder, settings).retrieve)}


def leave_stories(settings: Settings) -> None:
    """Takes the stories of an archive for threaded, while no process has it open.

    The thread that does so in the background would be measured too, and articles made of random words have none.
    """
    with closing(Catalog(settings.folder / CATALOGUE)) as catalog:
        follower = StoryFollower(catalog, Priority())
        catalog.set_meta({follower.name: follower.method(), LINKED: str(catalog.coverage().articles)})
        catalog.set_followed(follower.name, catalog.last_change())


def read_into_memory(archive: Archive) -> None:
    """Returns when an archive is as that of a server that has started: its indexes open, its vectors in memory."""
    archive.begin_opening()
    archive.wait_until_threaded()


def _query_plain(folder: Path, settings: Settings, data: Path | None, size: int, timed: Timed) -> dict[str, float]:
    from eval.systems.baselines import PlainLlamaIndex, borrowed_embedding

    began, found = time.perf_counter(), {}
    embedding, fresh = borrowed_embedding(generated.HashEmbedder()), not folder.exists() or not any(folder.iterdir())
    folder.mkdir(exist_ok=True)
    with closing(PlainLlamaIndex(_documents(None, size), folder, "bench", embedding, settings.top_k)) as plain:
        if fresh:
            found["fill s"] = time.perf_counter() - began
        return {**found, **timed(lambda question: plain.search(question, settings.top_k))}


def _timed(search: Callable[[str], Any]) -> dict[str, float]:
    times, questions = [], list(generated.questions(QUERIES + 20))
    generated.HashEmbedder().embed_queries(questions)  # their vectors are at hand when they are asked for
    for number, question in enumerate(questions):
        began = time.perf_counter()
        search(question)
        if number >= 20:  # the first ones load what is loaded lazily
            times.append((time.perf_counter() - began) * 1000)
    return {f"query {name} ms": value for name, value in percentiles(times).items() if name != "n"}


def _timed_at_rest_and_busy(search: Callable[[str], Any]) -> dict[str, float]:
    rest = _timed(search)
    with _busy_cores():
        busy = _timed(search)
    times = busy["query p95 ms"] / rest["query p50 ms"]
    return {
        **rest,
        **{f"busy {name}": value for name, value in busy.items()},
        "busy p95 in times of p50 at rest": times,
    }


@contextmanager
def _busy_cores() -> Iterator[None]:
    """A context during which a process for each core of the machine does nothing but compute."""
    with ExitStack() as ending:
        for _ in range(_cores()):
            busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            ending.callback(busy.wait)
            ending.callback(busy.kill)
        yield


def _cores() -> int:
    return os.cpu_count() or 1
