"""The archive over HTTP: its articles to list, read, add and remove, and the pages that show one to people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from rag.assistant import Assistant
from rag.errors import StorageError
from rag.interfaces import shapes
from rag.interfaces.http.bodies import DAY, Json, Narrowed, errors, gives
from rag.interfaces.http.errors import Refused
from rag.interfaces.json import article_data
from rag.interfaces.page import archive_view as page_archive
from rag.interfaces.page import conversation_view as page
from rag.serving.answer_queue import outlets_data


class Job(Protocol):
    """An ingest on its way."""

    id: str

    def as_dict(self) -> dict[str, Any]:
        """As rag.interfaces.shapes.JobData says."""
        ...


class Intake(Protocol):
    """What changes the archive; ingest.jobs.Jobs is one."""

    @property
    def record_bytes(self) -> int:
        """The longest JSON that `add_records` takes."""
        ...

    def start(self) -> None:
        """Takes up what was promised before the server last ended."""
        ...

    def add_records(self, body: bytes) -> Job:
        """Ingests one article or a list of them, as JSON. Raises BadInput, Busy, Refused, StorageError."""
        ...

    def add_files(self, files: Sequence[tuple[str, Any]]) -> Job:
        """Ingests uploads: (name, file). Raises Busy, Refused, StorageError."""
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


class Articles:
    """The routes of one archive."""

    def __init__(self, assistant: Assistant, intake: Intake) -> None:
        self.assistant, self.intake, self.catalog = assistant, intake, assistant.archive.catalog

    def add_routes(self, app: FastAPI) -> None:
        """Those of the API; what reads first."""
        app.add_api_route(
            "/api/articles", self.articles, methods=["GET"], summary="List articles, newest first",
            responses=gives(shapes.ArticlesData) | errors(),
        )  # fmt: skip
        app.add_api_route(
            "/api/outlets", self.outlets, methods=["GET"], summary="List outlets",
            responses=gives(shapes.OutletsData) | errors(),
        )  # fmt: skip
        app.add_api_route(
            "/api/articles/{article_id:path}", self.article, methods=["GET"], summary="One article with its text",
            responses=gives(shapes.FullArticleData) | errors(404),
        )  # fmt: skip
        self._add_writing(app)

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
            responses=gives(shapes.JobData, 202) | errors(415), openapi_extra={"requestBody": body},
        )  # fmt: skip
        app.add_api_route(
            "/api/articles/{article_id:path}", self.remove, methods=["DELETE"], status_code=204,
            responses=errors(404, 409), summary="Remove an article with all its versions", response_class=Response,
        )  # fmt: skip
        app.add_api_route(
            "/api/jobs/{job_id}", self.job, methods=["GET"], summary="What became of an ingest",
            responses=gives(shapes.JobData) | errors(404),
        )  # fmt: skip

    def add_pages(self, app: FastAPI) -> None:
        """Those for people, which OpenAPI does not name."""
        app.add_api_route("/dateline/{name}", _asset, methods=["GET"], include_in_schema=False)
        app.add_api_route("/article/{article_id:path}", self.article_page, methods=["GET"], include_in_schema=False)

    def articles(
        self,
        text: Annotated[str, Query(max_length=200, description="words in title, outlet or byline")] = "",
        since: Annotated[str | None, Query(json_schema_extra=DAY)] = None,
        until: Annotated[str | None, Query(json_schema_extra=DAY)] = None,
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
            return HTMLResponse(gone if part else page_archive.document("Not found", gone), status_code=404)
        body = page_archive.article_html(found, start, end, latest=current.version)
        return HTMLResponse(body if part else page_archive.document(found.title, body))

    def remove(self, article_id: str) -> Response:
        """Nothing is left of it, in the catalogue and both indexes."""
        if not self.intake.remove(article_id):
            raise _unknown("article", article_id)
        return Response(status_code=204)

    async def add(self, request: Request) -> Response:
        """Takes one article as JSON (or a list of them), or uploaded files; the job says what became of them."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            job = await run_in_threadpool(self.intake.add_records, await self._body(request))
        elif kind == "multipart/form-data":
            form = await _form(request)
            try:
                files = [(one.filename or "", one.file) for _, one in form.multi_items() if isinstance(one, UploadFile)]
                if not files:
                    raise Refused(422, "No file is among the fields. Send it as: curl -F files=@article.html")
                job = await run_in_threadpool(self.intake.add_files, files)
            finally:
                await form.close()
        else:
            raise Refused(415, f"'{kind[:60]}' is not read here. Send application/json or multipart/form-data.")
        return Json(job.as_dict(), status_code=202, headers={"Location": f"/api/jobs/{job.id}"})

    async def _body(self, request: Request) -> bytes:
        """The JSON of a request, which is held in memory. Raises Refused."""
        body, limit = bytearray(), self.intake.record_bytes
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise Refused(413, f"The JSON is longer than {limit:,} bytes. Send articles in parts, or as a file.")
        return bytes(body)

    def job(self, job_id: str) -> Response:
        """Waiting, running, done or failed."""
        found = self.intake.get(job_id)
        if found is None:
            raise _unknown("job", job_id)
        return Json(found.as_dict())


async def _form(request: Request) -> FormData:
    try:
        return await request.form(max_files=1000, max_fields=1000)
    except OSError as error:  # files lie in the system's temporary folder, without a name, until all of it is there
        raise StorageError("The disk has no room for the upload. Free some and send it again.") from error


def _unknown(what: str, name: str) -> Refused:
    return Refused(404, f"There is no {what} '{name[:200]}'.")


_ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}


def _asset(name: str) -> Response:
    """Style and script of the page and of articles."""
    if name not in _ASSETS:
        raise Refused(404, f"There is no {name[:80]}.")
    return Response(page.asset(name), media_type=_ASSETS[name], headers={"Cache-Control": "no-cache"})
