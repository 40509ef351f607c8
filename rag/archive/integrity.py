"""Integrity checks of the catalogue: its database pages, and the consistency of their content."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

import numpy as np

from rag.archive.catalog import Catalog, digest
from rag.archive.tables import rows
from rag.archive.tables.database import Database
from rag.errors import StorageError

_MOST = 20  # problems reported of each kind
_AT_A_TIME = 200  # versions or vectors per query


def problems(catalog: Catalog) -> list[str]:
    """The problems of a catalogue as sentences for its administrator; empty when it is sound. Reads all of it."""
    found: list[str] = []
    for check in (_pages, _versions, _passages, _vectors):
        try:
            for number, problem in enumerate(check(catalog.database)):
                if number >= _MOST:
                    found.append("There are more problems of this kind.")
                    break
                found.append(problem)
        except StorageError as error:
            found.append(_told(error))
    return list(dict.fromkeys(found))


def damaged_pages(catalog: Catalog) -> list[str]:
    """Pages that SQLite cannot read, as sentences: the fast part of `problems`, about 1 s per GB."""
    try:
        return catalog.database.read("PRAGMA quick_check(1)", (), _unless_ok)[0]
    except StorageError as error:
        return [_told(error)]


def _told(error: StorageError) -> str:
    cause = error.__cause__
    what = "SQLite reports" if isinstance(cause, sqlite3.Error) else "A row holds an invalid value"
    return f"{what}: {cause}."


def _pages(database: Database) -> Iterable[str]:
    # Unlike quick_check, this also finds an index that disagrees with its table, which would hide an article.
    found = database.read(f"PRAGMA integrity_check({_MOST + 1})", (), _unless_ok)
    return [problem for one in found for problem in one]


def _unless_ok(row: object) -> list[str]:
    said = rows.text(row)  # type: ignore[arg-type]
    return [] if said == "ok" else said.splitlines()


def _versions(database: Database) -> Iterator[str]:
    """Versions whose digest differs from the one taken when they were stored, and articles without current version."""
    last = 0
    while True:
        part = database.read(
            "SELECT rowid AS place, * FROM versions WHERE rowid > ? ORDER BY rowid LIMIT ?",
            (last, _AT_A_TIME),
            lambda row: (rows.number(row["place"]), rows.article_row(row), rows.written(row["digest"])),
        )
        if not part:
            break
        last = part[-1][0]
        for _, article, stored in part:
            if digest(article) != stored:
                yield f"Version {article.version} of article '{article.id}' differs from what was stored."
    yield from database.read(
        "SELECT a.id FROM articles a LEFT JOIN versions v ON v.article_id = a.id AND v.version = a.version "
        "WHERE v.article_id IS NULL",
        (),
        lambda row: f"The current version of article '{rows.text(row)}' is missing.",
    )


def _passages(database: Database) -> Iterable[str]:
    return database.read(
        "SELECT p.article_id, p.number FROM passages p LEFT JOIN articles a ON a.id = p.article_id "
        "LEFT JOIN versions v ON v.article_id = a.id AND v.version = a.version "
        "WHERE v.text IS NULL OR NOT (0 <= p.start AND p.start <= p.end AND p.end <= length(v.text))",
        (),
        lambda row: f"Passage {rows.number(row['number'])} of article '{rows.text(row)}' lies outside its text.",
    )


def _vectors(database: Database) -> Iterator[str]:
    """Passages without a vector, vectors with values that are not finite, and vectors of different lengths."""
    for missing in database.read(
        "SELECT count(*) AS n FROM passages WHERE embedded NOT IN (SELECT hash FROM vectors)",
        (),
        lambda row: rows.number(row["n"]),
    ):
        if missing:
            yield f"{missing} passages have no vector."
    lengths: dict[int, int] = {}
    last = ""
    while part := database.read(
        "SELECT hash, vector FROM vectors WHERE hash > ? AND hash IN (SELECT embedded FROM passages) "
        "ORDER BY hash LIMIT ?",
        (last, _AT_A_TIME),
        rows.vector_row,
    ):
        last = part[-1][0]
        for name, vector in part:
            lengths[len(vector)] = lengths.get(len(vector), 0) + 1
            if not np.isfinite(vector).all():
                yield f"Vector {name} holds a value that is not a finite number."
    if len(lengths) > 1:
        yield f"The vectors have different lengths: {', '.join(f'{n} of {dim}' for dim, n in lengths.items())}."
