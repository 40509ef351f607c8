"""Months and days of the week that a text names."""

from __future__ import annotations

from rag.language.tokens import tokens

MONTHS = {
    name: number
    for number, names in enumerate(
        "january jan enero|february feb febrero|march mar marzo|april apr abril|may mayo|june jun junio|"
        "july jul julio|august aug agosto|september sep sept septiembre|october oct octubre|"
        "november nov noviembre|december dec diciembre".split("|"),
        start=1,
    )
    for name in names.split()
}
WEEKDAYS = {
    name: number
    for number, names in enumerate(
        "monday lunes|tuesday martes|wednesday miercoles|thursday jueves|friday viernes|saturday sabado|"
        "sunday domingo".split("|")
    )
    for name in names.split()
}


def months(text: str) -> set[int]:
    """The months named in a text (1 to 12); `May`, `mar`, `jan` count only when written like a month."""
    return {MONTHS[t.folded] for t in tokens(text) if t.folded in MONTHS and (len(t.folded) > 3 or t.text[0].isupper())}


def weekdays(text: str) -> set[int]:
    """The days of the week named in a text, Monday 0."""
    return {WEEKDAYS[t.folded] for t in tokens(text) if t.folded in WEEKDAYS}
