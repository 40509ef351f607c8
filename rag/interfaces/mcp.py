"""The MCP face: an archive as tools for agents, over stdio (`dateline mcp`) or the server's /mcp."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import quote, unquote

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import CallToolResult, ContentBlock, ResourceLink, TextContent, ToolAnnotations
from pydantic import Field

import rag
from rag.assistant import Assistant
from rag.errors import DatelineError, without_location
from rag.interfaces.filters import day_from, encodable, filters_from
from rag.interfaces.json import (
    AnswerData,
    FullArticleData,
    OutletsData,
    SearchData,
    answer_data,
    full_article_data,
    outlets_data,
    search_data,
)
from rag.interfaces.story_json import StoriesData, stories_data
from rag.interfaces.text import answer_text, article_text, byline, hits_text, story_line, story_text
from rag.schema import Article, Filters, QuestionKind
from rag.serving import tracing as traces
from rag.serving.answer_queue import AnswerQueue, AnswerRequest
from rag.settings import Settings

_INSTRUCTIONS = (
    "Answers questions from an archive of news articles. Every sentence that `ask` returns has a verdict; cite those "
    "that are supported, with the quotes under `citations`; the citations of a contradicted one contradict it. Treat "
    "an answer with answered=false as: the archive does not say. Days are as the outlet printed them (2025-03-01)."
)
_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)


def create_mcp(queue: AnswerQueue) -> MCPServer:
    """The server of the queue's assistant. Beside HTTP it shares that face's queue, and so its limits."""
    with _root_logger_restored():
        server = MCPServer(
            "dateline", title="Dateline", version=rag.__version__, instructions=_INSTRUCTIONS,
            subscriptions=False,  # streams without end, on which nothing would come
        )  # fmt: skip
    tools = Tools(queue)
    for tool in (tools.ask, tools.search, tools.get_article, tools.list_outlets, tools.stories):
        server.tool(annotations=_READS)(tool)
    server.resource(
        "dateline://article/{article_id}", name="article", title="An article", mime_type="text/plain"
    )(tools.article_text)  # fmt: skip
    return server


@contextmanager
def _root_logger_restored() -> Iterator[None]:
    """Undoes what MCPServer does when it is made: it gives the root logger a handler and a level."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


class Tools:
    """What an agent can do. The docstrings are what its model reads."""

    def __init__(self, queue: AnswerQueue) -> None:
        self.queue, self.archive = queue, queue.assistant.archive

    async def ask(
        self,
        question: str,
        since: str | None = None,
        until: str | None = None,
        outlets: list[str] | None = None,
        languages: list[str] | None = None,
        authors: list[str] | None = None,
        today: str | None = None,
        kind: QuestionKind | None = None,
    ) -> Annotated[CallToolResult, AnswerData]:
        """Answers a question from the archive, with the quote behind every sentence; or says that it cannot.

        Args: question in plain words. since, until: days of publication such as 2025-03-01, inclusive.
        outlets, languages (en, es), authors: restrict to these. today: the day from which "last week" is seen, the
        current one by default; articles from days that the question names are preferred. kind: the form of the answer
        (timeline, summary, latest, …; fact: plain); the question tells it by default.
        """
        try:
            filters = filters_from(since=since, until=until, outlets=outlets, languages=languages, authors=authors)
            asked = AnswerRequest(
                question=encodable(question), filters=filters, today=day_from("today", today), kind=kind
            )
            answer = await self.queue.ask(asked)
        except DatelineError as error:
            return self._failed(error)
        cited = [c.passage.article for c in answer.citations]
        return _result(answer_text(answer), answer_data(answer), cited or [h.passage.article for h in answer.hits[:3]])

    async def search(
        self,
        query: str,
        since: str | None = None,
        until: str | None = None,
        outlets: list[str] | None = None,
        languages: list[str] | None = None,
        authors: list[str] | None = None,
        top_k: int = 8,
        today: str | None = None,
    ) -> Annotated[CallToolResult, SearchData]:
        """The passages of the archive nearest to a query, best first, with their place in the article.

        Args: since, until: days of publication such as 2025-03-01, inclusive. outlets, languages, authors: restrict
        to these. top_k: how many, 1 to 100. today: the day from which "last week" is seen, the current one by default.
        """
        try:
            filters = filters_from(since=since, until=until, outlets=outlets, languages=languages, authors=authors)
            day, most = day_from("today", today), min(max(top_k, 1), 100)
            hits = await self.queue.search(encodable(query), filters, today=day, top_k=most)
            note = "" if hits else await asyncio.to_thread(self.queue.assistant.nothing_found, filters)
        except DatelineError as error:
            return self._failed(error)
        return _result(hits_text(hits, note), search_data(query, hits, note), [hit.passage.article for hit in hits])

    async def get_article(
        self, article_id: str, version: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    ) -> Annotated[CallToolResult, FullArticleData]:
        """An article with its whole text, by the article_id of a citation or a hit."""
        found = await asyncio.to_thread(self.archive.catalog.article, article_id, version)
        if found is None:
            return self._failed(DatelineError(f"There is no article '{article_id[:200]}'."))
        return _result(article_text(found), full_article_data(found), [found])

    async def list_outlets(self) -> Annotated[CallToolResult, OutletsData]:
        """The outlets of the archive with their number of articles, and the days that it covers."""
        data = await asyncio.to_thread(outlets_data, self.archive.catalog)
        lines = [f"{one['outlet']}: {one['articles']}" for one in data["outlets"]]
        return _result("\n".join(lines) or "The archive names no outlet.", data, [])

    async def stories(
        self,
        story_id: str | None = None,
        since: str | None = None,
        until: str | None = None,
        outlets: list[str] | None = None,
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> Annotated[CallToolResult, StoriesData]:
        """The stories of the archive, newest first: articles on one unfolding event, with its days and outlets. With a
        story_id, that story alone, with links to its articles by day.

        Args: since, until: days of publication such as 2025-03-01, inclusive. outlets: restrict to these. limit: how
        many stories, or articles of the one.
        """
        try:
            filters = filters_from(since=since, until=until, outlets=outlets)
            if story_id is not None:
                return await asyncio.to_thread(self._story, encodable(story_id), limit)
            return await asyncio.to_thread(self._stories, filters, limit)
        except DatelineError as error:
            return self._failed(error)

    def _stories(self, filters: Filters, limit: int) -> CallToolResult:
        catalog = self.archive.catalog
        found = catalog.stories(filters, limit=limit)
        text = "\n".join(f"{story.id}: {story_line(story)}" for story in found) or "There is no such story."
        return _result(text, stories_data(found, catalog.count_stories(filters)), [])

    def _story(self, story_id: str, limit: int) -> CallToolResult:
        found = self.archive.catalog.story(story_id)
        if found is None:
            return self._failed(DatelineError(f"There is no story '{story_id[:200]}'."))
        articles = self.archive.catalog.story_articles(found.id, limit=limit)
        return _result(story_text(found, articles), stories_data([found], 1), articles)

    def article_text(self, article_id: str) -> str:
        """The text of an article under its headline."""
        found = self.archive.catalog.article(unquote(article_id))
        if found is None:
            raise ValueError(f"There is no article '{article_id[:200]}'.")
        return article_text(found)

    def _failed(self, error: DatelineError) -> CallToolResult:
        text = without_location(error, self.archive.folder)
        return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


def _result(text: str, data: Mapping[str, Any], articles: Iterable[Article]) -> CallToolResult:
    """Text for models, data for programs, a link for each article."""
    content: list[ContentBlock] = [TextContent(type="text", text=text)]
    for article in {one.id: one for one in articles}.values():
        content.append(
            ResourceLink(
                name=article.id,
                title=article.title,
                uri=f"dateline://article/{quote(article.id, safe='')}",
                description=byline(article),
                mime_type="text/plain",
            )
        )
    return CallToolResult(content=content, structured_content=dict(data))


def http_app(server: MCPServer) -> Any:
    """Streamable HTTP at /mcp, an ASGI application with a lifespan of its own.

    Hosts and origins are checked by rag.interfaces.http.middleware, so the library's own check is off.
    """
    guarded = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    return server.streamable_http_app(streamable_http_path="/mcp", stateless_http=True, transport_security=guarded)


def run(settings: Settings) -> int:
    """`dateline mcp`: serves one client over standard input and output until it leaves; the exit code."""
    traces.export()
    with Assistant.open(settings=settings) as assistant:
        asyncio.run(create_mcp(AnswerQueue(traces.watched(assistant))).run_stdio_async())
    return 0
