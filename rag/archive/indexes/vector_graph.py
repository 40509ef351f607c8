"""Vectors in memory with FAISS: a graph of neighbours (HNSW) for the nearest of all, a scan for those of some rows.

FAISS gives up the interpreter's lock while it searches, so that the words are searched meanwhile; Chroma holds it.
With vectors like those of `bench large`, on one core, it finds 60 of 116,734 in .23 ms and of 1,167,341 in .35 ms, and
.999 and .997 of the ten that are truly nearest; Chroma takes 1.7 ms for the former. A scan compares 13 million rows a
second. USearch takes .3 to .5 ms, but keeps the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

# Of the graph: links of a row on each level, rows that are looked at to add one, and at least to find the nearest. Over
# 1,167,341 rows like those of `bench large`, recall@10 is .982 with 60 to find, .992 with 80, and .997 with 100 to 200;
# over 116,734 it is 1 with 60 and more, of 400 questions.
_LINKS, _LOOKED_AT_TO_ADD, _LOOKED_AT = 20, 60, 100
_FEW, _LOOKED_AT_AMONG_FEW = 200_000, 70


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

    They are kept as float16, as the catalogue keeps them, 944 bytes a row of 384 dimensions. Rows with the same vector
    are one node of the graph: copies of a text would have no links but to each other, and a search would not find its
    way past them (with 30 texts of 100 copies each among 6,000 others it found .76 of the ten nearest, so .998).
    """

    def __init__(self, dim: int, kept: Path | None = None, arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """Empty, or as `save` wrote it to `kept`, with its `arrays`. Raises OSError, RuntimeError or ValueError for
        what is not whole."""
        import faiss

        self._faiss: Any = faiss
        if kept is None:
            as_float16: Any = faiss.ScalarQuantizer.QT_fp16
            self._index: Any = faiss.IndexHNSWSQ(dim, as_float16, _LINKS, faiss.METRIC_INNER_PRODUCT)
            self._index.hnsw.efConstruction = _LOOKED_AT_TO_ADD
        else:
            self._index = faiss.read_index(str(kept))
        self._storage: Any = faiss.downcast_index(self._index.storage)
        self._nodes = _Nodes(arrays or {})
        if self._nodes.number != self._index.ntotal:
            raise ValueError(f"{self._nodes.number} nodes instead of {self._index.ntotal}")
        self._threads = _threads()
        self._use = threading.Condition()  # guards the next two attributes
        self._readers, self._adding = 0, False

    def __len__(self) -> int:
        # Without memory for more, nodes may have been added to the graph alone.
        return len(self._nodes.of_row) + int(self._index.ntotal) - self._nodes.number

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return int(self._index.d)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """What is to be kept beside the file that `save` writes, by name."""
        return self._nodes.arrays

    def add(self, vectors: np.ndarray) -> None:
        """Adds rows; `vectors` is (n, dim), of norm 1. Searches wait meanwhile, .1 ms a row."""
        digests = np.array([_digest(vector) for vector in vectors.astype(np.float16)], dtype=np.int64)
        with self._alone():
            new = self._nodes.new(digests)
            if len(new):
                self._faiss.omp_set_num_threads(self._threads)
                self._index.add(np.ascontiguousarray(vectors[new], dtype=np.float32))
            self._nodes.add(digests, new)

    def nearest(self, vector: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers and cosines of about the k rows nearest to a vector, best first; more where they have copies, fewer
        where there are fewer."""
        least = _LOOKED_AT if self._nodes.number > _FEW else _LOOKED_AT_AMONG_FEW
        looked_at = self._faiss.SearchParametersHNSW(efSearch=max(k, least))
        with self._beside_others():
            return self._nodes.rows(*self._searched(self._index, vector, k, looked_at))

    def nearest_within(self, vector: np.ndarray, k: int, within: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of the rows for which `within`, bool of shape (rows,), is true, by comparing all of them."""
        with self._beside_others():
            bits = np.packbits(self._nodes.within(within), bitorder="little")
            chosen = self._faiss.SearchParameters(sel=self._faiss.IDSelectorBitmap(bits))
            rows, cosines = self._nodes.rows(*self._searched(self._storage, vector, k, chosen))
        inside = rows < len(within)
        inside[inside] = within[rows[inside]]
        return rows[inside], cosines[inside]

    def _searched(self, index: Any, vector: np.ndarray, k: int, parameters: Any) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and cosines, best first."""
        self._faiss.omp_set_num_threads(1)  # of this thread: a second one would only wait for the first
        asked = np.ascontiguousarray(vector[None], dtype=np.float32)
        cosines, nodes = index.search(asked, max(1, min(k, self._nodes.number)), params=parameters)
        found = nodes[0] >= 0
        return nodes[0][found], cosines[0][found]

    def cosines(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The cosine of each of these rows with a vector, float32 of shape (n,)."""
        with self._beside_others():
            self._faiss.omp_set_num_threads(1)
            vectors = self._storage.reconstruct_batch(self._nodes.of_row[rows])
        found: np.ndarray = vectors @ vector
        return found

    def save(self, path: Path) -> None:
        """Writes the graph to a file, at about 1 GB a second. Raises OSError where it cannot be written."""
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


class _Nodes:
    """Which node of the graph each row is, and which rows each node. Rows with equal vectors are one node."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        empty: np.ndarray = np.zeros(0, np.int32)
        self._all = self.of_row = arrays.get("node_of_row", empty)  # with room for more, and without
        # The digests of all vectors, sorted, and the node of each.
        self._digests = arrays.get("digest", np.zeros(0, np.int64))
        self._of_digest = arrays.get("node_of_digest", empty)
        self._first = np.unique(self.of_row, return_index=True)[1].astype(np.int32)  # row of each node
        self.number = len(self._first)
        self._copies: dict[int, list[int]] = {}  # further rows of a node
        if self.number < len(self.of_row):
            copies: np.ndarray = np.ones(len(self.of_row), np.bool_)
            copies[self._first] = False
            for row in np.flatnonzero(copies).tolist():
                self._copies.setdefault(int(self.of_row[row]), []).append(row)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """What makes the same one again."""
        return {"node_of_row": self.of_row, "digest": self._digests, "node_of_digest": self._of_digest}

    def new(self, digests: np.ndarray) -> np.ndarray:
        """The places of those vectors that no row has yet, each once, in order."""
        at = np.minimum(np.searchsorted(self._digests, digests), max(0, len(self._digests) - 1))
        unknown = np.flatnonzero(self._digests[at] != digests) if len(self._digests) else np.arange(len(digests))
        once = np.sort(np.unique(digests[unknown], return_index=True)[1])
        return unknown[once]

    def add(self, digests: np.ndarray, new: np.ndarray) -> None:
        """Adds rows with these vectors, of which those at the places `new` are nodes from `number` on."""
        order = np.argsort(digests[new])
        sorted_ones = digests[new][order]
        at = np.searchsorted(self._digests, sorted_ones)
        self._digests = np.insert(self._digests, at, sorted_ones)
        self._of_digest = np.insert(self._of_digest, at, (self.number + order).astype(np.int32))
        nodes = self._of_digest[np.searchsorted(self._digests, digests)]
        start, end = len(self.of_row), len(self.of_row) + len(digests)
        self._all = _with_room(self._all, end)
        self._all[start:end] = nodes
        self.of_row = self._all[:end]
        self._first = _with_room(self._first, self.number + len(new))
        self._first[self.number : self.number + len(new)] = start + new
        self.number += len(new)
        for row, node in enumerate(nodes.tolist(), start=start):
            if self._first[node] != row:
                self._copies.setdefault(node, []).append(row)

    def rows(self, nodes: np.ndarray, cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows of these nodes in their order, each with the cosine of its node."""
        if not self._copies:
            return nodes, cosines
        every = [[int(self._first[node]), *self._copies.get(node, ())] for node in nodes.tolist()]
        counts = [len(own) for own in every]
        return np.array([row for own in every for row in own], dtype=np.int64), np.repeat(cosines, counts)

    def within(self, rows: np.ndarray) -> np.ndarray:
        """The nodes of the rows for which `rows` is true, bool of shape (nodes,)."""
        if not self._copies:
            return rows
        found: np.ndarray = np.zeros(self.number, np.bool_)
        found[self.of_row[: len(rows)][rows]] = True
        return found


def _digest(vector: np.ndarray) -> int:
    """64 bits of a hash of a vector's bytes."""
    return int.from_bytes(blake2b(vector.tobytes(), digest_size=8).digest(), "little", signed=True)


def _with_room(array: np.ndarray, number: int) -> np.ndarray:
    """The array, or a longer copy of it where it has not room for so many."""
    if number <= len(array):
        return array
    longer: np.ndarray = np.zeros(number + number // 8, array.dtype)
    longer[: len(array)] = array
    return longer
