"""Questions for a cause, and sentences that give one, in seven languages."""

from __future__ import annotations

from rag.language.lexicons import pattern
from rag.language.tokens import fold

_ASKS = (
    "why", r"what (?:\w+ )?(?:caused|started|led to)", "cause of", "por que", "a que se (?:debe|debio)", "que causo",
    "warum", "weshalb", "wieso", "wodurch", "pourquoi", "perche", "waarom", "waardoor",
)  # fmt: skip
_GIVES = (
    "because", "due to", "citing", "in an effort to", "in order to", "in a bid to", "prompted by", "triggered by",
    "stem(?:s|med) from", "owing to", "caused by", "started by", "as a result of", "blamed", "the reason",
    "saying that",
    "porque", "debido a", "por culpa de", "a causa d[ei]l?", "ya que", "provocad[oa]s?", "con el fin de", "alegando",
    "weil", "wegen", "aufgrund", "verursacht", "ursache", "parce que", "en raison d[eu]s?", "a cause d[eu]s?",
    "provoque", "afin de", "invoquant",
    "poiche", "causat[oaie]", "por causa d[aeo]", "devido a", "omdat", "wegens", "veroorzaakt", "doordat",
)  # fmt: skip
_SUGGESTS = (
    "after",
    "over",
    "tras",
    "nach",
    "nachdem",
    "durch",
    "apres",
    "suite a",
    "dopo",
    "apos",
    "na",
    "door",
    "when",
)


def asks_cause(question: str) -> bool:
    """Whether a question asks why something happened."""
    return bool(pattern(_ASKS).search(fold(question)))


def gives_cause(sentence: str) -> float:
    """How plainly a sentence gives a cause: 1 with a word such as "because", .4 with one such as "after", else 0."""
    folded = fold(sentence)
    if pattern(_GIVES).search(folded):
        return 1.0
    return 0.4 if pattern(_SUGGESTS).search(folded) else 0.0
