"""What a server with several archives says itself: which there are, that there is none, why one cannot be used."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from rag.errors import ArchiveMissing, DatelineError
from rag.interfaces.http.app import App
from rag.interfaces.http.auth import WRONG_PER_MINUTE, Authenticator
from rag.interfaces.http.errors import HttpError, client_message
from rag.interfaces.http.middleware import Connection, Receive, RequestMiddleware, Send, error_body
from rag.interfaces.page.archive_view import document
from rag.interfaces.page.conversation_view import asset, notice_html
from rag.interfaces.page.templating import render
from rag.serving.api_keys import Key, Keys
from rag.serving.rate_limits import RateLimiter
from rag.serving.sessions import Sessions
from rag.serving.shared_keys import opened_keys
from rag.settings import ARCHIVES, Settings

log = logging.getLogger("dateline")

# What the scope of a request tells of the archive that it names: whether there is one, and why it cannot be used.
EXISTS, FAILED = "dateline.exists", "dateline.failed"
_FRESH_SECONDS = 5.0  # for which the keys of archives that are not open are not read again; they let nobody in
_PROGRAMS = ("/api/", "/v1/", "/mcp", "/metrics", "/openapi.json")
_CLOSED = (
    "This archive cannot be used now. Who has a key for it is told why, where its keys can be read; the log of the "
    "server says so too."
)


class Front:
    """An ASGI application for the addresses under /archives at which no archive answers.

    It is behind the same checks of hosts, origins, bodies and rates as the archives; who may see what, it decides by
    itself.
    """

    def __init__(
        self,
        root: App,
        settings: Settings,
        authenticator_of: Callable[[str], Authenticator | None],
        names: Callable[[], Awaitable[list[str]]],
    ) -> None:
        """`authenticator_of` gives that of an archive which is open; `names` those of all."""
        self._settings, self._authenticator_of, self._names = settings, authenticator_of, names
        self._read: dict[str, Authenticator | None] = {}  # of archives that are not open
        self._read_at = 0.0  # by `monotonic`
        self._reading = asyncio.Lock()
        self._checked = RequestMiddleware(
            self._answer,
            limits=root.state.limits,
            authenticator=_asking(_Given((), asked=False)),  # anybody
            folder=settings.folder,
            metrics=root.state.metrics,
            rate=root.state.rate,
        )

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answers a request, whose scope has EXISTS and FAILED."""
        await self._checked(scope, receive, send)

    async def _answer(self, scope: Connection, receive: Receive, send: Send) -> None:
        _, _, name, *rest = [*scope["path"].split("/", 3), ""][:4]
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        html = "text/html" in headers.get("accept", "") and not f"/{''.join(rest)}".startswith(_PROGRAMS)
        error = scope[FAILED]
        if error is not None and not isinstance(error, ArchiveMissing):
            why = await self._reason(name, error, headers)
            await self._tell(scope, send, HttpError(503, why, {"Retry-After": "5"}), html)
        elif not name and not "".join(rest):
            if scope.get("method") not in ("GET", "HEAD"):
                raise HttpError(405, "The list of the archives is read with GET.", {"Allow": "GET"})
            await self._list(send, headers, html)
        elif error is None and scope[EXISTS]:  # its address without the slash at the end
            query = scope.get("query_string", b"").decode("latin-1")
            to = f"/{ARCHIVES}/{name}/{'?' + query if query else ''}"
            await _send(send, 307, b"", "text/plain", {"Location": to})
        else:
            missing = HttpError(404, "There is no archive at this address. Those that you may open: /archives")
            await self._tell(scope, send, missing, html)

    async def _tell(self, scope: Connection, send: Send, error: HttpError, html: bool) -> None:
        if html:
            title = "Not found" if error.status == 404 else "Not available"
            page = _page(title, notice_html(str(error)))
            await _send(send, error.status, page.encode(), "text/html; charset=utf-8", error.headers)
            return
        rest = "/" + scope["path"].split("/", 3)[-1]  # under …/v1/ errors have OpenAI's shape
        body, kind, status = error_body(rest, error, scope["state"]["request_id"], None)
        await _send(send, status, body, kind, error.headers)

    async def _reason(self, name: str, error: BaseException, headers: dict[str, str]) -> str:
        """Why an archive cannot be used, for those who would be let in."""
        folder = self._settings.of_archive(name).folder
        guard = (await self._authenticators([name]))[name]
        return client_message(error, folder) if guard and await guard.opens(headers) else _CLOSED

    # --- the list ----------------------------------------------------------------------------------

    async def _list(self, send: Send, headers: dict[str, str], html: bool) -> None:
        """The archives that ask for no key, or for the one that the request brings."""
        names = ["", *await self._names()]
        closed = await self._authenticators([name for name in names if self._authenticator_of(name) is None])
        shown = []
        for name in names:
            guard = self._authenticator_of(name) or closed.get(name)
            if guard is not None and await guard.opens(headers):
                shown.append({"name": name, "address": f"/{ARCHIVES}/{name}/" if name else "/"})
        if html:
            page = _page("Archives", render("archives.html", archives=shown))
            await _send(send, 200, page.encode(), "text/html; charset=utf-8", {"Cache-Control": "no-store"})
        else:
            await _send(send, 200, json.dumps({"archives": shown}).encode(), "application/json", {})

    async def _authenticators(self, names: list[str]) -> dict[str, Authenticator | None]:
        """Those of archives that are not open; None where the keys cannot be read.

        One reads at a time, for all: a database that is away is not asked by each request.
        """
        async with self._reading:
            if time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._read, self._read_at = {}, time.monotonic()
            if missing := [name for name in names if name not in self._read]:
                self._read |= await asyncio.to_thread(self._authenticators_of, missing)
            return {name: self._read[name] for name in names}

    def _authenticators_of(self, names: list[str]) -> dict[str, Authenticator | None]:
        return {name: _authenticator(self._settings.of_archive(name)) for name in names}


def _authenticator(settings: Settings) -> Authenticator | None:
    """For the keys of an archive as they are now; None where they cannot be read."""
    try:
        with opened_keys(settings) as keys:
            found = keys.all()
            return _asking(_Given(found, asked=bool(found) or keys.exist()), settings.archive)
    except DatelineError as error:
        log.debug("the keys of the archive %s cannot be read: %s", settings.archive, error)
        return None


def _asking(keys: Keys, name: str = "") -> Authenticator:
    return Authenticator(keys, Sessions(), RateLimiter(WRONG_PER_MINUTE, "wrong keys"), name)


class _Given(Keys):
    """Keys that were read elsewhere."""

    def __init__(self, keys: tuple[Key, ...], *, asked: bool) -> None:
        self._given, self._asked = keys, asked

    def all(self) -> tuple[Key, ...]:
        """The keys."""
        return self._given

    def exist(self) -> bool:
        """Whether keys were ever made."""
        return self._asked


def _page(title: str, body: str) -> str:
    """A page with its style in it: the address of the style sheet is of the archive without a name, and of its keys."""
    return document(title, body, style=asset("page.css"))


async def _send(send: Send, status: int, body: bytes, kind: str, headers: dict[str, str]) -> None:
    sent: dict[str, Any] = {"Content-Type": kind, "Content-Length": str(len(body))} | headers
    pairs = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
