"""What a server says while its application is being built, over a real socket."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from rag.interfaces.serve import bind
from rag.interfaces.starting import StartingPage


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with closing(bind("127.0.0.1", 0, guarded=True)) as bound:
        yield bound


def address(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/", 503, "text/html"),
        ("/article/a?from=b", 503, "text/html"),
        ("/archives/sports/", 503, "text/html"),
        ("/archives/sports/api/ask", 503, "application/problem+json"),
        ("/api/health/live", 200, "application/json"),
        ("/api/health/ready", 503, "application/problem+json"),
        ("/api/ask", 503, "application/problem+json"),
        ("/v1/models", 503, "application/problem+json"),
    ],
)
def test_a_starting_server_says_so(listener: socket.socket, path: str, status: int, kind: str) -> None:
    with closing(StartingPage(listener)):
        found = httpx.get(address(listener) + path)
    assert (found.status_code, found.headers["content-type"].partition(";")[0]) == (status, kind)
    assert ("retry-after" in found.headers) == (status == 503)
    if kind == "text/html":
        assert 'http-equiv="refresh"' in found.text
    else:
        assert found.json().get("status", 200) == status


def test_a_client_that_says_nothing_holds_up_nobody(listener: socket.socket) -> None:
    with closing(StartingPage(listener)), socket.create_connection(listener.getsockname()):
        assert httpx.get(f"{address(listener)}/api/health/live", timeout=3).json() == {"live": True, "ready": False}
        assert httpx.head(address(listener)).text == ""


def test_after_closing_the_socket_is_its_owners_and_clients_wait_for_the_application(listener: socket.socket) -> None:
    page = StartingPage(listener)
    page.close()
    page.close()
    with socket.create_connection(listener.getsockname()) as client:
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        accepted, _ = listener.accept()
        accepted.close()


def test_serve_answers_while_it_builds_the_page(child_environment: dict[str, str], tmp_path: Path) -> None:
    with closing(bind("127.0.0.1", 0, guarded=True)) as bound:
        url, port = address(bound), str(bound.getsockname()[1])
    command = [sys.executable, "-m", "app", "serve", "--llm", "none", "--port", port, "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, env=child_environment, stdout=subprocess.DEVNULL) as server:
        try:
            answers: list[str] = []
            deadline = time.monotonic() + 120
            while "page" not in answers and time.monotonic() < deadline:
                with suppress(httpx.TransportError):
                    found = httpx.get(url, timeout=60)
                    answers.append("page" if found.status_code == 200 else found.text)
                time.sleep(0.05)
        finally:
            server.terminate()
    assert "Dateline is starting" in answers[0]
    assert answers[-1] == "page"


def test_nobody_is_left_without_an_end_when_it_closes(listener: socket.socket) -> None:
    page = StartingPage(listener)
    with socket.create_connection(listener.getsockname()) as silent:
        assert httpx.get(f"{address(listener)}/api/health/live").status_code == 200  # so the other is accepted too
        page.close()
        silent.settimeout(5)
        assert silent.recv(1) == b""
