"""The route /mcp opens its face once, with the first request, and closes it with the application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import Asked

from rag.interfaces.mcp_route import McpRoute
from rag.serving.answer_queue import AnswerQueue

Sent = list[dict[str, Any]]


class Face:
    """In the place of the opened face: answers each request with its number."""

    def __init__(self) -> None:
        self.opened = self.closed = self.requests = 0
        self.router = self

    @asynccontextmanager
    async def lifespan_context(self, _app: object) -> AsyncIterator[None]:
        self.opened += 1
        try:
            yield
        finally:
            self.closed += 1

    async def __call__(self, scope: Any, receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self.requests += 1
        await send({"number": self.requests})


@pytest.fixture
def route(assistant: Asked) -> McpRoute:
    return McpRoute(AnswerQueue(assistant(extraction=True)))


async def asked(route: McpRoute) -> Sent:
    sent: Sent = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await route({"type": "http"}, None, send)
    return sent


def test_it_is_opened_once_and_closed_at_the_end_of_each_run(route: McpRoute, monkeypatch: pytest.MonkeyPatch) -> None:
    faces: list[Face] = []
    monkeypatch.setattr(route, "_opened", lambda: faces.append(Face()) or faces[-1])

    async def run() -> list[Sent]:
        async with route.lifespan():
            await asyncio.sleep(0)
            assert not [face for face in faces if not face.closed]  # nobody has asked yet
            return list(await asyncio.gather(*(asked(route) for _ in range(3))))

    for number in (1, 2):  # the same application may run again, in another event loop
        assert sorted(one["number"] for (one,) in asyncio.run(run())) == [1, 2, 3]
        assert [(face.opened, face.closed) for face in faces] == [(1, 1)] * number


def test_a_client_that_leaves_during_the_opening_takes_it_from_nobody_else(
    route: McpRoute, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = SimpleNamespace(begun=asyncio.Event())

    async def run() -> Sent:
        opening = asyncio.get_running_loop().create_future()

        async def slowly(_call: object) -> Face:
            face.begun.set()
            return await opening

        monkeypatch.setattr(asyncio, "to_thread", slowly)
        async with route.lifespan():
            leaving, staying = asyncio.create_task(asked(route)), asyncio.create_task(asked(route))
            await face.begun.wait()
            leaving.cancel()
            await asyncio.wait([leaving])
            opening.set_result(Face())
            return await staying

    assert asyncio.run(run()) == [{"number": 1}]


def test_what_prevents_the_opening_is_raised_for_every_request(
    route: McpRoute, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ImportError("no library")

    monkeypatch.setattr(route, "_opened", fail)

    async def run() -> None:
        async with route.lifespan():
            for _ in range(2):
                with pytest.raises(ImportError, match="no library"):
                    await asked(route)

    asyncio.run(run())


def test_it_ends_unasked_and_answers_nobody_outside_its_run(route: McpRoute) -> None:
    async def run() -> None:
        async with route.lifespan():
            pass
        with pytest.raises(RuntimeError, match="not running"):
            await asked(route)

    asyncio.run(asyncio.wait_for(run(), 10))
