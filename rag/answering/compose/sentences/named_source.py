"""The articles that a question names as the ones to tell of: by their outlet, or by who wrote them."""

from __future__ import annotations

from dataclasses import replace

from rag.answering.compose.material import Material
from rag.answering.kinds import holdings
from rag.language.tokens import tokens
from rag.schema import Article


def of_named_source(material: Material) -> Material | None:
    """The material with the articles of an outlet or author that the subject names in full; None without any."""
    outlets = set(holdings.read(material.subject, {one.outlet for one in material.articles}, None).outlets)
    named = {one.id for one in material.articles if one.outlet in outlets or _is_author(one, material.subject)}
    lines = tuple(line for line in material.lines if line.article.id in named)
    return replace(material, lines=lines) if lines else None


def _is_author(article: Article, subject: str) -> bool:
    """Whether a byline of two words or more stands in the subject."""
    byline, words = [[token.folded for token in tokens(text)] for text in (article.byline, subject)]
    return len(byline) > 1 and any(words[at : at + len(byline)] == byline for at in range(len(words)))
