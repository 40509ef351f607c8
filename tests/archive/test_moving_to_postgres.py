"""Moving house between a folder and PostgreSQL: there and back the archive is the same, also where it was killed."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fakes import WordEmbedder
from postgres_server import PostgresServer

from app import main
from ingest.pipeline import ingest, remove
from rag.archive.archive import Archive
from rag.archive.catalog import Prepared
from rag.archive.indexes.keyword_index import TantivyWords
from rag.archive.moving.contents import CONTENTS
from rag.archive.moving.exporting import export
from rag.archive.moving.importing import import_into
from rag.archive.moving.manifest import Part
from rag.archive.moving.manifest import read as read_manifest
from rag.archive.moving.move import move
from rag.archive.near_duplicates import NearDuplicateFollower
from rag.archive.priority import Priority
from rag.archive.tables.changes import VECTORS_IN
from rag.assistant import Assistant
from rag.errors import ArchiveBusy, ArchiveMismatch, ArchiveMissing, SettingsError, StorageError, without_location
from rag.schema import Article
from rag.settings import Settings

pytest.importorskip("psycopg", reason="needs the extra 'many', which make test installs")

SMALL = 1500  # bytes of a part, so that the few articles make many
QUESTIONS = ("When did the ferry run aground off Port Selwyn?", "¿Cuánto cuesta el muelle de Almenara?", "捷運新線")


def opened(folder: Path, url: str = "") -> Archive:
    return Archive(Settings(data_dir=folder, llm="none", catalog=url))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, articles: list[Article]) -> Iterator[Archive]:
    """A folder with versions, a withdrawal, a removal, near-duplicates, a story, undated and foreign articles."""
    with closing(opened(tmp_path_factory.mktemp("source") / "archive")) as archive:
        ingest(articles, archive, WordEmbedder())
        ingest([replace(articles[0], text=articles[0].text + " Nobody knows why.")], archive, WordEmbedder())
        ingest([replace(articles[6], status="withdrawn")], archive, WordEmbedder())
        remove(archive, "a10")
        archive.rebuild()  # tantivy weighs words by removed passages too, until it merges its segments
        archive.wait_until_threaded()
        yield archive


@pytest.fixture(scope="module")
def exported(source: Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of it in many parts."""
    folder = tmp_path_factory.mktemp("export") / "export"
    export(source, folder, part_bytes=SMALL)
    return folder


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """The address of an empty catalogue."""
    return postgres.empty_catalogue()


def tables(archive: Archive) -> dict[str, list[tuple[Any, ...]]]:
    """The whole content of the catalogue, table by table, without the columns that one engine alone has."""
    columns = {content.table: ", ".join(f'"{name}"' for name in content.columns) for content in CONTENTS}
    columns["articles"] = "id, version, status, day, outlet, outlet_key, language, byline_key, title"
    where = {content.table: content.only for content in CONTENTS if content.only[0]}
    found = {}
    for name, listed in columns.items():
        condition, values = where.get(name, ("TRUE", ()))
        sql = f"SELECT {listed} FROM {name} WHERE {condition}"
        found[name] = sorted(archive.catalog.database.read(sql, values, tuple), key=repr)
    return found


def answers(archive: Archive) -> list[tuple[str, list[tuple[str, int, int]]]]:
    """What an assistant over the archive says, and where it has it from."""
    assistant = Assistant(archive, WordEmbedder(), None, Settings(data_dir=archive.folder, llm="none"))
    told = [assistant.ask(question) for question in QUESTIONS]
    return [(one.text, [(c.passage.article.id, c.start, c.end) for c in one.citations]) for one in told]


# --- export and import ------------------------------------------------------------------------------


def test_an_archive_goes_to_postgresql_and_back_and_is_the_same(
    source: Archive, exported: Path, url: str, tmp_path: Path
) -> None:
    with closing(opened(tmp_path / "there", url)) as there:
        import_into(there, exported)
        assert tables(there) == tables(source)
        assert answers(there) == answers(source)
        assert any(cited for _, cited in answers(there))
        for text in ("ferry", "benítez", "a9"):
            listed = [[one.id for one in archive.catalog.articles(text=text)] for archive in (there, source)]
            assert listed[0] == listed[1] != []
        assert there.health().sound
        export(there, tmp_path / "again", part_bytes=SMALL)
    assert read_manifest(tmp_path / "again")[0].parts == read_manifest(exported)[0].parts
    with closing(opened(tmp_path / "back")) as back:
        import_into(back, tmp_path / "again")
        assert tables(back) == tables(source)
        assert answers(back) == answers(source)


def test_what_is_ingested_after_an_import_is_found_everywhere(
    source: Archive, exported: Path, url: str, tmp_path: Path
) -> None:
    with closing(opened(tmp_path / "one", url)) as one, closing(opened(tmp_path / "other", url)) as other:
        import_into(one, exported)
        before, last = set(one.catalog.passage_keys()), one.catalog.last_change()
        snow = Article(id="b1", title="Snow", text="It snowed.", language="en")
        assert ingest([snow], other, WordEmbedder()).kept == 1
        (key,) = set(one.catalog.passage_keys()) - before
        assert key > max(before)
        assert one.catalog.last_change() == last + 1
        for archive in (one, other):
            assert archive.health().sound
        assert tables(source)["versions"] == [row for row in tables(one)["versions"] if row[0] != "b1"]


def test_an_empty_export_leaves_an_archive_that_counts_from_one(
    url: str, tmp_path: Path, articles: list[Article]
) -> None:
    with closing(opened(tmp_path / "source")) as emptied:
        ingest(articles[:1], emptied, WordEmbedder())
        remove(emptied, "a1")
        export(emptied, tmp_path / "export")
    with closing(opened(tmp_path / "there", url)) as there:
        import_into(there, tmp_path / "export", indexed=False)
        assert ingest(articles[:2], there, WordEmbedder()).kept == 2
        assert there.catalog.passage_keys()[0] == 1


def test_the_same_import_again_changes_nothing(exported: Path, url: str, tmp_path: Path, archive: Archive) -> None:
    with closing(opened(tmp_path / "there", url)) as there:
        assert import_into(there, exported, indexed=False).parts > 20
    with closing(opened(tmp_path / "there", url)) as there:
        before = tables(there)
        assert import_into(there, exported, indexed=False).parts == 0
        assert tables(there) == before
    export(archive, tmp_path / "other")
    with (
        closing(opened(tmp_path / "there", url)) as there,
        pytest.raises(ArchiveMismatch, match="holds other articles than the export.*database with DATELINE_CATALOG"),
    ):
        import_into(there, tmp_path / "other")


def test_a_nul_that_a_folder_holds_becomes_a_question_mark(url: str, tmp_path: Path, articles: list[Article]) -> None:
    with closing(opened(tmp_path / "source")) as old:  # as an earlier program stored it
        ingest(articles[:3], old, WordEmbedder())
        text = "It rained\0 in Harrow Bay."
        rain = Article(id="rain", title="Rain", text=text, language="en", source="/rain.txt")
        vectors = {"of rain": WordEmbedder().embed_passages([text])[0]}
        old.catalog.store([Prepared(article=rain, spans=((0, len(text)),), hashes=("of rain",))], vectors)
        export(old, tmp_path / "export")
    with closing(opened(tmp_path / "there", url)) as there:
        assert import_into(there, tmp_path / "export").parts > 0
        found = there.catalog.article("rain")
        assert found is not None
        assert found.text == text.replace("\0", "?")
        assert there.health().sound
        report = ingest([rain], there, WordEmbedder())
        assert (report.unchanged, report.embedded) == (1, 0)
    with closing(opened(tmp_path / "there", url)) as there:
        there.catalog.remove("rain")
        there.catalog.store(
            [Prepared(article=replace(rain, text="It rained? in Harrow Bay!"), spans=(), hashes=())], {}
        )
        with pytest.raises(ArchiveMismatch, match="holds other articles"):
            import_into(there, tmp_path / "export")


def test_a_process_beside_an_import_does_not_spoil_it(
    source: Archive, exported: Path, url: str, tmp_path: Path
) -> None:
    """One that is awake on the empty database looks for near-duplicates, of which half are there."""
    with closing(opened(tmp_path / "one", url)) as one, closing(opened(tmp_path / "other", url)) as other:
        follower = NearDuplicateFollower(other.catalog, Priority())

        def beside(part: Part) -> None:
            if part.content in ("near_duplicates", "followed"):
                follower.bring_up()
            with pytest.raises(ArchiveMismatch, match="is unfinished. Run the same dateline import again"):
                Assistant(other, WordEmbedder(), None, Settings(data_dir=other.folder, llm="none"))

        import_into(one, exported, progress=beside)
        assert tables(one) == tables(source)
        other.wait_until_threaded()
        assert answers(other) == answers(source)


def test_a_server_follows_no_half_of_a_move_that_begins_anew(
    source: Archive, exported: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(opened(tmp_path / "later")) as later:
        new = replace(source.catalog.articles()[0], id="new", text="Hail fell in Millford, and broke the windows.")
        ingest([new], later, WordEmbedder())
        export(later, tmp_path / "second")  # whose change has a number that the first export has, too
    filling, go_on = threading.Event(), threading.Event()
    put = TantivyWords.put

    def slow(self: TantivyWords, *given: Any, **more: Any) -> None:
        filling.set()
        go_on.wait(20)
        put(self, *given, **more)

    def dies(part: Part) -> None:
        if part.content == "changes":
            raise KeyboardInterrupt

    with closing(opened(tmp_path / "one", url)) as one, closing(opened(tmp_path / "other", url)) as other:
        other.wait_until_indexed()  # a server on the database that is empty
        monkeypatch.setattr(TantivyWords, "put", slow)
        with pytest.raises(KeyboardInterrupt):
            import_into(one, exported, progress=dies, command="dateline move", indexed=False)
        assert not filling.wait(1)
        with pytest.raises(ArchiveMismatch, match="Run it again, which goes on with it: dateline move"):
            other.wait_until_indexed()
        import_into(one, tmp_path / "second", command="dateline move", indexed=False)
        began = time.monotonic()
        go_on.set()
        assert filling.wait(3)  # by itself, and soon
        assert other.health().sound
        assert time.monotonic() - began < 10


# --- killed -------------------------------------------------------------------------------------------

_IMPORT = """
import sys
import time
from pathlib import Path
from rag.archive.archive import Archive
from rag.archive.moving.importing import import_into
from rag.settings import Settings
archive = Archive(Settings(data_dir=Path(sys.argv[1]), llm="none", catalog=sys.argv[3]))
def told(part):
    print(part.name, flush=True)
    time.sleep(0.03)  # so that a kill comes before the next parts
import_into(archive, Path(sys.argv[2]), progress=told)
archive.close()
"""


def killed_after(parts: int, pause: float, command: list[str], environment: dict[str, str]) -> list[str]:
    """Kills a process a moment after it has done so many parts; the names of those it did until then."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    with process:
        assert process.stdout is not None
        done = [process.stdout.readline().strip() for _ in range(parts)]
        time.sleep(pause)
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        return [name for name in [*done, *process.stdout.read().splitlines()] if name]


def test_an_import_that_was_killed_goes_on(
    source: Archive, exported: Path, url: str, tmp_path: Path, child_environment: dict[str, str], python: str
) -> None:
    chance = random.Random(14)
    command = [python, "-c", _IMPORT, str(tmp_path / "new"), str(exported), url]
    parts = len(read_manifest(exported)[0].parts)
    done: set[str] = set()
    for _ in range(2):
        done |= set(killed_after(chance.randint(1, parts // 4), chance.uniform(0, 0.06), command, child_environment))
        assert len(done) < parts
    with closing(opened(tmp_path / "other", url)) as half, pytest.raises(ArchiveMismatch, match="is unfinished. Run"):
        half.claim({"embedder": "fake/words"})
    ran = subprocess.run(command, env=child_environment, check=True, capture_output=True, text=True)
    assert 0 < len(ran.stdout.split()) <= parts - len(done)
    with closing(opened(tmp_path / "new", url)) as new:
        assert tables(new) == tables(source)
        assert new.health().sound


# --- dateline move --------------------------------------------------------------------------------------


@pytest.fixture
def house(source: Archive, tmp_path: Path) -> Path:
    """A folder with the archive that nobody has open, to be moved."""
    export(source, tmp_path / "to-fill-it")
    with closing(opened(tmp_path / "house")) as archive:
        import_into(archive, tmp_path / "to-fill-it")
    return tmp_path / "house"


def test_an_archive_is_moved_to_postgresql_and_back_by_command(
    source: Archive,
    house: Path,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = {path.name for path in house.iterdir()}
    assert main(["move", "--data-dir", str(house), "--to", url]) == 0
    told = capsys.readouterr().out
    assert "holds 9 articles (11 versions)" in told
    assert "Verified: SHA-256 of each part; number and digest of the rows of each table" in told
    assert "with the address of --to in DATELINE_CATALOG." in told
    assert {path.name for path in house.iterdir()} == files
    with closing(opened(house)) as left, closing(opened(tmp_path / "there", url)) as there:
        assert tables(there) == tables(left) == tables(source)
        assert there.health().sound
        assert answers(there) == answers(source)

    assert main(["move", "--data-dir", str(house), "--to", url, "--json"]) == 0  # again: nothing is to be done
    assert json.loads(capsys.readouterr().out)["parts"] == 0

    monkeypatch.setenv("DATELINE_CATALOG", url)
    assert main(["move", "--data-dir", str(tmp_path / "there"), "--to", str(tmp_path / "back")]) == 0
    assert f"Use it from now on with --data-dir {tmp_path / 'back'}." in capsys.readouterr().out
    assert main(["doctor", "--data-dir", str(house)]) == 0  # the folder of old, whose indexes are made anew
    monkeypatch.delenv("DATELINE_CATALOG")
    assert main(["doctor", "--data-dir", str(house)]) == 0
    assert main(["doctor", "--data-dir", str(tmp_path / "back")]) == 0
    with closing(opened(tmp_path / "back")) as back:
        assert tables(back) == tables(source)
        assert answers(back) == answers(source)


class Interrupted(Exception):
    """In the middle of a move."""


def interrupted(house: Path, url: str, content: str) -> None:
    """Begins a move that ends when the first part of a kind is stored."""
    seen: list[str] = []

    def stop(part: Part) -> None:
        seen.append(part.content)
        if seen.count(content) == 2:  # exported, then imported
            raise Interrupted

    with pytest.raises(Interrupted):
        move(Settings(data_dir=house, llm="none"), url, progress=stop)


def test_a_move_that_was_interrupted_is_told_with_its_command_and_goes_on(
    source: Archive,
    house: Path,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    interrupted(house, url, "versions")
    with monkeypatch.context() as environment:
        environment.setenv("DATELINE_CATALOG", url)
        for command in (["doctor"], ["ask", "When?", "--llm", "none"]):
            assert main([*command, "--data-dir", str(tmp_path / "there")]) == 2
            told = capsys.readouterr().err
            assert f"Run it again, which goes on with it: dateline move --data-dir {house} --to 'postgresql://" in told
    with closing(opened(tmp_path / "there", url)) as there, pytest.raises(ArchiveMismatch) as refused:
        there.check_whole()
    shown = without_location(refused.value, there.folder)
    assert shown.endswith("Run it again, which goes on with it.")
    assert str(house) not in shown
    assert main(["doctor", "--data-dir", str(house)]) == 0
    told = capsys.readouterr().out
    assert f"This goes on with it: dateline move --data-dir {house} --to '" in told
    (shown,) = re.findall(r"--to '(\S+)'\n", told)
    assert shown.startswith("postgresql://USER:PASSWORD@/")
    assert parse_qs(urlsplit(shown).query) == parse_qs(urlsplit(url).query)  # or else it would go to another archive
    assert "The archive is sound." in told
    assert main(["move", "--data-dir", str(house), "--to", url, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert 0 < report["parts"] < report["of_parts"]
    with closing(opened(tmp_path / "there", url)) as there:
        assert tables(there) == tables(source)


def test_the_address_of_a_database_names_one_archive_without_its_secrets() -> None:
    from rag.archive.tables.postgres import PostgresDatabase

    secrets = "password=p1&sslpassword=p2&passfile=/p3"
    address = "postgresql://ann:p4@db.example:5432/news?"
    for options in ("sslmode=require&options=-c%20search_path%3Done", "options=-csearch_path%3Dother"):
        found = PostgresDatabase(f"{address}{options}&{secrets}").address
        shown = parse_qs(urlsplit(found).query)
        assert found.startswith("postgresql://db.example:5432/news?")
        assert shown == parse_qs(options)
    assert PostgresDatabase(f"{address}{secrets}").address == "postgresql://db.example:5432/news"


def test_archives_in_schemas_of_one_database_move_through_folders_of_their_own(
    exported: Path, postgres: PostgresServer, tmp_path: Path
) -> None:
    through = tmp_path / "through"
    for name in ("one", "other"):
        settings = Settings(data_dir=tmp_path / name, llm="none", catalog=postgres.empty_catalogue())
        with closing(Archive(settings)) as archive:
            import_into(archive, exported, indexed=False)

        def stop(part: Part) -> None:
            raise Interrupted

        with pytest.raises(Interrupted):
            move(settings, str(tmp_path / f"new {name}"), through, progress=stop)
    assert len(list(through.iterdir())) == 2


def test_a_move_begins_anew_where_the_archive_has_changed_since_it_was_interrupted(
    source: Archive, house: Path, url: str, tmp_path: Path
) -> None:
    interrupted(house, url, "passages")
    with closing(opened(tmp_path / "there", url)) as there:  # as where a server has made its collection in Milvus
        there.catalog.set_meta({VECTORS_IN: "dateline_its_own"})
    snow = Article(id="b1", title="Snow", text="It snowed.", language="en")
    with closing(opened(house)) as archive:
        ingest([snow], archive, WordEmbedder())
    report = move(Settings(data_dir=house, llm="none"), url).imported
    assert report.parts == len(report.manifest.parts)
    with closing(opened(house)) as left, closing(opened(tmp_path / "there", url)) as there:
        assert tables(there) == tables(left)
        assert there.catalog.article("b1") is not None
        assert there.catalog.get_meta(VECTORS_IN) == "dateline_its_own"  # or else nobody would delete it


def test_no_article_comes_in_during_a_move(house: Path, url: str, articles: list[Article]) -> None:
    settings = Settings(data_dir=house, llm="none")
    with closing(opened(house)) as beside:

        def ingest_beside(part: Part) -> None:
            if part.content == "passages":
                refuse_ingest()

        def refuse_ingest() -> None:
            with pytest.raises(ArchiveBusy, match="Another ingest is writing to"):
                ingest(articles[:1], beside, WordEmbedder())

        move(settings, url, progress=ingest_beside)
        begun = house / "moving" / "command"  # of another move, which has not come to its export yet
        begun.parent.mkdir()
        begun.touch()
        with beside.writing(), pytest.raises(ArchiveBusy, match="Another ingest is writing to"):
            move(settings, url)
        assert begun.exists()


def test_a_move_is_refused_while_articles_wait_for_a_worker(
    exported: Path, url: str, tmp_path: Path, articles: list[Article]
) -> None:
    pytest.importorskip("procrastinate", reason="needs the extra 'many', which make test installs")
    from ingest.queue.sending import send
    from ingest.queue.tables import Queue

    settings = Settings(data_dir=tmp_path / "there", llm="none", catalog=url)
    with closing(Archive(settings)) as there:
        import_into(there, exported, indexed=False)
        refused = pytest.raises(ArchiveBusy, match="2 articles wait in the queue of .*Let dateline worker store them")
        sent: list[object] = []

        def queue(part: Part) -> None:
            if not sent:
                sent.append(send(articles[:2], Queue(there.catalog)))

        with refused:
            move(settings, str(tmp_path / "back"), progress=queue)
        with refused:
            move(settings, str(tmp_path / "new"))
        with there.catalog.transaction() as db:
            db.execute("DELETE FROM dateline_queue_pieces")  # as when all is stored
        move(settings, str(tmp_path / "back"))
        with closing(opened(tmp_path / "back")) as back:
            assert tables(back)["versions"] == tables(there)["versions"]


def test_a_move_from_a_database_that_lost_its_lock_is_not_finished(
    exported: Path, url: str, tmp_path: Path, postgres: PostgresServer, articles: list[Article]
) -> None:
    with closing(opened(tmp_path / "there", url)) as there:
        import_into(there, exported, indexed=False)
        settings = Settings(data_dir=tmp_path / "there", llm="none", catalog=url)
        snow = Article(id="b1", title="Snow", text="It snowed.", language="en")

        def lose(part: Part) -> None:
            if part.content == "changes" and there.catalog.article("b1") is None:
                postgres.run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
                until = time.monotonic() + 5
                while there.catalog.article("b1") is None:
                    with suppress(ArchiveBusy):
                        ingest([snow], there, WordEmbedder())
                    assert time.monotonic() < until

        with pytest.raises(StorageError, match="took in articles during the move.*Run the same command again"):
            move(settings, str(tmp_path / "back"), progress=lose)
        move(settings, str(tmp_path / "back"))
        with closing(opened(tmp_path / "back")) as back:
            assert tables(back)["versions"] == tables(there)["versions"]


def test_a_target_that_cannot_be_is_refused(
    house: Path, url: str, tmp_path: Path, articles: list[Article], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.archive.tables.postgres.PostgresDatabase.pauses", ())
    settings = Settings(data_dir=house, llm="none")
    with pytest.raises(SettingsError, match="--to names the very archive"):
        move(settings, str(house))
    with pytest.raises(SettingsError, match="--to names the very archive"):
        move(settings.with_catalog(url, house), url)
    with pytest.raises(SettingsError, match=r"--to is …: .*such as postgresql://user:password@host"):
        move(settings, "mysql://ann:secret@host/name")
    with pytest.raises(StorageError, match="the server cannot be reached") as away:
        move(settings, "postgresql://ann:secret@127.0.0.1:1/name")
    assert "secret" not in str(away.value)
    with closing(opened(tmp_path / "other", url)) as other:
        ingest(articles[:1], other, WordEmbedder())
        with pytest.raises(ArchiveMismatch, match="holds other articles"):
            move(settings, url)
        assert [one.id for one in other.catalog.articles()] == ["a1"]
    told: list[Part] = []
    spelled = f"{url}{'&' if '?' in url else '?'}connect_timeout=7"
    with pytest.raises(SettingsError, match="--to names the very archive"):
        move(settings.with_catalog(url, tmp_path / "other"), spelled, progress=told.append)
    assert told == []  # before anything was exported
    with pytest.raises(ArchiveMissing, match="there is nothing to export"):
        move(Settings(data_dir=tmp_path / "empty", llm="none"), str(tmp_path / "new"))
    assert not any((folder / "moving").exists() for folder in (house, tmp_path / "empty", tmp_path / "other"))


_MOVE = """
import sys
import time
from pathlib import Path
from rag.archive.moving.move import move
from rag.settings import Settings
def told(part):
    print(part.name, flush=True)
    time.sleep(0.01)  # so that a kill comes before the next parts
move(Settings(data_dir=Path(sys.argv[1]), llm="none"), sys.argv[2], progress=told)
"""


def test_a_move_that_is_killed_anywhere_goes_on(
    source: Archive, house: Path, url: str, tmp_path: Path, child_environment: dict[str, str], python: str
) -> None:
    command = [python, "-c", _MOVE, str(house), url]
    kinds = len(CONTENTS)
    assert len(killed_after(3, 0, command, child_environment)) < kinds  # while the export is written
    assert len(killed_after(kinds + 3, 0, command, child_environment)) < 2 * kinds  # while it is stored
    with closing(opened(tmp_path / "there", url)) as half, pytest.raises(ArchiveMismatch, match="A move of articles"):
        half.check_whole()
    assert len(killed_after(3, 0, command, child_environment)) < kinds  # it goes on without another export
    killed_after(1, 0.05, command, child_environment)
    subprocess.run(command, env=child_environment, check=True, stdout=subprocess.DEVNULL)
    with closing(opened(tmp_path / "there", url)) as there:
        assert tables(there) == tables(source)
        assert there.health().sound
    assert not (house / "moving").exists()
