"""Vector search within filters, over compact copies in memory of all vectors and of what filters ask for.

A graph of neighbours cannot be searched well within a filter, and Chroma resolves its filters in an SQLite file: over
100,000 passages with vectors like those of `bench large`, a filter on days cost 270 to 530 ms on two busy cores. Here a
filter is a comparison of whole columns. The passages that it leaves are scored by vectors of one byte a dimension, and
the best of them again by those of the catalogue; where it leaves very many, enough of the nearest of all are within it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from rag.archive.catalog import Catalog
from rag.archive.priority import Priority
from rag.archive.tables.passages import PassageFacts
from rag.archive.tables.table import day_number
from rag.language.tokens import fold
from rag.schema import Filters

_PAGE = 1_000  # passages read together
_ARTICLES_AT_ONCE = 200  # changed articles read together
_SCORED_AT_ONCE = 1_024  # 1.5 MB as numbers at 384 dimensions: what fits no cache takes twice the time
# Scored again exactly, in times of what is asked for: the error of a cosine is .0003 with vectors of e5.
_RESCORED = 2
# Where a filter leaves more passages, the nearest of all are looked at first: so many are scored in 8 ms.
_MANY = 50_000
_FETCHED = 1_000  # of all that are looked at, at most; a graph gives so many in 5 ms
_MARGIN = 1.5  # more are fetched than the share of a filter asks for, since it is another one near a question
_REMOVED = 0.25  # share of removed rows above which all are read anew

Nearest = Callable[[np.ndarray, int], list[tuple[int, float]]]  # (vector, k) -> the nearest of all, best first


@dataclass(frozen=True, slots=True)
class _Columns:
    """One row a passage: its key, a number for its article, its day, outlet, language, whether it is still there, and
    its vector as bytes times `scale` plus the centre."""

    key: np.ndarray
    article: np.ndarray
    day: np.ndarray
    outlet: np.ndarray
    language: np.ndarray
    live: np.ndarray
    scale: np.ndarray
    codes: np.ndarray

    @classmethod
    def empty(cls, rows: int, dim: int) -> _Columns:
        long, short = (rows, np.int64), (rows, np.int32)
        return cls(
            key=np.zeros(*long), article=np.zeros(*long), day=np.zeros(*short), outlet=np.zeros(*short),
            language=np.zeros(*short), live=np.zeros(rows, np.bool_), scale=np.zeros(rows, np.float32),
            codes=np.zeros((rows, dim), np.int8),
        )  # fmt: skip

    def first(self, rows: int) -> _Columns:
        """These columns without what is behind so many rows, over the same memory."""
        return _Columns(*(getattr(self, name)[:rows] for name in self.__slots__))

    def larger(self, rows: int) -> _Columns:
        """A copy with room for so many rows."""
        found = _Columns.empty(rows, self.codes.shape[1])
        for name in self.__slots__:
            column = getattr(self, name)
            getattr(found, name)[: len(column)] = column
        return found


class FilteredVectors:
    """The vectors of a catalogue, searched within filters. One thread calls `bring_up`; any thread may search."""

    def __init__(self, catalog: Catalog, priority: Priority) -> None:
        """Holds nothing until `bring_up`; then about 420 bytes a passage of 384 dimensions."""
        self.wanted = False  # whether `bring_up` is to read the vectors: not in a process that never searches so
        self._catalog, self._priority = catalog, priority
        self._table: _Table | None = None  # complete

    def bring_up(self) -> None:
        """Applies the changes of the catalogue, if this is `wanted`. Raises StorageError, Stopped."""
        if not self.wanted:
            return
        table = self._table
        if table is None or table.model_since != self._catalog.model_since() or table.share_removed > _REMOVED:
            self._table = self._read_all()
        elif table.seen < self._catalog.last_change():
            changed = self._catalog.changed_since(table.seen)
            for start in range(0, len(changed), _ARTICLES_AT_ONCE):
                self._priority.next_step()
                part = changed[start : start + _ARTICLES_AT_ONCE]
                articles = [article for article, _ in part]
                table.remove(articles)
                table.add(self._catalog.passage_facts_of(articles))
                table.seen = part[-1][1]

    def _read_all(self) -> _Table | None:
        """All of the catalogue; None where it is empty."""
        # Read first: what changes meanwhile is applied after it.
        seen, since, count = self._catalog.last_change(), self._catalog.model_since(), self._catalog.count_passages()
        table, after = None, 0
        while page := self._catalog.passage_facts(after, _PAGE):
            self._priority.next_step()
            table = table or _Table(page, count, seen, since)
            table.add(page)
            after = page[-1].key
        return table

    def search(
        self, vector: np.ndarray, k: int, filters: Filters, by_author: Sequence[str], nearest: Nearest
    ) -> list[tuple[int, float]] | None:
        """At most k pairs (key, cosine similarity) within the filters, best first; None where the vectors are not read
        yet, or are those of another embedder than the archive's.

        `by_author` holds the ids of the articles that match `filters.authors` when that is set; `nearest` searches
        without a filter. Raises StorageError.
        """
        table = self._table
        if table is None or len(vector) != len(table.centre):
            return None
        columns = table.columns  # of one moment: rows may be added meanwhile
        within = table.within(columns, filters, by_author)
        rows = np.flatnonzero(within)
        fetched = int(_MARGIN * k * len(within) / max(1, len(rows))) + k
        if len(rows) > _MANY and fetched <= _FETCHED:
            found = nearest(vector, fetched)
            inside = np.isin(columns.key, [key for key, _ in found]) & within
            keys = set(columns.key[inside].tolist())
            if len(keys) >= k:
                return [one for one in found if one[0] in keys][:k] if self._is_present(table) else None
        best = columns.key[rows[_likest(columns, rows, vector, _RESCORED * k)]]
        keys_left, vectors = self._catalog.vectors_of(best.tolist())
        if not self._is_present(table):  # asked last: the archive may have been switched to another one meanwhile
            return None
        cosines = (vectors @ vector).tolist() if keys_left else []
        return sorted(zip(keys_left, cosines, strict=True), key=lambda one: (-one[1], one[0]))[:k]

    def _is_present(self, table: _Table) -> bool:
        """Whether the vectors of a table are those of the archive's present embedder. Raises StorageError."""
        return table.model_since == self._catalog.model_since()


class _Table:
    """Columns that grow, and what is needed to read them. Rows are added and removed by one thread."""

    def __init__(self, sample: Sequence[PassageFacts], rows: int, seen: int, model_since: int) -> None:
        """With room for so many rows; `seen` is the last change of the catalogue that is in it."""
        self.seen, self.model_since = seen, model_since
        # Vectors of e5 lie about a common centre: without it, what is left has half the length and half the error.
        self.centre: np.ndarray = np.stack([one.vector for one in sample]).mean(axis=0, dtype=np.float32)
        self._room = _Columns.empty(rows, len(self.centre))
        self.columns = self._room.first(0)
        self._numbers: dict[str, int] = {}  # of outlets and languages
        self._removed = 0  # rows

    @property
    def share_removed(self) -> float:
        """The share of rows that were removed; they are still passed over by each search."""
        return self._removed / max(1, len(self.columns.key))

    def remove(self, articles: Sequence[str]) -> None:
        """Removes the rows of these articles."""
        own = np.isin(self.columns.article, [_number_of(article) for article in articles]) & self.columns.live
        self.columns.live[own] = False
        self._removed += int(own.sum())

    def add(self, found: Sequence[PassageFacts]) -> None:
        """Adds rows behind those that searches read meanwhile, and then lets them be seen."""
        if not found or any(len(one.vector) != len(self.centre) for one in found):
            return  # vectors of another embedder: the archive was switched to it, so that all are read anew
        here = slice(len(self.columns.key), len(self.columns.key) + len(found))
        if here.stop > len(self._room.key):
            self._room = self._room.larger(here.stop + here.stop // 8)
        columns = self._room
        columns.key[here] = [one.key for one in found]
        columns.article[here] = [_number_of(one.article_id) for one in found]
        columns.day[here] = [one.day for one in found]
        columns.outlet[here] = [self._number("outlet", one.outlet) for one in found]
        columns.language[here] = [self._number("language", one.language) for one in found]
        columns.scale[here], columns.codes[here] = _quantised(np.stack([one.vector for one in found]) - self.centre)
        columns.live[here] = True
        self.columns = columns.first(here.stop)

    def _number(self, kind: str, value: str) -> int:
        return self._numbers.setdefault(f"{kind} {value}", len(self._numbers))

    def within(self, columns: _Columns, filters: Filters, by_author: Sequence[str]) -> np.ndarray:
        """Which rows are within the filters, bool of shape (rows,)."""
        within = columns.live.copy()
        if filters.since:
            within &= columns.day >= (day_number(filters.since) or 0)
        if filters.until:
            within &= (columns.day <= (day_number(filters.until) or 0)) & (columns.day > 0)
        if filters.outlets:
            within &= np.isin(columns.outlet, self._known("outlet", map(fold, filters.outlets)))
        if filters.languages:
            within &= np.isin(columns.language, self._known("language", map(str.lower, filters.languages)))
        if filters.authors:
            within &= np.isin(columns.article, [_number_of(article) for article in by_author])
        return within

    def _known(self, kind: str, values: Iterable[str]) -> list[int]:
        return [number for value in values if (number := self._numbers.get(f"{kind} {value}")) is not None]


def _likest(columns: _Columns, rows: np.ndarray, vector: np.ndarray, number: int) -> np.ndarray:
    """The places in `rows` of the `number` passages that are most like a vector, in no order; all where there are
    fewer. What all have in common, the centre, changes no order and is left out."""
    if len(rows) <= number:
        return np.arange(len(rows))
    scores = np.empty(len(rows), np.float32)
    numbers = np.empty((_SCORED_AT_ONCE, len(vector)), np.float32)
    for start in range(0, len(rows), _SCORED_AT_ONCE):
        part = rows[start : start + _SCORED_AT_ONCE]
        numbers[: len(part)] = columns.codes[part]
        scores[start : start + len(part)] = numbers[: len(part)] @ vector
    return np.argpartition(-scores * columns.scale[rows], number)[:number]


def _number_of(article_id: str) -> int:
    """64 bits of a hash: ids themselves would take more memory than all other columns but the vectors."""
    made = blake2b(article_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(made, "little", signed=True)


def _quantised(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A scale for each vector, and its numbers divided by that, as bytes."""
    scale = np.maximum(np.abs(vectors).max(axis=1), 1e-9) / 127
    return scale, np.rint(vectors / scale[:, None]).astype(np.int8)
