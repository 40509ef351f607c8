"""Weights that tell the kind of a question from its vector and its form: small networks with one hidden layer, for one
embedder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("head.npz")


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The mean of some networks. `kinds` in the order of the last layer's rows; `mean` is subtracted from a vector.

    `hidden` (networks, units, dim + form) and `hidden_bias` (networks, units) are of the first layer, `out` (networks,
    kinds, units) and `out_bias` (networks, kinds) of the last.
    """

    kinds: tuple[str, ...]
    mean: np.ndarray
    hidden: np.ndarray
    hidden_bias: np.ndarray
    out: np.ndarray
    out_bias: np.ndarray

    def probabilities(self, vector: np.ndarray, form: np.ndarray) -> Mapping[str, float]:
        """Of each kind, together 1, for the vector of a masked question and the form of the question as it is."""
        given = np.concatenate([vector - self.mean, form])
        units = np.maximum(self.hidden @ given + self.hidden_bias, 0)
        scores = np.einsum("nku,nu->nk", self.out, units) + self.out_bias
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        mean = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
        return dict(zip(self.kinds, mean.tolist(), strict=True))

    def save(self, file: Path) -> None:
        """Writes the weights in half precision; raises OSError."""
        names = ("mean", "hidden", "hidden_bias", "out", "out_bias")
        half = {name: getattr(self, name).astype(np.float16) for name in names}
        with file.open("wb") as out:
            np.savez_compressed(out, kinds=np.array(self.kinds), **half)


@cache
def packaged() -> Head:
    """The weights for multilingual E5 small that come with Dateline; `python -m eval.kinds.fit` makes them."""
    with np.load(FILE, allow_pickle=False) as stored:
        arrays = {name: stored[name].astype(np.float32) for name in stored.files if name != "kinds"}
        return Head(tuple(map(str, stored["kinds"])), **arrays)
