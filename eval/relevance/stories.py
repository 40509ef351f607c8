"""Invented news stories with questions, and which sentences answer them: what relevance is learned from.

A line of a file in the folder `stories` is one story: `id`; `articles` with `language`, `headline`, `outlet`,
`published` and `sentences`; `questions` with `text`, `language`, `today`, and the [article, sentence] pairs of `best`
(states the answer that is right today) and `partial` (a part of it, an earlier state, or background). A question with
neither is not answered by its story. Articles later than `today` are not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STORIES = Path(__file__).with_name("stories")
BEST, PARTIAL = 1.0, 0.35  # how well such a sentence answers


@dataclass(frozen=True, slots=True)
class Article:
    """One article: its headline and its sentences."""

    headline: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoryQuestion:
    """A question to a story. `worth` has, for each sentence of each article, how well it answers: 0 to 1."""

    text: str
    language: str
    story: str
    articles: tuple[Article, ...]
    worth: tuple[tuple[float, ...], ...]

    @property
    def is_answered(self) -> bool:
        """Whether any sentence answers it in full."""
        return any(one == BEST for own in self.worth for one in own)


def questions(folder: Path = STORIES) -> Iterator[StoryQuestion]:
    """All questions of all stories."""
    for story in lines(folder):
        for one in story["questions"]:
            best, partial = ({(a, s) for a, s in one[key]} for key in ("best", "partial"))
            known = [
                (at, Article(own["headline"], tuple(own["sentences"])))
                for at, own in enumerate(story["articles"])
                if own["published"] <= one["today"]
            ]
            worth = tuple(
                tuple(
                    BEST if (at, s) in best else PARTIAL if (at, s) in partial else 0.0
                    for s in range(len(article.sentences))
                )
                for at, article in known
            )
            yield StoryQuestion(
                one["text"], one["language"], story["id"], tuple(article for _, article in known), worth
            )


def lines(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of the files of a folder, as they are."""
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.strip():
                yield json.loads(line)
