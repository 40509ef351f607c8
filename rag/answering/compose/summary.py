"""A summary: sentences that say different things about the subject, in the order of their days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from rag.answering.citations import Citer
from rag.answering.compose.material import Line, Material
from rag.answering.compose.wording import is_new, newsworthy, sourced, telling
from rag.schema import Sentence

LEAST, MOST = 4, 8
# Weights in the choice of the next sentence (maximal marginal relevance): being central among all, and being unlike the
# chosen ones. A sentence after the first LEAST needs LEAST_VALUE of the first one's value. Set by hand.
CENTRAL, REPEATED, LEAST_VALUE = 0.5, 0.8, 0.3


def compose(material: Material) -> list[Sentence]:
    """Four to eight sentences, fewer where the articles have fewer that are fit to be quoted alone."""
    citer = Citer()
    chosen = sorted(chosen_lines([line for line in material.lines if newsworthy(line)]), key=_order)
    return [citer.sentence(sourced(one.article, one.text), (one.candidate,), "") for one in chosen]


def _order(line: Line) -> tuple[date, str, int]:
    return line.day or date.min, line.article.id, line.place


def chosen_lines(lines: Sequence[Line], most: int = MOST) -> list[Line]:
    """The lines that cover most with least repetition, the most telling first."""
    if not lines:
        return []
    vectors = np.array([line.vector for line in lines])
    centre = vectors.mean(axis=0)
    near = (vectors - centre) @ (vectors - centre).T
    near /= np.maximum(np.sqrt(np.outer(np.diag(near), np.diag(near))), 1e-9)
    central = _scaled(vectors @ centre)
    value = _scaled(np.array([telling(line) for line in lines])) + CENTRAL * central
    chosen: list[int] = []
    while len(chosen) < most:
        left = [i for i in range(len(lines)) if i not in chosen and is_new(lines[i], [lines[j] for j in chosen])]
        gains = {i: value[i] - REPEATED * max((near[i, j] for j in chosen), default=0.0) for i in left}
        best = max(gains, key=gains.__getitem__, default=None)
        if best is None or (len(chosen) >= LEAST and gains[best] < LEAST_VALUE * value[chosen[0]]):
            break
        chosen.append(best)
    return [lines[i] for i in chosen]


def _scaled(values: np.ndarray) -> np.ndarray:
    spread = values.max() - values.min()
    return (values - values.min()) / spread if spread > 0 else np.ones_like(values)
