"""Conversion of rows of the catalogue to typed values.

SQLite returns whatever a damaged page holds, such as a number in a text column. These functions then raise ValueError
or a similar error, which Database.read reports as damage.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from rag.archive.tables.database import Row
from rag.schema import Article


@dataclass(frozen=True, slots=True)
class CutRow:
    """A row of the table of passages."""

    key: int
    article_id: str
    number: int
    start: int
    end: int
    hash: str


def written(value: object) -> str:
    """The value, checked to be text. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"{type(value).__name__} instead of text")
    return value


def number(value: object) -> int:
    """The value, checked to be an integer. Raises ValueError."""
    if not isinstance(value, int):
        raise ValueError(f"{type(value).__name__} instead of an integer")
    return value


def text(row: Row) -> str:
    """The first column, checked to be text. Raises ValueError."""
    return written(row[0])


def cut_row(row: Row) -> CutRow:
    """The values of a row of the table of passages."""
    return CutRow(
        key=number(row["key"]), article_id=written(row["article_id"]), number=number(row["number"]),
        start=number(row["start"]), end=number(row["end"]), hash=written(row["embedded"]),
    )  # fmt: skip


def vector_row(row: Row) -> tuple[str, np.ndarray]:
    """A hash and its vector, float16 of shape (dim,)."""
    return text(row), np.frombuffer(row["vector"], dtype=np.float16)


def _moment(value: object) -> datetime | None:
    return None if value is None else datetime.fromisoformat(written(value))


_TEXTS = ("url", "title", "outlet", "byline", "genre", "language", "text", "status", "source")


def article_row(row: Row) -> Article:
    """The article that a row of the table of versions holds."""
    if row["status"] not in ("live", "withdrawn"):
        raise ValueError(f"an article's status is {row['status']!r}")
    uncitable = tuple((number(start), number(end)) for start, end in json.loads(row["uncitable"]))
    return Article(
        id=written(row["article_id"]), version=number(row["version"]), uncitable=uncitable,
        published=_moment(row["published"]), modified=_moment(row["modified"]),
        **{name: written(row[name]) for name in _TEXTS},  # type: ignore[arg-type]
    )  # fmt: skip
