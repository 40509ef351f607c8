"""The stories that relevance is learned from: their labels are whole, and the demo archive is not among them. What is
fitted on them is what is used."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from eval.datasets import demo, editor
from eval.relevance import fit, stories
from rag.answering.relevance.late_interaction import TokenRelevance
from rag.answering.relevance.learned import Context
from rag.models.packaged.onnx_embedder import ReadText

DEMO_NAMES = re.compile(r"\b(Maravel|Castellan|Dunmere|Harrow Bay|Lunada)\b")
QUESTIONS = list(stories.questions())


def test_there_are_stories_in_many_languages() -> None:
    assert len({one.story for one in QUESTIONS}) > 250
    assert len({one.language for one in QUESTIONS}) > 15
    assert 0.1 < sum(max(map(max, one.worth)) == 0 for one in QUESTIONS) / len(QUESTIONS) < 0.3


def test_every_label_is_of_a_sentence() -> None:
    for story in stories.lines(stories.STORIES):
        lengths = [len(article["sentences"]) for article in story["articles"]]
        for question in story["questions"]:
            pairs = [tuple(pair) for pair in question["best"] + question["partial"]]
            assert len(pairs) == len(set(pairs)), (story["id"], question["text"])
            assert all(0 <= s < lengths[a] for a, s in pairs), (story["id"], question["text"])


def test_every_question_has_an_article_of_its_day_or_before() -> None:
    assert [one.text for one in QUESTIONS if not one.articles] == []
    assert all([len(a.sentences) for a in one.articles] == [len(own) for own in one.worth] for one in QUESTIONS)


@pytest.mark.parametrize("load", [demo.load, editor.load])
def test_no_question_to_the_demo_archive_is_among_them(load: object) -> None:
    assert callable(load)
    assert {one.text.casefold() for one in load()}.isdisjoint(one.text.casefold() for one in QUESTIONS)


def test_no_story_is_of_the_demo_archive() -> None:
    texts = {text for one in QUESTIONS for a in one.articles for text in (a.headline, *a.sentences)}
    assert [text for text in texts if DEMO_NAMES.search(text)] == []


class RandomReader:
    """Vectors drawn at random, the same for the same text."""

    def tokens(self, text: str) -> np.ndarray:
        """Those of the tokens of a text, with a prefix and an end."""
        draw = np.random.default_rng(list(text.encode()))
        return draw.normal(size=(4 + len(text) % 7, 384)).astype(np.float16).astype(np.float32)

    def vector(self, text: str) -> np.ndarray:
        """The one of a text."""
        mean = self.tokens(text).mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean))

    def read_passages(self, texts: Sequence[str], reduce: Callable[[np.ndarray], np.ndarray]) -> list[ReadText]:
        """See TokenReader."""
        return [ReadText(self.vector(text), reduce(self.tokens(text))) for text in texts]

    read_queries = read_passages


@pytest.mark.parametrize("late", [True, False])
def test_the_fitted_model_gives_the_scores_that_its_weights_give(late: bool) -> None:
    asked = [one for one in QUESTIONS if one.story == QUESTIONS[0].story]
    reader = RandomReader()
    (story,) = fit._stories(reader, asked)
    model = fit._Model([story], late=late).eval()
    known = model.of_tokens() if late else model.of_texts()
    for question, scores in zip(asked, model(story), strict=True):
        holding = story.asked[asked.index(question)].features[:, 3].bool().tolist()
        found: list[float] = []
        for article in question.articles:
            own = holding[len(found) : len(found) + len(article.sentences)]
            vectors = np.array([reader.vector(text) for text in article.sentences])
            context, query = Context(vectors, reader.vector(article.headline), own), reader.vector(question.text)
            if isinstance(known, TokenRelevance):
                told = [known.told_tokens(reader.tokens(text)) for text in (article.headline, *article.sentences)]
                tokens = known.asked_tokens(reader.tokens(question.text))
                found += known.scores_of(query, tokens, context, told).tolist()
            else:
                found += known.scores(query, context).tolist()
        assert np.allclose(found, scores.detach().numpy(), atol=0.02)
