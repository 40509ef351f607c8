"""A growing answer as events: first its sources, then each checked sentence, then the whole answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Literal, TypedDict

from rag.interfaces.json import (
    AnswerData,
    CitationData,
    CoverageData,
    HitData,
    ProblemData,
    answer_data,
    citation_data,
    coverage_data,
    hit_data,
)
from rag.schema import Answer, Verdict


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


@dataclass(frozen=True, slots=True)
class AnswerEvent:
    """One event of an answer stream."""

    kind: Literal["sources", "sentence", "answer", "error"]
    data: SourcesData | CheckedSentenceData | AnswerData | ProblemData


def events_between(before: Answer | None, answer: Answer) -> Iterator[AnswerEvent]:
    """What is new in a state of an answer since the one before it; a final state gives the whole answer."""
    if before is None or before.hits != answer.hits:
        yield AnswerEvent("sources", sources_data(answer))
    if answer.final:
        yield AnswerEvent("answer", answer_data(answer))
        return
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
