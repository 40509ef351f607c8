"""Learned relevance by late interaction: from the vectors of texts, and from those of their tokens.

Each token of the question looks for the token of the sentence, or of the one before it, that is likest to it (Khattab
and Zaharia 2020, ColBERT, arXiv 2004.12832), by a projection and importances that are learned here; the sum is added to
what the vectors of the texts tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rag.answering.relevance.learned import Context, Relevance

FILE = Path(__file__).with_name("late_interaction.npz")
LATE = ("own", "either")  # greatest likenesses to tokens of the sentence; of it or, less DISCOUNT, of the one before
PREFIX_TOKENS = 3  # the mark of the begin, "query" or "passage", ":"
DISCOUNT = 0.1  # of the cosine to a token of the sentence before; set by hand


@dataclass(frozen=True, slots=True, eq=False)
class TokenRelevance(Relevance):
    """`projection` (size, dim) is of tokens, `importance` (dim,) weighs those of the question, `late` are weights in
    the order of LATE; the means are subtracted from the tokens' vectors."""

    query_token_mean: np.ndarray
    sentence_token_mean: np.ndarray
    projection: np.ndarray
    importance: np.ndarray
    late: np.ndarray

    def asked_tokens(self, tokens: np.ndarray) -> np.ndarray:
        """(own tokens, size) of a question's token vectors: each as long as it is important, together 1."""
        centred = own_tokens(tokens) - self.query_token_mean
        logits = centred @ self.importance
        weights = np.exp(logits - logits.max())
        return np.asarray(_unit(centred @ self.projection.T) * (weights / weights.sum())[:, None])

    def told_tokens(self, tokens: np.ndarray) -> np.ndarray:
        """(own tokens, size) unit vectors in half precision of a sentence's token vectors."""
        return _unit((own_tokens(tokens) - self.sentence_token_mean) @ self.projection.T).astype(np.float16)

    def scores_of(
        self, query: np.ndarray, asked: np.ndarray, context: Context, told: Sequence[np.ndarray]
    ) -> np.ndarray:
        """For each sentence the logit of how likely it answers the question of this vector and these `asked_tokens`:
        about -9 to 9, higher is better. `told` are the `told_tokens` of the headline and of each sentence."""
        return np.asarray(self.scores(query, context) + late(asked, told) @ self.late)


def own_tokens(tokens: np.ndarray) -> np.ndarray:
    """Of a text's tokens those of its own, without the prefix of E5 and the marks; the mark of the end where it has
    none."""
    return tokens[PREFIX_TOKENS:-1] if len(tokens) > PREFIX_TOKENS + 1 else tokens[-1:]


def late(asked: np.ndarray, told: Sequence[np.ndarray]) -> np.ndarray:
    """(n, 2) of the sentences, in the order of LATE, -1.1 to 1; `told` are the tokens of the headline and of each."""
    likeness = np.concatenate(told).astype(np.float32) @ asked.T
    starts = np.cumsum([0, *(len(one) for one in told[:-1])])
    greatest = np.maximum.reduceat(likeness, starts)
    own, before = greatest[1:], greatest[:-1] - DISCOUNT * np.linalg.norm(asked, axis=1)
    return np.stack([own.sum(axis=1), np.maximum(own, before).sum(axis=1)], axis=1)


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))


@cache
def packaged() -> TokenRelevance:
    """The weights for multilingual E5 small that come with Dateline; `python -m eval.relevance.fit` makes them."""
    with np.load(FILE, allow_pickle=False) as stored:
        arrays: dict[str, Any] = {name: stored[name].astype(np.float32) for name in stored.files}
    return TokenRelevance(**arrays | {"bias": float(arrays["bias"])})
