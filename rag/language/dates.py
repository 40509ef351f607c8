"""What "last Friday" means: relative days of a sentence, resolved against the day its article was published."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, timedelta
from functools import cache

from rag.language.calendar import month_at, weekday_names
from rag.language.lexicons import lexicon, pattern
from rag.language.tokens import Token, fold, tokens

# Words before a weekday that do not say which one is meant; they are part of the phrase.
_PREPOSITIONS = frozenset("on late early by until from since el".split())
_SPAN = timedelta(days=14)  # more than a relative day is from the day that it is seen from
_OF = frozenset("of de del di d den the".split())  # between a day and its month
_UNTIL = frozenset("until till bis hasta jusqu fino ate tot".split())
# How much farther a coming day counts than a past one in a sentence that names no time: news tells of the past, but
# "the hearing is on 12 May" may stand in it in April. Set by hand.
PAST = 3
OPENING_WORDS = 2  # in front of a day with which a sentence opens, so that the next clause tells: "On 3 May, he will"
_SINCE = frozenset("since seit depuis sinds".split())
_DAY = re.compile(r"([1-9]|0[1-9]|[12]\d|3[01])(?:st|nd|rd|th|er|o|a)?")
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_CLAUSE_END = re.compile(r"[;:()“”\"«»—–]|[,.](?=\s|$)")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# German and Dutch "morgen" is tomorrow, but the morning behind these words.
_MORNING = re.compile(r"\b(?:am|jeden|guten|fruhen|nachsten|heute|gestern|de|deze|elke|goede|volgende|gisteren|s)\s+$")


def resolved(sentence: str, published: date | None, language: str = "") -> list[tuple[int, int, date]]:
    """Start, end and day of each relative day named in a sentence; nothing when the day of publication is unknown.

    Words are read in the language of the sentence (ISO 639-1), or in all lexicons' languages where it is not known.
    "last" and "next" look back and forward from the day of publication, "this" takes the nearest day within three
    days, a bare weekday is the last one, or the next one in a clause about the future. One with its date ("Friday, 14
    March") is left out.
    """
    if published is None:
        return []
    if not date.min + _SPAN < published < date.max - _SPAN:
        return []  # the calendar ends: a relative day could lie beyond it
    folded = fold(sentence)
    if len(folded) != len(sentence):  # positions would not be those of the sentence: `ß` folds to two letters
        folded = _folded_in_place(sentence)
    found = [match for match in _relative(language).finditer(folded) if not _is_morning(folded, match)]
    if not found:
        return []
    dated = {first.start for first, _ in _weekdays_with_dates(tokens(sentence), language)}
    tenses = _Tenses(folded, language)
    return [
        (match.start(), match.end(), _day(match, published, tenses.is_ahead(match.start()), language))
        for match in found
        if match.start("day") not in dated
    ]


class _Tenses:
    """Which clauses of a folded sentence are about the future."""

    def __init__(self, folded: str, language: str) -> None:
        """Reads the sentence once, however many days it names. Words are those of the language (ISO 639-1)."""
        one, self._folded = lexicon(language), folded
        ends = [match.span() for match in _CLAUSE_END.finditer(folded)]
        self._starts, self._ends = [0, *(end for _, end in ends)], [*(start for start, _ in ends), len(folded)]
        told = sorted(
            (match.start(), ahead)
            for words, ahead in ((one.future, True), (one.sayings, False))
            for match in pattern(words).finditer(folded)
        )
        self._places, self._told = [at for at, _ in told], [ahead for _, ahead in told]

    def is_ahead(self, day: int) -> bool:
        """Whether the clause with the day at a place is about the future: of its words for that and its verbs of saying
        the last one in front of the day tells, or else the first one behind it ("on Friday he will"), where a comma may
        stand.

        Of 127 weekdays of English news whose dates the articles give, 117 are right with it, of 102 past ones all but
        one; 113 and 95 where any such word in the sentence tells.
        """
        clause = bisect_right(self._starts, day) - 1
        found = self._within(clause)
        opens = clause == 0 and len(self._folded[:day].split()) <= OPENING_WORDS
        if not found and opens and len(self._starts) > 1:
            found = self._within(1)
        at = bisect_right(self._places, day, found.start, found.stop)
        return bool(found) and self._told[at - 1 if at > found.start else at]

    def _within(self, clause: int) -> range:
        """The indexes of the words and verbs in a clause."""
        first, last = self._starts[clause], self._ends[clause]
        return range(bisect_left(self._places, first), bisect_left(self._places, last))


def _weekdays_with_dates(words: Sequence[Token], language: str) -> Iterator[tuple[Token, Token]]:
    """Each weekday right in front of a date, and the month of that date."""
    for at, word in enumerate(words):
        for month in range(at + 1, min(at + 4, len(words))) if word.folded in weekday_names() else ():
            if month_at(words, month, language):
                beside = _skip(words, month - 1, -1), _skip(words, month + 1, 1)
                numbered = [index for index in beside if index > at and _day_number(words, index) is not None]
                if numbered and _skip(words, min(month, numbered[0]) - 1, -1) == at:
                    yield word, words[month]
                break


def _folded_in_place(sentence: str) -> str:
    """A sentence folded character by character; a character that folds to none or to several stays as it is."""
    return _NOT_ASCII.sub(lambda m: folded if len(folded := fold(m[0])) == 1 else m[0], sentence).lower()


@cache
def _relative(language: str) -> re.Pattern[str]:
    """The pattern of a relative day in a language: a near day, or a weekday with the words that say which."""
    one = lexicon(language)
    before = _alternatives({*one.last, *one.next, *one.this, *_PREPOSITIONS})
    behind = _alternatives({*one.last, *one.next})
    return re.compile(
        rf"\b(?:(?P<near>{_alternatives(one.near_days)})|"
        rf"(?:(?P<which>{before})\s+)?(?P<day>{_alternatives(weekday_names())})(?:\s+(?P<after>{behind}))?)\b"
    )


def _alternatives(words: object) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))  # type: ignore[call-overload]


def _is_morning(folded: str, match: re.Match[str]) -> bool:
    return match["near"] == "morgen" and bool(_MORNING.search(folded, max(0, match.start() - 12), match.start()))


def _day(match: re.Match[str], published: date, ahead: bool, language: str) -> date:
    one = lexicon(language)
    if match["near"]:
        return published + timedelta(days=one.near_days[match["near"]])
    weekday = weekday_names()[match["day"]]
    forward = (weekday - published.weekday()) % 7
    back = (published.weekday() - weekday) % 7
    which = match["after"] or match["which"]
    if which in one.last:
        return published - timedelta(days=back or 7)
    if which in one.next:
        return published + timedelta(days=forward or 7)
    if which in one.this:
        return published + timedelta(days=forward) if forward <= 3 else published - timedelta(days=back)
    return published + timedelta(days=forward) if ahead else published - timedelta(days=back)


def written(day: date) -> str:
    """A day in words: `27 December 2021`."""
    return f"{day.day} {day:%B %Y}"


def annotated(sentence: str, published: date | None, language: str = "") -> str:
    """The sentence with the day in parentheses behind each relative one: `last Friday (14 March 2025)`."""
    out, at = [], 0
    for _, end, day in resolved(sentence, published, language):
        out += [sentence[at:end], f" ({written(day)})"]
        at = end
    return "".join([*out, sentence[at:]])


def named_days(sentence: str, published: date | None, language: str = "") -> list[tuple[int, int, date]]:
    """Start, end and day of each day that a sentence names: written out (`27 December`, `May 3, 2021`) or relative.

    A day without its year is the one nearest to the day of publication, where days to come count PAST times as far;
    in a clause about the future (though not behind "since") and behind "until", it is the coming one; with a weekday
    in front it is one on which that falls. It is left out where the day of publication is unknown. Words are read as by
    `resolved`.
    """
    words, tenses = tokens(sentence), _Tenses(_folded_in_place(sentence), language)
    weekdays = {month.start: weekday_names()[day.folded] for day, month in _weekdays_with_dates(words, language)}
    found = [
        (words[first].start, words[last].end, day)
        for index, word in enumerate(words)
        if (month := month_at(words, index, language))
        for ahead in [tenses.is_ahead(word.start)]
        if (read := _day_of_month(words, index, month, published, ahead, weekdays.get(word.start))) is not None
        for first, last, day in [read]
    ]
    return sorted({*found, *resolved(sentence, published, language)})


def _day_of_month(
    words: Sequence[Token], index: int, month: int, published: date | None, ahead: bool, weekday: int | None
) -> tuple[int, int, date] | None:
    """First and last word of the day whose month stands at `index`, and the day; None where no day stands there."""
    behind = _skip(words, index + 1, 1)
    before = _skip(words, index - 1, -1)
    if (number := _day_number(words, before)) is not None:
        year = _year(words, behind)
        first, last = before, behind if year else index
    elif (number := _day_number(words, behind)) is not None:
        after = _skip(words, behind + 1, 1)
        year = _year(words, after)
        first, last = index, after if year else behind
    else:
        return None
    before_it = {word.folded for word in words[max(0, first - 5) : first]}
    coming = not before_it & _SINCE and (ahead or bool(before_it & _UNTIL))
    day = _nearest(number, month, year, published, coming, weekday)
    return (first, last, day) if day else None


def _skip(words: Sequence[Token], index: int, step: int) -> int:
    """The index, or the next one in that direction where a word such as "of" or "de" stands there."""
    return index + step if 0 <= index < len(words) and words[index].folded in _OF else index


def _day_number(words: Sequence[Token], index: int) -> int | None:
    match = _DAY.fullmatch(words[index].folded) if 0 <= index < len(words) else None
    return int(match[1]) if match else None


def _year(words: Sequence[Token], index: int) -> int | None:
    found = 0 <= index < len(words) and _YEAR.fullmatch(words[index].folded)
    return int(words[index].folded) if found else None


def _nearest(
    number: int, month: int, year: int | None, published: date | None, ahead: bool, weekday: int | None
) -> date | None:
    """The day of that number and month: of the year, or nearest to the day of publication, a day of that weekday if
    one is; None where there is none."""
    if year is None and published is None:
        return None
    years = [year] if year else [published.year + more for more in (-1, 0, 1)] if published else []
    days = []
    for one in years:
        with suppress(ValueError):  # 29 February of another year
            days.append(date(one, month, number))
    days = [day for day in days if day.weekday() == weekday] or days
    if published is None or len(days) < 2:
        return days[0] if days else None
    coming = [day for day in days if day >= published] if ahead else []
    return min(coming or days, key=lambda day: (published - day) if day <= published else PAST * (day - published))
