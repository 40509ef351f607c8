"""One question, with all that answering it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from time import perf_counter

from rag.answering.kinds.reader import KindReader
from rag.answering.retriever import Retriever
from rag.answering.tracer import AskTrace
from rag.archive.archive import Archive
from rag.models.chat import LLM
from rag.models.embeddings import Embedder
from rag.schema import Filters, QuestionKind, Turn


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
