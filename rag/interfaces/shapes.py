"""What the faces return, as types: `json` makes these dictionaries, OpenAPI and MCP publish their schemas."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12


class SentenceData(TypedDict):
    """A sentence of an answer; `citations` are numbers of the answer's citations, `reason` says why unsupported."""

    text: str
    verdict: Literal["supported", "unsupported"]
    reason: str
    citations: list[int]


class SourceData(TypedDict):
    """The article that words come from; `published` in ISO 8601, the day alone where only the day is known."""

    article_id: str
    title: str
    outlet: str
    published: str | None
    url: str


class CitationData(SourceData):
    """The quote behind `[number]`: `text[start:end]` of the article."""

    number: int
    passage_id: str
    quote: str
    start: int
    end: int


class CopyData(TypedDict):
    """Another article that carries the same story."""

    article_id: str
    outlet: str
    title: str
    url: str


class HitData(SourceData):
    """A passage that was found: `text[start:end]` of the article. Higher scores are better, within one list."""

    score: float
    passage_id: str
    text: str
    start: int
    end: int
    copies: list[CopyData]


CoverageData = TypedDict("CoverageData", {"articles": int, "from": str | None, "to": str | None})


class TimingsData(TypedDict):
    """Milliseconds from the question to the sources, the first word, the end; null: never came."""

    retrieve_ms: float | None
    first_token_ms: float | None
    total_ms: float | None


class AnswerData(TypedDict):
    """An answer with everything it rests on. Refusing is a value: `answered` is false, `text` the refusal."""

    question: str
    answered: bool
    text: str
    sentences: list[SentenceData]
    citations: list[CitationData]
    hits: list[HitData]
    coverage: CoverageData
    model: str
    stray_markers: int
    withheld: list[str]
    timings: TimingsData


class SearchData(TypedDict):
    """The passages nearest to a question, best first."""

    query: str
    hits: list[HitData]


class ArticleData(SourceData):
    """An article without its text."""

    byline: str
    genre: str
    modified: str | None
    language: str
    version: int
    status: Literal["live", "withdrawn"]


class FullArticleData(ArticleData):
    """An article with its text and the spans of it that are never cited (teasers)."""

    text: str
    uncitable: list[list[int]]


class ArticlesData(TypedDict):
    """A page of the list of articles, newest first; `total` counts the live articles within the filters."""

    articles: list[ArticleData]
    total: int


class OutletData(TypedDict):
    """An outlet of the archive and how many live articles it has."""

    outlet: str
    articles: int


class OutletsData(TypedDict):
    """The outlets of the archive by name."""

    outlets: list[OutletData]
    coverage: CoverageData


class JobData(TypedDict):
    """An ingest: waiting, running, done (with a report that names every rejection) or failed (with the reason)."""

    id: str
    state: Literal["waiting", "running", "done", "failed"]
    report: dict[str, Any]
    error: str


class HealthData(TypedDict):
    """The server: `ready` once its models are loaded; `running` and `waiting` are answers."""

    live: bool
    ready: bool
    version: str
    model: str
    embedder: str
    coverage: CoverageData
    running: int
    waiting: int


class ProbeData(TypedDict):
    """For a supervisor."""

    live: bool
    ready: bool


class FieldProblem(TypedDict):
    """What is wrong with one field."""

    field: str
    message: str


class ProblemData(TypedDict):
    """An error after RFC 9457; `detail` says what is wrong, what was expected and what to do."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: NotRequired[list[FieldProblem]]


# Nothing but these fields: a schema that lets anything through would tell a client nothing.
for _shape in (
    SentenceData, SourceData, CitationData, CopyData, HitData, CoverageData, TimingsData, AnswerData, SearchData,
    ArticleData, FullArticleData, ArticlesData, OutletData, OutletsData, JobData, HealthData, ProbeData, FieldProblem,
    ProblemData,
):  # fmt: skip
    setattr(_shape, "__pydantic_config__", {"extra": "forbid"})  # noqa: B010
