"""Messages that ask for nothing get a line on what can be asked, not quotations and no refusal."""

from __future__ import annotations

import pytest
from conftest import Asked

from rag.answering.conversation.small_talk import is_small_talk
from rag.schema import Turn

SMALL_TALK = [
    "hello", "HELLO!", "thank you", "ok", "test", "How are you?", "hola", "Muchas gracias.", "danke!", "Guten Tag",
    "s'il vous plaît", "merci beaucoup", "ciao", "obrigado", "Dank je wel", "hoi",
]  # fmt: skip
QUESTIONS = [
    "Hello Kitty recall", "Thank You for Smoking review", "Good Morning America", "test match", "OK Computer",
    "Thanks, what is the WHO?", "Ola Nordmann", "¿Gracias a quién ganó Prat?",
]  # fmt: skip


@pytest.mark.parametrize("message", SMALL_TALK)
@pytest.mark.parametrize("goes_on", [False, True])
def test_small_talk_of_seven_languages_is_told(message: str, goes_on: bool) -> None:
    assert is_small_talk(message, goes_on=goes_on)


@pytest.mark.parametrize("message", QUESTIONS)
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_question_with_such_words_is_none(message: str, goes_on: bool) -> None:
    assert not is_small_talk(message, goes_on=goes_on)


def test_stop_words_ask_only_in_a_conversation() -> None:
    assert is_small_talk("Hello there", goes_on=False)
    assert not is_small_talk("Ok, and then?", goes_on=True)


def test_it_is_answered_with_what_can_be_asked(assistant: Asked) -> None:
    asked = assistant("a reply that nobody reads")
    history = [Turn(question="Who is the mayor of Villasera?", answer="Lucía Prat is.")]
    for answers in (list(asked.stream("hello")), list(asked.stream("Thanks!", history=history))):
        assert [(one.answered, one.final, one.hits, one.citations) for one in answers] == [(True, True, (), ())]
        assert answers[0].text.startswith("Ask about what these articles report: ")
        assert "The archive holds 10 articles from 20 January 2025 to 12 February 2026." in answers[0].text
    assert asked.llm.asked == []  # type: ignore[union-attr]
