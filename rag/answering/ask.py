"""One question, with all that answering it needs, and how an answer to it ends."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date
from time import perf_counter
from typing import Any

from rag.answering.answerability import refusal
from rag.answering.kinds.reader import KindReader
from rag.answering.retrieval.filter_names import unknown_names
from rag.answering.retrieval.retriever import Retriever
from rag.answering.tracer import AskTrace
from rag.archive.archive import Archive
from rag.language.dates import written
from rag.models import sampling
from rag.models.chat import LLM, Message
from rag.models.embeddings import Embedder
from rag.schema import Answer, Coverage, Filters, QuestionKind, RefusalReason, Sentence, Turn

EXTRACTION = "extraction (no language model)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question, and the parts of an assistant that answer it. `began` is the reading of a clock, in seconds.

    `today` is the day from which the days that the question names are seen, None: they are not looked for. `kind` is
    the form of answer that the caller wants, None: the question tells.
    """

    question: str
    filters: Filters
    history: Sequence[Turn]
    today: date | None
    kind: QuestionKind | None
    sampling: Mapping[str, float]
    archive: Archive
    retriever: Retriever
    sentence_embedder: Embedder
    kinds: KindReader
    llm: LLM | None
    answer_tokens: int
    trace: AskTrace
    began: float = field(default_factory=perf_counter)

    def elapsed_ms(self) -> float:
        """Milliseconds since the question was asked."""
        return round((perf_counter() - self.began) * 1000, 1)

    def belief(self, llm: LLM, messages: Sequence[Message]) -> float | None:
        """The model's probability of "Yes" to a prompt that asks whether the excerpts state the answer."""
        with self.trace.model_call("judge", llm, messages, {"max_tokens": 1, "logprobs": True}) as said:
            belief = llm.probability(messages, "yes")
            said(f"yes: {belief:.3f}" if belief is not None else "")
        return belief

    def written(self, llm: LLM, messages: Sequence[Message], max_tokens: int) -> Generator[str, None, None]:
        """The pieces of the model's reply. Closing the iterator stops the model. Raises ModelUnavailable."""
        parameters = sampling.effective(self.sampling) if sampling.can_sample(llm) else {}
        with (
            self.trace.model_call("write", llm, messages, {"max_tokens": max_tokens} | parameters) as said,
            closing(sampling.stream(llm, messages, max_tokens, parameters)) as pieces,  # type: ignore[type-var]
        ):
            for piece in pieces:
                said(piece)
                yield piece


def written_by(llm: LLM | None) -> dict[str, Any]:
    """The fields of an answer that say what writes it."""
    return {"model": llm.name if llm else EXTRACTION, "by_extraction": llm is None}


def given(ask: Ask, answer: Answer, sentences: Sequence[Sentence]) -> Answer:
    """The final answer with these sentences, behind one that says where the articles end before the days asked for."""
    now, last, first = ask.elapsed_ms(), answer.coverage.last, answer.window.first if answer.window else None
    if first and last and first > last and answer.kind != "archive":
        sentences = [Sentence(text=f"The articles searched end on {written(last)}.", verdict="supported"), *sentences]
    return replace(
        answer,
        answered=True,
        sentences=tuple(sentences),
        final=True,
        preview=(),
        timings=replace(
            answer.timings,
            first_shown_ms=answer.timings.first_shown_ms or now,
            first_token_ms=answer.timings.first_token_ms or now,
            total_ms=now,
        ),
    )


def refused(
    ask: Ask, answer: Answer, reason: RefusalReason, withheld: tuple[str, ...] = (), text: str = ""
) -> Answer:  # fmt: skip
    """The final answer that gives none, and says why: `text`, or else what was searched."""
    return replace(
        answer,
        answered=False,
        sentences=(),
        draft="",
        preview=(),
        withheld=withheld,
        refusal=text or refusal(answer.coverage, answer.hits, unknown_in_filters(ask, answer.coverage)),
        reason=reason,
        final=True,
        timings=replace(answer.timings, total_ms=ask.elapsed_ms()),
    )


def unknown_in_filters(ask: Ask, coverage: Coverage) -> str:
    """What is said of names in the filters that no article has, where these leave none."""
    return "" if coverage.articles else unknown_names(ask.archive.catalog, ask.filters)
