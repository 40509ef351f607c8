"""Text without hidden characters, with the lines of hard-wrapped paragraphs joined. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from rag.language.tokens import INVISIBLE, stream_safe

_BREAKS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")


def clean(text: str) -> str:
    """The text in NFC without invisible and control characters, line ends as `\\n`, at most one blank line.

    Tabs and no-break spaces become spaces, so that a quote typed by a person or a model is found verbatim.
    """
    text = _BREAKS.sub("\n", INVISIBLE.sub("", text))
    text = _CONTROL.sub("", re.sub(r"[\t\u00a0]", " ", text))
    text = unicodedata.normalize("NFC", stream_safe(text))
    # Line by line: a pattern for the spaces before a line end tries each space of a long run.
    text = "\n".join(line.rstrip(" ") for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def unwrap(text: str) -> str:
    """The text with lines that were broken at a fixed width joined again; any other text unchanged.

    Only where at least five lines inside paragraphs, and most of them, are 50 to 100 characters long and
    stop in mid-sentence: a teaser list of short headlines is not that.
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
