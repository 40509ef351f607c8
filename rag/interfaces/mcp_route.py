"""The route /mcp, which opens the MCP face with its first request.

The library of that face takes .35 CPU seconds to import, for which nobody should wait who opens the page.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from rag.serving.answer_queue import AnswerQueue


class McpRoute:
    """An ASGI application for one event loop at a time."""

    def __init__(self, queue: AnswerQueue) -> None:
        """`queue` is that of the HTTP face, and so are its limits."""
        self._queue = queue
        self._asked = asyncio.Event()
        self._face: asyncio.Future[Any] | None = None  # None before and after `lifespan`

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a request within `lifespan`. Raises what the opening of the face has raised."""
        if self._face is None:
            raise RuntimeError("the application is not running")
        self._asked.set()
        face = await asyncio.shield(self._face)  # a client that leaves takes it from nobody else
        await face(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """A context within which requests are answered; at its end the face is closed."""
        self._asked, self._face = asyncio.Event(), asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(self._serve(self._face))
        try:
            yield
        finally:
            serving.cancel()
            await asyncio.wait([serving])
            self._face.cancel()
            self._face = None

    async def _serve(self, face: asyncio.Future[Any]) -> None:
        """Opens the face when it is asked for, and closes it when this task is cancelled."""
        await self._asked.wait()
        try:
            app = await asyncio.to_thread(self._opened)
            async with app.router.lifespan_context(app):
                face.set_result(app.router)
                await asyncio.Event().wait()
        except Exception as error:
            if face.done():
                raise
            face.set_exception(error)

    def _opened(self) -> Any:
        from rag.interfaces import mcp

        return mcp.http_app(mcp.create_mcp(self._queue))
