"""A summary: sentences that say different things about the subject, in the order of their days, undated ones last; or,
of some days, what happened in them, story by story."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from rag.answering.citations import Citer
from rag.answering.compose.material import MOST_SENTENCES, Line, Material
from rag.answering.compose.sentences.named_source import of_named_source
from rag.answering.compose.sentences.worth import ENDINGS, Worth, worth_asked
from rag.answering.compose.wording import is_new, quotable, sourced, telling
from rag.schema import Sentence, TimeWindow

MOST = 8
# What a sentence loses by being from an article that tells another story than the nearest one, and the part of its
# likeness that counts: within a story, what is told says more than how like the subject it is. Swept on the editor's
# questions to the demo archive and on 20 further ones.
OTHER_STORY, LIKENESS = 1.5, 0.6
# Of some days: most sentences of a story, and what the best one of a story needs of that of the best one of all. Set by
# hand on the editor's questions to the demo archive and on 320 further ones by four writers.
MOST_OF_STORY, LEAST_SHARE = 3, 0.6


def compose(material: Material) -> list[Sentence]:
    """At most eight sentences, fewer where the articles have fewer that are fit to be quoted: of the outlet or author
    that the subject names, from all of their articles, else from the beginnings of the articles about it."""
    citer = Citer()
    own = of_named_source(material)
    material = own or replace(material, lines=tuple(one for one in material.lines if one.place < MOST_SENTENCES))
    story = main_story(material)
    lines = quotable(material.lines)
    chosen = sorted(chosen_lines(lines, apart=[line for line in lines if line.article.id not in story]), key=_order)
    return [citer.sentence(sourced(one.article, one.text), (one.candidate,), "") for one in chosen]


def main_story(material: Material) -> set[str]:
    """The ids of the nearest article and of those that tell the same story."""
    first = next((article.id for article in material.articles), "")
    story = material.stories.get(first)
    return {first} | {one for one, other in material.stories.items() if story and other == story}


def _order(line: Line) -> tuple[date, str, int]:
    return line.day or date.max, line.article.id, line.place


def chosen_lines(lines: Sequence[Line], most: int = MOST, apart: Sequence[Line] = ()) -> list[Line]:
    """The lines that tell most with least repetition, the most telling first; those `apart` are less welcome."""
    outside = {id(line) for line in apart}
    worth = Worth(lines, lambda line: _own(line) - OTHER_STORY * (id(line) in outside))
    chosen: list[int] = []
    while len(chosen) < most:
        best = worth.best(range(len(lines)), chosen)
        if best is None:
            break
        chosen.append(best)
    return [lines[i] for i in chosen]


def _own(line: Line) -> float:
    return telling(line) - (1 - LIKENESS) * line.candidate.likeness


def of_days(material: Material, window: TimeWindow) -> list[Sentence]:
    """At most MOST sentences in the order of their days, each with day and outlet, from articles published in the
    window; none where no article was."""
    first, last = window.first or date.min, window.last or date.max
    lines = [line for line in quotable(material.lines) if line.day and first <= line.day <= last]
    citer = Citer()
    chosen = sorted(_of_stories(_stories(lines, material)), key=_order)
    return [citer.sentence(sourced(one.article, one.text), (one.candidate,), "") for one in chosen]


def _stories(lines: Sequence[Line], material: Material) -> list[list[Line]]:
    """The lines of each story that is about what is asked, the best story first."""
    groups: dict[str, list[Line]] = defaultdict(list)
    for line in sorted(lines, key=worth_asked, reverse=True):
        groups[material.stories.get(line.article.id, line.article.id)].append(line)
    best = max(map(worth_asked, lines), default=0.0)
    return [own for own in groups.values() if worth_asked(own[0]) >= LEAST_SHARE * best][:MOST]


def _of_stories(stories: Sequence[Sequence[Line]]) -> list[Line]:
    """From each story the first sentence of the article that is most about what is asked, then its best ones."""
    each = min(MOST_OF_STORY, MOST // max(len(stories), 1))
    chosen: list[Line] = []
    for lines in stories:
        nearest = [line for line in lines if line.article.id == lines[0].article.id]
        lead = min(nearest, key=lambda line: (_is_heading(line), line.place))
        own: list[Line] = []
        for line in (lead, *lines):
            if len(own) < each and line not in own and is_new(line, [*chosen, *own]):
                own.append(line)
        chosen += own
    return chosen


def _is_heading(line: Line) -> bool:
    """Whether a line ends like one below a headline and not like a sentence."""
    return line.text[-1] not in ENDINGS
