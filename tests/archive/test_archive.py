"""No article is lost or doubled: killed, damaged, shared between processes, the archive comes back whole."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from fakes import BrokenEmbedder, WordEmbedder

from ingest.pipeline import ingest
from rag.answering.retrieval.retriever import Retriever
from rag.archive import indexer
from rag.archive.archive import Archive
from rag.archive.catalog import Prepared
from rag.archive.indexes.vector_index import ChromaVectors
from rag.assistant import Assistant
from rag.errors import ArchiveBusy, ArchiveMismatch, StorageError
from rag.schema import Article, Filters
from rag.settings import Settings


@pytest.fixture(scope="module")
def child_environment(child_environment: dict[str, str]) -> dict[str, str]:
    """Second processes import this file too."""
    path = os.pathsep.join([child_environment["PYTHONPATH"], str(Path(__file__).parent)])
    return child_environment | {"PYTHONPATH": path}


# --- killed --------------------------------------------------------------------------------------

# One process imports everything and forks one for each (folder, arguments); prints how each ended.
FORK = """
import json, os, signal, sys, threading
import chromadb
import ingest.pipeline
from test_archive import open_and_check, second_ingest

def die_at(event, name, count):
    # Names the moment of death without touching the code: at the nth call of (or return from) a function.
    left = [count]
    def watch(frame, happened, _):
        if happened == event and frame.f_code.co_qualname == name:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(watch)
    threading.setprofile(watch)  # the indexer works in a thread of its own

running = []
for folder, moment in json.loads(sys.argv[1]):
    running.append(os.fork())
    if not running[-1]:
        if moment:
            die_at(*moment)
        second_ingest(folder) if moment else open_and_check(folder)
        os._exit(0)
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in running]))
"""


def forked(jobs: list[tuple[str, tuple[str, str, int] | None]], environment: dict[str, str]) -> list[int]:
    """How processes ended that ingested until a moment, or opened and checked a folder, side by side."""
    ran = subprocess.run(
        [sys.executable, "-c", FORK, json.dumps(jobs)],
        env=environment | {"OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120, check=True,
    )  # fmt: skip
    return json.loads(ran.stdout)  # type: ignore[no-any-return]


MOMENTS = [
    ("call", "WordEmbedder.embed_passages", 2),  # the first batch is committed, the second not embedded
    ("return", "Catalog._store_one", 300),  # in the middle of the second batch's transaction
    ("call", "ChromaVectors.put", 1),  # old passages dropped from the vectors, new ones not yet there
    ("return", "ChromaVectors.put", 1),  # there, but not noted
    ("call", "index_terms", 200),  # the keyword index has an open writer with 100 passages
    ("return", "TantivyWords.put", 1),  # all done but the note
]


def notice(number: int, edition: str) -> Article:
    """An article of one passage."""
    text = f"The {edition} notice number{number} concerns cellar {number} in Harrow Bay."
    return Article(
        id=f"n{number:03}", url=f"https://tide.example/{number}", title=f"Notice {number}", text=text, language="en"
    )


def first_ingest(folder: Path | str) -> None:
    """Notices 0 to 199 in their first edition."""
    with closing(Archive(Settings(data_dir=folder))) as archive:
        ingest([notice(n, "first") for n in range(200)], archive, WordEmbedder())


def second_ingest(folder: Path | str) -> None:
    """Notices 0 to 149 once more, in their second edition, and 150 new ones: two batches."""
    with closing(Archive(Settings(data_dir=folder))) as archive:
        ingest([notice(n, "second") for n in [*range(150), *range(200, 350)]], archive, WordEmbedder())


def contents(archive: Archive) -> dict[str, object]:
    """Everything that two runs must agree on."""
    assert archive.health().sound
    catalog = archive.catalog
    keys = catalog.passage_keys()
    return {
        "articles": sorted((a.id, a.version, a.text) for a in catalog.articles(limit=-1, live=False)),
        "passages": {key: (p.id, p.text) for key, p in catalog.passages(keys).items()},
        "vectors": archive.indexer.vectors().keys(),
        "words": archive.indexer.words().keys(),
    }


@pytest.fixture(scope="module")
def first_edition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first") / "archive"
    first_ingest(folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(first_edition: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the second ingest leaves when nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed") / "archive"
    shutil.copytree(first_edition, folder)
    second_ingest(folder)
    with closing(Archive(Settings(data_dir=folder))) as archive:
        return contents(archive)


@pytest.fixture(scope="module")
def killed(
    first_edition: Path, tmp_path_factory: pytest.TempPathFactory, child_environment: dict[str, str]
) -> dict[tuple[str, str, int], Path]:
    """Archives whose second ingest was killed, one for each moment."""
    folders = {moment: tmp_path_factory.mktemp("killed") / "archive" for moment in MOMENTS}
    for folder in folders.values():
        shutil.copytree(first_edition, folder)
    ends = forked([(str(folder), moment) for moment, folder in folders.items()], child_environment)
    assert ends == [-9] * len(MOMENTS)
    return folders


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: "-".join(map(str, moment)))
def test_an_ingest_that_was_killed_is_finished_by_the_next_start(
    killed: dict[tuple[str, str, int], Path], undisturbed: dict[str, object], moment: tuple[str, str, int]
) -> None:
    with closing(Archive(Settings(data_dir=killed[moment]))) as archive:
        left = contents(archive)  # all three hold the same passages, whatever was committed
        assert left["vectors"] == left["words"] == set(left["passages"])  # type: ignore[call-overload]
        assert len(left["articles"]) in {200, 306, 350}  # type: ignore[arg-type]  # batches: 150 + 106 new, then 44
    second_ingest(killed[moment])
    with closing(Archive(Settings(data_dir=killed[moment]))) as archive:
        assert contents(archive) == undisturbed


# --- deleted and damaged ---------------------------------------------------------------------------


def reopened(archive: Archive) -> Archive:
    archive.close()
    return Archive(Settings(data_dir=archive.folder, llm="none"))


def hits(archive: Archive, question: str = "measles outbreak in Harrow Bay") -> list[tuple[str, float]]:
    """What is found, with an embedder that refuses to embed an article again."""
    found = Retriever(archive, BrokenEmbedder(), Settings(data_dir=archive.folder)).retrieve(question)
    return [(hit.passage.id, round(hit.score, 3)) for hit in found]


@pytest.mark.parametrize("names", [("vectors",), ("words",), ("vectors", "words")])
def test_a_deleted_index_is_made_anew_without_embedding(archive: Archive, names: tuple[str, ...]) -> None:
    before = hits(archive)
    archive.close()
    for name in names:
        shutil.rmtree(archive.folder / name)
    with closing(reopened(archive)) as again:
        assert again.health().sound
        assert hits(again) == before


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("vectors/chroma.sqlite3", b"no database " * 500),
        ("vectors/chroma.sqlite3", b""),
        ("vectors/chroma.sqlite3", None),
        ("words/meta.json", b"{"),
        ("words/meta.json", None),  # tantivy takes it for a new index
        ("words/.managed.json", b""),
        ("words/*.store", b"torn"),
        ("words/*.pos", None),
        ("words/*.term", b""),
    ],
)
def test_a_damaged_index_is_noticed_and_made_anew_without_embedding(
    archive: Archive, file: str, content: bytes | None
) -> None:
    before = hits(archive)
    archive.close()
    damaged = list(archive.folder.glob(file))
    assert damaged
    for path in damaged:
        path.write_bytes(content) if content is not None else path.unlink()
    with closing(reopened(archive)) as again:
        assert hits(again) == before
        assert again.health().sound


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,200 passages: beyond 1,000 Chroma writes its graph to files of its own."""
    folder = tmp_path_factory.mktemp("large") / "archive"
    vectors = np.random.default_rng(0).normal(size=(1200, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    batch = [notice(n, "only") for n in range(1200)]
    with closing(Archive(Settings(data_dir=folder))) as archive:
        for start in range(0, 1200, 300):  # in steps, so that the last ones stay out of the graph's files
            part = batch[start : start + 300]
            archive.catalog.store(
                [Prepared(article=a, spans=((0, len(a.text)),), hashes=(a.id,)) for a in part],
                {a.id: vectors[start + i] for i, a in enumerate(part)},
            )
            archive.wait_until_indexed()
    assert list(folder.glob("vectors/*/data_level0.bin"))
    return folder


def open_and_check(folder: str) -> None:
    """Opens an archive of notices and searches for some of them by their own vectors."""
    with closing(Archive(Settings(data_dir=folder))) as archive:
        assert archive.health().sound
        for number in (0, 500, 1199):
            (one,) = archive.catalog.passages_of(f"n{number:03}")
            (vector,) = archive.catalog.vectors([one.hash])
            assert archive.search_vectors(vector, 1, Filters())[0][0] == one.key


TORN = [
    ("index_metadata.pickle", None),  # Chroma counts 1,200 and silently finds 200
    ("data_level0.bin", 0.0),  # likewise, or it ends the process by SIGSEGV
    ("header.bin", 0.5),  # SIGSEGV
]


def test_a_torn_graph_is_made_anew_though_it_may_end_one_process(
    large: Path, tmp_path: Path, child_environment: dict[str, str]
) -> None:
    folders = [tmp_path / file for file, _ in TORN]
    for folder, (file, keep) in zip(folders, TORN, strict=True):
        shutil.copytree(large, folder)
        (path,) = folder.glob(f"vectors/*/{file}")
        data = path.read_bytes()
        path.unlink() if keep is None else path.write_bytes(data[: int(len(data) * keep)])

    jobs = [(str(folder), None) for folder in folders]
    assert set(forked(jobs, child_environment)) <= {0, -11}
    assert forked(jobs, child_environment) == [0, 0, 0]


def test_a_sound_index_is_not_made_anew_at_a_start(archive: Archive) -> None:
    archive.close()
    before = {path: path.stat().st_ino for path in archive.folder.rglob("*.store")}
    with closing(reopened(archive)) as again:
        assert again.health().sound
    assert before
    assert {path: path.stat().st_ino for path in archive.folder.rglob("*.store")} == before


def test_rebuilding_embeds_nothing_and_mends_what_doctor_finds(archive: Archive, articles: list[Article]) -> None:
    before = hits(archive)
    archive.indexer.vectors().drop_articles(["a7"])
    archive.indexer.words().drop_articles(["a1", "a2"])
    health = archive.health()
    assert (health.vectors_missing, health.words_missing, health.sound) == (1, 2, False)
    assert archive.rebuild() == archive.catalog.count_passages() == health.passages
    assert archive.health().sound
    assert hits(archive) == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"archive folder .*file.*cannot be made.*--data-dir"):
        Archive(Settings(data_dir=tmp_path / "file" / "archive"))


def test_the_disk_is_free_to_move_after_closing(archive: Archive, tmp_path: Path) -> None:
    archive.close()
    moved = tmp_path / "moved"
    archive.folder.rename(moved)
    with closing(Archive(Settings(data_dir=moved))) as again:
        assert again.health().sound


# --- several processes -------------------------------------------------------------------------------

CHILD = """
import json, sys
from fakes import WordEmbedder
from rag.archive.archive import Archive
from rag.errors import DatelineError
from rag.settings import Settings
settings = Settings(data_dir=sys.argv[1], llm="none")
archive = Archive(settings)
"""


class Child:
    """A second process with the archive open; `says` reads a line, closing its input lets it go on."""

    def __init__(self, folder: Path, code: str, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD + code, str(folder)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def says(self) -> str:
        """The next line it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0
        self.process.stdout.close()


def test_a_second_ingest_is_refused_in_under_a_second(archive: Archive, child_environment: dict[str, str]) -> None:
    code = "with archive.writing():\n    print('writing')\n    sys.stdin.read()\n"
    with Child(archive.folder, code, child_environment) as child:
        assert child.says() == "writing"
        began = perf_counter()
        with pytest.raises(ArchiveBusy, match="Another ingest is writing to .* Wait until it has finished"):
            ingest([notice(1, "late")], archive, WordEmbedder())
        assert perf_counter() - began < 1
        assert hits(archive)  # reading goes on
    assert ingest([notice(1, "late")], archive, WordEmbedder()).kept == 1


READ = """
from rag.answering.retrieval.retriever import Retriever
found = Retriever(archive, WordEmbedder(), settings).retrieve("ferry Castellan off Port Selwyn")
print(json.dumps([archive.owns_indexes, "chromadb" in sys.modules, [[h.passage.id, h.score] for h in found]]))
"""


def test_a_reader_beside_the_owner_searches_exactly_and_finds_the_same(
    archive: Archive, child_environment: dict[str, str]
) -> None:
    mine = Retriever(archive, WordEmbedder(), Settings()).retrieve("ferry Castellan off Port Selwyn")
    with Child(archive.folder, READ, child_environment) as child:
        owns, loaded_chroma, theirs = json.loads(child.says())
    assert archive.owns_indexes
    assert (owns, loaded_chroma) == (False, False)
    assert [i for i, _ in theirs] == [h.passage.id for h in mine]
    assert [s for _, s in theirs] == pytest.approx([h.score for h in mine], abs=1e-3)


INGEST = """
from ingest.pipeline import ingest
from test_archive import notice
print(ingest([notice(7, "new")], archive, WordEmbedder()).kept)
"""


def test_the_owner_finds_what_another_process_ingested(archive: Archive, child_environment: dict[str, str]) -> None:
    assert "n007#0" not in [i for i, _ in hits(archive, "number7 cellar")]
    with Child(archive.folder, INGEST, child_environment) as child:
        assert child.says() == "1"
    # The other process waited until this one had indexed its article.
    assert hits(archive, "number7 cellar")[0][0] == "n007#0"
    assert archive.health().sound


READ_ONCE = "archive.close()\narchive = Archive(settings, asks_once=True)\n" + READ


def test_a_process_that_asks_once_leaves_chroma_closed_and_finds_the_same(
    archive: Archive, child_environment: dict[str, str]
) -> None:
    mine = Retriever(archive, WordEmbedder(), Settings()).retrieve("ferry Castellan off Port Selwyn")
    archive.close()
    with Child(archive.folder, READ_ONCE, child_environment) as child:
        owns, loaded_chroma, theirs = json.loads(child.says())
    assert (owns, loaded_chroma) == (True, False)
    assert [i for i, _ in theirs] == [h.passage.id for h in mine]
    assert [s for _, s in theirs] == pytest.approx([h.score for h in mine], abs=1e-3)


def test_what_changes_while_chroma_is_closed_reaches_its_index_later(archive: Archive) -> None:
    assert ingest([notice(7, "late")], archive, WordEmbedder()).kept == 1
    archive.close()
    with closing(Archive(Settings(data_dir=archive.folder), asks_once=True)) as once:
        assert once.catalog.remove("n007")
        once.wait_until_indexed()
        assert "n007#0" not in [i for i, _ in hits(once, "number7 cellar")]
        assert once.catalog.followed("vectors") < once.catalog.followed("words")
    with closing(Archive(Settings(data_dir=archive.folder))) as again:
        assert "n007#0" not in [i for i, _ in hits(again, "number7 cellar")]
        assert again.health().sound


def test_a_large_archive_is_searched_in_its_index_even_once(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hits(archive)
    archive.close()
    monkeypatch.setattr(indexer, "EXACT_PASSAGES", 3)
    with closing(Archive(Settings(data_dir=archive.folder), asks_once=True)) as once:
        assert hits(once) == before
        assert isinstance(once.indexer.vectors(), ChromaVectors)


def test_the_indexes_are_handed_on_when_their_owner_leaves(archive: Archive) -> None:
    with closing(Archive(Settings(data_dir=archive.folder))) as reader:
        before = hits(reader)
        assert not reader.owns_indexes
        archive.close()
        reader.wait_until_indexed()
        assert hits(reader) == before
        assert reader.owns_indexes
        assert reader.health().sound


def test_rebuilding_is_refused_while_another_process_owns_the_indexes(archive: Archive) -> None:
    changes = archive.catalog.last_change()
    with (
        closing(Archive(Settings(data_dir=archive.folder))) as other,
        pytest.raises(ArchiveBusy, match=r"in use by another process .* Stop it and try again"),
    ):
        other.rebuild()
    assert archive.catalog.last_change() == changes


def test_many_threads_search_while_one_ingests(archive: Archive) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        searches = [pool.submit(hits, archive) for _ in range(24)]
        ingest([notice(n, "new") for n in range(20)], archive, WordEmbedder())
        assert all(search.result()[0][0] == "a7#0" for search in searches)
    assert archive.health().sound


# --- another model, a newer program --------------------------------------------------------------------


def test_an_assistant_with_another_model_is_refused_with_the_command(archive: Archive) -> None:
    with pytest.raises(
        ArchiveMismatch, match=f"'fake/words', this program uses 'other'.*reindex --data-dir {archive.folder}"
    ):
        Assistant(archive, WordEmbedder("other"), None, Settings())


def test_another_chunking_is_refused(archive: Archive) -> None:
    with pytest.raises(ArchiveMismatch, match="built with chunking 'paragraphs-2-.*'. Cut and embed the archive again"):
        archive.claim({"chunking": "paragraphs"})


def test_an_archive_of_a_newer_program_is_refused(archive: Archive) -> None:
    archive.catalog.set_meta({"format": "9"})
    with pytest.raises(ArchiveMismatch, match=r"has format 9.*Upgrade Dateline"):
        reopened(archive)
