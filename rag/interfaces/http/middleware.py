"""What every request passes before a route sees it, and what every answer gets: plain ASGI.

Request id, host, origin, size, key, rate; then the answer's headers, its count and its line in the log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rag.errors import ArchiveBusy, DatelineError
from rag.interfaces.http.auth import Access, cookie_header
from rag.interfaces.http.errors import Refused, headers_of, problem, said, status_of
from rag.interfaces.page.conversation_view import login_page
from rag.serving import tracing as traces
from rag.serving.api_keys import SCOPES, Scope
from rag.serving.metrics import Metrics
from rag.serving.rate_limits import Rate, client_network

Connection = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Connection, Receive, Send], Awaitable[None]]

log = logging.getLogger("dateline.access")

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
JSON_BYTES = 2_000_000  # the largest request that is no upload
# A body may take so long, and longer by what came of it: a client that sends a byte now and then is cut off.
BODY_SECONDS = 20.0
BODY_BYTES_PER_SECOND = 20_000
_OURS = ("/api/", "/v1/", "/mcp", "/metrics", "/openapi.json")  # what programs talk to; the rest is the page
_HEALTH = "/api/health"  # asked by supervisors, never limited
_OPEN = frozenset({"/api/health/live", "/api/health/ready"})  # a supervisor has no key
_HTML = "text/html; charset=utf-8"
_NO_WEBSOCKETS = "There are no web sockets here."
# Gradio compiles its templates in the browser and starts from inline scripts, so scripts cannot be held to
# files. Inline handlers (`onerror=`) are: nothing that slips into the page as HTML can run or call another host.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; script-src-attr 'none'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a door asks of requests. `hosts` None: any name.

    `upload_bytes` bounds the files of one upload, `article_bytes` articles that are sent as JSON.
    """

    hosts: frozenset[str] | None
    upload_bytes: int
    article_bytes: int
    requests_per_minute: int = 0


class Door:
    """ASGI middleware around the API and the page."""

    def __init__(self, app: App, rules: Rules, access: Access, folder: Path, metrics: Metrics) -> None:
        """`folder` is that of the archive: errors do not name it."""
        self.app, self.rules, self.metrics = app, rules, metrics
        self.access, self.folder = access, folder
        self.rate = Rate(rules.requests_per_minute)

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Lets a request through, or answers it with what is wrong."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await _refuse_websocket(scope, receive, send)
            return
        visit = _Visit(scope, send)
        try:
            self._refuse_strangers(visit)
            if visit.headers.get("upgrade", "").lower() == "websocket":
                raise Refused(404, _NO_WEBSOCKETS)
            receive = self._bounded(visit, receive)
            if visit.path == "/login":
                await self._login(visit, receive)
                return
            if visit.path == "/logout":
                await self._logout(visit)
                return
            await self._identify(visit)
            if not visit.path.startswith(_HEALTH):
                self.rate.take(visit.client)
            with traces.incoming(visit.headers):
                await self.app(scope, receive, visit.send)
        except Exception as error:
            if not isinstance(error, DatelineError):
                log.exception("request %s failed", visit.id)
            if visit.status:
                raise  # too late to say it in an answer of its own
            await self._refuse(visit, error)
        finally:
            self._note(visit)

    def _refuse_strangers(self, visit: _Visit) -> None:
        """Without this a web page elsewhere could read the archive (by giving its own name this machine's address)
        or change it (by sending a form here)."""
        if self.rules.hosts is not None and visit.host not in self.rules.hosts:
            raise Refused(
                421,
                "Dateline answers here to the names 127.0.0.1 and localhost only. A proxy must send one of these as "
                "Host; to be reached under other names, start it with --host.",
            )
        origin = visit.headers.get("origin", "")
        foreign = origin and urlsplit(origin).netloc.lower() != visit.headers.get("host", "").lower()
        crossed = visit.headers.get("sec-fetch-site") == "cross-site"
        if visit.method not in ("GET", "HEAD") and (foreign or crossed):
            raise Refused(403, "This request comes from a web page of another site. Send it from a server of yours.")

    async def _identify(self, visit: _Visit) -> None:
        """Finds out who asks, and whether they may. Raises Refused."""
        visit.scope["state"]["scopes"] = SCOPES
        visit.scope["state"]["session"] = False
        if visit.path in _OPEN:
            return
        key, by_session = await self.access.admit(visit.headers, visit.peer)
        if key is None:
            return
        missing = [scope for scope in visit.needs if scope not in key.scopes]
        if missing:
            raise Refused(403, f"The key '{key.name}' may not do this: it lacks the scope {' and '.join(missing)}.")
        visit.client, visit.key = key.id, key.name
        # For the page: one address of Gradio's serves all that it can do.
        visit.scope["state"]["scopes"], visit.scope["state"]["session"] = key.scopes, by_session

    async def _login(self, visit: _Visit, receive: Receive) -> None:
        if visit.method != "POST":
            await visit.answer(200, login_page().encode(), _HTML)
            return
        body = await read_body(receive, 4096)
        secret = parse_qs(body.decode("utf-8", "replace")).get("key", [""])[0].strip()
        token = await self.access.login(secret, visit.peer)
        if token is None:
            notice = "This is no key of this archive, or it was revoked."
            await visit.answer(401, login_page(notice).encode(), _HTML)
            return
        cookie = cookie_header(token, secure=visit.scheme == "https")
        await visit.answer(303, b"", "text/plain", {"Location": "/", "Set-Cookie": cookie})

    async def _logout(self, visit: _Visit) -> None:
        if visit.method != "POST":
            raise Refused(405, "Log out with POST.", {"Allow": "POST"})
        self.access.logout(visit.headers)
        ended = cookie_header("", secure=visit.scheme == "https")
        # The page keeps its conversation in the browser; whoever uses it next is not to read that.
        headers = {"Location": "/login", "Set-Cookie": ended, "Clear-Site-Data": '"cache", "storage"'}
        await visit.answer(303, b"", "text/plain", headers)

    async def _refuse(self, visit: _Visit, error: Exception) -> None:
        status = status_of(error)
        if status == 401 and not visit.ours and "text/html" in visit.headers.get("accept", ""):
            await visit.answer(303, b"", "text/plain", {"Location": "/login"})
            return
        body, kind, status = error_body(visit.path, error, visit.id, self.folder)
        await visit.answer(status, body, kind, headers_of(error))

    def _limit(self, visit: _Visit) -> int:
        """The most bytes that a body may have: uploads are large, everything else is small."""
        if visit.method == "POST" and visit.path == "/gradio_api/upload":
            return self.rules.upload_bytes
        if visit.method == "POST" and visit.path == "/api/articles":
            files = visit.headers.get("content-type", "").lower().startswith("multipart/form-data")
            return self.rules.upload_bytes if files else self.rules.article_bytes
        return JSON_BYTES

    def _bounded(self, visit: _Visit, receive: Receive) -> Receive:
        """`receive` that answers a body which is too large with 413 and one that comes too slowly with 408.

        Raises Refused at once where more is announced than is read.
        """
        limit = self._limit(visit)
        announced = visit.headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > limit:
            raise _too_large(limit)
        began, came, complete = time.monotonic(), 0, False

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal came, complete
            if complete:
                return await receive()  # whether the client hangs up
            left = began + BODY_SECONDS + came / BODY_BYTES_PER_SECOND - time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), max(left, 0.001))
            except TimeoutError:
                raise await self._cut_off(visit, _too_slow()) from None
            came += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if came > limit:
                raise await self._cut_off(visit, _too_large(limit))
            return message

        return bounded

    async def _cut_off(self, visit: _Visit, error: Refused) -> Refused:
        """Sends the error ourselves and drops what the application would say of a body that it cannot read."""
        if not visit.status:
            await self._refuse(visit, error)
            visit.over = True
        return error

    def _note(self, visit: _Visit) -> None:
        seconds = time.perf_counter() - visit.began
        route = getattr(visit.scope.get("route"), "path", "") if visit.ours else "page"
        self.metrics.request(route or "none", visit.status or 499, seconds)
        line = {
            "request": visit.id, "method": visit.method, "route": route or "none", "status": visit.status or 499,
            "ms": round(seconds * 1000, 1), "key": visit.key,
        }  # fmt: skip
        log.log(logging.INFO if visit.ours else logging.DEBUG, "%s", json.dumps(line))


def log_requests() -> None:
    """Writes a line of JSON for each request of the API to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def error_body(path: str, error: BaseException, request_id: str, folder: Path) -> tuple[bytes, str, int]:
    """An error as the caller expects it, its content type and status: as OpenAI's under /v1, as a problem elsewhere."""
    status, detail = status_of(error), said(error, folder)
    if not path.startswith("/v1/"):
        kind = "" if isinstance(error, Refused) or status == 500 else type(error).__name__
        return json.dumps(problem(status, detail, request_id, kind=kind)).encode(), "application/problem+json", status
    if status in (409, 422) and not isinstance(error, ArchiveBusy):
        status = 400  # what OpenAI's clients know as a bad request, and do not send again
    return json.dumps(openai_error(error, status, detail)).encode(), "application/json", status


def openai_error(error: BaseException, status: int, detail: str) -> dict[str, Any]:
    """An error in OpenAI's shape."""
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    found = {"param": getattr(error, "param", None), "code": getattr(error, "code", None)}
    return {"error": {"message": detail, "type": kind} | found}


class _Visit:
    """One request and what became of it."""

    def __init__(self, scope: Connection, send: Send) -> None:
        self.scope, self._send = scope, send
        self.headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope.get("headers", [])}
        given = self.headers.get("x-request-id", "")
        self.id = given if re.fullmatch(r"[\w.-]{1,64}", given, re.ASCII) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = self.id
        self.path: str = scope["path"]
        self.method: str = scope.get("method", "GET")
        self.scheme: str = scope.get("scheme", "http")
        self.ours = self.path.startswith(_OURS)
        self.peer = client_network(str((scope.get("client") or ("",))[0]))
        self.client, self.key = self.peer, ""
        self.status = 0
        self.over = False  # answered by the door: the application is not heard any more
        self.began = time.perf_counter()

    @property
    def host(self) -> str:
        sent = self.headers.get("host", "")
        return urlsplit(f"//{sent}").hostname or "" if re.fullmatch(r"[\w.:\[\]-]+", sent) else ""

    @property
    def needs(self) -> tuple[Scope, ...]:
        """What a key must allow. The page itself looks at its scopes before it removes or adds an article."""
        if not self.ours:
            return SCOPES if self.path.rstrip("/").endswith("/upload") else ("read",)
        return ("ingest",) if self.path.startswith("/api/articles") and self.method != "GET" else ("read",)

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Sends on, with the headers that every answer has."""
        if self.over:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name.lower() for name, _ in message.get("headers", [])}
            extra = [
                (b"x-request-id", self.id.encode()),
                (b"x-content-type-options", b"nosniff"),
                # From a page with "no-referrer" a browser sends forms with "Origin: null", as a stranger's would be.
                (b"referrer-policy", b"no-referrer" if self.ours else b"same-origin"),
                (b"content-security-policy", (_DATA_POLICY if self.ours else _PAGE_POLICY).encode()),
                *([(b"cache-control", b"no-store")] if self.ours else []),
            ]
            # One policy for all addresses: no page of another site reads anything (Gradio would let some).
            sent = [h for h in message.get("headers", []) if not h[0].lower().startswith(b"access-control-")]
            message["headers"] = [*sent, *(h for h in extra if h[0] not in present)]
        await self._send(message)

    async def answer(self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        """A whole answer."""
        sent = {"content-type": kind, "content-length": str(len(body))} | dict(headers or {})
        pairs = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in sent.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})
        await self.send({"type": "http.response.body", "body": body})


async def _refuse_websocket(scope: Connection, receive: Receive, send: Send) -> None:
    """A plain 404 for the handshake, or where the server has no way to say that, a close (403)."""
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    body = _NO_WEBSOCKETS.encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": 404, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


def _too_slow() -> Refused:
    return Refused(408, "The request came too slowly and was given up. Send it again.")


def _too_large(limit: int) -> Refused:
    return Refused(413, f"The request is larger than {limit / 1e6:g} MB, the most that is read. Send less at a time.")


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body of a request. Raises Refused where it is larger than `limit` bytes."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise _too_large(limit)
    return body
