"""What the tables of the catalogue share: the database, its schema, and SQL conditions for filters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Any, TypeVar

from rag.archive.tables.database import Database, Row, Statements
from rag.language.tokens import fold
from rag.schema import Filters

SCHEMA = """
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
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, embedded TEXT NOT NULL, UNIQUE (article_id, number));
CREATE TABLE IF NOT EXISTS vectors (hash TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, article_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS followed (name TEXT PRIMARY KEY, seq INTEGER NOT NULL);
"""

# Added by format 2. A mark is one value of an article's MinHash signature, with its place in it.
NEAR_DUPLICATES_SCHEMA = """
CREATE TABLE IF NOT EXISTS signature_marks (
    mark INTEGER NOT NULL, article_id TEXT NOT NULL, PRIMARY KEY (mark, article_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS signature_marks_article ON signature_marks (article_id);
CREATE TABLE IF NOT EXISTS near_duplicates (
    article_id TEXT NOT NULL, other_id TEXT NOT NULL, PRIMARY KEY (article_id, other_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS near_duplicates_other ON near_duplicates (other_id);
"""

# Added by format 3. A profile is what is compared of an article; pending are the articles to be threaded anew.
STORIES_SCHEMA = """
CREATE TABLE IF NOT EXISTS story_profiles (
    article_id TEXT PRIMARY KEY, words TEXT NOT NULL, vector BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS story_links (
    article_id TEXT NOT NULL, other_id TEXT NOT NULL, likeness REAL NOT NULL,
    PRIMARY KEY (article_id, other_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS story_pending (article_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS story_articles (article_id TEXT PRIMARY KEY, story_id TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS story_articles_story ON story_articles (story_id);
CREATE TABLE IF NOT EXISTS stories (
    id TEXT PRIMARY KEY, headline TEXT NOT NULL, first INTEGER, last INTEGER, articles INTEGER NOT NULL,
    reports INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS stories_last ON stories (last);
CREATE INDEX IF NOT EXISTS story_links_other ON story_links (other_id);
"""

# Added by format 4; used where processes with other folders share the catalogue, or else keys.json of the folder is. A
# revoked key stays, so that it does not come back from a file that still has it.
API_KEYS_SCHEMA = """
CREATE TABLE IF NOT EXISTS api_keys (
    sha256 TEXT PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, scopes TEXT NOT NULL, created TEXT NOT NULL,
    revoked TEXT);
"""

SET_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
SET_FOLLOWED = "INSERT INTO followed VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq"

_Made = TypeVar("_Made")


def as_it_is(row: Row) -> Any:
    """The row itself, for reads that only check whether a row exists."""
    return row


class Table:
    """Reads and writes of one kind of content. Every method raises StorageError when the database fails."""

    def __init__(self, database: Database[Any]) -> None:
        """`database` belongs to the catalogue, which closes it."""
        self.database = database

    def transaction(self) -> AbstractContextManager[Statements]:
        """A transaction, rolled back on any exception, including KeyboardInterrupt."""
        return self.database.transaction()

    def _read(self, sql: str, values: Sequence[Any] = (), made: Callable[[Row], _Made] = as_it_is) -> list[_Made]:
        """The result of `made` for each row. All reads go through here, so that every failure is a StorageError."""
        return self.database.read(sql, values, made)


def parameters(values: Sequence[object]) -> str:
    """As many SQL parameters as there are values, comma between; NULL, which equals nothing, where there is none."""
    return ",".join("?" * len(values)) or "NULL"


def up_to(limit: int) -> int:
    """A limit for SQL: PostgreSQL, unlike SQLite, takes no negative number for none."""
    return limit if limit >= 0 else 2**62


def day_number(day: date | None) -> int | None:
    """A day as an integer that sorts like it: 2025-03-07 -> 20250307. Chroma's range filters take numbers only."""
    return day.year * 10000 + day.month * 100 + day.day if day else None


def day_of(number: int | None) -> date | None:
    """The day of a `day_number`; None for 0 or None."""
    return date(number // 10000, number // 100 % 100, number % 100) if number else None


def condition(filters: Filters, *, live: bool = True) -> tuple[str, list[Any]]:
    """An SQL condition on `articles a` for these filters, and its values."""
    terms = ["a.status = 'live'"] if live else ["TRUE"]
    values: list[Any] = []
    columns: tuple[tuple[str, Sequence[str], Callable[[str], str]], ...] = (
        ("a.outlet_key", filters.outlets, fold),
        ("a.language", filters.languages, str.lower),
    )
    for column, wanted, key in columns:
        if wanted:
            terms.append(f"{column} IN ({parameters(wanted)})")
            values += [key(value) for value in wanted]
    if filters.authors:
        terms.append("(" + " OR ".join("instr(a.byline_key, ?) > 0" for _ in filters.authors) + ")")
        values += [fold(author) for author in filters.authors]
    if filters.since:
        terms.append("a.day >= ?")
        values.append(day_number(filters.since))
    if filters.until:
        terms.append("a.day <= ?")
        values.append(day_number(filters.until))
    return " AND ".join(terms), values
