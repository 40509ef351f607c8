from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from conftest import Asked
from fakes import WordEmbedder

from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.schema import Article, Filters

REPORT = Article(
    id="fee",
    title="Ferry passengers to pay an entry fee of twelve crowns",
    text="Ferry passengers from Lunada will pay an entry fee of twelve crowns from January, a cabinet paper says.",
    outlet="Corvane Ledger",
    language="en",
    published=datetime(2026, 2, 3),
)
NOTICE = replace(
    REPORT,
    title="WITHDRAWN: report on a fee",
    text="Please do not use the report. The paper was not genuine.",
    version=2,
    status="withdrawn",
    modified=datetime(2026, 2, 4),
)
QUESTION = "How many crowns is the entry fee for ferry passengers?"


@pytest.fixture
def withdrawn(archive: Archive) -> Archive:
    for version in (REPORT, NOTICE):
        ingest([version], archive, WordEmbedder())
    return archive


def test_of_a_withdrawn_report_it_is_said_that_it_was_and_not_what_it_told(withdrawn: Archive) -> None:
    answer = Asked(withdrawn)(extraction=True).ask(QUESTION)
    assert (answer.answered, answer.reason) == (False, "the report that told of this was withdrawn")
    assert "withdrawn by Corvane Ledger on 4 February 2026" in answer.text
    assert "twelve" not in answer.text


def test_a_question_that_other_articles_answer_is_answered_from_them(withdrawn: Archive) -> None:
    answer = Asked(withdrawn)(extraction=True).ask("What did the Bank of Corvane do with its key rate in 2025?")
    assert answer.answered
    assert "withdrawn" not in answer.text


@pytest.mark.parametrize("question", ["How many crowns is the entry fee for the museum?", "Do dogs pay an entry fee?"])
def test_a_question_about_something_like_it_is_not_about_the_withdrawn_report(
    withdrawn: Archive, question: str
) -> None:
    assert "withdrawn" not in Asked(withdrawn)(extraction=True).ask(question).text


def test_without_a_withdrawn_report_nothing_is_said_of_one(archive: Archive) -> None:
    ingest([REPORT], archive, WordEmbedder())
    answer = Asked(archive)(extraction=True).ask(QUESTION)
    assert answer.answered
    assert "twelve" in answer.text


def test_a_withdrawn_report_of_another_outlet_is_not_told_of_where_one_outlet_is_searched(withdrawn: Archive) -> None:
    answer = Asked(withdrawn)(extraction=True).ask(QUESTION, filters=Filters(outlets=("The Tide",)))
    assert "withdrawn" not in answer.text


def test_a_notice_that_does_not_say_when_is_told_without_a_day(archive: Archive) -> None:
    for version in (REPORT, replace(NOTICE, modified=None)):
        ingest([version], archive, WordEmbedder())
    assert "was withdrawn by Corvane Ledger;" in Asked(archive)(extraction=True).ask(QUESTION).text
