"""What must not happen to the vectors in memory: to be behind the catalogue unnoticed, or another archive's."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from shutil import copytree, rmtree
from threading import Thread

import numpy as np
import pytest

from eval.datasets import generated
from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.archive.indexes import memory_vectors, vector_graph
from rag.archive.indexes.memory_vectors import MemoryVectors
from rag.archive.indexes.vector_graph import VectorGraph
from rag.archive.priority import Priority
from rag.schema import Filters
from rag.settings import Settings

QUESTION = "six words of the vocabulary here"
EMBEDDER = generated.HashEmbedder()


@pytest.fixture(autouse=True)
def small_archives_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_vectors, "_KEPT_FROM", 20)


def kept_archive(folder: Path, first: int = 0) -> Settings:
    """The settings of an archive of 25 articles, those from number `first` on, whose vectors were kept."""
    settings = Settings(data_dir=folder, llm="none")
    with closing(Archive(settings)) as archive:
        ingest(list(generated.articles(4 * (first + 25)))[first:], archive, EMBEDDER)
        search(archive)
        archive.wait_until_threaded()
    assert (settings.folder / "graph" / "state.json").exists()
    return settings


def search(archive: Archive, question: str = QUESTION, k: int = 10) -> list[int]:
    return [key for key, _ in archive.search_vectors(EMBEDDER.embed_queries([question])[0], k, Filters())]


def store_one(archive: Archive) -> int:
    """Stores an article of one passage in the catalogue; its key."""
    new = replace(next(iter(generated.articles(4))), id="new", source="new", text="The ferry came back to the harbour.")
    ingest([new], archive, EMBEDDER)
    return archive.catalog.passages_of("new")[0].key


def vector_of(archive: Archive, key: int) -> np.ndarray:
    vector: np.ndarray = archive.catalog.vectors_of([key])[1][0]
    return vector


def test_the_first_search_after_a_start_finds_what_was_stored_since_the_vectors_were_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = kept_archive(tmp_path / "kept")
    with closing(Archive(settings, asks_once=True)) as archive:
        new = store_one(archive)
        nearest = vector_of(archive, new)
    found: list[tuple[int, float]] = []
    with closing(Archive(settings)) as archive:
        words = archive.indexer._keyword_follower
        apply = words.bring_up

        def searched_before(noted: object) -> None:  # Chroma is open by then, and searched
            if not found:
                found.extend(archive.search_vectors(nearest, 1, Filters()))
            apply(noted)

        monkeypatch.setattr(words, "bring_up", searched_before)
        archive.begin_opening()
        archive.wait_until_indexed()
    assert [key for key, _ in found] == [new]


def test_another_process_that_waits_is_not_told_before_the_vectors_in_memory_have_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = kept_archive(tmp_path / "kept")
    with closing(Archive(settings)) as archive, closing(Archive(settings)) as other:
        search(archive)
        archive.wait_until_threaded()
        near_duplicates = archive.indexer._near_duplicates
        found, compare = [], near_duplicates.bring_up

        def searched_before() -> None:
            stored = archive.catalog.passages_of("new")
            if stored and not found and archive.changes_behind() == 0:
                found.extend(archive.search_vectors(vector_of(archive, stored[0].key), 1, Filters()))
            compare()

        monkeypatch.setattr(near_duplicates, "bring_up", searched_before)
        new = store_one(other)
        archive.wait_until_indexed()
        assert [key for key, _ in found] == [new]


def test_what_another_archive_has_kept_is_not_searched(tmp_path: Path) -> None:
    one, other = kept_archive(tmp_path / "one"), kept_archive(tmp_path / "other", first=25)
    rmtree(one.folder / "graph")
    copytree(other.folder / "graph", one.folder / "graph")
    with closing(Archive(one)) as archive:
        key = archive.catalog.passage_keys()[0]
        (found,) = archive.search_vectors(vector_of(archive, key), 1, Filters())
        archive.wait_until_threaded()
        assert found[0] == key
        assert found[1] == pytest.approx(1, abs=1e-3)
        assert archive.search_vectors(vector_of(archive, key), 1, Filters())[0][0] == key


@pytest.mark.parametrize("fault", ["cut", "another format", "gone"])
def test_what_cannot_be_read_is_looked_at_once_and_kept_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    settings = kept_archive(tmp_path / "kept")
    graph, state = settings.folder / "graph" / "vectors.faiss", settings.folder / "graph" / "state.json"
    if fault == "cut":
        graph.write_bytes(graph.read_bytes()[:1000])
    elif fault == "another format":
        state.write_text(state.read_text().replace('"format": 1', '"format": 0'))
    else:
        rmtree(settings.folder / "graph")
    checks, looked = memory_vectors._checks, []

    def counted(folder: Path) -> dict[str, int]:
        looked.append(folder)
        return checks(folder)

    monkeypatch.setattr(memory_vectors, "_checks", counted)
    monkeypatch.setattr(MemoryVectors, "read", lambda *_: None)  # it would take minutes, with passes in between
    with closing(Archive(settings)) as archive:
        for _ in range(4):
            search(archive)
            archive.wait_until_indexed()
        assert len(looked) <= 1
    monkeypatch.undo()
    monkeypatch.setattr(memory_vectors, "_KEPT_FROM", 20)
    with closing(Archive(settings)) as archive:
        search(archive)
        archive.wait_until_threaded()
    with closing(Archive(settings)) as archive:
        monkeypatch.setattr(archive.catalog, "passage_facts", lambda *_: no_reading())
        search(archive)
        archive.wait_until_threaded()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_the_folder_of_kept_vectors_is_closed_to_other_users(tmp_path: Path) -> None:
    settings = kept_archive(tmp_path / "kept")
    (settings.folder / "graph").chmod(0o755)  # as where a backup was put back
    with closing(Archive(settings)) as archive:
        archive.own_indexes()
    assert (settings.folder / "graph").stat().st_mode & 0o777 == 0o700


def no_reading() -> None:
    raise AssertionError("read nevertheless")  # what pytest.fail raises would end the thread, and the test wait for it


def in_a_thread(call: Callable[[], object]) -> None:
    thread = Thread(target=call)
    thread.start()
    thread.join()


def test_a_thread_that_has_searched_makes_a_graph_with_all_cores() -> None:
    import faiss

    vectors, threads = EMBEDDER.embed_passages(["one", "two"]), []

    def count() -> None:
        threads.append(faiss.omp_get_max_threads())

    def search_and_make_another() -> None:
        graph = VectorGraph(vectors.shape[1])
        graph.add(vectors)
        graph.nearest(vectors[0], 1)
        VectorGraph(vectors.shape[1]).add(vectors)
        count()

    in_a_thread(count)
    in_a_thread(search_and_make_another)
    assert threads[1] == threads[0]


def test_vectors_that_could_not_be_added_are_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Archive(Settings(data_dir=tmp_path / "new", llm="none"))) as archive:
        ingest(list(generated.articles(40)), archive, EMBEDDER)
        memory = MemoryVectors(archive.catalog, Priority(), archive.folder / "another", "another")
        memory.wanted = True
        memory.read(lambda: False)
        add = VectorGraph.add

        def half(self: VectorGraph, vectors: np.ndarray) -> None:
            add(self, -vectors[:1])
            raise MemoryError

        monkeypatch.setattr(VectorGraph, "add", half)
        new = store_one(archive)
        with pytest.raises(MemoryError):
            memory.follow()
        monkeypatch.undo()
        memory.follow()
        found = memory.search(vector_of(archive, new), 1, Filters(), [])
        assert found is None or found[0][0] == new


def test_faiss_is_not_imported_before_vectors_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_graph, "is_available", lambda: no_reading())
    with closing(Archive(Settings(data_dir=tmp_path / "new", llm="none"))) as archive:
        ingest(list(generated.articles(40)), archive, EMBEDDER)
        archive.wait_until_indexed()


def test_copies_of_texts_do_not_hide_others(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    shared, directions = random.normal(size=(1, 384)), random.normal(size=(40, 384))
    made = shared + random.normal(size=(3010, 40)) @ directions / 4  # as near to each other as texts of one archive
    vectors = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    vectors = np.concatenate([vectors[:3000], np.repeat(vectors[3000:], 200, axis=0)])
    order = random.permutation(len(vectors))
    graph = VectorGraph(384)
    for start in range(0, len(order), 64):
        graph.add(vectors[order[start : start + 64]])
    found = sum(graph.nearest(vector, 1)[1][0] > 0.999 for vector in vectors[:3000:30])
    assert found >= 99
    again = VectorGraph(384, saved(graph, tmp_path), graph.arrays)
    for one in (graph, again):
        assert len(one) == 5000
        rows, cosines = one.nearest(vectors[3000], 3)
        copies = np.flatnonzero((vectors[order] == vectors[3000]).all(axis=1))
        assert rows[:200].tolist() == copies.tolist()
        assert len(rows) >= 202
        assert cosines[:200] == pytest.approx(np.ones(200), abs=1e-3)
        within = np.zeros(5000, np.bool_)
        within[copies[50:60]] = within[7] = True
        assert sorted(one.nearest_within(vectors[3000], 20, within)[0]) == sorted([*copies[50:60], 7])
        assert one.cosines(vectors[3000], copies[:2]) == pytest.approx([1, 1], abs=1e-3)


def saved(graph: VectorGraph, folder: Path) -> Path:
    graph.save(folder / "graph.faiss")
    return folder / "graph.faiss"
