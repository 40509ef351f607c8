"""`python -m eval bench size`: the bytes of each part of an archive on disk."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from eval.datasets import generated
from eval.performance.bench import (
    OURS,
    QUERIES,
    articles_of,
    in_a_process,
    leave_stories,
    peak_memory,
    read_into_memory,
)
from eval.reporting import outcome
from eval.reporting.progress import Progress
from ingest.pipeline import ingest
from rag.answering.retrieval.retriever import Retriever
from rag.archive.archive import Archive
from rag.archive.indexes import memory_vectors
from rag.schema import Filters
from rag.settings import Settings

ARTICLES = "articles"
PASSAGES = "passages"
TEXT = "text, bytes a passage"
CATALOGUE = "catalogue without vectors, bytes a passage"
STORED_VECTORS = "vectors in the catalogue, bytes a passage"
GRAPH_FILES = "graph of Chroma with its vectors, bytes a passage"
KEPT = "graph with its vectors that is read into memory, bytes a passage"
BESIDE_GRAPH = "ids and filters beside the graph, bytes a passage"
WORDS = "words, bytes a passage"
MEMORY = "memory of a process that searches, bytes a passage"
_FEW = 20  # articles
_RESIDENT = "resident bytes"
_STORED_BYTES = 2  # of each number of a vector in the catalogue: float16
# What hnswlib writes; the other files of the folder are Chroma's own, with the ids and the values that it filters by.
_GRAPH = {"data_level0.bin", "header.bin", "length.bin", "link_lists.bin"}


def bench_size(settings: Settings, out: Path, data: Path | None, size: int, progress: Progress) -> dict[str, Any]:
    """Ingests articles with vectors of random directions, which are as large as those of a model, and sums the files.

    The memory is that of a new process that opens the archive and searches for headlines, less that of one that does so
    with a few articles. Real articles are the better measure of words: generated text has a small vocabulary.
    """
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="dateline-bench-") as temporary:
        few, whole = (settings.model_copy(update={"data_dir": Path(temporary) / name}) for name in ("few", "whole"))
        small = in_a_process(_fill, few, data, size, _FEW)
        progress("bench size", 1, 4)
        filled = in_a_process(_fill, whole, data, size, None)
        progress("bench size", 2, 4)
        found = parts(whole.data_dir, int(filled[PASSAGES]), generated.DIM)
        with_few = in_a_process(_search, few)
        progress("bench size", 3, 4)
        with_all = in_a_process(_search, whole)
        progress("bench size", 4, 4)
    if filled[PASSAGES] > small[PASSAGES]:
        found[MEMORY] = (with_all[_RESIDENT] - with_few[_RESIDENT]) / (filled[PASSAGES] - small[PASSAGES])
    texts = {PASSAGES: filled[PASSAGES], TEXT: filled[TEXT]}
    rows = [outcome.once(name, OURS, value) for name, value in {**texts, **found}.items()]
    name = data.resolve().name if data else f"generated, {size} passages"
    return outcome.save(
        out, "bench size", rows, {},
        data={"name": name, "articles": int(filled[ARTICLES]), "numbers a vector": generated.DIM},
        settings=settings, seconds=time.perf_counter() - began,
    )  # fmt: skip


def _fill(unused: Path, settings: Settings, data: Path | None, size: int, most: int | None) -> dict[str, float]:
    articles = articles_of(data, size)[:most]
    with closing(Archive(settings)) as archive:
        ingest(articles, archive, generated.HashEmbedder())
        archive.wait_until_indexed()
        passages = archive.catalog.count_passages()
    leave_stories(settings)
    with closing(Archive(settings)) as archive:
        read_into_memory(archive)  # and keeps them, as a server does
    text = sum(len(article.text.encode()) for article in articles)
    return {ARTICLES: len(articles), PASSAGES: passages, TEXT: text / passages}


def _search(unused: Path, settings: Settings) -> dict[str, float]:
    with closing(Archive(settings)) as archive:
        retriever = Retriever(archive, generated.HashEmbedder(), settings)
        for article in archive.catalog.articles(Filters(), limit=QUERIES):
            retriever.retrieve(article.title)
        read_into_memory(archive)
        return {_RESIDENT: resident_bytes()}


def resident_bytes() -> float:
    """Bytes of this process in memory now. Its peak would begin with what its parent had when it started it."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return float(int(statm.read_text().split()[1]) * resource.getpagesize())
    return peak_memory() * 1e6


def parts(folder: Path, passages: int, dim: int) -> dict[str, float]:
    """Bytes a passage of each part of a closed archive with so many passages and `dim` numbers a vector.

    Together they are all files but locks and marks of the folder itself.
    """
    catalogue = _bytes(folder.glob("catalogue.sqlite*"))
    graph = _bytes(path for path in (folder / "vectors").rglob("*") if path.name in _GRAPH)
    beside = _bytes(path for path in (folder / "vectors").rglob("*") if path.name not in _GRAPH)
    stored = float(_STORED_BYTES * dim)
    return {
        CATALOGUE: catalogue / passages - stored,
        STORED_VECTORS: stored,
        GRAPH_FILES: graph / passages,
        KEPT: _bytes((folder / memory_vectors.NAME).rglob("*")) / passages,
        BESIDE_GRAPH: beside / passages,
        WORDS: _bytes((folder / "words").rglob("*")) / passages,
    }


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())
