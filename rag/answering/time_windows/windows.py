"""The days that a question names: "last week", "im März 2025", "2025年3月", "between 3 and 9 May", "since June".

Only what a question says about when counts. "Euro 2024", "Agenda 2030", "9/11", "the 11 September attacks" are names: a
day, a month or a year needs a preposition, or must be written out with its year.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta

from rag.answering.time_windows.periods import EARLIEST, Period, cut, day_of, moved
from rag.answering.time_windows.points import Found, Points
from rag.answering.time_windows.words import Words
from rag.language.dates import resolved
from rag.language.lexicons import LEXICONS
from rag.language.time_words import Kind, phrases
from rag.language.tokens import Token
from rag.schema import Span, TimeWindow

_WRITTEN = re.compile(r"(?<![\w./-])(?:(\d{4})-(\d\d)-(\d\d)|(\d\d?)([./])(\d\d?)\5(\d{4}))(?![\w/-])")
A_YEAR = timedelta(days=366)
_AFTER_YEAR = frozenset("dollars euros prices pounds people".split())  # "in 2024 dollars" names no time
# Words before what an amount is compared with: "more than last year" asks about now.
_COMPARED = frozenset("than with versus vs als gegenuber zum que con avec rispetto dan".split())


def named_window(question: str, today: date) -> TimeWindow | None:
    """The days that a question names, seen from `today`; None where it names none, or only days to come.

    A month, season or day without a year is the last one that has begun. Weeks begin on Monday; seasons are those of
    the northern half of the Earth, three whole months each, and a winter has the year of its December.
    """
    return _window_of([one.period for one, _ in _Reader(question, today).named()], today)


def window_beside(question: str, today: date, other: TimeWindow | None) -> TimeWindow | None:
    """The days that a question names in a conversation on other ones, a year of them at most: what it names without a
    year is that nearest to those which has begun."""
    own = named_window(question, today)
    if own is None or other is None or other.first is None or other.last is None or other.last - other.first > A_YEAR:
        return own
    years = {other.first.year - 1, other.first.year, other.last.year, other.last.year + 1}
    ends = [date(year, 12, 31) for year in sorted(years) if date.min.year <= year <= date.max.year]
    near: list[TimeWindow] = []
    for seen_from in (min(today, end) for end in ends):
        found = _Reader(question, seen_from).named()
        if any(one.sure for one, _ in found):
            return own
        window = _window_of([one.period for one, _ in found], seen_from)
        near += [window] if window else []
    return min(near, key=lambda window: abs(_middle(window) - _middle(other)), default=own)


def _middle(window: TimeWindow) -> date:
    """The day in the middle of a window, or its end where one side is open."""
    first, last = window.first or window.last or date.min, window.last or window.first or date.max
    return first + (last - first) / 2


def _window_of(found: Sequence[Period], today: date) -> TimeWindow | None:
    """From the first day of these periods to the last one; None as for `named_window`."""
    first = [one.first for one in found]
    last = [one.last for one in found]
    if not found:
        return None
    begin = None if None in first else min(day for day in first if day)
    end = None if None in last else max(day for day in last if day)
    if begin is None and end is None:  # "before May or since June": every day
        return None
    if any(day and day < EARLIEST for day in (begin, end)):
        return None
    if (begin and begin > today) or (begin and end and begin > end):
        return None
    return TimeWindow(first=begin, last=end)


def without_days(question: str, today: date) -> str:
    """The question without the days that it names and the prepositions in front of them; "" where nothing is left."""
    kept, at = [], 0
    for start, end in sorted(span for _, span in _Reader(question, today).named()):
        kept.append(question[at:start])
        at = max(at, end)
    return " ".join(" ".join([*kept, question[at:]]).split())


class _Reader:
    """Reads one question from left to right."""

    def __init__(self, question: str, today: date) -> None:
        self._today = today
        self._words = Words(question)
        self._points = Points(self._words, today)

    def named(self) -> list[tuple[Found, Span]]:
        """Every period that the question names, and where; sure is one that no year but its own can be meant by."""
        found = [(Found(period, 0, sure=True), span) for period, span in (*self._written(), *self._weekdays())]
        index = 0
        while index < len(self._words.tokens):
            one = self._bounded(index) or self._placed(index) or self._bare(index)
            if one:
                found.append((one, (self._words.tokens[index].start, self._words.tokens[one.end - 1].end)))
            index = one.end if one else index + 1
        return found

    def _bounded(self, index: int) -> Found | None:
        """`since June`, `before 2024`, `between 3 and 9 May`, `from March to May`."""
        kinds: tuple[Kind, ...] = ("between", "since", "after", "before", "until")
        for kind in kinds:
            start = self._words.behind(kind, index)
            if start is None or (self._words.folded(index) == "na" and self._words.language in ("pl", "pt")):
                continue
            start = self._skipped(start)
            if kind == "between":
                if found := self._range(start):
                    return found
            elif (one := self._points.read(start)) and (period := cut(kind, one.period)):
                return Found(period, one.end, one.sure)
        return None

    def _placed(self, index: int) -> Found | None:
        """`in March`, `on 9 May`, `in the summer of 2024`, `in the past ten days`."""
        kinds: tuple[Kind, ...] = ("in", "on")
        for kind in kinds:
            start = self._words.behind(kind, index)
            if start is None:
                continue
            found = self._range(self._skipped(start)) or self._points.read(self._skipped(start), only_days=kind == "on")
            if found and not self._is_name(found.end):
                return found
        return None

    def _bare(self, index: int) -> Found | None:
        """What needs no preposition: `last week`, `three days ago`, `9 May 2025`, `2025年3月`."""
        if index and (self._words.folded(index - 1) == "the" or self._words.folded(index - 1) in _COMPARED):
            return None
        if index and self._words.tokens[index].folded.isdigit() and self._is_range_sign(index):
            return None
        found = self._range(index) if self._words.tokens[index].folded[0].isdigit() else None
        found = found or self._points.read(index)
        return found if found and found.sure else None

    def _is_range_sign(self, index: int) -> bool:
        before = self._words.tokens[index - 1]
        return (
            self._words.text[before.end : self._words.tokens[index].start] in ("-", "–", "/") and before.text.isdigit()
        )

    def _skipped(self, index: int) -> int:
        """Behind `the` in front of an ordinal, a season or a word for a past span, and behind `early` or `Anfang`."""
        kinds: tuple[Kind, ...] = ("the", "on", "part")
        for kind in kinds:
            after = self._words.behind(kind, index)
            if after is None:
                continue
            if kind == "the" and not self._goes_behind_the(after):
                continue
            index = after
        return index

    def _goes_behind_the(self, index: int) -> bool:
        day = self._points.day(index)
        written_out = day is not None and not self._words.tokens[index].folded.isdigit()
        kinds: tuple[Kind, ...] = ("season", "ordinal", "past", "last")
        return written_out or any(self._words.behind(kind, index) for kind in kinds)

    def _is_name(self, index: int) -> bool:
        """Whether the word behind a month makes a name of it: `in August Wilson's play`, `in March Madness`."""
        if index >= len(self._words.tokens) or self._words.tokens[index - 1].folded.isdigit():
            return index < len(self._words.tokens) and self._words.tokens[index].folded in _AFTER_YEAR
        before, word = self._words.tokens[index - 1], self._words.tokens[index]
        beside = self._words.text[before.end : word.start] == " "
        return beside and word.text[0].isupper() and before.text[0].isupper() and self._reads_in("en", before)

    def _reads_in(self, language: str, word: Token) -> bool:
        months = [one for _, one in phrases().get(word.folded, ()) if one.kind == "month"]
        return any(language in one.languages for one in months) and self._words.language != "de"

    def _range(self, index: int) -> Found | None:
        """`3 and 9 May`, `3-9 May 2025`, `May 3 to 9`, `March and May`, `2023 and 2024`, `3. bis 9. Mai`."""
        return self._days_of_month(index) or self._month_days(index) or self._two_points(index)

    def _days_of_month(self, index: int) -> Found | None:
        first = self._points.day(index)
        join = self._join(index + 1)
        if first is None or join is None:
            return None
        join = self._words.behind("the", join) or join
        last = self._points.day(join)
        if last is None or last < first:
            return None
        found = self._points.month_and_year(self._words.behind("of", join + 1) or join + 1)
        return self._points.days(first, last, *found) if found else None

    def _month_days(self, index: int) -> Found | None:
        month = self._points.month(index)
        first = self._points.day(month[1]) if month else None
        join = self._join(month[1] + 1) if month and first else None
        last = self._points.day(join) if join is not None else None
        if month is None or first is None or last is None or join is None or last < first:
            return None
        year, end = self._points.year(join + 1)
        return self._points.days(first, last, month[0], year, end)

    def _two_points(self, index: int) -> Found | None:
        one = self._points.read(index)
        join = self._join(one.end) if one else None
        if one is None or join is None:
            return None
        other = self._points.read(self._skipped(join))
        if other is None or one.period.first is None or other.period.last is None:
            return None
        period = one.period
        if period.first and period.first > other.period.last:  # "from November to February": the one before
            period = Period(moved(period.first, years=-1), period.last)
        return Found(Period(period.first, other.period.last), other.end, one.sure and other.sure)

    def _join(self, index: int) -> int | None:
        """Behind the word or the dash between two days."""
        if 0 < index < len(self._words.tokens):
            between = self._words.text[self._words.tokens[index - 1].end : self._words.tokens[index].start]
            if between.strip(" .") in ("-", "–", "—", "~", "〜", "～"):
                return index
        return self._words.behind("join", index)

    def _written(self) -> list[tuple[Period, Span]]:
        """Days in digits with their year; not `3/9/2025`, whose month depends on who writes."""
        found = []
        for match in _WRITTEN.finditer(self._words.text):
            if match[1]:
                day = day_of(int(match[1]), int(match[2]), int(match[3]))
            else:
                one, other, year = int(match[4]), int(match[6]), int(match[7])
                unclear = match[5] == "/" and one <= 12 and other <= 12 and one != other
                american = day_of(year, one, other) if match[5] == "/" else None
                day = None if unclear else day_of(year, other, one) or american
            found += [(Period(day, day), match.span())] if day else []
        return found

    def _weekdays(self) -> list[tuple[Period, Span]]:
        """`last Friday`, `on Monday`, `am Montag`: a weekday with the words that say which."""
        if not any(self._words.phrase("weekday", index) for index in range(len(self._words.tokens))):
            return []
        language = self._words.language if self._words.language in LEXICONS else ""
        found = resolved(self._words.text, self._today, language)
        return [(Period(day, day), (start, end)) for start, end, day in found if self._says_which(start, end)]

    def _says_which(self, start: int, end: int) -> bool:
        inside = [index for index, word in enumerate(self._words.tokens) if start <= word.start and word.end <= end]
        if not any(self._words.phrase("weekday", index) for index in inside):
            return False  # a near day, which `_relative` reads
        return len(inside) > 1 or (inside[0] > 0 and self._words.behind("on", inside[0] - 1) is not None)
