from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from fakes import WordEmbedder

from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.archive.catalog import FORMAT, Catalog, Prepared, digest
from rag.archive.tables.table import day_number
from rag.errors import ArchiveMismatch, StorageError
from rag.schema import Article, Filters
from rag.settings import Settings


@pytest.fixture
def catalog(tmp_path: Path, catalogue_url: str) -> Iterator[Catalog]:
    catalog = Catalog(tmp_path / "catalogue.sqlite", url=catalogue_url)
    yield catalog
    catalog.close()


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL"])
def listed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, articles: list[Article]
) -> Iterator[Catalog]:
    """A catalogue of the ten articles in either engine, for tests that only read it."""
    url = "" if request.param == "SQLite" else request.getfixturevalue("postgres").empty_catalogue()
    archive = Archive(Settings(data_dir=tmp_path_factory.mktemp("listed"), llm="none", catalog=url))
    ingest(articles, archive, WordEmbedder())
    yield archive.catalog
    archive.close()


def prepared(article: Article, *hashes: str) -> Prepared:
    """The article cut into as many equal passages as there are hashes."""
    step = len(article.text) // max(len(hashes), 1)
    return Prepared(article=article, spans=tuple((i * step, (i + 1) * step) for i in range(len(hashes))), hashes=hashes)


RAIN = Article(id="rain", title="Rain", text="It rained. It pours.", outlet="The Tide", published=datetime(2025, 3, 4))
VECTOR = np.array([0.6, 0.8], dtype=np.float32)


def test_an_article_comes_back_as_it_was_stored(catalog: Catalog) -> None:
    full = Article(
        id="x", url="https://x.example/1", title="T", outlet="O", byline="B", genre="opinion", language="en",
        text="abc def", published=datetime(2025, 3, 4, 5, 6, tzinfo=UTC), modified=datetime(2025, 3, 5),
        uncitable=((4, 7),), source="x.txt",
    )  # fmt: skip
    catalog.store([prepared(full, "h")], {"h": VECTOR})
    assert catalog.article("x") == full
    assert digest(full) == catalog.current_digest("x")


def test_each_store_is_a_new_version_and_old_ones_stay_readable(catalog: Catalog) -> None:
    for text in ("It rained.", "It poured.", "It hailed."):
        catalog.store([prepared(replace(RAIN, text=text), text)], {text: VECTOR})
    assert [(a.version, a.text) for a in catalog.versions("rain")] == [
        (1, "It rained."),
        (2, "It poured."),
        (3, "It hailed."),
    ]
    assert catalog.article("rain").text == "It hailed."  # type: ignore[union-attr]
    assert catalog.article("rain", 1).text == "It rained."  # type: ignore[union-attr]
    assert catalog.article("rain", 4) is None
    assert catalog.article("snow") is None
    # Only the last version has passages: nothing is found that the article no longer says.
    assert [one.passage.text for one in catalog.passages_of("rain")] == ["It hailed."]


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"source": "elsewhere.txt"}, True),  # where it lies on disk is nothing a reader sees
        ({"version": 9}, True),
        ({"title": "Snow"}, False),
        ({"byline": "Ana"}, False),
        ({"published": datetime(2025, 3, 5)}, False),
        ({"status": "withdrawn"}, False),
        ({"uncitable": ((0, 3),)}, False),
    ],
)
def test_the_digest_changes_with_what_a_reader_can_see(changes: dict[str, object], same: bool) -> None:
    assert (digest(RAIN) == digest(replace(RAIN, **changes))) is same  # type: ignore[arg-type]


def test_a_failing_store_stores_nothing(catalog: Catalog) -> None:
    wrong = Prepared(article=replace(RAIN, id="wrong"), spans=((0, 5),), hashes=())
    with pytest.raises(ValueError, match="zip"):
        catalog.store([prepared(RAIN, "h"), wrong], {"h": VECTOR})
    assert catalog.article("rain") is None
    assert catalog.known_hashes(["h"]) == set()
    assert catalog.last_change() == 0


def test_a_withdrawn_article_can_be_read_but_has_no_passages(catalog: Catalog) -> None:
    catalog.store([prepared(RAIN, "h")], {"h": VECTOR})
    catalog.store([prepared(replace(RAIN, status="withdrawn"))], {})
    assert catalog.article("rain").status == "withdrawn"  # type: ignore[union-attr]
    assert catalog.count_passages() == 0
    assert catalog.coverage().articles == 0
    assert catalog.articles() == []
    assert [a.id for a in catalog.articles(live=False)] == ["rain"]


def test_removing_takes_all_versions_passages_and_vectors(catalog: Catalog) -> None:
    catalog.store([prepared(RAIN, "h", "i"), prepared(replace(RAIN, id="snow"), "i")], {"h": VECTOR, "i": VECTOR})
    assert catalog.remove("rain")
    assert catalog.article("rain", 1) is None
    assert catalog.known_hashes(["h", "i"]) == {"i"}  # the other article still needs "i"
    assert not catalog.remove("rain")


def test_vectors_come_back_in_the_order_asked_for(catalog: Catalog) -> None:
    catalog.store([prepared(RAIN, "a", "b")], {"a": VECTOR, "b": -VECTOR})
    # stored as float16: three digits
    np.testing.assert_allclose(catalog.vectors(["b", "a", "b"]), np.array([-VECTOR, VECTOR, -VECTOR]), atol=1e-3)
    with pytest.raises(StorageError, match="1 passages .* have no vector. Run: dateline reindex"):
        catalog.vectors(["a", "gone"])


def test_passages_of_keys_that_are_gone_are_left_out(catalog: Catalog) -> None:
    catalog.store([prepared(RAIN, "a", "b")], {"a": VECTOR, "b": VECTOR})
    old = [one.key for one in catalog.passages_of("rain")]
    catalog.store([prepared(replace(RAIN, text="It snowed."), "c")], {"c": VECTOR})
    new = [one.key for one in catalog.passages_of("rain")]
    assert not set(old) & set(new)  # a key never names another text
    assert {key: p.text for key, p in catalog.passages([*old, *new]).items()} == {new[0]: "It snowed."}


def test_spread_passages_reach_from_the_first_to_the_last(catalog: Catalog) -> None:
    assert catalog.spread_passages(8) == []
    catalog.store(
        [prepared(replace(RAIN, text="x" * 100), *[f"h{i}" for i in range(100)])], {f"h{i}": VECTOR for i in range(100)}
    )
    # keys 1 to 100: 1, 1+99//3=34, 1+198//3=67, 100
    assert [one.key for one in catalog.spread_passages(4)] == [1, 34, 67, 100]
    assert catalog.count_passages() == 100


A, B = "The Tide", "Orr Courier"


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (Filters(), ["a4", "a10", "a7", "a6", "a5", "a2", "a1", "a9", "a3", "a8"]),  # newest first, undated last
        (Filters(since=date(2026, 2, 5)), ["a4", "a10"]),
        (Filters(until=date(2025, 2, 6)), ["a9", "a3"]),  # the undated a8 is not within a range
        (Filters(since=date(2025, 3, 4), until=date(2025, 3, 4)), ["a1"]),
        (Filters(outlets=(A,)), ["a7", "a1", "a3"]),
        (Filters(outlets=("the tide", B)), ["a4", "a7", "a2", "a1", "a3"]),  # case does not matter
        (Filters(languages=("es", "ZH")), ["a6", "a5"]),
        (Filters(authors=("benitez",)), ["a7", "a1"]),  # nor do accents
        (Filters(authors=("Okafor", "Lund")), ["a4", "a10", "a9", "a3"]),
        (Filters(outlets=(A,), authors=("Okafor",)), ["a3"]),
        (Filters(outlets=("Nobody",)), []),
    ],
)
def test_filters_restrict_the_list_and_the_coverage(listed: Catalog, filters: Filters, ids: list[str]) -> None:
    assert [article.id for article in listed.articles(filters)] == ids
    assert listed.coverage(filters).articles == len(ids)
    assert sorted(listed.article_ids(filters)) == sorted(ids)
    assert {p.article.id for p in listed.passages(listed.passage_keys(filters)).values()} == set(ids)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("levy", ["a4", "a3"]),
        ("LEVY okafor", ["a4", "a3"]),
        ("nunez", ["a5"]),
        ("tide ferry", ["a1"]),
        ("台北", ["a6"]),
        ("zzz", []),
        ("%", []),
    ],
)
def test_the_list_is_searched_by_words_of_title_outlet_and_byline(listed: Catalog, text: str, ids: list[str]) -> None:
    assert [article.id for article in listed.articles(text=text)] == ids


def test_the_list_can_be_paged(listed: Catalog) -> None:
    whole = [a.id for a in listed.articles()]
    pages = [a.id for offset in (0, 4, 8) for a in listed.articles(limit=4, offset=offset)]
    assert pages == whole


def test_coverage_spans_the_days_of_dated_articles(listed: Catalog) -> None:
    coverage = listed.coverage()
    assert (coverage.articles, coverage.first, coverage.last) == (10, date(2025, 1, 20), date(2026, 2, 12))


def test_outlets_languages_and_bylines_are_counted(listed: Catalog) -> None:
    assert listed.outlets() == {
        "Corvane Ledger": 2, "Diario del Estrecho": 1, "Orr Courier": 2, "The Tide": 3, "島嶼日報": 1,
    }  # fmt: skip
    assert listed.languages() == {"en": 8, "es": 1, "zh": 1}
    assert {name: listed.bylines()[name] for name in ("Tom Okafor", "Elena Núñez")} == {
        "Tom Okafor": 2,
        "Elena Núñez": 1,
    }
    assert "" not in listed.bylines()


def test_counts_follow_every_change_also_of_another_process(catalog: Catalog) -> None:
    other = Catalog(catalog.path, url=catalog.url)  # its own connection and its own memory, as in another process
    for reader in (catalog, other):
        assert (reader.coverage().articles, reader.languages()) == (0, {})
    two = replace(RAIN, language="en"), replace(RAIN, id="b", language="es")
    catalog.store([prepared(one) for one in two], {})
    for reader in (catalog, other):
        assert (reader.coverage().articles, reader.languages()) == (2, {"en": 1, "es": 1})
        assert reader.coverage(Filters(languages=("es",))).articles == 1
    other.store([prepared(replace(RAIN, status="withdrawn", language="en"))], {})
    other.languages().clear()  # what is handed out is the caller's own
    for reader in (catalog, other):
        assert (reader.coverage().articles, reader.languages()) == (1, {"es": 1})
    catalog.remove("b")
    for reader in (catalog, other):
        assert (reader.coverage().articles, reader.languages()) == (0, {})
    other.close()


def test_counts_of_a_change_that_is_taken_back_are_forgotten(catalog: Catalog) -> None:
    catalog.store([prepared(RAIN)], {})
    with suppress(LookupError), catalog.transaction() as db:
        db.execute("DELETE FROM articles")
        db.execute("INSERT INTO changes (article_id) VALUES ('rain')")
        assert catalog.coverage().articles == 0
        raise LookupError
    catalog.store([prepared(replace(RAIN, id="b"))], {})  # a change of the number that the one taken back had
    assert catalog.coverage().articles == 2


def test_a_day_number_sorts_like_the_day() -> None:
    assert day_number(date(2025, 3, 7)) == 20250307
    assert day_number(None) is None


def test_a_newer_format_is_refused_with_the_way_out(tmp_path: Path, catalogue_url: str) -> None:
    catalog = Catalog(tmp_path / "catalogue.sqlite", url=catalogue_url)
    catalog.set_meta({"format": str(FORMAT + 1)})
    catalog.close()
    with pytest.raises(ArchiveMismatch, match=f"format {FORMAT + 1}; .* up to {FORMAT}. Upgrade Dateline"):
        Catalog(tmp_path / "catalogue.sqlite", url=catalogue_url)


def test_a_file_that_is_no_catalogue_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    path.write_text("this is not a database, " * 100)
    with pytest.raises(StorageError, match="cannot be used: file is not a database"):
        Catalog(path)
    assert path.read_text().startswith("this is not a database")


def test_a_reader_in_another_thread_sees_the_last_commit_and_does_not_wait(catalog: Catalog) -> None:
    catalog.store([prepared(RAIN, "h")], {"h": VECTOR})
    seen: list[int] = []
    with catalog.transaction() as db:
        db.execute("DELETE FROM articles")
        db.execute("INSERT INTO changes (article_id) VALUES ('rain')")  # as every writer does
        reader = threading.Thread(target=lambda: seen.append(catalog.coverage().articles))
        reader.start()
        reader.join(timeout=5)
    assert seen == [1]
    assert catalog.coverage().articles == 0


def test_a_commit_survives_without_closing(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalogue.sqlite")
    catalog.store([prepared(RAIN, "h")], {"h": VECTOR})
    other = sqlite3.connect(tmp_path / "catalogue.sqlite")
    assert other.execute("SELECT title FROM articles").fetchall() == [("Rain",)]
    other.close()
    catalog.close()


def test_a_writer_does_not_wait_for_a_reader(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalogue.sqlite")
    catalog.store([prepared(RAIN, "h")], {"h": VECTOR})
    reader = sqlite3.connect(tmp_path / "catalogue.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM articles").fetchone() == (1,)
    began = perf_counter()
    catalog.store([prepared(replace(RAIN, id="snow"), "h")], {})
    assert perf_counter() - began < 5  # SQLite's patience with a lock is 30 s here
    assert reader.execute("SELECT count(*) FROM articles").fetchone() == (1,)  # what it began with
    reader.close()
    catalog.close()
