"""The stories that relevance is learned from: their labels are whole, and the demo archive is not among them."""

from __future__ import annotations

import re

import pytest

from eval.datasets import demo, editor
from eval.relevance import stories

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
