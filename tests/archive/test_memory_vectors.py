"""Vector search over what the process holds in memory, and what it keeps of that for the next start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from fakes import WordEmbedder

from eval.datasets import generated
from ingest.pipeline import ingest
from ingest.reindex import reindex
from rag.archive import indexer
from rag.archive.archive import Archive
from rag.archive.indexes import memory_vectors, vector_graph
from rag.archive.indexes.exact_vectors import ExactVectors
from rag.archive.indexes.memory_vectors import MemoryVectors
from rag.archive.indexes.vector_graph import VectorGraph
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


@pytest.fixture(autouse=True)
def the_graph_looks_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors of random directions have no neighbours to speak of, so that few rows would not lead to the best."""
    monkeypatch.setattr(vector_graph, "_LOOKED_AT", 400)
    monkeypatch.setattr(vector_graph, "_FEW", 0)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """An archive of 300 articles whose vectors have random directions."""
    with_many = Archive(Settings(data_dir=tmp_path_factory.mktemp("many"), llm="none"))
    ingest(dated(1200), with_many, generated.HashEmbedder())
    yield with_many
    with_many.close()


def memory_of(archive: Archive) -> MemoryVectors:
    """What would hold the vectors of an archive, in a folder of its own."""
    return MemoryVectors(archive.catalog, Priority(), archive.folder / "another", "another")


def read(archive: Archive) -> MemoryVectors:
    """The vectors of an archive, read."""
    memory = memory_of(archive)
    memory.wanted = True
    memory.read(never)
    return memory


def never() -> bool:
    return False


def keys(found: list[tuple[int, float]] | None) -> list[int]:
    assert found is not None
    return [key for key, _ in found]


@pytest.mark.parametrize("filters", [Filters(), OF_A_WEEK, OF_AN_OUTLET, OF_MOST])
def test_the_best_of_what_a_filter_leaves_are_found(many: Archive, filters: Filters) -> None:
    memory, exact = read(many), ExactVectors(many.catalog)
    for vector in generated.HashEmbedder().embed_queries(generated.questions(20)):
        found, best = memory.search(vector, 10, filters, []), exact.search(vector, 10, filters, [])
        assert keys(found) == keys(best)
        assert [score for _, score in found or []] == pytest.approx([score for _, score in best], abs=1e-6)


def test_what_a_wide_filter_leaves_is_taken_from_the_nearest_of_all(
    many: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_vectors, "_COMPARED_FOR_ONE", 1)
    memory, exact, asked = read(many), ExactVectors(many.catalog), []
    assert memory._table is not None
    assert memory._table.graph is not None
    graph = memory._table.graph
    of_graph = graph.nearest

    def nearest(vector: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        asked.append(k)
        return of_graph(vector, k)

    def nothing(vector: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)

    vector = generated.HashEmbedder().embed_queries(["six words of the vocabulary here"])[0]
    best = keys(exact.search(vector, 10, OF_MOST, []))
    monkeypatch.setattr(graph, "nearest", nearest)
    assert keys(memory.search(vector, 10, OF_MOST, [])) == best
    assert asked
    assert asked[0] < 40
    # Where too few of the nearest of all are within the filter, all that are within it are compared.
    monkeypatch.setattr(graph, "nearest", nothing)
    assert keys(memory.search(vector, 10, OF_MOST, [])) == best


def test_authors_are_told_by_their_articles(many: Archive) -> None:
    memory = read(many)
    vector = generated.HashEmbedder().embed_queries(["anything"])[0]
    found = keys(memory.search(vector, 100, Filters(authors=("somebody",)), ["g7", "unknown"]))
    assert set(found) == {one.key for one in many.catalog.passages_of("g7")}
    assert memory.search(vector, 5, Filters(authors=("nobody",)), []) == []
    assert memory.search(vector, 5, Filters(outlets=("never seen",)), []) == []


@pytest.mark.parametrize("filters", [Filters(), Filters(languages=("es",))])
def test_chroma_is_not_asked_once_the_vectors_are_in_memory(
    archive: Archive, tmp_path_factory: pytest.TempPathFactory, filters: Filters
) -> None:
    memory = memory_of(archive)
    empty = ChromaVectors(tmp_path_factory.mktemp("empty"), memory=memory)
    vector = WordEmbedder().embed_queries(["ferry"])[0]
    try:
        memory.read(never)  # reads nothing, as it is not wanted
        assert empty.search(vector, 5, filters, []) == []
        memory.wanted = True
        memory.read(never)
        assert keys(empty.search(vector, 50, filters, [])) == keys(
            ExactVectors(archive.catalog).search(vector, 50, filters, [])
        )
        assert empty.search_stored(vector, 5) == []
    finally:
        empty.close()


def test_changes_of_the_catalogue_are_followed(archive: Archive, articles: list[Article]) -> None:
    memory = read(archive)
    vector = WordEmbedder().embed_queries(["ferry"])[0]

    def of_the_tide() -> set[int]:
        memory.follow()
        return set(keys(memory.search(vector, 100, Filters(outlets=("The Tide",)), [])))

    def stored(*ids: str) -> set[int]:
        return {one.key for article in ids for one in archive.catalog.passages_of(article)}

    assert of_the_tide() == stored("a1", "a3", "a7")
    archive.catalog.remove("a3")
    assert of_the_tide() == stored("a1", "a7")
    changed = replace(articles[0], text=articles[0].text + "\n\nA sentence more about the ferry.", outlet="Gazette")
    new = replace(articles[0], id="new", source="new", title="Another", text="The ferry came back to the harbour.")
    ingest([changed, new], archive, WordEmbedder())
    assert of_the_tide() == stored("a7", "new")


def test_cosines_are_those_of_the_passages_that_are_there(archive: Archive, articles: list[Article]) -> None:
    memory, vector = read(archive), WordEmbedder().embed_queries(["ferry harbour"])[0]

    def agree() -> bool:
        memory.follow()
        every = archive.catalog.passage_keys()
        present, vectors = archive.catalog.vectors_of(every)
        found = memory.cosines(vector, [*every, 10**9, -1])
        return found == pytest.approx(dict(zip(present, (vectors @ vector).tolist(), strict=True)))

    assert agree()
    gone = archive.catalog.passages_of("a3")[0].key
    archive.catalog.remove("a3")
    ingest([replace(one, outlet="Another") for one in articles[:2]], archive, WordEmbedder())
    assert agree()
    assert memory.cosines(vector, [gone]) == memory.cosines(vector, []) == {}


def test_scores_are_the_same_before_the_vectors_are_read(
    archive: Archive, tmp_path_factory: pytest.TempPathFactory
) -> None:
    memory = memory_of(archive)
    chroma = ChromaVectors(tmp_path_factory.mktemp("chroma"), memory=memory)
    try:
        for article in archive.catalog.articles(limit=-1):
            stored = archive.catalog.passages_of(article.id)
            chroma.put(stored, archive.catalog.vectors([one.hash for one in stored]))
        vector = WordEmbedder().embed_queries(["ferry harbour lighthouse"])[0]
        before = chroma.search(vector, 20, Filters(), [])
        memory.wanted = True
        memory.read(never)
        after = chroma.search(vector, 20, Filters(), [])
        assert keys(before) == keys(after)
        assert [score for _, score in before] == pytest.approx([score for _, score in after], abs=1e-6)
    finally:
        chroma.close()


def test_rows_that_were_removed_are_cleared_away(archive: Archive, articles: list[Article]) -> None:
    memory = read(archive)
    vector = WordEmbedder().embed_queries(["ferry"])[0]
    for n in range(4):
        ingest([replace(one, text=f"{one.text} Edited {n}.") for one in articles], archive, WordEmbedder())
        memory.follow()
    memory.read(never)
    table = memory._table
    assert table is not None
    assert table.share_removed <= 0.25
    found = keys(memory.search(vector, 1000, Filters(languages=("en", "es", "zh")), []))
    assert set(found) <= set(archive.catalog.passage_keys())
    assert found


def test_after_a_change_of_the_embedder_the_old_vectors_are_not_searched(archive: Archive) -> None:
    memory = read(archive)
    reindex(archive, WordEmbedder("other/words", dim=64))
    other = WordEmbedder(dim=64).embed_queries(["ferry"])[0]
    assert memory.search(other, 5, Filters(languages=("es",)), []) is None
    memory.follow()
    memory.read(never)
    found = memory.search(other, 5, Filters(languages=("es",)), [])
    assert keys(found) == [one.key for one in archive.catalog.passages_of("a5")]


def test_a_change_of_the_embedder_within_a_search_is_noticed(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, compare, done = read(archive), VectorGraph.nearest_within, []

    def switched_before(self: VectorGraph, *given: Any) -> tuple[np.ndarray, np.ndarray]:
        done or done.append(reindex(archive, WordEmbedder(name="words-2")))
        return compare(self, *given)

    monkeypatch.setattr(VectorGraph, "nearest_within", switched_before)
    vector = WordEmbedder().embed_queries(["ferry"])[0]
    assert memory.search(vector, 3, Filters(languages=("en",)), []) is None
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
    assert archive.indexer._vector_follower.memory.search(vector, 5, Filters(outlets=("x",)), []) == []


def test_an_empty_archive_holds_nothing(empty_archive: Archive) -> None:
    memory = read(empty_archive)
    assert memory.search(np.ones(3, dtype=np.float32), 5, Filters(languages=("en",)), []) is None


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of an archive of 25 articles that was searched and closed, and whose vectors were kept."""
    monkeypatch.setattr(memory_vectors, "_KEPT_FROM", 20)
    settings = Settings(data_dir=tmp_path / "kept", llm="none")
    with closing(Archive(settings)) as archive:
        ingest(dated(100), archive, generated.HashEmbedder())
        found_in(archive)
        archive.wait_until_threaded()  # for the vectors; else closing the archive may come before they are read
    assert {path.name for path in (settings.folder / "graph").iterdir()} == {
        "state.json",
        "vectors.faiss",
        "columns.npz",
    }
    return settings


def found_in(archive: Archive, filters: Filters = OF_AN_OUTLET) -> list[tuple[int, float]]:
    vector = generated.HashEmbedder().embed_queries(["six words of the vocabulary here"])[0]
    return archive.search_vectors(vector, 10, filters)


def forbid_to_read_all(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("all vectors were read")  # what pytest.fail raises would end the thread

    monkeypatch.setattr(archive.catalog, "passage_facts", read)


def forbid_to_search_chroma(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = archive.indexer.vectors()  # not the class: other archives of these tests thread their stories meanwhile
    monkeypatch.setattr(opened, "_nearest", lambda *_: pytest.fail("Chroma was searched"))


def test_what_was_kept_is_read_at_the_next_start_and_changes_are_added(
    kept: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Archive(kept)) as archive:
        forbid_to_read_all(archive, monkeypatch)
        archive.begin_opening()
        archive.wait_until_indexed()  # for which Chroma may be searched, to see whether it is whole
        forbid_to_search_chroma(archive, monkeypatch)
        exact = ExactVectors(archive.catalog)
        vector = generated.HashEmbedder().embed_queries(["six words of the vocabulary here"])[0]
        assert keys(found_in(archive)) == keys(exact.search(vector, 10, OF_AN_OUTLET, []))
        archive.catalog.remove("g1")
        new = replace(dated(4)[0], id="new", source="new", outlet="Gazette")
        ingest([new], archive, generated.HashEmbedder())
        archive.wait_until_indexed()
        exact.refresh()
        for filters in (Filters(), OF_AN_OUTLET, OF_MOST):
            assert keys(found_in(archive, filters)) == keys(exact.search(vector, 10, filters, []))


@pytest.mark.parametrize("fault", ["cut", "changed", "another format", "no state", "older catalogue"])
def test_what_was_kept_is_not_used_where_it_is_not_whole_or_of_another_state(
    kept: Settings, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    graph, state = kept.folder / "graph" / "vectors.faiss", kept.folder / "graph" / "state.json"
    content = graph.read_bytes()
    if fault == "cut":
        graph.write_bytes(content[: len(content) // 2])
    elif fault == "changed":
        graph.write_bytes(content[:-9] + bytes(9))
    elif fault == "another format":
        state.write_text(state.read_text().replace('"format": 1', '"format": 0'))
    elif fault == "no state":
        state.unlink()
    else:
        with closing(Archive(kept)) as archive:
            archive.catalog.set_followed("graph", 3)
    with closing(Archive(kept)) as archive:
        found_in(archive)
        archive.wait_until_threaded()
        forbid_to_search_chroma(archive, monkeypatch)
        vector = generated.HashEmbedder().embed_queries(["six words of the vocabulary here"])[0]
        exact = ExactVectors(archive.catalog)
        assert keys(found_in(archive)) == keys(exact.search(vector, 10, OF_AN_OUTLET, []))


def test_vectors_that_cannot_be_kept_are_told_and_read_at_the_next_start(
    kept: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: VectorGraph, path: Path) -> None:
        raise OSError("No space left on device")

    with closing(Archive(kept)) as archive:
        monkeypatch.setattr(VectorGraph, "save", full)
        archive.rebuild()
        found_in(archive)
        archive.wait_until_threaded()
    assert "cannot be kept for the next start: No space left on device" in caplog.text
    with closing(Archive(kept)) as archive:
        assert len(found_in(archive)) == 10


def test_a_process_that_asks_once_reads_what_was_kept_but_not_all_of_a_large_archive(
    kept: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "EXACT_PASSAGES", 50)
    with closing(Archive(kept, asks_once=True)) as archive:
        forbid_to_read_all(archive, monkeypatch)
        found = found_in(archive)
    (kept.folder / "graph" / "state.json").unlink()
    with closing(Archive(kept, asks_once=True)) as archive:
        forbid_to_read_all(archive, monkeypatch)
        assert keys(found_in(archive)) == keys(found)


def test_searches_go_on_while_passages_are_added() -> None:
    vectors = generated.HashEmbedder().embed_passages([f"text {n}" for n in range(3000)])
    graph, wrong = VectorGraph(vectors.shape[1]), []
    graph.add(vectors[:500])

    def search() -> None:
        for n in range(500):
            if graph.nearest(vectors[n], 5)[0][0] != n:
                wrong.append(n)

    searching = [Thread(target=search) for _ in range(3)]
    for thread in searching:
        thread.start()
    for start in range(500, 3000, 50):
        graph.add(vectors[start : start + 50])
    for thread in searching:
        thread.join()
    assert len(graph) == 3000
    assert len(wrong) <= 3 * 5  # an approximate search may miss some
