"""A packaged embedding model in ONNX Runtime, without torch. The only import of onnxruntime and tokenizers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from rag.models.cards import EmbedderCard
from rag.models.packaged.bert_graph import IDS, MASK
from rag.models.packaged.bert_weights import Pieces


class OnnxEmbedder:
    """An embedder of this machine's CPU. Safe for many threads.

    Each text is a run of its own on one thread, many texts on as many threads as there are cores: of 48 passages in
    four languages a text took 43 ms of CPU so, 58 in batches of 8 and 87 in batches of 32 (int8, EPYC with VNNI), its
    vector does not depend on its neighbours, and no thread spins while it waits for the others.
    """

    def __init__(self, graph: bytes | str, tokenizer: Any, card: EmbedderCard, form: str) -> None:
        """`graph` is a serialised model or its file; `form` says for people how its numbers are kept."""
        self.card, self.name, self.dim, self.form = card, card.name, card.dim, form
        self._tokenizer = tokenizer
        self._tokenizer.enable_truncation(card.most_tokens)
        self._tokenizer.no_padding()
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
        encoding = self._tokenizer.encode(text)
        feed = {IDS: np.array([encoding.ids]), MASK: np.array([encoding.attention_mask])}
        found: np.ndarray = self._session.run(None, feed)[0][0]
        return found


def _session(graph: bytes | str) -> Any:
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


def tokenizer_of(file: str) -> Any:
    """A tokenizer from its JSON file."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(file)


def unigram_tokenizer(vocabulary: Pieces) -> Any:
    """The tokenizer of XLM-RoBERTa: NMT and NFKC normalisation, single spaces, words marked by U+2581."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    pairs = list(zip(vocabulary.pieces, vocabulary.scores, strict=True))
    tokenizer = Tokenizer(models.Unigram(pairs, unk_id=vocabulary.unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    begin, end = vocabulary.pieces[vocabulary.begin], vocabulary.pieces[vocabulary.end]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} {end} $B {end}",
        special_tokens=[(begin, vocabulary.begin), (end, vocabulary.end)],
    )
    return tokenizer
