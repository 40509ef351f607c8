"""What "last Friday" means: relative days of a sentence, resolved against the day its article was published."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
_SINCE = frozenset("since seit depuis sinds".split())
_DAY = re.compile(r"([1-9]|0[1-9]|[12]\d|3[01])(?:st|nd|rd|th|er|o|a)?")
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# German and Dutch "morgen" is tomorrow, but the morning behind these words.
_MORNING = re.compile(r"\b(?:am|jeden|guten|fruhen|nachsten|heute|gestern|de|deze|elke|goede|volgende|gisteren|s)\s+$")


def resolved(sentence: str, published: date | None, language: str = "") -> list[tuple[int, int, date]]:
    """Start, end and day of each relative day named in a sentence; nothing when the day of publication is unknown.

    Words are read in the language of the sentence (ISO 639-1), or in all lexicons' languages where it is not known.
    "last" and "next" look back and forward from the day of publication, "this" takes the nearest day within three
    days, a bare weekday is the last one, or the next one in a sentence about the future.
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
    ahead = bool(pattern(lexicon(language).future).search(folded))
    return [(match.start(), match.end(), _day(match, published, ahead, language)) for match in found]


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
    in a sentence about the future (though not behind "since") and behind "until", it is the coming one. It is left out
    where the day of publication is unknown. Words are read as by `resolved`.
    """
    words = tokens(sentence)
    ahead = bool(pattern(lexicon(language).future).search(fold(sentence)))
    found = [
        (words[first].start, words[last].end, day)
        for index in range(len(words))
        if (month := month_at(words, index, language))
        and (read := _day_of_month(words, index, month, published, ahead)) is not None
        for first, last, day in [read]
    ]
    return sorted({*found, *resolved(sentence, published, language)})


def _day_of_month(
    words: Sequence[Token], index: int, month: int, published: date | None, ahead: bool
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
    day = _nearest(number, month, year, published, coming)
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


def _nearest(number: int, month: int, year: int | None, published: date | None, ahead: bool) -> date | None:
    """The day of that number and month: of the year, or nearest to the day of publication; None where there is none."""
    if year is None and published is None:
        return None
    years = [year] if year else [published.year + more for more in (-1, 0, 1)] if published else []
    days = []
    for one in years:
        with suppress(ValueError):  # 29 February of another year
            days.append(date(one, month, number))
    if published is None or len(days) < 2:
        return days[0] if days else None
    coming = [day for day in days if day >= published] if ahead else []
    return min(coming or days, key=lambda day: (published - day) if day <= published else PAST * (day - published))
