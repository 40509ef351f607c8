"""`python -m eval retrieval`: the real ingest and the real retriever on a data set, beside plain baselines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from eval.datasets.beir import Dataset
from eval.metrics import retrieval as measures
from eval.reporting import outcome
from eval.systems.bm25 import Bm25
from eval.systems.vector_cache import Vectors
from ingest.metadata.fields import Fields, article_id
from ingest.pipeline import IngestReport, ingest, properties, reembed
from ingest.readers.files import ReadOptions, Rejected, read
from rag.answering.followups import standalone
from rag.answering.retriever import Retriever
from rag.archive.archive import Archive
from rag.errors import DatelineError, SettingsError
from rag.models.embeddings import Embedder
from rag.schema import Article, Hit
from rag.settings import Settings

# Share of the vectors in the fused score; None: what the settings say.
OURS: dict[str, float | None] = {"dateline": None, "dense": 1.0, "words": 0.0}
SYSTEMS = (*OURS, "bm25", "plain-llamaindex")
FETCH_K = 1000  # passages each index gives: 100 articles of up to ten passages, for R@100
Search = Callable[[str], list[tuple[str, float]]]
Progress = Callable[[str, int, int], None]


class RememberingEmbedder:
    """An embedder that embeds each question once for all systems, many at a time; passages go straight through."""

    def __init__(self, inner: Embedder) -> None:
        self._inner, self.name = inner, inner.name
        self._known: dict[str, np.ndarray] = {}

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self._inner.dim

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known |= dict(zip(new, self._inner.embed_queries(new), strict=True))
        return np.array([self._known[text] for text in texts], dtype=np.float32).reshape(len(texts), -1)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        return self._inner.embed_passages(texts)


@dataclass(frozen=True, slots=True)
class Ranking:
    """What one system found: query → (article, score), best first; the seconds of each query; what crashed."""

    found: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    ms: dict[str, float] = field(default_factory=dict)
    crashed: dict[str, str] = field(default_factory=dict)


def run(
    data: Dataset, out: Path, settings: Settings, embedder: Embedder, *, kept: Vectors | None = None,
    systems: Sequence[str] = SYSTEMS, progress: Progress = lambda what, done, total: None,
) -> dict[str, Any]:  # fmt: skip
    """Measures the systems, writes TREC runs, rankings and figures into `out`, and returns the result.

    `kept` is where the plain baseline keeps its vectors between runs. A second call goes on where an interrupted one
    stopped. Raises SettingsError for an unknown system, and when `out` holds another data set.
    """
    unknown = [name for name in systems if name not in SYSTEMS]
    if unknown:
        raise SettingsError(f"--systems names '{unknown[0]}', expected some of {', '.join(SYSTEMS)}.")
    began = time.perf_counter()
    settings = settings.model_copy(
        update={"data_dir": out / "archive", "fetch_k": FETCH_K, "top_k": measures.DEPTH, "per_article": 1}
    )
    texts = {q.id: standalone(q.text, q.history) for q in data.queries.values() if q.id in data.qrels}
    with closing(Archive(settings)) as archive:
        report = fill(data, archive, embedder, out, progress)
        retriever = Retriever(archive, RememberingEmbedder(embedder), settings)
        rankings = {}
        for name in systems:
            with ExitStack() as stack:
                rankings[name] = _rank(name, data, texts, out, stack, retriever, kept, progress)
            measures.write_run(out / f"run_{name}.trec", rankings[name].found, name)
    per_query = {name: measures.score(one.found, data.qrels) for name, one in rankings.items()}
    return outcome.save(
        out, "retrieval", outcome.rows_of(per_query), per_query, settings=settings,
        data=data.describe() | {"folder": str(data.folder)},
        systems=list(systems), left_out=len(data.queries) - len(data.qrels), ingest=report.as_dict(),
        crashed={name: one.crashed for name, one in rankings.items() if one.crashed},
        query_ms={name: percentiles(list(one.ms.values())) for name, one in rankings.items()},
        note="query_ms leave out the embedding of the question, which is done for all at once",
        seconds=time.perf_counter() - began,
    )  # fmt: skip


def fill(data: Dataset, archive: Archive, embedder: Embedder, out: Path, progress: Progress) -> IngestReport:
    """Ingests the corpus with the real pipeline. Raises SettingsError when the folder holds another corpus."""
    mark = sha256("\n".join(data.corpus).encode() + data.name.encode()).hexdigest()[:16]
    known = archive.catalog.get_meta("eval-corpus")
    if known not in (None, mark):
        raise SettingsError(f"{out} holds the run of another data set than {data.folder}. Name another --out.")
    archive.catalog.set_meta({"eval-corpus": mark})
    stored = {key: archive.catalog.get_meta(key) for key in properties(embedder)}
    if any(stored.values()) and stored != properties(embedder):
        # The archive is of an earlier run with another model or chunking: that change is what is to be measured.
        reembed(archive, embedder, lambda done, total: progress("embed again", done, total))
    path = _corpus_file(data, out)
    return ingest(
        _named(data, read([path], ReadOptions())), archive, embedder,
        progress=lambda report: progress("ingest", report.read, len(data.corpus)),
    )  # fmt: skip


def _corpus_file(data: Dataset, out: Path) -> Path:
    """The corpus as it came, or where lines of it were left out, a copy without them."""
    there = next(path for n in ("corpus.jsonl", "corpus.jsonl.gz") if (path := data.folder / n).is_file())
    if not any(problem.file == there.name for problem in data.problems):
        return there
    copy = out / "corpus.jsonl"
    rows = ({"_id": one.id, "title": one.title, "text": one.text} for one in data.corpus.values())
    copy.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows), encoding="utf-8")
    return copy


def _named(data: Dataset, items: Iterator[Article | Rejected]) -> Iterator[Article | Rejected]:
    """What was read, under the ids of the labels; one that the labels do not know would spoil every figure."""
    names = {article_id(Fields(id=key)): key for key in data.corpus}  # the reader takes blanks and # out of an id
    for item in items:
        if isinstance(item, Article):
            if item.id not in names:
                raise SettingsError(f"The reader gave an article the id '{item.id}', unknown to {data.folder}.")
            item = replace(item, id=names[item.id])
        yield item


def articles_of(hits: Sequence[Hit]) -> list[tuple[str, float]]:
    """Hits folded to articles, first occurrence keeps its rank; the copies of a story stand right behind its hit."""
    found: dict[str, float] = {}
    for hit in hits:
        for article in (hit.passage.article, *hit.copies):
            found.setdefault(article.id, hit.score)
    return list(found.items())[: measures.DEPTH]


def _searcher(
    name: str, data: Dataset, texts: Sequence[str], out: Path, retriever: Retriever, kept: Vectors | None,
    stack: ExitStack,
) -> Search:  # fmt: skip
    if name in OURS:
        weight = OURS[name]
        retriever.embedder.embed_queries(texts)
        return lambda text: articles_of(retriever.retrieve(text, dense_weight=weight))
    if name == "bm25":
        index = Bm25((one.id, f"{one.title} {one.text}") for one in data.corpus.values())
        return lambda text: index.search(text, measures.DEPTH)
    from eval.systems.baselines import PlainLlamaIndex, plain_embedding

    plain = stack.enter_context(
        closing(PlainLlamaIndex(list(data.corpus.values()), out / "plain", data.digest, plain_embedding(kept, texts)))
    )
    return lambda text: plain.search(text, measures.DEPTH)


def _rank(
    name: str, data: Dataset, texts: Mapping[str, str], out: Path, stack: ExitStack, retriever: Retriever,
    kept: Vectors | None, progress: Progress,
) -> Ranking:  # fmt: skip
    """Runs the questions that were not yet run with this data, these settings and this code."""
    files = {"bm25": "eval/systems/bm25.py", "plain-llamaindex": "eval/systems/baselines.py"}
    code = outcome.code_digest("rag", "ingest") if name in OURS else outcome.code_digest(files[name])
    settings = json.dumps(outcome.public(retriever.settings)) if name in OURS else ""
    ranking = Ranking()
    with _journal(out / f"ranked_{name}.jsonl", f"{data.digest} {code} {settings}", ranking) as note:
        missing = [query for query in data.qrels if query not in ranking.found]
        if not missing:
            return ranking
        search = _searcher(name, data, [texts[query] for query in missing], out, retriever, kept, stack)
        for query in missing:
            note(query, *_searched(search, texts[query]))
            progress(name, len(ranking.found), len(data.qrels))
    return ranking


def _searched(search: Search, text: str) -> tuple[list[tuple[str, float]], float, str]:
    """What was found, the milliseconds, and the error of a search that crashed: it counts as a miss."""
    began = time.perf_counter()
    try:
        found, crash = search(text), ""
    except (DatelineError, ValueError, LookupError, TypeError, RuntimeError) as error:
        found, crash = [], f"{type(error).__name__}: {error}"
    return found, (time.perf_counter() - began) * 1000, crash


@contextmanager
def _journal(path: Path, key: str, ranking: Ranking) -> Iterator[Callable[..., None]]:
    """Fills `ranking` with what the file has under the same key, and yields a function that adds to both."""
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line] if path.exists() else []
    same = bool(lines) and lines[0] == json.dumps({"key": key})
    with path.open("a" if same else "w", encoding="utf-8") as stream:
        if not same:
            stream.write(json.dumps({"key": key}) + "\n")

        def note(query: str, found: list[tuple[str, float]], ms: float, crash: str, *, write: bool = True) -> None:
            ranking.found[query], ranking.ms[query] = found, ms
            if crash:
                ranking.crashed[query] = crash
            if write:
                row = [query, [[a, round(s, 6)] for a, s in found], round(ms, 2), crash]
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")

        for line in lines[1:] if same else []:
            try:
                query, found, ms, crash = json.loads(line)
            except ValueError:  # the line that an interrupt cut
                stream.write("\n")
                continue
            note(query, [(a, s) for a, s in found], ms, crash, write=False)
        yield note


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile (linear between ranks) and n; empty without values."""
    if not values:
        return {}
    p50, p95, p99 = np.percentile(np.asarray(values), [50, 95, 99])
    return {"p50": float(p50), "p95": float(p95), "p99": float(p99), "n": float(len(values))}
