"""Questions and searches over HTTP: as JSON, or as server-sent events that can be resumed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from rag.interfaces.events import AnswerEvent, event_stream
from rag.interfaces.filters import day_from, encodable, turns_from
from rag.interfaces.http.bodies import (
    EVENTS,
    HEARTBEAT,
    AskBody,
    EventStream,
    Json,
    Replies,
    SearchBody,
    errors,
    gives,
    sse,
)
from rag.interfaces.http.errors import HttpError, client_message, problem, status_of
from rag.interfaces.http.middleware import log_question
from rag.interfaces.json import AnswerData, SearchData, answer_data, search_data
from rag.schema import Answer
from rag.serving.answer_queue import GRACE_SECONDS, AnswerQueue, AnswerRequest, QueuedAnswer


class AskRoutes:
    """The routes that ask and search one archive."""

    def __init__(self, queue: AnswerQueue) -> None:
        self.queue = queue
        self.settings, self.folder = queue.assistant.settings, queue.assistant.archive.folder

    def add_routes(self, app: FastAPI) -> None:
        """Ask, resume, search."""
        answer: Replies = {200: {"model": AnswerData, "content": EVENTS}}
        stream: Replies = {200: {"content": EVENTS}}
        app.add_api_route(
            "/api/ask", self.ask, methods=["POST"], responses=answer | errors(409, 410), summary="Ask a question"
        )
        app.add_api_route(
            "/api/ask/{run}", self.resume, methods=["GET"], summary="Go on reading an answer stream",
            responses=stream | errors(410), response_class=StreamingResponse,
        )  # fmt: skip
        app.add_api_route(
            "/api/search", self.search, methods=["POST"], summary="Find passages",
            responses=gives(SearchData) | errors(409),
        )  # fmt: skip

    async def ask(self, body: AskBody, request: Request) -> Response:
        """The answer with its sources: as JSON, or as events (sources, sentence, answer; error)."""
        if last := request.headers.get("last-event-id"):
            return await self._events(request, *_event_id(last))
        if self.settings.log_questions:
            log_question(request.state.request_id, body.question)
        asked = AnswerRequest(
            question=encodable(body.question),
            filters=body.filters,
            history=turns_from((turn.question, turn.answer) for turn in body.history),
            today=day_from("today", body.today),
            kind=body.kind,
        )
        stream = body.stream or "text/event-stream" in request.headers.get("accept", "")
        queued = self.queue.start(asked, keep=stream)
        if stream:
            return await self._events(request, queued.id, 0)
        answer = await final_answer(self.queue, queued, request)
        return Json(answer_data(answer)) if answer else Response(status_code=499)

    async def resume(self, run: str, request: Request) -> Response:
        """The events after Last-Event-ID (or all) of a stream that was cut less than a minute ago."""
        last = request.headers.get("last-event-id", "")
        return await self._events(request, run, _event_id(last)[1] if last else 0)

    async def _events(self, request: Request, answer_id: str, seen: int) -> Response:
        """A stream of the answer's events after the first `seen`. An error before the first has its own status."""
        queued = self.queue.find(answer_id)
        await first_state(self.queue, queued)
        return EventStream(self._encoded(request.state.request_id, queued, seen))

    async def _encoded(self, request_id: str, queued: QueuedAnswer, seen: int) -> AsyncIterator[bytes]:
        number = 0
        async with self.queue.reading(queued, grace=GRACE_SECONDS):
            try:
                async for event in event_stream(queued.follow()):
                    number += event is not None
                    if event is None:
                        yield HEARTBEAT
                    elif number > seen:
                        yield sse(event, f"{queued.id}-{number}")
            except Exception as error:
                detail = client_message(error, self.folder)
                data = problem(status_of(error), detail, request_id, kind=type(error).__name__)
                if number + 1 > seen:
                    yield sse(AnswerEvent("error", data), f"{queued.id}-{number + 1}")

    async def search(self, body: SearchBody, request: Request) -> Response:
        """The passages nearest to the query, best first."""
        if self.settings.log_questions:
            log_question(request.state.request_id, body.query)
        today = day_from("today", body.today)
        hits = await self.queue.search(encodable(body.query), body.filters, today=today, top_k=body.top_k)
        note = "" if hits else await asyncio.to_thread(self.queue.assistant.nothing_found, body.filters)
        return Json(search_data(body.query, hits, note))


async def first_state(queue: AnswerQueue, queued: QueuedAnswer) -> None:
    """Waits for the sources of an answer, so that an error before them gets an HTTP status. Raises that error."""
    async with queue.reading(queued, grace=GRACE_SECONDS), aclosing(queued.follow()) as states:  # type: ignore[type-var]
        async for _ in states:
            break


async def final_answer(queue: AnswerQueue, queued: QueuedAnswer, request: Request) -> Answer | None:
    """The final answer; None, and the language model is stopped, when the client disconnects before."""
    async with queue.reading(queued):
        gone = asyncio.create_task(_until_gone(request))
        assert queued.task is not None
        await asyncio.wait({gone, queued.task}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not queued.task.done():
            return None
        async for _ in queued.follow():
            pass
        return queued.last


def _event_id(text: str) -> tuple[str, int]:
    answer_id, _, number = text.rpartition("-")
    if not answer_id or not number.isascii() or not number.isdigit():
        raise HttpError(400, f"Last-Event-ID is '{text[:80]}', expected the id of an event of this server.")
    return answer_id, int(number[:9])


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
