"""What composers choose from: the sentences of the articles about a question's subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from rag.answering.sentence_selection import (
    Candidate, Evidence, addresses_machines, citable, header, missing_anchors, share_of, word_weights,
)  # fmt: skip
from rag.archive.archive import Archive
from rag.language.names import names
from rag.language.sentences import sentence_spans
from rag.language.tokens import count_tokens
from rag.models.cards import card_of
from rag.models.embeddings import Embedder
from rag.schema import Article, Hit, Passage

# An article is about the subject when it holds this share of the weighted words of the subject that the best article
# holds, or when its best passage has this share of the best score. Set by hand on questions to the demo archive.
LEAST_WORDS, LEAST_SCORE = 0.75, 0.8
MOST_ARTICLES = 12
MOST_SENTENCES = 20  # of one article, from its beginning: news puts first what matters
LEAST_TOKENS = 5  # of a sentence; shorter ones are captions and headings


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
    """The lines about a subject, article by article (the nearest first), and what decides whether they suffice."""

    subject: str
    language: str
    lines: tuple[Line, ...] = ()
    evidence: Evidence = Evidence()

    @property
    def articles(self) -> list[Article]:
        """The articles of the lines, the nearest first."""
        return list({line.article.id: line.article for line in self.lines}.values())


def collect(subject: str, language: str, hits: Sequence[Hit], archive: Archive, embedder: Embedder) -> Material:
    """The lines of those articles among the hits that are about the subject (in the language `language`)."""
    weights = word_weights(subject, language, archive)
    scores: dict[str, float] = {}
    articles: dict[str, Article] = {}
    for hit in hits:
        article = hit.passage.article
        articles[article.id] = article
        scores[article.id] = max(scores.get(article.id, 0.0), hit.score)
    words = {a: share_of(weights, f"{header(one)} {citable(one)}", language) for a, one in articles.items()}
    about = _about(scores, words)
    found = [one for a in about for one in _sentences(archive, a)]
    if not found:
        return Material(subject, language)
    vectors = embedder.embed_passages([p.article.text[s:e] for p, s, e, _ in found])
    cosines = vectors @ embedder.embed_queries([subject])[0]
    card = card_of(embedder.name)
    lines = tuple(
        Line(
            Candidate(
                passage, start, end, scores[passage.article.id],
                share_of(weights, passage.article.text[start:end], language), card.likeness(float(cosine)),
            ),
            place,
            vector,
        )
        for (passage, start, end, place), vector, cosine in zip(found, vectors, cosines, strict=True)
    )  # fmt: skip
    kept = [articles[a] for a in about]
    evidence = Evidence(
        candidates=tuple(line.candidate for line in lines),
        missing=tuple(missing_anchors(subject, kept, language, archive.unknown_words(names(subject), language))),
        coverage=max(words[a] for a in about),
        likeness=max(line.candidate.likeness for line in lines),
    )
    return Material(subject, language, lines, evidence)


def _about(scores: dict[str, float], words: dict[str, float]) -> list[str]:
    """The ids of the articles about the subject, the nearest first."""
    if not scores:
        return []
    best_words, best_score = max(words.values()), max(scores.values())
    kept = [
        a
        for a in scores
        if (best_words > 0 and words[a] >= LEAST_WORDS * best_words and scores[a] >= LEAST_SCORE / 2 * best_score)
        or (scores[a] >= LEAST_SCORE * best_score and words[a] >= LEAST_WORDS / 2 * best_words)
    ]
    return sorted(kept, key=lambda a: -(words[a] + scores[a]))[:MOST_ARTICLES]


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
