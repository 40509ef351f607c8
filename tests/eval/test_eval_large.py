"""The bench of large archives, over small ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eval.datasets import generated
from eval.performance import large
from eval.reporting.progress import silent
from rag.settings import Settings


def test_vectors_drawn_around_those_of_texts_have_near_neighbours() -> None:
    random = np.random.default_rng(0)
    texts = random.normal(size=(60, 32)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    embedder = generated.SampledEmbedder(texts)
    drawn = embedder.embed_passages([f"passage {n}" for n in range(500)])
    assert drawn.shape == (500, 32)
    assert np.linalg.norm(drawn, axis=1) == pytest.approx(np.ones(500), abs=1e-5)
    assert (embedder.embed_queries(["passage 7"])[0] == drawn[7]).all()  # the same in every call
    to_others = drawn @ drawn.T - 2 * np.eye(500)
    at_random = texts @ texts.T - 2 * np.eye(60)
    assert to_others.max(axis=1).mean() > at_random.max(axis=1).mean() + 0.1


def test_time_recall_and_memory_are_measured_and_the_archive_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "_vectors_of_texts", lambda settings, folder: _vectors(folder))
    settings = Settings(data_dir=tmp_path / "unused", llm="none")
    result = large.bench_large(settings, tmp_path / "out", [1200], tmp_path / "kept", silent)
    measured = {row["measure"]: row["value"] for row in result["rows"]}
    assert measured["passages at 1,200"] >= 1200
    for name in large.FILTERS:
        assert measured[f"{name}: recall@10 of the vectors at 1,200"] > 0.99
        assert 0 < measured[f"{name}: p50 ms at 1,200"] <= measured[f"{name}: p95 ms at 1,200"]
    assert measured["within a week: share of the passages at 1,200"] < 0.2
    assert measured["without a filter: share of the passages at 1,200"] == 1
    assert measured["step, nearest vectors: p50 ms at 1,200"] > 0
    assert (tmp_path / "kept" / "passages-1200" / "filled").exists()  # found again by the next run
    assert not settings.data_dir.exists()


def _vectors(folder: Path) -> np.ndarray:
    found = np.random.default_rng(1).normal(size=(40, 64)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found
