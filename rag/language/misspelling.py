"""Words that a question may have spelt wrong: one or two letters from a word that the archive knows."""

from __future__ import annotations

from rag.language.tokens import is_unspaced


def edits_allowed(word: str) -> int:
    """How many letters of a word may be wrong for it still to be told: none under 5 letters, 2 from 8 letters."""
    if not word.isalpha() or len(word) < 5 or is_unspaced(word):
        return 0
    return 1 if len(word) < 8 else 2


def is_misspelt(word: str, known: str) -> bool:
    """Whether a word is another one with as few wrong, missing, added or exchanged letters as `edits_allowed` says."""
    return _within(word, known, edits_allowed(word))


def _within(one: str, other: str, edits: int) -> bool:
    if abs(len(one) - len(other)) > edits:
        return False
    shared = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    one, other = one[shared:], other[shared:]
    if not one or not other:
        return True  # what is left of the longer one is no more than the edits
    if not edits:
        return False
    exchanged = one[:2] == other[1::-1] and _within(one[2:], other[2:], edits - 1)
    return exchanged or any(
        _within(a, b, edits - 1) for a, b in ((one[1:], other[1:]), (one[1:], other), (one, other[1:]))
    )
