"""What composers choose from: the sentences of the articles about a question's subject."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from rag.answering.sentence_selection import (
    Candidate,
    addresses_machines,
    citable,
    header,
    missing_anchors,
    share_of,
    word_weights,
)  # fmt: skip
from rag.archive.archive import Archive
from rag.language.names import names
from rag.language.sentences import sentence_spans
from rag.language.tokens import count_tokens
from rag.models.cards import card_of
from rag.models.embeddings import Embedder
from rag.schema import Article, Hit, Passage

# How much an article is about a subject is the likeness of its headline and of its three most like sentences, plus
# these shares of the score of its best passage and of the subject's words that it holds. It is used when it reaches
# LEAST_SHARE of the best one's, and holds LEAST_SHARED_WORDS of the words that the best one holds. Headline and
# sentences together must be this like the subject, or LEAST_WORDS of its words be there: below it lie "moon landing"
# and "nuclear accident in Ukraine" (at most 1.02), above it what the archive tells of (from 1.15 on). Set on 13
# subjects of our own for the demo archive.
SCORE, WORDS = 0.6, 0.3
LEAST_SHARE, LEAST_SHARED_WORDS = 0.8, 0.3
LEAST_LIKENESS, LEAST_WORDS = 1.1, 0.9
MOST_ARTICLES = 10  # whose sentences are embedded
MOST_SENTENCES = 16  # of one article, from its beginning: news puts first what matters
LEAST_TOKENS = 5  # of a sentence; shorter ones are captions and headings
_YEAR = re.compile(r"\b20\d\d\b")


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A sentence that may be quoted. `place` counts the sentences of its article from 0; `vector` has norm 1."""

    candidate: Candidate
    place: int
    vector: np.ndarray

    @property
    def article(self) -> Article:
        """The article that it is from."""
        return self.candidate.passage.article

    @property
    def day(self) -> date | None:
        """The day on which its article was published."""
        return self.article.day

    @property
    def text(self) -> str:
        """Its words, as they stand in the article."""
        return self.candidate.text


@dataclass(frozen=True, slots=True)
class Material:
    """The lines about a subject, article by article, the nearest first; `suffices`: they are near enough to it."""

    subject: str
    language: str
    lines: tuple[Line, ...] = ()
    missing: tuple[str, ...] = ()  # names and numbers of the subject that no article holds
    suffices: bool = False

    @property
    def articles(self) -> list[Article]:
        """The articles of the lines, the nearest first."""
        return list({line.article.id: line.article for line in self.lines}.values())


def collect(subject: str, language: str, hits: Sequence[Hit], archive: Archive, embedder: Embedder) -> Material:
    """The lines of those articles among the hits that are about the subject, which is in the language `language`.

    Where the subject names years, articles from other years are left out.
    """
    vector = embedder.embed_queries([subject])[0]
    likeness = card_of(embedder.name).likeness
    found = _candidates(subject, language, hits, archive)
    titles = embedder.embed_passages([one.article.title for one in found]) @ vector if found else []
    likest = []
    for one, cosine in zip(found, titles, strict=True):
        one.lines = _lines(one, vector, embedder, archive, language)
        like = sorted((line.candidate.likeness for line in one.lines), reverse=True)[:3]
        one.likeness = likeness(float(cosine)) + sum(like) / max(len(like), 1)
        likest.append(one.likeness)
    kept = _about(found, _years(subject))
    if not kept:
        return Material(subject, language)
    articles = [one.article for one in kept]
    unknown = archive.unknown_words(names(subject), language)
    coverage = max(one.words for one in kept)
    return Material(
        subject,
        language,
        tuple(line for one in kept for line in one.lines),
        missing=tuple(missing_anchors(subject, articles, language, unknown)),
        suffices=max(likest) >= LEAST_LIKENESS or coverage >= LEAST_WORDS,
    )


@dataclass(slots=True, eq=False)
class _Found:
    """An article among the hits and how much it is about the subject."""

    article: Article
    score: float
    words: float
    weights: dict[str, float]
    likeness: float = 0.0
    lines: list[Line] = field(default_factory=list)

    @property
    def nearness(self) -> float:
        return self.likeness + SCORE * self.score + WORDS * self.words


def _candidates(subject: str, language: str, hits: Sequence[Hit], archive: Archive) -> list[_Found]:
    """The articles of the hits from the years that the subject names, the best by score and words first."""
    weights = word_weights(subject, language, archive)
    best: dict[str, Hit] = {}
    for hit in hits:
        best.setdefault(hit.passage.article.id, hit)
    years = _years(subject)
    articles = [(hit.passage.article, hit.score) for hit in best.values()]
    of_years = [(a, score) for a, score in articles if a.day and a.day.year in years]
    found = [
        _Found(a, score, share_of(weights, f"{header(a)} {citable(a)}", language), weights)
        for a, score in of_years or articles
    ]
    return sorted(found, key=lambda one: -one.nearness)[:MOST_ARTICLES]


def _years(subject: str) -> set[int]:
    return {int(year) for year in _YEAR.findall(subject)}


def _about(found: Sequence[_Found], years: Set[int]) -> list[_Found]:
    """Those that are about the subject, and the nearest one of each year that it names; the nearest first."""
    best = max((one.nearness for one in found), default=0.0)
    words = max((one.words for one in found), default=0.0)
    near = [one for one in found if one.nearness >= LEAST_SHARE * best and one.words >= LEAST_SHARED_WORDS * words]
    for year in years:
        of_year = [one for one in found if one.article.day and one.article.day.year == year]
        nearest = max(of_year, key=lambda one: one.nearness, default=None)
        near += [nearest] if nearest and nearest not in near else []
    return sorted(near, key=lambda one: -one.nearness)


def _lines(one: _Found, vector: np.ndarray, embedder: Embedder, archive: Archive, language: str) -> list[Line]:
    sentences = _sentences(archive, one.article.id)
    if not sentences:
        return []
    text, likeness = one.article.text, card_of(embedder.name).likeness
    vectors = embedder.embed_passages([text[start:end] for _, start, end, _ in sentences])
    return [
        Line(
            Candidate(
                passage, start, end, one.score, share_of(one.weights, text[start:end], language),
                likeness(float(own @ vector)),
            ),
            place,
            own,
        )
        for (passage, start, end, place), own in zip(sentences, vectors, strict=True)
    ]  # fmt: skip


def _sentences(archive: Archive, article_id: str) -> list[tuple[Passage, int, int, int]]:
    """Passage, start, end and place of an article's first sentences that may be quoted."""
    found: list[tuple[Passage, int, int, int]] = []
    for stored in archive.catalog.passages_of(article_id):
        passage = stored.passage
        for start, end in sentence_spans(passage.text):
            known = any(s <= passage.start + start < e for _, s, e, _ in found)  # passages may overlap
            short = count_tokens(passage.text[start:end]) < LEAST_TOKENS
            if known or short or addresses_machines(passage, start, end):
                continue
            found.append((passage, passage.start + start, passage.start + end, len(found)))
            if len(found) == MOST_SENTENCES:
                return found
    return found
