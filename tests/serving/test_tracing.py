"""Spans of asks and searches, read back from OpenTelemetry's own in-memory exporter."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from conftest import ROOT, Asked, Served

trace = pytest.importorskip("opentelemetry.trace")
pytest.importorskip("opentelemetry.sdk.trace")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402

from rag.errors import ModelUnavailable, QuestionError  # noqa: E402
from rag.serving import tracing as traces  # noqa: E402
from rag.serving.tracing import HIDDEN, watched  # noqa: E402

QUESTION = "Where did the ferry Castellan run aground?"
REPLY = "The ferry Castellan ran aground on a sandbank off Port Selwyn. Nobody was hurt."


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What was exported. The provider of a process can be set but once, so here it is looked up instead."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda name: provider.get_tracer(name))
    yield exporter
    provider.shutdown()


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return int(context.span_id)


def test_an_ask_is_a_chain_over_a_retriever_and_models(spans: InMemorySpanExporter, assistant: Asked) -> None:
    asked = watched(assistant(REPLY, belief=0.9, log_questions=True))
    answer = asked.ask(QUESTION)
    found = by_name(spans)
    assert set(found) == {"dateline.ask", "dateline.retrieve", "dateline.judge", "dateline.write"}
    ask, retrieve, write = found["dateline.ask"], found["dateline.retrieve"], found["dateline.write"]
    assert parent_of(ask) is None
    assert {parent_of(span) for span in found.values() if span is not ask} == {id_of(ask)}
    kinds = {name: attributes(span)["openinference.span.kind"] for name, span in found.items()}
    assert kinds == {
        "dateline.ask": "CHAIN", "dateline.retrieve": "RETRIEVER", "dateline.judge": "LLM", "dateline.write": "LLM",
    }  # fmt: skip
    assert attributes(ask)["input.value"] == QUESTION
    assert attributes(ask)["output.value"] == answer.text
    assert attributes(ask)["dateline.answered"] is True
    assert attributes(ask)["dateline.supported"] == len(answer.sentences) > 2
    for number, hit in enumerate(answer.hits):
        name = f"retrieval.documents.{number}.document"
        assert attributes(retrieve)[f"{name}.id"] == hit.passage.id
        assert attributes(retrieve)[f"{name}.score"] == hit.score
        assert attributes(retrieve)[f"{name}.content"] == hit.passage.text
    said = attributes(write)
    assert said["llm.model_name"] == "scripted"
    assert json.loads(said["llm.invocation_parameters"]) == {"temperature": 0, "max_tokens": 160}
    assert said["llm.input_messages.0.message.role"] == "system"
    assert QUESTION in said["input.value"]
    assert said["llm.output_messages.0.message.content"] == said["output.value"] == REPLY
    assert [event.name for event in write.events] == ["first word"]
    assert attributes(found["dateline.judge"])["output.value"] == "yes: 0.900"


def test_no_text_stands_in_a_span_unless_questions_may_be_logged(spans: InMemorySpanExporter, assistant: Asked) -> None:
    asked = watched(assistant(REPLY))
    answer = asked.ask(QUESTION)
    asked.search(QUESTION)
    told = json.dumps([attributes(span) for span in spans.get_finished_spans()])
    for text in ("Castellan", "sandbank", "Selwyn"):
        assert text not in told
    assert answer.hits[0].passage.id in told
    assert attributes(by_name(spans)["dateline.ask"])["input.value"] == HIDDEN


def test_a_search_is_a_retriever(spans: InMemorySpanExporter, assistant: Asked) -> None:
    hits = watched(assistant(extraction=True)).search(QUESTION, top_k=2)
    (span,) = spans.get_finished_spans()
    assert (span.name, attributes(span)["openinference.span.kind"]) == ("dateline.retrieve", "RETRIEVER")
    assert attributes(span)["retrieval.documents.1.document.id"] == hits[1].passage.id
    assert "retrieval.documents.2.document.id" not in attributes(span)


def test_a_model_that_dies_is_an_error_of_its_span_and_of_the_ask(
    spans: InMemorySpanExporter, assistant: Asked
) -> None:
    asked = watched(assistant(ModelUnavailable("The model fell over.")))
    with pytest.raises(ModelUnavailable):
        asked.ask(QUESTION)
    found = by_name(spans)
    for name in ("dateline.ask", "dateline.write"):
        assert found[name].status.status_code is trace.StatusCode.ERROR
        assert found[name].status.description == "ModelUnavailable"
    assert found["dateline.retrieve"].status.status_code is trace.StatusCode.OK


def test_a_question_that_cannot_be_asked_ends_its_span(spans: InMemorySpanExporter, assistant: Asked) -> None:
    with pytest.raises(QuestionError):
        watched(assistant(extraction=True)).stream(" ")
    assert by_name(spans)["dateline.ask"].status.description == "QuestionError"


def test_a_reader_who_leaves_ends_all_spans_and_stops_the_model(spans: InMemorySpanExporter, assistant: Asked) -> None:
    own = assistant("The ferry Castellan ran aground. " + "It said so. " * 200)
    answers = watched(own).stream(QUESTION)
    while not next(answers).draft:
        pass
    answers.close()  # type: ignore[attr-defined]
    assert own.llm is not None
    assert own.llm.stopped  # type: ignore[attr-defined]
    found = by_name(spans)
    assert attributes(found["dateline.ask"])["dateline.stopped"] is True
    assert found["dateline.write"].status.status_code is trace.StatusCode.UNSET


def test_over_http_it_goes_on_the_trace_of_its_caller(
    spans: InMemorySpanExporter, serve: Served, assistant: Asked
) -> None:
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = {"traceparent": f"00-{trace_id}-{span_id}-01"}
    url = serve(assistant(extraction=True))
    assert httpx.post(f"{url}/api/ask", json={"question": QUESTION}, headers=headers).status_code == 200
    assert httpx.post(f"{url}/api/ask", json={"question": QUESTION}).status_code == 200
    first, second = (span for span in spans.get_finished_spans() if span.name == "dateline.ask")
    assert (f"{first.context.trace_id:032x}", parent_of(first)) == (trace_id, int(span_id, 16))
    assert parent_of(second) is None


def test_a_watched_assistant_is_the_same_to_all_who_use_it(assistant: Asked) -> None:
    own = assistant(REPLY)
    one = watched(own)
    assert watched(one) is one
    assert (one.archive, one.embedder, one.llm, one.model) == (own.archive, own.embedder, own.llm, own.model)
    assert one.ask(QUESTION).text == assistant(REPLY).ask(QUESTION).text


def test_without_the_package_nothing_is_watched(monkeypatch: pytest.MonkeyPatch, assistant: Asked) -> None:
    monkeypatch.setattr(traces, "_api", lambda: None)
    own = assistant(extraction=True)
    assert watched(own) is own
    assert traces.export({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}) is False
    with traces.incoming({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}):
        pass


def test_spans_are_sent_only_where_the_environment_names_a_collector(
    child_environment: dict[str, str], python: str
) -> None:
    code = """
from opentelemetry import trace
from rag.serving import tracing as traces
before = trace.get_tracer_provider()
for environ in ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}):
    assert traces.export(environ) is False
named = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
assert traces.export(named | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}) is False
assert traces.export(named) is True
assert traces.export(named) is False  # one is set already
print(trace.get_tracer_provider().resource.attributes["service.name"])
"""
    ran = subprocess.run([python, "-c", code], cwd=ROOT, env=child_environment, capture_output=True, text=True)
    assert ran.stdout.strip() == "dateline", ran.stderr
    assert "Install opentelemetry-exporter-otlp-proto-http, or unset OTEL_EXPORTER_OTLP_ENDPOINT" in ran.stderr


def test_importing_it_imports_no_opentelemetry(child_environment: dict[str, str], python: str) -> None:
    code = "import rag.serving.tracing, sys; print('opentelemetry' in sys.modules)"
    ran = subprocess.run([python, "-c", code], cwd=ROOT, env=child_environment, capture_output=True, text=True)
    assert ran.stdout.strip() == "False", ran.stderr
