"""`python -m eval bench large`: search in large archives, without a filter and within filters: time, recall, memory.

There is no plain baseline here, as filling one takes hours; `bench query` has one at 100,000 passages.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from eval.datasets import generated
from eval.metrics.statistics import percentiles
from eval.performance.bench import OURS, in_a_process, leave_stories, read_into_memory, slope
from eval.performance.size import resident_bytes
from eval.relevance import stories
from eval.reporting import outcome
from eval.reporting.progress import Progress
from ingest.pipeline import ingest
from rag.answering.retrieval.retriever import Retriever
from rag.archive.archive import Archive
from rag.archive.indexes import memory_vectors
from rag.models.embeddings import open_embedder
from rag.schema import Filters
from rag.settings import Settings

_TEXTS = 4_000  # sentences of our invented stories, around whose vectors those of the passages are drawn
_QUESTIONS, _WARM_UP = 200, 20
_AT_ONCE = 50_000  # vectors compared exactly at a time
_START = generated.FIRST_DAY + timedelta(days=700)
FILTERS: Mapping[str, Filters] = {
    "without a filter": Filters(),
    "within three years": Filters(since=_START, until=_START + timedelta(days=1095)),
    "within a year": Filters(since=_START, until=_START + timedelta(days=364)),
    "within a week": Filters(since=_START, until=_START + timedelta(days=6)),
    "within an outlet": Filters(outlets=("Outlet 5",)),
}


def bench_large(
    settings: Settings, out: Path, sizes: Sequence[int], kept: Path | None, progress: Progress
) -> dict[str, Any]:
    """Milliseconds of a search without the time to embed the question, recall@10 of the vectors against exact search,
    and memory, over archives of so many passages, of generated text with vectors like those of real texts.

    A filled archive is found again in the folder `kept` by the next run. Each is opened in a process of its own, as a
    server opens it, but for two things: no model is loaded, and its stories are not threaded.
    """
    began = time.perf_counter()
    measured: dict[str, float] = {}
    growth: dict[str, list[tuple[float, float]]] = {}
    with ExitStack() as ending:
        folder = kept or Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="dateline-bench-")))
        vectors = _vectors_of_texts(settings, folder)
        for number, size in enumerate(sizes):
            own = settings.model_copy(update={"data_dir": folder / f"passages-{size}", "catalog": "", "index": ""})
            filled = own.data_dir / "filled"
            if not filled.exists():
                found = in_a_process(_fill, own, vectors, size)
                filled.write_text(str(found["fill s"]))
            progress("bench large", 4 * number + 1, 4 * len(sizes))
            first = in_a_process(_first_start, own)
            progress("bench large", 4 * number + 2, 4 * len(sizes))
            found = in_a_process(_search, own, vectors)
            progress("bench large", 4 * number + 3, 4 * len(sizes))
            found |= in_a_process(_recall, own, vectors) | first | {"fill s": float(filled.read_text())}
            progress("bench large", 4 * number + 4, 4 * len(sizes))
            shown = {name: value for name, value in found.items() if name not in ("disk MB", "memory MB")}
            measured |= {f"{name} at {size:,}": value for name, value in shown.items()}
            for name in FILTERS:
                growth.setdefault(f"{name}, p50", []).append((float(size), found[f"{name}: p50 ms"]))
    rows = [outcome.once(name, OURS, value) for name, value in measured.items()]
    return outcome.save(
        out, "bench large", rows, {}, data={"name": "generated", "sizes": list(sizes), "questions": _QUESTIONS},
        settings=settings, slopes={name: slope(points) for name, points in growth.items()},
        seconds=time.perf_counter() - began,
    )  # fmt: skip


def _vectors_of_texts(settings: Settings, folder: Path) -> np.ndarray:
    kept = folder / "texts.npy"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        texts = [
            text for story in stories.lines(stories.STORIES) for one in story["articles"] for text in one["sentences"]
        ]
        spread = texts[:: max(1, len(texts) // _TEXTS)][:_TEXTS]
        np.save(kept, open_embedder(settings).embed_passages(spread))
    vectors: np.ndarray = np.load(kept)
    return vectors


def _fill(unused: Path, settings: Settings, vectors: np.ndarray, size: int) -> dict[str, float]:
    with closing(Archive(settings)) as archive:
        report = ingest(generated.articles(size), archive, generated.SampledEmbedder(vectors))
        archive.wait_until_indexed()
    leave_stories(settings)
    return {"fill s": report.seconds}


def _first_start(unused: Path, settings: Settings) -> dict[str, float]:
    """Seconds until the vectors of an archive, of which none are kept yet, are in memory; these are kept then."""
    rmtree(settings.folder / memory_vectors.NAME, ignore_errors=True)
    began = time.perf_counter()
    with closing(Archive(settings)) as archive:
        read_into_memory(archive)
        return {"s to read the vectors at the first start": time.perf_counter() - began}


def _search(unused: Path, settings: Settings, vectors: np.ndarray) -> dict[str, float]:
    embedder = _Kept(generated.SampledEmbedder(vectors))
    asked = generated.questions(_QUESTIONS + _WARM_UP)
    embedder.read(asked)
    before, began = resident_bytes(), time.perf_counter()
    found: dict[str, float] = {}
    with closing(Archive(settings)) as archive:
        retriever = Retriever(archive, embedder, settings)
        retriever.retrieve(asked[0])
        found["s until the first search is answered"] = time.perf_counter() - began
        read_into_memory(archive)
        found["passages"] = archive.catalog.count_passages()
        for name, filters in FILTERS.items():
            times = percentiles(_timed(partial(_retrieved, retriever, filters), asked))
            found |= {f"{name}: {quantile} ms": times[quantile] for quantile in ("p50", "p95")}
        found["MB of memory for the archive"] = (resident_bytes() - before) / 1e6
        found |= _steps(archive, retriever, embedder, asked)
    return found


def _retrieved(retriever: Retriever, filters: Filters, question: str) -> None:
    retriever.retrieve(question, filters)


def _timed(search: Callable[[str], Any], asked: Sequence[str]) -> list[float]:
    """Milliseconds for each of the questions but the first, which load what is loaded lazily."""
    times = []
    for question in asked:
        began = time.perf_counter()
        search(question)
        times.append((time.perf_counter() - began) * 1000)
    return times[_WARM_UP:]


def _steps(archive: Archive, retriever: Retriever, embedder: _Kept, asked: Sequence[str]) -> dict[str, float]:
    """Milliseconds of the steps of a search, each by itself. A search asks for the first two on two threads, and so for
    the next two."""
    k, languages = retriever.settings.fetch_k, retriever.languages(asked[0])
    vector = {question: embedder.embed_queries([question])[0] for question in asked}
    by_vector = {one: [key for key, _ in archive.search_vectors(vector[one], k, Filters())] for one in asked}
    by_words = {one: [key for key, _ in archive.search_words(one, k, languages, Filters())] for one in asked}
    steps: dict[str, Callable[[str], Any]] = {
        "nearest vectors": lambda one: archive.search_vectors(vector[one], k, Filters()),
        "search by words": lambda one: archive.search_words(one, k, languages, Filters()),
        "cosines of those found by words": lambda one: archive.cosines(vector[one], by_words[one]),
        "BM25 of those found by vectors": lambda one: archive.word_scores(one, languages, by_vector[one]),
        "texts of 12 passages": lambda one: archive.catalog.passages(by_vector[one][:12]),
    }
    return {f"step, {name}: p50 ms": percentiles(_timed(step, asked))["p50"] for name, step in steps.items()}


def _recall(unused: Path, settings: Settings, vectors: np.ndarray) -> dict[str, float]:
    """The share of the ten passages truly nearest to a question that are among the ten found, for each filter."""
    asked = generated.SampledEmbedder(vectors).embed_queries(generated.questions(_QUESTIONS))
    found = {}
    with closing(Archive(settings)) as archive:
        read_into_memory(archive)
        k = settings.fetch_k
        for name, filters in FILTERS.items():
            truth = _nearest(archive, asked, filters)
            mine = [{key for key, _ in archive.search_vectors(one, k, filters)[:10]} for one in asked]
            shares = [len(own & best) / len(best) for own, best in zip(mine, truth, strict=True) if best]
            found[f"{name}: recall@10 of the vectors"] = float(np.mean(shares))
            found[f"{name}: share of the passages"] = _share(archive, filters)
    return found


def _share(archive: Archive, filters: Filters) -> float:
    return len(archive.catalog.passage_keys(filters)) / archive.catalog.count_passages()


def _nearest(archive: Archive, asked: np.ndarray, filters: Filters) -> list[set[int]]:
    """For each vector the keys of the ten nearest within the filters, by comparing it with every one."""
    within = np.array(archive.catalog.passage_keys(filters), dtype=np.int64)
    best: list[list[tuple[float, int]]] = [[] for _ in asked]
    for start in range(0, len(within), _AT_ONCE):
        keys, vectors = archive.catalog.vectors_of(within[start : start + _AT_ONCE].tolist())
        for own, scores in zip(best, asked @ vectors.T, strict=True):
            top = np.argsort(-scores)[:10]
            own += [(float(scores[i]), keys[i]) for i in top]
    return [{key for _, key in sorted(own, reverse=True)[:10]} for own in best]


class _Kept:
    """An embedder whose questions were embedded before, so that their time is not measured."""

    def __init__(self, embedder: generated.SampledEmbedder) -> None:
        self.name, self.dim = embedder.name, embedder.dim
        self._embedder = embedder
        self._known: dict[str, np.ndarray] = {}

    def read(self, questions: Sequence[str]) -> None:
        """Embeds these questions."""
        self._known = dict(zip(questions, self._embedder.embed_queries(questions), strict=True))

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1. Raises KeyError for a question that was not read."""
        return np.stack([self._known[text] for text in texts])

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        return self._embedder.embed_passages(texts)
