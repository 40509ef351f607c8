"""The words of a text: as written, where they stand, and folded for comparison."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

# Characters that no reader sees (Unicode's Default_Ignorable_Code_Point, and the anchors of annotations): zero-width,
# soft hyphen, direction marks, invisible operators, fillers, variation selectors, tags. Instructions are smuggled in
# with them, and they break verbatim quotes.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

# Scripts written without spaces: each character is a token and so is each pair of neighbours.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0e7f"
_CJK_CHAR = re.compile(f"[{_CJK}]")
_TOKEN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+(?:[.,’'][^\W_{_CJK}]+)*")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text: as written, where it stands, and folded (lower case, no accents)."""

    text: str
    start: int
    end: int
    folded: str


@cache
def _long_marks() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Patterns: over 30 combining marks in a row, of the basic plane and of all; any character of the other planes."""
    found = [chr(c) for c in range(0x300, 0x1F000) if unicodedata.combining(chr(c))]
    basic = "".join(c for c in found if c < "\U00010000")
    basic_run, run = (re.compile(f"([{marks}][{marks}]{{29}})[{marks}]+") for marks in (basic, "".join(found)))
    return basic_run, run, re.compile("[\U00010000-\U0010ffff]")


def stream_safe(text: str) -> str:
    """The text with at most 30 combining marks in a row (UAX #15, "Stream-Safe Text Format"); no writing has more.

    Normal forms sort such a run in time that grows with the square of its length.
    """
    if text.isascii():
        return text
    basic, every, other = _long_marks()  # a class of both planes takes a hundred times as long to look for
    return (every if other.search(text) else basic).sub(r"\1", text)


def fold(text: str) -> str:
    """Lower case without accents: `Benítez` and `benitez` are one word."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", stream_safe(text.casefold()))
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not unicodedata.combining(c)))


def tokens(text: str) -> list[Token]:
    """The words of a text in order. Chinese, Japanese, Korean and Thai give one token a character."""
    found = []
    for match in _TOKEN.finditer(text):
        word, start = match.group(), match.start()
        if _CJK_CHAR.match(word):
            found += [Token(c, start + i, start + i + 1, _key(c)) for i, c in enumerate(word)]
            continue
        if word.isalnum():  # nearly all: nothing in it to split at
            found.append(Token(word, start, match.end(), _key(word)))
            continue
        for part in _split_word(word):
            at = text.index(part, start)
            found.append(Token(part, at, at + len(part), _key(part)))
            start = at + len(part)
    return found


def folded_words(text: str) -> list[str]:
    """The folded words of a text, those of `tokens` without their places: several times as fast on plain English."""
    if not text.isascii():
        return [token.folded for token in tokens(text)]
    found: list[str] = []
    for word in _TOKEN.findall(text.lower()):
        found += [word] if word.isalnum() else _split_word(word)
    return found


def _key(word: str) -> str:
    """A word folded; itself where folding leaves nothing (a lone sound mark), and never with a space in it."""
    return fold(word).replace(" ", "") or word


def _split_word(word: str) -> list[str]:
    """`Putin’s` -> Putin, s; `1,200.5` and `U.S.` stay whole (numbers and initials hold together)."""
    if word[0].isdigit() or re.fullmatch(r"(?:[^\W\d]\.)+[^\W\d]", word):
        return [word]
    return [part for part in re.split(r"[.,’']", word) if part]


def count_tokens(text: str) -> int:
    """About how many tokens a model reads in a text, without loading a tokenizer.

    Words of up to 7 letters count as one, longer ones a further one for each 5; other marks one each.
    A rule of thumb, not compared with a tokenizer; other scripts count one a character.
    """
    total = 0
    for match in re.finditer(r"[a-zA-Z]+|\d{1,3}|[^\W\d_]|[^\w\s]", text):
        length = match.end() - match.start()
        total += 1 if length <= 7 else 1 + (length - 3) // 5
    return total


def is_unspaced(text: str) -> bool:
    """Whether a text opens with a character of a script that is written without spaces."""
    return bool(_CJK_CHAR.match(text))
