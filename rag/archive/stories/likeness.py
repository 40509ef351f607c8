"""How much two articles have in common: their rare words, their vectors, the days between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import log, sqrt

import numpy as np

from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import folded_words
from rag.models.cards import EmbedderCard

# Tuned on the demo archive (84 articles, 39 pairs of one story; 27 Nov. 2026) by the best recall at a pair precision
# of .9 or more: words 60, 120, 200, 400; weight of the cosine 0 to .2; a cosine counted from 0, 1, 1.2 times that of a
# question and its answer; days 180 to 365 with five forms of the decline.
MOST_WORDS = 120  # of an article that are compared, those that weigh most
_LEAD_CHARS = 400  # the beginning of a text says what it is about: its words, like those of the headline, count twice
_COSINE_WEIGHT = 0.1
_CLOSE = 1.0  # on the scale of EmbedderCard.likeness: that of a question and its answer
_FAR_DAYS = 300.0  # at this distance likeness is halved; a year later it is a third, as for next year's budget
_UNDATED_DAYS = 30.0  # distance assumed where a day is not known


@dataclass(frozen=True, slots=True)
class Profile:
    """What is compared of an article: how often its words occur, the mean of its passage vectors (norm 1), its day."""

    words: Mapping[str, float]
    vector: np.ndarray
    day: date | None
    language: str


@dataclass(frozen=True, slots=True)
class Weighed:
    """A profile whose words have weights, scaled to norm 1."""

    weights: Mapping[str, float]
    profile: Profile


def word_counts(title: str, text: str) -> dict[str, float]:
    """Folded word -> how often it occurs in headline and text; stop words and single characters are left out."""
    counts: Counter[str] = Counter()
    for part, times in ((title, 2), (text[:_LEAD_CHARS], 2), (text[_LEAD_CHARS:], 1)):
        for word in folded_words(part):
            if len(word) > 1 and word not in STOP_WORDS:
                counts[word] += times
    return dict(counts)


def mean_vector(vectors: np.ndarray) -> np.ndarray:
    """The mean of the rows of (n, dim), n from 1 on, scaled to norm 1; zeros where they cancel out."""
    mean = vectors.mean(axis=0)
    norm = float(np.linalg.norm(mean))
    scaled: np.ndarray = mean / norm if norm else mean
    return scaled.astype(np.float32)


def weighed(profile: Profile, rarity: Mapping[str, float]) -> Weighed:
    """The profile with the weights of its words; `rarity` is the inverse document frequency of each."""
    weights = {word: (1 + log(count)) * rarity.get(word, 0.0) for word, count in profile.words.items()}
    heaviest = dict(sorted(weights.items(), key=lambda one: (-one[1], one[0]))[:MOST_WORDS])
    norm = sqrt(sum(weight * weight for weight in heaviest.values())) or 1.0
    return Weighed({word: weight / norm for word, weight in heaviest.items()}, profile)


def rarest_words(article: Weighed, number: int) -> list[str]:
    """The `number` words that weigh most, heaviest first."""
    return sorted(article.weights, key=lambda word: (-article.weights[word], word))[:number]


def likeness(one: Weighed, other: Weighed, card: EmbedderCard) -> float:
    """How much two articles have in common, 0 to about 1.2: 1 for copies, about .2 for reports on one event."""
    in_common = sum(_products(one.weights, other.weights))
    beyond = max(_cosine_likeness(one.profile, other.profile, card) - _CLOSE, 0.0)
    apart = _days_between(one.profile.day, other.profile.day)
    return (in_common + _COSINE_WEIGHT * beyond) / (1 + (apart / _FAR_DAYS) ** 3)


def _products(one: Mapping[str, float], other: Mapping[str, float]) -> Iterator[float]:
    small, large = sorted((one, other), key=len)
    # In the order of the words, so that the sum does not depend on which article came first.
    return (small[word] * large[word] for word in sorted(small.keys() & large.keys()))


def _cosine_likeness(one: Profile, other: Profile, card: EmbedderCard) -> float:
    if one.vector.shape != other.vector.shape:  # the archive is being embedded with another model
        return 0.0
    return card.likeness(float(one.vector @ other.vector))


def _days_between(one: date | None, other: date | None) -> float:
    return abs((one - other).days) if one and other else _UNDATED_DAYS


def strongest(likenesses: Mapping[str, float], number: int) -> Sequence[tuple[str, float]]:
    """The `number` entries with the highest values, highest first."""
    return sorted(likenesses.items(), key=lambda one: (-one[1], one[0]))[:number]
