"""What every request passes before a route sees it, and what every answer gets: plain ASGI.

Request id, host, origin, size, key, rate; then the answer's headers, its count and its line in the log.
"""

from __future__ import annotations

import html
import json
import logging
import re
import secrets
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rag import traces
from rag.errors import ArchiveBusy, DatelineError
from rag.keys import SCOPES, Keys, Scope
from rag.metrics import Metrics
from rag.problems import Busy, Refused, headers_of, problem, said, status_of

Connection = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Connection, Receive, Send], Awaitable[None]]

log = logging.getLogger("dateline.access")

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
JSON_BYTES = 2_000_000  # the largest request that is no upload
COOKIE = "dateline_session"
_OURS = ("/api/", "/v1/", "/mcp", "/metrics", "/openapi.json")  # what programs talk to; the rest is the page
_OPEN = frozenset({"/api/health/live", "/api/health/ready"})  # a supervisor has no key
# Gradio compiles its templates in the browser and starts from inline scripts, so scripts cannot be held to
# files. Inline handlers (`onerror=`) are: nothing that slips into the page as HTML can run or call another host.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; script-src-attr 'none'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
_LOGIN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Dateline</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:20vh auto;padding:0 1rem}}
input,button{{font:inherit;padding:.5rem;width:100%;box-sizing:border-box;margin:.25rem 0}}</style>
<h1>Dateline</h1><form method="post" action="/login"><label for="key">Your key for this archive</label>
<input id="key" name="key" type="password" autocomplete="current-password" autofocus required>
<button>Open</button></form><p role="alert">{notice}</p></html>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a door asks of requests. `hosts` None: any name; `upload_bytes` bounds what comes to /api/articles."""

    hosts: frozenset[str] | None
    upload_bytes: int
    requests_per_minute: int = 0


class Rate:
    """So many requests a minute for each client, after a first burst of as many."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, client: str) -> None:
        """Counts one request. Raises Busy with the seconds until the next is free."""
        if not self._per_minute:
            return
        now = time.monotonic()
        left, since = self._left.get(client, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - since) * self._per_minute / 60)
        if left < 1:
            seconds = int((1 - left) * 60 / self._per_minute) + 1
            raise Busy(f"More than {self._per_minute} requests a minute came from you. Wait {seconds} s.", seconds)
        if len(self._left) > 10_000:  # those who did not come for a minute have all of theirs again
            self._left = {name: kept for name, kept in self._left.items() if now - kept[1] < 60}
        self._left[client] = (left - 1, now)


class Door:
    """ASGI middleware around the API and the page."""

    def __init__(self, app: App, rules: Rules, keys: Keys, metrics: Metrics) -> None:
        self.app, self.rules, self.keys, self.metrics = app, rules, keys, metrics
        self.rate = Rate(rules.requests_per_minute)
        self._sessions: dict[str, str] = {}  # token of a browser -> id of its key

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Lets a request through, or answers it with what is wrong."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        visit = _Visit(scope, send)
        try:
            self._refuse_strangers(visit)
            if scope["type"] != "http":
                raise Refused(404, "There are no web sockets here.")
            if visit.path == "/login":
                await self._login(visit, receive)
                return
            self._check_key(visit)
            self.rate.take(visit.client)
            limit = self.rules.upload_bytes if visit.uploads else JSON_BYTES
            with traces.incoming(visit.headers):
                await self.app(scope, self._bounded(visit, receive, limit), visit.send)
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

    def _check_key(self, visit: _Visit) -> None:
        keys = self.keys.all()
        visit.scope["state"]["scopes"] = SCOPES
        if not keys or visit.path in _OPEN:
            return
        secret = _secret(visit.headers)
        token = _cookie(visit.headers)
        key = self.keys.check(secret) if secret else next((k for k in keys if k.id == self._sessions.get(token)), None)
        if key is None:
            raise Refused(
                401,
                "This archive asks for a key. Send it as 'Authorization: Bearer KEY'; make one with: "
                "dateline key create NAME",
                {"WWW-Authenticate": 'Bearer realm="dateline"'},
            )
        missing = [scope for scope in visit.needs if scope not in key.scopes]
        if missing:
            raise Refused(403, f"The key '{key.name}' may not do this: it lacks the scope {' and '.join(missing)}.")
        visit.client, visit.key = key.id, key.name
        visit.scope["state"]["scopes"] = key.scopes  # for the page: one address of Gradio's serves all that it can do

    async def _login(self, visit: _Visit, receive: Receive) -> None:
        if visit.method != "POST":
            await visit.answer(200, _LOGIN.format(notice="").encode(), "text/html; charset=utf-8")
            return
        body = await _body(receive, 4096)
        key = self.keys.check(parse_qs(body.decode("utf-8", "replace")).get("key", [""])[0].strip())
        if key is None:
            page = _LOGIN.format(notice=html.escape("This is no key of this archive, or it was revoked."))
            await visit.answer(401, page.encode(), "text/html; charset=utf-8")
            return
        token = secrets.token_urlsafe(32)
        self._sessions = dict(list(self._sessions.items())[-999:]) | {token: key.id}
        secure = "; Secure" if visit.scheme == "https" else ""
        cookie = f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000{secure}"
        await visit.answer(303, b"", "text/plain", {"Location": "/", "Set-Cookie": cookie})

    async def _refuse(self, visit: _Visit, error: Exception) -> None:
        status = status_of(error)
        if status == 401 and not visit.ours and "text/html" in visit.headers.get("accept", ""):
            await visit.answer(303, b"", "text/plain", {"Location": "/login"})
            return
        body, kind, status = error_body(visit.path, error, visit.id, self.keys.path.parent)
        await visit.answer(status, body, kind, headers_of(error))

    def _bounded(self, visit: _Visit, receive: Receive, limit: int) -> Receive:
        """`receive` that answers with 413 once more than `limit` bytes came. Raises Refused if more are announced."""
        announced = visit.headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > limit:
            raise _too_large(limit)
        came = 0

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > limit and not visit.status:
                # The application would tell of a body that it cannot read: so it is told here, and is not heard after.
                await self._refuse(visit, _too_large(limit))
                visit.over = True
                raise _too_large(limit)
            return message

        return bounded

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
        self.client, self.key = str((scope.get("client") or ("",))[0]), ""
        self.status = 0
        self.over = False  # answered by the door: the application is not heard any more
        self.began = time.perf_counter()

    @property
    def host(self) -> str:
        sent = self.headers.get("host", "")
        return urlsplit(f"//{sent}").hostname or "" if re.fullmatch(r"[\w.:\[\]-]+", sent) else ""

    @property
    def uploads(self) -> bool:
        return not self.ours or self.path == "/api/articles"

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
            message["headers"] = [*message.get("headers", []), *(h for h in extra if h[0] not in present)]
        await self._send(message)

    async def answer(self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        """A whole answer."""
        sent = {"content-type": kind, "content-length": str(len(body))} | dict(headers or {})
        pairs = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in sent.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})
        await self.send({"type": "http.response.body", "body": body})


def _secret(headers: Mapping[str, str]) -> str:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":  # curl -u :KEY
        try:
            return b64decode(value).decode().partition(":")[2]
        except ValueError:
            return ""
    return headers.get("x-api-key", "")


def _cookie(headers: Mapping[str, str]) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _too_large(limit: int) -> Refused:
    return Refused(413, f"The request is larger than {limit / 1e6:g} MB, the most that is read. Send less at a time.")


async def _body(receive: Receive, limit: int) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise _too_large(limit)
    return body
