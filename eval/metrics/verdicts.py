"""Measures of a probability that a sentence is supported, and of the verdict drawn from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BINS = 5  # of the reliability table


def area_under_curve(probabilities: Sequence[float], labels: Sequence[bool]) -> float:
    """The chance that a true one has a higher probability than a false one, ties counting half; nan with one kind."""
    values, true = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=bool)
    if not true.any() or true.all():
        return float("nan")
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = (np.cumsum(counts) - (counts - 1) / 2)[at]
    positives = int(true.sum())
    above = mean_rank[true].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(true) - positives)))


def brier(probabilities: Sequence[float], labels: Sequence[bool]) -> float:
    """The mean squared difference between probability and label, 0 to 1; lower is better; nan without values."""
    if not len(labels):
        return float("nan")
    return float(np.mean((np.asarray(probabilities, dtype=np.float64) - np.asarray(labels, dtype=np.float64)) ** 2))


def reliability(probabilities: Sequence[float], labels: Sequence[bool]) -> list[dict[str, float]]:
    """For each fifth of the range that holds values: their mean probability, the share of true ones, and n."""
    values, true = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    fifth = np.minimum((values * BINS).astype(int), BINS - 1)
    return [
        {"said": float(values[fifth == n].mean()), "true": float(true[fifth == n].mean()), "n": int((fifth == n).sum())}
        for n in range(BINS)
        if (fifth == n).any()
    ]


def trade_off(
    probabilities: Sequence[float], labels: Sequence[bool], thresholds: Sequence[float]
) -> list[dict[str, float]]:
    """For each threshold: the share of true ones that reach it, and the share of false ones that do."""
    values, true = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=bool)

    def share(reaching: np.ndarray) -> float:
        return float(reaching.mean()) if len(reaching) else float("nan")

    return [
        {"threshold": at, "true passed": share(values[true] >= at), "false passed": share(values[~true] >= at)}
        for at in thresholds
    ]
