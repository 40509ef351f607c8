"""Learned relevance: which sentences answer a question, from the vectors of question, sentence and what is around it,
and from those of their tokens.

The score of a sentence is linear in its cosine to the question, that of the sentence with the one before it, those of
the headline and of both neighbours, and in whether it holds the kind of expression asked for; plus a bilinear form of
rank 32 that links the wordings of questions with those of answers ("Who runs …?", "its director since May"); plus late
interaction: each token of the question looks for the token of the sentence, or of the one before it, that is likest to
it (O. Khattab and M. Zaharia: ColBERT, 2020, arXiv 2004.12832), by a projection and importances that are learned here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("weights.npz")
UNKNOWN = 0.8  # stands for the cosine of a neighbour that a sentence has not, at the border of its passage
FEATURES = ("alone", "behind", "headline", "holds", "before", "after")
LATE = ("own", "either")  # greatest likenesses to tokens of the sentence; of it or, less DISCOUNT, of the one before
PREFIX_TOKENS = 3  # the mark of the begin, "query" or "passage", ":"
DISCOUNT = 0.1  # of the cosine to a token of the sentence before; set by hand


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """The sentences of a passage in their order: unit vectors (n, dim), that of the headline, which of them hold the
    kind of expression that is asked for (False: none is), and the tokens of the headline and of each sentence as
    `Relevance.told_tokens` gives them."""

    vectors: np.ndarray
    headline: np.ndarray
    holding: Sequence[bool]
    tokens: Sequence[np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Relevance:
    """`asked`, `alone`, `behind` (rank, dim) of the bilinear forms; `weights` in the order of FEATURES; `projection`
    (size, dim) is of tokens, `importance` (dim,) weighs those of the question, `late` are weights in the order of LATE;
    the means are subtracted from vectors."""

    query_mean: np.ndarray
    sentence_mean: np.ndarray
    asked: np.ndarray
    alone: np.ndarray
    behind: np.ndarray
    weights: np.ndarray
    query_token_mean: np.ndarray
    sentence_token_mean: np.ndarray
    projection: np.ndarray
    importance: np.ndarray
    late: np.ndarray
    bias: float

    def asked_tokens(self, tokens: np.ndarray) -> np.ndarray:
        """(own tokens, size) of a question's token vectors: each as long as it is important, together 1."""
        centred = own_tokens(tokens) - self.query_token_mean
        logits = centred @ self.importance
        weights = np.exp(logits - logits.max())
        return np.asarray(_unit(centred @ self.projection.T) * (weights / weights.sum())[:, None])

    def told_tokens(self, tokens: np.ndarray) -> np.ndarray:
        """(own tokens, size) unit vectors in half precision of a sentence's token vectors."""
        return _unit((own_tokens(tokens) - self.sentence_token_mean) @ self.projection.T).astype(np.float16)

    def scores(self, query: np.ndarray, tokens: np.ndarray, context: Context) -> np.ndarray:
        """For each sentence the logit of how likely it answers the question of this vector and these `asked_tokens`:
        about -6 to 4, higher is better."""
        vectors = context.vectors
        pairs = behind(vectors, context.headline)
        wanted = self.asked @ (query - self.query_mean)
        linked = (vectors - self.sentence_mean) @ (self.alone.T @ wanted)
        linked += (pairs - self.sentence_mean) @ (self.behind.T @ wanted)
        linked += late(tokens, context.tokens) @ self.late
        return np.asarray(features(query, context, pairs) @ self.weights + self.bias + linked)

    def save(self, file: Path = FILE) -> None:
        """Writes the weights in half precision; raises OSError."""
        arrays: dict[str, Any] = {name: np.asarray(getattr(self, name), np.float32) for name in self.__slots__}
        with file.open("wb") as out:
            np.savez_compressed(
                out, **{k: one.astype(np.float16) if one.ndim > 1 else one for k, one in arrays.items()}
            )


def behind(vectors: np.ndarray, headline: np.ndarray) -> np.ndarray:
    """Of each sentence the unit vector between its own and that of the sentence before it, or of the headline."""
    return _unit(vectors + np.vstack([headline, vectors[:-1]]))


def features(query: np.ndarray, context: Context, pairs: np.ndarray) -> np.ndarray:
    """(n, features) of the sentences, in the order of FEATURES."""
    near = context.vectors @ query
    before, after = np.r_[UNKNOWN, near[:-1]], np.r_[near[1:], UNKNOWN]
    headline = np.full(len(near), float(context.headline @ query))
    return np.stack([near, pairs @ query, headline, np.array(context.holding, float), before, after], axis=1)


def own_tokens(tokens: np.ndarray) -> np.ndarray:
    """Of a text's tokens those of its own, without the prefix of E5 and the marks; the mark of the end where it has
    none."""
    return tokens[PREFIX_TOKENS:-1] if len(tokens) > PREFIX_TOKENS + 1 else tokens[-1:]


def late(asked: np.ndarray, told: Sequence[np.ndarray]) -> np.ndarray:
    """(n, 2) of the sentences, in the order of LATE, -1 to 1; `told` are the tokens of the headline and of each."""
    likeness = np.concatenate(told).astype(np.float32) @ asked.T
    starts = np.cumsum([0, *(len(one) for one in told[:-1])])
    greatest = np.maximum.reduceat(likeness, starts)
    own, before = greatest[1:], greatest[:-1] - DISCOUNT * np.linalg.norm(asked, axis=1)
    return np.stack([own.sum(axis=1), np.maximum(own, before).sum(axis=1)], axis=1)


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))


@cache
def packaged() -> Relevance:
    """The weights for multilingual E5 small that come with Dateline; `python -m eval.relevance.fit` makes them."""
    with np.load(FILE, allow_pickle=False) as stored:
        arrays: dict[str, Any] = {name: stored[name].astype(np.float32) for name in stored.files}
    return Relevance(**arrays | {"bias": float(arrays["bias"])})
