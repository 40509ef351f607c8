"""Questions without names and numbers, so that their form weighs more than their subject."""

from __future__ import annotations

import re

from rag.language.identify import detect_language
from rag.language.names import names
from rag.language.tokens import tokens

MASK = "X"
_JOINT = re.compile(r"[\s.,'’-]*")


def masked(question: str) -> str:
    """The question with "X" for each name and number; of a German one for numbers alone: its nouns look like names."""
    proper = set() if detect_language(question) == "de" else set(names(question))
    parts, at = list[str](), 0
    for token in tokens(question):
        if token.folded not in proper and not token.folded.isdigit():
            continue
        front = question[at : token.start]
        if not (parts and _JOINT.fullmatch(front)):  # a name of several words is one
            parts.append(front + MASK)
        at = token.end
    return "".join(parts) + question[at:]
