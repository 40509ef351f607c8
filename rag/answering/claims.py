"""What a sentence claims that can be looked up in a text: names, numbers, months, days of the week, quotations.

Pure functions. `citations` decides with them whether the cited words support a sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rag.language.calendar import months, weekdays
from rag.language.names import names
from rag.language.numbers import numbers
from rag.language.tokens import tokens

_QUOTED = re.compile(r"[“«„\"]([^“”«»„\"]{3,}?)[”»“\"]")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a sentence states that can be looked up: names, numbers, months, days of the week, quotations."""

    names: frozenset[str]
    numbers: frozenset[str]
    months: frozenset[int]
    weekdays: frozenset[int]
    quotes: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Claims:
        """The claims of one sentence."""
        plain = _QUOTED.sub(lambda m: m.group(1), text)
        return cls(
            names=frozenset(names(plain, sentence_start=True)),
            numbers=frozenset(numbers(plain)),
            months=frozenset(months(plain)),
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

    def lacking(self, text: str) -> list[str]:
        """The claims that a text does not contain, in words for a reader."""
        words = {t.folded for t in tokens(text)}
        lacking = [f"“{quote}” is not in the cited words" for quote in self.quotes if not verbatim(quote, text)]
        lacking += [f"the number {n} is not in the cited words" for n in sorted(self.numbers - numbers(text))]
        lacking += [
            f"the name {n.title()} is not in the cited words" for n in sorted(self.names) if not _named(n, words)
        ]
        if self.months - months(text) or self.weekdays - weekdays(text):
            lacking.append("the date is not in the cited words")
        return lacking


def _named(name: str, words: set[str]) -> bool:
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
