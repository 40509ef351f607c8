"""A browser and a running page: Chromium of this machine, the real application over fakes, on loopback."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import uvicorn
from fakes import ScriptedLLM, WordEmbedder
from playwright.sync_api import Browser, Page, sync_playwright

from app import create_app
from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.schema import Article
from rag.settings import Settings

# Chromium itself must not call home either, or the requests of the page could not be told from its own.
_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--disable-quic",
]  # fmt: skip
_CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


# Not for the session: Playwright's event loop runs in this thread until it stops, and asyncio.run would refuse.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The machine's own Chromium; none is downloaded."""
    if _CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on PATH: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


@dataclass
class Served:
    """A running page, with the model whose replies the test writes."""

    url: str
    assistant: Assistant
    llm: ScriptedLLM

    def says(self, *replies: str, seconds_a_word: float = 0.0) -> None:
        """What the model will answer next."""
        self.llm.replies.clear()  # a question that was refused before the model was asked leaves its reply
        self.llm.replies.extend(replies)
        self.llm._pause = seconds_a_word
        self.llm.streamed, self.llm.stopped = 0, False


@contextmanager
def serving(archive: Archive) -> Iterator[Served]:
    """The page of an archive on a free port, until the block ends."""
    llm = ScriptedLLM(probability=0.9)
    assistant = Assistant(archive, WordEmbedder(), llm, Settings(data_dir=archive.folder, llm="none"))
    server = uvicorn.Server(uvicorn.Config(create_app(assistant), log_level="warning", timeout_graceful_shutdown=1))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.05)
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", assistant, llm)
        server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, articles: list[Article]) -> Iterator[Served]:
    """One page of the ten articles for all tests that only read."""
    archive = Archive(Settings(data_dir=tmp_path_factory.mktemp("served"), llm="none"))
    ingest(articles, archive, WordEmbedder())
    with serving(archive) as one:
        yield one
    archive.close()


@pytest.fixture
def own(empty_archive: Archive) -> Iterator[Served]:
    """A page over an empty archive that the test may change."""
    with serving(empty_archive) as one:
        yield one


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page in a fresh profile. At the end, no request may have left the machine and no script failed."""
    outside: list[str] = []
    failed: list[str] = []
    contexts = []

    def open_page(served: Served | str, **options: object) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})  # type: ignore[arg-type]
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(20_000)
        tab.on("request", lambda request: note(request.url))
        tab.on("pageerror", lambda error: failed.append(str(error)))
        tab.goto(served if isinstance(served, str) else served.url)
        tab.wait_for_selector("#current .turn, #current .welcome")
        return tab

    def note(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"data", "blob"} and parts.hostname != "127.0.0.1":
            outside.append(url)

    yield open_page
    for context in contexts:
        context.close()
    assert outside == []
    assert failed == []
