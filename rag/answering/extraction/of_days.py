"""What happened in the days that a question names, where it asks for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from rag.answering.ask import Ask
from rag.answering.compose import composer, summary
from rag.answering.compose.material import collect
from rag.answering.conversation.followups import Reading
from rag.answering.kinds.causes import asks_cause
from rag.answering.kinds.cues import has_cue
from rag.answering.question import expected
from rag.answering.time_windows.windows import without_days
from rag.language.dates import named_days
from rag.language.identify import archive_language, detect_language
from rag.language.names import names
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import tokens
from rag.schema import Answer, Hit, Sentence

FEW_DAYS = 2  # of a window to which the day behind it belongs too. Set by hand: a day or two.
MOST_DAYS = 62  # of a window whose stories are told one by one. Set by hand: two months.
# Nearness to the subject that an article of the window needs, as a share of the nearest one's. Set by hand on the
# editor's questions to the demo archive about some days and those of three further writers.
LEAST_SHARE = 0.4


def told_of_days(ask: Ask, reading: Reading) -> tuple[Sequence[Hit], Sequence[Sentence]]:
    """The articles of these days, and a sentence or two on each of their stories; nothing where the question asks for a
    name, a number, a day, a cause or somebody's words, the days are too many, or their articles tell too little about
    its subject."""
    window = reading.window
    if window is None or window.first is None or window.last is None or _asks_for_one(reading):
        return (), ()
    if (window.last - window.first).days > MOST_DAYS or reading.move in ("shorter", "source", "more"):
        return (), ()
    languages = ask.archive.catalog.languages()
    own = detect_language(ask.question) or next(iter(languages), "")
    foreign = archive_language(own, languages)
    subject = without_days(reading.text, ask.today or date.today())
    if (window.last - window.first).days < FEW_DAYS:  # of a day the papers of the next one tell
        window = replace(window, last=min(window.last, date.max - timedelta(days=1)) + timedelta(days=1))
    days = replace(ask.filters, since=window.first, until=window.last)
    hits = ask.retriever.retrieve(subject, days, top_k=composer.TOP_K, per_article=composer.PER_ARTICLE)
    material = collect(
        subject,
        foreign or own,
        hits,
        ask.archive,
        ask.sentence_embedder,
        LEAST_SHARE,
        foreign=bool(foreign),
        today=ask.today,
        filters=ask.filters,
    )
    lacks = material.missing and not foreign and reading.text == ask.question  # a follow-up or translation respells
    return hits, summary.of_days(material, window) if (
        material.suffices or names_only_days(reading, ask.today)
    ) and not lacks else ()


def _asks_for_one(reading: Reading) -> bool:
    """Whether a question asks for one thing in these days, and not for what happened."""
    asked, language = reading.asked, detect_language(reading.asked)
    return bool(expected(asked, language)) or asks_cause(asked) or has_cue(reading.kind_text, "statements")


def names_only_days(reading: Reading, today: date | None) -> bool:
    """Whether a question names days and nothing that happened in them: "What happened in May?", "and in June?"."""
    if reading.window is None or reading.move not in (None, "days") or today is None:
        return False
    words = [token.folded for token in tokens(without_days(reading.text, today))]
    return sum(word not in STOP_WORDS and not word.isdigit() for word in words) <= 1


def is_of_empty_days(ask: Ask, answer: Answer, reading: Reading) -> bool:
    """Whether a question asks what happened in days of which there is no article, and which none of those found names,
    and asks for nobody."""
    window, today = answer.window, ask.today
    if window is None or not window.dropped or answer.kind == "archive" or not names_only_days(reading, today):
        return False
    days = replace(ask.filters, since=window.first, until=window.last)
    asked = without_days(reading.text, today or date.today())
    if names(asked) or ask.archive.catalog.coverage(days).articles:
        return False
    first, last = window.first or date.min, window.last or date.max
    passages = [hit.passage for hit in answer.hits]
    return not any(
        first <= day <= last
        for one in passages
        for _, _, day in named_days(one.text, one.article.day, one.article.language)
    )
