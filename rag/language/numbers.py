"""Numbers of a text, in digits and in words, normalised."""

from __future__ import annotations

import re

from rag.language.tokens import tokens

_GROUPED = re.compile(r"(?<=\d)[.,\u00a0\u202f ](?=\d{3}(?!\d))")
_NUMBER_WORDS = {
    word: str(value)
    for value, words in enumerate(
        "zero cero|one uno una|two dos|three tres|four cuatro|five cinco|six seis|seven siete|eight ocho|"
        "nine nueve|ten diez|eleven once|twelve doce|thirteen trece|fourteen catorce|fifteen quince|"
        "sixteen dieciseis|seventeen diecisiete|eighteen dieciocho|nineteen diecinueve|twenty veinte".split("|")
    )
    for word in words.split()
}
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "mil": 3, "millones": 6, "millon": 6}
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th|º|ª|\.)$")


def normal_number(number: str) -> str:
    """`1,200` and `1.200` and `1 200` -> `1200`; `3.5` and `3,5` -> `3.5`."""
    joined = _GROUPED.sub("", number)
    return re.sub(r"(?<=\d),(?=\d)", ".", joined).rstrip(".")


def numbers(text: str) -> set[str]:
    """The numbers stated in a text, normalised: digits, number words, ordinals, years; `1.2 million` -> 1200000."""
    found = set()
    words = tokens(text)
    for index, token in enumerate(words):
        value = _value(token.folded)
        if value is None:
            continue
        following = words[index + 1].folded if index + 1 < len(words) else ""
        scale = _SCALES.get(following)
        found.add(_scaled(value, scale) if scale is not None else value)
    return found


def _value(folded: str) -> str | None:
    if folded[0].isdigit():
        ordinal = _ORDINAL.match(folded)
        return normal_number(ordinal.group(1) if ordinal else re.sub(r"[^\d.,]+.*$", "", folded))
    # "one" and "una" are articles and pronouns more often than numbers.
    return None if folded in {"one", "uno", "una", "once", "zero", "cero"} else _NUMBER_WORDS.get(folded)


def _scaled(value: str, scale: int) -> str:
    try:
        scaled = float(value) * 10**scale
    except ValueError:
        return value
    return str(int(scaled)) if scaled == int(scaled) else str(scaled)
