"""The HTTP face over real connections: answers, events, the archive, and what is wrong."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import Asked, Served
from fakes import WordEmbedder
from http_support import QUESTION, REPLY, events_of, eventually, slow, without_times
from support import settled

from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import ModelUnavailable
from rag.interfaces.json import answer_data
from rag.serving.answer_queue import MOST_KEPT
from rag.serving.api_keys import Keys
from rag.settings import Settings


def test_ask_returns_what_python_returns(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(REPLY))
    reply = httpx.post(f"{url}/api/ask", json={"question": QUESTION})
    assert reply.status_code == 200
    assert without_times(reply.json()) == without_times(answer_data(assistant(REPLY).ask(QUESTION)))
    assert reply.json()["citations"][0]["quote"] in reply.json()["hits"][0]["text"]


def test_a_stream_gives_sources_then_checked_sentences_then_the_answer(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(REPLY))
    reply = httpx.post(f"{url}/api/ask", json={"question": QUESTION, "stream": True})
    assert reply.headers["content-type"].startswith("text/event-stream")
    told = events_of(reply.text)
    assert [kind for _, kind, _ in told] == ["sources", "preview", "sentence", "answer"]
    sources, preview, sentence, answer = (data for _, _, data in told)
    cited = [number for one in preview["sentences"] for number in one["citations"]]
    assert [c["number"] for c in preview["citations"]] == cited
    assert preview["sentences"][0]["text"] == preview["citations"][0]["quote"]
    assert sources["hits"] == answer["hits"]
    assert sentence["text"] == answer["sentences"][0]["text"]
    assert sentence["verdict"] == "supported"
    assert [c["number"] for c in sentence["citations"]] == answer["sentences"][0]["citations"]
    run = told[0][0].rpartition("-")[0]
    assert [event_id for event_id, _, _ in told] == [f"{run}-{number}" for number in range(1, 5)]


def test_an_accept_header_asks_for_the_stream_too(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    reply = httpx.post(f"{url}/api/ask", json={"question": QUESTION}, headers={"Accept": "text/event-stream"})
    assert [kind for _, kind, _ in events_of(reply.text)] == ["sources", "answer"]


def test_a_cut_stream_goes_on_behind_the_last_event_that_came(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(REPLY))
    whole = events_of(httpx.post(f"{url}/api/ask", json={"question": QUESTION, "stream": True}).text)
    headers = {"Last-Event-ID": whole[0][0]}
    again = httpx.post(f"{url}/api/ask", json={"question": QUESTION, "stream": True}, headers=headers)
    assert events_of(again.text) == whole[1:]
    run = whole[0][0].rpartition("-")[0]
    assert events_of(httpx.get(f"{url}/api/ask/{run}").text) == whole


def test_a_stream_that_is_not_kept_any_more_is_gone(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    gone = httpx.get(f"{url}/api/ask/unheard-of")
    assert gone.status_code == 410
    assert "Ask the question again" in gone.json()["detail"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_the_model(serve: Served, stored: Archive, stream: bool) -> None:
    assistant, llm = slow(stored, "The ferry " * 400)
    url = serve(assistant)

    def read_for_a_second() -> None:
        body = {"question": QUESTION, "stream": stream}
        with httpx.stream("POST", f"{url}/api/ask", json=body, timeout=1) as reply:
            list(reply.iter_lines())

    with pytest.raises(httpx.ReadTimeout):
        read_for_a_second()
    assert eventually(lambda: llm.stopped)
    assert llm.streamed < 200
    assert eventually(lambda: httpx.get(f"{url}/api/health").json()["running"] == 0)


def test_a_reader_that_comes_back_in_time_misses_nothing(serve: Served, stored: Archive) -> None:
    assistant, llm = slow(stored, REPLY, pause=0.1)
    url = serve(assistant)
    with httpx.stream("POST", f"{url}/api/ask", json={"question": QUESTION, "stream": True}) as reply:
        first = events_of("\n".join([*(line for line, _ in zip(reply.iter_lines(), range(3), strict=False)), ""]))
    again = httpx.post(f"{url}/api/ask", json={"question": QUESTION}, headers={"Last-Event-ID": first[0][0]})
    assert [kind for _, kind, _ in events_of(again.text)] == ["preview", "sentence", "answer"]
    assert llm.streamed == len(REPLY.split())


def test_a_model_that_dies_in_mid_answer_is_told_and_the_next_question_works(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(ModelUnavailable("The language model fell over."), "x " * 3, REPLY))
    died = httpx.post(f"{url}/api/ask", json={"question": QUESTION})
    assert (died.status_code, died.json()["detail"]) == (503, "The language model fell over.")
    assert died.headers["content-type"] == "application/problem+json"
    assert died.headers["retry-after"] == "10"
    httpx.post(f"{url}/api/ask", json={"question": QUESTION})
    assert httpx.post(f"{url}/api/ask", json={"question": QUESTION}).json()["answered"]


def test_a_model_that_dies_in_a_stream_ends_it_with_an_error_event(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(ModelUnavailable("The language model fell over.")))
    told = events_of(httpx.post(f"{url}/api/ask", json={"question": QUESTION, "stream": True}).text)
    assert [kind for _, kind, _ in told] == ["sources", "preview", "error"]
    assert told[-1][2]["detail"] == "The language model fell over."
    assert told[-1][2]["status"] == 503


def test_earlier_turns_make_a_follow_up_understood(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    body = {"question": "Who was hurt?", "history": [{"question": QUESTION, "answer": "Off Port Selwyn."}]}
    assert httpx.post(f"{url}/api/ask", json=body).json()["hits"][0]["article_id"] in ("a1", "a2")


def test_search_narrows_by_day_and_outlet(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    body = {
        "query": "key rate of the Bank of Corvane",
        "since": "2026-01-01",
        "outlets": ["Corvane Ledger"],
        "top_k": 3,
    }
    reply = httpx.post(f"{url}/api/search", json=body)
    assert [hit["article_id"] for hit in reply.json()["hits"]] == ["a10"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "question is missing."),
        ({"question": 5}, "question cannot be used: input should be a valid string."),
        ({"question": "x", "outlet": "The Tide"}, "outlet is not known here; correct it or leave it out (/open"),
        ({"question": "   "}, "The question is empty. Type what you want to know."),
        ({"question": "?!? …"}, "The question has no word. Type what you want to know."),
        ({"question": "x" * 2001}, "The question has 2,001 characters; at most 2,000 are read. Shorten it."),
        ({"question": "x", "since": "31/02/2025"}, "since is '31/02/2025', expected a day such as 2025-03-01."),
        ({"question": "x", "since": "2025-02-30"}, "since is '2025-02-30', expected a day such as 2025-03-01."),
        ({"question": "x", "since": "2025-03-02", "until": "2025-03-01"}, "Swap the two days."),
        ({"question": "x", "history": [{"question": "y"}]}, "history.0.answer is missing."),
        ([], "the body cannot be used"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_bad_input_gets_a_sentence_and_the_next_request_works(
    serve: Served, assistant: Asked, body: Any, said: str, stream: bool
) -> None:
    url = serve(assistant(extraction=True))
    accept = {"Accept": "text/event-stream" if stream else "*/*"}
    reply = httpx.post(f"{url}/api/ask", json=body, headers=accept)
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert said in reply.json()["detail"]
    assert reply.json()["status"] == 422
    assert reply.json()["request_id"] == reply.headers["x-request-id"]
    assert httpx.post(f"{url}/api/ask", json={"question": QUESTION}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/api/ask", b"{", 400),
        ("GET", "/api/ask", b"", 405),
        ("GET", "/api/nothing", b"", 404),
        ("PUT", "/api/search", b"", 405),
        ("GET", "/api/articles/unknown", b"", 404),
        ("GET", "/api/articles/a1?version=9", b"", 404),
        ("GET", "/api/articles/a1?version=0", b"", 422),
        ("GET", "/api/articles?limit=0", b"", 422),
        ("GET", "/api/articles?since=yesterday", b"", 422),
        ("DELETE", "/api/articles/unknown", b"", 404),
        ("GET", "/api/jobs/unknown", b"", 404),
        ("POST", "/api/articles", b"[]", 422),
        ("POST", "/api/articles", b"{", 400),
        ("POST", "/api/search", b'{"query": "x", "top_k": 0}', 422),
    ],
)
def test_each_mistake_has_its_status_and_is_a_problem(
    serve: Served, assistant: Asked, method: str, path: str, content: bytes, status: int
) -> None:
    url = serve(assistant(extraction=True))
    reply = httpx.request(method, url + path, content=content, headers={"Content-Type": "application/json"})
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["detail"].endswith((".", "json", "9'."))


def test_broken_characters_are_read_as_question_marks(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    body = b'{"question": "Where did the ferry \\ud800 run aground?", "outlets": ["\\udfff"]}'
    reply = httpx.post(f"{url}/api/ask", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["question"]) == (200, "Where did the ferry ? run aground?")


def test_an_empty_archive_says_what_to_do(serve: Served, empty_archive: Archive) -> None:
    settings = Settings(data_dir=empty_archive.folder, llm="none")
    url = serve(Assistant(empty_archive, WordEmbedder(), None, settings))
    reply = httpx.post(f"{url}/api/ask", json={"question": QUESTION})
    assert reply.status_code == 409
    assert "dateline ingest" in reply.json()["detail"]
    assert str(empty_archive.folder) not in reply.text  # where it lies is nobody's business


def test_articles_are_listed_read_and_found_in_their_outlets(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    listed = httpx.get(f"{url}/api/articles", params={"outlet": "The Tide", "limit": 2}).json()
    assert [article["article_id"] for article in listed["articles"]] == ["a7", "a1"]
    assert listed["total"] == 3
    article = httpx.get(f"{url}/api/articles/a3").json()
    (start, end), *_ = article["uncitable"]
    assert article["text"][start:end].startswith("Related articles")
    assert {"outlet": "The Tide", "articles": 3} in httpx.get(f"{url}/api/outlets").json()["outlets"]


def test_stories_are_listed_and_read(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    listed = httpx.get(f"{url}/api/stories").json()
    (story,) = listed["stories"]
    assert listed["total"] == 1
    assert story == {
        "id": story["id"],
        "headline": "Ferry runs aground off Port Selwyn",
        "first": "2025-03-04",
        "last": "2025-03-05",
        "outlets": ["Orr Courier", "The Tide"],
        "articles": 2,
        "reports": 1,
    }
    read = httpx.get(f"{url}/api/stories/{story['id']}").json()
    assert read["story"] == story
    assert [article["article_id"] for article in read["articles"]] == ["a1", "a2"]
    second = httpx.get(f"{url}/api/stories/{story['id']}", params={"limit": 1, "offset": 1}).json()
    assert [article["article_id"] for article in second["articles"]] == ["a2"]
    assert httpx.get(f"{url}/api/stories", params={"outlet": "Corvane Ledger"}).json() == {"stories": [], "total": 0}
    assert httpx.get(f"{url}/api/stories/nothing").status_code == 404
    assert httpx.get(f"{url}/api/stories", params={"limit": 1001}).status_code == 422


def test_a_story_has_a_page_for_people(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    (story,) = httpx.get(f"{url}/api/stories").json()["stories"]
    whole, part = (httpx.get(f"{url}/story/{story['id']}", params=asked) for asked in ({}, {"part": True}))
    assert whole.text.startswith("<!doctype html>")
    assert part.text.strip().startswith('<article class="whole story">')
    for article in httpx.get(f"{url}/api/stories/{story['id']}").json()["articles"]:
        assert f'href="article/{article["article_id"]}"' in part.text
    gone = httpx.get(f"{url}/story/none")
    assert (gone.status_code, "no longer in the archive" in gone.text) == (404, True)


def test_an_article_is_added_found_updated_and_removed(serve: Served, written: Assistant) -> None:
    url = serve(written)
    article = {
        "id": "gull", "title": "Gull steals mayor's hat", "outlet": "The Tide", "published": "2026-03-01",
        "text": "A herring gull stole the straw hat of mayor Lucía Prat in Villasera on Sunday.",
    }  # fmt: skip
    took = httpx.post(f"{url}/api/articles", json=article)
    assert took.status_code == 202
    assert took.headers["location"] == f"/api/jobs/{took.json()['id']}"
    assert settled(url, took.json()["id"])["report"]["kept"] == 1
    answer = httpx.post(f"{url}/api/ask", json={"question": "What did the herring gull steal?"}).json()
    assert answer["citations"][0]["article_id"] == "gull"
    changed = article | {"text": article["text"] + " The hat was found."}
    assert settled(url, httpx.post(f"{url}/api/articles", json=changed).json()["id"])["report"]["updated"] == 1
    assert httpx.get(f"{url}/api/articles/gull").json()["version"] == 2
    assert httpx.delete(f"{url}/api/articles/gull").status_code == 204
    assert httpx.get(f"{url}/api/articles/gull").status_code == 404
    assert httpx.delete(f"{url}/api/articles/gull").status_code == 404


def test_uploads_report_each_rejection_under_the_name_that_was_sent(serve: Served, written: Assistant) -> None:
    url = serve(written)
    files = [
        ("files", ("gull.txt", b"Gull steals hat\n\nA herring gull stole a straw hat in Villasera on Sunday.")),
        ("files", ("../../evil.exe", b"MZ\x00\x01")),
    ]
    report = settled(url, httpx.post(f"{url}/api/articles", files=files).json()["id"])["report"]
    assert (report["read"], report["kept"]) == (2, 1)
    assert report["rejections"][0]["source"] == "evil.exe"
    assert "dateline-job" not in json.dumps(report)


def test_an_article_without_text_is_refused_at_once(serve: Served, written: Assistant) -> None:
    reply = httpx.post(f"{serve(written)}/api/articles", json={"title": "No text"})
    assert reply.status_code == 422
    assert "text" in reply.json()["detail"]


def test_other_content_is_not_read(serve: Served, written: Assistant) -> None:
    url = serve(written)
    assert httpx.post(f"{url}/api/articles", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 415
    assert httpx.post(f"{url}/api/articles", files={"note": (None, "x")}).status_code == 422


def test_too_large_a_request_is_refused_announced_or_not(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    big = json.dumps({"question": "x" * 3_000_000}).encode()
    announced = httpx.post(f"{url}/api/ask", content=big)
    chunked = httpx.post(
        f"{url}/api/ask", content=iter([big[:1_500_000], big[1_500_000:]]), headers={"Content-Type": "application/json"}
    )
    for reply in (announced, chunked):
        assert reply.status_code == 413
        assert reply.json()["detail"] == "The request is larger than 2 MB, the most that is read. Send less at a time."


def test_beyond_the_line_comes_an_honest_429_and_afterwards_all_is_well(serve: Served, stored: Archive) -> None:
    assistant, llm = slow(stored, REPLY, pause=0.03, answer_slots=1, answer_queue=2)
    url = serve(assistant)

    def ask(_: int) -> httpx.Response:
        return httpx.post(f"{url}/api/ask", json={"question": QUESTION}, timeout=30)

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(ask, range(8)))
    statuses = sorted(reply.status_code for reply in replies)
    assert statuses.count(200) >= 3
    assert set(statuses) == {200, 429}
    refused = next(reply for reply in replies if reply.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert f"Ask again in {refused.headers['retry-after']} seconds" in refused.json()["detail"]
    assert ask(0).status_code == 200
    assert httpx.get(f"{url}/api/health").json()["waiting"] == 0


def test_a_slow_reader_holds_nobody_up(serve: Served, stored: Archive) -> None:
    assistant, _ = slow(stored, REPLY, pause=0.0, answer_slots=1)
    url = serve(assistant)
    with httpx.stream("POST", f"{url}/api/ask", json={"question": QUESTION, "stream": True}) as sleepy:
        next(sleepy.iter_raw(1))
        began = time.monotonic()
        assert httpx.post(f"{url}/api/ask", json={"question": QUESTION}).status_code == 200
        assert time.monotonic() - began < 5


def test_one_client_has_so_many_requests_a_minute(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True, requests_per_minute=3))
    statuses = [httpx.get(f"{url}/api/outlets").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    assert 1 <= int(httpx.get(f"{url}/api/outlets").headers["retry-after"]) <= 21


def test_without_keys_this_machine_is_open_and_other_names_are_not(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    assert httpx.get(f"{url}/api/health").status_code == 200
    assert httpx.get(f"{url}/api/health", headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_web_page_elsewhere_can_neither_ask_nor_change(
    serve: Served, assistant: Asked, headers: dict[str, str]
) -> None:
    url = serve(assistant(extraction=True))
    assert httpx.post(f"{url}/api/ask", json={"question": QUESTION}, headers=headers).status_code == 403
    assert httpx.delete(f"{url}/api/articles/a1", headers=headers).status_code == 403
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    preflight = httpx.options(f"{url}/api/ask", headers=asked)
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_once_there_is_a_key_nobody_comes_in_without_one(serve: Served, written: Assistant) -> None:
    url = serve(written)
    keys = Keys(written.archive.folder)
    _, reader = keys.create("reader", ["read"])
    _, writer = keys.create("writer", ["ingest"])
    ask = {"question": QUESTION}
    without = httpx.post(f"{url}/api/ask", json=ask)
    assert without.status_code == 401
    assert without.headers["www-authenticate"].startswith("Bearer")
    assert httpx.post(f"{url}/api/ask", json=ask, headers={"X-API-Key": "wrong"}).status_code == 401
    for headers in ({"Authorization": f"Bearer {reader}"}, {"X-API-Key": reader}):
        assert httpx.post(f"{url}/api/ask", json=ask, headers=headers).status_code == 200
    assert httpx.post(f"{url}/api/ask", json=ask, auth=("", reader)).status_code == 200
    lacking = httpx.delete(f"{url}/api/articles/a1", headers={"X-API-Key": reader})
    assert (lacking.status_code, "lacks the scope ingest" in lacking.json()["detail"]) == (403, True)
    assert httpx.post(f"{url}/api/ask", json=ask, headers={"X-API-Key": writer}).status_code == 403
    assert httpx.delete(f"{url}/api/articles/a1", headers={"X-API-Key": writer}).status_code == 204
    assert httpx.get(f"{url}/api/health/ready").status_code == 200
    keys.revoke("reader")
    assert httpx.post(f"{url}/api/ask", json=ask, headers={"X-API-Key": reader}).status_code == 401


def test_a_browser_logs_in_with_a_key_and_stays_until_it_is_revoked(serve: Served, written: Assistant) -> None:
    url = serve(written)
    keys = Keys(written.archive.folder)
    _, secret = keys.create("page", ["read", "ingest"])
    html = {"Accept": "text/html"}
    with httpx.Client(base_url=url) as browser:
        sent = browser.get("/", headers=html)
        assert (sent.status_code, sent.headers["location"]) == (303, "/login")
        assert 'type="password"' in browser.get("/login").text
        assert browser.post("/login", data={"key": "<b>wrong"}).status_code == 401
        entered = browser.post("/login", data={"key": secret})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert "HttpOnly" in entered.headers["set-cookie"]
        assert "SameSite=Strict" in entered.headers["set-cookie"]
        assert secret not in entered.headers["set-cookie"]
        assert browser.get("/api/outlets").status_code == 200
        keys.revoke("page")
        keys.create("another")
        assert browser.get("/api/outlets").status_code == 401


def test_every_answer_has_its_id_and_its_headers(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    reply = httpx.get(f"{url}/api/health", headers={"X-Request-ID": "mine-1"})
    assert reply.headers["x-request-id"] == "mine-1"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert reply.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    forged = httpx.get(f"{url}/api/health", headers={"X-Request-ID": 'x" injected'})
    assert forged.headers["x-request-id"] != 'x" injected'


def test_the_log_has_a_line_for_each_request_and_no_question(
    serve: Served, assistant: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dateline.access")
    url = serve(assistant(extraction=True))
    httpx.post(f"{url}/api/ask", json={"question": QUESTION}, headers={"X-Request-ID": "r1"})
    httpx.get(f"{url}/api/articles/a1")
    assert eventually(lambda: len(caplog.records) == 2)
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    assert [(line["route"], line["status"]) for line in lines] == [
        ("/api/ask", 200), ("/api/articles/{article_id:path}", 200),
    ]  # fmt: skip
    assert lines[0]["request"] == "r1"
    assert "Castellan" not in caplog.text


def test_questions_are_logged_only_where_it_is_asked_for(
    serve: Served, assistant: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dateline.access")
    url = serve(assistant(extraction=True, log_questions=True))
    httpx.post(f"{url}/api/ask", json={"question": QUESTION}, headers={"X-Request-ID": "r1"})
    assert {"request": "r1", "question": QUESTION} in [json.loads(record.getMessage()) for record in caplog.records]


def test_only_streams_are_kept_and_only_so_many(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True, answer_slots=8, answer_queue=200))
    body = {"question": QUESTION, "stream": True}
    first = events_of(httpx.post(f"{url}/api/ask", json=body).text)[0][0].rpartition("-")[0]
    with httpx.Client(base_url=url) as client:
        for _ in range(MOST_KEPT - 1):
            client.post("/api/ask", json=body)
        assert client.get(f"/api/ask/{first}").status_code == 200
        client.post("/api/ask", json=body)
        assert client.get(f"/api/ask/{first}").status_code == 410


def test_metrics_count_answers_and_verdicts(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(REPLY, "Zebras won the Lunada cup."))
    httpx.post(f"{url}/api/ask", json={"question": QUESTION})
    httpx.post(f"{url}/api/ask", json={"question": QUESTION})
    text = httpx.get(f"{url}/metrics").text
    assert 'dateline_answers_total{answered="true"} 1.0' in text
    assert 'dateline_answers_total{answered="false"} 1.0' in text
    assert 'dateline_sentences_total{verdict="supported"} 2.0' in text
    assert 'dateline_requests_total{route="/api/ask",status="200"} 2.0' in text
    assert "dateline_articles 10.0" in text


def test_metrics_time_an_answer_until_its_sources_its_first_word_and_its_end(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(REPLY))
    httpx.post(f"{url}/api/ask", json={"question": QUESTION})
    text = httpx.get(f"{url}/metrics").text
    found = re.findall(r'dateline_answer_seconds_sum{until="(\w+)"} (\S+)', text)
    sums = {stage: float(seconds) for stage, seconds in found}
    assert set(sums) == {"sources", "shown", "word", "end"}
    assert 0 < sums["sources"] <= sums["word"] <= sums["end"] < 60
    assert 'dateline_answer_seconds_count{until="end"} 1.0' in text


def test_metrics_tell_changes_that_a_search_does_not_find_yet(serve: Served, written: Assistant) -> None:
    url, archive = serve(written), written.archive
    last = archive.catalog.last_change()
    archive.wait_until_indexed()
    text = httpx.get(f"{url}/metrics").text
    assert f"dateline_article_changes {last}.0" in text
    assert "dateline_changes_behind 0.0" in text
    archive.indexer.close()
    archive.catalog.set_followed("words", last - 3)
    assert "dateline_changes_behind 3.0" in httpx.get(f"{url}/metrics").text


def test_metrics_count_uploads_in_line_but_not_the_one_that_is_read(serve: Served, written: Assistant) -> None:
    url = serve(written)
    with written.archive.writing():  # the first job waits for this, and the others for the first
        for number in range(3):
            httpx.post(f"{url}/api/articles", json={"title": f"Rain {number}", "text": "It rained in Millford."})
        assert eventually(lambda: "dateline_uploads_waiting 2.0" in httpx.get(f"{url}/metrics").text)
    assert eventually(lambda: "dateline_uploads_waiting 0.0" in httpx.get(f"{url}/metrics").text, 30)


def test_health_tells_when_the_models_are_not_loaded_yet(serve: Served, assistant: Asked) -> None:
    loaded = threading.Event()
    url = serve(assistant(extraction=True), ready=loaded.is_set)
    assert httpx.get(f"{url}/api/health/live").json() == {"live": True, "ready": False}
    assert httpx.get(f"{url}/api/health/ready").status_code == 503
    loaded.set()
    assert httpx.get(f"{url}/api/health/ready").status_code == 200
    health = httpx.get(f"{url}/api/health").json()
    assert (health["coverage"]["articles"], health["embedder"], health["ready"]) == (10, "fake/words", True)


def test_a_server_that_stops_ends_its_streams_and_the_model(stored: Archive) -> None:
    served = Served()
    assistant, llm = slow(stored, "The ferry " * 400)
    url = served(assistant)
    with httpx.stream("POST", f"{url}/api/ask", json={"question": QUESTION, "stream": True}) as reply:
        next(reply.iter_raw(1))
        assert eventually(lambda: llm.streamed > 2)
        served.stop()
    assert eventually(lambda: llm.stopped)
    assert llm.streamed < 400


def test_a_fault_of_ours_is_a_500_without_its_details(serve: Served, stored: Archive, tmp_path: Path) -> None:
    class Faulty(WordEmbedder):
        def embed_queries(self, texts: Any) -> Any:
            raise ZeroDivisionError("secret detail")

    settings = Settings(data_dir=stored.folder, llm="none")
    url = serve(Assistant(stored, Faulty(), None, settings))
    reply = httpx.post(f"{url}/api/search", json={"query": QUESTION})
    assert reply.status_code == 500
    assert "secret" not in reply.text
    assert reply.json()["request_id"] == reply.headers["x-request-id"]
