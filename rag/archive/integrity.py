"""Whether the catalogue is what was written: its pages, and that what they hold fits together."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

import numpy as np

from rag.archive.catalog import Catalog, digest
from rag.archive.tables import rows
from rag.archive.tables.database import Database
from rag.errors import StorageError

_MOST = 20  # problems of one kind that are told
_AT_A_TIME = 200  # versions or vectors read at once


def problems(catalog: Catalog) -> list[str]:
    """What is wrong with a catalogue, in sentences for its keeper; empty for a sound one. Reads all of it."""
    found: list[str] = []
    for check in (_pages, _versions, _passages, _vectors):
        try:
            for number, problem in enumerate(check(catalog.database)):
                if number >= _MOST:
                    found.append("… and more of this kind.")
                    break
                found.append(problem)
        except StorageError as error:
            found.append(_told(error))
    return list(dict.fromkeys(found))


def damaged_pages(catalog: Catalog) -> list[str]:
    """The quick part of `problems`, about a second a gigabyte: pages that SQLite itself cannot read."""
    try:
        return catalog.database.read("PRAGMA quick_check(1)", (), _unless_ok)[0]
    except StorageError as error:
        return [_told(error)]


def _told(error: StorageError) -> str:
    cause = error.__cause__
    return f"SQLite says: {cause}." if isinstance(cause, sqlite3.Error) else f"A row was never written so: {cause}."


def _pages(database: Database) -> Iterable[str]:
    # Beyond quick_check this finds an index that does not hold what its table holds: such an article is not found.
    found = database.read(f"PRAGMA integrity_check({_MOST + 1})", (), _unless_ok)
    return [problem for one in found for problem in one]


def _unless_ok(row: object) -> list[str]:
    said = rows.text(row)  # type: ignore[arg-type]
    return [] if said == "ok" else said.splitlines()


def _versions(database: Database) -> Iterator[str]:
    """Each version has the fingerprint that was taken when it was stored, and each article its current version."""
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
                yield f"Version {article.version} of article '{article.id}' is not what was stored."
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
    """Each passage has a vector, all are of the same length, and their numbers are finite."""
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
                yield f"Vector {name} holds what is no number."
    if len(lengths) > 1:
        yield f"The vectors are of different lengths: {', '.join(f'{n} of {dim}' for dim, n in lengths.items())}."
