"""What only a server can do: refuse a login, go away and come back, serve several processes and folders at once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import WordEmbedder
from postgres_server import PostgresServer

from ingest.jobs import Job, Jobs
from ingest.pipeline import ingest, properties, remove
from ingest.reindex import reindex
from rag.archive import second_process
from rag.archive.archive import Archive
from rag.archive.catalog import Catalog, Prepared
from rag.archive.indexes import keyword_index, place
from rag.archive.indexes.keyword_index import TantivyWords
from rag.errors import ArchiveBusy, StorageError, without_location
from rag.schema import Article, Filters
from rag.settings import Settings

pytest.importorskip("psycopg", reason="needs the extra 'many', which make test installs")

from rag.archive.tables import postgres as engine
from rag.archive.tables.postgres import PostgresDatabase, translated

RAIN = Article(id="rain", title="Rain", text="It rained. It pours.", outlet="The Tide", published=datetime(2025, 3, 4))
VECTOR = np.array([0.6, 0.8], dtype=np.float32)
PASSWORD = "s3cr3t/of@us"


def prepared(article: Article) -> Prepared:
    """The article as one passage."""
    return Prepared(article=article, spans=((0, len(article.text)),), hashes=(article.id,))


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """The address of an empty catalogue."""
    return postgres.empty_catalogue()


@pytest.fixture
def catalog(url: str, tmp_path: Path) -> Iterator[Catalog]:
    with closing(Catalog(tmp_path / "catalogue.sqlite", url=url)) as catalog:
        yield catalog


def archive_at(url: str, folder: Path) -> Archive:
    return Archive(Settings(data_dir=folder, llm="none", catalog=url))


# --- statements ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", "SELECT 1"),
        ("VALUES (?, ?)", "VALUES (%s, %s)"),
        ("instr(a.byline_key, ?) > 0", "strpos(a.byline_key, %s) > 0"),
        ("LIKE 'a%'", "LIKE 'a%%'"),
    ],
)
def test_a_statement_is_translated(sql: str, expected: str) -> None:
    assert translated(sql) == expected


def test_a_text_with_a_nul_is_stored_without_it_and_may_be_asked_for(url: str, tmp_path: Path) -> None:
    with closing(archive_at(url, tmp_path)) as archive:
        text = "The ferry ran aground\0 off Port Selwyn on Tuesday, the coastguard said."
        report = ingest([replace(RAIN, text=text)], archive, WordEmbedder())
        assert (report.kept, report.rejections) == (1, [])
        article = archive.catalog.article("rain")
        assert article is not None
        assert article.text == text.replace("\0", "?")
        assert archive.catalog.articles(text="ferry\0") == []
        assert archive.catalog.articles(Filters(outlets=("a\0b",))) == []
        assert archive.health().sound


def test_an_article_that_the_database_refuses_is_rejected_alone(url: str, tmp_path: Path) -> None:
    long = "".join(random.Random(5).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9_000))  # no index takes it
    cleaned = replace(RAIN, id="c", text="It hailed \ud800 and\0 more.")
    batch = [RAIN, replace(RAIN, id=long, text="It snowed."), cleaned]
    with closing(archive_at(url, tmp_path)) as archive:
        report = ingest(batch, archive, WordEmbedder())
        assert (report.kept, dict(report.rejected)) == (2, {"malformed": 1})
        assert "it cannot be stored (ArticleRefused: PostgreSQL does not take a value: index row" in (
            report.rejections[0].message
        )
        assert {one.id for one in archive.catalog.articles()} == {"rain", "c"}
        assert archive.health().sound


# --- connections -----------------------------------------------------------------------------------


def test_what_a_cut_network_leaves_unanswered_is_given_up_unless_the_address_says_when() -> None:
    from psycopg.conninfo import conninfo_to_dict

    for query, expected in (("", "10000"), ("?tcp_user_timeout=2500", "2500")):
        conninfo = PostgresDatabase(f"postgresql://me@db.example/news{query}").conninfo
        assert conninfo_to_dict(conninfo)["tcp_user_timeout"] == expected


# --- refused at the start --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reporter(postgres: PostgresServer) -> str:
    """A user who has to give a password."""
    data = postgres.folder / "pg_hba.conf"
    data.write_text(f"local all reporter scram-sha-256\n{data.read_text()}")
    quoted = PASSWORD.replace("'", "''")
    postgres.run(f"CREATE ROLE reporter LOGIN PASSWORD '{quoted}'", "SELECT pg_reload_conf()")
    time.sleep(0.2)  # the server reads the file a moment later
    return "reporter"


@pytest.mark.parametrize("password", ["wrong-password", PASSWORD + "x"])
def test_a_wrong_password_is_told_at_once_and_not_shown(
    postgres: PostgresServer, reporter: str, tmp_path: Path, password: str
) -> None:
    began = time.monotonic()
    with pytest.raises(StorageError, match="password authentication failed .*Check DATELINE_CATALOG: user") as told:
        Catalog(tmp_path / "c", url=postgres.url(reporter, password))
    assert password not in str(told.value)
    assert time.monotonic() - began < 8  # it is not tried again


def test_a_user_without_rights_is_told_the_statement_that_gives_them(
    postgres: PostgresServer, reporter: str, tmp_path: Path
) -> None:
    with pytest.raises(
        StorageError, match="permission denied for schema public. Give its user the right: GRANT"
    ) as told:
        Catalog(tmp_path / "c", url=postgres.url(reporter, PASSWORD))
    assert PASSWORD not in str(told.value)


def test_a_database_that_is_not_there_is_told_at_once(postgres: PostgresServer, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match='database "nowhere" does not exist. Check DATELINE_CATALOG'):
        Catalog(tmp_path / "c", url=postgres.url(name="nowhere"))


def test_a_server_that_is_away_at_the_start_is_told_with_its_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(PostgresDatabase, "pauses", (0.0, 0.1))
    with pytest.raises(StorageError) as told:
        Catalog(tmp_path / "c", url=f"postgresql://me:{PASSWORD.replace('/', '%2F')}@127.0.0.1:9/news")
    message = str(told.value)
    assert message.startswith(
        "The catalogue postgresql://127.0.0.1:9/news cannot be used: the server cannot be reached"
    )
    assert "Connection refused" in message
    assert not {"s3cr3t", "of@us"} & {part for part in ("s3cr3t", "of@us") if part in message}
    elsewhere = without_location(told.value, tmp_path)
    assert "127.0.0.1" not in elsewhere
    assert elsewhere.startswith("The catalogue cannot be used")


def test_the_database_of_another_program_is_refused_and_left_alone(
    postgres: PostgresServer, url: str, tmp_path: Path
) -> None:
    postgres.run("CREATE TABLE payroll (who text)", url=url)
    with pytest.raises(StorageError, match="holds tables of another program. Name an empty database"):
        Catalog(tmp_path / "c", url=url)
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    assert postgres.run(tables, url=url) == [("payroll",)]


def test_an_empty_database_for_a_folder_with_indexes_is_refused(
    url: str, tmp_path: Path, articles: list[Article]
) -> None:
    with closing(archive_at("", tmp_path)) as archive:
        ingest(articles[:2], archive, WordEmbedder())
    with pytest.raises(StorageError, match=r"holds nothing, but .*vectors and .*words are not: articles were"):
        archive_at(url, tmp_path)


# --- away in the middle ----------------------------------------------------------------------------


def test_reads_go_on_when_the_server_comes_back(postgres: PostgresServer, catalog: Catalog) -> None:
    catalog.store([prepared(RAIN)], {"rain": VECTOR})
    postgres.kill()
    back = threading.Timer(1.0, postgres.start)
    back.start()
    try:
        assert [one.id for one in catalog.articles()] == ["rain"]
        catalog.store([prepared(replace(RAIN, id="snow"))], {"snow": VECTOR})  # nor does a new transaction notice
    finally:
        back.join()
    assert {one.id for one in catalog.articles()} == {"rain", "snow"}


def _delete_and_lose_the_server(postgres: PostgresServer, catalog: Catalog) -> None:
    with catalog.transaction() as db:
        db.execute("DELETE FROM articles")
        postgres.kill()
        db.execute("DELETE FROM versions")


def test_a_transaction_that_loses_the_server_is_taken_back_and_told(postgres: PostgresServer, catalog: Catalog) -> None:
    catalog.store([prepared(RAIN)], {"rain": VECTOR})
    try:
        with pytest.raises(StorageError, match=r"server cannot be reached .*is taken back unless it was complete"):
            _delete_and_lose_the_server(postgres, catalog)
    finally:
        postgres.start()
    assert [one.id for one in catalog.articles()] == ["rain"]
    catalog.store([prepared(replace(RAIN, id="snow"))], {"snow": VECTOR})
    assert [one for one, _ in catalog.changed_since(0)] == ["rain", "snow"]


def test_a_server_that_stays_away_is_told_after_the_last_attempt(
    postgres: PostgresServer, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PostgresDatabase, "pauses", (0.0, 0.1))
    postgres.kill()
    try:
        with pytest.raises(StorageError, match="cannot be reached .* It was tried again for .*; data stored earlier"):
            catalog.article("rain")
    finally:
        postgres.start()


def test_a_read_that_finds_all_connections_in_use_is_told_so(url: str, tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "c", url=url)
    pool = catalog.database._pool
    pool._patience = 0.2
    held = [pool.borrowed() for _ in range(pool.most)]
    with pytest.raises(StorageError, match="all its 8 connections of this process were in use"):
        catalog.article("rain")
    for db in held:
        pool.give_back(db)
    assert catalog.article("rain") is None
    catalog.close()


def test_a_writer_that_waits_too_long_for_another_one_is_told_so(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_SERVER_OPTIONS", "-c lock_timeout=200ms")
    with closing(Catalog(tmp_path / "c", url=url)) as one, closing(Catalog(tmp_path / "c", url=url)) as other:
        with one.transaction(), pytest.raises(StorageError, match="Another process has been writing for"):
            other.set_meta({"a": "b"})
        other.set_meta({"a": "b"})
        assert one.get_meta("a") == "b"


def test_an_upload_whose_writes_take_too_long_fails_and_the_next_one_is_stored(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_SERVER_OPTIONS", "-c lock_timeout=100ms")
    monkeypatch.setattr("ingest.jobs.MOST_SLOW", 2)
    with closing(archive_at(url, tmp_path / "one")) as archive, closing(Catalog(tmp_path / "c", url=url)) as other:
        archive.claim(properties(WordEmbedder()))
        with closing(Jobs(archive, WordEmbedder(), Settings())) as jobs:
            jobs.start()

            def outcome(title: str) -> Job:
                record = {"title": title, "text": f"{title}. It pours.", "published": "2025-03-04"}
                job = jobs.add_records(json.dumps(record).encode())
                assert job.settled.wait(20)
                found = jobs.get(job.id)
                assert found is not None
                return found

            with other.transaction():
                failed = outcome("Rain")
            assert (failed.state, "Another process has been writing for" in failed.error) == ("failed", True)
            stored = outcome("Snow")
            assert (stored.state, stored.report["kept"]) == ("done", 1)


def test_the_report_of_an_upload_that_is_tried_again_counts_each_article_once(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_SERVER_OPTIONS", "-c lock_timeout=100ms")
    monkeypatch.setattr("ingest.pipeline.BATCH_PASSAGES", 3)
    records: list[dict[str, str]] = [
        {"id": f"r{number}", "title": f"Rain {number}", "text": f"Rain {number} fell in Millford."}
        for number in range(10)
    ]
    corrected = {"id": "r0", "title": "Rain 0", "text": "Hail fell in Millford, not rain."}
    held = threading.Event()

    def hold() -> None:
        with other.transaction():
            held.set()
            time.sleep(0.5)

    body = json.dumps([*records[:4], corrected, records[2], {"title": "Empty"}, *records[4:]]).encode()

    class Blocked(WordEmbedder):
        """At the second batch another process holds the catalogue for longer than a write waits."""

        batches = 0

        def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
            self.batches += 1
            if self.batches == 2:
                threading.Thread(target=hold).start()
                assert held.wait(5)
            return super().embed_passages(texts)

    with closing(archive_at(url, tmp_path / "one")) as archive, closing(Catalog(tmp_path / "c", url=url)) as other:
        archive.claim(properties(WordEmbedder()))
        with closing(Jobs(archive, Blocked(), Settings())) as jobs:
            job = jobs.add_records(body)
            assert job.settled.wait(30)
            found = jobs.get(job.id)
        assert found is not None
        assert found.state == "done", found.error
        counted = {name: found.report[name] for name in ("read", "kept", "updated", "unchanged", "embedded")}
        assert counted == {"read": 13, "kept": 11, "updated": 1, "unchanged": 1, "embedded": 11}
        assert sum(found.report["rejected"].values()) == len(found.report["rejections"]) == 1
        assert len(archive.catalog.versions("r0")) == 2  # the first one, again, would be a third
        assert archive.catalog.coverage().articles == 10


# --- several processes -----------------------------------------------------------------------------

WRITER = """
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
import numpy as np
from rag.archive.catalog import Catalog, Prepared
from rag.schema import Article
url, name = sys.stdin.readline().split()
catalog = Catalog(Path("unused"), url=url)
for number in range(40):
    own = Article(id=f"{name}{number}", title="T", text=f"{name} {number}", outlet="O", published=datetime(2025, 3, 4))
    both = replace(own, id=f"both{number}", text=f"The same words {number}")
    batch = [Prepared(article=one, spans=((0, 5),), hashes=(one.id,)) for one in (own, both)]
    catalog.store(batch, {one.article.id: np.ones(2, dtype=np.float32) for one in batch})
catalog.close()
"""


def test_two_processes_write_at_once_and_nothing_is_lost_or_doubled(
    catalog: Catalog, child_environment: dict[str, str]
) -> None:
    processes = []
    for name in ("one", "two"):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER], stdin=subprocess.PIPE, env=child_environment, text=True
        )
        assert process.stdin is not None
        process.stdin.write(f"{catalog.url} {name}\n")
        process.stdin.close()
        processes.append(process)
    followed: list[int] = []  # as a follower reads: everything after what it has seen
    while any(process.poll() is None for process in processes):
        seen = followed[-1] if followed else 0
        followed += catalog.database.read(
            "SELECT seq FROM changes WHERE seq > ? ORDER BY seq", (seen,), lambda row: int(row[0])
        )
    assert [process.wait(60) for process in processes] == [0, 0]
    followed += catalog.database.read(
        "SELECT seq FROM changes WHERE seq > ? ORDER BY seq", (followed[-1],), lambda row: int(row[0])
    )
    every = catalog.database.read("SELECT seq FROM changes ORDER BY seq", (), lambda row: int(row[0]))
    assert followed == every  # a change committed after a later number would have been missed
    assert len(every) == 120
    assert catalog.coverage().articles == 120
    assert all(len(catalog.versions(f"both{number}")) == 1 for number in range(40))


def test_two_folders_share_a_catalogue_and_each_keeps_its_indexes(
    url: str, tmp_path: Path, articles: list[Article]
) -> None:
    with closing(archive_at(url, tmp_path / "one")) as one, closing(archive_at(url, tmp_path / "two")) as two:
        ingest(articles[:5], one, WordEmbedder())
        two.wait_until_indexed()
        with one.writing():  # two ingests at once
            ingest(articles[5:], two, WordEmbedder())
        remove(two, "a1")
        for archive in (one, two):
            archive.wait_until_threaded()
            assert archive.owns_indexes
            assert archive.changes_behind() == 0
            health = archive.health()
            assert (health.sound, health.passages) == (True, one.catalog.count_passages())
            words = archive.search_words("Bank of Corvane key rate", 5, ["en"], Filters())
            found = [one.catalog.passages([key])[key].article.id for key, _ in words]
            assert found[:2] == ["a10", "a9"] or found[:2] == ["a9", "a10"]
        assert one.catalog.near_duplicates(["a2"]) == {}  # its copy, a1, was removed by the other folder


def test_a_reindex_waits_for_ingests_of_other_folders_and_reaches_every_index(
    url: str, tmp_path: Path, articles: list[Article]
) -> None:
    with closing(archive_at(url, tmp_path / "one")) as one, closing(archive_at(url, tmp_path / "two")) as two:
        ingest(articles, one, WordEmbedder())
        two.wait_until_indexed()
        with (
            two.writing(),
            pytest.raises(ArchiveBusy, match="Another ingest is writing to postgresql://"),
            one.writing(alone=True),
        ):
            pass
        with one.reindexing("x"), pytest.raises(ArchiveBusy, match="Another dateline reindex"), two.reindexing("x"):
            pass
        report = reindex(one, WordEmbedder("other/words"))
        assert report.embedded > 0
        assert two.model == "other/words"
        two.wait_until_indexed()
        for archive in (one, two):
            assert archive.health().sound
            assert archive.indexer.vectors().keys() == set(one.catalog.passage_keys())


def test_doctor_finds_what_is_wrong_in_the_database(
    postgres: PostgresServer, url: str, tmp_path: Path, articles: list[Article]
) -> None:
    with closing(archive_at(url, tmp_path)) as archive:
        ingest(articles, archive, WordEmbedder())
        assert archive.health().sound
        postgres.run(
            "UPDATE versions SET text = 'Something else entirely.' WHERE article_id = 'a7'",
            "DELETE FROM vectors WHERE hash = (SELECT embedded FROM passages WHERE article_id = 'a9' LIMIT 1)",
            url=url,
        )
        problems = archive.health().catalogue
    assert "Version 1 of article 'a7' differs from what was stored." in problems
    assert "1 passages have no vector." in problems
    assert any("of article 'a7' lies outside its text" in problem for problem in problems)


def test_a_second_process_fills_the_keyword_index_of_its_folder(
    url: str, tmp_path: Path, articles: list[Article]
) -> None:
    with closing(archive_at(url, tmp_path / "one")) as one:
        ingest(articles, one, WordEmbedder())
        folder = tmp_path / "two"
        folder.mkdir()
        with second_process.filling(folder, lambda: None, url):
            pass
        assert TantivyWords(folder / keyword_index.NAME).keys() == set(one.catalog.passage_keys())
        assert one.catalog.followed(f"words@{place.of(folder)}") == one.catalog.last_change()


WITHOUT_DRIVER = """
import sys
sys.modules["psycopg"] = None  # as where it is not installed
from pathlib import Path
from rag.archive.catalog import Catalog
Catalog(Path(sys.argv[1])).close()
assert not [name for name in sys.modules if name.startswith("rag.archive.tables.postgres")]
Catalog(Path(sys.argv[1]), url="postgresql://reporter@db.example/news")
"""


def test_the_driver_is_loaded_for_postgresql_alone_and_its_absence_told(
    tmp_path: Path, child_environment: dict[str, str]
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_DRIVER, str(tmp_path / "catalogue.sqlite")],
        env=child_environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.stderr.splitlines()[-1] == (
        "rag.errors.SettingsError: DATELINE_CATALOG names a PostgreSQL database, but its driver is not installed. "
        "Run: pip install 'dateline[many]', or unset DATELINE_CATALOG to use the folder."
    )


def test_a_vector_that_another_process_has_removed_is_made_again(
    url: str, tmp_path: Path, articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(archive_at(url, tmp_path)) as archive, closing(Catalog(tmp_path / "c", url=url)) as other:
        ingest(articles[:1], archive, WordEmbedder())
        store = archive.catalog.store
        removed: list[bool] = []

        def after_a_removal(*arguments: Any) -> None:
            if not removed:
                removed.append(other.remove("a1"))
            store(*arguments)

        monkeypatch.setattr(archive.catalog, "store", after_a_removal)
        copy = replace(articles[0], id="copy", source="copy.html")
        report = ingest([copy], archive, WordEmbedder())
        assert removed == [True]
        assert (report.kept, report.embedded) == (1, archive.catalog.count_passages())
        assert archive.health().sound
