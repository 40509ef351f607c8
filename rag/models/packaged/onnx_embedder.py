"""A packaged embedding model in ONNX Runtime, without torch. The only import of onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from rag.models.cards import EmbedderCard
from rag.models.packaged.bert_graph import IDS, MASK, TOKEN_VECTORS, VECTORS
from rag.models.packaged.tokenizing import Tokens

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, eq=False)
class ReadText:
    """A text as the encoder reads it: its unit vector (dim,) as `embed_queries` or `embed_passages` gives it, and what
    was asked for of the vectors of its tokens."""

    vector: np.ndarray
    tokens: np.ndarray


# What is kept of a text's token vectors (tokens, dim) float32 of the last layer. The card's prefix and the marks of
# begin and end are among the tokens.
Reduce = Callable[[np.ndarray], np.ndarray]


class OnnxEmbedder:
    """An embedder of this machine's CPU. Safe for many threads.

    Each text is a run of its own on one thread, many texts on as many threads as there are cores: of 48 passages in
    four languages a text took 43 ms of CPU so, 58 in batches of 8 and 87 in batches of 32 (int8, EPYC with VNNI), its
    vector does not depend on its neighbours, and no thread spins while it waits for the others.
    """

    def __init__(self, graph: bytes | str, tokens: Tokens, card: EmbedderCard, form: str) -> None:
        """`graph` is a serialised model or its file; `form` says for people how its numbers are kept."""
        self.card, self.name, self.dim, self.form = card, card.name, card.dim, form
        self._tokens = tokens
        self._session = _session(graph)
        self._pool = ThreadPoolExecutor(_cores(), thread_name_prefix="embedding")

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        return self._embedded([self.card.query_prefix + text for text in texts])

    def read_queries(self, texts: Sequence[str], reduce: Reduce) -> list[ReadText]:
        """The vectors of `embed_queries` with the tokens' vectors as `reduce` leaves them, in the order of `texts`."""
        return self._read([self.card.query_prefix + text for text in texts], reduce)

    def read_passages(self, texts: Sequence[str], reduce: Reduce) -> list[ReadText]:
        """The vectors of `embed_passages` with the tokens' vectors as `reduce` leaves them, in the order of `texts`."""
        return self._read([self.card.passage_prefix + text for text in texts], reduce)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        return self._embedded([self.card.passage_prefix + text for text in texts])

    def token_reader(self) -> OnnxEmbedder:
        """Itself: see rag.models.embeddings.token_reader."""
        return self

    def close(self) -> None:
        """Ends the threads. Closing again does nothing; several texts cannot be embedded at once afterwards."""
        self._pool.shutdown()

    def _embedded(self, texts: Sequence[str]) -> np.ndarray:
        vectors = self._of_each(texts, lambda text: self._run(text, VECTORS)[0])
        return np.array(vectors, dtype=np.float32).reshape(len(texts), self.dim)

    def _of_each(self, texts: Sequence[str], read: Callable[[str], _Read]) -> list[_Read]:
        if len(texts) < 2:
            return [read(text) for text in texts]
        # Longest first, so that no thread begins a long text when the others are done.
        order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        found = dict(zip(order, self._pool.map(lambda place: read(texts[place]), order), strict=True))
        return [found[place] for place in range(len(texts))]

    def _read(self, texts: Sequence[str], reduce: Reduce) -> list[ReadText]:
        found = self._of_each(texts, lambda text: self._run(text, VECTORS, TOKEN_VECTORS))
        # Here, not in the threads of the pool: products of numpy have threads of their own, which would wait for them.
        return [ReadText(vector, reduce(tokens)) for vector, tokens in found]

    def _run(self, text: str, *outputs: str) -> list[np.ndarray]:
        """The outputs that are named, of one text."""
        ids = np.array([self._tokens.ids(text)])
        found = self._session.run(outputs, {IDS: ids, MASK: np.ones_like(ids)})
        return [output[0] for output in found]


def _session(graph: bytes | str) -> Any:
    # Its Linux builds tell a collector of Microsoft that they are used, unless this is set before the import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return max(1, len(affinity(0)) if affinity else os.cpu_count() or 1)
