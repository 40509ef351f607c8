"""The commands of the queue: `dateline worker`, `dateline jobs`, and `dateline ingest` with --queue."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from rag.errors import SettingsError
from rag.terminal import DONE, NOTHING, Command, counted, print_json, print_note, print_text

if TYPE_CHECKING:
    from ingest.queue.tables import Queue, QueuedIngest
    from ingest.readers.files import Rejected
    from rag.archive.archive import Archive
    from rag.models.embeddings import Embedder
    from rag.schema import Article
    from rag.settings import Settings

_LOOK_SECONDS = 0.5  # between looks at an ingest that is waited for
_SHOWN = 50  # ingests in a list


def queue_and_wait(
    items: Iterable[Article | Rejected], archive: Archive, *, wait: bool, progress: Callable[[int], None]
) -> QueuedIngest:
    """Puts the items into the queue; with `wait` it returns when workers are done with them. Raises DatelineError."""
    from ingest.queue.sending import send
    from ingest.queue.tables import Queue

    queue = Queue(archive.catalog)
    sender = send(items, queue, progress=progress)
    if not queue.workers():
        print_note("dateline: no worker is running. Start one, on any machine, with: dateline worker")
    if wait:
        print_note(f"dateline: queued as {sender.id}. What becomes of it: dateline jobs {sender.id}")
    return _done(queue, sender.id, wait=wait)


def _done(queue: Queue, ingest: str, *, wait: bool) -> QueuedIngest:
    while True:
        found = queue.ingest(ingest)
        assert found is not None  # it is kept for days
        if not wait or found.ended_at:
            return found
        time.sleep(_LOOK_SECONDS)


def told(found: QueuedIngest) -> str:
    """A line on an ingest in the queue."""
    report = found.report
    rejected = sum(report.rejected.values())
    return (
        f"{found.id}  {found.queued_at:%Y-%m-%d %H:%M}  {found.state:11}  {found.waiting} waiting, {report.kept} kept "
        f"({counted(report.updated, 'new version')}), {report.unchanged} unchanged, {report.withdrawn} withdrawn, "
        f"{rejected} rejected"
    )


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="print the report of this one")


def _jobs(args: argparse.Namespace) -> int:
    from ingest.cli import print_report
    from ingest.queue.tables import Queue, check_database
    from rag.archive.archive import Archive
    from rag.archive.installation import existing
    from rag.settings import Settings

    settings = Settings.load(data_dir=args.data_dir, archive=args.archive)
    check_database(shared=bool(settings.catalog))  # first: who forgot the setting has no archive in the folder
    with closing(Archive(existing(settings))) as archive:
        queue = Queue(archive.catalog, create=False)
        found = queue.ingests(_SHOWN) if args.id is None else [one for one in [queue.ingest(args.id)] if one]
        workers = queue.workers()
    if args.json and args.id is None:
        print_json({"workers": workers, "jobs": [one.as_dict() for one in found]})
    elif args.json:
        print_json(found[0].as_dict() if found else {})
    else:
        for one in found:
            print_text(told(one))
        if args.id and found:
            print_report(found[0].report)
        elif found:
            print_text(f"{counted(workers, 'worker')} running")
        for one in found:
            if one.state in ("stopped", "interrupted"):
                print_note(
                    f"dateline: the ingest {one.id} ended before all was queued. Run the same dateline ingest --queue "
                    "again: what was queued is not stored twice."
                )
    if not found:
        if args.id:
            print_note(f"dateline: there is no job '{args.id}'. List them with: dateline jobs")
        else:
            print_note("dateline: nothing was queued. Queue articles with: dateline ingest --queue FILE-OR-FOLDER")
    return DONE if found else NOTHING


def _add_worker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", metavar="NAME", default="", help="in the log (default: machine and process)")
    parser.add_argument(
        "--concurrency", type=int, default=1, metavar="N",
        help="pieces at a time; more than 1 for an embedder at DATELINE_EMBEDDER_URL (default 1)",
    )  # fmt: skip


def _worker(args: argparse.Namespace) -> int:
    from ingest.queue import worker
    from rag.settings import Settings

    if not 1 <= args.concurrency <= 64:
        raise SettingsError(f"--concurrency is {args.concurrency}; expected 1 to 64.")
    name = args.name.strip()[:100] or f"{platform.node() or 'worker'}-{os.getpid()}"
    worker.run(Settings.load(data_dir=args.data_dir, archive=args.archive), name, args.concurrency, _embedder)
    return DONE


def _embedder(settings: Settings, archive: Archive) -> Embedder:
    """The embedder, which has embedded: one that is not there is told before work is taken."""
    from rag.models.archive_embedder import embedder_for

    embedder = embedder_for(settings, lambda: archive.model)
    embedder.embed_passages(["A worker starts."])
    return embedder


COMMANDS = (
    Command(
        name="worker",
        help="store what dateline ingest --queue has queued, until stopped; any number of them, on any machine",
        run=_worker,
        add_arguments=_add_worker,
    ),
    Command(name="jobs", help="list what was queued, or print the report of one", run=_jobs, add_arguments=_add_jobs),
)
