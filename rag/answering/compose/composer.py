"""From a question's kind and its hits to the sentences that answer it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rag.answering.compose import comparison, latest, listing, statements, summary, timeline
from rag.answering.compose.material import Material
from rag.schema import QuestionKind, Sentence

COMPOSERS: Mapping[QuestionKind, Callable[[Material], list[Sentence]]] = {
    "timeline": timeline.compose,
    "latest": latest.compose,
    "statements": statements.compose,
    "summary": summary.compose,
    "comparison": comparison.compose,
    "list": listing.compose,
}
# Passages that are retrieved for these kinds, and most of one article: an answer rests on many articles.
TOP_K, PER_ARTICLE = 30, 5
