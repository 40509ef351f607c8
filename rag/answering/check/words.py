"""The words of a text as they are compared: by stem, by value, and by what stands around them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from os.path import commonprefix

from rag.language.calendar import WEEKDAYS, month_at
from rag.language.lexicons import Lexicon, lexicon, pattern
from rag.language.numbers import normal_number, numbers
from rag.language.stems import stem
from rag.language.stop_words import stop_words
from rag.language.tokens import Token, is_unspaced, tokens

# How many words a negation or a modal verb reaches forward, unless a clause ends before. Set by hand.
REACH = 5
REACHED = 2  # how many words that carry meaning it reaches. Set by hand
PASSIVE_REACH, AGENT_REACH = 2, 2
_CLAUSE_END = re.compile(r"[,;:.!?()“”\"«»—–]")
MOST_MORE = 3  # letters by which two inflections of one word differ in length. Set by hand


@dataclass(frozen=True, slots=True)
class Word:
    """A word that carries meaning.

    `key` is its stem, or the value of a number, a month or a day of the week; `at` its place among all words of the
    text; `denied` and `unrealised` whether a negation, or a word such as "may" or "plans", stands before it in its
    clause, `passive` the same of a verb such as "was"; `refused` whether it is the first behind a phrase such as
    "refused to"; `before_agent` whether the doer follows it ("by"); `clause` is the number of its clause from 0.
    """

    text: str
    folded: str
    key: str
    at: int
    is_name: bool
    is_number: bool
    denied: bool
    refused: bool
    unrealised: bool
    passive: bool
    before_agent: bool
    clause: int


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text that carry meaning, in order, and whether the text denies something."""

    content: tuple[Word, ...]
    denies: bool  # a negation anywhere: in German it may stand behind all that it denies


@lru_cache(maxsize=4096)  # sentences of some 400 characters: about 30 MB
def words_of(text: str, language: str) -> Words:
    """The words of a text in a language (ISO 639-1)."""
    found, own = tokens(text), lexicon(language)
    without_meaning = stop_words(language)
    ends = _clause_ends(text, found)
    clauses = list(accumulate(ends))
    denials = [token.folded in own.negations or token.text == "t" for token in found]
    unrealised = [_is_unrealised(token, own, language) for token in found]
    carries = [_carries_meaning(token, without_meaning, denied) for token, denied in zip(found, denials, strict=True)]
    refused = _refused(found, carries, own)
    verbs = [token.folded in own.passive_verbs for token in found]
    content = []
    for index, token in enumerate(found):
        if not carries[index]:
            continue
        month = month_at(found, index, language)
        number = "" if month else _value(token, language)
        content.append(
            Word(
                text=token.text,
                folded=token.folded,
                key=_key(token, month, number, language),
                at=index,
                is_name=_is_name(found, index, month),
                is_number=bool(number or month or token.folded in WEEKDAYS),
                denied=_reached(denials, carries, ends, index, REACH),
                refused=index in refused,
                unrealised=_reached(unrealised, carries, ends, index, REACH),
                passive=_reached(verbs, carries, ends, index, PASSIVE_REACH),
                before_agent=any(one.folded in own.agent_words for one in found[index + 1 : index + 1 + AGENT_REACH]),
                clause=clauses[index],
            )
        )
    return Words(tuple(content), any(denials))


def _refused(found: Sequence[Token], carries: Sequence[bool], own: Lexicon) -> set[int]:
    """The places of the words that come first behind a phrase which says that it was not done."""
    starts = list(accumulate((len(token.folded) + 1 for token in found), initial=0))
    ends = [match.end() for match in pattern(own.refusals).finditer(" ".join(token.folded for token in found))]
    behind = (next((at for at, start in enumerate(starts[:-1]) if start >= end and carries[at]), None) for end in ends)
    return {at for at in behind if at is not None}


def _carries_meaning(token: Token, without_meaning: frozenset[str], denies: bool) -> bool:
    if token.folded in without_meaning or (len(token.folded) < 2 and not _counts_alone(token)):
        return False
    return not denies or token.text[0].isupper()


def _counts_alone(token: Token) -> bool:
    return token.folded.isdigit() or is_unspaced(token.text)


def _clause_ends(text: str, found: Sequence[Token]) -> list[bool]:
    """For each word whether a mark that ends a clause stands between it and the word before."""
    return [
        index > 0 and bool(_CLAUSE_END.search(text, found[index - 1].end, token.start))
        for index, token in enumerate(found)
    ]


def _is_unrealised(token: Token, own: Lexicon, language: str) -> bool:
    if token.folded == "may" and token.text[0].isupper():
        return False
    if pattern(own.unrealised).fullmatch(token.folded):
        return True
    word = token.text.lower()
    return bool(language) and len(word) > 3 and any(word.endswith(ending) for ending in own.future_endings)


def _value(token: Token, language: str) -> str:
    """The value of a number, "" for another word."""
    if token.folded[0].isdigit():
        return normal_number(re.sub(r"[^\d.,]+.*$", "", token.folded))
    return next(iter(numbers(token.text, language)), "") if token.text.islower() else ""


def _key(token: Token, month: int, number: str, language: str) -> str:
    if month:
        return f"month {month}"
    if number:
        return f"number {number}"
    if token.folded in WEEKDAYS:
        return f"day {WEEKDAYS[token.folded]}"
    return stem(token.folded, language)


def _is_name(found: Sequence[Token], index: int, month: int) -> bool:
    token = found[index]
    if not token.text[0].isupper() or month or token.folded in WEEKDAYS:
        return False
    following = found[index + 1] if index + 1 < len(found) else token
    return index > 0 or following.text[0].isupper()


def _reached(marks: Sequence[bool], carries: Sequence[bool], ends: Sequence[bool], index: int, reach: int) -> bool:
    """Whether a word is marked, or one before it in its clause with fewer than REACHED words of meaning between."""
    between = 0
    for at in range(index, max(-1, index - reach - 1), -1):
        if marks[at]:
            return True
        between += carries[at] and at < index
        if ends[at] or between >= REACHED:
            return False
    return False


@lru_cache(maxsize=4096)
def opposite_of(word: str, language: str) -> re.Pattern[str] | None:
    """What matches the folded words that say the opposite of a folded word; None for a word without one."""
    found = []
    for one, other in lexicon(language).opposites.items():
        if re.fullmatch(one, word):
            found.append(other)
        elif re.fullmatch(other, word):
            found.append(one)
    return re.compile("|".join(found)) if found else None


def same(one: Word, other: Word) -> bool:
    """Whether two words are one: the same stem or value, or one word in two inflections."""
    if one.key == other.key:
        return True
    if one.is_number or other.is_number or one.is_name != other.is_name:
        return False
    a, b = one.folded, other.folded
    if one.is_name:
        return len(a) >= 5 and a[:5] == b[:5] and abs(len(a) - len(b)) <= MOST_MORE
    shared = len(commonprefix((a, b)))
    return shared >= max(4, min(len(a), len(b)) - 2) and abs(len(a) - len(b)) <= MOST_MORE
