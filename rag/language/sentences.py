"""Where sentences begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.language.lexicons import EVERY_LANGUAGE
from rag.language.tokens import is_unspaced
from rag.schema import Span

# The full stops of other scripts, and question marks of their own: ideographs and kana, Devanagari, Arabic, Urdu,
# Armenian, Ethiopic, Khmer, Burmese. Nothing else is written with them, so each ends a sentence.
_FULL_STOPS = "。！？｡।॥؟۔։።፧፨។៕။"
# “ closes in German („Es ist vorbei.“); with a letter behind it, it opens, and the space before it was lost.
_END = re.compile(rf"[.!?…;{_FULL_STOPS}][.!?…{_FULL_STOPS}]*[\"”’'»)\]）」』】》〉]*(?:“(?=\s|$))?")
_GREEK = re.compile("[\u0370-\u03ff\u1f00-\u1fff]")  # it asks with a semicolon
# 「…。」と述べた: the speech goes on behind its bracket with a particle.
_JAPANESE_SPEECH = re.compile("[」』][\u3041-\u3096]")
# Thai and Lao have no full stop: a space stands between clauses, around names and around numbers. A sentence ends at a
# space between two stretches of at least 12 characters (a name is shorter) once it has 60, about 17 tokens. Set by hand
# on the Thai page of newspaper4k and two paragraphs of news.
_CLAUSES_END = re.compile("(?<=[\u0e01-\u0e4e\u0e81-\u0ece]{12}) +(?=[\u0e01-\u0e4e\u0e81-\u0ece]{12})")
_LEAST_CLAUSES = 60
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
            yield from _clauses(text, begin, match.end())
            begin = match.end()
    yield from _clauses(text, begin, end)


def _clauses(text: str, start: int, end: int) -> Iterator[Span]:
    """The sentence itself, or where it is Thai or Lao its stretches of clauses."""
    begin = start
    for space in _CLAUSES_END.finditer(text, start, end) if end - start >= 2 * _LEAST_CLAUSES else ():
        if min(space.start() - begin, end - space.end()) >= _LEAST_CLAUSES:
            yield from _trim(text, begin, space.start())
            begin = space.end()
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
    if match.group()[0] == ";" and not _GREEK.match(text, match.start() - 1):
        return False
    if match.group()[0] in _FULL_STOPS:
        return not _JAPANESE_SPEECH.match(text, after - 1, end)
    if after < end and not text[after].isspace():
        if match.group()[0] in "!?" and is_unspaced(text[after]):
            return True
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
            last.casefold() in EVERY_LANGUAGE.abbreviations or _is_initial(text, match.start())
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


def _is_initial(text: str, end: int) -> bool:
    """Whether the letter before `end` is an initial: a capital, or a lone letter of a script without capitals."""
    letter, before = text[max(0, end - 1) : end], text[max(0, end - 2) : max(0, end - 1)]
    if letter.isupper():
        return not before.isalnum()
    return letter.isalpha() and not letter.islower() and not before.strip()


def without_item_number(sentence: str) -> str:
    """A sentence without its number as an item of a list; one that opens with a day ("3. März") as it is."""
    item = _ITEM.match(sentence)
    return sentence[item.end() :] if item and not _GERMAN_MONTH.match(sentence, item.end()) else sentence


def is_question(sentence: str) -> bool:
    """Whether a sentence is a question; one that ends with a question in quotation marks, as somebody asked it, is
    none."""
    return sentence.rstrip()[-1:] in ("?", "？", "؟", "՞", "\u037e")
