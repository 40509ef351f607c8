"""Archives that nobody asks are closed: nothing that was asked for is cut off or lost, and their memory is freed."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import Served
from fakes import ScriptedLLM, WordEmbedder
from http_support import QUESTION, REPLY, eventually
from support import filled, settled
from test_archives_served import key

from app import create_installation
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.interfaces.http import auth
from rag.interfaces.installation import application
from rag.interfaces.installation.application import Installation
from rag.schema import Article
from rag.serving import answer_queue
from rag.settings import Settings

IDLE = 0.2  # seconds after which the archives of these tests are closed


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "IDLE_SECONDS", IDLE)


class Begun:
    """Servers of an installation."""

    def __init__(self, settings: Settings, serve: Served) -> None:
        self.settings, self._serve = settings, serve
        self._opened: list[Assistant] = []

    def __call__(self, llm: ScriptedLLM | None = None, *, with_page: bool = False, **options: Any) -> str:
        """The address of one, whose application is `app` then."""
        chosen = self.settings.model_copy(update=options)
        self._opened.append(Assistant(Archive(chosen), WordEmbedder(), llm, chosen))
        self.app: Installation = create_installation(self._opened[-1], with_page=with_page)
        return self._serve.app(self.app)

    def close(self) -> None:
        self._serve.stop()
        for assistant in self._opened:
            assistant.close()


@pytest.fixture
def start(settings: Settings, prepared: Path, serve: Served) -> Iterator[Begun]:
    """`start()` is the address of a server of a copy of the installation."""
    shutil.copytree(prepared, settings.folder)
    begun = Begun(settings, serve)
    yield begun
    begun.close()


def how_many_open(url: str) -> int:
    metrics = httpx.get(f"{url}/metrics", timeout=30).text
    return int(float(metrics.partition("\ndateline_archives_open ")[2].partition("\n")[0]))


def is_closed(url: str) -> bool:
    return eventually(lambda: how_many_open(url) == 0)


def listed(address: str, **options: Any) -> set[str]:
    reply = httpx.get(f"{address}/api/articles", timeout=30, **options)
    assert reply.status_code == 200, reply.text
    return {one["article_id"] for one in reply.json()["articles"]}


def test_an_archive_that_nobody_asks_is_closed_and_the_next_request_opens_it(start: Begun) -> None:
    url = start()
    assert listed(f"{url}/archives/ferries") == {"a1", "a2"}
    until = time.monotonic() + 3 * IDLE
    while time.monotonic() < until:  # asked again and again, it stays
        assert listed(f"{url}/archives/ferries") == {"a1", "a2"}
        assert how_many_open(url) == 1
        time.sleep(IDLE / 10)
    assert is_closed(url)
    found = httpx.post(f"{url}/archives/ferries/api/search", json={"query": "ferry"}, timeout=30).json()["hits"]
    assert {hit["article_id"] for hit in found} <= {"a1", "a2"}
    assert found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("with_page", [False, True])
def test_what_is_closed_gives_back_its_files_threads_and_memory(start: Begun, with_page: bool) -> None:
    url = start(with_page=with_page)
    opened, opening = [], start.app._open

    def noted(*arguments: Any) -> application.Opened:
        new = opening(*arguments)
        assistant = new.close.__self__  # type: ignore[attr-defined]
        opened.extend(weakref.ref(one) for one in (new.app, assistant, assistant.archive))
        return new

    start.app._open = noted

    def use() -> None:
        for name in ("ferries", "city"):
            httpx.post(f"{url}/archives/{name}/api/search", json={"query": "ferry"}, timeout=30)
            httpx.get(f"{url}/archives/{name}/", timeout=30)
        assert is_closed(url)

    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    use()  # what is made once for all stays
    before = held()
    use()
    assert len(opened) == 4 * 3
    # One that is open has 17 files and 2 threads.
    assert eventually(lambda: held()[0] < before[0] + 10 and held()[1] < before[1] + 2), (before, held())
    assert eventually(lambda: not any(one() for one in opened))


def test_sessions_and_wrong_keys_outlive_the_closing(start: Begun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "WRONG_SECONDS", 0.0)
    secret = key(start.settings, "ferries")["Authorization"].removeprefix("Bearer ")
    url = start()
    with httpx.Client(base_url=f"{url}/archives/ferries", timeout=30) as browser:
        assert browser.post("/login", data={"key": secret}).status_code == 303
        assert browser.get("/article/a1").status_code == 200
        wrong = {"Authorization": "Bearer dateline_wrong"}
        refused = [httpx.get(f"{url}/archives/ferries/x", headers=wrong).status_code for _ in range(22)]
        assert refused[-1] == 429
        assert is_closed(url)
        assert browser.get("/article/a1").status_code == 200
        again = [httpx.get(f"{url}/archives/ferries/x", headers=wrong).status_code for _ in range(10)]
        assert 429 in again  # of twenty, a few have come back meanwhile


def test_a_key_is_asked_for_also_where_the_keys_were_lost_while_it_was_closed(start: Begun) -> None:
    mine = key(start.settings, "ferries")
    url = start()
    assert listed(f"{url}/archives/ferries", headers=mine) == {"a1", "a2"}
    assert is_closed(url)
    (start.settings.of_archive("ferries").folder / "keys.json").unlink()
    assert httpx.get(f"{url}/archives/ferries/api/articles").status_code == 401
    assert how_many_open(url) == 0


def test_sessions_in_a_database_outlive_the_closing(
    settings: Settings, serve: Served, articles: list[Article], request: pytest.FixtureRequest
) -> None:
    postgres = request.getfixturevalue("postgres")
    chosen = settings.model_copy(update={"catalog": postgres.url(name=postgres.new_database())})
    filled(chosen, "ferries", articles[:2])
    secret = key(chosen, "ferries")["Authorization"].removeprefix("Bearer ")
    begun = Begun(chosen, serve)
    url = begun()
    with httpx.Client(base_url=f"{url}/archives/ferries", timeout=30) as browser:
        assert browser.post("/login", data={"key": secret}).status_code == 303
        for _ in range(2):
            assert browser.get("/article/a1").status_code == 200
            assert is_closed(url)
    begun.close()


def test_uploads_are_read_to_the_end_and_their_reports_stay(start: Begun) -> None:
    url = start()
    city = f"{url}/archives/city"
    pages = [
        ("files", (f"{n}.txt", f"Rain {n}\n\nIt rained in Millford on day {n}, and the river rose.")) for n in range(30)
    ]
    accepted = httpx.post(f"{city}/api/articles", files=pages, timeout=30)
    assert accepted.status_code == 202, accepted.text
    job = accepted.json()["id"]
    while how_many_open(url):  # nobody asks
        time.sleep(IDLE / 5)
    outcome = json.loads(next((start.settings.of_archive("city").folder / "uploads").rglob(f"*{job}*")).read_text())
    assert outcome["job"]["report"]["kept"] == 30
    assert settled(city, job)["report"]["kept"] == 30


def test_an_answer_keeps_its_archive_open_until_it_cannot_be_read_again(
    start: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes six times as long as an archive may be idle."""
    monkeypatch.setattr(answer_queue, "KEEP_SECONDS", 3 * IDLE)
    llm = ScriptedLLM(REPLY, seconds_a_word=6 * IDLE / len(REPLY.split()))
    url = start(llm)
    began = time.monotonic()
    with httpx.stream(
        "POST", f"{url}/archives/ferries/api/ask", json={"question": QUESTION, "stream": True}, timeout=30
    ) as reply:
        shown = reply.read().decode()
    assert time.monotonic() - began > 3 * IDLE
    assert "event: answer" in shown
    assert "event: error" not in shown
    time.sleep(2 * IDLE)
    assert how_many_open(url) == 1
    assert is_closed(url)


@pytest.mark.parametrize("catalog", ["SQLite", "PostgreSQL"])
def test_no_request_meets_a_closed_archive(
    catalog: str, start: Begun, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, articles: list[Article]
) -> None:
    """Archives are closed as soon as nobody asks them, while six clients ask with short pauses."""
    monkeypatch.setattr(application, "IDLE_SECONDS", 0.01)
    if catalog == "PostgreSQL":
        postgres = request.getfixturevalue("postgres")
        place = start.settings.folder.parent / "elsewhere"
        url = postgres.url(name=postgres.new_database())
        start.settings = start.settings.model_copy(update={"catalog": url, "data_dir": place})
        filled(start.settings, "ferries", articles[:2])
        filled(start.settings, "city", articles[2:4])
    url, until, opened = start(), time.monotonic() + 2, 0
    opening = start.app._open

    def counted(*arguments: Any) -> application.Opened:
        nonlocal opened
        opened += 1
        return opening(*arguments)

    start.app._open = counted

    def ask(number: int) -> set[int]:
        found, pauses = set(), random.Random(number)
        with httpx.Client(base_url=url, timeout=60) as client:
            while time.monotonic() < until:
                name = ("ferries", "city")[number % 2]
                for method, path, body in (
                    ("GET", "api/articles", {}),
                    ("POST", "api/search", {"json": {"query": "levy"}}),
                ):
                    found.add(client.request(method, f"/archives/{name}/{path}", **body).status_code)  # type: ignore[arg-type]
                    time.sleep(pauses.uniform(0.05, 0.3))
        return found

    with ThreadPoolExecutor(6) as pool:
        assert set().union(*pool.map(ask, range(6))) == {200}
    assert opened > 3
