"""The source of truth: one SQLite file with articles, their versions, passages and vectors.

Everything else (vector index, word index) is derived from it and can be made anew without embedding again.
Every change is one transaction and leaves a line in `changes`; a derived index remembers up to which
line it has followed, so a start after a crash finishes what was begun.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from rag.archive import private_files as private
from rag.archive import rows
from rag.archive.database import Database
from rag.errors import ArchiveMismatch, StorageError
from rag.language.tokens import fold
from rag.schema import Article, Coverage, Filters, Passage, Span

FORMAT = 1  # of the folder as a whole; a newer program migrates an older one here

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS articles (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, status TEXT NOT NULL, day INTEGER, outlet TEXT NOT NULL,
    outlet_key TEXT NOT NULL, language TEXT NOT NULL, byline_key TEXT NOT NULL, title TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS articles_day ON articles (status, day);
CREATE TABLE IF NOT EXISTS versions (
    article_id TEXT NOT NULL, version INTEGER NOT NULL, url TEXT NOT NULL, title TEXT NOT NULL,
    outlet TEXT NOT NULL, byline TEXT NOT NULL, genre TEXT NOT NULL, published TEXT, modified TEXT,
    language TEXT NOT NULL, text TEXT NOT NULL, uncitable TEXT NOT NULL, source TEXT NOT NULL,
    status TEXT NOT NULL, digest TEXT NOT NULL, stored_at TEXT NOT NULL, PRIMARY KEY (article_id, version));
CREATE INDEX IF NOT EXISTS versions_digest ON versions (digest);
CREATE INDEX IF NOT EXISTS versions_source ON versions (source);
CREATE TABLE IF NOT EXISTS passages (
    key INTEGER PRIMARY KEY AUTOINCREMENT, article_id TEXT NOT NULL, number INTEGER NOT NULL,
    start INTEGER NOT NULL, end INTEGER NOT NULL, embedded TEXT NOT NULL, UNIQUE (article_id, number));
CREATE TABLE IF NOT EXISTS vectors (hash TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, article_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS followed (name TEXT PRIMARY KEY, seq INTEGER NOT NULL);
"""


_TABLES = {"meta", "articles", "versions", "passages", "vectors", "changes", "followed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An article cut into passages, each with the hash of the text that was embedded for it."""

    article: Article
    spans: tuple[Span, ...]
    hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage with its integer key (the id in the derived indexes) and the hash of its vector."""

    key: int
    passage: Passage
    hash: str


_Counted = TypeVar("_Counted")
_Made = TypeVar("_Made")


def _same(row: sqlite3.Row) -> Any:
    return row


def _with_functions(db: sqlite3.Connection) -> None:
    db.create_function("fold", 1, fold, deterministic=True)


def digest(article: Article) -> str:
    """A fingerprint of everything of an article that a reader can see; equal means nothing changed."""
    seen = (
        article.title, article.text, article.url, article.outlet, article.byline, article.genre,
        str(article.published), str(article.modified), article.language, article.status, article.uncitable,
    )  # fmt: skip
    return sha256(json.dumps(seen, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


def day_number(day: date | None) -> int | None:
    """A day as an integer that sorts like it: 2025-03-07 -> 20250307. Chroma's range filters take numbers only."""
    return day.year * 10000 + day.month * 100 + day.day if day else None


def _day(number: int | None) -> date | None:
    return date(number // 10000, number // 100 % 100, number % 100) if number else None


class Catalog:
    """The catalogue of one archive folder. Safe for many threads; readers never wait for a writer (WAL)."""

    def __init__(self, path: Path, derived: Sequence[Path] = ()) -> None:
        """Opens or creates the catalogue. Raises StorageError, ArchiveMismatch.

        `derived` are the folders of the indexes made from it. Where one of them holds anything, there was a catalogue:
        a missing or an empty one is refused then, and nothing changed.
        """
        self.path = path
        self.database = Database(path, _with_functions)
        self._counted: dict[str, tuple[int, Any]] = {}  # what was counted over all articles, and at which change
        try:
            self._open(derived)
        except BaseException:
            self.close()
            raise

    def _open(self, derived: Sequence[Path]) -> None:
        with self.database.reported():
            # The indexes first: another process may be making catalogue and indexes, in this order.
            left = [folder for folder in derived if folder.is_dir() and any(folder.iterdir())]
            log = self.path.with_name(f"{self.path.name}-wal")
            if not self.path.exists() or not self.path.stat().st_size:
                left += [log] if log.exists() and log.stat().st_size else []
                if left:
                    raise self._lost("is empty" if self.path.exists() else "is missing", left)
            private.make_folder(self.path.parent)
            private.make_file(self.path)
            private.tighten(*[self.path.with_name(f"{self.path.name}{end}") for end in ("", "-wal", "-shm")])
        present = set(
            self._read(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
                made=rows.text,
            )
        )
        made_before = "meta" in present and self.get_meta("format") is not None
        missing = _TABLES - present
        if made_before and missing:
            raise self.database.damaged(f"it has no table {', '.join(sorted(missing))}")
        if not made_before:
            if left:
                raise self._lost("holds nothing", left)
            if present - _TABLES:
                raise self.database.damaged("it is a database of another program")
            self._create()
        stored = self.get_meta("format")
        if stored is None or not stored.isdigit():
            raise self.database.damaged(f"its format is '{stored}'")
        if int(stored) > FORMAT:
            raise ArchiveMismatch(
                f"The archive at {self.path.parent} has format {stored}; this program knows formats up to {FORMAT}. "
                "Upgrade Dateline (pip install -U dateline), or name another folder with --data-dir."
            )

    def _create(self) -> None:
        with self.transaction() as db:
            for statement in _SCHEMA.split(";\n"):
                db.execute(statement)
            db.execute("INSERT OR IGNORE INTO meta VALUES ('format', ?)", (str(FORMAT),))

    def _lost(self, how: str, left: Sequence[Path]) -> StorageError:
        names = " and ".join(str(one) for one in left)
        return StorageError(
            f"The catalogue {self.path} {how}, but {names} {'is' if len(left) == 1 else 'are'} not: articles were "
            "stored here. Put the catalogue back from a backup. Only if all articles are to be ingested anew: delete "
            f"{names}. Nothing was changed."
        )

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """All or nothing; rolled back on any error, including an interrupt."""
        return self.database.transaction()

    def _read(self, sql: str, values: Sequence[Any] = (), made: Callable[[sqlite3.Row], _Made] = _same) -> list[_Made]:
        """What `made` makes of each row; every read goes through here, and all that can go wrong is a StorageError."""
        return self.database.read(sql, values, made)

    def close(self) -> None:
        """Closes every connection; the catalogue cannot be used afterwards."""
        self.database.close()

    # --- what the archive is ---------------------------------------------------------------

    def get_meta(self, key: str) -> str | None:
        """A stored property of the archive, or None."""
        found = self._read("SELECT value FROM meta WHERE key = ?", (key,), rows.text)
        return found[0] if found else None

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Stores properties of the archive."""
        with self.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))

    # --- writing ----------------------------------------------------------------------------

    def store(self, batch: Sequence[Prepared], vectors: Mapping[str, np.ndarray]) -> None:
        """Stores new versions of articles with their passages and vectors, in one transaction.

        `vectors` maps hash -> float vector for the hashes that the catalogue does not have yet.
        """
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        with self.transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?)",
                [(key, vector.astype(np.float16).tobytes()) for key, vector in vectors.items()],
            )
            for prepared in batch:
                self._store_one(db, prepared, now)

    def _store_one(self, db: sqlite3.Connection, prepared: Prepared, now: str) -> None:
        a = prepared.article
        row = db.execute("SELECT max(version) AS v FROM versions WHERE article_id = ?", (a.id,)).fetchone()
        version = (row["v"] or 0) + 1
        db.execute(
            "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (a.id, version, a.url, a.title, a.outlet, a.byline, a.genre, _iso(a.published), _iso(a.modified),
             a.language, a.text, json.dumps(a.uncitable), a.source, a.status, digest(a), now),
        )  # fmt: skip
        db.execute(
            "INSERT OR REPLACE INTO articles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (a.id, version, a.status, day_number(a.day), a.outlet, fold(a.outlet), a.language, fold(a.byline), a.title),
        )  # fmt: skip
        db.execute("DELETE FROM passages WHERE article_id = ?", (a.id,))
        if a.status == "live":
            db.executemany(
                "INSERT INTO passages (article_id, number, start, end, embedded) VALUES (?, ?, ?, ?, ?)",
                [(a.id, n, s, e, h) for n, ((s, e), h) in enumerate(zip(prepared.spans, prepared.hashes, strict=True))],
            )
        db.execute("INSERT INTO changes (article_id) VALUES (?)", (a.id,))

    def recut(self, batch: Sequence[Prepared], vectors: Mapping[str, np.ndarray]) -> None:
        """Replaces the passages of stored articles (after a change of model or chunking); versions stay."""
        with self.transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?)",
                [(key, vector.astype(np.float16).tobytes()) for key, vector in vectors.items()],
            )
            for prepared in batch:
                a = prepared.article
                db.execute("DELETE FROM passages WHERE article_id = ?", (a.id,))
                db.executemany(
                    "INSERT INTO passages (article_id, number, start, end, embedded) VALUES (?, ?, ?, ?, ?)",
                    [
                        (a.id, n, *span, h)
                        for n, (span, h) in enumerate(zip(prepared.spans, prepared.hashes, strict=True))
                    ],
                )
                db.execute("INSERT INTO changes (article_id) VALUES (?)", (a.id,))

    def remove(self, article_id: str) -> bool:
        """Deletes an article with all its versions; False when there is none of that id."""
        with self.transaction() as db:
            gone = db.execute("DELETE FROM articles WHERE id = ?", (article_id,)).rowcount
            db.execute("DELETE FROM versions WHERE article_id = ?", (article_id,))
            db.execute("DELETE FROM passages WHERE article_id = ?", (article_id,))
            db.execute("DELETE FROM vectors WHERE hash NOT IN (SELECT embedded FROM passages)")
            if gone:
                db.execute("INSERT INTO changes (article_id) VALUES (?)", (article_id,))
        return bool(gone)

    def drop_unused_vectors(self) -> int:
        """Deletes vectors that no passage uses (an earlier model's); the number deleted."""
        with self.transaction() as db:
            return db.execute("DELETE FROM vectors WHERE hash NOT IN (SELECT embedded FROM passages)").rowcount

    # --- reading ----------------------------------------------------------------------------

    def article(self, article_id: str, version: int | None = None) -> Article | None:
        """The current version of an article (also of a withdrawn one), or a named one; None when unknown."""
        found = self._read(
            "SELECT v.* FROM versions v JOIN articles a ON a.id = v.article_id "
            "WHERE v.article_id = ? AND v.version = coalesce(?, a.version)",
            (article_id, version),
            rows.article_row,
        )
        return found[0] if found else None

    def versions(self, article_id: str) -> list[Article]:
        """All stored versions of an article, oldest first."""
        return self._read(
            "SELECT * FROM versions WHERE article_id = ? ORDER BY version", (article_id,), rows.article_row
        )

    def current_digest(self, article_id: str) -> str | None:
        """The digest of the current version, or None when there is no such article."""
        found = self._read(
            "SELECT v.digest FROM versions v JOIN articles a ON a.id = v.article_id AND a.version = v.version "
            "WHERE a.id = ?",
            (article_id,),
            rows.text,
        )
        return found[0] if found else None

    def has_version(self, article_id: str, version_digest: str) -> bool:
        """Whether this very version was stored before, be it the current one or an older one."""
        return bool(
            self._read("SELECT 1 FROM versions WHERE article_id = ? AND digest = ?", (article_id, version_digest))
        )

    def id_of_source(self, source: str) -> str | None:
        """The article last read from this file, or None."""
        found = self._read(
            "SELECT article_id FROM versions WHERE source = ? ORDER BY rowid DESC LIMIT 1", (source,), rows.text
        )
        return found[0] if found else None

    def articles(
        self, filters: Filters = Filters(), *, text: str = "", limit: int = 50, offset: int = 0, live: bool = True
    ) -> list[Article]:
        """Articles within the filters, newest first; `text` restricts to titles, outlets, bylines with these words."""
        where, values = _where(filters, live=live)
        for word in fold(text).split():
            where += " AND instr(fold(a.title || ' ' || a.outlet || ' ' || v.byline || ' ' || a.id), ?)"
            values.append(word)
        return self._read(
            "SELECT v.* FROM articles a JOIN versions v ON v.article_id = a.id AND v.version = a.version "
            f"WHERE {where} ORDER BY a.day IS NULL, a.day DESC, a.id LIMIT ? OFFSET ?",
            (*values, limit, offset),
            rows.article_row,
        )

    def coverage(self, filters: Filters = Filters()) -> Coverage:
        """How many live articles lie within the filters and which days they span."""
        if filters == Filters():
            return self._at_last_change("coverage", lambda: self._coverage(filters))
        return self._coverage(filters)

    def _coverage(self, filters: Filters) -> Coverage:
        where, values = _where(filters)
        sql = f"SELECT count(*) AS n, min(a.day) AS first, max(a.day) AS last FROM articles a WHERE {where}"
        (coverage,) = self._read(
            sql,
            values,
            lambda row: Coverage(articles=row["n"], first=_day(row["first"]), last=_day(row["last"])),
        )
        return coverage

    def _at_last_change(self, name: str, count: Callable[[], _Counted]) -> _Counted:
        """What `count` gives, kept until the catalogue changes: every question asks, and it reads all articles."""
        if self.database.in_transaction:  # its changes may be taken back, or stand under a number given anew
            return count()
        change = self.last_change()  # before counting: one that comes meanwhile is then seen the next time
        kept = self._counted.get(name)
        if kept is None or kept[0] != change:
            kept = self._counted[name] = change, count()
        return cast(_Counted, kept[1])

    def outlets(self) -> dict[str, int]:
        """Outlet -> number of live articles, by name."""
        sql = (
            "SELECT outlet, count(*) AS n FROM articles WHERE status = 'live' AND outlet != '' "
            "GROUP BY outlet ORDER BY outlet"
        )
        return dict(self._read(sql, made=lambda row: (rows.text(row), rows.number(row["n"]))))

    def languages(self) -> dict[str, int]:
        """Language (ISO 639-1) -> number of live articles, most frequent first."""
        return dict(self._at_last_change("languages", self._languages))

    def _languages(self) -> dict[str, int]:
        sql = (
            "SELECT language, count(*) AS n FROM articles WHERE status = 'live' AND language != '' "
            "GROUP BY language ORDER BY n DESC, language"
        )
        return dict(self._read(sql, made=lambda row: (rows.text(row), rows.number(row["n"]))))

    def article_ids(self, filters: Filters) -> list[str]:
        """The ids of the live articles within the filters."""
        where, values = _where(filters)
        return self._read(f"SELECT a.id FROM articles a WHERE {where}", values, rows.text)

    def passages(self, keys: Sequence[int]) -> dict[int, Passage]:
        """Passages by key, each with its article; keys that are gone are left out."""
        found: dict[int, Passage] = {}
        articles: dict[str, Article] = {}
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            marks = ",".join("?" * len(part))
            cut = self._read(f"SELECT * FROM passages WHERE key IN ({marks})", part, rows.cut_row)
            articles |= self._current({one.article_id for one in cut} - articles.keys())
            found |= {stored.key: stored.passage for stored in self._stored(cut, articles)}
        return found

    def _current(self, ids: Collection[str]) -> dict[str, Article]:
        """The current versions of at most 500 articles by id, in one query: one each took most of a search's time."""
        current = self._read(
            "SELECT v.* FROM versions v JOIN articles a ON a.id = v.article_id AND a.version = v.version "
            f"WHERE a.id IN ({','.join('?' * len(ids))})",
            list(ids),
            rows.article_row,
        )
        return {article.id: article for article in current}

    def passages_of(self, article_id: str) -> list[StoredPassage]:
        """The passages of an article in order."""
        cut = self._read("SELECT * FROM passages WHERE article_id = ? ORDER BY number", (article_id,), rows.cut_row)
        return list(self._stored(cut, self._current({article_id})))

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
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            known |= set(self._read(f"SELECT hash FROM vectors WHERE hash IN ({marks})", part, rows.text))
        return known

    def vectors(self, hashes: Sequence[str]) -> np.ndarray:
        """The vectors of these hashes in order, float32 of shape (n, dim). Raises StorageError when one is missing."""
        found: dict[str, np.ndarray] = {}
        unique = list(dict.fromkeys(hashes))
        for start in range(0, len(unique), 500):
            part = unique[start : start + 500]
            marks = ",".join("?" * len(part))
            found |= dict(
                self._read(f"SELECT hash, vector FROM vectors WHERE hash IN ({marks})", part, rows.vector_row)
            )
        missing = len(unique) - len(found)
        if missing:
            raise StorageError(
                f"{missing} passages of {self.path.parent} have no vector. Mend it: dateline rebuild --embed"
            )
        if len({len(vector) for vector in found.values()}) > 1:
            raise self.database.damaged("its vectors are of different lengths")
        return np.array([found[h] for h in hashes], dtype=np.float32)

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
        where, values = _where(filters)
        sql = f"SELECT p.key FROM passages p JOIN articles a ON a.id = p.article_id WHERE {where} ORDER BY p.key"
        return self._read(sql, values, lambda row: rows.number(row["key"]))

    def count_passages(self) -> int:
        """How many passages the archive has."""
        return self._read("SELECT count(*) AS n FROM passages", made=lambda row: rows.number(row["n"]))[0]

    def spread_passages(self, n: int) -> list[StoredPassage]:
        """At most n passages spread evenly over the keys, from the first to the last."""
        ends = self._read(
            "SELECT min(key) AS low, max(key) AS high FROM passages HAVING low IS NOT NULL",
            made=lambda row: (rows.number(row["low"]), rows.number(row["high"])),
        )
        keys = {low + (high - low) * i // max(n - 1, 1) for low, high in ends for i in range(n)}
        cut = {
            one.key: one
            for key in sorted(keys)
            for one in self._read("SELECT * FROM passages WHERE key >= ? ORDER BY key LIMIT 1", (key,), rows.cut_row)
        }
        return list(self._stored(cut.values(), self._current({one.article_id for one in cut.values()})))

    # --- what derived indexes follow ---------------------------------------------------------

    def last_change(self) -> int:
        """The number of the last change; 0 in a new archive."""
        return self._read("SELECT coalesce(max(seq), 0) AS seq FROM changes", made=lambda row: rows.number(row["seq"]))[
            0
        ]

    def changed_since(self, seq: int) -> list[str]:
        """The ids of the articles changed after `seq`, each once, in order of change."""
        sql = "SELECT article_id, max(seq) AS last FROM changes WHERE seq > ? GROUP BY article_id ORDER BY last"
        return self._read(sql, (seq,), rows.text)

    def followed(self, name: str) -> int:
        """Up to which change the derived index `name` has followed."""
        found = self._read("SELECT seq FROM followed WHERE name = ?", (name,), lambda row: rows.number(row["seq"]))
        return found[0] if found else 0

    def set_followed(self, name: str, seq: int) -> None:
        """Notes that the derived index `name` has followed up to `seq`."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO followed VALUES (?, ?)", (name, seq))


def _where(filters: Filters, *, live: bool = True) -> tuple[str, list[Any]]:
    """An SQL condition on `articles a`, and its values."""
    terms = ["a.status = 'live'"] if live else ["1"]
    values: list[Any] = []
    columns: tuple[tuple[str, Sequence[str], Callable[[str], str]], ...] = (
        ("a.outlet_key", filters.outlets, fold),
        ("a.language", filters.languages, str.lower),
    )
    for column, wanted, key in columns:
        if wanted:
            terms.append(f"{column} IN ({','.join('?' * len(wanted))})")
            values += [key(value) for value in wanted]
    if filters.authors:
        terms.append("(" + " OR ".join("instr(a.byline_key, ?)" for _ in filters.authors) + ")")
        values += [fold(author) for author in filters.authors]
    if filters.since:
        terms.append("a.day >= ?")
        values.append(day_number(filters.since))
    if filters.until:
        terms.append("a.day <= ?")
        values.append(day_number(filters.until))
    return " AND ".join(terms), values


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
