"""How named archives are opened and closed while their server runs: so many, so many at once, and what is there now."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from conftest import Served
from fakes import WordEmbedder
from http_support import eventually
from test_archives_served import key

from app import create_installation
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.interfaces.http import server
from rag.interfaces.http.auth import Authenticator
from rag.interfaces.installation import application
from rag.interfaces.installation.application import Installation
from rag.settings import Settings


@pytest.fixture
def made(settings: Settings, prepared: Path) -> Iterator[Callable[[], Installation]]:
    """`made()` is the application of a copy of them, without a page and without a language model."""
    shutil.copytree(prepared, settings.folder)
    opened: list[Assistant] = []

    def make() -> Installation:
        opened.append(Assistant(Archive(settings), WordEmbedder(), None, settings))
        return create_installation(opened[-1], with_page=False)

    yield make
    for assistant in opened:
        assistant.close()


def listed(address: str, **options: dict[str, str]) -> set[str]:
    reply = httpx.get(f"{address}/api/articles", **options)
    assert reply.status_code == 200, reply.text
    return {one["article_id"] for one in reply.json()["articles"]}


def test_what_is_put_in_the_place_of_an_open_archive_is_opened(
    settings: Settings, made: Callable[[], Installation], serve: Served
) -> None:
    mine = key(settings, "city")
    url = serve.app(made())
    ferries, place = f"{url}/archives/ferries", settings.of_archive("ferries").folder
    assert listed(ferries) == {"a1", "a2"}
    place.rename(settings.folder / "old")
    settings.of_archive("city").folder.rename(place)
    assert httpx.get(f"{ferries}/api/articles").status_code == 401  # its keys have come along
    assert listed(ferries, headers=mine) == {"a3", "a4"}
    assert httpx.get(f"{ferries}/api/articles/a1", headers=mine).status_code == 404
    serve.stop()


def test_an_archive_that_is_removed_is_not_there_any_more(
    settings: Settings, made: Callable[[], Installation], serve: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "_KNOWN_SECONDS", 0.0)
    url = serve.app(made())
    ferries = settings.of_archive("ferries").folder
    found = httpx.post(f"{url}/archives/ferries/api/search", json={"query": "ferry"}, timeout=30)
    assert found.json()["hits"]  # its indexes are open, and would be made anew if the folder went before
    ferries.rename(settings.folder / "old")
    gone = httpx.get(f"{url}/archives/ferries/api/articles")
    assert gone.status_code == 404, gone.text
    assert eventually(lambda: "dateline_archives_open 0.0" in httpx.get(f"{url}/metrics").text)
    assert listed(f"{url}/archives/city") == {"a3", "a4"}
    serve.stop()


def test_uploads_that_wait_in_one_archive_are_read_also_where_another_cannot_be_opened(
    settings: Settings, made: Callable[[], Installation], serve: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = made()
    (settings.of_archive("city").folder / "catalogue.sqlite").write_bytes(b"This is no catalogue. " * 4000)
    monkeypatch.setattr(app, "_waits", lambda chosen: True)
    url = serve.app(app)
    assert eventually(lambda: "dateline_archives_open 1.0" in httpx.get(f"{url}/metrics").text)
    assert "dateline_archives_failed 1.0" in httpx.get(f"{url}/metrics").text
    serve.stop()


def test_no_more_are_opened_than_the_open_files_of_the_process_allow(
    made: Callable[[], Installation], serve: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(application, "room_for_archives", lambda: 1)
    url = serve.app(made())
    assert listed(f"{url}/archives/ferries") == {"a1", "a2"}
    refused = httpx.get(f"{url}/archives/city/api/articles")
    assert refused.status_code == 503
    assert "ulimit -n" in refused.json()["detail"]
    assert "No more than 1 archives" in caplog.text
    assert listed(f"{url}/archives/ferries") == {"a1", "a2"}
    serve.stop()


def test_half_of_the_open_files_are_for_connections_and_the_rest_for_archives(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, connections, archives in ((100, 50, 1), (1_000, 500, 20), (4_096, 1_000, 149), (65_536, 1_000, 3_221)):
        monkeypatch.setattr(server, "_open_files", lambda files=files: files)
        assert (server._most_connections(), server.room_for_archives()) == (connections, archives)


def test_few_archives_are_opened_at_once(settings: Settings, made: Callable[[], Installation], serve: Served) -> None:
    """Threads that open archives are those that ask a database for keys, in all archives."""
    for n in range(8):
        shutil.copytree(settings.of_archive("city").folder, settings.of_archive(f"city-{n}").folder)
    app, counting, at_once, most = made(), threading.Lock(), 0, 0
    opening = app._open

    def counted(chosen: Settings, guard: Authenticator) -> application.Opened:
        nonlocal at_once, most
        with counting:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.1)
        try:
            return opening(chosen, guard)
        finally:
            with counting:
                at_once -= 1

    app._open = counted
    url = serve.app(app)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: listed(f"{url}/archives/city-{n}"), range(8)))
    assert found == [{"a3", "a4"}] * 8
    assert most == application._OPENED_AT_ONCE
    serve.stop()
