"""The real sentence-transformers path with a model of a few kilobytes, made here."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from fakes import WordEmbedder

from rag.errors import ModelUnavailable
from rag.models.embeddings import CachedEmbedder, LazyEmbedder, SentenceEmbedder, token_reader


def test_rows_are_unit_vectors_in_order(tiny_model: Path) -> None:
    embedder = SentenceEmbedder.load(str(tiny_model))
    texts = ["ferry", "bank rate", "ferry ferry", "rate bank"]
    rows = embedder.embed_passages(texts)
    assert (rows.shape, rows.dtype, embedder.dim) == ((4, 64), np.float32, 64)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    # A mean of word vectors: order and repetition of words make no difference.
    np.testing.assert_allclose(rows[0], rows[2], atol=1e-2)
    np.testing.assert_allclose(rows[1], rows[3], atol=1e-2)
    assert rows[0] @ rows[1] < 0.5
    np.testing.assert_array_equal(embedder.embed_queries(texts), rows)


def test_nothing_gives_no_rows(tiny_model: Path) -> None:
    embedder = SentenceEmbedder.load(str(tiny_model))
    assert embedder.embed_passages([]).shape == (0, 64)


def test_a_lazy_embedder_knows_its_name_before_it_loads() -> None:
    assert LazyEmbedder("/nowhere").name == "/nowhere"
    assert LazyEmbedder().name == "intfloat/multilingual-e5-small"


def test_a_folder_without_a_model_is_unavailable_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=f"'{tmp_path}' cannot be loaded.*DATELINE_EMBEDDER, or unset it"):
        LazyEmbedder(str(tmp_path)).embed_queries(["x"])


def test_loading_leaves_the_environment_as_it_was(tiny_model: Path) -> None:
    before = dict(os.environ)
    SentenceEmbedder.load(str(tiny_model))
    assert dict(os.environ) == before


def test_a_text_seen_lately_is_not_embedded_again() -> None:
    inner = WordEmbedder()
    embedder = CachedEmbedder(inner, capacity=2)
    first = embedder.embed_passages(["ferry", "bank", "ferry"])
    inner.embedded.clear()
    np.testing.assert_array_equal(embedder.embed_passages(["bank", "ferry"]), first[[1, 0]])
    assert not inner.embedded
    embedder.embed_passages(["rate"])  # "bank" was asked for longest ago
    assert embedder.embed_passages(["ferry", "rate"]).shape == first[:2].shape
    assert inner.embedded == ["rate"]
    embedder.embed_passages(["bank"])
    assert inner.embedded == ["rate", "bank"]


def test_only_the_packaged_models_tell_the_vectors_of_tokens(tiny_model: Path) -> None:
    for embedder in (WordEmbedder(), SentenceEmbedder.load(str(tiny_model)), LazyEmbedder(str(tiny_model))):
        assert token_reader(embedder) is None
        assert token_reader(CachedEmbedder(embedder)) is None
