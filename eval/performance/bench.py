"""`python -m eval bench ingest|query|answer`: speed, memory and disk, as ratios to the plain baseline."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from eval.datasets import beir as datasets
from eval.datasets import demo as gold
from eval.datasets import generated
from eval.datasets.beir import Document
from eval.experiments import asking
from eval.experiments.answers import summaries
from eval.experiments.retrieval import percentiles
from eval.metrics.statistics import contains_answer
from eval.reporting import outcome
from ingest.pipeline import ingest
from ingest.readers.files import ReadOptions, read
from rag.answering.retriever import Retriever
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.models.chat import OpenAIChat, open_llm
from rag.models.embeddings import LazyEmbedder
from rag.schema import Article, Filters
from rag.settings import Settings

Progress = Callable[[str, int, int], None]
OURS, PLAIN = "dateline", "plain-llamaindex"
QUERIES = 200
EMBEDDED = 256


def bench_ingest(settings: Settings, out: Path, data: Path | None, size: int, progress: Progress) -> dict[str, Any]:
    """Articles to a searchable archive with the real embedder: seconds, passages a second, memory, disk."""
    began = time.perf_counter()
    measured = {}
    for number, (name, work) in enumerate(((OURS, _ingest_ours), (PLAIN, _ingest_plain)), start=1):
        measured[name] = in_a_process(work, settings, data, size)
        progress("bench ingest", number, 2)
    name = data.resolve().name if data else f"generated, {size} passages"
    return _save(out, "bench ingest", {"name": name}, settings, measured, began, {})


def bench_query(settings: Settings, out: Path, sizes: Sequence[int], progress: Progress) -> dict[str, Any]:
    """Milliseconds of a search over growing archives of generated text with generated vectors.

    The embedding of the question, the same at every size, is left out on both sides.
    """
    began = time.perf_counter()
    measured: dict[str, dict[str, float]] = {OURS: {}, PLAIN: {}}
    growth: dict[str, list[tuple[float, float]]] = {}
    steps = [(size, name, work) for size in sizes for name, work in ((OURS, _query_ours), (PLAIN, _query_plain))]
    for number, (size, name, work) in enumerate(steps, start=1):
        found = in_a_process(work, settings, None, size)
        measured[name] |= {f"{measure} at {size:,}": value for measure, value in found.items()}
        growth.setdefault(f"{name} p50", []).append((float(size), found["query p50 ms"]))
        growth.setdefault(f"{name} disk", []).append((float(size), found["disk MB"]))
        progress("bench query", number, len(steps))
    more = {"growth": growth, "slopes": {name: slope(points) for name, points in growth.items()}}
    return _save(out, "bench query", {"name": "generated", "sizes": list(sizes)}, settings, measured, began, more)


def bench_answer(settings: Settings, out: Path, count: int, progress: Progress) -> dict[str, Any]:
    """Questions of the demo set through the assistant: milliseconds to sources, first word and end, and memory; beside
    them the same questions to llama-index's query engine with its defaults and the same model.

    The questions are a spread sample of the answerable ones without a conversation before them, which that engine does
    not take.
    """
    began = time.perf_counter()
    known = {q.id: q for q in gold.load() if q.answerable and not q.history}
    questions = [known[key] for key in asking.spread(list(known), limit=count)]
    with tempfile.TemporaryDirectory(prefix="dateline-bench-") as folder:
        own = settings.model_copy(update={"data_dir": Path(folder) / "archive"})
        llm = open_llm(own)
        embedder = LazyEmbedder(own.embedder)
        try:
            with closing(Archive(own)) as archive:
                ingest(read([gold.ARCHIVE], ReadOptions()), archive, embedder)
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
    data = {"name": "demo", "digest": gold.digest(), "questions": len(questions)}
    return _save(out, "bench answer", data, own, measured, began, {"model": llm.name if llm else "extraction"})


def _answers(assistant: Assistant, questions: Sequence[gold.Question], progress: Progress) -> list[asking.Row]:
    assistant.warm_up()
    found = []
    for number, question in enumerate(questions, start=1):
        answer, error = asking.ask(assistant, question.text)
        found.append(asking.prediction(question.id, question.text, answer, error=error, answers=question.answers))
        progress("bench answer", number, len(questions))
    return found


def _plain_answers(
    documents: Sequence[Document], folder: Path, llm: OpenAIChat, questions: Sequence[gold.Question],
    progress: Progress,
) -> dict[str, float]:  # fmt: skip
    from eval.systems.baselines import PlainLlamaIndex

    first, total, right = [], [], []
    with closing(PlainLlamaIndex(documents, folder, "bench")) as plain:
        plain.search(questions[0].text, 1)  # loads what loads lazily, as warm_up does
        for number, question in enumerate(questions, start=1):
            said, to_first, to_end = plain.ask(question.text, llm.client)
            first += [to_first] if to_first is not None else []
            total.append(to_end)
            right.append(contains_answer(said, question.answers))
            progress("bench answer, plain", number, len(questions))
    return _flat({"to first word": percentiles(first), "in total": percentiles(total)}, right)


def _flat(times: Mapping[str, Mapping[str, float]], right: Sequence[float | None]) -> dict[str, float]:
    found = {f"{name} {q} ms": v for name, one in times.items() for q, v in one.items() if q != "n"}
    return {"answer contains gold": float(np.mean([one or 0.0 for one in right])), **found}


def _save(
    out: Path, command: str, data: dict[str, Any], settings: Settings, measured: dict[str, dict[str, float]],
    began: float, more: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Values as they were measured once: no interval, since nothing was sampled but within percentiles."""
    rows = [
        outcome.Row(measure, system, value, value, value, 1)
        for system, found in measured.items()
        for measure, value in found.items()
    ]
    ratios = {m: v / measured[PLAIN][m] for m, v in measured[OURS].items() if measured.get(PLAIN, {}).get(m)}
    return outcome.save(
        out, command, rows, {}, data=data, settings=settings, ratios_to_plain=ratios,
        seconds=time.perf_counter() - began, **more,
    )  # fmt: skip


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """The exponent b of y = a · x^b, fitted to the logarithms: 0 does not grow, 1 grows in proportion. None for one."""
    usable = [(x, y) for x, y in points if x > 0 and y > 0]
    if len(usable) < 2:
        return None
    x, y = np.log(np.array(usable)).T
    return float(np.polyfit(x, y, 1)[0])


def in_a_process(work: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """Runs work in a new process, so that memory is its own; adds `memory MB`."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_with_memory, (work, *arguments))


def _with_memory(work: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="dateline-bench-") as folder:
        found = work(Path(folder), *arguments)
        disk = sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file()) / 1e6
    return {**found, "disk MB": disk, "memory MB": peak_memory()}


def peak_memory() -> float:
    """The most that this process has held, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def _articles(data: Path | None, size: int) -> list[Article]:
    if data is None:
        return list(generated.articles(size))
    return [Article(id=d.id, title=d.title, text=d.text, source=d.id) for d in datasets.load(data).corpus.values()]


def _documents(data: Path | None, size: int) -> list[Document]:
    return [Document(id=a.id, title=a.title, text=a.text) for a in _articles(data, size)]


def _ingest_ours(folder: Path, settings: Settings, data: Path | None, size: int) -> dict[str, float]:
    articles = _articles(data, size)
    embedder = LazyEmbedder(settings.embedder)
    embedder.embed_queries(["load"])
    with closing(Archive(settings.model_copy(update={"data_dir": folder}))) as archive:
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
    """Texts a second through an embedder alone: the same ones, as long as a passage, for ours and for plain float32."""
    cut = [" ".join(text.split()[:150]) for text in texts][:EMBEDDED]
    began = time.perf_counter()
    embed(cut)
    return len(cut) / (time.perf_counter() - began)


def _query_ours(folder: Path, settings: Settings, data: Path | None, size: int) -> dict[str, float]:
    embedder = generated.HashEmbedder()
    with closing(Archive(settings.model_copy(update={"data_dir": folder}))) as archive:
        report = ingest(generated.articles(size), archive, embedder)
        retriever = Retriever(archive, embedder, settings)
        return {"fill s": report.seconds, **_timed(lambda question: retriever.retrieve(question))}


def _query_plain(folder: Path, settings: Settings, data: Path | None, size: int) -> dict[str, float]:
    from eval.systems.baselines import PlainLlamaIndex, borrowed_embedding

    began = time.perf_counter()
    embedding = borrowed_embedding(generated.HashEmbedder())
    with closing(PlainLlamaIndex(_documents(None, size), folder, "bench", embedding, settings.top_k)) as plain:
        return {
            "fill s": time.perf_counter() - began,
            **_timed(lambda question: plain.search(question, settings.top_k)),
        }


def _timed(search: Callable[[str], Any]) -> dict[str, float]:
    times = []
    for number, question in enumerate(generated.questions(QUERIES + 20)):
        began = time.perf_counter()
        search(question)
        if number >= 20:  # the first ones load what loads lazily
            times.append((time.perf_counter() - began) * 1000)
    return {f"query {name} ms": value for name, value in percentiles(times).items() if name != "n"}
