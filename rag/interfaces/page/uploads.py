"""The files that browsers send to the page, from their arrival until they are among the ingest jobs."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, Protocol

from rag.errors import DatelineError
from rag.interfaces.json import JobState

REPORT_SECONDS = 0.4  # between two states of a running job
_NAME_CHARS = 80


class UploadJob(Protocol):
    """An ingest of uploaded files; ingest.jobs.Job is one. `settled` is set when nothing more becomes of it here."""

    state: JobState
    report: dict[str, Any]
    error: str
    held_up: bool
    settled: Event


class Intake(Protocol):
    """What the page needs of the ingest jobs; ingest.jobs.Jobs is one."""

    def add_files(self, files: Sequence[tuple[str, Any]]) -> UploadJob:
        """Ingests uploads: (name, file). Raises Busy, UploadTooLarge, StorageError."""
        ...

    def remove(self, article_id: str) -> bool:
        """Removes an article; False when there is none. Raises ArchiveBusy."""
        ...


class Uploads:
    """Hands uploaded files over to the ingest jobs."""

    def __init__(self, folder: Path, intake: Intake) -> None:
        """`folder` is where Gradio stores uploads: each file in a folder of its own, right below it."""
        self.folder, self.intake = folder.resolve(), intake

    def ingest(self, files: Sequence[Path]) -> Iterator[UploadJob]:
        """Begins to ingest the files; the job again and again until it is settled, the last time with its report.

        The job goes on when nobody reads. Raises DatelineError kinds, also for a job that failed.
        """
        with ExitStack() as opened:
            job = self.intake.add_files([(file.name, opened.enter_context(self._opened(file))) for file in files])
        for file in files:
            self._remove(file)
        while not job.settled.wait(REPORT_SECONDS):
            yield job
        if job.state == "waiting":
            raise DatelineError("The server is stopping. Your upload is taken up again at its next start.")
        if job.state == "failed":
            raise DatelineError(job.error)
        yield job

    def _opened(self, file: Path) -> BinaryIO:
        """An uploaded file, opened for reading. A request can name any path, so nothing else is opened.

        Raises DatelineError.
        """
        refused = DatelineError(
            f"“{file.name[:_NAME_CHARS]}” is not among the files that were sent here. Upload it again."
        )
        if file.parent.resolve().parent != self.folder or file.name in ("", ".", ".."):
            raise refused
        try:
            handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
            stream = os.fdopen(handle, "rb")
        except OSError:
            raise refused from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            stream.close()
            raise refused
        return stream

    def _remove(self, file: Path) -> None:
        """Removes the folder of a file that was taken in; only ever one right below the upload folder."""
        folder = file.parent.resolve()
        if folder.parent == self.folder:
            shutil.rmtree(folder, ignore_errors=True)
