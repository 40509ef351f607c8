"""The questions that the kinds are fitted on."""

from pathlib import Path

import pytest

from eval.datasets import demo, editor
from eval.kinds.questions import load

UNSEEN = Path(__file__).parents[1] / "answering" / "kinds_of_questions.tsv"


def test_no_question_is_there_twice_or_in_a_set_that_is_measured():
    texts = [one.text.lower() for one in load()]
    measured = [one.text for one in [*demo.load(), *editor.load()] if not one.history]
    measured += [one.text for one in load(UNSEEN)]
    assert len(texts) == len(set(texts))
    assert not {text.lower() for text in measured} & set(texts)


def test_a_line_with_an_unknown_kind_is_named(tmp_path):
    file = tmp_path / "questions.tsv"
    file.write_text("fact\ten\tWho won?\nwhy\ten\tWhy so?\n", encoding="utf-8")
    with pytest.raises(ValueError, match="Why so"):
        load(file)
