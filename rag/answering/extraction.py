"""Answers that are the articles' own sentences, without a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from rag.answering.citations import Citer
from rag.answering.compose.wording import sourced
from rag.answering.kinds.causes import asks_cause, gives_cause
from rag.answering.question import expected, holds
from rag.answering.sentence_selection import Candidate, years_named
from rag.schema import Sentence

SENTENCES = 3
SHARE = 0.8  # of the best sentence's score, which a further one must reach. Set by hand.
# Of several questions in one text: sentences for each, what the article that answered an earlier one has over others,
# and the share of the words of an open question that a sentence must hold. Set by hand on the demo archive.
SENTENCES_OF_PART, SAME_ARTICLE, LEAST_OF_PART = 2, 0.25, 0.5
CAUSE = 0.3  # what a sentence that gives a cause has over others, to a question why. Set by hand on the demo archive.
# What the newest of the articles has over the oldest, where the question names no year: most questions ask for what is
# so now.
NEWEST = 0.1


def quotations(question: str, candidates: Sequence[Candidate], citer: Citer, most: int = SENTENCES) -> list[Sentence]:
    """The best sentences verbatim, each its own citation; to a question why, those first that give a cause.

    Where they are from several days, the newest comes first, and each has its day and outlet in front.
    """
    newness = {} if years_named(question) else _newness(candidates)
    cause = asks_cause(question)
    ranked = [
        (c.score + CAUSE * (cause and gives_cause(c.text)) + NEWEST * newness.get(c.passage.article.day, 0.0), c)
        for c in candidates
    ]
    ranked.sort(key=lambda one: -one[0])
    chosen = [c for score, c in ranked[:most] if score >= SHARE * ranked[0][0]]
    if len({c.passage.article.day for c in chosen}) < 2:
        return [citer.sentence(c.text, (c,), "") for c in chosen]
    chosen.sort(key=lambda c: c.passage.article.day or date.min, reverse=True)
    return [citer.sentence(sourced(c.passage.article, c.text), (c,), "") for c in chosen]


def _newness(candidates: Sequence[Candidate]) -> dict[date | None, float]:
    """Day of publication -> 0 for the oldest of those of good candidates to 1 for the newest."""
    best = max((c.score for c in candidates), default=0.0)
    days = sorted({c.passage.article.day for c in candidates if c.passage.article.day and c.score >= SHARE * best})
    return {day: place / (len(days) - 1) for place, day in enumerate(days)} if len(days) > 1 else {}


def of_part(part: str, candidates: Sequence[Candidate], shown: Sequence[Candidate], language: str) -> list[Candidate]:
    """The candidates that may answer a part: of the kind that it asks for, not shown before, best first, those of
    articles that answered an earlier part preferred."""
    wanted = expected(part, language)
    known, articles = {(c.passage.id, c.start) for c in shown}, {c.passage.article.id for c in shown}
    fit = [
        replace(c, score=c.score + SAME_ARTICLE * (c.passage.article.id in articles))
        for c in candidates
        if (c.passage.id, c.start) not in known
        and (not wanted or holds(wanted, c.text, part, c.passage.article.language))
    ]
    one_language = all(c.passage.article.language == language for c in fit)
    if not wanted and one_language and max((c.coverage for c in fit), default=0.0) < LEAST_OF_PART:
        return []
    return sorted(fit, key=lambda c: -c.score)
