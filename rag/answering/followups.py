"""Follow-up questions: the retrieval query for a question that relies on the conversation before it."""

from __future__ import annotations

from collections.abc import Sequence

from rag.language.identify import detect_language
from rag.language.lexicons import EVERY_LANGUAGE, lexicon, pattern
from rag.language.names import names
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import fold, tokens
from rag.schema import Turn

MOST_NAMES = 3  # names of the previous answer that are added to the query of a follow-up


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
    refers_back = len(content) <= 1 or _points_back(question, words)
    if names(question) and not refers_back:
        return question
    previous = history[-1]
    named = list(dict.fromkeys(names(previous.answer)))[:MOST_NAMES]
    return " ".join([previous.question, *named, question])


def _points_back(question: str, words: Sequence[str]) -> bool:
    """Whether a question contains a word that refers to something before it, or opens like a continuation.

    The language of a short question is often detected wrongly, so the words of every language count too.
    """
    lexicons = (EVERY_LANGUAGE, lexicon(detect_language(question)))
    pointers = frozenset[str]().union(*(one.pointers | one.question_pointers for one in lexicons))
    opening = fold(question).lstrip("¿¡ ")
    return not pointers.isdisjoint(words) or any(pattern(one.openers).match(opening) for one in lexicons)
