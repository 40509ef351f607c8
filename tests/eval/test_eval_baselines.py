"""The plain baseline, with a small embedder in place of the model."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import WordEmbedder

from eval.datasets.beir import Document
from eval.metrics.retrieval import DEPTH
from eval.systems.baselines import plain_trafilatura

pytest.importorskip("llama_index.vector_stores.chroma", reason="needs the extra 'eval'")

CORPUS = [
    Document(id="ferry", title="", text="The ferry Castellan ran aground. " * 300),  # more than one node
    Document(id="bank", title="Bank", text="The Bank of Corvane lowered its key rate."),
]


def test_the_plain_index_finds_articles_and_is_kept(tmp_path: Path) -> None:
    from eval.systems.baselines import PlainLlamaIndex, borrowed_embedding

    embedder = WordEmbedder()
    plain = PlainLlamaIndex(CORPUS, tmp_path, "k1", borrowed_embedding(embedder))
    assert [article for article, _ in plain.search("ferry Castellan aground", 10)] == ["ferry", "bank"]
    assert plain.search("key rate of the Bank", 1)[0][0] == "bank"
    plain.close()
    nodes = len(embedder.embedded)
    assert nodes > 2
    PlainLlamaIndex(CORPUS, tmp_path, "k1", borrowed_embedding(embedder)).close()
    assert len(embedder.embedded) == nodes  # the same data: nothing is embedded again
    PlainLlamaIndex(CORPUS[:1], tmp_path, "k2", borrowed_embedding(embedder)).close()
    assert len(embedder.embedded) == 2 * nodes - 1


def test_the_plain_index_is_asked_for_enough_nodes_for_a_whole_ranking(tmp_path: Path) -> None:
    from eval.systems.baselines import PlainLlamaIndex, borrowed_embedding

    # Notices without a common word: Chroma does not reach all of many near-copies.
    notices = (Document(id=f"n{i}", title="", text=f"Harbour{i} clerk{i} pier{i}") for i in range(DEPTH - 1))
    corpus = [CORPUS[0], *notices]
    plain = PlainLlamaIndex(corpus, tmp_path, "k", borrowed_embedding(WordEmbedder()))
    assert len(plain.search("ferry Castellan aground", DEPTH)) == DEPTH  # though the first article takes several nodes
    plain.close()


def test_plain_trafilatura_finds_nothing_in_nothing() -> None:
    assert plain_trafilatura("<html><body></body></html>") == ("", "", None)
