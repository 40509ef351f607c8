"""A list: each thing that the articles tell of the subject, with its source, and how sure it is that they are all."""

from __future__ import annotations

import re
from datetime import date

from rag.answering.citations import Citer
from rag.answering.compose.material import Line, Material
from rag.answering.compose.wording import is_echo, is_new, quotable, sourced, telling
from rag.answering.sentence_selection import SPEECH
from rag.schema import Sentence

MOST = 12
# Of the most telling sentence, what an item must reach, and what a sentence that names several things in a row has over
# others. Set by hand on the questions to the demo archive.
LEAST_SHARE, SEVERAL = 0.45, 0.25
_SEVERAL = re.compile(
    r"[^,;:.]+(?:,[^,;:.]+)+,?\s(?:and|or|y|e|o|und|oder|et|ou|ed|en|of)\s|"
    r"\s(?:a|an|un|una|une|uma|ein|eine[nm]?|een)\s[^,;:.]+\s(?:and|y|und|et|e|en)\s(?:a|an|un|una|une|uma|ein|eine[nm]?|een)\s"
)


def compose(material: Material) -> list[Sentence]:
    """At most twelve sentences that say different things about the subject, in the order of their days, and in how many
    of the articles about it they stand."""
    fit = [line for line in quotable(material.lines) if not is_echo(line.text, material.subject, line.article.language)]
    fit.sort(key=_value, reverse=True)
    chosen: list[Line] = []
    for line in fit:
        if _value(line) < LEAST_SHARE * _value(fit[0]) or len(chosen) == MOST:
            break
        if is_new(line, chosen):
            chosen.append(line)
    if not chosen:
        return []
    citer = Citer()
    chosen.sort(key=lambda one: (one.day or date.min, one.article.id, one.place))
    items = [citer.sentence(sourced(one.article, one.text), (one.candidate,), "") for one in chosen]
    return [*items, Sentence(text=_completeness(chosen, material), verdict="supported")]


def _value(line: Line) -> float:
    return telling(line) + SEVERAL * bool(_SEVERAL.search(SPEECH.sub(" ", line.text)))


def _completeness(chosen: list[Line], material: Material) -> str:
    holding, read = len({line.article.id for line in chosen}), len(material.articles)
    where = f"{holding} of the {read} articles" if read > 1 else "the one article"
    return f"Found in {where} read about this; there may be others."
