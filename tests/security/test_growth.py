"""Hostile input costs time in proportion to its length: four times the input, about four times the time, never more.

Each row is a step of reading or cleaning and a piece of text that is repeated. Quadratic work shows as a factor of 16.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from eval.performance.fuzz import TooSlow, time_limit
from ingest.chunking import passage_spans
from ingest.cleaning.boilerplate import uncitable_spans
from ingest.cleaning.text import clean, join_lines, unwrap
from ingest.metadata.addresses import canonical_url
from ingest.metadata.dates import parse_date
from ingest.metadata.text_lines import dateline_fields, text_fields
from ingest.metadata.values import byline_names, one_line, slug
from ingest.readers.files import ReadOptions, read_bytes
from ingest.readers.markdown import from_markdown
from ingest.readers.pages.page import fragment_text, page_fields
from rag.errors import BadInput
from rag.language.identify import detect_language
from rag.language.names import names
from rag.language.sentences import sentence_spans
from rag.language.tokens import count_tokens, fold, tokens
from rag.schema import Article

SMALL, LARGE = 12_000, 48_000
FLOOR = 0.03  # seconds: below it the large input is quick, whatever the factor says
MOST_SECONDS = 6.0  # the large input, on a slow and busy machine
MOST_GROWTH = 12.0  # linear work gives 4, quadratic 16; the rest is noise
PROSE = (
    "The council voted on Monday to close the bridge for nine weeks, because the bearings that carry its deck have "
    "worn through, and said that buses would run every ten minutes."
)


@pytest.fixture(autouse=True, scope="module")
def only_own_garbage() -> Iterator[None]:
    """Keeps what other tests of the process left out of every collection: half a second each, forty times a test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def seconds(step: Callable[[str], object], text: str, *, runs: int = 1) -> float:
    """Processor time of the quickest of so many runs.

    Without the garbage collector, which would run at any time.
    """
    taken = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(runs):
            began = time.process_time()
            with time_limit(2 * MOST_SECONDS), suppress(BadInput):
                step(text)
            taken.append(time.process_time() - began)
    finally:
        gc.enable()
    return min(taken)


def check_growth(step: Callable[[str], object], make: Callable[[int], str]) -> None:
    """Fails where the time for the large input is too long, or out of proportion to that for the small one."""
    small = seconds(step, make(SMALL), runs=2)
    large = seconds(step, make(LARGE))
    assert large < MOST_SECONDS
    if large > FLOOR:
        growth = min(large, seconds(step, make(LARGE))) / max(small, FLOOR / 8)
        assert growth < MOST_GROWTH, f"{LARGE // SMALL} times the input took {growth:.1f} times the time"


def repeated(unit: str, start: str = "", end: str = "") -> Callable[[int], str]:
    return lambda size: start + unit * (max(0, size - len(start) - len(end)) // len(unit)) + end


def read_as(suffix: str) -> Callable[[str], object]:
    return lambda text: list(read_bytes(text.encode("utf-8", "replace"), f"hostile{suffix}", ReadOptions()))


def lines_of(text: str) -> object:
    return join_lines(text.split("\n"))


def chunks_of(text: str) -> object:
    return passage_spans(Article(id="a", title="t", text=text, uncitable=()))


PLAIN = {
    "spaces": (" ", "x", "x"),
    "lines of one space": (" \n", "x", "x"),
    "spaces in a line": ("x" + " " * 50, "", "x"),
    "combining marks": ("\u0301\u0316", "e", ""),
    "Hangul": ("\u1100\u1161\u11a8", "", ""),
    "line feeds": ("\n", "x", "x"),
    "full stops": (". A", "", ""),
    "full stops without space": ("aa.Ab", "", ""),
    "question marks": ("? ", "", ""),
    "one letter": ("a", "", ""),
    "one digit": ("1", "", ""),
    "digits and commas": ("1,", "", "1"),
    "ideographs": ("市", "", ""),
    "dashes": (" - x", "a", ""),
    "hyphens at line ends": ("wo-\nrd", "", ""),
    "opening tags": ("<a ", "", ""),
    "tags": ("<a>", "", ""),
    "ampersands": ("&", "", ""),
    "references": ("&#1", "", ";"),
    "read more": ("Read more\n", PROSE + "\n", ""),
    "read more and headlines": ("Read more\nMayor opens the new bridge\n", PROSE + "\n", ""),
    "related articles": ("Related articles\nMayor opens bridge\nHe cut it.\n", PROSE + "\n", ""),
    "weak headings": ("More about bridges\nMayor opens the bridge\n", PROSE + "\n", ""),
    "pointers and blurbs": ("Read also:\nMayor opens the bridge\nHe said so at noon.\n", PROSE + "\n", ""),
    "short paragraphs": ("Mayor said.\n\n", PROSE + "\n", ""),
    "capitals in brackets": ("A A(", "", ""),
    "sign-up lines": ("please sign up to " + "get " * 50 + "\n", PROSE + "\n", ""),
    "slashes": ("http://a.example/?a=1&utm_a=", "", ""),
    "expanding letters": ("\ufdfa", "", ""),
}
PLAIN_STEPS = {
    "clean": clean,
    "unwrap": unwrap,
    "join_lines": lines_of,
    "from_markdown": from_markdown,
    "uncitable_spans": uncitable_spans,
    "one_line": one_line,
    "byline_names": byline_names,
    "text_fields": text_fields,
    "dateline_fields": dateline_fields,
    "parse_date": parse_date,
    "slug": slug,
    "canonical_url": canonical_url,
    "fold": fold,
    "tokens": tokens,
    "sentence_spans": sentence_spans,
    "names": names,
    "count_tokens": count_tokens,
    "detect_language": detect_language,
    "passage_spans": chunks_of,
}


@pytest.mark.parametrize("unit", PLAIN)
def test_every_cleaning_step_takes_time_in_proportion(unit: str) -> None:
    """All steps on one kind of text; the message names the step."""
    repeat, start, end = PLAIN[unit]
    failed = {}
    for name, step in PLAIN_STEPS.items():
        try:
            check_growth(step, repeated(repeat, start, end))
        except (AssertionError, TooSlow) as error:
            failed[name] = str(error).split("\n")[0]
    assert failed == {}


MARKDOWN = {
    "links that open": "[",
    "link texts that open": "[a](",
    "link ends": "](",
    "images": "![",
    "definitions": "\n[a",
    "definitions without address": "\n[a]:",
    "addresses": "<http://",
    "strong": "**a ",
    "strong underlined": "__a ",
    "struck": "~~a ",
    "emphasis": "*a ",
    "underlined": "_a ",
    "stars": "*",
    "code": "`",
    "code and words": "`a``b",
    "comments": "<!--",
    "hidden elements": "<a style='display:none'>",
    "hidden and closed": "<a hidden></a>",
    "quotes": "> ",
    "nested quotes": "\n> > > > > >",
    "headings": "# ",
    "heading and spaces": "\n# a" + " " * 2000 + "x",
    "rules": "* ",
    "rule and spaces": "***" + " " * 3000 + "x\n",
    "underlines": "\n--",
    "lists": "\n- ",
    "backslashes": "\\",
    "lines": "word word word word word word word word word word word word\n",
    "front matter": "tags:\n",
}


@pytest.mark.parametrize("unit", MARKDOWN)
def test_markdown_takes_time_in_proportion(unit: str) -> None:
    check_growth(read_as(".md"), repeated(MARKDOWN[unit], PROSE + "\n\n"))
    check_growth(from_markdown, repeated(MARKDOWN[unit], "", "x"))


@pytest.mark.parametrize("unit", ["- item\n", "more words\n", "a" + " " * 500 + "\n", "x: [" + "a," * 300 + "]\n"])
def test_front_matter_takes_time_in_proportion(unit: str) -> None:
    check_growth(read_as(".md"), repeated(unit, "---\nkey:\n", f"---\n{PROSE}"))


PAGES = {
    "comments before a feed": ("<!-- -->", "", "<!-"),
    "comments that open": ("<!--", "", ""),
    "spaces": (" ", "", ""),
    "opening tags": ("<a ", "", ""),
    "divisions": ("<div>", "", ""),
    "nested inline": ("<b><i>", "", "word"),
    "nested and hidden": ("<div class='share'>", "", ""),
    "nested hidden spans": ("<span hidden>", "", "word"),
    "hidden beside": ("<i hidden></i>word ", "<p>", "</p>"),
    "paragraphs": (f"<p>{PROSE}</p>", "", ""),
    "hidden paragraphs": (f"<p hidden>{PROSE}</p>", "", ""),
    "boxes": (f"<div class='share'><p>{PROSE}</p></div>", "", ""),
    "nested boxes": ("<div class='share'><p>words</p>", "", ""),
    "headlines": ("<h1>x</h1>", "", ""),
    "headlines with times": ("<h1></h1><time>x</time>", "", ""),
    "headlines with dates": ("<h1></h1><b class='date'>x</b>", "", ""),
    "article bodies": ("<div class='article-body'>", "", ""),
    "article bodies beside": ("<div class='article-body'>x</div>", "", ""),
    "tables": ("<table><tr><td>", "", ""),
    "cells": ("<td>x", "<table><tr>", ""),
    "lists": ("<ul><li>x", "", ""),
    "quotations": ("<blockquote>words", "", ""),
    "breaks": ("<br>", "<p>", "x</p>"),
    "breaks and spaces": ("<br>" + " " * 200, "<p>", "x</p>"),
    "fonts": ("<font>x", "", ""),
    "emphasis": ("<em>x</em> ", "<p>", ""),
    "line feeds": ("x\n", "<p>", ""),
    "links in a paragraph": ("<a href=x>x</a> ", "<p>", ""),
    "links": ("<p><a href='/x'>words of a link</a></p>", "", ""),
    "style sheets that open": ("@import ", "<style>", "</style>"),
    "style sheet rules": (".a{}", "<style>", "</style><p class=a>x"),
    "style sheet braces": ("{", "<style>", "</style>"),
    "style sheet comments": ("/*", "<style>", "</style>"),
    "media rules": ("@media{a{", "<style>", "</style>"),
    "hiding rules": (".a,#b,i{display:none}", "<style>", "</style>" + "<i>x</i>" * 99),
    "titles": ("a - b | ", "<title>", "</title>"),
    "named scripts": ("]]> ", "<script type='application/ld+json'>", "x</script>"),
    "many scripts": ("<script type='application/ld+json'>[{}]</script>", "", ""),
    "bylines": ("<i class=byline></i>", "", ""),
    "metas": ("<meta name=a content=b>", "", ""),
    "attributes": ("a ", "<p ", ">x"),
    "style attributes": ("font-size:0", "<p style='", "'>x"),
    "classes": ("cookie", "<p class='-", "!'>x"),
    "references": ("&#00", "<p>", ""),
    "amps": ("&amp", "<p>", ""),
}


@pytest.mark.parametrize("unit", PAGES)
def test_pages_take_time_in_proportion(unit: str) -> None:
    repeat, start, end = PAGES[unit]
    article = f"<article><h1>Bridge closed</h1><p>{PROSE}</p><p>{PROSE}</p></article>"
    check_growth(page_fields, repeated(repeat, start, end + article))
    check_growth(fragment_text, repeated(repeat, start, end))
