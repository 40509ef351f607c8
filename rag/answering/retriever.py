"""Question → list[Hit]: vectors and words, fused; near-copies of a story folded into one hit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.archive.archive import Archive
from rag.language.identify import detect_language
from rag.language.tokens import folded_words
from rag.models.embeddings import Embedder
from rag.schema import Article, Filters, Hit, Passage
from rag.settings import Settings

# Two articles carry the same story when this share of the shorter one's five-word runs stands in the other.
# Set by hand, not tuned: the three carriers of the demo archive's wire story fold into one hit.
COPY_CONTAINMENT = 0.5
COPY_LEAST_WORDS = 80  # of two short notices half may be the same words by chance


@dataclass(frozen=True, slots=True)
class Retriever:
    """Finds passages for a question in one archive."""

    archive: Archive
    embedder: Embedder
    settings: Settings

    def retrieve(
        self, question: str, filters: Filters = Filters(), *, top_k: int | None = None, per_article: int | None = None,
        dense_weight: float | None = None,
    ) -> list[Hit]:  # fmt: skip
        """At most `top_k` hits, best first, with scores from 0 to 1.

        The score is a convex combination of cosine and BM25, each divided by its largest value for this
        question (Bruch et al. 2023, "An Analysis of Fusion Functions for Hybrid Retrieval", arXiv 2210.11934).
        """
        s = self.settings
        weight = s.dense_weight if dense_weight is None else dense_weight
        fetch_k = max(s.fetch_k, 3 * (top_k or s.top_k))
        dense, sparse = {}, {}
        if weight > 0:
            vector = self.embedder.embed_queries([question])[0]
            dense = dict(self.archive.search_vectors(vector, fetch_k, filters))
        if weight < 1:
            sparse = dict(self.archive.search_words(question, fetch_k, self.languages(question), filters))
        ranked = fuse(dense, sparse, weight)
        return select(self._read(ranked, 2 * (top_k or s.top_k)), top_k or s.top_k, per_article or s.per_article)

    def _read(self, ranked: Sequence[tuple[int, float]], at_once: int) -> Iterator[tuple[Passage, float]]:
        """The passages of these keys in their order, read as they are asked for: most of a search's time went into
        articles behind its last hit."""
        for start in range(0, len(ranked), at_once):
            part = ranked[start : start + at_once]
            passages = self.archive.catalog.passages([key for key, _ in part])
            yield from ((passages[key], score) for key, score in part if key in passages)

    def languages(self, question: str) -> list[str]:
        """In which languages to stem a question: its own, and the most frequent ones of the archive."""
        present = list(self.archive.catalog.languages())
        own = detect_language(question)
        return list(dict.fromkeys([*([own] if own in present or not present else []), *present[:2]]))


def fuse(dense: dict[int, float], sparse: dict[int, float], weight: float) -> list[tuple[int, float]]:
    """Key and fused score, best first; `weight` is the share of the dense scores."""
    best_dense = max(dense.values(), default=0.0)
    best_sparse = max(sparse.values(), default=0.0)
    scores: dict[int, float] = {}
    for key, score in dense.items():
        scores[key] = weight * max(score, 0.0) / best_dense if best_dense > 0 else 0.0
    for key, score in sparse.items():
        scores[key] = scores.get(key, 0.0) + (1 - weight) * score / best_sparse
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def select(ranked: Iterable[tuple[Passage, float]], top_k: int, per_article: int) -> list[Hit]:
    """The best `top_k` passages with at most `per_article` of each story; copies are named on the first hit."""
    leaders: list[Article] = []
    copies: dict[str, list[Article]] = {}
    leader_of: dict[str, str] = {}
    taken: dict[str, int] = {}
    hits: list[Hit] = []
    runs_seen: set[tuple[str, ...]] = set()  # of all leaders: most articles share no run with any of them
    for passage, score in ranked:
        article = passage.article
        if article.id not in leader_of:
            runs = _shingles(article.text)
            met = not runs_seen.isdisjoint(runs)
            leader = next((a for a in leaders if same_story(a, article)), None) if met else None
            leader_of[article.id] = leader.id if leader else article.id
            if leader:
                copies[leader.id].append(article)
            else:
                leaders.append(article)
                runs_seen |= runs
                copies[article.id] = []
        if leader_of[article.id] != article.id or taken.get(article.id, 0) >= per_article:
            continue
        taken[article.id] = taken.get(article.id, 0) + 1
        hits.append(Hit(passage=passage, score=score))
        if len(hits) >= top_k:
            break
    return [Hit(passage=h.passage, score=h.score, copies=tuple(copies[h.passage.article.id])) for h in hits]


def same_story(one: Article, other: Article) -> bool:
    """Whether one article is a near-copy of the other (the same wire story with small edits)."""
    a, b = _shingles(one.text), _shingles(other.text)
    if not a or not b:
        return False
    small, large = sorted((a, b), key=len)
    if len(small) < COPY_LEAST_WORDS:
        return False
    # A short note inside a long article is a quotation, not a copy.
    return len(small) >= 0.4 * len(large) and _shared(small, large) / len(small) >= COPY_CONTAINMENT


_SHARED: dict[tuple[int, int], int] = {}


def _shared(small: frozenset[tuple[str, ...]], large: frozenset[tuple[str, ...]]) -> int:
    """How many runs two texts share, remembered: the same articles meet again in the hits of other questions.

    Among 100 articles a question takes 5,000 comparisons; they were four fifths of its time.
    """
    key = (hash(small), hash(large))  # not the sets: those would stay in memory
    if (found := _SHARED.get(key)) is None:
        if len(_SHARED) >= 200_000:  # about 25 MB
            _SHARED.clear()
        found = _SHARED[key] = len(small & large)
    return found


@lru_cache(maxsize=2000)
def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = folded_words(text[:6000])
    return frozenset(zip(*(words[i:] for i in range(5)), strict=False))
