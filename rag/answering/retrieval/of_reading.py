"""The hits for a question as it is read: of its kind, and of the days that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import partial

from rag.answering.ask import Ask
from rag.answering.compose import composer
from rag.answering.compose.material import REPORTING_MONTHS, without_years, years_of
from rag.answering.conversation.followups import Reading
from rag.answering.kinds.cues import subject_of
from rag.answering.people.namesakes import without_namesakes
from rag.answering.retrieval.retriever import within
from rag.language.identify import detect_language
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import tokens
from rag.schema import Filters, Hit, QuestionKind, TimeWindow

# A question that may continue the conversation or begin a new subject begins one where, searched for alone, the best of
# the CONTINUED_ARTICLES that are found with the conversation has less than this share of the best score. At .6, of 30
# short questions to the demo archive behind one on another of its articles .73 are read as new ones, and of 85
# continuations of mtragun_goldpool .06, two of five of them rightly; at .7 .83 and .09.
LEAST_CONTINUED, CONTINUED_ARTICLES, ARTICLES_ALONE = 0.6, 2, 40
LEAST_ABOUT = 0.6  # of the best score, for an article that is listed as about a topic. Set by hand.
MORE_HITS = 4  # times as many passages are fetched where those from outside a window are left out. Set by hand.


def stands_alone(ask: Ask, reading: Reading) -> bool:
    """Whether a question that may stand alone is about something else than the conversation before it: what that one is
    about is far from what is found for the question itself."""
    alone = ask.retriever.retrieve(ask.question, ask.filters, top_k=ARTICLES_ALONE, per_article=1)
    continued = ask.retriever.retrieve(reading.text, ask.filters, top_k=CONTINUED_ARTICLES, per_article=1)
    known = {article.id for hit in continued for article in (hit.passage.article, *hit.copies)}
    scores = [h.score for h in alone if not known.isdisjoint(one.id for one in (h.passage.article, *h.copies))]
    return bool(alone) and max(scores, default=0.0) < LEAST_CONTINUED * alone[0].score


def hits_of_kind(ask: Ask, kind: QuestionKind, reading: Reading) -> Sequence[Hit]:
    """The hits: for a composition those of its subject, and more of them."""
    if kind == "fact":
        return hits_for(ask, reading.text, reading)
    query = "" if kind == "archive" else subject_of(reading.subject, kind)
    if not query:
        return ()
    found: dict[str, Hit] = {}
    for window in _windows(ask, years_of(query), reading.window):
        of_window = replace(reading, window=window)
        for hit in hits_for(ask, without_years(query), of_window, composer.TOP_K, composer.PER_ARTICLE):
            found[hit.passage.id] = max(hit, found.get(hit.passage.id, hit), key=lambda h: h.score)
    return sorted(found.values(), key=lambda hit: -hit.score)


def hits_about(ask: Ask, topic: str, filters: Filters) -> Sequence[Hit]:
    """The hits for what articles are to be about, one an article, that score LEAST_ABOUT of the best; none where no
    article in the language of the question holds one of its words."""
    words = [token.folded for token in tokens(topic) if token.folded not in STOP_WORDS]
    language = detect_language(ask.question) or ""
    if language in ask.archive.catalog.languages() and ask.archive.unknown_words(words, language):
        return ()
    hits = ask.retriever.retrieve(topic, filters, per_article=1)
    return [hit for hit in hits if hit.score >= LEAST_ABOUT * hits[0].score]


def _windows(ask: Ask, years: Sequence[int], window: TimeWindow | None) -> list[TimeWindow | None]:
    """The years that a question compares, so that each is searched for; `window` where it names fewer, or the caller
    has said in which days to search. A year is often told of in the first months of the next."""
    if len(years) < 2 or ask.filters.since or ask.filters.until:
        return [window]
    return [TimeWindow(first=date(year, 1, 1), last=date(year + 1, REPORTING_MONTHS, 28)) for year in years[:2]]


def hits_for(
    ask: Ask, query: str, reading: Reading, top_k: int | None = None, per_article: int | None = None
) -> Sequence[Hit]:
    """The hits for a query; for a question about other days than those of the conversation, none from outside them
    where others are found. None from articles on somebody else of the last name of whom it names."""
    search = partial(ask.retriever.retrieve, query, ask.filters, per_article=per_article, window=reading.window)
    size = top_k or ask.retriever.settings.top_k
    if not (reading.elsewhere and reading.window):
        hits = search(top_k=top_k)
        if len(kept := without_namesakes(query, hits)) == len(hits):
            return hits
        return without_namesakes(query, search(top_k=MORE_HITS * size))[:size] or kept
    hits = without_namesakes(query, search(top_k=MORE_HITS * size))
    return [hit for hit in hits if _is_from(hit, reading.window, undated=True)][:size] or hits[:size]


def window_in(window: TimeWindow | None, hits: Sequence[Hit]) -> TimeWindow | None:
    """The window, dropped where none of the hits is from it."""
    if window is None:
        return None
    return replace(window, dropped=not any(_is_from(hit, window) for hit in hits))


def _is_from(hit: Hit, window: TimeWindow, *, undated: bool = False) -> bool:
    """Whether the article of a hit is from the days of a window or those just after; `undated`: or of no known day."""
    days, day = within(window), hit.passage.article.day
    return undated if day is None else (days.since or date.min) <= day <= (days.until or date.max)


def is_later(hit: Hit, today: date | None) -> bool:
    """Whether the article of a hit is of a day after `today`; false where either is not known."""
    day = hit.passage.article.day
    return bool(today and day and day > today)
