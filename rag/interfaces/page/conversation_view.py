"""The HTML of a conversation and of what stands around it. Pure functions; the markup is in `templates/`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from rag.answering.compose.composer import COMPOSERS
from rag.interfaces.page.exchange import Card, Exchange, Line, card_of, day_of, opinion, outlet_and_day
from rag.interfaces.page.templating import render
from rag.interfaces.text import dropped_text, kind_name
from rag.schema import Article, Coverage, QuestionKind, Sentence, marked

_STATIC = Path(__file__).parent / "static"
# Shown in the browser's tab: a serif D on the red of the page.
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' "
    "rx='5' fill='%238f1d18'/%3E%3Ctext x='16' y='24' font-family='Georgia,serif' font-size='23' font-weight='700' "
    "text-anchor='middle' fill='%23fbfaf6'%3ED%3C/text%3E%3C/svg%3E"
)
FORMS: tuple[QuestionKind, ...] = ("fact", *COMPOSERS)
CLOSEST = 3  # articles shown beside a refusal; the others are folded away


@dataclass(frozen=True, slots=True)
class _Entry:
    """Neighbouring sentences under one label, each with its speaker where that is known; `iso` is the day for machines.

    Without a day it is a sentence that quotes no article.
    """

    day: str
    iso: str
    outlet: str
    lines: list[tuple[str, Line]]


@dataclass(frozen=True, slots=True)
class _Block:
    """Entries that all have a label, or that all have none; of one side of a comparison (1 or 2), or of none (0)."""

    side: int
    labelled: bool
    entries: list[_Entry]


@dataclass(frozen=True, slots=True)
class _Source:
    """An article beside an answer: `card` is its first one, `quotes` are all of them."""

    card: Card
    quotes: list[Card]
    also: list[str]


def conversation(exchanges: Sequence[Exchange], first: int = 1) -> str:
    """Exchanges one below the other; `first` is the number of the first one in the conversation."""
    return "".join(exchange_html(exchange, first + i, newest=False) for i, exchange in enumerate(exchanges))


def exchange_html(exchange: Exchange, place: int, *, newest: bool = True) -> str:
    """A question, its answer, and the sources beside it. Element ids begin with `t` and `place`, to be unique.

    The days that the newest question names can be dropped with a click, and its answer can be had in another form.
    """
    heading, first, more = _sources(exchange)
    return render(
        "exchange.html",
        exchange=exchange,
        place=place,
        newest=newest,
        titles={card.number: card.title for card in exchange.cards},
        blocks=_blocks(exchange) if exchange.in_lines else [],
        draft=exchange.draft.strip(),
        reason=exchange.reason.rstrip("."),
        waiting=_waiting(exchange),
        footer=_footer(exchange),
        clipboard=plain(exchange) if exchange.lines and exchange.state != "writing" else "",
        forms=forms(exchange) if newest and exchange.state != "writing" else [],
        form=kind_name(exchange.kind or "fact"),
        dropped=dropped_text(exchange.kind_dropped) if exchange.kind_dropped else "",
        heading=heading,
        first=first,
        more=more,
    )


def forms(exchange: Exchange) -> list[tuple[str, str, bool]]:
    """The forms in which a question can be answered: kind, name, and whether the answer has it."""
    return [(kind, kind_name(kind), kind == (exchange.kind or "fact")) for kind in FORMS]


def _waiting(exchange: Exchange) -> str:
    """What the reader waits for while no word is there, else ""."""
    if exchange.state != "writing" or exchange.lines or exchange.draft.strip():
        return ""
    if exchange.preview:
        return "Writing the answer"
    found = len(exchange.cards)
    if found:
        return f"Reading {found} passage{'' if found == 1 else 's'}"
    return exchange.notice or "Searching the archive"


def _footer(exchange: Exchange) -> str:
    """How the answer was made and how long that took."""
    if exchange.state == "writing":
        return ""
    how = "Stopped" if exchange.state == "stopped" and not exchange.notice else ""
    if exchange.lines and exchange.state == "done":
        how = f"Written by {exchange.model}, checked sentence by sentence"
        if exchange.by_extraction and not any(card.number for card in exchange.cards):
            how = "From the catalogue"
        elif exchange.by_extraction:
            how = "Sentences of the articles, word for word"
    took = f"{exchange.seconds:.1f} s" if exchange.seconds else ""
    return " · ".join(part for part in (how, took) if part)


def _blocks(exchange: Exchange) -> list[tuple[bool, list[_Block]]]:
    """What an answer in lines shows, in order; true: the blocks stand side by side."""
    cards = {card.number: card for card in exchange.cards if card.number}
    entries: list[tuple[int, _Entry]] = []
    before: object = None
    for line in exchange.lines:
        day, _, source = line.label.partition(", ")
        card = cards.get(next(iter(line.numbers), 0))
        outlet = card.outlet if card and (source == card.outlet or source.startswith(f"{card.outlet}, ")) else ""
        speaker = source.removeprefix(outlet).removeprefix(", ")
        # A label without outlet is that of a timeline: several articles may tell of the day.
        key = (line.side, day, card.article if card and source else "") if day else None
        if key is None or key != before:
            entries.append((line.side, _Entry(day, day_of(day), outlet, [])))
        entries[-1][1].lines.append((speaker, line))
        before = key
    blocks = [
        _Block(side, labelled, [entry for _, entry in group])
        for (side, labelled), group in groupby(entries, key=lambda one: (one[0], bool(one[1].day)))
    ]
    return [(apart, list(group)) for apart, group in groupby(blocks, key=lambda block: block.side > 0)]


def _grouped(cards: Iterable[Card]) -> list[_Source]:
    """The cards by article, each in the place of its first one. Where several words of an article are quoted, they
    stand without what is around them: that would repeat the next quote, and the article is a click away."""
    by_article: dict[tuple[str, int], list[Card]] = {}
    for card in cards:
        by_article.setdefault((card.article, card.version), []).append(card)
    return [
        _Source(
            own[0],
            [replace(one, before="", after="") if one.quote and len(own) > 1 else one for one in own],
            list(dict.fromkeys(name for one in own for name in one.also)),
        )
        for own in by_article.values()
    ]


def _sources(exchange: Exchange) -> tuple[str, list[_Source], list[_Source]]:
    """The heading of the sources, the articles below it, and those that are folded away, which are not cited."""
    cited = _grouped(card for card in exchange.cards if card.number)
    shown = {article.card.article for article in cited}
    found = _grouped(card for card in exchange.cards if card.article not in shown)
    if cited:
        return "Sources", cited, found
    if exchange.refusal and found:
        return "Closest passages", found[:CLOSEST], found[CLOSEST:]
    return ("Found in the archive" if found else "Sources"), found, []


def plain(exchange: Exchange) -> str:
    """The answer with its numbers and sources as plain text, for the clipboard."""
    said = []
    for line in exchange.lines:
        sentence = Sentence(text=line.text, verdict="supported")
        markers = "".join(f"[{number}]" for number in line.numbers)
        doubt = f" ({line.doubt})" if line.doubt else ""
        said.append(f"{marked(sentence)} {markers}".strip() + doubt)
    cards = [f"[{c.number}] {c.title}, {outlet_and_day(c)}: “{c.quote}”" for c in exchange.cards if c.number]
    return "\n".join([exchange.question, "", ("\n" if exchange.in_lines else " ").join(said), "", *cards])


def notice_html(text: str) -> str:
    """One line that says what is wrong; "" for no text."""
    return render("notice.html", text=text) if text else ""


# --- around the conversation ----------------------------------------------------------------------


def head() -> str:
    """The elements of <head> that the page adds to Gradio's own."""
    return render("head.html", icon=_ICON)


def log_out() -> str:
    """The button that ends the session of a browser."""
    return render("log_out.html")


def login_page(notice: str = "", archive: str = "") -> str:
    """The page that asks for the key of an archive, by its name; `notice` says what was wrong with the last one."""
    return render("login.html", notice=notice, archive=archive)


def masthead(coverage: Coverage, model: str, archive: str = "") -> str:
    """The name of the page, that of the archive, how many articles of which days it holds, and which model writes."""
    count = f"{coverage.articles:,} article{'' if coverage.articles == 1 else 's'}"
    span = ""
    if coverage.first and coverage.last:
        first, last = (f"{day.day} {day:%b %Y}" for day in (coverage.first, coverage.last))
        span = first if first == last else f"{first} – {last}"
    return render("masthead.html", parts=[archive, count, span, re.sub(r"(-Instruct)? Q\d\w*$", "", model)])


def welcome(articles: Sequence[Article], examples: Sequence[str], folder: str, archive_option: str = "") -> str:
    """What an empty conversation shows: example questions and the latest articles, or how to fill the archive.

    `folder` and `archive_option` are what a command needs to find it.
    """
    if not articles:
        return render("welcome_empty.html", folder=folder, archive_option=archive_option)
    return render("welcome.html", examples=examples, cards=[card_of(article) for article in articles])


def examples_for(articles: Sequence[Article], most: int = 4) -> list[str]:
    """Questions about stored articles: reports with a headline of readable length, one for each headline."""
    titles = {a.title: a.language for a in articles if 15 <= len(a.title) <= 100 and not opinion(a)}
    asks = [f"¿Qué se sabe de «{t}»?" if lang == "es" else f"What is known about “{t}”?" for t, lang in titles.items()]
    return asks[:most]


def on_click(name: str) -> str:
    """Script of a component: a click on an element with `data-<name>` triggers the event `name` with that value.

    An element that also has `data-title` removes the article of that title, which the reader must confirm.
    """
    return (
        "element.addEventListener('click', (event) => {"
        f"const hit = event.target.closest('[data-{name}]');"
        "if (!hit || (hit.dataset.title && !window.confirm(`Remove “${hit.dataset.title}” from the archive?`))) return;"
        f"trigger('{name}', {{{name}: hit.dataset.{name}}});"
        "});"
    )


def asset(name: str) -> str:
    """The text of a file of the page: `page.css` or `page.js`."""
    return (_STATIC / name).read_text(encoding="utf-8")
