"""The best sentences of the articles as an answer, and what is said where sources differ."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta

from rag.answering.citations import Citer
from rag.answering.compose.wording import sourced
from rag.answering.extraction.differences import differing
from rag.answering.kinds.causes import asks_cause, gives_cause
from rag.answering.people.namesakes import AskedPerson, names_in_full, names_person
from rag.answering.question import Expected, expected, holds
from rag.answering.sentence_selection import Candidate, is_heading, names_held, with_opening, years_named
from rag.language.stems import content_stems
from rag.schema import Sentence

# How many sentences, and the share of the best one's score that a further one must reach. Measured on 420 questions of
# xquad_en, xquad_es, norquad, heq and onestopqa, the demo held out: at .7 the answer is in what is quoted to .737 of
# them (demo .771), at .8 to .727 (.736), at .6 to no more.
SENTENCES, SHARE = 3, 0.7
# How many more sentences of the same articles, and their share. Of 320 questions that four writers asked of the demo
# archive in words of their own, the answers hold .63 of the facts asked for with them, .54 without.
MORE, SHARE_OF_MORE = 2, 0.6
COMPARED = 40  # best candidates among which repetitions are looked for: more are not quoted
MOST_DIFFERING = 5  # answers of sources that differ which are quoted
# Of several questions in one text: sentences for each, what the article that answered an earlier one has over others,
# and the share of the words of an open question that a sentence must hold. Set by hand on the demo archive.
SENTENCES_OF_PART, SAME_ARTICLE, LEAST_OF_PART = 2, 0.25, 0.5
CAUSE = 0.3  # what a sentence that gives a cause has over others, to a question why. Set by hand on the demo archive.
# What the newest of the articles has over the oldest, where the question names no year: most questions ask for what is
# so now. Set by hand on the demo archive: of its nine questions about what has changed since, four or five are answered
# with it (and with OF_OTHER_YEARS), two without.
NEWEST = 0.1
# Of the best score, what an answer of another time needs to be told too, where the question names no year: the flood of
# the next winter. Articles further apart than ONE_TIME tell of two times. Set by hand on eleven further questions to
# the demo archive, most of which fit two events: nine are answered with it, six without.
OF_ANOTHER_TIME, ONE_TIME = 0.9, timedelta(days=150)


def quotations(
    question: str, candidates: Sequence[Candidate], citer: Citer, most: int = SENTENCES, further: int = MORE
) -> list[Sentence]:
    """The best sentences verbatim, each its own citation; to a question why, those first that give a cause.

    A sentence that refers to somebody is quoted from the one that names him. Where they are from several days, each has
    its day and outlet in front, and behind the best one the newest come first, of a year that the question names if any
    is.
    """
    if groups := differing(question, candidates):
        return _differences(groups, citer)
    chosen = _apart([with_opening(c) for c in _best(question, candidates, most, further)])
    if len({c.passage.article.day for c in chosen}) < 2:
        return [citer.sentence(c.text, (c,), "") for c in chosen]
    years = years_named(question)
    chosen[1:] = sorted(chosen[1:], key=lambda c: (_is_of(c, years), c.passage.article.day or date.min), reverse=True)
    return [citer.sentence(sourced(c.passage.article, c.text), (c,), "") for c in chosen]


def _is_of(candidate: Candidate, years: Collection[str]) -> bool:
    """Whether the article of a candidate is of one of these years; false without any."""
    day = candidate.passage.article.day
    return bool(day and str(day.year) in years)


def _differences(groups: Sequence[Sequence[Candidate]], citer: Citer) -> list[Sentence]:
    """A sentence of counts, then the best sentence of each group with its day and outlet, and all sources of the group
    as its citations."""
    quoted = [
        citer.sentence(sourced(group[0].passage.article, group[0].text), group, "") for group in groups[:MOST_DIFFERING]
    ]
    return [Sentence(text=_lead([len(group) for group in groups]), verdict="supported"), *quoted]


def _lead(counts: Sequence[int]) -> str:
    """What is said of sources that differ; `counts` says how many of them agree, most first."""
    if max(counts) == 1:
        return f"The sources may differ: {len(counts)} independent sources each give another answer."
    if list(counts[1:]) == [1]:
        return f"The sources may differ: one stands alone against {counts[0]} independent others."
    first = f"{counts[0]} of them the first"
    return f"The sources may differ: {sum(counts)} independent sources give {len(counts)} answers, {first}."


def _best(question: str, candidates: Sequence[Candidate], most: int, further: int) -> list[Candidate]:
    """The candidates that are quoted, best first; headings only where there is nothing else."""
    candidates = [c for c in candidates if not is_heading(c.text)] or candidates
    newness = {} if years_named(question) else _newness(candidates)
    cause = asks_cause(question)
    ranked = [
        (c.score + CAUSE * (cause and gives_cause(c.text)) + NEWEST * newness.get(c.passage.article.day, 0.0), c)
        for c in candidates
    ]
    ranked.sort(key=lambda one: -one[0])
    ranked = _without_repeats(ranked)
    best = [c for score, c in ranked[:most] if score >= SHARE * ranked[0][0]]
    each = _of_each_time(question, candidates)[:most]
    chosen = [*each, *(c for c in best if c not in each)][:most]
    articles = {c.passage.article.id for c in chosen}
    more = [
        c
        for score, c in ranked
        if score >= SHARE_OF_MORE * ranked[0][0] and c not in chosen and c.passage.article.id in articles
    ]
    return [*chosen, *more[:further]]


def _without_repeats(ranked: Sequence[tuple[float, Candidate]]) -> list[tuple[float, Candidate]]:
    """The first COMPARED of these scores and candidates without those that say what one before says: all their content
    words stand there in the same order. The rest as it is, as nothing of it is quoted."""
    kept: list[tuple[float, Candidate]] = []
    told: list[list[str]] = []
    for score, one in ranked[:COMPARED]:
        words = content_stems(one.text, one.passage.article.language)
        if not any(_holds_in_order(known, words) for known in told):
            kept.append((score, one))
            told.append(words)
    return [*kept, *ranked[COMPARED:]]


def _holds_in_order(words: Iterable[str], others: Iterable[str]) -> bool:
    """Whether all of the others are among the words, in their order: "Hahn beat Brandner" tells not who lost to him."""
    left = iter(words)
    return all(other in left for other in others)


def _of_each_time(question: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Of each time at which articles answer a question that names no year the best sentence, the newest first.

    An answer holds the kind of words asked for, and its article the names of the question that any of them holds. None
    where all answers are of one time, or the question does not tell which kind of words answers it.
    """
    least = OF_ANOTHER_TIME * max((c.score for c in candidates), default=0.0)
    good = [c for c in candidates if c.score >= least and c.passage.article.day]
    held = {c.passage.article.id: names_held(question, c.passage.article) for c in good}
    named = set().union(*held.values())
    answers = [
        c
        for c in good
        if (wanted := expected(question, c.passage.article.language))
        and holds(wanted, c.text, question, c.passage.article.language)
        and named == held[c.passage.article.id]
    ]
    if years_named(question) or len(times := _times(answers)) < 2:
        return []
    newness = [_newness(of_one) for of_one in times]
    best = [
        max(of_one, key=lambda c: c.score + NEWEST * new.get(c.passage.article.day, 0.0))
        for of_one, new in zip(times, newness, strict=True)
    ]
    return best[::-1]


def _times(answers: Sequence[Candidate]) -> list[list[Candidate]]:
    """The candidates by the time of their articles, the earliest first: a new one begins after a gap of ONE_TIME."""
    times: list[list[Candidate]] = []
    last = date.min
    for one in sorted(answers, key=lambda c: c.passage.article.day or date.min):
        day = one.passage.article.day or date.min
        if not times or day - last > ONE_TIME:
            times.append([])
        times[-1].append(one)
        last = day
    return times


def _apart(chosen: Sequence[Candidate]) -> list[Candidate]:
    """The candidates without those whose words another one of the same article holds."""

    def within(one: Candidate, other: Candidate) -> bool:
        same = one.passage.article.id == other.passage.article.id
        return same and other.start <= one.start and one.end <= other.end and one.text != other.text

    return [one for one in chosen if not any(within(one, other) for other in chosen)]


def _newness(candidates: Sequence[Candidate]) -> dict[date | None, float]:
    """Day of publication -> 0 for the oldest of those of good candidates to 1 for the newest."""
    best = max((c.score for c in candidates), default=0.0)
    days = sorted({c.passage.article.day for c in candidates if c.passage.article.day and c.score >= SHARE * best})
    return {day: place / (len(days) - 1) for place, day in enumerate(days)} if len(days) > 1 else {}


def _tells_of(candidate: Candidate, person: AskedPerson) -> bool:
    """Whether a sentence names a person, or nobody in full where its paragraph has named the person before."""
    article, start, end = candidate.passage.article, candidate.start, candidate.end
    if names_person(article, start, end, person):
        return True
    paragraph = article.text.rfind("\n", 0, start) + 1
    return names_person(article, paragraph, start, person) and not names_in_full(article, start, end)


def _may_answer(candidate: Candidate, wanted: Expected, part: str, people: Sequence[AskedPerson]) -> bool:
    of_kind = not wanted or holds(wanted, candidate.text, part, candidate.passage.article.language)
    return of_kind and all(_tells_of(candidate, one) for one in people)


def of_part(
    part: str, candidates: Sequence[Candidate], shown: Sequence[Candidate], language: str,
    people: Sequence[AskedPerson] = (),
) -> list[Candidate]:  # fmt: skip
    """The candidates that may answer a part: of the kind that it asks for and on the `people` whom it means, not shown
    before, best first, those of articles that answered an earlier part preferred."""
    wanted = expected(part, language)
    known, articles = {(c.passage.id, c.start) for c in shown}, {c.passage.article.id for c in shown}
    fit = [
        replace(c, score=c.score + SAME_ARTICLE * (c.passage.article.id in articles))
        for c in candidates
        if (c.passage.id, c.start) not in known and _may_answer(c, wanted, part, people)
    ]
    one_language = all(c.passage.article.language == language for c in fit)
    if not wanted and one_language and max((c.coverage for c in fit), default=0.0) < LEAST_OF_PART:
        return []
    return sorted(fit, key=lambda c: -c.score)
