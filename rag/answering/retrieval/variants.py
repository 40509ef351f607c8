"""Near-duplicates that tell something else: copies of a report in which a number was changed."""

from __future__ import annotations

from rag.language.numbers import numbers
from rag.language.sentences import sentence_spans
from rag.language.tokens import folded_words
from rag.schema import Passage

# Share of the words without digits of the shorter one that two sentences have in common which are the same but for
# their numbers. Set by hand: a number in words is among them.
SAME_SENTENCE = 0.75
LEAST_WORDS = 4  # of a sentence that is compared
MOST_SENTENCES = 40  # of a passage


def differ(one: Passage, other: Passage) -> bool:
    """Whether a sentence of one passage stands in the other one with another number."""
    return any(
        len(words & also) >= SAME_SENTENCE * min(len(words), len(also))
        and given - known
        and known - given
        and len(given) == len(known)
        for words, given in _told(one)
        for also, known in _told(other)
    )


def _told(passage: Passage) -> list[tuple[frozenset[str], frozenset[str]]]:
    """The words without digits and the numbers of each sentence that has both."""
    told = []
    for start, end in sentence_spans(passage.text)[:MOST_SENTENCES]:
        text = passage.text[start:end]
        words = frozenset(word for word in folded_words(text) if not any(map(str.isdigit, word)))
        if len(words) >= LEAST_WORDS and (given := numbers(text, passage.article.language)):
            told.append((words, frozenset(given)))
    return told
