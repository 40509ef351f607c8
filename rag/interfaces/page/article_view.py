"""The archive's tab and the article as HTML: the list, what became of an upload, the text. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from rag.interfaces.page.conversation import article_href, flags, headline, meta_text, text_of
from rag.interfaces.page.exchange import card_of
from rag.schema import Article

UPLOAD_HINT = (
    '<p class="hint">Text, Markdown, HTML, PDF, Word, JSON, JSON Lines, CSV, or a zip of them. '
    "They are read and stored on this machine.</p>"
)
READ_ONLY_HINT = (
    '<p class="hint">Your key reads and asks. Adding and removing articles takes a key with the scope “ingest”: '
    '<a href="/login">log in with another key</a>.</p>'
)


def listing(articles: Sequence[Article], total: int, searched: str, *, removable: bool = True) -> str:
    """The articles of the archive as a list, each with a button that removes it where the reader may."""
    if not articles:
        said = f"No article has “{searched}” in headline, outlet or byline." if searched else "No article yet."
        return f'<p class="aside">{text_of(said)}</p>'
    rows = "".join(_row(article, removable) for article in articles)
    shown = f"{len(articles):,}"
    count = f"{shown} of {total:,} articles" if not searched and total > len(articles) else f"{shown} found"
    return f'<p class="count">{count}, newest first</p><ul class="listing">{rows}</ul>'


def _row(article: Article, removable: bool) -> str:
    title = text_of(article.title or article.id)
    byline = f'<span class="byline">{text_of(article.byline)}</span>' if article.byline else ""
    button = (
        f'<button type="button" class="quiet" data-remove="{text_of(article.id)}" data-title="{title}" '
        f'aria-label="Remove {title}">Remove</button>'
    )
    return f"<li><div>{headline(article)}{byline}</div>{button if removable else ''}</li>"


def report_html(report: Mapping[str, Any], *, running: bool) -> str:
    """What became of an upload, as far as it has come."""
    updated = f" ({report['updated']} new versions)" if report["updated"] else ""
    refused = sum(report["rejected"].values())
    parts = [
        f"{report['read']} read",
        f"{report['kept']} kept{updated}",
        f"{report['unchanged']} unchanged",
        f"{report['withdrawn']} withdrawn" if report["withdrawn"] else "",
        f"{refused} rejected",
    ]
    state = "Reading and indexing" if running else "Done"
    took = f"{report['passages']:,} passages, {report['seconds']:.0f} s"
    rows = "".join(
        f"<li><em>{text_of(one['reason'])}</em> {text_of(one['message'])}</li>" for one in report["rejections"][:50]
    )
    more = f"<li>… and {refused - 50} more</li>" if refused > 50 else ""
    return (
        f'<div class="report" role="status" data-state="{"running" if running else "done"}">'
        f"<p><strong>{state}{' …' if running else '.'}</strong> {text_of(', '.join(p for p in parts if p))}.</p>"
        f'<p class="aside">{took}</p>{f"<ul class=rejections>{rows}{more}</ul>" if rows else ""}</div>'
    )


# --- the article ----------------------------------------------------------------------------------


def article_html(article: Article, start: int = 0, end: int = 0, latest: int = 0) -> str:
    """A whole article; the characters from `start` to `end` in <mark>, what may not be cited set apart."""
    parts = []
    for begin, stop, citable in _regions(article):
        spans = _paragraphs(article.text, begin, stop)
        body = "".join(f'<p dir="auto">{_highlighted(article.text, *span, start, end)}</p>' for span in spans)
        if body and not citable:
            body = f'<div class="uncitable"><p class="label">Not part of the article: never cited</p>{body}</div>'
        parts.append(body)
    return f'<article class="whole">{_article_head(article, latest)}{"".join(parts)}</article>'


def _article_head(article: Article, latest: int) -> str:
    card = card_of(article)
    by = f" · {article.byline}" if article.byline else ""
    link = ""
    host = web_host(article.url)
    if host:
        link = (
            f'<p class="open"><a href="{text_of(article.url)}" target="_blank" rel="noopener noreferrer">'
            f"Original at {text_of(host)}</a></p>"
        )
    newer = ""
    if latest > article.version:
        href = text_of(article_href(article.id))
        newer = (
            f'<p class="aside">This is version {article.version}. <a class="reader" href="{href}">Version {latest}</a> '
            "is the current one.</p>"
        )
    about = f'<p class="meta">{text_of(meta_text(card) + by)}{flags(card)}</p>'
    return f'<h1 dir="auto">{text_of(card.title)}</h1>{about}{newer}{link}'


def web_host(url: str) -> str:
    """The host of an address that a browser may open, else "": `javascript:` and the like are no place to go to."""
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


def _highlighted(text: str, begin: int, stop: int, start: int, end: int) -> str:
    first, last = max(begin, min(start, stop)), min(stop, max(end, begin))
    if first >= last:
        return text_of(text[begin:stop])
    return f"{text_of(text[begin:first])}<mark>{text_of(text[first:last])}</mark>{text_of(text[last:stop])}"
