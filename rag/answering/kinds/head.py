"""Weights that tell the kind of a question from its vector: a multinomial logistic regression for one embedder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("head.npz")


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """`kinds` in the order of the rows of `weights` (kinds, dim) and of `bias`; `mean` is subtracted from a vector."""

    kinds: tuple[str, ...]
    mean: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def probabilities(self, vector: np.ndarray) -> Mapping[str, float]:
        """Of each kind, together 1, for the vector of a masked question."""
        scores = self.weights @ (vector - self.mean) + self.bias
        shares = np.exp(scores - scores.max())
        return dict(zip(self.kinds, (shares / shares.sum()).tolist(), strict=True))

    def save(self, file: Path) -> None:
        """Writes the weights in half precision; raises OSError."""
        half = {name: getattr(self, name).astype(np.float16) for name in ("mean", "weights", "bias")}
        with file.open("wb") as out:
            np.savez_compressed(out, kinds=np.array(self.kinds), **half)


@cache
def packaged() -> Head:
    """The weights for multilingual E5 small that come with Dateline; `python -m eval.kinds.fit` makes them."""
    with np.load(FILE, allow_pickle=False) as stored:
        mean, weights, bias = (stored[name].astype(np.float32) for name in ("mean", "weights", "bias"))
        return Head(tuple(map(str, stored["kinds"])), mean, weights, bias)
