"""Questions in 21 languages, each with the kind of answer that it asks for, written one by one for the fit.

The writer of the first 1,998 saw neither the editor's questions nor the demo archive. The others were added once it was
known which forms of question were misread there: why, either-or, tags, headings, fragments, predecessors,
demand and result, remarks on sources, and more of the weak kinds. Another 3,600 are
of nine writers, each in another register: a reporter's notes, an analyst's and a lawyer's sentences, readers' ways of
speaking, assignments, a sub-editor's fragments, and no English. The last 117 are headings: of timelines, without
article and verb, and of a fact about such a thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from rag.schema import QuestionKind

FILE = Path(__file__).with_name("questions.tsv")


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the kind of answer that it asks for, and its language (ISO 639-1)."""

    kind: str
    language: str
    text: str


def load(file: Path = FILE) -> list[Question]:
    """The questions in file order. Raises OSError, and ValueError for a line that is none."""
    return [_question(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _question(line: str) -> Question:
    kind, language, text = line.split("\t")
    if kind not in get_args(QuestionKind):
        raise ValueError(f"no kind of question in {line!r}")
    return Question(kind, language, text)
