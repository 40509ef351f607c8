"""How the page shows a composed answer: entries under day and outlet, sides beside each other, an article once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import lxml.html
import pytest

from rag.interfaces.page import conversation_view as page
from rag.interfaces.page.exchange import Exchange, kept, restored
from rag.schema import Answer, Article, Citation, Coverage, Hit, Passage, QuestionKind, Sentence

RAIN = Article(
    id="rain", title="Rain", outlet="The Tide", published=datetime(2025, 3, 4),
    text="It rained on Monday. It poured on Tuesday. \"It was wet,\" she said.",
)  # fmt: skip
SNOW = replace(RAIN, id="snow", title="Snow", text="It snowed on Monday.")
WIND = replace(RAIN, id="wind", title="Wind", outlet="Orr Courier", published=None, text="A gale blew.")


def quote(article: Article, number: int, words: str) -> Citation:
    passage = Passage(article=article, number=0, start=0, end=len(article.text))
    start = article.text.index(words)
    return Citation(number=number, passage=passage, start=start, end=start + len(words))


def told(label: str, citation: Citation, side: int = 0) -> Sentence:
    return Sentence(text=f"{label}: {citation.quote}", verdict="supported", citations=(citation,), side=side)


MONDAY, TUESDAY = quote(RAIN, 1, "It rained on Monday."), quote(RAIN, 2, "It poured on Tuesday.")
WET, SNOWED, BLEW = quote(RAIN, 3, '"It was wet," she said.'), quote(SNOW, 4, SNOW.text), quote(WIND, 5, WIND.text)


def answer(kind: QuestionKind, *sentences: Sentence) -> Answer:
    hits = {c.passage.id: Hit(passage=c.passage, score=1.0) for s in sentences for c in s.citations}
    return Answer(
        question="When did it rain?", answered=True, model="none", coverage=Coverage(articles=3), kind=kind,
        sentences=sentences, hits=tuple(hits.values()),
    )  # fmt: skip


def shown(kind: QuestionKind, *sentences: Sentence) -> Any:
    """The root element of the answer, as the browser gets it back after a reload."""
    exchange = Exchange.of(answer(kind, *sentences), "done")
    (back,) = restored(json.loads(json.dumps(kept([exchange]))))
    assert back == exchange
    return lxml.html.document_fromstring(page.exchange_html(back, 1))


def texts(root: Any, path: str) -> list[str]:
    return [" ".join(one.text_content().split()) for one in root.xpath(path)]


def test_day_and_outlet_stand_once_above_the_sentences_of_one_article() -> None:
    label = "4 March 2025, The Tide"
    root = shown("summary", told(label, MONDAY), told(label, TUESDAY), told(label, SNOWED), told(label, MONDAY))
    assert texts(root, "//ol/li/p[@class='label']") == ["4 March 2025 · The Tide"] * 3  # Snow is another article
    assert [one.get("datetime") for one in root.xpath("//li//time")] == ["2025-03-04"] * 3
    assert texts(root, "//ol/li[1]/p[@class='prose-text']") == ["It rained on Monday.1", "It poured on Tuesday.2"]


def test_a_speaker_stands_before_his_words_below_the_label_of_their_article() -> None:
    root = shown("statements", told("4 March 2025, The Tide", MONDAY), told("4 March 2025, The Tide, Prat", WET))
    assert texts(root, "//p[@class='label']") == ["4 March 2025 · The Tide"]
    assert texts(root, "//ol//p[@class='prose-text'][2]") == ['Prat: "It was wet," she said.3']


def test_a_timeline_has_an_entry_for_each_day_whoever_tells_of_it() -> None:
    root = shown("timeline", told("3 March 2025", MONDAY), told("3 March 2025", SNOWED), told("Undated", BLEW))
    assert texts(root, "//div[@class='composed timeline']/ol/li/p[@class='label']") == ["3 March 2025", "Undated"]
    assert len(root.xpath("//time")) == 1


def test_the_sides_of_a_comparison_stand_beside_each_other_below_what_tells_of_both() -> None:
    root = shown(
        "comparison",
        told("4 March 2025, The Tide", MONDAY),
        told("4 March 2025, The Tide", TUESDAY, 1),
        told("4 March 2025, The Tide", WET, 1),
        told("Undated, Orr Courier", BLEW, 2),
    )
    (sides,) = root.xpath("//div[@class='sides']")
    assert texts(sides, "./section//p[@class='label']") == ["4 March 2025 · The Tide", "Undated · Orr Courier"]
    assert [one.get("aria-label") for one in sides.xpath("./section")] == [
        "First side of the comparison",
        "Second side of the comparison",
    ]
    assert texts(root, "//div[@class='composed']/ol//p[@class='prose-text']") == ["It rained on Monday.1"]


def test_what_several_articles_say_alike_is_an_entry_too() -> None:
    alike = replace(told("4 March 2025, The Tide", MONDAY), citations=(MONDAY, SNOWED))
    root = shown("fact", Sentence(text="The sources may differ.", verdict="supported"), alike)
    assert texts(root, "//ol/li/p") == ["4 March 2025 · The Tide", "It rained on Monday.14"]


def test_what_quotes_no_article_is_no_entry() -> None:
    said = Sentence(text="Found in 1 of the 2 articles: there may be others.", verdict="supported")
    root = shown("list", told("Undated, Orr Courier", BLEW), said)
    assert texts(root, "//div[@class='composed']/p") == [said.text]
    assert len(root.xpath("//ol/li")) == 1


@pytest.mark.parametrize("front", ["Mayor Prat said", "4 March", "The Tide, 4 March 2025"])
def test_words_in_front_of_a_quote_that_are_no_day_stay_where_they_are(front: str) -> None:
    root = shown("summary", told(front, MONDAY))
    assert not root.xpath("//p[@class='label']")
    assert texts(root, "//p[@class='prose-text']") == [f"{front}: It rained on Monday.1"]


def test_the_copied_text_has_every_label_and_every_quote() -> None:
    label = "4 March 2025, The Tide"
    text = page.plain(Exchange.of(answer("summary", told(label, MONDAY), told(label, TUESDAY)), "done"))
    assert text.splitlines() == [
        "When did it rain?",
        "",
        "4 March 2025, The Tide: It rained on Monday. [1]",
        "4 March 2025, The Tide: It poured on Tuesday. [2]",
        "",
        "[1] Rain, The Tide · 4 March 2025: “It rained on Monday.”",
        "[2] Rain, The Tide · 4 March 2025: “It poured on Tuesday.”",
    ]


def test_an_article_is_one_card_with_each_of_its_quotes() -> None:
    label = "4 March 2025, The Tide"
    root = shown("summary", told(label, MONDAY), told("Undated, Orr Courier", BLEW), told(label, TUESDAY))
    assert texts(root, "//section[@class='card']/h4") == ["Rain", "Wind"]
    quotes = root.xpath("//section[h4='Rain']//li[@class='quote']")
    assert [one.get("id") for one in quotes] == ["t1-s1", "t1-s2"]
    assert texts(root, "//section[h4='Rain']//blockquote") == ["It rained on Monday.", "It poured on Tuesday."]
    assert [one.get("href") for one in root.xpath("//section[h4='Rain']//p[@class='open']/a")] == [
        "article/rain?version=1&end=20",
        "article/rain?version=1&start=21&end=42",
    ]
    assert {one.get("href")[1:] for one in root.xpath("//a[@class='cite']")} == set(root.xpath("//li/@id"))


def test_an_article_that_is_cited_is_not_found_besides() -> None:
    made = answer("summary", told("4 March 2025, The Tide", MONDAY))
    further = [Hit(passage=Passage(article=one, number=7, start=0, end=9), score=0.5) for one in (RAIN, WIND)]
    root = lxml.html.document_fromstring(
        page.exchange_html(Exchange.of(replace(made, hits=(*made.hits, *further)), "done"), 1)
    )
    assert texts(root, "//h4") == ["Rain", "Wind"]
    assert texts(root, "//summary[span][parent::*[@class='also-found']]") == ["Also found 1 article"]


def test_a_single_quote_keeps_what_is_around_it() -> None:
    root = shown("summary", told("4 March 2025, The Tide", TUESDAY))
    assert texts(root, "//blockquote") == [RAIN.text]
    assert texts(root, "//mark") == ["It poured on Tuesday."]


def test_what_an_article_tells_before_the_answer_is_there_names_its_day_once() -> None:
    growing = replace(answer("fact"), preview=(told("4 March 2025, The Tide", MONDAY),))
    root = lxml.html.document_fromstring(page.exchange_html(Exchange.of(growing, "writing"), 1))
    assert texts(root, "//div[@class='preview']/p[@dir]") == ["“It rained on Monday.” — The Tide, 4 March 2025"]
