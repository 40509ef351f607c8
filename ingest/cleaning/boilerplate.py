"""Finds the boilerplate of a text, which must never be cited: teasers for other articles and page furniture.

A teaser is a headline of another article, alone or with a blurb (a sentence or two) below it. Page furniture is what
belongs to the page rather than to the article: newsletter and cookie notices, sharing buttons, advertisements.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

from ingest.cleaning.boilerplate_phrases import (
    AMBIGUOUS_HEADING,
    AMBIGUOUS_LABEL,
    CALL,
    CORRECTION,
    FURNITURE,
    LABEL,
    LINK_LIST_HEADING,
    POINTER,
)
from rag.language.tokens import fold
from rag.schema import Span

_LONGEST_BARE = 2000  # characters; a longer line is a paragraph, and only its beginning is looked at
_LONGEST_HEADING = 80
_LONGEST_LABELLED = 220  # a label and the headline behind it
_LONGEST_FURNITURE = 250
_LONGEST_BLURB = 260
_LONGEST_BOILERPLATE = 300  # a longer line is never boilerplate
_LEAST_PARAGRAPH = 160  # a line of this length that ends like a sentence is a paragraph of the article
# Where no paragraph of the article follows, so many lines at the end may be teasers: behind the heading of a link
# list, and behind any other heading.
_MOST_LISTED, _MOST_OTHER = 40, 12
_TRIM = ' \t-–—•*·|#>»«›→▶▸►:.…[]()"“”'
_SENTENCE_ENDS = (".", "!", "?", "。", "！", "？", ":", ";")


def uncitable_spans(text: str) -> tuple[Span, ...]:
    """The spans of a text that must never be cited, ordered and disjoint: teasers, pointers, page furniture.

    A heading of a link list ("Related articles") takes what follows with it: everything to the end where only
    teasers follow, otherwise up to where paragraphs of the article resume. "Read also: headline" takes its
    line. In doubt a span ends early in mid-article and late at the end.
    """
    lines = _Lines(text)
    spans: list[Span] = []
    index = 0
    while index < len(lines):
        count = lines.boilerplate(index)
        if count:
            end = len(text) if index + count == len(lines) else lines[index + count - 1].end
            spans.append((lines[index].start, end))
        index += max(count, 1)
    return _merged(spans, text)


class _Line:
    """A line that is not blank, where it stands, and what it looks like."""

    def __init__(self, start: int, end: int, text: str) -> None:
        self.start, self.end, self.text = start, end, text

    @cached_property
    def bare(self) -> str:
        """Its beginning in folded form without the signs around it, as the phrases are compared with it."""
        return fold(self.text[:_LONGEST_BARE]).replace("’", "'").strip(_TRIM)

    @cached_property
    def truncated(self) -> bool:
        """It breaks off with an ellipsis: `The government asked...`"""
        return self.text.rstrip('"”»)] ').endswith(("...", "…"))

    @cached_property
    def closed(self) -> bool:
        """It ends like a sentence."""
        return not self.truncated and self.text.rstrip('"”’»)] ')[-1:] in _SENTENCE_ENDS

    @cached_property
    def headline(self) -> bool:
        """It may be a headline: no sentence, no time of day in brackets, no author behind a dash."""
        return not self.closed and not re.match(r"[(—–]|-\S", self.text.lstrip()) and len(self.text.strip()) >= 12

    @cached_property
    def prose(self) -> bool:
        """It is a paragraph of an article rather than a headline or a blurb."""
        return self.closed and (len(self.text) >= _LEAST_PARAGRAPH or self.correction or _dense(self.text))

    @cached_property
    def correction(self) -> bool:
        """It corrects the article, and so belongs to it."""
        return bool(CORRECTION.match(self.bare)) and len(self.text) >= 30

    @property
    def short(self) -> bool:
        """It has the length and the end of a heading or a button, or is the beginning of a longer text."""
        heading = len(self.text) <= _LONGEST_HEADING and not self.text.rstrip().endswith((".", ",", ";"))
        return heading or self.truncated

    @property
    def furniture(self) -> bool:
        """It belongs to the page. What stands in quotation marks is somebody's words."""
        quoted = self.text.lstrip().startswith(tuple("“\"«‘'„"))
        return len(self.text) <= _LONGEST_FURNITURE and not quoted and bool(FURNITURE.fullmatch(self.bare))

    @property
    def labelled(self) -> bool:
        """It is a label with the headline that it points to: `Read also: Mayor opens the bridge`."""
        label = LABEL.match(self.bare) or (None if self.closed else AMBIGUOUS_LABEL.match(self.bare))
        if label is None or len(self.text) > _LONGEST_LABELLED:
            return False
        return not CORRECTION.search(self.bare[label.end() :])


def _dense(text: str) -> bool:
    """Whether it is long for a script without spaces, which says in 60 characters what Latin script says in 160."""
    return len(text) >= 60 and len(text.split()) < len(text) / 20


class _Lines:
    """The lines of a text. What is asked of many of them is computed once, so that time stays linear."""

    def __init__(self, text: str) -> None:
        found = (_Line(m.start(), m.end(), m.group()) for m in re.finditer(r"[^\n]+", text))
        self._lines = [line for line in found if not line.text.isspace()]
        count = len(self._lines)
        self._pairs = [self._is_pair(index) for index in range(count)]
        # For each line the next one, itself included, that decides whether the article resumes.
        self._decisive: list[int | None] = [None] * (count + 1)
        for index in range(count - 1, -1, -1):
            self._decisive[index] = index if self._decides(index) else self._decisive[index + 1]
        # The number of headlines, and of headlines with a blurb below, before each line.
        self._headlines = [0, *accumulate(int(line.headline) for line in self._lines)]
        self._blurbed = [0, *accumulate(int(self._has_blurb(index)) for index in range(count))]

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> _Line:
        return self._lines[index]

    def boilerplate(self, index: int) -> int:
        """The number of lines from `index` on that must not be cited: 0 for a line of the article."""
        line = self[index]
        if index == 0 or line.correction or len(line.text) > _LONGEST_BOILERPLATE:
            return 0
        return self._heading_with_teasers(index) or int(line.labelled or line.furniture)

    def _heading_with_teasers(self, index: int) -> int:
        """The number of lines of a heading at `index` and the teasers below it; 0 where there is no such heading."""
        line, below = self[index], index + 1
        if not line.short:
            return 0
        if LINK_LIST_HEADING.fullmatch(line.bare):
            return 1 + self._teasers(below, link_list=True)
        pointer = POINTER.fullmatch(line.bare)
        if pointer or CALL.fullmatch(line.bare):
            # A call such as "Read more" is a button rather than a heading while the article goes on below it.
            heads = pointer or line.text.rstrip().endswith(":") or self._resumes(below) is None
            return 1 + (self._teasers(below, link_list=False) if heads else 0)
        if AMBIGUOUS_HEADING.fullmatch(line.bare):
            teasers = self._teasers(below, link_list=False)
            return 1 + teasers if teasers else 0
        return 0

    def _teasers(self, start: int, *, link_list: bool) -> int:
        """The number of teasers from `start` on; all lines that are left where the article does not resume."""
        left = len(self) - start
        resumed = self._resumes(start)
        if resumed is None:
            few = left <= (_MOST_LISTED if link_list else _MOST_OTHER)
            if few and (link_list or not left or self[start].headline):
                return left
            return self._leading_headlines(start, len(self), link_list=link_list)
        if resumed == start:
            return left if link_list and self._only_blurbs(start) else 0
        if link_list and (self[resumed].correction or self._alternates(start, resumed)):
            return resumed - start
        return self._leading_headlines(start, resumed, link_list=link_list)

    def _only_blurbs(self, start: int) -> bool:
        """Whether the few sentences that end the text are blurbs without headlines rather than its last paragraphs."""
        rest = self._lines[start : start + 7]
        return len(rest) <= 6 and all(len(line.text) <= 250 and not line.correction for line in rest)

    def _leading_headlines(self, start: int, end: int, *, link_list: bool) -> int:
        """The number of headlines from `start` on; in a link list a blurb may stand between two of them."""
        for index in range(start, end):
            line, later = self[index], index > start
            between = later and index + 1 < end and self[index - 1].headline and self[index + 1].headline
            # Below "Read also" a second short line is more likely the next subheading of the article.
            subheading = not link_list and later and len(line.text) < 40
            if (not line.headline or subheading) and not (link_list and between):
                return index - start
        return end - start

    # --- where the article resumes -----------------------------------------------------------------------

    def _resumes(self, start: int) -> int | None:
        """The line from `start` on where paragraphs of the article begin again; None where only teasers follow.

        A paragraph is long, or followed by another line that ends like a sentence: blurbs stand alone under
        their headlines.
        """
        if start < len(self) and self._is_paragraph(start):
            return start
        index = self._decisive[start]
        if index is None or self[index].correction:
            return index
        blurb = self._may_be_blurb(index)
        if index + 1 == len(self):
            return None if blurb else index
        return index + 1 if blurb and self._alternates(start, index) else index

    def _is_paragraph(self, index: int) -> bool:
        return self[index].prose or self._pairs[index]

    def _is_pair(self, index: int) -> bool:
        """This line and the next end like sentences: paragraphs of the article, since blurbs stand alone."""
        if index + 1 >= len(self):
            return False
        following = self[index + 1]
        return self[index].closed and following.closed and not following.correction

    def _decides(self, index: int) -> bool:
        """Whether this paragraph, unlike one that may be a blurb in a list, shows that the article resumes."""
        if not self._is_paragraph(index):
            return False
        last = index + 1 == len(self)
        return self[index].correction or last or self._pairs[index] or not self._may_be_blurb(index)

    def _may_be_blurb(self, index: int) -> bool:
        return index > 0 and self[index - 1].headline and len(self[index].text) <= _LONGEST_BLURB

    def _has_blurb(self, index: int) -> bool:
        return self[index].headline and index + 1 < len(self) and not self[index + 1].headline

    def _alternates(self, start: int, end: int) -> bool:
        """Whether each of at least two headlines (the last one aside) has its blurb below it."""
        headlines = self._headlines[end] - self._headlines[start]
        blurbs = self._blurbed[max(end - 1, start)] - self._blurbed[start]
        return headlines >= 2 and blurbs >= headlines - 1


def _merged(spans: Sequence[Span], text: str) -> tuple[Span, ...]:
    """The spans with those joined that only white space separates."""
    merged: list[Span] = []
    for start, end in spans:
        if merged and not text[merged[-1][1] : start].strip():
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple(merged)
