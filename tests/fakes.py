"""Small real implementations of the Protocols: what they answer can be computed by hand."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np

from rag.errors import ModelUnavailable
from rag.llm import Message
from rag.text import tokens


class WordEmbedder:
    """A bag of folded words: word w counts at place crc32(w) % dim, then the vector is scaled to norm 1.

    The cosine of two texts without repeated words is (words in common) / sqrt(words of one * words of other).
    crc32 is the same in every process; hash() is salted.
    """

    def __init__(self, name: str = "fake/words", dim: int = 256) -> None:
        self.name, self.dim = name, dim
        self.embedded: list[str] = []  # every passage that was embedded, in order

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        return np.array([self._vector(text) for text in texts], dtype=np.float32).reshape(-1, self.dim)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        self.embedded += texts
        return self.embed_queries(texts)

    def _vector(self, text: str) -> np.ndarray:
        vector = np.zeros(self.dim)
        for token in tokens(text):
            vector[crc32(token.folded.encode()) % self.dim] += 1
        return vector / (np.linalg.norm(vector) or 1.0)


class BrokenEmbedder(WordEmbedder):
    """Embeds `good` passages of an archive, then fails as a model does that runs out of memory."""

    def __init__(self, good: int = 0, name: str = "fake/words") -> None:
        super().__init__(name)
        self.good = good

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """Raises ModelUnavailable once more than `good` passages were asked for."""
        if len(self.embedded) + len(texts) > self.good:
            raise ModelUnavailable("The embedding model fell over.")
        return super().embed_passages(texts)


class ScriptedLLM:
    """Replies in turn from a queue, word by word; an exception in the queue is raised after three words.

    With a `probability` it also judges: that is how likely every reply begins with any word.
    """

    def __init__(
        self,
        *replies: str | Exception,
        probability: float | None = None,
        evidence_tokens: int = 300,
        seconds_a_word: float = 0.0,
    ) -> None:
        self.name, self.evidence_tokens, self.judges = "scripted", evidence_tokens, probability is not None
        self.replies = deque(replies)
        self.asked: list[list[Message]] = []
        self.streamed = 0  # words that were taken from it
        self.stopped = self.closed = False
        self._probability, self._pause = probability, seconds_a_word

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        """The next reply in pieces that end behind a space."""
        self.asked.append(list(messages))
        reply = self.replies.popleft()
        words = ["It", " is", " said"] if isinstance(reply, Exception) else reply.replace(" ", "\0 ").split("\0")
        try:
            for word in words[:max_tokens]:
                time.sleep(self._pause)
                self.streamed += 1
                yield word
            if isinstance(reply, Exception):
                raise reply
        finally:
            self.stopped = True

    def probability(self, messages: Sequence[Message], word: str) -> float | None:
        """What the test said."""
        self.asked.append(list(messages))
        return self._probability

    def close(self) -> None:
        """Notes that it was closed."""
        self.closed = True
