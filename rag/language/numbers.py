"""Numbers of a text, in digits and in words, normalised."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from rag.language.lexicons import LEXICONS, Lexicon, lexicon
from rag.language.tokens import Token, fold, tokens

_GROUPED = re.compile(r"(?<=\d)[.,\u00a0\u202f ](?=\d{3}(?!\d))")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th|º|ª|\.)$")
_JOINED = re.compile(r"[\s\u00ad\u2010\u2011-]*")
# Longer numbers, and greater powers of ten, are compared as they are written: no float holds them.
_LONGEST_NUMBER, _GREATEST_POWER = 30, 30
# Number words are short, German ones written as one word included; longer tokens are not given to the library.
_LONGEST_WORD = 80


def normal_number(number: str) -> str:
    """A number in digits without grouping and with a decimal point: `1,200` and `1 200` -> `1200`, `3,5` -> `3.5`."""
    joined = _GROUPED.sub("", number)
    return re.sub(r"(?<=\d),(?=\d)", ".", joined).rstrip(".")


def numbers(text: str, language: str = "") -> set[str]:
    """The numbers stated in a text, normalised: digits, number words, ordinals, years; `1.2 million` -> `1200000`.

    Number words are read in the language of the text (ISO 639-1). Where it is not known, or has no lexicon, they are
    read in the language that knows most of the text's words, without those that are common words of another
    language (`once` is eleven in Spanish only). Compare two texts of one language by the same `language`.
    """
    words = tokens(text)
    found = set(_in_digits(words, text, lexicon(language)))
    for one in [language] if language in LEXICONS else _likely_languages(words):
        for first, end in _runs(words, text, one):
            found.update(_spelled(words, first, end, one, known=one == language))
    return found


def readable(language: str) -> bool:
    """Whether number words, months and weekdays of a language (ISO 639-1) can be read.

    Where they cannot, a text that lacks a number word of another text cannot be told from one that holds it.
    """
    return language in LEXICONS


def _in_digits(words: Sequence[Token], text: str, lexicon: Lexicon) -> Iterator[str]:
    for index, token in enumerate(words):
        if token.folded[0].isdigit():
            ordinal = _ORDINAL.match(token.folded)
            value = normal_number(ordinal.group(1) if ordinal else re.sub(r"[^\d.,]+.*$", "", token.folded))
            attached = "" if ordinal else token.folded.lstrip("0123456789.,")
            power = lexicon.scales.get(attached) or _power_of_money(attached, text[token.start - 1 : token.start])
            yield _scaled(value, power or _scale_behind(words, index + 1, lexicon))


def _power_of_money(letter: str, before: str) -> int:
    """The power of ten of a letter behind an amount with a currency sign: "$3m"; elsewhere 3m are metres."""
    return {"k": 3, "m": 6}.get(letter, 0) if before and unicodedata.category(before) == "Sc" else 0


def _scale_behind(words: Sequence[Token], index: int, lexicon: Lexicon) -> int:
    """The power of ten of the scales that begin at a place: 9 for Spanish "mil millones"."""
    power = 0
    while index < len(words) and words[index].folded in lexicon.scales:
        power += lexicon.scales[words[index].folded]
        index += 1
    return power


def _scaled(value: str, power: int) -> str:
    if len(value) > _LONGEST_NUMBER or power > _GREATEST_POWER:
        return value
    try:
        scaled = float(value) * 10**power
    except ValueError:
        return value
    return (str(int(scaled)) if scaled == int(scaled) else str(scaled)) if power else value


@lru_cache(maxsize=65_536)
def _is_number_word(word: str, language: str) -> bool:
    """Whether a lower-case word is a number word of a language, alone or within a number."""
    from text_to_num import alpha2digit  # type: ignore[import-untyped]

    if not word[0].isalpha() or len(word) > _LONGEST_WORD:
        return False
    return fold(word) in lexicon(language).number_words or alpha2digit(word, language, threshold=0)[:1].isdigit()


@lru_cache(maxsize=65_536)
def _languages_of(word: str) -> tuple[str, ...]:
    """The languages in which a lower-case word is a number word and no common word of another one."""
    folded = fold(word)
    return tuple(
        language
        for language, one in LEXICONS.items()
        if folded not in one.homographs and folded not in one.not_numbers and _is_number_word(word, language)
    )


def _likely_languages(words: Sequence[Token]) -> list[str]:
    """The languages that know most of the number words of a text: all of them where several know equally many."""
    known = Counter(language for token in words for language in _languages_of(token.text.lower()))
    return [language for language, count in known.items() if count == max(known.values())]


def _runs(words: Sequence[Token], text: str, language: str) -> Iterator[tuple[int, int]]:
    """First and behind the last of the neighbouring words that may make up numbers: only blanks and hyphens between."""
    index, joiners = 0, lexicon(language).number_joiners

    def joined(at: int) -> bool:
        return at < len(words) and bool(_JOINED.fullmatch(text, words[at - 1].end, words[at].start))

    while index < len(words):
        if not _is_number_word(words[index].text.lower(), language):
            index += 1
            continue
        end = index + 1
        while joined(end):
            step = 2 if words[end].folded in joiners and joined(end + 1) else 1
            if not _is_number_word(words[end + step - 1].text.lower(), language):
                break
            end += step
        yield index, end
        index = end


class _Word:
    """A word as the number library reads it (its protocol `Token`)."""

    def __init__(self, text: str) -> None:
        self._text = text

    def text(self) -> str:
        return self._text

    def nt_separated(self, previous: _Word) -> bool:
        return False

    def not_a_number_part(self) -> bool:
        return False


@lru_cache(maxsize=8_192)
def _read(words: tuple[str, ...], language: str) -> list[tuple[int, int, float]]:
    """First word, behind the last, and value of each number that some lower-case words make up."""
    from text_to_num import find_numbers

    found = [(n.start, n.end, n.value) for n in find_numbers([_Word(word) for word in words], language, threshold=0)]
    covered = {at for first, end, _ in found for at in range(first, end)}
    extra = lexicon(language).number_words
    for at, word in enumerate(words):
        if at in covered or fold(word) not in extra:
            continue
        factor = next((n for n in found if n[1] == at), None)
        if factor:  # "two dozen"
            found.remove(factor)
        found.append((factor[0] if factor else at, at + 1, (factor[2] if factor else 1) * extra[fold(word)]))
    return _with_years(sorted(found))


def _with_years(found: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """The same numbers, with a year spoken in two halves as one: "nineteen eighty-four"."""
    joined: list[tuple[int, int, float]] = []
    for one in found:
        before = joined[-1] if joined else None
        if before and before[1] == one[0] and 11 <= before[2] <= 20 and 10 <= one[2] <= 99:
            joined[-1] = (before[0], one[1], before[2] * 100 + one[2])
        else:
            joined.append(one)
    return joined


def _spelled(words: Sequence[Token], first: int, end: int, language: str, known: bool) -> Iterator[str]:
    """The numbers that a run of words states. A lone scale ("million") is one behind an article or a half only."""
    one = lexicon(language)
    for start, stop, value in _read(tuple(token.text.lower() for token in words[first:end]), language):
        if words[first + start].folded in one.scales and first + start and words[first + start - 1].text[0].isdigit():
            continue  # read with the digits before it
        power = _scale_behind(words, end, one) if first + stop == end else 0
        if stop - start == 1:
            folded = words[first + start].folded
            if not known and folded in one.homographs:
                continue
            if folded in one.not_numbers:
                if folded not in one.scales:
                    continue
                value *= _share_before(
                    [token.folded for token in words[max(0, first + start - 3) : first + start]], one
                )
        if value or power:
            yield _scaled(_plain(value), power)


def _share_before(before: Sequence[str], lexicon: Lexicon) -> float:
    """What the words in front of a lone scale make of it: 1 for "a million", .5 for "half a million", else 0."""
    if not before:
        return 0.0
    *rest, last = before
    if last in lexicon.indefinite and not (rest and rest[-1] in lexicon.halves):
        return 1.0
    front = [word for word in before if word not in lexicon.indefinite]  # "half a", "a half", "half"
    if not front or front[-1] not in lexicon.halves:
        return 0.0
    return 0.0 if len(front) > 1 and front[-2] in lexicon.number_joiners else 0.5  # "two and a half million"


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
