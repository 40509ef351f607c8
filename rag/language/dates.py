"""What "last Friday" means: relative days of a sentence, resolved against the day its article was published."""

from __future__ import annotations

import re
from datetime import date, timedelta

from rag.language.calendar import WEEKDAYS
from rag.language.tokens import fold

_DAYS = "|".join(sorted(WEEKDAYS, key=len, reverse=True))
_RELATIVE = re.compile(
    rf"\b(?:(?P<near>yesterday|today|tonight|tomorrow|ayer|hoy|anteayer)|"
    rf"(?P<which>last|next|this|on|late|early|by|until|from|since|pasado|proximo|este|el)?\s*"
    rf"(?P<day>{_DAYS})(?P<after>\s+(?:pasado|proximo))?)\b"
)
_FUTURE = re.compile(
    r"\b(will|would|shall|due|plans?|planned|scheduled|expected|set to|to be|is to|are to|begins?|opens?|starts?|"
    r"sera|seran|tendra|comenzara|empezara|votara|votaran|abrira|preve|previst[oa]|volvera|ira)\b"
)
_NEAR = {"yesterday": -1, "ayer": -1, "anteayer": -2, "today": 0, "tonight": 0, "hoy": 0, "tomorrow": 1}


def resolved(sentence: str, published: date | None) -> list[tuple[int, int, date]]:
    """Start, end and day of each relative day named in a sentence; nothing when the day of publication is unknown.

    "last" and "next" look back and forward from that day, "this" takes the nearest within three days, a bare
    weekday is the last one, or the next one in a sentence about the future.
    """
    if published is None:
        return []
    folded = fold(sentence)
    if len(folded) != len(sentence):  # accents folded one to one everywhere else
        return []
    ahead = bool(_FUTURE.search(folded))
    return [
        (match.start(), match.end(), day)
        for match in _RELATIVE.finditer(folded)
        if (day := _day(match, published, ahead)) is not None
    ]


def _day(match: re.Match[str], published: date, ahead: bool) -> date | None:
    if match["near"]:
        return published + timedelta(days=_NEAR[match["near"]])
    weekday = WEEKDAYS[match["day"]]
    forward = (weekday - published.weekday()) % 7
    back = (published.weekday() - weekday) % 7
    which = (match["after"] or match["which"] or "").strip()
    if which in {"last", "pasado"}:
        return published - timedelta(days=back or 7)
    if which in {"next", "proximo"}:
        return published + timedelta(days=forward or 7)
    if which in {"this", "este"}:
        return published + timedelta(days=forward) if forward <= 3 else published - timedelta(days=back)
    return published + timedelta(days=forward) if ahead else published - timedelta(days=back)


def written(day: date) -> str:
    """A day in words: `27 December 2021`."""
    return f"{day.day} {day:%B %Y}"


def annotated(sentence: str, published: date | None) -> str:
    """The sentence with the day in parentheses behind each relative one: `last Friday (14 March 2025)`."""
    out, at = [], 0
    for _, end, day in resolved(sentence, published):
        out += [sentence[at:end], f" ({written(day)})"]
        at = end
    return "".join([*out, sentence[at:]])
