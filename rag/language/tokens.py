"""The words of a text: as written, where they stand, and folded for comparison."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from math import ceil
from operator import add

# Characters that no reader sees (Unicode's Default_Ignorable_Code_Point, and the anchors of annotations): zero-width,
# soft hyphen, direction marks, invisible operators, fillers, variation selectors, tags. Instructions are smuggled in
# with them, and they break verbatim quotes.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

# Scripts written without spaces, and Korean: each character is a token, and each pair of neighbours a term of search.
# Kana, ideographs, Hangul; Thai and Lao; Burmese and Khmer without their punctuation.
_UNSPACED = (
    "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff"
    "\u0e00-\u0eff\u1000-\u1049\u1050-\u109f\u1780-\u17d3\u17e0-\u17e9"
)
_UNSPACED_CHAR = re.compile(f"[{_UNSPACED}]")
# Marks of vowels and accents are parts of a word that \w does not match: without them, Hindi has no whole words.
_COMBINING = "".join(
    c for c in map(chr, range(0x300, 0x1E00)) if unicodedata.category(c)[0] == "M" and not _UNSPACED_CHAR.match(c)
)
_LETTERS = rf"[^\W_{_UNSPACED}]+(?:[{_COMBINING}]+[^\W_{_UNSPACED}]*)*"
_TOKEN = re.compile(rf"[{_UNSPACED}]+|{_LETTERS}(?:[.,’']{_LETTERS})*")
# These two find the same in less time: in a text without such scripts and marks, and in an ASCII text in lower case.
_UNSPACED_OR_COMBINING = re.compile(f"[{_UNSPACED}{_COMBINING}]")
_SPACED_TOKEN = re.compile(r"[^\W_]+(?:[.,’'][^\W_]+)*")
_ASCII_TOKEN = re.compile(r"[a-z0-9]+(?:[.,'][a-z0-9]+)*")
_LONGEST_KNOWN = 40  # letters of a word whose folded form is remembered


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
    if len(text) <= 30 or text.isascii():  # the patterns take 60 ms to make, which a short question does not need
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
    """The words of a text in order. Scripts without spaces and Korean give one token a character."""
    found = []
    for match in _pattern(text).finditer(text):
        word, start = match.group(), match.start()
        if _UNSPACED_CHAR.match(word):
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
    """The folded words of a text, those of `tokens` without their places: several times as fast."""
    found: list[str] = []
    if text.isascii():
        for word in _ASCII_TOKEN.findall(text.lower()):
            if word.isalnum():
                found.append(word)
            else:
                found += _split_word(word)
        return found
    for word in _pattern(text).findall(text):
        if _UNSPACED_CHAR.match(word):
            found += map(_key, word)
        elif word.isalnum():
            found.append(_key(word))
        else:
            found += map(_key, _split_word(word))
    return found


def _pattern(text: str) -> re.Pattern[str]:
    """The quickest pattern that finds all tokens of a text."""
    return _TOKEN if _UNSPACED_OR_COMBINING.search(text) else _SPACED_TOKEN


def _key(word: str) -> str:
    """A word folded; itself where folding leaves nothing (a lone sound mark), and never with a space in it."""
    if word.isascii():
        return word.lower()
    return _known_key(word) if len(word) <= _LONGEST_KNOWN else _made_key(word)


def _made_key(word: str) -> str:
    return fold(word).replace(" ", "") or word


_known_key = lru_cache(maxsize=50_000)(_made_key)


def _split_word(word: str) -> list[str]:
    """`Putin’s` -> Putin, s; `1,200.5` and `U.S.` stay whole (numbers and initials hold together)."""
    if word[0].isdigit() or re.fullmatch(r"(?:[^\W\d]\.)+[^\W\d]", word):
        return [word]
    return [part for part in re.split(r"[.,’']", word) if part]


# Letters by script, with the marks of vowels and tones that stand among them. "ideographs" holds kana too; "unspaced"
# is Thai, Lao, Tibetan, Burmese and Khmer; "other" the scripts of India beside Devanagari, whose marks no \w matches.
_SCRIPTS = {
    "latin": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0300-\u036f\u1e00-\u1eff",
    "greek or cyrillic": "\u0370-\u052f\u1f00-\u1fff",
    "hebrew": "\u0591-\u05bd\u05c1-\u05c7\u05d0-\u05f4",
    "arabic": "\u0610-\u061a\u0620-\u065f\u066e-\u06d3\u06d5-\u06ef\u06fa-\u06ff\u200c",
    "devanagari": "\u0900-\u0963\u0971-\u097f",
    "hangul": "\u1100-\u11ff\uac00-\ud7af",
    "ideographs": "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    "unspaced": "\u0e01-\u0e4e\u0e81-\u0ecf\u0f40-\u0fbc\u1000-\u109f\u1780-\u17d3",
    "other": "\u0980-\u0dff",
}
_KNOWN = "".join(_SCRIPTS.values())
_WORDS = {script: re.compile(f"[{letters}]+") for script, letters in _SCRIPTS.items()}
_WORDS["other"] = re.compile(rf"(?:[{_SCRIPTS['other']}]|[^\W\d_{_KNOWN}])+")  # Armenian, Georgian, Ethiopic and so on
_BEYOND_LATIN = re.compile("[\u0370-\u1dff\u1f00-\u1fff\u2c00-\U0003ffff]")
_MARKS = re.compile(rf"\d{{1,3}}|[^\w\s{_KNOWN}]|_")  # digits by three, signs one by one
_DIGITS = re.compile("[0-9]{1,3}")
_ASCII = [chr(code) for code in range(128)]
_SIGNS_ALONE = str.maketrans(dict.fromkeys((c for c in _ASCII if c.isalnum() or c.isspace()), ""))
_LETTERS_ALONE = str.maketrans(dict.fromkeys((c for c in _ASCII if not c.isalpha()), " "))

# How many letters of a word are its first token, and how many letters are each further one. Fitted to the tokenizer of
# multilingual-e5-small (XLM-RoBERTa's) on xquad_en, _es, _de and _zh, onestopqa_articles, norquad_news_validation,
# heq_news_val, es_egypt, fr_egypt, the pages of newspaper4k, and two paragraphs of news in each of 20 languages.
_TOKEN_LETTERS = {
    "latin": (5, 5), "greek or cyrillic": (2, 5.5), "hebrew": (2, 4), "arabic": (4, 2), "devanagari": (3, 5),
    "hangul": (1, 1.75), "other": (2, 3),
}  # fmt: skip
_ACCENTED_LETTERS = (4, 3)  # of a Latin word with a letter beyond a to z


class _TokensOfLength(dict[int, float]):
    """Letters of a word -> its tokens."""

    def __init__(self, first: float, each: float) -> None:
        self._first, self._each = first, each
        super().__init__({length: self[length] for length in range(_LONGEST_KNOWN)})

    def __missing__(self, length: int) -> float:
        return 1 + max(0.0, length - self._first) / self._each


_WORD_TOKENS = {script: _TokensOfLength(first, each) for script, (first, each) in _TOKEN_LETTERS.items()}
_ACCENTED_TOKENS = _TokensOfLength(*_ACCENTED_LETTERS)
_CHARACTER_TOKENS = {"ideographs": 0.68, "unspaced": 0.29}  # tokens of a character; of the same texts


def count_tokens(text: str) -> int:
    """About how many tokens a multilingual model reads in a text; no tokenizer is loaded.

    For passages of news it is on average at most 9% from the count of XLM-RoBERTa's tokenizer, 13% in Persian. Other
    models divide words more finely: Qwen2.5 reads .9 to 1.8 times as many, 2 in Thai, 3 in Greek and Hindi.
    """
    if text.isascii():
        signs = len(text.translate(_SIGNS_ALONE)) + len(_DIGITS.findall(text))
        return ceil(_with_words(signs, text.translate(_LETTERS_ALONE).split(), _WORD_TOKENS["latin"]))
    total: float = len(_MARKS.findall(text))
    for script in _WORDS if _BEYOND_LATIN.search(text) else ("latin",):
        words = _WORDS[script].findall(text)
        if script in _CHARACTER_TOKENS:
            total += _CHARACTER_TOKENS[script] * sum(map(len, words))
        elif script == "latin":
            plain = _WORD_TOKENS[script]
            total = reduce(add, [(plain if w.isascii() else _ACCENTED_TOKENS)[len(w)] for w in words], total)
        else:
            total = _with_words(total, words, _WORD_TOKENS[script])
    return ceil(total)


def _with_words(total: float, words: list[str], tokens_of_length: _TokensOfLength) -> float:
    """The total with the tokens of these words added one by one: `sum` rounds otherwise in later versions of Python."""
    return reduce(add, map(tokens_of_length.__getitem__, map(len, words)), total)


def is_unspaced(text: str) -> bool:
    """Whether a text opens with a character of a script that is written without spaces, or of Korean."""
    return bool(_UNSPACED_CHAR.match(text))


def holds_unspaced(text: str) -> bool:
    """Whether a text holds a character of a script that is written without spaces, or of Korean."""
    return not text.isascii() and bool(_UNSPACED_CHAR.search(text))
