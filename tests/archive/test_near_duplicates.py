"""Near-duplicates are found when articles are stored, in any order, and follow every change."""

from __future__ import annotations

import itertools
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes import WordEmbedder

from ingest.pipeline import ingest, remove
from rag.archive.archive import Archive
from rag.archive.catalog import FORMAT, Catalog
from rag.archive.near_duplicates import DAYS_OF_SHORT, LEAST_RUNS, LEAST_RUNS_OF_SHORT, same_story
from rag.schema import Article
from rag.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, catalogue_url: str) -> Settings:
    """Settings of an archive in either engine."""
    return Settings(data_dir=tmp_path / "archive", llm="none", catalog=catalogue_url)


def text_of(words: int, first: int = 0) -> str:
    """Different words, so that every run of five is different: n words have n - 4 of them."""
    return " ".join(f"w{i}" for i in range(first, first + words))


def article(article_id: str, text: str) -> Article:
    return Article(id=article_id, title=article_id, text=text, source=f"{article_id}.json")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (text_of(100), text_of(100), True),
        (text_of(100), text_of(160), True),  # 96 of 96 runs of the shorter; 96 >= .4 * 156
        (text_of(100), text_of(100, 40), True),  # 60 common words: 56 of 96 runs = .58
        (text_of(100), text_of(100, 55), False),  # 45 common words: 41 of 96 runs = .43
        (text_of(100), text_of(300), False),  # 96 < .4 * 296: a note within a long report is a quotation
        (text_of(LEAST_RUNS + 3), text_of(LEAST_RUNS + 3), True),  # 79 runs, all of them: a short notice
        (text_of(LEAST_RUNS + 3), text_of(LEAST_RUNS + 3, 20), False),  # 59 of 79 = .75: too few for short ones
        (text_of(LEAST_RUNS_OF_SHORT + 3), text_of(LEAST_RUNS_OF_SHORT + 3), False),
        (text_of(LEAST_RUNS + 4), text_of(LEAST_RUNS + 4), True),  # 80 runs
        ("", "", False),
        ("one two three", text_of(100), False),
    ],
)
def test_a_copy_shares_half_of_the_shorter_ones_runs_of_five_words(one: str, other: str, same: bool) -> None:
    assert same_story(article("a", one), article("b", other)) is same
    assert same_story(article("b", other), article("a", one)) is same


def test_short_notices_are_copies_only_of_about_the_same_day() -> None:
    day = datetime(2025, 3, 12, tzinfo=UTC)
    one = replace(article("a", text_of(40)), published=day)
    for days, same in ((0, True), (DAYS_OF_SHORT, True), (DAYS_OF_SHORT + 1, False)):
        other = replace(article("b", text_of(40)), published=day + timedelta(days=days))
        assert same_story(one, other) is same
    assert not same_story(one, article("b", text_of(40)))  # of an unknown day


STORY = article("story", text_of(200))
COPY = article("copy", text_of(180))  # 176 of 176 runs
EDITED = article("edited", text_of(200, 80))  # 116 of 196 runs of the story, 96 of 176 of the copy
OTHER = article("other", text_of(200, 1000))
NOTICE = article("notice", text_of(40))  # all of it in the story, but short
PAIRS = {
    "story": frozenset({"copy", "edited"}),
    "copy": frozenset({"story", "edited"}),
    "edited": frozenset({"story", "copy"}),
}


def pairs(archive: Archive) -> dict[str, frozenset[str]]:
    return archive.catalog.near_duplicates([one.id for one in archive.catalog.articles(limit=-1, live=False)])


@pytest.mark.parametrize("order", list(itertools.permutations((STORY, COPY, EDITED)))[:4])
@pytest.mark.parametrize("at_once", [True, False])
def test_pairs_do_not_depend_on_the_order_of_arrival(
    empty_archive: Archive, order: tuple[Article, ...], at_once: bool
) -> None:
    for batch in [[*order, OTHER, NOTICE]] if at_once else [[one] for one in (*order, OTHER, NOTICE)]:
        ingest(batch, empty_archive, WordEmbedder())
    assert pairs(empty_archive) == PAIRS


def test_an_article_that_is_changed_withdrawn_or_removed_changes_its_pairs(empty_archive: Archive) -> None:
    ingest([STORY, COPY, EDITED, OTHER], empty_archive, WordEmbedder())
    ingest([replace(EDITED, text=text_of(200, 2000))], empty_archive, WordEmbedder())
    assert pairs(empty_archive) == {"story": frozenset({"copy"}), "copy": frozenset({"story"})}
    ingest([replace(EDITED, text=text_of(200, 1010))], empty_archive, WordEmbedder())
    assert pairs(empty_archive)["other"] == frozenset({"edited"})
    ingest([replace(OTHER, status="withdrawn")], empty_archive, WordEmbedder())
    assert "edited" not in pairs(empty_archive)
    remove(empty_archive, "copy")
    assert pairs(empty_archive) == {}


def test_an_archive_of_format_1_is_migrated_and_gets_its_pairs(empty_archive: Archive, settings: Settings) -> None:
    ingest([STORY, COPY, OTHER], empty_archive, WordEmbedder())
    empty_archive.close()
    with closing(Catalog(empty_archive.catalog.path, url=settings.catalog)) as left, left.transaction() as db:
        for statement in (  # what an earlier program left
            "DROP TABLE near_duplicates", "DROP TABLE signature_marks",
            "UPDATE meta SET value = '1' WHERE key = 'format'", "DELETE FROM meta WHERE key = 'near-duplicates'",
            "DELETE FROM followed WHERE name = 'near-duplicates'",
        ):  # fmt: skip
            db.execute(statement)
    with closing(Archive(settings)) as again:
        assert again.catalog.get_meta("format") == str(FORMAT)
        again.wait_until_indexed()
        assert pairs(again) == {"story": frozenset({"copy"}), "copy": frozenset({"story"})}
        assert again.health().sound


def test_signatures_of_another_method_are_computed_again(empty_archive: Archive) -> None:
    ingest([STORY, COPY], empty_archive, WordEmbedder())
    catalog: Catalog = empty_archive.catalog
    catalog.clear_near_duplicates()
    catalog.set_meta({"near-duplicates": "an earlier method"})
    empty_archive.wait_until_indexed()
    assert pairs(empty_archive) == {"story": frozenset({"copy"}), "copy": frozenset({"story"})}
