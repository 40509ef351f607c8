"""The commands that look after archives: `dateline archives` lists those of an installation, `doctor` checks one."""

from __future__ import annotations

import argparse
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

from rag.errors import DatelineError
from rag.terminal import DONE, NOTHING, Command, counted, print_json, print_note, print_text

if TYPE_CHECKING:
    from rag.archive.archive import Archive
    from rag.settings import Settings

_REPAIR = "Run dateline rebuild to repair the indexes."


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
    return f"{counted(one['articles'], 'article')}, {counted(one['passages'], 'passage')}{newest}"


def _doctor(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from rag.archive.archive import Archive
    from rag.archive.installation import existing
    from rag.archive.moving.move import unfinished
    from rag.settings import Settings

    settings = existing(Settings.load(data_dir=args.data_dir, archive=args.archive))
    with closing(Archive(settings)) as archive:
        archive.check_whole()
        move = unfinished(archive.folder)
        health = archive.health()
        embedder = {} if health.catalogue else _embedder_of(archive, settings)
    if args.json:
        print_json(asdict(health) | {"sound": health.sound, "unfinished_move": move} | embedder)
    elif health.catalogue:
        for problem in health.catalogue:
            print_text(f"Damaged: {problem}")
        print_text(
            f"The catalogue {archive.catalog.database.place} is damaged. Replace it with a backup; "
            "the indexes are then updated from it. The indexes were neither compared nor changed."
        )
    else:
        print_text(
            f"{counted(health.passages or 0, 'passage')} in the catalogue. "
            f"Vector index: {health.vectors_missing} missing, {health.vectors_extra} extra. "
            f"Keyword index: {health.words_missing} missing, {health.words_extra} extra."
        )
        print_text(_embedder_text(embedder))
        print_text(f"{move}\n" * bool(move) + ("The archive is sound." if health.sound else _REPAIR))
    return DONE if health.sound else NOTHING


def _embedder_of(archive: Archive, settings: Settings) -> dict[str, str]:
    """The embedder of the archive, and its form on this machine: int8, exact, or "" where it is not prepared yet."""
    from rag.models.embeddings import packaged_name
    from rag.models.packaged.packaged_embedder import kept_form

    chosen = settings.embedder if settings.embedder_url else packaged_name(settings.embedder) or settings.embedder
    used = archive.model or chosen
    return {
        "embedder": used,
        "embedder_form": "" if settings.embedder_url else kept_form(used, settings.model_cache),
        "embedder_of_settings": chosen,
        "unfinished_reindex": archive.reindexed_to or "",
    }


def _embedder_text(embedder: dict[str, str]) -> str:
    from rag.models.archive_embedder import advice
    from rag.models.embeddings import source_of

    form = f" Its form on this machine: {embedder['embedder_form']}." if embedder["embedder_form"] else ""
    text = f"{advice(embedder['embedder'], embedder['embedder_of_settings'])}{form}"
    if unfinished := embedder["unfinished_reindex"]:
        wanted = source_of(unfinished) or unfinished
        text += f"\nA move to {unfinished} is under way, or dateline reindex --embedder {wanted} goes on with it."
    return text


COMMANDS = (
    Command(name="archives", help="list the archives of the installation", run=_archives),
    Command(name="doctor", help="check the catalogue and compare the indexes with it", run=_doctor),
)
