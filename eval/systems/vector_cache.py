"""Caches of embedding vectors: on disk between runs, and in memory within one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np

from rag.errors import StorageError
from rag.models.embeddings import Embedder

Embed = Callable[[Sequence[str]], np.ndarray]
_FILE = "embeddings.2.sqlite"  # 2: the packaged models as ONNX Runtime computes them, no longer as PyTorch does
_AT_ONCE = 500  # keys in one query: SQLite takes at least 999 variables


class VectorCache:
    """Vectors by model and text in one SQLite file, for any number of processes. It only grows: delete the file."""

    def __init__(self, folder: Path) -> None:
        """Opens or creates the file in this folder. Raises StorageError when it cannot be used."""
        self.path = folder / _FILE
        with self._reported():
            folder.mkdir(parents=True, exist_ok=True)
            with self._connected() as db:
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID")

    def rows(self, model: str, texts: Sequence[str], embed: Embed) -> np.ndarray:
        """(n, dim) float32 in the order of `texts` (at least one); `embed` computes what is not cached, each text once.

        Raises StorageError, and whatever `embed` raises.
        """
        keys = {text: sha256(f"{model}\n{text}".encode("utf-8", "surrogatepass")).digest() for text in texts}
        with self._reported():
            cached = self._cached(list(keys.values()))
        missing = [text for text, key in keys.items() if key not in cached]
        if missing:
            made = np.asarray(embed(missing), dtype=np.float32)
            new = {keys[text]: row for text, row in zip(missing, made, strict=True)}
            with self._reported(), self._connected() as db, db:
                rows = [(key, row.tobytes()) for key, row in new.items()]
                db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            cached |= new
        return np.array([cached[keys[text]] for text in texts], dtype=np.float32)

    def count(self) -> int:
        """How many vectors the cache holds. Raises StorageError."""
        with self._reported(), self._connected() as db:
            return int(db.execute("SELECT count(*) FROM vectors").fetchone()[0])

    def _cached(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        found: dict[bytes, np.ndarray] = {}
        with self._connected() as db:
            for start in range(0, len(keys), _AT_ONCE):
                part = keys[start : start + _AT_ONCE]
                query = f"SELECT key, row FROM vectors WHERE key IN ({','.join('?' * len(part))})"
                found |= {key: np.frombuffer(row, dtype=np.float32) for key, row in db.execute(query, part)}
        return found

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=60)) as db:
            yield db

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise StorageError(
                f"The cached embeddings at {self.path} cannot be used: {error}. Delete the file, or name another "
                "folder with --cache; the texts are then embedded again."
            ) from error


class CachedEmbedder:
    """An embedder over a VectorCache: each text is embedded once in all runs, and the model loads only if needed."""

    def __init__(self, inner: Embedder, cache: VectorCache) -> None:
        self._inner, self._cache, self.name = inner, cache, inner.name

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self._inner.dim

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1. Raises StorageError, ModelUnavailable."""
        return self._rows("queries", texts, self._inner.embed_queries)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1. Raises StorageError, ModelUnavailable."""
        return self._rows("passages", texts, self._inner.embed_passages)

    def _rows(self, kind: str, texts: Sequence[str], embed: Embed) -> np.ndarray:
        # Kept apart by kind: some models prefix queries and passages with different instructions.
        return self._cache.rows(f"{self.name} {kind}", texts, embed) if texts else embed(texts)


class QueryVectorCache:
    """An embedder that keeps query vectors in memory, so that all systems of a run share one batch of queries.

    Passages are passed through.
    """

    def __init__(self, inner: Embedder) -> None:
        self._inner, self.name = inner, inner.name
        self._known: dict[str, np.ndarray] = {}

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self._inner.dim

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known |= dict(zip(new, self._inner.embed_queries(new), strict=True))
        return np.array([self._known[text] for text in texts], dtype=np.float32).reshape(len(texts), -1)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        return self._inner.embed_passages(texts)
