"""The command `dateline archives`, which lists the archives of an installation."""

from __future__ import annotations

import argparse
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

from rag.errors import DatelineError
from rag.terminal import DONE, NOTHING, Command, print_json, print_note, print_text

if TYPE_CHECKING:
    from rag.settings import Settings


def _archives(args: argparse.Namespace) -> int:
    from rag.archive import installation
    from rag.settings import Settings

    settings = Settings.load(data_dir=args.data_dir).of_archive("")
    names = [*([""] if installation.has_unnamed(settings) else []), *installation.names(settings)]
    found = [_described(settings.of_archive(name)) for name in names]
    if args.json:
        print_json({"archives": found})
    else:
        for one in found:
            print_text(f"{one['name'] or '(without a name)':40}  {_told(one)}")
    if not found:
        print_note("dateline: there is no archive yet. Make one: dateline ingest --archive NAME FILE-OR-FOLDER")
    return DONE if found else NOTHING


def _described(settings: Settings) -> dict[str, Any]:
    """What the list says of an archive: what it holds, or why it cannot be opened."""
    from rag.archive.catalog import Catalog

    place = settings.folder / "catalogue.sqlite"
    data: dict[str, Any] = {"name": settings.archive, "articles": 0, "passages": 0, "newest": None, "error": None}
    if not settings.catalog and not place.exists():
        return data  # a key was made, and nothing stored yet
    try:
        with closing(Catalog(place, url=settings.catalog, schema=settings.schema_name)) as catalog:
            coverage = catalog.coverage()
            newest: date | None = coverage.last
            data |= {"articles": coverage.articles, "passages": catalog.count_passages()}
            data["newest"] = newest.isoformat() if newest else None
    except DatelineError as error:
        data |= {"articles": None, "passages": None, "error": str(error)}
    return data


def _told(one: dict[str, Any]) -> str:
    if one["error"]:
        return f"cannot be opened: {one['error']}"
    newest = f", newest of {one['newest']}" if one["newest"] else ""
    return f"{one['articles']:,} articles, {one['passages']:,} passages{newest}"


COMMANDS = (Command(name="archives", help="list the archives of the installation", run=_archives),)
