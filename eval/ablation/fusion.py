"""`python -m eval ablation`: what each part of the fusion of vectors and words is worth, on any number of data sets.

The candidates of every question are fetched once; all variants then fuse these with the function of the product.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eval.datasets.beir import Dataset
from eval.experiments.predictions import spread
from eval.experiments.retrieval import articles_of, fill, hits_of, in_force
from eval.metrics import retrieval as retrieval_metrics
from eval.reporting import outcome
from eval.reporting.progress import Progress, silent
from eval.reporting.tables import SEPARATOR
from rag.answering.conversation.followups import standalone
from rag.answering.retrieval.retriever import Candidate, Retriever, fuse, select
from rag.archive.archive import Archive
from rag.models.cards import card_of
from rag.models.embeddings import Embedder
from rag.schema import Filters, Passage
from rag.settings import Settings

DEEP = 1000  # passages from each index in the deep variant
WEIGHTS = tuple(number / 10 for number in range(11))  # of the vectors
MEASURES = ("Success@1", "nDCG@10")
Scores = dict[int, float]  # passage key → score of one index


@dataclass(frozen=True, slots=True)
class Fetched:
    """The candidates of one question: cosines and BM25 scores as each index gave them, and with those of the other."""

    dense: Scores
    sparse: Scores
    all_dense: Scores
    all_sparse: Scores


@dataclass(frozen=True, slots=True)
class Fetch:
    """The candidates of all questions of a set at two depths, and what is needed to make hits of them."""

    data: Dataset
    shallow: Mapping[str, Fetched]  # question → candidates, at the product's depth
    deep: Mapping[str, Fetched]
    passages: Mapping[int, Passage]
    near_duplicates: Mapping[str, frozenset[str]]
    settings: Settings
    unrelated: float  # of the model's card


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to fuse: what is done to cosines and BM25 scores first, with which candidates.

    The product's own is the first of VARIANTS; each other one differs from it in one thing.
    """

    name: str
    normalised: Callable[[Scores, Scores, float], tuple[Scores, Scores]]  # of cosines, BM25 scores, `unrelated`
    completed: bool = True
    deep: bool = False


def _from_unrelated(dense: Scores, sparse: Scores, unrelated: float) -> tuple[Scores, Scores]:
    return {key: score - unrelated for key, score in dense.items()}, sparse


def _as_they_are(dense: Scores, sparse: Scores, _: float) -> tuple[Scores, Scores]:
    return dense, sparse


def _from_least(dense: Scores, sparse: Scores, _: float) -> tuple[Scores, Scores]:
    return _shifted(dense), _shifted(sparse)


def _shifted(scores: Scores) -> Scores:
    """Scores from 0 on; `fuse` divides by the largest, which makes min-max of it. A single score counts in full."""
    least = min(scores.values(), default=0.0)
    if len(set(scores.values())) == 1:
        return dict.fromkeys(scores, 1.0)
    return {key: score - least for key, score in scores.items()}


VARIANTS = (
    Variant("product: from unrelated, / max", _from_unrelated),
    Variant("cosines as they are, / max", _as_they_are),
    Variant("min-max of both", _from_least),
    Variant("product, not completed", _from_unrelated, completed=False),
    Variant(f"product, {DEEP:,} an index", _from_unrelated, deep=True),
)


def run(
    sets: Sequence[Dataset], out: Path, settings: Settings, embedder: Embedder, *, every: int = 1,
    limit: int | None = None, progress: Progress = silent,
) -> dict[str, Any]:  # fmt: skip
    """The result, also written into `out`, which keeps an archive for each set.

    A row is the mean of one measure over the questions of one set, for one variant at one weight. `every` and `limit`
    take a spread sample of the questions. Raises SettingsError when `out` holds other sets under these names.
    """
    began, rows = time.perf_counter(), []
    for data in sets:
        found = fetch(data, out / data.name, settings, embedder, every, limit, progress)
        for number, variant in enumerate(VARIANTS, start=1):
            for weight in WEIGHTS:
                scored = retrieval_metrics.score(ranked(found, variant, weight), found.data.qrels, MEASURES)
                name = f"{variant.name}{SEPARATOR}{weight:.1f}"
                rows += [
                    outcome.once(f"{data.name}, {measure}", name, sum(values.values()) / len(values), len(values))
                    for measure, values in scored.items()
                ]
            progress(f"{data.name}, variants", number, len(VARIANTS))
    described = {"name": ", ".join(data.name for data in sets), "digests": {data.name: data.digest for data in sets}}
    result = outcome.result(
        "ablation", rows, data=described, settings=in_force(settings, embedder), seconds=time.perf_counter() - began
    )
    outcome.write(out / outcome.RESULT, json.dumps(result, ensure_ascii=False, indent=1))
    return result


def fetch(
    data: Dataset, out: Path, settings: Settings, embedder: Embedder, every: int, limit: int | None, progress: Progress
) -> Fetch:
    """Ingests a set and fetches the candidates of its questions at both depths."""
    sampled = spread(list(data.qrels), every, limit)
    texts = [standalone(data.queries[key].text, data.queries[key].history) for key in sampled]
    depth = in_force(settings, embedder).fetch_k
    with closing(Archive(settings.model_copy(update={"data_dir": out / "archive", "catalog": ""}))) as archive:
        fill(data, archive, embedder, out, progress)
        retriever = Retriever(archive, embedder, settings)
        shallow, deep = {}, {}
        for number, (key, text, vector) in enumerate(
            zip(sampled, texts, embedder.embed_queries(texts), strict=True), start=1
        ):
            shallow[key], deep[key] = (_fetched(retriever, text, vector, k) for k in (depth, DEEP))
            progress(f"{data.name}, search", number, len(sampled))
        passages = archive.catalog.passages(
            list({one for found in (*shallow.values(), *deep.values()) for one in found.all_dense})
        )
        pairs = archive.catalog.near_duplicates({passage.article.id for passage in passages.values()})
    data = replace(data, qrels={key: data.qrels[key] for key in sampled})
    return Fetch(data, shallow, deep, passages, pairs, settings, card_of(embedder.name).unrelated)


def _fetched(retriever: Retriever, text: str, vector: Any, k: int) -> Fetched:
    archive, filters = retriever.archive, Filters()
    languages = retriever.languages(text)
    dense = dict(archive.search_vectors(vector, k, filters))
    sparse = dict(archive.search_words(text, k, languages, filters))
    all_dense = dense | archive.cosines(vector, [key for key in sparse if key not in dense])
    return Fetched(dense, sparse, all_dense, archive.word_scores(text, languages, list(dense)) | sparse)


def ranked(found: Fetch, variant: Variant, weight: float) -> dict[str, list[tuple[str, float]]]:
    """Question → (article, score), best first, as a variant ranks them. At 0 and 1 one index alone is searched."""
    hits = hits_of(found.settings)
    rankings = {}
    for key, one in (found.deep if variant.deep else found.shallow).items():
        completed = variant.completed and 0 < weight < 1
        dense, sparse = (one.all_dense, one.all_sparse) if completed else (one.dense, one.sparse)
        dense, sparse = variant.normalised(dense if weight else {}, sparse if weight < 1 else {}, found.unrelated)
        candidates = _candidates(found, fuse(dense, sparse, weight))
        rankings[key] = articles_of(select(candidates, hits, found.settings.per_article))
    return rankings


def _candidates(found: Fetch, fused: Sequence[tuple[int, float]]) -> Iterator[Candidate]:
    for key, score in fused:
        if passage := found.passages.get(key):
            yield Candidate(passage, score, found.near_duplicates.get(passage.article.id, frozenset()))
