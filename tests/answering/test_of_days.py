"""What happened in the days that a question names."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from fakes import WordEmbedder

from ingest.pipeline import ingest
from rag.answering.compose.sentences.own_days import own_days
from rag.answering.conversation.followups import read
from rag.answering.extraction.of_days import names_only_days
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.models import files
from rag.models.embeddings import Embedder
from rag.schema import Article
from rag.settings import Settings

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


LATER = date(2031, 10, 2)  # from which August 2031 is past
END = "The articles searched end on 3 September 2025."


def town_of(archive: Archive, embedder: Embedder) -> Assistant:
    """An assistant of two articles on one town, the last one of 3 September 2025."""
    texts = (
        (datetime(2025, 4, 3, tzinfo=UTC), "Mayor Luther Voss closed the pool of Harrow Bay. “It leaks,” Voss said."),
        (datetime(2025, 9, 3, tzinfo=UTC), "Harrow Bay will get a bridge. Mayor Imogen Vale showed the plans."),
    )
    articles = [
        Article(id=f"a{at}", title="", text=text, language="en", source=f"a{at}", published=day)
        for at, (day, text) in enumerate(texts)
    ]
    ingest(articles, archive, embedder)
    return Assistant(archive, embedder, None, Settings(data_dir=archive.folder, llm="none"))


@pytest.fixture
def town(empty_archive: Archive) -> Assistant:
    """An assistant of these articles with a word embedder."""
    return town_of(empty_archive, WordEmbedder())


@pytest.mark.parametrize(
    "question", ["What happened in August 2031?", "Was geschah im August 2031?", "¿Qué pasó en agosto de 2031?"]
)
def test_what_happened_in_days_from_which_there_is_nothing_is_refused_without_an_article(
    town: Assistant, question: str
) -> None:
    answer = town.ask(question, today=LATER)
    assert (answer.answered, answer.reason, answer.hits) == (False, "nothing found", ())


def test_what_somebody_said_in_days_from_which_there_is_nothing_is_not_refused_for_the_days(town: Assistant) -> None:
    answer = town.ask("What did Renner say in August 2031?", today=LATER)
    assert answer.reason != "nothing found"
    assert answer.hits


@pytest.mark.parametrize(
    ("days", "ends"),
    [
        ("in August 2031", True),
        ("in October 2025", True),
        ("in September 2025", False),  # the articles end within it
        ("in May 2025", False),  # no article is from it, but later ones are
        ("", False),
    ],
)
def test_an_answer_on_days_behind_the_last_article_begins_with_where_the_articles_end(
    town: Assistant, days: str, ends: bool
) -> None:
    answer = town.ask(f"Who was the mayor of Harrow Bay {days}?", today=LATER)
    assert answer.answered
    assert (answer.sentences[0].text == END) is ends
    assert sum(END in one.text for one in answer.sentences) == ends


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

    def test_what_somebody_said_is_told_behind_where_the_articles_end(
        self, demo_assistant: Assistant, empty_archive: Archive
    ) -> None:
        town = town_of(empty_archive, demo_assistant.embedder)
        first, *others = town.ask("What did Voss say in August 2031?", today=LATER).sentences
        assert first.text == END
        assert any("“It leaks,” Voss said." in one.text for one in others)
        past = town.ask("What happened in April 2025?", today=LATER)
        assert "closed the pool" in past.text
        assert END not in past.text
