"""Follow-up questions: the retrieval query for a question that relies on the conversation before it."""

from __future__ import annotations

from collections.abc import Sequence

from rag.language.names import names
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import tokens
from rag.schema import Turn

MOST_NAMES = 3  # names of the previous answer that are added to the query of a follow-up

_POINTERS = frozenset(
    "he she it they him her them his its their this that these those there then el ella ello ellos ellas eso esto "
    "ese esa aquel alli entonces su sus lo".split()
)
_OPENERS = ("and ", "what about", "how about", "y ", "qué hay de", "¿y ", "¿qué hay de", "but ", "also ", "so ")


def standalone(question: str, history: Sequence[Turn]) -> str:
    """The retrieval query: the question itself, or, for a follow-up, the previous question and the names in its answer
    in front of it.

    A question is a follow-up when it names nobody and nothing, contains a pronoun that points back, or has at most one
    content word. Measured on mtragun_goldpool (332 questions, 309 with a history): recall@5 .850 and MRR@10 .927;
    with the previous question added only after a pronoun .841 and .898; with nothing ever added .797 and .843.
    """
    if not history:
        return question
    words = [t.folded for t in tokens(question)]
    content = [word for word in words if word not in STOP_WORDS]
    # "Why?" and "How many?" are follow-ups; "Why did the dock strike end?" is short but complete.
    refers_back = any(word in _POINTERS for word in words) or question.lower().startswith(_OPENERS) or len(content) <= 1
    if names(question) and not refers_back:
        return question
    previous = history[-1]
    named = list(dict.fromkeys(names(previous.answer)))[:MOST_NAMES]
    return " ".join([previous.question, *named, question])
