"""Articles on one event are threaded into stories, whatever their order, and stay so when others come and go."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from fakes import WordEmbedder

from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.archive.catalog import FORMAT, Catalog
from rag.archive.stories.clusters import LEAST_AFFINITY, clusters
from rag.archive.stories.follower import StoryFollower, story_ids
from rag.errors import StorageError
from rag.schema import Article, Filters, Story
from rag.settings import Settings

FLOOD_2025, FLOOD_2026 = {"f1", "f2", "f3"}, {"g1", "g2", "g3"}
_FILLER = (
    "The library of Tarnow will close on Sundays, and its readers have signed a petition against the plan.",
    "A bakery in Selden has won a medal for its rye bread, which it bakes in an oven of the last century.",
    "Astronomers at Quell observatory have photographed a comet with a green tail above the northern hills.",
    "The handball club Vistra has sold its captain to a rival for a fee that nobody would confirm.",
    "Beekeepers near Ostry report that the lime trees flower two weeks earlier than ten years ago.",
    "A violin that lay in an attic in Pervin for decades was auctioned to an orchestra on Saturday.",
    "The tram line to Holm harbour is being renewed, so that buses run every ten minutes until August.",
    "Teachers in Arles district demand smaller classes and a fixed number of lessons for beginners.",
)


@pytest.fixture
def settings(tmp_path: Path, catalogue_url: str) -> Settings:
    """Settings of an archive in either engine."""
    return Settings(data_dir=tmp_path / "archive", llm="none", catalog=catalogue_url)


def _report(
    article_id: str, day: str, title: str, text: str, outlet: str = "The Tide", language: str = "en"
) -> Article:
    return Article(
        id=article_id, title=title, text=text, outlet=outlet, language=language, source=article_id,
        published=datetime.fromisoformat(day) if day else None,
    )  # fmt: skip


def _floods() -> list[Article]:
    return [
        _report(
            "f1", "2025-02-13", "Storm Brannagh floods Castellan",
            "Storm Brannagh sent the River Orr over its banks in Castellan. Four people died at Tanners Bridge, where "
            "the gauge stood at 684 centimetres, and constable Edwin Sarr is missing.",
        ),
        _report(
            "f2", "2025-02-20", "Search goes on after Storm Brannagh",
            "Divers search the reed beds below Castellan for Edwin Sarr, a week after Storm Brannagh. The gauge at "
            "Tanners Bridge on the River Orr had stood at 684 centimetres.", "Orr Courier",
        ),
        _report(
            "f3", "2025-03-05", "Toll of Storm Brannagh is eleven",
            "The body of Edwin Sarr has been found, which brings the toll of Storm Brannagh in Castellan to eleven, "
            "the coroner said. The wall at Tanners Bridge on the River Orr will be raised above 684 centimetres.",
        ),
        _report(
            "g1", "2026-02-15", "Storm Ysolde floods Millford",
            "Storm Ysolde sent the River Orr over its banks in Millford. Two people died in Hallows Reach, where the "
            "gauge stood at 731 centimetres, and the pensioner Hilda Brock is missing.",
        ),
        _report(
            "g2", "2026-02-21", "Search goes on after Storm Ysolde",
            "Divers search Hallows Reach below Millford for Hilda Brock, a week after Storm Ysolde. The gauge on the "
            "River Orr had stood at 731 centimetres.", "Orr Courier",
        ),
        _report(
            "g3", "2026-03-06", "Toll of Storm Ysolde is seven",
            "The body of Hilda Brock has been found, which brings the toll of Storm Ysolde in Millford to seven, the "
            "coroner said. Hallows Reach on the River Orr is to get a wall above 731 centimetres.",
        ),
    ]  # fmt: skip


def _everything() -> list[Article]:
    others = [_report(f"o{n}", f"2025-{n + 2:02}-01", text[:25], text) for n, text in enumerate(_FILLER)]
    return [*_floods(), *others]


def _store(archive: Archive, articles: Sequence[Article], at_once: int = 100) -> None:
    for start in range(0, len(articles), at_once):
        ingest(articles[start : start + at_once], archive, WordEmbedder())
        archive.wait_until_threaded()


def _groups(archive: Archive) -> set[frozenset[str]]:
    catalog = archive.catalog
    return {frozenset(one.id for one in catalog.story_articles(story.id)) for story in catalog.stories()}


def _story_with(archive: Archive, article_id: str) -> Story:
    story = archive.catalog.story(archive.catalog.stories_of([article_id])[article_id])
    assert story is not None
    return story


def test_two_floods_a_year_apart_are_two_stories(empty_archive: Archive) -> None:
    _store(empty_archive, _everything())
    assert _groups(empty_archive) == {frozenset(FLOOD_2025), frozenset(FLOOD_2026)}
    newest, oldest = empty_archive.catalog.stories()
    assert (str(newest.first), str(newest.last)) == ("2026-02-15", "2026-03-06")
    assert (oldest.articles, oldest.reports, oldest.outlets) == (3, 3, ("Orr Courier", "The Tide"))
    assert "Brannagh" in oldest.headline


def test_the_same_report_a_year_later_is_another_story(empty_archive: Archive) -> None:
    first, second, *_ = _floods()
    later = replace(second, published=datetime(2026, 2, 20))
    _store(empty_archive, [first, later, *_everything()[6:]])
    far = empty_archive.catalog.links_of(["f1"])
    _store(empty_archive, [second])
    near = empty_archive.catalog.links_of(["f1"])
    likeness = {"far": dict((o, v) for _, o, v in far)["f2"], "near": dict((o, v) for _, o, v in near)["f2"]}
    assert likeness["far"] < 0.5 * likeness["near"]
    assert likeness["far"] < LEAST_AFFINITY <= likeness["near"]


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_arrival_does_not_matter(seed: int, empty_archive: Archive) -> None:
    shuffled = _everything()
    random.Random(seed).shuffle(shuffled)
    _store(empty_archive, shuffled, at_once=3)
    assert _groups(empty_archive) == {frozenset(FLOOD_2025), frozenset(FLOOD_2026)}


def test_a_rebuild_gives_the_same_stories_with_the_same_ids(empty_archive: Archive) -> None:
    _store(empty_archive, _everything(), at_once=2)
    before = empty_archive.catalog.stories()
    empty_archive.rebuild()
    assert empty_archive.catalog.stories() == before
    assert before


def test_a_story_keeps_its_id_when_it_grows_and_when_its_first_article_goes(empty_archive: Archive) -> None:
    first, second, third, *_ = _everything()
    _store(empty_archive, [first, second, *_everything()[6:]])
    story = _story_with(empty_archive, "f1").id
    _store(empty_archive, [third])
    assert _story_with(empty_archive, "f3").id == story
    empty_archive.catalog.remove("f1")
    empty_archive.wait_until_threaded()
    assert _story_with(empty_archive, "f3").id == story
    assert _story_with(empty_archive, "f3").articles == 2


def test_withdrawn_articles_leave_and_a_story_of_one_is_none(empty_archive: Archive) -> None:
    _store(empty_archive, _everything())
    flood = {one.id: one for one in _floods()}
    _store(empty_archive, [replace(flood["f1"], status="withdrawn")])
    assert frozenset({"f2", "f3"}) in _groups(empty_archive)
    _store(empty_archive, [replace(flood["f2"], status="withdrawn")])
    assert _groups(empty_archive) == {frozenset(FLOOD_2026)}
    assert empty_archive.catalog.stories_of(["f1", "f2", "f3"]) == {}


def test_copies_of_one_report_count_once(empty_archive: Archive) -> None:
    wire = " ".join(f"{a.text} {b.text}" for a, b in zip(_floods(), reversed(_floods()), strict=True))
    copies = [_report(f"w{n}", "2025-02-14", "Storm Brannagh, the whole story", wire, f"Paper {n}") for n in range(3)]
    _store(empty_archive, [*copies, *_everything()])
    story = _story_with(empty_archive, "w0")
    assert {"w0", "w1", "w2"} <= {one.id for one in empty_archive.catalog.story_articles(story.id)}
    assert story.articles - story.reports == 2


def test_a_story_goes_across_languages(empty_archive: Archive) -> None:
    spanish = _report(
        "s1", "2025-03-06", "La tormenta Brannagh deja once muertos en Castellan",
        "El hallazgo de Edwin Sarr eleva a once los muertos de la tormenta Brannagh en Castellan. El río Orr alcanzó "
        "684 centímetros en Tanners Bridge.", "El Faro", "es",
    )  # fmt: skip
    _store(empty_archive, [*_everything(), spanish])
    assert _story_with(empty_archive, "s1").id == _story_with(empty_archive, "f3").id


def test_filters_choose_stories_with_an_article_within(empty_archive: Archive) -> None:
    _store(empty_archive, _everything())
    catalog = empty_archive.catalog
    late = Filters(since=datetime(2026, 1, 1).date())
    (story,) = catalog.stories(late)
    assert catalog.count_stories(late) == 1
    assert "Ysolde" in story.headline
    assert catalog.count_stories(Filters(outlets=("Orr Courier",))) == 2
    assert catalog.count_stories(Filters(outlets=("El Faro",))) == 0
    assert [*catalog.stories(limit=1), *catalog.stories(limit=1, offset=1)] == catalog.stories()


def test_an_archive_of_format_2_gets_its_stories(empty_archive: Archive, settings: Settings) -> None:
    _store(empty_archive, _everything())
    empty_archive.close()
    with closing(Catalog(empty_archive.catalog.path, url=settings.catalog)) as catalog:
        _to_format_2(catalog)
    again = Archive(settings)
    try:
        again.wait_until_threaded()
        assert again.catalog.get_meta("format") == str(FORMAT)
        assert _groups(again) == {frozenset(FLOOD_2025), frozenset(FLOOD_2026)}
    finally:
        again.close()


def _to_format_2(catalog: Catalog) -> None:
    tables = ("story_profiles", "story_links", "story_pending", "story_articles", "stories")
    with catalog.transaction() as db:
        for table in tables:
            db.execute(f"DROP TABLE {table}")
        db.execute("UPDATE meta SET value = '2' WHERE key = 'format'")
        db.execute("DELETE FROM meta WHERE key = 'stories'")
        db.execute("DELETE FROM followed WHERE name = 'stories'")


# --- grouping alone ---------------------------------------------------------------------------------------


def _all_pairs(articles: Iterable[str], likeness: float) -> list[tuple[str, str, float]]:
    names = sorted(articles)
    return [(one, other, likeness) for n, one in enumerate(names) for other in names[n + 1 :]]


def test_one_link_does_not_chain_two_groups() -> None:
    left, right = ["a", "b", "c"], ["x", "y", "z"]
    links = [*_all_pairs(left, 0.5), *_all_pairs(right, 0.5), ("c", "x", 0.4)]
    assert clusters([*left, *right], links) == [left, right]  # the mean of nine pairs is .04
    assert clusters(["c", "x"], [("c", "x", 0.4)]) == [["c", "x"]]


def test_grouping_does_not_depend_on_the_order_of_links() -> None:
    links = [*_all_pairs("abcd", 0.3), *_all_pairs("wxyz", 0.3), ("d", "w", 0.9)]
    expected = clusters("abcdwxyz", links)
    for seed in range(5):
        shuffled = links.copy()
        random.Random(seed).shuffle(shuffled)
        assert clusters("zyxwdcba", shuffled) == expected


def test_the_larger_part_of_a_divided_story_keeps_its_id() -> None:
    before = dict.fromkeys("abcde", "old")
    ids = story_ids([["a", "b"], ["c", "d", "e"]], before)
    assert ids[1] == "old"
    assert ids[0] != "old"
    assert story_ids([["a", "b"], ["c", "d", "e"]], before) == ids


def test_nobody_waits_for_stories_who_did_not_ask_for_them(
    empty_archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    waited: list[bool] = []

    def slow(*_: object) -> None:
        begun.set()
        waited.append(go_on.wait(5))

    with monkeypatch.context() as patched:
        patched.setattr(StoryFollower, "bring_up", slow)
        ingest(_floods(), empty_archive, WordEmbedder())
        assert begun.wait(20)
        assert not waited
        go_on.set()
    empty_archive.wait_until_threaded()
    assert empty_archive.catalog.count_stories(Filters())


def test_stories_that_cannot_be_threaded_stop_no_search(
    empty_archive: Archive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: object) -> None:
        raise ValueError("no story")

    monkeypatch.setattr(StoryFollower, "bring_up", failing)
    ingest(_floods(), empty_archive, WordEmbedder())
    empty_archive.wait_until_indexed()
    assert empty_archive.search_words("flood", 5, ["en"], Filters())
    with pytest.raises(StorageError, match="no story"):
        empty_archive.wait_until_threaded()
    assert "The stories of" in caplog.text
