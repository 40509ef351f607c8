"""The stories of an archive over HTTP: to list, and to read with their articles."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse

from rag.archive.catalog import Catalog
from rag.interfaces.filters import encodable, filters_from
from rag.interfaces.http.bodies import DAY, Json, errors, gives
from rag.interfaces.http.errors import HttpError
from rag.interfaces.http.middleware import base_of
from rag.interfaces.page import archive_view
from rag.interfaces.page import conversation_view as page
from rag.interfaces.story_json import FullStoryData, StoriesData, full_story_data, stories_data

PAGE_ARTICLES = 200  # of a story that its page lists


class StoryRoutes:
    """The routes that list and read the stories of one archive."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def add_routes(self, app: FastAPI) -> None:
        """The routes of the API."""
        app.add_api_route(
            "/api/stories", self.stories, methods=["GET"], summary="List stories, newest first",
            responses=gives(StoriesData) | errors(),
        )  # fmt: skip
        app.add_api_route(
            "/api/stories/{story_id}", self.story, methods=["GET"], summary="One story with its articles by day",
            responses=gives(FullStoryData) | errors(404),
        )  # fmt: skip

    def add_pages(self, app: FastAPI) -> None:
        """The page for people, which the OpenAPI document leaves out."""
        app.add_api_route("/story/{story_id}", self.story_page, methods=["GET"], include_in_schema=False)

    def stories(
        self,
        since: Annotated[str | None, Query(json_schema_extra=DAY)] = None,
        until: Annotated[str | None, Query(json_schema_extra=DAY)] = None,
        outlet: Annotated[list[str], Query(max_length=100)] = [],  # noqa: B006
        language: Annotated[list[str], Query(max_length=100)] = [],  # noqa: B006
        author: Annotated[list[str], Query(max_length=100)] = [],  # noqa: B006
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> Response:
        """Stories with an article within the filters, newest first."""
        filters = filters_from(since=since, until=until, outlets=outlet, languages=language, authors=author)
        found = self.catalog.stories(filters, limit=limit, offset=offset)
        return Json(stories_data(found, self.catalog.count_stories(filters)))

    def story(
        self,
        story_id: str,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> Response:
        """The story and its articles by day, oldest first."""
        found = self.catalog.story(encodable(story_id))
        if found is None:
            raise HttpError(404, f"There is no story '{story_id[:200]}'.")
        return Json(full_story_data(found, self.catalog.story_articles(found.id, limit=limit, offset=offset)))

    def story_page(self, request: Request, story_id: str, part: bool = False) -> HTMLResponse:
        """The articles of a story by day, as a page or as a part of one; at most PAGE_ARTICLES of them."""
        found = self.catalog.story(encodable(story_id))
        if found is None:  # stories are found anew while articles come in
            gone = page.notice_html("This story is no longer in the archive.")
            return HTMLResponse(
                gone if part else archive_view.document("Not found", gone, base_of(request)), status_code=404
            )
        body = archive_view.story_html(found, self.catalog.story_articles(found.id, limit=PAGE_ARTICLES))
        return HTMLResponse(body if part else archive_view.document(found.headline, body, base_of(request)))
