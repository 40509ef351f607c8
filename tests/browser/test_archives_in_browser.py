"""The page of one of several archives, in Chromium: everything works at its own address."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from fakes import ScriptedLLM, WordEmbedder
from playwright.sync_api import Browser, Page

from app import create_installation
from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.schema import Article
from rag.serving.api_keys import Keys
from rag.settings import Settings

QUESTION = "Where did the ferry Castellan run aground?"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, articles: list[Article]) -> Iterator[tuple[str, Settings]]:
    """A server of the archives `ferries` and `city`, and one without a name and articles, with their pages."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("installation"), llm="none")
    for name, own in (("ferries", articles[:2]), ("city", articles[2:4])):
        with closing(Archive(settings.of_archive(name), may_be_new=True)) as archive:
            ingest(own, archive, WordEmbedder())
            archive.wait_until_threaded()
    llm = ScriptedLLM(*["The ferry Castellan ran aground on a sandbank off Port Selwyn."] * 9, probability=0.9)
    with Assistant(Archive(settings), WordEmbedder(), llm, settings) as assistant, socket.socket() as listener:
        app = create_installation(assistant)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", settings
        server.should_exit = True
        thread.join(timeout=20)


def ask(tab: Page, question: str) -> None:
    tab.fill("#question textarea", question)
    tab.press("#question textarea", "Enter")
    tab.wait_for_selector('#current .turn[data-state="done"], #current .turn[data-state="refused"]')


def test_the_page_of_one_archive_works_whole(
    installation: tuple[str, Settings], visit: Callable[..., Page], tmp_path: Path
) -> None:
    url = installation[0]
    asked: list[str] = []
    tab = visit(f"{url}/archives/ferries/")
    tab.on("request", lambda request: asked.append(urlsplit(request.url).path))
    assert "Ferry runs aground" in tab.inner_text("#current .welcome")
    assert "parking levy" not in tab.content()
    assert "FERRIES" in tab.inner_text("#masthead").upper()
    assert tab.title() == "ferries · Dateline"
    ask(tab, QUESTION)
    assert "sandbank" in tab.inner_text("#current .turn")
    tab.screenshot(path=str(tmp_path / "answer.png"))
    tab.click("#current a.reader >> nth=0")
    tab.wait_for_selector("dialog.reader-box article.whole h1")
    tab.keyboard.press("Escape")
    tab.click("button[role=tab]:has-text('Archive')")
    tab.wait_for_selector(".listing a.reader")
    tab.set_input_files("input[type=file]", {"name": "rain.txt", "mimeType": "text/plain", "buffer": RAIN})
    tab.wait_for_selector("#report :text('1 kept'), .listing a.reader:has-text('Rain in Millford')")
    tab.screenshot(path=str(tmp_path / "archive.png"))
    assert asked
    assert {path for path in asked if not path.startswith("/archives/ferries/")} == set()


RAIN = b"Rain in Millford\n\nIt rained in Millford on Monday, and the river rose by two metres before noon."


def test_the_conversation_of_one_archive_is_not_shown_on_the_page_of_another(
    installation: tuple[str, Settings], chromium: Browser
) -> None:
    url = installation[0]
    with closing(chromium.new_context()) as context:
        tab = context.new_page()
        tab.goto(f"{url}/archives/ferries/")
        tab.wait_for_selector("#current .welcome")
        ask(tab, QUESTION)
        for place, shown in (("/archives/city/", ".welcome"), ("/", ".welcome"), ("/archives/ferries/", ".turn")):
            tab.goto(url + place)
            tab.wait_for_selector(f"#current {shown}")
            assert ("Castellan" in tab.inner_text("#current")) == (shown == ".turn")


def test_a_page_of_an_article_has_its_style_and_leads_back(
    installation: tuple[str, Settings], chromium: Browser
) -> None:
    url = installation[0]
    with closing(chromium.new_context()) as context:
        tab = context.new_page()
        tab.goto(f"{url}/archives/ferries/article/a1")
        loaded = tab.evaluate("[...document.styleSheets].map((one) => new URL(one.href).pathname)")
        assert loaded == ["/archives/ferries/dateline/page.css"]
        tab.click("nav a")
        tab.wait_for_selector("#current .welcome")
        assert urlsplit(tab.url).path == "/archives/ferries/"
        tab.goto(f"{url}/archives")
        tab.click("a:has-text('city')")
        tab.wait_for_selector("#current .welcome")
        assert urlsplit(tab.url).path == "/archives/city/"


def test_logging_in_to_one_archive_opens_that_one(installation: tuple[str, Settings], chromium: Browser) -> None:
    url, settings = installation
    keys = Keys(settings.of_archive("city").folder)
    _, secret = keys.create("reader")
    try:
        with closing(chromium.new_context()) as context:
            tab = context.new_page()
            tab.goto(f"{url}/archives/city/")
            assert urlsplit(tab.url).path == "/archives/city/login"
            tab.fill("#key", secret)
            tab.click("button")
            tab.wait_for_selector("#current .welcome")
            assert urlsplit(tab.url).path == "/archives/city/"
            assert "Council approves parking levy" in tab.inner_text("#current")
            tab.click("#account button")
            tab.wait_for_selector("#key")
            assert urlsplit(tab.url).path == "/archives/city/login"
    finally:
        keys.path.unlink()
