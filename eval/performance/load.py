"""`python -m eval bench load`: a server under many clients; latency, statuses, memory, and clients that disconnect."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eval.datasets import demo as demo_set
from eval.metrics.statistics import percentiles
from eval.performance import clients
from eval.performance.clients import Call, LoadResult, Served
from eval.reporting import outcome
from eval.reporting.progress import Progress
from ingest.pipeline import ingest
from ingest.readers.files import ReadOptions, read
from rag.archive.archive import Archive
from rag.models.embeddings import open_embedder
from rag.settings import Settings

CLIENTS, MODEL_CLIENTS = 50, 8
# Readers look at what they found for so many seconds, so that they search for a minute.
READERS, PAUSE_SECONDS, SEARCHES_OF_A_READER = 200, 5.0, 12
ALONE = 200  # searches of a single client
WARM_UP = 100  # requests before the first memory sample: lazy loading is over and caches fill


def run(settings: Settings, out: Path, requests: int, model_requests: int, progress: Progress) -> dict[str, Any]:
    """Searches, then extraction answers, with 50 clients, half of `requests` each; before them searches of a single
    client, and of 200 that pause; then model answers with 8.

    `model_requests` 0 leaves the model out. `out` is a folder, or a file that ends in .json.
    """
    began = time.perf_counter()
    busy = os.getloadavg() if hasattr(os, "getloadavg") else ()
    loads: dict[str, LoadResult] = {}
    rows: list[outcome.Row] = []
    with TemporaryDirectory(prefix="dateline-load-") as temporary:
        folder = Path(temporary) / "archive"
        fill(settings, folder)
        with clients.serving(folder, "none") as served:
            warming = [*_searches(WARM_UP // 2), *_asks(WARM_UP // 2)]
            clients.load(served, warming, 4, "load: warming up", progress)
            half = requests // 2
            alone, many = list(_searches(ALONE)), list(_searches(READERS * SEARCHES_OF_A_READER))
            loads["search, one client"] = clients.load(served, alone, 1, "load: one client", progress)
            loads[f"search, {READERS} readers"] = clients.load(
                served, many, READERS, "load: readers", progress, pause=PAUSE_SECONDS
            )
            for name, calls in (("search", _searches(half)), ("extraction", _asks(half))):
                loads[name] = clients.load(served, list(calls), CLIENTS, f"load: {name}", progress)
            rows += _rows_of_disconnected("extraction", served, CLIENTS)
        if model_requests:
            with clients.serving(folder, settings.llm) as served:
                # Each question four times, so that caches are warm after the first quarter.
                asked = list(_asks(model_requests, always_stream=True, different=max(1, model_requests // 4)))
                loads["model"] = clients.load(served, asked, MODEL_CLIENTS, "load: model", progress)
                rows += _rows_of_disconnected("model", served, MODEL_CLIENTS)
    rows = [row for name, found in loads.items() for row in _rows(name, found)] + rows
    data = {"name": "demo", "digest": demo_set.digest(), "requests": requests, "model_requests": model_requests}
    more = {
        "clients": {name: found.clients for name, found in loads.items()},
        "statuses": {name: dict(found.statuses) for name, found in loads.items()},
        "memory_mb": {name: _thinned(found.memory) for name, found in loads.items()},
        "load_average_before": list(busy),
        "ratios_to_plain": {},
        "seconds": time.perf_counter() - began,
    }
    return save(out, rows, data, settings, more)


def fill(settings: Settings, folder: Path) -> None:
    """Ingests the demo archive into a folder."""
    with closing(Archive(settings.model_copy(update={"data_dir": folder, "catalog": ""}))) as archive:
        ingest(read([demo_set.ARCHIVE], ReadOptions()), archive, open_embedder(settings))


def _searches(count: int) -> Iterator[Call]:
    for question in islice(cycle(demo_set.load()), count):
        yield Call(path="/api/search", body={"query": question.text}, key=question.text, essence=_found)


def _asks(count: int, *, always_stream: bool = False, different: int | None = None) -> Iterator[Call]:
    """`count` asks that cycle through the demo questions, or the first `different` of them; every other one streams."""
    for number, question in enumerate(islice(cycle(demo_set.load()[:different]), count)):
        body = {"question": question.text, "stream": always_stream or number % 2 == 1}
        yield Call(path="/api/ask", body=body, key=question.text, essence=_said)


def _found(data: Any) -> list[str]:
    return [hit["passage_id"] for hit in data["hits"]]


def _said(data: Any) -> tuple[str, list[str]]:
    return data["text"], [citation["quote"] for citation in data["citations"]]


def _rows(name: str, found: LoadResult) -> Iterator[outcome.Row]:
    """The rows of one phase."""
    n = len(found.milliseconds)
    timed = {"ms": percentiles(found.milliseconds), "ms to first event": percentiles(found.first_milliseconds)}
    for what, figures in timed.items():
        for quantile in ("p50", "p95", "p99") if figures else ():
            yield outcome.once(f"{quantile} {what}", name, figures[quantile], int(figures["n"]))
    yield outcome.once("requests a second", name, n / found.seconds, n)
    yield outcome.once("answered 200", name, n, found.done)
    yield outcome.once("429, tried again later", name, found.statuses["429"], found.done)
    yield outcome.once("other than 200 and 429", name, sum(found.faults.values()), found.done)
    yield outcome.once("replies that differ", name, found.different, n)
    if found.memory:
        yield outcome.once("memory MB at start", name, found.memory[0][1], 1)
        yield outcome.once("memory MB at end", name, found.memory[-1][1], 1)
        yield outcome.once("memory MB growth, second half", name, growth(found.memory), len(found.memory))


def growth(memory: Sequence[tuple[int, float]]) -> float:
    """MB by which the last tenth of the samples (requests done, MB) exceeds the tenth after the middle, on average."""
    half = len(memory) // 2
    size = max(1, len(memory) // 10)
    middle, end = memory[half : half + size], memory[-size:]
    return sum(mb for _, mb in end) / len(end) - sum(mb for _, mb in middle) / len(middle)


def _rows_of_disconnected(name: str, served: Served, count: int) -> Iterator[outcome.Row]:
    """How long the server works on for clients that disconnect during a stream, and whether it answers afterwards."""
    asked = next(_asks(1, always_stream=True))
    clients.leave(served, asked, count)
    stopped = clients.seconds_until(lambda: served.gauge("dateline_answers_inside") == 0, 120)
    idle = clients.seconds_until(served.process.idle, 120)
    again = clients.load(served, [asked], 1)
    yield outcome.once("disconnected clients: s until no answer runs", name, stopped, count)
    yield outcome.once("disconnected clients: s from then until the server is idle", name, idle, count)
    yield outcome.once("disconnected clients: next request 200", name, again.statuses["200"], 1)


def _thinned(memory: Sequence[tuple[int, float]], most: int = 40) -> list[tuple[int, float]]:
    return list(memory[:: max(1, len(memory) // most)])


def save(
    out: Path,
    rows: Sequence[outcome.Row],
    data: dict[str, Any],
    settings: Settings,
    more: dict[str, Any],
    command: str = "bench load",
) -> dict[str, Any]:
    """Saves a result into the folder `out`, or as one file when `out` ends in .json, and returns it."""
    if out.suffix != ".json":
        return outcome.save(out, command, rows, {}, data=data, settings=settings, **more)
    with TemporaryDirectory(prefix="dateline-load-") as folder:
        result = outcome.save(Path(folder), command, rows, {}, data=data, settings=settings, **more)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return result
