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
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from rag.errors import Busy
from rag.interfaces.http.errors import HttpError
from rag.interfaces.http.middleware import App, Connection, Receive, Send, read_body, route_path

# Every address that Chromium asked for while all functions of the page were used (Gradio 6.31).
_READ = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|manifest\.json|robots\.txt)/?|/pwa_icon(/\d{1,4})?|/(assets|static|svelte)/.{1,200}|"
    r"/gradio_api/(startup-events|theme\.css|app_id/?|queue/data|upload_progress|heartbeat/[\w-]{1,64})"
)
JOIN, UPLOAD = "/gradio_api/queue/join", "/gradio_api/upload"
_CALLED = frozenset({JOIN, UPLOAD, "/gradio_api/cancel", "/gradio_api/reset"})
# Gradio would take its own address from these, whoever sends them, and fail on what is no address. The scheme that a
# trusted proxy names is known by now.
_ORIGINS = frozenset({b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server"})
# Bounds of a call, since Gradio walks through its data several times on the event loop. What the page sends has 8
# levels and, with the 30 exchanges that a browser keeps, some 6,000 values.
DEPTH = 40
VALUES = 30_000
FIELD_BYTES = 64_000  # of an upload, beside its files
_CHARSETS = frozenset({b"utf-8", b"utf8", b"us-ascii"})  # some of Python's other codecs would make Gradio fail
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
        path, method = route_path(scope), scope.get("method", "GET")
        allowed = _READ.fullmatch(path) if method in ("GET", "HEAD") else method == "POST" and path in _CALLED
        if not allowed:
            raise HttpError(404, f"There is nothing at {path[:200]}.")
        _check_host(dict(scope["headers"]).get(b"host", b"").decode("latin-1"))
        scope["headers"] = [pair for pair in scope["headers"] if pair[0].lower() not in _ORIGINS]
        if path == JOIN and method == "POST":
            body = await read_body(receive, BODY_BYTES)
            self._check_call(body)
            receive = _replayed(body, receive)
        elif path == UPLOAD:
            if await asyncio.to_thread(_size, self.uploads) > self.most_bytes:
                raise Busy(f"Uploads of {self.most_bytes / 1e6:,.0f} MB wait to be taken in. Send more in a while.", 60)
            await self._upload(scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _upload(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Passes an upload on, and refuses it when its form turns out not to be one of files."""
        form = _FormCheck(scope, receive)

        async def sent(message: Any) -> None:
            if form.refusal is None:  # what Gradio says of the form that it was not given to the end is dropped
                await send(message)

        try:
            await self.app(scope, form.receive, sent)
        except Exception:
            if form.refusal is None:
                raise
        if form.refusal is not None:
            raise form.refusal

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


class _FormCheck:
    """A form on its way to Gradio, which keeps fields without a file name in memory, while files go to the disk."""

    def __init__(self, scope: Connection, receive: Receive) -> None:
        """Raises HttpError where the body is no form."""
        from python_multipart.multipart import MultipartParser, parse_options_header

        kind, options = parse_options_header(dict(scope["headers"]).get(b"content-type", b""))
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise HttpError(415, "Files are sent as multipart/form-data with a boundary.")
        if options.get(b"charset", b"utf-8").lower() not in _CHARSETS:
            raise HttpError(415, "The names in a form are read as UTF-8 only.")
        self.refusal: HttpError | None = None
        self._receive = receive
        self._options = parse_options_header
        self._bytes, self._is_file = 0, False
        self._name = self._value = b""
        self._parser = MultipartParser(options[b"boundary"], {
            "on_header_field": self._on_name, "on_header_value": self._on_value, "on_header_end": self._on_header_end,
            "on_part_begin": self._on_part, "on_part_data": self._on_data,
        })  # fmt: skip

    async def receive(self) -> Any:
        """The next message; an end of the connection once more than FIELD_BYTES came outside of files."""
        message = await self._receive()
        if message["type"] == "http.request":
            try:
                self._parser.write(message.get("body", b""))
            except ValueError as error:
                self.refusal = HttpError(400, f"The form cannot be read: {error}.")
            if self._bytes > FIELD_BYTES:
                most = f"{FIELD_BYTES:,} bytes"
                self.refusal = HttpError(413, f"The fields of the form hold more than {most}; send files instead.")
        return {"type": "http.disconnect"} if self.refusal is not None else message

    def _on_part(self) -> None:
        self._is_file = False

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._is_file = b"filename" in self._options(self._value)[1]
        self._name = self._value = b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._bytes += 0 if self._is_file else end - start


def _check_host(host: str) -> None:
    """Raises HttpError for four numbers that are no address, such as 999.0.0.1, on which Gradio would fail."""
    name = host.partition(":")[0]
    if re.fullmatch(r"[\d.]+", name):
        try:
            ip_address(name)
        except ValueError:
            raise HttpError(400, "The Host header names no address.") from None


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
