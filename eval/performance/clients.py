"""A server in a process of its own, and clients that send it requests over loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]

from eval.reporting.progress import Progress, silent
from rag.errors import DatelineError

PATIENCE_SECONDS = 600.0  # an answer of the model may wait for 40 others
_STARTING_SECONDS = 180.0


class ServerProcess:
    """Resource usage of a running server. The only class that uses psutil."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)

    def memory(self) -> float:
        """Resident memory in MB; nan when the process has ended."""
        return _resident(self._process)

    def usage(self) -> dict[str, float]:
        """Resident memory in MB, file descriptors, threads, and the resident memory of child processes in MB."""
        with self._process.oneshot():
            return {
                "memory MB": self.memory(),
                "descriptors": self._process.num_fds() if psutil.POSIX else self._process.num_handles(),
                "threads": self._process.num_threads(),
                "children MB": sum(_resident(child) for child in self._process.children(recursive=True)),
            }

    def idle(self) -> bool:
        """Whether it used less than a tenth of a processor over half a second."""
        return bool(self._process.cpu_percent(interval=0.5) < 10)


def _resident(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss / 1e6)
    except psutil.NoSuchProcess:
        return float("nan")


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers at `host:port`."""

    host: str
    port: int
    process: ServerProcess

    def connect(self) -> HTTPConnection:
        """A new connection."""
        return HTTPConnection(self.host, self.port, timeout=PATIENCE_SECONDS)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        connection = self.connect()
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()

    def gauge(self, name: str) -> float:
        """The value of a metric in /metrics. Raises DatelineError when there is no such metric."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics")[1], re.M)
        if not found:
            raise DatelineError(f"/metrics of the server has no {name}.")
        return float(found[1])


@contextmanager
def serving(
    data_dir: Path, llm: str, *, page: bool = False, environ: Mapping[str, str] = os.environ
) -> Iterator[Served]:
    """`dateline serve` on a free port, ready to answer; terminated at the end, as an operator would.

    Raises DatelineError with the last line of the server's output when it does not start or has died.
    """
    log = data_dir.with_name(data_dir.name + ".log")
    command = [sys.executable, "-m", "app", "serve", "--port", "0", "--llm", llm]
    command += [] if page else ["--no-page"]
    with log.open("w") as errors:
        child = subprocess.Popen(
            [*command, "--data-dir", str(data_dir)],
            stdout=subprocess.PIPE, stderr=errors, text=True, env={**environ, "PYTHONUNBUFFERED": "1"},
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
    try:
        assert child.stdout is not None
        place = re.search(r"http://\S+", child.stdout.readline())
        if place is None:
            raise DatelineError(f"The server did not start: {_last_line(log)}")
        address = urlsplit(place[0])
        served = Served(str(address.hostname), int(address.port or 80), ServerProcess(child.pid))
        until = time.monotonic() + _STARTING_SECONDS
        while served.get("/api/health/ready")[0] != 200:
            if time.monotonic() > until or child.poll() is not None:
                raise DatelineError(f"The server did not get ready: {_last_line(log)}")
            time.sleep(0.2)
        yield served
        if child.poll() is not None:
            raise DatelineError(f"The server died: {_last_line(log)}")
    finally:
        child.terminate()
        try:
            child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request. Calls with the same `key` must get replies with the same `essence`, which is the part to compare."""

    path: str
    body: Mapping[str, Any]
    key: str
    essence: Callable[[Any], Any]

    @property
    def streams(self) -> bool:
        """Whether the reply comes as server-sent events."""
        return bool(self.body.get("stream"))


@dataclass(slots=True, kw_only=True)
class LoadResult:
    """The results of all clients; milliseconds are those of the successful attempt."""

    clients: int
    milliseconds: list[float] = field(default_factory=list)
    first_milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[int, float]] = field(default_factory=list)  # (requests done, MB)
    seconds: float = 0.0
    different: int = 0  # replies that differ from the first reply to a call with the same key

    @property
    def done(self) -> int:
        """Calls that were answered or failed; a 429 is neither, because the client tries again."""
        return sum(count for status, count in self.statuses.items() if status != "429")

    @property
    def faults(self) -> dict[str, int]:
        """Status → count, without 200 and 429."""
        return {status: count for status, count in self.statuses.items() if status not in ("200", "429")}


def load(
    served: Served, calls: Sequence[Call], clients: int, name: str = "", progress: Progress = silent,
    *, pause: float = 0.0,
) -> LoadResult:  # fmt: skip
    """Sends all calls from so many clients at once; after a 429 a client waits for `Retry-After` and tries again.

    Each pauses for so many seconds after a reply, and they begin one after another within that time.
    """
    found = LoadResult(clients=clients)
    todo, lock = iter(calls), threading.Lock()
    essences: dict[str, Any] = {}

    def note(call: Call, status: str, milliseconds: float, first: float | None, essence: Any) -> None:
        with lock:
            found.statuses[status] += 1
            if status == "200":
                found.milliseconds.append(milliseconds)
                found.first_milliseconds += [first] if first is not None else []
                found.different += essences.setdefault(call.key, essence) != essence

    def client(number: int) -> None:
        time.sleep(pause * number / clients)
        connection = served.connect()
        while True:
            with lock:
                call = next(todo, None)
            if call is None:
                connection.close()
                return
            wait: float | None = 0.0
            while wait is not None:
                time.sleep(wait)
                wait = _send(connection, call, note)
            if pause:
                connection.close()  # as the server would, which keeps a silent connection for 5 seconds
                time.sleep(pause)

    threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)
        found.memory.append((found.done, served.process.memory()))
        progress(name, found.done, len(calls))
    found.seconds = time.perf_counter() - began
    return found


def _send(connection: HTTPConnection, call: Call, note: Callable[..., None]) -> float | None:
    """One attempt. Returns the seconds after which to try again, None when that is not needed."""
    began = time.perf_counter()
    try:
        connection.request("POST", call.path, json.dumps(call.body), {"Content-Type": "application/json"})
        reply = connection.getresponse()
        first, data, status = _read(reply, call, began)
    except (OSError, HTTPException, ValueError) as error:
        connection.close()
        note(call, type(error).__name__, 0.0, None, None)
        return None
    took = (time.perf_counter() - began) * 1000
    note(call, status, took, first, call.essence(data) if status == "200" else None)
    if status != "429":
        return None
    connection.close()  # the server would close it while this client waits
    return float(reply.headers.get("Retry-After", "1"))


def _read(reply: HTTPResponse, call: Call, began: float) -> tuple[float | None, Any, str]:
    """Milliseconds to the first event, the (last) data, and the status, which an error event of a stream overrides."""
    if reply.status != 200 or not call.streams:
        return None, json.loads(reply.read()), str(reply.status)
    first, kind, data = None, "", ""
    for line in reply:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name == "event":
            first = first if first is not None else (time.perf_counter() - began) * 1000
            kind = value
        elif name == "data":
            data = value
    reply.read()  # http.client releases the connection only when the body was read to its end
    last = json.loads(data) if data else {}
    if kind == "error":
        return first, last, str(last["status"])
    return first, last, "200" if kind == "answer" else "cut stream"


def leave(served: Served, call: Call, clients: int) -> None:
    """So many clients at once ask for a stream, read its first line, and close the connection."""

    def client() -> None:
        connection = served.connect()
        with suppress(OSError, HTTPException):
            connection.request("POST", call.path, json.dumps(call.body), {"Content-Type": "application/json"})
            connection.getresponse().readline()
        connection.close()

    threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def seconds_until(what: Callable[[], bool], patience: float) -> float:
    """Seconds until `what` returns true; nan when it does not within `patience` seconds."""
    began = time.monotonic()
    while time.monotonic() - began < patience:
        if what():
            return time.monotonic() - began
        time.sleep(0.1)
    return float("nan")
