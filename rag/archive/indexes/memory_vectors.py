"""All vectors of an archive in memory, beside what filters ask for. They are searched instead of Chroma.

Chroma holds the interpreter's lock while it searches, and resolves filters in an SQLite file: over 100,000 passages
with vectors like those of `bench large`, a filter on days cost 270 to 530 ms on two busy cores. Here a filter is a
comparison of whole columns. Where it leaves few passages, they are all compared; where it leaves many, enough of the
nearest of all are within it.
"""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from secrets import randbits
from shutil import rmtree
from typing import Any

import numpy as np

from rag.archive import private_files
from rag.archive.catalog import Catalog
from rag.archive.indexes import vector_graph
from rag.archive.indexes.vector_graph import VectorGraph
from rag.archive.priority import Priority
from rag.archive.tables.passages import PassageFacts
from rag.archive.tables.table import day_number
from rag.language.tokens import fold
from rag.schema import Filters

log = logging.getLogger("dateline")

NAME = "graph"
_FORMAT = 1  # of the files
_STATE, _GRAPH, _COLUMNS = "state.json", "vectors.faiss", "columns.npz"
_CHECKED_AT_ONCE = 1 << 24  # bytes of a file
_PAGE = 1_000  # passages read together
_ADDED_AT_ONCE = 64  # passages for which searches wait, some 5 ms
_ARTICLES_AT_ONCE = 200  # changed articles read together
# So many passages are compared in the time that the graph takes for one of those that it gives: with 116,734 and with
# 1,167,341 rows 2 µs for each of 500 or 1,000, and .07 to .14 µs for a row that is compared.
_COMPARED_FOR_ONE = 25
_MARGIN = 1.5  # more are fetched than the share of a filter asks for, since it is another one near a question
_REMOVED = 0.25  # share of removed rows above which all are read anew
# An archive with fewer articles is read in a second or two, so it is not kept.
_KEPT_FROM = 5_000
# Kept anew when this share of the articles has changed since, at the end and before: each time all is written, and a
# million passages take 3 s; a change that the next start reads takes 1 ms.
_UNKEPT, _UNKEPT_BEFORE = 0.05, 0.5


@dataclass(frozen=True, slots=True)
class _Columns:
    """One row a passage: its key, a number for its article, its day, outlet, language, whether it is still there."""

    key: np.ndarray
    article: np.ndarray
    day: np.ndarray
    outlet: np.ndarray
    language: np.ndarray
    live: np.ndarray

    @classmethod
    def empty(cls, rows: int) -> _Columns:
        long, short = (rows, np.int64), (rows, np.int32)
        return cls(
            key=np.zeros(*long), article=np.zeros(*long), day=np.zeros(*short), outlet=np.zeros(*short),
            language=np.zeros(*short), live=np.zeros(rows, np.bool_),
        )  # fmt: skip

    def first(self, rows: int) -> _Columns:
        """These columns without what is behind so many rows, over the same memory."""
        return _Columns(*(getattr(self, name)[:rows] for name in self.__slots__))

    def larger(self, rows: int) -> _Columns:
        """A copy with room for so many rows."""
        found = _Columns.empty(rows)
        for name in self.__slots__:
            column = getattr(self, name)
            getattr(found, name)[: len(column)] = column
        return found


class MemoryVectors:
    """The vectors of a catalogue, searched in memory. One thread brings them up; any thread may search."""

    def __init__(self, catalog: Catalog, priority: Priority, folder: Path, mark: str) -> None:
        """Holds nothing until `load` or `read`; then about a kilobyte a passage of 384 dimensions.

        Those of a large archive are kept in `folder`; the catalogue stores under the name `mark` which change of it was
        the last that they have.
        """
        self.wanted = False  # whether to read the vectors: not in a process that does not search
        self._catalog, self._priority, self._folder, self._mark = catalog, priority, folder, mark
        self._id = f"{mark}.id"  # the name under which the catalogue stores which of all that were kept is its own
        self._table: _Table | None = None  # complete
        self._unread: _Table | None = None  # the one that is being read, up to the key `_after`
        self._after = 0

    # --- for the thread that brings them up -------------------------------------------------------------------------

    def load(self) -> None:
        """Reads what was kept, if it is `wanted` and of this catalogue; else this does nothing. Raises StorageError."""
        if not self.wanted or self._table is not None or not vector_graph.is_available():
            return
        seen = self._catalog.followed(self._mark)
        if not seen:
            return
        self._table = _read(self._folder, self._catalog.followed(self._id), seen, self._catalog.model_since())
        if self._table is None:
            self._catalog.set_followed(self._mark, 0)  # so that it is not looked at again, and all is kept anew

    def follow(self) -> None:
        """Applies the changes of the catalogue to what was read. Raises StorageError, Stopped."""
        if self._table is not None and not self._table.is_usable(self._catalog.model_since()):
            self._table = None
        if self._table is not None:
            self._follow(self._table)

    def _follow(self, table: _Table) -> None:
        while table.seen < self._catalog.last_change():
            changed = self._catalog.changed_since(table.seen)
            for start in range(0, len(changed), _ARTICLES_AT_ONCE):
                self._priority.next_step()
                self._apply(table, changed[start : start + _ARTICLES_AT_ONCE])

    def _apply(self, table: _Table, changed: Sequence[tuple[str, int]]) -> None:
        articles = [article for article, _ in changed]
        table.remove(articles)
        facts = self._catalog.passage_facts_of(articles)
        for start in range(0, len(facts), _ADDED_AT_ONCE):
            self._priority.give_way()
            table.add(facts[start : start + _ADDED_AT_ONCE])
        table.seen = changed[-1][1]

    def read(self, interrupted: Callable[[], bool]) -> None:
        """Reads all vectors, if this is `wanted` or the next start would have much to do, and keeps them. Where it was
        `interrupted`, the next call goes on. Raises StorageError, Stopped."""
        if not (self.wanted or self._is_unkept(_UNKEPT_BEFORE)) or not vector_graph.is_available():
            return
        table = self._table
        if table is None or table.share_removed > _REMOVED:
            self._read_on(interrupted)
        if self._table is not None and self._is_unkept(_UNKEPT_BEFORE):
            self._keep(self._table)

    def _read_on(self, interrupted: Callable[[], bool]) -> None:
        since = self._catalog.model_since()
        if self._unread is None or not self._unread.is_usable(since):
            # Its last change is asked for first: what changes meanwhile is applied after it was read.
            self._unread, self._after = _Table(self._catalog.last_change(), since), 0
        while page := self._catalog.passage_facts(self._after, _PAGE):
            self._priority.next_step()
            if interrupted():
                return
            self._unread.add(page)
            self._after = page[-1].key
        self._follow(self._unread)
        self._table, self._unread = self._unread, None

    def _is_unkept(self, share: float) -> bool:
        """Whether so large a share of a large archive has changed since its vectors were kept."""
        articles = self._catalog.coverage().articles
        return articles >= _KEPT_FROM and (
            self._catalog.last_change() - self._catalog.followed(self._mark) > share * articles
        )

    def _keep(self, table: _Table) -> None:
        """Writes the vectors for the next start; where that fails, it has to read the catalogue."""
        made = 1 + randbits(30)  # by which the catalogue tells it from what another archive, or a copy of it, has kept
        try:
            _write(self._folder, table, made)
        except OSError as error:
            log.warning("The vectors of %s cannot be kept for the next start: %s", self._folder.parent, error)
            rmtree(self._folder, ignore_errors=True)
        self._catalog.set_followed(self._id, made)
        self._catalog.set_followed(self._mark, table.seen)  # also where it failed, so that it is not tried all the time

    def close(self) -> None:
        """Keeps the vectors where much has changed, and lets go of them. Raises StorageError."""
        if self._table is not None and self._is_unkept(_UNKEPT):
            self._keep(self._table)
        self._table = self._unread = None

    def discard(self) -> None:
        """Deletes what was kept, and lets go of what is in memory. Raises StorageError."""
        self._table = self._unread = None
        rmtree(self._folder, ignore_errors=True)
        self._catalog.set_followed(self._mark, 0)

    # --- for searches -----------------------------------------------------------------------------------------------

    def search(
        self, vector: np.ndarray, k: int, filters: Filters, by_author: Sequence[str]
    ) -> list[tuple[int, float]] | None:
        """At most k pairs (key, cosine similarity) within the filters, best first; None where the vectors are not read
        yet, or are those of another embedder than the archive's.

        `by_author` holds the ids of the articles that match `filters.authors` when that is set. Raises StorageError.
        """
        table = self._table
        if table is None or table.graph is None or len(vector) != table.graph.dim:
            return None
        columns = table.columns  # of one moment: rows may be added meanwhile
        rows, cosines = _best(table.graph, columns, vector, k, table.within(columns, filters, by_author))
        if table.model_since != self._catalog.model_since():
            return None  # asked last: the archive may have been switched to another embedder meanwhile
        found = zip(columns.key[rows].tolist(), cosines.tolist(), strict=True)
        return sorted(found, key=lambda one: (-one[1], one[0]))[:k]

    def cosines(self, vector: np.ndarray, keys: Sequence[int]) -> dict[int, float]:
        """The cosine similarity of each of these passages that are in memory, for a vector that `search` was given."""
        table = self._table
        if table is None or table.graph is None or len(vector) != table.graph.dim or not keys:
            return {}
        columns = table.columns
        rows = table.rows_of(columns, np.array(keys, dtype=np.int64))
        cosines = table.graph.cosines(vector, rows).tolist() if len(rows) else []
        return dict(zip(columns.key[rows].tolist(), cosines, strict=True))

    def rescored(self, vector: np.ndarray, found: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
        """What another index has found, with the cosines that `search` gives: of the catalogue's float16 vectors as
        they are. Else a score would change with the moment at which the vectors have been read. Raises StorageError."""
        keys, vectors = self._catalog.vectors_of([key for key, _ in found])
        if not keys or vectors.shape[1] != len(vector):
            return list(found)
        return sorted(zip(keys, (vectors @ vector).tolist(), strict=True), key=lambda one: (-one[1], one[0]))


def _best(
    graph: VectorGraph, columns: _Columns, vector: np.ndarray, k: int, within: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and cosines of the best k within, or of a few more, best first."""
    left, all_rows = int(np.count_nonzero(within)), len(within)
    if not left:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    fetched = k if left == all_rows else int(_MARGIN * k * all_rows / left) + k
    if fetched * _COMPARED_FOR_ONE < left:
        rows, cosines = graph.nearest(vector, fetched)
        inside = rows < all_rows
        inside[inside] = within[rows[inside]]
        if np.count_nonzero(inside) >= k:
            return rows[inside], cosines[inside]
    return graph.nearest_within(vector, k, within)


class _Table:
    """The graph and the columns of its rows. Rows are added and removed by one thread."""

    def __init__(self, seen: int, model_since: int) -> None:
        """Empty; `seen` is the last change of the catalogue that is in it."""
        self.seen, self.model_since = seen, model_since
        self.graph: VectorGraph | None = None  # until there is a row
        self.numbers: dict[str, int] = {}  # of outlets and languages
        self._room = self.columns = _Columns.empty(0)
        self._removed = 0  # rows
        self._by_key: tuple[int, np.ndarray | None] = 0, None  # how many rows, and their order by keys if not their own

    @classmethod
    def of(cls, graph: VectorGraph, columns: _Columns, state: Mapping[str, Any]) -> _Table:
        """What was kept, with a `state` as `_write` made it."""
        table = cls(state["seen"], state["model_since"])
        table.graph, table.numbers = graph, state["numbers"]
        table._room = table.columns = columns
        table._removed = int(np.count_nonzero(~columns.live))
        return table

    def is_usable(self, model_since: int) -> bool:
        """Whether it has vectors of the archive's present embedder, and columns for each row of the graph: without
        memory for more, rows may have been added to the graph alone."""
        whole = self.graph is None or len(self.graph) == len(self.columns.key)
        return whole and self.model_since == model_since

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
        if not found:
            return
        graph = self.graph or VectorGraph(len(found[0].vector))
        if any(len(one.vector) != graph.dim for one in found):
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
        columns.live[here] = True
        graph.add(np.stack([one.vector for one in found]))
        self.graph = graph
        self.columns = columns.first(here.stop)

    def rows_of(self, columns: _Columns, keys: np.ndarray) -> np.ndarray:
        """The live rows of those of these keys that have one, in no order."""
        if not len(columns.key):
            return keys[:0]
        number, by_key = self._by_key  # one attribute, which another search may replace
        if number != len(columns.key):
            # Keys grow, so that they are in order but for passages that were stored again: 10 ms for a million.
            by_key = None if np.all(np.diff(columns.key) > 0) else np.argsort(columns.key, kind="stable")
            self._by_key = len(columns.key), by_key
        keys = np.sort(keys)  # found so in .06 instead of .12 ms among 100,000: near ones are near in memory
        last = np.searchsorted(columns.key, keys, side="right", sorter=by_key) - 1  # of equal ones the newest
        rows = np.maximum(last, 0) if by_key is None else by_key[np.maximum(last, 0)]
        found: np.ndarray = rows[(columns.key[rows] == keys) & columns.live[rows]]
        return found

    def _number(self, kind: str, value: str) -> int:
        return self.numbers.setdefault(f"{kind} {value}", len(self.numbers))

    def within(self, columns: _Columns, filters: Filters, by_author: Sequence[str]) -> np.ndarray:
        """Which rows are within the filters, bool of shape (rows,); not to be written to."""
        within = columns.live
        if filters.since:
            within = within & (columns.day >= (day_number(filters.since) or 0))
        if filters.until:
            within = within & (columns.day <= (day_number(filters.until) or 0)) & (columns.day > 0)
        if filters.outlets:
            within = within & np.isin(columns.outlet, self._known("outlet", map(fold, filters.outlets)))
        if filters.languages:
            within = within & np.isin(columns.language, self._known("language", map(str.lower, filters.languages)))
        if filters.authors:
            within = within & np.isin(columns.article, [_number_of(article) for article in by_author])
        return within

    def _known(self, kind: str, values: Iterable[str]) -> list[int]:
        return [number for value in values if (number := self.numbers.get(f"{kind} {value}")) is not None]


def _number_of(article_id: str) -> int:
    """64 bits of a hash: ids themselves would take more memory than all other columns."""
    made = blake2b(article_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(made, "little", signed=True)


def _write(folder: Path, table: _Table, made: int) -> None:
    """Writes a table to a folder; the file with its state comes last, and the older one's is gone first. OSError."""
    private_files.make_folder(folder)
    (folder / _STATE).unlink(missing_ok=True)
    columns, graph = table.columns, table.graph
    if graph is None:
        return
    graph.save(folder / _GRAPH)
    arrays: dict[str, Any] = {name: getattr(columns, name) for name in columns.__slots__} | graph.arrays
    with (folder / _COLUMNS).open("wb") as file:
        np.savez(file, **arrays)
    state = {
        "format": _FORMAT, "id": made, "seen": table.seen, "model_since": table.model_since, "numbers": table.numbers,
        "checks": _checks(folder),
    }  # fmt: skip
    new = folder / f"{_STATE}.new"
    new.write_text(json.dumps(state), encoding="utf-8")
    os.replace(new, folder / _STATE)


def _read(folder: Path, made: int, seen: int, model_since: int) -> _Table | None:
    """The table that was kept with the id `made`; None where the folder has none that is whole and of this format."""
    with suppress(OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError):
        state: dict[str, Any] = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        of_this = state["format"] == _FORMAT and state["id"] == made
        if not of_this or (state["seen"], state["model_since"]) != (seen, model_since):
            return None
        if state["checks"] != _checks(folder):
            return None
        with np.load(folder / _COLUMNS) as found:
            columns = _Columns(**{name: found[name] for name in _Columns.__slots__})
            graph = VectorGraph(0, folder / _GRAPH, found)
        if len(graph) == len(columns.key):
            return _Table.of(graph, columns, state)
    return None


def _checks(folder: Path) -> dict[str, int]:
    """The CRC-32 of each file that is read without validation. Raises OSError."""
    found = {}
    for name in (_GRAPH, _COLUMNS):
        found[name] = 0
        with (folder / name).open("rb") as file:
            while part := file.read(_CHECKED_AT_ONCE):
                found[name] = zlib.crc32(part, found[name])
    return found
