"""A list: each thing that the articles tell of the subject, with its source."""

from __future__ import annotations

from datetime import date

from rag.answering.citations import Citer
from rag.answering.compose.latest import telling
from rag.answering.compose.material import Line, Material
from rag.answering.compose.wording import is_new, newsworthy, sourced
from rag.schema import Sentence

MOST = 12
LEAST_SHARE = 0.6  # of the most telling sentence, which an item must reach. Set by hand.


def compose(material: Material) -> list[Sentence]:
    """At most twelve sentences that say different things about the subject, in the order of their days."""
    fit = sorted((line for line in material.lines if newsworthy(line)), key=telling, reverse=True)
    chosen: list[Line] = []
    for line in fit:
        if telling(line) < LEAST_SHARE * telling(fit[0]) or len(chosen) == MOST:
            break
        if is_new(line, chosen):
            chosen.append(line)
    citer = Citer()
    chosen.sort(key=lambda one: (one.day or date.min, one.article.id, one.place))
    return [citer.sentence(sourced(one.article, one.text), (one.candidate,), "") for one in chosen]
