"""The process `dateline worker`: stores what waits in the queue until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import closing, suppress

from ingest import pipeline
from ingest.queue import engine
from ingest.queue.tables import Queue
from ingest.queue.work import PieceWorker, log
from rag.archive.archive import Archive
from rag.errors import DatelineError
from rag.models.embeddings import Embedder
from rag.settings import Settings
from rag.terminal import log_on_standard_error

_PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)  # seconds between attempts to reach the database, which each take 10 s more
_SOUND_SECONDS = 60.0  # after which a connection that breaks is the first one that does
_LIBRARIES = ("procrastinate", "psycopg.pool", "asyncio")  # whose log repeats, at length, what ours says


def run(settings: Settings, name: str, concurrency: int, embedder: Callable[[Settings, Archive], Embedder]) -> None:
    """Works until SIGTERM or Ctrl-C, then finishes or gives back what was begun.

    Raises DatelineError where it cannot begin: no PostgreSQL, another embedder, another version's queue. One that is
    away later is waited for.
    """
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.CRITICAL)
    with log_on_standard_error(log), closing(Archive(settings)) as archive:
        used = embedder(settings, archive)
        queue = Queue(archive.catalog)
        archive.claim(pipeline.properties(used))
        worker = PieceWorker(archive, used, queue, name)
        asyncio.run(_work(worker, queue, name, concurrency))
        if worker.fatal:
            raise worker.fatal


async def _work(worker: PieceWorker, queue: Queue, name: str, concurrency: int) -> None:
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        worker.stop()
        stopping.set()

    def work(piece: int) -> None:
        try:
            worker.work(piece)
        finally:
            if worker.fatal:
                loop.call_soon_threadsafe(stop)

    _on_signals(loop, stop)
    worker.say("started", queue=queue.database.place, concurrency=concurrency)
    failed = 0
    while True:
        began, why = loop.time(), "the connection to the queue broke"
        await asyncio.to_thread(worker.give_back_left)  # before others take up what a breakdown has left
        try:
            await engine.run(queue.database, work, name, concurrency, stopping)
        except DatelineError as error:
            why = str(error)
        if stopping.is_set():
            break
        failed = 0 if loop.time() - began > _SOUND_SECONDS else failed
        pause = _PAUSES[min(failed, len(_PAUSES) - 1)]
        failed += 1
        worker.say("waiting", logging.WARNING, why=why, seconds=pause)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pause)
    await asyncio.to_thread(worker.give_back_left)
    worker.say("stopped")


def _on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, stop)
