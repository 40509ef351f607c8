"""What a server with several archives says itself: which there are, that there is none, why one cannot be used."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from rag.errors import ArchiveMissing, DatelineError
from rag.interfaces.http.app import App
from rag.interfaces.http.auth import Authenticator
from rag.interfaces.http.errors import HttpError, client_message
from rag.interfaces.http.middleware import Connection, Receive, RequestMiddleware, Send, error_body, sent_headers
from rag.interfaces.installation.guards import Guards
from rag.interfaces.page.archive_view import document
from rag.interfaces.page.conversation_view import asset, notice_html
from rag.interfaces.page.templating import render
from rag.serving.api_keys import Keys
from rag.serving.sessions import Sessions
from rag.settings import ARCHIVES, Settings

# What the scope of a request tells of the archive that it names: whether there is one, and why it cannot be used.
EXISTS, FAILED = "dateline.exists", "dateline.failed"
_PROGRAMS = ("/api/", "/v1/", "/mcp", "/metrics", "/openapi.json")
_CLOSED = (
    "This archive cannot be used now. Who has a key for it is told why, where its keys can be read; the log of the "
    "server says so too."
)


class Front:
    """An ASGI application for the addresses under /archives at which no archive answers.

    It is behind the same checks of hosts, origins, bodies and rates as the archives; who may see what, the guards of
    the archives decide.
    """

    def __init__(
        self,
        root: App,
        settings: Settings,
        guards: Guards,
        names: Callable[[], Awaitable[list[str]]],
    ) -> None:
        """`names` gives those of all archives."""
        self._root, self._settings, self._guards, self._names = root, settings, guards, names
        self._checked = self._behind(
            Authenticator(_NoKeys(settings.folder), Sessions(), root.state.wrong), self._answer
        )

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answers a request, whose scope has EXISTS and FAILED."""
        await self._checked(scope, receive, send)

    async def refuse(self, scope: Connection, receive: Receive, send: Send, guard: Authenticator) -> None:
        """Answers a request, whose scope has the address of an archive, that its guard does not let in."""
        await self._behind(guard, _let_in)(scope, receive, send)

    def _behind(self, guard: Authenticator, app: Callable[[Connection, Receive, Send], Awaitable[None]]) -> Any:
        state = self._root.state
        return RequestMiddleware(
            app,
            limits=state.limits,
            authenticator=guard,
            folder=self._settings.folder,
            metrics=state.metrics,
            rate=state.rate,
        )

    async def _answer(self, scope: Connection, receive: Receive, send: Send) -> None:
        _, _, name, *rest = [*scope["path"].split("/", 3), ""][:4]
        headers = sent_headers(scope)
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
        guard = self._guards.known(name)
        if guard is None or not await guard.opens(headers):
            return _CLOSED
        return client_message(error, self._settings.of_archive(name).folder)

    # --- the list ----------------------------------------------------------------------------------

    async def _list(self, send: Send, headers: dict[str, str], html: bool) -> None:
        """The archives that ask for no key, or for the one that the request brings."""
        shown = []
        for name in ["", *await self._names()]:
            with suppress(DatelineError):  # one whose keys cannot be read is shown to nobody
                if await (await self._guards.of(name)).opens(headers):
                    shown.append({"name": name, "address": f"/{ARCHIVES}/{name}/" if name else "/"})
        if html:
            page = _page("Archives", render("archives.html", archives=shown))
            await _send(send, 200, page.encode(), "text/html; charset=utf-8", {"Cache-Control": "no-store"})
        else:
            await _send(send, 200, json.dumps({"archives": shown}).encode(), "application/json", {})


class _NoKeys(Keys):
    """Keys of what asks for none."""

    def all(self) -> tuple[()]:
        """No keys."""
        return ()

    def exist(self) -> bool:
        """False."""
        return False


async def _let_in(scope: Connection, receive: Receive, send: Send) -> None:
    """Raises HttpError: the guard lets in who was not let in a moment ago."""
    raise HttpError(503, "The keys of this archive have changed just now. Ask again.", {"Retry-After": "1"})


def _page(title: str, body: str) -> str:
    """A page with its style in it: the address of the style sheet is of the archive without a name, and of its keys."""
    return document(title, body, style=asset("page.css"))


async def _send(send: Send, status: int, body: bytes, kind: str, headers: dict[str, str]) -> None:
    sent: dict[str, Any] = {"Content-Type": kind, "Content-Length": str(len(body))} | headers
    pairs = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
