"""Requests that are too large, too slow, too many or of a wrong kind: each is refused, and the others are served."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from conftest import Asked, Served

import rag.interfaces.http.server as connections
from app import create_app
from rag.archive.archive import Archive
from rag.assistant import FILTER_CHARS, FILTER_NAMES, TURN_CHARS, TURNS, Assistant
from rag.interfaces.page.server import PAGE_SESSIONS
from rag.schema import Filters, Turn
from rag.serving.api_keys import Keys
from rag.settings import Settings


def resident_mb() -> float:
    """Memory of this process, the server's too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    raise AssertionError("no VmRSS")


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def reads(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    came = b""
    try:
        while data := client.recv(65536):
            came += data
    except ConnectionError:
        pass
    return came


# --- size -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(stored_module: Assistant) -> Iterator[httpx.Client]:
    """A client of the page, where a reader's key is asked for."""
    served = Served()
    with httpx.Client(base_url=served.app(create_app(stored_module)), timeout=60) as client:
        yield client
    served.stop()


@pytest.fixture(scope="module")
def stored_module(stored: object) -> Assistant:
    return Asked(stored)(extraction=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/reset", "/api/ask", "/api/search", "/mcp",
     "/v1/chat/completions", "/v1/embeddings", "/login", "/config", "/"],
)  # fmt: skip
def test_only_uploads_may_be_large(page: httpx.Client, path: str) -> None:
    reply = page.post(path, content=b"[" + b"0," * 5_000_000 + b"0]", headers={"Content-Type": "application/json"})
    assert reply.status_code == 413


def test_a_large_body_without_a_length_is_cut_off_and_takes_no_memory(page: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(300):
            yield b"0," * 250_000

    before = resident_mb()
    try:
        reply = page.post("/gradio_api/queue/join", content=endless())
        assert reply.status_code == 413
    except httpx.TransportError:
        pass  # the server closes while the client still writes
    assert resident_mb() - before < 60


@pytest.mark.parametrize("unit", ["[],", '{"a":0},', '"x",', "1e1,"])
def test_what_the_page_may_send_at_most_takes_little_memory(page: httpx.Client, unit: str) -> None:
    data = "[" + unit * (1_900_000 // len(unit)) + "0]"
    body = f'{{"data": [{data}], "fn_index": 0, "session_hash": "flood"}}'
    before = resident_mb()
    began = time.monotonic()
    reply = page.post("/gradio_api/queue/join", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert resident_mb() - before < 300
    assert time.monotonic() - began < 10  # on a busy machine; without the bounds it was minutes


def test_a_call_with_many_values_or_deep_ones_is_refused(page: httpx.Client) -> None:
    for inner in ("[]," * 50_000, "[" * 60 + "]" * 60 + ",", "[" * 500_000 + "]" * 500_000 + ","):
        body = '{"data": [' + f'[{inner}0],"","","",[]], "fn_index": 0, "session_hash": "deep"}}'
        reply = page.post("/gradio_api/queue/join", content=body, headers={"Content-Type": "application/json"})
        assert reply.status_code == 400


def test_an_article_as_json_may_not_be_as_large_as_an_upload(written: Assistant, serve: Served) -> None:
    limits = Settings(data_dir=written.archive.folder, llm="none", max_file_mb=1)
    url = serve(Assistant(written.archive, written.embedder, None, limits))
    record = json.dumps({"title": "Long", "text": "word " * 400_000})
    reply = httpx.post(f"{url}/api/articles", content=record, headers={"Content-Type": "application/json"})
    assert reply.status_code == 413


def test_filters_are_bounded_on_every_face(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    names = [f"Outlet {number}" for number in range(40_000)]
    for body in ({"outlets": names}, {"authors": ["x" * (FILTER_CHARS + 1)]}):
        assert httpx.post(f"{url}/api/search", json={"query": "ferry"} | body).status_code == 422
        ask = {"model": "dateline", "messages": [{"role": "user", "content": "Where is the ferry?"}], "dateline": body}
        assert httpx.post(f"{url}/v1/chat/completions", json=ask).status_code == 400
        for tool in ({"name": "search", "arguments": {"query": "ferry"} | body},
                     {"name": "ask", "arguments": {"question": "Where is the ferry?"} | body}):  # fmt: skip
            called = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": tool}
            accept = {"Accept": "application/json, text/event-stream"}
            reply = httpx.post(f"{url}/mcp", json=called, headers=accept)
            assert "at most" in reply.text


def test_a_long_history_is_shortened_before_anything_looks_at_it(assistant: Asked) -> None:
    asked = assistant("It ran aground off Port Selwyn.")
    history = [Turn(question="q" * 50_000, answer="Anna " * 200_000)] * 500
    began = time.process_time()
    answer = asked.ask("And why?", Filters(), history)
    assert time.process_time() - began < 3
    assert answer.question == "And why?"
    sent = "".join(message.content for call in asked.llm.asked for message in call)  # type: ignore[union-attr]
    assert len(sent) < TURN_CHARS * TURNS


@pytest.mark.parametrize("count", [FILTER_NAMES, FILTER_NAMES + 1])
def test_the_bound_of_filters_is_where_the_message_says(assistant: Asked, count: int) -> None:
    asked, filters = assistant(extraction=True), Filters(outlets=("The Tide",) * count)
    if count > FILTER_NAMES:
        with pytest.raises(Exception, match=f"at most {FILTER_NAMES}"):
            asked.search("ferry", filters)
    else:
        assert asked.search("ferry", filters)


# --- slowness -------------------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds of slow clients in seconds that a test can wait for."""
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    monkeypatch.setattr(connections, "WRITE_SECONDS", 1.0)
    monkeypatch.setattr("rag.interfaces.http.middleware.BODY_SECONDS", 0.5)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
def test_headers_that_do_not_end_end_the_connection(serve: Served, assistant: Asked, start: bytes) -> None:
    with connect(serve(assistant(extraction=True))) as client:
        client.sendall(start)
        began = time.monotonic()
        assert b"408" in reads(client)
        assert time.monotonic() - began < 5


@pytest.mark.usefixtures("hasty")
def test_a_byte_now_and_then_does_not_keep_a_connection(serve: Served, assistant: Asked) -> None:
    with connect(serve(assistant(extraction=True))) as client:
        client.sendall(b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        began = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - began < 8:
                client.sendall(b"a")
                time.sleep(0.05)
        assert time.monotonic() - began < 5


@pytest.mark.usefixtures("hasty")
def test_a_second_request_that_does_not_end_ends_the_connection_too(serve: Served, assistant: Asked) -> None:
    with connect(serve(assistant(extraction=True))) as client:
        client.sendall(b"GET /api/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"200 OK" in client.recv(65536)
        client.sendall(b"GET /api/health/live HTTP/1.1\r\nX-Slow: ")
        assert b"408" in reads(client)


@pytest.mark.usefixtures("hasty")
def test_a_body_that_does_not_come_is_given_up(serve: Served, assistant: Asked) -> None:
    with connect(serve(assistant(extraction=True))) as client:
        head = b"POST /api/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        client.sendall(head + b'Content-Length: 1000\r\nConnection: close\r\n\r\n{"query"')
        assert b"408" in reads(client)


def test_headers_without_end_are_refused_by_their_size(serve: Served, assistant: Asked) -> None:
    with connect(serve(assistant(extraction=True))) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ")
        sent = 0
        with suppress(ConnectionError):
            while sent < 2000:
                client.sendall(b"a" * 65536)
                sent += 1
        assert sent < 2000


@pytest.mark.usefixtures("hasty")
def test_a_client_that_does_not_read_is_cut_off(serve: Served) -> None:
    async def large(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):
            await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        await send({"type": "http.response.body"})

    with connect(serve.app(large)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        time.sleep(3)
        assert len(reads(client)) < 90_000_000


def test_a_thousand_and_a_half_slow_connections_do_not_hold_the_server(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    slow = []
    try:
        for _ in range(1500):
            client = connect(url)
            client.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
            slow.append(client)
        for _ in range(5):
            began = time.monotonic()
            assert httpx.get(f"{url}/api/health/live", timeout=5).status_code == 200
            assert time.monotonic() - began < 2
    finally:
        for client in slow:
            client.close()


# --- many -----------------------------------------------------------------------------------------


def limited(written: Assistant, per_minute: int, **settings: object) -> Assistant:
    chosen = Settings(data_dir=written.archive.folder, llm="none", requests_per_minute=per_minute, **settings)  # type: ignore[arg-type]
    return Assistant(written.archive, written.embedder, None, chosen)


def test_a_client_does_not_get_rid_of_its_limit_by_another_address(written: Assistant, serve: Served) -> None:
    url = serve(limited(written, 5))
    statuses = [
        httpx.get(f"{url}/api/articles", headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code
        for number in range(8)
    ]
    assert statuses.count(429) >= 2


def test_behind_a_proxy_that_is_named_each_client_has_its_own_limit(written: Assistant, serve: Served) -> None:
    from app import create_app

    url = serve.app(create_app(limited(written, 2), with_page=False), trusted_proxies=("127.0.0.1",))

    def asks(address: str) -> list[int]:
        headers = {"X-Forwarded-For": address}
        return [httpx.get(f"{url}/api/articles", headers=headers).status_code for _ in range(3)]

    assert asks("203.0.113.1").count(429) == 1
    assert asks("203.0.113.2").count(429) == 1


def test_the_addresses_of_one_ipv6_network_are_one_client(written: Assistant, serve: Served) -> None:
    from app import create_app

    url = serve.app(create_app(limited(written, 3), with_page=False), trusted_proxies=("127.0.0.1",))
    statuses = [
        httpx.get(f"{url}/api/articles", headers={"X-Forwarded-For": f"2001:db8::{number:x}"}).status_code
        for number in range(1, 7)
    ]
    assert statuses.count(429) >= 2


def test_a_trusted_proxy_must_be_an_address_and_not_everybody() -> None:
    assert Settings(trusted_proxies="10.0.0.5, 192.168.0.0/16").proxies == ("10.0.0.5", "192.168.0.0/16")
    for wrong in ("*", "0.0.0.0/0", "::/0", "my-proxy"):
        with pytest.raises(ValueError, match="trusted_proxies"):
            Settings(trusted_proxies=wrong)


def test_health_checks_are_never_limited(written: Assistant, serve: Served) -> None:
    url = serve(limited(written, 2))
    for _ in range(6):
        for path in ("/api/health", "/api/health/live", "/api/health/ready"):
            assert httpx.get(f"{url}{path}").status_code == 200


def test_the_server_answers_others_while_it_is_flooded(page: httpx.Client) -> None:
    words = ["x"] * 20_000
    body = json.dumps({"data": [words, [], "", "", []], "fn_index": 0, "session_hash": "flood"})
    stop = threading.Event()

    def flood() -> None:
        with httpx.Client(base_url=page.base_url, timeout=30) as client:
            while not stop.is_set():
                client.post("/gradio_api/queue/join", content=body, headers={"Content-Type": "application/json"})

    with ThreadPoolExecutor(4) as pool:
        floods = [pool.submit(flood) for _ in range(4)]
        waits = []
        for _ in range(10):
            began = time.monotonic()
            assert page.get("/api/health/live").status_code == 200
            waits.append(time.monotonic() - began)
        stop.set()
        for one in floods:
            one.result()
    assert sorted(waits)[5] < 1


# --- of a wrong kind ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/api/ask", "/mcp", "/gradio_api/queue/data", "/nowhere"])
def test_a_websocket_handshake_gets_a_plain_404(page: httpx.Client, path: str) -> None:
    headers = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    assert page.get(path, headers=headers).status_code == 404


@pytest.mark.parametrize("path", ["/config", "/", "/gradio_api/startup-events", "/api/articles", "/api/health"])
@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:1", "null", "https://evil.example"])
def test_no_address_lets_pages_of_other_sites_read(page: httpx.Client, path: str, origin: str) -> None:
    reply = page.get(path, headers={"Origin": origin})
    assert not [name for name in reply.headers if name.startswith("access-control-")]
    asked = page.options(path, headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
    assert asked.status_code == 403
    assert not [name for name in asked.headers if name.startswith("access-control-")]


def test_with_a_read_key_nothing_is_uploaded(written: Assistant, serve: Served) -> None:
    _, secret = Keys(written.archive.folder).create("reader")
    url = serve.app(create_app(written))
    bearer = {"Authorization": f"Bearer {secret}"}
    files = {"files": ("x.txt", b"An article that was not asked for.")}
    assert httpx.post(f"{url}/gradio_api/upload", files=files, headers=bearer).status_code == 403
    assert httpx.post(f"{url}/api/articles", files=files, headers=bearer).status_code == 403


def test_uploads_that_nobody_takes_in_do_not_fill_the_disk(written: Assistant, serve: Served) -> None:
    limits = Settings(data_dir=written.archive.folder, llm="none", spool_mb=1)
    url = serve.app(create_app(Assistant(written.archive, written.embedder, None, limits)))

    def upload(number: int) -> int:
        files = {"files": (f"{number}.txt", bytes([number]) * 600_000)}
        return httpx.post(f"{url}/gradio_api/upload", files=files, timeout=30).status_code

    assert [upload(number) for number in range(4)] == [200, 200, 429, 429]


def test_sessions_of_the_page_that_nobody_reads_are_forgotten(stored: Archive, serve: Served) -> None:
    application = create_app(Asked(stored)(extraction=True))
    url = serve.app(application)
    with httpx.Client(base_url=url, timeout=30) as client:
        functions = client.get("/config").json()["dependencies"]
        number = next(index for index, one in enumerate(functions) if one["api_name"] == "label_filters")
        for session in range(PAGE_SESSIONS + 60):
            body = {"data": ["", "", []], "fn_index": number, "session_hash": f"unread{session}"}
            while client.post("/gradio_api/queue/join", json=body).status_code == 503:
                time.sleep(0.1)  # Gradio's line is full; it gets shorter by itself
    mounted: Any = application.router.routes[-1]
    blocks = mounted.app.app.get_blocks()
    assert len(blocks.state_holder.session_data) <= PAGE_SESSIONS
    assert len(blocks._queue.pending_messages_per_session) <= PAGE_SESSIONS
