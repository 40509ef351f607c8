"""What an answer leaves out as said before, and what it doubts or refuses for what the articles lack."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import pytest
from answering_support import assistant_of

from rag.answering.answerability import evidence_reason, lacks_names_together
from rag.answering.citations import Citer
from rag.answering.conversation.followups import read
from rag.answering.extraction.of_days import _asks_for_one
from rag.answering.extraction.quotations import quotations
from rag.answering.people.namesakes import bearers_of
from rag.answering.people.same_name import told_apart
from rag.answering.sentence_selection import Candidate, Evidence
from rag.archive.archive import Archive
from rag.language.dates import named_days
from rag.schema import Article, Passage

TODAY = date(2026, 6, 18)


def candidates(*texts: str) -> list[Candidate]:
    """A candidate for each text, each of an article of its own, best first."""
    found = []
    for at, text in enumerate(texts):
        article = Article(id=f"a{at}", title="", text=text, language="en", source=f"a{at}")
        passage = Passage(article=article, number=0, start=0, end=len(text))
        found.append(Candidate(passage, 0, len(text), score=1.0 - at / 100))
    return found


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ("Renner was the lone vote against the pier.", False),  # the first says all of it
        ("Renner was the lone vote against the new bridge.", True),
        ("The lone vote against the pier was Renner's, on Tuesday.", True),  # in another order
        ("Police denied that Renner was the lone vote against the pier.", True),
    ],
)
def test_a_sentence_that_says_nothing_more_is_not_quoted_again(second: str, told: bool) -> None:
    first = "Tobias Renner, a former officer, was the lone vote against the old pier on Tuesday."
    quoted = [one.text for one in quotations("Who voted against the pier?", candidates(first, second), Citer())]
    assert first in quoted
    assert (second in quoted) is told


@pytest.mark.parametrize(
    ("question", "text", "lacking"),
    [
        ("Who won the World Series?", "The World Cup was held. A Series of votes followed.", True),
        ("Who won the World Series?", "They won the World Series in May.", False),
        ("Who won the World Series?", "They won a cup in May.", False),  # neither is there: other rules see to it
        ("Who made Anna Seidels bridge?", "Anna Seidel opened a bridge.", False),  # an inflection
        ("who won it?", "They won.", False),
    ],
)
def test_names_that_stand_together_in_a_question_stand_together_in_an_article(
    question: str, text: str, lacking: bool
) -> None:
    article = Article(id="a", title="", text=text, language="en", source="a")
    assert lacks_names_together(question, [article]) is lacking


@pytest.mark.parametrize(("missing", "refused"), [(("2018",), True), (("quiroga",), False), ((), False)])
def test_a_year_that_no_article_holds_is_missed_in_any_language(missing: tuple[str, ...], refused: bool) -> None:
    evidence = Evidence(tuple(candidates("It rained.")), missing=missing, likeness=1.0, closeness=2.0, coverage=1.0)
    assert bool(evidence_reason(evidence, rewritten=False, foreign=True)) is refused


def test_days_that_an_article_of_other_days_names_are_not_empty(empty_archive: Archive) -> None:
    text = "The Lindental fair was held on 14 June 2025. What happened there was a great joy to all of the town."
    assistant = assistant_of(empty_archive, (datetime(2025, 8, 1, tzinfo=UTC), text))
    assert assistant.ask("What happened on 14 June 2025?", today=TODAY).reason == ""
    assert assistant.ask("What happened on 14 May 2025?", today=TODAY).reason == "nothing found"


@pytest.mark.parametrize(
    ("question", "of_days"),
    [
        ("What did the council do in June 2025?", True),
        ("Why did the council close the bridge in June 2025?", False),
        ("What did the council say about the bridge in June 2025?", False),
        ("Qui a fermé le pont en juin 2025 ?", False),
    ],
)
def test_only_what_happened_is_told_day_by_day(question: str, of_days: bool) -> None:
    assert _asks_for_one(read(question, (), TODAY)) is not of_days


def test_one_article_of_many_makes_no_second_person_of_a_name(empty_archive: Archive) -> None:
    coach = [f"The Rovers coach, Jasper Brandt, smiled. Brandt was glad of match {at}." for at in range(4)]
    agent = "Jasper Brandt, an estate agent, sold the hall. Brandt was glad."
    days = [datetime(2025, month, 1, tzinfo=UTC) for month in (1, 3, 5, 9)]

    def people(texts: list[str]) -> int:
        articles = [
            Article(id=f"p{at}", title="", text=text, language="en", source=f"p{at}", published=day)
            for at, (day, text) in enumerate(zip([*days, datetime(2025, 4, 1, tzinfo=UTC)], texts, strict=True))
        ]
        (brandt,) = bearers_of("brandt", articles)
        return len(told_apart(brandt, "brandt", articles, empty_archive))

    assert people([*coach, agent]) == 1
    assert people([*coach[:2], agent, coach[3], agent]) == 2


def test_a_sentence_full_of_days_is_read_in_time_that_grows_with_its_length() -> None:
    began = time.perf_counter()
    assert len(named_days("on Monday will " * 4000, date(2025, 3, 12), "en")) == 4000
    assert time.perf_counter() - began < 8  # half a second at rest; 25 where each day read the sentence anew
