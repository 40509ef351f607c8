"""A list: each thing that the articles tell of the subject, with its source, and how sure it is that they are all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from rag.answering.citations import Citer
from rag.answering.compose.material import Line, Material
from rag.answering.compose.sentences.worth import figures, is_speech
from rag.answering.compose.wording import is_echo, is_new, quotable, sourced
from rag.answering.sentence_selection import SPEECH
from rag.language.names import names
from rag.language.tokens import fold
from rag.schema import Sentence

MOST, MOST_SENTENCES = 12, 8  # items of a list, and sentences among them
# What a sentence has over others by naming several things in a row, by each name and figure that no chosen one and not
# the subject holds, up to MOST_NEW of each, and by its article, times that one's nearness to the subject as a share of
# the nearest's; what it loses by being mostly speech; and the most that likeness to the subject counts, as the nearest
# sentences tell the subject itself. Set by hand on the questions to the demo archive and on ten of our own.
SEVERAL, NAME, FIGURE, ARTICLE, SPOKEN, MOST_LIKE = 0.25, 0.08, 0.06, 0.6, 0.25, 1.0
MOST_NEW = 4
# Of what the first item adds, what a further one must add, and what one beside the rows of a table. An article that is
# less near than OTHER_ARTICLE of the nearest one gives only sentences that are LEAST_LIKE as like the subject as the
# one most like it. Set on the same questions.
LEAST_SHARE, LEAST_SHARE_AT_TABLE, OTHER_ARTICLE, LEAST_LIKE = 0.52, 0.7, 0.8, 0.85
CELLS = " | "  # between the cells of a row, as pages and documents are read
_SEVERAL = re.compile(
    r"[^,;:.]+(?:,[^,;:.]+)+,?\s(?:and|or|y|e|o|und|oder|et|ou|ed|en|of)\s|"
    r"\s(?:a|an|un|una|une|uma|ein|eine[nm]?|een)\s[^,;:.]+\s(?:and|y|und|et|e|en)\s(?:a|an|un|una|une|uma|ein|eine[nm]?|een)\s"
)


def compose(material: Material) -> list[Sentence]:
    """At most twelve sentences and rows of tables that name different things about the subject, in the order of their
    days, and in how many of the articles about it they stand."""
    chosen = _chosen(_items(material))
    if not chosen:
        return []
    citer = Citer()
    chosen.sort(key=lambda one: (one.day or date.min, one.article.id, one.place))
    items = [citer.sentence(sourced(one.article, one.text), (one.candidate,), "") for one in chosen]
    return [*items, Sentence(text=_completeness(chosen, material), verdict="supported")]


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    """A line that may stand in a list, what it names, and its worth without regard to the others."""

    line: Line
    named: frozenset[str]
    counted: frozenset[str]
    worth: float

    @property
    def is_row(self) -> bool:
        """Whether it is a row of a table."""
        return CELLS in self.line.text


def _items(material: Material) -> list[_Item]:
    rows = [line for line in material.lines if CELLS in line.text]
    most = max((line.candidate.likeness for line in material.lines), default=0.0)
    sentences = [
        line
        for line in quotable([one for one in material.lines if CELLS not in one.text])
        if not is_echo(line.text, material.subject, line.article.language)
        and (_share(line, material) >= OTHER_ARTICLE or line.candidate.likeness >= LEAST_LIKE * most)
    ]
    near = _nearness_of_tables(rows, material)
    items = [_item(line, material, _value(line)) for line in sentences]
    return items + [_item(line, material, min(near[line.article.id], MOST_LIKE) + SEVERAL) for line in _bodies(rows)]


def _item(line: Line, material: Material, value: float) -> _Item:
    known = set(fold(material.subject).split())
    named = frozenset(names(line.text, sentence_start=CELLS in line.text)) - known
    return _Item(line, named, frozenset(figures(line)), value + ARTICLE * _share(line, material))


def _share(line: Line, material: Material) -> float:
    return material.shares.get(line.article.id, 1.0)


def _value(line: Line) -> float:
    """How much a sentence says about the subject and how many things it names in a row; higher is better."""
    like = min(line.candidate.likeness + 0.5 * line.candidate.coverage, MOST_LIKE)
    return like + SEVERAL * bool(_SEVERAL.search(SPEECH.sub(" ", line.text))) - SPOKEN * is_speech(line)


def _bodies(rows: Sequence[Line]) -> list[Line]:
    """The rows without those that head a table: they count nothing where others of their article do."""
    counting = {row.article.id for row in rows if figures(row)}
    return [row for row in rows if figures(row) or row.article.id not in counting]


def _nearness_of_tables(rows: Sequence[Line], material: Material) -> dict[str, float]:
    """Article id -> how like its rows together with its headline are to the subject."""
    tables = {row.article.id: row.article for row in rows}
    texts = [
        ("\n".join([one.title, *(row.text for row in rows if row.article.id == key)]), one.language)
        for key, one in tables.items()
    ]
    return dict(zip(tables, material.likenesses(material.subject, texts), strict=True))


def _chosen(items: Sequence[_Item]) -> list[Line]:
    """The items that add most, each in its turn, until one adds too little to the ones before."""
    chosen: list[_Item] = []
    first = 0.0
    while len(chosen) < MOST:
        lines = [one.line for one in chosen]
        told = sum(not one.is_row for one in chosen)
        left = [one for one in items if is_new(one.line, lines) and (one.is_row or told < MOST_SENTENCES)]
        best = max(left, key=lambda one: _gain(one, chosen), default=None)
        if best is None:
            break
        share = LEAST_SHARE_AT_TABLE if chosen and chosen[0].is_row and not best.is_row else LEAST_SHARE
        if _gain(best, chosen) < share * first:
            break
        first = first or _gain(best, chosen)
        chosen.append(best)
    return [one.line for one in chosen]


def _gain(item: _Item, chosen: Sequence[_Item]) -> float:
    """What an item adds to the chosen ones: its worth, and the names and figures that none of them holds."""
    named = item.named.difference(*(one.named for one in chosen))
    counted = item.counted.difference(*(one.counted for one in chosen))
    return item.worth + NAME * min(len(named), MOST_NEW) + FIGURE * min(len(counted), MOST_NEW)


def _completeness(chosen: list[Line], material: Material) -> str:
    holding, read = len({line.article.id for line in chosen}), len(material.articles)
    where = f"{holding} of the {read} articles" if read > 1 else "the one article"
    return f"Found in {where} read about this; there may be others."
