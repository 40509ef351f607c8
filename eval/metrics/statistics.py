"""Statistics of measured values: bootstrap intervals, percentiles and a paired test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

SEED = 7  # of every bootstrap, permutation and shuffle in eval
ROUNDS = 2000


def interval(
    values: Sequence[float], *, seed: int = SEED, rounds: int = ROUNDS, batch: int | None = None
) -> tuple[float, float]:
    """The 95% bootstrap interval of the mean (percentile method); (nan, nan) without values.

    `batch` limits how many resamples are held in memory at once.
    """
    return bootstrap([np.asarray(values, dtype=np.float64)], np.mean, seed=seed, rounds=rounds, batch=batch)


def bootstrap(
    samples: Sequence[np.ndarray], statistic: Callable[..., Any], *, seed: int = SEED, rounds: int = ROUNDS,
    batch: int | None = None,
) -> tuple[float, float]:  # fmt: skip
    """The 95% percentile bootstrap interval of a statistic; several samples of equal length are drawn as pairs.

    `statistic` takes the samples and an `axis`. (nan, nan) for empty samples, the value twice for samples of one.
    """
    # Imported here because it takes a second.
    from scipy import stats  # type: ignore[import-untyped]

    if not len(samples[0]):
        return float("nan"), float("nan")
    if len(samples[0]) == 1:
        value = float(statistic(*samples, axis=-1))
        return value, value
    found = stats.bootstrap(
        samples, statistic, n_resamples=rounds, batch=batch, paired=len(samples) > 1, vectorized=True,
        method="percentile", rng=np.random.default_rng(seed),
    )  # fmt: skip
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def sign_flip_p(differences: np.ndarray, *, seed: int = SEED, rounds: int = 10_000) -> float:
    """The two-sided p-value of the paired randomisation test that the mean difference is 0.

    (Fisher; Smucker et al. 2007, "A comparison of statistical significance tests for information retrieval
    evaluation".) The signs of the differences are flipped at random; p is the share of flips whose mean is at least as
    far from 0 as the observed one, (count + 1) / (rounds + 1).
    """
    random = np.random.default_rng(seed)
    observed, count = abs(differences.mean()), 0
    for _ in range(0, rounds, 1000):  # in batches: 10,000 flips of 5,000 questions at once would take 400 MB
        signs = random.choice((-1.0, 1.0), size=(1000, len(differences)))
        # The tolerance: sums of equal numbers in another order may differ in the last bit.
        count += int((np.abs((differences * signs).mean(axis=1)) >= observed - 1e-12).sum())
    return (count + 1) / (rounds + 1)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile (linear between ranks) and n; empty without values."""
    if not len(values):
        return {}
    p50, p95, p99 = np.percentile(np.asarray(values), [50, 95, 99])
    return {"p50": float(p50), "p95": float(p95), "p99": float(p99), "n": float(len(values))}
