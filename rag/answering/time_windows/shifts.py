"""How far from the days of the conversation a follow-up asks: "a year later", "dos meses antes", "im Jahr darauf"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from rag.answering.time_windows.periods import end_of_month, month_of
from rag.answering.time_windows.words import Words
from rag.language.lexicons import EVERY_LANGUAGE
from rag.language.time_words import Unit
from rag.schema import TimeWindow

_MONTHS: Mapping[Unit, int] = {"month": 1, "quarter": 3, "year": 12}
_DAYS: Mapping[Unit, float] = {"day": 1, "week": 7, "month": 365.25 / 12, "quarter": 365.25 / 4, "year": 365.25}
_LATER = frozenset(
    """later after afterwards on following mas_tarde despues siguiente spater danach darauf plus_tard apres
    suivant suivante dopo piu_tardi successivo seguente depois mais_tarde seguinte daarna erna volgende folgende
    folgenden""".split()
)
_EARLIER = frozenset(
    """earlier before previously previous antes anterior fruher zuvor davor vorher plus_tot avant auparavant precedent
    precedente prima antes anteriore eerder daarvoor ervoor""".split()
)
_HALVES = EVERY_LANGUAGE.halves | {"halbes", "halfjaar"}
# "Half a year later" than some days is not meant to the day: this share of the distance is added on both sides of a
# window of less than A_MONTH. Set by hand on eight questions to the demo archive.
SLACK = 1 / 6
A_MONTH = timedelta(days=27)  # from its first day to its last, at least
_MOST = 36_525  # days; a hundred years


@dataclass(frozen=True, slots=True)
class Shift:
    """A distance in days, negative for earlier ones; `months`: the same in whole months, 0 where it is not told so."""

    days: int
    months: int = 0

    def of(self, window: TimeWindow) -> TimeWindow | None:
        """The window that far away: of the same length where it has a month or more or an open side ("in March 2026 …
        a year earlier?"), else widened by SLACK of the distance. None where no calendar has it."""
        is_short = window.first is not None and window.last is not None and window.last - window.first < A_MONTH
        slack = timedelta(days=round(abs(self.days) * SLACK) if is_short else 0)
        try:
            first = window.first and self._moved(window.first) - slack
            last = window.last and self._moved(window.last, to_end=window.last == end_of_month(window.last)) + slack
        except OverflowError:
            return None
        return replace(window, first=first, last=last, dropped=False)

    def _moved(self, day: date, *, to_end: bool = False) -> date:
        """The day that far away, `to_end`: the last one of its month. Raises OverflowError."""
        if not self.months:
            return day + timedelta(days=self.days)
        at = day.year * 12 + day.month - 1 + self.months
        month = month_of(at // 12, at % 12 + 1)
        if month is None or month.first is None or month.last is None:
            raise OverflowError(f"no month is {self.months} months from {day}")
        return month.last if to_end else min(month.first + timedelta(days=day.day - 1), month.last)


def shift_of(question: str) -> Shift | None:
    """The distance that a question names ("half a year later"), None where it names none.

    A unit without a number counts once: "the year after".
    """
    words = Words(question)
    for index in range(len(words.tokens)):
        unit = _unit(words, index)
        if unit is None:
            continue
        name, end = unit
        sign = _direction(words, end) or (_direction(words, index - 1) if index else 0)
        if sign:
            count = _count(words, index)
            days, months = round(_DAYS[name] * count), float(_MONTHS.get(name, 0) * count)
            return Shift(sign * days, sign * int(months) if months.is_integer() else 0) if days <= _MOST else None
    return None


def is_of_time(folded: str) -> bool:
    """Whether a folded word only says how far away in time something is: a number, a unit, "later"."""
    words = Words(folded)
    return bool(
        words.tokens
        and (words.number(0) or words.any_unit(0) or _direction(words, 0) or folded in _HALVES or folded in _PARTS)
    )


def _unit(words: Words, index: int) -> tuple[Unit, int] | None:
    """The unit at a token and the index behind it; French "an" needs its number, since English has the same word."""
    if words.folded(index) == "an" and index and words.number(index - 1):
        return "year", index + 1
    return words.any_unit(index)


def _direction(words: Words, index: int) -> int:
    """1 for "later" at a token, -1 for "earlier", 0 for neither."""
    one = words.folded(index)
    two = f"{one}_{words.folded(index + 1)}"
    return int(one in _LATER or two in _LATER) - int(one in _EARLIER or two in _EARLIER)


def _count(words: Words, index: int) -> float:
    """How many of the unit at a token the words in front of it count."""
    before = [words.folded(i) for i in range(max(0, index - 3), index)]
    if not _HALVES.isdisjoint(before):
        return 0.5
    number = words.number(index - 1) if index else None
    return number[0] if number else 1


_PARTS = frozenset(part for words in (_LATER, _EARLIER) for entry in words for part in entry.split("_"))
