"""A web page becomes the fields of its article; a page that holds no article is rejected."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

from ingest.cleaning.text import clean
from ingest.cleaning.visibility import Element
from ingest.metadata.dates import parse_date
from ingest.metadata.fields import Fields
from ingest.metadata.records import is_article_type
from ingest.metadata.values import byline_names, one_line, slug
from ingest.readers.pages.extraction import article_paragraphs, paragraphs
from ingest.readers.pages.metadata import linked_data, meta_content, page_metadata, record_type
from ingest.readers.pages.parsing import parsed
from ingest.readers.pages.unseen import drop_unseen
from rag.errors import BadInput


def page_fields(markup: str, url: str = "") -> Fields:
    """The article of a web page: its text in paragraphs, title, byline, outlet, dates and address.

    `url` is where the page was downloaded, "" where that is not known. Raises BadInput where the page holds no
    article (a feed, a section front, a search result, an error page) or cannot be parsed.
    """
    if _is_feed(markup):
        raise BadInput("not an article", "it is a feed, not a page: give its address or file to the feed reader")
    tree = parsed(markup)
    said = page_metadata(tree, url)
    drop_unseen(tree)
    blocks = _without_head(article_paragraphs(tree), said)
    text = clean("\n\n".join(blocks))
    _check_article(tree, said, blocks)
    return replace(said, text=text)


_FEED = re.compile(r"<(?:rss|feed|rdf)\b", re.I)
_BEFORE_ROOT = (("<!--", "-->"), ("<?", ">"), ("<!", ">"))


def _is_feed(markup: str) -> bool:
    """Whether the root element, behind declarations and comments, is that of a feed.

    The declarations are stepped over one by one: a single pattern for all of them would take quadratic time.
    """
    at = 0
    start = markup[:10_000]
    while True:
        while at < len(start) and (start[at].isspace() or start[at] == "\ufeff"):
            at += 1
        ends = next((end for opens, end in _BEFORE_ROOT if start.startswith(opens, at)), "")
        if not ends:
            return bool(_FEED.match(start, at))
        found = start.find(ends, at)
        if found < 0:
            return False
        at = found + len(ends)


def fragment_text(markup: str) -> str:
    """The visible words of a piece of HTML (the body of a ninjs item, say), in paragraphs."""
    tree = parsed(f"<html><body>{markup}</body></html>")
    drop_unseen(tree)
    return clean("\n\n".join(paragraphs(tree)))


def _without_head(blocks: list[str], said: Fields) -> list[str]:
    """The blocks without the title, the kicker above it, and the byline and the date line below it."""
    title, names = slug(said.title), slug(said.byline)
    top = next((i for i, block in enumerate(blocks[:5]) if title and slug(block) == title), -1)
    if all(len(block) < 120 for block in blocks[: top + 1]):
        blocks = blocks[top + 1 :]
    kept = []
    for index, block in enumerate(blocks):
        bare = slug(byline_names(block))
        credit = (
            bool(names)
            and len(block) < 120
            and (bare == names or bare.startswith(names + "-") and block[-1] not in '.!?”"')
        )
        if index < 4 and (credit or parse_date(block)):
            continue
        kept.append(block)
    return kept


_NOT_FOUND = re.compile(
    r"\b(404|403|410|page not found|not found|access denied|no longer available|pagina no encontrada|no (existe|"
    r"encontrad[oa])|"
    r"seite nicht gefunden|nicht gefunden|page introuvable|non trouvee|just a moment|are you a robot|captcha)\b", re.I
)  # fmt: skip


_FRONT_TYPES = {"CollectionPage", "WebSite", "SearchResultsPage"}


def _check_article(tree: Element, said: Fields, blocks: list[str]) -> None:
    """Raises BadInput where the blocks are headlines and links rather than the prose of an article."""
    total = sum(map(len, blocks))
    prose = sum(len(b) for b in blocks if len(b) >= 80 or b.rstrip('"”’»')[-1:] in tuple(".!?。！？…"))
    heading = f"{said.title} {' '.join(tree.xpath('//title/text()')[:1])}"
    fix = "Save the page of a single article, or give its text as .txt."
    if _NOT_FOUND.search(heading) and total < 1500:
        raise BadInput("not an article", f"it is an error page ('{one_line(heading)[:80]}'). {fix}")
    kinds = {kind for record in linked_data(tree) if isinstance(kind := record_type(record), str)}
    article = meta_content(tree, "og:type") == "article" or any(map(is_article_type, kinds))
    if prose < 60 or prose < (0.1 if article else 0.35) * total:
        raise BadInput("not an article", f"{prose} characters of running text found, expected an article. {fix}")
    path = urlsplit(said.url)
    if path.path in {"/", "/index.html", "/index.php"} and said.url and not path.query and not article:
        raise BadInput("not an article", f"it is the front page of a site ({said.url}). {fix}")
    front = meta_content(tree, "og:type") == "website" or bool(kinds & _FRONT_TYPES)
    long_blocks = sum(len(block) >= 80 for block in blocks)
    if front and not article and long_blocks < 3 and not said.published:
        raise BadInput("not an article", f"it is the front page of a site or section. {fix}")
