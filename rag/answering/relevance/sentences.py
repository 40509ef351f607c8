"""Sentences of the hits compared with a question: how like they are, and how well they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag.answering.relevance.learned import Context, packaged
from rag.models.cards import E5_SMALL, card_of
from rag.models.embeddings import Embedder

# How many sentences are embedded, at least, passage by passage; the others are compared by words only. Embedding more
# of them delays the first word of the answer. Set by hand.
EMBEDDED_SENTENCES = 40
MOST_CERTAIN = 6.0  # logit from which on a sentence is no more relevant


@dataclass(frozen=True, slots=True)
class PassageSentences:
    """The sentences of one passage in their order. `places` are theirs among all; `promise` says what they are likely
    to be worth, higher is better: the best passages are compared."""

    places: Sequence[int]
    headline: str
    texts: Sequence[str]
    holding: Sequence[bool]  # which of them hold the kind of expression asked for; all False where none is
    promise: float


def compared(
    questions: np.ndarray, passages: Sequence[PassageSentences], embedder: Embedder
) -> tuple[list[float], list[float]]:
    """For each place the likeness of its sentence to the question (EmbedderCard.likeness), and its relevance, 0 to 2;
    a low estimate for those of passages that are not embedded.

    The first of the `questions` is the vector of the question expanded by the conversation, for the likeness, the last
    that of the question as it is, for the relevance: what is learned is which words answer which.

    The relevances are 0 where the embedder is not the one for which they were learned. Raises ModelUnavailable.
    """
    chosen, card = _chosen(passages), card_of(embedder.name)
    learned = packaged() if embedder.name == E5_SMALL.name else None
    headlines = [one.headline for one in chosen] if learned else []
    vectors = embedder.embed_passages([*headlines, *(text for one in chosen for text in one.texts)])
    count, at = sum(len(one.places) for one in passages), len(headlines)
    near, relevance = np.full(count, np.nan), np.zeros(count) if learned is None else np.full(count, np.nan)
    for number, one in enumerate(chosen):
        own, at = vectors[at : at + len(one.texts)], at + len(one.texts)
        near[one.places] = [card.likeness(cosine) for cosine in (own @ questions[0]).tolist()]
        if learned:
            logits = learned.scores(questions[-1], Context(own, vectors[number], one.holding))
            relevance[one.places] = 1 + np.clip(logits / MOST_CERTAIN, -1, 1)
    near = np.where(np.isnan(near), 0.8 * np.nanmin(near), near)
    return near.tolist(), np.where(np.isnan(relevance), np.nanmin(relevance), relevance).tolist()


def logits(question: np.ndarray, vectors: np.ndarray, headline: np.ndarray, embedder: Embedder) -> np.ndarray:
    """For each sentence of an article, in their order, the logit of how likely it answers a question: about -6 to 4.

    Takes unit vectors. Zeros where the embedder is not the one for which that was learned.
    """
    if embedder.name != E5_SMALL.name or not len(vectors):
        return np.zeros(len(vectors))
    return packaged().scores(question, Context(vectors, headline, [False] * len(vectors)))


def _chosen(passages: Sequence[PassageSentences]) -> list[PassageSentences]:
    chosen: list[PassageSentences] = []
    for one in sorted(passages, key=lambda passage: -passage.promise):
        if sum(len(known.texts) for known in chosen) >= EMBEDDED_SENTENCES:
            break
        chosen.append(one)
    return chosen
