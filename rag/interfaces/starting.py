"""What a server says on its socket while its application is being built, which takes seconds."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading

_HEAD_SECONDS = 5.0  # within which a client sends its request
_LAST_SECONDS = 0.5  # for those who were accepted before the end
_RETRY_SECONDS = 2  # after which a client should ask again
_LIVE = "/api/health/live"
_PROGRAMS = ("/api/", "/v1/", "/mcp", "/metrics", "/openapi.json")

_PAGE = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Dateline is starting</title>
<meta http-equiv="refresh" content="{_RETRY_SECONDS}"></head>
<body><p>Dateline is starting. This page asks again every {_RETRY_SECONDS} seconds.</p></body></html>
"""
_PROBLEM = '{"type": "about:blank", "title": "Starting", "status": 503, "detail": "The server is starting. Ask again."}'


class StartingPage:
    """Answers every request to a listening socket, until it is closed: that the process lives, and 503 to the rest.

    It reads no more than a request's line and headers, and shows nothing of the archive, so it asks for no key.
    """

    def __init__(self, listener: socket.socket) -> None:
        """Answers at once, in a thread. The socket stays its caller's, and those who connect after `close` wait."""
        self._socket = listener.dup()  # the server below closes the one that it is given
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="starting page", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answers no more. Closing again does nothing."""
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._answer_until_closed())

    async def _answer_until_closed(self) -> None:
        server = await asyncio.start_server(_answer, sock=self._socket)
        await self._ending.wait()
        server.close()
        end = self._loop.time() + _LAST_SECONDS
        while (others := asyncio.all_tasks() - {asyncio.current_task()}) and self._loop.time() < end:
            await asyncio.wait(others, timeout=end - self._loop.time())


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
        writer.write(reply(head.split(b"\r\n", 1)[0].decode("latin-1")))
        await asyncio.wait_for(writer.drain(), _HEAD_SECONDS)
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # a client that is silent or gone, or speaks no HTTP
    finally:
        writer.close()


def reply(request_line: str) -> bytes:
    """The whole response to a request, by its first line."""
    method, _, rest = request_line.partition(" ")
    # Of several archives, each is asked at its own address.
    path = re.sub(r"^/archives/[^/]*(?=/)", "", rest.partition(" ")[0].partition("?")[0])
    if path == _LIVE:
        status, kind, body = "200 OK", "application/json", '{"live": true, "ready": false}'
    elif path.startswith(_PROGRAMS):
        status, kind, body = "503 Service Unavailable", "application/problem+json", _PROBLEM
    else:
        status, kind, body = "503 Service Unavailable", "text/html; charset=utf-8", _PAGE
    headers = [
        f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close",
        "Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Content-Security-Policy: default-src 'none'",
    ]  # fmt: skip
    if not status.startswith("200"):
        headers.append(f"Retry-After: {_RETRY_SECONDS}")
    return "\r\n".join([*headers, "", "" if method == "HEAD" else body]).encode()
