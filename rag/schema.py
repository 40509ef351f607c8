"""The types that every part of Dateline shares. Later ones refer to earlier ones; no third-party import."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

Status = Literal["live", "withdrawn"]
Verdict = Literal["supported", "unsupported", "contradicted"]
# Why an answer is refused. The wording is stable: faces show it and evaluation counts it. "" for a given answer.
RefusalReason = Literal[
    "",
    "nothing found",
    "a name or number of the question is in no article found",
    "nothing similar enough found",
    "the model doubts that the excerpts state the answer",
    "the model found no answer in the excerpts",
    "no sentence of the model is supported by the articles",
    "the model says that the excerpts do not answer",
    "the cited words do not answer the question",
    "the report that told of this was withdrawn",
    "the question does not say whom it means",
]
# The form of answer that a question asks for; "archive" is a question about the archive itself.
QuestionKind = Literal[
    "fact", "latest", "timeline", "summary", "comparison", "disagreement", "list", "statements", "archive"
]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """A news article as it is stored: one version of it.

    `text` is what was published, cleaned of markup; `uncitable` are spans of it (teasers, "Related
    articles" and what follows) that are kept for the reader but never indexed or cited.
    `published` has a time zone only where the source gave one; midnight without zone means that only
    the day is known; None means that the source does not say.
    """

    id: str
    title: str
    text: str
    url: str = ""
    outlet: str = ""
    byline: str = ""
    genre: str = ""
    published: datetime | None = None
    modified: datetime | None = None
    language: str = ""
    version: int = 1
    status: Status = "live"
    uncitable: tuple[Span, ...] = ()
    source: str = ""

    @property
    def day(self) -> date | None:
        """The day of publication as printed by the outlet (its own time zone)."""
        return self.published.date() if self.published else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Whole sentences of an article, the unit that is embedded and retrieved; `start`, `end` in characters."""

    article: Article
    number: int
    start: int
    end: int

    @property
    def id(self) -> str:
        """`article#n`, the same after every ingest of the same input."""
        return f"{self.article.id}#{self.number}"

    @property
    def text(self) -> str:
        """The passage as it stands in the article: `article.text[start:end]`."""
        return self.article.text[self.start : self.end]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage found for a question. Higher `score` is better, comparable only within one list.

    `copies` are other articles of the archive that carry the same story (the wire story in other outlets).
    """

    passage: Passage
    score: float
    copies: tuple[Article, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Articles on one unfolding event: two or more.

    `headline` is that of its most typical article, `first` and `last` are days of publication. `reports` counts the
    independent ones among `articles`: copies of one text are one report.
    """

    id: str
    headline: str
    articles: int
    reports: int
    first: date | None = None
    last: date | None = None
    outlets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """The `[number]` printed in an answer: a quote of a passage, at `article.text[start:end]`."""

    number: int
    passage: Passage
    start: int
    end: int

    @property
    def quote(self) -> str:
        """The words that support the sentence, as they stand in the article."""
        return self.passage.article.text[self.start : self.end]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence of an answer, its verdict, and the citations that support it, or that contradict it.

    `reason` says in a few words why a sentence is unsupported or what contradicts it; empty for a supported one.
    `side` is 1 or 2 where a comparison tells of one of its sides alone, else 0.
    """

    text: str
    verdict: Verdict
    citations: tuple[Citation, ...] = ()
    reason: str = ""
    side: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What was searched: the number of live articles within the filters and the days they span."""

    articles: int
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Milliseconds from the question to its sources, the first quotation or word on screen, the first word of its
    answer, and its end; None when there was none."""

    retrieve_ms: float | None = None
    first_shown_ms: float | None = None
    first_token_ms: float | None = None
    total_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What to search in: empty fields do not restrict. Days are inclusive, as printed by the outlet."""

    since: date | None = None
    until: date | None = None
    outlets: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWindow:
    """The days that a question names, inclusive; None: open on that side.

    Articles published in it are preferred. `dropped`: none of the passages found is from it.
    """

    first: date | None = None
    last: date | None = None
    dropped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One earlier exchange of a conversation."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the assistant says. Refusing is a value: `answered=False`, with `coverage` and the closest `hits`.

    While an answer streams, `draft` is the text of the sentence being written, not yet checked, and `preview` are
    sentences of the articles to read until the answer is there; both are empty in the final one. `kind` is the form of
    answer that the question asks for, and `kind_dropped` the one that the caller or a follow-up asked for by name where
    the articles held too little for it. `final` is true for the last answer of a stream. `reason` says why an answer is
    refused; `missing` are the names and numbers of the question that no article found contains. `withheld` are
    sentences of the model that are not shown, since the answer was refused or the articles' own sentences took their
    place. `stray_markers` counts citation markers of the model that named no source. `by_extraction` is true where the
    sentences are the articles' own. `window` are the days that the question names, if it does.
    """

    question: str
    answered: bool
    model: str
    coverage: Coverage
    kind: QuestionKind = "fact"
    kind_dropped: QuestionKind | None = None
    window: TimeWindow | None = None
    sentences: tuple[Sentence, ...] = ()
    hits: tuple[Hit, ...] = ()
    refusal: str = ""
    reason: RefusalReason = ""
    missing: tuple[str, ...] = ()
    final: bool = False
    by_extraction: bool = False
    draft: str = ""
    preview: tuple[Sentence, ...] = ()
    stray_markers: int = 0
    withheld: tuple[str, ...] = ()
    timings: Timings = field(default_factory=Timings)

    @property
    def citations(self) -> tuple[Citation, ...]:
        """Each citation once, in order of its number."""
        found = {c.number: c for s in self.sentences for c in s.citations}
        return tuple(found[number] for number in sorted(found))

    @property
    def text(self) -> str:
        """The answer as plain text with `[n]` behind its sentences, one a line where `in_lines`; of a refusal, that."""
        if not self.sentences:
            return self.refusal
        return ("\n" if self.in_lines else " ").join(marked(sentence) for sentence in self.sentences)

    @property
    def in_lines(self) -> bool:
        """Whether each sentence has a line of its own: all but facts, and facts quoted with day and outlet in front."""
        return self.kind != "fact" or any(
            len(sentence.citations) == 1 and sentence.text.endswith(f": {sentence.citations[0].quote}")
            for sentence in self.sentences
        )


def marked(sentence: Sentence) -> str:
    """The sentence with its markers before the final stop: `It rained [1][2].` A contradicted one has none: they would
    look like support."""
    if sentence.verdict == "contradicted":
        return sentence.text
    markers = "".join(f"[{c.number}]" for c in sentence.citations)
    if not markers:
        return sentence.text
    body = sentence.text.rstrip()
    stop = body[-1:] if body[-1:] in ".!?。！？" else ""
    return f"{body[: len(body) - len(stop)]} {markers}{stop}"
