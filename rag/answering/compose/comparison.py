"""A comparison: the two sides of a question, with the sentences of each that tell of the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np

from rag.answering.citations import Citer
from rag.answering.compose.material import OPENING_CHARS, Line, Material, without_years, year_of, years_of
from rag.answering.compose.sentences.stated import states_difference
from rag.answering.compose.sentences.worth import figures, substance
from rag.answering.compose.wording import is_new, quotable, sourced, telling
from rag.language.names import names
from rag.language.stems import content_stems
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import folded_words, tokens
from rag.schema import Sentence

PAIRS = 5  # most pairs of sentences
LEAST_PAIR = 0.5  # of the worth of the best pair, which another one needs. Set by hand likewise.
# What a pair gains by the likeness of its sentences, by the share of the words around their figures that are the same,
# and by a figure in both. Set by hand on the editor's questions to the demo archive and on 20 further ones.
ALIKE, SAME_UNIT, BOTH_COUNT = 1.5, 0.8, 0.3
OF_ASPECT = 8.0  # what a pair gains by each cosine of its lines to an aspect of the question. Set by hand likewise.
MOST_ASPECTS = 3
# What a line that tells of both sides needs of `_relevance`, by itself and as a share of the best such line's; and most
# of these. Set by hand likewise.
LEAST_STATED, OF_BEST_STATED, MOST_STATED = 0.6, 0.8, 2
# The second article of a comparison needs the first share of the nearness of the first article, or, where the headlines
# and first lines share so many words, the second; what each such word adds to its nearness. Set by hand likewise.
LEAST_OTHER, LEAST_OF_KIND, MANY_SHARED, OF_ITS_KIND = 0.75, 0.25, 3, 0.1
SAME_EVENT = timedelta(days=3)  # between reports of one story that tell of one event
LEAD = 0.3  # what the first sentence of an article has over others
AROUND = 4  # words behind a figure that say what it counts
_JOINT = re.compile(r"[,:;–—-]\s|\s(?:and|y|e|und|et|en)\s")
_YEAR = re.compile(r"(?:19|20)\d\d")


def compose(material: Material) -> list[Sentence]:
    """The sentences that state the difference themselves, then pairs of sentences, one of each side, side by side: at
    most PAIRS a side. None where there is neither."""
    lines = quotable(material.lines)
    aspects = _aspects(material)
    stated = both_sides(lines, material, aspects)
    one, other = sides_of(material)
    citer = Citer()
    if not (one and other):
        stated = [line for line in stated if states_difference(line)]
    chosen = pairs(one, other, aspects, stated) if one and other else []
    told = [sorted({id(pair[side]): pair[side] for pair in chosen}.values(), key=_order) for side in (0, 1)]
    return [
        citer.sentence(sourced(line.article, line.text), (line.candidate,), "")
        for line in (*stated, *told[0], *told[1])
    ]


def _order(line: Line) -> tuple[date, str, int]:
    return line.day or date.max, line.article.id, line.place


def pairs(
    one: Sequence[Line], other: Sequence[Line], aspects: Sequence[np.ndarray] = (), told: Sequence[Line] = ()
) -> list[tuple[Line, Line]]:
    """At most PAIRS pairs of a line of each side that tell of the same: the best for each aspect, then the best of all;
    each of them new beside those `told`."""
    value = _values(one, other)
    rounds = [value + OF_ASPECT * (_near(one, aspect)[:, None] + _near(other, aspect)) for aspect in aspects]
    chosen: list[tuple[Line, Line]] = []
    for number, worth in enumerate([*rounds, value], 1):
        _add_best(worth, one, other, chosen, told, number if number <= len(rounds) else PAIRS)
    return chosen


def _add_best(
    worth: np.ndarray,
    one: Sequence[Line],
    other: Sequence[Line],
    chosen: list[tuple[Line, Line]],
    told: Sequence[Line],
    most: int,
) -> None:
    """Adds new pairs, those of the highest worth first, until there are `most`."""
    new = [
        np.array([is_new(line, [*told, *(pair[side] for pair in chosen)]) for line in lines])
        for side, lines in enumerate((one, other))
    ]
    for at in np.argsort(-worth, axis=None, kind="stable"):
        i, j = divmod(int(at), len(other))
        if len(chosen) >= most or worth[i, j] < LEAST_PAIR * worth.max():
            return
        if new[0][i] and new[1][j]:
            chosen.append((one[i], other[j]))
            new[0] &= np.array([is_new(line, [one[i]]) for line in one])
            new[1] &= np.array([is_new(line, [other[j]]) for line in other])


def _near(lines: Sequence[Line], aspect: np.ndarray) -> np.ndarray:
    """How much nearer to an aspect each line is than the median one."""
    cosines = np.array([line.vector @ aspect for line in lines])
    return np.asarray(cosines - np.median(cosines))


def _aspects(material: Material) -> list[np.ndarray]:
    """The vectors of what a question compares in two things, such as the two of "Brannagh vs Ysolde, deaths and homes
    flooded"."""
    proper = set(names(material.subject, sentence_start=True)) if material.language != "de" else set()
    found = []
    for part in _JOINT.split(without_years(material.subject)):
        words = [word for word in tokens(part) if word.folded not in proper]
        if any(word.folded not in STOP_WORDS for word in words):
            found.append(" ".join(word.text for word in words))
    return [material.nearness.to(part).vector for part in found[:MOST_ASPECTS]]


def both_sides(lines: Sequence[Line], material: Material, aspects: Sequence[np.ndarray]) -> list[Line]:
    """The lines of the two nearest articles that tell of both sides at once, the best first: those that state a
    difference, or else those with figures that name both of two things that the subject names."""
    nearest = {article.id for article in material.articles[:2]}
    relevant = [
        (worth, line)
        for worth, line in zip(_relevance(lines, aspects), lines, strict=True)
        if line.article.id in nearest
    ]
    wanted = _separate_names(material.subject)
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


def _separate_names(subject: str) -> list[set[str]]:
    """The words of each name in a subject; "Port Selwyn" is one."""
    proper = set(names(subject, sentence_start=True))
    found: list[set[str]] = []
    behind = False
    for word in tokens(subject):
        named = word.folded in proper and word.text[0].isupper()
        if named and behind:
            found[-1].add(word.folded)
        elif named:
            found.append({word.folded})
        behind = named
    return found


def _names_two(line: Line, wanted: Sequence[set[str]]) -> bool:
    own = _words(line.text)
    return sum(not own.isdisjoint(name) for name in wanted) > 1


def _values(one: Sequence[Line], other: Sequence[Line]) -> np.ndarray:
    """How much each two sentences of the sides say about the subject, and about the same side of it: (one, other)."""
    units = [[set(units_of(line)) for line in lines] for lines in (one, other)]
    counts = [np.array([bool(figures(line)) for line in lines]) for lines in (one, other)]
    own = [np.array([_own(line) for line in lines]) for lines in (one, other)]
    shared = [[len(a & b) / max(min(len(a), len(b)), 1) for b in units[1]] for a in units[0]]
    alike = np.array([line.vector for line in one]) @ np.array([line.vector for line in other]).T
    both = np.outer(counts[0], counts[1])
    return np.asarray(np.add.outer(*own) / 2 + ALIKE * alike + SAME_UNIT * np.array(shared) + BOTH_COUNT * both)


def _own(line: Line) -> float:
    return telling(line) + substance(line) + LEAD * (line.place == 0)


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
        return _of_year(lines, years[0]), _of_year(lines, years[1])
    return _by_name(lines, material) or _by_article(lines, material.stories)


def _of_year(lines: Sequence[Line], year: int) -> list[Line]:
    """Those of the nearest article about the year, preferably of one whose beginning names it."""
    articles = {line.article.id: line.article for line in lines if year_of(line.article) == year}
    reports = [one.id for one in articles.values() if str(year) in f"{one.title} {one.text[:OPENING_CHARS]}"]
    nearest = next(iter([*reports, *articles]), None)
    return [line for line in lines if line.article.id == nearest]


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
    wanted = list(dict.fromkeys(names(material.subject, sentence_start=True)))
    articles = {line.article.id: line.article for line in lines}
    held = {one.id: _words(f"{one.title} {one.text}") for one in articles.values()}
    apart = [name for name in wanted if 0 < sum(name in words for words in held.values()) < len(held)]
    if len(apart) < 2:
        return None
    one, other = apart[:2]
    sides = (
        [line for line in lines if _is_about(line, one, other, held)],
        [line for line in lines if _is_about(line, other, one, held)],
    )
    return sides if all(sides) else None


def _is_about(line: Line, name: str, other: str, held: dict[str, set[str]]) -> bool:
    article, own = held[line.article.id], _words(line.text)
    return name in article and (other not in article or name in own) and other not in own


def _words(text: str) -> set[str]:
    return set(folded_words(text))
