"""A server in a process of its own, and many clients that ask it at once over loopback: the parts of `bench load`."""

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

from rag.errors import DatelineError

PATIENCE_SECONDS = 600.0  # a model's answer may have to wait for 40 others
_STARTING_SECONDS = 180.0
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Process:
    """What a running server uses, as /proc tells; None where there is no /proc."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)

    def memory(self) -> float | None:
        """Resident memory in MB."""
        with suppress(OSError):
            found = re.search(r"^VmRSS:\s+(\d+) kB", (self._folder / "status").read_text(), re.M)
            return int(found[1]) / 1e3 if found else None
        return None

    def cpu_seconds(self) -> float | None:
        """Seconds of CPU since its start, all threads together."""
        with suppress(OSError):
            fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / _TICKS
        return None

    def usage(self) -> dict[str, float]:
        """Memory in MB, file descriptors and threads; with `children MB`, the memory of the processes it started."""
        found = {"memory MB": self.memory() or float("nan")}
        with suppress(OSError):
            found["descriptors"] = len(list((self._folder / "fd").iterdir()))
            threads = re.search(r"^Threads:\s+(\d+)", (self._folder / "status").read_text(), re.M)
            found["threads"] = int(threads[1]) if threads else float("nan")
        children = set()
        for task in (self._folder / "task").glob("*/children"):
            with suppress(OSError):
                children |= {int(pid) for pid in task.read_text().split()}
        found["children MB"] = sum(Process(pid).memory() or 0 for pid in children)
        return found

    def idle(self) -> bool:
        """Whether it uses next to no CPU, looked at for half a second. Unknown counts as busy."""
        before = self.cpu_seconds()
        time.sleep(0.5)
        after = self.cpu_seconds()
        return before is not None and after is not None and after - before <= 0.05


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers at `host:port`."""

    host: str
    port: int
    process: Process

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
        """A number of /metrics. Raises DatelineError when it is not there."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics")[1], re.M)
        if not found:
            raise DatelineError(f"/metrics of the server has no {name}.")
        return float(found[1])


@contextmanager
def serving(
    data_dir: Path, llm: str, *, page: bool = False, environ: Mapping[str, str] = os.environ
) -> Iterator[Served]:
    """`dateline serve` on a free port, with the page or without, ready to answer; in the end stopped as by an operator.

    Raises DatelineError with the server's last words when it does not start or has died.
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
        served = Served(str(address.hostname), int(address.port or 80), Process(child.pid))
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
    return lines[-1] if lines else "it said nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request. `key` names what the reply depends on: two calls of one key must get the same `essence`."""

    path: str
    body: Mapping[str, Any]
    key: str
    essence: Callable[[Any], Any]

    @property
    def streams(self) -> bool:
        """Whether the reply comes as server-sent events."""
        return bool(self.body.get("stream"))


@dataclass(slots=True, kw_only=True)
class Load:
    """What many clients met. Times in ms: of the try that was let in, and of the first event of a stream."""

    clients: int
    milliseconds: list[float] = field(default_factory=list)
    first_milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[int, float]] = field(default_factory=list)  # (requests done, MB)
    seconds: float = 0.0
    different: int = 0  # replies that say something else than another reply to the same call

    @property
    def done(self) -> int:
        """Calls that were answered, or failed for good."""
        return sum(count for status, count in self.statuses.items() if status != "429")

    @property
    def faults(self) -> dict[str, int]:
        """Everything but 200 and 429, with its count."""
        return {status: count for status, count in self.statuses.items() if status not in ("200", "429")}


def load(served: Served, calls: Sequence[Call], clients: int, progress: Callable[[int], None]) -> Load:
    """Sends all calls, `clients` of them at once; each client comes back when a 429 told it to."""
    found = Load(clients=clients)
    todo, lock = iter(calls), threading.Lock()
    essences: dict[str, Any] = {}

    def note(call: Call, status: str, milliseconds: float, first: float | None, essence: Any) -> None:
        with lock:
            found.statuses[status] += 1
            if status == "200":
                found.milliseconds.append(milliseconds)
                found.first_milliseconds += [first] if first is not None else []
                found.different += essences.setdefault(call.key, essence) != essence

    def client() -> None:
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

    threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)
        memory = served.process.memory()
        if memory is not None:
            found.memory.append((found.done, memory))
        progress(found.done)
    found.seconds = time.perf_counter() - began
    return found


def _send(connection: HTTPConnection, call: Call, note: Callable[..., None]) -> float | None:
    """One try; the seconds after which to come back, None when there is nothing to come back for."""
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
    connection.close()  # the server would, while this waits
    return float(reply.headers.get("Retry-After", "1"))


def _read(reply: HTTPResponse, call: Call, began: float) -> tuple[float | None, Any, str]:
    """Milliseconds to the first event, the data (of the last event), and the status (that an error event tells)."""
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
    reply.read()  # http.client lets go of a body of known length only when it is read behind its end
    last = json.loads(data) if data else {}
    if kind == "error":
        return first, last, str(last["status"])
    return first, last, "200" if kind == "answer" else "cut stream"


def leave(served: Served, call: Call, clients: int) -> None:
    """`clients` at once ask for a stream, read its first event, and hang up."""

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
    """Seconds until something is so; nan when it is not within `patience`."""
    began = time.monotonic()
    while time.monotonic() - began < patience:
        if what():
            return time.monotonic() - began
        time.sleep(0.1)
    return float("nan")
