"""Growth, generated text, and the two benches that need no model, on tiny sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eval import bench, generated, outcome
from eval.__main__ import main
from rag.settings import Settings


def test_slope_by_hand() -> None:
    assert bench.slope([(10, 2), (100, 20), (1000, 200)]) == pytest.approx(1.0)
    assert bench.slope([(10, 3), (1000, 3)]) == pytest.approx(0.0)
    assert bench.slope([(10, 3)]) is None


def test_generated_text_is_the_same_every_time_and_cut_as_promised() -> None:
    from ingest.chunk import passage_spans

    one, other = list(generated.articles(40)), list(generated.articles(40))
    assert one == other
    assert 40 <= sum(len(passage_spans(article)) for article in one) <= 60
    assert generated.questions(3) == generated.questions(3)
    vectors = generated.HashEmbedder().embed_queries(["a", "b", "a"])
    assert np.array_equal(vectors[0], vectors[2])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)


def test_our_side_of_the_query_bench(tmp_path: Path) -> None:
    found = bench._query_ours(tmp_path, Settings(llm="none"), None, 40)
    assert found["query p50 ms"] > 0
    assert found["query p50 ms"] <= found["query p95 ms"] <= found["query p99 ms"]


def test_ratios_and_slopes_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def in_a_process(work: object, settings: Settings, data: None, size: int) -> dict[str, float]:
        ours = work is bench._query_ours
        return {"query p50 ms": size / 100 if ours else size / 50, "disk MB": 5.0, "memory MB": 100.0}

    monkeypatch.setattr(bench, "in_a_process", in_a_process)
    assert main(["bench", "query", "--out", str(tmp_path), "--sizes", "100,1000"]) == 0
    result = outcome.load(tmp_path)
    assert result["ratios_to_plain"]["query p50 ms at 100"] == 0.5
    assert result["slopes"]["dateline p50"] == pytest.approx(1.0)
    assert "grows as x^" in capsys.readouterr().out
    assert main(["report", str(tmp_path)]) == 0
    assert main(["bench", "query", "--out", str(tmp_path), "--sizes", "many"]) == 2
