"""The source of truth, a SQLite file or a PostgreSQL database: articles, their versions, passages and vectors.

The vector index, the keyword index, the near-duplicates and the stories are derived from it and can be rebuilt without
embedding again. Every change is one transaction and leaves a line in the change log; each derived index has stored up
to which change it holds, so a start after a crash finishes what was begun.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from rag.archive.tables.changes import MODEL_SINCE
from rag.archive.tables.database import Database, Statements
from rag.archive.tables.sqlite import SqliteDatabase
from rag.archive.tables.stories import Stories
from rag.archive.tables.table import (
    API_KEYS_SCHEMA,
    NEAR_DUPLICATES_SCHEMA,
    SCHEMA,
    SET_FOLLOWED,
    SET_META,
    STORIES_SCHEMA,
    day_number,
)
from rag.errors import ArchiveMismatch
from rag.language.tokens import fold
from rag.schema import Article, Span

FORMAT = 4  # of the folder as a whole; 2 added the tables of near-duplicates, 3 those of stories, 4 that of API keys

REINDEXING = "reindexing"  # property: the model whose vectors are being stored beside those in use
# EXCEPT: PostgreSQL compares every vector with every passage for a NOT IN that exceeds its memory.
_DROP_UNUSED = "DELETE FROM vectors WHERE hash IN (SELECT hash FROM vectors EXCEPT SELECT embedded FROM passages)"
_DROP_IF_UNUSED = (
    "DELETE FROM vectors WHERE hash = ? AND NOT EXISTS (SELECT 1 FROM passages WHERE embedded = vectors.hash)"
)
_STORE_ARTICLE = (
    "INSERT INTO articles (id, version, status, day, outlet, outlet_key, language, byline_key, title) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version, "
    "status = excluded.status, day = excluded.day, outlet = excluded.outlet, outlet_key = excluded.outlet_key, "
    "language = excluded.language, byline_key = excluded.byline_key, title = excluded.title"
)
_INSERT_PASSAGE = 'INSERT INTO passages (article_id, number, start, "end", embedded) VALUES (?, ?, ?, ?, ?)'
_TABLES = {"meta", "articles", "versions", "passages", "vectors", "changes", "followed"}
# Format -> the tables that it added, and how they are made. All but the keys are derived, and the indexer fills them.
_ADDED_TABLES = {
    2: {"signature_marks", "near_duplicates"},
    3: {"story_profiles", "story_links", "story_pending", "story_articles", "stories"},
    4: {"api_keys"},
}
_ADDED_SCHEMA = {2: NEAR_DUPLICATES_SCHEMA, 3: STORIES_SCHEMA, 4: API_KEYS_SCHEMA}
# Of the queue of `dateline worker` (ingest.queue), which may be made in a database before its catalogue, and of what
# servers share beside it (rag.serving).
_BESIDE = ("procrastinate_", "dateline_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An article cut into passages, each with the hash of the text that was embedded for it."""

    article: Article
    spans: tuple[Span, ...]
    hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The passages of a stored article under another model or chunking: spans, and hashes of the embedded texts."""

    spans: tuple[Span, ...]
    hashes: tuple[str, ...]


class VectorsGone(Exception):
    """Vectors that were stored when the caller looked were removed by another process: embed and store again."""


def _database(path: Path, url: str, schema: str) -> Database[Any]:
    if not url:
        return SqliteDatabase(path)
    from rag.archive.tables.postgres import PostgresDatabase  # its driver is optional

    return PostgresDatabase(url, schema)


def digest(article: Article) -> str:
    """A fingerprint of everything of an article that a reader can see; equal means nothing changed."""
    seen = (
        article.title, article.text, article.url, article.outlet, article.byline, article.genre,
        str(article.published), str(article.modified), article.language, article.status, article.uncitable,
    )  # fmt: skip
    return sha256(json.dumps(seen, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


class Catalog(Stories):
    """The catalogue of one archive. Safe for many threads; readers never wait for a writer."""

    def __init__(self, path: Path, derived: Sequence[Path] = (), *, url: str = "", schema: str = "") -> None:
        """Opens or creates the catalogue: the file at `path`, or the PostgreSQL database at `url` where one is given,
        in its `schema`, by default the first one of the user's search path.

        `derived` are the folders of the indexes made from it. Where one of them holds anything, there was a catalogue:
        a missing or an empty one is refused then, and nothing changed. Raises StorageError, ArchiveMismatch.
        """
        self.path, self.url = path, url
        super().__init__(_database(path, url, schema))
        try:
            self._open(derived)
        except BaseException:
            self.close()
            raise

    def _open(self, derived: Sequence[Path]) -> None:
        with self.database.reported():
            # The indexes first: another process may be making catalogue and indexes, in this order.
            left = [folder for folder in derived if folder.is_dir() and any(folder.iterdir())]
        self.database.begin_use(left)
        present = self.database.tables()
        made_before = "meta" in present and self.get_meta("format") is not None
        stored = self.get_meta("format") if made_before else None
        missing = _TABLES - present
        if stored is not None and stored.isdigit():
            missing |= {
                name for added, names in _ADDED_TABLES.items() if added <= int(stored) for name in names - present
            }
        if made_before and missing:
            raise self.database.damaged(f"it has no table {', '.join(sorted(missing))}")
        if not made_before:
            if left:
                raise self.database.lost("holds nothing", left)
            others = present - _TABLES - set().union(*_ADDED_TABLES.values())
            if any(not name.startswith(_BESIDE) for name in others):
                raise self.database.foreign()
            self._create()
        stored = self.get_meta("format")
        if stored is None or not stored.isdigit():
            raise self.database.damaged(f"its format is '{stored}'")
        if int(stored) > FORMAT:
            raise ArchiveMismatch(
                f"The archive at {self.database.folder} has format {stored}; this program knows formats up to "
                f"{FORMAT}. Upgrade Dateline (pip install -U dateline), or name another {self.database.choice}."
            )
        if int(stored) < FORMAT:
            self._migrate(int(stored))

    def _create(self) -> None:
        with self.transaction() as db:
            self.database.create(db, "".join([SCHEMA, *_ADDED_SCHEMA.values()]))
            db.execute("INSERT INTO meta VALUES ('format', ?) ON CONFLICT DO NOTHING", (str(FORMAT),))

    def _migrate(self, stored: int) -> None:
        """Adds the tables of later formats, empty; the indexer fills in the background those that are derived."""
        with self.transaction() as db:
            self.database.create(db, "".join(schema for added, schema in _ADDED_SCHEMA.items() if added > stored))
            db.execute("UPDATE meta SET value = ? WHERE key = 'format'", (str(FORMAT),))

    def close(self) -> None:
        """Closes every connection; the catalogue cannot be used afterwards."""
        self.database.close()

    def store(
        self,
        batch: Sequence[Prepared],
        vectors: Mapping[str, np.ndarray],
        noting: Callable[[Statements], None] = lambda db: None,
    ) -> None:
        """Stores new versions of articles with their passages and vectors, in one transaction.

        `vectors` maps hash -> float vector for the hashes that the catalogue does not have yet. Raises VectorsGone,
        and stores nothing, where it does not have another one either: it was removed since the caller looked.
        `noting` stores with them, in the same transaction, how far its caller has come.
        """
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        with self.transaction() as db:
            _insert_vectors(db, vectors)
            if self.database.shared:  # or else the lock of the folder keeps others from removing any
                needed = {key for prepared in batch for key in prepared.hashes}
                if needed - self.known_hashes(needed):
                    raise VectorsGone
            for prepared in batch:
                self._store_one(db, prepared, now)
            noting(db)

    def _store_one(self, db: Statements, prepared: Prepared, now: str) -> None:
        a = prepared.article
        row = db.execute(
            "SELECT version, digest FROM versions WHERE article_id = ? ORDER BY version DESC LIMIT 1", (a.id,)
        ).fetchone()
        if self.database.shared and row and row["digest"] == digest(a):
            return  # another process has stored it since this one looked
        version = row["version"] + 1 if row else 1
        db.execute(
            "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (a.id, version, a.url, a.title, a.outlet, a.byline, a.genre, _iso(a.published), _iso(a.modified),
             a.language, a.text, json.dumps(a.uncitable), a.source, a.status, digest(a), now),
        )  # fmt: skip
        values = (
            a.id, version, a.status, day_number(a.day), a.outlet, fold(a.outlet), a.language, fold(a.byline), a.title,
        )  # fmt: skip
        db.execute(_STORE_ARTICLE, values)
        self.database.note_sought(db, [replace(a, version=version)])
        db.execute("DELETE FROM passages WHERE article_id = ?", (a.id,))
        if a.status == "live":
            db.executemany(
                _INSERT_PASSAGE,
                [(a.id, n, s, e, h) for n, ((s, e), h) in enumerate(zip(prepared.spans, prepared.hashes, strict=True))],
            )
        db.execute("INSERT INTO changes (article_id) VALUES (?)", (a.id,))

    def add_vectors(self, vectors: Mapping[str, np.ndarray]) -> None:
        """Stores vectors by hash, which no passage needs to use yet."""
        with self.transaction() as db:
            _insert_vectors(db, vectors)

    def begin_reindex(self, model: str) -> None:
        """Records that vectors of this model are being stored for a later `switch`: `remove` then leaves them."""
        self.set_meta({REINDEXING: model})

    def switch(self, cuts: Mapping[str, Cut], properties: Mapping[str, str], index: str) -> None:
        """Gives articles, by id, other passages and vectors, and the archive other properties; versions stay.

        One transaction. A passage whose span stays keeps its key. The vectors must be stored already. The derived index
        named `index` is to be filled anew, in every folder, and every article counts as changed.
        """
        with self.transaction() as db:
            for article_id, cut in cuts.items():
                _recut(db, article_id, cut)
            last = db.execute("SELECT coalesce(max(seq), 0) FROM changes").fetchone()[0]
            stored = [*properties.items(), (MODEL_SINCE, str(last))]
            db.executemany(SET_META, stored)
            db.execute("UPDATE followed SET seq = 0 WHERE substr(name, 1, ?) = ?", (len(index) + 1, f"{index}@"))
            db.execute(SET_FOLLOWED, (index, 0))

    def end_reindex(self) -> int:
        """Ends what `begin_reindex` began and deletes the vectors that no passage uses; the number deleted."""
        with self.transaction() as db:
            db.execute("DELETE FROM meta WHERE key = ?", (REINDEXING,))
            return db.execute(_DROP_UNUSED).rowcount

    def remove(self, article_id: str) -> bool:
        """Deletes an article with all its versions; False when there is none of that id."""
        with self.transaction() as db:
            used = db.execute("SELECT embedded FROM passages WHERE article_id = ?", (article_id,)).fetchall()
            gone = db.execute("DELETE FROM articles WHERE id = ?", (article_id,)).rowcount
            db.execute("DELETE FROM versions WHERE article_id = ?", (article_id,))
            db.execute("DELETE FROM passages WHERE article_id = ?", (article_id,))
            if self.get_meta(REINDEXING) is None and not self.database.shared:
                db.execute(_DROP_UNUSED)
            else:  # those of the other model are unused until the switch, and of millions none is looked at in vain
                db.executemany(_DROP_IF_UNUSED, [tuple(row) for row in used])
            if gone:
                db.execute("INSERT INTO changes (article_id) VALUES (?)", (article_id,))
        return bool(gone)


def _insert_vectors(db: Statements, vectors: Mapping[str, np.ndarray]) -> None:
    db.executemany(
        "INSERT INTO vectors VALUES (?, ?) ON CONFLICT (hash) DO UPDATE SET vector = excluded.vector",
        [(key, vector.astype(np.float16).tobytes()) for key, vector in vectors.items()],
    )


def _recut(db: Statements, article_id: str, cut: Cut) -> None:
    sql = 'SELECT start, "end" FROM passages WHERE article_id = ? ORDER BY number'
    if [tuple(row) for row in db.execute(sql, (article_id,)).fetchall()] == list(cut.spans):
        db.executemany(
            "UPDATE passages SET embedded = ? WHERE article_id = ? AND number = ?",
            [(key, article_id, number) for number, key in enumerate(cut.hashes)],
        )
    else:
        db.execute("DELETE FROM passages WHERE article_id = ?", (article_id,))
        db.executemany(
            _INSERT_PASSAGE,
            [
                (article_id, number, *span, key)
                for number, (span, key) in enumerate(zip(cut.spans, cut.hashes, strict=True))
            ],
        )
    db.execute("INSERT INTO changes (article_id) VALUES (?)", (article_id,))


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
