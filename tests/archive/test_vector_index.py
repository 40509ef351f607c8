from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import WordEmbedder
from milvus_server import MilvusServer

from rag.archive.archive import Archive
from rag.archive.indexes.exact_vectors import ExactVectors
from rag.archive.indexes.vector_index import ChromaVectors, VectorIndex
from rag.archive.tables.passages import StoredPassage
from rag.errors import ModelUnavailable, StorageError
from rag.schema import Filters


@pytest.fixture(scope="module")
def in_chroma(stored: Archive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorIndex]:
    """A Chroma index of the ten articles."""
    chroma = ChromaVectors(tmp_path_factory.mktemp("chroma"))
    fill(chroma, stored)
    yield chroma
    chroma.close()


@pytest.fixture(scope="module")
def in_milvus(stored: Archive, milvus: MilvusServer) -> Iterator[VectorIndex]:
    """A Milvus collection of the ten articles."""
    vectors = milvus_vectors(milvus)
    fill(vectors, stored)
    yield vectors
    vectors.close()


@pytest.fixture(scope="module")
def exact(stored: Archive) -> VectorIndex:
    """Exact search over the ten articles."""
    return ExactVectors(stored.catalog)


@pytest.fixture(params=["in_chroma", "in_milvus", "exact"])
def index(request: pytest.FixtureRequest) -> VectorIndex:
    """Each kind of index of the ten articles."""
    found: VectorIndex = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["Chroma", "Milvus"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Opens an index that is empty at first, of each kind that is stored; again after it was closed."""
    server = request.getfixturevalue("milvus") if request.param == "Milvus" else None
    alias, made = f"dateline_{uuid.uuid4().hex}", []

    def index() -> Any:
        made.append(milvus_vectors(server, alias) if server else ChromaVectors(tmp_path / "vectors"))
        return made[-1]

    yield index
    for one in made:
        one.close()


def milvus_vectors(server: MilvusServer, alias: str = "") -> Any:
    from rag.archive.indexes.milvus_vectors import MilvusVectors  # its client may be missing

    return MilvusVectors(server.url(), alias or f"dateline_{uuid.uuid4().hex}")


def fill(index: VectorIndex, archive: Archive) -> list[StoredPassage]:
    """Puts the passages of an archive into an index."""
    everything = passages(archive)
    index.put(everything, archive.catalog.vectors([one.hash for one in everything]))
    return everything


def passages(archive: Archive) -> list[StoredPassage]:
    return [one for article in archive.catalog.articles() for one in archive.catalog.passages_of(article.id)]


def found(archive: Archive, index: VectorIndex, question: str, filters: Filters = Filters(), k: int = 20) -> list[str]:
    """The articles found, best first."""
    by_author = archive.catalog.article_ids(filters) if filters.authors else []
    vector = WordEmbedder().embed_queries([question])[0]
    keys = [key for key, _ in index.search(vector, k, filters, by_author)]
    known = archive.catalog.passages(keys)
    return [known[key].article.id for key in keys]


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (Filters(), {"a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "a10"}),
        (Filters(since=date(2025, 12, 19)), {"a4", "a7", "a10"}),
        (Filters(until=date(2025, 2, 6)), {"a3", "a9"}),  # a8 has no date and is in no range
        (Filters(since=date(2025, 3, 4), until=date(2025, 3, 5)), {"a1", "a2"}),
        (Filters(outlets=("THE TIDE",)), {"a1", "a3", "a7"}),
        (Filters(outlets=("島嶼日報", "Diario del Estrecho")), {"a5", "a6"}),
        (Filters(languages=("ES",)), {"a5"}),
        (Filters(authors=("Núñez", "lund")), {"a5", "a9", "a10"}),
        (Filters(authors=("nobody",)), set()),
        (Filters(outlets=("The Tide",), since=date(2025, 2, 1), authors=("benítez",)), {"a1", "a7"}),
    ],
)
def test_filters_let_through_what_they_say(
    stored: Archive, index: VectorIndex, filters: Filters, ids: set[str]
) -> None:
    assert set(found(stored, index, "the key rate of the bank", filters)) == ids


@pytest.mark.parametrize(
    "question",
    ["ferry Port Selwyn", "parking levy Villasera", "puerto de Almenara", "measles in Harrow Bay", "台北捷運"],
)
def test_every_index_agrees_with_exact_search(index: VectorIndex, exact: VectorIndex, question: str) -> None:
    vector = WordEmbedder().embed_queries([question])[0]
    mine, theirs = (dict(one.search(vector, 5, Filters(), [])) for one in (index, exact))
    # Ties at the end of the five may fall either way; scores may not. The catalogue's float16 has three digits.
    assert sorted(mine.values()) == pytest.approx(sorted(theirs.values()), abs=1e-3)
    assert max(mine, key=lambda key: mine[key]) == max(theirs, key=lambda key: theirs[key])


def test_the_score_is_the_cosine(stored: Archive, index: VectorIndex) -> None:
    one = passages(stored)[0]
    vector = stored.catalog.vectors([one.hash])[0]
    key, score = index.search(vector, 1, Filters(), [])[0]
    assert (key, round(score, 3)) == (one.key, 1.0)


def test_at_most_k_are_given_best_first(index: VectorIndex) -> None:
    hits = index.search(WordEmbedder().embed_queries(["ferry"])[0], 3, Filters(), [])
    assert len(hits) == 3
    assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)


def test_putting_twice_doubles_nothing_and_dropping_takes_an_article(
    stored: Archive, opened: Callable[[], Any]
) -> None:
    index = opened()
    assert (index.keys(), index.count()) == (set(), 0)
    everything = fill(index, stored)
    vectors = stored.catalog.vectors([one.hash for one in everything])
    fill(index, stored)
    assert index.count() == len(index.keys()) == len(everything)
    index.drop_articles(["a1", "unknown"])
    index.drop_articles([])
    assert index.keys() == {one.key for one in everything if one.passage.article.id != "a1"}
    index.clear()
    assert index.keys() == set()
    assert index.search(vectors[0], 5, Filters(), []) == []


def test_an_index_is_read_again_after_it_was_closed(stored: Archive, opened: Callable[[], Any]) -> None:
    for _ in range(2):
        index = opened()
        everything = fill(index, stored)
        index.close()
    assert opened().keys() == {one.key for one in everything}


def test_a_rebuild_is_seen_when_it_is_finished(stored: Archive, opened: Callable[[], Any]) -> None:
    index = opened()
    everything = fill(index, stored)
    vectors = stored.catalog.vectors([one.hash for one in everything])
    index.begin_rebuild()
    index.put(everything[:2], vectors[:2])
    assert len(index.search(vectors[0], 100, Filters(), [])) == len(everything)
    index.finish_rebuild()
    assert {key for key, _ in index.search(vectors[0], 100, Filters(), [])} == {one.key for one in everything[:2]}
    index.begin_rebuild()
    index.put(everything[:1], vectors[:1])
    index.close()  # as where the process was killed
    again = opened()
    assert again.keys() == {one.key for one in everything[:2]}
    again.begin_rebuild()
    again.put(everything, vectors)
    again.finish_rebuild()
    assert again.keys() == {one.key for one in everything}


def test_a_damaged_folder_is_reported_and_can_be_made_anew_in_the_same_process(tmp_path: Path) -> None:
    folder = tmp_path / "vectors"
    ChromaVectors(folder).close()
    (folder / "chroma.sqlite3").write_bytes(b"no database " * 1000)
    with pytest.raises(StorageError, match="No article is lost: dateline rebuild"):
        ChromaVectors(folder)
    (folder / "chroma.sqlite3").unlink()
    anew = ChromaVectors(folder)
    assert anew.count() == 0
    anew.close()


def test_a_server_that_does_not_answer_is_named_with_its_url(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="DATELINE_CHROMA_URL=http://127.0.0.1:9: .*Start it"):
        ChromaVectors(tmp_path, "http://127.0.0.1:9")
    assert list(tmp_path.iterdir()) == []


def test_exact_search_follows_the_catalogue(archive: Archive) -> None:
    exact = ExactVectors(archive.catalog)
    vector = WordEmbedder().embed_queries(["ferry"])[0]
    before = len(exact.search(vector, 100, Filters(), []))
    archive.catalog.remove("a1")
    exact.refresh()
    assert len(exact.search(vector, 100, Filters(), [])) == before - 1 == exact.count() == len(exact.keys())


def test_exact_search_over_nothing_finds_nothing(empty_archive: Archive) -> None:
    assert ExactVectors(empty_archive.catalog).search(np.ones(3, dtype=np.float32), 5, Filters(), []) == []
