"""From a question's kind and its hits to the sentences that answer it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rag.answering.ask import Ask
from rag.answering.compose import comparison, disagreement, latest, listing, statements, summary, timeline
from rag.answering.compose.material import LEAST_SHARE, Material, collect
from rag.answering.compose.sentences.offices import NAMED_SO
from rag.answering.conversation.followups import Reading
from rag.answering.kinds.cues import subject_of
from rag.answering.question import expected
from rag.language.identify import archive_language, detect_language
from rag.schema import Answer, QuestionKind, Sentence

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
# Kinds whose answer may stand in an article on something else that names what is asked about.
NAMED_KINDS: frozenset[QuestionKind] = frozenset({"latest"})
# Passages that are retrieved for these kinds, and most of one article: an answer rests on many articles.
TOP_K, PER_ARTICLE = 30, 5


def composed(material: Material, kind: QuestionKind, reading: Reading) -> list[Sentence]:
    """The sentences that answer a question of this kind; none where the material tells too little."""
    if kind == "latest" and asks_who(reading) and (held := latest.in_office(material, NAMED_SO)):
        return held
    return COMPOSERS[kind](material)


def asks_who(reading: Reading) -> bool:
    """Whether a question asks for a name."""
    return expected(reading.asked, detect_language(reading.asked)) == "name"


def material_of(ask: Ask, answer: Answer, reading: Reading) -> Material:
    """What is told of the subject of a question in the articles of the hits and in others like them."""
    languages = ask.archive.catalog.languages()
    own = detect_language(ask.question) or next(iter(languages), "")
    foreign = archive_language(own, languages)
    subject = subject_of(reading.subject, answer.kind)
    least = LEAST_SHARES.get(answer.kind, LEAST_SHARE)
    further = FURTHER.get(answer.kind, 0)
    return collect(
        subject, foreign or own, answer.hits, ask.archive, ask.sentence_embedder, least, further=further,
        foreign=bool(foreign), series=answer.kind in SERIES_KINDS, named=answer.kind in NAMED_KINDS, today=ask.today,
        filters=ask.filters,
    )  # fmt: skip
