"""Every request may come in a thread of its own: the number of open files must not grow with them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import WordEmbedder

from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.archive.catalog import Catalog, Prepared
from rag.archive.tables import database, sqlite
from rag.errors import StorageError
from rag.schema import Article, Coverage

RAIN = Article(id="rain", title="Rain", text="It rained. Then it stopped.", url="https://tide.example/rain")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    opened = Catalog(tmp_path / "catalogue.sqlite")
    opened.store([prepared(RAIN)], {"h": np.ones(4, dtype=np.float32)})
    return opened


def prepared(article: Article) -> Prepared:
    return Prepared(article=article, spans=((0, 10),), hashes=("h",))


MANY = """
import gc, os, resource, sys, threading
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.settings import Settings
from fakes import WordEmbedder

settings = Settings(data_dir=sys.argv[1], llm="none")
assistant = Assistant(Archive(settings), WordEmbedder(), None, settings)
assistant.ask("Who is harbour master?")
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 40,) * 2)
wrong = []

def watched(work):
    try:
        work()
    except BaseException as error:
        wrong.append(repr(error))

def in_threads_of_their_own(number, work):
    for _ in range(number):
        thread = threading.Thread(target=watched, args=(work,))
        thread.start()
        thread.join()
        if wrong:
            sys.exit(wrong[0])

in_threads_of_their_own(2000, lambda: assistant.archive.catalog.article("a1"))
in_threads_of_their_own(200, lambda: assistant.search("measles outbreak in Harrow Bay"))
in_threads_of_their_own(50, lambda: assistant.ask("Who is harbour master?"))
search = lambda: assistant.search("parking levy")
several = [threading.Thread(target=in_threads_of_their_own, args=(20, search)) for _ in range(16)]
for thread in several:
    thread.start()
for thread in several:
    thread.join()
if wrong:
    sys.exit(wrong[0])
folder = str(assistant.archive.folder)
assistant.close()
gc.collect()
print([path for fd in os.listdir("/proc/self/fd") if "catalogue" in (path := os.path.realpath(f"/proc/self/fd/{fd}"))])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
def test_thousands_of_questions_each_in_a_new_thread_open_no_more_files(
    archive: Archive, child_environment: dict[str, str]
) -> None:
    archive.close()
    ran = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", MANY, str(archive.folder)],
        env=child_environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout.strip()) == (0, "[]"), ran.stderr[-2000:]
    assert "ResourceWarning" not in ran.stderr


def test_no_more_than_so_many_read_at_once_and_the_rest_wait_their_turn(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    connect = sqlite.SqliteDatabase._connect
    monkeypatch.setattr(sqlite.SqliteDatabase, "_connect", lambda self: opened.append(1) or connect(self))
    begun = threading.Barrier(40)

    def read(_: int) -> str:
        begun.wait(timeout=30)
        return [catalog.article("rain").title for _ in range(50)][-1]  # type: ignore[union-attr]

    with ThreadPoolExecutor(40) as threads:
        assert list(threads.map(read, range(40))) == ["Rain"] * 40
    assert len(opened) <= database._READERS
    catalog.close()


def test_a_read_has_its_turn_among_threads_that_read_without_pause(catalog: Catalog) -> None:
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            catalog.article("rain")

    threads = [threading.Thread(target=read) for _ in range(2 * database._READERS)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    try:
        for _ in range(30):
            assert catalog.article("rain") is not None
        took = time.monotonic() - began
    finally:
        ended.set()
        for thread in threads:
            thread.join(timeout=30)
    assert took < 10
    catalog.close()


def test_a_read_within_a_transaction_sees_its_changes_and_others_do_not(catalog: Catalog) -> None:
    seen: list[Coverage] = []
    with catalog.transaction() as db:
        db.execute("DELETE FROM articles")
        db.execute("INSERT INTO changes (article_id) VALUES ('rain')")
        assert catalog.article("rain") is None
        assert catalog.coverage().articles == 0
        reader = threading.Thread(target=lambda: seen.append(catalog.coverage()))
        reader.start()
        reader.join(timeout=20)  # it does not wait for the writer
    assert [coverage.articles for coverage in seen] == [1]
    assert catalog.coverage().articles == 0
    catalog.close()


def test_closing_while_others_read_gives_them_an_answer_or_one_clear_error(archive: Archive) -> None:
    ingest([replace(RAIN, id=f"rain-{n}", text=f"{RAIN.text} {n}" * 50) for n in range(50)], archive, WordEmbedder())
    catalog, reading, ended = archive.catalog, threading.Semaphore(0), threading.Event()
    outcomes: list[BaseException] = []

    def read() -> None:
        try:
            while not ended.is_set():
                assert len(catalog.articles(limit=-1)) == 60
                reading.release()
        except BaseException as error:
            outcomes.append(error)

    threads = [threading.Thread(target=read) for _ in range(12)]
    for thread in threads:
        thread.start()
    for _ in range(24):
        assert reading.acquire(timeout=30)
    archive.close()
    for thread in threads:
        thread.join(timeout=5)
    ended.set()
    for thread in threads:
        thread.join(timeout=30)
    assert [type(error) for error in outcomes] == [StorageError] * 12
    assert {str(error) for error in outcomes} == {f"The catalogue {catalog.path} was closed. Open the archive again."}
    assert not catalog.path.with_name("catalogue.sqlite-wal").exists()  # the last connection took it along


def test_an_open_that_fails_half_way_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    path.write_bytes(b"this is no catalogue, " * 400)
    for _ in range(3):
        with pytest.raises(StorageError):
            Catalog(path)
    if sys.platform == "linux":
        assert not [fd for fd in Path("/proc/self/fd").iterdir() if fd.resolve() == path]
