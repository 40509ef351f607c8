"""The child process that reads uploads: it may hang, exhaust its memory or crash without harm to the server.

ingest.readers.guard starts it. Requests are lines of JSON on its standard input; each reply on its standard output is
a length of four bytes, then JSON. It holds no secrets, and all it gets from the server is the path of a file.
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
MOST_RECORDS = 1000  # in one request; more must be sent as a file of JSON lines
DEEPEST = 100  # levels of nesting in a record; schema.org and ninjs have fewer than ten
_GRACE_SECONDS = 5.0  # beyond the limit that the server enforces: this one is for when the server is gone
_IDLE_SECONDS = 300.0  # after which the process ends, to free its memory
OUT_OF_MEMORY = 77  # exit code
_PAGE = (
    b"<html><body><article><h1>Ferry aground</h1><p>3 March 2026</p>"
    b"<p>Nobody was hurt when the ferry ran aground, the coastguard said on Tuesday morning.</p>"
    b"</article></body></html>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits for reading one file, archive member or record. `megabytes` is on top of the idle process."""

    seconds: float
    megabytes: int
    max_bytes: int

    @property
    def message_bytes(self) -> int:
        """The longest possible message: an article of `max_bytes` with every character escaped in JSON."""
        return 6 * self.max_bytes + 1_000_000


def article_from(data: dict[str, Any]) -> Article:
    """The article that `as_message` encoded. Raises ValueError, TypeError or KeyError for anything else."""
    texts: dict[str, Any] = {
        key: value for key, value in data.items() if key not in {"published", "modified", "uncitable", "version"}
    }
    if not all(isinstance(value, str) for value in texts.values()) or data["status"] not in ("live", "withdrawn"):
        raise ValueError("the fields of the article are not strings")
    spans = tuple((int(start), int(end)) for start, end in data["uncitable"])
    days: dict[str, Any] = {
        key: datetime.fromisoformat(data[key]) if data[key] else None for key in ("published", "modified")
    }
    return Article(**texts, **days, uncitable=spans)


def as_message(item: Article | Rejected) -> dict[str, Any]:
    """An article or rejection as a JSON object."""
    data = asdict(item)
    if isinstance(item, Rejected):
        return {"rejected": data}
    data |= {key: value.isoformat() if (value := data[key]) else None for key in ("published", "modified")}
    del data["version"]  # the catalogue assigns it
    return {"article": data}


def packed(message: dict[str, Any]) -> bytes:
    """The message in bytes, with its length in front."""
    body = json.dumps(message).encode("ascii")
    return LENGTH.pack(len(body)) + body


class _Reader:
    """Answers the requests of the server one after another."""

    def __init__(self, limits: Limits, requests: IO[bytes], replies: IO[bytes]) -> None:
        self.limits, self._requests, self._replies = limits, requests, replies

    def run(self) -> None:
        """Returns when the server closes the pipe or sends nothing for `_IDLE_SECONDS`."""
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
            except MemoryError:  # the state of the process is no longer reliable
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
        _set_alarm(0)  # waiting for the server to read must not count
        self._replies.write(packed(message))
        self._replies.flush()
        _set_limits(self.limits.seconds)

    def _asked(self) -> bool:
        """Whether the server sends anything within `_IDLE_SECONDS`."""
        _set_alarm(0)
        if os.name == "nt":  # select does not work on pipes there, so the read waits without limit
            return True
        import select

        return bool(select.select([self._requests], [], [], _IDLE_SECONDS)[0])


class _Resumed:
    """Skips what was read before: all up to `behind`, the member or record on which an earlier process ended."""

    def __init__(self, behind: str, say: Callable[[str], None]) -> None:
        self._behind, self._say = behind, say

    def wanted(self, source: str) -> bool:
        """Whether to read what has this source; if so, the server is told that its reading begins."""
        if self._behind:
            if source == self._behind:
                self._behind = ""
                return False
            return self._behind.startswith((f"{source}:", f"{source}!"))  # the archive member that holds the record
        self._say(source)
        return True


def _first_look(path: Path, max_bytes: int) -> dict[str, Any]:
    """Whether any of the JSON records of a request can become an article, and the id or address of a single one."""
    data = path.read_bytes()
    try:
        value = json.loads(data)
    except RecursionError:
        return {"no_json": "it is nested too deeply"}
    except ValueError as error:
        return {"no_json": str(error)[:200]}
    if isinstance(value, dict) and _deeper_than(value, DEEPEST):  # in a list, the other records are still read
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

        # No handler: the default action kills the process even inside a loop in C code.
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _set_limits(seconds: float) -> None:
    """Limits the next piece of work in time, in case the server that would kill the process is gone."""
    _set_alarm(seconds + _GRACE_SECONDS)
    if os.name != "nt":
        import resource

        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds + _GRACE_SECONDS) + 1, hard))


def _confine(megabytes: int) -> None:
    """Limits memory, writing and open files. On Windows only time is limited, by the server."""
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
        with suppress(ValueError, OSError):  # macOS does not support all of them
            resource.setrlimit(kind, (bound, bound))


def _mapped_bytes() -> int:
    """The address space of the idle process in bytes; most of it belongs to libraries."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return 2**30
    return pages * os.sysconf("SC_PAGE_SIZE")


def _warm_up() -> Iterator[object]:
    """Reads samples, so that what the readers load lazily is loaded before time and memory are limited."""
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
    os.dup2(nowhere, 1)  # what a library prints must not be taken for a message
    os.dup2(nowhere, 2)
    _confine(limits.megabytes)
    with suppress(BrokenPipeError):  # the server is gone
        _Reader(limits, sys.stdin.buffer, replies).run()
    os._exit(0)
