"""A comparison: the two sides of a question, each with its most telling sentences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from rag.answering.citations import Citer
from rag.answering.compose.material import Line, Material, years_of
from rag.answering.compose.summary import chosen_lines
from rag.answering.compose.wording import newsworthy, sourced
from rag.language.names import names
from rag.language.tokens import tokens
from rag.schema import Sentence

EACH = 3  # sentences of a side


def compose(material: Material) -> list[Sentence]:
    """The same number of sentences for each side, one side after the other; none where there is only one side."""
    sides = [chosen_lines(side, EACH) for side in sides_of(material)]
    if len(sides) < 2 or not all(sides):
        return []
    citer = Citer()
    return [citer.sentence(sourced(one.article, one.text), (one.candidate,), "") for side in sides for one in side]


def sides_of(material: Material) -> list[list[Line]]:
    """The lines of the two sides: of the years or names that the subject names, otherwise of its two stories or
    articles."""
    lines = [line for line in material.lines if newsworthy(line)]
    years = years_of(material.subject)
    if len(years) == 2:
        return [[line for line in lines if line.day and line.day.year == year] for year in years]
    by_name = _by_name(lines, material.subject)
    if len(by_name) == 2:
        return by_name
    stories = {article.id: material.stories.get(article.id, article.id) for article in material.articles}
    two = list(dict.fromkeys(stories.values()))[:2]
    if len(two) == 2 and len(stories) > 2:
        return sorted(([line for line in lines if stories[line.article.id] == one] for one in two), key=_first_day)
    first = [article.id for article in sorted(material.articles[:2], key=lambda a: str(a.day))]
    return [[line for line in lines if line.article.id == one] for one in first]


def _first_day(lines: Sequence[Line]) -> date:
    return min((line.day for line in lines if line.day), default=date.max)


def _by_name(lines: Sequence[Line], subject: str) -> list[list[Line]]:
    """The lines that name exactly one of the two names of the subject; nothing where it has not two."""
    wanted = list(dict.fromkeys(names(subject, sentence_start=True)))
    if len(wanted) != 2:
        return []
    words = [{token.folded for token in tokens(f"{line.article.title} {line.text}")} for line in lines]
    one, other = wanted
    return [
        [line for line, own in zip(lines, words, strict=True) if one in own and other not in own],
        [line for line, own in zip(lines, words, strict=True) if other in own and one not in own],
    ]
