"""A timeline: the days that the articles tell of, each with the sentence that says most about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from rag.answering.citations import Citer
from rag.answering.compose.material import Line, Material, years_of
from rag.answering.compose.wording import dated, is_new, newsworthy
from rag.language.dates import named_days
from rag.schema import Sentence

MOST_ENTRIES = 12
# What an article adds to the weight of a day that it names, and to that of its own publication. Swept on the timelines
# es_egypt and fr_egypt, whose date F1 is .458 and .237; a timeline of the busiest days has .354 and .203.
NAMED, PUBLISHED = 1.0, 1.0
# A sentence this much less like the subject than the best one of the timeline makes no entry. Set by hand on questions
# to the demo archive.
LEAST_LIKENESS = 0.15
OPENING = 3  # sentences of an article that tell of its own day where they name none


@dataclass(frozen=True, slots=True, eq=False)
class Dated:
    """A sentence and a day that it tells of; `named`: in its own words, otherwise the day is that of publication."""

    line: Line
    day: date
    named: bool


def dated_lines(lines: Sequence[Line]) -> list[Dated]:
    """Each line with each day that it names; the opening ones that name none with their day of publication."""
    found: list[Dated] = []
    for line in lines:
        named = {day for _, _, day in named_days(line.text, line.day, line.article.language)}
        found += [Dated(line, day, True) for day in sorted(named)]
        if not named and line.day and line.place < OPENING:
            found.append(Dated(line, line.day, False))
    return found


def weights(found: Sequence[Dated], lines: Sequence[Line]) -> dict[date, float]:
    """How often the articles refer to each day: by naming it, and by appearing on it."""
    named = {(one.line.article.id, one.day) for one in found if one.named}
    published = {(line.article.id, line.day) for line in lines if line.day}
    total: dict[date, float] = defaultdict(float)
    for _, day in named:
        total[day] += NAMED
    for _, published_day in published:
        if published_day:
            total[published_day] += PUBLISHED
    return dict(total)


def entries(lines: Sequence[Line], most: int = MOST_ENTRIES, years: Sequence[int] = ()) -> list[Dated]:
    """At most `most` days in order, the weightiest ones, each with its most telling sentence; of these years only,
    where any are given."""
    found = [one for one in dated_lines(lines) if not years or one.day.year in years]
    weight = weights(found, lines)
    by_day: dict[date, list[Dated]] = defaultdict(list)
    for one in found:
        by_day[one.day].append(one)
    chosen: list[Dated] = []
    for day in sorted(by_day, key=lambda d: (-weight[d], d)):
        best = sorted(by_day[day], key=telling, reverse=True)
        new = next((one for one in best if is_new(one.line, (c.line for c in chosen))), None)
        if new:
            chosen.append(new)
        if len(chosen) == most:
            break
    return sorted(chosen, key=lambda one: one.day)


def telling(one: Dated) -> float:
    """How much a sentence says about its day and the subject; higher is better."""
    line = one.line
    opening = 0.3 / (1 + line.place)
    return (
        line.candidate.likeness
        + 0.5 * line.candidate.coverage
        + 0.3 * one.named
        + opening
        - 0.5 * (not newsworthy(line))
    )


def compose(material: Material) -> list[Sentence]:
    """The entries as sentences, each with its day in front."""
    best = max((line.candidate.likeness for line in material.lines), default=0.0)
    near = [line for line in material.lines if line.candidate.likeness >= LEAST_LIKENESS * best and newsworthy(line)]
    years = years_of(material.subject)
    found = entries(near, years=years) or entries(near)
    citer = Citer()
    return [citer.sentence(dated(one.day, one.line.text), (one.line.candidate,), "") for one in found]
