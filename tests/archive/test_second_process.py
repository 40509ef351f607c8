"""A second process fills the keyword index; nothing is lost when it fails, and it never outlives the first one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest
from fakes import WordEmbedder

from ingest.pipeline import ingest
from rag.archive import second_process
from rag.archive.archive import Archive
from rag.archive.catalog import Catalog
from rag.archive.indexes import keyword_index
from rag.archive.indexes.keyword_index import TantivyWords
from rag.archive.priority import Stopped
from rag.schema import Article
from rag.settings import Settings

# Two carriers of one story: their 196 runs of five words are the same.
COPIES = [
    Article(id=name, title="Ferry", text=" ".join(f"w{i}" for i in range(200)), source=f"{name}.json", language="en")
    for name in ("one", "other")
]


@pytest.fixture
def catalog(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    """The catalogue of an archive whose articles are stored and not yet indexed."""
    with closing(Archive(settings)) as archive, monkeypatch.context() as patched:
        patched.setattr(archive, "wait_until_indexed", lambda: None)
        ingest(COPIES, archive, WordEmbedder())
    with closing(Catalog(archive.folder / "catalogue.sqlite")) as catalog:
        yield catalog


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "second_process" in " ".join(one.cmdline())]


def test_it_fills_the_keyword_index_and_finds_the_near_duplicates(catalog: Catalog) -> None:
    with second_process.filling(catalog.path.parent, lambda: None):
        assert catalog.followed(keyword_index.NAME) == 0
    assert TantivyWords(catalog.path.parent / keyword_index.NAME).keys() == set(catalog.passage_keys())
    assert catalog.followed(keyword_index.NAME) == catalog.last_change()
    assert catalog.near_duplicates({"one"}) == {"one": frozenset({"other"})}


def test_an_error_of_the_first_process_ends_the_second(catalog: Catalog) -> None:
    def stop() -> None:
        assert children()
        raise Stopped

    began = monotonic()
    # While this transaction is open, the second process waits half a minute for its turn to write.
    with pytest.raises(Stopped), catalog.transaction(), second_process.filling(catalog.path.parent, stop):
        pass
    assert monotonic() - began < 15
    assert not children()
    assert catalog.followed(keyword_index.NAME) == 0


_KILLED = """
import os, sys, time
from pathlib import Path
from rag.archive.second_process import filling
with filling(Path(sys.argv[1]), lambda: None):
    import psutil
    print(psutil.Process().children()[0].pid, flush=True)
    sys.stdin.read()
"""


def test_it_ends_when_the_first_process_is_killed(catalog: Catalog, child_environment: dict[str, str]) -> None:
    with catalog.transaction():
        first = subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(catalog.path.parent)], env=child_environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        with first:
            assert first.stdout is not None
            second = psutil.Process(int(first.stdout.readline()))
            first.kill()
        until = monotonic() + 15
        while psutil.pid_exists(second.pid) and second.is_running() and second.status() != psutil.STATUS_ZOMBIE:
            assert monotonic() < until
            sleep(0.05)


@pytest.mark.parametrize("executable", ["/nowhere/python", "/bin/false"])
def test_without_it_the_first_process_does_all(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    monkeypatch.setattr(second_process, "LEAST_PASSAGES", 1)
    monkeypatch.setattr(sys, "executable", executable)
    with closing(Archive(settings)) as archive:
        ingest(COPIES, archive, WordEmbedder())
        assert archive.health().sound
        assert archive.catalog.near_duplicates({"one"}) == {"one": frozenset({"other"})}


def test_a_large_first_ingest_and_a_rebuild_use_it_and_a_later_ingest_does_not(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    start = second_process._started
    monkeypatch.setattr(second_process, "_started", lambda folder, url: started.append(folder) or start(folder, url))
    monkeypatch.setattr(second_process.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(second_process, "LEAST_PASSAGES", 3)
    with closing(Archive(settings)) as archive:
        ingest(COPIES[:1], archive, WordEmbedder())
        assert archive.catalog.count_passages() == 2
        assert started == []  # too few passages
        archive.rebuild()
        assert started == []
        ingest(COPIES[1:], archive, WordEmbedder())
        assert started == []  # the keyword index is filled already
        archive.rebuild()
        assert started == [archive.folder]
        assert archive.health().sound
    with closing(Archive(settings.model_copy(update={"data_dir": archive.folder / "second"}))) as second:
        ingest(COPIES, second, WordEmbedder())
        assert started == [archive.folder, second.folder]
        assert second.health().sound
