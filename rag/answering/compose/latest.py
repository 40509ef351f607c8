"""The newest state of something: for each event of its kind the last report first, then earlier ones that differ."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta

from rag.answering.citations import Citer
from rag.answering.compose.figures import asks_figure, figures_of
from rag.answering.compose.material import LEAST_SHARE as NEAR
from rag.answering.compose.material import Line, Material, years_of
from rag.answering.compose.sentences.offices import Holder, named_in_office, offices_beside
from rag.answering.compose.sentences.worth import worth_asked
from rag.answering.compose.wording import is_new, quotable, sourced
from rag.answering.people.namesakes import AskedPerson, is_called, named_people, names_person
from rag.answering.sentence_selection import same_paragraph
from rag.answering.time_windows.windows import named_window
from rag.language.names import names
from rag.language.sentences import is_question
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import tokens
from rag.schema import Article, Sentence

EARLIER = 2
OF_NEWEST = 2  # sentences of the newest report of the event meant: its main news is often not what is asked for
# What the best sentence of an article needs of that of the best one of all, or of the same event; what a second one of
# the newest report needs of its first one; and a correction of the sentence that it belongs to. Set by hand on the
# editor's questions to the demo archive and on 320 further ones by four writers.
LEAST_SHARE, SAME_EVENT, SECOND, LEAST_CORRECTION = 0.75, 0.3, 0.5, 0.5
# Years from which on a sentence that names one tells of another holder: "in 1969, Mayor Lindsay". Set by hand.
LONG_AGO = 15
LATER_THAN_OTHERS = timedelta(days=365)  # most by which an undated article is newer than the dated ones beside it
_ANY_YEAR = re.compile(r"\b(?:1[89]|20)\d\d\b")
_YEAR = re.compile(r"\b20\d\d\b")


def compose(material: Material) -> list[Sentence]:
    """For each event the newest report with its day and outlet, and at most two earlier ones that differ from it.

    The newest event comes first. What an outlet has corrected stands behind the corrected sentence.
    """
    best = _best_lines(material)
    most = max((lines[0] for lines in best.values()), key=worth_asked, default=None)
    citer, chosen = Citer(), list[Line]()
    for articles in _events(material, [article for article in material.articles if best.get(article.id)]):
        own: list[Line] = []
        reports = 0
        for article in articles:
            lines = best.get(article.id, [])
            if not lines or most is None or reports > EARLIER:
                continue
            meant = most.article in articles
            if worth_asked(lines[0]) < (SAME_EVENT if meant else LEAST_SHARE) * worth_asked(most):
                continue
            new = _new(lines, [*chosen, *own], OF_NEWEST if meant and not reports else 1)
            own += [one for line in new for one in (line, *_corrections(line, material.lines))]
            reports += bool(new)
        chosen += own
    return [citer.sentence(sourced(one.article, one.text), (one.candidate,), "") for one in chosen]


def in_office(material: Material, share: float, at: date | None = None) -> list[Sentence]:
    """Who has the office that the subject asks for: whom the newest article names in it, then whom earlier ones name,
    each by the newest sentence that does; a second sentence on the newest one. None where nobody is named in an office
    with that share of the words asked for.

    Who had it `at` a day: whom the newest article until then names, else the first one after it, and nobody else.
    """
    days, told = _days(material), list[Holder]()
    held = [one for one in named_in_office(material, share) if _tells_of_now(one.line)]
    held.sort(key=lambda one: days.get(one.line.article.id, date.min), reverse=True)
    if at:
        until = [one for one in held if days.get(one.line.article.id, date.max) <= at]
        held = until or held[::-1]
    for one in held:
        of_same = sum(other.last_name == one.last_name for other in told)
        most = OF_NEWEST if not told or one.last_name == told[0].last_name else 0 if at else 1
        if len(told) <= EARLIER and of_same < most and is_new(one.line, [other.line for other in told]):
            told.append(one)
    citer = Citer()
    return [citer.sentence(sourced(one.line.article, one.line.text), (one.line.candidate,), "") for one in told]


def _tells_of_now(line: Line) -> bool:
    """Whether a sentence may tell who has an office when its article is published: no question and no correction, and
    it names no year long before."""
    before = line.day.year if line.day else 0
    return not (
        is_question(line.text)
        or line.corrects
        or any(int(year) < before - LONG_AGO for year in _ANY_YEAR.findall(line.text))
    )


def _new(lines: Sequence[Line], said: Sequence[Line], most: int) -> list[Line]:
    """At most so many of the lines, which are sorted best first, that say something new and are nearly as good as the
    first one."""
    new: list[Line] = []
    for line in lines:
        if worth_asked(line) >= SECOND * worth_asked(lines[0]) and is_new(line, [*said, *new]):
            new.append(line)
        if len(new) == most:
            break
    return new


def _events(material: Material, told: Sequence[Article]) -> list[list[Article]]:
    """The articles `told`, by the story that they tell, the newest story and article first; those of no known day
    last."""
    groups: dict[str, list[Article]] = defaultdict(list)
    for article in told:
        groups[material.stories.get(article.id, article.id)].append(article)
    # Names are compared within one language only: "Banco" is "Bank" in another.
    own = all(article.language == material.language for article in told)
    wanted = set(names(material.subject)) if own else set()
    held = {story: wanted & _words(articles) for story, articles in groups.items()}
    most = max(map(len, held.values()), default=0)
    days = _days(material)

    def newness(article: Article) -> tuple[date, bool]:
        return days.get(article.id, date.min), article.modified is not None

    meant = [sorted(groups[story], key=newness, reverse=True) for story in groups if len(held[story]) == most]
    return sorted(meant, key=lambda articles: newness(articles[0]), reverse=True)


def _days(material: Material) -> dict[str, date]:
    """Article id -> its day; of an undated one the last day that a sentence of it names with the year."""
    days = {article.id: article.day for article in material.articles if article.day}
    until = min(max(days.values(), default=date.today()), date.max - LATER_THAN_OTHERS) + LATER_THAN_OTHERS
    for line in material.lines:
        if line.day is None and _YEAR.search(line.text) and (window := named_window(line.text, until)):
            named = window.last or window.first or date.min
            if named > until:
                continue  # a day to come
            days[line.article.id] = max(days.get(line.article.id, date.min), named)
    return days


def _words(articles: Sequence[Article]) -> set[str]:
    return {token.folded for article in articles for token in tokens(f"{article.title} {article.text}")}


def _best_lines(material: Material) -> dict[str, list[Line]]:
    """Article id -> its lines, the best first: the one that gives the figure that the subject names. Of an article that
    is not near only those that name what is meant."""
    figures = figures_of(material, material.subject) if asks_figure(material.subject) else []
    best = {one.line.article.id: [one.line] for one in figures}
    kept = _on_person(_near_or_named(quotable(material.lines), material), material)
    for article in material.articles:
        ranked = sorted([one for one in kept if one.article.id == article.id], key=worth_asked, reverse=True)
        if ranked:
            best[article.id] = [*best.get(article.id, []), *ranked]
    return best


def _near_or_named(lines: Sequence[Line], material: Material) -> list[Line]:
    """The lines of the stories nearest to the subject, and those of others that name all that the subject names: that a
    ship was sold for scrap is told in an article on the next one. All, where the subject names years."""
    if years_of(material.subject):
        return list(lines)
    near = {one.id for one in material.articles if material.shares.get(one.id, 1.0) >= NEAR} | material.series
    told = {material.stories.get(article, article) for article in near}
    wanted = set(names(material.subject) or names(material.subject, sentence_start=True))
    return [
        line
        for line in lines
        if material.stories.get(line.article.id, line.article.id) in told
        or (wanted and wanted <= set(names(line.text, sentence_start=True)))
    ]


def _on_person(lines: Sequence[Line], material: Material) -> Sequence[Line]:
    """The lines that name the person with whom the subject begins, and those of `lines` that go on behind one in its
    paragraph: of a manager the report of a match tells in one sentence. All where it begins with nobody or no line
    names him."""
    first = next((word.folded for word in tokens(material.subject) if word.folded not in STOP_WORDS), "")
    people = [
        one
        for one in named_people(material.subject, material.articles)
        if first in {one.last, *one.given} and _is_person(one, material)
    ]
    kept: list[Line] = []
    for line in material.lines if people else ():
        goes_on = bool(kept) and kept[-1].place == line.place - 1 and same_paragraph(kept[-1].candidate, line.candidate)
        if (goes_on and line in lines) or names_person(line.article, *line.span, people[0]):
            kept.append(line)
    return kept or lines


def _is_person(one: AskedPerson, material: Material) -> bool:
    """Whether articles name somebody as they do people and no places: beside an office, or later by fewer names."""
    return is_called(one.last, material.articles) or any(
        one.last == name[-1] for line in material.lines for name, _ in offices_beside(line.text, line.article.language)
    )


def _corrections(line: Line, lines: Sequence[Line]) -> list[Line]:
    """The notes of the line's article that correct what it is about."""
    notes = [one for one in lines if one.article.id == line.article.id and one.corrects]
    return [one for one in notes if one.candidate.likeness >= LEAST_CORRECTION * line.candidate.likeness]
