"""Removes from a page what a reader does not see, and boxes that are known not to be the article."""

from __future__ import annotations

import re

from ingest.cleaning.visibility import WHOLE, Element, hidden

# Classes of text for screen readers, and of what scripts show or hide.
_UNSEEN_CLASSES = re.compile(
    r"(?:^|\s)(?:sr-only|visually-?hidden|screen-reader-text|u-hidden|is-hidden)(?:\s|$)", re.I
)
# Classes and ids of boxes that trafilatura sometimes takes for text of the article. Found on the demo pages; on
# pages/article_extraction they add .0006 to F1, and more tokens (sidebar, widget, tags, bio) change nothing.
_BOXES = re.compile(
    r"(^|[\s_-])(share|sharing|share-?(bar|tools?|buttons?)|socials?|social-?(bar|links|media|share)|compartir|redes|"
    r"newsletter\w*|sign-?up|signup-?\w*|subscribe-?(box|form)|boletin(-caja)?|promo|most-?read|mas-?leid[ao]s?|"
    r"read-?more|related(-?(articles|stories|posts|content|links|news))?|relacionad[ao]s|recirc\w*|recommended|"
    r"teasers?|support|donate|membership|outbrain|taboola|cookie-?\w*|cookies|ad-?slot|advert(isement)?|"
    r"paywall-?(box|prompt)|inline-promo)($|[\s_-])",
    re.I,
)


def drop_unseen(tree: Element) -> None:
    """Removes from the tree what a browser would not show, and boxes that are not part of the article."""
    found = hidden(tree)
    paragraphs = _paragraph_lengths(tree)
    total = paragraphs[tree] or 1

    # Some saved pages hide the wrapper of the whole article, because a dialog was open.
    def small(element: Element) -> bool:
        return element.tag not in WHOLE and paragraphs[element] < 0.3 * total

    roots: dict[Element, Element] = {}  # invisible text -> the outermost element with invisible text around it
    for one in found:
        if one.text_only:
            roots[one.element] = roots.get(one.element.getparent(), one.element)
    for one in found:
        if one.text_only and (one.certain or small(roots[one.element])):
            _blank(one.element)
    gone = {one.element for one in found if not one.text_only and (one.certain or small(one.element))}
    for element in tree.iter("*"):
        if element.tag in WHOLE:
            continue
        unseen = element.tag in {"template", "noscript"} or element.get("hidden") is not None
        if unseen or (_for_other_readers(element) or _is_box(element)) and small(element):
            gone.add(element)
    _drop_all(gone)


def _paragraph_lengths(tree: Element) -> dict[Element, int]:
    """The number of characters in the paragraphs inside each element."""
    text: dict[Element, int] = {}
    held: dict[Element, int] = {}
    for element in reversed(list(tree.iter("*"))):  # children before their parents
        length = len(element.text or "") + sum(text.get(child, 0) + len(child.tail or "") for child in element)
        text[element] = length
        held[element] = sum(held.get(child, 0) for child in element) + (length if element.tag == "p" else 0)
    return held


def _for_other_readers(element: Element) -> bool:
    return element.get("aria-hidden") == "true" or bool(_UNSEEN_CLASSES.search(element.get("class") or ""))


def _is_box(element: Element) -> bool:
    named = _BOXES.search(element.get("class") or "") or _BOXES.search(element.get("id") or "")
    if not named or element.tag == "p" and len(element.text_content()) > 300:
        return False
    return next(element.iter("h1"), None) is None


def _blank(element: Element) -> None:
    """Removes the element's own text; its children keep theirs."""
    element.text = None
    for child in element:
        child.tail = None


def _drop_all(gone: set[Element]) -> None:
    """Removes elements but keeps the text that follows them.

    All children of a parent are handled together: removing one at a time would copy that text again and again.
    """
    for parent in {parent for element in gone if (parent := element.getparent()) is not None}:
        before, words, changed = None, [parent.text or ""], False
        for child in [*parent, None]:
            if child is not None and child in gone:
                words.append(child.tail or "")
                changed = True
                continue
            if changed and before is None:
                parent.text = "".join(words)
            elif changed:
                before.tail = "".join(words)  # type: ignore[union-attr]
            before, words, changed = child, [child.tail or "" if child is not None else ""], False
    for element in gone:
        parent = element.getparent()
        if parent is not None:
            element.tail = None
            parent.remove(element)
