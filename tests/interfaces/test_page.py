"""What the page shows, as HTML: nothing of an article or a model gets out of its quotation marks."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import lxml.html
import pytest

from app import main
from rag.answering.compose.composer import COMPOSERS
from rag.interfaces.page import archive_view as page_archive
from rag.interfaces.page import conversation_view as page
from rag.interfaces.page.exchange import Card, Exchange, Part, State, kept, opinion, outlet_and_day, restored, shortened
from rag.interfaces.page.templating import article_address, printable
from rag.interfaces.text import short_days
from rag.schema import Answer, Article, Citation, Coverage, Hit, Passage, Sentence, Story, Timings

TEXT = "It rained on Monday. It poured on Tuesday.\n\nRelated articles\nZebra escapes"
ARTICLE = Article(
    id="rain", title="Rain", text=TEXT, outlet="The Tide", published=datetime(2025, 3, 4), uncitable=((44, len(TEXT)),)
)
PASSAGE = Passage(article=ARTICLE, number=0, start=0, end=42)
MONDAY = Citation(number=1, passage=PASSAGE, start=0, end=20)
HOSTILE = (
    '<script>alert(1)</script><img src=x onerror="alert(2)">\' " &amp; ![pixel](http://evil.example/x.png) '
    "[link](javascript:alert(3)) {{constructor}} ${alert(4)} \x00\x1b[31m \u202egnp\u202c"
)


def answer(*sentences: Sentence, **changes: object) -> Answer:
    made = Answer(
        question="When did it rain?",
        answered=bool(sentences),
        model="scripted",
        coverage=Coverage(articles=1),
        sentences=sentences,
        hits=(Hit(passage=PASSAGE, score=1.0),),
        timings=Timings(total_ms=1234),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def supported(text: str = "It rained.", *citations: Citation) -> Sentence:
    return Sentence(text=text, verdict="supported", citations=citations or (MONDAY,))


def shown(made: Answer, state: State = "done") -> str:
    return page.exchange_html(Exchange.of(made, state), 3)


def elements(html: str, path: str = "//*") -> list[Any]:
    """The elements of a piece of HTML that an XPath expression selects, in document order."""
    return list(lxml.html.document_fromstring(html).xpath(path))


def texts(html: str, path: str) -> list[str]:
    """The text of each selected element, with white space collapsed."""
    return [" ".join(one.text_content().split()) for one in elements(html, path)]


# --- an answer ------------------------------------------------------------------------------------


def test_a_marker_leads_to_the_card_with_the_quoted_words() -> None:
    html = shown(answer(supported()))
    (marker,) = elements(html, "//a[@class='cite']")
    assert marker.get("aria-label") == "source 1: Rain"
    (card,) = elements(html, "//section[@class='card']")
    (cited,) = card.xpath(".//li")
    assert marker.get("href") == f"#{cited.get('id')}" == "#t3-s1"
    assert cited.get("aria-label") == "Source 1: Rain"
    (quote,) = cited.xpath(".//mark")
    assert (quote.text, quote.tail.split()[:4]) == ("It rained on Monday.", ["It", "poured", "on", "Tuesday."])
    assert "The Tide · 4 March 2025" in card.text_content()


def test_found_passages_are_cards_before_the_first_word() -> None:
    html = shown(answer(), "writing")
    assert "Found in the archive" in html
    assert "It poured on Tuesday." in html
    assert "Reading 1 passage …" in html
    assert not elements(html, "//mark")
    assert elements(html, "//*[@role='log'][@aria-busy='true']")


def test_unchecked_words_are_set_apart() -> None:
    assert texts(shown(answer(supported(), draft="It po"), "writing"), "//*[@class='draft']") == ["It po"]


def test_an_unsupported_sentence_says_why_in_sight() -> None:
    html = shown(answer(Sentence(text="It snowed.", verdict="unsupported", reason="the word snowed is missing")))
    assert texts(html, "//*[@class='claim']") == ["It snowed."]
    assert texts(html, "//*[@class='why']") == ["not supported: the word snowed is missing"]


def test_an_unsupported_sentence_without_a_reason_still_says_so() -> None:
    assert "not supported: no article says this" in shown(answer(Sentence(text="It snowed.", verdict="unsupported")))


def test_a_contradicted_sentence_cites_what_contradicts_it() -> None:
    sentence = Sentence(text="It snowed.", verdict="contradicted", citations=(MONDAY,), reason="it rained there")
    html = shown(answer(sentence))
    assert "contradicted: it rained there" in html
    assert html.index("it rained there") < html.index('class="cite"')
    exchange = Exchange.of(answer(sentence), "done")
    assert Exchange.from_data(exchange.data()) == exchange
    assert "It snowed. (contradicted: it rained there)" in page.plain(exchange).replace(" [1]", "")


def test_a_refusal_shows_the_receipt_and_the_closest_passages() -> None:
    html = shown(answer(refusal="The archive does not answer this. Searched: 1 article.", withheld=("It snowed.",)))
    assert "Searched: 1 article." in html
    assert "Closest passages" in html
    assert "taken back" in html
    assert "It snowed." not in html  # what no article carries is not shown as an answer
    assert not elements(html, "//*[@role='alert']")


def test_what_was_found_but_not_cited_comes_after_without_a_number() -> None:
    other = Passage(article=replace(ARTICLE, id="snow", title="Snow"), number=0, start=0, end=20)
    html = shown(answer(supported(), hits=(Hit(passage=other, score=2.0), Hit(passage=PASSAGE, score=1.0))))
    assert html.index(">Rain<") < html.index("Also found") < html.index(">Snow<")
    assert len(elements(html, "//*[@class='number']")) == 1


def test_a_card_names_copies_genre_and_later_versions() -> None:
    opinion = replace(ARTICLE, genre="Opinion", version=2, modified=datetime(2025, 3, 6))
    passage = replace(PASSAGE, article=opinion)
    copy = replace(ARTICLE, id="copy", outlet="Orr Courier")
    html = shown(answer(hits=(Hit(passage=passage, score=1.0, copies=(copy,)),)))
    assert "Also in Orr Courier" in html
    assert texts(html, "//*[@class='flag']") == ["Opinion", "Version 2, updated 6 March 2025"]


def test_a_news_section_is_no_opinion() -> None:
    assert opinion(replace(ARTICLE, genre="City")) == ""
    assert opinion(replace(ARTICLE, genre="OPINIÓN")) == "OPINIÓN"


def test_the_clipboard_gets_the_answer_with_its_quotes() -> None:
    text = page.plain(Exchange.of(answer(supported()), "done"))
    assert text == "When did it rain?\n\nIt rained. [1]\n\n[1] Rain, The Tide · 4 March 2025: “It rained on Monday.”"


def test_long_passages_are_cut_between_words_around_the_quote() -> None:
    assert shortened("one two three", 9) == "one two …"
    assert shortened("one two three", -9) == "… three"
    assert shortened("one", 9) == "one"


# --- hostile text ---------------------------------------------------------------------------------


def hostile_article() -> Article:
    return Article(
        id="x'\"><b>", title=HOSTILE, text=HOSTILE, outlet=HOSTILE, byline=HOSTILE, genre=f"Opinion {HOSTILE}",
        url="javascript:alert(5)", published=datetime(2025, 3, 4),
    )  # fmt: skip


def hostile_pieces() -> list[str]:
    article = hostile_article()
    passage = Passage(article=article, number=0, start=0, end=len(HOSTILE))
    citation = Citation(number=1, passage=passage, start=3, end=40)
    sentence = Sentence(text=HOSTILE, verdict="unsupported", citations=(citation,), reason=HOSTILE)
    hit = Hit(passage=passage, score=1.0, copies=(article,))
    made = answer(sentence, hits=(hit,), question=HOSTILE, model=HOSTILE, draft=HOSTILE, refusal=HOSTILE)
    quoted = f"4 March 2025, {HOSTILE}, {HOSTILE}: {citation.quote}"
    entry = Sentence(text=quoted, verdict="supported", citations=(citation,), side=1)
    rejection = {"source": HOSTILE, "reason": HOSTILE, "message": HOSTILE}
    report = dict.fromkeys(("read", "kept", "updated", "unchanged", "withdrawn", "passages", "seconds"), 1)
    return [
        shown(made),
        shown(replace(made, kind="comparison", sentences=(entry, sentence))),
        shown(replace(made, sentences=(), preview=(entry,)), "writing"),
        shown(made, "writing"),
        shown(replace(made, sentences=())),
        page.notice_html(HOSTILE),
        page.welcome([article], [HOSTILE], HOSTILE),
        page.welcome([], [], HOSTILE),
        page.masthead(Coverage(articles=1), HOSTILE),
        page_archive.listing([article], 1, HOSTILE),
        page_archive.listing([], 1, HOSTILE),
        page_archive.report_html({**report, "rejected": {HOSTILE: 1}, "rejections": [rejection]}, running=False),
        page_archive.article_html(replace(article, uncitable=((5, 30),)), 3, 40),
        page_archive.document(HOSTILE, ""),
    ]


@pytest.mark.parametrize("html", hostile_pieces())
def test_hostile_text_stays_text(html: str) -> None:
    assert not elements(html, "//script | //img | //iframe | //b | //svg | //style")
    for one in elements(html):
        assert not [key for key in one.attrib if key.startswith("on")]
        target = one.get("href", "")
        assert re.match(r"((article|story|dateline)/|\./|/|#|$)", target), f"{one.tag} leads to {target}"
        assert not target.startswith("//")
    assert not set(html) & {"\x00", "\x1b", "\u202e", "\u202c"}


def test_only_addresses_of_the_web_become_links() -> None:
    html = page_archive.article_html(replace(ARTICLE, url="https://tide.example/rain?a=1&b=2"))
    (link,) = elements(html, "//a[@target='_blank']")
    assert (link.get("href"), link.get("rel")) == ("https://tide.example/rain?a=1&b=2", "noopener noreferrer")
    for url in ("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//evil.example", "http://[", "", "x"):
        assert "_blank" not in page_archive.article_html(replace(ARTICLE, url=url))


def test_an_article_id_cannot_leave_its_place_in_the_address() -> None:
    assert article_address("../../x?y#z/ü", 2, 3, 9) == "article/..%2F..%2Fx%3Fy%23z%2F%C3%BC?version=2&start=3&end=9"


def test_lone_surrogates_can_be_sent() -> None:
    printable("broken \ud800 text").encode("utf-8")


# --- an article -----------------------------------------------------------------------------------


def test_the_whole_article_has_the_quote_highlighted_and_teasers_set_apart() -> None:
    html = page_archive.article_html(ARTICLE, 21, 42)
    assert texts(html, "//p[mark]") == ["It rained on Monday. It poured on Tuesday."]
    assert texts(html, "//mark") == ["It poured on Tuesday."]
    (teasers,) = texts(html, "//*[@class='uncitable']")
    assert teasers.index("never cited") < teasers.index("Zebra")
    assert " ".join(texts(html, "/*")).count("Zebra escapes") == 1


def test_a_quote_over_two_paragraphs_is_marked_in_both() -> None:
    article = replace(ARTICLE, text="One two.\n\nThree four.", uncitable=())
    html = page_archive.article_html(article, 4, 15)
    assert texts(html, "//p[mark]") == ["One two.", "Three four."]
    assert texts(html, "//mark") == ["two.", "Three"]


@pytest.mark.parametrize(("start", "end"), [(0, 0), (-5, -1), (9, 3), (10**9, 10**9 + 1)])
def test_a_place_that_is_not_in_the_text_marks_nothing(start: int, end: int) -> None:
    assert not elements(page_archive.article_html(ARTICLE, start, end), "//mark")


def test_an_old_version_says_that_there_is_a_newer_one() -> None:
    assert "This is version 1." in page_archive.article_html(ARTICLE, latest=2)
    assert "This is version" not in page_archive.article_html(ARTICLE, latest=1)


def test_a_withdrawn_article_says_so() -> None:
    html = page_archive.article_html(replace(ARTICLE, status="withdrawn"))
    assert texts(html, "//*[@class='flag']") == ["Withdrawn"]


# --- what a browser keeps -------------------------------------------------------------------------


def test_an_exchange_survives_a_stay_in_a_browser() -> None:
    exchange = Exchange.of(answer(supported(), Sentence(text="It snowed.", verdict="unsupported")), "done")
    back = restored(json.loads(json.dumps(kept([exchange]))))
    assert back == [exchange]
    assert page.exchange_html(back[0], 1) == page.exchange_html(exchange, 1)


def test_an_exchange_that_was_being_written_comes_back_as_stopped() -> None:
    exchange = Exchange.of(answer(draft="It ra"), "writing")
    (back,) = restored(kept([exchange]))
    assert (back.state, back.draft) == ("stopped", "")


@pytest.mark.parametrize(
    "data",
    [
        None, "x", 3, {}, [None], ["x"], [[]], [{}], [{"question": 3}], [{"question": "?", "lines": "x"}],
        [{"question": "?", "lines": [{"text": "t", "numbers": ["x"]}]}], [{"question": "?", "cards": [{"title": "t"}]}],
        [{"question": "?", "unknown": "field"}],
        [{"question": "?", "cards": [{"article": "a", "title": "t", "number": "1"}]}],
    ],
)  # fmt: skip
def test_what_has_another_shape_is_left_out(data: object) -> None:
    assert restored(data) == []


def test_a_card_with_a_strange_day_is_shown_as_undated() -> None:
    assert outlet_and_day(Card(article="a", title="t", outlet="The Tide", day="soon")) == "The Tide · undated"


def test_the_browser_keeps_the_last_thirty_exchanges() -> None:
    many = [Exchange(question=str(n)) for n in range(40)]
    assert [e.question for e in restored(kept(many))] == [str(n) for n in range(10, 40)]


# --- the page around it ---------------------------------------------------------------------------


def test_the_status_line_names_articles_days_and_model() -> None:
    coverage = Coverage(articles=1234, first=datetime(2025, 1, 13).date(), last=datetime(2026, 6, 26).date())
    html = page.masthead(coverage, "Qwen2.5-Coder-1.5B-Instruct Q4_K_M")
    assert texts(html, "//h1 | //span") == [
        "Dateline",
        "1,234 articles",
        "13 Jan 2025 – 26 Jun 2026",
        "Qwen2.5-Coder-1.5B",
    ]


def test_an_empty_archive_says_how_to_fill_it() -> None:
    html = page.welcome([], [], "/data/news")
    assert "dateline ingest FILE-OR-FOLDER --data-dir /data/news" in html
    assert elements(html, "//*[@data-tab='Archive']")


def test_examples_ask_about_reports_in_their_language() -> None:
    pieces = [
        ARTICLE,  # a headline of one word says too little
        replace(ARTICLE, title="Council approves parking levy", language="en"),
        replace(ARTICLE, title="El puerto amplía su muelle", language="es"),
        replace(ARTICLE, title="Why the levy is a mistake", genre="Opinion"),
    ]
    assert page.examples_for(pieces) == [
        "What is known about “Council approves parking levy”?",
        "¿Qué se sabe de «El puerto amplía su muelle»?",
    ]


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("scheme", [":root", ".dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [("ink", "paper"), ("soft", "paper"), ("accent", "paper"), ("soft", "tint"), ("accent", "tint"), ("ink", "sheet"),
     ("soft", "sheet"), ("mark-ink", "mark"), ("on-accent", "accent")],
)  # fmt: skip
def test_text_has_the_contrast_of_wcag_aa(scheme: str, text: str, ground: str) -> None:
    block = re.search(rf"^{re.escape(scheme)} {{(.*?)}}", page.asset("page.css"), re.M | re.S)
    assert block
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block.group(1)))
    bright, dark = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
    assert (bright + 0.05) / (dark + 0.05) >= 4.5


def test_style_and_script_name_no_other_host() -> None:
    for name in ("page.css", "page.js"):
        assert not re.search(r"https?:|//[a-z]|@import|url\(", page.asset(name).replace("// ", ""))


def test_a_port_in_use_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--data-dir", str(tmp_path), "--port", str(port), "--llm", "none"]) == 2
    error = capsys.readouterr().err
    assert f"Port {port} of 127.0.0.1 cannot be used" in error
    assert "--port" in error
    assert error.count("\n") == 1


def test_a_model_that_is_not_there_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "missing.gguf"
    assert main(["serve", "--data-dir", str(tmp_path / "archive"), "--port", "0", "--llm", str(missing)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""  # the page never claimed to be up
    note, error = shown.err.splitlines()
    assert note == f"dateline: there was no archive at {tmp_path / 'archive'}; a new one is made, without articles."
    assert "missing.gguf" in error


# --- the form and the story of an answer ------------------------------------------------------------

STORY = Story(
    id="s1",
    headline=HOSTILE,
    articles=3,
    reports=2,
    first=date(2025, 3, 3),
    last=date(2025, 4, 9),
    outlets=("The Tide",),
)


def test_the_form_of_the_newest_answer_can_be_chosen() -> None:
    html = shown(answer(supported(), kind="timeline"))
    (summary,) = elements(html, "//details/summary")
    assert summary.get("aria-label") == "Form of the answer: timeline. Choose another"
    buttons = elements(html, "//details//button")
    assert [one.get("data-form") for one in buttons] == ["fact", *COMPOSERS]
    assert [one.get("data-form") for one in buttons if one.get("aria-current")] == ["timeline"]
    assert [one.get("data-form") for one in elements(shown(answer(supported())), "//button[@aria-current]")] == ["fact"]


@pytest.mark.parametrize(("state", "newest"), [("writing", True), ("done", False)])
def test_the_form_of_an_earlier_answer_or_a_growing_one_is_only_named(state: State, newest: bool) -> None:
    html = page.exchange_html(Exchange.of(answer(supported(), kind="timeline"), state), 3, newest=newest)
    assert not elements(html, "//details//button[@data-form]")
    assert [one.text for one in elements(html, "//p[@class='aside kind']")] == ["Form: timeline"]


def test_a_form_that_found_too_little_is_said() -> None:
    html = shown(answer(supported(), kind_dropped="list"))
    assert "Too little was found for the form “list”: this is a plain answer." in html
    assert "Too little" not in shown(answer(supported()))


def test_an_answer_names_the_story_that_it_is_part_of_and_links_to_it() -> None:
    exchange = replace(Exchange.of(answer(supported()), "done"), story=Part.of(STORY))
    html = page.exchange_html(exchange, 3)
    (link,) = elements(html, "//p[@class='part']/a")
    assert link.get("href") == "story/s1"
    assert texts(html, "//p[@class='part']") == ["Part of a story of 3 articles, 3 Mar–9 Apr 2025"]
    assert "alert(1)" not in html  # its headline may state what is outdated by now
    assert restored(json.loads(json.dumps(kept([exchange])))) == [exchange]
    assert not elements(shown(answer(supported())), "//p[@class='part']")


@pytest.mark.parametrize(
    ("within", "cited", "lead"),
    [(1, 1, "Part of"), (3, 3, "Part of"), (2, 3, "2 of the 3 articles cited are part of"),
     (1, 3, "1 of the 3 articles cited is part of")],
)  # fmt: skip
def test_the_story_of_some_cited_articles_is_not_said_of_all(within: int, cited: int, lead: str) -> None:
    exchange = replace(Exchange.of(answer(supported()), "done"), story=Part.of(STORY, within, cited))
    (said,) = texts(page.exchange_html(exchange, 3), "//p[@class='part']")
    assert said == f"{lead} a story of 3 articles, 3 Mar–9 Apr 2025"
    assert restored(json.loads(json.dumps(kept([exchange])))) == [exchange]


def test_a_story_that_an_earlier_version_kept_is_named_without_its_size() -> None:
    (data,) = kept([Exchange.of(answer(supported()), "done")])
    old = {"id": "s1", "headline": "Rain", "size": "3 articles, 2 independent reports", "days": "3 Mar 2025"}
    (exchange,) = restored([data | {"story": old}])
    assert texts(page.exchange_html(exchange, 3), "//p[@class='part']") == ["Part of a story, 3 Mar 2025"]


def test_a_story_of_another_shape_is_not_restored() -> None:
    (data,) = kept([Exchange.of(answer(supported()), "done")])
    for wrong in ({"id": 5}, {"colour": "red"}, "s1", [1]):
        assert restored([data | {"story": wrong}]) == []
    assert restored([{name: value for name, value in data.items() if name != "story"}])[0].story == Part()


def test_the_articles_of_a_story_stand_by_day() -> None:
    undated = replace(ARTICLE, id="late", published=None)
    html = page_archive.story_html(STORY, [ARTICLE, undated])
    assert [one.text for one in elements(html, "//h2")] == ["4 March 2025", "Undated"]
    assert [one.get("href") for one in elements(html, "//li//a")] == ["article/rain", "article/late"]
    assert "1 more" in html
    assert not elements(html, "//script")


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (date(2025, 3, 3), date(2025, 4, 9), "3 Mar–9 Apr 2025"),
        (date(2025, 3, 3), date(2025, 3, 9), "3–9 Mar 2025"),
        (date(2025, 3, 3), date(2025, 3, 3), "3 Mar 2025"),
        (date(2024, 12, 30), date(2025, 1, 2), "30 Dec 2024–2 Jan 2025"),
        (None, None, ""),
    ],
)
def test_the_days_of_a_story_are_short(first: date | None, last: date | None, words: str) -> None:
    assert short_days(replace(STORY, first=first, last=last)) == words
