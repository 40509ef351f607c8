"""OpenTelemetry spans of questions and searches, named after OpenInference. The only import of opentelemetry.

Without the package nothing happens; with it but without a tracer provider its spans do nothing. Ids and scores are
always recorded; question, prompts, passages and answer only with the setting log_questions.
Names: https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rag.answering.tracer import ModelStep
from rag.assistant import Assistant
from rag.errors import DatelineError
from rag.models.chat import LLM, Message
from rag.schema import Answer, Hit

if TYPE_CHECKING:
    from opentelemetry.trace import Span

HIDDEN = "__REDACTED__"  # OpenInference's replacement for a hidden text
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
    """The assistant, which from now on makes spans of its questions and searches; unchanged without opentelemetry."""
    if _api() is not None and not isinstance(assistant.tracer, OpenTelemetryTracer):
        assistant.tracer = OpenTelemetryTracer(show_text=assistant.settings.log_questions)
    return assistant


def export(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether spans are sent, from now on, to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names.

    A provider that the program has set before is kept. A missing exporter package is reported on standard error and is
    no exception: questions can be answered without traces.
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
    # Resource.create prefers its argument to the environment, so the environment is read here.
    provider = TracerProvider(resource=Resource.create({"service.name": environ.get("OTEL_SERVICE_NAME", "dateline")}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    api.set_tracer_provider(provider)
    return True


@contextmanager
def incoming(headers: Mapping[str, str]) -> Iterator[None]:
    """Within it, spans belong to the trace that the `traceparent` header names, unless a span is open already."""
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


class OpenTelemetryTracer:
    """Makes a CHAIN span of each question, with a RETRIEVER span and LLM spans below it; a RETRIEVER of each search."""

    def __init__(self, *, show_text: bool) -> None:
        """With `show_text`, spans contain questions, prompts, passages and answers; otherwise HIDDEN in their place."""
        self._show_text = show_text

    def ask(self, question: str) -> _AskSpans:
        """The spans of one question, below the caller's current span."""
        return _AskSpans(question, show_text=self._show_text)

    def search(self, question: str) -> AbstractContextManager[Callable[[Sequence[Hit]], None]]:
        """The span of one search, below the caller's current span."""
        return _Spans(None, show_text=self._show_text).retrieval(question)


class _Spans:
    """Begins and ends spans below one span, or below the caller's current one; hides texts unless `show_text`."""

    def __init__(self, parent: Span | None, *, show_text: bool) -> None:
        self._parent, self._show_text = parent, show_text

    def begin(self, name: str, kind: str, text: str) -> Span:
        """A new span with `text` as its input."""
        api = _api()
        context = api.set_span_in_context(self._parent) if self._parent is not None else None
        given = {"openinference.span.kind": kind, "input.value": self.shown(text)}
        span: Span = api.get_tracer("dateline").start_span(name, context=context, attributes=given)
        return span

    def conclude(self, span: Span, error: BaseException | None = None) -> None:
        """Sets the status and ends the span. A reader who left is no error.

        The message of an unexpected error may contain text of a user or an article: only its class is recorded.
        """
        codes = _api().StatusCode
        if isinstance(error, GeneratorExit):
            span.set_attribute("dateline.stopped", True)
        elif error is not None:
            message = f": {error}" if isinstance(error, DatelineError) and self._show_text else ""
            span.set_status(codes.ERROR, f"{type(error).__name__}{message}")
        else:
            span.set_status(codes.OK)
        span.end()

    def shown(self, text: str) -> str:
        """The text, or HIDDEN."""
        return text if self._show_text else HIDDEN

    @contextmanager
    def retrieval(self, query: str) -> Iterator[Callable[[Sequence[Hit]], None]]:
        """A RETRIEVER span with the id and score of each hit that its value is called with."""
        span = self.begin("dateline.retrieve", "RETRIEVER", query)

        def found(hits: Sequence[Hit]) -> None:
            for number, hit in enumerate(hits) if span.is_recording() else ():
                name = f"retrieval.documents.{number}.document"
                span.set_attribute(f"{name}.id", hit.passage.id)
                span.set_attribute(f"{name}.score", hit.score)
                span.set_attribute(f"{name}.content", self.shown(hit.passage.text))

        try:
            yield found
        except BaseException as error:
            self.conclude(span, error)
            raise
        self.conclude(span)


class _AskSpans(_Spans):
    """The CHAIN span of one question, and the spans below it."""

    def __init__(self, question: str, *, show_text: bool) -> None:
        super().__init__(None, show_text=show_text)
        self._span = self._parent = self.begin("dateline.ask", "CHAIN", question)
        self._last: Answer | None = None

    def answered(self, answer: Answer) -> None:
        """Keeps the answer: the last one is recorded."""
        self._last = answer

    def end(self, error: BaseException | None = None) -> None:
        """Records the last answer and ends the CHAIN span."""
        if self._last is not None:
            verdicts = [sentence.verdict for sentence in self._last.sentences]
            self._span.set_attribute("output.value", self.shown(self._last.text))
            self._span.set_attribute("dateline.answered", self._last.answered)
            self._span.set_attribute("dateline.supported", verdicts.count("supported"))
            self._span.set_attribute("dateline.unsupported", verdicts.count("unsupported"))
            self._span.set_attribute("dateline.contradicted", verdicts.count("contradicted"))
        self.conclude(self._span, error)

    @contextmanager
    def model_call(
        self, step: ModelStep, llm: LLM, messages: Sequence[Message], parameters: Mapping[str, Any]
    ) -> Iterator[Callable[[str], None]]:
        """An LLM span with the messages, the parameters and the reply."""
        span = self.begin(f"dateline.{step}", "LLM", messages[-1].content if messages else "")
        if span.is_recording():
            self._describe(span, llm, messages, parameters)
        said: list[str] = []

        def add(piece: str) -> None:
            if step == "write" and not said:
                span.add_event("first word")
            said.append(piece)

        failed: BaseException | None = None
        try:
            yield add
        except BaseException as error:
            failed = error
            raise
        finally:
            reply = self.shown("".join(said))
            span.set_attribute("llm.output_messages.0.message.role", "assistant")
            span.set_attribute("llm.output_messages.0.message.content", reply)
            span.set_attribute("output.value", reply)
            self.conclude(span, failed)

    def _describe(self, span: Span, llm: LLM, messages: Sequence[Message], parameters: Mapping[str, Any]) -> None:
        span.set_attribute("llm.model_name", llm.name)
        # Dateline writes at temperature 0 unless the question has sampling parameters of its own.
        span.set_attribute("llm.invocation_parameters", json.dumps({"temperature": 0} | dict(parameters)))
        for number, message in enumerate(messages):
            place = f"llm.input_messages.{number}.message"
            span.set_attribute(f"{place}.role", message.role)
            span.set_attribute(f"{place}.content", self.shown(message.content))
