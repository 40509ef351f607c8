"""What a conversation shows: exchanges that carry their sources with them, so that they survive a reload and a restart.

The reader's browser keeps them, and may send back anything: `Exchange.from_data` accepts only data of the right shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal, TypeVar

from rag.interfaces.text import quoted, short_days, story_size, window_days
from rag.language.tokens import fold
from rag.schema import Answer, Article, Citation, Hit, Sentence, Story, Turn

State = Literal["writing", "done", "stopped"]

# Words kept around a quote on a card, and of a passage without one; the whole article is a click away.
AROUND_CHARS = 110
FOUND_CHARS = 260
# Browsers keep 5 MB for a site (html.spec.whatwg.org says "about"); an exchange takes 3 to 10 kB.
KEPT_EXCHANGES = 30
KEPT_FOUND = 4

# A day, and behind it outlet and speaker; no other words in front of a colon.
_LABEL = re.compile(r"(?:\d{1,2} [^\W\d_]+ \d{4}|Undated)(?:, .+)?")

_OPINION = frozenset(
    ("opinion", "column", "columna", "comment", "commentary", "editorial", "op-ed", "tribuna", "letters", "meinung")
)


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
    """A sentence of an answer with the numbers it cites; `reason` says why it is not supported, or contradicted.

    `label` is what stands in front of quoted words in `text`: a day, and mostly the outlet behind it. `side` as for
    rag.schema.Sentence.
    """

    text: str
    numbers: tuple[int, ...] = ()
    reason: str = ""
    contradicted: bool = False
    label: str = ""
    side: int = 0

    @property
    def words(self) -> str:
        """The text without its label."""
        return self.text.removeprefix(f"{self.label}: ") if self.label else self.text

    @property
    def doubt(self) -> str:
        """The reason in front of which its verdict stands; "" for a supported sentence."""
        if not self.reason:
            return ""
        return f"{'contradicted' if self.contradicted else 'not supported'}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The story that an answer is part of: its id ("" for none), headline, size and days in words.

    Of the `cited` articles of the answer, `within` are in the story, which has so many `articles`; 0: not known.
    """

    id: str = ""
    headline: str = ""
    size: str = ""
    days: str = ""
    articles: int = 0
    within: int = 0
    cited: int = 0

    @classmethod
    def of(cls, story: Story, within: int = 0, cited: int = 0) -> Part:
        """The story in the words of the page."""
        return cls(
            id=story.id, headline=story.headline, size=story_size(story), days=short_days(story),
            articles=story.articles, within=within, cited=cited,
        )  # fmt: skip

    @property
    def lead(self) -> str:
        """`Part of`, or how much of what is cited is part of the story: `2 of the 3 articles cited are part of`."""
        if not self.within or self.within >= self.cited:
            return "Part of"
        return f"{self.within} of the {self.cited} articles cited {'is' if self.within == 1 else 'are'} part of"

    @property
    def name(self) -> str:
        """`a story of 5 articles, 21 Jan–3 Mar 2026`. Not the headline: that of an early article states what is
        outdated by now."""
        of = f" of {self.articles} articles" if self.articles else ""
        return ", ".join(part for part in (f"a story{of}", self.days) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A question and what became of it, with the cards of its sources."""

    question: str
    state: State = "done"
    lines: tuple[Line, ...] = ()
    cards: tuple[Card, ...] = ()
    draft: str = ""
    preview: tuple[str, ...] = ()  # sentences of the articles, with outlet and day, to read until the answer is there
    refusal: str = ""
    reason: str = ""  # of the refusal, in a few words
    notice: str = ""
    model: str = ""
    by_extraction: bool = False
    withheld: int = 0
    seconds: float = 0.0
    kind: str = ""  # form of the answer, a QuestionKind; "" for a plain one
    in_lines: bool = False  # each sentence has a line of its own
    kind_dropped: str = ""  # the form that was asked for and for which too little was found
    story: Part = field(default_factory=Part)
    days: str = ""  # that the question names, in words
    days_dropped: bool = False  # nothing was found from those days

    @classmethod
    def of(cls, answer: Answer, state: State) -> Exchange:
        """The exchange that shows an answer, finished or growing."""
        lines = tuple(_line(sentence) for sentence in answer.sentences)
        return cls(
            question=answer.question,
            state=state,
            lines=lines,
            cards=_cards(answer),
            draft=answer.draft,
            preview=tuple(quoted(replace(one, text=_line(one).words)) for one in answer.preview),
            refusal=answer.refusal,
            reason=answer.reason,
            model=answer.model,
            by_extraction=answer.by_extraction,
            withheld=len(answer.withheld),
            seconds=round((answer.timings.total_ms or 0) / 1000, 1),
            kind="" if answer.kind == "fact" else answer.kind,
            in_lines=answer.in_lines or any(line.label for line in lines),
            kind_dropped=answer.kind_dropped or "",
            days=window_days(answer.window) if answer.window else "",
            days_dropped=bool(answer.window and answer.window.dropped),
        )

    @classmethod
    def from_data(cls, data: Any) -> Exchange | None:
        """The exchange that `data()` wrote, never in the state "writing"; None when the data has another shape."""
        try:
            exchange = _shaped(cls, data)
            return replace(
                exchange,
                lines=tuple(_shaped(Line, line) for line in exchange.lines),
                cards=tuple(_shaped(Card, card) for card in exchange.cards),
                story=_shaped(Part, exchange.story) if isinstance(exchange.story, Mapping) else Part(),
                state="done" if exchange.state == "done" else "stopped",
            )
        except (TypeError, ValueError):
            return None

    def data(self) -> dict[str, Any]:
        """Plain data for the reader's browser: the cited cards and the nearest ones of other articles."""
        cited = [card for card in self.cards if card.number]
        shown = {card.article for card in cited}
        found = [card for card in self.cards if card.article not in shown]
        return asdict(replace(self, cards=(*cited, *found[:KEPT_FOUND]), draft="", preview=()))

    @property
    def turn(self) -> Turn:
        """The exchange as context for a follow-up question."""
        return Turn(question=self.question, answer=" ".join(line.text for line in self.lines))


T = TypeVar("T", Card, Line, Part, Exchange)


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
        elif not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool)):
            raise TypeError(f"{name} has another type")
    for name, item in (("numbers", int), ("also", str), ("preview", str)):
        if not all(isinstance(one, item) for one in values.get(name, ())):
            raise TypeError(f"{name} holds another type")
    return kind(**values)


_FIELD_TYPES: dict[str, type] = {
    "number": int, "version": int, "start": int, "end": int, "also": tuple, "numbers": tuple, "lines": tuple,
    "story": Mapping, "cards": tuple, "preview": tuple, "withheld": int, "seconds": float, "by_extraction": bool,
    "days_dropped": bool, "in_lines": bool, "contradicted": bool, "side": int, "articles": int, "within": int,
    "cited": int,
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
    return Line(
        text=sentence.text,
        numbers=numbers,
        reason=_why(sentence),
        contradicted=sentence.verdict == "contradicted",
        label=_label(sentence),
        side=sentence.side,
    )


def _label(sentence: Sentence) -> str:
    """What stands in front of the words of an article that a sentence quotes: `3 March 2025, The Tide`, else ""."""
    quotes = (f": {citation.quote}" for citation in sentence.citations)
    label = next((sentence.text.removesuffix(quote) for quote in quotes if sentence.text.endswith(quote)), "")
    return label if _LABEL.fullmatch(label) else ""


def _why(sentence: Sentence) -> str:
    if sentence.verdict == "supported":
        return ""
    return sentence.reason or "no article says this"


def _cards(answer: Answer) -> tuple[Card, ...]:
    hits = {hit.passage.id: hit for hit in answer.hits}
    cited = {c.passage.id for c in answer.citations}
    numbered = [card_of(c.passage.article, c, hits.get(c.passage.id)) for c in answer.citations]
    return (*numbered, *(card_of(hit.passage.article, None, hit) for hit in answer.hits if hit.passage.id not in cited))


def card_of(article: Article, citation: Citation | None = None, hit: Hit | None = None) -> Card:
    """The card of an article: with a citation's words, with those of the passage that was found, or with neither."""
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
    note = ", ".join(part for part in parts if part)
    return note[:1].upper() + note[1:]  # str.capitalize would write "6 march"


def outlet_and_day(card: Card) -> str:
    """`The Tide · 3 March 2025` as far as it is known."""
    try:
        day = day_text(date.fromisoformat(card.day)) if card.day else "undated"
    except ValueError:
        day = "undated"
    return " · ".join(part for part in (card.outlet, day) if part)


def day_of(text: str) -> str:
    """The ISO 8601 form of a day such as `3 March 2025`; "" for other text."""
    try:
        return datetime.strptime(text, "%d %B %Y").date().isoformat()
    except ValueError:
        return ""


def day_text(day: date) -> str:
    """`3 March 2025`."""
    return f"{day.day} {day:%B %Y}"
