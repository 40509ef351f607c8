"""Sentences of the hits compared with a question: how like they are, and how well they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rag.answering.relevance import late_interaction, learned
from rag.answering.relevance.addressed import addresses_readers
from rag.answering.relevance.late_interaction import TokenRelevance
from rag.answering.relevance.learned import Context
from rag.models.cards import E5_SMALL, card_of
from rag.models.embeddings import Embedder, TokenReader, token_reader

# How many sentences are embedded, at least, passage by passage; the others are compared by words only, which loses what
# is in another language. Of the facts asked for in 320 questions to the demo archive .689 are held with 60 and with
# 120, .680 with 40; an answer takes as long (.05 s).
EMBEDDED_SENTENCES = 60
# Logit from which on a sentence is no more relevant, told by texts alone and with their tokens.
MOST_CERTAIN, MOST_CERTAIN_OF_TOKENS = 6.0, 9.0


@dataclass(frozen=True, slots=True)
class PassageSentences:
    """The sentences of one passage in their order. `places` are theirs among all; `promise` says what they are likely
    to be worth, higher is better: the best passages are compared."""

    places: Sequence[int]
    headline: str
    texts: Sequence[str]
    holding: Sequence[bool]  # which of them hold the kind of expression asked for; all False where none is
    promise: float


@dataclass(frozen=True, slots=True, eq=False)
class AskedQuestion:
    """A question as its sentences are compared with it: `expanded` is the unit vector of the question expanded by the
    conversation, for the likeness; `vector` that of the question as it is, for the relevance: what is learned is which
    words answer which. `tokens` as TokenRelevance.asked_tokens gives them; None where no relevance is learned."""

    expanded: np.ndarray
    vector: np.ndarray
    tokens: np.ndarray | None


class Compared(NamedTuple):
    """For each sentence its likeness to the question (EmbedderCard.likeness), its relevance, 0 to 2, and whether it
    addresses its reader, so that it is no evidence."""

    near: list[float]
    relevance: list[float]
    addressed: list[bool]


def as_asked(question: str, expanded: str, embedder: Embedder) -> AskedQuestion:
    """The vectors of a question and of the same expanded by the conversation. Raises ModelUnavailable."""
    texts = list(dict.fromkeys([expanded, question]))
    if (found := _learned(embedder)) is None:
        vectors = embedder.embed_queries(texts)
        return AskedQuestion(vectors[0], vectors[-1], None)
    weights, reader = found
    read = reader.read_queries(texts, weights.asked_tokens)
    return AskedQuestion(read[0].vector, read[-1].vector, read[-1].tokens)


def compared(asked: AskedQuestion, passages: Sequence[PassageSentences], embedder: Embedder) -> Compared:
    """The sentences by their places; low estimates for those of passages that are not embedded.

    The relevances are 0 where the embedder is not the one for which they were learned. Raises ModelUnavailable.
    """
    chosen, card = _chosen(passages), card_of(embedder.name)
    count, found = sum(len(one.places) for one in passages), _learned(embedder)
    near, relevance, addressed = np.full(count, np.nan), np.full(count, np.nan), np.zeros(count, dtype=bool)
    if found is None or asked.tokens is None:
        vectors, relevance = embedder.embed_passages([text for one in chosen for text in one.texts]), np.zeros(count)
    else:
        contexts = _contexts(chosen, *found)
        vectors = np.concatenate([context.vectors for context, _ in contexts])
        for one, (context, told) in zip(chosen, contexts, strict=True):
            likely = found[0].scores_of(asked.vector, asked.tokens, context, told)
            relevance[one.places] = 1 + np.clip(likely / MOST_CERTAIN_OF_TOKENS, -1, 1)
    places = [place for one in chosen for place in one.places]
    addressed[places] = addresses_readers(vectors, embedder)
    near[places] = [card.likeness(cosine) for cosine in (vectors @ asked.expanded).tolist()]
    near = np.where(np.isnan(near), 0.8 * np.nanmin(near), near)
    relevance = np.where(np.isnan(relevance), np.nanmin(relevance), relevance)
    return Compared(near.tolist(), relevance.tolist(), addressed.tolist())


def relevance_of(logit: float | np.ndarray) -> np.ndarray:
    """The relevance, from 0 to 2, of a logit that texts alone told."""
    return np.asarray(1 + np.clip(np.asarray(logit) / MOST_CERTAIN, -1, 1))


def logits(question: np.ndarray, vectors: np.ndarray, headline: np.ndarray, embedder: Embedder) -> np.ndarray:
    """For each sentence of an article, in their order, the logit of how likely it answers a question: about -6 to 4.

    Takes unit vectors. Zeros where the embedder is not the one for which that was learned.
    """
    if embedder.name != E5_SMALL.name or not len(vectors):
        return np.zeros(len(vectors))
    return learned.packaged().scores(question, Context(vectors, headline, [False] * len(vectors)))


def _learned(embedder: Embedder) -> tuple[TokenRelevance, TokenReader] | None:
    """The weights for this embedder, and what reads tokens for them; None for another one, and where the same model
    runs elsewhere and tells no vectors of tokens."""
    reader = token_reader(embedder) if embedder.name == E5_SMALL.name else None
    return None if reader is None else (late_interaction.packaged(), reader)


def _contexts(
    chosen: Sequence[PassageSentences], weights: TokenRelevance, reader: TokenReader
) -> list[tuple[Context, list[np.ndarray]]]:
    """Of each passage its context, and the tokens of the headline and of each sentence."""
    texts = [text for one in chosen for text in (one.headline, *one.texts)]
    read, at, contexts = reader.read_passages(texts, weights.told_tokens), 0, []
    for one in chosen:
        headline, *own = read[at : at + 1 + len(one.texts)]
        at += 1 + len(one.texts)
        context = Context(np.array([sentence.vector for sentence in own]), headline.vector, one.holding)
        contexts.append((context, [headline.tokens, *(sentence.tokens for sentence in own)]))
    return contexts


def _chosen(passages: Sequence[PassageSentences]) -> list[PassageSentences]:
    chosen: list[PassageSentences] = []
    for one in sorted(passages, key=lambda passage: -passage.promise):
        if sum(len(known.texts) for known in chosen) >= EMBEDDED_SENTENCES:
            break
        chosen.append(one)
    return chosen
