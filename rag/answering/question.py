"""What a question asks for: a number, a date or a name, and whether it compares two things."""

from __future__ import annotations

import re
from typing import Literal

from rag.language.calendar import months, weekdays
from rag.language.lexicons import EVERY_LANGUAGE, Lexicon, lexicon, pattern
from rag.language.names import names
from rag.language.numbers import numbers
from rag.language.tokens import fold, tokens

Expected = Literal["number", "date", "name", ""]

_FRACTION = re.compile(r"\ban? [a-z]+th\b", re.I)  # "a twentieth of the money" is no day


def expected(question: str, language: str = "") -> Expected:
    """The kind of words that an answer must contain; "" when the question does not tell. `language` is ISO 639-1."""
    folded = " ".join(t.folded for t in tokens(question))
    found = [
        (match.start(), -match.end(), kind)
        for one in (EVERY_LANGUAGE, lexicon(language))
        for kind, phrases in _phrases(one)
        if (match := pattern(phrases).search(folded))
    ]
    # "Who said so when the rate was cut?" asks for a person: the first word that asks decides. Of two phrases that
    # begin there the longer one does: "wie viele" asks for a number, though "wie" alone is "who" in Dutch.
    return min(found)[2] if found else ""


def _phrases(one: Lexicon) -> tuple[tuple[Expected, tuple[str, ...]], ...]:
    return (("number", one.asks_number), ("date", one.asks_date), ("name", one.asks_name))


def compares(question: str, language: str = "") -> bool:
    """Whether a question compares two things, so that its answer may rest on two articles."""
    words = {t.folded for t in tokens(question)}
    return not words.isdisjoint(EVERY_LANGUAGE.compares | lexicon(language).compares)


def holds(wanted: Expected, text: str, question: str, language: str = "") -> bool:
    """Whether a text contains words of the wanted kind that the question, in the same language, does not contain."""
    if wanted == "number":
        more = numbers(text, language) - numbers(question, language)
        return bool(more or pattern(lexicon(language).amounts).search(fold(text)))
    if wanted == "date":
        more = numbers(_FRACTION.sub("", text), language) - numbers(question, language)
        return bool(months(text, language) or weekdays(text) or more)
    if wanted == "name":
        return bool(set(names(text, sentence_start=True)) - set(names(question, sentence_start=True)))
    return False
