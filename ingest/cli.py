"""The commands that change an archive: `dateline ingest`, `remove`, `rebuild` and `reindex`."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.queue.cli import COMMANDS as QUEUE_COMMANDS
from ingest.queue.cli import queue_and_wait
from rag.errors import SettingsError
from rag.terminal import DONE, NOTHING, Command, counted, day, print_json, print_note, print_text

if TYPE_CHECKING:
    from ingest.pipeline import IngestReport
    from ingest.queue.tables import QueuedIngest
    from ingest.reindex import ReindexReport

_FIELDS = ("id", "url", "title", "outlet", "byline", "published", "modified", "language", "text", "genre")
_SHOWN_REJECTIONS = 20


def _add_ingest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--published", type=day, metavar="DAY", help="for texts that do not say when")
    parser.add_argument("--outlet", default="", metavar="NAME", help="for texts that do not say which")
    parser.add_argument("--language", default="", metavar="CODE", help="instead of identifying it")
    parser.add_argument(
        "--map", action="append", default=[], metavar="OURS=THEIRS", help="field names of JSON and CSV: title=headline"
    )
    parser.add_argument("--max-mb", type=float, metavar="N", help="largest file (default 50)")
    parser.add_argument(
        "--queue", action="store_true", help="leave the articles to dateline worker, by way of the PostgreSQL catalogue"
    )
    parser.add_argument("--wait", action="store_true", help="with --queue: until workers have stored them")


def _ingest(args: argparse.Namespace) -> int:
    from ingest import pipeline
    from ingest.readers.files import ReadOptions, read
    from rag.archive.archive import Archive
    from rag.models.archive_embedder import embedder_for
    from rag.settings import Settings

    if args.wait and not args.queue:
        raise SettingsError("--wait is for what is queued: give --queue too, or leave it out.")
    settings = Settings.load(data_dir=args.data_dir, archive=args.archive, max_file_mb=args.max_mb)
    options = ReadOptions(
        max_bytes=int(settings.max_file_mb * 1_000_000),
        mapping=_mapping(args.map),
        published=datetime.combine(args.published, time()) if args.published else None,
        outlet=args.outlet,
        language=args.language,
    )
    items = read([Path(path) for path in args.paths], options)
    with closing(Archive(settings, may_be_new=True)) as archive, _progress_bar(quiet=args.json) as bar:
        if args.queue:
            return _queued(
                args, queue_and_wait(items, archive, wait=args.wait, progress=lambda read: _moved(bar, read))
            )
        report = pipeline.ingest(
            items,
            archive,
            embedder_for(settings, lambda: archive.model),
            progress=lambda report: _advance(bar, report),
        )
    return _reported(args, report)


def _reported(args: argparse.Namespace, report: IngestReport) -> int:
    if args.json:
        print_json(report.as_dict())
    else:
        print_report(report)
    return DONE if report.kept or report.unchanged or report.withdrawn else NOTHING


def _queued(args: argparse.Namespace, found: QueuedIngest) -> int:
    if args.wait:
        return _reported(args, found.report)
    if args.json:
        print_json(found.as_dict())
    else:
        rejected = sum(found.report.rejected.values())
        print_text(
            f"Queued as {found.id}: {found.waiting} articles wait, {rejected} files or records were rejected.\n"
            f"What becomes of them: dateline jobs {found.id}"
        )
    return DONE if found.waiting or found.report.read > sum(found.report.rejected.values()) else NOTHING


def _mapping(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        ours, _, theirs = pair.partition("=")
        if ours not in _FIELDS or not theirs:
            raise SettingsError(f"--map is '{pair}'; expected OURS=THEIRS with one of {', '.join(_FIELDS)}.")
        found[ours] = theirs
    return found


def _progress_bar(*, quiet: bool) -> Any:
    from tqdm import tqdm

    return tqdm(unit=" articles", disable=quiet or not sys.stderr.isatty(), leave=False)


def _moved(bar: Any, read: int) -> None:
    bar.update(read - bar.n)


def _advance(bar: Any, report: IngestReport) -> None:
    bar.update(report.read - bar.n)
    bar.set_postfix(passages=report.passages, rejected=sum(report.rejected.values()), refresh=False)


def print_report(report: IngestReport) -> None:
    """Prints what an ingest did; the first rejections on standard error."""
    updated = f" ({counted(report.updated, 'new version')})" if report.updated else ""
    withdrawn = f", {report.withdrawn} withdrawn" if report.withdrawn else ""
    rejected = ", ".join(f"{count} {reason}" for reason, count in report.rejected.most_common())
    print_text(
        f"{report.read} read: {report.kept} kept{updated}, {report.unchanged} unchanged{withdrawn}, "
        f"{sum(report.rejected.values())} rejected{f' ({rejected})' if rejected else ''}\n"
        f"{counted(report.passages, 'passage')} in {report.seconds:.1f} s ({report.passages_per_second:.1f} a second)"
    )
    for rejection in report.rejections[:_SHOWN_REJECTIONS]:
        print_note(f"rejected ({rejection.reason}): {rejection.message}")
    if len(report.rejections) > _SHOWN_REJECTIONS:
        print_note(f"… and {len(report.rejections) - _SHOWN_REJECTIONS} more; --json names them all")


def _add_remove(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="ID")


def _remove(args: argparse.Namespace) -> int:
    from ingest import pipeline
    from rag.archive.archive import Archive
    from rag.archive.installation import existing
    from rag.settings import Settings

    with closing(Archive(existing(Settings.load(data_dir=args.data_dir, archive=args.archive)))) as archive:
        removed = {article_id: pipeline.remove(archive, article_id) for article_id in args.ids}
    unknown = [article_id for article_id, done in removed.items() if not done]
    gone = [article_id for article_id, done in removed.items() if done]
    if args.json:
        print_json({"removed": gone, "unknown": unknown})
    else:
        for article_id in gone:
            print_text(f"removed {article_id}")
    for article_id in unknown:
        print_note(f"dateline: there is no article '{article_id}'. List them with: dateline articles")
    return DONE if gone else NOTHING


def _rebuild(args: argparse.Namespace) -> int:
    from rag.archive.archive import Archive
    from rag.archive.installation import existing
    from rag.settings import Settings

    with closing(Archive(existing(Settings.load(data_dir=args.data_dir, archive=args.archive)))) as archive:
        count = archive.rebuild()
    if args.json:
        print_json({"passages": count})
    else:
        print_text(f"The indexes hold {counted(count, 'passage')}.")
    return DONE


def _add_reindex(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--embedder", metavar="NAME", help="the embedder to move to (default: DATELINE_EMBEDDER, else the packaged one)"
    )


def _reindex(args: argparse.Namespace) -> int:
    from ingest.reindex import reindex
    from rag.archive.archive import Archive
    from rag.archive.installation import existing
    from rag.models.embeddings import open_embedder
    from rag.settings import Settings

    settings = existing(Settings.load(data_dir=args.data_dir, archive=args.archive, embedder=args.embedder))
    with closing(Archive(settings)) as archive, _progress_bar(quiet=args.json) as bar:
        report = reindex(archive, open_embedder(settings), lambda report: _advance_reindex(bar, report))
    if args.json:
        print_json(report.as_dict())
        return DONE
    print_text(
        f"{counted(report.passages, 'passage')} of {counted(report.articles, 'article')}: {report.embedded:,} embedded "
        f"in {report.seconds:.1f} s ({report.passages_per_second:.1f} a second), "
        f"{counted(report.dropped, 'old vector')} deleted\n"
        f"The archive's embedder is {report.embedder}."
    )
    return DONE


def _advance_reindex(bar: Any, report: ReindexReport) -> None:
    bar.total = report.total
    bar.update(report.articles - bar.n)
    bar.set_postfix(passages=report.passages, embedded=report.embedded, refresh=False)


COMMANDS = (
    Command(name="ingest", help="read articles from files and folders", run=_ingest, add_arguments=_add_ingest),
    Command(name="remove", help="delete articles with all their versions", run=_remove, add_arguments=_add_remove),
    Command(name="rebuild", help="rebuild the indexes from the catalogue", run=_rebuild),
    Command(
        name="reindex",
        help="move the archive to another embedder, while it is in use",
        run=_reindex,
        add_arguments=_add_reindex,
    ),
    *QUEUE_COMMANDS,
)
