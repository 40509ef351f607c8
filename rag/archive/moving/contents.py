"""What an export holds: each kind of content with its rows in the catalogue, their form in a file, and their checks.

A row of an export comes from anywhere, so all that the program later relies on is checked before it is stored.
"""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np

from rag.archive.catalog import digest
from rag.archive.near_duplicates import NearDuplicateFollower
from rag.archive.stories.follower import LINKED, StoryFollower
from rag.archive.tables import rows
from rag.archive.tables.changes import IMPORTING, MODEL_SINCE, VECTORS_IN
from rag.archive.tables.database import Database, Statements
from rag.archive.tables.table import day_number, day_of
from rag.language.tokens import fold

Read = Callable[[str, Sequence[Any]], Sequence[Any]]  # SQL and its values -> rows, all of one state of the catalogue
Row = dict[str, Any]  # column -> value, as JSON has it

_AT_ONCE = 500  # rows read with one query
_MOST_ID_CHARS = 2_000
_LARGEST = 2**63 - 1  # of a number in the catalogue
# How far the indexes are is not carried over: they are filled anew.
FOLLOWED = (NearDuplicateFollower.name, StoryFollower.name)
RESERVED = ("format", IMPORTING, VECTORS_IN)  # properties that belong to the archive itself
_COUNTS = (MODEL_SINCE, LINKED)  # properties that are numbers


# --- the values of a column ---------------------------------------------------------------------------


def _text(value: object) -> str:
    found = rows.written(value)
    found.encode("utf-8")  # a lone surrogate, which JSON may hold, is no text: ValueError
    return found


def _number(value: object) -> int:
    if isinstance(value, bool) or not -_LARGEST <= rows.number(value) <= _LARGEST:
        raise ValueError(f"{value!r} instead of a number of 64 bits")
    return rows.number(value)


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{type(value).__name__} instead of a finite number")
    return float(value)


def _bytes(value: object) -> bytes:
    return b64decode(rows.written(value), validate=True)


def _base64(value: Any) -> str:
    return b64encode(bytes(value)).decode("ascii")


def _or_none(read: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda value: None if value is None else read(value)


@dataclass(frozen=True, slots=True)
class _Kind:
    to_json: Callable[[Any], Any]
    from_json: Callable[[object], Any]


TEXT, NUMBER, REAL = _Kind(_text, _text), _Kind(_number, _number), _Kind(_real, _real)
TEXT_OR_NONE = _Kind(_or_none(_text), _or_none(_text))
NUMBER_OR_NONE = _Kind(_or_none(_number), _or_none(_number))
VECTOR = _Kind(_base64, _bytes)  # float16, little-endian


# --- a kind of content --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One table of the catalogue in an export. `key` are the columns by which it is read in order and in parts."""

    table: str
    columns: Mapping[str, _Kind]
    key: tuple[str, ...]
    check: Callable[[Row], None] = lambda row: None  # raises ValueError for a row that cannot be
    only: tuple[str, tuple[Any, ...]] = ("", ())  # an SQL condition on the rows that are exported, and its values
    replaces: bool = False  # whether a row replaces that of the same key
    packs: str = ""  # the last column of the key, whose values make one row of the export together
    also: Callable[[Database[Any], Statements, Sequence[Row]], object] = lambda *_: None  # what is stored besides

    @property
    def name(self) -> str:
        """Its name in an export."""
        return self.table

    def read(self, read: Read) -> Iterator[Row]:
        """All rows as JSON has them, by key. Raises ValueError for a value that no catalogue holds."""
        if not self.packs:
            yield from self._rows(read)
            return
        kept = [name for name in self.columns if name != self.packs]
        for values, group in groupby(self._rows(read), lambda row: tuple(row[name] for name in kept)):
            yield dict(zip(kept, values, strict=True)) | {self.packs: [row[self.packs] for row in group]}

    def _rows(self, read: Read) -> Iterator[Row]:
        # The row number, by which versions are in the order in which they were stored, is no column of an export.
        names = list(dict.fromkeys((*self.columns, *self.key)))
        key = ", ".join(self.key)
        condition, values = self.only
        after: tuple[Any, ...] = ()
        while True:
            terms = [condition] if condition else []
            if after:
                terms.append(f"({key}) > ({', '.join('?' * len(self.key))})")
            where = f" WHERE {' AND '.join(terms)}" if terms else ""
            sql = f"SELECT {', '.join(map(_quoted, names))} FROM {self.table}{where} ORDER BY {key} LIMIT {_AT_ONCE}"
            found = read(sql, (*values, *after))
            if not found:
                return
            for one in found:
                yield {name: kind.to_json(one[name]) for name, kind in self.columns.items()}
            after = tuple(found[-1][name] for name in self.key)

    def checked(self, row: object) -> list[Row]:
        """The rows of the catalogue that a row of an export stands for. Raises ValueError, TypeError, KeyError."""
        if not isinstance(row, dict) or row.keys() != self.columns.keys():
            raise ValueError(f"expected the fields {', '.join(self.columns)}")
        apart = row[self.packs] if self.packs else [None]
        if not isinstance(apart, list):
            raise ValueError(f"{self.packs} is no list")
        found = []
        for value in apart:
            one = row | {self.packs: value} if self.packs else row
            made = {name: kind.from_json(one[name]) for name, kind in self.columns.items()}
            self.check(made)
            found.append(made)
        return found

    def without_nuls(self, row: Row) -> Row:
        """A row of an export with "?" for each NUL, as an ingest has it; a version with the digest of its new words.

        Raises as `checked`, which the row has to pass as it came.
        """
        self.checked(row)
        changed = {name: value.replace("\0", "?") if isinstance(value, str) else value for name, value in row.items()}
        if "digest" in changed:
            changed["digest"] = digest(rows.article_row(changed))
        return changed

    def store(self, database: Database[Any], db: Statements, part: Sequence[Row]) -> None:
        """Stores checked rows. A row whose key is there is left out, unless it `replaces`: counting shows it."""
        names = list(self.columns)
        told = "DO NOTHING"
        if self.replaces:
            rest = [name for name in names if name not in self.key]
            told = f"({', '.join(self.key)}) DO UPDATE SET {', '.join(f'{one} = excluded.{one}' for one in rest)}"
        sql = (
            f"INSERT INTO {self.table} ({', '.join(map(_quoted, names))}) VALUES ({', '.join('?' * len(names))}) "
            f"ON CONFLICT {told}"
        )
        db.executemany(sql, [tuple(row[name] for name in names) for row in part])
        self.also(database, db, part)


def _quoted(name: str) -> str:
    return f'"{name}"' if name == "end" else name  # a word of SQL


# --- checks -------------------------------------------------------------------------------------------


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _check_vector(row: Row) -> None:
    _require(0 < len(row["vector"]) <= 131_072 and len(row["vector"]) % 2 == 0, "a vector is no float16 numbers")
    _require(bool(np.isfinite(np.frombuffer(row["vector"], dtype="<f2")).all()), "a vector holds no finite number")


def _check_version(row: Row) -> None:
    article: Any = rows.article_row(row)
    datetime.fromisoformat(row["stored_at"])
    _require(0 < len(article.id) <= _MOST_ID_CHARS and article.version > 0, "an article has no usable id")
    _require(digest(article) == row["digest"], f"version {article.version} of '{article.id}' has another digest")


def _check_passage(row: Row) -> None:
    _check_counter(row["key"])
    _require(row["number"] >= 0 and 0 <= row["start"] <= row["end"], "a passage has no usable place")


def _check_change(row: Row) -> None:
    _check_counter(row["seq"])


def _check_counter(value: int) -> None:
    """A number that the catalogue counts on from."""
    _require(0 < value < 1 << 53, f"{value} leaves no room for the next")


def _check_profile(row: Row) -> None:
    _check_vector(row)
    words = json.loads(row["words"])
    _require(isinstance(words, dict), "the words of a profile are no object")
    for count in words.values():
        _real(count)


def _check_story(row: Row) -> None:
    day_of(row["first"]), day_of(row["last"])


def _check_property(row: Row) -> None:
    _require(row["key"] not in RESERVED, f"'{row['key']}' belongs to the archive itself")
    _require(row["key"] not in _COUNTS or row["value"].isascii() and row["value"].isdigit(), "a count is no number")


def _check_followed(row: Row) -> None:
    _require(row["name"] in FOLLOWED and row["seq"] >= 0, f"'{row['name']}' is not carried over")


def _store_articles(database: Database[Any], db: Statements, part: Sequence[Row]) -> None:
    """The list of articles is made from their newest versions, not taken from an export."""
    columns = ("id", "version", "status", "day", "outlet", "outlet_key", "language", "byline_key", "title")
    articles = [rows.article_row(row) for row in part]
    values = [
        (a.id, a.version, a.status, day_number(a.day), a.outlet, fold(a.outlet), a.language, fold(a.byline), a.title)
        for a in articles
    ]
    db.executemany(
        f"INSERT INTO articles ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
        f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in columns[1:])} "
        "WHERE excluded.version > articles.version",
        values,
    )
    database.note_sought(db, articles)


_PAIR = {"article_id": TEXT, "other_id": TEXT}

# In the order in which they are written and read: the change log last, since whoever follows it acts upon it.
CONTENTS = (
    Content(table="vectors", columns={"hash": TEXT, "vector": VECTOR}, key=("hash",), check=_check_vector),
    Content(
        table="versions",
        columns={
            "article_id": TEXT, "version": NUMBER, "url": TEXT, "title": TEXT, "outlet": TEXT, "byline": TEXT,
            "genre": TEXT, "published": TEXT_OR_NONE, "modified": TEXT_OR_NONE, "language": TEXT, "text": TEXT,
            "uncitable": TEXT, "source": TEXT, "status": TEXT, "digest": TEXT, "stored_at": TEXT,
        },
        key=("rowid",),
        check=_check_version,
        also=_store_articles,
    ),
    Content(
        table="passages",
        columns={
            "key": NUMBER, "article_id": TEXT, "number": NUMBER, "start": NUMBER, "end": NUMBER, "embedded": TEXT,
        },
        key=("key",),
        check=_check_passage,
    ),
    Content(
        table="signature_marks",
        columns={"article_id": TEXT, "mark": NUMBER},
        key=("article_id", "mark"),
        packs="mark",
    ),
    Content(table="near_duplicates", columns=_PAIR, key=("article_id", "other_id")),
    Content(
        table="story_profiles",
        columns={"article_id": TEXT, "words": TEXT, "vector": VECTOR},
        key=("article_id",),
        check=_check_profile,
    ),
    Content(table="story_links", columns=_PAIR | {"likeness": REAL}, key=("article_id", "other_id")),
    Content(table="story_pending", columns={"article_id": TEXT}, key=("article_id",)),
    Content(
        table="stories",
        columns={
            "id": TEXT, "headline": TEXT, "first": NUMBER_OR_NONE, "last": NUMBER_OR_NONE, "articles": NUMBER,
            "reports": NUMBER,
        },
        key=("id",),
        check=_check_story,
    ),
    Content(table="story_articles", columns={"article_id": TEXT, "story_id": TEXT}, key=("article_id",)),
    Content(
        table="followed",
        columns={"name": TEXT, "seq": NUMBER},
        key=("name",),
        check=_check_followed,
        only=(f"name IN ({', '.join('?' * len(FOLLOWED))})", FOLLOWED),
        replaces=True,
    ),
    Content(
        table="meta",
        columns={"key": TEXT, "value": TEXT},
        key=("key",),
        check=_check_property,
        only=(f"key NOT IN ({', '.join('?' * len(RESERVED))})", RESERVED),
        replaces=True,
    ),
    Content(table="changes", columns={"seq": NUMBER, "article_id": TEXT}, key=("seq",), check=_check_change),
)  # fmt: skip
BY_NAME = {content.name: content for content in CONTENTS}
# What says whether an archive holds an export: the indexer may have brought all else up to date since.
CORE = tuple(BY_NAME[name] for name in ("vectors", "versions", "passages", "changes"))
OWN = tuple(content for content in CONTENTS if not content.replaces)  # empty in a new archive
