from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from fakes import WordEmbedder

from rag.archive.archive import Archive
from rag.archive.indexes.vector_index import ChromaVectors, ExactVectors, VectorIndex
from rag.archive.tables.passages import StoredPassage
from rag.errors import ModelUnavailable, StorageError
from rag.schema import Filters


@pytest.fixture(scope="module")
def indexes(stored: Archive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, VectorIndex]]:
    """Chroma and exact search over the ten articles."""
    chroma = ChromaVectors(tmp_path_factory.mktemp("chroma"))
    everything = passages(stored)
    chroma.put(everything, stored.catalog.vectors([one.hash for one in everything]))
    yield {"chroma": chroma, "exact": ExactVectors(stored.catalog)}
    chroma.close()


def passages(archive: Archive) -> list[StoredPassage]:
    return [one for article in archive.catalog.articles() for one in archive.catalog.passages_of(article.id)]


def found(archive: Archive, index: VectorIndex, question: str, filters: Filters = Filters(), k: int = 20) -> list[str]:
    """The articles found, best first."""
    by_author = archive.catalog.article_ids(filters) if filters.authors else []
    vector = WordEmbedder().embed_queries([question])[0]
    keys = [key for key, _ in index.search(vector, k, filters, by_author)]
    known = archive.catalog.passages(keys)
    return [known[key].article.id for key in keys]


@pytest.mark.parametrize("name", ["chroma", "exact"])
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
    stored: Archive, indexes: dict[str, VectorIndex], name: str, filters: Filters, ids: set[str]
) -> None:
    assert set(found(stored, indexes[name], "the key rate of the bank", filters)) == ids


@pytest.mark.parametrize(
    "question",
    ["ferry Port Selwyn", "parking levy Villasera", "puerto de Almenara", "measles in Harrow Bay", "台北捷運"],
)
def test_chroma_and_exact_search_agree(stored: Archive, indexes: dict[str, VectorIndex], question: str) -> None:
    vector = WordEmbedder().embed_queries([question])[0]
    chroma, exact = (dict(indexes[name].search(vector, 5, Filters(), [])) for name in ("chroma", "exact"))
    # Ties at the end of the five may fall either way; scores may not. The catalogue's float16 has three digits.
    assert sorted(chroma.values()) == pytest.approx(sorted(exact.values()), abs=1e-3)
    assert max(chroma, key=lambda key: chroma[key]) == max(exact, key=lambda key: exact[key])


def test_the_score_is_the_cosine(stored: Archive, indexes: dict[str, VectorIndex]) -> None:
    one = passages(stored)[0]
    vector = stored.catalog.vectors([one.hash])[0]
    for index in indexes.values():
        key, score = index.search(vector, 1, Filters(), [])[0]
        assert (key, round(score, 3)) == (one.key, 1.0)


@pytest.mark.parametrize("name", ["chroma", "exact"])
def test_at_most_k_are_given_best_first(stored: Archive, indexes: dict[str, VectorIndex], name: str) -> None:
    hits = indexes[name].search(WordEmbedder().embed_queries(["ferry"])[0], 3, Filters(), [])
    assert len(hits) == 3
    assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)


def test_putting_twice_doubles_nothing_and_dropping_takes_an_article(stored: Archive, tmp_path: Path) -> None:
    chroma = ChromaVectors(tmp_path / "vectors")
    everything = passages(stored)
    vectors = stored.catalog.vectors([one.hash for one in everything])
    chroma.put(everything, vectors)
    chroma.put(everything, vectors)
    assert chroma.count() == len(chroma.keys()) == len(everything)
    chroma.drop_articles(["a1", "unknown"])
    assert chroma.keys() == {one.key for one in everything if one.passage.article.id != "a1"}
    chroma.clear()
    assert chroma.keys() == set()
    assert chroma.search(vectors[0], 5, Filters(), []) == []
    chroma.close()


def test_a_folder_is_read_again_after_it_was_closed(stored: Archive, tmp_path: Path) -> None:
    everything = passages(stored)
    for _ in range(2):
        chroma = ChromaVectors(tmp_path / "vectors")
        chroma.put(everything, stored.catalog.vectors([one.hash for one in everything]))
        chroma.close()
    again = ChromaVectors(tmp_path / "vectors")
    assert again.keys() == {one.key for one in everything}
    again.close()


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
