"""Whether reports agree: what each says, in groups of those that say the same, and what an outlet has corrected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta

from rag.answering.citations import Citer
from rag.answering.compose.figures import Figure, asks_figure, figures_of
from rag.answering.compose.material import Line, Material
from rag.answering.compose.wording import quotable, says_the_same, sourced, telling
from rag.schema import Article, Sentence

MOST = 8  # reports that are quoted
# Figures in reports whose days lie further apart are no disagreement: the thing itself may have changed. Set by hand.
SAME_TIME = timedelta(days=3)
SAME_EVENT = timedelta(days=30)
LEAST_SHARE = 0.5  # of the most telling sentence, which the one of a report must reach. Set by hand.


def compose(material: Material) -> list[Sentence]:
    """A sentence of counts, then what the reports say: groups of those that say the same, the best supported first.

    Copies of one text are one report. What an outlet corrected stands behind the correction. None without a report.
    """
    material = _of_one_event(material)
    figures = figures_of(material, material.subject) if asks_figure(material.subject) else []
    groups = grouped(figures) if figures else _by_words(material)
    if not groups:
        return []
    citer = Citer()
    lead = [Sentence(text=_lead(groups, bool(figures)), verdict="supported")]
    copied = [Sentence(text=text, verdict="supported") for text in _copies(groups, material)]
    shown = [line for group in groups for line in group][:MOST]
    quoted = [citer.sentence(sourced(one.article, one.text), (one.candidate,), "") for one in shown]
    return [*lead, *quoted, *_corrections(shown, material, citer), *copied]


def _of_one_event(material: Material) -> Material:
    """The material without articles on another event than the best one: of another story and another month."""
    if not material.articles:
        return material
    best = material.articles[0]
    story = material.stories.get(best.id, best.id)

    def is_same(article: Article) -> bool:
        near = not best.day or not article.day or abs(best.day - article.day) <= SAME_EVENT
        return near or material.stories.get(article.id) == story

    return replace(material, lines=tuple(line for line in material.lines if is_same(line.article)))


def grouped(figures: Sequence[Figure]) -> list[list[Line]]:
    """The lines by the value that they give; of one outlet's values only the last: it corrected or updated the others.

    The value that most reports give comes first, of equally many the newest.
    """
    values = {one.value for one in _last_of_outlets(figures)}
    groups = [[one.line for one in figures if one.value == value] for value in values]
    return sorted((sorted(group, key=_newness, reverse=True) for group in groups), key=_rank, reverse=True)


def _last_of_outlets(figures: Iterable[Figure]) -> list[Figure]:
    last: dict[str, Figure] = {}
    for one in sorted(figures, key=lambda figure: _newness(figure.line)):
        last[one.line.article.outlet or one.line.article.id] = one
    return list(last.values())


def _newness(line: Line) -> tuple[date, str]:
    return line.day or date.min, line.article.id


def _rank(group: Sequence[Line]) -> tuple[int, tuple[date, str]]:
    return len(group), _newness(group[0])


def _by_words(material: Material) -> list[list[Line]]:
    """The most telling line of each article, those together that say the same in other words."""
    lines = quotable(material.lines)
    best = [
        max((line for line in lines if line.article.id == article.id), key=telling, default=None)
        for article in material.articles
    ]
    told = sorted((line for line in best if line), key=telling, reverse=True)
    groups: list[list[Line]] = []
    for line in told:
        if telling(line) < LEAST_SHARE * telling(told[0]):
            break
        same = next((group for group in groups if says_the_same(line, group[0])), None)
        if same is None:
            groups.append([line])
        else:
            same.append(line)
    return groups


def _lead(groups: Sequence[Sequence[Line]], counted: bool) -> str:
    reports = sum(map(len, groups))
    if reports == 1:
        return "Only one independent report tells of this, so that nothing can be compared."
    if len(groups) == 1:
        return f"The {reports} independent reports of this agree:"
    if not counted:
        return f"{reports} independent reports tell of this, each in its own words:"
    if _at_one_time(groups):
        return f"The reports differ: {reports} independent reports give {len(groups)} figures."
    return f"The figure changed with time: {reports} independent reports give {len(groups)}, on different days."


def _at_one_time(groups: Sequence[Sequence[Line]]) -> bool:
    """Whether reports that give different figures are of nearly the same day, or of an unknown one."""
    days = [[line.day for line in group] for group in groups]
    return any(
        not one or not other or abs(one - other) <= SAME_TIME
        for at, own in enumerate(days)
        for others in days[at + 1 :]
        for one in own
        for other in others
    )


def _corrections(shown: Sequence[Line], material: Material, citer: Citer) -> list[Sentence]:
    """The notes in which the outlets of these lines say what they had reported before."""
    articles = {line.article.id for line in shown}
    notes = [line for line in material.lines if line.corrects and line.article.id in articles]
    return [citer.sentence(sourced(one.article, one.text), (one.candidate,), "") for one in notes]


def _copies(groups: Sequence[Sequence[Line]], material: Material) -> list[str]:
    found = []
    for line in (line for group in groups for line in group):
        outlets = sorted({copy.outlet for copy in material.copies.get(line.article.id, ()) if copy.outlet})
        if outlets:
            found.append(f"The report of {line.article.outlet or line.article.title} is also in {', '.join(outlets)}.")
    return found
