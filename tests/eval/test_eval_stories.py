"""The measure of stories: pairs counted by hand, the labels of the demo archive, and a run on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import WordEmbedder

from eval.experiments import stories
from rag.errors import SettingsError
from rag.settings import Settings

STORIES = {"a": "flood", "b": "flood", "c": "flood", "x": "strike", "y": "strike"}  # four pairs


def test_pairs_are_counted_as_by_hand() -> None:
    # Put together: ab, cx, cz, xz; of them only ab is labelled. The labelled pairs ac, bc and xy are missed.
    rows = {one.measure: one for one in stories.scores("s", [["a", "b"], ["c", "x", "z"]], STORIES)}
    assert (rows["pair precision"].value, rows["pair precision"].n) == (0.25, 4)
    assert (rows["pair recall"].value, rows["pair recall"].n) == (0.25, 4)
    assert rows["pair F1"].value == pytest.approx(0.25)


def test_damaged_labels_are_named(tmp_path: Path) -> None:
    (tmp_path / "stories.jsonl").write_text('{"_id": "flood"}\n')
    with pytest.raises(SettingsError, match=r"stories.jsonl cannot be read: KeyError\('articles'\)"):
        stories.labels(tmp_path / "stories.jsonl")


def test_a_folder_without_the_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="which lacks .*es_egypt"):
        stories.mixed(tmp_path)


def test_the_demo_archive_is_threaded_better_than_by_single_links(settings: Settings) -> None:
    from contextlib import closing

    from rag.archive.archive import Archive

    data = stories.demo()
    result = stories.run(data, settings, WordEmbedder())
    with closing(Archive(settings)) as archive:
        stored = {article.id for article in archive.catalog.articles(limit=1000)}
    assert set(data.stories) <= stored
    found = {(one["measure"], one["system"]): one["value"] for one in result["rows"]}
    assert found["pair precision", stories.OURS] >= 0.9
    assert found["pair recall", stories.OURS] >= 0.6
    assert found["pair F1", stories.OURS] > found["pair F1", stories.PLAIN]
