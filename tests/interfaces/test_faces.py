"""Every face keeps its sources: one question gives the same sentences, citations and verdicts through all of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx
import openai
import pytest
from conftest import Served
from mcp import Client

from app import create_app, main
from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.interfaces.filters import day_from
from rag.interfaces.json import answer_data, hit_data
from rag.interfaces.page.answers import PageAnswers
from rag.interfaces.page.exchange import Exchange
from rag.interfaces.text import answer_text
from rag.models.embeddings import LazyEmbedder
from rag.schema import Article, Filters
from rag.serving.answer_queue import AnswerQueue
from rag.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ANSWERED = "Where did the ferry Castellan run aground?"
REFUSED = "How tall is the Eiffel tower?"
DATED, TODAY = "What did the Bank of Corvane do to its key rate last month?", "2025-03-10"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, articles: list[Article]) -> Settings:
    """An archive that every face, the command line included, opens with nothing but settings."""
    chosen = Settings(data_dir=tmp_path_factory.mktemp("faces") / "archive", llm="none", embedder=str(tiny_model))
    with closing(Archive(chosen)) as archive:
        ingest(articles, archive, LazyEmbedder(str(tiny_model)))
    return chosen


@pytest.fixture(scope="module")
def copy(shared: Settings) -> Path:
    """The same archive for the command line: beside a running server it would search without Chroma's index."""
    return Path(copytree(shared.data_dir, shared.data_dir.with_name("copy")))


@pytest.fixture(scope="module")
def one(shared: Settings, copy: Path) -> Iterator[Assistant]:
    """The assistant behind all faces but the command line."""
    with Assistant.open(settings=shared) as assistant:
        yield assistant


@pytest.fixture(scope="module")
def url(one: Assistant) -> Iterator[str]:
    """The page with the API and MCP, in one server."""
    served = Served()
    yield served.app(create_app(one))
    served.stop()


Face = Callable[..., dict[str, Any]]  # of a question, the assistant, the address of the server, today


def python(question: str, one: Assistant, url: str, today: str | None = None) -> dict[str, Any]:
    return answer_data(one.ask(question, today=day_from("today", today)))


def python_async(question: str, one: Assistant, url: str, today: str | None = None) -> dict[str, Any]:
    return answer_data(asyncio.run(one.aask(question, today=day_from("today", today))))


def http(question: str, one: Assistant, url: str, today: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = httpx.post(f"{url}/api/ask", json={"question": question, "today": today}).json()
    return found


def http_stream(question: str, one: Assistant, url: str, today: str | None = None) -> dict[str, Any]:
    text = httpx.post(f"{url}/api/ask", json={"question": question, "stream": True, "today": today}).text
    last = text.strip().split("\n\n")[-1]
    assert "event: answer" in last
    found: dict[str, Any] = json.loads(last.split("data: ", 1)[1].splitlines()[0])
    return found


def openai_client(question: str, one: Assistant, url: str, today: str | None = None) -> dict[str, Any]:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    extra = {"dateline": {"today": today}} if today else {}
    reply: Any = client.chat.completions.create(
        model="dateline", messages=[{"role": "user", "content": question}], extra_body=extra
    )
    message = reply.choices[0].message
    assert len(message.annotations) == sum(len(s["citations"]) for s in reply.dateline["sentences"])
    assert all(sentence["text"].rstrip(".") in message.content for sentence in reply.dateline["sentences"])
    found: dict[str, Any] = reply.dateline
    return found


def mcp_client(question: str, one: Assistant, url: str, today: str | None = None) -> dict[str, Any]:
    async def call() -> Any:
        async with Client(f"{url}/mcp") as client:
            return await client.call_tool("ask", {"question": question, "today": today})

    found: dict[str, Any] = asyncio.run(call()).structured_content
    return found


def llama_index(question: str, one: Assistant, url: str, today: str | None = None) -> dict[str, Any]:
    from rag.interfaces.llama_index import DatelineQueryEngine

    response = DatelineQueryEngine(one, today=day_from("today", today)).query(question)
    found: dict[str, Any] = response.metadata["dateline"]
    assert [node.node.node_id for node in response.source_nodes] == [hit["passage_id"] for hit in found["hits"]]
    return found


FACES: list[Face] = [python, python_async, http, http_stream, openai_client, mcp_client, llama_index]


@pytest.mark.parametrize("question", [ANSWERED, REFUSED])
@pytest.mark.parametrize("face", FACES[1:], ids=lambda face: face.__name__)
def test_a_face_gives_what_python_gives(face: Face, question: str, one: Assistant, url: str) -> None:
    expected, found = python(question, one, url), face(question, one, url)
    own = {"timings", "ignored"}
    assert {key: value for key, value in found.items() if key not in own} == {
        key: value for key, value in expected.items() if key not in own
    }
    assert found["answered"] is (question == ANSWERED)
    assert bool(found["reason"]) is (question == REFUSED)
    assert found["by_extraction"] is True


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_a_face_passes_today_on(face: Face, one: Assistant, url: str) -> None:
    for today, article, month in ((TODAY, "a9", "2025-02"), ("2026-03-10", "a10", "2026-02")):
        found = face(DATED, one, url, today)
        assert found["window"] == {"from": f"{month}-01", "to": f"{month}-28", "dropped": False}
        assert found["hits"][0]["article_id"] == article
    assert face(DATED, one, url, "2020-03-10")["window"]["dropped"] is True


def test_every_search_passes_today_on(
    one: Assistant,
    url: str,
    copy: Path,
    capsys: pytest.CaptureFixture[str],
    shared: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rag.interfaces.llama_index import DatelineRetriever

    monkeypatch.setenv("DATELINE_EMBEDDER", shared.embedder)
    day = day_from("today", TODAY)
    expected = [hit_data(hit)["passage_id"] for hit in one.search(DATED, today=day)]
    assert expected != [hit_data(hit)["passage_id"] for hit in one.search(DATED, today=day_from("today", "2026-03-10"))]

    async def call() -> Any:
        async with Client(f"{url}/mcp") as client:
            return await client.call_tool("search", {"query": DATED, "today": TODAY})

    over_http = httpx.post(f"{url}/api/search", json={"query": DATED, "today": TODAY}).json()["hits"]
    main(["search", DATED, "--today", TODAY, "--json", "--data-dir", str(copy)])
    printed = json.loads(capsys.readouterr().out)["hits"]
    for hits in (over_http, asyncio.run(call()).structured_content["hits"], printed):
        assert [hit["passage_id"] for hit in hits] == expected
    assert [one.node.node_id for one in DatelineRetriever(one, today=day).retrieve(DATED)] == expected


def test_every_search_says_which_name_of_a_filter_no_article_has(
    url: str, copy: Path, capsys: pytest.CaptureFixture[str], shared: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATELINE_EMBEDDER", shared.embedder)
    told = "Nothing was found. There is no article of the outlet 'The Tidee'. Did you mean 'The Tide'?"
    body = {"query": DATED, "outlets": ["The Tidee"]}

    async def call() -> Any:
        async with Client(f"{url}/mcp") as client:
            return await client.call_tool("search", body)

    by_agent = asyncio.run(call())
    assert httpx.post(f"{url}/api/search", json=body).json() == {"query": DATED, "hits": [], "note": told}
    assert (by_agent.content[0].text, by_agent.structured_content["note"]) == (told, told)
    assert main(["search", DATED, "--outlet", "The Tidee", "--data-dir", str(copy)]) == 1
    assert capsys.readouterr().err == f"{told}\n"
    assert main(["articles", "--outlet", "The Tidee", "--data-dir", str(copy)]) == 1
    assert "no article matches. There is no article of the outlet 'The Tidee'." in capsys.readouterr().err


@pytest.mark.parametrize("today", ["tomorrow", "0999-01-01", "2025-02-30"])
def test_what_is_no_day_of_the_years_1000_to_9999_is_refused(today: str, one: Assistant, url: str) -> None:
    reply = httpx.post(f"{url}/api/ask", json={"question": DATED, "today": today})
    assert reply.status_code == 422
    assert reply.json()["detail"].startswith(f"today is {today}" if today[0] == "0" else f"today is '{today}'")
    document = httpx.get(f"{url}/openapi.json").json()["components"]["schemas"]
    assert document["AskBody"]["properties"]["today"]["format"] == "date"
    assert document["SearchBody"]["properties"]["today"]["format"] == "date"


def test_the_texts_say_which_days_were_preferred(
    one: Assistant, copy: Path, capsys: pytest.CaptureFixture[str], shared: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATELINE_EMBEDDER", shared.embedder)
    main(["ask", DATED, "--today", TODAY, "--llm", "none", "--data-dir", str(copy)])
    assert "Articles from 1 to 28 February 2025 were preferred." in capsys.readouterr().out.splitlines()
    dropped = answer_text(one.ask(DATED, today=day_from("today", "2020-03-10")))
    assert "Nothing was found from 1 to 29 February 2020: all days were searched." in dropped.splitlines()


def test_a_form_reaches_every_face(
    one: Assistant,
    url: str,
    shared: Settings,
    copy: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATELINE_EMBEDDER", shared.embedder)
    expected = answer_data(one.ask(ANSWERED, kind="archive"))
    assert expected["kind"] == "archive"
    assert one.ask(ANSWERED).kind == "fact"
    over_http = httpx.post(f"{url}/api/ask", json={"question": ANSWERED, "kind": "archive"}).json()
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    reply: Any = client.chat.completions.create(
        model="dateline", messages=[{"role": "user", "content": ANSWERED}], extra_body={"dateline": {"kind": "archive"}}
    )

    async def over_mcp() -> Any:
        async with Client(f"{url}/mcp") as agent:
            return await agent.call_tool("ask", {"question": ANSWERED, "kind": "archive"})

    main(["ask", ANSWERED, "--kind", "archive", "--llm", "none", "--json", "--data-dir", str(copy)])
    printed = json.loads(capsys.readouterr().out)
    from rag.interfaces.llama_index import DatelineQueryEngine

    in_llama_index = DatelineQueryEngine(one, kind="archive").query(ANSWERED).metadata["dateline"]
    for found in (over_http, reply.dateline, asyncio.run(over_mcp()).structured_content, printed, in_llama_index):
        assert (found["kind"], found["text"]) == ("archive", expected["text"])
    assert httpx.post(f"{url}/api/ask", json={"question": ANSWERED, "kind": "poem"}).status_code == 422


def test_a_form_that_was_dropped_is_said(one: Assistant) -> None:
    told = answer_text(one.ask(REFUSED, kind="timeline"))
    assert "Too little was found for the form “timeline”: this is a plain answer." in told.splitlines()
    assert answer_data(one.ask(REFUSED, kind="timeline"))["kind_dropped"] == "timeline"


def test_the_texts_of_a_refusal_say_why(one: Assistant, url: str) -> None:
    reason = one.ask(REFUSED).reason
    assert reason
    assert f"Reason: {reason}." in answer_text(one.ask(REFUSED)).splitlines()

    async def call() -> Any:
        async with Client(f"{url}/mcp") as client:
            return await client.call_tool("ask", {"question": REFUSED})

    assert f"Reason: {reason}." in asyncio.run(call()).content[0].text.splitlines()


@pytest.mark.parametrize("question", [ANSWERED, REFUSED])
def test_the_page_shows_what_python_gives(question: str, one: Assistant) -> None:
    expected = answer_data(one.ask(question))

    async def on_the_page() -> Exchange:
        answers = PageAnswers(AnswerQueue(one), lambda: True)
        return [exchange async for exchange in answers.ask("session", question, Filters(), [])][-1]

    exchange = asyncio.run(on_the_page())
    assert [(line.text, list(line.numbers), line.reason) for line in exchange.lines] == [
        (s["text"], s["citations"], s["reason"]) for s in expected["sentences"]
    ]
    cited = [(card.number, card.article, card.quote) for card in exchange.cards if card.number]
    assert cited == [(c["number"], c["article_id"], c["quote"]) for c in expected["citations"]]
    assert exchange.refusal == ("" if expected["answered"] else expected["text"])
    assert bool(exchange.reason) is not expected["answered"]
    assert exchange.by_extraction


@pytest.mark.parametrize("question", [ANSWERED, REFUSED])
def test_the_command_line_prints_what_python_gives(
    question: str,
    one: Assistant,
    shared: Settings,
    copy: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATELINE_EMBEDDER", shared.embedder)
    expected = answer_data(one.ask(question))
    capsys.readouterr()
    code = main(["ask", question, "--json", "--llm", "none", "--data-dir", str(copy)])
    printed = json.loads(capsys.readouterr().out)
    assert code == (0 if expected["answered"] else 1)
    # A command searches the vectors of the catalogue, in 16 bits, where the others ask Chroma.
    scores = [[hit.pop("score") for hit in answer["hits"]] for answer in (printed, expected)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)
    assert {**printed, "timings": 0} == {**expected, "timings": 0}


def test_the_page_stands_beside_the_api(url: str) -> None:
    page = httpx.get(url)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert httpx.get(f"{url}/api/nothing").status_code == 404
    assert httpx.get(f"{url}/article/a1").status_code == 200


def test_two_assistants_serve_two_archives_in_one_process(one: Assistant, written: Assistant) -> None:
    served = Served()
    first, second = served.app(create_app(one, with_page=False)), served.app(create_app(written, with_page=False))
    names = [httpx.get(f"{where}/api/health").json()["embedder"] for where in (first, second)]
    served.stop()
    assert names == [one.embedder.name, "fake/words"]


def test_a_loop_is_not_blocked_while_python_asks(one: Assistant) -> None:
    async def beats_while_asking() -> int:
        asking = asyncio.create_task(one.aask(ANSWERED))
        beats = 0
        while not asking.done():
            await asyncio.sleep(0)
            beats += 1
        assert (await one.asearch(ANSWERED))[0].passage.article.id in ("a1", "a2")
        return beats

    assert asyncio.run(beats_while_asking()) > 3
