"""The days that a question names, against a calendar: 14 May 2025 was a Wednesday."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from time import process_time

import pytest
from conftest import Asked
from hypothesis import example, given
from hypothesis import strategies as st

from rag.answering.retrieval.retriever import preferred, within
from rag.answering.time_windows.shifts import Shift, shift_of
from rag.answering.time_windows.windows import named_window, window_beside, without_days
from rag.errors import QuestionError
from rag.interfaces.page.conversation_view import exchange_html
from rag.interfaces.page.exchange import Exchange
from rag.interfaces.text import window_days
from rag.schema import Filters, TimeWindow

TODAY = date(2025, 5, 14)
LAST_WEEK, MARCH = ("2025-05-05", "2025-05-11"), ("2025-03-01", "2025-03-31")


def days(window: TimeWindow | None) -> tuple[str, str] | None:
    return window and (str(window.first or ""), str(window.last or ""))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What happened last week?", LAST_WEEK),
        ("Was geschah letzte Woche in Berlin?", LAST_WEEK),
        ("Wer gewann vergangene Woche?", LAST_WEEK),
        ("¿Qué pasó la semana pasada?", LAST_WEEK),
        ("Que s'est-il passé la semaine dernière ?", LAST_WEEK),
        ("Cosa è successo la settimana scorsa?", LAST_WEEK),
        ("O que aconteceu na semana passada?", LAST_WEEK),
        ("Wat gebeurde er vorige week?", LAST_WEEK),
        ("Что случилось на прошлой неделе?", LAST_WEEK),
        ("Co się stało w zeszłym tygodniu?", LAST_WEEK),
        ("Geçen hafta ne oldu?", LAST_WEEK),
        ("ماذا حدث الأسبوع الماضي؟", LAST_WEEK),
        ("上周发生了什么？", LAST_WEEK),
        ("先週何が起きましたか？", LAST_WEEK),
        ("지난주에 무슨 일이 있었나요?", LAST_WEEK),
        ("What did the council decide in March 2025?", MARCH),
        ("Was beschloss der Rat im März 2025?", MARCH),
        ("¿Qué decidió el pleno en marzo de 2025?", MARCH),
        ("2025年3月发生了什么？", MARCH),
        ("2025년 3월에 무슨 일이 있었나요?", MARCH),
        ("Qui a gagné en mars ?", MARCH),
        ("What happened in early March?", MARCH),
        ("What was reported between 3 and 9 May?", ("2025-05-03", "2025-05-09")),
        ("What was reported on May 3-9, 2024?", ("2024-05-03", "2024-05-09")),
        ("Was geschah vom 3. bis 9. Mai?", ("2025-05-03", "2025-05-09")),
        ("From March to May 2024 what happened?", ("2024-03-01", "2024-05-31")),
        ("What happened in 2023 and 2024?", ("2023-01-01", "2024-12-31")),
        ("How many strikes have there been since June?", ("2024-06-01", "")),
        ("Was geschah seit März 2024?", ("2024-03-01", "")),
        ("Who was mayor before 2024?", ("", "2023-12-31")),
        ("Wat gebeurde er na mei 2024?", ("2024-06-01", "")),
        ("What happened after 3 May 2025?", ("2025-05-04", "")),
        ("What happened yesterday?", ("2025-05-13", "2025-05-13")),
        ("Qu'a décidé le conseil hier ?", ("2025-05-13", "2025-05-13")),
        ("What did parliament pass this month?", ("2025-05-01", "2025-05-31")),
        ("What did the bank say last month?", ("2025-04-01", "2025-04-30")),
        ("Who won last year?", ("2024-01-01", "2024-12-31")),
        ("Which accidents happened in the past ten days?", ("2025-05-04", "2025-05-14")),
        ("Was geschah in den letzten zehn Tagen?", ("2025-05-04", "2025-05-14")),
        ("过去三天发生了什么？", ("2025-05-11", "2025-05-14")),
        ("Was geschah vor drei Tagen?", ("2025-05-11", "2025-05-11")),
        ("¿Qué pasó hace dos semanas?", ("2025-04-28", "2025-05-04")),
        ("What happened three days ago?", ("2025-05-11", "2025-05-11")),
        ("What happened last Friday?", ("2025-05-09", "2025-05-09")),
        ("Was geschah am vergangenen Freitag?", ("2025-05-09", "2025-05-09")),
        ("What was said in the first quarter of 2025?", ("2025-01-01", "2025-03-31")),
        ("Was geschah im ersten Quartal 2025?", ("2025-01-01", "2025-03-31")),
        ("Who resigned in the summer of 2024?", ("2024-06-01", "2024-08-31")),
        ("Who was killed during the winter of 2023?", ("2023-12-01", "2024-02-29")),
        ("What happened last summer?", ("2024-06-01", "2024-08-31")),
        ("What did she say on 9 May?", ("2025-05-09", "2025-05-09")),
        ("¿Quién ganó el 3 de mayo de 2025?", ("2025-05-03", "2025-05-03")),
        ("What did she say on 20 May?", ("2024-05-20", "2024-05-20")),  # the last one, not the coming one
        ("What happened on 29 February?", ("2024-02-29", "2024-02-29")),
        ("What happened on 2025-03-09?", ("2025-03-09", "2025-03-09")),
        ("Was geschah am 13.3.2025?", ("2025-03-13", "2025-03-13")),
        ("What record was set in 2024?", ("2024-01-01", "2024-12-31")),
    ],
)
def test_days_that_a_question_names(question: str, expected: tuple[str, str]) -> None:
    assert days(named_window(question, TODAY)) == expected


@pytest.mark.parametrize(
    "question",
    [
        "What is the 9/11 memorial?", "What does the Agenda 2030 say?", "Who won Euro 2024?", "Was ist hier geschehen?",
        "Who organised the 11 September attacks?", "What may Theresa May do?", "How was Black Friday?",
        "What did August Wilson write?", "Which play was given in August Wilson Theatre?", "What is on Good Friday?",
        "How much did it cost in 2024 dollars?", "Is it more than last year?", "What happened on 3/4/2025?",
        "What happened in the last week of May?", "Who leads the inquiry?", "", "Wie geht es morgen weiter?",
        "What is planned for next week?", "How much hake may be landed in 2026?", "Who may march on Mars?",
    ],
)  # fmt: skip
def test_names_comparisons_and_days_to_come_are_no_window(question: str) -> None:
    assert named_window(question, TODAY) is None


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("Who won the cup last year?", "Who won the cup ?"),
        ("What happened in Harrow Bay in autumn 2025?", "What happened in Harrow Bay ?"),
        ("Was geschah am 3. Mai 2025 im Hafen?", "Was geschah im Hafen?"),
        ("What was decided on 2025-03-04?", "What was decided on ?"),
        ("Who plays at Euro 2024?", "Who plays at Euro 2024?"),
    ],
)
def test_a_question_without_its_days(question: str, left: str) -> None:
    assert without_days(question, TODAY) == left


@pytest.mark.parametrize(
    ("question", "distance"),
    [
        ("and a year later?", 365),
        ("And half a year later?", 183),
        ("two weeks earlier?", -14),
        ("the year before?", -365),
        ("¿y un año después?", 365),
        ("¿y dos meses antes?", -61),
        ("und ein halbes Jahr später?", 183),
        ("und im Jahr darauf?", 365),
        ("et six mois plus tard ?", 183),
        ("et un an après ?", 365),
        ("und warum?", None),
        ("and two years?", None),
        ("400 years later", None),
    ],
)
def test_the_distance_that_a_follow_up_names(question: str, distance: int | None) -> None:
    shift = shift_of(question)
    assert (shift and shift.days) == distance


@pytest.mark.parametrize(
    ("question", "window", "shifted"),
    [
        ("and a year earlier?", ((2026, 3, 1), (2026, 3, 31)), ("2025-03-01", "2025-03-31")),
        ("the year before?", ((2026, 1, 1), (2026, 12, 31)), ("2025-01-01", "2025-12-31")),
        ("und im Monat davor?", ((2025, 3, 1), (2025, 3, 31)), ("2025-02-01", "2025-02-28")),
        ("et un mois plus tard ?", ((2025, 2, 1), (2025, 2, 28)), ("2025-03-01", "2025-03-31")),
        ("and the quarter before?", ((2026, 1, 1), (2026, 3, 31)), ("2025-10-01", "2025-12-31")),
        ("and half a year later?", ((2025, 8, 31), (2025, 11, 29)), ("2026-02-28", "2026-05-29")),
        ("two weeks earlier?", ((2025, 11, 1), (2025, 11, 30)), ("2025-10-18", "2025-11-16")),
        ("and a month later?", ((2025, 2, 1), None), ("2025-03-01", "")),
        ("and a year later?", ((2025, 2, 6), (2025, 2, 6)), ("2025-12-07", "2026-04-08")),
    ],
)
def test_days_of_a_month_or_more_keep_their_length_behind_a_distance_and_fewer_grow(
    question: str, window: tuple[tuple[int, int, int], tuple[int, int, int] | None], shifted: tuple[str, str]
) -> None:
    first, last = (day and date(*day) for day in window)
    shift = shift_of(question)
    assert shift
    assert days(shift.of(TimeWindow(first=first, last=last))) == shifted


def test_days_that_no_calendar_has_are_none() -> None:
    assert Shift(365).of(TimeWindow(last=date(9999, 12, 1))) is None
    assert Shift(365, 12).of(TimeWindow(last=date(9999, 12, 1))) is None


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("and in March?", "2025-03-01", "2025-03-31"),
        ("und im Januar?", "2025-01-01", "2025-01-31"),
        ("¿y en otoño?", "2025-09-01", "2025-11-30"),
        ("and in March 2026?", "2026-03-01", "2026-03-31"),
        ("and last month?", "2026-05-01", "2026-05-31"),
        ("and since last month?", "2026-05-01", ""),
        ("and in 2024?", "2024-01-01", "2024-12-31"),
    ],
)
def test_a_month_without_a_year_is_the_one_nearest_to_the_days_of_the_conversation(
    question: str, first: str, last: str
) -> None:
    june = TimeWindow(first=date(2025, 6, 1), last=date(2025, 6, 30))
    assert days(window_beside(question, date(2026, 6, 18), june)) == (first, last)


def test_a_month_behind_the_end_of_a_year_is_of_the_next_one_unless_that_is_to_come() -> None:
    november = TimeWindow(first=date(2025, 11, 1), last=date(2025, 11, 30))
    assert days(window_beside("and in January?", date(2026, 6, 18), november)) == ("2026-01-01", "2026-01-31")
    assert days(window_beside("and in January?", date(2025, 12, 18), november)) == ("2025-01-01", "2025-01-31")


RATE = "What did the Bank of Corvane do to its key rate last month?"


def test_articles_from_the_days_are_preferred_and_the_rest_stays(assistant: Asked) -> None:
    one = assistant(extraction=True)
    for today, first in ((date(2025, 3, 10), "a9"), (date(2026, 3, 10), "a10")):
        answer = one.ask(RATE, today=today)
        found = [hit.passage.article.id for hit in answer.hits]
        assert found[0] == first
        assert {"a9", "a10"} <= set(found)
        assert answer.window
        assert not answer.window.dropped
        assert all(0 <= hit.score <= 1 for hit in answer.hits)


@pytest.mark.parametrize(
    "question", ["At what did the Bank of Corvane keep its key rate?", f"{RATE} Who is its governor?"]
)
def test_an_article_later_than_today_answers_only_where_no_earlier_one_does(assistant: Asked, question: str) -> None:
    def cited(today: date) -> set[str]:
        answer = assistant(extraction=True).ask(question, today=today)
        return {citation.passage.article.id for sentence in answer.sentences for citation in sentence.citations}

    assert cited(date(2025, 3, 10)) == {"a9"}
    assert "a10" in cited(date(2026, 3, 10))
    assert cited(date(2024, 3, 10)) >= {"a10"}


def test_days_without_an_article_are_dropped(assistant: Asked) -> None:
    answer = assistant(extraction=True).ask(RATE, today=date(2020, 3, 10))
    assert answer.window == TimeWindow(first=date(2020, 2, 1), last=date(2020, 2, 29), dropped=True)
    assert answer.answered


def test_a_filter_of_days_stands_for_the_question_and_named_days_can_be_ignored(assistant: Asked) -> None:
    one = assistant(extraction=True)
    assert one.ask(RATE, Filters(since=date(2026, 1, 1)), today=date(2025, 3, 10)).window is None
    assert one.ask(RATE, today=date(2025, 3, 10), named_days=False).window is None


def test_today_is_a_day_of_the_years_1000_to_9999(assistant: Asked) -> None:
    with pytest.raises(QuestionError, match="today is 0999-12-31, expected a day of the years 1000 to 9999"):
        assistant(extraction=True).ask(RATE, today=date(999, 12, 31))


def test_preference_orders_by_score_and_window() -> None:
    assert [key for key, _ in preferred([(1, 0.9), (2, 0.8), (3, 0.1)], {2, 3})] == [2, 1, 3]
    assert preferred([(1, 0.9)], set()) == [(1, 0.9)]
    assert within(TimeWindow(first=date(2025, 3, 1), last=date.max)).until == date.max


def test_the_page_shows_the_days_and_offers_to_drop_them() -> None:
    shown = Exchange(question="Who?", days="3 to 9 March 2025")
    assert 'data-days="all"' in exchange_html(shown, 1)
    assert 'data-days="all"' not in exchange_html(shown, 1, newest=False)
    assert "3 to 9 March 2025" in exchange_html(shown, 1, newest=False)
    assert "all days were searched" in exchange_html(replace(shown, days_dropped=True), 1)
    assert Exchange.from_data(replace(shown, days_dropped=True).data()) == replace(shown, days_dropped=True)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ((2025, 3, 3), (2025, 3, 9), "3 to 9 March 2025"), ((2025, 3, 3), (2025, 4, 9), "3 March to 9 April 2025"),
        ((2024, 3, 3), (2025, 4, 9), "3 March 2024 to 9 April 2025"), ((2025, 3, 3), (2025, 3, 3), "3 March 2025"),
        ((2025, 3, 3), None, "3 March 2025 or later"), (None, (2025, 3, 3), "3 March 2025 or earlier"),
    ],
)  # fmt: skip
def test_days_in_words(first: tuple[int, int, int] | None, last: tuple[int, int, int] | None, words: str) -> None:
    assert window_days(TimeWindow(first=first and date(*first), last=last and date(*last))) == words


WORDS = st.sampled_from(
    "in on since before between and 3 9. May March 2024 2025年 3月 last week vor zwei Tagen 9999 the from to of past "
    "hace semanas 上 周 years ago 400 1000 - / 31 quarter first winter Friday 1-1-1 9999-12-31 before 0".split()
)


@example("Who ruled before 3 May 2025 or since 4 June 2025?", date(2026, 1, 1))
@example("Who ruled yesterday?", date(1000, 1, 1))
@example("Who ruled in the past 400 years?", date(1100, 1, 1))
@example("Who ruled before 1000-01-01 and on 0999-12-31?", date(1000, 1, 1))
@given(st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=60).map(" ".join)), st.dates(date(1000, 1, 1)))
def test_any_text_gives_days_in_order_within_the_years_1000_to_9999(question: str, today: date) -> None:
    window = named_window(question, today)
    if window is not None:
        assert window.first or window.last
        assert (window.first or date(1000, 1, 1)) <= (window.last or date.max)
        assert (window.first or today).year >= 1000
        assert (window.last or today).year >= 1000


@pytest.mark.parametrize(
    "words", ["in 3 to ", "1 and ", "年月日3月", "from March to ", "in the last 3 ", "3-4-5-6 ", "2025-"]
)
def test_a_long_question_is_read_in_bounded_time(words: str) -> None:
    named_window("What happened last Friday, hier?", TODAY)  # loads what is loaded once
    began = process_time()
    named_window((words * 2000)[:2000], TODAY)
    assert process_time() - began < 1  # 0.04 on a machine at rest
