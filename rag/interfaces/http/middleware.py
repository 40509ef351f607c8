"""ASGI middleware around the API and the page: checks each request, then adds headers, counts and logs the response.

The checks, in order: host, origin, size and speed of the body, API key, rate of requests. They are our own because
Starlette's lack what is needed here: TrustedHostMiddleware cannot read IPv6 hosts and says only "Invalid host
header", and SessionMiddleware keeps its sessions in the cookie, where they cannot be revoked together with a key.
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
from rag.interfaces.http.auth import Authenticator
from rag.interfaces.http.errors import HttpError, client_message, headers_of, problem, status_of
from rag.interfaces.page.conversation_view import login_page
from rag.serving import tracing as traces
from rag.serving.api_keys import SCOPES, Scope
from rag.serving.metrics import Metrics
from rag.serving.rate_limits import RateLimiter, client_network

Connection = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Connection, Receive, Send], Awaitable[None]]

log = logging.getLogger("dateline.access")

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
COOKIE_BYTES = 8000
JSON_BYTES = 2_000_000  # of the largest body that is not an upload
# A body may take BODY_SECONDS plus the time its bytes take at this speed, so a client that trickles is cut off.
BODY_SECONDS = 20.0
BODY_BYTES_PER_SECOND = 20_000
_API = ("/api/", "/v1/", "/mcp", "/metrics", "/openapi.json")  # for programs; everything else is the page
_HEALTH = "/api/health"  # polled by supervisors, so its rate is not limited
WITHOUT_KEY = frozenset({"/api/health/live", "/api/health/ready"})  # supervisors have none
_HTML = "text/html; charset=utf-8"
_NO_WEBSOCKETS = "There are no web sockets here."
# Gradio compiles its templates in the browser and starts from inline scripts, so inline scripts must be allowed.
# Inline handlers such as `onerror=` and other hosts are not: HTML that slips into the page cannot run or report.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; script-src-attr 'none'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What requests must keep to. `hosts` are the names that the server answers to, None for any name.

    `upload_bytes` is for the files of one upload, `article_bytes` for articles that are sent as JSON.
    """

    hosts: frozenset[str] | None
    upload_bytes: int
    article_bytes: int


class RequestMiddleware:
    """Lets a request through to the application, or answers it with what is wrong."""

    def __init__(
        self,
        app: App,
        limits: RequestLimits,
        authenticator: Authenticator,
        folder: Path,
        metrics: Metrics,
        rate: RateLimiter,
    ) -> None:
        """`folder` is that of the archive, which error messages do not name. `rate` counts the requests of a client."""
        self.app, self.limits, self.metrics, self.rate = app, limits, metrics, rate
        self.authenticator, self.folder = authenticator, folder

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Lets a request through, or answers it with what is wrong."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await _refuse_websocket(scope, receive, send)
            return
        request = _RequestContext(scope, send)
        try:
            self._check_host_and_origin(request)
            _check_cookie(request.headers.get("cookie", ""))
            if request.headers.get("upgrade", "").lower() == "websocket":
                raise HttpError(404, _NO_WEBSOCKETS)
            receive = self._bounded(request, receive)
            if request.path == "/login":
                await self._login(request, receive)
                return
            if request.path == "/logout":
                await self._logout(request)
                return
            await self._identify(request)
            if not request.path.startswith(_HEALTH):
                await self.rate.take(request.client)
            with traces.incoming(request.headers):
                await self.app(scope, receive, request.send)
        except Exception as error:
            if not isinstance(error, DatelineError):
                log.exception("request %s failed", request.id)
            if request.status:
                raise  # the response has begun: it can only be cut off
            await self._refuse(request, error)
        finally:
            self._record(request)

    def _check_host_and_origin(self, request: _RequestContext) -> None:
        """Keeps web pages of other sites from reading the archive through DNS rebinding (their own name resolves to
        this machine) and from changing it through a form that is sent here (CSRF). Raises HttpError."""
        if self.limits.hosts is not None and request.host not in self.limits.hosts:
            raise HttpError(
                421,
                "Dateline answers here to the names 127.0.0.1 and localhost only. A proxy must send one of these as "
                "Host; to be reached under other names, start it with --host.",
            )
        origin = request.headers.get("origin", "")
        foreign = origin and _authority(origin) != request.headers.get("host", "").lower()
        crossed = request.headers.get("sec-fetch-site") == "cross-site"
        if request.method not in ("GET", "HEAD") and (foreign or crossed):
            raise HttpError(403, "This request comes from a web page of another site. Send it from a server of yours.")

    async def _identify(self, request: _RequestContext) -> None:
        """Finds the API key or session of a request and checks its scopes. Raises HttpError."""
        request.scope["state"]["scopes"] = SCOPES
        request.scope["state"]["session"] = False
        if request.path in WITHOUT_KEY:
            return
        key, by_session = await self.authenticator.authenticate(request.headers, request.peer)
        if key is None:
            return
        missing = [scope for scope in request.needs if scope not in key.scopes]
        if missing:
            raise HttpError(403, f"The key '{key.name}' may not do this: it lacks the scope {' and '.join(missing)}.")
        request.client, request.key = key.id, key.name
        # The page checks scopes on its own: Gradio sends every action of it to the same address.
        request.scope["state"]["scopes"], request.scope["state"]["session"] = key.scopes, by_session

    async def _login(self, request: _RequestContext, receive: Receive) -> None:
        if request.method != "POST":
            await request.answer(200, login_page(archive=request.archive).encode(), _HTML)
            return
        body = await read_body(receive, 4096)
        secret = parse_qs(body.decode("utf-8", "replace")).get("key", [""])[0].strip()
        token = await self.authenticator.login(secret, request.peer)
        if token is None:
            notice = "This is no key of this archive, or it was revoked."
            await request.answer(401, login_page(notice, request.archive).encode(), _HTML)
            return
        cookie = self.authenticator.cookie_header(token, secure=request.scheme == "https")
        await request.answer(303, b"", "text/plain", {"Location": f"{request.base}/", "Set-Cookie": cookie})

    async def _logout(self, request: _RequestContext) -> None:
        if request.method != "POST":
            raise HttpError(405, "Log out with POST.", {"Allow": "POST"})
        await self.authenticator.logout(request.headers)
        ended = self.authenticator.cookie_header("", secure=request.scheme == "https")
        # The page keeps its conversation in the browser; whoever uses it next is not to read that.
        headers = {"Location": f"{request.base}/login", "Set-Cookie": ended, "Clear-Site-Data": '"cache", "storage"'}
        await request.answer(303, b"", "text/plain", headers)

    async def _refuse(self, request: _RequestContext, error: Exception) -> None:
        status = status_of(error)
        if status == 401 and not request.is_api and "text/html" in request.headers.get("accept", ""):
            await request.answer(303, b"", "text/plain", {"Location": f"{request.base}/login"})
            return
        body, kind, status = error_body(request.path, error, request.id, self.folder)
        await request.answer(status, body, kind, headers_of(error))

    def _limit(self, request: _RequestContext) -> int:
        """The most bytes that a body may have: uploads are large, everything else is small."""
        if request.method == "POST" and request.path == "/gradio_api/upload":
            return self.limits.upload_bytes
        if request.method == "POST" and request.path == "/api/articles":
            files = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
            return self.limits.upload_bytes if files else self.limits.article_bytes
        return JSON_BYTES

    def _bounded(self, request: _RequestContext, receive: Receive) -> Receive:
        """A `receive` that answers a body which is too large with 413 and one that comes too slowly with 408.

        Raises HttpError at once where Content-Length announces too large a body.
        """
        limit = self._limit(request)
        announced = request.headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > limit:
            raise _too_large(limit)
        began, came, complete = time.monotonic(), 0, False

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal came, complete
            if complete:
                return await receive()  # after the body, this waits for the client to disconnect
            left = began + BODY_SECONDS + came / BODY_BYTES_PER_SECOND - time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), max(left, 0.001))
            except TimeoutError:
                raise await self._cut_off(request, _too_slow()) from None
            came += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if came > limit:
                raise await self._cut_off(request, _too_large(limit))
            return message

        return bounded

    async def _cut_off(self, request: _RequestContext, error: HttpError) -> HttpError:
        """Sends the error and drops the application's own messages about a body that it could not read to the end."""
        if not request.status:
            await self._refuse(request, error)
            request.answered = True
        return error

    def _record(self, request: _RequestContext) -> None:
        seconds = time.perf_counter() - request.began
        route = getattr(request.scope.get("route"), "path", "") if request.is_api else "page"
        self.metrics.request(route or "none", request.status or 499, seconds)
        line = {
            "request": request.id, "method": request.method, "route": route or "none", "status": request.status or 499,
            "ms": round(seconds * 1000, 1), "key": request.key,
        }  # fmt: skip
        if request.archive:
            line["archive"] = request.archive
        log.log(logging.INFO if request.is_api else logging.DEBUG, "%s", json.dumps(line))


def sent_headers(scope: Connection) -> dict[str, str]:
    """The headers of a request, by their names in lower case."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}


def route_path(scope: Connection) -> str:
    """The path of a request within its application, as the router sees it."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


def base_of(request: Any) -> str:
    """Where the application is that a request goes to: "", or the address of one of several archives."""
    return str(request.scope.get("root_path", ""))


def log_question(request_id: str, text: str) -> None:
    """Logs the words of a question or search; only for servers whose settings ask for it."""
    log.info("%s", json.dumps({"request": request_id, "question": text}))


def error_body(path: str, error: BaseException, request_id: str, folder: Path | None) -> tuple[bytes, str, int]:
    """The body of an error, its content type and status: in OpenAI's shape under /v1, as a problem elsewhere."""
    status, detail = status_of(error), client_message(error, folder)
    if not path.startswith("/v1/"):
        kind = "" if isinstance(error, HttpError) or status == 500 else type(error).__name__
        return json.dumps(problem(status, detail, request_id, kind=kind)).encode(), "application/problem+json", status
    if status in (409, 422) and not isinstance(error, ArchiveBusy):
        status = 400  # OpenAI's clients raise BadRequestError for it and do not retry
    return json.dumps(openai_error(error, status, detail)).encode(), "application/json", status


def openai_error(error: BaseException, status: int, detail: str) -> dict[str, Any]:
    """An error in OpenAI's shape."""
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    found = {"param": getattr(error, "param", None), "code": getattr(error, "code", None)}
    return {"error": {"message": detail, "type": kind} | found}


class _RequestContext:
    """One request and its response."""

    def __init__(self, scope: Connection, send: Send) -> None:
        self.scope, self._send = scope, send
        self.headers = sent_headers(scope)
        given = self.headers.get("x-request-id", "")
        self.id = given if re.fullmatch(r"[\w.-]{1,64}", given, re.ASCII) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = self.id
        self.base: str = scope.get("root_path", "")  # where the application is; "" for that of the whole server
        self.archive = self.base.rpartition("/")[2]  # the name of the one there
        self.path = route_path(scope)
        self.method: str = scope.get("method", "GET")
        self.scheme: str = scope.get("scheme", "http")
        self.is_api = self.path.startswith(_API)
        self.peer = client_network(str((scope.get("client") or ("",))[0]))
        self.client, self.key = self.peer, ""
        self.status = 0
        self.answered = False  # here, so the application's later messages are dropped
        self.began = time.perf_counter()

    @property
    def host(self) -> str:
        sent = self.headers.get("host", "")
        try:
            return urlsplit(f"//{sent}").hostname or "" if re.fullmatch(r"[\w.:\[\]-]+", sent) else ""
        except ValueError:  # such as "["
            return ""

    @property
    def needs(self) -> tuple[Scope, ...]:
        """The scopes that a key must have. The page checks by itself before it removes or adds an article."""
        if not self.is_api:
            return SCOPES if self.path.rstrip("/").endswith("/upload") else ("read",)
        return ("ingest",) if self.path.startswith("/api/articles") and self.method != "GET" else ("read",)

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Sends a message of the response, with the headers that every response has."""
        if self.answered:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name.lower() for name, _ in message.get("headers", [])}
            extra = [
                (b"x-request-id", self.id.encode()),
                (b"x-content-type-options", b"nosniff"),
                # With "no-referrer" the page's own forms would come with "Origin: null", like those of other sites.
                (b"referrer-policy", b"no-referrer" if self.is_api else b"same-origin"),
                (b"content-security-policy", (_DATA_POLICY if self.is_api else _PAGE_POLICY).encode()),
                *([(b"cache-control", b"no-store")] if self.is_api else []),
            ]
            # Gradio would let pages of other sites read some addresses (CORS); nothing here does.
            sent = [h for h in message.get("headers", []) if not h[0].lower().startswith(b"access-control-")]
            message["headers"] = [*sent, *(h for h in extra if h[0] not in present)]
        await self._send(message)

    async def answer(self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        """Sends a whole response."""
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


def _authority(url: str) -> str:
    """The host and port of an address in lower case; "" where it has none."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _check_cookie(cookie: str) -> None:
    """Raises HttpError for a header that would take http.cookies, which Gradio and Starlette use, long to read: its
    time grows with the square of the escapes in a value. No cookie of Dateline or Gradio has any."""
    if len(cookie) > COOKIE_BYTES or "\\" in cookie:
        raise HttpError(400, f"The Cookie header is too long (at most {COOKIE_BYTES:,} bytes) or holds a backslash.")


def _too_slow() -> HttpError:
    return HttpError(408, "The request came too slowly and was given up. Send it again.")


def _too_large(limit: int) -> HttpError:
    return HttpError(413, f"The request is larger than {limit / 1e6:g} MB, the most that is read. Send less at a time.")


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body of a request. Raises HttpError where it is larger than `limit` bytes."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise _too_large(limit)
    return body
