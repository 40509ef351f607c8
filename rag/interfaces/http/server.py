"""The connections of a server: how slow a client may be, and how many connections are open at once."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import Sequence
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from rag.settings import ARCHIVES

# From the opening of a connection, or the first byte of its next request, to the end of the headers.
HEADER_SECONDS = 10.0
HEADER_BYTES = 65_536
WRITE_SECONDS = 60.0  # a client that does not read what it asked for is cut off
IDLE_SECONDS = 5  # between two requests; uvicorn's own default
MOST_CONNECTIONS = 1000
# 150 open archives, searched, had 17 files each; the rest of the process 40, and some more with a page and a model.
_FILES_OF_AN_ARCHIVE, _FILES_OF_THE_REST = 20, 100
_MOST_FILES = 65_536
# Answers that end only when the client leaves. They go first when there are too many connections: a thousand of them
# would otherwise keep everybody else out, and a browser opens them again.
_ENDLESS = re.compile(rf"(/{ARCHIVES}/[^/]+)?/gradio_api/(heartbeat/|queue/data)")
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_LARGE_HEADERS = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def make_server(app: Any, trusted_proxies: Sequence[str] = (), *, port: int = 0) -> uvicorn.Server:
    """A server of an ASGI application that slow, silent or many clients cannot block.

    A client is identified by its address; X-Forwarded-For is believed only from `trusted_proxies` (addresses or
    networks). `port` is used where `run` is given no socket.
    """
    config = uvicorn.Config(
        app,
        port=port,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=IDLE_SECONDS,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        ws="none",
        http=_protocol(_Connections(_most_connections())),
    )
    return uvicorn.Server(config)


def _most_connections() -> int:
    """Half the limit of open files; the archives need the other half."""
    if sys.platform == "win32":
        return 200  # select() takes at most 512 sockets there
    return max(16, min(MOST_CONNECTIONS, _open_files() // 2))


def room_for_archives() -> int:
    """How many named archives can be open beside the connections and the archive without a name."""
    return max(1, (_open_files() - _most_connections() - _FILES_OF_THE_REST) // _FILES_OF_AN_ARCHIVE)


def _open_files() -> int:
    """How many files this process may have open, after its limit was raised as far as allowed and needed."""
    if sys.platform == "win32":
        return _MOST_FILES  # there is no such limit
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (_MOST_FILES, 4 * MOST_CONNECTIONS):  # macOS says "no limit" and has one
        if 0 <= soft < wanted:
            with contextlib.suppress(ValueError, OSError):
                raised = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
                resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
                soft = raised
    return soft if 0 <= soft < _MOST_FILES else _MOST_FILES


class _Connections:
    """The open connections of a server. When there are too many, those go first that have not finished a request, or
    whose answer has no end."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.open: dict[Any, None] = {}
        # What may be closed for others, oldest first: it waits for headers, a body or a next request, or has no end.
        self.waiting: dict[Any, None] = {}

    def make_room(self) -> bool:
        """Whether there is room for one more; closes the connection that has been without a request for longest."""
        if len(self.open) < self.most:
            return True
        oldest = next(iter(self.waiting), None)
        if oldest is None:
            return False
        self.drop(oldest)
        oldest.transport.abort()
        return True

    def drop(self, connection: Any) -> None:
        """Forgets a connection."""
        self.open.pop(connection, None)
        self.waiting.pop(connection, None)


def _protocol(connections: _Connections) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol with the limits of this module."""
    base: Any = AutoHTTPProtocol

    class Bounded(base):  # type: ignore[misc]
        """One connection. `cycle` is uvicorn's state of the current request."""

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._clock: asyncio.TimerHandle | None = None
            self._write_clock: asyncio.TimerHandle | None = None
            self._loose_bytes = 0  # bytes of headers that are not complete
            if not connections.make_room():
                self._end(_FULL)
                return
            connections.open[self] = connections.waiting[self] = None
            self._start_clock()

        def connection_lost(self, exc: Exception | None) -> None:
            connections.drop(self)
            self._stop_clock()
            self.resume_writing()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            before, reading_body = self.cycle, self._busy() and self.cycle.more_body
            super().data_received(data)
            if self.transport.is_closing():
                return
            if self.cycle is not before or reading_body:
                self._loose_bytes = 0
            else:
                self._loose_bytes += len(data)
                if self._loose_bytes > HEADER_BYTES:
                    self._end(_LARGE_HEADERS)
                    return
            self._note_state()

        def _busy(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _note_state(self) -> None:
            """Times incomplete headers. Only requests without end are closed to make room once they are complete."""
            if self._busy():
                self._stop_clock()
                endless = _ENDLESS.match(self.cycle.scope["path"]) is not None
                if not self.cycle.more_body and not endless:
                    connections.waiting.pop(self, None)
            else:
                connections.waiting.setdefault(self, None)
                if self._clock is None:
                    self._start_clock()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self in connections.open and not self._busy():
                connections.waiting.setdefault(self, None)

        def _start_clock(self) -> None:
            self._clock = self.loop.call_later(HEADER_SECONDS, self._end, _TIMED_OUT)

        def _stop_clock(self) -> None:
            if self._clock is not None:
                self._clock.cancel()
                self._clock = None

        def _end(self, reply: bytes) -> None:
            """Sends a last reply and closes, without waiting for a client that does not read."""
            connections.drop(self)
            if not self.transport.is_closing():
                self.transport.write(reply)
                self.transport.close()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._write_clock = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._write_clock is not None:
                self._write_clock.cancel()
                self._write_clock = None

        def _unsupported_upgrade_warning(self) -> None:
            """Logs nothing: the application answers the handshake, and clients could fill the disk with log lines."""

    return Bounded
