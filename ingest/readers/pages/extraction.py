"""The paragraphs of a page's article. The only file that imports trafilatura."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator

from ingest.cleaning.visibility import Element
from ingest.readers.items import DAMAGE_ERRORS
from ingest.readers.pages.parsing import strip_inline_crowds
from rag.errors import BadInput

# trafilatura logs every oddity of a page; what matters is raised as BadInput.
for _name in ("trafilatura", "htmldate"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


def article_paragraphs(tree: Element) -> list[str]:
    """The paragraphs and headings that trafilatura takes for the article, in order.

    Changes the tree. Raises BadInput where the page cannot be analysed.
    """
    from trafilatura import bare_extraction

    _join_pieces(tree)
    strip_inline_crowds(tree)
    # favor_precision without comments is the best setting on pages/article_extraction (181 pages, F1 of
    # 4-word shingles): .964; default .953, without comments .960, recall .959, fast .962, no tables .957.
    # With the removal of unseen text and boxes before it: precision .967, recall .982, F1 .975.
    try:
        found = bare_extraction(tree, favor_precision=True, include_comments=False, with_metadata=False)
    except DAMAGE_ERRORS as exc:
        raise BadInput("malformed", f"the page cannot be analysed ({type(exc).__name__}); save it again") from exc
    return [] if found is None or found.body is None else list(paragraphs(found.body))


_PIECE = re.compile(r"(?:^| )(?:article__body|body__inner-container|body__container|article-body)(?: |$)")


def _join_pieces(tree: Element) -> None:
    """Moves all pieces of an article body that is split into several containers into the first of them.

    trafilatura reads only the first one. On wired.com advertisements stand between the pieces.
    """
    within: set[Element] = set()
    pieces: list[Element] = []
    for element in tree.iter("*"):
        named = element.tag == "div" and _PIECE.search(element.get("class") or "")
        inside = element.getparent() in within
        if named or inside:
            within.add(element)
        if named and not inside:
            pieces.append(element)
    for piece in pieces[1:]:
        if piece.get("class") == pieces[0].get("class"):
            pieces[0].extend(list(piece))


_BREAK = "\x1f"  # stands for <br>, since a line feed in HTML is only a space
_SKIPPED = {"script", "style", "figcaption", "form", "button", "graphic", "iframe"}
_BLOCK_NAMES = (
    "p head h1 h2 h3 h4 h5 h6 list item ul ol li quote blockquote table row tr div section article main pre code body"
)
_BLOCK_TAGS = frozenset(_BLOCK_NAMES.split())


def paragraphs(element: Element) -> Iterator[str]:
    """Yields the texts of the block elements inside an element: paragraphs, headings, list items, table rows."""
    holders: set[Element] = set()  # elements that contain a block element at any depth
    for block in element.iter(*_BLOCK_TAGS):
        while block is not None and block not in holders and block is not element:
            holders.add(block)
            block = block.getparent()
    yield from _blocks_of(element, holders)


def _blocks_of(element: Element, holders: set[Element]) -> Iterator[str]:
    inline: list[str] = [element.text or ""]
    for child in element:
        tag = child.tag if isinstance(child.tag, str) else ""
        if tag in _SKIPPED or not tag:
            inline.append(child.tail or "")
        elif tag in {"lb", "br"}:
            inline.append(_BREAK + (child.tail or ""))
        elif child in holders:
            yield from _lines(inline)
            yield from _marked(tag, child, holders)
            inline = [child.tail or ""]
        else:
            inline.append(_inline_text(child) + (child.tail or ""))
    yield from _lines(inline)


def _marked(tag: str, element: Element, holders: set[Element]) -> Iterator[str]:
    if tag in {"row", "tr"}:
        cells = (" ".join(_blocks_of(cell, holders)) for cell in element)
        yield " | ".join(cell for cell in cells if cell)
    elif tag in {"item", "li"}:
        yield from (f"- {block}" for block in _blocks_of(element, holders))
    else:
        yield from _blocks_of(element, holders)


def _inline_text(element: Element) -> str:
    inner = (
        _inline_text(c) + (c.tail or "") if c.tag not in {"lb", "br"} else _BREAK + (c.tail or "") for c in element
    )
    return "" if element.tag in _SKIPPED else (element.text or "") + "".join(inner)


def _lines(parts: Iterable[str]) -> Iterator[str]:
    """Yields the blocks of inline text: one <br> separates lines, two or more separate blocks."""
    block: list[str] = []
    for line in [*"".join(parts).split(_BREAK), ""]:
        line = " ".join(line.split())
        if line:
            block.append(line)
        elif block:
            yield "\n".join(block)
            block = []
