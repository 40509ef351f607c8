"""Sessions of the page on several servers: begun on one they hold on all, and end on all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from conftest import Served
from fakes import WordEmbedder
from postgres_server import PostgresServer

from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.archive.catalog import Catalog
from rag.assistant import Assistant
from rag.errors import CatalogueAway
from rag.schema import Article
from rag.serving import sessions
from rag.serving.sessions import MOST_SESSIONS_OF_A_KEY, Sessions, SharedSessions, sessions_of
from rag.serving.shared_keys import keys_of
from rag.settings import Settings

pytest.importorskip("psycopg", reason="needs the extra 'many', which make test installs")


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """The address of an empty catalogue."""
    return postgres.empty_catalogue()


@pytest.fixture
def catalog(url: str, tmp_path: Path) -> Iterator[Catalog]:
    with closing(Catalog(tmp_path / "c", url=url)) as catalog:
        yield catalog


@pytest.fixture
def servers(
    url: str, tmp_path: Path, serve: Served, articles: list[Article]
) -> Iterator[tuple[Archive, httpx.Client, str]]:
    """The archive, a browser of two servers that share it, of which it asks one and then the other, and a key."""
    settings = [Settings(data_dir=tmp_path / name, llm="none", catalog=url) for name in ("one", "other")]
    with closing(Archive(settings[0])) as one, closing(Archive(settings[1])) as other:
        ingest(articles[:1], one, WordEmbedder())
        _, secret = keys_of(one).create("desk")
        addresses = [
            serve(Assistant(archive, WordEmbedder(), None, own))
            for archive, own in zip((one, other), settings, strict=True)
        ]
        with httpx.Client(transport=Balancer(addresses), base_url="http://127.0.0.1", timeout=30) as browser:
            yield one, browser, secret


class Balancer(httpx.HTTPTransport):
    """Sends each request to another server than the one before."""

    def __init__(self, addresses: list[str]) -> None:
        super().__init__()
        self._ports, self._sent = [httpx.URL(address).port for address in addresses], 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(port=self._ports[self._sent % len(self._ports)])
        self._sent += 1
        return super().handle_request(request)


def test_a_browser_that_logs_in_at_one_server_is_logged_in_at_all_until_it_logs_out(
    servers: tuple[Archive, httpx.Client, str],
) -> None:
    archive, browser, secret = servers
    assert [browser.get("/api/articles").status_code for _ in range(2)] == [401, 401]
    entered = browser.post("/login", data={"key": secret})
    assert entered.status_code == 303
    assert [browser.get("/api/articles").status_code for _ in range(4)] == [200] * 4
    token = entered.headers["set-cookie"].partition("=")[2].partition(";")[0]
    stored = archive.catalog.database.read("SELECT * FROM dateline_sessions", (), lambda row: str(tuple(row)))
    assert len(stored) == 1
    assert token not in stored[0]
    assert secret not in stored[0] + entered.headers["set-cookie"]
    stolen = dict(browser.cookies)
    assert browser.post("/logout").status_code == 303
    time.sleep(sessions.FRESH_SECONDS)
    browser.cookies.update(stolen)
    assert [browser.get("/api/articles").status_code for _ in range(2)] == [401, 401]


def test_a_session_ends_with_its_key_on_all_servers(servers: tuple[Archive, httpx.Client, str]) -> None:
    archive, browser, secret = servers
    browser.post("/login", data={"key": secret})
    assert [browser.get("/api/articles").status_code for _ in range(2)] == [200, 200]
    keys_of(archive).revoke("desk")
    time.sleep(1.1)  # for as long what was read of the keys is used
    assert [browser.get("/api/articles").status_code for _ in range(2)] == [401, 401]


def test_wrong_keys_are_braked_by_all_servers_together(servers: tuple[Archive, httpx.Client, str]) -> None:
    from rag.interfaces.http.auth import WRONG_PER_MINUTE

    _, browser, _ = servers

    async def guess() -> list[int]:
        transport = httpx.AsyncHTTPTransport()
        ports = browser._transport._ports  # type: ignore[attr-defined]
        async with httpx.AsyncClient(transport=transport, timeout=30) as client:
            tries = [
                client.post(f"http://127.0.0.1:{ports[number % 2]}/login", data={"key": "guess"})
                for number in range(2 * WRONG_PER_MINUTE)
            ]
            return [reply.status_code for reply in await asyncio.gather(*tries)]

    statuses = asyncio.run(guess())
    assert set(statuses) == {401, 429}
    assert WRONG_PER_MINUTE <= statuses.count(401) <= WRONG_PER_MINUTE + 2


def test_a_folder_keeps_its_sessions_in_the_process(tmp_path: Path) -> None:
    with closing(Catalog(tmp_path / "c")) as local:
        assert type(sessions_of(local)) is Sessions
        assert "dateline_sessions" not in local.database.tables()


def test_the_oldest_session_of_a_key_ends_when_it_has_too_many_and_those_of_others_go_on(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        one, other = SharedSessions(catalog.database), SharedSessions(catalog.database)
        editor = await one.begin("editor")
        first, second = await one.begin("reader"), await other.begin("reader")
        for _ in range(MOST_SESSIONS_OF_A_KEY - 1):
            last = await other.begin("reader")
        assert await one.key(editor) == "editor"
        assert await one.key(first) is None
        assert await one.key(second) == await one.key(last) == "reader"
        monkeypatch.setattr(sessions, "MOST_SESSIONS", 10)
        newest = await one.begin("editor")
        assert await other.key(newest) == "editor"
        assert await other.key(editor) is None
        assert len(other._last.keys) == 10

    asyncio.run(run())


def test_a_session_has_an_end(catalog: Catalog) -> None:
    async def run() -> None:
        one = SharedSessions(catalog.database)
        token, other = await one.begin("desk"), await one.begin("desk")
        with catalog.transaction() as db:
            db.execute(
                "UPDATE dateline_sessions SET ends = clock_timestamp() WHERE token = ?", (sessions._hash(token),)
            )
        assert await one.key(token) is None
        assert await one.key(other) == "desk"
        await one.begin("desk")
        assert len(catalog.database.read("SELECT 1 FROM dateline_sessions", (), tuple)) == 2  # without the old one

    asyncio.run(run())


def test_unknown_tokens_do_not_keep_the_database_busy(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    read, reads = catalog.database.read, []
    monkeypatch.setattr(catalog.database, "read", lambda *given: reads.append(1) or read(*given))

    async def run() -> None:
        one = SharedSessions(catalog.database)
        token = await one.begin("desk")
        reads.clear()
        began = time.monotonic()
        for _ in range(3):
            await asyncio.gather(*(one.key(f"guess{number}") for number in range(300)))
            await asyncio.gather(*(one.end(f"guess{number}") for number in range(300)))
            assert await one.key("") is None
        assert len(reads) <= 2 + (time.monotonic() - began) / 0.1
        for _ in range(100):
            assert await one.key(token) == "desk"
        assert len(reads) <= 4 + (time.monotonic() - began) / 0.1

    asyncio.run(run())


def test_nobody_gets_in_by_a_session_while_the_database_is_away(
    servers: tuple[Archive, httpx.Client, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, browser, secret = servers
    assert browser.post("/login", data={"key": secret}).status_code == 303
    with monkeypatch.context() as away:

        def gone(*_: object) -> None:
            raise CatalogueAway("The catalogue postgresql://host/name cannot be used.")

        away.setattr("rag.archive.tables.postgres.PostgresDatabase.read", gone)
        time.sleep(1.1)
        for reply in (browser.get("/api/articles"), browser.get("/api/articles"), browser.post("/logout")):
            assert reply.status_code == 503
            assert reply.headers["retry-after"] == "5"
            assert "postgresql" not in reply.text
    time.sleep(1.1)
    assert [browser.get("/api/articles").status_code for _ in range(2)] == [200, 200]
