"""The page as HTML: the conversation with its sources, and what stands around it. Pure functions.

Every text of others is escaped here. What an exchange is stands in `exchange`, the archive's tab and the article in
`article_view`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from pathlib import Path
from urllib.parse import quote, urlencode

from rag.interfaces.page.exchange import Card, Exchange, Line, card_of, day_text, opinion
from rag.schema import Article, Coverage, Sentence, marked

_STATIC = Path(__file__).parent / "static"
_UNPRINTABLE = {code: " " for code in [*range(9), 11, 12, *range(14, 32), *range(127, 160)]}
# Direction overrides would let an article show its words in another order than they are.
_UNPRINTABLE |= {code: "" for code in [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]}


# The page's sign in a row of tabs: a serif D on its red.
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' "
    "rx='5' fill='%238f1d18'/%3E%3Ctext x='16' y='24' font-family='Georgia,serif' font-size='23' font-weight='700' "
    "text-anchor='middle' fill='%23fbfaf6'%3ED%3C/text%3E%3C/svg%3E"
)
HEAD = (
    '<link rel="stylesheet" href="/dateline/page.css"><script src="/dateline/page.js" defer></script>'
    f'<link rel="icon" href="{_ICON}"><meta name="color-scheme" content="light dark">'
)


# --- answers --------------------------------------------------------------------------------------


def text_of(value: str) -> str:
    """Escaped for HTML; without characters that cannot be shown or sent."""
    return escape(value.translate(_UNPRINTABLE).encode("utf-8", "replace").decode())


def conversation(exchanges: Sequence[Exchange], first: int = 1) -> str:
    """Exchanges one below the other; `first` is the number of the first one in the conversation."""
    return "".join(exchange_html(exchange, first + i) for i, exchange in enumerate(exchanges))


def exchange_html(exchange: Exchange, place: int) -> str:
    """A question, its answer and beside it the sources; ids begin with `t` and the place in the conversation."""
    busy = "true" if exchange.state == "writing" else "false"
    return (
        f'<article class="turn" data-key="t{place}" data-state="{exchange.state}">'
        f'<div class="said"><h2 dir="auto">{text_of(exchange.question)}</h2>'
        f'<div class="answer" role="log" aria-live="polite" aria-busy="{busy}" aria-label="Answer">'
        f"{_said(exchange, place)}</div>{_foot(exchange)}</div>"
        f"{_sources(exchange, place)}</article>"
    )


def _said(exchange: Exchange, place: int) -> str:
    titles = {card.number: card.title for card in exchange.cards}
    parts = [_sentence(line, place, titles) for line in exchange.lines]
    if exchange.draft.strip():
        parts.append(f'<span class="draft">{text_of(exchange.draft)}</span>')
    body = f'<p class="prose-text" dir="auto">{" ".join(parts)}</p>' if parts else ""
    if exchange.refusal and not exchange.lines:
        body += '<div class="refusal"><p class="kicker">Not in the archive</p>'
        body += f'<p dir="auto">{text_of(exchange.refusal)}</p>'
        if exchange.withheld:
            body += '<p class="aside">A draft was written and taken back: no article carries its words.</p>'
        body += "</div>"
    if exchange.state == "writing" and not parts:
        found = len(exchange.cards)
        waiting = (
            f"Reading {found} passage{'' if found == 1 else 's'}"
            if found
            else exchange.notice or "Searching the archive"
        )
        return f'{body}<p class="waiting">{text_of(waiting)} …</p>'
    return body + (notice_html(exchange.notice) if exchange.notice else "")


def _sentence(line: Line, place: int, titles: Mapping[int, str]) -> str:
    markers = "".join(_marker(number, place, titles.get(number, "")) for number in line.numbers)
    if not line.reason:
        return f'<span class="sentence">{text_of(line.text)}{markers}</span>'
    return (
        f'<span class="sentence unsupported"><span class="claim">{text_of(line.text)}</span>{markers} '
        f'<span class="why">not supported: {text_of(line.reason)}</span></span>'
    )


def _marker(number: int, place: int, title: str) -> str:
    label = text_of(f"source {number}: {title}")
    return f'<a class="cite" href="#t{place}-s{number}" aria-label="{label}" title="{text_of(title)}">{number}</a>'


def _foot(exchange: Exchange) -> str:
    if exchange.state == "writing":
        return ""
    how = "Stopped" if exchange.state == "stopped" and not exchange.notice else ""
    if exchange.lines and exchange.state == "done":
        how = f"Written by {exchange.model}, checked sentence by sentence"
        if exchange.model.startswith("extraction"):
            how = "Sentences of the articles, word for word"
    took = f"{exchange.seconds:.1f} s" if exchange.seconds else ""
    said = " · ".join(part for part in (how, took) if part)
    copy = ""
    if exchange.lines:
        copy = f'<button type="button" class="quiet" data-copy="{text_of(plain(exchange))}">Copy with sources</button>'
    return f'<p class="foot"><span>{text_of(said)}</span>{copy}</p>' if said or copy else ""


def plain(exchange: Exchange) -> str:
    """The answer with its numbers and sources, for the clipboard."""
    said = []
    for line in exchange.lines:
        sentence = Sentence(text=line.text, verdict="supported")
        markers = "".join(f"[{number}]" for number in line.numbers)
        doubt = f" (not supported: {line.reason})" if line.reason else ""
        said.append(f"{marked(sentence)} {markers}".strip() + doubt)
    cards = [f"[{c.number}] {c.title}, {meta_text(c)}: “{c.quote}”" for c in exchange.cards if c.number]
    return "\n".join([exchange.question, "", " ".join(said), "", *cards])


def notice_html(text: str) -> str:
    """One line that says what is wrong."""
    return f'<p class="notice" role="alert">{text_of(text)}</p>' if text else ""


# --- sources --------------------------------------------------------------------------------------


def _sources(exchange: Exchange, place: int) -> str:
    cited = [card for card in exchange.cards if card.number]
    found = [card for card in exchange.cards if not card.number]
    if not exchange.cards:
        return '<aside class="sources" aria-label="Sources"></aside>'
    head = "Sources" if cited else "Closest passages" if exchange.refusal else "Found in the archive"
    first = cited or (found[:3] if exchange.refusal else found)
    more = "".join(card_html(card, place) for card in exchange.cards if card not in first)
    body = "".join(card_html(card, place) for card in first)
    if more:
        count = len(exchange.cards) - len(first)
        body += f'<details class="also-found"><summary>Also found <span>{count}</span></summary>{more}</details>'
    return f'<aside class="sources" aria-label="{head}"><h3>{head}</h3>{body}</aside>'


def card_html(card: Card, place: int) -> str:
    """A source: number, headline, outlet and day, the passage with the cited words in <mark>."""
    number = f'<span class="number" aria-hidden="true">{card.number}</span>' if card.number else ""
    identity = f' id="t{place}-s{card.number}" tabindex="-1"' if card.number else ""
    label = f"Source {card.number}: {card.title}" if card.number else card.title
    words = f"<mark>{text_of(card.quote)}</mark>" if card.quote else ""
    also = f'<p class="also">Also in {text_of(", ".join(card.also))}</p>' if card.also else ""
    href = text_of(article_href(card.article, card.version, card.start, card.end))
    return (
        f'<section class="card"{identity} aria-label="{text_of(label)}">'
        f'<h4 dir="auto">{number}<a class="reader" href="{href}">{text_of(card.title)}</a></h4>'
        f'<p class="meta">{text_of(meta_text(card))}{flags(card)}</p>'
        f'<blockquote dir="auto">{text_of(card.before)}{words}{text_of(card.after)}</blockquote>{also}'
        f'<p class="open"><a class="reader" href="{href}" aria-label="Open article: {text_of(card.title)}">'
        "Open article</a></p></section>"
    )


def flags(card: Card) -> str:
    """What a reader should know beside outlet and day: the genre of an opinion, a later version."""
    return "".join(f' <span class="flag">{text_of(flag)}</span>' for flag in (card.genre, card.note) if flag)


def article_href(article_id: str, version: int = 0, start: int = 0, end: int = 0) -> str:
    """Where the reader finds an article, with the words to highlight."""
    query = {name: value for name, value in (("version", version), ("start", start), ("end", end)) if value}
    return f"/article/{quote(article_id, safe='')}{'?' + urlencode(query) if query else ''}"


def meta_text(card: Card) -> str:
    """`The Tide · 3 March 2025` as far as it is known."""
    try:
        day = day_text(date.fromisoformat(card.day)) if card.day else "undated"
    except ValueError:
        day = "undated"
    return " · ".join(part for part in (card.outlet, day) if part)


# --- the page around it ---------------------------------------------------------------------------


LOG_OUT = '<form class="account" method="post" action="/logout"><button class="link">Log out</button></form>'


def masthead(coverage: Coverage, model: str) -> str:
    """The nameplate and the status line: articles, days, model."""
    count = f"{coverage.articles:,} article{'' if coverage.articles == 1 else 's'}"
    span = ""
    if coverage.first and coverage.last:
        first, last = (f"{day.day} {day:%b %Y}" for day in (coverage.first, coverage.last))
        span = first if first == last else f"{first} – {last}"
    parts = [count, span, re.sub(r"(-Instruct)? Q\d\w*$", "", model)]
    line = "".join(f"<span>{text_of(part)}</span>" for part in parts if part)
    return f'<header class="masthead"><h1>Dateline</h1><p class="status">{line}</p></header>'


def welcome(articles: Sequence[Article], examples: Sequence[str], folder: str) -> str:
    """What an empty conversation shows: example questions and the latest articles, or how to fill the archive."""
    if not articles:
        return (
            '<section class="welcome empty"><h2>The archive is empty</h2>'
            "<p>Dateline answers from articles that you give it. Drop files or a zip on the "
            '<button type="button" class="link" data-tab="Archive">Archive tab</button>, or run</p>'
            f"<pre><code>dateline ingest FILE-OR-FOLDER --data-dir {text_of(folder)}</code></pre></section>"
        )
    escaped = [text_of(ask) for ask in examples]
    asks = "".join(f'<li><button type="button" data-ask="{ask}" dir="auto">{ask}</button></li>' for ask in escaped)
    latest = "".join(f"<li>{headline(article)}</li>" for article in articles)
    return (
        '<section class="welcome"><div class="said"><h2>Ask the archive</h2>'
        "<p>Answers come from the stored articles only. Every sentence shows the words it rests on; "
        "what no article says is not answered.</p>"
        f'<h3>For example</h3><ul class="asks">{asks}</ul></div>'
        f'<aside class="latest"><h3>Latest in the archive</h3><ul>{latest}</ul></aside></section>'
    )


def examples_for(articles: Sequence[Article], most: int = 4) -> list[str]:
    """Questions about stored articles: reports with a headline of readable length, one for each headline."""
    titles = {a.title: a.language for a in articles if 15 <= len(a.title) <= 100 and not opinion(a)}
    asks = [f"¿Qué se sabe de «{t}»?" if lang == "es" else f"What is known about “{t}”?" for t, lang in titles.items()]
    return asks[:most]


def headline(article: Article) -> str:
    """The title, which opens the article, and below it outlet and day."""
    card = card_of(article)
    return (
        f'<a class="reader" dir="auto" href="{text_of(article_href(article.id))}">{text_of(card.title)}</a>'
        f'<span class="meta">{text_of(meta_text(card))}{flags(card)}</span>'
    )


def on_click(name: str) -> str:
    """Script of a component: a click on what carries `data-<name>` becomes its event `<name>`, with that value."""
    return (
        "element.addEventListener('click', (event) => {"
        f"const hit = event.target.closest('[data-{name}]');"
        "if (!hit || (hit.dataset.title && !window.confirm(`Remove “${hit.dataset.title}” from the archive?`))) return;"
        f"trigger('{name}', {{{name}: hit.dataset.{name}}});"
        "})"
    )


def document(title: str, body: str) -> str:
    """A page of its own, without script: an article opened in a new tab."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>{text_of(title)} · Dateline</title><link rel="stylesheet" href="/dateline/page.css"></head>'
        f'<body class="standalone"><nav><a href="/">Dateline</a></nav><main>{body}</main></body></html>'
    )


def asset(name: str) -> str:
    """A file of the page: `page.css` or `page.js`."""
    return (_STATIC / name).read_text(encoding="utf-8")
