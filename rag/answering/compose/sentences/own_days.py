"""The days on which what a sentence tells happened, and not those that only bound it: "backdated to 1 October"."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from rag.language.calendar import weekday_names
from rag.language.dates import named_days
from rag.language.tokens import folded_words

# Words in front of a day that make it the beginning, the end or the date of effect of something.
_BOUNDS: Mapping[str, frozenset[str]] = {
    "en": frozenset("to from since until till by before after for".split()),
    "es": frozenset("desde hasta para antes despues tras partir".split()),
    "de": frozenset("seit bis ab zum vor nach fur".split()),
    "fr": frozenset("depuis jusqu jusque des avant apres pour compter partir".split()),
    "it": frozenset("dal dall fino entro prima dopo per decorrere partire".split()),
    "pt": frozenset("desde ate para antes depois apos partir".split()),
    "nl": frozenset("sinds tot vanaf voor na per".split()),
}
# Those that bound something also from further in front: "until the closed season ends this Sunday".
_UNTIL = frozenset("until till hasta bis jusqu jusque fino ate tot".split())
_FURTHER = 8  # words in front of a day among which they are looked for
# Words that may stand between such a word and the day.
_BETWEEN = frozenset(
    "the last next this el la los las del de al dem den der le l du au il lo o a do ao al het vorige pasado".split()
)
_LOOKED_AT = 3  # words in front of a day, at most
# Words in front of the two ends of a span of time, and how far in front of the second one they may stand.
_BETWEEN_DAYS, _RANGE = frozenset("between entre zwischen tra fra tussen".split()), 7


def own_days(text: str, published: date | None, language: str) -> list[date]:
    """The days that a sentence names, each once and in order, without those that bound something.

    Of a sentence that names a day before its publication, days to come are left out: it tells of what has happened.
    """
    bounds = _BOUNDS.get(language, frozenset())
    named = named_days(text, published, language)
    days = sorted({day for start, end, day in named if not _is_bound(text[:start], text[start:end], bounds)})
    past = [day for day in days if published and day <= published]
    return past or days


def _is_bound(before: str, named: str, bounds: frozenset[str]) -> bool:
    """Whether the words in front of a day, or the first of its own, make it a bound."""
    if set(folded_words(named)[:1]) & bounds:
        return True
    if set(folded_words(before)[-_RANGE:]) & _BETWEEN_DAYS:
        return True
    clause = folded_words(before.rsplit(",", 1)[-1])
    if not _UNTIL.isdisjoint(clause[-_FURTHER:]) and bounds:
        return True
    for word in reversed(clause[-_LOOKED_AT:]):
        if word in bounds:
            return True
        if word not in _BETWEEN and word not in weekday_names():
            return False
    return False
