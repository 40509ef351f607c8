"""Vectors in memory with FAISS: a graph of neighbours (HNSW) for the nearest of all, a scan for those of some rows.

FAISS gives up the interpreter's lock while it searches, so that the words are searched meanwhile; Chroma holds it.
With vectors like those of `bench large`, on one core, it finds 60 of 116,734 in .23 ms and of 1,167,341 in .35 ms, and
.999 and .997 of the ten that are truly nearest; Chroma takes 1.7 ms for the former. A scan compares 13 million rows a
second. USearch takes .3 to .5 ms, but keeps the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

# Of the graph: links of a row on each level, rows that are looked at to add one, and at least to find the nearest.
_LINKS, _LOOKED_AT_TO_ADD, _LOOKED_AT = 20, 60, 160


def is_available() -> bool:
    """Whether FAISS is installed here; it is not on macOS."""
    try:
        import faiss
    except ImportError:
        return False
    return bool(faiss)


@cache
def _threads() -> int:
    """With how many threads FAISS adds rows here; asked once, before a search sets the number for its own thread."""
    import faiss

    return int(faiss.omp_get_max_threads())


class VectorGraph:
    """Rows of vectors, numbered from 0 in the order in which they were added. One thread adds; any thread searches.

    They are kept as float16, as the catalogue keeps them: 944 bytes a row of 384 dimensions.
    """

    def __init__(self, dim: int, kept: Path | None = None) -> None:
        """Empty, or as `save` wrote it to `kept`. Raises OSError or RuntimeError for a file that is not whole."""
        import faiss

        self._faiss: Any = faiss
        if kept is None:
            as_float16: Any = faiss.ScalarQuantizer.QT_fp16
            self._index: Any = faiss.IndexHNSWSQ(dim, as_float16, _LINKS, faiss.METRIC_INNER_PRODUCT)
            self._index.hnsw.efConstruction = _LOOKED_AT_TO_ADD
        else:
            self._index = faiss.read_index(str(kept))
        self._storage: Any = faiss.downcast_index(self._index.storage)
        self._threads = _threads()
        self._use = threading.Condition()  # guards the next two attributes
        self._readers, self._adding = 0, False

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return int(self._index.d)

    def add(self, vectors: np.ndarray) -> None:
        """Adds rows; `vectors` is (n, dim), of norm 1. Searches wait meanwhile, .1 ms a row."""
        with self._alone():
            self._faiss.omp_set_num_threads(self._threads)
            self._index.add(np.ascontiguousarray(vectors, dtype=np.float32))

    def nearest(self, vector: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers and cosines of about the k rows nearest to a vector, best first; fewer where there are fewer."""
        looked_at = self._faiss.SearchParametersHNSW(efSearch=max(k, _LOOKED_AT))
        return self._searched(self._index, vector, k, looked_at)

    def nearest_within(self, vector: np.ndarray, k: int, within: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of the rows for which `within`, bool of shape (rows,), is true, by comparing all of them."""
        bits = np.packbits(within, bitorder="little")
        chosen = self._faiss.SearchParameters(sel=self._faiss.IDSelectorBitmap(bits))
        return self._searched(self._storage, vector, k, chosen)

    def _searched(self, index: Any, vector: np.ndarray, k: int, parameters: Any) -> tuple[np.ndarray, np.ndarray]:
        with self._beside_others():
            self._faiss.omp_set_num_threads(1)  # of this thread: a second one would only wait for the first
            asked = np.ascontiguousarray(vector[None], dtype=np.float32)
            cosines, numbers = index.search(asked, max(1, min(k, len(self))), params=parameters)
        found = numbers[0] >= 0
        return numbers[0][found], cosines[0][found]

    def cosines(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The cosine of each of these rows with a vector, float32 of shape (n,)."""
        with self._beside_others():
            self._faiss.omp_set_num_threads(1)
            vectors = self._storage.reconstruct_batch(rows)
        found: np.ndarray = vectors @ vector
        return found

    def save(self, path: Path) -> None:
        """Writes all to a file, at about 1 GB a second. Raises OSError where it cannot be written."""
        try:
            self._faiss.write_index(self._index, str(path))
        except RuntimeError as error:
            raise OSError(f"{path} cannot be written: {error}") from error

    @contextmanager
    def _beside_others(self) -> Iterator[None]:
        """A context in which other threads may search, but none may add."""
        with self._use:
            self._use.wait_for(lambda: not self._adding)
            self._readers += 1
        try:
            yield
        finally:
            with self._use:
                self._readers -= 1
                self._use.notify_all()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A context in which no other thread searches."""
        with self._use:
            self._adding = True  # first, so that searches that come all the time do not keep it waiting
            self._use.wait_for(lambda: not self._readers)
        try:
            yield
        finally:
            with self._use:
                self._adding = False
                self._use.notify_all()
