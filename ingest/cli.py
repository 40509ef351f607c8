"""`dateline ingest`, `remove` and `rebuild`; `python -m ingest PATH…` is the first of them."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from datetime import datetime, time
from pathlib import Path
from typing import Any

from ingest import pipeline
from ingest.readers.files import ReadOptions, read
from rag.archive.archive import Archive
from rag.errors import SettingsError
from rag.interfaces.cli import DONE, NOTHING, emit, main, plain
from rag.models.embeddings import LazyEmbedder
from rag.settings import Settings

_FIELDS = ("id", "url", "title", "outlet", "byline", "published", "modified", "language", "text", "genre")


def run(args: argparse.Namespace) -> int:
    """Runs the command that the parsed arguments name; the exit code."""
    settings = Settings.load(data_dir=args.data_dir, max_file_mb=getattr(args, "max_mb", None))
    with closing(Archive(settings)) as archive:
        if args.command == "remove":
            return _remove(args, archive)
        if args.command == "rebuild":
            return _rebuild(args, archive, settings)
        return _ingest(args, archive, settings)


def _ingest(args: argparse.Namespace, archive: Archive, settings: Settings) -> int:
    published = datetime.combine(args.published, time()) if args.published else None
    options = ReadOptions(
        max_bytes=int(settings.max_file_mb * 1_000_000),
        mapping=_mapping(args.map),
        published=published,
        outlet=args.outlet,
        language=args.language,
    )
    with _bar(quiet=args.json) as bar:
        report = pipeline.ingest(
            read([Path(path) for path in args.paths], options),
            archive,
            LazyEmbedder(settings.embedder),
            progress=lambda r: _advance(bar, r),
        )
    if args.json:
        emit(report.as_dict())
    else:
        _print(report)
    return DONE if report.kept or report.unchanged or report.withdrawn else NOTHING


def _mapping(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        ours, _, theirs = pair.partition("=")
        if ours not in _FIELDS or not theirs:
            raise SettingsError(f"--map is '{pair}'; expected OURS=THEIRS with one of {', '.join(_FIELDS)}.")
        found[ours] = theirs
    return found


def _bar(*, quiet: bool) -> Any:
    from tqdm import tqdm

    return tqdm(unit=" articles", disable=quiet or not sys.stderr.isatty(), leave=False)


def _advance(bar: Any, report: pipeline.IngestReport) -> None:
    bar.update(report.read - bar.n)
    bar.set_postfix(passages=report.passages, rejected=sum(report.rejected.values()), refresh=False)


def _print(report: pipeline.IngestReport) -> None:
    updated = f" ({report.updated} new versions)" if report.updated else ""
    withdrawn = f", {report.withdrawn} withdrawn" if report.withdrawn else ""
    rejected = ", ".join(f"{count} {reason}" for reason, count in report.rejected.most_common())
    sys.stdout.write(
        f"{report.read} read: {report.kept} kept{updated}, {report.unchanged} unchanged{withdrawn}, "
        f"{sum(report.rejected.values())} rejected{f' ({rejected})' if rejected else ''}\n"
        f"{report.passages} passages in {report.seconds:.1f} s ({report.passages_per_second:.1f} a second)\n"
    )
    for rejection in report.rejections[:20]:
        sys.stderr.write(plain(f"rejected ({rejection.reason}): {rejection.message}") + "\n")
    if len(report.rejections) > 20:
        sys.stderr.write(f"… and {len(report.rejections) - 20} more; --json names them all\n")


def _remove(args: argparse.Namespace, archive: Archive) -> int:
    gone = {article_id: pipeline.remove(archive, article_id) for article_id in args.ids}
    if args.json:
        emit(
            {"removed": [i for i, done in gone.items() if done], "unknown": [i for i, done in gone.items() if not done]}
        )
    for article_id, done in gone.items():
        if not done:
            sys.stderr.write(f"dateline: there is no article '{article_id}'. List them with: dateline articles\n")
        elif not args.json:
            sys.stdout.write(f"removed {article_id}\n")
    return DONE if any(gone.values()) else NOTHING


def _rebuild(args: argparse.Namespace, archive: Archive, settings: Settings) -> int:
    if args.embed:
        with _bar(quiet=args.json) as bar:
            count = pipeline.reembed(archive, LazyEmbedder(settings.embedder), lambda done, _: bar.update(done - bar.n))
    else:
        count = archive.rebuild()
    if args.json:
        emit({"passages": count})
    else:
        sys.stdout.write(f"The indexes hold {count:,} passages.\n")
    return DONE


if __name__ == "__main__":
    sys.exit(main(["ingest", *sys.argv[1:]]))
