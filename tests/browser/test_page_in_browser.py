"""The page as a reader meets it, in Chromium."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from fakes import WordEmbedder
from playwright.sync_api import Browser, Page, expect

from ingest.pipeline import ingest
from rag.schema import Article
from rag.serving.api_keys import Keys

if TYPE_CHECKING:
    from tests.browser.conftest import Served

Visit = Callable[..., Page]
AGROUND = "The ferry Castellan ran aground on a sandbank off Port Selwyn with 212 passengers."
QUESTION = "What happened to the ferry Castellan off Port Selwyn?"


def ask(tab: Page, question: str) -> None:
    tab.fill("#question textarea", question)
    tab.click("#send")


def finished(tab: Page, place: int = 1) -> None:
    tab.wait_for_selector(f'.turn[data-key="t{place}"][data-state="done"]')
    tab.wait_for_selector("#send")


def in_view(tab: Page, selector: str) -> bool:
    """Whether an element is within the window and, if it is in the reader, within the reader."""
    return bool(
        tab.evaluate(
            """(selector) => {
                const it = document.querySelector(selector).getBoundingClientRect();
                const box = document.querySelector("dialog[open] .reader-body")?.getBoundingClientRect();
                const top = box ? box.top : 0, bottom = box ? box.bottom : innerHeight;
                return it.top >= top - 1 && it.top < bottom && it.height > 0;
            }""",
            selector,
        )
    )


def no_sideways_scroll(tab: Page) -> bool:
    return bool(tab.evaluate("document.documentElement.scrollWidth <= innerWidth"))


# --- asking ---------------------------------------------------------------------------------------


def test_a_click_drops_the_days_that_a_question_names(served: Served, visit: Visit) -> None:
    served.says(AGROUND, AGROUND)
    tab = visit(served)
    ask(tab, "What happened to the ferry Castellan off Port Selwyn in March 2025?")
    finished(tab)
    expect(tab.locator("button[data-days]")).to_contain_text("1 to 31 March 2025")
    tab.click("button[data-days]")
    expect(tab.locator("button[data-days]")).to_have_count(0)
    finished(tab)
    expect(tab.locator(".turn")).to_have_count(1)


def test_another_form_is_chosen_and_the_story_opened_with_the_keyboard(served: Served, visit: Visit) -> None:
    served.says(AGROUND)
    tab = visit(served)
    ask(tab, QUESTION)
    finished(tab)
    menu = tab.locator("details.forms")
    tab.focus("details.forms summary")
    tab.keyboard.press("Enter")
    expect(menu).to_have_attribute("open", "")
    tab.focus('button[data-form="list"]')
    tab.keyboard.press("Escape")
    expect(tab.locator("details.forms[open]")).to_have_count(0)
    expect(tab.locator("details.forms summary")).to_be_focused()
    tab.keyboard.press("Enter")
    tab.focus('button[data-form="summary"]')
    tab.keyboard.press("Enter")
    expect(tab.locator("details.forms summary")).to_contain_text("summary")
    assert no_sideways_scroll(tab)
    tab.focus(".part a")
    tab.keyboard.press("Enter")
    expect(tab.locator("dialog[open] .story li").first).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.locator(".part a")).to_be_focused()


def test_sources_are_on_screen_before_the_first_word(served: Served, visit: Visit) -> None:
    served.says(AGROUND, seconds_a_word=0.15)
    tab = visit(served)
    tab.evaluate(
        """() => {
            window.seen = [];
            const note = (what) => window.seen.includes(what) || window.seen.push(what);
            new MutationObserver(() => {
                if (document.querySelector(".turn .draft, .turn .sentence")) note("word");
                if (document.querySelector(".turn .card")) note("card");
            }).observe(document.body, { childList: true, subtree: true, characterData: true });
        }"""
    )
    ask(tab, QUESTION)
    tab.wait_for_selector(".draft")  # unchecked words are set apart while they come
    finished(tab)
    assert tab.evaluate("window.seen") == ["card", "word"]
    assert tab.locator(".draft").count() == 0
    assert "212 passengers" in tab.inner_text(".turn .answer")


def test_a_marker_brings_its_card_into_view_with_the_cited_words(served: Served, visit: Visit) -> None:
    served.says(AGROUND)
    tab = visit(served, viewport={"width": 1280, "height": 420})
    ask(tab, QUESTION)
    finished(tab)
    tab.evaluate("scrollTo(0, 0)")
    marker = tab.locator("a.cite").first
    assert marker.get_attribute("aria-label") == "source 1: Ferry runs aground off Port Selwyn"
    marker.focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#t1-s1")).to_be_focused()
    expect(tab.locator("#t1-s1 mark")).to_be_in_viewport()
    assert "ran aground on a sandbank" in tab.inner_text("#t1-s1 mark")


def test_open_article_shows_the_highlight_and_gives_the_focus_back(served: Served, visit: Visit) -> None:
    served.says(AGROUND)
    tab = visit(served)
    ask(tab, QUESTION)
    finished(tab)
    tab.locator("#t1-s1 .open a").click()
    tab.wait_for_selector("dialog[open] .whole mark")
    quote = tab.inner_text("#t1-s1 mark")
    assert tab.inner_text("dialog .whole mark") == quote
    assert in_view(tab, "dialog .whole mark")
    original = tab.locator("dialog .whole a[target=_blank]")
    assert original.get_attribute("href") == "https://news.example/1"
    assert original.get_attribute("rel") == "noopener noreferrer"
    tab.keyboard.press("Escape")
    expect(tab.locator("dialog[open]")).to_have_count(0)
    expect(tab.locator("#t1-s1 .open a")).to_be_focused()


def test_what_may_not_be_cited_is_set_apart_in_the_reader(served: Served, visit: Visit) -> None:
    tab = visit(served)
    tab.goto(f"{served.url}/article/a3")  # as in a new tab, without the page around it
    expect(tab.locator(".uncitable .label")).to_have_text("Not part of the article: never cited")
    assert "Zebra escapes" in tab.inner_text(".uncitable")
    tab.goto(f"{served.url}/article/nothing-here")
    assert "no longer in the archive" in tab.inner_text("main")


def test_stop_ends_the_answer_and_the_model(served: Served, visit: Visit) -> None:
    served.says("The ferry ran aground and " + "then " * 140, seconds_a_word=0.1)
    tab = visit(served)
    ask(tab, QUESTION)
    tab.wait_for_selector(".draft")
    tab.click("#stop")
    tab.wait_for_selector('.turn[data-state="stopped"]', timeout=3000)
    assert "Stopped" in tab.inner_text(".turn .foot")
    tab.wait_for_selector("#send")
    patience = time.monotonic() + 5
    while not served.llm.stopped and time.monotonic() < patience:
        time.sleep(0.05)
    assert served.llm.stopped
    assert served.llm.streamed < 100


def test_retry_asks_again_and_new_conversation_forgets(served: Served, visit: Visit) -> None:
    served.says("NOT FOUND", AGROUND)
    tab = visit(served)
    ask(tab, QUESTION)
    finished(tab)
    assert AGROUND not in tab.inner_text(".turn .answer p >> nth=0")  # the articles' own sentences alone
    tab.click("#retry")
    expect(tab.locator(".turn .answer p").first).to_contain_text(AGROUND.rstrip("."))
    finished(tab)
    assert tab.locator(".turn").count() == 1
    ask(tab, "What does the zebra Xanthippe of Lunada zoo eat?")
    finished(tab)
    assert "Not in the archive".lower() in tab.inner_text(".refusal").lower()
    assert "Searched: 10 articles" in tab.inner_text(".refusal")
    tab.click("#new")
    tab.wait_for_selector(".welcome")
    tab.reload()
    tab.wait_for_selector(".welcome")
    assert tab.locator(".turn").count() == 0


def test_an_example_is_asked_with_a_click(served: Served, visit: Visit) -> None:
    served.says("NOT FOUND")
    tab = visit(served)
    example = tab.locator(".asks button").first
    question = example.inner_text()
    example.click()
    finished(tab)
    assert tab.inner_text(".turn h2") == question


def test_filters_narrow_what_is_found(served: Served, visit: Visit) -> None:
    served.says("NOT FOUND")
    tab = visit(served)
    tab.click("#filters > button")
    tab.fill("#since input", "2025-03-05")
    tab.click("#outlets input")
    tab.get_by_role("option", name="Orr Courier (2)").click()
    expect(tab.locator("#filters > button")).to_contain_text("from 2025-03-05, Orr Courier")
    ask(tab, QUESTION)
    finished(tab)
    outlets = {text.split(" · ")[0] for text in tab.locator(".card .meta:visible").all_inner_texts()}
    assert outlets == {"Orr Courier"}


# --- what cannot be asked -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ("", "The question is empty."),
        ("   ", "The question is empty."),
        ("x" * 100_000, "100,000 characters; at most 2,000"),
    ],
)
def test_a_question_that_cannot_be_asked_gets_one_line(served: Served, visit: Visit, question: str, line: str) -> None:
    tab = visit(served)
    ask(tab, question)
    expect(tab.locator("#notice .notice")).to_contain_text(line)
    assert tab.locator("#notice .notice").count() == 1
    assert tab.locator(".turn").count() == 0
    assert tab.input_value("#question textarea") == question  # nothing that was typed is lost
    assert no_sideways_scroll(tab)


def test_a_date_range_that_ends_before_it_begins_gets_one_line(served: Served, visit: Visit) -> None:
    tab = visit(served)
    tab.click("#filters > button")
    tab.fill("#since input", "2026-01-05")
    tab.fill("#until input", "2025-01-05")
    ask(tab, QUESTION)
    expect(tab.locator("#notice .notice")).to_contain_text("begins on 2026-01-05 and ends before that, on 2025-01-05")


# --- history --------------------------------------------------------------------------------------


def test_history_with_its_sources_survives_a_reload(served: Served, visit: Visit) -> None:
    served.says(AGROUND, "Mayor Lucía Prat said the levy will pay for eleven new tram stops.")
    tab = visit(served)
    ask(tab, QUESTION)
    finished(tab)
    ask(tab, "What did mayor Lucía Prat say about the parking levy in Villasera?")
    finished(tab, 2)
    tab.wait_for_timeout(300)
    before = tab.locator(".turn .answer").all_inner_texts()
    tab.reload()
    tab.wait_for_selector('.turn[data-key="t2"]')
    assert tab.locator(".turn .answer").all_inner_texts() == before
    tab.locator('[data-key="t1"] a.cite').first.click()  # of the earlier answer
    expect(tab.locator("#t1-s1 mark")).to_be_in_viewport()
    assert "sandbank" in tab.inner_text("#t1-s1 mark")


def test_a_reload_in_the_middle_stops_the_model_and_keeps_the_question(served: Served, visit: Visit) -> None:
    served.says("The ferry ran aground and " + "then " * 140, seconds_a_word=0.1)
    tab = visit(served)
    ask(tab, QUESTION)
    tab.wait_for_selector(".draft")
    tab.reload()
    tab.wait_for_selector('.turn[data-state="stopped"]')
    assert tab.inner_text(".turn h2") == QUESTION
    assert tab.locator(".card").count() > 0
    patience = time.monotonic() + 5
    while not served.llm.stopped and time.monotonic() < patience:
        time.sleep(0.05)
    assert served.llm.stopped


def test_a_spoiled_history_does_not_break_the_page(served: Served, visit: Visit) -> None:
    tab = visit(served)
    for spoiled in ("rubbish", "a:b", json.dumps([{"question": 1}])):
        tab.evaluate("(text) => localStorage.setItem('dateline-conversation', text)", spoiled)
        tab.reload()
        tab.wait_for_selector(".welcome")
    served.says(AGROUND)
    ask(tab, QUESTION)
    finished(tab)


# --- the archive ----------------------------------------------------------------------------------


def test_an_empty_archive_says_how_to_fill_it_and_an_upload_does(own: Served, visit: Visit, tmp_path: Path) -> None:
    article = tmp_path / "heron.txt"
    article.write_text(
        "Heron returns to Lake Thessaly\nBy Nora Field, Orrin Observer, 3 June 2025\n\n"
        "A grey heron was seen at Lake Thessaly on Monday for the first time since 1987, warden Ilse Brandt said.\n"
    )
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(bytes(range(256)) * 8)
    tab = visit(own)
    assert "dateline ingest" in tab.inner_text(".welcome")
    ask(tab, "Who saw a heron?")
    expect(tab.locator("#notice .notice")).to_contain_text("holds no article yet")
    tab.click("[data-tab=Archive]")
    tab.set_input_files("#upload input[type=file]", [article, picture])
    tab.wait_for_selector('.report[data-state="done"]')
    report = tab.inner_text(".report")
    assert "2 read, 1 kept" in report
    assert "picture.jpg" in report
    assert "/tmp" not in report
    assert "Heron returns to Lake Thessaly" in tab.inner_text("#list")
    expect(tab.locator(".masthead .status")).to_contain_text("1 article", ignore_case=True)
    tab.click("#ask-tab-button")
    own.says("A grey heron was seen at Lake Thessaly on Monday.")
    ask(tab, "When was a grey heron seen at Lake Thessaly?")
    finished(tab)
    assert "Monday" in tab.inner_text("#t1-s1 mark")


def test_articles_are_searched_and_removed(own: Served, visit: Visit, articles: list[Article]) -> None:
    ingest(articles, own.assistant.archive, WordEmbedder())
    tab = visit(own)
    tab.click("#archive-tab-button")
    assert tab.locator(".listing li").count() == 10
    tab.fill("#search input", "levy courier")
    expect(tab.locator(".listing li")).to_have_count(1)
    tab.once("dialog", lambda dialog: dialog.dismiss())
    tab.click("[data-remove]")
    tab.once("dialog", lambda dialog: dialog.accept())
    tab.click("[data-remove]")
    expect(tab.locator("#list")).to_contain_text("No article has “levy courier”")
    assert own.assistant.archive.catalog.article("a4") is None


def test_a_second_ingest_says_that_one_is_running(own: Served, visit: Visit, tmp_path: Path) -> None:
    article = tmp_path / "a.txt"
    article.write_text("A title\n\nA text that is long enough to be an article of its own.")
    tab = visit(own)
    tab.click("#archive-tab-button")
    with own.assistant.archive.writing():
        tab.set_input_files("#upload input[type=file]", article)
        expect(tab.locator("#report .notice")).to_contain_text("Another ingest is writing")


# --- safety ---------------------------------------------------------------------------------------

HOSTILE = (
    "<script>window.hacked = 1</script> <img src='http://evil.example/x.png' onerror='window.hacked = 2'> "
    "![pixel](http://evil.example/y.png) [click](javascript:window.hacked=3) "
    "<a href='javascript:window.hacked=4'>here</a> <iframe src='http://evil.example/z'></iframe>"
)


def logged_in(chromium: Browser, served: Served, secret: str) -> Page:
    """The page behind its login, in a fresh profile."""
    tab = chromium.new_context().new_page()
    tab.set_default_timeout(20_000)
    tab.goto(served.url)
    assert urlsplit(tab.url).path == "/login"
    tab.get_by_label("Your key for this archive").fill(secret)
    tab.get_by_role("button", name="Open").click()
    return tab


def test_a_key_that_reads_logs_in_asks_and_changes_nothing(
    own: Served, chromium: Browser, articles: list[Article]
) -> None:
    ingest(articles, own.assistant.archive, WordEmbedder())
    _, secret = Keys(own.assistant.archive.folder).create("reader")
    own.says(AGROUND)
    tab = logged_in(chromium, own, "wrong")
    assert "This is no key of this archive" in tab.get_by_role("alert").inner_text()
    tab.get_by_label("Your key for this archive").fill(secret)
    tab.get_by_role("button", name="Open").click()
    tab.wait_for_selector("#current .welcome")
    ask(tab, QUESTION)
    finished(tab)
    tab.locator("#t1-s1 .open a").click()
    tab.wait_for_selector("dialog[open] .whole mark")
    tab.keyboard.press("Escape")
    tab.get_by_role("tab", name="Archive").click()
    expect(tab.locator("#list li")).to_have_count(10)
    expect(tab.locator("#list [data-remove]")).to_have_count(0)
    expect(tab.locator("#upload")).to_have_count(0)
    assert "takes a key with the scope “ingest”" in tab.inner_text("#adding")
    # What the page does not offer, its server does not do either.
    tab.evaluate("document.querySelector('#list li').innerHTML += '<button data-remove=a1>x</button>'")
    tab.click("#list [data-remove]")
    tab.wait_for_selector("#report a[href='login']")
    sent = tab.evaluate("fetch('/gradio_api/upload', {method: 'POST', body: new FormData()}).then((r) => r.status)")
    assert sent == 403
    assert own.assistant.archive.catalog.coverage().articles == 10
    tab.context.close()


def test_a_key_with_both_scopes_adds_and_removes_on_the_page(
    own: Served, chromium: Browser, articles: list[Article], tmp_path: Path
) -> None:
    ingest(articles, own.assistant.archive, WordEmbedder())
    _, secret = Keys(own.assistant.archive.folder).create("editor", ["read", "ingest"])
    tab = logged_in(chromium, own, secret)
    tab.wait_for_selector("#current .welcome")
    tab.get_by_role("tab", name="Archive").click()
    tab.on("dialog", lambda dialog: dialog.accept())
    tab.click("#list [data-remove=a7]")
    expect(tab.locator("#list li")).to_have_count(9)
    article = tmp_path / "gull.txt"
    article.write_text("Gull steals hat\n\nA herring gull stole a straw hat in Villasera on Sunday.")
    tab.set_input_files("#upload input[type=file]", article)
    tab.wait_for_selector('.report[data-state="done"]')
    expect(tab.locator("#list li")).to_have_count(10)
    tab.context.close()


def test_hostile_articles_and_models_reach_nobody(own: Served, visit: Visit) -> None:
    text = f"Mayor Prat opened the bridge on Monday. {HOSTILE} Two hundred people came to the bridge, she said."
    article = Article(
        id="hostile", title=f"Bridge opens {HOSTILE}", text=text, outlet=f"The Tide {HOSTILE}", byline=HOSTILE,
        url="javascript:window.hacked=5", published=datetime(2025, 3, 4), language="en", source="/news/hostile",
    )  # fmt: skip
    ingest([article, replace(article, id="plain", url="", source="/news/b")], own.assistant.archive, WordEmbedder())
    tab = visit(own)
    own.says(f"Mayor Prat opened the bridge on Monday. {HOSTILE}")
    ask(tab, "Who opened the bridge on Monday? <img src='http://evil.example/q.png'>")
    finished(tab)
    tab.locator(".card .open a").first.click()
    tab.wait_for_selector("dialog[open] .whole")
    tab.keyboard.press("Escape")
    tab.click("#archive-tab-button")
    tab.wait_for_selector(".listing li")
    tab.reload()
    tab.wait_for_selector(".turn")
    tab.goto(f"{own.url}/article/hostile")
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("img, iframe, a[href^=javascript]").count() == 0


def test_the_page_forbids_what_it_does_not_need(served: Served) -> None:
    for path in ("/", "/article/a1", "/dateline/page.js"):
        with urllib.request.urlopen(served.url + path) as reply:
            policy = reply.headers["Content-Security-Policy"]
            assert reply.headers["X-Content-Type-Options"] == "nosniff"
            assert reply.headers["Referrer-Policy"] == "same-origin"
        for rule in ("default-src 'none'", "connect-src 'self'", "script-src-attr 'none'", "frame-ancestors 'none'"):
            assert rule in policy


def test_a_foreign_name_for_this_machine_reads_nothing(served: Served) -> None:
    port = urlsplit(served.url).port
    for host, status in (("evil.example", 421), ("127.0.0.1.evil.example", 421), (f"localhost:{port}", 200)):
        request = urllib.request.Request(f"{served.url}/article/a1", headers={"Host": host})
        try:
            with urllib.request.urlopen(request) as reply:
                got = reply.status
        except urllib.error.HTTPError as error:
            got = error.code
        assert got == status


def test_markup_that_slips_in_cannot_run_or_call_out(served: Served, visit: Visit) -> None:
    """The second line of defence: even unescaped HTML is held by the policy."""
    tab = visit(served)
    blocked: list[str] = []
    tab.on("console", lambda message: blocked.append(message.text))
    tab.evaluate(
        """() => document.querySelector("#current").insertAdjacentHTML("beforeend",
            "<img src='data:image/png;base64,x' onerror='window.hacked = 1'>")"""
    )
    tab.wait_for_timeout(500)
    assert tab.evaluate("window.hacked") is None
    assert [line for line in blocked if "Content Security Policy" in line]


# --- small windows, dark, keyboard ----------------------------------------------------------------


def test_a_phone_shows_sources_below_and_never_scrolls_sideways(served: Served, visit: Visit) -> None:
    served.says(AGROUND)
    tab = visit(served, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    assert no_sideways_scroll(tab)
    ask(tab, QUESTION)
    finished(tab)
    answer, card = tab.locator(".turn .answer").bounding_box(), tab.locator("#t1-s1").bounding_box()
    assert answer is not None
    assert card is not None
    assert card["y"] >= answer["y"] + answer["height"]
    assert no_sideways_scroll(tab)
    tab.locator("a.cite").first.tap()
    expect(tab.locator("#t1-s1 mark")).to_be_in_viewport()
    tab.locator("#t1-s1 .open a").tap()
    tab.wait_for_selector("dialog[open] .whole mark")
    assert in_view(tab, "dialog .whole mark")
    assert no_sideways_scroll(tab)
    tab.get_by_role("button", name="Close").tap()
    tab.locator("#filters > button").tap()
    assert no_sideways_scroll(tab)
    for field in ("#since", "#until", "#outlets", "#new"):
        box = tab.locator(field).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    tab.get_by_role("tab", name="Archive").tap()
    tab.wait_for_selector(".listing li")
    assert no_sideways_scroll(tab)


def test_dark_follows_the_system(served: Served, visit: Visit) -> None:
    grounds = {
        scheme: visit(served, color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    }
    assert grounds == {"light": "rgb(251, 250, 246)", "dark": "rgb(26, 24, 22)"}


def test_everything_is_reached_by_keyboard(served: Served, visit: Visit) -> None:
    served.says(AGROUND)
    tab = visit(served)
    tab.focus("#question textarea")
    tab.keyboard.type(QUESTION)
    tab.keyboard.press("Enter")
    finished(tab)
    reached = set()
    tab.evaluate("document.activeElement.blur()")
    for _ in range(60):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"cite", "reader", "quiet", "send", "retry", "new", "ask-tab-button"} <= {
        name.split(" ")[0] for name in reached
    }


# --- the command, with the real models ------------------------------------------------------------


@pytest.mark.models
def test_serve_answers_with_the_packaged_model(
    python: str, child_environment: dict[str, str], visit: Visit, tmp_path: Path, articles: list[Article]
) -> None:
    news = tmp_path / "news.jsonl"
    fields = ("id", "url", "title", "outlet", "byline", "language", "text")
    rows = [{name: getattr(a, name) for name in fields} | {"published": str(a.day or "")} for a in articles[:4]]
    news.write_text("\n".join(json.dumps(row) for row in rows))
    command = [python, "-m", "app", "--data-dir", str(tmp_path / "archive")]
    subprocess.run([*command, "ingest", str(news)], env=child_environment, check=True, capture_output=True)
    uploads = tmp_path / "tmp"
    uploads.mkdir()
    process = subprocess.Popen(
        [*command, "serve", "--port", "0"], env={**child_environment, "TMPDIR": str(uploads)}, text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout
        line = process.stdout.readline()
        found = re.fullmatch(r"Dateline is at (http://127\.0\.0\.1:\d+)\n", line)
        assert found, line
        tab = visit(found.group(1))
        assert "QWEN" in tab.inner_text(".masthead .status")
        ask(tab, "How many passengers were on board the ferry Castellan?")
        tab.wait_for_selector(".turn .card", timeout=60_000)
        tab.wait_for_selector('.turn[data-state="done"]', timeout=180_000)
        assert "212" in tab.inner_text(".turn .answer")
        assert "212" in tab.inner_text("#t1-s1 mark")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert not [name for name in os.listdir(uploads) if name.startswith("dateline-uploads")]
