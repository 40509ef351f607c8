"""An embedder at a URL, over a real HTTP server of this process: batches, retries, and answers that cannot be used."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from fakes import WordEmbedder

from ingest.pipeline import ingest
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import ModelUnavailable
from rag.models import hosted_embedder
from rag.models.cards import E5_SMALL
from rag.models.embeddings import open_embedder
from rag.models.hosted_embedder import ATTEMPTS, TEXTS_AT_ONCE, HostedEmbedder
from rag.schema import Article
from rag.settings import Settings

WORDS = WordEmbedder("hosted/words", dim=64)


class Endpoint(ThreadingHTTPServer):
    """Embeds with bags of words, three times as long as norm 1, the last text first; `replies` go before, in turn."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies: list[tuple[int, object]] = []
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.retry_after = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        assert self.path == "/v1/embeddings"
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.server.keys.append(self.headers.get("Authorization"))
        status, data = self.server.replies.pop(0) if self.server.replies else (200, vectors(body["input"]))
        payload = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        if self.server.retry_after:
            self.send_header("Retry-After", self.server.retry_after)
        self.end_headers()
        self.wfile.write(payload)


def vectors(texts: Sequence[str]) -> dict[str, Any]:
    rows = 3 * WORDS.embed_queries(texts)
    data = [{"object": "embedding", "index": n, "embedding": row.tolist()} for n, row in enumerate(rows)]
    return {"object": "list", "data": data[::-1], "model": "hosted/words"}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def hosted(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> HostedEmbedder:
    monkeypatch.setattr(hosted_embedder, "FIRST_PAUSE", 0.01)
    return HostedEmbedder(url=endpoint.url, model="hosted/words", key="sesame")


def test_texts_go_in_batches_and_come_back_in_order_with_norm_1(hosted: HostedEmbedder, endpoint: Endpoint) -> None:
    texts = [f"ferry number{n}" for n in range(2 * TEXTS_AT_ONCE + 1)]
    rows = hosted.embed_passages(texts)
    assert (rows.dtype, rows.shape, hosted.dim) == (np.float32, (len(texts), 64), 64)
    np.testing.assert_allclose(rows, WORDS.embed_queries(texts), atol=1e-6)
    assert [len(body["input"]) for body in endpoint.bodies] == [TEXTS_AT_ONCE, TEXTS_AT_ONCE, 1]
    assert {body["model"] for body in endpoint.bodies} == {"hosted/words"}
    assert set(endpoint.keys) == {"Bearer sesame"}


def test_no_text_gives_no_row_and_the_length_is_learnt_once(hosted: HostedEmbedder, endpoint: Endpoint) -> None:
    assert hosted.embed_queries([]).shape == (0, 64)
    assert (hosted.dim, len(endpoint.bodies)) == (64, 1)


def test_without_a_key_no_authorization_is_sent(endpoint: Endpoint) -> None:
    HostedEmbedder(url=f"{endpoint.url}/", model="hosted/words", key="").embed_queries(["ferry"])
    assert endpoint.keys == [None]


def test_a_model_with_a_card_gets_its_prefixes(endpoint: Endpoint) -> None:
    embedder = HostedEmbedder(url=endpoint.url, model=E5_SMALL.name, key="")
    embedder.embed_queries(["ferry"])
    embedder.embed_passages(["ferry"])
    assert [body["input"] for body in endpoint.bodies] == [["query: ferry"], ["passage: ferry"]]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_endpoint_is_asked_again(hosted: HostedEmbedder, endpoint: Endpoint, status: int) -> None:
    endpoint.replies = [(status, {"error": {"message": "busy"}})] * (ATTEMPTS - 1)
    assert hosted.embed_queries(["ferry"]).shape == (1, 64)
    assert len(endpoint.bodies) == ATTEMPTS


def test_attempts_are_bounded_and_the_last_refusal_is_told(hosted: HostedEmbedder, endpoint: Endpoint) -> None:
    endpoint.replies = [(503, {"error": {"message": "still\nloading"}})] * 100
    with pytest.raises(ModelUnavailable, match=r"answers 503 \(still loading\).*DATELINE_EMBEDDER_KEY"):
        hosted.embed_queries(["ferry"])
    assert len(endpoint.bodies) == ATTEMPTS


def test_the_pause_that_an_endpoint_asks_for_is_kept_up_to_a_bound(
    hosted: HostedEmbedder, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(hosted_embedder.time, "sleep", pauses.append)  # type: ignore[attr-defined]
    endpoint.replies = [(429, {})]
    for asked in ("7", "4000", "soon"):
        endpoint.replies, endpoint.retry_after = [(429, {})], asked
        hosted.embed_queries(["ferry"])
    assert pauses == [7.0, hosted_embedder.LONGEST_PAUSE, 0.01]


def test_a_refusal_is_not_repeated(hosted: HostedEmbedder, endpoint: Endpoint) -> None:
    endpoint.replies = [(401, {"error": {"message": "wrong key"}})]
    with pytest.raises(ModelUnavailable, match="answers 401 .wrong key.") as refused:
        hosted.embed_queries(["ferry"])
    assert len(endpoint.bodies) == 1
    assert "sesame" not in str(refused.value)


def test_nobody_at_the_address_is_an_error_with_the_way_out(endpoint: Endpoint, hosted: HostedEmbedder) -> None:
    endpoint.server_close()
    with pytest.raises(ModelUnavailable, match=f"hosted/words at DATELINE_EMBEDDER_URL={endpoint.url} failed: "):
        hosted.embed_queries(["ferry"])


def of(*rows: object, first: int = 0) -> dict[str, object]:
    return {"data": [{"index": n, "embedding": row} for n, row in enumerate(rows, start=first)]}


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (of([1.0, 0.0]), "1 vectors for 2 texts"),
        (of([1.0], [1.0], [1.0]), "3 vectors for 2 texts"),
        (of([1.0], [1.0], first=1), "2 vectors for 2 texts"),
        (of([1.0, 0.0], [1.0]), "vectors of one length"),
        (of([], []), "vectors of one length"),
        (of([1.0, float("nan")], [1.0, 0.0]), "not finite"),
        (of([1.0, float("inf")], [1.0, 0.0]), "not finite"),
        (of([1e200, 0.0], [1.0, 0.0]), "not finite"),
        (of([0.0, 0.0], [1.0, 0.0]), "not finite"),
        (of("abcd", "efgh"), "vectors of one length"),
        (of(None, None), "vectors of one length"),
        ({"data": None}, "vectors of one length"),
        ({"error": "no"}, "vectors of one length"),
        ([], "vectors of one length"),
        (b"<html>", "not JSON"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_an_answer_that_cannot_be_used_is_named(
    hosted: HostedEmbedder, endpoint: Endpoint, reply: object, why: str
) -> None:
    endpoint.replies = [(200, reply)]
    with pytest.raises(ModelUnavailable, match=f"cannot be used: .*{why}"):
        hosted.embed_passages(["ferry", "bank"])
    assert len(endpoint.bodies) == 1


def test_another_length_than_before_is_refused(hosted: HostedEmbedder, endpoint: Endpoint) -> None:
    hosted.embed_queries(["ferry"])
    endpoint.replies = [(200, of([1.0, 0.0]))]
    with pytest.raises(ModelUnavailable, match="have 2 numbers, earlier ones 64"):
        hosted.embed_queries(["ferry"])


def test_an_archive_is_made_and_searched_with_it(
    settings: Settings, endpoint: Endpoint, articles: list[Article]
) -> None:
    chosen = settings.model_copy(update={"embedder": "hosted/words", "embedder_url": endpoint.url})
    with closing(Archive(chosen)) as archive:
        ingest(articles, archive, open_embedder(chosen))
        assert archive.model == "hosted/words"
    with Assistant.open(settings=chosen, with_llm=False) as assistant:
        assert assistant.search("measles outbreak")[0].passage.article.id == "a7"


def test_a_url_without_a_model_is_refused(settings: Settings, endpoint: Endpoint) -> None:
    with pytest.raises(ModelUnavailable, match="DATELINE_EMBEDDER names no model there"):
        open_embedder(settings.model_copy(update={"embedder_url": endpoint.url}))


def test_the_key_is_never_shown() -> None:
    assert "sesame" not in repr(Settings(embedder_key="sesame"))
