"""Question → list[Hit]: vector and keyword search, fused; near-duplicates folded into one hit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from rag.answering.retrieval.variants import differ
from rag.archive.archive import Archive
from rag.errors import ArchiveBusy
from rag.language.identify import detect_language
from rag.models.cards import card_of
from rag.models.embeddings import Embedder
from rag.schema import Article, Filters, Hit, Passage, TimeWindow
from rag.settings import Settings

MOST_VARIANTS = 3  # hits of one text that tell different numbers; more tell nothing more. Set by hand.
_ATTEMPTS = 3  # at a search during which the archive's embedder changes
# Days after a window in which an article still counts as one of it: a daily reports the next day, a weekly in seven.
REPORTED_DAYS = 7
# Added to the score of a passage from the window. Tuned on the demo archive: of 33 questions of our own, each with the
# day on which it is asked, extraction cites the right article first in 20 with 0, 29 with .2, 31 with .3; of the 144
# answerable demo questions it answers 107, 107 and 106.
PREFERENCE = 0.2
ARCHIVE_LANGUAGES = 2  # the most frequent ones of the archive, in which every question is stemmed


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may become a hit, and the ids of the articles that are near-duplicates of its article."""

    passage: Passage
    score: float
    near_duplicates: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Retriever:
    """Finds passages for a question in one archive."""

    archive: Archive
    embedder: Embedder
    settings: Settings

    def retrieve(
        self, question: str, filters: Filters = Filters(), *, top_k: int | None = None, per_article: int | None = None,
        dense_weight: float | None = None, window: TimeWindow | None = None,
    ) -> list[Hit]:  # fmt: skip
        """At most `top_k` hits, best first, with scores from 0 to 1.

        Passages of articles from `window` are preferred, and searched for by themselves, so that they are found among
        many others; those from other days, or without a day, stay.

        The score is a convex combination of cosine and BM25, each divided by its largest value for this
        question (Bruch et al. 2023, "An Analysis of Fusion Functions for Hybrid Retrieval", arXiv 2210.11934). Cosines
        count from that of unrelated texts, which is .77 for some models: divided as they are, all would be alike.

        Where dateline reindex ends meanwhile, the search is repeated. Raises ArchiveMismatch when the archive now has
        another embedder than this retriever.
        """
        for _ in range(_ATTEMPTS):
            model = self.archive.model
            try:
                if model is not None:
                    self.archive.claim({"embedder": self.embedder.name})
                hits = self._retrieve(question, filters, top_k, per_article, dense_weight, window)
            except Exception:
                if self.archive.model == model:
                    raise
            else:
                if self.archive.model == model:
                    return hits
        raise ArchiveBusy(f"The embedder of {self.archive.folder} changes again and again. Try again in a minute.")

    def _retrieve(
        self, question: str, filters: Filters, top_k: int | None, per_article: int | None,
        dense_weight: float | None, window: TimeWindow | None,
    ) -> list[Hit]:  # fmt: skip
        s, card = self.settings, card_of(self.embedder.name)
        weight = s.dense_weight if dense_weight is None else dense_weight
        top_k = top_k or s.top_k
        fetch_k = max(s.fetch_k, 3 * top_k)
        searched = [filters] if window is None else [filters, within(window, filters)]
        with self.archive.searching():
            if weight == 0:
                dense, sparse = [], self._by_words(question, fetch_k, searched)[1]
            elif weight == 1:
                dense, sparse = self._by_vector(self._vector_of(question), fetch_k, searched), []
            else:
                languages, dense, sparse = self._by_both(question, fetch_k, searched)
                if weight is None:
                    foreign = self.archive.is_foreign(question, languages)
                    weight = card.foreign_weight if foreign else card.dense_weight
            cosines = {key: cosine - card.unrelated for found in dense for key, cosine in found.items()}
            ranked = fuse(cosines, {key: score for found in sparse for key, score in found.items()}, weight)
            ranked = preferred(ranked, {key for found in (*dense[1:], *sparse[1:]) for key in found})
            return select(self._candidates(ranked, top_k + top_k // 2), top_k, per_article or s.per_article)

    def _vector_of(self, question: str) -> np.ndarray:
        vector: np.ndarray = self.embedder.embed_queries([question])[0]
        return vector

    def _by_vector(self, vector: np.ndarray, k: int, searched: Sequence[Filters]) -> list[dict[int, float]]:
        """For each of the filters, the cosines of the k passages nearest to a vector."""
        return [dict(self.archive.search_vectors(vector, k, filters)) for filters in searched]

    def _by_words(self, question: str, k: int, searched: Sequence[Filters]) -> tuple[list[str], list[dict[int, float]]]:
        """The languages that the question was stemmed in, and, for each of the filters, the BM25 scores of the k best
        passages."""
        languages = self.languages(question)
        return languages, self._found_by_words(question, k, languages, searched)

    def _found_by_words(
        self, question: str, k: int, languages: Sequence[str], searched: Sequence[Filters]
    ) -> list[dict[int, float]]:
        return [dict(self.archive.search_words(question, k, languages, filters)) for filters in searched]

    def _by_both(
        self, question: str, k: int, searched: Sequence[Filters]
    ) -> tuple[list[str], list[dict[int, float]], list[dict[int, float]]]:
        """The languages that the question was stemmed in, and, for each of the filters, cosines and BM25 scores of what
        both indexes find, which are searched at once.

        Each passage gets both scores: one that a single index found would lose the other share. Where the one index has
        found its passages, their scores by the other are told on its thread, though it is not known yet which of them
        that one finds too.
        """
        languages, asked = self.languages(question), Future[np.ndarray]()

        def by_words() -> tuple[list[dict[int, float]], dict[int, float]]:
            found = self._found_by_words(question, k, languages, searched)
            return found, self.archive.cosines(asked.result(), _together(found))

        with self.archive.beside(by_words) as fetched:
            try:
                asked.set_result(self._vector_of(question))
            except BaseException as error:
                asked.set_exception(error)  # else the other thread would wait for ever
                raise
            dense = self._by_vector(asked.result(), k, searched)
            scores = self.archive.word_scores(question, languages, _together(dense))
            sparse, cosines = fetched()
        for found in dense:
            cosines |= found
        for found in sparse:
            scores |= found
        every = [own.keys() | found.keys() for own, found in zip(dense, sparse, strict=True)]
        of_each = [{key: cosines[key] for key in own if key in cosines} for own in every]
        return languages, of_each, [{key: scores[key] for key in own if key in scores} for own in every]

    def _candidates(self, ranked: Sequence[tuple[int, float]], at_once: int) -> Iterator[Candidate]:
        """The passages of these keys in their order, loaded lazily: loading all of them dominated the latency."""
        for start in range(0, len(ranked), at_once):
            part = ranked[start : start + at_once]
            passages = self.archive.catalog.passages([key for key, _ in part])
            pairs = self.archive.catalog.near_duplicates({one.article.id for one in passages.values()})
            for key, score in part:
                if passage := passages.get(key):
                    yield Candidate(passage, score, pairs.get(passage.article.id, frozenset()))

    @property
    def detects_languages(self) -> bool:
        """Whether a search depends on the language of its question."""
        return len(self.archive.catalog.languages()) > ARCHIVE_LANGUAGES

    def languages(self, question: str) -> list[str]:
        """In which languages to stem a question: its own if the archive has it, and the archive's most frequent."""
        present = list(self.archive.catalog.languages())
        if len(present) <= ARCHIVE_LANGUAGES:
            return present
        own = detect_language(question)
        return list(dict.fromkeys([*([own] if own in present else []), *present[:ARCHIVE_LANGUAGES]]))


def within(window: TimeWindow, filters: Filters = Filters()) -> Filters:
    """The filters, narrowed to the days of a window and the REPORTED_DAYS after it."""
    last = window.last
    if last is not None:
        last += min(timedelta(days=REPORTED_DAYS), date.max - last)
    return replace(filters, since=window.first, until=last)


def _together(found: Sequence[Mapping[int, float]]) -> list[int]:
    """The keys of all of these, each once."""
    return list(dict.fromkeys(key for own in found for key in own))


def preferred(ranked: Sequence[tuple[int, float]], inside: Set[int]) -> list[tuple[int, float]]:
    """Keys and scores with PREFERENCE added to those inside the window, best first and at most 1."""
    if not inside:
        return list(ranked)
    raised = [(key, (score + PREFERENCE * (key in inside)) / (1 + PREFERENCE)) for key, score in ranked]
    return sorted(raised, key=lambda item: (-item[1], item[0]))


def fuse(dense: dict[int, float], sparse: dict[int, float], weight: float) -> list[tuple[int, float]]:
    """Key and fused score, best first; `weight` is the share of the dense scores."""
    best_dense = max(dense.values(), default=0.0)
    best_sparse = max(sparse.values(), default=0.0)
    scores: dict[int, float] = {}
    for key, score in dense.items():
        scores[key] = weight * (max(score, 0.0) / best_dense) if best_dense > 0 else 0.0
    for key, score in sparse.items():
        scores[key] = scores.get(key, 0.0) + (1 - weight) * (score / best_sparse)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def select(ranked: Iterable[Candidate], top_k: int, per_article: int) -> list[Hit]:
    """The best `top_k` passages with at most `per_article` of each story; copies are named on the first hit.

    An article that is a near-duplicate of one with a better passage is a copy of that one, unless it tells another
    number: so thirty copies of a false report are one hit, beside the true one.
    """
    leaders: dict[str, Passage] = {}
    copies: dict[str, list[Article]] = {}
    leader_of: dict[str, str] = {}
    taken: dict[str, int] = {}
    hits: list[Hit] = []
    for candidate in ranked:
        article = candidate.passage.article
        if article.id not in leader_of:
            leader = _leader(candidate, leaders)
            leader_of[article.id] = leader
            if leader != article.id:
                copies[leader].append(article)
            else:
                leaders[article.id] = candidate.passage
                copies[article.id] = []
        if leader_of[article.id] != article.id or taken.get(article.id, 0) >= per_article:
            continue
        taken[article.id] = taken.get(article.id, 0) + 1
        hits.append(Hit(passage=candidate.passage, score=candidate.score))
        if len(hits) >= top_k:
            break
    return [Hit(passage=h.passage, score=h.score, copies=tuple(copies[h.passage.article.id])) for h in hits]


def _leader(candidate: Candidate, leaders: Mapping[str, Passage]) -> str:
    """The first of the leaders of which a candidate's article is a copy that tells the same; itself where there is
    none, and the first one where there are MOST_VARIANTS of the text."""
    alike = [one for one in leaders if one in candidate.near_duplicates]
    same = [one for one in alike if not differ(leaders[one], candidate.passage)]
    if same or len(alike) >= MOST_VARIANTS:
        return (same or alike)[0]
    return candidate.passage.article.id
