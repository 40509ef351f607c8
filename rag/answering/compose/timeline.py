"""A timeline: the days that the articles tell of, each with the sentence that says most about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, timedelta

from rag.answering.citations import Citer
from rag.answering.compose.material import OPENING_SENTENCES, Line, Material, years_of
from rag.answering.compose.sentences.own_days import own_days
from rag.answering.compose.sentences.quotations import whole_quotations
from rag.answering.compose.sentences.worth import substance
from rag.answering.compose.summary import main_story
from rag.answering.compose.wording import dated, is_new, quotable
from rag.answering.compose.wording import telling as _telling
from rag.language.dates import named_days, resolved
from rag.schema import Article, Sentence

MOST_ENTRIES = 12
# What an article adds to the weight of a day that it names, of the day before its publication, of which news mostly
# tells, and of one that it recalls: names more than RECALLED_AFTER days later in one of its first OPENING_OF_NEWS
# sentences. Swept on the timelines es_egypt and fr_egypt: date F1 .500 and .271 (of the 59 days of fr_egypt, 28 are the
# day of an article or named in one); without own_days .479 and .271; without the last two weights too, .438 and .237,
# for the busiest days of publication .354 and .203. Weights learnt on one of the two, without own_days, give .254 (fr)
# and .438 (es) on the other.
NAMED, DAY_BEFORE, RECALLED = 1.0, 2.0, 6.0
RECALLED_AFTER, OPENING_OF_NEWS = 7, 5
# Headline, beginning or sentence of an article of another story needs this share of the likeness of the best sentence
# of all. Set by hand on questions to the demo archive.
LEAST_LIKENESS = 0.7
# What a sentence has over others by naming its day and by being the first of its article, and loses where it announces
# a day. Set by hand on the editor's questions to the demo archive and on 20 further ones.
NAMES_ITS_DAY, LEAD, ANNOUNCED = 0.1, 0.2, 0.3
# Sentences of one day, and entries up to which a day is given a second one: more of them hide the days. Set by hand on
# the editor's questions to the demo archive and on ten further ones.
MOST_OF_DAY, ENOUGH = 2, 10
FARTHEST_AHEAD = 270  # days
DATELINE = 60  # characters at the beginning of a text in which its day may stand
OPENING = 8  # sentences of an article that tell of its own day where they name none


@dataclass(frozen=True, slots=True, eq=False)
class Dated:
    """A sentence and a day that it tells of; `named`: in its own words, otherwise the day is that of publication."""

    line: Line
    day: date
    named: bool

    @property
    def recalled(self) -> bool:
        """Whether the beginning of a later article names the day."""
        later = self.line.day is not None and (self.line.day - self.day).days > RECALLED_AFTER
        return self.named and later and self.line.place < OPENING_OF_NEWS

    @property
    def announced(self) -> bool:
        """Whether the day was still to come when the article was published."""
        return bool(self.line.day and self.day > self.line.day)


def dated_lines(lines: Sequence[Line], days: Mapping[str, date] | None = None) -> list[Dated]:
    """Each line with each day that it names; the opening ones that name none with the day of their article.

    That is the day of its publication, or where it has none the one in `days`. A line that begins with the sentence in
    front of it, on which it leans, tells first of the days of that one: what is shown under a day must be of that day.
    """
    found: list[Dated] = []
    for line in lines:
        own, told = line.day or (days or {}).get(line.article.id), _opening(line.text)
        named = [day for day in own_days(told, own, line.article.language) if not _is_far(day, own, told)]
        found += [Dated(line, day, True) for day in named]
        if not named and own and line.place < OPENING:
            found.append(Dated(line, own, False))
    return found


def _opening(text: str) -> str:
    """The first sentence of a line, with its quotation whole."""
    return next((text[start:end] for start, end in whole_quotations(text)), text)


def _is_far(day: date, published: date | None, text: str) -> bool:
    """Whether a day is so far ahead that it is rather one of the past, as the text names no year."""
    return published is not None and (day - published).days > FARTHEST_AHEAD and str(day.year) not in text


def weights(found: Sequence[Dated], lines: Sequence[Line]) -> dict[date, float]:
    """How often the articles refer to each day: by naming it, by recalling it, and by appearing on the next one."""
    named = {(one.line.article.id, one.day) for one in found if one.named}
    recalled = {(one.line.article.id, one.day) for one in found if one.recalled}
    eves = {(line.article.id, line.day - timedelta(days=1)) for line in lines if line.day and line.day > date.min}
    total: dict[date, float] = defaultdict(float)
    for weight, days in ((NAMED, named), (DAY_BEFORE, eves), (RECALLED, recalled)):
        for _, day in days:
            total[day] += weight
    return total


def entries(lines: Sequence[Line], most: int = MOST_ENTRIES) -> list[Dated]:
    """At most `most` days in order, the weightiest ones, each with its most telling sentence."""
    return busiest(dated_lines(lines), lines, most)


def busiest(found: Sequence[Dated], lines: Sequence[Line], most: int = MOST_ENTRIES) -> list[Dated]:
    """At most `most` of these in order, each the most telling one of a day: of the days to which the lines refer
    most."""
    by_day: dict[date, list[Dated]] = defaultdict(list)
    for one in found:
        by_day[one.day].append(one)
    weight = weights(found, lines)
    chosen: list[Dated] = []
    for day in sorted(by_day, key=lambda d: (-weight[d], d)):
        new = _next(by_day[day], chosen)
        if new:
            chosen.append(new)
        if len(chosen) == most:
            break
    return sorted(chosen, key=lambda one: one.day)


def further(found: Sequence[Dated], chosen: Sequence[Dated]) -> list[Dated]:
    """The chosen entries with a second sentence of their days, the most telling ones first, up to ENOUGH in all."""
    every, told = list(chosen), [one for one in found if not one.announced]
    for one in sorted(told, key=telling, reverse=True):
        if len(every) >= ENOUGH:
            break
        of_day = sum(one.day == other.day for other in every)
        if 0 < of_day < MOST_OF_DAY and is_new(one.line, (other.line for other in every)):
            every.append(one)
    return sorted(every, key=_order)


def _order(one: Dated) -> tuple[date, str, int]:
    return one.day, one.line.article.id, one.line.place


def _next(told: Sequence[Dated], chosen: Sequence[Dated]) -> Dated | None:
    """The most telling of these that says something new."""
    best = sorted(told, key=telling, reverse=True)
    return next((one for one in best if is_new(one.line, (c.line for c in chosen))), None)


def telling(one: Dated) -> float:
    """How much a sentence says about its day and the subject; higher is better."""
    line = one.line
    return (
        _telling(line)
        + substance(line)
        + NAMES_ITS_DAY * one.named
        + LEAD * (line.place == 0)
        - ANNOUNCED * one.announced
    )


def compose(material: Material) -> list[Sentence]:
    """The entries as sentences, each with its day in front; those of undated articles, which tell of the same story,
    behind the others."""
    story = main_story(material)
    of_story = story | material.series
    lines = _about_it(material, of_story)
    days = days_of([article for article in material.articles if article.id in story])
    years = years_of(material.subject)
    every = dated_lines(lines, days)
    found = [one for one in every if one.day.year in years] or every
    chosen = busiest(found, lines)
    chosen = further(found, [*chosen, *_of_the_untold(found, chosen, of_story)])
    citer = Citer()
    undated = _undated([line for line in lines if line.article.id in story and line.article.id not in days], chosen)
    return [
        *(citer.sentence(dated(one.day, one.line.text), (one.line.candidate,), "") for one in chosen),
        *(citer.sentence(dated(None, line.text), (line.candidate,), "") for line in undated),
    ]


def _about_it(material: Material, told: Set[str]) -> list[Line]:
    """The lines of the articles `told`, and sentences of others that are nearly as like the subject as the best one of
    all: with the rest of their article where its headline or beginning is too, as else that tells of something else."""
    least = LEAST_LIKENESS * max((line.candidate.likeness for line in material.lines), default=0.0)
    near = [line for line in material.lines if line.candidate.likeness >= least]
    others = list({line.article.id: line.article for line in near}.values())
    headlines = material.likenesses(material.subject, [(one.title, one.language) for one in others])
    about = {line.article.id for line in near if line.place < OPENING_SENTENCES}
    about |= {one.id for one, like in zip(others, headlines, strict=True) if like >= least} | told
    return [line for line in quotable(material.lines) if line.article.id in about or line.candidate.likeness >= least]


def _of_the_untold(found: Sequence[Dated], chosen: Sequence[Dated], story: Set[str]) -> list[Dated]:
    """The best entry of each article of the story that has none yet: it tells of a stage of its own."""
    told = {one.line.article.id for one in chosen}
    best = [_next([one for one in found if one.line.article.id == article], chosen) for article in sorted(story - told)]
    return [one for one in best if one]


def _undated(lines: Sequence[Line], chosen: Sequence[Dated]) -> list[Line]:
    """The most telling of these of each article that has no entry."""
    told = {one.line.article.id for one in chosen}
    best: dict[str, Line] = {}
    for line in sorted(lines, key=lambda line: _telling(line) + substance(line), reverse=True):
        if line.article.id not in told and is_new(line, (one.line for one in chosen)):
            best.setdefault(line.article.id, line)
    return list(best.values())


def days_of(articles: Sequence[Article]) -> dict[str, date]:
    """The day of each article of one story; of an undated one that of its dateline, in the year of the others.

    An article without either is left out.
    """
    known = {article.id: article.day for article in articles if article.day}
    if not known:
        return {}
    middle = sorted(known.values())[len(known) // 2]
    for article in articles:
        if article.id not in known and (day := _dateline(article, middle)):
            known[article.id] = day
    return known


def _dateline(article: Article, about: date) -> date | None:
    """The day that the beginning of an article names, in the year that brings it nearest to another day."""
    opening = article.text[:DATELINE]
    relative = set(resolved(opening, about, article.language))
    return next((one[2] for one in named_days(opening, about, article.language) if one not in relative), None)
