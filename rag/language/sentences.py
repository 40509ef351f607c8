"""Where sentences begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.language.lexicons import EVERY_LANGUAGE
from rag.schema import Span

# “ closes in German („Es ist vorbei.“); with a letter behind it, it opens, and the space before it was lost.
_END = re.compile(r"(?:[.!?…]+|[。！？]+)[\"”’'»)\]]*(?:“(?=\s|$))?")
# "3." is no end in front of a month, behind a German article ("der 3. Tag"), or where it numbers an item of a list.
# "am" is none of them: "I am 12." is an end.
_GERMAN_MONTH = re.compile(
    "(Januar|Jänner|Februar|März|April|Mai|Ju[nl]i|August|September|Oktober|November|Dezember)\\b"
)
_GERMAN_ARTICLE = re.compile(r"\b([Dd](er|ie|as|em|en|es)|Am|[Ii]m|[Vv]om|[Zz]u[mr]) $")
_ADDRESS = re.compile(r"[\w-]*\.\w")
_VISIBLE = re.compile(r"\S")
_LAST_WORD = re.compile(r"[^\W_]+$")
_LINE_OPENS = re.compile(r"(^|\n)[ \t]*$")
_ITEM = re.compile(r"\d{1,2}[.)]\s+(?=\S)")
_BLOCK = re.compile(r"\n\s*\n|\n(?=\s*[-•*]\s)|\n")


def sentence_spans(text: str) -> list[Span]:
    """Where the sentences of a text stand, in order, without surrounding space; blocks end sentences too."""
    spans: list[Span] = []
    start = 0
    for block in _BLOCK.finditer(text):
        spans += _split_block(text, start, block.start())
        start = block.end()
    return spans + list(_split_block(text, start, len(text)))


def _split_block(text: str, start: int, end: int) -> Iterator[Span]:
    begin = start
    for match in _END.finditer(text, start, end):
        if _ends_sentence(text, match, end):
            yield from _trim(text, begin, match.end())
            begin = match.end()
    yield from _trim(text, begin, end)


def _trim(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        yield start, end


def _ends_sentence(text: str, match: re.Match[str], end: int) -> bool:
    after = match.end()
    if match.group()[0] in "。！？":
        return True
    if after < end and not text[after].isspace():
        # "3.5", "dateline.example"; but pasted text often lost the space after a full stop: "over.The".
        return bool(
            match.group() == "." and text[after].isupper() and text[match.start() - 1].islower()
            and not _ADDRESS.match(text, after)
        )  # fmt: skip
    goes_on = _VISIBLE.search(text, after, end)
    if not goes_on:
        return True
    rest = text[goes_on.start() : min(end, goes_on.start() + 20)]  # never the whole text: there are many sentences
    if match.group().startswith((".", "…")):
        word = _LAST_WORD.search(text[max(0, match.start() - 20) : match.start()])
        last = word.group() if word else ""
        if match.group() == "." and (
            last.casefold() in EVERY_LANGUAGE.abbreviations or (len(last) == 1 and last.isupper())
        ):
            return False
        if match.group() == "." and last.isdigit() and len(last) <= 2:
            begins = match.start() - len(last)
            before = text[max(0, begins - 20) : begins]
            if _LINE_OPENS.search(before) or _GERMAN_ARTICLE.search(before) or _GERMAN_MONTH.match(rest):
                return False
    if rest[0].islower():
        return False
    # “Is it true?” he asked: the speech goes on. A lower-case letter was handled above.
    return not rest[0].isdigit() or not match.group().startswith(".") or len(rest) > 3


def without_item_number(sentence: str) -> str:
    """A sentence without its number as an item of a list; one that opens with a day ("3. März") as it is."""
    item = _ITEM.match(sentence)
    return sentence[item.end() :] if item and not _GERMAN_MONTH.match(sentence, item.end()) else sentence
