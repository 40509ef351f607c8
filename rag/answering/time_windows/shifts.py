"""How far from the days of the conversation a follow-up asks: "a year later", "dos meses antes", "im Jahr darauf"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from rag.answering.time_windows.words import Words
from rag.language.lexicons import EVERY_LANGUAGE
from rag.language.time_words import Unit
from rag.schema import TimeWindow

_DAYS: Mapping[Unit, float] = {"day": 1, "week": 7, "month": 365.25 / 12, "quarter": 365.25 / 4, "year": 365.25}
_LATER = frozenset(
    """later after afterwards on following mas_tarde despues siguiente spater danach darauf plus_tard apres
    suivant suivante dopo piu_tardi successivo seguente depois mais_tarde seguinte daarna erna volgende folgende
    folgenden""".split()
)
_EARLIER = frozenset(
    """earlier before previously previous antes anterior fruher zuvor davor vorher plus_tot avant auparavant precedent
    precedente prima antes anteriore eerder daarvoor ervoor""".split()
)
_HALVES = EVERY_LANGUAGE.halves | {"halbes", "halfjaar"}
# "Half a year later" is not meant to the day: this share of the distance is added on both sides. Set by hand on eight
# questions to the demo archive.
SLACK = 1 / 6
_MOST = 36_525  # days; a hundred years


@dataclass(frozen=True, slots=True)
class Shift:
    """A distance in days, negative for earlier ones."""

    days: int

    def of(self, window: TimeWindow) -> TimeWindow | None:
        """The window that many days away, widened by SLACK of the distance; None where no calendar has it."""
        slack = round(abs(self.days) * SLACK)
        try:
            first = window.first and window.first + timedelta(days=self.days - slack)
            last = window.last and window.last + timedelta(days=self.days + slack)
        except OverflowError:
            return None
        return replace(window, first=first, last=last, dropped=False)


def shift_of(question: str) -> Shift | None:
    """The distance that a question names ("half a year later"), None where it names none.

    A unit without a number counts once: "the year after".
    """
    words = Words(question)
    for index in range(len(words.tokens)):
        unit = _unit(words, index)
        if unit is None:
            continue
        name, end = unit
        sign = _direction(words, end) or (_direction(words, index - 1) if index else 0)
        if sign:
            days = round(_DAYS[name] * _count(words, index))
            return Shift(sign * days) if days <= _MOST else None
    return None


def is_of_time(folded: str) -> bool:
    """Whether a folded word only says how far away in time something is: a number, a unit, "later"."""
    words = Words(folded)
    return bool(
        words.tokens
        and (words.number(0) or words.any_unit(0) or _direction(words, 0) or folded in _HALVES or folded in _PARTS)
    )


def _unit(words: Words, index: int) -> tuple[Unit, int] | None:
    """The unit at a token and the index behind it; French "an" needs its number, since English has the same word."""
    if words.folded(index) == "an" and index and words.number(index - 1):
        return "year", index + 1
    return words.any_unit(index)


def _direction(words: Words, index: int) -> int:
    """1 for "later" at a token, -1 for "earlier", 0 for neither."""
    one = words.folded(index)
    two = f"{one}_{words.folded(index + 1)}"
    return int(one in _LATER or two in _LATER) - int(one in _EARLIER or two in _EARLIER)


def _count(words: Words, index: int) -> float:
    """How many of the unit at a token the words in front of it count."""
    before = [words.folded(i) for i in range(max(0, index - 3), index)]
    if not _HALVES.isdisjoint(before):
        return 0.5
    number = words.number(index - 1) if index else None
    return number[0] if number else 1


_PARTS = frozenset(part for words in (_LATER, _EARLIER) for entry in words for part in entry.split("_"))
