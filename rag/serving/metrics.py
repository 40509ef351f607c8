"""Metrics of a server in the Prometheus text format. Each assistant has its own registry, so two never mix."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from rag.schema import Answer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)


class Metrics:
    """The counters, histograms and gauges of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "dateline_requests", "Requests by route and status", ["route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "dateline_request_seconds", "Seconds from the request to the end of its response", ["route"],
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self._answers = Counter("dateline_answers", "Final answers", ["answered"], registry=self.registry)
        self._sentences = Counter(
            "dateline_sentences", "Answer sentences by verdict", ["verdict"], registry=self.registry
        )
        self._until = Histogram(
            "dateline_answer_seconds",
            "Seconds from the question to its sources, the first quotation or word shown, the first word, and the end",
            ["until"], buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Adds a gauge whose value is read at each scrape; `text` is its description."""
        Gauge(f"dateline_{name}", text, registry=self.registry).set_function(value)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Counts a completed request, which took `seconds`."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def answer(self, answer: Answer) -> None:
        """Counts a final answer, the verdicts of its sentences and the times at which its stages were reached."""
        self._answers.labels(str(answer.answered).lower()).inc()
        for sentence in answer.sentences:
            self._sentences.labels(sentence.verdict).inc()
        timings = answer.timings
        reached = {
            "sources": timings.retrieve_ms,
            "shown": timings.first_shown_ms,
            "word": timings.first_token_ms,
            "end": timings.total_ms,
        }
        for stage, milliseconds in reached.items():
            if milliseconds is not None:
                self._until.labels(stage).observe(milliseconds / 1000)

    def text(self) -> str:
        """All metrics in the Prometheus text format."""
        return generate_latest(self.registry).decode()
