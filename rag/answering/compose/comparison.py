"""A comparison: the two sides of a question, with the sentences of each that tell of the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from rag.answering.citations import Citer
from rag.answering.compose.material import Line, Material, years_of
from rag.answering.compose.sentences.worth import figures, substance
from rag.answering.compose.wording import is_new, quotable, sourced, telling
from rag.language.names import names
from rag.language.stems import content_stems
from rag.language.tokens import folded_words, tokens
from rag.schema import Article, Sentence

PAIRS = 5  # most pairs of sentences
# What a pair gains by the likeness of its sentences, by the share of the words around their figures that are the same,
# and by a figure in both. Set by hand on the editor's questions to the demo archive and on 20 further ones.
ALIKE, SAME_UNIT, BOTH_COUNT = 1.5, 0.8, 0.3
LEAD = 0.3  # what the first sentence of an article has over others
AROUND = 4  # words behind a figure that say what it counts
_YEAR = re.compile(r"(?:19|20)\d\d")


def compose(material: Material) -> list[Sentence]:
    """Pairs of sentences, one of each side, side by side: at most PAIRS a side; none where there is only one side."""
    one, other = sides_of(material)
    if not one or not other:
        return []
    citer = Citer()
    chosen = pairs(one, other)
    return [
        citer.sentence(sourced(line.article, line.text), (line.candidate,), "")
        for side in (0, 1)
        for line in sorted({id(pair[side]): pair[side] for pair in chosen}.values(), key=_order)
    ]


def _order(line: Line) -> tuple[date, str, int]:
    return line.day or date.max, line.article.id, line.place


def pairs(one: Sequence[Line], other: Sequence[Line]) -> list[tuple[Line, Line]]:
    """At most PAIRS pairs of a line of each side that tell of the same, the best first, each of them new."""
    value = [[_value(a, b) for b in other] for a in one]
    order = sorted(((i, j) for i in range(len(one)) for j in range(len(other))), key=lambda at: -value[at[0]][at[1]])
    chosen: list[tuple[Line, Line]] = []
    for i, j in order:
        a, b = one[i], other[j]
        if is_new(a, (pair[0] for pair in chosen)) and is_new(b, (pair[1] for pair in chosen)):
            chosen.append((a, b))
        if len(chosen) == PAIRS:
            break
    return chosen


def _value(one: Line, other: Line) -> float:
    """How much two sentences say about the subject, and about the same side of it."""
    units = [set(units_of(line)) for line in (one, other)]
    shared = len(units[0] & units[1]) / max(min(map(len, units)), 1)
    both = bool(figures(one)) and bool(figures(other))
    own = sum(_own(line) for line in (one, other)) / 2
    return own + ALIKE * float(one.vector @ other.vector) + SAME_UNIT * shared + BOTH_COUNT * both


def _own(line: Line) -> float:
    return telling(line) + substance(line) + LEAD * (line.place == 0)


def units_of(line: Line) -> list[str]:
    """The stems of the content words behind the figures of a sentence: what it counts."""
    words = tokens(line.text)
    behind = [
        words[at].text
        for index, word in enumerate(words)
        if word.folded[0].isdigit() and not _YEAR.fullmatch(word.folded)
        for at in range(index + 1, min(index + 1 + AROUND, len(words)))
        if not words[at].folded[0].isdigit()
    ]
    return list(content_stems(" ".join(behind), line.article.language))


def sides_of(material: Material) -> tuple[list[Line], list[Line]]:
    """The lines of the two sides: of the years or names that the subject names, otherwise of the two nearest
    articles, the earlier one first."""
    lines = quotable(material.lines)
    years = years_of(material.subject)
    if len(years) == 2:
        return _of_year(lines, years[0]), _of_year(lines, years[1])
    return _by_name(lines, material) or _by_article(lines)


def _of_year(lines: Sequence[Line], year: int) -> list[Line]:
    """Those from the nearest article of the year; an undated one is of the first year that it names."""
    nearest = next((line.article.id for line in lines if _year(line.article) == year), None)
    return [line for line in lines if line.article.id == nearest]


def _year(article: Article) -> int | None:
    named = _YEAR.search(article.text)
    return article.day.year if article.day else int(named[0]) if named else None


def _by_article(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """The lines of the two nearest articles."""
    nearest = list({line.article.id: line.article for line in lines}.values())[:2]
    if len(nearest) < 2:
        return [], []
    one, other = (
        [line for line in lines if line.article.id == article.id]
        for article in sorted(nearest, key=lambda article: article.day or date.max)
    )
    return one, other


def _by_name(lines: Sequence[Line], material: Material) -> tuple[list[Line], list[Line]] | None:
    """The lines about each of two names of the subject; None where it has not two that different articles are about.

    An article that names one of them only is about it as a whole; of one that names both, the sentences are that name
    one of them only.
    """
    wanted = list(dict.fromkeys(names(material.subject, sentence_start=True)))
    articles = {line.article.id: line.article for line in lines}
    held = {one.id: _words(f"{one.title} {one.text}") for one in articles.values()}
    apart = [name for name in wanted if 0 < sum(name in words for words in held.values()) < len(held)]
    if len(apart) < 2:
        return None
    one, other = apart[:2]
    sides = (
        [line for line in lines if _is_about(line, one, other, held)],
        [line for line in lines if _is_about(line, other, one, held)],
    )
    return sides if all(sides) else None


def _is_about(line: Line, name: str, other: str, held: dict[str, set[str]]) -> bool:
    article, own = held[line.article.id], _words(line.text)
    return name in article and (other not in article or name in own) and other not in own


def _words(text: str) -> set[str]:
    return set(folded_words(text))
