"""Several servers, each with a folder of its own, on one PostgreSQL: what one stores all find, and none loses any."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from postgres_server import PostgresServer

from rag.archive.archive import Archive
from rag.serving.shared_keys import opened_keys
from rag.settings import Settings

pytest.importorskip("psycopg", reason="needs the extra 'many', which make test installs")

_SERVER = """
import sys
from concurrent.futures import Future
from fakes import WordEmbedder
from app import create_app
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.interfaces.serve import bind, exit_on_terminate, serve
from rag.settings import Settings
exit_on_terminate()
settings = Settings.load(data_dir=sys.argv[1], llm="none")
assistant = Assistant(Archive(settings), WordEmbedder(), None, settings)
warm = Future()
warm.set_result(None)
serve(create_app(assistant, with_page=False), bind("127.0.0.1", 0, guarded=True), warm, (), open_browser=False)
assistant.close()
"""


class RunningServer:
    """A server in a process of its own, as `dateline serve` runs it, with an embedder for tests."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().split()[-1]

    def post(self, path: str, data: Any) -> httpx.Response:
        return httpx.post(f"{self.address}{path}", json=data, timeout=40)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(f"{self.address}{path}", timeout=40, **options)

    def job(self, accepted: httpx.Response) -> Any:
        return self.get(f"/api/jobs/{accepted.json()['id']}").json()

    def finds(self, query: str, article_id: str) -> bool:
        found = self.post("/api/search", {"query": query})
        return found.status_code == 200 and article_id in [hit["article_id"] for hit in found.json()["hits"]]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """The address of an empty catalogue."""
    return postgres.empty_catalogue()


@pytest.fixture
def start(
    url: str, tmp_path: Path, child_environment: dict[str, str], python: str
) -> Iterator[Callable[..., RunningServer]]:
    """`start("one")` runs a server on the database whose folder is called so; settings may follow."""
    running: list[RunningServer] = []
    environment = child_environment | {"DATELINE_CATALOG": url}

    def begin(name: str, **more: str) -> RunningServer:
        running.append(RunningServer([python, "-c", _SERVER, str(tmp_path / name)], environment | more))
        return running[-1]

    yield begin
    for server in running:
        server.end()


def until(holds: Callable[[], bool], seconds: float = 20) -> float:
    """Waits until something holds; how long that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        time.sleep(0.05)
    return time.monotonic() - began


def record(number: int) -> dict[str, str]:
    return {
        "id": f"r{number}",
        "title": f"Report number {number}",
        "text": f"The ferry number{number} ran aground off Port Selwyn. Nobody was hurt, the coastguard said.",
        "published": "2025-03-04",
    }


def test_what_one_server_stores_the_other_finds_and_a_killed_one_loses_nothing(
    start: Callable[..., RunningServer], url: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(2) as starting:
        one, other = starting.map(start, ("one", "other"))
    assert one.post("/api/articles", record(1)).status_code == 202
    assert until(lambda: other.finds("number1", "r1")) < 10
    assert other.post("/api/articles", record(2)).status_code == 202
    until(lambda: one.finds("number2", "r2"))

    jobs = [one.post("/api/articles", [record(n) for n in range(first, first + 30)]) for first in (100, 130)]
    assert [job.status_code for job in jobs] == [202] * 2
    one.kill()  # while it stores them
    assert other.finds("number2", "r2")
    again = start("one")
    until(lambda: again.job(jobs[-1])["state"] == "done", 40)
    for server in (again, other):
        until(lambda server=server: all(server.finds(f"number{n}", f"r{n}") for n in (100, 130, 159)))
    again.end()
    with closing(Archive(Settings(data_dir=tmp_path / "one", catalog=url))) as archive:
        assert archive.catalog.coverage().articles == 62
        assert all(len(archive.catalog.versions(f"r{n}")) == 1 for n in (1, 2, *range(100, 160)))
        assert archive.health().sound


def test_a_server_goes_on_when_postgresql_comes_back(
    start: Callable[..., RunningServer], postgres: PostgresServer
) -> None:
    server = start("one")
    assert server.post("/api/articles", record(1)).status_code == 202
    until(lambda: server.finds("number1", "r1"))
    job = server.post("/api/articles", [record(n) for n in range(100, 140)])
    assert job.status_code == 202
    postgres.kill()  # while it stores them
    try:
        asked = server.post("/api/search", {"query": "number1"})
        assert server.get("/api/health/live").status_code == 200
    finally:
        postgres.start()
    assert asked.status_code == 503
    assert asked.headers["Retry-After"] == "5"
    assert asked.json()["type"] == "urn:dateline:CatalogueAway"
    assert "The server of the catalogue, with the keys of this archive, cannot be reached" in asked.json()["detail"]
    until(lambda: server.finds("number1", "r1"))
    until(lambda: all(server.finds(f"number{n}", f"r{n}") for n in (100, 120, 139)), 40)
    until(lambda: server.job(job)["state"] == "done")
    report = server.job(job)["report"]
    assert report["kept"] + report["unchanged"] == 40


def test_servers_count_requests_together_and_know_each_others_sessions(
    start: Callable[..., RunningServer], postgres: PostgresServer, url: str, tmp_path: Path
) -> None:
    with opened_keys(Settings(data_dir=tmp_path / "one", catalog=url)) as keys:
        _, secret = keys.create("desk")
    with ThreadPoolExecutor(2) as starting:
        limit = {"DATELINE_REQUESTS_PER_MINUTE": "60"}
        servers = list(starting.map(lambda name: start(name, **limit), ("one", "other")))
    entered = httpx.post(f"{servers[0].address}/login", data={"key": secret})
    cookie = {"Cookie": entered.headers["set-cookie"].partition(";")[0]}

    def asked(number: int) -> int:
        return servers[number % 2].get("/api/outlets", headers=cookie).status_code

    began = time.monotonic()
    with ThreadPoolExecutor(8) as browser:
        statuses = list(browser.map(asked, range(120)))
    assert set(statuses) == {200, 429}
    assert 60 <= statuses.count(200) <= 66 + time.monotonic() - began  # one a second comes back, and not 120 are let in

    postgres.kill()
    try:
        with ThreadPoolExecutor(8) as browser:
            waiting = [browser.submit(asked, number) for number in range(30)]
            time.sleep(0.5)
            postgres.start()
            assert {one.result() for one in waiting} <= {200, 429}
    finally:
        postgres.start()
    until(lambda: [asked(number) for number in range(2)] == [200, 200], 30)
    assert httpx.post(f"{servers[1].address}/logout", headers=cookie).status_code == 303
    until(lambda: [asked(number) for number in range(2)] == [401, 401], 3)
