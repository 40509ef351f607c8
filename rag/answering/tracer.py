"""What the pipeline reports about its steps. `rag.serving.tracing` makes OpenTelemetry spans of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal, Protocol

from rag.models.chat import LLM, Message
from rag.schema import Answer, Hit

ModelStep = Literal["write", "judge"]


class AskTrace(Protocol):
    """The steps of one question, from `Tracer.ask` until `end`."""

    def retrieval(self, query: str) -> AbstractContextManager[Callable[[Sequence[Hit]], None]]:
        """Lasts as long as one retrieval; call its value with the hits."""
        ...

    def model_call(
        self, step: ModelStep, llm: LLM, messages: Sequence[Message], parameters: Mapping[str, Any]
    ) -> AbstractContextManager[Callable[[str], None]]:
        """Lasts as long as one request to the model; call its value with each piece of the reply."""
        ...

    def answered(self, answer: Answer) -> None:
        """Reports each answer of the stream; the last one counts."""
        ...

    def end(self, error: BaseException | None = None) -> None:
        """The stream is over. `error` is what broke it off; GeneratorExit when its reader left."""
        ...


class Tracer(Protocol):
    """Is told of every search and every question of an assistant. Must be safe for many threads."""

    def ask(self, question: str) -> AskTrace:
        """Begins the trace of one question."""
        ...

    def search(self, question: str) -> AbstractContextManager[Callable[[Sequence[Hit]], None]]:
        """Lasts as long as one search without an answer; call its value with the hits."""
        ...


@contextmanager
def ended(trace: AskTrace) -> Iterator[None]:
    """Ends the trace with the block, and with the exception that leaves it."""
    try:
        yield
    except BaseException as error:
        trace.end(error)
        raise
    trace.end()


@contextmanager
def _nothing(*_: object) -> Iterator[Callable[[object], None]]:
    yield lambda _: None


class NoTracer:
    """Reports nothing: the tracer of an assistant that nobody watches, and the trace of its questions."""

    def ask(self, question: str) -> NoTracer:
        """Itself: it has no state."""
        return self

    def search(self, question: str) -> AbstractContextManager[Callable[[Sequence[Hit]], None]]:
        """Does nothing."""
        return _nothing()

    def retrieval(self, query: str) -> AbstractContextManager[Callable[[Sequence[Hit]], None]]:
        """Does nothing."""
        return _nothing()

    def model_call(
        self, step: ModelStep, llm: LLM, messages: Sequence[Message], parameters: Mapping[str, Any]
    ) -> AbstractContextManager[Callable[[str], None]]:
        """Does nothing."""
        return _nothing()

    def answered(self, answer: Answer) -> None:
        """Does nothing."""

    def end(self, error: BaseException | None = None) -> None:
        """Does nothing."""
