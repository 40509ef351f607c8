"""The newest state of something: for each event of its kind the last report first, then earlier ones that differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

from rag.answering.citations import Citer
from rag.answering.compose.figures import asks_figure, figures_of
from rag.answering.compose.material import Line, Material
from rag.answering.compose.wording import is_new, quotable, sourced, telling
from rag.language.names import names
from rag.language.tokens import tokens
from rag.schema import Article, Sentence

EARLIER = 2
# What the best sentence of an article needs of that of the most telling one of all, or of the same event, and a
# correction of the sentence that it belongs to. Set by hand on the questions to the demo archive.
LEAST_SHARE, SAME_EVENT, LEAST_CORRECTION = 0.5, 0.3, 0.5


def compose(material: Material) -> list[Sentence]:
    """For each event the newest report with its day and outlet, and at most two earlier ones that differ from it.

    The newest event comes first. What an outlet has corrected stands behind the corrected sentence.
    """
    best = _best_lines(material)
    most = max(best.values(), key=telling, default=None)
    citer, chosen = Citer(), list[Line]()
    for articles in _events(material):
        own: list[Line] = []
        for article in articles:
            line = best.get(article.id)
            if line is None or most is None or len(own) > EARLIER:
                continue
            share = SAME_EVENT if most.article in articles else LEAST_SHARE
            if telling(line) >= share * telling(most) and is_new(line, [*chosen, *own]):
                own += [line, *_corrections(line, material.lines)]
        chosen += own
    return [citer.sentence(sourced(one.article, one.text), (one.candidate,), "") for one in chosen]


def _events(material: Material) -> list[list[Article]]:
    """The articles by the story that they tell, the newest story and article first, undated articles last."""
    groups: dict[str, list[Article]] = defaultdict(list)
    for article in material.articles:
        groups[material.stories.get(article.id, article.id)].append(article)
    # Names are compared within one language only: "Banco" is "Bank" in another.
    own = all(article.language == material.language for article in material.articles)
    wanted = set(names(material.subject)) if own else set()
    held = {story: wanted & _words(articles) for story, articles in groups.items()}
    most = max(map(len, held.values()), default=0)
    meant = [sorted(groups[story], key=_newness, reverse=True) for story in groups if len(held[story]) == most]
    return sorted(meant, key=lambda articles: _newness(articles[0]), reverse=True)


def _words(articles: Sequence[Article]) -> set[str]:
    return {token.folded for article in articles for token in tokens(f"{article.title} {article.text}")}


def _newness(article: Article) -> tuple[date, bool]:
    return article.day or date.min, article.modified is not None


def _best_lines(material: Material) -> dict[str, Line]:
    """Article id -> the line that gives the figure that the subject names, or else the most telling one."""
    figures = figures_of(material, material.subject) if asks_figure(material.subject) else []
    best = {one.line.article.id: one.line for one in figures}
    for article in material.articles:
        own = quotable([line for line in material.lines if line.article.id == article.id])
        if own and article.id not in best:
            best[article.id] = max(own, key=telling)
    return best


def _corrections(line: Line, lines: Sequence[Line]) -> list[Line]:
    """The notes of the line's article that correct what it is about."""
    notes = [one for one in lines if one.article.id == line.article.id and one.corrects]
    return [one for one in notes if one.candidate.likeness >= LEAST_CORRECTION * line.candidate.likeness]
