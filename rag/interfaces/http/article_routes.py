"""The archive over HTTP: its articles to list, read, add and remove, and the pages that show one to people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import IO, Annotated, Protocol

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from rag.archive.catalog import Catalog
from rag.errors import StorageError
from rag.interfaces.filters import filters_from
from rag.interfaces.http.bodies import DAY, Json, errors, gives
from rag.interfaces.http.errors import HttpError
from rag.interfaces.http.middleware import base_of
from rag.interfaces.json import (
    ArticlesData,
    FullArticleData,
    Job,
    JobData,
    OutletsData,
    article_data,
    full_article_data,
    job_data,
    outlets_data,
)
from rag.interfaces.page import archive_view
from rag.interfaces.page import conversation_view as page


class UploadJobs(Protocol):
    """What changes the archive on behalf of clients; ingest.jobs.Jobs is one."""

    @property
    def record_bytes(self) -> int:
        """The longest JSON that `add_records` takes."""
        ...

    @property
    def waiting(self) -> int:
        """How many uploads are in line to be read."""
        ...

    @property
    def busy(self) -> bool:
        """Whether uploads wait or are being read, or their outcome is known to this process alone."""
        ...

    @property
    def gauges(self) -> Mapping[str, tuple[str, Callable[[], float]]]:
        """What else is to be measured, by name: a description and a function that gives the present value."""
        ...

    def start(self) -> None:
        """Resumes what was accepted before the server last ended."""
        ...

    def add_records(self, body: bytes) -> Job:
        """Ingests one article or a list of them, as JSON. Raises BadInput, Busy, InvalidJson, StorageError."""
        ...

    def add_files(self, files: Iterable[tuple[str, IO[bytes]]]) -> Job:
        """Ingests uploads: (name, file). Raises Busy, UploadTooLarge, StorageError."""
        ...

    def get(self, job_id: str) -> Job | None:
        """The job, or None."""
        ...

    def remove(self, article_id: str) -> bool:
        """Removes an article; False when there is none."""
        ...

    def close(self) -> None:
        """Stops the running ingest; it is resumed at the next start."""
        ...


class ArticleRoutes:
    """The routes that list, read, add and remove the articles of one archive."""

    def __init__(self, catalog: Catalog, jobs: UploadJobs) -> None:
        self.catalog, self.jobs = catalog, jobs

    def add_routes(self, app: FastAPI) -> None:
        """The routes of the API."""
        app.add_api_route(
            "/api/articles", self.articles, methods=["GET"], summary="List articles, newest first",
            responses=gives(ArticlesData) | errors(),
        )  # fmt: skip
        app.add_api_route(
            "/api/outlets", self.outlets, methods=["GET"], summary="List outlets",
            responses=gives(OutletsData) | errors(),
        )  # fmt: skip
        app.add_api_route(
            "/api/articles/{article_id:path}", self.article, methods=["GET"], summary="One article with its text",
            responses=gives(FullArticleData) | errors(404),
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
            responses=gives(JobData, 202) | errors(415), openapi_extra={"requestBody": body},
        )  # fmt: skip
        app.add_api_route(
            "/api/articles/{article_id:path}", self.remove, methods=["DELETE"], status_code=204,
            responses=errors(404, 409), summary="Remove an article with all its versions", response_class=Response,
        )  # fmt: skip
        app.add_api_route(
            "/api/jobs/{job_id}", self.job, methods=["GET"], summary="What became of an ingest",
            responses=gives(JobData) | errors(404),
        )  # fmt: skip

    def add_pages(self, app: FastAPI) -> None:
        """The pages for people, which the OpenAPI document leaves out."""
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
        filters = filters_from(since=since, until=until, outlets=outlet, languages=language, authors=author)
        found = self.catalog.articles(filters, text=text, limit=limit, offset=offset)
        total = self.catalog.coverage(filters).articles
        return Json({"articles": [article_data(article) for article in found], "total": total})

    def outlets(self) -> Response:
        """The outlets by name, and what the archive covers."""
        return Json(outlets_data(self.catalog))

    def article(self, article_id: str, version: Annotated[int | None, Query(ge=1, le=1_000_000)] = None) -> Response:
        """The article, its current version unless another is named."""
        found = self.catalog.article(article_id, version)
        if found is None:
            raise _unknown("article", article_id if version is None else f"{article_id}, version {version}")
        return Json(full_article_data(found))

    def article_page(
        self, request: Request, article_id: str, version: int = 0, start: int = 0, end: int = 0, part: bool = False
    ) -> HTMLResponse:
        """The page that a citation leads to: the article with the words from `start` to `end` highlighted."""
        current = self.catalog.article(article_id)
        found = self.catalog.article(article_id, version) if current and 0 < version < current.version else current
        if current is None or found is None:  # removed since it was cited
            gone = page.notice_html("This article is no longer in the archive.")
            return HTMLResponse(
                gone if part else archive_view.document("Not found", gone, base_of(request)), status_code=404
            )
        body = archive_view.article_html(found, start, end, latest=current.version)
        return HTMLResponse(body if part else archive_view.document(found.title, body, base_of(request)))

    def remove(self, article_id: str) -> Response:
        """Removes the article from the catalogue and both indexes."""
        if not self.jobs.remove(article_id):
            raise _unknown("article", article_id)
        return Response(status_code=204)

    async def add(self, request: Request) -> Response:
        """Takes one article as JSON (or a list of them), or uploaded files; the job says what became of them."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            job = await run_in_threadpool(self.jobs.add_records, await self._body(request))
        elif kind == "multipart/form-data":
            form = await _form(request)
            try:
                files = [(one.filename or "", one.file) for _, one in form.multi_items() if isinstance(one, UploadFile)]
                if not files:
                    raise HttpError(422, "No file is among the fields. Send it as: curl -F files=@article.html")
                job = await run_in_threadpool(self.jobs.add_files, files)
            finally:
                await form.close()
        else:
            raise HttpError(415, f"'{kind[:60]}' is not read here. Send application/json or multipart/form-data.")
        return Json(job_data(job), status_code=202, headers={"Location": f"{base_of(request)}/api/jobs/{job.id}"})

    async def _body(self, request: Request) -> bytes:
        """The body of a request, which is held in memory. Raises HttpError where it is longer than is read."""
        body, limit = bytearray(), self.jobs.record_bytes
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise HttpError(413, f"The JSON is longer than {limit:,} bytes. Send articles in parts, or as a file.")
        return bytes(body)

    def job(self, job_id: str) -> Response:
        """Waiting, running, done or failed."""
        found = self.jobs.get(job_id)
        if found is None:
            raise _unknown("job", job_id)
        return Json(job_data(found))


async def _form(request: Request) -> FormData:
    try:
        return await request.form(max_files=1000, max_fields=100, max_part_size=64_000)  # parts without a file
    except UnicodeError:  # some of Python's codecs, such as punycode, raise more than the parser expects
        raise HttpError(400, "The names in the form are not in the charset that it states. Send it as UTF-8.") from None
    except OSError as error:  # the form is kept in unnamed temporary files until it has arrived
        raise StorageError("The disk has no room for the upload. Free some and send it again.") from error


def _unknown(what: str, name: str) -> HttpError:
    return HttpError(404, f"There is no {what} '{name[:200]}'.")


_ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}


def _asset(name: str) -> Response:
    """Style and script of the page and of articles."""
    if name not in _ASSETS:
        raise HttpError(404, f"There is no {name[:80]}.")
    return Response(page.asset(name), media_type=_ASSETS[name], headers={"Cache-Control": "no-cache"})
