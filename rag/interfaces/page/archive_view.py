"""The HTML of the Archive tab and of an article. Pure functions; the markup is in `templates/`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from rag.interfaces.page.exchange import Card, Part, card_of, day_text
from rag.interfaces.page.templating import article_address, render
from rag.schema import Article, Story
from rag.terminal import counted

MOST_REJECTIONS = 50  # are named in a report; all are counted


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of the list."""

    card: Card
    byline: str


@dataclass(frozen=True, slots=True)
class _Region:
    """A stretch of an article; each paragraph is (text before the quote, quote, text after it)."""

    citable: bool
    paragraphs: list[tuple[str, str, str]]


def upload_hint(*, may_change: bool) -> str:
    """What can be uploaded, or which key that takes."""
    return render("upload_hint.html", may_change=may_change)


def listing(articles: Sequence[Article], total: int, searched: str, *, removable: bool = True) -> str:
    """The articles of the archive as a list, with a button that removes each where the reader may.

    `total` is the number of live articles in the archive, `searched` the words of the search box.
    """
    shown = f"{len(articles):,}"
    count = f"{shown} of {total:,} articles" if not searched and total > len(articles) else f"{shown} found"
    entries = [_Entry(card_of(article), article.byline) for article in articles]
    return render("listing.html", entries=entries, count=count, searched=searched, removable=removable)


def story_html(story: Story, articles: Sequence[Article]) -> str:
    """A story and its articles by day, in their order; says how many of it are left out."""
    by_day = [
        (day_text(day) if day else "Undated", [card_of(one) for one in of_day])
        for day, of_day in groupby(articles, key=lambda one: one.day)
    ]
    return render("story.html", part=Part.of(story), by_day=by_day, more=max(0, story.articles - len(articles)))


def report_html(report: Mapping[str, Any], *, running: bool) -> str:
    """What became of an upload so far. `report` is IngestReport.as_dict()."""
    updated = f" ({counted(report['updated'], 'new version')})" if report["updated"] else ""
    rejected = sum(report["rejected"].values())
    counts = [
        f"{report['read']} read",
        f"{report['kept']} kept{updated}",
        f"{report['unchanged']} unchanged",
        f"{report['withdrawn']} withdrawn" if report["withdrawn"] else "",
        f"{rejected} rejected",
    ]
    return render(
        "report.html",
        running=running,
        counts=", ".join(filter(None, counts)),
        size=f"{counted(report['passages'], 'passage')}, {report['seconds']:.0f} s",
        rejections=report["rejections"][:MOST_REJECTIONS],
        unnamed=rejected - MOST_REJECTIONS,
    )


# --- the article ----------------------------------------------------------------------------------


def article_html(article: Article, start: int = 0, end: int = 0, latest: int = 0) -> str:
    """A whole article: the characters from `start` to `end` in <mark>, text that may not be cited set apart.

    `latest` is the number of the current version; an older one links to it.
    """
    return render(
        "article.html",
        card=card_of(article),
        byline=article.byline,
        latest=latest,
        newest_address=article_address(article.id),
        url=article.url,
        host=web_host(article.url),
        regions=[
            _Region(citable, found)
            for begin, stop, citable in _regions(article)
            if (found := [_split(article.text, *span, start, end) for span in _paragraphs(article.text, begin, stop)])
        ],
    )


def document(title: str, body: str, base: str = "", style: str = "") -> str:
    """A page of its own, without script: an article opened in a new tab. `body` is HTML of this module.

    `base` is the address of the archive on the server, without a slash at its end. `style` is the text of a style sheet
    that the page is to hold, where that of the archive may ask for a key.
    """
    return render("document.html", title=title, body=body, base=base, style=style)


def web_host(url: str) -> str:
    """The host of an address that a browser may open, else "": a `javascript:` address must not become a link."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.hostname or "" if parts.scheme in {"http", "https"} else ""


def _regions(article: Article) -> list[tuple[int, int, bool]]:
    """The text cut into stretches that may (True) and may not be cited."""
    found, at, size = [], 0, len(article.text)
    for start, end in sorted(article.uncitable):
        start, end = max(start, at), min(end, size)
        if start < end:
            found += [(at, start, True), (start, end, False)]
            at = end
    return [region for region in [*found, (at, size, True)] if region[0] < region[1]]


def _paragraphs(text: str, start: int, end: int) -> list[tuple[int, int]]:
    return [(start + m.start(), start + m.end()) for m in re.finditer(r"[^\n]*\S[^\n]*", text[start:end])]


def _split(text: str, begin: int, stop: int, start: int, end: int) -> tuple[str, str, str]:
    """text[begin:stop] before, within and after the characters from `start` to `end`."""
    first, last = max(begin, min(start, stop)), min(stop, max(end, begin))
    if first >= last:
        return text[begin:stop], "", ""
    return text[begin:first], text[first:last], text[last:stop]
