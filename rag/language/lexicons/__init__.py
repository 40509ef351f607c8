"""One lexicon a language: what in these rules depends on the language of a text."""

from __future__ import annotations

import re
from functools import cache
from types import MappingProxyType

from rag.language.lexicons.dutch import DUTCH
from rag.language.lexicons.english import ENGLISH
from rag.language.lexicons.french import FRENCH
from rag.language.lexicons.german import GERMAN
from rag.language.lexicons.italian import ITALIAN
from rag.language.lexicons.lexicon import Lexicon, union
from rag.language.lexicons.portuguese import PORTUGUESE
from rag.language.lexicons.spanish import SPANISH

__all__ = ["EVERY_LANGUAGE", "LEXICONS", "Lexicon", "lexicon", "pattern"]

LEXICONS = MappingProxyType(
    {one.language: one for one in (ENGLISH, SPANISH, FRENCH, GERMAN, ITALIAN, PORTUGUESE, DUTCH)}
)
"""ISO 639-1 -> lexicon."""
EVERY_LANGUAGE = union(LEXICONS.values())
"""The lexicon for text of unknown language: every entry that is not a common word of another language."""


def lexicon(language: str = "") -> Lexicon:
    """The lexicon of a language (ISO 639-1); that of all languages for "" and for a language that has none."""
    return LEXICONS.get(language, EVERY_LANGUAGE)


@cache
def pattern(alternatives: tuple[str, ...] | frozenset[str]) -> re.Pattern[str]:
    """A pattern that matches any of a lexicon field's entries as whole words of a folded text; the longest first."""
    ordered = sorted(alternatives, key=lambda one: (-len(one), one))
    return re.compile(rf"\b(?:{'|'.join(ordered)})\b")
