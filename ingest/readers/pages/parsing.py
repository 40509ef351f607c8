"""HTML becomes a tree of elements. The only file that imports lxml."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice

from ingest.cleaning.visibility import Element
from rag.errors import BadInput

# Limits of a page: the parsers take about 60 microseconds for an element, and time that grows with the square of the
# number of attributes. The largest of 181 news pages has 9,000 elements.
_MOST_ELEMENTS = 60_000
_MANY_ATTRIBUTES = re.compile(
    r"<[a-zA-Z][^\s/>]*+(?:[\s/]++[^\s=>/]++(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>\"']++))?+){300}"
)
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(0*([0-8]|1[124-9]|2\d|3[01])|x0*([0-8bcef]|1[0-9a-f]));?(?![0-9a-f])",
    re.I,
)


def parsed(markup: str) -> Element:
    """The root element of a page. Raises BadInput where it cannot be parsed or is too large."""
    import lxml.html  # type: ignore[import-untyped]

    # lxml rejects a str that declares its encoding. It parses control characters, but then rejects them in text.
    markup = _CONTROL.sub("", re.sub(r"\A\s*<\?xml[^>]*\?>", "", markup))
    if _MANY_ATTRIBUTES.search(markup):
        raise BadInput("malformed", "an element of the page has hundreds of attributes; save its text as .txt")
    try:
        parser = lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=False)
        tree = lxml.html.document_fromstring(markup.encode("utf-8", "replace"), parser=parser)
    except (lxml.etree.LxmlError, ValueError, AssertionError) as exc:
        raise BadInput("malformed", "the page cannot be parsed as HTML; check that it was saved completely") from exc
    if sum(1 for _ in islice(tree.iter(), _MOST_ELEMENTS + 1)) > _MOST_ELEMENTS:
        raise BadInput("too large", f"the page has more than {_MOST_ELEMENTS:,} elements; save its text as .txt")
    return tree


# Inline elements in one parent. A paragraph has a few dozen; trafilatura takes quadratic time in their number.
_MANY_INLINE = 2000
_INLINE_TAGS = (
    "a abbr b big cite code del em font i ins kbd mark q s samp small span strike strong sub sup tt u var"
).split()


def strip_inline_crowds(tree: Element) -> None:
    """Replaces inline elements by their text where one element has thousands of them."""
    from lxml.etree import strip_tags  # type: ignore[import-untyped]

    crowds = Counter(parent for element in tree.iter(*_INLINE_TAGS) if (parent := element.getparent()) is not None)
    if max(crowds.values(), default=0) <= _MANY_INLINE:
        return
    strip_tags(tree, *_INLINE_TAGS)
    for element in tree.iter("*"):
        # lxml keeps adjacent pieces of text apart and joins them on each access, so they are stored as one.
        element.text, element.tail = element.text, element.tail
