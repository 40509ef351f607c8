"""The process that reads what came over the network: it may hang, swell or crash without harm to the server.

It is started by ingest.readers.guard and speaks with it over its standard input and output: each message is four
bytes of length, then JSON. It holds no secret, and takes from the server no more than the name of a file at a time.
"""

from __future__ import annotations

import json
import logging
import os
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from ingest.readers.files import ReadOptions, Rejected, read, read_bytes
from rag.schema import Article

LENGTH = struct.Struct(">I")
MOST_RECORDS = 1000  # of one request; more come as a file of JSON lines
DEEPEST = 100  # levels of such a record; schema.org and ninjs take less than ten
_GRACE_SECONDS = 5.0  # the server ends an overrun itself; the process only sees to it when the server is gone
_IDLE_SECONDS = 300.0  # a process that nobody needs gives its memory back
OUT_OF_MEMORY = 77  # the exit code that says so
_PAGE = (
    b"<html><body><article><h1>Ferry aground</h1><p>3 March 2026</p>"
    b"<p>Nobody was hurt when the ferry ran aground, the coastguard said on Tuesday morning.</p>"
    b"</article></body></html>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What reading one file, archive member or record may take. `megabytes` come on top of the idle process."""

    seconds: float
    megabytes: int
    max_bytes: int

    @property
    def message_bytes(self) -> int:
        """The longest message: an article of one file, its characters escaped as JSON does at worst."""
        return 6 * self.max_bytes + 1_000_000


def article_from(data: dict[str, Any]) -> Article:
    """The article that `as_message` described. Raises ValueError, TypeError, KeyError for anything else."""
    texts: dict[str, Any] = {
        key: value for key, value in data.items() if key not in {"published", "modified", "uncitable", "version"}
    }
    if not all(isinstance(value, str) for value in texts.values()) or data["status"] not in ("live", "withdrawn"):
        raise ValueError("the fields of the article are no texts")
    spans = tuple((int(start), int(end)) for start, end in data["uncitable"])
    days: dict[str, Any] = {
        key: datetime.fromisoformat(data[key]) if data[key] else None for key in ("published", "modified")
    }
    return Article(**texts, **days, uncitable=spans)


def as_message(item: Article | Rejected) -> dict[str, Any]:
    """An article or rejection as JSON can hold it."""
    data = asdict(item)
    if isinstance(item, Rejected):
        return {"rejected": data}
    data |= {key: value.isoformat() if (value := data[key]) else None for key in ("published", "modified")}
    del data["version"]  # the catalogue counts them
    return {"article": data}


def packed(message: dict[str, Any]) -> bytes:
    """The message as it goes over the pipe."""
    body = json.dumps(message).encode("ascii")
    return LENGTH.pack(len(body)) + body


class _Reader:
    """Answers the requests of the server, one after the other."""

    def __init__(self, limits: Limits, requests: IO[bytes], replies: IO[bytes]) -> None:
        self.limits, self._requests, self._replies = limits, requests, replies

    def run(self) -> None:
        """Until the server hangs up or needs nothing for long."""
        self._say({"ready": True})
        while self._asked():
            line = self._requests.readline()
            if not line:
                return
            request = json.loads(line)
            self._say({"begun": True})
            try:
                if request["what"] == "records":
                    self._say(_first_look(Path(request["path"]), self.limits.max_bytes))
                else:
                    self._read(Path(request["path"]), request["behind"])
                self._say({"done": True})
            except MemoryError:  # what is left of it may be in any state
                os._exit(OUT_OF_MEMORY)
            except OSError:
                raise
            except Exception as error:
                self._say({"failed": type(error).__name__})

    def _read(self, path: Path, behind: str) -> None:
        options = ReadOptions(max_bytes=self.limits.max_bytes, wanted=_Resumed(behind, self._at).wanted)
        for item in read([path], options):
            self._say(as_message(item))

    def _at(self, source: str) -> None:
        self._say({"at": source})

    def _say(self, message: dict[str, Any]) -> None:
        _set_alarm(0)  # the server may take its time to listen
        self._replies.write(packed(message))
        self._replies.flush()
        _set_limits(self.limits.seconds)

    def _asked(self) -> bool:
        """Whether the server says anything within the idle time."""
        _set_alarm(0)
        if os.name == "nt":  # a pipe cannot be waited for there; the read does it, without an end
            return True
        import select

        return bool(select.select([self._requests], [], [], _IDLE_SECONDS)[0])


class _Resumed:
    """Passes over what was read before, up to and with the member or record `behind`, on which an earlier one ended."""

    def __init__(self, behind: str, say: Callable[[str], None]) -> None:
        self._behind, self._say = behind, say

    def wanted(self, source: str) -> bool:
        """Whether to read what has this source; the server learns that it begins."""
        if self._behind:
            if source == self._behind:
                self._behind = ""
                return False
            return self._behind.startswith((f"{source}:", f"{source}!"))  # a member whose record it was
        self._say(source)
        return True


def _first_look(path: Path, max_bytes: int) -> dict[str, Any]:
    """Whether JSON that was sent as records can become an article at all, and what the record is called."""
    data = path.read_bytes()
    try:
        value = json.loads(data)
    except RecursionError:
        return {"no_json": "it is nested too deeply"}
    except ValueError as error:
        return {"no_json": str(error)[:200]}
    if isinstance(value, dict) and _deeper_than(value, DEEPEST):  # one of a list costs the others nothing
        return {"refused": f"it is nested more than {DEEPEST} levels deep"}
    if isinstance(value, list) and len(value) > MOST_RECORDS:
        return {"refused": f"it holds {len(value):,} records, expected at most {MOST_RECORDS:,}; send a .jsonl file"}
    name = value.get("id") or value.get("url") if isinstance(value, dict) else None
    first = None
    for item in read_bytes(data, path.name, ReadOptions(max_bytes=max_bytes), source="api"):
        if isinstance(item, Article):
            return {"name": str(name or "")[:500]}
        first = first or item
    return {"refused": first.message.removeprefix(f"{first.source}: ").rstrip(".") if first else "it holds no article"}


def _deeper_than(value: object, levels: int) -> bool:
    row: list[object] = [value]
    for _ in range(levels):
        row = [inner for one in row if isinstance(one, dict | list) for inner in _children(one)]
        if not row:
            return False
    return True


def _children(value: dict[str, object] | list[object]) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else value


def _set_alarm(seconds: float) -> None:
    if os.name != "nt":
        import signal

        # The default action of the alarm ends the process in the kernel, whatever loop in C it hangs in.
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _set_limits(seconds: float) -> None:
    """The next piece of work has this long; for the case that there is no server any more that would end it."""
    _set_alarm(seconds + _GRACE_SECONDS)
    if os.name != "nt":
        import resource

        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds + _GRACE_SECONDS) + 1, hard))


def _confine(megabytes: int) -> None:
    """Bounds memory, writing and open files; where the system knows no such limits, time alone is bounded."""
    if os.name == "nt":
        return
    import resource

    os.nice(5)
    for kind, bound in (
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_AS, _mapped_bytes() + megabytes * 1_000_000),
    ):
        with suppress(ValueError, OSError):  # macOS refuses some
            resource.setrlimit(kind, (bound, bound))


def _mapped_bytes() -> int:
    """The address space of the idle process; most of it is libraries."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return 2**30
    return pages * os.sysconf("SC_PAGE_SIZE")


def _warm_up() -> Iterator[object]:
    """Loads what reading loads lazily, so that the first file is not charged for it."""
    yield from read_bytes(_PAGE, "page.html", ReadOptions())
    yield from read_bytes("Título\n\nEl puerto ampliará su muelle.".encode("latin-1"), "text.txt", ReadOptions())


def main() -> None:
    """Reads until its standard input ends."""
    limits = Limits(**json.loads(sys.argv[1]))
    replies = os.fdopen(os.dup(1), "wb")
    warnings.simplefilter("ignore")
    logging.disable()
    for _ in _warm_up():
        pass
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # whatever a library prints is no message
    os.dup2(nowhere, 2)
    _confine(limits.megabytes)
    with suppress(BrokenPipeError):  # the server is gone
        _Reader(limits, sys.stdin.buffer, replies).run()
    os._exit(0)
