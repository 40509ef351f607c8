"""Learned relevance: which sentences answer a question, from the vectors of question, sentence and what is around it.

The score of a sentence is linear in its cosine to the question, that of the sentence with the one before it, those of
the headline and of both neighbours, and in whether it holds the kind of expression asked for; plus a bilinear form of
rank 32 that links the wordings of questions with those of answers ("Who runs …?", "its director since May").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("weights.npz")
UNKNOWN = 0.8  # stands for the cosine of a neighbour that a sentence has not, at the border of its passage
FEATURES = ("alone", "behind", "headline", "holds", "before", "after")


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """The sentences of a passage in their order: unit vectors (n, dim), that of the headline, and which of them hold
    the kind of expression that is asked for (False: none is)."""

    vectors: np.ndarray
    headline: np.ndarray
    holding: Sequence[bool]


@dataclass(frozen=True, slots=True, eq=False)
class Relevance:
    """`asked`, `alone`, `behind` (rank, dim) of the bilinear forms; `weights` in the order of FEATURES; the means are
    subtracted from vectors."""

    query_mean: np.ndarray
    sentence_mean: np.ndarray
    asked: np.ndarray
    alone: np.ndarray
    behind: np.ndarray
    weights: np.ndarray
    bias: float

    def scores(self, query: np.ndarray, context: Context) -> np.ndarray:
        """For each sentence the logit of how likely it answers: about -6 to 4, higher is better."""
        vectors = context.vectors
        pairs = behind(vectors, context.headline)
        wanted = self.asked @ (query - self.query_mean)
        linked = (vectors - self.sentence_mean) @ (self.alone.T @ wanted)
        linked += (pairs - self.sentence_mean) @ (self.behind.T @ wanted)
        return np.asarray(features(query, context, pairs) @ self.weights + self.bias + linked)

    def save(self, file: Path) -> None:
        """Writes the weights in half precision; raises OSError."""
        arrays: dict[str, Any] = {one.name: np.asarray(getattr(self, one.name), np.float32) for one in fields(self)}
        with file.open("wb") as out:
            np.savez_compressed(
                out, **{k: one.astype(np.float16) if one.ndim > 1 else one for k, one in arrays.items()}
            )


def behind(vectors: np.ndarray, headline: np.ndarray) -> np.ndarray:
    """Of each sentence the unit vector between its own and that of the sentence before it, or of the headline."""
    together = vectors + np.vstack([headline, vectors[:-1]])
    return np.asarray(together / np.maximum(np.linalg.norm(together, axis=1, keepdims=True), 1e-9))


def features(query: np.ndarray, context: Context, pairs: np.ndarray) -> np.ndarray:
    """(n, features) of the sentences, in the order of FEATURES."""
    near = context.vectors @ query
    before, after = np.r_[UNKNOWN, near[:-1]], np.r_[near[1:], UNKNOWN]
    headline = np.full(len(near), float(context.headline @ query))
    return np.stack([near, pairs @ query, headline, np.array(context.holding, float), before, after], axis=1)


@cache
def packaged() -> Relevance:
    """The weights for multilingual E5 small that come with Dateline; `python -m eval.relevance.fit` makes them."""
    with np.load(FILE, allow_pickle=False) as stored:
        arrays: dict[str, Any] = {name: stored[name].astype(np.float32) for name in stored.files}
    return Relevance(**arrays | {"bias": float(arrays["bias"])})
