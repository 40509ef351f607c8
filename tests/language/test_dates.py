"""Relative days against calendars that a reader can check: 20 March 2025 was a Thursday."""

from datetime import date

import pytest

from rag.language.dates import annotated, named_days, resolved, written

THURSDAY = date(2025, 3, 20)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("The cutter rammed it last Friday.", date(2025, 3, 14)),
        ("He spoke last Thursday.", date(2025, 3, 13)),  # not the day itself
        ("He spoke on Thursday.", THURSDAY),
        ("He spoke on Monday.", date(2025, 3, 17)),
        ("She will speak on Monday.", date(2025, 3, 24)),
        ("They meet next Thursday.", date(2025, 3, 27)),
        ("It opens this Saturday.", date(2025, 3, 22)),
        ("It closed this Monday.", date(2025, 3, 17)),
        ("It rained yesterday.", date(2025, 3, 19)),
        ("It ends tomorrow.", date(2025, 3, 21)),
        ("El pleno se celebra el próximo martes.", date(2025, 3, 25)),
        ("Ocurrió el martes pasado.", date(2025, 3, 18)),
        ("Ayer llovió.", date(2025, 3, 19)),
        ("Il a parlé hier.", date(2025, 3, 19)),
        ("Il a parlé lundi dernier.", date(2025, 3, 17)),
        ("Das Spiel auf der Straße beginnt am Montag.", date(2025, 3, 24)),
        ("Er sprach am vergangenen Donnerstag.", date(2025, 3, 13)),
        ("Er sprach am Freitagabend.", date(2025, 3, 14)),
        ("Ha parlato ieri.", date(2025, 3, 19)),
        ("Si vota domenica prossima.", date(2025, 3, 23)),
        ("Falou na segunda-feira passada.", date(2025, 3, 17)),
        ("Falou ontem.", date(2025, 3, 19)),
        ("Hij sprak gisteren.", date(2025, 3, 19)),
    ],
)
def test_relative_day_is_resolved_against_the_day_of_publication(sentence: str, expected: date) -> None:
    assert [day for _, _, day in resolved(sentence, THURSDAY)] == [expected]


def test_nothing_is_resolved_when_the_article_has_no_date() -> None:
    assert resolved("He spoke on Monday.", None) == []


@pytest.mark.parametrize("sentence", ["He opens on Mondays only.", "Sundayish weather.", "No day at all."])
def test_no_day_is_found_where_none_is_named(sentence: str) -> None:
    assert resolved(sentence, THURSDAY) == []


def test_german_morgen_is_tomorrow_but_not_behind_am() -> None:
    assert [day for _, _, day in resolved("Er kommt morgen.", THURSDAY, "de")] == [date(2025, 3, 21)]
    assert resolved("Am Morgen regnete es.", THURSDAY, "de") == []


def test_days_are_written_behind_their_words() -> None:
    text = "The cutter rammed it last Friday, and he was sorry on Thursday."
    assert annotated(text, THURSDAY) == (
        "The cutter rammed it last Friday (14 March 2025), and he was sorry on Thursday (20 March 2025)."
    )


def test_a_day_is_written_without_leading_zero() -> None:
    assert written(date(2026, 1, 5)) == "5 January 2026"


@pytest.mark.parametrize(
    ("sentence", "language", "expected"),
    [
        ("It ended on 27 December 2021.", "en", [date(2021, 12, 27)]),
        ("It began on May 3rd, 2020, and again on May 9.", "en", [date(2020, 5, 3), date(2021, 5, 9)]),
        ("Empezó el 2 de diciembre.", "es", [date(2020, 12, 2)]),
        ("The accord runs until it lapses on 31 December.", "en", [date(2021, 12, 31)]),
        ("They met last Friday and on 30 February.", "en", [date(2021, 2, 26)]),
        ("May 2021 was cold.", "en", []),
    ],
)
def test_days_written_out_and_relative_are_named(sentence, language, expected):
    assert [day for _, _, day in named_days(sentence, date(2021, 3, 1), language)] == expected


def test_a_day_without_year_needs_the_day_of_publication():
    assert named_days("It ended on 27 December.", None, "en") == []


@pytest.mark.parametrize("published", [date.max, date.min])
def test_a_day_beyond_the_calendar_is_left_out(published: date) -> None:
    assert resolved("It closes tomorrow and closed yesterday, last Friday and next Monday.", published, "en") == []


@pytest.mark.parametrize(
    ("sentence", "day"),
    [
        ("The plan for the stores was admitted to court on Friday.", date(2025, 2, 14)),
        ("He was let in on Friday due to the storm.", date(2025, 2, 14)),
        ("The ship is due to sail on Friday.", date(2025, 2, 21)),
        ("She said on Monday that the court will sit on Friday.", date(2025, 2, 17)),
        ("On Friday, the court will hear the firm.", date(2025, 2, 21)),
        ("The hearing, the judge said on Tuesday, will be long.", date(2025, 2, 18)),
        ("The lenders, whose plans failed, met on Thursday.", date(2025, 2, 13)),
    ],
)
def test_only_the_clause_of_a_weekday_tells_whether_it_is_to_come(sentence: str, day: date) -> None:
    assert resolved(sentence, date(2025, 2, 19), "en")[0][2] == day


@pytest.mark.parametrize(
    ("sentence", "language"),
    [
        ("Sales begin on Saturday, Feb. 15, and will run for months.", "en"),
        ("Sales will begin on Saturday, 15 February.", "en"),
        ("Las ventas empezaron el sábado, 15 de febrero.", "es"),
        ("Der Verkauf soll am Samstag, 15. Februar, begonnen haben.", "de"),
    ],
)
def test_a_weekday_with_its_date_is_that_date(sentence: str, language: str) -> None:
    published = date(2025, 2, 19)
    assert resolved(sentence, published, language) == []
    assert [day for _, _, day in named_days(sentence, published, language)] == [date(2025, 2, 15)]


def test_a_weekday_tells_the_year_of_the_date_behind_it() -> None:
    sentence = "The ship will be launched on Saturday, 14 February."
    assert [day for _, _, day in named_days(sentence, date(2025, 2, 19), "en")] == [date(2026, 2, 14)]


def test_a_weekday_and_the_date_of_another_day_are_two_days() -> None:
    days = [day for _, _, day in named_days("They met on Friday and on 3 February.", date(2025, 2, 19), "en")]
    assert days == [date(2025, 2, 14), date(2025, 2, 3)]
