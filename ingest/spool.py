"""Storage of uploads between acknowledgement and ingest, so that no crash loses them.

uploads/jobs-TOKEN/JOB/manifest.json      the accepted files; written last, so that an incomplete upload has none
uploads/jobs-TOKEN/JOB/0/NAME             the files of the job
uploads/outcomes/JOB.json                 the outcome of a job, kept for 30 days at most
page-uploads/page-TOKEN/                  files that browsers send to the page, until a job takes them

A folder with a TOKEN belongs to the process that holds the lock file next to it; the next start takes over the folders
of processes that have ended. Only the owner of the archive can read their content.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import secrets
import shutil
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rag.archive import private_files as private
from rag.errors import Busy, StorageError, UploadTooLarge

if TYPE_CHECKING:
    from filelock import BaseFileLock

log = logging.getLogger("dateline")

FOLDER = "uploads"
PAGE_FOLDER = "page-uploads"  # separate from the jobs, as it is the only folder from which Gradio may serve files
VERSION = 1  # of manifests and outcomes
# The oldest outcomes are deleted beyond this number, total size or age.
KEPT_OUTCOMES = 1000
KEPT_OUTCOME_BYTES = 50_000_000
KEPT_OUTCOME_SECONDS = 30 * 24 * 3600
_MANIFEST = "manifest.json"
_CHUNK = 1_000_000
_JOB_ID = re.compile(r"[0-9a-f]{16}")
_NAME_BYTES = 180  # file systems allow 255
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.I)  # Windows opens a device for such a name


def holds_jobs(archive: Path) -> bool:
    """Whether uploads wait in the folder of an archive, also of a server that runs."""
    return any((archive / FOLDER).glob(f"jobs-*/*/{_MANIFEST}"))


def safe_name(name: str) -> str:
    """A client's file name made safe to store and show: without folders, control characters or direction marks."""
    last = re.split(r"[/\\]", name[-2000:])[-1]
    shown = "".join(c for c in last if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
    plain = re.sub(r'[<>:"|?*]', "_", shown).strip(". ")
    plain = f"_{plain}" if _RESERVED.fullmatch(plain) else plain
    # The name is cut at the front to keep the extension.
    return plain.encode()[-_NAME_BYTES:].decode(errors="ignore").lstrip(". ") or "upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledFile:
    """A file of a job; `source` is its name in reports."""

    path: Path
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledJob:
    """The content of a manifest. `arrived` increases in order of arrival; `attempts` counts the starts of the job."""

    id: str
    folder: Path
    arrived: int
    attempts: int
    files: tuple[SpooledFile, ...]


class OwnedFolder:
    """A new folder `KIND-TOKEN` that belongs to this process until `release` or until the process ends."""

    def __init__(self, parent: Path, kind: str) -> None:
        """Creates the folder and acquires its lock. Raises StorageError."""
        self._parent, self._kind = parent, kind
        with storing():
            private.make_folder(parent.parent)  # the archive folder, if it does not exist yet
            private.make_folder(parent)
            parent.chmod(0o700)
            while True:
                self.path = parent / f"{kind}-{secrets.token_hex(8)}"
                lock = _locked(self._lock_path(self.path))
                if lock is not None:  # None: another process that looks for leftover folders holds it
                    break
            self._lock = lock
            self.path.mkdir(mode=0o700)

    def take_over(self, use: Callable[[Path], None] = lambda folder: None) -> None:
        """Calls `use` with each folder of a process that has ended, then removes the folder."""
        for folder in sorted({path.with_suffix("") for path in self._parent.glob(f"{self._kind}-*")} - {self.path}):
            lock = _locked(self._lock_path(folder))
            if lock is None:
                continue
            try:
                if folder.is_dir():
                    use(folder)
                    shutil.rmtree(folder)
                self._lock_path(folder).unlink(missing_ok=True)
            except OSError as error:
                log.warning("the folder %s of an earlier start cannot be taken over: %s", folder, error)
            finally:
                lock.release()

    def release(self) -> None:
        """Releases the folder, so that the next start takes over its content. An empty folder is removed."""
        with suppress(OSError):
            self.path.rmdir()
        if not self.path.exists():
            with suppress(OSError):
                self._lock_path(self.path).unlink(missing_ok=True)
        self._lock.release()

    def remove_stale(self, seconds: float) -> None:
        """Removes files and folders in the folder that were not modified for so many seconds.

        Folders archive-NAME, for each of several archives, stay; what is in them is looked at instead.
        """
        parts = [path for path in self.path.glob("archive-*") if path.is_dir() and not path.is_symlink()]
        for path in [*(set(self.path.iterdir()) - set(parts)), *(path for part in parts for path in part.iterdir())]:
            with suppress(OSError):
                if time.time() - path.lstat().st_mtime > seconds:
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def remove(self) -> None:
        """Removes the folder with its content."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.release()

    def _lock_path(self, folder: Path) -> Path:
        return folder.with_name(f"{folder.name}.lock")


def _locked(path: Path) -> BaseFileLock | None:
    from filelock import FileLock, Timeout

    lock = FileLock(path, mode=0o600, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


class Spool:
    """The stored jobs of one process, at most `limit` bytes in total. Thread-safe."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self.outcomes = Outcomes(folder / "outcomes")
        self._own: OwnedFolder | None = None
        self._sizes: dict[str, int] = {}  # job -> bytes
        self._arrived = 0
        self._lock = threading.Lock()

    def left_over(self) -> list[SpooledJob]:
        """The jobs of processes that have ended, in order of arrival. They now belong to this process."""
        if not self.folder.is_dir():
            return []
        found: list[SpooledJob] = []
        self._mine().take_over(lambda folder: found.extend(self._adopted(folder)))
        found.sort(key=lambda job: (job.arrived, job.id))
        with self._lock:
            self._arrived = max([self._arrived, *(job.arrived for job in found)])
            for job in found:
                self._sizes[job.id] = sum(one.path.stat().st_size for one in job.files)
        return found

    def _adopted(self, folder: Path) -> Iterator[SpooledJob]:
        for place in [path for path in folder.iterdir() if (path / _MANIFEST).is_file()]:
            if self.outcomes.get(place.name) is not None:
                continue  # the job is complete, but the process ended before it removed the files
            moved = self._mine().path / place.name
            os.rename(place, moved)
            try:
                yield _job_of(moved)
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("the upload %s cannot be resumed, because its manifest is invalid: %s", moved, error)

    @contextmanager
    def arriving(self, job_id: str) -> Iterator[Arrival]:
        """A new job to add files to. They are removed when the context ends without a `commit`.

        Raises StorageError when the disk is full, Busy or UploadTooLarge when the space for uploads is.
        """
        with storing():
            place = self._mine().path / job_id
            place.mkdir(mode=0o700)
        arrival = Arrival(self, job_id, place)
        try:
            with storing():
                yield arrival
        finally:
            if arrival.job is None:
                self.remove(job_id)

    def attempt(self, job: SpooledJob, change: int = 1) -> SpooledJob:
        """The job with `change` added to its stored number of starts. Raises StorageError."""
        changed = replace(job, attempts=job.attempts + change)
        with storing():
            _write_manifest(changed)
        return changed

    def remove(self, job_id: str) -> None:
        """Removes the files of the job."""
        if self._own is not None:
            shutil.rmtree(self._own.path / job_id, ignore_errors=True)
        with self._lock:
            self._sizes.pop(job_id, None)

    def release(self) -> None:
        """Releases the folder; the next start resumes the jobs that wait in it."""
        with self._lock:
            own, self._own = self._own, None
        if own is not None:
            own.release()

    def _mine(self) -> OwnedFolder:
        with self._lock:
            if self._own is None:
                self._own = OwnedFolder(self.folder, "jobs")
            return self._own

    def _reserve(self, job_id: str, size: int) -> None:
        with self._lock:
            own = self._sizes.get(job_id, 0) + size
            others = sum(self._sizes.values()) - self._sizes.get(job_id, 0)
            limit = f"{self.limit / 1e6:,.0f} MB"
            if own > self.limit:
                raise UploadTooLarge(
                    f"The upload is larger than the {limit} allowed for waiting uploads; send it in parts."
                )
            if own + others > self.limit:
                raise Busy(f"Uploads of {others / 1e6:,.0f} MB are waiting; the limit is {limit}. Try again later.", 30)
            self._sizes[job_id] = own

    def _number(self) -> int:
        with self._lock:
            self._arrived = max(self._arrived + 1, time.time_ns())  # greater than all numbers of earlier runs
            return self._arrived


class Arrival:
    """A job whose files are being received."""

    def __init__(self, spool: Spool, job_id: str, place: Path) -> None:
        self._spool, self._id, self._place = spool, job_id, place
        self._files: list[SpooledFile] = []
        self.job: SpooledJob | None = None

    def add(self, name: str, source: str, stream: IO[bytes]) -> SpooledFile:
        """The file, copied to disk under a `name` from `safe_name`. Raises Busy, UploadTooLarge, OSError."""
        folder = self._place / str(len(self._files))
        folder.mkdir(mode=0o700)
        path = folder / name
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(handle, "wb") as out:
            while chunk := stream.read(_CHUNK):
                self._spool._reserve(self._id, len(chunk))
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        _fsync_folder(folder)
        self._files.append(SpooledFile(path=path, source=source))
        return self._files[-1]

    def commit(self, files: Sequence[SpooledFile] | None = None) -> SpooledJob:
        """The job, stored durably with `files` or all files added. Raises OSError."""
        kept = tuple(self._files if files is None else files)
        job = SpooledJob(id=self._id, folder=self._place, arrived=self._spool._number(), attempts=0, files=kept)
        _write_manifest(job)
        _fsync_folder(self._place.parent)
        self.job = job
        return job


class Outcomes:
    """The outcomes of completed jobs, one file each; the oldest are deleted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, job_id: str) -> dict[str, Any] | None:
        """The outcome of a job; None when it is unknown or invalid."""
        if not _JOB_ID.fullmatch(job_id):
            return None
        try:
            stored = json.loads((self.folder / f"{job_id}.json").read_text(encoding="utf-8"))
            return dict(stored["job"]) if stored["version"] == VERSION else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, job_id: str, job: dict[str, Any]) -> None:
        """Stores the outcome of a job. Raises StorageError."""
        with storing():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(self.folder / f"{job_id}.json", {"version": VERSION, "job": job})
            self._forget()

    def _forget(self) -> None:
        found = []
        for path in self.folder.iterdir():
            with suppress(OSError):  # another process may delete it at the same time
                seen = path.stat()
                found.append((seen.st_mtime, seen.st_size, path))
        total, now = 0, time.time()
        for number, (changed, size, path) in enumerate(sorted(found, reverse=True)):
            total += size
            if number >= KEPT_OUTCOMES or total > KEPT_OUTCOME_BYTES or now - changed > KEPT_OUTCOME_SECONDS:
                path.unlink(missing_ok=True)


@contextmanager
def storing() -> Iterator[None]:
    """Converts an OSError to a StorageError that names no path of this machine."""
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        what = "The disk has no room for it. Nothing was kept; free space" if full else f"{error.strerror}. Fix this"
        raise StorageError(f"The upload cannot be stored in the archive: {what} and send it again.") from error


def _job_of(folder: Path) -> SpooledJob:
    stored = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    if stored["version"] != VERSION:
        raise ValueError(
            f"its version is {stored['version']}, expected {VERSION}; start the version of Dateline that wrote it"
        )
    files = tuple(SpooledFile(path=folder / str(one["path"]), source=str(one["source"])) for one in stored["files"])
    return SpooledJob(
        id=folder.name, folder=folder, arrived=int(stored["arrived"]), attempts=int(stored["attempts"]), files=files
    )


def _write_manifest(job: SpooledJob) -> None:
    files = [{"path": one.path.relative_to(job.folder).as_posix(), "source": one.source} for one in job.files]
    data = {"version": VERSION, "arrived": job.arrived, "attempts": job.attempts, "files": files}
    _write(job.folder / _MANIFEST, data)


def _write(path: Path, data: dict[str, Any]) -> None:
    """Writes JSON atomically: a crash leaves either the old file or the new one."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(data, out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    _fsync_folder(path.parent)


def _fsync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
