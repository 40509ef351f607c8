"""Whether a server asks for keys is decided when it starts; what happens to the key file later opens nothing."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from conftest import Served

from rag.assistant import Assistant
from rag.interfaces.http.auth import WRONG_PER_MINUTE, WRONG_SECONDS
from rag.serving.api_keys import Keys

ASK = {"question": "Where did the ferry Castellan run aground?"}


@pytest.fixture
def keys(written: Assistant) -> Keys:
    return Keys(written.archive.folder)


@pytest.fixture
def locked(keys: Keys, written: Assistant, serve: Served) -> Iterator[tuple[httpx.Client, str]]:
    """A client of a server that was started with a key, and the key's secret."""
    _, secret = keys.create("desk")
    with httpx.Client(base_url=serve(written), timeout=30) as client:
        assert client.post("/api/search", json={"query": "ferry"}).status_code == 401
        yield client, secret


def everything(client: httpx.Client, secret: str) -> set[int]:
    """Statuses of what someone without a valid key tries."""
    bearer = {"Authorization": f"Bearer {secret}"}
    return {
        client.post("/api/search", json={"query": "ferry"}).status_code,
        client.post("/api/search", json={"query": "ferry"}, headers=bearer).status_code,
        client.post("/api/articles", json={"title": "Planted", "text": "It never happened at all."}).status_code,
        client.delete("/api/articles/a1").status_code,
        client.get("/api/articles").status_code,
    }


def test_revoking_the_last_key_lets_nobody_in(locked: tuple[httpx.Client, str], keys: Keys) -> None:
    client, secret = locked
    assert keys.revoke("desk")
    assert everything(client, secret) == {401}


def test_a_lost_key_file_lets_nobody_in(locked: tuple[httpx.Client, str], keys: Keys) -> None:
    client, secret = locked
    keys.path.unlink()
    assert everything(client, secret) == {401}


def test_an_empty_list_of_keys_lets_nobody_in(locked: tuple[httpx.Client, str], keys: Keys) -> None:
    client, secret = locked
    keys.path.write_text('{"keys": []}')
    assert everything(client, secret) == {401}


def test_a_new_key_opens_a_server_whose_keys_were_lost(locked: tuple[httpx.Client, str], keys: Keys) -> None:
    client, _ = locked
    keys.path.unlink()
    _, fresh = keys.create("again")
    reply = client.post("/api/search", json={"query": "ferry"}, headers={"Authorization": f"Bearer {fresh}"})
    assert reply.status_code == 200


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"keys": [{"id": 1}]}', "\0\0\0"])
def test_a_broken_key_file_is_a_clear_refusal(locked: tuple[httpx.Client, str], keys: Keys, content: str) -> None:
    client, secret = locked
    keys.path.write_text(content)
    assert everything(client, secret) == {503}
    detail = client.get("/api/articles").json()["detail"]
    assert "keys.json" in detail
    assert "dateline key create" in detail
    assert str(keys.path.parent) not in detail
    assert client.get("/api/health/live").status_code == 200


def test_a_first_key_locks_a_server_that_was_started_without_and_its_loss_does_not_open_it(
    keys: Keys, written: Assistant, serve: Served
) -> None:
    url = serve(written)
    assert httpx.get(f"{url}/api/articles").status_code == 200
    keys.create("desk")
    assert httpx.get(f"{url}/api/articles").status_code == 401
    keys.revoke("desk")
    assert httpx.get(f"{url}/api/articles").status_code == 401


def test_a_server_does_not_start_with_a_broken_key_file(
    written: Assistant, keys: Keys, python: str, child_environment: dict[str, str]
) -> None:
    keys.path.write_text("not json")
    command = [python, "-m", "app", "serve", "--no-page", "--llm", "none", "--port", "0"]
    ran = subprocess.run(
        [*command, "--data-dir", str(keys.path.parent)],
        env=child_environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode != 0
    assert "keys.json" in ran.stderr
    assert "Traceback" not in ran.stderr


# --- wrong keys ---------------------------------------------------------------------------------


def seconds_of(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def test_wrong_keys_are_slowed_and_then_refused_while_the_right_one_passes(locked: tuple[httpx.Client, str]) -> None:
    client, secret = locked

    def attempt(key: str) -> httpx.Response:
        return client.get("/api/articles", headers={"Authorization": f"Bearer {key}"})

    assert seconds_of(lambda: attempt("dateline_wrong")) >= WRONG_SECONDS
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(attempt, ["dateline_wrong"] * (WRONG_PER_MINUTE + 10)))
    refused = [reply for reply in replies if reply.status_code == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
    assert attempt(secret).status_code == 200


def test_wrong_logins_are_slowed_too(locked: tuple[httpx.Client, str]) -> None:
    client, _ = locked
    assert seconds_of(lambda: client.post("/login", data={"key": "guess"})) >= WRONG_SECONDS
    with ThreadPoolExecutor(10) as pool:
        statuses = list(
            pool.map(
                lambda guess: client.post("/login", data={"key": guess}).status_code,
                ["guess"] * (WRONG_PER_MINUTE + 10),
            )
        )
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= WRONG_PER_MINUTE + 2


# --- sessions -----------------------------------------------------------------------------------


def test_who_logs_out_is_out(locked: tuple[httpx.Client, str]) -> None:
    client, secret = locked
    assert client.post("/login", data={"key": secret}).status_code == 303
    stolen = dict(client.cookies)
    assert client.get("/api/articles").status_code == 200
    assert client.get("/logout").status_code == 405  # a link on another page must not log anybody out
    left = client.post("/logout")
    assert left.status_code == 303
    assert left.headers["location"] == "/login"
    assert "storage" in left.headers["clear-site-data"]  # where the browser keeps the conversation
    assert client.get("/api/articles").status_code == 401
    host = client.base_url
    assert httpx.get(f"{host}/api/articles", cookies=stolen).status_code == 401


def test_a_session_ends_with_its_key(locked: tuple[httpx.Client, str], keys: Keys) -> None:
    client, secret = locked
    client.post("/login", data={"key": secret})
    assert client.get("/api/articles").status_code == 200
    keys.create("other")
    keys.revoke("desk")
    assert client.get("/api/articles").status_code == 401
