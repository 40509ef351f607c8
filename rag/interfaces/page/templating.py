"""HTML from the Jinja2 templates in `templates/`. Every value is escaped, except what a template itself has made."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rag.interfaces.page.exchange import Card, outlet_and_day

_CONTROL = dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(127, 160)], " ")
# Direction overrides would let an article show its words in another order than they are.
_DIRECTION = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "")
_UNPRINTABLE = _CONTROL | _DIRECTION


def printable(text: str) -> str:
    """Without control characters, direction overrides and lone surrogates: it can be shown, and sent as UTF-8."""
    return text.translate(_UNPRINTABLE).encode("utf-8", "replace").decode()


def render(template: str, /, **values: Any) -> str:
    """The HTML of a template with these values. A value that the template names and that is missing is an error."""
    return _ENVIRONMENT.get_template(template).render(values)


def article_address(article_id: str, version: int = 0, start: int = 0, end: int = 0) -> str:
    """Where an article is shown, seen from the page, with the characters from `start` to `end` highlighted."""
    query = {name: value for name, value in (("version", version), ("start", start), ("end", end)) if value}
    return f"article/{quote(article_id, safe='')}{'?' + urlencode(query) if query else ''}"


def story_address(story_id: str) -> str:
    """Where the articles of a story are shown, seen from the page."""
    return f"story/{quote(story_id, safe='')}"


def _card_address(card: Card) -> str:
    return article_address(card.article, card.version, card.start, card.end)


def _finalize(value: object) -> object:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates", encoding="utf-8"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_finalize,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "address": _card_address,
    "article_address": article_address,
    "outlet_and_day": outlet_and_day,
    "story_address": story_address,
}
