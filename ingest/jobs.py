"""Ingests that are asked for over the network: one at a time, each with a report that can be looked up."""

from __future__ import annotations

import json
import logging
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ingest import pipeline
from ingest.pipeline import IngestReport
from ingest.read import ReadOptions, Rejected, read, read_bytes
from rag.archive import Archive
from rag.embed import Embedder
from rag.errors import ArchiveBusy, BadInput, DatelineError
from rag.problems import Busy
from rag.schema import Article
from rag.settings import Settings

log = logging.getLogger("dateline")

KEPT_JOBS = 1000  # the oldest finished ones are forgotten
MOST_WAITING = 100
BUSY_SECONDS = 60.0  # another process may be writing: a job waits so long for it


@dataclass(slots=True)
class Job:
    """One ingest: waiting, running, done with a report, or failed with an error."""

    id: str
    state: str = "waiting"
    report: dict[str, object] = field(default_factory=lambda: IngestReport().as_dict())
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For the HTTP face."""
        return {"id": self.id, "state": self.state, "report": self.report, "error": self.error}


class Jobs:
    """The ingests of one archive, in the order of their coming."""

    def __init__(self, archive: Archive, embedder: Embedder, settings: Settings) -> None:
        self.archive, self.embedder = archive, embedder
        self._options = ReadOptions(max_bytes=int(settings.max_file_mb * 1_000_000))
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="ingest")
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def get(self, job_id: str) -> Job | None:
        """A job that waits, runs or ended lately."""
        return self._jobs.get(job_id)

    def add_records(self, records: object) -> Job:
        """Ingests one article or a list of them, as JSON gives them. Raises BadInput when none can become one."""
        ours = records.get("id") or records.get("url") if isinstance(records, dict) else None
        data = json.dumps(records).encode()
        items = list(read_bytes(data, "article.json", self._options, source=f"api/{ours}" if ours else "api"))
        if all(isinstance(item, Rejected) for item in items):
            first = next((item for item in items if isinstance(item, Rejected)), None)
            why = first.message.removeprefix(f"{first.source}: ") if first else "it holds no article"
            raise BadInput("rejected", f"This cannot become an article: {why}.")
        return self._submit(items, None)

    def add_files(self, files: Iterable[tuple[str, Any]]) -> Job:
        """Ingests uploads: (name, a file to read from). They are copied before this returns."""
        folder = Path(tempfile.mkdtemp(prefix="dateline-job-"))
        try:
            paths = []
            for number, (name, stream) in enumerate(files):
                safe = Path(name.replace("\\", "/")).name.strip(". ") or "upload"
                place = folder / str(number)
                place.mkdir()
                paths.append(place / safe.encode("utf-8", "replace").decode().replace("\0", "")[-120:])
                with paths[-1].open("wb") as out:
                    shutil.copyfileobj(stream, out)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return self._submit(self._read(paths, folder), folder)

    def _read(self, paths: list[Path], folder: Path) -> Iterator[Article | Rejected]:
        """Sources under the names they were uploaded with: their place here means nothing, nor is it the same twice."""
        for item in read(paths, self._options):
            source = item.source.removeprefix(f"{folder}/").partition("/")[2] or item.source
            if isinstance(item, Rejected):
                yield replace(item, source=source, message=item.message.replace(item.source, source))
            else:
                yield replace(item, source=f"upload/{source}")

    def remove(self, article_id: str) -> bool:
        """Removes an article; False when there is none. Raises ArchiveBusy."""
        return pipeline.remove(self.archive, article_id)

    def close(self) -> None:
        """Ends the running job at its next article, keeping what it stored, and drops those in line."""
        self._closing.set()
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _submit(self, items: Iterable[Article | Rejected], folder: Path | None) -> Job:
        with self._lock:
            if sum(job.state == "waiting" for job in self._jobs.values()) >= MOST_WAITING:
                shutil.rmtree(folder, ignore_errors=True) if folder else None
                raise Busy(f"{MOST_WAITING} ingests are waiting. Send more when they are done.", 30)
            job = Job(secrets.token_hex(8))
            self._jobs[job.id] = job
            ended = [one.id for one in self._jobs.values() if one.state in ("done", "failed")]
            for job_id in ended[: max(0, len(self._jobs) - KEPT_JOBS)]:
                del self._jobs[job_id]
        self._worker.submit(self._work, job, items, folder)
        return job

    def _work(self, job: Job, items: Iterable[Article | Rejected], folder: Path | None) -> None:
        job.state = "running"
        try:
            report = self._ingest(job, items)
            job.report, job.state = report.as_dict(), "done"
        except DatelineError as error:
            job.error, job.state = str(error), "failed"
        except Exception as error:
            log.exception("ingest job %s failed", job.id)
            job.error, job.state = f"The ingest failed ({type(error).__name__}). The server's log says why.", "failed"
        finally:
            if folder:
                shutil.rmtree(folder, ignore_errors=True)

    def _ingest(self, job: Job, items: Iterable[Article | Rejected]) -> IngestReport:
        def progress(report: IngestReport) -> None:
            if report.read < 100 or report.read % 50 == 0:  # it names every rejection
                job.report = report.as_dict()

        began = time.monotonic()
        while True:
            try:
                return pipeline.ingest(self._until_closing(items), self.archive, self.embedder, progress=progress)
            except ArchiveBusy:  # nothing was read yet
                if time.monotonic() - began > BUSY_SECONDS or self._closing.wait(1):
                    raise

    def _until_closing(self, items: Iterable[Article | Rejected]) -> Iterator[Article | Rejected]:
        for item in items:
            if self._closing.is_set():
                raise DatelineError("The server was stopped during this ingest. Send the rest again.")
            yield item
