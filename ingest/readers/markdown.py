"""Markdown becomes its words. Every pattern takes time in proportion to the text, whatever stands in it.

markdown-it-py was tried in their place. It read the same words in 514 articles, but it leaves out what is nested more
than 20 levels deep, and a hostile text of 60 KB takes it up to 0.8 s.
"""

from __future__ import annotations

import re

from ingest.cleaning.visibility import hidden_in_markup

# A quantifier with + behind it never gives back what it took: a line of 100,000 stars is read once, not once a star.
# A class leaves out the mark that opens the next of its kind, so that no start reads on to the end of the text.
_RULES = [
    # link definitions, also used as comments
    (re.compile(r"^[ \t]{0,3}\[[^\[\]\n]++\]:[ \t]*+(?:\n[ \t]*+)?\S.*$", re.M), ""),
    (re.compile(r"!\[[^\[\]]*+\](?:\([^()]*+\)|\[[^\[\]]*+\])"), ""),
    (re.compile(r"\[([^\[\]]++)\]\([^()\n]*+(?:\([^()\n]*+\)[^()\n]*+)*+\)"), r"\1"),
    (re.compile(r"\[([^\[\]]++)\]\[[^\[\]]*+\]"), r"\1"),
    (re.compile(r"<(https?://[^<>\s]++)>"), r"\1"),
    (re.compile(r"</?[a-zA-Z][^<>\n]*+>"), ""),
    (re.compile(r"^[ \t]*+(?:=++|-{2,}+|(?:[*_-][ \t]*+){3,}+)[ \t]*+$", re.M), ""),
    (re.compile(r"^[ \t]*+(?:>[ \t]?+)++", re.M), ""),
    (re.compile(r"^([ \t]*+)[*+•][ \t]++", re.M), r"\1- "),
]
_HEADING = re.compile(r"^[ \t]{0,3}#{1,6}[ \t]++(.*)$", re.M)
_EMPHASIS = [
    (re.compile(r"(?<![\w*\\])\*(?=[^\s*])([^*\n]++)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<![\w\\])_(?=[^\s_])([^_\n]++)(?<=\S)_(?!\w)"), r"\1"),
    (re.compile(r"(?<!`)`++([^`\n]++)`++"), r"\1"),
    (re.compile(r"\\([\\`*_{}\[\]()#+\-.!>~|])"), r"\1"),
]
_STRONG = ("***", "___", "**", "__", "~~")


def from_markdown(text: str) -> str:
    """The words of a Markdown text: no links, images, emphasis, comments or HTML; soft line breaks joined.

    What raw HTML in it hides from a reader is left out.
    """
    text = hidden_in_markup(text.replace("\r\n", "\n"))
    for pattern, replacement in _RULES[:6]:
        text = pattern.sub(replacement, text)
    text = _HEADING.sub(_heading_line, text)
    for pattern, replacement in _RULES[6:]:
        text = pattern.sub(replacement, text)
    for mark in _STRONG:
        text = _without_pairs(text, mark)
    for pattern, replacement in _EMPHASIS:
        text = pattern.sub(replacement, text)
    blocks = re.split(r"\n\s*\n", text)
    return "\n\n".join(_join_soft(block) for block in blocks if block.strip())


def _heading_line(match: re.Match[str]) -> str:
    return "\n" + match[1].rstrip(" \t#") + "\n"


def _without_pairs(text: str, mark: str) -> str:
    """The text without the pairs of a mark: one before a word opens, the next behind a word closes it."""
    kept: list[str] = []
    opened, inside = -1, 0  # where the opening mark stands in `kept`, and where the words behind it begin
    at = 0
    while (found := text.find(mark, at)) >= 0:
        kept.append(text[at:found])
        at = found + len(mark)
        before, after = text[found - 1 : found], text[at : at + 1]
        if opened >= 0 and found > inside and not before.isspace():
            kept[opened], opened = "", -1
            continue
        kept.append(mark)
        if opened < 0 and after and not after.isspace() and before != "\\":
            opened, inside = len(kept) - 1, at
    return "".join([*kept, text[at:]])


def _join_soft(block: str) -> str:
    lines: list[list[str]] = []
    hard_break = True
    for line in block.split("\n"):
        item = re.match(r"\s*(?:-|\d{1,3}[.)])\s", line)
        if hard_break or item or line.lstrip().startswith("|"):
            lines.append([line.strip()])
        else:
            lines[-1].append(line.strip())
        # Short lines (title, byline, date) stand alone; a line broken at a width is longer.
        hard_break = line.endswith("  ") or len(line) < 50
    return "\n".join(line for parts in lines if (line := " ".join(parts)))
