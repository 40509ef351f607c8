"""Generated articles, questions and vectors for scaling tests; the same in every run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256

import numpy as np

from rag.schema import Article

DIM = 384  # as all-MiniLM-L6-v2
_WORDS = 20_000
_REMEMBERED = 512  # vectors of texts that are asked for again
_SENTENCES = 48  # about four passages an article
FIRST_DAY, DAYS = date(2021, 1, 1), 1826  # of publication, five years, all alike
OUTLETS = 20  # the n-th has a share of 1/n
_SYLLABLES = "ba ce di fo gu ha ki le mo nu pa ri so te va we xi yo za lan tor min sel gar".split()


def articles(passages: int, seed: int = 7) -> Iterator[Article]:
    """Articles of 48 sentences of 8 to 20 words, enough for so many passages; word frequencies follow Zipf's law."""
    random, other = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    first = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
    for number in range(-(-passages // 4)):
        text = " ".join(_sentence(random) for _ in range(_SENTENCES))
        yield Article(
            id=f"g{number}", title=_sentence(random)[:60], text=text, language="en", source=f"g{number}",
            published=first + timedelta(days=int(other.integers(DAYS))),
            outlet=f"Outlet {int(np.exp(other.random() * np.log(OUTLETS + 1)))}",
        )  # fmt: skip


def questions(count: int, seed: int = 8) -> list[str]:
    """Questions of six words from the same vocabulary."""
    random = np.random.default_rng(seed)
    return [" ".join(_words(random, 6)) + "?" for _ in range(count)]


def _sentence(random: np.random.Generator) -> str:
    return " ".join(_words(random, int(random.integers(8, 21)))).capitalize() + "."


def _words(random: np.random.Generator, count: int) -> list[str]:
    # Ranks drawn from Zipf's law over a finite vocabulary, by inverting its distribution function.
    ranks = np.exp(random.random(count) * np.log(_WORDS)).astype(int)
    return [_word(int(rank)) for rank in ranks]


def _word(rank: int) -> str:
    text = ""
    while True:
        rank, syllable = divmod(rank, len(_SYLLABLES))
        text += _SYLLABLES[syllable]
        if not rank:
            return text


@lru_cache(maxsize=_REMEMBERED)
def _direction(text: str) -> np.ndarray:
    """The fixed random direction of a text, float32 of shape (DIM,) and norm 1; not to be written to."""
    seed = int(sha256(text.encode()).hexdigest()[:16], 16)
    row = np.random.default_rng(seed).normal(size=DIM).astype(np.float32)
    return np.asarray(row / np.linalg.norm(row), dtype=np.float32)


class HashEmbedder:
    """An embedder that gives each text a fixed random direction, so that only the indexes are measured: a text that it
    was given before costs nothing."""

    name, dim = "generated/hash", DIM

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, 384) float32, rows of norm 1."""
        return np.array([_direction(text) for text in texts], dtype=np.float32).reshape(len(texts), DIM)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, 384) float32, rows of norm 1."""
        return self.embed_queries(texts)


class SampledEmbedder:
    """An embedder that gives each text a fixed vector drawn from around those of real texts, at no cost.

    It is that of a text, moved up to half way towards one of its ten nearest, with the difference of two of them added:
    so there are as many near neighbours in as few directions as among texts on the same subjects. Random directions
    have neither.
    """

    name = "generated/sampled"

    def __init__(self, vectors: np.ndarray) -> None:
        """`vectors`: float32 of shape (n, dim), n above 10, rows of norm 1."""
        self.dim = vectors.shape[1]
        self._vectors = vectors
        likeness = vectors @ vectors.T
        np.fill_diagonal(likeness, -1)
        self._nearest = np.argpartition(-likeness, 10, axis=1)[:, :10]

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        rows = [self._drawn(np.random.default_rng(int(sha256(t.encode()).hexdigest()[:16], 16))) for t in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(len(texts), self.dim)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        return self.embed_queries(texts)

    def _drawn(self, random: np.random.Generator) -> np.ndarray:
        text = int(random.integers(len(self._vectors)))
        near, one, other = self._vectors[random.choice(self._nearest[text], 3)]
        own, share = self._vectors[text], random.random() / 2
        drawn: np.ndarray = own + share * (near - own) + (one - other) / 2 + random.normal(scale=0.01, size=self.dim)
        return drawn
