"""The HTTP face: /api for programs of your own, /v1 for OpenAI's clients, /mcp for agents. The only import of FastAPI.

A route parses, calls one method, renders. What all requests pass is in rag.door, answers in flight in rag.runs.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeAlias, cast
from urllib.parse import quote

from fastapi import Body, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.routing import Match

import rag
from rag import mcp as agents
from rag import metrics, openai_api, page, shapes
from rag.assistant import Assistant
from rag.door import LOCAL, Door, Rules, error_body, log, openai_error
from rag.keys import Keys, is_loopback
from rag.problems import Refused, problem, said, status_of
from rag.render import answer_data, article_data, coverage_data, hit_data
from rag.runs import (
    GRACE_SECONDS,
    Event,
    Gate,
    Question,
    Run,
    Runs,
    day_of,
    event_stream,
    is_final,
    outlets_data,
    sound,
    turns,
)
from rag.schema import Answer, Citation, Filters

App: TypeAlias = FastAPI  # for annotations elsewhere


class Job(Protocol):
    """An ingest on its way."""

    id: str

    def as_dict(self) -> dict[str, Any]:
        """As rag.shapes.JobData says."""
        ...


class Intake(Protocol):
    """What changes the archive; ingest.jobs.Jobs is one."""

    def add_records(self, records: object) -> Job:
        """Ingests articles as JSON gives them. Raises BadInput, Busy."""
        ...

    def add_files(self, files: Sequence[tuple[str, Any]]) -> Job:
        """Ingests uploads: (name, file). Raises Busy."""
        ...

    def get(self, job_id: str) -> Job | None:
        """The job, or None."""
        ...

    def remove(self, article_id: str) -> bool:
        """Removes an article; False when there is none."""
        ...

    def close(self) -> None:
        """Ends what is running."""
        ...


_DAY = {"format": "date", "examples": ["2025-03-01"]}
_CLOSED = {"extra": "forbid"}
Names = Annotated[list[str], Body(max_length=100)]
Day = Annotated[str | None, Body(json_schema_extra=_DAY)]


class Json(JSONResponse):
    """JSON whatever the strings hold: a lone surrogate, as broken escapes leave it, becomes `?`."""

    def render(self, content: Any) -> bytes:
        """The bytes to send."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


@dataclass(kw_only=True)
class Narrowed:
    """What to search in. Days are inclusive, as printed by the outlet."""

    __pydantic_config__ = _CLOSED
    since: Day = None
    until: Day = None
    outlets: Names = field(default_factory=list)
    languages: Names = field(default_factory=list)
    authors: Names = field(default_factory=list)

    @property
    def filters(self) -> Filters:
        """Raises QuestionError."""
        return Filters(
            since=day_of("since", self.since),
            until=day_of("until", self.until),
            outlets=tuple(map(sound, self.outlets)),
            languages=tuple(map(sound, self.languages)),
            authors=tuple(map(sound, self.authors)),
        )


@dataclass(kw_only=True)
class TurnBody:
    """One earlier exchange."""

    __pydantic_config__ = _CLOSED
    question: str
    answer: str


@dataclass(kw_only=True)
class AskBody(Narrowed):
    """A question. With `stream` (or Accept: text/event-stream) the answer comes as server-sent events."""

    question: Annotated[str, Body(examples=["Who compared the situation with the missile crisis?"])]
    history: Annotated[list[TurnBody], Body(max_length=100)] = field(default_factory=list)
    stream: bool = False


@dataclass(kw_only=True)
class SearchBody(Narrowed):
    """What to look for."""

    query: Annotated[str, Body(examples=["harbour strike"])]
    top_k: Annotated[int | None, Body(ge=1, le=1000)] = None


class _Documented(FastAPI):
    """With the shape of errors among the components: no route returns it, the door does."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        document["components"]["schemas"]["ProblemData"] = _PROBLEM
        return document


_TEXT = {"type": "string"}
_PROBLEM = {
    "type": "object",
    "description": "After RFC 9457; detail says what is wrong, what was expected and what to do.",
    "required": ["type", "title", "status", "detail", "request_id"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("type", "title", "detail", "request_id"), _TEXT),
        "status": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "additionalProperties": False,
                "properties": {"field": _TEXT, "message": _TEXT},
            },
        },
    },
}


def create_api(
    assistant: Assistant,
    *,
    ready: Callable[[], bool] = lambda: True,
    intake: Intake | None = None,
    hosts: frozenset[str] | None = None,
) -> FastAPI:
    """The API of one assistant, which stays its caller's to close. A page may be mounted on it at / afterwards.

    `hosts` are the names that it answers to; by default those of this machine while the settings keep to loopback.
    """
    settings = assistant.settings
    if intake is None:  # `rag` does not import the ingester; like the command line it hands over by name
        jobs = importlib.import_module("ingest.jobs")
        intake = cast(Intake, jobs.Jobs(assistant.archive, assistant.embedder, settings))
    if hosts is None and is_loopback(settings.host):
        hosts = LOCAL
    server = Server(assistant, intake, ready)
    app = _Documented(
        title="Dateline",
        version=rag.__version__,
        summary="Answers from a news archive, with the very words behind every sentence.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=server.lifespan,
    )
    server.add_routes(app)
    rules = Rules(
        hosts=hosts,
        upload_bytes=int(settings.max_file_mb * 10_000_000),  # a zip of many files
        requests_per_minute=settings.requests_per_minute,
    )
    app.add_middleware(Door, rules=rules, keys=Keys(assistant.archive.folder), metrics=server.metrics)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    return app


Replies = dict[int | str, dict[str, Any]]  # status -> what OpenAPI says of it


def _gives(shape: Any, status: int = 200) -> Replies:
    return {status: {"model": shape}}


def _errors(*statuses: int) -> Replies:
    """What any route may also answer, for OpenAPI."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemData"}}}
    kinds = {*statuses, 400, 401, 403, 413, 421, 422, 429, 500, 503, 507}
    return {status: {"description": "What is wrong", "content": content} for status in sorted(kinds)}


def _openai_errors() -> Replies:
    schema = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "object", "required": ["message", "type", "param", "code"]}},
    }
    content = {"application/json": {"schema": schema}}
    kinds = (400, 401, 403, 404, 409, 413, 415, 421, 429, 500, 503, 507)
    return {status: {"description": "What is wrong", "content": content} for status in kinds}


# What a client reads of each event; `data` is JSON (or [DONE] at the end of a chat completion).
_EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": ["sources", "sentence", "answer", "error"]},
        "data": {"type": "string"},
    },
}
_EVENTS = {"text/event-stream": {"schema": _EVENT}}


class Server:
    """The routes of one assistant and what they share."""

    def __init__(self, assistant: Assistant, intake: Intake, ready: Callable[[], bool]) -> None:
        self.assistant, self.intake, self.ready = assistant, intake, ready
        self.catalog = assistant.archive.catalog
        self.metrics = metrics.Metrics()
        settings = assistant.settings
        self.runs = Runs(assistant, settings.answer_slots, settings.answer_queue, self.metrics.answer)
        self.desk = Gate(max(2, os.cpu_count() or 2), 128)  # for what needs no language model
        self.agents = agents.http_app(agents.create_mcp(assistant, self.runs))
        self.began = int(time.time())
        self.metrics.gauge("articles", "Live articles", lambda: self.catalog.coverage().articles)
        self.metrics.gauge("answers_running", "Answers being written", lambda: self.runs.gate.running)
        self.metrics.gauge("answers_inside", "Answers being written or in line", lambda: self.runs.gate.inside)

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """At the end every answer is stopped, and the running ingest keeps what it has."""
        async with self.agents.router.lifespan_context(self.agents):
            try:
                yield
            finally:
                await self.runs.close()
                await asyncio.to_thread(self.intake.close)

    def add_routes(self, app: FastAPI) -> None:
        """All routes; those that catch what is left come last."""
        self._add_reading(app)
        self._add_writing(app)
        self._add_openai(app)
        self._add_watching(app)
        app.router.routes.extend(self.agents.routes)  # /mcp
        app.add_api_route("/dateline/{name}", _asset, methods=["GET"], include_in_schema=False)
        app.add_api_route("/article/{article_id:path}", self.article_page, methods=["GET"], include_in_schema=False)
        for rest in ("/api/{rest:path}", "/v1/{rest:path}"):
            methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
            app.add_api_route(rest, _nothing_here, methods=methods, include_in_schema=False)

    def _add_reading(self, app: FastAPI) -> None:
        answer: Replies = {200: {"model": shapes.AnswerData, "content": _EVENTS}}
        stream: Replies = {200: {"content": _EVENTS}}
        app.add_api_route(
            "/api/ask", self.ask, methods=["POST"], responses=answer | _errors(409, 410), summary="Ask a question"
        )
        app.add_api_route(
            "/api/ask/{run}", self.resume, methods=["GET"], summary="Go on reading an answer stream",
            responses=stream | _errors(410), response_class=StreamingResponse,
        )  # fmt: skip
        app.add_api_route(
            "/api/search", self.search, methods=["POST"], summary="Find passages",
            responses=_gives(shapes.SearchData) | _errors(409),
        )  # fmt: skip
        app.add_api_route(
            "/api/articles", self.articles, methods=["GET"], summary="List articles, newest first",
            responses=_gives(shapes.ArticlesData) | _errors(),
        )  # fmt: skip
        app.add_api_route(
            "/api/outlets", self.outlets, methods=["GET"], summary="List outlets",
            responses=_gives(shapes.OutletsData) | _errors(),
        )  # fmt: skip
        app.add_api_route(
            "/api/articles/{article_id:path}", self.article, methods=["GET"], summary="One article with its text",
            responses=_gives(shapes.FullArticleData) | _errors(404),
        )  # fmt: skip

    def _add_writing(self, app: FastAPI) -> None:
        record = {"type": "object", "description": "title, text, and what is known of url, outlet, byline, published"}
        example = {
            "title": "Ferry runs aground",
            "text": "The ferry …",
            "outlet": "The Tide",
            "published": "2025-03-04",
        }
        body = {
            "required": True,
            "content": {
                "application/json": {"schema": record, "example": example},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["files"],
                        "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                    }
                },
            },
        }
        app.add_api_route(
            "/api/articles", self.add, methods=["POST"], status_code=202, summary="Add articles",
            responses=_gives(shapes.JobData, 202) | _errors(415), openapi_extra={"requestBody": body},
        )  # fmt: skip
        app.add_api_route(
            "/api/articles/{article_id:path}", self.remove, methods=["DELETE"], status_code=204,
            responses=_errors(404, 409), summary="Remove an article with all its versions", response_class=Response,
        )  # fmt: skip
        app.add_api_route(
            "/api/jobs/{job_id}", self.job, methods=["GET"], summary="What became of an ingest",
            responses=_gives(shapes.JobData) | _errors(404),
        )  # fmt: skip

    def _add_openai(self, app: FastAPI) -> None:
        def shape(example: dict[str, Any]) -> dict[str, Any]:
            schema = {"type": "object", "required": list(example)}
            body = {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}
            return {"requestBody": body}

        anything = {"application/json": {"schema": {"type": "object"}}}
        found: Replies = {200: {"content": anything}}
        chat: Replies = {200: {"content": anything | _EVENTS}}
        asking = {"model": "dateline", "messages": [{"role": "user", "content": "Where did the ferry run aground?"}]}
        app.add_api_route(
            "/v1/chat/completions", self.chat, methods=["POST"], responses=chat | _openai_errors(),
            openapi_extra=shape(asking), summary="OpenAI-compatible; sources as annotations and under 'dateline'",
        )  # fmt: skip
        app.add_api_route(
            "/v1/embeddings", self.embeddings, methods=["POST"], responses=found | _openai_errors(),
            openapi_extra=shape({"model": self.assistant.embedder.name, "input": ["harbour strike"]}),
            summary="OpenAI-compatible; the archive's own embedder",
        )  # fmt: skip
        app.add_api_route(
            "/v1/models", self.models, methods=["GET"], responses=found | _openai_errors(), summary="OpenAI-compatible"
        )
        app.add_api_route(
            "/v1/models/{model:path}", self.model, methods=["GET"], responses=found | _openai_errors(),
            summary="OpenAI-compatible",
        )  # fmt: skip

    def _add_watching(self, app: FastAPI) -> None:
        text: Replies = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
        app.add_api_route(
            "/api/health", self.health, methods=["GET"], summary="The server and its archive",
            responses=_gives(shapes.HealthData) | _errors(),
        )  # fmt: skip
        app.add_api_route(
            "/api/health/live", self.live, methods=["GET"], summary="Whether the process answers",
            responses=_gives(shapes.ProbeData) | _errors(),
        )  # fmt: skip
        app.add_api_route(
            "/api/health/ready", self.is_ready, methods=["GET"], summary="Whether the models are loaded (else 503)",
            responses=_gives(shapes.ProbeData) | _errors(),
        )  # fmt: skip
        app.add_api_route(
            "/metrics", self.metric_text, methods=["GET"], summary="Prometheus",
            responses=text | _errors(),
            response_class=Response,
        )  # fmt: skip

    # --- asking and searching -------------------------------------------------------------------

    async def ask(self, body: AskBody, request: Request) -> Response:
        """The answer with its sources: as JSON, or as events (sources, sentence, answer; error)."""
        if last := request.headers.get("last-event-id"):
            return await self._events(request, *_event_id(last))
        history = turns([(sound(turn.question), sound(turn.answer)) for turn in body.history])
        stream = body.stream or "text/event-stream" in request.headers.get("accept", "")
        self._note(request, body.question)
        run = self.runs.start(Question(sound(body.question), body.filters, history), keep=stream)
        if stream:
            return await self._events(request, run.id, 0)
        answer = await self._final(run, request)
        return Json(answer_data(answer)) if answer else Response(status_code=499)

    def _note(self, request: Request, text: str) -> None:
        """Questions go to the log only where the settings ask for it."""
        if self.assistant.settings.log_questions:
            log.info("%s", json.dumps({"request": request.state.request_id, "question": text}))

    async def resume(self, run: str, request: Request) -> Response:
        """The events after Last-Event-ID (or all) of a stream that was cut less than a minute ago."""
        last = request.headers.get("last-event-id", "")
        return await self._events(request, run, _event_id(last)[1] if last else 0)

    async def _final(self, run: Run, request: Request) -> Answer | None:
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
        self._note(request, body.query)
        with self.desk.admitted():
            async with self.desk.turn():
                hits = await self.assistant.asearch(sound(body.query), body.filters, top_k=body.top_k)
        return Json({"query": body.query, "hits": [hit_data(hit) for hit in hits]})

    # --- the archive ----------------------------------------------------------------------------

    def articles(
        self,
        text: Annotated[str, Query(max_length=200, description="words in title, outlet or byline")] = "",
        since: Annotated[str | None, Query(json_schema_extra=_DAY)] = None,
        until: Annotated[str | None, Query(json_schema_extra=_DAY)] = None,
        outlet: Annotated[list[str], Query(max_length=100)] = [],  # noqa: B006
        language: Annotated[list[str], Query(max_length=100)] = [],  # noqa: B006
        author: Annotated[list[str], Query(max_length=100)] = [],  # noqa: B006
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> Response:
        """Articles within the filters, newest first."""
        filters = Narrowed(since=since, until=until, outlets=outlet, languages=language, authors=author).filters
        found = self.catalog.articles(filters, text=text, limit=limit, offset=offset)
        total = self.catalog.coverage(filters).articles
        return Json({"articles": [article_data(article) for article in found], "total": total})

    def outlets(self) -> Response:
        """The outlets by name, and what the archive covers."""
        return Json(outlets_data(self.assistant))

    def article(self, article_id: str, version: Annotated[int | None, Query(ge=1, le=1_000_000)] = None) -> Response:
        """The article, its current version unless another is named."""
        found = self.catalog.article(article_id, version)
        if found is None:
            raise _unknown("article", article_id if version is None else f"{article_id}, version {version}")
        return Json(article_data(found, with_text=True))

    def article_page(
        self, article_id: str, version: int = 0, start: int = 0, end: int = 0, part: bool = False
    ) -> HTMLResponse:
        """The article for people, with the words from `start` to `end` marked: where a citation leads."""
        current = self.catalog.article(article_id)
        found = self.catalog.article(article_id, version) if current and 0 < version < current.version else current
        if current is None or found is None:  # removed since it was cited
            gone = page.notice_html("This article is no longer in the archive.")
            return HTMLResponse(gone if part else page.document("Not found", gone), status_code=404)
        body = page.article_html(found, start, end, latest=current.version)
        return HTMLResponse(body if part else page.document(found.title, body))

    def remove(self, article_id: str) -> Response:
        """Nothing is left of it, in the catalogue and both indexes."""
        if not self.intake.remove(article_id):
            raise _unknown("article", article_id)
        return Response(status_code=204)

    async def add(self, request: Request) -> Response:
        """Takes one article as JSON (or a list of them), or uploaded files; the job says what became of them."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            job = await asyncio.to_thread(self.intake.add_records, _parsed(await request.body()))
        elif kind == "multipart/form-data":
            async with request.form(max_files=1000, max_fields=1000) as form:
                files = [(one.filename or "", one.file) for _, one in form.multi_items() if isinstance(one, UploadFile)]
                if not files:
                    raise Refused(422, "No file is among the fields. Send it as: curl -F files=@article.html")
                job = await asyncio.to_thread(self.intake.add_files, files)
        else:
            raise Refused(415, f"'{kind[:60]}' is not read here. Send application/json or multipart/form-data.")
        return Json(job.as_dict(), status_code=202, headers={"Location": f"/api/jobs/{job.id}"})

    def job(self, job_id: str) -> Response:
        """Waiting, running, done or failed."""
        found = self.intake.get(job_id)
        if found is None:
            raise _unknown("job", job_id)
        return Json(found.as_dict())

    # --- OpenAI's clients -----------------------------------------------------------------------

    async def chat(self, request: Request) -> Response:
        """A chat completion. Citations are annotations of the message; 'dateline' holds the whole answer."""
        body = _openai_body(request, await request.body())
        openai_api.check_model(body, (openai_api.CHAT_MODEL, self.assistant.model))
        asked = openai_api.parse_chat(body, _filters)
        self._note(request, asked.question.text)
        run = self.runs.start(asked.question)
        link = _link(request)
        if asked.stream:
            async with self.runs.reading(run, grace=GRACE_SECONDS), aclosing(run.follow()) as answers:  # type: ignore[type-var]
                async for _ in answers:
                    break
            return StreamingResponse(self._chunks(run, asked, link), media_type="text/event-stream")
        answer = await self._final(run, request)
        if answer is None:
            return Response(status_code=499)
        return Json(openai_api.completion(answer, asked, run.id, int(time.time()), link))

    async def _chunks(
        self, run: Run, asked: openai_api.ChatRequest, link: Callable[[Citation], str]
    ) -> AsyncIterator[str]:
        firm = self.assistant.llm is None or not self.assistant.llm.judges
        chunks = openai_api.Chunks(asked, run.id, int(time.time()), link, firm=firm)
        async with self.runs.reading(run):
            try:
                async for answer in run.follow():
                    if answer is None:
                        yield ": still at it\n\n"
                        continue
                    for chunk in chunks.final(answer) if is_final(answer) else chunks.grown(answer):
                        yield f"data: {json.dumps(chunk)}\n\n"
                yield "data: [DONE]\n\n"
            except Exception as error:
                detail = said(error, self.assistant.archive.folder)
                yield f"data: {json.dumps(openai_error(error, status_of(error), detail))}\n\n"

    async def embeddings(self, request: Request) -> Response:
        """Vectors of the archive's own embedder, of norm 1."""
        body = _openai_body(request, await request.body())
        embedder = self.assistant.embedder
        openai_api.check_model(body, (embedder.name,))
        with self.desk.admitted():
            async with self.desk.turn():
                asked = openai_api.parse_embedding(body, await asyncio.to_thread(lambda: embedder.dim))
                embed = embedder.embed_queries if asked.as_query else embedder.embed_passages
                vectors = await asyncio.to_thread(embed, asked.texts)
        return Json(openai_api.embeddings(vectors, asked, embedder.name))

    def models(self) -> Response:
        """The assistant as a chat model, and the embedder."""
        return Json({"object": "list", "data": openai_api.models(self.assistant.embedder.name, self.began)})

    def model(self, model: str) -> Response:
        """One of the models."""
        known = {one["id"]: one for one in openai_api.models(self.assistant.embedder.name, self.began)}
        openai_api.check_model({"model": model}, tuple(known))
        return Json(known[model])

    # --- watching -------------------------------------------------------------------------------

    def health(self) -> Response:
        """What answers, from what, and how many are in line."""
        gate = self.runs.gate
        return Json({
            "live": True,
            "ready": self.ready(),
            "version": rag.__version__,
            "model": self.assistant.model,
            "embedder": self.assistant.embedder.name,
            "coverage": coverage_data(self.catalog.coverage()),
            "running": gate.running,
            "waiting": gate.inside - gate.running,
        })  # fmt: skip

    def live(self) -> Response:
        """For a supervisor: restart it when this fails."""
        return Json({"live": True, "ready": self.ready()})

    def is_ready(self) -> Response:
        """For a load balancer: send nobody while this fails."""
        if not self.ready():
            raise Refused(503, "The models are being loaded.", {"Retry-After": "5"})
        return Json({"live": True, "ready": True})

    def metric_text(self) -> Response:
        """Counters, and gauges as they are now."""
        return Response(self.metrics.text(), media_type=metrics.CONTENT_TYPE)


def _unknown(what: str, name: str) -> Refused:
    return Refused(404, f"There is no {what} '{name[:200]}'.")


def _filters(restriction: Mapping[str, Any]) -> Filters:
    """The filters in the extra field of a chat completion. Raises Unfit."""
    names = ("since", "until", "outlets", "languages", "authors")
    for name, value in restriction.items():
        lists = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if name not in names or not (isinstance(value, str) if name in names[:2] else lists):
            raise openai_api.Unfit(
                "dateline",
                f"'dateline.{name[:40]}' cannot be used: expected days as text in since and until, "
                "lists of names in outlets, languages and authors.",
            )
    return Narrowed(**restriction).filters


def _event_id(text: str) -> tuple[str, int]:
    run, _, number = text.rpartition("-")
    if not run or not number.isascii() or not number.isdigit():
        raise Refused(400, f"Last-Event-ID is '{text[:80]}', expected the id of an event of this server.")
    return run, int(number[:9])


def _sse(event: Event, event_id: str) -> str:
    return f"id: {event_id}\nevent: {event.kind}\ndata: {json.dumps(event.data)}\n\n"


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"The body is no JSON: {error}.") from None


def _openai_body(request: Request, body: bytes) -> object:
    # Without this, a form on any web page could ask: browsers send text/plain without asking first.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "The content type must be application/json.")
    return _parsed(body)


def _link(request: Request) -> Callable[[Citation], str]:
    """Where a citation is read: at its outlet, or in this archive."""
    base = str(request.base_url).rstrip("/")

    def link(citation: Citation) -> str:
        article = citation.passage.article
        place = f"?version={article.version}&start={citation.start}&end={citation.end}"
        return article.url or f"{base}/article/{quote(article.id)}{place}"

    return link


_ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}


def _asset(name: str) -> Response:
    """Style and script of the page and of articles."""
    if name not in _ASSETS:
        raise Refused(404, f"There is no {name[:80]}.")
    return Response(page.asset(name), media_type=_ASSETS[name], headers={"Cache-Control": "no-cache"})


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _nothing_here(request: Request) -> Response:
    """What no route takes: the way is unknown, or only the method is."""
    partial = [
        route for route in request.app.router.routes
        if route.matches(request.scope)[0] is Match.PARTIAL and getattr(route, "methods", None)
    ]  # fmt: skip
    if partial:
        allowed = ", ".join(sorted({method for route in partial for method in route.methods}))
        raise Refused(405, f"{request.method} is not possible here; {allowed} is.", {"Allow": allowed})
    raise Refused(404, f"There is nothing at {request.url.path[:200]}. All that there is: /openapi.json")


async def _refused(request: Request, error: Exception) -> Response:
    """An HTTPException of the framework, in our shapes."""
    assert isinstance(error, HTTPException)
    ours = Refused(error.status_code, str(error.detail), dict(error.headers or {}))
    body, kind, status = error_body(request.url.path, ours, request.state.request_id, Path())
    return Response(body, status, headers=ours.headers, media_type=kind)


async def _invalid(request: Request, error: Exception) -> Response:
    """A body or a parameter that is not as documented: each field with what is wrong with it."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        detail, status = "The body is no JSON.", 400
    else:
        detail, status = "", 422
    fields = [shapes.FieldProblem(field=_place(one["loc"]), message=_wording(one)) for one in found[:20]]
    detail = detail or " ".join(f"{one['field']} {one['message']}." for one in fields)
    body = problem(status, detail, request.state.request_id, kind="Invalid", errors=fields)
    return Json(body, status, media_type="application/problem+json")


def _place(location: Sequence[Any]) -> str:
    return ".".join(str(part)[:60] for part in location[1:]) or "the body"


def _wording(error: Mapping[str, Any]) -> str:
    unknown = "is not known here; leave it out"
    words = {"missing": "is missing", "extra_forbidden": unknown, "unexpected_keyword_argument": unknown}
    return words.get(error["type"], f"cannot be used: {str(error['msg'])[:1].lower()}{str(error['msg'])[1:]}")
