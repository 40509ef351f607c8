"""What reaches Gradio: an allow-list of addresses, and no file but those that were uploaded to this page.

Gradio serves more than this page uses: files by path, a proxy, functions by name, recordings, a code editor. It also
accepts a file object in any field of a form, and copies and serves the file that it names. The allow-list holds
whatever a later version of Gradio adds; Gradio's own checks stay behind it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rag.errors import Busy
from rag.interfaces.http.errors import HttpError
from rag.interfaces.http.middleware import App, Connection, Receive, Send, read_body

# Every address that Chromium asked for while all functions of the page were used (Gradio 6.31).
_READ = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|manifest\.json|robots\.txt)/?|/pwa_icon(/\d{1,4})?|/(assets|static|svelte)/.+|"
    r"/gradio_api/(startup-events|theme\.css|app_id/?|queue/data|upload_progress|heartbeat/[\w-]{1,64})"
)
JOIN, UPLOAD = "/gradio_api/queue/join", "/gradio_api/upload"
_CALLED = frozenset({JOIN, UPLOAD, "/gradio_api/cancel", "/gradio_api/reset"})
# Bounds of a call, since Gradio walks through its data several times on the event loop. What the page sends has 8
# levels and, with the 30 exchanges that a browser keeps, some 6,000 values.
DEPTH = 40
VALUES = 30_000
BODY_BYTES = 2_000_000  # the conversation that a browser keeps is sent along: 30 exchanges of 3 to 10 kB


class PageGuard:
    """ASGI middleware in front of Gradio's application."""

    def __init__(self, app: App, uploads: Path, inputs: Mapping[int, int], most_bytes: int) -> None:
        """`uploads` is the folder that Gradio stores uploads in, of `most_bytes` together.

        `inputs` maps each function to its number of inputs: Gradio would print the data of a call that does not fit
        its function, however long.
        """
        self.app, self.uploads, self.inputs, self.most_bytes = app, uploads, inputs, most_bytes

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Passes a request on, or raises HttpError."""
        path, method = scope["path"], scope.get("method", "GET")
        allowed = _READ.fullmatch(path) if method in ("GET", "HEAD") else method == "POST" and path in _CALLED
        if not allowed:
            raise HttpError(404, f"There is nothing at {path[:200]}.")
        if path == JOIN and method == "POST":
            body = await read_body(receive, BODY_BYTES)
            self._check_call(body)
            receive = _replayed(body, receive)
        elif path == UPLOAD and await asyncio.to_thread(_size, self.uploads) > self.most_bytes:
            raise Busy(f"Uploads of {self.most_bytes / 1e6:,.0f} MB wait to be taken in. Send more in a while.", 60)
        await self.app(scope, receive, send)

    def _check_call(self, body: bytes) -> None:
        """Raises HttpError where the data of a call names a file that was not uploaded to this page."""
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            raise HttpError(400, "The body is no JSON that can be read.") from None
        data, function = (value.get("data"), value.get("fn_index")) if isinstance(value, dict) else (None, None)
        fits = isinstance(data, list) and isinstance(function, int) and self.inputs.get(function) == len(data)
        if not fits:
            raise HttpError(400, "This is no call that the page makes. Reload the page.")
        for one in _objects(value):
            if "path" in one and not is_upload(one["path"], self.uploads):
                raise HttpError(400, "A field names a file that was not uploaded to this page. Upload it first.")


def _size(folder: Path) -> int:
    """The bytes of the files in the folders below a folder."""
    total = 0
    for file in folder.glob("*/*"):
        with suppress(OSError):  # taken in and removed meanwhile
            total += file.stat().st_size
    return total


def is_upload(path: object, uploads: Path) -> bool:
    """Whether a path is that of a regular file that was uploaded: `uploads`/folder/name, links resolved."""
    if not isinstance(path, str) or "\0" in path:
        return False
    try:
        file = Path(path).resolve(strict=True)
        return file.parent.parent == uploads.resolve() and file.is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def _objects(value: object) -> Iterator[dict[str, Any]]:
    """All objects in a JSON value. Raises HttpError where they are too many or nested too deeply."""
    layer: list[object] = [value]
    seen = 0
    for _ in range(DEPTH):
        seen += len(layer)
        if seen > VALUES:
            raise HttpError(400, f"The body holds more than {VALUES:,} values.")
        inner: list[object] = []
        for one in layer:
            if isinstance(one, dict):
                yield one
                inner.extend(one.values())
            elif isinstance(one, list):
                inner.extend(one)
        layer = inner
        if not layer:
            return
    raise HttpError(400, f"The body is nested more than {DEPTH} levels deep.")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """`receive` that gives a body that was read already, and then what comes."""
    given = False

    async def again() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
