"""OpenTelemetry spans of asks and searches, by the OpenInference names. The only import of opentelemetry.

Without the package nothing happens; with it but without a tracer provider its spans do nothing. Question, messages,
passages and answer stand in a span only where the settings let the log hold questions; ids and scores always.
Names: https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from rag.answering.retriever import Retriever
from rag.assistant import Assistant
from rag.errors import DatelineError
from rag.models.chat import LLM, Message
from rag.schema import Answer, Filters, Hit, Turn

if TYPE_CHECKING:
    from opentelemetry.trace import Span

HIDDEN = "__REDACTED__"  # what OpenInference puts in the place of a text that is not to be seen
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


@lru_cache(maxsize=1)
def _api() -> Any:
    """The module `opentelemetry.trace`; None where it is not installed."""
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace


def watched(assistant: Assistant) -> Assistant:
    """The same assistant, each ask and search of it a span; `assistant` itself where opentelemetry is not installed."""
    if isinstance(assistant, Watched) or _api() is None:
        return assistant
    return Watched(assistant)


def export(environ: Mapping[str, str] = os.environ) -> bool:
    """Sends spans to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names; whether it does from now on.

    A provider that the program has set already stays. What is missing is said on standard error: a collector that
    gets nothing is no reason to answer nobody.
    """
    api = _api()
    wanted = any(environ.get(name) for name in _ENDPOINTS) and environ.get("OTEL_SDK_DISABLED", "").lower() != "true"
    if api is None or not wanted or not isinstance(api.get_tracer_provider(), api.ProxyTracerProvider):
        return False
    protocol = next(filter(None, map(environ.get, _PROTOCOLS)), "grpc")
    way = "grpc" if protocol == "grpc" else "http"
    try:
        exporter = import_module(f"opentelemetry.exporter.otlp.proto.{way}.trace_exporter").OTLPSpanExporter()
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        package = f"opentelemetry-exporter-otlp-proto-{way}"
        sys.stderr.write(f"dateline: no traces are sent: {error}. Install {package}, or unset {_ENDPOINTS[1]}.\n")
        return False
    # What is given here wins over the environment, so that is looked at first.
    provider = TracerProvider(resource=Resource.create({"service.name": environ.get("OTEL_SERVICE_NAME", "dateline")}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    api.set_tracer_provider(provider)
    return True


@contextmanager
def incoming(headers: Mapping[str, str]) -> Iterator[None]:
    """While it lasts, spans belong to the trace that the caller's `traceparent` names, if to none of this process."""
    api = _api()
    if api is None or "traceparent" not in headers or api.get_current_span().get_span_context().is_valid:
        yield
        return
    from opentelemetry import context, propagate

    token = context.attach(propagate.extract(headers))
    try:
        yield
    finally:
        context.detach(token)


class Watched(Assistant):
    """An assistant whose asks and searches are spans. All that it is made of is the assistant's."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant

    def __getattr__(self, name: str) -> Any:
        if name == "_assistant" or name.startswith("__"):  # `copy` asks for them before there is an assistant
            raise AttributeError(name)
        return getattr(self._assistant, name)

    def search(self, question: str, filters: Filters = Filters(), *, top_k: int | None = None) -> list[Hit]:
        """As the assistant's; a RETRIEVER span."""
        view = copy(self._assistant)
        view.retriever = cast(Retriever, _Retriever(view.retriever, _Pen(None, self.settings.log_questions)))
        return view.search(question, filters, top_k=top_k)

    def stream(self, question: str, filters: Filters = Filters(), history: Sequence[Turn] = ()) -> Iterator[Answer]:
        """As the assistant's; a CHAIN span with a RETRIEVER span and LLM spans below it."""
        view = copy(self._assistant)
        view.llm = self.llm
        pen = _Pen(None, self.settings.log_questions)
        span = pen.begin("dateline.ask", "CHAIN", question)
        if not span.is_recording():
            return view.stream(question, filters, history)
        below = _Pen(span, pen.open)
        view.retriever = cast(Retriever, _Retriever(view.retriever, below))
        view.llm = _Model(view.llm, below) if view.llm is not None else None
        try:
            answers = view.stream(question, filters, history)
        except BaseException as error:
            pen.end(span, error)
            raise
        return _followed(answers, span, pen)


def _followed(answers: Iterator[Answer], span: Span, pen: _Pen) -> Iterator[Answer]:
    """The answers; the span ends with them."""
    failed: BaseException | None = None
    last: Answer | None = None
    try:
        for last in answers:
            yield last
    except BaseException as error:
        failed = error
        raise
    finally:
        answers.close()  # type: ignore[attr-defined]
        if last is not None:
            verdicts = [sentence.verdict for sentence in last.sentences]
            span.set_attribute("output.value", pen.text(last.text))
            span.set_attribute("dateline.answered", last.answered)
            span.set_attribute("dateline.supported", verdicts.count("supported"))
            span.set_attribute("dateline.unsupported", verdicts.count("unsupported"))
        pen.end(span, failed)


class _Pen:
    """Begins and ends spans below one span, or below the current one of the caller; hides texts unless `open`."""

    def __init__(self, above: Span | None, open_: bool) -> None:
        self._above, self.open = above, open_

    def begin(self, name: str, kind: str, text: str) -> Span:
        """A span that has begun, `text` its input."""
        api = _api()
        context = api.set_span_in_context(self._above) if self._above is not None else None
        given = {"openinference.span.kind": kind, "input.value": self.text(text)}
        span: Span = api.get_tracer("dateline").start_span(name, context=context, attributes=given)
        return span

    def end(self, span: Span, error: BaseException | None = None) -> None:
        """Ends a span; a reader who left is no error. What is no error of ours may quote anything: only its class."""
        codes = _api().StatusCode
        if isinstance(error, GeneratorExit):
            span.set_attribute("dateline.stopped", True)
        elif error is not None:
            told = f": {error}" if isinstance(error, DatelineError) and self.open else ""
            span.set_status(codes.ERROR, f"{type(error).__name__}{told}")
        else:
            span.set_status(codes.OK)
        span.end()

    def text(self, text: str) -> str:
        """The text, or the sign that there is one."""
        return text if self.open else HIDDEN


class _Retriever:
    """A retriever whose every look-up is a span."""

    def __init__(self, retriever: Retriever, pen: _Pen) -> None:
        self._retriever, self._pen = retriever, pen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._retriever, name)

    def retrieve(self, question: str, filters: Filters = Filters(), **options: Any) -> list[Hit]:
        span = self._pen.begin("dateline.retrieve", "RETRIEVER", question)
        try:
            hits = self._retriever.retrieve(question, filters, **options)
        except BaseException as error:
            self._pen.end(span, error)
            raise
        if span.is_recording():
            for number, hit in enumerate(hits):
                name = f"retrieval.documents.{number}.document"
                span.set_attribute(f"{name}.id", hit.passage.id)
                span.set_attribute(f"{name}.score", hit.score)
                span.set_attribute(f"{name}.content", self._pen.text(hit.passage.text))
        self._pen.end(span)
        return hits


class _Model:
    """A model whose every call is a span."""

    def __init__(self, llm: LLM, pen: _Pen) -> None:
        self.name, self.evidence_tokens, self.judges = llm.name, llm.evidence_tokens, llm.judges
        self._llm, self._pen = llm, pen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llm, name)

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        """As the model's; the span begins with the first word that is asked for."""
        span = self._begin("dateline.write", messages, {"max_tokens": max_tokens})
        failed: BaseException | None = None
        said: list[str] = []
        pieces = self._llm.stream(messages, max_tokens)
        try:
            for piece in pieces:
                if not said:
                    span.add_event("first word")
                said.append(piece)
                yield piece
        except BaseException as error:
            failed = error
            raise
        finally:
            pieces.close()  # type: ignore[attr-defined]
            self._end(span, "".join(said), failed)

    def probability(self, messages: Sequence[Message], word: str) -> float | None:
        """As the model's."""
        span = self._begin("dateline.judge", messages, {"max_tokens": 1, "logprobs": True})
        try:
            found = self._llm.probability(messages, word)
        except BaseException as error:
            self._end(span, "", error)
            raise
        self._end(span, f"{word}: {found:.3f}" if found is not None else "", None)
        return found

    def close(self) -> None:
        """The model's."""
        self._llm.close()

    def _begin(self, name: str, messages: Sequence[Message], parameters: dict[str, Any]) -> Span:
        span = self._pen.begin(name, "LLM", messages[-1].content if messages else "")
        span.set_attribute("llm.model_name", self.name)
        # Dateline writes at temperature 0 unless the question brought parameters of its own (rag.models.sampling).
        given = {"temperature": 0} | parameters | dict(getattr(self._llm, "parameters", {}))
        span.set_attribute("llm.invocation_parameters", json.dumps(given))
        for number, message in enumerate(messages):
            place = f"llm.input_messages.{number}.message"
            span.set_attribute(f"{place}.role", message.role)
            span.set_attribute(f"{place}.content", self._pen.text(message.content))
        return span

    def _end(self, span: Span, said: str, error: BaseException | None) -> None:
        span.set_attribute("llm.output_messages.0.message.role", "assistant")
        span.set_attribute("llm.output_messages.0.message.content", self._pen.text(said))
        span.set_attribute("output.value", self._pen.text(said))
        self._pen.end(span, error)
