"""Passages of articles and the vectors of their texts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rag.archive.tables import rows
from rag.archive.tables.articles import Articles
from rag.archive.tables.database import Row
from rag.archive.tables.table import condition, parameters
from rag.errors import StorageError
from rag.schema import Article, Filters, Passage

_AT_ONCE = 500  # values in one SQL statement; SQLite takes 32,766


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage with its integer key (the id in the derived indexes) and the hash of its vector."""

    key: int
    passage: Passage
    hash: str


@dataclass(frozen=True, slots=True)
class PassageFacts:
    """What filters compare of a live passage, its day 0 where unknown, and its vector, float16 of shape (dim,)."""

    key: int
    article_id: str
    day: int
    outlet: str
    language: str
    vector: np.ndarray


# CROSS JOIN: SQLite keeps to its order, and would else sort all live articles for each page.
_FACTS = (
    "SELECT v.hash, v.vector, p.key, p.article_id, a.day, a.outlet_key, a.language "
    "FROM passages p CROSS JOIN articles a CROSS JOIN vectors v "
    "WHERE a.id = p.article_id AND v.hash = p.embedded AND a.status = 'live' AND"
)


def _facts(row: Row) -> PassageFacts:
    return PassageFacts(
        key=rows.number(row["key"]), article_id=rows.written(row["article_id"]), day=rows.number(row["day"] or 0),
        outlet=rows.written(row["outlet_key"]), language=rows.written(row["language"]), vector=rows.vector_row(row)[1],
    )  # fmt: skip


class Passages(Articles):
    """Reads passages with their articles, and vectors."""

    def passages(self, keys: Sequence[int]) -> dict[int, Passage]:
        """Passages by key, each with its article; keys that are gone are left out."""
        found: dict[int, Passage] = {}
        articles: dict[str, Article] = {}
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            cut = self._read(f"SELECT * FROM passages WHERE key IN ({parameters(part)})", part, rows.cut_row)
            articles |= self.current_articles({one.article_id for one in cut} - articles.keys())
            found |= {stored.key: stored.passage for stored in self._stored(cut, articles)}
        return found

    def current_articles(self, ids: Collection[str]) -> dict[str, Article]:
        """The current versions of at most 500 articles by id, in one query: one each took most of a search's time."""
        current = self._read(
            "SELECT v.* FROM versions v JOIN articles a ON a.id = v.article_id AND a.version = v.version "
            f"WHERE a.id IN ({parameters(list(ids))})",
            list(ids),
            rows.article_row,
        )
        return {article.id: article for article in current}

    def passages_of(self, article_id: str) -> list[StoredPassage]:
        """The passages of an article in order."""
        cut = self._read("SELECT * FROM passages WHERE article_id = ? ORDER BY number", (article_id,), rows.cut_row)
        return list(self._stored(cut, self.current_articles({article_id})))

    def _stored(self, cut: Iterable[rows.CutRow], articles: Mapping[str, Article]) -> Iterator[StoredPassage]:
        for row in cut:
            article = articles.get(row.article_id)
            if article is None:
                continue
            if not 0 <= row.start <= row.end <= len(article.text):
                raise self.database.damaged(f"passage {row.number} of article '{article.id}' lies outside its text")
            passage = Passage(article=article, number=row.number, start=row.start, end=row.end)
            yield StoredPassage(row.key, passage, row.hash)

    def known_hashes(self, hashes: Iterable[str]) -> set[str]:
        """Which of these hashes have a vector."""
        known: set[str] = set()
        wanted = list(hashes)
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            known |= set(self._read(f"SELECT hash FROM vectors WHERE hash IN ({parameters(part)})", part, rows.text))
        return known

    def vectors(self, hashes: Sequence[str]) -> np.ndarray:
        """The vectors of these hashes in order, float32 of shape (n, dim). Raises StorageError when one is missing."""
        found: dict[str, np.ndarray] = {}
        unique = list(dict.fromkeys(hashes))
        for start in range(0, len(unique), _AT_ONCE):
            part = unique[start : start + _AT_ONCE]
            found |= dict(
                self._read(
                    f"SELECT hash, vector FROM vectors WHERE hash IN ({parameters(part)})", part, rows.vector_row
                )
            )
        missing = len(unique) - len(found)
        if missing:
            raise StorageError(f"{missing} passages of {self.database.folder} have no vector. Run: dateline reindex")
        if len({len(vector) for vector in found.values()}) > 1:
            raise self.database.damaged("its vectors have different lengths")
        return np.array([found[h] for h in hashes], dtype=np.float32)

    def vectors_of(self, keys: Sequence[int]) -> tuple[list[int], np.ndarray]:
        """Those of these keys that are there, and their vectors, float32 of shape (n, dim). Raises StorageError where
        these have different lengths."""
        found: list[tuple[int, np.ndarray]] = []
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            found += self._read(
                "SELECT v.hash, v.vector, p.key FROM passages p JOIN vectors v ON v.hash = p.embedded "
                f"WHERE p.key IN ({parameters(part)})",
                part,
                lambda row: (rows.number(row["key"]), rows.vector_row(row)[1]),
            )
        if len({len(vector) for _, vector in found}) > 1:
            raise self.database.damaged("its vectors have different lengths")
        return [key for key, _ in found], np.array([vector for _, vector in found], dtype=np.float32)

    def all_vectors(self) -> tuple[list[int], np.ndarray]:
        """Keys and vectors of all passages, float32 of shape (n, dim)."""
        found = self._read(
            "SELECT key, embedded FROM passages ORDER BY key",
            made=lambda row: (rows.number(row["key"]), rows.written(row["embedded"])),
        )
        keys = [key for key, _ in found]
        return keys, self.vectors([digest for _, digest in found]) if keys else np.zeros((0, 1), dtype=np.float32)

    def passage_keys(self, filters: Filters = Filters()) -> list[int]:
        """The keys of all passages of live articles within the filters."""
        where, values = condition(filters)
        sql = f"SELECT p.key FROM passages p JOIN articles a ON a.id = p.article_id WHERE {where} ORDER BY p.key"
        return self._read(sql, values, lambda row: rows.number(row["key"]))

    def passage_facts(self, after: int, limit: int) -> list[PassageFacts]:
        """At most `limit` live passages with keys above `after`, in order of their keys."""
        return self._read(f"{_FACTS} p.key > ? ORDER BY p.key LIMIT ?", (after, limit), _facts)

    def passage_facts_of(self, article_ids: Sequence[str]) -> list[PassageFacts]:
        """The live passages of at most 500 articles."""
        return self._read(f"{_FACTS} p.article_id IN ({parameters(article_ids)})", article_ids, _facts)

    def count_passages(self) -> int:
        """How many passages the archive has."""
        return self._read("SELECT count(*) AS n FROM passages", made=lambda row: rows.number(row["n"]))[0]

    def spread_passages(self, n: int) -> list[StoredPassage]:
        """At most n passages spread evenly over the keys, from the first to the last."""
        ends = self._read(
            "SELECT min(key) AS low, max(key) AS high FROM passages HAVING min(key) IS NOT NULL",
            made=lambda row: (rows.number(row["low"]), rows.number(row["high"])),
        )
        keys = {low + (high - low) * i // max(n - 1, 1) for low, high in ends for i in range(n)}
        cut = {
            one.key: one
            for key in sorted(keys)
            for one in self._read("SELECT * FROM passages WHERE key >= ? ORDER BY key LIMIT 1", (key,), rows.cut_row)
        }
        return list(self._stored(cut.values(), self.current_articles({one.article_id for one in cut.values()})))
