"""Markdown becomes its words. The only file that imports markdown-it-py.

Time grows linearly on hostile input (tests/security/test_growth.py): 60 KB of `[`, `<a `, nested quotes, lists or
tables take 0.8 seconds at most. What is nested more than 20 levels deep is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.cleaning.visibility import hidden_in_markup

# Tags, but not `<https://example.org>`. A class leaves out the mark that opens the next tag, so that no attempt to
# match reads on to the end of the text.
_TAG = re.compile(r"</?[a-zA-Z][\w-]*+(?:[\s/][^<>\n]*+)?>")
_BULLET = re.compile(r"^([ \t]*+)•[ \t]++", re.M)
_LIST_ITEM = re.compile(r"\s*(?:-|\d{1,3}[.)])\s")


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        """Accepts every address: of a link only its words are kept."""
        return True


@cache
def _parser() -> MarkdownIt:
    # Indented code is text here, since news texts indent their paragraphs; tags are removed before.
    rules = ["code", "html_block", "html_inline"]
    return _Parser("commonmark").enable(["table", "strikethrough"]).disable(rules)


def from_markdown(text: str) -> str:
    """The words of a Markdown text: no links, images, emphasis, comments or HTML; soft line breaks joined.

    What raw HTML in it hides from a reader is left out. List items begin with `- ` or their number; the cells of a
    table row are joined by ` | `.
    """
    text = hidden_in_markup(text.replace("\r\n", "\n"))
    text = _BULLET.sub(r"\1- ", _TAG.sub("", text))
    return _joined(_parser().parse(text))


def _joined(parsed: Sequence[Token]) -> str:
    """The words of a parsed text. Blocks that stand on lines next to each other in the source stay so."""
    parts: list[str] = []
    end = 0  # the source line behind the last block
    marker = ""  # of the list item whose first block comes next
    row: Token | None = None  # the table row that is open, and the words of its cells
    cells: list[str] = []
    for before, token in pairwise([Token("", "", 0), *parsed]):
        heading = before.type == "heading_open"
        if token.type == "list_item_open":
            marker = f"{token.info}{token.markup} " if token.info else "- "
        elif token.type == "list_item_close":
            marker = ""
        elif token.type == "tr_open":
            row, cells = token, []
        elif token.type == "inline" and row:
            cells.append(_inline_text(token.children or ()))
        elif token.type == "thead_close":
            end += 1  # the line of dashes below the head
        elif token.type in {"inline", "fence", "tr_close"}:
            block = _block_text(token, cells)
            first, last = (row or token).map or (end, end)
            row = None
            if block:
                parts += ["\n" if first == end and not heading else "\n\n"] if parts else []
                parts.append(marker + block)
                marker = ""
            end = -1 if heading else last
    return "".join(parts)


def _block_text(token: Token, cells: Sequence[str]) -> str:
    if token.type == "tr_close":
        return " | ".join(cell for cell in cells if cell)
    return token.content.rstrip() if token.type == "fence" else _inline_text(token.children or ())


def _inline_text(children: Sequence[Token]) -> str:
    """The words of a paragraph, heading or cell without those of images."""
    breaks = {"softbreak": "\n", "hardbreak": "  \n"}
    words = (breaks.get(child.type, child.content) for child in children if child.type != "image")
    return _join_soft("".join(words))


def _join_soft(block: str) -> str:
    """The block with lines joined that were broken at a width.

    Short lines (title, byline, date) stay apart, as do list items, rows, and lines that end in a hard break.
    """
    lines: list[list[str]] = []
    apart = True
    for line in block.split("\n"):
        if apart or _LIST_ITEM.match(line) or line.lstrip().startswith("|"):
            lines.append([line.strip()])
        else:
            lines[-1].append(line.strip())
        apart = line.endswith("  ") or len(line) < 50
    return "\n".join(line for parts in lines if (line := " ".join(parts)))
