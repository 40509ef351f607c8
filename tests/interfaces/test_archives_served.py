"""Several archives behind one server: each answers at its address, to its keys, and no other one is seen there."""

from __future__ import annotations

import io
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import Served
from fakes import WordEmbedder
from http_support import eventually
from openai import OpenAI
from postgres_server import PostgresServer
from support import filled, settled

from app import create_installation
from ingest.spool import FOLDER, Spool
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.interfaces.http import app, auth
from rag.interfaces.http.server import _ENDLESS
from rag.interfaces.installation import application
from rag.interfaces.page.conversation_view import asset
from rag.schema import Article
from rag.serving.shared_keys import opened_keys
from rag.settings import Settings

FERRY = {"question": "Where did the ferry Castellan run aground?"}
LEVY = {"question": "How much is the parking levy in Villasera?"}


def key(settings: Settings, name: str, *scopes: str) -> dict[str, str]:
    """The header with a new key of an archive."""
    with opened_keys(settings.of_archive(name), may_be_new=True) as keys:
        _, secret = keys.create("test", scopes or ("read",))
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def start(settings: Settings, serve: Served) -> Iterator[Callable[..., str]]:
    """`start()` is the address of a server of the installation, without a page and without a language model."""
    opened: list[Assistant] = []

    def begin(**options: Any) -> str:
        chosen = settings.model_copy(update=options)
        opened.append(Assistant(Archive(chosen), WordEmbedder(), None, chosen))
        return serve.app(create_installation(opened[-1], with_page=False))

    yield begin
    serve.stop()
    for assistant in opened:
        assistant.close()


@pytest.fixture
def two(settings: Settings, prepared: Path, start: Callable[..., str]) -> str:
    """A server of a copy of them."""
    shutil.copytree(prepared, settings.folder)
    return start()


def asked(url: str, question: dict[str, str], **options: Any) -> dict[str, Any]:
    reply = httpx.post(f"{url}/api/ask", json=question, timeout=30, **options)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def cited(answer: dict[str, Any]) -> set[str]:
    return {hit["article_id"] for hit in answer["hits"]} | {one["article_id"] for one in answer["citations"]}


def test_a_question_to_one_archive_never_shows_an_article_of_another(two: str) -> None:
    ferries, city = f"{two}/archives/ferries", f"{two}/archives/city"
    assert asked(ferries, FERRY)["answered"]
    for question in (FERRY, LEVY):
        assert cited(asked(ferries, question)) <= {"a1", "a2"}
        assert cited(asked(city, question)) <= {"a3", "a4"}
    for address, mine, other in ((ferries, "a1", "a3"), (city, "a3", "a1")):
        listed = httpx.get(f"{address}/api/articles").json()["articles"]
        assert mine in {one["article_id"] for one in listed}
        assert other not in {one["article_id"] for one in listed}
        assert httpx.get(f"{address}/api/articles/{mine}").status_code == 200
        assert httpx.get(f"{address}/api/articles/{other}").status_code == 404
        assert httpx.get(f"{address}/article/{other}").status_code == 404
        assert httpx.get(f"{address}/metrics").text.count("dateline_articles 2.0") == 1
    assert httpx.get(f"{two}/api/articles").json()["total"] == 0  # the archive without a name


def test_a_key_opens_its_archive_alone(
    settings: Settings, prepared: Path, start: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "WRONG_SECONDS", 0.0)
    monkeypatch.setattr(app, "WRONG_PER_MINUTE", 1000)
    shutil.copytree(prepared, settings.folder)
    two = start()
    mine, other = key(settings, "ferries"), key(settings, "city")
    root = key(settings, "")
    places = {"ferries": mine, "city": other}
    for name in places:
        for given in ({}, root, *(one for owner, one in places.items() if owner != name)):
            for path in ("api/articles", "v1/models", "openapi.json", "metrics", "api/health", "article/a1", ""):
                refused = httpx.get(f"{two}/archives/{name}/{path}", headers=given)
                assert refused.status_code == 401, (name, path)
                assert f"dateline key create NAME --archive {name}" in refused.text
        assert httpx.get(f"{two}/archives/{name}/api/articles", headers=places[name]).status_code == 200
        assert httpx.get(f"{two}/api/articles", headers=places[name]).status_code == 401
        assert httpx.get(f"{two}/archives/{name}/api/health/ready").status_code == 200  # for supervisors


def test_a_login_is_of_one_archive(settings: Settings, two: str) -> None:
    mine = key(settings, "ferries")["Authorization"].removeprefix("Bearer ")
    key(settings, "city"), key(settings, "")
    with httpx.Client(base_url=two, headers={"Accept": "text/html"}) as browser:
        assert "Your key for the archive ferries" in browser.get("/archives/ferries/login").text
        assert "Your key for this archive" in browser.get("/login").text
        sent = browser.get("/archives/ferries/article/a1")
        assert (sent.status_code, sent.headers["location"]) == (303, "/archives/ferries/login")
        assert browser.post("/archives/city/login", data={"key": mine}).status_code == 401
        entered = browser.post("/archives/ferries/login", data={"key": mine})
        assert (entered.status_code, entered.headers["location"]) == (303, "/archives/ferries/")
        cookie = entered.headers["set-cookie"]
        assert "dateline_session_ferries=" in cookie
        assert "; Path=/archives/ferries;" in cookie
        assert browser.get("/archives/ferries/article/a1").status_code == 200
        assert browser.get("/archives/city/article/a3").status_code == 303
        token = cookie.partition("=")[2].partition(";")[0]
        for name in ("city", ""):  # a browser does not send it there; another client can
            forged = {"Cookie": f"dateline_session{name and '_'}{name}={token}; dateline_session_ferries={token}"}
            place = f"/archives/{name}" if name else ""
            assert httpx.get(f"{two}{place}/api/articles", headers=forged).status_code == 401
        left = browser.post("/archives/ferries/logout")
        assert left.headers["location"] == "/archives/ferries/login"
        assert browser.get("/archives/ferries/article/a1").status_code == 303


def test_the_list_shows_what_the_key_of_the_request_opens(settings: Settings, two: str) -> None:
    def listed(**options: Any) -> list[str]:
        return [one["name"] for one in httpx.get(f"{two}/archives", **options).json()["archives"]]

    assert listed() == ["", "city", "ferries"]
    mine = key(settings, "ferries")
    assert listed() == ["", "city"]
    assert listed(headers=mine) == ["", "city", "ferries"]
    httpx.get(f"{two}/archives/ferries/", headers=mine)  # opened now
    assert listed() == ["", "city"]
    assert listed(headers=mine) == ["", "city", "ferries"]
    page = httpx.get(f"{two}/archives/", headers={"Accept": "text/html"})
    assert 'href="/archives/city/"' in page.text
    assert "ferries" not in page.text
    assert httpx.post(f"{two}/archives").status_code == 405
    key(settings, "city"), key(settings, "")
    closed = httpx.get(f"{two}/archives", headers={"Accept": "text/html"}).text
    for told in ("None opens without a key.", "/archives/NAME/"):
        assert told in closed


def test_pages_of_the_server_itself_have_their_style_without_a_key(settings: Settings, two: str) -> None:
    key(settings, "")
    for path in ("/archives", "/archives/No/"):
        page = httpx.get(f"{two}{path}", headers={"Accept": "text/html"}).text
        assert "<style>" in page
        assert "stylesheet" not in page  # its address asks for the key of the archive without a name


NO_ARCHIVES = (
    "nothing", "%2e%2e", "..%2f..%2fetc", "Ferries", "ferr%C3%AFes", "x" * 300, "-x", "ferries%00", "ferries%0a",
    "link", "file",
)  # fmt: skip


def test_what_is_no_archive_is_not_found(two: str, settings: Settings) -> None:
    places = settings.folder / "archives"
    (places / "link").symlink_to(places / "city", target_is_directory=True)
    (places / "file").write_text("")
    before = sorted(places.iterdir())

    def at(path: str, method: str = "GET") -> httpx.Response:
        address = httpx.URL(two).copy_with(raw_path=f"/archives/{path}".encode())
        return httpx.request(method, address, headers={"Accept": "text/html"}, json={} if method == "POST" else None)

    for name in NO_ARCHIVES:
        missing, shown = at(f"{name}/api/articles"), at(f"{name}/")
        assert {missing.status_code, shown.status_code} == {404}, name
        assert shown.headers["content-type"] == "text/html; charset=utf-8"
        if "%2f" not in name:  # which names another address
            assert missing.headers["content-type"] == "application/problem+json"
            assert "message" in at(f"{name}/v1/chat/completions", "POST").json()["error"]
        assert "city" not in (missing.text + shown.text).replace(asset("page.css"), "")  # which has "opacity"
    assert sorted(places.iterdir()) == before


def test_an_address_without_its_last_slash_leads_to_the_archive(two: str) -> None:
    moved = httpx.get(f"{two}/archives/city?x=1")
    assert (moved.status_code, moved.headers["location"]) == (307, "/archives/city/?x=1")


def test_a_path_within_an_archive_is_read_once(settings: Settings, two: str) -> None:
    """Two readings of /archives/city/archives/city/api would check one address and answer another."""
    reader = key(settings, "city")
    for path in ("archives/city/api/articles", "archives/ferries/api/articles"):
        for method in ("GET", "POST"):
            reply = httpx.request(
                method, f"{two}/archives/city/{path}", headers=reader, json={"title": "x", "text": "x"}
            )
            assert reply.status_code == 404


def test_the_checks_of_requests_hold_at_every_address(two: str, start: Callable[..., str]) -> None:
    for place in ("/archives/city/api/articles", "/archives/none/api/articles", "/archives", "/archives/city"):
        assert httpx.get(f"{two}{place}", headers={"Host": "evil.example"}).status_code == 421
        assert httpx.get(f"{two}{place}", headers={"Cookie": "x" * 9000}).status_code == 400
        crossed = httpx.post(f"{two}{place}", json={}, headers={"Origin": "https://evil.example"})
        assert crossed.status_code == 403
        sent = HTTPConnection(httpx.URL(two).netloc.decode())
        sent.putrequest("POST", place)
        sent.putheader("Content-Length", "9000000000")
        sent.endheaders()
        assert sent.getresponse().status == 413
        sent.close()
    found = httpx.get(f"{two}/archives/city/api/articles")
    assert len(found.headers.get_list("x-request-id")) == 1  # the middleware is passed once
    assert len(found.headers.get_list("content-security-policy")) == 1


def test_requests_to_all_archives_are_counted_together(
    settings: Settings, articles: list[Article], start: Callable[..., str]
) -> None:
    filled(settings, "city", articles[2:4])
    url = start(requests_per_minute=3)
    places = (
        "/api/articles",
        "/archives/city/api/articles",
        "/archives",
        "/archives/none/",
        "/archives/city/api/articles",
    )
    assert [httpx.get(url + place).status_code for place in places] == [200, 200, 200, 429, 429]


def test_an_archive_that_is_made_while_the_server_runs_is_found(
    settings: Settings, two: str, articles: list[Article]
) -> None:
    assert httpx.get(f"{two}/archives/late/api/articles").status_code == 404
    filled(settings, "late", articles[4:6])
    assert eventually(lambda: httpx.get(f"{two}/archives/late/api/articles").status_code == 200)
    assert httpx.get(f"{two}/archives/late/api/articles").json()["total"] == 2


def test_a_damaged_archive_takes_no_other_with_it(
    settings: Settings, two: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "AGAIN_SECONDS", 0.3)
    place = settings.of_archive("ferries").folder / "catalogue.sqlite"
    sound = place.read_bytes()
    place.write_bytes(b"This is no catalogue. " * 4000)
    reply = httpx.get(f"{two}/archives/ferries/api/articles")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
    assert "damaged" in reply.json()["detail"]
    assert str(settings.folder) not in reply.text
    assert "the archive ferries cannot be used" in caplog.text
    page = httpx.get(f"{two}/archives/ferries/", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert httpx.get(f"{two}/archives/city/api/articles").json()["total"] == 2
    assert "dateline_archives_failed 1.0" in httpx.get(f"{two}/metrics").text
    mine = key(settings, "ferries")  # now there is a key, and the reason is for whoever has it
    assert "damaged" not in httpx.get(f"{two}/archives/ferries/api/articles").text
    assert "damaged" in httpx.get(f"{two}/archives/ferries/api/articles", headers=mine).text
    place.write_bytes(sound)
    assert eventually(lambda: httpx.get(f"{two}/archives/ferries/api/articles", headers=mine).status_code == 200)
    assert "dateline_archives_failed 0.0" in httpx.get(f"{two}/metrics").text


def test_uploads_that_an_earlier_server_has_not_read_are_read_without_being_asked_for(
    settings: Settings, articles: list[Article], start: Callable[..., str]
) -> None:
    filled(settings, "city", articles[2:4])
    spool = Spool(settings.of_archive("city").folder / FOLDER, 1_000_000)
    with spool.arriving("0123456789abcdef") as arrival:
        arrival.add("rain.txt", "upload/rain.txt", io.BytesIO(b"Rain\n\nIt rained in Millford, and the river rose."))
        arrival.commit()
    spool.release()
    url = start()
    assert eventually(lambda: "dateline_archives_open 1.0" in httpx.get(f"{url}/metrics").text)
    assert settled(f"{url}/archives/city", "0123456789abcdef")["report"]["kept"] == 1


def test_uploads_go_to_their_archive(two: str) -> None:
    article = {"title": "Rain in Millford", "text": "It rained in Millford on Monday, and the river rose."}
    accepted = httpx.post(f"{two}/archives/city/api/articles", json=article)
    assert accepted.headers["location"] == f"/archives/city/api/jobs/{accepted.json()['id']}"
    job = accepted.json()["id"]
    assert httpx.get(f"{two}/archives/city/api/jobs/{job}").status_code == 200
    assert httpx.get(f"{two}/archives/ferries/api/jobs/{job}").status_code == 404


def test_openais_client_speaks_to_one_archive(settings: Settings, two: str) -> None:
    secret = key(settings, "ferries")["Authorization"].removeprefix("Bearer ")
    with OpenAI(base_url=f"{two}/archives/ferries/v1", api_key=secret) as client:
        assert {one.id for one in client.models.list()} == {"dateline", "fake/words"}
        reply = client.chat.completions.create(
            model="dateline", messages=[{"role": "user", "content": FERRY["question"]}]
        )
        assert "Castellan" in (reply.choices[0].message.content or "")
    document = httpx.get(f"{two}/archives/ferries/openapi.json", headers={"Authorization": f"Bearer {secret}"}).json()
    assert document["servers"][0]["url"] == "/archives/ferries"


def test_an_archive_without_a_key_is_not_served_where_others_reach_it(
    settings: Settings, articles: list[Article], start: Callable[..., str]
) -> None:
    filled(settings, "city", articles[2:4])
    key(settings, "")
    url = start(host="0.0.0.0")
    refused = httpx.get(f"{url}/archives/city/api/articles")
    assert refused.status_code == 503
    assert "this archive has no API key" in refused.text


def test_agents_speak_to_one_archive(two: str) -> None:
    call = {"name": "list_outlets", "arguments": {}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    headers = {"Accept": "application/json, text/event-stream"}
    for name, outlet, other in (("ferries", "The Tide: 1", "Tom Okafor"), ("city", "Orr Courier: 1", "Castellan")):
        reply = httpx.post(f"{two}/archives/{name}/mcp", json=body, headers=headers, timeout=30)
        assert reply.status_code == 200, reply.text
        assert outlet in reply.text
        assert other not in reply.text


def test_streams_without_end_are_known_at_every_address() -> None:
    for path in ("/gradio_api/heartbeat/x", "/gradio_api/queue/data"):
        assert _ENDLESS.match(path)
        assert _ENDLESS.match(f"/archives/city{path}")
        assert not _ENDLESS.match(f"/x{path}")


def test_nothing_is_opened_before_it_is_asked_for(settings: Settings, two: str) -> None:
    httpx.get(f"{two}/archives")
    assert "dateline_archives_open 0.0" in httpx.get(f"{two}/metrics").text
    httpx.get(f"{two}/archives/city/api/health/live")
    assert "dateline_archives_open 1.0" in httpx.get(f"{two}/metrics").text


def test_a_locked_archive_is_served_and_takes_no_article(settings: Settings, two: str) -> None:
    with closing(sqlite3.connect(settings.of_archive("city").folder / "catalogue.sqlite")) as other:
        other.execute("BEGIN IMMEDIATE")
        assert httpx.get(f"{two}/archives/city/api/articles").json()["total"] == 2
        assert httpx.get(f"{two}/archives/ferries/api/articles").json()["total"] == 2


def test_folders_of_archives_are_for_their_owner_alone(settings: Settings, two: str) -> None:
    made: list[Path] = [settings.folder / "archives", settings.folder / "archives" / "city"]
    assert {folder.stat().st_mode & 0o777 for folder in made} == {0o700}


def test_schemas_of_one_database_are_archives_of_one_server(
    postgres: PostgresServer, tmp_path: Path, articles: list[Article], start: Callable[..., str]
) -> None:
    url = postgres.url(name=postgres.new_database())
    # Another machine: it has the database, and a folder of its own.
    elsewhere = Settings(data_dir=tmp_path / "elsewhere", llm="none", catalog=url)
    filled(elsewhere, "ferries", articles[:2])
    mine = key(elsewhere, "ferries")
    served = start(data_dir=tmp_path / "here", catalog=url)
    assert httpx.get(f"{served}/archives/ferries/api/articles").status_code == 401
    assert cited(asked(f"{served}/archives/ferries", FERRY, headers=mine)) <= {"a1", "a2"}
    assert httpx.get(f"{served}/archives/city/api/articles").status_code == 401  # there is none, which does not show
    filled(elsewhere, "city", articles[2:4])
    assert eventually(lambda: httpx.get(f"{served}/archives/city/api/articles").status_code == 200)
    assert cited(asked(f"{served}/archives/city", FERRY)) <= {"a3", "a4"}
    key(elsewhere, "city")
    assert eventually(lambda: httpx.get(f"{served}/archives/city/api/articles", headers=mine).status_code == 401)
    listed = httpx.get(f"{served}/archives", headers=mine).json()["archives"]
    assert [one["name"] for one in listed] == ["", "ferries"]
