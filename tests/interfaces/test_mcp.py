"""The MCP face through the official client: in the process, over HTTP, and over stdio."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Asked, Served
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, ResourceLink, TextContent

from rag.archive.archive import Archive
from rag.interfaces.json import answer_data
from rag.interfaces.mcp import create_mcp
from rag.serving.answer_queue import AnswerQueue

QUESTION = "Where did the ferry Castellan run aground?"


def talk(server: Any, what: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
    async def conversation() -> Any:
        async with Client(server) as client:
            return await what(client)

    return asyncio.run(asyncio.wait_for(conversation(), 60))


def call(server: Any, tool: str, **arguments: Any) -> CallToolResult:
    result: CallToolResult = talk(server, lambda client: client.call_tool(tool, arguments))
    return result


def text_of(result: CallToolResult) -> str:
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


def test_tools_say_what_they_take_and_give(assistant: Asked) -> None:
    listed = talk(create_mcp(AnswerQueue(assistant(extraction=True))), lambda client: client.list_tools()).tools
    tools = {tool.name: tool for tool in listed}
    assert set(tools) == {"ask", "search", "get_article", "list_outlets", "stories"}
    assert set(tools["ask"].input_schema["properties"]) == {
        "question", "since", "until", "outlets", "languages", "authors", "today", "kind",
    }  # fmt: skip
    assert tools["ask"].input_schema["required"] == ["question"]
    assert {"sentences", "citations", "answered"} <= set(tools["ask"].output_schema["properties"])
    assert all(tool.annotations.read_only_hint and tool.description for tool in listed)


def test_ask_gives_text_structure_and_links(assistant: Asked) -> None:
    result = call(create_mcp(AnswerQueue(assistant(extraction=True))), "ask", question=QUESTION)
    expected = answer_data(assistant(extraction=True).ask(QUESTION))
    assert {**result.structured_content, "timings": None} == {**expected, "timings": None}
    assert "sandbank off Port Selwyn" in text_of(result)
    links = [block for block in result.content if isinstance(block, ResourceLink)]
    assert [link.uri for link in links] == [f"dateline://article/{expected['citations'][0]['article_id']}"]


def test_a_link_can_be_read(assistant: Asked) -> None:
    server = create_mcp(AnswerQueue(assistant(extraction=True)))
    read = talk(server, lambda client: client.read_resource("dateline://article/a9"))
    assert read.contents[0].text.startswith("Bank lowers its key rate\nCorvane Ledger, 6 February 2025")


def test_days_narrow_a_search(assistant: Asked) -> None:
    server = create_mcp(AnswerQueue(assistant(extraction=True)))
    result = call(
        server, "search", query="key rate of the Bank of Corvane", since="2026-01-01", outlets=["Corvane Ledger"]
    )
    assert [hit["article_id"] for hit in result.structured_content["hits"]] == ["a10"]


def test_articles_and_outlets(assistant: Asked) -> None:
    server = create_mcp(AnswerQueue(assistant(extraction=True)))
    assert call(server, "get_article", article_id="a9").structured_content["title"] == "Bank lowers its key rate"
    outlets = call(server, "list_outlets").structured_content
    assert {"outlet": "The Tide", "articles": 3} in outlets["outlets"]
    assert outlets["coverage"]["articles"] == 10


def test_stories_are_listed_and_one_links_to_its_articles(assistant: Asked) -> None:
    server = create_mcp(AnswerQueue(assistant(extraction=True)))
    listed = call(server, "stories").structured_content
    (story,) = listed["stories"]
    assert (listed["total"], story["articles"], story["reports"]) == (1, 2, 1)
    assert call(server, "stories", since="2026-01-01").structured_content == {"stories": [], "total": 0}
    one = call(server, "stories", story_id=story["id"])
    assert "2 articles, 1 independent report, 4 March 2025 to 5 March 2025" in text_of(one)
    links = [block.uri for block in one.content if isinstance(block, ResourceLink)]
    assert links == ["dateline://article/a1", "dateline://article/a2"]


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("ask", {"question": " "}, "The question is empty"),
        ("ask", {"question": "x", "since": "yesterday"}, "since is 'yesterday', expected a day such as 2025-03-01"),
        ("ask", {}, "question"),
        ("search", {"query": "x" * 3000}, "has 3,000 characters"),
        ("get_article", {"article_id": "nothing"}, "There is no article 'nothing'"),
        ("stories", {"story_id": "nothing"}, "There is no story 'nothing'"),
        ("stories", {"since": "yesterday"}, "since is 'yesterday', expected a day such as 2025-03-01"),
    ],
)
def test_what_is_wrong_is_told_to_the_model(assistant: Asked, tool: str, arguments: dict[str, Any], said: str) -> None:
    result = call(create_mcp(AnswerQueue(assistant(extraction=True))), tool, **arguments)
    assert result.is_error
    assert said in text_of(result)


def test_a_search_keeps_to_the_same_limit_as_those_over_http(assistant: Asked) -> None:
    queue = AnswerQueue(assistant(extraction=True))
    limit = queue.search_limit
    for _ in range(limit.slots + limit.line):
        limit.admit()
    refused = call(create_mcp(queue), "search", query="key rate")
    assert refused.is_error
    assert "no more are let in" in text_of(refused)


def test_it_answers_over_http_beside_the_api(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    result = call(f"{url}/mcp", "ask", question=QUESTION)
    assert not result.is_error
    assert "sandbank off Port Selwyn" in result.structured_content["text"]


def test_it_answers_over_stdio(stored: Archive, child_environment: dict[str, str], python: str, tmp_path: Path) -> None:
    code = (
        "import asyncio; from rag.archive.archive import Archive; from rag.assistant import Assistant\n"
        "from rag.settings import Settings; from rag.interfaces.mcp import create_mcp; from fakes import WordEmbedder\n"
        "from rag.serving.answer_queue import AnswerQueue\n"
        f"settings = Settings(data_dir={str(stored.folder)!r}, llm='none')\n"
        "assistant = Assistant(Archive(settings), WordEmbedder(), None, settings)\n"
        "asyncio.run(create_mcp(AnswerQueue(assistant)).run_stdio_async())\n"
    )
    result = call(
        StdioServerParameters(command=python, args=["-c", code], env=child_environment), "ask", question=QUESTION
    )
    assert json.loads(json.dumps(result.structured_content))["answered"]


def test_it_leaves_the_logging_of_the_program_alone(python: str) -> None:
    code = (
        "import logging; from rag.interfaces.mcp import _root_logger_restored, MCPServer\n"
        "with _root_logger_restored(): MCPServer('x')\n"
        "root = logging.getLogger(); print(root.handlers, root.level)"
    )
    ran = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.strip() == "[] 30"
