"""Vector search over passages in a Milvus collection, which any number of machines search and one at a time writes.

An archive has an alias in the database, which points to the collection that is searched. A rebuild fills a second
collection and then points the alias to it. The name of a collection ends in the version of its format and a random
part, such as dateline_0f…_v1_5a…: a name is what every edition of Milvus gives back unchanged.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any

import numpy as np

from rag.archive.indexes.milvus_connection import CALL_SECONDS, MilvusConnection, is_missing
from rag.archive.tables.passages import StoredPassage
from rag.archive.tables.table import day_number
from rag.errors import ArchiveMismatch, IndexDamaged, StorageError
from rag.language.tokens import fold
from rag.schema import Filters

FORMAT = 1  # of a collection; raise it with every change of its fields or of what they hold
# Share of the ten and of the sixty nearest among 20,000 random vectors of 384 numbers that are found, which is harder
# than any text, and ms a search on one core, by neighbours and candidates of the build and of the search: 20, 60, 160
# .547, .509, .8 ms; 20, 60, 1000 .977, .969, 3.3 ms; 32, 200, 600 .992, .984, 3.0 ms; 32, 200, 1000 .999, .998, 4.0 ms;
# 32, 400, 600 .991, .985, 3.0 ms with a third more time to build. Where a filter leaves a hundredth, .963 and .907 are
# found with 600 in Milvus Lite, .995 and .977 with 1000.
_HNSW = {"M": 32, "efConstruction": 200}
_EF = 1000
_BATCH = 500  # records a call: 0.8 MB of vectors of 384 numbers; Milvus takes 64 MB
_PAGE = 5_000  # keys a call; Milvus gives 16,384 at most
_LONG_SECONDS = 120.0  # to load a collection, or to seal one that was filled


class MilvusVectors:
    """The vectors of one archive in a Milvus database. Safe for many threads.

    Every method raises StorageError when the server is away, refuses the login or cannot do what is asked, and
    IndexDamaged when the collection is gone or is not as it was made. A call ends after 10 seconds at the latest.
    """

    def __init__(self, url: str, alias: str) -> None:
        """Connects. `url`: milvus://user:password@host:port/database, milvuss:// over TLS, as Settings has checked it.

        Raises StorageError, and ArchiveMismatch where a newer program has made the collection.
        """
        self.alias = alias
        self._connection = MilvusConnection(url)
        self._client, self._call, self._where = self._connection.client, self._connection.call, self._connection.place
        self.collection: str | None = None  # that is searched; None where the archive has none yet
        self._written: str | None = None  # that is written; another one during a rebuild
        self._rebuilding = False
        self._dimensions: dict[str, int] = {}
        try:
            self.resume()
        except BaseException:
            self.close()
            raise

    # --- for searches -------------------------------------------------------------------------

    def search(self, vector: np.ndarray, k: int, filters: Filters, by_author: Sequence[str]) -> list[tuple[int, float]]:
        """At most k pairs (key, cosine similarity) within the filters, best first."""
        if (filters.authors and not by_author) or not self._searchable(len(vector)):
            return []
        condition = _condition(filters, by_author)
        try:
            return self._nearest(vector, k, condition)
        except IndexDamaged:
            self.refresh()  # a collection that was replaced while the server looked it up
            if self.collection is None:
                raise
            return self._nearest(vector, k, condition)

    def cosines(self, vector: np.ndarray, keys: Sequence[int]) -> dict[int, float]:
        """Of none: they are on the server."""
        return {}

    def search_stored(self, vector: np.ndarray, k: int) -> list[tuple[int, float]]:
        """What `search` finds without a filter."""
        return self.search(vector, k, Filters(), [])

    def _nearest(self, vector: np.ndarray, k: int, condition: str) -> list[tuple[int, float]]:
        found = self._call(
            lambda: self._client.search(
                self.alias,
                [np.asarray(vector, dtype=np.float32)],
                anns_field="vector",
                limit=k,
                filter=condition,
                search_params={"metric_type": "COSINE", "params": {"ef": max(_EF, k)}},
                # What was written is visible since `settle`, and a search need not wait for the clock of the server.
                consistency_level="Bounded",
                timeout=CALL_SECONDS,
            ),
            self.alias,
        )
        return [(int(hit["key"]), float(hit["distance"])) for hit in found[0]]

    def _searchable(self, dimension: int) -> bool:
        """Whether there is a collection. Raises IndexDamaged for one that holds vectors of another length."""
        if self.collection is None or self._dimension(self.collection) != dimension:
            self.refresh()  # another machine has made one, perhaps for another embedder
        if self.collection is not None:
            self._check_dimension(self.collection, dimension)
        return self.collection is not None

    def keys(self) -> set[int]:
        """All keys in the index."""
        return self._call(self._read_keys, self.alias) if self.collection is not None else set()

    def _read_keys(self) -> set[int]:
        keys: set[int] = set()
        pages = self._client.query_iterator(
            self.alias, batch_size=_PAGE, output_fields=["key"], consistency_level="Strong", timeout=_LONG_SECONDS
        )
        while page := pages.next():
            keys |= {int(row["key"]) for row in page}
        pages.close()
        return keys

    def count(self) -> int:
        """How many passages the index holds."""
        if self.collection is None:
            return 0
        return int(self._call(lambda: self._strongly_counted(self.alias), self.alias))

    def _strongly_counted(self, name: str) -> Any:
        asked = {"filter": "", "output_fields": ["count(*)"], "consistency_level": "Strong", "timeout": CALL_SECONDS}
        return self._client.query(name, **asked)[0]["count(*)"]

    # --- for the process that writes ------------------------------------------------------------

    def resume(self) -> None:
        """Makes `put` and `drop_articles` write to the collection that is searched, whichever it is now."""
        self.refresh()
        self._written, self._rebuilding = self.collection, False

    def refresh(self) -> None:
        """Looks again which collection belongs to the archive: another machine may have filled a new one."""
        name = self._call(self._target)
        if name is not None:
            version = re.fullmatch(rf"{re.escape(self.alias)}_v(\d+)_[0-9a-f]+", name)
            if version is None:
                raise ArchiveMismatch(
                    f"The alias {self.alias} at {self._where} leads to {name}, which Dateline has not made. Drop the "
                    "alias, or name another database in DATELINE_INDEX."
                )
            if int(version[1]) > FORMAT:
                raise ArchiveMismatch(
                    f"The vector index at {self._where} has format {version[1]}; this program knows formats up to "
                    f"{FORMAT}. Upgrade Dateline (pip install -U dateline), or name another database in DATELINE_INDEX."
                )
            if int(version[1]) < FORMAT:
                name = None  # it is filled anew
        self.collection = name

    def _target(self) -> str | None:
        """The collection that the alias points to; None without one."""
        try:
            return str(self._client.describe_alias(self.alias, timeout=CALL_SECONDS)["collection_name"])
        except Exception as error:
            if is_missing(error):
                return None
            raise

    def put(self, stored: Sequence[StoredPassage], vectors: np.ndarray) -> None:
        """Adds or replaces passages."""
        for start in range(0, len(stored), _BATCH):
            part = vectors[start : start + _BATCH]
            rows = [_row(one, vector) for one, vector in zip(stored[start : start + _BATCH], part, strict=False)]
            name = self._written_for(part.shape[1])
            self._call(lambda: self._client.upsert(name, rows, timeout=CALL_SECONDS))  # noqa: B023 - called at once

    def _written_for(self, dimension: int) -> str:
        """The collection to write vectors of this length to; made with the first of them."""
        if self._written is None:
            self._written = self._created(dimension)
            if not self._rebuilding:
                self._point_to(self._written)
        self._check_dimension(self._written, dimension)
        return self._written

    def drop_articles(self, articles: Sequence[str]) -> None:
        """Removes all passages of these articles."""
        name = self._written
        if not articles or name is None:
            return
        condition = _any_of("article", articles)
        # Also passages that were written a moment before.
        self._call(
            lambda: self._client.delete(name, filter=condition, consistency_level="Strong", timeout=CALL_SECONDS)
        )

    def settle(self) -> None:
        """Returns when every search that starts from now on finds what was written before."""
        name = self._written
        if name is not None:
            self._call(lambda: self._strongly_counted(name), name)

    def clear(self) -> None:
        """Removes everything."""
        self.begin_rebuild()
        self.finish_rebuild()

    def begin_rebuild(self) -> None:
        """Makes `put` and `drop_articles` write to a second, empty collection; searches still read the first."""
        self._drop_unused()  # what is left of a rebuild that was interrupted
        self._written, self._rebuilding = None, True

    def finish_rebuild(self) -> None:
        """Makes searches read the second collection and deletes the first."""
        new = self._written
        if new is None:
            self._drop_alias()
        else:
            with suppress(StorageError):  # it seals the records, so that they are in the graph sooner; no more
                self._call(lambda: self._client.flush(new, timeout=_LONG_SECONDS))
            self.settle()
            self._point_to(new)
        self._rebuilding = False
        self._drop_unused()

    def _created(self, dimension: int) -> str:
        """The name of a new, empty collection that is ready to be searched."""
        name = f"{self.alias}_v{FORMAT}_{uuid.uuid4().hex[:12]}"
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("key", MilvusConnection.types.INT64, is_primary=True)
        schema.add_field("vector", MilvusConnection.types.FLOAT_VECTOR, dim=dimension)
        schema.add_field("day", MilvusConnection.types.INT64)
        for field in _HASHED:
            schema.add_field(field, MilvusConnection.types.VARCHAR, max_length=2 * _HASH_BYTES)
        indexes = self._client.prepare_index_params()
        # As JSON under one name: Milvus Lite ignores them where each has its own, which Milvus takes too.
        indexes.add_index("vector", index_type="HNSW", metric_type="COSINE", params={"params": _HNSW})
        for field in ("day", *_HASHED):
            indexes.add_index(field, index_type="INVERTED")
        # One after another, since create_collection with indexes waits half a second for each of them.
        self._call(lambda: self._client.create_collection(name, schema=schema, timeout=CALL_SECONDS))
        self._call(lambda: self._client.create_index(name, indexes, sync=False, timeout=CALL_SECONDS))
        self._call(lambda: self._client.load_collection(name, timeout=_LONG_SECONDS))
        return name

    def _point_to(self, name: str) -> None:
        """Makes the alias point to a collection, which searches read from then on."""

        def point() -> None:
            target = self._target()
            if target is None:
                self._client.create_alias(name, self.alias, timeout=CALL_SECONDS)
            elif target != name:
                self._client.alter_alias(name, self.alias, timeout=CALL_SECONDS)

        self._call(point)
        self.collection = name

    def _drop_alias(self) -> None:
        if self._call(self._target) is not None:
            self._call(lambda: self._client.drop_alias(self.alias, timeout=CALL_SECONDS))
        self.collection = None

    def _drop_unused(self) -> None:
        """Deletes the collections of this archive that the alias does not point to."""
        kept = self._call(self._target)
        for name in self._call(lambda: self._client.list_collections(timeout=CALL_SECONDS)):
            if name.startswith(f"{self.alias}_v") and name != kept:
                self._call(lambda: self._client.drop_collection(name, timeout=CALL_SECONDS))  # noqa: B023

    def _dimension(self, name: str) -> int:
        if name not in self._dimensions:
            fields = self._call(lambda: self._client.describe_collection(name, timeout=CALL_SECONDS))["fields"]
            self._dimensions[name] = next((int(f["params"]["dim"]) for f in fields if f["name"] == "vector"), 0)
        return self._dimensions[name]

    def _check_dimension(self, name: str, dimension: int) -> None:
        if (held := self._dimension(name)) != dimension:
            raise IndexDamaged(
                f"The vector index at {self._where} holds vectors of {held} numbers, this embedder gives {dimension}. "
                "Set DATELINE_EMBEDDER back; dateline rebuild restores the index from the catalogue."
            )

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


# Texts that are filtered by are stored as hashes: an id or a name of an outlet may be of any length, and none has to
# be quoted in a condition.
_HASHED = ("article", "outlet", "language")
_HASH_BYTES = 16


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).hexdigest()


def _row(stored: StoredPassage, vector: np.ndarray) -> dict[str, Any]:
    article = stored.passage.article
    return {
        "key": stored.key,
        "vector": vector,
        "day": day_number(article.day) or 0,  # 0 when unknown
        "article": _hash(article.id),
        "outlet": _hash(fold(article.outlet)),
        "language": _hash(article.language),
    }


def _any_of(field: str, texts: Collection[str]) -> str:
    return f"{field} in {json.dumps([_hash(text) for text in texts])}"


def _condition(filters: Filters, by_author: Sequence[str]) -> str:
    """The filters in the language of Milvus; "" for none."""
    terms = []
    if filters.since:
        terms.append(f"day >= {day_number(filters.since)}")
    if filters.until:
        terms.append(f"day <= {day_number(filters.until)} and day > 0")
    if filters.outlets:
        terms.append(_any_of("outlet", [fold(outlet) for outlet in filters.outlets]))
    if filters.languages:
        terms.append(_any_of("language", [language.lower() for language in filters.languages]))
    if filters.authors:
        terms.append(_any_of("article", by_author))
    return " and ".join(terms)
