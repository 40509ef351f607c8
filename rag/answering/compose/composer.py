"""From a question's kind and its hits to the sentences that answer it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rag.answering.compose import comparison, disagreement, latest, listing, statements, summary, timeline
from rag.answering.compose.material import Material
from rag.schema import QuestionKind, Sentence

COMPOSERS: Mapping[QuestionKind, Callable[[Material], list[Sentence]]] = {
    "timeline": timeline.compose,
    "latest": latest.compose,
    "statements": statements.compose,
    "summary": summary.compose,
    "comparison": comparison.compose,
    "disagreement": disagreement.compose,
    "list": listing.compose,
}
# Of the nearness of the article that is most about the subject, what others need to be read, where it is not that of
# material.LEAST_SHARE: a speaker may say one word on the subject, a list and a comparison of reports gather from
# everywhere, and sides of a comparison and stages of a timeline share few words. Set by hand on the questions to the
# demo archive.
LEAST_SHARES: Mapping[QuestionKind, float] = {
    "statements": 0.4,
    "list": 0.6,
    "disagreement": 0.4,
    "comparison": 0.5,
    "timeline": 0.6,
}
# Sentences that are read behind the first ones of the articles: what somebody said, the items of a list and what the
# report of a named outlet tells stand anywhere. Set by hand; 24 take about as long to embed as the first ones of two
# articles.
FURTHER: Mapping[QuestionKind, int] = {"statements": 24, "list": 24, "summary": 24, "disagreement": 24}
# Kinds whose answer also rests on articles that tell of the same thing at another time, however few of the subject's
# words they hold: "the rate moves" are those of each year.
SERIES_KINDS: frozenset[QuestionKind] = frozenset({"timeline", "latest"})
# Passages that are retrieved for these kinds, and most of one article: an answer rests on many articles.
TOP_K, PER_ARTICLE = 30, 5
