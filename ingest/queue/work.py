"""What a worker does with a piece of the queue: it stores the articles that no attempt before has stored."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from ingest import pipeline
from ingest.pipeline import IngestReport
from ingest.queue.engine import GivenBack
from ingest.queue.tables import Piece, Queue, TakenOver
from ingest.readers.files import Rejected
from rag.archive.archive import Archive
from rag.archive.tables.database import Statements
from rag.errors import ArchiveMismatch, DatelineError
from rag.models.embeddings import Embedder
from rag.schema import Article

log = logging.getLogger("dateline.worker")

# An article of which so many workers died in turn is rejected. The first death tells only the piece, whose articles are
# then stored one by one, so the others are the article's own.
MOST_CRASHES = 3


class PieceWorker:
    """Stores pieces of one queue. Safe for several threads."""

    def __init__(self, archive: Archive, embedder: Embedder, queue: Queue, name: str) -> None:
        """`name`: of the worker, in its log."""
        self.fatal: DatelineError | None = None  # why this worker cannot go on, whatever the piece
        self._archive, self._embedder, self._queue, self._name = archive, embedder, queue, name
        self._stopping = threading.Event()
        self._ended_well: list[tuple[int, str]] = []  # pieces not given back, with their holders: the database was away

    def stop(self) -> None:
        """Has each piece stored up to the article that is being read, and given back."""
        self._stopping.set()

    def work(self, number: int) -> None:
        """Stores what is left of a piece, and takes its content out of the queue.

        Raises GivenBack after `stop`, and DatelineError when it cannot go on now: the piece is given back then. After
        any other error it counts as one that killed its worker.
        """
        began = time.monotonic()
        holder = f"{self._name} {secrets.token_hex(8)}"
        try:
            piece = self._queue.take(number, holder, [one for _, one in self._ended_well])
            if piece is None:
                return
            self._store(piece, holder)
            seconds = time.monotonic() - began
            if piece.report.read < len(piece.articles):
                raise GivenBack("The worker stops.")
            self._queue.finish(piece, holder, seconds)
        except TakenOver as error:
            self.say("taken over", piece=number, why=str(error))
        except DatelineError as error:
            self._ended_well.append((number, holder))
            self.give_back_left()
            if isinstance(error, ArchiveMismatch):
                self.fatal = error
            elif not isinstance(error, GivenBack):
                self.say("tried again later", logging.WARNING, piece=number, why=str(error))
            raise
        except Exception as error:
            log.exception(
                "%s", json.dumps({"worker": self._name, "event": "failed", "piece": number, "why": str(error)})
            )
            raise
        else:
            data = piece.report.as_dict()
            counts = {name: data[name] for name in ("read", "kept", "updated", "unchanged", "withdrawn", "passages")}
            rejected = sum(piece.report.rejected.values())
            self.say(
                "stored", ingest=piece.ingest, piece=number, **counts, rejected=rejected, seconds=round(seconds, 3)
            )

    def give_back_left(self) -> None:
        """Gives back what this process could not while the database was away, before another worker counts a death."""
        for left in list(self._ended_well):
            try:
                self._queue.give_back(*left)
            except DatelineError as error:
                log.debug("piece %s is given back when the database is there again: %s", left[0], error)
                return
            with suppress(ValueError):  # another thread has given it back too
                self._ended_well.remove(left)

    def say(self, event: str, level: int = logging.INFO, /, **more: object) -> None:
        """Writes a line of JSON to the log."""
        log.log(level, "%s", json.dumps({"worker": self._name, "event": event} | more, ensure_ascii=False))

    def _store(self, piece: Piece, holder: str) -> None:
        careful = piece.crashes > 0

        def note(db: Statements, report: IngestReport | None) -> None:
            if report is None:
                self._queue.hold(db, piece.id, holder)
            else:
                self._queue.note(db, piece.id, holder, report)

        def note_each(report: IngestReport) -> None:
            if careful:  # also what was not stored is behind
                with self._queue.database.transaction() as db:
                    note(db, report)

        if piece.crashes >= MOST_CRASHES and piece.report.read < len(piece.articles):
            _reject_next(piece)
            note_each(piece.report)
        pipeline.store(
            self._left(piece), self._archive, self._embedder, piece.report,
            noting=note, singly=careful, progress=note_each,
        )  # fmt: skip

    def _left(self, piece: Piece) -> Iterator[Article]:
        for article in piece.articles[piece.report.read :]:
            if self._stopping.is_set():
                return
            yield article


def _reject_next(piece: Piece) -> None:
    """Rejects the article at which workers died: each was before it when it ended."""
    article = piece.articles[piece.report.read]
    message = (
        f"{article.source}: {piece.crashes} workers ended while they stored it, so it is not tried again. The other "
        "articles are not affected; check this one, and the memory of the workers."
    )
    piece.report.read += 1
    piece.report.rejected["crashed"] += 1
    piece.report.rejections.append(Rejected(source=article.source, reason="crashed", message=message))
