"""What is shown with a quoted sentence: its day and outlet in front; and which sentences say the same."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from rag.answering.compose.material import Line
from rag.language.dates import written
from rag.language.lexicons import EVERY_LANGUAGE, lexicon
from rag.language.numbers import numbers
from rag.language.stems import content_stems
from rag.language.tokens import tokens
from rag.schema import Article

SAME = 0.6  # share of the content words of the shorter of two sentences that say the same. Set by hand.


def dated(day: date | None, text: str) -> str:
    """`3 March 2025: It rained.`"""
    return f"{written(day) if day else 'Undated'}: {text}"


def sourced(article: Article, text: str) -> str:
    """`3 March 2025, The Tide: It rained.`"""
    parts = [written(article.day) if article.day else "Undated", article.outlet]
    return f"{', '.join(part for part in parts if part)}: {text}"


def says_the_same(one: Line, other: Line) -> bool:
    """Whether two sentences share most of their words and name the same numbers."""
    words = [set(content_stems(line.text, line.article.language)) for line in (one, other)]
    fewer = min(map(len, words))
    if not fewer or len(words[0] & words[1]) < SAME * fewer:
        return False
    figures = [numbers(line.text, line.article.language) for line in (one, other)]
    return figures[0] <= figures[1] or figures[1] <= figures[0]


def is_new(line: Line, chosen: Iterable[Line]) -> bool:
    """Whether no chosen sentence says the same."""
    return not any(says_the_same(line, one) for one in chosen)


def leans_on_another(line: Line) -> bool:
    """Whether a sentence opens with a word that refers to somebody or something named before it."""
    pointers = EVERY_LANGUAGE.pointers | lexicon(line.article.language).pointers
    return any(token.folded in pointers for token in tokens(line.text)[:2])


def newsworthy(line: Line) -> bool:
    """Whether a sentence can be quoted alone: it asks nothing, and opens with no word that points back."""
    asks = line.text.rstrip('"”’»)').endswith("?")
    return not asks and not leans_on_another(line)
