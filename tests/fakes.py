"""Small real implementations of the Protocols: what they answer can be computed by hand."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import log
from typing import Any
from zlib import crc32

import numpy as np

from rag.errors import ModelUnavailable
from rag.language.tokens import tokens
from rag.models.chat import Message


class WordEmbedder:
    """A bag of folded words: word w counts at place crc32(w) % dim, then the vector is scaled to norm 1.

    The cosine of two texts without repeated words is (words in common) / sqrt(words of one * words of other).
    crc32 is the same in every process; hash() is salted.
    """

    def __init__(self, name: str = "fake/words", dim: int = 256) -> None:
        self.name, self.dim = name, dim
        self.embedded: list[str] = []  # every passage that was embedded, in order

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        return np.array([self._vector(text) for text in texts], dtype=np.float32).reshape(-1, self.dim)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1."""
        self.embedded += texts
        return self.embed_queries(texts)

    def _vector(self, text: str) -> np.ndarray:
        vector = np.zeros(self.dim)
        for token in tokens(text):
            vector[crc32(token.folded.encode()) % self.dim] += 1
        return vector / (np.linalg.norm(vector) or 1.0)


class BrokenEmbedder(WordEmbedder):
    """Embeds `good` passages of an archive, then fails as a model does that runs out of memory."""

    def __init__(self, good: int = 0, name: str = "fake/words") -> None:
        super().__init__(name)
        self.good = good

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """Raises ModelUnavailable once more than `good` passages were asked for."""
        if len(self.embedded) + len(texts) > self.good:
            raise ModelUnavailable("The embedding model fell over.")
        return super().embed_passages(texts)


class ScriptedLLM:
    """Replies in turn from a queue, word by word; an exception in the queue is raised after three words.

    With a `probability` it also judges: that is how likely every reply begins with any word.
    """

    def __init__(
        self,
        *replies: str | Exception,
        probability: float | None = None,
        evidence_tokens: int = 300,
        seconds_a_word: float = 0.0,
    ) -> None:
        self.name, self.evidence_tokens, self.judges = "scripted", evidence_tokens, probability is not None
        self.replies = deque(replies)
        self.asked: list[list[Message]] = []
        self.streamed = 0  # words that were taken from it
        self.stopped = self.closed = False
        self._probability, self._pause = probability, seconds_a_word

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        """The next reply in pieces that end behind a space."""
        self.asked.append(list(messages))
        reply = self.replies.popleft()
        words = ["It", " is", " said"] if isinstance(reply, Exception) else reply.replace(" ", "\0 ").split("\0")
        try:
            for word in words[:max_tokens]:
                time.sleep(self._pause)
                self.streamed += 1
                yield word
            if isinstance(reply, Exception):
                raise reply
        finally:
            self.stopped = True

    def probability(self, messages: Sequence[Message], word: str) -> float | None:
        """What the test said."""
        self.asked.append(list(messages))
        return self._probability

    def close(self) -> None:
        """Notes that it was closed."""
        self.closed = True


class ModelServer(ThreadingHTTPServer):
    """A model on the network: offers `tide`, which says "It rained on Monday." and behaves as `manner` says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Model)
        self.manner = "good"
        self.words = ["It", " rained", " on", " Monday."]
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.hung_up = threading.Event()  # the client closed the connection in mid-stream

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelServer

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
        if self.server.manner in ("not json", "no object"):
            self._json(200, None, raw=b"<html>hello</html>" if self.server.manner == "not json" else b"[]")
        elif self.server.manner == "broken" or (self.server.manner == "broken once" and len(self.server.bodies) == 1):
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
            for number, word in enumerate(self.server.words if not endless else ["rain "] * 2000):
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
        self._chunk(f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def _reply(kind: str, choice: dict[str, object]) -> dict[str, object]:
    return {"id": "1", "object": kind, "created": 1, "model": "tide", "choices": [{"index": 0, **choice}]}
