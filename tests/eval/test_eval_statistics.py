"""Statistics by hand, and against numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eval.metrics.statistics import SEED, bootstrap, interval, percentiles, sign_flip_p


def test_percentiles_by_hand() -> None:
    assert percentiles([1.0, 2.0, 3.0]) == {"p50": 2.0, "p95": pytest.approx(2.9), "p99": pytest.approx(2.98), "n": 3.0}
    assert percentiles([]) == {}


def test_the_interval_is_that_of_resampled_means() -> None:
    values = [float(n % 3 == 0) for n in range(100)]
    drawn = np.random.default_rng(SEED).integers(0, 100, size=(2000, 100))
    expected = np.percentile(np.array(values)[drawn].mean(axis=1), [2.5, 97.5])
    assert interval(values) == pytest.approx(tuple(expected))


def test_intervals_of_few_values() -> None:
    assert interval([0.3]) == (0.3, 0.3)
    assert interval([1.0] * 5) == (1.0, 1.0)
    assert all(math.isnan(end) for end in interval([]))


def test_pairs_are_drawn_together() -> None:
    ones = np.arange(10.0)
    assert bootstrap([ones, ones], lambda a, b, axis: (a - b).mean(axis=axis)) == (0.0, 0.0)


def test_the_sign_test_by_hand() -> None:
    assert sign_flip_p(np.zeros(20)) == 1.0
    # With 8 differences of one sign, 2 of 2**8 flips are as extreme.
    assert sign_flip_p(np.array([1.0] * 8 + [0.0] * 12)) == pytest.approx(2 / 2**8, abs=0.003)
