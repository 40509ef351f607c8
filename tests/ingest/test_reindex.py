"""Moving an archive to another embedder: searches go on, nothing is embedded twice, two models are never compared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from fakes import BrokenEmbedder, WordEmbedder

from ingest.pipeline import ingest, remove
from ingest.reindex import ReindexReport, reindex
from rag.answering.retrieval.retriever import Retriever
from rag.archive.archive import Archive
from rag.errors import ArchiveBusy, ArchiveMismatch, ModelUnavailable
from rag.schema import Article, Filters
from rag.settings import Settings

RAIN = Article(id="rain", title="Rain", text="Rain flooded forty cellars in Harrow Bay on Monday.", source="rain.txt")


def notices(count: int) -> list[Article]:
    return [
        Article(id=f"n{n}", title=f"Notice {n}", text=f"Quay number{n} is closed for repairs.", source=f"n{n}.txt")
        for n in range(count)
    ]


class Pausing(WordEmbedder):
    """Calls `meanwhile` before it first embeds passages."""

    def __init__(self, name: str, meanwhile: Callable[[], object]) -> None:
        super().__init__(name)
        self.meanwhile = meanwhile

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        if not self.embedded:
            self.meanwhile()
        return super().embed_passages(texts)


def hits(archive: Archive, embedder: WordEmbedder, question: str = "measles outbreak") -> list[str]:
    found = Retriever(archive, embedder, Settings(data_dir=archive.folder)).retrieve(question)
    return [hit.passage.article.id for hit in found]


def vectors_in(archive: Archive) -> int:
    with archive.catalog.transaction() as db:
        return int(db.execute("SELECT count(*) FROM vectors").fetchone()[0])


def test_the_model_changes_and_no_article(archive: Archive) -> None:
    catalog = archive.catalog
    versions, keys = [(a.id, a.version) for a in catalog.articles()], catalog.passage_keys()
    other = WordEmbedder("other", dim=32)  # another size, too: Chroma's collection must be made anew
    report = reindex(archive, other)
    assert report.passages == report.embedded == report.dropped == len(other.embedded) == len(keys)
    assert (report.before, report.embedder, report.articles, report.total) == ("fake/words", "other", 10, 10)
    assert [(a.id, a.version) for a in catalog.articles()] == versions
    assert catalog.passage_keys() == keys
    assert archive.health().sound
    assert (archive.model, archive.reindexed_to, vectors_in(archive)) == ("other", None, len(set(other.embedded)))
    assert hits(archive, other)[0] == "a7"
    with pytest.raises(ArchiveMismatch):
        ingest([RAIN], archive, WordEmbedder())


def test_an_archive_that_has_the_model_stays_as_it_is(archive: Archive) -> None:
    change, embedder = archive.catalog.last_change(), WordEmbedder()
    report = reindex(archive, embedder)
    assert (report.embedded, report.dropped, embedder.embedded) == (0, 0, [])
    assert archive.catalog.last_change() == change


def test_passages_are_cut_anew_for_another_chunking(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    before = archive.catalog.count_passages()
    monkeypatch.setattr("ingest.chunking.MAX_TOKENS", 30)
    monkeypatch.setattr("ingest.pipeline.FINGERPRINT", "another")
    reindex(archive, WordEmbedder())
    assert archive.catalog.count_passages() > before
    assert archive.catalog.get_meta("chunking") == "another"
    assert archive.health().sound
    assert hits(archive, WordEmbedder())[0] == "a7"


def test_interrupted_it_leaves_the_archive_as_it_was_and_goes_on_where_it_stopped(empty_archive: Archive) -> None:
    ingest(notices(600), empty_archive, WordEmbedder())
    with pytest.raises(ModelUnavailable):
        reindex(empty_archive, BrokenEmbedder(good=256, name="other"))
    assert (empty_archive.model, empty_archive.reindexed_to) == ("fake/words", "other")
    assert hits(empty_archive, WordEmbedder(), "quay number17")[0] == "n17"
    assert remove(empty_archive, "n599")  # removing must not sweep up what is embedded
    assert ingest([RAIN], empty_archive, WordEmbedder()).kept == 1
    other = WordEmbedder("other")
    report = reindex(empty_archive, other)
    assert (report.embedded, report.passages) == (600 - 256, 600)
    assert not {one for one in other.embedded if "number599 " in one}
    assert vectors_in(empty_archive) == 600
    assert hits(empty_archive, other, "quay number17")[0] == "n17"


KILLED = """
import os, signal, sys
from pathlib import Path
from fakes import WordEmbedder
from ingest.reindex import reindex
from rag.archive.archive import Archive
from rag.archive.catalog import Catalog
from rag.settings import Settings

folder, place, count = sys.argv[1:]
real = getattr(Catalog, place)

def watched(*arguments):
    global count
    done = real(*arguments)
    count = int(count) - 1
    if not count:
        os.kill(os.getpid(), signal.SIGKILL)
    return done

setattr(Catalog, place, watched)
reindex(Archive(Settings(data_dir=folder)), WordEmbedder("other", dim=32))
"""


@pytest.mark.parametrize(
    ("place", "count", "model", "left"),
    [("add_vectors", 2, "fake/words", 88), ("switch", 1, "other", 0), ("end_reindex", 1, "other", 0)],
)
def test_killed_it_goes_on_where_it_stopped(
    empty_archive: Archive, child_environment: dict[str, str], place: str, count: int, model: str, left: int
) -> None:
    ingest(notices(600), empty_archive, WordEmbedder())
    empty_archive.close()
    environment = child_environment | {
        "PYTHONPATH": os.pathsep.join([child_environment["PYTHONPATH"], str(Path(__file__).parents[1])])
    }
    arguments = [sys.executable, "-c", KILLED, str(empty_archive.folder), place, str(count)]
    ended = subprocess.run(arguments, env=environment, check=False, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with closing(Archive(Settings(data_dir=empty_archive.folder))) as archive:
        assert archive.model == model
        archive.wait_until_indexed()
        embedder = WordEmbedder(dim=256) if model == "fake/words" else WordEmbedder("other", dim=32)
        assert hits(archive, embedder, "quay number17")[0] == "n17"
        report = reindex(archive, WordEmbedder("other", dim=32))
        assert (report.embedded, archive.model, vectors_in(archive)) == (left, "other", 600)
        assert archive.health().sound


def test_searches_and_ingests_go_on_meanwhile(archive: Archive) -> None:
    own = WordEmbedder()

    def meanwhile() -> None:
        assert hits(archive, own)[0] == "a7"
        ingest([RAIN], archive, own)

    other = Pausing("other", meanwhile)
    report = reindex(archive, other)
    assert report.articles == 11  # what came in the meantime, too
    assert hits(archive, other, "rain cellars")[0] == "rain"
    assert archive.health().sound


def test_the_switch_waits_for_an_ingest_that_runs(archive: Archive) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[Article]:
        began.set()
        assert go_on.wait(30)
        yield RAIN

    ingesting = threading.Thread(target=lambda: ingest(slow(), archive, WordEmbedder()))
    ingesting.start()
    assert began.wait(30)
    reindexing = threading.Thread(target=lambda: reindex(archive, WordEmbedder("other")))
    reindexing.start()
    time.sleep(0.7)  # longer than it waits for the lock once
    assert archive.model == "fake/words"
    go_on.set()
    ingesting.join(30)
    reindexing.join(30)
    assert archive.model == "other"
    assert hits(archive, WordEmbedder("other"), "rain cellars")[0] == "rain"


def test_only_one_runs_at_a_time(archive: Archive) -> None:
    def second() -> None:
        with closing(Archive(Settings(data_dir=archive.folder))) as other:
            reindex(other, WordEmbedder("third"))

    with pytest.raises(ArchiveBusy, match="Another dateline reindex"):
        reindex(archive, Pausing("other", second))


@pytest.mark.parametrize("dim", [256, 32])
def test_a_process_that_owns_the_indexes_never_compares_two_models(archive: Archive, dim: int) -> None:
    """From the switch until its index is filled it searches the vectors of the catalogue."""
    archive.wait_until_indexed()
    assert archive.owns_indexes
    old, new = WordEmbedder(), Turned("other", dim)
    assert archive.search_vectors(old.embed_queries(["measles outbreak"])[0], 1, Filters())
    with archive.searching():  # holds the indexer up
        with closing(Archive(Settings(data_dir=archive.folder))) as second:
            _reindex_without_waiting(second, new)
        vector = new.embed_queries(["measles outbreak declared over"])[0]
        exact = archive.cosines(vector, archive.catalog.passage_keys())
        found = dict(archive.search_vectors(vector, len(exact), Filters()))
        assert found == pytest.approx(exact, abs=1e-5)
        with pytest.raises(ArchiveMismatch, match="built with embedder 'other', this program uses 'fake/words'"):
            hits(archive, old)
    archive.wait_until_indexed()
    found = dict(archive.search_vectors(vector, 3, Filters()))
    assert found == pytest.approx({key: exact[key] for key in found}, abs=1e-3)
    assert archive.health().sound


class Turned(WordEmbedder):
    """Its vectors have nothing in common with those of a WordEmbedder."""

    def _vector(self, text: str) -> np.ndarray:
        return np.roll(super()._vector(text), 7)


def _reindex_without_waiting(archive: Archive, embedder: WordEmbedder) -> None:
    archive.wait_until_indexed = lambda: None  # type: ignore[method-assign]
    reindex(archive, embedder)


def test_progress_is_told_with_its_total(archive: Archive) -> None:
    seen: list[tuple[int, int]] = []

    def progress(report: ReindexReport) -> None:
        seen.append((report.articles, report.total))

    reindex(archive, WordEmbedder("other"), progress)
    assert seen[0] == seen[-1] == (10, 10)
