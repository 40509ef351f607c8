"""Vector search over passages with Chroma, and what every vector index does."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import disk_usage
from typing import Any, Protocol, TypeVar
from urllib.parse import urlparse

import numpy as np

from rag.archive import private_files
from rag.archive.indexes.memory_vectors import MemoryVectors
from rag.archive.tables.passages import StoredPassage
from rag.archive.tables.table import day_number
from rag.errors import IndexDamaged, ModelUnavailable, StorageError
from rag.language.tokens import fold
from rag.schema import Article, Filters

_Given = TypeVar("_Given")

NAME = "vectors"
_COLLECTION = "dateline-passages"
_REBUILT = "dateline-passages-new"  # replaces the collection above when it is complete
# Share of the ten and of the sixty nearest among 30,000 texts of several sets embedded by e5 that are found, CPU ms to
# find sixty, and CPU s to build, by neighbours, candidates of the build and of the search: 20, 60, 160 .9940, .9788,
# 1.9 ms, 10.6 s; 24, 100, 120 .9957, .9841, 1.8 ms, 17.0 s; 24, 100, 200 .9973, .9936, 2.7 ms, 17.0 s; 16, 100, 100
# (Chroma's defaults with 100 searched) about .99, .965, 1.7 ms, 14.6 s. An existing index keeps its own values.
_HNSW = {"space": "cosine", "ef_search": 160, "ef_construction": 60, "max_neighbors": 20}
_BATCH = 500  # records per call; Chroma's limit is above 5,000 on every platform


class VectorIndex(Protocol):
    """An index that finds the passages nearest to a vector; derived from the catalogue, so it can be rebuilt."""

    def put(self, stored: Sequence[StoredPassage], vectors: np.ndarray) -> None:
        """Adds or replaces passages; `vectors` is (n, dim) float32 of norm 1."""
        ...

    def drop_articles(self, articles: Sequence[str]) -> None:
        """Removes all passages of these articles."""
        ...

    def search(self, vector: np.ndarray, k: int, filters: Filters, by_author: Sequence[str]) -> list[tuple[int, float]]:
        """At most k pairs (key, cosine similarity) within the filters, best first.

        `by_author` holds the ids of the articles that match `filters.authors` when that is set.
        """
        ...

    def cosines(self, vector: np.ndarray, keys: Sequence[int]) -> dict[int, float]:
        """Key -> cosine similarity for those of these passages whose vectors it has at hand."""
        ...

    def keys(self) -> set[int]:
        """All keys in the index."""
        ...

    def count(self) -> int:
        """How many passages the index holds."""
        ...

    def clear(self) -> None:
        """Removes everything."""
        ...

    def close(self) -> None:
        """Closes the files, so that this process can remove the folder or open it again."""
        ...


class ChromaVectors:
    """A Chroma collection with cosine distance, in an embedded folder or on a server.

    Every method raises StorageError when the disk is full, and IndexDamaged when the folder is damaged or the server
    unreachable.
    """

    def __init__(self, folder: Path, url: str = "", archive: str = "", memory: MemoryVectors | None = None) -> None:
        """Opens or creates the collection. On a server at `url` a named `archive` has one of its own.

        The vectors in `memory` are searched instead, as soon as they are there. Raises ModelUnavailable when the server
        does not answer.
        """
        self._memory = memory
        # No name of an archive holds a dot, so none can be that of another one's collection.
        self._names = [f"{name}.{archive}" if url and archive else name for name in (_COLLECTION, _REBUILT)]
        self._where = url or str(folder)
        self._folder = None if url else folder
        self._failed = False
        import chromadb
        from chromadb.api.shared_system_client import SharedSystemClient
        from chromadb.config import Settings as ChromaSettings

        quiet = ChromaSettings(anonymized_telemetry=False)
        self._client: Any
        if url:
            parts = urlparse(url)
            secure = parts.scheme == "https"
            try:
                self._client = chromadb.HttpClient(
                    host=parts.hostname or "localhost",
                    port=parts.port or (443 if secure else 8000),
                    ssl=secure,
                    settings=quiet,
                )
            except Exception as error:  # Chroma raises ValueError, httpx errors and its own classes
                raise ModelUnavailable(
                    f"No Chroma server answers at DATELINE_CHROMA_URL={url}: {error}. "
                    "Start it (chroma run) or unset it."
                ) from error
        else:
            with self._reported():
                private_files.make_folder(folder)
                try:
                    self._client = chromadb.PersistentClient(path=str(folder), settings=quiet)
                except BaseException:
                    # Chroma would reuse the client that failed to start for the next client of this folder.
                    SharedSystemClient._identifier_to_system.pop(str(folder), None)
                    raise
        self._switching = threading.Lock()  # prevents deletion of a collection during a search
        try:
            # The collection that is searched and the one that is written; they differ only during a rebuild.
            self._collection = self._written = self._call(partial(self._open, self._names[0]))
            self._drop_rebuilt()
        except BaseException:
            self.close()
            raise

    def _call(self, call: Callable[[], _Given]) -> _Given:
        """The result of a call to Chroma. Raises StorageError; then close this object and open the folder again.

        After an error such as a full disk, a connection of Chroma may keep its SQLite file locked. Its next call would
        wait 1,000 s while holding the global interpreter lock, which no thread could interrupt. So no call may follow
        an error.
        """
        with self._reported():
            if self._failed:
                raise OSError("an earlier call failed, after which Chroma may block forever")
            try:
                return call()
            except BaseException:
                self._failed = self._folder is not None
                raise

    def _check_space(self) -> None:
        """Raises StorageError when so little space is free that Chroma might run out of it."""
        if self._folder is not None:
            with self._reported():
                free = disk_usage(self._folder).free
                if free < _LITTLE:
                    raise OSError(f"{free // 1000:,} KB are free; a change may need {_LITTLE // 1000:,} KB")

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # Chroma's classes, httpx errors, OSError, panics of its Rust part
            if self._folder is not None and disk_is_full(error, self._folder):
                raise StorageError(
                    f"The vector index at {self._where} cannot be written: {error}. The disk is full: free some space "
                    "and try again. No article is lost."
                ) from error
            raise IndexDamaged(
                f"The vector index at {self._where} cannot be used: {error}. No article is lost: dateline rebuild "
                "restores it from the catalogue."
            ) from error

    def _open(self, name: str) -> Any:
        # No embedding function, since embeddings are passed in: Chroma's default one would download a model.
        return self._client.get_or_create_collection(name, configuration={"hnsw": _HNSW}, embedding_function=None)

    def put(self, stored: Sequence[StoredPassage], vectors: np.ndarray) -> None:
        """Adds or replaces passages."""
        for start in range(0, len(stored), _BATCH):
            self._check_space()
            part = stored[start : start + _BATCH]
            given = {
                "ids": [str(one.key) for one in part],
                "embeddings": vectors[start : start + _BATCH],
                "metadatas": [_metadata(one.passage.article) for one in part],
            }
            self._call(partial(self._written.upsert, **given))

    def drop_articles(self, articles: Sequence[str]) -> None:
        """Removes all passages of these articles."""
        for start in range(0, len(articles), 200):
            self._check_space()
            of_these = {"article": {"$in": list(articles[start : start + 200])}}
            self._call(partial(self._written.delete, where=of_these))

    def search(self, vector: np.ndarray, k: int, filters: Filters, by_author: Sequence[str]) -> list[tuple[int, float]]:
        """At most k pairs (key, cosine similarity) within the filters, best first."""
        if filters.authors and not by_author:
            return []
        found = self._memory.search(vector, k, filters, by_author) if self._memory is not None else None
        if found is None:
            found = self._nearest(vector, k, _condition(filters, by_author))
            found = self._memory.rescored(vector, found) if self._memory is not None else found
        return found

    def cosines(self, vector: np.ndarray, keys: Sequence[int]) -> dict[int, float]:
        """The cosine similarities of the passages that are in memory."""
        return self._memory.cosines(vector, keys) if self._memory is not None else {}

    def search_stored(self, vector: np.ndarray, k: int) -> list[tuple[int, float]]:
        """What `search` finds in the collection itself, whatever is in memory."""
        return self._nearest(vector, k, None)

    def _nearest(self, vector: np.ndarray, k: int, where: dict[str, Any] | None) -> list[tuple[int, float]]:
        # Chroma returns fewer when there are fewer than k; counting them first took a fifth of the search time.
        asked = {"query_embeddings": [vector], "n_results": k, "where": where, "include": ["distances"]}
        with self._switching:
            found = self._call(partial(self._collection.query, **asked))
        return [(int(i), 1.0 - float(d)) for i, d in zip(found["ids"][0], found["distances"][0], strict=True)]

    def keys(self) -> set[int]:
        """All keys in the index."""
        return {int(key) for key in self._call(partial(self._collection.get, include=[]))["ids"]}

    def count(self) -> int:
        """How many passages the index holds."""
        return int(self._call(self._collection.count))

    def clear(self) -> None:
        """Removes everything."""
        with self._switching:
            self._call(partial(self._client.delete_collection, self._names[0]))
            self._collection = self._written = self._call(partial(self._open, self._names[0]))

    def begin_rebuild(self) -> None:
        """Makes `put` and `drop_articles` write to a second, empty collection; searches still read the first."""
        self._drop_rebuilt()
        self._written = self._call(partial(self._open, self._names[1]))

    def finish_rebuild(self) -> None:
        """Makes searches read the second collection and deletes the first.

        If the process is killed between the two steps, the next start fills an empty collection from the catalogue.
        """
        with self._switching:
            self._call(partial(self._client.delete_collection, self._names[0]))
            self._call(partial(self._written.modify, name=self._names[0]))
            self._collection = self._written

    def _drop_rebuilt(self) -> None:
        """Deletes the collection of a rebuild that was interrupted."""
        if self._names[1] in [one.name for one in self._call(self._client.list_collections)]:
            self._call(partial(self._client.delete_collection, self._names[1]))

    def close(self) -> None:
        """Closes the files; otherwise Chroma would reuse the open folder for the next client of this process."""
        self._client.close()

    def probe(self) -> None:
        """Reads records spread over the index and searches for them. A corrupt index raises StorageError or crashes the
        process."""
        number = self.count()
        for start in range(0, number, max(1, number // _PROBES)):
            get = partial(self._collection.get, limit=1, offset=start, include=["embeddings"])
            for one in self._call(get)["embeddings"]:
                self.search_stored(np.asarray(one, dtype=np.float32), 10)


_PROBES = 50
_PROBE_SECONDS = 20  # a corrupt graph may contain cycles; one more second for each 10 MB
_PROBE = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
try:
    import resource
except ImportError:  # Windows
    pass
else:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    for kind, limit in ((resource.RLIMIT_AS, 16_000_000_000 + 4 * size), (resource.RLIMIT_FSIZE, 500_000_000 + size)):
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from rag.archive.indexes.vector_index import ChromaVectors
vectors = ChromaVectors(folder)
vectors.probe()
vectors.close()
"""


def opens(folder: Path) -> bool:
    """Whether a Chroma folder can be opened and searched. Tested in a child process with resource limits, in about 2 s.

    A corrupt index can crash the process that reads it with SIGSEGV (chroma-core/chroma#7238).
    """
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _PROBE, str(folder)], cwd=Path(__file__).parents[2], capture_output=True,
            check=False, timeout=_PROBE_SECONDS + size // 10_000_000,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return tried.returncode == 0


# Messages of SQLite, Rust and the system for a full disk, a file above the size limit and an exhausted quota.
_FULL = ("disk is full", "No space left", "os error 28", "File too large", "os error 27", "quota", "os error 122")
_LITTLE = 16_000_000  # free bytes below which an error of an index is attributed to a full disk


def disk_is_full(error: BaseException, folder: Path) -> bool:
    """Whether an index failed because the disk is full; then it is not damaged, and a rebuild would not help."""
    if any(sign in str(error) for sign in _FULL):
        return True
    try:
        return disk_usage(folder).free < _LITTLE
    except OSError:
        return False


def _metadata(article: Article) -> dict[str, str | int]:
    """The metadata that Chroma filters by. Its range filters need numbers, so the day is one, 0 when unknown."""
    return {
        "article": article.id,
        "day": day_number(article.day) or 0,
        "outlet": fold(article.outlet),
        "language": article.language,
    }


def _condition(filters: Filters, by_author: Sequence[str]) -> dict[str, Any] | None:
    terms: list[dict[str, Any]] = []
    if filters.since:
        terms.append({"day": {"$gte": day_number(filters.since)}})
    if filters.until:
        terms += [{"day": {"$lte": day_number(filters.until)}}, {"day": {"$gt": 0}}]
    if filters.outlets:
        terms.append({"outlet": {"$in": [fold(outlet) for outlet in filters.outlets]}})
    if filters.languages:
        terms.append({"language": {"$in": [language.lower() for language in filters.languages]}})
    if filters.authors:
        terms.append({"article": {"$in": list(by_author)}})
    return {"$and": terms} if len(terms) > 1 else terms[0] if terms else None
