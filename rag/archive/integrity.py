"""Integrity checks of the catalogue: its database pages, and the consistency of their content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from rag.archive.catalog import Catalog, digest
from rag.archive.tables import rows
from rag.archive.tables.database import UNREADABLE, Database
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
            found.append(_told(error, catalog.database.engine))
    return list(dict.fromkeys(found))


def damaged_pages(catalog: Catalog) -> list[str]:
    """Pages that cannot be read, as sentences: the fast part of `problems`, about 1 s per GB."""
    try:
        return catalog.database.wrong_pages(1, quickly=True)
    except StorageError as error:
        return [_told(error, catalog.database.engine)]


def _told(error: StorageError, engine: str) -> str:
    cause = error.__cause__
    what = "A row holds an invalid value" if isinstance(cause, UNREADABLE) else f"{engine} reports"
    return f"{what}: {cause}."


def _pages(database: Database[Any]) -> Iterable[str]:
    return database.wrong_pages(_MOST + 1, quickly=False)


def _versions(database: Database[Any]) -> Iterator[str]:
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


def _passages(database: Database[Any]) -> Iterable[str]:
    return database.read(
        "SELECT p.article_id, p.number FROM passages p LEFT JOIN articles a ON a.id = p.article_id "
        "LEFT JOIN versions v ON v.article_id = a.id AND v.version = a.version "
        'WHERE v.text IS NULL OR NOT (0 <= p.start AND p.start <= p."end" AND p."end" <= length(v.text))',
        (),
        lambda row: f"Passage {rows.number(row['number'])} of article '{rows.text(row)}' lies outside its text.",
    )


def _vectors(database: Database[Any]) -> Iterator[str]:
    """Passages without a vector, vectors with values that are not finite, and vectors of different lengths."""
    for missing in database.read(
        "SELECT count(*) AS n FROM passages p LEFT JOIN vectors v ON v.hash = p.embedded WHERE v.hash IS NULL",
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
