"""Measures. Pure functions, one formula each; an interval for every mean."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

_ARTICLES = re.compile(r"\b(a|an|the|el|la|los|las)\b")


def hit_at_k(ranked: Sequence[str], relevant: frozenset[str], k: int) -> float:
    """1 when one of the first k is relevant, else 0 (Success@k)."""
    return float(any(one in relevant for one in ranked[:k]))


def reciprocal_rank(ranked: Sequence[str], relevant: frozenset[str], k: int = 10) -> float:
    """1/rank of the first relevant among the first k, 0 when there is none (RR@k)."""
    return next((1 / rank for rank, one in enumerate(ranked[:k], start=1) if one in relevant), 0.0)


def normalize(text: str) -> str:
    """SQuAD's normalisation (Rajpurkar et al. 2016): lower case, no punctuation, no articles, single spaces.

    Thousands separators and ordinal endings go first, so that 1,200 equals 1200 and 3rd equals 3; a percent sign is a
    word of its own, so that 71.4% and 71.4 per cent hold 71.4.
    """
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"(?<=\d)[,.](?=\d{3}(?!\d))", "", text)
    text = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", "", text)
    text = re.sub(r"%|\b(?:per\s?cent|por\s+ciento)\b", " % ", text)
    text = re.sub(r"[^\w\s.%]|(?<!\d)\.|\.(?!\d)", " ", text)
    return " ".join(_ARTICLES.sub(" ", text).split())


def contains_answer(text: str, answers: Sequence[str]) -> float:
    """1 when one of the accepted answers stands in the text, both normalised, at word boundaries."""
    spaced = f" {normalize(text)} "
    return float(any(f" {normalize(answer)} " in spaced for answer in answers))


def interval(values: Sequence[float], *, seed: int = 7, rounds: int = 2000) -> tuple[float, float]:
    """The 95% bootstrap interval of the mean (percentile method), (nan, nan) without values."""
    if not len(values):
        return float("nan"), float("nan")
    data = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(data), size=(rounds, len(data)))
    low, high = np.percentile(data[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
