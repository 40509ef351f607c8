"""The HTTP application, put together: /api for programs of your own, /v1 for OpenAI's clients, /mcp for agents.

A route parses, calls one method and renders; the routes are in ask_routes, article_routes, story_routes and
openai_routes. Every request passes through middleware; answers that are being written are in
rag.serving.answer_queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

import rag
from rag.assistant import Assistant
from rag.interfaces.http.article_routes import ArticleRoutes, UploadJobs
from rag.interfaces.http.ask_routes import AskRoutes
from rag.interfaces.http.auth import WRONG_PER_MINUTE, Authenticator
from rag.interfaces.http.bodies import Json, Replies, errors, gives, problem_schemas
from rag.interfaces.http.errors import HttpError, problem
from rag.interfaces.http.middleware import LOCAL, RequestLimits, RequestMiddleware, error_body, route_path
from rag.interfaces.http.openai_routes import OpenAIRoutes
from rag.interfaces.http.story_routes import StoryRoutes
from rag.interfaces.json import FieldProblem, HealthData, ProbeData, coverage_data
from rag.interfaces.mcp_route import McpRoute
from rag.serving import metrics
from rag.serving import tracing as traces
from rag.serving.answer_queue import AnswerQueue
from rag.serving.api_keys import is_loopback
from rag.serving.sessions import sessions_of
from rag.serving.shared_keys import keys_of
from rag.serving.shared_limits import limiter_of

App: TypeAlias = FastAPI  # for annotations elsewhere


class _Documented(FastAPI):
    """Declares the shape of errors among the components: no route returns it, the middleware does."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        document["components"]["schemas"] |= problem_schemas()
        return document


def create_api(
    assistant: Assistant,
    *,
    jobs: UploadJobs,
    ready: Callable[[], bool] = lambda: True,
    hosts: frozenset[str] | None = None,
    beside: FastAPI | None = None,
    guard: Authenticator | None = None,
) -> FastAPI:
    """The API of one assistant, which its caller closes. A page may be mounted on it at / afterwards.

    `jobs` ingests what is uploaded; it is started and closed with the application. `hosts` are the names that the
    server answers to; by default those of this machine, as long as the settings keep to loopback. The API `beside`
    which this one is served is another archive's: clients and answers are counted together with it. `guard`, which
    outlives the application, lets requests in to it; by default one for the keys of the archive is made.
    """
    assistant = traces.watched(assistant)
    settings = assistant.settings
    if hosts is None and is_loopback(settings.host):
        hosts = LOCAL
    server = _Server(assistant, jobs, ready, beside.state.answer_queue if beside else None)
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
    # For the page that may be mounted on the application, and for the archives that are served beside it.
    app.state.answer_queue, app.state.metrics = server.queue, server.metrics
    catalog = assistant.archive.catalog
    app.state.rate = beside.state.rate if beside else limiter_of(catalog, settings.requests_per_minute)
    app.state.wrong = beside.state.wrong if beside else limiter_of(catalog, WRONG_PER_MINUTE, "wrong keys")
    app.state.authenticator = guard or Authenticator(keys_of(assistant.archive), sessions_of(catalog), app.state.wrong)
    app.state.busy = lambda: server.queue.busy or jobs.busy
    limits = RequestLimits(
        hosts=hosts,
        upload_bytes=int(settings.max_file_mb * 10_000_000),  # a zip of many files
        article_bytes=int(settings.max_file_mb * 1_000_000),
    )
    app.state.limits, folder = limits, assistant.archive.folder
    app.add_middleware(
        RequestMiddleware,
        limits=limits,
        authenticator=app.state.authenticator,
        folder=folder,
        metrics=server.metrics,
        rate=app.state.rate,
    )
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework_error)
    return app


def forget_routes() -> None:
    """Lets routes of applications that have ended go.

    FastAPI notes of 4,096 functions whether they are coroutines, and with these methods holds on to their applications
    and archives, of which each has some twenty. It asks again for those in use.
    """
    with suppress(ImportError):  # another version may do without
        from fastapi.dependencies import models

        for noted in vars(models).values():
            if clear := getattr(noted, "cache_clear", None):
                clear()


class _Server:
    """The routes of one assistant and what they share."""

    def __init__(
        self, assistant: Assistant, jobs: UploadJobs, ready: Callable[[], bool], beside: AnswerQueue | None
    ) -> None:
        self.assistant, self.jobs, self.ready = assistant, jobs, ready
        self.catalog = assistant.archive.catalog
        self.metrics = metrics.Metrics()
        self.queue = AnswerQueue(assistant, self.metrics.answer, beside=beside)
        self.mcp = McpRoute(self.queue)
        self._add_gauges()

    def _add_gauges(self) -> None:
        gauge, limit = self.metrics.gauge, self.queue.limit
        gauge("articles", "Live articles", lambda: self.catalog.coverage().articles)
        gauge("answers_running", "Answers being written", lambda: limit.running)
        gauge("answers_inside", "Answers being written or in line", lambda: limit.admitted)
        gauge("uploads_waiting", "Uploads in line to be read", lambda: self.jobs.waiting)
        gauge("article_changes", "Articles stored, changed or removed, by any process", self.catalog.last_change)
        gauge("changes_behind", "Newest changes that a search does not find yet", self.assistant.archive.changes_behind)
        for name, (text, value) in self.jobs.gauges.items():
            gauge(name, text, value)

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """At the start, unfinished ingests are resumed; at the end, answers and the running ingest are stopped."""
        await asyncio.to_thread(self.jobs.start)
        async with self.mcp.lifespan():
            try:
                yield
            finally:
                await self.queue.close()
                await asyncio.to_thread(self.jobs.close)

    def add_routes(self, app: FastAPI) -> None:
        """All routes; those that match any remaining address come last."""
        articles = ArticleRoutes(self.catalog, self.jobs)
        AskRoutes(self.queue).add_routes(app)
        articles.add_routes(app)
        stories = StoryRoutes(self.catalog)
        stories.add_routes(app)
        OpenAIRoutes(self.queue).add_routes(app)
        self._add_monitoring(app)
        app.add_api_route("/mcp", _no_listening, methods=["GET", "HEAD"], include_in_schema=False)
        app.router.routes.append(Route("/mcp", self.mcp))
        articles.add_pages(app)
        stories.add_pages(app)
        for rest in ("/api/{rest:path}", "/v1/{rest:path}"):
            methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
            app.add_api_route(rest, _not_found, methods=methods, include_in_schema=False)

    def _add_monitoring(self, app: FastAPI) -> None:
        text: Replies = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
        app.add_api_route(
            "/api/health", self.health, methods=["GET"], summary="The server and its archive",
            responses=gives(HealthData) | errors(),
        )  # fmt: skip
        app.add_api_route(
            "/api/health/live", self.live, methods=["GET"], summary="Whether the process answers",
            responses=gives(ProbeData) | errors(),
        )  # fmt: skip
        app.add_api_route(
            "/api/health/ready", self.is_ready, methods=["GET"], summary="Whether the models are loaded (else 503)",
            responses=gives(ProbeData) | errors(),
        )  # fmt: skip
        app.add_api_route(
            "/metrics", self.metric_text, methods=["GET"], summary="Prometheus",
            responses=text | errors(),
            response_class=Response,
        )  # fmt: skip

    def health(self) -> Response:
        """The models, the archive, and how many answers are being written or in line."""
        limit = self.queue.limit
        data: HealthData = {
            "live": True,
            "ready": self.ready(),
            "version": rag.__version__,
            "model": self.assistant.model,
            "embedder": self.assistant.embedder.name,
            "embedder_advice": self.assistant.embedder_advice,
            "coverage": coverage_data(self.catalog.coverage()),
            "running": limit.running,
            "waiting": limit.waiting,
        }
        return Json(data)

    def live(self) -> Response:
        """Liveness: a supervisor restarts the process when this fails."""
        return Json({"live": True, "ready": self.ready()})

    def is_ready(self) -> Response:
        """Readiness: a load balancer sends no requests while this fails."""
        if not self.ready():
            raise HttpError(503, "The models are being loaded.", {"Retry-After": "5"})
        return Json({"live": True, "ready": True})

    def metric_text(self) -> Response:
        """Counters, and gauges as they are now."""
        return Response(self.metrics.text(), media_type=metrics.CONTENT_TYPE)


async def _no_listening() -> Response:
    """Raises HttpError. The library would open a stream that never ends and on which, without sessions, nothing comes:
    enough of them keep everybody else out. The protocol lets a server refuse it with 405."""
    raise HttpError(405, "MCP is spoken here with POST; there is no stream to listen to.", {"Allow": "POST"})


async def _not_found(request: Request) -> Response:
    """Raises HttpError: 405 where a route exists for another method, 404 otherwise."""
    partial = [
        route for route in request.app.router.routes
        if route.matches(request.scope)[0] is Match.PARTIAL and getattr(route, "methods", None)
    ]  # fmt: skip
    if partial:
        allowed = ", ".join(sorted({method for route in partial for method in route.methods}))
        raise HttpError(405, f"{request.method} is not possible here; {allowed} is.", {"Allow": allowed})
    raise HttpError(404, f"There is nothing at {request.url.path[:200]}. All that there is: /openapi.json")


async def _framework_error(request: Request, error: Exception) -> Response:
    """An HTTPException of the framework, in the shape of our errors."""
    assert isinstance(error, HTTPException)
    ours = HttpError(error.status_code, str(error.detail), dict(error.headers or {}))
    body, kind, status = error_body(route_path(request.scope), ours, request.state.request_id, None)
    return Response(body, status, headers=ours.headers, media_type=kind)


async def _invalid(request: Request, error: Exception) -> Response:
    """A body or a parameter that is not as documented: each field with what is wrong with it."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        detail, status = "The body is no JSON.", 400
    else:
        detail, status = "", 422
    fields = [FieldProblem(field=_place(one["loc"]), message=_wording(one)) for one in found[:20]]
    detail = detail or " ".join(f"{one['field']} {one['message']}." for one in fields)
    body = problem(status, detail, request.state.request_id, kind="Invalid", errors=fields)
    return Json(body, status, media_type="application/problem+json")


def _place(location: Sequence[Any]) -> str:
    return ".".join(str(part)[:60] for part in location[1:]) or "the body"


def _wording(error: Mapping[str, Any]) -> str:
    unknown = "is not known here; correct it or leave it out (/openapi.json has those that are known)"
    words = {"missing": "is missing", "extra_forbidden": unknown, "unexpected_keyword_argument": unknown}
    return words.get(error["type"], f"cannot be used: {str(error['msg'])[:1].lower()}{str(error['msg'])[1:]}")
