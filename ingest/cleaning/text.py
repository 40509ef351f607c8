"""Text without hidden characters, with the lines of hard-wrapped paragraphs joined. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from rag.language.tokens import INVISIBLE, stream_safe

_BREAKS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")


def clean(text: str) -> str:
    """The text in NFC without invisible and control characters, with `\\n` as line end and at most one blank line.

    Tabs and no-break spaces become spaces, so that a quotation is found verbatim as a person or a model types it.
    """
    text = _BREAKS.sub("\n", INVISIBLE.sub("", text))
    text = _CONTROL.sub("", re.sub(r"[\t\u00a0]", " ", text))
    text = unicodedata.normalize("NFC", stream_safe(text))
    # Line by line, in linear time: a pattern for the spaces before a line end would start at each space of a run.
    text = "\n".join(line.rstrip(" ") for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def unwrap(text: str) -> str:
    """The text with the lines of hard-wrapped paragraphs joined; any other text unchanged.

    A text counts as hard-wrapped where at least five lines inside paragraphs, and 60% of them, have 50 to 100
    characters and stop in mid-sentence. A list of short headlines does not.
    """
    blocks = [block.split("\n") for block in text.split("\n\n")]
    inner = [line for lines in blocks for line in lines[:-1]]
    wrapped = [line for line in inner if 50 <= len(line) <= 100 and line[-1] not in '.!?…"”’»:']
    if len(wrapped) < 5 or len(wrapped) < 0.6 * len(inner):
        return text
    return "\n\n".join(join_lines(lines) for lines in blocks)


def join_lines(lines: Sequence[str]) -> str:
    """One paragraph from its lines; a word divided at a line end (`govern-` `ment`) becomes whole."""
    parts: list[str] = []
    last = ""
    for line in lines:
        if re.fullmatch(r"[^\W\d_]-", last[-2:]) and line[:1].islower():
            parts[-1] = parts[-1][:-1]
        elif last:
            parts.append(" ")
        parts.append(line)
        last = line or last
    return "".join(parts)
