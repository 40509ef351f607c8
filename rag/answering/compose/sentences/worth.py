"""What a sentence tells beside what has been told: figures and names, from the articles nearest to the subject."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from rag.answering.compose.material import Line
from rag.answering.compose.wording import is_new, telling
from rag.answering.relevance.sentences import relevance_of
from rag.answering.sentence_selection import SPEECH
from rag.language.names import names
from rag.language.numbers import numbers

# What a sentence gains over `telling` by each figure and name that no chosen one holds, up to MOST_NEW of each, and by
# being the first of its article; what it loses by being mostly speech, and by its likeness to a chosen one. Set by hand
# on the editor's questions to the demo archive and on 20 further ones.
FIGURE, NAME, FIRST_OF_ARTICLE, SPOKEN, REPEATED = 0.12, 0.04, 0.25, 0.3, 0.15
NO_SENTENCE = 0.5  # what a line below a headline loses
ENDINGS = '.!…。！"”’»)'
MOST_NEW = 3
MOSTLY = 0.5  # share of a sentence's characters between quotation marks from which on it is speech
_YEAR = re.compile(r"(?:19|20)\d\d")


def figures(line: Line) -> set[str]:
    """The numbers that a sentence states, without years, one and two, which stand in any sentence."""
    found = numbers(line.text, line.article.language)
    return {number for number in found if not _YEAR.fullmatch(number) and number not in {"1", "2"}}


def worth_asked(line: Line) -> float:
    """How much a sentence tells of what is asked for: how telling it is, its substance, and its learned relevance from
    0 to 2; higher is better."""
    return telling(line) + substance(line) + float(relevance_of(line.relevance))


def substance(line: Line) -> float:
    """What a sentence gains by its figures and names, less what it loses by being speech: about -.6 to .5."""
    told = FIGURE * min(len(figures(line)), MOST_NEW) + NAME * min(len(set(names(line.text))), MOST_NEW)
    return told - _lost(line)


def _lost(line: Line) -> float:
    return SPOKEN * is_speech(line) + NO_SENTENCE * (line.text[-1:] not in ENDINGS)


def is_speech(line: Line) -> bool:
    """Whether most of a sentence is quoted speech."""
    return sum(len(match[0]) for match in SPEECH.finditer(line.text)) > MOSTLY * len(line.text)


class Worth:
    """What each of some lines adds to the chosen ones. Articles are ranked in the order of the lines."""

    def __init__(self, lines: Sequence[Line], own: Callable[[Line], float] = telling) -> None:
        self.lines = list(lines)
        self._own = [own(line) - _lost(line) for line in self.lines]
        self._figures = [figures(line) for line in self.lines]
        self._names = [set(names(line.text)) for line in self.lines]
        self._near = _likenesses(self.lines)

    def of(self, index: int, chosen: Sequence[int]) -> float:
        """The worth of the line at an index beside the chosen ones: about 0 to 2."""
        new_figures = self._figures[index].difference(*(self._figures[i] for i in chosen))
        new_names = self._names[index].difference(*(self._names[i] for i in chosen))
        told = {self.lines[i].article.id for i in chosen}
        return float(
            self._own[index]
            + FIGURE * min(len(new_figures), MOST_NEW)
            + NAME * min(len(new_names), MOST_NEW)
            + FIRST_OF_ARTICLE * (self.lines[index].article.id not in told)
            - REPEATED * max((self._near[index, i] for i in chosen), default=0.0)
        )

    def best(self, among: Sequence[int], chosen: Sequence[int]) -> int | None:
        """The index of the line that adds most to the chosen ones and says none of them again; None without any."""
        said = [self.lines[i] for i in chosen]
        left = [i for i in among if i not in chosen and is_new(self.lines[i], said)]
        return max(left, key=lambda i: self.of(i, chosen), default=None)


def _likenesses(lines: Sequence[Line]) -> np.ndarray:
    """The cosine of each two lines, counted from the middle of all."""
    vectors = np.array([line.vector for line in lines])
    if not len(vectors):
        return vectors
    centred = vectors - vectors.mean(axis=0)
    near = centred @ centred.T
    near /= np.maximum(np.sqrt(np.outer(np.diag(near), np.diag(near))), 1e-9)
    return np.asarray(near)
