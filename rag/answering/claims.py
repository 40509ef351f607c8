"""What a sentence claims that can be looked up in a text: names, numbers, months, days of the week, quotations.

Pure functions. `citations` decides with them whether the cited words support a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from rag.language.calendar import months, weekdays
from rag.language.names import names
from rag.language.numbers import numbers
from rag.language.tokens import tokens

_QUOTED = re.compile(r"[“«„\"]([^“”«»„\"]{3,}?)[”»“\"]")


Source = tuple[str, str]  # a text, and its language (ISO 639-1) or ""


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a sentence. Names and words are folded; months are 1 to 12, days of the week 0 (Monday) to 6."""

    language: str
    names: frozenset[str]
    numbers: frozenset[str]
    months: frozenset[int]
    weekdays: frozenset[int]
    quotes: tuple[str, ...]

    @classmethod
    def of(cls, text: str, language: str = "") -> Claims:
        """The claims of one sentence, its number words and months read in its language (ISO 639-1)."""
        plain = _QUOTED.sub(lambda m: m.group(1), text)
        return cls(
            language=language,
            names=frozenset(names(plain, sentence_start=True)),
            numbers=frozenset(numbers(plain, language)),
            months=frozenset(months(plain, language)),
            weekdays=frozenset(weekdays(plain)),
            quotes=tuple(m.group(1).strip(" ,.;:") for m in _QUOTED.finditer(text)),
        )

    def without(self, names_given: set[str]) -> Claims:
        """The same claims less some names: the TV of the question may be "televised" in the article."""
        return replace(self, names=self.names - names_given)

    def beyond(self, given: Claims) -> Claims:
        """The claims that the question did not already make."""
        return replace(
            self,
            names=self.names - given.names,
            numbers=self.numbers - given.numbers,
            months=self.months - given.months,
            weekdays=self.weekdays - given.weekdays,
        )

    def lacking(self, sources: Sequence[Source]) -> list[str]:
        """The claims that the sources together do not state, in words for a reader.

        A source is read in its own language and in that of the sentence: one of the two may be detected wrongly.
        """
        stated = [_stated(text, one) for text, own in sources for one in {own or self.language, self.language}]
        lacking = [
            f"“{quote}” is not in the cited words"
            for quote in self.quotes
            if not verbatim(quote, "\n".join(text for text, _ in sources))
        ]
        absent = self.numbers.difference(*(one.numbers for one in stated))
        lacking += [f"the number {number} is not in the cited words" for number in sorted(absent)]
        lacking += [
            f"the name {name.title()} is not in the cited words"
            for name in sorted(self.names)
            if not any(_named(name, one.words) for one in stated)
        ]
        undated = self.months.difference(*(one.months for one in stated))
        if undated or self.weekdays.difference(*(one.weekdays for one in stated)):
            lacking.append("the date is not in the cited words")
        return lacking


@dataclass(frozen=True, slots=True)
class _Stated:
    words: frozenset[str]
    numbers: frozenset[str]
    months: frozenset[int]
    weekdays: frozenset[int]


@lru_cache(maxsize=4096)  # sentences of some 400 characters: about 10 MB
def _stated(text: str, language: str) -> _Stated:
    """What a text states. Cached: each sentence of the evidence is compared with each sentence of the answer."""
    return _Stated(
        words=frozenset(t.folded for t in tokens(text)),
        numbers=frozenset(numbers(text, language)),
        months=frozenset(months(text, language)),
        weekdays=frozenset(weekdays(text)),
    )


def _named(name: str, words: frozenset[str]) -> bool:
    """A name counts as named in an inflected form too: `Lunada's`, `Russian` for `Russia`, `Italia` for `Italy`."""
    if name in words:
        return True
    return len(name) >= 5 and any(_same_name(name, word) for word in words)


def _same_name(one: str, other: str) -> bool:
    """Inflected (`Russia`, `Russian`), or another spelling by one letter (`Dmitri`, `Dimitri`)."""
    if one[:5] == other[:5] and abs(len(one) - len(other)) <= 3:
        return True
    if min(len(one), len(other)) < 6 or abs(len(one) - len(other)) > 1:
        return False
    short, long = sorted((one, other), key=len)
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[at + (len(short) == len(long)) :] == long[at + 1 :]


def verbatim(quote: str, text: str) -> bool:
    """Whether a quotation stands in a text word for word; case, accents and punctuation at its edges aside."""
    wanted = [t.folded for t in tokens(quote)]
    found = [t.folded for t in tokens(text)]
    return any(found[i : i + len(wanted)] == wanted for i in range(len(found) - len(wanted) + 1)) if wanted else True
