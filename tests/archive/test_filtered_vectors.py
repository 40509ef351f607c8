"""Vector search within filters, over what the process holds in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from fakes import WordEmbedder

from eval.datasets import generated
from ingest.pipeline import ingest
from ingest.reindex import reindex
from rag.archive.archive import Archive
from rag.archive.indexes import filtered_vectors
from rag.archive.indexes.exact_vectors import ExactVectors
from rag.archive.indexes.filtered_vectors import FilteredVectors
from rag.archive.indexes.vector_index import ChromaVectors
from rag.archive.priority import Priority
from rag.schema import Article, Filters
from rag.settings import Settings

FIRST = date(2020, 1, 1)
OUTLETS = ("The Tide", "Gazette", "Ημερήσια")
OF_A_WEEK = Filters(since=FIRST + timedelta(days=100), until=FIRST + timedelta(days=106))
OF_AN_OUTLET = Filters(outlets=("gazette",), languages=("EN",))
OF_MOST = Filters(since=FIRST + timedelta(days=30))


def dated(passages: int) -> list[Article]:
    """Generated articles, one a day, of three outlets; each tenth has no day."""
    return [
        replace(
            article,
            published=None if n % 10 == 9 else datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=n),
            outlet=OUTLETS[n % 3],
        )
        for n, article in enumerate(generated.articles(passages))
    ]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """An archive of 300 articles whose vectors have random directions."""
    with_many = Archive(Settings(data_dir=tmp_path_factory.mktemp("many"), llm="none"))
    ingest(dated(1200), with_many, generated.HashEmbedder())
    yield with_many
    with_many.close()


def read(archive: Archive) -> FilteredVectors:
    """The vectors of an archive, read."""
    filtered = FilteredVectors(archive.catalog, Priority())
    filtered.wanted = True
    filtered.bring_up()
    return filtered


def nothing_near(vector: np.ndarray, k: int) -> list[tuple[int, float]]:
    """A search without a filter that finds nothing."""
    return []


def keys(found: list[tuple[int, float]] | None) -> list[int]:
    assert found is not None
    return [key for key, _ in found]


@pytest.mark.parametrize("filters", [OF_A_WEEK, OF_AN_OUTLET, OF_MOST])
def test_the_best_of_what_a_filter_leaves_are_found(many: Archive, filters: Filters) -> None:
    filtered, exact = read(many), ExactVectors(many.catalog)
    for vector in generated.HashEmbedder().embed_queries(generated.questions(20)):
        found, best = filtered.search(vector, 10, filters, [], nothing_near), exact.search(vector, 10, filters, [])
        assert keys(found) == keys(best)
        assert [score for _, score in found or []] == pytest.approx([score for _, score in best], abs=1e-6)


def test_what_a_wide_filter_leaves_is_taken_from_the_nearest_of_all(
    many: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtered_vectors, "_MANY", 100)
    filtered, exact, asked = read(many), ExactVectors(many.catalog), []

    def nearest(vector: np.ndarray, k: int) -> list[tuple[int, float]]:
        asked.append(k)
        return exact.search(vector, k, Filters(), [])

    vector = generated.HashEmbedder().embed_queries(["six words of the vocabulary here"])[0]
    assert keys(filtered.search(vector, 10, OF_MOST, [], nearest)) == keys(exact.search(vector, 10, OF_MOST, []))
    assert asked
    assert asked[0] < 40
    # Where the nearest of all are too few, all that are within the filter are looked at.
    assert keys(filtered.search(vector, 10, OF_MOST, [], nothing_near)) == keys(exact.search(vector, 10, OF_MOST, []))


def test_authors_are_told_by_their_articles(many: Archive) -> None:
    filtered = read(many)
    vector = generated.HashEmbedder().embed_queries(["anything"])[0]
    found = keys(filtered.search(vector, 100, Filters(authors=("somebody",)), ["g7", "unknown"], nothing_near))
    assert set(found) == {one.key for one in many.catalog.passages_of("g7")}
    assert filtered.search(vector, 5, Filters(authors=("nobody",)), [], nothing_near) == []
    assert filtered.search(vector, 5, Filters(outlets=("never seen",)), [], nothing_near) == []


def test_chroma_is_not_asked_where_there_is_a_filter(
    archive: Archive, tmp_path_factory: pytest.TempPathFactory
) -> None:
    filtered = FilteredVectors(archive.catalog, Priority())
    empty = ChromaVectors(tmp_path_factory.mktemp("empty"), filtered=filtered)
    vector = WordEmbedder().embed_queries(["ferry"])[0]
    try:
        filtered.bring_up()  # reads nothing, as it is not wanted
        assert empty.search(vector, 5, Filters(languages=("es",)), []) == []
        filtered.wanted = True
        filtered.bring_up()
        assert keys(empty.search(vector, 5, Filters(languages=("es",)), [])) == [
            one.key for one in archive.catalog.passages_of("a5")
        ]
        assert empty.search(vector, 5, Filters(), []) == []
    finally:
        empty.close()


def test_changes_of_the_catalogue_are_followed(archive: Archive, articles: list[Article]) -> None:
    filtered = read(archive)
    vector = WordEmbedder().embed_queries(["ferry"])[0]

    def of_the_tide() -> set[int]:
        filtered.bring_up()
        return set(keys(filtered.search(vector, 100, Filters(outlets=("The Tide",)), [], nothing_near)))

    def stored(*ids: str) -> set[int]:
        return {one.key for article in ids for one in archive.catalog.passages_of(article)}

    assert of_the_tide() == stored("a1", "a3", "a7")
    archive.catalog.remove("a3")
    assert of_the_tide() == stored("a1", "a7")
    changed = replace(articles[0], text=articles[0].text + "\n\nA sentence more about the ferry.", outlet="Gazette")
    new = replace(articles[0], id="new", source="new", title="Another", text="The ferry came back to the harbour.")
    ingest([changed, new], archive, WordEmbedder())
    assert of_the_tide() == stored("a7", "new")


def test_rows_that_were_removed_are_cleared_away(archive: Archive, articles: list[Article]) -> None:
    filtered = read(archive)
    vector = WordEmbedder().embed_queries(["ferry"])[0]
    for n in range(4):
        ingest([replace(one, text=f"{one.text} Edited {n}.") for one in articles], archive, WordEmbedder())
        filtered.bring_up()
    filtered.bring_up()
    table = filtered._table
    assert table is not None
    assert table.share_removed <= 0.25
    found = keys(filtered.search(vector, 1000, Filters(languages=("en", "es", "zh")), [], nothing_near))
    assert set(found) <= set(archive.catalog.passage_keys())
    assert found


def test_after_a_change_of_the_embedder_the_old_vectors_are_not_searched(archive: Archive) -> None:
    filtered = read(archive)
    reindex(archive, WordEmbedder("other/words", dim=64))
    other = WordEmbedder(dim=64).embed_queries(["ferry"])[0]
    assert filtered.search(other, 5, Filters(languages=("es",)), [], nothing_near) is None
    filtered.bring_up()
    found = filtered.search(other, 5, Filters(languages=("es",)), [], nothing_near)
    assert keys(found) == [one.key for one in archive.catalog.passages_of("a5")]


def test_a_change_of_the_embedder_within_a_search_is_noticed(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    filtered, read_vectors, done = read(archive), archive.catalog.vectors_of, []

    def switched_before(keys: Sequence[int]) -> tuple[list[int], np.ndarray]:
        done or done.append(reindex(archive, WordEmbedder(name="words-2")))
        return read_vectors(keys)

    monkeypatch.setattr(archive.catalog, "vectors_of", switched_before)
    vector = WordEmbedder().embed_queries(["ferry"])[0]
    assert filtered.search(vector, 3, Filters(languages=("en",)), [], nothing_near) is None
    assert done


def test_a_search_within_a_filter_finds_what_was_stored_just_before(archive: Archive, articles: list[Article]) -> None:
    vector = WordEmbedder().embed_queries(["ferry"])[0]
    archive.search_vectors(vector, 5, Filters(languages=("es",)))
    archive.wait_until_indexed()
    new = replace(articles[0], id="new", source="new", outlet="Only Here", text="The ferry came back to the harbour.")
    ingest([new], archive, WordEmbedder())
    archive.wait_until_indexed()
    found = archive.search_vectors(vector, 5, Filters(outlets=("only here",)))
    assert keys(found) == [one.key for one in archive.catalog.passages_of("new")]
    assert archive.indexer._vector_follower.filtered.search(vector, 5, Filters(outlets=("x",)), [], nothing_near) == []


def test_an_empty_archive_holds_nothing(empty_archive: Archive) -> None:
    filtered = read(empty_archive)
    assert filtered.search(np.ones(3, dtype=np.float32), 5, Filters(languages=("en",)), [], nothing_near) is None
