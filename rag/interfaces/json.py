"""The shape of everything that a face returns, declared once: typed dictionaries and the functions that build them.

HTTP and MCP publish the schemas of these types; `--json`, OpenAI's clients and llama-index get the same dictionaries.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, Protocol

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from rag.archive.catalog import Catalog
from rag.schema import (
    Answer,
    Article,
    Citation,
    Coverage,
    Hit,
    QuestionKind,
    Sentence,
    Status,
    TimeWindow,
    Timings,
    Verdict,
)

JobState = Literal["waiting", "running", "done", "failed"]


class SentenceData(TypedDict):
    """A sentence of an answer; `citations` are numbers of the answer's citations, `reason` says why unsupported.

    Those of a contradicted sentence contradict it.
    """

    text: str
    verdict: Verdict
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


# The days that a question names, null: open. Articles from them are preferred; dropped: none was found.
WindowData = TypedDict("WindowData", {"from": str | None, "to": str | None, "dropped": bool})


class TimingsData(TypedDict):
    """Milliseconds from the question to the sources, the first word, the end; null: never came."""

    retrieve_ms: float | None
    first_shown_ms: float | None
    first_token_ms: float | None
    total_ms: float | None


class AnswerData(TypedDict):
    """An answer with everything it rests on. Refusing is a value: `answered` is false, `text` the refusal.

    `reason` says why an answer is refused, and is empty for an answer that is given. `by_extraction`: no language
    model writes, the sentences are the articles' own. `window`: the days that the question names, null where it names
    none. `kind`: the form of the answer; each sentence is a line of `text`, but those of a "fact" of one day.
    `kind_dropped`: the form that was asked for by name and for which the articles hold too little, null where there is
    none.
    """

    question: str
    kind: QuestionKind
    kind_dropped: QuestionKind | None
    answered: bool
    reason: str
    text: str
    sentences: list[SentenceData]
    citations: list[CitationData]
    hits: list[HitData]
    coverage: CoverageData
    window: WindowData | None
    model: str
    by_extraction: bool
    stray_markers: int
    withheld: list[str]
    timings: TimingsData


class SearchData(TypedDict):
    """The passages nearest to a question, best first."""

    query: str
    hits: list[HitData]
    note: str  # of a search without a hit, why; else empty


class ArticleData(SourceData):
    """An article without its text."""

    byline: str
    genre: str
    modified: str | None
    language: str
    version: int
    status: Status


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
    state: JobState
    report: dict[str, Any]
    error: str


class HealthData(TypedDict):
    """The server: `ready` once its models are loaded; `running` and `waiting` are answers. `embedder_advice`: how the
    archive gets the embedder of the settings; empty where it has that."""

    live: bool
    ready: bool
    version: str
    model: str
    embedder: str
    embedder_advice: str
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
    """After RFC 9457; detail says what is wrong, what was expected and what to do."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: NotRequired[list[FieldProblem]]


# Published schemas forbid further fields: one that allowed them would tell a client nothing.
for _shape in (
    SentenceData, SourceData, CitationData, CopyData, HitData, CoverageData, WindowData, TimingsData, AnswerData,
    SearchData, ArticleData, FullArticleData, ArticlesData, OutletData, OutletsData, JobData, HealthData, ProbeData,
    FieldProblem, ProblemData,
):  # fmt: skip
    setattr(_shape, "__pydantic_config__", {"extra": "forbid"})  # noqa: B010


def answer_data(answer: Answer) -> AnswerData:
    """A final answer, the same for every face."""
    return {
        "question": answer.question,
        "kind": answer.kind,
        "kind_dropped": answer.kind_dropped,
        "answered": answer.answered,
        "reason": answer.reason,
        "text": answer.text,
        "sentences": [sentence_data(sentence) for sentence in answer.sentences],
        "citations": [citation_data(citation) for citation in answer.citations],
        "hits": [hit_data(hit) for hit in answer.hits],
        "coverage": coverage_data(answer.coverage),
        "window": window_data(answer.window),
        "model": answer.model,
        "by_extraction": answer.by_extraction,
        "stray_markers": answer.stray_markers,
        "withheld": list(answer.withheld),
        "timings": timings_data(answer.timings),
    }


def sentence_data(sentence: Sentence) -> SentenceData:
    """A sentence with the numbers of its citations."""
    return {
        "text": sentence.text,
        "verdict": sentence.verdict,
        "reason": sentence.reason,
        "citations": [citation.number for citation in sentence.citations],
    }


def timings_data(timings: Timings) -> TimingsData:
    """Milliseconds."""
    return {
        "retrieve_ms": timings.retrieve_ms,
        "first_shown_ms": timings.first_shown_ms,
        "first_token_ms": timings.first_token_ms,
        "total_ms": timings.total_ms,
    }


def citation_data(citation: Citation) -> CitationData:
    """A citation with the quote and its place in the article's text."""
    return {
        "number": citation.number,
        **_source_data(citation.passage.article),
        "passage_id": citation.passage.id,
        "quote": citation.quote,
        "start": citation.start,
        "end": citation.end,
    }


def hit_data(hit: Hit) -> HitData:
    """A hit with its passage and its place in the article's text; the score with four decimals."""
    return {
        "score": round(hit.score, 4),
        **_source_data(hit.passage.article),
        "passage_id": hit.passage.id,
        "text": hit.passage.text,
        "start": hit.passage.start,
        "end": hit.passage.end,
        "copies": [{"article_id": a.id, "outlet": a.outlet, "title": a.title, "url": a.url} for a in hit.copies],
    }


def search_data(query: str, hits: list[Hit], note: str = "") -> SearchData:
    """The hits of a search, in their order; without any, with a note that says why."""
    return {"query": query, "hits": [hit_data(hit) for hit in hits], "note": note}


def article_data(article: Article) -> ArticleData:
    """What is known of an article, without its text."""
    return {
        **_source_data(article),
        "byline": article.byline,
        "genre": article.genre,
        "modified": article.modified.isoformat() if article.modified else None,
        "language": article.language,
        "version": article.version,
        "status": article.status,
    }


def full_article_data(article: Article) -> FullArticleData:
    """An article with its text and the spans of it that are never cited."""
    return {
        **article_data(article),
        "text": article.text,
        "uncitable": [list(span) for span in article.uncitable],
    }


def coverage_data(coverage: Coverage) -> CoverageData:
    """What was searched; days as ISO 8601 or None."""
    return {
        "articles": coverage.articles,
        "from": coverage.first.isoformat() if coverage.first else None,
        "to": coverage.last.isoformat() if coverage.last else None,
    }


def window_data(window: TimeWindow | None) -> WindowData | None:
    """The days that a question names, as ISO 8601; None where it names none."""
    if window is None:
        return None
    return {
        "from": window.first.isoformat() if window.first else None,
        "to": window.last.isoformat() if window.last else None,
        "dropped": window.dropped,
    }


def outlets_data(catalog: Catalog) -> OutletsData:
    """The outlets of an archive with their number of live articles, and the days that the archive covers."""
    return {
        "outlets": [{"outlet": name, "articles": count} for name, count in catalog.outlets().items()],
        "coverage": coverage_data(catalog.coverage()),
    }


class Job(Protocol):
    """An ingest that was asked for over the network or on the page; ingest.jobs.Job is one."""

    id: str
    state: JobState
    report: dict[str, Any]
    error: str


def job_data(job: Job) -> JobData:
    """How far an ingest is."""
    return {"id": job.id, "state": job.state, "report": job.report, "error": job.error}


def published(article: Article) -> str | None:
    """The time of publication in ISO 8601: the day alone where only the day is known, None where nothing is."""
    moment = article.published
    if moment is None:
        return None
    day_only = moment.tzinfo is None and (moment.hour, moment.minute, moment.second) == (0, 0, 0)
    return moment.date().isoformat() if day_only else moment.isoformat()


def _source_data(article: Article) -> SourceData:
    return {
        "article_id": article.id,
        "title": article.title,
        "outlet": article.outlet,
        "published": published(article),
        "url": article.url,
    }
