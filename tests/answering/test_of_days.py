"""What happened in the days that a question names."""

from __future__ import annotations

from datetime import date

import pytest

from rag.answering.compose.sentences.own_days import own_days
from rag.answering.conversation.followups import read
from rag.answering.extraction.of_days import names_only_days
from rag.assistant import Assistant
from rag.models import files

TODAY = date(2026, 6, 18)


@pytest.mark.parametrize(
    ("question", "only"),
    [
        ("What happened in April 2026?", True),
        ("¿Qué pasó en mayo de 2025?", True),
        ("Was geschah im März 2025?", True),
        ("What happened in Dunmere in April 2026?", False),
        ("What happened at the dock strike?", False),
    ],
)
def test_a_question_may_name_days_and_nothing_else(question: str, only: bool) -> None:
    assert names_only_days(read(question, (), TODAY), TODAY) is only


def test_what_goes_on_until_a_day_did_not_happen_on_it() -> None:
    text = "The cutter sent up flares off the islands, which stay shut until the closed season ends this Sunday."
    assert own_days(text, date(2026, 4, 24), "en") == []
    assert own_days("The closed season ends this Sunday.", date(2026, 4, 24), "en") == [date(2026, 4, 26)]


@pytest.mark.models
@pytest.mark.skipif(not files.has_packaged_e5(), reason="the multilingual embedder is not installed")
class TestAnswers:
    @pytest.mark.parametrize(
        ("question", "said"),
        [
            ("What happened in April 2026?", "fired two warning flares"),
            ("What happened on 14 November 2025?", "Dockers at Harrow Bay have voted to go back to work"),
        ],
    )
    def test_the_stories_of_these_days_are_told(self, demo_assistant: Assistant, question: str, said: str) -> None:
        answer = demo_assistant.ask(question, today=TODAY)
        assert said in answer.text
        assert answer.window is not None
        assert not answer.window.dropped

    def test_the_article_that_holds_the_names_of_the_question_answers_first(self, demo_assistant: Assistant) -> None:
        answer = demo_assistant.ask("Who leads the independent inquiry into the train derailment in Arden Cutting?")
        assert "Walter Imrie" in answer.sentences[0].text

    def test_nobody_is_said_to_have_done_what_another_did(self, demo_assistant: Assistant) -> None:
        answer = demo_assistant.ask("Why did Cormac Reyes resign?")
        assert not answer.sentences or "Lacey" not in answer.sentences[0].text
