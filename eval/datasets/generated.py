"""Generated articles, questions and vectors for scaling tests; the same in every run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

import numpy as np

from rag.schema import Article

DIM = 384  # as all-MiniLM-L6-v2
_WORDS = 20_000
_SENTENCES = 48  # about four passages an article
_SYLLABLES = "ba ce di fo gu ha ki le mo nu pa ri so te va we xi yo za lan tor min sel gar".split()


def articles(passages: int, seed: int = 7) -> Iterator[Article]:
    """Articles of 48 sentences of 8 to 20 words, enough for so many passages; word frequencies follow Zipf's law."""
    random = np.random.default_rng(seed)
    for number in range(-(-passages // 4)):
        text = " ".join(_sentence(random) for _ in range(_SENTENCES))
        yield Article(id=f"g{number}", title=_sentence(random)[:60], text=text, language="en", source=f"g{number}")


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


class HashEmbedder:
    """An embedder that gives each text a fixed random direction, at no cost, so that only the indexes are measured."""

    name, dim = "generated/hash", DIM

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, 384) float32, rows of norm 1."""
        rows = [np.random.default_rng(int(sha256(t.encode()).hexdigest()[:16], 16)).normal(size=DIM) for t in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(len(texts), DIM)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, 384) float32, rows of norm 1."""
        return self.embed_queries(texts)
