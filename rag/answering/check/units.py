"""Amounts of a text: a number with the unit behind it, or the currency before it. Units are those of CLDR."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from rag.language.identify import locale
from rag.language.lexicons import LEXICONS, lexicon
from rag.language.numbers import numbers, readable
from rag.language.stop_words import stop_words
from rag.language.tokens import Token, fold, tokens

# What news measures; and units that are often said for one another.
_KINDS = frozenset("area duration energy length mass power speed temperature volume".split())
_SAID_ALIKE = {"mass-ton": "mass-tonne", "duration-night": "duration-day", "duration-fortnight": "duration-week"}
_HEAD_FIRST = frozenset("es fr it pt".split())  # "millas náuticas"; elsewhere the last word is the head
_SHORTEST = 2  # letters of an abbreviation: a single one stands for too much ("m": metres, minutes, millions)

Unit = frozenset[str]  # what a word may stand for: "pounds" is a mass and some currencies


@lru_cache(maxsize=4096)
def amounts(text: str, language: str) -> frozenset[tuple[str, Unit]]:
    """The amounts of a text: each number, normalised, with its unit. Without those whose unit is not known."""
    return frozenset(_amounts(text, language)) if readable(language) else frozenset()


def other_unit(sentence: str, quotations: Sequence[str], language: str) -> bool:
    """Whether the sentence gives a number in a unit in which no quotation has it, and one has it in another of the
    same kind: 12 miles for 12 km, 3 dollars for 3 euros."""
    stated = [amount for text in quotations for amount in amounts(text, language)]
    for number, unit in amounts(sentence, language):
        others = [other for same_number, other in stated if same_number == number]
        if not any(unit & other for other in others) and any(_kinds(unit) & _kinds(other) for other in others):
            return True
    return False


def _kinds(unit: Unit) -> frozenset[str]:
    return frozenset(meaning.partition("-")[0] for meaning in unit)


def _amounts(text: str, language: str) -> Iterator[tuple[str, Unit]]:
    words = tokens(text)
    for at, word in enumerate(words):
        end = _end_of_number(words, at, language)
        if end == at:
            continue
        sign = _sign_before(text, word.start)
        stated = numbers(text[word.start - bool(sign) : words[end - 1].end], language)
        unit = sign or _unit_at(words, end, language)
        if unit and len(stated) == 1:
            yield next(iter(stated)), unit


def _end_of_number(words: Sequence[Token], at: int, language: str) -> int:
    """The place behind a number that begins at a place, with its scales ("3 million"); the place itself for none."""
    if not words[at].text[0].isdigit() and not (words[at].text.islower() and numbers(words[at].text, language)):
        return at
    end = at + 1
    while end < len(words) and words[end].folded in lexicon(language).scales:
        end += 1
    return end


def _sign_before(text: str, start: int) -> Unit:
    sign = text[start - 1 : start]
    return _of_signs().get(sign, frozenset()) if sign and unicodedata.category(sign) == "Sc" else frozenset()


def _unit_at(words: Sequence[Token], at: int, language: str) -> Unit:
    """The unit named by the next two words, or by the next one; Romance languages may put "de" before it."""
    if at < len(words) and words[at].folded == "de":
        at += 1
    known = _units(language)
    two = " ".join(word.folded for word in words[at : at + 2])
    return known.get(two) or (known.get(words[at].folded, frozenset()) if at < len(words) else frozenset())


@cache
def _of_signs() -> Mapping[str, Unit]:
    """Currency signs: "$" stands for every dollar."""
    found: dict[str, set[str]] = defaultdict(set)
    for language in LEXICONS:
        for code, sign in locale(language).currency_symbols.items():
            for one in sign:
                if unicodedata.category(one) == "Sc":
                    found[one].add(f"currency-{code}")
    return {sign: frozenset(codes) for sign, codes in found.items()}


@cache
def _units(language: str) -> Mapping[str, Unit]:
    """Folded name or abbreviation of a unit -> what it stands for; a name of several words also by its head."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, meaning in _names(language):
        folded = re.sub(r"[^\w\s]", "", fold(name)).strip()
        words = folded.split()
        if not words:
            continue
        head = words[0 if language in _HEAD_FIRST else -1]
        for one in {folded, head}:
            if len(one) >= _SHORTEST and one not in stop_words(language):
                found[one].add(meaning)
    return {name: frozenset(meanings) for name, meanings in found.items()}


def _names(language: str) -> Iterator[tuple[str, str]]:
    """Each name of a unit or a currency of CLDR, and what it stands for."""
    for own in [locale(language)] if language != "en" else [locale("en"), locale("en", "GB")]:
        yield from _names_in(own)


def _names_in(own: Any) -> Iterator[tuple[str, str]]:
    for key, forms in own._data["unit_patterns"].items():  # babel gives a single one by name only, not all
        if key.partition("-")[0] in _KINDS and "-per-" not in key:
            for width in ("long", "short"):
                for count, form in forms.get(width, {}).items():
                    if count in ("zero", "one", "two", "few", "many", "other"):
                        yield form.replace("{0}", ""), _SAID_ALIKE.get(key, key)
    for code, names in own._data["currency_names_plural"].items():
        for name in names.values():
            yield name, f"currency-{code}"
