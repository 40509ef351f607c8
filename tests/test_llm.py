"""OpenAIChat against a small server that speaks the OpenAI protocol over real sockets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import exp, log
from pathlib import Path
from typing import Any

import pytest

from rag.errors import ModelUnavailable
from rag.llm import LLM, Message, OpenAIChat, open_llm
from rag.settings import Settings

ASKED = [Message("system", "Be brief."), Message("user", "Did it rain?")]


class Server(ThreadingHTTPServer):
    """Offers the model `tide`, which says "It rained on Monday." and behaves as `manner` says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.manner = "good"
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.hung_up = threading.Event()  # the client closed the connection in mid-stream

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.keys.append(self.headers.get("Authorization"))
        if self.server.manner == "locked":
            self._json(401, {"error": {"message": "wrong key"}})
        elif self.server.manner == "no list":
            self._json(200, {})
        elif self.server.manner == "not json":
            self._json(200, None, raw=b"<html>hello</html>")
        else:
            self._json(200, {"data": [{"id": "tide"}, {"id": "llama3:latest"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        if self.server.manner == "broken":
            self._json(500, {"error": {"message": "out of memory"}})
        elif body["model"] != "tide":
            self._json(404, {"error": {"message": f"no model {body['model']}"}})
        elif body.get("stream"):
            self._stream()
        else:
            likely = {" Yes": 0.5, "yes": 0.25, "No": 0.1}
            said = [{"token": token, "logprob": log(p), "bytes": None} for token, p in likely.items()]
            known = {"content": [said[0] | {"top_logprobs": said}]} if self.server.manner != "no logprobs" else None
            message = {"role": "assistant", "content": "Yes"}
            self._json(200, _reply("chat.completion", {"message": message, "logprobs": known, "finish_reason": "stop"}))

    def _json(self, status: int, data: object, raw: bytes | None = None) -> None:
        payload = raw or json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        endless = self.server.manner == "endless"
        try:
            for number, word in enumerate(["It", " rained", " on", " Monday."] if not endless else ["rain "] * 2000):
                if self.server.manner == "dies" and number == 2:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if self.server.manner == "error event" and number == 2:
                    self._event({"error": {"message": "slot was taken", "code": 500}})
                    return
                self._event(_reply("chat.completion.chunk", {"delta": {"content": word}, "finish_reason": None}))
                time.sleep(0.01 if endless else 0)
            self._event(_reply("chat.completion.chunk", {"delta": {}, "finish_reason": "stop"}))
            self._chunk(b"data: [DONE]\n\n")
            self._chunk(b"")
        except OSError:
            self.server.hung_up.set()
            self.close_connection = True

    def _event(self, data: object) -> None:
        self._chunk(f"data: {json.dumps(data)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def _reply(kind: str, choice: dict[str, object]) -> dict[str, object]:
    return {"id": "1", "object": kind, "created": 1, "model": "tide", "choices": [{"index": 0, **choice}]}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def chat(url: str, model: str = "tide", timeout: float = 10) -> OpenAIChat:
    return OpenAIChat(url=url, model=model, key="sesame", name="Tide", timeout=timeout, evidence_tokens=100)


def test_a_reply_streams_piece_by_piece(server: Server) -> None:
    pieces = list(chat(server.url).stream(ASKED, 40))
    assert pieces == ["It", " rained", " on", " Monday."]
    (body,) = server.bodies
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Did it rain?"}]
    assert (body["max_tokens"], body["temperature"], body["stream"]) == (40, 0.0, True)


def test_the_first_piece_comes_before_the_last_is_made(server: Server) -> None:
    server.manner = "endless"  # 2,000 pieces of 10 ms
    began = time.perf_counter()
    stream = chat(server.url).stream(ASKED, 40)
    assert next(stream) == "rain "
    assert time.perf_counter() - began < 15  # the first time llama-index is imported here
    stream.close()


def test_closing_the_iterator_closes_the_connection(server: Server) -> None:
    server.manner = "endless"
    stream = chat(server.url).stream(ASKED, 40)
    next(stream)
    stream.close()
    assert server.hung_up.wait(timeout=5)


@pytest.mark.parametrize(
    ("manner", "said"),
    [("dies", ["It", " rained"]), ("error event", ["It", " rained"]), ("broken", [])],
)
def test_a_model_that_dies_in_mid_stream_is_unavailable_and_what_it_said_was_given(
    server: Server, manner: str, said: list[str]
) -> None:
    server.manner = manner
    stream = chat(server.url).stream(ASKED, 40)
    assert [next(stream) for _ in said] == said
    with pytest.raises(
        ModelUnavailable, match=r"model Tide failed: .*DATELINE_LLM=none to answer by extraction"
    ) as failed:
        next(stream)
    assert "\n" not in str(failed.value)


def test_one_question_after_another_uses_the_same_model(server: Server) -> None:
    model = chat(server.url)
    server.manner = "endless"
    stopped = model.stream(ASKED, 40)
    next(stopped)
    stopped.close()
    server.manner = "good"
    assert "".join(model.stream(ASKED, 40)) == "It rained on Monday."


def test_two_questions_at_once_do_not_stop_each_other(server: Server) -> None:
    model = chat(server.url)
    one, other = model.stream(ASKED, 40), model.stream(ASKED, 40)
    assert [next(one), next(other)] == ["It", "It"]
    one.close()
    assert list(other) == [" rained", " on", " Monday."]


def test_a_wrong_model_name_is_unavailable_when_asked(server: Server) -> None:
    with pytest.raises(ModelUnavailable, match="no model flood"):
        list(chat(server.url, "flood").stream(ASKED, 40))
    with pytest.raises(ModelUnavailable, match="no model flood"):
        chat(server.url, "flood").probability(ASKED, "yes")


def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_an_endpoint_that_is_not_there_is_unavailable() -> None:
    url = f"http://127.0.0.1:{unused_port()}/v1"
    with pytest.raises(ModelUnavailable, match="The language model Tide failed"):
        list(chat(url).stream(ASKED, 40))
    with pytest.raises(ModelUnavailable, match=f"No language model answers at DATELINE_LLM_URL={url}"):
        chat(url).check()


@pytest.mark.parametrize(
    ("manner", "probability"),
    [("good", exp(log(0.5)) + exp(log(0.25))), ("no logprobs", None)],  # " Yes" and "yes" are the same word
)
def test_the_probability_of_a_word_is_the_sum_over_its_spellings(
    server: Server, manner: str, probability: float | None
) -> None:
    server.manner = manner
    assert chat(server.url).probability(ASKED, "yes") == (None if probability is None else pytest.approx(probability))


# --- what the settings name -------------------------------------------------------------------------


def named(server: Server, **options: object) -> LLM | None:
    return open_llm(Settings(llm_url=server.url, llm_key="sesame", **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["tide", "llama3"])  # Ollama lists llama3:latest and answers to llama3
def test_a_hosted_model_is_opened_when_the_endpoint_offers_it(server: Server, model: str) -> None:
    llm = named(server, llm=model)
    assert llm is not None
    assert llm.name == model
    assert server.keys == ["Bearer sesame"]
    assert server.bodies == []  # nothing was asked yet


def test_an_endpoint_that_lists_nothing_is_believed(server: Server) -> None:
    server.manner = "no list"
    assert named(server, llm="anything") is not None


@pytest.mark.parametrize(
    ("manner", "options", "message"),
    [
        ("good", {"llm": "flood"}, "does not offer the model 'flood'.*It offers: llama3:latest, tide"),
        ("good", {}, "DATELINE_LLM names no model there"),
        ("locked", {"llm": "tide"}, "No language model answers.*401.*DATELINE_LLM_KEY"),
        ("not json", {"llm": "tide"}, "No language model answers"),
    ],
)
def test_what_cannot_answer_is_refused_at_the_start(
    server: Server, manner: str, options: dict[str, object], message: str
) -> None:
    server.manner = manner
    with pytest.raises(ModelUnavailable, match=message) as refused:
        named(server, **options)
    assert "sesame" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_model_is_a_choice_and_a_missing_file_an_error(tmp_path: Path) -> None:
    assert open_llm(Settings(llm="none")) is None
    with pytest.raises(ModelUnavailable, match=r"DATELINE_LLM is '.*gone.gguf', which is no file. Expected 'packaged'"):
        open_llm(Settings(llm=str(tmp_path / "gone.gguf")))


@pytest.mark.models
def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    (tmp_path / "x.gguf").write_bytes(b"GGUF, but not really")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        open_llm(Settings(llm=str(tmp_path / "x.gguf")))
