"""The tokens of a question, and which words of time stand at each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rag.language.identify import detect_language
from rag.language.time_words import NUMBER, NUMBERS, Kind, TimeWord, Unit, after_number, phrases
from rag.language.tokens import Token, tokens

_DIGITS = re.compile(r"\d{1,3}")
_MOST = 400  # days, weeks, months or years that a number counts


@dataclass(frozen=True, slots=True)
class Match:
    """A phrase of a question, the number in it (0 without one), and the index of the token behind it."""

    word: TimeWord
    number: int
    end: int


class Words:
    """A question as tokens. Nothing is found at an index behind its last token."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = tokens(text)

    @cached_property
    def language(self) -> str:
        return detect_language(self.text)

    def folded(self, index: int) -> str:
        return self.tokens[index].folded if 0 <= index < len(self.tokens) else ""

    def phrase(self, kind: Kind, index: int) -> tuple[TimeWord, int] | None:
        """The longest phrase of a kind that begins at a token, and the index behind it."""
        found = self.known[index].get(kind) if index < len(self.tokens) else None
        return (found.word, found.end) if found else None

    def behind(self, kind: Kind, index: int) -> int | None:
        """The index behind a phrase of a kind at a token."""
        found = self.phrase(kind, index)
        return found[1] if found else None

    @cached_property
    def known(self) -> list[dict[Kind, Match]]:
        """At each token, the longest phrase of each kind."""
        found: list[dict[Kind, Match]] = [{} for _ in self.tokens]
        for index, token in enumerate(self.tokens):
            keys = [token.folded]
            if index + 1 < len(self.tokens) and self.number(index):
                keys.append(after_number(self.tokens[index + 1].folded))
            for words, word in (phrase for key in keys for phrase in phrases().get(key, ())):
                if word.kind not in found[index] and (match := self._matched(words, index)) is not None:
                    found[index][word.kind] = Match(word, *match)
        return found

    def _matched(self, words: Sequence[str], index: int) -> tuple[int, int] | None:
        """The number in a phrase (0 without one) and the index behind it, where the tokens are those of the phrase."""
        value = 0
        for word in words:
            if index >= len(self.tokens):
                return None
            if word == NUMBER:
                number = self.number(index)
                if number is None:
                    return None
                value, index = number
            elif word == self.tokens[index].folded:
                index += 1
            else:
                return None
        return value, index

    def number(self, index: int) -> tuple[int, int] | None:
        if index >= len(self.tokens):
            return None
        folded = self.tokens[index].folded
        if _DIGITS.fullmatch(folded) and folded.isascii() and int(folded) <= _MOST:
            return int(folded), index + 1
        return (NUMBERS[folded], index + 1) if folded in NUMBERS else None

    def unit(self, index: int, unit: Unit) -> int | None:
        """The index behind a word for this unit."""
        found = self.any_unit(index)
        return found[1] if found and found[0] == unit else None

    def any_unit(self, index: int) -> tuple[Unit, int] | None:
        found = self.phrase("unit", index)
        return (found[0].unit, found[1]) if found else None
