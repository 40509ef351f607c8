"""Proper names of a text."""

from __future__ import annotations

from rag.language.calendar import WEEKDAYS, month_at
from rag.language.sentences import sentence_spans
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import tokens


def names(text: str, *, sentence_start: bool = False) -> list[str]:
    """The proper names in a text as folded words: capitalised words that do not merely open the sentence.

    With `sentence_start` the opening word counts too unless it is a stop word. Months and days of the
    week are left out. Text all in capitals (a headline) gives none.
    """
    every = tokens(text)
    words = [t for t in every if t.text[0].isalpha()]
    if not words or sum(t.text[0].isupper() for t in words) > 0.7 * len(words) > 4:
        return []
    openers = {start for start, _ in sentence_spans(text)}
    found = []
    for index, token in enumerate(every):
        if not token.text[0].isupper() or len(token.text) == 1:
            continue
        opens = token.start in openers or (
            token.start > 0 and text[token.start - 1] in '“"‘«¿¡(' and not sentence_start
        )
        common = token.folded in STOP_WORDS or token.folded in WEEKDAYS or month_at(every, index)
        if not common and (sentence_start or not opens):
            found.append(token.folded)
    return found


def name_pairs(text: str) -> list[tuple[str, str]]:
    """Neighbouring names in a text, folded: ("world", "series") in "the World Series"."""
    words, known = tokens(text), set(names(text))
    return [
        (one.folded, other.folded)
        for one, other in zip(words, words[1:], strict=False)
        if {one.folded, other.folded} <= known and text[one.end : other.start] == " "
        if one.text[0].isupper() and other.text[0].isupper()
    ]
