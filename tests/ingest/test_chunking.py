from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunking import MAX_TOKENS, TARGET_TOKENS, embedded_text, passage_spans
from rag.language.tokens import count_tokens
from rag.schema import Article, Span

WORDS = st.sampled_from(
    [
        "rain",
        "Tuesday",
        "internationalisation",
        "12,500",
        "台北捷運新線",
        "Prat.",
        "so?",
        "«Sí!»",
        "a" * 900,
        "—",
        "e.g.",
    ]
)
PARAGRAPHS = st.lists(st.lists(WORDS, max_size=120).map(" ".join), max_size=6).map("\n\n".join)


@st.composite
def articles(draw: st.DrawFn) -> Article:
    text = draw(PARAGRAPHS)
    ends = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return Article(id="x", title="T", text=text, uncitable=tuple(zip(ends[::2], ends[1::2], strict=False)))


def plain(text: str, **fields: object) -> Article:
    return Article(id="x", title="T", text=text, **fields)  # type: ignore[arg-type]


def words_outside(article: Article, spans: list[Span]) -> str:
    """The citable characters, spaces aside, that no span covers."""
    covered = {i for start, end in [*spans, *article.uncitable] for i in range(start, end)}
    return "".join(c for i, c in enumerate(article.text) if i not in covered and not c.isspace())


@settings(deadline=None, max_examples=150)
@given(articles())
def test_passages_cover_all_that_may_be_cited_once_and_nothing_else(article: Article) -> None:
    spans = passage_spans(article)
    assert all(0 <= start < end <= len(article.text) for start, end in spans)
    assert all(one[1] <= following[0] for one, following in zip(spans, spans[1:], strict=False))
    assert not [s for s in spans for u in article.uncitable if max(s[0], u[0]) < min(s[1], u[1])]
    assert words_outside(article, spans) == ""
    assert all(not article.text[start].isspace() and not article.text[end - 1].isspace() for start, end in spans)


@settings(deadline=None, max_examples=150)
@given(articles())
def test_no_passage_is_longer_than_the_embedder_reads(article: Article) -> None:
    # A closing line of up to 40 tokens may be joined to a full passage: 200 + 40, within MiniLM's 256.
    assert all(count_tokens(article.text[start:end]) <= MAX_TOKENS + 40 for start, end in passage_spans(article))


def test_a_short_article_is_one_passage() -> None:
    article = plain("It rained. It poured.\n\nThen it stopped.")
    assert passage_spans(article) == [(0, len(article.text))]


def test_sentences_are_gathered_until_the_next_would_pass_the_bound() -> None:
    # 30 sentences of 10 words and a stop: 11 tokens each. 18 of them are 198, the 19th would pass 200.
    sentence = "One two three four five six seven eight nine words."
    assert count_tokens(sentence) == 11
    article = plain(" ".join([sentence] * 30))
    spans = passage_spans(article)
    assert [article.text[s:e].count("One") for s, e in spans] == [18, 12]


def test_a_passage_that_is_full_enough_ends_with_its_paragraph() -> None:
    # 15 sentences of 11 tokens are 165, past the target of 160: the paragraph's end is a good place to stop.
    paragraph = " ".join(["One two three four five six seven eight nine words."] * 15)
    assert TARGET_TOKENS < count_tokens(paragraph) < MAX_TOKENS
    article = plain(f"{paragraph}\n\n{paragraph}")
    assert passage_spans(article) == [(0, len(paragraph)), (len(paragraph) + 2, len(article.text))]


def test_a_lone_closing_line_joins_the_passage_before_it() -> None:
    paragraph = " ".join(["One two three four five six seven eight nine words."] * 15)
    article = plain(f"{paragraph}\n\nReporting by Ana Prat.")
    assert passage_spans(article) == [(0, len(article.text))]


def test_a_passage_does_not_reach_over_what_may_not_be_cited() -> None:
    text = "Before it.\nRead also: Zebra escapes\nAfter it."
    box = text.index("Read"), text.index("\nAfter")
    article = plain(text, uncitable=(box,))
    assert [text[s:e] for s, e in passage_spans(article)] == ["Before it.", "After it."]


def test_nothing_is_left_when_all_is_uncitable_or_empty() -> None:
    assert passage_spans(plain("Teasers only", uncitable=((0, 12),))) == []
    assert passage_spans(plain(" \n ")) == []


def test_an_endless_sentence_is_cut_at_spaces() -> None:
    article = plain(" ".join(["word"] * 1000))
    spans = passage_spans(article)
    assert len(spans) >= 5
    assert {article.text[s:e].split(" ")[0] for s, e in spans} == {"word"}


def test_a_text_of_a_million_characters_without_a_stop_is_cut_in_seconds() -> None:
    began = process_time()
    passage_spans(plain("word " * 200_000))
    assert process_time() - began < 5


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"outlet": "The Tide", "published": datetime(2025, 3, 4, 8)}, "\nT | The Tide | 2025-03-04"),
        ({}, "\nT"),
    ],
)
def test_headline_outlet_and_day_are_embedded_after_a_passage(fields: dict[str, object], end: str) -> None:
    article = plain("It rained. It poured.", **fields)
    assert embedded_text(article, (0, 10)) == f"It rained.{end}"
    assert embedded_text(replace(article, title="", outlet="", published=None), (0, 10)) == "It rained."
