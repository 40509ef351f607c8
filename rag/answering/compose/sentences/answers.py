"""How well lines answer questions, by the learned relevance of the sentences of their articles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rag.answering.question import expected, holds
from rag.answering.relevance.learned import Context, packaged
from rag.answering.relevance.sentences import relevance_of
from rag.models.cards import E5_SMALL
from rag.models.embeddings import Embedder

if TYPE_CHECKING:
    from rag.answering.compose.material import Line


def answering(lines: Sequence[Line], questions: Sequence[str], language: str, embedder: Embedder) -> np.ndarray:
    """How well each line answers each question: (questions, lines), from 0 to 2, higher is better.

    `language` is that of the questions, ISO 639-1. Where the embedder is not the one for which relevance is learned,
    the cosine. Raises ModelUnavailable.
    """
    found = np.zeros((len(questions), len(lines)))
    if not found.size:
        return found
    asked = embedder.embed_queries(list(questions))
    if embedder.name != E5_SMALL.name:
        return np.asarray(asked @ np.array([line.vector for line in lines]).T)
    places: dict[str, list[int]] = {}
    for at, line in enumerate(lines):
        places.setdefault(line.article.id, []).append(at)
    headlines = embedder.embed_passages([lines[own[0]].article.title for own in places.values()])
    for own, headline in zip(places.values(), headlines, strict=True):
        vectors = np.array([lines[at].vector for at in own])
        for number, question in enumerate(questions):
            wanted = expected(question, language)
            holding = [
                bool(wanted) and holds(wanted, lines[at].text, question, lines[at].article.language) for at in own
            ]
            logits = packaged().scores(asked[number], Context(vectors, headline, holding))
            found[number, own] = relevance_of(logits)
    return found
