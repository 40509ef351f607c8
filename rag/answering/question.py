"""What a question asks for: a number, a date or a name, and whether it compares two things."""

from __future__ import annotations

import re
from typing import Literal

from rag.language.calendar import months, weekdays
from rag.language.names import names
from rag.language.numbers import numbers
from rag.language.tokens import fold, tokens

Kind = Literal["number", "date", "name", ""]

_HOW_MANY = "many|much|old|long|far|large|big|tall|high|deep|wide|fast|often"
_MEASURES = "percentage|share|number|proportion|price|sum|amount"
_TIMES = "day|date|month|year|time|weekday"
_ASKS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("number", re.compile(rf" (how ({_HOW_MANY})|what ({_MEASURES})|cuant[oa]s?|que porcentaje|a que precio) ")),
    ("date", re.compile(rf" (when|(on )?(what|which) ({_TIMES})|cuando|que (dia|fecha|mes|ano)) ")),
    ("name", re.compile(rf" (who|whom|whose|quien(es)?|which(?! ({_TIMES}|of)\b)) ")),
)
_COMPARES = re.compile(r" (or|than|both|either|each|versus|o|u|ambos|ambas) ")
_IN_WORDS = re.compile(  # numbers that `numbers` does not read
    r"\b(half|third|quarter|dozens?|hundreds?|thousands?|none|nobody|once|twice|one|thirty|forty|fifty|sixty|seventy|"
    r"eighty|ninety|mitad|tercio|docena|treinta|cuarenta|cincuenta|sesenta|setenta|ochenta|noventa|cien|ninguno)\b"
)


def expected(question: str) -> Kind:
    """The kind of words that an answer must contain; "" when the question does not tell."""
    folded = f" {' '.join(t.folded for t in tokens(question))} "
    # "Who said so when the rate was cut?" asks for a person: the first word that asks decides.
    found = [(match.start(), kind) for kind, pattern in _ASKS if (match := pattern.search(folded))]
    return min(found)[1] if found else ""


def compares(question: str) -> bool:
    """Whether a question compares two things, so that its answer may rest on two articles."""
    return bool(_COMPARES.search(f" {' '.join(t.folded for t in tokens(question))} "))


def holds(wanted: Kind, text: str, question: str) -> bool:
    """Whether a text contains words of the wanted kind that the question does not already contain."""
    if wanted == "number":
        return bool(numbers(text) - numbers(question) or _IN_WORDS.search(fold(text)))
    if wanted == "date":
        return bool(months(text) or weekdays(text) or numbers(text) - numbers(question))
    if wanted == "name":
        return bool(set(names(text, sentence_start=True)) - set(names(question, sentence_start=True)))
    return False
