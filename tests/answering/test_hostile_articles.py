"""Articles and days that are there to make an answer fail, or take for ever."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import pytest
from answering_support import assistant_of

from rag.archive.archive import Archive
from rag.schema import Turn


@pytest.mark.parametrize(
    "question",
    [
        "Who is " + "Quill " * 320 + "?",
        "Who replaced " + "Quill " * 310 + "?",
        "Who replaced Anna Quill as mayor of Selwyn?",
        "What did " + "Anna Quill " * 170 + "say?",
    ],
)
def test_a_name_a_thousand_times_takes_no_minutes(empty_archive: Archive, question: str) -> None:
    usual = "Anna Quill, the mayor of Selwyn, won. Quill said she was glad about the vote."
    often = "Anna Quill, the mayor of Selwyn, said so. " * 1400
    days = [datetime(2025, 1, day, tzinfo=UTC) for day in (1, 2, 3, 4)]
    asked = assistant_of(empty_archive, *[(day, usual) for day in days[:3]], (days[3], often))
    asked.ask("Was the vote close?")  # loads what is loaded lazily
    began = time.perf_counter()
    asked.ask(question)
    assert time.perf_counter() - began < 8  # one took over three minutes, and 14 s with each word asked for anew


@pytest.mark.parametrize("day", [date.min, date.max])
@pytest.mark.parametrize(
    "question", ["Who is the mayor of Villasera?", "Timeline of the bridge", "What is the latest on the bridge?"]
)
def test_the_first_and_the_last_day_of_the_calendar(empty_archive: Archive, question: str, day: date) -> None:
    text = "Rosa Marin, the mayor of Villasera, opened the bridge on 3 May 2025. The bridge was closed in June."
    asked = assistant_of(empty_archive, (datetime(day.year, day.month, day.day, tzinfo=UTC), text))
    assert asked.ask(question, today=day if day == date.max else date(2026, 1, 1)).coverage.articles == 1


@pytest.mark.parametrize("year", [1000, 9998, 9999])
def test_a_month_beside_days_at_the_end_of_the_calendar(empty_archive: Archive, year: int) -> None:
    asked = assistant_of(empty_archive, (datetime(year, 6, 1, tzinfo=UTC), "The bridge of Villasera was closed."))
    before = Turn(question=f"What happened to the bridge in June {year}?", answer="It was closed.")
    asked.ask("And in May?", history=[before], today=date(year, 12, 31))


def test_who_speaks_for_a_mayor_or_wants_to_be_one_is_none(empty_archive: Archive) -> None:
    days = [datetime(2025, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    asked = assistant_of(
        empty_archive,
        (days[0], "Rosa Marin, the mayor of Villasera, opened the bridge. It rained."),
        (days[1], "Leo Prat, a spokesman for the mayor of Villasera, said it would stay open. It rained."),
        (days[2], "Ida Coll, a candidate for mayor of Villasera, wants another bridge. It rained."),
    )
    told = asked.ask("Who is the mayor of Villasera?").sentences
    assert [one.citations[0].passage.article.id for one in told] == ["a0"]
