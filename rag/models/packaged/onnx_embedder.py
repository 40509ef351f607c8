"""A packaged embedding model in ONNX Runtime, without torch. The only import of onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from rag.models.cards import EmbedderCard
from rag.models.packaged.bert_graph import IDS, MASK
from rag.models.packaged.tokenizing import Tokens


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

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        return self._embedded([self.card.passage_prefix + text for text in texts])

    def close(self) -> None:
        """Ends the threads. Closing again does nothing; several texts cannot be embedded at once afterwards."""
        self._pool.shutdown()

    def _embedded(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        if len(texts) < 2:
            for place, text in enumerate(texts):
                vectors[place] = self._vector(text)
            return vectors
        # Longest first, so that no thread begins a long text when the others are done.
        order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        for place, vector in zip(order, self._pool.map(lambda place: self._vector(texts[place]), order), strict=True):
            vectors[place] = vector
        return vectors

    def _vector(self, text: str) -> np.ndarray:
        ids = np.array([self._tokens.ids(text)])
        feed = {IDS: ids, MASK: np.ones_like(ids)}
        found: np.ndarray = self._session.run(None, feed)[0][0]
        return found


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
