"""Questions and searches over HTTP: as JSON, or as server-sent events that can be resumed."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import aclosing

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from rag.assistant import Assistant
from rag.interfaces import shapes
from rag.interfaces.http.bodies import EVENTS, AskBody, Json, Replies, SearchBody, errors, gives
from rag.interfaces.http.errors import Refused, problem, said, status_of
from rag.interfaces.http.middleware import log
from rag.interfaces.json import answer_data, hit_data
from rag.schema import Answer
from rag.serving.answer_queue import GRACE_SECONDS, Event, Gate, Question, Run, Runs, event_stream, sound, turns


class Asking:
    """The routes that ask one assistant, and what they share with those for OpenAI's clients."""

    def __init__(self, assistant: Assistant, runs: Runs) -> None:
        self.assistant, self.runs = assistant, runs
        self.desk = Gate(max(2, os.cpu_count() or 2), 128)  # for what needs no language model

    def add_routes(self, app: FastAPI) -> None:
        """Ask, resume, search."""
        answer: Replies = {200: {"model": shapes.AnswerData, "content": EVENTS}}
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
            responses=gives(shapes.SearchData) | errors(409),
        )  # fmt: skip

    async def ask(self, body: AskBody, request: Request) -> Response:
        """The answer with its sources: as JSON, or as events (sources, sentence, answer; error)."""
        if last := request.headers.get("last-event-id"):
            return await self._events(request, *_event_id(last))
        history = turns([(sound(turn.question), sound(turn.answer)) for turn in body.history])
        stream = body.stream or "text/event-stream" in request.headers.get("accept", "")
        self.note(request, body.question)
        run = self.runs.start(Question(sound(body.question), body.filters, history), keep=stream)
        if stream:
            return await self._events(request, run.id, 0)
        answer = await self.final(run, request)
        return Json(answer_data(answer)) if answer else Response(status_code=499)

    def note(self, request: Request, text: str) -> None:
        """Questions go to the log only where the settings ask for it."""
        if self.assistant.settings.log_questions:
            log.info("%s", json.dumps({"request": request.state.request_id, "question": text}))

    async def resume(self, run: str, request: Request) -> Response:
        """The events after Last-Event-ID (or all) of a stream that was cut less than a minute ago."""
        last = request.headers.get("last-event-id", "")
        return await self._events(request, run, _event_id(last)[1] if last else 0)

    async def final(self, run: Run, request: Request) -> Answer | None:
        """The final answer; None, and the model is stopped, when the client leaves before."""
        async with self.runs.reading(run):
            gone = asyncio.create_task(_until_gone(request))
            assert run.task is not None
            await asyncio.wait({gone, run.task}, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if not run.task.done():
                return None
            async for _ in run.follow():
                pass
            return run.answers[-1]

    async def _events(self, request: Request, run_id: str, seen: int) -> Response:
        """A stream of the run's events after the first `seen`; what is wrong from the start gets its own status."""
        run = self.runs.find(run_id)
        async with self.runs.reading(run, grace=GRACE_SECONDS), aclosing(run.follow()) as answers:  # type: ignore[type-var]
            async for _ in answers:
                break
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        told = self._told(request.state.request_id, run, seen)
        return StreamingResponse(told, media_type="text/event-stream", headers=headers)

    async def _told(self, request_id: str, run: Run, seen: int) -> AsyncIterator[str]:
        number = 0
        async with self.runs.reading(run, grace=GRACE_SECONDS):
            try:
                async for event in event_stream(run.follow()):
                    number += event is not None
                    if event is None:
                        yield ": still at it\n\n"
                    elif number > seen:
                        yield _sse(event, f"{run.id}-{number}")
            except Exception as error:
                folder = self.assistant.archive.folder
                data = problem(status_of(error), said(error, folder), request_id, kind=type(error).__name__)
                yield _sse(Event("error", dict(data)), f"{run.id}-{number + 1}")

    async def search(self, body: SearchBody, request: Request) -> Response:
        """The passages nearest to the query, best first."""
        self.note(request, body.query)
        with self.desk.admitted():
            async with self.desk.turn():
                hits = await self.assistant.asearch(sound(body.query), body.filters, top_k=body.top_k)
        return Json({"query": body.query, "hits": [hit_data(hit) for hit in hits]})


def _event_id(text: str) -> tuple[str, int]:
    run, _, number = text.rpartition("-")
    if not run or not number.isascii() or not number.isdigit():
        raise Refused(400, f"Last-Event-ID is '{text[:80]}', expected the id of an event of this server.")
    return run, int(number[:9])


def _sse(event: Event, event_id: str) -> str:
    return f"id: {event_id}\nevent: {event.kind}\ndata: {json.dumps(event.data)}\n\n"


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
