"""The verdict on a sentence from the quotations found for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.answering.check.conflicts import conflict
from rag.answering.citations import same_words
from rag.answering.sentence_selection import Candidate
from rag.schema import Verdict


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, the quotations that support or contradict the sentence, and why it is not supported ("" if it is)."""

    verdict: Verdict
    quotes: tuple[Candidate, ...] = ()
    reason: str = ""


def judged(sentence: str, quotes: Sequence[Candidate], lacking: str, language: str) -> Finding:
    """The verdict on a sentence in a language (ISO 639-1).

    `quotes` and `lacking` are what `citations.link` found: quotations, and which of the sentence's words, names or
    numbers they do not hold. A sentence of an article word for word is always supported.
    """
    if not lacking and any(same_words(sentence, quote.text) for quote in quotes):
        return Finding("supported", tuple(quotes))
    against = conflict(sentence, quotes, language)
    if against and against.opposed:
        return Finding("contradicted", (against.quote,), against.reason)
    if lacking or against:
        return Finding("unsupported", (), lacking or (against.reason if against else ""))
    return Finding("supported", tuple(quotes))
