"""Ingests that are asked for over the network or on the page: one at a time, each with a report to be looked up.

What was taken is on disk before its sender hears so (ingest.spool), is read by a process of its own,
and is taken up again under the same id when the server ended before it was done.
"""

from __future__ import annotations

import io
import logging
import secrets
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import IO, Any

from ingest import pipeline
from ingest.pipeline import IngestReport
from ingest.readers.files import Rejected
from ingest.readers.guard import Guard, NoJson, Stopped
from ingest.readers.process import Limits
from ingest.spool import FOLDER, Arrival, Spool, SpooledFile, SpooledJob, safe_name
from rag.archive.archive import Archive
from rag.errors import ArchiveBusy, DatelineError, StorageError
from rag.interfaces.http.errors import Busy, Refused, said
from rag.models.embeddings import Embedder
from rag.schema import Article
from rag.settings import Settings

log = logging.getLogger("dateline")

KEPT_JOBS = 100  # ended ones in memory, for as long as the disk takes no outcome; more are on disk
MOST_WAITING = 100
MOST_CHECKS = 4  # records that are looked at while their sender waits, or wait for that
MOST_RECORD_BYTES = 10_000_000  # of one request, which is held in memory; a file is not
MOST_ATTEMPTS = 3  # a job with which the server ended so often is not tried again
MOST_REJECTIONS = 500  # are named in a report; all are counted
BUSY_SECONDS = 60.0  # another process may be writing: a job waits so long for it
_SOURCE_CHARS = 300
_MESSAGE_CHARS = 600


@dataclass(slots=True)
class Job:
    """One ingest: waiting, running, done with a report, or failed with an error.

    `held_up`: another process is writing to the archive, and the job waits for it. `settled` is set when this process
    will do no more for the job: it is done or failed, or waits for the next start of the server.
    """

    id: str
    state: str = "waiting"
    report: dict[str, object] = field(default_factory=lambda: IngestReport().as_dict())
    error: str = ""
    held_up: bool = False
    settled: threading.Event = field(default_factory=threading.Event)

    def as_dict(self) -> dict[str, Any]:
        """For the HTTP face."""
        return {"id": self.id, "state": self.state, "report": self.report, "error": self.error}


class Jobs:
    """The ingests of one archive, in the order of their coming. Safe for many threads."""

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

    def start(self) -> None:
        """Takes up what an earlier start of the server had promised and not done. Later calls do nothing."""
        with self._lock:
            if self._started:
                return
            self._started = True
            try:
                for spooled in self._spool.left_over():
                    self._line_up(spooled)
            except StorageError as error:
                log.error("uploads of an earlier start cannot be taken up: %s", error)

    def get(self, job_id: str) -> Job | None:
        """A job that waits, runs or ended lately."""
        job = self._jobs.get(job_id)
        if job is None and (stored := self._spool.outcomes.get(job_id)) is not None:
            job = Job(job_id, state=stored["state"], report=stored["report"], error=stored["error"])
            job.settled.set()
        return job

    def add_records(self, body: bytes) -> Job:
        """Ingests one article or a list of them, as JSON.

        Raises BadInput when none can become an article, Refused when it is no JSON, Busy, StorageError.
        """
        if not self._checks.acquire(blocking=False):
            raise Busy(f"{MOST_CHECKS} other requests with articles are being read. Send it again.", 2)
        try:
            with self._arriving() as arrival:
                stored = arrival.add("article.json", "api", io.BytesIO(body))
                try:
                    name = self._checker.check_records(stored.path)
                except NoJson as error:
                    raise Refused(400, str(error)) from None
                source = f"api/{_printable(name)}" if name else "api"
                return self._line_up(arrival.commit([replace(stored, source=source)]))
        finally:
            self._checks.release()

    def add_files(self, files: Iterable[tuple[str, IO[bytes]]]) -> Job:
        """Ingests uploads: (name, a file to read from). They are on disk before this returns.

        Raises Busy, Refused, StorageError.
        """
        with self._arriving() as arrival:
            for name, stream in files:
                safe = safe_name(name)
                arrival.add(safe, f"upload/{safe}", stream)
            return self._line_up(arrival.commit())

    def remove(self, article_id: str) -> bool:
        """Removes an article; False when there is none. Raises ArchiveBusy."""
        return pipeline.remove(self.archive, article_id)

    def close(self) -> None:
        """Ends the running job at its next article, keeping what it stored; the next start goes on with it."""
        self._closing.set()
        self._reader.close()
        self._checker.close()
        self._worker.shutdown(wait=True, cancel_futures=True)
        for job in list(self._jobs.values()):
            job.settled.set()
        self._spool.release()

    # --- the line -----------------------------------------------------------------------------------------

    @contextmanager
    def _arriving(self) -> Iterator[Arrival]:
        self.start()  # what came before goes first
        if self._closing.is_set():
            raise Busy("The server is stopping. Send it again when it runs.", 30)
        with self._lock:
            if sum(job.state == "waiting" for job in self._jobs.values()) >= MOST_WAITING:
                raise Busy(f"{MOST_WAITING} ingests are waiting. Send more when they are done.", 30)
        with self._spool.arriving(secrets.token_hex(8)) as arrival:
            yield arrival

    def _line_up(self, spooled: SpooledJob) -> Job:
        job = Job(spooled.id)
        with self._lock:
            self._jobs[job.id] = job
            ended = [one.id for one in self._jobs.values() if one.state in ("done", "failed")]
            for job_id in ended[: max(0, len(ended) - KEPT_JOBS)]:
                del self._jobs[job_id]
        try:
            self._worker.submit(self._work, job, spooled)
        except RuntimeError:  # closed in the meantime; it is on disk, and the next start takes it up
            job.settled.set()
        return job

    def _work(self, job: Job, spooled: SpooledJob) -> None:
        if self._closing.is_set():
            return
        job.state = "running"
        try:
            if spooled.attempts >= MOST_ATTEMPTS:
                raise DatelineError(
                    f"The server ended {spooled.attempts} times during this ingest, so it is not tried again. "
                    "Send its files one by one to find the one that does it."
                )
            spooled = self._spool.attempt(spooled)
            job.report, state = self._ingest(job, spooled).as_dict(), "done"
        except Stopped:
            self._give_back(job, spooled)
            return
        except DatelineError as error:
            job.error, state = said(error, self.archive.folder), "failed"
        except Exception as error:
            log.exception("ingest job %s failed", job.id)
            job.error, state = f"The ingest failed ({type(error).__name__}). The server's log says why.", "failed"
        self._finish(job, state)

    def _give_back(self, job: Job, spooled: SpooledJob) -> None:
        """The server is stopped in order: the job waits for its next start, and this was no attempt."""
        job.state = "waiting"
        try:
            self._spool.attempt(spooled, -1)
        except StorageError as error:
            log.warning("the attempt of job %s stays counted: %s", job.id, error)

    def _finish(self, job: Job, state: str) -> None:
        kept = True
        try:
            self._spool.outcomes.put(job.id, job.as_dict() | {"state": state})
        except StorageError as error:
            log.warning("what became of job %s is kept in memory only: %s", job.id, error)
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
            if report.read < 100 or report.read % 50 == 0:  # it names every rejection
                job.report = report.as_dict()

        began = time.monotonic()
        while True:
            try:
                with closing(self._items(spooled.files)) as items:
                    return pipeline.ingest(items, self.archive, self.embedder, progress=progress)
            except ArchiveBusy:  # nothing was read yet
                job.held_up = True
                if self._closing.wait(1):
                    raise Stopped("") from None
                if time.monotonic() - began > BUSY_SECONDS:
                    raise

    def _items(self, files: Sequence[SpooledFile]) -> Generator[Article | Rejected, None, None]:
        for file in files:
            with closing(self._reader.read(file.path)) as items:
                for item in items:
                    if self._closing.is_set():
                        raise Stopped("")
                    yield _renamed(item, file)


def _renamed(item: Article | Rejected, file: SpooledFile) -> Article | Rejected:
    """The item under the name that its sender gave the file: where it lies is nobody's business, nor twice the same.

    Names of archive members and of fields are the sender's, and may be of any length: what is reported is cut.
    """
    place, source = str(file.path), file.source
    if isinstance(item, Article):
        return replace(item, source=_printable(source + item.source.removeprefix(place)))
    # A report is read by the one who sent the file: under the name that it was sent with.
    shown = source.removeprefix("upload/")
    message = item.message.replace(place, shown).replace(str(file.path.parent), "the upload")
    return replace(item, source=_printable(shown + item.source.removeprefix(place)), message=message[:_MESSAGE_CHARS])


def _printable(source: str) -> str:
    return "".join(c for c in source[:_SOURCE_CHARS] if c.isprintable())
