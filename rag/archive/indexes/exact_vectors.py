"""Exact vector search over the vectors in the catalogue."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rag.archive.catalog import Catalog
from rag.archive.tables.passages import StoredPassage
from rag.schema import Filters


class ExactVectors:
    """Exact search over the vectors in the catalogue, for a process that may not open the Chroma folder.

    Two processes may share the catalogue, but not an embedded Chroma index. Searches use the vectors of the last
    `refresh`; 100,000 passages of 384 dimensions take 150 MB of memory.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._seen = -1
        self._model_since = -1
        self._read: tuple[np.ndarray, np.ndarray] = (np.zeros(0, dtype=np.int64), np.zeros((0, 1), dtype=np.float32))

    def search(self, vector: np.ndarray, k: int, filters: Filters, by_author: Sequence[str]) -> list[tuple[int, float]]:
        """At most k pairs (key, cosine similarity) within the filters, best first."""
        if self._seen < 0:
            self.refresh()
        keys, vectors = self._read  # one attribute, so that a refresh in another thread replaces both at once
        if filters != Filters():
            mask = np.isin(keys, self._catalog.passage_keys(filters))
            keys, vectors = keys[mask], vectors[mask]
        if not len(keys):
            return []
        scores = vectors @ vector
        order = np.argsort(-scores, kind="stable")[:k]
        return [(int(keys[i]), float(scores[i])) for i in order]

    def refresh(self) -> None:
        """Reads the vectors again if the catalogue has changed. Until it returns, searches use the previous vectors."""
        since, seq = self._catalog.model_since(), self._catalog.last_change()
        if seq != self._seen or since != self._model_since:
            keys, vectors = self._catalog.all_vectors()
            self._read = np.array(keys, dtype=np.int64), vectors
            self._seen, self._model_since = seq, since

    @property
    def of_present_model(self) -> bool:
        """Whether the vectors of the last `refresh` are those of the archive's present embedder."""
        return self._model_since == self._catalog.model_since()

    def put(self, stored: Sequence[StoredPassage], vectors: np.ndarray) -> None:
        """Does nothing: the catalogue already holds the passages."""

    def drop_articles(self, articles: Sequence[str]) -> None:
        """Does nothing: the catalogue has already removed the passages."""

    def cosines(self, vector: np.ndarray, keys: Sequence[int]) -> dict[int, float]:
        """Of none: the catalogue has them too."""
        return {}

    def keys(self) -> set[int]:
        """All keys in the catalogue."""
        return set(self._catalog.passage_keys())

    def count(self) -> int:
        """How many passages the catalogue holds."""
        return self._catalog.count_passages()

    def clear(self) -> None:
        """Makes the next search read the vectors again."""
        self._seen = -1

    def close(self) -> None:
        """Does nothing: no file is open."""
