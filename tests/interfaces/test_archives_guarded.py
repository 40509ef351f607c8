"""Nothing of an archive is opened for those without a key for it, and names of archives cannot be found by guessing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from conftest import Served
from fakes import WordEmbedder
from http_support import eventually
from postgres_server import PostgresServer
from support import filled
from test_archives_served import key

from app import create_installation
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.interfaces.http import auth
from rag.interfaces.http.auth import WRONG_PER_MINUTE
from rag.schema import Article
from rag.serving.api_keys import Keys
from rag.serving.shared_keys import opened_keys
from rag.settings import Settings

HTML = {"Accept": "text/html"}
WRONG = {"Authorization": "Bearer dateline_wrong"}
# What is sent without a key, below the address of an archive: method, path, headers.
SENT = (
    ("GET", "/api/articles", {}),
    ("GET", "/api/articles", {"Cookie": "dateline_session_NAME=made-up"}),
    ("POST", "/api/search", {}),
    ("POST", "/v1/chat/completions", {}),
    ("POST", "/mcp", {}),
    ("GET", "/metrics", {}),
    ("GET", "/nothing", {}),
    ("GET", "/", HTML),
    ("GET", "", HTML),
    ("GET", "", {}),
    ("GET", "/login", HTML),
    ("POST", "/logout", HTML),
    ("GET", "/api/health/live", {}),
    ("GET", "/api/health/ready", {}),
    ("POST", "/gradio_api/queue/join", {}),
    ("GET", "/api/articles", WRONG),
)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to a wrong key is delayed a little only."""
    monkeypatch.setattr(auth, "WRONG_SECONDS", 0.1)


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def installed(request: pytest.FixtureRequest, settings: Settings, prepared: Path, articles: list[Article]) -> Settings:
    """The settings of an installation of `ferries` and `city`, in folders or in a database."""
    if request.param == "SQLite":
        shutil.copytree(prepared, settings.folder)
        return settings
    postgres = request.getfixturevalue("postgres")
    chosen = settings.model_copy(update={"catalog": postgres.url(name=postgres.new_database())})
    filled(chosen, "ferries", articles[:2])
    filled(chosen, "city", articles[2:4])
    return chosen


@pytest.fixture
def start(serve: Served) -> Iterator[Callable[[Settings], str]]:
    """`start(settings)` is the address of a server, without a page and without a language model."""
    opened: list[Assistant] = []

    def begin(chosen: Settings) -> str:
        opened.append(Assistant(Archive(chosen), WordEmbedder(), None, chosen))
        return serve.app(create_installation(opened[-1], with_page=False))

    yield begin
    serve.stop()
    for assistant in opened:
        assistant.close()


def send(url: str, name: str, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    given = {header: value.replace("NAME", name) for header, value in headers.items()}
    body = {"json": {}} if method == "POST" else {}
    return httpx.request(method, f"{url}/archives/{name}{path}", headers=given, timeout=30, **body)  # type: ignore[arg-type]


def shown(reply: httpx.Response, name: str) -> tuple[object, ...]:
    """All that a reply tells, without what is of the request alone."""
    own = ("date", "x-request-id")
    headers = {field: value.replace(name, "NAME") for field, value in reply.headers.items() if field not in own}
    headers.pop("content-length", None)  # names have different lengths
    text = reply.text.replace(reply.headers["x-request-id"], "ID").replace(name, "NAME")
    return reply.status_code, headers, text


def opened(url: str, headers: dict[str, str]) -> str:
    metrics = httpx.get(f"{url}/metrics", headers=headers).text
    return next(line for line in metrics.splitlines() if line.startswith("dateline_archives_open "))


def test_names_cannot_be_guessed_and_nothing_is_opened_without_a_key(
    installed: Settings, start: Callable[[Settings], str]
) -> None:
    """`ferries` is closed, `city` is open, `nothing` is none."""
    root, mine, other = (key(installed, name) for name in ("", "ferries", "city"))
    url = start(installed)
    assert httpx.get(f"{url}/archives/city/api/articles", headers=other, timeout=30).status_code == 200
    for method, path, headers in (*SENT, ("GET", "/api/articles", root), ("GET", "", other | HTML)):
        replies = {name: send(url, name, method, path, headers) for name in ("ferries", "nothing")}
        if headers.get("Authorization") != other["Authorization"]:
            replies["city"] = send(url, "city", method, path, headers)
        told = {name: shown(reply, name) for name, reply in replies.items()}
        assert told["ferries"] == told["nothing"] == told.get("city", told["nothing"]), (method, path)
        health = path.startswith("/api/health")
        assert (told["ferries"][0] in (200, 303)) == (health or "Accept" in headers), (method, path, told["ferries"])
    assert opened(url, root) == "dateline_archives_open 1.0"
    found = httpx.get(f"{url}/archives/ferries/api/articles", headers=mine, timeout=30)
    assert {one["article_id"] for one in found.json()["articles"]} == {"a1", "a2"}
    assert opened(url, root) == "dateline_archives_open 2.0"


def test_a_login_opens_nothing_and_its_session_does(installed: Settings, start: Callable[[Settings], str]) -> None:
    root, mine = (key(installed, name) for name in ("", "ferries"))
    secret = mine["Authorization"].removeprefix("Bearer ")
    url = start(installed)
    with httpx.Client(base_url=f"{url}/archives/ferries", headers=HTML, timeout=30) as browser:
        for name in ("ferries", "nothing"):
            began = time.monotonic()
            refused = httpx.post(f"{url}/archives/{name}/login", data={"key": "dateline_wrong"}, timeout=30)
            assert refused.status_code == 401
            assert time.monotonic() - began >= auth.WRONG_SECONDS
        assert browser.post("/login", data={"key": secret}).status_code == 303
        assert opened(url, root) == "dateline_archives_open 0.0"
        assert browser.get("/article/a1").status_code == 200
        assert opened(url, root) == "dateline_archives_open 1.0"
        token = browser.cookies["dateline_session_ferries"]
        for name in ("city", "nothing"):  # another client may send it anywhere
            cookie = {"Cookie": f"dateline_session_{name}={token}; dateline_session={token}"}
            if name == "city":
                key(installed, "city")
            assert eventually(lambda name=name, cookie=cookie: send(url, name, "GET", "/x", cookie).status_code == 401)  # type: ignore[misc]
        browser.post("/logout")
        assert browser.get("/article/a1").status_code == 303


def test_wrong_keys_are_counted_together_for_all_names(
    settings: Settings, prepared: Path, start: Callable[[Settings], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "WRONG_SECONDS", 0.0)
    shutil.copytree(prepared, settings.folder)
    key(settings, "ferries")
    url = start(settings)
    with httpx.Client(headers=WRONG, timeout=30) as client:
        found = [
            client.get(f"{url}/archives/{name}/api/articles").status_code
            for name in (*(f"guess-{n}" for n in range(WRONG_PER_MINUTE)), "ferries", "nothing", "ferries")
        ]
        assert found[0] == 401
        assert 429 in found[-3:]  # a token may have come meanwhile
        assert {*found} == {401, 429}


def test_what_is_none_is_told_where_no_archive_asks_for_a_key(
    installed: Settings, start: Callable[[Settings], str]
) -> None:
    url = start(installed)
    assert send(url, "nothing", "GET", "/api/articles", {}).status_code == 404
    mine = key(installed, "city")
    assert eventually(lambda: send(url, "nothing", "GET", "/api/articles", {}).status_code == 401)
    assert send(url, "ferries", "GET", "/api/articles", {}).status_code == 200  # it asks for none
    assert send(url, "city", "GET", "/api/articles", mine).status_code == 200


def test_a_key_that_was_just_made_opens_and_one_that_was_taken_back_does_not(
    installed: Settings, start: Callable[[Settings], str]
) -> None:
    root, _ = (key(installed, name) for name in ("", "ferries"))
    url = start(installed)
    assert send(url, "ferries", "GET", "/api/articles", {}).status_code == 401
    with opened_keys(installed.of_archive("ferries")) as keys:
        _, secret = keys.create("late")
    late = {"Authorization": f"Bearer {secret}"}
    assert eventually(lambda: send(url, "ferries", "GET", "/api/articles", late).status_code == 200, 3)
    with opened_keys(installed.of_archive("ferries")) as keys:
        assert keys.revoke("late")
        assert keys.revoke("test")
    assert eventually(lambda: send(url, "ferries", "GET", "/api/articles", late).status_code == 401)
    assert send(url, "ferries", "GET", "/api/articles", {}).status_code == 401  # also without any key that is in use
    assert opened(url, root) == "dateline_archives_open 1.0"


def test_keys_in_a_folder_of_this_machine_open_an_archive_in_a_database_of_an_older_format(
    settings: Settings, postgres: PostgresServer, articles: list[Article], start: Callable[[Settings], str]
) -> None:
    """As a program before the format that keeps keys in the database has left it."""
    address = postgres.url(name=postgres.new_database())
    chosen = settings.model_copy(update={"catalog": address})
    filled(chosen, "ferries", articles[:2])
    _, secret = Keys(chosen.of_archive("ferries").folder).create("old")
    postgres.run(
        "DROP TABLE dateline_ferries.api_keys",
        "UPDATE dateline_ferries.meta SET value = '3' WHERE key = 'format'",
        url=address,
    )
    url = start(chosen)
    assert send(url, "ferries", "GET", "/api/articles", {}).status_code == 401
    assert opened(url, {}) == "dateline_archives_open 0.0"
    mine = {"Authorization": f"Bearer {secret}"}
    assert send(url, "ferries", "GET", "/api/articles", mine).status_code == 200
    assert postgres.run("SELECT name FROM dateline_ferries.api_keys", url=address) == [("old",)]


def test_keys_that_cannot_be_read_let_nobody_in_and_open_nothing(
    settings: Settings, prepared: Path, start: Callable[[Settings], str]
) -> None:
    shutil.copytree(prepared, settings.folder)
    mine = key(settings, "ferries")
    (settings.of_archive("ferries").folder / "keys.json").write_text("no JSON")
    url = start(settings)
    for headers in ({}, mine):
        refused = send(url, "ferries", "GET", "/api/articles", headers)
        assert refused.status_code == 503
        assert "keys.json" in refused.text
        assert str(settings.folder) not in refused.text
    assert opened(url, {}) == "dateline_archives_open 0.0"
    assert send(url, "city", "GET", "/api/articles", {}).status_code == 200
