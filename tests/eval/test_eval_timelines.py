"""Timelines beside a reference: the figures against values worked out by hand, and a whole run on a small story."""

import gzip
import json
from datetime import date

import pytest

from eval.experiments import timelines
from eval.metrics.timelines import aligned_rouge, date_f1, rouge_1
from rag.errors import SettingsError
from rag.models.embeddings import open_embedder
from rag.settings import Settings

ONE, TWO, THREE = date(2025, 1, 1), date(2025, 1, 2), date(2025, 1, 3)


def test_date_f1_is_the_harmonic_mean_of_precision_and_recall():
    assert date_f1([ONE, TWO], [TWO, THREE, ONE]) == pytest.approx(4 / 5)
    assert date_f1([], []) == 0


def test_rouge_counts_a_repeated_word_as_often_as_both_have_it():
    assert rouge_1("rain rain fell", "rain fell") == pytest.approx(4 / 5)


def test_days_that_only_one_timeline_has_count_nothing():
    assert aligned_rouge({ONE: "rain fell", TWO: "x"}, {ONE: "rain fell", THREE: "y"}) == 0.5


def test_a_run_writes_as_many_days_as_the_reference_has(tmp_path):
    story = [
        {"id": "a", "title": "Dockers walk out", "published": "2025-01-02", "language": "en",
         "text": "The dockers of the port walked out on 1 January over pay."},
        {"id": "b", "title": "Dockers go back", "published": "2025-01-09", "language": "en",
         "text": "The strike at the port ended on 8 January after a ballot."},
    ]  # fmt: skip
    with gzip.open(tmp_path / "articles.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(map(json.dumps, story)))
    reference = [{"date": "2025-01-01", "text": "Dockers walk out."}, {"date": "2025-01-08", "text": "Strike ends."}]
    (tmp_path / "timeline.jsonl").write_text("\n".join(map(json.dumps, reference)), encoding="utf-8")
    result = timelines.run(tmp_path, tmp_path / "out", open_embedder(Settings.load(embedder="e5")))
    written = (tmp_path / "out" / "timeline.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["date"] for line in written] == ["2025-01-01", "2025-01-08"]
    assert result["systems"]["dateline"]["date F1"] == 1
    assert result["systems"]["plain"]["date F1"] == 0


def test_a_folder_without_the_files_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="timeline"):
        timelines.load(tmp_path)
