"""The page asks as HTTP does: through the server's answer queue, with its slots, its metrics and its end."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from conftest import Asked, Served
from fakes import ScriptedLLM, WordEmbedder

from app import create_app
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import DatelineError, ModelUnavailable, QuestionError
from rag.interfaces.page.answers import PageAnswers
from rag.interfaces.page.exchange import Exchange, kept, restored
from rag.models.chat import Message
from rag.schema import Filters
from rag.serving.answer_queue import AnswerQueue
from rag.settings import Settings

QUESTION = "What happened to the ferry Castellan off Port Selwyn?"
AGROUND = "The ferry Castellan ran aground on a sandbank off Port Selwyn with 212 passengers."


class CountingLLM(ScriptedLLM):
    """A slow model that notes how many answers it was writing at once."""

    def __init__(self, *replies: str) -> None:
        super().__init__(*replies, seconds_a_word=0.02)
        self.writing = self.most = 0
        self._lock = threading.Lock()

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        """As the scripted one."""
        with self._lock:
            self.writing += 1
            self.most = max(self.most, self.writing)
        try:
            yield from super().stream(messages, max_tokens)
        finally:
            with self._lock:
                self.writing -= 1


class Reader:
    """What the page's script does in one browser tab, as far as asking goes."""

    def __init__(self, url: str, session: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=60)
        self.session = session
        self.functions = {one["api_name"]: one for one in self.client.get("/config").json()["dependencies"]}

    def call(self, name: str, data: list[Any]) -> str:
        """Everything that the server says until the handler has ended."""
        body = {"data": data, "fn_index": self.functions[name]["id"], "session_hash": self.session}
        event = self.client.post("/gradio_api/queue/join", json=body).raise_for_status().json()["event_id"]
        said = ""
        with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as events:
            for line in events.iter_lines():
                said += line
                if "process_completed" in line and event in line:
                    break
        return said

    def ask(self, question: str) -> str:
        """A question without filters, in a new conversation."""
        return self.call("ask", [question, [], "", "", []])


@pytest.fixture
def counting(stored: Archive) -> tuple[Assistant, CountingLLM]:
    llm = CountingLLM(*[AGROUND] * 4)
    return Assistant(
        stored, WordEmbedder(), llm, Settings(data_dir=stored.folder, llm="none", answer_slots=1, answer_queue=8)
    ), llm


def test_readers_of_the_page_wait_for_a_slot_and_are_counted(
    counting: tuple[Assistant, CountingLLM], serve: Served
) -> None:
    assistant, llm = counting
    url = serve.app(create_app(assistant))
    readers = [Reader(url, f"reader{n}") for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda reader: reader.ask(QUESTION), readers))
    assert all("212 passengers" in one for one in said)
    assert (llm.most, llm.writing) == (1, 0)
    assert 'dateline_answers_total{answered="true"} 4.0' in httpx.get(f"{url}/metrics").text


def test_a_click_on_the_days_asks_again_of_all_days(stored: Archive, serve: Served) -> None:
    settings = Settings(data_dir=stored.folder, llm="none")
    reader = Reader(serve.app(create_app(Assistant(stored, WordEmbedder(), None, settings))), "days")
    question = "What did the Bank of Corvane do to its key rate in February 2025?"
    assert "1 to 28 February 2025" in reader.ask(question)
    again = reader.call("ask_of_all_days", [kept([Exchange(question=question)]), "", "", []])
    assert "Bank lowers its key rate" in again
    assert "1 to 28 February 2025" not in again


def test_a_full_queue_gives_a_reader_one_line(stored: Archive, serve: Served) -> None:
    llm = ScriptedLLM("then " * 200, seconds_a_word=0.02)
    limits = Settings(data_dir=stored.folder, llm="none", answer_slots=1, answer_queue=0)
    url = serve.app(create_app(Assistant(stored, WordEmbedder(), llm, limits)))
    first, second = Reader(url, "first"), Reader(url, "second")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(first.ask, QUESTION)
        wait_until(lambda: llm.streamed > 0)
        said = second.ask(QUESTION)
        assert "no more are let in. Ask again in" in said
        assert 'class=\\"turn\\"' not in said  # the question stays in its box
        body = {"data": [], "fn_index": first.functions["stop"]["id"], "session_hash": "first"}
        second.client.post("/gradio_api/queue/join", json=body).raise_for_status()
        assert "Stopped" in asked.result(timeout=20)
    wait_until(lambda: llm.stopped)
    assert llm.streamed < 200


def wait_until(true: Any, seconds: float = 20.0) -> None:
    """Fails where it does not become true in time."""
    patience = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < patience
        time.sleep(0.01)


def exchanges(assistant: Assistant, question: str) -> list[Exchange]:
    """All states of an exchange with an assistant."""

    async def asked() -> list[Exchange]:
        answers = PageAnswers(AnswerQueue(assistant), lambda: False)
        return [one async for one in answers.ask("session", question, Filters(), [])]

    return asyncio.run(asked())


def test_an_exchange_begins_with_its_sources_and_grows_by_drafts(assistant: Asked) -> None:
    one = assistant(AGROUND)
    one.llm._pause = 0.01  # type: ignore[union-attr]
    first, *_, last = grown = exchanges(one, QUESTION)
    assert first.cards
    assert not first.draft
    assert any(step.draft for step in grown)
    assert (last.state, last.draft, [line.text for line in last.lines]) == ("done", "", [AGROUND])


def test_the_story_of_an_answer_is_named_with_how_many_cited_articles_are_in_it(stored: Archive) -> None:
    catalog = stored.catalog
    one = Assistant(stored, WordEmbedder(), None, Settings(data_dir=stored.folder, llm="none"))
    told = [exchanges(one, question)[-1] for question in (QUESTION, f"A summary: {QUESTION}")]
    assert any(exchange.story.id for exchange in told)
    for exchange in told:
        cited = {card.article for card in exchange.cards if card.number}
        within = {a for a, story in catalog.stories_of(cited).items() if story == exchange.story.id}
        assert (exchange.story.within, exchange.story.cited) == ((len(within), len(cited)) if within else (0, 0))


def test_a_question_that_cannot_be_asked_is_an_error(assistant: Asked) -> None:
    with pytest.raises(QuestionError, match="The question is empty"):
        exchanges(assistant(), "  ")


@pytest.mark.parametrize(
    ("fault", "line"), [(ModelUnavailable("The model is gone."), "The model is gone."), (KeyError("x"), "KeyError")]
)
def test_a_model_that_fails_leaves_the_sources_and_a_line(assistant: Asked, fault: Exception, line: str) -> None:
    last = exchanges(assistant(fault), QUESTION)[-1]
    assert last.state == "stopped"
    assert last.cards
    assert line in last.notice


def test_a_refusal_says_why(assistant: Asked) -> None:
    last = exchanges(assistant("NOT FOUND"), QUESTION)[-1]
    assert last.refusal
    assert last.reason == "the model found no answer in the excerpts"
    (back,) = restored(json.loads(json.dumps(kept([last]))))
    assert (back.refusal, back.reason) == (last.refusal, last.reason)


def test_conversations_stored_before_there_were_reasons_still_load() -> None:
    new = Exchange(question="Why?", refusal="The archive does not answer this.", reason="nothing found")
    old = {name: value for name, value in new.data().items() if name not in ("reason", "by_extraction")}
    assert restored([old]) == [replace(new, reason="")]


def test_an_assistant_that_the_application_opened_ends_with_it(
    archive: Archive, serve: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Assistant] = []

    def open_archive(settings: Settings) -> Assistant:
        opened.append(Assistant(archive, WordEmbedder(), ScriptedLLM(), settings))
        return opened[0]

    monkeypatch.setattr(Assistant, "open", open_archive)
    url = serve.app(create_app(Settings(data_dir=archive.folder, llm="none")))
    assert httpx.get(f"{url}/api/health").status_code == 200
    serve.stop()
    assert opened[0].llm.closed  # type: ignore[union-attr]
    with pytest.raises(DatelineError, match="was closed"):
        archive.catalog.coverage()
