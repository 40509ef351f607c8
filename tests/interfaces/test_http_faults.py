"""The HTTP face when much goes on at once, and when what it stands on is changed, broken or gone."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import Asked, Served
from fakes import ModelServer, ScriptedLLM, WordEmbedder
from http_support import QUESTION, REPLY, events_of
from support import settled

from app import main
from rag.archive.archive import Archive
from rag.archive.catalog import FORMAT
from rag.assistant import Assistant
from rag.models.chat import OpenAIChat
from rag.settings import Settings

ASK = {"question": QUESTION}


def at_once(url: str, bodies: list[dict[str, Any]]) -> list[httpx.Response]:
    """All requests at the same time, each on a connection of its own."""

    async def send() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=len(bodies), max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False) as client:
            return list(await asyncio.gather(*(client.post("/api/ask", json=body) for body in bodies)))

    return asyncio.run(send())


def test_200_clients_at_once_are_answered_or_told_when_to_come_back(serve: Served, stored: Archive) -> None:
    llm = ScriptedLLM(*[REPLY] * 300)
    settings = Settings(data_dir=stored.folder, llm="none", answer_slots=2, answer_queue=32)
    url = serve(Assistant(stored, WordEmbedder(), llm, settings))
    replies = at_once(url, [ASK | {"stream": number % 2 == 1} for number in range(200)])
    statuses = Counter(reply.status_code for reply in replies)
    assert set(statuses) <= {200, 429}
    assert statuses[200] >= 34  # those at work and in line
    for reply in replies:
        if reply.status_code == 429:
            assert int(reply.headers["retry-after"]) >= 1
            assert reply.json()["detail"].startswith("34 requests are being answered or waiting")
    good = [reply for reply in replies if reply.status_code == 200]
    streamed = [events_of(reply.text)[-1] for reply in good if "event-stream" in reply.headers["content-type"]]
    assert {kind for _, kind, _ in streamed} <= {"answer"}
    texts = {data["text"] for _, _, data in streamed}
    texts |= {reply.json()["text"] for reply in good if "json" in reply.headers["content-type"]}
    assert len(texts) == 1
    health = httpx.get(f"{url}/api/health").json()
    assert (health["running"], health["waiting"]) == (0, 0)
    assert httpx.post(f"{url}/api/ask", json=ASK).status_code == 200


def test_questions_are_answered_while_the_indexes_are_rebuilt(serve: Served, written: Assistant) -> None:
    url = serve(written)
    before = httpx.post(f"{url}/api/ask", json=ASK).json()
    stop = threading.Event()

    def rebuild() -> None:
        while not stop.is_set():
            written.archive.rebuild()

    thread = threading.Thread(target=rebuild)
    thread.start()
    try:
        for _ in range(10):
            reply = httpx.post(f"{url}/api/ask", json=ASK, timeout=30)
            assert reply.status_code == 200, reply.text
            assert reply.json()["text"] == before["text"]
    finally:
        stop.set()
        thread.join()


def test_a_server_beside_a_rebuild_of_another_process_answers(serve: Served, written: Assistant) -> None:
    """Another archive object on the same folder stands for the other process: the locks are on files."""
    written.archive.own_indexes()
    with closing(Archive(written.settings)) as beside:
        url = serve(Assistant(beside, WordEmbedder(), None, written.settings))
        for _ in range(5):
            thread = threading.Thread(target=written.archive.rebuild)
            thread.start()
            assert httpx.post(f"{url}/api/ask", json=ASK, timeout=30).status_code == 200
            thread.join()
        assert httpx.post(f"{url}/api/ask", json=ASK).json()["answered"]


def test_what_would_change_the_archive_waits_for_its_writer(serve: Served, written: Assistant) -> None:
    url = serve(written)
    with closing(Archive(written.settings)) as other, other.writing():
        busy = httpx.delete(f"{url}/api/articles/a1")
        assert (busy.status_code, busy.headers["retry-after"]) == (409, "5")
        assert busy.json()["detail"].startswith("Another ingest is writing to the archive. Wait until it has finished")
        assert httpx.post(f"{url}/api/ask", json=ASK).status_code == 200
    assert httpx.delete(f"{url}/api/articles/a1").status_code == 204


def test_an_archive_made_in_another_way_takes_no_article_but_answers(serve: Served, written: Assistant) -> None:
    url = serve(written)
    written.archive.catalog.set_meta({"chunking": "another way"})
    article = {"title": "Gull steals hat", "text": "A herring gull stole a straw hat in Villasera on Sunday."}
    job = settled(url, httpx.post(f"{url}/api/articles", json=article).json()["id"])
    assert job["state"] == "failed"
    assert "was built with chunking 'another way'" in job["error"]
    assert httpx.post(f"{url}/api/ask", json=ASK).status_code == 200


def test_an_archive_of_a_newer_format_is_not_served(
    tmp_path: Path, written: Assistant, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "newer"
    with closing(Archive(Settings(data_dir=folder, llm="none"))) as archive:
        archive.catalog.set_meta({"format": str(FORMAT + 1)})
    code = main(["serve", "--no-page", "--port", "0", "--llm", "none", "--data-dir", str(folder)])
    assert code == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"dateline: The archive at {folder} has format {FORMAT + 1}; this program knows formats up")
    assert "\n" not in said
    assert not logging.getLogger("dateline.access").handlers  # one left behind would write to what is closed by then


def test_a_fault_in_the_model_is_a_500_without_details_and_the_next_question_works(
    serve: Served, assistant: Asked
) -> None:
    url = serve(assistant(ZeroDivisionError("secret detail"), ZeroDivisionError("secret detail"), REPLY))
    failed = httpx.post(f"{url}/api/ask", json=ASK)
    assert (failed.status_code, "secret" in failed.text) == (500, False)
    (kind, data) = events_of(httpx.post(f"{url}/api/ask", json=ASK | {"stream": True}).text)[-1][1:]
    assert (kind, data["status"], "secret" in str(data)) == ("error", 500, False)
    assert httpx.post(f"{url}/api/ask", json=ASK).json()["answered"]


@pytest.mark.parametrize("manner", ["dies", "error event", "broken"])
def test_a_model_on_the_network_that_dies_in_mid_answer(
    serve: Served, stored: Archive, endpoint: ModelServer, manner: str
) -> None:
    llm = OpenAIChat(url=endpoint.url, model="tide", key="", name="tide", timeout=5, evidence_tokens=300)
    url = serve(Assistant(stored, WordEmbedder(), llm, Settings(data_dir=stored.folder, llm="none")))
    endpoint.manner = manner
    died = httpx.post(f"{url}/api/ask", json=ASK, timeout=30)
    assert (died.status_code, died.headers["retry-after"]) == (503, "10")
    assert died.json()["detail"].startswith("The language model tide failed: ")
    told = events_of(httpx.post(f"{url}/api/ask", json=ASK | {"stream": True}, timeout=30).text)
    assert (told[0][1], told[-1][1], told[-1][2]["status"]) == ("sources", "error", 503)
    endpoint.manner = "good"
    assert httpx.post(f"{url}/api/ask", json=ASK).status_code == 200


def test_a_stopped_answer_keeps_its_place_until_its_thread_has_ended(serve: Served, stored: Archive) -> None:
    """Else the next in line would begin, and be stopped, and the next: more would be at work than there are slots."""
    inside, most, lock = 0, 0, threading.Lock()
    going_on = threading.Event()

    class Reading(ScriptedLLM):
        """Reads its prompt for as long as it is let, and cannot be stopped while it does."""

        def stream(self, messages: Any, max_tokens: int) -> Iterator[str]:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            going_on.wait(10)
            with lock:
                inside -= 1
            yield REPLY

    settings = Settings(data_dir=stored.folder, llm="none", answer_slots=1, answer_queue=8)
    url = serve(Assistant(stored, WordEmbedder(), Reading(), settings))

    def ask_and_leave() -> None:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/api/ask", json=ASK, timeout=0.7)

    threads = [threading.Thread(target=ask_and_leave) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gauge = "dateline_answers_running 1.0"
    assert gauge in httpx.get(f"{url}/metrics").text  # it is still at work, and says so
    going_on.set()
    assert httpx.post(f"{url}/api/ask", json=ASK, timeout=30).status_code == 200
    assert most == 1
