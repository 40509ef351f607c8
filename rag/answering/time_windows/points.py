"""Reads one day, month, quarter, season or year at a token of a question."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from rag.answering.time_windows.periods import (
    Period,
    day_of,
    end_of_month,
    month_of,
    moved,
    quarter_of,
    season_of,
    year_of,
)
from rag.answering.time_windows.words import Words
from rag.language.time_words import Kind, TimeWord, Unit
from rag.language.tokens import Token

_DAY = re.compile(r"(0?[1-9]|[12]\d|3[01])(st|nd|rd|th|er|o|a)?")
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_SHORT = 5  # letters of a Latin word that names a day, below which it may be a word of another language
_DAYS_OF: dict[Unit, int] = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}


@dataclass(frozen=True, slots=True)
class Found:
    """A period, the index of the token behind it, and whether it needs no preposition to be one."""

    period: Period
    end: int
    sure: bool = False


class Points:
    """Reads points in time of one question, seen from `today`."""

    def __init__(self, words: Words, today: date) -> None:
        self._words, self._today = words, today
        self._read_before: dict[tuple[int, bool], Found | None] = {}

    def read(self, index: int, *, only_days: bool = False) -> Found | None:
        """One day, month, quarter, season or year, or a span that ends today."""
        if index >= len(self._words.tokens):
            return None
        if (index, only_days) not in self._read_before:  # read once for each preposition that may stand before it
            self._read_before[index, only_days] = self._read_point(index, only_days)
        return self._read_before[index, only_days]

    def _read_point(self, index: int, only_days: bool) -> Found | None:
        days: tuple[Callable[[int], Found | None], ...] = (self._cjk, self._one_day)
        others = (self._relative, self._ago, self._past, self._adjective, self._quarter, self._season,
                  self._whole_month, self._whole_year)  # fmt: skip
        readers = days if only_days else days + others
        return next((found for read in readers if (found := read(index))), None)

    def _one_day(self, index: int) -> Found | None:
        """`9 May`, `9th of May 2025`, `May 9`, `9 de mayo de 2025`."""
        day = self.day(index)
        if day is not None:
            found = self.month_and_year(self._words.behind("of", index + 1) or index + 1)
            return self.days(day, day, *found) if found else None
        month = self.month(index)
        day = self.day(month[1]) if month else None
        if month is None or day is None:
            return None
        year, end = self.year(month[1] + 1)
        return self.days(day, day, month[0], year, end)

    def _cjk(self, index: int) -> Found | None:
        """`2025年3月9日`, `2025年3月`, `2025年`, `3月9日`, and the same in Korean."""
        year, place = self._counted(index, "年", "년")
        month, after = self._counted(index if year is None else place, "月", "월")
        day, end = self._counted(after, "日", "号", "일") if month else (None, after)
        if year is not None and not 1500 <= year < 2100 or month is not None and month > 12:
            return None
        if month and day:
            return self.days(day, day, month, year, end)
        if month and year is not None:
            return _found(month_of(year, month), after, sure=True)
        if year is not None:
            return _found(year_of(year), place, sure=True)
        return None

    def _counted(self, index: int, *units: str) -> tuple[int | None, int]:
        words = self._words.tokens[index : index + 2]
        if len(words) == 2 and words[1].text in units and re.fullmatch(r"[0-9]{1,4}", words[0].text):
            return int(words[0].text), index + 2
        return None, index

    def _whole_month(self, index: int) -> Found | None:
        month = self.month(index)
        if month is None:
            return None
        end = self._words.behind("of", month[1]) or month[1]
        year, end = self.year(end)
        if year is None:
            end = month[1]
        period = month_of(year, month[0]) if year else self._latest(lambda y: month_of(y, month[0]))
        return _found(period, end, sure=year is not None)

    def _whole_year(self, index: int) -> Found | None:
        start = self._words.unit(index, "year")
        year, end = self.year(start if start is not None else index)
        return _found(year_of(year), end) if year is not None else None

    def _quarter(self, index: int) -> Found | None:
        """`first quarter of 2025`, `Q1 2025`, `ersten Quartal 2025`."""
        if (found := self._words.phrase("ordinal", index)) is None:
            return None
        number, end = found[0].value, found[1]
        named = self._words.tokens[index].folded[0] in "qt" and len(self._words.tokens[index].folded) == 2
        behind = self._words.unit(end, "quarter")
        if behind is None and not named:
            return None
        end = behind if behind is not None else end
        year, after = self.year(self._words.behind("of", end) or end)
        period = quarter_of(year, number) if year else self._latest(lambda y: quarter_of(y, number))
        return _found(period, after if year else end, sure=year is not None)

    def _season(self, index: int) -> Found | None:
        if (found := self._words.phrase("season", index)) is None:
            return None
        number, end = found[0].value, found[1]
        year, after = self.year(self._words.behind("of", end) or end)
        period = season_of(year, number) if year else self._latest(lambda y: season_of(y, number))
        return _found(period, after if year else end, sure=year is not None)

    def _relative(self, index: int) -> Found | None:
        """`yesterday`, `last week`, `上周`, as dateparser's data name them."""
        if (found := self._words.phrase("relative", index)) is None or self._words.folded(
            found[1]
        ) == "of":  # "last week of May"
            return None
        word, end = found
        if end - index == 1 and not self._is_certain(self._words.tokens[index], word):
            return None
        return _found(self._before(word.value, word.unit), end, sure=True)

    def _is_certain(self, token: Token, word: TimeWord) -> bool:
        """Whether a lone word is one of the question's language: French `hier` is German for "here"."""
        if not token.text.isascii() or len(token.folded) >= _SHORT:
            return True
        return self._words.language in word.languages

    def _ago(self, index: int) -> Found | None:
        """`three days ago`, `vor zwei Wochen`, `3天前`: the day, the week, the month or the year."""
        found = self._words.known[index].get("ago")
        return _found(self._before(found.number, found.word.unit), found.end, sure=True) if found else None

    def _past(self, index: int) -> Found | None:
        """`the past ten days`, `den letzten zwei Wochen`, `过去三天`: that many days up to today."""
        start = self._words.behind("past", index)
        if start is None:
            return None
        number = self._words.number(start)
        unit = self._words.any_unit(number[1] if number else start)
        if unit is None or (number is None and self._words.tokens[index].folded not in ("past", "afgelopen")):
            return None
        days = _DAYS_OF[unit[0]] * (number[0] if number else 1)
        return _found(Period(self._today - timedelta(days=days), self._today), unit[1], sure=True)

    def _adjective(self, index: int) -> Found | None:
        """`last month`, `vergangene Woche`, `semana pasada`; `last March`, `this summer`."""
        which: tuple[tuple[Kind, int], ...] = (("last", 1), ("this", 0))
        for kind, back in which:
            if (start := self._words.behind(kind, index)) is not None:
                if unit := self._words.any_unit(start):
                    part = self._words.folded(unit[1]) == "of"
                    return None if part else _found(self._before(back, unit[0]), unit[1], sure=True)
                if named := self._season(start) or self._whole_month(start):
                    return self._which(named, back)
            if (unit := self._words.any_unit(index)) and (end := self._words.behind(kind, unit[1])) is not None:
                return _found(self._before(back, unit[0]), end, sure=True) if back else None
        return None

    def _which(self, found: Found, back: int) -> Found | None:
        """The named month or season that has ended (`last`), or the one of this year."""
        period = found.period
        if back and period.last and period.last >= self._today and period.first:
            period = Period(moved(period.first, years=-1), end_of_month(moved(period.last, years=-1)))
        return Found(period, found.end, sure=True)

    def day(self, index: int) -> int | None:
        match = _DAY.fullmatch(self._words.tokens[index].folded) if index < len(self._words.tokens) else None
        return int(match[1]) if match else None

    def month(self, index: int) -> tuple[int, int] | None:
        found = self._words.phrase("month", index)
        if found is None:
            return None
        word, end = found
        text = self._words.tokens[index].text
        if text.isascii() and text.isalpha() and len(text) < 4 and word.value != 5:
            return (word.value, end) if self._words.language in word.languages else None
        return word.value, end

    def month_and_year(self, index: int) -> tuple[int, int | None, int] | None:
        month = self.month(index)
        if month is None:
            return None
        year, end = self.year(self._words.behind("of", month[1]) or month[1])
        return (month[0], year, end) if year is not None else (month[0], None, month[1])

    def year(self, index: int) -> tuple[int | None, int]:
        if index < len(self._words.tokens) and _YEAR.fullmatch(self._words.tokens[index].folded):
            end = self._counted(index, "年", "년")[1]
            return int(self._words.tokens[index].folded), max(end, index + 1)
        return None, index

    def days(self, first: int, last: int, month: int, year: int | None, end: int) -> Found | None:
        """Days of a month; without a year, of the latest in which the first of them is not still to come."""
        years = (year,) if year else (self._today.year, self._today.year - 1, self._today.year - 4)
        for one in years:
            begin, finish = day_of(one, month, first), day_of(one, month, last)
            if begin and finish and (year or begin <= self._today):
                return Found(Period(begin, finish), end, sure=year is not None)
        return None

    def _latest(self, of_year: Callable[[int], Period | None]) -> Period | None:
        """The period of this year or of the last one that has begun."""
        for year in (self._today.year, self._today.year - 1):
            period = of_year(year)
            if period and period.first and period.first <= self._today:
                return period
        return None

    def _before(self, number: int, unit: Unit) -> Period | None:
        """The day, week, month or year that many before the one of today."""
        today = self._today
        try:
            if unit == "day":
                day = today - timedelta(days=number)
                return Period(day, day)
            if unit == "week":
                monday = today - timedelta(days=today.weekday() + 7 * number)
                return Period(monday, monday + timedelta(days=6))
        except OverflowError:
            return None
        if unit == "quarter":
            at = today.year * 4 + (today.month - 1) // 3 - number
            return quarter_of(at // 4, at % 4 + 1)
        if unit == "month":
            at = today.year * 12 + today.month - 1 - number
            return month_of(at // 12, at % 12 + 1)
        return year_of(today.year - number)


def _found(period: Period | None, end: int, *, sure: bool = False) -> Found | None:
    return Found(period, end, sure) if period else None
