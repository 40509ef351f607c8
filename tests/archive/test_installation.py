"""The archives of an installation: named ones beside the one without a name, in a folder or in PostgreSQL."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest
from fakes import WordEmbedder
from milvus_server import MilvusServer
from postgres_server import PostgresServer

from app import main
from ingest.pipeline import ingest
from ingest.queue.cli import queue_and_wait
from rag.archive import installation
from rag.archive.archive import Archive
from rag.archive.moving.move import move
from rag.assistant import Assistant
from rag.errors import ArchiveMismatch, ArchiveMissing, SettingsError, StorageError, without_location
from rag.schema import Article
from rag.serving.shared_keys import keys_of, opened_keys
from rag.settings import Settings


def filled(settings: Settings, name: str, articles: Sequence[Article]) -> None:
    with closing(Archive(settings.of_archive(name), may_be_new=True)) as archive:
        ingest(articles, archive, WordEmbedder())


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def several(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of an installation of its own, in a folder or in a database."""
    if request.param == "SQLite":
        return Settings(data_dir=tmp_path / "data", llm="none")
    postgres = request.getfixturevalue("postgres")
    return Settings(data_dir=tmp_path / "data", llm="none", catalog=postgres.url(name=postgres.new_database()))


def test_archives_have_nothing_in_common(several: Settings, articles: list[Article]) -> None:
    filled(several, "one", articles[:4])
    filled(several, "two-2", articles[4:6])
    filled(several, "", articles[6:7])
    assert installation.names(several) == ["one", "two-2"]
    stored = {}
    for name in ("one", "two-2", ""):
        with closing(Archive(several.of_archive(name))) as archive:
            assert archive.health().sound
            stored[name] = {article.id for article in archive.catalog.articles()}
            keys_of(archive).create(f"key of {name}")
    assert stored == {"one": {"a1", "a2", "a3", "a4"}, "two-2": {"a5", "a6"}, "": {"a7"}}
    for name in stored:
        with opened_keys(several.of_archive(name)) as keys:
            assert [key.name for key in keys.all()] == [f"key of {name}".strip()]


def test_an_archive_that_does_not_exist_is_not_made_by_reading(several: Settings, articles: list[Article]) -> None:
    for there in ("There is no named archive yet", "There are: one"):
        with pytest.raises(ArchiveMissing, match=f"no archive 'other'. {there}.*dateline ingest --archive other"):
            Archive(several.of_archive("other"))
        with pytest.raises(ArchiveMissing), opened_keys(several.of_archive("other")):
            pass
        assert "other" not in installation.names(several)
        filled(several, "one", articles[:1])


def test_the_list_names_what_each_holds(
    several: Settings, articles: list[Article], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATELINE_DATA_DIR", str(several.data_dir))
    monkeypatch.setenv("DATELINE_CATALOG", several.catalog)
    assert main(["archives"]) == 1
    assert "dateline ingest --archive NAME" in capsys.readouterr().err
    filled(several, "one", articles[:2])
    assert main(["key", "create", "first", "--archive", "keys-only"]) == 0
    capsys.readouterr()
    assert main(["archives", "--json"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["archives"]}
    assert set(found) == {"one", "keys-only"}
    assert (found["one"]["articles"], found["one"]["newest"]) == (2, "2025-03-05")
    assert found["one"]["passages"] >= 2
    assert found["keys-only"]["articles"] == 0
    assert main(["--archive", "one", "articles"]) == 0
    assert "Ferry runs aground" in capsys.readouterr().out
    # The one without a name: a schema that is there is an archive, a folder without a catalogue is none.
    assert main(["articles"]) == (1 if several.catalog else 2)
    assert several.catalog or "for --archive NAME: keys-only, one." in capsys.readouterr().err


def test_a_damaged_archive_is_listed_with_the_reason(
    settings: Settings, articles: list[Article], capsys: pytest.CaptureFixture[str]
) -> None:
    filled(settings, "one", articles[:1])
    filled(settings, "bad", articles[:1])
    (settings.of_archive("bad").folder / "catalogue.sqlite").write_bytes(b"no catalogue " * 1000)
    assert main(["archives", "--data-dir", str(settings.data_dir)]) == 0
    told = capsys.readouterr().out
    assert "cannot be opened: " in told
    assert "1 article, " in told


@pytest.mark.parametrize("name", ["..", "../x", "One", "ünï", "-x", "a_b", "x" * 41, "x" * 300, "a/b", "a\n", " "])
def test_a_name_that_cannot_be_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DATELINE_ARCHIVE is .*: it is no name of an archive; expected") as told:
        Settings.load({"DATELINE_ARCHIVE": name, "DATELINE_DATA_DIR": str(tmp_path)})
    assert len(str(told.value)) < 400


def test_a_link_or_a_file_in_the_place_of_an_archive_is_refused(settings: Settings, articles: list[Article]) -> None:
    filled(settings, "one", articles[:1])
    places = settings.folder / "archives"
    (places / "link").symlink_to(places / "one", target_is_directory=True)
    (places / "file").write_text("")
    (places / "No Name").mkdir()
    assert installation.names(settings) == ["one"]
    for name, kind in (("link", "a link"), ("file", "a file")):
        for may_be_new in (True, False):
            with pytest.raises(StorageError, match=f"{kind}|exists"):
                Archive(settings.of_archive(name), may_be_new=may_be_new)


def test_a_named_archive_moves_under_its_name_and_back(
    postgres: PostgresServer, tmp_path: Path, articles: list[Article]
) -> None:
    home = Settings(data_dir=tmp_path / "home", llm="none")
    filled(home, "one", articles[:4])
    url = postgres.url(name=postgres.new_database())
    move(home.of_archive("one"), url)
    there = Settings(data_dir=tmp_path / "there", llm="none", catalog=url)
    assert installation.names(there) == ["one"]
    assert not installation.has_unnamed(there)
    move(there.of_archive("one"), str(tmp_path / "back"))
    back = Settings(data_dir=tmp_path / "back", llm="none")
    with closing(Archive(back.of_archive("one"))) as archive:
        assert archive.health().sound
        assert archive.catalog.coverage().articles == 4
    with pytest.raises(SettingsError, match="the very archive"):
        move(there.of_archive("one"), f"{url}&application_name=other")


def test_an_interrupted_move_of_a_named_archive_goes_on_with_the_command_that_is_told(
    postgres: PostgresServer,
    tmp_path: Path,
    articles: list[Article],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(old: Archive, new: Archive) -> None:
        raise KeyboardInterrupt

    url = postgres.url(name=postgres.new_database())
    there = Settings(data_dir=tmp_path / "there", llm="none", catalog=url)
    filled(there, "one", articles[:4])
    with pytest.raises(KeyboardInterrupt):
        move(there.of_archive("one"), str(tmp_path / "back"), carry=stop)
    monkeypatch.setenv("DATELINE_ARCHIVE", "another")  # wherever it is set, the command holds
    with pytest.raises(ArchiveMismatch, match="A move of articles .* is unfinished") as told:
        ingest(articles[:1], Archive(Settings(data_dir=tmp_path / "back", archive="one")), WordEmbedder())
    assert "dateline move" not in without_location(told.value, None)
    words = shlex.split(str(told.value).partition("goes on with it: ")[2].replace("USER:PASSWORD@", "postgres@"))
    for word in words[: words.index("dateline")]:
        monkeypatch.setenv(*word.split("=", 1))
    assert main(words[words.index("dateline") + 1 :]) == 0
    with closing(Archive(Settings(data_dir=tmp_path / "back", llm="none", archive="one"))) as archive:
        assert archive.health().sound
        assert archive.catalog.coverage().articles == 4


def test_each_archive_in_postgresql_has_a_queue_of_its_own(
    postgres: PostgresServer, tmp_path: Path, articles: list[Article]
) -> None:
    pytest.importorskip("procrastinate", reason="the queue needs it: pip install 'dateline[many]'")
    from ingest.queue.tables import Queue

    settings = Settings(data_dir=tmp_path / "data", llm="none", catalog=postgres.url(name=postgres.new_database()))
    for name, own in (("one", articles[:2]), ("two", articles[2:5])):
        with closing(Archive(settings.of_archive(name), may_be_new=True)) as archive:
            queue_and_wait(own, archive, wait=False, progress=lambda read: None)
    for name, waiting in (("one", 2), ("two", 3)):
        with closing(Archive(settings.of_archive(name))) as archive:
            (found,) = Queue(archive.catalog).ingests(10)
            assert found.waiting == waiting


def test_two_processes_may_make_the_same_archive_at_once(postgres: PostgresServer, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", llm="none", catalog=postgres.url(name=postgres.new_database()))

    def made(number: int) -> bool:
        own = settings.model_copy(update={"data_dir": tmp_path / str(number), "archive": "one"})
        with closing(Archive(own, may_be_new=True)) as archive:
            return archive.catalog.coverage().articles == 0

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(made, range(4)))


def test_archives_in_one_milvus_have_collections_of_their_own(
    milvus: MilvusServer, settings: Settings, articles: list[Article]
) -> None:
    chosen = settings.model_copy(update={"index": milvus.url()})
    filled(chosen, "one", articles[:4])
    filled(chosen, "two", articles[4:6])
    for name, passages in (("one", {"a1", "a2", "a3", "a4"}), ("two", {"a5", "a6"})):
        with Assistant(Archive(chosen.of_archive(name)), WordEmbedder(), None, chosen) as assistant:
            assert assistant.archive.health().sound
            assert {hit.passage.article.id for hit in assistant.search("ferry", top_k=20)} <= passages


def test_who_may_make_no_schema_is_told_which_right_it_takes(postgres: PostgresServer, tmp_path: Path) -> None:
    name = postgres.new_database()
    postgres.run("CREATE ROLE visitor LOGIN")
    url = postgres.url("visitor", name=name)
    with pytest.raises(StorageError, match="GRANT CREATE ON DATABASE"):
        Archive(Settings(data_dir=tmp_path, llm="none", catalog=url, archive="one"), may_be_new=True)


def test_archives_on_one_chroma_server_have_collections_of_their_own(
    settings: Settings, articles: list[Article], tmp_path: Path
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("chroma"), "run", "--path", tmp_path / "chroma", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_it_answers(f"{address}/api/v2/heartbeat")
            chosen = settings.model_copy(update={"chroma_url": address})
            filled(chosen, "one", articles[:4])
            filled(chosen, "two", articles[4:6])
            filled(chosen, "", articles[6:7])
            for name in ("one", "two", ""):
                with closing(Archive(chosen.of_archive(name))) as archive:
                    assert archive.health().sound
                    archive.rebuild()
                    assert archive.health().sound
        finally:
            server.terminate()


def wait_until_it_answers(address: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with suppress(httpx.TransportError):
            if httpx.get(address).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"nothing answers at {address}")
