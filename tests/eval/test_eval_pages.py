"""Page extraction: the benchmark's formula by hand, and a run over two pages."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from eval.cli import main
from eval.experiments import pages
from eval.reporting import outcome
from rag.errors import SettingsError

WORDS = "one two three four five six"


def test_shingles_by_hand() -> None:
    assert pages.shingle_scores(WORDS, WORDS) == (1.0, 1.0)
    assert pages.shingle_scores(WORDS, "one two three four five") == (1.0, 2 / 3)  # 3 runs, 2 of them found
    assert pages.shingle_scores(WORDS, f"menu {WORDS}") == (3 / 4, 1.0)
    assert pages.shingle_scores(WORDS, "") == (None, 0.0)
    assert pages.shingle_scores("", WORDS) == (0.0, None)
    assert pages.shingle_scores("a b", "a b") == (1.0, 1.0)  # shorter than a run: one run
    assert pages.shingle_scores("x x x x x", "x x x x") == (1.0, 1 / 2)  # counted with repetition


def test_f1_is_that_of_the_means_and_not_the_mean_of_f1() -> None:
    row = pages.f1_row("s", [1.0, None], [0.5, 0.0])
    assert row.value == pytest.approx(2 * 1.0 * 0.25 / 1.25)
    assert (row.n, row.low) == (2, 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    body = (
        "The ferry Castellan ran aground on a sandbank off Port Selwyn shortly after dawn on Tuesday. Nobody was hurt, "
        "the coastguard said, and two lifeboats brought the passengers ashore within three hours of it all. Divers "
        "will inspect the hull once the tide has turned, said the harbour master, who expects the ferry to float again."
    )
    shown = f"<nav>Menu</nav><article><h1>Ferry</h1><p>{body}</p></article>"
    page = f"<html><head><title>Ferry</title></head><body>{shown}</body></html>"
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "a.html.gz").write_bytes(gzip.compress(page.encode()))
    (tmp_path / "html" / "b.html.gz").write_bytes(b"torn")
    truth = {"a": {"articleBody": body}, "b": {"articleBody": body}, "gone": {"articleBody": body}}
    (tmp_path / "ground-truth.json").write_text(json.dumps(truth))
    return tmp_path


def test_a_run_counts_a_torn_page_as_a_miss(folder: Path, tmp_path: Path) -> None:
    assert main(["ingest-pages", "--data", str(folder), "--out", str(tmp_path / "out")]) == 0
    result = outcome.load(tmp_path / "out")
    rows = {(r["system"], r["measure"]): r for r in result["rows"]}
    for system in (pages.OURS, pages.PLAIN):
        assert rows[system, "text recall"]["value"] == 0.5
        assert rows[system, "text F1"]["n"] == 2
        assert list(result["crashed"][system]) == ["b"]
    assert outcome.load_per_query(tmp_path / "out")[pages.OURS]["page F1"]["a"] > 0.98


def test_titles_and_days_where_they_are_given(tmp_path: Path) -> None:
    for name in ("html", "metadata", "txt"):
        (tmp_path / name).mkdir()
    (tmp_path / "html" / "x.html").write_text("<html></html>")
    (tmp_path / "metadata" / "x.json").write_text(
        json.dumps({"title": "Éire wins!", "publish_date": "2025-03-04T23:00:00"})
    )
    (page,) = pages.load(tmp_path)
    assert (page.text, str(page.day)) == (None, "2025-03-04")
    assert pages._values([page], {"x": pages.Extracted(title="eire wins", day=page.day)}) == {
        "title": {"x": 1.0},
        "day": {"x": 1.0},
    }
    assert pages._values([page], {"x": pages.Extracted(title="Éire loses")}) == {"title": {"x": 0.0}, "day": {"x": 0.0}}


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="neither"):
        pages.load(tmp_path)
