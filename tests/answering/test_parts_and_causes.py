"""Several questions in one text, and questions for a cause."""

import pytest

from rag.answering.kinds.causes import asks_cause, gives_cause
from rag.answering.kinds.parts import parts_of


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("Who won the race and what was the prize?", ["Who won the race", "what was the prize?"]),
        (
            "¿Quién ganó la carrera y cuántos atletas corrieron?",
            ["¿Quién ganó la carrera", "cuántos atletas corrieron?"],
        ),
        ("Wer gewann das Rennen und wie viele liefen mit?", ["Wer gewann das Rennen", "wie viele liefen mit?"]),
        ("Qui a gagné la course et quel était le prix ?", ["Qui a gagné la course", "quel était le prix ?"]),
        ("Who won the race? How many ran?", ["Who won the race?", "How many ran?"]),
    ],
)
def test_a_text_is_parted_where_another_question_begins(question, parts):
    assert parts_of(question) == parts


@pytest.mark.parametrize(
    "question",
    [
        "Who won the race and the prize?",
        "Who said what and when?",
        "Did the mayor say who won and what it cost?",
        "¿Qué pasó en Orrin y Castellan?",
    ],
)
def test_one_question_stays_whole(question):
    assert parts_of(question) == [question]


@pytest.mark.parametrize(
    "question", ["Why did it burn?", "¿Por qué ardió?", "Warum brannte es?", "Pourquoi a-t-il brûlé ?"]
)
def test_a_question_for_a_cause_is_told(question):
    assert asks_cause(question)
    assert not asks_cause("When did it burn?")


def test_a_sentence_with_because_gives_a_cause_more_plainly_than_one_with_after():
    assert gives_cause("It sank because a seal was wrong.") > gives_cause("It sank after a storm.") > 0
    assert gives_cause("It sank on Monday.") == 0
