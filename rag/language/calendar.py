"""Months and days of the week that a text names. The names are those of Unicode's CLDR, read through Babel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

from rag.language.identify import locale
from rag.language.lexicons import LEXICONS, lexicon
from rag.language.tokens import Token, fold, tokens

# Languages whose month names are read though they have no lexicon.
_MONTHS_ONLY = ("ca", "da", "nb", "sv")
# What a month's name must not be taken for unless a number stands beside it: English verbs in lower case, a planet
# (and a god, and a maker of sweets) with a capital, a first name and a common word without the cedilla of "março".
_LOWER_CASE_WORDS = frozenset({"may", "march"})
_UPPER_CASE_NAMES = frozenset({"mars"})
_UNACCENTED_WORDS = {"marco": "março", "marc": "març"}
# Where the language is not known: "mai" is May in French and German, and "never" in Italian.
_AMBIGUOUS = frozenset({"mars", "mai"})
_DAY = re.compile(r"(?:[1-9]|[12]\d|3[01])(?:st|nd|rd|th|er|o|a|\.)?")
_DAY_OR_YEAR = re.compile(rf"{_DAY.pattern}|1[5-9]\d\d|20\d\d")
_OF = frozenset("de del of d".split())


@dataclass(frozen=True, slots=True)
class _MonthNames:
    """Folded names of the months in one language, or in all where it is not known."""

    numbers: Mapping[str, int]
    wide: frozenset[str]  # written out: the rest are abbreviations
    capitalised: frozenset[str]  # of a language that writes months with a capital

    def without(self, names: frozenset[str]) -> _MonthNames:
        """These names less some of them."""
        return replace(self, numbers={name: n for name, n in self.numbers.items() if name not in names})

    @classmethod
    def union(cls, several: Sequence[_MonthNames]) -> _MonthNames:
        return cls(
            numbers={name: number for one in several for name, number in one.numbers.items()},
            wide=frozenset().union(*(one.wide for one in several)),
            capitalised=frozenset().union(*(one.capitalised for one in several)),
        )


@cache
def _month_names(language: str) -> _MonthNames:
    """The month names of a language; "" for those of all lexicons, less the homographs of each."""
    if language in LEXICONS or language in _MONTHS_ONLY:
        own = locale(language)
        wide = _by_name(own.months[form]["wide"] for form in ("format", "stand-alone"))
        short = _by_name(own.months[form]["abbreviated"] for form in ("format", "stand-alone"))
        more = lexicon(language).month_names if language in LEXICONS else {}
        numbers = {**short, **wide, **more}
        capital = frozenset(numbers if language in {"en", "de"} else ())
        return _MonthNames(numbers, frozenset({*wide, *(name for name in more if len(name) > 4)}), capital)
    return _MonthNames.union([_month_names(one).without(lexicon(one).homographs) for one in LEXICONS])


def _by_name(forms: Iterable[Mapping[int, str]]) -> dict[str, int]:
    """Folded name -> number; Catalan "de gener" is "gener"."""
    return {
        re.sub(r"^(?:de |d[’'])", "", fold(name)).rstrip("."): number for form in forms for number, name in form.items()
    }


@cache
def weekday_names() -> dict[str, int]:
    """Folded names of the days of the week in the singular, Monday 0: those of all lexicons."""
    found: dict[str, int] = {}
    for language, one in LEXICONS.items():
        names = {**_by_name([locale(language).days["format"]["wide"]]), **one.weekday_names}
        found |= names
        found |= {f"{name}{part}": number for name, number in names.items() for part in one.day_parts}
    return found


class _Names(Mapping[str, int]):
    """Names and their numbers, loaded when they are first looked at: CLDR takes a tenth of a second."""

    def __init__(self, load: Callable[[], dict[str, int]]) -> None:
        self._load = load

    @cached_property
    def _names(self) -> dict[str, int]:
        return self._load()

    def __getitem__(self, name: str) -> int:
        return self._names[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


def _all_months() -> dict[str, int]:
    return dict(_MonthNames.union([_month_names(one) for one in (*LEXICONS, *_MONTHS_ONLY)]).numbers)


def _all_weekdays() -> dict[str, int]:
    plurals = {
        f"{name}{ending}": number
        for language, one in LEXICONS.items()
        for name, number in _by_name([locale(language).days["format"]["wide"]]).items()
        for ending in one.weekday_plurals
    }
    return {**plurals, **weekday_names()}


MONTHS: Mapping[str, int] = _Names(_all_months)
"""Folded month names and abbreviations of eleven languages -> 1 to 12. Many are common words (`set`, `des`, `mar`):
right for a date that a pattern found, not for running text."""
WEEKDAYS: Mapping[str, int] = _Names(_all_weekdays)
"""Folded names of the days of the week in the lexicons' languages, with plurals -> Monday 0."""


def months(text: str, language: str = "") -> set[int]:
    """The months named in a text (1 to 12).

    Names are read in the language of the text (ISO 639-1), or in all where it is not known. A word that is a month
    only now and then (`may`, `Mars`, `mar`) counts when it is written like a month or has a day or a year beside it.
    """
    words = tokens(text)
    return {number for index in range(len(words)) if (number := month_at(words, index, language))}


def month_at(words: Sequence[Token], index: int, language: str = "") -> int:
    """The month (1 to 12) that a word of a text names; 0 when it names none."""
    names, token = _month_names(language), words[index]
    number = names.numbers.get(token.folded, 0)
    if not number or _beside_number(words, index):
        return number
    capital, known = token.text[0].isupper(), language in LEXICONS or language in _MONTHS_ONLY
    doubtful = (
        (token.folded in _LOWER_CASE_WORDS and not capital)
        or (token.folded in _UPPER_CASE_NAMES and capital)
        or _UNACCENTED_WORDS.get(token.folded, token.text.lower()) != token.text.lower()
        or (token.folded in _AMBIGUOUS and not known and not (capital and token.folded in names.capitalised))
        or (token.folded not in names.wide and not (capital and token.folded in names.capitalised))
    )
    return 0 if doubtful else number


def _beside_number(words: Sequence[Token], index: int) -> bool:
    """Whether a day stands before a word, or a day or a year behind it: `3 mars`, `3 de mayo de 2021`, `March 3`."""
    before = index - 1 - (index > 0 and words[index - 1].folded in _OF)
    after = index + 1 + (index + 1 < len(words) and words[index + 1].folded in _OF)
    return (before >= 0 and bool(_DAY.fullmatch(words[before].folded))) or (
        after < len(words) and bool(_DAY_OR_YEAR.fullmatch(words[after].folded))
    )


def weekdays(text: str) -> set[int]:
    """The days of the week named in a text, Monday 0, in any of the lexicons' languages."""
    words = tokens(text)
    found = {WEEKDAYS[token.folded] for token in words if token.folded in WEEKDAYS}
    for before, token in zip(words, words[1:], strict=False):
        if token.folded in {"feira", "feiras"}:  # Portuguese "segunda-feira", two words here
            number = WEEKDAYS.get(f"{before.folded.removesuffix('s')}-feira")
            found |= set() if number is None else {number}
    return found
