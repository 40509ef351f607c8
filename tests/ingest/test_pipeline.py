from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes import BrokenEmbedder, WordEmbedder

from ingest.pipeline import IngestReport, ingest, remove
from ingest.readers.files import ReadOptions, Rejected, read
from rag.archive.archive import Archive
from rag.errors import ArchiveMismatch, ModelUnavailable
from rag.schema import Article, Filters


def ingest_files(archive: Archive, *paths: Path) -> IngestReport:
    return ingest(read(list(paths), ReadOptions()), archive, WordEmbedder())


def found(archive: Archive, words: str) -> set[str]:
    """The articles that the keyword index finds; both indexes are checked against the catalogue on the way."""
    assert archive.health().sound
    keys = [key for key, _ in archive.search_words(words, 50, ["en"], Filters())]
    return {passage.article.id for passage in archive.catalog.passages(keys).values()}


def state(archive: Archive) -> tuple[int, list[tuple[str, int]], list[int]]:
    """The last change, the articles with their versions and the keys of all passages."""
    catalog = archive.catalog
    return catalog.last_change(), [(a.id, a.version) for a in catalog.articles(live=False)], catalog.passage_keys()


RAIN = Article(
    id="rain", url="https://tide.example/rain", title="Rain floods Harrow Bay", outlet="The Tide", language="en",
    text="Rain flooded forty cellars in Harrow Bay on Monday.", published=datetime(2025, 3, 4, 8, tzinfo=UTC),
    source="/in/rain.html",
)  # fmt: skip


def test_the_report_counts_what_became_of_everything(empty_archive: Archive, articles: list[Article]) -> None:
    embedder = WordEmbedder()
    report = ingest(articles, empty_archive, embedder)
    passages = empty_archive.catalog.count_passages()
    assert (report.read, report.kept, report.updated, report.unchanged, report.withdrawn) == (10, 10, 0, 0, 0)
    assert report.passages == report.embedded == len(embedder.embedded) == passages
    assert report.passages_per_second > 0


def test_a_second_run_changes_and_embeds_nothing(archive: Archive, articles: list[Article]) -> None:
    before, embedder = state(archive), WordEmbedder()
    report = ingest(articles, archive, embedder)
    assert (report.kept, report.unchanged, report.passages, report.embedded) == (0, 10, 0, 0)
    assert embedder.embedded == []
    assert state(archive) == before


def test_the_same_articles_in_another_order_give_the_same_ids(
    archive: Archive, articles: list[Article], tmp_path: Path
) -> None:
    from rag.settings import Settings

    other = Archive(Settings(data_dir=tmp_path / "other", llm="none"))
    ingest(articles[::-1], other, WordEmbedder())
    assert [a.id for a in other.catalog.articles()] == [a.id for a in archive.catalog.articles()]
    assert other.catalog.count_passages() == archive.catalog.count_passages()
    other.close()


def test_what_is_embedded_bears_headline_outlet_and_day_but_no_teaser(
    empty_archive: Archive, articles: list[Article]
) -> None:
    embedder = WordEmbedder()
    ingest(articles, empty_archive, embedder)
    end = "\nCouncil approves parking levy | The Tide | 2025-01-20"
    assert any(text.startswith("Villasera") and text.endswith(end) for text in embedder.embedded)
    assert not [text for text in embedder.embedded if "Zebra" in text]
    assert found(empty_archive, "zebra lunada") == set()


def test_identical_passages_are_embedded_once(empty_archive: Archive) -> None:
    embedder = WordEmbedder()
    twin = replace(RAIN, id="twin", url="https://tide.example/twin", source="/in/twin.html")
    report = ingest([RAIN, twin], empty_archive, embedder)
    assert (report.passages, report.embedded) == (2, 1)
    assert found(empty_archive, "cellars") == {"rain", "twin"}


def test_an_edited_text_file_becomes_version_2_and_keeps_its_id(empty_archive: Archive, tmp_path: Path) -> None:
    file = tmp_path / "in" / "rain.txt"
    file.parent.mkdir()
    file.write_text(
        "Rain floods cellars\n\nRain flooded forty cellars in Harrow Bay on Monday, the fire brigade said.\n"
    )
    ingest_files(empty_archive, file)
    (first,) = empty_archive.catalog.articles()
    file.write_text(
        "Rain floods many cellars\n\nRain flooded ninety cellars in Harrow Bay on Monday, the fire brigade said.\n"
    )
    report = ingest_files(empty_archive, file)
    assert (report.kept, report.updated) == (1, 1)
    (second,) = empty_archive.catalog.articles()
    assert (second.id, second.version) == (first.id, 2)
    assert "ninety" in second.text
    assert [a.version for a in empty_archive.catalog.versions(first.id)] == [1, 2]
    assert found(empty_archive, "forty") == set()
    assert found(empty_archive, "ninety") == {first.id}


def test_two_files_that_happen_to_have_the_same_id_both_live(empty_archive: Archive, tmp_path: Path) -> None:
    # The same headline from two folders, about different things.
    for folder, text in (
        ("a", "Storm Ysolde tore roofs off nine houses in Millford."),
        ("b", "A hailstorm broke forty windows in Selwyn."),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "weather.txt").write_text(f"Weather\n\n{text} Nobody was hurt, the fire brigade said.\n")
    report = ingest_files(empty_archive, tmp_path / "a", tmp_path / "b")
    assert report.kept == 2
    assert len({a.id for a in empty_archive.catalog.articles()}) == 2
    assert found(empty_archive, "Ysolde") != found(empty_archive, "hailstorm") != set()
    before = state(empty_archive)
    assert ingest_files(empty_archive, tmp_path / "a", tmp_path / "b").unchanged == 2
    assert state(empty_archive) == before


def test_two_urls_that_happen_to_have_the_same_id_both_live(empty_archive: Archive) -> None:
    other = replace(
        RAIN, url="https://courier.example/rain", text="Rain brought relief to farmers.", source="/in/other.html"
    )
    assert ingest([RAIN, other], empty_archive, WordEmbedder()).kept == 2
    assert len(empty_archive.catalog.articles()) == 2
    assert ingest([RAIN, other], empty_archive, WordEmbedder()).unchanged == 2


def test_a_correction_of_the_same_url_replaces_the_article(empty_archive: Archive) -> None:
    correction = replace(
        RAIN,
        text="Rain flooded fourteen cellars in Harrow Bay on Monday.",
        modified=datetime(2025, 3, 5, tzinfo=UTC),
        source="/in/b.html",
    )
    report = ingest([RAIN, correction], empty_archive, WordEmbedder())
    assert (report.kept, report.updated) == (2, 1)
    assert found(empty_archive, "fourteen") == {"rain"}
    assert found(empty_archive, "forty") == set()
    # Both files are still there at the next run: the old one must not come back.
    before = state(empty_archive)
    assert ingest([RAIN, correction], empty_archive, WordEmbedder()).unchanged == 2
    assert state(empty_archive) == before


def test_an_older_version_does_not_replace_a_newer_one(empty_archive: Archive) -> None:
    newer = replace(
        RAIN, text="Rain flooded fourteen cellars.", modified=datetime(2025, 3, 5, tzinfo=UTC), source="/in/new.html"
    )
    report = ingest([newer, RAIN], empty_archive, WordEmbedder())
    assert (report.kept, report.unchanged) == (1, 1)
    assert empty_archive.catalog.article("rain").text == newer.text  # type: ignore[union-attr]


def test_a_withdrawal_takes_the_article_out_of_search_but_not_out_of_the_archive(empty_archive: Archive) -> None:
    ingest([RAIN], empty_archive, WordEmbedder())
    notice = replace(
        RAIN, text="", status="withdrawn", modified=datetime(2025, 3, 6, tzinfo=UTC), source="/in/takedown.json"
    )
    report = ingest([notice], empty_archive, WordEmbedder())
    assert (report.withdrawn, report.kept) == (1, 0)
    assert found(empty_archive, "cellars") == set()
    gone = empty_archive.catalog.article("rain")
    assert gone is not None
    assert (gone.status, gone.text) == ("withdrawn", RAIN.text)
    # The file of the article is still in the folder at the next run.
    assert ingest([RAIN, notice], empty_archive, WordEmbedder()).unchanged == 2
    assert found(empty_archive, "cellars") == set()


def test_a_withdrawal_that_arrives_first_is_not_undone_by_the_article(empty_archive: Archive) -> None:
    notice = replace(
        RAIN, text="", status="withdrawn", modified=datetime(2025, 3, 6, tzinfo=UTC), source="/in/takedown.json"
    )
    ingest([notice, RAIN], empty_archive, WordEmbedder())
    assert empty_archive.catalog.article("rain").status == "withdrawn"  # type: ignore[union-attr]
    assert found(empty_archive, "cellars") == set()


def test_what_is_rejected_is_counted_by_reason_and_the_rest_goes_on(empty_archive: Archive) -> None:
    def items() -> Iterator[Article | Rejected]:
        yield Rejected(source="a.bin", reason="format", message="a.bin is no text")
        yield replace(RAIN, id="teasers", url="", uncitable=((0, len(RAIN.text)),), source="/in/teasers.html")
        yield Rejected(source="b.bin", reason="format", message="b.bin is no text")
        yield RAIN

    report = ingest(items(), empty_archive, WordEmbedder())
    assert (report.read, report.kept, dict(report.rejected)) == (4, 1, {"format": 2, "empty": 1})
    assert [r.source for r in report.rejections] == ["a.bin", "/in/teasers.html", "b.bin"]
    assert report.as_dict()["rejected"] == {"format": 2, "empty": 1}


def test_an_embedding_failure_in_an_update_keeps_the_old_version_answerable(empty_archive: Archive) -> None:
    ingest([RAIN], empty_archive, WordEmbedder())
    update = replace(RAIN, text="Rain flooded fourteen cellars in Harrow Bay on Monday.")
    with pytest.raises(ModelUnavailable):
        ingest([update], empty_archive, BrokenEmbedder())
    assert empty_archive.catalog.article("rain").version == 1  # type: ignore[union-attr]
    assert found(empty_archive, "forty") == {"rain"}
    # Nothing of the failed run stands in the way of the next one.
    assert ingest([update], empty_archive, WordEmbedder()).updated == 1
    assert found(empty_archive, "fourteen") == {"rain"}


def many(count: int) -> list[Article]:
    """Articles of one passage each, all different."""
    return [
        replace(
            RAIN,
            id=f"n{i:03}",
            url=f"https://tide.example/{i}",
            text=f"Notice number{i} concerns cellar {i}.",
            source=f"/in/{i}.html",
        )
        for i in range(count)
    ]


def test_an_embedding_failure_in_mid_run_keeps_the_batches_before_it(empty_archive: Archive) -> None:
    # A batch is 256 passages: the first is stored, the second fails.
    with pytest.raises(ModelUnavailable):
        ingest(many(300), empty_archive, BrokenEmbedder(good=256))
    assert empty_archive.catalog.count_passages() == 256
    assert found(empty_archive, "number255") == {"n255"}
    embedder = WordEmbedder()
    report = ingest(many(300), empty_archive, embedder)
    assert (report.unchanged, report.kept, len(embedder.embedded)) == (256, 44, 44)


def test_an_interrupt_keeps_what_was_read(empty_archive: Archive) -> None:
    def interrupted() -> Iterator[Article]:
        yield from many(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(interrupted(), empty_archive, WordEmbedder())
    assert found(empty_archive, "notice") == {"n000", "n001", "n002"}


def test_a_batch_holds_no_article_twice(empty_archive: Archive) -> None:
    texts = ["Rain fell on Monday.", "Rain fell on Tuesday.", "Rain fell on Wednesday."]
    report = ingest([replace(RAIN, text=text) for text in texts], empty_archive, WordEmbedder())
    assert (report.kept, report.updated) == (3, 2)
    assert [a.text for a in empty_archive.catalog.versions("rain")] == texts


def test_removing_takes_an_article_out_of_everything(archive: Archive) -> None:
    assert remove(archive, "a7")
    assert found(archive, "measles") == set()
    assert not remove(archive, "a7")


def test_progress_is_told_after_every_item(empty_archive: Archive, articles: list[Article]) -> None:
    seen: list[int] = []
    ingest(articles, empty_archive, WordEmbedder(), progress=lambda report: seen.append(report.read))
    assert seen == [*range(1, 11), 10]


def test_another_model_of_the_same_size_is_refused_with_the_command(archive: Archive) -> None:
    with pytest.raises(
        ArchiveMismatch, match=r"built with embedder 'fake/words', this program uses 'other'.*dateline reindex"
    ):
        ingest([RAIN], archive, WordEmbedder("other"))
    assert archive.catalog.article("rain") is None


def test_a_file_name_that_is_not_utf_8_stops_nothing(empty_archive: Archive, tmp_path: Path) -> None:
    import os

    name = os.fsencode(tmp_path) + b"/pe\xf1a.txt"  # Latin-1
    with open(name, "w") as file:
        file.write(
            "Rain floods cellars\n\nRain flooded forty cellars in Harrow Bay on Monday, the fire brigade said.\n"
        )
    assert ingest_files(empty_archive, tmp_path / os.fsdecode(b"pe\xf1a.txt")).kept == 1
    assert ingest_files(empty_archive, tmp_path / os.fsdecode(b"pe\xf1a.txt")).unchanged == 1


@pytest.mark.parametrize(
    "text", ["Halfwidth ｶﾞ and a lone ﾞ mark.", "Lone \ud800 surrogate.", "Nul \0 character.", "ͺ", "a\u2028b"]
)
def test_no_character_breaks_the_archive(empty_archive: Archive, tmp_path: Path, text: str) -> None:
    import json

    file = tmp_path / "odd.jsonl"
    file.write_text(
        json.dumps({"id": "odd", "title": "Odd characters", "text": f"{text} Cellars were flooded on Monday."})
    )
    assert ingest_files(empty_archive, file).kept == 1
    assert found(empty_archive, "cellars") == {"odd"}


def _wire(tmp_path: Path) -> list[Article | Rejected]:
    records = [{"id": one, "title": f"Bridge {n}", "text": f"{n} {'The bridge is closed. ' * 9}"}
               for n, one in enumerate(("wire 1", "wire-1", "wire#1"))]  # fmt: skip
    (tmp_path / "wire.json").write_text(json.dumps(records))
    return list(read([tmp_path / "wire.json"], ReadOptions()))


def test_ids_that_differ_in_a_space_only_stay_two_articles(empty_archive: Archive, tmp_path: Path) -> None:
    assert ingest(_wire(tmp_path), empty_archive, WordEmbedder()).kept == 3
    assert empty_archive.catalog.coverage().articles == 3
    again = ingest(_wire(tmp_path), empty_archive, WordEmbedder())
    assert (again.kept, again.unchanged) == (0, 3)


@pytest.mark.parametrize("given", ["wire 1", "w " + "x" * 300])
def test_an_archive_made_before_keeps_the_id_it_gave(given: str, empty_archive: Archive, tmp_path: Path) -> None:
    """It stored `wire 1` as wire-1, and long ids with a digest of what was stored."""
    (tmp_path / "one.json").write_text(json.dumps({"id": given, "title": "Bridge", "text": "It is closed. " * 9}))
    (item,) = read([tmp_path / "one.json"], ReadOptions())
    assert isinstance(item, Article)
    own = given.replace(" ", "-")
    before = own if len(own) <= 200 else f"{own[:191]}-{hashlib.sha256(own.encode()).hexdigest()[:8]}"
    assert before != item.id
    ingest([replace(item, id=before)], empty_archive, WordEmbedder())
    again = ingest([item], empty_archive, WordEmbedder())
    assert (again.kept, again.unchanged) == (0, 1)
    assert [article.id for article in empty_archive.catalog.articles()] == [before]
