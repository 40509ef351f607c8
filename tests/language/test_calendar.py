"""Months and weekdays in the lexicons' languages; words that are a month only now and then."""

from __future__ import annotations

import pytest

from rag.language.calendar import MONTHS, WEEKDAYS, months, weekdays


@pytest.mark.parametrize(
    ("language", "text", "month"),
    [
        ("en", "on 3 March", 3), ("fr", "le 3 mars", 3), ("fr", "le 3 avril", 4), ("fr", "en mars", 3),
        ("fr", "le 1er août", 8), ("de", "am 3. März", 3), ("de", "im Mai", 5), ("it", "il 3 marzo", 3),
        ("it", "a settembre", 9), ("pt", "em março", 3), ("pt", "3 de abril de 2021", 4), ("nl", "op 3 maart", 3),
        ("nl", "in mei", 5), ("es", "el 3 de enero", 1),
    ],
)  # fmt: skip
def test_months_are_read(language: str, text: str, month: int) -> None:
    assert months(text, language) == {month}


@pytest.mark.parametrize("text", ["le 3 mars", "3 avril", "im März", "a settembre", "op 3 maart", "em março", "Sept 3"])
def test_months_are_read_where_the_language_is_not_known(text: str) -> None:
    assert len(months(text)) == 1


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("the planet Mars", "en"), ("la planète Mars", "fr"), ("they may march", "en"), ("an hour ago", ""),
        ("set 3 records", ""), ("out of 12", ""), ("mai dire mai", "it"), ("Marco Rossi", "pt"), ("il mare", "it"),
        ("el mar", "es"), ("3 years ago 5 left", ""), ("de 12 des mois", ""),
    ],
)  # fmt: skip
def test_words_that_only_look_like_months_are_none(text: str, language: str) -> None:
    assert months(text, language) == set()


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("lundi", 0), ("vendredi", 4), ("am Freitagabend", 4), ("Sonnabend", 5), ("Mondays", 0), ("martedì", 1),
        ("terça-feira", 1), ("às quartas-feiras", 2), ("woensdag", 2), ("el sábado", 5), ("Sunday", 6),
    ],
)  # fmt: skip
def test_weekdays_are_read_in_all_languages(text: str, day: int) -> None:
    assert weekdays(text) == {day}


def test_tables_hold_the_names_that_written_dates_use() -> None:
    old = (
        "enero ene januar janner janvier janv gennaio gen gener feber mrz mart marc maig maj setiembre set okt out dez"
    )
    assert {name for name in old.split() if name not in MONTHS} <= {"mart"}
    assert MONTHS["janner"] == 1
    assert WEEKDAYS["lundi"] == WEEKDAYS["monday"] == 0
