"""The MCP face: an archive as tools for agents, over stdio (`dateline mcp`) or the server's /mcp."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import quote, unquote

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import CallToolResult, ContentBlock, ResourceLink, TextContent, ToolAnnotations

import rag
from rag.assistant import Assistant
from rag.errors import DatelineError
from rag.interfaces.http.errors import said
from rag.interfaces.json import answer_data, answer_text, article_data, byline, hit_data
from rag.interfaces.shapes import AnswerData, FullArticleData, OutletsData, SearchData
from rag.schema import Article, Filters
from rag.serving import tracing as traces
from rag.serving.answer_queue import Question, Runs, day_of, outlets_data, sound
from rag.settings import Settings

_INSTRUCTIONS = (
    "Answers questions from an archive of news articles. Every sentence that `ask` returns has a verdict; cite those "
    "that are supported, with the quotes under `citations`, and treat an answer with answered=false as: the archive "
    "does not say. Days are as the outlet printed them (2025-03-01)."
)
_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)


def create_mcp(assistant: Assistant, runs: Runs | None = None) -> MCPServer:
    """The server of an assistant. `runs` are those of the HTTP face, where both stand in one line for the model."""
    assistant, settings = traces.watched(assistant), assistant.settings
    line = runs or Runs(assistant, settings.answer_slots, settings.answer_queue, lambda answer: None)
    with _logging_left_alone():
        server = MCPServer("dateline", title="Dateline", version=rag.__version__, instructions=_INSTRUCTIONS)
    tools = Tools(assistant, line)
    for tool in (tools.ask, tools.search, tools.get_article, tools.list_outlets):
        server.tool(annotations=_READS)(tool)
    server.resource(
        "dateline://article/{article_id}", name="article", title="An article", mime_type="text/plain"
    )(tools.article_text)  # fmt: skip
    return server


@contextmanager
def _logging_left_alone() -> Iterator[None]:
    """MCPServer gives the root logger a handler and a level when it is made: those are the program's to choose."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


class Tools:
    """What an agent can do. The docstrings are what its model reads."""

    def __init__(self, assistant: Assistant, runs: Runs) -> None:
        self.assistant, self.runs = assistant, runs
        self.catalog = assistant.archive.catalog

    async def ask(
        self,
        question: str,
        since: str | None = None,
        until: str | None = None,
        outlets: list[str] | None = None,
        languages: list[str] | None = None,
        authors: list[str] | None = None,
    ) -> Annotated[CallToolResult, AnswerData]:
        """Answers a question from the archive, with the quote behind every sentence; or says that it cannot.

        Args: question in plain words. since, until: days of publication such as 2025-03-01, inclusive.
        outlets, languages (en, es), authors: restrict to these.
        """
        try:
            filters = _filters(since, until, outlets, languages, authors)
            run = self.runs.start(Question(sound(question), filters))
            async with self.runs.reading(run):
                async for _ in run.follow():
                    pass
        except DatelineError as error:
            return self._failed(error)
        answer = run.answers[-1]
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
    ) -> Annotated[CallToolResult, SearchData]:
        """The passages of the archive nearest to a query, best first, with their place in the article.

        Args: since, until: days of publication such as 2025-03-01, inclusive. outlets, languages, authors: restrict
        to these. top_k: how many, 1 to 100.
        """
        try:
            filters = _filters(since, until, outlets, languages, authors)
            hits = await self.assistant.asearch(sound(query), filters, top_k=min(max(top_k, 1), 100))
        except DatelineError as error:
            return self._failed(error)
        lines = [f"{h.passage.article.title} — {byline(h.passage.article)}\n{h.passage.text}" for h in hits]
        data = {"query": query, "hits": [hit_data(hit) for hit in hits]}
        return _result("\n\n".join(lines) or "Nothing was found.", data, [hit.passage.article for hit in hits])

    async def get_article(
        self, article_id: str, version: int | None = None
    ) -> Annotated[CallToolResult, FullArticleData]:
        """An article with its whole text, by the article_id of a citation or a hit."""
        found = await asyncio.to_thread(self.catalog.article, article_id, version)
        if found is None:
            return self._failed(DatelineError(f"There is no article '{article_id[:200]}'."))
        return _result(f"{found.title}\n{byline(found)}\n\n{found.text}", article_data(found, with_text=True), [found])

    async def list_outlets(self) -> Annotated[CallToolResult, OutletsData]:
        """The outlets of the archive with their number of articles, and the days that it covers."""
        data = await asyncio.to_thread(outlets_data, self.assistant)
        lines = [f"{one['outlet']}: {one['articles']}" for one in data["outlets"]]
        return _result("\n".join(lines) or "The archive names no outlet.", data, [])

    def article_text(self, article_id: str) -> str:
        """The text of an article under its headline."""
        found = self.catalog.article(unquote(article_id))
        if found is None:
            raise ValueError(f"There is no article '{article_id[:200]}'.")
        return f"{found.title}\n{byline(found)}\n\n{found.text}"

    def _failed(self, error: DatelineError) -> CallToolResult:
        text = said(error, self.assistant.archive.folder)
        return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


def _filters(
    since: str | None,
    until: str | None,
    outlets: list[str] | None,
    languages: list[str] | None,
    authors: list[str] | None,
) -> Filters:
    """Raises QuestionError."""
    return Filters(
        since=day_of("since", since),
        until=day_of("until", until),
        outlets=tuple(outlets or ()),
        languages=tuple(languages or ()),
        authors=tuple(authors or ()),
    )


def _result(text: str, data: Any, articles: Iterable[Article]) -> CallToolResult:
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
    return CallToolResult(content=content, structured_content=data)


def http_app(server: MCPServer) -> Any:
    """Streamable HTTP at /mcp, an ASGI application with a lifespan of its own. Host and origin are the door's."""
    guarded = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    return server.streamable_http_app(streamable_http_path="/mcp", stateless_http=True, transport_security=guarded)


def run(settings: Settings) -> int:
    """`dateline mcp`: serves one client over standard input and output until it leaves; the exit code."""
    traces.export()
    with Assistant.open(settings=settings) as assistant:
        asyncio.run(create_mcp(assistant).run_stdio_async())
    return 0
