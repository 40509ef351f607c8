"""The figure that a sentence gives for what a question asks to count: its value and the sentence that holds it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.answering.compose.material import Line, Material
from rag.answering.compose.wording import quotable, telling
from rag.answering.kinds.cues import names_quantity
from rag.answering.question import expected
from rag.language.dates import named_days
from rag.language.lexicons import EVERY_LANGUAGE, lexicon, pattern
from rag.language.names import names
from rag.language.numbers import numbers
from rag.language.stems import content_stems
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import Token, fold, tokens

# Words around a number that say what it counts, up to the next comma.
BEFORE, BEHIND = 4, 6
# Of the most telling line of an article, what another one needs for its numbers to be looked at; of the best figure of
# all articles, what the best one of an article needs to be about the same. Set by hand on the questions to the demo
# archive.
LEAST_TELLING, LEAST_SHARE = 0.4, 0.2
NEAR_BEST = 0.9  # of the nearest figure's score, with which one counts the same in other words. Set by hand likewise.
HEADS = 2  # content words behind a number that say what it counts
COUNTED = 0.5  # weight of the likeness of a number's words beside how telling its line is. Set by hand likewise.
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_CLOCK = re.compile(r"\s?(?:[ap]\.?m\b|uhr\b|o'clock|h\b)", re.I)
_HOUR = re.compile(r"(?:[01]?\d|2[0-3])[.:][0-5]\d")
_STOP = re.compile(r"[,;:](?=\s)|[()“”«»\"]|\.\s")
_PART = frozenset("of de des von der di dei del van dos das".split())


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and the line that gives it; `value` is normalised (rag.language.numbers), with % for a percentage.

    `phrase` is the number with the words around it; `score` is the likeness of its words to the subject and how telling
    its line is; higher is better.
    """

    value: str
    line: Line
    score: float
    phrase: str = ""


def asks_figure(subject: str) -> bool:
    """Whether a subject is a number: "how many were hurt", "toll of the flood"."""
    return expected(subject) == "number" or names_quantity(subject)


def figures_of(material: Material, question: str) -> list[Figure]:
    """For each article the figure that is nearest to the question, where it is near enough; the nearest first."""
    return _best_of_articles(_scored(material, question))


def figures_alike(material: Material, question: str) -> list[Figure]:
    """For each article the figure nearest to the question among those that count the same as the nearest of all; where
    it has none, one that is nearly as near."""
    every = _scored(material, question)
    nearest = max(every, key=lambda one: one.score, default=None)
    wanted = set(content_stems(_without_names(question), material.language))
    same = [one for one in every if nearest and _counts_the_same(one, nearest, wanted)]
    told = {one.line.article.id for one in same}
    near = [one for one in every if nearest and one.score >= NEAR_BEST * nearest.score]
    return _best_of_articles([*same, *(one for one in near if one.line.article.id not in told)])


def _best_of_articles(figures: Sequence[Figure]) -> list[Figure]:
    best: dict[str, Figure] = {}
    for figure in figures:
        known = best.get(figure.line.article.id)
        if known is None or figure.score > known.score:
            best[figure.line.article.id] = figure
    ordered = sorted(best.values(), key=lambda one: -one.score)
    return [one for one in ordered if one.score >= LEAST_SHARE * ordered[0].score]


def _scored(material: Material, question: str) -> list[Figure]:
    found: list[tuple[Line, str, str]] = []
    for article in material.articles:
        own = [line for line in quotable(material.lines) if line.article.id == article.id]
        least = LEAST_TELLING * max(map(telling, own), default=0.0)
        near = [line for line in own if telling(line) >= least]
        found += [(line, value, phrase) for line in near for value, phrase in phrases(line)]
    counted = material.nearness.to(_without_names(question))
    scores = counted.contrasts([(phrase, line.article.language) for line, _, phrase in found])
    return [
        Figure(value, line, COUNTED * likeness + telling(line), phrase)
        for (line, value, phrase), likeness in zip(found, scores, strict=True)
    ]


def _counts_the_same(one: Figure, other: Figure, wanted: set[str]) -> bool:
    """Whether a figure counts the same as the nearest one: they have a head word in common ("employs 830 people",
    "employed 688 people"), or, where one has no such word, its words are the question's."""
    if one is other:
        return True
    if one.value.endswith("%") != other.value.endswith("%"):
        return False
    heads = _heads(one), _heads(other)
    if all(heads):
        return not heads[0].isdisjoint(heads[1])
    return not wanted.isdisjoint(content_stems(one.phrase, one.line.article.language))


def _heads(figure: Figure) -> set[str]:
    """The stems of the first content words behind the number of a figure."""
    language = figure.line.article.language
    words = tokens(figure.phrase)
    behind = next((at + 1 for at, word in reversed(list(enumerate(words))) if _is_number(word, language)), 0)
    return set(content_stems(" ".join(word.text for word in words[behind:]), language)[:HEADS])


def _without_names(question: str) -> str:
    """What is counted, without where: the words around a number seldom say that."""
    proper = set(names(question))
    return " ".join(word.text for word in tokens(question) if word.folded not in proper) or question


def phrases(line: Line) -> Iterator[tuple[str, str]]:
    """The value of each number of a line, but for years, days and times, and the words around it."""
    text, language = line.text, line.article.language
    words = tokens(text)
    days = [(start, end) for start, end, _ in named_days(text, line.day, language)]
    for first, end in _runs(words, text, language):
        start, stop = words[first].start, words[end - 1].end
        value = numbers(text[start:stop], language)
        dated = any(begin < stop and start < finish for begin, finish in days)
        if len(value) != 1 or dated or _YEAR.fullmatch(text[start:stop]) or _CLOCK.match(text[stop:]):
            continue
        percent = "%" if _is_percent(text[stop:]) else ""
        priced = percent or unicodedata.category(text[start - 1 : start] or " ") == "Sc"
        if _HOUR.fullmatch(text[start:stop]) and not priced and not _counts(text, words[end : end + 1], stop):
            continue
        if end < len(words) and words[end].folded in _PART and end - first == 1 and len(next(iter(value))) < 3:
            continue  # "three of the injured" counts a part
        around = _around(text, words, first, end)
        if len(tokens(around)) > end - first + 1:  # "58" alone, an age, counts nothing
            yield next(iter(value)) + percent, around


def _counts(text: str, following: Sequence[Token], stop: int) -> bool:
    """Whether a content word stands right behind a number, as in "6.84 metres" and not in "at 17.30 and"."""
    return any(not text[stop : word.start].strip() and word.folded not in STOP_WORDS for word in following)


def _runs(words: Sequence[Token], text: str, language: str) -> Iterator[tuple[int, int]]:
    """First and behind the last word of each number."""
    scales, at = lexicon(language).scales, 0
    while at < len(words):
        end = at
        while end < len(words) and (_is_number(words[end], language) or (end > at and words[end].folded in scales)):
            end += 1
            if end < len(words) and not re.fullmatch(r"[\s-]*", text[words[end - 1].end : words[end].start]):
                break
        if end > at:
            yield at, end
        at = max(end, at + 1)


def _is_number(word: Token, language: str) -> bool:
    return bool(numbers(word.text, language))


def _is_percent(behind: str) -> bool:
    following = behind.lstrip()
    return following.startswith("%") or bool(pattern(EVERY_LANGUAGE.percent).match(fold(following[:20])))


def _around(text: str, words: Sequence[Token], first: int, end: int) -> str:
    start = words[max(0, first - BEFORE)].start
    stop = words[min(len(words), end + BEHIND) - 1].end
    front = _STOP.split(text[start : words[first].start])[-1]
    behind = _STOP.split(text[words[end - 1].end : stop])[0]
    return " ".join(f"{front}{text[words[first].start : words[end - 1].end]}{behind}".split())
