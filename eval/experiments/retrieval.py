"""`python -m eval retrieval`: the real ingest and the real search on a data set, beside plain baselines.

The search is that of the faces, with the settings of the product: as many passages from each index, at most as many
of one article. It returns more hits than a face shows, since ten articles are scored, but the first of them are the
same.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from eval.datasets.beir import Dataset
from eval.experiments.predictions import spread
from eval.metrics import retrieval as retrieval_metrics
from eval.metrics.statistics import percentiles
from eval.reporting import journal, outcome
from eval.reporting.progress import Progress, silent
from eval.systems.bm25 import Bm25
from eval.systems.vector_cache import QueryVectorCache, VectorCache
from ingest.metadata.addresses import article_id
from ingest.metadata.fields import Fields
from ingest.pipeline import IngestReport, ingest, properties
from ingest.readers.files import ReadOptions, Rejected, read
from ingest.reindex import reindex
from rag.answering.conversation.followups import standalone
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import DatelineError, SettingsError
from rag.models.cards import card_of
from rag.models.embeddings import Embedder
from rag.schema import Article, Hit
from rag.settings import Settings

# Weight of the vector search in the fused score; None stands for the weight in the settings.
OURS: dict[str, float | None] = {"dateline": None, "dense": 1.0, "words": 0.0}
SYSTEMS = (*OURS, "bm25", "plain-llamaindex")
HITS = 20  # of a search: at most two of an article make the ten articles that are scored
Search = Callable[[str], list[tuple[str, float]]]
_SOURCES = {"bm25": "eval/systems/bm25.py", "plain-llamaindex": "eval/systems/baselines.py"}


@dataclass(frozen=True, slots=True)
class Ranking:
    """The results of one system: query → (article, score), best first; query → milliseconds; query → error."""

    found: Mapping[str, list[tuple[str, float]]]
    ms: Mapping[str, float]
    crashed: Mapping[str, str]


def run(
    data: Dataset, out: Path, settings: Settings, embedder: Embedder, *, cache: VectorCache | None = None,
    systems: Sequence[str] = SYSTEMS, every: int = 1, limit: int | None = None, progress: Progress = silent,
) -> dict[str, Any]:  # fmt: skip
    """Measures the systems, writes TREC runs, rankings and figures into `out`, and returns the result.

    `cache` holds the vectors of the plain baseline between runs. `every` and `limit` take a spread sample of the
    questions. A second call, also with another sample, continues an interrupted one. Raises SettingsError for an
    unknown system, and when `out` holds another data set.
    """
    unknown = [name for name in systems if name not in SYSTEMS]
    if unknown:
        raise SettingsError(f"--systems names '{unknown[0]}', expected some of {', '.join(SYSTEMS)}.")
    began = time.perf_counter()
    settings = settings.model_copy(update={"data_dir": out / "archive", "catalog": ""})
    described = data.describe()
    data = replace(data, qrels={key: data.qrels[key] for key in spread(list(data.qrels), every, limit)})
    texts = {q.id: standalone(q.text, q.history) for q in data.queries.values() if q.id in data.qrels}
    with closing(Archive(settings)) as archive:
        report = fill(data, archive, embedder, out, progress)
        assistant = Assistant(archive, QueryVectorCache(embedder), None, settings)
        rankings = {}
        for name in systems:
            with ExitStack() as stack:
                rankings[name] = _rank(name, data, texts, out, stack, assistant, cache, progress)
            retrieval_metrics.write_run(out / f"run_{name}.trec", rankings[name].found, name)
    per_query = {name: retrieval_metrics.score(one.found, data.qrels) for name, one in rankings.items()}
    return outcome.save(
        out, "retrieval", outcome.rows_of(per_query), per_query, settings=in_force(settings, embedder),
        data=described | {"scored": len(data.qrels), "folder": str(data.folder)},
        systems=list(systems), left_out=described["queries"] - described["scored"], ingest=report.as_dict(),
        crashed={name: one.crashed for name, one in rankings.items() if one.crashed},
        query_ms={name: percentiles(list(one.ms.values())) for name, one in rankings.items()},
        note="query_ms leave out the embedding of the question, which is done for all questions at once",
        seconds=time.perf_counter() - began,
    )  # fmt: skip


def hits_of(settings: Settings) -> int:
    """How many hits to ask for: as many as a search as deep as the product's returns, at most HITS.

    A search fetches at least three passages from each index for one hit, so that more hits would deepen it.
    """
    return max(settings.top_k, min(HITS, settings.fetch_k // 3))


def in_force(settings: Settings, embedder: Embedder) -> Settings:
    """The settings with the values that such a search uses, where they depend on others or on the model."""
    weight = card_of(embedder.name).dense_weight if settings.dense_weight is None else settings.dense_weight
    hits = hits_of(settings)
    return settings.model_copy(
        update={"top_k": hits, "fetch_k": max(settings.fetch_k, 3 * hits), "dense_weight": weight}
    )


def fill(data: Dataset, archive: Archive, embedder: Embedder, out: Path, progress: Progress) -> IngestReport:
    """Ingests the corpus with the real pipeline. Raises SettingsError when the folder holds another corpus."""
    mark = sha256("\n".join(data.corpus).encode() + data.name.encode()).hexdigest()[:16]
    known = archive.catalog.get_meta("eval-corpus")
    if known not in (None, mark):
        raise SettingsError(f"{out} holds the run of another data set than {data.folder}. Name another --out.")
    archive.catalog.set_meta({"eval-corpus": mark})
    stored = {key: archive.catalog.get_meta(key) for key in properties(embedder)}
    if any(stored.values()) and stored != properties(embedder):
        # An earlier run used another model or chunking: the change is what this run is to measure.
        reindex(archive, embedder, lambda report: progress("embed again", report.articles, report.total))
    path = _corpus_file(data, out)
    return ingest(
        _named(data, read([path], ReadOptions())), archive, embedder,
        progress=lambda report: progress("ingest", report.read, len(data.corpus)),
    )  # fmt: skip


def _corpus_file(data: Dataset, out: Path) -> Path:
    """The file of the corpus, or a copy without the lines that cannot be used."""
    there = next(path for n in ("corpus.jsonl", "corpus.jsonl.gz") if (path := data.folder / n).is_file())
    if not any(problem.file == there.name for problem in data.problems):
        return there
    copy = out / "corpus.jsonl"
    rows = ({"_id": one.id, "title": one.title, "text": one.text} for one in data.corpus.values())
    copy.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows), encoding="utf-8")
    return copy


def _named(data: Dataset, items: Iterator[Article | Rejected]) -> Iterator[Article | Rejected]:
    """The articles under the ids that the labels use. Raises SettingsError for an article with an unknown id."""
    names = {article_id(Fields(id=key)): key for key in data.corpus}  # the reader changes some characters of an id
    for item in items:
        if isinstance(item, Article):
            if item.id not in names:
                raise SettingsError(f"The reader gave an article the id '{item.id}', unknown to {data.folder}.")
            item = replace(item, id=names[item.id])
        yield item


def articles_of(hits: Sequence[Hit]) -> list[tuple[str, float]]:
    """Hits as articles with the rank of their best passage; near-duplicates follow directly after their hit."""
    found: dict[str, float] = {}
    for hit in hits:
        for article in (hit.passage.article, *hit.copies):
            found.setdefault(article.id, hit.score)
    return list(found.items())[: retrieval_metrics.DEPTH]


def _searcher(
    name: str, data: Dataset, texts: Sequence[str], out: Path, assistant: Assistant, cache: VectorCache | None,
    stack: ExitStack,
) -> Search:  # fmt: skip
    if name in OURS:
        weight, hits = OURS[name], hits_of(assistant.settings)
        assistant.embedder.embed_queries(texts)
        if weight is None:
            return lambda text: articles_of(assistant.search(text, top_k=hits))
        return lambda text: articles_of(assistant.retriever.retrieve(text, top_k=hits, dense_weight=weight))
    if name == "bm25":
        index = Bm25((one.id, f"{one.title} {one.text}") for one in data.corpus.values())
        return lambda text: index.search(text, retrieval_metrics.DEPTH)
    from eval.systems.baselines import PlainLlamaIndex, plain_embedding

    plain = stack.enter_context(
        closing(PlainLlamaIndex(list(data.corpus.values()), out / "plain", data.digest, plain_embedding(cache, texts)))
    )
    return lambda text: plain.search(text, retrieval_metrics.DEPTH)


def _rank(
    name: str, data: Dataset, texts: Mapping[str, str], out: Path, stack: ExitStack, assistant: Assistant,
    cache: VectorCache | None, progress: Progress,
) -> Ranking:  # fmt: skip
    """Searches for the questions that were not yet searched for with this data, these settings and this code."""
    code = outcome.code_digest("rag", "ingest") if name in OURS else outcome.code_digest(_SOURCES[name])
    settings = outcome.public(in_force(assistant.settings, assistant.embedder)) if name in OURS else {}
    key = json.dumps([data.digest, code, retrieval_metrics.DEPTH, settings])
    with journal.opened(out / f"ranked_{name}.jsonl", key) as kept:
        missing = [query for query in data.qrels if query not in kept.entries]
        if missing:
            search = _searcher(name, data, [texts[query] for query in missing], out, assistant, cache, stack)
            for number, query in enumerate(missing, start=1 + len(data.qrels) - len(missing)):
                kept.add({"id": query, **_searched(search, texts[query])})
                progress(name, number, len(data.qrels))
        entries = [kept.entries[query] for query in data.qrels]
    return Ranking(
        found={one["id"]: [(article, score) for article, score in one["ranked"]] for one in entries},
        ms={one["id"]: one["ms"] for one in entries},
        crashed={one["id"]: one["error"] for one in entries if one["error"]},
    )


def _searched(search: Search, text: str) -> dict[str, Any]:
    """The ranking of one question, its milliseconds, and the error of a crash, which counts as a miss."""
    began = time.perf_counter()
    try:
        found, error = search(text), ""
    except (DatelineError, ValueError, LookupError, TypeError, RuntimeError) as crash:
        found, error = [], f"{type(crash).__name__}: {crash}"
    ms = round((time.perf_counter() - began) * 1000, 2)
    return {"ranked": [(article, round(score, 6)) for article, score in found], "ms": ms, "error": error}
