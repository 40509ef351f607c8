"""The outward form of a question as numbers: what its vector tells poorly, and what is alike in all languages."""

from __future__ import annotations

import re
from typing import get_args

import numpy as np

from rag.answering.kinds.causes import asks_cause
from rag.answering.kinds.cues import CUES, has_cue
from rag.answering.kinds.parts import parts_of
from rag.answering.question import Expected, expected
from rag.language.names import names
from rag.language.sentences import sentence_spans
from rag.language.tokens import tokens

_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_SHORT = 5  # words of a question that is a tag or a heading


def form_of(question: str) -> np.ndarray:
    """(25,) float32, each 0 to 1 or little more: years named, length, marks, parts and names, the kind of expression
    asked for, and which kinds of answer its words ask for."""
    words, years, asks = tokens(question), len(set(_YEAR.findall(question))), expected(question)
    marks = len(re.findall(r"[?？]", question))
    capitals = sum(word.text[:1].isupper() for word in words[1:])
    told = [
        years == 1,
        years > 1,
        min(len(words), 40) / 20,
        len(words) <= _SHORT,
        marks == 0,
        marks > 1,
        min(len(re.findall(r"[,;:]", question)), 4) / 3,
        len(sentence_spans(question)) > 1,
        len(parts_of(question)) > 1,
        asks_cause(question),
        min(len(set(names(question))), 6) / 4,
        min(capitals, 8) / 5,
        *(asks == kind for kind in get_args(Expected)),
        *(has_cue(question, kind) for kind in CUES),
    ]
    return np.array(told, dtype=np.float32)
