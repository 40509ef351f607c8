"""Whether sources give different numbers, dates or names in answer to one question."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from rag.answering.compose.sentences.corrections import corrects
from rag.answering.question import Expected, expected, holds
from rag.answering.sentence_selection import Candidate, years_named
from rag.language.dates import named_days
from rag.language.names import names
from rag.language.numbers import numbers
from rag.language.stems import content_stems
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import folded_words

# Of the best score, what a sentence needs to be an answer; of the question's words, the share that it must hold, and
# the one that two sentences with numbers or dates must both hold to be compared where they are worded differently; of
# the words beside the question's in the shorter of two, the share and the number that the other must have. Set by hand
# on a sample of rgb_en_fact: with less, sentences about something beside the question count as differing.
LEAST_SCORE, LEAST_COVERAGE, COMPARED_COVERAGE, SAME_WORDING, LEAST_SHARED = 0.6, 0.6, 0.8, 0.6, 2
# Content words of a question that tell what it is about: that of "how old is she?" fits the age of anybody.
LEAST_ASKED = 2
# Articles whose days lie further apart are no difference: what they tell may have changed. Set by hand.
SAME_TIME = timedelta(days=3)


def differing(question: str, candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """The best sentence of each source, in groups of those that say the same; none where fewer than two differ.

    The group of most sources comes first, of equally many the one of the best sentence. A source is an outlet, or an
    article of no outlet; the last article of an outlet counts, and none that is older than a correction. `candidates`
    are best first.
    """
    if not candidates:
        return []
    language = candidates[0].passage.article.language
    wanted = expected(question, language)
    groups: list[list[Candidate]] = []
    for one in _answers(question, candidates, wanted) if wanted else ():
        same = next((g for g in groups if any(_agree(wanted, question, one, other) for other in g)), None)
        if same is None:
            groups.append([one])
        else:
            same.append(one)
    return sorted(groups, key=len, reverse=True) if len(groups) > 1 else []


def _answers(question: str, candidates: Sequence[Candidate], wanted: Expected) -> list[Candidate]:
    """The best sentence of each source that has the kind of words asked for, of the time of the best of all."""
    best: dict[str, Candidate] = {}
    for one in candidates:
        if one.score < LEAST_SCORE * candidates[0].score or one.coverage < LEAST_COVERAGE or corrects(one.text):
            continue
        if _values(wanted, question, one) and holds(wanted, one.text, question, one.passage.article.language):
            best.setdefault(one.passage.article.id, one)
    corrected = max((_day(c) for c in candidates if corrects(c.text)), default=date.min)
    current = [one for one in best.values() if not one.passage.article.day or _day(one) >= corrected]
    near = [one for one in current if _at_one_time(one, current[0]) and _comparable(wanted, question, one, current[0])]
    last = {one.passage.article.outlet or one.passage.article.id: one for one in sorted(near, key=_day)}
    return [one for one in near if one in last.values()]


def _day(candidate: Candidate) -> date:
    return candidate.passage.article.day or date.min


def _at_one_time(one: Candidate, other: Candidate) -> bool:
    days = one.passage.article.day, other.passage.article.day
    return not days[0] or not days[1] or abs(days[0] - days[1]) <= SAME_TIME


def _comparable(wanted: Expected, question: str, one: Candidate, other: Candidate) -> bool:
    """Whether two sentences tell of the same thing: they hold nearly all words of a question that tells what it is
    about, or have one wording."""
    tells = sum(word not in STOP_WORDS for word in folded_words(question)) >= LEAST_ASKED
    if wanted != "name" and tells and min(one.coverage, other.coverage) >= COMPARED_COVERAGE:
        return True
    asked = set(content_stems(question, one.passage.article.language))
    words = [
        set(content_stems(c.text, c.passage.article.language)) - _values(wanted, question, c) - asked
        for c in (one, other)
    ]
    shared = len(words[0] & words[1])
    return one == other or (shared >= LEAST_SHARED and shared >= SAME_WORDING * min(map(len, words)))


def _agree(wanted: Expected, question: str, one: Candidate, other: Candidate) -> bool:
    """Whether two sentences share a value, or are of one wording."""
    return not _values(wanted, question, one).isdisjoint(_values(wanted, question, other))


def _values(wanted: Expected, question: str, candidate: Candidate) -> set[str]:
    """What a sentence gives of the wanted kind and the question does not name."""
    article = candidate.passage.article
    if wanted == "name":
        return set(names(candidate.text, sentence_start=True)) - set(names(question, sentence_start=True))
    days = named_days(candidate.text, article.day, article.language)
    if wanted == "date":
        return (years_named(candidate.text) | {str(day) for _, _, day in days}) - years_named(question)
    text = candidate.text
    for start, end, _ in reversed(days):
        text = f"{text[:start]} {text[end:]}"
    return numbers(text, article.language) - numbers(question, article.language) - years_named(text)
