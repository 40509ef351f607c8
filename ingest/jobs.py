"""Ingests that are asked for over the network or on the page, one at a time, each with a report that can be read.

An upload is on disk before it is acknowledged (ingest.spool) and is parsed in a process of its own. If the server
ends before the ingest is done, its next start resumes it under the same id.
"""

from __future__ import annotations

import io
import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import IO, Any, Literal

from ingest import pipeline
from ingest.pipeline import IngestReport
from ingest.queue.depth import depth_of
from ingest.readers.files import Rejected
from ingest.readers.guard import Guard, NoJson, Stopped
from ingest.readers.process import Limits
from ingest.spool import FOLDER, Arrival, Spool, SpooledFile, SpooledJob, safe_name
from rag.archive.archive import Archive
from rag.errors import ArchiveBusy, Busy, CatalogueAway, DatelineError, InvalidJson, StorageError, without_location
from rag.models.embeddings import Embedder
from rag.schema import Article
from rag.settings import Settings

log = logging.getLogger("dateline")

JobState = Literal["waiting", "running", "done", "failed"]

KEPT_JOBS = 100  # ended jobs in memory, where their outcome could not be written to disk
MOST_WAITING = 100
MOST_CHECKS = 4  # requests with JSON articles that are checked, or wait to be, while their client waits
MOST_RECORD_BYTES = 10_000_000  # of JSON in one request, which is held in memory; uploaded files are not
MOST_ATTEMPTS = 3  # a job during which the server ended this often is given up
MOST_REJECTIONS = 500  # named in a report; the rest are only counted
BUSY_SECONDS = 60.0  # how long a job waits for another process that writes to the archive
MOST_SLOW = 5  # attempts of a job whose catalogue answers too slowly, 30 s to 5 min each
_SOURCE_CHARS = 300
_MESSAGE_CHARS = 600


@dataclass(slots=True)
class Job:
    """One ingest: waiting, running, done with a report, or failed with an error.

    `held_up`: the job waits for another process that is writing to the archive, or for the server of its catalogue.
    `settled` is set when this process is finished with the job: it is done, has failed, or waits for the next start of
    the server.
    """

    id: str
    state: JobState = "waiting"
    report: dict[str, Any] = field(default_factory=lambda: IngestReport().as_dict())
    error: str = ""
    held_up: bool = False
    settled: threading.Event = field(default_factory=threading.Event)

    def as_dict(self) -> dict[str, Any]:
        """What is stored of an ended job."""
        return {"id": self.id, "state": self.state, "report": self.report, "error": self.error}


class Jobs:
    """The ingests of one archive, in the order of their arrival. Safe for many threads."""

    def __init__(self, archive: Archive, embedder: Embedder, settings: Settings) -> None:
        self.archive, self.embedder = archive, embedder
        self._limits = Limits(
            seconds=settings.read_seconds,
            megabytes=settings.read_memory_mb,
            max_bytes=int(settings.max_file_mb * 1_000_000),
        )
        self._spool = Spool(archive.folder / FOLDER, settings.spool_mb * 1_000_000)
        self._reader, self._checker = Guard(self._limits), Guard(self._limits)
        self._checks = threading.BoundedSemaphore(MOST_CHECKS)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="ingest")
        self._jobs: dict[str, Job] = {}
        self._lock = threading.RLock()
        self._started = False
        self._closing = threading.Event()

    @property
    def record_bytes(self) -> int:
        """The longest JSON that `add_records` takes."""
        return min(self._limits.max_bytes, MOST_RECORD_BYTES)

    @property
    def waiting(self) -> int:
        """How many jobs are in line; the one that runs is not."""
        with self._lock:
            return sum(job.state == "waiting" for job in self._jobs.values())

    @property
    def busy(self) -> bool:
        """Whether jobs wait or run, or have an outcome that could not be written to disk."""
        return bool(self._jobs)

    @property
    def gauges(self) -> dict[str, tuple[str, Callable[[], float]]]:
        """What is measured beside the uploads, by name, with a description: the queue of the workers."""
        database = self.archive.catalog.database
        return {
            "queue_articles": ("Articles in the queue of the workers", lambda: depth_of(database).articles),
            "queue_pieces_done": ("Pieces of the queue that workers have done", lambda: depth_of(database).pieces_done),
            "queue_seconds": ("Seconds that workers took for these pieces", lambda: depth_of(database).seconds),
        }

    def start(self) -> None:
        """Resumes what an earlier run of the server accepted and did not finish. Later calls do nothing."""
        with self._lock:
            if self._started:
                return
            self._started = True
            try:
                for spooled in self._spool.left_over():
                    self._enqueue(spooled)
            except StorageError as error:
                log.error("uploads of an earlier start cannot be resumed: %s", error)

    def get(self, job_id: str) -> Job | None:
        """A job that waits, runs or ended recently; None for any other id."""
        job = self._jobs.get(job_id)
        if job is None and (stored := self._spool.outcomes.get(job_id)) is not None:
            job = Job(job_id, state=stored["state"], report=stored["report"], error=stored["error"])
            job.settled.set()
        return job

    def add_records(self, body: bytes) -> Job:
        """Ingests one article or a list of them, as JSON.

        Raises BadInput when none can become an article, InvalidJson, Busy, StorageError.
        """
        if not self._checks.acquire(blocking=False):
            raise Busy(f"{MOST_CHECKS} other requests with articles are being read. Send it again.", 2)
        try:
            with self._arriving() as arrival:
                stored = arrival.add("article.json", "api", io.BytesIO(body))
                try:
                    name = self._checker.check_records(stored.path)
                except NoJson as error:
                    raise InvalidJson(str(error)) from None
                source = f"api/{_printable(name)}" if name else "api"
                return self._enqueue(arrival.commit([replace(stored, source=source)]))
        finally:
            self._checks.release()

    def add_files(self, files: Iterable[tuple[str, IO[bytes]]]) -> Job:
        """Ingests uploads: (name, a file to read from). They are on disk before this returns.

        Raises Busy, UploadTooLarge, StorageError.
        """
        with self._arriving() as arrival:
            for name, stream in files:
                safe = safe_name(name)
                arrival.add(safe, f"upload/{safe}", stream)
            return self._enqueue(arrival.commit())

    def remove(self, article_id: str) -> bool:
        """Removes an article; False when there is none. Raises ArchiveBusy."""
        return pipeline.remove(self.archive, article_id)

    def close(self) -> None:
        """Stops the running job at its next article and keeps what it stored; the next start resumes it."""
        self._closing.set()
        self._reader.close()
        self._checker.close()
        self._worker.shutdown(wait=True, cancel_futures=True)
        for job in list(self._jobs.values()):
            job.settled.set()
        self._spool.release()

    # --- the queue -----------------------------------------------------------------------------------------

    @contextmanager
    def _arriving(self) -> Iterator[Arrival]:
        self.start()  # jobs of an earlier run go first
        if self._closing.is_set():
            raise Busy("The server is stopping. Send it again when it runs.", 30)
        if self.waiting >= MOST_WAITING:
            raise Busy(f"{MOST_WAITING} ingests are waiting. Send more when they are done.", 30)
        with self._spool.arriving(secrets.token_hex(8)) as arrival:
            yield arrival

    def _enqueue(self, spooled: SpooledJob) -> Job:
        job = Job(spooled.id)
        with self._lock:
            self._jobs[job.id] = job
            ended = [one.id for one in self._jobs.values() if one.state in ("done", "failed")]
            for job_id in ended[: max(0, len(ended) - KEPT_JOBS)]:
                del self._jobs[job_id]
        try:
            self._worker.submit(self._work, job, spooled)
        except RuntimeError:  # closed in the meantime; the next start resumes it from disk
            job.settled.set()
        return job

    def _work(self, job: Job, spooled: SpooledJob) -> None:
        if self._closing.is_set():
            return
        job.state = "running"
        state: JobState
        try:
            if spooled.attempts >= MOST_ATTEMPTS:
                raise DatelineError(
                    f"The server ended {spooled.attempts} times during this ingest, so it is not tried again. "
                    "Send its files one by one to find the one that does it."
                )
            spooled = self._spool.attempt(spooled)
            job.report, state = self._ingest(job, spooled).as_dict(), "done"
        except Stopped:
            self._postpone(job, spooled)
            return
        except DatelineError as error:
            job.error, state = without_location(error, self.archive.folder), "failed"
        except Exception as error:
            log.exception("ingest job %s failed", job.id)
            job.error, state = f"The ingest failed ({type(error).__name__}). The server's log says why.", "failed"
        self._finish(job, state)

    def _postpone(self, job: Job, spooled: SpooledJob) -> None:
        """Leaves the job to the next start of the server. An orderly stop does not count as an attempt."""
        job.state = "waiting"
        try:
            self._spool.attempt(spooled, -1)
        except StorageError as error:
            log.warning("the attempt at job %s stays counted: %s", job.id, error)

    def _finish(self, job: Job, state: JobState) -> None:
        kept = True
        try:
            self._spool.outcomes.put(job.id, job.as_dict() | {"state": state})
        except StorageError as error:
            log.warning("the outcome of job %s is kept in memory only: %s", job.id, error)
            kept = False
        self._spool.remove(job.id)
        job.state = state
        job.settled.set()
        if kept:
            with self._lock:
                self._jobs.pop(job.id, None)

    def _ingest(self, job: Job, spooled: SpooledJob) -> IngestReport:
        def progress(report: IngestReport) -> None:
            job.held_up = False
            del report.rejections[MOST_REJECTIONS:]
            if report.read < 100 or report.read % 50 == 0:  # as_dict copies every rejection
                job.report = report.as_dict()

        began, slow, settled = time.monotonic(), 0, _Settled()
        while True:
            try:
                with closing(self._items(spooled.files)) as items:
                    return pipeline.ingest(
                        settled.left(items), self.archive, self.embedder,
                        report=_copied(settled.report), progress=progress, settled=settled.note,
                    )  # fmt: skip
            except (ArchiveBusy, CatalogueAway) as error:  # the one before anything is read, the other at any time
                job.held_up = True
                slow += isinstance(error, CatalogueAway) and error.answers
                if self._closing.wait(1):
                    raise Stopped("") from None
                # What was accepted waits for the server of the catalogue as long as it is away. One that is there and
                # too slow may be so for this job alone, behind which all others wait.
                if slow >= MOST_SLOW or (isinstance(error, ArchiveBusy) and time.monotonic() - began > BUSY_SECONDS):
                    raise

    def _items(self, files: Sequence[SpooledFile]) -> Generator[Article | Rejected, None, None]:
        for file in files:
            with closing(self._reader.read(file.path)) as items:
                for item in items:
                    if self._closing.is_set():
                        raise Stopped("")
                    yield _renamed(item, file)


class _Settled:
    """What became of the items of a job in the attempts so far, so that its report counts them all, and each item once.

    Items are told by their content, not by their place: a file that was too slow to read may give more another time.
    """

    def __init__(self) -> None:
        self.report = IngestReport()
        self._items: Counter[int] = Counter()  # hashes of those that `report` counts
        self._read: list[int] = []  # of those that came after them in this attempt

    def left(self, items: Iterable[Article | Rejected]) -> Iterator[Article | Rejected]:
        """The items that the report does not count yet."""
        counted, self._read = self._items.copy(), []
        for item in items:
            key = hash(item)
            if counted[key]:
                counted[key] -= 1
            else:
                self._read.append(key)
                yield item

    def note(self, report: IngestReport) -> None:
        """Takes over what is settled: all items that the report has read."""
        number = report.read - self.report.read
        self._items.update(self._read[:number])
        del self._read[:number]
        self.report = _copied(report)


def _copied(report: IngestReport) -> IngestReport:
    return replace(report, rejected=Counter(report.rejected), rejections=list(report.rejections))


def _renamed(item: Article | Rejected, file: SpooledFile) -> Article | Rejected:
    """The item with the client's file name in place of the temporary path, which is private and changes every time.

    Names of archive members and of fields come from the client and can have any length, so they are cut.
    """
    place, source = str(file.path), file.source
    if isinstance(item, Article):
        return replace(item, source=_printable(source + item.source.removeprefix(place)))
    # A report is for the client, who knows the file by its own name alone.
    shown = source.removeprefix("upload/")
    message = item.message.replace(place, shown).replace(str(file.path.parent), "the upload")
    return replace(item, source=_printable(shown + item.source.removeprefix(place)), message=message[:_MESSAGE_CHARS])


def _printable(source: str) -> str:
    return "".join(c for c in source[:_SOURCE_CHARS] if c.isprintable())
