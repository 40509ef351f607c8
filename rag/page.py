"""Answers, sources and articles as HTML for the page. Pure functions; every text of others is escaped here.

What a conversation shows is an `Exchange`: it carries its sources with it, so that it survives a reload and a
restart. It comes back from the reader's browser, where anything may have happened to it: `Exchange.from_data`
takes only what has the right shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from html import escape
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from rag.schema import Answer, Article, Citation, Coverage, Hit, Sentence, Turn, marked
from rag.text import fold

State = Literal["writing", "done", "stopped"]

# Words kept around a quote on a card, and of a passage without one; the whole article is a click away.
AROUND_CHARS = 170
FOUND_CHARS = 260
# Browsers keep 5 MB for a site (html.spec.whatwg.org says "about"); an exchange takes 3 to 10 kB.
KEPT_EXCHANGES = 30
KEPT_FOUND = 4

_OPINION = frozenset(
    ("opinion", "column", "columna", "comment", "commentary", "editorial", "op-ed", "tribuna", "letters", "meinung")
)
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
UPLOAD_HINT = (
    '<p class="hint">Text, Markdown, HTML, PDF, Word, JSON, JSON Lines, CSV, or a zip of them. '
    "They are read and stored on this machine.</p>"
)


# --- what a conversation shows --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A source beside an answer: cited under `number`, or found only (`number` 0).

    `start`, `end` are the quote's place in the text of this version of the article (equal: no quote).
    """

    number: int = 0
    article: str
    version: int = 1
    title: str
    outlet: str = ""
    day: str = ""
    genre: str = ""
    note: str = ""
    before: str = ""
    quote: str = ""
    after: str = ""
    start: int = 0
    end: int = 0
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A sentence of an answer with the numbers it cites; `reason` says why it is not supported."""

    text: str
    numbers: tuple[int, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A question and what became of it, with the cards of its sources."""

    question: str
    state: State = "done"
    lines: tuple[Line, ...] = ()
    cards: tuple[Card, ...] = ()
    draft: str = ""
    refusal: str = ""
    notice: str = ""
    model: str = ""
    withheld: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, answer: Answer, state: State) -> Exchange:
        """The exchange that an answer, finished or growing, makes."""
        return cls(
            question=answer.question,
            state=state,
            lines=tuple(_line(sentence) for sentence in answer.sentences),
            cards=_cards(answer),
            draft=answer.draft,
            refusal=answer.refusal,
            model=answer.model,
            withheld=len(answer.withheld),
            seconds=round((answer.timings.total_ms or 0) / 1000, 1),
        )

    @classmethod
    def from_data(cls, data: Any) -> Exchange | None:
        """What `data()` gave, after a stay in a browser; None when it has another shape."""
        try:
            exchange = _shaped(cls, data)
            return replace(
                exchange,
                lines=tuple(_shaped(Line, line) for line in exchange.lines),
                cards=tuple(_shaped(Card, card) for card in exchange.cards),
                state="done" if exchange.state == "done" else "stopped",
            )
        except (TypeError, ValueError):
            return None

    def data(self) -> dict[str, Any]:
        """Plain data for the reader's browser: the cited cards and the nearest others."""
        cited = [card for card in self.cards if card.number]
        found = [card for card in self.cards if not card.number]
        return asdict(replace(self, cards=(*cited, *found[:KEPT_FOUND]), draft=""))

    @property
    def turn(self) -> Turn:
        """What a later question may lean on."""
        return Turn(question=self.question, answer=" ".join(line.text for line in self.lines))


T = TypeVar("T", Card, Line, Exchange)


def _shaped(kind: type[T], data: Any) -> T:
    """A dataclass from a mapping; raises TypeError unless every field has the type of its default."""
    if not isinstance(data, Mapping):
        raise TypeError(f"expected the fields of {kind.__name__}")
    values = dict(data)
    for name, value in values.items():
        wanted = _FIELD_TYPES.get(name, str)
        if wanted is tuple and isinstance(value, list | tuple):
            values[name] = tuple(value)
        elif wanted is float and isinstance(value, int | float) and not isinstance(value, bool):
            values[name] = float(value)
        elif not isinstance(value, wanted) or isinstance(value, bool):
            raise TypeError(f"{name} has another type")
    for name, item in (("numbers", int), ("also", str)):
        if not all(isinstance(one, item) for one in values.get(name, ())):
            raise TypeError(f"{name} holds another type")
    return kind(**values)


_FIELD_TYPES: dict[str, type] = {
    "number": int, "version": int, "start": int, "end": int, "also": tuple, "numbers": tuple, "lines": tuple,
    "cards": tuple, "withheld": int, "seconds": float,
}  # fmt: skip


def restored(data: Any) -> list[Exchange]:
    """The exchanges that a browser kept; those of another shape are left out."""
    items = data if isinstance(data, list) else []
    found = [Exchange.from_data(item) for item in items[-KEPT_EXCHANGES:]]
    return [exchange for exchange in found if exchange is not None]


def kept(exchanges: Sequence[Exchange]) -> list[dict[str, Any]]:
    """What the browser is to keep."""
    return [exchange.data() for exchange in exchanges[-KEPT_EXCHANGES:]]


def _line(sentence: Sentence) -> Line:
    numbers = tuple(c.number for c in sentence.citations)
    return Line(text=sentence.text, numbers=numbers, reason=_why(sentence))


def _why(sentence: Sentence) -> str:
    if sentence.verdict == "supported":
        return ""
    return sentence.reason or "no article says this"


def _cards(answer: Answer) -> tuple[Card, ...]:
    hits = {hit.passage.id: hit for hit in answer.hits}
    cited = {c.passage.id for c in answer.citations}
    numbered = [_card(c.passage.article, c, hits.get(c.passage.id)) for c in answer.citations]
    return (*numbered, *(_card(hit.passage.article, None, hit) for hit in answer.hits if hit.passage.id not in cited))


def _card(article: Article, citation: Citation | None, hit: Hit | None) -> Card:
    card = Card(
        article=article.id,
        version=article.version,
        title=article.title or article.id,
        outlet=article.outlet,
        day=article.day.isoformat() if article.day else "",
        genre=opinion(article),
        note=changed(article),
        also=tuple(dict.fromkeys(copy.outlet or copy.title for copy in hit.copies)) if hit else (),
    )
    if citation is None:
        return replace(card, before=shortened(hit.passage.text, FOUND_CHARS) if hit else "")
    passage, start, end = citation.passage, citation.start, citation.end
    return replace(
        card,
        number=citation.number,
        before=shortened(article.text[passage.start : start], -AROUND_CHARS),
        quote=citation.quote,
        after=shortened(article.text[end : passage.end], AROUND_CHARS),
        start=start,
        end=end,
    )


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters from the beginning (negative: the end) of a text, cut between words, with `…`."""
    if len(text) <= abs(limit):
        return text
    if limit < 0:
        return "… " + text[limit:].partition(" ")[2]
    return text[:limit].rpartition(" ")[0] + " …"


def opinion(article: Article) -> str:
    """`Opinion` and its kin for a piece that states its author's view, else ""."""
    return article.genre if set(fold(article.genre).split()) & _OPINION else ""


def changed(article: Article) -> str:
    """What a reader should know about the state of the text: withdrawn, a later version, changed after publication."""
    if article.status == "withdrawn":
        return "Withdrawn"
    modified, published = article.modified, article.published
    later = bool(modified and published and modified.date() > published.date())
    since = f"updated {day_text(modified.date())}" if modified and later else ""
    parts = [f"Version {article.version}" if article.version > 1 else "", since]
    return ", ".join(part for part in parts if part).capitalize()


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
        f'<p class="meta">{text_of(meta_text(card))}{_flags(card)}</p>'
        f'<blockquote dir="auto">{text_of(card.before)}{words}{text_of(card.after)}</blockquote>{also}'
        f'<p class="open"><a class="reader" href="{href}" aria-label="Open article: {text_of(card.title)}">'
        "Open article</a></p></section>"
    )


def _flags(card: Card) -> str:
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


def day_text(day: date) -> str:
    """`3 March 2025`."""
    return f"{day.day} {day:%B %Y}"


# --- the page around it ---------------------------------------------------------------------------


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
    latest = "".join(f"<li>{_headline(article)}</li>" for article in articles)
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


def _headline(article: Article) -> str:
    card = _card(article, None, None)
    return (
        f'<a class="reader" dir="auto" href="{text_of(article_href(article.id))}">{text_of(card.title)}</a>'
        f'<span class="meta">{text_of(meta_text(card))}{_flags(card)}</span>'
    )


def listing(articles: Sequence[Article], total: int, searched: str) -> str:
    """The articles of the archive as a list, each with a button that removes it."""
    if not articles:
        said = f"No article has “{searched}” in headline, outlet or byline." if searched else "No article yet."
        return f'<p class="aside">{text_of(said)}</p>'
    rows = "".join(_row(article) for article in articles)
    shown = f"{len(articles):,}"
    count = f"{shown} of {total:,} articles" if not searched and total > len(articles) else f"{shown} found"
    return f'<p class="count">{count}, newest first</p><ul class="listing">{rows}</ul>'


def _row(article: Article) -> str:
    title = text_of(article.title or article.id)
    byline = f'<span class="byline">{text_of(article.byline)}</span>' if article.byline else ""
    return (
        f"<li><div>{_headline(article)}{byline}</div>"
        f'<button type="button" class="quiet" data-remove="{text_of(article.id)}" data-title="{title}" '
        f'aria-label="Remove {title}">Remove</button></li>'
    )


def report_html(report: Mapping[str, Any], name_of: Callable[[str], str], *, running: bool) -> str:
    """What became of an upload, as far as it has come; `name_of` shortens what is shown of a place."""
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
        f"<li><em>{text_of(one['reason'])}</em> {text_of(name_of(one['message']))}</li>"
        for one in report["rejections"][:50]
    )
    more = f"<li>… and {refused - 50} more</li>" if refused > 50 else ""
    return (
        f'<div class="report" role="status" data-state="{"running" if running else "done"}">'
        f"<p><strong>{state}{' …' if running else '.'}</strong> {text_of(', '.join(p for p in parts if p))}.</p>"
        f'<p class="aside">{took}</p>{f"<ul class=rejections>{rows}{more}</ul>" if rows else ""}</div>'
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
    card = _card(article, None, None)
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
    about = f'<p class="meta">{text_of(meta_text(card) + by)}{_flags(card)}</p>'
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
