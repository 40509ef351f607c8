"""Fields become a checked article: cleaned, with an id, a language and its uncitable spans."""

from __future__ import annotations

from dataclasses import replace

from ingest.cleaning.boilerplate import uncitable_spans
from ingest.cleaning.text import clean
from ingest.metadata.addresses import article_id
from ingest.metadata.fields import Fields, bounded
from ingest.metadata.text_lines import dateline_fields
from ingest.metadata.values import language_code, one_line
from ingest.readers.items import Place, ReadOptions
from rag.errors import BadInput
from rag.language.identify import detect_language
from rag.schema import Article

# A long novel. One article of 48 MB held the processor for minutes and other requests for seconds, since a regular
# expression over the whole text lets nothing else run.
MOST_CHARS = 2_000_000


def make_article(fields: Fields, place: Place, options: ReadOptions, within: str = "") -> Article:
    """The article that these fields describe. Raises BadInput where its text is missing, too short or too long.

    `within` distinguishes records of one file that have neither id nor address.
    """
    fields = bounded(fields)
    if len(fields.text) > MOST_CHARS:
        raise BadInput(
            "too large",
            f"its text has {len(fields.text):,} characters, expected at most {MOST_CHARS:,}; split it into articles",
        )
    text = clean(fields.text)
    title = one_line(clean(fields.title)) or _opening(text)
    if not text and not fields.withdrawn:
        raise BadInput("empty", "no text is left of it; expected the text of an article")
    length = len(text) + (0 if text.startswith(title) else len(title))
    if length < options.min_chars and not fields.withdrawn:
        raise BadInput("too short", f"it has {length} characters, expected at least {options.min_chars}")
    line = dateline_fields(text)
    language = fields.language or language_code(options.language)
    return Article(
        id=article_id(replace(fields, title=title), place.stem, within),
        title=title,
        text=text,
        url=fields.url,
        outlet=clean(fields.outlet) or options.outlet or line.outlet,
        byline=clean(fields.byline),
        genre=clean(fields.genre),
        published=fields.published or line.published or options.published,
        modified=fields.modified,
        language=language or detect_language(text),
        status="withdrawn" if fields.withdrawn else "live",
        uncitable=uncitable_spans(text),
        source=place.source,
    )


def _opening(text: str) -> str:
    """The first line of a text as a title of at most 120 characters."""
    first = text.split("\n", 1)[0]
    return first if len(first) <= 120 else first[:119].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"
