"""An archive with its vectors in Milvus: shared by machines, and the server away, back, empty or not the one meant."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import WordEmbedder
from milvus_server import MilvusServer
from postgres_server import PostgresServer

from ingest.pipeline import ingest, remove
from ingest.reindex import reindex
from rag.archive.archive import Archive
from rag.archive.tables.changes import VECTORS_IN
from rag.errors import ArchiveBusy, ArchiveMismatch, IndexDamaged, StorageError, without_location
from rag.schema import Article, Filters
from rag.settings import Settings

pytest.importorskip("pymilvus", reason="needs the extra 'many', which make test installs")

import grpc

from rag.archive.indexes import milvus_connection, milvus_follower
from rag.archive.indexes.milvus_vectors import MilvusVectors

PASSWORD = "s3cr3t/of@us"


@pytest.fixture
def open_archive(milvus: MilvusServer, tmp_path: Path) -> Iterator[Callable[..., Archive]]:
    """Opens an archive with its vectors in Milvus; all are closed when the test ends."""
    opened: list[Archive] = []

    def archive(name: str = "archive", catalog: str = "", index: str = "") -> Archive:
        settings = Settings(data_dir=tmp_path / name, llm="none", catalog=catalog, index=index or milvus.url())
        opened.append(Archive(settings))
        return opened[-1]

    yield archive
    for one in opened:
        one.close()


@pytest.fixture
def shared(postgres: PostgresServer) -> str:
    """The address of an empty catalogue for several machines."""
    return postgres.empty_catalogue()


def found(archive: Archive, question: str, k: int = 3) -> list[str]:
    """The articles whose passages are nearest to a question, best first."""
    keys = [key for key, _ in archive.search_vectors(WordEmbedder().embed_queries([question])[0], k, Filters())]
    known = archive.catalog.passages(keys)
    return [known[key].article.id for key in keys if key in known]


def notice(number: int) -> Article:
    """An article of one passage."""
    return Article(id=f"n{number}", title=f"Notice {number}", text=f"Cellar number{number} is flooded.", language="en")


def stored_vectors(archive: Archive) -> MilvusVectors:
    index = archive.indexer.vectors()
    assert isinstance(index, MilvusVectors)
    return index


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


# --- one archive -------------------------------------------------------------------------------------


def test_an_archive_is_kept_up_to_date(
    catalogue_url: str, open_archive: Callable[..., Archive], articles: list[Article]
) -> None:
    archive = open_archive(catalog=catalogue_url)
    ingest(articles, archive, WordEmbedder())
    assert archive.health().sound
    assert not (archive.folder / "vectors").exists()
    assert found(archive, "measles in Harrow Bay")[0] == "a7"
    ingest([replace(articles[6], text="Six hundred penguins marched over the glacier.")], archive, WordEmbedder())
    assert found(archive, "penguins glacier")[0] == "a7"
    assert remove(archive, "a7")
    assert "a7" not in found(archive, "penguins glacier", k=50)
    assert archive.health().sound

    stored_vectors(archive).drop_articles(["a1"])
    assert archive.health().vectors_missing == 1
    before = stored_vectors(archive).collection
    assert archive.rebuild() == archive.catalog.count_passages()
    assert archive.health().sound
    assert stored_vectors(archive).collection != before

    report = reindex(archive, WordEmbedder("other/words", dim=64))  # vectors of another length
    assert report.embedded > 0
    archive.wait_until_indexed()
    assert archive.health().sound
    vector = WordEmbedder(dim=64).embed_queries(["ferry Port Selwyn"])[0]
    assert len(archive.search_vectors(vector, 5, Filters())) == 5
    archive.wait_until_threaded()
    archive.close()

    again = open_archive(catalog=catalogue_url)
    assert again.health().sound
    assert again.catalog.near_duplicates(["a2"]) != {}


def test_archives_in_one_database_do_not_meet(open_archive: Callable[..., Archive], articles: list[Article]) -> None:
    one, other = open_archive("one"), open_archive("other")
    ingest(articles[:3], one, WordEmbedder())
    ingest(articles[3:], other, WordEmbedder())
    assert one.rebuild() > 0
    assert one.health().sound
    assert other.health().sound


def test_a_process_beside_the_owner_of_a_folder_searches_in_milvus(
    open_archive: Callable[..., Archive], articles: list[Article]
) -> None:
    owner = open_archive()
    ingest(articles, owner, WordEmbedder())
    beside = open_archive()
    assert found(beside, "measles in Harrow Bay")[0] == "a7"
    assert not beside.owns_indexes
    assert isinstance(beside.indexer.vectors(), MilvusVectors)


def test_a_search_in_an_archive_without_articles_finds_nothing(open_archive: Callable[..., Archive]) -> None:
    archive = open_archive()
    assert found(archive, "anything") == []
    assert archive.health().sound


# --- several machines ----------------------------------------------------------------------------------


def test_machines_share_the_vectors_and_each_finds_what_another_stored(
    shared: str, open_archive: Callable[..., Archive], articles: list[Article]
) -> None:
    one, two = open_archive("one", shared), open_archive("two", shared)
    ingest(articles[:5], one, WordEmbedder())
    two.wait_until_indexed()
    assert found(two, "ferry Castellan Port Selwyn")[0] in ("a1", "a2")
    with ThreadPoolExecutor(2) as pool:  # two ingests at once
        parts = ((articles[5:8], one), (articles[8:], two))
        list(pool.map(lambda part: ingest(part[0], part[1], WordEmbedder()), parts))
    for archive in (one, two):
        archive.wait_until_threaded()
        assert archive.owns_indexes
        assert archive.changes_behind() == 0
        assert archive.health().sound
        assert found(archive, "measles in Harrow Bay")[0] == "a7"
    assert stored_vectors(one).collection == stored_vectors(two).collection
    one.rebuild()
    assert found(two, "measles in Harrow Bay")[0] == "a7"  # the alias leads it to the new collection
    one.close()
    remove(two, "a7")
    assert "a7" not in found(two, "measles in Harrow Bay", k=50)
    assert two.health().sound


def test_one_machine_at_a_time_writes_and_the_next_goes_on_when_it_ends(
    shared: str, open_archive: Callable[..., Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = open_archive("one", shared), open_archive("two", shared)
    ingest([notice(1)], one, WordEmbedder())
    with one.catalog.database.hold("vectors") as held:  # as a machine does that writes for long
        assert held
        monkeypatch.setattr("rag.archive.indexer._FOREIGN_SECONDS", 0.5)
        ingest([notice(2)], two, WordEmbedder())
        assert two.changes_behind() > 0
        assert found(two, "cellar number2", k=1) == ["n1"]  # it searches what is there
        monkeypatch.setattr(milvus_follower, "_BUSY_SECONDS", 0.3)
        with pytest.raises(ArchiveBusy, match="Another machine is filling the vector index of postgresql://"):
            two.rebuild()
    two.wait_until_indexed()
    assert found(two, "cellar number2", k=1) == ["n2"]
    assert two.health().sound


def test_what_was_written_without_the_lock_is_written_again(
    postgres: PostgresServer, shared: str, open_archive: Callable[..., Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = open_archive("one", shared)
    ingest([notice(1)], archive, WordEmbedder())
    put, puts = MilvusVectors.put, []

    def lose_the_lock(self: MilvusVectors, *given: Any) -> None:
        puts.append(archive.catalog.followed("vectors@milvus"))
        if len(puts) == 1:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 55935"
            postgres.run(ended)
        put(self, *given)

    monkeypatch.setattr(MilvusVectors, "put", lose_the_lock)
    ingest([notice(2)], archive, WordEmbedder())
    until(lambda: archive.changes_behind() == 0)
    assert puts == [1, 1]  # the mark was set back
    assert archive.health().sound


INGEST = """
import sys
from contextlib import closing
from fakes import WordEmbedder
from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.archive.indexes.milvus_vectors import MilvusVectors
from rag.schema import Article
from rag.settings import Settings
catalog, index, folder, name, dies = sys.stdin.readline().split()
if int(dies):
    import os, signal
    put, left = MilvusVectors.put, [int(dies)]
    def killed(*given):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)  # dropped, and not yet put
        put(*given)
    MilvusVectors.put = killed
with closing(Archive(Settings(data_dir=folder, llm="none", catalog=catalog, index=index))) as archive:
    for number in range(6):
        text = f"Cellar {name}{number} is flooded."
        ingest([Article(id=f"{name}{number}", title="N", text=text, language="en")], archive, WordEmbedder())
"""


def test_processes_ingest_at_once_and_one_is_killed_while_it_writes(
    milvus: MilvusServer, shared: str, open_archive: Callable[..., Archive], tmp_path: Path,
    child_environment: dict[str, str],
) -> None:  # fmt: skip
    def started(name: str, dies: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", INGEST], stdin=subprocess.PIPE, env=child_environment, text=True
        )
        assert process.stdin is not None
        process.stdin.write(f"{shared} {milvus.url()} {tmp_path / name} {name} {dies}\n")
        process.stdin.close()
        return process

    processes = [started("one", 3), started("two", 0)]
    assert [process.wait(60) for process in processes] == [-signal.SIGKILL, 0]
    archive = open_archive("three", shared)
    archive.wait_until_indexed()
    stored = {article.id for article in archive.catalog.articles(limit=-1)}
    assert stored >= {f"two{number}" for number in range(6)}
    assert archive.health().sound
    assert set(found(archive, "A cellar is flooded", k=100)) == stored


# --- the server ------------------------------------------------------------------------------------


@contextmanager
def away(server: MilvusServer) -> Iterator[None]:
    """A server that is killed, and back when the context ends."""
    server.kill()
    try:
        yield
    finally:
        server.start()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that are repeated for a shorter time."""
    monkeypatch.setattr(milvus_connection, "_PATIENCE", 0.5)


def test_a_search_does_not_notice_a_server_that_restarts(
    milvus: MilvusServer, open_archive: Callable[..., Archive], articles: list[Article]
) -> None:
    archive = open_archive()
    ingest(articles, archive, WordEmbedder())
    milvus.kill()
    back = threading.Thread(target=milvus.start)
    back.start()
    try:
        assert found(archive, "measles in Harrow Bay")[0] == "a7"
    finally:
        back.join()


def test_a_server_that_is_away_costs_nothing_but_time(
    impatient: None, milvus: MilvusServer, open_archive: Callable[..., Archive], articles: list[Article]
) -> None:
    archive = open_archive()
    ingest(articles, archive, WordEmbedder())
    collection = stored_vectors(archive).collection
    with away(milvus):
        began = time.monotonic()
        with pytest.raises(
            StorageError, match="server cannot be reached .*Start it, or correct host and port in"
        ) as told:
            found(archive, "measles")
        assert time.monotonic() - began < 5
        assert not isinstance(told.value, IndexDamaged)
        assert "127.0.0.1" not in without_location(told.value, archive.folder)
        with pytest.raises(StorageError, match="No article is lost"):
            ingest([notice(1)], archive, WordEmbedder())
        archive.close()
        archive = open_archive()  # nor does the start need it: words are found
        assert archive.search_words("measles", 3, ["en"], Filters())
        with pytest.raises(StorageError, match="server cannot be reached"):
            found(archive, "measles")
    assert found(archive, "cellar number1", k=1) == ["n1"]
    assert archive.health().sound
    assert stored_vectors(archive).collection == collection  # and it was not filled anew


def test_an_ingest_goes_on_when_the_server_was_killed_in_the_middle(
    milvus: MilvusServer, open_archive: Callable[..., Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = open_archive()
    ingest([notice(0)], archive, WordEmbedder())
    drop, drops = MilvusVectors.drop_articles, []

    def lose_the_server(*given: Any) -> None:
        drop(*given)
        if not drops:
            milvus.kill()
            drops.append(threading.Timer(0.3, milvus.start))
            drops[0].start()

    monkeypatch.setattr(MilvusVectors, "drop_articles", lose_the_server)
    ingest([notice(number) for number in range(1, 40)], archive, WordEmbedder())
    drops[0].join()
    assert found(archive, "cellar number39", k=1) == ["n39"]
    assert archive.health().sound


def test_a_server_that_does_not_answer_is_told_within_ten_seconds(
    milvus: MilvusServer, open_archive: Callable[..., Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.archive.indexes.milvus_vectors.CALL_SECONDS", 1.0)
    monkeypatch.setattr(milvus_connection, "_PATIENCE", 1.0)
    archive = open_archive()
    ingest([notice(0)], archive, WordEmbedder())
    milvus.process.send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(8) as pool:
            began = time.monotonic()
            searches = [pool.submit(found, archive, "cellar") for _ in range(8)]
            told = [search.exception() for search in searches]
        assert time.monotonic() - began < 4  # with limits of five seconds: ten
        assert all("server cannot be reached" in str(error) for error in told)
    finally:
        milvus.process.send_signal(signal.SIGCONT)
    assert found(archive, "cellar", k=1) == ["n0"]


def test_a_call_that_waits_while_another_finds_the_server_again_is_made(
    milvus: MilvusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = milvus_connection.MilvusConnection(milvus.url())
    monkeypatch.setattr(milvus_connection, "_PATIENCE", 0.3)
    connection._away = OSError("away")
    with connection._probing:
        with pytest.raises(StorageError, match="away"):
            connection.call(lambda: 1)
        found = threading.Timer(0.1, lambda: setattr(connection, "_away", None))
        found.start()
        assert connection.call(lambda: 1) == 1
        found.join()
    connection.close()


def test_a_server_that_has_lost_its_data_is_filled_again(
    milvus: MilvusServer, open_archive: Callable[..., Archive], articles: list[Article], tmp_path: Path
) -> None:
    archive = open_archive()
    ingest(articles, archive, WordEmbedder())
    stored_vectors(archive)._client.drop_alias(stored_vectors(archive).alias)
    assert found(archive, "measles in Harrow Bay")[0] == "a7"
    assert archive.health().sound
    archive.close()
    another = MilvusServer(tmp_path / "another")
    try:
        with closing(open_archive(index=another.url())) as archive:
            assert archive.health().sound
            remove(archive, "a7")
            ingest([notice(1)], archive, WordEmbedder())  # as many passages as before
    finally:
        another.kill()
    archive = open_archive()  # on the server before, which lacks the last changes
    assert archive.health().sound
    assert found(archive, "cellar number1", k=1) == ["n1"]


def test_a_database_that_is_not_there_is_told(milvus: MilvusServer, open_archive: Callable[..., Archive]) -> None:
    archive = open_archive(index=milvus.url("nowhere"))
    with pytest.raises(StorageError, match="there is no database 'nowhere'. Make it in Milvus, or correct its name"):
        found(archive, "anything")


class _Refusing(grpc.GenericRpcHandler):
    """Answers every call as Milvus does with a wrong password; Milvus Lite knows no users."""

    def service(self, handler_call_details: Any) -> Any:
        def refuse(request: bytes, context: Any) -> None:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, f"auth check failure, {PASSWORD} is not the password")

        return grpc.unary_unary_rpc_method_handler(refuse)


def test_a_wrong_password_is_told_at_once_and_not_shown(open_archive: Callable[..., Archive]) -> None:
    server = grpc.server(ThreadPoolExecutor(2), handlers=[_Refusing()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        quoted = PASSWORD.replace("/", "%2F").replace("@", "%40")
        archive = open_archive(index=f"milvus://reporter:{quoted}@127.0.0.1:{port}/news")
        began = time.monotonic()
        with pytest.raises(
            StorageError, match="refuses the login .* Check user and password in DATELINE_INDEX"
        ) as told:
            found(archive, "anything")
        assert time.monotonic() - began < 5
        assert f"milvus://127.0.0.1:{port}/news" in str(told.value)
        assert not [secret for secret in (PASSWORD, quoted) if secret in str(told.value)]
    finally:
        server.stop(None)


def test_a_collection_of_a_newer_program_is_refused_and_left_alone(
    open_archive: Callable[..., Archive], articles: list[Article]
) -> None:
    archive = open_archive()
    ingest(articles[:2], archive, WordEmbedder())
    index = stored_vectors(archive)
    newer = f"{index.alias}_v2_abc"
    index._client.rename_collection(index.collection, newer)
    index._client.alter_alias(newer, index.alias)
    archive.close()
    archive = open_archive()
    with pytest.raises(ArchiveMismatch, match=r"has format 2; .*Upgrade Dateline .*another database in DATELINE_INDEX"):
        found(archive, "ferry")
    assert index.alias == (archive.catalog.get_meta(VECTORS_IN) or "").partition("_v")[0]


def test_an_alias_to_a_collection_of_another_program_is_told(
    open_archive: Callable[..., Archive], articles: list[Article]
) -> None:
    archive = open_archive()
    ingest(articles[:2], archive, WordEmbedder())
    index = stored_vectors(archive)
    foreign = f"payroll_{index.alias}"
    index._client.rename_collection(index.collection, foreign)
    index._client.alter_alias(foreign, index.alias)
    archive.close()
    with pytest.raises(ArchiveMismatch, match="leads to payroll_.*, which Dateline has not made. Drop the alias, or"):
        found(open_archive(), "ferry")


def test_a_fill_that_failed_does_not_lead_later_changes_astray(
    shared: str, open_archive: Callable[..., Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = open_archive("one", shared), open_archive("two", shared)

    def fail(*_: Any) -> None:
        raise StorageError("The server is overloaded.")

    with monkeypatch.context() as broken:
        broken.setattr(MilvusVectors, "finish_rebuild", fail)
        with pytest.raises(StorageError, match="overloaded"):
            ingest([notice(1)], one, WordEmbedder())
    two.wait_until_indexed()  # which fills it, unless the first does
    ingest([notice(2)], one, WordEmbedder())
    assert found(two, "cellar number2", k=1) == ["n2"]
    assert two.health().sound
    names = stored_vectors(two)._client.list_collections()
    assert [name for name in names if name.startswith(stored_vectors(two).alias)] == [stored_vectors(two).collection]


def test_vectors_of_another_length_are_refused(milvus: MilvusServer, open_archive: Callable[..., Archive]) -> None:
    archive = open_archive()
    ingest([notice(1)], archive, WordEmbedder())
    with pytest.raises(IndexDamaged, match="holds vectors of 256 numbers, this embedder gives 3"):
        stored_vectors(archive).search(np.ones(3, dtype=np.float32), 1, Filters(), [])


WITHOUT_CLIENT = """
import sys
sys.modules["pymilvus"] = None  # as where it is not installed
from rag.archive.archive import Archive
from rag.settings import Settings
Archive(Settings(data_dir=sys.argv[1])).close()
assert not [name for name in sys.modules if name.startswith("rag.archive.indexes.milvus")]
Archive(Settings(data_dir=sys.argv[1], index="milvus://127.0.0.1/news"))
"""


def test_the_client_is_loaded_for_milvus_alone_and_its_absence_told(
    tmp_path: Path, child_environment: dict[str, str]
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_CLIENT, str(tmp_path)],
        env=child_environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.stderr.splitlines()[-1] == (
        "rag.errors.SettingsError: DATELINE_INDEX names a Milvus database, but its client is not installed. "
        "Run: pip install 'dateline[many]', or unset DATELINE_INDEX to use the folder."
    )
