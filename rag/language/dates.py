"""What "last Friday" means: relative days of a sentence, resolved against the day its article was published."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import cache

from rag.language.calendar import weekday_names
from rag.language.lexicons import lexicon, pattern
from rag.language.tokens import fold

# Words before a weekday that do not say which one is meant; they are part of the phrase.
_PREPOSITIONS = frozenset("on late early by until from since el".split())
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
