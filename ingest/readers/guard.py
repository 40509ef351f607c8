"""Reads uploads in a child process with a time and a memory limit, so that a hostile file harms nothing else.

The limits hold for each file, archive member and record. What exceeds one is rejected, and reading continues with the
next member or record.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from ingest.readers.files import Rejected
from ingest.readers.process import LENGTH, OUT_OF_MEMORY, Limits, article_from
from rag.errors import BadInput, DatelineError
from rag.schema import Article

# A file is given up after the reader has ended on so many of its members or records: each failure costs seconds.
MOST_FAILURES = 20
_START_SECONDS = 60.0  # to import the libraries of the readers, which took 2 s on two cores
_CLOSE_SECONDS = 10.0
_REASON_CHARS, _MESSAGE_CHARS = 40, 600
# All that the child gets of the server's environment, which may hold keys.
_ENVIRONMENT = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "TZ", "VIRTUAL_ENV",
)  # fmt: skip


class Stopped(DatelineError):
    """The server is stopping, and the file was not read completely."""


class NoJson(DatelineError):
    """The body that was sent as records is not valid JSON."""


class _Ended(Exception):
    """The child process ended, or was killed, while it was reading; `reason` and `why` are for the sender."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason, self.why = reason, why


class Guard:
    """One reading process, started on demand and restarted after it has ended. One thread reads at a time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()
        self._deadline = float("inf")  # of the current wait, in seconds of time.monotonic
        self._overran = False
        self._closed = False
        self._watching: threading.Thread | None = None
        self._changed = threading.Condition()

    def read(self, path: Path) -> Generator[Article | Rejected, None, None]:
        """Yields what the reader returns for this file, and a Rejected where the process ended. Raises Stopped."""
        with self._turn:
            yield from self._read(path)

    def _read(self, path: Path) -> Generator[Article | Rejected, None, None]:
        behind, failures = "", 0
        while True:
            at, given = "", False
            try:
                for message in self._asked({"what": "file", "path": str(path), "behind": behind}):
                    if "at" in message:
                        at, given = str(message["at"]), False
                    else:
                        yield _item_of(message)
                        given = True
                return
            except _Ended as ended:
                failures += 1
                if not at or at == behind:
                    yield _rejected(behind or str(path), ended, rest=bool(behind))
                    return
                if not given:
                    yield _rejected(at, ended)
                if failures >= MOST_FAILURES:
                    yield _rejected(str(path), _Ended("unreadable", f"reading it failed {failures} times"), rest=True)
                    return
                behind = at

    def check_records(self, path: Path) -> str:
        """The id or address of the record in this file, "" for several.

        Raises BadInput when none can become an article, NoJson, Stopped.
        """
        with self._turn:
            try:
                (message,) = self._asked({"what": "records", "path": str(path), "behind": ""})
            except _Ended as ended:
                raise BadInput("rejected", f"This cannot become an article: {ended.why}.") from None
        if "no_json" in message:
            raise NoJson(f"The body is no JSON: {str(message['no_json'])[:_MESSAGE_CHARS]}.")
        if "refused" in message:
            raise BadInput("rejected", f"This cannot become an article: {str(message['refused'])[:_MESSAGE_CHARS]}.")
        return str(message["name"])

    def close(self) -> None:
        """Kills the process; a read that is under way raises Stopped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            process = self._process
        if process is not None:
            process.kill()  # the thread that waits for its reply sees the pipe close
        if self._turn.acquire(timeout=_CLOSE_SECONDS):
            self._end()
            self._turn.release()

    # --- messages -----------------------------------------------------------------------------------------

    def _asked(self, request: dict[str, str]) -> Generator[dict[str, Any], None, None]:
        """Yields the messages that answer a request. Raises _Ended, Stopped."""
        process = self._begun(request)
        complete = False
        try:
            while True:
                message = self._message(process, self.limits.seconds)
                if "done" in message:
                    complete = True
                    return
                if "failed" in message:
                    complete = True
                    raise _Ended("unreadable", f"the reader failed on it ({str(message['failed'])[:60]})")
                yield message
        finally:
            if not complete:  # the rest of its reply would be taken for the reply to the next request
                self._end()

    def _begun(self, request: dict[str, str]) -> subprocess.Popen[bytes]:
        for _ in range(2):  # an idle process may end in the moment in which it gets the request
            process = self._running()
            try:
                assert process.stdin is not None
                process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
                process.stdin.flush()
                self._message(process, _START_SECONDS)
                return process
            except (OSError, _Ended):
                self._end()
        raise self._not_started()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        if self._closed:
            raise _stopped()
        self._end()
        self._process = process = _start(self.limits)
        try:
            self._message(process, _START_SECONDS)
        except _Ended:
            self._end()
            raise self._not_started() from None
        return process

    def _not_started(self) -> DatelineError:
        return _stopped() if self._closed else DatelineError("The process that reads uploads cannot be started.")

    def _message(self, process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
        """The next message. Raises Stopped, or _Ended after which the process has ended."""
        assert process.stdout is not None
        self._watch(time.monotonic() + seconds)
        try:
            head = _exactly(process.stdout, LENGTH.size)
            size = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else 0
            body = _exactly(process.stdout, size) if size <= self.limits.message_bytes else b""
        finally:
            self._watch(float("inf"))
        try:
            message = json.loads(body) if size and len(body) == size else None
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict):
            return message
        overran = self._overran
        code = self._end()
        raise self._why(code, overran=overran)

    def _why(self, code: int, *, overran: bool) -> Exception:
        if self._closed:
            return _stopped()
        if overran or -code in _TIME_SIGNALS:
            return _Ended("too slow", f"it took longer than {self.limits.seconds:g} s to read")
        if code == OUT_OF_MEMORY:
            return _Ended("too large", f"it needed more memory than {self.limits.megabytes:,} MB to read")
        return _Ended("unreadable", f"the reader crashed on it ({f'signal {-code}' if code < 0 else f'exit {code}'})")

    def _watch(self, deadline: float) -> None:
        """Sets the deadline of the process, which one background thread enforces."""
        with self._changed:
            self._deadline = deadline
            if deadline == float("inf"):
                return
            if self._watching is None:
                self._watching = threading.Thread(target=self._end_overruns, daemon=True, name="reading limit")
                self._watching.start()
            else:
                self._changed.notify_all()

    def _end_overruns(self) -> None:
        with self._changed:
            while not self._closed:
                left = self._deadline - time.monotonic()
                if left <= 0:
                    self._overran, self._deadline = True, float("inf")
                    if self._process is not None:
                        self._process.kill()
                else:
                    self._changed.wait(min(left, 3600.0))

    def _end(self) -> int:
        """Kills the process if there is one; returns its exit code, 0 where there is none."""
        process, self._process = self._process, None
        self._overran = False
        if process is None:
            return 0
        with suppress(OSError):
            process.kill()  # does nothing if it has already ended
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return code


_TIME_SIGNALS = {getattr(signal, name, None) for name in ("SIGALRM", "SIGXCPU")}


def _stopped() -> Stopped:
    return Stopped("The server is stopping. The upload is taken up again at its next start.")


def _start(limits: Limits) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    # One thread for each library: thread pools would use up the address space, which is limited.
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    code = "from ingest.readers.process import main; main()"
    try:
        return subprocess.Popen(
            # -P: files in the working directory must not be imported as modules.
            [sys.executable, "-P", "-c", code, json.dumps(asdict(limits))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C in a terminal must reach the server only, which then stops this process
        )
    except OSError as error:
        raise DatelineError(f"The process that reads uploads cannot be started: {error.strerror}.") from error


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    """`size` bytes, or fewer when the other side has closed the pipe."""
    try:
        return pipe.read(size) if size else b""
    except (OSError, ValueError):
        return b""


def _item_of(message: dict[str, Any]) -> Article | Rejected:
    """The article or rejection in a message. A compromised reader may send anything. Raises _Ended."""
    try:
        if "article" in message:
            return article_from(message["article"])
        rejected = message["rejected"]
        return Rejected(
            source=str(rejected["source"]), reason=str(rejected["reason"])[:_REASON_CHARS],
            message=str(rejected["message"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _Ended("unreadable", "the reader returned an invalid message about it") from None


def _rejected(source: str, ended: _Ended, *, rest: bool = False) -> Rejected:
    why = f"the rest of it was not read, {ended.why}" if rest else ended.why
    return Rejected(source=source, reason=ended.reason, message=f"{source}: {why}; correct it or leave it out")
