"""The queue in PostgreSQL and its workers: real processes, killed and stopped, against a plain ingest."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from conftest import ROOT, Served
from fakes import WordEmbedder
from postgres_server import PostgresServer

import app
from ingest.pipeline import IngestReport, ingest
from ingest.readers.files import ReadOptions, Rejected, read
from rag.archive.archive import Archive
from rag.archive.catalog import Catalog
from rag.assistant import Assistant
from rag.errors import ArchiveMismatch, CatalogueAway, DatelineError, SettingsError, StorageError
from rag.schema import Article
from rag.settings import Settings

pytest.importorskip("psycopg", reason="needs the extra 'many', which make test installs")
pytest.importorskip("procrastinate", reason="needs the extra 'many', which make test installs")

from ingest.queue import engine, worker
from ingest.queue.sending import PIECE_ARTICLES, send
from ingest.queue.tables import FORMAT, STOPPED_SECONDS, Queue
from ingest.queue.work import MOST_CRASHES, PieceWorker

# A worker as the command runs it, but for its embedder: of words, slow, and dead on the word "poison".
WORKER = """
import os, signal, sys, time
from fakes import WordEmbedder
from ingest.queue import engine, worker
from rag.archive.tables.postgres import PostgresDatabase
from rag.settings import Settings

class Embedder(WordEmbedder):
    def embed_passages(self, texts):
        if any("poison" in text for text in texts):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(os.environ["SECONDS"]) * len(texts))
        return super().embed_passages(texts)

engine.BEAT_SECONDS, engine.STALLED_SECONDS, engine.POLL_SECONDS, engine._CONNECT_SECONDS = 0.3, 2.0, 0.3, 0.5
PostgresDatabase.pauses, worker._PAUSES = (0.0, 0.1), (0.3,)
worker.run(Settings.load({"DATELINE_CATALOG": sys.argv[1]}, data_dir=sys.argv[2]), sys.argv[3], 1,
           lambda settings, archive: Embedder())
"""


class Workers:
    """Processes that work on one catalogue."""

    def __init__(self, url: str, folder: Path, environment: dict[str, str]) -> None:
        self._url, self._folder, self._environment = url, folder, environment
        self.running: list[subprocess.Popen[str]] = []
        self.logs: list[Path] = []

    def start(self, seconds: float = 0.0) -> subprocess.Popen[str]:
        """One more, which takes so many seconds for a passage."""
        name = f"worker{len(self.logs)}"
        self.logs.append(self._folder / f"{name}.log")
        with self.logs[-1].open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "-c", WORKER, self._url, str(self._folder / name), name],
                env=self._environment | {"SECONDS": str(seconds)}, stderr=out, text=True,
            )  # fmt: skip
        self.running.append(process)
        return process

    def events(self) -> list[dict[str, Any]]:
        """What all of them have logged."""
        return [json.loads(line) for log in self.logs for line in log.read_text().splitlines()]

    def end(self) -> None:
        for process in self.running:
            process.kill()
            process.wait(20)


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """The address of an empty catalogue."""
    return postgres.empty_catalogue()


@pytest.fixture
def archive(url: str, tmp_path: Path) -> Iterator[Archive]:
    with closing(archive_at(url, tmp_path / "sender")) as archive:
        yield archive


@pytest.fixture
def queue(archive: Archive) -> Queue:
    return Queue(archive.catalog)


@pytest.fixture
def workers(url: str, tmp_path: Path, child_environment: dict[str, str]) -> Iterator[Workers]:
    workers = Workers(url, tmp_path, child_environment)
    yield workers
    workers.end()


def archive_at(url: str, folder: Path) -> Archive:
    return Archive(Settings(data_dir=folder, llm="none", catalog=url))


def written(folder: Path, count: int) -> Path:
    """A folder of small articles: most as JSON lines, with corrections further on, some as pages, one damaged."""
    folder.mkdir()

    def record(number: int, text: str) -> str:
        fields = {"id": f"x{number}", "url": f"https://news.example/{number}", "title": f"Ferry {number} runs aground",
                  "text": text, "published": "2025-03-04", "outlet": "The Tide"}  # fmt: skip
        return json.dumps(fields) + "\n"

    first = [record(n, f"Ferry number {n} ran aground off Port Selwyn. Nobody was hurt.") for n in range(count)]
    again = [record(n, f"Ferry number {n} ran aground off Harrow Bay, not Port Selwyn.") for n in range(0, count, 10)]
    (folder / "articles.jsonl").write_text("".join(first + again))
    (folder / "damaged.json").write_text("{")
    (folder / "page.txt").write_text(
        "A lighthouse is painted\n\nThe lighthouse at Cape Orrin is painted by volunteers."
    )
    return folder


def items_of(folder: Path) -> Iterator[Article | Rejected]:
    return read([folder], ReadOptions())


def content(archive: Archive) -> list[list[tuple[Any, ...]]]:
    """All that an ingest stores, but for the moment and for numbers that the order gives."""
    queries = (
        "SELECT article_id, version, digest, source, status FROM versions ORDER BY article_id, version",
        'SELECT article_id, number, start, "end", embedded FROM passages ORDER BY article_id, number',
        "SELECT hash, vector FROM vectors ORDER BY hash",
    )
    return [archive.catalog.database.read(query, (), lambda row: tuple(map(_plain, row))) for query in queries]


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, (bytes, memoryview)) else value


def eventually(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def one_by_one(articles: Sequence[Article], queue: Queue) -> list[int]:
    """Queues the articles in one piece, whose number is returned in a list."""
    sent = queue.begin()
    queue.put(sent, [("lane 0", articles)], IngestReport())
    queue.end(sent, complete=True)
    return queue.database.read("SELECT id FROM dateline_queue_pieces ORDER BY id", (), lambda row: int(row[0]))


class Died(BaseException):
    """Ends what runs without a chance to put anything in order, as the end of a process does."""


class Mortal(WordEmbedder):
    """An embedder of which its worker dies at the second batch."""

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        if self.embedded:
            raise Died
        return super().embed_passages(texts)


# --- processes -------------------------------------------------------------------------------------


def test_workers_that_are_killed_store_what_a_plain_ingest_stores(
    queue: Queue, archive: Archive, workers: Workers, tmp_path: Path, postgres: PostgresServer
) -> None:
    folder = written(tmp_path / "news", 300)
    with closing(archive_at(postgres.empty_catalogue(), tmp_path / "plain")) as plain:
        expected = ingest(items_of(folder), plain, WordEmbedder())
        wanted = content(plain)
    sent = send(items_of(folder), queue)
    assert (sent.sent, queue.depth().articles) == (331, 331)
    for _ in range(2):
        workers.start(seconds=0.01)
    for turn in range(3):
        done = queue.depth().pieces_done
        eventually(lambda done=done: queue.depth().pieces_done > done + 4)  # type: ignore[misc]
        workers.running[turn].kill()
        workers.start(seconds=0.01)
    eventually(lambda: queue.depth().articles == 0)
    assert content(archive) == wanted
    found = queue.ingest(sent.id)
    assert found is not None
    assert (found.state, found.waiting) == ("done", 0)
    own, theirs = found.report.as_dict(), expected.as_dict()
    for name in ("read", "kept", "updated", "unchanged", "withdrawn", "rejected", "rejections", "passages"):
        assert own[name] == theirs[name], name
    assert own["kept"] == 331
    for table in ("dateline_queue_pieces", "procrastinate_jobs"):
        eventually(lambda table=table: queue.database.read(f"SELECT 1 FROM {table}", (), tuple) == [], 5)  # type: ignore[misc]


def test_a_worker_that_is_told_to_stop_does_so_in_good_order(
    queue: Queue, archive: Archive, workers: Workers, tmp_path: Path
) -> None:
    sent = send(items_of(written(tmp_path / "news", 100)), queue)
    first = workers.start(seconds=0.02)
    eventually(lambda: queue.depth().pieces_done > 3)
    first.terminate()
    assert first.wait(20) == 0
    assert 0 < queue.depth().articles < 111
    assert queue.database.read("SELECT 1 FROM dateline_queue_pieces WHERE held_by IS NOT NULL", (), tuple) == []
    assert queue.workers() == 0
    workers.start()
    eventually(lambda: queue.depth().articles == 0)
    found = queue.ingest(sent.id)
    assert found is not None
    assert (found.report.kept, found.report.unchanged) == (111, 0)
    events = workers.events()
    assert [event["event"] for event in events if event["event"] != "stored"] == ["started", "stopped", "started"]
    assert sum(event["kept"] for event in events if event["event"] == "stored") == 111


def test_an_article_that_kills_its_worker_is_rejected_and_the_others_are_stored(
    queue: Queue, archive: Archive, workers: Workers, articles: list[Article]
) -> None:
    poison = replace(articles[3], id="bad", url="https://n.example/bad", text=f"{articles[3].text} It was poison.")
    one_by_one([*articles[:5], poison, *articles[5:]], queue)
    deaths = 0
    while queue.depth().articles:
        process = workers.start()
        eventually(lambda process=process: process.poll() is not None or queue.depth().articles == 0)  # type: ignore[misc]
        deaths += process.poll() == -signal.SIGKILL
    assert deaths == MOST_CRASHES
    report = queue.ingests()[0].report
    assert (report.read, report.kept, dict(report.rejected)) == (11, 10, {"crashed": 1})
    assert report.rejections[0].message.startswith("/news/a4.html: 3 workers ended while they stored it")
    assert {article.id for article in archive.catalog.articles()} == {article.id for article in articles}


def test_a_worker_waits_while_postgresql_is_away_and_goes_on(
    queue: Queue, archive: Archive, workers: Workers, tmp_path: Path, postgres: PostgresServer
) -> None:
    sent = send(items_of(written(tmp_path / "news", 150)), queue)
    workers.start(seconds=0.02)
    eventually(lambda: queue.depth().pieces_done > 5)
    postgres.kill()
    eventually(lambda: any(event["event"] == "waiting" for event in workers.events()))
    postgres.start()
    eventually(lambda: queue.depth().articles == 0)
    found = queue.ingest(sent.id)
    assert found is not None
    assert (found.report.kept, found.report.updated, found.report.unchanged) == (166, 15, 0)
    assert archive.catalog.coverage().articles == 151
    assert workers.running[0].poll() is None


# --- one process -----------------------------------------------------------------------------------


def test_what_was_stored_before_a_death_is_neither_stored_nor_counted_again(
    queue: Queue, archive: Archive, articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.pipeline.BATCH_PASSAGES", 3)
    (piece,) = one_by_one(articles, queue)
    for stored in (3, 4):  # the first death tells that the articles are to be stored one by one
        with pytest.raises(Died):
            PieceWorker(archive, Mortal(), queue, "one").work(piece)
        assert archive.catalog.coverage().articles == stored
    PieceWorker(archive, WordEmbedder(), queue, "one").work(piece)
    report = queue.ingests()[0].report
    assert (report.read, report.kept, report.unchanged) == (len(articles), len(articles), 0)
    assert report.embedded == archive.catalog.count_passages()
    PieceWorker(archive, WordEmbedder(), queue, "one").work(piece)  # a job that comes twice finds nothing to do
    assert queue.depth().pieces_done == 1


def test_a_worker_that_stops_in_the_middle_of_a_piece_gives_back_the_rest(
    queue: Queue, archive: Archive, articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.pipeline.BATCH_PASSAGES", 3)
    (piece,) = one_by_one(articles, queue)

    class Stopping(WordEmbedder):
        def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
            working.stop()
            return super().embed_passages(texts)

    working = PieceWorker(archive, Stopping(), queue, "one")
    with pytest.raises(engine.GivenBack):
        working.work(piece)
    left = queue.database.read(
        "SELECT held_by, crashes, report FROM dateline_queue_pieces", (), lambda row: (*tuple(row)[:2], row["report"])
    )
    assert [(held, crashes, json.loads(report)["read"]) for held, crashes, report in left] == [(None, 0, 3)]
    assert queue.ingests()[0].waiting == len(articles) - 3


def test_a_worker_that_was_taken_for_dead_stores_nothing_any_more(
    queue: Queue, archive: Archive, articles: list[Article]
) -> None:
    (piece,) = one_by_one(articles, queue)

    class Slow(WordEmbedder):
        def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
            if not self.embedded:
                assert queue.take(piece, "another", ()) is not None
            return super().embed_passages(texts)

    PieceWorker(archive, Slow(), queue, "one").work(piece)
    assert archive.catalog.coverage().articles == 0
    assert queue.depth().articles == len(articles)


def test_a_batch_that_fails_is_stored_and_noted_by_its_holder_alone(
    queue: Queue, archive: Archive, articles: list[Article]
) -> None:
    (piece,) = one_by_one(articles, queue)

    class Failing(WordEmbedder):
        taken = False

        def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
            if not self.taken:  # the whole batch; then its articles come one by one
                self.taken = True
                assert queue.take(piece, "another", ()) is not None
                raise ValueError("a batch")
            return super().embed_passages(texts)

    PieceWorker(archive, Failing(), queue, "one").work(piece)
    assert archive.catalog.coverage().articles == 0
    assert queue.depth().articles == len(articles)


def test_a_model_that_is_away_or_a_database_that_is_away_counts_as_no_death(
    queue: Queue, archive: Archive, articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fakes import BrokenEmbedder

    (piece,) = one_by_one(articles, queue)
    worker_of = PieceWorker(archive, BrokenEmbedder(), queue, "one")

    def away(*_: object) -> None:
        raise StorageError("away")

    for _ in range(5):
        with pytest.raises(DatelineError, match="fell over"):
            worker_of.work(piece)
        with monkeypatch.context() as patched:
            patched.setattr(queue, "give_back", away)
            with pytest.raises(DatelineError, match="fell over"):
                worker_of.work(piece)
    assert queue.database.read("SELECT crashes FROM dateline_queue_pieces", (), lambda row: row[0]) == [0]


@pytest.mark.parametrize("failing", ["give_back", "take"])
def test_what_was_left_when_the_database_went_away_is_given_back_when_it_is_there_again(
    queue: Queue, archive: Archive, articles: list[Article], monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    from fakes import BrokenEmbedder

    (piece,) = one_by_one(articles, queue)
    working, real = PieceWorker(archive, BrokenEmbedder(), queue, "one"), queue.take
    asked: list[int] = []

    def away(*_: object) -> None:
        raise StorageError("away")

    def taken_unheard(number: int, holder: str, ended_well: Sequence[str]) -> None:
        real(number, holder, ended_well)
        away()

    async def run(*given: Any) -> None:
        asked.extend(queue.database.read("SELECT held_by IS NULL FROM dateline_queue_pieces", (), lambda row: row[0]))
        if len(asked) == 2:
            given[-1].set()  # stop
            return
        with monkeypatch.context() as patched:
            patched.setattr(queue, "give_back", away)
            if failing == "take":
                patched.setattr(queue, "take", taken_unheard)
            with pytest.raises(StorageError if failing == "take" else DatelineError):
                working.work(piece)
        away()

    monkeypatch.setattr(engine, "run", run)
    monkeypatch.setattr(worker, "_PAUSES", (0.0,))
    asyncio.run(worker._work(working, queue, "one", 1))
    assert asked == [True, True]
    another = queue.take(piece, "another worker", ())
    assert another is not None
    assert another.crashes == 0


def test_another_embedder_than_the_archives_ends_the_worker_and_keeps_the_piece(
    url: str, queue: Queue, archive: Archive, articles: list[Article], tmp_path: Path
) -> None:
    (piece,) = one_by_one(articles, queue)
    archive.claim({"embedder": "other/words"})
    with pytest.raises(ArchiveMismatch, match="built with embedder 'other/words'"):
        worker.run(
            Settings(data_dir=tmp_path / "w", catalog=url), "one", 1, lambda settings, archive: WordEmbedder()
        )  # fmt: skip
    working = PieceWorker(archive, WordEmbedder(), queue, "one")
    with pytest.raises(ArchiveMismatch):
        working.work(piece)
    assert isinstance(working.fatal, ArchiveMismatch)
    assert queue.depth().articles == len(articles)


def test_a_piece_that_no_job_will_do_gets_another_job(queue: Queue, articles: list[Article]) -> None:
    one_by_one(articles, queue)
    jobs = "SELECT id FROM procrastinate_jobs WHERE status = 'todo'"
    before = queue.database.read(jobs, (), tuple)
    engine._requeue_orphans(queue.database)
    assert queue.database.read(jobs, (), tuple) == before
    with queue.database.transaction() as db:
        db.execute("DELETE FROM procrastinate_jobs")
    engine._requeue_orphans(queue.database)
    (after,) = queue.database.read("SELECT job FROM dateline_queue_pieces", (), tuple)
    assert queue.database.read(jobs, (), tuple) == [after]


def test_pieces_are_bounded_and_an_interrupted_sender_leaves_what_it_has_read(
    queue: Queue, articles: list[Article]
) -> None:
    def items() -> Iterator[Article]:
        for _ in range(PIECE_ARTICLES + 10):
            yield articles[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send(items(), queue)
    sizes = queue.database.read("SELECT articles FROM dateline_queue_pieces ORDER BY id", (), lambda row: row[0])
    assert sizes == [PIECE_ARTICLES, 10]
    (found,) = queue.ingests()
    assert (found.state, found.waiting) == ("interrupted", PIECE_ARTICLES + 10)


def test_a_sender_that_cannot_send_the_rest_is_noted_as_interrupted(
    queue: Queue, articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise StorageError("too large")

    monkeypatch.setattr(queue, "put", refused)
    with pytest.raises(StorageError, match="too large"):
        send(articles, queue)
    assert [one.state for one in queue.ingests()] == ["interrupted"]


def silent(queue: Queue, seconds: float = STOPPED_SECONDS + 1) -> None:
    """Makes it so long ago that anything was heard of senders."""
    with queue.database.transaction() as db:
        db.execute(
            "UPDATE dateline_queue_ingests SET heard_at = heard_at - CAST(? AS int) * interval '1 second'",
            (int(seconds),),
        )


SENDER = """
import sys
from ingest.queue.sending import send
from ingest.queue.tables import Queue
from rag.archive.archive import Archive
from rag.schema import Article
from rag.settings import Settings

def items():
    for number in range(200):
        yield Article(id="one", title="", text=f"Rain {number} fell.", language="en")
    print("read", flush=True)
    sys.stdin.read()

send(items(), Queue(Archive(Settings.load({"DATELINE_CATALOG": sys.argv[1]}, data_dir=sys.argv[2])).catalog))
"""


def test_a_killed_sender_is_told_as_stopped_and_what_it_has_put_is_finished(
    url: str, queue: Queue, archive: Archive, tmp_path: Path, child_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    command = [sys.executable, "-c", SENDER, url, str(tmp_path / "killed")]
    with subprocess.Popen(command, env=child_environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sender:
        assert sender.stdout is not None
        assert sender.stdout.readline() == b"read\n"
        sender.kill()
    assert [one.state for one in queue.ingests()] == ["sending"]  # it may be reading
    silent(queue)
    (found,) = queue.ingests()
    assert (found.state, found.waiting) == ("stopped", 200)
    for piece in queue.database.read("SELECT id FROM dateline_queue_pieces ORDER BY id", (), lambda row: int(row[0])):
        PieceWorker(archive, WordEmbedder(), queue, "one").work(piece)
    (found,) = queue.ingests()
    assert (found.state, found.waiting, found.report.read) == ("stopped", 0, 200)
    monkeypatch.setenv("DATELINE_CATALOG", url)
    assert app.main(["jobs", "--data-dir", str(tmp_path / "sender")]) == 0
    printed = capsys.readouterr()
    assert "  stopped " in printed.out
    assert f"the ingest {found.id} ended before all was queued. Run the same dateline ingest --queue" in printed.err
    with queue.database.transaction() as db:
        db.execute("UPDATE dateline_queue_ingests SET queued_at = '2025-01-01T00:00:00+00:00'")
    queue.begin()
    assert [one.state for one in queue.ingests()] == ["sending"]  # the report of the other is no longer kept


def test_a_sender_that_reads_for_long_is_not_taken_for_stopped(
    queue: Queue, articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.queue.sending.BEAT_SECONDS", 0.05)
    seen: list[str] = []

    def away(*_: object) -> None:
        raise CatalogueAway("away")

    def items() -> Iterator[Article]:
        yield articles[0]
        silent(queue)
        seen.extend(one.state for one in queue.ingests())
        time.sleep(0.1)
        yield articles[1]
        seen.extend(one.state for one in queue.ingests())
        with monkeypatch.context() as patched:
            patched.setattr(queue, "beat", away)
            time.sleep(0.1)
            yield articles[2]

    assert send(items(), queue).sent == 3
    assert seen == ["stopped", "sending"]
    assert [(one.state, one.waiting) for one in queue.ingests()] == [("waiting", 3)]


# --- the tables ------------------------------------------------------------------------------------


def test_two_catalogues_of_one_database_have_a_queue_each(
    postgres: PostgresServer, queue: Queue, tmp_path: Path, articles: list[Article]
) -> None:
    with closing(archive_at(postgres.empty_catalogue(), tmp_path / "other")) as archive:
        other = Queue(archive.catalog)
        send(articles, queue)
        assert (queue.depth().articles, other.depth().articles) == (len(articles), 0)
        assert other.ingests() == []


def test_many_who_make_the_queue_at_once_make_one(url: str, tmp_path: Path) -> None:
    with closing(Catalog(tmp_path / "c", url=url)) as one, closing(Catalog(tmp_path / "c", url=url)) as two:
        made: list[Queue] = []
        threads = [threading.Thread(target=lambda c=c: made.append(Queue(c))) for c in (one, two)]  # type: ignore[misc]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 2
        assert one.database.read("SELECT count(*) FROM dateline_queue_state", (), lambda row: row[0]) == [1]


def test_a_database_with_nothing_but_a_queue_is_an_empty_catalogue(
    postgres: PostgresServer, url: str, queue: Queue, archive: Archive, tmp_path: Path
) -> None:
    own = "meta articles versions passages vectors changes followed".split()
    derived = "signature_marks near_duplicates story_profiles story_links story_pending story_articles stories".split()
    postgres.run(*(f"DROP TABLE {name}" for name in own + derived), url=url)
    with closing(Catalog(tmp_path / "c", url=url)) as catalog:
        assert catalog.coverage().articles == 0
        assert Queue(catalog).depth().articles == 0


def test_the_procrastinate_of_another_program_is_refused(postgres: PostgresServer, url: str, archive: Archive) -> None:
    postgres.run("CREATE TABLE procrastinate_jobs (id bigint)", url=url)
    with pytest.raises(StorageError, match="belong to another program. Name a database or a schema of its own"):
        Queue(archive.catalog)


def test_an_older_queue_is_brought_up_to_date_when_nobody_works_on_it(
    postgres: PostgresServer, url: str, archive: Archive, articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    older = engine.migrations()[:-2]
    with monkeypatch.context() as patched:  # as procrastinate 3.3 made it
        patched.setattr(engine, "create", lambda connection: engine.migrate(connection, ""))
        patched.setattr(engine, "migrations", lambda: older)
        Queue(archive.catalog)
    postgres.run("INSERT INTO procrastinate_workers DEFAULT VALUES", url=url)
    with pytest.raises(ArchiveMismatch, match=r"is of an older version .* are running on it. Stop them, wait 30 s"):
        Queue(archive.catalog)
    postgres.run("DELETE FROM procrastinate_workers", url=url)
    queue = Queue(archive.catalog)
    one_by_one(articles, queue)
    engine_of = queue.database.read("SELECT engine FROM dateline_queue_state", (), lambda row: row[0])
    assert engine_of == [engine.schema_version()]
    assert queue.depth().articles == len(articles)


def test_a_queue_of_format_1_is_brought_up_to_date(
    postgres: PostgresServer, url: str, queue: Queue, archive: Archive, articles: list[Article]
) -> None:
    first, second = queue.begin(), queue.begin()
    queue.put(first, [("lane 0", articles)], IngestReport())
    postgres.run(
        "ALTER TABLE dateline_queue_ingests DROP COLUMN heard_at",
        "UPDATE dateline_queue_state SET format = 1",
        f"UPDATE dateline_queue_ingests SET queued_at = '2025-01-01T00:00:00+00:00' WHERE id = '{first}'",
        url=url,
    )
    again = Queue(archive.catalog)
    states = {one.id: (one.state, one.waiting) for one in again.ingests()}
    assert states == {first: ("stopped", len(articles)), second: ("sending", 0)}
    again.put(first, [("lane 0", articles)], IngestReport())  # its sender lives
    assert [one.state for one in again.ingests()] == ["sending", "sending"]


@pytest.mark.parametrize("newer", [f"format = {FORMAT + 1}", "engine = '99.00.00_01_pre'"])
def test_a_newer_queue_is_refused(
    postgres: PostgresServer, url: str, queue: Queue, archive: Archive, newer: str
) -> None:
    postgres.run(f"UPDATE dateline_queue_state SET {newer}", url=url)
    with pytest.raises(ArchiveMismatch, match="is of a newer version .*pip install -U"):
        Queue(archive.catalog)


# --- the commands ----------------------------------------------------------------------------------


def test_the_commands_queue_list_and_report(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATELINE_CATALOG", url)
    monkeypatch.setenv("DATELINE_DATA_DIR", str(tmp_path / "data"))
    assert app.main(["jobs"]) == 1
    assert "nothing was queued" in capsys.readouterr().err
    folder = written(tmp_path / "news", 10)
    assert app.main(["ingest", "--queue", str(folder)]) == 0
    printed = capsys.readouterr()
    assert "12 articles wait, 1 files or records were rejected." in printed.out
    assert "no worker is running. Start one, on any machine, with: dateline worker" in printed.err
    assert app.main(["jobs", "--json"]) == 0
    (job,) = json.loads(capsys.readouterr().out)["jobs"]
    assert (job["state"], job["waiting"], job["report"]["rejected"]) == ("waiting", 12, {"malformed": 1})
    with closing(archive_at(url, tmp_path / "data")) as archive:
        queue = Queue(archive.catalog)
        for number in queue.database.read("SELECT id FROM dateline_queue_pieces ORDER BY id", (), lambda row: row[0]):
            PieceWorker(archive, WordEmbedder(), queue, "one").work(number)
    assert app.main(["jobs", job["id"]]) == 0
    printed = capsys.readouterr()
    assert "13 read: 12 kept (1 new version), 0 unchanged, 1 rejected (1 malformed)" in printed.out
    assert "damaged.json: it is not valid JSON" in printed.err
    assert app.main(["jobs", "nothing"]) == 1
    assert "there is no job 'nothing'" in capsys.readouterr().err


def test_a_queue_needs_postgresql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATELINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("DATELINE_CATALOG", raising=False)
    for command in (["jobs"], ["ingest", "--queue", str(tmp_path)]):
        assert app.main(command) == SettingsError.exit_code
        assert "Workers and their queue need a catalogue in PostgreSQL" in capsys.readouterr().err
    assert app.main(["ingest", "--wait", str(tmp_path)]) == SettingsError.exit_code
    assert app.main(["worker", "--concurrency", "0"]) == SettingsError.exit_code


WITHOUT_PROCRASTINATE = """
import sys
sys.modules["procrastinate"] = None  # as where it is not installed
import app
assert "ingest.queue.engine" not in sys.modules
app.main(["worker"])
"""


def test_procrastinate_is_loaded_for_the_queue_alone_and_its_absence_told(
    tmp_path: Path, child_environment: dict[str, str]
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_PROCRASTINATE], cwd=ROOT, env=child_environment | {"HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.stderr == "dateline: The queue needs the package procrastinate. Run: pip install 'dateline[many]'.\n"


def test_deaths_behind_the_last_article_of_a_piece_reject_none(
    queue: Queue, archive: Archive, articles: list[Article]
) -> None:
    (piece,) = one_by_one(articles[:2], queue)

    def dies(*_: object) -> None:
        raise Died

    for _ in range(MOST_CRASHES + 1):
        working = PieceWorker(archive, WordEmbedder(), Queue(archive.catalog), "one")
        working._queue.finish = dies  # type: ignore[method-assign]
        with pytest.raises(Died):
            working.work(piece)
    PieceWorker(archive, WordEmbedder(), queue, "one").work(piece)
    report = queue.ingests()[0].report
    assert (report.read, report.kept, dict(report.rejected)) == (2, 2, {})


def test_a_server_shows_the_queue_in_its_metrics(
    queue: Queue, archive: Archive, articles: list[Article], serve: Served
) -> None:
    settings = Settings(data_dir=archive.folder, llm="none")
    address = serve(Assistant(archive, WordEmbedder(), None, settings))
    assert "dateline_queue_articles 0.0" in httpx.get(f"{address}/metrics").text
    first, *_ = one_by_one(articles, queue)
    assert f"dateline_queue_articles {len(articles)}.0" in httpx.get(f"{address}/metrics").text
    PieceWorker(archive, WordEmbedder(), queue, "one").work(first)
    told = httpx.get(f"{address}/metrics").text
    assert "dateline_queue_articles 0.0" in told
    assert "dateline_queue_pieces_done 1.0" in told
