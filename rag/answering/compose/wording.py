"""What is shown with a quoted sentence: its day and outlet in front; and which sentences say the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from rag.answering.compose.material import Line
from rag.answering.sentence_selection import SPEECH, same_paragraph
from rag.language.dates import written
from rag.language.lexicons import EVERY_LANGUAGE, lexicon
from rag.language.names import names
from rag.language.numbers import numbers
from rag.language.stems import content_stems
from rag.language.tokens import tokens
from rag.schema import Article

OPENING = 0.3  # what the first sentence of an article has over others of the same likeness. Set by hand.
LEAST_HEADLINE = 10  # words of a line without a full stop that says something, as the line below a headline does
_TURN = re.compile(r"(?:[^\W\d_]{1,4}|[^\W\d_a-z][\w'’-]*(?: [^\W\d_a-z][\w'’-]*){0,2}): ")
_OF_ONESELF: Mapping[str, frozenset[str]] = {
    "en": frozenset("i me my mine we us our ours".split()),
    "es": frozenset("yo mi mis nosotros nuestro nuestra nuestros nuestras".split()),
    "de": frozenset("ich mich mir mein meine meinem meinen meiner wir uns unser unsere unserem unseren".split()),
    "fr": frozenset("je moi mon ma mes nous notre nos".split()),
    "it": frozenset("io mio mia miei mie noi nostro nostra nostri nostre".split()),
    "pt": frozenset("eu meu minha meus minhas nosso nossa nossos nossas".split()),
    "nl": frozenset("ik mij mijn wij ons onze".split()),
}
SAME = 0.6  # share of the content words of the shorter of two sentences that say the same. Set by hand.


def dated(day: date | None, text: str) -> str:
    """`3 March 2025: It rained.`"""
    return f"{written(day) if day else 'Undated'}: {text}"


def sourced(article: Article, text: str) -> str:
    """`3 March 2025, The Tide: It rained.`"""
    parts = [written(article.day) if article.day else "Undated", article.outlet]
    return f"{', '.join(part for part in parts if part)}: {text}"


def says_the_same(one: Line, other: Line) -> bool:
    """Whether two sentences share most of their words and name the same numbers."""
    words = [set(content_stems(line.text, line.article.language)) for line in (one, other)]
    fewer = min(map(len, words))
    if not fewer or len(words[0] & words[1]) < SAME * fewer:
        return False
    figures = [numbers(line.text, line.article.language) for line in (one, other)]
    return figures[0] <= figures[1] or figures[1] <= figures[0]


def is_new(line: Line, chosen: Iterable[Line]) -> bool:
    """Whether no chosen sentence says the same."""
    return not any(says_the_same(line, one) for one in chosen)


def leans_on_another(line: Line) -> bool:
    """Whether a sentence refers to somebody or something named before it, or to a speaker whom it does not name; the
    first one of an article has none before it."""
    if line.candidate.start == 0:
        return False
    pointers = EVERY_LANGUAGE.pointers | lexicon(line.article.language).pointers
    outside = SPEECH.sub(" ", line.text)
    named = names(outside, sentence_start=True)
    opening = [token.folded for token in tokens(outside)[: 5 if not named else 2]]
    return not pointers.isdisjoint(opening) or (outside != line.text and not named)


def newsworthy(line: Line) -> bool:
    """Whether a sentence can be quoted alone: it asks nothing, leans on no other, is no heading, no turn of an
    interview and no correction, and nobody speaks in it of himself outside quotation marks."""
    text = line.text.rstrip('"”’»)')
    heading = text[-1:] not in ".!…。！" and len(tokens(text)) < LEAST_HEADLINE
    asks = text.endswith(("?", "？"))
    outside = {token.folded for token in tokens(SPEECH.sub(" ", line.text))}
    personal = not outside.isdisjoint(_OF_ONESELF.get(line.article.language, ()))
    return not (asks or heading or personal or _TURN.match(line.text) or line.corrects or leans_on_another(line))


def quotable(lines: Sequence[Line]) -> list[Line]:
    """The lines that can be quoted alone, and those that lean on the sentence in front of them together with it."""
    found: list[Line] = []
    for index, line in enumerate(lines):
        if newsworthy(line):
            found.append(line)
        elif index and leans_on_another(line) and not line.corrects and newsworthy(lines[index - 1]):
            found += _with(lines[index - 1], line)
    return found


def _with(front: Line, line: Line) -> list[Line]:
    """A line that begins with the sentence in front of it, where both are in one paragraph of one passage."""
    one, other = front.candidate, line.candidate
    if not same_paragraph(one, other) or one.passage.id != other.passage.id or line.text.endswith("?"):
        return []
    return [replace(line, candidate=replace(other, start=one.start))]


def is_echo(text: str, subject: str, language: str) -> bool:
    """Whether a text has no content word but those of the subject, so that it tells nothing about it."""
    return set(content_stems(text, language)) <= set(content_stems(subject, language))


def telling(line: Line) -> float:
    """How much a sentence says about the subject; higher is better."""
    return line.candidate.likeness + 0.5 * line.candidate.coverage + OPENING / (1 + line.place)
