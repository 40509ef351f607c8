"""Several questions in one text, and questions for a cause."""

import pytest

from rag.answering.kinds.causes import asks_cause, gives_cause
from rag.answering.kinds.parts import parts_of
from rag.assistant import Assistant
from rag.models import files


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


@pytest.mark.models
@pytest.mark.skipif(not files.has_packaged_e5(), reason="the multilingual embedder is not installed")
@pytest.mark.parametrize(
    ("question", "said", "of_others"),
    [
        ("Who is Harriet Nwosu and how old is she?", "second, weaker front", "Brannigan"),
        ("Wer ist Harriet Nwosu und wie alt ist sie?", "second, weaker front", "Brannigan"),
        ("Who is Joel Brannigan and how old is he?", "24-year-old", "67 years old"),
        ("Who is Adrian Holloway and how old is he?", "He is 56", "67 years old"),  # his customers' age
    ],
)
def test_a_pronoun_in_a_later_part_means_whom_the_first_one_names(
    demo_assistant: Assistant, question: str, said: str, of_others: str
) -> None:
    text = demo_assistant.ask(question).text
    assert said in text
    assert of_others not in text
    assert "differ" not in text
