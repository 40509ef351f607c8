"""A catalogue or an index that is missing, empty, cut off or rotten, and a disk that is full: told, not made worse."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from fakes import WordEmbedder

from app import main
from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.archive.catalog import Catalog, Prepared
from rag.archive.indexes import vector_index as vectors
from rag.assistant import Assistant
from rag.errors import DatelineError, StorageError
from rag.schema import Article, Filters
from rag.settings import Settings


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, articles: list[Article]) -> Path:
    """An archive of the ten articles that was closed; copy it before harming it."""
    folder = tmp_path_factory.mktemp("closed") / "archive"
    with closing(Archive(Settings(data_dir=folder, llm="none"))) as archive:
        ingest(articles, archive, WordEmbedder())
    return folder


@pytest.fixture
def folder(closed: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(closed, tmp_path / "archive"))


def contents(folder: Path) -> dict[str, str]:
    """Every file beneath a folder and a digest of it, but for locks and what SQLite keeps while it reads."""
    passing = (".lock", "-wal", "-shm")
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(passing)]
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


# --- a catalogue that is not there -----------------------------------------------------------------

FACES = {
    "doctor": ["doctor"],
    "ask": ["ask", "Who is harbour master?", "--llm", "none"],
    "search": ["search", "harbour master"],
    "articles": ["articles"],
    "rebuild": ["rebuild"],
    "ingest": ["ingest", "note.txt"],
    "serve": ["serve", "--port", "0", "--llm", "none"],
}


def said_by(face: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What a face of the command line says on standard error when it refuses."""
    (folder.parent / "note.txt").write_text("It rained in Millford. " * 20)
    arguments = [str(folder.parent / one) if one == "note.txt" else one for one in FACES[face]]
    assert main([*arguments, "--data-dir", str(folder)]) == 1
    told = capsys.readouterr().err
    assert told.startswith("dateline: The catalogue ")
    assert len(told.splitlines()) == 1
    return told


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("state", ["missing", "empty"])
def test_a_catalogue_that_is_gone_is_refused_and_its_indexes_stay(
    folder: Path, capsys: pytest.CaptureFixture[str], state: str, face: str
) -> None:
    catalogue = folder / "catalogue.sqlite"
    catalogue.unlink() if state == "missing" else catalogue.write_bytes(b"")
    before = contents(folder)
    told = said_by(face, folder, capsys)
    assert f"catalogue.sqlite is {state}, but" in told
    assert "Put the catalogue back from a backup." in told
    assert f"delete {folder / 'vectors'} and {folder / 'words'}." in told
    assert contents(folder) == before


def _without_tables(catalogue: Path) -> None:
    catalogue.unlink()
    with closing(sqlite3.connect(catalogue)) as db:  # as a copy without its -wal file may be: a header, no table
        db.execute("PRAGMA journal_mode=WAL")
    assert catalogue.stat().st_size


def _without_one_table(catalogue: Path) -> None:
    with closing(sqlite3.connect(catalogue)) as db:
        db.execute("ALTER TABLE articles RENAME TO brticles")


HARMED = {
    "cut to a half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "cut to its first page": lambda path: path.write_bytes(path.read_bytes()[:4096]),
    "cut by a page": lambda path: path.write_bytes(path.read_bytes()[:-4096]),
    "cut to 50 bytes": lambda path: path.write_bytes(path.read_bytes()[:50]),
    "not SQLite": lambda path: path.write_bytes(b"<html>502 Bad Gateway</html>" * 300),
    "all zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "without tables": _without_tables,
    "without one table": _without_one_table,
}


@pytest.mark.parametrize("harm", HARMED)
def test_a_harmed_catalogue_is_refused_with_the_way_out_and_its_indexes_stay(
    folder: Path, capsys: pytest.CaptureFixture[str], harm: str
) -> None:
    HARMED[harm](folder / "catalogue.sqlite")
    before = contents(folder)
    for face in FACES:
        told = said_by(face, folder, capsys)
        assert "a backup" in told
        assert "Nothing was changed" in told
    assert contents(folder) == before


def test_the_log_of_a_missing_catalogue_is_not_thrown_away(tmp_path: Path) -> None:
    log = tmp_path / "catalogue.sqlite-wal"
    log.write_bytes(b"what was committed last" * 10)
    with pytest.raises(StorageError, match=r"is missing, but .*-wal is not: articles were stored here"):
        Archive(Settings(data_dir=tmp_path))
    assert log.read_bytes() == b"what was committed last" * 10


def test_an_empty_file_where_nothing_was_stored_becomes_an_archive(tmp_path: Path) -> None:
    (tmp_path / "catalogue.sqlite").write_bytes(b"")
    with closing(Archive(Settings(data_dir=tmp_path))) as archive:
        assert archive.health().sound


def test_a_backup_put_back_brings_the_archive_back(folder: Path, closed: Path) -> None:
    (folder / "catalogue.sqlite").unlink()
    with pytest.raises(StorageError):
        Archive(Settings(data_dir=folder))
    shutil.copy(closed / "catalogue.sqlite", folder)
    with closing(Archive(Settings(data_dir=folder))) as archive:
        assert archive.health().sound
        assert archive.catalog.coverage().articles == 10


# --- a catalogue with rotten pages -----------------------------------------------------------------


def _quick_check_rejects(catalogue: Path) -> bool:
    try:
        with closing(sqlite3.connect(catalogue)) as db:
            return db.execute("PRAGMA quick_check").fetchall() != [("ok",)]
    except sqlite3.Error:
        return True


def _doctor(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    code = main(["doctor", "--json", "--data-dir", str(folder)])
    return code, json.loads(capsys.readouterr().out)


def _use(folder: Path) -> None:
    """Reads through every method that faces use. Raises DatelineError kinds."""
    settings = Settings(data_dir=folder, llm="none")
    with closing(Archive(settings)) as archive:
        assistant = Assistant(archive, WordEmbedder(), None, settings)
        assistant.ask("Who is harbour master of Port Selwyn?")
        catalog = archive.catalog
        for article in catalog.articles(text="levy", live=False):
            catalog.versions(article.id)
            catalog.passages_of(article.id)
            catalog.current_digest(article.id)
            catalog.id_of_source(article.source)
        catalog.outlets()
        catalog.all_vectors()
        ingest([Article(id="new", title="New", text="It rained in Millford.")], archive, WordEmbedder())


@pytest.mark.parametrize("seed", range(30))
def test_doctor_never_calls_rotten_pages_sound_and_nothing_ends_in_a_traceback(
    folder: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    catalogue = folder / "catalogue.sqlite"
    rot, data = random.Random(seed), bytearray(catalogue.read_bytes())
    page = rot.randrange(len(data) // 4096) * 4096
    # Heads of pages hold their structure, the rest the rows: both are hit, by one flipped bit or by many bytes.
    for _ in range(rot.choice([1, 1, 4, 60])):
        at = page + (rot.randrange(60) if rot.random() < 0.4 else rot.randrange(4096))
        data[at] = data[at] ^ (1 << rot.randrange(8)) if rot.random() < 0.5 else rot.randrange(256)
    if data == catalogue.read_bytes():
        data[page + 8] ^= 255
    catalogue.write_bytes(data)
    rejected = _quick_check_rejects(catalogue)
    code, said = _doctor(folder, capsys)
    if rejected:
        assert code == 1
        assert said.get("sound") is not True
    with suppress(DatelineError):
        _use(folder)


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        (
            "UPDATE versions SET text = replace(text, '212', '312')",
            "Version 1 of article 'a1' differs from what was stored",
        ),
        ("UPDATE versions SET title = CAST(x'ff41' AS TEXT) WHERE article_id = 'a3'", "decode"),
        ("UPDATE versions SET uncitable = '[[1]' WHERE article_id = 'a3'", "A row holds an invalid value"),
        ("UPDATE versions SET uncitable = '[[1,2,3]]' WHERE article_id = 'a3'", "A row holds an invalid value"),
        ("UPDATE versions SET published = '2025-13-01' WHERE article_id = 'a3'", "A row holds an invalid value"),
        ("UPDATE versions SET text = x'00ff' WHERE article_id = 'a3'", "bytes instead of text"),
        ("UPDATE versions SET text = 'short' WHERE article_id = 'a3'", "article 'a3' lies outside its text"),
        ("UPDATE passages SET end = 999999 WHERE article_id = 'a3'", "Passage 0 of article 'a3' lies outside its text"),
        ("UPDATE passages SET start = -1 WHERE article_id = 'a3'", "Passage 0 of article 'a3' lies outside its text"),
        ("UPDATE passages SET start = 'x' WHERE article_id = 'a3'", "lies outside its text"),
        ("UPDATE passages SET embedded = 'gone' WHERE article_id = 'a3'", "1 passages have no vector"),
        ("DELETE FROM versions WHERE article_id = 'a3'", "The current version of article 'a3' is missing"),
        ("UPDATE vectors SET vector = substr(vector, 1, 100) WHERE rowid_is('a3')", "vectors have different lengths"),
        ("UPDATE vectors SET vector = substr(vector, 1, 101) WHERE rowid_is('a3')", "A row holds an invalid value"),
        ("UPDATE vectors SET vector = 'text' WHERE rowid_is('a3')", "A row holds an invalid value"),
        (
            "UPDATE vectors SET vector = CAST(x'007e' || substr(vector, 3) AS BLOB) WHERE rowid_is('a3')",
            "holds a value that is not a finite number",
        ),
    ],
)
def test_doctor_names_rows_that_were_never_written_so(
    folder: Path, capsys: pytest.CaptureFixture[str], sql: str, problem: str
) -> None:
    of_article = "hash IN (SELECT embedded FROM passages WHERE article_id = 'a3')"
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as db:
        db.execute(sql.replace("rowid_is('a3')", of_article))
        db.commit()
    before = contents(folder)
    code, said = _doctor(folder, capsys)
    assert (code, said["sound"], said["vectors_missing"]) == (1, False, None)
    assert any(problem in one for one in said["catalogue"]), said  # type: ignore[attr-defined]
    assert main(["doctor", "--data-dir", str(folder)]) == 1
    assert "Damaged: " in (text := capsys.readouterr().out)
    assert "Replace it with a backup" in text
    assert contents(folder) == before
    with suppress(DatelineError):
        _use(folder)


# --- a full disk -----------------------------------------------------------------------------------

FULL = """
import os, random, sys, time
from contextlib import closing
from pathlib import Path
from fakes import WordEmbedder
from ingest.pipeline import ingest
from rag.archive.indexes import vector_index as vectors
from rag.archive.archive import Archive
from rag.errors import StorageError
from rag.schema import Article, Filters
from rag.settings import Settings

if sys.argv[4] == "unseen":  # as with a quota, or another process that takes the last space
    vectors._LITTLE = 0
disk, room, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
settings, filler, chance = Settings(data_dir=disk / "archive", llm="none"), disk / "filler", random.Random(seed)

def articles(first, number):
    for n in range(first, first + number):
        numbers = (chance.randrange(9999) for _ in range(300))
        words = " ".join(chance.choice(["rain", "ferry", "port", "levy"]) + str(number) for number in numbers)
        yield Article(id=f"n{n}", url=f"https://tide.example/{n}", title=f"T{n}", text=f"{words}.", language="en")

archive, embedder = Archive(settings), WordEmbedder()
assert ingest(articles(0, 50), archive, embedder).kept == 50
free = os.statvfs(disk)
filler.write_bytes(bytes(free.f_bavail * free.f_frsize - room))
said, stored = "", 50
try:
    for _ in range(40):
        ingest(articles(stored, 20), archive, embedder)
        stored = archive.catalog.coverage().articles
except StorageError as error:
    said = str(error)
assert "disk is full" in said.lower() and "free some space" in said, said
stored = archive.catalog.coverage().articles
try:  # searching neither waits for ever nor fails in another way
    archive.search_vectors(embedder.embed_queries(["rain1 ferry2"])[0], 3, Filters())
except StorageError as error:
    assert "disk is full" in str(error).lower(), error
filler.unlink()
began = time.monotonic()
assert ingest(articles(1000, 20), archive, embedder).kept == 20
assert len(archive.search_vectors(embedder.embed_queries(["rain1 ferry2"])[0], 3, Filters())) == 3
assert time.monotonic() - began < 60
assert archive.catalog.coverage().articles == stored + 20
assert archive.health().sound
archive.close()
with closing(Archive(settings)) as again:
    assert again.health().sound
print("whole")
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB, where this user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


# So much room leads into the catalogue, the vectors (their log, their tables) and the words.
@pytest.mark.parametrize(
    ("kilobytes", "seen"), [(150, "unseen"), (450, "unseen"), (600, "unseen"), (750, "unseen"), (600, "seen")]
)
def test_after_a_full_disk_the_same_process_goes_on_and_nothing_is_lost(
    small_disk: Path, child_environment: dict[str, str], kilobytes: int, seen: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(small_disk), str(kilobytes * 1024), str(kilobytes), seen],
        env=child_environment, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout.strip()) == (0, "whole"), ran.stderr[-3000:]


LIMITED = """
import resource, sys
from rag.archive.catalog import Catalog, Prepared
from rag.errors import StorageError
from rag.schema import Article
from pathlib import Path

catalog = Catalog(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
stored = 0
try:
    for n in range(100):
        article = Article(id=str(n), title="T", text=f"{n}" * 20_000)
        catalog.store([Prepared(article=article, spans=(), hashes=())], {})
        stored += 1
except StorageError as error:
    print(error)
assert catalog.coverage().articles == stored > 1
catalog.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_write_that_fails_tells_the_real_reason(tmp_path: Path, child_environment: dict[str, str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "catalogue.sqlite")],
        env=child_environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "disk" in ran.stdout
    assert "rollback" not in ran.stdout


def test_a_catalogue_that_may_not_grow_says_so(tmp_path: Path) -> None:
    with closing(Catalog(tmp_path / "catalogue.sqlite")) as catalog:
        told = pytest.raises(StorageError, match="database or disk is full. The disk is full: free some space")
        with told, catalog.transaction() as db:
            db.execute("PRAGMA max_page_count = 20")
            while True:
                db.execute("INSERT INTO changes (article_id) VALUES (?)", ("x" * 4000,))
        assert catalog.last_change() == 0  # all of it was taken back
        catalog.set_meta({"and": "it goes on"})


# --- damaged files of the indexes ------------------------------------------------------------------


def _large(folder: Path) -> None:
    """1,200 passages: beyond 1,000 Chroma writes its graph to files of its own."""
    vectors_of = np.random.default_rng(0).normal(size=(1200, 8)).astype(np.float32)
    with closing(Archive(Settings(data_dir=folder, llm="none"))) as archive:
        made = [
            Article(id=f"n{n:04}", title=f"N {n}", text=f"Notice number{n} of cellar {n}.", language="en")
            for n in range(1200)
        ]
        for start in range(0, 1200, 300):
            archive.catalog.store(
                [Prepared(article=a, spans=((0, len(a.text)),), hashes=(a.id,)) for a in made[start : start + 300]],
                {f"n{n:04}": vectors_of[n] / np.linalg.norm(vectors_of[n]) for n in range(start, start + 300)},
            )
            archive.wait_until_indexed()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large") / "archive"
    _large(folder)
    assert list(folder.glob("vectors/*/data_level0.bin"))
    return folder


OPEN = """
import sys
from contextlib import closing
from rag.archive.archive import Archive
from rag.schema import Filters
from rag.settings import Settings

with closing(Archive(Settings(data_dir=sys.argv[1], llm="none"))) as archive:
    assert archive.health().sound
    for number in (0, 500, 1199):
        (one,) = archive.catalog.passages_of(f"n{number:04}")
        (vector,) = archive.catalog.vectors([one.hash])
        assert archive.search_vectors(vector, 1, Filters())[0][0] == one.key
        assert archive.search_words(f"number{number}", 1, ["en"], Filters())[0][0] == one.key
"""


def _zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in random.Random(1).sample(range(len(data)), max(1, len(data) // 50)):
        data[at] ^= 0xFF
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("file", "harm"),
    [
        ("vectors/*/data_level0.bin", _cut),
        ("vectors/*/data_level0.bin", _flipped),
        ("vectors/*/link_lists.bin", _flipped),
        ("vectors/*/header.bin", _cut),
        ("vectors/*/header.bin", _flipped),
        ("vectors/*/index_metadata.pickle", _flipped),
        ("vectors/chroma.sqlite3", _flipped),
        ("words/*.idx", _flipped),
        ("words/*.store", _zeros),
        ("words/*.term", _cut),
        ("words/*.fast", _zeros),
        ("words/articles/*.idx", _cut),
    ],
)
def test_damaged_index_files_end_no_process_and_are_mended(
    large: Path, tmp_path: Path, child_environment: dict[str, str], file: str, harm: Callable[[Path], None]
) -> None:
    folder = Path(shutil.copytree(large, tmp_path / "archive"))
    harmed = [path for path in folder.glob(file) if path.stat().st_size]
    if not harmed:
        pytest.skip(f"there is no {file}")
    for path in harmed:
        harm(path)
    ran = subprocess.run(
        [sys.executable, "-c", OPEN, str(folder)],
        env=child_environment, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, (ran.returncode, ran.stderr[-2000:])


def test_files_that_are_as_they_were_left_are_opened_without_a_second_process(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []
    monkeypatch.setattr(vectors, "opens", lambda one: not looked.append(one))
    for _ in range(2):
        with closing(Archive(Settings(data_dir=folder, llm="none"))) as archive:
            assert archive.health().sound
    assert looked == []
    with closing(Archive(Settings(data_dir=folder, llm="none"))):
        pass  # what was not opened is still known to be whole
    os.utime(folder / "vectors" / "chroma.sqlite3")
    with closing(Archive(Settings(data_dir=folder, llm="none"))) as archive:
        assert archive.health().sound
    assert looked == [folder / "vectors"]


def test_an_older_catalogue_put_back_does_not_meet_newer_indexes(folder: Path, closed: Path) -> None:
    with closing(Archive(Settings(data_dir=folder, llm="none"))) as archive:
        old = archive.catalog.article("a7")
        assert old is not None
        ingest([replace(old, text="Nothing at all happened in Millford.")], archive, WordEmbedder())
    shutil.copy(closed / "catalogue.sqlite", folder)
    with closing(Archive(Settings(data_dir=folder, llm="none"))) as archive:
        found = archive.search_words("measles outbreak", 1, ["en"], Filters())
        assert [p.article.id for p in archive.catalog.passages([key for key, _ in found]).values()] == ["a7"]
        assert archive.health().sound


# --- who may read it -------------------------------------------------------------------------------

OPEN_UMASK = """
import os, sys
os.umask(0)
from fakes import WordEmbedder
from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.schema import Article
from rag.settings import Settings

archive = Archive(Settings(data_dir=sys.argv[1], llm="none"))
articles = [Article(id=f"n{n}", title="N", text=f"It rained {n} times in Millford.") for n in range(3)]
ingest(articles, archive, WordEmbedder())
assert archive.health().sound

def others_can_read(path):
    inner = os.path.relpath(path, sys.argv[1]).split(os.sep)
    steps = [os.path.join(sys.argv[1], *inner[:n]) for n in range(1, len(inner) + 1)]
    return all(os.stat(step).st_mode & 0o077 for step in steps)

def report():
    files = [os.path.join(folder, name) for folder, _, names in os.walk(sys.argv[1]) for name in names]
    print([path for path in files if others_can_read(path)], len(files) > 10)

report()  # while it is open: -wal, -shm and locks are there
archive.close()
report()
print(oct(os.stat(sys.argv[1]).st_mode & 0o777))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize("existing", ["none", "open folder", "open archive"])
def test_the_archive_is_readable_by_its_owner_alone(
    tmp_path: Path, closed: Path, child_environment: dict[str, str], existing: str
) -> None:
    folder, mode = tmp_path / "archive", "0o700"
    if existing != "none":
        shutil.copytree(closed, folder) if existing == "open archive" else folder.mkdir()
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        mode = "0o755"  # a folder that its owner has made stays as it is
    ran = subprocess.run(
        [sys.executable, "-c", OPEN_UMASK, str(folder)],
        env=child_environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.split("\n")[:3] == ["[] True", "[] True", mode]
