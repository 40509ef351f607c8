"""The HTTP face: /api for programs of your own, /v1 for OpenAI's clients, /mcp for agents; here put together.

A route parses, calls one method, renders; they are in ask_routes, article_routes and openai_routes. What all requests
pass is in middleware, answers in flight are in rag.serving.answer_queue.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

import rag
from rag.assistant import Assistant
from rag.interfaces import mcp as agents
from rag.interfaces import shapes
from rag.interfaces.http.article_routes import Articles, Intake
from rag.interfaces.http.ask_routes import Asking
from rag.interfaces.http.auth import Access
from rag.interfaces.http.bodies import PROBLEM, Json, Replies, errors, gives
from rag.interfaces.http.errors import Refused, problem
from rag.interfaces.http.middleware import LOCAL, Door, Rules, error_body
from rag.interfaces.http.openai_routes import OpenAIRoutes
from rag.interfaces.json import coverage_data
from rag.serving import metrics
from rag.serving import tracing as traces
from rag.serving.answer_queue import Runs
from rag.serving.api_keys import Keys, is_loopback

App: TypeAlias = FastAPI  # for annotations elsewhere


class _Documented(FastAPI):
    """With the shape of errors among the components: no route returns it, the door does."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        document["components"]["schemas"]["ProblemData"] = PROBLEM
        return document


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
    assistant = traces.watched(assistant)
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
    app.state.answer_queue = server.runs  # for a page that is mounted on it
    rules = Rules(
        hosts=hosts,
        upload_bytes=int(settings.max_file_mb * 10_000_000),  # a zip of many files
        article_bytes=int(settings.max_file_mb * 1_000_000),
        requests_per_minute=settings.requests_per_minute,
    )
    folder = assistant.archive.folder
    app.add_middleware(Door, rules=rules, access=Access(Keys(folder)), folder=folder, metrics=server.metrics)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    return app


class Server:
    """The routes of one assistant and what they share."""

    def __init__(self, assistant: Assistant, intake: Intake, ready: Callable[[], bool]) -> None:
        self.assistant, self.intake, self.ready = assistant, intake, ready
        self.catalog = assistant.archive.catalog
        self.metrics = metrics.Metrics()
        settings = assistant.settings
        self.runs = Runs(assistant, settings.answer_slots, settings.answer_queue, self.metrics.answer)
        self.agents = agents.http_app(agents.create_mcp(assistant, self.runs))
        self.metrics.gauge("articles", "Live articles", lambda: self.catalog.coverage().articles)
        self.metrics.gauge("answers_running", "Answers being written", lambda: self.runs.gate.running)
        self.metrics.gauge("answers_inside", "Answers being written or in line", lambda: self.runs.gate.inside)

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """First ingests that were promised go on; at the end every answer is stopped, and the running ingest."""
        await asyncio.to_thread(self.intake.start)
        async with self.agents.router.lifespan_context(self.agents):
            try:
                yield
            finally:
                await self.runs.close()
                await asyncio.to_thread(self.intake.close)

    def add_routes(self, app: FastAPI) -> None:
        """All routes; those that catch what is left come last."""
        asking, articles = Asking(self.assistant, self.runs), Articles(self.assistant, self.intake)
        asking.add_routes(app)
        articles.add_routes(app)
        OpenAIRoutes(asking).add_routes(app)
        self._add_watching(app)
        app.router.routes.extend(self.agents.routes)  # /mcp
        articles.add_pages(app)
        for rest in ("/api/{rest:path}", "/v1/{rest:path}"):
            methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
            app.add_api_route(rest, _nothing_here, methods=methods, include_in_schema=False)

    def _add_watching(self, app: FastAPI) -> None:
        text: Replies = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
        app.add_api_route(
            "/api/health", self.health, methods=["GET"], summary="The server and its archive",
            responses=gives(shapes.HealthData) | errors(),
        )  # fmt: skip
        app.add_api_route(
            "/api/health/live", self.live, methods=["GET"], summary="Whether the process answers",
            responses=gives(shapes.ProbeData) | errors(),
        )  # fmt: skip
        app.add_api_route(
            "/api/health/ready", self.is_ready, methods=["GET"], summary="Whether the models are loaded (else 503)",
            responses=gives(shapes.ProbeData) | errors(),
        )  # fmt: skip
        app.add_api_route(
            "/metrics", self.metric_text, methods=["GET"], summary="Prometheus",
            responses=text | errors(),
            response_class=Response,
        )  # fmt: skip

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
