"""The newest state of something: the last report first, then at most two earlier ones that say something else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from rag.answering.citations import Citer
from rag.answering.compose.material import Line, Material
from rag.answering.compose.wording import is_new, newsworthy, sourced
from rag.schema import Sentence

EARLIER = 2
OPENING = 0.3  # what the first sentence of an article has over others of the same likeness. Set by hand.


def compose(material: Material) -> list[Sentence]:
    """The newest report with its day and outlet, and earlier ones that differ from it; none without dated articles."""
    chosen: list[Line] = []
    for article in sorted(material.articles, key=lambda a: (a.day or date.min, a.modified is not None), reverse=True):
        line = _best([one for one in material.lines if one.article.id == article.id])
        if article.day and line and is_new(line, chosen):
            chosen.append(line)
        if len(chosen) > EARLIER:
            break
    citer = Citer()
    return [citer.sentence(sourced(one.article, one.text), (one.candidate,), "") for one in chosen]


def _best(lines: Sequence[Line]) -> Line | None:
    fit = [line for line in lines if newsworthy(line)]
    return max(fit, key=lambda one: telling(one), default=None)


def telling(line: Line) -> float:
    """How much a sentence says about the subject; higher is better."""
    return line.candidate.likeness + 0.5 * line.candidate.coverage + OPENING / (1 + line.place)
