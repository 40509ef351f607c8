"""Requests made to hold the server: each is answered or refused at once, and others are served meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import Asked, Served

import rag.interfaces.http.server as connections
from app import create_app
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.serving.api_keys import Keys
from rag.serving.sessions import MOST_SESSIONS_OF_A_KEY

QUESTION = "Where did the ferry Castellan run aground?"
AT_ONCE = 2.0  # seconds, on a busy machine; the same requests took from 7 s to hours


@pytest.fixture(scope="module")
def client(stored: Archive) -> Iterator[httpx.Client]:
    """A client of the page and the API, without keys."""
    served = Served()
    with httpx.Client(base_url=served.app(create_app(Asked(stored)(extraction=True))), timeout=60) as made:
        yield made
    served.stop()


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_history_of_spaces_is_read_at_once(client: httpx.Client, role: str) -> None:
    messages = [
        {"role": "user", "content": "Hello"}, {"role": role, "content": " " * 900_000 + "x"},
        {"role": "user", "content": QUESTION},
    ]  # fmt: skip
    began = time.monotonic()
    reply = client.post("/v1/chat/completions", json={"model": "dateline", "messages": messages})
    assert time.monotonic() - began < 4 * AT_ONCE
    assert reply.status_code in (200, 400, 422)


def test_markers_go_from_an_earlier_answer_with_the_space_before_them() -> None:
    from rag.interfaces.http.openai_requests import _without_markers

    assert _without_markers("It rained [1] [2]. It stopped [unsupported] [x].") == "It rained. It stopped [x]."
    assert _without_markers("It rained. [contradicted by 1, 2] It stopped.") == "It rained. It stopped."


@pytest.mark.parametrize("path", ["/", "/api/articles", "/login"])
def test_a_cookie_of_escapes_is_refused_at_once(client: httpx.Client, path: str) -> None:
    for value in ('"' + "\\" * 60_000 + '"', "x" * 60_000):
        began = time.monotonic()
        assert client.get(path, headers={"Cookie": f"dateline_session={value}"}).status_code == 400
        assert time.monotonic() - began < AT_ONCE


def test_other_cookies_beside_the_session_do_no_harm(written: Assistant, serve: Served) -> None:
    _, secret = Keys(written.archive.folder).create("reader")
    with httpx.Client(base_url=serve(written), timeout=30) as browser:
        assert browser.post("/login", data={"key": secret}).status_code == 303
        token = browser.cookies["dateline_session"]
        for cookie in (f"a=1; dateline_session={token}; b=2", f"dateline_session={token}"):
            assert httpx.get(f"{browser.base_url}/api/articles", headers={"Cookie": cookie}).status_code == 200
        wrong = {"Cookie": f"xdateline_session={token}"}
        assert httpx.get(f"{browser.base_url}/api/articles", headers=wrong).status_code == 401


def test_endless_streams_make_room_for_others(monkeypatch: pytest.MonkeyPatch, stored: Archive, serve: Served) -> None:
    """A thousand heartbeats of one client kept everybody out, health checks too."""
    monkeypatch.setattr(connections, "_most_connections", lambda: 20)
    url = serve.app(create_app(Asked(stored)(extraction=True)))
    streams: list[Any] = []
    with httpx.Client(timeout=10, limits=httpx.Limits(max_connections=100)) as flood:
        for number in range(30):
            request = flood.build_request("GET", f"{url}/gradio_api/heartbeat/s{number}")
            streams.append(flood.send(request, stream=True))
        for _ in range(3):
            assert httpx.get(f"{url}/api/health/live", timeout=5).status_code == 200
        for stream in streams:
            stream.close()


@pytest.mark.parametrize("headers", [{"Host": "["}, {"Host": "127.0.0.1", "Origin": "http://["}])
def test_an_address_that_is_none_is_refused(client: httpx.Client, headers: dict[str, str]) -> None:
    status = client.post("/api/search", json={"query": "ferry"}, headers=headers).status_code
    assert status in (400, 403, 421)


def test_a_restart_does_not_open_an_archive_whose_keys_were_revoked(written: Assistant, serve: Served) -> None:
    keys = Keys(written.archive.folder)
    keys.create("desk")
    keys.revoke("desk")
    assert httpx.get(f"{serve(written)}/api/articles").status_code == 401


def test_a_key_ends_no_session_of_another(written: Assistant, serve: Served) -> None:
    keys = Keys(written.archive.folder)
    _, reader = keys.create("reader")
    _, editor = keys.create("editor", ["read", "ingest"])
    url = serve(written)
    with httpx.Client(base_url=url, timeout=30) as mine:
        mine.post("/login", data={"key": editor})
        first = httpx.post(f"{url}/login", data={"key": reader}).cookies["dateline_session"]
        for _ in range(MOST_SESSIONS_OF_A_KEY):
            httpx.post(f"{url}/login", data={"key": reader})
        assert mine.get("/api/articles").status_code == 200
        assert httpx.get(f"{url}/api/articles", headers={"Cookie": f"dateline_session={first}"}).status_code == 401


def test_a_stop_text_has_a_bound(client: httpx.Client) -> None:
    body = {"model": "dateline", "messages": [{"role": "user", "content": QUESTION}], "stop": "x" * 200_000}
    reply = client.post("/v1/chat/completions", json=body)
    assert reply.status_code == 400
    assert "at most 200" in reply.json()["error"]["message"]


def form(fields: int, size: int) -> tuple[bytes, dict[str, str]]:
    """A multipart form with so many fields of so many bytes, none of them a file."""
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"x" * size + b"\r\n"
    return part * fields + b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize("path", ["/api/articles", "/gradio_api/upload"])
def test_fields_that_are_no_files_take_no_memory(client: httpx.Client, path: str) -> None:
    body, headers = form(20, 1_000_000)
    assert client.post(path, content=body, headers=headers).status_code in (400, 413, 422)


def test_what_is_typed_into_a_filter_is_not_printed(
    client: httpx.Client, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = client.get("/config").json()
    asks = next(one for one in config["dependencies"] if one["api_name"] == "ask" and len(one["inputs"]) == 5)
    call = {"data": ["q", [], "", "", "A" * 500_000], "fn_index": asks["id"], "session_hash": "logs"}
    assert client.post("/gradio_api/queue/join", json=call).status_code == 200
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "logs"}) as events:
        for line in events.iter_lines():
            if "process_completed" in line or "close_stream" in line:
                break
    printed = capfd.readouterr()
    assert len(printed.out) + len(printed.err) < 10_000
