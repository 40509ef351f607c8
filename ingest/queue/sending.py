"""Puts articles into the queue, in pieces of a bounded size.

Files are read here, by whoever has them, with the readers and options of a plain ingest: hence articles have the same
ids and sources, the queue holds one kind of content, and workers need neither the files nor the options. Several of
these may read at a time, on the machines where the files are; embedding, which takes most of the time, is the workers'.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from zlib import crc32

from ingest.pipeline import IngestReport
from ingest.queue.reports import MOST_REJECTIONS
from ingest.queue.tables import BEAT_SECONDS, Queue
from ingest.readers.files import Rejected
from rag.errors import CatalogueAway
from rag.schema import Article

# A piece: enough for the batches of the embedder, and few enough that a worker that stops loses seconds of work.
PIECE_ARTICLES = 50
PIECE_CHARS = 500_000
# Articles with the same id are in the same lane, which is worked off in the order of arrival: a correction never comes
# before what it corrects. So many workers can be busy at a time.
LANES = 64


class Sender:
    """Sends the items of one ingest."""

    def __init__(self, queue: Queue) -> None:
        self.id = queue.begin()
        self.sent = 0  # articles that are in the queue
        self.report = IngestReport()  # of what was rejected here, and is not in the queue yet
        self._queue = queue
        self._heard = time.monotonic()  # when this sender last gave a sign of life
        self._lanes: dict[str, list[Article]] = {}
        self._chars: dict[str, int] = {}

    def take(self, item: Article | Rejected) -> None:
        """Sends an article with others of its lane, or notes that it was rejected. Raises StorageError."""
        if time.monotonic() - self._heard > BEAT_SECONDS:
            self._heard = time.monotonic()
            with suppress(CatalogueAway):  # it may be back when there is something to put
                self._queue.beat(self.id)
        if isinstance(item, Rejected):
            self.report.read += 1
            self.report.rejected[item.reason] += 1
            if len(self.report.rejections) < MOST_REJECTIONS:
                self.report.rejections.append(item)
            return
        lane = f"lane {crc32(item.id.encode('utf-8', 'replace')) % LANES}"
        self._lanes.setdefault(lane, []).append(item)
        self._chars[lane] = self._chars.get(lane, 0) + len(item.text)
        if len(self._lanes[lane]) >= PIECE_ARTICLES or self._chars[lane] >= PIECE_CHARS:
            self._put(lane)

    def flush(self) -> None:
        """Sends all that was taken."""
        self._put(*self._lanes)

    def _put(self, *lanes: str) -> None:
        pieces = [(lane, self._lanes[lane]) for lane in lanes]
        self._queue.put(self.id, pieces, self.report)
        self.sent += sum(len(articles) for _, articles in pieces)
        self.report = IngestReport()
        for lane in lanes:
            del self._lanes[lane], self._chars[lane]


def send(
    items: Iterable[Article | Rejected], queue: Queue, *, progress: Callable[[int], None] = lambda read: None
) -> Sender:
    """Puts articles into the queue and returns when all are there, with the id of the ingest. Raises StorageError.

    Interrupted, it leaves there what it has read; the same articles once more change nothing.
    """
    sender = Sender(queue)
    complete = False
    try:
        for number, item in enumerate(items, 1):
            sender.take(item)
            progress(number)
        complete = True
    finally:
        try:
            sender.flush()
        except BaseException:
            complete = False
            raise
        finally:
            queue.end(sender.id, complete=complete)
    return sender
