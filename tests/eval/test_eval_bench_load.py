"""The load bench against servers that misbehave in known ways, and against the real API over fakes."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import Asked
from conftest import Served as Server
from fakes import ScriptedLLM, WordEmbedder

from eval.cli import main
from eval.performance import clients
from eval.performance import load as bench_load
from eval.performance.clients import Call, LoadResult, Served, ServerProcess
from eval.reporting import outcome
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import DatelineError
from rag.settings import Settings


def at(url: str) -> Served:
    place = urlsplit(url)
    return Served(str(place.hostname), int(place.port or 0), ServerProcess(os.getpid()))


class _Moody(BaseHTTPRequestHandler):
    """Answers as the body of the request says; the first two of a kind of `busy` get a 429."""

    protocol_version = "HTTP/1.1"
    seen: dict[str, int] = {}

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen[body["mood"]] = number = self.seen.get(body["mood"], 0) + 1
        if body["mood"] == "hangs up":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif body["mood"] == "busy" and number <= 2:
            self._say(429, b"{}", {"Retry-After": "0"})
        elif body["mood"] == "broken":
            self._say(500, b"{}")
        elif body.get("stream"):
            last = {"fails": b'event: error\ndata: {"status": 503}\n\n', "stops": b""}.get(
                body["mood"], b'event: answer\ndata: {"text": "Yes."}\n\n'
            )
            self._say(200, b"event: sources\ndata: {}\n\n" + last)
        else:
            text = f"Answer {number}." if body["mood"] == "fickle" else "Yes."
            self._say(200, json.dumps({"text": text}).encode())

    def _say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def moody() -> Iterator[Served]:
    _Moody.seen = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Moody)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield Served("127.0.0.1", server.server_address[1], ServerProcess(os.getpid()))
    server.shutdown()
    server.server_close()


def call(mood: str, **more: Any) -> Call:
    return Call(path="/", body={"mood": mood, **more}, key=mood, essence=lambda data: data["text"])


def met(served: Served, *calls: Call, at_once: int = 3) -> LoadResult:
    return clients.load(served, calls, at_once)


def test_who_is_told_to_come_back_does_and_is_counted_once(moody: Served) -> None:
    found = met(moody, *[call("busy")] * 5)
    assert found.statuses == {"200": 5, "429": 2}
    assert (found.done, found.faults, len(found.milliseconds)) == (5, {}, 5)


@pytest.mark.parametrize(
    ("mood", "more", "status"),
    [("broken", {}, "500"), ("fails", {"stream": True}, "503"), ("stops", {"stream": True}, "cut stream")],
)
def test_what_is_neither_an_answer_nor_a_429_is_a_fault(
    moody: Served, mood: str, more: dict[str, Any], status: str
) -> None:
    found = met(moody, call(mood, **more), call("well"))
    assert found.faults == {status: 1}
    assert found.statuses["200"] == 1


def test_a_connection_that_breaks_is_a_fault(moody: Served) -> None:
    assert sum(met(moody, call("hangs up")).faults.values()) == 1


def test_streams_are_timed_to_their_first_event_and_replies_that_differ_are_counted(moody: Served) -> None:
    found = met(moody, call("well", stream=True), call("well"), call("fickle"), call("fickle"))
    assert (len(found.first_milliseconds), len(found.milliseconds)) == (1, 4)
    assert found.different == 1


def test_growth_compares_the_end_with_the_middle() -> None:
    flat = [(n, 100.0) for n in range(40)]
    assert bench_load.growth(flat) == 0
    assert bench_load.growth([(n, 50.0 * (n < 10) + 100) for n in range(40)]) == 0  # caches filled at the start
    # The middle tenth is 20 to 23, the last 36 to 39: 16 samples apart, 2 MB each.
    assert bench_load.growth([(n, 2.0 * n) for n in range(40)]) == 32


def test_clients_that_hang_up_leave_nothing_running(serve: Server, stored: Archive) -> None:
    llm = ScriptedLLM(*["The ferry " * 400] * 9, seconds_a_word=0.02)
    served = at(serve(Assistant(stored, WordEmbedder(), llm, Settings(data_dir=stored.folder, llm="none"))))
    asked = Call(
        path="/api/ask", body={"question": "Where is the ferry Castellan?", "stream": True}, key="", essence=str
    )
    clients.leave(served, asked, 4)
    assert served.gauge("dateline_answers_inside") > 0
    assert clients.seconds_until(lambda: served.gauge("dateline_answers_inside") == 0, 20) < 10
    assert llm.streamed < 800
    with pytest.raises(DatelineError, match="no dateline_zebras"):
        served.gauge("dateline_zebras")


def test_a_run_over_the_real_api(
    tmp_path: Path, serve: Server, assistant: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = serve(assistant(extraction=True))

    class Serving:
        def __init__(self, *_: object) -> None: ...

        def __enter__(self) -> Served:
            return at(url)

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(clients, "serving", Serving)
    monkeypatch.setattr(bench_load, "fill", lambda settings, folder: None)
    monkeypatch.setattr(bench_load, "READERS", 6)
    monkeypatch.setattr(bench_load, "SEARCHES_OF_A_READER", 2)
    monkeypatch.setattr(bench_load, "PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(bench_load, "ALONE", 10)
    out = tmp_path / "load.json"
    assert main(["bench", "load", "--out", str(out), "--requests", "60", "--model-requests", "4", "--llm", "none"]) == 0
    result = outcome.load(out)
    rows = {(row["system"], row["measure"]): row["value"] for row in result["rows"]}
    assert (rows["search", "answered 200"], rows["extraction", "answered 200"], rows["model", "answered 200"]) == (
        30,
        30,
        4,
    )
    assert (rows["search, one client", "answered 200"], rows["search, 6 readers", "answered 200"]) == (10, 12)
    for system in ("search", "extraction", "model"):
        assert rows[system, "other than 200 and 429"] == rows[system, "replies that differ"] == 0
    assert rows["extraction", "p50 ms to first event"] <= rows["extraction", "p99 ms"]
    assert rows["model", "disconnected clients: next request 200"] == 1
    assert rows["model", "disconnected clients: s from then until the server is idle"] < 60
    few = {"search, one client": 1, "search, 6 readers": 6}
    assert result["clients"] == few | {"search": 50, "extraction": 50, "model": 8}
    assert "answered 200" in capsys.readouterr().out
