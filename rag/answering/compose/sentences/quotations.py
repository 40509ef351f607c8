"""Sentences that hold their quotations whole: a full stop inside of one ends nothing."""

from __future__ import annotations

import re

from rag.language.sentences import sentence_spans
from rag.schema import Span

MOST_CHARS = 600  # of a sentence with its whole quotation; a longer one is left in its parts
_BEHIND_WORD = re.compile(r"[\w.,!?…;:)]")


def whole_quotations(text: str) -> list[Span]:
    """Where the sentences of a text stand, in order; those over which one quotation goes on are one.

    A quotation that is not closed in its paragraph joins nothing.
    """
    joined: list[Span] = []
    waiting: list[Span] = []
    for span in sentence_spans(text):
        if waiting and "\n" in text[waiting[-1][1] : span[0]]:
            joined += waiting
            waiting = []
        waiting.append(span)
        whole = waiting[0][0], span[1]
        if not is_open(text[slice(*whole)]):
            joined.append(whole)
            waiting = []
        elif whole[1] - whole[0] > MOST_CHARS:
            joined += waiting
            waiting = []
    return joined + waiting


def is_open(text: str) -> bool:
    """Whether a text ends inside a quotation that began in it."""
    closes = ""
    for at, mark in enumerate(text):
        if closes:
            closes = "" if mark in closes else closes
        elif mark == "“":
            closes = "”"
        elif mark == "„":
            closes = "“”"
        elif mark == "«":
            closes = "»"
        elif mark == '"' and not (at and _BEHIND_WORD.match(text[at - 1])):
            closes = '"'
    return bool(closes)
