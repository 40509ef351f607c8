"""Sentences that state a difference themselves: "612 million crowns, against 588 million in 2025"."""

from __future__ import annotations

import re

from rag.answering.compose.material import Line
from rag.language.lexicons import lexicon, pattern
from rag.language.numbers import numbers
from rag.language.tokens import fold

# Characters between the number and the phrase beside it: "14.50 crowns an hour by January 2028, up from 12.80".
BEFORE, BEHIND = 12, 25
_YEAR = re.compile(r"(?:19|20)\d\d")


def states_difference(line: Line) -> bool:
    """Whether a sentence sets a number against another one, or says by how much one thing differs from another."""
    language, folded = line.article.language, fold(line.text)
    for match in pattern(lexicon(language).more_than).finditer(folded):
        if _amounts(folded[max(0, match.start() - BEFORE) : match.start()], language):
            return True
    return any(
        _amounts(folded[match.end() : match.end() + BEHIND], language) and _amounts(folded[: match.start()], language)
        for match in pattern(lexicon(language).sets_against).finditer(folded)
    )


def _amounts(text: str, language: str) -> set[str]:
    return {number for number in numbers(text, language) if not _YEAR.fullmatch(number)}
