"""Embeddings kept between runs: each text once for each model, in the order asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fakes import WordEmbedder

from eval.systems.vector_cache import CachedEmbedder, VectorCache
from rag.errors import StorageError


def test_a_second_run_embeds_only_what_is_new(tmp_path: Path) -> None:
    inner = WordEmbedder()
    first = CachedEmbedder(inner, VectorCache(tmp_path)).embed_passages(["rain", "snow", "rain"])
    assert inner.embedded == ["rain", "snow"]
    again = CachedEmbedder(inner, VectorCache(tmp_path)).embed_passages(["hail", "snow", "rain"])
    assert inner.embedded == ["rain", "snow", "hail"]
    assert np.array_equal(again[[2, 1, 2]], first)
    assert np.array_equal(again, WordEmbedder().embed_passages(["hail", "snow", "rain"]))
    assert again.dtype == np.float32


def test_models_and_kinds_of_text_are_kept_apart(tmp_path: Path) -> None:
    kept = VectorCache(tmp_path)
    rows = {
        model: kept.rows(model, ["rain"], lambda texts, value=value: np.full((1, 2), value))[0].tolist()
        for value, model in enumerate(("a queries", "a passages", "b queries"))
    }
    assert rows == {"a queries": [0.0, 0.0], "a passages": [1.0, 1.0], "b queries": [2.0, 2.0]}


def test_more_texts_than_one_look_up_takes(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(1203)]
    kept = VectorCache(tmp_path)
    made = kept.rows("m", texts, lambda new: np.arange(len(new), dtype=np.float32)[:, None])
    assert np.array_equal(kept.rows("m", texts, lambda new: pytest.fail("embedded again")), made)


def test_no_text_is_no_row(tmp_path: Path) -> None:
    assert CachedEmbedder(WordEmbedder(), VectorCache(tmp_path)).embed_queries([]).shape[0] == 0


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "embeddings.2.sqlite").write_text("this is no database, whatever its name says" * 100)
    with pytest.raises(StorageError, match=r"embeddings\.2\.sqlite.*Delete the file"):
        VectorCache(tmp_path)
