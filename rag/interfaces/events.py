"""A growing answer as events: its sources, sentences of the articles to read meanwhile, each checked sentence, then
the whole answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from rag.interfaces.json import (
    AnswerData,
    CitationData,
    CoverageData,
    HitData,
    ProblemData,
    SentenceData,
    answer_data,
    citation_data,
    coverage_data,
    hit_data,
    sentence_data,
)
from rag.schema import Answer, Sentence, Verdict


class SourcesData(TypedDict):
    """What was found for a question, before anything is written."""

    question: str
    hits: list[HitData]
    coverage: CoverageData
    model: str


class CheckedSentenceData(TypedDict):
    """A sentence as soon as it is checked; `index` is its place among the sentences so far, from 0."""

    index: int
    text: str
    verdict: Verdict
    reason: str
    citations: list[CitationData]


class PreviewData(TypedDict):
    """Sentences of the articles to read until the answer is written: no part of it."""

    sentences: list[SentenceData]
    citations: list[CitationData]


@dataclass(frozen=True, slots=True)
class AnswerEvent:
    """One event of an answer stream."""

    kind: Literal["sources", "preview", "sentence", "answer", "error"]
    data: SourcesData | PreviewData | CheckedSentenceData | AnswerData | ProblemData


def events_between(before: Answer | None, answer: Answer) -> Iterator[AnswerEvent]:
    """What is new in a state of an answer since the one before it; a final state gives the whole answer."""
    if before is None or before.hits != answer.hits:
        yield AnswerEvent("sources", sources_data(answer))
    if answer.final:
        yield AnswerEvent("answer", answer_data(answer))
        return
    if answer.preview and not (before and before.preview):
        yield AnswerEvent("preview", preview_data(answer.preview))
    known = len(before.sentences) if before else 0
    for index, sentence in enumerate(answer.sentences[known:], start=known):
        data: CheckedSentenceData = {
            "index": index,
            "text": sentence.text,
            "verdict": sentence.verdict,
            "reason": sentence.reason,
            "citations": [citation_data(citation) for citation in sentence.citations],
        }
        yield AnswerEvent("sentence", data)


def sources_data(answer: Answer) -> SourcesData:
    """What the first state of a stream tells."""
    return {
        "question": answer.question,
        "hits": [hit_data(hit) for hit in answer.hits],
        "coverage": coverage_data(answer.coverage),
        "model": answer.model,
    }


def preview_data(preview: Sequence[Sentence]) -> PreviewData:
    """The sentences with what they quote."""
    cited = {citation.number: citation for sentence in preview for citation in sentence.citations}
    return {
        "sentences": [sentence_data(sentence) for sentence in preview],
        "citations": [citation_data(citation) for citation in cited.values()],
    }


async def event_stream(states: AsyncIterator[Answer | None]) -> AsyncIterator[AnswerEvent | None]:
    """The events of an answer's states; None where the states give None, for a sign of life.

    The same states always give the same events, so the number of an event is good for resuming a stream.
    """
    before: Answer | None = None
    async for answer in states:
        if answer is None:
            yield None
            continue
        for event in events_between(before, answer):
            yield event
        before = answer
