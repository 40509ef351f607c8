"""A comparison: the two sides of a question, with the sentences of each that tell of the same."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from rag.answering.citations import Citer
from rag.answering.compose.material import OPENING_CHARS, Line, Material, without_years, year_of, years_of
from rag.answering.compose.sentences.answers import answering
from rag.answering.compose.sentences.stated import states_difference
from rag.answering.compose.sentences.worth import figures, substance
from rag.answering.compose.wording import is_new, quotable, sourced, telling
from rag.language.lexicons import EVERY_LANGUAGE, lexicon, pattern
from rag.language.names import names
from rag.language.stems import content_stems
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import folded_words, tokens
from rag.schema import Sentence

MOST = 10  # sentences, for each side the same number of them
# What a line of a side is worth: how well it answers the question (rag.answering.relevance) or an aspect of it, its
# figures and names, and what it gains by being the first of its article, or from a later article than the side's first:
# later reports have the final figures. What the counterpart of a line gains by its likeness, by the share of the words
# around its figures that are the same, and by its own worth. Set on 31 comparisons put to the demo archive by four
# writers.
ANSWERING, SUBSTANCE, LEAD, LATER = 3.0, 0.5, 0.1, 0.6
ALIKE, SAME_UNIT, OWN = 4.0, 0.8, 0.5
MOST_ASPECTS = 4  # of a question
# What a line that tells of both sides needs of `_relevance`, by itself and as a share of the best such line's; and most
# of these. Set by hand likewise.
LEAST_STATED, OF_BEST_STATED, MOST_STATED = 0.6, 0.8, 2
# The second article of a comparison needs the first share of the nearness of the first article, or, where the headlines
# and first lines share so many words, the second; what each such word adds to its nearness. Set by hand likewise.
LEAST_OTHER, LEAST_OF_KIND, MANY_SHARED, OF_ITS_KIND = 0.75, 0.25, 3, 0.1
SAME_EVENT = timedelta(days=3)  # between reports of one story that tell of one event
AS_NEAR = 0.8  # share of the nearest article's nearness that one whose beginning names the year needs. Set by hand.
AROUND = 4  # words behind a figure that say what it counts
_JOINT = re.compile(r"[,:;–—-]\s|\s(?:and|y|e|und|et|en)\s")
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True, slots=True)
class Side:
    """The lines of one side, what each is worth for the question, the first row, and for its aspects: (rows, lines)."""

    lines: Sequence[Line]
    worth: np.ndarray

    @classmethod
    def of(cls, lines: Sequence[Line], questions: Sequence[str], material: Material) -> Side:
        """With the question first, then its aspects. Raises ModelUnavailable."""
        first = min((line.day for line in lines if line.day), default=None)
        gained = [
            SUBSTANCE * substance(line)
            + LEAD * (line.place == 0)
            + LATER * bool(first and line.day and line.day > first)
            for line in lines
        ]
        answered = answering(lines, questions, material.language, material.nearness.embedder)
        return cls(lines, ANSWERING * answered + np.array(gained))


def compose(material: Material) -> list[Sentence]:
    """The sentences that state the difference themselves, then those of each side that tell most of what is asked, and
    of the same: at most MOST. None where there is neither."""
    lines = quotable(material.lines)
    stated = both_sides(lines, material, _aspects(material))
    sides = sides_of(material)
    citer = Citer()
    if not all(sides):
        stated = [line for line in stated if states_difference(line)]
    told = side_by_side(sides, material, stated) if all(sides) else []
    ordered = [(0, line) for line in stated]
    ordered += [(side, line) for side, own in enumerate(told, 1) for line in sorted(own, key=_order)]
    return [
        replace(citer.sentence(sourced(line.article, line.text), (line.candidate,), ""), side=side)
        for side, line in ordered
    ]


def _order(line: Line) -> tuple[date, str, int]:
    return line.day or date.max, line.article.id, line.place


def side_by_side(
    sides: Sequence[Sequence[Line]], material: Material, stated: Sequence[Line] = ()
) -> tuple[list[Line], list[Line]]:
    """The lines of both sides that are told, the best for each aspect, then by turns the best of a side with its
    counterpart on the other; each of them new beside those `stated`."""
    questions = [without_years(material.subject), *_parts(material)]
    one, other = (Side.of(lines, questions, material) for lines in sides)
    chosen: tuple[list[Line], list[Line]] = [], []
    most = (MOST - len(stated)) // 2
    for row in range(1, len(questions)):
        for side, own in zip((one, other), chosen, strict=True):
            _add(side, side.worth[row], own, stated, most, only_best=True)
    turns = itertools.cycle([(one, other, chosen), (other, one, chosen[::-1])])
    for side, opposite, (own, others) in itertools.islice(turns, MOST):
        line = _add(side, side.worth[0], own, stated, most)
        if line is not None:
            _add(opposite, _as_counterpart(line, opposite), others, stated, most, only_best=True)
    return chosen


def _add(
    side: Side, worth: np.ndarray, own: list[Line], stated: Sequence[Line], most: int, *, only_best: bool = False
) -> Line | None:
    """Adds the line of the highest worth that is new, or none where there are `most`; `only_best`: none where the best
    one is not new."""
    if len(own) >= most:
        return None
    order: list[int] = np.argsort(-worth, kind="stable").tolist()
    for at in order[: 1 if only_best else None]:
        if is_new(side.lines[at], [*stated, *own]):
            own.append(side.lines[at])
            return side.lines[at]
    return None


def _as_counterpart(line: Line, side: Side) -> np.ndarray:
    """How much each line of a side tells of the same as a line of the other side."""
    units = set(units_of(line))
    found = []
    for other in side.lines:
        own = set(units_of(other))
        shared = len(units & own) / max(min(len(units), len(own)), 1)
        found.append(ALIKE * float(line.vector @ other.vector) + SAME_UNIT * shared)
    return np.asarray(np.array(found) + OWN * side.worth[0])


def _near(lines: Sequence[Line], aspect: np.ndarray) -> np.ndarray:
    """How much nearer to an aspect each line is than the median one."""
    cosines = np.array([line.vector @ aspect for line in lines])
    return np.asarray(cosines - np.median(cosines))


def _aspects(material: Material) -> list[np.ndarray]:
    """The vectors of what a question compares in two things, such as the two of "Brannagh vs Ysolde, deaths and homes
    flooded"."""
    return [material.nearness.to(part).vector for part in _parts(material)]


def _parts(material: Material) -> list[str]:
    """What a question asks of both sides: its parts between conjunctions and in front of words that ask, without
    names."""
    proper = set().union(*_separate_names(material)) if material.language != "de" else set()
    found = []
    for part in _clauses(without_years(material.subject), material.language):
        words = [word for word in tokens(part) if word.folded not in proper]
        if any(word.folded not in STOP_WORDS for word in words):
            found.append(" ".join(word.text for word in words))
    return found[:MOST_ASPECTS]


def _clauses(text: str, language: str) -> Iterator[str]:
    """A text split at conjunctions and in front of the phrases that ask for a number, a day or a name."""
    asking = pattern(
        tuple(
            phrase
            for one in (EVERY_LANGUAGE, lexicon(language))
            for phrase in (*one.asks_number, *one.asks_date, *one.asks_name)
        )
    )
    for clause in _JOINT.split(text):
        words = tokens(clause)
        folded = " ".join(word.folded for word in words)
        starts = {folded.count(" ", 0, match.start()) for match in asking.finditer(folded)}
        for first, end in itertools.pairwise(sorted({0, *starts, len(words)})):
            yield clause[words[first].start : words[end - 1].end]


def both_sides(lines: Sequence[Line], material: Material, aspects: Sequence[np.ndarray]) -> list[Line]:
    """The lines of the two nearest articles that tell of both sides at once, the best first: those that state a
    difference, or else those with figures that name both of two things that the subject names."""
    nearest = {article.id for article in material.articles[:2]}
    relevant = [
        (worth, line)
        for worth, line in zip(_relevance(lines, aspects), lines, strict=True)
        if line.article.id in nearest
    ]
    wanted = _separate_names(material)
    found = [(worth, line) for worth, line in relevant if states_difference(line)] or [
        (worth, line) for worth, line in relevant if len(figures(line)) > 1 and _names_two(line, wanted)
    ]
    best = max((worth for worth, _ in found), default=0.0)
    chosen: list[Line] = []
    for worth, line in sorted(found, key=lambda one: -one[0]):
        if worth >= max(LEAST_STATED, OF_BEST_STATED * best) and len(chosen) < MOST_STATED and is_new(line, chosen):
            chosen.append(line)
    return chosen


def _relevance(lines: Sequence[Line], aspects: Sequence[np.ndarray]) -> list[float]:
    """How near each line is to what is compared and to the subject, as shares of the nearest ones: 0 to 1.5."""
    if not lines or not aspects:
        return [0.0] * len(lines)
    near = np.max([_near(lines, aspect) / max(float(_near(lines, aspect).max()), 1e-9) for aspect in aspects], axis=0)
    like = np.array([line.candidate.likeness for line in lines])
    return list(map(float, near + like / max(2 * float(like.max()), 1e-9)))


def _separate_names(material: Material) -> list[set[str]]:
    """The words of each name in the subject; "Port Selwyn" is one. In a subject without capitals, those words are names
    that the articles write with capitals only."""
    subject = material.subject
    typed = subject == subject.lower()
    proper = _written_with_capitals(material) if typed else set(names(subject, sentence_start=True))
    found: list[set[str]] = []
    behind = False
    for word in tokens(subject):
        named = word.folded in proper and (typed or word.text[0].isupper())
        if named and behind:
            found[-1].add(word.folded)
        elif named:
            found.append({word.folded})
        behind = named
    return found


def _written_with_capitals(material: Material) -> set[str]:
    texts = [article.text for article in material.articles if article.language != "de"]
    small = {word.folded for text in texts for word in tokens(text) if word.text[0].islower()}
    return {name for text in texts for name in names(text)} - small


def _names_two(line: Line, wanted: Sequence[set[str]]) -> bool:
    own = _words(line.text)
    return sum(not own.isdisjoint(name) for name in wanted) > 1


def units_of(line: Line) -> list[str]:
    """The stems of the content words behind the figures of a sentence: what it counts."""
    words = tokens(line.text)
    behind = [
        words[at].text
        for index, word in enumerate(words)
        if word.folded[0].isdigit() and not _YEAR.fullmatch(word.folded)
        for at in range(index + 1, min(index + 1 + AROUND, len(words)))
        if not words[at].folded[0].isdigit()
    ]
    return list(content_stems(" ".join(behind), line.article.language))


def sides_of(material: Material) -> tuple[list[Line], list[Line]]:
    """The lines of the two sides: of the years or names that the subject names, otherwise of the two nearest
    articles, the earlier one first."""
    lines = quotable(material.lines)
    years = years_of(material.subject)
    if len(years) == 2:
        return _of_years(lines, years, material)
    return _by_name(lines, material) or _by_article(lines, material.stories)


def _of_years(lines: Sequence[Line], years: Sequence[int], material: Material) -> tuple[list[Line], list[Line]]:
    """Those of the nearest article about each year and of the others of its story, where the years have not the same;
    preferably of an article whose beginning names the year, if it is about as near."""
    nearest = [_nearest_of_year(lines, year, material.shares) for year in years]
    stories = [material.stories.get(name, name) for name in nearest]
    apart = stories[0] != stories[1]
    one, other = (
        [
            line
            for line in lines
            if line.article.id == name or (apart and material.stories.get(line.article.id) == story)
        ]
        for name, story in zip(nearest, stories, strict=True)
    )
    return one, other


def _nearest_of_year(lines: Sequence[Line], year: int, shares: Mapping[str, float]) -> str:
    """The id of the article that stands for a year; "" for none."""
    articles = {line.article.id: line.article for line in lines if year_of(line.article) == year}
    least = AS_NEAR * max((shares.get(name, 0.0) for name in articles), default=0.0)
    reports = [
        name
        for name, one in articles.items()
        if str(year) in f"{one.title} {one.text[:OPENING_CHARS]}" and shares.get(name, 0.0) >= least
    ]
    return next(iter([*reports, *articles]), "")


def _by_article(lines: Sequence[Line], stories: Mapping[str, str]) -> tuple[list[Line], list[Line]]:
    """The lines of the nearest article and of the one that is most like it among those about the subject: it tells of
    another edition, or of another stage of the same story."""
    of = {line.article.id: [own for own in lines if own.article.id == line.article.id] for line in lines}
    if not of:
        return [], []
    first, *others = of.values()
    apart = [own for own in others if _is_counterpart(own, first, stories)]
    other = max(apart, key=lambda own: _nearness(own) + OF_ITS_KIND * _shared(own[0], first[0]), default=[])
    if not other:
        return [], []
    one, two = sorted((first, other), key=lambda own: own[0].day or date.max)
    return one, two


def _is_counterpart(own: Sequence[Line], first: Sequence[Line], stories: Mapping[str, str]) -> bool:
    """Whether the article of some lines can stand against the first one: it is about the subject too, and tells another
    stage of the same story, or of something of the same kind."""
    story = stories.get(first[0].article.id)
    if story is not None and stories.get(own[0].article.id) == story:
        days = own[0].day, first[0].day
        return not (days[0] and days[1] and abs(days[0] - days[1]) <= SAME_EVENT)
    share = _nearness(own) / max(_nearness(first), 1e-9)
    return share >= LEAST_OTHER or (share >= LEAST_OF_KIND and _shared(own[0], first[0]) >= MANY_SHARED)


def _shared(one: Line, other: Line) -> int:
    """How many content words the headlines and first lines of two articles share."""
    stems = [set(content_stems(f"{line.article.title} {line.text}", line.article.language)) for line in (one, other)]
    return len(stems[0] & stems[1])


def _nearness(lines: Sequence[Line]) -> float:
    """The mean of how telling the three most telling lines are."""
    return sum(sorted(map(telling, lines), reverse=True)[:3]) / min(3, len(lines))


def _by_name(lines: Sequence[Line], material: Material) -> tuple[list[Line], list[Line]] | None:
    """The lines about each of two names of the subject; None where it has not two that different articles are about.

    An article that names one of them only is about it as a whole; of one that names both, the sentences are that name
    one of them only.
    """
    wanted = _separate_names(material)
    articles = {line.article.id: line.article for line in lines}
    held = {one.id: _words(f"{one.title} {one.text}") for one in articles.values()}
    apart = [name for name in wanted if 0 < sum(name <= words for words in held.values()) < len(held)]
    if len(apart) < 2:
        return None
    one, other = apart[:2]
    sides = (
        [line for line in lines if _is_about(line, one, other, held)],
        [line for line in lines if _is_about(line, other, one, held)],
    )
    return sides if all(sides) else None


def _is_about(line: Line, name: set[str], other: set[str], held: Mapping[str, set[str]]) -> bool:
    article, own = held[line.article.id], _words(line.text)
    return name <= article and (not other <= article or name <= own) and not other <= own


def _words(text: str) -> set[str]:
    return set(folded_words(text))
